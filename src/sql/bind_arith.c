/*
 * Arithmetic of numbers and dates.
 *
 * PostgreSQL raises 22003 when an integer result leaves its type.  Ranges are public here, so that
 * where a range fits there is nothing to check, and elsewhere one CAST checks at run time.
 */
#include "sql/bind_int.h"

#include <string.h>

cm_status cm_bind_no_operator(cm_binder *b, const char *name, const cm_expr *left,
                              const cm_expr *right, int position)
{
    cm_bind_at(b, position);
    cm_diag_hint(b->diag,
                 "No operator matches the given name and argument type%s. You might need "
                 "to add %sexplicit type cast%s.",
                 left == NULL ? "" : "s", left == NULL ? "an " : "", left == NULL ? "" : "s");
    return cm_fail(b->diag, CM_EINVAL, CM_SQL_UNDEFINED_FUNCTION,
                   "operator does not exist: %s%s" CM_QUOTE " %s",
                   left == NULL ? "" : cm_bind_type_name(b, &left->type), left == NULL ? "" : " ",
                   name, cm_bind_type_name(b, &right->type));
}

static cm_status no_arith(cm_binder *b, char op, const cm_expr *left, const cm_expr *right,
                          int position)
{
    const char name[2] = {op, '\0'};

    return cm_bind_no_operator(b, name, left, right, position);
}

static bool product_fits(cm_range a, cm_range b)
{
    const cm_i128 x[2] = {a.lo < 0 ? -a.lo : a.lo, a.hi < 0 ? -a.hi : a.hi};
    const cm_i128 y[2] = {b.lo < 0 ? -b.lo : b.lo, b.hi < 0 ? -b.hi : b.hi};
    cm_i128 most_x = x[0] > x[1] ? x[0] : x[1], most_y = y[0] > y[1] ? y[0] : y[1];

    return most_x == 0 || most_y <= (CM_NUMBER_LIMIT - 1) / most_x;
}

/* Integers ----------------------------------------------------------------------------------- */

static cm_status int_arith(cm_binder *b, char op, const cm_expr *left, const cm_expr *right,
                           int position, const cm_expr **ret)
{
    cm_type type = left->type.kind > right->type.kind ? left->type : right->type;
    cm_expr_op code = op == '+'   ? CM_X_ADD
                      : op == '-' ? CM_X_SUB
                      : op == '*' ? CM_X_MUL
                      : op == '/' ? CM_X_IDIV
                                  : CM_X_MOD;

    cm_status st = cm_bind_coerce(b, left, type, &left);
    if (st == CM_OK) {
        st = cm_bind_coerce(b, right, type, &right);
    }
    if (st == CM_OK) {
        st = cm_bind_op2(b, code, type, left, right, position, ret);
    }
    return st == CM_OK ? cm_bind_checked(b, *ret, ret) : st;
}

/* Numerics ----------------------------------------------------------------------------------- */

static int least_digits(const cm_expr *left, const cm_expr *right)
{
    int l = left->type.quotient ? left->type.precision : left->type.scale;
    int r = right->type.quotient ? right->type.precision : right->type.scale;

    return l > r ? l : r;
}

/* A quotient gives up digits that the product has no room for. */
static cm_status shrink(cm_binder *b, const cm_expr **expr, cm_range other, int position)
{
    cm_status st = CM_OK;

    while (st == CM_OK && (*expr)->type.quotient && (*expr)->type.scale > CM_QUOTIENT_LEAST_SCALE &&
           !product_fits((*expr)->range, other)) {
        cm_type to = (*expr)->type;
        const cm_expr *arg = *expr;
        if (arg->op == CM_X_TRUNC && arg->args == 1 && arg->arg[0]->type.quotient) {
            arg = arg->arg[0]; /* one truncation says as much as several */
        }
        to.scale--;
        st = cm_bind_op1(b, CM_X_TRUNC, to, arg, position, expr);
    }
    return st;
}

static cm_status multiply(cm_binder *b, const cm_expr *left, const cm_expr *right, int position,
                          const cm_expr **ret)
{
    bool quotient = left->type.quotient || right->type.quotient;
    int least = least_digits(left, right);

    cm_status st = shrink(b, &left, right->range, position);
    if (st == CM_OK) {
        st = shrink(b, &right, left->range, position);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_type type = cm_bind_numeric(left->type.scale + right->type.scale, quotient, least);
    if (type.scale > 37) {
        return cm_bind_refuse(b, position, "a product with %d digits after the point", type.scale);
    }
    return cm_bind_op2(b, CM_X_MUL, type, left, right, position, ret);
}

static bool shifts(cm_range range, int shift)
{
    const cm_range power = {shift <= 37 ? cm_pow10(shift) : 0, shift <= 37 ? cm_pow10(shift) : 0};

    return shift <= 37 && product_fits(range, power);
}

/* As many digits as 126 bits have room for, up to what PostgreSQL would show. */
static cm_status divide(cm_binder *b, const cm_expr *left, const cm_expr *right, int position,
                        const cm_expr **ret)
{
    int scale = CM_QUOTIENT_SCALE;
    int least = left->type.scale - right->type.scale;
    const cm_expr *args[2] = {left, right};

    while (scale > CM_QUOTIENT_LEAST_SCALE && scale > least &&
           !shifts(left->range, scale + right->type.scale - left->type.scale)) {
        scale--;
    }
    if (scale < least) {
        scale = least; /* the dividend has digits to spare */
    }
    cm_type type = cm_bind_numeric(scale, true, least_digits(left, right));
    return cm_bind_op(b, CM_X_QUOT, type, args, 2, 0, scale + right->type.scale - left->type.scale,
                      position, ret);
}

static cm_status numeric_arith(cm_binder *b, char op, const cm_expr *left, const cm_expr *right,
                               int position, const cm_expr **ret)
{
    bool quotient = left->type.quotient || right->type.quotient;
    int least = least_digits(left, right);
    cm_status st = CM_OK;

    if (cm_bind_is_int(&left->type)) {
        st = cm_bind_rescale(b, CM_X_RESCALE, left, 0, position, &left);
    }
    if (st == CM_OK && cm_bind_is_int(&right->type)) {
        st = cm_bind_rescale(b, CM_X_RESCALE, right, 0, position, &right);
    }
    if (st != CM_OK) {
        return st;
    }
    if (op == '*') {
        return multiply(b, left, right, position, ret);
    }
    if (op == '/') {
        return divide(b, left, right, position, ret);
    }
    st = cm_bind_unify_scales(b, &left, &right, position);
    cm_type type = cm_bind_numeric(left->type.scale, quotient, least);
    cm_expr_op code = op == '+' ? CM_X_ADD : op == '-' ? CM_X_SUB : CM_X_MOD;
    return st == CM_OK ? cm_bind_op2(b, code, type, left, right, position, ret) : st;
}

/* Dates -------------------------------------------------------------------------------------- */

cm_status cm_bind_to_timestamp(cm_binder *b, const cm_expr *expr, const cm_expr **ret)
{
    const cm_type int8 = cm_bind_plain(CM_TYPE_INT8);

    if (expr->type.kind == CM_TYPE_TIMESTAMP) {
        *ret = expr;
        return CM_OK;
    }
    return cm_bind_op2(b, CM_X_MUL, cm_bind_plain(CM_TYPE_TIMESTAMP), expr,
                       cm_bind_number(b, int8, CM_MICROS_PER_DAY, expr->position), expr->position,
                       ret);
}

/* Division truncates towards zero, a date is the day before: moved by whole days so that nothing is
 * negative. */
cm_status cm_bind_to_date(cm_binder *b, const cm_expr *expr, const cm_expr **ret)
{
    const cm_type int8 = cm_bind_plain(CM_TYPE_INT8), date = cm_bind_plain(CM_TYPE_DATE);
    const cm_type timestamp = cm_bind_plain(CM_TYPE_TIMESTAMP);
    const int at = expr->position;
    cm_i128 days = expr->range.lo < 0 ? -expr->range.lo / CM_MICROS_PER_DAY + 1 : 0;
    cm_status st = CM_OK;

    if (days > 0) {
        st = cm_bind_op2(b, CM_X_ADD, timestamp, expr,
                         cm_bind_number(b, int8, days * CM_MICROS_PER_DAY, at), at, &expr);
    }
    if (st == CM_OK) {
        st = cm_bind_op2(b, CM_X_IDIV, date, expr, cm_bind_number(b, int8, CM_MICROS_PER_DAY, at),
                         at, &expr);
    }
    if (st == CM_OK && days > 0) {
        st = cm_bind_op2(b, CM_X_SUB, date, expr, cm_bind_number(b, int8, days, at), at, &expr);
    }
    *ret = expr;
    return st;
}

/* date or timestamp, plus or minus a constant interval: a timestamp. */
static cm_status add_interval(cm_binder *b, const cm_expr *when, const cm_expr *interval, int sign,
                              int position, const cm_expr **ret)
{
    const cm_type timestamp = cm_bind_plain(CM_TYPE_TIMESTAMP);

    cm_status st = cm_bind_to_timestamp(b, when, ret);
    if (st != CM_OK || !cm_bind_is_const(interval)) {
        return st != CM_OK ? st : cm_bind_refuse(b, position, "an interval that is not a constant");
    }
    if (interval->value.null) {
        *ret = cm_expr_const(b->arena, timestamp, (cm_value){.null = true}, position);
        return CM_OK;
    }
    int months = cm_interval_months(interval->value.number);
    cm_i128 micros = cm_interval_micros(interval->value.number);
    if (months != 0) {
        st = cm_bind_op2(
            b, CM_X_ADD_MONTHS, timestamp, *ret,
            cm_bind_number(b, cm_bind_plain(CM_TYPE_INT8), (cm_i128)sign * months, position),
            position, ret);
    }
    if (st == CM_OK && micros != 0) {
        st = cm_bind_op2(b, CM_X_ADD, timestamp, *ret,
                         cm_bind_number(b, cm_bind_plain(CM_TYPE_INT8), sign * micros, position),
                         position, ret);
    }
    return st;
}

static cm_status scale_interval(cm_binder *b, const cm_expr *interval, const cm_expr *factor,
                                int position, const cm_expr **ret)
{
    if (!cm_bind_is_const(interval) || !cm_bind_is_const(factor) || interval->value.null ||
        factor->value.null || factor->value.number > INT32_MAX ||
        factor->value.number < -INT32_MAX) {
        return cm_bind_refuse(b, position, "an interval that is not a constant");
    }
    cm_i128 months = cm_interval_months(interval->value.number) * factor->value.number;
    cm_i128 micros = cm_interval_micros(interval->value.number) * factor->value.number;
    if (months > INT32_MAX || months < INT32_MIN || micros > INT64_MAX || micros < INT64_MIN) {
        cm_bind_at(b, position);
        return cm_fail(b->diag, CM_ERANGE, CM_SQL_DATETIME_RANGE, "interval out of range");
    }
    *ret = cm_bind_number(b, interval->type, cm_interval_make((int)months, micros), position);
    return CM_OK;
}

static bool is_date(const cm_expr *expr)
{
    return expr->type.kind == CM_TYPE_DATE;
}

static bool is_when(const cm_expr *expr)
{
    return is_date(expr) || expr->type.kind == CM_TYPE_TIMESTAMP;
}

static bool is_interval(const cm_expr *expr)
{
    return expr->type.kind == CM_TYPE_INTERVAL;
}

static cm_status date_arith(cm_binder *b, char op, const cm_expr *left, const cm_expr *right,
                            int position, const cm_expr **ret)
{
    const cm_type date = cm_bind_plain(CM_TYPE_DATE), int4 = cm_bind_plain(CM_TYPE_INT4);
    bool small = right->type.kind == CM_TYPE_INT2 || right->type.kind == CM_TYPE_INT4;

    if (op == '+' && is_when(right) && !is_when(left)) {
        return date_arith(b, op, right, left, position, ret);
    }
    if (op == '*' && is_interval(right) && cm_bind_is_int(&left->type)) {
        return scale_interval(b, right, left, position, ret);
    }
    if (op == '*' && is_interval(left) && cm_bind_is_int(&right->type)) {
        return scale_interval(b, left, right, position, ret);
    }
    if ((op == '+' || op == '-') && is_when(left) && is_interval(right)) {
        return add_interval(b, left, right, op == '+' ? 1 : -1, position, ret);
    }
    if ((op == '+' || op == '-') && is_date(left) && small) {
        return cm_bind_op2(b, op == '+' ? CM_X_ADD : CM_X_SUB, date, left, right, position, ret);
    }
    if (op == '-' && is_date(left) && is_date(right)) {
        cm_status st = cm_bind_op2(b, CM_X_SUB, int4, left, right, position, ret);
        return st == CM_OK ? cm_bind_checked(b, *ret, ret) : st;
    }
    if (op == '-' && is_when(left) && is_when(right)) {
        cm_status st = cm_bind_refuse(b, position, "a difference of timestamps");
        cm_diag_hint(b->diag, "Subtract dates: the result is a number of days.");
        return st;
    }
    if (is_interval(left) && is_interval(right)) {
        return cm_bind_refuse(b, position, "arithmetic of intervals");
    }
    return no_arith(b, op, left, right, position);
}

static void hint_ambiguous(cm_binder *b)
{
    cm_diag_hint(b->diag, "Could not choose a best candidate operator. You might need to add "
                          "explicit type casts.");
}

/* Literals take the other side's type. */
static cm_status settle_unknown(cm_binder *b, char op, const cm_expr **left, const cm_expr **right,
                                int position)
{
    bool l = (*left)->type.kind == CM_TYPE_UNKNOWN, r = (*right)->type.kind == CM_TYPE_UNKNOWN;

    if (l && r) {
        cm_bind_at(b, position);
        hint_ambiguous(b);
        return cm_fail(b->diag, CM_EINVAL, "42725", "operator is not unique: unknown %c unknown",
                       op);
    }
    cm_type to = l ? (*right)->type : (*left)->type;
    if ((l || r) && op == '+' && to.kind == CM_TYPE_DATE) {
        cm_bind_at(b, position);
        hint_ambiguous(b);
        return cm_fail(b->diag, CM_EINVAL, "42725", "operator is not unique: %s + %s",
                       l ? "unknown" : "date", l ? "date" : "unknown");
    }
    if ((l || r) && to.kind != CM_TYPE_TEXT && to.kind != CM_TYPE_ENUM) {
        return cm_bind_coerce_unknown(b, l ? *left : *right, to, l ? left : right);
    }
    return CM_OK;
}

cm_status cm_bind_arith(cm_binder *b, char op, const cm_expr *left, const cm_expr *right,
                        int position, const cm_expr **ret)
{
    cm_status st = settle_unknown(b, op, &left, &right, position);
    if (st != CM_OK) {
        return st;
    }
    if (cm_bind_is_int(&left->type) && cm_bind_is_int(&right->type)) {
        return int_arith(b, op, left, right, position, ret);
    }
    if (cm_type_is_number(&left->type) && cm_type_is_number(&right->type)) {
        return numeric_arith(b, op, left, right, position, ret);
    }
    return date_arith(b, op, left, right, position, ret);
}

cm_status cm_bind_negate(cm_binder *b, const cm_expr *arg, int position, const cm_expr **ret)
{
    if (is_interval(arg) && cm_bind_is_const(arg) && !arg->value.null) {
        *ret = cm_bind_number(b, arg->type, -arg->value.number, position);
        return CM_OK;
    }
    if (!cm_type_is_number(&arg->type)) {
        return cm_bind_no_operator(b, "-", NULL, arg, position);
    }
    cm_type type = arg->type;
    if (!type.quotient) {
        type.precision = 0;
    }
    cm_status st = cm_bind_op1(b, CM_X_NEG, type, arg, position, ret);
    return st == CM_OK ? cm_bind_checked(b, *ret, ret) : st;
}
