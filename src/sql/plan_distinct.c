/*
 * Aggregates of DISTINCT values, percentiles and modes.  A node that groups by sort sorts by the
 * keys and one more column: it counts that one's distinct values, and knows its percentiles.  For
 * all other columns window functions mark rows, whose values alone are left to aggregate: of
 * equal values one, of a group's the one at the percentile.
 */
#include "sql/plan_group.h"

/* Whether both want the group's rows sorted by the same column. */
static bool same_column(const cm_grouping *g, const cm_group_cols *cols, size_t a, size_t b)
{
    const cm_physical *p = &g->physical[a], *q = &g->physical[b];
    size_t first = p->on != NULL ? cols->on[a] : cols->arg[a];
    size_t second = q->on != NULL ? cols->on[b] : cols->arg[b];

    return (p->on != NULL || p->of != NULL) && (q->on != NULL || q->of != NULL) && first == second;
}

/* A sort does not add up distinct values, nor does it find the last of several modes. */
static bool is_sorted(const cm_physical *p)
{
    bool last = p->of != NULL && p->aggregate == CM_AGGREGATE_MODE && p->of->descending;

    return p->on != NULL ? p->aggregate == CM_AGGREGATE_COUNT : !last;
}

void cm_group_choose_marked(cm_grouping *g, const cm_group_cols *cols)
{
    size_t kept = g->physicals;

    for (size_t i = 0; i < g->physicals; i++) {
        bool first = kept == g->physicals || (g->physical[i].of != NULL && !g->physical[kept].of);
        bool all = g->physical[i].on != NULL || g->physical[i].of != NULL;
        for (size_t j = 0; j < g->physicals; j++) {
            all = all && (!same_column(g, cols, i, j) || is_sorted(&g->physical[j]));
        }
        kept = all && first ? i : kept;
    }
    for (size_t i = 0; i < g->physicals; i++) {
        cm_physical *p = &g->physical[i];
        p->marked = (p->on != NULL || p->of != NULL) &&
                    (kept == g->physicals || !same_column(g, cols, i, kept));
    }
}

static cm_plan_col window_column(const cm_plan_node *child, const cm_plan_window *window)
{
    cm_i128 least = window->function == CM_WIN_COUNT ? 0 : 1;

    return cm_col_number("window", cm_plan_int8_type(), (cm_range){least, (cm_i128)child->rows},
                         false);
}

cm_plan_node *cm_group_window(cm_grouping *g, cm_plan_node *child, const cm_group_cols *cols,
                              int part, const cm_order *order, size_t orders,
                              const cm_plan_window *window, size_t windows)
{
    cm_plan_node *node = cm_node_new(g->pl, CM_PLAN_WINDOW, child->rows, child->cols + windows);
    cm_plan_window *functions = CM_NEW_SMALL(g->pl->arena, cm_plan_window, windows);
    cm_order *own = CM_NEW_SMALL(g->pl->arena, cm_order, orders + 1);
    unsigned *parts = CM_NEW_SMALL(g->pl->arena, unsigned, g->keys + 1);

    for (size_t i = 0; i < child->cols; i++) {
        cm_node_cols(node)[i] = child->col[i];
    }
    for (size_t i = 0; i < windows; i++) {
        functions[i] = window[i];
        cm_node_cols(node)[child->cols + i] = window_column(child, &window[i]);
    }
    for (size_t i = 0; i < orders; i++) {
        own[i] = order[i];
    }
    for (size_t i = 0; i < g->keys; i++) {
        parts[node->keys++] = (unsigned)cols->key[i];
    }
    if (part >= 0) {
        parts[node->keys++] = (unsigned)part;
    }
    node->key = parts;
    node->orders = orders;
    node->order = own;
    node->windows = windows;
    node->window = functions;
    cm_node_children(g->pl, node, &child, 1);
    return node;
}

cm_status cm_group_left(cm_grouping *g, cm_plan_node **node, size_t dropped, cm_group_left_fn left,
                        const bool *wanted, const cm_group_cols *cols)
{
    const cm_plan_node *marked = *node;
    size_t count = marked->cols - dropped;
    const cm_expr **exprs = CM_NEW_SMALL(g->pl->arena, const cm_expr *, count + g->physicals + 1);
    cm_plan_col *col = CM_NEW_SMALL(g->pl->arena, cm_plan_col, count + g->physicals + 1);

    for (size_t i = 0; i < count; i++) {
        exprs[i] = cm_node_column(g->pl, marked, i);
        col[i] = marked->col[i];
    }
    for (size_t i = 0; i < g->physicals; i++) {
        if (!wanted[i]) {
            continue;
        }
        cm_status st = left(g, marked, i, cols->arg[i], &exprs[count]);
        if (st == CM_OK) {
            st = cm_col_of_expr(g->pl, "marked", exprs[count], marked, &col[count]);
        }
        if (st != CM_OK) {
            return st;
        }
        cols->arg[i] = count++;
    }
    *node = cm_node_project(g->pl, *node, exprs, col, count);
    return CM_OK;
}

/* The first of equal values; of a counted one only whether it is there. */
static cm_status first_of_equals(cm_grouping *g, const cm_plan_node *node, size_t physical,
                                 size_t arg, const cm_expr **ret)
{
    const cm_expr *number = cm_node_column(g->pl, node, node->cols - 1);
    const cm_expr *value = cm_node_column(g->pl, node, arg), *condition, *absent;
    const cm_type boolean = cm_plan_bool_type();

    cm_status st =
        cm_plan_op_new(g->pl, CM_X_EQ, boolean, number, cm_plan_int(g->pl, 1), &condition);
    if (st == CM_OK && g->physical[physical].aggregate == CM_AGGREGATE_COUNT) {
        st = cm_plan_op_new(g->pl, CM_X_IS_NULL, boolean, value, NULL, &absent);
        if (st == CM_OK) {
            st = cm_plan_op_new(g->pl, CM_X_NOT, boolean, absent, NULL, &absent);
        }
        if (st == CM_OK) {
            st = cm_plan_op_new(g->pl, CM_X_AND, boolean, condition, absent, &condition);
        }
        value = cm_plan_int(g->pl, 1);
    }
    return st != CM_OK ? st : cm_group_when(g, condition, value, ret);
}

static cm_status mark_distinct(cm_grouping *g, cm_plan_node **child, size_t first,
                               const cm_group_cols *cols)
{
    const cm_plan_window number = {.function = CM_WIN_ROW_NUMBER, .frame = CM_WIN_ROWS, .col = -1};
    bool *wanted = CM_NEW_SMALL(g->pl->arena, bool, g->physicals);

    for (size_t i = first; i < g->physicals; i++) {
        wanted[i] = g->physical[i].on != NULL && same_column(g, cols, first, i);
    }
    *child = cm_group_window(g, *child, cols, (int)cols->on[first], NULL, 0, &number, 1);
    return cm_group_left(g, child, 1, first_of_equals, wanted, cols);
}

cm_status cm_group_mark(cm_grouping *g, cm_plan_node **child, const cm_group_cols *cols)
{
    size_t *arg = CM_NEW_SMALL(g->pl->arena, size_t, g->physicals + 1);
    const cm_group_cols before = {cols->key, cols->on, arg}; /* arguments as they were */
    cm_status st = CM_OK;

    for (size_t i = 0; i < g->physicals; i++) {
        arg[i] = cols->arg[i];
    }
    for (size_t i = 0; st == CM_OK && i < g->physicals; i++) {
        const cm_physical *p = &g->physical[i];
        bool done = !p->marked;
        for (size_t j = 0; j < i; j++) {
            done = done || (same_column(g, &before, i, j) &&
                            (p->on != NULL) == (g->physical[j].on != NULL));
        }
        if (!done && p->on != NULL) {
            st = mark_distinct(g, child, i, cols);
        } else if (!done) {
            st = cm_group_mark_ordered(g, child, i, cols);
        }
    }
    return st;
}
