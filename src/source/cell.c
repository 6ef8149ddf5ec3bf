#include "source/cell.h"

#include "source/csv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* More than any value can have, padding included: keeps what is parsed small. */
enum { LONGEST_TEXT_BYTES = 64 * CM_TEXT_MAX_BYTES };

static bool fault(cm_fault *ret, const char *sqlstate, const char *what)
{
    *ret = (cm_fault){.sqlstate = sqlstate, .what = what};
    return false;
}

static bool number(cm_value *ret, cm_i128 value, cm_fault *ret_fault)
{
    if (value < INT64_MIN || value > INT64_MAX) {
        return fault(ret_fault, CM_SQL_RANGE, "has a value that does not fit 64 bits");
    }
    *ret = (cm_value){.number = value};
    return true;
}

static const char *not_a(cm_type_kind kind)
{
    switch (kind) {
    case CM_TYPE_BOOL:
        return "has a value that is not a boolean";
    case CM_TYPE_INT2:
    case CM_TYPE_INT4:
    case CM_TYPE_INT8:
        return "has a value that is not an integer";
    case CM_TYPE_NUMERIC:
        return "has a value that is not a number";
    case CM_TYPE_DATE:
        return "has a value that is not a date";
    case CM_TYPE_TIMESTAMP:
        return "has a value that is not a timestamp";
    case CM_TYPE_ENUM:
        return "has a value that is not a label of its enum";
    case CM_TYPE_TEXT:
        return "has a value that is not text";
    case CM_TYPE_UNKNOWN:
    case CM_TYPE_INTERVAL:
        break;
    }
    return "has a value of another type";
}

/* The label's ordinal.  Not cm_value_parse: labels may be many, and cells millions. */
static bool from_label(const cm_type *type, const cm_cell *cell, cm_value *ret, cm_fault *ret_fault)
{
    for (size_t i = 0; i < type->labels->count; i++) {
        const char *label = type->labels->labels[i];
        if (strncmp(label, cell->text, cell->bytes) == 0 && label[cell->bytes] == '\0') {
            *ret = (cm_value){.number = (cm_i128)i};
            return true;
        }
    }
    return fault(ret_fault, CM_SQL_CHECK, not_a(type->kind));
}

/* The common case of numbers, whose text has nothing but a sign and up to 18 digits. */
static bool plain_integer(const cm_cell *cell, int64_t *ret)
{
    size_t at = cell->bytes > 0 && cell->text[0] == '-';
    if (cell->bytes == at || cell->bytes - at > 18) {
        return false;
    }
    int64_t value = 0;
    for (size_t i = at; i < cell->bytes; i++) {
        if (cell->text[i] < '0' || cell->text[i] > '9') {
            return false;
        }
        value = value * 10 + (cell->text[i] - '0');
    }
    *ret = at == 1 ? -value : value;
    return true;
}

/* Likewise a decimal of at most the type's digits, those after the point filled up. */
static bool plain_decimal(const cm_type *type, const cm_cell *cell, int64_t *ret)
{
    int most = type->precision > 0 && type->precision < 18 ? type->precision : 18;
    int scale = type->scale;
    size_t at = cell->bytes > 0 && cell->text[0] == '-';
    size_t first = at;
    int after = -1; /* digits after the point; -1: no point yet */
    uint64_t value = 0;
    if (cell->bytes - at > 19 || scale > 18) {
        return false;
    }
    for (; at < cell->bytes; at++) {
        unsigned digit = (unsigned)(unsigned char)cell->text[at] - '0';
        if (digit <= 9) {
            value = value * 10 + digit;
            after += after >= 0;
        } else if (cell->text[at] == '.' && after < 0 && at > first) {
            after = 0;
        } else {
            return false;
        }
    }
    int digits = (int)(at - first) - (after >= 0);
    after = after < 0 ? 0 : after;
    if (digits == 0 || after > scale || digits + scale - after > most) {
        return false;
    }
    for (; after < scale; after++) {
        value *= 10;
    }
    *ret = first == 1 ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool two_digits(const char *text, int *ret)
{
    unsigned tens = (unsigned)(unsigned char)text[0] - '0';
    unsigned ones = (unsigned)(unsigned char)text[1] - '0';
    *ret = (int)(tens * 10 + ones);
    return tens <= 9 && ones <= 9;
}

/* YYYY-MM-DD from 1601 on, as days since 2000-01-01: years that begin in March have their leap day
 * at their end. */
static bool plain_date(const cm_cell *cell, int64_t *ret)
{
    static const int before[] = {0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337, 366};
    const char *t = cell->text;
    int century, year, month, day;
    if (cell->bytes != 10 || t[4] != '-' || t[7] != '-' || !two_digits(t, &century) ||
        !two_digits(t + 2, &year) || !two_digits(t + 5, &month) || !two_digits(t + 8, &day)) {
        return false;
    }
    year += century * 100;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1601 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    int from_march = (month + 9) % 12;
    int days = month == 2 ? (leap ? 29 : 28) : before[from_march + 1] - before[from_march];
    if (day > days) {
        return false;
    }
    int64_t y = year - (month < 3) - 1600;
    /* 1600-03-01 is 146037 days before 2000-01-01. */
    *ret = 365 * y + y / 4 - y / 100 + y / 400 + before[from_march] + day - 1 - 146037;
    return true;
}

/* What most cells are, without a look at their encoding: ASCII alone gets through. */
static bool from_plain_text(const cm_type *type, const cm_cell *cell, int64_t *ret)
{
    return type->kind == CM_TYPE_NUMERIC ? plain_decimal(type, cell, ret)
           : type->kind == CM_TYPE_DATE  ? plain_date(cell, ret)
                                         : false;
}

static bool is_int(cm_type_kind kind)
{
    return kind == CM_TYPE_INT2 || kind == CM_TYPE_INT4 || kind == CM_TYPE_INT8;
}

static bool from_text(const cm_type *type, const cm_cell *cell, cm_arena *scratch, cm_value *ret,
                      cm_fault *ret_fault)
{
    int64_t plain;
    if (from_plain_text(type, cell, &plain)) {
        return number(ret, plain, ret_fault);
    }
    if (memchr(cell->text, '\0', cell->bytes) != NULL ||
        !cm_csv_utf8_valid(cell->text, cell->bytes)) {
        return fault(ret_fault, "22021", "has a value that is not valid UTF-8");
    }
    if (cell->bytes > LONGEST_TEXT_BYTES) {
        return type->kind == CM_TYPE_TEXT
                   ? fault(ret_fault, "22001", "has a text longer than was published")
                   : fault(ret_fault, CM_SQL_BAD_TEXT, not_a(type->kind));
    }
    int64_t integer;
    if (is_int(type->kind) && plain_integer(cell, &integer)) {
        return number(ret, integer, ret_fault);
    }
    if (type->kind == CM_TYPE_ENUM) {
        return from_label(type, cell, ret, ret_fault);
    }
    if (type->kind == CM_TYPE_TEXT && type->text != CM_TEXT_CHAR) {
        *ret = (cm_value){.text = cell->text};
        return true;
    }
    /* The parser's message shows the value, so it stays here. */
    cm_diag private = {0};
    cm_value value;
    cm_status st = cm_value_parse(type, cell->text, scratch, &value, &private);
    if (st == CM_OK && type->kind == CM_TYPE_TEXT) {
        *ret = value;
        return true;
    }
    if (st == CM_OK) {
        return number(ret, value.number, ret_fault);
    }
    bool range = st == CM_ERANGE || strcmp(private.sqlstate, CM_SQL_RANGE) == 0;
    bool field = strcmp(private.sqlstate, "22008") == 0;
    return fault(ret_fault,
                 range   ? CM_SQL_RANGE
                 : field ? "22008"
                         : CM_SQL_BAD_TEXT,
                 range ? "has a value out of range of its type" : not_a(type->kind));
}

static bool from_integer(const cm_type *type, const cm_cell *cell, cm_arena *scratch, cm_value *ret,
                         cm_fault *ret_fault)
{
    if (is_int(type->kind) || type->kind == CM_TYPE_BOOL) {
        return number(ret, cell->integer, ret_fault);
    }
    if (type->kind == CM_TYPE_NUMERIC) {
        cm_i128 scaled;
        if (cm_value_rescale(cell->integer, 0, type->scale, &scaled) != CM_OK) {
            return fault(ret_fault, CM_SQL_RANGE, "has a value out of range of its type");
        }
        return number(ret, scaled, ret_fault);
    }
    if (type->kind == CM_TYPE_TEXT || type->kind == CM_TYPE_ENUM) {
        char digits[41];
        cm_i128_print(cell->integer, digits);
        cm_cell text = {.kind = CM_CELL_TEXT, .bytes = strlen(digits)};
        text.text = cm_arena_strdup(scratch, digits);
        return from_text(type, &text, scratch, ret, ret_fault);
    }
    return fault(ret_fault, CM_SQL_DATATYPE_MISMATCH, not_a(type->kind));
}

/*
 * A decimal d of s digits after the point was stored as the nearest double x, so x * 10^s is within
 * 2^-51 of d * 10^s, relatively: below 2^50 canonical units that is less than half a unit and
 * rounding gives back d exactly.  A value with more digits is rounded; where it is near a half, as
 * PostgreSQL would round the 15 digits that it sees in a double.
 */
static bool from_real(const cm_type *type, const cm_cell *cell, cm_arena *scratch, cm_value *ret,
                      cm_fault *ret_fault)
{
    if (type->kind != CM_TYPE_NUMERIC) {
        return fault(ret_fault, CM_SQL_DATATYPE_MISMATCH, not_a(type->kind));
    }
    double units = cell->real * pow(10, type->scale);
    if (!isfinite(units) || fabs(units) >= 0x1p50) {
        return fault(ret_fault, CM_SQL_RANGE,
                     "has a floating-point value too large to be exact; store it as text");
    }
    if (fabs(units - round(units)) < 0.499) {
        return number(ret, (cm_i128)round(units), ret_fault);
    }
    char digits[32];
    int bytes = snprintf(digits, sizeof digits, "%.15g", cell->real);
    cm_cell text = {.kind = CM_CELL_TEXT, .text = digits, .bytes = (size_t)bytes};
    return from_text(type, &text, scratch, ret, ret_fault);
}

bool cm_cell_canonical(const cm_type *type, const cm_cell *cell, cm_arena *scratch, cm_value *ret,
                       cm_fault *ret_fault)
{
    switch (cell->kind) {
    case CM_CELL_NULL:
        *ret = (cm_value){.null = true};
        return true;
    case CM_CELL_INTEGER:
        return from_integer(type, cell, scratch, ret, ret_fault);
    case CM_CELL_REAL:
        return from_real(type, cell, scratch, ret, ret_fault);
    case CM_CELL_TEXT:
        return from_text(type, cell, scratch, ret, ret_fault);
    case CM_CELL_BLOB:
        break;
    }
    return fault(ret_fault, CM_SQL_DATATYPE_MISMATCH, not_a(type->kind));
}

bool cm_cell_check(const cm_column *column, const cm_value *value, cm_fault *ret_fault)
{
    if (value->null) {
        return !column->not_null || fault(ret_fault, "23502", "is NULL, declared NOT NULL");
    }
    if (column->type.kind == CM_TYPE_TEXT) {
        return strlen(value->text) <= column->type.max_bytes ||
               fault(ret_fault, "22001", "has a text longer than was published");
    }
    if (value->number >= column->range.lo && value->number <= column->range.hi) {
        return true;
    }
    cm_range range = cm_type_range(&column->type);
    bool typed = value->number >= range.lo && value->number <= range.hi;
    return typed ? fault(ret_fault, CM_SQL_CHECK, "has a value outside its declared domain")
                 : fault(ret_fault, CM_SQL_RANGE, "has a value out of range of its type");
}

cm_status cm_fault_fail(const cm_fault *fault, const cm_org_table *table, size_t col, uint64_t row,
                        cm_diag *diag)
{
    return cm_fail(diag, CM_EINVAL, fault->sqlstate, "row %llu of table \"%s\": column \"%s\" %s",
                   (unsigned long long)row, table->name, table->col[col].name, fault->what);
}
