/* circuit/check_int.h - what the tests of circuits share: programs over plain numbers. */
#ifndef CM_CIRCUIT_CHECK_INT_H
#define CM_CIRCUIT_CHECK_INT_H

#include "circuit/circuit.h"

/* x without its bits above `bits`, which may be 128 or more. */
static inline cm_u128 cm_check_cut(cm_u128 x, unsigned bits)
{
    return bits >= 128 ? x : x & (((cm_u128)1 << bits) - 1);
}

/* Planes of an output. */
unsigned cm_check_width(const cm_program *program, size_t output);

/*
 * Runs a program on columns of numbers (at most 128 planes each): in[i][r] is row r of input i, and
 * out likewise.
 */
void cm_check_eval(const cm_program *program, const cm_u128 *const *in, size_t rows,
                   cm_u128 *const *out);

#endif
