/* GRANT and REVOKE SELECT: which organisations may query a table. */
#include "node/session_int.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The grants after the statement, sorted. */
static void change_grants(cm_session *s, const cm_stmt *stmt, cm_org_table *table)
{
    const char **list =
        CM_NEW_SMALL(&s->arena, const char *, table->grants + stmt->grant.grantees + 1);
    size_t count = 0;
    for (size_t i = 0; i < table->grants; i++) {
        const char *name = table->granted_to[i];
        if (!stmt->grant.revoke || !is_among(stmt->grant.grantee, stmt->grant.grantees, name)) {
            list[count++] = name;
        }
    }
    for (size_t i = 0; !stmt->grant.revoke && i < stmt->grant.grantees; i++) {
        if (!is_among(list, count, stmt->grant.grantee[i])) {
            list[count++] = stmt->grant.grantee[i];
        }
    }
    qsort(list, count, sizeof *list, by_name);
    table->granted_to = list;
    table->grants = count;
}

static cm_status grant_on(cm_session *s, const cm_stmt *stmt, const char *name, cm_diag *diag)
{
    cm_state_table t;
    cm_state_matview view;
    bool found = false;
    cm_status st =
        cm_state_matview_find(cm_node_state(s->node), name, &s->arena, &view, &found, diag);
    if (st == CM_OK && found) {
        change_grants(s, stmt, &view.table);
        return cm_state_matview_put(cm_node_state(s->node), &view, diag);
    }
    if (st == CM_OK) {
        st = cm_state_table_get(cm_node_state(s->node), name, &s->arena, &t, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    change_grants(s, stmt, &t.table);
    return cm_state_table_replace(cm_node_state(s->node), &t, diag);
}

static cm_status grant_on_all(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    const cm_state_table *table = NULL;
    size_t tables = 0;
    cm_status st = cm_state_table_list(cm_node_state(s->node), &s->arena, &table, &tables, diag);
    for (size_t i = 0; st == CM_OK && i < tables; i++) {
        st = grant_on(s, stmt, table[i].table.name, diag);
    }
    return st;
}

/* The organisation may join later; but a name of nobody is most often a slip. */
static void warn_of_strangers(cm_session *s, const cm_stmt *stmt)
{
    const cm_schema *schema = cm_node_schema(s->node);
    for (size_t i = 0; !stmt->grant.revoke && i < stmt->grant.grantees; i++) {
        const char *name = stmt->grant.grantee[i];
        if (strcmp(name, "public") != 0 && cm_schema_member(schema, name) == NULL) {
            cm_session_notice(s, CM_SQL_WARNING,
                              "\"%.63s\" is no member of the federation: the right counts when it "
                              "becomes one",
                              name);
        }
    }
}

cm_status cm_ddl_grant(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    cm_status st = cm_ddl_check_schema(s, stmt->schema, diag);
    for (size_t i = 0; st == CM_OK && i < stmt->grant.grantees; i++) {
        if (strlen(stmt->grant.grantee[i]) > CM_NAME_MAX_BYTES) {
            st = cm_fail(diag, CM_EINVAL, CM_SQL_BAD_NAME, "the name \"%.63s...\" is too long",
                         stmt->grant.grantee[i]);
        }
    }
    if (st == CM_OK && stmt->grant.all_tables) {
        st = grant_on_all(s, stmt, diag);
    }
    for (size_t i = 0; st == CM_OK && i < stmt->grant.tables; i++) {
        st = grant_on(s, stmt, stmt->grant.table[i], diag);
    }
    if (st == CM_OK) {
        warn_of_strangers(s, stmt);
    }
    return st;
}
