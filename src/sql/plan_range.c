/*
 * Conditions that are ranges: a value of one side, the points, between bounds of the other side,
 * the intervals.  Together with equalities they say which rows match without looking at all pairs.
 */
#include "sql/plan_join.h"

/* The same comparison with its sides changed. */
static cm_expr_op mirror(cm_expr_op op)
{
    return op == CM_X_LT ? CM_X_GT : op == CM_X_LE ? CM_X_GE : op == CM_X_GT ? CM_X_LT : CM_X_LE;
}

static bool within(const cm_expr *expr, uint64_t rels)
{
    uint64_t own = cm_expr_rels(expr);

    return own != 0 && (own & ~rels) == 0;
}

/* point op bound, of numbers; false when the condition is nothing of the kind. */
static bool read_bound(const cm_expr *condition, uint64_t points, uint64_t intervals,
                       const cm_expr **ret_point, const cm_expr **ret_bound, cm_expr_op *ret_op)
{
    if (condition->op != CM_X_LT && condition->op != CM_X_LE && condition->op != CM_X_GT &&
        condition->op != CM_X_GE) {
        return false;
    }
    const cm_expr *left = condition->arg[0], *right = condition->arg[1];
    bool turned = within(right, points) && within(left, intervals);
    if (cm_expr_is_text(left) || cm_expr_is_text(right) ||
        !(turned || (within(left, points) && within(right, intervals)))) {
        return false;
    }
    *ret_point = cm_expr_strip(turned ? right : left);
    *ret_bound = turned ? left : right;
    *ret_op = turned ? mirror(condition->op) : condition->op;
    return true;
}

/* Bounds of this order among the conditions, one below and one above. */
static cm_range_match match_order(const cm_exprs *conditions, uint64_t points, uint64_t intervals,
                                  const cm_expr *order)
{
    cm_range_match m = {.order = order};

    for (size_t i = 0; i < conditions->count; i++) {
        const cm_expr *point, *bound;
        cm_expr_op op;
        if (!read_bound(conditions->at[i], points, intervals, &point, &bound, &op) ||
            !cm_expr_equal(point, order)) {
            continue;
        }
        bool below = op == CM_X_GT || op == CM_X_GE;
        if ((below ? m.lower : m.upper) != NULL) {
            continue;
        }
        *(below ? &m.lower : &m.upper) = bound;
        *(below ? &m.lower_open : &m.upper_open) = op == CM_X_GT || op == CM_X_LT;
        m.taken[m.bounds++] = conditions->at[i];
    }
    return m;
}

cm_range_match cm_range_find(const cm_exprs *conditions, uint64_t points, uint64_t intervals)
{
    cm_range_match best = {0};

    for (size_t i = 0; i < conditions->count; i++) {
        const cm_expr *point, *bound;
        cm_expr_op op;
        if (read_bound(conditions->at[i], points, intervals, &point, &bound, &op)) {
            cm_range_match m = match_order(conditions, points, intervals, point);
            best = m.bounds > best.bounds ? m : best;
        }
    }
    return best;
}

static cm_range hull(cm_range a, cm_range b)
{
    return (cm_range){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}

unsigned cm_flow_add_column(cm_block *b, cm_flow *flow, const cm_expr *value, cm_plan_col col)
{
    cm_plan_node *node = flow->node;
    size_t cols = node->cols + 1;
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, cols);
    cm_plan_col *all = CM_NEW_SMALL(b->pl->arena, cm_plan_col, cols);
    int *item = CM_NEW_SMALL(b->pl->arena, int, cols);

    for (size_t i = 0; i < node->cols; i++) {
        exprs[i] = cm_node_column(b->pl, node, i);
        all[i] = node->col[i];
        item[i] = flow->item[i];
    }
    exprs[cols - 1] = value;
    all[cols - 1] = col;
    item[cols - 1] = -1;
    flow->node = cm_node_project(b->pl, node, exprs, all, cols);
    flow->item = item;
    return (unsigned)cols - 1;
}

/* The value in that range as one more column. */
static void add_value(cm_block *b, cm_flow *flow, const cm_expr *value, cm_range range,
                      unsigned *ret_col)
{
    const char *name = value->op == CM_X_COLUMN ? flow->node->col[value->index].name : "bound";

    *ret_col = cm_flow_add_column(b, flow, value,
                                  cm_col_number(name, value->type, range, value->nullable));
}

cm_status cm_range_set(cm_block *b, const cm_range_match *m, cm_flow *points, cm_flow *intervals,
                       cm_plan_node *node)
{
    const cm_expr *order, *bound[2] = {NULL, NULL};
    const cm_expr *const from[2] = {m->lower, m->upper};
    cm_plan_bound *to[2] = {&node->range.lower, &node->range.upper};

    if (m->bounds == 0) {
        return CM_OK;
    }
    cm_status st = cm_flow_resolve(b, points, m->order, &order);
    if (st != CM_OK) {
        return st;
    }
    cm_range all = order->range;
    for (size_t i = 0; i < 2; i++) {
        if (from[i] == NULL) {
            continue;
        }
        st = cm_flow_resolve(b, intervals, from[i], &bound[i]);
        if (st != CM_OK) {
            return st;
        }
        all = hull(all, bound[i]->range);
    }
    add_value(b, points, order, all, &node->range.order);
    for (size_t i = 0; i < 2; i++) {
        if (from[i] != NULL) {
            *to[i] = (cm_plan_bound){.given = true, .open = i == 0 ? m->lower_open : m->upper_open};
            add_value(b, intervals, bound[i], all, &to[i]->col);
        }
    }
    return CM_OK;
}

cm_status cm_range_take(cm_block *b, const cm_range_match *m, cm_exprs *conditions)
{
    cm_exprs rest = {0};
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < conditions->count; i++) {
        const cm_expr *condition = conditions->at[i];
        if (m->bounds > 0 && (condition == m->taken[0] || condition == m->taken[1])) {
            st = cm_block_use(b, condition, -1);
        } else {
            cm_exprs_add(b->pl->arena, &rest, condition);
        }
    }
    *conditions = rest;
    return st;
}
