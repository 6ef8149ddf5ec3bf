/*
 * Messages between nodes, and between a node and its job's process.  The first byte chooses the
 * decoder.  Proposals, consents and catalogs are signed here over the fuzzer's bytes, since a wrong
 * signature would end every test at once.  What is accepted must be encoded to the same bytes
 * again, where the format has one form only.
 */
#include "fuzz.h"
#include "schema.h"

#include "node/channel.h"
#include "node/peers.h"
#include "node/wire.h"

#include <stdlib.h>
#include <string.h>

static const cm_identity *identity(void)
{
    static cm_identity *id; /* the same for all inputs of a process */
    if (id == NULL) {
        cm_status st = cm_identity_generate("north", 36500, &id, NULL);
        CM_ASSERT(st == CM_OK);
    }
    return id;
}

static void put_signed(cm_fuzz_input input, const char *context, cm_buf *out)
{
    uint8_t signature[CM_SIGNATURE_BYTES];

    cm_buf_put(out, input.data, input.bytes);
    cm_identity_sign(identity(), context, input.data, input.bytes, signature);
    cm_buf_put(out, signature, sizeof signature);
}

static void check_same(const cm_buf *again, const uint8_t *data, size_t bytes)
{
    CM_ASSERT(!again->failed && again->bytes == bytes);
    CM_ASSERT(memcmp(again->data, data, bytes) == 0);
}

static void check_shown(const cm_diag *diag)
{
    CM_ASSERT(strlen(diag->sqlstate) == 5);
    CM_ASSERT(diag->status != CM_OK && diag->status <= CM_EEXISTS && diag->position >= 0);
    for (const char *c = diag->message; *c != '\0'; c++) {
        CM_ASSERT(*c == '\n' || (unsigned char)*c >= 0x20);
    }
}

/* ---- decoders -------------------------------------------------------------------------------- */

static void try_diag(cm_fuzz_input input, cm_arena *arena)
{
    cm_reader r = cm_reader_of(input.data, input.bytes);
    cm_diag diag, second;
    cm_buf again = {0};

    (void)arena;
    cm_diag_decode(&r, &diag);
    if (cm_reader_done(&r)) {
        check_shown(&diag);
        cm_diag_encode(&diag, &again);
        r = cm_reader_of(again.data, again.bytes);
        cm_diag_decode(&r, &second);
        CM_ASSERT(cm_reader_done(&r) && strcmp(diag.message, second.message) == 0);
        CM_ASSERT(strcmp(diag.party, second.party) == 0);
    }
    cm_buf_free(&again);
}

static void try_proposal(cm_fuzz_input input, cm_arena *arena)
{
    cm_buf message = {0}, again = {0};
    cm_proposal p;
    cm_diag diag = {0};

    put_signed(input, "comity propose 1", &message);
    cm_status st = cm_proposal_decode(message.data, message.bytes, cm_identity_cert(identity()),
                                      arena, &p, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    if (st == CM_OK) {
        cm_proposal_encode(&p, identity(), &again);
        check_same(&again, message.data, message.bytes);
    }
    cm_buf_free(&message);
    cm_buf_free(&again);
}

static void try_consent(cm_fuzz_input input, cm_arena *arena)
{
    cm_buf message = {0};
    cm_consent consent;

    (void)arena;
    put_signed(input, "comity consent 1", &message);
    cm_status st =
        cm_consent_decode(message.data, message.bytes, cm_identity_cert(identity()), &consent);
    if (st == CM_OK && !consent.allowed) {
        check_shown(&consent.why);
    }
    cm_buf_free(&message);
}

static void try_report(cm_fuzz_input input, cm_arena *arena)
{
    cm_reader r = cm_reader_of(input.data, input.bytes);
    cm_job_report report;
    cm_buf again = {0};

    if (cm_job_report_decode(&r, arena, &report)) {
        if (report.ok) {
            cm_job_report_encode(&report, &again);
            check_same(&again, input.data, input.bytes);
        } else {
            check_shown(&report.why);
        }
    }
    cm_buf_free(&again);
}

static void try_order(cm_fuzz_input input, cm_arena *arena)
{
    cm_job_order order;
    cm_buf again = {0};
    cm_diag diag = {0};

    cm_status st = cm_job_order_decode(input.data, input.bytes, arena, &order, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    if (st == CM_OK) {
        cm_job_order_encode(&order, &again);
        check_same(&again, input.data, input.bytes);
    }
    cm_buf_free(&again);
}

static void try_catalog(cm_fuzz_input input, cm_arena *arena)
{
    cm_catalog_content content;
    cm_diag diag = {0};

    cm_status st = cm_catalog_decode(input.data, input.bytes, NULL, arena, &content, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    if (st == CM_OK) {
        for (size_t i = 0; i < content.tables; i++) {
            CM_ASSERT(strcmp(content.table[i].org, content.org) == 0);
        }
    }
}

static void try_options(cm_fuzz_input input, cm_arena *arena)
{
    cm_reader r = cm_reader_of(input.data, input.bytes);
    cm_options options;
    cm_buf again = {0};

    if (cm_options_decode(&r, arena, &options)) {
        cm_options_encode(&options, &again);
        check_same(&again, input.data, input.bytes - cm_reader_left(&r));
        CM_ASSERT(cm_options_get(&options, "no such option") == NULL || options.count > 0);
    }
    cm_buf_free(&again);
}

static void try_preamble(cm_fuzz_input input, cm_arena *arena)
{
    uint8_t data[CM_PREAMBLE_BYTES] = {0}, again[CM_PREAMBLE_BYTES];
    cm_preamble preamble;

    (void)arena;
    if (input.bytes > 0) {
        memcpy(data, input.data, input.bytes < sizeof data ? input.bytes : sizeof data);
    }
    if (cm_preamble_decode(data, &preamble) == CM_OK) {
        cm_preamble_encode(&preamble, again);
        CM_ASSERT(memcmp(data, again, sizeof data) == 0);
    }
}

/* Frames that come in pieces are the same as frames that come at once. */
static void try_frames(cm_fuzz_input input, cm_arena *arena)
{
    enum { FRAME_MAX = 300 };
    cm_framer framer = {.max_bytes = FRAME_MAX};
    cm_buf again = {0};
    const uint8_t *whole = NULL;
    cm_status st = CM_OK;

    (void)arena;
    size_t step = (size_t)cm_fuzz_take(&input) + 1;
    whole = input.data;
    while (st == CM_OK && input.bytes > 0) {
        size_t now = step < input.bytes ? step : input.bytes;
        st = cm_framer_put(&framer, input.data, now);
        input.data += now;
        input.bytes -= now;
        uint8_t type;
        const uint8_t *body;
        size_t bytes;
        while (cm_framer_next(&framer, &type, &body, &bytes)) {
            CM_ASSERT(bytes < FRAME_MAX);
            cm_frame_put(&again, type, body, bytes);
            cm_framer_drop(&framer);
        }
    }
    CM_ASSERT(again.bytes == 0 || memcmp(again.data, whole, again.bytes) == 0);
    cm_framer_fini(&framer);
    cm_buf_free(&again);
}

typedef void (*try_fn)(cm_fuzz_input input, cm_arena *arena);
static const try_fn tries[] = {try_diag,    try_proposal, try_consent,  try_report, try_order,
                               try_catalog, try_options,  try_preamble, try_frames};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cm_fuzz_input input = {data, bytes};
    uint8_t choice = cm_fuzz_take(&input);
    cm_arena arena;

    CM_ASSERT(cm_arena_init(&arena, 256 << 20) == CM_OK);
    tries[choice % CM_COUNT(tries)](input, &arena);
    cm_arena_fini(&arena);
    return 0;
}

/* ---- seeds ---------------------------------------------------------------------------------- */

static const char *const texts[] = {"2024", NULL, "north"};
static const cm_option option[] = {{"path", "/srv/data"}, {"table", "visits"}};
static const cm_diag refusal = {.status = CM_EDENIED,
                                .sqlstate = "42501",
                                .party = "north",
                                .message = "permission denied",
                                .hint = "ask for it"};

/* What is signed in tries is made without the signature. */
static void drop_signature(cm_buf *out)
{
    CM_ASSERT(out->bytes > CM_SIGNATURE_BYTES);
    out->bytes -= CM_SIGNATURE_BYTES;
}

static void seed_proposal(cm_buf *out)
{
    static const cm_named_catalog catalog[] = {{.org = "north", .id.version = 3}};
    const cm_proposal p = {.coordinator = "south",
                           .role = "ann",
                           .sql = "SELECT count(*) FROM visits",
                           .params = CM_COUNT(texts),
                           .param = texts,
                           .settings = cm_plan_settings_default(),
                           .catalogs = CM_COUNT(catalog),
                           .catalog = catalog,
                           .created_unix = 1,
                           .expires_unix = 2,
                           .deadline_ms = 1000};
    cm_proposal_encode(&p, identity(), out);
    drop_signature(out);
}

static void seed_consent(cm_buf *out)
{
    const cm_consent consent = {.allowed = false, .stale = true, .why = refusal};
    cm_consent_encode(&consent, identity(), out);
    drop_signature(out);
}

static void seed_report(cm_buf *out)
{
    static const cm_measured measured[] = {{1, 2, 0.5}, {0, 0, 0}};
    const cm_job_report report = {
        .ok = true, .bytes = 7, .nodes = CM_COUNT(measured), .measured = measured};
    cm_job_report_encode(&report, out);
}

static void seed_order(cm_buf *out, const cm_schema *schema)
{
    static const char *const remote[] = {"a", "b", "c", "d"};
    const cm_org_table *published = cm_schema_table(schema, "registry", "tumours");
    CM_ASSERT(published->cols == CM_COUNT(remote));
    const cm_state_table table = {
        .table = *published, .server = "s", .remote = "public.t", .remote_col = remote};
    const cm_state_server server = {"s", "csv", {CM_COUNT(option), option}};
    const cm_state_catalog catalog = {"north", 3, (const uint8_t *)"abc"};
    const cm_job_order order = {.org = "registry",
                                .federation = "comity federation 1\n",
                                .catalogs = 1,
                                .catalog = &catalog,
                                .coordinator = "north",
                                .sql = "SELECT 1",
                                .params = CM_COUNT(texts),
                                .param = texts,
                                .settings = cm_plan_settings_default(),
                                .identity_pem = "pem",
                                .servers = 1,
                                .server = &server,
                                .tables = 1,
                                .table = &table,
                                .cache_dir = "/tmp"};
    cm_job_order_encode(&order, out);
}

static void seed_catalog(cm_buf *out, const cm_schema *schema)
{
    cm_status st = cm_catalog_encode("north", 5, cm_schema_table(schema, "north", "visits"), 1,
                                     identity(), out, NULL);
    CM_ASSERT(st == CM_OK);
}

static void seed_preamble(cm_buf *out)
{
    uint8_t data[CM_PREAMBLE_BYTES];
    const cm_preamble preamble = {.kind = CM_LINK_JOB, .sender = 2, .lane = 1};
    cm_preamble_encode(&preamble, data);
    cm_buf_put(out, data, sizeof data);
}

static void seed_frames(cm_buf *out)
{
    cm_buf_put_u8(out, 2); /* bytes at a time, less one */
    cm_frame_put(out, 1, "abc", 3);
    cm_frame_put(out, 2, NULL, 0);
    cm_frame_put(out, 3, "0123456789", 10);
}

bool cm_fuzz_seed(unsigned number, cm_buf *out)
{
    const cm_options options = {CM_COUNT(option), option};
    cm_buf body = {0}; /* some encoders start at the front of their buffer */
    cm_arena arena;

    if (number >= CM_COUNT(tries)) {
        return false;
    }
    CM_ASSERT(cm_arena_init(&arena, 64 << 20) == CM_OK);
    const cm_schema *schema = cm_fuzz_schema(&arena);
    if (tries[number] == try_diag) {
        cm_diag_encode(&refusal, &body);
    } else if (tries[number] == try_proposal) {
        seed_proposal(&body);
    } else if (tries[number] == try_consent) {
        seed_consent(&body);
    } else if (tries[number] == try_report) {
        seed_report(&body);
    } else if (tries[number] == try_order) {
        seed_order(&body, schema);
    } else if (tries[number] == try_catalog) {
        seed_catalog(&body, schema);
    } else if (tries[number] == try_options) {
        cm_options_encode(&options, &body);
    } else if (tries[number] == try_preamble) {
        seed_preamble(&body);
    } else {
        seed_frames(&body);
    }
    cm_buf_put_u8(out, (uint8_t)number);
    cm_buf_put(out, body.data, body.bytes);
    cm_buf_free(&body);
    cm_arena_fini(&arena);
    return true;
}
