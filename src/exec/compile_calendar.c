/*
 * Dates and timestamps as calendar programs: everything comes down to a day's year, month and day
 * (compile_date.c) and the first day of a month or year.  Counted from March, a year's months begin
 * at day (153 m + 2) / 5, and year y at day 365 y + y/4 - y/100 + y/400.
 */
#include "exec/compile_int.h"

#define MICROS_PER_DAY ((cm_i128)86400 * 1000000)
#define EPOCH_2000 ((cm_i128)946684800) /* seconds from 1970-01-01 */
enum { MARCH_1_YEAR_0 = 730425, JANUARY = 306 };

static cm_cval plus(cm_compiler *c, const cm_cval *a, const cm_cval *b)
{
    return cm_compile_add(c, a, b,
                          (cm_range){a->range.lo + b->range.lo, a->range.hi + b->range.hi});
}

static cm_cval plus_const(cm_compiler *c, const cm_cval *a, cm_i128 value)
{
    cm_cval b = cm_cval_const(value);

    return plus(c, a, &b);
}

/* a - b, which lies in the range whatever theirs say. */
static cm_cval minus(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_i128 lo, cm_i128 hi)
{
    return cm_compile_sub(c, a, b, (cm_range){lo, hi});
}

static cm_cval times(cm_compiler *c, const cm_cval *a, cm_i128 factor)
{
    cm_cval b = cm_cval_const(factor);

    return cm_compile_mul(c, a, &b, (cm_range){a->range.lo * factor, a->range.hi * factor});
}

/* Of what is not negative. */
static cm_cval quotient(cm_compiler *c, const cm_cval *a, cm_i128 by)
{
    cm_cval b = cm_cval_const(by);

    CM_ASSERT(a->range.lo >= 0);
    return cm_compile_divide(c, CM_X_IDIV, a, &b, 0, CM_WIRE_0,
                             (cm_range){a->range.lo / by, a->range.hi / by});
}

static cm_cval rest(cm_compiler *c, const cm_cval *a, cm_i128 by)
{
    cm_cval b = cm_cval_const(by);

    CM_ASSERT(a->range.lo >= 0);
    return cm_compile_divide(c, CM_X_MOD, a, &b, 0, CM_WIRE_0, (cm_range){0, by - 1});
}

static cm_i128 floor_div(cm_i128 a, cm_i128 b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Days and the microseconds of the day. */
static void split(cm_compiler *c, const cm_cval *micros, cm_cval *ret_days, cm_cval *ret_micros)
{
    cm_i128 first = floor_div(micros->range.lo, MICROS_PER_DAY);
    cm_cval moved = plus_const(c, micros, -first * MICROS_PER_DAY);
    cm_cval days = quotient(c, &moved, MICROS_PER_DAY);

    *ret_days = plus_const(c, &days, first);
    *ret_micros = rest(c, &moved, MICROS_PER_DAY);
}

/* The day of the year that begins in March of year 0 or later, from the year's number. */
static cm_cval march_first(cm_compiler *c, const cm_cval *year)
{
    cm_cval days = times(c, year, 365), part = quotient(c, year, 4);

    days = plus(c, &days, &part);
    part = quotient(c, year, 100);
    days = minus(c, &days, &part, days.range.lo - part.range.hi, days.range.hi - part.range.lo);
    part = quotient(c, year, 400);
    days = plus(c, &days, &part);
    return plus_const(c, &days, -MARCH_1_YEAR_0);
}

/* January belongs to the year that began the March before. */
static cm_cval january_first(cm_compiler *c, const cm_cval *year)
{
    cm_cval before = plus_const(c, year, -1);
    cm_cval days = march_first(c, &before);

    return plus_const(c, &days, JANUARY);
}

static cm_cval month_first(cm_compiler *c, const cm_cval *year, const cm_cval *month)
{
    cm_cval march = cm_cval_const(3);
    cm_cval early = cm_cval_of_wire(cm_compile_less(c, month, &march), CM_WIRE_0);
    cm_cval twelve = times(c, &early, 12), moved = plus_const(c, month, -3);
    cm_cval years = minus(c, year, &early, year->range.lo - 1, year->range.hi);

    moved = cm_compile_add(c, &moved, &twelve, (cm_range){0, 11});
    moved = times(c, &moved, 153);
    moved = plus_const(c, &moved, 2);
    moved = quotient(c, &moved, 5);
    cm_cval days = march_first(c, &years);
    return plus(c, &days, &moved);
}

/* Days since Monday. */
static cm_cval since_monday(cm_compiler *c, const cm_cval *days)
{
    cm_i128 weeks = floor_div(days->range.lo + 5, 7);
    cm_cval moved = plus_const(c, days, 5 - 7 * weeks); /* 2000-01-01 was a Saturday */

    return rest(c, &moved, 7);
}

static cm_cval monday_of(cm_compiler *c, const cm_cval *days)
{
    cm_cval since = since_monday(c, days);

    return minus(c, days, &since, days->range.lo - 6, days->range.hi);
}

/* The number of the day of the year, from 0. */
static cm_cval day_of_year(cm_compiler *c, const cm_cval *days)
{
    cm_cval year, month, day;

    cm_compile_civil(c, days, &year, &month, &day);
    cm_cval first = january_first(c, &year);
    return minus(c, days, &first, 0, 365);
}

static cm_cval field_of(cm_compiler *c, cm_field field, const cm_cval *days, const cm_cval *micros,
                        const cm_cval *whole, bool stamp)
{
    cm_cval x;

    switch (field) {
    case CM_FIELD_DOY:
        x = day_of_year(c, days);
        return plus_const(c, &x, 1);
    case CM_FIELD_WEEK: /* that of the week's Thursday: ISO 8601 */
        x = monday_of(c, days);
        x = plus_const(c, &x, 3);
        x = day_of_year(c, &x);
        x = quotient(c, &x, 7);
        return plus_const(c, &x, 1);
    case CM_FIELD_HOUR:
        return quotient(c, micros, 3600 * (cm_i128)1000000);
    case CM_FIELD_MINUTE:
        x = quotient(c, micros, 60 * (cm_i128)1000000);
        return rest(c, &x, 60);
    case CM_FIELD_SECOND:
        return rest(c, micros, 60 * (cm_i128)1000000);
    case CM_FIELD_EPOCH:
    case CM_FIELD_YEAR:
    case CM_FIELD_QUARTER:
    case CM_FIELD_MONTH:
    case CM_FIELD_DAY:
    case CM_FIELD_DOW:
        break;
    }
    x = stamp ? *whole : times(c, days, 86400);
    return plus_const(c, &x, EPOCH_2000 * (stamp ? 1000000 : 1));
}

static cm_cval first_day(cm_compiler *c, cm_field field, const cm_cval *days)
{
    cm_cval year, month, day;

    if (field == CM_FIELD_WEEK) {
        return monday_of(c, days);
    }
    if (field != CM_FIELD_YEAR && field != CM_FIELD_QUARTER && field != CM_FIELD_MONTH) {
        return *days;
    }
    cm_compile_civil(c, days, &year, &month, &day);
    if (field == CM_FIELD_YEAR) {
        return january_first(c, &year);
    }
    if (field == CM_FIELD_MONTH) {
        cm_cval before = plus_const(c, &day, -1);
        return minus(c, days, &before, days->range.lo - 30, days->range.hi);
    }
    cm_cval quarter = plus_const(c, &month, -1);
    quarter = quotient(c, &quarter, 3);
    quarter = times(c, &quarter, 3);
    quarter = plus_const(c, &quarter, 1);
    return month_first(c, &year, &quarter);
}

/* Day 31 of a month of 30 becomes day 30. */
static cm_cval months_later(cm_compiler *c, const cm_cval *days, cm_i128 months)
{
    cm_cval year, month, day, first[2];

    cm_compile_civil(c, days, &year, &month, &day);
    cm_cval index = times(c, &year, 12);
    index = plus(c, &index, &month);
    for (int i = 0; i < 2; i++) {
        cm_cval at = plus_const(c, &index, months - 1 + i);
        cm_cval in_year = quotient(c, &at, 12), in_month = rest(c, &at, 12);
        in_month = plus_const(c, &in_month, 1);
        first[i] = month_first(c, &in_year, &in_month);
    }
    cm_cval length = minus(c, &first[1], &first[0], 28, 31);
    cm_wire late = cm_compile_less(c, &length, &day);
    day = cm_compile_choose(c, late, &length, &day, (cm_range){1, 31});
    cm_cval ret = plus(c, &first[0], &day);
    return plus_const(c, &ret, -1);
}

static cm_cval truncated(cm_compiler *c, const cm_expr *expr, const cm_cval *days,
                         const cm_cval *micros)
{
    cm_field field = (cm_field)expr->index;
    const cm_i128 unit = field == CM_FIELD_HOUR     ? 3600 * (cm_i128)1000000
                         : field == CM_FIELD_MINUTE ? 60 * (cm_i128)1000000
                                                    : 1000000;

    cm_cval x = first_day(c, field, days);
    if (expr->type.kind != CM_TYPE_TIMESTAMP) {
        return x;
    }
    x = times(c, &x, MICROS_PER_DAY);
    if (field == CM_FIELD_HOUR || field == CM_FIELD_MINUTE || field == CM_FIELD_SECOND) {
        cm_cval units = quotient(c, micros, unit);
        units = times(c, &units, unit);
        x = plus(c, &x, &units);
    }
    return x;
}

cm_status cm_compile_calendar(cm_compiler *c, const cm_expr *expr, const cm_cval *arg, bool is_days,
                              cm_cval *ret)
{
    const bool stamp = expr->arg[0]->type.kind == CM_TYPE_TIMESTAMP;
    cm_cval days = *arg, micros = cm_cval_const(0), whole = *arg, x;

    if (stamp && !is_days) {
        split(c, arg, &days, &micros);
    } else if (stamp) {
        whole = times(c, arg, MICROS_PER_DAY);
    }
    if (expr->op == CM_X_EXTRACT && (expr->index <= CM_FIELD_MONTH || expr->index == CM_FIELD_DAY ||
                                     expr->index == CM_FIELD_DOW)) {
        return cm_compile_extract(c, expr, &days, ret);
    }
    if (expr->op == CM_X_EXTRACT) {
        x = field_of(c, (cm_field)expr->index, &days, &micros, &whole, stamp);
    } else if (expr->op == CM_X_DATE_TRUNC) {
        x = truncated(c, expr, &days, &micros);
    } else {
        x = months_later(c, &days, expr->arg[1]->value.number);
        if (stamp) {
            x = times(c, &x, MICROS_PER_DAY);
            x = plus(c, &x, &micros);
        }
    }
    x.null = arg->null;
    *ret = cm_compile_convert(c, &x, expr->range);
    return CM_OK;
}
