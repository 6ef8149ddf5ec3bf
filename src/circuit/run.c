/*
 * Running a program on shares.
 *
 * All rows go through a stage at once, as far as memory allows: windows of rows multiply rounds, so
 * there is one window unless its slots and the ANDs' messages would take more than WINDOW_BYTES.
 * That bound is a constant, because every party must cut the same windows.
 *
 * Steps name places; per window these become pointers.  The XORs of a stage run piece by piece of
 * the window, so that values made and used in one stage stay in the cache.  ANDs go to the protocol
 * as pointers to where their operands lie, one call a stage.
 */
#include "circuit/circuit_int.h"

enum { WINDOW_BYTES = 256 << 20, PIECE_BYTES = 512 << 10, AND_OVERHEAD_PLANES = 4 };

typedef struct runner {
    const cm_program *program;
    cm_mpc *mpc;
    cm_plane *plane;     /* per place, in the present window */
    cm_plane *x, *y, *z; /* operands of a stage's ANDs */
    size_t rows, words;  /* of the present window */
    size_t piece_words;  /* at most so many at a time in the XORs of a stage */
} runner;

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

/* Words first .. first + words - 1 of a plane as a column; bits past the last row do no harm. */
static cm_bcol piece_of(const cm_plane *plane, size_t first, size_t words)
{
    cm_bcol piece = {.rows = 64 * words, .words = words, .planes = 1};

    for (unsigned k = 0; k < CM_LEGS_MAX && plane->leg[k]; k++) {
        piece.leg[k] = plane->leg[k] + first;
    }
    return piece;
}

static void run_xors(const runner *r, const cm_step *steps, size_t count)
{
    for (size_t first = 0; first < r->words; first += r->piece_words) {
        size_t left = r->words - first;
        size_t words = left < r->piece_words ? left : r->piece_words;
        for (size_t i = 0; i < count; i++) {
            cm_bcol_xor(piece_of(&r->plane[steps[i].x], first, words),
                        piece_of(&r->plane[steps[i].y], first, words),
                        piece_of(&r->plane[steps[i].z], first, words));
        }
    }
}

static cm_status run_ands(const runner *r, const cm_step *steps, size_t count, cm_arena scratch)
{
    for (size_t i = 0; i < count; i++) {
        r->x[i] = r->plane[steps[i].x];
        r->y[i] = r->plane[steps[i].y];
        r->z[i] = r->plane[steps[i].z];
    }
    return cm_mpc_and_rows(r->mpc, r->x, r->y, r->z, count, r->rows, scratch);
}

static cm_status run_window(const runner *r, cm_arena scratch)
{
    const cm_program *p = r->program;
    const cm_step *xor_step = p->xor_step;
    const cm_step *and_step = p->and_step;

    for (size_t i = 0; i < p->stages; i++) {
        run_xors(r, xor_step, p->stage[i].xors);
        xor_step += p->stage[i].xors;
        if (p->stage[i].ands > 0) {
            cm_status st = run_ands(r, and_step, p->stage[i].ands, scratch);
            if (st != CM_OK) {
                return st;
            }
            and_step += p->stage[i].ands;
        }
    }
    for (size_t i = 0; i < p->outputs_total; i++) {
        size_t to = p->inputs_total + i;
        if (!p->result[i].is_const && p->result[i].from != to) {
            cm_bcol_copy(piece_of(&r->plane[to], 0, r->words),
                         piece_of(&r->plane[p->result[i].from], 0, r->words));
        }
    }
    return CM_OK;
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
    size_t piece = PIECE_BYTES / (sizeof(cm_b64) * legs * (p->slots + 1));
    runner r = {
        .program = p,
        .mpc = mpc,
        .plane = CM_NEW(&scratch, cm_plane, places_of(p)),
        .x = CM_NEW(&scratch, cm_plane, p->widest),
        .y = CM_NEW(&scratch, cm_plane, p->widest),
        .z = CM_NEW(&scratch, cm_plane, p->widest),
        .piece_words = piece < 64 ? 64 : piece,
    };
    cm_bcol slots = cm_bcol_new(&scratch, legs, (unsigned)p->slots, 64 * window);
    cm_status st = CM_OK;
    for (size_t first = 0; first < words && st == CM_OK; first += window) {
        r.words = words - first < window ? words - first : window;
        r.rows = words - first > window ? 64 * window : rows - 64 * first;
        cm_plane *next = point_columns(r.plane, inputs, p->cost.inputs, first);
        next = point_columns(next, outputs, p->cost.outputs, first);
        next = point_columns(next, &slots, 1, 0);
        CM_ASSERT(next == r.plane + places_of(p));
        st = run_window(&r, scratch);
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
