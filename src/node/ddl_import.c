/* IMPORT FOREIGN SCHEMA: the source says what it has, each table is declared, counted and checked.
 */
#include "node/ddl_int.h"

#include <string.h>

static bool is_listed(const cm_stmt *stmt, const char *name)
{
    for (size_t i = 0; i < stmt->foreign.names; i++) {
        if (strcmp(stmt->foreign.name[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const cm_stmt *stmt, const char *name)
{
    return stmt->foreign.limit_to ? is_listed(stmt, name)
           : stmt->foreign.except ? !is_listed(stmt, name)
                                  : true;
}

/* A person who knows more labels than the rows show declares the type first. */
static bool covers(const cm_enum *have, const cm_imported_enum *want)
{
    for (size_t i = 0; i < want->labels; i++) {
        bool found = false;
        for (size_t j = 0; j < have->count; j++) {
            found = found || strcmp(have->labels[j], want->label[i]) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* Makes the type, unless the node has one of that name with all these labels. */
static cm_status take_enum(cm_ddl_task *task, const cm_imported_enum *made, cm_diag *diag)
{
    for (size_t i = 0; i < task->enums; i++) {
        const cm_enum *have = task->enum_type[i];
        if (strcmp(have->name, made->name) == 0) {
            if (covers(have, made)) {
                return CM_OK;
            }
            cm_status st =
                cm_fail(diag, CM_EEXISTS, CM_SQL_DUPLICATE_OBJECT,
                        "type \"%s\" exists and lacks a label of the imported column", made->name);
            cm_diag_hint(diag, "Drop it, or create it with every label before importing.");
            return st;
        }
    }
    cm_enum *type = CM_NEW_SMALL(&task->arena, cm_enum, 1);
    *type = (cm_enum){made->name, made->labels, made->label};
    const cm_enum **grown = CM_NEW_SMALL(&task->arena, const cm_enum *, task->enums + 1);
    memcpy(grown, task->enum_type, task->enums * sizeof *grown);
    grown[task->enums++] = type;
    task->enum_type = grown;
    task->new_enums++;
    return CM_OK;
}

static cm_status declare(cm_ddl_task *task, const cm_imported_table *from, cm_diag *diag)
{
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < from->enums; i++) {
        st = take_enum(task, &from->enums_made[i], diag);
    }
    if (st == CM_OK) {
        st = cm_ddl_resolve(task, from->name, from->remote, from->col, from->cols,
                            &task->table[task->tables], diag);
        task->tables += st == CM_OK;
    }
    return st;
}

/* LIMIT TO names that the source does not have are an error, as in PostgreSQL's wrappers they are
 * silently nothing: here a table that was meant to be published would be missing. */
static cm_status check_limit(const cm_stmt *stmt, const cm_imported_table *found, size_t count,
                             cm_diag *diag)
{
    for (size_t i = 0; stmt->foreign.limit_to && i < stmt->foreign.names; i++) {
        bool there = false;
        for (size_t j = 0; j < count; j++) {
            there = there || strcmp(found[j].name, stmt->foreign.name[i]) == 0;
        }
        if (!there) {
            return cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_TABLE,
                           "the source has no table \"%.63s\"", stmt->foreign.name[i]);
        }
    }
    return CM_OK;
}

static cm_status look_schema(cm_ddl_task *task, cm_diag *diag)
{
    const cm_imported_table *found = NULL;
    size_t count = 0;
    cm_source *source = NULL;
    cm_status st = cm_ddl_open(task, task->stmt->foreign.server, &source, diag);
    if (st == CM_OK) {
        st = cm_source_import(source, task->stmt->foreign.remote_schema, &task->arena, &found,
                              &count, diag);
    }
    cm_source_free(source);
    if (st == CM_OK) {
        st = check_limit(task->stmt, found, count, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    task->table = CM_NEW_SMALL(&task->arena, cm_state_table, count + 1);
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        if (is_wanted(task->stmt, found[i].name)) {
            st = declare(task, &found[i], diag);
        }
    }
    return st == CM_OK ? cm_ddl_look_tables(task, diag) : st;
}

static cm_status add_all(cm_ddl_task *task, cm_diag *diag)
{
    cm_state *state = cm_node_state(task->session->node);
    cm_status st = CM_OK;
    for (size_t i = task->enums - task->new_enums; st == CM_OK && i < task->enums; i++) {
        st = cm_state_enum_add(state, task->enum_type[i], diag);
    }
    for (size_t i = 0; st == CM_OK && i < task->tables; i++) {
        st = cm_state_table_add(state, &task->table[i], diag);
    }
    if (st == CM_OK) {
        cm_session_notice(task->session, "00000",
                          "%zu tables imported: label their columns, then "
                          "GRANT SELECT to who may query them",
                          task->tables);
    }
    return st;
}

static cm_status set_up(cm_ddl_task *task, cm_diag *diag)
{
    const cm_stmt *stmt = task->stmt;
    cm_status st = cm_ddl_check_schema(task->session, stmt->foreign.local_schema, diag);
    if (st == CM_OK && stmt->options.count > 0) {
        st = cm_fail(diag, CM_EINVAL, "HV00D", "invalid option \"%.63s\"",
                     stmt->options.option[0].name);
    }
    if (st == CM_OK) {
        st = cm_ddl_task_server(task, stmt->foreign.server, diag);
    }
    if (st == CM_OK) {
        st = cm_ddl_task_enums(task, diag);
    }
    return st;
}

void cm_ddl_import(cm_session *s, const cm_stmt *stmt)
{
    cm_diag diag = {0};
    cm_ddl_task *task = NULL;
    cm_status st = cm_ddl_task_new(s, stmt, &task, &diag);
    if (st == CM_OK) {
        st = set_up(task, &diag);
    }
    if (st != CM_OK) {
        cm_ddl_task_free(task);
        cm_session_fail(s, &diag);
        return;
    }
    task->look = look_schema;
    task->change = add_all;
    cm_ddl_task_start(task);
}
