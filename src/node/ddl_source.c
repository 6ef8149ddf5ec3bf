#include "node/ddl_int.h"

#include <stdlib.h>
#include <string.h>

enum { TASK_ARENA_BYTES = 512 << 20 };

cm_status cm_ddl_task_new(cm_session *s, const cm_stmt *stmt, cm_ddl_task **ret, cm_diag *diag)
{
    cm_stmts copy = {0};
    cm_ddl_task *task = calloc(1, sizeof *task);
    if (task == NULL || cm_arena_init_secret(&task->arena, TASK_ARENA_BYTES) != CM_OK) {
        free(task);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    task->session = s;
    task->offset = stmt->offset;
    task->cache_dir = cm_arena_strdup(&task->arena, cm_node_cache_dir(s->node));
    task->timeout_ms = (int)cm_node_setting(s->node, "source_timeout") * 1000;
    cm_status st = cm_sql_parse(stmt->sql, &task->arena, &copy, diag);
    if (st != CM_OK) {
        cm_ddl_task_free(task);
        return st;
    }
    CM_ASSERT(copy.count == 1); /* it was one before */
    task->stmt = copy.stmt;
    *ret = task;
    return CM_OK;
}

void cm_ddl_task_free(cm_ddl_task *task)
{
    if (task != NULL) {
        cm_arena_fini(&task->arena);
        free(task);
    }
}

cm_status cm_ddl_task_server(cm_ddl_task *task, const char *name, cm_diag *diag)
{
    cm_state_server *grown = CM_NEW_SMALL(&task->arena, cm_state_server, task->servers + 1);
    for (size_t i = 0; i < task->servers; i++) {
        if (strcmp(task->server[i].name, name) == 0) {
            return CM_OK;
        }
        grown[i] = task->server[i];
    }
    cm_status st = cm_state_server_get(cm_node_state(task->session->node), name, &task->arena,
                                       &grown[task->servers], diag);
    if (st == CM_OK) {
        task->server = grown;
        task->servers++;
    }
    return st;
}

cm_status cm_ddl_task_enums(cm_ddl_task *task, cm_diag *diag)
{
    const cm_enum *const *list = NULL;
    size_t count = 0;
    cm_status st =
        cm_state_enum_list(cm_node_state(task->session->node), &task->arena, &list, &count, diag);
    if (st == CM_OK) {
        task->enum_type = CM_NEW_SMALL(&task->arena, const cm_enum *, count + 1);
        for (size_t i = 0; i < count; i++) {
            task->enum_type[i] = list[i];
        }
        task->enums = count;
    }
    return st;
}

/* ---- running ------------------------------------------------------------------------------ */

static void run(void *arg)
{
    cm_ddl_task *task = arg;
    task->status = task->look(task, &task->diag);
}

static void drop(void *arg)
{
    cm_ddl_task_free(arg);
}

static cm_status change(cm_ddl_task *task, cm_diag *diag)
{
    cm_session *s = task->session;
    cm_status st = cm_node_change_begin(s->node, diag);
    if (st != CM_OK) {
        return st;
    }
    st = task->change(task, diag);
    if (st != CM_OK) {
        cm_node_change_rollback(s->node);
        return st;
    }
    return cm_node_change_commit(s->node, s->role, cm_ddl_audit_text(task->stmt, &task->arena),
                                 diag);
}

static void finish(cm_ddl_task *task, cm_status st)
{
    cm_session *s = task->session;
    cm_diag diag = task->diag;
    const char *tag = task->stmt->tag; /* a literal of the parser */
    if (diag.position > 0) {
        diag.position += task->offset;
    }
    cm_ddl_task_free(task);
    cm_session_end(s, st, tag, &diag);
}

static void on_ended(void *arg)
{
    cm_ddl_task *task = arg;
    cm_status st = task->status;
    task->session->work = NULL;
    if (st == CM_OK) {
        st = change(task, &task->diag);
    }
    finish(task, st);
}

void cm_ddl_task_start(cm_ddl_task *task)
{
    const cm_work_task work = {.arg = task, .run = run, .ended = on_ended, .free = drop};
    cm_session *s = task->session;
    cm_status st = cm_work_start(cm_node_loop(s->node), &work, &s->work, &task->diag);
    if (st != CM_OK) {
        s->work = NULL;
        finish(task, st);
    }
}

/* ---- on the thread ------------------------------------------------------------------------ */

cm_status cm_ddl_open(cm_ddl_task *task, const char *server, cm_source **ret, cm_diag *diag)
{
    const cm_state_server *found = NULL;
    cm_source_kind kind;
    for (size_t i = 0; i < task->servers; i++) {
        found = strcmp(task->server[i].name, server) == 0 ? &task->server[i] : found;
    }
    CM_ASSERT(found != NULL);
    cm_status st = cm_source_kind_by_name(found->wrapper, &kind, diag);
    if (st != CM_OK) {
        return st;
    }
    return cm_source_open(kind, &found->options, task->cache_dir, task->timeout_ms, ret, diag);
}

static cm_status look_table(cm_ddl_task *task, cm_source *source, cm_state_table *t, cm_diag *diag)
{
    const cm_source_table table = {&t->table, t->remote, t->remote_col};
    bool *all = CM_NEW_SMALL(&task->arena, bool, t->table.cols);
    uint64_t rows = 0;
    cm_status st = cm_source_count(source, &table, &rows, diag);
    if (st != CM_OK) {
        return st;
    }
    memset(all, true, t->table.cols);
    t->table.rows = cm_published_rows(rows);
    return cm_source_check(source, &table, all, diag);
}

cm_status cm_ddl_look_tables(cm_ddl_task *task, cm_diag *diag)
{
    cm_source *source = NULL;
    const char *open = NULL;
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < task->tables; i++) {
        cm_state_table *t = &task->table[i];
        if (open == NULL || strcmp(open, t->server) != 0) {
            cm_source_free(source);
            source = NULL;
            st = cm_ddl_open(task, t->server, &source, diag);
            open = t->server;
        }
        if (st == CM_OK) {
            st = look_table(task, source, t, diag);
        }
    }
    cm_source_free(source);
    return st;
}

static cm_status check_column_options(const cm_column_def *def, cm_diag *diag)
{
    for (size_t i = 0; i < def->options.count; i++) {
        const char *name = def->options.option[i].name;
        if (strcmp(name, "column_name") != 0 && strcmp(name, "max_bytes") != 0) {
            cm_status st = cm_fail(diag, CM_EINVAL, "HV00D", "invalid option \"%.63s\"", name);
            cm_diag_hint(diag, "Options of a column: column_name, max_bytes.");
            return st;
        }
    }
    return CM_OK;
}

cm_status cm_ddl_resolve(cm_ddl_task *task, const char *name, const char *remote,
                         const cm_column_def *def, size_t cols, cm_state_table *ret, cm_diag *diag)
{
    cm_column *col = CM_NEW_SMALL(&task->arena, cm_column, cols + 1);
    const char **remote_col = CM_NEW_SMALL(&task->arena, const char *, cols + 1);
    cm_state_table t = {
        .table = {.org = cm_arena_strdup(&task->arena, cm_node_org(task->session->node)),
                  .name = name,
                  .cols = cols,
                  .col = col},
        .server = task->stmt->foreign.server,
        .remote = remote,
        .remote_col = remote_col};
    if (cols == 0) {
        return cm_fail(diag, CM_EINVAL, "42P16", "table \"%s\" has no columns", name);
    }
    for (size_t i = 0; i < cols; i++) {
        const char *remote_name = cm_options_get(&def[i].options, "column_name");
        cm_status st = check_column_options(&def[i], diag);
        if (st == CM_OK) {
            st = cm_column_resolve(&def[i], task->enum_type, task->enums, &task->arena, &col[i],
                                   diag);
        }
        if (st != CM_OK) {
            return st;
        }
        remote_col[i] = remote_name != NULL ? remote_name : def[i].name;
    }
    *ret = t;
    return CM_OK;
}
