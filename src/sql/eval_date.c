/* Dates by days since 2000-01-01, which was a Saturday. */
#include "sql/eval_int.h"

static const cm_i128 micros_per_day = (cm_i128)86400 * 1000000;

static cm_i128 floor_div(cm_i128 a, cm_i128 b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static cm_i128 floor_mod(cm_i128 a, cm_i128 b)
{
    return a - floor_div(a, b) * b;
}

/* The week of a day is the week of its Thursday: ISO 8601. */
static cm_i128 iso_week(cm_i128 days)
{
    cm_i128 thursday = days - floor_mod(days + 5, 7) + 3;
    int year, month, day;

    cm_date_to_ymd(thursday, &year, &month, &day);
    return (thursday - cm_date_from_ymd(year, 1, 1)) / 7 + 1;
}

static cm_i128 power_of_ten(int exponent)
{
    cm_i128 power = 1;

    for (int i = 0; i < exponent; i++) {
        power *= 10;
    }
    return power;
}

/* Microseconds as seconds with so many digits; more than six are zeros. */
static cm_i128 seconds(cm_i128 micros, int scale)
{
    return scale >= 6 ? micros * power_of_ten(scale - 6)
                      : floor_div(micros, power_of_ten(6 - scale));
}

static cm_i128 extract(cm_field field, cm_i128 days, cm_i128 micros, int scale)
{
    const cm_i128 epoch_2000 = 946684800;
    int year, month, day;

    cm_date_to_ymd(days, &year, &month, &day);
    switch (field) {
    case CM_FIELD_YEAR:
        return year * power_of_ten(scale);
    case CM_FIELD_QUARTER:
        return ((month - 1) / 3 + 1) * power_of_ten(scale);
    case CM_FIELD_MONTH:
        return month * power_of_ten(scale);
    case CM_FIELD_WEEK:
        return iso_week(days) * power_of_ten(scale);
    case CM_FIELD_DAY:
        return day * power_of_ten(scale);
    case CM_FIELD_DOW:
        return floor_mod(days + 6, 7) * power_of_ten(scale);
    case CM_FIELD_DOY:
        return (days - cm_date_from_ymd(year, 1, 1) + 1) * power_of_ten(scale);
    case CM_FIELD_HOUR:
        return micros / 3600000000 * power_of_ten(scale);
    case CM_FIELD_MINUTE:
        return micros / 60000000 % 60 * power_of_ten(scale);
    case CM_FIELD_SECOND:
        return seconds(micros % 60000000, scale);
    case CM_FIELD_EPOCH:
        return seconds((days * 86400 + epoch_2000) * 1000000 + micros, scale);
    }
    CM_ASSERT(false && "field");
}

/* The first day of the year, quarter, month or week, or the day itself. */
static cm_i128 first_day(cm_field field, cm_i128 days)
{
    int year, month, day;

    cm_date_to_ymd(days, &year, &month, &day);
    if (field == CM_FIELD_YEAR) {
        return cm_date_from_ymd(year, 1, 1);
    }
    if (field == CM_FIELD_QUARTER) {
        return cm_date_from_ymd(year, (month - 1) / 3 * 3 + 1, 1);
    }
    if (field == CM_FIELD_MONTH) {
        return cm_date_from_ymd(year, month, 1);
    }
    return field == CM_FIELD_WEEK ? days - floor_mod(days + 5, 7) : days;
}

static cm_i128 truncate_micros(cm_field field, cm_i128 micros)
{
    cm_i128 unit = field == CM_FIELD_HOUR     ? 3600000000
                   : field == CM_FIELD_MINUTE ? 60000000
                   : field == CM_FIELD_SECOND ? 1000000
                                              : micros_per_day;
    return micros - micros % unit;
}

/* Day 31 of a month of 30 becomes day 30. */
static cm_i128 add_months(cm_i128 days, cm_i128 months)
{
    int year, month, day;

    cm_date_to_ymd(days, &year, &month, &day);
    cm_i128 index = (cm_i128)year * 12 + month - 1 + months;
    cm_i128 first = cm_date_from_ymd((int)floor_div(index, 12), (int)floor_mod(index, 12) + 1, 1);
    index += 1;
    cm_i128 next = cm_date_from_ymd((int)floor_div(index, 12), (int)floor_mod(index, 12) + 1, 1);
    return first + (day <= next - first ? day : next - first) - 1;
}

cm_status cm_eval_date(const cm_expr *expr, const cm_value *args, cm_value *ret, cm_diag *diag)
{
    bool stamp = expr->arg[0]->type.kind == CM_TYPE_TIMESTAMP;
    cm_i128 days = stamp ? floor_div(args[0].number, micros_per_day) : args[0].number;
    cm_i128 micros = stamp ? floor_mod(args[0].number, micros_per_day) : 0;
    cm_field field = (cm_field)expr->index;

    *ret = (cm_value){0};
    if (expr->op == CM_X_EXTRACT) {
        ret->number = extract(field, days, micros, expr->type.scale);
        return CM_OK;
    }
    if (expr->op == CM_X_DATE_TRUNC) {
        days = first_day(field, days);
        micros = truncate_micros(field, micros);
    } else if (args[1].number > 120000 || args[1].number < -120000) {
        return cm_fail(diag, CM_ERANGE, "22008", "interval out of range");
    } else {
        days = add_months(days, args[1].number);
    }
    ret->number = stamp ? days * micros_per_day + micros : days;
    return CM_OK;
}
