/*
 * A table that a grouped query only adds up, over the rows that match others by equalities and a
 * range, is aggregated for each of them before they are grouped:
 *
 *     SELECT a.id, sum(c.cost) FROM a LEFT JOIN c ON c.k = a.k AND c.day BETWEEN a.lo AND a.hi
 *     GROUP BY a.id
 *
 * becomes the sum over groups of what APPLY gives for each row of a, which has as many rows as a:
 * the pairs are never made.  What the others contribute counts as often as there are pairs.
 */
#include "sql/plan_group.h"
#include "sql/plan_join.h"

#include <string.h>

typedef struct fold {
    cm_grouping *g;
    cm_planner *pl;
    uint64_t inside; /* relations that are only added up */
    bool outer;      /* rows without a match count once */
    unsigned rel;    /* of what APPLY gives */
    cm_relation *relation;
    const cm_expr **apply;
    cm_column *col;
} fold;

/* ---- whether it is one ---- */

static bool is_equality(const fold *f, const cm_expr *expr)
{
    if (expr->op != CM_X_EQ) {
        return false;
    }
    for (size_t side = 0; side < 2; side++) {
        const cm_expr *x = cm_expr_strip(expr->arg[side]), *y = cm_expr_strip(expr->arg[1 - side]);
        if (cm_block_is_item(f->g->b, x) && cm_block_is_item(f->g->b, y) &&
            (cm_expr_rels(x) & ~f->inside) == 0 && (cm_expr_rels(y) & f->inside) == 0) {
            return true;
        }
    }
    return false;
}

/* A column that is a key by itself: then a join with one unique side is cheaper. */
static bool is_unique(const fold *f, const cm_expr *expr)
{
    const cm_relation *relation = &f->g->q->relation[__builtin_ctzll(cm_expr_rels(expr))];
    bool unique = expr->op == CM_X_COLUMN && relation->tables > 0 && expr->index < relation->cols &&
                  (relation->tables == 1 || f->pl->settings.cross_owner_keys);

    for (size_t t = 0; unique && t < relation->tables; t++) {
        unique = relation->table[t]->col[expr->index].unique;
    }
    return unique;
}

/* Equalities and one range, and the range is there. */
static bool is_range(const fold *f, const cm_exprs *conjuncts)
{
    cm_exprs rest = {0};
    uint64_t others = 0;

    for (size_t i = 0; i < conjuncts->count; i++) {
        const cm_expr *expr = conjuncts->at[i];
        if (!is_equality(f, expr)) {
            cm_exprs_add(f->pl->arena, &rest, expr);
        } else if (is_unique(f, cm_expr_strip(expr->arg[0])) ||
                   is_unique(f, cm_expr_strip(expr->arg[1]))) {
            return false;
        }
        others |= cm_expr_rels(conjuncts->at[i]) & ~f->inside;
    }
    cm_range_match range = cm_range_find(&rest, f->inside, others);
    return range.bounds > 0 && range.bounds == rest.count;
}

static bool only_adds_up(const fold *f)
{
    const cm_grouping *g = f->g;

    for (size_t i = 0; i < g->keys; i++) {
        if ((cm_expr_rels(g->key[i].expr) & f->inside) != 0) {
            return false;
        }
    }
    for (size_t i = 0; i < g->physicals; i++) {
        const cm_physical *p = &g->physical[i];
        uint64_t rels = cm_expr_rels(p->arg);
        bool sums = p->aggregate == CM_AGGREGATE_SUM || p->aggregate == CM_AGGREGATE_COUNT;
        if (p->of != NULL) { /* pairs count in a percentile or mode */
            return false;
        }
        if (p->on != NULL && (cm_expr_rels(p->on) & f->inside) != 0) {
            return false;
        }
        if ((rels & f->inside) != 0 && ((rels & ~f->inside) != 0 || !sums || p->on != NULL)) {
            return false;
        }
    }
    return true;
}

/* ---- what takes its place ---- */

static cm_status add_column(fold *f, cm_aggregate aggregate, cm_type type, const cm_expr *arg,
                            const cm_expr **ret)
{
    const cm_expr *agg;
    const unsigned at = (unsigned)f->relation->applies;
    const bool counts = aggregate == CM_AGGREGATE_COUNT;

    cm_status st = cm_expr_agg_new(f->pl->arena, aggregate, type, arg, false, NULL, 0,
                                   arg == NULL ? 0 : arg->position, &agg, f->pl->diag);
    if (st != CM_OK) {
        return st;
    }
    f->apply[at] = agg;
    f->col[at] = (cm_column){
        .name = counts ? "count" : "sum", .type = type, .not_null = counts, .range = agg->range};
    f->relation->applies++;
    f->relation->cols++;
    *ret = cm_expr_column(f->pl->arena, f->rel, at, type, !counts, agg->range, agg->position);
    return CM_OK;
}

/* How many pairs a row stands for. */
static cm_status multiplicity(fold *f, const cm_expr *count, const cm_expr **ret)
{
    *ret = count;
    return f->outer ? cm_plan_op_new(f->pl, CM_X_GREATEST, count->type, count,
                                     cm_plan_int(f->pl, 1), ret)
                    : CM_OK;
}

/* Something of the others, as often as there are pairs. */
static cm_status multiply(fold *f, cm_physical *p, const cm_expr *pairs)
{
    const cm_expr *present, *absent;
    cm_status st;

    if (p->on != NULL || (p->aggregate != CM_AGGREGATE_SUM && p->aggregate != CM_AGGREGATE_COUNT)) {
        return CM_OK; /* repeating a row changes nothing */
    }
    if (p->aggregate == CM_AGGREGATE_SUM) {
        const cm_type type = {.kind = CM_TYPE_NUMERIC, .scale = p->arg->type.scale};
        return cm_plan_op_new(f->pl, CM_X_MUL, type, p->arg, pairs, &p->arg);
    }
    p->aggregate = CM_AGGREGATE_SUM;
    st = cm_plan_op_new(f->pl, CM_X_IS_NULL, cm_plan_bool_type(), p->arg, NULL, &absent);
    if (st == CM_OK) {
        st = cm_plan_op_new(f->pl, CM_X_NOT, cm_plan_bool_type(), absent, NULL, &present);
    }
    if (st != CM_OK) {
        return st;
    }
    const cm_expr *args[3] = {present, pairs, cm_plan_int(f->pl, 0)};
    return cm_expr_op_new(f->pl->arena, CM_X_CASE, cm_plan_int8_type(), args, 3, 0, 0,
                          p->arg->position, &p->arg, f->pl->diag);
}

static cm_status rewrite_physicals(fold *f, const cm_expr *pairs)
{
    cm_grouping *g = f->g;
    cm_physical *all = CM_NEW_SMALL(f->pl->arena, cm_physical, g->physicals + 1);
    cm_status st = CM_OK;

    memcpy(all, g->physical, g->physicals * sizeof *all);
    for (size_t i = 0; st == CM_OK && i < g->physicals; i++) {
        cm_physical *p = &all[i];
        if ((cm_expr_rels(p->arg) & f->inside) == 0) {
            st = multiply(f, p, pairs);
            continue;
        }
        st = add_column(f, p->aggregate, p->type, p->arg, &p->arg);
        p->aggregate = CM_AGGREGATE_SUM;
    }
    all[g->physicals] = (cm_physical){
        .aggregate = CM_AGGREGATE_SUM, .arg = pairs, .type = cm_plan_int8_type(), .low = -1};
    g->physical = all;
    g->pairs = (int)g->physicals++;
    return st;
}

/* The query with one relation more. */
static void add_relation(fold *f)
{
    cm_query *query = CM_NEW_SMALL(f->pl->arena, cm_query, 1);
    const cm_query *from = f->g->q;
    cm_relation *relation = CM_NEW_SMALL(f->pl->arena, cm_relation, from->relations + 1);

    memcpy(relation, from->relation, from->relations * sizeof *relation);
    *query = *from;
    query->relation = relation;
    query->relations++;
    f->rel = (unsigned)from->relations;
    f->relation = &relation[f->rel];
    f->apply = CM_NEW_SMALL(f->pl->arena, const cm_expr *, f->g->physicals + 1);
    f->col = CM_NEW_SMALL(f->pl->arena, cm_column, f->g->physicals + 1);
    f->relation->apply = f->apply;
    f->relation->col = f->col;
    f->g->q = query;
    f->g->b->query = query;
}

static cm_part *part_new(fold *f, cm_from_kind kind, const cm_part *like, size_t parts)
{
    cm_part *part = CM_NEW_SMALL(f->pl->arena, cm_part, 1);

    part->kind = kind;
    part->position = like->position;
    part->parts = parts;
    part->part = CM_NEW_SMALL(f->pl->arena, cm_part *, CM_PLAN_RELATIONS_MAX);
    return part;
}

static cm_status replace(fold *f, cm_part **slot, cm_part *left, cm_part *right, cm_exprs conjuncts)
{
    const cm_expr *count, *pairs, *any;
    cm_part *apply = part_new(f, CM_FROM_APPLY, right, 2);

    add_relation(f);
    apply->part[0] = left;
    apply->part[1] = right;
    apply->rel = f->rel;
    apply->rels = left->rels | (uint64_t)1 << f->rel;
    apply->conjuncts = conjuncts;
    *slot = apply;
    cm_status st = add_column(f, CM_AGGREGATE_COUNT, cm_plan_int8_type(), NULL, &count);
    if (st == CM_OK) {
        st = multiplicity(f, count, &pairs);
    }
    if (st == CM_OK) {
        st = rewrite_physicals(f, pairs);
    }
    if (st != CM_OK || f->outer) {
        return st;
    }
    st = cm_plan_op_new(f->pl, CM_X_GT, cm_plan_bool_type(), count, cm_plan_int(f->pl, 0), &any);
    if (st == CM_OK) {
        cm_part *group = part_new(f, CM_FROM_INNER, apply, 1);
        group->part[0] = apply;
        group->rels = apply->rels;
        cm_exprs_add(f->pl->arena, &group->conjuncts, any);
        *slot = group;
    }
    return st;
}

/* One relation of a group of inner joins. */
static cm_status fold_member(fold *f, cm_part **slot, size_t member)
{
    cm_part *group = *slot, *right = group->part[member];
    cm_exprs own = {0}, rest = {0};

    f->inside = right->rels;
    for (size_t i = 0; i < group->conjuncts.count; i++) {
        bool names = (cm_expr_rels(group->conjuncts.at[i]) & right->rels) != 0;
        cm_exprs_add(f->pl->arena, names ? &own : &rest, group->conjuncts.at[i]);
    }
    if (!is_range(f, &own) || !only_adds_up(f)) {
        f->inside = 0;
        return CM_OK;
    }
    group->parts--;
    for (size_t i = member; i < group->parts; i++) {
        group->part[i] = group->part[i + 1];
    }
    group->rels &= ~right->rels;
    group->conjuncts = rest;
    return replace(f, slot, group, right, own);
}

cm_status cm_group_fold(cm_grouping *g)
{
    fold f = {.g = g, .pl = g->pl};
    cm_part **slot = &g->b->from;
    uint64_t above = 0;

    g->pairs = -1;
    if (*slot == NULL || g->keys == 0 || g->q->relations + 1 >= CM_PLAN_RELATIONS_MAX) {
        return CM_OK;
    }
    if ((*slot)->kind == CM_FROM_INNER && (*slot)->parts == 1) {
        for (size_t i = 0; i < (*slot)->conjuncts.count; i++) {
            above |= cm_expr_rels((*slot)->conjuncts.at[i]);
        }
        slot = &(*slot)->part[0];
    }
    cm_part *part = *slot;
    if (part->kind == CM_FROM_LEFT) {
        f.inside = part->part[1]->rels;
        f.outer = true;
        return (above & f.inside) == 0 && is_range(&f, &part->conjuncts) && only_adds_up(&f)
                   ? replace(&f, slot, part->part[0], part->part[1], part->conjuncts)
                   : CM_OK;
    }
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && f.inside == 0 && part->kind == CM_FROM_INNER &&
                       part->parts > 1 && i < part->parts;
         i++) {
        if (part->part[i]->kind == CM_FROM_RELATION) {
            st = fold_member(&f, slot, i);
        }
    }
    return st;
}
