/*
 * GROUP BY by sort: docs/design/table.md, "Group by sort".
 *
 *   1. Sort by (valid first, keys, distinct value), carrying what the aggregates read.
 *   2. Neighbours that differ end a group, or a run of one distinct value.
 *   3. Prefix sums over all rows (local); a segmented scan for MIN and MAX; percentiles and modes
 *      (group_order.c).
 *   4. Partition: group ends first.  Differences of prefix sums of consecutive ends are the groups'
 *      totals (local), which come back to bits.
 */
#include "table/table_int.h"

typedef struct grouping {
    cm_mpc *mpc;
    const cm_table *table;
    const unsigned *keys;
    size_t key_count;
    const cm_agg *aggs; /* as the caller gave them */
    size_t count;
    const cm_runs *runs; /* or NULL */
    size_t out_rows;

    bool has_distinct;
    cm_sort_key *sort_keys; /* keys, then the column whose order or distinct values are wanted */
    size_t sort_key_count;
    unsigned distinct_planes; /* of the sort key, its lowest; NULL plane on top of them */
    unsigned group_planes;    /* of the sort key, above; the invalid flag is the top one */

    cm_table inner;    /* columns that the aggregates read, sorted */
    cm_agg *inner_agg; /* aggs, reading `inner` */
    cm_bcol sort_key;  /* sorted */
    cm_bcol end;       /* last row of its group */
    cm_bcol distinct;  /* last row of its distinct value, not NULL */
    cm_bcol *extreme;  /* per MIN and MAX: greatest candidate so far; per percentile and mode */
    cm_sums sums;
} grouping;

/* ---- 1. sort ------------------------------------------------------------------------------- */

static bool wants_order(cm_agg_kind kind)
{
    return kind == CM_AGG_COUNT_DISTINCT || cm_agg_is_ordered(kind);
}

/* Whether it travels as a value with a flag. */
static bool is_flagged(cm_agg_kind kind)
{
    return cm_agg_is_extreme(kind) || cm_agg_is_ordered(kind);
}

static cm_status choose_keys(grouping *g, cm_arena *arena)
{
    size_t distinct = SIZE_MAX;

    for (size_t i = 0; i < g->count; i++) {
        if (!wants_order(g->aggs[i].kind)) {
            continue;
        }
        if (distinct != SIZE_MAX && g->aggs[distinct].col != g->aggs[i].col) {
            return CM_EUNSUPPORTED; /* each such column wants an order of its own */
        }
        distinct = i;
    }
    g->has_distinct = distinct != SIZE_MAX;
    g->sort_key_count = g->key_count + (g->has_distinct ? 1 : 0);
    g->sort_keys = CM_NEW(arena, cm_sort_key, g->sort_key_count);
    for (size_t i = 0; i < g->key_count; i++) {
        CM_ASSERT(g->keys[i] < g->table->cols);
        g->sort_keys[i].col = g->keys[i];
    }
    if (g->has_distinct) {
        cm_scol col = g->table->col[g->aggs[distinct].col];
        g->sort_keys[g->key_count].col = g->aggs[distinct].col;
        g->distinct_planes = col.data.planes + col.null.planes;
    }
    g->group_planes = cm_sort_key_planes(g->table, g->sort_keys, g->key_count, true);
    return CM_OK;
}

static bool reads_column(const grouping *g, const cm_agg *agg)
{
    if (agg->kind == CM_AGG_COUNT) {
        return g->table->col[agg->col].null.planes > 0;
    }
    /* What is in order is in the sort key. */
    return agg->kind == CM_AGG_SUM || cm_agg_is_extreme(agg->kind) || agg->kind == CM_AGG_ANY;
}

/* One inner column for each column that some aggregate reads; inner.valid is set by the sort. */
static void choose_inner(grouping *g, cm_arena *arena)
{
    unsigned *source = CM_NEW(arena, unsigned, g->count);
    unsigned cols = 0;

    g->inner_agg = CM_NEW(arena, cm_agg, g->count);
    g->inner.col = CM_NEW(arena, cm_scol, g->count);
    for (size_t i = 0; i < g->count; i++) {
        unsigned at = 0;
        g->inner_agg[i] = g->aggs[i];
        if (!reads_column(g, &g->aggs[i])) {
            if (g->aggs[i].kind == CM_AGG_COUNT) {
                g->inner_agg[i].kind = CM_AGG_COUNT_ROWS; /* never NULL */
            }
            continue;
        }
        while (at < cols && source[at] != g->aggs[i].col) {
            at++;
        }
        if (at == cols) {
            source[cols] = g->aggs[i].col;
            g->inner.col[cols++] = g->table->col[g->aggs[i].col];
        }
        g->inner_agg[i].col = at;
    }
    g->inner.cols = cols;
    g->inner.rows = g->table->rows;
    g->inner.valid = g->table->valid;
}

static cm_status sort_inner(grouping *g, cm_arena *keep)
{
    unsigned legs = cm_mpc_legs(g->mpc), tag = cm_bits_for(g->inner.rows);
    unsigned key = g->distinct_planes + g->group_planes;
    unsigned payload = cm_table_planes(&g->inner);
    cm_bcol wide = cm_bcol_new_raw(keep, legs, tag + key + payload, g->inner.rows);
    cm_bcol sorted = cm_bcol_planes(wide, tag, key + payload);
    cm_arena scratch = *keep;

    cm_rows_index_bits(g->mpc, cm_bcol_planes(wide, 0, tag), scratch);
    cm_status st = cm_sort_key_build(g->mpc, g->table, g->sort_keys, g->sort_key_count, true,
                                     cm_bcol_planes(wide, tag, key), scratch);
    if (st == CM_OK) {
        cm_table_pack(&g->inner, cm_bcol_planes(wide, tag + key, payload));
        cm_order order = {
            .rows = wide.rows, .tag = tag, .key = key, .payload = payload, .invalid_flag = true};
        if (g->runs) {
            order.runs = *g->runs;
        }
        st = cm_order_rows(g->mpc, wide, &order, scratch);
    }
    if (st == CM_OK) {
        g->sort_key = cm_bcol_planes(sorted, 0, key);
        cm_table_unpack(&g->inner, cm_bcol_planes(sorted, key, payload), &g->inner);
    }
    return st;
}

/* ---- 2. boundaries ------------------------------------------------------------------------- */

/* Inputs: difference to the next row, distinct part and group part; valid; NULL of the distinct
 * value.  Outputs: end of group, end of distinct value. */
static cm_program *build_ends(const grouping *g, bool nullable, cm_arena scratch)
{
    size_t low_chunks = cm_wide_chunks(g->distinct_planes);
    size_t high_chunks = cm_wide_chunks(g->group_planes);
    cm_num *low = CM_NEW(&scratch, cm_num, low_chunks);
    cm_num *high = CM_NEW(&scratch, cm_num, high_chunks);
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);

    cm_wide_input(c, g->distinct_planes, low);
    cm_wide_input(c, g->group_planes, high);
    cm_wire valid = cm_circuit_input(c, 1).wire[0];
    cm_wire same_group = cm_wide_is_zero(c, high, high_chunks);
    cm_circuit_output_wire(c, cm_gate_and(c, valid, cm_gate_not(c, same_group)));
    if (g->has_distinct) {
        cm_wire same = cm_gate_and(c, same_group, cm_wide_is_zero(c, low, low_chunks));
        cm_wire end = cm_gate_and(c, valid, cm_gate_not(c, same));
        if (nullable) {
            end = cm_gate_and(c, end, cm_gate_not(c, cm_circuit_input(c, 1).wire[0]));
        }
        cm_circuit_output_wire(c, end);
    }
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

/*
 * The difference of each row's key to the next one's.  After the last row comes 0; where the last
 * row is valid its difference must not be 0, so its invalid flag is flipped there, in the open.
 */
static cm_bcol key_difference(const grouping *g, cm_arena *keep)
{
    size_t last = g->sort_key.rows - 1;
    cm_bcol d = cm_bcol_new(keep, cm_mpc_legs(g->mpc), g->sort_key.planes, g->sort_key.rows);
    cm_arena scratch = *keep;
    uint64_t *flip = CM_NEW(&scratch, uint64_t, g->sort_key.words);

    cm_bcol_shift_up(g->sort_key, d);
    cm_bcol_xor(d, g->sort_key, d);
    flip[last / 64] = UINT64_C(1) << (last % 64);
    cm_mpc_xor_public(g->mpc, d, g->sort_key.planes - 1, flip);
    return d;
}

static cm_status find_ends(grouping *g, cm_arena *keep)
{
    unsigned legs = cm_mpc_legs(g->mpc);
    size_t low = cm_wide_chunks(g->distinct_planes), high = cm_wide_chunks(g->group_planes);
    bool nullable =
        g->has_distinct && g->table->col[g->sort_keys[g->key_count].col].null.planes > 0;

    g->end = cm_bcol_new(keep, legs, 1, g->inner.rows);
    if (g->has_distinct) {
        g->distinct = cm_bcol_new(keep, legs, 1, g->inner.rows);
    }
    cm_arena scratch = *keep;
    cm_bcol *inputs = CM_NEW(&scratch, cm_bcol, low + high + 2);
    cm_bcol d = key_difference(g, &scratch);
    cm_wide_split(cm_bcol_planes(d, 0, g->distinct_planes), inputs);
    cm_wide_split(cm_bcol_planes(d, g->distinct_planes, g->group_planes), inputs + low);
    inputs[low + high] = g->inner.valid;
    if (nullable) {
        inputs[low + high + 1] = cm_bcol_planes(g->sort_key, g->distinct_planes - 1, 1);
    }
    cm_bcol outputs[2] = {g->end, g->distinct};
    cm_program *program = build_ends(g, nullable, scratch);
    cm_status st = cm_program_run(program, g->mpc, inputs, outputs, scratch);
    cm_program_free(program);
    return st;
}

/* ---- 3. running aggregates ----------------------------------------------------------------- */

static cm_status scan_extreme(grouping *g, const cm_agg *agg, cm_bcol start, cm_bcol ret,
                              cm_arena scratch)
{
    cm_bcol x = cm_bcol_new(&scratch, cm_mpc_legs(g->mpc), ret.planes, ret.rows);
    cm_status st = cm_extreme_candidates(g->mpc, &g->inner, agg, g->inner.valid, x, scratch);

    return st == CM_OK ? cm_extreme_scan(g->mpc, start, x, ret, scratch) : st;
}

/* The ordered column, out of the sort key. */
static cm_status run_ordered(grouping *g, cm_arena scratch)
{
    bool wanted = false;

    for (size_t i = 0; i < g->count; i++) {
        wanted = wanted || cm_agg_is_ordered(g->aggs[i].kind);
    }
    if (!wanted) {
        return CM_OK;
    }
    unsigned null = g->table->col[g->sort_keys[g->key_count].col].null.planes;
    unsigned value = g->distinct_planes - null;
    cm_group_order order = {.valid = g->inner.valid,
                            .end = g->end,
                            .run_end = g->distinct,
                            .value = cm_bcol_planes(g->sort_key, 0, value),
                            .null = cm_bcol_planes(g->sort_key, value, null)};
    return cm_group_order_run(g->mpc, &order, g->inner_agg, g->count, g->extreme, scratch);
}

static cm_status scan_extremes(grouping *g, cm_arena *keep)
{
    unsigned legs = cm_mpc_legs(g->mpc);

    g->extreme = CM_NEW(keep, cm_bcol, g->count);
    for (size_t i = 0; i < g->count; i++) {
        const cm_agg *agg = &g->inner_agg[i];
        if (cm_agg_is_extreme(agg->kind)) {
            unsigned planes = g->inner.col[agg->col].data.planes + 1;
            g->extreme[i] = cm_bcol_new(keep, legs, planes, g->inner.rows);
        } else if (cm_agg_is_ordered(agg->kind)) {
            unsigned value = g->table->col[agg->col].data.planes;
            unsigned planes = cm_group_order_planes(agg, value);
            g->extreme[i] = cm_bcol_new(keep, legs, planes, g->inner.rows);
        }
    }
    cm_arena scratch = *keep;
    /* An invalid row never precedes an end, so it does not matter where it starts a segment. */
    cm_bcol start = cm_bcol_new(&scratch, legs, 1, g->inner.rows);
    cm_bcol_shift_down(g->end, start);
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < g->count; i++) {
        if (cm_agg_is_extreme(g->inner_agg[i].kind)) {
            st = scan_extreme(g, &g->inner_agg[i], start, g->extreme[i], scratch);
        }
    }
    return st == CM_OK ? run_ordered(g, scratch) : st;
}

static cm_status run_sums(grouping *g, cm_arena *keep)
{
    /* Valid rows come first, so that no sum up to a group's end holds an invalid row. */
    cm_status st =
        cm_sums_prepare(g->mpc, &g->inner, g->inner_agg, g->count, g->distinct, keep, &g->sums);

    for (size_t f = 0; st == CM_OK && f < g->sums.factors; f++) {
        cm_acol_prefix_sum(g->sums.factor[f], g->sums.factor[f]);
    }
    return st;
}

/* ---- 4. one row a group -------------------------------------------------------------------- */

/* Columns that travel with the group ends: keys without distinct part and flag, extremes, the end
 * row's own values for ANY, end. */
static unsigned travelling(const grouping *g, cm_bcol *ret)
{
    unsigned columns = 0;

    ret[columns++] = cm_bcol_planes(g->sort_key, g->distinct_planes, g->group_planes - 1);
    for (size_t i = 0; i < g->count; i++) {
        if (is_flagged(g->inner_agg[i].kind)) {
            ret[columns++] = g->extreme[i];
        } else if (g->inner_agg[i].kind == CM_AGG_ANY) {
            ret[columns++] = g->inner.col[g->inner_agg[i].col].data;
            ret[columns++] = g->inner.col[g->inner_agg[i].col].null;
        }
    }
    ret[columns++] = g->end;
    return columns;
}

static void subtract_previous(cm_acol x, cm_acol z, cm_arena scratch, unsigned legs)
{
    cm_acol previous = cm_acol_new(&scratch, legs, x.rows);

    cm_rows_shift_words(x, previous);
    cm_acol_sub(x, previous, z);
}

/* Whether anything counts rows: else the constant factor does not travel. */
static bool counts_rows(const grouping *g)
{
    for (size_t i = 0; i < g->count; i++) {
        if (g->inner_agg[i].kind == CM_AGG_COUNT_ROWS) {
            return true;
        }
    }
    return false;
}

static cm_status place_ends(grouping *g, cm_bcol ret_bits, cm_acol ret_totals, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(g->mpc);
    size_t rows = g->inner.rows, skip = counts_rows(g) ? 0 : 1, at = 0;
    size_t ring_count = g->sums.factors - skip;
    cm_bcol *columns = CM_NEW(&scratch, cm_bcol, 2 * g->count + 2);
    unsigned column_count = travelling(g, columns);
    cm_acol dest = cm_acol_new(&scratch, legs, rows);
    cm_rows all = {cm_bcol_new(&scratch, legs, ret_bits.planes, rows), g->sums.factor + skip,
                   ring_count};
    cm_rows ends = {ret_bits, CM_NEW(&scratch, cm_acol, ring_count), ring_count};

    for (unsigned i = 0; i < column_count; i++) {
        if (columns[i].planes > 0) {
            cm_bcol_copy(cm_bcol_planes(all.bits, (unsigned)at, columns[i].planes), columns[i]);
            at += columns[i].planes;
        }
    }
    for (size_t f = 0; f < ring_count; f++) {
        ends.ring[f] = cm_acol_new(&scratch, legs, ret_bits.rows);
    }
    cm_status st = cm_partition_destination(g->mpc, g->end, dest, scratch);
    if (st == CM_OK) {
        st = cm_rows_place(g->mpc, dest, &all, &ends, scratch);
    }
    for (size_t f = 0; st == CM_OK && f < ring_count; f++) {
        cm_acol total = cm_acol_slice(ret_totals, (skip + f) * ret_bits.rows, ret_bits.rows);
        subtract_previous(ends.ring[f], total, scratch, legs);
    }
    return st;
}

static cm_bcol take_planes(cm_bcol x, unsigned *at, unsigned planes)
{
    cm_bcol z = cm_bcol_planes(x, *at, planes);

    *at += planes;
    return z;
}

/* The sort key holds the last key lowest. */
static void take_keys(const grouping *g, cm_bcol bits, unsigned *at, cm_scol *ret)
{
    for (size_t i = g->key_count; i-- > 0;) {
        cm_scol like = g->table->col[g->keys[i]];
        ret[i].data = take_planes(bits, at, like.data.planes);
        ret[i].null = take_planes(bits, at, like.null.planes);
    }
}

/* What runs on from group to group becomes the group's own. */
static cm_bcol take_flagged(const grouping *g, size_t i, cm_bcol x, cm_arena *keep)
{
    if (!cm_group_order_is_running(g->inner_agg[i].kind)) {
        return x;
    }
    cm_bcol own = cm_bcol_new(keep, cm_mpc_legs(g->mpc), x.planes, x.rows);
    cm_bcol_difference(x, own);
    return own;
}

static cm_status collect(grouping *g, cm_arena *arena, cm_table *ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(g->mpc), planes = 0, at = 0;
    cm_bcol *columns = CM_NEW(&scratch, cm_bcol, 2 * g->count + 2);
    unsigned column_count = travelling(g, columns);

    for (unsigned i = 0; i < column_count; i++) {
        planes += columns[i].planes;
    }
    cm_bcol bits = cm_bcol_new(arena, legs, planes, g->out_rows);
    cm_acol totals = cm_acol_new(&scratch, legs, g->sums.factors * g->out_rows);
    cm_status st = place_ends(g, bits, totals, scratch);
    if (st != CM_OK) {
        return st;
    }

    cm_table result = {.rows = g->out_rows, .cols = (unsigned)(g->key_count + g->count)};
    result.col = CM_NEW(arena, cm_scol, result.cols);
    take_keys(g, bits, &at, result.col);
    for (size_t i = 0; i < g->count; i++) {
        if (is_flagged(g->inner_agg[i].kind)) {
            cm_bcol value =
                take_flagged(g, i, take_planes(bits, &at, g->extreme[i].planes), &scratch);
            result.col[g->key_count + i] =
                cm_extreme_result(g->mpc, &g->inner_agg[i], value, arena);
        } else if (g->inner_agg[i].kind == CM_AGG_ANY) {
            cm_scol like = g->inner.col[g->inner_agg[i].col];
            cm_scol *col = &result.col[g->key_count + i];
            col->data = take_planes(bits, &at, like.data.planes);
            col->null = take_planes(bits, &at, like.null.planes);
        }
    }
    result.valid = take_planes(bits, &at, 1);
    st = cm_sums_finish(g->mpc, &g->sums, g->inner_agg, g->count, totals, g->out_rows,
                        result.col + g->key_count, NULL, arena, scratch);
    if (st == CM_OK) {
        *ret = result;
    }
    return st;
}

/* No rows, no groups. */
static cm_table no_groups(const grouping *g, cm_arena *arena)
{
    unsigned cols = (unsigned)(g->key_count + g->count);
    unsigned *planes = CM_NEW_SMALL(arena, unsigned, cols);
    bool *nullable = CM_NEW_SMALL(arena, bool, cols);

    for (size_t i = 0; i < g->key_count; i++) {
        planes[i] = g->table->col[g->keys[i]].data.planes;
        nullable[i] = g->table->col[g->keys[i]].null.planes > 0;
    }
    for (size_t i = 0; i < g->count; i++) {
        bool any = g->aggs[i].kind == CM_AGG_ANY;
        planes[g->key_count + i] = g->aggs[i].planes;
        nullable[g->key_count + i] =
            is_flagged(g->aggs[i].kind) || (any && g->table->col[g->aggs[i].col].null.planes > 0);
    }
    return cm_table_new(arena, cm_mpc_legs(g->mpc), 0, cols, planes, nullable);
}

cm_status cm_table_group_sort(cm_mpc *mpc, const cm_table *table, const unsigned *keys,
                              size_t key_count, size_t max_groups, const cm_agg *aggs, size_t count,
                              const cm_runs *runs, cm_arena *arena, cm_table *ret, cm_arena scratch)
{
    bool bounded = max_groups > 0 && max_groups < table->rows;
    grouping g = {
        .mpc = mpc,
        .table = table,
        .keys = keys,
        .key_count = key_count,
        .aggs = aggs,
        .count = count,
        .runs = runs,
        .out_rows = bounded ? max_groups : table->rows,
    };

    cm_table_check_arenas(arena, scratch);
    cm_status st = cm_aggregate_check(table, aggs, count, true);
    if (st == CM_OK) {
        st = choose_keys(&g, &scratch);
    }
    if (st != CM_OK) {
        return st;
    }
    if (table->rows == 0) {
        *ret = no_groups(&g, arena);
        return CM_OK;
    }
    choose_inner(&g, &scratch);
    st = sort_inner(&g, &scratch);
    if (st == CM_OK) {
        st = find_ends(&g, &scratch);
    }
    if (st == CM_OK) {
        st = scan_extremes(&g, &scratch);
    }
    if (st == CM_OK) {
        st = run_sums(&g, &scratch);
    }
    return st == CM_OK ? collect(&g, arena, ret, scratch) : st;
}
