/*
 * sql/stat.h - statistics from exact sums: what CM_X_STAT computes.
 *
 * With n rows in which both values are there, and canonical integers
 *
 *     A = n sum(x^2) - sum(x)^2,  B = n sum(y^2) - sum(y)^2,  C = n sum(xy) - sum(x) sum(y),
 *
 * each statistic is a quotient of products of them, or the root of one.  x and y are the column's
 * values minus a public number near the middle of its range, which keeps the sums of squares
 * narrow; only the intercept depends on it.  Nothing is rounded before the end: intermediate
 * results have up to 600 bits, the sums and the result at most 126.
 */
#ifndef CM_SQL_STAT_H
#define CM_SQL_STAT_H

#include <stdbool.h>

typedef enum cm_stat {
    CM_STAT_VAR_POP,     /* A / n^2 */
    CM_STAT_VAR_SAMP,    /* A / (n (n - 1)) */
    CM_STAT_STDDEV_POP,  /* the roots of these */
    CM_STAT_STDDEV_SAMP, /* */
    CM_STAT_COVAR_POP,   /* C / n^2 */
    CM_STAT_COVAR_SAMP,  /* C / (n (n - 1)) */
    CM_STAT_CORR,        /* the root of C^2 / (A B), with C's sign */
    CM_STAT_SLOPE,       /* C / A */
    CM_STAT_INTERCEPT,   /* (sum(y) sum(x^2) - sum(x) sum(xy) - mx C + my A) / A */
    CM_STAT_R2,          /* C^2 / (A B); 1 where B = 0 */
    CM_STAT_SXX,         /* A / n */
    CM_STAT_SYY,         /* B / n */
    CM_STAT_SXY,         /* C / n */
    CM_STAT_SQRT,        /* the root of "sum(x^2)", which is not negative: no statistic */
    CM_STATS,
} cm_stat;

/*
 * Arguments: the most that the result's magnitude can be, as a constant; n; sum(x), sum(y),
 * sum(x^2), sum(y^2), sum(xy), where the constant 0 stands for those that the statistic does not
 * need; what x and y were made smaller by, as constants.  With `shift` the result is that number
 * times 10^shift before the root, truncated; NULL where the divisor is 0 or a sum is NULL.
 */
enum {
    CM_STAT_MOST,
    CM_STAT_N,
    CM_STAT_X,
    CM_STAT_Y,
    CM_STAT_XX,
    CM_STAT_YY,
    CM_STAT_XY,
    CM_STAT_MIDDLE_X,
    CM_STAT_MIDDLE_Y,
    CM_STAT_ARGS,
};

/* As in SQL. */
const char *cm_stat_name(cm_stat stat);
/* Whether it can be negative; and whether it is a root. */
bool cm_stat_is_signed(cm_stat stat);
bool cm_stat_is_root(cm_stat stat);
bool cm_stat_is_sample(cm_stat stat);

#endif
