/*
 * One case in one party's process: a thread per lane, each with links and a session of its own and
 * its share of the rows.  Lanes start together, and a run lasts until the last one is done.
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

enum { HANDSHAKE_TIMEOUT_MS = 30000, IDLE_TIMEOUT_MS = 600000, USUAL_RUNS = 5 };
static const size_t ARENA_BYTES = (size_t)1 << 36; /* of address space */
static const int64_t LONG_NS = 30000000000;        /* after that, a case gets no further run */

/* A lane's figures of the present run; lane 0 puts them together. */
typedef struct lane_run {
    int64_t start_ns, end_ns;
    uint64_t bytes, rounds;
    double cpu_start, cpu_end; /* lane 0: of the whole process */
} lane_run;

typedef struct team {
    const cm_bench_options *options;
    const cm_bench_case *c;
    const cm_bench_seat *seat;
    pthread_barrier_t gate; /* all lanes of this party */
    bool go_on;             /* written by lane 0 while the others wait at the gate */
    lane_run run[CM_BENCH_LANES_MAX];
    cm_bench_machine machine[CM_BENCH_LANES_MAX];
    cm_bench_work work[CM_BENCH_LANES_MAX];
} team;

typedef struct lane {
    team *team;
    unsigned number;
    cm_mesh *mesh;
    cm_arena arena;
    cm_bench_party party;
} lane;

void cm_bench_party_failed(const cm_mpc *mpc, const char *what)
{
    (void)fprintf(stderr, "comity bench: %s: %s\n", what, cm_mpc_diag(mpc)->message);
    _exit(1);
}

bool cm_bench_barrier(cm_mpc *mpc, bool go_on)
{
    cm_mesh *mesh = cm_mpc_mesh(mpc);
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
        (void)fprintf(stderr, "comity bench: %s\n", cm_mesh_diag(mesh)->message);
        _exit(1);
    }
    return word != 0;
}

static void wait_for_lanes(team *t)
{
    (void)pthread_barrier_wait(&t->gate);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static size_t rows_of_lane(const team *t, unsigned number)
{
    size_t lanes = t->options->lanes;
    return t->c->rows / lanes + (number < t->c->rows % lanes);
}

/* From fresh inputs to results.  Memory of earlier runs is used again: its pages are there. */
static void run_once(lane *l)
{
    const cm_bench_case *c = l->team->c;
    cm_arena arena = l->arena;
    l->party.arena = &arena;
    void *input = c->op->prepare(&l->party, rows_of_lane(l->team, l->number), c->bits);
    wait_for_lanes(l->team);
    (void)cm_bench_barrier(l->party.mpc, true);
    cm_mesh_stats before = cm_mesh_statistics(l->mesh);
    lane_run *run = &l->team->run[l->number];
    run->cpu_start = cpu_seconds();
    run->start_ns = cm_clock_ns();
    if (c->op->run(&l->party, input) != CM_OK) {
        cm_bench_party_failed(l->party.mpc, c->op->name);
    }
    run->end_ns = cm_clock_ns();
    cm_mesh_stats after = cm_mesh_statistics(l->mesh);
    run->bytes = after.bytes_sent - before.bytes_sent;
    run->rounds = after.rounds - before.rounds;
    wait_for_lanes(l->team);
    run->cpu_end = cpu_seconds();
}

static cm_bench_record record_of(const team *t)
{
    cm_bench_record ret = {.start_ns = t->run[0].start_ns,
                           .cpu_seconds = t->run[0].cpu_end - t->run[0].cpu_start};
    for (unsigned i = 0; i < t->options->lanes; i++) {
        const lane_run *run = &t->run[i];
        ret.start_ns = run->start_ns < ret.start_ns ? run->start_ns : ret.start_ns;
        ret.end_ns = run->end_ns > ret.end_ns ? run->end_ns : ret.end_ns;
        ret.bytes += run->bytes;
        ret.rounds = run->rounds > ret.rounds ? run->rounds : ret.rounds;
    }
    return ret;
}

static void send_record(const team *t, const cm_bench_record *record)
{
    if (write(t->seat->out, record, sizeof *record) != (ssize_t)sizeof *record) {
        _exit(1);
    }
}

/* The parties stop together: party 0's lane 0 decides, each lane hears it from its counterpart. */
static void run_all(lane *l)
{
    team *t = l->team;
    unsigned most = t->options->runs != 0 ? t->options->runs : USUAL_RUNS;
    int64_t start_ns = cm_clock_ns();
    for (unsigned i = 0; i <= most; i++) { /* the first is a warm-up */
        run_once(l);
        if (l->number == 0) {
            if (i > 0) {
                cm_bench_record record = record_of(t);
                send_record(t, &record);
            }
            t->go_on = i == 0 || t->options->runs != 0 || cm_clock_ns() - start_ns < LONG_NS;
        }
        wait_for_lanes(t);
        if (!cm_bench_barrier(l->party.mpc, t->go_on)) {
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

static void add_up(const team *t, cm_bench_record *last)
{
    for (unsigned i = 0; i < t->options->lanes; i++) {
        last->work.ands += t->work[i].ands;
        last->work.products += t->work[i].products;
        last->work.touched += t->work[i].touched;
        last->machine.rotate += t->machine[i].rotate;
        last->machine.alone += t->machine[i].alone;
        last->machine.prg += t->machine[i].prg;
        last->machine.ands += t->machine[i].ands;
        last->machine.product += t->machine[i].product;
        last->machine.memory += t->machine[i].memory;
    }
    last->machine.round = t->machine[0].round;
}

static void open_lane(lane *l)
{
    static const char *const NAMES[CM_BENCH_PARTIES] = {"party 0", "party 1", "party 2"};
    const cm_bench_seat *seat = l->team->seat;
    cm_cert certs[CM_BENCH_PARTIES];
    cm_diag diag = {0};
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        certs[i] = *cm_identity_cert(seat->identity[i]);
    }
    const cm_mesh_tls links = {.me = seat->me,
                               .participants = CM_BENCH_PARTIES,
                               .fds = seat->fds[l->number],
                               .identity = seat->identity[seat->me],
                               .certs = certs,
                               .names = NAMES,
                               .timeout_ms = HANDSHAKE_TIMEOUT_MS,
                               .idle_timeout_ms = IDLE_TIMEOUT_MS};
    cm_status st = l->team->options->plain ? cm_mesh_new_plain(&links, &l->mesh, &diag)
                                           : cm_mesh_new_tls(&links, &l->mesh, &diag);
    if (st == CM_OK) {
        st = cm_mpc_new(CM_PROTOCOL_REP3, l->mesh, CM_BENCH_PARTIES, NULL, &l->party.mpc, &diag);
    }
    if (st == CM_OK) {
        st = cm_arena_init(&l->arena, ARENA_BYTES);
    }
    if (st == CM_OK) {
        st = cm_arena_init(&l->party.scratch, ARENA_BYTES);
    }
    if (st != CM_OK) {
        (void)fprintf(stderr, "comity bench: %s\n",
                      diag.message[0] != '\0' ? diag.message : cm_status_text(st));
        _exit(1);
    }
}

static void *be_lane(void *arg)
{
    lane *l = arg;
    team *t = l->team;
    CM_ASSERT(t != NULL);
    open_lane(l);
    run_all(l);
    cm_bench_record last = {.last = true};
    if (l->number == 0) {
        last.peak_bytes = cm_bench_peak_bytes(); /* before the probes take memory of their own */
    }
    wait_for_lanes(t);
    t->machine[l->number] = cm_bench_probe(&l->party);
    t->work[l->number] = l->party.work;
    wait_for_lanes(t);
    if (l->number == 0) {
        add_up(t, &last);
        send_record(t, &last);
    }
    cm_program_free(l->party.program);
    cm_mpc_free(l->party.mpc);
    cm_mesh_free(l->mesh);
    return NULL;
}

void cm_bench_be_party(const cm_bench_options *options, const cm_bench_case *c,
                       const cm_bench_seat *seat)
{
    team t = {.options = options, .c = c, .seat = seat};
    lane lanes[CM_BENCH_LANES_MAX] = {{0}};
    pthread_t threads[CM_BENCH_LANES_MAX];
    if ((seat->namespace_fd >= 0 && setns(seat->namespace_fd, CLONE_NEWNET) != 0) ||
        pthread_barrier_init(&t.gate, NULL, options->lanes) != 0) {
        perror("comity bench");
        _exit(1);
    }
    for (unsigned i = 0; i < options->lanes; i++) {
        lanes[i].team = &t;
        lanes[i].number = i;
        if (i > 0 && pthread_create(&threads[i], NULL, be_lane, &lanes[i]) != 0) {
            perror("comity bench");
            _exit(1);
        }
    }
    (void)be_lane(&lanes[0]);
    for (unsigned i = 1; i < options->lanes; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    _exit(0);
}
