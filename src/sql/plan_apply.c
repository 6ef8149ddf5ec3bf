/*
 * Aggregates over the rows of one side that match each row of the other: what a correlated subquery
 * gives as a value, and what a grouped query needs of a table that it only adds up.  The rows of
 * the left side stay as they are.
 *
 *   - Equalities alone: the right side is grouped by them, and joined.
 *   - Equalities and a range, sums and counts: RANGES, which neither groups nor expands anything.
 *   - Anything else: the left rows are numbered, the pairs that match are grouped by the number.
 */
#include "sql/plan_join.h"

typedef struct cm_applied {
    const cm_expr *agg; /* as the relation has it */
    int item;           /* of its column */
    int value, count;   /* index into physical; -1: none */
} applied;

typedef struct physical {
    cm_aggregate aggregate;
    cm_type type;
    const cm_expr *arg; /* over the right side's row; NULL: count(*) */
    int col;            /* of what is aggregated */
    size_t item;        /* of the result, while it is joined */
    unsigned out;       /* column of the result */
} physical;

typedef struct apply {
    cm_block *b;
    cm_planner *pl;
    cm_part *part;
    cm_flow left, right;
    size_t applied;
    applied *at;
    size_t physicals;
    physical *physical;
} apply;

/* ---- what is needed ---- */

static int add_physical(apply *a, cm_aggregate aggregate, cm_type type, const cm_expr *arg)
{
    a->physical[a->physicals] = (physical){.aggregate = aggregate, .type = type, .arg = arg};
    return (int)a->physicals++;
}

/* CASE WHEN filter THEN value END */
static cm_status filtered(apply *a, const cm_expr *agg, const cm_expr *value, const cm_expr **ret)
{
    *ret = value;
    if (agg->filter == NULL) {
        return CM_OK;
    }
    value = value == NULL ? cm_plan_int(a->pl, 1) : value;
    const cm_expr *args[3] = {agg->filter, value, cm_plan_null(a->pl, value->type)};
    return cm_expr_op_new(a->pl->arena, CM_X_CASE, value->type, args, 3, 0, 0, agg->position, ret,
                          a->pl->diag);
}

static cm_status count_of(apply *a, const cm_expr *agg, const cm_expr *arg, int *ret)
{
    cm_status st = CM_OK;

    if (arg != NULL && cm_expr_is_text(arg)) { /* one bit will do */
        st = cm_plan_op_new(a->pl, CM_X_EQ, cm_plan_bool_type(), arg, arg, &arg);
    }
    if (st == CM_OK) {
        st = filtered(a, agg, arg, &arg);
    }
    if (st == CM_OK) {
        *ret = add_physical(a, CM_AGGREGATE_COUNT, cm_plan_int8_type(),
                            arg != NULL && arg->nullable ? arg : NULL);
    }
    return st;
}

static cm_status add_applied(apply *a, const cm_expr *agg, int item)
{
    bool extreme = agg->aggregate == CM_AGGREGATE_MIN || agg->aggregate == CM_AGGREGATE_MAX;
    applied *to = &a->at[a->applied++];
    const cm_expr *arg = NULL;

    *to = (applied){.agg = agg, .item = item, .value = -1, .count = -1};
    if (agg->distinct && !extreme) {
        return cm_plan_unsupported(a->pl, agg->position,
                                   "an aggregate of DISTINCT values in this subquery", NULL);
    }
    if (agg->aggregate == CM_AGGREGATE_COUNT) {
        return count_of(a, agg, agg->args == 0 ? NULL : agg->arg[0], &to->value);
    }
    cm_status st = filtered(a, agg, agg->arg[0], &arg);
    if (st != CM_OK) {
        return st;
    }
    cm_type type = agg->aggregate == CM_AGGREGATE_AVG ? (cm_type){.kind = CM_TYPE_NUMERIC}
                   : extreme                          ? arg->type
                                                      : agg->type;
    type.scale = arg->type.scale; /* of the exact sum */
    to->value = add_physical(a, extreme ? agg->aggregate : CM_AGGREGATE_SUM, type, arg);
    return agg->aggregate == CM_AGGREGATE_AVG ? count_of(a, agg, agg->arg[0], &to->count) : CM_OK;
}

/* Columns of the relation that somebody reads. */
static cm_status list_applied(apply *a)
{
    const cm_relation *relation = &a->b->query->relation[a->part->rel];

    a->at = CM_NEW_SMALL(a->pl->arena, applied, relation->applies + 1);
    a->physical = CM_NEW_SMALL(a->pl->arena, physical, 2 * relation->applies + 1);
    for (size_t i = 0; i < a->b->items; i++) {
        const cm_item *item = &a->b->item[i];
        if (item->rel != a->part->rel || item->uses == 0) {
            continue;
        }
        if (item->kind == CM_ENC_DIGEST) {
            return cm_plan_unsupported(a->pl, item->expr->position, "joining by a computed text",
                                       NULL);
        }
        cm_status st = add_applied(a, relation->apply[item->expr->index], (int)i);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

cm_status cm_block_use_applied(cm_block *b, const cm_part *part, int uses)
{
    const cm_relation *relation = &b->query->relation[part->rel];

    for (size_t i = 0; i < relation->applies; i++) {
        const cm_expr *agg = relation->apply[i];
        for (size_t k = 0; k < agg->args; k++) {
            cm_status st = cm_block_use(b, agg->arg[k], uses);
            if (st != CM_OK) {
                return st;
            }
        }
        if (agg->filter != NULL) {
            cm_status st = cm_block_use(b, agg->filter, uses);
            if (st != CM_OK) {
                return st;
            }
        }
    }
    return CM_OK;
}

/* ---- aggregating ---- */

/* Arguments as columns of the flow whose rows are aggregated. */
static cm_status place_arguments(apply *a, cm_flow *flow)
{
    for (size_t i = 0; i < a->physicals; i++) {
        physical *p = &a->physical[i];
        const cm_expr *value;
        p->col = -1;
        if (p->arg == NULL) {
            continue;
        }
        cm_status st = cm_flow_resolve(a->b, flow, p->arg, &value);
        if (st != CM_OK) {
            return st;
        }
        if (value->op == CM_X_COLUMN) {
            p->col = (int)value->index;
            continue;
        }
        cm_plan_col col;
        st = cm_col_of_expr(a->pl, "expression", value, flow->node, &col);
        if (st != CM_OK) {
            return st;
        }
        p->col = (int)cm_flow_add_column(a->b, flow, value, col);
    }
    return CM_OK;
}

static cm_status aggregate_column(apply *a, const physical *p, const cm_plan_node *rows,
                                  bool nullable, cm_plan_col *ret)
{
    static const char *const names[] = {"count", "sum", "avg", "min", "max"};
    const cm_plan_col *from = p->col < 0 ? NULL : &rows->col[p->col];
    const cm_expr *sum;

    if (p->aggregate == CM_AGGREGATE_COUNT) {
        *ret = cm_col_number("count", p->type, (cm_range){0, (cm_i128)rows->rows}, false);
        return CM_OK;
    }
    CM_ASSERT(from != NULL);
    if (p->aggregate != CM_AGGREGATE_SUM) {
        if (from->enc.planes > 8 * CM_PLAN_MPC_TEXT_BYTES) {
            return cm_plan_unsupported(a->pl, p->arg->position,
                                       "MIN or MAX of text of more than 64 bytes",
                                       "Declare varchar(n), or OPTIONS (max_bytes 'n').");
        }
        *ret = *from;
        ret->name = names[p->aggregate];
        ret->enc.nullable = true;
        return CM_OK;
    }
    const cm_expr *column = cm_expr_column(a->pl->arena, 0, 0, from->type, from->enc.nullable,
                                           from->range, p->arg->position);
    cm_status st = cm_expr_agg_new(a->pl->arena, CM_AGGREGATE_SUM, p->type, column, false, NULL,
                                   rows->rows, p->arg->position, &sum, a->pl->diag);
    if (st == CM_OK) {
        *ret = cm_col_number("sum", p->type, sum->range, nullable || from->enc.nullable);
    }
    return st;
}

/* Fills aggs and their columns behind the first ones of the node, and count(*) last. */
static cm_status set_aggregates(apply *a, cm_plan_node *node, const cm_plan_node *rows,
                                bool nullable)
{
    cm_plan_agg *agg = CM_NEW_SMALL(a->pl->arena, cm_plan_agg, a->physicals + 1);
    cm_plan_col *col = cm_node_cols(node) + node->keys;

    for (size_t i = 0; i < a->physicals; i++) {
        physical *p = &a->physical[i];
        cm_status st = aggregate_column(a, p, rows, nullable, &col[i]);
        if (st != CM_OK) {
            return st;
        }
        p->out = (unsigned)(node->keys + i);
        agg[i] = (cm_plan_agg){.aggregate = p->aggregate, .col = p->col};
    }
    col[a->physicals] =
        cm_col_number("count(*)", cm_plan_int8_type(), (cm_range){0, (cm_i128)rows->rows}, false);
    node->agg = agg;
    node->aggs = a->physicals;
    node->cols = node->keys + a->physicals + 1;
    return CM_OK;
}

/* One row for each value of the edge's unique items, or of all; the flow becomes that. */
static cm_status group_by(apply *a, cm_flow *flow, const cm_edge *e)
{
    cm_plan_node *child = flow->node;
    size_t most = e->keys + a->physicals + 1;
    cm_plan_node *node = cm_node_new(a->pl, e->keys == 0 ? CM_PLAN_AGGREGATE : CM_PLAN_GROUP_SORT,
                                     child->rows, most);
    unsigned *key = CM_NEW_SMALL(a->pl->arena, unsigned, e->keys + 1);
    int *item = CM_NEW_SMALL(a->pl->arena, int, most);

    node->rows = e->keys == 0 ? 1 : child->rows;
    node->keys = e->keys;
    node->key = key;
    for (size_t i = 0; i < e->keys; i++) {
        int at = cm_flow_column(flow, e->unique_item[i]);
        CM_ASSERT(at >= 0);
        key[i] = (unsigned)at;
        cm_node_cols(node)[i] = child->col[at];
        item[i] = (int)e->unique_item[i];
    }
    cm_status st = set_aggregates(a, node, child, e->keys == 0);
    if (st != CM_OK) {
        return st;
    }
    cm_node_children(a->pl, node, &child, 1);
    for (size_t i = 0; i < a->physicals; i++) { /* carried through the join */
        const cm_plan_col *col = &node->col[a->physical[i].out];
        a->physical[i].item = cm_block_fresh_item(a->b, a->part->rel, col->type, col->range);
        item[a->physical[i].out] = (int)a->physical[i].item;
    }
    item[node->cols - 1] = -1;
    *flow = (cm_flow){.node = node, .rels = (uint64_t)1 << a->part->rel, .item = item};
    return CM_OK;
}

/* The left rows, each with the group of its keys. */
static cm_status join_groups(apply *a, cm_flow *groups, const cm_edge *e, cm_flow *ret)
{
    cm_from_kind kind = e->keys == 0 ? CM_FROM_INNER : CM_FROM_LEFT; /* the one row is there */
    cm_status st = cm_flow_join(a->b, a->part, kind, groups, &a->left, e, ret);

    for (size_t i = 0; st == CM_OK && i < a->physicals; i++) {
        int at = cm_flow_column(ret, a->physical[i].item);
        CM_ASSERT(at >= 0);
        a->physical[i].out = (unsigned)at;
        a->b->item[a->physical[i].item].uses--;
    }
    return st;
}

/* ---- three ways ---- */

static cm_status by_groups(apply *a, const cm_edge *e, cm_flow *ret)
{
    cm_status st = place_arguments(a, &a->right);

    if (st == CM_OK) {
        st = group_by(a, &a->right, e);
    }
    return st == CM_OK ? join_groups(a, &a->right, e, ret) : st;
}

static cm_status by_ranges(apply *a, const cm_edge *e, const cm_range_match *range, cm_flow *ret)
{
    size_t most = a->left.node->cols + a->physicals + 4;
    cm_plan_node *node = cm_node_new(a->pl, CM_PLAN_RANGES, a->left.node->rows, most);

    node->join.kind = CM_FROM_LEFT;
    cm_status st = place_arguments(a, &a->right);
    if (st == CM_OK) {
        st = cm_range_set(a->b, range, &a->right, &a->left, node);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_join_set_keys(a->b, a->part, node, &a->right, &a->left, e);
    node->keys = a->left.node->cols;
    *ret = a->left;
    ret->item = CM_NEW_SMALL(a->pl->arena, int, most);
    for (size_t i = 0; i < node->keys; i++) {
        cm_node_cols(node)[i] = a->left.node->col[i];
        ret->item[i] = a->left.item[i];
    }
    st = set_aggregates(a, node, a->right.node, true);
    if (st != CM_OK) {
        return st;
    }
    for (size_t i = node->keys; i < node->cols; i++) {
        ret->item[i] = -1;
    }
    cm_node_children(a->pl, node, (cm_plan_node *[]){a->right.node, a->left.node}, 2);
    ret->node = node;
    return cm_range_take(a->b, range, &a->part->residual);
}

static cm_status by_pairs(apply *a, cm_flow *ret)
{
    size_t number = cm_flow_number(a->b, &a->left);
    cm_edge e = cm_edge_on(a->b, number);
    cm_flow *both = CM_NEW_SMALL(a->pl->arena, cm_flow, 2), pairs;

    both[0] = a->left;
    both[1] = a->right;
    cm_status st = cm_flow_join_all(a->b, a->part, both, 2, &pairs);
    if (st == CM_OK) {
        st = cm_join_filter(a->b, a->part, &pairs);
    }
    if (st == CM_OK) {
        st = place_arguments(a, &pairs);
    }
    if (st == CM_OK) {
        st = group_by(a, &pairs, &e);
    }
    if (st == CM_OK) {
        st = join_groups(a, &pairs, &e, ret);
    }
    a->b->item[number].uses--;
    return st;
}

/* Sums and counts are differences of running sums; extremes are not. */
static bool adds_up(const apply *a)
{
    for (size_t i = 0; i < a->physicals; i++) {
        if (a->physical[i].aggregate != CM_AGGREGATE_COUNT &&
            a->physical[i].aggregate != CM_AGGREGATE_SUM) {
            return false;
        }
    }
    return true;
}

static cm_status choose_way(apply *a, cm_flow *ret)
{
    const cm_edge e = cm_edge_of(a->b, a->part, &a->right, &a->left);
    const cm_exprs *rest = &a->part->residual;
    const cm_range_match range = cm_range_find(rest, a->right.rels, a->left.rels);

    if (rest->count == 0) {
        return by_groups(a, &e, ret);
    }
    return range.bounds == rest->count && adds_up(a) ? by_ranges(a, &e, &range, ret)
                                                     : by_pairs(a, ret);
}

/* ---- values ---- */

static cm_status value_of(apply *a, const applied *at, const cm_plan_node *node,
                          const cm_expr **ret)
{
    const cm_expr *value = cm_node_column(a->pl, node, a->physical[at->value].out);
    const cm_expr *zero = cm_plan_int(a->pl, 0), *count;
    cm_status st = CM_OK;

    *ret = value;
    if (at->agg->aggregate == CM_AGGREGATE_COUNT) {
        const cm_expr *args[2] = {value, zero};
        return value->nullable ? cm_expr_op_new(a->pl->arena, CM_X_COALESCE, value->type, args, 2,
                                                0, 0, at->agg->position, ret, a->pl->diag)
                               : CM_OK;
    }
    if (at->agg->aggregate == CM_AGGREGATE_AVG) {
        count = cm_node_column(a->pl, node, a->physical[at->count].out);
        const cm_expr *args[2] = {count, zero};
        if (count->nullable) {
            st = cm_expr_op_new(a->pl->arena, CM_X_COALESCE, count->type, args, 2, 0, 0,
                                at->agg->position, &count, a->pl->diag);
        }
        return st == CM_OK ? cm_plan_average(a->pl, at->agg, value, count, ret) : st;
    }
    if (at->agg->aggregate == CM_AGGREGATE_SUM && value->type.scale != at->agg->type.scale) {
        st = cm_plan_op_new(a->pl, CM_X_RESCALE, at->agg->type, value, NULL, ret);
    }
    return st;
}

/* The left side's columns that are still used, then the relation's. */
static cm_status finish(apply *a, cm_flow *flow)
{
    const cm_plan_node *node = flow->node;
    const cm_relation *relation = &a->b->query->relation[a->part->rel];
    size_t most = node->cols + a->applied + 1, cols = 0;
    const cm_expr **exprs = CM_NEW_SMALL(a->pl->arena, const cm_expr *, most);
    cm_plan_col *col = CM_NEW_SMALL(a->pl->arena, cm_plan_col, most);
    int *item = CM_NEW_SMALL(a->pl->arena, int, most);

    for (size_t i = 0; i < node->cols; i++) {
        if (flow->item[i] >= 0 && a->b->item[flow->item[i]].uses > 0) {
            exprs[cols] = cm_node_column(a->pl, node, i);
            col[cols] = node->col[i];
            item[cols++] = flow->item[i];
        }
    }
    for (size_t i = 0; i < a->applied; i++) {
        const cm_column *like = &relation->col[a->b->item[a->at[i].item].expr->index];
        cm_status st = value_of(a, &a->at[i], node, &exprs[cols]);
        if (st == CM_OK) {
            st = cm_col_of_expr(a->pl, like->name, exprs[cols], node, &col[cols]);
        }
        if (st != CM_OK) {
            return st;
        }
        col[cols].type = like->type;
        item[cols++] = a->at[i].item;
    }
    flow->node = cm_node_project(a->pl, flow->node, exprs, col, cols);
    flow->item = item;
    flow->rels = a->left.rels | (uint64_t)1 << a->part->rel;
    return CM_OK;
}

/* A value of some few rows beside each row of the answer is a group that K does not allow, and what
 * stands for it (NULL, 0) would be wrong where there are rows. */
static cm_status check_least(const cm_block *b)
{
    if (b->pl->min_rows < 2 || !b->visible || (b->query->grouped && !b->query->merges)) {
        return CM_OK;
    }
    cm_status st =
        cm_fail(b->pl->diag, CM_EDENIED, CM_SQL_DENIED,
                "a subquery's value for each row may be of fewer than %u rows", b->pl->min_rows);
    cm_diag_detail(b->pl->diag, "A column that is used is labelled 'min %u'.", b->pl->min_rows);
    cm_diag_hint(b->pl->diag, "Join the tables and GROUP BY: groups of fewer rows are left out.");
    return st;
}

cm_status cm_block_build_apply(cm_block *b, cm_part *part, cm_flow *ret)
{
    apply a = {.b = b, .pl = b->pl, .part = part};

    cm_status st = check_least(b);
    if (st == CM_OK) {
        st = cm_block_build_part(b, part->part[0], &a.left);
    }
    if (st == CM_OK) {
        st = cm_block_build_part(b, part->part[1], &a.right);
    }
    if (st == CM_OK) {
        st = list_applied(&a);
    }
    if (st == CM_OK) {
        st = choose_way(&a, ret);
    }
    if (st == CM_OK) {
        st = cm_block_use_applied(b, part, -1);
    }
    return st == CM_OK ? finish(&a, ret) : st;
}
