/*
 * Aggregates of DISTINCT values.  A node that groups by sort counts the distinct values of one
 * column.  For all others a window function numbers the rows that are equal in the keys and the
 * value, and only the first of them has a value left: then they are aggregates like any others.
 */
#include "sql/plan_group.h"

static bool same_on(const cm_physical *a, const cm_physical *b)
{
    return a->on != NULL && b->on != NULL && cm_expr_equal(a->on, b->on);
}

/* One column is left to the sort, if it is only counted. */
void cm_group_choose_marked(cm_grouping *g)
{
    size_t kept = g->physicals;

    for (size_t i = 0; i < g->physicals && kept == g->physicals; i++) {
        bool counted = g->physical[i].on != NULL;
        for (size_t j = 0; j < g->physicals; j++) {
            counted = counted && (!same_on(&g->physical[i], &g->physical[j]) ||
                                  g->physical[j].aggregate == CM_AGGREGATE_COUNT);
        }
        kept = counted ? i : kept;
    }
    for (size_t i = 0; i < g->physicals; i++) {
        cm_physical *p = &g->physical[i];
        p->marked = p->on != NULL && (kept == g->physicals || !same_on(p, &g->physical[kept]));
    }
}

/* Adds the number of each row among those of equal keys and value. */
static cm_plan_node *number_rows(cm_grouping *g, cm_plan_node *child, const size_t *key, size_t on)
{
    cm_plan_node *node = cm_node_new(g->pl, CM_PLAN_WINDOW, child->rows, child->cols + 1);
    cm_plan_window *window = CM_NEW_SMALL(g->pl->arena, cm_plan_window, 1);
    unsigned *part = CM_NEW_SMALL(g->pl->arena, unsigned, g->keys + 1);
    cm_plan_col *cols = cm_node_cols(node);

    for (size_t i = 0; i < child->cols; i++) {
        cols[i] = child->col[i];
    }
    cols[child->cols] = cm_col_number("row_number", cm_plan_int8_type(),
                                      (cm_range){1, (cm_i128)child->rows}, false);
    for (size_t i = 0; i < g->keys; i++) {
        part[i] = (unsigned)key[i];
    }
    part[g->keys] = (unsigned)on;
    *window = (cm_plan_window){.function = CM_WIN_ROW_NUMBER, .frame = CM_WIN_ROWS, .col = -1};
    node->keys = g->keys + 1;
    node->key = part;
    node->windows = 1;
    node->window = window;
    cm_node_children(g->pl, node, &child, 1);
    return node;
}

/* What is left of the argument: of a counted one only whether it is there. */
static cm_status left_of(cm_grouping *g, const cm_plan_node *node, const cm_physical *p, size_t arg,
                         const cm_expr **ret)
{
    const cm_expr *number = cm_node_column(g->pl, node, node->cols - 1);
    const cm_expr *value = cm_node_column(g->pl, node, arg), *condition, *absent;
    const cm_type boolean = cm_plan_bool_type();

    cm_status st =
        cm_plan_op_new(g->pl, CM_X_EQ, boolean, number, cm_plan_int(g->pl, 1), &condition);
    if (st == CM_OK && p->aggregate == CM_AGGREGATE_COUNT) {
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

/* Replaces the numbers by what is left of the arguments of all that are distinct as `first` is. */
static cm_status mask(cm_grouping *g, cm_plan_node **node, size_t first, size_t *arg)
{
    const cm_plan_node *numbered = *node;
    size_t cols = numbered->cols - 1;
    const cm_expr **exprs = CM_NEW_SMALL(g->pl->arena, const cm_expr *, cols + g->physicals + 1);
    cm_plan_col *col = CM_NEW_SMALL(g->pl->arena, cm_plan_col, cols + g->physicals + 1);

    for (size_t i = 0; i < cols; i++) {
        exprs[i] = cm_node_column(g->pl, numbered, i);
        col[i] = numbered->col[i];
    }
    for (size_t i = first; i < g->physicals; i++) {
        const cm_physical *p = &g->physical[i];
        if (!same_on(p, &g->physical[first])) {
            continue;
        }
        cm_status st = left_of(g, numbered, p, arg[i], &exprs[cols]);
        if (st == CM_OK) {
            st = cm_col_of_expr(g->pl, "distinct", exprs[cols], numbered, &col[cols]);
        }
        if (st != CM_OK) {
            return st;
        }
        arg[i] = cols++;
    }
    *node = cm_node_project(g->pl, *node, exprs, col, cols);
    return CM_OK;
}

cm_status cm_group_mark(cm_grouping *g, cm_plan_node **child, const size_t *key, const size_t *on,
                        size_t *arg)
{
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < g->physicals; i++) {
        bool done = !g->physical[i].marked;
        for (size_t j = 0; j < i; j++) {
            done = done || same_on(&g->physical[i], &g->physical[j]);
        }
        if (!done) {
            *child = number_rows(g, *child, key, on[i]);
            st = mask(g, child, i, arg);
        }
    }
    return st;
}
