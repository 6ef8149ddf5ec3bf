/*
 * Materialized views of this node.  CREATE and REFRESH are a job whose plan ends in STORE: every
 * node plans and consents to the statement itself, as to a query.  When all have reported, the view
 * is published in this node's catalog under the job's number; before that nobody can see it, and
 * what the parties wrote is swept away when it never comes.
 */
#include "node/session_int.h"

#include <string.h>

typedef struct task {
    cm_session *s;
    cm_state_view view;
    const char *tag, *sql; /* of the client's statement */
    bool refresh;
} task;

static cm_status find(cm_session *s, const char *name, cm_state_matview *ret, bool *ret_found,
                      cm_diag *diag)
{
    return cm_state_matview_find(cm_node_state(s->node), name, &s->arena, ret, ret_found, diag);
}

/* The statement that all nodes plan, with the definitions of the views that it reads. */
static cm_status statement(cm_session *s, const cm_state_view *view, const char **ret,
                           cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_stmts stmts;
    cm_buf_printf(&text, "CREATE MATERIALIZED VIEW ");
    cm_buf_put_quoted(&text, view->name, '"');
    for (size_t i = 0; i < view->cols; i++) {
        cm_buf_printf(&text, "%s", i == 0 ? " (" : ", ");
        cm_buf_put_quoted(&text, view->col[i], '"');
    }
    cm_buf_printf(&text, "%s AS %s", view->cols > 0 ? ")" : "", view->definition);
    if (text.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    const char *sql = cm_arena_strdup(&s->arena, cm_buf_text(&text));
    cm_status st = cm_sql_parse(sql, &s->arena, &stmts, diag);
    return st == CM_OK ? cm_view_expand(s, &stmts.stmt[0], sql, &s->arena, ret, diag) : st;
}

cm_status cm_matview_statement(cm_session *s, const cm_stmt *stmt, const char **ret, cm_diag *diag)
{
    const cm_state_view view = {stmt->name, stmt->view.cols, stmt->view.col, stmt->query};
    return statement(s, &view, ret, diag);
}

/* ---- what came of a job ------------------------------------------------------------------- */

static cm_status publish(task *t, const cm_org_table *made, cm_diag *diag)
{
    cm_session *s = t->s;
    cm_state_matview old, view = {.view = t->view, .table = *made};
    bool exists = false;
    cm_status st = cm_node_change_begin(s->node, diag);
    if (st != CM_OK) {
        return st;
    }
    st = find(s, t->view.name, &old, &exists, diag);
    if (st == CM_OK && exists != t->refresh) { /* meanwhile */
        st = cm_fail(diag, CM_EEXISTS, t->refresh ? CM_SQL_UNDEFINED_TABLE : "42P07",
                     t->refresh ? "materialized view \"%s\" does not exist any more"
                                : "relation \"%s\" already exists",
                     t->view.name);
    }
    if (st == CM_OK) {
        view.table.grants = exists ? old.table.grants : 0;
        view.table.granted_to = exists ? old.table.granted_to : NULL;
        st = cm_state_matview_put(cm_node_state(s->node), &view, diag);
    }
    if (st != CM_OK) {
        cm_node_change_rollback(s->node);
        return st;
    }
    return cm_node_change_commit(s->node, s->role, t->sql, diag);
}

static void on_row(void *arg, const char *const *text)
{
    (void)arg;
    (void)text;
}

static void on_done(void *arg, const cm_job_stats *stats)
{
    task *t = arg;
    cm_diag diag = {0};
    cm_org_table made = *cm_job_plan(t->s->job)->stores;
    cm_stored stored = *made.stored;
    (void)stats;
    memcpy(stored.id, cm_job_id(t->s->job), sizeof stored.id);
    made.stored = &stored;
    t->s->job = NULL;
    cm_status st = publish(t, &made, &diag);
    cm_session_end(t->s, st, t->tag, &diag);
}

static void on_failed(void *arg, const cm_diag *diag)
{
    task *t = arg;
    t->s->job = NULL;
    cm_session_fail(t->s, diag);
}

/* ---- CREATE, REFRESH ---------------------------------------------------------------------- */

static cm_status start(task *t, cm_diag *diag)
{
    cm_session *s = t->s;
    cm_job_request request = {.role = s->role,
                              .settings = cm_session_plan_settings(s),
                              .deadline_ms = cm_session_deadline_ms(s)};
    const cm_job_events events = {.arg = t, .row = on_row, .done = on_done, .failed = on_failed};
    cm_status st = statement(s, &t->view, &request.sql, diag);
    return st == CM_OK ? cm_job_start(s->node, &request, &events, &s->job, diag) : st;
}

/* WITH NO DATA: what would be published, planned by this node alone. */
static cm_status publish_empty(task *t, cm_diag *diag)
{
    cm_session *s = t->s;
    const cm_query *query = NULL;
    const cm_plan *plan = NULL;
    const char *sql = NULL;
    cm_plan_settings settings = cm_session_plan_settings(s);
    cm_status st = statement(s, &t->view, &sql, diag);
    if (st == CM_OK) {
        st = cm_sql_prepare(sql, cm_node_schema(s->node), cm_node_org(s->node), NULL, 0, &settings,
                            &s->arena, &query, &plan, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_org_table made = *plan->stores;
    cm_stored stored = *made.stored;
    stored.filled = false;
    made.stored = &stored;
    return publish(t, &made, diag);
}

static task *task_new(cm_session *s, const cm_stmt *stmt, const cm_state_view *view, bool refresh)
{
    task *t = CM_NEW_SMALL(&s->arena, task, 1);
    const char **col = CM_NEW_SMALL(&s->arena, const char *, view->cols + 1);
    for (size_t i = 0; i < view->cols; i++) {
        col[i] = cm_arena_strdup(&s->arena, view->col[i]);
    }
    *t = (task){.s = s,
                .view = {cm_arena_strdup(&s->arena, view->name), view->cols, col,
                         cm_arena_strdup(&s->arena, view->definition)},
                .tag = cm_arena_strdup(&s->arena, stmt->tag),
                .sql = cm_arena_strdup(&s->arena, stmt->sql),
                .refresh = refresh};
    return t;
}

/* Ends the statement, or leaves that to the job. */
static void run(cm_session *s, task *t, bool empty)
{
    cm_diag diag = {0};
    cm_status st = empty ? publish_empty(t, &diag) : start(t, &diag);
    if (st == CM_OK && !empty) {
        return;
    }
    s->job = NULL;
    diag.position = 0; /* within the definition */
    cm_session_end(s, st, t->tag, &diag);
}

void cm_matview_create(cm_session *s, const cm_stmt *stmt)
{
    cm_diag diag = {0};
    bool taken = false;
    const cm_state_view view = {stmt->name, stmt->view.cols, stmt->view.col, stmt->query};
    cm_status st = cm_ddl_check_schema(s, stmt->schema, &diag);
    if (st == CM_OK) {
        st = cm_view_name_taken(s, stmt->name, &taken, &diag);
    }
    if (st == CM_OK && taken && stmt->if_not_exists) {
        cm_session_notice(s, "42P07", "relation \"%s\" already exists, skipping", stmt->name);
        cm_session_done(s, stmt->tag);
        return;
    }
    if (st == CM_OK && taken) {
        st = cm_fail(&diag, CM_EEXISTS, "42P07", "relation \"%s\" already exists", stmt->name);
    }
    if (st != CM_OK) {
        cm_session_fail(s, &diag);
        return;
    }
    run(s, task_new(s, stmt, &view, false), stmt->view.no_data);
}

void cm_matview_refresh(cm_session *s, const cm_stmt *stmt)
{
    cm_diag diag = {0};
    cm_state_matview old;
    bool found = false;
    cm_status st = cm_ddl_check_schema(s, stmt->schema, &diag);
    if (st == CM_OK) {
        st = find(s, stmt->name, &old, &found, &diag);
    }
    if (st == CM_OK && !found) {
        st = cm_fail(&diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_TABLE,
                     "materialized view \"%s\" does not exist", stmt->name);
    }
    if (st != CM_OK) {
        cm_session_fail(s, &diag);
        return;
    }
    run(s, task_new(s, stmt, &old.view, true), stmt->view.no_data);
}

/* ---- DROP --------------------------------------------------------------------------------- */

cm_status cm_matview_drop(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_state_matview view;
    bool found = false;
    cm_status st = cm_ddl_check_schema(s, stmt->schema, diag);
    if (st == CM_OK) {
        st = find(s, stmt->name, &view, &found, diag);
    }
    if (st == CM_OK && !found && stmt->if_exists) {
        cm_session_notice(s, "00000", "materialized view \"%s\" does not exist, skipping",
                          stmt->name);
        return CM_OK;
    }
    if (st == CM_OK) {
        st = cm_view_drop_readers(s, stmt->name, "materialized view", stmt->view.cascade, diag);
    }
    return st == CM_OK ? cm_state_matview_drop(cm_node_state(s->node), stmt->name, diag) : st;
}
