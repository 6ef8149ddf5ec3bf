/*
 * sql/date_int.h - reading dates, timestamps and intervals: a cursor over a text, which every
 * take_ function moves past what it took.
 */
#ifndef CM_SQL_DATE_INT_H
#define CM_SQL_DATE_INT_H

#include "sql/sql_int.h"

typedef enum cm_take_outcome {
    CM_TAKE_FINE,
    CM_TAKE_MALFORMED,
    CM_TAKE_OUT_OF_RANGE,
} cm_take_outcome;

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline void skip_spaces(const char **at)
{
    while (is_space(**at)) {
        (*at)++;
    }
}

static inline bool take(const char **at, char c)
{
    if (**at != c) {
        return false;
    }
    (*at)++;
    return true;
}

/* Up to max_digits digits; returns how many there were. */
static inline int take_number(const char **at, int max_digits, int *ret)
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
bool cm_take_word(const char **at, const char *word);
/* Digits after a point, rounded to microseconds. */
bool cm_take_fraction(const char **at, cm_i128 *ret_micros);
/* hh:mm[:ss[.fraction]] */
cm_take_outcome cm_take_time(const char **at, cm_i128 *ret_micros);
/* 22007 or 22008 for a text of that type. */
CM_MUST cm_status cm_fail_date(cm_take_outcome outcome, const char *type, const char *text,
                               cm_diag *diag);

#endif
