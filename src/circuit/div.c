/*
 * Exact unsigned division, in three ways, of which the cheapest is taken; the third one, for long
 * operands in few rounds, is div_scaled.c.  n bits by w bits; R is the partial remainder.
 *
 * Few rounds, short operands: restoring, four quotient bits a step.  With R < y, the next four bits
 * of x make R' = 16 R + bits < 16 y, and the digit is the number of j in 1 .. 15 with j y <= R'.
 * All fifteen R' - j y are computed side by side; where j y <= R' holds (g_j) it holds for smaller
 * j, so the bits of the digit are XORs of some g_j, and the new remainder is R' XOR  sum over j of
 * g_j (t_j XOR t_{j-1}),   t_j = R' - j y,  t_0 = R', one level of ANDs.  A step has the levels of
 * one fast subtraction plus one, a quarter of the levels of the schoolbook method for four times
 * its ANDs.
 *
 * Few bits: schoolbook steps as long as R is short, then non-restoring ones: R' = 2R + bit
 * - y or + y, as the sign of R says; adding the complement of y is free, so a step is one ripple
 * adder and no selection.  -y <= R' < y always, so w + 1 bits hold it with its sign.
 *
 * While k < w bits of x have been taken in, R' < 2^k, so a subtraction needs k bits of j y and one
 * bit that says whether a higher one is set.
 *
 * Divisor 0: a restoring step then finds g_j = 1 for all j and leaves the bits of x alone: quotient
 * all ones, remainder x cut to w bits, as promised.  Non-restoring steps are corrected for it.
 */
#include "circuit/circuit_int.h"

enum { DIGIT_BITS_MAX = 4, MULTIPLES_MAX = (1 << DIGIT_BITS_MAX) - 1 };

/* A multiple of the divisor: its complement, and for each k whether a bit k or higher is set. */
typedef struct multiple {
    cm_num complement;
    cm_wire above[CM_NUM_MAX + 1];
} multiple;

static multiple multiple_of(cm_circuit *c, const cm_num *y, unsigned factor, unsigned bits)
{
    cm_num product = cm_num_mul_const(c, *y, (cm_i128)factor, bits);
    multiple ret = {.complement = cm_num_not(c, product)};

    unsigned log = cm_ceil_log2(bits);
    if (cm_circuit_ripples(c, bits, (cm_guess){.ands = bits * log, .levels = log})) {
        ret.above[bits] = CM_WIRE_0;
        for (unsigned k = bits; k-- > 0;) {
            ret.above[k] = cm_gate_or(c, product.wire[k], ret.above[k + 1]);
        }
        return ret;
    }
    /* Doubling the reach log2 times: cheap, because few of the k are used. */
    for (unsigned k = 0; k <= bits; k++) {
        ret.above[k] = k < bits ? product.wire[k] : CM_WIRE_0;
    }
    for (unsigned reach = 1; reach < bits; reach *= 2) {
        for (unsigned k = 0; k + reach < bits; k++) {
            ret.above[k] = cm_gate_or(c, ret.above[k], ret.above[k + reach]);
        }
    }
    return ret;
}

/*
 * The remainder *r minus a multiple; returns whether the difference is not negative.  The bits of
 * the multiple above those of r count as one bit.
 */
static cm_wire subtract(cm_circuit *c, const cm_num *r, const multiple *m, cm_num *ret_difference)
{
    cm_num complement = cm_num_zero_extend(m->complement, r->bits + 1);
    cm_wire no_borrow = CM_WIRE_0;

    complement.wire[r->bits] = cm_gate_not(c, m->above[r->bits]);
    *ret_difference = cm_num_add_carry(c, *r, complement, CM_WIRE_1, r->bits + 1, &no_borrow);
    ret_difference->bits = r->bits;
    return no_borrow;
}

/*
 * One restoring step: takes the next `digit_bits` bits of x, which stand from bit `at`, into *r and
 * writes the digit there in *quotient.
 */
static void restoring_step(cm_circuit *c, const cm_num *x, unsigned at, unsigned digit_bits,
                           const multiple *multiples, unsigned divisor_bits, cm_num *r,
                           cm_num *quotient)
{
    cm_num bits = {.bits = digit_bits};
    for (unsigned i = 0; i < digit_bits; i++) {
        bits.wire[i] = x->wire[at + i];
    }
    cm_num before = cm_num_concat(bits, *r);
    cm_num last = before;

    *r = before;
    for (unsigned j = 1; j < 1U << digit_bits; j++) {
        cm_num difference;
        cm_wire fits = subtract(c, &before, &multiples[j - 1], &difference);
        cm_num change = cm_num_xor(c, difference, last);
        /* What stays is less than the divisor: the high bits are 0 and not computed. */
        r->bits = before.bits < divisor_bits ? before.bits : divisor_bits;
        *r = cm_num_xor(c, *r, cm_num_mask(c, cm_num_zero_extend(change, r->bits), fits));
        for (unsigned i = 0; i < digit_bits; i++) {
            if (j % (1U << i) == 0) { /* bit i of the digit is the parity of digit / 2^i */
                quotient->wire[at + i] = cm_gate_xor(c, quotient->wire[at + i], fits);
            }
        }
        last = difference;
    }
}

static void divide_few_rounds(cm_circuit *c, const cm_num *x, const cm_num *y, cm_num *quotient,
                              cm_num *remainder)
{
    multiple multiples[MULTIPLES_MAX];
    cm_num r = cm_num_const(0, 0);

    for (unsigned j = 1; j <= MULTIPLES_MAX; j++) {
        multiples[j - 1] = multiple_of(c, y, j, y->bits + DIGIT_BITS_MAX);
    }
    unsigned left = x->bits;
    while (left > 0) {
        unsigned digit_bits = left % DIGIT_BITS_MAX ? left % DIGIT_BITS_MAX : DIGIT_BITS_MAX;
        left -= digit_bits;
        restoring_step(c, x, left, digit_bits, multiples, y->bits, &r, quotient);
    }
    *remainder = cm_num_zero_extend(r, y->bits);
}

/*
 * From bit left - 1 of x downwards; r has y.bits + 1 bits and is a number in two's complement
 * between -y and y - 1.
 */
static void divide_non_restoring(cm_circuit *c, const cm_num *x, unsigned left, const cm_num *y,
                                 cm_num r, cm_num *quotient, cm_num *remainder)
{
    unsigned bits = y->bits + 1;
    cm_wire is_zero = cm_num_is_zero(c, *y);
    cm_wire negative = r.wire[y->bits];

    while (left-- > 0) {
        cm_num doubled = cm_num_concat(cm_num_of_wire(x->wire[left]), r);
        cm_num term = cm_num_zero_extend(*y, bits);
        cm_wire minus = cm_gate_not(c, negative);
        for (unsigned i = 0; i < bits; i++) {
            term.wire[i] = cm_gate_xor(c, term.wire[i], minus);
        }
        /* 2R + bit may need a bit more, but the sum lies between -y and y - 1 again. */
        r = cm_num_add_carry(c, doubled, term, minus, bits, NULL);
        negative = r.wire[y->bits];
        /* y = 0: R is x itself and may look negative; the quotient is all ones by agreement. */
        quotient->wire[left] = cm_gate_or(c, cm_gate_not(c, negative), is_zero);
    }
    /* y = 0 adds nothing here, and every step kept the low bits of x. */
    cm_num back = cm_num_mask(c, *y, negative);
    *remainder = cm_num_add(c, r, back, y->bits);
}

static void divide_few_bits(cm_circuit *c, const cm_num *x, const cm_num *y, cm_num *quotient,
                            cm_num *remainder)
{
    multiple one = multiple_of(c, y, 1, y->bits + 1);
    cm_num r = cm_num_const(0, 0);
    unsigned left = x->bits;

    /* A schoolbook step on k bits costs 2k + 1 ANDs, a non-restoring one y.bits. */
    while (left > 0 && 2 * (r.bits + 1) <= y->bits) {
        left--;
        restoring_step(c, x, left, 1, &one, y->bits, &r, quotient);
    }
    if (left == 0) {
        *remainder = cm_num_zero_extend(r, y->bits);
        return;
    }
    divide_non_restoring(c, x, left, y, cm_num_zero_extend(r, y->bits + 1), quotient, remainder);
}

/* Mean length of R, which grows until it has the divisor's. */
static unsigned mean_length(unsigned x_bits, unsigned y_bits)
{
    return y_bits < x_bits ? y_bits - y_bits * y_bits / (2 * x_bits) : x_bits / 2;
}

static cm_guess guess_few_bits(unsigned x_bits, unsigned y_bits)
{
    unsigned ands = x_bits * (mean_length(x_bits, y_bits) + y_bits / 4 + 3);

    return (cm_guess){.ands = ands, .levels = ands};
}

static cm_guess guess_digits_of_four(unsigned x_bits, unsigned y_bits)
{
    unsigned steps = (x_bits + DIGIT_BITS_MAX - 1) / DIGIT_BITS_MAX;
    unsigned length = x_bits < y_bits ? x_bits : y_bits;

    return (cm_guess){.ands = steps * 65 * (mean_length(x_bits, y_bits) + 3),
                      .levels = steps * (2 + cm_ceil_log2(length + 4))};
}

void cm_num_divmod(cm_circuit *c, cm_num x, cm_num y, cm_num *ret_quotient, cm_num *ret_remainder)
{
    CM_ASSERT(y.bits + DIGIT_BITS_MAX < CM_NUM_MAX);

    cm_num quotient = cm_num_const(0, x.bits);
    cm_num remainder = cm_num_const(0, y.bits);
    cm_guess fewest_bits = guess_few_bits(x.bits, y.bits);
    cm_guess digits_of_four = guess_digits_of_four(x.bits, y.bits);
    cm_guess scaled =
        cm_div_can_scale(x.bits, y.bits) ? cm_div_guess_scaled(x.bits, y.bits) : digits_of_four;
    if (cm_circuit_prefers(c, fewest_bits, digits_of_four) &&
        cm_circuit_prefers(c, fewest_bits, scaled)) {
        divide_few_bits(c, &x, &y, &quotient, &remainder);
    } else if (cm_circuit_prefers(c, digits_of_four, scaled)) {
        divide_few_rounds(c, &x, &y, &quotient, &remainder);
    } else {
        cm_div_scaled(c, &x, &y, &quotient, &remainder);
    }
    *ret_quotient = quotient;
    *ret_remainder = remainder;
}
