/* A session's life, and which statement goes where. */
#include "node/session_int.h"

#include "base/clock.h"
#include "node/syscatalog.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 512 << 20, UNIX_2000 = 946684800 };

/* ---- life --------------------------------------------------------------------------------- */

cm_status cm_session_new(cm_node *node, const char *role, cm_session **ret, cm_diag *diag)
{
    if (*cm_node_sessions(node) >= (size_t)cm_node_setting(node, "session_limit")) {
        return cm_fail(diag, CM_EDENIED, CM_SQL_TOO_MANY, "the node has too many SQL sessions");
    }
    cm_session *s = calloc(1, sizeof *s);
    if (s == NULL || strlen(role) > CM_NAME_MAX_BYTES ||
        cm_arena_init(&s->arena, ARENA_BYTES) != CM_OK) {
        free(s);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    s->node = node;
    ++*cm_node_sessions(node);
    s->transaction = 'I';
    memcpy(s->role, role, strlen(role) + 1);
    cm_random_bytes(&s->number, sizeof s->number);
    s->number = (s->number & INT32_MAX) | 1;
    cm_status st = cm_session_settings_init(s, diag);
    if (st != CM_OK) {
        cm_session_free(s);
        return st;
    }
    *ret = s;
    return CM_OK;
}

static void free_named(cm_named_query *q)
{
    free(q->name);
    free(q->sql);
    free(q);
}

static void forget_named(cm_session *s)
{
    while (s->named != NULL) {
        cm_named_query *next = s->named->next;
        free_named(s->named);
        s->named = next;
    }
}

void cm_session_free(cm_session *s)
{
    if (s == NULL) {
        return;
    }
    if (s->job != NULL) {
        cm_job_abandon(s->job);
    }
    cm_work_abandon(s->work);
    cm_syscatalog_free(s->syscatalog);
    forget_named(s);
    cm_session_transaction_fini(s);
    cm_session_settings_fini(s);
    --*cm_node_sessions(s->node);
    cm_arena_fini(&s->arena);
    free(s);
}

char cm_session_transaction_state(const cm_session *s)
{
    return s->transaction;
}

/* ---- outcomes ----------------------------------------------------------------------------- */

void cm_session_done(cm_session *s, const char *tag)
{
    cm_session_sink sink = s->sink;
    CM_ASSERT(s->running && s->job == NULL && s->work == NULL);
    s->running = false;
    sink.done(sink.arg, tag);
}

void cm_session_fail(cm_session *s, const cm_diag *diag)
{
    cm_session_sink sink = s->sink;
    CM_ASSERT(s->running && s->job == NULL && s->work == NULL);
    s->running = false;
    if (s->transaction == 'T') {
        s->transaction = 'E';
    }
    sink.failed(sink.arg, diag);
}

void cm_session_end(cm_session *s, cm_status st, const char *tag, const cm_diag *diag)
{
    if (st == CM_OK) {
        cm_session_done(s, tag);
    } else {
        cm_session_fail(s, diag);
    }
}

void cm_session_notice(cm_session *s, const char *sqlstate, const char *format, ...)
{
    char text[sizeof((cm_diag *)NULL)->message];
    cm_diag diag = {0};
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cm_status st = cm_fail(&diag, CM_EINVAL, sqlstate, "%s", text);
    CM_ASSERT(st == CM_EINVAL);
    s->sink.notice(s->sink.arg, &diag);
}

static cm_result_col text_column(const char *name)
{
    return (cm_result_col){.name = name, .oid = 25, .len = -1, .mod = -1};
}

void cm_session_text_columns(cm_session *s, const char *const *name, size_t cols)
{
    cm_result_col col[8];
    CM_ASSERT(cols <= CM_COUNT(col));
    for (size_t i = 0; i < cols; i++) {
        col[i] = text_column(name[i]);
    }
    s->sink.columns(s->sink.arg, col, cols);
}

static void pass_notice(void *arg, const cm_diag *diag)
{
    const cm_session *s = arg;
    s->outer.notice(s->outer.arg, diag);
}

static void pass_setting(void *arg, const char *name, const char *value)
{
    const cm_session *s = arg;
    s->outer.setting(s->outer.arg, name, value);
}

void cm_session_divert(cm_session *s, cm_session_sink sink)
{
    s->outer = s->sink;
    s->sink = sink;
    s->sink.arg = s;
    s->sink.notice = pass_notice;
    s->sink.setting = pass_setting;
}

/* ---- rights ------------------------------------------------------------------------------- */

const char *cm_right_name(cm_right right)
{
    static const char *const names[] = {
        [CM_RIGHT_ADMINISTRATOR] = "administrator",
        [CM_RIGHT_PUBLISHER] = "publisher",
        [CM_RIGHT_ANALYST] = "analyst",
    };
    return names[right];
}

cm_status cm_session_require(cm_session *s, cm_right right, const char *what, cm_diag *diag)
{
    cm_state_role role;
    cm_status st = cm_state_role_get(cm_node_state(s->node), s->role, &s->arena, &role, NULL);
    if (st == CM_ENOTFOUND) {
        return cm_fail(diag, CM_EDENIED, "28000", "role \"%s\" does not exist any more", s->role);
    }
    if (st != CM_OK) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not read this node's roles");
    }
    bool has = right == CM_RIGHT_ADMINISTRATOR ? role.administrator
               : right == CM_RIGHT_PUBLISHER   ? role.publisher
                                               : role.analyst;
    if (has) {
        return CM_OK;
    }
    st = cm_fail(diag, CM_EDENIED, CM_SQL_DENIED, "permission denied to %s", what);
    cm_diag_detail(diag, "Role \"%s\" is no %s of this node.", s->role, cm_right_name(right));
    cm_diag_hint(diag, "An administrator can: GRANT %s TO %s;", cm_right_name(right), s->role);
    return st;
}

/* ---- PREPARE, EXECUTE --------------------------------------------------------------------- */

static cm_named_query **find_named(cm_session *s, const char *name)
{
    cm_named_query **at = &s->named;
    while (*at != NULL && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static cm_status prepare(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    size_t count = 0;
    for (const cm_named_query *q = s->named; q != NULL; q = q->next) {
        count++;
    }
    if (*find_named(s, stmt->name) != NULL) {
        return cm_fail(diag, CM_EEXISTS, "42P05", "prepared statement \"%s\" already exists",
                       stmt->name);
    }
    if (count >= CM_SESSION_PREPARED_MAX) {
        return cm_fail(diag, CM_EDENIED, CM_SQL_TOO_MANY, "too many prepared statements");
    }
    cm_named_query *q = calloc(1, sizeof *q);
    if (q != NULL) {
        q->name = strdup(stmt->name);
        q->sql = strdup(stmt->query);
        if (q->name != NULL && q->sql != NULL) {
            q->next = s->named;
            s->named = q;
            return CM_OK;
        }
        free_named(q);
    }
    return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
}

static cm_status deallocate(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    if (stmt->name == NULL) {
        forget_named(s);
        return CM_OK;
    }
    cm_named_query **at = find_named(s, stmt->name);
    cm_named_query *gone = *at;
    if (gone == NULL) {
        return cm_fail(diag, CM_ENOTFOUND, "26000", "prepared statement \"%s\" does not exist",
                       stmt->name);
    }
    *at = gone->next;
    free_named(gone);
    return CM_OK;
}

/* The statement that EXECUTE stands for. */
static cm_status find_prepared(cm_session *s, const cm_stmt *stmt, cm_arena *arena,
                               const cm_stmt **ret, cm_diag *diag)
{
    const cm_named_query *q = *find_named(s, stmt->name);
    cm_stmts stmts;
    if (q == NULL) {
        return cm_fail(diag, CM_ENOTFOUND, "26000", "prepared statement \"%s\" does not exist",
                       stmt->name);
    }
    cm_status st = cm_sql_parse(q->sql, arena, &stmts, diag);
    if (st == CM_OK) {
        CM_ASSERT(stmts.count == 1);
        *ret = stmts.stmt;
        if ((size_t)stmts.stmt->params != stmt->args) {
            st = cm_fail(diag, CM_EINVAL, CM_SQL_SYNTAX,
                         "wrong number of parameters for prepared statement \"%s\"", stmt->name);
            cm_diag_detail(diag, "Expected %d parameters but got %zu.", stmts.stmt->params,
                           stmt->args);
        }
    }
    return st;
}

cm_status cm_session_query_of(cm_session *s, const cm_stmt *stmt, const cm_stmt **ret,
                              cm_diag *diag)
{
    cm_stmts stmts = {0};
    cm_status st = cm_sql_parse(stmt->query, &s->arena, &stmts, diag);
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(stmts.count == 1);
    cm_stmt *query = CM_NEW_SMALL(&s->arena, cm_stmt, 1);
    *query = stmts.stmt[0];
    query->offset = query->query_offset = stmt->query_offset;
    *ret = query;
    return CM_OK;
}

static cm_status discard(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    if (strcmp(stmt->name, "all") != 0) {
        return CM_OK;
    }
    if (s->transaction != 'I') {
        return cm_fail(diag, CM_EINVAL, CM_SQL_IN_TRANSACTION,
                       "DISCARD ALL cannot run inside a transaction block");
    }
    forget_named(s);
    cm_cursors_close(s, 0);
    return cm_session_set(s, "all", NULL, diag);
}

/* What a failed transaction block still takes. */
static bool ends_failure(const cm_stmt *stmt)
{
    return stmt->kind == CM_STMT_COMMIT || stmt->kind == CM_STMT_ROLLBACK ||
           stmt->kind == CM_STMT_ROLLBACK_TO;
}

/* ---- execute ------------------------------------------------------------------------------ */

typedef cm_status (*change_fn)(cm_session *s, const cm_stmt *stmt, cm_diag *diag);

typedef struct ddl_rule {
    cm_stmt_kind kind;
    cm_right right;
    const char *what;
    change_fn change; /* NULL: carried out by `start` */
    void (*start)(cm_session *s, const cm_stmt *stmt);
} ddl_rule;

static const ddl_rule ddl_rules[] = {
    {CM_STMT_CREATE_SERVER, CM_RIGHT_PUBLISHER, "create servers", NULL, cm_ddl_server},
    {CM_STMT_CREATE_TABLE, CM_RIGHT_PUBLISHER, "create tables", NULL, cm_ddl_table},
    {CM_STMT_IMPORT_SCHEMA, CM_RIGHT_PUBLISHER, "import tables", NULL, cm_ddl_import},
    {CM_STMT_ANALYZE, CM_RIGHT_PUBLISHER, "analyze tables", NULL, cm_ddl_analyze},
    {CM_STMT_CREATE_ENUM, CM_RIGHT_PUBLISHER, "create types", cm_ddl_enum, NULL},
    {CM_STMT_DROP_SERVER, CM_RIGHT_PUBLISHER, "drop servers", cm_ddl_drop_server, NULL},
    {CM_STMT_DROP_TYPE, CM_RIGHT_PUBLISHER, "drop types", cm_ddl_drop_type, NULL},
    {CM_STMT_DROP_TABLE, CM_RIGHT_PUBLISHER, "drop tables", cm_ddl_drop_table, NULL},
    {CM_STMT_CREATE_VIEW, CM_RIGHT_ANALYST, "create views", cm_ddl_create_view, NULL},
    {CM_STMT_DROP_VIEW, CM_RIGHT_ANALYST, "drop views", cm_ddl_drop_view, NULL},
    {CM_STMT_CREATE_MATVIEW, CM_RIGHT_ANALYST, "create views", NULL, cm_matview_create},
    {CM_STMT_REFRESH_MATVIEW, CM_RIGHT_ANALYST, "refresh views", NULL, cm_matview_refresh},
    {CM_STMT_DROP_MATVIEW, CM_RIGHT_ANALYST, "drop views", cm_matview_drop, NULL},
    {CM_STMT_LABEL, CM_RIGHT_PUBLISHER, "label columns", cm_ddl_label, NULL},
    {CM_STMT_GRANT, CM_RIGHT_PUBLISHER, "grant rights on tables", cm_ddl_grant, NULL},
    {CM_STMT_CREATE_ROLE, CM_RIGHT_ADMINISTRATOR, "create roles", cm_role_create, NULL},
    {CM_STMT_ALTER_ROLE, CM_RIGHT_ADMINISTRATOR, "alter roles", cm_role_alter, NULL},
    {CM_STMT_DROP_ROLE, CM_RIGHT_ADMINISTRATOR, "drop roles", cm_role_drop, NULL},
    {CM_STMT_GRANT_ROLE, CM_RIGHT_ADMINISTRATOR, "grant roles", cm_role_grant, NULL},
};

/* Everybody may give themselves a new password. */
static bool is_own_password(const cm_session *s, const cm_stmt *stmt)
{
    return stmt->kind == CM_STMT_ALTER_ROLE && strcmp(stmt->name, s->role) == 0;
}

static cm_status refuse_in_transaction(const cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    if (s->transaction == 'I') {
        return CM_OK;
    }
    cm_status st = cm_fail(diag, CM_EINVAL, CM_SQL_IN_TRANSACTION,
                           "%s cannot run inside a transaction block", stmt->tag);
    cm_diag_hint(diag, "It is durable at once and could not be rolled back: run it outside of "
                       "BEGIN, with autocommit on.");
    return st;
}

/* One change of the node as a whole: done and in the audit log, or neither. */
static cm_status run_change(cm_session *s, const cm_stmt *stmt, change_fn change, cm_diag *diag)
{
    cm_status st = cm_node_change_begin(s->node, diag);
    if (st != CM_OK) {
        return st;
    }
    st = change(s, stmt, diag);
    if (st != CM_OK) {
        cm_node_change_rollback(s->node);
        return st;
    }
    return cm_node_change_commit(s->node, s->role, cm_ddl_audit_text(stmt, &s->arena), diag);
}

static void run_ddl(cm_session *s, const cm_stmt *stmt, const ddl_rule *rule)
{
    cm_diag diag = {0};
    cm_status st = refuse_in_transaction(s, stmt, &diag);
    const char *tag = stmt->tag;

    if (st == CM_OK && !is_own_password(s, stmt)) {
        st = cm_session_require(s, rule->right, rule->what, &diag);
    }
    if (st == CM_OK && rule->change == NULL) {
        rule->start(s, stmt);
        return;
    }
    if (st == CM_OK) {
        st = run_change(s, stmt, rule->change, &diag);
    }
    cm_ddl_wipe_password(stmt);
    cm_session_end(s, st, tag, &diag);
}

void cm_session_run_select(cm_session *s, const cm_stmt *stmt, const char *const *params)
{
    if (stmt->kind == CM_STMT_SYSTEM_SELECT) {
        cm_syscatalog_select(s, stmt, params);
    } else {
        cm_session_select(s, stmt, params);
    }
}

/* EXPLAIN EXECUTE name (args). */
static void explain_prepared(cm_session *s, const cm_stmt *stmt)
{
    cm_diag diag = {0};
    const cm_stmt *prepared = NULL;
    if (find_prepared(s, stmt, &s->arena, &prepared, &diag) != CM_OK) {
        cm_session_fail(s, &diag);
        return;
    }
    CM_ASSERT(prepared != NULL);
    cm_stmt *copy = CM_NEW_SMALL(&s->arena, cm_stmt, 1);
    *copy = *prepared;
    copy->explain = stmt->explain;
    cm_session_explain(s, copy, stmt->arg);
}

static void run_session_statement(cm_session *s, const cm_stmt *stmt)
{
    cm_diag diag = {0};
    cm_status st = CM_OK;
    const cm_stmt *prepared = NULL;

    switch ((int)stmt->kind) {
    case CM_STMT_SET:
        st = stmt->local ? cm_session_set_local(s, stmt->name, stmt->value, &diag)
                         : cm_session_set(s, stmt->name, stmt->value, &diag);
        break;
    case CM_STMT_PREPARE:
        st = prepare(s, stmt, &diag);
        break;
    case CM_STMT_DEALLOCATE:
        st = deallocate(s, stmt, &diag);
        break;
    case CM_STMT_DISCARD:
        st = discard(s, stmt, &diag);
        break;
    case CM_STMT_CLOSE:
        st = cm_cursor_close(s, stmt, &diag);
        break;
    case CM_STMT_SAVEPOINT:
        st = cm_session_savepoint(s, stmt, &diag);
        break;
    case CM_STMT_RELEASE:
        st = cm_session_release(s, stmt, &diag);
        break;
    case CM_STMT_ROLLBACK_TO:
        st = cm_session_rollback_to(s, stmt, &diag);
        break;
    case CM_STMT_EXECUTE:
        st = find_prepared(s, stmt, &s->arena, &prepared, &diag);
        if (st == CM_OK) {
            CM_ASSERT(prepared != NULL);
            cm_session_run_select(s, prepared, stmt->arg);
            return;
        }
        break;
    default:
        CM_ASSERT(stmt->kind == CM_STMT_EXECUTE); /* no other comes here */
    }
    cm_session_end(s, st, stmt->tag, &diag);
}

static void dispatch(cm_session *s, const cm_stmt *stmt, const char *const *params)
{
    for (size_t i = 0; i < CM_COUNT(ddl_rules); i++) {
        if (ddl_rules[i].kind == stmt->kind) {
            run_ddl(s, stmt, &ddl_rules[i]);
            return;
        }
    }
    switch ((int)stmt->kind) {
    case CM_STMT_SELECT:
    case CM_STMT_PLAIN_SELECT:
    case CM_STMT_SYSTEM_SELECT:
        cm_session_run_select(s, stmt, params);
        return;
    case CM_STMT_EXPLAIN:
        if (stmt->explain.execute) {
            explain_prepared(s, stmt);
        } else {
            cm_session_explain(s, stmt, params);
        }
        return;
    case CM_STMT_SHOW:
        cm_session_show(s, stmt);
        return;
    case CM_STMT_BEGIN:
        cm_session_begin(s, stmt);
        return;
    case CM_STMT_COMMIT:
    case CM_STMT_ROLLBACK:
        cm_session_end_transaction(s, stmt->kind == CM_STMT_COMMIT);
        return;
    case CM_STMT_DECLARE:
        cm_cursor_declare(s, stmt, params);
        return;
    case CM_STMT_FETCH:
        cm_cursor_fetch(s, stmt);
        return;
    case CM_STMT_COPY:
        cm_session_copy(s, stmt, params);
        return;
    default:
        run_session_statement(s, stmt);
    }
}

static bool may_change_catalog(cm_stmt_kind kind)
{
    return kind != CM_STMT_SYSTEM_SELECT && kind != CM_STMT_PLAIN_SELECT &&
           kind != CM_STMT_SELECT && kind != CM_STMT_SHOW && kind != CM_STMT_BEGIN &&
           kind != CM_STMT_COMMIT && kind != CM_STMT_ROLLBACK;
}

void cm_session_execute(cm_session *s, const cm_stmt *stmt, const char *const *params,
                        const uint32_t *oids, const cm_session_sink *sink)
{
    (void)oids; /* every parameter takes the type that its place asks for */
    CM_ASSERT(!s->running);
    cm_arena_reset(&s->arena);
    s->running = true;
    s->sink = *sink;
    s->rows = 0;
    s->explaining = false;
    if (s->transaction == 'I') {
        s->now = (cm_clock_unix() - UNIX_2000) * 1000000;
    }
    if (may_change_catalog(stmt->kind)) {
        cm_syscatalog_free(s->syscatalog);
        s->syscatalog = NULL;
    }
    if (s->transaction == 'E' && !ends_failure(stmt)) {
        cm_diag diag = {0};
        cm_status st = cm_fail(&diag, CM_EDEAD, CM_SQL_FAILED_TRANSACTION,
                               "current transaction is aborted, commands ignored until end of "
                               "transaction block");
        CM_ASSERT(st == CM_EDEAD);
        cm_session_fail(s, &diag);
        return;
    }
    dispatch(s, stmt, params);
}

void cm_session_cancel(cm_session *s)
{
    if (!s->running) {
        return;
    }
    if (s->job != NULL) {
        cm_job_cancel(s->job);
    } else if (s->work != NULL) {
        cm_diag diag = {0};
        cm_status st = cm_fail(&diag, CM_ECANCELLED, CM_SQL_CANCELLED,
                               "canceling statement due to user request");
        CM_ASSERT(st == CM_ECANCELLED);
        cm_work_abandon(s->work);
        s->work = NULL;
        cm_session_fail(s, &diag);
    }
}

/* ---- describe ----------------------------------------------------------------------------- */

static cm_status describe_texts(cm_arena *arena, const char *const *names, size_t cols,
                                const cm_result_col **ret_col, size_t *ret_cols)
{
    cm_result_col *col = CM_NEW_SMALL(arena, cm_result_col, cols + 1);
    for (size_t i = 0; i < cols; i++) {
        col[i] = text_column(names[i]);
    }
    *ret_col = col;
    *ret_cols = cols;
    return CM_OK;
}

static cm_status describe(cm_session *s, const cm_stmt *stmt, uint32_t *oids, cm_arena *arena,
                          const cm_result_col **ret_col, size_t *ret_cols, cm_diag *diag)
{
    static const char *const show_all[] = {"name", "setting", "description"};
    const cm_stmt *prepared = NULL;
    cm_status st;

    switch ((int)stmt->kind) {
    case CM_STMT_SELECT:
    case CM_STMT_PLAIN_SELECT:
        return cm_session_describe_select(s, stmt, oids, arena, ret_col, ret_cols, diag);
    case CM_STMT_SYSTEM_SELECT:
        return cm_syscatalog_describe(s, stmt, oids, arena, ret_col, ret_cols, diag);
    case CM_STMT_EXPLAIN: {
        st = stmt->explain.execute || stmt->explain.matview
                 ? CM_OK
                 : cm_session_describe_select(s, stmt, oids, arena, ret_col, ret_cols, diag);
        cm_result_col *col = CM_NEW_SMALL(arena, cm_result_col, 1);
        *col = cm_session_plan_column(&stmt->explain);
        *ret_col = col;
        *ret_cols = 1;
        return st;
    }
    case CM_STMT_SHOW:
        return strcmp(stmt->name, "all") == 0
                   ? describe_texts(arena, show_all, 3, ret_col, ret_cols)
                   : describe_texts(arena, &stmt->name, 1, ret_col, ret_cols);
    case CM_STMT_FETCH:
        cm_cursor_describe(s, stmt, ret_col, ret_cols);
        return CM_OK;
    case CM_STMT_EXECUTE: {
        st = find_prepared(s, stmt, arena, &prepared, diag);
        if (st != CM_OK) {
            return st;
        }
        CM_ASSERT(prepared != NULL);
        uint32_t *inner = CM_NEW_SMALL(arena, uint32_t, (size_t)prepared->params + 1);
        return describe(s, prepared, inner, arena, ret_col, ret_cols, diag);
    }
    default:
        *ret_col = NULL;
        *ret_cols = 0;
        return CM_OK;
    }
}

cm_status cm_session_describe(cm_session *s, const cm_stmt *stmt, uint32_t *oids, cm_arena *arena,
                              const cm_result_col **ret_col, size_t *ret_cols, cm_diag *diag)
{
    cm_status st = CM_OK;
    if (s->transaction == 'E' && !ends_failure(stmt)) {
        st = cm_fail(diag, CM_EDEAD, CM_SQL_FAILED_TRANSACTION,
                     "current transaction is aborted, commands ignored until end of transaction "
                     "block");
    } else {
        st = describe(s, stmt, oids, arena, ret_col, ret_cols, diag);
    }
    if (st != CM_OK && s->transaction == 'T') {
        s->transaction = 'E';
    }
    return st;
}
