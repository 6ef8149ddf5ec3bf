/*
 * A function of texts that one of a few public constants is chosen from: the function of each
 * constant is a constant too, so
 *
 *     upper(CASE WHEN a THEN 'x' ELSE 'y' END)  is  CASE WHEN a THEN 'X' ELSE 'Y' END
 *
 * which a gate program can choose although it could not compute upper().  Labels of an ENUM and
 * truth values as text are such choices, and what is made of them is one again.
 */
#include "sql/bind_int.h"

enum { CHOICES_MAX = 256 };

/* Constants that it may have; 0: it is no choice among constants. */
static size_t choices(const cm_expr *expr)
{
    size_t count = 1;

    if (expr->op == CM_X_CONST) {
        return 1;
    }
    if (expr->op != CM_X_CASE || expr->type.kind != CM_TYPE_TEXT) {
        return 0;
    }
    for (size_t i = 1; i < expr->args; i += 2) {
        count++;
        if (expr->arg[i]->op != CM_X_CONST) {
            return 0;
        }
    }
    return expr->arg[expr->args - 1]->op == CM_X_CONST ? count : 0;
}

bool cm_bind_can_spread(cm_expr_op op, const cm_expr *const *args, size_t count)
{
    size_t all = 1;

    for (size_t i = 0; i < count && all > 0 && all <= CHOICES_MAX; i++) {
        all *= choices(args[i]);
    }
    return (cm_op_is_on_text(op) || op == CM_X_COALESCE) && all > 1 && all <= CHOICES_MAX;
}

cm_status cm_bind_spread(cm_binder *b, const cm_expr *op, const cm_expr **ret)
{
    const cm_expr **arg = CM_NEW_SMALL(b->arena, const cm_expr *, op->args);
    size_t at = 0;

    for (size_t i = 0; i < op->args; i++) {
        arg[i] = op->arg[i];
        at = op->arg[i]->op == CM_X_CASE ? i : at;
    }
    const cm_expr *choice = op->arg[at];
    const cm_expr **made = CM_NEW_SMALL(b->arena, const cm_expr *, choice->args);
    for (size_t i = 0; i < choice->args; i++) {
        made[i] = choice->arg[i];
        if (i % 2 == 0 && i + 1 < choice->args) { /* a condition */
            continue;
        }
        arg[at] = choice->arg[i];
        cm_status st = cm_bind_op(b, op->op, op->type, arg, op->args, op->index, op->shift,
                                  op->position, &made[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    return cm_bind_op(b, CM_X_CASE, op->type, made, choice->args, 0, 0, op->position, ret);
}
