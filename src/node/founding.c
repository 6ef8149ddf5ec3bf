/*
 * Founding and joining over channels of kind join.  Both ends keep what they know in the state, so
 * that either may be killed at any moment; the joining node asks again and again (POLL) until it
 * has the complete file.
 *
 *   joining node                              founder
 *   TLS, founder's certificate pinned    <->  TLS, any certificate
 *   PROOF org, endpoint, HMAC(secret)     ->  the secret is used up, certificate kept
 *   POLL                                  ->
 *                                         <-  WAIT, or BODY once everybody joined
 *   SIGNATURE over the body               ->
 *                                         <-  FILE once everybody signed
 *
 * The HMAC covers the charter, the organisation, its endpoint and both certificates, so it is of no
 * use to anybody else, and an impostor of the founder never gets it: TLS ends before.
 */
#include "node/federation.h"

#include "base/clock.h"
#include "node/channel.h"
#include "node/peers.h"
#include "node/state.h"
#include "node/wire.h"

#include <stdlib.h>
#include <string.h>

enum {
    JOIN_MAX_BYTES = 2 << 20,
    MAX_VISITORS = 64,
    VISITOR_MS = 60000, /* without having proved anything: 10 s */
    STRANGER_MS = 10000,
    TICK_MS = 250,
    RETRY_MS = 1000,
    CONNECT_MS = 5000,
    FOUNDING_ARENA_BYTES = 32 << 20,
};

typedef enum join_message {
    JOIN_PROOF = 1,
    JOIN_ACCEPTED,
    JOIN_REFUSED, /* a diag */
    JOIN_POLL,
    JOIN_WAIT,
    JOIN_BODY,
    JOIN_SIGNATURE,
    JOIN_FILE,
} join_message;

static const char fact_charter[] = "founding.charter";
static const char fact_token[] = "joining.token";
static const char fact_accepted[] = "joining.accepted";

typedef struct visitor { /* at the founder: one joining node's connection */
    cm_founding *founding;
    cm_channel *channel;
    cm_cert cert;
    int64_t deadline_ms;
    struct visitor *next;
} visitor;

struct cm_founding {
    cm_node *node;
    cm_timer *tick;
    visitor *visitors;
    size_t visitor_count;
    /* The node that joins: its token, read from the state. */
    cm_arena token_arena;
    bool joining;
    bool accepted;
    cm_token token;
    cm_stream *dialing;
    cm_channel *channel;
    bool ready;
    int64_t next_ms;
    cm_joined_fn done; /* who asked, until the founder answered */
    void *done_arg;
};

static cm_status out_of_memory(cm_diag *diag)
{
    return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
}

static bool same_cert(const cm_cert *a, const cm_cert *b)
{
    return a->bytes == b->bytes && memcmp(a->der, b->der, a->bytes) == 0;
}

/* HMAC over everything that a proof binds together. */
static cm_hash proof_of(const uint8_t secret[16], const cm_charter *charter, const char *org,
                        const char *endpoint, const cm_hash *joiner, const cm_hash *founder)
{
    CM_CLEANUP(cm_buf_free) cm_buf data = {0};
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_charter_print(charter, &text);
    cm_buf_put_text(&data, "comity join 1");
    cm_buf_put_text(&data, cm_buf_text(&text));
    cm_buf_put_text(&data, org);
    cm_buf_put_text(&data, endpoint);
    cm_buf_put(&data, joiner->bytes, CM_HASH_BYTES);
    cm_buf_put(&data, founder->bytes, CM_HASH_BYTES);
    CM_ASSERT(!data.failed && !text.failed);
    return cm_hmac_sha256(secret, 16, data.data, data.bytes);
}

/* ---- the founder -------------------------------------------------------------------------- */

/* What the founder has so far; charter.members is 0 when nothing is being founded. */
typedef struct founding_facts {
    cm_charter charter;
    const cm_state_invite *invite;
    size_t invites;
} founding_facts;

static cm_status load_facts(cm_node *node, cm_arena *arena, founding_facts *ret, cm_diag *diag)
{
    const char *text = NULL;
    memset(ret, 0, sizeof *ret);
    cm_status st = cm_state_fact_get(cm_node_state(node), fact_charter, arena, &text, diag);
    if (st == CM_OK && text != NULL) {
        st = cm_charter_parse(text, arena, &ret->charter, diag);
    }
    if (st == CM_OK) {
        st = cm_state_invite_list(cm_node_state(node), arena, &ret->invite, &ret->invites, diag);
    }
    return st;
}

static const cm_state_invite *invite_of(const founding_facts *facts, const char *org)
{
    for (size_t i = 0; i < facts->invites; i++) {
        if (strcmp(facts->invite[i].org, org) == 0) {
            return &facts->invite[i];
        }
    }
    return NULL;
}

static const cm_state_invite *invite_by_cert(const founding_facts *facts, const cm_cert *cert)
{
    for (size_t i = 0; i < facts->invites; i++) {
        if (facts->invite[i].joined && same_cert(&facts->invite[i].cert, cert)) {
            return &facts->invite[i];
        }
    }
    return NULL;
}

static void order_members(cm_founding *founding, const char *const *orgs, size_t count,
                          const char **member, size_t *ret_members)
{
    const char *own = cm_node_org(founding->node);
    size_t members = 0;
    bool named = false;
    for (size_t i = 0; i < count; i++) {
        named = named || strcmp(orgs[i], own) == 0;
    }
    if (!named) {
        member[members++] = own;
    }
    for (size_t i = 0; i < count; i++) {
        member[members++] = orgs[i];
    }
    *ret_members = members;
}

static cm_status invite_all(cm_founding *founding, const cm_charter *charter, int valid_hours,
                            cm_buf *out, cm_diag *diag)
{
    cm_node *node = founding->node;
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < charter->members; i++) {
        if (strcmp(charter->member[i], cm_node_org(node)) == 0) {
            continue;
        }
        cm_state_invite invite = {.org = charter->member[i],
                                  .expires_unix = cm_clock_unix() + (int64_t)valid_hours * 3600};
        cm_random_bytes(invite.secret, sizeof invite.secret);
        cm_token token = {.charter = *charter,
                          .invitee = invite.org,
                          .founder_endpoint = cm_node_listen_address(node),
                          .founder_fingerprint =
                              cm_cert_fingerprint(cm_identity_cert(cm_node_identity(node))),
                          .expires_unix = invite.expires_unix};
        memcpy(token.secret, invite.secret, sizeof token.secret);
        st = cm_state_invite_put(cm_node_state(node), &invite, diag);
        cm_buf_printf(out, "%s ", invite.org);
        cm_token_print(&token, out);
        cm_buf_printf(out, "\n");
        cm_wipe(&token, sizeof token);
        cm_wipe(&invite, sizeof invite);
    }
    return st == CM_OK && out->failed ? out_of_memory(diag) : st;
}

cm_status cm_founding_invite(cm_founding *founding, const char *name, const char *const *orgs,
                             size_t count, int valid_hours, cm_buf *out, cm_diag *diag)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    const char *member[CM_FEDERATION_MAX_MEMBERS + 1];
    const cm_federation *f = cm_node_federation(founding->node);
    cm_charter charter = {.name = name,
                          .version = f != NULL ? f->charter.version + 1 : 1,
                          .protocol = "rep3",
                          .founder = cm_node_org(founding->node),
                          .member = member,
                          .parties = 3};
    if (count > CM_FEDERATION_MAX_MEMBERS || valid_hours < 1 || valid_hours > 24 * 365) {
        return cm_fail(diag, CM_EINVAL, "22023", "too many organisations, or a bad duration");
    }
    order_members(founding, orgs, count, member, &charter.members);
    cm_charter checked;
    cm_charter_print(&charter, &text);
    if (cm_arena_init(&arena, FOUNDING_ARENA_BYTES) != CM_OK) {
        return out_of_memory(diag);
    }
    cm_status st = cm_charter_parse(cm_buf_text(&text), &arena, &checked, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_state *state = cm_node_state(founding->node);
    st = cm_node_change_begin(founding->node, diag);
    if (st != CM_OK) {
        return st;
    }
    st = cm_state_invite_clear(state, diag);
    if (st == CM_OK) {
        st = cm_state_fact_put(state, fact_charter, cm_buf_text(&text), diag);
    }
    if (st == CM_OK) {
        st = invite_all(founding, &checked, valid_hours, out, diag);
    }
    if (st != CM_OK) {
        cm_node_change_rollback(founding->node);
        return st;
    }
    const char *what = cm_arena_printf(&arena, "INVITE\n%s", cm_buf_text(&text));
    return cm_node_change_commit(founding->node, "", what, diag);
}

/* The body as it will be signed; CM_ENOTFOUND while somebody is missing. */
static cm_status assemble(cm_founding *founding, const founding_facts *facts, cm_arena *arena,
                          cm_federation **ret, cm_diag *diag)
{
    cm_node *node = founding->node;
    const cm_charter *c = &facts->charter;
    if (c->members == 0) {
        return CM_ENOTFOUND;
    }
    cm_federation_member *members = CM_NEW_SMALL(arena, cm_federation_member, c->members);
    for (size_t i = 0; i < c->members; i++) {
        if (strcmp(c->member[i], cm_node_org(node)) == 0) {
            members[i].endpoint = cm_node_listen_address(node);
            members[i].cert = *cm_identity_cert(cm_node_identity(node));
            continue;
        }
        const cm_state_invite *invite = invite_of(facts, c->member[i]);
        if (invite == NULL || !invite->joined) {
            return CM_ENOTFOUND;
        }
        members[i].endpoint = invite->endpoint;
        members[i].cert = invite->cert;
        members[i].is_signed = invite->is_signed;
        memcpy(members[i].signature, invite->signature, CM_SIGNATURE_BYTES);
    }
    cm_status st = cm_federation_new(c, members, ret, diag);
    if (st == CM_OK) {
        cm_federation_member *own = &(*ret)->member[cm_federation_index(*ret, cm_node_org(node))];
        own->is_signed = true;
        cm_federation_sign(*ret, cm_node_identity(node), own->signature);
    }
    return st;
}

static bool all_signed(const cm_federation *f)
{
    for (size_t i = 0; i < f->members; i++) {
        if (!f->member[i].is_signed) {
            return false;
        }
    }
    return true;
}

/* Puts the federation into force once everybody signed. */
static cm_status complete(cm_founding *founding, cm_arena *arena, cm_diag *diag)
{
    founding_facts facts;
    cm_federation *f = NULL;
    cm_state *state = cm_node_state(founding->node);
    cm_status st = load_facts(founding->node, arena, &facts, diag);
    if (st == CM_OK) {
        st = assemble(founding, &facts, arena, &f, diag);
    }
    if (st != CM_OK || !all_signed(f)) {
        cm_federation_free(f);
        return st == CM_ENOTFOUND ? CM_OK : st;
    }
    st = cm_node_set_federation(founding->node, f, diag);
    if (st != CM_OK) {
        cm_federation_free(f);
        return st;
    }
    /* From here on visitors get the file in force; losing this clean-up costs nothing. */
    if (cm_state_invite_clear(state, NULL) != CM_OK ||
        cm_state_fact_put(state, fact_charter, NULL, NULL) != CM_OK) {
        cm_node_log(founding->node, "the finished founding could not be cleared away");
    }
    return CM_OK;
}

static void send_text(cm_channel *channel, join_message type, cm_buf *text)
{
    const char *bytes = cm_buf_text(text);
    cm_channel_send(channel, (uint8_t)type, bytes, strlen(bytes));
}

static void send_refusal(cm_channel *channel, const cm_diag *why)
{
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    cm_diag_encode(why, &body);
    cm_channel_send(channel, JOIN_REFUSED, body.data, body.bytes);
}

static cm_status take_proof(visitor *v, const uint8_t *body, size_t bytes, cm_arena *arena,
                            cm_diag *diag)
{
    founding_facts facts;
    cm_node *node = v->founding->node;
    cm_reader r = cm_reader_of(body, bytes);
    const char *org = cm_reader_text(&r, arena, CM_NAME_MAX_BYTES);
    const char *endpoint = cm_reader_text(&r, arena, CM_ADDRESS_MAX_BYTES);
    cm_hash proof;
    cm_reader_fixed(&r, proof.bytes, sizeof proof.bytes);
    if (!cm_reader_done(&r) || org == NULL || endpoint == NULL) {
        return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "a request to join is malformed");
    }
    cm_status st = load_facts(node, arena, &facts, diag);
    if (st != CM_OK) {
        return st;
    }
    const cm_state_invite *found = invite_of(&facts, org);
    cm_hash joiner = cm_cert_fingerprint(&v->cert);
    cm_hash founder = cm_cert_fingerprint(cm_identity_cert(cm_node_identity(node)));
    cm_hash expected = {{0}};
    if (found != NULL && facts.charter.members > 0) {
        expected = proof_of(found->secret, &facts.charter, org, endpoint, &joiner, &founder);
    }
    if (found == NULL || !cm_ct_equal(&expected, &proof, sizeof proof)) {
        return cm_fail(diag, CM_EDENIED, "28000",
                       "the invitation is not known here, or was replaced by a newer one");
    }
    if (found->joined && !same_cert(&found->cert, &v->cert)) {
        return cm_fail(diag, CM_EDENIED, "28000", "the invitation was used before");
    }
    if (!found->joined && found->expires_unix < cm_clock_unix()) {
        return cm_fail(diag, CM_EDENIED, "28000", "the invitation has expired");
    }
    cm_state_invite invite = *found;
    invite.joined = true;
    invite.is_signed = false;
    invite.endpoint = endpoint;
    invite.cert = v->cert;
    st = cm_state_invite_put(cm_node_state(node), &invite, diag);
    if (st == CM_OK) {
        cm_channel_send(v->channel, JOIN_ACCEPTED, NULL, 0);
        v->deadline_ms = cm_clock_ms() + VISITOR_MS;
        cm_node_log(node, "%s joined", org);
    }
    return st;
}

static cm_status answer_poll(visitor *v, cm_arena *arena, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    founding_facts facts;
    cm_federation *f = NULL;
    cm_status st = load_facts(v->founding->node, arena, &facts, diag);
    if (st != CM_OK) {
        return st;
    }
    const cm_federation *in_force = cm_node_federation(v->founding->node);
    v->deadline_ms = cm_clock_ms() + VISITOR_MS;
    if (invite_by_cert(&facts, &v->cert) != NULL) {
        st = assemble(v->founding, &facts, arena, &f, diag);
        if (st == CM_ENOTFOUND) {
            cm_channel_send(v->channel, JOIN_WAIT, NULL, 0);
            return CM_OK;
        }
        if (st == CM_OK) {
            cm_buf_printf(&text, "%s", f->body);
            send_text(v->channel, JOIN_BODY, &text);
            cm_federation_free(f);
        }
        return st;
    }
    for (size_t i = 0; in_force != NULL && i < in_force->members; i++) {
        if (same_cert(&in_force->member[i].cert, &v->cert)) {
            cm_federation_print(in_force, &text);
            send_text(v->channel, JOIN_FILE, &text);
            return CM_OK;
        }
    }
    return cm_fail(diag, CM_EDENIED, "28000",
                   "the invitation is not known here, or was replaced by a newer one");
}

static cm_status take_signature(visitor *v, const uint8_t *body, size_t bytes, cm_arena *arena,
                                cm_diag *diag)
{
    founding_facts facts;
    cm_federation *f = NULL;
    cm_status st = load_facts(v->founding->node, arena, &facts, diag);
    const cm_state_invite *found = st == CM_OK ? invite_by_cert(&facts, &v->cert) : NULL;
    if (st == CM_OK && found == NULL) {
        return answer_poll(v, arena, diag); /* a second one, after all was complete */
    }
    if (st == CM_OK && bytes != CM_SIGNATURE_BYTES) {
        st = cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "a signature came that nobody asked for");
    }
    if (st == CM_OK) {
        st = assemble(v->founding, &facts, arena, &f, diag);
    }
    if (st != CM_OK) {
        return st == CM_ENOTFOUND ? CM_OK : st;
    }
    if (!cm_federation_signature_ok(f, &v->cert, body)) {
        st = cm_fail(diag, CM_EDENIED, "28000", "the federation file is not signed by \"%s\"",
                     found->org);
    } else {
        cm_state_invite invite = *found;
        invite.is_signed = true;
        memcpy(invite.signature, body, CM_SIGNATURE_BYTES);
        st = cm_state_invite_put(cm_node_state(v->founding->node), &invite, diag);
    }
    cm_federation_free(f);
    return st == CM_OK ? complete(v->founding, arena, diag) : st;
}

static void visitor_free(visitor *v)
{
    visitor **at = &v->founding->visitors;
    while (*at != v) {
        CM_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = v->next;
    v->founding->visitor_count--;
    cm_channel_close(v->channel);
    free(v);
}

static void on_visitor_ready(void *arg, const cm_cert *peer)
{
    visitor *v = arg;
    v->cert = *peer;
}

static void on_visitor_message(void *arg, uint8_t type, const uint8_t *body, size_t bytes)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    visitor *v = arg;
    cm_diag diag = {0};
    cm_status st = cm_arena_init(&arena, FOUNDING_ARENA_BYTES);
    if (st != CM_OK) {
        cm_diag_set(&diag, st, CM_SQL_OUT_OF_MEMORY, "out of memory");
    } else if (type == JOIN_PROOF) {
        st = take_proof(v, body, bytes, &arena, &diag);
    } else if (type == JOIN_POLL && bytes == 0) {
        st = answer_poll(v, &arena, &diag);
    } else if (type == JOIN_SIGNATURE) {
        st = take_signature(v, body, bytes, &arena, &diag);
    } else {
        st = cm_fail(&diag, CM_EPROTO, CM_SQL_PROTOCOL, "an unexpected message came");
    }
    if (st != CM_OK) {
        cm_node_log(v->founding->node, "refused a node that wants to join: %s", diag.message);
        send_refusal(v->channel, &diag);
        visitor_free(v);
    }
}

static void on_visitor_closed(void *arg, const cm_diag *why)
{
    (void)why;
    visitor_free(arg);
}

void cm_founding_accept(cm_founding *founding, cm_stream *stream)
{
    if (founding->visitor_count >= MAX_VISITORS) {
        visitor *oldest = founding->visitors;
        while (oldest->next != NULL) {
            oldest = oldest->next;
        }
        visitor_free(oldest);
    }
    visitor *v = calloc(1, sizeof *v);
    if (v == NULL) {
        cm_stream_close(stream);
        return;
    }
    cm_tls_options tls = {.identity = cm_node_identity(founding->node)};
    cm_channel_events events = {v, on_visitor_ready, on_visitor_message, on_visitor_closed};
    v->founding = founding;
    v->deadline_ms = cm_clock_ms() + STRANGER_MS;
    if (cm_channel_new(stream, false, &tls, JOIN_MAX_BYTES, &events, &v->channel, NULL) != CM_OK) {
        free(v);
        return;
    }
    v->next = founding->visitors;
    founding->visitors = v;
    founding->visitor_count++;
    cm_stream_resume(stream);
}

/* ---- the node that joins ------------------------------------------------------------------ */

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
    if (!same_cert(&f->member[me].cert, cm_identity_cert(cm_node_identity(node))) ||
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
    cm_hash proof = proof_of(founding->token.secret, &founding->token.charter, cm_node_org(node),
                             cm_node_listen_address(node), &own, &founder);
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

/* ---- the whole ---------------------------------------------------------------------------- */

static void on_tick(void *arg)
{
    cm_founding *founding = arg;
    int64_t now = cm_clock_ms();
    for (visitor *v = founding->visitors; v != NULL;) {
        visitor *next = v->next;
        if (now > v->deadline_ms) {
            visitor_free(v);
        }
        v = next;
    }
    if (!founding->joining) {
        return;
    }
    if (founding->channel == NULL && founding->dialing == NULL && now >= founding->next_ms) {
        dial(founding);
    } else if (founding->ready && founding->accepted) {
        cm_channel_send(founding->channel, JOIN_POLL, NULL, 0);
    }
}

static cm_status resume_joining(cm_founding *founding, cm_diag *diag)
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

cm_status cm_founding_new(cm_node *node, cm_founding **ret, cm_diag *diag)
{
    cm_founding *founding = calloc(1, sizeof *founding);
    if (founding == NULL) {
        return out_of_memory(diag);
    }
    founding->node = node;
    cm_status st = resume_joining(founding, diag);
    if (st != CM_OK) {
        free(founding);
        return st;
    }
    founding->tick = cm_timer_start(cm_node_loop(node), 0, TICK_MS, on_tick, founding);
    *ret = founding;
    return CM_OK;
}

void cm_founding_free(cm_founding *founding)
{
    if (founding == NULL) {
        return;
    }
    cm_timer_close(founding->tick);
    founding->done = NULL;
    hang_up(founding);
    for (visitor *v = founding->visitors; v != NULL;) {
        visitor *next = v->next;
        visitor_free(v);
        v = next;
    }
    cm_wipe(founding->token.secret, sizeof founding->token.secret);
    cm_arena_fini(&founding->token_arena);
    free(founding);
}

void cm_founding_status(cm_founding *founding, cm_buf *out)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    founding_facts facts;
    if (founding->joining) {
        cm_buf_printf(out, "joining %s, founded by %s: %s\n", founding->token.charter.name,
                      founding->token.charter.founder,
                      founding->accepted ? "waiting for the other members"
                                         : "waiting for the founder");
    }
    if (cm_arena_init(&arena, FOUNDING_ARENA_BYTES) != CM_OK ||
        load_facts(founding->node, &arena, &facts, NULL) != CM_OK || facts.charter.members == 0) {
        return;
    }
    cm_buf_printf(out, "founding %s version %u\n", facts.charter.name, facts.charter.version);
    for (size_t i = 0; i < facts.invites; i++) {
        const cm_state_invite *invite = &facts.invite[i];
        cm_buf_printf(out, "  %s: %s\n", invite->org,
                      invite->is_signed ? "signed"
                      : invite->joined  ? "joined"
                                        : "has not joined yet");
    }
}
