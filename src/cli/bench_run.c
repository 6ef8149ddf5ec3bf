/*
 * One case, as the parent sees it: fresh processes, so that the peak of memory is the case's own,
 * and a pipe from each.  Children die with the parent, whatever ends it.
 */
#include "cli/bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"

enum { PROGRESS_MS = 500, QUIET_MS = 2000 };

typedef struct bench_crew {
    pid_t pid[CM_BENCH_PARTIES];
    int in[CM_BENCH_PARTIES]; /* -1: closed */
} bench_crew;

/* ---- progress ----------------------------------------------------------------------------- */

typedef struct progress {
    const cm_bench_options *options;
    size_t index;
    unsigned runs;
    int64_t start_ms;
    bool shown;
} progress;

/* Its purpose is that read() returns. */
static void tick(int signal_number)
{
    (void)signal_number;
}

static void set_ticks(bool on)
{
    const struct sigaction action = {.sa_handler = tick};
    const struct timeval every = {.tv_usec = on ? PROGRESS_MS * 1000 : 0};
    const struct itimerval timer = {.it_interval = every, .it_value = every};
    if (isatty(STDERR_FILENO)) {
        (void)sigaction(SIGALRM, &action, NULL);
        (void)setitimer(ITIMER_REAL, &timer, NULL);
    }
}

static void show_progress(progress *p)
{
    int64_t took_ms = cm_clock_ms() - p->start_ms;
    const cm_bench_case *c = &p->options->cases[p->index];
    if (isatty(STDERR_FILENO) && took_ms >= QUIET_MS) {
        (void)fprintf(stderr, "\r\033[K%zu of %zu: %s, %zu rows, %u bits: %u runs in %lld s",
                      p->index + 1, p->options->case_count, c->op->name, c->rows, c->bits, p->runs,
                      (long long)(took_ms / 1000));
        p->shown = true;
    }
}

static void clear_progress(const progress *p)
{
    if (p->shown) {
        (void)fprintf(stderr, "\r\033[K");
    }
}

/* ---- processes ---------------------------------------------------------------------------- */

typedef struct bench_ground { /* what parties are forked with */
    cm_identity *identity[CM_BENCH_PARTIES];
    int fds[CM_BENCH_LANES_MAX][CM_BENCH_PARTIES * CM_BENCH_PARTIES];
    unsigned lanes; /* links of so many were made */
} bench_ground;

static cm_status lay_ground(const cm_bench_options *options, const cm_bench_net *net,
                            bench_ground *ground, cm_diag *diag)
{
    cm_status st = CM_OK;
    for (unsigned i = 0; st == CM_OK && i < CM_BENCH_PARTIES; i++) {
        st = cm_identity_generate("bench", 1, &ground->identity[i], diag);
    }
    for (; st == CM_OK && ground->lanes < options->lanes; ground->lanes += st == CM_OK) {
        st = cm_loopback_links(CM_BENCH_PARTIES, net->shaped ? net->place : NULL,
                               ground->fds[ground->lanes], diag);
    }
    return st;
}

static void clear_ground(bench_ground *ground)
{
    for (unsigned i = 0; i < ground->lanes; i++) {
        cm_loopback_keep(ground->fds[i], CM_BENCH_PARTIES, CM_BENCH_PARTIES);
    }
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        cm_identity_free(ground->identity[i]);
    }
}

CM_NORETURN static void become_party(const cm_bench_options *options, const cm_bench_net *net,
                                     bench_ground *ground, size_t index, unsigned me, int out)
{
    cm_bench_seat seat = {.me = me,
                          .identity = ground->identity,
                          .namespace_fd = net->shaped ? net->place[me].namespace_fd : -1,
                          .out = out};
    for (unsigned i = 0; i < options->lanes; i++) {
        cm_loopback_keep(ground->fds[i], CM_BENCH_PARTIES, me);
        seat.fds[i] = ground->fds[i] + me * CM_BENCH_PARTIES;
    }
    cm_bench_be_party(options, &options->cases[index], &seat);
}

static cm_status start_crew(const cm_bench_options *options, const cm_bench_net *net,
                            bench_ground *ground, size_t index, bench_crew *crew, cm_diag *diag)
{
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        int ends[2];
        if (pipe(ends) != 0) {
            return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot make a pipe");
        }
        crew->in[i] = ends[0];
        crew->pid[i] = cm_cli_fork();
        if (crew->pid[i] == 0) {
            for (unsigned j = 0; j <= i; j++) {
                (void)close(crew->in[j]);
            }
            become_party(options, net, ground, index, i, ends[1]);
        }
        (void)close(ends[1]);
        if (crew->pid[i] < 0) {
            return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot start a process");
        }
    }
    return CM_OK;
}

/* Waits for those that finished; when one failed the others have nothing left to do. */
static bool dismiss_crew(bench_crew *crew, bool good)
{
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        int status = 1;
        if (!good && crew->pid[i] > 0) {
            (void)kill(crew->pid[i], SIGKILL);
        }
        if (crew->in[i] >= 0) {
            (void)close(crew->in[i]);
        }
        while (crew->pid[i] > 0 && waitpid(crew->pid[i], &status, 0) < 0 && errno == EINTR) {
        }
        good = good && crew->pid[i] > 0 && status == 0;
    }
    return good;
}

/* ---- figures ------------------------------------------------------------------------------ */

static bool read_record(int fd, cm_bench_record *ret, progress *p)
{
    for (;;) {
        ssize_t got = read(fd, ret, sizeof *ret);
        if (got >= 0 || errno != EINTR) {
            return got == (ssize_t)sizeof *ret;
        }
        show_progress(p);
    }
}

static void greater(uint64_t *most, uint64_t value)
{
    *most = value > *most ? value : *most;
}

static void add_machine(cm_bench_machine *sum, const cm_bench_machine *m)
{
    sum->rotate += m->rotate / CM_BENCH_PARTIES;
    sum->alone += m->alone; /* of the one that did */
    sum->round += m->round / CM_BENCH_PARTIES;
    sum->prg += m->prg / CM_BENCH_PARTIES;
    sum->ands += m->ands / CM_BENCH_PARTIES;
    sum->product += m->product / CM_BENCH_PARTIES;
    sum->memory += m->memory / CM_BENCH_PARTIES;
}

static int compare_doubles(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* A run lasts from the first party's start to the last party's end. */
static bool collect(const bench_crew *crew, progress *p, cm_bench_result *ret)
{
    double seconds[CM_BENCH_RUNS_MAX];
    double cpu[CM_BENCH_RUNS_MAX];
    for (bool last = false; !last;) {
        cm_bench_record r[CM_BENCH_PARTIES];
        int64_t start_ns = INT64_MAX;
        int64_t end_ns = INT64_MIN;
        uint64_t bytes_all = 0;
        double cpu_all = 0;
        for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
            if (!read_record(crew->in[i], &r[i], p)) {
                return false;
            }
            start_ns = r[i].start_ns < start_ns ? r[i].start_ns : start_ns;
            end_ns = r[i].end_ns > end_ns ? r[i].end_ns : end_ns;
            bytes_all += r[i].bytes;
            cpu_all += r[i].cpu_seconds;
            greater(&ret->bytes_sent, r[i].bytes);
            greater(&ret->rounds, r[i].rounds);
            greater(&ret->peak_bytes, r[i].peak_bytes);
            add_machine(&ret->machine, &r[i].machine);
        }
        last = r[0].last;
        if (last) {
            ret->work = r[0].work;
        } else if (p->runs < CM_BENCH_RUNS_MAX) {
            greater(&ret->bytes_all, bytes_all);
            cpu[p->runs] = cpu_all;
            seconds[p->runs++] = (double)(end_ns - start_ns) * 1e-9;
        }
    }
    if (p->runs == 0) {
        return false;
    }
    ret->runs = p->runs;
    ret->seconds = median(seconds, p->runs);
    ret->cpu_seconds = median(cpu, p->runs);
    return true;
}

bool cm_bench_run(const cm_bench_options *options, const cm_bench_net *net, size_t index,
                  cm_bench_result *ret)
{
    bench_ground ground = {.lanes = 0};
    bench_crew crew = {.pid = {-1, -1, -1}, .in = {-1, -1, -1}};
    progress p = {.options = options, .index = index, .start_ms = cm_clock_ms()};
    cm_diag diag = {0};
    *ret = (cm_bench_result){.c = options->cases[index]};
    cm_status st = lay_ground(options, net, &ground, &diag);
    if (st == CM_OK) {
        st = start_crew(options, net, &ground, index, &crew, &diag);
    }
    clear_ground(&ground);
    set_ticks(true);
    bool good = st == CM_OK && collect(&crew, &p, ret);
    set_ticks(false);
    clear_progress(&p);
    good = dismiss_crew(&crew, good);
    if (st != CM_OK) {
        (void)fprintf(stderr, "comity bench: %s\n", diag.message);
    } else if (!good) {
        (void)fprintf(stderr, "comity bench: %s, %zu rows: a party failed\n", ret->c.op->name,
                      ret->c.rows);
    } else {
        cm_bench_bound(ret);
    }
    return good;
}
