/* Results as people and programs read them. */
#include "cli/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A stored run's column: its file's name without directory and ending. */
static void print_heading(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t bytes = strcspn(name, ".");
    char s[24];
    char mb[24];
    (void)snprintf(s, sizeof s, "s/%.*s", (int)(bytes < 8 ? bytes : 8), name);
    (void)snprintf(mb, sizeof mb, "MB/%.*s", (int)(bytes < 8 ? bytes : 8), name);
    (void)printf(" %10s %11s", s, mb);
}

static void begin_text(const cm_bench_options *o, const cm_bench_net *net)
{
    (void)printf("three rep3 parties on this machine, %s, ", o->plain ? "plain TCP" : "TLS 1.3");
    if (net->shaped && o->rtt_ms > 0) {
        (void)printf("%g ms round trip, ", o->rtt_ms);
    }
    if (net->shaped && o->rate_mbit > 0) {
        (void)printf("%g Mbit/s, ", o->rate_mbit);
    }
    (void)printf("%s%s%u lane%s\n", net->how, net->shaped ? ", " : "loopback, ", o->lanes,
                 o->lanes > 1 ? "s" : "");
    (void)printf("%-13s %8s %4s %10s %10s %12s %9s %9s %6s %8s %8s %-6s", "operation", "rows",
                 "bits", "seconds", "CPU s", "rows/s", "G ANDs/s", "MB/party", "rounds", "peak MB",
                 "roofline", "bound");
    for (size_t i = 0; i < o->against_count; i++) {
        print_heading(o->against[i]);
    }
    (void)printf("\n");
}

static void put_comparison(const cm_bench_options *o, const cm_bench_result *r,
                           const cm_bench_olds *olds)
{
    const cm_bench_old *old = cm_bench_olds_find(olds, o, r);
    if (old == NULL) {
        (void)printf(" %10s %11s", "-", "-");
    } else if (old->bytes_sent > 0) {
        (void)printf(" %10.3f %11.3f", r->seconds / old->seconds,
                     (double)r->bytes_sent / old->bytes_sent);
    } else {
        (void)printf(" %10.3f %11s", r->seconds / old->seconds, "-");
    }
}

static void put_text(const cm_bench_options *o, const cm_bench_result *r, const cm_bench_olds *olds)
{
    char ands[16] = "";
    if (r->work.ands > 0) {
        (void)snprintf(ands, sizeof ands, "%.2f", r->work.ands / r->seconds * 1e-9);
    }
    (void)printf("%-13s %8zu %4u %10.5f %10.5f %12.0f %9s %9.2f %6llu %8.1f %8.2f %-6s",
                 r->c.op->name, r->c.rows, r->c.bits, r->seconds, r->cpu_seconds,
                 (double)r->c.rows / r->seconds, ands, (double)r->bytes_sent * 1e-6,
                 (unsigned long long)r->rounds, (double)r->peak_bytes * 1e-6, r->bounds.share,
                 r->bounds.name);
    for (size_t i = 0; i < o->against_count; i++) {
        put_comparison(o, r, &olds[i]);
    }
    (void)printf("\n");
}

static void put_csv(const cm_bench_fields *f, bool first)
{
    for (size_t i = 0; first && i < f->count; i++) {
        (void)printf("%s%s", i > 0 ? "," : "", f->field[i].name);
    }
    (void)printf(first ? "\n" : "");
    for (size_t i = 0; i < f->count; i++) {
        (void)printf("%s%s", i > 0 ? "," : "", f->field[i].value);
    }
    (void)printf("\n");
}

static void put_json(const cm_bench_fields *f, bool first)
{
    cm_buf out = {0};
    cm_bench_json_put(&out, f);
    (void)printf("%s%s", first ? "" : ",\n", cm_buf_text(&out));
    cm_buf_free(&out);
}

void cm_bench_report_begin(const cm_bench_options *options, const cm_bench_net *net)
{
    if (options->format == CM_BENCH_TEXT) {
        begin_text(options, net);
    } else if (options->format == CM_BENCH_JSON) {
        (void)printf("[\n");
    }
    (void)fflush(stdout);
}

void cm_bench_report_row(const cm_bench_options *options, const cm_bench_result *result, bool first,
                         const cm_bench_olds *olds)
{
    cm_bench_fields fields;
    cm_bench_fields_of(options, result, olds, &fields);
    switch (options->format) {
    case CM_BENCH_TEXT:
        put_text(options, result, olds);
        break;
    case CM_BENCH_CSV:
        put_csv(&fields, first);
        break;
    case CM_BENCH_JSON:
        put_json(&fields, first);
        break;
    }
    (void)fflush(stdout);
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

/* The median over the cases of one of the machine's figures, found by its place in the struct. */
static double median_of(const cm_bench_result *results, size_t count, size_t offset)
{
    double values[CM_BENCH_CASES_MAX];
    for (size_t i = 0; i < count; i++) {
        memcpy(&values[i], (const char *)&results[i].machine + offset, sizeof values[i]);
    }
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

#define MEDIAN(field) median_of(results, count, offsetof(cm_bench_machine, field))

void cm_bench_report_end(const cm_bench_options *options, const cm_bench_result *results,
                         size_t count)
{
    if (options->format == CM_BENCH_JSON) {
        (void)printf("\n]\n");
    } else if (options->format == CM_BENCH_TEXT && count > 0) {
        (void)printf("roofline: the least time that the bytes, the rounds or the gates need by "
                     "themselves, over the time taken;\n"
                     "a party's measure while the others do the same (medians): links %.3f GB/s, "
                     "alone %.3f GB/s, a round %.3g ms,\n"
                     "PRG %.1f GB/s, %.1f G ANDs/s, memory %.1f GB/s\n",
                     MEDIAN(rotate) * 1e-9, MEDIAN(alone) * 1e-9, MEDIAN(round) * 1e3,
                     MEDIAN(prg) * 1e-9, MEDIAN(ands) * 1e-9, MEDIAN(memory) * 1e-9);
    }
    (void)fflush(stdout);
}

cm_status cm_bench_write_file(const char *path, cm_buf *content, cm_diag *diag)
{
    const char *text = cm_buf_text(content);
    FILE *file = content->failed ? NULL : fopen(path, "we");
    bool good = file != NULL && fputs(text, file) >= 0;
    if (file != NULL) {
        good = fclose(file) == 0 && good;
    }
    return good ? CM_OK
                : cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot write %s: %s", path, strerror(errno));
}

cm_status cm_bench_save(const cm_bench_options *options, const cm_bench_result *results,
                        size_t count, cm_diag *diag)
{
    cm_bench_options alone = *options;
    cm_buf out = {0};
    alone.against_count = 0;
    cm_buf_printf(&out, "[\n");
    for (size_t i = 0; i < count; i++) {
        cm_bench_fields fields;
        cm_bench_fields_of(&alone, &results[i], NULL, &fields);
        cm_bench_json_put(&out, &fields);
        cm_buf_printf(&out, "%s", i + 1 < count ? ",\n" : "\n");
    }
    cm_buf_printf(&out, "]\n");
    cm_status st = cm_bench_write_file(options->save, &out, diag);
    cm_buf_free(&out);
    return st;
}
