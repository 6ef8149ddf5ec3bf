/*
 * Grouping before joins.  A relation that a grouped query joins by its own unique key, and uses for
 * nothing but its keys, answers and conditions, adds no rows to a group: the others can be grouped
 * first, by what they are joined on, and the relation joined to the groups.
 *
 *     SELECT c.id, c.name, sum(o.price) FROM o, c WHERE o.customer = c.id GROUP BY c.id, c.name
 *     SELECT c.id, c.name, g.sum FROM c,
 *         (SELECT o.customer, sum(o.price) FROM o GROUP BY o.customer) g WHERE g.customer = c.id
 *
 * What is wide then travels with the groups instead of with the rows, and a group's key is narrow.
 * Done only where groups stay what they are: the new keys follow from the old ones.  Eager
 * aggregation of Yan and Larson, VLDB 1995, without regrouping.
 */
#include "sql/plan_int.h"

#include <string.h>

typedef struct early {
    cm_planner *pl;
    const cm_query *query;                        /* flattened */
    const cm_from *core;                          /* inner joins alone, below `filters` */
    const cm_from *filter[CM_PLAN_RELATIONS_MAX]; /* SEMI and ANTI joins above it */
    size_t filters;
    uint64_t all, below, above; /* relations of core; grouped first; joined later */
    cm_exprs conjuncts;         /* WHERE, and ON of core */
    cm_exprs keys;              /* of the new grouping */
    cm_exprs known;             /* what a group of the old one has one value of */
    uint64_t whole;             /* relations of which it has one row */
    const cm_expr **agg;        /* aggregates of targets and HAVING, each once */
    size_t aggs, room;
    unsigned rel; /* the groups, as a relation of the outer query */
    cm_query *inner;
} early;

static bool within(uint64_t rels, uint64_t set)
{
    return (rels & ~set) == 0;
}

/* ---- what the query is made of ---- */

static bool collect_core(early *e, const cm_from *from)
{
    if (from->kind == CM_FROM_RELATION) {
        e->all |= (uint64_t)1 << from->rel;
        return true;
    }
    if (from->kind != CM_FROM_INNER && from->kind != CM_FROM_CROSS) {
        return false;
    }
    cm_expr_conjuncts(e->pl, from->on, &e->conjuncts);
    return collect_core(e, from->left) && collect_core(e, from->right);
}

static bool collect_from(early *e)
{
    const cm_from *from = e->query->from;

    while (from->kind == CM_FROM_SEMI || from->kind == CM_FROM_ANTI) {
        if (e->filters == CM_PLAN_RELATIONS_MAX) {
            return false;
        }
        e->filter[e->filters++] = from;
        from = from->left;
    }
    e->core = from;
    cm_expr_conjuncts(e->pl, e->query->where, &e->conjuncts);
    return collect_core(e, from);
}

/* Divisions by 0 and the like, which rows that no relation joins must not raise. */
static bool cannot_fail(const cm_expr *x, void *arg)
{
    (void)arg;
    switch ((int)x->op) {
    case CM_X_IDIV:
    case CM_X_MOD:
    case CM_X_QUOT:
        return x->arg[1]->range.lo > 0 || x->arg[1]->range.hi < 0;
    case CM_X_CAST:
        return cm_expr_is_text(x) ||
               (x->range.lo <= x->arg[0]->range.lo && x->range.hi >= x->arg[0]->range.hi);
    case CM_X_SUBSTRING:
    case CM_X_DATE_TRUNC:
    case CM_X_ADD_MONTHS:
        return false;
    default:
        return true;
    }
}

static bool collect_aggregate(const cm_expr *expr, void *arg)
{
    early *e = arg;

    if (expr->op != CM_X_AGG) {
        return true;
    }
    for (size_t i = 0; i < e->aggs; i++) {
        if (cm_expr_equal(e->agg[i], expr)) {
            return true;
        }
    }
    if (e->aggs == e->room) {
        size_t room = e->room == 0 ? 16 : 2 * e->room;
        const cm_expr **more = CM_NEW_SMALL(e->pl->arena, const cm_expr *, room);
        for (size_t i = 0; i < e->aggs; i++) {
            more[i] = e->agg[i];
        }
        e->agg = more;
        e->room = room;
    }
    e->agg[e->aggs++] = expr;
    return true;
}

static bool collect_aggregates(early *e)
{
    bool fine = true;

    for (size_t i = 0; i < e->query->targets; i++) {
        (void)cm_expr_walk(e->query->target[i].expr, collect_aggregate, e);
    }
    if (e->query->having != NULL) {
        (void)cm_expr_walk(e->query->having, collect_aggregate, e);
    }
    for (size_t i = 0; i < e->aggs; i++) {
        e->below |= cm_expr_rels(e->agg[i]);
        fine = fine && cm_expr_walk(e->agg[i], cannot_fail, NULL);
    }
    return fine;
}

static uint64_t rows_of(const cm_relation *relation)
{
    uint64_t rows = relation->derived != NULL ? 1 : 0;

    for (size_t t = 0; t < relation->tables; t++) {
        rows += cm_plan_table_rows(relation->table[t]);
    }
    return rows;
}

/* count(*) counts rows of all; the largest is as good as any. */
static void start_below(early *e)
{
    uint64_t most = 0;
    unsigned largest = 0;

    for (unsigned rel = 0; e->below == 0 && rel < e->query->relations; rel++) {
        uint64_t rows = rows_of(&e->query->relation[rel]);
        if ((e->all >> rel & 1) != 0 && rows > most) {
            most = rows;
            largest = rel;
        }
    }
    if (e->below == 0) {
        e->below = (uint64_t)1 << largest;
    }
}

/* ---- who can come later ---- */

/*
 * The column, alone, has no value twice in all of the relation.  Over several owners that is
 * presumed, and checked by the join that relies on it: so it is used of relations joined later.
 */
static bool is_unique_column(const early *e, const cm_expr *expr)
{
    if (expr->op != CM_X_COLUMN) {
        return false;
    }
    const cm_relation *relation = &e->query->relation[expr->rel];
    bool unique = relation->tables > 0 && expr->index < relation->cols;
    for (size_t t = 0; unique && t < relation->tables; t++) {
        const cm_column *col = &relation->table[t]->col[expr->index];
        unique = col->unique && col->not_null;
    }
    return unique && (relation->tables == 1 ||
                      (e->pl->settings.cross_owner_keys && (e->above >> expr->rel & 1) != 0));
}

/* An equality of a unique column of the relation and something of the others' rows. */
static bool is_link(const early *e, const cm_expr *expr, unsigned rel, const cm_expr **ret_other)
{
    if (expr->op != CM_X_EQ) {
        return false;
    }
    const cm_expr *left = cm_expr_strip(expr->arg[0]), *right = cm_expr_strip(expr->arg[1]);
    uint64_t own = (uint64_t)1 << rel;
    if (cm_expr_rels(right) == own) {
        const cm_expr *other = left;
        left = right;
        right = other;
    }
    uint64_t others = cm_expr_rels(right);
    *ret_other = right;
    return cm_expr_rels(left) == own && is_unique_column(e, left) && others != 0 &&
           (others & own) == 0 && (others & (others - 1)) == 0;
}

static bool is_linked(const early *e, unsigned rel, uint64_t placed)
{
    const cm_expr *other;

    for (size_t i = 0; i < e->conjuncts.count; i++) {
        if (is_link(e, e->conjuncts.at[i], rel, &other) && within(cm_expr_rels(other), placed)) {
            return true;
        }
    }
    return false;
}

/* Relations above hang from those below by their keys; what does not hang goes below. */
static bool settle_links(early *e)
{
    uint64_t placed = e->below;

    for (bool more = true; more;) {
        more = false;
        for (unsigned rel = 0; rel < e->query->relations; rel++) {
            uint64_t own = (uint64_t)1 << rel;
            if ((e->above & own) != 0 && (placed & own) == 0 && is_linked(e, rel, placed)) {
                placed |= own;
                more = true;
            }
        }
    }
    bool settled = within(e->above, placed);
    e->above &= placed;
    e->below = e->all & ~e->above;
    return settled;
}

/*
 * A condition on both sides has to be an equality with a value of the rows below, which becomes a
 * key; else everything in it goes below.
 */
static bool settle_conditions(early *e)
{
    for (size_t i = 0; i < e->conjuncts.count; i++) {
        const cm_expr *c = e->conjuncts.at[i];
        uint64_t rels = cm_expr_rels(c);
        if (within(rels, e->above) || within(rels, e->below)) {
            continue;
        }
        const cm_expr *side = NULL;
        for (size_t s = 0; c->op == CM_X_EQ && s < 2; s++) {
            if (within(cm_expr_rels(c->arg[s]), e->below) &&
                within(cm_expr_rels(c->arg[1 - s]), e->above)) {
                side = cm_expr_strip(c->arg[s]);
            }
        }
        if (side == NULL || !cm_expr_walk(side, cannot_fail, NULL)) {
            e->above &= ~rels;
            e->below = e->all & ~e->above;
            return false;
        }
        cm_exprs_add(e->pl->arena, &e->keys, side);
    }
    return true;
}

/* Relations that the filter looks at, besides its own. */
static uint64_t filter_rels(const early *e, size_t i)
{
    return (e->filter[i]->on != NULL ? cm_expr_rels(e->filter[i]->on) : 0) & e->all;
}

/* Filters by EXISTS and IN stay whole: with what they look at, above or below. */
static bool settle_filters(early *e)
{
    for (size_t i = 0; i < e->filters; i++) {
        uint64_t rels = filter_rels(e, i);
        if (!within(rels, e->above) && !within(rels, e->below)) {
            e->above &= ~rels;
            e->below = e->all & ~e->above;
            return false;
        }
    }
    return true;
}

/* ---- whether groups stay what they are ---- */

static bool holds(const cm_exprs *list, const cm_expr *expr)
{
    for (size_t i = 0; i < list->count; i++) {
        if (cm_expr_equal(list->at[i], expr)) {
            return true;
        }
    }
    return false;
}

static bool is_known(const early *e, const cm_expr *expr)
{
    return holds(&e->known, expr) || within(cm_expr_rels(expr), e->whole);
}

static bool learn(early *e, const cm_expr *expr)
{
    if (is_known(e, expr)) {
        return false;
    }
    cm_exprs_add(e->pl->arena, &e->known, expr);
    return true;
}

/* One value of a unique column is one row; equal values are known together. */
static void find_known(early *e)
{
    e->known = (cm_exprs){0};
    e->whole = 0;
    for (size_t i = 0; i < e->query->groups; i++) {
        (void)learn(e, cm_expr_strip(e->query->group[i]));
    }
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < e->conjuncts.count; i++) {
            const cm_expr *c = e->conjuncts.at[i];
            if (c->op == CM_X_EQ) {
                const cm_expr *x = cm_expr_strip(c->arg[0]), *y = cm_expr_strip(c->arg[1]);
                more = (is_known(e, x) && learn(e, y)) || more;
                more = (is_known(e, y) && learn(e, x)) || more;
            }
        }
        for (size_t i = 0; i < e->known.count; i++) {
            const cm_expr *expr = e->known.at[i];
            if (is_unique_column(e, expr) && (e->whole >> expr->rel & 1) == 0) {
                e->whole |= (uint64_t)1 << expr->rel;
                more = true;
            }
        }
    }
}

/* The old keys that the rows below have; one of both sides keeps its relations below. */
static bool settle_groups(early *e)
{
    for (size_t i = 0; i < e->query->groups; i++) {
        const cm_expr *group = e->query->group[i];
        uint64_t rels = cm_expr_rels(group);
        bool ours = within(rels, e->below);
        if (!ours && !within(rels, e->above)) {
            e->above &= ~rels;
            e->below = e->all & ~e->above;
            return false;
        }
        if (ours && rels != 0) {
            if (!cm_expr_walk(group, cannot_fail, NULL)) {
                e->above = 0;
                return false;
            }
            cm_exprs_add(e->pl->arena, &e->keys, cm_expr_strip(group));
        }
    }
    for (size_t i = 0; i < e->keys.count; i++) {
        if (!is_known(e, e->keys.at[i])) { /* finer than the query's groups */
            const cm_expr *key = e->keys.at[i];
            uint64_t linked = 0;
            for (size_t c = 0; c < e->conjuncts.count; c++) {
                const cm_expr *x = e->conjuncts.at[c];
                if (x->op == CM_X_EQ && (cm_expr_equal(cm_expr_strip(x->arg[0]), key) ||
                                         cm_expr_equal(cm_expr_strip(x->arg[1]), key))) {
                    linked |= cm_expr_rels(x);
                }
            }
            e->above &= ~linked;
            e->below = e->all & ~e->above;
            return false;
        }
    }
    return true;
}

/* Relations move below until everything is settled; e->above is what can be joined later. */
static void settle(early *e)
{
    e->above = e->all & ~e->below;
    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        if (e->query->relation[rel].derived != NULL) {
            e->above &= ~((uint64_t)1 << rel);
        }
    }
    e->below = e->all & ~e->above;
    do {
        e->keys = (cm_exprs){0};
        find_known(e);
    } while (e->above != 0 &&
             !(settle_links(e) && settle_conditions(e) && settle_filters(e) && settle_groups(e)));
}

/* All at one owner: its own SQL would do both. */
static bool has_one_owner(const early *e)
{
    const char *owner = NULL;

    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        const cm_relation *relation = &e->query->relation[rel];
        if ((e->all >> rel & 1) == 0) {
            continue;
        }
        if (relation->derived != NULL || relation->tables != 1) {
            return false;
        }
        if (owner != NULL && strcmp(owner, relation->table[0]->org) != 0) {
            return false;
        }
        owner = relation->table[0]->org;
    }
    return true;
}

/* ---- the two queries ---- */

static cm_from *from_new(early *e, cm_from from)
{
    cm_from *ret = CM_NEW_SMALL(e->pl->arena, cm_from, 1);

    *ret = from;
    ret->position = e->query->from->position;
    return ret;
}

static const cm_from *filtered(early *e, size_t i, const cm_from *from)
{
    cm_from *filter = CM_NEW_SMALL(e->pl->arena, cm_from, 1);

    *filter = *e->filter[i];
    filter->left = from;
    return filter;
}

/* The groups and the relations above, joined without conditions.  A filter that looks at one
 * relation goes there, before anything wide joins it. */
static const cm_from *outer_from(early *e)
{
    const cm_from *ret = from_new(e, (cm_from){.kind = CM_FROM_RELATION, .rel = e->rel});

    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        uint64_t own = (uint64_t)1 << rel;
        if ((e->above & own) == 0) {
            continue;
        }
        const cm_from *leaf = from_new(e, (cm_from){.kind = CM_FROM_RELATION, .rel = rel});
        for (size_t i = e->filters; i-- > 0;) {
            leaf = filter_rels(e, i) == own ? filtered(e, i, leaf) : leaf;
        }
        ret = from_new(e, (cm_from){.kind = CM_FROM_CROSS, .left = ret, .right = leaf});
    }
    for (size_t i = e->filters; i-- > 0;) {
        uint64_t rels = filter_rels(e, i);
        if (!within(rels, e->below) && (rels & (rels - 1)) != 0) {
            ret = filtered(e, i, ret);
        }
    }
    return ret;
}

/* Those below, joined without conditions, their filters on top. */
static const cm_from *inner_from(early *e)
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
        ret = within(filter_rels(e, i), e->below) ? filtered(e, i, ret) : ret;
    }
    return ret;
}

static const cm_expr *where_of(early *e, bool below)
{
    cm_exprs list = {0};

    for (size_t i = 0; i < e->conjuncts.count; i++) {
        if (within(cm_expr_rels(e->conjuncts.at[i]), e->below) == below) {
            cm_exprs_add(e->pl->arena, &list, e->conjuncts.at[i]);
        }
    }
    return cm_plan_and(e->pl, &list);
}

static void drop_repeated(early *e)
{
    cm_exprs kept = {0};

    for (size_t i = 0; i < e->keys.count; i++) {
        if (!holds(&kept, e->keys.at[i])) {
            cm_exprs_add(e->pl->arena, &kept, e->keys.at[i]);
        }
    }
    e->keys = kept;
}

static const char *name_of(const early *e, const cm_expr *expr)
{
    if (expr->op != CM_X_COLUMN) {
        return "expression";
    }
    const cm_relation *relation = &e->query->relation[expr->rel];
    return expr->index < relation->cols ? relation->col[expr->index].name : "org";
}

/* SELECT keys, aggregates FROM those below GROUP BY keys, and its columns as a relation's. */
static void make_inner(early *e, cm_relation *ret)
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
    early *e = arg;

    for (size_t i = 0; i < e->inner->targets; i++) {
        if (cm_expr_equal(e->inner->target[i].expr, expr)) {
            return cm_expr_column(e->pl->arena, e->rel, (unsigned)i, expr->type, expr->nullable,
                                  expr->range, expr->position);
        }
    }
    return NULL;
}

static cm_status rewrite(early *e, const cm_expr *expr, const cm_expr **ret)
{
    return cm_expr_rewrite(e->pl->arena, expr, to_column, e, ret, e->pl->diag);
}

static cm_status make_outer(early *e, const cm_relation *groups, cm_query *outer)
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
        relation[rel].once = relation[rel].once || (e->above >> rel & 1) != 0;
    }
    *outer = *query;
    outer->relations = query->relations + 1;
    outer->relation = relation;
    outer->from = outer_from(e);
    outer->grouped = false;
    outer->groups = 0;
    outer->having = NULL;
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
        cm_exprs_add(e->pl->arena, &where, expr);
    }
    outer->where = cm_plan_and(e->pl, &where);
    return st;
}

cm_status cm_plan_early(cm_planner *pl, const cm_query *query, const cm_query **ret)
{
    early e = {.pl = pl};
    cm_relation groups;

    *ret = query;
    if (!query->grouped || query->merges || query->groups == 0 || query->from == NULL) {
        return CM_OK;
    }
    cm_status st = cm_plan_flatten(pl, query, &e.query);
    if (st != CM_OK || e.query->relations >= CM_PLAN_RELATIONS_MAX || !collect_from(&e) ||
        !collect_aggregates(&e)) {
        return st;
    }
    start_below(&e);
    settle(&e);
    if (e.above == 0 || has_one_owner(&e)) {
        return CM_OK;
    }
    e.rel = (unsigned)e.query->relations;
    make_inner(&e, &groups);
    cm_query *outer = CM_NEW_SMALL(pl->arena, cm_query, 1);
    st = make_outer(&e, &groups, outer);
    if (st == CM_OK) {
        *ret = outer;
    }
    return st;
}
