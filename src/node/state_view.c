/* Views: names with texts. */
#include "node/state_int.h"
#include "node/wire.h"

static cm_status damaged(const char *name, cm_diag *diag)
{
    return cm_fail(diag, CM_EIO, "XX001", "this node's state is damaged: view \"%.63s\"", name);
}

cm_status cm_state_view_put(cm_state *state, const cm_state_view *view, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf cols = {0};
    for (size_t i = 0; i < view->cols; i++) {
        cm_buf_put_text(&cols, view->col[i]);
    }
    if (cols.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_sq q = cm_sq_open(
        state, "INSERT OR REPLACE INTO view(name, columns, definition) VALUES (?1, ?2, ?3)", diag);
    cm_sq_text(&q, 1, view->name);
    cm_sq_blob(&q, 2, cols.data, cols.bytes);
    cm_sq_text(&q, 3, view->definition);
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_view_drop(cm_state *state, const char *name, cm_diag *diag)
{
    int changes = 0;
    cm_sq q = cm_sq_open(state, "DELETE FROM view WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    cm_status st = cm_sq_close(&q, &changes);
    if (st == CM_OK && changes == 0) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_TABLE, "view \"%.63s\" does not exist",
                     name);
    }
    return st;
}

static void read_view(cm_sq *q, cm_arena *arena, cm_state_view *ret)
{
    size_t bytes;
    *ret = (cm_state_view){.name = cm_sq_get_text(q, 0, arena)};
    const uint8_t *data = cm_sq_get_blob(q, 1, &bytes);
    cm_reader r = cm_reader_of(data, bytes);
    const char **col = CM_NEW_SMALL(arena, const char *, CM_TABLE_MAX_COLS);
    while (cm_reader_left(&r) > 0 && !r.failed && ret->cols < CM_TABLE_MAX_COLS) {
        col[ret->cols++] = cm_reader_text(&r, arena, CM_NAME_MAX_BYTES);
    }
    ret->col = col;
    ret->definition = cm_sq_get_text(q, 2, arena);
    if (!cm_reader_done(&r) || ret->definition == NULL) {
        q->status = damaged(ret->name, q->diag);
    }
}

cm_status cm_state_view_find(cm_state *state, const char *name, cm_arena *arena, cm_state_view *ret,
                             bool *ret_found, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, "SELECT name, columns, definition FROM view WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    *ret_found = cm_sq_row(&q);
    if (*ret_found) {
        read_view(&q, arena, ret);
    }
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_view_list(cm_state *state, cm_arena *arena, const cm_state_view **ret,
                             size_t *ret_count, cm_diag *diag)
{
    void *list = NULL;
    size_t count = 0;
    cm_sq q = cm_sq_open(state, "SELECT name, columns, definition FROM view ORDER BY name", diag);
    while (cm_sq_row(&q)) {
        read_view(&q, arena, cm_list_more(arena, &list, count, sizeof(cm_state_view)));
        count++;
    }
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK) {
        *ret = list;
        *ret_count = count;
    }
    return st;
}
