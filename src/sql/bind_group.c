/*
 * GROUP BY, what may be shown after it, and ORDER BY.
 *
 * GROUP BY prefers a column of FROM to an output name, ORDER BY the other way round; both take
 * ordinals.  After grouping an expression may use grouping expressions and aggregates alone; equal
 * expressions are recognised by cm_expr_equal, so what the planner finds in targets and HAVING is
 * found in query->group too.
 */
#include "sql/bind_int.h"

#include <stdlib.h>
#include <string.h>

/* Ordinals and output names -------------------------------------------------------------------- */

/* 1, 2, ... of GROUP BY and ORDER BY; other constants are an error.  *ret -1: no ordinal. */
static cm_status find_ordinal(cm_select_state *q, const cm_ast *ast, const char *clause, int *ret)
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
static cm_status find_output(cm_select_state *q, const cm_ast *ast, const char *clause, int *ret)
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

static cm_status bind_group_item(cm_select_state *q, const cm_ast *ast, const cm_expr **ret)
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
    if (cm_bind_has_window(*ret)) {
        cm_bind_at(q->s->b, (*ret)->position);
        return cm_fail(q->s->b->diag, CM_EINVAL, "42P20",
                       "window functions are not allowed in GROUP BY");
    }
    if (cm_expr_has_aggregate(*ret)) {
        cm_bind_at(q->s->b, (*ret)->position);
        return cm_fail(q->s->b->diag, CM_EINVAL, CM_SQL_GROUPING,
                       "aggregate functions are not allowed in GROUP BY");
    }
    return CM_OK;
}

void cm_bind_add_group(cm_select_state *q, const cm_expr *expr)
{
    for (size_t i = 0; i < q->query->groups; i++) {
        if (cm_expr_equal(q->group[i], expr)) {
            return;
        }
    }
    q->group[q->query->groups++] = expr;
}

cm_status cm_bind_groups(cm_select_state *q)
{
    size_t most = (q->select->groups > q->shown ? q->select->groups : q->shown) + q->keys;

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
        if (cm_bind_names_late(q->s, expr)) {
            return cm_bind_refuse(q->s->b, q->select->group[i]->position,
                                  "GROUP BY the value of a subquery");
        }
        cm_bind_add_group(q, expr);
    }
    q->query->group = q->group;
    return CM_OK;
}

/* Columns outside of aggregates and grouping expressions. */
static cm_status check_grouped(cm_select_state *q, const cm_expr *expr)
{
    cm_binder *b = q->s->b;

    for (size_t i = 0; i < q->query->groups; i++) {
        if (cm_expr_equal(q->group[i], expr)) {
            return CM_OK;
        }
    }
    if (expr->op == CM_X_AGG || (expr->op == CM_X_COLUMN && expr->rel == CM_BIND_WINDOWS)) {
        return CM_OK; /* a window function's own parts are looked at beside */
    }
    if (expr->op == CM_X_COLUMN && q->s->is_late[expr->rel]) {
        return CM_OK; /* joined above the groups */
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

/* Calls fn for everything that a window function reads, until it returns false. */
static bool each_part(const cm_bound_window *w, bool (*fn)(const cm_expr *, void *), void *arg)
{
    bool more = w->arg == NULL || fn(w->arg, arg);

    for (size_t i = 0; more && i < w->parts; i++) {
        more = fn(w->part[i], arg);
    }
    for (size_t i = 0; more && i < w->orders; i++) {
        more = fn(w->order[i], arg);
    }
    return more;
}

static bool no_aggregate(const cm_expr *expr, void *arg)
{
    (void)arg;
    return !cm_expr_has_aggregate(expr);
}

typedef struct part_check {
    cm_select_state *q;
    cm_status status;
} part_check;

static bool check_part(const cm_expr *expr, void *arg)
{
    part_check *c = arg;

    c->status = check_grouped(c->q, expr);
    return c->status == CM_OK;
}

static bool is_grouped(const cm_select_state *q)
{
    bool grouped = q->query->groups > 0 || q->query->having != NULL;

    for (size_t i = 0; i < q->query->targets && !grouped; i++) {
        grouped = cm_expr_has_aggregate(q->target[i].expr);
    }
    for (size_t i = 0; i < q->windows.count && !grouped; i++) {
        grouped = !each_part(&q->windows.at[i], no_aggregate, NULL);
    }
    return grouped;
}

cm_status cm_bind_check_grouping(cm_select_state *q)
{
    cm_query *query = q->query;
    part_check parts = {q, CM_OK};

    query->grouped = is_grouped(q);
    if (!query->grouped) {
        return CM_OK;
    }
    for (size_t i = 0; i < query->targets; i++) {
        cm_status st = check_grouped(q, q->target[i].expr);
        if (st != CM_OK) {
            return st;
        }
    }
    for (size_t i = 0; i < q->windows.count; i++) {
        if (!each_part(&q->windows.at[i], check_part, &parts)) {
            return parts.status;
        }
    }
    for (size_t i = 0; i < q->s->lates; i++) {
        cm_status st = q->s->late[i].on == NULL ? CM_OK : check_grouped(q, q->s->late[i].on);
        if (st != CM_OK) {
            return st;
        }
    }
    return query->having == NULL ? CM_OK : check_grouped(q, query->having);
}

/* ORDER BY ------------------------------------------------------------------------------------- */

static cm_status bind_order_item(cm_select_state *q, const cm_ast_order *item, unsigned *ret)
{
    const cm_place at = {.s = q->s, .names = &q->names, .windows = &q->windows, .late = true};
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
    return cm_bind_add_target(q, "?column?", expr, true);
}

cm_status cm_bind_orders(cm_select_state *q)
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
