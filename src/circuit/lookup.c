/*
 * A public table, looked up at a secret index.
 *
 * Every output bit is a polynomial over GF(2) in the index bits; the Moebius transform of the table
 * gives its coefficients.  Index bits are cut in two: all products of the a low bits and all
 * products of the b high bits cost an AND each, and an output bit is
 *     sum over the products H of high bits:  H AND (sum of some products of low bits),
 * 2^b - 1 ANDs more.  The sums are free; they are formed block by block, and blocks that occur
 * again are shared.
 */
#include "circuit/circuit_int.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 5 };

static size_t ands_of(unsigned low, unsigned high, unsigned bits)
{
    return ((size_t)1 << low) + ((size_t)1 << high) + bits * (((size_t)1 << high) - 1);
}

static unsigned levels_of(unsigned low, unsigned high)
{
    unsigned longer = low > high ? low : high;

    return cm_ceil_log2(longer) + (high > 0);
}

/* How many index bits are high ones: fewest ANDs in the fewest levels. */
static unsigned choose_high(unsigned index_bits, unsigned bits)
{
    unsigned best = 0;

    for (unsigned high = 1; high <= index_bits / 2; high++) {
        if (levels_of(index_bits - high, high) <= levels_of(index_bits, 0) &&
            ands_of(index_bits - high, high, bits) < ands_of(index_bits - best, best, bits)) {
            best = high;
        }
    }
    return best;
}

/* ret[m] is the product of the wires whose bits are set in m, in the fewest levels. */
static void products(cm_circuit *c, const cm_wire *wires, unsigned count, cm_wire *ret)
{
    if (count <= 1) {
        ret[0] = CM_WIRE_1;
        if (count == 1) {
            ret[1] = wires[0];
        }
        return;
    }
    unsigned low = count - count / 2;
    size_t lows = (size_t)1 << low, highs = (size_t)1 << (count / 2);
    cm_wire *upper = cm_circuit_calloc(highs, sizeof *upper);
    products(c, wires, low, ret);
    products(c, wires + low, count / 2, upper);
    for (size_t h = highs; h-- > 0;) {
        for (size_t l = lows; l-- > 0;) {
            ret[h * lows + l] = cm_gate_and(c, upper[h], ret[l]);
        }
    }
    free(upper);
}

/* The sum of the terms whose polynomial has the bit. */
static cm_wire sum_terms(cm_circuit *c, const cm_wire *term, const uint32_t *polynomial,
                         size_t count, unsigned bit)
{
    cm_wire sum = CM_WIRE_0;

    for (size_t first = 0; first < count; first += BLOCK) {
        cm_wire block = CM_WIRE_0;
        for (size_t i = first; i < count && i < first + BLOCK; i++) {
            if ((polynomial[i] >> bit & 1) != 0) {
                block = cm_gate_xor(c, block, term[i]);
            }
        }
        sum = cm_gate_xor(c, sum, block);
    }
    return sum;
}

cm_num cm_num_lookup(cm_circuit *c, const cm_num *index, const uint32_t *table, unsigned bits)
{
    CM_ASSERT(index->bits <= 16 && bits <= 32);

    size_t entries = (size_t)1 << index->bits;
    unsigned high = choose_high(index->bits, bits), low = index->bits - high;
    size_t lows = (size_t)1 << low, highs = (size_t)1 << high;
    uint32_t *polynomial = cm_circuit_calloc(entries, sizeof *polynomial);
    cm_wire *lower = cm_circuit_calloc(lows, sizeof *lower);
    cm_wire *upper = cm_circuit_calloc(highs, sizeof *upper);

    memcpy(polynomial, table, entries * sizeof *table);
    for (size_t step = 1; step < entries; step *= 2) {
        for (size_t i = 0; i < entries; i++) {
            polynomial[i] ^= (i & step) != 0 ? polynomial[i ^ step] : 0;
        }
    }
    products(c, index->wire, low, lower);
    products(c, index->wire + low, high, upper);
    cm_num ret = cm_num_const(0, bits);
    for (unsigned bit = 0; bit < bits; bit++) {
        for (size_t h = 0; h < highs; h++) {
            cm_wire sum = sum_terms(c, lower, polynomial + h * lows, lows, bit);
            ret.wire[bit] = cm_gate_xor(c, ret.wire[bit], cm_gate_and(c, upper[h], sum));
        }
    }
    free(polynomial);
    free(lower);
    free(upper);
    return ret;
}
