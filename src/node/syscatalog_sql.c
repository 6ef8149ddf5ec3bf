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

const cm_sql_token *cm_rw_peek(const cm_rewriter *r, size_t ahead)
{
    const cm_sql_token *t = &r->token[r->at];
    while (ahead-- > 0 && t->kind != CM_TOKEN_END) {
        t++;
    }
    return t;
}

bool cm_rw_next_is(const cm_rewriter *r, size_t ahead, const char *text)
{
    return cm_token_is(cm_rw_peek(r, ahead), text);
}

bool cm_rw_previous_is(const cm_rewriter *r, const char *text)
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

void cm_rw_emit_quoted(cm_rewriter *r, const char *text, char quote)
{
    cm_buf_put_u8(&r->out, ' ');
    cm_buf_put_quoted(&r->out, text, quote);
}

void cm_rw_emit_name(cm_rewriter *r, const char *name)
{
    cm_rw_emit_quoted(r, name, '"');
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

/* AS alias; WITH t AS ( passes. */
static void as_alias(cm_rewriter *r, cm_level *level)
{
    cm_rw_emit(r, "AS");
    r->at++;
    if (cm_rw_next_is(r, 0, "materialized")) {
        r->at++;
    }
    const cm_sql_token *t = cm_rw_peek(r, 0);
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
    const cm_sql_token *last = &r->token[to > from ? to - 1 : from];
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
    if (cm_rw_next_is(r, 0, "distinct") || cm_rw_next_is(r, 0, "all")) {
        cm_rw_emit(r, cm_rw_peek(r, 0)->text);
        r->at++;
        if (cm_rw_next_is(r, 0, "on")) {
            cm_rw_fail(r, "DISTINCT ON");
        }
    }
    if (!level->outermost || r->targets_done) {
        return;
    }
    r->targets_done = true;
    target(r, &inner);
    while (r->status == CM_OK && cm_rw_next_is(r, 0, ",")) {
        cm_rw_emit(r, ",");
        r->at++;
        target(r, &inner);
    }
}

/* ORDER BY inside of an aggregate's arguments: SQLite has none; the order of a group is its rows'.
 */
static void skip_aggregate_order(cm_rewriter *r)
{
    while (cm_rw_peek(r, 0)->kind != CM_TOKEN_END && !cm_rw_next_is(r, 0, ")")) {
        r->at = cm_rw_next_is(r, 0, "(") ? cm_rw_match(r->token, r->at) + 1 : r->at + 1;
    }
}

/* LIMIT ALL, and OFFSET without LIMIT, which SQLite does not have. */
static void limit(cm_rewriter *r, cm_level *level)
{
    bool offset_alone = cm_rw_next_is(r, 0, "offset") && !level->limited;
    level->in_from = false;
    if (cm_rw_next_is(r, 0, "limit") && cm_rw_next_is(r, 1, "all")) {
        cm_rw_emit(r, "LIMIT -1");
        r->at += 2;
    } else {
        cm_rw_emit(r, offset_alone ? "LIMIT -1 OFFSET" : cm_rw_peek(r, 0)->text);
        r->at++;
    }
    level->limited = true;
    if (cm_rw_next_is(r, 1, "rows") || cm_rw_next_is(r, 1, "row")) {
        cm_rw_fail(r, "this form of OFFSET");
    }
}

/* Words that end a FROM, or begin it. */
static void clause(cm_rewriter *r, cm_level *level, const char *word)
{
    static const char *const ends[] = {"where", "group",  "having",    "order", "window",
                                       "union", "except", "intersect", "set"};
    bool distinct_from = strcmp(word, "from") == 0 && cm_rw_previous_is(r, "distinct");
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
        if (strcmp(places[i].word, word) == 0 && cm_rw_previous_is(r, places[i].before)) {
            return true;
        }
    }
    return (strcmp(word, "nulls") == 0 &&
            (cm_rw_next_is(r, 1, "first") || cm_rw_next_is(r, 1, "last"))) ||
           (strcmp(word, "values") == 0 && cm_rw_next_is(r, 1, "(")) ||
           (strcmp(word, "escape") == 0 && cm_rw_peek(r, 1)->kind == CM_TOKEN_STRING);
}

/* In the arguments of substring(x FROM a FOR b). */
static bool separates_arguments(const cm_rewriter *r, const cm_level *level)
{
    return level->call != NULL && strcmp(level->call, "substring") == 0 &&
           (cm_rw_next_is(r, 0, "from") || cm_rw_next_is(r, 0, "for"));
}

/* A word that is no name: true when it was consumed. */
static bool word(cm_rewriter *r, cm_level *level)
{
    const char *text = cm_rw_peek(r, 0)->text;
    bool like_a_call =
        (strcmp(text, "left") == 0 || strcmp(text, "right") == 0) && cm_rw_next_is(r, 1, "(");
    if ((cm_token_is_name(cm_rw_peek(r, 0)) && !is_keyword_here(r)) || like_a_call) {
        return false;
    }
    if (strcmp(text, "case") == 0) {
        cm_rw_case(r, level);
    } else if (strcmp(text, "cast") == 0 && cm_rw_next_is(r, 1, "(")) {
        cm_rw_cast_expression(r, level);
    } else if (strcmp(text, "array") == 0) {
        cm_rw_array(r, level);
    } else if (strcmp(text, "select") == 0) {
        select_list(r, level);
    } else if (strcmp(text, "as") == 0) {
        as_alias(r, level);
    } else if (strcmp(text, "collate") == 0) {
        r->at += cm_rw_next_is(r, 2, ".") ? 4 : 2;
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
        cm_rw_group(r, level);
    } else if (text[0] == '[') {
        cm_rw_subscript(r, level);
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
    const cm_sql_token *t = cm_rw_peek(r, 0);
    if (level->expect_item) {
        cm_rw_from_item(r, level);
        return;
    }
    switch (t->kind) {
    case CM_TOKEN_NAME:
        if (strcmp(t->text, "operator") == 0 && cm_rw_next_is(r, 1, "(")) {
            cm_rw_named_operator(r, level);
        } else if (!word(r, level)) {
            cm_rw_name(r, level);
        }
        return;
    case CM_TOKEN_QUOTED:
        cm_rw_name(r, level);
        return;
    case CM_TOKEN_STRING:
        level->operand = (long)r->out.bytes;
        cm_rw_emit_quoted(r, t->text, '\'');
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
            cm_rw_cast(r, level, cm_rw_type_at(r->token, r->at, &r->at));
        } else {
            cm_rw_operate(r, level, t->text);
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
    return stop != CM_STOP_END && cm_rw_next_is(r, 0, marks[stop]);
}

void cm_rw_run(cm_rewriter *r, cm_level *level, cm_stop stop)
{
    if (++r->depth > CM_REWRITE_DEPTH_MAX) {
        cm_rw_fail(r, "so deep a nesting");
    }
    while (r->status == CM_OK && !stops(r, stop)) {
        if (stop == CM_STOP_END &&
            (cm_rw_peek(r, 0)->kind == CM_TOKEN_END || cm_rw_next_is(r, 0, ";"))) {
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
