/* Segmented scans, Brent-Kung: about 2n steps in 2 log2 n times the rounds of one step. */
#include "table/table_int.h"

/* z row i = x row first + i * step. */
static void gather_step(cm_bcol x, size_t first, size_t step, cm_bcol z, cm_arena scratch)
{
    uint32_t *from = CM_NEW(&scratch, uint32_t, z.rows);

    for (size_t i = 0; i < z.rows; i++) {
        from[i] = (uint32_t)(first + i * step);
    }
    if (z.rows > 0) {
        cm_bcol_gather(x, from, z);
    }
}

/* Rows 2i and 2i + 1 of x combined, for all full pairs. */
static cm_status scan_up(cm_mpc *mpc, const cm_program *then, cm_bcol x, cm_bcol ret,
                         cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    cm_bcol pair[2] = {cm_bcol_new(&scratch, legs, x.planes, ret.rows),
                       cm_bcol_new(&scratch, legs, x.planes, ret.rows)};

    gather_step(x, 0, 2, pair[0], scratch);
    gather_step(x, 1, 2, pair[1], scratch);
    return cm_program_run(then, mpc, pair, &ret, scratch);
}

/*
 * From the prefixes of pairs to the prefixes of x: row 2i + 1 is pair i, row 0 is x row 0, and row
 * 2i is pair i - 1 then x row 2i.
 */
static cm_status scan_down(cm_mpc *mpc, const cm_program *then, cm_bcol x, cm_bcol pairs,
                           cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    size_t evens = (x.rows - 1) / 2;
    cm_bcol in[2] = {cm_bcol_new(&scratch, legs, x.planes, evens),
                     cm_bcol_new(&scratch, legs, x.planes, evens)};
    cm_bcol even = cm_bcol_new(&scratch, legs, x.planes, evens);
    cm_bcol apart = cm_bcol_new(&scratch, legs, x.planes, x.rows); /* row 0, evens, odds */

    if (evens > 0) {
        cm_bcol_get_rows(pairs, 0, in[0]);
        gather_step(x, 2, 2, in[1], scratch);
        cm_status st = cm_program_run(then, mpc, in, &even, scratch);
        if (st != CM_OK) {
            return st;
        }
    }
    cm_bcol_copy(apart, x); /* for row 0 */
    if (evens > 0) {
        cm_bcol_put_rows(apart, 1, even);
    }
    cm_bcol_put_rows(apart, 1 + evens, pairs);

    uint32_t *from = CM_NEW(&scratch, uint32_t, x.rows);
    for (size_t r = 0; r < x.rows; r++) {
        from[r] = (uint32_t)(r % 2 == 0 ? r / 2 : 1 + evens + r / 2);
    }
    cm_bcol_gather(apart, from, ret);
    return CM_OK;
}

cm_status cm_scan_run(cm_mpc *mpc, const cm_program *then, cm_bcol start, cm_bcol x, cm_bcol ret,
                      cm_arena scratch)
{
    enum { LEVELS_MAX = 32 };
    unsigned legs = cm_mpc_legs(mpc), planes = x.planes, levels = 0;
    cm_bcol level[LEVELS_MAX];

    CM_ASSERT(x.rows < UINT32_MAX && start.rows == x.rows && ret.planes == planes);
    if (x.rows == 0) {
        return CM_OK;
    }
    level[0] = cm_bcol_new(&scratch, legs, planes + 1, x.rows);
    cm_bcol_copy(cm_bcol_planes(level[0], 0, planes), x);
    cm_bcol_copy(cm_bcol_planes(level[0], planes, 1), start);

    cm_status st = CM_OK;
    while (st == CM_OK && level[levels].rows > 1) {
        CM_ASSERT(levels + 1 < LEVELS_MAX);
        level[levels + 1] = cm_bcol_new(&scratch, legs, planes + 1, level[levels].rows / 2);
        st = scan_up(mpc, then, level[levels], level[levels + 1], scratch);
        levels++;
    }
    cm_bcol prefix = level[levels];
    while (st == CM_OK && levels-- > 0) {
        cm_bcol z = cm_bcol_new(&scratch, legs, planes + 1, level[levels].rows);
        st = scan_down(mpc, then, level[levels], prefix, z, scratch);
        prefix = z;
    }
    if (st == CM_OK) {
        cm_bcol_copy(ret, cm_bcol_planes(prefix, 0, planes));
    }
    return st;
}

/* ---- copies -------------------------------------------------------------------------------- */

/* (s, x) then (t, y) is (s or t, t ? y : x): the value of the last start. */
static cm_program *build_copy(unsigned planes)
{
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, planes + 1);
    cm_num y = cm_circuit_input(c, planes + 1);
    cm_wire start = y.wire[planes];
    cm_num last =
        cm_num_mux(c, start, cm_num_zero_extend(y, planes), cm_num_zero_extend(x, planes));
    cm_num both = cm_num_concat(last, cm_num_of_wire(cm_gate_or(c, x.wire[planes], start)));

    cm_circuit_output(c, &both);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

static cm_status copy_down(cm_mpc *mpc, cm_bcol start, cm_bcol x, cm_bcol ret, cm_arena scratch)
{
    enum { PLANES_MAX = CM_NUM_MAX - 1 }; /* and the start */
    cm_status st = CM_OK;

    for (unsigned at = 0; st == CM_OK && at < x.planes; at += PLANES_MAX) {
        unsigned planes = x.planes - at < PLANES_MAX ? x.planes - at : PLANES_MAX;
        cm_program *copy = build_copy(planes);
        st = cm_scan_run(mpc, copy, start, cm_bcol_planes(x, at, planes),
                         cm_bcol_planes(ret, at, planes), scratch);
        cm_program_free(copy);
    }
    return st;
}

static void turn_round(cm_bcol x, cm_bcol z, cm_arena scratch)
{
    uint32_t *from = CM_NEW(&scratch, uint32_t, x.rows);

    for (size_t r = 0; r < x.rows; r++) {
        from[r] = (uint32_t)(x.rows - 1 - r);
    }
    cm_bcol_gather(x, from, z);
}

cm_status cm_scan_copy(cm_mpc *mpc, cm_bcol mark, bool up, cm_bcol x, cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);

    if (x.rows == 0 || x.planes == 0) {
        return CM_OK;
    }
    if (!up) {
        return copy_down(mpc, mark, x, ret, scratch);
    }
    cm_bcol turned_mark = cm_bcol_new(&scratch, legs, 1, x.rows);
    cm_bcol turned = cm_bcol_new(&scratch, legs, x.planes, x.rows);
    cm_bcol copied = cm_bcol_new(&scratch, legs, x.planes, x.rows);
    turn_round(mark, turned_mark, scratch);
    turn_round(x, turned, scratch);
    cm_status st = copy_down(mpc, turned_mark, turned, copied, scratch);
    if (st == CM_OK) {
        turn_round(copied, ret, scratch);
    }
    return st;
}
