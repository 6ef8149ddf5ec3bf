/*
 * SELECT, clause by clause, in the order in which PostgreSQL looks at names: FROM, WHERE, the
 * select list, GROUP BY, HAVING, ORDER BY, LIMIT.
 *
 * GROUP BY prefers a column of FROM to an output name, ORDER BY the other way round; both take
 * ordinals.  After grouping an expression may use grouping expressions and aggregates alone; equal
 * expressions are recognised by cm_expr_equal, so what the planner finds in targets and HAVING is
 * found in query->group too.
 */
#include "sql/bind_int.h"

#include <stdlib.h>
#include <string.h>

typedef struct select_state {
    cm_scope *s;
    cm_names names;
    const cm_ast_select *select;
    cm_query *query;
    cm_target *target;
    size_t shown; /* targets of the select list, before hidden ones */
    const cm_expr **group;
} select_state;

/* Output names -------------------------------------------------------------------------------- */

static const char *name_of(const cm_ast *ast)
{
    switch (ast->kind) {
    case CM_AST_COLUMN:
        return ast->names > 0 ? ast->name[ast->names - 1] : NULL;
    case CM_AST_FUNC: {
        const char *dot = strrchr(ast->text, '.');
        return dot == NULL ? ast->text : dot + 1;
    }
    case CM_AST_CAST: {
        const char *inner = name_of(ast->arg[0]);
        return inner != NULL ? inner : ast->type.name;
    }
    case CM_AST_CASE: {
        const cm_ast *otherwise = ast->arg[ast->args - 1];
        bool column = otherwise != NULL &&
                      (otherwise->kind == CM_AST_COLUMN || otherwise->kind == CM_AST_FUNC);
        return column ? name_of(otherwise) : "case";
    }
    case CM_AST_COALESCE:
        return "coalesce";
    case CM_AST_GREATEST:
        return "greatest";
    case CM_AST_LEAST:
        return "least";
    case CM_AST_NULLIF:
        return "nullif";
    case CM_AST_NULL:
    case CM_AST_BOOL:
    case CM_AST_INTEGER:
    case CM_AST_DECIMAL:
    case CM_AST_STRING:
    case CM_AST_PARAM:
    case CM_AST_OP:
    case CM_AST_AND:
    case CM_AST_OR:
    case CM_AST_NOT:
    case CM_AST_IS_NULL:
    case CM_AST_IS_NOT_NULL:
    case CM_AST_IS_TRUE:
    case CM_AST_IS_NOT_TRUE:
    case CM_AST_IS_FALSE:
    case CM_AST_IS_NOT_FALSE:
    case CM_AST_IS_UNKNOWN:
    case CM_AST_IS_NOT_UNKNOWN:
    case CM_AST_DISTINCT:
    case CM_AST_NOT_DISTINCT:
    case CM_AST_IN:
    case CM_AST_NOT_IN:
    case CM_AST_LIKE:
    case CM_AST_NOT_LIKE:
    case CM_AST_ILIKE:
    case CM_AST_NOT_ILIKE:
    case CM_AST_BETWEEN:
    case CM_AST_NOT_BETWEEN:
    case CM_AST_BETWEEN_SYMMETRIC:
    case CM_AST_NOT_BETWEEN_SYMMETRIC:
    case CM_AST_IN_SELECT:
    case CM_AST_EXISTS:
    case CM_AST_UNSUPPORTED:
        return NULL;
    }
    return NULL;
}

/* The select list ------------------------------------------------------------------------------ */

static cm_status add_target(select_state *q, const char *name, const cm_expr *expr, bool hidden)
{
    cm_binder *b = q->s->b;

    if (q->query->targets >= CM_BIND_MAX_TARGETS) {
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_TOO_MANY_COLUMNS,
                       "target lists can have at most %d entries", CM_BIND_MAX_TARGETS);
    }
    cm_status st = cm_bind_coerce_unknown(b, expr, cm_bind_text(0), &expr);
    if (st == CM_OK && expr->type.kind == CM_TYPE_INTERVAL) {
        return cm_bind_refuse(b, expr->position, "an interval in the result");
    }
    if (st == CM_OK) {
        q->target[q->query->targets++] = (cm_target){name, expr, hidden};
    }
    return st;
}

static cm_status expand_star(select_state *q, const cm_ast *ast)
{
    cm_binder *b = q->s->b;

    if (q->names.first == q->names.last) {
        cm_bind_at(b, ast->position);
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_SYNTAX,
                       "SELECT * with no tables specified is not valid");
    }
    for (size_t i = 0; i < q->names.cols; i++) {
        const cm_expr *expr;
        cm_status st = cm_bind_room(b);
        if (st == CM_OK) {
            st = cm_bind_scope_col(q->s, &q->names.col[i], ast->position, &expr);
        }
        if (st == CM_OK) {
            st = add_target(q, q->names.col[i].name, expr, false);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status expand_relation(select_state *q, const cm_place *at, const cm_ast *ast)
{
    const char *schema = ast->names > 1 ? ast->name[ast->names - 2] : NULL;
    const char *name = ast->name[ast->names - 1];
    int r = cm_bind_find_relation(at, schema, name);

    if (r < 0) {
        return cm_bind_no_relation(at, name, ast->position);
    }
    for (size_t i = 0; i < q->s->relation[r].cols; i++) {
        const cm_scope_col col = {.rel = (unsigned)r, .index = (unsigned)i};
        const cm_expr *expr;
        cm_status st = cm_bind_room(q->s->b);
        if (st == CM_OK) {
            st = cm_bind_scope_col(q->s, &col, ast->position, &expr);
        }
        if (st == CM_OK) {
            st = add_target(q, q->s->relation[r].col[i].name, expr, false);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status bind_targets(select_state *q)
{
    const cm_place at = {.s = q->s, .names = &q->names};
    size_t most = q->select->targets + q->select->orders;

    /* Stars may expand; orders may add. */
    most = most < CM_BIND_MAX_TARGETS ? CM_BIND_MAX_TARGETS : most;
    q->target = CM_NEW_SMALL(q->s->b->arena, cm_target, most);
    for (size_t i = 0; i < q->select->targets; i++) {
        const cm_ast_target *target = &q->select->target[i];
        cm_status st;
        if (target->expr->kind == CM_AST_COLUMN && target->expr->star) {
            st = target->expr->names == 0 ? expand_star(q, target->expr)
                                          : expand_relation(q, &at, target->expr);
        } else {
            const cm_expr *expr;
            const char *name = target->name != NULL ? target->name : name_of(target->expr);
            st = cm_bind_expr(&at, target->expr, &expr);
            if (st == CM_OK) {
                st = add_target(q, name == NULL ? "?column?" : name, expr, false);
            }
        }
        if (st != CM_OK) {
            return st;
        }
    }
    q->shown = q->query->targets;
    return CM_OK;
}

/* Ordinals and output names -------------------------------------------------------------------- */

/* 1, 2, ... of GROUP BY and ORDER BY; other constants are an error.  *ret -1: no ordinal. */
static cm_status find_ordinal(select_state *q, const cm_ast *ast, const char *clause, int *ret)
{
    cm_binder *b = q->s->b;
    bool constant = ast->kind == CM_AST_DECIMAL || ast->kind == CM_AST_STRING ||
                    ast->kind == CM_AST_NULL || ast->kind == CM_AST_BOOL;

    *ret = -1;
    cm_bind_at(b, ast->position);
    if (constant) {
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_SYNTAX, "non-integer constant in %s", clause);
    }
    if (ast->kind != CM_AST_INTEGER) {
        return CM_OK;
    }
    long ordinal = strtol(ast->text, NULL, 10);
    if (ordinal < 1 || (size_t)ordinal > q->shown) {
        return cm_fail(b->diag, CM_EINVAL, "42P10", "%s position %ld is not in select list", clause,
                       ordinal);
    }
    *ret = (int)ordinal - 1;
    return CM_OK;
}

/* The shown target of that name; *ret -1: none. */
static cm_status find_output(select_state *q, const cm_ast *ast, const char *clause, int *ret)
{
    int found = -1;

    *ret = -1;
    if (ast->kind != CM_AST_COLUMN || ast->names != 1 || ast->star) {
        return CM_OK;
    }
    for (size_t i = 0; i < q->shown; i++) {
        if (strcmp(q->target[i].name, ast->name[0]) != 0) {
            continue;
        }
        if (found >= 0 && !cm_expr_equal(q->target[found].expr, q->target[i].expr)) {
            cm_bind_at(q->s->b, ast->position);
            return cm_fail(q->s->b->diag, CM_EINVAL, CM_SQL_AMBIGUOUS_COLUMN,
                           "%s \"" CM_QUOTE "\" is ambiguous", clause, ast->name[0]);
        }
        found = found < 0 ? (int)i : found;
    }
    *ret = found;
    return CM_OK;
}

/* GROUP BY ------------------------------------------------------------------------------------- */

static cm_status bind_group_item(select_state *q, const cm_ast *ast, const cm_expr **ret)
{
    const cm_place at = {.s = q->s, .names = &q->names, .clause = "GROUP BY"};
    bool bare = ast->kind == CM_AST_COLUMN && ast->names == 1 && !ast->star;
    int target;

    cm_status st = find_ordinal(q, ast, "GROUP BY", &target);
    if (st == CM_OK && target < 0 && !(bare && cm_bind_has_column(&at, ast->name[0]))) {
        st = find_output(q, ast, "GROUP BY", &target);
    }
    if (st != CM_OK) {
        return st;
    }
    if (target < 0) {
        return cm_bind_expr(&at, ast, ret);
    }
    *ret = q->target[target].expr;
    if (cm_expr_has_aggregate(*ret)) {
        cm_bind_at(q->s->b, (*ret)->position);
        return cm_fail(q->s->b->diag, CM_EINVAL, CM_SQL_GROUPING,
                       "aggregate functions are not allowed in GROUP BY");
    }
    return CM_OK;
}

static void add_group(select_state *q, const cm_expr *expr)
{
    for (size_t i = 0; i < q->query->groups; i++) {
        if (cm_expr_equal(q->group[i], expr)) {
            return;
        }
    }
    q->group[q->query->groups++] = expr;
}

static cm_status bind_groups(select_state *q)
{
    size_t most = q->select->groups > q->shown ? q->select->groups : q->shown;

    q->group = CM_NEW_SMALL(q->s->b->arena, const cm_expr *, most + 1);
    if (q->select->groups > CM_BIND_MAX_TARGETS) {
        return cm_fail(q->s->b->diag, CM_EINVAL, CM_SQL_TOO_MANY_COLUMNS,
                       "GROUP BY can have at most %d entries", CM_BIND_MAX_TARGETS);
    }
    for (size_t i = 0; i < q->select->groups; i++) {
        const cm_expr *expr;
        cm_status st = bind_group_item(q, q->select->group[i], &expr);
        if (st == CM_OK) {
            st = cm_bind_coerce_unknown(q->s->b, expr, cm_bind_text(0), &expr);
        }
        if (st != CM_OK) {
            return st;
        }
        add_group(q, expr);
    }
    q->query->group = q->group;
    return CM_OK;
}

/* Columns outside of aggregates and grouping expressions. */
static cm_status check_grouped(select_state *q, const cm_expr *expr)
{
    cm_binder *b = q->s->b;

    for (size_t i = 0; i < q->query->groups; i++) {
        if (cm_expr_equal(q->group[i], expr)) {
            return CM_OK;
        }
    }
    if (expr->op == CM_X_AGG) {
        return CM_OK;
    }
    if (expr->op == CM_X_COLUMN) {
        const cm_relation *r = &q->s->relation[expr->rel];
        cm_bind_at(b, expr->position);
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_GROUPING,
                       "column \"%s.%s\" must appear in the GROUP BY clause or be used in an "
                       "aggregate function",
                       r->alias, expr->index < r->cols ? r->col[expr->index].name : "org");
    }
    for (size_t i = 0; i < expr->args; i++) {
        cm_status st = check_grouped(q, expr->arg[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status check_grouping(select_state *q)
{
    cm_query *query = q->query;

    query->grouped = query->groups > 0 || query->having != NULL;
    for (size_t i = 0; i < query->targets && !query->grouped; i++) {
        query->grouped = cm_expr_has_aggregate(q->target[i].expr);
    }
    if (!query->grouped) {
        return CM_OK;
    }
    for (size_t i = 0; i < query->targets; i++) {
        cm_status st = check_grouped(q, q->target[i].expr);
        if (st != CM_OK) {
            return st;
        }
    }
    return query->having == NULL ? CM_OK : check_grouped(q, query->having);
}

/* ORDER BY ------------------------------------------------------------------------------------- */

static cm_status bind_order_item(select_state *q, const cm_ast_order *item, unsigned *ret)
{
    const cm_place at = {.s = q->s, .names = &q->names};
    const cm_expr *expr;
    int target;

    cm_status st = find_ordinal(q, item->expr, "ORDER BY", &target);
    if (st == CM_OK && target < 0) {
        st = find_output(q, item->expr, "ORDER BY", &target);
    }
    if (st != CM_OK) {
        return st;
    }
    if (target >= 0) {
        *ret = (unsigned)target;
        return CM_OK;
    }
    st = cm_bind_expr(&at, item->expr, &expr);
    if (st != CM_OK) {
        return st;
    }
    for (size_t i = 0; i < q->query->targets; i++) {
        if (cm_expr_equal(q->target[i].expr, expr)) {
            *ret = (unsigned)i;
            return CM_OK;
        }
    }
    if (q->select->distinct) {
        cm_bind_at(q->s->b, item->position);
        return cm_fail(q->s->b->diag, CM_EINVAL, "42P10",
                       "for SELECT DISTINCT, ORDER BY expressions must appear in select list");
    }
    *ret = (unsigned)q->query->targets;
    return add_target(q, "?column?", expr, true);
}

static cm_status bind_orders(select_state *q)
{
    cm_order *orders = CM_NEW_SMALL(q->s->b->arena, cm_order, q->select->orders + 1);

    for (size_t i = 0; i < q->select->orders; i++) {
        const cm_ast_order *item = &q->select->order[i];
        cm_status st = bind_order_item(q, item, &orders[i].target);
        if (st != CM_OK) {
            return st;
        }
        orders[i].descending = item->descending;
        orders[i].nulls_first = item->nulls_first;
    }
    q->query->orders = q->select->orders;
    q->query->order = orders;
    return CM_OK;
}

/* LIMIT, DISTINCT --------------------------------------------------------------------------------
 */

/* *ret_given false for NULL, which is LIMIT ALL. */
static cm_status bind_count(select_state *q, const cm_ast *ast, const char *clause,
                            const char *negative, bool *ret_given, uint64_t *ret)
{
    const cm_names none = {0};
    const cm_place at = {.s = q->s, .names = &none, .clause = clause};
    const cm_type int8 = cm_bind_plain(CM_TYPE_INT8);
    cm_binder *b = q->s->b;
    const cm_expr *expr;

    *ret_given = false;
    *ret = 0;
    if (ast == NULL) {
        return CM_OK;
    }
    cm_status st = cm_bind_expr(&at, ast, &expr);
    if (st == CM_OK) {
        st = cm_bind_coerce_unknown(b, expr, int8, &expr);
    }
    if (st == CM_OK && expr->type.kind == CM_TYPE_NUMERIC) {
        st = cm_bind_rescale(b, CM_X_RESCALE, expr, 0, ast->position, &expr);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_bind_at(b, ast->position);
    if (!cm_type_is_number(&expr->type)) {
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_DATATYPE_MISMATCH,
                       "argument of %s must be type bigint, not type %s", clause,
                       cm_bind_type_name(b, &expr->type));
    }
    *ret_given = true;
    if (!cm_bind_is_const(expr)) { /* a parameter, while describing */
        return expr->op == CM_X_PARAM
                   ? CM_OK
                   : cm_bind_refuse(b, ast->position, "%s that is not a constant", clause);
    }
    *ret_given = !expr->value.null;
    if (expr->value.null) {
        return CM_OK;
    }
    if (expr->value.number < 0) {
        return cm_fail(b->diag, CM_EINVAL, negative, "%s must not be negative", clause);
    }
    if (expr->value.number > INT64_MAX) {
        return cm_fail(b->diag, CM_ERANGE, CM_SQL_RANGE, "bigint out of range");
    }
    *ret = (uint64_t)expr->value.number;
    return CM_OK;
}

static cm_status bind_limit(select_state *q)
{
    bool given;

    cm_status st =
        bind_count(q, q->select->limit, "LIMIT", "2201W", &q->query->has_limit, &q->query->limit);
    return st == CM_OK
               ? bind_count(q, q->select->offset, "OFFSET", "2201X", &given, &q->query->offset)
               : st;
}

/* DISTINCT is grouping by what is shown; over groups that are all shown it says nothing new. */
static void settle_distinct(select_state *q)
{
    cm_query *query = q->query;

    query->distinct = q->select->distinct;
    if (!query->distinct) {
        return;
    }
    if (!query->grouped) {
        for (size_t i = 0; i < q->shown; i++) {
            add_group(q, q->target[i].expr);
        }
        query->group = q->group;
        query->grouped = true;
        query->distinct = false;
        return;
    }
    query->distinct = false;
    for (size_t g = 0; g < query->groups; g++) {
        bool found = false;
        for (size_t i = 0; i < q->shown; i++) {
            found = found || cm_expr_equal(q->target[i].expr, q->group[g]);
        }
        query->distinct = query->distinct || !found;
    }
}

/* The whole -------------------------------------------------------------------------------------
 */

static cm_status bind_clauses(select_state *q)
{
    const cm_place grouped = {.s = q->s, .names = &q->names};
    cm_query *query = q->query;

    cm_status st = cm_bind_from(q->s, q->select, &query->from, &q->names);
    if (st == CM_OK && q->select->where != NULL) {
        st = cm_bind_where(q->s, &q->names, q->select->where, &query->from, &query->where);
    }
    if (st == CM_OK) {
        st = bind_targets(q);
    }
    if (st == CM_OK) {
        st = bind_groups(q);
    }
    if (st == CM_OK && q->select->having != NULL) {
        st = cm_bind_condition(&grouped, "HAVING", q->select->having, &query->having);
    }
    if (st == CM_OK) {
        st = bind_orders(q);
    }
    if (st == CM_OK) {
        st = check_grouping(q);
    }
    return st == CM_OK ? bind_limit(q) : st;
}

cm_status cm_bind_select(cm_binder *b, const cm_ast_select *select, const cm_query **ret,
                         uint64_t *ret_rows)
{
    const cm_with_query *outer_withs = b->withs;

    if (select->unsupported != NULL) {
        return cm_bind_refuse(b, select->unsupported_position, "%s", select->unsupported);
    }
    cm_status st = cm_bind_room(b);
    if (st == CM_OK) {
        st = cm_bind_with(b, select);
    }
    if (st != CM_OK) {
        return st;
    }
    select_state q = {.s = CM_NEW_SMALL(b->arena, cm_scope, 1),
                      .select = select,
                      .query = CM_NEW_SMALL(b->arena, cm_query, 1)};
    q.s->b = b;
    st = bind_clauses(&q);
    b->withs = outer_withs;
    if (st != CM_OK) {
        return st;
    }
    q.query->relations = q.s->relations;
    q.query->relation = q.s->relation;
    q.query->target = q.target;
    settle_distinct(&q);
    *ret_rows = cm_bind_rows(q.s);
    if (q.query->limit > 0 && q.query->limit < *ret_rows) {
        *ret_rows = q.query->limit;
    }
    *ret = q.query;
    return CM_OK;
}

bool cm_query_origin(const cm_query *query, const cm_expr *expr, const cm_relation **ret_relation,
                     unsigned *ret_col)
{
    while (expr->op == CM_X_COLUMN) {
        const cm_relation *relation = &query->relation[expr->rel];
        if (relation->derived == NULL) {
            *ret_relation = relation;
            *ret_col = expr->index;
            return true;
        }
        /* Column i of a derived relation is its i-th shown target. */
        size_t shown = 0, i = 0;
        while (relation->derived->target[i].hidden || shown != expr->index) {
            shown += !relation->derived->target[i].hidden;
            i++;
        }
        query = relation->derived;
        expr = query->target[i].expr;
    }
    return false;
}

/* Left over from a check that passed. */
static void clear_position(cm_diag *diag)
{
    if (diag != NULL && diag->status == CM_OK) {
        diag->position = 0;
    }
}

cm_status cm_sql_bind(const cm_ast_select *select, const cm_schema *schema, const char *requester,
                      cm_type *param_types, const cm_value *param_values, int params,
                      cm_arena *arena, const cm_query **ret, cm_diag *diag)
{
    cm_binder b = {.schema = schema,
                   .requester = requester,
                   .arena = arena,
                   .diag = diag,
                   .param_types = param_types,
                   .param_values = param_values,
                   .params = params};
    const cm_query *query;
    uint64_t rows;

    cm_status st = cm_bind_select(&b, select, &query, &rows);
    for (int i = 0; i < params && st == CM_OK && param_values == NULL; i++) {
        if (param_types[i].kind == CM_TYPE_UNKNOWN) {
            clear_position(diag);
            st = cm_fail(diag, CM_EINVAL, "42P18", "could not determine data type of parameter $%d",
                         i + 1);
        }
    }
    if (st != CM_OK) {
        return st;
    }
    clear_position(diag);
    *ret = query;
    return CM_OK;
}
