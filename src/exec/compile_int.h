/* Shared by the compile_*.c files. */
#ifndef CM_EXEC_COMPILE_INT_H
#define CM_EXEC_COMPILE_INT_H

#include "exec/compile.h"

/* A magnitude and a sign (1: negative). */
typedef struct cm_signed {
    cm_wire negative;
    cm_num magnitude;
} cm_signed;

cm_range cm_range_hull(cm_range a, cm_range b);
cm_i128 cm_power_of_ten(int exponent);
cm_cval cm_cval_const(cm_i128 value);
cm_cval cm_cval_of_wire(cm_wire data, cm_wire null);
/* The one wire of a boolean, also when its range is a single value. */
cm_wire cm_cval_bit(const cm_cval *x);

/* compile_arith.c: op and operands as sql/expr.h describes them; results have `range`. */
cm_cval cm_compile_add(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_range range);
cm_cval cm_compile_sub(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_range range);
cm_cval cm_compile_mul(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_range range);
cm_cval cm_compile_negate(cm_compiler *c, const cm_cval *a, cm_range range);
cm_cval cm_compile_abs(cm_compiler *c, const cm_cval *a, cm_range range);
/* Divides by a value (IDIV, MOD, QUOT with its shift): raises CM_ROW_DIVISION_ZERO. */
cm_cval cm_compile_divide(cm_compiler *c, cm_expr_op op, const cm_cval *a, const cm_cval *b,
                          int shift, cm_wire active, cm_range range);
/* RESCALE, TRUNC, FLOOR, CEIL by 10^-digits (digits > 0). */
cm_cval cm_compile_round(cm_compiler *c, cm_expr_op op, const cm_cval *a, int digits,
                         cm_range range);
/* The same canonical integer in a narrower range: raises CM_ROW_RANGE outside it. */
cm_cval cm_compile_clip(cm_compiler *c, const cm_cval *a, cm_wire active, cm_range range);
/* x.range.lo >= 0: the number itself; otherwise two's complement of so many bits. */
cm_num cm_compile_integer(cm_compiler *c, const cm_cval *x, unsigned bits);
cm_signed cm_compile_sign_magnitude(cm_compiler *c, const cm_cval *x);
/* The other way: value +-magnitude, re-based to range. */
cm_cval cm_compile_of_signed(cm_compiler *c, cm_signed x, cm_wire null, cm_range range);

/* compile_stat.c: STAT of the values of its arguments. */
cm_cval cm_compile_stat(cm_compiler *c, const cm_expr *expr, const cm_cval *args);

/* compile_compare.c */
cm_wire cm_compile_equal(cm_compiler *c, const cm_cval *a, const cm_cval *b);
cm_wire cm_compile_less(cm_compiler *c, const cm_cval *a, const cm_cval *b);
/* Both operands in one width: text padded, digests taken of constants, numbers re-based. */
cm_cval cm_compile_choose(cm_compiler *c, cm_wire condition, const cm_cval *if_one,
                          const cm_cval *if_zero, cm_range range);

/* compile_date.c: EXTRACT of year, quarter, month, day and day of the week of a date (days). */
CM_MUST cm_status cm_compile_extract(cm_compiler *c, const cm_expr *expr, const cm_cval *date,
                                     cm_cval *ret);
/* Year, month and day of a date not before 0000-03-01. */
void cm_compile_civil(cm_compiler *c, const cm_cval *date, cm_cval *ret_year, cm_cval *ret_month,
                      cm_cval *ret_day);
/* compile_calendar.c: EXTRACT, DATE_TRUNC and ADD_MONTHS of a date or timestamp from year 1 on;
 * is_days: arg is the date that a timestamp was made of. */
CM_MUST cm_status cm_compile_calendar(cm_compiler *c, const cm_expr *expr, const cm_cval *arg,
                                      bool is_days, cm_cval *ret);

#endif
