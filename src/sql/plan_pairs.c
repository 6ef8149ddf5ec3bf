/*
 * Pairs of rows where neither side is unique on the keys, and what makes rows distinct again: the
 * number of a row stands for the row itself.
 */
#include "sql/plan_join.h"

uint64_t cm_flow_pairs_rows(const cm_flow *x, const cm_flow *y)
{
    uint64_t a = x->node->rows, b = y->node->rows;

    return a > 0 && b > UINT64_MAX / a ? UINT64_MAX : a * b;
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
                            .more = (u->more + 1) * (v->more + 1) - 1,
                            .presumed = u->presumed != NULL ? u->presumed : v->presumed};
        }
    }
}

cm_status cm_flow_pairs(cm_block *b, const cm_part *part, cm_flow *x, cm_flow *y, cm_flow *ret)
{
    uint64_t rows = cm_flow_pairs_rows(x, y);
    size_t cols = x->node->cols + y->node->cols;

    if (rows > CM_PLAN_PAIRS_MAX) {
        cm_edge e = cm_edge_of(b, part, x, y);
        return cm_join_refuse(b, part, x->rels, y->rels, e.keys > 0);
    }
    cm_plan_node *node = cm_node_new(b->pl, CM_PLAN_PRODUCT, rows, cols);
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
    return CM_OK;
}

/* Its expression is a column that no query can name. */
size_t cm_flow_number(cm_block *b, cm_flow *flow)
{
    enum { NUMBERS = 1 << 20 }; /* beyond the columns of any relation */
    cm_planner *pl = b->pl;
    const cm_plan_node *child = flow->node;
    const cm_range range = {0, (cm_i128)child->rows - 1};
    const unsigned rel = (unsigned)__builtin_ctzll(flow->rels);
    const cm_expr *expr = cm_expr_column(pl->arena, rel, NUMBERS + (unsigned)b->items,
                                         cm_plan_int8_type(), false, range, 0);
    size_t item = cm_block_use_item(b, expr, CM_ENC_NUMBER, 1);
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
