/*
 * One case in one party's process: one session, whose lanes have links of their own.  Afterwards a
 * thread per lane measures what the machine could have done.
 */
#include "cli/bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

enum { HANDSHAKE_TIMEOUT_MS = 30000, IDLE_TIMEOUT_MS = 600000, USUAL_RUNS = 5, USUAL_MBIT = 1000 };
static const size_t ARENA_BYTES = (size_t)1 << 36; /* of address space */
static const int64_t LONG_NS = 30000000000;        /* after that, a case gets no further run */

/* What a party's process knows. */
typedef struct team {
    const cm_bench_options *options;
    const cm_bench_case *c;
    const cm_bench_seat *seat;
    cm_mesh *mesh[CM_BENCH_LANES_MAX];
    cm_arena arena;
    cm_bench_party party;
} team;

void cm_bench_mesh_failed(const cm_mesh *mesh, const char *what)
{
    (void)fprintf(stderr, "comity bench: %s: %s\n", what, cm_mesh_diag(mesh)->message);
    _exit(1);
}

bool cm_bench_barrier(cm_mesh *mesh, bool go_on)
{
    unsigned me = cm_mesh_me(mesh);
    uint8_t mine = go_on;
    uint8_t word = go_on;
    cm_status st = CM_OK;
    for (unsigned j = 0; st == CM_OK && j < CM_BENCH_PARTIES; j++) {
        st = j != me ? cm_mesh_send(mesh, j, &mine, 1) : CM_OK;
    }
    for (unsigned j = 0; st == CM_OK && j < CM_BENCH_PARTIES; j++) {
        uint8_t got = 0;
        st = j != me ? cm_mesh_recv(mesh, j, &got, 1) : CM_OK;
        word = j == 0 && me != 0 ? got : word;
    }
    if (st != CM_OK) {
        cm_bench_mesh_failed(mesh, "waiting for the parties");
    }
    return word != 0;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void send_record(const team *t, const cm_bench_record *record)
{
    if (write(t->seat->out, record, sizeof *record) != (ssize_t)sizeof *record) {
        _exit(1);
    }
}

/* From fresh inputs to results.  Memory of earlier runs is used again: its pages are there. */
static cm_bench_record run_once(team *t)
{
    const cm_bench_case *c = t->c;
    cm_bench_record ret = {.last = false};
    cm_arena arena = t->arena;
    t->party.arena = &arena;
    void *input = c->op->prepare(&t->party, c->rows, c->bits);
    (void)cm_bench_barrier(t->mesh[0], true);
    cm_mesh_stats before = cm_mpc_statistics(t->party.mpc);
    double cpu_start = cpu_seconds();
    ret.start_ns = cm_clock_ns();
    if (c->op->run(&t->party, input) != CM_OK) {
        (void)fprintf(stderr, "comity bench: %s: %s\n", c->op->name,
                      cm_mpc_diag(t->party.mpc)->message);
        _exit(1);
    }
    ret.end_ns = cm_clock_ns();
    cm_mesh_stats after = cm_mpc_statistics(t->party.mpc);
    ret.cpu_seconds = cpu_seconds() - cpu_start;
    ret.bytes = after.bytes_sent - before.bytes_sent;
    ret.rounds = after.rounds - before.rounds;
    return ret;
}

/* The parties stop together: party 0 decides. */
static void run_all(team *t)
{
    unsigned most = t->options->runs != 0 ? t->options->runs : USUAL_RUNS;
    int64_t start_ns = cm_clock_ns();
    for (unsigned i = 0; i <= most; i++) { /* the first is a warm-up */
        cm_bench_record record = run_once(t);
        if (i > 0) {
            send_record(t, &record);
        }
        bool go_on = i == 0 || t->options->runs != 0 || cm_clock_ns() - start_ns < LONG_NS;
        if (!cm_bench_barrier(t->mesh[0], go_on)) {
            break;
        }
    }
}

/* The highest resident size so far, from the kernel's books: "VmHWM:   12345 kB". */
uint64_t cm_bench_peak_bytes(void)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtoull(line + 6, NULL, 10);
        }
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return (uint64_t)kib * 1024;
}

/* ---- the machine -------------------------------------------------------------------------- */

typedef struct probe {
    cm_mesh *mesh;
    cm_bench_machine machine;
    pthread_t thread;
} probe;

static void *run_probe(void *arg)
{
    probe *p = arg;
    p->machine = cm_bench_probe(p->mesh);
    return NULL;
}

/* All lanes of all parties measure at once, in step. */
static cm_bench_machine probe_lanes(team *t)
{
    probe all[CM_BENCH_LANES_MAX] = {{0}};
    cm_bench_machine ret = {0};
    for (unsigned i = 0; i < t->options->lanes; i++) {
        all[i].mesh = t->mesh[i];
        if (pthread_create(&all[i].thread, NULL, run_probe, &all[i]) != 0) {
            perror("comity bench");
            _exit(1);
        }
    }
    for (unsigned i = 0; i < t->options->lanes; i++) {
        (void)pthread_join(all[i].thread, NULL);
        ret.rotate += all[i].machine.rotate;
        ret.alone += all[i].machine.alone;
        ret.prg += all[i].machine.prg;
        ret.ands += all[i].machine.ands;
        ret.product += all[i].machine.product;
        ret.memory += all[i].machine.memory;
    }
    ret.round = all[0].machine.round;
    return ret;
}

/* ---- the party ---------------------------------------------------------------------------- */

static cm_status open_mesh(team *t, unsigned lane, cm_diag *diag)
{
    static const char *const NAMES[CM_BENCH_PARTIES] = {"party 0", "party 1", "party 2"};
    const cm_bench_seat *seat = t->seat;
    cm_cert certs[CM_BENCH_PARTIES];
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        certs[i] = *cm_identity_cert(seat->identity[i]);
    }
    const cm_mesh_tls links = {.me = seat->me,
                               .participants = CM_BENCH_PARTIES,
                               .fds = seat->fds[lane],
                               .identity = seat->identity[seat->me],
                               .certs = certs,
                               .names = NAMES,
                               .timeout_ms = HANDSHAKE_TIMEOUT_MS,
                               .idle_timeout_ms = IDLE_TIMEOUT_MS};
    return t->options->plain ? cm_mesh_new_plain(&links, &t->mesh[lane], diag)
                             : cm_mesh_new_tls(&links, &t->mesh[lane], diag);
}

/* Of shaped links what the shape says; loopback is a fast link. */
static size_t round_bytes(const cm_bench_options *options)
{
    double rate_mbit = options->rate_mbit > 0 ? options->rate_mbit : USUAL_MBIT;
    return cm_round_bytes_of(options->rtt_ms * 1e-3, rate_mbit * 1e6 / 8);
}

static void open_session(team *t)
{
    cm_diag diag = {0};
    cm_status st = CM_OK;
    for (unsigned i = 0; st == CM_OK && i < t->options->lanes; i++) {
        st = open_mesh(t, i, &diag);
    }
    const cm_mpc_options options = {.protocol = CM_PROTOCOL_REP3,
                                    .lanes = t->options->lanes,
                                    .mesh = t->mesh,
                                    .parties = CM_BENCH_PARTIES,
                                    .scratch_bytes = ARENA_BYTES,
                                    .round_bytes = round_bytes(t->options)};
    if (st == CM_OK) {
        st = cm_mpc_new_lanes(&options, &t->party.mpc, &diag);
    }
    if (st == CM_OK) {
        st = cm_arena_init(&t->arena, ARENA_BYTES);
    }
    if (st == CM_OK) {
        st = cm_arena_init(&t->party.scratch, ARENA_BYTES);
    }
    if (st != CM_OK) {
        (void)fprintf(stderr, "comity bench: %s\n",
                      diag.message[0] != '\0' ? diag.message : cm_status_text(st));
        _exit(1);
    }
}

void cm_bench_be_party(const cm_bench_options *options, const cm_bench_case *c,
                       const cm_bench_seat *seat)
{
    team t = {.options = options, .c = c, .seat = seat};
    if (seat->namespace_fd >= 0 && setns(seat->namespace_fd, CLONE_NEWNET) != 0) {
        perror("comity bench");
        _exit(1);
    }
    open_session(&t);
    run_all(&t);
    cm_bench_record last = {.last = true, .work = t.party.work};
    last.peak_bytes = cm_bench_peak_bytes(); /* before the probes take memory of their own */
    last.machine = probe_lanes(&t);
    send_record(&t, &last);
    cm_program_free(t.party.program);
    cm_mpc_free(t.party.mpc);
    for (unsigned i = 0; i < options->lanes; i++) {
        cm_mesh_free(t.mesh[i]);
    }
    _exit(0);
}
