/* CREATE SERVER, CREATE FOREIGN TABLE, ANALYZE: what one look at a source is enough for. */
#include "node/ddl_int.h"

#include <string.h>

/* Ends the statement with a notice when IF NOT EXISTS was said. */
static bool skip_existing(cm_session *s, const cm_stmt *stmt, bool exists, const char *sqlstate,
                          const char *what)
{
    if (!exists || !stmt->if_not_exists) {
        return false;
    }
    cm_session_notice(s, sqlstate, "%s \"%s\" already exists, skipping", what, stmt->name);
    cm_session_done(s, stmt->tag);
    return true;
}

/* Starts a task that was set up, or ends the statement. */
static void start_or_fail(cm_session *s, cm_ddl_task *task, cm_status st, cm_diag *diag)
{
    if (st == CM_OK) {
        cm_ddl_task_start(task);
        return;
    }
    if (task != NULL && diag->position > 0) {
        diag->position += task->offset;
    }
    cm_ddl_task_free(task);
    cm_session_fail(s, diag);
}

/* ---- CREATE SERVER ------------------------------------------------------------------------ */

static cm_status look_server(cm_ddl_task *task, cm_diag *diag)
{
    cm_source *source = NULL;
    cm_status st = cm_ddl_open(task, task->stmt->name, &source, diag);
    cm_source_free(source);
    return st;
}

static cm_status add_server(cm_ddl_task *task, cm_diag *diag)
{
    return cm_state_server_add(cm_node_state(task->session->node), &task->server[0], diag);
}

static cm_status check_name(const char *name, cm_diag *diag)
{
    return strlen(name) <= CM_NAME_MAX_BYTES ? CM_OK
                                             : cm_fail(diag, CM_EINVAL, CM_SQL_BAD_NAME,
                                                       "the name \"%.63s...\" is too long", name);
}

static cm_status set_up_server(cm_ddl_task *task, cm_diag *diag)
{
    CM_ASSERT(task != NULL);
    const cm_stmt *stmt = task->stmt;
    cm_source_kind kind;
    cm_state_server *server = CM_NEW_SMALL(&task->arena, cm_state_server, 1);
    cm_status st = check_name(stmt->name, diag);
    if (st == CM_OK) {
        st = cm_source_kind_by_name(stmt->foreign.wrapper, &kind, diag);
    }
    if (st == CM_OK) {
        st = cm_source_check_options(kind, &stmt->options, diag);
    }
    *server = (cm_state_server){stmt->name, stmt->foreign.wrapper, stmt->options};
    task->server = server;
    task->servers = 1;
    task->look = look_server;
    task->change = add_server;
    return st;
}

void cm_ddl_server(cm_session *s, const cm_stmt *stmt)
{
    cm_diag diag = {0};
    cm_ddl_task *task = NULL;
    cm_state_server found;
    cm_status st = cm_state_server_get(cm_node_state(s->node), stmt->name, &s->arena, &found, NULL);
    if (skip_existing(s, stmt, st == CM_OK, CM_SQL_DUPLICATE_OBJECT, "server")) {
        return;
    }
    if (st == CM_OK) {
        st = cm_fail(&diag, CM_EEXISTS, CM_SQL_DUPLICATE_OBJECT, "server \"%s\" already exists",
                     stmt->name);
    } else {
        st = cm_ddl_task_new(s, stmt, &task, &diag);
    }
    if (st == CM_OK) {
        st = set_up_server(task, &diag);
    }
    start_or_fail(s, task, st, &diag);
}

/* ---- CREATE FOREIGN TABLE ----------------------------------------------------------------- */

static cm_status add_tables(cm_ddl_task *task, cm_diag *diag)
{
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < task->tables; i++) {
        st = cm_state_table_add(cm_node_state(task->session->node), &task->table[i], diag);
    }
    return st;
}

/* join_sizes 'disclosed' */
static cm_status join_sizes_of(const cm_option *option, bool *ret, cm_diag *diag)
{
    *ret = strcmp(option->value, "disclosed") == 0;
    if (!*ret && strcmp(option->value, "hidden") != 0) {
        cm_status st = cm_fail(diag, CM_EINVAL, "22023",
                               "invalid value for option \"join_sizes\": \"%.63s\"", option->value);
        cm_diag_hint(diag, "hidden, or disclosed: computing parties may learn, rounded up to two "
                           "significant bits, how many rows a join of the table has.");
        return st;
    }
    return CM_OK;
}

static cm_status read_options(const cm_stmt *stmt, const char **ret, bool *ret_join_sizes,
                              cm_diag *diag)
{
    *ret = stmt->name;
    *ret_join_sizes = false;
    for (size_t i = 0; i < stmt->options.count; i++) {
        const cm_option *option = &stmt->options.option[i];
        if (strcmp(option->name, "join_sizes") == 0) {
            cm_status st = join_sizes_of(option, ret_join_sizes, diag);
            if (st != CM_OK) {
                return st;
            }
            continue;
        }
        if (strcmp(option->name, "table") != 0 && strcmp(option->name, "file") != 0) {
            cm_status st =
                cm_fail(diag, CM_EINVAL, "HV00D", "invalid option \"%.63s\"", option->name);
            cm_diag_hint(
                diag, "Options of a table: table (where the rows are at the source), join_sizes.");
            return st;
        }
        *ret = option->value;
    }
    return CM_OK;
}

static cm_status set_up_table(cm_ddl_task *task, cm_diag *diag)
{
    CM_ASSERT(task != NULL);
    const cm_stmt *stmt = task->stmt;
    const char *remote = NULL;
    task->table = CM_NEW_SMALL(&task->arena, cm_state_table, 1);
    task->tables = 1;
    task->look = cm_ddl_look_tables;
    task->change = add_tables;
    cm_status st = check_name(stmt->name, diag);
    if (st == CM_OK) {
        st = cm_ddl_check_schema(task->session, stmt->schema, diag);
    }
    if (st == CM_OK) {
        st = cm_ddl_task_server(task, stmt->foreign.server, diag);
    }
    if (st == CM_OK) {
        st = cm_ddl_task_enums(task, diag);
    }
    bool join_sizes = false;
    if (st == CM_OK) {
        st = read_options(stmt, &remote, &join_sizes, diag);
    }
    if (st == CM_OK) {
        st = cm_ddl_resolve(task, stmt->name, remote, stmt->columndef, stmt->columns, task->table,
                            diag);
    }
    task->table->table.join_sizes = join_sizes;
    task->table->table.keys = stmt->keys;
    task->table->table.key = stmt->key;
    return st;
}

void cm_ddl_table(cm_session *s, const cm_stmt *stmt)
{
    cm_diag diag = {0};
    cm_ddl_task *task = NULL;
    cm_state_table found;
    cm_status st = cm_state_table_get(cm_node_state(s->node), stmt->name, &s->arena, &found, NULL);
    if (skip_existing(s, stmt, st == CM_OK, "42P07", "relation")) {
        return;
    }
    if (st == CM_OK) {
        st = cm_fail(&diag, CM_EEXISTS, "42P07", "relation \"%s\" already exists", stmt->name);
    } else {
        st = cm_ddl_task_new(s, stmt, &task, &diag);
    }
    if (st == CM_OK) {
        st = set_up_table(task, &diag);
    }
    start_or_fail(s, task, st, &diag);
}

/* ---- ANALYZE ------------------------------------------------------------------------------ */

/* Labels and grants may have changed while the source was looked at: only the bound is new. */
static cm_status update_rows(cm_ddl_task *task, cm_diag *diag)
{
    cm_state *state = cm_node_state(task->session->node);
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < task->tables; i++) {
        cm_state_table now;
        st = cm_state_table_get(state, task->table[i].table.name, &task->arena, &now, diag);
        if (st == CM_OK) {
            now.table.rows = task->table[i].table.rows;
            st = cm_state_table_replace(state, &now, diag);
        }
    }
    return st;
}

static cm_status tables_to_analyze(cm_ddl_task *task, cm_diag *diag)
{
    cm_state *state = cm_node_state(task->session->node);
    const cm_state_table *list = NULL;
    cm_status st = cm_ddl_check_schema(task->session, task->stmt->schema, diag);
    if (st != CM_OK) {
        return st;
    }
    if (task->stmt->name != NULL) {
        task->table = CM_NEW_SMALL(&task->arena, cm_state_table, 1);
        task->tables = 1;
        return cm_state_table_get(state, task->stmt->name, &task->arena, task->table, diag);
    }
    st = cm_state_table_list(state, &task->arena, &list, &task->tables, diag);
    if (st == CM_OK) {
        task->table = CM_NEW_SMALL(&task->arena, cm_state_table, task->tables + 1);
        for (size_t i = 0; i < task->tables; i++) {
            task->table[i] = list[i];
        }
    }
    return st;
}

void cm_ddl_analyze(cm_session *s, const cm_stmt *stmt)
{
    cm_diag diag = {0};
    cm_ddl_task *task = NULL;
    cm_status st = cm_ddl_task_new(s, stmt, &task, &diag);
    if (st == CM_OK) {
        task->look = cm_ddl_look_tables;
        task->change = update_rows;
        st = tables_to_analyze(task, &diag);
    }
    for (size_t i = 0; st == CM_OK && i < task->tables; i++) {
        st = cm_ddl_task_server(task, task->table[i].server, &diag);
    }
    start_or_fail(s, task, st, &diag);
}
