#include "circuit/check_int.h"

#include "circuit/circuit_int.h"
#include "share/column.h"

#include <stdlib.h>

unsigned cm_check_width(const cm_program *program, size_t output)
{
    CM_ASSERT(output < program->cost.outputs);
    return program->output_planes[output];
}

static uint64_t *pack(const cm_u128 *values, size_t rows, unsigned planes)
{
    uint64_t *words = cm_circuit_calloc(2 * rows, sizeof *words);
    uint64_t *packed = cm_circuit_calloc(planes * cm_words_of(rows), sizeof *packed);

    for (size_t r = 0; r < rows; r++) {
        words[2 * r] = (uint64_t)values[r];
        words[2 * r + 1] = (uint64_t)(values[r] >> 64);
    }
    cm_planes_pack(words, 2, rows, planes, packed);
    free(words);
    return packed;
}

static void unpack(const uint64_t *packed, size_t rows, unsigned planes, cm_u128 *ret)
{
    uint64_t *words = cm_circuit_calloc(2 * rows, sizeof *words);

    cm_planes_unpack(packed, rows, planes, 2, words);
    for (size_t r = 0; r < rows; r++) {
        ret[r] = (cm_u128)words[2 * r + 1] << 64 | words[2 * r];
    }
    free(words);
}

void cm_check_eval(const cm_program *program, const cm_u128 *const *in, size_t rows,
                   cm_u128 *const *out)
{
    cm_circuit_cost cost = cm_program_cost(program);
    const uint64_t **inputs = cm_circuit_calloc(cost.inputs, sizeof *inputs);
    uint64_t **packed = cm_circuit_calloc(cost.inputs, sizeof *packed);
    uint64_t **outputs = cm_circuit_calloc(cost.outputs, sizeof *outputs);

    for (size_t i = 0; i < cost.inputs; i++) {
        packed[i] = pack(in[i], rows, program->input_planes[i]);
        inputs[i] = packed[i];
    }
    for (size_t i = 0; i < cost.outputs; i++) {
        size_t words = program->output_planes[i] * cm_words_of(rows);
        outputs[i] = cm_circuit_calloc(words, sizeof **outputs);
    }
    cm_program_run_public(program, inputs, rows, outputs);
    for (size_t i = 0; i < cost.outputs; i++) {
        unpack(outputs[i], rows, program->output_planes[i], out[i]);
        free(outputs[i]);
    }
    for (size_t i = 0; i < cost.inputs; i++) {
        free(packed[i]);
    }
    free(packed);
    free(inputs);
    free(outputs);
}
