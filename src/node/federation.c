/*
 * Charter, token and federation file as texts.  Each has one canonical form: what was parsed is
 * printed again and must give the same bytes, so that nothing that is signed has a second reading.
 */
#include "node/federation.h"

#include "node/names.h"
#include "node/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PEM_MAX_BYTES = 8192,
    TOKEN_MAX_BYTES = 1 << 16,
    TOKEN_CHECK_BYTES = 4,
    MIN_PARTIES = 3,
    FEDERATION_ARENA_BYTES = 16 << 20,
};

static const char file_context[] = "comity federation 1";
static const char token_prefix[] = "comity1.";

/* ---- reading lines ------------------------------------------------------------------------ */

typedef struct lines {
    const char *next;
    bool failed;
} lines;

/* The rest of the next line behind `key `, copied; "" and failed when it is another line. */
static const char *take_line(lines *l, const char *key, cm_arena *arena)
{
    size_t key_bytes = strlen(key);
    const char *end = strchr(l->next, '\n');
    if (l->failed || end == NULL || strncmp(l->next, key, key_bytes) != 0 ||
        l->next[key_bytes] != ' ') {
        l->failed = true;
        return "";
    }
    const char *value = l->next + key_bytes + 1;
    l->next = end + 1;
    return cm_arena_strndup(arena, value, (size_t)(end - value));
}

static bool at_line(const lines *l, const char *key)
{
    size_t bytes = strlen(key);
    return !l->failed && strncmp(l->next, key, bytes) == 0 && l->next[bytes] == ' ';
}

static uint32_t take_number(lines *l, const char *key, cm_arena *arena)
{
    const char *text = take_line(l, key, arena);
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '1' || *text > '9' || *end != 0 || value > INT32_MAX) {
        l->failed = true;
        return 0;
    }
    return (uint32_t)value;
}

static cm_status malformed(const char *what, cm_diag *diag)
{
    return cm_fail(diag, CM_EINVAL, "22023", "this is not a valid %s", what);
}

/* ---- charter ------------------------------------------------------------------------------ */

static cm_status check_charter(const cm_charter *c, cm_diag *diag)
{
    if (!cm_name_valid(c->name)) {
        return cm_fail(diag, CM_EINVAL, "42602", "\"%.63s\" is no name for a federation", c->name);
    }
    if (strcmp(c->protocol, "rep3") != 0) {
        return cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "protocol \"%.63s\" is not known here", c->protocol);
    }
    if (c->members < MIN_PARTIES || c->members > CM_FEDERATION_MAX_MEMBERS) {
        return cm_fail(diag, CM_EINVAL, "22023", "a federation has %d to %d members, not %zu",
                       MIN_PARTIES, CM_FEDERATION_MAX_MEMBERS, c->members);
    }
    bool founder = false;
    for (size_t i = 0; i < c->members; i++) {
        if (!cm_name_valid(c->member[i])) {
            return cm_fail(diag, CM_EINVAL, "42602", "\"%.63s\" is no name for an organisation",
                           c->member[i]);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(c->member[i], c->member[j]) == 0) {
                return cm_fail(diag, CM_EEXISTS, CM_SQL_DUPLICATE_OBJECT,
                               "organisation \"%.63s\" is named twice", c->member[i]);
            }
        }
        founder = founder || strcmp(c->member[i], c->founder) == 0;
    }
    return founder && c->parties == MIN_PARTIES ? CM_OK : malformed("charter", diag);
}

static void print_head(const cm_charter *c, cm_buf *out)
{
    cm_buf_printf(out, "name %s\nversion %u\nprotocol %s\nfounder %s\nparties %zu\n", c->name,
                  c->version, c->protocol, c->founder, c->parties);
}

static void parse_head(lines *l, cm_arena *arena, cm_charter *ret)
{
    ret->name = take_line(l, "name", arena);
    ret->version = take_number(l, "version", arena);
    ret->protocol = take_line(l, "protocol", arena);
    ret->founder = take_line(l, "founder", arena);
    ret->parties = take_number(l, "parties", arena);
}

void cm_charter_print(const cm_charter *c, cm_buf *out)
{
    cm_buf_printf(out, "comity charter 1\n");
    print_head(c, out);
    for (size_t i = 0; i < c->members; i++) {
        cm_buf_printf(out, "member %s\n", c->member[i]);
    }
}

cm_status cm_charter_parse(const char *text, cm_arena *arena, cm_charter *ret, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf again = {0};
    cm_charter c = {0};
    lines l = {text, false};
    const char **member = CM_NEW_SMALL(arena, const char *, CM_FEDERATION_MAX_MEMBERS);
    const char *title = take_line(&l, "comity", arena);
    l.failed = l.failed || strcmp(title, "charter 1") != 0;
    parse_head(&l, arena, &c);
    while (at_line(&l, "member") && c.members < CM_FEDERATION_MAX_MEMBERS) {
        member[c.members++] = take_line(&l, "member", arena);
    }
    c.member = member;
    if (l.failed || *l.next != 0) {
        return malformed("charter", diag);
    }
    cm_status st = check_charter(&c, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_charter_print(&c, &again);
    if (strcmp(cm_buf_text(&again), text) != 0) {
        return malformed("charter", diag);
    }
    *ret = c;
    return CM_OK;
}

/* ---- token -------------------------------------------------------------------------------- */

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put_base64url(const uint8_t *data, size_t bytes, cm_buf *out)
{
    for (size_t i = 0; i < bytes; i += 3) {
        size_t have = bytes - i < 3 ? bytes - i : 3;
        uint32_t group = (uint32_t)data[i] << 16;
        group |= have > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        group |= have > 2 ? data[i + 2] : 0;
        for (size_t j = 0; j <= have; j++) {
            cm_buf_put_u8(out, (uint8_t)base64url[group >> (18 - 6 * j) & 63]);
        }
    }
}

static bool take_base64url(const char *text, cm_buf *out)
{
    uint32_t group = 0;
    unsigned bits = 0;
    for (; *text != 0; text++) {
        const char *at = strchr(base64url, *text);
        if (at == NULL) {
            return false;
        }
        group = group << 6 | (uint32_t)(at - base64url);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            cm_buf_put_u8(out, (uint8_t)(group >> bits));
        }
    }
    return !out->failed;
}

void cm_token_print(const cm_token *token, cm_buf *out)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf body = {0};
    CM_CLEANUP(cm_buf_free) cm_buf charter = {0};
    cm_charter_print(&token->charter, &charter);
    cm_buf_put_text(&body, cm_buf_text(&charter));
    cm_buf_put_text(&body, token->invitee);
    cm_buf_put_text(&body, token->founder_endpoint);
    cm_buf_put(&body, token->founder_fingerprint.bytes, CM_HASH_BYTES);
    cm_buf_put(&body, token->secret, sizeof token->secret);
    cm_buf_put_u64(&body, (uint64_t)token->expires_unix);
    cm_hash check = cm_sha256(body.data, body.bytes);
    cm_buf_put(&body, check.bytes, TOKEN_CHECK_BYTES);
    cm_buf_put(out, token_prefix, sizeof token_prefix - 1);
    put_base64url(body.data, body.bytes, out);
    out->failed = out->failed || body.failed || charter.failed;
}

static cm_status decode_token(const cm_buf *body, cm_arena *arena, cm_token *ret, cm_diag *diag)
{
    size_t bytes = body->bytes - TOKEN_CHECK_BYTES;
    cm_hash check = cm_sha256(body->data, bytes);
    cm_reader r = cm_reader_of(body->data, bytes);
    const char *charter = cm_reader_text(&r, arena, TOKEN_MAX_BYTES);
    ret->invitee = cm_reader_text(&r, arena, CM_NAME_MAX_BYTES);
    ret->founder_endpoint = cm_reader_text(&r, arena, CM_ADDRESS_MAX_BYTES);
    cm_reader_fixed(&r, ret->founder_fingerprint.bytes, CM_HASH_BYTES);
    cm_reader_fixed(&r, ret->secret, sizeof ret->secret);
    ret->expires_unix = (int64_t)cm_reader_u64(&r);
    if (!cm_reader_done(&r) || charter == NULL || ret->invitee == NULL ||
        ret->founder_endpoint == NULL ||
        memcmp(check.bytes, body->data + bytes, TOKEN_CHECK_BYTES) != 0) {
        return malformed("invitation: a part may be missing", diag);
    }
    return cm_charter_parse(charter, arena, &ret->charter, diag);
}

cm_status cm_token_parse(const char *text, cm_arena *arena, cm_token *ret, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf body = {0};
    cm_token token = {0};
    size_t prefix = sizeof token_prefix - 1;
    if (strlen(text) > TOKEN_MAX_BYTES || strncmp(text, token_prefix, prefix) != 0 ||
        !take_base64url(text + prefix, &body) || body.bytes < TOKEN_CHECK_BYTES) {
        return malformed("invitation", diag);
    }
    cm_status st = decode_token(&body, arena, &token, diag);
    if (st == CM_OK) {
        *ret = token;
    }
    return st;
}

/* ---- federation file ---------------------------------------------------------------------- */

static cm_status print_body(const cm_federation *f, cm_buf *out, cm_diag *diag)
{
    char pem[PEM_MAX_BYTES];
    cm_buf_printf(out, "comity federation 1\n");
    print_head(&f->charter, out);
    for (size_t i = 0; i < f->members; i++) {
        const cm_federation_member *m = &f->member[i];
        if (cm_cert_to_pem(&m->cert, pem, sizeof pem) != CM_OK) {
            return malformed("certificate", diag);
        }
        cm_buf_printf(out, "member %s %s\n%s", m->org, m->endpoint, pem);
    }
    return out->failed ? cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory") : CM_OK;
}

static bool endpoint_valid(const char *endpoint)
{
    size_t bytes = strlen(endpoint);
    for (size_t i = 0; i < bytes; i++) {
        if (endpoint[i] <= ' ' || endpoint[i] > '~') {
            return false;
        }
    }
    return bytes >= 3 && bytes <= CM_ADDRESS_MAX_BYTES && strchr(endpoint, ':') != NULL;
}

/* Completes a federation whose charter head and members are set: body, digest, checks. */
static cm_status seal(cm_federation *f, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    const char **names = CM_NEW_SMALL(&f->arena, const char *, f->members);
    for (size_t i = 0; i < f->members; i++) {
        names[i] = f->member[i].org;
        f->member[i].computes = i < f->charter.parties;
        if (!endpoint_valid(f->member[i].endpoint)) {
            return cm_fail(diag, CM_EINVAL, "22023", "\"%.63s\" has no valid endpoint", names[i]);
        }
        for (size_t j = 0; j < i; j++) {
            const cm_cert *a = &f->member[i].cert, *b = &f->member[j].cert;
            if (a->bytes == b->bytes && memcmp(a->der, b->der, a->bytes) == 0) {
                return cm_fail(diag, CM_EEXISTS, CM_SQL_DUPLICATE_OBJECT,
                               "two members have the same certificate");
            }
        }
    }
    f->charter.members = f->members;
    f->charter.member = names;
    cm_status st = check_charter(&f->charter, diag);
    if (st == CM_OK) {
        st = print_body(f, &body, diag);
    }
    if (st == CM_OK) {
        f->body = cm_arena_strdup(&f->arena, cm_buf_text(&body));
        f->digest = cm_sha256(body.data, body.bytes);
    }
    return st;
}

static cm_status check_signatures(const cm_federation *f, bool complete, cm_diag *diag)
{
    for (size_t i = 0; i < f->members; i++) {
        const cm_federation_member *m = &f->member[i];
        if (!m->is_signed && !complete) {
            continue;
        }
        if (!m->is_signed ||
            !cm_cert_verify(&m->cert, file_context, f->body, strlen(f->body), m->signature)) {
            return cm_fail(diag, CM_EDENIED, "28000",
                           "the federation file is not signed by \"%.63s\"", m->org);
        }
    }
    return CM_OK;
}

static cm_federation *federation_empty(cm_diag *diag)
{
    cm_federation *f = calloc(1, sizeof *f);
    if (f == NULL || cm_arena_init(&f->arena, FEDERATION_ARENA_BYTES) != CM_OK) {
        free(f);
        f = NULL;
    }
    if (f == NULL) {
        cm_diag_set(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
        return NULL;
    }
    f->member = CM_NEW_SMALL(&f->arena, cm_federation_member, CM_FEDERATION_MAX_MEMBERS);
    return f;
}

cm_status cm_federation_new(const cm_charter *charter, const cm_federation_member *members,
                            cm_federation **ret, cm_diag *diag)
{
    CM_ASSERT(charter->members <= CM_FEDERATION_MAX_MEMBERS);
    cm_federation *f = federation_empty(diag);
    if (f == NULL) {
        return CM_ENOMEM;
    }
    f->charter.name = cm_arena_strdup(&f->arena, charter->name);
    f->charter.version = charter->version;
    f->charter.protocol = cm_arena_strdup(&f->arena, charter->protocol);
    f->charter.founder = cm_arena_strdup(&f->arena, charter->founder);
    f->charter.parties = charter->parties;
    f->members = charter->members;
    for (size_t i = 0; i < f->members; i++) {
        f->member[i] = members[i];
        f->member[i].org = cm_arena_strdup(&f->arena, charter->member[i]);
        f->member[i].endpoint = cm_arena_strdup(&f->arena, members[i].endpoint);
    }
    cm_status st = seal(f, diag);
    if (st == CM_OK) {
        st = check_signatures(f, false, diag);
    }
    if (st != CM_OK) {
        cm_federation_free(f);
        return st;
    }
    *ret = f;
    return CM_OK;
}

void cm_federation_print(const cm_federation *f, cm_buf *out)
{
    cm_buf_printf(out, "%s", f->body);
    for (size_t i = 0; i < f->members; i++) {
        const cm_federation_member *m = &f->member[i];
        if (m->is_signed) {
            cm_buf_printf(out, "signature %s ", m->org);
            for (size_t j = 0; j < CM_SIGNATURE_BYTES; j++) {
                cm_buf_printf(out, "%02x", m->signature[j]);
            }
            cm_buf_printf(out, "\n");
        }
    }
}

static void parse_member(lines *l, cm_federation *f)
{
    static const char pem_end[] = "-----END CERTIFICATE-----\n";
    cm_federation_member *m = &f->member[f->members++];
    char *org = cm_arena_strdup(&f->arena, take_line(l, "member", &f->arena));
    char *space = strchr(org, ' ');
    const char *end = strstr(l->next, pem_end);
    size_t bytes = end == NULL ? 0 : (size_t)(end - l->next) + sizeof pem_end - 1;
    if (l->failed || space == NULL || bytes == 0 || bytes >= PEM_MAX_BYTES) {
        l->failed = true;
        return;
    }
    *space = 0;
    m->org = org;
    m->endpoint = space + 1;
    const char *pem = cm_arena_strndup(&f->arena, l->next, bytes);
    l->failed = cm_cert_from_pem(pem, &m->cert, NULL) != CM_OK;
    l->next += bytes;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void parse_signature(lines *l, cm_federation *f)
{
    char *org = cm_arena_strdup(&f->arena, take_line(l, "signature", &f->arena));
    char *space = strchr(org, ' ');
    if (l->failed || space == NULL || strlen(space + 1) != 2 * (size_t)CM_SIGNATURE_BYTES) {
        l->failed = true;
        return;
    }
    *space = 0;
    int index = cm_federation_index(f, org);
    if (index < 0 || f->member[index].is_signed) {
        l->failed = true;
        return;
    }
    cm_federation_member *m = &f->member[index];
    for (size_t i = 0; i < CM_SIGNATURE_BYTES; i++) {
        int high = hex_digit(space[1 + 2 * i]), low = hex_digit(space[2 + 2 * i]);
        l->failed = l->failed || high < 0 || low < 0;
        m->signature[i] = (uint8_t)((high & 15) << 4 | (low & 15));
    }
    m->is_signed = true;
}

static cm_status parse_file(const char *text, bool complete, cm_federation *f, cm_diag *diag)
{
    lines l = {text, false};
    const char *title = take_line(&l, "comity", &f->arena);
    l.failed = l.failed || strcmp(title, "federation 1") != 0;
    parse_head(&l, &f->arena, &f->charter);
    while (at_line(&l, "member") && f->members < CM_FEDERATION_MAX_MEMBERS) {
        parse_member(&l, f);
    }
    size_t body_bytes = (size_t)(l.next - text);
    while (at_line(&l, "signature")) {
        parse_signature(&l, f);
    }
    if (l.failed || *l.next != 0) {
        return malformed("federation file", diag);
    }
    cm_status st = seal(f, diag);
    if (st != CM_OK) {
        return st;
    }
    if (strlen(f->body) != body_bytes || memcmp(f->body, text, body_bytes) != 0) {
        return malformed("federation file", diag);
    }
    return check_signatures(f, complete, diag);
}

cm_status cm_federation_parse(const char *text, bool complete, cm_federation **ret, cm_diag *diag)
{
    if (strlen(text) > CM_FEDERATION_MAX_BYTES) {
        return malformed("federation file", diag);
    }
    cm_federation *f = federation_empty(diag);
    if (f == NULL) {
        return CM_ENOMEM;
    }
    cm_status st = parse_file(text, complete, f, diag);
    if (st != CM_OK) {
        cm_federation_free(f);
        return st;
    }
    *ret = f;
    return CM_OK;
}

void cm_federation_free(cm_federation *f)
{
    if (f != NULL) {
        cm_arena_fini(&f->arena);
        free(f);
    }
}

int cm_federation_index(const cm_federation *f, const char *org)
{
    for (size_t i = 0; i < f->members; i++) {
        if (f->member[i].org != NULL && strcmp(f->member[i].org, org) == 0) {
            return (int)i;
        }
    }
    return -1;
}

void cm_federation_sign(const cm_federation *f, const cm_identity *identity,
                        uint8_t ret[static CM_SIGNATURE_BYTES])
{
    cm_identity_sign(identity, file_context, f->body, strlen(f->body), ret);
}

bool cm_federation_signature_ok(const cm_federation *f, const cm_cert *cert,
                                const uint8_t signature[static CM_SIGNATURE_BYTES])
{
    return cm_cert_verify(cert, file_context, f->body, strlen(f->body), signature);
}
