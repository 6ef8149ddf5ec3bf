/*
 * Fragments as SQL over canonical integers, for SQLite and PostgreSQL.
 *
 * Both dialects compute here with 64-bit integers, truncate quotients towards zero, give a
 * remainder the sign of its dividend, and know three-valued logic.  cm_expr_pushable lets through
 * only what stays in 64 bits and cannot divide by zero (SQLite would make that NULL); dates before
 * year 1 or, in SQLite, after year 9999 make the statement fail rather than give a wrong field.
 * Booleans are the integers 0 and 1: a condition becomes one by CASE, an integer a condition by <>
 * 0.
 */
#include "sql/plan.h"

#include <string.h>

static const cm_i128 micros_per_day = (cm_i128)86400 * 1000000;

/* 0001-01-01 and 9999-12-31. */
enum { FIRST_DAY = -730119, LAST_DAY = 2921939 };

/* ---- what can be pushed ---- */

static bool is_text(const cm_expr *x)
{
    return x->type.kind == CM_TYPE_TEXT || x->type.kind == CM_TYPE_UNKNOWN;
}

static bool fits(cm_range range)
{
    return range.lo >= -INT64_MAX && range.hi <= INT64_MAX;
}

static cm_i128 power_of_ten(int exponent)
{
    cm_i128 power = 1;

    for (int i = 0; i < exponent && i < 37; i++) {
        power *= 10;
    }
    return power;
}

static bool is_zero(const cm_expr *x)
{
    return x->op == CM_X_CONST && !x->value.null && x->value.number == 0;
}

/* x / NULLIF(y, 0) never divides by zero, whatever the range of y. */
static bool is_safe_divisor(const cm_expr *x)
{
    return x->range.lo > 0 || x->range.hi < 0 || (x->op == CM_X_NULLIF && is_zero(x->arg[1]));
}

static bool is_days(const cm_type *type)
{
    return type->kind == CM_TYPE_DATE || type->kind == CM_TYPE_TIMESTAMP;
}

static bool fits_scaled(cm_range range, int shift)
{
    cm_i128 power = power_of_ten(shift), most = INT64_MAX / power;

    return shift >= 0 && shift <= 18 && range.lo >= -most && range.hi <= most;
}

/* Halves are added before a rounding division. */
static bool fits_rounding(const cm_expr *x)
{
    int digits = x->arg[0]->type.scale - x->type.scale;
    cm_i128 most = INT64_MAX - power_of_ten(digits < 0 ? 0 : digits);

    return digits <= 18 && x->arg[0]->range.lo >= -most && x->arg[0]->range.hi <= most;
}

static bool is_pushable_node(const cm_expr *x, void *arg)
{
    (void)arg;
    if (!is_text(x) && !fits(x->range)) {
        return false;
    }
    switch (x->op) {
    case CM_X_PARAM:
    case CM_X_AGG:
        return false;
    case CM_X_IDIV:
    case CM_X_MOD:
        return is_safe_divisor(x->arg[1]);
    case CM_X_QUOT:
        return is_safe_divisor(x->arg[1]) && fits_scaled(x->arg[0]->range, x->shift);
    case CM_X_RESCALE:
        return fits_rounding(x);
    case CM_X_CAST: /* one that can fail is left to the computing parties */
        return is_text(x) ||
               (x->range.lo <= x->arg[0]->range.lo && x->range.hi >= x->arg[0]->range.hi);
    case CM_X_EXTRACT:
    case CM_X_DATE_TRUNC:
        return is_days(&x->arg[0]->type) && x->type.scale <= 6;
    case CM_X_ADD_MONTHS:
        return is_days(&x->arg[0]->type) && x->arg[1]->op == CM_X_CONST &&
               (x->arg[1]->value.null ||
                (x->arg[1]->value.number >= -120000 && x->arg[1]->value.number <= 120000));
    case CM_X_LIKE:
        return x->arg[1]->op == CM_X_CONST;
    case CM_X_SUBSTRING:
        return x->arg[1]->range.lo >= 1 && (x->args < 3 || x->arg[2]->range.lo >= 0);
    case CM_X_CONST:
    case CM_X_COLUMN:
    case CM_X_ADD:
    case CM_X_SUB:
    case CM_X_MUL:
    case CM_X_NEG:
    case CM_X_ABS:
    case CM_X_TRUNC:
    case CM_X_FLOOR:
    case CM_X_CEIL:
    case CM_X_EQ:
    case CM_X_NE:
    case CM_X_LT:
    case CM_X_LE:
    case CM_X_GT:
    case CM_X_GE:
    case CM_X_NOT_DISTINCT:
    case CM_X_AND:
    case CM_X_OR:
    case CM_X_NOT:
    case CM_X_IS_NULL:
    case CM_X_IS_TRUE:
    case CM_X_IS_FALSE:
    case CM_X_IN:
    case CM_X_CASE:
    case CM_X_COALESCE:
    case CM_X_NULLIF:
    case CM_X_GREATEST:
    case CM_X_LEAST:
    case CM_X_LOWER:
    case CM_X_UPPER:
    case CM_X_LENGTH:
    case CM_X_CONCAT:
        break;
    }
    return true;
}

bool cm_expr_pushable(const cm_expr *expr)
{
    return cm_expr_walk(expr, is_pushable_node, NULL);
}

/* ---- SQL ---- */

typedef struct writer {
    cm_buf *out;
    const cm_org_table *table;
    bool postgres;
} writer;

static void put_value(writer *w, const cm_expr *x);
static void put_condition(writer *w, const cm_expr *x);

static void put(writer *w, const char *text)
{
    cm_buf_put(w->out, text, strlen(text));
}

/* An integer literal.  PostgreSQL would take a small one for an int4 and overflow with it. */
static void put_number(writer *w, cm_i128 value)
{
    char digits[41];

    cm_buf_printf(w->out,
                  w->postgres ? "(%s)::bigint"
                  : value < 0 ? "(%s)"
                              : "%s",
                  cm_i128_print(value, digits));
}

static void put_quoted(writer *w, const char *text, char quote)
{
    cm_buf_put_u8(w->out, (uint8_t)quote);
    for (; *text != 0; text++) {
        if (*text == quote) {
            cm_buf_put_u8(w->out, (uint8_t)quote);
        }
        cm_buf_put_u8(w->out, (uint8_t)*text);
    }
    cm_buf_put_u8(w->out, (uint8_t)quote);
}

static void put_const(writer *w, const cm_expr *x)
{
    if (x->value.null) {
        put(w, !w->postgres ? "NULL" : is_text(x) ? "NULL::text" : "NULL::bigint");
    } else if (is_text(x)) {
        put_quoted(w, x->value.text, '\'');
        put(w, w->postgres ? "::text" : "");
    } else {
        put_number(w, x->value.number);
    }
}

static void put_column(writer *w, const cm_expr *x)
{
    CM_ASSERT(x->index < w->table->cols);
    put_quoted(w, w->table->col[x->index].name, '"');
    put(w, !w->postgres ? "" : is_text(x) ? "::text" : "::bigint");
}

/* Text is ordered by its bytes: SQLite's own order, PostgreSQL's collation "C". */
static void put_operand(writer *w, const cm_expr *x)
{
    put_value(w, x);
    if (w->postgres && is_text(x)) {
        put(w, " COLLATE \"C\"");
    }
}

static void put_binary(writer *w, const cm_expr *x, const char *op)
{
    put(w, "(");
    put_operand(w, x->arg[0]);
    cm_buf_printf(w->out, " %s ", op);
    put_operand(w, x->arg[1]);
    put(w, ")");
}

/* RESCALE, TRUNC, FLOOR and CEIL. */
static void put_rescale(writer *w, const cm_expr *x)
{
    const cm_expr *a = x->arg[0];
    int digits = a->type.scale - x->type.scale;

    put(w, "(");
    if (digits <= 0) {
        put_value(w, a);
        put(w, " * ");
        put_number(w, power_of_ten(-digits));
        put(w, ")");
        return;
    }
    cm_i128 power = power_of_ten(digits);
    if (x->op == CM_X_RESCALE) {
        put(w, "(");
        put_value(w, a);
        put(w, " + CASE WHEN ");
        put_value(w, a);
        put(w, " < 0 THEN ");
        put_number(w, -(power / 2));
        put(w, " ELSE ");
        put_number(w, power / 2);
        put(w, " END) / ");
        put_number(w, power);
        put(w, ")");
        return;
    }
    put_value(w, a);
    put(w, " / ");
    put_number(w, power);
    if (x->op != CM_X_TRUNC) {
        put(w, x->op == CM_X_FLOOR ? " - CASE WHEN " : " + CASE WHEN ");
        put_value(w, a);
        put(w, " % ");
        put_number(w, power);
        put(w, x->op == CM_X_FLOOR ? " < 0 THEN 1 ELSE 0 END" : " > 0 THEN 1 ELSE 0 END");
    }
    put(w, ")");
}

static void put_case(writer *w, const cm_expr *x)
{
    put(w, "CASE");
    for (size_t i = 0; i + 1 < x->args; i += 2) {
        put(w, " WHEN ");
        put_condition(w, x->arg[i]);
        put(w, " THEN ");
        put_value(w, x->arg[i + 1]);
    }
    put(w, " ELSE ");
    put_value(w, x->arg[x->args - 1]);
    put(w, " END");
}

static void put_list(writer *w, const cm_expr *const *args, size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++) {
        put(w, i == 0 ? "" : ", ");
        put_operand(w, args[(first + i) % count]);
    }
}

static void put_function(writer *w, const char *name, const cm_expr *const *args, size_t count)
{
    if (count == 1 && strcmp(name, "coalesce") == 0) { /* SQLite wants two */
        put_value(w, args[0]);
        return;
    }
    cm_buf_printf(w->out, "%s(", name);
    put_list(w, args, count, 0);
    put(w, ")");
}

/*
 * SQLite's max(a, b) is NULL when one is: each argument falls back to the others, so that only all
 * of them NULL make a NULL.
 */
static void put_extreme(writer *w, const cm_expr *x)
{
    bool greatest = x->op == CM_X_GREATEST;

    if (x->args == 1) {
        put_value(w, x->arg[0]);
        return;
    }
    if (w->postgres) {
        put_function(w, greatest ? "greatest" : "least", x->arg, x->args);
        return;
    }
    put(w, greatest ? "max(" : "min(");
    for (size_t i = 0; i < x->args; i++) {
        put(w, i == 0 ? "coalesce(" : ", coalesce(");
        put_list(w, x->arg, x->args, i);
        put(w, ")");
    }
    put(w, ")");
}

/* ---- dates ---- */

/* x modulo unit, never negative. */
static void put_floor_mod(writer *w, const cm_expr *x, cm_i128 add, cm_i128 unit)
{
    put(w, "(((");
    put_value(w, x);
    put(w, " + ");
    put_number(w, add);
    put(w, ") % ");
    put_number(w, unit);
    put(w, " + ");
    put_number(w, unit);
    put(w, ") % ");
    put_number(w, unit);
    put(w, ")");
}

/* Days since 2000-01-01 of a date or timestamp, as they are. */
static void put_plain_days(writer *w, const cm_expr *x)
{
    if (x->type.kind == CM_TYPE_DATE) {
        put_value(w, x);
        return;
    }
    put(w, "((");
    put_value(w, x);
    put(w, " - ");
    put_floor_mod(w, x, 0, micros_per_day);
    put(w, ") / ");
    put_number(w, micros_per_day);
    put(w, ")");
}

static cm_range days_of(const cm_expr *x)
{
    cm_i128 unit = x->type.kind == CM_TYPE_TIMESTAMP ? micros_per_day : 1;

    return (cm_range){x->range.lo / unit - 1, x->range.hi / unit + 1};
}

/*
 * Days that the dialect's calendar handles.  Others end the statement with an error: SQLite cannot
 * take the absolute value of the least integer, PostgreSQL cannot divide by zero.  The column in it
 * keeps either from evaluating it ahead of time.
 */
static void put_days_between(writer *w, const cm_expr *x, cm_i128 first, cm_i128 last)
{
    cm_range range = days_of(x);
    bool guard = range.lo < first || range.hi > last;

    if (!guard) {
        put_plain_days(w, x);
        return;
    }
    put(w, "CASE WHEN ");
    put_plain_days(w, x);
    put(w, " BETWEEN ");
    put_number(w, first);
    put(w, " AND ");
    put_number(w, last);
    put(w, " THEN ");
    put_plain_days(w, x);
    put(w, " WHEN ");
    put_plain_days(w, x);
    put(w, " IS NULL THEN NULL ELSE ");
    put(w, w->postgres ? "1 / (0 * " : "abs(-9223372036854775807 - 1 + 0 * ");
    put_plain_days(w, x);
    put(w, ") END");
}

static void put_days(writer *w, const cm_expr *x)
{
    put_days_between(w, x, FIRST_DAY, LAST_DAY);
}

/* strftime of a day, or EXTRACT. */
static void put_field(writer *w, const cm_expr *days, const char *sqlite, const char *postgres)
{
    if (w->postgres) {
        cm_buf_printf(w->out, "extract(%s FROM date '2000-01-01' + (", postgres);
        put_days(w, days);
        put(w, ")::int)::bigint");
    } else {
        cm_buf_printf(w->out, "CAST(strftime('%s', 2451544.5 + (", sqlite);
        put_days(w, days);
        put(w, ")) AS INTEGER)");
    }
}

/* The number of the week of a day is that of its Thursday: ISO 8601. */
static void put_week(writer *w, const cm_expr *days)
{
    if (w->postgres) {
        put_field(w, days, "", "week");
        return;
    }
    put(w, "((CAST(strftime('%j', 2451544.5 + (");
    put_days(w, days);
    put(w, ") - (((");
    put_days(w, days);
    put(w, ") + 5) % 7 + 7) % 7 + 3) AS INTEGER) - 1) / 7 + 1)");
}

/* Microseconds of the day, in units. */
static void put_time_part(writer *w, const cm_expr *x, cm_i128 unit, cm_i128 modulo)
{
    if (x->type.kind == CM_TYPE_DATE) {
        put(w, "(0 * ");
        put_value(w, x);
        put(w, ")");
        return;
    }
    put(w, "(");
    put_floor_mod(w, x, 0, micros_per_day);
    put(w, " / ");
    put_number(w, unit);
    put(w, " % ");
    put_number(w, modulo);
    put(w, ")");
}

/* Floored: a scale of fewer than six digits cuts microseconds. */
static void put_seconds(writer *w, const cm_expr *x, int scale, bool epoch)
{
    const cm_expr *a = x->arg[0];
    const cm_i128 epoch_2000 = 946684800;

    if (a->type.kind == CM_TYPE_DATE) {
        put(w, "(");
        put_value(w, a);
        put(w, " * ");
        put_number(w, epoch ? 86400 * power_of_ten(scale) : 0);
        put(w, " + ");
        put_number(w, epoch ? epoch_2000 * power_of_ten(scale) : 0);
        put(w, ")");
        return;
    }
    cm_i128 unit = power_of_ten(6 - scale);
    if (!epoch) {
        put_time_part(w, a, unit, 60 * power_of_ten(scale));
        return;
    }
    put(w, "((");
    put_value(w, a);
    put(w, " - ");
    put_floor_mod(w, a, 0, unit);
    put(w, ") / ");
    put_number(w, unit);
    put(w, " + ");
    put_number(w, epoch_2000 * power_of_ten(scale));
    put(w, ")");
}

static void put_extract_field(writer *w, const cm_expr *x)
{
    const cm_expr *a = x->arg[0];

    switch ((cm_field)x->index) {
    case CM_FIELD_YEAR:
        put_field(w, a, "%Y", "year");
        return;
    case CM_FIELD_QUARTER:
        put(w, "((");
        put_field(w, a, "%m", "month");
        put(w, " + 2) / 3)");
        return;
    case CM_FIELD_MONTH:
        put_field(w, a, "%m", "month");
        return;
    case CM_FIELD_WEEK:
        put_week(w, a);
        return;
    case CM_FIELD_DAY:
        put_field(w, a, "%d", "day");
        return;
    case CM_FIELD_DOW:
        put_field(w, a, "%w", "dow");
        return;
    case CM_FIELD_DOY:
        put_field(w, a, "%j", "doy");
        return;
    case CM_FIELD_HOUR:
        put_time_part(w, a, 3600000000, 24);
        return;
    case CM_FIELD_MINUTE:
        put_time_part(w, a, 60000000, 60);
        return;
    case CM_FIELD_SECOND:
    case CM_FIELD_EPOCH:
        break;
    }
    put_seconds(w, x, x->type.scale, x->index == CM_FIELD_EPOCH);
}

static void put_extract(writer *w, const cm_expr *x)
{
    bool scaled = x->index != CM_FIELD_SECOND && x->index != CM_FIELD_EPOCH && x->type.scale > 0;

    put(w, scaled ? "(" : "");
    put_extract_field(w, x);
    if (scaled) {
        put(w, " * ");
        put_number(w, power_of_ten(x->type.scale));
        put(w, ")");
    }
}

/* First day of the year, quarter or month of a day. */
static void put_first_day(writer *w, const cm_expr *days, cm_field field)
{
    const char *unit = field == CM_FIELD_YEAR      ? "year"
                       : field == CM_FIELD_QUARTER ? "quarter"
                                                   : "month";

    if (w->postgres) {
        cm_buf_printf(w->out, "(date_trunc('%s', (date '2000-01-01' + (", unit);
        put_days(w, days);
        put(w, ")::int)::timestamp)::date - date '2000-01-01')::bigint");
        return;
    }
    put(w, "CAST(julianday(date(2451544.5 + (");
    put_days(w, days);
    cm_buf_printf(w->out, "), 'start of %s'", field == CM_FIELD_YEAR ? "year" : "month");
    if (field == CM_FIELD_QUARTER) {
        put(w, ", '-' || ((strftime('%m', 2451544.5 + (");
        put_days(w, days);
        put(w, ")) - 1) % 3) || ' months'");
    }
    put(w, ")) - 2451544.5 AS INTEGER)");
}

static void put_date_trunc(writer *w, const cm_expr *x)
{
    const cm_expr *a = x->arg[0];
    cm_field field = (cm_field)x->index;
    bool stamp = a->type.kind == CM_TYPE_TIMESTAMP;
    cm_i128 unit = field == CM_FIELD_HOUR     ? 3600000000
                   : field == CM_FIELD_MINUTE ? 60000000
                   : field == CM_FIELD_SECOND ? 1000000
                                              : micros_per_day;

    if (field == CM_FIELD_YEAR || field == CM_FIELD_QUARTER || field == CM_FIELD_MONTH) {
        put(w, "(");
        put_first_day(w, a, field);
        put(w, " * ");
        put_number(w, stamp ? micros_per_day : 1);
        put(w, ")");
        return;
    }
    if (field == CM_FIELD_WEEK) { /* 2000-01-01 was the sixth day of its week */
        unit = stamp ? micros_per_day : 1;
        put(w, "(");
        put_value(w, a);
        put(w, " - ");
        put_floor_mod(w, a, 5 * unit, 7 * unit);
        put(w, ")");
        return;
    }
    if (!stamp) {
        put_value(w, a);
        return;
    }
    put(w, "(");
    put_value(w, a);
    put(w, " - ");
    put_floor_mod(w, a, 0, unit);
    put(w, ")");
}

/* Day 31 of a month of 30 becomes day 30; SQLite by the lesser of that day and the month's last. */
static void put_months_later(writer *w, const cm_expr *days, int months)
{
    cm_i128 first = FIRST_DAY - (months < 0 ? 31 * (cm_i128)months : 0);
    cm_i128 last = LAST_DAY - (months > 0 ? 31 * (cm_i128)(months + 1) : 31);

    if (w->postgres) {
        put(w, "((date '2000-01-01' + (");
        put_days_between(w, days, first, last);
        cm_buf_printf(w->out, ")::int + interval '%d months')::date - date '2000-01-01')::bigint",
                      months);
        return;
    }
    put(w, "CAST(min(julianday(date(2451544.5 + (");
    put_days_between(w, days, first, last);
    cm_buf_printf(w->out, "), 'start of month', '%+d months')) + strftime('%%d', 2451544.5 + (",
                  months);
    put_days_between(w, days, first, last);
    put(w, ")) - 1, julianday(date(2451544.5 + (");
    put_days_between(w, days, first, last);
    cm_buf_printf(w->out, "), 'start of month', '%+d months', '-1 day'))) - 2451544.5 AS INTEGER)",
                  months + 1);
}

static void put_add_months(writer *w, const cm_expr *x)
{
    const cm_expr *a = x->arg[0];

    if (x->arg[1]->value.null) {
        put(w, w->postgres ? "NULL::bigint" : "NULL");
        return;
    }
    int months = (int)x->arg[1]->value.number;
    if (a->type.kind == CM_TYPE_DATE) {
        put_months_later(w, a, months);
        return;
    }
    put(w, "(");
    put_months_later(w, a, months);
    put(w, " * ");
    put_number(w, micros_per_day);
    put(w, " + ");
    put_floor_mod(w, a, 0, micros_per_day);
    put(w, ")");
}

/* ---- text ---- */

/* Letters are ASCII: PostgreSQL's lower follows the collation. */
static void put_fold(writer *w, const char *function, const cm_expr *x)
{
    cm_buf_printf(w->out, "%s(", function);
    put_operand(w, x);
    put(w, ")");
}

static void put_like(writer *w, const cm_expr *x)
{
    bool fold = x->index == 1;

    put(w, "(");
    if (fold) {
        put_fold(w, "lower", x->arg[0]);
    } else {
        put_operand(w, x->arg[0]);
    }
    put(w, " LIKE ");
    if (fold) {
        put_fold(w, "lower", x->arg[1]);
    } else {
        put_value(w, x->arg[1]);
    }
    put(w, " ESCAPE '\\')");
}

static void put_substring(writer *w, const cm_expr *x)
{
    put(w, "substr(");
    for (size_t i = 0; i < x->args; i++) {
        put(w, i == 0 ? "" : ", ");
        put_value(w, x->arg[i]);
        put(w, i > 0 && w->postgres ? "::int" : "");
    }
    put(w, ")");
}

static void put_concat(writer *w, const cm_expr *x)
{
    put(w, "(");
    for (size_t i = 0; i < x->args; i++) {
        put(w, i == 0 ? "" : " || ");
        put_value(w, x->arg[i]);
    }
    put(w, ")");
}

/* ---- conditions and values ---- */

static void put_junction(writer *w, const cm_expr *x, const char *word)
{
    put(w, "(");
    for (size_t i = 0; i < x->args; i++) {
        put(w, i == 0 ? "" : word);
        put_condition(w, x->arg[i]);
    }
    put(w, ")");
}

static void put_test(writer *w, const cm_expr *x, const char *test, bool as_condition)
{
    put(w, "(");
    if (as_condition) {
        put_condition(w, x->arg[0]);
    } else {
        put_value(w, x->arg[0]);
    }
    cm_buf_printf(w->out, " %s)", test);
}

static void put_in(writer *w, const cm_expr *x)
{
    put(w, "(");
    put_operand(w, x->arg[0]);
    put(w, " IN (");
    for (size_t i = 1; i < x->args; i++) {
        put(w, i == 1 ? "" : ", ");
        put_value(w, x->arg[i]);
    }
    put(w, "))");
}

/* A boolean of the dialect. */
static void put_logic(writer *w, const cm_expr *x)
{
    switch ((int)x->op) {
    case CM_X_EQ:
        put_binary(w, x, "=");
        return;
    case CM_X_NE:
        put_binary(w, x, "<>");
        return;
    case CM_X_LT:
        put_binary(w, x, "<");
        return;
    case CM_X_LE:
        put_binary(w, x, "<=");
        return;
    case CM_X_GT:
        put_binary(w, x, ">");
        return;
    case CM_X_GE:
        put_binary(w, x, ">=");
        return;
    case CM_X_NOT_DISTINCT:
        put_binary(w, x, w->postgres ? "IS NOT DISTINCT FROM" : "IS");
        return;
    case CM_X_AND:
        put_junction(w, x, " AND ");
        return;
    case CM_X_OR:
        put_junction(w, x, " OR ");
        return;
    case CM_X_NOT:
        put(w, "(NOT ");
        put_condition(w, x->arg[0]);
        put(w, ")");
        return;
    case CM_X_IS_NULL:
        put_test(w, x, "IS NULL", false);
        return;
    case CM_X_IS_TRUE:
        put_test(w, x, "IS TRUE", true);
        return;
    case CM_X_IS_FALSE:
        put_test(w, x, "IS FALSE", true);
        return;
    case CM_X_IN:
        put_in(w, x);
        return;
    case CM_X_LIKE:
        put_like(w, x);
        return;
    default:
        CM_ASSERT(false && "is_logic");
    }
}

static bool is_logic(cm_expr_op op)
{
    return (op >= CM_X_EQ && op <= CM_X_IN) || op == CM_X_LIKE;
}

static void put_condition(writer *w, const cm_expr *x)
{
    if (is_logic(x->op)) {
        put_logic(w, x);
    } else {
        put(w, "(");
        put_value(w, x);
        put(w, " <> 0)");
    }
}

/* A boolean as an integer; without NULLs the second test can go. */
static void put_logic_value(writer *w, const cm_expr *x)
{
    put(w, "CASE WHEN ");
    put_logic(w, x);
    if (x->nullable) {
        put(w, " THEN 1 WHEN NOT ");
        put_logic(w, x);
        put(w, " THEN 0 END");
    } else {
        put(w, " THEN 1 ELSE 0 END");
    }
}

static void put_quotient(writer *w, const cm_expr *x)
{
    put(w, "(");
    put_value(w, x->arg[0]);
    put(w, " * ");
    put_number(w, power_of_ten(x->shift));
    put(w, " / ");
    put_value(w, x->arg[1]);
    put(w, ")");
}

static void put_number_op(writer *w, const cm_expr *x)
{
    switch ((int)x->op) {
    case CM_X_ADD:
        put_binary(w, x, "+");
        return;
    case CM_X_SUB:
        put_binary(w, x, "-");
        return;
    case CM_X_MUL:
        put_binary(w, x, "*");
        return;
    case CM_X_IDIV:
        put_binary(w, x, "/");
        return;
    case CM_X_QUOT:
        put_quotient(w, x);
        return;
    case CM_X_MOD:
        put_binary(w, x, "%");
        return;
    case CM_X_NEG:
        put(w, "(0 - ");
        put_value(w, x->arg[0]);
        put(w, ")");
        return;
    case CM_X_ABS:
        put_function(w, "abs", x->arg, 1);
        return;
    case CM_X_EXTRACT:
        put_extract(w, x);
        return;
    case CM_X_DATE_TRUNC:
        put_date_trunc(w, x);
        return;
    case CM_X_ADD_MONTHS:
        put_add_months(w, x);
        return;
    default:
        put_rescale(w, x);
        return;
    }
}

static void put_value(writer *w, const cm_expr *x)
{
    switch ((int)x->op) {
    case CM_X_CONST:
        put_const(w, x);
        return;
    case CM_X_COLUMN:
        put_column(w, x);
        return;
    case CM_X_CAST:
        put_value(w, x->arg[0]);
        return;
    case CM_X_CASE:
        put_case(w, x);
        return;
    case CM_X_COALESCE:
        put_function(w, "coalesce", x->arg, x->args);
        return;
    case CM_X_NULLIF:
        put_function(w, "nullif", x->arg, 2);
        return;
    case CM_X_GREATEST:
    case CM_X_LEAST:
        put_extreme(w, x);
        return;
    case CM_X_LOWER:
        put_fold(w, "lower", x->arg[0]);
        return;
    case CM_X_UPPER:
        put_fold(w, "upper", x->arg[0]);
        return;
    case CM_X_LENGTH:
        put_function(w, "length", x->arg, 1);
        return;
    case CM_X_SUBSTRING:
        put_substring(w, x);
        return;
    case CM_X_CONCAT:
        put_concat(w, x);
        return;
    case CM_X_PARAM:
    case CM_X_AGG:
        CM_ASSERT(false && "not pushable");
    default:
        break;
    }
    if (is_logic(x->op)) {
        put_logic_value(w, x);
    } else {
        put_number_op(w, x);
    }
}

/* A sum over no rows is 0 here: the plan's columns of sums are never NULL. */
static void put_aggregate(writer *w, const cm_expr *x)
{
    static const char *const names[] = {"count", "coalesce(sum", "avg", "min", "max"};

    CM_ASSERT(x->op == CM_X_AGG && x->filter == NULL && !x->distinct &&
              x->aggregate != CM_AGGREGATE_AVG);
    if (x->args == 0) {
        put(w, "count(*)");
        return;
    }
    cm_buf_printf(w->out, "%s(", names[x->aggregate]);
    put_operand(w, x->arg[0]);
    put(w, x->aggregate == CM_AGGREGATE_SUM ? "), 0)" : ")");
}

void cm_fragment_sql(const cm_fragment *fragment, cm_dialect dialect, const char *from, cm_buf *out)
{
    writer w = {.out = out, .table = fragment->table, .postgres = dialect == CM_DIALECT_POSTGRES};

    CM_ASSERT(fragment->outputs > 0);
    put(&w, "SELECT ");
    for (size_t i = 0; i < fragment->keys; i++) {
        put_value(&w, fragment->key[i]);
        cm_buf_printf(out, " AS k%zu, ", i);
    }
    for (size_t i = 0; i < fragment->outputs; i++) {
        put(&w, i == 0 ? "" : ", ");
        if (fragment->aggregated) {
            put_aggregate(&w, fragment->output[i]);
        } else {
            put_value(&w, fragment->output[i]);
        }
        cm_buf_printf(out, " AS c%zu", i);
    }
    cm_buf_printf(out, " FROM %s", from);
    if (fragment->filter != NULL) {
        put(&w, " WHERE ");
        put_condition(&w, fragment->filter);
    }
    for (size_t i = 0; i < fragment->keys; i++) {
        cm_buf_printf(out, "%s%zu", i == 0 ? " GROUP BY " : ", ", i + 1);
    }
}
