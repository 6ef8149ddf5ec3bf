/*
 * Results as JSON, and back: an array of flat objects whose values are numbers, true, false, null
 * and strings without escapes.  What a parser of such files needs is little, and everything else
 * is refused.
 */
#include "cli/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_BYTES = 1 << 20 };

/* ---- writing ------------------------------------------------------------------------------ */

static void put_text(cm_bench_fields *f, const char *name, const char *value)
{
    CM_ASSERT(f->count < CM_BENCH_FIELDS_MAX);
    cm_bench_field *field = &f->field[f->count++];
    field->name = name;
    field->is_text = true;
    (void)snprintf(field->value, sizeof field->value, "%s", value);
}

static void put_number(cm_bench_fields *f, const char *name, int digits, double value)
{
    CM_ASSERT(f->count < CM_BENCH_FIELDS_MAX);
    cm_bench_field *field = &f->field[f->count++];
    field->name = name;
    field->is_text = false;
    (void)snprintf(field->value, sizeof field->value, "%.*g", digits, value);
}

static void put_machine(cm_bench_fields *f, const cm_bench_machine *m)
{
    put_number(f, "link_bytes_per_second", 4, m->rotate);
    put_number(f, "alone_bytes_per_second", 4, m->alone);
    put_number(f, "round_seconds", 4, m->round);
    put_number(f, "prg_bytes_per_second", 4, m->prg);
    put_number(f, "ands_per_second", 4, m->ands);
    put_number(f, "memory_bytes_per_second", 4, m->memory);
}

void cm_bench_fields_of(const cm_bench_options *options, const cm_bench_result *result,
                        const cm_bench_olds *olds, cm_bench_fields *ret)
{
    static const char *const RATIOS[CM_BENCH_AGAINST_MAX] = {"ratio", "ratio_2", "ratio_3",
                                                             "ratio_4"};
    ret->count = 0;
    put_text(ret, "op", result->c.op->name);
    put_number(ret, "rows", 15, (double)result->c.rows);
    put_number(ret, "bits", 15, result->c.bits);
    put_number(ret, "lanes", 15, options->lanes);
    put_text(ret, "links", options->plain ? "plain" : "tls");
    put_number(ret, "rtt_ms", 6, options->rtt_ms);
    put_number(ret, "rate_mbit", 6, options->rate_mbit);
    put_number(ret, "runs", 15, result->runs);
    put_number(ret, "seconds", 6, result->seconds);
    put_number(ret, "cpu_seconds", 6, result->cpu_seconds);
    put_number(ret, "bytes_sent", 15, (double)result->bytes_sent);
    put_number(ret, "bytes_all", 15, (double)result->bytes_all);
    put_number(ret, "rounds", 15, (double)result->rounds);
    put_number(ret, "peak_bytes", 15, (double)result->peak_bytes);
    put_number(ret, "ands", 15, result->work.ands);
    put_number(ret, "roofline", 4, result->bounds.share);
    put_text(ret, "bound", result->bounds.name);
    put_number(ret, "bound_seconds", 4, result->bounds.seconds);
    put_machine(ret, &result->machine);
    for (size_t i = 0; i < options->against_count; i++) {
        const cm_bench_old *old = cm_bench_olds_find(&olds[i], options, result);
        if (old != NULL) {
            put_number(ret, RATIOS[i], 4, result->seconds / old->seconds);
        } else {
            put_number(ret, RATIOS[i], 1, 0);
            ret->field[ret->count - 1].value[0] = '\0';
        }
    }
}

void cm_bench_json_put(cm_buf *out, const cm_bench_fields *fields)
{
    cm_buf_printf(out, "  {");
    for (size_t i = 0; i < fields->count; i++) {
        const cm_bench_field *f = &fields->field[i];
        const char *quote = f->is_text ? "\"" : "";
        const char *value = f->value[0] != '\0' ? f->value : "null";
        cm_buf_printf(out, "%s\"%s\": %s%s%s", i > 0 ? ", " : "", f->name, quote, value, quote);
    }
    cm_buf_printf(out, "}");
}

/* ---- reading ------------------------------------------------------------------------------ */

typedef struct json {
    const char *next, *end;
    bool failed; /* nothing more is read */
} json;

typedef struct json_value {
    bool is_number;
    double number;
    char text[32]; /* of a string */
} json_value;

static char peek(json *j)
{
    while (j->next < j->end &&
           (*j->next == ' ' || *j->next == '\n' || *j->next == '\r' || *j->next == '\t')) {
        j->next++;
    }
    return j->failed || j->next == j->end ? '\0' : *j->next;
}

static bool take(json *j, char c)
{
    if (peek(j) != c) {
        return false;
    }
    j->next++;
    return true;
}

static void need(json *j, char c)
{
    j->failed |= !take(j, c);
}

static void read_string(json *j, char *ret_text, size_t max_bytes)
{
    size_t bytes = 0;
    need(j, '"');
    while (!j->failed && j->next < j->end && *j->next != '"') {
        char c = *j->next++;
        j->failed |= c == '\\' || c < ' ' || c == 127 || bytes + 1 == max_bytes;
        if (!j->failed) {
            ret_text[bytes++] = c;
        }
    }
    ret_text[bytes] = '\0';
    j->failed |= j->next == j->end;
    j->next += !j->failed;
}

static size_t digits_at(const char *text)
{
    return strspn(text, "0123456789");
}

static bool is_of_number(char c)
{
    return (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

/* JSON's numbers alone: strtod knows more. */
static void read_number(json *j, double *ret)
{
    char text[40];
    size_t bytes = 0;
    (void)peek(j);
    while (j->next + bytes < j->end && bytes + 1 < sizeof text && is_of_number(j->next[bytes])) {
        text[bytes] = j->next[bytes];
        bytes++;
    }
    text[bytes] = '\0';
    const char *at = text + (text[0] == '-');
    j->failed |= digits_at(at) == 0 || (at[0] == '0' && digits_at(at) > 1);
    at += digits_at(at);
    if (*at == '.') {
        j->failed |= digits_at(at + 1) == 0;
        at += 1 + digits_at(at + 1);
    }
    if (*at == 'e' || *at == 'E') {
        at += at[1] == '+' || at[1] == '-' ? 2 : 1;
        j->failed |= digits_at(at) == 0;
        at += digits_at(at);
    }
    j->failed |= *at != '\0';
    j->next += bytes;
    *ret = j->failed ? 0 : strtod(text, NULL);
}

static json_value read_value(json *j)
{
    static const char *const WORDS[] = {"true", "false", "null"};
    json_value ret = {.is_number = false};
    char c = peek(j);
    for (size_t i = 0; i < CM_COUNT(WORDS); i++) {
        size_t bytes = strlen(WORDS[i]);
        if (c == WORDS[i][0] && (size_t)(j->end - j->next) >= bytes &&
            memcmp(j->next, WORDS[i], bytes) == 0) {
            j->next += bytes;
            return ret;
        }
    }
    if (c == '"') {
        read_string(j, ret.text, sizeof ret.text);
    } else {
        ret.is_number = true;
        read_number(j, &ret.number);
    }
    return ret;
}

/* What a figure is about must be there, and be possible. */
static cm_bench_old read_object(json *j)
{
    cm_bench_old ret = {.lanes = 1};
    const struct {
        const char *name;
        double *value;
    } numbers[] = {
        {"rows", &ret.rows},           {"bits", &ret.bits},     {"lanes", &ret.lanes},
        {"seconds", &ret.seconds},     {"rtt_ms", &ret.rtt_ms}, {"bytes_sent", &ret.bytes_sent},
        {"rate_mbit", &ret.rate_mbit},
    };
    need(j, '{');
    do {
        char name[32];
        read_string(j, name, sizeof name);
        need(j, ':');
        json_value value = read_value(j);
        for (size_t i = 0; i < CM_COUNT(numbers); i++) {
            if (strcmp(name, numbers[i].name) == 0) {
                j->failed |= !value.is_number;
                *numbers[i].value = value.number;
            }
        }
        if (strcmp(name, "op") == 0) {
            memcpy(ret.op, value.text, sizeof ret.op);
        }
    } while (take(j, ','));
    need(j, '}');
    j->failed |=
        ret.op[0] == '\0' || ret.rows < 1 || ret.bits < 1 || ret.lanes < 1 || !(ret.seconds > 0);
    return ret;
}

cm_status cm_bench_json_parse(const char *text, size_t bytes, cm_bench_olds *ret, cm_diag *diag)
{
    json j = {.next = text, .end = text + bytes};
    *ret = (cm_bench_olds){.count = 0};
    need(&j, '[');
    if (!take(&j, ']')) {
        do {
            j.failed |= ret->count == CM_BENCH_CASES_MAX;
            cm_bench_old old = read_object(&j);
            if (!j.failed) {
                ret->old[ret->count++] = old;
            }
        } while (take(&j, ','));
        need(&j, ']');
    }
    if (peek(&j) != '\0' || j.failed || j.next != j.end) {
        ret->count = 0;
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT,
                       "not a file of comity bench --save: cannot be read at byte %zu",
                       (size_t)(j.next - text));
    }
    return CM_OK;
}

cm_status cm_bench_json_load(const char *path, cm_bench_olds *ret, cm_diag *diag)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(FILE_MAX_BYTES);
    cm_status st = CM_OK;
    if (file == NULL || text == NULL) {
        st = cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot read %s: %s", path, strerror(errno));
    } else {
        size_t bytes = fread(text, 1, FILE_MAX_BYTES, file);
        st = ferror(file) ? cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot read %s", path)
             : bytes == FILE_MAX_BYTES
                 ? cm_fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT, "%s is too long", path)
                 : cm_bench_json_parse(text, bytes, ret, diag);
        if (st == CM_EINVAL) {
            cm_diag_detail(diag, "The file is %s.", path);
        }
    }
    free(text);
    if (file != NULL) {
        (void)fclose(file);
    }
    return st;
}

const cm_bench_old *cm_bench_olds_find(const cm_bench_olds *olds, const cm_bench_options *options,
                                       const cm_bench_result *result)
{
    for (size_t i = 0; i < olds->count; i++) {
        const cm_bench_old *old = &olds->old[i];
        if (strcmp(old->op, result->c.op->name) == 0 && old->rows == (double)result->c.rows &&
            old->bits == result->c.bits && old->lanes == options->lanes &&
            old->rtt_ms == options->rtt_ms && old->rate_mbit == options->rate_mbit) {
            return old;
        }
    }
    return NULL;
}
