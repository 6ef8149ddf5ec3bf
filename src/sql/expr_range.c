/*
 * Ranges by interval arithmetic: every operation here is monotone in each operand on each side of
 * zero, so the corners of the operands' intervals, with the points next to zero for divisors, bound
 * the result.
 */
#include "sql/expr_int.h"

#include "sql/stat.h"

bool cm_range_fits(cm_i128 value)
{
    const cm_i128 bound = (cm_i128)1 << 126;

    return value < bound && value > -bound;
}

static cm_i128 magnitude(cm_i128 value)
{
    return value < 0 ? -value : value;
}

/* a * b when it fits.  Written with a division: clang has no 128-bit checked product to link. */
static bool product(cm_i128 a, cm_i128 b, cm_i128 *ret)
{
    const cm_i128 most = ((cm_i128)1 << 126) - 1;

    if (a != 0 && magnitude(b) > most / magnitude(a)) {
        return false;
    }
    *ret = a * b;
    return true;
}

bool cm_range_power(int exponent, cm_i128 *ret)
{
    if (exponent < 0 || exponent > 37) {
        return false;
    }
    *ret = 1;
    for (int i = 0; i < exponent; i++) {
        *ret *= 10;
    }
    return true;
}

static void widen(cm_range *range, bool *first, cm_i128 value)
{
    if (*first || value < range->lo) {
        range->lo = value;
    }
    if (*first || value > range->hi) {
        range->hi = value;
    }
    *first = false;
}

bool cm_range_mul(cm_range a, cm_range b, cm_range *ret)
{
    const cm_i128 x[2] = {a.lo, a.hi}, y[2] = {b.lo, b.hi};
    bool first = true;

    for (size_t i = 0; i < 4; i++) {
        cm_i128 value;
        if (!product(x[i / 2], y[i % 2], &value)) {
            return false;
        }
        widen(ret, &first, value);
    }
    return true;
}

/* Truncated quotient.  A divisor that can only be 0 never gives a value: any range will do. */
static cm_range range_div(cm_range a, cm_range b)
{
    const cm_i128 x[3] = {a.lo, a.hi, a.lo <= 0 && a.hi >= 0 ? 0 : a.lo};
    const cm_i128 y[4] = {b.lo, b.hi, -1, 1};
    cm_range range = {0, 0};
    bool first = true;

    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 4; j++) {
            if (y[j] != 0 && y[j] >= b.lo && y[j] <= b.hi) {
                widen(&range, &first, x[i] / y[j]);
            }
        }
    }
    return range;
}

static cm_range range_mod(cm_range a, cm_range b)
{
    cm_i128 lo = magnitude(b.lo), hi = magnitude(b.hi);
    cm_i128 most = (lo > hi ? lo : hi) - 1;
    cm_range range = {0, 0};

    if (most < 0) {
        return range;
    }
    if (a.lo < 0) {
        range.lo = -a.lo < most ? a.lo : -most;
    }
    if (a.hi > 0) {
        range.hi = a.hi < most ? a.hi : most;
    }
    return range;
}

static cm_range range_abs(cm_range a)
{
    cm_i128 lo = magnitude(a.lo), hi = magnitude(a.hi);
    cm_range range = {lo < hi ? lo : hi, lo < hi ? hi : lo};

    if (a.lo <= 0 && a.hi >= 0) {
        range.lo = 0;
    }
    return range;
}

/* Monotone, so the ends move; one unit of slack covers all four ways of rounding. */
static bool range_rescale(cm_expr_op op, cm_range a, int from, int to, cm_range *ret)
{
    cm_i128 power;

    if (!cm_range_power(to > from ? to - from : from - to, &power)) {
        return false;
    }
    if (to >= from) {
        return cm_range_mul(a, (cm_range){power, power}, ret);
    }
    cm_i128 lo = a.lo / power, hi = a.hi / power; /* towards zero */
    if (op == CM_X_RESCALE) {
        lo = (a.lo + (a.lo < 0 ? -(power / 2) : power / 2)) / power;
        hi = (a.hi + (a.hi < 0 ? -(power / 2) : power / 2)) / power;
    } else if (op == CM_X_FLOOR) {
        lo -= a.lo < 0 && a.lo % power != 0;
        hi -= a.hi < 0 && a.hi % power != 0;
    } else if (op == CM_X_CEIL) {
        lo += a.lo > 0 && a.lo % power != 0;
        hi += a.hi > 0 && a.hi % power != 0;
    }
    *ret = (cm_range){lo, hi};
    return true;
}

static cm_i128 floor_div(cm_i128 a, cm_i128 b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

#define MICROS_PER_DAY ((cm_i128)86400 * 1000000)

/* The first and last year that values of a date or timestamp range can have. */
static cm_range range_year(const cm_expr *arg)
{
    cm_i128 unit = arg->type.kind == CM_TYPE_TIMESTAMP ? MICROS_PER_DAY : 1;
    int lo, hi, month, day;

    cm_date_to_ymd(floor_div(arg->range.lo, unit), &lo, &month, &day);
    cm_date_to_ymd(floor_div(arg->range.hi, unit), &hi, &month, &day);
    return (cm_range){lo, hi};
}

static bool range_extract(cm_field field, const cm_expr *arg, const cm_type *type, cm_range *ret)
{
    const cm_i128 epoch_2000 = 946684800;
    cm_i128 power;

    if (!cm_range_power(type->scale, &power)) {
        return false;
    }
    switch (field) {
    case CM_FIELD_YEAR:
        *ret = range_year(arg);
        break;
    case CM_FIELD_QUARTER:
        *ret = (cm_range){1, 4};
        break;
    case CM_FIELD_MONTH:
        *ret = (cm_range){1, 12};
        break;
    case CM_FIELD_WEEK:
        *ret = (cm_range){1, 53};
        break;
    case CM_FIELD_DAY:
        *ret = (cm_range){1, 31};
        break;
    case CM_FIELD_DOW:
        *ret = (cm_range){0, 6};
        break;
    case CM_FIELD_DOY:
        *ret = (cm_range){1, 366};
        break;
    case CM_FIELD_HOUR:
        *ret = (cm_range){0, 23};
        break;
    case CM_FIELD_MINUTE:
        *ret = (cm_range){0, 59};
        break;
    case CM_FIELD_SECOND:
        *ret = (cm_range){0, 60}; /* 60 only as a bound of 59.999999 */
        break;
    case CM_FIELD_EPOCH:
        if (arg->type.kind == CM_TYPE_TIMESTAMP) {
            *ret = (cm_range){floor_div(arg->range.lo, 1000000) + epoch_2000,
                              floor_div(arg->range.hi, 1000000) + 1 + epoch_2000};
        } else {
            *ret =
                (cm_range){arg->range.lo * 86400 + epoch_2000, arg->range.hi * 86400 + epoch_2000};
        }
        break;
    default:
        CM_ASSERT(false && "field");
    }
    return cm_range_mul(*ret, (cm_range){power, power}, ret);
}

/* Truncation moves a value down by at most one such period (days or microseconds). */
static cm_range range_date_trunc(cm_field field, const cm_expr *arg)
{
    cm_i128 unit = arg->type.kind == CM_TYPE_TIMESTAMP ? MICROS_PER_DAY : 1;
    cm_i128 days = field == CM_FIELD_YEAR      ? 366
                   : field == CM_FIELD_QUARTER ? 92
                   : field == CM_FIELD_MONTH   ? 31
                   : field == CM_FIELD_WEEK    ? 7
                                               : 1;

    return (cm_range){arg->range.lo - days * unit, arg->range.hi};
}

static bool is_null_const(const cm_expr *expr)
{
    return expr->op == CM_X_CONST && expr->value.null;
}

/* Hull over args[from], args[from + step], ...; NULLs have no value to cover. */
static cm_range range_hull(const cm_expr *const *args, size_t count, size_t from, size_t step)
{
    cm_range range = {0, 0};
    bool first = true;

    for (size_t i = from; i < count; i += step) {
        if (!is_null_const(args[i])) {
            widen(&range, &first, args[i]->range.lo);
            widen(&range, &first, args[i]->range.hi);
        }
    }
    return range;
}

/* Results of CASE: every second argument, and the last. */
static cm_range range_case(const cm_expr *const *args, size_t count)
{
    const cm_expr *ends[2] = {args[count - 1], args[count - 1]};
    cm_range results = range_hull(args, count, 1, 2);
    bool none = true;

    for (size_t i = 1; i < count; i += 2) {
        none = none && is_null_const(args[i]);
    }
    if (none) {
        return range_hull(ends, 2, 0, 1);
    }
    if (!is_null_const(args[count - 1])) {
        bool first = false;
        widen(&results, &first, args[count - 1]->range.lo);
        widen(&results, &first, args[count - 1]->range.hi);
    }
    return results;
}

static cm_range range_extreme(cm_expr_op op, const cm_expr *const *args, size_t count)
{
    cm_range range = range_hull(args, count, 0, 1);

    for (size_t i = 0; i < count; i++) {
        if (args[i]->nullable) {
            continue; /* ignored when NULL: bounds nothing */
        }
        if (op == CM_X_GREATEST && args[i]->range.lo > range.lo) {
            range.lo = args[i]->range.lo;
        }
        if (op == CM_X_LEAST && args[i]->range.hi < range.hi) {
            range.hi = args[i]->range.hi;
        }
    }
    return range;
}

/* Integers and numerics of declared precision are checked when evaluated; of a quotient, precision
 * is a number of digits to show. */
static bool range_cast(const cm_type *type, cm_range a, cm_range *ret)
{
    cm_range own = a;

    if (type->kind == CM_TYPE_INT2 || type->kind == CM_TYPE_INT4 || type->kind == CM_TYPE_INT8 ||
        (type->kind == CM_TYPE_NUMERIC && type->precision > 0 && !type->quotient)) {
        own = cm_type_range(type);
    }
    ret->lo = a.lo > own.lo ? a.lo : own.lo;
    ret->hi = a.hi < own.hi ? a.hi : own.hi;
    return ret->lo <= ret->hi;
}

bool cm_expr_range_of(const cm_expr *x, cm_range *ret)
{
    const cm_range zero = {0, 0};
    cm_range a = x->args > 0 ? x->arg[0]->range : zero;
    cm_range b = x->args > 1 ? x->arg[1]->range : zero;
    cm_i128 power;

    switch (x->op) {
    case CM_X_PARAM:
        *ret = cm_type_range(&x->type);
        return true;
    case CM_X_ADD:
        *ret = (cm_range){a.lo + b.lo, a.hi + b.hi};
        return true;
    case CM_X_SUB:
        *ret = (cm_range){a.lo - b.hi, a.hi - b.lo};
        return true;
    case CM_X_MUL:
        return cm_range_mul(a, b, ret);
    case CM_X_IDIV:
        *ret = range_div(a, b);
        return true;
    case CM_X_QUOT:
        if (!cm_range_power(x->shift, &power) || !cm_range_mul(a, (cm_range){power, power}, &a)) {
            return false;
        }
        *ret = range_div(a, b);
        if (x->args == 4) {
            ret->lo = ret->lo > x->arg[2]->range.lo ? ret->lo : x->arg[2]->range.lo;
            ret->hi = ret->hi < x->arg[3]->range.hi ? ret->hi : x->arg[3]->range.hi;
        }
        return true;
    case CM_X_MOD:
        *ret = range_mod(a, b);
        return true;
    case CM_X_NEG:
        *ret = (cm_range){-a.hi, -a.lo};
        return true;
    case CM_X_ABS:
        *ret = range_abs(a);
        return true;
    case CM_X_RESCALE:
    case CM_X_TRUNC:
    case CM_X_FLOOR:
    case CM_X_CEIL:
        return range_rescale(x->op, a, x->arg[0]->type.scale, x->type.scale, ret);
    case CM_X_CAST:
        return range_cast(&x->type, a, ret);
    case CM_X_CASE:
        *ret = range_case(x->arg, x->args);
        return true;
    case CM_X_COALESCE:
        *ret = range_hull(x->arg, x->args, 0, 1);
        return true;
    case CM_X_NULLIF:
        *ret = a;
        return true;
    case CM_X_GREATEST:
    case CM_X_LEAST:
        *ret = range_extreme(x->op, x->arg, x->args);
        return true;
    case CM_X_EXTRACT:
        return range_extract((cm_field)x->index, x->arg[0], &x->type, ret);
    case CM_X_DATE_TRUNC:
        *ret = range_date_trunc((cm_field)x->index, x->arg[0]);
        return true;
    case CM_X_ADD_MONTHS:
        power = 31 * (x->arg[0]->type.kind == CM_TYPE_TIMESTAMP ? MICROS_PER_DAY : 1);
        if (!cm_range_mul(b, (cm_range){power, power}, &b)) {
            return false;
        }
        *ret = (cm_range){a.lo + (b.lo < 0 ? b.lo : 0), a.hi + (b.hi > 0 ? b.hi : 0)};
        return true;
    case CM_X_STAT:
        *ret = (cm_range){cm_stat_is_signed((cm_stat)x->index) ? -a.hi : 0, a.hi};
        return true;
    case CM_X_LENGTH:
    case CM_X_POSITION:
        *ret = (cm_range){0, x->arg[0]->type.max_bytes};
        return true;
    case CM_X_EQ:
    case CM_X_NE:
    case CM_X_LT:
    case CM_X_LE:
    case CM_X_GT:
    case CM_X_GE:
    case CM_X_NOT_DISTINCT:
    case CM_X_AND:
    case CM_X_OR:
    case CM_X_NOT:
    case CM_X_IS_NULL:
    case CM_X_IS_TRUE:
    case CM_X_IS_FALSE:
    case CM_X_IN:
    case CM_X_LIKE:
        *ret = (cm_range){0, 1};
        return true;
    case CM_X_LOWER:
    case CM_X_UPPER:
    case CM_X_SUBSTRING:
    case CM_X_CONCAT:
    case CM_X_TRIM:
    case CM_X_REPLACE:
        *ret = zero;
        return true;
    case CM_X_CONST:
    case CM_X_COLUMN:
    case CM_X_AGG:
        break;
    }
    CM_ASSERT(false && "has a constructor of its own");
}
