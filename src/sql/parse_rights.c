/* Roles of one node, and who may query its tables: GRANT, REVOKE, CREATE, ALTER and DROP ROLE. */
#include "sql/parse_pg.h"

#include <string.h>

static cm_status role_name(cm_parser *p, const PgQuery__RoleSpec *role, bool public_too,
                           const char **ret)
{
    if (role->roletype == PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_CSTRING) {
        *ret = cm_arena_strdup(p->arena, role->rolename);
        return CM_OK;
    }
    if (public_too && role->roletype == PG_QUERY__ROLE_SPEC_TYPE__ROLESPEC_PUBLIC) {
        *ret = "public";
        return CM_OK;
    }
    return cm_parser_refuse(p, role->location, "this way to name a role");
}

static cm_status role_names(cm_parser *p, PgQuery__Node *const *nodes, size_t count,
                            bool public_too, size_t *ret_count, const char *const **ret)
{
    const char **names = CM_NEW_SMALL(p->arena, const char *, count + 1);

    for (size_t i = 0; i < count; i++) {
        cm_status st = role_name(p, nodes[i]->role_spec, public_too, &names[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    *ret_count = count;
    *ret = names;
    return CM_OK;
}

/* SELECT is the only right there is; REVOKE ALL takes it away too. */
static cm_status check_privileges(cm_parser *p, const PgQuery__GrantStmt *s)
{
    if (s->n_privileges == 0 && !s->is_grant) {
        return CM_OK;
    }
    if (s->n_privileges == 1) {
        const PgQuery__AccessPriv *priv = s->privileges[0]->access_priv;
        if (priv->n_cols > 0) {
            cm_status st = cm_parser_refuse(p, -1, "a right on single columns");
            cm_diag_hint(p->diag, "Columns are opened by SECURITY LABEL.");
            return st;
        }
        if (strcmp(priv->priv_name, "select") == 0) {
            return CM_OK;
        }
    }
    return cm_parser_refuse(p, -1, "a right other than SELECT");
}

static cm_status grant_tables(cm_parser *p, const PgQuery__GrantStmt *s, cm_stmt *stmt)
{
    const char **tables = CM_NEW_SMALL(p->arena, const char *, s->n_objects + 1);

    for (size_t i = 0; i < s->n_objects; i++) {
        if (s->objects[i]->node_case != PG_QUERY__NODE__NODE_RANGE_VAR) {
            return cm_parser_refuse(p, -1, "a right on this kind of object");
        }
        const PgQuery__RangeVar *var = s->objects[i]->range_var;
        const char *schema = cm_parser_text(p, var->schemaname);
        tables[i] = cm_arena_strdup(p->arena, var->relname);
        if (i > 0 && (schema == NULL) != (stmt->schema == NULL)) {
            return cm_parser_refuse(p, var->location, "a list of tables of several schemas");
        }
        if (i > 0 && schema != NULL && strcmp(schema, stmt->schema) != 0) {
            return cm_parser_refuse(p, var->location, "a list of tables of several schemas");
        }
        stmt->schema = schema;
    }
    stmt->grant.tables = s->n_objects;
    stmt->grant.table = tables;
    return CM_OK;
}

static cm_status parse_grant(cm_parser *p, const PgQuery__GrantStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_GRANT;
    stmt->tag = s->is_grant ? "GRANT" : "REVOKE";
    stmt->grant.revoke = !s->is_grant;
    if (s->objtype != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE) {
        return cm_parser_refuse(p, -1, "a right on anything but tables");
    }
    if (s->grant_option) {
        return cm_parser_refuse(p, -1, "GRANT OPTION");
    }
    cm_status st = check_privileges(p, s);
    if (st == CM_OK) {
        st = role_names(p, s->grantees, s->n_grantees, true, &stmt->grant.grantees,
                        &stmt->grant.grantee);
    }
    if (st != CM_OK) {
        return st;
    }
    if (s->targtype == PG_QUERY__GRANT_TARGET_TYPE__ACL_TARGET_OBJECT) {
        return grant_tables(p, s, stmt);
    }
    if (s->targtype != PG_QUERY__GRANT_TARGET_TYPE__ACL_TARGET_ALL_IN_SCHEMA || s->n_objects != 1) {
        return cm_parser_refuse(p, -1, "this form of GRANT");
    }
    stmt->grant.all_tables = true;
    stmt->schema = cm_parser_text(p, cm_pg_string(s->objects[0]));
    return CM_OK;
}

static cm_status parse_grant_role(cm_parser *p, const PgQuery__GrantRoleStmt *s, cm_stmt *stmt)
{
    const char **roles = CM_NEW_SMALL(p->arena, const char *, s->n_granted_roles + 1);

    stmt->kind = CM_STMT_GRANT_ROLE;
    stmt->tag = s->is_grant ? "GRANT ROLE" : "REVOKE ROLE";
    stmt->grant.revoke = !s->is_grant;
    if (s->admin_opt) {
        return cm_parser_refuse(p, -1, "ADMIN OPTION");
    }
    for (size_t i = 0; i < s->n_granted_roles; i++) {
        const PgQuery__AccessPriv *priv = s->granted_roles[i]->access_priv;
        if (priv->n_cols > 0) {
            return cm_parser_refuse(p, -1, "a role with columns");
        }
        roles[i] = cm_arena_strdup(p->arena, priv->priv_name);
    }
    stmt->grant.roles = s->n_granted_roles;
    stmt->grant.role = roles;
    return role_names(p, s->grantee_roles, s->n_grantee_roles, false, &stmt->grant.grantees,
                      &stmt->grant.grantee);
}

/* Attributes that a node's roles do not have may be named to say that they do not. */
static cm_status role_option(cm_parser *p, const PgQuery__DefElem *def, cm_stmt *stmt)
{
    bool on = def->arg != NULL && def->arg->node_case == PG_QUERY__NODE__NODE_BOOLEAN &&
              def->arg->boolean->boolval;

    if (strcmp(def->defname, "password") == 0) {
        const char *password = cm_pg_string(def->arg);
        stmt->password = password == NULL ? NULL : cm_arena_strdup(p->arena, password);
        return CM_OK;
    }
    if (strcmp(def->defname, "addroleto") == 0 && def->arg != NULL &&
        def->arg->node_case == PG_QUERY__NODE__NODE_LIST) {
        return role_names(p, def->arg->list->items, def->arg->list->n_items, false,
                          &stmt->grant.roles, &stmt->grant.role);
    }
    if (strcmp(def->defname, "canlogin") == 0 || strcmp(def->defname, "inherit") == 0) {
        return on ? CM_OK : cm_parser_refuse(p, def->location, "NOLOGIN or NOINHERIT");
    }
    if (!on && def->arg != NULL && def->arg->node_case == PG_QUERY__NODE__NODE_BOOLEAN) {
        return CM_OK;
    }
    return cm_parser_refuse(p, def->location, "role attribute \"%s\"", def->defname);
}

static cm_status role_options(cm_parser *p, PgQuery__Node *const *options, size_t count,
                              cm_stmt *stmt)
{
    for (size_t i = 0; i < count; i++) {
        cm_status st = role_option(p, options[i]->def_elem, stmt);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status parse_create_role(cm_parser *p, const PgQuery__CreateRoleStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_CREATE_ROLE;
    stmt->tag = "CREATE ROLE";
    stmt->name = cm_arena_strdup(p->arena, s->role);
    if (s->stmt_type == PG_QUERY__ROLE_STMT_TYPE__ROLESTMT_GROUP) {
        return cm_parser_refuse(p, -1, "CREATE GROUP");
    }
    return role_options(p, s->options, s->n_options, stmt);
}

static cm_status parse_alter_role(cm_parser *p, const PgQuery__AlterRoleStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_ALTER_ROLE;
    stmt->tag = "ALTER ROLE";
    cm_status st = role_name(p, s->role, false, &stmt->name);
    return st == CM_OK ? role_options(p, s->options, s->n_options, stmt) : st;
}

static cm_status parse_drop_role(cm_parser *p, const PgQuery__DropRoleStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_DROP_ROLE;
    stmt->tag = "DROP ROLE";
    stmt->if_exists = s->missing_ok;
    if (s->n_roles != 1) {
        return cm_parser_refuse(p, -1, "DROP of several objects at once");
    }
    return role_name(p, s->roles[0]->role_spec, false, &stmt->name);
}

cm_status cm_parse_rights(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt, bool *ret_known)
{
    *ret_known = true;
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_GRANT_STMT:
        return parse_grant(p, node->grant_stmt, stmt);
    case PG_QUERY__NODE__NODE_GRANT_ROLE_STMT:
        return parse_grant_role(p, node->grant_role_stmt, stmt);
    case PG_QUERY__NODE__NODE_CREATE_ROLE_STMT:
        return parse_create_role(p, node->create_role_stmt, stmt);
    case PG_QUERY__NODE__NODE_ALTER_ROLE_STMT:
        return parse_alter_role(p, node->alter_role_stmt, stmt);
    case PG_QUERY__NODE__NODE_DROP_ROLE_STMT:
        return parse_drop_role(p, node->drop_role_stmt, stmt);
    default:
        *ret_known = false;
        return CM_OK;
    }
}
