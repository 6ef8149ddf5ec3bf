/* Functions of numbers that are made of arithmetic: sign, div, power, sqrt. */
#include "sql/big.h"
#include "sql/bind_int.h"
#include "sql/expr_int.h"
#include "sql/stat.h"

enum { EXPONENT_MAX = 38 }; /* the range says what fits */

static cm_status no_such(const cm_call *c)
{
    return cm_bind_no_function(c->b, c->ast, c->args, c->count);
}

static bool is_number(const cm_expr *expr)
{
    return cm_type_is_number(&expr->type);
}

static const cm_expr *number(const cm_call *c, cm_i128 value)
{
    return cm_bind_number(c->b, cm_bind_numeric(0, false, 0), value, c->position);
}

static cm_status compare_zero(const cm_call *c, cm_expr_op op, const cm_expr **ret)
{
    const cm_expr *zero = cm_bind_number(c->b, c->args[0]->type, 0, c->position);

    return cm_bind_op2(c->b, op, cm_bind_plain(CM_TYPE_BOOL), c->args[0], zero, c->position, ret);
}

/* Exact, as numerics are; of integers PostgreSQL has floats. */
static cm_status float_of_ints(const cm_call *c, cm_status st, const cm_expr **ret)
{
    bool ints = true;

    for (size_t i = 0; i < c->count; i++) {
        ints = ints && cm_bind_is_int(&c->args[i]->type);
    }
    if (st == CM_OK && ints) {
        *ret = cm_bind_float(c->b, *ret);
    }
    return st;
}

/* NULL stays NULL: no comparison is true, and 0 is not the ELSE. */
cm_status cm_bind_sign(const cm_call *c, const cm_expr **ret)
{
    const cm_expr *args[7];
    const cm_value none = {.null = true};

    if (c->count != 1 || !is_number(c->args[0])) {
        return no_such(c);
    }
    cm_status st = compare_zero(c, CM_X_GT, &args[0]);
    if (st == CM_OK) {
        st = compare_zero(c, CM_X_LT, &args[2]);
    }
    if (st == CM_OK) {
        st = compare_zero(c, CM_X_EQ, &args[4]);
    }
    args[1] = number(c, 1);
    args[3] = number(c, -1);
    args[5] = number(c, 0);
    args[6] = cm_expr_const(c->b->arena, args[1]->type, none, c->position);
    size_t count = c->args[0]->nullable ? 7 : 5;
    args[4] = count == 5 ? args[5] : args[4];
    return st != CM_OK ? st
                       : float_of_ints(c,
                                       cm_bind_op(c->b, CM_X_CASE, args[1]->type, args, count, 0, 0,
                                                  c->position, ret),
                                       ret);
}

/* The quotient's whole part: integer division at one scale. */
cm_status cm_bind_div(const cm_call *c, const cm_expr **ret)
{
    const cm_expr *args[2];
    cm_status st = CM_OK;

    if (c->count != 2 || !is_number(c->args[0]) || !is_number(c->args[1])) {
        return no_such(c);
    }
    for (size_t i = 0; i < 2 && st == CM_OK; i++) {
        args[i] = c->args[i];
        if (cm_bind_is_int(&args[i]->type)) {
            st = cm_bind_rescale(c->b, CM_X_RESCALE, args[i], 0, c->position, &args[i]);
        }
    }
    if (st == CM_OK) {
        st = cm_bind_unify_scales(c->b, &args[0], &args[1], c->position);
    }
    return st != CM_OK ? st
                       : cm_bind_op2(c->b, CM_X_IDIV, cm_bind_numeric(0, false, 0), args[0],
                                     args[1], c->position, ret);
}

/* Less than 2^63 for every number of 126 bits. */
static cm_i128 root_of(cm_i128 x)
{
    cm_big big = cm_big_of(x), root = cm_big_sqrt(&big);

    return cm_big_get(&root);
}

static cm_status exact_sqrt(const cm_call *c, const cm_expr **ret)
{
    const cm_expr *arg = c->args[0], *args[CM_STAT_ARGS];
    int scale = CM_QUOTIENT_SCALE;
    cm_range most;
    cm_i128 power;

    if (c->count != 1 || !is_number(arg)) {
        return no_such(c);
    }
    const int own = arg->type.kind == CM_TYPE_NUMERIC ? arg->type.scale : 0;
    if (arg->range.lo < 0) {
        cm_status st =
            cm_bind_refuse(c->b, c->position, "%s of what may be negative", c->ast->text);
        cm_diag_hint(c->b->diag, "Declare the columns' real ranges with CHECK, or take the root of "
                                 "greatest(x, 0).");
        return st;
    }
    scale = scale > own ? scale : own;
    const cm_range root = {0, root_of(arg->range.hi) + 1};
    while (!cm_range_power(scale - own / 2, &power) ||
           !cm_range_mul(root, (cm_range){0, power}, &most)) {
        scale--;
    }
    for (size_t i = 0; i < CM_STAT_ARGS; i++) {
        args[i] = number(c, i == CM_STAT_N);
    }
    args[CM_STAT_MOST] =
        cm_bind_number(c->b, cm_bind_numeric(scale, false, 0), most.hi, c->position);
    args[CM_STAT_XX] = arg;
    return cm_bind_op(c->b, CM_X_STAT, cm_bind_numeric(scale, true, own < scale ? own : 0), args,
                      CM_STAT_ARGS, CM_STAT_SQRT, 2 * scale - own, c->position, ret);
}

static bool is_half(const cm_expr *exponent)
{
    return exponent->type.scale > 0 && exponent->value.number * 2 == cm_pow10(exponent->type.scale);
}

/* A constant whole exponent, or one half. */
static cm_status exact_power(const cm_call *c, const cm_expr **ret)
{
    cm_status st = CM_OK;

    if (c->count != 2 || !is_number(c->args[0]) || !is_number(c->args[1])) {
        return no_such(c);
    }
    const cm_expr *base = c->args[0], *exponent = c->args[1];
    if (cm_bind_is_const(exponent) && !exponent->value.null && is_half(exponent)) {
        const cm_call root = {c->b, c->ast, c->args, 1, c->position};
        return exact_sqrt(&root, ret);
    }
    cm_i128 unit = exponent->type.kind == CM_TYPE_NUMERIC ? cm_pow10(exponent->type.scale) : 1;
    if (!cm_bind_is_const(exponent) || exponent->value.null || exponent->value.number < 0 ||
        exponent->value.number % unit != 0 || exponent->value.number / unit > EXPONENT_MAX) {
        return cm_bind_refuse(c->b, exponent->position,
                              "an exponent that is not a constant from 0 to %d", EXPONENT_MAX);
    }
    if (cm_bind_is_int(&base->type)) {
        st = cm_bind_rescale(c->b, CM_X_RESCALE, base, 0, c->position, &base);
    }
    *ret = base;
    if (exponent->value.number == 0) { /* 1, but for NULL */
        const cm_expr *absent = base;
        const cm_value none = {.null = true};
        if (st == CM_OK) {
            st = cm_bind_op1(c->b, CM_X_IS_NULL, cm_bind_plain(CM_TYPE_BOOL), base, c->position,
                             &absent);
        }
        const cm_expr *one = number(c, 1);
        const cm_expr *args[3] = {absent, cm_expr_const(c->b->arena, one->type, none, c->position),
                                  one};
        return st != CM_OK
                   ? st
                   : cm_bind_op(c->b, CM_X_CASE, one->type, args, 3, 0, 0, c->position, ret);
    }
    for (cm_i128 i = 1; st == CM_OK && i < exponent->value.number / unit; i++) {
        st = cm_bind_arith(c->b, '*', *ret, base, c->position, ret);
    }
    return st;
}

cm_status cm_bind_sqrt(const cm_call *c, const cm_expr **ret)
{
    return float_of_ints(c, exact_sqrt(c, ret), ret);
}

cm_status cm_bind_power(const cm_call *c, const cm_expr **ret)
{
    return float_of_ints(c, exact_power(c, ret), ret);
}
