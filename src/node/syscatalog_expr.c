/* Operands, operators, casts and calls: what syscatalog_sql.c finds on its way. */
#include "node/syscatalog_sql_int.h"

#include <string.h>

/* ---- operands ----------------------------------------------------------------------------- */

void cm_rw_cast(cm_rewriter *r, cm_level *level, cm_rw_type type)
{
    static const struct {
        const char *name, *before, *behind;
    } casts[] = {
        {"text", " CAST(", "AS TEXT)"},
        {"varchar", " CAST(", "AS TEXT)"},
        {"name", " CAST(", "AS TEXT)"},
        {"bpchar", " CAST(", "AS TEXT)"},
        {"char", " CAST(", "AS TEXT)"},
        {"int2", " CAST(", "AS INTEGER)"},
        {"int4", " CAST(", "AS INTEGER)"},
        {"int8", " CAST(", "AS INTEGER)"},
        {"oid", " CAST(", "AS INTEGER)"},
        {"numeric", " CAST(", "AS NUMERIC)"},
        {"float4", " CAST(", "AS NUMERIC)"},
        {"float8", " CAST(", "AS NUMERIC)"},
        {"bool", " cm_bool(", ")"},
        {"regclass", " cm_regclass(", ")"},
        {"regtype", " cm_regtype(", ")"},
        {"regproc", " cm_regproc(", ")"},
        {"regprocedure", " cm_regproc(", ")"},
        {"regnamespace", " cm_regnamespace(", ")"},
        {"regrole", " cm_regrole(", ")"},
    };
    if (level->operand == CM_NO_OPERAND) {
        cm_rw_fail(r, "this cast");
        return;
    }
    for (size_t i = 0; !type.array && i < CM_COUNT(casts); i++) {
        if (strcmp(casts[i].name, type.name) == 0) {
            cm_rw_insert(r, level->operand, casts[i].before);
            cm_rw_emit(r, casts[i].behind);
            return;
        }
    }
    /* Any other type travels as the text that it is. */
}

/* ( ... ) with one more nesting; the mark at r->at is the opening one. */
void cm_rw_group(cm_rewriter *r, cm_level *level)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    level->operand = (long)r->out.bytes;
    r->expanded = false;
    cm_rw_emit(r, "(");
    r->at++;
    cm_rw_run(r, &inner, CM_STOP_PAREN);
    cm_rw_emit(r, ")");
    if (cm_rw_next_is(r, 0, ".") && cm_rw_peek(r, 1)->kind == CM_TOKEN_NAME) {
        /* A field of a row.  Keys have one column here: it is the first. */
        if (r->expanded && cm_rw_next_is(r, 1, "n")) {
            r->out.bytes = (size_t)level->operand;
            cm_rw_emit(r, "1");
        }
        r->at += 2;
    }
}

void cm_rw_subscript(cm_rewriter *r, cm_level *level)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    if (level->operand == CM_NO_OPERAND) {
        cm_rw_fail(r, "this subscript");
        return;
    }
    cm_rw_insert(r, level->operand, " cm_element(");
    cm_rw_emit(r, ",");
    r->at++;
    cm_rw_run(r, &inner, CM_STOP_BRACKET);
    cm_rw_emit(r, ")");
}

void cm_rw_case(cm_rewriter *r, cm_level *level)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    level->operand = (long)r->out.bytes;
    cm_rw_emit(r, "CASE");
    r->at++;
    cm_rw_run(r, &inner, CM_STOP_CASE);
    cm_rw_emit(r, "END");
}

void cm_rw_cast_expression(cm_rewriter *r, cm_level *level)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    level->operand = (long)r->out.bytes;
    cm_rw_emit(r, "(");
    r->at += 2;
    cm_rw_run(r, &inner, CM_STOP_AS);
    cm_rw_emit(r, ")");
    cm_rw_type type = cm_rw_type_at(r->token, r->at, &r->at);
    cm_rw_cast(r, level, type);
    if (!cm_rw_next_is(r, 0, ")")) {
        cm_rw_fail(r, "this cast");
        return;
    }
    r->at++;
}

void cm_rw_array(cm_rewriter *r, cm_level *level)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    bool query = cm_rw_next_is(r, 1, "(");
    level->operand = (long)r->out.bytes;
    cm_rw_emit(r, query ? "(WITH cm_items(x) AS (" : "cm_array(");
    r->at += 2;
    cm_rw_run(r, &inner, query ? CM_STOP_PAREN : CM_STOP_BRACKET);
    cm_rw_emit(r, query ? ") SELECT cm_array_agg(x) FROM cm_items)" : ")");
}

/* ---- functions ---------------------------------------------------------------------------- */

static const char *renamed(const char *name)
{
    static const struct {
        const char *from, *to;
    } names[] = {
        {"substring", "substr"},
        {"string_agg", "group_concat"},
        {"char_length", "length"},
        {"btrim", "trim"},
        {"character_length", "length"},
        {"strpos", "instr"},
        {"array_agg", "cm_array_agg"},
        {"greatest", "max"},
        {"least", "min"},
        {"ascii", "unicode"},
        {"_pg_expandarray", "cm_first"},
        {"chr", "char"},
        {"random", "cm_random"},
    };
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        if (strcmp(names[i].from, name) == 0) {
            return names[i].to;
        }
    }
    return name;
}

/* trim(both 'x' from y), position(x in y): the arguments change places. */
static void turned_arguments(cm_rewriter *r, size_t close, const char *between)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    size_t middle = r->at;
    while (middle < close && !cm_token_is(&r->token[middle], between)) {
        middle =
            cm_token_is(&r->token[middle], "(") ? cm_rw_match(r->token, middle) + 1 : middle + 1;
    }
    size_t begin = r->at;
    r->at = middle + 1;
    cm_rw_run(r, &inner, CM_STOP_PAREN);
    if (begin == middle) {
        return;
    }
    /* The other argument is one token in all queries that are known. */
    cm_rw_emit(r, ",");
    const cm_sql_token *t = &r->token[begin];
    if (middle - begin != 1 || t->kind != CM_TOKEN_STRING) {
        cm_rw_fail(r, "this argument");
    }
    cm_rw_emit_quoted(r, t->text, '\'');
}

static void call(cm_rewriter *r, cm_level *level, const char *name, long start)
{
    cm_level args = {.operand = CM_NO_OPERAND, .call = name};
    size_t close = cm_rw_match(r->token, r->at);
    bool expand = strcmp(name, "_pg_expandarray") == 0;
    bool position = strcmp(name, "position") == 0;
    bool turned = position;
    r->at++;
    if (strcmp(name, "trim") == 0 &&
        (cm_rw_next_is(r, 0, "both") || cm_rw_next_is(r, 0, "leading") ||
         cm_rw_next_is(r, 0, "trailing"))) {
        name = cm_rw_next_is(r, 0, "both")      ? "trim"
               : cm_rw_next_is(r, 0, "leading") ? "ltrim"
                                                : "rtrim";
        r->at++;
        turned = true;
    }
    cm_rw_emit_name(r, position ? "instr" : renamed(name));
    cm_rw_emit(r, "(");
    if (turned) {
        turned_arguments(r, close, position ? "in" : "from");
    } else {
        cm_rw_run(r, &args, CM_STOP_PAREN);
    }
    cm_rw_emit(r, ")");
    r->expanded = r->expanded || expand;
    level->operand = start;
}

/* ---- operators ---------------------------------------------------------------------------- */

/* x = ANY (...), x <> ALL (...) */
static void quantified(cm_rewriter *r, cm_level *level, const char *operator)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    bool all = cm_rw_next_is(r, 0, "all");
    bool not_in = all && (strcmp(operator, "<>") == 0 || strcmp(operator, "!=") == 0);
    if (!not_in && (all || strcmp(operator, "=") != 0)) {
        cm_rw_fail(r, "this comparison with ANY or ALL");
        return;
    }
    bool query = cm_rw_next_is(r, 2, "select") || cm_rw_next_is(r, 2, "with");
    cm_rw_emit(r, not_in ? "NOT IN (" : "IN (");
    cm_rw_emit(r, query ? "" : "SELECT value FROM json_each(cm_array_json(");
    r->at += 2;
    cm_rw_run(r, &inner, CM_STOP_PAREN);
    cm_rw_emit(r, query ? ")" : ")))");
    level->operand = CM_NO_OPERAND;
}

void cm_rw_operate(cm_rewriter *r, cm_level *level, const char *operator)
{
    static const struct {
        const char *from, *to;
    } operators[] = {
        {"~", "REGEXP"},
        {"!~", "NOT REGEXP"},
        {"~*", "REGEXP '(?i)' ||"},
        {"!~*", "NOT REGEXP '(?i)' ||"},
        {"~~", "LIKE"},
        {"!~~", "NOT LIKE"},
        {"~~*", "MATCH"},
        {"!~~*", "NOT MATCH"},
        {"=", "="},
        {"<>", "<>"},
        {"!=", "<>"},
        {"<", "<"},
        {">", ">"},
        {"<=", "<="},
        {">=", ">="},
        {"||", "||"},
        {"+", "+"},
        {"-", "-"},
        {"*", "*"},
        {"/", "/"},
        {"%", "%"},
        {"&", "&"},
        {"|", "|"},
        {"<<", "<<"},
        {">>", ">>"},
    };
    if ((cm_rw_next_is(r, 0, "any") || cm_rw_next_is(r, 0, "some") || cm_rw_next_is(r, 0, "all")) &&
        cm_rw_next_is(r, 1, "(")) {
        quantified(r, level, operator);
        return;
    }
    level->operand = CM_NO_OPERAND;
    for (size_t i = 0; i < CM_COUNT(operators); i++) {
        if (strcmp(operators[i].from, operator) == 0) {
            cm_rw_emit(r, operators[i].to);
            return;
        }
    }
    cm_rw_fail(r, cm_arena_printf(r->arena, "operator %.20s", operator));
}

/* OPERATOR(pg_catalog.~) */
void cm_rw_named_operator(cm_rewriter *r, cm_level *level)
{
    size_t close = cm_rw_match(r->token, r->at + 1);
    const char *operator= r->token[close - 1].text;
    r->at = close + 1;
    cm_rw_operate(r, level, operator);
}

/* ---- names and words ---------------------------------------------------------------------- */

/* Functions that are written without parentheses. */
static bool is_bare_function(const char *word)
{
    static const char *const words[] = {"current_user",  "session_user",    "user",
                                        "current_role",  "current_catalog", "current_schema",
                                        "localtimestamp"};
    for (size_t i = 0; i < CM_COUNT(words); i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_system_schema(const cm_sql_token *t)
{
    return cm_token_is(t, "pg_catalog") || cm_token_is(t, "information_schema");
}

/* a, t.a, t.*, f(...), schema.f(...) */
void cm_rw_name(cm_rewriter *r, cm_level *level)
{
    long start = (long)r->out.bytes;
    level->operand = start;
    if (is_system_schema(cm_rw_peek(r, 0)) && cm_rw_next_is(r, 1, ".")) {
        r->at += 2;
    }
    const cm_sql_token *first = cm_rw_peek(r, 0);
    if (cm_rw_next_is(r, 1, "(")) {
        r->at++;
        call(r, level, first->text, start);
        return;
    }
    if (cm_rw_peek(r, 1)->kind == CM_TOKEN_STRING) {
        r->at++; /* a type before its literal */
        return;
    }
    if (first->kind == CM_TOKEN_NAME && is_bare_function(first->text) &&
        !cm_rw_previous_is(r, ".") && !cm_rw_next_is(r, 1, ".")) {
        r->at++;
        cm_rw_emit_name(r, first->text);
        cm_rw_emit(r, "()");
        return;
    }
    cm_rw_emit_name(r, first->text);
    r->at++;
    while (cm_rw_next_is(r, 0, ".")) {
        cm_buf_put_u8(&r->out, '.');
        r->at++;
        if (cm_rw_next_is(r, 0, "*")) {
            cm_rw_emit(r, "*");
        } else {
            cm_rw_emit_name(r, cm_rw_peek(r, 0)->text);
        }
        r->at++;
    }
}
