/*
 * Window functions under MPC.  As in group.c, the table layer adds up u = value - lo, and the
 * plan's sum is that plus lo times the number of values.
 */
#include "exec/exec_int.h"

/* Where the parts of a plan's function are among the table layer's. */
typedef struct parts {
    size_t value, count;
    bool has_count;
} parts;

typedef struct func_list {
    cm_window_func *func;
    size_t count;
} func_list;

static cm_range count_range(const cm_plan_node *node)
{
    return (cm_range){0, (cm_i128)node->rows};
}

static cm_range sum_range(const cm_plan_node *node, const cm_plan_col *from)
{
    return (cm_range){0, (from->range.hi - from->range.lo) * (cm_i128)node->rows};
}

static cm_window_frame frame_of(cm_win_frame frame)
{
    return frame == CM_WIN_ROWS      ? CM_FRAME_ROWS
           : frame == CM_WIN_PEERS   ? CM_FRAME_PEERS
           : frame == CM_WIN_SLIDING ? CM_FRAME_SLIDING
                                     : CM_FRAME_PARTITION;
}

static size_t add(func_list *list, cm_window_kind kind, const cm_plan_window *w, cm_range range)
{
    list->func[list->count] = (cm_window_func){.kind = kind,
                                               .frame = frame_of(w->frame),
                                               .col = w->col < 0 ? 0 : (unsigned)w->col,
                                               .offset = w->offset,
                                               .from = w->from,
                                               .to = w->to,
                                               .planes = cm_range_planes(range)};
    return list->count++;
}

static parts add_function(func_list *list, const cm_plan_node *node, const cm_plan_window *w)
{
    static const cm_window_kind kinds[] = {
        [CM_WIN_ROW_NUMBER] = CM_WINDOW_ROW_NUMBER,
        [CM_WIN_RANK] = CM_WINDOW_RANK,
        [CM_WIN_DENSE_RANK] = CM_WINDOW_DENSE_RANK,
        [CM_WIN_LAG] = CM_WINDOW_LAG,
        [CM_WIN_LEAD] = CM_WINDOW_LEAD,
        [CM_WIN_FIRST] = CM_WINDOW_FIRST,
        [CM_WIN_LAST] = CM_WINDOW_LAST,
        [CM_WIN_COUNT] = CM_WINDOW_COUNT,
        [CM_WIN_SUM] = CM_WINDOW_SUM,
        [CM_WIN_MIN] = CM_WINDOW_MIN,
        [CM_WIN_MAX] = CM_WINDOW_MAX,
    };
    parts ret = {0};

    if (w->function == CM_WIN_SUM) {
        const cm_plan_col *from = &node->child[0]->col[w->col];
        ret.value = add(list, CM_WINDOW_SUM, w, sum_range(node, from));
        bool may_be_empty = w->frame == CM_WIN_SLIDING && (w->from > 0 || w->to < 0);
        ret.has_count = from->range.lo != 0 || from->enc.nullable || may_be_empty;
        if (ret.has_count) {
            ret.count = add(list, CM_WINDOW_COUNT, w, count_range(node));
        }
        return ret;
    }
    bool all = w->function == CM_WIN_COUNT && w->col < 0;
    ret.value = add(list, all ? CM_WINDOW_COUNT_ROWS : kinds[w->function], w, count_range(node));
    return ret;
}

static cm_cval input_number(cm_rowwise *r, const cm_scol *data, cm_range range)
{
    cm_plan_col col = {.range = range};
    col.enc = (cm_encoding){.kind = CM_ENC_NUMBER, .lo = range.lo, .planes = data->data.planes};
    return cm_rowwise_input(r, &col, data);
}

/* u + lo * count modulo 2^planes of the plan's range, which holds the true sum. */
static cm_cval finish_sum(cm_rowwise *r, const cm_plan_node *node, const cm_plan_window *w,
                          const cm_plan_col *col, const cm_table *table, parts p)
{
    const cm_plan_col *from = &node->child[0]->col[w->col];
    cm_circuit *k = r->compiler.circuit;
    cm_cval u = input_number(r, &table->col[p.value], sum_range(node, from));

    if (!p.has_count) {
        return u;
    }
    cm_cval count = input_number(r, &table->col[p.count], count_range(node));
    if (from->range.lo != 0) {
        unsigned bits = cm_range_planes(col->range);
        cm_num base = cm_num_mul_const(k, count.data, from->range.lo, bits);
        cm_num sum = cm_num_add(k, u.data, base, bits);
        u.data = cm_num_add_const(k, sum, -col->range.lo, bits);
        u.range = col->range;
    }
    u.null = col->enc.nullable ? cm_num_is_zero(k, count.data) : CM_WIRE_0;
    return u;
}

static bool is_number(cm_win function)
{
    return function <= CM_WIN_DENSE_RANK || function == CM_WIN_COUNT || function == CM_WIN_SUM;
}

/* Turns the table layer's columns into the plan's. */
static cm_status finish(cm_exec *x, const cm_plan_node *node, const cm_table *table,
                        const parts *part, cm_table *made, cm_arena scratch)
{
    size_t first = node->child[0]->cols, outs = 0;
    cm_bcol *outputs = CM_NEW(&scratch, cm_bcol, 2 * node->windows + 2);
    cm_rowwise r;

    cm_rowwise_init(&r, x, table->rows, 2 * node->windows + 2, &scratch);
    for (size_t i = 0; i < node->windows; i++) {
        const cm_plan_window *w = &node->window[i];
        const cm_plan_col *col = &node->col[first + i];
        if (!is_number(w->function)) {
            made->col[first + i] = table->col[part[i].value];
            if (!col->enc.nullable) { /* an extreme of what is never NULL */
                made->col[first + i].null.planes = 0;
            }
            continue;
        }
        cm_cval value = w->function == CM_WIN_SUM
                            ? finish_sum(&r, node, w, col, table, part[i])
                            : input_number(&r, &table->col[part[i].value], count_range(node));
        cm_compile_output(&r.compiler, &value, &col->enc, col->range);
        made->col[first + i] = cm_rowwise_new_column(x, &col->enc, table->rows, outputs, &outs);
    }
    cm_status st =
        outs == 0 ? CM_OK : cm_rowwise_run(&r, table->rows, table->valid, outputs, outs, scratch);
    cm_circuit_free(r.compiler.circuit);
    return st;
}

static cm_status run_table(cm_exec *x, const cm_plan_node *node, const func_list *list,
                           cm_table *ret)
{
    const cm_table *from = &x->table[node->child[0]->number];
    cm_arena *arena = x->arena;
    cm_sort_key *order = CM_NEW(arena, cm_sort_key, node->orders + 1);

    for (size_t i = 0; i < node->orders; i++) {
        order[i] = (cm_sort_key){.col = node->order[i].target,
                                 .descending = node->order[i].descending,
                                 .nulls_first = node->order[i].nulls_first};
    }
    bool tells_ties = false;
    for (size_t i = 0; i < node->windows; i++) {
        tells_ties = tells_ties || cm_plan_window_tells_ties(&node->window[i]);
    }
    const cm_window_spec spec = {.parts = node->keys,
                                 .orders = node->orders,
                                 .funcs = list->count,
                                 .part = node->key,
                                 .order = order,
                                 .func = list->func,
                                 .ties = tells_ties ? CM_TIES_RANDOM : CM_TIES_ANY,
                                 .runs = cm_exec_runs(x, node, 0, arena)};
    return cm_exec_mpc_failed(x, cm_table_window(x->mpc, from, &spec, arena, ret, x->scratch));
}

cm_status cm_exec_window(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    func_list list = {CM_NEW(x->arena, cm_window_func, 2 * node->windows + 1), 0};
    parts *part = CM_NEW(x->arena, parts, node->windows + 1);
    size_t below = node->child[0]->cols;
    cm_table table;

    for (size_t i = 0; i < node->windows; i++) {
        part[i] = add_function(&list, node, &node->window[i]);
        part[i].value += below;
        part[i].count += below;
    }
    cm_status st = run_table(x, node, &list, &table);
    if (st != CM_OK) {
        return st;
    }
    cm_table made = {.rows = table.rows, .cols = (unsigned)node->cols, .valid = table.valid};
    made.col = CM_NEW(x->arena, cm_scol, node->cols + 1);
    for (size_t i = 0; i < below; i++) {
        made.col[i] = table.col[i];
    }
    st = finish(x, node, &table, part, &made, x->scratch);
    if (st == CM_OK) {
        *ret = made;
    }
    return st;
}
