/* Text functions.  Letters are ASCII for the change of case (collation "C"), characters are UTF-8.
 */
#include "sql/eval_int.h"

#include <string.h>

static size_t char_bytes(const char *text)
{
    size_t bytes = 1;

    while (((unsigned char)text[bytes] & 0xc0) == 0x80) {
        bytes++;
    }
    return bytes;
}

static cm_i128 char_count(const char *text)
{
    cm_i128 chars = 0;

    for (; *text != 0; text += char_bytes(text)) {
        chars++;
    }
    return chars;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static const char *fold(const char *text, char (*change)(char), cm_arena *arena)
{
    char *copy = cm_arena_strdup(arena, text);

    for (char *c = copy; *c != 0; c++) {
        *c = change(*c);
    }
    return copy;
}

/*
 * % any characters, _ one, backslash takes the next as it is.  Greedy with one point to return to:
 * a later % makes an earlier one's choice final, so this is quadratic at worst.
 */
static bool like(const char *text, const char *pattern)
{
    const char *retry_text = NULL, *retry_pattern = NULL;

    while (*text != 0) {
        if (*pattern == '%') {
            retry_pattern = ++pattern;
            retry_text = text;
        } else if (*pattern == '_') {
            text += char_bytes(text);
            pattern++;
        } else if (*pattern != 0 && *(pattern + (*pattern == '\\')) == *text) {
            pattern += *pattern == '\\' ? 2 : 1;
            text++;
        } else if (retry_pattern != NULL) {
            retry_text += char_bytes(retry_text);
            text = retry_text;
            pattern = retry_pattern;
        } else {
            return false;
        }
    }
    while (*pattern == '%') {
        pattern++;
    }
    return *pattern == 0;
}

static bool ends_in_escape(const char *pattern)
{
    size_t slashes = 0, bytes = strlen(pattern);

    while (slashes < bytes && pattern[bytes - 1 - slashes] == '\\') {
        slashes++;
    }
    return slashes % 2 == 1;
}

/* Characters from .. from + count - 1, counted from 1; those before 1 do not exist. */
static cm_status substring(const cm_value *args, size_t count, cm_arena *arena, cm_value *ret,
                           cm_diag *diag)
{
    const char *begin = args[0].text;
    cm_i128 chars = char_count(begin);
    cm_i128 from = args[1].number, end = chars + 1; /* one past the last */

    if (count == 3) {
        if (args[2].number < 0) {
            return cm_fail(diag, CM_EINVAL, "22011", "negative substring length not allowed");
        }
        end = from + args[2].number < end ? from + args[2].number : end;
    }
    for (cm_i128 i = 1; i < from && *begin != 0; i++) {
        begin += char_bytes(begin);
    }
    const char *stop = begin;
    for (cm_i128 i = from < 1 ? 1 : from; i < end && *stop != 0; i++) {
        stop += char_bytes(stop);
    }
    ret->text = cm_arena_strndup(arena, begin, (size_t)(stop - begin));
    return CM_OK;
}

static const char *concat(const cm_value *args, size_t count, cm_arena *arena)
{
    size_t bytes = 0, at = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += strlen(args[i].text);
    }
    char *text = CM_NEW_SMALL(arena, char, bytes + 1);
    for (size_t i = 0; i < count; i++) {
        size_t part = strlen(args[i].text);
        memcpy(text + at, args[i].text, part);
        at += part;
    }
    return text;
}

static bool has_char(const char *set, const char *c, size_t bytes)
{
    for (; *set != 0; set += char_bytes(set)) {
        if (char_bytes(set) == bytes && memcmp(set, c, bytes) == 0) {
            return true;
        }
    }
    return false;
}

static const char *trim(const char *begin, const char *set, unsigned ends, cm_arena *arena)
{
    while (ends != 2 && *begin != 0 && has_char(set, begin, char_bytes(begin))) {
        begin += char_bytes(begin);
    }
    const char *stop = begin; /* behind the last character that stays */
    for (const char *c = begin; *c != 0; c += char_bytes(c)) {
        if (ends == 1 || !has_char(set, c, char_bytes(c))) {
            stop = c + char_bytes(c);
        }
    }
    return cm_arena_strndup(arena, begin, (size_t)(stop - begin));
}

static size_t append(char *copy, size_t at, const char *text, size_t bytes)
{
    memcpy(copy + at, text, bytes);
    return at + bytes;
}

static const char *replace(const char *text, const char *from, const char *to, cm_arena *arena)
{
    const size_t from_bytes = strlen(from), to_bytes = strlen(to);
    size_t bytes = strlen(text), at = 0;

    if (from_bytes == 0) {
        return text;
    }
    char *copy = CM_NEW_SMALL(arena, char, bytes / from_bytes * to_bytes + bytes + 1);
    for (const char *next = strstr(text, from); next != NULL; next = strstr(text, from)) {
        at = append(copy, at, text, (size_t)(next - text));
        at = append(copy, at, to, to_bytes);
        text = next + from_bytes;
    }
    at = append(copy, at, text, strlen(text));
    copy[at] = '\0';
    return copy;
}

static cm_i128 position(const char *text, const char *part)
{
    const char *found = strstr(text, part);
    cm_i128 chars = 1;

    if (found == NULL) {
        return 0;
    }
    for (; text < found; text += char_bytes(text)) {
        chars++;
    }
    return chars;
}

cm_status cm_eval_text(const cm_expr *expr, const cm_value *args, cm_arena *arena, cm_value *ret,
                       cm_diag *diag)
{
    *ret = (cm_value){0};
    if (expr->op == CM_X_LIKE) {
        if (ends_in_escape(args[1].text)) {
            return cm_fail(diag, CM_EINVAL, "22025",
                           "LIKE pattern must not end with escape character");
        }
        bool fold_case = expr->index == 1;
        ret->number = like(fold_case ? fold(args[0].text, lower, arena) : args[0].text,
                           fold_case ? fold(args[1].text, lower, arena) : args[1].text);
    } else if (expr->op == CM_X_LOWER || expr->op == CM_X_UPPER) {
        ret->text = fold(args[0].text, expr->op == CM_X_LOWER ? lower : upper, arena);
    } else if (expr->op == CM_X_LENGTH) {
        ret->number = char_count(args[0].text);
    } else if (expr->op == CM_X_SUBSTRING) {
        return substring(args, expr->args, arena, ret, diag);
    } else if (expr->op == CM_X_TRIM) {
        ret->text = trim(args[0].text, args[1].text, expr->index, arena);
    } else if (expr->op == CM_X_REPLACE) {
        ret->text = replace(args[0].text, args[1].text, args[2].text, arena);
    } else if (expr->op == CM_X_POSITION) {
        ret->number = position(args[0].text, args[1].text);
    } else {
        CM_ASSERT(expr->op == CM_X_CONCAT);
        ret->text = concat(args, expr->args, arena);
    }
    return CM_OK;
}
