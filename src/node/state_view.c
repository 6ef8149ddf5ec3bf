/* Views: names with texts. */
#include "node/state_int.h"

static cm_status damaged(const char *name, cm_diag *diag)
{
    return cm_fail(diag, CM_EIO, "XX001", "this node's state is damaged: view \"%.63s\"", name);
}

cm_status cm_state_view_put(cm_state *state, const cm_state_view *view, cm_diag *diag)
{
    cm_sq q = cm_sq_open(
        state, "INSERT OR REPLACE INTO view(name, columns, definition) VALUES (?1, ?2, ?3)", diag);
    cm_sq_text(&q, 1, view->name);
    cm_sq_names(&q, 2, view->col, view->cols);
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

static void read_view(cm_sq *q, cm_arena *arena, void *item)
{
    cm_state_view *ret = item;
    *ret = (cm_state_view){.name = cm_sq_get_text(q, 0, arena)};
    ret->col = cm_sq_get_names(q, 1, arena, &ret->cols);
    ret->definition = cm_sq_get_text(q, 2, arena);
    if (q->status == CM_OK && ret->definition == NULL) {
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
    const void *list = NULL;
    cm_sq q = cm_sq_open(state, "SELECT name, columns, definition FROM view ORDER BY name", diag);
    cm_status st = cm_sq_list(&q, arena, read_view, sizeof(cm_state_view), &list, ret_count);
    if (st == CM_OK) {
        *ret = list;
    }
    return st;
}
