/*
 * Pairs of rows where neither side is unique on the keys, and what makes rows distinct again: the
 * number of a row stands for the row itself.
 */
#include "sql/plan_join.h"

#include <string.h>

/* What does not fit is as good as no bound. */
static uint64_t times(uint64_t a, uint64_t b)
{
    return cm_times_most(a, b, UINT64_MAX);
}

uint64_t cm_flow_pairs_rows(const cm_flow *x, const cm_flow *y)
{
    return times(x->node->rows, y->node->rows);
}

/* A pair is told apart by what tells its two rows apart. */
static void pair_uniques(cm_block *b, const cm_flow *x, const cm_flow *y, cm_flow *ret)
{
    cm_arena *arena = b->pl->arena;

    ret->unique = CM_NEW_SMALL(arena, cm_unique, x->uniques * y->uniques + 1);
    for (size_t i = 0; i < x->uniques; i++) {
        for (size_t j = 0; j < y->uniques; j++) {
            const cm_unique *u = &x->unique[i], *v = &y->unique[j];
            unsigned *rel = CM_NEW_SMALL(arena, unsigned, u->cols + v->cols + 1);
            unsigned *col = CM_NEW_SMALL(arena, unsigned, u->cols + v->cols + 1);
            size_t cols = 0;
            for (size_t k = 0; k < u->cols; k++) {
                rel[cols] = u->rel[k];
                col[cols++] = u->col[k];
            }
            for (size_t k = 0; k < v->cols; k++) {
                rel[cols] = v->rel[k];
                col[cols++] = v->col[k];
            }
            ret->unique[ret->uniques++] =
                (cm_unique){.cols = cols,
                            .rel = rel,
                            .col = col,
                            .more = times(u->more + 1, v->more + 1) - 1,
                            .presumed = u->presumed != NULL ? u->presumed : v->presumed};
        }
    }
}

/* What tells a row of one side apart tells its pairs apart but for those that it has by the keys:
 * at most so many. */
static void repeated_uniques(cm_block *b, const cm_flow *side, uint64_t matches, cm_flow *ret)
{
    cm_unique *all = CM_NEW_SMALL(b->pl->arena, cm_unique, ret->uniques + side->uniques + 1);

    if (matches > UINT32_MAX) {
        return;
    }
    for (size_t i = 0; i < ret->uniques; i++) {
        all[i] = ret->unique[i];
    }
    for (size_t i = 0; i < side->uniques; i++) {
        cm_unique *to = &all[ret->uniques + i];
        *to = side->unique[i];
        to->more = to->more > UINT32_MAX ? UINT64_MAX - 1 : (to->more + 1) * matches - 1;
    }
    ret->unique = all;
    ret->uniques += side->uniques;
}

/* Those of all pairs that meet the keys. */
static cm_status keep_equal(cm_block *b, cm_part *part, const cm_edge *e, cm_flow *flow)
{
    cm_exprs conditions = {0};

    for (size_t i = 0; i < e->keys; i++) {
        int x = cm_flow_column(flow, e->unique_item[i]), y = cm_flow_column(flow, e->other_item[i]);
        const cm_expr *equal;
        CM_ASSERT(x >= 0 && y >= 0);
        cm_status st = cm_plan_op_new(b->pl, CM_X_EQ, cm_plan_bool_type(),
                                      cm_node_column(b->pl, flow->node, (size_t)x),
                                      cm_node_column(b->pl, flow->node, (size_t)y), &equal);
        if (st != CM_OK) {
            return st;
        }
        cm_exprs_add(b->pl->arena, &conditions, equal);
        part->key[e->key[i]].used = true;
        b->item[e->unique_item[i]].uses--;
        b->item[e->other_item[i]].uses--;
    }
    if (conditions.count > 0) {
        flow->node = cm_node_filter(b->pl, flow->node, cm_plan_and(b->pl, &conditions));
    }
    return CM_OK;
}

static cm_status all_pairs(cm_block *b, cm_part *part, cm_flow *x, cm_flow *y, cm_flow *ret)
{
    const cm_edge e = cm_edge_of(b, part, x, y);
    size_t cols = x->node->cols + y->node->cols;
    cm_plan_node *node = cm_node_new(b->pl, CM_PLAN_PRODUCT, cm_flow_pairs_rows(x, y), cols);

    *ret = (cm_flow){.node = node, .rels = x->rels | y->rels};
    ret->item = CM_NEW_SMALL(b->pl->arena, int, cols + 1);
    for (size_t i = 0; i < cols; i++) {
        const cm_flow *from = i < x->node->cols ? x : y;
        size_t at = i < x->node->cols ? i : i - x->node->cols;
        cm_node_cols(node)[i] = from->node->col[at];
        ret->item[i] = from->item[at];
    }
    cm_node_children(b->pl, node, (cm_plan_node *[]){x->node, y->node}, 2);
    pair_uniques(b, x, y, ret);
    repeated_uniques(b, y, cm_flow_most_on(b, x, e.unique_item, e.keys), ret);
    repeated_uniques(b, x, cm_flow_most_on(b, y, e.other_item, e.keys), ret);
    return keep_equal(b, part, &e, ret);
}

/* ---- how many there may be ---- */

/* What the statement or the session says about a join that brings in this flow; 0: nothing. */
static uint64_t asked_rows(const cm_block *b, const cm_flow *flow)
{
    const char *alias = b->query->relation[__builtin_ctzll(flow->rels)].alias;

    if ((flow->rels & (flow->rels - 1)) != 0 || alias == NULL) {
        return 0; /* several tables, joined before */
    }
    for (size_t i = 0; i < b->pl->hints; i++) {
        if (strcmp(b->pl->hint[i].alias, alias) == 0) {
            return b->pl->hint[i].rows;
        }
    }
    return 0;
}

typedef struct pairs_bound {
    uint64_t rows;
    bool certain;   /* there cannot be more */
    bool disclosed; /* how many there are becomes known to the parties */
} pairs_bound;

/* Whether the owners of all rows below let the parties learn sizes of joins. */
static bool may_disclose(const cm_plan_node *node)
{
    if (node->op == CM_PLAN_INPUT) {
        bool may = true;
        for (size_t i = 0; i < cm_fragment_tables(node->fragment); i++) {
            may = may && cm_fragment_table(node->fragment, i)->join_sizes;
        }
        return may;
    }
    if (node->op == CM_PLAN_STORED) {
        return false;
    }
    for (size_t i = 0; i < node->children; i++) {
        if (!may_disclose(node->child[i])) {
            return false;
        }
    }
    return true;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t cm_flow_least_pairs(cm_block *b, const cm_part *part, const cm_flow *x, const cm_flow *y)
{
    const cm_edge e = cm_edge_of(b, part, x, y);
    uint64_t of_x = times(y->node->rows, cm_flow_most_on(b, x, e.unique_item, e.keys));
    uint64_t of_y = times(x->node->rows, cm_flow_most_on(b, y, e.other_item, e.keys));

    return least(cm_flow_pairs_rows(x, y), least(of_x, of_y));
}

/* 0 rows: nobody knows. */
static pairs_bound bound_pairs(const cm_block *b, const cm_flow *x, const cm_flow *y,
                               const cm_edge *e)
{
    enum { CERTAIN_MAX = 1 << 26 };
    uint64_t of_x = times(y->node->rows, cm_flow_most_on(b, x, e->unique_item, e->keys));
    uint64_t of_y = times(x->node->rows, cm_flow_most_on(b, y, e->other_item, e->keys));
    uint64_t by_keys = least(of_x, of_y), all = cm_flow_pairs_rows(x, y);
    uint64_t hint_x = asked_rows(b, x), hint_y = asked_rows(b, y);
    uint64_t asked = hint_x == 0 ? hint_y : hint_y == 0 ? hint_x : least(hint_x, hint_y);

    asked = asked == 0 ? b->pl->settings.join_rows : asked;
    if (asked > 0 && asked < least(by_keys, all)) {
        return (pairs_bound){.rows = asked};
    }
    if (asked == 0 && by_keys > CERTAIN_MAX && all > CM_PLAN_DISCLOSED_MIN && !b->pl->fixed_sizes &&
        may_disclose(x->node) && may_disclose(y->node)) {
        return (pairs_bound){least(all, CM_PLAN_DISCLOSED_MAX), .disclosed = true};
    }
    if (asked > 0 || by_keys <= CERTAIN_MAX || all <= CM_PLAN_PAIRS_MAX) {
        return (pairs_bound){.rows = least(by_keys, all), .certain = true};
    }
    return (pairs_bound){0};
}

static const char *alias_of(const cm_block *b, uint64_t rels)
{
    const char *alias = b->query->relation[__builtin_ctzll(rels)].alias;

    return alias == NULL ? "a subquery" : alias;
}

static cm_status refuse_unbounded(cm_block *b, const cm_part *part, const cm_flow *x,
                                  const cm_flow *y)
{
    const char *alias = alias_of(b, y->rels);

    if (b->pl->diag != NULL && b->pl->diag->status == CM_OK) {
        b->pl->diag->position = part->position;
    }
    cm_status st = cm_fail(b->pl->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                           "join of \"%s\" and \"%s\" where neither side is unique may have too "
                           "many rows: it needs a bound",
                           alias_of(b, x->rels), alias);
    cm_diag_hint(b->pl->diag,
                 "Say how many rows it has at most: SELECT /*+ rows(%s 100000) */ ..., or SET "
                 "comity.join_rows = 100000; more are an error, never left out. Or declare PRIMARY "
                 "KEY or UNIQUE on the join columns of the table that has each value once.",
                 alias);
    return st;
}

static cm_status check_bound(cm_block *b, const cm_flow *x, const cm_flow *y, cm_plan_node *node)
{
    if (__builtin_ctzll(x->rels) > __builtin_ctzll(y->rels)) { /* as the statement names them */
        const cm_flow *swap = x;
        x = y;
        y = swap;
    }
    const cm_plan_check check = {
        CM_SQL_TOO_MANY_ROWS,
        cm_arena_printf(b->pl->arena, "join of \"%s\" and \"%s\" has more than %llu rows",
                        alias_of(b, x->rels), alias_of(b, y->rels), (unsigned long long)node->rows),
        "Give a larger bound: /*+ rows(alias number) */ in the statement, or SET "
        "comity.join_rows."};

    return cm_plan_add_check(b->pl, check, &node->check);
}

/* ---- those that match ---- */

/* Columns of the result: the intervals' and the points', as far as somebody uses them. */
static void matched_columns(cm_block *b, cm_plan_node *node, const cm_flow *points,
                            const cm_flow *intervals, cm_flow *ret)
{
    size_t cols = intervals->node->cols, most = cols + points->node->cols;
    unsigned *payload = CM_NEW_SMALL(b->pl->arena, unsigned, points->node->cols + 1);
    cm_plan_col *col = CM_NEW_SMALL(b->pl->arena, cm_plan_col, most + 1);

    ret->item = CM_NEW_SMALL(b->pl->arena, int, most + 1);
    for (size_t i = 0; i < cols; i++) {
        col[i] = intervals->node->col[i];
        ret->item[i] = intervals->item[i];
    }
    for (size_t i = 0; i < points->node->cols; i++) {
        int item = points->item[i];
        if (item >= 0 && b->item[item].uses > 0) {
            payload[node->join.payloads++] = (unsigned)i;
            col[cols] = points->node->col[i];
            ret->item[cols++] = item;
        }
    }
    node->join.payload = payload;
    node->col = col;
    node->cols = cols;
}

static cm_status join_many(cm_block *b, cm_part *part, cm_flow *points, cm_flow *intervals,
                           const cm_range_match *range, pairs_bound bound, cm_flow *ret)
{
    const cm_edge e = cm_edge_of(b, part, points, intervals);
    cm_plan_node *node = cm_node_new(b->pl, CM_PLAN_JOIN_MANY, bound.rows, 0);

    node->join.kind = CM_FROM_INNER;
    *ret = (cm_flow){.node = node, .rels = points->rels | intervals->rels};
    cm_status st = cm_range_set(b, range, points, intervals, node);
    if (st == CM_OK) {
        cm_join_set_keys(b, part, node, points, intervals, &e);
        st = cm_range_take(b, range, &part->residual);
    }
    if (st == CM_OK && bound.disclosed) {
        node->join.disclosed = cm_arena_printf(
            b->pl->arena,
            "How many rows the join of \"%s\" and \"%s\" has, rounded up to two significant bits.",
            alias_of(b, intervals->rels), alias_of(b, points->rels));
    } else if (st == CM_OK && !bound.certain) {
        st = check_bound(b, intervals, points, node);
    }
    if (st != CM_OK) {
        return st;
    }
    const uint64_t of_points = cm_flow_most_on(b, points, e.unique_item, e.keys);
    const uint64_t of_intervals = cm_flow_most_on(b, intervals, e.other_item, e.keys);
    matched_columns(b, node, points, intervals, ret);
    cm_node_children(b->pl, node, (cm_plan_node *[]){points->node, intervals->node}, 2);
    pair_uniques(b, points, intervals, ret);
    repeated_uniques(b, intervals, of_points, ret);
    repeated_uniques(b, points, of_intervals, ret);
    cm_flow_prune(b, ret);
    if (ret->node->cols == 0) { /* rows alone matter; a table has at least one column */
        *ret = (cm_flow){.node = node, .rels = ret->rels, .item = ret->item};
        ret->unique = CM_NEW_SMALL(b->pl->arena, cm_unique, 1);
    }
    return CM_OK;
}

cm_status cm_flow_pairs(cm_block *b, cm_part *part, cm_flow *x, cm_flow *y, cm_flow *ret)
{
    enum { FEW = 4096 };
    const cm_edge e = cm_edge_of(b, part, x, y);
    const pairs_bound bound = bound_pairs(b, x, y, &e);
    const uint64_t all = cm_flow_pairs_rows(x, y);

    if (bound.rows == 0) {
        return refuse_unbounded(b, part, x, y);
    }
    if (!bound.disclosed && (bound.rows >= all || (all <= FEW && e.keys == 0))) {
        return all_pairs(b, part, x, y, ret);
    }
    cm_range_match of_x = cm_range_find(&part->residual, x->rels, y->rels);
    cm_range_match of_y = cm_range_find(&part->residual, y->rels, x->rels);
    bool turned =
        of_y.bounds > of_x.bounds || (of_y.bounds == of_x.bounds && y->node->rows > x->node->rows);
    return turned ? join_many(b, part, y, x, &of_y, bound, ret)
                  : join_many(b, part, x, y, &of_x, bound, ret);
}

size_t cm_block_fresh_item(cm_block *b, unsigned rel, cm_type type, cm_range range)
{
    enum { FRESH = 1 << 20 }; /* beyond the columns of any relation */
    const cm_expr *expr =
        cm_expr_column(b->pl->arena, rel, FRESH + (unsigned)b->items, type, false, range, 0);

    return cm_block_use_item(b, expr, CM_ENC_NUMBER, 1);
}

size_t cm_flow_number(cm_block *b, cm_flow *flow)
{
    cm_planner *pl = b->pl;
    const cm_plan_node *child = flow->node;
    const cm_range range = {0, (cm_i128)child->rows - 1};
    size_t item =
        cm_block_fresh_item(b, (unsigned)__builtin_ctzll(flow->rels), cm_plan_int8_type(), range);
    cm_plan_node *node = cm_node_new(pl, CM_PLAN_NUMBER, child->rows, child->cols + 1);
    int *items = CM_NEW_SMALL(pl->arena, int, child->cols + 1);

    for (size_t i = 0; i < child->cols; i++) {
        cm_node_cols(node)[i] = child->col[i];
        items[i] = flow->item[i];
    }
    cm_node_cols(node)[child->cols] =
        cm_col_number("row number", cm_plan_int8_type(), range, false);
    items[child->cols] = (int)item;
    cm_node_children(pl, node, &flow->node, 1);
    flow->node = node;
    flow->item = items;
    return item;
}

cm_edge cm_edge_on(cm_block *b, size_t item)
{
    cm_edge e = {.keys = 1, .unique_item = CM_NEW_SMALL(b->pl->arena, size_t, 1)};

    e.unique_item[0] = item;
    e.other_item = e.unique_item;
    e.key = CM_NEW_SMALL(b->pl->arena, size_t, 1);
    e.key[0] = SIZE_MAX;
    return e;
}

cm_status cm_flow_one_row(cm_block *b, cm_flow *flow)
{
    cm_planner *pl = b->pl;
    cm_plan_node *node = cm_node_new(pl, CM_PLAN_AGGREGATE, 1, 1);
    const cm_expr *any;

    cm_node_cols(node)[0] = cm_col_number("count(*)", cm_plan_int8_type(),
                                          (cm_range){0, (cm_i128)flow->node->rows}, false);
    node->agg = CM_NEW_SMALL(pl->arena, cm_plan_agg, 1);
    cm_node_children(pl, node, &flow->node, 1);
    cm_status st = cm_plan_op_new(pl, CM_X_GT, cm_plan_bool_type(), cm_node_column(pl, node, 0),
                                  cm_plan_int(pl, 0), &any);
    if (st != CM_OK) {
        return st;
    }
    flow->node = cm_node_filter(pl, node, any);
    flow->item = CM_NEW_SMALL(pl->arena, int, 1);
    flow->item[0] = -1;
    flow->unique = CM_NEW_SMALL(pl->arena, cm_unique, 1);
    flow->unique[0] = (cm_unique){0};
    flow->uniques = 1;
    return CM_OK;
}

void cm_flow_make_unique(cm_block *b, cm_flow *flow, const cm_edge *e)
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
    flow->uniques = 0; /* the caller knows */
}
