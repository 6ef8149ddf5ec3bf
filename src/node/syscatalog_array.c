/*
 * PostgreSQL's arrays as texts in their output form, {a,"b c",NULL}: what the catalog's columns
 * hold, what ARRAY(SELECT ...) makes, and what clients get.
 */
#include "node/syscatalog_int.h"

#include <stdlib.h>
#include <string.h>

/* The next element of an array text at *at ('{' or ','), into out; false at the end.  Elements of
 * arrays within arrays are not taken apart. */
static bool next_element(const char **at, cm_buf *out, bool *ret_null)
{
    const char *c = *at;
    bool quoted = false;
    cm_buf_clear(out);
    if (*c != '{' && *c != ',') {
        return false;
    }
    c++;
    if (*c == '}' && c[-1] == '{') {
        return false;
    }
    if (*c == '"') {
        quoted = true;
        for (c++; *c != '\0' && *c != '"'; c++) {
            if (*c == '\\' && c[1] != '\0') {
                c++;
            }
            cm_buf_put_u8(out, (uint8_t)*c);
        }
        c += *c == '"';
    } else {
        while (*c != '\0' && *c != ',' && *c != '}') {
            cm_buf_put_u8(out, (uint8_t)*c++);
        }
    }
    *ret_null = !quoted && strcmp(cm_buf_text(out), "NULL") == 0;
    *at = c;
    return true;
}

static void put_element(cm_buf *out, const char *text)
{
    if (text == NULL) {
        cm_buf_printf(out, "NULL");
        return;
    }
    if (text[0] != '\0' && strpbrk(text, "{},\"\\ \t\n") == NULL && strcasecmp(text, "null") != 0) {
        cm_buf_printf(out, "%s", text);
        return;
    }
    cm_buf_put_u8(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            cm_buf_put_u8(out, '\\');
        }
        cm_buf_put_u8(out, (uint8_t)*text);
    }
    cm_buf_put_u8(out, '"');
}

static const char *argument(sqlite3_value *value)
{
    return (const char *)sqlite3_value_text(value);
}

static void give(sqlite3_context *ctx, cm_buf *text)
{
    sqlite3_result_text(ctx, cm_buf_text(text), -1, SQLITE_TRANSIENT);
}

/* cm_array(a, b, ...) */
static void make(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    cm_buf_put_u8(&out, '{');
    for (int i = 0; i < args; i++) {
        cm_buf_printf(&out, "%s", i > 0 ? "," : "");
        put_element(&out, argument(arg[i]));
    }
    cm_buf_put_u8(&out, '}');
    give(ctx, &out);
}

/* cm_array_agg(x): the aggregate's state is a cm_buf that is freed at the end. */
static void aggregate_step(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    cm_buf *out = sqlite3_aggregate_context(ctx, sizeof *out);
    (void)args;
    if (out != NULL) {
        cm_buf_put_u8(out, out->bytes == 0 ? '{' : ',');
        put_element(out, argument(arg[0]));
    }
}

static void aggregate_final(sqlite3_context *ctx)
{
    cm_buf *out = sqlite3_aggregate_context(ctx, 0);
    if (out == NULL || out->bytes == 0) {
        sqlite3_result_text(ctx, "{}", -1, SQLITE_STATIC);
        return;
    }
    cm_buf_put_u8(out, '}');
    give(ctx, out);
    cm_buf_free(out);
}

static void to_string(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    CM_CLEANUP(cm_buf_free) cm_buf element = {0};
    const char *at = argument(arg[0]);
    const char *separator = argument(arg[1]);
    const char *null_text = args > 2 ? argument(arg[2]) : NULL;
    bool null, first = true;
    if (at == NULL || separator == NULL) {
        return; /* NULL */
    }
    while (next_element(&at, &element, &null)) {
        const char *text = null ? null_text : cm_buf_text(&element);
        if (text != NULL) {
            cm_buf_printf(&out, "%s%s", first ? "" : separator, text);
            first = false;
        }
    }
    give(ctx, &out);
}

static bool is_integer(const char *text)
{
    const char *digits = text + (text[0] == '-');
    size_t bytes = strspn(digits, "0123456789");
    return bytes > 0 && bytes < 19 && digits[bytes] == '\0' && (digits[0] != '0' || bytes == 1);
}

/* For json_each: every element a JSON number, string or null. */
static void to_json(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    CM_CLEANUP(cm_buf_free) cm_buf element = {0};
    const char *at = argument(arg[0]);
    bool null;
    (void)args;
    cm_buf_put_u8(&out, '[');
    while (at != NULL && next_element(&at, &element, &null)) {
        cm_buf_printf(&out, "%s", out.bytes > 1 ? "," : "");
        if (null) {
            cm_buf_printf(&out, "null");
            continue;
        }
        if (is_integer(cm_buf_text(&element))) { /* compares with numbers; columns convert */
            cm_buf_printf(&out, "%s", cm_buf_text(&element));
            continue;
        }
        cm_buf_put_u8(&out, '"');
        for (const char *c = cm_buf_text(&element); *c != '\0'; c++) {
            if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ') {
                cm_buf_printf(&out, "\\u%04x", (unsigned char)*c);
            } else {
                cm_buf_put_u8(&out, (uint8_t)*c);
            }
        }
        cm_buf_put_u8(&out, '"');
    }
    cm_buf_put_u8(&out, ']');
    give(ctx, &out);
}

/* cm_element(array, i): from 1, NULL outside.  int2vectors are "1 2 3", from 0. */
static void element_at(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    CM_CLEANUP(cm_buf_free) cm_buf element = {0};
    const char *at = argument(arg[0]);
    sqlite3_int64 index = sqlite3_value_int64(arg[1]);
    bool null;
    (void)args;
    if (at != NULL && at[0] != '{') {
        char *end = NULL;
        for (sqlite3_int64 i = 0; *at != '\0'; i++) {
            long value = strtol(at, &end, 10);
            if (end == at) {
                return;
            }
            if (i == index) {
                sqlite3_result_int64(ctx, value);
                return;
            }
            at = end;
        }
        return;
    }
    for (sqlite3_int64 i = 1; at != NULL && next_element(&at, &element, &null); i++) {
        if (i == index && !null) {
            give(ctx, &element);
            return;
        }
    }
}

/* The number of elements; NULL for none where PostgreSQL says so. */
static void count_elements(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    CM_CLEANUP(cm_buf_free) cm_buf element = {0};
    const char *at = argument(arg[0]);
    sqlite3_int64 count = 0;
    bool null;
    (void)args;
    while (at != NULL && next_element(&at, &element, &null)) {
        count++;
    }
    if (count > 0 || (at != NULL && sqlite3_user_data(ctx) != NULL)) {
        sqlite3_result_int64(ctx, count);
    }
}

/* The first number of an int2vector or array: keys have one column. */
static void first(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const char *at = argument(arg[0]);
    (void)args;
    if (at != NULL) {
        sqlite3_result_int64(ctx, strtol(at + (at[0] == '{'), NULL, 10));
    }
}

static void series(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    enum { MOST = 10000 };
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    sqlite3_int64 from = sqlite3_value_int64(arg[0]), to = sqlite3_value_int64(arg[1]);
    sqlite3_int64 by = args > 2 ? sqlite3_value_int64(arg[2]) : 1;
    bool empty =
        sqlite3_value_type(arg[0]) == SQLITE_NULL || sqlite3_value_type(arg[1]) == SQLITE_NULL;
    const sqlite3_int64 far = (sqlite3_int64)1 << 60;
    if (by == 0 || from > far || from < -far || to > far || to < -far || by > far || by < -far) {
        sqlite3_result_error(ctx, "generate_series: bad bounds", -1);
        return;
    }
    cm_buf_put_u8(&out, '[');
    for (sqlite3_int64 i = 0, v = from; !empty && (by > 0 ? v <= to : v >= to); v += by, i++) {
        if (i == MOST) {
            sqlite3_result_error(ctx, "generate_series: more than 10000 rows", -1);
            return;
        }
        cm_buf_printf(&out, "%s%lld", i > 0 ? "," : "", v);
    }
    cm_buf_put_u8(&out, ']');
    give(ctx, &out);
}

/* name=value of an options array. */
static void option_part(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const char *text = argument(arg[0]);
    const char *equals = text != NULL ? strchr(text, '=') : NULL;
    (void)args;
    if (equals != NULL && sqlite3_user_data(ctx) == NULL) {
        sqlite3_result_text(ctx, text, (int)(equals - text), SQLITE_TRANSIENT);
    } else if (equals != NULL) {
        sqlite3_result_text(ctx, equals + 1, -1, SQLITE_TRANSIENT);
    }
}

/* {a=r/owner,=r/owner} -> {a,PUBLIC} */
static void grantees(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    CM_CLEANUP(cm_buf_free) cm_buf element = {0};
    const char *at = argument(arg[0]);
    bool null;
    (void)args;
    cm_buf_put_u8(&out, '{');
    while (at != NULL && next_element(&at, &element, &null)) {
        const char *text = cm_buf_text(&element);
        size_t bytes = strcspn(text, "=");
        cm_buf_printf(&out, "%s%.*s", out.bytes > 1 ? "," : "", (int)(bytes > 0 ? bytes : 6),
                      bytes > 0 ? text : "PUBLIC");
    }
    cm_buf_put_u8(&out, '}');
    give(ctx, &out);
}

int cm_system_array_functions(sqlite3 *db)
{
    static char yes;
    static const struct {
        const char *name;
        int args;
        void (*fn)(sqlite3_context *, int, sqlite3_value **);
        bool flag;
    } functions[] = {
        {"cm_array", -1, make, false},
        {"array_to_string", 2, to_string, false},
        {"array_to_string", 3, to_string, false},
        {"cm_array_json", 1, to_json, false},
        {"cm_element", 2, element_at, false},
        {"array_length", 2, count_elements, false},
        {"array_upper", 2, count_elements, false},
        {"cardinality", 1, count_elements, true},
        {"cm_first", 1, first, false},
        {"cm_series", 2, series, false},
        {"cm_series", 3, series, false},
        {"cm_option_name", 1, option_part, false},
        {"cm_option_value", 1, option_part, true},
        {"cm_grantees", 1, grantees, false},
    };
    int code = SQLITE_OK;
    for (size_t i = 0; code == SQLITE_OK && i < CM_COUNT(functions); i++) {
        code = sqlite3_create_function(
            db, functions[i].name, functions[i].args, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
            functions[i].flag ? &yes : NULL, functions[i].fn, NULL, NULL);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_create_function(db, "cm_array_agg", 1, SQLITE_UTF8, NULL, NULL,
                                       aggregate_step, aggregate_final);
    }
    return code;
}
