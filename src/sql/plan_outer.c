/*
 * Outer joins, EXISTS and IN.  Where one side is unique and equalities are all that they ask, they
 * are one or two joins.  Else rows of the side that is kept get numbers: the pairs that meet the
 * condition are found, and a row has a partner when its number is among theirs.
 */
#include "sql/plan_join.h"

#include <string.h>

/* One row per key with the least and the greatest value of the compared item. */
static void group_extremes(cm_block *b, cm_part *part, cm_flow *flow, const cm_edge *e)
{
    int value = cm_flow_column(flow, part->least_item);

    CM_ASSERT(value >= 0);
    part->greatest_item = cm_block_twin_item(b, part->least_item);
    b->item[part->greatest_item].uses = 1;
    const cm_plan_col col = flow->node->col[value];
    cm_flow_make_unique(b, flow, e);

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
                                const cm_edge *e, cm_flow *ret)
{
    const cm_expr *condition;
    bool anti = part->kind == CM_FROM_ANTI;
    const uint64_t rels = left->rels;

    group_extremes(b, part, right, e);
    cm_status st = cm_flow_join(b, part, anti ? CM_FROM_LEFT : CM_FROM_INNER, right, left, e, ret);
    if (st != CM_OK) {
        return st;
    }
    ret->rels = rels;
    st = compare_extremes(b, part, ret, &condition);
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

/* Columns in the pairs' order; NULL where a list of rows has NULLs. */
static cm_plan_node *append(cm_block *b, const cm_flow *pairs, cm_plan_node *const *list,
                            size_t count)
{
    cm_plan_node *all = cm_node_new(b->pl, CM_PLAN_CONCAT, 0, pairs->node->cols);

    for (size_t i = 0; i < count; i++) {
        all->rows += list[i]->rows;
        for (size_t c = 0; c < all->cols; c++) {
            bool nullable = cm_node_cols(all)[c].enc.nullable || list[i]->col[c].enc.nullable;
            cm_node_cols(all)[c] = pairs->node->col[c];
            cm_node_cols(all)[c].enc.nullable = nullable;
        }
    }
    cm_node_children(b->pl, all, list, count);
    return all;
}

static void use_keys(cm_block *b, const cm_edge *e, int uses)
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
static cm_status build_expanded(cm_block *b, cm_part *part, cm_from_kind kind, cm_flow *unique,
                                cm_flow *other, const cm_edge *from_unique,
                                const cm_edge *from_other, cm_flow *ret)
{
    cm_flow pairs, alone, keys = *other;

    use_keys(b, from_unique, 1); /* there are two joins */
    cm_flow_make_unique(b, &keys, from_other);
    cm_status st = cm_flow_join(b, part, kind, unique, other, from_unique, &pairs);
    if (st == CM_OK) {
        st = cm_flow_join(b, part, CM_FROM_ANTI, &keys, unique, from_other, &alone);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_flow_prune(b, &pairs);
    if (pairs.node->cols == 0) { /* rows alone matter; a table has at least one column */
        cm_flow_add_zero(b, &pairs);
        cm_flow_add_zero(b, &alone);
    }
    cm_plan_node *rest = with_nulls(b, &pairs, &alone, other);
    *ret = (cm_flow){.rels = unique->rels | other->rels, .item = pairs.item};
    ret->node = append(b, &pairs, (cm_plan_node *[]){pairs.node, rest}, 2);
    ret->unique = CM_NEW_SMALL(b->pl->arena, cm_unique, 1);
    return CM_OK;
}

/* A LEFT JOIN's other conditions: where they are not true there is no partner after all. */
static cm_status mask_right(cm_block *b, const cm_part *part, uint64_t right, cm_flow *flow)
{
    const cm_plan_node *node = flow->node;
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, node->cols + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, node->cols + 1);
    cm_exprs conditions = {0};

    cm_status st = cm_join_residual(b, part, flow, &conditions);
    for (size_t i = 0; st == CM_OK && i < node->cols; i++) {
        const int item = flow->item[i];
        exprs[i] = cm_node_column(b->pl, node, i);
        cols[i] = node->col[i];
        if (item < 0 || b->item[item].uses == 0 || !cm_rels_have(right, b, (size_t)item)) {
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

/* Rows of `of` whose number is not among the pairs'. */
static cm_status without_partner(cm_block *b, cm_part *part, const cm_flow *pairs, cm_flow *of,
                                 size_t number, cm_from_kind kind, cm_flow *ret)
{
    cm_edge e = cm_edge_on(b, number);
    cm_flow keys = *pairs;

    cm_flow_make_unique(b, &keys, &e);
    return cm_flow_join(b, part, kind, &keys, of, &e, ret);
}

/* The pairs that meet all of the part's conditions. */
static cm_status matching_pairs(cm_block *b, cm_part *part, const cm_flow *left,
                                const cm_flow *right, cm_flow *ret)
{
    cm_flow *both = CM_NEW_SMALL(b->pl->arena, cm_flow, 2);

    both[0] = *left;
    both[1] = *right;
    cm_status st = cm_flow_join_all(b, part, both, 2, ret);
    return st == CM_OK ? cm_join_filter(b, part, ret) : st;
}

/* EXISTS and NOT EXISTS with any conditions. */
static cm_status build_exists(cm_block *b, cm_part *part, cm_flow *left, const cm_flow *right,
                              cm_flow *ret)
{
    cm_flow pairs;
    size_t number = cm_flow_number(b, left);

    cm_status st = matching_pairs(b, part, left, right, &pairs);
    if (st == CM_OK) {
        st = without_partner(b, part, &pairs, left, number, part->kind, ret);
    }
    if (st == CM_OK) {
        b->item[number].uses--;
        ret->rels = left->rels;
        cm_flow_prune(b, ret);
    }
    return st;
}

/* LEFT and FULL JOIN with any conditions: the pairs, and the rows of either side that have none. */
static cm_status build_any_outer(cm_block *b, cm_part *part, cm_flow *left, cm_flow *right,
                                 cm_flow *ret)
{
    const size_t sides = part->kind == CM_FROM_FULL ? 2 : 1;
    cm_flow *side[2] = {left, right}, pairs, alone[2];
    cm_plan_node *list[3];
    size_t number[2];

    for (size_t i = 0; i < sides; i++) {
        number[i] = cm_flow_number(b, side[i]);
    }
    cm_status st = matching_pairs(b, part, left, right, &pairs);
    for (size_t i = 0; st == CM_OK && i < sides; i++) {
        st = without_partner(b, part, &pairs, side[i], number[i], CM_FROM_ANTI, &alone[i]);
    }
    if (st != CM_OK) {
        return st;
    }
    for (size_t i = 0; i < sides; i++) {
        b->item[number[i]].uses--;
    }
    cm_flow_prune(b, &pairs);
    for (size_t i = 0; i < sides; i++) {
        cm_flow_prune(b, &alone[i]);
    }
    if (pairs.node->cols == 0) { /* rows alone matter; a table has at least one column */
        cm_flow_add_zero(b, &pairs);
        for (size_t i = 0; i < sides; i++) {
            cm_flow_add_zero(b, &alone[i]);
        }
    }
    list[0] = pairs.node;
    for (size_t i = 0; i < sides; i++) {
        list[i + 1] = with_nulls(b, &pairs, &alone[i], side[1 - i]);
    }
    *ret = (cm_flow){.rels = left->rels | right->rels, .item = pairs.item};
    ret->node = append(b, &pairs, list, sides + 1);
    ret->unique = CM_NEW_SMALL(b->pl->arena, cm_unique, 1);
    return CM_OK;
}

static bool names(const cm_part *part, uint64_t rels)
{
    for (size_t i = 0; i < part->residual.count; i++) {
        if ((cm_expr_rels(part->residual.at[i]) & rels) != 0) {
            return true;
        }
    }
    return false;
}

static cm_status build_semi(cm_block *b, cm_part *part, cm_flow *left, cm_flow *right,
                            const cm_edge *e, cm_flow *ret)
{
    if (part->compare != NULL && e->keys > 0) {
        return build_compared(b, part, left, right, e, ret);
    }
    if (!names(part, right->rels)) { /* whether there is a row of the key is all that matters */
        cm_status st = CM_OK;
        if (e->keys == 0) {
            st = cm_flow_one_row(b, right);
        } else if (cm_flow_unique_on(b, right, e->unique_item, e->keys) == NULL) {
            cm_flow_make_unique(b, right, e);
        }
        if (st != CM_OK || part->residual.count == 0) {
            return st != CM_OK ? st : cm_flow_join(b, part, part->kind, right, left, e, ret);
        }
    }
    return build_exists(b, part, left, right, ret);
}

/* A value has one row at most for each row outside: presumed, and verified by the join. */
static cm_status presume_one(cm_block *b, const cm_part *part, cm_flow *right, const cm_edge *e)
{
    cm_unique *all = CM_NEW_SMALL(b->pl->arena, cm_unique, right->uniques + 1);
    unsigned *rel = CM_NEW_SMALL(b->pl->arena, unsigned, e->keys + 1);
    unsigned *col = CM_NEW_SMALL(b->pl->arena, unsigned, e->keys + 1);

    for (size_t i = 0; i < e->keys; i++) {
        const cm_expr *key = b->item[e->unique_item[i]].expr;
        if (key->op != CM_X_COLUMN) {
            return cm_plan_unsupported(b->pl, part->position,
                                       "a subquery as a value that may have several rows",
                                       "Use an aggregate.");
        }
        rel[i] = key->rel;
        col[i] = key->index;
    }
    for (size_t u = 0; u < right->uniques; u++) {
        all[u] = right->unique[u];
    }
    all[right->uniques] =
        (cm_unique){.cols = e->keys, .rel = rel, .col = col, .presumed = cm_plan_one_value};
    right->unique = all;
    right->uniques++;
    return CM_OK;
}

static cm_status build_left(cm_block *b, cm_part *part, cm_flow *left, cm_flow *right,
                            const cm_edge *e, cm_flow *ret)
{
    const cm_edge from_left = cm_edge_of(b, part, left, right);

    if (part->single && cm_flow_unique_on(b, right, e->unique_item, e->keys) == NULL) {
        cm_status st = presume_one(b, part, right, e);
        if (st != CM_OK) {
            return st;
        }
    }
    if (cm_flow_unique_on(b, right, e->unique_item, e->keys) != NULL) {
        const uint64_t rels = right->rels;
        cm_status st = cm_flow_join(b, part, CM_FROM_LEFT, right, left, e, ret);
        return st == CM_OK && part->residual.count > 0 ? mask_right(b, part, rels, ret) : st;
    }
    if (part->residual.count == 0 && e->keys > 0 &&
        cm_flow_unique_on(b, left, from_left.unique_item, e->keys) != NULL) {
        return build_expanded(b, part, CM_FROM_INNER, left, right, &from_left, e, ret);
    }
    return build_any_outer(b, part, left, right, ret);
}

static cm_status build_full(cm_block *b, cm_part *part, cm_flow *left, cm_flow *right,
                            const cm_edge *from_right, cm_flow *ret)
{
    const cm_edge from_left = cm_edge_of(b, part, left, right);
    const bool plain = from_left.keys > 0 && part->residual.count == 0;

    if (plain && cm_flow_unique_on(b, right, from_right->unique_item, from_right->keys) != NULL) {
        return build_expanded(b, part, CM_FROM_LEFT, right, left, from_right, &from_left, ret);
    }
    if (plain && cm_flow_unique_on(b, left, from_left.unique_item, from_left.keys) != NULL) {
        return build_expanded(b, part, CM_FROM_LEFT, left, right, &from_left, from_right, ret);
    }
    return build_any_outer(b, part, left, right, ret);
}

cm_status cm_block_build_outer(cm_block *b, cm_part *part, cm_flow *ret)
{
    cm_flow left, right;
    cm_status st = cm_block_build_part(b, part->part[0], &left);

    if (st == CM_OK) {
        st = cm_block_build_part(b, part->part[1], &right);
    }
    if (st != CM_OK) {
        return st;
    }
    const cm_edge e = cm_edge_of(b, part, &right, &left);
    switch ((int)part->kind) {
    case CM_FROM_FULL:
        return build_full(b, part, &left, &right, &e, ret);
    case CM_FROM_LEFT:
        return build_left(b, part, &left, &right, &e, ret);
    default:
        return build_semi(b, part, &left, &right, &e, ret);
    }
}
