/*
 * Grouping before joins.  A relation that a grouped query joins by its own unique key, and uses for
 * nothing but its keys, answers and conditions, adds no rows to a group: the others can be grouped
 * first, by what they are joined on, and the relation joined to the groups.
 *
 *     SELECT c.id, c.name, sum(o.price) FROM o, c WHERE o.customer = c.id GROUP BY c.id, c.name
 *     SELECT c.id, c.name, g.sum FROM c,
 *         (SELECT o.customer, sum(o.price) FROM o GROUP BY o.customer) g WHERE g.customer = c.id
 *
 * What is wide then travels with the groups instead of with the rows, a group's key is narrow, and
 * owners may be able to group their own rows.  Where the new keys follow from the old ones, groups
 * stay what they are.  Else the joined groups are grouped again, where there are far fewer of them
 * than rows.  Eager aggregation of Yan and Larson, VLDB 1995.
 */
#include "sql/plan_early.h"

#include <string.h>

/* ---- what the query is made of ---- */

static bool collect_core(cm_early *e, const cm_from *from)
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

static bool collect_from(cm_early *e)
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
    cm_early *e = arg;

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

/* Can be made of the same of parts of the rows. */
static bool adds_up(const cm_expr *agg)
{
    return !agg->distinct &&
           (agg->aggregate == CM_AGGREGATE_COUNT || agg->aggregate == CM_AGGREGATE_SUM ||
            agg->aggregate == CM_AGGREGATE_MIN || agg->aggregate == CM_AGGREGATE_MAX);
}

static bool collect_aggregates(cm_early *e)
{
    bool fine = true;

    for (size_t i = 0; i < e->query->targets; i++) {
        (void)cm_expr_walk(e->query->target[i].expr, collect_aggregate, e);
    }
    if (e->query->having != NULL) {
        (void)cm_expr_walk(e->query->having, collect_aggregate, e);
    }
    e->may_regroup = e->pl->min_rows == 0; /* K counts rows, not groups */
    for (size_t i = 0; i < e->aggs; i++) {
        e->below |= cm_expr_rels(e->agg[i]);
        fine = fine && cm_expr_walk(e->agg[i], cannot_fail, NULL);
        e->may_regroup = e->may_regroup && adds_up(e->agg[i]);
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
static void start_below(cm_early *e)
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

/* The column, alone, has no value twice in the rows of any one owner. */
static bool is_owners_key(const cm_early *e, const cm_expr *expr)
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
    return unique;
}

/* Relations of which several rows may hang from one below, one of each owner: each adds what a
 * group has, so that groups are grouped again. */
static uint64_t loose_rels(const cm_early *e)
{
    uint64_t ret = 0;

    for (unsigned rel = 0; !e->pl->settings.cross_owner_keys && rel < e->query->relations; rel++) {
        if (e->query->relation[rel].tables > 1) {
            ret |= (uint64_t)1 << rel;
        }
    }
    return ret & e->all;
}

/*
 * The column, alone, has no value twice in all of the relation.  Over several owners that is
 * presumed, and checked by the join that relies on it: so it is used of relations joined later.
 */
static bool is_unique_column(const cm_early *e, const cm_expr *expr)
{
    return is_owners_key(e, expr) &&
           (e->query->relation[expr->rel].tables == 1 ||
            (e->pl->settings.cross_owner_keys && (e->above >> expr->rel & 1) != 0));
}

/* An equality of an owner's key of the relation and something of the others' rows. */
static bool is_link(const cm_early *e, const cm_expr *expr, unsigned rel, const cm_expr **ret_other)
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
    return cm_expr_rels(left) == own && is_owners_key(e, left) && others != 0 &&
           (others & own) == 0 && (others & (others - 1)) == 0;
}

static bool is_linked(const cm_early *e, unsigned rel, uint64_t placed)
{
    const cm_expr *other;

    for (size_t i = 0; i < e->conjuncts.count; i++) {
        if (is_link(e, e->conjuncts.at[i], rel, &other) &&
            cm_rels_within(cm_expr_rels(other), placed)) {
            return true;
        }
    }
    return false;
}

/* Relations above hang from those below by their keys; what does not hang goes below. */
static bool settle_links(cm_early *e)
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
    bool settled = cm_rels_within(e->above, placed);
    e->above &= placed;
    e->below = e->all & ~e->above;
    return settled;
}

/*
 * A condition on both sides has to be an equality with a value of the rows below, which becomes a
 * key; else everything in it goes below.
 */
static bool settle_conditions(cm_early *e)
{
    for (size_t i = 0; i < e->conjuncts.count; i++) {
        const cm_expr *c = e->conjuncts.at[i];
        uint64_t rels = cm_expr_rels(c);
        if (cm_rels_within(rels, e->above) || cm_rels_within(rels, e->below)) {
            continue;
        }
        const cm_expr *side = NULL;
        for (size_t s = 0; c->op == CM_X_EQ && s < 2; s++) {
            if (cm_rels_within(cm_expr_rels(c->arg[s]), e->below) &&
                cm_rels_within(cm_expr_rels(c->arg[1 - s]), e->above)) {
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

uint64_t cm_early_filter_rels(const cm_early *e, size_t filter)
{
    const cm_expr *on = e->filter[filter]->on;

    return (on != NULL ? cm_expr_rels(on) : 0) & e->all;
}

/* Filters by EXISTS and IN stay whole: with what they look at, above or below. */
static bool settle_filters(cm_early *e)
{
    for (size_t i = 0; i < e->filters; i++) {
        uint64_t rels = cm_early_filter_rels(e, i);
        if (!cm_rels_within(rels, e->above) && !cm_rels_within(rels, e->below)) {
            e->above &= ~rels;
            e->below = e->all & ~e->above;
            return false;
        }
    }
    return true;
}

/* ---- whether groups stay what they are ---- */

static bool is_known(const cm_early *e, const cm_expr *expr)
{
    return cm_exprs_have(&e->known, expr) || cm_rels_within(cm_expr_rels(expr), e->whole);
}

static bool learn(cm_early *e, const cm_expr *expr)
{
    if (is_known(e, expr)) {
        return false;
    }
    cm_exprs_add(e->pl->arena, &e->known, expr);
    return true;
}

/* One value of a unique column is one row; equal values are known together. */
static void find_known(cm_early *e)
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

static uint64_t values_of(const cm_expr *expr)
{
    CM_ASSERT(expr != NULL);
    return cm_expr_is_text(expr) ? UINT64_MAX : cm_range_values(expr->range, expr->nullable);
}

static uint64_t times(uint64_t a, uint64_t b)
{
    return cm_times_most(a, b, UINT32_MAX);
}

/* How many rows of the loose relations of a set can hang from one row. */
static uint64_t repeats_of(const cm_early *e, uint64_t rels)
{
    uint64_t ret = 1;

    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        if ((rels & loose_rels(e)) >> rel & 1) {
            ret = times(ret, e->query->relation[rel].tables);
        }
    }
    return ret;
}

/* So many groups before the joins that grouping again costs little: far fewer than rows. */
static bool has_few_groups(cm_early *e)
{
    enum { ROWS_A_GROUP = 8 };
    uint64_t most = 0, groups = 1, largest = 0;

    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        uint64_t rows = (e->below >> rel & 1) != 0 ? rows_of(&e->query->relation[rel]) : 0;
        largest = rows > most ? (uint64_t)1 << rel : largest;
        most = rows > most ? rows : most;
    }
    most = times(most, repeats_of(e, e->below & ~largest));
    for (size_t i = 0; i < e->keys.count; i++) {
        uint64_t values = values_of(e->keys.at[i]);
        bool again = false;
        for (size_t j = 0; j < i; j++) {
            again = again || cm_expr_equal(e->keys.at[j], e->keys.at[i]);
        }
        if (!again && (values > most || groups * values > most)) {
            return false;
        }
        groups *= again ? 1 : values;
    }
    e->most_groups = times(groups, repeats_of(e, e->above));
    return groups * ROWS_A_GROUP <= most;
}

/*
 * One more grouping costs about what a join of the most rows does; so one of those has to go.
 * Relations that hang from small ones are joined there anyway.
 */
static bool spares_a_join(const cm_early *e)
{
    unsigned largest = 0;
    uint64_t most = 0;

    if ((loose_rels(e) & e->above) != 0) {
        return true; /* each join makes more rows */
    }
    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        uint64_t rows = (e->below >> rel & 1) != 0 ? rows_of(&e->query->relation[rel]) : 0;
        largest = rows > most ? rel : largest;
        most = rows > most ? rows : most;
    }
    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        if ((e->above >> rel & 1) != 0 && is_linked(e, rel, (uint64_t)1 << largest)) {
            return true;
        }
    }
    return false;
}

/* Whatever is joined on the key. */
static void join_below(cm_early *e, const cm_expr *key)
{
    uint64_t linked = 0;

    for (size_t i = 0; i < e->conjuncts.count; i++) {
        const cm_expr *c = e->conjuncts.at[i];
        if (c->op == CM_X_EQ && (cm_expr_equal(cm_expr_strip(c->arg[0]), key) ||
                                 cm_expr_equal(cm_expr_strip(c->arg[1]), key))) {
            linked |= cm_expr_rels(c);
        }
    }
    e->above &= ~linked;
    e->below = e->all & ~e->above;
}

/* The old keys that the rows below have; one of both sides keeps its relations below. */
static bool settle_groups(cm_early *e)
{
    for (size_t i = 0; i < e->query->groups; i++) {
        const cm_expr *group = e->query->group[i];
        uint64_t rels = cm_expr_rels(group);
        bool ours = cm_rels_within(rels, e->below);
        if (!ours && !cm_rels_within(rels, e->above)) {
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
    const cm_expr *finest = NULL;
    for (size_t i = 0; i < e->keys.count; i++) {
        const cm_expr *key = e->keys.at[i];
        CM_ASSERT(key != NULL);
        if (!is_known(e, key) && (finest == NULL || values_of(key) > values_of(finest))) {
            finest = key;
        }
    }
    e->regroup = finest != NULL || (loose_rels(e) & e->above) != 0;
    if (e->regroup && (!e->may_regroup || !has_few_groups(e) || !spares_a_join(e))) {
        if (finest != NULL) {
            join_below(e, finest);
        } else {
            e->above &= ~loose_rels(e);
            e->below = e->all & ~e->above;
        }
        return false;
    }
    return true;
}

/* Relations move below until everything is settled; e->above is what can be joined later. */
static void settle(cm_early *e)
{
    e->above = e->all & ~e->below;
    for (unsigned rel = 0; rel < e->query->relations; rel++) {
        if (e->query->relation[rel].derived != NULL) {
            e->above &= ~((uint64_t)1 << rel);
        }
    }
    e->below = e->all & ~e->above;
    for (bool settled = false; e->above != 0 && !settled;) {
        uint64_t before = e->above;
        e->keys = (cm_exprs){0};
        find_known(e);
        settled = settle_links(e) && settle_conditions(e) && settle_filters(e) && settle_groups(e);
        e->above = settled || e->above != before ? e->above : 0; /* each step moves something */
    }
}

/* All at one owner: its own SQL would do both. */
static bool has_one_owner(const cm_early *e)
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

cm_status cm_plan_early(cm_planner *pl, const cm_query *query, const cm_query **ret)
{
    cm_early e = {.pl = pl};

    *ret = query;
    if (!query->grouped || query->merges || query->groups == 0 || query->from == NULL) {
        return CM_OK;
    }
    cm_status st = cm_plan_flatten(pl, query, !pl->own_late, &e.query);
    if (st != CM_OK || e.query->relations >= CM_PLAN_RELATIONS_MAX || !collect_from(&e) ||
        !collect_aggregates(&e)) {
        return st;
    }
    start_below(&e);
    settle(&e);
    if (e.above == 0 || has_one_owner(&e)) {
        return CM_OK;
    }
    st = cm_early_build(&e, ret);
    if (st == CM_ERANGE) { /* bounds of sums of sums are wider: as it was, then */
        cm_diag_reset(pl->diag);
        *ret = query;
        st = CM_OK;
    }
    return st;
}
