/* percentile_cont, percentile_disc and mode, with WITHIN GROUP (ORDER BY ...). */
#include "sql/bind_int.h"
#include "sql/expr_int.h"

#include <string.h>

enum { FRACTION_DIGITS = 9 }; /* the table layer divides by less than 2^32 */

static const struct {
    const char *text;
    cm_aggregate aggregate;
} names[] = {
    {"percentile_cont", CM_AGGREGATE_PERCENTILE_CONT},
    {"percentile_disc", CM_AGGREGATE_PERCENTILE_DISC},
    {"mode", CM_AGGREGATE_MODE},
};

bool cm_bind_is_ordered(const char *name)
{
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        if (strcmp(name, names[i].text) == 0) {
            return true;
        }
    }
    return false;
}

static cm_status no_such(const cm_agg_call *c, const cm_expr *fraction)
{
    const cm_expr *args[2] = {fraction == NULL ? c->arg : fraction, c->arg};

    return cm_bind_no_function(c->b, c->ast, args, fraction == NULL ? 1 : 2);
}

/* A constant from 0 to 1 as numerator and digits, of which there are no more than it needs. */
static cm_status read_fraction(const cm_agg_call *c, const cm_expr *fraction, unsigned *ret_number,
                               int *ret_digits)
{
    if (!cm_type_is_number(&fraction->type)) {
        return no_such(c, fraction);
    }
    if (!cm_bind_is_const(fraction) || fraction->value.null) {
        return cm_bind_refuse(c->b, fraction->position, "a fraction that is not a constant");
    }
    cm_i128 number = fraction->value.number;
    int digits = fraction->type.kind == CM_TYPE_NUMERIC ? fraction->type.scale : 0;
    if (number < 0 || number > cm_pow10(digits)) {
        cm_buf text = {0};
        cm_value_print(&fraction->type, &fraction->value, &text);
        cm_bind_at(c->b, fraction->position);
        cm_status st = cm_fail(c->b->diag, CM_ERANGE, CM_SQL_RANGE,
                               "percentile value %s is not between 0 and 1", cm_buf_text(&text));
        cm_buf_free(&text);
        return st;
    }
    for (; digits > 0 && number % 10 == 0; digits--) {
        number /= 10;
    }
    if (digits > FRACTION_DIGITS) {
        return cm_bind_refuse(c->b, fraction->position, "a fraction of more than %d digits",
                              FRACTION_DIGITS);
    }
    *ret_number = (unsigned)number;
    *ret_digits = digits;
    return CM_OK;
}

/* Between two values lies one with as many digits more as the fraction has. */
static cm_status widen(const cm_agg_call *c, int digits, cm_expr *agg)
{
    const cm_type *of = &c->arg->type;
    const int scale = (of->kind == CM_TYPE_NUMERIC ? of->scale : 0) + digits;
    cm_i128 power = cm_pow10(digits);

    agg->type = cm_bind_numeric(scale, of->quotient, of->quotient ? of->precision : 0);
    agg->type.floats = true;
    if (scale > 37 || !cm_range_mul(c->arg->range, (cm_range){power, power}, &agg->range)) {
        cm_bind_at(c->b, c->ast->position);
        return cm_fail(c->b->diag, CM_ERANGE, CM_SQL_RANGE,
                       "percentile_cont may need more than 126 bits");
    }
    return CM_OK;
}

static cm_status bind_percentile(const cm_agg_call *c, cm_aggregate aggregate,
                                 const cm_expr *fraction, const cm_expr **ret)
{
    cm_expr *agg = CM_NEW_SMALL(c->b->arena, cm_expr, 1);
    cm_type type = c->arg->type;
    unsigned number = 0;
    int digits = 0;
    cm_status st = CM_OK;

    if (type.kind == CM_TYPE_INTERVAL ||
        (aggregate == CM_AGGREGATE_PERCENTILE_CONT && !cm_type_is_number(&type))) {
        return no_such(c, fraction);
    }
    if (type.text == CM_TEXT_VARCHAR) {
        type.text = CM_TEXT_TEXT;
    }
    if (fraction != NULL) {
        st = read_fraction(c, fraction, &number, &digits);
    }
    if (st == CM_OK) {
        st = cm_bind_new_agg(c, aggregate, type, c->arg, ret);
    }
    if (st != CM_OK) {
        return st;
    }
    *agg = **ret;
    agg->index = number;
    agg->shift = digits;
    agg->descending = c->ast->order[0].descending;
    *ret = agg;
    return aggregate == CM_AGGREGATE_PERCENTILE_CONT ? widen(c, digits, agg) : CM_OK;
}

/* Of a boolean as of 0 and 1. */
static cm_status bind_of_bool(const cm_agg_call *c, cm_aggregate aggregate, const cm_expr *fraction,
                              const cm_expr **ret)
{
    const cm_type int4 = cm_bind_plain(CM_TYPE_INT4), boolean = cm_bind_plain(CM_TYPE_BOOL);
    const int position = c->ast->position;
    cm_agg_call number = *c;

    cm_status st = cm_bind_op1(c->b, CM_X_CAST, int4, c->arg, position, &number.arg);
    if (st == CM_OK) {
        st = bind_percentile(&number, aggregate, fraction, ret);
    }
    return st != CM_OK ? st
                       : cm_bind_op2(c->b, CM_X_EQ, boolean, *ret,
                                     cm_bind_number(c->b, int4, 1, position), position, ret);
}

cm_status cm_bind_ordered(const cm_agg_call *c, const cm_expr *fraction, const cm_expr **ret)
{
    size_t i = 0;

    while (strcmp(c->ast->text, names[i].text) != 0) {
        i++;
    }
    cm_bind_at(c->b, c->ast->position);
    if (c->ast->over != NULL) {
        return cm_fail(c->b->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "OVER is not supported for ordered-set aggregate %s", c->ast->text);
    }
    if (c->arg->type.kind == CM_TYPE_BOOL && names[i].aggregate != CM_AGGREGATE_PERCENTILE_CONT) {
        return bind_of_bool(c, names[i].aggregate, fraction, ret);
    }
    return bind_percentile(c, names[i].aggregate, fraction, ret);
}
