/* Numbers as vectors of wires: everything that needs no carries. */
#include "circuit/circuit_int.h"

#include <string.h>

cm_num cm_num_const(cm_i128 value, unsigned bits)
{
    CM_ASSERT(bits <= CM_NUM_MAX);

    cm_num x = {.bits = bits};
    for (unsigned i = 0; i < bits; i++) {
        unsigned shift = i < 127 ? i : 127; /* above: the sign */
        x.wire[i] = (value >> shift & 1) != 0 ? CM_WIRE_1 : CM_WIRE_0;
    }
    return x;
}

cm_num cm_num_of_wire(cm_wire x)
{
    cm_num number = {.bits = 1};

    number.wire[0] = x;
    return number;
}

static cm_num extend(cm_num x, unsigned bits, cm_wire with)
{
    CM_ASSERT(bits <= CM_NUM_MAX);
    for (unsigned i = x.bits; i < bits; i++) {
        x.wire[i] = with;
    }
    x.bits = bits;
    return x;
}

cm_num cm_num_zero_extend(cm_num x, unsigned bits)
{
    return extend(x, bits, CM_WIRE_0);
}

cm_num cm_num_sign_extend(cm_num x, unsigned bits)
{
    return extend(x, bits, x.bits ? x.wire[x.bits - 1] : CM_WIRE_0);
}

cm_num cm_num_shift_left(cm_num x, unsigned by)
{
    return cm_num_concat(cm_num_const(0, by), x);
}

cm_num cm_num_concat(cm_num low, cm_num high)
{
    CM_ASSERT(low.bits + high.bits <= CM_NUM_MAX);
    memcpy(low.wire + low.bits, high.wire, high.bits * sizeof *high.wire);
    low.bits += high.bits;
    return low;
}

static unsigned longer(const cm_num *x, const cm_num *y)
{
    return x->bits > y->bits ? x->bits : y->bits;
}

cm_num cm_num_xor(cm_circuit *c, cm_num x, cm_num y)
{
    unsigned bits = longer(&x, &y);

    x = cm_num_zero_extend(x, bits);
    y = cm_num_zero_extend(y, bits);
    for (unsigned i = 0; i < bits; i++) {
        x.wire[i] = cm_gate_xor(c, x.wire[i], y.wire[i]);
    }
    return x;
}

cm_num cm_num_not(cm_circuit *c, cm_num x)
{
    for (unsigned i = 0; i < x.bits; i++) {
        x.wire[i] = cm_gate_not(c, x.wire[i]);
    }
    return x;
}

cm_num cm_num_mask(cm_circuit *c, cm_num x, cm_wire keep)
{
    for (unsigned i = 0; i < x.bits; i++) {
        x.wire[i] = cm_gate_and(c, x.wire[i], keep);
    }
    return x;
}

cm_num cm_num_mux(cm_circuit *c, cm_wire condition, cm_num if_one, cm_num if_zero)
{
    unsigned bits = longer(&if_one, &if_zero);

    if_one = cm_num_zero_extend(if_one, bits);
    if_zero = cm_num_zero_extend(if_zero, bits);
    for (unsigned i = 0; i < bits; i++) {
        if_one.wire[i] = cm_gate_mux(c, condition, if_one.wire[i], if_zero.wire[i]);
    }
    return if_one;
}
