/* Comparisons.  x < y is the borrow of x - y, which add.c computes without the difference. */
#include "circuit/circuit_int.h"

cm_wire cm_num_is_zero(cm_circuit *c, cm_num x)
{
    return cm_gate_not(c, cm_gate_or_all(c, x.wire, x.bits));
}

cm_wire cm_num_eq(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_is_zero(c, cm_num_xor(c, x, y));
}

cm_wire cm_num_lt(cm_circuit *c, cm_num x, cm_num y)
{
    unsigned bits = x.bits > y.bits ? x.bits : y.bits;

    /* The carry of ~x + y is 1 exactly when x < y. */
    x = cm_num_not(c, cm_num_zero_extend(x, bits));
    y = cm_num_zero_extend(y, bits);
    return cm_num_carry(c, &x, &y, CM_WIRE_0);
}

cm_wire cm_num_slt(cm_circuit *c, cm_num x, cm_num y)
{
    unsigned bits = x.bits > y.bits ? x.bits : y.bits;

    if (bits == 0) {
        return CM_WIRE_0;
    }
    /* Flipping the sign bits maps signed order to unsigned order. */
    x = cm_num_sign_extend(x, bits);
    y = cm_num_sign_extend(y, bits);
    x.wire[bits - 1] = cm_gate_not(c, x.wire[bits - 1]);
    y.wire[bits - 1] = cm_gate_not(c, y.wire[bits - 1]);
    return cm_num_lt(c, x, y);
}

cm_num cm_num_max(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_mux(c, cm_num_lt(c, x, y), y, x);
}

cm_num cm_num_min(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_mux(c, cm_num_lt(c, x, y), x, y);
}
