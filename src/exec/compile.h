/*
 * exec/compile.h - expressions to gate programs.
 *
 * Inside a program a value is its NULL wire and the unsigned number value - range.lo (numbers), the
 * bytes with the first one most significant (text), or a digest.  Arithmetic is done modulo
 * 2^planes of the result's range, which the binder made wide enough.  Rules: docs/design/exec.md.
 */
#ifndef CM_EXEC_COMPILE_H
#define CM_EXEC_COMPILE_H

#include "circuit/circuit.h"
#include "sql/plan.h"

/* Errors that SQL raises for a row; each is one secret flag until the answer is opened. */
typedef enum cm_row_error {
    CM_ROW_RANGE,         /* 22003 */
    CM_ROW_DIVISION_ZERO, /* 22012 */
    CM_ROW_ERRORS,
} cm_row_error;

/* A value inside a program. */
typedef struct cm_cval {
    cm_wire null;
    cm_encoding_kind kind;
    cm_range range; /* numbers */
    cm_num data;
} cm_cval;

typedef struct cm_compiler {
    cm_circuit *circuit;
    const cm_cval *column;        /* values of the columns that expressions name, by index */
    cm_wire error[CM_ROW_ERRORS]; /* raised so far, among rows where `active` */
    cm_diag *diag;
} cm_compiler;

/* A value that arrives as program inputs: a data column, then a NULL plane where nullable. */
cm_cval cm_compile_input(cm_compiler *c, const cm_encoding *enc, cm_range range);
/* Outputs in the same order, converted to the encoding; data is 0 under NULL when clear_nulls. */
void cm_compile_output(cm_compiler *c, const cm_cval *x, const cm_encoding *enc, cm_range range);

/*
 * Adds the expression's gates.  active is 1 in rows where the expression is evaluated: errors count
 * there only.  CM_EUNSUPPORTED for what only owners can evaluate.
 */
CM_MUST cm_status cm_compile_expr(cm_compiler *c, const cm_expr *expr, cm_wire active,
                                  cm_cval *ret);
/* Is the boolean value true (neither false nor NULL)? */
cm_wire cm_compile_is_true(cm_compiler *c, const cm_cval *x);

/* Combining partial aggregates. */
cm_cval cm_compile_sum(cm_compiler *c, const cm_cval *a, const cm_cval *b, cm_range range);
cm_cval cm_compile_extreme(cm_compiler *c, const cm_cval *a, const cm_cval *b, bool greatest,
                           cm_range range);
/* x re-based to another range that holds its values. */
cm_cval cm_compile_convert(cm_compiler *c, const cm_cval *x, cm_range range);

#endif
