/* comity bench tpch: the command. */
#include "cli/tpch.h"
#include "cli/cli.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option OPTIONS[] = {
    {"data", required_argument, NULL, 'd'},
    {"scale", required_argument, NULL, 's'},
    {"split", required_argument, NULL, 'S'},
    {"queries", required_argument, NULL, 'q'},
    {"pushdown", required_argument, NULL, 'p'},
    {"cross-owner-keys", required_argument, NULL, 'k'},
    {"lanes", required_argument, NULL, 'L'},
    {"explain", no_argument, NULL, 'e'},
    {"list", no_argument, NULL, 'l'},
    {"json", no_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
};

/* 1,6,14 or q01,q06 */
static bool take_queries(cm_tpch_options *o, const char *text)
{
    memset(o->query, 0, sizeof o->query);
    for (bool more = true; more; text++) {
        char *end = NULL;
        text += *text == 'q' || *text == 'Q';
        unsigned long number = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
        if (number < 1 || number > CM_TPCH_QUERIES || (*end != ',' && *end != '\0')) {
            return false;
        }
        o->query[number - 1] = true;
        more = *end == ',';
        text = end;
    }
    return true;
}

static bool take_pushdown(cm_tpch_options *o, const char *text)
{
    o->with_pushdown = strcmp(text, "on") == 0 || strcmp(text, "both") == 0;
    o->without_pushdown = strcmp(text, "off") == 0 || strcmp(text, "both") == 0;
    return o->with_pushdown || o->without_pushdown;
}

static bool take_scale(cm_tpch_options *o, const char *text)
{
    char *end = NULL;
    o->scale = strtod(text, &end);
    return end != text && *end == '\0' && o->scale >= 0.0001 && o->scale <= 10;
}

static bool take_lanes(cm_tpch_options *o, const char *text)
{
    char *end = NULL;
    unsigned long lanes = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : ULONG_MAX;
    o->lanes = (unsigned)lanes;
    return lanes <= CM_LANES_MAX && *end == '\0';
}

static bool take(cm_tpch_options *o, int option, const char *text)
{
    switch (option) {
    case 'd':
        o->data = text;
        return true;
    case 'S':
        o->whole_tables = strcmp(text, "tables") == 0;
        return o->whole_tables || strcmp(text, "rows") == 0;
    case 's':
        return take_scale(o, text);
    case 'q':
        return take_queries(o, text);
    case 'p':
        return take_pushdown(o, text);
    case 'k':
        o->no_cross_owner_keys = strcmp(text, "off") == 0;
        return o->no_cross_owner_keys || strcmp(text, "on") == 0;
    case 'L':
        return take_lanes(o, text);
    case 'e':
        o->explain = true;
        return true;
    case 'l':
        o->list = true;
        return true;
    case 'j':
        o->json = true;
        return true;
    default:
        return false;
    }
}

static bool parse(int argc, char **argv, cm_tpch_options *ret)
{
    *ret = (cm_tpch_options){
        .with_pushdown = true, .without_pushdown = true, .scale = 0.01, .lanes = 1};
    memset(ret->query, 1, sizeof ret->query);
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (c == '?') {
            return false;
        }
        if (!take(ret, c, optarg)) {
            (void)fprintf(stderr, "comity bench tpch: \"%s\" cannot be used there\n", optarg);
            return false;
        }
    }
    return optind == argc;
}

/* What fails is in the table; the rest still runs.  True: nothing failed. */
static bool run_queries(const cm_tpch_options *options, const cm_tpch_run *run, cm_arena *arena)
{
    cm_tpch_result results[2 * CM_TPCH_QUERIES];
    size_t count = 0;
    bool good = true;
    cm_tpch_report_begin(options, run);
    for (unsigned way = 0; way < 2; way++) {
        bool pushdown = way == 0;
        for (unsigned q = 0; q < CM_TPCH_QUERIES; q++) {
            if (options->query[q] &&
                (pushdown ? options->with_pushdown : options->without_pushdown)) {
                cm_tpch_run_query(run, q, pushdown, arena, &results[count]);
                cm_tpch_report_row(options, &results[count], count == 0);
                good = good && results[count].good;
                count++;
            }
        }
    }
    cm_tpch_report_end(options, results, count);
    return good;
}

static int list(void)
{
    for (unsigned q = 0; q < CM_TPCH_QUERIES; q++) {
        (void)printf("%s\n", CM_TPCH_QUERY_TEXTS[q]);
    }
    return 0;
}

static int measure(const cm_tpch_options *options)
{
    cm_arena arena = {0};
    cm_tpch_data data = {.made = false};
    cm_tpch_schema schema;
    cm_tpch_run run = {.data = NULL};
    cm_diag diag = {0};
    bool good = false;
    cm_status st = cm_arena_init(&arena, (size_t)1 << 32);
    if (st == CM_OK) {
        st = cm_tpch_data_new(options, &data, &diag);
    }
    if (st == CM_OK) {
        st = cm_tpch_schema_new(&data, &arena, &schema, &diag);
    }
    if (st == CM_OK) {
        st = cm_tpch_load(&data, &schema, &diag);
    }
    if (st == CM_OK) {
        st = cm_tpch_run_init(&data, &schema, options->lanes, &run, &diag);
    }
    if (st == CM_OK) {
        run.settings.cross_owner_keys = !options->no_cross_owner_keys;
        good = run_queries(options, &run, &arena);
        cm_tpch_run_fini(&run);
    }
    cm_tpch_data_remove(&data);
    cm_arena_fini(&arena);
    return st != CM_OK ? cm_cli_failed("bench tpch", &diag) : good ? 0 : 1;
}

int cm_tpch(int argc, char **argv)
{
    cm_tpch_options options;
    if (!parse(argc, argv, &options)) {
        (void)fprintf(stderr, "%s", CM_TPCH_USAGE);
        return 2;
    }
    return options.list ? list() : measure(&options);
}
