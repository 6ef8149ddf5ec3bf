/* SQL's aggregates from the columns of the grouped node. */
#include "sql/expr_int.h"
#include "sql/plan_group.h"

static cm_status positive_count(cm_grouping *g, const cm_aggregate_use *use, const cm_expr **ret)
{
    size_t col = use->count < 0 ? g->count_col : g->physical[use->count].col;

    *ret = cm_node_column(g->pl, g->node, col);
    return CM_OK;
}

/* Owners' sums are 0 where nothing was added: that is NULL unless every group adds something. */
static cm_status null_when_empty(cm_grouping *g, const cm_aggregate_use *use, const cm_expr *value,
                                 const cm_expr **ret)
{
    const cm_expr *count, *condition;

    if (!g->dense || (g->keys > 0 && use->count < 0)) {
        *ret = value;
        return CM_OK;
    }
    cm_status st = positive_count(g, use, &count);
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_GT, cm_plan_bool_type(), count, cm_plan_int(g->pl, 0),
                            &condition);
    }
    return st != CM_OK ? st : cm_group_when(g, condition, value, ret);
}

static cm_status rescale(cm_planner *pl, const cm_expr *value, cm_type type, const cm_expr **ret)
{
    if (value->type.scale == type.scale) {
        *ret = value;
        return CM_OK;
    }
    return cm_plan_op_new(pl, CM_X_RESCALE, type, value, NULL, ret);
}

/* Most digits after the point, up to `most`, with which the dividend fits 126 bits; -1: none. */
static int quotient_digits(cm_range dividend, int scale, int most)
{
    const cm_i128 limit = ((cm_i128)1 << 126) - 1;
    cm_i128 magnitude = -dividend.lo > dividend.hi ? -dividend.lo : dividend.hi;
    int digits = scale - 1;

    while (digits < most && magnitude <= limit) {
        digits++;
        if (magnitude > limit / 10) {
            break;
        }
        magnitude *= 10;
    }
    return digits;
}

/*
 * SUM / COUNT at the digits that the binder promised.  With less room for the dividend the quotient
 * has fewer; never fewer than 6, or than what was summed has.
 */
cm_status cm_plan_average(cm_planner *pl, const cm_expr *agg, const cm_expr *sum,
                          const cm_expr *count, const cm_expr **ret)
{
    int from = sum->type.scale, want = agg->type.scale;
    int least = want < CM_PLAN_QUOTIENT_DIGITS ? want : CM_PLAN_QUOTIENT_DIGITS;
    int digits = quotient_digits(sum->range, from, want < from ? from : want);
    cm_type type = agg->type;

    type.scale = digits;
    type.quotient = true;

    if (digits < least || digits < from) {
        if (pl->diag != NULL && pl->diag->status == CM_OK) {
            pl->diag->position = agg->position;
        }
        cm_status st =
            cm_fail(pl->diag, CM_ERANGE, CM_SQL_RANGE, "average may need more than 126 bits");
        cm_diag_hint(pl->diag, "Declare the column's real range with CHECK (column BETWEEN low "
                               "AND high).");
        return st;
    }
    /* no row divides by zero: without any the sum is NULL */
    cm_status st =
        cm_plan_op_new(pl, CM_X_GREATEST, count->type, count, cm_plan_int(pl, 1), &count);
    cm_range most = agg->arg[0]->range; /* no average lies outside */
    cm_i128 power;
    if (st == CM_OK && (!cm_range_power(digits - from, &power) ||
                        !cm_range_mul(most, (cm_range){power, power}, &most))) {
        CM_ASSERT(false && "less than the sum's");
    }
    const cm_expr *args[4] = {sum, count, cm_plan_int(pl, most.lo), cm_plan_int(pl, most.hi)};
    const cm_expr *quotient;
    if (st == CM_OK) {
        st = cm_expr_op_new(pl->arena, CM_X_QUOT, type, args, 4, 0, digits - from, agg->position,
                            &quotient, pl->diag);
    }
    return st == CM_OK ? rescale(pl, quotient, agg->type, ret) : st;
}

static cm_status average(cm_grouping *g, const cm_aggregate_use *use, const cm_expr **ret)
{
    const cm_expr *sum = NULL, *count = NULL, *value = NULL;

    cm_status st = cm_group_sum(g, &g->physical[use->value], &sum);
    if (st == CM_OK) {
        st = positive_count(g, use, &count);
    }
    if (st == CM_OK) {
        st = cm_plan_average(g->pl, use->agg, sum, count, &value);
    }
    return st == CM_OK ? null_when_empty(g, use, value, ret) : st;
}

/* floor + (ceil - floor) * rest / den, exactly: den is a power of ten. */
static cm_status between(cm_grouping *g, const cm_aggregate_use *use, const cm_expr *floor,
                         const cm_expr **ret)
{
    const cm_expr *ceil = cm_node_column(g->pl, g->node, g->physical[use->ceil].col);
    const cm_expr *rest = cm_node_column(g->pl, g->node, g->physical[use->rest].col);
    const cm_expr *whole, *part;

    cm_status st = cm_plan_op_new(g->pl, CM_X_RESCALE, use->agg->type, floor, NULL, &whole);
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_SUB, floor->type, ceil, floor, &part);
    }
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_MUL, use->agg->type, part, rest, &part);
    }
    return st != CM_OK ? st : cm_plan_op_new(g->pl, CM_X_ADD, use->agg->type, whole, part, ret);
}

static cm_status value_of(cm_grouping *g, const cm_aggregate_use *use, const cm_expr **ret)
{
    size_t col = use->value < 0 ? g->count_col : g->physical[use->value].col;
    const cm_expr *value = cm_node_column(g->pl, g->node, col);

    if (use->agg->aggregate == CM_AGGREGATE_AVG) {
        return average(g, use, ret);
    }
    if (use->agg->aggregate == CM_AGGREGATE_SUM) {
        cm_status st = cm_group_sum(g, &g->physical[use->value], &value);
        if (st == CM_OK) {
            st = rescale(g->pl, value, use->agg->type, &value);
        }
        return st != CM_OK ? st : null_when_empty(g, use, value, ret);
    }
    if (use->agg->aggregate == CM_AGGREGATE_PERCENTILE_CONT && use->agg->shift > 0) {
        return between(g, use, value, ret);
    }
    *ret = value;
    return CM_OK;
}

static const cm_expr *replace(const cm_expr *expr, void *arg)
{
    cm_grouping *g = arg;
    int key = cm_group_key_of(g, expr);
    const cm_expr *ret = expr;

    if (g->failed) {
        return expr;
    }
    if (key >= 0) {
        return cm_node_column(g->pl, g->node, g->key[key].value_col);
    }
    if (expr->op == CM_X_AGG) {
        for (size_t i = 0; i < g->uses; i++) {
            if (cm_expr_equal(g->use[i].agg, expr)) {
                g->failed = value_of(g, &g->use[i], &ret) != CM_OK;
                return g->failed ? expr : ret;
            }
        }
        CM_ASSERT(false && "collected before");
    }
    if (expr->op == CM_X_COLUMN) {
        cm_status st = cm_fail(g->pl->diag, CM_EINVAL, CM_SQL_GROUPING,
                               "column must appear in the GROUP BY clause or be used in an "
                               "aggregate function");
        g->failed = st != CM_OK;
        return expr;
    }
    return NULL;
}

cm_status cm_group_over_node(cm_grouping *g, const cm_expr *expr, const cm_expr **ret)
{
    cm_status st = cm_expr_rewrite(g->pl->arena, expr, replace, g, ret, g->pl->diag);

    if (g->failed) {
        return g->pl->diag != NULL ? g->pl->diag->status : CM_ERANGE;
    }
    return st;
}
