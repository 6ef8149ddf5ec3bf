/* Statistics in the clear: sql/stat.h. */
#include "sql/big.h"
#include "sql/eval_int.h"
#include "sql/sql_int.h"
#include "sql/stat.h"

const char *cm_stat_name(cm_stat stat)
{
    static const char *const names[CM_STATS] = {[CM_STAT_VAR_POP] = "var_pop",
                                                [CM_STAT_VAR_SAMP] = "var_samp",
                                                [CM_STAT_STDDEV_POP] = "stddev_pop",
                                                [CM_STAT_STDDEV_SAMP] = "stddev_samp",
                                                [CM_STAT_COVAR_POP] = "covar_pop",
                                                [CM_STAT_COVAR_SAMP] = "covar_samp",
                                                [CM_STAT_CORR] = "corr",
                                                [CM_STAT_SLOPE] = "regr_slope",
                                                [CM_STAT_INTERCEPT] = "regr_intercept",
                                                [CM_STAT_R2] = "regr_r2",
                                                [CM_STAT_SXX] = "regr_sxx",
                                                [CM_STAT_SYY] = "regr_syy",
                                                [CM_STAT_SXY] = "regr_sxy",
                                                [CM_STAT_SQRT] = "sqrt"};

    return names[stat];
}

bool cm_stat_is_signed(cm_stat stat)
{
    return stat == CM_STAT_COVAR_POP || stat == CM_STAT_COVAR_SAMP || stat == CM_STAT_CORR ||
           stat == CM_STAT_SLOPE || stat == CM_STAT_INTERCEPT || stat == CM_STAT_SXY;
}

bool cm_stat_is_root(cm_stat stat)
{
    return stat == CM_STAT_STDDEV_POP || stat == CM_STAT_STDDEV_SAMP || stat == CM_STAT_CORR ||
           stat == CM_STAT_SQRT;
}

bool cm_stat_is_sample(cm_stat stat)
{
    return stat == CM_STAT_VAR_SAMP || stat == CM_STAT_STDDEV_SAMP || stat == CM_STAT_COVAR_SAMP;
}

static cm_big product(const cm_value *args, int a, int b)
{
    cm_big x = cm_big_of(args[a].number), y = cm_big_of(args[b].number);

    return cm_big_mul(&x, &y);
}

/* n times one sum minus the product of two others. */
static cm_big moment(const cm_value *args, int of, int a, int b)
{
    cm_big whole = product(args, CM_STAT_N, of), part = product(args, a, b);

    return cm_big_sub(&whole, &part);
}

static cm_big intercept(const cm_value *args, const cm_big *a, const cm_big *c)
{
    cm_big ret = product(args, CM_STAT_Y, CM_STAT_XX);
    cm_big term = product(args, CM_STAT_X, CM_STAT_XY), middle;

    ret = cm_big_sub(&ret, &term);
    middle = cm_big_of(args[CM_STAT_MIDDLE_X].number);
    term = cm_big_mul(&middle, c);
    ret = cm_big_sub(&ret, &term);
    middle = cm_big_of(args[CM_STAT_MIDDLE_Y].number);
    term = cm_big_mul(&middle, a);
    return cm_big_add(&ret, &term);
}

/* Dividend and divisor before shift and root. */
static void quotient_of(cm_stat stat, const cm_value *args, cm_big *ret_dividend,
                        cm_big *ret_divisor)
{
    const cm_i128 n = args[CM_STAT_N].number;
    cm_big a = moment(args, CM_STAT_XX, CM_STAT_X, CM_STAT_X);
    cm_big b = moment(args, CM_STAT_YY, CM_STAT_Y, CM_STAT_Y);
    cm_big c = moment(args, CM_STAT_XY, CM_STAT_X, CM_STAT_Y);

    switch (stat) {
    case CM_STAT_CORR:
    case CM_STAT_R2:
        *ret_dividend = cm_big_mul(&c, &c);
        *ret_divisor = cm_big_mul(&a, &b);
        return;
    case CM_STAT_SLOPE:
    case CM_STAT_INTERCEPT:
        *ret_dividend = stat == CM_STAT_SLOPE ? c : intercept(args, &a, &c);
        *ret_divisor = a;
        return;
    case CM_STAT_SXX:
    case CM_STAT_SYY:
    case CM_STAT_SXY:
        *ret_dividend = stat == CM_STAT_SXX ? a : stat == CM_STAT_SYY ? b : c;
        *ret_divisor = cm_big_of(n);
        return;
    case CM_STAT_SQRT:
        *ret_dividend = cm_big_of(args[CM_STAT_XX].number);
        *ret_divisor = cm_big_of(1);
        return;
    case CM_STAT_VAR_POP:
    case CM_STAT_VAR_SAMP:
    case CM_STAT_STDDEV_POP:
    case CM_STAT_STDDEV_SAMP:
    case CM_STAT_COVAR_POP:
    case CM_STAT_COVAR_SAMP:
    case CM_STATS:
        break;
    }
    *ret_dividend = stat == CM_STAT_COVAR_POP || stat == CM_STAT_COVAR_SAMP ? c : a;
    *ret_divisor = cm_big_of(n * (cm_stat_is_sample(stat) ? n - 1 : n));
}

static cm_big times_power(const cm_big *x, int digits)
{
    cm_big ret = *x;

    for (int left = digits; left > 0; left -= 37) {
        cm_big power = cm_big_of(cm_pow10(left > 37 ? 37 : left));
        ret = cm_big_mul(&ret, &power);
    }
    return ret;
}

static bool is_zero(const cm_value *args, int of, int a, int b)
{
    cm_big x = moment(args, of, a, b);

    return cm_big_is_zero(&x);
}

void cm_eval_stat(const cm_expr *x, const cm_value *args, cm_value *ret)
{
    const cm_stat stat = (cm_stat)x->index;
    cm_big dividend, divisor;

    quotient_of(stat, args, &dividend, &divisor);
    if (stat == CM_STAT_R2 && is_zero(args, CM_STAT_YY, CM_STAT_Y, CM_STAT_Y) &&
        !is_zero(args, CM_STAT_XX, CM_STAT_X, CM_STAT_X)) {
        dividend = divisor = cm_big_of(1);
    }
    if (cm_big_is_zero(&divisor)) {
        *ret = (cm_value){.null = true};
        return;
    }
    dividend = times_power(&dividend, x->shift);
    cm_big value = cm_big_div(&dividend, &divisor);
    if (cm_stat_is_root(stat)) {
        value = cm_big_sqrt(&value);
        cm_big c = moment(args, CM_STAT_XY, CM_STAT_X, CM_STAT_Y);
        value.negative = stat == CM_STAT_CORR && c.negative;
    }
    *ret = (cm_value){.number = cm_big_get(&value)};
}
