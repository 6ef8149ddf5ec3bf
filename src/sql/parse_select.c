/* SELECT of libpg_query to sql/ast.h. */
#include "sql/parse_pg.h"

#include <string.h>

/* Remembers the first clause that the binder must refuse. */
static void mark_unsupported(cm_parser *p, cm_ast_select *select, bool present, int32_t location,
                             const char *what)
{
    if (present && select->unsupported == NULL) {
        select->unsupported = what;
        select->unsupported_position = cm_parser_position(p, location);
    }
}

static const char *const *parse_names(cm_parser *p, PgQuery__Node *const *nodes, size_t count)
{
    const char **names = CM_NEW_SMALL(p->arena, const char *, count + 1);

    for (size_t i = 0; i < count; i++) {
        const char *name = cm_pg_string(nodes[i]);
        names[i] = cm_arena_strdup(p->arena, name == NULL ? "" : name);
    }
    return names;
}

static void parse_alias(cm_parser *p, const PgQuery__Alias *alias, cm_ast_from *from)
{
    if (alias != NULL) {
        from->alias = cm_parser_text(p, alias->aliasname);
        from->alias_cols = alias->n_colnames;
        from->alias_col = parse_names(p, alias->colnames, alias->n_colnames);
    }
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Counts whose table it is: the system's own, a WITH query's (neither), or the federation's. */
static void count_table(cm_parser *p, const char *schema, const char *name)
{
    cm_named_relation *named = CM_NEW_SMALL(p->arena, cm_named_relation, 1);

    *named = (cm_named_relation){{schema, name}, p->named};
    p->named = named;
    if (schema != NULL
            ? strcmp(schema, "pg_catalog") == 0 || strcmp(schema, "information_schema") == 0
            : starts_with(name, "pg_")) {
        p->system_tables++;
        return;
    }
    for (const cm_with_name *w = p->with_names; schema == NULL && w != NULL; w = w->next) {
        if (strcmp(w->name, name) == 0) {
            return;
        }
    }
    p->user_tables++;
}

static cm_status parse_table(cm_parser *p, const PgQuery__RangeVar *var, cm_ast_from *from)
{
    if (var->catalogname != NULL && var->catalogname[0] != '\0') {
        return cm_parser_refuse(p, var->location, "a table of another database");
    }
    from->kind = CM_AST_FROM_TABLE;
    from->position = cm_parser_position(p, var->location);
    from->schema = cm_parser_text(p, var->schemaname);
    from->name = cm_parser_text(p, var->relname);
    if (from->name == NULL) {
        from->name = "";
    }
    parse_alias(p, var->alias, from);
    count_table(p, from->schema, from->name);
    return CM_OK;
}

static cm_status parse_subselect(cm_parser *p, const PgQuery__RangeSubselect *sub,
                                 cm_ast_from *from)
{
    parse_alias(p, sub->alias, from);
    from->kind = CM_AST_FROM_SELECT;
    cm_status st = cm_parse_select(p, sub->subquery->select_stmt, &from->select);
    if (sub->lateral) {
        from->kind = CM_AST_FROM_UNSUPPORTED;
        from->name = "LATERAL";
    }
    return st;
}

static cm_status parse_from(cm_parser *p, const PgQuery__Node *node, const cm_ast_from **ret);

static cm_status parse_join(cm_parser *p, const PgQuery__JoinExpr *join, cm_ast_from *from)
{
    from->kind = CM_AST_FROM_JOIN;
    from->join = join->jointype == PG_QUERY__JOIN_TYPE__JOIN_LEFT    ? CM_AST_LEFT
                 : join->jointype == PG_QUERY__JOIN_TYPE__JOIN_RIGHT ? CM_AST_RIGHT
                 : join->jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL  ? CM_AST_FULL
                                                                     : CM_AST_INNER;
    from->natural = join->is_natural;
    from->usings = join->n_using_clause;
    from->using_col = parse_names(p, join->using_clause, join->n_using_clause);
    cm_status st = parse_from(p, join->larg, &from->left);
    if (st == CM_OK) {
        st = parse_from(p, join->rarg, &from->right);
    }
    if (st == CM_OK && join->quals != NULL) {
        st = cm_parse_expr(p, join->quals, &from->on);
    }
    if (st != CM_OK) {
        return st;
    }
    from->position = from->right->position;
    if (join->alias != NULL || join->join_using_alias != NULL) {
        from->kind = CM_AST_FROM_UNSUPPORTED;
        from->name = "an alias of a join";
    }
    return CM_OK;
}

static cm_status dispatch_from(cm_parser *p, const PgQuery__Node *node, cm_ast_from *from)
{
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR:
        return parse_table(p, node->range_var, from);
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
        if (node->range_subselect->subquery->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
            return parse_subselect(p, node->range_subselect, from);
        }
        break;
    case PG_QUERY__NODE__NODE_JOIN_EXPR:
        return parse_join(p, node->join_expr, from);
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
        parse_alias(p, node->range_function->alias, from);
        from->name = "a function in FROM";
        p->node_values++;
        return CM_OK;
    case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE: {
        const cm_ast_from *sampled;
        cm_status st = parse_from(p, node->range_table_sample->relation, &sampled);
        from->position = cm_parser_position(p, node->range_table_sample->location);
        from->name = "TABLESAMPLE";
        return st;
    }
    default:
        break;
    }
    from->name = "this kind of table in FROM";
    return CM_OK;
}

static cm_status parse_from(cm_parser *p, const PgQuery__Node *node, const cm_ast_from **ret)
{
    cm_ast_from *from = CM_NEW_SMALL(p->arena, cm_ast_from, 1);

    from->kind = CM_AST_FROM_UNSUPPORTED;
    cm_status st = cm_parser_deeper(p);
    if (st == CM_OK) {
        st = dispatch_from(p, node, from);
        p->depth--;
    }
    *ret = from;
    return st;
}

static cm_status parse_froms(cm_parser *p, const PgQuery__SelectStmt *s, cm_ast_select *select)
{
    const cm_ast_from **froms = CM_NEW_SMALL(p->arena, const cm_ast_from *, s->n_from_clause + 1);

    for (size_t i = 0; i < s->n_from_clause; i++) {
        cm_status st = parse_from(p, s->from_clause[i], &froms[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    select->froms = s->n_from_clause;
    select->from = froms;
    return CM_OK;
}

static cm_status parse_with(cm_parser *p, const PgQuery__CommonTableExpr *cte,
                            cm_ast_select *select, cm_ast_with *with)
{
    with->name = cm_arena_strdup(p->arena, cte->ctename);
    with->cols = cte->n_aliascolnames;
    with->col = parse_names(p, cte->aliascolnames, cte->n_aliascolnames);
    with->position = cm_parser_position(p, cte->location);
    if (cte->ctequery == NULL || cte->ctequery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        mark_unsupported(p, select, true, cte->location, "a WITH query that changes data");
        return CM_OK;
    }
    mark_unsupported(p, select, cte->search_clause != NULL || cte->cycle_clause != NULL,
                     cte->location, "SEARCH or CYCLE");
    return cm_parse_select(p, cte->ctequery->select_stmt, &with->select);
}

/* Only for telling whose tables are read, so names stay until the statement ends. */
static void push_with_name(cm_parser *p, const char *name)
{
    cm_with_name *with = CM_NEW_SMALL(p->arena, cm_with_name, 1);

    with->name = cm_arena_strdup(p->arena, name);
    with->next = p->with_names;
    p->with_names = with;
}

static cm_status parse_withs(cm_parser *p, const PgQuery__WithClause *clause, cm_ast_select *select)
{
    cm_ast_with *withs = CM_NEW_SMALL(p->arena, cm_ast_with, clause->n_ctes + 1);

    mark_unsupported(p, select, clause->recursive, clause->location, "WITH RECURSIVE");
    for (size_t i = 0; clause->recursive && i < clause->n_ctes; i++) {
        push_with_name(p, clause->ctes[i]->common_table_expr->ctename);
    }
    select->withs = clause->n_ctes;
    select->with = withs;
    for (size_t i = 0; i < clause->n_ctes; i++) {
        cm_status st = parse_with(p, clause->ctes[i]->common_table_expr, select, &withs[i]);
        if (st != CM_OK) {
            return st;
        }
        push_with_name(p, clause->ctes[i]->common_table_expr->ctename);
    }
    return CM_OK;
}

static cm_status parse_targets(cm_parser *p, const PgQuery__SelectStmt *s, cm_ast_select *select)
{
    cm_ast_target *targets = CM_NEW_SMALL(p->arena, cm_ast_target, s->n_target_list + 1);

    for (size_t i = 0; i < s->n_target_list; i++) {
        const PgQuery__ResTarget *target = s->target_list[i]->res_target;
        targets[i].name = cm_parser_text(p, target->name);
        targets[i].position = cm_parser_position(p, target->location);
        cm_status st = cm_parse_expr(p, target->val, &targets[i].expr);
        if (st != CM_OK) {
            return st;
        }
    }
    select->targets = s->n_target_list;
    select->target = targets;
    return CM_OK;
}

cm_status cm_parse_orders(cm_parser *p, PgQuery__Node *const *nodes, size_t count,
                          const cm_ast_order **ret)
{
    cm_ast_order *orders = CM_NEW_SMALL(p->arena, cm_ast_order, count + 1);

    for (size_t i = 0; i < count; i++) {
        const PgQuery__SortBy *sort = nodes[i]->sort_by;
        cm_status st = cm_parse_expr(p, sort->node, &orders[i].expr);
        if (st != CM_OK) {
            return st;
        }
        orders[i].position = orders[i].expr->position;
        orders[i].descending = sort->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
        orders[i].nulls_first =
            sort->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
            (sort->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_DEFAULT &&
             orders[i].descending);
    }
    *ret = orders;
    return CM_OK;
}

static cm_status parse_orders(cm_parser *p, const PgQuery__SelectStmt *s, cm_ast_select *select)
{
    for (size_t i = 0; i < s->n_sort_clause; i++) {
        const PgQuery__SortBy *sort = s->sort_clause[i]->sort_by;
        mark_unsupported(p, select, sort->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_USING,
                         sort->location, "ORDER BY ... USING");
    }
    select->orders = s->n_sort_clause;
    return cm_parse_orders(p, s->sort_clause, s->n_sort_clause, &select->order);
}

static void mark_clauses(cm_parser *p, const PgQuery__SelectStmt *s, cm_ast_select *select)
{
    bool distinct_on = s->n_distinct_clause > 0 &&
                       s->distinct_clause[0]->node_case != PG_QUERY__NODE__NODE__NOT_SET;

    const struct {
        bool present;
        int token;
        const char *what;
    } clauses[] = {
        {s->into_clause != NULL, PG_QUERY__TOKEN__INTO, "SELECT INTO"},
        {distinct_on, PG_QUERY__TOKEN__DISTINCT, "DISTINCT ON"},
        {s->group_distinct, PG_QUERY__TOKEN__GROUP_P, "GROUP BY DISTINCT"},
        {s->n_locking_clause > 0, PG_QUERY__TOKEN__FOR, "FOR UPDATE or FOR SHARE"},
        {s->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES, PG_QUERY__TOKEN__TIES,
         "FETCH ... WITH TIES"},
    };
    for (size_t i = 0; i < CM_COUNT(clauses); i++) {
        if (clauses[i].present && select->unsupported == NULL) {
            mark_unsupported(p, select, true, cm_parser_find(p, clauses[i].token), clauses[i].what);
        }
    }
    select->distinct = s->n_distinct_clause > 0;
}

static cm_status parse_sides(cm_parser *p, const PgQuery__SelectStmt *s, cm_ast_select *select)
{
    select->set = s->op == PG_QUERY__SET_OPERATION__SETOP_UNION       ? CM_AST_UNION
                  : s->op == PG_QUERY__SET_OPERATION__SETOP_INTERSECT ? CM_AST_INTERSECT
                  : s->op == PG_QUERY__SET_OPERATION__SETOP_EXCEPT    ? CM_AST_EXCEPT
                                                                      : CM_AST_NO_SET;
    select->all = s->all;
    if (select->set == CM_AST_NO_SET) {
        return CM_OK;
    }
    cm_status st = cm_parse_select(p, s->larg, &select->left);
    return st == CM_OK ? cm_parse_select(p, s->rarg, &select->right) : st;
}

static cm_status parse_values(cm_parser *p, const PgQuery__SelectStmt *s, cm_ast_select *select)
{
    cm_ast_row *rows = CM_NEW_SMALL(p->arena, cm_ast_row, s->n_values_lists + 1);

    for (size_t i = 0; i < s->n_values_lists; i++) {
        const PgQuery__List *list = s->values_lists[i]->list;
        rows[i].cols = list->n_items;
        cm_status st = cm_parse_exprs(p, list->items, list->n_items, &rows[i].col);
        if (st != CM_OK) {
            return st;
        }
    }
    select->rows = s->n_values_lists;
    select->row = rows;
    return CM_OK;
}

/* Where errors about its columns point. */
static int position_of(const cm_ast_select *select)
{
    if (select->set != CM_AST_NO_SET) {
        return select->left->position;
    }
    if (select->rows > 0) {
        return select->row[0].cols > 0 ? select->row[0].col[0]->position : 0;
    }
    return select->targets > 0 ? select->target[0].position : 0;
}

static cm_status parse_clauses(cm_parser *p, const PgQuery__SelectStmt *s, cm_ast_select *select)
{
    cm_status st = parse_froms(p, s, select);

    if (st == CM_OK) {
        st = parse_targets(p, s, select);
    }
    if (st == CM_OK && s->where_clause != NULL) {
        st = cm_parse_expr(p, s->where_clause, &select->where);
    }
    if (st == CM_OK) {
        select->groups = s->n_group_clause;
        st = cm_parse_exprs(p, s->group_clause, s->n_group_clause, &select->group);
    }
    if (st == CM_OK && s->having_clause != NULL) {
        st = cm_parse_expr(p, s->having_clause, &select->having);
    }
    if (st == CM_OK) {
        st = parse_orders(p, s, select);
    }
    if (st == CM_OK && s->limit_count != NULL) {
        st = cm_parse_expr(p, s->limit_count, &select->limit);
    }
    if (st == CM_OK && s->limit_offset != NULL) {
        st = cm_parse_expr(p, s->limit_offset, &select->offset);
    }
    return st;
}

cm_status cm_parse_select(cm_parser *p, const PgQuery__SelectStmt *s, const cm_ast_select **ret)
{
    cm_ast_select *select = CM_NEW_SMALL(p->arena, cm_ast_select, 1);

    cm_status st = cm_parser_deeper(p);
    if (st != CM_OK) {
        return st;
    }
    const PgQuery__SelectStmt *outer = p->select;
    p->select = s;
    mark_clauses(p, s, select);
    if (s->with_clause != NULL) {
        st = parse_withs(p, s->with_clause, select);
    }
    if (st == CM_OK) {
        st = parse_sides(p, s, select);
    }
    if (st == CM_OK) {
        st = parse_values(p, s, select);
    }
    if (st == CM_OK) {
        st = parse_clauses(p, s, select);
    }
    if (st == CM_OK) {
        select->position = position_of(select);
    }
    p->select = outer;
    p->depth--;
    *ret = select;
    return st;
}
