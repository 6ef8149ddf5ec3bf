/* Other members' catalogs, invitations, and the audit log's rows. */
#include "node/state_int.h"

#include <string.h>

/* ---- catalogs ----------------------------------------------------------------------------- */

cm_status cm_state_catalog_put(cm_state *state, const cm_state_catalog *catalog, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state,
                         "INSERT INTO peer_catalog(org, signed) VALUES (?1, ?2)"
                         " ON CONFLICT(org) DO UPDATE SET signed = excluded.signed",
                         diag);
    cm_sq_text(&q, 1, catalog->org);
    cm_sq_blob(&q, 2, catalog->data, catalog->bytes);
    return cm_sq_close(&q, NULL);
}

static void read_catalog(cm_sq *q, cm_arena *arena, void *item)
{
    cm_state_catalog *ret = item;
    size_t bytes;
    const uint8_t *data = cm_sq_get_blob(q, 1, &bytes);
    uint8_t *copy = CM_NEW_SMALL(arena, uint8_t, bytes + 1);
    if (bytes > 0) {
        memcpy(copy, data, bytes);
    }
    *ret = (cm_state_catalog){.org = cm_sq_get_text(q, 0, arena), .bytes = bytes, .data = copy};
}

cm_status cm_state_catalog_list(cm_state *state, cm_arena *arena, const cm_state_catalog **ret,
                                size_t *ret_count, cm_diag *diag)
{
    const void *list = NULL;
    cm_sq q = cm_sq_open(state, "SELECT org, signed FROM peer_catalog ORDER BY org", diag);
    cm_status st = cm_sq_list(&q, arena, read_catalog, sizeof(cm_state_catalog), &list, ret_count);
    if (st == CM_OK) {
        *ret = list;
    }
    return st;
}

cm_status cm_state_catalog_clear(cm_state *state, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, "DELETE FROM peer_catalog", diag);
    return cm_sq_close(&q, NULL);
}

/* ---- invitations -------------------------------------------------------------------------- */

cm_status cm_state_invite_put(cm_state *state, const cm_state_invite *invite, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state,
                         "INSERT INTO invite(org, secret, expires, endpoint, cert, signature)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(org) DO UPDATE SET"
                         " secret = excluded.secret, expires = excluded.expires,"
                         " endpoint = excluded.endpoint, cert = excluded.cert,"
                         " signature = excluded.signature",
                         diag);
    cm_sq_text(&q, 1, invite->org);
    cm_sq_blob(&q, 2, invite->secret, sizeof invite->secret);
    cm_sq_int(&q, 3, invite->expires_unix);
    if (invite->joined) {
        cm_sq_text(&q, 4, invite->endpoint);
        cm_sq_blob(&q, 5, invite->cert.der, invite->cert.bytes);
    }
    if (invite->is_signed) {
        cm_sq_blob(&q, 6, invite->signature, sizeof invite->signature);
    }
    return cm_sq_close(&q, NULL);
}

static void read_invite(cm_sq *q, cm_arena *arena, void *item)
{
    cm_state_invite *ret = item;
    size_t bytes;
    memset(ret, 0, sizeof *ret);
    ret->org = cm_sq_get_text(q, 0, arena);
    cm_sq_get_fixed(q, 1, ret->secret, sizeof ret->secret);
    ret->expires_unix = cm_sq_get_int(q, 2);
    ret->endpoint = cm_sq_get_text(q, 3, arena);
    const uint8_t *cert = cm_sq_get_blob(q, 4, &bytes);
    ret->joined = ret->endpoint != NULL && bytes > 0 && bytes <= CM_CERT_MAX_BYTES;
    if (ret->joined) {
        memcpy(ret->cert.der, cert, bytes);
        ret->cert.bytes = bytes;
    }
    (void)cm_sq_get_blob(q, 5, &bytes);
    ret->is_signed = bytes > 0;
    if (ret->is_signed) {
        cm_sq_get_fixed(q, 5, ret->signature, sizeof ret->signature);
    }
}

cm_status cm_state_invite_list(cm_state *state, cm_arena *arena, const cm_state_invite **ret,
                               size_t *ret_count, cm_diag *diag)
{
    const void *list = NULL;
    cm_sq q = cm_sq_open(state,
                         "SELECT org, secret, expires, endpoint, cert, signature"
                         " FROM invite ORDER BY ordinal",
                         diag);
    cm_status st = cm_sq_list(&q, arena, read_invite, sizeof(cm_state_invite), &list, ret_count);
    if (st == CM_OK) {
        *ret = list;
    }
    return st;
}

cm_status cm_state_invite_clear(cm_state *state, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, "DELETE FROM invite", diag);
    return cm_sq_close(&q, NULL);
}

/* ---- audit -------------------------------------------------------------------------------- */

cm_status cm_state_audit_put(cm_state *state, const cm_state_audit_row *row, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state,
                         "INSERT INTO audit(sequence, job, body, hash, signature)"
                         " VALUES (?1, ?2, ?3, ?4, ?5)",
                         diag);
    cm_sq_int(&q, 1, (int64_t)row->sequence);
    cm_sq_blob(&q, 2, row->job, sizeof row->job);
    cm_sq_blob(&q, 3, row->body, row->bytes);
    cm_sq_blob(&q, 4, row->hash.bytes, sizeof row->hash.bytes);
    cm_sq_blob(&q, 5, row->signature, sizeof row->signature);
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_audit_last(cm_state *state, uint64_t *ret_sequence, cm_hash *ret_hash,
                              cm_diag *diag)
{
    uint64_t sequence = 0;
    cm_hash hash = {{0}};
    cm_sq q =
        cm_sq_open(state, "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1", diag);
    if (cm_sq_row(&q)) {
        sequence = (uint64_t)cm_sq_get_int(&q, 0);
        cm_sq_get_fixed(&q, 1, hash.bytes, sizeof hash.bytes);
    }
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK) {
        *ret_sequence = sequence;
        *ret_hash = hash;
    }
    return st;
}

cm_status cm_state_audit_walk(cm_state *state, uint64_t from, cm_state_audit_fn fn, void *arg,
                              cm_diag *diag)
{
    cm_sq q = cm_sq_open(state,
                         "SELECT sequence, job, body, hash, signature FROM audit"
                         " WHERE sequence >= ?1 ORDER BY sequence",
                         diag);
    cm_sq_int(&q, 1, (int64_t)from);
    while (cm_sq_row(&q)) {
        cm_state_audit_row row = {.sequence = (uint64_t)cm_sq_get_int(&q, 0)};
        cm_sq_get_fixed(&q, 1, row.job, sizeof row.job);
        cm_sq_get_fixed(&q, 3, row.hash.bytes, sizeof row.hash.bytes);
        cm_sq_get_fixed(&q, 4, row.signature, sizeof row.signature);
        row.body = cm_sq_get_blob(&q, 2, &row.bytes);
        if (q.status == CM_OK) {
            q.status = fn(arg, &row, diag);
        }
    }
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_audit_has_job(cm_state *state, const uint8_t job[CM_JOB_ID_BYTES], bool *ret,
                                 cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, "SELECT 1 FROM audit WHERE job = ?1 LIMIT 1", diag);
    cm_sq_blob(&q, 1, job, CM_JOB_ID_BYTES);
    bool found = cm_sq_row(&q);
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK) {
        *ret = found;
    }
    return st;
}
