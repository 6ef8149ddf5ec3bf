/* What owners' SQL computes exactly as evaluation in the clear does. */
#include "sql/fragment_int.h"

static bool is_text(const cm_expr *x)
{
    return x->type.kind == CM_TYPE_TEXT || x->type.kind == CM_TYPE_UNKNOWN;
}

static bool fits(cm_range range)
{
    return range.lo >= -INT64_MAX && range.hi <= INT64_MAX;
}

static bool is_zero(const cm_expr *x)
{
    return x->op == CM_X_CONST && !x->value.null && x->value.number == 0;
}

/* x / NULLIF(y, 0) never divides by zero, whatever the range of y. */
static bool is_safe_divisor(const cm_expr *x)
{
    return x->range.lo > 0 || x->range.hi < 0 || (x->op == CM_X_NULLIF && is_zero(x->arg[1]));
}

static bool is_days(const cm_type *type)
{
    return type->kind == CM_TYPE_DATE || type->kind == CM_TYPE_TIMESTAMP;
}

static bool fits_scaled(cm_range range, int shift)
{
    cm_i128 power = cm_pow10(shift), most = INT64_MAX / power;

    return shift >= 0 && shift <= 18 && range.lo >= -most && range.hi <= most;
}

/* Halves are added before a rounding division. */
static bool fits_rounding(const cm_expr *x)
{
    int digits = x->arg[0]->type.scale - x->type.scale;
    cm_i128 most = INT64_MAX - cm_pow10(digits < 0 ? 0 : digits);

    return digits <= 18 && x->arg[0]->range.lo >= -most && x->arg[0]->range.hi <= most;
}

static bool is_pushable_node(const cm_expr *x, void *arg)
{
    (void)arg;
    if (!is_text(x) && !fits(x->range)) {
        return false;
    }
    switch (x->op) {
    case CM_X_PARAM:
    case CM_X_STAT:
    case CM_X_AGG:
        return false;
    case CM_X_IDIV:
    case CM_X_MOD:
        return is_safe_divisor(x->arg[1]);
    case CM_X_QUOT:
        return is_safe_divisor(x->arg[1]) && fits_scaled(x->arg[0]->range, x->shift);
    case CM_X_RESCALE:
        return fits_rounding(x);
    case CM_X_CAST: /* one that can fail is left to the computing parties */
        return is_text(x) ||
               (x->range.lo <= x->arg[0]->range.lo && x->range.hi >= x->arg[0]->range.hi);
    case CM_X_EXTRACT:
    case CM_X_DATE_TRUNC:
        return is_days(&x->arg[0]->type) && x->type.scale <= 6;
    case CM_X_ADD_MONTHS:
        return is_days(&x->arg[0]->type) && x->arg[1]->op == CM_X_CONST &&
               (x->arg[1]->value.null ||
                (x->arg[1]->value.number >= -120000 && x->arg[1]->value.number <= 120000));
    case CM_X_LIKE:
        return x->arg[1]->op == CM_X_CONST;
    case CM_X_REPLACE: /* SQLite looks at the third argument only when the second is not empty */
        return !x->arg[2]->nullable || (x->arg[1]->op == CM_X_CONST && !x->arg[1]->value.null &&
                                        x->arg[1]->value.text[0] != 0);
    case CM_X_SUBSTRING:
        return x->arg[1]->range.lo >= 1 && (x->args < 3 || x->arg[2]->range.lo >= 0);
    case CM_X_CONST:
    case CM_X_COLUMN:
    case CM_X_ADD:
    case CM_X_SUB:
    case CM_X_MUL:
    case CM_X_NEG:
    case CM_X_ABS:
    case CM_X_TRUNC:
    case CM_X_FLOOR:
    case CM_X_CEIL:
    case CM_X_EQ:
    case CM_X_NE:
    case CM_X_LT:
    case CM_X_LE:
    case CM_X_GT:
    case CM_X_GE:
    case CM_X_NOT_DISTINCT:
    case CM_X_AND:
    case CM_X_OR:
    case CM_X_NOT:
    case CM_X_IS_NULL:
    case CM_X_IS_TRUE:
    case CM_X_IS_FALSE:
    case CM_X_IN:
    case CM_X_CASE:
    case CM_X_COALESCE:
    case CM_X_NULLIF:
    case CM_X_GREATEST:
    case CM_X_LEAST:
    case CM_X_LOWER:
    case CM_X_UPPER:
    case CM_X_LENGTH:
    case CM_X_CONCAT:
    case CM_X_TRIM:
    case CM_X_POSITION:
        break;
    }
    return true;
}

bool cm_expr_pushable(const cm_expr *expr)
{
    return cm_expr_walk(expr, is_pushable_node, NULL);
}
