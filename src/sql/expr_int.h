/* sql/expr_int.h - interval arithmetic that expr.c and expr_range.c share. */
#ifndef CM_SQL_EXPR_INT_H
#define CM_SQL_EXPR_INT_H

#include "sql/expr.h"

/* Magnitude below 2^126. */
bool cm_range_fits(cm_i128 value);
/* 10^exponent; false when it does not fit. */
bool cm_range_power(int exponent, cm_i128 *ret);
/* False when a corner does not fit. */
bool cm_range_mul(cm_range a, cm_range b, cm_range *ret);
/* Range of an operation from its arguments'; false when it does not fit 126 bits. */
bool cm_expr_range_of(const cm_expr *x, cm_range *ret);

#endif
