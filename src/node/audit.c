/*
 * A row of the log is (sequence, job, body, hash, signature): the body holds every field of the
 * entry and the hash of the row before, hash = SHA-256(body), and the signature is over the hash.
 * audit.head repeats the last row's sequence and hash under a signature of its own.  It is written
 * after the commit, so that it may be behind by what a crash cut off, never ahead: rows beyond the
 * head are fine, a head beyond the rows is a log whose end was cut.
 */
#include "node/audit.h"

#include "base/clock.h"
#include "node/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ENTRY_TEXT_MAX_BYTES = 1 << 20,
    ENTRY_MAX_BYTES = 8 << 20,
    ENTRY_MAX_DISCLOSURES = 1000,
    HEAD_BYTES = 8 + CM_HASH_BYTES + CM_SIGNATURE_BYTES,
    BODY_FORMAT = 1,
};

static const char entry_context[] = "comity audit 1";
static const char head_context[] = "comity audit head 1";

struct cm_audit {
    cm_state *state;
    const cm_identity *identity;
    char *head_path;
};

/* ---- the entry as bytes ------------------------------------------------------------------- */

static void encode_entry(const cm_audit_entry *e, const cm_hash *previous, cm_buf *out)
{
    cm_buf_put_u8(out, BODY_FORMAT);
    cm_buf_put_u64(out, e->sequence);
    cm_buf_put(out, previous->bytes, sizeof previous->bytes);
    cm_buf_put_u64(out, (uint64_t)e->unix_time);
    cm_buf_put_u8(out, (uint8_t)e->kind);
    cm_buf_put(out, e->job, sizeof e->job);
    cm_buf_put_text(out, e->coordinator);
    cm_buf_put_text(out, e->role);
    cm_buf_put_text(out, e->sql);
    cm_buf_put(out, e->plan.bytes, sizeof e->plan.bytes);
    cm_buf_put_u32(out, (uint32_t)e->disclosures);
    for (size_t i = 0; i < e->disclosures; i++) {
        cm_buf_put_text(out, e->disclosure[i]);
    }
    cm_buf_put_u8(out, e->allowed);
    cm_buf_put_text(out, e->sqlstate);
    cm_buf_put_text(out, e->message);
    cm_buf_put_u64(out, e->bytes);
    cm_buf_put_u64(out, e->rounds);
    cm_buf_put_u64(out, e->milliseconds);
    for (size_t i = 0; i < CM_COUNT(e->opened); i++) {
        cm_buf_put_u64(out, e->opened[i]);
    }
}

static bool decode_entry(const cm_state_audit_row *row, cm_arena *arena, cm_audit_entry *ret,
                         cm_hash *ret_previous)
{
    cm_reader r = cm_reader_of(row->body, row->bytes);
    memset(ret, 0, sizeof *ret);
    uint8_t format = cm_reader_u8(&r);
    ret->sequence = cm_reader_u64(&r);
    cm_reader_fixed(&r, ret_previous->bytes, sizeof ret_previous->bytes);
    ret->unix_time = (int64_t)cm_reader_u64(&r);
    uint8_t kind = cm_reader_u8(&r);
    ret->kind = (cm_audit_kind)kind;
    cm_reader_fixed(&r, ret->job, sizeof ret->job);
    ret->coordinator = cm_reader_text(&r, arena, ENTRY_TEXT_MAX_BYTES);
    ret->role = cm_reader_text(&r, arena, ENTRY_TEXT_MAX_BYTES);
    ret->sql = cm_reader_text(&r, arena, ENTRY_TEXT_MAX_BYTES);
    cm_reader_fixed(&r, ret->plan.bytes, sizeof ret->plan.bytes);
    uint32_t disclosures = cm_reader_u32(&r);
    if (disclosures > ENTRY_MAX_DISCLOSURES) {
        return false;
    }
    const char **list = CM_NEW_SMALL(arena, const char *, disclosures);
    for (uint32_t i = 0; i < disclosures; i++) {
        list[i] = cm_reader_text(&r, arena, ENTRY_TEXT_MAX_BYTES);
    }
    ret->disclosures = disclosures;
    ret->disclosure = list;
    ret->allowed = cm_reader_u8(&r) != 0;
    ret->sqlstate = cm_reader_text(&r, arena, 5);
    ret->message = cm_reader_text(&r, arena, ENTRY_TEXT_MAX_BYTES);
    ret->bytes = cm_reader_u64(&r);
    ret->rounds = cm_reader_u64(&r);
    ret->milliseconds = cm_reader_u64(&r);
    for (size_t i = 0; i < CM_COUNT(ret->opened); i++) {
        ret->opened[i] = cm_reader_u64(&r);
    }
    return cm_reader_done(&r) && format == BODY_FORMAT && kind >= CM_AUDIT_CONSENT &&
           kind <= CM_AUDIT_GOVERN;
}

/* ---- audit.head --------------------------------------------------------------------------- */

static char *join_path(const char *dir, const char *file)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, file) < 0) {
        return NULL;
    }
    return path;
}

static void encode_head(const cm_identity *identity, uint64_t sequence, const cm_hash *hash,
                        uint8_t ret[static HEAD_BYTES])
{
    for (int i = 0; i < 8; i++) {
        ret[i] = (uint8_t)(sequence >> (56 - 8 * i));
    }
    memcpy(ret + 8, hash->bytes, CM_HASH_BYTES);
    cm_identity_sign(identity, head_context, ret, 8 + CM_HASH_BYTES, ret + 8 + CM_HASH_BYTES);
}

static bool write_file(const char *path, const uint8_t *data, size_t bytes)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary) {
        return false;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool written = write(fd, data, bytes) == (ssize_t)bytes && fsync(fd) == 0;
    written = close(fd) == 0 && written;
    return written && rename(temporary, path) == 0;
}

void cm_audit_sealed(cm_audit *audit)
{
    uint64_t sequence;
    cm_hash hash;
    uint8_t head[HEAD_BYTES];
    /* A head that cannot be written stays behind, which is allowed; the next one catches up. */
    if (cm_state_audit_last(audit->state, &sequence, &hash, NULL) == CM_OK && sequence > 0) {
        encode_head(audit->identity, sequence, &hash, head);
        (void)write_file(audit->head_path, head, sizeof head);
    }
}

/* ---- appending ---------------------------------------------------------------------------- */

cm_status cm_audit_open(cm_state *state, const cm_identity *identity, const char *dir,
                        cm_audit **ret, cm_diag *diag)
{
    cm_audit *audit = calloc(1, sizeof *audit);
    char *path = join_path(dir, "audit.head");
    if (audit == NULL || path == NULL) {
        free(audit);
        free(path);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    audit->state = state;
    audit->identity = identity;
    audit->head_path = path;
    *ret = audit;
    return CM_OK;
}

void cm_audit_close(cm_audit *audit)
{
    if (audit != NULL) {
        free(audit->head_path);
        free(audit);
    }
}

cm_status cm_audit_append(cm_audit *audit, const cm_audit_entry *entry, cm_diag *diag)
{
    CM_ASSERT(entry->disclosures <= ENTRY_MAX_DISCLOSURES);
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    cm_hash previous;
    cm_audit_entry e = *entry;
    cm_status st = cm_state_audit_last(audit->state, &e.sequence, &previous, diag);
    if (st != CM_OK) {
        return st;
    }
    e.sequence++;
    e.unix_time = cm_clock_unix();
    encode_entry(&e, &previous, &body);
    if (body.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    /* Nothing is written that could not be read again. */
    if (strlen(e.sql) > ENTRY_TEXT_MAX_BYTES || body.bytes > ENTRY_MAX_BYTES) {
        return cm_fail(diag, CM_ERANGE, "54000", "the statement is too long for the audit log");
    }
    cm_state_audit_row row = {.sequence = e.sequence,
                              .bytes = body.bytes,
                              .body = body.data,
                              .hash = cm_sha256(body.data, body.bytes)};
    memcpy(row.job, e.job, sizeof row.job);
    cm_identity_sign(audit->identity, entry_context, row.hash.bytes, sizeof row.hash.bytes,
                     row.signature);
    st = cm_state_audit_put(audit->state, &row, diag);
    if (st == CM_OK && !cm_state_in_change(audit->state)) {
        cm_audit_sealed(audit);
    }
    return st;
}

/* ---- reading ------------------------------------------------------------------------------ */

typedef struct walk {
    cm_audit_fn fn;
    void *arg;
    cm_arena *arena;
} walk;

static cm_status walk_row(void *arg, const cm_state_audit_row *row, cm_diag *diag)
{
    walk *w = arg;
    cm_audit_entry entry;
    cm_hash previous;
    cm_arena scratch = *w->arena;
    if (!decode_entry(row, &scratch, &entry, &previous)) {
        return cm_fail(diag, CM_ECHEAT, "XX001", "audit entry %llu is not readable",
                       (unsigned long long)row->sequence);
    }
    return w->fn(w->arg, &entry, diag);
}

enum { ENTRY_ARENA_BYTES = 64 << 20 };

cm_status cm_audit_walk(cm_state *state, uint64_t from, cm_audit_fn fn, void *arg, cm_diag *diag)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    if (cm_arena_init(&arena, ENTRY_ARENA_BYTES) != CM_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    walk w = {fn, arg, &arena};
    return cm_state_audit_walk(state, from, walk_row, &w, diag);
}

typedef struct verification {
    const cm_cert *cert;
    cm_arena *arena;
    uint64_t entries;
    cm_hash last;
    uint64_t head_sequence; /* 0: there is no head */
    cm_hash head_hash;
    bool head_seen;
} verification;

static cm_status bad_entry(uint64_t sequence, const char *why, cm_diag *diag)
{
    return cm_fail(diag, CM_ECHEAT, "XX001", "the audit log was tampered with: entry %llu %s",
                   (unsigned long long)sequence, why);
}

static cm_status verify_row(void *arg, const cm_state_audit_row *row, cm_diag *diag)
{
    verification *v = arg;
    cm_audit_entry entry;
    cm_hash previous;
    cm_arena scratch = *v->arena;
    uint64_t expected = v->entries + 1;
    if (row->sequence != expected) {
        return bad_entry(expected, "is missing", diag);
    }
    cm_hash hash = cm_sha256(row->body, row->bytes);
    if (memcmp(hash.bytes, row->hash.bytes, sizeof hash.bytes) != 0 ||
        !decode_entry(row, &scratch, &entry, &previous) || entry.sequence != row->sequence ||
        memcmp(entry.job, row->job, sizeof row->job) != 0) {
        return bad_entry(expected, "was changed", diag);
    }
    if (memcmp(previous.bytes, v->last.bytes, sizeof previous.bytes) != 0) {
        return bad_entry(expected, "does not follow the one before it", diag);
    }
    if (!cm_cert_verify(v->cert, entry_context, hash.bytes, sizeof hash.bytes, row->signature)) {
        return bad_entry(expected, "is not signed by this node", diag);
    }
    if (row->sequence == v->head_sequence) {
        if (memcmp(hash.bytes, v->head_hash.bytes, sizeof hash.bytes) != 0) {
            return bad_entry(expected, "differs from the signed head", diag);
        }
        v->head_seen = true;
    }
    v->entries = expected;
    v->last = hash;
    return CM_OK;
}

static cm_status read_head(const char *dir, verification *v, cm_diag *diag)
{
    uint8_t head[HEAD_BYTES + 1];
    char *path = join_path(dir, "audit.head");
    if (path == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0) {
        return errno == ENOENT ? CM_OK
                               : cm_fail(diag, CM_EIO, CM_SQL_IO, "could not read audit.head: %s",
                                         strerror(errno));
    }
    ssize_t got = read(fd, head, sizeof head);
    close(fd);
    if (got != HEAD_BYTES ||
        !cm_cert_verify(v->cert, head_context, head, 8 + CM_HASH_BYTES, head + 8 + CM_HASH_BYTES)) {
        return cm_fail(diag, CM_ECHEAT, "XX001", "audit.head is not signed by this node");
    }
    cm_reader r = cm_reader_of(head, sizeof head);
    v->head_sequence = cm_reader_u64(&r);
    memcpy(v->head_hash.bytes, head + 8, CM_HASH_BYTES);
    return CM_OK;
}

static cm_status verify_all(cm_state *state, const char *dir, verification *v, cm_diag *diag)
{
    /* The head is read first: a running node only adds rows after it. */
    cm_status st = read_head(dir, v, diag);
    if (st == CM_OK) {
        st = cm_state_audit_walk(state, 1, verify_row, v, diag);
    }
    if (st == CM_OK && v->head_sequence > v->entries) {
        st = cm_fail(diag, CM_ECHEAT, "XX001",
                     "the audit log was cut off: it ends at entry %llu, the signed head is %llu",
                     (unsigned long long)v->entries, (unsigned long long)v->head_sequence);
    }
    if (st == CM_OK && v->head_sequence == 0 && v->entries > 0) {
        /* The first commit is followed at once by the head; only a crash between leaves none. */
        if (v->entries > 1) {
            st = cm_fail(diag, CM_ECHEAT, "XX001", "audit.head is missing");
        }
    }
    return st;
}

cm_status cm_audit_verify(const char *dir, uint64_t *ret_entries, cm_hash *ret_head, cm_diag *diag)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    char *state_path = join_path(dir, "state.db");
    char *identity_path = join_path(dir, "identity.pem");
    cm_state *state = NULL;
    cm_identity *identity = NULL;
    cm_status st = CM_OK;
    if (state_path == NULL || identity_path == NULL ||
        cm_arena_init(&arena, ENTRY_ARENA_BYTES) != CM_OK) {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    if (st == CM_OK) {
        st = cm_identity_load(identity_path, &identity, diag);
    }
    if (st == CM_OK) {
        st = cm_state_open_readonly(state_path, &state, diag);
    }
    if (st == CM_OK) {
        verification v = {.cert = cm_identity_cert(identity), .arena = &arena};
        st = verify_all(state, dir, &v, diag);
        if (st == CM_OK) {
            *ret_entries = v.entries;
            *ret_head = v.last;
        }
    }
    cm_state_close(state);
    cm_identity_free(identity);
    free(state_path);
    free(identity_path);
    return st;
}
