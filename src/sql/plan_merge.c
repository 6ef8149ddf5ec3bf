/* Subqueries that only select rows are merged into the query around them. */
#include "sql/plan_int.h"

#include <string.h>

typedef struct merge {
    cm_planner *pl;
    unsigned rel;  /* the derived relation that goes */
    unsigned base; /* number of its first relation in the query around it */
    const cm_query *inner;
    const cm_expr **target; /* inner's targets, shifted */
} merge;

static const cm_expr *shift_column(const cm_expr *expr, void *arg)
{
    const merge *m = arg;

    if (expr->op != CM_X_COLUMN) {
        return NULL;
    }
    return cm_expr_column(m->pl->arena, expr->rel + m->base, expr->index, expr->type,
                          expr->nullable, expr->range, expr->position);
}

static const cm_expr *replace_column(const cm_expr *expr, void *arg)
{
    const merge *m = arg;

    if (expr->op != CM_X_COLUMN) {
        return NULL;
    }
    return expr->rel == m->rel ? m->target[cm_query_target(m->inner, expr->index)] : expr;
}

typedef const cm_expr *(*rewrite_fn)(const cm_expr *, void *);

static cm_status rewrite(merge *m, rewrite_fn fn, const cm_expr *expr, const cm_expr **ret)
{
    *ret = NULL;
    return expr == NULL ? CM_OK : cm_expr_rewrite(m->pl->arena, expr, fn, m, ret, m->pl->diag);
}

/* Inner's FROM with its relations renumbered. */
static cm_status shift_from(merge *m, const cm_from *from, const cm_from **ret)
{
    cm_from *copy = CM_NEW_SMALL(m->pl->arena, cm_from, 1);

    *copy = *from;
    *ret = copy;
    if (from->kind == CM_FROM_RELATION || from->kind == CM_FROM_APPLY) {
        copy->rel += m->base;
    }
    if (from->kind == CM_FROM_RELATION) {
        return CM_OK;
    }
    cm_status st = shift_from(m, from->left, &copy->left);
    if (st == CM_OK) {
        st = shift_from(m, from->right, &copy->right);
    }
    return st != CM_OK ? st : rewrite(m, shift_column, from->on, &copy->on);
}

/* The query's FROM with inner's in the place of the relation. */
static cm_status replace_from(merge *m, const cm_from *from, const cm_from **ret)
{
    cm_from *copy = CM_NEW_SMALL(m->pl->arena, cm_from, 1);

    if (from->kind == CM_FROM_RELATION) {
        if (from->rel == m->rel) {
            return shift_from(m, m->inner->from, ret);
        }
        *ret = from;
        return CM_OK;
    }
    *copy = *from;
    *ret = copy;
    cm_status st = replace_from(m, from->left, &copy->left);
    if (st == CM_OK) {
        st = replace_from(m, from->right, &copy->right);
    }
    return st != CM_OK ? st : rewrite(m, replace_column, from->on, &copy->on);
}

/* Rows of the relation pass all joins above it unchanged: its conditions may move to WHERE. */
static bool is_preserved(const cm_from *from, unsigned rel)
{
    switch (from->kind) {
    case CM_FROM_RELATION:
        return from->rel == rel;
    case CM_FROM_INNER:
    case CM_FROM_CROSS:
        return is_preserved(from->left, rel) || is_preserved(from->right, rel);
    case CM_FROM_LEFT:
    case CM_FROM_SEMI:
    case CM_FROM_ANTI:
    case CM_FROM_APPLY:
        return is_preserved(from->left, rel);
    case CM_FROM_FULL:
        break;
    }
    return false;
}

static bool is_simple(const cm_query *query)
{
    return query != NULL && !query->grouped && !query->distinct && !query->has_limit &&
           query->offset == 0 && query->from != NULL;
}

static cm_status replace_list(merge *m, const cm_expr *const *list, size_t count,
                              const cm_expr *const **ret)
{
    const cm_expr **copy = CM_NEW_SMALL(m->pl->arena, const cm_expr *, count + 1);

    for (size_t i = 0; i < count; i++) {
        cm_status st = rewrite(m, replace_column, list[i], &copy[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    *ret = copy;
    return CM_OK;
}

static cm_status replace_targets(merge *m, cm_query *query)
{
    cm_target *copy = CM_NEW_SMALL(m->pl->arena, cm_target, query->targets + 1);

    for (size_t i = 0; i < query->targets; i++) {
        copy[i] = query->target[i];
        cm_status st = rewrite(m, replace_column, query->target[i].expr, &copy[i].expr);
        if (st != CM_OK) {
            return st;
        }
    }
    query->target = copy;
    return CM_OK;
}

static cm_status merge_where(merge *m, cm_query *query)
{
    const cm_expr *own, *inner;
    cm_exprs both = {0};

    cm_status st = rewrite(m, replace_column, query->where, &own);
    if (st == CM_OK) {
        st = rewrite(m, shift_column, m->inner->where, &inner);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_expr_conjuncts(m->pl, own, &both);
    cm_expr_conjuncts(m->pl, inner, &both);
    query->where = cm_plan_and(m->pl, &both);
    return CM_OK;
}

/* Aggregates of APPLY relations read other relations of their query. */
static cm_status rewrite_applied(merge *m, rewrite_fn fn, cm_relation *relation, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const cm_expr **apply =
            CM_NEW_SMALL(m->pl->arena, const cm_expr *, relation[i].applies + 1);
        for (size_t k = 0; k < relation[i].applies; k++) {
            cm_status st = rewrite(m, fn, relation[i].apply[k], &apply[k]);
            if (st != CM_OK) {
                return st;
            }
        }
        relation[i].apply = apply;
    }
    return CM_OK;
}

/* Merges the derived relation; its own place stays empty, so that no number changes. */
static cm_status merge_relation(cm_planner *pl, cm_query *query, unsigned rel)
{
    const cm_query *inner = query->relation[rel].derived;
    size_t count = query->relations + inner->relations;
    cm_relation *relation = CM_NEW_SMALL(pl->arena, cm_relation, count);
    merge m = {.pl = pl, .rel = rel, .base = (unsigned)query->relations, .inner = inner};

    memcpy(relation, query->relation, query->relations * sizeof *relation);
    memcpy(relation + query->relations, inner->relation, inner->relations * sizeof *relation);
    query->relation = relation;
    query->relations = count;
    m.target = CM_NEW_SMALL(pl->arena, const cm_expr *, inner->targets + 1);
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < inner->targets; i++) {
        st = rewrite(&m, shift_column, inner->target[i].expr, &m.target[i]);
    }
    if (st == CM_OK) {
        st = rewrite_applied(&m, shift_column, relation + m.base, inner->relations);
    }
    if (st == CM_OK) {
        st = rewrite_applied(&m, replace_column, relation, m.base);
    }
    if (st == CM_OK) {
        st = replace_from(&m, query->from, &query->from);
    }
    if (st == CM_OK) {
        st = merge_where(&m, query);
    }
    if (st == CM_OK) {
        st = replace_list(&m, query->group, query->groups, &query->group);
    }
    if (st == CM_OK) {
        st = rewrite(&m, replace_column, query->having, &query->having);
    }
    return st != CM_OK ? st : replace_targets(&m, query);
}

cm_status cm_plan_flatten(cm_planner *pl, const cm_query *query, bool own_joins,
                          const cm_query **ret)
{
    cm_query *copy = CM_NEW_SMALL(pl->arena, cm_query, 1);

    *copy = *query;
    for (unsigned rel = 0; rel < copy->relations; rel++) {
        if (copy->relations > CM_PLAN_RELATIONS_MAX) {
            return cm_plan_unsupported(pl, 0, "a query over more than 64 tables", NULL);
        }
        if (copy->relation[rel].windows == 0 && is_simple(copy->relation[rel].derived) &&
            is_preserved(copy->from, rel)) {
            cm_status st = merge_relation(pl, copy, rel);
            if (st != CM_OK) {
                return st;
            }
        }
    }
    cm_status own = own_joins ? cm_plan_own_joins(pl, copy) : CM_OK;
    if (own != CM_OK) {
        return own;
    }
    cm_relation *relation = CM_NEW_SMALL(pl->arena, cm_relation, copy->relations + 1);
    for (size_t rel = 0; rel < copy->relations; rel++) {
        relation[rel] = copy->relation[rel];
        cm_status st = cm_plan_unite(pl, &relation[rel]);
        if (st != CM_OK) {
            return st;
        }
    }
    copy->relation = relation;
    *ret = copy;
    return CM_OK;
}
