/* Types of bound expressions: literals, conversions, common types, as PostgreSQL resolves them. */
#include "sql/bind_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_BYTES = 256 << 10, SCALE_MAX = 37 };

void cm_bind_at(cm_binder *b, int position)
{
    if (b->diag != NULL && b->diag->status == CM_OK && position > 0) {
        b->diag->position = position;
    }
}

cm_status cm_bind_refuse(cm_binder *b, int position, const char *format, ...)
{
    char what[160];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    cm_bind_at(b, position);
    return cm_fail(b->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED, "%s is not supported", what);
}

cm_status cm_bind_room(cm_binder *b)
{
    if ((size_t)(b->arena->end - b->arena->mark) < ROOM_BYTES) {
        return cm_fail(b->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory to bind a statement");
    }
    return CM_OK;
}

const char *cm_bind_type_name(cm_binder *b, const cm_type *type)
{
    cm_type plain = *type;
    cm_buf buf = {0};

    if (plain.kind == CM_TYPE_TEXT && plain.text == CM_TEXT_VARCHAR) {
        return "character varying"; /* messages name types without modifiers */
    }
    if (plain.kind == CM_TYPE_TEXT && plain.text == CM_TEXT_CHAR) {
        return "character";
    }
    plain.precision = 0;
    cm_type_name(&plain, &buf);
    const char *name = cm_arena_strdup(b->arena, cm_buf_text(&buf));
    cm_buf_free(&buf);
    return name;
}

cm_type cm_bind_numeric(int scale, bool quotient, int least_digits)
{
    return (cm_type){.kind = CM_TYPE_NUMERIC,
                     .scale = scale,
                     .quotient = quotient,
                     .precision = quotient ? least_digits : 0};
}

cm_type cm_bind_plain(cm_type_kind kind)
{
    return (cm_type){.kind = kind};
}

cm_type cm_bind_text(size_t max_bytes)
{
    return (cm_type){.kind = CM_TYPE_TEXT, .max_bytes = (unsigned)max_bytes};
}

const cm_expr *cm_bind_float(cm_binder *b, const cm_expr *expr)
{
    cm_expr *copy = CM_NEW_SMALL(b->arena, cm_expr, 1);

    *copy = *expr;
    copy->type.floats = copy->type.kind == CM_TYPE_NUMERIC;
    return copy;
}

bool cm_bind_is_int(const cm_type *type)
{
    return type->kind == CM_TYPE_INT2 || type->kind == CM_TYPE_INT4 || type->kind == CM_TYPE_INT8;
}

bool cm_bind_is_const(const cm_expr *expr)
{
    return expr->op == CM_X_CONST;
}

/* What is made of a float is one, where PostgreSQL computes with floats. */
static bool makes_float(cm_expr_op op, const cm_expr *const *args, size_t count)
{
    bool made = false;

    switch ((int)op) {
    case CM_X_ADD:
    case CM_X_SUB:
    case CM_X_MUL:
    case CM_X_QUOT:
    case CM_X_NEG:
    case CM_X_ABS:
    case CM_X_RESCALE:
    case CM_X_TRUNC:
    case CM_X_FLOOR:
    case CM_X_CEIL:
    case CM_X_CASE:
    case CM_X_COALESCE:
    case CM_X_NULLIF:
    case CM_X_GREATEST:
    case CM_X_LEAST:
        for (size_t i = 0; i < count; i++) {
            made = made || args[i]->type.floats;
        }
        return made;
    default:
        return false;
    }
}

/* Folding never raises: an error that evaluation would meet stays where it may not be reached. */
static const cm_expr *fold(cm_binder *b, const cm_expr *expr)
{
    cm_value value;

    for (size_t i = 0; i < expr->args; i++) {
        if (!cm_bind_is_const(expr->arg[i]) || expr->arg[i]->type.kind == CM_TYPE_UNKNOWN) {
            return expr;
        }
    }
    if (expr->args == 0 || cm_expr_eval(expr, NULL, b->arena, &value, NULL) != CM_OK) {
        return expr;
    }
    return cm_expr_const(b->arena, expr->type, value, expr->position);
}

cm_status cm_bind_op(cm_binder *b, cm_expr_op op, cm_type type, const cm_expr *const *args,
                     size_t count, unsigned index, int shift, int position, const cm_expr **ret)
{
    const cm_expr *expr;

    cm_status st = cm_bind_room(b);
    if (type.kind == CM_TYPE_NUMERIC && makes_float(op, args, count)) {
        type.floats = true;
    }
    if (st == CM_OK) {
        st =
            cm_expr_op_new(b->arena, op, type, args, count, index, shift, position, &expr, b->diag);
    }
    if (st == CM_OK && cm_bind_can_spread(op, args, count)) {
        return cm_bind_spread(b, expr, ret);
    }
    if (st == CM_OK) {
        *ret = fold(b, expr);
    }
    return st;
}

cm_status cm_bind_op1(cm_binder *b, cm_expr_op op, cm_type type, const cm_expr *arg, int position,
                      const cm_expr **ret)
{
    return cm_bind_op(b, op, type, &arg, 1, 0, 0, position, ret);
}

cm_status cm_bind_op2(cm_binder *b, cm_expr_op op, cm_type type, const cm_expr *left,
                      const cm_expr *right, int position, const cm_expr **ret)
{
    const cm_expr *args[2] = {left, right};

    return cm_bind_op(b, op, type, args, 2, 0, 0, position, ret);
}

const cm_expr *cm_bind_number(cm_binder *b, cm_type type, cm_i128 number, int position)
{
    return cm_expr_const(b->arena, type, (cm_value){.number = number}, position);
}

static int digits_after_point(const char *text)
{
    const char *point = strchr(text, '.');
    const char *exponent = strpbrk(text, "eE");
    long digits = 0;

    if (point != NULL) {
        for (const char *c = point + 1; *c >= '0' && *c <= '9'; c++) {
            digits++;
        }
    }
    if (exponent != NULL) {
        digits -= strtol(exponent + 1, NULL, 10);
    }
    return digits < 0 ? 0 : digits > SCALE_MAX ? SCALE_MAX + 1 : (int)digits;
}

cm_status cm_bind_decimal(cm_binder *b, const char *text, int position, const cm_expr **ret)
{
    cm_type type = cm_bind_numeric(digits_after_point(text), false, 0);
    cm_value value;

    if (type.scale > SCALE_MAX) {
        return cm_bind_refuse(b, position, "a number with more than %d digits after the point",
                              SCALE_MAX);
    }
    cm_bind_at(b, position);
    cm_status st = cm_value_parse(&type, text, b->arena, &value, b->diag);
    if (st == CM_OK) {
        *ret = cm_expr_const(b->arena, type, value, position);
    }
    return st;
}

static const cm_expr *null_of(cm_binder *b, cm_type type, int position)
{
    return cm_expr_const(b->arena, type, (cm_value){.null = true}, position);
}

/* A literal's text as a value of a type; numeric and text take the literal's own shape. */
static cm_status parse_literal(cm_binder *b, const cm_expr *expr, cm_type to, const cm_expr **ret)
{
    const char *text = expr->value.text;
    cm_value value;

    if (expr->value.null) {
        *ret = null_of(b, to, expr->position);
        return CM_OK;
    }
    if (to.kind == CM_TYPE_NUMERIC) {
        return cm_bind_decimal(b, text, expr->position, ret);
    }
    if (to.kind == CM_TYPE_TEXT) {
        bool padded = to.text == CM_TEXT_CHAR;
        to = cm_bind_text(strlen(text));
        to.text = padded ? CM_TEXT_CHAR : CM_TEXT_TEXT;
    }
    cm_bind_at(b, expr->position);
    cm_status st = cm_value_parse(&to, text, b->arena, &value, b->diag);
    if (st == CM_OK) {
        *ret = cm_expr_const(b->arena, to, value, expr->position);
    }
    return st;
}

/* What a parameter is declared as: without the modifiers of the column that it meets. */
static cm_type param_type(cm_type of)
{
    if (of.kind == CM_TYPE_TEXT && of.text != CM_TEXT_CHAR) {
        return cm_bind_text(CM_TEXT_MAX_BYTES);
    }
    return of.kind == CM_TYPE_NUMERIC ? cm_bind_numeric(of.scale, false, 0) : of;
}

cm_status cm_bind_coerce_unknown(cm_binder *b, const cm_expr *expr, cm_type to, const cm_expr **ret)
{
    if (expr->type.kind != CM_TYPE_UNKNOWN || to.kind == CM_TYPE_UNKNOWN) {
        *ret = expr;
        return CM_OK;
    }
    /* A parameter keeps its number in index, as a value too: the first use gives it its type. */
    if (expr->index > 0 && b->param_types[expr->index - 1].kind == CM_TYPE_UNKNOWN) {
        b->param_types[expr->index - 1] = param_type(to);
    }
    if (expr->op == CM_X_PARAM) {
        return cm_expr_op_new(b->arena, CM_X_PARAM, to, NULL, 0, expr->index, 0, expr->position,
                              ret, b->diag);
    }
    return parse_literal(b, expr, to, ret);
}

cm_status cm_bind_rescale(cm_binder *b, cm_expr_op op, const cm_expr *expr, int scale, int position,
                          const cm_expr **ret)
{
    cm_type to = cm_bind_numeric(scale, false, 0);

    if (expr->type.kind == CM_TYPE_NUMERIC && expr->type.scale == scale && !expr->type.quotient) {
        *ret = expr;
        return CM_OK;
    }
    if (scale == 0 && cm_bind_is_int(&expr->type)) {
        return cm_bind_op1(b, CM_X_CAST, to, expr, position, ret);
    }
    return cm_bind_op1(b, op, to, expr, position, ret);
}

/* Whether range * 10^digits stays within 126 bits. */
static bool scales_up(cm_range range, int digits)
{
    if (digits <= 0) {
        return true;
    }
    if (digits > SCALE_MAX) {
        return false;
    }
    const cm_i128 most = (CM_NUMBER_LIMIT - 1) / cm_pow10(digits);
    return range.lo >= -most && range.hi <= most;
}

static cm_status set_scale(cm_binder *b, const cm_expr *expr, int scale, int position,
                           const cm_expr **ret)
{
    bool quotient = expr->type.quotient;

    if (expr->type.scale == scale && expr->type.kind == CM_TYPE_NUMERIC) {
        *ret = expr;
        return CM_OK;
    }
    cm_type to = cm_bind_numeric(scale, quotient, quotient ? expr->type.precision : 0);
    cm_expr_op op = scale == 0 && cm_bind_is_int(&expr->type) ? CM_X_CAST
                    : quotient && scale < expr->type.scale    ? CM_X_TRUNC
                                                              : CM_X_RESCALE;
    return cm_bind_op1(b, op, to, expr, position, ret);
}

cm_status cm_bind_unify_scales(cm_binder *b, const cm_expr **left, const cm_expr **right,
                               int position)
{
    const cm_expr *low = *left, *high = *right;

    if (low->type.scale > high->type.scale) {
        low = *right;
        high = *left;
    }
    int scale = high->type.scale;
    while (high->type.quotient && scale > low->type.scale && scale > CM_QUOTIENT_LEAST_SCALE &&
           !scales_up(low->range, scale - low->type.scale)) {
        scale--;
    }
    cm_status st = set_scale(b, *left, scale, position, left);
    return st == CM_OK ? set_scale(b, *right, scale, position, right) : st;
}

cm_status cm_bind_checked(cm_binder *b, const cm_expr *expr, const cm_expr **ret)
{
    cm_range own = cm_type_range(&expr->type);

    if (!cm_bind_is_int(&expr->type) || (expr->range.lo >= own.lo && expr->range.hi <= own.hi)) {
        *ret = expr;
        return CM_OK;
    }
    if (cm_bind_is_const(expr)) {
        cm_bind_at(b, expr->position);
        return cm_fail(b->diag, CM_ERANGE, CM_SQL_RANGE, "%s out of range",
                       cm_bind_type_name(b, &expr->type));
    }
    return cm_bind_op1(b, CM_X_CAST, expr->type, expr, expr->position, ret);
}

/* Implicit conversions ----------------------------------------------------------------------- */

bool cm_bind_comparable(const cm_type *a, const cm_type *b)
{
    bool dates = (a->kind == CM_TYPE_DATE || a->kind == CM_TYPE_TIMESTAMP) &&
                 (b->kind == CM_TYPE_DATE || b->kind == CM_TYPE_TIMESTAMP);

    if (a->kind == CM_TYPE_UNKNOWN || b->kind == CM_TYPE_UNKNOWN || dates ||
        (cm_type_is_number(a) && cm_type_is_number(b))) {
        return true;
    }
    return a->kind == b->kind && (a->kind != CM_TYPE_ENUM || cm_type_equal(a, b));
}

/* Of two types that are comparable and known. */
static cm_type common_of(const cm_type *a, const cm_type *b)
{
    cm_type common = *a;

    if (a->kind == CM_TYPE_NUMERIC && b->kind == CM_TYPE_NUMERIC) {
        if (cm_type_equal(a, b)) {
            return common;
        }
        int least = 0;
        least = a->quotient && a->precision > least ? a->precision : least;
        least = b->quotient && b->precision > least ? b->precision : least;
        common = cm_bind_numeric(a->scale > b->scale ? a->scale : b->scale,
                                 a->quotient || b->quotient, least);
        common.floats = a->floats || b->floats;
        return common;
    }
    if (a->kind == CM_TYPE_TEXT) {
        if (a->text != b->text || a->max_bytes != b->max_bytes) {
            common = cm_bind_text(a->max_bytes > b->max_bytes ? a->max_bytes : b->max_bytes);
        }
        return common;
    }
    /* Kinds are declared from narrow to wide. */
    if (b->kind > a->kind) {
        common = *b;
    }
    if (common.kind == CM_TYPE_NUMERIC && !common.quotient) {
        common.precision = 0;
    }
    return common;
}

cm_status cm_bind_coerce(cm_binder *b, const cm_expr *expr, cm_type to, const cm_expr **ret)
{
    const cm_type *from = &expr->type;

    if (from->kind == CM_TYPE_UNKNOWN) {
        cm_status st = cm_bind_coerce_unknown(b, expr, to, &expr);
        if (st != CM_OK || to.kind != CM_TYPE_NUMERIC) {
            *ret = expr;
            return st;
        }
        from = &expr->type;
    }
    if (expr->op == CM_X_CONST && expr->value.null) {
        *ret = null_of(b, to, expr->position);
        return CM_OK;
    }
    if (to.kind == CM_TYPE_NUMERIC && cm_type_is_number(from)) {
        return set_scale(b, expr, to.scale, expr->position, ret);
    }
    if (to.kind == CM_TYPE_TIMESTAMP && from->kind == CM_TYPE_DATE) {
        return cm_bind_to_timestamp(b, expr, ret);
    }
    if (cm_bind_is_int(&to) && cm_bind_is_int(from) && to.kind != from->kind) {
        return cm_bind_op1(b, CM_X_CAST, to, expr, expr->position, ret);
    }
    CM_ASSERT(from->kind == to.kind);
    *ret = expr;
    return CM_OK;
}

cm_status cm_bind_unify(cm_binder *b, const char *what, const cm_expr **exprs, size_t count,
                        cm_type *ret)
{
    cm_type common = {.kind = CM_TYPE_UNKNOWN};
    cm_status st = CM_OK;

    for (size_t i = 0; i < count; i++) {
        const cm_type *type = &exprs[i]->type;
        if (type->kind == CM_TYPE_UNKNOWN) {
            continue;
        }
        if (!cm_bind_comparable(&common, type)) {
            cm_bind_at(b, exprs[i]->position);
            return cm_fail(b->diag, CM_EINVAL, CM_SQL_DATATYPE_MISMATCH,
                           "%s types %s and %s cannot be matched", what,
                           cm_bind_type_name(b, &common), cm_bind_type_name(b, type));
        }
        common = common.kind == CM_TYPE_UNKNOWN ? *type : common_of(&common, type);
    }
    if (common.kind == CM_TYPE_UNKNOWN) {
        common = cm_bind_text(0);
    }
    /* Literals may have more digits, or more bytes, than the rest. */
    for (size_t i = 0; i < count && st == CM_OK; i++) {
        st = cm_bind_coerce_unknown(b, exprs[i], common, &exprs[i]);
        if (st == CM_OK && (common.kind == CM_TYPE_NUMERIC || common.kind == CM_TYPE_TEXT) &&
            !(exprs[i]->op == CM_X_CONST && exprs[i]->value.null)) {
            common = common_of(&common, &exprs[i]->type);
        }
    }
    for (size_t i = 0; i < count && st == CM_OK; i++) {
        st = cm_bind_coerce(b, exprs[i], common, &exprs[i]);
    }
    *ret = common;
    return st;
}

cm_status cm_bind_boolean(cm_binder *b, const char *what, const cm_expr *expr, const cm_expr **ret)
{
    cm_status st = cm_bind_coerce_unknown(b, expr, cm_bind_plain(CM_TYPE_BOOL), &expr);

    if (st == CM_OK && expr->type.kind != CM_TYPE_BOOL) {
        cm_bind_at(b, expr->position);
        st = cm_fail(b->diag, CM_EINVAL, CM_SQL_DATATYPE_MISMATCH,
                     "argument of %s must be type boolean, not type %s", what,
                     cm_bind_type_name(b, &expr->type));
    }
    *ret = expr;
    return st;
}
