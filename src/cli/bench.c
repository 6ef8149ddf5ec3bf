/* comity bench: the command.  Cases one after the other; results as they come. */
#include "cli/bench.h"
#include "cli/cli.h"
#include "cli/tpch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

const cm_command CM_COMMAND_BENCH = {
    .name = "bench",
    .summary = "measures operations with three parties on this machine",
    .usage =
        "usage: comity bench [OPTION ...] [OP ...]\n"
        "       comity bench tpch [OPTION ...]      TPC-H's queries: see comity bench tpch "
        "--help\n\n"
        "Starts three party processes linked by TLS over loopback and measures each operation:\n"
        "median seconds; processor seconds of all parties together; rows and AND gates a second;\n"
        "bytes sent by the party that sends most; rounds; peak memory of a process; and the\n"
        "roofline: the least time that the operation's bytes, rounds or gates need by themselves\n"
        "on the same links and processors, measured in the same run, over the time taken;\n"
        "`bound` says which of them binds.\n\n"
        "Without OP: the table of docs/performance.md.  `all`, or --rows or --bits without OP:\n"
        "every operation.\n\n"
        "  --rows N, --bits N  instead of each operation's own size; N may be written 2^20\n"
        "  --runs N            counted runs after one warm-up; otherwise 5, and fewer of what\n"
        "                      takes over 30 seconds\n"
        "  --lanes N           links and threads per party, for operations that go row by row\n"
        "  --plain             without TLS, to see what TLS costs\n"
        "  --rtt MS            round-trip time of the links, and\n"
        "  --rate MBIT         megabits per second that a party can send, by network namespaces\n"
        "                      and netem: needs root and iproute2\n"
        "  --json, --csv       one JSON array, or comma-separated values\n"
        "  --save FILE         the results as JSON, besides what is printed\n"
        "  --against FILE      compares with results that --save wrote: seconds and bytes of this\n"
        "                      run over those; up to four times\n"
        "  --plot FILE         SVG of seconds over rows, for the operations named\n"
        "  --from N, --to N    its sizes (2^12 to 2^22, in steps of 4)\n"
        "  --list              the operations and their sizes\n\n" CM_TPCH_USAGE,
    .run = run,
};

static int list(void)
{
    for (size_t i = 0; cm_bench_op_at(i) != NULL; i++) {
        const cm_bench_op *op = cm_bench_op_at(i);
        (void)printf("%-13s %s (%zu rows, %u bits)\n", op->name, op->what, op->rows, op->bits);
    }
    return 0;
}

static cm_status load_olds(const cm_bench_options *options, cm_bench_olds *olds, cm_diag *diag)
{
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < options->against_count; i++) {
        st = cm_bench_json_load(options->against[i], &olds[i], diag);
    }
    return st;
}

static cm_status save_results(const cm_bench_options *options, const cm_bench_result *results,
                              size_t count, cm_diag *diag)
{
    cm_status st = CM_OK;
    if (options->save != NULL) {
        st = cm_bench_save(options, results, count, diag);
    }
    if (st == CM_OK && options->plot != NULL) {
        cm_buf out = {0};
        cm_bench_plot(&out, options, results, count);
        st = cm_bench_write_file(options->plot, &out, diag);
        cm_buf_free(&out);
    }
    return st;
}

/* A case that failed ends the run, but not what was measured before. */
static size_t run_cases(const cm_bench_options *options, const cm_bench_net *net,
                        const cm_bench_olds *olds, cm_bench_result *results)
{
    size_t done = 0;
    cm_bench_report_begin(options, net);
    while (done < options->case_count && cm_bench_run(options, net, done, &results[done])) {
        cm_bench_report_row(options, &results[done], done == 0, olds);
        done++;
    }
    cm_bench_report_end(options, results, done);
    return done;
}

static int run_bench(const cm_bench_options *options, cm_bench_olds *olds, cm_bench_result *results)
{
    cm_bench_net net;
    cm_diag diag = {0};
    cm_status st = load_olds(options, olds, &diag);
    if (st == CM_OK) {
        st = cm_bench_shape(options, &net, &diag);
    }
    if (st != CM_OK) {
        return cm_cli_failed("bench", &diag);
    }
    size_t done = run_cases(options, &net, olds, results);
    if (save_results(options, results, done, &diag) != CM_OK) {
        return cm_cli_failed("bench", &diag);
    }
    return done == options->case_count ? 0 : 1;
}

static int run(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "tpch") == 0) {
        return cm_tpch(argc - 1, argv + 1);
    }
    cm_bench_options *options = calloc(1, sizeof *options);
    cm_bench_olds *olds = calloc(CM_BENCH_AGAINST_MAX, sizeof *olds);
    cm_bench_result *results = calloc(CM_BENCH_CASES_MAX, sizeof *results);
    CM_ASSERT(options != NULL && olds != NULL && results != NULL);
    int ret;
    if (!cm_bench_options_parse(argc, argv, options)) {
        ret = cm_cli_usage(&CM_COMMAND_BENCH);
    } else {
        ret = options->list ? list() : run_bench(options, olds, results);
    }
    free(options);
    free(olds);
    free(results);
    return ret;
}
