/*
 * Variance, covariance, correlation and linear regression: sums and a count, which the planner
 * treats as any others (owners add up their own rows), and one CM_X_STAT over them.
 *
 * A result has as many digits as 126 bits have room for, given the largest value that the public
 * ranges allow; at most those of a quotient.
 */
#include "sql/bind_int.h"
#include "sql/expr_int.h"
#include "sql/stat.h"

#include <string.h>

enum {
    UNIT_SCALE = 18,   /* digits of what is between -1 and 1 */
    SLOPE_LOG = 21,    /* a slope is less than 2^21 ranges of y: of 2^40 rows, see most_slope */
    ROWS_LOG = 40,     /* as cm_expr_agg_new assumes */
    SQUARES_SCALE = 37 /* digits that a product may have */
};

/* Two arguments, y then x; and what is no CM_STAT. */
typedef enum stat_shape { ONE, TWO, COUNT, AVG_X, AVG_Y } stat_shape;

static const struct {
    const char *text;
    stat_shape shape;
    cm_stat stat;
} names[] = {
    {"variance", ONE, CM_STAT_VAR_SAMP},
    {"var_samp", ONE, CM_STAT_VAR_SAMP},
    {"var_pop", ONE, CM_STAT_VAR_POP},
    {"stddev", ONE, CM_STAT_STDDEV_SAMP},
    {"stddev_samp", ONE, CM_STAT_STDDEV_SAMP},
    {"stddev_pop", ONE, CM_STAT_STDDEV_POP},
    {"covar_pop", TWO, CM_STAT_COVAR_POP},
    {"covar_samp", TWO, CM_STAT_COVAR_SAMP},
    {"corr", TWO, CM_STAT_CORR},
    {"regr_slope", TWO, CM_STAT_SLOPE},
    {"regr_intercept", TWO, CM_STAT_INTERCEPT},
    {"regr_r2", TWO, CM_STAT_R2},
    {"regr_sxx", TWO, CM_STAT_SXX},
    {"regr_syy", TWO, CM_STAT_SYY},
    {"regr_sxy", TWO, CM_STAT_SXY},
    {"regr_count", COUNT, CM_STATS},
    {"regr_avgx", AVG_X, CM_STATS},
    {"regr_avgy", AVG_Y, CM_STATS},
};

size_t cm_bind_stat_args(const char *name)
{
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        if (strcmp(name, names[i].text) == 0) {
            return names[i].shape == ONE ? 1 : 2;
        }
    }
    return 0;
}

/* One of the variables. */
typedef struct variable {
    const cm_expr *value;    /* as it was written, NULL where the other one is */
    const cm_expr *centered; /* minus the middle */
    cm_i128 middle;
    cm_i128 most; /* magnitude of centered */
    cm_i128 far;  /* magnitude of value */
    int scale;
} variable;

typedef struct stat_call {
    const cm_agg_call *agg;
    cm_binder *b;
    cm_stat stat;
    variable x, y;
    const cm_expr *arg[CM_STAT_ARGS];
    cm_status status; /* once something failed, nothing more is computed */
} stat_call;

static cm_i128 magnitude(cm_range range)
{
    return -range.lo > range.hi ? -range.lo : range.hi;
}

static const cm_expr *operate(stat_call *c, cm_expr_op op, int scale, const cm_expr *left,
                              const cm_expr *right)
{
    const cm_expr *ret = left;

    if (c->status == CM_OK) {
        c->status = cm_bind_op2(c->b, op, cm_bind_numeric(scale, false, 0), left, right,
                                c->agg->ast->position, &ret);
    }
    return ret;
}

/* value where other is not NULL. */
static const cm_expr *where_present(stat_call *c, const cm_expr *value, const cm_expr *other)
{
    const cm_type boolean = cm_bind_plain(CM_TYPE_BOOL);
    const int position = c->agg->ast->position;
    const cm_expr *absent = other, *ret = value;

    if (c->status != CM_OK || !other->nullable) {
        return value;
    }
    c->status = cm_bind_op1(c->b, CM_X_IS_NULL, boolean, other, position, &absent);
    const cm_value none = {.null = true};
    const cm_expr *args[3] = {absent, cm_expr_const(c->b->arena, value->type, none, position),
                              value};
    if (c->status == CM_OK) {
        c->status = cm_bind_op(c->b, CM_X_CASE, value->type, args, 3, 0, 0, position, &ret);
    }
    return ret;
}

/* A quotient has digits to spare where its squares have no room. */
static const cm_expr *narrow(stat_call *c, const cm_expr *value)
{
    const cm_i128 rows = (cm_i128)c->agg->rows;
    const cm_expr *from = value;

    while (c->status == CM_OK && value->type.quotient &&
           value->type.scale > CM_QUOTIENT_LEAST_SCALE) {
        cm_range most = {0, magnitude(value->range)};
        if (cm_range_mul(most, most, &most) && cm_range_mul(most, (cm_range){rows, rows}, &most)) {
            break;
        }
        cm_type type = value->type;
        type.scale--;
        c->status = cm_bind_op1(c->b, CM_X_TRUNC, type, from, c->agg->ast->position, &value);
    }
    return value;
}

/* Squares of values that are all far from 0 would be long. */
static void center(stat_call *c, variable *v)
{
    const cm_range range = v->value->range;
    const cm_i128 half = (range.hi - range.lo + 1) / 2;

    v->scale = v->value->type.scale;
    v->far = v->most = magnitude(range);
    v->centered = v->value;
    if (v->far > 2 * half) {
        v->middle = range.lo + (range.hi - range.lo) / 2;
        v->centered = operate(c, CM_X_SUB, v->scale, v->value,
                              cm_bind_number(c->b, cm_bind_numeric(v->scale, false, 0), v->middle,
                                             c->agg->ast->position));
        v->most = half;
    }
}

static const cm_expr *sum(stat_call *c, const cm_expr *value, int scale)
{
    const cm_expr *ret = value;

    if (c->status == CM_OK) {
        c->status = cm_bind_new_agg(c->agg, CM_AGGREGATE_SUM, cm_bind_numeric(scale, false, 0),
                                    value, &ret);
    }
    return ret;
}

/* Different values may have equal squares: a second argument says what is distinct. */
static const cm_expr *distinct_on(stat_call *c, const cm_expr *sum_of_squares, const cm_expr *on)
{
    const cm_expr **args = CM_NEW_SMALL(c->b->arena, const cm_expr *, 2);
    cm_expr *ret = CM_NEW_SMALL(c->b->arena, cm_expr, 1);

    args[0] = sum_of_squares->arg[0];
    args[1] = on;
    *ret = *sum_of_squares;
    ret->arg = args;
    ret->args = 2;
    return ret;
}

static const cm_expr *sum_of_product(stat_call *c, const variable *a, const variable *b)
{
    const int scale = a->scale + b->scale;

    if (c->status == CM_OK && scale > SQUARES_SCALE) {
        c->status =
            cm_bind_refuse(c->b, c->agg->ast->position,
                           "%s of numbers with so many digits after the point", c->agg->ast->text);
    }
    const cm_expr *of = sum(c, operate(c, CM_X_MUL, scale, a->centered, b->centered), scale);
    return c->agg->ast->distinct && c->status == CM_OK ? distinct_on(c, of, a->centered) : of;
}

static bool needs(cm_stat stat, int arg)
{
    const bool two = stat >= CM_STAT_COVAR_POP && stat != CM_STAT_SXX && stat != CM_STAT_SYY;
    const bool both = stat == CM_STAT_CORR || stat == CM_STAT_R2;

    switch (arg) {
    case CM_STAT_X:
        return stat != CM_STAT_SYY;
    case CM_STAT_Y:
        return two || stat == CM_STAT_SYY;
    case CM_STAT_XX:
        return stat < CM_STAT_COVAR_POP || both || stat == CM_STAT_SLOPE ||
               stat == CM_STAT_INTERCEPT || stat == CM_STAT_SXX;
    case CM_STAT_YY:
        return both || stat == CM_STAT_SYY;
    default:
        return two;
    }
}

static void make_sums(stat_call *c)
{
    const int position = c->agg->ast->position;
    const bool moved = c->stat == CM_STAT_INTERCEPT;
    const cm_type int8 = cm_bind_plain(CM_TYPE_INT8);
    const cm_expr *zero = cm_bind_number(c->b, int8, 0, position);

    for (size_t i = 0; i < CM_STAT_ARGS; i++) {
        c->arg[i] = zero;
    }
    if (c->status == CM_OK) {
        c->status =
            cm_bind_new_agg(c->agg, CM_AGGREGATE_COUNT, int8, c->x.value, &c->arg[CM_STAT_N]);
    }
    if (needs(c->stat, CM_STAT_X)) {
        c->arg[CM_STAT_X] = sum(c, c->x.centered, c->x.scale);
    }
    if (needs(c->stat, CM_STAT_Y)) {
        c->arg[CM_STAT_Y] = sum(c, c->y.centered, c->y.scale);
    }
    if (needs(c->stat, CM_STAT_XX)) {
        c->arg[CM_STAT_XX] = sum_of_product(c, &c->x, &c->x);
    }
    if (needs(c->stat, CM_STAT_YY)) {
        c->arg[CM_STAT_YY] = sum_of_product(c, &c->y, &c->y);
    }
    if (needs(c->stat, CM_STAT_XY)) {
        c->arg[CM_STAT_XY] = sum_of_product(c, &c->x, &c->y);
    }
    c->arg[CM_STAT_MIDDLE_X] = cm_bind_number(c->b, int8, moved ? c->x.middle : 0, position);
    c->arg[CM_STAT_MIDDLE_Y] = cm_bind_number(c->b, int8, moved ? c->y.middle : 0, position);
}

/*
 * The most that a magnitude can be, in units of 10^-scale; false when that is more than 126 bits.
 * A variance is at most the square of half the range (Popoviciu).  A >= n - 1 when not all x are
 * equal, and |C| <= sqrt(A B), so a slope is at most sqrt(B / A) <= n most_y / sqrt(n - 1), which
 * is less than 2 sqrt(n) most_y.
 */
static bool most_of(const stat_call *c, cm_range *ret, int *ret_scale)
{
    const cm_range two = {0, cm_stat_is_sample(c->stat) ? 2 : 1};
    const cm_range x = {0, c->x.most}, y = {0, c->y.most};
    const cm_range rows = {0, (cm_i128)1 << ROWS_LOG}, slope = {0, (cm_i128)1 << SLOPE_LOG};

    *ret = (cm_range){0, 1};
    *ret_scale = 0;
    switch (c->stat) {
    case CM_STAT_CORR:
    case CM_STAT_R2:
        return true;
    case CM_STAT_STDDEV_POP:
    case CM_STAT_STDDEV_SAMP:
        *ret_scale = c->x.scale;
        return cm_range_mul(x, two, ret);
    case CM_STAT_VAR_POP:
    case CM_STAT_VAR_SAMP:
        *ret_scale = 2 * c->x.scale;
        return cm_range_mul(x, x, ret) && cm_range_mul(*ret, two, ret);
    case CM_STAT_COVAR_POP:
    case CM_STAT_COVAR_SAMP:
        *ret_scale = c->x.scale + c->y.scale;
        return cm_range_mul(x, y, ret) && cm_range_mul(*ret, two, ret);
    case CM_STAT_SLOPE:
        *ret_scale = c->y.scale - c->x.scale;
        return cm_range_mul(slope, y, ret);
    case CM_STAT_INTERCEPT:
        *ret_scale = c->y.scale;
        if (!cm_range_mul(slope, y, ret) || !cm_range_mul(*ret, (cm_range){0, c->x.far}, ret) ||
            !cm_range_fits(ret->hi + c->y.far)) {
            return false;
        }
        ret->hi += c->y.far;
        return true;
    case CM_STAT_SXX:
        *ret_scale = 2 * c->x.scale;
        return cm_range_mul(x, x, ret) && cm_range_mul(*ret, rows, ret);
    case CM_STAT_SYY:
        *ret_scale = 2 * c->y.scale;
        return cm_range_mul(y, y, ret) && cm_range_mul(*ret, rows, ret);
    case CM_STAT_SXY:
        *ret_scale = c->x.scale + c->y.scale;
        return cm_range_mul(x, y, ret) && cm_range_mul(*ret, rows, ret);
    case CM_STAT_SQRT:
    case CM_STATS:
        break;
    }
    CM_ASSERT(false && "statistic");
}

static cm_status too_wide(const stat_call *c)
{
    cm_bind_at(c->b, c->agg->ast->position);
    cm_status st = cm_fail(c->b->diag, CM_ERANGE, CM_SQL_RANGE, "%s may need more than 126 bits",
                           c->agg->ast->text);
    cm_diag_hint(c->b->diag, "Declare the columns' real ranges with CHECK (column BETWEEN low AND "
                             "high).");
    return st;
}

static cm_status finish(stat_call *c, const cm_expr **ret)
{
    const bool unit = c->stat == CM_STAT_CORR || c->stat == CM_STAT_R2;
    cm_range most, scaled;
    cm_i128 power;
    int own, scale = unit ? UNIT_SCALE : CM_QUOTIENT_SCALE;

    if (!most_of(c, &most, &own)) {
        return too_wide(c);
    }
    int least = own > CM_QUOTIENT_LEAST_SCALE ? own : CM_QUOTIENT_LEAST_SCALE;
    scale = scale > least ? scale : least;
    while (scale >= least && !(cm_range_power(scale - own, &power) &&
                               cm_range_mul(most, (cm_range){0, power}, &scaled))) {
        scale--;
    }
    if (scale < least) {
        return too_wide(c);
    }
    c->arg[CM_STAT_MOST] =
        cm_bind_number(c->b, cm_bind_numeric(scale, false, 0), scaled.hi, c->agg->ast->position);
    int shown = own > 0 && !unit ? own : 0;
    int shift = cm_stat_is_root(c->stat) ? 2 * (scale - own) : scale - own;
    cm_type type = cm_bind_numeric(scale, true, shown < scale ? shown : 0);
    type.floats = cm_bind_stat_args(c->agg->ast->text) == 2;
    return cm_bind_op(c->b, CM_X_STAT, type, c->arg, CM_STAT_ARGS, (unsigned)c->stat, shift,
                      c->agg->ast->position, ret);
}

static cm_status float_average(const cm_agg_call *agg, const cm_expr *of, const cm_expr **ret)
{
    cm_status st = cm_bind_avg_of(agg, of, ret);

    *ret = st == CM_OK ? cm_bind_float(agg->b, *ret) : *ret;
    return st;
}

cm_status cm_bind_stat(const cm_agg_call *agg, const cm_expr **ret)
{
    stat_call c = {.agg = agg, .b = agg->b};
    size_t i = 0;

    while (strcmp(agg->ast->text, names[i].text) != 0) {
        i++;
    }
    const cm_expr *first = agg->arg, *second = names[i].shape == ONE ? agg->arg : agg->second;
    if (!cm_type_is_number(&first->type) || !cm_type_is_number(&second->type)) {
        const cm_expr *args[2] = {first, second};
        return cm_bind_no_function(agg->b, agg->ast, args, names[i].shape == ONE ? 1 : 2);
    }
    if (agg->ast->distinct && names[i].shape != ONE) {
        return cm_bind_refuse(agg->b, agg->ast->position, "DISTINCT in %s", agg->ast->text);
    }
    c.stat = names[i].stat;
    c.x.value = names[i].shape == ONE ? first : where_present(&c, second, first);
    c.y.value = names[i].shape == ONE ? first : where_present(&c, first, second);
    if (c.status != CM_OK) {
        return c.status;
    }
    switch (names[i].shape) {
    case COUNT:
        return cm_bind_new_agg(agg, CM_AGGREGATE_COUNT, cm_bind_plain(CM_TYPE_INT8), c.x.value,
                               ret);
    case AVG_X:
    case AVG_Y:
        return float_average(agg, names[i].shape == AVG_X ? c.x.value : c.y.value, ret);
    case ONE:
    case TWO:
        break;
    }
    c.x.value = narrow(&c, c.x.value);
    c.y.value = narrow(&c, c.y.value);
    center(&c, &c.x);
    center(&c, &c.y);
    make_sums(&c);
    return c.status != CM_OK ? c.status : finish(&c, ret);
}
