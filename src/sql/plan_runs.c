/*
 * Which owners deliver their rows sorted, and who merges them: docs/design/plan.md, "Runs".
 *
 * An operator that would sort looks down its children for what their rows are made of.  Where that
 * is rows of INPUT nodes in the order in which they came, each of these can be asked for an order,
 * and the operator merges runs instead.  An INPUT has one order, so operators compete: the one that
 * saves most is served first.  This is done when nodes have numbers, so that no rows are shared
 * twice because they are wanted in two orders.
 */
#include "sql/plan_int.h"

#include <string.h>

enum { LEAVES_MAX = 64 };

/* Where rows come from, top to bottom. */
typedef struct leaves {
    size_t count, orders;
    cm_plan_node *leaf[LEAVES_MAX];
    const cm_order *order[LEAVES_MAX]; /* wanted of each, in its own columns: orders entries */
    bool valid_first;                  /* rows that do not count come last in each run */
    bool by_keys;                      /* they are in the order of their keys all the same */
} leaves;

typedef struct candidate {
    cm_plan_node *node;
    size_t sides;
    leaves side[2];
    double saved; /* seconds */
    bool done;
} candidate;

typedef struct delivery {
    cm_planner *pl;
    size_t candidates;
    candidate *candidate;
} delivery;

static cm_plan_node *writable(const cm_plan_node *node)
{
    return (cm_plan_node *)(uintptr_t)node; /* the plan is not finished */
}

/* ---- looking down -------------------------------------------------------------------------- */

/* The order in columns of the only child; NULL where one of them is computed. */
static const cm_order *through_project(cm_planner *pl, const cm_plan_node *node,
                                       const cm_order *order, size_t orders)
{
    cm_order *ret = CM_NEW_SMALL(pl->arena, cm_order, orders + 1);

    for (size_t i = 0; i < orders; i++) {
        const cm_expr *expr = node->expr[order[i].target];
        if (expr->op != CM_X_COLUMN) {
            return NULL;
        }
        ret[i] = order[i];
        ret[i].target = expr->index;
    }
    return ret;
}

bool cm_plan_window_tells_ties(const cm_plan_window *window)
{
    switch (window->function) {
    case CM_WIN_RANK:
    case CM_WIN_DENSE_RANK:
        return false;
    case CM_WIN_COUNT:
    case CM_WIN_SUM:
    case CM_WIN_MIN:
    case CM_WIN_MAX:
        return window->frame != CM_WIN_PEERS && window->frame != CM_WIN_PARTITION;
    case CM_WIN_ROW_NUMBER:
    case CM_WIN_LAG:
    case CM_WIN_LEAD:
    case CM_WIN_FIRST:
    case CM_WIN_LAST:
        break;
    }
    return true;
}

static bool within(const cm_order *order, size_t orders, size_t cols)
{
    for (size_t i = 0; i < orders; i++) {
        if (order[i].target >= cols) {
            return false;
        }
    }
    return true;
}

/* Groups come in the order of their keys, and rows that are none after them. */
static bool is_group_order(const cm_plan_node *node, const cm_order *order, size_t orders)
{
    for (size_t i = 0; i < orders; i++) {
        if (order[i].target != i || order[i].descending || order[i].nulls_first) {
            return false;
        }
    }
    return orders <= node->keys;
}

static bool add_leaf(const cm_plan_node *node, const cm_order *order, leaves *ret)
{
    if (ret->count == LEAVES_MAX) {
        return false;
    }
    ret->leaf[ret->count] = writable(node);
    ret->order[ret->count++] = order;
    return true;
}

static bool look_down(cm_planner *pl, const cm_plan_node *node, const cm_order *order, leaves *ret)
{
    for (;;) {
        switch ((int)node->op) {
        case CM_PLAN_INPUT:
            return !node->fragment->aggregated && add_leaf(node, order, ret);
        case CM_PLAN_GROUP_SORT:
            ret->by_keys = false;
            return is_group_order(node, order, ret->orders) && add_leaf(node, order, ret);
        case CM_PLAN_CONCAT:
            for (size_t i = 0; i < node->children; i++) {
                if (!look_down(pl, node->child[i], order, ret)) {
                    return false;
                }
            }
            return true;
        case CM_PLAN_FILTER:
            ret->valid_first = false;
            node = node->child[0];
            break;
        case CM_PLAN_PROJECT:
            order = through_project(pl, node, order, ret->orders);
            if (order == NULL) {
                return false;
            }
            node = node->child[0];
            break;
        case CM_PLAN_JOIN: /* the other side's rows stay where they are */
            ret->valid_first = ret->valid_first && node->join.kind == CM_FROM_LEFT;
            node = node->child[1];
            break;
        case CM_PLAN_RANGES:
            node = node->child[1];
            break;
        case CM_PLAN_NUMBER:
            node = node->child[0];
            break;
        default:
            return false;
        }
        if (!within(order, ret->orders, node->cols)) {
            return false;
        }
    }
}

/* ---- who could merge ----------------------------------------------------------------------- */

static cm_order *ascending(cm_planner *pl, const unsigned *col, size_t cols)
{
    cm_order *ret = CM_NEW_SMALL(pl->arena, cm_order, cols + 2);

    for (size_t i = 0; i < cols; i++) {
        ret[i].target = col[i];
    }
    return ret;
}

static bool find_side(cm_planner *pl, const cm_plan_node *child, const cm_order *order,
                      size_t orders, leaves *ret)
{
    *ret = (leaves){.orders = orders, .valid_first = true, .by_keys = true};
    return orders > 0 && look_down(pl, child, order, ret);
}

/* The keys, then the column whose values are wanted in order. */
static bool find_group(cm_planner *pl, cm_plan_node *node, candidate *ret)
{
    cm_order *order = ascending(pl, node->key, node->keys);
    size_t orders = node->keys;

    for (size_t i = 0; i < node->aggs && orders == node->keys; i++) {
        const cm_plan_agg *agg = &node->agg[i];
        if (agg->distinct || (!agg->any && cm_aggregate_is_ordered(agg->aggregate))) {
            order[orders++].target = (unsigned)agg->col;
        }
    }
    ret->sides = 1;
    return find_side(pl, node->child[0], order, orders, &ret->side[0]);
}

/* Where some function tells ties apart, they have to come in a random order. */
static bool find_window(cm_planner *pl, cm_plan_node *node, candidate *ret)
{
    cm_order *order = CM_NEW_SMALL(pl->arena, cm_order, node->keys + node->orders + 1);
    bool tells = false;

    for (size_t i = 0; i < node->windows; i++) {
        tells = tells || cm_plan_window_tells_ties(&node->window[i]);
    }
    for (size_t i = 0; i < node->keys; i++) {
        order[i].target = node->key[i];
    }
    for (size_t i = 0; i < node->orders; i++) {
        order[node->keys + i] = node->order[i];
    }
    ret->sides = 1;
    return !tells && find_side(pl, node->child[0], order, node->keys + node->orders, &ret->side[0]);
}

static bool find_join(cm_planner *pl, cm_plan_node *node, candidate *ret)
{
    size_t keys = node->join.keys;
    const cm_order *unique = ascending(pl, node->join.unique_key, keys);
    const cm_order *other = ascending(pl, node->join.other_key, keys);

    ret->sides = 2;
    return find_side(pl, node->child[0], unique, keys, &ret->side[0]) &&
           find_side(pl, node->child[1], other, keys, &ret->side[1]) &&
           ((ret->side[0].by_keys && ret->side[1].by_keys) ||
            (ret->side[0].valid_first && ret->side[1].valid_first));
}

/* By the keys, and where there is one bound by what it bounds; two bounds are two orders, and to
 * check for repeated keys takes one that nobody can deliver. */
static bool find_ranges(cm_planner *pl, cm_plan_node *node, candidate *ret)
{
    const cm_plan_bound *lower = &node->range.lower, *upper = &node->range.upper;
    size_t keys = node->join.keys, orders = keys;
    cm_order *points = ascending(pl, node->join.unique_key, keys);
    cm_order *intervals = ascending(pl, node->join.other_key, keys);

    if (lower->given || upper->given) {
        points[orders].target = node->range.order;
        intervals[orders++].target = lower->given ? lower->col : upper->col;
    }
    ret->sides = 2;
    return !(lower->given && upper->given) && !(node->op == CM_PLAN_RANGES && node->check > 0) &&
           find_side(pl, node->child[0], points, orders, &ret->side[0]) &&
           find_side(pl, node->child[1], intervals, orders, &ret->side[1]) &&
           ret->side[0].by_keys && ret->side[1].by_keys;
}

static bool find(cm_planner *pl, cm_plan_node *node, candidate *ret)
{
    switch ((int)node->op) {
    case CM_PLAN_GROUP_SORT:
        return find_group(pl, node, ret);
    case CM_PLAN_WINDOW:
        return find_window(pl, node, ret);
    case CM_PLAN_JOIN:
        return find_join(pl, node, ret);
    case CM_PLAN_JOIN_MANY:
    case CM_PLAN_RANGES:
        return find_ranges(pl, node, ret);
    default:
        return false;
    }
}

/* A join merges by the keys alone where it can, a grouping with invalid rows last. */
static bool wants_valid_first(const candidate *c)
{
    return c->sides == 1 ? c->side[0].valid_first : !(c->side[0].by_keys && c->side[1].by_keys);
}

static void set_runs(cm_planner *pl, candidate *c)
{
    for (size_t i = 0; i < c->sides; i++) {
        const leaves *side = &c->side[i];
        const cm_plan_node **leaf = CM_NEW_SMALL(pl->arena, const cm_plan_node *, side->count + 1);
        for (size_t k = 0; k < side->count; k++) {
            leaf[k] = side->leaf[k];
        }
        c->node->runs[i] = (cm_plan_runs){side->count, leaf};
    }
    c->node->runs_valid_first = wants_valid_first(c);
}

/* What merging saves by the cost model, if the runs are there. */
static double estimate(cm_planner *pl, candidate *c)
{
    cm_plan_node with = *c->node;
    cm_plan_node *node = c->node;

    c->node = &with;
    set_runs(pl, c);
    c->node = node;
    cm_plan_node without = *node;
    cm_plan_cost_node(&with, &pl->settings);
    cm_plan_cost_node(&without, &pl->settings);
    return without.cost.seconds - with.cost.seconds;
}

static void find_candidate(delivery *d, cm_plan_node *node)
{
    candidate *c = &d->candidate[d->candidates];

    *c = (candidate){.node = node};
    bool found = find(d->pl, node, c) && (wants_valid_first(c) || c->side[0].by_keys);
    if (found) {
        c->saved = estimate(d->pl, c);
        d->candidates += c->saved > 0 || d->pl->settings.runs == CM_RUNS_ALWAYS;
    }
}

/* ---- who does ------------------------------------------------------------------------------ */

/* Whether one order begins with the other. */
static bool agree(const cm_order *a, size_t a_count, const cm_order *b, size_t b_count)
{
    size_t count = a_count < b_count ? a_count : b_count;

    for (size_t i = 0; i < count; i++) {
        if (a[i].target != b[i].target || a[i].descending != b[i].descending ||
            a[i].nulls_first != b[i].nulls_first) {
            return false;
        }
    }
    return true;
}

static bool ask(const leaves *side)
{
    for (size_t i = 0; i < side->count; i++) {
        cm_plan_node *leaf = side->leaf[i];
        if (leaf->op != CM_PLAN_INPUT) {
            continue;
        }
        if (!agree(leaf->sort, leaf->sorts, side->order[i], side->orders)) {
            return false;
        }
        if (leaf->sorts < side->orders) {
            leaf->sort = side->order[i];
            leaf->sorts = side->orders;
        }
    }
    return true;
}

/* Asks the owners, or leaves everything as it was. */
static void serve(delivery *d, candidate *c, cm_plan *plan)
{
    cm_plan_node *before = CM_NEW_SMALL(d->pl->arena, cm_plan_node, plan->nodes);
    bool served = true;

    for (size_t i = 0; i < plan->nodes; i++) {
        before[i] = *plan->node[i];
    }
    for (size_t i = 0; served && i < c->sides; i++) {
        served = ask(&c->side[i]);
    }
    for (size_t i = 0; !served && i < plan->nodes; i++) {
        *writable(plan->node[i]) = before[i];
    }
    if (served) {
        set_runs(d->pl, c);
    }
    c->done = true;
}

static candidate *best_left(delivery *d)
{
    candidate *best = NULL;

    for (size_t i = 0; i < d->candidates; i++) {
        candidate *c = &d->candidate[i];
        if (!c->done && (best == NULL || c->saved > best->saved)) {
            best = c;
        }
    }
    return best;
}

cm_status cm_plan_deliver(cm_planner *pl, cm_plan *plan)
{
    delivery d = {.pl = pl, .candidate = CM_NEW_SMALL(pl->arena, candidate, plan->nodes + 1)};
    bool failed = false;

    plan->always_merge = pl->settings.runs == CM_RUNS_ALWAYS;
    for (size_t i = 0; pl->settings.runs != CM_RUNS_NEVER && i < plan->nodes; i++) {
        find_candidate(&d, writable(plan->node[i]));
    }
    for (candidate *c = best_left(&d); c != NULL; c = best_left(&d)) {
        serve(&d, c, plan);
    }
    for (size_t i = 0; d.candidates > 0 && i < plan->nodes; i++) {
        cm_buf text = {0};
        cm_plan_print_node(plan->node[i], &text);
        failed = failed || text.failed;
        pl->node_text[i] = cm_arena_strdup(pl->arena, cm_buf_text(&text));
        cm_buf_free(&text);
    }
    return failed ? cm_fail(pl->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory") : CM_OK;
}
