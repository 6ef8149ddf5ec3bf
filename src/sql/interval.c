/* Intervals: months and microseconds, read as PostgreSQL's verbose style writes them. */
#include "sql/date_int.h"

#include <limits.h>

cm_i128 cm_interval_make(int months, cm_i128 micros)
{
    return (cm_i128)months * CM_INTERVAL_MONTH + micros;
}

int cm_interval_months(cm_i128 interval)
{
    const cm_i128 half = CM_INTERVAL_MONTH / 2;

    return (int)((interval >= 0 ? interval + half : interval - half) / CM_INTERVAL_MONTH);
}

cm_i128 cm_interval_micros(cm_i128 interval)
{
    return interval - (cm_i128)cm_interval_months(interval) * CM_INTERVAL_MONTH;
}

typedef struct unit_name {
    const char *name;
    cm_interval_unit unit;
} unit_name;

static const unit_name unit_names[] = {
    {"us", CM_UNIT_MICROSECOND},
    {"usec", CM_UNIT_MICROSECOND},
    {"usecs", CM_UNIT_MICROSECOND},
    {"microsecond", CM_UNIT_MICROSECOND},
    {"microseconds", CM_UNIT_MICROSECOND},
    {"ms", CM_UNIT_MILLISECOND},
    {"msec", CM_UNIT_MILLISECOND},
    {"msecs", CM_UNIT_MILLISECOND},
    {"millisecond", CM_UNIT_MILLISECOND},
    {"milliseconds", CM_UNIT_MILLISECOND},
    {"s", CM_UNIT_SECOND},
    {"sec", CM_UNIT_SECOND},
    {"secs", CM_UNIT_SECOND},
    {"second", CM_UNIT_SECOND},
    {"seconds", CM_UNIT_SECOND},
    {"m", CM_UNIT_MINUTE},
    {"min", CM_UNIT_MINUTE},
    {"mins", CM_UNIT_MINUTE},
    {"minute", CM_UNIT_MINUTE},
    {"minutes", CM_UNIT_MINUTE},
    {"h", CM_UNIT_HOUR},
    {"hr", CM_UNIT_HOUR},
    {"hrs", CM_UNIT_HOUR},
    {"hour", CM_UNIT_HOUR},
    {"hours", CM_UNIT_HOUR},
    {"d", CM_UNIT_DAY},
    {"day", CM_UNIT_DAY},
    {"days", CM_UNIT_DAY},
    {"w", CM_UNIT_WEEK},
    {"week", CM_UNIT_WEEK},
    {"weeks", CM_UNIT_WEEK},
    {"mon", CM_UNIT_MONTH},
    {"mons", CM_UNIT_MONTH},
    {"month", CM_UNIT_MONTH},
    {"months", CM_UNIT_MONTH},
    {"y", CM_UNIT_YEAR},
    {"yr", CM_UNIT_YEAR},
    {"yrs", CM_UNIT_YEAR},
    {"year", CM_UNIT_YEAR},
    {"years", CM_UNIT_YEAR},
    {"decade", CM_UNIT_DECADE},
    {"decades", CM_UNIT_DECADE},
    {"century", CM_UNIT_CENTURY},
    {"centuries", CM_UNIT_CENTURY},
    {"millennium", CM_UNIT_MILLENNIUM},
    {"millennia", CM_UNIT_MILLENNIUM},
};

static const int months_of[] = {
    [CM_UNIT_MONTH] = 1,      [CM_UNIT_YEAR] = 12,          [CM_UNIT_DECADE] = 120,
    [CM_UNIT_CENTURY] = 1200, [CM_UNIT_MILLENNIUM] = 12000,
};

static const int64_t micros_of[] = {
    [CM_UNIT_MICROSECOND] = 1,
    [CM_UNIT_MILLISECOND] = 1000,
    [CM_UNIT_SECOND] = 1000000,
    [CM_UNIT_MINUTE] = INT64_C(60000000),
    [CM_UNIT_HOUR] = INT64_C(3600000000),
    [CM_UNIT_DAY] = INT64_C(86400000000),
    [CM_UNIT_WEEK] = INT64_C(604800000000),
};

static bool take_unit(const char **at, cm_interval_unit *ret)
{
    for (size_t i = 0; i < CM_COUNT(unit_names); i++) {
        if (cm_take_word(at, unit_names[i].name)) {
            *ret = unit_names[i].unit;
            return true;
        }
    }
    return false;
}

typedef struct interval {
    cm_i128 months, micros;
} interval;

/* number[.fraction] of a unit.  Months and more come whole: half a month has no length. */
static cm_take_outcome add_quantity(interval *sum, cm_i128 whole, cm_i128 millionths,
                                    cm_interval_unit unit)
{
    if (unit >= CM_UNIT_MONTH) {
        cm_i128 scaled = millionths * months_of[unit];
        if (scaled % 1000000 != 0) {
            return CM_TAKE_MALFORMED;
        }
        sum->months += whole * months_of[unit] + scaled / 1000000;
        return CM_TAKE_FINE;
    }
    sum->micros += whole * micros_of[unit] + millionths * micros_of[unit] / 1000000;
    return CM_TAKE_FINE;
}

/* One [sign] number [unit] or [sign] hh:mm[:ss]. */
static cm_take_outcome take_quantity(const char **at, cm_interval_unit bare, interval *sum)
{
    cm_i128 sign = **at == '-' ? -1 : 1;
    cm_i128 fraction = 0;
    int whole;

    if (**at == '-' || **at == '+') {
        (*at)++;
    }
    const char *start = *at;
    if (take_number(at, 9, &whole) == 0 && **at != '.') {
        return is_digit(**at) ? CM_TAKE_OUT_OF_RANGE : CM_TAKE_MALFORMED;
    }
    if (take(at, ':')) {
        *at = start;
        cm_i128 micros;
        cm_take_outcome result = cm_take_time(at, &micros);
        if (result == CM_TAKE_FINE) {
            sum->micros += sign * micros;
        }
        return result;
    }
    if (take(at, '.') && !cm_take_fraction(at, &fraction)) {
        return CM_TAKE_MALFORMED;
    }
    skip_spaces(at);
    cm_interval_unit unit = bare;
    if (!take_unit(at, &unit) && **at != '\0') {
        return CM_TAKE_MALFORMED;
    }
    return add_quantity(sum, sign * whole, sign * fraction, unit);
}

static cm_take_outcome parse_interval(const char *text, cm_interval_unit bare, interval *ret)
{
    const char *at = text;
    interval sum = {0, 0};

    skip_spaces(&at);
    if (take(&at, '@')) {
        skip_spaces(&at);
    }
    if (*at == '\0') {
        return CM_TAKE_MALFORMED;
    }
    while (*at != '\0') {
        if (cm_take_word(&at, "ago")) {
            sum = (interval){-sum.months, -sum.micros};
            skip_spaces(&at);
            if (*at != '\0') {
                return CM_TAKE_MALFORMED;
            }
            break;
        }
        cm_take_outcome result = take_quantity(&at, bare, &sum);
        if (result != CM_TAKE_FINE) {
            return result;
        }
        skip_spaces(&at);
    }
    if (sum.months > INT_MAX || sum.months < INT_MIN || sum.micros > INT64_MAX ||
        sum.micros < INT64_MIN) {
        return CM_TAKE_OUT_OF_RANGE;
    }
    *ret = sum;
    return CM_TAKE_FINE;
}

cm_status cm_interval_parse(const char *text, cm_interval_unit bare, cm_i128 *ret, cm_diag *diag)
{
    interval sum;

    switch (parse_interval(text, bare, &sum)) {
    case CM_TAKE_FINE:
        *ret = cm_interval_make((int)sum.months, sum.micros);
        return CM_OK;
    case CM_TAKE_OUT_OF_RANGE:
        return cm_fail(diag, CM_EINVAL, CM_SQL_DATETIME_RANGE,
                       "interval field value out of range: \"" CM_QUOTE "\"", text);
    case CM_TAKE_MALFORMED:
        break;
    }
    return cm_fail_date(CM_TAKE_MALFORMED, "interval", text, diag);
}
