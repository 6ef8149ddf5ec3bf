/*
 * Statistics (sql/stat.h) as gate programs.  Numbers inside are in two's complement and as long as
 * they need to be; what comes out fits the expression's range.
 */
#include "exec/compile_int.h"

#include "sql/stat.h"

typedef struct stat {
    cm_compiler *c;
    cm_circuit *k;
    const cm_cval *arg; /* CM_STAT_ARGS */
} stat;

/* Two's complement of as many bits as the range needs. */
static cm_num number_of(const stat *s, int arg)
{
    const cm_cval *x = &s->arg[arg];
    cm_range reach = {0, x->range.hi > -(x->range.lo + 1) ? x->range.hi : -(x->range.lo + 1)};

    return cm_compile_integer(s->c, x, cm_range_planes(reach) + 1);
}

static cm_num multiply(const stat *s, cm_num x, cm_num y)
{
    unsigned bits = x.bits + y.bits;

    x = cm_num_sign_extend(x, bits);
    y = cm_num_sign_extend(y, bits);
    return cm_num_mul(s->k, x, y, bits);
}

static cm_num subtract(const stat *s, cm_num x, cm_num y)
{
    unsigned bits = (x.bits > y.bits ? x.bits : y.bits) + 1;

    x = cm_num_sign_extend(x, bits);
    y = cm_num_sign_extend(y, bits);
    return cm_num_sub(s->k, x, y, bits);
}

static cm_num product(const stat *s, int a, int b)
{
    return multiply(s, number_of(s, a), number_of(s, b));
}

/* n times one sum minus the product of two others. */
static cm_num moment(const stat *s, int of, int a, int b)
{
    return subtract(s, product(s, CM_STAT_N, of), product(s, a, b));
}

/* What is never negative, without the sign; at most n times the sum, which bounds its length. */
static cm_num square_moment(const stat *s, int of, int a)
{
    cm_num x = moment(s, of, a, a);
    unsigned bits = number_of(s, CM_STAT_N).bits + number_of(s, of).bits - 2;

    return cm_num_zero_extend(x, bits < x.bits ? bits : x.bits - 1);
}

static cm_signed magnitude_of(const stat *s, cm_num x)
{
    cm_signed ret = {.negative = x.wire[x.bits - 1]};

    ret.magnitude = cm_num_mux(s->k, ret.negative, cm_num_neg(s->k, x, x.bits), x);
    return ret;
}

static cm_signed cross_moment(const stat *s)
{
    return magnitude_of(s, moment(s, CM_STAT_XY, CM_STAT_X, CM_STAT_Y));
}

static cm_num unsigned_product(const stat *s, cm_num x, cm_num y)
{
    return cm_num_mul(s->k, x, y, x.bits + y.bits);
}

static cm_signed intercept(const stat *s)
{
    cm_num a = moment(s, CM_STAT_XX, CM_STAT_X, CM_STAT_X);
    cm_num c = moment(s, CM_STAT_XY, CM_STAT_X, CM_STAT_Y);
    cm_num sum = subtract(s, product(s, CM_STAT_Y, CM_STAT_XX), product(s, CM_STAT_X, CM_STAT_XY));
    cm_num x = multiply(s, number_of(s, CM_STAT_MIDDLE_X), c);
    cm_num y = multiply(s, number_of(s, CM_STAT_MIDDLE_Y), a);

    return magnitude_of(s, subtract(s, sum, subtract(s, x, y)));
}

static cm_num divisor_of(const stat *s, cm_stat which)
{
    cm_num n = number_of(s, CM_STAT_N), other = n;

    if (which == CM_STAT_SXX || which == CM_STAT_SYY || which == CM_STAT_SXY) {
        return cm_num_zero_extend(n, n.bits - 1);
    }
    if (cm_stat_is_sample(which)) { /* 0 rows: n times anything is 0 */
        other = cm_num_sub(s->k, n, cm_num_const(1, n.bits), n.bits);
    }
    return cm_num_mul(s->k, cm_num_zero_extend(n, n.bits - 1),
                      cm_num_zero_extend(other, n.bits - 1), 2 * (n.bits - 1));
}

/* Dividend and divisor before shift and root. */
static cm_signed dividend_of(const stat *s, cm_stat which, cm_num *ret_divisor)
{
    cm_signed ret = {.negative = CM_WIRE_0};
    cm_num square;

    switch (which) {
    case CM_STAT_CORR:
    case CM_STAT_R2:
        ret = cross_moment(s);
        square = unsigned_product(s, ret.magnitude, ret.magnitude);
        *ret_divisor = unsigned_product(s, square_moment(s, CM_STAT_XX, CM_STAT_X),
                                        square_moment(s, CM_STAT_YY, CM_STAT_Y));
        /* C^2 <= A B */
        ret.magnitude = square.bits > ret_divisor->bits
                            ? cm_num_zero_extend(square, ret_divisor->bits)
                            : square;
        ret.negative = which == CM_STAT_R2 ? CM_WIRE_0 : ret.negative;
        return ret;
    case CM_STAT_SLOPE:
    case CM_STAT_INTERCEPT:
        *ret_divisor = square_moment(s, CM_STAT_XX, CM_STAT_X);
        return which == CM_STAT_SLOPE ? cross_moment(s) : intercept(s);
    case CM_STAT_COVAR_POP:
    case CM_STAT_COVAR_SAMP:
    case CM_STAT_SXY:
        *ret_divisor = divisor_of(s, which);
        return cross_moment(s);
    case CM_STAT_VAR_POP:
    case CM_STAT_VAR_SAMP:
    case CM_STAT_STDDEV_POP:
    case CM_STAT_STDDEV_SAMP:
    case CM_STAT_SXX:
    case CM_STAT_SYY:
    case CM_STAT_SQRT:
    case CM_STATS:
        break;
    }
    *ret_divisor = divisor_of(s, which);
    ret.magnitude = which == CM_STAT_SYY ? square_moment(s, CM_STAT_YY, CM_STAT_Y)
                                         : square_moment(s, CM_STAT_XX, CM_STAT_X);
    return ret;
}

static cm_num times_power(const stat *s, cm_num x, int digits)
{
    for (int left = digits; left > 0; left -= 37) {
        cm_range factor = {0, cm_power_of_ten(left > 37 ? 37 : left)};
        x = cm_num_mul_const(s->k, x, factor.hi, x.bits + cm_range_planes(factor));
    }
    return x;
}

/* Not more bits than the result, or than its square under a root, can have. */
static cm_num cut(cm_num x, cm_range range, bool root)
{
    cm_range reach = {0, range.hi};
    unsigned bits = cm_range_planes(reach) * (root ? 2 : 1);

    return x.bits > bits ? cm_num_zero_extend(x, bits) : x;
}

cm_cval cm_compile_stat(cm_compiler *c, const cm_expr *expr, const cm_cval *args)
{
    const stat s = {c, c->circuit, args};
    const cm_stat which = (cm_stat)expr->index;
    const bool root = cm_stat_is_root(which);
    cm_wire null = CM_WIRE_0;
    cm_num divisor, remainder;

    for (size_t i = 0; i < CM_STAT_ARGS; i++) {
        null = cm_gate_or(s.k, null, args[i].null);
    }
    if (which == CM_STAT_SQRT) {
        cm_signed root_only = {.negative = CM_WIRE_0};
        root_only.magnitude = number_of(&s, CM_STAT_XX);
        root_only.magnitude = cm_num_zero_extend(root_only.magnitude, root_only.magnitude.bits - 1);
        root_only.magnitude =
            cut(times_power(&s, root_only.magnitude, expr->shift), expr->range, true);
        root_only.magnitude = cm_num_sqrt(s.k, root_only.magnitude);
        return cm_compile_of_signed(c, root_only, null, expr->range);
    }
    cm_signed x = dividend_of(&s, which, &divisor);
    cm_wire undefined = cm_num_is_zero(s.k, divisor);
    cm_num_divmod(s.k, times_power(&s, x.magnitude, expr->shift), divisor, &x.magnitude,
                  &remainder);
    x.magnitude = cut(x.magnitude, expr->range, root);
    if (root) {
        x.magnitude = cm_num_sqrt(s.k, x.magnitude);
    }
    if (which == CM_STAT_R2) { /* all on one level line, unless on one vertical line */
        cm_wire level = cm_num_is_zero(s.k, square_moment(&s, CM_STAT_YY, CM_STAT_Y));
        cm_wire vertical = cm_num_is_zero(s.k, square_moment(&s, CM_STAT_XX, CM_STAT_X));
        cm_num one = cm_num_const(cm_power_of_ten(expr->shift), x.magnitude.bits);
        x.magnitude = cm_num_mux(s.k, level, one, x.magnitude);
        undefined = vertical;
    }
    return cm_compile_of_signed(c, x, cm_gate_or(s.k, null, undefined), expr->range);
}
