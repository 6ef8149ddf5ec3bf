/* PostgreSQL's functions and operators over values: patterns, texts, times. */
#include "node/syscatalog_int.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { PATTERN_MAX_BYTES = 1000 };

static const char *text_of(sqlite3_value *value)
{
    return (const char *)sqlite3_value_text(value);
}

static void give_text(sqlite3_context *ctx, const char *text)
{
    sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

/* ---- patterns ----------------------------------------------------------------------------- */

/* Patterns that make a matcher slow or large: back references, and repeats of repeats. */
static bool pattern_is_tame(const char *pattern)
{
    size_t braces = 0;
    for (const char *c = pattern; *c != '\0'; c++) {
        braces += *c == '{';
        if (*c == '\\' && isdigit((unsigned char)c[1])) {
            return false;
        }
    }
    return braces <= 1 && strlen(pattern) <= PATTERN_MAX_BYTES;
}

/* regexp(pattern, text): what text REGEXP pattern calls. */
static void match_regexp(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const char *pattern = text_of(arg[0]), *text = text_of(arg[1]);
    bool fold = pattern != NULL && strncmp(pattern, "(?i)", 4) == 0;
    regex_t compiled;
    (void)args;
    if (pattern == NULL || text == NULL) {
        return;
    }
    pattern += fold ? 4 : 0;
    if (!pattern_is_tame(pattern) ||
        regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB | (fold ? REG_ICASE : 0)) != 0) {
        sqlite3_result_error(ctx, "invalid regular expression", -1);
        return;
    }
    sqlite3_result_int(ctx, regexec(&compiled, text, 0, NULL, 0) == 0);
    regfree(&compiled);
}

static char fold_case(char c, bool fold)
{
    return fold && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* By the last %, as for a glob: linear in text times pattern. */
static bool matches_like(const char *pattern, const char *text, char escape, bool fold)
{
    const char *retry_pattern = NULL, *retry_text = NULL;
    for (;;) {
        if (*pattern == '%') {
            retry_pattern = ++pattern;
            retry_text = text;
            continue;
        }
        bool literal = *pattern == escape && escape != '\0' && pattern[1] != '\0';
        const char *at = pattern + literal;
        if (*text != '\0' && ((*at == '_' && !literal) ||
                              (*at != '\0' && fold_case(*at, fold) == fold_case(*text, fold)))) {
            pattern = at + 1;
            text++;
            while (((unsigned char)*text & 0xc0) == 0x80 && *at == '_' && !literal) {
                text++;
            }
            continue;
        }
        if (*text == '\0' && *pattern == '\0') {
            return true;
        }
        if (retry_pattern == NULL || *retry_text == '\0') {
            return false;
        }
        pattern = retry_pattern;
        text = ++retry_text;
    }
}

static void match_like(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const char *pattern = text_of(arg[0]), *text = text_of(arg[1]);
    const char *escape = args > 2 ? text_of(arg[2]) : "\\";
    if (pattern != NULL && text != NULL && escape != NULL) {
        bool fold = sqlite3_user_data(ctx) != NULL;
        sqlite3_result_int(ctx, matches_like(pattern, text, escape[0], fold));
    }
}

/* ---- values ------------------------------------------------------------------------------- */

static void to_bool(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    static const char *const yes[] = {"t", "true", "on", "yes", "y", "1"};
    const char *text = text_of(arg[0]);
    int value = 0;
    (void)args;
    if (text == NULL) {
        return;
    }
    for (size_t i = 0; i < CM_COUNT(yes); i++) {
        value |= strcasecmp(yes[i], text) == 0;
    }
    sqlite3_result_int(ctx, value);
}

static void first_argument(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    if (args > 0) {
        sqlite3_result_value(ctx, arg[0]);
    }
}

static void pretty_size(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    char text[32];
    (void)args;
    (void)snprintf(text, sizeof text, "%lld bytes", (long long)sqlite3_value_int64(arg[0]));
    give_text(ctx, text);
}

static void concat(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    const char *separator = sqlite3_user_data(ctx) != NULL && args > 0 ? text_of(arg[0]) : "";
    bool first = true;
    for (int i = sqlite3_user_data(ctx) != NULL; separator != NULL && i < args; i++) {
        const char *text = text_of(arg[i]);
        if (text != NULL) {
            cm_buf_printf(&out, "%s%s", first ? "" : separator, text);
            first = false;
        }
    }
    if (separator != NULL) {
        give_text(ctx, cm_buf_text(&out));
    }
}

/* left(text, n) and right(text, n), n not negative. */
static void end_of_text(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const char *text = text_of(arg[0]);
    int count = sqlite3_value_int(arg[1]);
    int bytes = 0, chars = 0, total = 0;
    (void)args;
    if (text == NULL) {
        return;
    }
    for (const char *c = text; *c != '\0'; c++) {
        total += ((unsigned char)*c & 0xc0) != 0x80;
    }
    bool right = sqlite3_user_data(ctx) != NULL;
    int head = right ? total - count : count; /* characters before the cut */
    for (; text[bytes] != '\0'; bytes++) {
        chars += ((unsigned char)text[bytes] & 0xc0) != 0x80;
        if (chars > head) {
            break;
        }
    }
    sqlite3_result_text(ctx, right ? text + bytes : text, right ? -1 : bytes, SQLITE_TRANSIENT);
}

static void now(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    char text[40], whole[48];
    struct timespec ts;
    struct tm utc;
    (void)args;
    (void)arg;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &utc);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc);
    (void)snprintf(whole, sizeof whole, "%s.%06u", text, (unsigned)(ts.tv_nsec / 1000) % 1000000U);
    give_text(ctx, whole);
}

static void random_number(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    uint64_t bits;
    (void)args;
    (void)arg;
    sqlite3_randomness(sizeof bits, &bits);
    sqlite3_result_double(ctx, (double)(bits >> 11) / 9007199254740992.0);
}

static const cm_system_function functions[] = {
    {"regexp", 2, CM_OID_BOOL, match_regexp, CM_DATA_NOTHING},
    {"like", 2, CM_OID_BOOL, match_like, CM_DATA_NOTHING},
    {"like", 3, CM_OID_BOOL, match_like, CM_DATA_NOTHING},
    {"match", 2, CM_OID_BOOL, match_like, CM_DATA_FLAG},
    {"cm_bool", 1, CM_OID_BOOL, to_bool, CM_DATA_NOTHING},
    {"pg_get_expr", -1, CM_OID_TEXT, first_argument, CM_DATA_NOTHING},
    {"pg_size_pretty", 1, CM_OID_TEXT, pretty_size, CM_DATA_NOTHING},
    {"concat", -1, CM_OID_TEXT, concat, CM_DATA_NOTHING},
    {"concat_ws", -1, CM_OID_TEXT, concat, CM_DATA_FLAG},
    {"left", 2, CM_OID_TEXT, end_of_text, CM_DATA_NOTHING},
    {"right", 2, CM_OID_TEXT, end_of_text, CM_DATA_FLAG},
    {"now", 0, CM_OID_TIMESTAMP, now, CM_DATA_NOTHING},
    {"clock_timestamp", 0, CM_OID_TIMESTAMP, now, CM_DATA_NOTHING},
    {"statement_timestamp", 0, CM_OID_TIMESTAMP, now, CM_DATA_NOTHING},
    {"transaction_timestamp", 0, CM_OID_TIMESTAMP, now, CM_DATA_NOTHING},
    {"localtimestamp", 0, CM_OID_TIMESTAMP, now, CM_DATA_NOTHING},
    {"pg_postmaster_start_time", 0, CM_OID_TIMESTAMP, now, CM_DATA_NOTHING},
    {"cm_random", 0, CM_OID_NUMERIC, random_number, CM_DATA_NOTHING},
};

const cm_system_function *cm_system_value_functions(size_t *ret_count)
{
    *ret_count = CM_COUNT(functions);
    return functions;
}
