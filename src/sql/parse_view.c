/* CREATE [MATERIALIZED] VIEW, REFRESH, DROP; and what makes tables of queries, which is refused. */
#include "sql/parse_pg.h"

#include <string.h>

static cm_status column_names(cm_parser *p, PgQuery__Node *const *nodes, size_t count,
                              cm_stmt *stmt)
{
    const char **names = CM_NEW_SMALL(p->arena, const char *, count + 1);

    for (size_t i = 0; i < count; i++) {
        const char *name = cm_pg_string(nodes[i]);
        names[i] = cm_arena_strdup(p->arena, name == NULL ? "" : name);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names[i], names[j]) == 0) {
                return cm_fail(p->diag, CM_EINVAL, CM_SQL_DUPLICATE_COLUMN,
                               "column \"" CM_QUOTE "\" specified more than once", names[i]);
            }
        }
    }
    stmt->view.cols = count;
    stmt->view.col = names;
    return CM_OK;
}

static cm_status set_relation(cm_parser *p, const PgQuery__RangeVar *var, cm_stmt *stmt)
{
    stmt->name = cm_arena_strdup(p->arena, var->relname);
    stmt->schema = cm_parser_text(p, var->schemaname);
    if (strcmp(var->relpersistence, "t") == 0 || strcmp(var->relpersistence, "u") == 0) {
        cm_status st = cm_parser_refuse(p, var->location, "a temporary or unlogged relation");
        cm_diag_hint(p->diag, "Use WITH in the query, or CREATE VIEW.");
        return st;
    }
    return CM_OK;
}

/* The SELECT that a view stands for; it has no parameters. */
static cm_status definition(cm_parser *p, const PgQuery__Node *query, cm_stmt *stmt)
{
    if (query == NULL || query->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        return cm_parser_refuse(p, -1, "a view of anything but SELECT");
    }
    cm_status st = cm_parse_select(p, query->select_stmt, &stmt->select);
    if (st == CM_OK && p->params > 0) {
        st = cm_fail(p->diag, CM_EINVAL, "42P02", "there is no parameter $%d", p->params);
    }
    if (st == CM_OK && p->system_tables > 0) {
        st = cm_parser_refuse(p, -1, "a view of the system's own tables");
    }
    return st;
}

static cm_status parse_view(cm_parser *p, const PgQuery__ViewStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_CREATE_VIEW;
    stmt->tag = "CREATE VIEW";
    stmt->view.replace = s->replace;
    if (s->with_check_option != PG_QUERY__VIEW_CHECK_OPTION__NO_CHECK_OPTION || s->n_options > 0) {
        return cm_parser_refuse(p, -1, "an option of a view");
    }
    cm_status st = set_relation(p, s->view, stmt);
    if (st == CM_OK) {
        st = column_names(p, s->aliases, s->n_aliases, stmt);
    }
    return st == CM_OK ? definition(p, s->query, stmt) : st;
}

static cm_status parse_matview(cm_parser *p, const PgQuery__CreateTableAsStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_CREATE_MATVIEW;
    stmt->tag = "CREATE MATERIALIZED VIEW";
    stmt->if_not_exists = s->if_not_exists;
    stmt->view.no_data = s->into->skip_data;
    if (s->into->n_options > 0 || s->into->access_method[0] != '\0' ||
        s->into->table_space_name[0] != '\0') {
        return cm_parser_refuse(p, -1, "an option of a materialized view");
    }
    cm_status st = set_relation(p, s->into->rel, stmt);
    if (st == CM_OK) {
        st = column_names(p, s->into->col_names, s->into->n_col_names, stmt);
    }
    return st == CM_OK ? definition(p, s->query, stmt) : st;
}

static cm_status parse_refresh(cm_parser *p, const PgQuery__RefreshMatViewStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_REFRESH_MATVIEW;
    stmt->tag = "REFRESH MATERIALIZED VIEW";
    stmt->view.no_data = s->skip_data; /* CONCURRENTLY is what it does anyway */
    return set_relation(p, s->relation, stmt);
}

static cm_status parse_drop_view(cm_parser *p, const PgQuery__DropStmt *s, cm_stmt *stmt)
{
    const char *schema, *name;
    bool stored = s->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW;

    stmt->kind = stored ? CM_STMT_DROP_MATVIEW : CM_STMT_DROP_VIEW;
    stmt->tag = stored ? "DROP MATERIALIZED VIEW" : "DROP VIEW";
    stmt->if_exists = s->missing_ok;
    stmt->view.cascade = s->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
    if (s->n_objects != 1 || s->objects[0]->node_case != PG_QUERY__NODE__NODE_LIST) {
        return cm_parser_refuse(p, -1, "DROP of several objects at once");
    }
    const PgQuery__List *list = s->objects[0]->list;
    if (!cm_pg_name(list->items, list->n_items, &schema, &name)) {
        return cm_parser_refuse(p, -1, "a name of this form");
    }
    stmt->name = cm_arena_strdup(p->arena, name);
    stmt->schema = cm_parser_text(p, schema);
    return CM_OK;
}

/* CREATE TABLE ... AS, SELECT INTO. */
static cm_status refuse_table_as(cm_parser *p)
{
    cm_status st = cm_parser_refuse(p, (int32_t)p->start, "CREATE TABLE AS");

    cm_diag_hint(p->diag, "CREATE VIEW names a query; rows stay with their owners.");
    return st;
}

static cm_status refuse_table(cm_parser *p, const PgQuery__CreateStmt *s)
{
    bool temporary = strcmp(s->relation->relpersistence, "t") == 0;
    cm_status st = cm_parser_refuse(p, (int32_t)p->start, "%s",
                                    temporary ? "CREATE TEMPORARY TABLE" : "CREATE TABLE");

    cm_diag_hint(p->diag, temporary ? "Use WITH in the query, or CREATE VIEW."
                                    : "CREATE FOREIGN TABLE publishes a table of a data source.");
    return st;
}

cm_status cm_parse_view(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt, bool *ret_known)
{
    *ret_known = true;
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_VIEW_STMT:
        return parse_view(p, node->view_stmt, stmt);
    case PG_QUERY__NODE__NODE_DROP_STMT:
        if (node->drop_stmt->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW ||
            node->drop_stmt->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW) {
            return parse_drop_view(p, node->drop_stmt, stmt);
        }
        break;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        if (node->create_table_as_stmt->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE) {
            return refuse_table_as(p);
        }
        if (node->create_table_as_stmt->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW) {
            return parse_matview(p, node->create_table_as_stmt, stmt);
        }
        break;
    case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT:
        return parse_refresh(p, node->refresh_mat_view_stmt, stmt);
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        return refuse_table(p, node->create_stmt);
    default:
        break;
    }
    *ret_known = false;
    return CM_OK;
}
