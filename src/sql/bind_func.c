/* Scalar functions. */
#include "sql/bind_int.h"

#include <stdio.h>
#include <string.h>

typedef cm_call call;

typedef cm_status (*bind_fn)(const call *c, const cm_expr **ret);

cm_status cm_bind_no_function(cm_binder *b, const cm_ast *ast, const cm_expr *const *args,
                              size_t count)
{
    cm_buf list = {0};

    for (size_t i = 0; i < count && i < 16; i++) {
        cm_buf_printf(&list, "%s%s", i == 0 ? "" : ", ", cm_bind_type_name(b, &args[i]->type));
    }
    cm_bind_at(b, ast->position);
    cm_diag_hint(b->diag, "No function matches the given name and argument types. You might need "
                          "to add explicit type casts.");
    cm_status st = cm_fail(b->diag, CM_EINVAL, CM_SQL_UNDEFINED_FUNCTION,
                           "function " CM_QUOTE "(%s) does not exist", ast->text,
                           ast->star ? "*" : cm_buf_text(&list));
    cm_buf_free(&list);
    return st;
}

static cm_status no_such(const call *c)
{
    return cm_bind_no_function(c->b, c->ast, c->args, c->count);
}

/* Numbers ------------------------------------------------------------------------------------ */

static bool is_number(const cm_expr *expr)
{
    return cm_type_is_number(&expr->type);
}

static cm_status bind_abs(const call *c, const cm_expr **ret)
{
    if (c->count != 1 || !is_number(c->args[0])) {
        return no_such(c);
    }
    cm_type type = c->args[0]->type;
    if (!type.quotient) {
        type.precision = 0;
    }
    cm_status st = cm_bind_op1(c->b, CM_X_ABS, type, c->args[0], c->position, ret);
    return st == CM_OK ? cm_bind_checked(c->b, *ret, ret) : st;
}

/* To multiples of 10^-digits: the number is looked at with its point moved. */
static cm_status bind_powers(const call *c, cm_expr_op op, int digits, const cm_expr **ret)
{
    const cm_expr *x = c->args[0];
    const int scale = x->type.kind == CM_TYPE_NUMERIC ? x->type.scale : 0;
    const cm_type whole = cm_bind_numeric(0, false, 0);

    cm_status st =
        cm_bind_op1(c->b, CM_X_CAST, cm_bind_numeric(scale - digits, false, 0), x, c->position, &x);
    if (st == CM_OK) {
        st = cm_bind_op1(c->b, op, whole, x, c->position, &x);
    }
    return st != CM_OK ? st
                       : cm_bind_op2(c->b, CM_X_MUL, whole, x,
                                     cm_bind_number(c->b, whole, cm_pow10(-digits), c->position),
                                     c->position, ret);
}

/* round and trunc to a constant number of digits. */
static cm_status bind_digits(const call *c, cm_expr_op op, const cm_expr **ret)
{
    int digits = 0;

    if (c->count < 1 || c->count > 2 || !is_number(c->args[0])) {
        return no_such(c);
    }
    if (c->count == 2) {
        const cm_expr *arg = c->args[1];
        if (!cm_bind_is_int(&arg->type)) {
            return no_such(c);
        }
        if (!cm_bind_is_const(arg) || arg->value.null || arg->value.number < -30 ||
            arg->value.number > 30) {
            return cm_bind_refuse(c->b, arg->position,
                                  "rounding to anything but a constant from -30 to 30 digits");
        }
        digits = (int)arg->value.number;
    }
    if (digits < 0) {
        return bind_powers(c, op, digits, ret);
    }
    cm_status st = cm_bind_rescale(c->b, op, c->args[0], digits, c->position, ret);
    if (st == CM_OK && c->count == 1 && cm_bind_is_int(&c->args[0]->type)) {
        *ret = cm_bind_float(c->b, *ret); /* PostgreSQL has these for floats and numerics */
    }
    return st;
}

static cm_status bind_round(const call *c, const cm_expr **ret)
{
    return bind_digits(c, CM_X_RESCALE, ret);
}

static cm_status bind_trunc(const call *c, const cm_expr **ret)
{
    return bind_digits(c, CM_X_TRUNC, ret);
}

static cm_status bind_floor(const call *c, const cm_expr **ret)
{
    return c->count == 1 ? bind_digits(c, CM_X_FLOOR, ret) : no_such(c);
}

static cm_status bind_ceil(const call *c, const cm_expr **ret)
{
    return c->count == 1 ? bind_digits(c, CM_X_CEIL, ret) : no_such(c);
}

static cm_status bind_mod(const call *c, const cm_expr **ret)
{
    if (c->count != 2 || !is_number(c->args[0]) || !is_number(c->args[1])) {
        return no_such(c);
    }
    return cm_bind_arith(c->b, '%', c->args[0], c->args[1], c->position, ret);
}

/* Text --------------------------------------------------------------------------------------- */

static bool is_text(const cm_expr *expr)
{
    return expr->type.kind == CM_TYPE_TEXT;
}

static cm_status settle_texts(const call *c)
{
    cm_status st = CM_OK;

    for (size_t i = 0; i < c->count && st == CM_OK; i++) {
        st = cm_bind_coerce_unknown(c->b, c->args[i], cm_bind_text(0), &c->args[i]);
    }
    return st;
}

static cm_status bind_text1(const call *c, cm_expr_op op, const cm_expr **ret)
{
    cm_status st = settle_texts(c);

    if (st == CM_OK && (c->count != 1 || !is_text(c->args[0]))) {
        return no_such(c);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_type type =
        op == CM_X_LENGTH ? cm_bind_plain(CM_TYPE_INT4) : cm_bind_text(c->args[0]->type.max_bytes);
    return cm_bind_op1(c->b, op, type, c->args[0], c->position, ret);
}

static cm_status bind_lower(const call *c, const cm_expr **ret)
{
    return bind_text1(c, CM_X_LOWER, ret);
}

static cm_status bind_upper(const call *c, const cm_expr **ret)
{
    return bind_text1(c, CM_X_UPPER, ret);
}

static cm_status bind_length(const call *c, const cm_expr **ret)
{
    return bind_text1(c, CM_X_LENGTH, ret);
}

static cm_status bind_substring(const call *c, const cm_expr **ret)
{
    const cm_type int4 = cm_bind_plain(CM_TYPE_INT4);
    cm_status st = CM_OK;

    if (c->count < 2 || c->count > 3) {
        return no_such(c);
    }
    st = cm_bind_coerce_unknown(c->b, c->args[0], cm_bind_text(0), &c->args[0]);
    for (size_t i = 1; i < c->count && st == CM_OK; i++) {
        if (c->args[i]->type.kind == CM_TYPE_UNKNOWN) {
            return cm_bind_refuse(c->b, c->args[i]->position, "substring by a pattern");
        }
        if (!cm_bind_is_int(&c->args[i]->type) || c->args[i]->type.kind == CM_TYPE_INT8) {
            return no_such(c);
        }
        st = cm_bind_coerce(c->b, c->args[i], int4, &c->args[i]);
    }
    if (st != CM_OK || !is_text(c->args[0])) {
        return st != CM_OK ? st : no_such(c);
    }
    if (c->count == 3 && cm_bind_is_const(c->args[2]) && !c->args[2]->value.null &&
        c->args[2]->value.number < 0) {
        cm_bind_at(c->b, c->args[2]->position);
        return cm_fail(c->b->diag, CM_EINVAL, "22011", "negative substring length not allowed");
    }
    return cm_bind_op(c->b, CM_X_SUBSTRING, cm_bind_text(c->args[0]->type.max_bytes), c->args,
                      c->count, 0, 0, c->position, ret);
}

/* Unlike ||, concat reads NULL as the empty text. */
static cm_status bind_concat(const call *c, const cm_expr **ret)
{
    const cm_expr *empty =
        cm_expr_const(c->b->arena, cm_bind_text(0), (cm_value){.text = ""}, c->position);
    const cm_expr *joined = empty;
    cm_status st = settle_texts(c);

    if (st == CM_OK && c->count == 0) {
        return no_such(c);
    }
    for (size_t i = 0; i < c->count && st == CM_OK; i++) {
        const cm_expr *parts[2] = {c->args[i], empty};
        if (!is_text(c->args[i]) && c->args[i]->type.kind != CM_TYPE_BOOL) {
            const cm_ast_type text = {.name = "text"};
            st = cm_bind_cast(c->b, c->args[i], &text, c->args[i]->position, &c->args[i]);
            parts[0] = c->args[i];
        }
        if (st != CM_OK) {
            return st;
        }
        if (!is_text(c->args[i])) {
            return cm_bind_refuse(c->b, c->args[i]->position, "concat of type %s",
                                  cm_bind_type_name(c->b, &c->args[i]->type));
        }
        if (c->args[i]->nullable) {
            st = cm_bind_op(c->b, CM_X_COALESCE, c->args[i]->type, parts, 2, 0, 0, c->position,
                            &parts[0]);
        }
        size_t bytes = (size_t)joined->type.max_bytes + c->args[i]->type.max_bytes;
        if (st == CM_OK && i == 0) {
            joined = parts[0];
        } else if (st == CM_OK) {
            st = cm_bind_op2(c->b, CM_X_CONCAT, cm_bind_text(bytes), joined, parts[0], c->position,
                             &joined);
        }
    }
    *ret = joined;
    return st;
}

/* Dates -------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    cm_field field;
} fields[] = {
    {"year", CM_FIELD_YEAR},     {"years", CM_FIELD_YEAR},     {"quarter", CM_FIELD_QUARTER},
    {"month", CM_FIELD_MONTH},   {"months", CM_FIELD_MONTH},   {"week", CM_FIELD_WEEK},
    {"weeks", CM_FIELD_WEEK},    {"day", CM_FIELD_DAY},        {"days", CM_FIELD_DAY},
    {"dow", CM_FIELD_DOW},       {"doy", CM_FIELD_DOY},        {"hour", CM_FIELD_HOUR},
    {"hours", CM_FIELD_HOUR},    {"minute", CM_FIELD_MINUTE},  {"minutes", CM_FIELD_MINUTE},
    {"second", CM_FIELD_SECOND}, {"seconds", CM_FIELD_SECOND}, {"epoch", CM_FIELD_EPOCH},
};

static cm_status find_field(const call *c, const cm_expr *when, cm_field *ret)
{
    static const char *const elsewhere[] = {
        "century", "decade",   "millennium",   "isodow",       "isoyear",
        "julian",  "timezone", "milliseconds", "microseconds", "timezone_hour"};
    const cm_expr *name = c->args[0];

    if (!cm_bind_is_const(name) || name->value.null) {
        return cm_bind_refuse(c->b, name->position, "a field name that is not a constant");
    }
    char text[24];
    size_t bytes = strlen(name->value.text);
    for (size_t i = 0; i <= bytes && bytes < sizeof text; i++) {
        char ch = name->value.text[i];
        text[i] = ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch;
    }
    for (size_t i = 0; i < CM_COUNT(fields) && bytes < sizeof text; i++) {
        if (strcmp(text, fields[i].name) == 0) {
            *ret = fields[i].field;
            return CM_OK;
        }
    }
    for (size_t i = 0; i < CM_COUNT(elsewhere) && bytes < sizeof text; i++) {
        if (strcmp(text, elsewhere[i]) == 0) {
            return cm_bind_refuse(c->b, name->position, "field \"%s\"", text);
        }
    }
    cm_bind_at(c->b, name->position);
    return cm_fail(c->b->diag, CM_EINVAL, CM_SQL_BAD_PARAMETER,
                   "unit \"" CM_QUOTE "\" not recognized for type %s", name->value.text,
                   cm_bind_type_name(c->b, &when->type));
}

static bool is_when(const cm_expr *expr)
{
    return expr->type.kind == CM_TYPE_DATE || expr->type.kind == CM_TYPE_TIMESTAMP;
}

/* The field and the date or timestamp of both functions. */
static cm_status settle_field(const call *c, cm_field *ret)
{
    cm_status st;

    if (c->count != 2 || (c->args[0]->type.kind != CM_TYPE_UNKNOWN && !is_text(c->args[0]))) {
        return no_such(c);
    }
    st = cm_bind_coerce_unknown(c->b, c->args[0], cm_bind_text(0), &c->args[0]);
    if (st == CM_OK && c->args[1]->op == CM_X_PARAM) {
        st =
            cm_bind_coerce_unknown(c->b, c->args[1], cm_bind_plain(CM_TYPE_TIMESTAMP), &c->args[1]);
    }
    if (st == CM_OK && !is_when(c->args[1])) {
        return no_such(c);
    }
    return st == CM_OK ? find_field(c, c->args[1], ret) : st;
}

/* The name of a field that others make up, in small letters; "" when it is none. */
static cm_status derive_field(const call *c, const cm_expr **ret, bool *ret_known)
{
    char name[24] = "";
    const cm_expr *field;

    *ret_known = false;
    if (c->count != 2 || !cm_bind_is_const(c->args[0]) || c->args[0]->value.null ||
        !is_when(c->args[1])) {
        return CM_OK;
    }
    cm_status st = cm_bind_coerce_unknown(c->b, c->args[0], cm_bind_text(0), &field);
    if (st != CM_OK || !is_text(field)) {
        return st;
    }
    size_t bytes = strlen(field->value.text);
    for (size_t i = 0; i < bytes && bytes < sizeof name; i++) {
        char ch = field->value.text[i];
        name[i] = ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch;
    }
    return cm_bind_derived_field(c, name, c->args[1], ret, ret_known);
}

static cm_status bind_extract(const call *c, const cm_expr **ret)
{
    cm_field field = CM_FIELD_YEAR;
    bool known;

    cm_status derived = derive_field(c, ret, &known);
    if (derived != CM_OK || known) {
        return derived;
    }
    cm_status st = settle_field(c, &field);
    if (st != CM_OK) {
        return st;
    }
    bool timestamp = c->args[1]->type.kind == CM_TYPE_TIMESTAMP;
    bool time = field == CM_FIELD_HOUR || field == CM_FIELD_MINUTE || field == CM_FIELD_SECOND;
    if (time && !timestamp) {
        cm_bind_at(c->b, c->position);
        return cm_fail(c->b->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "unit \"%s\" not supported for type date", c->args[0]->value.text);
    }
    bool fraction = timestamp && (field == CM_FIELD_SECOND || field == CM_FIELD_EPOCH);
    return cm_bind_op(c->b, CM_X_EXTRACT, cm_bind_numeric(fraction ? 6 : 0, false, 0), &c->args[1],
                      1, (unsigned)field, 0, c->position, ret);
}

static cm_status bind_date_part(const call *c, const cm_expr **ret)
{
    cm_status st = bind_extract(c, ret);

    *ret = st == CM_OK ? cm_bind_float(c->b, *ret) : *ret;
    return st;
}

static cm_status bind_date_trunc(const call *c, const cm_expr **ret)
{
    const cm_expr *when;
    cm_field field = CM_FIELD_YEAR;

    cm_status st = settle_field(c, &field);
    if (st != CM_OK) {
        return st;
    }
    if (field == CM_FIELD_DOW || field == CM_FIELD_DOY || field == CM_FIELD_EPOCH) {
        cm_bind_at(c->b, c->args[0]->position);
        return cm_fail(c->b->diag, CM_EINVAL, CM_SQL_BAD_PARAMETER,
                       "unit \"%s\" not recognized for type timestamp without time zone",
                       c->args[0]->value.text);
    }
    st = cm_bind_to_timestamp(c->b, c->args[1], &when);
    return st == CM_OK ? cm_bind_op(c->b, CM_X_DATE_TRUNC, cm_bind_plain(CM_TYPE_TIMESTAMP), &when,
                                    1, (unsigned)field, 0, c->position, ret)
                       : st;
}

/* The same at all nodes: it travels with the query.  There are no time zones: it is UTC. */
static cm_status bind_now(const call *c, const cm_expr **ret)
{
    if (c->count != 0) {
        return no_such(c);
    }
    *ret = cm_bind_number(c->b, cm_bind_plain(CM_TYPE_TIMESTAMP), c->b->now, c->position);
    return CM_OK;
}

static cm_status bind_today(const call *c, const cm_expr **ret)
{
    const cm_i128 days = c->b->now / CM_MICROS_PER_DAY;

    *ret = cm_bind_number(c->b, cm_bind_plain(CM_TYPE_DATE), days, c->position);
    return c->count == 0 ? CM_OK : no_such(c);
}

static const struct {
    const char *name;
    bind_fn bind;
} functions[] = {
    {"now", bind_now},
    {"current_timestamp", bind_now},
    {"localtimestamp", bind_now},
    {"transaction_timestamp", bind_now},
    {"statement_timestamp", bind_now},
    {"current_date", bind_today},
    {"abs", bind_abs},
    {"round", bind_round},
    {"trunc", bind_trunc},
    {"floor", bind_floor},
    {"ceil", bind_ceil},
    {"ceiling", bind_ceil},
    {"mod", bind_mod},
    {"lower", bind_lower},
    {"upper", bind_upper},
    {"length", bind_length},
    {"char_length", bind_length},
    {"character_length", bind_length},
    {"substring", bind_substring},
    {"substr", bind_substring},
    {"left", cm_bind_left},
    {"right", cm_bind_right},
    {"btrim", cm_bind_btrim},
    {"ltrim", cm_bind_ltrim},
    {"rtrim", cm_bind_rtrim},
    {"replace", cm_bind_replace},
    {"position", cm_bind_position},
    {"strpos", cm_bind_position},
    {"starts_with", cm_bind_starts_with},
    {"concat_ws", cm_bind_concat_ws},
    {"sign", cm_bind_sign},
    {"div", cm_bind_div},
    {"sqrt", cm_bind_sqrt},
    {"power", cm_bind_power},
    {"pow", cm_bind_power},
    {"concat", bind_concat},
    {"extract", bind_extract},
    {"date_part", bind_date_part},
    {"date_trunc", bind_date_trunc},
};

/* What PostgreSQL has and people use: not a spelling mistake. */
static const char *const elsewhere[] = {
    "cbrt",
    "exp",
    "ln",
    "log",
    "log10",
    "random",
    "setseed",
    "width_bucket",
    "gcd",
    "lcm",
    "sin",
    "cos",
    "tan",
    "pi",
    "degrees",
    "radians",
    "factorial",
    "timezone",
    "age",
    "clock_timestamp",
    "to_char",
    "to_date",
    "to_timestamp",
    "to_number",
    "make_date",
    "make_timestamp",
    "date_bin",
    "justify_days",
    "reverse",
    "repeat",
    "lpad",
    "rpad",
    "initcap",
    "split_part",
    "format",
    "md5",
    "sha256",
    "regexp_replace",
    "regexp_match",
    "regexp_matches",
    "overlay",
    "translate",
    "ascii",
    "chr",
    "octet_length",
    "bit_length",
    "quote_literal",
    "encode",
    "decode",
    "generate_series",
    "unnest",
    "array_length",
    "jsonb_build_object",
    "json_build_object",
    "current_setting",
    "set_config",
    "version",
    "current_database",
    "current_schema",
    "pg_typeof",
    "overlaps",
    "isfinite",
    "num_nulls",
    "num_nonnulls",
    "like_escape",
    "similar_to_escape",
};

bool cm_sql_has_function(const char *name)
{
    for (size_t i = 0; i < CM_COUNT(functions); i++) {
        if (strcmp(name, functions[i].name) == 0) {
            return true;
        }
    }
    return cm_bind_is_aggregate(name) || cm_bind_is_window(name);
}

cm_status cm_bind_func(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;
    bool known;

    if (ast->over != NULL) {
        return cm_bind_window(at, ast, ret);
    }
    cm_status st = cm_bind_aggregate(at, ast, ret, &known);
    if (st != CM_OK || known) {
        return st;
    }
    call c = {b, ast, CM_NEW_SMALL(b->arena, const cm_expr *, ast->args + 1), ast->args,
              ast->position};
    for (size_t i = 0; i < ast->args; i++) {
        st = cm_bind_expr(at, ast->arg[i], &c.args[i]);
        if (st == CM_OK) {
            st = cm_bind_name_as_text(b, c.args[i], &c.args[i]);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    if (ast->star || ast->distinct || ast->filter != NULL) {
        cm_bind_at(b, ast->position);
        return ast->star ? no_such(&c)
                         : cm_fail(b->diag, CM_EINVAL, "42809",
                                   "%s specified, but " CM_QUOTE " is not an aggregate function",
                                   ast->distinct ? "DISTINCT" : "FILTER", ast->text);
    }
    for (size_t i = 0; i < CM_COUNT(functions); i++) {
        if (strcmp(ast->text, functions[i].name) == 0) {
            return functions[i].bind(&c, ret);
        }
    }
    for (size_t i = 0; i < CM_COUNT(elsewhere); i++) {
        if (strcmp(ast->text, elsewhere[i]) == 0) {
            return cm_bind_refuse(b, ast->position, "function %s", ast->text);
        }
    }
    return no_such(&c);
}
