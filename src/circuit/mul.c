/*
 * Products and counts: many bits, each with a weight, are added up in columns.
 *
 * Products: with s_i = 2 x_i - 1, which is 1 or -1, the number x of n bits is (s_0 + 2 s_1 + .. +
 * 2^(n-1) s_(n-1) + 2^n - 1) / 2.  A row of the product, s_i y, is y or -y: an XOR of y's bits
 * with one wire, and a correction at its ends.  So
 *     2 x y = sum of 2^i s_i y  +  2^n y  -  y
 * takes no ANDs for its rows, where the schoolbook's x_i y take one each: half as many in all.
 * For short operands the corrections outweigh that, and rows are ANDs.
 *
 * A full adder takes three bits of one weight to their sum (XOR, free, no deeper than they are) and
 * a carry of the next weight (their majority, one AND).  Because sums are free, a whole column of h
 * bits comes down to one bit in a single level, and hands h / 2 carries to the next column.
 *
 * Serial: every column, lowest first, down to one bit.  One AND a carry; for a count (one column)
 * also the fewest levels.  Tree: Dadda's scheme (Alta Frequenza 34, 1965) with the heights that
 * free sums allow: a stage takes columns of height 2d - 1 to height d, so 65 bits take six stages
 * to two, and one fast adder ends it.
 */
#include "circuit/circuit_int.h"

#include <stdlib.h>
#include <string.h>

void cm_columns_push(cm_columns *columns, unsigned weight, cm_wire x)
{
    /* 2x of weight i is x of weight i + 1. */
    while (weight < columns->bits && x != CM_WIRE_0) {
        cm_list *column = &columns->column[weight];
        size_t at = 0;
        while (at < column->count && column->item[at] != x) {
            at++;
        }
        if (at == column->count) {
            cm_list_push(column, x);
            return;
        }
        column->item[at] = column->item[--column->count];
        weight++;
    }
}

void cm_columns_add_constant(cm_columns *columns, unsigned weight, int multiple)
{
    if (weight < columns->bits) {
        columns->constant[weight] += multiple;
    }
}

/* A bit that counts -2^weight is its complement less 1. */
static void push_signed(cm_circuit *c, cm_columns *columns, unsigned weight, cm_wire x,
                        bool negative)
{
    if (weight < columns->bits) {
        cm_columns_push(columns, weight, negative ? cm_gate_not(c, x) : x);
        cm_columns_add_constant(columns, weight, negative ? -1 : 0);
    }
}

void cm_columns_push_num(cm_circuit *c, cm_columns *columns, unsigned weight, const cm_num *x,
                         bool is_signed)
{
    for (unsigned i = 0; i < x->bits; i++) {
        push_signed(c, columns, weight + i, x->wire[i], is_signed && i + 1 == x->bits);
    }
}

void cm_columns_push_minus(cm_circuit *c, cm_columns *columns, unsigned weight, const cm_num *x,
                           bool is_signed)
{
    for (unsigned i = 0; i < x->bits; i++) {
        push_signed(c, columns, weight + i, x->wire[i], !(is_signed && i + 1 == x->bits));
    }
}

/* -x is ~x + 1, where the complement of a signed number is one of its bits alone; an unsigned one
 * first gets a sign bit 0, whose complement is that of `plus`. */
void cm_columns_push_plus_minus(cm_circuit *c, cm_columns *columns, unsigned weight,
                                const cm_num *x, bool is_signed, cm_wire plus)
{
    cm_wire minus = cm_gate_not(c, plus);

    for (unsigned i = 0; i < x->bits && weight + i < columns->bits; i++) {
        push_signed(c, columns, weight + i, cm_gate_xor(c, x->wire[i], minus),
                    is_signed && i + 1 == x->bits);
    }
    push_signed(c, columns, weight, minus, false);
    if (!is_signed) {
        push_signed(c, columns, weight + x->bits, minus, true);
    }
}

/* Constants as bits, multiples carried to the left. */
static void push_constants(cm_columns *columns)
{
    int carry = 0;

    for (unsigned i = 0; i < columns->bits; i++) {
        int here = columns->constant[i] + carry;
        int bit = here & 1;
        carry = (here - bit) / 2;
        columns->constant[i] = 0;
        if (bit != 0) {
            cm_columns_push(columns, i, CM_WIRE_1);
        }
    }
}

static void free_columns(cm_columns *columns)
{
    for (unsigned i = 0; i < CM_NUM_MAX; i++) {
        cm_list_free(&columns->column[i]);
    }
}

/* Shallow wires first, so that carries come early; a total order, so that programs are repeatable.
 */
static void sort_by_depth(const cm_circuit *c, cm_list *column)
{
    for (size_t i = 1; i < column->count; i++) {
        cm_wire x = column->item[i];
        unsigned depth = cm_wire_depth(c, x);
        size_t at = i;
        for (; at > 0 && cm_wire_depth(c, column->item[at - 1]) > depth; at--) {
            column->item[at] = column->item[at - 1];
        }
        column->item[at] = x;
    }
}

/*
 * Takes so many full and half adders to a column and appends their carries to carry (NULL: they are
 * above the top bit).  The column keeps the sum in front of what was left over.
 */
static void add_column(cm_circuit *c, cm_list *column, size_t full, size_t half, cm_list *carry)
{
    size_t used = 1 + 2 * full + half;

    CM_ASSERT(used <= column->count);
    sort_by_depth(c, column);
    cm_wire sum = column->item[0];
    for (size_t i = 1; i < used; i += 2) {
        cm_wire x = column->item[i];
        cm_wire y = i + 1 < used ? column->item[i + 1] : CM_WIRE_0;
        cm_wire over = cm_gate_majority(c, x, y, sum);
        if (carry && over != CM_WIRE_0) {
            cm_list_push(carry, over);
        }
        sum = cm_gate_xor(c, cm_gate_xor(c, x, y), sum);
    }
    column->item[0] = sum;
    memmove(column->item + 1, column->item + used, (column->count - used) * sizeof *column->item);
    column->count -= used - 1;
}

cm_num cm_columns_sum_serial(cm_circuit *c, cm_columns *columns)
{
    cm_num sum = cm_num_const(0, columns->bits);

    push_constants(columns);
    for (unsigned i = 0; i < columns->bits; i++) {
        cm_list *column = &columns->column[i];
        if (column->count == 0) {
            continue;
        }
        cm_list *carry = i + 1 < columns->bits ? &columns->column[i + 1] : NULL;
        size_t adders = column->count - 1;
        add_column(c, column, adders / 2, adders % 2, carry);
        sum.wire[i] = column->item[0];
    }
    free_columns(columns);
    return sum;
}

/* One stage: every column to at most `height`, counting the carries that come into it. */
static void reduce(cm_circuit *c, cm_columns *columns, size_t height)
{
    cm_list fresh[2] = {{0}, {0}}; /* carries into this column and into the next one */

    for (unsigned i = 0; i < columns->bits; i++) {
        cm_list *column = &columns->column[i];
        cm_list *in = &fresh[i % 2];
        cm_list *out = &fresh[(i + 1) % 2];
        if (i + 1 == columns->bits && column->count > 1) {
            /* The top column has no carries: all of it is XOR. */
            add_column(c, column, (column->count - 1) / 2, (column->count - 1) % 2, NULL);
        } else if (column->count + in->count > height) {
            size_t excess = column->count + in->count - height;
            add_column(c, column, excess / 2, excess % 2, out);
        }
        for (size_t k = 0; k < in->count; k++) {
            cm_list_push(column, in->item[k]);
        }
        in->count = 0;
    }
    cm_list_free(&fresh[0]);
    cm_list_free(&fresh[1]);
}

void cm_columns_reduce(cm_circuit *c, cm_columns *columns, cm_num ret_rows[2])
{
    push_constants(columns);
    size_t tallest = 0;
    for (unsigned i = 0; i < columns->bits; i++) {
        tallest = columns->column[i].count > tallest ? columns->column[i].count : tallest;
    }
    size_t height = 2;
    while (2 * height - 1 < tallest) {
        height = 2 * height - 1;
    }
    /* From here 2 * height - 1 >= tallest >= every column; heights are 2 and 2^k + 1. */
    for (bool more = tallest > 2; more; height = (height + 1) / 2) {
        reduce(c, columns, height);
        more = height > 2;
    }

    for (unsigned k = 0; k < 2; k++) {
        ret_rows[k] = cm_num_const(0, columns->bits);
        for (unsigned i = 0; i < columns->bits; i++) {
            const cm_list *column = &columns->column[i];
            CM_ASSERT(column->count <= 2);
            ret_rows[k].wire[i] = column->count > k ? column->item[k] : CM_WIRE_0;
        }
    }
    free_columns(columns);
}

cm_num cm_columns_sum_tree(cm_circuit *c, cm_columns *columns)
{
    cm_num rows[2];

    cm_columns_reduce(c, columns, rows);
    return cm_num_add(c, rows[0], rows[1], rows[0].bits);
}

/* The ANDs of the two ways differ by those of the tree's adder. */
static cm_num sum_columns(cm_circuit *c, cm_columns *columns)
{
    unsigned log = cm_ceil_log2(columns->bits);
    cm_guess tree = {.ands = 3 * columns->bits * log / 4 + 1, .levels = 2 * log};

    return cm_circuit_ripples(c, columns->bits, tree) ? cm_columns_sum_serial(c, columns)
                                                      : cm_columns_sum_tree(c, columns);
}

/*
 * x without high bits that tell nothing modulo 2^bits: zeros, or where x is as long as that, copies
 * of its sign, the last of which then counts negatively.
 */
static cm_num strip(cm_num x, unsigned bits, bool *ret_signed)
{
    bool whole = x.bits >= bits;

    *ret_signed = false;
    x.bits = whole ? bits : x.bits;
    while (x.bits > 0 && x.wire[x.bits - 1] == CM_WIRE_0) {
        x.bits--;
        whole = false;
    }
    while (whole && x.bits > 1 && x.wire[x.bits - 1] == x.wire[x.bits - 2]) {
        x.bits--;
        *ret_signed = true;
    }
    return x;
}

static unsigned constants_in(const cm_num *x)
{
    unsigned count = 0;

    for (unsigned i = 0; i < x->bits; i++) {
        count += cm_wire_node(x->wire[i]) == 0;
    }
    return count;
}

/* Whether rows of XORs take fewer ANDs; both counts are those of a full product. */
static bool prefer_xor_rows(const cm_num *x, const cm_num *y)
{
    unsigned variable_x = x->bits - constants_in(x), variable_y = y->bits - constants_in(y);
    unsigned corrections = x->bits + y->bits;

    return x->bits * y->bits + corrections + corrections < 2 * variable_x * variable_y;
}

/* Rows of ANDs: sum of x_i y 2^i. */
static cm_num multiply_by_ands(cm_circuit *c, const cm_num *x, const cm_num *y, unsigned bits)
{
    cm_columns columns = {.bits = bits};

    for (unsigned i = 0; i < x->bits; i++) {
        for (unsigned j = 0; j < y->bits && i + j < bits; j++) {
            cm_columns_push(&columns, i + j, cm_gate_and(c, x->wire[i], y->wire[j]));
        }
    }
    return sum_columns(c, &columns);
}

void cm_columns_push_product(cm_circuit *c, cm_columns *columns, const cm_num *x, bool x_signed,
                             const cm_num *y, bool y_signed, bool negative)
{
    for (unsigned i = 0; i < x->bits; i++) {
        bool flip = (x_signed && i + 1 == x->bits) != negative;
        cm_wire plus = flip ? cm_gate_not(c, x->wire[i]) : x->wire[i];
        cm_columns_push_plus_minus(c, columns, i, y, y_signed, plus);
    }
    /* The bits of a signed number that are all 1 make -1, not 2^n - 1. */
    if (!x_signed) {
        (negative ? cm_columns_push_minus : cm_columns_push_num)(c, columns, x->bits, y, y_signed);
    }
    (negative ? cm_columns_push_num : cm_columns_push_minus)(c, columns, 0, y, y_signed);
}

cm_num cm_num_mul(cm_circuit *c, cm_num x, cm_num y, unsigned bits)
{
    CM_ASSERT(bits <= CM_NUM_MAX);

    bool x_signed, y_signed;
    cm_num short_x = strip(x, bits, &x_signed);
    cm_num short_y = strip(y, bits, &y_signed);
    if (bits == CM_NUM_MAX || !prefer_xor_rows(&short_x, &short_y)) {
        return multiply_by_ands(c, &x, &y, bits);
    }
    cm_columns columns = {.bits = bits + 1};
    cm_columns_push_product(c, &columns, &short_x, x_signed, &short_y, y_signed, false);
    cm_num twice = sum_columns(c, &columns);
    memmove(twice.wire, twice.wire + 1, bits * sizeof *twice.wire);
    twice.bits = bits;
    return twice;
}

cm_num cm_num_mul_const(cm_circuit *c, cm_num x, cm_i128 value, unsigned bits)
{
    CM_ASSERT(bits <= CM_NUM_MAX);

    /* Digits -1, 0, 1 of the non-adjacent form: the fewest that are not 0. */
    cm_columns columns = {.bits = bits};
    for (unsigned shift = 0; value != 0 && shift < bits; shift++) {
        bool odd = (value & 1) != 0;
        bool minus = (value & 3) == 3;
        if (odd) {
            (minus ? cm_columns_push_minus : cm_columns_push_num)(c, &columns, shift, &x, false);
        }
        value = (value >> 1) + minus; /* (value - digit) / 2 without overflow */
    }
    return sum_columns(c, &columns);
}

cm_num cm_num_sum(cm_circuit *c, const cm_num *terms, size_t count, unsigned bits)
{
    CM_ASSERT(bits <= CM_NUM_MAX);
    cm_columns columns = {.bits = bits};
    for (size_t k = 0; k < count; k++) {
        for (unsigned i = 0; i < terms[k].bits && i < bits; i++) {
            cm_columns_push(&columns, i, terms[k].wire[i]);
        }
    }
    return sum_columns(c, &columns);
}

cm_num cm_num_popcount(cm_circuit *c, const cm_wire *wires, size_t count)
{
    unsigned bits = cm_ceil_log2(count + 1);

    CM_ASSERT(bits <= CM_NUM_MAX);
    cm_columns columns = {.bits = bits};
    for (size_t i = 0; i < count; i++) {
        cm_columns_push(&columns, 0, wires[i]);
    }
    /* All in one column: serial takes ceil(log2) levels as it stands. */
    return cm_columns_sum_serial(c, &columns);
}
