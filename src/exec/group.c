/*
 * Aggregation under MPC.  The table layer adds up unsigned numbers u = value - lo; what the plan's
 * column means is put together here: a sum of values is the sum of u plus lo times their number.
 */
#include "exec/exec_int.h"

/* Where the parts of one of the plan's aggregates are among the table layer's. */
typedef struct parts {
    size_t value; /* index into aggs */
    size_t count; /* of non-NULL values; SUM only, when has_count */
    bool has_count;
} parts;

typedef struct agg_list {
    cm_agg *agg;
    size_t count;
} agg_list;

static unsigned count_planes(uint64_t rows)
{
    cm_range range = {0, (cm_i128)rows};
    return cm_range_planes(range);
}

/* u of a sum over so many rows. */
static cm_range sum_range(const cm_plan_col *col, uint64_t rows)
{
    cm_range ret = {0, (col->range.hi - col->range.lo) * (cm_i128)rows};
    return ret;
}

static size_t add(agg_list *list, cm_agg_kind kind, unsigned col, unsigned planes)
{
    list->agg[list->count] = (cm_agg){.kind = kind, .col = col, .planes = planes};
    return list->count++;
}

static parts add_ordered(agg_list *list, cm_agg_kind kind, const cm_plan_agg *agg, unsigned planes)
{
    parts ret = {.value = add(list, kind, (unsigned)agg->col, planes)};

    list->agg[ret.value].num = agg->num;
    list->agg[ret.value].den = agg->den;
    list->agg[ret.value].descending = agg->descending;
    return ret;
}

static parts add_aggregate(agg_list *list, const cm_plan_node *node, size_t index)
{
    const cm_plan_agg *agg = &node->agg[index];
    const cm_plan_node *child = node->child[0];
    unsigned col = agg->col < 0 ? 0 : (unsigned)agg->col;
    const cm_plan_col *from = &child->col[col];
    parts ret = {0};
    if (agg->any) {
        ret.value = add(list, CM_AGG_ANY, col, from->enc.planes);
        return ret;
    }
    switch (agg->aggregate) {
    case CM_AGGREGATE_COUNT: {
        cm_agg_kind kind = agg->col < 0    ? CM_AGG_COUNT_ROWS
                           : agg->distinct ? CM_AGG_COUNT_DISTINCT
                                           : CM_AGG_COUNT;
        ret.value = add(list, kind, col, count_planes(child->rows));
        return ret;
    }
    case CM_AGGREGATE_SUM: {
        cm_range range = sum_range(from, child->rows);
        ret.value = add(list, CM_AGG_SUM, col, cm_range_planes(range));
        ret.count = add(list, CM_AGG_COUNT, col, count_planes(child->rows));
        ret.has_count = true;
        return ret;
    }
    case CM_AGGREGATE_MIN:
    case CM_AGGREGATE_MAX: {
        bool least = agg->aggregate == CM_AGGREGATE_MIN;
        ret.value = add(list, least ? CM_AGG_MIN : CM_AGG_MAX, col, from->enc.planes);
        return ret;
    }
    case CM_AGGREGATE_PERCENTILE_FLOOR:
        return add_ordered(list, CM_AGG_PERCENTILE_FLOOR, agg, from->enc.planes);
    case CM_AGGREGATE_PERCENTILE_CEIL:
        return add_ordered(list, CM_AGG_PERCENTILE_CEIL, agg, from->enc.planes);
    case CM_AGGREGATE_PERCENTILE_REST:
        return add_ordered(list, CM_AGG_PERCENTILE_REST, agg,
                           node->col[node->keys + index].enc.planes);
    case CM_AGGREGATE_PERCENTILE_DISC:
        return add_ordered(list, CM_AGG_PERCENTILE_DISC, agg, from->enc.planes);
    case CM_AGGREGATE_MODE:
        return add_ordered(list, CM_AGG_MODE, agg, from->enc.planes);
    case CM_AGGREGATE_AVG:
    case CM_AGGREGATE_PERCENTILE_CONT:
        break;
    }
    CM_ASSERT(false && "the planner takes AVG and PERCENTILE_CONT apart");
    return ret;
}

static cm_cval input_number(cm_rowwise *r, const cm_scol *data, cm_range range)
{
    cm_plan_col col = {.range = range};
    col.enc.kind = CM_ENC_NUMBER;
    col.enc.lo = range.lo;
    col.enc.planes = data->data.planes;
    col.enc.nullable = data->null.planes > 0;
    return cm_rowwise_input(r, &col, data);
}

/* The plan's SUM: u + lo * count, NULL where nothing was added. */
static cm_cval finish_sum(cm_rowwise *r, const cm_plan_node *node, size_t index,
                          const cm_table *table, size_t first, parts p)
{
    const cm_plan_node *child = node->child[0];
    const cm_plan_col *from = &child->col[node->agg[index].col];
    cm_cval u = input_number(r, &table->col[first + p.value], sum_range(from, child->rows));
    cm_range counts = {0, (cm_i128)child->rows};
    cm_cval count = input_number(r, &table->col[first + p.count], counts);
    cm_wire none = cm_num_is_zero(r->compiler.circuit, count.data);
    if (from->range.lo != 0) {
        /* Modulo 2^planes of the plan's range, which holds the true sum, the order of adding does
         * not matter. */
        cm_range range = node->col[node->keys + index].range;
        unsigned bits = cm_range_planes(range);
        cm_circuit *k = r->compiler.circuit;
        cm_num base = cm_num_mul_const(k, count.data, from->range.lo, bits);
        cm_num sum = cm_num_add(k, u.data, base, bits);
        u.data = cm_num_add_const(k, sum, -range.lo, bits);
        u.range = range;
    }
    u.null = node->col[node->keys + index].enc.nullable ? none : CM_WIRE_0;
    return u;
}

static cm_cval finish_aggregate(cm_rowwise *r, const cm_plan_node *node, size_t index,
                                const cm_table *table, size_t first, parts p)
{
    const cm_plan_agg *agg = &node->agg[index];
    const cm_plan_node *child = node->child[0];
    const cm_scol *value = &table->col[first + p.value];
    if (p.has_count) {
        return finish_sum(r, node, index, table, first, p);
    }
    if (!agg->any && agg->aggregate == CM_AGGREGATE_COUNT) {
        cm_range counts = {0, (cm_i128)child->rows};
        return input_number(r, value, counts);
    }
    cm_plan_col col = agg->aggregate == CM_AGGREGATE_PERCENTILE_REST ? node->col[node->keys + index]
                                                                     : child->col[agg->col];
    col.enc.nullable = value->null.planes > 0;
    return cm_rowwise_input(r, &col, value);
}

/* Turns the table layer's columns into the plan's. */
static cm_status finish(cm_exec *x, const cm_plan_node *node, const cm_table *table, size_t first,
                        const parts *part, size_t count_index, cm_table *made, cm_arena scratch)
{
    cm_bcol *outputs = CM_NEW(&scratch, cm_bcol, 2 * (node->aggs + 1) + 2);
    size_t outs = 0;
    cm_rowwise r;
    cm_rowwise_init(&r, x, table->rows, 2 * node->aggs + 2, &scratch);
    for (size_t i = 0; i < node->aggs; i++) {
        const cm_plan_col *col = &node->col[node->keys + i];
        if (node->agg[i].any) { /* as it is; it may be too long for a gate program */
            made->col[node->keys + i] = table->col[first + part[i].value];
            continue;
        }
        cm_cval value = finish_aggregate(&r, node, i, table, first, part[i]);
        cm_compile_output(&r.compiler, &value, &col->enc, col->range);
        made->col[node->keys + i] =
            cm_rowwise_new_column(x, &col->enc, table->rows, outputs, &outs);
    }
    const cm_plan_col *last = &node->col[node->cols - 1];
    cm_range counts = {0, (cm_i128)node->child[0]->rows};
    cm_cval count = input_number(&r, &table->col[first + count_index], counts);
    cm_compile_output(&r.compiler, &count, &last->enc, last->range);
    made->col[node->cols - 1] = cm_rowwise_new_column(x, &last->enc, table->rows, outputs, &outs);
    cm_status st = cm_rowwise_run(&r, table->rows, table->valid, outputs, outs, scratch);
    cm_circuit_free(r.compiler.circuit);
    return st;
}

/* One packed value per combination of the keys' domains, in the order of the result's rows. */
static cm_u128 *domain_values(const cm_plan_node *node, cm_arena *arena)
{
    const cm_plan_node *child = node->child[0];
    size_t rows = (size_t)node->rows;
    cm_u128 *ret = CM_NEW(arena, cm_u128, rows);
    for (size_t r = 0; r < rows; r++) {
        size_t repeat = rows;
        unsigned shift = 0;
        for (size_t k = 0; k < node->keys; k++) {
            const cm_domain *domain = &node->domain[k];
            const cm_encoding *enc = &child->col[node->key[k]].enc;
            size_t span = (size_t)(domain->range.hi - domain->range.lo) + 1;
            size_t values = span + (domain->nullable ? 1 : 0);
            repeat /= values;
            size_t index = r / repeat % values;
            cm_u128 value = index == span ? (cm_u128)1 << enc->planes
                                          : (cm_u128)(domain->range.lo + (cm_i128)index - enc->lo);
            ret[r] |= value << shift;
            shift += enc->planes + (enc->nullable ? 1 : 0);
        }
    }
    return ret;
}

static cm_status run_table(cm_exec *x, const cm_plan_node *node, const agg_list *list,
                           cm_table *ret, cm_arena *arena)
{
    const cm_table *from = &x->table[node->child[0]->number];
    switch ((int)node->op) {
    case CM_PLAN_AGGREGATE:
        return cm_table_aggregate(x->mpc, from, list->agg, list->count, arena, ret, x->scratch);
    case CM_PLAN_GROUP_DOMAIN: {
        cm_u128 *domain = domain_values(node, arena);
        return cm_table_group_domain(x->mpc, from, node->key, node->keys, domain,
                                     (size_t)node->rows, list->agg, list->count, arena, ret,
                                     x->scratch);
    }
    default: {
        cm_runs runs = cm_exec_runs(x, node, 0, arena);
        return cm_table_group_sort(x->mpc, from, node->key, node->keys, (size_t)node->rows,
                                   list->agg, list->count, &runs, arena, ret, x->scratch);
    }
    }
}

/* All of a node's, and after them how many rows there are. */
static parts *add_aggregates(const cm_plan_node *node, cm_arena *arena, agg_list *list,
                             size_t *ret_count_index)
{
    parts *ret = CM_NEW(arena, parts, node->aggs + 1);

    *list = (agg_list){CM_NEW(arena, cm_agg, 2 * node->aggs + 1), 0};
    for (size_t i = 0; i < node->aggs; i++) {
        ret[i] = add_aggregate(list, node, i);
    }
    *ret_count_index = add(list, CM_AGG_COUNT_ROWS, 0, count_planes(node->child[0]->rows));
    return ret;
}

cm_status cm_exec_group(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    cm_arena *arena = x->arena;
    size_t count_index;
    agg_list list;
    parts *part = add_aggregates(node, arena, &list, &count_index);

    cm_table grouped;
    cm_status st = cm_exec_mpc_failed(x, run_table(x, node, &list, &grouped, arena));
    if (st != CM_OK) {
        return st;
    }
    cm_table made = {.rows = grouped.rows, .cols = (unsigned)node->cols, .valid = grouped.valid};
    made.col = CM_NEW(arena, cm_scol, node->cols + 1);
    size_t first = 0;
    if (node->op == CM_PLAN_GROUP_SORT) {
        first = node->keys;
        for (size_t k = 0; k < node->keys; k++) {
            made.col[k] = grouped.col[k];
        }
    } else if (node->keys > 0) {
        unsigned *key_cols = CM_NEW(arena, unsigned, node->keys);
        for (size_t k = 0; k < node->keys; k++) {
            key_cols[k] = (unsigned)k;
        }
        cm_exec_domain_columns(x, node, key_cols, made.col, x->scratch);
    }
    st = finish(x, node, &grouped, first, part, count_index, &made, x->scratch);
    if (st == CM_OK) {
        *ret = made;
    }
    return st;
}

/* Aggregates of the rows that match each row; no row is moved. */
cm_status cm_exec_ranges(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    const cm_table *points = &x->table[node->child[0]->number];
    const cm_table *intervals = &x->table[node->child[1]->number];
    cm_arena *arena = x->arena;
    size_t count_index;
    agg_list list;
    parts *part = add_aggregates(node, arena, &list, &count_index);

    cm_range_spec spec = cm_exec_range(x, node);
    cm_ranges ranges = {0};
    cm_bcol repeated = {0};
    spec.aggs = list.count;
    spec.agg = list.agg;
    spec.ret_duplicate = node->check > 0 ? &repeated : NULL;
    cm_status st = cm_exec_mpc_failed(
        x, cm_table_ranges(x->mpc, points, intervals, &spec, arena, &ranges, x->scratch));
    if (st == CM_OK && node->check > 0) {
        st = cm_exec_raise_check(x, node, repeated);
    }
    if (st != CM_OK) {
        return st;
    }
    const cm_table found = {.rows = intervals->rows,
                            .cols = (unsigned)list.count,
                            .col = ranges.agg,
                            .valid = intervals->valid};
    cm_table made = {
        .rows = intervals->rows, .cols = (unsigned)node->cols, .valid = intervals->valid};
    made.col = CM_NEW(arena, cm_scol, node->cols + 1);
    for (unsigned i = 0; i < intervals->cols; i++) {
        made.col[i] = intervals->col[i];
    }
    st = finish(x, node, &found, 0, part, count_index, &made, x->scratch);
    if (st == CM_OK) {
        *ret = made;
    }
    return st;
}
