/*
 * Integer square root, one bit of the root at a time, without restoring: with Q the root so far
 * and R = (bits of x so far) - Q^2, the next two bits b of x give
 *
 *     R' = 4R + b - (4Q + 1)   where R >= 0,
 *     R' = 4R + b + (4Q + 3)   where R < 0 (the last step took too much),
 *
 * and the next bit of the root is 1 where R' >= 0.  Both are 4R + b plus a number whose low two
 * bits are 1 and whose others are Q's, complemented where R >= 0, so a step is one addition.  After
 * j steps -2Q - 1 <= R <= 2Q, which j + 2 bits hold with the sign.
 */
#include "circuit/circuit_int.h"

cm_num cm_num_sqrt(cm_circuit *c, cm_num x)
{
    const unsigned steps = (x.bits + 1) / 2;
    cm_num root = cm_num_const(0, steps), rest = cm_num_const(0, 2);
    cm_wire positive = CM_WIRE_1;

    x = cm_num_zero_extend(x, 2 * steps);
    for (unsigned j = 0; j < steps; j++) {
        const unsigned bits = j + 3, at = steps - 1 - j;
        cm_num grown = cm_num_zero_extend(cm_num_shift_left(rest, 2), bits);
        cm_num other = cm_num_const(3, bits);

        grown.wire[0] = x.wire[2 * at];
        grown.wire[1] = x.wire[2 * at + 1];
        for (unsigned i = 2; i < bits; i++) {
            cm_wire bit = i - 2 < j ? root.wire[at + 1 + i - 2] : CM_WIRE_0;
            other.wire[i] = cm_gate_xor(c, bit, positive);
        }
        rest = cm_num_add(c, grown, other, bits);
        positive = cm_gate_not(c, rest.wire[bits - 1]);
        root.wire[at] = positive;
    }
    return root;
}
