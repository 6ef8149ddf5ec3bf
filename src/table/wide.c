/* Programs over columns that are wider than one number of a circuit: chunks, lowest first. */
#include "table/table_int.h"

size_t cm_wide_chunks(unsigned planes)
{
    return planes / CM_NUM_MAX + (planes % CM_NUM_MAX != 0);
}

static unsigned chunk_planes(unsigned planes, size_t chunk)
{
    unsigned first = (unsigned)chunk * CM_NUM_MAX;

    return planes - first < CM_NUM_MAX ? planes - first : CM_NUM_MAX;
}

void cm_wide_input(cm_circuit *c, unsigned planes, cm_num *ret_chunks)
{
    for (size_t k = 0; k < cm_wide_chunks(planes); k++) {
        ret_chunks[k] = cm_circuit_input(c, chunk_planes(planes, k));
    }
}

void cm_wide_split(cm_bcol x, cm_bcol *ret_chunks)
{
    for (size_t k = 0; k < cm_wide_chunks(x.planes); k++) {
        ret_chunks[k] = cm_bcol_planes(x, (unsigned)k * CM_NUM_MAX, chunk_planes(x.planes, k));
    }
}

cm_wire cm_wide_lt(cm_circuit *c, const cm_num *x, const cm_num *y, size_t chunks)
{
    cm_wire less = CM_WIRE_0;

    for (size_t k = 0; k < chunks; k++) {
        cm_wire here = cm_num_lt(c, x[k], y[k]);
        /* Less here, or equal here and less below: never both, so XOR will do. */
        cm_wire below = k == 0 ? CM_WIRE_0 : cm_gate_and(c, cm_num_eq(c, x[k], y[k]), less);
        less = cm_gate_xor(c, here, below);
    }
    return less;
}

cm_wire cm_wide_is_zero(cm_circuit *c, const cm_num *x, size_t chunks)
{
    cm_wire zero = CM_WIRE_1;

    for (size_t k = 0; k < chunks; k++) {
        zero = cm_gate_and(c, zero, cm_num_is_zero(c, x[k]));
    }
    return zero;
}

cm_status cm_wide_zero_rows(cm_mpc *mpc, cm_bcol x, cm_bcol ret, cm_arena scratch)
{
    size_t chunks = cm_wide_chunks(x.planes);
    cm_num *num = CM_NEW(&scratch, cm_num, chunks);
    cm_bcol *inputs = CM_NEW(&scratch, cm_bcol, chunks);
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);

    cm_wide_input(c, x.planes, num);
    cm_wide_split(x, inputs);
    cm_circuit_output_wire(c, cm_wide_is_zero(c, num, chunks));
    cm_program *program = cm_circuit_finish(c);
    cm_status st = cm_program_run(program, mpc, inputs, &ret, scratch);
    cm_program_free(program);
    cm_circuit_free(c);
    return st;
}
