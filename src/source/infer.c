#include "source/infer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_HASHES = 1 << 26, REAL_SCALE = 6, MAX_PRECISION = 18 };

static const cm_type number_type = {
    .kind = CM_TYPE_NUMERIC, .precision = 38, .scale = CM_INFER_SCALE};
static const cm_type int_type = {.kind = CM_TYPE_INT8};
static const cm_type date_type = {.kind = CM_TYPE_DATE};
static const cm_type timestamp_type = {.kind = CM_TYPE_TIMESTAMP};

void cm_infer_init(cm_infer *column, bool want_unique, const char *declared)
{
    *column = (cm_infer){.integers = true,
                         .numbers = true,
                         .dates = true,
                         .timestamps = true,
                         .booleans = true,
                         .want_unique = want_unique,
                         .declared = declared};
}

/* No enum: too many labels, or a value that is none. */
static void drop_labels(cm_infer *column)
{
    for (size_t i = 0; i < column->labels && column->labels <= CM_INFER_LABELS; i++) {
        free(column->label[i]);
    }
    column->labels = CM_INFER_LABELS + 1;
}

void cm_infer_fini(cm_infer *column)
{
    drop_labels(column);
    free(column->hash);
    *column = (cm_infer){0};
}

/* ---- the shape of a text ---- */

static bool digits(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
    }
    return count > 0;
}

/* [-]digits[.digits] without a leading zero, which is how codes look.  *ret_scale: digits after. */
static bool looks_numeric(const cm_cell *cell, int *ret_scale)
{
    const char *text = cell->text;
    size_t bytes = cell->bytes;
    if (bytes > 0 && text[0] == '-') {
        text++;
        bytes--;
    }
    const char *point = memchr(text, '.', bytes);
    size_t whole = point == NULL ? bytes : (size_t)(point - text);
    size_t after = point == NULL ? 0 : bytes - whole - 1;
    if (!digits(text, whole) || whole > 18 || (whole > 1 && text[0] == '0') ||
        (point != NULL && !digits(point + 1, after)) || after > CM_INFER_SCALE) {
        return false;
    }
    *ret_scale = (int)after;
    return true;
}

static bool looks_dated(const cm_cell *cell)
{
    const char *t = cell->text;
    return cell->bytes >= 10 && digits(t, 4) && t[4] == '-' && digits(t + 5, 2) && t[7] == '-' &&
           digits(t + 8, 2);
}

static bool looks_boolean(const cm_cell *cell)
{
    static const char *const words[] = {"true", "false", "t", "f"};
    for (size_t i = 0; i < CM_COUNT(words); i++) {
        if (strcasecmp(cell->text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- what a value rules out ---- */

static void stretch(cm_infer *column, cm_i128 value)
{
    bool first = column->rows - column->nulls == 1;
    column->lo = first || value < column->lo ? value : column->lo;
    column->hi = first || value > column->hi ? value : column->hi;
}

static void rule_out_numbers(cm_infer *column)
{
    column->integers = column->numbers = false;
}

static void rule_out_times(cm_infer *column)
{
    column->dates = column->timestamps = false;
}

static void add_number(cm_infer *column, const cm_type *type, const cm_cell *cell, int scale,
                       cm_arena *scratch)
{
    cm_diag private = {0};
    cm_value value = {0};
    column->integers = column->integers && scale == 0;
    column->scale = scale > column->scale ? scale : column->scale;
    if (cm_value_parse(type, cell->text, scratch, &value, &private) == CM_OK) {
        stretch(column, value.number);
    } else {
        rule_out_numbers(column);
    }
}

static void add_time(cm_infer *column, const cm_cell *cell, cm_arena *scratch)
{
    cm_diag private = {0};
    cm_value value = {0};
    column->dates = column->dates && cell->bytes == 10;
    if (cm_value_parse(&timestamp_type, cell->text, scratch, &value, &private) == CM_OK) {
        stretch(column, value.number);
    } else {
        rule_out_times(column);
    }
}

static void add_label(cm_infer *column, const cm_cell *cell)
{
    if (column->labels > CM_INFER_LABELS) {
        return;
    }
    for (size_t i = 0; i < column->labels; i++) {
        if (strcmp(column->label[i], cell->text) == 0) {
            return;
        }
    }
    bool fits = column->labels < CM_INFER_LABELS && cell->bytes > 0 &&
                cell->bytes <= CM_INFER_LABEL_BYTES && strlen(cell->text) == cell->bytes;
    char *copy = fits ? strdup(cell->text) : NULL;
    if (copy != NULL) {
        column->label[column->labels++] = copy;
        return;
    }
    drop_labels(column);
}

static void add_text(cm_infer *column, const cm_cell *cell, cm_arena *scratch)
{
    int scale = 0;
    column->most_bytes = cell->bytes > column->most_bytes ? cell->bytes : column->most_bytes;
    add_label(column, cell);
    column->booleans = column->booleans && looks_boolean(cell);
    if (column->numbers && looks_numeric(cell, &scale)) {
        add_number(column, &number_type, cell, scale, scratch);
    } else {
        rule_out_numbers(column);
    }
    if (column->timestamps && looks_dated(cell)) {
        add_time(column, cell, scratch);
    } else {
        rule_out_times(column);
    }
}

static void add_integer(cm_infer *column, int64_t integer)
{
    char text[32];
    int bytes = snprintf(text, sizeof text, "%lld", (long long)integer);
    column->booleans = false;
    rule_out_times(column);
    column->most_bytes = (size_t)bytes > column->most_bytes ? (size_t)bytes : column->most_bytes;
    drop_labels(column);
    if (column->numbers) {
        stretch(column, (cm_i128)integer * 1000000000);
    }
}

/* The fewest digits after the point that give back the very same double. */
static void add_real(cm_infer *column, double real)
{
    int scale = 0;
    while (scale < REAL_SCALE && round(real * pow(10, scale)) / pow(10, scale) != real) {
        scale++;
    }
    column->booleans = column->integers = false;
    rule_out_times(column);
    drop_labels(column);
    column->reals = true;
    column->scale = scale > column->scale ? scale : column->scale;
    if (!isfinite(real) || fabs(real) > 1e15) {
        rule_out_numbers(column);
    } else if (column->numbers) {
        stretch(column, (cm_i128)round(real * 1e6) * 1000);
    }
}

static uint64_t hash_cell(const cm_cell *cell)
{
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */
    const uint8_t *bytes = (const uint8_t *)cell->text;
    size_t count = cell->bytes;
    if (cell->kind != CM_CELL_TEXT) {
        bytes = cell->kind == CM_CELL_REAL ? (const uint8_t *)&cell->real
                                           : (const uint8_t *)&cell->integer;
        count = 8;
    }
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ bytes[i]) * 0x100000001b3U;
    }
    return hash;
}

static void remember(cm_infer *column, const cm_cell *cell)
{
    if (column->hashes == column->hash_capacity) {
        size_t capacity = column->hash_capacity == 0 ? 1024 : column->hash_capacity * 2;
        uint64_t *grown =
            capacity > MAX_HASHES ? NULL : realloc(column->hash, capacity * sizeof *column->hash);
        if (grown == NULL) { /* not found to be unique, which is always allowed */
            column->want_unique = false;
            return;
        }
        column->hash = grown;
        column->hash_capacity = capacity;
    }
    column->hash[column->hashes++] = hash_cell(cell);
}

void cm_infer_add(cm_infer *column, const cm_cell *cell, cm_arena scratch)
{
    column->rows++;
    if (cell->kind == CM_CELL_NULL) {
        column->nulls++;
        return;
    }
    if (column->want_unique && cell->kind != CM_CELL_BLOB) {
        remember(column, cell);
    }
    switch (cell->kind) {
    case CM_CELL_TEXT:
        add_text(column, cell, &scratch);
        break;
    case CM_CELL_INTEGER:
        add_integer(column, cell->integer);
        break;
    case CM_CELL_REAL:
        add_real(column, cell->real);
        break;
    case CM_CELL_BLOB:
        rule_out_numbers(column);
        rule_out_times(column);
        column->booleans = false;
        drop_labels(column);
        column->most_bytes = SIZE_MAX; /* no type holds it */
        break;
    case CM_CELL_NULL:
        break;
    }
}

/* ---- the guess ---- */

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Equal hashes of different values only make the guess more careful. */
static bool all_different(cm_infer *column)
{
    if (!column->want_unique || column->hashes < 2 || column->nulls > 0) {
        return false;
    }
    qsort(column->hash, column->hashes, sizeof *column->hash, compare_hashes);
    for (size_t i = 1; i < column->hashes; i++) {
        if (column->hash[i] == column->hash[i - 1]) {
            return false;
        }
    }
    return true;
}

static cm_i128 floor_to(cm_i128 value, cm_i128 step)
{
    cm_i128 rest = value % step;
    return rest < 0 ? value - rest - step : value - rest;
}

void cm_infer_widen(cm_i128 *lo, cm_i128 *hi)
{
    cm_i128 low = *lo < 0 ? -*lo : *lo;
    cm_i128 high = *hi < 0 ? -*hi : *hi;
    cm_i128 size = low > high ? low : high;
    cm_i128 step = size < 10 ? 1 : 10;
    while (size / step >= 100) {
        step *= 10;
    }
    *lo = *lo >= 0 && *lo < size / 4 ? 0 : floor_to(*lo, step);
    *hi = *hi <= 0 && -*hi < size / 4 ? 0 : -floor_to(-*hi, step);
}

unsigned cm_infer_text_bytes(size_t most)
{
    unsigned bytes = 1;
    unsigned next = 2;
    while (bytes < most && bytes < CM_TEXT_MAX_BYTES) {
        unsigned between = bytes + bytes / 2;
        bytes = between > bytes && between >= most ? between : next;
        next = bytes * 2;
    }
    return bytes;
}

static const char *print(const cm_type *type, cm_i128 number, cm_arena *arena)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_value value = {.number = number};
    cm_value_print(type, &value, &text);
    return cm_arena_strdup(arena, cm_buf_text(&text));
}

static int digits_of(cm_i128 value)
{
    int count = 1;
    for (cm_i128 left = value < 0 ? -value : value; left >= 10; left /= 10) {
        count++;
    }
    return count;
}

/* DECIMAL(p,s) and NUMERIC(p,s) of the source, when they can be used. */
static bool declared_decimal(const char *declared, int *ret_precision, int *ret_scale)
{
    const char *open = declared == NULL ? NULL : strchr(declared, '(');
    if (open == NULL ||
        (strncasecmp(declared, "DECIMAL", 7) != 0 && strncasecmp(declared, "NUMERIC", 7) != 0)) {
        return false;
    }
    char *end;
    long precision = strtol(open + 1, &end, 10);
    long scale = *end == ',' ? strtol(end + 1, &end, 10) : 0;
    if (*end != ')' || precision < 1 || precision > MAX_PRECISION || scale < 0 ||
        scale > CM_INFER_SCALE || scale > precision) {
        return false;
    }
    *ret_precision = (int)precision;
    *ret_scale = (int)scale;
    return true;
}

static bool guess_numeric(cm_infer *column, cm_arena *arena, cm_guess *guess)
{
    int precision = 0;
    int scale = 0;
    cm_i128 lo, hi;
    bool declared = declared_decimal(column->declared, &precision, &scale);
    scale = declared && scale >= column->scale ? scale : column->scale;
    /* Rounding to the column's own scale: exact, or what a REAL column asked for. */
    if (cm_value_rescale(column->lo, CM_INFER_SCALE, scale, &lo) != CM_OK ||
        cm_value_rescale(column->hi, CM_INFER_SCALE, scale, &hi) != CM_OK) {
        return false;
    }
    cm_infer_widen(&lo, &hi);
    int needed = digits_of(lo) > digits_of(hi) ? digits_of(lo) : digits_of(hi);
    needed = needed > scale ? needed : scale + 1;
    if (needed > MAX_PRECISION) {
        return false;
    }
    /* The widest precision of 64 bits: the CHECK bounds the values, and organisations whose
     * values differ in size still publish one type. */
    declared = declared && precision >= needed;
    cm_type type = {
        .kind = CM_TYPE_NUMERIC, .precision = declared ? precision : MAX_PRECISION, .scale = scale};
    guess->type_name = "numeric";
    guess->type_args = 2;
    guess->type_arg[0] = type.precision;
    guess->type_arg[1] = scale;
    guess->has_check = true;
    guess->check_lo = print(&type, lo, arena);
    guess->check_hi = print(&type, hi, arena);
    return true;
}

static bool guess_integer(cm_infer *column, cm_arena *arena, cm_guess *guess)
{
    cm_i128 lo = column->lo / 1000000000;
    cm_i128 hi = column->hi / 1000000000;
    int precision, scale;
    if (declared_decimal(column->declared, &precision, &scale) && scale > 0) {
        return guess_numeric(column, arena, guess);
    }
    bool boolean = column->declared != NULL && strncasecmp(column->declared, "BOOL", 4) == 0;
    if (boolean && lo >= 0 && hi <= 1) {
        guess->type_name = "bool";
        return true;
    }
    cm_infer_widen(&lo, &hi);
    bool small = lo >= INT32_MIN && hi <= INT32_MAX;
    if (lo < INT64_MIN || hi > INT64_MAX) { /* widened too far: the type's own range will do */
        guess->type_name = "int8";
        return true;
    }
    guess->type_name = small ? "int4" : "int8";
    guess->has_check = true;
    guess->check_lo = print(&int_type, lo, arena);
    guess->check_hi = print(&int_type, hi, arena);
    return true;
}

/* Whole years. */
static void guess_time(const cm_infer *column, cm_arena *arena, cm_guess *guess)
{
    const cm_i128 day = (cm_i128)86400 * 1000000;
    int first, last, month, of_month;
    cm_date_to_ymd(floor_to(column->lo, day) / day, &first, &month, &of_month);
    cm_date_to_ymd(floor_to(column->hi, day) / day, &last, &month, &of_month);
    cm_i128 from = cm_date_from_ymd(first, 1, 1);
    cm_i128 to = cm_date_from_ymd(last, 12, 31);
    bool dates = column->dates;
    guess->type_name = dates ? "date" : "timestamp";
    guess->has_check = true;
    guess->check_lo = print(dates ? &date_type : &timestamp_type, dates ? from : from * day, arena);
    guess->check_hi =
        print(dates ? &date_type : &timestamp_type, dates ? to : to * day + day - 1, arena);
}

static int compare_labels(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

static void guess_text(const cm_infer *column, cm_arena *arena, cm_guess *guess)
{
    uint64_t values = column->rows - column->nulls;
    if (column->labels > 0 && column->labels <= CM_INFER_LABELS && column->labels * 2 <= values &&
        !guess->unique) {
        const char **label = CM_NEW_SMALL(arena, const char *, column->labels);
        for (size_t i = 0; i < column->labels; i++) {
            label[i] = cm_arena_strdup(arena, column->label[i]);
        }
        qsort(label, column->labels, sizeof *label, compare_labels);
        guess->labels = column->labels;
        guess->label = label;
        return;
    }
    guess->type_name = "varchar";
    guess->type_args = 1;
    guess->type_arg[0] =
        values == 0 ? CM_TEXT_DEFAULT_BYTES : (int)cm_infer_text_bytes(column->most_bytes);
}

cm_guess cm_infer_result(cm_infer *column, cm_arena *arena)
{
    uint64_t values = column->rows - column->nulls;
    cm_guess guess = {.not_null = column->rows > 0 && column->nulls == 0};
    guess.unique = all_different(column);
    if (values > 0 && column->booleans) {
        guess.type_name = "bool";
    } else if (values > 0 && column->integers && guess_integer(column, arena, &guess)) {
        return guess;
    } else if (values > 0 && column->numbers && guess_numeric(column, arena, &guess)) {
        return guess;
    } else if (values > 0 && column->timestamps) {
        guess_time(column, arena, &guess);
    } else {
        guess_text(column, arena, &guess);
    }
    return guess;
}
