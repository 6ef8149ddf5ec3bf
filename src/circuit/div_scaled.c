/*
 * Exact unsigned division in few rounds and few ANDs: eleven quotient bits a step.  x of n bits by
 * y of w bits.
 *
 * Scaling (after Ercegovac, Lang and Montuschi, IEEE Trans. Computers 43(8), 1994).  Let the top
 * one of y stand at bit k, and Y = y 2^(w-1-k).  A table over the bits below Y's top bit gives an
 * odd N of 14 bits with
 *     Y N = 2^f + E,   f = w + 13,   |E| < 3/8 2^-11 2^f,
 * and Q = floor(x 2^(w-1) / Y) = floor(x N 2^(w-1) / (2^f + E)) is the quotient with k bits more
 * than wanted: floor(x / y) = Q >> k.
 *
 * Digits.  R starts as x N 2^(w-1).  Its top bits alone tell the next digit, because the divisor is
 * nearly a power of two: with q the floor of R / 2^(f+p), taken from a few bits more than q has,
 *     R := R - (q + 1/2) 2^p (2^f + E).
 * R stays in two rows that add up to it; only q's bits are added up.  The half makes the digits odd
 * multiples, signed sums of all powers of two below, so the product with E takes no ANDs for its
 * rows (mul.c), and the digits round to the nearest by themselves.  Digits overlap: an estimate's
 * error is the next digit's business.
 *
 * Bounds, in units of 2^(f+p) after the digit at p.  What the two rows hide below the guard bits is
 * less than 2/16, so R - (q + 1/2) lies in [-1/2, 9/16), and with |R| < B before, in units of then,
 *     |R| < 9/16 + (2^11 B + 1) |E| / 2^f < 9/16 + 3/8 B + 0.0002.
 * At first 0 <= R < 2^n, so B = 1 or less; hence |R| < 0.94 after every digit: 2^11 R fits 12 bits
 * with its sign, and so does the next digit.  (The first one may be -1: where R is 0, and its rows
 * hide it.)  The last digit, at p = 0, is q itself; R gets 1/2 in advance and loses it
 * afterwards.  So its R is in [-1/2, 9/16), less at most 0.94 * 3/8 + 0.0002 either way: between
 * -0.86 and 0.92, and the divisor is above 0.9998.  Q is the sum of all digits, less 1 if R is
 * negative.
 *
 * Numbers below are doubled, for the halves: R is in units of 2^-(f+1).
 */
#include "circuit/circuit_int.h"

enum {
    DIGIT_BITS = 11,
    GUARD_BITS = 4,
    INDEX_BITS = 12,                 /* of Y, below its top bit */
    TABLE_BITS = 12,                 /* of N: between a leading one and a last one */
    FACTOR_BITS = TABLE_BITS + 2,    /* of N */
    FRACTION_BITS = FACTOR_BITS - 1, /* f - w */
    DIGITS_MAX = CM_NUM_MAX / DIGIT_BITS + 1,
};

/* The divisor scaled to 2^fraction + error. */
typedef struct scaled {
    unsigned fraction;
    cm_num error;  /* signed */
    cm_num factor; /* N between its first and its last bit */
    cm_num top;    /* bit k: the top one of the divisor is there */
} scaled;

/* ---- scaling the divisor ------------------------------------------------------------------ */

/* Bit i becomes the OR of bits i and above, in the fewest levels. */
static void or_above(cm_circuit *c, cm_wire *wires, unsigned count)
{
    if (count < 2) {
        return;
    }
    unsigned low = count / 2;
    or_above(c, wires, low);
    or_above(c, wires + low, count - low);
    for (unsigned i = 0; i < low; i++) {
        wires[i] = cm_gate_or(c, wires[i], wires[low]);
    }
}

/* One-hot: the place of the top one; all 0 for 0. */
static cm_num top_one(cm_circuit *c, const cm_num *y)
{
    cm_num at = *y;

    or_above(c, at.wire, at.bits);
    for (unsigned i = 0; i + 1 < at.bits; i++) {
        at.wire[i] = cm_gate_xor(c, at.wire[i], at.wire[i + 1]);
    }
    return at;
}

static cm_wire bit_or_zero(const cm_num *x, unsigned bit)
{
    return bit < x->bits ? x->wire[bit] : CM_WIRE_0;
}

/*
 * x >> amount, for a one-hot amount; 0 where no bit of it is set.  Two levels: by the high part of
 * the amount and by the low one; which of their values holds is a sum of some of its bits.
 */
static cm_num shift_right(cm_circuit *c, const cm_num *x, const cm_num *amount)
{
    unsigned low_bits = (cm_ceil_log2(amount->bits) + 1) / 2, low = 1U << low_bits;
    cm_num by_high = cm_num_const(0, x->bits);

    for (unsigned base = 0; base < amount->bits; base += low) {
        cm_wire here = CM_WIRE_0;
        for (unsigned k = base; k < base + low; k++) {
            here = cm_gate_xor(c, here, bit_or_zero(amount, k));
        }
        for (unsigned i = 0; i + base < x->bits; i++) {
            cm_wire moved = cm_gate_and(c, here, x->wire[i + base]);
            by_high.wire[i] = cm_gate_xor(c, by_high.wire[i], moved);
        }
    }
    cm_num ret = by_high;
    for (unsigned by = 1; by < low; by++) {
        cm_wire here = CM_WIRE_0;
        for (unsigned k = by; k < amount->bits; k += low) {
            here = cm_gate_xor(c, here, amount->wire[k]);
        }
        for (unsigned i = 0; i < x->bits; i++) {
            cm_wire change = cm_gate_xor(c, by_high.wire[i], bit_or_zero(&by_high, i + by));
            ret.wire[i] = cm_gate_xor(c, ret.wire[i], cm_gate_and(c, here, change));
        }
    }
    return ret;
}

static cm_num reversed(const cm_num *x)
{
    cm_num ret = *x;

    for (unsigned i = 0; i < x->bits; i++) {
        ret.wire[i] = x->wire[x->bits - 1 - i];
    }
    return ret;
}

uint32_t cm_div_factor(unsigned index_bits, uint32_t index, bool whole)
{
    /* The odd number next to 2^14 / D, D = (2^b + index) / 2^b or in the middle above it; D = 1
     * gets less than 2^14. */
    uint32_t divisor = 2 * ((1U << index_bits) + index) + (whole ? 0 : 1);
    uint32_t half = (1U << (FACTOR_BITS - 1) << (index_bits + 1)) / divisor;
    uint32_t most = (1U << (FACTOR_BITS - 1)) - 1;

    return 2 * (half < most ? half : most) + 1;
}

/* (N - 1) / 2 without its leading one, for Y's bits below the top one cut to index_bits. */
static cm_num look_up_factor(cm_circuit *c, const cm_num *normal)
{
    unsigned below = normal->bits - 1;
    unsigned index_bits = below < INDEX_BITS ? below : INDEX_BITS;
    bool whole = index_bits == below; /* otherwise the middle of what the index leaves open */
    uint32_t table[1 << INDEX_BITS];

    for (uint32_t i = 0; i < 1U << index_bits; i++) {
        table[i] = (cm_div_factor(index_bits, i, whole) - 1) / 2 - (1U << TABLE_BITS);
    }
    cm_num index = {.bits = index_bits};
    for (unsigned i = 0; i < index_bits; i++) {
        index.wire[i] = normal->wire[below - index_bits + i];
    }
    return cm_num_lookup(c, &index, table, TABLE_BITS);
}

/* Adds x N 2^weight: N is 2^13 + 2^12 and +-1, +-2, .. +-2^11 as the bits of the factor say. */
static void push_scaled(cm_circuit *c, cm_columns *columns, unsigned weight, const cm_num *x,
                        const cm_num *factor)
{
    for (unsigned i = 0; i < TABLE_BITS; i++) {
        cm_columns_push_plus_minus(c, columns, weight + i, x, false, factor->wire[i]);
    }
    cm_columns_push_num(c, columns, weight + TABLE_BITS, x, false);
    cm_columns_push_num(c, columns, weight + TABLE_BITS + 1, x, false);
}

static void scale_divisor(cm_circuit *c, const cm_num *y, unsigned bits, scaled *ret)
{
    ret->top = top_one(c, y);
    ret->top.bits = bits;
    cm_num low = cm_num_zero_extend(*y, bits);
    cm_num amount = reversed(&ret->top), mirror = reversed(&low);
    cm_num normal = shift_right(c, &mirror, &amount);
    normal = reversed(&normal);
    ret->factor = look_up_factor(c, &normal);
    ret->fraction = bits + FRACTION_BITS;
    /* Less than half of 2^(fraction - DIGIT_BITS), and a sign. 2^fraction itself is above. */
    cm_columns columns = {.bits = ret->fraction - DIGIT_BITS};
    push_scaled(c, &columns, 0, &normal, &ret->factor);
    ret->error = cm_columns_sum_tree(c, &columns);
}

/* ---- digits ------------------------------------------------------------------------------- */

typedef struct digit {
    cm_num value; /* signed */
    unsigned at;
} digit;

static cm_num bits_from(const cm_num *x, unsigned first, unsigned bits)
{
    cm_num ret = {.bits = bits};

    for (unsigned i = 0; i < bits; i++) {
        ret.wire[i] = bit_or_zero(x, first + i);
    }
    return ret;
}

/* Adds -(2q + 1) E 2^p, and E where the digit is the last one, so that it counts as 2q. */
static void push_multiple_of_error(cm_circuit *c, cm_columns *columns, const digit *q,
                                   const cm_num *error)
{
    for (unsigned i = 0; i < q->value.bits; i++) {
        bool is_sign = i + 1 == q->value.bits;
        cm_wire plus = is_sign ? q->value.wire[i] : cm_gate_not(c, q->value.wire[i]);
        cm_columns_push_plus_minus(c, columns, q->at + i, error, true, plus);
    }
    if (q->at == 0) {
        cm_columns_push_num(c, columns, 0, error, true);
    }
}

/* Takes the digit at *ret's place out of the remainder, the sum of two rows. */
static void take_digit(cm_circuit *c, const scaled *s, unsigned next_at, cm_num rows[2], digit *ret)
{
    unsigned one = s->fraction + 1 + ret->at, guard = one - GUARD_BITS;
    unsigned top_bits = rows[0].bits - guard;
    cm_num high = cm_num_add(c, bits_from(&rows[0], guard, top_bits),
                             bits_from(&rows[1], guard, top_bits), top_bits);

    ret->value = bits_from(&high, GUARD_BITS, top_bits - GUARD_BITS);
    cm_columns columns = {.bits = one + 1};
    for (unsigned k = 0; k < 2; k++) {
        cm_num low = bits_from(&rows[k], 0, guard);
        cm_columns_push_num(c, &columns, 0, &low, false);
    }
    high.bits = GUARD_BITS;
    cm_columns_push_num(c, &columns, guard, &high, false);
    cm_columns_add_constant(&columns, one - 1, -1); /* the half; the last digit's, what it got */
    if (ret->at != 0 && next_at == 0) {
        cm_columns_add_constant(&columns, s->fraction, 1);
    }
    push_multiple_of_error(c, &columns, ret, &s->error);
    cm_columns_reduce(c, &columns, rows);
}

/* The sum of the digits, and `less` less. */
static cm_num sum_digits(cm_circuit *c, const digit *digits, unsigned count, unsigned bits,
                         bool less)
{
    cm_columns columns = {.bits = bits};

    for (unsigned i = 0; i < count; i++) {
        cm_columns_push_num(c, &columns, digits[i].at, &digits[i].value, true);
        if (digits[i].at > 0) {
            cm_columns_add_constant(&columns, digits[i].at - 1, 1);
        }
    }
    cm_columns_add_constant(&columns, 0, less ? -1 : 0);
    return cm_columns_sum_tree(c, &columns);
}

/* floor(x 2^(w-1) / Y). */
static cm_num divide_scaled(cm_circuit *c, const cm_num *x, const scaled *s)
{
    digit digits[DIGITS_MAX];
    unsigned count = (x->bits + DIGIT_BITS - 1) / DIGIT_BITS;
    cm_num rows[2];

    cm_columns columns = {.bits = s->fraction + 2 + x->bits};
    push_scaled(c, &columns, s->fraction - FRACTION_BITS, x, &s->factor);
    cm_columns_reduce(c, &columns, rows);
    for (unsigned i = 0; i < count; i++) {
        unsigned at = (count - 1 - i) * DIGIT_BITS;
        digits[i] = (digit){.at = at};
        take_digit(c, s, at - (at > 0 ? DIGIT_BITS : 0), rows, &digits[i]);
    }
    unsigned sign = s->fraction + 1;
    cm_num low[2] = {cm_num_zero_extend(rows[0], sign), cm_num_zero_extend(rows[1], sign)};
    cm_wire carry = cm_num_carry(c, &low[0], &low[1], CM_WIRE_0);
    cm_wire negative =
        cm_gate_xor(c, cm_gate_xor(c, rows[0].wire[sign], rows[1].wire[sign]), carry);
    return cm_num_mux(c, negative, sum_digits(c, digits, count, x->bits, true),
                      sum_digits(c, digits, count, x->bits, false));
}

bool cm_div_can_scale(unsigned x_bits, unsigned y_bits)
{
    unsigned bits = x_bits < y_bits ? x_bits : y_bits;

    return x_bits > DIGIT_BITS && bits > 1 && bits + FRACTION_BITS + 2 + x_bits <= CM_NUM_MAX;
}

cm_guess cm_div_guess_scaled(unsigned x_bits, unsigned y_bits)
{
    unsigned bits = x_bits < y_bits ? x_bits : y_bits;
    unsigned digits = (x_bits + DIGIT_BITS - 1) / DIGIT_BITS;

    return (cm_guess){.ands = 11 * x_bits * (bits + 8) / 10 + 33 * bits + 26 * x_bits + 500,
                      .levels = 9 * digits + 2 * cm_ceil_log2(bits) + 16};
}

void cm_div_scaled(cm_circuit *c, const cm_num *x, const cm_num *y, cm_num *ret_quotient,
                   cm_num *ret_remainder)
{
    /* A divisor longer than x gives 0: its top one is beyond the bits that count, and shifts by
     * nothing give 0. */
    unsigned bits = x->bits < y->bits ? x->bits : y->bits;
    scaled s;

    CM_ASSERT(cm_div_can_scale(x->bits, y->bits));
    scale_divisor(c, y, bits, &s);
    cm_num scaled_quotient = divide_scaled(c, x, &s);
    cm_num quotient = shift_right(c, &scaled_quotient, &s.top);
    cm_wire is_zero = cm_num_is_zero(c, *y);
    for (unsigned i = 0; i < quotient.bits; i++) {
        quotient.wire[i] = cm_gate_xor(c, quotient.wire[i], is_zero);
    }

    /* x - q y; with y = 0 that is x. */
    cm_columns columns = {.bits = bits + 1};
    cm_num low_quotient = cm_num_zero_extend(quotient, bits);
    cm_num low_y = cm_num_zero_extend(*y, bits);
    cm_columns_push_num(c, &columns, 1, x, false);
    cm_columns_push_product(c, &columns, &low_quotient, false, &low_y, false, true);
    cm_num twice = cm_columns_sum_tree(c, &columns);
    cm_num remainder = bits_from(&twice, 1, bits);
    *ret_remainder = cm_num_zero_extend(remainder, y->bits);
    *ret_quotient = quotient;
}
