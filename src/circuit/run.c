/*
 * Running a program on shares.
 *
 * All rows go through together, as far as memory allows: windows of rows multiply rounds, so there
 * is one window unless its slots and the ANDs' messages would take more than WINDOW_BYTES.  That
 * bound is a constant, because every party must cut the same windows.
 *
 * Steps name places; per window these become pointers, and the protocol runs the steps
 * (cm_mpc_run_steps), where operands lie.
 */
#include "circuit/circuit_int.h"

enum { WINDOW_BYTES = 256 << 20, AND_OVERHEAD_PLANES = 4 };

static size_t places_of(const cm_program *p)
{
    return p->inputs_total + p->outputs_total + p->slots;
}

static void check_columns(const uint32_t *planes, size_t count, const cm_bcol *columns, size_t rows)
{
    for (size_t i = 0; i < count; i++) {
        CM_ASSERT(columns[i].planes == planes[i]);
        CM_ASSERT(columns[i].rows == rows && columns[i].words == cm_words_of(rows));
    }
}

/* Outputs are written while inputs are still read. */
static void check_apart(const cm_program *p, const cm_bcol *inputs, const cm_bcol *outputs)
{
    for (size_t i = 0; i < p->cost.inputs; i++) {
        for (size_t k = 0; k < p->cost.outputs; k++) {
            const cm_b64 *in = inputs[i].leg[0];
            const cm_b64 *out = outputs[k].leg[0];
            size_t in_words = inputs[i].planes * inputs[i].words;
            size_t out_words = outputs[k].planes * outputs[k].words;
            CM_ASSERT(in_words == 0 || out_words == 0 || in + in_words <= out ||
                      out + out_words <= in);
        }
    }
}

/* Words a window: as few windows as the bound allows, of equal length. */
static size_t window_words(const cm_program *p, unsigned legs, size_t words, size_t window_bytes)
{
    size_t per_word = sizeof(cm_b64) * (legs * p->slots + AND_OVERHEAD_PLANES * p->widest + 1);
    size_t most = window_bytes / per_word;

    most = most == 0 ? 1 : most;
    size_t windows = words / most + (words % most != 0);
    return words / windows + (words % windows != 0);
}

/* The planes of columns, from a word on, as places from *plane on; returns the next place. */
static cm_plane *point_columns(cm_plane *plane, const cm_bcol *columns, size_t count,
                               size_t first_word)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned p = 0; p < columns[i].planes; p++, plane++) {
            *plane = cm_bcol_plane(columns[i], p);
            for (unsigned k = 0; k < CM_LEGS_MAX && plane->leg[k]; k++) {
                plane->leg[k] += first_word;
            }
        }
    }
    return plane;
}

/* So many words of a plane as a column; bits past the last row do no harm. */
static cm_bcol piece_of(const cm_plane *plane, size_t words)
{
    cm_bcol piece = {.rows = 64 * words, .words = words, .planes = 1};

    for (unsigned k = 0; k < CM_LEGS_MAX && plane->leg[k]; k++) {
        piece.leg[k] = plane->leg[k];
    }
    return piece;
}

/* The steps over so many rows, and the outputs that are copies. */
static cm_status run_window(const cm_program *p, cm_mpc *mpc, const cm_plane *plane, size_t rows,
                            cm_arena scratch)
{
    const cm_steps steps = {.planes = places_of(p),
                            .stages = p->stages,
                            .stage = p->stage,
                            .xor_step = p->xor_step,
                            .and_step = p->and_step};
    size_t words = cm_words_of(rows);

    cm_status st = cm_mpc_run_steps(mpc, &steps, plane, rows, scratch);
    for (size_t i = 0; st == CM_OK && i < p->outputs_total; i++) {
        size_t to = p->inputs_total + i;
        if (!p->result[i].is_const && p->result[i].from != to) {
            cm_bcol_copy(piece_of(&plane[to], words), piece_of(&plane[p->result[i].from], words));
        }
    }
    return st;
}

/* Constants and complements, once all windows have been copied from. */
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
    return cm_program_run_windows(program, mpc, inputs, outputs, WINDOW_BYTES, scratch);
}

cm_status cm_program_run_windows(const cm_program *p, cm_mpc *mpc, const cm_bcol *inputs,
                                 const cm_bcol *outputs, size_t window_bytes, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    size_t rows = p->cost.outputs ? outputs[0].rows : 0;

    CM_ASSERT(cm_mpc_computes(mpc));
    check_columns(p->input_planes, p->cost.inputs, inputs, rows);
    check_columns(p->output_planes, p->cost.outputs, outputs, rows);
    if (rows == 0) {
        return CM_OK;
    }
    check_apart(p, inputs, outputs);

    size_t words = cm_words_of(rows);
    size_t window = window_words(p, legs, words, window_bytes);
    cm_plane *plane = CM_NEW(&scratch, cm_plane, places_of(p));
    cm_bcol slots = cm_bcol_new_raw(&scratch, legs, (unsigned)p->slots, 64 * window);
    cm_status st = CM_OK;
    for (size_t first = 0; first < words && st == CM_OK; first += window) {
        cm_plane *next = point_columns(plane, inputs, p->cost.inputs, first);
        next = point_columns(next, outputs, p->cost.outputs, first);
        next = point_columns(next, &slots, 1, 0);
        CM_ASSERT(next == plane + places_of(p));
        bool last = words - first <= window;
        st = run_window(p, mpc, plane, last ? rows - 64 * first : 64 * window, scratch);
    }
    if (st != CM_OK) {
        for (size_t i = 0; i < p->cost.outputs; i++) {
            cm_bcol_wipe(outputs[i]);
        }
        return st;
    }
    finish_outputs(p, mpc, outputs);
    return CM_OK;
}
