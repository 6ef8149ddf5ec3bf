#include "sql/schema.h"
#include "sql/sql_int.h"

#include <string.h>

static const char *const kind_names[] = {
    [CM_LABEL_PRIVATE] = "private",     [CM_LABEL_JOIN] = "join",   [CM_LABEL_FILTER] = "filter",
    [CM_LABEL_AGGREGATE] = "aggregate", [CM_LABEL_GROUP] = "group", [CM_LABEL_REVEAL] = "reveal",
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next word, lower case, "" at the end; a word that does not fit comes out as "?". */
static const char *next_word(const char *text, char word[static 16])
{
    size_t bytes = 0;

    while (is_space(*text)) {
        text++;
    }
    while (*text != '\0' && !is_space(*text)) {
        if (bytes < 15) {
            word[bytes] = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
        }
        bytes++;
        text++;
    }
    word[bytes < 15 ? bytes : 0] = '\0';
    if (bytes >= 15) {
        memcpy(word, "?", 2);
    }
    return text;
}

static bool parse_count(const char *word, uint32_t *ret)
{
    uint64_t value = 0;

    for (const char *c = word; *c != '\0'; c++) {
        if (*c < '0' || *c > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(*c - '0');
        if (value > INT32_MAX) {
            return false;
        }
    }
    *ret = (uint32_t)value;
    return value > 0;
}

static bool parse_label(const char *text, cm_label *ret)
{
    char word[16];
    cm_label label = {0};
    size_t kind = 0;

    text = next_word(text, word);
    while (kind < CM_COUNT(kind_names) && strcmp(word, kind_names[kind]) != 0) {
        kind++;
    }
    if (kind == CM_COUNT(kind_names)) {
        return false;
    }
    label.kind = (cm_label_kind)kind;
    text = next_word(text, word);
    if (strcmp(word, "min") == 0 &&
        (label.kind == CM_LABEL_AGGREGATE || label.kind == CM_LABEL_GROUP)) {
        text = next_word(text, word);
        if (!parse_count(word, &label.min_rows)) {
            return false;
        }
        next_word(text, word);
    }
    if (word[0] != '\0') {
        return false;
    }
    *ret = label;
    return true;
}

cm_status cm_label_parse(const char *text, cm_label *ret, cm_diag *diag)
{
    if (parse_label(text, ret)) {
        return CM_OK;
    }
    cm_status st = cm_fail(diag, CM_EINVAL, CM_SQL_BAD_PARAMETER,
                           "invalid security label \"" CM_QUOTE "\"", text);
    cm_diag_hint(diag, "Labels are: private, join, filter, aggregate [min K], group [min K], "
                       "reveal.");
    return st;
}

void cm_label_print(cm_label label, cm_buf *out)
{
    cm_buf_printf(out, "%s", kind_names[label.kind]);
    if (label.min_rows > 0) {
        cm_buf_printf(out, " min %u", label.min_rows);
    }
}
