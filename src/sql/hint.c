/*
 * Hints: comments that begin with a plus sign, as PostgreSQL's users know them from pg_hint_plan.
 * rows(alias number) is the one that means something here; others are passed over like any comment.
 */
#include "sql/plan.h"

#include "sql/sql_int.h"

#include <ctype.h>
#include <string.h>

enum { HINTS_MAX = 64, ROWS_MAX = 1 << 30 };

typedef struct scan {
    const char *at;
    cm_arena *arena;
    cm_hint *hint;
    size_t hints;
    cm_diag *diag;
} scan;

/* Behind a quoted text or name; a doubled quote goes on. */
static const char *skip_quoted(const char *at, bool backslashes)
{
    const char quote = *at++;

    for (; *at != 0; at++) {
        if (backslashes && *at == '\\' && at[1] != 0) {
            at++;
        } else if (*at == quote && at[1] == quote) {
            at++;
        } else if (*at == quote) {
            return at + 1;
        }
    }
    return at;
}

/* Behind $tag$ ... $tag$, or behind the dollar sign of a parameter. */
static const char *skip_dollars(const char *at)
{
    size_t bytes = 1;

    while (isalnum((unsigned char)at[bytes]) || at[bytes] == '_') {
        bytes++;
    }
    if (at[bytes] != '$' || isdigit((unsigned char)at[1])) {
        return at + 1;
    }
    bytes++;
    for (const char *end = at + bytes; *end != 0; end++) {
        if (strncmp(end, at, bytes) == 0) {
            return end + bytes;
        }
    }
    return at + strlen(at);
}

/* Behind a comment, which may hold others. */
static const char *skip_comment(const char *at)
{
    size_t depth = 0;

    for (; *at != 0; at++) {
        if (at[0] == '/' && at[1] == '*') {
            depth++;
            at++;
        } else if (at[0] == '*' && at[1] == '/') {
            at++;
            if (--depth == 0) {
                return at + 1;
            }
        }
    }
    return at;
}

static void skip_space(scan *s, const char *end)
{
    while (s->at < end && isspace((unsigned char)*s->at)) {
        s->at++;
    }
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool take_char(scan *s, const char *end, char c)
{
    skip_space(s, end);
    if (s->at < end && *s->at == c) {
        s->at++;
        return true;
    }
    return false;
}

/* A name as SQL has it: in lower case, or quoted. NULL: there is none. */
static const char *take_name(scan *s, const char *end)
{
    cm_buf name = {0};
    bool quoted = take_char(s, end, '"');

    while (s->at < end && (quoted ? *s->at != '"' : is_word(*s->at))) {
        cm_buf_put_u8(&name, (uint8_t)(quoted ? *s->at : tolower((unsigned char)*s->at)));
        s->at++;
    }
    bool closed = !quoted || take_char(s, end, '"');
    const char *ret = name.bytes > 0 && closed && !name.failed
                          ? cm_arena_strdup(s->arena, cm_buf_text(&name))
                          : NULL;
    cm_buf_free(&name);
    return ret;
}

static cm_status bad_hint(scan *s)
{
    cm_status st = cm_fail(s->diag, CM_EINVAL, CM_SQL_SYNTAX, "hint rows() is not well-formed");
    cm_diag_hint(s->diag, "/*+ rows(alias number) */, with a number from 1 to %d.", ROWS_MAX);
    return st;
}

/* (alias number) */
static cm_status take_rows(scan *s, const char *end)
{
    uint64_t rows = 0;
    const char *alias = take_char(s, end, '(') ? take_name(s, end) : NULL;

    if (alias == NULL) {
        return bad_hint(s);
    }
    skip_space(s, end);
    while (s->at < end && isdigit((unsigned char)*s->at) && rows <= ROWS_MAX) {
        rows = 10 * rows + (uint64_t)(*s->at++ - '0');
    }
    if (rows == 0 || rows > ROWS_MAX || !take_char(s, end, ')') || s->hints == HINTS_MAX) {
        return bad_hint(s);
    }
    s->hint[s->hints++] = (cm_hint){alias, rows};
    return CM_OK;
}

static cm_status read_comment(scan *s, const char *end)
{
    while (s->at < end) {
        skip_space(s, end);
        const char *word = s->at;
        while (s->at < end && is_word(*s->at)) {
            s->at++;
        }
        if (s->at - word == 4 && strncasecmp(word, "rows", 4) == 0) {
            cm_status st = take_rows(s, end);
            if (st != CM_OK) {
                return st;
            }
        } else if (s->at == word && s->at < end) {
            s->at++;
        }
    }
    return CM_OK;
}

cm_status cm_sql_hints(const char *sql, cm_arena *arena, const cm_hint **ret, size_t *ret_count,
                       cm_diag *diag)
{
    scan s = {.at = sql, .arena = arena, .diag = diag};

    s.hint = CM_NEW_SMALL(arena, cm_hint, HINTS_MAX);
    while (*s.at != 0) {
        if (*s.at == '\'') {
            s.at = skip_quoted(s.at, s.at > sql && tolower((unsigned char)s.at[-1]) == 'e');
        } else if (*s.at == '"') {
            s.at = skip_quoted(s.at, false);
        } else if (*s.at == '$') {
            s.at = skip_dollars(s.at);
        } else if (s.at[0] == '-' && s.at[1] == '-') {
            s.at += strcspn(s.at, "\n");
        } else if (s.at[0] == '/' && s.at[1] == '*') {
            const char *end = skip_comment(s.at);
            if (s.at[2] == '+') {
                s.at += 3;
                cm_status st = read_comment(&s, end);
                if (st != CM_OK) {
                    return st;
                }
            }
            s.at = end;
        } else {
            s.at++;
        }
    }
    *ret = s.hint;
    *ret_count = s.hints;
    return CM_OK;
}
