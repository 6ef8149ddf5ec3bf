/*
 * Adders.
 *
 * Fewest bits: ripple carry.  The next carry is the majority of the two bits and the carry, one
 * AND.
 *
 * Fewest rounds: a parallel prefix over spans (Ladner and Fischer, J. ACM 27(4), 1980).  A
 * span of bits generates a carry (g) or hands on the one that comes in (p); two neighbours join to
 *     g = g_high XOR p_high g_low,  p = p_high p_low
 * where XOR may stand for OR because p, taken as x XOR y, excludes g.  A join costs two ANDs, one
 * where the low span starts at bit 0, whose p is 0 because the carry in was already counted, and it
 * saves the g of a single high bit, because the majority of its bits and g_low does without.
 *
 * All prefixes of n bits come in the least depth, 1 + ceil(log2 n).  Where a prefix may arrive
 * later than its own least depth (all but the longest ones), neighbours are joined first and the
 * odd ones filled in afterwards, which takes fewer joins.
 */
#include "circuit/circuit_int.h"

typedef struct span {
    cm_wire g, p;
    cm_wire x, y; /* of a single bit */
    bool single;  /* g is not computed yet: x AND y */
} span;

static cm_wire span_g(cm_circuit *c, const span *s)
{
    return s->single ? cm_gate_and(c, s->x, s->y) : s->g;
}

static span join(cm_circuit *c, const span *high, const span *low)
{
    cm_wire in = span_g(c, low);
    span both = {.p = cm_gate_and(c, high->p, low->p)};

    if (high->single) {
        both.g = cm_gate_majority(c, high->x, high->y, in);
    } else {
        both.g = cm_gate_xor(c, high->g, cm_gate_and(c, high->p, in));
    }
    return both;
}

/* Bits 0 .. count - 1 as spans; the carry in belongs to bit 0. */
static void spans_of(cm_circuit *c, const cm_num *x, const cm_num *y, cm_wire carry_in,
                     unsigned count, span *ret)
{
    for (unsigned i = 0; i < count; i++) {
        ret[i] = (span){.x = x->wire[i], .y = y->wire[i], .single = true};
        ret[i].p = cm_gate_xor(c, x->wire[i], y->wire[i]);
    }
    if (count > 0) {
        ret[0].single = false;
        ret[0].g = cm_gate_majority(c, x->wire[0], y->wire[0], carry_in);
        ret[0].p = CM_WIRE_0;
    }
}

/* The largest power of two below count, which is at least 2. */
static unsigned lower_part(unsigned count)
{
    return 1U << (cm_ceil_log2(count) - 1);
}

/* All of the spans as one, in the least depth. */
static span join_all(cm_circuit *c, const span *spans, unsigned count)
{
    CM_ASSERT(count > 0);
    if (count == 1) {
        return spans[0];
    }
    unsigned lower = lower_part(count);
    span high = join_all(c, spans + lower, count - lower);
    span low = join_all(c, spans, lower);
    return join(c, &high, &low);
}

/*
 * Replaces span i by the join of spans 0 .. i.  The last one may take `last` joins, the others
 * `others`; last >= ceil(log2 count) and others >= ceil(log2(count - 1)).
 */
static void prefixes(cm_circuit *c, span *spans, unsigned count, unsigned last, unsigned others)
{
    if (count < 2) {
        return;
    }
    CM_ASSERT(last >= cm_ceil_log2(count) && others >= cm_ceil_log2(count - 1));

    /* Pairs first, if the filling in afterwards still fits.  With an odd count the last span is
     * itself filled in, and so the last pair feeds a filling in. */
    unsigned pairs = count / 2;
    unsigned pairs_last = count % 2 == 0 ? last : last < others ? last : others;
    unsigned used = count % 2 == 0 ? 1 : 2;
    if (count > 2 && others >= 2 && pairs_last >= used &&
        pairs_last - used >= cm_ceil_log2(pairs) && others - 2 >= cm_ceil_log2(pairs - 1)) {
        span pair[CM_NUM_MAX / 2];
        for (unsigned i = 0; i < pairs; i++) {
            pair[i] = join(c, &spans[2 * i + 1], &spans[2 * i]);
        }
        prefixes(c, pair, pairs, pairs_last - used, others - 2);
        for (unsigned i = 0; i < pairs; i++) {
            spans[2 * i + 1] = pair[i];
            if (2 * i + 2 < count) {
                spans[2 * i + 2] = join(c, &spans[2 * i + 2], &pair[i]);
            }
        }
        return;
    }
    unsigned lower = lower_part(count);
    unsigned joined = count - lower > 1 && others < last ? others : last;
    prefixes(c, spans, lower, joined - 1, others);
    prefixes(c, spans + lower, count - lower, last - 1, others > 0 ? others - 1 : 0);
    for (unsigned i = lower; i < count; i++) {
        spans[i] = join(c, &spans[i], &spans[lower - 1]);
    }
}

static void ripple(cm_circuit *c, const cm_num *x, const cm_num *y, cm_wire carry_in,
                   unsigned count, cm_wire *carry)
{
    for (unsigned i = 0; i < count; i++) {
        carry[i] = carry_in = cm_gate_majority(c, x->wire[i], y->wire[i], carry_in);
    }
}

/* carry[i] is the carry out of bit i, for the first count bits. */
static void carries(cm_circuit *c, const cm_num *x, const cm_num *y, cm_wire carry_in,
                    unsigned count, cm_wire *carry)
{
    unsigned depth = cm_ceil_log2(count);
    cm_guess prefix = {.ands = 3 * count * depth / 4 + 1, .levels = depth + 1};
    if (cm_circuit_ripples(c, count, prefix)) {
        ripple(c, x, y, carry_in, count, carry);
        return;
    }
    span spans[CM_NUM_MAX];
    spans_of(c, x, y, carry_in, count, spans);
    prefixes(c, spans, count, depth, depth);
    for (unsigned i = 0; i < count; i++) {
        carry[i] = span_g(c, &spans[i]);
    }
}

cm_wire cm_num_carry(cm_circuit *c, const cm_num *x, const cm_num *y, cm_wire carry_in)
{
    CM_ASSERT(x->bits == y->bits);
    if (x->bits == 0) {
        return carry_in;
    }
    cm_guess tree = {.ands = 5 * x->bits / 2, .levels = 1 + cm_ceil_log2(x->bits)};
    if (cm_circuit_ripples(c, x->bits, tree)) {
        cm_wire carry[CM_NUM_MAX];
        ripple(c, x, y, carry_in, x->bits, carry);
        return carry[x->bits - 1];
    }
    span spans[CM_NUM_MAX];
    spans_of(c, x, y, carry_in, x->bits, spans);
    return join_all(c, spans, x->bits).g;
}

cm_num cm_num_add_carry(cm_circuit *c, cm_num x, cm_num y, cm_wire carry_in, unsigned bits,
                        cm_wire *ret_carry)
{
    cm_wire carry[CM_NUM_MAX];
    unsigned count = bits == 0 ? 0 : ret_carry ? bits : bits - 1;

    x = cm_num_zero_extend(x, bits);
    y = cm_num_zero_extend(y, bits);
    carries(c, &x, &y, carry_in, count, carry);
    for (unsigned i = 0; i < bits; i++) {
        cm_wire in = i == 0 ? carry_in : carry[i - 1];
        x.wire[i] = cm_gate_xor(c, cm_gate_xor(c, x.wire[i], y.wire[i]), in);
    }
    if (ret_carry) {
        *ret_carry = bits == 0 ? carry_in : carry[bits - 1];
    }
    return x;
}

cm_num cm_num_add(cm_circuit *c, cm_num x, cm_num y, unsigned bits)
{
    return cm_num_add_carry(c, x, y, CM_WIRE_0, bits, NULL);
}

cm_num cm_num_sub(cm_circuit *c, cm_num x, cm_num y, unsigned bits)
{
    cm_num complement = cm_num_not(c, cm_num_zero_extend(y, bits));

    return cm_num_add_carry(c, x, complement, CM_WIRE_1, bits, NULL);
}

cm_num cm_num_neg(cm_circuit *c, cm_num x, unsigned bits)
{
    return cm_num_sub(c, cm_num_const(0, bits), x, bits);
}

cm_num cm_num_add_const(cm_circuit *c, cm_num x, cm_i128 value, unsigned bits)
{
    return cm_num_add(c, x, cm_num_const(value, bits), bits);
}
