/*
 * Calendar fields of a day number by constant divisions: the proleptic Gregorian calendar repeats
 * every 146,097 days, and counting years from March makes the leap day the last of its year
 * (E. G. Richards, "Calendars", in: Explanatory Supplement to the Astronomical Almanac, 2013).
 */
#include "exec/compile_int.h"

enum { DAYS_400_YEARS = 146097, MARCH_1_YEAR_0 = 730425 }; /* days from 0000-03-01 to 2000-01-01 */

static cm_num divide(cm_circuit *circuit, cm_num x, uint32_t by, cm_num *ret_rest)
{
    cm_range range = {0, by};
    cm_num quotient;
    cm_num_divmod(circuit, x, cm_num_const((cm_i128)by, cm_range_planes(range)), &quotient,
                  ret_rest);
    return quotient;
}

static cm_num minus_quotient(cm_circuit *circuit, cm_num from, cm_num x, uint32_t by)
{
    cm_num rest;
    cm_num quotient = divide(circuit, x, by, &rest);
    return cm_num_sub(circuit, from, quotient, from.bits);
}

/* Year, month 1..12 and day 1..31 of a date not before 0000-03-01. */
static void civil(cm_compiler *c, const cm_cval *date, cm_num *year, cm_num *month, cm_num *day)
{
    cm_circuit *k = c->circuit;
    cm_range shifted = {0, date->range.hi + MARCH_1_YEAR_0};
    unsigned bits = cm_range_planes(shifted);
    cm_num days = cm_num_add_const(k, date->data, date->range.lo + MARCH_1_YEAR_0, bits);
    cm_num of_era;
    cm_num era = divide(k, days, DAYS_400_YEARS, &of_era);

    /* Year of the era = (d - d/1460 + d/36524 - d/146096) / 365. */
    cm_num rest;
    cm_num x = minus_quotient(k, of_era, of_era, 1460);
    x = cm_num_add(k, x, divide(k, of_era, 36524, &rest), 18);
    x = minus_quotient(k, x, of_era, 146096);
    cm_num year_of_era = divide(k, x, 365, &rest);

    /* Day of the year that begins in March = d - (365 y + y/4 - y/100). */
    cm_num before = cm_num_mul_const(k, year_of_era, 365, 18);
    before = cm_num_add(k, before, divide(k, year_of_era, 4, &rest), 18);
    before = minus_quotient(k, before, year_of_era, 100);
    cm_num day_of_year = cm_num_zero_extend(cm_num_sub(k, of_era, before, 18), 9);

    /* March-based month = (5 d + 2) / 153; its first day = (153 m + 2) / 5. */
    cm_num five = cm_num_add_const(k, cm_num_mul_const(k, day_of_year, 5, 12), 2, 12);
    cm_num march_month = cm_num_zero_extend(divide(k, five, 153, &rest), 4);
    cm_num first = cm_num_add_const(k, cm_num_mul_const(k, march_month, 153, 12), 2, 12);
    first = divide(k, first, 5, &rest);
    *day = cm_num_add_const(k, cm_num_sub(k, day_of_year, first, 9), 1, 5);

    /* Months 10 and 11 are January and February of the next year. */
    cm_wire next_year = cm_gate_not(k, cm_num_lt(k, march_month, cm_num_const(10, 4)));
    cm_num late = cm_num_add_const(k, march_month, -9, 4);
    cm_num early = cm_num_add_const(k, march_month, 3, 4);
    *month = cm_num_mux(k, next_year, late, early);
    cm_num base = cm_num_mul_const(k, era, 400, era.bits + 9);
    *year = cm_num_add(k, base, year_of_era, era.bits + 9);
    *year = cm_num_add(k, *year, cm_num_of_wire(next_year), era.bits + 9);
}

void cm_compile_civil(cm_compiler *c, const cm_cval *date, cm_cval *ret_year, cm_cval *ret_month,
                      cm_cval *ret_day)
{
    cm_num year, month, day;
    int lo, hi, any_month, any_day;

    civil(c, date, &year, &month, &day);
    cm_date_to_ymd(date->range.lo, &lo, &any_month, &any_day);
    cm_date_to_ymd(date->range.hi, &hi, &any_month, &any_day);
    const cm_signed parts[3] = {{CM_WIRE_0, year}, {CM_WIRE_0, month}, {CM_WIRE_0, day}};
    *ret_year = cm_compile_of_signed(c, parts[0], date->null, (cm_range){lo, hi});
    *ret_month = cm_compile_of_signed(c, parts[1], date->null, (cm_range){1, 12});
    *ret_day = cm_compile_of_signed(c, parts[2], date->null, (cm_range){1, 31});
}

/* ---- few values --------------------------------------------------------------------------- */

/* A day in the clear: the same steps. */
static unsigned field_of(cm_i128 day, unsigned field)
{
    uint64_t days = (uint64_t)(day + MARCH_1_YEAR_0);
    uint64_t era = days / DAYS_400_YEARS;
    uint64_t of_era = days % DAYS_400_YEARS;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t march_month = (5 * of_year + 2) / 153;
    uint64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    switch (field) {
    case CM_FIELD_YEAR:
        return (unsigned)(era * 400 + year + (march_month >= 10));
    case CM_FIELD_QUARTER:
        return (unsigned)((month + 2) / 3);
    default:
        CM_ASSERT(field == CM_FIELD_MONTH);
        return (unsigned)month;
    }
}

enum { FEW_STEPS = 96, FEW_DAYS = 366 * FEW_STEPS };

/*
 * Of a date within few years, year, quarter and month change on few known days: one comparison with
 * a constant for each.  The comparisons are true for all steps up to the date's and false from
 * there on, so that XOR of the changes of all true ones is the value.  A comparison costs about a
 * tenth of a division.
 */
static bool by_steps(cm_circuit *k, unsigned field, const cm_cval *date, cm_num *ret)
{
    cm_i128 step[FEW_STEPS];
    unsigned change[FEW_STEPS];
    size_t steps = 0;
    if ((field != CM_FIELD_YEAR && field != CM_FIELD_QUARTER && field != CM_FIELD_MONTH) ||
        date->range.hi - date->range.lo > FEW_DAYS) {
        return false;
    }
    unsigned first = field_of(date->range.lo, field);
    unsigned most = first;
    for (cm_i128 day = date->range.lo + 1; day <= date->range.hi; day++) {
        unsigned change_here = field_of(day, field) ^ field_of(day - 1, field);
        if (change_here != 0 && steps == FEW_STEPS) {
            return false;
        }
        if (change_here != 0) {
            step[steps] = day - date->range.lo;
            change[steps++] = change_here;
            most |= field_of(day, field);
        }
    }
    cm_num sum = cm_num_const((cm_i128)first, cm_range_planes((cm_range){0, (cm_i128)most}));
    for (size_t i = 0; i < steps; i++) {
        cm_num at = cm_num_const(step[i], date->data.bits);
        cm_wire reached = cm_gate_not(k, cm_num_lt(k, date->data, at));
        for (unsigned bit = 0; bit < sum.bits; bit++) {
            if ((change[i] >> bit & 1) != 0) {
                sum.wire[bit] = cm_gate_xor(k, sum.wire[bit], reached);
            }
        }
    }
    *ret = sum;
    return true;
}

cm_status cm_compile_extract(cm_compiler *c, const cm_expr *expr, const cm_cval *date, cm_cval *ret)
{
    cm_circuit *k = c->circuit;
    cm_signed field = {.negative = CM_WIRE_0};
    if (date->range.lo < -MARCH_1_YEAR_0) {
        return cm_fail(c->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "EXTRACT under MPC needs a date after year 0");
    }
    if (by_steps(k, expr->index, date, &field.magnitude)) {
        *ret = cm_compile_of_signed(c, field, date->null, expr->range);
        return CM_OK;
    }
    cm_num year;
    cm_num month;
    cm_num day;
    cm_num rest;
    switch (expr->index) {
    case CM_FIELD_YEAR:
        civil(c, date, &year, &month, &day);
        field.magnitude = year;
        break;
    case CM_FIELD_QUARTER:
        civil(c, date, &year, &month, &day);
        field.magnitude =
            divide(k, cm_num_add_const(k, month, 2, 4), 3, &rest); /* (month + 2) / 3 */
        break;
    case CM_FIELD_MONTH:
        civil(c, date, &year, &month, &day);
        field.magnitude = month;
        break;
    case CM_FIELD_DAY:
        civil(c, date, &year, &month, &day);
        field.magnitude = day;
        break;
    case CM_FIELD_DOW: { /* 2000-01-01 was a Saturday; 0000-03-01 a Wednesday */
        cm_range shifted = {0, date->range.hi + MARCH_1_YEAR_0 + 3};
        cm_num days = cm_num_add_const(k, date->data, date->range.lo + MARCH_1_YEAR_0 + 3,
                                       cm_range_planes(shifted));
        (void)divide(k, days, 7, &field.magnitude);
        break;
    }
    default:
        return cm_fail(c->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "this field of EXTRACT is not supported under MPC");
    }
    *ret = cm_compile_of_signed(c, field, date->null, expr->range);
    return CM_OK;
}
