/* Grouping before joins, decided: the query of the groups, and the one that joins them. */
#include "sql/plan_early.h"

#include <string.h>

static cm_from *from_new(cm_early *e, cm_from from)
{
    cm_from *ret = CM_NEW_SMALL(e->pl->arena, cm_from, 1);

    *ret = from;
    ret->position = e->query->from->position;
    return ret;
}

static const cm_from *filtered(cm_early *e, size_t i, const cm_from *from)
{
    cm_from *filter = CM_NEW_SMALL(e->pl->arena, cm_from, 1);

    *filter = *e->filter[i];
    filter->left = from;
    return filter;
}

/* The groups and the relations above, joined without conditions.  A filter that looks at one
 * relation goes there, before anything wide joins it. */
static const cm_from *outer_from(cm_early *e)
{
    const cm_from *ret = from_new(e, (cm_from){.kind = CM_FROM_RELATION, .rel = e->rel});

    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        uint64_t own = (uint64_t)1 << rel;
        if ((e->above & own) == 0) {
            continue;
        }
        const cm_from *leaf = from_new(e, (cm_from){.kind = CM_FROM_RELATION, .rel = rel});
        for (size_t i = e->filters; i-- > 0;) {
            leaf = cm_early_filter_rels(e, i) == own ? filtered(e, i, leaf) : leaf;
        }
        ret = from_new(e, (cm_from){.kind = CM_FROM_CROSS, .left = ret, .right = leaf});
    }
    for (size_t i = e->filters; i-- > 0;) {
        uint64_t rels = cm_early_filter_rels(e, i);
        if (!cm_rels_within(rels, e->below) && (rels & (rels - 1)) != 0) {
            ret = filtered(e, i, ret);
        }
    }
    return ret;
}

/* Those below, joined without conditions, their filters on top. */
static const cm_from *inner_from(cm_early *e)
{
    const cm_from *ret = NULL;

    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        if ((e->below >> rel & 1) != 0) {
            const cm_from *leaf = from_new(e, (cm_from){.kind = CM_FROM_RELATION, .rel = rel});
            ret = ret == NULL
                      ? leaf
                      : from_new(e, (cm_from){.kind = CM_FROM_CROSS, .left = ret, .right = leaf});
        }
    }
    for (size_t i = e->filters; i-- > 0;) {
        ret = cm_rels_within(cm_early_filter_rels(e, i), e->below) ? filtered(e, i, ret) : ret;
    }
    return ret;
}

static const cm_expr *where_of(cm_early *e, bool below)
{
    cm_exprs list = {0};

    for (size_t i = 0; i < e->conjuncts.count; i++) {
        if (cm_rels_within(cm_expr_rels(e->conjuncts.at[i]), e->below) == below) {
            cm_exprs_add(e->pl->arena, &list, e->conjuncts.at[i]);
        }
    }
    return cm_plan_and(e->pl, &list);
}

static void drop_repeated(cm_early *e)
{
    cm_exprs kept = {0};

    for (size_t i = 0; i < e->keys.count; i++) {
        if (!cm_exprs_have(&kept, e->keys.at[i])) {
            cm_exprs_add(e->pl->arena, &kept, e->keys.at[i]);
        }
    }
    e->keys = kept;
}

static const char *name_of(const cm_early *e, const cm_expr *expr)
{
    if (expr->op != CM_X_COLUMN) {
        return "expression";
    }
    const cm_relation *relation = &e->query->relation[expr->rel];
    return expr->index < relation->cols ? relation->col[expr->index].name : "org";
}

/* SELECT keys, aggregates FROM those below GROUP BY keys, and its columns as a relation's. */
static void make_inner(cm_early *e, cm_relation *ret)
{
    cm_arena *arena = e->pl->arena;
    size_t count = e->keys.count + e->aggs;
    cm_target *target = CM_NEW_SMALL(arena, cm_target, count + 1);
    cm_column *col = CM_NEW_SMALL(arena, cm_column, count + 1);
    cm_query *inner = CM_NEW_SMALL(arena, cm_query, 1);

    drop_repeated(e);
    count = e->keys.count + e->aggs;
    for (size_t i = 0; i < count; i++) {
        const cm_expr *expr = i < e->keys.count ? e->keys.at[i] : e->agg[i - e->keys.count];
        target[i] = (cm_target){.name = name_of(e, expr), .expr = expr};
        col[i] = (cm_column){.name = target[i].name,
                             .type = expr->type,
                             .not_null = !expr->nullable,
                             .range = expr->range,
                             .label = {.kind = CM_LABEL_REVEAL}}; /* policy judged the query */
    }
    *inner = (cm_query){.relations = e->query->relations,
                        .relation = e->query->relation,
                        .from = inner_from(e),
                        .where = where_of(e, true),
                        .grouped = true,
                        .groups = e->keys.count,
                        .group = e->keys.at,
                        .targets = count,
                        .target = target};
    e->inner = inner;
    *ret = (cm_relation){
        .alias = e->query->relation[__builtin_ctzll(e->below)].alias,
        .derived = inner,
        .cols = count,
        .col = col,
    };
}

/* What the groups have a column for. */
static const cm_expr *to_column(const cm_expr *expr, void *arg)
{
    cm_early *e = arg;

    for (size_t i = 0; i < e->inner->targets; i++) {
        if (cm_expr_equal(e->inner->target[i].expr, expr)) {
            return cm_expr_column(e->pl->arena, e->rel, (unsigned)i, expr->type, expr->nullable,
                                  expr->range, expr->position);
        }
    }
    return NULL;
}

/* The same, and what an aggregate is made of when groups are put together. */
static const cm_expr *to_combined(const cm_expr *expr, void *arg)
{
    cm_early *e = arg;
    const cm_expr *part = to_column(expr, e), *ret = NULL;

    if (expr->op != CM_X_AGG) {
        return part;
    }
    CM_ASSERT(part != NULL);
    cm_aggregate how = expr->aggregate == CM_AGGREGATE_COUNT ? CM_AGGREGATE_SUM : expr->aggregate;
    cm_status st = cm_expr_agg_new(e->pl->arena, how, expr->type, part, false, NULL, e->most_groups,
                                   expr->position, &ret, e->pl->diag);
    e->failed = st != CM_OK ? st : e->failed;
    return st == CM_OK ? ret : part;
}

static cm_status rewrite(cm_early *e, const cm_expr *expr, const cm_expr **ret)
{
    cm_status st = cm_expr_rewrite(e->pl->arena, expr, e->regroup ? to_combined : to_column, e, ret,
                                   e->pl->diag);

    return st == CM_OK ? e->failed : st;
}

static cm_status rewrite_groups(cm_early *e, cm_query *outer)
{
    const cm_expr **group = CM_NEW_SMALL(e->pl->arena, const cm_expr *, outer->groups + 1);
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < outer->groups; i++) {
        st = rewrite(e, outer->group[i], &group[i]);
    }
    outer->group = group;
    return st;
}

static cm_status make_outer(cm_early *e, const cm_relation *groups, cm_query *outer)
{
    const cm_query *query = e->query;
    cm_relation *relation = CM_NEW_SMALL(e->pl->arena, cm_relation, query->relations + 1);
    cm_target *target = CM_NEW_SMALL(e->pl->arena, cm_target, query->targets + 1);
    cm_exprs where = {0};
    const cm_expr *expr;
    cm_status st = CM_OK;

    memcpy(relation, query->relation, query->relations * sizeof *relation);
    relation[query->relations] = *groups;
    for (unsigned rel = 0; rel < query->relations; rel++) {
        bool checked = (e->above >> rel & 1) != 0 && e->pl->settings.cross_owner_keys;
        relation[rel].once = relation[rel].once || checked;
    }
    *outer = *query;
    outer->relations = query->relations + 1;
    outer->relation = relation;
    outer->from = outer_from(e);
    outer->grouped = e->regroup;
    outer->groups = e->regroup ? query->groups : 0;
    outer->having = NULL;
    st = rewrite_groups(e, outer);
    for (size_t i = 0; st == CM_OK && i < query->targets; i++) {
        target[i] = query->target[i];
        st = rewrite(e, query->target[i].expr, &target[i].expr);
    }
    outer->target = target;
    if (st == CM_OK && where_of(e, false) != NULL) {
        st = rewrite(e, where_of(e, false), &expr);
        cm_exprs_add(e->pl->arena, &where, expr);
    }
    if (st == CM_OK && query->having != NULL) {
        st = rewrite(e, query->having, &expr);
        outer->having = e->regroup ? expr : NULL;
        if (!e->regroup) {
            cm_exprs_add(e->pl->arena, &where, expr);
        }
    }
    outer->where = cm_plan_and(e->pl, &where);
    return st;
}

cm_status cm_early_build(cm_early *e, const cm_query **ret)
{
    cm_relation groups;
    cm_query *outer = CM_NEW_SMALL(e->pl->arena, cm_query, 1);

    e->rel = (unsigned)e->query->relations;
    make_inner(e, &groups);
    cm_status st = make_outer(e, &groups, outer);
    if (st == CM_OK) {
        *ret = outer;
    }
    return st;
}
