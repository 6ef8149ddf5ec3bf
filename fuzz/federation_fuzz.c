/*
 * Texts that a founder sends: charter, invitation, federation file.  The first byte chooses.  An
 * accepted text is the canonical one: printed again it is the same.  An invitation's checksum
 * and a federation's signatures would stop nearly every mutation, so both are also tried with
 * right ones over wrong content.
 */
#include "fuzz.h"

#include "node/federation.h"

#include <stdlib.h>
#include <string.h>

static const char *const members[] = {"north", "south", "registry", "insurer"};
static const cm_charter charter = {.name = "cancer_care",
                                   .version = 1,
                                   .protocol = "rep3",
                                   .founder = "north",
                                   .members = CM_COUNT(members),
                                   .member = members,
                                   .parties = 3};

static void try_charter(const char *text, cm_arena *arena)
{
    cm_charter c;
    cm_diag diag = {0};

    cm_status st = cm_charter_parse(text, arena, &c, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    if (st == CM_OK) {
        cm_buf again = {0};
        cm_charter_print(&c, &again);
        CM_ASSERT(strcmp(cm_buf_text(&again), text) == 0);
        cm_buf_free(&again);
    }
}

static void try_token(const char *text, cm_arena *arena)
{
    cm_token token;
    cm_diag diag = {0};

    cm_status st = cm_token_parse(text, arena, &token, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    if (st == CM_OK) {
        cm_buf again = {0};
        cm_token_print(&token, &again);
        cm_token second;
        st = cm_token_parse(cm_buf_text(&again), arena, &second, NULL);
        CM_ASSERT(st == CM_OK && strcmp(second.invitee, token.invitee) == 0);
        cm_buf_free(&again);
    }
}

/* An invitation with the given bytes in it, as a founder that follows no rules would make it. */
static void try_made_token(cm_fuzz_input input, cm_arena *arena)
{
    cm_buf text = {0};
    cm_token token = {.charter = charter};

    token.secret[0] = cm_fuzz_take(&input);
    token.expires_unix = cm_fuzz_take(&input);
    char *invitee = cm_fuzz_text(input.data, input.bytes / 2);
    char *endpoint = cm_fuzz_text(input.data + input.bytes / 2, input.bytes - input.bytes / 2);
    token.invitee = invitee;
    token.founder_endpoint = endpoint;
    cm_token_print(&token, &text);
    try_token(cm_buf_text(&text), arena);
    cm_buf_free(&text);
    free(invitee);
    free(endpoint);
}

static void try_federation(const char *text, bool complete)
{
    cm_federation *f = NULL;
    cm_diag diag = {0};

    cm_status st = cm_federation_parse(text, complete, &f, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK) && (st == CM_OK) == (f != NULL));
    if (st == CM_OK) {
        cm_buf again = {0};
        cm_federation_print(f, &again);
        CM_ASSERT(strcmp(cm_buf_text(&again), text) == 0);
        CM_ASSERT(cm_federation_index(f, f->charter.founder) >= 0);
        cm_buf_free(&again);
    }
    cm_federation_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cm_fuzz_input input = {data, bytes};
    uint8_t choice = cm_fuzz_take(&input);
    char *text = cm_fuzz_text(input.data, input.bytes);
    cm_arena arena;

    CM_ASSERT(cm_arena_init(&arena, 64 << 20) == CM_OK);
    switch (choice % 5) {
    case 0:
        try_charter(text, &arena);
        break;
    case 1:
        try_token(text, &arena);
        break;
    case 2:
        try_made_token(input, &arena);
        break;
    default:
        try_federation(text, choice % 5 == 3);
        break;
    }
    cm_arena_fini(&arena);
    free(text);
    return 0;
}

/* ---- seeds ---------------------------------------------------------------------------------- */

static void put_federation(bool is_signed, cm_buf *out)
{
    cm_federation_member member[CM_COUNT(members)];
    cm_identity *identity[CM_COUNT(members)];
    cm_federation *f = NULL;

    memset(member, 0, sizeof member);
    for (size_t i = 0; i < CM_COUNT(members); i++) {
        cm_status st = cm_identity_generate(members[i], 36500, &identity[i], NULL);
        CM_ASSERT(st == CM_OK);
        member[i].org = members[i];
        member[i].endpoint = "127.0.0.1:7000";
        member[i].cert = *cm_identity_cert(identity[i]);
    }
    cm_status st = cm_federation_new(&charter, member, &f, NULL);
    CM_ASSERT(st == CM_OK);
    for (size_t i = 0; i < CM_COUNT(members); i++) {
        if (is_signed) {
            cm_federation_sign(f, identity[i], f->member[i].signature);
            f->member[i].is_signed = true;
        }
        cm_identity_free(identity[i]);
    }
    cm_federation_print(f, out);
    cm_federation_free(f);
}

bool cm_fuzz_seed(unsigned number, cm_buf *out)
{
    const cm_token token = {.charter = charter,
                            .invitee = "south",
                            .founder_endpoint = "north.example:7000",
                            .expires_unix = 2000000000};

    cm_buf_put_u8(out, (uint8_t)(number < 4 ? number : 3));
    switch (number) {
    case 0:
        cm_charter_print(&charter, out);
        return true;
    case 1:
        cm_token_print(&token, out);
        return true;
    case 2:
        cm_buf_printf(out, "southnorth.example:7000");
        return true;
    case 3:
    case 4:
        put_federation(number == 3, out);
        return true;
    default:
        return false;
    }
}
