/*
 * Subqueries as values whose condition may name the outer query in any way: aggregates over the
 * rows that match, for each row outside.  The subquery's FROM comes into the scope, its WHERE is
 * the condition of an APPLY join, and its aggregates are the columns of the relation that the join
 * gives.  EXISTS is count(*) > 0.  IN and ANY count the rows that are equal, that are NULL, and
 * all, which decides between true, NULL and false; ALL is the opposite of ANY.
 */
#include "sql/bind_int.h"

#include <string.h>

typedef struct applying {
    const cm_place *at;
    cm_scope *s;
    cm_names inner;
    const cm_from *right;
    const cm_expr *where; /* or NULL */
    const cm_expr **agg;
    size_t aggs, room;
    unsigned rel; /* that the columns will be of */
    int position;
    cm_status status;
} applying;

static bool within(const cm_names *names, unsigned rel)
{
    return rel >= names->first && rel < names->last;
}

/* ---- FROM, WHERE and the relation ---- */

static bool is_plain(const cm_ast_select *select)
{
    return select->unsupported == NULL && select->withs == 0 && select->froms > 0 &&
           select->groups == 0 && select->having == NULL && select->limit == NULL &&
           select->offset == NULL && !select->distinct;
}

static bool is_star(const cm_ast *ast)
{
    return ast->kind == CM_AST_COLUMN && ast->star;
}

static cm_status start(applying *a, const cm_place *at, const cm_ast_select *select, int position)
{
    bool now = at->from != NULL && *at->from != NULL;
    bool late = at->late && at->from == NULL && !at->in_aggregate && at->clause == NULL;

    *a = (applying){.at = at, .s = at->s, .position = position};
    if (!now && !late) {
        return cm_bind_refuse(at->s->b, position, "a subquery as a value in this place");
    }
    if (!is_plain(select)) {
        return cm_bind_refuse(at->s->b, position, "a subquery of this form as a value");
    }
    return cm_bind_pull_up(at->s, at->names, select, &a->right, &a->inner, &a->where);
}

/* The relation's number is the next one that the scope gives. */
static cm_status column_of(applying *a, const cm_expr *agg, const cm_expr **ret)
{
    size_t i = 0;

    while (i < a->aggs && !cm_expr_equal(a->agg[i], agg)) {
        i++;
    }
    if (i == a->aggs) {
        if (a->aggs == a->room) {
            size_t room = a->room == 0 ? 8 : 2 * a->room;
            const cm_expr **more = CM_NEW_SMALL(a->s->b->arena, const cm_expr *, room);
            for (size_t k = 0; k < a->aggs; k++) {
                more[k] = a->agg[k];
            }
            a->agg = more;
            a->room = room;
        }
        a->agg[a->aggs++] = agg;
    }
    *ret = cm_expr_column(a->s->b->arena, a->rel, (unsigned)i, agg->type,
                          agg->aggregate != CM_AGGREGATE_COUNT, agg->range, agg->position);
    return CM_OK;
}

typedef struct reach {
    const cm_names *outer, *inner;
    const cm_expr *outside;
} reach;

static bool find_outside(const cm_expr *expr, void *arg)
{
    reach *r = arg;

    if (expr->op == CM_X_COLUMN && !within(r->inner, expr->rel) && !within(r->outer, expr->rel)) {
        r->outside = expr;
    }
    return r->outside == NULL;
}

static cm_relation relation_of(const applying *a)
{
    cm_relation relation = {.applies = a->aggs, .apply = a->agg, .cols = a->aggs};
    cm_column *col = CM_NEW_SMALL(a->s->b->arena, cm_column, a->aggs + 1);

    for (size_t i = 0; i < a->aggs; i++) {
        bool counts = a->agg[i]->aggregate == CM_AGGREGATE_COUNT;
        col[i] = (cm_column){.name = counts ? "count" : "value",
                             .type = a->agg[i]->type,
                             .not_null = counts,
                             .range = a->agg[i]->range};
    }
    relation.col = col;
    return relation;
}

/* Joins the relation, with the condition `on` beside the subquery's WHERE. */
static cm_status join(applying *a, const cm_expr *on)
{
    cm_binder *b = a->s->b;
    reach r = {a->at->names, &a->inner, NULL};
    const cm_from *unused;
    cm_names names = {0};
    const cm_expr *both[2] = {a->where, on};
    cm_status st = CM_OK;

    if (a->where != NULL && on != NULL) {
        st = cm_bind_op(b, CM_X_AND, cm_bind_plain(CM_TYPE_BOOL), both, 2, 0, 0, a->position, &on);
    } else if (a->where != NULL) {
        on = a->where;
    } else if (on == NULL) {
        on = cm_bind_number(b, cm_bind_plain(CM_TYPE_BOOL), 1, a->position);
    }
    if (st != CM_OK) {
        return st;
    }
    (void)cm_expr_walk(on, find_outside, &r);
    if (r.outside != NULL) {
        return cm_bind_refuse(b, r.outside->position,
                              "a subquery that refers to a table two levels out");
    }
    st = cm_bind_add_hidden(a->s, relation_of(a), 0, a->position, &unused, &names);
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(names.first == a->rel);
    if (a->at->from != NULL) {
        *a->at->from = cm_bind_apply_join(b, *a->at->from, a->right, on, a->rel, a->position);
    } else {
        a->s->is_late[a->rel] = true;
        a->s->late[a->s->lates++] =
            (cm_late_join){CM_FROM_APPLY, a->right, on, a->position, a->rel};
    }
    return CM_OK;
}

/* ---- aggregates as a value ---- */

typedef struct argument_search {
    const applying *a;
    const cm_expr *bad;
} argument_search;

static bool find_outer_argument(const cm_expr *expr, void *arg)
{
    argument_search *search = arg;

    if (expr->op == CM_X_COLUMN && !within(&search->a->inner, expr->rel)) {
        search->bad = expr;
    }
    return search->bad == NULL;
}

static cm_status check_aggregate(applying *a, const cm_expr *agg)
{
    argument_search search = {a, NULL};
    cm_binder *b = a->s->b;

    if (agg->aggregate > CM_AGGREGATE_MAX) {
        return cm_bind_refuse(b, agg->position, "this aggregate in a correlated subquery");
    }
    (void)cm_expr_walk(agg, find_outer_argument, &search);
    return search.bad == NULL ? CM_OK
                              : cm_bind_refuse(b, search.bad->position,
                                               "an aggregate over a column of the outer query");
}

static const cm_expr *take_aggregate(const cm_expr *expr, void *arg)
{
    applying *a = arg;
    const cm_expr *column = expr;

    if (a->status != CM_OK) {
        return expr;
    }
    if (expr->op == CM_X_AGG) {
        a->status = check_aggregate(a, expr);
        if (a->status == CM_OK) {
            a->status = column_of(a, expr, &column);
        }
        return column;
    }
    if (expr->op == CM_X_COLUMN && within(&a->inner, expr->rel)) {
        cm_bind_at(a->s->b, expr->position);
        a->status = cm_fail(a->s->b->diag, CM_EINVAL, CM_SQL_GROUPING,
                            "a column of the subquery must be used in an aggregate function");
        return expr;
    }
    return NULL;
}

cm_status cm_bind_apply_scalar(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    const cm_ast_select *select = ast->select;
    const cm_expr *value = NULL;
    applying a;

    if (select->targets != 1 || is_star(select->target[0].expr)) {
        cm_bind_at(at->s->b, ast->position);
        return cm_fail(at->s->b->diag, CM_EINVAL, CM_SQL_SYNTAX,
                       "subquery must return only one column");
    }
    cm_status st = start(&a, at, select, ast->position);
    const cm_place inside = {.s = at->s, .names = &a.inner};
    if (st == CM_OK) {
        st = cm_bind_expr(&inside, select->target[0].expr, &value);
    }
    if (st == CM_OK && !cm_expr_has_aggregate(value)) {
        st = cm_bind_refuse(at->s->b, ast->position,
                            "a correlated subquery as a value that is no aggregate, with this "
                            "condition");
    }
    if (st != CM_OK) {
        return st;
    }
    a.rel = at->s->relations;
    st = cm_expr_rewrite(at->s->b->arena, value, take_aggregate, &a, ret, at->s->b->diag);
    if (st == CM_OK) {
        st = a.status;
    }
    return st == CM_OK ? join(&a, NULL) : st;
}

/* ---- EXISTS, IN, ANY, ALL ---- */

static cm_status count_column(applying *a, const cm_expr *filter, const cm_expr **ret)
{
    const cm_expr *agg;

    cm_status st =
        cm_expr_agg_new(a->s->b->arena, CM_AGGREGATE_COUNT, cm_bind_plain(CM_TYPE_INT8), NULL,
                        false, filter, cm_bind_rows(a->s), a->position, &agg, a->s->b->diag);
    return st == CM_OK ? column_of(a, agg, ret) : st;
}

static cm_status is_positive(applying *a, const cm_expr *count, const cm_expr **ret)
{
    cm_binder *b = a->s->b;

    return cm_bind_op2(b, CM_X_GT, cm_bind_plain(CM_TYPE_BOOL), count,
                       cm_bind_number(b, cm_bind_plain(CM_TYPE_INT8), 0, a->position), a->position,
                       ret);
}

cm_status cm_bind_apply_exists(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    const cm_expr *count, *shown;
    applying a;

    cm_status st = start(&a, at, ast->select, ast->position);
    const cm_place inside = {.s = at->s, .names = &a.inner, .clause = "EXISTS"};
    for (size_t i = 0; i < ast->select->targets && st == CM_OK; i++) {
        const cm_ast *target = ast->select->target[i].expr;
        if (target->kind != CM_AST_COLUMN || !target->star) {
            st = cm_bind_expr(&inside, target, &shown); /* only to refuse what is wrong */
        }
    }
    if (st == CM_OK) {
        a.rel = at->s->relations;
        st = count_column(&a, NULL, &count);
    }
    if (st == CM_OK) {
        st = is_positive(&a, count, ret);
    }
    return st == CM_OK ? join(&a, NULL) : st;
}

/* One row for each of the subquery's, under the outer query's names. */
static cm_status start_any(applying *a, const cm_place *at, const cm_ast *ast,
                           const cm_expr **ret_value)
{
    const cm_ast_select *select = ast->select;
    const cm_query *query = NULL;
    uint64_t rows = 0;

    if (is_plain(select) && select->targets == 1 && !is_star(select->target[0].expr) &&
        !cm_bind_has_aggregate(select->target[0].expr)) {
        cm_status st = start(a, at, select, ast->position);
        const cm_place inside = {.s = at->s, .names = &a->inner, .clause = "IN (SELECT ...)"};
        return st == CM_OK ? cm_bind_expr(&inside, select->target[0].expr, ret_value) : st;
    }
    bool now = at->from != NULL && *at->from != NULL;
    bool late = at->late && at->from == NULL && !at->in_aggregate && at->clause == NULL;
    *a = (applying){.at = at, .s = at->s, .position = ast->position};
    if (!now && !late) {
        return cm_bind_refuse(at->s->b, ast->position, "a subquery as a value in this place");
    }
    cm_status st = cm_bind_select(at->s->b, select, &query, &rows);
    if (st != CM_OK) {
        return st;
    }
    cm_relation relation = cm_bind_derive(at->s->b, query);
    if (relation.cols != 1) {
        cm_bind_at(at->s->b, ast->position);
        return cm_fail(at->s->b->diag, CM_EINVAL, CM_SQL_SYNTAX, "subquery has too many columns");
    }
    st = cm_bind_add_hidden(at->s, relation, rows, ast->position, &a->right, &a->inner);
    return st == CM_OK ? cm_bind_scope_col(at->s, &a->inner.col[0], ast->position, ret_value) : st;
}

/* CASE WHEN some THEN true WHEN none THEN false WHEN x or a value IS NULL THEN NULL ELSE false */
static cm_status decide(applying *a, const cm_expr *some, const cm_expr *all, const cm_expr *nulls,
                        const cm_expr *x, const cm_expr **ret)
{
    cm_binder *b = a->s->b;
    const cm_type boolean = cm_bind_plain(CM_TYPE_BOOL);
    const cm_expr *truth = cm_bind_number(b, boolean, 1, a->position);
    const cm_expr *falsehood = cm_bind_number(b, boolean, 0, a->position);
    const cm_expr *unknown =
        cm_expr_const(b->arena, boolean, (cm_value){.null = true}, a->position);
    const cm_expr *any, *none, *test[2], *either;

    cm_status st = is_positive(a, all, &any);
    if (st == CM_OK) {
        st = cm_bind_op1(b, CM_X_NOT, boolean, any, a->position, &none);
    }
    if (st == CM_OK) {
        st = is_positive(a, nulls, &test[0]);
    }
    if (st == CM_OK) {
        st = cm_bind_op1(b, CM_X_IS_NULL, boolean, x, a->position, &test[1]);
    }
    if (st == CM_OK) {
        st = cm_bind_op(b, CM_X_OR, boolean, test, 2, 0, 0, a->position, &either);
    }
    if (st != CM_OK) {
        return st;
    }
    const cm_expr *parts[7] = {some, truth, none, falsehood, either, unknown, falsehood};
    return cm_bind_op(b, CM_X_CASE, boolean, parts, 7, 0, 0, a->position, ret);
}

/* How many rows there are at all, and with NULL: another join, by the subquery's own condition. */
static cm_status bind_unknown(const cm_place *at, const cm_ast *ast, const cm_expr *x,
                              const cm_expr *some, const cm_expr **ret)
{
    const cm_expr *value = NULL, *missing = NULL, *all = NULL, *nulls = NULL;
    applying a = {0};

    cm_status st = start_any(&a, at, ast, &value);
    if (st == CM_OK) {
        a.rel = at->s->relations;
        st = cm_bind_op1(at->s->b, CM_X_IS_NULL, cm_bind_plain(CM_TYPE_BOOL), value, ast->position,
                         &missing);
    }
    if (st == CM_OK) {
        st = count_column(&a, NULL, &all);
    }
    if (st == CM_OK) {
        st = count_column(&a, missing, &nulls);
    }
    if (st == CM_OK) {
        st = join(&a, NULL);
    }
    return st == CM_OK ? decide(&a, some, all, nulls, x, ret) : st;
}

static const struct {
    const char *name;
    cm_expr_op op, opposite;
} comparisons[] = {{"=", CM_X_EQ, CM_X_NE}, {"<>", CM_X_NE, CM_X_EQ}, {"!=", CM_X_NE, CM_X_EQ},
                   {"<", CM_X_LT, CM_X_GE}, {"<=", CM_X_LE, CM_X_GT}, {">", CM_X_GT, CM_X_LE},
                   {">=", CM_X_GE, CM_X_LT}};

static cm_status bind_any(const cm_place *at, const cm_ast *ast, cm_expr_op op, const char *name,
                          const cm_expr **ret)
{
    const cm_expr *x = NULL, *value = NULL, *on = NULL, *count, *some;
    applying a;

    cm_status st = cm_bind_expr(at, ast->arg[0], &x);
    if (st == CM_OK) {
        st = start_any(&a, at, ast, &value);
    }
    if (st == CM_OK) {
        st = cm_bind_compare(at->s->b, op, name, x, value, ast->position, &on);
    }
    if (st == CM_OK) {
        a.rel = at->s->relations;
        st = count_column(&a, NULL, &count);
    }
    if (st == CM_OK) {
        st = join(&a, on);
    }
    if (st == CM_OK) {
        st = is_positive(&a, count, &some);
    }
    if (st != CM_OK) {
        return st;
    }
    *ret = some;
    return on->nullable ? bind_unknown(at, ast, x, some, ret) : CM_OK;
}

cm_status cm_bind_apply_any(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    const bool all = ast->kind == CM_AST_ALL_SELECT;
    const char *name = ast->kind == CM_AST_IN_SELECT ? "=" : ast->text;
    size_t i = 0;

    while (i < CM_COUNT(comparisons) && strcmp(comparisons[i].name, name) != 0) {
        i++;
    }
    if (i == CM_COUNT(comparisons)) {
        return cm_bind_refuse(at->s->b, ast->position, "%s %s (SELECT ...)", name,
                              all ? "ALL" : "ANY");
    }
    const cm_expr *any = NULL;
    cm_status st = bind_any(at, ast, all ? comparisons[i].opposite : comparisons[i].op, name, &any);
    if (st != CM_OK || !all) {
        *ret = any;
        return st;
    }
    return cm_bind_op1(at->s->b, CM_X_NOT, cm_bind_plain(CM_TYPE_BOOL), any, ast->position, ret);
}
