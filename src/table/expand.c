/*
 * Expansion: rows repeated as often as a secret count says.  docs/design/table.md, "Expansion".
 *
 *   1. Prefix sums of the counts are the places where each row's copies start, local in the ring.
 *   2. A partition brings the rows that have copies to the front, in order.
 *   3. From there a mark moves to each row's start through a network of conditional shifts: it
 *      carries nothing but the distance that is left.
 *   4. A partition of the places by their marks tells which place takes which of the rows in front.
 *   5. The rows' XOR differences go there, and the local prefix XOR fills the places between.
 */
#include "table/table_int.h"

typedef struct expansion {
    cm_mpc *mpc;
    unsigned legs;
    const cm_table *table;
    bool outer;
    size_t rows;           /* of the result */
    size_t front;          /* rows that can have copies: of the table, but not more than places */
    unsigned place_planes; /* 0 .. rows - 1 */
    unsigned row_planes;   /* the table's columns, without valid */

    cm_bcol count;        /* 0 in invalid rows */
    cm_bcol copied;       /* count is not 0 */
    cm_bcol start;        /* place of the first copy, if there is one */
    cm_bcol total;        /* one row: the sum of counts */
    cm_bcol rows_front;   /* columns and start of the rows in front */
    cm_bcol copied_front; /* whether there is such a row */
    cm_bcol filled;       /* per place: columns and start of the row whose copy it is */
} expansion;

enum { TOTAL_PLANES = 64 };

unsigned cm_expand_planes(size_t rows)
{
    return rows > 2 ? cm_bits_for(rows) : 1;
}

/* ---- 1. places ----------------------------------------------------------------------------- */

static cm_program *build_count(const cm_mpc *mpc, unsigned planes, bool outer, size_t rows)
{
    cm_circuit *c = cm_circuit_new_for(mpc, rows);
    cm_wire valid = cm_circuit_input(c, 1).wire[0];
    cm_num count = cm_num_mask(c, cm_circuit_input(c, planes), valid);
    cm_wire copied = cm_gate_not(c, cm_num_is_zero(c, count));

    if (outer) {
        cm_wire alone = cm_gate_and(c, valid, cm_gate_not(c, copied));
        count.wire[0] = cm_gate_xor(c, count.wire[0], alone);
        copied = valid;
    }
    cm_circuit_output(c, &count);
    cm_circuit_output_wire(c, copied);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

static cm_status find_counts(expansion *e, cm_bcol count, cm_arena *keep)
{
    size_t rows = e->table->rows;

    e->count = cm_bcol_new(keep, e->legs, count.planes, rows);
    e->copied = cm_bcol_new(keep, e->legs, 1, rows);
    cm_bcol in[] = {e->table->valid, count}, out[] = {e->count, e->copied};
    cm_program *program = build_count(e->mpc, count.planes, e->outer, rows);
    cm_status st = cm_program_run(program, e->mpc, in, out, *keep);
    cm_program_free(program);
    return st;
}

static cm_status find_starts(expansion *e, cm_arena *keep)
{
    size_t rows = e->table->rows;

    e->start = cm_bcol_new(keep, e->legs, e->place_planes, rows);
    e->total = cm_bcol_new(keep, e->legs, TOTAL_PLANES, 1);
    cm_arena scratch = *keep;
    cm_acol sums = cm_acol_new(&scratch, e->legs, rows + 1); /* row 0 is 0 */
    cm_acol inclusive = cm_acol_slice(sums, 1, rows);
    cm_status st = cm_mpc_bits_to_ring(e->mpc, e->count, inclusive, scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_acol_prefix_sum(inclusive, inclusive);
    st = cm_mpc_ring_to_bits(e->mpc, cm_acol_slice(sums, rows, 1), e->total, scratch);
    if (st == CM_OK && e->place_planes > 0) {
        st = cm_mpc_ring_to_bits(e->mpc, cm_acol_slice(sums, 0, rows), e->start, scratch);
    }
    return st;
}

/* ---- 2. rows with copies ------------------------------------------------------------------- */

static void put_planes(cm_bcol wide, unsigned *at, cm_bcol x)
{
    if (x.planes > 0) {
        cm_bcol_copy(cm_bcol_planes(wide, *at, x.planes), x);
        *at += x.planes;
    }
}

static cm_status bring_forward(expansion *e, cm_arena *keep)
{
    unsigned planes = e->row_planes + e->place_planes + 1, at = 0;
    cm_bcol front = cm_bcol_new(keep, e->legs, planes, e->front);
    cm_arena scratch = *keep;
    cm_acol dest = cm_acol_new(&scratch, e->legs, e->table->rows);
    cm_rows all = {.bits = cm_bcol_new(&scratch, e->legs, planes, e->table->rows)};
    cm_rows placed = {.bits = front};

    for (unsigned i = 0; i < e->table->cols; i++) {
        put_planes(all.bits, &at, e->table->col[i].data);
        put_planes(all.bits, &at, e->table->col[i].null);
    }
    put_planes(all.bits, &at, e->start);
    put_planes(all.bits, &at, e->copied);
    e->rows_front = cm_bcol_planes(front, 0, planes - 1);
    e->copied_front = cm_bcol_planes(front, planes - 1, 1);
    cm_status st = cm_partition_destination(e->mpc, e->copied, dest, scratch);
    return st == CM_OK ? cm_rows_place(e->mpc, dest, &all, &placed, scratch) : st;
}

/* ---- 3. marks ------------------------------------------------------------------------------ */

/* Inputs: start, place, whether there is a row.  Output: how far its mark has to go. */
static cm_status find_distances(expansion *e, cm_bcol ret, cm_arena scratch)
{
    unsigned planes = e->place_planes;
    cm_circuit *c = cm_circuit_new_for(e->mpc, e->front);
    cm_num start = cm_circuit_input(c, planes);
    cm_num place = cm_circuit_input(c, planes);
    cm_num distance = cm_num_sub(c, start, place, planes);
    distance = cm_num_mask(c, distance, cm_circuit_input(c, 1).wire[0]);
    cm_circuit_output(c, &distance);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);

    cm_bcol in[] = {cm_bcol_planes(e->rows_front, e->row_planes, planes),
                    cm_bcol_new(&scratch, e->legs, planes, e->front), e->copied_front};
    cm_rows_index_bits(e->mpc, in[1], scratch);
    cm_status st = cm_program_run(program, e->mpc, in, &ret, scratch);
    cm_program_free(program);
    return st;
}

/*
 * Marks with bit `level` of their distance move by 2^level places.  Starts grow from one row to the
 * next by at least one place, so distances do not shrink; cut to their upper bits they do not
 * either, and no two marks ever meet.  x: the lower bits of the distance, then the mark.
 */
static cm_status move_marks(expansion *e, cm_bcol x, cm_bcol moving, size_t by, cm_arena scratch)
{
    cm_bcol moved = cm_bcol_new(&scratch, e->legs, x.planes, x.rows);
    cm_bcol landed = cm_bcol_new(&scratch, e->legs, x.planes, x.rows);
    cm_status st = cm_mpc_and_col(e->mpc, x, moving, moved, scratch);

    if (st != CM_OK) {
        return st;
    }
    if (by < x.rows) { /* else only too large a sum gets here */
        cm_bcol within = cm_bcol_new(&scratch, e->legs, x.planes, x.rows - by);
        cm_bcol_get_rows(moved, 0, within);
        cm_bcol_put_rows(landed, by, within);
    }
    cm_bcol_xor(x, moved, x);
    cm_bcol_xor(x, landed, x);
    return CM_OK;
}

/* ret: 1 at the places where some row's copies start. */
static cm_status mark_starts(expansion *e, cm_bcol ret, cm_arena scratch)
{
    unsigned planes = e->place_planes;
    cm_bcol distance = cm_bcol_new(&scratch, e->legs, planes, e->front);
    /* The mark lies below the distance, whose bits are used up from the top. */
    cm_bcol net = cm_bcol_new(&scratch, e->legs, planes + 1, e->rows);
    cm_status st = CM_OK;

    if (planes > 0) {
        st = find_distances(e, distance, scratch);
        cm_bcol_put_rows(cm_bcol_planes(net, 1, planes), 0, distance);
    }
    cm_bcol_put_rows(cm_bcol_planes(net, 0, 1), 0, e->copied_front);
    for (unsigned level = planes; st == CM_OK && level-- > 0;) {
        st = move_marks(e, cm_bcol_planes(net, 0, 1 + level), cm_bcol_planes(net, 1 + level, 1),
                        (size_t)1 << level, scratch);
    }
    cm_bcol_copy(ret, cm_bcol_planes(net, 0, 1));
    return st;
}

/* ---- 4. and 5. rows to places --------------------------------------------------------------- */

/* ret row k: the place of the k-th mark, then the places without one. */
static cm_status order_places(expansion *e, cm_bcol mark, cm_bcol ret, cm_arena scratch)
{
    cm_acol dest = cm_acol_new(&scratch, e->legs, e->rows);
    cm_rows all = {.bits = cm_bcol_new(&scratch, e->legs, ret.planes, e->rows)};
    cm_rows placed = {.bits = ret};

    cm_rows_index_bits(e->mpc, all.bits, scratch);
    cm_status st = cm_partition_destination(e->mpc, mark, dest, scratch);
    return st == CM_OK ? cm_rows_place(e->mpc, dest, &all, &placed, scratch) : st;
}

static cm_status fill_places(expansion *e, cm_arena *keep)
{
    unsigned planes = e->rows_front.planes, place = e->place_planes;

    e->filled = cm_bcol_new(keep, e->legs, planes, e->rows);
    cm_arena scratch = *keep;
    cm_bcol mark = cm_bcol_new(&scratch, e->legs, 1, e->rows);
    cm_bcol wide = cm_bcol_new(&scratch, e->legs, place + planes, e->rows);
    cm_bcol difference = cm_bcol_new(&scratch, e->legs, planes, e->front);
    cm_bcol masked = cm_bcol_new(&scratch, e->legs, planes, e->front);
    if (planes == 0) {
        return CM_OK;
    }
    cm_status st = mark_starts(e, mark, scratch);
    if (st == CM_OK && place > 0) {
        st = order_places(e, mark, cm_bcol_planes(wide, 0, place), scratch);
    }
    if (st == CM_OK) { /* rows without copies come last: nothing of them may be added */
        cm_bcol_difference(e->rows_front, difference);
        st = cm_mpc_and_col(e->mpc, difference, e->copied_front, masked, scratch);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_bcol_put_rows(cm_bcol_planes(wide, place, planes), 0, masked);
    st = cm_rows_place_bits(e->mpc, wide, place, e->filled, scratch);
    if (st == CM_OK) {
        cm_bcol_prefix_xor(e->filled, e->filled);
    }
    return st;
}

/* ---- result -------------------------------------------------------------------------------- */

/* Inputs: place, start of its row, sum of counts.  Outputs: number of the copy, valid. */
static cm_status number_copies(expansion *e, cm_bcol copy, cm_bcol valid, cm_arena scratch)
{
    unsigned planes = e->place_planes, total_planes = cm_bits_for(e->rows + 1);
    cm_circuit *c = cm_circuit_new_for(e->mpc, e->rows);
    cm_num place = cm_circuit_input(c, planes);
    cm_num start = cm_circuit_input(c, planes);
    cm_num total = cm_circuit_input(c, total_planes);
    cm_num number = cm_num_sub(c, place, start, copy.planes);
    cm_circuit_output(c, &number);
    cm_circuit_output_wire(c, cm_num_lt(c, place, total));
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);

    cm_bcol in[] = {cm_bcol_new(&scratch, e->legs, planes, e->rows),
                    cm_bcol_planes(e->filled, e->row_planes, planes),
                    cm_bcol_new(&scratch, e->legs, total_planes, e->rows)};
    cm_bcol out[] = {copy, valid};
    cm_rows_index_bits(e->mpc, in[0], scratch);
    cm_bcol_put_rows(in[2], 0, cm_bcol_planes(e->total, 0, total_planes));
    cm_bcol_prefix_xor(in[2], in[2]); /* the same in every row */
    cm_status st = cm_program_run(program, e->mpc, in, out, scratch);
    cm_program_free(program);
    return st;
}

static cm_status check_total(expansion *e, cm_bcol overflow, cm_arena scratch)
{
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num total = cm_circuit_input(c, TOTAL_PLANES);

    cm_circuit_output_wire(c, cm_num_lt(c, cm_num_const((cm_i128)e->rows, TOTAL_PLANES), total));
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    cm_status st = cm_program_run(program, e->mpc, &e->total, &overflow, scratch);
    cm_program_free(program);
    return st;
}

static cm_table new_result(const expansion *e, cm_arena *arena)
{
    unsigned cols = e->table->cols + 1;
    unsigned *planes = CM_NEW_SMALL(arena, unsigned, cols);
    bool *nullable = CM_NEW_SMALL(arena, bool, cols);

    for (unsigned i = 0; i < e->table->cols; i++) {
        planes[i] = e->table->col[i].data.planes;
        nullable[i] = e->table->col[i].null.planes > 0;
    }
    planes[cols - 1] = cm_expand_planes(e->rows);
    return cm_table_new(arena, e->legs, e->rows, cols, planes, nullable);
}

static void take(cm_bcol wide, unsigned *at, cm_bcol ret)
{
    if (ret.planes > 0) {
        cm_bcol_copy(ret, cm_bcol_planes(wide, *at, ret.planes));
        *at += ret.planes;
    }
}

static cm_status fill_result(expansion *e, cm_bcol count, cm_table *result, cm_bcol overflow,
                             cm_arena scratch)
{
    cm_status st = find_counts(e, count, &scratch);
    if (st == CM_OK) {
        st = find_starts(e, &scratch);
    }
    if (st == CM_OK) {
        st = check_total(e, overflow, scratch);
    }
    if (st != CM_OK || e->rows == 0) {
        return st;
    }
    st = bring_forward(e, &scratch);
    if (st == CM_OK) {
        st = fill_places(e, &scratch);
    }
    if (st != CM_OK) {
        return st;
    }
    unsigned at = 0;
    for (unsigned i = 0; i < e->table->cols; i++) {
        take(e->filled, &at, result->col[i].data);
        take(e->filled, &at, result->col[i].null);
    }
    return number_copies(e, result->col[e->table->cols].data, result->valid, scratch);
}

cm_status cm_table_expand(cm_mpc *mpc, const cm_table *table, cm_bcol count, bool outer,
                          size_t rows, cm_arena *arena, cm_table *ret, cm_bcol *ret_overflow,
                          cm_arena scratch)
{
    expansion e = {.mpc = mpc,
                   .legs = cm_mpc_legs(mpc),
                   .table = table,
                   .outer = outer,
                   .rows = rows,
                   .front = table->rows < rows ? table->rows : rows,
                   .place_planes = cm_bits_for(rows),
                   .row_planes = cm_table_planes(table) - 1};

    cm_table_check_arenas(arena, scratch);
    CM_ASSERT(count.rows == table->rows && count.planes > 0);
    CM_ASSERT(count.planes + cm_bits_for(table->rows + 1) <= TOTAL_PLANES && rows < UINT32_MAX);
    cm_table result = new_result(&e, arena);
    cm_bcol overflow = cm_bcol_new(arena, e.legs, 1, 1); /* 0 */
    cm_status st = CM_OK;
    if (table->rows > 0) {
        st = fill_result(&e, count, &result, overflow, scratch);
    }
    if (st == CM_OK) {
        *ret = result;
        *ret_overflow = overflow;
    }
    return st;
}
