/* Running a program on public values: one piece of rows after the other, all stages of it. */
#include "circuit/circuit_int.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_WORDS = 64 };

/* Where the planes of columns start, from a word on; returns the next place. */
static uint64_t **point_columns(uint64_t **place, const uint32_t *planes, size_t count,
                                uint64_t *const *columns, size_t words, size_t first)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t p = 0; p < planes[i]; p++) {
            *place++ = columns[i] + p * words + first;
        }
    }
    return place;
}

static void run_piece(const cm_program *p, uint64_t *const *place, size_t words)
{
    const cm_step *xor_step = p->xor_step;
    const cm_step *and_step = p->and_step;

    for (size_t i = 0; i < p->stages; i++) {
        for (size_t k = 0; k < p->stage[i].xors; k++, xor_step++) {
            for (size_t w = 0; w < words; w++) {
                place[xor_step->z][w] = place[xor_step->x][w] ^ place[xor_step->y][w];
            }
        }
        for (size_t k = 0; k < p->stage[i].ands; k++, and_step++) {
            for (size_t w = 0; w < words; w++) {
                place[and_step->z][w] = place[and_step->x][w] & place[and_step->y][w];
            }
        }
    }
}

/* Copies and complements outputs; `keep` is ANDed to the last word, so that bits past the last row
 * are 0. */
static void finish_piece(const cm_program *p, uint64_t *const *place, size_t words, uint64_t keep)
{
    for (size_t i = 0; i < p->outputs_total; i++) {
        uint64_t *to = place[p->inputs_total + i];
        if (!p->result[i].is_const) {
            memmove(to, place[p->result[i].from], words * sizeof *to);
        }
    }
    for (size_t i = 0; i < p->outputs_total; i++) {
        uint64_t *to = place[p->inputs_total + i];
        for (size_t w = 0; w < words; w++) {
            to[w] = (p->result[i].is_const ? 0 : to[w]) ^ (p->result[i].flip ? UINT64_MAX : 0);
        }
        to[words - 1] &= keep;
    }
}

void cm_program_run_public(const cm_program *program, const uint64_t *const *inputs, size_t rows,
                           uint64_t *const *outputs)
{
    const cm_program *p = program;
    size_t words = cm_words_of(rows);
    uint64_t *memory = cm_circuit_calloc(p->slots * PIECE_WORDS, sizeof *memory);
    uint64_t **place =
        cm_circuit_calloc(p->inputs_total + p->outputs_total + p->slots, sizeof *place);
    /* Steps never write to inputs, though places do not say so. */
    uint64_t **in = cm_circuit_calloc(p->cost.inputs, sizeof *in);
    if (p->cost.inputs > 0) {
        memcpy(in, inputs, p->cost.inputs * sizeof *in);
    }

    for (size_t first = 0; first < words; first += PIECE_WORDS) {
        size_t piece = words - first < PIECE_WORDS ? words - first : PIECE_WORDS;
        uint64_t **next = point_columns(place, p->input_planes, p->cost.inputs, in, words, first);
        next = point_columns(next, p->output_planes, p->cost.outputs, outputs, words, first);
        for (size_t i = 0; i < p->slots; i++) {
            *next++ = memory + i * PIECE_WORDS;
        }
        run_piece(p, place, piece);
        bool last = first + piece == words && rows % 64 != 0;
        finish_piece(p, place, piece, last ? (UINT64_C(1) << rows % 64) - 1 : UINT64_MAX);
    }
    free(memory);
    free(place);
    free(in);
}
