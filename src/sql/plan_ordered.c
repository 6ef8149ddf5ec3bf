/*
 * Percentiles and modes of a column by window functions: where the sort that groups has another
 * column to look at.  A percentile num / den of n values, numbered by j from 0, is at the row
 * where 0 <= num (n - 1) + c - den j < den (docs/design/table.md, "Percentiles").
 */
#include "sql/plan_group.h"
#include "sql/sql_int.h"

static const cm_expr *number(cm_grouping *g, cm_i128 value)
{
    return cm_plan_int(g->pl, value);
}

/* num (n - 1) + c - den j, where row_number and count are the node's last columns. */
static cm_status rest_at(cm_grouping *g, const cm_plan_node *node, const cm_physical *p, cm_i128 c,
                         const cm_expr **ret)
{
    const cm_type int8 = cm_plan_int8_type();
    const cm_i128 num = p->of->index, den = cm_pow10(p->of->shift);
    const cm_expr *row = cm_node_column(g->pl, node, node->cols - 2), *above;
    const cm_expr *count = cm_node_column(g->pl, node, node->cols - 1);

    /* = num n - den row_number + (c - num + den) */
    cm_status st = cm_plan_op_new(g->pl, CM_X_MUL, int8, count, number(g, num), &count);
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_MUL, int8, row, number(g, den), &above);
    }
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_SUB, int8, count, above, ret);
    }
    return st != CM_OK ? st
                       : cm_plan_op_new(g->pl, CM_X_ADD, int8, *ret, number(g, c - num + den), ret);
}

static cm_status percentile_here(cm_grouping *g, const cm_plan_node *node, const cm_physical *p,
                                 const cm_expr *value, const cm_expr **ret)
{
    const cm_type boolean = cm_plan_bool_type();
    const cm_i128 num = p->of->index, den = cm_pow10(p->of->shift);
    const bool disc = p->aggregate == CM_AGGREGATE_PERCENTILE_DISC;
    const cm_i128 c = p->aggregate == CM_AGGREGATE_PERCENTILE_CEIL ? den - 1 : disc ? num - 1 : 0;
    const cm_expr *rest = NULL, *some = NULL, *least = NULL, *most = NULL;

    cm_status st = cm_plan_op_new(g->pl, CM_X_IS_NULL, boolean, value, NULL, &some);
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_NOT, boolean, some, NULL, &some);
    }
    if (st == CM_OK) { /* percentile_disc of 0 is the first */
        st = rest_at(g, node, p, disc && num == 0 ? 0 : c, &rest);
    }
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_GE, boolean, rest, number(g, 0), &least);
    }
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_LT, boolean, rest, number(g, den), &most);
    }
    const cm_expr *args[3] = {some, least, most}, *condition = NULL;
    if (st == CM_OK) {
        st = cm_expr_op_new(g->pl->arena, CM_X_AND, boolean, args, 3, 0, 0, 0, &condition,
                            g->pl->diag);
    }
    if (st == CM_OK && p->aggregate == CM_AGGREGATE_PERCENTILE_REST) {
        st = cm_plan_op_new(g->pl, CM_X_GREATEST, p->type, rest, number(g, 0), &value);
        if (st == CM_OK) {
            st = cm_plan_op_new(g->pl, CM_X_LEAST, p->type, value, number(g, den - 1), &value);
        }
    }
    return st != CM_OK ? st : cm_group_when(g, condition, value, ret);
}

static cm_status left_of_percentile(cm_grouping *g, const cm_plan_node *node, size_t physical,
                                    size_t arg, const cm_expr **ret)
{
    return percentile_here(g, node, &g->physical[physical], cm_node_column(g->pl, node, arg), ret);
}

/* The first row by frequency has the mode. */
static cm_status left_of_mode(cm_grouping *g, const cm_plan_node *node, size_t physical, size_t arg,
                              const cm_expr **ret)
{
    const cm_expr *row = cm_node_column(g->pl, node, node->cols - 1), *condition;

    (void)physical;
    cm_status st =
        cm_plan_op_new(g->pl, CM_X_EQ, cm_plan_bool_type(), row, number(g, 1), &condition);
    return st != CM_OK ? st : cm_group_when(g, condition, cm_node_column(g->pl, node, arg), ret);
}

static cm_status mark_modes(cm_grouping *g, cm_plan_node **child, size_t col, const bool *wanted,
                            bool descending, const cm_group_cols *cols)
{
    const cm_plan_window count = {
        .function = CM_WIN_COUNT, .frame = CM_WIN_PARTITION, .col = (int)col};
    const cm_plan_window first = {.function = CM_WIN_ROW_NUMBER, .frame = CM_WIN_ROWS, .col = -1};
    const cm_order order[2] = {{.target = (unsigned)(*child)->cols, .descending = true},
                               {.target = (unsigned)col, .descending = descending}};

    *child = cm_group_window(g, *child, cols, (int)col, NULL, 0, &count, 1);
    *child = cm_group_window(g, *child, cols, -1, order, 2, &first, 1);
    return cm_group_left(g, child, 2, left_of_mode, wanted, cols);
}

static cm_status mark_percentiles(cm_grouping *g, cm_plan_node **child, size_t col,
                                  const bool *wanted, bool descending, const cm_group_cols *cols)
{
    const cm_plan_window window[2] = {
        {.function = CM_WIN_ROW_NUMBER, .frame = CM_WIN_ROWS, .col = -1},
        {.function = CM_WIN_COUNT, .frame = CM_WIN_PARTITION, .col = (int)col}};
    const cm_order order = {.target = (unsigned)col, .descending = descending};

    *child = cm_group_window(g, *child, cols, -1, &order, 1, window, 2);
    return cm_group_left(g, child, 2, left_of_percentile, wanted, cols);
}

cm_status cm_group_mark_ordered(cm_grouping *g, cm_plan_node **child, size_t first,
                                const cm_group_cols *cols)
{
    const size_t col = cols->arg[first];
    bool *wanted = CM_NEW_SMALL(g->pl->arena, bool, g->physicals);
    cm_status st = CM_OK;

    for (unsigned kind = 0; st == CM_OK && kind < 4; kind++) {
        const bool modes = kind >= 2, descending = kind % 2 == 1;
        bool some = false;
        for (size_t i = 0; i < g->physicals; i++) {
            const cm_physical *p = &g->physical[i];
            wanted[i] = p->of != NULL && p->marked && cols->arg[i] == col &&
                        (p->aggregate == CM_AGGREGATE_MODE) == modes &&
                        p->of->descending == descending;
            some = some || wanted[i];
        }
        if (some) {
            st = modes ? mark_modes(g, child, col, wanted, descending, cols)
                       : mark_percentiles(g, child, col, wanted, descending, cols);
        }
    }
    return st;
}
