/*
 * Calendar arithmetic and the ISO texts of dates and timestamps.
 *
 * Days are counted from 2000-01-01 in the proleptic Gregorian calendar; year 0 is 1 BC.  The two
 * conversions work in 400-year eras that begin on March 1, so that the leap day comes last
 * (Howard Hinnant, "chrono-compatible low-level date algorithms").
 */
#include "sql/date_int.h"

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

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool cm_take_word(const char **at, const char *word)
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
static cm_take_outcome take_date(const char **at, date_time *ret)
{
    const char *start = *at;
    int digits = take_number(at, 8, &ret->year);

    if (digits == 8) {
        ret->day = ret->year % 100;
        ret->month = ret->year / 100 % 100;
        ret->year /= 10000;
        return CM_TAKE_FINE;
    }
    *at = start;
    digits = take_number(at, 7, &ret->year);
    char separator = **at;
    if (digits < 3 || (separator != '-' && separator != '/')) {
        return CM_TAKE_MALFORMED;
    }
    (*at)++;
    if (take_number(at, 2, &ret->month) == 0 || !take(at, separator) ||
        take_number(at, 2, &ret->day) == 0) {
        return CM_TAKE_MALFORMED;
    }
    return CM_TAKE_FINE;
}

bool cm_take_fraction(const char **at, cm_i128 *ret_micros)
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

cm_take_outcome cm_take_time(const char **at, cm_i128 *ret_micros)
{
    int hour, minute, second = 0;
    cm_i128 fraction = 0;

    if (take_number(at, 2, &hour) == 0 || !take(at, ':') || take_number(at, 2, &minute) != 2) {
        return CM_TAKE_MALFORMED;
    }
    if (take(at, ':')) {
        if (take_number(at, 2, &second) != 2 ||
            (take(at, '.') && !cm_take_fraction(at, &fraction))) {
            return CM_TAKE_MALFORMED;
        }
    }
    cm_i128 micros = ((cm_i128)(hour * 60 + minute) * 60 + second) * 1000000 + fraction;
    if (minute > 59 || second > 60 || micros > CM_MICROS_PER_DAY) {
        return CM_TAKE_OUT_OF_RANGE;
    }
    *ret_micros = micros;
    return CM_TAKE_FINE;
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

static cm_take_outcome check_calendar(const date_time *t)
{
    if (t->month < 1 || t->month > 12 || t->day < 1 || t->day > days_in_month(t->year, t->month)) {
        return CM_TAKE_OUT_OF_RANGE;
    }
    return CM_TAKE_FINE;
}

static cm_take_outcome parse_date_time(const char *text, date_time *ret)
{
    const char *at = text;
    cm_take_outcome result;

    *ret = (date_time){0};
    skip_spaces(&at);
    result = take_date(&at, ret);
    if (result != CM_TAKE_FINE) {
        return result;
    }
    bool year_zero = ret->year == 0;
    if (*at == 'T' || *at == 't' || (is_space(*at) && is_digit(at[strspn(at, " \t\n\v\f\r")]))) {
        if (!is_space(*at)) {
            at++;
        }
        skip_spaces(&at);
        result = cm_take_time(&at, &ret->micros);
        if (result != CM_TAKE_FINE) {
            return result;
        }
        skip_spaces(&at);
        if (!skip_zone(&at)) {
            return CM_TAKE_MALFORMED;
        }
    }
    skip_spaces(&at);
    if (cm_take_word(&at, "bc")) {
        ret->year = 1 - ret->year;
    } else {
        (void)cm_take_word(&at, "ad");
    }
    skip_spaces(&at);
    if (*at != '\0') {
        return CM_TAKE_MALFORMED;
    }
    return year_zero ? CM_TAKE_OUT_OF_RANGE : check_calendar(ret);
}

cm_status cm_fail_date(cm_take_outcome result, const char *type, const char *text, cm_diag *diag)
{
    if (result == CM_TAKE_OUT_OF_RANGE) {
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

    cm_take_outcome result = parse_date_time(text, &t);
    if (result != CM_TAKE_FINE) {
        cm_status st = cm_fail_date(result, "date", text, diag);
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

    cm_take_outcome result = parse_date_time(text, &t);
    if (result != CM_TAKE_FINE) {
        cm_status st = cm_fail_date(result, "timestamp", text, diag);
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
