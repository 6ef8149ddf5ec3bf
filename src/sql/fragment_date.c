/* Dates and times of day in owners' SQL, by days and microseconds since 2000-01-01. */
#include "sql/fragment_int.h"

/* 0001-01-01 and 9999-12-31. */
enum { FIRST_DAY = -730119, LAST_DAY = 2921939 };

/* x modulo unit, never negative. */
static void put_floor_mod(cm_fragment_writer *w, const cm_expr *x, cm_i128 add, cm_i128 unit)
{
    cm_fragment_put(w, "(((");
    cm_fragment_put_value(w, x);
    cm_fragment_put(w, " + ");
    cm_fragment_put_number(w, add);
    cm_fragment_put(w, ") % ");
    cm_fragment_put_number(w, unit);
    cm_fragment_put(w, " + ");
    cm_fragment_put_number(w, unit);
    cm_fragment_put(w, ") % ");
    cm_fragment_put_number(w, unit);
    cm_fragment_put(w, ")");
}

/* Days since 2000-01-01 of a date or timestamp, as they are. */
static void put_plain_days(cm_fragment_writer *w, const cm_expr *x)
{
    if (x->type.kind == CM_TYPE_DATE) {
        cm_fragment_put_value(w, x);
        return;
    }
    cm_fragment_put(w, "((");
    cm_fragment_put_value(w, x);
    cm_fragment_put(w, " - ");
    put_floor_mod(w, x, 0, CM_MICROS_PER_DAY);
    cm_fragment_put(w, ") / ");
    cm_fragment_put_number(w, CM_MICROS_PER_DAY);
    cm_fragment_put(w, ")");
}

static cm_range days_of(const cm_expr *x)
{
    cm_i128 unit = x->type.kind == CM_TYPE_TIMESTAMP ? CM_MICROS_PER_DAY : 1;

    return (cm_range){x->range.lo / unit - 1, x->range.hi / unit + 1};
}

/*
 * Days that the dialect's calendar handles.  Others end the statement with an error: SQLite cannot
 * take the absolute value of the least integer, PostgreSQL cannot divide by zero.  The column in it
 * keeps either from evaluating it ahead of time.
 */
static void put_days_between(cm_fragment_writer *w, const cm_expr *x, cm_i128 first, cm_i128 last)
{
    cm_range range = days_of(x);
    bool guard = range.lo < first || range.hi > last;

    if (!guard) {
        put_plain_days(w, x);
        return;
    }
    cm_fragment_put(w, "CASE WHEN ");
    put_plain_days(w, x);
    cm_fragment_put(w, " BETWEEN ");
    cm_fragment_put_number(w, first);
    cm_fragment_put(w, " AND ");
    cm_fragment_put_number(w, last);
    cm_fragment_put(w, " THEN ");
    put_plain_days(w, x);
    cm_fragment_put(w, " WHEN ");
    put_plain_days(w, x);
    cm_fragment_put(w, " IS NULL THEN NULL ELSE ");
    cm_fragment_put(w, w->postgres ? "1 / (0 * " : "abs(-9223372036854775807 - 1 + 0 * ");
    put_plain_days(w, x);
    cm_fragment_put(w, ") END");
}

static void put_days(cm_fragment_writer *w, const cm_expr *x)
{
    put_days_between(w, x, FIRST_DAY, LAST_DAY);
}

/* strftime of a day, or EXTRACT. */
static void put_field(cm_fragment_writer *w, const cm_expr *days, const char *sqlite,
                      const char *postgres)
{
    if (w->postgres) {
        cm_buf_printf(w->out, "extract(%s FROM date '2000-01-01' + (", postgres);
        put_days(w, days);
        cm_fragment_put(w, ")::int)::bigint");
    } else {
        cm_buf_printf(w->out, "CAST(strftime('%s', 2451544.5 + (", sqlite);
        put_days(w, days);
        cm_fragment_put(w, ")) AS INTEGER)");
    }
}

/* The number of the week of a day is that of its Thursday: ISO 8601. */
static void put_week(cm_fragment_writer *w, const cm_expr *days)
{
    if (w->postgres) {
        put_field(w, days, "", "week");
        return;
    }
    cm_fragment_put(w, "((CAST(strftime('%j', 2451544.5 + (");
    put_days(w, days);
    cm_fragment_put(w, ") - (((");
    put_days(w, days);
    cm_fragment_put(w, ") + 5) % 7 + 7) % 7 + 3) AS INTEGER) - 1) / 7 + 1)");
}

/* Microseconds of the day, in units. */
static void put_time_part(cm_fragment_writer *w, const cm_expr *x, cm_i128 unit, cm_i128 modulo)
{
    if (x->type.kind == CM_TYPE_DATE) {
        cm_fragment_put(w, "(0 * ");
        cm_fragment_put_value(w, x);
        cm_fragment_put(w, ")");
        return;
    }
    cm_fragment_put(w, "(");
    put_floor_mod(w, x, 0, CM_MICROS_PER_DAY);
    cm_fragment_put(w, " / ");
    cm_fragment_put_number(w, unit);
    cm_fragment_put(w, " % ");
    cm_fragment_put_number(w, modulo);
    cm_fragment_put(w, ")");
}

/* Floored: a scale of fewer than six digits cuts microseconds. */
static void put_seconds(cm_fragment_writer *w, const cm_expr *x, int scale, bool epoch)
{
    const cm_expr *a = x->arg[0];
    const cm_i128 epoch_2000 = 946684800;

    if (a->type.kind == CM_TYPE_DATE) {
        cm_fragment_put(w, "(");
        cm_fragment_put_value(w, a);
        cm_fragment_put(w, " * ");
        cm_fragment_put_number(w, epoch ? 86400 * cm_pow10(scale) : 0);
        cm_fragment_put(w, " + ");
        cm_fragment_put_number(w, epoch ? epoch_2000 * cm_pow10(scale) : 0);
        cm_fragment_put(w, ")");
        return;
    }
    cm_i128 unit = cm_pow10(6 - scale);
    if (!epoch) {
        put_time_part(w, a, unit, 60 * cm_pow10(scale));
        return;
    }
    cm_fragment_put(w, "((");
    cm_fragment_put_value(w, a);
    cm_fragment_put(w, " - ");
    put_floor_mod(w, a, 0, unit);
    cm_fragment_put(w, ") / ");
    cm_fragment_put_number(w, unit);
    cm_fragment_put(w, " + ");
    cm_fragment_put_number(w, epoch_2000 * cm_pow10(scale));
    cm_fragment_put(w, ")");
}

static void put_extract_field(cm_fragment_writer *w, const cm_expr *x)
{
    const cm_expr *a = x->arg[0];

    switch ((cm_field)x->index) {
    case CM_FIELD_YEAR:
        put_field(w, a, "%Y", "year");
        return;
    case CM_FIELD_QUARTER:
        cm_fragment_put(w, "((");
        put_field(w, a, "%m", "month");
        cm_fragment_put(w, " + 2) / 3)");
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

void cm_fragment_put_extract(cm_fragment_writer *w, const cm_expr *x)
{
    bool scaled = x->index != CM_FIELD_SECOND && x->index != CM_FIELD_EPOCH && x->type.scale > 0;

    cm_fragment_put(w, scaled ? "(" : "");
    put_extract_field(w, x);
    if (scaled) {
        cm_fragment_put(w, " * ");
        cm_fragment_put_number(w, cm_pow10(x->type.scale));
        cm_fragment_put(w, ")");
    }
}

/* First day of the year, quarter or month of a day. */
static void put_first_day(cm_fragment_writer *w, const cm_expr *days, cm_field field)
{
    const char *unit = field == CM_FIELD_YEAR      ? "year"
                       : field == CM_FIELD_QUARTER ? "quarter"
                                                   : "month";

    if (w->postgres) {
        cm_buf_printf(w->out, "(date_trunc('%s', (date '2000-01-01' + (", unit);
        put_days(w, days);
        cm_fragment_put(w, ")::int)::timestamp)::date - date '2000-01-01')::bigint");
        return;
    }
    cm_fragment_put(w, "CAST(julianday(date(2451544.5 + (");
    put_days(w, days);
    cm_buf_printf(w->out, "), 'start of %s'", field == CM_FIELD_YEAR ? "year" : "month");
    if (field == CM_FIELD_QUARTER) {
        cm_fragment_put(w, ", '-' || ((strftime('%m', 2451544.5 + (");
        put_days(w, days);
        cm_fragment_put(w, ")) - 1) % 3) || ' months'");
    }
    cm_fragment_put(w, ")) - 2451544.5 AS INTEGER)");
}

void cm_fragment_put_date_trunc(cm_fragment_writer *w, const cm_expr *x)
{
    const cm_expr *a = x->arg[0];
    cm_field field = (cm_field)x->index;
    bool stamp = a->type.kind == CM_TYPE_TIMESTAMP;
    cm_i128 unit = field == CM_FIELD_HOUR     ? 3600000000
                   : field == CM_FIELD_MINUTE ? 60000000
                   : field == CM_FIELD_SECOND ? 1000000
                                              : CM_MICROS_PER_DAY;

    if (field == CM_FIELD_YEAR || field == CM_FIELD_QUARTER || field == CM_FIELD_MONTH) {
        cm_fragment_put(w, "(");
        put_first_day(w, a, field);
        cm_fragment_put(w, " * ");
        cm_fragment_put_number(w, stamp ? CM_MICROS_PER_DAY : 1);
        cm_fragment_put(w, ")");
        return;
    }
    if (field == CM_FIELD_WEEK) { /* 2000-01-01 was the sixth day of its week */
        unit = stamp ? CM_MICROS_PER_DAY : 1;
        cm_fragment_put(w, "(");
        cm_fragment_put_value(w, a);
        cm_fragment_put(w, " - ");
        put_floor_mod(w, a, 5 * unit, 7 * unit);
        cm_fragment_put(w, ")");
        return;
    }
    if (!stamp) {
        cm_fragment_put_value(w, a);
        return;
    }
    cm_fragment_put(w, "(");
    cm_fragment_put_value(w, a);
    cm_fragment_put(w, " - ");
    put_floor_mod(w, a, 0, unit);
    cm_fragment_put(w, ")");
}

/* Day 31 of a month of 30 becomes day 30; SQLite by the lesser of that day and the month's last. */
static void put_months_later(cm_fragment_writer *w, const cm_expr *days, int months)
{
    cm_i128 first = FIRST_DAY - (months < 0 ? 31 * (cm_i128)months : 0);
    cm_i128 last = LAST_DAY - (months > 0 ? 31 * (cm_i128)(months + 1) : 31);

    if (w->postgres) {
        cm_fragment_put(w, "((date '2000-01-01' + (");
        put_days_between(w, days, first, last);
        cm_buf_printf(w->out, ")::int + interval '%d months')::date - date '2000-01-01')::bigint",
                      months);
        return;
    }
    cm_fragment_put(w, "CAST(min(julianday(date(2451544.5 + (");
    put_days_between(w, days, first, last);
    cm_buf_printf(w->out, "), 'start of month', '%+d months')) + strftime('%%d', 2451544.5 + (",
                  months);
    put_days_between(w, days, first, last);
    cm_fragment_put(w, ")) - 1, julianday(date(2451544.5 + (");
    put_days_between(w, days, first, last);
    cm_buf_printf(w->out, "), 'start of month', '%+d months', '-1 day'))) - 2451544.5 AS INTEGER)",
                  months + 1);
}

void cm_fragment_put_add_months(cm_fragment_writer *w, const cm_expr *x)
{
    const cm_expr *a = x->arg[0];

    if (x->arg[1]->value.null) {
        cm_fragment_put(w, w->postgres ? "NULL::bigint" : "NULL");
        return;
    }
    int months = (int)x->arg[1]->value.number;
    if (a->type.kind == CM_TYPE_DATE) {
        put_months_later(w, a, months);
        return;
    }
    cm_fragment_put(w, "(");
    put_months_later(w, a, months);
    cm_fragment_put(w, " * ");
    cm_fragment_put_number(w, CM_MICROS_PER_DAY);
    cm_fragment_put(w, " + ");
    put_floor_mod(w, a, 0, CM_MICROS_PER_DAY);
    cm_fragment_put(w, ")");
}
