/*
 * What the tokens of a select list tell about its columns: names as PostgreSQL gives them, and
 * types of expressions.  A guess by form: SQLite knows the columns' types, but has none for
 * expressions.
 */
#include "node/syscatalog_sql_int.h"

#include <string.h>

bool cm_token_is(const cm_sql_token *t, const char *text)
{
    return (t->kind == CM_TOKEN_NAME || t->kind == CM_TOKEN_OPERATOR ||
            t->kind == CM_TOKEN_PUNCT) &&
           strcmp(t->text, text) == 0;
}

static bool is_one_of(const cm_sql_token *t, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cm_token_is(t, texts[i])) {
            return true;
        }
    }
    return false;
}

bool cm_token_is_name(const cm_sql_token *t)
{
    static const char *const reserved[] = {
        "select",  "from",   "where",   "and",       "or",     "not",     "is",      "null",
        "in",      "like",   "ilike",   "between",   "case",   "when",    "then",    "else",
        "end",     "as",     "on",      "join",      "left",   "right",   "full",    "outer",
        "inner",   "cross",  "natural", "using",     "order",  "group",   "having",  "limit",
        "union",   "offset", "except",  "intersect", "all",    "any",     "some",    "distinct",
        "asc",     "desc",   "exists",  "with",      "true",   "false",   "array",   "collate",
        "lateral", "window", "fetch",   "for",       "isnull", "notnull", "similar", "cast",
    };
    return t->kind == CM_TOKEN_QUOTED ||
           (t->kind == CM_TOKEN_NAME && !is_one_of(t, reserved, CM_COUNT(reserved)));
}

size_t cm_rw_match(const cm_sql_token *tokens, size_t open)
{
    int depth = 0;
    size_t i = open;
    for (; tokens[i].kind != CM_TOKEN_END; i++) {
        depth += cm_token_is(&tokens[i], "(") || cm_token_is(&tokens[i], "[");
        depth -= cm_token_is(&tokens[i], ")") || cm_token_is(&tokens[i], "]");
        if (depth == 0) {
            break;
        }
    }
    return i;
}

/* Behind one whole thing: a group, CASE ... END, or a token. */
static size_t skip(const cm_sql_token *tokens, size_t i)
{
    if (cm_token_is(&tokens[i], "(") || cm_token_is(&tokens[i], "[")) {
        i = cm_rw_match(tokens, i);
    } else if (cm_token_is(&tokens[i], "case")) {
        i++;
        while (tokens[i].kind != CM_TOKEN_END && !cm_token_is(&tokens[i], "end")) {
            i = skip(tokens, i);
        }
    }
    return tokens[i].kind == CM_TOKEN_END ? i : i + 1;
}

size_t cm_rw_target_end(const cm_sql_token *tokens, size_t from)
{
    static const char *const ends[] = {",",     "from",  "where",  "group",  "having",
                                       "order", "limit", "union",  "except", "intersect",
                                       ")",     ";",     "offset", "fetch",  "window"};
    size_t i = from;
    while (tokens[i].kind != CM_TOKEN_END && !is_one_of(&tokens[i], ends, CM_COUNT(ends))) {
        bool distinct = cm_token_is(&tokens[i], "distinct");
        i = skip(tokens, i);
        if (distinct && cm_token_is(&tokens[i], "from")) {
            i++; /* IS DISTINCT FROM */
        }
    }
    return i;
}

static bool ends_operand(const cm_sql_token *t)
{
    static const char *const words[] = {")", "]", "end", "null", "true", "false"};
    return t->kind == CM_TOKEN_STRING || t->kind == CM_TOKEN_NUMBER || t->kind == CM_TOKEN_PARAM ||
           cm_token_is_name(t) || is_one_of(t, words, CM_COUNT(words));
}

const char *cm_rw_alias(const cm_sql_token *tokens, size_t from, size_t to, size_t *ret_to)
{
    /* Types of several words end like an alias. */
    static const char *const type_ends[] = {"precision", "varying", "zone"};
    *ret_to = to;
    if (to - from >= 3 && cm_token_is(&tokens[to - 2], "as")) {
        *ret_to = to - 2;
        return tokens[to - 1].text;
    }
    if (to - from >= 2 && cm_token_is_name(&tokens[to - 1]) && ends_operand(&tokens[to - 2]) &&
        !is_one_of(&tokens[to - 1], type_ends, CM_COUNT(type_ends))) {
        *ret_to = to - 1;
        return tokens[to - 1].text;
    }
    return NULL;
}

/* ---- types -------------------------------------------------------------------------------- */

static const char *canonical(const char *name)
{
    static const char *const names[][2] = {
        {"int", "int4"},     {"integer", "int4"},    {"smallint", "int2"},    {"bigint", "int8"},
        {"boolean", "bool"}, {"decimal", "numeric"}, {"real", "float4"},      {"double", "float8"},
        {"dec", "numeric"},  {"float", "float8"},    {"character", "bpchar"},
    };
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        if (strcmp(names[i][0], name) == 0) {
            return names[i][1];
        }
    }
    return name;
}

cm_rw_type cm_rw_type_at(const cm_sql_token *tokens, size_t at, size_t *ret_at)
{
    static const char *const more[] = {"precision", "varying", "with", "without", "time", "zone"};
    cm_rw_type type = {tokens[at].text, false};
    if (cm_token_is(&tokens[at + 1], ".")) {
        at += 2;
        type.name = tokens[at].text;
    }
    type.name = canonical(type.name);
    at++;
    while (is_one_of(&tokens[at], more, CM_COUNT(more)) || cm_token_is(&tokens[at], "(")) {
        at = skip(tokens, at);
    }
    while (cm_token_is(&tokens[at], "[")) {
        type.array = true;
        at = cm_rw_match(tokens, at) + 1;
    }
    *ret_at = at;
    return type;
}

uint32_t cm_rw_type_oid(cm_rw_type type)
{
    static const struct {
        const char *name;
        uint32_t oid;
    } known[] = {
        {"bool", CM_OID_BOOL},      {"int2", CM_OID_INT2},      {"int4", CM_OID_INT4},
        {"int8", CM_OID_INT8},      {"oid", CM_OID_OID},        {"numeric", CM_OID_NUMERIC},
        {"float4", CM_OID_NUMERIC}, {"float8", CM_OID_NUMERIC}, {"name", CM_OID_NAME},
    };
    for (size_t i = 0; !type.array && i < CM_COUNT(known); i++) {
        if (strcmp(known[i].name, type.name) == 0) {
            return known[i].oid;
        }
    }
    return CM_OID_TEXT;
}

typedef struct form {
    bool boolean, concat;
    size_t arithmetic; /* index of the first such operator, 0: none */
    size_t cast;       /* index of the last ::, 0: none */
} form;

static form form_of(const cm_sql_token *tokens, size_t from, size_t to)
{
    static const char *const boolean[] = {
        "and",    "or",      "not", "is",  "in", "like", "ilike",   "between", "exists",
        "isnull", "notnull", "=",   "<",   ">",  "<=",   ">=",      "<>",      "!=",
        "~",      "!~",      "~*",  "!~*", "~~", "!~~",  "similar", "operator"};
    static const char *const arithmetic[] = {"+", "-", "*", "/", "%", "&", "|"};
    form f = {0};
    for (size_t i = from; i < to; i = skip(tokens, i)) {
        f.boolean = f.boolean || is_one_of(&tokens[i], boolean, CM_COUNT(boolean));
        f.concat = f.concat || cm_token_is(&tokens[i], "||");
        if (i > from && f.arithmetic == 0 &&
            is_one_of(&tokens[i], arithmetic, CM_COUNT(arithmetic))) {
            f.arithmetic = i;
        }
        f.cast = cm_token_is(&tokens[i], "::") ? i : f.cast;
    }
    return f;
}

static uint32_t infer_case(const cm_sql_token *tokens, size_t from, size_t to)
{
    for (size_t i = from + 1; i < to; i = skip(tokens, i)) {
        if (cm_token_is(&tokens[i], "then") || cm_token_is(&tokens[i], "else")) {
            size_t end = i + 1;
            while (end < to && !cm_token_is(&tokens[end], "when") &&
                   !cm_token_is(&tokens[end], "else") && !cm_token_is(&tokens[end], "end")) {
                end = skip(tokens, end);
            }
            if (!cm_token_is(&tokens[i + 1], "null")) {
                return cm_rw_infer(tokens, i + 1, end);
            }
        }
    }
    return CM_OID_TEXT;
}

/* The name before an argument list that ends at `to`, or NULL. */
static const char *called(const cm_sql_token *tokens, size_t from, size_t to, size_t *ret_open)
{
    size_t i = from;
    while (i + 1 < to && tokens[i].kind != CM_TOKEN_PUNCT && cm_token_is(&tokens[i + 1], ".")) {
        i += 2;
    }
    if (i + 1 < to && cm_token_is(&tokens[i + 1], "(")) {
        *ret_open = i + 1;
        return tokens[i].text;
    }
    return NULL;
}

/* The AS of CAST(x AS type); `to` when there is none. */
static size_t find_as(const cm_sql_token *tokens, size_t open, size_t to)
{
    size_t i = open + 1;
    while (i < to && !cm_token_is(&tokens[i], "as")) {
        i = skip(tokens, i);
    }
    return i;
}

static uint32_t infer_call(const cm_sql_token *tokens, const char *name, size_t open, size_t to)
{
    static const char *const of_argument[] = {"coalesce", "nullif",   "min",
                                              "max",      "greatest", "least"};
    if (strcmp(name, "cast") == 0) {
        size_t end;
        return cm_rw_type_oid(cm_rw_type_at(tokens, find_as(tokens, open, to) + 1, &end));
    }
    for (size_t i = 0; i < CM_COUNT(of_argument); i++) {
        if (strcmp(of_argument[i], name) == 0) {
            return cm_rw_infer(tokens, open + 1, cm_rw_target_end(tokens, open + 1));
        }
    }
    return cm_system_function_type(name);
}

static uint32_t infer_single(const cm_sql_token *t)
{
    if (t->kind == CM_TOKEN_NUMBER) {
        return strpbrk(t->text, ".eE") != NULL ? CM_OID_NUMERIC
               : strlen(t->text) <= 9          ? CM_OID_INT4
                                               : CM_OID_INT8;
    }
    if (t->kind == CM_TOKEN_STRING || t->kind == CM_TOKEN_PARAM || cm_token_is(t, "null")) {
        return CM_OID_TEXT;
    }
    if (cm_token_is(t, "true") || cm_token_is(t, "false")) {
        return CM_OID_BOOL;
    }
    return t->kind == CM_TOKEN_NAME ? cm_system_function_type(t->text) : 0;
}

uint32_t cm_rw_infer(const cm_sql_token *tokens, size_t from, size_t to)
{
    size_t open, end;
    while (from < to && cm_token_is(&tokens[from], "(") && cm_rw_match(tokens, from) == to - 1) {
        from++;
        to--;
    }
    if (from >= to) {
        return 0;
    }
    if (cm_token_is(&tokens[from], "select")) {
        end = cm_rw_target_end(tokens, from + 1);
        (void)cm_rw_alias(tokens, from + 1, end, &end);
        return cm_rw_infer(tokens, from + 1, end);
    }
    const form f = form_of(tokens, from, to);
    if (f.boolean) {
        return CM_OID_BOOL;
    }
    if (f.concat) {
        return CM_OID_TEXT;
    }
    if (f.arithmetic != 0) {
        uint32_t left = cm_rw_infer(tokens, from, f.arithmetic);
        uint32_t right = cm_rw_infer(tokens, f.arithmetic + 1, to);
        return left == CM_OID_NUMERIC || right == CM_OID_NUMERIC ? CM_OID_NUMERIC
               : left != 0                                       ? left
                                                                 : right;
    }
    if (f.cast != 0) {
        return cm_rw_type_oid(cm_rw_type_at(tokens, f.cast + 1, &end));
    }
    if (cm_token_is(&tokens[from], "-")) {
        return cm_rw_infer(tokens, from + 1, to);
    }
    if (cm_token_is(&tokens[from], "case")) {
        return infer_case(tokens, from, to);
    }
    if (cm_token_is(&tokens[from], "array")) {
        return CM_OID_TEXT;
    }
    const char *name = called(tokens, from, to, &open);
    if (name != NULL) {
        return infer_call(tokens, name, open, to);
    }
    return to - from == 1 ? infer_single(&tokens[from]) : 0;
}

/* ---- names -------------------------------------------------------------------------------- */

/* A cast is called as what it casts, or else as its type. */
static const char *cast_name(const cm_sql_token *tokens, size_t open, size_t to)
{
    size_t end, as = find_as(tokens, open, to);
    const char *inner = cm_rw_column_name(tokens, open + 1, as);
    return inner[0] != '?' ? inner : cm_rw_type_at(tokens, as + 1, &end).name;
}

const char *cm_rw_column_name(const cm_sql_token *tokens, size_t from, size_t to)
{
    static const char *const unnamed = "?column?";
    size_t open, end;
    while (from < to && cm_token_is(&tokens[from], "(") && cm_rw_match(tokens, from) == to - 1) {
        from++;
        to--;
    }
    if (from >= to) {
        return unnamed;
    }
    if (cm_token_is(&tokens[from], "select")) {
        end = cm_rw_target_end(tokens, from + 1);
        const char *alias = cm_rw_alias(tokens, from + 1, end, &end);
        return alias != NULL ? alias : cm_rw_column_name(tokens, from + 1, end);
    }
    const form f = form_of(tokens, from, to);
    bool exists = cm_token_is(&tokens[from], "exists");
    if ((f.boolean && !exists) || f.concat || f.arithmetic != 0) {
        return unnamed;
    }
    if (f.cast != 0) {
        size_t first = form_of(tokens, from, f.cast).cast;
        const char *inner = cm_rw_column_name(tokens, from, first != 0 ? first : f.cast);
        return strcmp(inner, unnamed) != 0 ? inner : cm_rw_type_at(tokens, f.cast + 1, &end).name;
    }
    const char *name = called(tokens, from, to, &open);
    if (name != NULL && strcmp(name, "cast") == 0) {
        return cast_name(tokens, open, to);
    }
    if (name != NULL) {
        return name;
    }
    if (cm_token_is(&tokens[from], "true") || cm_token_is(&tokens[from], "false")) {
        return "bool";
    }
    if (exists || cm_token_is(&tokens[from], "case") || cm_token_is(&tokens[from], "array")) {
        return tokens[from].text;
    }
    return cm_token_is_name(&tokens[to - 1]) ? tokens[to - 1].text : unnamed;
}
