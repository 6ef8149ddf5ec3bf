/*
 * Bytes from anybody who connects to a node's ports, before and after a handshake.  The first byte
 * chooses the kind of server and how many bytes come at a time.  Nobody without an identity gets
 * through a node's handshake.
 */
#include "fuzz.h"

#include "net/tls.h"

static const cm_identity *identity(void)
{
    static cm_identity *id; /* the same for all inputs of a process */
    if (id == NULL) {
        cm_status st = cm_identity_generate("north", 36500, &id, NULL);
        CM_ASSERT(st == CM_OK);
    }
    return id;
}

static cm_tls *new_server(bool for_sql, bool pinned)
{
    const cm_tls_options options = {.identity = identity(),
                                    .accepted = pinned ? cm_identity_cert(identity()) : NULL,
                                    .accepted_count = pinned ? 1 : 0};
    cm_tls *tls = NULL;

    cm_status st = for_sql ? cm_tls_new_sql_server(identity(), &tls, NULL)
                           : cm_tls_new_server(&options, &tls, NULL);
    CM_ASSERT(st == CM_OK);
    return tls;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cm_fuzz_input input = {data, bytes};
    uint8_t choice = cm_fuzz_take(&input);
    cm_tls *tls = new_server((choice & 1) != 0, (choice & 2) != 0);
    size_t step = (size_t)(choice >> 2) * 8 + 1;
    cm_buf out = {0};
    cm_status st = CM_OK;

    while (st == CM_OK && input.bytes > 0) {
        size_t now = step < input.bytes ? step : input.bytes;
        cm_diag diag = {0};
        st = cm_tls_feed(tls, input.data, now, &diag);
        CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
        CM_ASSERT(!cm_tls_established(tls));
        cm_tls_take(tls, &out);
        input.data += now;
        input.bytes -= now;
    }
    cm_tls_take(tls, &out);
    cm_buf_free(&out);
    cm_tls_free(tls);
    return 0;
}

bool cm_fuzz_seed(unsigned number, cm_buf *out)
{
    const cm_tls_options options = {.identity = identity()};
    cm_tls *client = NULL;

    if (number >= 4) {
        return false;
    }
    cm_status st = cm_tls_new_client(&options, &client, NULL);
    CM_ASSERT(st == CM_OK);
    cm_buf_put_u8(out, (uint8_t)(number | 0xfc));
    cm_tls_take(client, out);
    cm_tls_free(client);
    return true;
}
