/*
 * Columns as a PostgreSQL server stores them, where that gives what the canonical values give:
 * comparisons with constants, IS NULL, aggregates and grouping of a bare column.
 *
 * Rows outside of the declared domains were refused before, so there is no NaN, no infinite date
 * and no label without an ordinal.  A key's expression is part of its value, so the value is a
 * function of the key in PostgreSQL's eyes, too.
 */
#include "sql/fragment_int.h"

/* 0001-01-01 .. 9999-12-31, whose literals every server reads. */
enum { FIRST_DAY = -730119, LAST_DAY = 2921939 };

/* The column that an expression is, apart from casts, which change no canonical value. */
static const cm_native *native_of(const cm_fragment_writer *w, const cm_expr *x,
                                  const cm_type **ret_type)
{
    while (x->op == CM_X_CAST) {
        x = x->arg[0];
    }
    if (w->native == NULL || x->op != CM_X_COLUMN) {
        return NULL;
    }
    CM_ASSERT(x->index < w->fragment->table->cols);
    if (w->native[x->index].kind == CM_NATIVE_NONE) {
        return NULL;
    }
    *ret_type = &w->fragment->table->col[x->index].type;
    return &w->native[x->index];
}

static bool in_days(cm_i128 value, cm_i128 unit)
{
    return value >= FIRST_DAY * unit && value <= LAST_DAY * unit;
}

/* Whether the constant has a literal to compare the stored column with. */
static bool has_literal(const cm_native *native, const cm_type *type, const cm_expr *x)
{
    if (x->op != CM_X_CONST || x->value.null) {
        return false;
    }
    switch (native->kind) {
    case CM_NATIVE_NUMBER:
        return true;
    case CM_NATIVE_DATE:
        return in_days(x->value.number, 1);
    case CM_NATIVE_TIMESTAMP:
        return in_days(x->value.number, CM_MICROS_PER_DAY);
    case CM_NATIVE_LABEL:
        return x->value.number >= 0 && x->value.number < (cm_i128)type->labels->count;
    case CM_NATIVE_NONE:
        break;
    }
    return false;
}

static void put_literal(cm_fragment_writer *w, const cm_native *native, const cm_type *type,
                        const cm_expr *x)
{
    if (native->kind == CM_NATIVE_NUMBER && type->scale == 0) {
        cm_fragment_put_number(w, x->value.number);
        return;
    }
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_value_print(type, &x->value, &text);
    w->out->failed = w->out->failed || text.failed;
    cm_fragment_put_text(w, cm_buf_text(&text));
    cm_fragment_put(w, native->kind == CM_NATIVE_NUMBER      ? "::numeric"
                       : native->kind == CM_NATIVE_DATE      ? "::date"
                       : native->kind == CM_NATIVE_TIMESTAMP ? "::timestamp"
                                                             : "::text");
}

bool cm_fragment_put_native_compare(cm_fragment_writer *w, const cm_expr *x, const char *op)
{
    const cm_type *type = NULL;
    const cm_native *left = native_of(w, x->arg[0], &type);
    const cm_native *native = left != NULL ? left : native_of(w, x->arg[1], &type);
    bool equality = x->op == CM_X_EQ || x->op == CM_X_NE || x->op == CM_X_NOT_DISTINCT;

    if (native == NULL || !has_literal(native, type, x->arg[left != NULL ? 1 : 0]) ||
        (native->kind == CM_NATIVE_LABEL && !equality)) {
        return false;
    }
    cm_fragment_put(w, "(");
    if (left != NULL) {
        cm_buf_printf(w->out, "%s %s ", native->expr, op);
        put_literal(w, native, type, x->arg[1]);
    } else {
        put_literal(w, native, type, x->arg[0]);
        cm_buf_printf(w->out, " %s %s", op, native->expr);
    }
    cm_fragment_put(w, ")");
    return true;
}

bool cm_fragment_put_native_in(cm_fragment_writer *w, const cm_expr *x)
{
    const cm_type *type = NULL;
    const cm_native *native = native_of(w, x->arg[0], &type);

    for (size_t i = 1; native != NULL && i < x->args; i++) {
        if (!has_literal(native, type, x->arg[i])) {
            return false;
        }
    }
    if (native == NULL) {
        return false;
    }
    cm_buf_printf(w->out, "(%s IN (", native->expr);
    for (size_t i = 1; i < x->args; i++) {
        cm_fragment_put(w, i == 1 ? "" : ", ");
        put_literal(w, native, type, x->arg[i]);
    }
    cm_fragment_put(w, "))");
    return true;
}

bool cm_fragment_put_native_is_null(cm_fragment_writer *w, const cm_expr *x)
{
    const cm_type *type = NULL;
    const cm_native *native = native_of(w, x->arg[0], &type);

    if (native != NULL) {
        cm_buf_printf(w->out, "(%s IS NULL)", native->expr);
    }
    return native != NULL;
}

/* Sums and extremes of what is stored become canonical once, at the end. */
bool cm_fragment_put_native_aggregate(cm_fragment_writer *w, const cm_expr *x)
{
    const cm_type *type = NULL;
    const cm_native *native = native_of(w, x->arg[0], &type);
    bool extreme = x->aggregate == CM_AGGREGATE_MIN || x->aggregate == CM_AGGREGATE_MAX;

    if (native != NULL && x->aggregate == CM_AGGREGATE_COUNT) {
        cm_buf_printf(w->out, "count(%s%s)", x->distinct ? "DISTINCT " : "", native->expr);
        return true;
    }
    if (native == NULL || native->kind != CM_NATIVE_NUMBER ||
        (!extreme && x->aggregate != CM_AGGREGATE_SUM)) {
        return false;
    }
    if (extreme) {
        cm_buf_printf(w->out, "(%s(%s)", x->aggregate == CM_AGGREGATE_MIN ? "min" : "max",
                      native->expr);
    } else {
        cm_buf_printf(w->out, "(coalesce(sum(%s%s), 0)", x->distinct ? "DISTINCT " : "",
                      native->expr);
    }
    if (type->scale > 0) {
        cm_fragment_put(w, " * ");
        cm_fragment_put_number(w, cm_pow10(type->scale));
    }
    cm_fragment_put(w, ")");
    return true;
}

bool cm_fragment_put_native_key(cm_fragment_writer *w, const cm_expr *x)
{
    const cm_type *type = NULL;
    const cm_native *native = native_of(w, x, &type);

    if (native != NULL) {
        cm_buf_printf(w->out, "%s", native->expr);
    }
    return native != NULL;
}
