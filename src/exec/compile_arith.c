/* Exact arithmetic on offset-encoded integers: docs/design/exec.md, "Numbers". */
#include "exec/compile_int.h"

cm_range cm_range_hull(cm_range a, cm_range b)
{
    cm_range ret = {a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
    return ret;
}

cm_i128 cm_power_of_ten(int exponent)
{
    CM_ASSERT(exponent >= 0 && exponent <= 38);
    cm_i128 ret = 1;
    for (int i = 0; i < exponent; i++) {
        ret *= 10;
    }
    return ret;
}

cm_cval cm_cval_const(cm_i128 value)
{
    cm_cval ret = {.null = CM_WIRE_0, .kind = CM_ENC_NUMBER, .range = {value, value}};
    ret.data = cm_num_const(0, 0);
    return ret;
}

cm_cval cm_cval_of_wire(cm_wire data, cm_wire null)
{
    cm_cval ret = {.null = null, .kind = CM_ENC_NUMBER, .range = {0, 1}};
    ret.data = cm_num_of_wire(data);
    return ret;
}

cm_wire cm_cval_bit(const cm_cval *x)
{
    if (x->data.bits == 0) {
        return x->range.lo != 0 ? CM_WIRE_1 : CM_WIRE_0;
    }
    return x->data.wire[0];
}

static cm_cval number(cm_num data, cm_wire null, cm_range range)
{
    cm_cval ret = {.null = null, .kind = CM_ENC_NUMBER, .range = range};
    ret.data = cm_num_zero_extend(data, cm_range_planes(range));
    return ret;
}

/* x + offset modulo 2^bits, at no cost where the offset vanishes. */
static cm_num shift_by(cm_compiler *c, cm_num x, cm_i128 offset, unsigned bits)
{
    if (offset == 0) {
        return cm_num_zero_extend(x, bits);
    }
    return cm_num_add_const(c->circuit, x, offset, bits);
}

cm_cval cm_compile_convert(cm_compiler *c, const cm_cval *x, cm_range range)
{
    unsigned bits = cm_range_planes(range);
    return number(shift_by(c, x->data, x->range.lo - range.lo, bits), x->null, range);
}

cm_num cm_compile_integer(cm_compiler *c, const cm_cval *x, unsigned bits)
{
    return shift_by(c, x->data, x->range.lo, bits);
}

cm_cval cm_compile_add(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_range range)
{
    unsigned bits = cm_range_planes(range);
    cm_num sum = cm_num_add(c->circuit, a->data, b->data, bits);
    sum = shift_by(c, sum, a->range.lo + b->range.lo - range.lo, bits);
    return number(sum, cm_gate_or(c->circuit, a->null, b->null), range);
}

cm_cval cm_compile_sub(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_range range)
{
    /* 2^w - 1 - b is the free complement of b's w bits, so a - b costs one addition whenever b's
     * range fills its planes. */
    unsigned bits = cm_range_planes(range);
    cm_i128 full = (cm_i128)(((cm_u128)1 << b->data.bits) - 1);
    cm_num complement = cm_num_not(c->circuit, b->data);
    cm_num difference = cm_num_add(c->circuit, a->data, complement, bits);
    cm_i128 offset = a->range.lo - b->range.lo - full - range.lo;
    difference = shift_by(c, difference, offset, bits);
    return number(difference, cm_gate_or(c->circuit, a->null, b->null), range);
}

/* Bits that hold every value of the range as a plain unsigned number; lo >= 0. */
static unsigned unsigned_bits(cm_range range)
{
    cm_range from_zero = {0, range.hi};
    return cm_range_planes(from_zero);
}

cm_cval cm_compile_mul(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_range range)
{
    unsigned bits = cm_range_planes(range);
    cm_wire null = cm_gate_or(c->circuit, a->null, b->null);
    if (b->data.bits == 0 || a->data.bits == 0) { /* by a constant */
        const cm_cval *x = b->data.bits == 0 ? a : b;
        cm_i128 factor = b->data.bits == 0 ? b->range.lo : a->range.lo;
        cm_num product = cm_num_mul_const(c->circuit, x->data, factor, bits);
        return number(shift_by(c, product, x->range.lo * factor - range.lo, bits), null, range);
    }
    unsigned a_bits = a->range.lo >= 0 ? unsigned_bits(a->range) : bits;
    unsigned b_bits = b->range.lo >= 0 ? unsigned_bits(b->range) : bits;
    cm_num x = cm_compile_integer(c, a, a_bits < bits ? a_bits : bits);
    cm_num y = cm_compile_integer(c, b, b_bits < bits ? b_bits : bits);
    cm_num product = cm_num_mul(c->circuit, x, y, bits);
    return number(shift_by(c, product, -range.lo, bits), null, range);
}

cm_cval cm_compile_negate(cm_compiler *c, const cm_cval *a, cm_range range)
{
    cm_cval zero = cm_cval_const(0);
    return cm_compile_sub(c, &zero, a, range);
}

/* Bits of a two's complement that holds every value of the range. */
static unsigned signed_bits(cm_range range)
{
    cm_i128 reach = range.hi > -(range.lo + 1) ? range.hi : -(range.lo + 1);
    cm_range magnitude = {0, reach};
    return cm_range_planes(magnitude) + 1;
}

cm_signed cm_compile_sign_magnitude(cm_compiler *c, const cm_cval *x)
{
    cm_signed ret = {.negative = CM_WIRE_0};
    if (x->range.lo >= 0) {
        ret.magnitude = cm_compile_integer(c, x, unsigned_bits(x->range));
        return ret;
    }
    unsigned bits = signed_bits(x->range);
    cm_num number_bits = cm_compile_integer(c, x, bits);
    ret.negative = number_bits.wire[bits - 1];
    cm_num negated = cm_num_neg(c->circuit, number_bits, bits);
    ret.magnitude = cm_num_mux(c->circuit, ret.negative, negated, number_bits);
    return ret;
}

cm_cval cm_compile_of_signed(cm_compiler *c, cm_signed x, cm_wire null, cm_range range)
{
    unsigned bits = cm_range_planes(range);
    if (x.negative == CM_WIRE_0) {
        return number(shift_by(c, x.magnitude, -range.lo, bits), null, range);
    }
    cm_num plain = cm_num_zero_extend(x.magnitude, bits);
    cm_num negated = cm_num_neg(c->circuit, x.magnitude, bits);
    cm_num value = cm_num_mux(c->circuit, x.negative, negated, plain);
    return number(shift_by(c, value, -range.lo, bits), null, range);
}

cm_cval cm_compile_abs(cm_compiler *c, const cm_cval *a, cm_range range)
{
    cm_signed x = cm_compile_sign_magnitude(c, a);
    x.negative = CM_WIRE_0;
    return cm_compile_of_signed(c, x, a->null, range);
}

cm_cval cm_compile_divide(cm_compiler *c, cm_expr_op op, const cm_cval *a, const cm_cval *b,
                          int shift, cm_wire active, cm_range range)
{
    cm_circuit *circuit = c->circuit;
    cm_wire null = cm_gate_or(circuit, a->null, b->null);
    cm_signed x = cm_compile_sign_magnitude(c, a);
    cm_signed y = cm_compile_sign_magnitude(c, b);
    cm_wire here = cm_gate_and(circuit, active, cm_gate_not(circuit, null));
    cm_wire zero = cm_gate_and(circuit, here, cm_num_is_zero(circuit, y.magnitude));
    c->error[CM_ROW_DIVISION_ZERO] = cm_gate_or(circuit, c->error[CM_ROW_DIVISION_ZERO], zero);

    if (op == CM_X_QUOT) {
        cm_i128 factor = cm_power_of_ten(shift);
        cm_range grown = {0, factor};
        unsigned bits = x.magnitude.bits + cm_range_planes(grown);
        x.magnitude = cm_num_mul_const(circuit, x.magnitude, factor, bits);
    }
    cm_num quotient;
    cm_num remainder;
    cm_num_divmod(circuit, x.magnitude, y.magnitude, &quotient, &remainder);
    cm_signed ret;
    if (op == CM_X_MOD) {
        ret.magnitude = remainder;
        ret.negative = x.negative;
    } else {
        ret.magnitude = quotient;
        ret.negative = cm_gate_xor(circuit, x.negative, y.negative);
    }
    return cm_compile_of_signed(c, ret, null, range);
}

cm_cval cm_compile_round(cm_compiler *c, cm_expr_op op, const cm_cval *a, int digits,
                         cm_range range)
{
    cm_circuit *circuit = c->circuit;
    cm_i128 unit = cm_power_of_ten(digits);
    cm_range unit_range = {0, unit};
    cm_num divisor = cm_num_const(unit, cm_range_planes(unit_range));
    cm_signed x = cm_compile_sign_magnitude(c, a);
    if (op == CM_X_RESCALE) { /* half away from zero */
        x.magnitude = cm_num_add_const(circuit, x.magnitude, unit / 2, x.magnitude.bits + 1);
    }
    cm_num quotient;
    cm_num remainder;
    cm_num_divmod(circuit, x.magnitude, divisor, &quotient, &remainder);
    if (op == CM_X_FLOOR || op == CM_X_CEIL) {
        /* Away from zero where there is a rest on the side that the direction asks for. */
        cm_wire side = op == CM_X_FLOOR ? x.negative : cm_gate_not(circuit, x.negative);
        cm_wire rest = cm_gate_not(circuit, cm_num_is_zero(circuit, remainder));
        cm_num one = cm_num_of_wire(cm_gate_and(circuit, side, rest));
        quotient = cm_num_add(circuit, quotient, one, quotient.bits + 1);
    }
    cm_signed ret = {.negative = x.negative, .magnitude = quotient};
    return cm_compile_of_signed(c, ret, a->null, range);
}

cm_cval cm_compile_clip(cm_compiler *c, const cm_cval *a, cm_wire active, cm_range range)
{
    cm_circuit *circuit = c->circuit;
    cm_wire outside = CM_WIRE_0;
    if (range.lo > a->range.lo) {
        cm_cval lo = cm_cval_const(range.lo);
        outside = cm_gate_or(circuit, outside, cm_compile_less(c, a, &lo));
    }
    if (range.hi < a->range.hi) {
        cm_cval hi = cm_cval_const(range.hi);
        outside = cm_gate_or(circuit, outside, cm_compile_less(c, &hi, a));
    }
    cm_wire here = cm_gate_and(circuit, active, cm_gate_not(circuit, a->null));
    cm_wire raised = cm_gate_and(circuit, here, outside);
    c->error[CM_ROW_RANGE] = cm_gate_or(circuit, c->error[CM_ROW_RANGE], raised);
    return cm_compile_convert(c, a, range);
}

cm_cval cm_compile_sum(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_range range)
{
    return cm_compile_add(c, a, b, range);
}
