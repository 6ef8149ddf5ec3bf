/* Equality, order and selection of values in different widths and offsets. */
#include "exec/compile_int.h"

/* Text grows at its end, which is the least significant side. */
static cm_num text_to(cm_num x, unsigned bits)
{
    CM_ASSERT(x.bits <= bits);
    return cm_num_concat(cm_num_const(0, bits - x.bits), x);
}

static void same_width(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_num *ret_a,
                       cm_num *ret_b)
{
    CM_ASSERT(a->kind == b->kind);
    if (a->kind == CM_ENC_NUMBER) {
        cm_range hull = cm_range_hull(a->range, b->range);
        *ret_a = cm_compile_convert(c, a, hull).data;
        *ret_b = cm_compile_convert(c, b, hull).data;
        return;
    }
    unsigned bits = a->data.bits > b->data.bits ? a->data.bits : b->data.bits;
    *ret_a = text_to(a->data, bits);
    *ret_b = text_to(b->data, bits);
}

cm_wire cm_compile_equal(cm_compiler *c, const cm_cval *a, const cm_cval *b)
{
    cm_num x;
    cm_num y;
    same_width(c, a, b, &x, &y);
    return cm_num_eq(c->circuit, x, y);
}

cm_wire cm_compile_less(cm_compiler *c, const cm_cval *a, const cm_cval *b)
{
    cm_num x;
    cm_num y;
    CM_ASSERT(a->kind != CM_ENC_DIGEST); /* the planner compares digests for equality alone */
    same_width(c, a, b, &x, &y);
    return cm_num_lt(c->circuit, x, y);
}

cm_cval cm_compile_choose(cm_compiler *c, cm_wire condition, const cm_cval *if_one,
                          const cm_cval *if_zero, cm_range range)
{
    cm_cval ret = {.kind = if_one->kind, .range = range};
    cm_num one;
    cm_num zero;
    if (if_one->kind == CM_ENC_NUMBER) {
        one = cm_compile_convert(c, if_one, range).data;
        zero = cm_compile_convert(c, if_zero, range).data;
    } else {
        same_width(c, if_one, if_zero, &one, &zero);
    }
    ret.data = cm_num_mux(c->circuit, condition, one, zero);
    ret.null = cm_gate_mux(c->circuit, condition, if_one->null, if_zero->null);
    return ret;
}

cm_cval cm_compile_extreme(cm_compiler *c, const cm_cval *a, const cm_cval *b, bool greatest,
                           cm_range range)
{
    cm_circuit *circuit = c->circuit;
    cm_wire better = greatest ? cm_compile_less(c, a, b) : cm_compile_less(c, b, a);
    /* b wins where a is NULL, or where b is a value and the better one. */
    cm_wire b_wins = cm_gate_and(circuit, cm_gate_not(circuit, b->null), better);
    b_wins = cm_gate_or(circuit, a->null, b_wins);
    cm_cval ret = cm_compile_choose(c, b_wins, b, a, range);
    ret.null = cm_gate_and(circuit, a->null, b->null);
    return ret;
}
