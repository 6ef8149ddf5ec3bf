/*
 * (SELECT ...) as a value is a join.  One that gives one row always, an aggregate over everything,
 * is a cross join; every other a left join, which the planner takes only when at most one row can
 * match.  Equalities between its columns and the outer query's, in its WHERE, become the left
 * join's condition; its aggregates are then grouped by its own side of them, and where no group
 * matches the value is that of the aggregates over no rows.
 *
 * In WHERE the join is below WHERE's conditions.  In SELECT, HAVING and ORDER BY it waits: the
 * groups of a grouped query become a derived relation, and the join is above.
 */
#include "sql/bind_int.h"

#include <string.h>

/* ---- columns of the outer query ---- */

cm_status cm_bind_outer_column(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_scope *s = at->s;
    const cm_expr *outer = NULL;

    if (at->clause == NULL || strcmp(at->clause, "WHERE") != 0) {
        return cm_bind_refuse(s->b, ast->position,
                              "a column of the outer query anywhere but in WHERE of a subquery");
    }
    if (s->outers == CM_BIND_MAX_OUTERS) {
        return cm_bind_refuse(s->b, ast->position,
                              "a subquery that names more than 32 columns of the outer query");
    }
    const cm_place place = {.s = s->outer->s, .names = s->outer->names};
    cm_status st = cm_bind_column(&place, ast, &outer);
    if (st != CM_OK) {
        return st;
    }
    unsigned rel = CM_BIND_OUTER + (unsigned)s->outers;
    s->outer_column[s->outers++] = outer;
    *ret = cm_expr_column(s->b->arena, rel, 0, outer->type, outer->nullable, outer->range,
                          ast->position);
    return CM_OK;
}

typedef struct column_kinds {
    bool own, outer;
} column_kinds;

static bool see_column(const cm_expr *expr, void *arg)
{
    column_kinds *kinds = arg;

    if (expr->op == CM_X_COLUMN) {
        bool outer = expr->rel >= CM_BIND_OUTER;
        kinds->outer = kinds->outer || outer;
        kinds->own = kinds->own || !outer;
    }
    return true;
}

static column_kinds kinds_of(const cm_expr *expr)
{
    column_kinds kinds = {false, false};

    (void)cm_expr_walk(expr, see_column, &kinds);
    return kinds;
}

/* Casts of text change nothing that equality sees. */
static const cm_expr *strip_text(const cm_expr *expr)
{
    while (expr->op == CM_X_CAST && expr->type.kind == CM_TYPE_TEXT &&
           expr->arg[0]->type.kind == CM_TYPE_TEXT) {
        expr = expr->arg[0];
    }
    return expr;
}

static void take_equality(cm_select_state *q, const cm_expr *expr)
{
    if (expr->op == CM_X_EQ && q->keys < CM_BIND_MAX_OUTERS) {
        for (size_t side = 0; side < 2; side++) {
            column_kinds own = kinds_of(expr->arg[side]), other = kinds_of(expr->arg[1 - side]);
            if (own.own && !own.outer && other.outer && !other.own) {
                q->key[q->keys] = strip_text(expr->arg[side]);
                q->outer_key[q->keys++] = strip_text(expr->arg[1 - side]);
                return;
            }
        }
    }
    q->needs_apply = true;
}

cm_status cm_bind_take_correlation(cm_select_state *q)
{
    cm_binder *b = q->s->b;
    const cm_expr *where = q->query->where;

    if (q->s->outers == 0 || where == NULL) {
        return CM_OK;
    }
    const bool several = where->op == CM_X_AND;
    const size_t count = several ? where->args : 1;
    const cm_expr **rest = CM_NEW_SMALL(b->arena, const cm_expr *, count + 1);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const cm_expr *part = several ? where->arg[i] : where;
        if (!kinds_of(part).outer) {
            rest[kept++] = part;
            continue;
        }
        take_equality(q, part);
    }
    q->query->where = kept > 0 ? rest[0] : NULL;
    return kept < 2 ? CM_OK
                    : cm_bind_op(b, CM_X_AND, cm_bind_plain(CM_TYPE_BOOL), rest, kept, 0, 0,
                                 where->position, &q->query->where);
}

cm_status cm_bind_group_by_correlation(cm_select_state *q)
{
    const cm_ast_select *select = q->select;
    cm_status st = CM_OK;

    if (q->keys == 0) {
        return CM_OK;
    }
    if (q->query->groups > 0 || q->query->having != NULL || select->distinct ||
        select->limit != NULL || select->offset != NULL || select->orders > 0) {
        return cm_bind_refuse(q->s->b, q->key[0]->position,
                              "a correlated subquery with GROUP BY, HAVING, DISTINCT, ORDER BY or "
                              "LIMIT");
    }
    for (size_t i = 0; i < q->keys && st == CM_OK; i++) {
        if (q->query->grouped) {
            cm_bind_add_group(q, q->key[i]);
        }
        st = cm_bind_add_target(q, "key", q->key[i], false);
    }
    q->query->group = q->group;
    return st;
}

/* ---- the value ---- */

static const cm_expr *over_nothing(const cm_expr *expr, void *arg)
{
    if (expr->op != CM_X_AGG) {
        return NULL;
    }
    cm_value value = {.null = expr->aggregate != CM_AGGREGATE_COUNT};
    return cm_expr_const(arg, expr->type, value, expr->position);
}

/* The value where there is no group: a constant that is not NULL takes its place. */
static cm_status value_or_nothing(cm_scope *s, const cm_select_state *q, const cm_expr *value,
                                  const cm_expr *key, int position, const cm_expr **ret)
{
    cm_binder *b = s->b;
    const cm_expr *nothing, *missing;
    cm_value of_nothing;
    cm_diag ignored = {0};

    *ret = value;
    cm_status st =
        cm_expr_rewrite(b->arena, q->target[0].expr, over_nothing, b->arena, &nothing, &ignored);
    if (st == CM_OK) {
        st = cm_expr_eval(nothing, NULL, b->arena, &of_nothing, &ignored);
    }
    if (st != CM_OK) {
        return cm_bind_refuse(b, position, "a correlated subquery that fails where no row matches");
    }
    if (of_nothing.null) {
        return CM_OK;
    }
    st = cm_bind_op1(b, CM_X_IS_NULL, cm_bind_plain(CM_TYPE_BOOL), key, position, &missing);
    if (st != CM_OK) {
        return st;
    }
    const cm_expr *parts[3] = {missing, cm_expr_const(b->arena, value->type, of_nothing, position),
                               value};
    return cm_bind_op(b, CM_X_CASE, value->type, parts, 3, 0, 0, position, ret);
}

static const cm_expr *outer_column(const cm_expr *expr, void *arg)
{
    const cm_scope *inner = arg;

    return expr->op == CM_X_COLUMN ? inner->outer_column[expr->rel - CM_BIND_OUTER] : NULL;
}

/* Own side = outer side, for all equalities; true without any. */
static cm_status join_condition(cm_scope *s, const cm_select_state *q, const cm_names *inner,
                                int position, const cm_expr **ret)
{
    const cm_type boolean = cm_bind_plain(CM_TYPE_BOOL);
    const cm_expr **equal = CM_NEW_SMALL(s->b->arena, const cm_expr *, q->keys + 1);

    for (size_t i = 0; i < q->keys; i++) {
        const cm_expr *own = NULL, *outer = NULL;
        cm_status st = cm_bind_scope_col(s, &inner->col[1 + i], position, &own);
        if (st == CM_OK) {
            st = cm_expr_rewrite(s->b->arena, q->outer_key[i], outer_column, q->s, &outer,
                                 s->b->diag);
        }
        if (st == CM_OK) {
            st = cm_bind_op2(s->b, CM_X_EQ, boolean, own, outer, position, &equal[i]);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    if (q->keys == 0) {
        *ret = cm_bind_number(s->b, boolean, 1, position);
        return CM_OK;
    }
    *ret = equal[0];
    return q->keys == 1 ? CM_OK
                        : cm_bind_op(s->b, CM_X_AND, boolean, equal, q->keys, 0, 0, position, ret);
}

static bool find_outside(const cm_expr *expr, void *arg)
{
    const cm_place *at = arg;

    return expr->op != CM_X_COLUMN || expr->rel >= at->names->first;
}

/* What is a value has one row at most. */
static const cm_from *join_value(cm_binder *b, cm_from_kind kind, const cm_from *left,
                                 const cm_from *right, const cm_expr *on, int position)
{
    cm_from *from = CM_NEW_SMALL(b->arena, cm_from, 1);

    *from = *cm_bind_join(b, kind, left, right, on, position);
    from->single = kind == CM_FROM_LEFT;
    return from;
}

static cm_status attach(const cm_place *at, const cm_from *right, unsigned rel, bool one_row,
                        const cm_expr *on, int position)
{
    cm_scope *s = at->s;
    cm_from_kind kind = one_row ? CM_FROM_CROSS : CM_FROM_LEFT;

    on = one_row ? NULL : on;
    if (on != NULL && !cm_expr_walk(on, find_outside, (void *)(uintptr_t)at)) {
        return cm_bind_refuse(s->b, position, "a subquery that refers to a table two levels out");
    }
    s->nulled[rel] = !one_row;
    if (at->from != NULL) {
        *at->from = join_value(s->b, kind, *at->from, right, on, position);
        return CM_OK;
    }
    s->is_late[rel] = true;
    s->late[s->lates++] = (cm_late_join){kind, right, on, position, 0};
    return CM_OK;
}

cm_status cm_bind_scalar(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_scope *s = at->s;
    cm_binder *b = s->b;
    bool now = at->from != NULL && *at->from != NULL;
    bool late = at->late && at->from == NULL && !at->in_aggregate && at->clause == NULL;
    cm_select_state *q = NULL;
    const cm_from *right = NULL;
    const cm_expr *on = NULL, *key = NULL;
    cm_names inner = {0};
    uint64_t rows;

    if (!now && !late) {
        return cm_bind_refuse(b, ast->position, "a subquery as a value in this place");
    }
    cm_status st = cm_bind_subselect(b, ast->select, at, &q, &rows);
    if (st != CM_OK) {
        return st;
    }
    if (q->needs_apply) {
        return cm_bind_apply_scalar(at, ast, ret);
    }
    if (q->shown != 1) {
        cm_bind_at(b, ast->position);
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_SYNTAX, "subquery must return only one column");
    }
    bool one_row = q->query->grouped && q->query->groups == 0 && q->query->having == NULL &&
                   ast->select->having == NULL && !q->query->has_limit && q->query->offset == 0;
    st = cm_bind_add_hidden(s, cm_bind_derive(b, q->query), 0, ast->position, &right, &inner);
    if (st == CM_OK) {
        st = join_condition(s, q, &inner, ast->position, &on);
    }
    if (st == CM_OK) {
        st = attach(at, right, inner.first, one_row, on, ast->position);
    }
    if (st == CM_OK) {
        st = cm_bind_scope_col(s, &inner.col[0], ast->position, ret);
    }
    if (st != CM_OK || q->keys == 0 || !q->query->grouped) {
        return st;
    }
    st = cm_bind_scope_col(s, &inner.col[1], ast->position, &key);
    return st == CM_OK ? value_or_nothing(s, q, *ret, key, ast->position, ret) : st;
}

/* ---- SELECT, HAVING, ORDER BY ---- */

typedef struct late_search {
    const cm_scope *s;
    bool found;
} late_search;

static bool find_late(const cm_expr *expr, void *arg)
{
    late_search *search = arg;

    if (expr->op == CM_X_COLUMN && expr->rel < CM_BIND_MAX_RELATIONS &&
        search->s->is_late[expr->rel]) {
        search->found = true;
    }
    return !search->found;
}

bool cm_bind_names_late(const cm_scope *s, const cm_expr *expr)
{
    late_search search = {s, false};

    (void)cm_expr_walk(expr, find_late, &search);
    return search.found;
}

/* The groups as a relation: keys, then aggregates. */
typedef struct wrapping {
    cm_select_state *q;
    cm_query *inner;
    cm_target *target;
    cm_scope_col *col;
    cm_names names;
    cm_status status;
} wrapping;

static size_t find_target(const wrapping *w, const cm_expr *expr)
{
    size_t i = 0;

    while (i < w->inner->targets && !cm_expr_equal(w->target[i].expr, expr)) {
        i++;
    }
    return i;
}

/* Aggregates that are not yet among the targets. */
static void add_aggregates(wrapping *w, const cm_expr *expr)
{
    if (find_target(w, expr) < w->inner->targets) {
        return;
    }
    if (expr->op == CM_X_AGG) {
        if (w->inner->targets < CM_BIND_MAX_TARGETS) {
            w->target[w->inner->targets++] = (cm_target){"aggregate", expr, false};
        }
        return;
    }
    for (size_t i = 0; i < expr->args; i++) {
        add_aggregates(w, expr->arg[i]);
    }
}

static const cm_expr *over_groups(const cm_expr *expr, void *arg)
{
    wrapping *w = arg;
    size_t i = find_target(w, expr);
    const cm_expr *ret = NULL;

    if (i == w->inner->targets) {
        return NULL;
    }
    cm_status st = cm_bind_scope_col(w->q->s, &w->names.col[i], expr->position, &ret);
    w->status = w->status == CM_OK ? st : w->status;
    return st == CM_OK ? ret : NULL;
}

static cm_status lift(wrapping *w, const cm_expr **expr)
{
    if (*expr == NULL) {
        return CM_OK;
    }
    cm_status st =
        cm_expr_rewrite(w->q->s->b->arena, *expr, over_groups, w, expr, w->q->s->b->diag);
    return st == CM_OK ? w->status : st;
}

static void start_wrapping(wrapping *w, cm_select_state *q)
{
    cm_query *query = q->query;

    *w = (wrapping){.q = q, .inner = CM_NEW_SMALL(q->s->b->arena, cm_query, 1)};
    w->target = CM_NEW_SMALL(q->s->b->arena, cm_target, CM_BIND_MAX_TARGETS + 1);
    *w->inner = (cm_query){.relations = q->s->relations,
                           .relation = q->s->relation,
                           .from = query->from,
                           .where = query->where,
                           .grouped = true,
                           .groups = query->groups,
                           .group = query->group,
                           .target = w->target};
    for (size_t i = 0; i < query->groups; i++) {
        w->target[w->inner->targets++] = (cm_target){"key", query->group[i], false};
    }
    for (size_t i = 0; i < query->targets; i++) {
        add_aggregates(w, q->target[i].expr);
    }
    if (query->having != NULL) {
        add_aggregates(w, query->having);
    }
    if (w->inner->targets == 0) { /* HAVING alone: rows still count */
        const cm_type boolean = cm_bind_plain(CM_TYPE_BOOL);
        w->target[w->inner->targets++] =
            (cm_target){"one", cm_bind_number(q->s->b, boolean, 1, 0), false};
    }
}

static cm_status wrap_groups(cm_select_state *q)
{
    cm_query *query = q->query;
    wrapping w;

    start_wrapping(&w, q);
    cm_status st =
        cm_bind_add_hidden(q->s, cm_bind_derive(q->s->b, w.inner), 0, 0, &query->from, &w.names);
    for (size_t i = 0; i < query->targets && st == CM_OK; i++) {
        st = lift(&w, &q->target[i].expr);
    }
    if (st == CM_OK) {
        st = lift(&w, &query->having);
    }
    for (size_t i = 0; i < q->s->lates && st == CM_OK; i++) {
        st = lift(&w, &q->s->late[i].on);
    }
    query->where = query->having;
    query->having = NULL;
    query->grouped = false;
    query->groups = 0;
    return st;
}

cm_status cm_bind_join_late(cm_select_state *q)
{
    cm_query *query = q->query;
    cm_status st = CM_OK;
    size_t first = 0;

    if (q->s->lates == 0) {
        return CM_OK;
    }
    if (query->from == NULL && !query->grouped && q->s->late[0].kind == CM_FROM_CROSS) {
        query->from = q->s->late[0].right; /* SELECT (SELECT count(*) FROM t) */
        first = 1;
    }
    if (query->from == NULL && !query->grouped) {
        st = cm_bind_one_row(q->s, &query->from);
    }
    if (st == CM_OK && query->grouped) {
        st = wrap_groups(q);
    }
    for (size_t i = first; i < q->s->lates && st == CM_OK; i++) {
        const cm_late_join *late = &q->s->late[i];
        query->from = late->kind == CM_FROM_APPLY
                          ? cm_bind_apply_join(q->s->b, query->from, late->right, late->on,
                                               late->rel, late->position)
                          : join_value(q->s->b, late->kind, query->from, late->right, late->on,
                                       late->position);
    }
    return st;
}
