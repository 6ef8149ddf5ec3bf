/*
 * Products and counts: many bits, each with a weight, are added up in columns.
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

cm_num cm_columns_sum_tree(cm_circuit *c, cm_columns *columns)
{
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

    cm_num x = cm_num_const(0, columns->bits);
    cm_num y = x;
    for (unsigned i = 0; i < columns->bits; i++) {
        const cm_list *column = &columns->column[i];
        CM_ASSERT(column->count <= 2);
        x.wire[i] = column->count > 0 ? column->item[0] : CM_WIRE_0;
        y.wire[i] = column->count > 1 ? column->item[1] : CM_WIRE_0;
    }
    free_columns(columns);
    return cm_num_add(c, x, y, x.bits);
}

static cm_num sum_columns(cm_circuit *c, cm_columns *columns)
{
    return c->shape == CM_SHAPE_FEW_BITS ? cm_columns_sum_serial(c, columns)
                                         : cm_columns_sum_tree(c, columns);
}

cm_num cm_num_mul(cm_circuit *c, cm_num x, cm_num y, unsigned bits)
{
    CM_ASSERT(bits <= CM_NUM_MAX);

    cm_columns columns = {.bits = bits};
    for (unsigned i = 0; i < x.bits; i++) {
        for (unsigned j = 0; j < y.bits && i + j < bits; j++) {
            cm_columns_push(&columns, i + j, cm_gate_and(c, x.wire[i], y.wire[j]));
        }
    }
    return sum_columns(c, &columns);
}

/* Adds -x 2^shift: -x = ~x + 1 - 2^n for the n bits of x, and -2^m = 2^m + 2^(m+1) + ... modulo
 * 2^bits. */
static void push_negative(cm_circuit *c, cm_columns *columns, const cm_num *x, unsigned shift)
{
    for (unsigned i = 0; i < x->bits; i++) {
        cm_columns_push(columns, shift + i, cm_gate_not(c, x->wire[i]));
    }
    cm_columns_push(columns, shift, CM_WIRE_1);
    for (unsigned i = shift + x->bits; i < columns->bits; i++) {
        cm_columns_push(columns, i, CM_WIRE_1);
    }
}

cm_num cm_num_mul_const(cm_circuit *c, cm_num x, cm_i128 value, unsigned bits)
{
    CM_ASSERT(bits <= CM_NUM_MAX);

    /* Digits -1, 0, 1 of the non-adjacent form: the fewest that are not 0. */
    cm_columns columns = {.bits = bits};
    for (unsigned shift = 0; value != 0 && shift < bits; shift++) {
        bool odd = (value & 1) != 0;
        bool minus = (value & 3) == 3;
        if (odd && minus) {
            push_negative(c, &columns, &x, shift);
        } else if (odd) {
            for (unsigned i = 0; i < x.bits; i++) {
                cm_columns_push(&columns, shift + i, x.wire[i]);
            }
        }
        value = (value >> 1) + minus; /* (value - digit) / 2 without overflow */
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
