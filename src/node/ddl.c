/* DDL that changes the state alone: types, drops, labels; and what the audit log is told. */
#include "node/session_int.h"

#include <string.h>

#include "crypto/crypto.h"

cm_status cm_ddl_check_schema(cm_session *s, const char *schema, cm_diag *diag)
{
    if (schema == NULL || strcmp(schema, "public") == 0 ||
        strcmp(schema, cm_node_org(s->node)) == 0) {
        return CM_OK;
    }
    cm_status st = cm_fail(diag, CM_EINVAL, "3F000",
                           "schema \"%.63s\" does not hold this node's tables", schema);
    cm_diag_hint(diag, "This node's tables are in schema %s; each organisation publishes its own.",
                 cm_node_org(s->node));
    return st;
}

/* ---- types -------------------------------------------------------------------------------- */

static bool is_built_in(const char *name)
{
    static const char *const names[] = {"bool", "int2",      "int4",        "int8",    "numeric",
                                        "date", "timestamp", "text",        "varchar", "bpchar",
                                        "char", "interval",  "timestamptz", "name"};
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

cm_status cm_ddl_enum(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    const cm_enum type = {stmt->name, stmt->labels, stmt->label};
    cm_status st = cm_ddl_check_schema(s, stmt->schema, diag);
    if (st == CM_OK && is_built_in(stmt->name)) {
        st = cm_fail(diag, CM_EEXISTS, CM_SQL_DUPLICATE_OBJECT, "type \"%s\" already exists",
                     stmt->name);
    }
    if (st == CM_OK && strlen(stmt->name) > CM_NAME_MAX_BYTES) {
        st = cm_fail(diag, CM_EINVAL, CM_SQL_BAD_NAME, "the name \"%.63s...\" is too long",
                     stmt->name);
    }
    return st == CM_OK ? cm_state_enum_add(cm_node_state(s->node), &type, diag) : st;
}

/* The first table of this node that uses a type, or NULL. */
static const char *user_of_type(const cm_state_table *table, size_t tables, const char *type)
{
    for (size_t i = 0; i < tables; i++) {
        for (size_t j = 0; j < table[i].table.cols; j++) {
            const cm_type *t = &table[i].table.col[j].type;
            if (t->kind == CM_TYPE_ENUM && strcmp(t->labels->name, type) == 0) {
                return table[i].table.name;
            }
        }
    }
    return NULL;
}

/* DROP ... IF EXISTS of what does not exist is a notice. */
static cm_status skip_missing(cm_session *s, const cm_stmt *stmt, const char *what, cm_status st,
                              cm_diag *diag)
{
    if (st != CM_ENOTFOUND || !stmt->if_exists) {
        return st;
    }
    cm_diag_reset(diag);
    cm_session_notice(s, "00000", "%s \"%s\" does not exist, skipping", what, stmt->name);
    return CM_OK;
}

cm_status cm_ddl_drop_type(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    const cm_state_table *table = NULL;
    size_t tables = 0;
    cm_status st = cm_state_table_list(cm_node_state(s->node), &s->arena, &table, &tables, diag);
    if (st != CM_OK) {
        return st;
    }
    const char *user = user_of_type(table, tables, stmt->name);
    if (user != NULL) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_DEPENDS,
                       "cannot drop type \"%s\" because table \"%s\" uses it", stmt->name, user);
    }
    return skip_missing(s, stmt, "type",
                        cm_state_enum_drop(cm_node_state(s->node), stmt->name, diag), diag);
}

cm_status cm_ddl_drop_server(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    return skip_missing(s, stmt, "server",
                        cm_state_server_drop(cm_node_state(s->node), stmt->name, diag), diag);
}

cm_status cm_ddl_drop_table(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_status st = cm_ddl_check_schema(s, stmt->schema, diag);
    if (st == CM_OK) {
        st = skip_missing(s, stmt, "foreign table",
                          cm_state_table_drop(cm_node_state(s->node), stmt->name, diag), diag);
    }
    return st;
}

/* ---- labels ------------------------------------------------------------------------------- */

cm_status cm_ddl_label(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_state_table t;
    cm_label label = {.kind = CM_LABEL_PRIVATE};
    bool found = false;
    cm_status st = cm_ddl_check_schema(s, stmt->schema, diag);
    if (st == CM_OK && stmt->value != NULL) {
        st = cm_label_parse(stmt->value, &label, diag);
    }
    cm_state_matview view;
    bool kept = false;
    if (st == CM_OK) {
        st = cm_state_matview_find(cm_node_state(s->node), stmt->name, &s->arena, &view, &kept,
                                   diag);
    }
    if (st == CM_OK && kept) {
        return cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "labels of a materialized view follow from what it was made from");
    }
    if (st == CM_OK) {
        st = cm_state_table_get(cm_node_state(s->node), stmt->name, &s->arena, &t, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_column *col = CM_NEW_SMALL(&s->arena, cm_column, t.table.cols);
    for (size_t i = 0; i < t.table.cols; i++) {
        col[i] = t.table.col[i];
        if (stmt->column == NULL || strcmp(stmt->column, col[i].name) == 0) {
            col[i].label = label;
            found = true;
        }
    }
    if (!found) {
        return cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_COLUMN,
                       "column \"%.63s\" of relation \"%s\" does not exist", stmt->column,
                       stmt->name);
    }
    t.table.col = col;
    return cm_state_table_replace(cm_node_state(s->node), &t, diag);
}

/* ---- what is written down ----------------------------------------------------------------- */

static void describe_server(const cm_stmt *stmt, cm_buf *out)
{
    cm_buf_printf(out, "CREATE SERVER \"%s\" FOREIGN DATA WRAPPER %s OPTIONS (", stmt->name,
                  stmt->foreign.wrapper);
    for (size_t i = 0; i < stmt->options.count; i++) {
        const cm_option *option = &stmt->options.option[i];
        cm_buf_printf(out, "%s%s ", i > 0 ? ", " : "", option->name);
        cm_buf_put_quoted(out, strcmp(option->name, "conninfo") == 0 ? "********" : option->value,
                          '\'');
    }
    cm_buf_printf(out, ")");
}

static void describe_role(const cm_stmt *stmt, cm_buf *out)
{
    cm_buf_printf(out, "%s \"%s\"%s", stmt->tag, stmt->name,
                  stmt->password != NULL ? " LOGIN PASSWORD '********'" : "");
    for (size_t i = 0; i < stmt->grant.roles; i++) {
        cm_buf_printf(out, "%s%s", i > 0 ? ", " : " IN ROLE ", stmt->grant.role[i]);
    }
}

const char *cm_ddl_audit_text(const cm_stmt *stmt, cm_arena *arena)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    if (stmt->kind == CM_STMT_CREATE_SERVER) {
        describe_server(stmt, &text);
    } else if (stmt->kind == CM_STMT_CREATE_ROLE || stmt->kind == CM_STMT_ALTER_ROLE) {
        describe_role(stmt, &text);
    } else {
        return stmt->sql;
    }
    return cm_arena_strdup(arena, cm_buf_text(&text));
}

static void wipe_text(const char *text)
{
    if (text != NULL) {
        cm_wipe((char *)(uintptr_t)text, strlen(text));
    }
}

void cm_ddl_wipe_password(const cm_stmt *stmt)
{
    if (stmt->password != NULL) {
        wipe_text(stmt->password);
        wipe_text(stmt->sql);
    }
}
