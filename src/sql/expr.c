/* Typed expressions: constructors, equality, walks.  Ranges: expr_range.c. */
#include "sql/expr_int.h"

#include <string.h>

/* Sums over an unknown number of rows: more than any table that the data plane can hold. */
#define ROWS_DEFAULT ((uint64_t)1 << 40)

const char *cm_aggregate_name(cm_aggregate aggregate)
{
    static const char *const names[] = {[CM_AGGREGATE_COUNT] = "count",
                                        [CM_AGGREGATE_SUM] = "sum",
                                        [CM_AGGREGATE_AVG] = "avg",
                                        [CM_AGGREGATE_MIN] = "min",
                                        [CM_AGGREGATE_MAX] = "max",
                                        [CM_AGGREGATE_PERCENTILE_CONT] = "percentile_cont",
                                        [CM_AGGREGATE_PERCENTILE_FLOOR] = "percentile_floor",
                                        [CM_AGGREGATE_PERCENTILE_CEIL] = "percentile_ceil",
                                        [CM_AGGREGATE_PERCENTILE_REST] = "percentile_rest",
                                        [CM_AGGREGATE_PERCENTILE_DISC] = "percentile_disc",
                                        [CM_AGGREGATE_MODE] = "mode"};

    return names[aggregate];
}

static bool any_nullable(const cm_expr *const *args, size_t count, size_t from, size_t step)
{
    for (size_t i = from; i < count; i += step) {
        if (args[i]->nullable) {
            return true;
        }
    }
    return false;
}

static bool nullable_of(const cm_expr *x)
{
    switch (x->op) {
    case CM_X_PARAM:
    case CM_X_NULLIF:
    case CM_X_STAT:
        return true;
    case CM_X_IS_NULL:
    case CM_X_IS_TRUE:
    case CM_X_IS_FALSE:
    case CM_X_NOT_DISTINCT:
        return false;
    case CM_X_CASE:
        return x->arg[x->args - 1]->nullable || any_nullable(x->arg, x->args, 1, 2);
    case CM_X_COALESCE:
    case CM_X_GREATEST:
    case CM_X_LEAST:
        for (size_t i = 0; i < x->args; i++) {
            if (!x->arg[i]->nullable) {
                return false;
            }
        }
        return true;
    case CM_X_CONST:
    case CM_X_COLUMN:
    case CM_X_ADD:
    case CM_X_SUB:
    case CM_X_MUL:
    case CM_X_IDIV:
    case CM_X_QUOT:
    case CM_X_MOD:
    case CM_X_NEG:
    case CM_X_ABS:
    case CM_X_RESCALE:
    case CM_X_TRUNC:
    case CM_X_FLOOR:
    case CM_X_CEIL:
    case CM_X_CAST:
    case CM_X_EQ:
    case CM_X_NE:
    case CM_X_LT:
    case CM_X_LE:
    case CM_X_GT:
    case CM_X_GE:
    case CM_X_AND:
    case CM_X_OR:
    case CM_X_NOT:
    case CM_X_IN:
    case CM_X_EXTRACT:
    case CM_X_DATE_TRUNC:
    case CM_X_ADD_MONTHS:
    case CM_X_LIKE:
    case CM_X_LOWER:
    case CM_X_UPPER:
    case CM_X_LENGTH:
    case CM_X_SUBSTRING:
    case CM_X_CONCAT:
    case CM_X_TRIM:
    case CM_X_REPLACE:
    case CM_X_POSITION:
    case CM_X_AGG:
        break;
    }
    return any_nullable(x->arg, x->args, 0, 1);
}

const cm_expr *cm_expr_const(cm_arena *arena, cm_type type, cm_value value, int position)
{
    cm_expr *expr = CM_NEW_SMALL(arena, cm_expr, 1);

    if (value.null || type.kind == CM_TYPE_TEXT || type.kind == CM_TYPE_UNKNOWN) {
        value.number = 0;
    }
    *expr = (cm_expr){.op = CM_X_CONST,
                      .type = type,
                      .nullable = value.null,
                      .range = {value.number, value.number},
                      .position = position,
                      .value = value};
    return expr;
}

const cm_expr *cm_expr_column(cm_arena *arena, unsigned rel, unsigned index, cm_type type,
                              bool nullable, cm_range range, int position)
{
    cm_expr *expr = CM_NEW_SMALL(arena, cm_expr, 1);

    *expr = (cm_expr){.op = CM_X_COLUMN,
                      .type = type,
                      .nullable = nullable,
                      .range = range,
                      .position = position,
                      .rel = rel,
                      .index = index};
    return expr;
}

static cm_status too_wide(const cm_expr *expr, cm_diag *diag)
{
    if (diag != NULL && diag->status == CM_OK) {
        diag->position = expr->position;
    }
    cm_status st = cm_fail(diag, CM_ERANGE, CM_SQL_RANGE,
                           expr->op == CM_X_CAST ? "value out of range for its type"
                                                 : "result may need more than 126 bits");
    cm_diag_hint(diag,
                 "Declare the columns' real ranges with CHECK (column BETWEEN low AND high).");
    return st;
}

static const cm_expr *const *copy_args(cm_arena *arena, const cm_expr *const *args, size_t count)
{
    const cm_expr **copy = CM_NEW_SMALL(arena, const cm_expr *, count + 1);

    for (size_t i = 0; i < count; i++) {
        copy[i] = args[i];
    }
    return copy;
}

cm_status cm_expr_op_new(cm_arena *arena, cm_expr_op op, cm_type type, const cm_expr *const *args,
                         size_t count, unsigned index, int shift, int position, const cm_expr **ret,
                         cm_diag *diag)
{
    CM_ASSERT(op != CM_X_CONST && op != CM_X_COLUMN && op != CM_X_AGG);

    cm_expr *expr = CM_NEW_SMALL(arena, cm_expr, 1);
    *expr = (cm_expr){.op = op,
                      .type = type,
                      .position = position,
                      .index = index,
                      .shift = shift,
                      .args = count,
                      .arg = copy_args(arena, args, count)};
    expr->nullable = nullable_of(expr);
    if (type.kind == CM_TYPE_TEXT || type.kind == CM_TYPE_UNKNOWN) {
        *ret = expr;
        return CM_OK;
    }
    if (!cm_expr_range_of(expr, &expr->range) || !cm_range_fits(expr->range.lo) ||
        !cm_range_fits(expr->range.hi)) {
        return too_wide(expr, diag);
    }
    *ret = expr;
    return CM_OK;
}

cm_status cm_expr_agg_new(cm_arena *arena, cm_aggregate aggregate, cm_type type, const cm_expr *arg,
                          bool distinct, const cm_expr *filter, uint64_t rows, int position,
                          const cm_expr **ret, cm_diag *diag)
{
    cm_expr *expr = CM_NEW_SMALL(arena, cm_expr, 1);
    cm_i128 most = (cm_i128)(rows == 0 ? ROWS_DEFAULT : rows);

    *expr = (cm_expr){.op = CM_X_AGG,
                      .type = type,
                      .nullable = aggregate != CM_AGGREGATE_COUNT,
                      .position = position,
                      .aggregate = aggregate,
                      .distinct = distinct,
                      .filter = filter,
                      .args = arg == NULL ? 0 : 1,
                      .arg = copy_args(arena, &arg, arg == NULL ? 0 : 1)};
    CM_ASSERT(arg != NULL || aggregate == CM_AGGREGATE_COUNT);
    *ret = expr;
    if (aggregate == CM_AGGREGATE_COUNT) {
        expr->range = (cm_range){0, most};
        return CM_OK;
    }
    expr->range = arg->range;
    if (aggregate == CM_AGGREGATE_SUM) {
        /* No row at all is NULL, one row is the least: 0 is covered only because it costs nothing
         * and partial sums need it. */
        cm_range counts = {0, most};
        if (!cm_range_mul(arg->range, counts, &expr->range)) {
            return too_wide(expr, diag);
        }
    } else if (aggregate == CM_AGGREGATE_AVG) {
        int digits = type.scale - arg->type.scale;
        cm_i128 power;
        if (digits < 0) {
            return CM_OK; /* truncation only shrinks */
        }
        if (!cm_range_power(digits, &power) ||
            !cm_range_mul(arg->range, (cm_range){power, power}, &expr->range)) {
            return too_wide(expr, diag);
        }
    }
    return CM_OK;
}

/* Precision says how many digits a cast allows and a quotient shows; other values do not depend on
 * it. */
static bool type_same(const cm_expr *a, const cm_expr *b)
{
    const cm_type *x = &a->type, *y = &b->type;
    bool precise = a->op == CM_X_CAST || x->quotient;

    return x->kind == y->kind && x->scale == y->scale && x->quotient == y->quotient &&
           (!precise || x->precision == y->precision) && x->max_bytes == y->max_bytes &&
           x->labels == y->labels;
}

static bool value_same(const cm_value *a, const cm_value *b)
{
    if (a->null || b->null) {
        return a->null == b->null;
    }
    if (a->text == NULL || b->text == NULL) {
        return a->text == b->text && a->number == b->number;
    }
    return strcmp(a->text, b->text) == 0;
}

bool cm_expr_equal(const cm_expr *a, const cm_expr *b)
{
    if (a == b) {
        return true;
    }
    if (a == NULL || b == NULL || a->op != b->op || a->args != b->args || a->rel != b->rel ||
        a->index != b->index || a->shift != b->shift || !type_same(a, b)) {
        return false;
    }
    if (a->op == CM_X_CONST && !value_same(&a->value, &b->value)) {
        return false;
    }
    if (a->op == CM_X_AGG &&
        (a->aggregate != b->aggregate || a->distinct != b->distinct ||
         a->descending != b->descending || !cm_expr_equal(a->filter, b->filter))) {
        return false;
    }
    for (size_t i = 0; i < a->args; i++) {
        if (!cm_expr_equal(a->arg[i], b->arg[i])) {
            return false;
        }
    }
    return true;
}

bool cm_expr_walk(const cm_expr *expr, bool (*fn)(const cm_expr *, void *), void *arg)
{
    if (!fn(expr, arg)) {
        return false;
    }
    for (size_t i = 0; i < expr->args; i++) {
        if (!cm_expr_walk(expr->arg[i], fn, arg)) {
            return false;
        }
    }
    return expr->filter == NULL || cm_expr_walk(expr->filter, fn, arg);
}

cm_status cm_expr_rewrite(cm_arena *arena, const cm_expr *expr,
                          const cm_expr *(*fn)(const cm_expr *, void *), void *arg,
                          const cm_expr **ret, cm_diag *diag)
{
    const cm_expr *replacement = fn(expr, arg);
    if (replacement != NULL) {
        *ret = replacement;
        return CM_OK;
    }

    const cm_expr **args = CM_NEW_SMALL(arena, const cm_expr *, expr->args + 1);
    const cm_expr *filter = NULL;
    bool changed = false;
    for (size_t i = 0; i < expr->args; i++) {
        cm_status st = cm_expr_rewrite(arena, expr->arg[i], fn, arg, &args[i], diag);
        if (st != CM_OK) {
            return st;
        }
        changed = changed || args[i] != expr->arg[i];
    }
    if (expr->filter != NULL) {
        cm_status st = cm_expr_rewrite(arena, expr->filter, fn, arg, &filter, diag);
        if (st != CM_OK) {
            return st;
        }
        changed = changed || filter != expr->filter;
    }
    if (!changed) {
        *ret = expr;
        return CM_OK;
    }
    if (expr->op == CM_X_AGG) {
        cm_expr *copy = CM_NEW_SMALL(arena, cm_expr, 1);
        *copy = *expr;
        copy->arg = args;
        copy->filter = filter;
        *ret = copy;
        return CM_OK;
    }
    return cm_expr_op_new(arena, expr->op, expr->type, args, expr->args, expr->index, expr->shift,
                          expr->position, ret, diag);
}

static bool not_aggregate(const cm_expr *expr, void *arg)
{
    (void)arg;
    return expr->op != CM_X_AGG;
}

bool cm_op_is_on_text(cm_expr_op op)
{
    switch ((int)op) {
    case CM_X_LIKE:
    case CM_X_LOWER:
    case CM_X_UPPER:
    case CM_X_LENGTH:
    case CM_X_SUBSTRING:
    case CM_X_CONCAT:
    case CM_X_TRIM:
    case CM_X_REPLACE:
    case CM_X_POSITION:
        return true;
    default:
        return false;
    }
}

bool cm_expr_has_aggregate(const cm_expr *expr)
{
    return !cm_expr_walk(expr, not_aggregate, NULL);
}
