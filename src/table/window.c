/*
 * Window functions: docs/design/table.md, "Windows".
 *
 *   1. Sort by (valid first, partition, order), carrying all columns.
 *   2. Neighbours that differ start a partition, or a group of peers.
 *   3. Running values: public positions, prefix sums over all rows (local, then back to bits), and
 *      segmented scans for MIN and MAX.
 *   4. Copies: what stands at a partition's start comes down, what stands at a frame's end comes
 *      up.  All that one kind of mark needs shares a scan.
 *   5. A difference to the partition's start gives each number and sum.
 */
#include "table/table_int.h"

/* Kinds of copies. */
typedef enum mark {
    FROM_PART_START, /* down */
    FROM_PEER_START,
    FROM_PEER_END, /* up */
    FROM_PART_END,
    MARKS,
} mark;

typedef struct copy {
    cm_bcol from, to;
} copy;

typedef struct copies {
    size_t count;
    copy *list;
} copies;

typedef struct window {
    cm_mpc *mpc;
    unsigned legs;
    const cm_window_spec *spec;
    cm_table sorted; /* the child's columns */
    cm_bcol mark[MARKS];
    cm_slide slide;
    copies copies[MARKS];
    cm_arena *keep;    /* for what later steps read */
    cm_bcol position;  /* public */
    cm_bcol at[MARKS]; /* position of the mark; planes 0 until it is asked for */
    cm_agg *agg;       /* COUNT and SUM for sums, one per function */
    cm_sums sums;
    cm_bcol *prefix;       /* per factor of sums, inclusive */
    cm_bcol *prefix_start; /* per factor, before the partition */
    cm_bcol *framed;       /* first value of a function that the frame's end decides */
    cm_bcol **framed_limb; /* SUM: per limb; SLIDING: at the partition's end */
    cm_bcol ordinal, ordinal_start, ordinal_end; /* SLIDING: running number of rows */
    cm_scol *nth;   /* FIRST with an offset: the value that far below */
    cm_bcol *dense; /* DENSE_RANK: running, and before the partition */
    cm_bcol *dense_start;
} window;

/* ---- 1. sort ------------------------------------------------------------------------------- */

static unsigned part_planes(const window *w, const cm_table *table)
{
    unsigned planes = 1; /* the invalid flag */

    for (size_t i = 0; i < w->spec->parts; i++) {
        cm_scol col = table->col[w->spec->part[i]];
        planes += col.data.planes + col.null.planes;
    }
    return planes;
}

static cm_status sort_rows(window *w, const cm_table *table, cm_arena *arena, cm_bcol *ret_key)
{
    const cm_window_spec *spec = w->spec;
    cm_sort_key *keys = CM_NEW(w->keep, cm_sort_key, spec->parts + spec->orders + 1);
    size_t count = 0;

    for (size_t i = 0; i < spec->parts; i++) {
        keys[count++] = (cm_sort_key){.col = spec->part[i]};
    }
    for (size_t i = 0; i < spec->orders; i++) {
        keys[count++] = spec->order[i];
    }
    w->sorted = (cm_table){.rows = table->rows, .cols = table->cols};
    w->sorted.col = CM_NEW(arena, cm_scol, table->cols + spec->funcs + 1);
    return cm_sort_columns(w->mpc, table, keys, count, true, spec->ties, &spec->runs, arena,
                           &w->sorted, ret_key, *w->keep);
}

/* ---- 2. marks ------------------------------------------------------------------------------ */

/* Inputs: difference to the row above, order part and partition part.  Outputs: starts. */
static cm_program *build_starts(unsigned order_planes, unsigned planes, cm_arena scratch)
{
    size_t low_chunks = cm_wide_chunks(order_planes), high_chunks = cm_wide_chunks(planes);
    cm_num *low = CM_NEW(&scratch, cm_num, low_chunks + 1);
    cm_num *high = CM_NEW(&scratch, cm_num, high_chunks);
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);

    cm_wide_input(c, order_planes, low);
    cm_wide_input(c, planes, high);
    cm_wire same_part = cm_wide_is_zero(c, high, high_chunks);
    cm_wire same_order = low_chunks > 0 ? cm_wide_is_zero(c, low, low_chunks) : CM_WIRE_1;
    cm_circuit_output_wire(c, cm_gate_not(c, same_part));
    cm_circuit_output_wire(c, cm_gate_not(c, cm_gate_and(c, same_part, same_order)));
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

/* Ends are one row above starts, and the last row. */
static cm_bcol ends_of(window *w, cm_bcol start)
{
    size_t last = start.rows - 1;
    cm_bcol end = cm_bcol_new(w->keep, w->legs, 1, start.rows);
    cm_arena scratch = *w->keep;
    uint64_t *flip = CM_NEW(&scratch, uint64_t, start.words);

    cm_bcol_shift_up(start, end);
    flip[last / 64] = UINT64_C(1) << (last % 64);
    cm_mpc_xor_public(w->mpc, end, 0, flip);
    return end;
}

/*
 * Invalid rows are partitions of their own, below all others.  Above the first row comes 0; where
 * it is valid it must differ, so its invalid flag is flipped there, in the open.
 */
static cm_status find_marks(window *w, cm_bcol key, unsigned planes)
{
    unsigned order_planes = key.planes - planes;

    w->mark[FROM_PART_START] = cm_bcol_new(w->keep, w->legs, 1, key.rows);
    w->mark[FROM_PEER_START] = cm_bcol_new(w->keep, w->legs, 1, key.rows);
    cm_arena scratch = *w->keep;
    cm_bcol d = cm_bcol_new(&scratch, w->legs, key.planes, key.rows);
    uint64_t *flip = CM_NEW(&scratch, uint64_t, key.words);
    size_t low = cm_wide_chunks(order_planes), high = cm_wide_chunks(planes);
    cm_bcol *inputs = CM_NEW(&scratch, cm_bcol, low + high);

    cm_bcol_difference(key, d);
    flip[0] = 1;
    cm_mpc_xor_public(w->mpc, d, key.planes - 1, flip);
    cm_wide_split(cm_bcol_planes(d, 0, order_planes), inputs);
    cm_wide_split(cm_bcol_planes(d, order_planes, planes), inputs + low);
    cm_program *program = build_starts(order_planes, planes, scratch);
    cm_status st = cm_program_run(program, w->mpc, inputs, w->mark, scratch);
    cm_program_free(program);
    if (st == CM_OK) {
        w->mark[FROM_PEER_END] = ends_of(w, w->mark[FROM_PEER_START]);
        w->mark[FROM_PART_END] = ends_of(w, w->mark[FROM_PART_START]);
        w->slide = (cm_slide){w->mpc, w->mark[FROM_PART_START], w->mark[FROM_PART_END]};
    }
    return st;
}

/* ---- 4. copies ----------------------------------------------------------------------------- */

static cm_bcol copied(window *w, mark m, cm_bcol from)
{
    cm_bcol to = cm_bcol_new(w->keep, w->legs, from.planes, from.rows);

    w->copies[m].list[w->copies[m].count++] = (copy){from, to};
    return to;
}

/* A running value at the end of the function's frame. */
static cm_bcol at_frame_end(window *w, cm_window_frame frame, cm_bcol running)
{
    if (frame == CM_FRAME_ROWS) {
        return running;
    }
    return copied(w, frame == CM_FRAME_PEERS ? FROM_PEER_END : FROM_PART_END, running);
}

/* The position of each row's mark. */
static cm_bcol position_of(window *w, mark m)
{
    if (w->at[m].planes == 0 && w->position.planes > 0) {
        w->at[m] = copied(w, m, w->position);
    }
    return w->at[m];
}

static cm_status run_copies(window *w, mark m, cm_arena scratch)
{
    const copies *c = &w->copies[m];
    size_t rows = w->sorted.rows;
    unsigned planes = 0, at = 0;

    for (size_t i = 0; i < c->count; i++) {
        planes += c->list[i].from.planes;
    }
    cm_bcol from = cm_bcol_new(&scratch, w->legs, planes, rows);
    cm_bcol to = cm_bcol_new(&scratch, w->legs, planes, rows);
    for (size_t i = 0; i < c->count; at += c->list[i++].from.planes) {
        if (c->list[i].from.planes > 0) {
            cm_bcol_copy(cm_bcol_planes(from, at, c->list[i].from.planes), c->list[i].from);
        }
    }
    bool up = m == FROM_PEER_END || m == FROM_PART_END;
    cm_status st = cm_scan_copy(w->mpc, w->mark[m], up, from, to, scratch);
    at = 0;
    for (size_t i = 0; st == CM_OK && i < c->count; at += c->list[i++].to.planes) {
        if (c->list[i].to.planes > 0) {
            cm_bcol_copy(c->list[i].to, cm_bcol_planes(to, at, c->list[i].to.planes));
        }
    }
    return st;
}

/* ---- 3. running values --------------------------------------------------------------------- */

static bool slides(const cm_window_func *f)
{
    return f->frame == CM_FRAME_SLIDING && f->kind >= CM_WINDOW_COUNT_ROWS;
}

static bool adds_up(const window *w, const cm_window_func *f)
{
    return f->kind == CM_WINDOW_SUM ||
           (f->kind == CM_WINDOW_COUNT && w->sorted.col[f->col].null.planes > 0);
}

/* The running sum above each row. */
static cm_bcol before(window *w, cm_bcol running)
{
    cm_bcol z = cm_bcol_new(w->keep, w->legs, running.planes, running.rows);

    cm_bcol_shift_down(running, z);
    return z;
}

/* Prefix sums of all factors but the constant one, as bits, and as they were at the partition's
 * start. */
static cm_status run_sums(window *w)
{
    size_t count = 0;

    w->agg = CM_NEW(w->keep, cm_agg, w->spec->funcs + 1);
    for (size_t i = 0; i < w->spec->funcs; i++) { /* indexes stay the functions' */
        const cm_window_func *f = &w->spec->func[i];
        w->agg[i] = (cm_agg){.kind = CM_AGG_COUNT_ROWS};
        if (adds_up(w, f)) {
            w->agg[i].kind = f->kind == CM_WINDOW_SUM ? CM_AGG_SUM : CM_AGG_COUNT;
            w->agg[i].col = f->col;
            count++;
        }
    }
    if (count == 0) {
        return CM_OK;
    }
    cm_status st = cm_sums_prepare(w->mpc, &w->sorted, w->agg, w->spec->funcs, (cm_bcol){0},
                                   w->keep, &w->sums);
    w->prefix = CM_NEW(w->keep, cm_bcol, w->sums.factors);
    w->prefix_start = CM_NEW(w->keep, cm_bcol, w->sums.factors);
    for (size_t f = 1; st == CM_OK && f < w->sums.factors; f++) {
        unsigned planes = f < w->sums.counts ? w->sums.count_planes : w->sums.limb_planes;
        w->prefix[f] = cm_bcol_new(w->keep, w->legs, planes, w->sorted.rows);
        cm_acol_prefix_sum(w->sums.factor[f], w->sums.factor[f]);
        st = cm_mpc_ring_to_bits(w->mpc, w->sums.factor[f], w->prefix[f], *w->keep);
        if (st == CM_OK) {
            w->prefix_start[f] = copied(w, FROM_PART_START, before(w, w->prefix[f]));
        }
    }
    return st;
}

static cm_status run_dense_rank(window *w, size_t i)
{
    unsigned planes = cm_bits_for(w->sorted.rows + 1);
    cm_bcol running = cm_bcol_new(w->keep, w->legs, planes, w->sorted.rows);
    cm_arena scratch = *w->keep;
    cm_acol ring = cm_acol_new(&scratch, w->legs, w->sorted.rows);

    cm_status st = cm_mpc_bit_to_ring(w->mpc, w->mark[FROM_PEER_START], &ring, scratch);
    if (st == CM_OK) {
        cm_acol_prefix_sum(ring, ring);
        st = cm_mpc_ring_to_bits(w->mpc, ring, running, scratch);
    }
    if (st == CM_OK) {
        w->dense[i] = running;
        w->dense_start[i] = copied(w, FROM_PART_START, before(w, running));
    }
    return st;
}

static cm_agg extreme_of(const window *w, const cm_window_func *f)
{
    return (cm_agg){.kind = f->kind == CM_WINDOW_MIN ? CM_AGG_MIN : CM_AGG_MAX,
                    .col = f->col,
                    .planes = w->sorted.col[f->col].data.planes};
}

static cm_status run_extreme(window *w, size_t i)
{
    const cm_window_func *f = &w->spec->func[i];
    cm_agg agg = extreme_of(w, f);
    cm_bcol running = cm_bcol_new(w->keep, w->legs, agg.planes + 1, w->sorted.rows);
    cm_arena scratch = *w->keep;
    cm_bcol x = cm_bcol_new(&scratch, w->legs, agg.planes + 1, w->sorted.rows);

    cm_status st = cm_extreme_candidates(w->mpc, &w->sorted, &agg, w->sorted.valid, x, scratch);
    if (st == CM_OK && slides(f)) {
        st = cm_slide_extreme(&w->slide, x, f->from, f->to, running, scratch);
    } else if (st == CM_OK) {
        st = cm_extreme_scan(w->mpc, w->mark[FROM_PART_START], x, running, scratch);
    }
    if (st == CM_OK) {
        w->framed[i] = slides(f) ? running : at_frame_end(w, f->frame, running);
    }
    return st;
}

/* Data and NULL plane of a column as one. */
static cm_bcol both_of(window *w, cm_scol col)
{
    cm_bcol z = cm_bcol_new(w->keep, w->legs, col.data.planes + col.null.planes, col.data.rows);

    if (col.data.planes > 0) {
        cm_bcol_copy(cm_bcol_planes(z, 0, col.data.planes), col.data);
    }
    if (col.null.planes > 0) {
        cm_bcol_copy(cm_bcol_planes(z, col.data.planes, 1), col.null);
    }
    return z;
}

static void frame_sum(window *w, size_t i)
{
    const cm_window_func *f = &w->spec->func[i];
    size_t limbs = f->kind == CM_WINDOW_SUM ? w->sums.limbs[i] : 1;

    w->framed_limb[i] = CM_NEW(w->keep, cm_bcol, limbs + 1);
    for (size_t k = 0; k < limbs; k++) {
        cm_window_frame frame = slides(f) ? CM_FRAME_PARTITION : f->frame;
        w->framed_limb[i][k] = at_frame_end(w, frame, w->prefix[w->sums.first[i] + k]);
    }
}

static cm_status finish_neighbour(window *w, const cm_window_func *f, cm_arena *arena, cm_scol *ret)
{
    size_t rows = w->sorted.rows;
    size_t offset = f->offset < rows ? (size_t)f->offset : rows;
    bool below = f->kind == CM_WINDOW_LEAD;
    cm_scol col = w->sorted.col[f->col];

    ret->data = cm_bcol_new(arena, w->legs, col.data.planes, rows);
    ret->null = cm_bcol_new(arena, w->legs, 1, rows);
    cm_arena scratch = *w->keep;
    if (col.data.planes > 0) {
        cm_slide_rows(col.data, offset, below, ret->data, scratch);
    }
    cm_bcol outside = cm_bcol_new(&scratch, w->legs, 1, rows);
    cm_status st = cm_slide_crossing(&w->slide, offset, below, outside, scratch);
    if (st != CM_OK || col.null.planes == 0) {
        if (st == CM_OK) {
            cm_bcol_copy(ret->null, outside);
        }
        return st;
    }
    /* NULL there, or outside: NOT (NOT null AND NOT outside). */
    cm_bcol there = cm_bcol_new(&scratch, w->legs, 1, rows);
    cm_slide_rows(col.null, offset, below, there, scratch);
    cm_mpc_not(w->mpc, there, 0);
    cm_mpc_not(w->mpc, outside, 0);
    st = cm_mpc_and_col(w->mpc, there, outside, ret->null, scratch);
    if (st == CM_OK) {
        cm_mpc_not(w->mpc, ret->null, 0);
    }
    return st;
}

/* The number of each row, from 1, as a running sum: public. */
static void count_along(window *w)
{
    size_t rows = w->sorted.rows;
    unsigned planes = cm_bits_for(rows + 1);

    if (w->ordinal.planes > 0) {
        return;
    }
    w->ordinal = cm_bcol_new(w->keep, w->legs, planes, rows);
    cm_arena scratch = *w->keep;
    uint64_t *bits = CM_NEW(&scratch, uint64_t, w->ordinal.words);
    for (unsigned p = 0; p < planes; p++) {
        for (size_t r = 0; r < rows; r++) {
            uint64_t bit = (r + 1) >> p & 1;
            bits[r / 64] = (bits[r / 64] & ~((uint64_t)1 << (r % 64))) | bit << (r % 64);
        }
        cm_mpc_xor_public(w->mpc, w->ordinal, p, bits);
    }
    w->ordinal_start = copied(w, FROM_PART_START, before(w, w->ordinal));
    w->ordinal_end = copied(w, FROM_PART_END, w->ordinal);
}

/* The partition's row `offset`, as its first one: brought there from below. */
static cm_status run_nth(window *w, size_t i)
{
    const cm_window_func *f = &w->spec->func[i];
    cm_window_func lead = *f;

    lead.kind = CM_WINDOW_LEAD;
    cm_status st = finish_neighbour(w, &lead, w->keep, &w->nth[i]);
    if (st == CM_OK) {
        w->framed[i] = copied(w, FROM_PART_START, both_of(w, w->nth[i]));
    }
    return st;
}

/* What the function needs before the copies; LAG and LEAD need none. */
static cm_status run_function(window *w, size_t i)
{
    const cm_window_func *f = &w->spec->func[i];

    switch (f->kind) {
    case CM_WINDOW_RANK:
        (void)position_of(w, FROM_PEER_START);
        (void)position_of(w, FROM_PART_START);
        return CM_OK;
    case CM_WINDOW_DENSE_RANK:
        return run_dense_rank(w, i);
    case CM_WINDOW_FIRST:
        if (f->offset > 0) {
            return run_nth(w, i);
        }
        w->framed[i] = copied(w, FROM_PART_START, both_of(w, w->sorted.col[f->col]));
        return CM_OK;
    case CM_WINDOW_LAST:
        w->framed[i] = at_frame_end(w, f->frame, both_of(w, w->sorted.col[f->col]));
        return CM_OK;
    case CM_WINDOW_MIN:
    case CM_WINDOW_MAX:
        return run_extreme(w, i);
    case CM_WINDOW_ROW_NUMBER:
    case CM_WINDOW_COUNT_ROWS:
    case CM_WINDOW_COUNT:
    case CM_WINDOW_SUM:
        break;
    case CM_WINDOW_LAG:
    case CM_WINDOW_LEAD:
        return CM_OK;
    }
    if (adds_up(w, f)) {
        frame_sum(w, i);
        return CM_OK;
    }
    if (slides(f)) {
        count_along(w);
        return CM_OK;
    }
    (void)position_of(w, FROM_PART_START);
    if (f->kind != CM_WINDOW_ROW_NUMBER && f->frame != CM_FRAME_ROWS) {
        (void)position_of(w, f->frame == CM_FRAME_PEERS ? FROM_PEER_END : FROM_PART_END);
    }
    return CM_OK;
}

/* ---- 5. results ---------------------------------------------------------------------------- */

static cm_scol number_column(window *w, unsigned planes, cm_arena *arena)
{
    size_t rows = w->sorted.rows;

    return (cm_scol){cm_bcol_new(arena, w->legs, planes, rows),
                     (cm_bcol){.rows = rows, .words = cm_words_of(rows)}};
}

/* ret = the sum of (x[k] - y[k]) << (k * shift), plus `more`; differences modulo 2^planes of x. */
static cm_status subtract(window *w, const cm_bcol *x, const cm_bcol *y, size_t count,
                          unsigned shift, unsigned more, cm_bcol ret, cm_arena scratch)
{
    cm_circuit *c = cm_circuit_new_for(w->mpc, ret.rows);
    cm_bcol *inputs = CM_NEW(&scratch, cm_bcol, 2 * count + 1);
    cm_num sum = cm_num_const((cm_i128)more, ret.planes);

    for (size_t k = 0; k < count; k++) {
        cm_num a = cm_circuit_input(c, x[k].planes), b = cm_circuit_input(c, y[k].planes);
        cm_num d = cm_num_sub(c, a, b, x[k].planes);
        d = cm_num_zero_extend(cm_num_shift_left(d, (unsigned)k * shift), ret.planes);
        sum = k == 0 && more > 0 ? cm_num_add_const(c, d, (cm_i128)more, ret.planes)
              : k == 0           ? d
                                 : cm_num_add(c, sum, d, ret.planes);
        inputs[2 * k] = x[k];
        inputs[2 * k + 1] = y[k];
    }
    cm_circuit_output(c, &sum);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    cm_status st = cm_program_run(program, w->mpc, inputs, &ret, scratch);
    cm_program_free(program);
    return st;
}

/* From one position to another, both included. */
static cm_status count_rows(window *w, cm_bcol last, cm_bcol first, cm_bcol ret, cm_arena scratch)
{
    if (last.planes == 0) { /* one row */
        for (unsigned p = 0; p < ret.planes; p++) {
            cm_mpc_set_public(w->mpc, ret, p, p == 0);
        }
        return CM_OK;
    }
    return subtract(w, &last, &first, 1, 0, 1, ret, scratch);
}

/* The running values at both ends of a frame that slides: at its last row, above its first one. */
static cm_status slide_limbs(window *w, size_t i, size_t limbs, cm_bcol *last, cm_bcol *above,
                             cm_arena *arena)
{
    const cm_window_func *f = &w->spec->func[i];
    bool rows = !adds_up(w, f);
    cm_status st = CM_OK;

    for (size_t k = 0; st == CM_OK && k < limbs; k++) {
        size_t factor = rows ? 0 : w->sums.first[i] + k;
        cm_bcol running = rows ? w->ordinal : w->prefix[factor];
        cm_bcol start = rows ? w->ordinal_start : w->prefix_start[factor];
        cm_bcol end = rows ? w->ordinal_end : w->framed_limb[i][k];
        last[k] = cm_bcol_new(arena, w->legs, running.planes, running.rows);
        above[k] = cm_bcol_new(arena, w->legs, running.planes, running.rows);
        st = cm_slide_running(&w->slide, running, start, end, f->to, last[k], *arena);
        if (st == CM_OK) {
            st = cm_slide_running(&w->slide, running, start, end, f->from - 1, above[k], *arena);
        }
    }
    return st;
}

static cm_status finish_sliding(window *w, size_t i, cm_bcol ret, cm_arena scratch)
{
    const cm_window_func *f = &w->spec->func[i];
    bool sum = f->kind == CM_WINDOW_SUM;
    size_t limbs = sum ? w->sums.limbs[i] : 1;
    cm_bcol *last = CM_NEW(&scratch, cm_bcol, limbs), *above = CM_NEW(&scratch, cm_bcol, limbs);

    cm_status st = slide_limbs(w, i, limbs, last, above, &scratch);
    return st == CM_OK
               ? subtract(w, last, above, limbs, sum ? w->sums.limb_shift[i] : 0, 0, ret, scratch)
               : st;
}

static cm_status finish_number(window *w, size_t i, cm_bcol ret, cm_arena scratch)
{
    const cm_window_func *f = &w->spec->func[i];
    cm_bcol first = w->at[FROM_PART_START];

    if (f->kind == CM_WINDOW_DENSE_RANK) {
        return subtract(w, &w->dense[i], &w->dense_start[i], 1, 0, 0, ret, scratch);
    }
    if (f->kind == CM_WINDOW_RANK) {
        return count_rows(w, w->at[FROM_PEER_START], first, ret, scratch);
    }
    if (slides(f)) {
        return finish_sliding(w, i, ret, scratch);
    }
    if (adds_up(w, f)) {
        bool sum = f->kind == CM_WINDOW_SUM;
        return subtract(w, w->framed_limb[i], w->prefix_start + w->sums.first[i],
                        sum ? w->sums.limbs[i] : 1, sum ? w->sums.limb_shift[i] : 0, 0, ret,
                        scratch);
    }
    if (f->kind == CM_WINDOW_ROW_NUMBER || f->frame == CM_FRAME_ROWS) {
        return count_rows(w, w->position, first, ret, scratch);
    }
    return count_rows(w, w->at[f->frame == CM_FRAME_PEERS ? FROM_PEER_END : FROM_PART_END], first,
                      ret, scratch);
}

static cm_scol split_value(window *w, cm_bcol both, cm_scol like, cm_arena *arena)
{
    cm_scol col = {cm_bcol_new(arena, w->legs, like.data.planes, both.rows),
                   cm_bcol_new(arena, w->legs, like.null.planes, both.rows)};

    if (like.data.planes > 0) {
        cm_bcol_copy(col.data, cm_bcol_planes(both, 0, like.data.planes));
    }
    if (like.null.planes > 0) {
        cm_bcol_copy(col.null, cm_bcol_planes(both, like.data.planes, 1));
    }
    return col;
}

static cm_status finish_function(window *w, size_t i, cm_arena *arena, cm_scol *ret)
{
    const cm_window_func *f = &w->spec->func[i];

    switch (f->kind) {
    case CM_WINDOW_LAG:
    case CM_WINDOW_LEAD:
        return finish_neighbour(w, f, arena, ret);
    case CM_WINDOW_FIRST:
    case CM_WINDOW_LAST:
        *ret = split_value(
            w, w->framed[i],
            f->kind == CM_WINDOW_FIRST && f->offset > 0 ? w->nth[i] : w->sorted.col[f->col], arena);
        return CM_OK;
    case CM_WINDOW_MIN:
    case CM_WINDOW_MAX: {
        cm_agg agg = extreme_of(w, f);
        *ret = cm_extreme_result(w->mpc, &agg, w->framed[i], arena);
        return CM_OK;
    }
    case CM_WINDOW_ROW_NUMBER:
    case CM_WINDOW_RANK:
    case CM_WINDOW_DENSE_RANK:
    case CM_WINDOW_COUNT_ROWS:
    case CM_WINDOW_COUNT:
    case CM_WINDOW_SUM:
        break;
    }
    *ret = number_column(w, f->planes, arena);
    return finish_number(w, i, ret->data, *w->keep);
}

/* ---- the operator -------------------------------------------------------------------------- */

static cm_status check(const cm_table *table, const cm_window_spec *spec)
{
    for (size_t i = 0; i < spec->funcs; i++) {
        const cm_window_func *f = &spec->func[i];
        cm_agg agg = {.col = f->col, .planes = f->planes};
        switch (f->kind) {
        case CM_WINDOW_SUM:
            agg.kind = CM_AGG_SUM;
            break;
        case CM_WINDOW_COUNT:
            agg.kind = CM_AGG_COUNT;
            break;
        case CM_WINDOW_MIN:
        case CM_WINDOW_MAX:
            agg.kind = CM_AGG_MIN;
            break;
        case CM_WINDOW_LAG:
        case CM_WINDOW_LEAD:
            CM_ASSERT(f->offset > 0);
            agg.kind = CM_AGG_ANY;
            break;
        case CM_WINDOW_FIRST:
        case CM_WINDOW_LAST:
            agg.kind = CM_AGG_ANY;
            break;
        case CM_WINDOW_ROW_NUMBER:
        case CM_WINDOW_RANK:
        case CM_WINDOW_DENSE_RANK:
        case CM_WINDOW_COUNT_ROWS:
            agg.kind = CM_AGG_COUNT_ROWS;
            break;
        }
        cm_status st = cm_aggregate_check(table, &agg, 1, false);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status run(window *w, const cm_table *table, cm_arena *arena)
{
    size_t funcs = w->spec->funcs;
    cm_bcol key;
    cm_status st = sort_rows(w, table, arena, &key);

    if (st == CM_OK) {
        st = find_marks(w, key, part_planes(w, table));
    }
    w->position = cm_bcol_new(w->keep, w->legs, cm_bits_for(table->rows), table->rows);
    cm_rows_index_bits(w->mpc, w->position, *w->keep);
    if (st == CM_OK) {
        st = run_sums(w);
    }
    for (size_t i = 0; st == CM_OK && i < funcs; i++) {
        st = run_function(w, i);
    }
    for (mark m = 0; st == CM_OK && m < MARKS; m++) {
        st = run_copies(w, m, *w->keep);
    }
    for (size_t i = 0; st == CM_OK && i < funcs; i++) {
        st = finish_function(w, i, arena, &w->sorted.col[table->cols + i]);
    }
    w->sorted.cols = table->cols + (unsigned)funcs;
    return st;
}

/* No rows: columns of the right widths. */
static cm_table no_rows(window *w, const cm_table *table, cm_arena *arena)
{
    cm_table ret = *table;

    ret.cols = table->cols + (unsigned)w->spec->funcs;
    ret.col = CM_NEW(arena, cm_scol, ret.cols + 1);
    for (unsigned i = 0; i < table->cols; i++) {
        ret.col[i] = table->col[i];
    }
    for (size_t i = 0; i < w->spec->funcs; i++) {
        const cm_window_func *f = &w->spec->func[i];
        bool number = f->kind <= CM_WINDOW_DENSE_RANK ||
                      (f->kind >= CM_WINDOW_COUNT_ROWS && f->kind <= CM_WINDOW_SUM);
        cm_scol *col = &ret.col[table->cols + i];
        if (number) {
            *col = number_column(w, f->planes, arena);
            continue;
        }
        *col = table->col[f->col];
        if ((f->kind != CM_WINDOW_FIRST || f->offset > 0) && f->kind != CM_WINDOW_LAST) {
            col->null = cm_bcol_new(arena, w->legs, 1, 0);
        }
    }
    return ret;
}

cm_status cm_table_window(cm_mpc *mpc, const cm_table *table, const cm_window_spec *spec,
                          cm_arena *arena, cm_table *ret, cm_arena scratch)
{
    window w = {.mpc = mpc, .legs = cm_mpc_legs(mpc), .spec = spec, .sorted = *table};
    w.keep = &scratch;

    cm_table_check_arenas(arena, scratch);
    cm_status st = check(table, spec);
    if (st != CM_OK) {
        return st;
    }
    if (table->rows == 0) {
        *ret = no_rows(&w, table, arena);
        return CM_OK;
    }
    w.framed = CM_NEW(&scratch, cm_bcol, spec->funcs + 1);
    w.framed_limb = CM_NEW(&scratch, cm_bcol *, spec->funcs + 1);
    w.nth = CM_NEW(&scratch, cm_scol, spec->funcs + 1);
    w.dense = CM_NEW(&scratch, cm_bcol, spec->funcs + 1);
    w.dense_start = CM_NEW(&scratch, cm_bcol, spec->funcs + 1);
    size_t most = 8 * spec->funcs + 8; /* a SUM of 128 planes has at most four limbs */
    for (mark m = 0; m < MARKS; m++) {
        w.copies[m].list = CM_NEW(&scratch, copy, most);
    }
    st = run(&w, table, arena);
    if (st == CM_OK) {
        *ret = w.sorted;
    }
    return st;
}
