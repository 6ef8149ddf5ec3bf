/*
 * Calendar arithmetic and the ISO texts of dates, timestamps and intervals.
 *
 * Days are counted from 2000-01-01 in the proleptic Gregorian calendar; year 0 is 1 BC.  The two
 * conversions work in 400-year eras that begin on March 1, so that the leap day comes last
 * (Howard Hinnant, "chrono-compatible low-level date algorithms").
 */
#include "sql/sql_int.h"

#include <limits.h>
#include <string.h>

/* Days from 0000-03-01 to 2000-01-01. */
#define DAYS_TO_2000 730425

cm_i128 cm_date_from_ymd(int year, int month, int day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - DAYS_TO_2000;
}

void cm_date_to_ymd(cm_i128 days, int *ret_year, int *ret_month, int *ret_day)
{
    CM_ASSERT(days > INT64_MIN / 4 && days < INT64_MAX / 4);
    int64_t z = (int64_t)days + DAYS_TO_2000;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;

    *ret_day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *ret_month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    int64_t year = year_of_era + era * 400 + (*ret_month <= 2);
    *ret_year = year > INT_MAX ? INT_MAX : year < INT_MIN ? INT_MIN : (int)year;
}

/* A cursor over a text; every take_ function moves it past what it took. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void skip_spaces(const char **at)
{
    while (is_space(**at)) {
        (*at)++;
    }
}

static bool take(const char **at, char c)
{
    if (**at != c) {
        return false;
    }
    (*at)++;
    return true;
}

/* Up to max_digits digits; returns how many there were. */
static int take_number(const char **at, int max_digits, int *ret)
{
    int digits = 0;
    int value = 0;

    while (digits < max_digits && is_digit(**at)) {
        value = value * 10 + (**at - '0');
        (*at)++;
        digits++;
    }
    *ret = value;
    return is_digit(**at) ? 0 : digits;
}

/* A word without regard to case; nothing is taken when it is another one. */
static bool take_word(const char **at, const char *word)
{
    size_t bytes = strlen(word);

    for (size_t i = 0; i < bytes; i++) {
        if (lower((*at)[i]) != word[i]) {
            return false;
        }
    }
    char next = lower((*at)[bytes]);
    if (next >= 'a' && next <= 'z') {
        return false;
    }
    *at += bytes;
    return true;
}

typedef enum outcome { FINE, MALFORMED, OUT_OF_RANGE } outcome;

typedef struct date_time {
    int year, month, day;
    cm_i128 micros; /* of the day; may reach the end of it: 24:00:00 */
} date_time;

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* year-month-day, year/month/day or yyyymmdd. */
static outcome take_date(const char **at, date_time *ret)
{
    const char *start = *at;
    int digits = take_number(at, 8, &ret->year);

    if (digits == 8) {
        ret->day = ret->year % 100;
        ret->month = ret->year / 100 % 100;
        ret->year /= 10000;
        return FINE;
    }
    *at = start;
    digits = take_number(at, 7, &ret->year);
    char separator = **at;
    if (digits < 3 || (separator != '-' && separator != '/')) {
        return MALFORMED;
    }
    (*at)++;
    if (take_number(at, 2, &ret->month) == 0 || !take(at, separator) ||
        take_number(at, 2, &ret->day) == 0) {
        return MALFORMED;
    }
    return FINE;
}

static bool take_fraction(const char **at, cm_i128 *ret_micros)
{
    cm_i128 unit = 100000;
    cm_i128 micros = 0;

    if (!is_digit(**at)) {
        return false;
    }
    bool round_up = false;
    for (; is_digit(**at); (*at)++) {
        if (unit > 0) {
            micros += unit * (**at - '0');
        } else if (unit == 0) {
            round_up = **at >= '5';
            unit = -1;
        }
        unit = unit > 1 ? unit / 10 : unit == 1 ? 0 : -1;
    }
    *ret_micros = micros + round_up;
    return true;
}

/* hh:mm[:ss[.fraction]] */
static outcome take_time(const char **at, cm_i128 *ret_micros)
{
    int hour, minute, second = 0;
    cm_i128 fraction = 0;

    if (take_number(at, 2, &hour) == 0 || !take(at, ':') || take_number(at, 2, &minute) != 2) {
        return MALFORMED;
    }
    if (take(at, ':')) {
        if (take_number(at, 2, &second) != 2 || (take(at, '.') && !take_fraction(at, &fraction))) {
            return MALFORMED;
        }
    }
    cm_i128 micros = ((cm_i128)(hour * 60 + minute) * 60 + second) * 1000000 + fraction;
    if (minute > 59 || second > 60 || micros > CM_MICROS_PER_DAY) {
        return OUT_OF_RANGE;
    }
    *ret_micros = micros;
    return FINE;
}

/* A time zone says nothing about a timestamp without one: PostgreSQL reads over it. */
static bool skip_zone(const char **at)
{
    int hour, minute;

    if (**at == 'Z' || **at == 'z') {
        (*at)++;
        return true;
    }
    if (**at != '+' && **at != '-') {
        return true;
    }
    (*at)++;
    int digits = take_number(at, 4, &hour);
    if (digits == 0 || digits == 3) {
        return false;
    }
    return digits == 4 || !take(at, ':') || take_number(at, 2, &minute) == 2;
}

static outcome check_calendar(const date_time *t)
{
    if (t->month < 1 || t->month > 12 || t->day < 1 || t->day > days_in_month(t->year, t->month)) {
        return OUT_OF_RANGE;
    }
    return FINE;
}

static outcome parse_date_time(const char *text, date_time *ret)
{
    const char *at = text;
    outcome result;

    *ret = (date_time){0};
    skip_spaces(&at);
    result = take_date(&at, ret);
    if (result != FINE) {
        return result;
    }
    bool year_zero = ret->year == 0;
    if (*at == 'T' || *at == 't' || (is_space(*at) && is_digit(at[strspn(at, " \t\n\v\f\r")]))) {
        if (!is_space(*at)) {
            at++;
        }
        skip_spaces(&at);
        result = take_time(&at, &ret->micros);
        if (result != FINE) {
            return result;
        }
        skip_spaces(&at);
        if (!skip_zone(&at)) {
            return MALFORMED;
        }
    }
    skip_spaces(&at);
    if (take_word(&at, "bc")) {
        ret->year = 1 - ret->year;
    } else {
        (void)take_word(&at, "ad");
    }
    skip_spaces(&at);
    if (*at != '\0') {
        return MALFORMED;
    }
    return year_zero ? OUT_OF_RANGE : check_calendar(ret);
}

static cm_status fail_parse(outcome result, const char *type, const char *text, cm_diag *diag)
{
    if (result == OUT_OF_RANGE) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_DATETIME_RANGE,
                       "date/time field value out of range: \"" CM_QUOTE "\"", text);
    }
    return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_DATETIME,
                   "invalid input syntax for type %s: \"" CM_QUOTE "\"", type, text);
}

cm_status cm_date_parse(const char *text, cm_i128 *ret_days, cm_diag *diag)
{
    const cm_type type = {.kind = CM_TYPE_DATE};
    const cm_range range = cm_type_range(&type);
    date_time t;

    outcome result = parse_date_time(text, &t);
    if (result != FINE) {
        cm_status st = fail_parse(result, "date", text, diag);
        cm_diag_hint(diag, "Dates are read as YYYY-MM-DD.");
        return st;
    }
    cm_i128 days = cm_date_from_ymd(t.year, t.month, t.day);
    if (days < range.lo || days > range.hi) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_DATETIME_RANGE,
                       "date out of range: \"" CM_QUOTE "\"", text);
    }
    *ret_days = days;
    return CM_OK;
}

cm_status cm_timestamp_parse(const char *text, cm_i128 *ret_micros, cm_diag *diag)
{
    const cm_type type = {.kind = CM_TYPE_TIMESTAMP};
    const cm_range range = cm_type_range(&type);
    date_time t;

    outcome result = parse_date_time(text, &t);
    if (result != FINE) {
        cm_status st = fail_parse(result, "timestamp", text, diag);
        cm_diag_hint(diag, "Timestamps are read as YYYY-MM-DD HH:MM:SS.");
        return st;
    }
    cm_i128 micros = cm_date_from_ymd(t.year, t.month, t.day) * CM_MICROS_PER_DAY + t.micros;
    if (micros < range.lo || micros > range.hi) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_DATETIME_RANGE,
                       "timestamp out of range: \"" CM_QUOTE "\"", text);
    }
    *ret_micros = micros;
    return CM_OK;
}

/* PostgreSQL writes 1 BC, not year 0. */
static bool print_ymd(cm_i128 days, cm_buf *out)
{
    int year, month, day;

    cm_date_to_ymd(days, &year, &month, &day);
    cm_buf_printf(out, "%04d-%02d-%02d", year > 0 ? year : 1 - year, month, day);
    return year <= 0;
}

void cm_date_print(cm_i128 days, cm_buf *out)
{
    if (print_ymd(days, out)) {
        cm_buf_printf(out, " BC");
    }
}

void cm_timestamp_print(cm_i128 micros, cm_buf *out)
{
    cm_i128 days = micros / CM_MICROS_PER_DAY;
    cm_i128 rest = micros % CM_MICROS_PER_DAY;

    if (rest < 0) {
        days--;
        rest += CM_MICROS_PER_DAY;
    }
    int second = (int)(rest / 1000000);
    int fraction = (int)(rest % 1000000);
    bool bc = print_ymd(days, out);
    cm_buf_printf(out, " %02d:%02d:%02d", second / 3600, second / 60 % 60, second % 60);
    if (fraction > 0) {
        char digits[8];
        int width = 6;
        for (; fraction % 10 == 0; fraction /= 10) {
            width--;
        }
        for (int i = width; i > 0; i--, fraction /= 10) {
            digits[i - 1] = (char)('0' + fraction % 10);
        }
        cm_buf_printf(out, ".%.*s", width, digits);
    }
    if (bc) {
        cm_buf_printf(out, " BC");
    }
}

/* Intervals -------------------------------------------------------------------------------- */

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
        if (take_word(at, unit_names[i].name)) {
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
static outcome add_quantity(interval *sum, cm_i128 whole, cm_i128 millionths, cm_interval_unit unit)
{
    if (unit >= CM_UNIT_MONTH) {
        cm_i128 scaled = millionths * months_of[unit];
        if (scaled % 1000000 != 0) {
            return MALFORMED;
        }
        sum->months += whole * months_of[unit] + scaled / 1000000;
        return FINE;
    }
    sum->micros += whole * micros_of[unit] + millionths * micros_of[unit] / 1000000;
    return FINE;
}

/* One [sign] number [unit] or [sign] hh:mm[:ss]. */
static outcome take_quantity(const char **at, cm_interval_unit bare, interval *sum)
{
    cm_i128 sign = **at == '-' ? -1 : 1;
    cm_i128 fraction = 0;
    int whole;

    if (**at == '-' || **at == '+') {
        (*at)++;
    }
    const char *start = *at;
    if (take_number(at, 9, &whole) == 0 && **at != '.') {
        return is_digit(**at) ? OUT_OF_RANGE : MALFORMED;
    }
    if (take(at, ':')) {
        *at = start;
        cm_i128 micros;
        outcome result = take_time(at, &micros);
        if (result == FINE) {
            sum->micros += sign * micros;
        }
        return result;
    }
    if (take(at, '.') && !take_fraction(at, &fraction)) {
        return MALFORMED;
    }
    skip_spaces(at);
    cm_interval_unit unit = bare;
    if (!take_unit(at, &unit) && **at != '\0') {
        return MALFORMED;
    }
    return add_quantity(sum, sign * whole, sign * fraction, unit);
}

static outcome parse_interval(const char *text, cm_interval_unit bare, interval *ret)
{
    const char *at = text;
    interval sum = {0, 0};

    skip_spaces(&at);
    if (take(&at, '@')) {
        skip_spaces(&at);
    }
    if (*at == '\0') {
        return MALFORMED;
    }
    while (*at != '\0') {
        if (take_word(&at, "ago")) {
            sum = (interval){-sum.months, -sum.micros};
            skip_spaces(&at);
            if (*at != '\0') {
                return MALFORMED;
            }
            break;
        }
        outcome result = take_quantity(&at, bare, &sum);
        if (result != FINE) {
            return result;
        }
        skip_spaces(&at);
    }
    if (sum.months > INT_MAX || sum.months < INT_MIN || sum.micros > INT64_MAX ||
        sum.micros < INT64_MIN) {
        return OUT_OF_RANGE;
    }
    *ret = sum;
    return FINE;
}

cm_status cm_interval_parse(const char *text, cm_interval_unit bare, cm_i128 *ret, cm_diag *diag)
{
    interval sum;

    switch (parse_interval(text, bare, &sum)) {
    case FINE:
        *ret = cm_interval_make((int)sum.months, sum.micros);
        return CM_OK;
    case OUT_OF_RANGE:
        return cm_fail(diag, CM_EINVAL, CM_SQL_DATETIME_RANGE,
                       "interval field value out of range: \"" CM_QUOTE "\"", text);
    case MALFORMED:
        break;
    }
    return fail_parse(MALFORMED, "interval", text, diag);
}
