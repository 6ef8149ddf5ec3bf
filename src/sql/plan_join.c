/*
 * Joins.  A group of parts is joined greedily: of all pairs of which one side is unique on the
 * keys, the one with the fewest rows goes first.  A join by a unique side keeps each row of the
 * other side at most once, so sizes never grow.
 */
#include "sql/plan_int.h"

#include <string.h>

/* The keys between two flows, seen from the unique one. */
typedef struct edge {
    size_t keys;
    size_t *unique_item, *other_item;
    size_t *key; /* index into the part's keys */
} edge;

static bool has(uint64_t rels, const cm_block *b, size_t item)
{
    return (rels >> b->item[item].rel & 1) != 0;
}

static edge edge_of(cm_block *b, const cm_part *part, const cm_flow *unique, const cm_flow *other)
{
    edge e = {.unique_item = CM_NEW_SMALL(b->pl->arena, size_t, part->keys + 1),
              .other_item = CM_NEW_SMALL(b->pl->arena, size_t, part->keys + 1),
              .key = CM_NEW_SMALL(b->pl->arena, size_t, part->keys + 1)};

    for (size_t i = 0; i < part->keys; i++) {
        const cm_join_key *key = &part->key[i];
        if (!key->used && has(unique->rels, b, key->left) && has(other->rels, b, key->right)) {
            e.unique_item[e.keys] = key->left;
            e.other_item[e.keys] = key->right;
            e.key[e.keys++] = i;
        } else if (!key->used && has(unique->rels, b, key->right) &&
                   has(other->rels, b, key->left)) {
            e.unique_item[e.keys] = key->right;
            e.other_item[e.keys] = key->left;
            e.key[e.keys++] = i;
        }
    }
    return e;
}

/* Injective operations on a column keep its uniqueness. */
static const cm_expr *injective_origin(const cm_expr *expr)
{
    expr = cm_expr_strip(expr);
    while (expr->op == CM_X_RESCALE && expr->type.scale >= expr->arg[0]->type.scale) {
        expr = cm_expr_strip(expr->arg[0]);
    }
    return expr;
}

static bool covers(const cm_block *b, const size_t *items, size_t count, unsigned rel, unsigned col)
{
    for (size_t i = 0; i < count; i++) {
        const cm_expr *expr = injective_origin(b->item[items[i]].expr);
        if (expr->op == CM_X_COLUMN && expr->rel == rel && expr->index == col) {
            return true;
        }
    }
    return false;
}

static bool is_unique_on(const cm_block *b, const cm_flow *flow, const size_t *items, size_t count)
{
    for (size_t u = 0; u < flow->uniques; u++) {
        const cm_unique *unique = &flow->unique[u];
        bool all = true;
        for (size_t i = 0; all && i < unique->cols; i++) {
            all = covers(b, items, count, unique->rel[i], unique->col[i]);
        }
        if (all) {
            return true;
        }
    }
    return false;
}

/* A column of zeros to join one row to everything by. */
static void add_zero_key(cm_block *b, cm_flow *flow)
{
    cm_plan_node *node = flow->node;
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, node->cols + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, node->cols + 1);
    int *item = CM_NEW_SMALL(b->pl->arena, int, node->cols + 1);

    for (size_t i = 0; i < node->cols; i++) {
        exprs[i] = cm_node_column(b->pl, node, i);
        cols[i] = node->col[i];
        item[i] = flow->item[i];
    }
    exprs[node->cols] = cm_plan_int(b->pl, 0);
    cols[node->cols] = cm_col_number("zero", cm_plan_int8_type(), (cm_range){0, 0}, false);
    item[node->cols] = -1;
    flow->node = cm_node_project(b->pl, node, exprs, cols, node->cols + 1);
    flow->item = item;
}

static void set_keys(cm_block *b, cm_plan_node *node, cm_flow *unique, cm_flow *other,
                     const edge *e)
{
    unsigned *unique_key = CM_NEW_SMALL(b->pl->arena, unsigned, e->keys + 1);
    unsigned *other_key = CM_NEW_SMALL(b->pl->arena, unsigned, e->keys + 1);

    node->join.keys = e->keys == 0 ? 1 : e->keys;
    node->join.unique_key = unique_key;
    node->join.other_key = other_key;
    if (e->keys == 0) {
        unique_key[0] = (unsigned)unique->node->cols - 1;
        other_key[0] = (unsigned)other->node->cols - 1;
    }
    for (size_t i = 0; i < e->keys; i++) {
        int x = cm_flow_column(unique, e->unique_item[i]);
        int y = cm_flow_column(other, e->other_item[i]);
        CM_ASSERT(x >= 0 && y >= 0);
        unique_key[i] = (unsigned)x;
        other_key[i] = (unsigned)y;
    }
}

/* Drops what nothing above uses any more. */
void cm_flow_prune(cm_block *b, cm_flow *flow)
{
    cm_plan_node *node = flow->node;
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, node->cols + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, node->cols + 1);
    int *item = CM_NEW_SMALL(b->pl->arena, int, node->cols + 1);
    size_t count = 0;

    for (size_t i = 0; i < node->cols; i++) {
        if (flow->item[i] >= 0 && b->item[flow->item[i]].uses > 0) {
            exprs[count] = cm_node_column(b->pl, node, i);
            cols[count] = node->col[i];
            item[count++] = flow->item[i];
        }
    }
    flow->node = cm_node_project(b->pl, node, exprs, cols, count);
    flow->item = item;
}

/* Columns of the result: other's, then of unique what is still used; after an inner join a key of
 * the unique side is the other side's key. */
static void set_columns(cm_block *b, cm_plan_node *node, const cm_flow *unique,
                        const cm_flow *other, cm_flow *ret)
{
    size_t most = unique->node->cols + other->node->cols;
    unsigned *payload = CM_NEW_SMALL(b->pl->arena, unsigned, unique->node->cols + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, most + 1);
    size_t count = other->node->cols;
    bool carries = node->join.kind == CM_FROM_INNER || node->join.kind == CM_FROM_LEFT;

    ret->item = CM_NEW_SMALL(b->pl->arena, int, most + 1);
    for (size_t i = 0; i < count; i++) {
        cols[i] = other->node->col[i];
        ret->item[i] = other->item[i];
    }
    for (size_t i = 0; carries && i < unique->node->cols; i++) {
        int item = unique->item[i];
        if (item < 0 || b->item[item].uses == 0) {
            continue;
        }
        cols[count] = unique->node->col[i];
        cols[count].enc.nullable = cols[count].enc.nullable || node->join.kind == CM_FROM_LEFT;
        ret->item[count++] = item;
        payload[node->join.payloads++] = (unsigned)i;
    }
    node->cols = count;
    node->col = cols;
    node->join.payload = payload;
}

static void join(cm_block *b, cm_part *part, cm_from_kind kind, cm_flow *unique, cm_flow *other,
                 const edge *e, cm_flow *ret)
{
    bool broadcast = e->keys == 0 && unique->node->rows == 1;

    if (e->keys == 0 && !broadcast) {
        add_zero_key(b, unique);
        add_zero_key(b, other);
    }
    cm_plan_node *node = cm_node_new(b->pl, CM_PLAN_JOIN, other->node->rows, 0);
    node->join.kind = kind;
    if (!broadcast) {
        set_keys(b, node, unique, other, e);
    }
    for (size_t i = 0; i < e->keys; i++) { /* consumed: their items may be dead now */
        cm_join_key *key = &part->key[e->key[i]];
        key->used = true;
        b->item[key->left].uses--;
        b->item[key->right].uses--;
    }
    bool carries = kind == CM_FROM_INNER || kind == CM_FROM_LEFT;
    *ret = (cm_flow){.rels = other->rels | (carries ? unique->rels : 0)};
    set_columns(b, node, unique, other, ret);
    cm_node_children(b->pl, node, (cm_plan_node *[]){unique->node, other->node}, 2);
    ret->node = node;
    ret->unique = other->unique;
    ret->uniques = other->uniques;
    cm_flow_prune(b, ret);
}

/* When both sides are unique on the keys, the uniqueness of both survives an inner join. */
static void merge_uniques(cm_block *b, const cm_flow *x, cm_flow *ret)
{
    cm_unique *all = CM_NEW_SMALL(b->pl->arena, cm_unique, x->uniques + ret->uniques + 1);

    memcpy(all, ret->unique, ret->uniques * sizeof *all);
    memcpy(all + ret->uniques, x->unique, x->uniques * sizeof *all);
    ret->unique = all;
    ret->uniques += x->uniques;
}

static const char *alias_of(const cm_block *b, uint64_t rels)
{
    return b->query->relation[__builtin_ctzll(rels)].alias;
}

static cm_status no_unique_side(cm_block *b, const cm_part *part, uint64_t x, uint64_t y,
                                bool has_keys)
{
    if (b->pl->diag != NULL && b->pl->diag->status == CM_OK) {
        b->pl->diag->position = part->position;
    }
    cm_status st = cm_fail(
        b->pl->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
        has_keys ? "join of \"%s\" and \"%s\" where neither side is unique is not supported"
                 : "join of \"%s\" and \"%s\" without an equality between them is not supported",
        alias_of(b, x), alias_of(b, y));
    cm_diag_hint(b->pl->diag,
                 has_keys ? "Declare PRIMARY KEY or UNIQUE on the join column of the table that "
                            "has each value once, or group one side by it in a subquery first."
                          : "Add an equality between columns of the two to the join condition.");
    return st;
}

/* The cheapest join of two flows of the group; false when there is none. */
static bool choose(cm_block *b, const cm_part *part, cm_flow *flow, size_t flows,
                   size_t *ret_unique, size_t *ret_other, edge *ret_edge)
{
    uint64_t least = UINT64_MAX;
    bool found = false;

    for (size_t u = 0; u < flows; u++) {
        for (size_t o = 0; o < flows; o++) {
            if (u == o) {
                continue;
            }
            edge e = edge_of(b, part, &flow[u], &flow[o]);
            uint64_t rows = flow[u].node->rows + flow[o].node->rows;
            if (!is_unique_on(b, &flow[u], e.unique_item, e.keys)) {
                continue;
            }
            if (flow[u].node->rows == 1 && is_unique_on(b, &flow[u], NULL, 0)) {
                /* One row goes to all at the end, at next to no cost; its equalities are filters.
                 */
                e.keys = 0;
                rows = UINT64_MAX - 1;
            }
            /* Of two unique sides the smaller one is kept row by row. */
            if (!found || rows < least ||
                (rows == least && flow[o].node->rows < flow[*ret_other].node->rows)) {
                *ret_unique = u;
                *ret_other = o;
                *ret_edge = e;
                least = rows;
                found = true;
            }
        }
    }
    return found;
}

static cm_status filter_residual(cm_block *b, const cm_part *part, cm_flow *flow)
{
    cm_exprs conditions = {0};
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < part->keys; i++) {
        if (!part->key[i].used) { /* closes a cycle of joins: both sides are here already */
            const cm_expr *equal;
            int x = cm_flow_column(flow, part->key[i].left);
            int y = cm_flow_column(flow, part->key[i].right);
            CM_ASSERT(x >= 0 && y >= 0);
            st = cm_plan_op_new(b->pl, CM_X_EQ, cm_plan_bool_type(),
                                cm_node_column(b->pl, flow->node, (size_t)x),
                                cm_node_column(b->pl, flow->node, (size_t)y), &equal);
            if (st == CM_OK) {
                cm_exprs_add(b->pl->arena, &conditions, equal);
                b->item[part->key[i].left].uses--;
                b->item[part->key[i].right].uses--;
            }
        }
    }
    for (size_t i = 0; st == CM_OK && i < part->residual.count; i++) {
        const cm_expr *condition;
        st = cm_flow_resolve(b, flow, part->residual.at[i], &condition);
        if (st == CM_OK) {
            cm_exprs_add(b->pl->arena, &conditions, condition);
            st = cm_block_use(b, part->residual.at[i], -1);
        }
    }
    if (st == CM_OK && conditions.count > 0) {
        flow->node = cm_node_filter(b->pl, flow->node, cm_plan_and(b->pl, &conditions));
        cm_flow_prune(b, flow);
    }
    return st;
}

static cm_status build_group(cm_block *b, cm_part *part, cm_flow *ret)
{
    cm_flow *flow = CM_NEW_SMALL(b->pl->arena, cm_flow, part->parts + 1);
    size_t flows = part->parts;

    for (size_t i = 0; i < flows; i++) {
        cm_status st = cm_block_build_part(b, part->part[i], &flow[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    while (flows > 1) {
        size_t unique = 0, other = 0;
        edge e;
        cm_flow joined;
        if (!choose(b, part, flow, flows, &unique, &other, &e)) {
            edge any = edge_of(b, part, &flow[0], &flow[1]);
            return no_unique_side(b, part, flow[0].rels, flow[1].rels, any.keys > 0);
        }
        bool both = is_unique_on(b, &flow[other], e.other_item, e.keys);
        join(b, part, CM_FROM_INNER, &flow[unique], &flow[other], &e, &joined);
        if (both) {
            merge_uniques(b, &flow[unique], &joined);
        }
        flow[unique < other ? unique : other] = joined;
        size_t hole = unique < other ? other : unique;
        for (size_t i = hole; i + 1 < flows; i++) {
            flow[i] = flow[i + 1];
        }
        flows--;
    }
    *ret = flow[0];
    return filter_residual(b, part, ret);
}

/* One row per key, for EXISTS and IN: only whether there is one matters. */
static void make_unique(cm_block *b, cm_flow *flow, const edge *e)
{
    cm_plan_node *child = flow->node;
    uint64_t groups = 1;
    unsigned *key = CM_NEW_SMALL(b->pl->arena, unsigned, e->keys + 1);
    int *item = CM_NEW_SMALL(b->pl->arena, int, e->keys + 1);
    cm_plan_node *node = cm_node_new(b->pl, CM_PLAN_GROUP_SORT, child->rows, e->keys + 1);

    for (size_t i = 0; i < e->keys; i++) {
        key[i] = (unsigned)cm_flow_column(flow, e->unique_item[i]);
        item[i] = (int)e->unique_item[i];
        cm_node_cols(node)[i] = child->col[key[i]];
        uint64_t values = cm_col_values(&child->col[key[i]]);
        groups =
            values > child->rows || groups * values > child->rows ? child->rows : groups * values;
    }
    cm_node_cols(node)[e->keys] =
        cm_col_number("count", cm_plan_int8_type(), (cm_range){0, (cm_i128)child->rows}, false);
    item[e->keys] = -1;
    node->rows = groups;
    node->keys = e->keys;
    node->key = key;
    cm_node_children(b->pl, node, &child, 1);
    flow->node = node;
    flow->item = item;
}

/* One row per key with the least and the greatest value of the compared item. */
static void group_extremes(cm_block *b, cm_part *part, cm_flow *flow, const edge *e)
{
    int value = cm_flow_column(flow, part->least_item);

    CM_ASSERT(value >= 0);
    part->greatest_item = cm_block_twin_item(b, part->least_item);
    b->item[part->greatest_item].uses = 1;
    const cm_plan_col col = flow->node->col[value];
    make_unique(b, flow, e);

    cm_plan_node *node = flow->node;
    size_t cols = node->cols + 2;
    cm_plan_col *all = CM_NEW_SMALL(b->pl->arena, cm_plan_col, cols);
    cm_plan_agg *agg = CM_NEW_SMALL(b->pl->arena, cm_plan_agg, 2);
    int *item = CM_NEW_SMALL(b->pl->arena, int, cols);
    for (size_t i = 0; i < e->keys; i++) {
        all[i] = node->col[i];
        item[i] = flow->item[i];
    }
    for (size_t i = 0; i < 2; i++) {
        agg[i] =
            (cm_plan_agg){.aggregate = i == 0 ? CM_AGGREGATE_MIN : CM_AGGREGATE_MAX, .col = value};
        all[e->keys + i] = col;
        all[e->keys + i].enc.nullable = true;
        item[e->keys + i] = (int)(i == 0 ? part->least_item : part->greatest_item);
    }
    all[cols - 1] = node->col[node->cols - 1]; /* count */
    item[cols - 1] = -1;
    node->cols = cols;
    node->col = all;
    node->aggs = 2;
    node->agg = agg;
    flow->item = item;
}

/* outer op some inner value, by its extremes. */
static cm_status compare_extremes(cm_block *b, const cm_part *part, const cm_flow *flow,
                                  const cm_expr **ret)
{
    static const cm_expr_op mirrored[] = {[CM_X_NE] = CM_X_NE,
                                          [CM_X_LT] = CM_X_GT,
                                          [CM_X_LE] = CM_X_GE,
                                          [CM_X_GT] = CM_X_LT,
                                          [CM_X_GE] = CM_X_LE};
    const cm_expr *column[3], *test[2];
    const size_t items[3] = {part->outer_item, part->least_item, part->greatest_item};
    bool turned = (cm_expr_rels(part->compare->arg[0]) & ~part->part[0]->rels) != 0;
    cm_expr_op op = turned ? mirrored[part->compare->op] : part->compare->op;

    for (size_t i = 0; i < 3; i++) {
        int at = cm_flow_column(flow, items[i]);
        CM_ASSERT(at >= 0);
        column[i] = cm_node_column(b->pl, flow->node, (size_t)at);
        b->item[items[i]].uses--;
    }
    bool least = op == CM_X_GT || op == CM_X_GE; /* greater than some: than the least */
    cm_status st =
        cm_plan_op_new(b->pl, op, cm_plan_bool_type(), column[0], column[least ? 1 : 2], &test[0]);
    if (st == CM_OK && op == CM_X_NE) {
        st = cm_plan_op_new(b->pl, op, cm_plan_bool_type(), column[0], column[1], &test[1]);
        return st != CM_OK
                   ? st
                   : cm_plan_op_new(b->pl, CM_X_OR, cm_plan_bool_type(), test[0], test[1], ret);
    }
    *ret = test[0];
    return st;
}

/* EXISTS and NOT EXISTS with one more comparison: the extremes of each key are joined to the rows,
 * and decide which of them stay. */
static cm_status build_compared(cm_block *b, cm_part *part, cm_flow *left, cm_flow *right,
                                const edge *e, cm_flow *ret)
{
    const cm_expr *condition;
    bool anti = part->kind == CM_FROM_ANTI;
    const uint64_t rels = left->rels;

    group_extremes(b, part, right, e);
    join(b, part, anti ? CM_FROM_LEFT : CM_FROM_INNER, right, left, e, ret);
    ret->rels = rels;
    cm_status st = compare_extremes(b, part, ret, &condition);
    if (st == CM_OK && anti) {
        st = cm_plan_op_new(b->pl, CM_X_IS_TRUE, cm_plan_bool_type(), condition, NULL, &condition);
        if (st == CM_OK) {
            st = cm_plan_op_new(b->pl, CM_X_NOT, cm_plan_bool_type(), condition, NULL, &condition);
        }
    }
    if (st == CM_OK) {
        ret->node = cm_node_filter(b->pl, ret->node, condition);
        cm_flow_prune(b, ret);
    }
    return st;
}

/* One row that does not count, of the flow's columns: a partner for those who have none. */
static cm_plan_node *nobody(cm_block *b, const cm_plan_node *of)
{
    cm_plan_node *limit = cm_node_new(b->pl, CM_PLAN_LIMIT, 1, of->cols);
    const cm_value no = {.number = 0};

    limit->col = of->col;
    limit->limit = 1;
    cm_node_children(b->pl, limit, &(cm_plan_node *){(cm_plan_node *)(uintptr_t)of}, 1);
    return cm_node_filter(b->pl, limit, cm_expr_const(b->pl->arena, cm_plan_bool_type(), no, 0));
}

static int column_of_item(const cm_flow *flow, int item)
{
    for (size_t i = 0; i < flow->node->cols; i++) {
        if (flow->item[i] == item) {
            return (int)i;
        }
    }
    return -1;
}

/* The kept rows without a partner, with NULLs in the columns that only the pairs have; columns in
 * the pairs' order. */
static cm_plan_node *with_nulls(cm_block *b, const cm_flow *pairs, const cm_flow *alone,
                                const cm_flow *absent)
{
    size_t cols = pairs->node->cols, most = alone->node->cols + cols;
    cm_plan_node *node = cm_node_new(b->pl, CM_PLAN_JOIN, alone->node->rows, most);
    unsigned *payload = CM_NEW_SMALL(b->pl->arena, unsigned, cols + 1);
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, cols + 1);
    cm_plan_col *all = cm_node_cols(node),
                *ordered = CM_NEW_SMALL(b->pl->arena, cm_plan_col, cols + 1);
    size_t *at = CM_NEW_SMALL(b->pl->arena, size_t, cols + 1);

    node->cols = alone->node->cols;
    memcpy(all, alone->node->col, node->cols * sizeof *all);
    for (size_t i = 0; i < cols; i++) {
        int own = column_of_item(alone, pairs->item[i]);
        if (own >= 0) {
            at[i] = (size_t)own;
            continue;
        }
        int missing = column_of_item(absent, pairs->item[i]);
        CM_ASSERT(missing >= 0);
        payload[node->join.payloads++] = (unsigned)missing;
        at[i] = node->cols;
        all[node->cols] = absent->node->col[missing];
        all[node->cols++].enc.nullable = true;
    }
    node->join.kind = CM_FROM_LEFT;
    node->join.payload = payload;
    cm_node_children(b->pl, node, (cm_plan_node *[]){nobody(b, absent->node), alone->node}, 2);
    for (size_t i = 0; i < cols; i++) {
        exprs[i] = cm_node_column(b->pl, node, at[i]);
        ordered[i] = node->col[at[i]];
    }
    return cm_node_project(b->pl, node, exprs, ordered, cols);
}

static void use_keys(cm_block *b, const edge *e, int uses)
{
    for (size_t i = 0; i < e->keys; i++) {
        b->item[e->unique_item[i]].uses += uses;
        b->item[e->other_item[i]].uses += uses;
    }
}

/*
 * Two joins, one below the other (CONCAT).  INNER: the pairs, and the rows of the unique side that
 * have no partner, which is a LEFT JOIN that keeps the unique side.  LEFT: the other side's rows
 * with or without a partner, and those: a FULL JOIN.
 */
static void build_expanded(cm_block *b, cm_part *part, cm_from_kind kind, cm_flow *unique,
                           cm_flow *other, const edge *from_unique, const edge *from_other,
                           cm_flow *ret)
{
    cm_flow pairs, alone, keys = *other;

    use_keys(b, from_unique, 1); /* there are two joins */
    make_unique(b, &keys, from_other);
    join(b, part, kind, unique, other, from_unique, &pairs);
    join(b, part, CM_FROM_ANTI, &keys, unique, from_other, &alone);
    cm_flow_prune(b, &pairs);
    if (pairs.node->cols == 0) { /* rows alone matter; a table has at least one column */
        add_zero_key(b, &pairs);
        add_zero_key(b, &alone);
    }
    cm_plan_node *rest = with_nulls(b, &pairs, &alone, other);
    cm_plan_node *all =
        cm_node_new(b->pl, CM_PLAN_CONCAT, pairs.node->rows + rest->rows, pairs.node->cols);
    for (size_t i = 0; i < pairs.node->cols; i++) {
        cm_node_cols(all)[i] = pairs.node->col[i];
        cm_node_cols(all)[i].enc.nullable =
            pairs.node->col[i].enc.nullable || rest->col[i].enc.nullable;
    }
    cm_node_children(b->pl, all, (cm_plan_node *[]){pairs.node, rest}, 2);
    *ret = (cm_flow){.node = all, .rels = unique->rels | other->rels, .item = pairs.item};
    ret->unique = CM_NEW_SMALL(b->pl->arena, cm_unique, 1);
}

/* A LEFT JOIN's other conditions: where they are not true there is no partner after all. */
static cm_status mask_right(cm_block *b, const cm_part *part, uint64_t right, cm_flow *flow)
{
    const cm_plan_node *node = flow->node;
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, node->cols + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, node->cols + 1);
    cm_exprs conditions = {0};
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < part->residual.count; i++) {
        const cm_expr *condition;
        st = cm_flow_resolve(b, flow, part->residual.at[i], &condition);
        if (st == CM_OK) {
            cm_exprs_add(b->pl->arena, &conditions, condition);
            st = cm_block_use(b, part->residual.at[i], -1);
        }
    }
    for (size_t i = 0; st == CM_OK && i < node->cols; i++) {
        const int item = flow->item[i];
        exprs[i] = cm_node_column(b->pl, node, i);
        cols[i] = node->col[i];
        if (item < 0 || b->item[item].uses == 0 || !has(right, b, (size_t)item)) {
            continue;
        }
        if (cols[i].enc.kind == CM_ENC_DIGEST) {
            return cm_plan_unsupported(b->pl, part->position,
                                       "joining further by text of a LEFT JOIN with this condition",
                                       NULL);
        }
        const cm_expr *args[3] = {cm_plan_and(b->pl, &conditions), exprs[i],
                                  cm_plan_null(b->pl, exprs[i]->type)};
        st = cm_expr_op_new(b->pl->arena, CM_X_CASE, exprs[i]->type, args, 3, 0, 0, part->position,
                            &exprs[i], b->pl->diag);
        if (st == CM_OK) {
            st = cm_col_of_expr(b->pl, cols[i].name, exprs[i], node, &cols[i]);
        }
    }
    if (st == CM_OK) {
        flow->node = cm_node_project(b->pl, flow->node, exprs, cols, node->cols);
        cm_flow_prune(b, flow);
    }
    return st;
}

static cm_status build_full(cm_block *b, cm_part *part, cm_flow *left, cm_flow *right,
                            const edge *from_right, cm_flow *ret)
{
    edge from_left = edge_of(b, part, left, right);

    if (from_left.keys > 0 && is_unique_on(b, right, from_right->unique_item, from_right->keys)) {
        build_expanded(b, part, CM_FROM_LEFT, right, left, from_right, &from_left, ret);
        return CM_OK;
    }
    if (from_left.keys > 0 && is_unique_on(b, left, from_left.unique_item, from_left.keys)) {
        build_expanded(b, part, CM_FROM_LEFT, left, right, &from_left, from_right, ret);
        return CM_OK;
    }
    return no_unique_side(b, part, left->rels, right->rels, from_left.keys > 0);
}

static cm_status build_outer(cm_block *b, cm_part *part, cm_flow *ret)
{
    cm_flow left, right;
    cm_status st = cm_block_build_part(b, part->part[0], &left);

    if (st == CM_OK) {
        st = cm_block_build_part(b, part->part[1], &right);
    }
    if (st != CM_OK) {
        return st;
    }
    edge e = edge_of(b, part, &right, &left);
    if (part->kind == CM_FROM_FULL) {
        return build_full(b, part, &left, &right, &e, ret);
    }
    if (part->compare != NULL && e.keys > 0) {
        return build_compared(b, part, &left, &right, &e, ret);
    }
    if (part->compare != NULL) {
        return no_unique_side(b, part, left.rels, right.rels, false);
    }
    if (!is_unique_on(b, &right, e.unique_item, e.keys)) {
        edge from_left = edge_of(b, part, &left, &right);
        if (part->kind == CM_FROM_LEFT && part->residual.count > 0) {
            return cm_plan_unsupported(
                b->pl, part->residual.at[0]->position,
                "this condition of a LEFT JOIN whose right side is not unique",
                "It may compare columns of the two sides for equality, and have conditions on the "
                "right side alone.");
        }
        if (part->kind == CM_FROM_LEFT && e.keys > 0 &&
            is_unique_on(b, &left, from_left.unique_item, e.keys)) {
            build_expanded(b, part, CM_FROM_INNER, &left, &right, &from_left, &e, ret);
            return CM_OK;
        }
        if (part->kind == CM_FROM_LEFT || e.keys == 0) {
            return no_unique_side(b, part, left.rels, right.rels, e.keys > 0);
        }
        make_unique(b, &right, &e);
    }
    const uint64_t rels = right.rels;
    join(b, part, part->kind, &right, &left, &e, ret);
    return part->kind == CM_FROM_LEFT && part->residual.count > 0 ? mask_right(b, part, rels, ret)
                                                                  : CM_OK;
}

cm_status cm_block_build_part(cm_block *b, cm_part *part, cm_flow *ret)
{
    if (part->kind == CM_FROM_RELATION) {
        return cm_block_leaf(b, part->rel, ret);
    }
    return part->kind == CM_FROM_INNER ? build_group(b, part, ret) : build_outer(b, part, ret);
}
