/*
 * Views of this node: a query under a name.  Nobody else knows them, and others' nodes plan for
 * themselves; so a query that reads views is sent with their definitions before it, as text:
 * "CREATE VIEW v AS ...; SELECT ...", where each view comes after those that it reads.
 */
#include "node/session_int.h"

#include <stdlib.h>
#include <string.h>

enum { VIEWS_MAX = 1000, DEPTH_MAX = 64 };

/* ---- what a text reads -------------------------------------------------------------------- */

typedef struct closure {
    cm_session *s;
    cm_arena *arena;
    size_t count; /* views in the order in which they have to be defined */
    cm_state_view view[VIEWS_MAX];
    const char *open[DEPTH_MAX]; /* views whose definition is being read */
    size_t depth;
} closure;

static bool is_own(const cm_session *s, const cm_relation_name *name)
{
    return name->schema == NULL || strcmp(name->schema, "public") == 0 ||
           strcmp(name->schema, cm_node_org(s->node)) == 0;
}

static cm_status add_views(closure *c, const cm_stmt *stmt, cm_diag *diag);

static cm_status add_view(closure *c, const char *name, cm_diag *diag)
{
    cm_stmts stmts;
    cm_state_view view;
    bool found = false;

    for (size_t i = 0; i < c->depth; i++) {
        if (strcmp(c->open[i], name) == 0) {
            return cm_fail(diag, CM_EINVAL, "42P17",
                           "infinite recursion detected in rules for relation \"%s\"", name);
        }
    }
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->view[i].name, name) == 0) {
            return CM_OK;
        }
    }
    cm_status st =
        cm_state_view_find(cm_node_state(c->s->node), name, c->arena, &view, &found, diag);
    if (st != CM_OK || !found) {
        return st;
    }
    if (c->depth == DEPTH_MAX || c->count == VIEWS_MAX) {
        return cm_fail(diag, CM_EINVAL, "54001", "views are nested too deeply");
    }
    st = cm_sql_parse(view.definition, c->arena, &stmts, diag);
    if (st == CM_OK) {
        c->open[c->depth++] = view.name;
        st = add_views(c, &stmts.stmt[0], diag);
        c->depth--;
    }
    if (st == CM_OK && c->count == VIEWS_MAX) {
        st = cm_fail(diag, CM_EINVAL, "54001", "views are nested too deeply");
    }
    if (st == CM_OK) {
        c->view[c->count++] = view;
    }
    return st;
}

static cm_status add_views(closure *c, const cm_stmt *stmt, cm_diag *diag)
{
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < stmt->relations; i++) {
        if (is_own(c->s, &stmt->relation[i])) {
            st = add_view(c, stmt->relation[i].name, diag);
        }
    }
    return st;
}

static void put_view(cm_buf *out, const cm_state_view *view)
{
    cm_buf_printf(out, "CREATE VIEW ");
    cm_buf_put_quoted(out, view->name, '"');
    for (size_t i = 0; i < view->cols; i++) {
        cm_buf_printf(out, "%s", i == 0 ? " (" : ", ");
        cm_buf_put_quoted(out, view->col[i], '"');
    }
    /* A definition may end with a comment to the end of its line. */
    cm_buf_printf(out, "%s AS %s\n;\n", view->cols > 0 ? ")" : "", view->definition);
}

static closure *closure_new(cm_session *s, cm_arena *arena, cm_diag *diag)
{
    closure *c = calloc(1, sizeof *c);
    if (c == NULL) {
        cm_status st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
        CM_ASSERT(st == CM_ENOMEM);
        return NULL;
    }
    c->s = s;
    c->arena = arena;
    return c;
}

cm_status cm_view_expand(cm_session *s, const cm_stmt *stmt, const char *sql, cm_arena *arena,
                         const char **ret, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    closure *c = closure_new(s, arena, diag);
    if (c == NULL) {
        return CM_ENOMEM;
    }
    cm_status st = add_views(c, stmt, diag);
    for (size_t i = 0; st == CM_OK && i < c->count; i++) {
        put_view(&text, &c->view[i]);
    }
    size_t views = c->count;
    free(c);
    if (st != CM_OK) {
        return st;
    }
    if (views == 0) {
        *ret = sql;
        return CM_OK;
    }
    cm_buf_printf(&text, "%s", sql);
    if (text.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    *ret = cm_arena_strdup(arena, cm_buf_text(&text));
    return CM_OK;
}

/* ---- columns ------------------------------------------------------------------------------ */

/* What a definition shows; stmt and everything else in arena. */
static cm_status describe(cm_session *s, const cm_stmt *stmt, const char *definition,
                          cm_arena *arena, const cm_query **ret, cm_diag *diag)
{
    const char *text = NULL;
    const cm_stmt *query = NULL;
    cm_type none;
    cm_status st = cm_view_expand(s, stmt, definition, arena, &text, diag);
    if (st == CM_OK) {
        st = cm_sql_parse_query(text, arena, &query, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(query != NULL);
    st = cm_sql_bind(query->select, cm_node_schema(s->node), cm_node_org(s->node), &none, NULL, 0,
                     0, arena, ret, diag);
    if (st != CM_OK) {
        cm_sql_query_position(query, diag);
    }
    return st;
}

static size_t shown_targets(const cm_query *query)
{
    size_t shown = 0;
    while (shown < query->targets && !query->target[shown].hidden) {
        shown++;
    }
    return shown;
}

static const char *column_name(const cm_query *query, const char *const *col, size_t cols, size_t i)
{
    return i < cols ? col[i] : query->target[i].name;
}

cm_status cm_view_columns(cm_session *s, const cm_state_view *view, cm_arena *arena,
                          const cm_column **ret, size_t *ret_cols, cm_diag *diag)
{
    cm_stmts stmts;
    const cm_query *query = NULL;
    cm_status st = cm_sql_parse(view->definition, arena, &stmts, diag);
    if (st == CM_OK) {
        st = describe(s, &stmts.stmt[0], view->definition, arena, &query, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(query != NULL);
    size_t count = shown_targets(query);
    cm_column *col = CM_NEW_SMALL(arena, cm_column, count + 1);
    for (size_t i = 0; i < count; i++) {
        col[i] = (cm_column){.name = column_name(query, view->col, view->cols, i),
                             .type = query->target[i].expr->type,
                             .label = {.kind = CM_LABEL_REVEAL}};
    }
    *ret = col;
    *ret_cols = count;
    return CM_OK;
}

/* ---- CREATE VIEW -------------------------------------------------------------------------- */

static cm_status check_names(const cm_stmt *stmt, const cm_query *query, cm_diag *diag)
{
    size_t count = shown_targets(query);
    if (stmt->view.cols > count) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_SYNTAX,
                       "CREATE VIEW specifies more column names than columns");
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            const char *name = column_name(query, stmt->view.col, stmt->view.cols, i);
            if (strcmp(name, column_name(query, stmt->view.col, stmt->view.cols, j)) == 0) {
                return cm_fail(diag, CM_EINVAL, "42701",
                               "column \"%.63s\" specified more than once", name);
            }
        }
    }
    return CM_OK;
}

/* OR REPLACE keeps the columns and may add some. */
static cm_status check_replacement(cm_session *s, const cm_state_view *old, const cm_stmt *stmt,
                                   const cm_query *query, cm_diag *diag)
{
    const cm_column *col = NULL;
    size_t cols = 0;
    cm_diag ignored = {0};
    /* One that reads what is gone has no columns to keep. */
    if (cm_view_columns(s, old, &s->arena, &col, &cols, &ignored) != CM_OK) {
        return CM_OK;
    }
    if (cols > shown_targets(query)) {
        return cm_fail(diag, CM_EINVAL, "42P16", "cannot drop columns from view");
    }
    for (size_t i = 0; i < cols; i++) {
        const char *name = column_name(query, stmt->view.col, stmt->view.cols, i);
        const cm_type *type = &query->target[i].expr->type;
        if (strcmp(name, col[i].name) != 0) {
            return cm_fail(diag, CM_EINVAL, "42P16",
                           "cannot change name of view column \"%.63s\" to \"%.63s\"", col[i].name,
                           name);
        }
        if (cm_type_oid(type) != cm_type_oid(&col[i].type)) {
            CM_CLEANUP(cm_buf_free) cm_buf from = {0};
            CM_CLEANUP(cm_buf_free) cm_buf to = {0};
            cm_type_name(&col[i].type, &from);
            cm_type_name(type, &to);
            return cm_fail(diag, CM_EINVAL, "42P16",
                           "cannot change data type of view column \"%.63s\" from %s to %s", name,
                           cm_buf_text(&from), cm_buf_text(&to));
        }
    }
    return CM_OK;
}

/* A view that reads itself, by whatever way. */
static cm_status check_recursion(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    closure *c = closure_new(s, &s->arena, diag);
    if (c == NULL) {
        return CM_ENOMEM;
    }
    c->open[c->depth++] = stmt->name;
    cm_status st = add_views(c, stmt, diag);
    free(c);
    return st;
}

static cm_status name_is_free(cm_session *s, const cm_stmt *stmt, cm_state_view *old,
                              bool *ret_exists, cm_diag *diag)
{
    bool taken = false;
    cm_status st =
        cm_state_view_find(cm_node_state(s->node), stmt->name, &s->arena, old, ret_exists, diag);
    if (st == CM_OK) {
        st = cm_view_name_taken(s, stmt->name, &taken, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    taken = taken && !*ret_exists;
    if (taken && stmt->view.replace) {
        return cm_fail(diag, CM_EINVAL, "42809", "\"%s\" is not a view", stmt->name);
    }
    if (taken || (*ret_exists && !stmt->view.replace)) {
        return cm_fail(diag, CM_EEXISTS, "42P07", "relation \"%s\" already exists", stmt->name);
    }
    return strlen(stmt->name) <= CM_NAME_MAX_BYTES
               ? CM_OK
               : cm_fail(diag, CM_EINVAL, CM_SQL_BAD_NAME, "the name \"%.63s...\" is too long",
                         stmt->name);
}

cm_status cm_ddl_create_view(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    const cm_state_view view = {stmt->name, stmt->view.cols, stmt->view.col, stmt->query};
    cm_state_view old = {0};
    const cm_query *query = NULL;
    bool exists = false;
    cm_status st = cm_ddl_check_schema(s, stmt->schema, diag);
    if (st == CM_OK) {
        st = name_is_free(s, stmt, &old, &exists, diag);
    }
    if (st == CM_OK && exists) {
        st = check_recursion(s, stmt, diag);
    }
    if (st == CM_OK) {
        st = describe(s, stmt, stmt->query, &s->arena, &query, diag);
        if (st != CM_OK && diag->position > 0) {
            diag->position += stmt->query_offset;
        }
    }
    if (st == CM_OK) {
        CM_ASSERT(query != NULL);
        st = check_names(stmt, query, diag);
    }
    if (st == CM_OK && exists) {
        st = check_replacement(s, &old, stmt, query, diag);
    }
    return st == CM_OK ? cm_state_view_put(cm_node_state(s->node), &view, diag) : st;
}

cm_status cm_view_name_taken(cm_session *s, const char *name, bool *ret, cm_diag *diag)
{
    cm_state *state = cm_node_state(s->node);
    cm_state_view view;
    cm_state_matview kept;
    cm_state_table table;
    cm_status st = cm_state_view_find(state, name, &s->arena, &view, ret, diag);
    if (st == CM_OK && !*ret) {
        st = cm_state_matview_find(state, name, &s->arena, &kept, ret, diag);
    }
    if (st == CM_OK && !*ret) {
        *ret = cm_state_table_get(state, name, &s->arena, &table, NULL) == CM_OK;
    }
    return st;
}

/* ---- DROP VIEW ---------------------------------------------------------------------------- */

static bool reads(cm_session *s, const cm_state_view *view, const char *name, cm_arena *arena)
{
    cm_stmts stmts;
    if (cm_sql_parse(view->definition, arena, &stmts, NULL) != CM_OK) {
        return false;
    }
    for (size_t i = 0; i < stmts.stmt[0].relations; i++) {
        const cm_relation_name *relation = &stmts.stmt[0].relation[i];
        if (is_own(s, relation) && strcmp(relation->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static cm_status drop(cm_session *s, const char *name, bool cascade, cm_diag *diag)
{
    cm_status st = cm_view_drop_readers(s, name, "view", cascade, diag);
    return st == CM_OK ? cm_state_view_drop(cm_node_state(s->node), name, diag) : st;
}

cm_status cm_view_drop_readers(cm_session *s, const char *name, const char *what, bool cascade,
                               cm_diag *diag)
{
    cm_state *state = cm_node_state(s->node);
    const cm_state_view *view = NULL;
    size_t count = 0;
    cm_status st = cm_state_view_list(state, &s->arena, &view, &count, diag);
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        cm_arena scratch = s->arena;
        if (strcmp(view[i].name, name) == 0 || !reads(s, &view[i], name, &scratch)) {
            continue;
        }
        if (!cascade) {
            st = cm_fail(diag, CM_EINVAL, CM_SQL_DEPENDS,
                         "cannot drop %s %s because other objects depend on it", what, name);
            cm_diag_detail(diag, "view %s depends on %s %s", view[i].name, what, name);
            cm_diag_hint(diag, "Use DROP ... CASCADE to drop the dependent objects too.");
            return st;
        }
        cm_session_notice(s, "00000", "drop cascades to view %s", view[i].name);
        st = drop(s, view[i].name, true, diag);
        if (st == CM_ENOTFOUND) { /* by another way */
            cm_diag_reset(diag);
            st = CM_OK;
        }
    }
    return st;
}

cm_status cm_ddl_drop_view(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_state_table table;
    cm_state_view view;
    bool exists = false;
    cm_state *state = cm_node_state(s->node);
    cm_status st = cm_ddl_check_schema(s, stmt->schema, diag);
    if (st == CM_OK) {
        st = cm_state_view_find(state, stmt->name, &s->arena, &view, &exists, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    if (!exists && cm_state_table_get(state, stmt->name, &s->arena, &table, NULL) == CM_OK) {
        return cm_fail(diag, CM_EINVAL, "42809", "\"%s\" is not a view", stmt->name);
    }
    if (!exists && stmt->if_exists) {
        cm_session_notice(s, "00000", "view \"%s\" does not exist, skipping", stmt->name);
        return CM_OK;
    }
    return drop(s, stmt->name, stmt->view.cascade, diag);
}
