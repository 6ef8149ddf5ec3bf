/* Tokens of a text that PostgreSQL's scanner has already accepted. */
#include "node/syscatalog_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct lexer {
    const char *at;
    cm_arena *arena;
    bool failed;
} lexer;

static bool is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || ((unsigned char)c & 0x80) != 0;
}

static bool is_name_part(char c)
{
    return is_name_start(c) || isdigit((unsigned char)c) || c == '$';
}

static void skip_comment(lexer *l)
{
    int depth = 0;
    do { /* they nest */
        if (strncmp(l->at, "/*", 2) == 0) {
            depth++;
            l->at += 2;
        } else if (strncmp(l->at, "*/", 2) == 0) {
            depth--;
            l->at += 2;
        } else {
            l->at++;
        }
    } while (depth > 0 && *l->at != '\0');
}

static void skip_blank(lexer *l)
{
    for (;;) {
        if (isspace((unsigned char)*l->at)) {
            l->at++;
        } else if (strncmp(l->at, "--", 2) == 0) {
            l->at += strcspn(l->at, "\n");
        } else if (strncmp(l->at, "/*", 2) == 0) {
            skip_comment(l);
        } else {
            return;
        }
    }
}

/* Text up to the closing quote, doubled quotes halved; l->at is behind it. */
static const char *quoted(lexer *l, char quote)
{
    char *out = cm_arena_small(l->arena, strlen(l->at) + 1, 1);
    size_t bytes = 0;
    for (l->at++; *l->at != '\0'; l->at++) {
        if (*l->at == quote) {
            if (l->at[1] != quote) {
                l->at++;
                break;
            }
            l->at++;
        }
        out[bytes++] = *l->at;
    }
    out[bytes] = '\0';
    return out;
}

static char unescape(char c)
{
    return c == 'n'   ? '\n'
           : c == 't' ? '\t'
           : c == 'r' ? '\r'
           : c == 'b' ? '\b'
           : c == 'f' ? '\f'
                      : c;
}

/* E'...': escapes of one letter; octal, hexadecimal and Unicode ones are not for catalog queries.
 */
static const char *escaped(lexer *l)
{
    char *out = cm_arena_small(l->arena, strlen(l->at) + 1, 1);
    size_t bytes = 0;
    for (l->at++; *l->at != '\0'; l->at++) {
        if (*l->at == '\'' && l->at[1] != '\'') {
            l->at++;
            break;
        }
        if (*l->at == '\\' && l->at[1] != '\0') {
            l->at++;
            l->failed =
                l->failed || isdigit((unsigned char)*l->at) || strchr("xuU", *l->at) != NULL;
            out[bytes++] = unescape(*l->at);
            continue;
        }
        if (*l->at == '\'') {
            l->at++;
        }
        out[bytes++] = *l->at;
    }
    out[bytes] = '\0';
    return out;
}

/* $tag$...$tag$ */
static const char *dollar_quoted(lexer *l)
{
    const char *tag_end = strchr(l->at + 1, '$');
    if (tag_end == NULL) {
        l->failed = true;
        l->at++;
        return "";
    }
    size_t tag_bytes = (size_t)(tag_end - l->at) + 1;
    const char *tag = cm_arena_strndup(l->arena, l->at, tag_bytes);
    const char *from = l->at + tag_bytes;
    const char *to = strstr(from, tag);
    if (to == NULL) {
        l->failed = true;
        l->at++;
        return "";
    }
    l->at = to + tag_bytes;
    return cm_arena_strndup(l->arena, from, (size_t)(to - from));
}

/* PostgreSQL's rule: an operator of several characters ends in + or - only when one of ~!@#%^&|`?
 * is in it. */
static const char *operator_text(lexer *l)
{
    size_t bytes = strspn(l->at, "+-*/<>=~!@#%^&|`?");
    for (size_t i = 1; i < bytes; i++) {
        if (strncmp(l->at + i, "--", 2) == 0 || strncmp(l->at + i, "/*", 2) == 0) {
            bytes = i;
        }
    }
    const char *text = cm_arena_strndup(l->arena, l->at, bytes);
    if (strpbrk(text, "~!@#%^&|`?") == NULL) {
        while (bytes > 1 && (text[bytes - 1] == '+' || text[bytes - 1] == '-')) {
            bytes--;
        }
        text = cm_arena_strndup(l->arena, l->at, bytes);
    }
    l->at += bytes;
    return text;
}

static const char *number_text(lexer *l)
{
    const char *from = l->at;
    while (isdigit((unsigned char)*l->at) || *l->at == '.') {
        l->at++;
    }
    if ((*l->at == 'e' || *l->at == 'E') &&
        (isdigit((unsigned char)l->at[1]) ||
         ((l->at[1] == '+' || l->at[1] == '-') && isdigit((unsigned char)l->at[2])))) {
        l->at += 2;
        while (isdigit((unsigned char)*l->at)) {
            l->at++;
        }
    }
    return cm_arena_strndup(l->arena, from, (size_t)(l->at - from));
}

static const char *name_text(lexer *l)
{
    const char *from = l->at;
    while (is_name_part(*l->at)) {
        l->at++;
    }
    char *name = cm_arena_strndup(l->arena, from, (size_t)(l->at - from));
    for (char *c = name; *c != '\0'; c++) {
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    return name;
}

static cm_sql_token next(lexer *l)
{
    const char c = *l->at;
    if (c == '\0') {
        return (cm_sql_token){CM_TOKEN_END, ""};
    }
    if (c == '\'') {
        return (cm_sql_token){CM_TOKEN_STRING, quoted(l, '\'')};
    }
    if (c == '"') {
        return (cm_sql_token){CM_TOKEN_QUOTED, quoted(l, '"')};
    }
    if ((c == 'e' || c == 'E') && l->at[1] == '\'') {
        l->at++;
        return (cm_sql_token){CM_TOKEN_STRING, escaped(l)};
    }
    if (is_name_start(c)) {
        const char *name = name_text(l);
        /* U&'', B'', X'', N'' */
        l->failed = l->failed || (*l->at == '\'' && strlen(name) == 1) ||
                    (strcmp(name, "u") == 0 && l->at[0] == '&' && strchr("'\"", l->at[1]) != NULL);
        return (cm_sql_token){CM_TOKEN_NAME, name};
    }
    if (isdigit((unsigned char)c) || (c == '.' && isdigit((unsigned char)l->at[1]))) {
        return (cm_sql_token){CM_TOKEN_NUMBER, number_text(l)};
    }
    if (c == '$' && isdigit((unsigned char)l->at[1])) {
        l->at++;
        return (cm_sql_token){CM_TOKEN_PARAM, number_text(l)};
    }
    if (c == '$') {
        return (cm_sql_token){CM_TOKEN_STRING, dollar_quoted(l)};
    }
    if (strncmp(l->at, "::", 2) == 0) {
        l->at += 2;
        return (cm_sql_token){CM_TOKEN_OPERATOR, "::"};
    }
    if (strchr("()[],.;:", c) != NULL) {
        return (cm_sql_token){CM_TOKEN_PUNCT, cm_arena_strndup(l->arena, l->at++, 1)};
    }
    const char *text = operator_text(l);
    l->failed = l->failed || text[0] == '\0';
    l->at += text[0] == '\0';
    return (cm_sql_token){CM_TOKEN_OPERATOR, text};
}

cm_status cm_system_lex(const char *sql, cm_arena *arena, const cm_sql_token **ret,
                        size_t *ret_count, cm_diag *diag)
{
    lexer l = {.at = sql, .arena = arena};
    cm_sql_token *tokens = cm_arena_try(arena, strlen(sql) + CM_TOKENS_BEHIND, sizeof *tokens);
    size_t count = 0;
    if (tokens == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    skip_blank(&l);
    do {
        tokens[count] = next(&l);
        skip_blank(&l);
    } while (tokens[count++].kind != CM_TOKEN_END);
    for (size_t i = 0; i + 1 < CM_TOKENS_BEHIND; i++) {
        tokens[count + i] = tokens[count - 1];
    }
    if (l.failed) {
        return cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "this form of a constant is not supported in a catalog query");
    }
    *ret = tokens;
    *ret_count = count;
    return CM_OK;
}
