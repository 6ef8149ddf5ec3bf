/* The command line of `comity bench`. */
#include "cli/bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLOT_FROM = 1 << 12, PLOT_TO = 1 << 22, PLOT_STEP = 4 };

typedef struct bench_size {
    const char *op;
    size_t rows;
} bench_size;

/* What runs when nothing is named. */
static const bench_size TABLE[] = {
    {"and", 1 << 20},          {"eq", 1 << 20},           {"lt", 1 << 20},
    {"ring_to_bits", 1 << 20}, {"bits_to_ring", 1 << 18}, {"shuffle", 1 << 20},
    {"sort", 1 << 16},         {"sort", 1 << 18},         {"div", 1 << 14},
    {"sort", 1 << 20},         {"group_sum", 1 << 16},    {"join", 1 << 17},
};

static const char *const PLOTTED[] = {"and",     "eq",   "lt",        "bits_to_ring",
                                      "shuffle", "sort", "group_sum", "join"};

/* 1000, or 2^20. */
static bool parse_whole(const char *text, unsigned long max, unsigned long *ret)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    unsigned long value = strtoul(text, &end, 10);
    if (value == 2 && end[0] == '^' && end[1] >= '0' && end[1] <= '9') {
        unsigned long exponent = strtoul(end + 1, &end, 10);
        value = exponent < 63 ? 1UL << exponent : 0;
    }
    if (*end != '\0' || value < 1 || value > max) {
        return false;
    }
    *ret = value;
    return true;
}

static bool parse_size(const char *text, unsigned long max, size_t *ret)
{
    unsigned long value = 0;
    if (!parse_whole(text, max, &value)) {
        return false;
    }
    *ret = value;
    return true;
}

static bool parse_count(const char *text, unsigned long max, unsigned *ret)
{
    unsigned long value = 0;
    if (!parse_whole(text, max, &value)) {
        return false;
    }
    *ret = (unsigned)value;
    return true;
}

static bool parse_real(const char *text, double max, double *ret)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value > 0 && value <= max)) {
        return false;
    }
    *ret = value;
    return true;
}

/* ---- cases -------------------------------------------------------------------------------- */

static bool add_case(cm_bench_options *o, const cm_bench_op *op, size_t rows)
{
    unsigned bits = o->bits != 0 ? o->bits : op->bits;
    bits = bits < op->min_bits ? op->min_bits : bits;
    bits = bits > op->max_bits ? op->max_bits : bits;
    if (o->case_count == CM_BENCH_CASES_MAX) {
        (void)fprintf(stderr, "comity bench: more than %d cases\n", CM_BENCH_CASES_MAX);
        return false;
    }
    o->cases[o->case_count++] = (cm_bench_case){.op = op, .rows = rows, .bits = bits};
    return true;
}

/* One size, or those of a plot. */
static bool add_op(cm_bench_options *o, const cm_bench_op *op)
{
    if (o->plot == NULL) {
        return add_case(o, op, o->rows != 0 ? o->rows : op->rows);
    }
    bool good = true;
    for (size_t rows = o->from_rows; good && rows < o->to_rows; rows *= PLOT_STEP) {
        good = add_case(o, op, rows);
    }
    return good && add_case(o, op, o->to_rows);
}

static bool add_all(cm_bench_options *o)
{
    bool good = true;
    for (size_t i = 0; good && cm_bench_op_at(i) != NULL; i++) {
        const cm_bench_op *op = cm_bench_op_at(i);
        good = add_op(o, op);
    }
    return good;
}

static bool add_table(cm_bench_options *o)
{
    bool good = true;
    for (size_t i = 0; good && i < CM_COUNT(TABLE); i++) {
        const cm_bench_op *op = cm_bench_find(TABLE[i].op);
        good = add_case(o, op, TABLE[i].rows);
    }
    return good;
}

static bool add_plotted(cm_bench_options *o)
{
    bool good = true;
    for (size_t i = 0; good && i < CM_COUNT(PLOTTED); i++) {
        const cm_bench_op *op = cm_bench_find(PLOTTED[i]);
        good = add_op(o, op);
    }
    return good;
}

static bool add_named(cm_bench_options *o, char **names, int count)
{
    bool good = true;
    for (int i = 0; good && i < count; i++) {
        const cm_bench_op *op = cm_bench_find(names[i]);
        if (strcmp(names[i], "all") == 0) {
            good = add_all(o);
        } else if (op == NULL) {
            (void)fprintf(stderr, "comity bench: no operation \"%s\"; --list shows them\n",
                          names[i]);
            good = false;
        } else {
            good = add_op(o, op);
        }
    }
    return good;
}

/* ---- options ------------------------------------------------------------------------------ */

static const struct option OPTIONS[] = {
    {"json", no_argument, NULL, 'j'},       {"csv", no_argument, NULL, 'c'},
    {"plain", no_argument, NULL, 'p'},      {"list", no_argument, NULL, 'l'},
    {"rows", required_argument, NULL, 'r'}, {"bits", required_argument, NULL, 'b'},
    {"runs", required_argument, NULL, 'n'}, {"lanes", required_argument, NULL, 'L'},
    {"rtt", required_argument, NULL, 't'},  {"rate", required_argument, NULL, 'm'},
    {"save", required_argument, NULL, 's'}, {"against", required_argument, NULL, 'a'},
    {"plot", required_argument, NULL, 'P'}, {"from", required_argument, NULL, 'f'},
    {"to", required_argument, NULL, 'T'},   {NULL, 0, NULL, 0},
};

static bool take_flag(cm_bench_options *o, int option)
{
    switch (option) {
    case 'j':
        o->format = CM_BENCH_JSON;
        return true;
    case 'c':
        o->format = CM_BENCH_CSV;
        return true;
    case 'p':
        o->plain = true;
        return true;
    case 'l':
        o->list = true;
        return true;
    default:
        return false;
    }
}

static bool take_argument(cm_bench_options *o, int option, const char *text)
{
    switch (option) {
    case 'r':
        return parse_size(text, CM_BENCH_ROWS_MAX, &o->rows);
    case 'b':
        return parse_count(text, 64, &o->bits);
    case 'n':
        return parse_count(text, CM_BENCH_RUNS_MAX, &o->runs);
    case 'L':
        return parse_count(text, CM_BENCH_LANES_MAX, &o->lanes);
    case 't':
        return parse_real(text, 10000, &o->rtt_ms);
    case 'm':
        return parse_real(text, 100000, &o->rate_mbit);
    case 's':
        o->save = text;
        return true;
    case 'a':
        if (o->against_count == CM_BENCH_AGAINST_MAX) {
            return false;
        }
        o->against[o->against_count++] = text;
        return true;
    case 'P':
        o->plot = text;
        return true;
    case 'f':
        return parse_size(text, CM_BENCH_ROWS_MAX, &o->from_rows);
    case 'T':
        return parse_size(text, CM_BENCH_ROWS_MAX, &o->to_rows);
    default:
        return false;
    }
}

bool cm_bench_options_parse(int argc, char **argv, cm_bench_options *ret)
{
    *ret = (cm_bench_options){.lanes = 1, .from_rows = PLOT_FROM, .to_rows = PLOT_TO};
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (c == '?') { /* getopt has said what it does not know */
            return false;
        }
        if (!take_flag(ret, c) && !take_argument(ret, c, optarg)) {
            (void)fprintf(stderr, "comity bench: \"%s\" cannot be used there\n", optarg);
            return false;
        }
    }
    if (ret->from_rows > ret->to_rows) {
        (void)fprintf(stderr, "comity bench: --from is above --to\n");
        return false;
    }
    if (optind < argc) {
        return add_named(ret, argv + optind, argc - optind);
    }
    if (ret->plot != NULL) {
        return add_plotted(ret);
    }
    return ret->rows != 0 || ret->bits != 0 ? add_all(ret) : add_table(ret);
}
