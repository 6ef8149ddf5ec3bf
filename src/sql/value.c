/* Values to text and back, as PostgreSQL's input and output functions do it. */
#include "sql/sql_int.h"
#include "sql/type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cm_utf8_valid(const char *text, size_t bytes)
{
    const uint8_t *at = (const uint8_t *)text;
    const uint8_t *end = at + bytes;

    while (at < end) {
        uint32_t point = *at;
        size_t tail = point < 0x80                    ? 0
                      : point >= 0xc2 && point < 0xe0 ? 1
                      : point >= 0xe0 && point < 0xf0 ? 2
                      : point >= 0xf0 && point < 0xf5 ? 3
                                                      : 4;
        if (tail == 4 || (size_t)(end - at) <= tail) {
            return false;
        }
        point &= tail == 0 ? 0x7fu : 0x3fu >> tail;
        for (size_t i = 1; i <= tail; i++) {
            if ((at[i] & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (at[i] & 0x3f);
        }
        if ((tail == 2 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) ||
            (tail == 3 && (point < 0x10000 || point > 0x10ffff))) {
            return false;
        }
        at += tail + 1;
    }
    return true;
}

int cm_utf8_chars(const char *text, size_t bytes)
{
    int chars = 0;

    for (size_t i = 0; i < bytes; i++) {
        chars += ((uint8_t)text[i] & 0xc0) != 0x80;
    }
    return chars;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static cm_status fail_syntax(const char *type, const char *text, cm_diag *diag)
{
    return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT,
                   "invalid input syntax for type %s: \"" CM_QUOTE "\"", type, text);
}

/* Unique prefixes of true, false, yes and no, with on, off, 1 and 0. */
static cm_status parse_bool(const char *text, cm_i128 *ret, cm_diag *diag)
{
    static const struct {
        const char *word;
        size_t least;
        int value;
    } words[] = {{"true", 1, 1}, {"false", 1, 0}, {"yes", 1, 1}, {"no", 1, 0},
                 {"on", 2, 1},   {"off", 2, 0},   {"1", 1, 1},   {"0", 1, 0}};
    const char *start = text;
    size_t bytes;

    while (is_space(*start)) {
        start++;
    }
    bytes = strlen(start);
    while (bytes > 0 && is_space(start[bytes - 1])) {
        bytes--;
    }
    for (size_t i = 0; i < CM_COUNT(words); i++) {
        size_t at = 0;
        while (at < bytes && lower(start[at]) == words[i].word[at]) {
            at++;
        }
        if (at == bytes && bytes >= words[i].least) {
            *ret = words[i].value;
            return CM_OK;
        }
    }
    return fail_syntax("boolean", text, diag);
}

static cm_status parse_int(const cm_type *type, const char *name, const char *text, cm_i128 *ret,
                           cm_diag *diag)
{
    const cm_range range = cm_type_range(type);
    const char *at = text;
    cm_i128 value = 0;

    while (is_space(*at)) {
        at++;
    }
    bool negative = *at == '-';
    if (*at == '-' || *at == '+') {
        at++;
    }
    if (!is_digit(*at)) {
        return fail_syntax(name, text, diag);
    }
    for (; is_digit(*at); at++) {
        if (value <=
            range.hi) { /* one digit too many is enough to know, and no more can overflow */
            value = value * 10 + (*at - '0');
        }
    }
    while (is_space(*at)) {
        at++;
    }
    if (*at != '\0') {
        return fail_syntax(name, text, diag);
    }
    value = negative ? -value : value;
    if (value < range.lo || value > range.hi) {
        return cm_fail(diag, CM_ERANGE, CM_SQL_RANGE,
                       "value \"" CM_QUOTE "\" is out of range for type %s", text, name);
    }
    *ret = value;
    return CM_OK;
}

/* The digits of a decimal text, with the value 0.d1 d2 d3 ... * 10^exponent. */
typedef struct decimal {
    const char *digits; /* first significant one; '.' may be among them */
    int count;          /* without '.' */
    int exponent;
    bool negative;
} decimal;

enum { EXPONENT_MAX = 100000 };

static bool scan_exponent(const char **at, int *ret)
{
    int value = 0;

    if (**at != 'e' && **at != 'E') {
        *ret = 0;
        return true;
    }
    (*at)++;
    bool negative = **at == '-';
    if (**at == '-' || **at == '+') {
        (*at)++;
    }
    if (!is_digit(**at)) {
        return false;
    }
    for (; is_digit(**at); (*at)++) {
        if (value < EXPONENT_MAX) {
            value = value * 10 + (**at - '0');
        }
    }
    *ret = negative ? -value : value;
    return true;
}

static bool scan_decimal(const char *text, decimal *ret)
{
    const char *at = text;
    int exponent;
    bool point = false, any = false;

    *ret = (decimal){0};
    while (is_space(*at)) {
        at++;
    }
    ret->negative = *at == '-';
    if (*at == '-' || *at == '+') {
        at++;
    }
    for (; is_digit(*at) || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        any = true;
        if (ret->digits == NULL && *at != '0') {
            ret->digits = at;
        }
        if (ret->digits != NULL && ret->count < EXPONENT_MAX) {
            ret->count++;
            ret->exponent += !point;
        } else if (point && ret->exponent > -EXPONENT_MAX) {
            ret->exponent--;
        }
    }
    if (!any || !scan_exponent(&at, &exponent)) {
        return false;
    }
    ret->exponent += exponent;
    while (is_space(*at)) {
        at++;
    }
    return *at == '\0';
}

/* The decimal times 10^scale, rounded half away from zero; false when 39 digits do not hold it. */
static bool decimal_to_number(const decimal *d, int scale, cm_i128 *ret)
{
    const int keep = d->exponent + scale; /* digits before the new point */
    const char *at = d->digits;
    cm_i128 value = 0;

    if (d->count == 0 || keep < 0) {
        *ret = 0;
        return true;
    }
    if (keep > 38) {
        return false;
    }
    for (int i = 0; i < keep; i++) {
        value *= 10;
        if (i < d->count) {
            at += *at == '.';
            value += *at++ - '0';
        }
    }
    if (keep < d->count) {
        at += *at == '.';
        value += *at >= '5';
    }
    *ret = d->negative ? -value : value;
    return true;
}

static cm_status fail_overflow(const cm_type *type, cm_diag *diag)
{
    cm_status st = cm_fail(diag, CM_ERANGE, CM_SQL_RANGE, "numeric field overflow");

    if (type->precision > 0 && !type->quotient) {
        cm_diag_detail(diag,
                       "A field with precision %d, scale %d must round to an absolute value less "
                       "than 10^%d.",
                       type->precision, type->scale, type->precision - type->scale);
    }
    return st;
}

static cm_status parse_numeric(const cm_type *type, const char *text, cm_i128 *ret, cm_diag *diag)
{
    const cm_type any = {.kind = CM_TYPE_NUMERIC};
    const cm_range range = cm_type_range(type->quotient ? &any : type);
    cm_i128 number;
    decimal d;

    if (!scan_decimal(text, &d)) {
        return fail_syntax("numeric", text, diag);
    }
    if (!decimal_to_number(&d, type->scale, &number) || number < range.lo || number > range.hi) {
        return fail_overflow(type, diag);
    }
    *ret = number;
    return CM_OK;
}

static cm_status parse_enum(const cm_type *type, const char *text, cm_i128 *ret, cm_diag *diag)
{
    for (size_t i = 0; i < type->labels->count; i++) {
        if (strcmp(type->labels->labels[i], text) == 0) {
            *ret = (cm_i128)i;
            return CM_OK;
        }
    }
    return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT,
                   "invalid input value for enum %s: \"" CM_QUOTE "\"", type->labels->name, text);
}

/* char(n) compares without its padding, so padding is not kept; varchar(n) drops spaces past n. */
static cm_status parse_text(const cm_type *type, const char *text, cm_arena *arena,
                            const char **ret, cm_diag *diag)
{
    size_t bytes = strlen(text);

    if (!cm_utf8_valid(text, bytes)) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_ENCODING,
                       "invalid byte sequence for encoding \"UTF8\"");
    }
    while (type->text != CM_TEXT_TEXT && bytes > 0 && text[bytes - 1] == ' ' &&
           (type->text == CM_TEXT_CHAR || bytes > type->max_bytes)) {
        bytes--;
    }
    if (bytes > type->max_bytes) {
        cm_status st = cm_fail(diag, CM_EINVAL, CM_SQL_TOO_LONG, "value too long for type %s(%u)",
                               type->text == CM_TEXT_TEXT      ? "text"
                               : type->text == CM_TEXT_VARCHAR ? "character varying"
                                                               : "character",
                               type->max_bytes);
        cm_diag_detail(diag, "Text is bounded by its bytes in UTF-8.");
        return st;
    }
    char *copy = cm_arena_try(arena, bytes + 1, 1);
    if (copy == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    *ret = copy;
    return CM_OK;
}

static cm_status parse_number(const cm_type *type, const char *text, cm_i128 *ret, cm_diag *diag)
{
    switch (type->kind) {
    case CM_TYPE_BOOL:
        return parse_bool(text, ret, diag);
    case CM_TYPE_INT2:
        return parse_int(type, "smallint", text, ret, diag);
    case CM_TYPE_INT4:
        return parse_int(type, "integer", text, ret, diag);
    case CM_TYPE_INT8:
        return parse_int(type, "bigint", text, ret, diag);
    case CM_TYPE_NUMERIC:
        return parse_numeric(type, text, ret, diag);
    case CM_TYPE_DATE:
        return cm_date_parse(text, ret, diag);
    case CM_TYPE_TIMESTAMP:
        return cm_timestamp_parse(text, ret, diag);
    case CM_TYPE_INTERVAL:
        return cm_interval_parse(text, CM_UNIT_SECOND, ret, diag);
    case CM_TYPE_ENUM:
        return parse_enum(type, text, ret, diag);
    case CM_TYPE_TEXT:
    case CM_TYPE_UNKNOWN:
        break;
    }
    CM_ASSERT(0 && "a type of numbers");
}

cm_status cm_value_parse(const cm_type *type, const char *text, cm_arena *arena, cm_value *ret,
                         cm_diag *diag)
{
    cm_value value = {0};
    cm_status st;

    CM_ASSERT(type->kind != CM_TYPE_UNKNOWN);
    if (type->kind == CM_TYPE_TEXT) {
        st = parse_text(type, text, arena, &value.text, diag);
    } else {
        st = parse_number(type, text, &value.number, diag);
    }
    if (st == CM_OK) {
        *ret = value;
    }
    return st;
}

cm_status cm_value_rescale(cm_i128 number, int from_scale, int to_scale, cm_i128 *ret)
{
    int digits = to_scale - from_scale;

    if (digits > 38 || digits < -38) {
        if (digits > 0 && number != 0) {
            return CM_ERANGE;
        }
        *ret = 0;
        return CM_OK;
    }
    cm_i128 power = cm_pow10(digits < 0 ? -digits : digits);
    if (digits >= 0) {
        const cm_i128 most = (CM_NUMBER_LIMIT - 1) / power;
        if (number > most || number < -most) {
            return CM_ERANGE;
        }
        *ret = number * power;
        return CM_OK;
    }
    cm_i128 rest = number % power;
    cm_i128 half = power / 2;
    *ret = number / power + (rest >= half ? 1 : rest <= -half ? -1 : 0);
    return CM_OK;
}

static void print_decimal(cm_i128 number, int scale, cm_buf *out)
{
    char buffer[41];
    const char *digits = cm_i128_print(number < 0 ? -number : number, buffer);
    size_t count = strlen(digits);
    size_t after = (size_t)scale;

    if (number < 0) {
        cm_buf_printf(out, "-");
    }
    if (after == 0) {
        cm_buf_printf(out, "%s", digits);
    } else if (count > after) {
        cm_buf_printf(out, "%.*s.%s", (int)(count - after), digits, digits + count - after);
    } else {
        static const char zeros[] = "0000000000000000000000000000000000000000";
        cm_buf_printf(out, "0.%.*s%s", (int)(after - count), zeros, digits);
    }
}

/* floor(log10000) of a number with `scale` digits after the point; 0 as PostgreSQL counts it when
 * it divides zero. */
static int weight_of(cm_i128 number, int scale)
{
    cm_i128 magnitude = number < 0 ? -number : number;
    int digits = 0;

    if (number == 0) {
        return -1;
    }
    for (cm_i128 rest = magnitude; rest > 0; rest /= 10) {
        digits++;
    }
    int exponent = digits - 1 - scale; /* of the first digit */
    int weight = exponent >= 0 ? exponent / 4 : -((3 - exponent) / 4);
    /* A power of 10000 comes from operands with the same first digit, which PostgreSQL's estimate
     * takes for a quotient below it. */
    bool power = exponent % 4 == 0 && (digits > 38 || magnitude == cm_pow10(digits - 1));
    return power ? weight - 1 : weight;
}

/* As many digits as PostgreSQL's select_div_scale would choose; one of the truncated digits is kept
 * back to round by. */
static void print_quotient(const cm_type *type, cm_i128 number, cm_buf *out)
{
    int digits = 16 - 4 * weight_of(number, type->scale);
    cm_i128 rounded;

    digits = digits < type->precision ? type->precision : digits;
    digits = digits < 0 ? 0 : digits;
    digits = digits >= type->scale ? (type->scale > 0 ? type->scale - 1 : 0) : digits;
    if (cm_value_rescale(number, type->scale, digits, &rounded) != CM_OK) {
        CM_ASSERT(0 && "fewer digits fit");
    }
    print_decimal(rounded, digits, out);
}

void cm_double_print(double value, cm_buf *out)
{
    enum { DIGITS_EXACT = 17, FIXED_LEAST = -4, FIXED_MOST = 15 };
    char text[48];
    int digits = 1;

    do {
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, value);
    } while (strtod(text, NULL) != value && ++digits <= DIGITS_EXACT);
    const char *mark = strchr(text, 'e');
    CM_ASSERT(mark != NULL);
    const int exponent = (int)strtol(mark + 1, NULL, 10);
    if (exponent >= FIXED_LEAST && exponent < FIXED_MOST) {
        const int after = digits - 1 - exponent;
        cm_buf_printf(out, "%.*f", after > 0 ? after : 0, value);
    } else {
        cm_buf_printf(out, "%s", text);
    }
}

static void print_float(cm_i128 number, int scale, cm_buf *out)
{
    cm_buf exact = {0};

    print_decimal(number, scale, &exact);
    cm_double_print(strtod(cm_buf_text(&exact), NULL), out);
    cm_buf_free(&exact);
}

static void print_text(const cm_type *type, const char *text, cm_buf *out)
{
    cm_buf_printf(out, "%s", text);
    if (type->text == CM_TEXT_CHAR) {
        int pad = (int)type->max_bytes - cm_utf8_chars(text, strlen(text));
        cm_buf_printf(out, "%*s", pad > 0 ? pad : 0, "");
    }
}

static void print_interval(cm_i128 interval, cm_buf *out)
{
    char buffer[41];

    cm_buf_printf(out, "%d mons %s us", cm_interval_months(interval),
                  cm_i128_print(cm_interval_micros(interval), buffer));
}

void cm_value_print(const cm_type *type, const cm_value *value, cm_buf *out)
{
    char buffer[41];

    CM_ASSERT(!value->null);
    switch (type->kind) {
    case CM_TYPE_BOOL:
        cm_buf_printf(out, "%s", value->number != 0 ? "t" : "f");
        return;
    case CM_TYPE_INT2:
    case CM_TYPE_INT4:
    case CM_TYPE_INT8:
        cm_buf_printf(out, "%s", cm_i128_print(value->number, buffer));
        return;
    case CM_TYPE_NUMERIC:
        if (type->floats) {
            print_float(value->number, type->scale, out);
        } else if (type->quotient) {
            print_quotient(type, value->number, out);
        } else {
            print_decimal(value->number, type->scale, out);
        }
        return;
    case CM_TYPE_DATE:
        cm_date_print(value->number, out);
        return;
    case CM_TYPE_TIMESTAMP:
        cm_timestamp_print(value->number, out);
        return;
    case CM_TYPE_INTERVAL:
        print_interval(value->number, out);
        return;
    case CM_TYPE_ENUM:
        CM_ASSERT(value->number >= 0 && value->number < (cm_i128)type->labels->count);
        cm_buf_printf(out, "%s", type->labels->labels[(size_t)value->number]);
        return;
    case CM_TYPE_TEXT:
        print_text(type, value->text, out);
        return;
    case CM_TYPE_UNKNOWN:
        cm_buf_printf(out, "%s", value->text);
        return;
    }
    CM_ASSERT(0 && "type kind");
}

int cm_value_compare(const cm_type *type, const cm_value *a, const cm_value *b)
{
    CM_ASSERT(!a->null && !b->null);
    if (type->kind == CM_TYPE_TEXT) {
        return strcmp(a->text, b->text);
    }
    return (a->number > b->number) - (a->number < b->number);
}
