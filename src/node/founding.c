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
 * use to anybody else, and an impostor of the founder never gets it: the certificate is looked at
 * first.
 */
#include "node/founding_int.h"

#include "base/clock.h"
#include "node/wire.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_VISITORS = 64,
    VISITOR_MS = 60000,
    STRANGER_MS = 10000, /* without having proved anything */
    TICK_MS = 250,
};

static const char fact_charter[] = "founding.charter";

struct cm_visitor { /* at the founder: one joining node's connection */
    cm_founding *founding;
    cm_channel *channel;
    cm_cert cert;
    int64_t deadline_ms;
    bool known; /* proved, or polled with a certificate that did */
    cm_visitor *next;
};

/* What the founder has so far; charter.members is 0 when nothing is being founded. */
typedef struct founding_facts {
    cm_charter charter;
    const cm_state_invite *invite;
    size_t invites;
} founding_facts;

static cm_status out_of_memory(cm_diag *diag)
{
    return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
}

bool cm_cert_same(const cm_cert *a, const cm_cert *b)
{
    return a->bytes == b->bytes && memcmp(a->der, b->der, a->bytes) == 0;
}

cm_hash cm_join_proof(const uint8_t secret[16], const cm_charter *charter, const char *org,
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
        if (facts->invite[i].joined && cm_cert_same(&facts->invite[i].cert, cert)) {
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

static void send_text(cm_channel *channel, cm_join_message type, cm_buf *text)
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

static cm_status take_proof(cm_visitor *v, const uint8_t *body, size_t bytes, cm_arena *arena,
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
        expected = cm_join_proof(found->secret, &facts.charter, org, endpoint, &joiner, &founder);
    }
    if (found == NULL || !cm_ct_equal(&expected, &proof, sizeof proof)) {
        return cm_fail(diag, CM_EDENIED, "28000",
                       "the invitation is not known here, or was replaced by a newer one");
    }
    if (found->joined && !cm_cert_same(&found->cert, &v->cert)) {
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

static cm_status answer_poll(cm_visitor *v, cm_arena *arena, cm_diag *diag)
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
    v->known = true;
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
        if (cm_cert_same(&in_force->member[i].cert, &v->cert)) {
            cm_federation_print(in_force, &text);
            send_text(v->channel, JOIN_FILE, &text);
            return CM_OK;
        }
    }
    return cm_fail(diag, CM_EDENIED, "28000",
                   "the invitation is not known here, or was replaced by a newer one");
}

/* Something changed: who waits is answered now rather than at its next poll. */
static void wake_visitors(cm_founding *founding, cm_arena *arena)
{
    for (cm_visitor *v = founding->visitors; v != NULL; v = v->next) {
        cm_arena scratch = *arena;
        if (v->cert.bytes > 0 && v->known && answer_poll(v, &scratch, NULL) != CM_OK) {
            cm_node_log(founding->node, "a node that joins could not be answered");
        }
    }
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
    wake_visitors(founding, arena);
    return CM_OK;
}

static cm_status take_signature(cm_visitor *v, const uint8_t *body, size_t bytes, cm_arena *arena,
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

static void visitor_free(cm_visitor *v)
{
    cm_visitor **at = &v->founding->visitors;
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
    cm_visitor *v = arg;
    v->cert = *peer;
}

static void on_visitor_message(void *arg, uint8_t type, const uint8_t *body, size_t bytes)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    cm_visitor *v = arg;
    cm_diag diag = {0};
    cm_status st = cm_arena_init(&arena, FOUNDING_ARENA_BYTES);
    if (st != CM_OK) {
        cm_diag_set(&diag, st, CM_SQL_OUT_OF_MEMORY, "out of memory");
    } else if (type == JOIN_PROOF) {
        st = take_proof(v, body, bytes, &arena, &diag);
        if (st == CM_OK) {
            wake_visitors(v->founding, &arena);
        }
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
        cm_visitor *oldest = founding->visitors;
        while (oldest->next != NULL) {
            oldest = oldest->next;
        }
        visitor_free(oldest);
    }
    cm_visitor *v = calloc(1, sizeof *v);
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

/* ---- the whole ---------------------------------------------------------------------------- */

static void on_tick(void *arg)
{
    cm_founding *founding = arg;
    int64_t now = cm_clock_ms();
    for (cm_visitor *v = founding->visitors; v != NULL;) {
        cm_visitor *next = v->next;
        if (now > v->deadline_ms) {
            visitor_free(v);
        }
        v = next;
    }
    cm_joining_tick(founding, now);
}

cm_status cm_founding_new(cm_node *node, cm_founding **ret, cm_diag *diag)
{
    cm_founding *founding = calloc(1, sizeof *founding);
    if (founding == NULL) {
        return out_of_memory(diag);
    }
    founding->node = node;
    cm_status st = cm_joining_resume(founding, diag);
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
    cm_joining_close(founding);
    for (cm_visitor *v = founding->visitors; v != NULL;) {
        cm_visitor *next = v->next;
        visitor_free(v);
        v = next;
    }
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
