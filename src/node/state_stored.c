/* Materialized views: those that this node owns, and the keys of the shares that it keeps. */
#include "node/state_int.h"
#include "node/wire.h"

#include "crypto/crypto.h"

#include <string.h>

static cm_status damaged(const char *what, cm_diag *diag)
{
    return cm_fail(diag, CM_EIO, "XX001",
                   "this node's state is damaged: materialized view \"%.63s\"", what);
}

/* ---- own views ---------------------------------------------------------------------------- */

cm_status cm_state_matview_put(cm_state *state, const cm_state_matview *view, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf table = {0};
    cm_org_table_encode(&view->table, &table);
    if (table.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_sq q = cm_sq_open(state,
                         "INSERT OR REPLACE INTO matview(name, columns, definition, published)"
                         " VALUES (?1, ?2, ?3, ?4)",
                         diag);
    cm_sq_text(&q, 1, view->view.name);
    cm_sq_names(&q, 2, view->view.col, view->view.cols);
    cm_sq_text(&q, 3, view->view.definition);
    cm_sq_blob(&q, 4, table.data, table.bytes);
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_matview_drop(cm_state *state, const char *name, cm_diag *diag)
{
    int changes = 0;
    cm_sq q = cm_sq_open(state, "DELETE FROM matview WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    cm_status st = cm_sq_close(&q, &changes);
    if (st == CM_OK && changes == 0) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_TABLE,
                     "materialized view \"%.63s\" does not exist", name);
    }
    return st;
}

static void read_matview(cm_sq *q, cm_arena *arena, void *item)
{
    cm_state_matview *ret = item;
    size_t bytes;
    *ret = (cm_state_matview){.view = {.name = cm_sq_get_text(q, 0, arena)}};
    ret->view.col = cm_sq_get_names(q, 1, arena, &ret->view.cols);
    ret->view.definition = cm_sq_get_text(q, 2, arena);
    const uint8_t *data = cm_sq_get_blob(q, 3, &bytes);
    cm_reader r = cm_reader_of(data, bytes);
    bool good = cm_org_table_decode(&r, arena, &ret->table, NULL) == CM_OK && cm_reader_done(&r);
    if (q->status == CM_OK &&
        (!good || ret->view.definition == NULL || ret->table.stored == NULL)) {
        q->status = damaged(ret->view.name, q->diag);
    }
}

cm_status cm_state_matview_find(cm_state *state, const char *name, cm_arena *arena,
                                cm_state_matview *ret, bool *ret_found, cm_diag *diag)
{
    cm_sq q = cm_sq_open(
        state, "SELECT name, columns, definition, published FROM matview WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    *ret_found = cm_sq_row(&q);
    if (*ret_found) {
        read_matview(&q, arena, ret);
    }
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_matview_list(cm_state *state, cm_arena *arena, const cm_state_matview **ret,
                                size_t *ret_count, cm_diag *diag)
{
    const void *list = NULL;
    cm_sq q = cm_sq_open(
        state, "SELECT name, columns, definition, published FROM matview ORDER BY name", diag);
    cm_status st = cm_sq_list(&q, arena, read_matview, sizeof(cm_state_matview), &list, ret_count);
    if (st == CM_OK) {
        *ret = list;
    }
    return st;
}

/* ---- keys of shares ----------------------------------------------------------------------- */

cm_status cm_state_stored_put(cm_state *state, const cm_state_stored *row, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state,
                         "INSERT INTO stored(id, owner, name, key, facts, published, created)"
                         " VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
                         diag);
    cm_sq_blob(&q, 1, row->id, sizeof row->id);
    cm_sq_text(&q, 2, row->owner);
    cm_sq_text(&q, 3, row->name);
    cm_sq_blob(&q, 4, row->key, sizeof row->key);
    cm_sq_blob(&q, 5, row->facts.bytes, sizeof row->facts.bytes);
    cm_sq_int(&q, 6, row->created_unix);
    return cm_sq_close(&q, NULL);
}

static cm_status change_stored(cm_state *state, const char *sql, const uint8_t *id, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, sql, diag);
    cm_sq_blob(&q, 1, id, CM_JOB_ID_BYTES);
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_stored_publish(cm_state *state, const uint8_t id[static CM_JOB_ID_BYTES],
                                  cm_diag *diag)
{
    return change_stored(state, "UPDATE stored SET published = 1 WHERE id = ?1", id, diag);
}

cm_status cm_state_stored_drop(cm_state *state, const uint8_t id[static CM_JOB_ID_BYTES],
                               cm_diag *diag)
{
    return change_stored(state, "DELETE FROM stored WHERE id = ?1", id, diag);
}

static void read_stored(cm_sq *q, cm_arena *arena, void *item)
{
    cm_state_stored *ret = item;
    *ret = (cm_state_stored){.owner = cm_sq_get_text(q, 1, arena),
                             .name = cm_sq_get_text(q, 2, arena),
                             .published = cm_sq_get_int(q, 5) != 0,
                             .created_unix = cm_sq_get_int(q, 6)};
    cm_sq_get_fixed(q, 0, ret->id, sizeof ret->id);
    cm_sq_get_fixed(q, 3, ret->key, sizeof ret->key);
    cm_sq_get_fixed(q, 4, ret->facts.bytes, sizeof ret->facts.bytes);
}

cm_status cm_state_stored_find(cm_state *state, const uint8_t id[static CM_JOB_ID_BYTES],
                               cm_arena *arena, cm_state_stored *ret, bool *ret_found,
                               cm_diag *diag)
{
    cm_sq q = cm_sq_open(state,
                         "SELECT id, owner, name, key, facts, published, created FROM stored"
                         " WHERE id = ?1",
                         diag);
    cm_sq_blob(&q, 1, id, CM_JOB_ID_BYTES);
    *ret_found = cm_sq_row(&q);
    if (*ret_found) {
        read_stored(&q, arena, ret);
    }
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_stored_list(cm_state *state, cm_arena *arena, const cm_state_stored **ret,
                               size_t *ret_count, cm_diag *diag)
{
    const void *list = NULL;
    cm_sq q = cm_sq_open(
        state, "SELECT id, owner, name, key, facts, published, created FROM stored ORDER BY id",
        diag);
    cm_status st = cm_sq_list(&q, arena, read_stored, sizeof(cm_state_stored), &list, ret_count);
    if (st == CM_OK) {
        *ret = list;
    }
    return st;
}
