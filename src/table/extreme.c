/*
 * MIN and MAX as the greatest of candidates (flag above value): a tree over all rows of a group, or
 * a segmented scan over sorted rows.  No masking is needed: a candidate without flag loses against
 * every one with a flag, and its value is never looked at.
 */
#include "table/table_int.h"

cm_status cm_extreme_candidates(cm_mpc *mpc, const cm_table *table, const cm_agg *agg,
                                cm_bcol member, cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    size_t rows = table->rows;
    cm_scol col = table->col[agg->col];
    unsigned planes = col.data.planes;

    CM_ASSERT(ret.planes == planes + 1 && ret.rows == rows * member.planes);
    cm_bcol one = cm_bcol_new(&scratch, legs, planes + 1, rows);
    cm_bcol flag = member;

    if (col.null.planes > 0) {
        cm_bcol present = cm_bcol_new(&scratch, legs, 1, rows);
        flag = cm_bcol_new(&scratch, legs, member.planes, rows);
        cm_rows_not(mpc, col.null, present);
        cm_status st = cm_mpc_and_col(mpc, member, present, flag, scratch);
        if (st != CM_OK) {
            return st;
        }
    }
    if (planes > 0) {
        cm_bcol_copy(cm_bcol_planes(one, 0, planes), col.data);
    }
    for (unsigned p = 0; agg->kind == CM_AGG_MIN && p < planes; p++) {
        cm_mpc_not(mpc, one, p);
    }
    for (unsigned g = 0; g < member.planes; g++) {
        cm_bcol_copy(cm_bcol_planes(one, planes, 1), cm_bcol_planes(flag, g, 1));
        cm_bcol_put_rows(ret, g * rows, one);
    }
    return CM_OK;
}

/* ---- tree ---------------------------------------------------------------------------------- */

static cm_program *build_greater(const cm_mpc *mpc, unsigned planes, size_t rows)
{
    cm_circuit *c = cm_circuit_new_for(mpc, rows);
    cm_num x = cm_circuit_input(c, planes);
    cm_num y = cm_circuit_input(c, planes);
    cm_num greater = cm_num_max(c, x, y);

    cm_circuit_output(c, &greater);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

/*
 * One level: each group's rows i and half + i compete.  Where half + i is past the end the last row
 * stands in once more, which changes no maximum.
 */
static cm_status halve(cm_mpc *mpc, const cm_program *greater, cm_bcol x, size_t groups,
                       size_t rows, cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    size_t half = rows - rows / 2;
    cm_bcol pair[2] = {cm_bcol_new(&scratch, legs, x.planes, ret.rows),
                       cm_bcol_new(&scratch, legs, x.planes, ret.rows)};
    uint32_t *from = CM_NEW(&scratch, uint32_t, ret.rows);

    for (size_t k = 0; k < 2; k++) {
        for (size_t g = 0; g < groups; g++) {
            for (size_t i = 0; i < half; i++) {
                size_t at = k * half + i < rows ? k * half + i : rows - 1;
                from[g * half + i] = (uint32_t)(g * rows + at);
            }
        }
        cm_bcol_gather(x, from, pair[k]);
    }
    return cm_program_run(greater, mpc, pair, &ret, scratch);
}

cm_status cm_extreme_reduce(cm_mpc *mpc, cm_bcol x, size_t rows, cm_bcol ret, cm_arena scratch)
{
    size_t groups = ret.rows;

    CM_ASSERT(x.rows == groups * rows && x.rows < UINT32_MAX && x.planes == ret.planes);
    if (groups == 0) {
        return CM_OK;
    }
    if (rows == 0) {
        cm_bcol_xor(ret, ret, ret); /* no flag */
        return CM_OK;
    }
    cm_status st = CM_OK;
    while (st == CM_OK && rows > 1) {
        size_t half = rows - rows / 2;
        cm_program *greater = build_greater(mpc, x.planes, groups * half);
        cm_bcol z = cm_bcol_new(&scratch, cm_mpc_legs(mpc), x.planes, groups * half);
        st = halve(mpc, greater, x, groups, rows, z, scratch);
        cm_program_free(greater);
        x = z;
        rows = half;
    }
    if (st == CM_OK) {
        cm_bcol_copy(ret, x);
    }
    return st;
}

/* ---- segmented scan ------------------------------------------------------------------------ */

/*
 * Rows are (start, candidate), start on top.  (s, x) then (t, y) is (s or t, t ? y : max(x, y)),
 * which is associative.
 */
static cm_program *build_then(unsigned planes)
{
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, planes + 1);
    cm_num y = cm_circuit_input(c, planes + 1);
    cm_num below_x = cm_num_zero_extend(x, planes);
    cm_num below_y = cm_num_zero_extend(y, planes);
    cm_wire start_y = y.wire[planes];
    cm_wire take_y = cm_gate_or(c, start_y, cm_num_lt(c, below_x, below_y));
    cm_num greater = cm_num_mux(c, take_y, below_y, below_x);
    cm_num start = cm_num_of_wire(cm_gate_or(c, x.wire[planes], start_y));
    cm_num both = cm_num_concat(greater, start);

    cm_circuit_output(c, &both);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

cm_status cm_extreme_scan(cm_mpc *mpc, cm_bcol start, cm_bcol x, cm_bcol ret, cm_arena scratch)
{
    cm_program *then = build_then(x.planes);
    cm_status st = cm_scan_run(mpc, then, start, x, ret, scratch);

    cm_program_free(then);
    return st;
}

/* ---- result -------------------------------------------------------------------------------- */

cm_scol cm_extreme_result(cm_mpc *mpc, const cm_agg *agg, cm_bcol x, cm_arena *arena)
{
    unsigned legs = cm_mpc_legs(mpc), value = x.planes - 1;
    unsigned planes = value < agg->planes ? value : agg->planes;
    cm_scol col = {cm_bcol_new(arena, legs, agg->planes, x.rows),
                   cm_bcol_new(arena, legs, 1, x.rows)};

    if (x.rows == 0) {
        return col;
    }
    if (planes > 0) {
        cm_bcol_copy(cm_bcol_planes(col.data, 0, planes), cm_bcol_planes(x, 0, planes));
    }
    for (unsigned p = 0; agg->kind == CM_AGG_MIN && p < planes; p++) {
        cm_mpc_not(mpc, col.data, p);
    }
    cm_rows_not(mpc, cm_bcol_planes(x, value, 1), col.null);
    return col;
}
