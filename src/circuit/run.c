/*
 * Running a program on shares: its places become pointers, its results copies, and the protocol
 * runs the steps (cm_mpc_run_steps).
 */
#include "circuit/circuit_int.h"

static void check_columns(const uint32_t *planes, size_t count, const cm_bcol *columns, size_t rows)
{
    for (size_t i = 0; i < count; i++) {
        CM_ASSERT(columns[i].planes == planes[i]);
        CM_ASSERT(columns[i].rows == rows && columns[i].words >= cm_words_of(rows));
    }
}

/* From the first word to the end of the last; planes of borrowed rows do not touch. */
static size_t words_spanned(cm_bcol x)
{
    return x.planes == 0 ? 0 : (x.planes - 1) * x.words + cm_words_of(x.rows);
}

/* Outputs are written while inputs are still read. */
static void check_apart(const cm_program *p, const cm_bcol *inputs, const cm_bcol *outputs,
                        size_t rows)
{
    for (size_t i = 0; i < p->cost.inputs; i++) {
        for (size_t k = 0; k < p->cost.outputs; k++) {
            const cm_b64 *in = inputs[i].leg[0];
            const cm_b64 *out = outputs[k].leg[0];
            size_t in_words = words_spanned(inputs[i]);
            size_t out_words = words_spanned(outputs[k]);
            CM_ASSERT(outputs[k].words == cm_words_of(rows));
            CM_ASSERT(in_words == 0 || out_words == 0 || in + in_words <= out ||
                      out + out_words <= in);
        }
    }
}

/* The planes of columns as places from *plane on; returns the next place. */
static cm_plane *point_columns(cm_plane *plane, const cm_bcol *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned p = 0; p < columns[i].planes; p++) {
            *plane++ = cm_bcol_plane(columns[i], p);
        }
    }
    return plane;
}

/* Outputs that are copies of what other places hold at the end. */
static size_t list_copies(const cm_program *p, cm_step *ret)
{
    size_t copies = 0;

    for (size_t i = 0; i < p->outputs_total; i++) {
        uint32_t to = (uint32_t)(p->inputs_total + i);
        if (!p->result[i].is_const && p->result[i].from != to) {
            ret[copies++] = (cm_step){.z = to, .x = p->result[i].from};
        }
    }
    return copies;
}

/* Constants and complements, once all has been copied. */
static void finish_outputs(const cm_program *p, cm_mpc *mpc, const cm_bcol *outputs)
{
    const cm_result *result = p->result;

    for (size_t i = 0; i < p->cost.outputs; i++) {
        for (unsigned k = 0; k < outputs[i].planes; k++, result++) {
            if (result->is_const) {
                cm_mpc_set_public(mpc, outputs[i], k, result->flip);
            } else if (result->flip) {
                cm_mpc_not(mpc, outputs[i], k);
            }
        }
    }
}

cm_status cm_program_run(const cm_program *program, cm_mpc *mpc, const cm_bcol *inputs,
                         const cm_bcol *outputs, cm_arena scratch)
{
    return cm_program_run_windows(program, mpc, inputs, outputs, 0, scratch);
}

cm_status cm_program_run_windows(const cm_program *p, cm_mpc *mpc, const cm_bcol *inputs,
                                 const cm_bcol *outputs, size_t window_bytes, cm_arena scratch)
{
    size_t rows = p->cost.outputs ? outputs[0].rows : 0;

    CM_ASSERT(cm_mpc_computes(mpc));
    check_columns(p->input_planes, p->cost.inputs, inputs, rows);
    check_columns(p->output_planes, p->cost.outputs, outputs, rows);
    if (rows == 0) {
        return CM_OK;
    }
    check_apart(p, inputs, outputs, rows);

    cm_plane *plane = CM_NEW(&scratch, cm_plane, p->inputs_total + p->outputs_total);
    cm_plane *next = point_columns(plane, inputs, p->cost.inputs);
    next = point_columns(next, outputs, p->cost.outputs);
    CM_ASSERT(next == plane + p->inputs_total + p->outputs_total);
    cm_step *copy = CM_NEW(&scratch, cm_step, p->outputs_total);
    const cm_steps steps = {.planes = p->inputs_total + p->outputs_total + p->slots,
                            .slots = p->slots,
                            .stages = p->stages,
                            .stage = p->stage,
                            .xor_step = p->xor_step,
                            .and_step = p->and_step,
                            .copies = list_copies(p, copy),
                            .copy_step = copy,
                            .window_bytes = window_bytes};
    cm_status st = cm_mpc_run_steps(mpc, &steps, plane, rows, scratch);
    if (st != CM_OK) {
        for (size_t i = 0; i < p->cost.outputs; i++) {
            cm_bcol_wipe(outputs[i]);
        }
        return st;
    }
    finish_outputs(p, mpc, outputs);
    return CM_OK;
}
