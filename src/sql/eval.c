/*
 * Expressions in the clear, for folding constants and as the reference that owners' SQL and gate
 * programs are tested against.  Values stay in the ranges computed by expr.c, so plain 128-bit
 * arithmetic cannot overflow where the argument's value is in the argument's range; that is checked
 * at the columns.
 */
#include "sql/eval_int.h"

static cm_status eval(const cm_expr *x, const cm_value *columns, cm_arena *arena, cm_value *ret,
                      cm_diag *diag);

static const cm_value null_value = {.null = true};

static cm_i128 power_of_ten(int exponent)
{
    cm_i128 power = 1;

    CM_ASSERT(exponent >= 0 && exponent <= 37);
    for (int i = 0; i < exponent; i++) {
        power *= 10;
    }
    return power;
}

/* RESCALE, TRUNC, FLOOR, CEIL. */
static cm_i128 rescale(cm_expr_op op, cm_i128 a, int from, int to)
{
    if (to >= from) {
        return a * power_of_ten(to - from);
    }
    cm_i128 power = power_of_ten(from - to);
    if (op == CM_X_RESCALE) {
        return (a + (a < 0 ? -(power / 2) : power / 2)) / power;
    }
    cm_i128 value = a / power, rest = a % power;
    if (op == CM_X_FLOOR) {
        value -= rest < 0;
    } else if (op == CM_X_CEIL) {
        value += rest > 0;
    }
    return value;
}

static cm_status division_by_zero(cm_diag *diag)
{
    return cm_fail(diag, CM_EINVAL, CM_SQL_DIVISION_BY_ZERO, "division by zero");
}

static cm_status check_cast(const cm_type *type, cm_i128 value, cm_diag *diag)
{
    bool integer =
        type->kind == CM_TYPE_INT2 || type->kind == CM_TYPE_INT4 || type->kind == CM_TYPE_INT8;

    if (integer || (type->kind == CM_TYPE_NUMERIC && type->precision > 0 && !type->quotient)) {
        cm_range range = cm_type_range(type);
        if (value < range.lo || value > range.hi) {
            return cm_fail(diag, CM_ERANGE, CM_SQL_RANGE, "%s",
                           type->kind == CM_TYPE_INT2   ? "smallint out of range"
                           : type->kind == CM_TYPE_INT4 ? "integer out of range"
                           : type->kind == CM_TYPE_INT8 ? "bigint out of range"
                                                        : "numeric field overflow");
        }
    }
    return CM_OK;
}

static cm_status eval_number(const cm_expr *x, const cm_value *args, cm_value *ret, cm_diag *diag)
{
    cm_i128 a = args[0].number, b = x->args > 1 ? args[1].number : 0, value = 0;

    switch ((int)x->op) {
    case CM_X_ADD:
        value = a + b;
        break;
    case CM_X_SUB:
        value = a - b;
        break;
    case CM_X_MUL:
        value = a * b;
        break;
    case CM_X_IDIV:
    case CM_X_QUOT:
    case CM_X_MOD:
        if (b == 0) {
            return division_by_zero(diag);
        }
        value = x->op == CM_X_MOD    ? a % b
                : x->op == CM_X_IDIV ? a / b
                                     : a * power_of_ten(x->shift) / b;
        break;
    case CM_X_NEG:
        value = -a;
        break;
    case CM_X_ABS:
        value = a < 0 ? -a : a;
        break;
    case CM_X_CAST: {
        cm_status st = check_cast(&x->type, a, diag);
        if (st != CM_OK) {
            return st;
        }
        value = a;
        break;
    }
    default:
        value = rescale(x->op, a, x->arg[0]->type.scale, x->type.scale);
        break;
    }
    *ret = (cm_value){.number = value};
    return CM_OK;
}

static bool compare(cm_expr_op op, const cm_type *type, const cm_value *a, const cm_value *b)
{
    int order = cm_value_compare(type, a, b);

    switch ((int)op) {
    case CM_X_EQ:
        return order == 0;
    case CM_X_NE:
        return order != 0;
    case CM_X_LT:
        return order < 0;
    case CM_X_LE:
        return order <= 0;
    case CM_X_GT:
        return order > 0;
    default:
        CM_ASSERT(op == CM_X_GE);
        return order >= 0;
    }
}

/* AND and OR: the deciding value wins over NULL; what follows it is not evaluated. */
static cm_status eval_junction(const cm_expr *x, const cm_value *columns, cm_arena *arena,
                               cm_value *ret, cm_diag *diag)
{
    cm_i128 deciding = x->op == CM_X_OR;
    cm_value result = {.number = !deciding};

    for (size_t i = 0; i < x->args; i++) {
        cm_value value;
        cm_status st = eval(x->arg[i], columns, arena, &value, diag);
        if (st != CM_OK) {
            return st;
        }
        if (value.null) {
            result = null_value;
        } else if (value.number == deciding) {
            *ret = value;
            return CM_OK;
        }
    }
    *ret = result;
    return CM_OK;
}

static cm_status eval_case(const cm_expr *x, const cm_value *columns, cm_arena *arena,
                           cm_value *ret, cm_diag *diag)
{
    for (size_t i = 0; i + 1 < x->args; i += 2) {
        cm_value when;
        cm_status st = eval(x->arg[i], columns, arena, &when, diag);
        if (st != CM_OK) {
            return st;
        }
        if (!when.null && when.number != 0) {
            return eval(x->arg[i + 1], columns, arena, ret, diag);
        }
    }
    return eval(x->arg[x->args - 1], columns, arena, ret, diag);
}

static cm_status eval_coalesce(const cm_expr *x, const cm_value *columns, cm_arena *arena,
                               cm_value *ret, cm_diag *diag)
{
    *ret = null_value;
    for (size_t i = 0; i < x->args && ret->null; i++) {
        cm_status st = eval(x->arg[i], columns, arena, ret, diag);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static void eval_in(const cm_expr *x, const cm_value *args, cm_value *ret)
{
    *ret = args[0].null ? null_value : (cm_value){0};
    for (size_t i = 1; i < x->args && !args[0].null; i++) {
        if (args[i].null) {
            *ret = null_value;
        } else if (cm_value_compare(&x->arg[0]->type, &args[0], &args[i]) == 0) {
            *ret = (cm_value){.number = 1};
            return;
        }
    }
}

static void eval_extreme(const cm_expr *x, const cm_value *args, cm_value *ret)
{
    *ret = null_value;
    for (size_t i = 0; i < x->args; i++) {
        if (args[i].null) {
            continue;
        }
        int order = ret->null ? 0 : cm_value_compare(&x->type, &args[i], ret);
        if (ret->null || (x->op == CM_X_GREATEST ? order > 0 : order < 0)) {
            *ret = args[i];
        }
    }
}

/* Operations that look at NULLs themselves, with all arguments evaluated. */
static bool eval_null_aware(const cm_expr *x, const cm_value *args, cm_value *ret)
{
    switch ((int)x->op) {
    case CM_X_NOT_DISTINCT:
        *ret =
            (cm_value){.number = args[0].null || args[1].null
                                     ? args[0].null && args[1].null
                                     : cm_value_compare(&x->arg[0]->type, &args[0], &args[1]) == 0};
        return true;
    case CM_X_IS_NULL:
        *ret = (cm_value){.number = args[0].null};
        return true;
    case CM_X_IS_TRUE:
        *ret = (cm_value){.number = !args[0].null && args[0].number != 0};
        return true;
    case CM_X_IS_FALSE:
        *ret = (cm_value){.number = !args[0].null && args[0].number == 0};
        return true;
    case CM_X_IN:
        eval_in(x, args, ret);
        return true;
    case CM_X_NULLIF:
        *ret = !args[0].null && !args[1].null &&
                       cm_value_compare(&x->arg[0]->type, &args[0], &args[1]) == 0
                   ? null_value
                   : args[0];
        return true;
    case CM_X_GREATEST:
    case CM_X_LEAST:
        eval_extreme(x, args, ret);
        return true;
    default:
        return false;
    }
}

/* Operations that are NULL when an argument is. */
static cm_status eval_strict(const cm_expr *x, const cm_value *args, cm_arena *arena, cm_value *ret,
                             cm_diag *diag)
{
    switch ((int)x->op) {
    case CM_X_EQ:
    case CM_X_NE:
    case CM_X_LT:
    case CM_X_LE:
    case CM_X_GT:
    case CM_X_GE:
        *ret = (cm_value){.number = compare(x->op, &x->arg[0]->type, &args[0], &args[1])};
        return CM_OK;
    case CM_X_NOT:
        *ret = (cm_value){.number = args[0].number == 0};
        return CM_OK;
    case CM_X_EXTRACT:
    case CM_X_DATE_TRUNC:
    case CM_X_ADD_MONTHS:
        return cm_eval_date(x, args, ret, diag);
    case CM_X_STAT:
        cm_eval_stat(x, args, ret);
        return CM_OK;
    case CM_X_LIKE:
    case CM_X_LOWER:
    case CM_X_UPPER:
    case CM_X_LENGTH:
    case CM_X_SUBSTRING:
    case CM_X_CONCAT:
    case CM_X_TRIM:
    case CM_X_REPLACE:
    case CM_X_POSITION:
        return cm_eval_text(x, args, arena, ret, diag);
    case CM_X_CAST:
        if (x->type.kind == CM_TYPE_TEXT) {
            *ret = args[0]; /* text kinds differ for display only */
            return CM_OK;
        }
        return eval_number(x, args, ret, diag);
    default:
        return eval_number(x, args, ret, diag);
    }
}

static cm_status eval(const cm_expr *x, const cm_value *columns, cm_arena *arena, cm_value *ret,
                      cm_diag *diag)
{
    switch ((int)x->op) {
    case CM_X_CONST:
        *ret = x->value;
        return CM_OK;
    case CM_X_COLUMN:
        CM_ASSERT(columns != NULL);
        *ret = columns[x->index];
        CM_ASSERT(ret->null || x->type.kind == CM_TYPE_TEXT ||
                  (ret->number >= x->range.lo && ret->number <= x->range.hi));
        return CM_OK;
    case CM_X_PARAM:
    case CM_X_AGG:
        CM_ASSERT(false && "not a value of one row");
    case CM_X_AND:
    case CM_X_OR:
        return eval_junction(x, columns, arena, ret, diag);
    case CM_X_CASE:
        return eval_case(x, columns, arena, ret, diag);
    case CM_X_COALESCE:
        return eval_coalesce(x, columns, arena, ret, diag);
    default:
        break;
    }

    cm_value *args = CM_NEW_SMALL(arena, cm_value, x->args + 1);
    bool null = false;
    for (size_t i = 0; i < x->args; i++) {
        cm_status st = eval(x->arg[i], columns, arena, &args[i], diag);
        if (st != CM_OK) {
            return st;
        }
        null = null || args[i].null;
    }
    if (eval_null_aware(x, args, ret)) {
        return CM_OK;
    }
    if (null) {
        *ret = null_value;
        return CM_OK;
    }
    return eval_strict(x, args, arena, ret, diag);
}

cm_status cm_expr_eval(const cm_expr *expr, const cm_value *columns, cm_arena *arena, cm_value *ret,
                       cm_diag *diag)
{
    cm_value value;
    cm_status st = eval(expr, columns, arena, &value, diag);

    if (st != CM_OK) {
        if (diag != NULL && diag->position == 0) {
            diag->position = expr->position;
        }
        return st;
    }
    *ret = value;
    return CM_OK;
}
