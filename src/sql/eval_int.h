/* sql/eval_int.h - what eval.c hands to the parts that know dates and text.  Arguments are not
 * NULL. */
#ifndef CM_SQL_EVAL_INT_H
#define CM_SQL_EVAL_INT_H

#include "sql/expr.h"

/* EXTRACT, DATE_TRUNC and ADD_MONTHS over values of the arguments. */
CM_MUST cm_status cm_eval_date(const cm_expr *expr, const cm_value *args, cm_value *ret,
                               cm_diag *diag);
/* STAT. */
void cm_eval_stat(const cm_expr *expr, const cm_value *args, cm_value *ret);
/* LIKE, LOWER, UPPER, LENGTH, SUBSTRING, CONCAT, TRIM, REPLACE and POSITION. */
CM_MUST cm_status cm_eval_text(const cm_expr *expr, const cm_value *args, cm_arena *arena,
                               cm_value *ret, cm_diag *diag);

#endif
