/*
 * One SELECT from PostgreSQL's dialect to SQLite's, token by token.  What is written alike passes;
 * what is not is translated as it goes by:
 *   pg_catalog.f(x)              f(x)              x::text            CAST(x AS TEXT)
 *   a OPERATOR(pg_catalog.~) b   a REGEXP b        x::regclass        cm_regclass(x)
 *   ARRAY(SELECT ...)            cm_array_agg      x = ANY (array)    x IN (elements)
 *   a[i]                         cm_element(a, i)  x ILIKE y          x MATCH y
 *   current_user                 "current_user"()  name               "name", folded
 * A cast or subscript comes behind its operand, so the place where the last operand began in the
 * output is kept, for each nesting.
 */
#include "node/syscatalog_sql_int.h"

#include <stdlib.h>
#include <string.h>

const cm_token *cm_rw_peek(const cm_rewriter *r, size_t ahead)
{
    const cm_token *t = &r->token[r->at];
    while (ahead-- > 0 && t->kind != CM_TOKEN_END) {
        t++;
    }
    return t;
}

static bool next_is(const cm_rewriter *r, size_t ahead, const char *text)
{
    return cm_token_is(cm_rw_peek(r, ahead), text);
}

static bool previous_is(const cm_rewriter *r, const char *text)
{
    return r->at > 0 && cm_token_is(&r->token[r->at - 1], text);
}

void cm_rw_fail(cm_rewriter *r, const char *what)
{
    if (r->status == CM_OK) {
        r->status = cm_fail(r->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                            "%.100s is not supported in a query of the node's catalog", what);
    }
}

void cm_rw_emit(cm_rewriter *r, const char *text)
{
    cm_buf_put_u8(&r->out, ' ');
    cm_buf_put(&r->out, text, strlen(text));
}

static void emit_quoted(cm_rewriter *r, const char *text, char quote)
{
    cm_buf_put_u8(&r->out, ' ');
    cm_buf_put_u8(&r->out, (uint8_t)quote);
    for (; *text != '\0'; text++) {
        if (*text == quote) {
            cm_buf_put_u8(&r->out, (uint8_t)quote);
        }
        cm_buf_put_u8(&r->out, (uint8_t)*text);
    }
    cm_buf_put_u8(&r->out, (uint8_t)quote);
}

void cm_rw_emit_name(cm_rewriter *r, const char *name)
{
    emit_quoted(r, name, '"');
}

void cm_rw_insert(cm_rewriter *r, long at, const char *text)
{
    size_t bytes = strlen(text), from = (size_t)at, tail = r->out.bytes - from;
    cm_buf_put(&r->out, text, bytes);
    if (!r->out.failed) {
        memmove(r->out.data + from + bytes, r->out.data + from, tail);
        memcpy(r->out.data + from, text, bytes);
    }
}

/* ---- operands ----------------------------------------------------------------------------- */

static void cast(cm_rewriter *r, cm_level *level, cm_rw_type type)
{
    static const struct {
        const char *name, *before, *behind;
    } casts[] = {
        {"text", " CAST(", "AS TEXT)"},
        {"varchar", " CAST(", "AS TEXT)"},
        {"name", " CAST(", "AS TEXT)"},
        {"bpchar", " CAST(", "AS TEXT)"},
        {"char", " CAST(", "AS TEXT)"},
        {"character", " CAST(", "AS TEXT)"},
        {"int2", " CAST(", "AS INTEGER)"},
        {"smallint", " CAST(", "AS INTEGER)"},
        {"int4", " CAST(", "AS INTEGER)"},
        {"int", " CAST(", "AS INTEGER)"},
        {"integer", " CAST(", "AS INTEGER)"},
        {"int8", " CAST(", "AS INTEGER)"},
        {"bigint", " CAST(", "AS INTEGER)"},
        {"oid", " CAST(", "AS INTEGER)"},
        {"numeric", " CAST(", "AS NUMERIC)"},
        {"decimal", " CAST(", "AS NUMERIC)"},
        {"float4", " CAST(", "AS NUMERIC)"},
        {"float8", " CAST(", "AS NUMERIC)"},
        {"real", " CAST(", "AS NUMERIC)"},
        {"double", " CAST(", "AS NUMERIC)"},
        {"bool", " cm_bool(", ")"},
        {"boolean", " cm_bool(", ")"},
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
static void group(cm_rewriter *r, cm_level *level)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    level->operand = (long)r->out.bytes;
    r->expanded = false;
    cm_rw_emit(r, "(");
    r->at++;
    cm_rw_run(r, &inner, CM_STOP_PAREN);
    cm_rw_emit(r, ")");
    if (next_is(r, 0, ".") && cm_rw_peek(r, 1)->kind == CM_TOKEN_NAME) {
        /* A field of a row.  Keys have one column here: it is the first. */
        if (r->expanded && next_is(r, 1, "n")) {
            r->out.bytes = (size_t)level->operand;
            cm_rw_emit(r, "1");
        }
        r->at += 2;
    }
}

static void subscript(cm_rewriter *r, cm_level *level)
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

static void case_expression(cm_rewriter *r, cm_level *level)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    level->operand = (long)r->out.bytes;
    cm_rw_emit(r, "CASE");
    r->at++;
    cm_rw_run(r, &inner, CM_STOP_CASE);
    cm_rw_emit(r, "END");
}

static void cast_expression(cm_rewriter *r, cm_level *level)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    level->operand = (long)r->out.bytes;
    cm_rw_emit(r, "(");
    r->at += 2;
    cm_rw_run(r, &inner, CM_STOP_AS);
    cm_rw_emit(r, ")");
    cm_rw_type type = cm_rw_type_at(r->token, r->at, &r->at);
    cast(r, level, type);
    if (!next_is(r, 0, ")")) {
        cm_rw_fail(r, "this cast");
        return;
    }
    r->at++;
}

static void array(cm_rewriter *r, cm_level *level)
{
    cm_level inner = {.operand = CM_NO_OPERAND};
    bool query = next_is(r, 1, "(");
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
    const cm_token *t = &r->token[begin];
    if (middle - begin != 1 || t->kind != CM_TOKEN_STRING) {
        cm_rw_fail(r, "this argument");
    }
    emit_quoted(r, t->text, '\'');
}

static void call(cm_rewriter *r, cm_level *level, const char *name, long start)
{
    cm_level args = {.operand = CM_NO_OPERAND, .call = name};
    size_t close = cm_rw_match(r->token, r->at);
    bool expand = strcmp(name, "_pg_expandarray") == 0;
    bool turned = strcmp(name, "position") == 0;
    r->at++;
    if (strcmp(name, "trim") == 0 &&
        (next_is(r, 0, "both") || next_is(r, 0, "leading") || next_is(r, 0, "trailing"))) {
        name = next_is(r, 0, "both") ? "trim" : next_is(r, 0, "leading") ? "ltrim" : "rtrim";
        r->at++;
        turned = true;
    }
    cm_rw_emit_name(r, turned && strcmp(name, "position") == 0 ? "instr" : renamed(name));
    cm_rw_emit(r, "(");
    if (turned) {
        turned_arguments(r, close, strcmp(name, "position") == 0 ? "in" : "from");
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
    bool all = next_is(r, 0, "all");
    bool not_in = all && (strcmp(operator, "<>") == 0 || strcmp(operator, "!=") == 0);
    if (!not_in && (all || strcmp(operator, "=") != 0)) {
        cm_rw_fail(r, "this comparison with ANY or ALL");
        return;
    }
    bool query = next_is(r, 2, "select") || next_is(r, 2, "with");
    cm_rw_emit(r, not_in ? "NOT IN (" : "IN (");
    cm_rw_emit(r, query ? "" : "SELECT value FROM json_each(cm_array_json(");
    r->at += 2;
    cm_rw_run(r, &inner, CM_STOP_PAREN);
    cm_rw_emit(r, query ? ")" : ")))");
    level->operand = CM_NO_OPERAND;
}

static void operate(cm_rewriter *r, cm_level *level, const char *operator)
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
    if ((next_is(r, 0, "any") || next_is(r, 0, "some") || next_is(r, 0, "all")) &&
        next_is(r, 1, "(")) {
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
static void named_operator(cm_rewriter *r, cm_level *level)
{
    size_t close = cm_rw_match(r->token, r->at + 1);
    const char *operator= r->token[close - 1].text;
    r->at = close + 1;
    operate(r, level, operator);
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

static bool is_system_schema(const cm_token *t)
{
    return cm_token_is(t, "pg_catalog") || cm_token_is(t, "information_schema");
}

/* a, t.a, t.*, f(...), schema.f(...) */
static void name(cm_rewriter *r, cm_level *level)
{
    long start = (long)r->out.bytes;
    level->operand = start;
    if (is_system_schema(cm_rw_peek(r, 0)) && next_is(r, 1, ".")) {
        r->at += 2;
    }
    const cm_token *first = cm_rw_peek(r, 0);
    if (next_is(r, 1, "(")) {
        r->at++;
        call(r, level, first->text, start);
        return;
    }
    if (cm_rw_peek(r, 1)->kind == CM_TOKEN_STRING) {
        r->at++; /* a type before its literal */
        return;
    }
    if (first->kind == CM_TOKEN_NAME && is_bare_function(first->text) && !previous_is(r, ".") &&
        !next_is(r, 1, ".")) {
        r->at++;
        cm_rw_emit_name(r, first->text);
        cm_rw_emit(r, "()");
        return;
    }
    cm_rw_emit_name(r, first->text);
    r->at++;
    while (next_is(r, 0, ".")) {
        cm_buf_put_u8(&r->out, '.');
        r->at++;
        if (next_is(r, 0, "*")) {
            cm_rw_emit(r, "*");
        } else {
            cm_rw_emit_name(r, cm_rw_peek(r, 0)->text);
        }
        r->at++;
    }
}

/* AS alias; WITH t AS ( passes. */
static void as_alias(cm_rewriter *r, cm_level *level)
{
    cm_rw_emit(r, "AS");
    r->at++;
    if (next_is(r, 0, "materialized")) {
        r->at++;
    }
    const cm_token *t = cm_rw_peek(r, 0);
    if (t->kind == CM_TOKEN_NAME || t->kind == CM_TOKEN_QUOTED) {
        cm_rw_emit_name(r, t->text);
        r->at++;
    }
    level->operand = CM_NO_OPERAND;
}

static void step(cm_rewriter *r, cm_level *level);

/* An element of the outermost select list, with the name that PostgreSQL would give it. */
static void target(cm_rewriter *r, cm_level *level)
{
    size_t from = r->at, to;
    size_t end = cm_rw_target_end(r->token, from);
    const char *alias = cm_rw_alias(r->token, from, end, &to);
    const cm_token *last = &r->token[to > from ? to - 1 : from];
    bool star = to > from && cm_token_is(last, "*") &&
                (to - from == 1 || cm_token_is(&r->token[to - 2], "."));
    if (star) {
        r->starred = true;
    } else if (!r->starred) {
        r->oid[r->known++] = cm_rw_infer(r->token, from, to);
    }
    while (r->status == CM_OK && r->at < to) {
        step(r, level);
    }
    if (!star && to > from) {
        cm_rw_emit(r, "AS");
        cm_rw_emit_name(r, alias != NULL ? alias : cm_rw_column_name(r->token, from, to));
    }
    r->at = end;
}

static void select_list(cm_rewriter *r, cm_level *level)
{
    cm_level inner = *level;
    inner.outermost = false;
    cm_rw_emit(r, "SELECT");
    r->at++;
    if (next_is(r, 0, "distinct") || next_is(r, 0, "all")) {
        cm_rw_emit(r, cm_rw_peek(r, 0)->text);
        r->at++;
        if (next_is(r, 0, "on")) {
            cm_rw_fail(r, "DISTINCT ON");
        }
    }
    if (!level->outermost || r->targets_done) {
        return;
    }
    r->targets_done = true;
    target(r, &inner);
    while (r->status == CM_OK && next_is(r, 0, ",")) {
        cm_rw_emit(r, ",");
        r->at++;
        target(r, &inner);
    }
}

/* ORDER BY inside of an aggregate's arguments: SQLite has none; the order of a group is its rows'.
 */
static void skip_aggregate_order(cm_rewriter *r)
{
    while (cm_rw_peek(r, 0)->kind != CM_TOKEN_END && !next_is(r, 0, ")")) {
        r->at = next_is(r, 0, "(") ? cm_rw_match(r->token, r->at) + 1 : r->at + 1;
    }
}

/* LIMIT ALL, and OFFSET without LIMIT, which SQLite does not have. */
static void limit(cm_rewriter *r, cm_level *level)
{
    bool offset_alone = next_is(r, 0, "offset") && !level->limited;
    level->in_from = false;
    if (next_is(r, 0, "limit") && next_is(r, 1, "all")) {
        cm_rw_emit(r, "LIMIT -1");
        r->at += 2;
    } else {
        cm_rw_emit(r, offset_alone ? "LIMIT -1 OFFSET" : cm_rw_peek(r, 0)->text);
        r->at++;
    }
    level->limited = true;
    if (next_is(r, 1, "rows") || next_is(r, 1, "row")) {
        cm_rw_fail(r, "this form of OFFSET");
    }
}

/* Words that end a FROM, or begin it. */
static void clause(cm_rewriter *r, cm_level *level, const char *word)
{
    static const char *const ends[] = {"where", "group",  "having",    "order", "window",
                                       "union", "except", "intersect", "set"};
    bool distinct_from = strcmp(word, "from") == 0 && previous_is(r, "distinct");
    for (size_t i = 0; i < CM_COUNT(ends); i++) {
        level->in_from = level->in_from && strcmp(ends[i], word) != 0;
    }
    if (strcmp(word, "from") == 0 && !distinct_from) {
        level->in_from = true;
        level->expect_item = true;
    }
    level->expect_item = level->expect_item || (level->in_from && strcmp(word, "join") == 0);
    level->limited = level->limited && strcmp(word, "union") != 0;
    cm_rw_emit(r, strcmp(word, "ilike") == 0 ? "MATCH" : word);
    r->at++;
    level->operand = CM_NO_OPERAND;
}

/* Words that are keywords in some places only. */
static bool is_keyword_here(const cm_rewriter *r)
{
    const char *word = cm_rw_peek(r, 0)->text;
    static const struct {
        const char *word, *before;
    } places[] = {
        {"by", "order"},    {"by", "group"},       {"by", "partition"},
        {"first", "nulls"}, {"last", "nulls"},     {"filter", ")"},
        {"over", ")"},      {"recursive", "with"}, {"partition", "("},
    };
    for (size_t i = 0; i < CM_COUNT(places); i++) {
        if (strcmp(places[i].word, word) == 0 && previous_is(r, places[i].before)) {
            return true;
        }
    }
    return (strcmp(word, "nulls") == 0 && (next_is(r, 1, "first") || next_is(r, 1, "last"))) ||
           (strcmp(word, "values") == 0 && next_is(r, 1, "(")) ||
           (strcmp(word, "escape") == 0 && cm_rw_peek(r, 1)->kind == CM_TOKEN_STRING);
}

/* In the arguments of substring(x FROM a FOR b). */
static bool separates_arguments(const cm_rewriter *r, const cm_level *level)
{
    return level->call != NULL && strcmp(level->call, "substring") == 0 &&
           (next_is(r, 0, "from") || next_is(r, 0, "for"));
}

/* A word that is no name: true when it was consumed. */
static bool word(cm_rewriter *r, cm_level *level)
{
    const char *text = cm_rw_peek(r, 0)->text;
    bool like_a_call =
        (strcmp(text, "left") == 0 || strcmp(text, "right") == 0) && next_is(r, 1, "(");
    if ((cm_token_is_name(cm_rw_peek(r, 0)) && !is_keyword_here(r)) || like_a_call) {
        return false;
    }
    if (strcmp(text, "case") == 0) {
        case_expression(r, level);
    } else if (strcmp(text, "cast") == 0 && next_is(r, 1, "(")) {
        cast_expression(r, level);
    } else if (strcmp(text, "array") == 0) {
        array(r, level);
    } else if (strcmp(text, "select") == 0) {
        select_list(r, level);
    } else if (strcmp(text, "as") == 0) {
        as_alias(r, level);
    } else if (strcmp(text, "collate") == 0) {
        r->at += next_is(r, 2, ".") ? 4 : 2;
    } else if (strcmp(text, "limit") == 0 || strcmp(text, "offset") == 0) {
        limit(r, level);
    } else if (separates_arguments(r, level)) {
        cm_rw_emit(r, ",");
        r->at++;
    } else if (strcmp(text, "order") == 0 && level->call != NULL) {
        skip_aggregate_order(r);
    } else if (strcmp(text, "similar") == 0 || strcmp(text, "for") == 0 ||
               strcmp(text, "fetch") == 0) {
        cm_rw_fail(r, text);
    } else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ||
               strcmp(text, "null") == 0) {
        level->operand = (long)r->out.bytes;
        cm_rw_emit(r, text);
        r->at++;
    } else {
        clause(r, level, text);
    }
    return true;
}

/* ---- the walk ----------------------------------------------------------------------------- */

static void mark(cm_rewriter *r, cm_level *level)
{
    const char *text = cm_rw_peek(r, 0)->text;
    if (text[0] == '(') {
        group(r, level);
    } else if (text[0] == '[') {
        subscript(r, level);
    } else if (text[0] == ',') {
        cm_rw_emit(r, ",");
        r->at++;
        level->operand = CM_NO_OPERAND;
        level->expect_item = level->in_from;
    } else {
        cm_rw_fail(r, cm_arena_printf(r->arena, "\"%s\" here", text));
    }
}

static void step(cm_rewriter *r, cm_level *level)
{
    const cm_token *t = cm_rw_peek(r, 0);
    if (level->expect_item) {
        cm_rw_from_item(r, level);
        return;
    }
    switch (t->kind) {
    case CM_TOKEN_NAME:
        if (strcmp(t->text, "operator") == 0 && next_is(r, 1, "(")) {
            named_operator(r, level);
        } else if (!word(r, level)) {
            name(r, level);
        }
        return;
    case CM_TOKEN_QUOTED:
        name(r, level);
        return;
    case CM_TOKEN_STRING:
        level->operand = (long)r->out.bytes;
        emit_quoted(r, t->text, '\'');
        r->at++;
        return;
    case CM_TOKEN_NUMBER:
        level->operand = (long)r->out.bytes;
        cm_rw_emit(r, t->text);
        r->at++;
        return;
    case CM_TOKEN_PARAM:
        level->operand = (long)r->out.bytes;
        cm_rw_emit(r, cm_arena_printf(r->arena, "?%s", t->text));
        r->at++;
        return;
    case CM_TOKEN_OPERATOR:
        r->at++;
        if (strcmp(t->text, "::") == 0) {
            cast(r, level, cm_rw_type_at(r->token, r->at, &r->at));
        } else {
            operate(r, level, t->text);
        }
        return;
    case CM_TOKEN_PUNCT:
        mark(r, level);
        return;
    case CM_TOKEN_END:
        break;
    }
    cm_rw_fail(r, "this text");
}

static bool stops(const cm_rewriter *r, cm_stop stop)
{
    static const char *const marks[] = {[CM_STOP_PAREN] = ")",
                                        [CM_STOP_BRACKET] = "]",
                                        [CM_STOP_CASE] = "end",
                                        [CM_STOP_AS] = "as"};
    return stop != CM_STOP_END && next_is(r, 0, marks[stop]);
}

void cm_rw_run(cm_rewriter *r, cm_level *level, cm_stop stop)
{
    if (++r->depth > CM_REWRITE_DEPTH_MAX) {
        cm_rw_fail(r, "so deep a nesting");
    }
    while (r->status == CM_OK && !stops(r, stop)) {
        if (stop == CM_STOP_END && (cm_rw_peek(r, 0)->kind == CM_TOKEN_END || next_is(r, 0, ";"))) {
            break;
        }
        step(r, level);
    }
    r->at += r->status == CM_OK && stop != CM_STOP_END;
    r->depth--;
}

cm_status cm_system_rewrite(const char *sql, cm_arena *arena, cm_system_sql *ret, cm_diag *diag)
{
    cm_rewriter r = {.arena = arena, .diag = diag};
    cm_level level = {.operand = CM_NO_OPERAND, .outermost = true};
    size_t count = 0;
    cm_status st = cm_system_lex(sql, arena, &r.token, &count, diag);
    if (st != CM_OK) {
        return st;
    }
    r.oid = CM_NEW_SMALL(arena, uint32_t, count + 1);
    cm_rw_run(&r, &level, CM_STOP_END);
    if (r.status == CM_OK && r.out.failed) {
        r.status = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    if (r.status == CM_OK) {
        *ret = (cm_system_sql){.sql = cm_arena_strdup(arena, cm_buf_text(&r.out)),
                               .reads_tables = r.reads_tables,
                               .known = r.known,
                               .oid = r.oid};
    }
    cm_buf_free(&r.out);
    return r.status;
}
