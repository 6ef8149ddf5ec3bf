/* Fields of EXTRACT that are made of others. */
#include "sql/bind_int.h"

#include <string.h>

enum { JULIAN_2000 = 2451545 };

typedef struct field_call {
    const cm_call *call;
    const cm_expr *when;
    cm_status status; /* once something failed, nothing more is computed */
} field_call;

static const cm_expr *number(const field_call *f, cm_i128 value)
{
    return cm_bind_number(f->call->b, cm_bind_numeric(0, false, 0), value, f->call->position);
}

static const cm_expr *extract(field_call *f, cm_field field, int scale, const cm_expr *of)
{
    const cm_expr *ret = of;

    if (f->status == CM_OK) {
        f->status = cm_bind_op(f->call->b, CM_X_EXTRACT, cm_bind_numeric(scale, false, 0), &of, 1,
                               (unsigned)field, 0, f->call->position, &ret);
    }
    return ret;
}

static const cm_expr *operate(field_call *f, cm_expr_op op, cm_type type, const cm_expr *a,
                              const cm_expr *b)
{
    const cm_expr *args[2] = {a, b}, *ret = a;

    if (f->status == CM_OK) {
        f->status = cm_bind_op(f->call->b, op, type, args, b == NULL ? 1 : 2, 0, 0,
                               f->call->position, &ret);
    }
    return ret;
}

static const cm_expr *whole(field_call *f, cm_expr_op op, const cm_expr *a, cm_i128 b)
{
    return operate(f, op, cm_bind_numeric(0, false, 0), a, number(f, b));
}

/* Monday is 1. */
static const cm_expr *isodow(field_call *f)
{
    const cm_expr *dow = extract(f, CM_FIELD_DOW, 0, f->when);

    return whole(f, CM_X_ADD, whole(f, CM_X_MOD, whole(f, CM_X_ADD, dow, 6), 7), 1);
}

/* The year of the week's Thursday. */
static const cm_expr *isoyear(field_call *f)
{
    const cm_expr *day = f->when;

    if (day->type.kind == CM_TYPE_TIMESTAMP) {
        f->status = cm_bind_to_date(f->call->b, day, &day);
    }
    const cm_expr *to_thursday =
        operate(f, CM_X_SUB, cm_bind_numeric(0, false, 0), number(f, 4), isodow(f));
    return extract(f, CM_FIELD_YEAR, 0,
                   operate(f, CM_X_ADD, cm_bind_plain(CM_TYPE_DATE), day, to_thursday));
}

/* Centuries begin with the year 1 of them; there are no years before 1 here. */
static const cm_expr *period(field_call *f, cm_i128 years, bool from_one)
{
    const cm_expr *year = extract(f, CM_FIELD_YEAR, 0, f->when);

    return whole(f, CM_X_IDIV, from_one ? whole(f, CM_X_ADD, year, years - 1) : year, years);
}

/* The same digits, with the point elsewhere. */
static const cm_expr *of_second(field_call *f, int scale)
{
    return operate(f, CM_X_CAST, cm_bind_numeric(scale, false, 0),
                   extract(f, CM_FIELD_SECOND, 6, f->when), NULL);
}

cm_status cm_bind_derived_field(const cm_call *c, const char *name, const cm_expr *when,
                                const cm_expr **ret, bool *ret_known)
{
    field_call f = {.call = c, .when = when};
    const bool date = when->type.kind == CM_TYPE_DATE;

    *ret_known = true;
    if (strcmp(name, "isodow") == 0) {
        *ret = isodow(&f);
    } else if (strcmp(name, "isoyear") == 0) {
        *ret = isoyear(&f);
    } else if (strcmp(name, "decade") == 0) {
        *ret = period(&f, 10, false);
    } else if (strcmp(name, "century") == 0) {
        *ret = period(&f, 100, true);
    } else if (strcmp(name, "millennium") == 0) {
        *ret = period(&f, 1000, true);
    } else if (strcmp(name, "milliseconds") == 0 && !date) {
        *ret = of_second(&f, 3);
    } else if (strcmp(name, "microseconds") == 0 && !date) {
        *ret = of_second(&f, 0);
    } else if (strcmp(name, "julian") == 0 && date) {
        *ret = whole(&f, CM_X_ADD, when, JULIAN_2000);
    } else {
        *ret_known = false;
    }
    return f.status;
}
