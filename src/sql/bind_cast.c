/* Explicit casts: expr::type, CAST(expr AS type), type 'literal'. */
#include "sql/bind_int.h"

#include <string.h>

/* INTERVAL '3' MONTH: the field as PostgreSQL's bit mask. */
static bool interval_unit(const cm_ast_type *to, cm_interval_unit *ret)
{
    static const struct {
        int mask;
        cm_interval_unit unit;
    } units[] = {
        {1 << 1, CM_UNIT_MONTH},  {1 << 2, CM_UNIT_YEAR},    {1 << 3, CM_UNIT_DAY},
        {1 << 10, CM_UNIT_HOUR},  {1 << 11, CM_UNIT_MINUTE}, {1 << 12, CM_UNIT_SECOND},
        {0x7fff, CM_UNIT_SECOND},
    };

    *ret = CM_UNIT_SECOND;
    if (to->args == 0) {
        return true;
    }
    for (size_t i = 0; i < CM_COUNT(units); i++) {
        if (to->arg[0] == units[i].mask && to->args == 1) {
            *ret = units[i].unit;
            return true;
        }
    }
    return false;
}

/* The ENUM of that name in the catalog.  Owners may mean different lists by one name. */
static cm_status find_enum(cm_binder *b, const cm_ast_type *to, cm_type *ret)
{
    const cm_type *found = NULL;

    for (size_t t = 0; t < b->schema->tables; t++) {
        const cm_org_table *table = &b->schema->table[t];
        for (size_t c = 0; c < table->cols; c++) {
            const cm_type *type = &table->col[c].type;
            if (type->kind != CM_TYPE_ENUM || strcmp(type->labels->name, to->name) != 0) {
                continue;
            }
            if (found != NULL && !cm_type_equal(found, type)) {
                cm_bind_at(b, to->position);
                return cm_fail(b->diag, CM_EINVAL, CM_SQL_DATATYPE_MISMATCH,
                               "type \"%s\" has different labels at different owners", to->name);
            }
            found = type;
        }
    }
    if (found == NULL) {
        cm_bind_at(b, to->position);
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_UNDEFINED_OBJECT,
                       "type \"" CM_QUOTE "\" does not exist", to->name);
    }
    *ret = *found;
    return CM_OK;
}

static cm_status numeric_type(cm_binder *b, const cm_ast_type *to, cm_type *ret)
{
    *ret = (cm_type){.kind = CM_TYPE_NUMERIC};
    if (to->args == 0) {
        return CM_OK;
    }
    ret->precision = to->arg[0];
    ret->scale = to->args > 1 ? to->arg[1] : 0;
    if (ret->precision < 1 || ret->precision > 38 || ret->scale < 0 ||
        ret->scale > ret->precision) {
        return cm_bind_refuse(b, to->position, "numeric(%d,%d)", ret->precision, ret->scale);
    }
    return CM_OK;
}

static cm_status text_type(cm_binder *b, const cm_ast_type *to, cm_text_kind kind, cm_type *ret)
{
    *ret = (cm_type){.kind = CM_TYPE_TEXT, .text = kind, .max_bytes = CM_TEXT_MAX_BYTES};
    if (to->args == 0) {
        if (kind == CM_TEXT_VARCHAR) {
            ret->text = CM_TEXT_TEXT;
        } else if (kind == CM_TEXT_CHAR) {
            ret->max_bytes = 1;
        }
        return CM_OK;
    }
    if (to->arg[0] < 1 || to->arg[0] > CM_TEXT_MAX_BYTES) {
        return cm_bind_refuse(b, to->position, "text of %d characters", to->arg[0]);
    }
    ret->max_bytes = (unsigned)to->arg[0];
    return CM_OK;
}

static const struct {
    const char *name;
    cm_type_kind kind;
} plain[] = {
    {"bool", CM_TYPE_BOOL},         {"int2", CM_TYPE_INT2}, {"int4", CM_TYPE_INT4},
    {"int8", CM_TYPE_INT8},         {"date", CM_TYPE_DATE}, {"timestamp", CM_TYPE_TIMESTAMP},
    {"interval", CM_TYPE_INTERVAL},
};

bool cm_sql_has_type(const char *name)
{
    static const char *const others[] = {"numeric", "text", "varchar", "bpchar"};
    bool found = false;

    for (size_t i = 0; i < CM_COUNT(plain); i++) {
        found = found || strcmp(name, plain[i].name) == 0;
    }
    for (size_t i = 0; i < CM_COUNT(others); i++) {
        found = found || strcmp(name, others[i]) == 0;
    }
    return found;
}

static cm_status resolve(cm_binder *b, const cm_ast_type *to, cm_type *ret)
{
    static const char *const elsewhere[] = {"float4", "float8",   "timestamptz", "time",  "timetz",
                                            "json",   "jsonb",    "uuid",        "bytea", "money",
                                            "oid",    "regclass", "bit",         "xml",   "inet"};

    for (size_t i = 0; i < CM_COUNT(plain); i++) {
        if (strcmp(to->name, plain[i].name) == 0) {
            *ret = cm_bind_plain(plain[i].kind);
            if (to->args > 0 && ret->kind == CM_TYPE_TIMESTAMP && to->arg[0] < 6) {
                return cm_bind_refuse(b, to->position, "timestamp(%d)", to->arg[0]);
            }
            return CM_OK;
        }
    }
    for (size_t i = 0; i < CM_COUNT(elsewhere); i++) {
        if (strcmp(to->name, elsewhere[i]) == 0) {
            cm_status st = cm_bind_refuse(b, to->position, "type %s", to->name);
            if (strncmp(to->name, "float", 5) == 0) {
                cm_diag_hint(b->diag, "Use numeric(precision, scale): it is exact.");
            }
            return st;
        }
    }
    if (strcmp(to->name, "numeric") == 0) {
        return numeric_type(b, to, ret);
    }
    if (strcmp(to->name, "text") == 0) {
        return text_type(b, to, CM_TEXT_TEXT, ret);
    }
    if (strcmp(to->name, "varchar") == 0) {
        return text_type(b, to, CM_TEXT_VARCHAR, ret);
    }
    if (strcmp(to->name, "bpchar") == 0) {
        return text_type(b, to, CM_TEXT_CHAR, ret);
    }
    return find_enum(b, to, ret);
}

/* Unlike input, a cast cuts text that is too long. */
static cm_status cut_text(cm_binder *b, const cm_expr *expr, cm_type to, const cm_expr **ret)
{
    const cm_type int4 = cm_bind_plain(CM_TYPE_INT4);
    const cm_expr *args[3] = {expr, cm_bind_number(b, int4, 1, expr->position),
                              cm_bind_number(b, int4, to.max_bytes, expr->position)};

    if (to.text == CM_TEXT_TEXT || expr->type.max_bytes <= to.max_bytes) {
        *ret = expr;
        return CM_OK;
    }
    to.max_bytes = expr->type.max_bytes; /* characters may have several bytes */
    return cm_bind_op(b, CM_X_SUBSTRING, to, args, 3, 0, 0, expr->position, ret);
}

static cm_status cast_literal(cm_binder *b, const cm_expr *expr, const cm_ast_type *name,
                              cm_type to, const cm_expr **ret)
{
    cm_interval_unit unit;
    cm_i128 interval;

    if (to.kind != CM_TYPE_INTERVAL || expr->value.null || expr->op != CM_X_CONST) {
        if (to.kind == CM_TYPE_INTERVAL && expr->op != CM_X_CONST) {
            return cm_bind_refuse(b, expr->position, "a parameter of type interval");
        }
        cm_status st = cm_bind_coerce_unknown(b, expr, to, ret);
        return st == CM_OK && to.kind == CM_TYPE_TEXT ? cut_text(b, *ret, to, ret) : st;
    }
    if (!interval_unit(name, &unit)) {
        return cm_bind_refuse(b, name->position, "an interval of several fields");
    }
    cm_bind_at(b, expr->position);
    cm_status st = cm_interval_parse(expr->value.text, unit, &interval, b->diag);
    if (st == CM_OK) {
        *ret = cm_bind_number(b, to, interval, expr->position);
    }
    return st;
}

/* As evaluation would say it, before any row is looked at. */
static cm_status check_constant(cm_binder *b, const cm_expr *expr, const cm_type *to, int position)
{
    cm_range range = cm_type_range(to);

    if (expr->value.null || (expr->value.number >= range.lo && expr->value.number <= range.hi)) {
        return CM_OK;
    }
    cm_bind_at(b, position);
    if (to->kind == CM_TYPE_NUMERIC) {
        return cm_fail(b->diag, CM_ERANGE, CM_SQL_RANGE, "numeric field overflow");
    }
    return cm_fail(b->diag, CM_ERANGE, CM_SQL_RANGE, "%s out of range", cm_bind_type_name(b, to));
}

static cm_status cast_number(cm_binder *b, const cm_expr *expr, cm_type to, int position,
                             const cm_expr **ret)
{
    cm_status st = CM_OK;

    if (to.kind == CM_TYPE_NUMERIC) {
        if (expr->type.floats) {
            cm_type exact = expr->type;
            exact.floats = false;
            st = cm_bind_op1(b, CM_X_CAST, exact, expr, position, &expr);
        }
        if (to.precision == 0) { /* ::numeric keeps the scale */
            *ret = expr;
            return st != CM_OK ? st
                   : expr->type.kind == CM_TYPE_NUMERIC
                       ? CM_OK
                       : cm_bind_rescale(b, CM_X_RESCALE, expr, 0, position, ret);
        }
        st = cm_bind_rescale(b, CM_X_RESCALE, expr, to.scale, position, &expr);
    } else if (expr->type.kind == CM_TYPE_NUMERIC) {
        st = cm_bind_rescale(b, CM_X_RESCALE, expr, 0, position, &expr);
    }
    if (st == CM_OK && cm_bind_is_const(expr)) {
        st = check_constant(b, expr, &to, position);
    }
    if (st != CM_OK || cm_type_equal(&expr->type, &to)) {
        *ret = expr;
        return st;
    }
    return cm_bind_op1(b, CM_X_CAST, to, expr, position, ret);
}

/* A constant as text; cm_value_print writes booleans short. */
static cm_status print_constant(cm_binder *b, const cm_expr *expr, cm_type to, const cm_expr **ret)
{
    cm_value value = {.null = expr->value.null};
    cm_buf buf = {0};

    if (!value.null) {
        cm_value_print(&expr->type, &expr->value, &buf);
        value.text = expr->type.kind == CM_TYPE_BOOL ? expr->value.number != 0 ? "true" : "false"
                                                     : cm_arena_strdup(b->arena, cm_buf_text(&buf));
        cm_buf_free(&buf);
    }
    cm_type type = cm_bind_text(value.null ? 0 : strlen(value.text));
    type.text = to.text;
    return cut_text(b, cm_expr_const(b->arena, type, value, expr->position), to, ret);
}

/* So many values that a gate program should not choose among them. */
enum { NAMES_MAX = 256 };

/* How the values of a number, date or timestamp of a small range are written, from the least. */
static const char *const *print_all(cm_binder *b, const cm_expr *expr, size_t *ret_count)
{
    const cm_i128 values = expr->range.hi - expr->range.lo + 1;
    cm_buf text = {0};

    if (values < 1 || values > NAMES_MAX || expr->type.quotient) {
        return NULL;
    }
    const char **name = CM_NEW_SMALL(b->arena, const char *, (size_t)values);
    for (cm_i128 i = 0; i < values; i++) {
        const cm_value value = {.number = expr->range.lo + i};
        cm_buf_clear(&text);
        cm_value_print(&expr->type, &value, &text);
        name[i] = cm_arena_strdup(b->arena, cm_buf_text(&text));
    }
    cm_buf_free(&text);
    *ret_count = (size_t)values;
    return name;
}

/* How the values *ret_first, .. are written: an ENUM's labels, false and true, or what is printed
 * of a small range; NULL for others. */
static const char *const *names_of(cm_binder *b, const cm_expr *expr, cm_i128 *ret_first,
                                   size_t *ret_count)
{
    static const char *const truth[] = {"false", "true"};
    const cm_type *type = &expr->type;

    *ret_first = 0;
    if (type->kind == CM_TYPE_BOOL) {
        *ret_count = CM_COUNT(truth);
        return truth;
    }
    if (type->kind == CM_TYPE_ENUM) {
        *ret_count = type->labels->count;
        return type->labels->count > NAMES_MAX ? NULL : type->labels->labels;
    }
    if (!cm_type_is_number(type) && type->kind != CM_TYPE_DATE && type->kind != CM_TYPE_TIMESTAMP) {
        return NULL;
    }
    *ret_first = expr->range.lo;
    return print_all(b, expr, ret_count);
}

static cm_type type_of_names(const char *const *name, size_t count, cm_text_kind kind)
{
    size_t longest = 0;

    for (size_t i = 0; i < count; i++) {
        longest = strlen(name[i]) > longest ? strlen(name[i]) : longest;
    }
    cm_type ret = cm_bind_text(longest);
    ret.text = kind;
    return ret;
}

static cm_status no_cast(cm_binder *b, const cm_expr *expr, const cm_type *to, int position)
{
    bool texts = to->kind == CM_TYPE_TEXT || expr->type.kind == CM_TYPE_TEXT;

    if (texts) { /* PostgreSQL can write and read anything */
        return cm_bind_refuse(b, position, "a cast from %s to %s",
                              cm_bind_type_name(b, &expr->type), cm_bind_type_name(b, to));
    }
    cm_bind_at(b, position);
    return cm_fail(b->diag, CM_EINVAL, "42846", "cannot cast type %s to %s",
                   cm_bind_type_name(b, &expr->type), cm_bind_type_name(b, to));
}

/* CASE WHEN x = 0 THEN the first name .. END; what may not be NULL and is none of them is the last.
 */
static cm_status print_named(cm_binder *b, const cm_expr *expr, cm_type to, int position,
                             const cm_expr **ret)
{
    const cm_type boolean = cm_bind_plain(CM_TYPE_BOOL);
    size_t count = 0, args = 0;
    cm_i128 first;
    const char *const *name = names_of(b, expr, &first, &count);
    if (name == NULL || count == 0) {
        return no_cast(b, expr, &to, position);
    }
    const cm_expr **arg = CM_NEW_SMALL(b->arena, const cm_expr *, 2 * count + 1);
    cm_type type = type_of_names(name, count, to.text);

    for (size_t i = 0; i < count; i++) {
        if (expr->nullable || i + 1 < count) {
            const cm_expr *value = cm_bind_number(b, expr->type, first + (cm_i128)i, position);
            cm_status st = cm_bind_op2(b, CM_X_EQ, boolean, expr, value, position, &arg[args++]);
            if (st != CM_OK) {
                return st;
            }
        }
        arg[args++] = cm_expr_const(b->arena, type, (cm_value){.text = name[i]}, position);
    }
    if (expr->nullable) {
        arg[args++] = cm_expr_const(b->arena, type, (cm_value){.null = true}, position);
    }
    const cm_expr *text = arg[0];
    cm_status st =
        args == 1 ? CM_OK : cm_bind_op(b, CM_X_CASE, type, arg, args, 0, 0, position, &text);
    return st == CM_OK ? cut_text(b, text, to, ret) : st;
}

cm_status cm_bind_name_as_text(cm_binder *b, const cm_expr *expr, const cm_expr **ret)
{
    *ret = expr;
    if (expr->type.kind != CM_TYPE_ENUM || expr->type.labels != b->schema->orgs) {
        return CM_OK;
    }
    return print_named(b, expr, cm_bind_text(CM_TEXT_MAX_BYTES), expr->position, ret);
}

cm_status cm_bind_cast(cm_binder *b, const cm_expr *expr, const cm_ast_type *name, int position,
                       const cm_expr **ret)
{
    cm_type to;

    cm_status st = resolve(b, name, &to);
    if (st != CM_OK) {
        return st;
    }
    if (expr->type.kind == CM_TYPE_UNKNOWN) {
        st = cast_literal(b, expr, name, to, &expr);
        if (st != CM_OK || !cm_type_is_number(&to)) {
            *ret = expr;
            return st;
        }
    }
    const cm_type_kind from = expr->type.kind;
    if (cm_type_is_number(&expr->type) && cm_type_is_number(&to)) {
        return cast_number(b, expr, to, position, ret);
    }
    if (to.kind == CM_TYPE_INT4 && from == CM_TYPE_BOOL) {
        return cm_bind_op1(b, CM_X_CAST, to, expr, position, ret);
    }
    if (to.kind == CM_TYPE_BOOL && from == CM_TYPE_INT4) {
        return cm_bind_op2(b, CM_X_NE, to, expr, cm_bind_number(b, expr->type, 0, position),
                           position, ret);
    }
    if (to.kind == CM_TYPE_TIMESTAMP && from == CM_TYPE_DATE) {
        return cm_bind_to_timestamp(b, expr, ret);
    }
    if (to.kind == CM_TYPE_DATE && from == CM_TYPE_TIMESTAMP) {
        return cm_bind_to_date(b, expr, ret);
    }
    if (to.kind == CM_TYPE_TEXT && from != CM_TYPE_TEXT && from != CM_TYPE_INTERVAL &&
        cm_bind_is_const(expr)) {
        return print_constant(b, expr, to, ret);
    }
    if (to.kind == CM_TYPE_TEXT && from != CM_TYPE_TEXT) {
        return print_named(b, expr, to, position, ret);
    }
    if (to.kind != from || (to.kind == CM_TYPE_ENUM && !cm_type_equal(&to, &expr->type))) {
        return no_cast(b, expr, &to, position);
    }
    *ret = expr;
    return to.kind == CM_TYPE_TEXT ? cut_text(b, expr, to, ret) : CM_OK;
}
