/*
 * comity bench: parent process prints, three children are the parties.  Every party runs every case
 * in step; party 0 reports medians through a pipe.
 *
 * Roofline: what the same links carried in the same run when the parties did nothing but rotate
 * large messages (all parties sending at once, TLS included), against the time taken for the
 * operation's own bytes.  A case that reaches 1.0 spends no time but that of its bytes.
 */
#include "cli/bench.h"
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/loopback.h"

enum { PARTIES = 3, CASES_MAX = 64, RUNS_MAX = 101, IDLE_MS = 120000, ROTATE_BYTES = 8 << 20 };

static int run(int argc, char **argv);

const cm_command CM_COMMAND_BENCH = {
    .name = "bench",
    .summary = "measures operations with three parties on this machine",
    .usage =
        "usage: comity bench [--json] [--rows N] [--bits N] [--runs N] [--plain] [OP ...]\n\n"
        "Starts three party processes linked by TLS over loopback and measures each operation:\n"
        "median seconds, rows per second, bytes sent by one party, rounds, peak memory, and the\n"
        "share of the roofline that it reached: the time that the links of the same run need\n"
        "for the operation's bytes, divided by the time taken.\n\n"
        "  --rows N, --bits N  instead of each operation's own size\n"
        "  --runs N            counted runs after one warm-up (5)\n"
        "  --plain             without TLS, to see what TLS costs\n"
        "  --json              one JSON array\n"
        "  --list              the operations\n",
    .run = run,
};

typedef struct bench_options {
    bool json, plain;
    size_t rows;
    unsigned bits, runs;
    size_t cases;
    cm_bench_case bench[CASES_MAX];
} bench_options;

typedef struct figures { /* sent through the pipe as it is: one program, one machine */
    double seconds, rotate_bytes_per_second;
    uint64_t bytes, rounds, peak_bytes;
    int ok;
} figures;

/* ---- a party ------------------------------------------------------------------------------ */

static void party_failed(cm_mpc *mpc, const char *op)
{
    (void)fprintf(stderr, "comity bench: %s: %s\n", op, cm_mpc_diag(mpc)->message);
    _exit(1);
}

/* Everybody waits for everybody. */
static void barrier(cm_mpc *mpc)
{
    cm_mesh *mesh = cm_mpc_mesh(mpc);
    uint8_t byte = 0;
    for (unsigned way = 0; way < 2; way++) {
        for (unsigned j = 0; j < PARTIES; j++) {
            if (j != cm_mesh_me(mesh)) {
                bool sent = way == 0 ? cm_mesh_send(mesh, j, &byte, 1) == CM_OK
                                     : cm_mesh_recv(mesh, j, &byte, 1) == CM_OK;
                if (!sent) {
                    party_failed(mpc, "barrier");
                }
            }
        }
    }
}

/* Bytes per second that each party sends when all rotate large messages at once. */
static double measure_rotation(cm_mpc *mpc)
{
    cm_mesh *mesh = cm_mpc_mesh(mpc);
    uint8_t *data = calloc(2, ROTATE_BYTES);
    unsigned me = cm_mesh_me(mesh);
    double best = 0;
    CM_ASSERT(data != NULL);
    for (unsigned i = 0; i < 9; i++) {
        barrier(mpc);
        int64_t start_ns = cm_clock_ns();
        if (cm_mesh_send(mesh, (me + PARTIES - 1) % PARTIES, data, ROTATE_BYTES) != CM_OK ||
            cm_mesh_recv(mesh, (me + 1) % PARTIES, data + ROTATE_BYTES, ROTATE_BYTES) != CM_OK) {
            party_failed(mpc, "rotation");
        }
        double rate = ROTATE_BYTES / ((double)(cm_clock_ns() - start_ns) * 1e-9);
        best = rate > best ? rate : best;
    }
    free(data);
    return best;
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static uint64_t peak_bytes(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024;
}

static figures measure(cm_bench_party *party, const cm_bench_case *c, unsigned runs)
{
    const cm_bench_op *op = cm_bench_find(c->op);
    cm_mesh *mesh = cm_mpc_mesh(party->mpc);
    double seconds[RUNS_MAX];
    figures ret = {.ok = 1, .rotate_bytes_per_second = measure_rotation(party->mpc)};
    for (unsigned i = 0; i <= runs; i++) { /* the first is a warm-up */
        cm_arena_reset(party->arena);
        void *input = op->prepare(party, c->rows, c->bits);
        barrier(party->mpc);
        cm_mesh_stats before = cm_mesh_statistics(mesh);
        int64_t start_ns = cm_clock_ns();
        if (op->run(party, input) != CM_OK) {
            party_failed(party->mpc, op->name);
        }
        cm_mesh_stats after = cm_mesh_statistics(mesh);
        barrier(party->mpc); /* the slowest party counts */
        double took = (double)(cm_clock_ns() - start_ns) * 1e-9;
        if (i > 0) {
            seconds[i - 1] = took;
        }
        ret.bytes = after.bytes_sent - before.bytes_sent;
        ret.rounds = after.rounds - before.rounds;
    }
    qsort(seconds, runs, sizeof *seconds, compare_doubles);
    ret.seconds = seconds[runs / 2];
    ret.peak_bytes = peak_bytes();
    return ret;
}

typedef struct party_setup {
    unsigned me;
    const int *fds; /* of this party */
    cm_identity *const *identity;
    int out; /* party 0: pipe to the parent; -1 otherwise */
} party_setup;

static int run_party(const bench_options *options, const party_setup *setup)
{
    static const char *const NAMES[PARTIES] = {"party 0", "party 1", "party 2"};
    cm_cert certs[PARTIES];
    cm_diag diag = {0};
    cm_mesh *mesh = NULL;
    cm_bench_party party = {0};
    cm_arena arena;
    for (unsigned i = 0; i < PARTIES; i++) {
        certs[i] = *cm_identity_cert(setup->identity[i]);
    }
    const cm_mesh_tls links = {.me = setup->me,
                               .participants = PARTIES,
                               .fds = setup->fds,
                               .identity = setup->identity[setup->me],
                               .certs = certs,
                               .names = NAMES,
                               .timeout_ms = 10000,
                               .idle_timeout_ms = IDLE_MS};
    cm_status st = options->plain ? cm_mesh_new_plain(&links, &mesh, &diag)
                                  : cm_mesh_new_tls(&links, &mesh, &diag);
    if (st == CM_OK) {
        st = cm_mpc_new(CM_PROTOCOL_REP3, mesh, PARTIES, NULL, &party.mpc, &diag);
    }
    if (st == CM_OK) {
        st = cm_arena_init(&arena, (size_t)1 << 38);
    }
    if (st == CM_OK) {
        st = cm_arena_init(&party.scratch, (size_t)1 << 38);
    }
    if (st != CM_OK) {
        return cm_cli_failed("bench", &diag);
    }
    party.arena = &arena;
    for (size_t i = 0; i < options->cases; i++) {
        figures f = measure(&party, &options->bench[i], options->runs);
        if (setup->out >= 0 && write(setup->out, &f, sizeof f) != (ssize_t)sizeof f) {
            return 1;
        }
    }
    cm_mpc_free(party.mpc);
    cm_mesh_free(mesh);
    return 0;
}

/* ---- the parent --------------------------------------------------------------------------- */

static void print_row(const cm_bench_case *c, const figures *f)
{
    const cm_bench_op *op = cm_bench_find(c->op);
    double roof = (double)f->bytes / f->rotate_bytes_per_second / f->seconds;
    (void)printf("%-13s %9zu %4u %10.4f %12.0f ", c->op, c->rows, c->bits, f->seconds,
                 (double)c->rows / f->seconds);
    if (op->ands != NULL) {
        (void)printf("%9.2f ", op->ands(c->rows, c->bits) / f->seconds * 1e-9);
    } else {
        (void)printf("%9s ", "");
    }
    (void)printf("%9.2f %7llu %8.0f %8.2f\n", (double)f->bytes * 1e-6,
                 (unsigned long long)f->rounds, (double)f->peak_bytes * 1e-6, roof);
    (void)fflush(stdout);
}

static void print_json(const cm_bench_case *c, const figures *f, bool first)
{
    double roof = (double)f->bytes / f->rotate_bytes_per_second / f->seconds;
    (void)printf(
        "%s  {\"op\": \"%s\", \"rows\": %zu, \"bits\": %u, \"lanes\": 1, \"seconds\": %.6f, "
        "\"bytes_sent\": %llu, \"rounds\": %llu, \"peak_bytes\": %llu, \"roofline\": %.4f}",
        first ? "" : ",\n", c->op, c->rows, c->bits, f->seconds, (unsigned long long)f->bytes,
        (unsigned long long)f->rounds, (unsigned long long)f->peak_bytes, roof);
}

static int report(const bench_options *options, int in)
{
    figures f;
    if (!options->json) {
        (void)printf("three rep3 parties on this machine, %s, one lane, median of %u\n",
                     options->plain ? "plain TCP" : "TLS 1.3 over loopback", options->runs);
        (void)printf("%-13s %9s %4s %10s %12s %9s %9s %7s %8s %8s\n", "operation", "rows", "bits",
                     "seconds", "rows/s", "G ANDs/s", "MB/party", "rounds", "peak MB", "roofline");
    } else {
        (void)printf("[\n");
    }
    size_t got = 0;
    for (; got < options->cases && read(in, &f, sizeof f) == (ssize_t)sizeof f; got++) {
        if (options->json) {
            print_json(&options->bench[got], &f, got == 0);
        } else {
            print_row(&options->bench[got], &f);
        }
    }
    if (options->json) {
        (void)printf("\n]\n");
    } else if (got > 0) {
        (void)printf("roofline: rotating large messages, each party sent %.2f GB/s\n",
                     f.rotate_bytes_per_second * 1e-9);
    }
    return got == options->cases ? 0 : 1;
}

static int run_parties(const bench_options *options)
{
    int fds[PARTIES * PARTIES];
    int out[2];
    cm_identity *identity[PARTIES] = {NULL};
    pid_t pid[PARTIES];
    cm_diag diag = {0};
    cm_status st = cm_loopback_links(PARTIES, fds, &diag);
    for (unsigned i = 0; st == CM_OK && i < PARTIES; i++) {
        st = cm_identity_generate("bench", 1, &identity[i], &diag);
    }
    if (st != CM_OK) {
        return cm_cli_failed("bench", &diag);
    }
    if (pipe(out) != 0) {
        return 1;
    }
    for (unsigned i = 0; i < PARTIES; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            const party_setup setup = {.me = i,
                                       .fds = fds + i * PARTIES,
                                       .identity = identity,
                                       .out = i == 0 ? out[1] : -1};
            cm_loopback_keep(fds, PARTIES, i);
            (void)close(out[0]);
            _exit(run_party(options, &setup));
        }
    }
    cm_loopback_keep(fds, PARTIES, PARTIES);
    (void)close(out[1]);
    int worst = report(options, out[0]);
    for (unsigned i = 0; i < PARTIES; i++) {
        int status = 1;
        (void)waitpid(pid[i], &status, 0);
        worst = status != 0 ? 1 : worst;
        cm_identity_free(identity[i]);
    }
    (void)close(out[0]);
    return worst;
}

static int list(void)
{
    size_t count = 0;
    const cm_bench_op *ops = cm_bench_ops(&count);
    for (size_t i = 0; i < count; i++) {
        (void)printf("%-13s %s (%zu rows, %u bits)\n", ops[i].name, ops[i].what, ops[i].rows,
                     ops[i].bits);
    }
    return 0;
}

static bool number(const char *text, unsigned long max, unsigned long *ret)
{
    char *end = NULL;
    *ret = strtoul(text, &end, 10);
    return *text != '\0' && *end == '\0' && *ret >= 1 && *ret <= max;
}

static bool add_case(bench_options *options, const cm_bench_op *op)
{
    if (op == NULL || options->cases == CASES_MAX) {
        return false;
    }
    cm_bench_case *c = &options->bench[options->cases++];
    c->op = op->name;
    c->rows = options->rows != 0 ? options->rows : op->rows;
    c->bits = options->bits != 0 ? options->bits : op->bits;
    return true;
}

static int run(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"json", no_argument, NULL, 'j'},
                                            {"plain", no_argument, NULL, 'p'},
                                            {"rows", required_argument, NULL, 'r'},
                                            {"bits", required_argument, NULL, 'b'},
                                            {"runs", required_argument, NULL, 'n'},
                                            {"list", no_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    bench_options options = {.runs = 5};
    unsigned long value = 0;
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (c == 'l') {
            return list();
        }
        if (c == 'j') {
            options.json = true;
        } else if (c == 'p') {
            options.plain = true;
        } else if (c == 'r' && number(optarg, 1UL << 26, &value)) {
            options.rows = value;
        } else if (c == 'b' && number(optarg, 64, &value)) {
            options.bits = (unsigned)value;
        } else if (c == 'n' && number(optarg, RUNS_MAX, &value)) {
            options.runs = (unsigned)value;
        } else {
            return cm_cli_usage(&CM_COMMAND_BENCH);
        }
    }
    size_t count = 0;
    const cm_bench_op *ops = cm_bench_ops(&count);
    for (size_t i = 0; optind == argc && i < count; i++) {
        (void)add_case(&options, &ops[i]);
    }
    for (int i = optind; i < argc; i++) {
        if (!add_case(&options, cm_bench_find(argv[i]))) {
            (void)fprintf(stderr, "comity bench: no operation \"%s\"; --list shows them\n",
                          argv[i]);
            return 2;
        }
    }
    return run_parties(&options);
}
