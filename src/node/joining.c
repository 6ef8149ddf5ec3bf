/* The side of the node that joins: founding.c tells the protocol. */
#include "node/founding_int.h"

#include "base/clock.h"
#include "node/peers.h"
#include "node/wire.h"

#include <string.h>

enum { RETRY_MS = 1000, CONNECT_MS = 5000 };

static const char fact_token[] = "joining.token";
static const char fact_accepted[] = "joining.accepted";

static cm_status out_of_memory(cm_diag *diag)
{
    return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
}

static void hang_up(cm_founding *founding)
{
    cm_stream_close(founding->dialing);
    cm_channel_close(founding->channel);
    founding->dialing = NULL;
    founding->channel = NULL;
    founding->ready = false;
    founding->next_ms = cm_clock_ms() + RETRY_MS;
}

static void tell_asker(cm_founding *founding, const cm_diag *why)
{
    cm_joined_fn done = founding->done;
    founding->done = NULL;
    if (done != NULL) {
        done(founding->done_arg, why);
    }
}

static void stop_joining(cm_founding *founding)
{
    hang_up(founding);
    cm_state *state = cm_node_state(founding->node);
    if (cm_state_fact_put(state, fact_token, NULL, NULL) != CM_OK ||
        cm_state_fact_put(state, fact_accepted, NULL, NULL) != CM_OK) {
        cm_node_log(founding->node, "the end of joining could not be stored: it will be repeated");
    }
    founding->joining = false;
    founding->accepted = false;
    cm_wipe(founding->token.secret, sizeof founding->token.secret);
    cm_arena_fini(&founding->token_arena);
    memset(&founding->token_arena, 0, sizeof founding->token_arena);
}

/* The connection failed: somebody who waits for the answer is told and may try again; a node that
 * was accepted before goes on by itself. */
static void fail_attempt(cm_founding *founding, const cm_diag *why)
{
    cm_node_log(founding->node, "joining: %s", why->message);
    hang_up(founding);
    if (founding->done != NULL && !founding->accepted) {
        stop_joining(founding);
    }
    tell_asker(founding, why);
}

/* The body keeps what the charter promised, names this node as it is, and the founder's
 * certificate is the one that the token pins. */
static cm_status check_body(cm_founding *founding, const cm_federation *f, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf agreed = {0};
    CM_CLEANUP(cm_buf_free) cm_buf offered = {0};
    cm_node *node = founding->node;
    cm_charter_print(&founding->token.charter, &agreed);
    cm_charter_print(&f->charter, &offered);
    int me = cm_federation_index(f, cm_node_org(node));
    int them = cm_federation_index(f, founding->token.charter.founder);
    if (strcmp(cm_buf_text(&agreed), cm_buf_text(&offered)) != 0 || me < 0 || them < 0) {
        return cm_fail(diag, CM_EDENIED, "28000",
                       "the founder sent a federation that is not the one of the invitation");
    }
    cm_hash founder = cm_cert_fingerprint(&f->member[them].cert);
    if (!cm_cert_same(&f->member[me].cert, cm_identity_cert(cm_node_identity(node))) ||
        strcmp(f->member[me].endpoint, cm_node_listen_address(node)) != 0 ||
        memcmp(&founder, &founding->token.founder_fingerprint, sizeof founder) != 0) {
        return cm_fail(diag, CM_EDENIED, "28000",
                       "the founder sent a federation with wrong certificates");
    }
    return CM_OK;
}

static cm_status take_body(cm_founding *founding, const char *text, cm_diag *diag)
{
    uint8_t signature[CM_SIGNATURE_BYTES];
    cm_federation *f = NULL;
    cm_status st = cm_federation_parse(text, false, &f, diag);
    if (st == CM_OK) {
        st = check_body(founding, f, diag);
    }
    if (st == CM_OK) {
        cm_federation_sign(f, cm_node_identity(founding->node), signature);
        cm_channel_send(founding->channel, JOIN_SIGNATURE, signature, sizeof signature);
    }
    cm_federation_free(f);
    return st;
}

static cm_status take_file(cm_founding *founding, const char *text, cm_diag *diag)
{
    cm_federation *f = NULL;
    cm_status st = cm_federation_parse(text, true, &f, diag);
    if (st == CM_OK && f->charter.version < founding->token.charter.version) {
        /* The federation before this one is still in force at the founder. */
        cm_federation_free(f);
        return CM_OK;
    }
    if (st == CM_OK) {
        st = check_body(founding, f, diag);
    }
    if (st == CM_OK) {
        st = cm_node_set_federation(founding->node, f, diag);
    }
    if (st != CM_OK) {
        cm_federation_free(f);
        return st;
    }
    stop_joining(founding);
    return CM_OK;
}

static cm_status take_accepted(cm_founding *founding, cm_diag *diag)
{
    founding->accepted = true;
    cm_status st = cm_state_fact_put(cm_node_state(founding->node), fact_accepted, "yes", diag);
    if (st == CM_OK) {
        tell_asker(founding, NULL);
        cm_channel_send(founding->channel, JOIN_POLL, NULL, 0);
    }
    return st;
}

static void take_refused(cm_founding *founding, const uint8_t *body, size_t bytes)
{
    cm_diag why;
    cm_reader r = cm_reader_of(body, bytes);
    cm_diag_decode(&r, &why);
    if (!cm_reader_done(&r)) {
        cm_diag_set(&why, CM_EPROTO, CM_SQL_PROTOCOL, "the founder refused");
    }
    if (why.status != CM_EDENIED) {
        fail_attempt(founding, &why); /* a full disk, say: it may be better later */
        return;
    }
    cm_node_log(founding->node, "%s refused: %s", founding->token.charter.founder, why.message);
    stop_joining(founding);
    tell_asker(founding, &why);
}

static void on_join_message(void *arg, uint8_t type, const uint8_t *body, size_t bytes)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_founding *founding = arg;
    cm_diag diag = {0};
    cm_status st = CM_OK;
    cm_buf_put(&text, body, bytes);
    if (type == JOIN_ACCEPTED) {
        st = take_accepted(founding, &diag);
    } else if (type == JOIN_REFUSED) {
        take_refused(founding, body, bytes);
    } else if (type == JOIN_BODY) {
        st = take_body(founding, cm_buf_text(&text), &diag);
    } else if (type == JOIN_FILE) {
        st = take_file(founding, cm_buf_text(&text), &diag);
    } else if (type != JOIN_WAIT) {
        st = cm_fail(&diag, CM_EPROTO, CM_SQL_PROTOCOL, "an unexpected message came");
    }
    if (st != CM_OK) {
        fail_attempt(founding, &diag);
    }
}

static void on_join_ready(void *arg, const cm_cert *peer)
{
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    cm_founding *founding = arg;
    cm_node *node = founding->node;
    cm_hash founder = cm_cert_fingerprint(peer);
    cm_hash own = cm_cert_fingerprint(cm_identity_cert(cm_node_identity(node)));
    if (memcmp(&founder, &founding->token.founder_fingerprint, sizeof founder) != 0) {
        cm_diag why;
        cm_diag_set(&why, CM_EDENIED, "28000",
                    "the node at %s does not have the certificate that the invitation names",
                    founding->token.founder_endpoint);
        fail_attempt(founding, &why);
        return;
    }
    founding->ready = true;
    if (founding->accepted) {
        cm_channel_send(founding->channel, JOIN_POLL, NULL, 0);
        return;
    }
    cm_hash proof = cm_join_proof(founding->token.secret, &founding->token.charter,
                                  cm_node_org(node), cm_node_listen_address(node), &own, &founder);
    cm_buf_put_text(&body, cm_node_org(node));
    cm_buf_put_text(&body, cm_node_listen_address(node));
    cm_buf_put(&body, proof.bytes, sizeof proof.bytes);
    cm_channel_send(founding->channel, JOIN_PROOF, body.data, body.bytes);
}

static void on_join_closed(void *arg, const cm_diag *why)
{
    fail_attempt(arg, why);
}

static void on_dialed(void *arg, cm_status status)
{
    cm_founding *founding = arg;
    cm_stream *stream = founding->dialing;
    uint8_t preamble[CM_PREAMBLE_BYTES];
    cm_preamble p = {.kind = CM_LINK_JOIN};
    if (status != CM_OK) {
        cm_diag why;
        cm_diag_set(&why, CM_EPEER, CM_SQL_CONNECTION_FAILURE, "could not connect to %s",
                    founding->token.founder_endpoint);
        fail_attempt(founding, &why);
        return;
    }
    founding->dialing = NULL;
    cm_preamble_encode(&p, preamble);
    cm_stream_write(stream, preamble, sizeof preamble);
    cm_tls_options tls = {.identity = cm_node_identity(founding->node)};
    cm_channel_events events = {founding, on_join_ready, on_join_message, on_join_closed};
    if (cm_channel_new(stream, true, &tls, JOIN_MAX_BYTES, &events, &founding->channel, NULL) !=
        CM_OK) {
        founding->channel = NULL;
        hang_up(founding);
    }
}

static void dial(cm_founding *founding)
{
    cm_diag why = {0};
    founding->next_ms = cm_clock_ms() + RETRY_MS;
    if (cm_connect(cm_node_loop(founding->node), founding->token.founder_endpoint, CONNECT_MS,
                   on_dialed, founding, &founding->dialing, &why) != CM_OK) {
        founding->dialing = NULL;
        tell_asker(founding, &why);
    }
}

static cm_status load_token(cm_founding *founding, const char *text, cm_diag *diag)
{
    if (cm_arena_init(&founding->token_arena, FOUNDING_ARENA_BYTES) != CM_OK) {
        return out_of_memory(diag);
    }
    cm_status st = cm_token_parse(text, &founding->token_arena, &founding->token, diag);
    founding->joining = st == CM_OK;
    if (st != CM_OK) {
        cm_arena_fini(&founding->token_arena);
        memset(&founding->token_arena, 0, sizeof founding->token_arena);
    }
    return st;
}

cm_status cm_founding_join(cm_founding *founding, const char *text, cm_joined_fn done, void *arg,
                           cm_diag *diag)
{
    if (founding->done != NULL) {
        return cm_fail(diag, CM_EEXISTS, CM_SQL_NOT_READY, "this node is joining already");
    }
    if (founding->joining) {
        stop_joining(founding); /* a newer invitation replaces the one before */
    }
    cm_status st = load_token(founding, text, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_node *node = founding->node;
    if (strcmp(founding->token.invitee, cm_node_org(node)) != 0) {
        st = cm_fail(diag, CM_EDENIED, "28000", "this invitation is for \"%.63s\", not for \"%s\"",
                     founding->token.invitee, cm_node_org(node));
    } else if (founding->token.expires_unix < cm_clock_unix()) {
        st = cm_fail(diag, CM_EDENIED, "28000", "the invitation has expired");
    } else {
        st = cm_state_fact_put(cm_node_state(node), fact_token, text, diag);
    }
    if (st != CM_OK) {
        stop_joining(founding);
        return st;
    }
    founding->done = done;
    founding->done_arg = arg;
    dial(founding);
    return CM_OK;
}

void cm_founding_forget_asker(cm_founding *founding)
{
    founding->done = NULL;
}

void cm_joining_tick(cm_founding *founding, int64_t now_ms)
{
    if (!founding->joining) {
        return;
    }
    if (founding->channel == NULL && founding->dialing == NULL && now_ms >= founding->next_ms) {
        dial(founding);
    } else if (founding->ready && founding->accepted) {
        cm_channel_send(founding->channel, JOIN_POLL, NULL, 0);
    }
}

cm_status cm_joining_resume(cm_founding *founding, cm_diag *diag)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    const char *token = NULL, *accepted = NULL;
    cm_state *state = cm_node_state(founding->node);
    if (cm_arena_init(&arena, FOUNDING_ARENA_BYTES) != CM_OK) {
        return out_of_memory(diag);
    }
    cm_status st = cm_state_fact_get(state, fact_token, &arena, &token, diag);
    if (st == CM_OK) {
        st = cm_state_fact_get(state, fact_accepted, &arena, &accepted, diag);
    }
    if (st == CM_OK && token != NULL) {
        st = load_token(founding, token, diag);
        founding->accepted = accepted != NULL;
    }
    return st;
}

void cm_joining_close(cm_founding *founding)
{
    founding->done = NULL;
    hang_up(founding);
    cm_wipe(founding->token.secret, sizeof founding->token.secret);
    cm_arena_fini(&founding->token_arena);
}
