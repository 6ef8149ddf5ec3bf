/*
 * A grouping and a join on its keys, as one.  Both sort the same rows by the same keys; RANGES
 * sorts them once, together with the rows that the groups are joined to, and leaves each of these
 * in its place, with the aggregates of its own group beside it:
 *
 *     JOIN(orders, GROUP BY l_orderkey of lineitem)   is   RANGES(lineitem, orders), where count >
 * 0
 *
 * What filters and computes between the grouping and the join does so behind RANGES.  Aggregates
 * are sums and counts.  Whether that costs less is the cost model's to say.
 */
#include "sql/plan_join.h"

enum { CHAIN_MAX = 16 };

typedef struct fuse {
    cm_planner *pl;
    const cm_plan_node *join, *group, *rows; /* rows: that groups are joined to */
    bool groups_first;                       /* the groups are child 0, the unique side */
    const cm_plan_node *chain[CHAIN_MAX];    /* FILTER and PROJECT above the group, top first */
    size_t chains;
    cm_plan_node *ranges;
    const cm_expr **value; /* per column of what the chain has come to: over ranges' columns */
    cm_exprs conditions;
} fuse;

/* The grouping below filters and projections. */
static bool find_group(fuse *f, const cm_plan_node *node)
{
    f->chains = 0;
    while (node->op == CM_PLAN_FILTER || node->op == CM_PLAN_PROJECT) {
        if (f->chains == CHAIN_MAX) {
            return false;
        }
        f->chain[f->chains++] = node;
        node = node->child[0];
    }
    f->group = node;
    return node->op == CM_PLAN_GROUP_SORT && node->keys > 0;
}

static bool adds_up(const cm_plan_node *group)
{
    for (size_t i = 0; i < group->aggs; i++) {
        const cm_plan_agg *agg = &group->agg[i];
        bool sum = agg->aggregate == CM_AGGREGATE_COUNT || agg->aggregate == CM_AGGREGATE_SUM;
        if (!sum || agg->any || agg->distinct) {
            return false;
        }
    }
    return true;
}

/* Column of the grouping that a column above the chain is; its number of columns: none. */
static size_t origin(const fuse *f, size_t col)
{
    for (size_t i = 0; i < f->chains; i++) {
        if (f->chain[i]->op == CM_PLAN_PROJECT) {
            const cm_expr *expr = f->chain[i]->expr[col];
            if (expr->op != CM_X_COLUMN) {
                return f->group->cols;
            }
            col = expr->index;
        }
    }
    return col;
}

static bool same_planes(const cm_plan_col *a, const cm_plan_col *b)
{
    return a->enc.kind == b->enc.kind && a->enc.lo == b->enc.lo && a->enc.planes == b->enc.planes;
}

/* Joined by all keys of the grouping, each once: ret[k] is the rows' column for key k. */
static bool match_keys(const fuse *f, unsigned *ret)
{
    const unsigned *of_groups =
        f->groups_first ? f->join->join.unique_key : f->join->join.other_key;
    const unsigned *of_rows = f->groups_first ? f->join->join.other_key : f->join->join.unique_key;
    uint64_t found = 0;

    if (f->join->join.keys != f->group->keys || f->group->keys > 64) {
        return false;
    }
    for (size_t i = 0; i < f->join->join.keys; i++) {
        size_t key = origin(f, of_groups[i]);
        if (key >= f->group->keys || (found >> key & 1) != 0 ||
            !same_planes(&f->group->child[0]->col[f->group->key[key]], &f->rows->col[of_rows[i]])) {
            return false;
        }
        found |= (uint64_t)1 << key;
        ret[key] = of_rows[i];
    }
    return true;
}

/* RANGES over what is grouped, for the rows. */
static void make_ranges(fuse *f, const unsigned *key)
{
    const cm_plan_node *group = f->group, *points = group->child[0], *rows = f->rows;
    size_t cols = rows->cols + group->aggs + 1;
    cm_plan_node *node = cm_node_new(f->pl, CM_PLAN_RANGES, rows->rows, cols);

    node->join.kind = CM_FROM_LEFT;
    node->join.keys = group->keys;
    node->join.unique_key = group->key;
    node->join.other_key = key;
    node->keys = rows->cols;
    node->aggs = group->aggs;
    node->agg = group->agg;
    node->check = f->join->check;
    for (size_t i = 0; i < cols; i++) {
        cm_node_cols(node)[i] =
            i < rows->cols ? rows->col[i] : group->col[group->keys + i - rows->cols];
    }
    cm_node_children(
        f->pl, node,
        (cm_plan_node *[]){(cm_plan_node *)(uintptr_t)points, (cm_plan_node *)(uintptr_t)rows}, 2);
    f->ranges = node;
    f->value = CM_NEW_SMALL(f->pl->arena, const cm_expr *, group->cols + 1);
    for (size_t i = 0; i < group->cols; i++) {
        f->value[i] =
            cm_node_column(f->pl, node, i < group->keys ? key[i] : rows->cols + i - group->keys);
    }
}

static const cm_expr *value_of(const cm_expr *expr, void *arg)
{
    const fuse *f = arg;

    return expr->op == CM_X_COLUMN ? f->value[expr->index] : NULL;
}

/* What the chain filters and computes, over ranges' columns. */
static cm_status follow_chain(fuse *f)
{
    cm_planner *pl = f->pl;
    cm_status st = CM_OK;

    for (size_t i = f->chains; st == CM_OK && i-- > 0;) {
        const cm_plan_node *node = f->chain[i];
        if (node->op == CM_PLAN_FILTER) {
            const cm_expr *condition;
            st = cm_expr_rewrite(pl->arena, node->condition, value_of, f, &condition, pl->diag);
            if (st == CM_OK) {
                cm_exprs_add(pl->arena, &f->conditions, condition);
            }
            continue;
        }
        const cm_expr **value = CM_NEW_SMALL(pl->arena, const cm_expr *, node->cols + 1);
        for (size_t c = 0; st == CM_OK && c < node->cols; c++) {
            st = cm_expr_rewrite(pl->arena, node->expr[c], value_of, f, &value[c], pl->diag);
        }
        f->value = value;
    }
    return st;
}

/* The rows whose group is there and passes; none of those for ANTI. */
static cm_status filter_rows(fuse *f, cm_plan_node **ret)
{
    cm_planner *pl = f->pl;
    const cm_expr *there, *all;
    cm_exprs list = {0};

    cm_status st = cm_plan_op_new(pl, CM_X_GT, cm_plan_bool_type(),
                                  cm_node_column(pl, f->ranges, f->ranges->cols - 1),
                                  cm_plan_int(pl, 0), &there);
    if (st != CM_OK) {
        return st;
    }
    cm_exprs_add(pl->arena, &list, there);
    for (size_t i = 0; i < f->conditions.count; i++) {
        cm_exprs_add(pl->arena, &list, f->conditions.at[i]);
    }
    all = cm_plan_and(pl, &list);
    if (f->join->join.kind == CM_FROM_ANTI) {
        st = cm_plan_op_new(pl, CM_X_IS_TRUE, cm_plan_bool_type(), all, NULL, &all);
        if (st == CM_OK) {
            st = cm_plan_op_new(pl, CM_X_NOT, cm_plan_bool_type(), all, NULL, &all);
        }
    }
    if (st == CM_OK) {
        *ret = cm_node_filter(pl, f->ranges, all);
    }
    return st;
}

/* The join's columns: child 1's, then the payload of child 0. */
static const cm_expr *output_of(const fuse *f, const cm_plan_node *node, size_t col)
{
    size_t of_other = f->join->child[1]->cols;
    bool from_first = col >= of_other;
    size_t at = from_first ? f->join->join.payload[col - of_other] : col;

    return from_first == f->groups_first ? f->value[at] : cm_node_column(f->pl, node, at);
}

static cm_status build(fuse *f, const unsigned *key, cm_plan_node **ret)
{
    const cm_expr **exprs = CM_NEW_SMALL(f->pl->arena, const cm_expr *, f->join->cols + 1);
    cm_plan_node *node;

    make_ranges(f, key);
    cm_status st = follow_chain(f);
    if (st == CM_OK) {
        st = filter_rows(f, &node);
    }
    if (st != CM_OK) {
        return st;
    }
    for (size_t i = 0; i < f->join->cols; i++) {
        exprs[i] = output_of(f, node, i);
    }
    *ret = cm_node_project(f->pl, node, exprs, f->join->col, f->join->cols);
    return CM_OK;
}

static bool is_fit(fuse *f, unsigned *ret_key)
{
    cm_from_kind kind = f->join->join.kind;
    const cm_plan_node *groups = f->join->child[f->groups_first ? 0 : 1];

    if (kind != CM_FROM_INNER &&
        !(f->groups_first && (kind == CM_FROM_SEMI || kind == CM_FROM_ANTI))) {
        return false;
    }
    f->rows = f->join->child[f->groups_first ? 1 : 0];
    return f->join->join.keys > 0 && !(f->groups_first && f->join->check > 0) &&
           find_group(f, groups) && adds_up(f->group) && match_keys(f, ret_key);
}

static const cm_fragment *first_input(const cm_plan_node *node)
{
    while (node->children > 0) {
        node = node->child[0];
    }
    return node->fragment;
}

/* Whether the rows come from a grouping that looks like this one, which is then computed anyway. */
static bool groups_alike(const fuse *f, const cm_plan_node *node)
{
    const cm_fragment *x = first_input(node), *y = first_input(f->group);

    if (node->op == CM_PLAN_GROUP_SORT && node->keys == f->group->keys && x != NULL && y != NULL &&
        x->table == y->table) {
        return true;
    }
    for (size_t i = 0; i < node->children; i++) {
        if (groups_alike(f, node->child[i])) {
            return true;
        }
    }
    return false;
}

static bool pays(const fuse *f, const cm_plan_node *fused)
{
    const cm_plan_settings *settings = &f->pl->settings;
    double now = cm_plan_cost_group(f->join, settings), then = 0;

    now += groups_alike(f, f->rows) ? 0 : cm_plan_cost_group(f->group, settings);

    for (const cm_plan_node *node = fused;
         node != f->ranges->child[0] && node != f->ranges->child[1]; node = node->child[0]) {
        then += cm_plan_cost_group(node, settings);
    }
    for (size_t i = 0; i < f->chains; i++) {
        now += cm_plan_cost_group(f->chain[i], settings);
    }
    return then < now;
}

cm_status cm_join_fuse(cm_planner *pl, cm_plan_node *join, cm_plan_node **ret)
{
    *ret = join;
    for (unsigned side = 0; side < 2; side++) {
        fuse f = {.pl = pl, .join = join, .groups_first = side == 1};
        unsigned *key = CM_NEW_SMALL(pl->arena, unsigned, join->join.keys + 1);
        cm_plan_node *fused;
        if (!is_fit(&f, key)) {
            continue;
        }
        cm_status st = build(&f, key, &fused);
        if (st != CM_OK) {
            return st;
        }
        if (pays(&f, fused)) {
            *ret = fused;
            return CM_OK;
        }
    }
    return CM_OK;
}
