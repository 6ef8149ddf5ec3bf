/*
 * Frames that move along with the row: from `from` to `to` rows below it (above where negative),
 * cut at the partition's ends.  docs/design/table.md, "Windows".
 *
 * A sum over a frame is the difference of two running sums, at its last row and above its first
 * one; rows are at public distances, so they are moved, and where that leaves the partition the
 * running sum at its end takes their place.  An extreme is put together from ones over 1, 2, 4, ...
 * rows: overlaps do no harm.
 */
#include "table/table_int.h"

/* Row r of z is row r - by of x (r + by where below); outside stands the nearest row. */
void cm_slide_rows(cm_bcol x, size_t by, bool below, cm_bcol z, cm_arena scratch)
{
    uint32_t *from = CM_NEW(&scratch, uint32_t, x.rows);

    for (size_t r = 0; r < x.rows; r++) {
        size_t last = x.rows - 1;
        size_t above = r < by ? 0 : r - by, under = last - r < by ? last : r + by;
        from[r] = (uint32_t)(below ? under : above);
    }
    cm_bcol_gather(x, from, z);
}

/*
 * A window that doubles until it is long enough.  The first row starts a partition, which stands
 * for all rows above.
 */
cm_status cm_slide_crossing(const cm_slide *s, size_t offset, bool below, cm_bcol ret,
                            cm_arena scratch)
{
    size_t rows = ret.rows, wide = 1;
    unsigned legs = cm_mpc_legs(s->mpc);
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, 1), y = cm_circuit_input(c, 1);
    cm_circuit_output_wire(c, cm_gate_or(c, x.wire[0], y.wire[0]));
    cm_program *either = cm_circuit_finish(c);
    cm_circuit_free(c);
    cm_bcol near = below ? s->end : s->start;
    cm_status st = CM_OK;

    while (st == CM_OK && wide < offset) {
        size_t step = wide < offset - wide ? wide : offset - wide;
        cm_bcol pair[2] = {near, cm_bcol_new(&scratch, legs, 1, rows)};
        cm_bcol z = cm_bcol_new(&scratch, legs, 1, rows);
        cm_slide_rows(near, step, below, pair[1], scratch);
        st = cm_program_run(either, s->mpc, pair, &z, scratch);
        near = z;
        wide += step;
    }
    cm_program_free(either);
    if (st == CM_OK) {
        cm_bcol_copy(ret, near);
    }
    return st;
}

/* outside ? beyond : moved */
static cm_status choose(cm_mpc *mpc, cm_bcol outside, cm_bcol beyond, cm_bcol moved, cm_bcol ret,
                        cm_arena scratch)
{
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_wire condition = cm_circuit_input(c, 1).wire[0];
    cm_num x = cm_circuit_input(c, beyond.planes), y = cm_circuit_input(c, moved.planes);
    cm_num z = cm_num_mux(c, condition, x, y);
    cm_circuit_output(c, &z);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    cm_bcol in[] = {outside, beyond, moved};
    cm_status st = cm_program_run(program, mpc, in, &ret, scratch);
    cm_program_free(program);
    return st;
}

cm_status cm_slide_running(const cm_slide *s, cm_bcol running, cm_bcol before, cm_bcol last,
                           int64_t offset, cm_bcol ret, cm_arena scratch)
{
    const bool below = offset > 0;
    const uint64_t by = below ? (uint64_t)offset : (uint64_t)-offset;
    const cm_bcol beyond = below ? last : before;

    if (running.planes == 0) {
        return CM_OK;
    }
    if (by == 0 || by >= running.rows) {
        cm_bcol_copy(ret, by == 0 ? running : beyond);
        return CM_OK;
    }
    unsigned legs = cm_mpc_legs(s->mpc);
    cm_bcol outside = cm_bcol_new(&scratch, legs, 1, running.rows);
    cm_bcol moved = cm_bcol_new(&scratch, legs, running.planes, running.rows);
    cm_slide_rows(running, (size_t)by, below, moved, scratch);
    cm_status st = cm_slide_crossing(s, (size_t)by, below, outside, scratch);
    return st == CM_OK ? choose(s->mpc, outside, beyond, moved, ret, scratch) : st;
}

/* Inputs: x, y and whether y is left out.  Output: the greater one. */
static cm_program *build_greater(const cm_mpc *mpc, unsigned planes, size_t rows)
{
    cm_circuit *c = cm_circuit_new_for(mpc, rows);
    cm_num x = cm_circuit_input(c, planes), y = cm_circuit_input(c, planes);
    cm_wire out = cm_circuit_input(c, 1).wire[0];
    cm_wire take = cm_gate_and(c, cm_gate_not(c, out), cm_num_lt(c, x, y));
    cm_num z = cm_num_mux(c, take, y, x);
    cm_circuit_output(c, &z);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

/* x becomes the greatest of itself and the next `more` rows, in the partition. */
static cm_status stretch(const cm_slide *s, const cm_program *greater, cm_bcol x, size_t more,
                         bool below, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(s->mpc);
    cm_bcol moved = cm_bcol_new(&scratch, legs, x.planes, x.rows);
    cm_bcol outside = cm_bcol_new(&scratch, legs, 1, x.rows);
    cm_bcol z = cm_bcol_new(&scratch, legs, x.planes, x.rows);
    size_t wide = 1, most = more < x.rows ? more + 1 : x.rows;
    cm_status st = CM_OK;

    while (st == CM_OK && wide < most) {
        size_t step = wide < most - wide ? wide : most - wide;
        cm_slide_rows(x, step, below, moved, scratch);
        st = cm_slide_crossing(s, step, below, outside, scratch);
        cm_bcol in[] = {x, moved, outside};
        if (st == CM_OK) {
            st = cm_program_run(greater, s->mpc, in, &z, scratch);
        }
        if (st == CM_OK) {
            cm_bcol_copy(x, z);
        }
        wide += step;
    }
    return st;
}

cm_status cm_slide_extreme(const cm_slide *s, cm_bcol x, int64_t from, int64_t to, cm_bcol ret,
                           cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(s->mpc);
    cm_bcol none = cm_bcol_new(&scratch, legs, 1, x.rows);
    cm_bcol down = cm_bcol_new(&scratch, legs, x.planes, x.rows);
    cm_program *greater = build_greater(s->mpc, x.planes, x.rows);

    CM_ASSERT(from <= 0 && to >= 0);
    cm_bcol_copy(ret, x);
    cm_bcol_copy(down, x);
    cm_status st = stretch(s, greater, ret, from < 0 ? (size_t)-from : 0, false, scratch);
    if (st == CM_OK) {
        st = stretch(s, greater, down, (size_t)to, true, scratch);
    }
    cm_bcol in[] = {ret, down, none};
    cm_bcol z = cm_bcol_new(&scratch, legs, x.planes, x.rows);
    if (st == CM_OK) {
        st = cm_program_run(greater, s->mpc, in, &z, scratch);
    }
    if (st == CM_OK) {
        cm_bcol_copy(ret, z);
    }
    cm_program_free(greater);
    return st;
}
