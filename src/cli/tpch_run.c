/*
 * One query between three processes: each is an owner and a computing party, the first asks.  Fresh
 * processes for every query, so that the peak of memory is the query's own.  The clock runs from
 * when all links are up until the last party is done: reading owners' data, sharing it, computing,
 * opening.  Planning, which takes milliseconds, and TLS handshakes are before it.
 */
#include "cli/tpch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "cli/cli.h"
#include "exec/exec.h"

enum { HANDSHAKE_MS = 30000, IDLE_MS = 600000 };
static const double WORK_PER_LINK = 3.2;
static const size_t ARENA_BYTES = (size_t)1 << 38; /* of address space */

/* ---- between a party and the parent ------------------------------------------------------- */

/* Followed by the measured figures of each node of the plan; one program, one machine. */
typedef struct party_report {
    bool good;
    cm_diag why;
    int64_t start_ns, end_ns;
    uint64_t bytes, rounds, peak_bytes, rows;
    size_t nodes;
    cm_bench_machine machine; /* of the crew that looks at the links */
} party_report;

/* ---- a party ------------------------------------------------------------------------------ */

typedef struct party {
    const cm_tpch_run *run;
    const cm_plan *plan; /* NULL: look at the links */
    unsigned me, lanes;
    int *fds[CM_LANES_MAX];
    cm_source *source;
    cm_source_table table; /* the one that was found last */
    cm_mesh *mesh[CM_LANES_MAX];
    cm_mpc *mpc;
    cm_arena arena, result_arena;
    cm_measured *measured;
    party_report report;
} party;

static cm_status find_source(void *arg, const cm_org_table *table, cm_source **ret_source,
                             const cm_source_table **ret_table, cm_diag *diag)
{
    party *p = arg;
    for (unsigned t = 0; t < CM_TPCH_TABLES; t++) {
        if (strcmp(CM_TPCH_TABLE_NAMES[t], table->name) == 0) {
            p->table = p->run->schema->table[t];
            p->table.table = table;
            *ret_source = p->source;
            *ret_table = &p->table;
            return CM_OK;
        }
    }
    return cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_TABLE, "no table %s", table->name);
}

CM_MUST static cm_status open_links(party *p, cm_diag *diag)
{
    cm_cert certs[CM_BENCH_PARTIES];
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        certs[i] = *cm_identity_cert(p->run->identity[i]);
    }
    const cm_plan_settings *settings = &p->run->settings;
    cm_mesh_tls links = {.me = p->me,
                         .participants = CM_BENCH_PARTIES,
                         .identity = p->run->identity[p->me],
                         .certs = certs,
                         .names = CM_TPCH_ORGS,
                         .timeout_ms = HANDSHAKE_MS,
                         .idle_timeout_ms = IDLE_MS};
    const cm_mpc_options session = {
        .protocol = CM_PROTOCOL_REP3,
        .lanes = p->lanes,
        .mesh = p->mesh,
        .parties = CM_BENCH_PARTIES,
        .scratch_bytes = ARENA_BYTES,
        .round_bytes = cm_round_bytes_of(settings->rtt_seconds, settings->bytes_per_second)};
    cm_status st = CM_OK;
    for (unsigned i = 0; st == CM_OK && i < p->lanes; i++) {
        links.fds = p->fds[i];
        st = cm_mesh_new_tls(&links, &p->mesh[i], diag);
    }
    return st == CM_OK ? cm_mpc_new_lanes(&session, &p->mpc, diag) : st;
}

CM_MUST static cm_status prepare(party *p, cm_diag *diag)
{
    cm_status st = cm_arena_init_secret(&p->arena, ARENA_BYTES);
    if (st == CM_OK) {
        st = cm_arena_init(&p->result_arena, ARENA_BYTES);
    }
    if (st == CM_OK) {
        p->measured =
            CM_NEW_SMALL(&p->result_arena, cm_measured, p->plan != NULL ? p->plan->nodes + 1 : 1);
        st = cm_tpch_open(p->run->data, p->me, &p->source, diag);
    }
    return st == CM_OK ? open_links(p, diag) : st;
}

CM_MUST static cm_status compute(party *p, cm_diag *diag)
{
    party_report *report = &p->report;
    cm_exec_result result = {0};
    const cm_exec_options options = {.plan = p->plan,
                                     .mpc = p->mpc,
                                     .me = p->me,
                                     .sources = {p, find_source},
                                     .measured = p->measured,
                                     .input_timeout_ms = CM_TPCH_SOURCE_MS};
    (void)cm_bench_barrier(cm_mpc_mesh(p->mpc), true);
    cm_mesh_stats before = cm_mpc_statistics(p->mpc);
    report->start_ns = cm_clock_ns();
    cm_status st = cm_exec_run(&options, &p->arena, &p->result_arena, &result, diag);
    report->end_ns = cm_clock_ns();
    cm_mesh_stats after = cm_mpc_statistics(p->mpc);
    report->bytes = after.bytes_sent - before.bytes_sent;
    report->rounds = after.rounds - before.rounds;
    report->rows = result.rows;
    report->nodes = p->plan->nodes;
    report->peak_bytes = cm_bench_peak_bytes();
    if (st == CM_OK) { /* nobody ends while others still compute */
        (void)cm_bench_barrier(cm_mpc_mesh(p->mpc), true);
    }
    return st;
}

CM_NORETURN static void be_party(party *p, int out)
{
    party_report *report = &p->report;
    cm_status st = prepare(p, &report->why);
    if (st == CM_OK && p->plan != NULL) {
        st = compute(p, &report->why);
    } else if (st == CM_OK) {
        report->machine = cm_bench_probe(cm_mpc_mesh(p->mpc));
    }
    if (st != CM_OK && report->why.status == CM_OK) {
        st = cm_fail(&report->why, st, CM_SQL_INTERNAL, "%s", cm_status_text(st));
    }
    report->good = st == CM_OK;
    bool said = cm_file_write(out, report, sizeof *report) &&
                cm_file_write(out, p->measured, report->nodes * sizeof *p->measured);
    cm_mpc_free(p->mpc);
    for (unsigned i = 0; i < p->lanes; i++) {
        cm_mesh_free(p->mesh[i]);
    }
    cm_source_free(p->source);
    _exit(said ? 0 : 1);
}

/* ---- the crew ----------------------------------------------------------------------------- */

typedef struct crew {
    pid_t pid[CM_BENCH_PARTIES];
    int in[CM_BENCH_PARTIES];
} crew;

CM_MUST static cm_status start(const cm_tpch_run *run, const cm_plan *plan, crew *c, cm_diag *diag)
{
    int fds[CM_LANES_MAX][CM_BENCH_PARTIES * CM_BENCH_PARTIES];
    unsigned lanes = plan != NULL ? cm_plan_lanes(plan, &run->settings) : 1;
    cm_status st = CM_OK;
    for (unsigned k = 0; st == CM_OK && k < lanes; k++) {
        st = cm_loopback_links(CM_BENCH_PARTIES, NULL, fds[k], diag);
    }
    if (st != CM_OK) {
        return st;
    }
    for (unsigned i = 0; st == CM_OK && i < CM_BENCH_PARTIES; i++) {
        int ends[2];
        if (pipe(ends) != 0) {
            st = cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot make a pipe");
            break;
        }
        c->in[i] = ends[0];
        c->pid[i] = cm_cli_fork();
        if (c->pid[i] == 0) {
            party p = {.run = run, .plan = plan, .me = i, .lanes = lanes};
            for (unsigned k = 0; k < lanes; k++) {
                p.fds[k] = fds[k] + (size_t)i * CM_BENCH_PARTIES;
                cm_loopback_keep(fds[k], CM_BENCH_PARTIES, i);
            }
            for (unsigned j = 0; j <= i; j++) {
                (void)close(c->in[j]);
            }
            be_party(&p, ends[1]);
        }
        (void)close(ends[1]);
        if (c->pid[i] < 0) {
            st = cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot start a process");
        }
    }
    for (unsigned k = 0; k < lanes; k++) {
        cm_loopback_keep(fds[k], CM_BENCH_PARTIES, CM_BENCH_PARTIES);
    }
    return st;
}

static void dismiss(crew *c, bool good)
{
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        if (!good && c->pid[i] > 0) {
            (void)kill(c->pid[i], SIGKILL);
        }
        if (c->in[i] >= 0) {
            (void)close(c->in[i]);
        }
        while (c->pid[i] > 0 && waitpid(c->pid[i], NULL, 0) < 0 && errno == EINTR) {
        }
    }
}

/* That a peer is gone is not why: the peer knows better. */
static bool is_cause(const cm_diag *diag)
{
    return diag->status != CM_OK && strncmp(diag->sqlstate, "08", 2) != 0;
}

/* report: one per party; measured: nodes entries, the most of what any party measured. */
CM_MUST static cm_status collect(const crew *c, size_t nodes, party_report *report,
                                 cm_measured *measured, cm_diag *diag)
{
    bool good = true;
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        if (!cm_file_read(c->in[i], &report[i], sizeof report[i])) {
            return cm_fail(diag, CM_EIO, CM_SQL_INTERNAL, "the process of %s failed",
                           CM_TPCH_ORGS[i]);
        }
        good = good && report[i].good;
        if (!report[i].good && (diag->status == CM_OK || is_cause(&report[i].why))) {
            *diag = report[i].why;
        }
        for (size_t n = 0; n < report[i].nodes && n < nodes; n++) {
            cm_measured m;
            if (!cm_file_read(c->in[i], &m, sizeof m)) {
                return cm_fail(diag, CM_EIO, CM_SQL_INTERNAL, "a party failed");
            }
            measured[n].bytes = m.bytes > measured[n].bytes ? m.bytes : measured[n].bytes;
            measured[n].rounds = m.rounds > measured[n].rounds ? m.rounds : measured[n].rounds;
            measured[n].seconds = m.seconds > measured[n].seconds ? m.seconds : measured[n].seconds;
        }
    }
    return good ? CM_OK : diag->status;
}

CM_MUST static cm_status run_crew(const cm_tpch_run *run, const cm_plan *plan, party_report *report,
                                  cm_measured *measured, cm_diag *diag)
{
    crew c = {.pid = {-1, -1, -1}, .in = {-1, -1, -1}};
    cm_status st = start(run, plan, &c, diag);
    if (st == CM_OK) {
        st = collect(&c, plan != NULL ? plan->nodes : 0, report, measured, diag);
    }
    dismiss(&c, st == CM_OK);
    return st;
}

/* ---- the run ------------------------------------------------------------------------------ */

static uint32_t cores_to_use(void)
{
    unsigned cores = cm_cpu_cores();
    return cores < CM_LANES_MAX ? cores : CM_LANES_MAX;
}

cm_status cm_tpch_run_init(const cm_tpch_data *data, const cm_tpch_schema *schema, unsigned lanes,
                           cm_tpch_run *ret, cm_diag *diag)
{
    party_report report[CM_BENCH_PARTIES] = {0};
    cm_status st = CM_OK;
    *ret = (cm_tpch_run){.data = data, .schema = schema, .settings = cm_plan_settings_default()};
    ret->settings.lanes = lanes > 0 ? lanes : cores_to_use();
    ret->settings.lanes_fixed = lanes > 0;
    if (!data->offers_differ) { /* Q9's join has no unique side then: at most four offers a line */
        ret->settings.join_rows = 4 * data->rows[CM_TPCH_LINEITEM];
    }
    for (unsigned i = 0; st == CM_OK && i < CM_BENCH_PARTIES; i++) {
        st = cm_identity_generate("bench", 1, &ret->identity[i], diag);
    }
    if (st == CM_OK) {
        st = run_crew(ret, NULL, report, NULL, diag);
    }
    if (st == CM_OK) {
        /* All links are this machine's own: their rate is its processors' speed, who compute
         * as well. */
        ret->settings.rtt_seconds = 2 * report[0].machine.round;
        ret->settings.bytes_per_second = report[0].machine.rotate;
        ret->settings.work_seconds = WORK_PER_LINK / report[0].machine.rotate;
    } else {
        cm_tpch_run_fini(ret);
    }
    return st;
}

void cm_tpch_run_fini(cm_tpch_run *run)
{
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        cm_identity_free(run->identity[i]);
        run->identity[i] = NULL;
    }
}

/* Q11 takes a part of the value that the definition makes smaller as the data grows. */
static const char *query_text(const cm_tpch_run *run, unsigned query, cm_arena *arena)
{
    const char *text = CM_TPCH_QUERY_TEXTS[query];
    const char *fraction = query == 10 ? strstr(text, "0.0001") : NULL;
    if (fraction == NULL) {
        return text;
    }
    double scale = (double)run->data->rows[CM_TPCH_SUPPLIER] / 10000;
    return cm_arena_printf(arena, "%.*s%.10f%s", (int)(fraction - text), text, 0.0001 / scale,
                           fraction + strlen("0.0001"));
}

static void take_reports(const party_report *report, cm_tpch_result *ret)
{
    int64_t start_ns = INT64_MAX;
    int64_t end_ns = INT64_MIN;
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        const party_report *r = &report[i];
        start_ns = r->start_ns < start_ns ? r->start_ns : start_ns;
        end_ns = r->end_ns > end_ns ? r->end_ns : end_ns;
        ret->bytes_sent = r->bytes > ret->bytes_sent ? r->bytes : ret->bytes_sent;
        ret->rounds = r->rounds > ret->rounds ? r->rounds : ret->rounds;
        ret->peak_bytes = r->peak_bytes > ret->peak_bytes ? r->peak_bytes : ret->peak_bytes;
        ret->rows += r->rows;
    }
    ret->seconds = (double)(end_ns - start_ns) * 1e-9;
}

void cm_tpch_run_query(const cm_tpch_run *run, unsigned query, bool pushdown, cm_arena *arena,
                       cm_tpch_result *ret)
{
    party_report report[CM_BENCH_PARTIES] = {0};
    cm_plan_settings settings = run->settings;
    const cm_query *bound = NULL;
    settings.pushdown = pushdown;
    *ret = (cm_tpch_result){.query = query, .pushdown = pushdown};
    cm_status st =
        cm_sql_prepare(query_text(run, query, arena), run->schema->schema, CM_TPCH_ORGS[0], NULL, 0,
                       &settings, arena, &bound, &ret->plan, &ret->why);
    if (st == CM_OK) {
        cm_measured *measured = CM_NEW_SMALL(arena, cm_measured, ret->plan->nodes + 1);
        ret->measured = measured;
        ret->predicted_seconds = ret->plan->total.seconds;
        ret->predicted_bytes = ret->plan->total.bytes;
        ret->predicted_memory = ret->plan->total.memory;
        st = run_crew(run, ret->plan, report, measured, &ret->why);
    }
    ret->good = st == CM_OK;
    if (ret->good) {
        take_reports(report, ret);
    }
}
