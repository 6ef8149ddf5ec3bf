#include "node/job_run.h"

#include "base/clock.h"
#include "crypto/crypto.h"
#include "exec/exec.h"
#include "node/job_links.h"
#include "node/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ORDER_MS = 30000,
    START_MS = 120000, /* comityd gives up earlier */
    LINKS_MS = 10000,
    HANDSHAKE_MS = 10000,
    INPUT_MS = 86400 * 1000, /* owners' own SQL: source_timeout and the job's deadline end it */
    WRITE_MS = 60000,
    ARENA_BYTES = 1 << 30, /* of address space, for the order and the plan */
    EXIT_SECONDS = 10,     /* after the report */
    MEMORY_STEP_BYTES = 64 << 20,
};

/* Address space, not memory: comityd watches what a job really takes (job_memory). */
static const size_t SHARES_BYTES = (size_t)1 << 38;
static const size_t RESULT_BYTES = (size_t)1 << 36;
static const double READ_STEP_SECONDS = 0.01;

typedef struct run {
    cm_arena arena;  /* order, schema, plan: secret, since it holds the key */
    cm_arena shares; /* secret */
    cm_arena result;
    cm_job_order order;
    cm_federation *federation;
    cm_identity *identity;
    const cm_query *query;
    const cm_plan *plan;
    const cm_schema *schema;
    unsigned me;
    cm_source **source;          /* by server */
    cm_source_table *table;      /* by table */
    cm_mesh *mesh[CM_LANES_MAX]; /* 0 links all participants, the others computing parties */
    unsigned lanes;
    cm_mpc *mpc;
    cm_measured *measured;
    int64_t began_ns;
    struct { /* the owner's part, in a thread of its own */
        bool running;
        pthread_t thread;
        cm_exec_options options;
        cm_exec_input *input;
        cm_status status;
        cm_diag diag;
    } reading;
} run;

/* ---- rights ------------------------------------------------------------------------------- */

static void give_up_rights(void)
{
    cm_process_protect();
    /* What fails here fails towards less protection of this process from its own user; the data is
     * protected from others all the same. */
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
    (void)fcntl(CM_JOB_CONTROL_FD, F_SETFD, FD_CLOEXEC);
    (void)fcntl(CM_JOB_LINKS_FD, F_SETFD, FD_CLOEXEC);
}

/* ---- talking to comityd ------------------------------------------------------------------- */

static bool wait_fd(int fd, short events, int64_t deadline_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int left = cm_clock_left_ms(deadline_ms);
    int ready = poll(&p, 1, left);
    return ready > 0 || (ready < 0 && errno == EINTR && left > 0);
}

static bool read_exactly(uint8_t *data, size_t bytes, int64_t deadline_ms)
{
    for (size_t have = 0; have < bytes;) {
        if (!wait_fd(CM_JOB_CONTROL_FD, POLLIN, deadline_ms)) {
            return false;
        }
        ssize_t got = recv(CM_JOB_CONTROL_FD, data + have, bytes - have, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
            return false;
        }
        have += got > 0 ? (size_t)got : 0;
    }
    return true;
}

/* One frame of a known type.  Its body is read into one block that never moves, so that a key in
 * it can be wiped. */
static bool read_frame(uint8_t type, size_t max_bytes, int timeout_ms, cm_buf *ret)
{
    uint8_t head[5];
    int64_t deadline_ms = cm_clock_ms() + timeout_ms;
    if (!read_exactly(head, sizeof head, deadline_ms)) {
        return false;
    }
    cm_reader r = cm_reader_of(head, sizeof head);
    size_t bytes = cm_reader_u32(&r);
    if (bytes == 0 || bytes > max_bytes || cm_reader_u8(&r) != type) {
        return false;
    }
    uint8_t *room = bytes > 1 ? cm_buf_reserve(ret, bytes - 1) : NULL;
    if (bytes > 1 && (room == NULL || !read_exactly(room, bytes - 1, deadline_ms))) {
        return false;
    }
    cm_buf_commit(ret, bytes - 1);
    return true;
}

static bool write_frame(uint8_t type, const void *body, size_t bytes)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf frame = {0};
    int64_t deadline_ms = cm_clock_ms() + WRITE_MS;
    cm_buf_put_u32(&frame, (uint32_t)bytes + 1);
    cm_buf_put_u8(&frame, type);
    cm_buf_put(&frame, body, bytes);
    for (size_t sent = 0; !frame.failed && sent < frame.bytes;) {
        if (!wait_fd(CM_JOB_CONTROL_FD, POLLOUT, deadline_ms)) {
            return false;
        }
        ssize_t got = send(CM_JOB_CONTROL_FD, frame.data + sent, frame.bytes - sent,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            return false;
        }
        sent += got > 0 ? (size_t)got : 0;
    }
    return !frame.failed;
}

static cm_status node_gone(cm_diag *diag)
{
    return cm_fail(diag, CM_ECANCELLED, CM_SQL_CANCELLED, "the node gave the job up");
}

/* ---- understanding the order -------------------------------------------------------------- */

static cm_status take_identity(run *x, cm_diag *diag)
{
    cm_status st = cm_identity_from_pem(x->order.identity_pem, &x->identity, diag);
    union {
        const char *in;
        char *out;
    } pem = {.in = x->order.identity_pem};
    cm_wipe(pem.out, strlen(pem.out));
    return st;
}

static cm_status read_order(run *x, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf body = {0};
    if (!read_frame(CM_JOBMSG_JOB, CM_JOBMSG_MAX_BYTES, ORDER_MS, &body)) {
        return node_gone(diag);
    }
    cm_status st = cm_job_order_decode(body.data, body.bytes, &x->arena, &x->order, diag);
    if (st == CM_OK) {
        st = take_identity(x, diag);
    }
    if (st == CM_OK) {
        st = cm_federation_parse(x->order.federation, true, &x->federation, diag);
    }
    return st;
}

static cm_status plan_again(run *x, cm_diag *diag)
{
    const cm_job_order *o = &x->order;
    cm_status st = cm_schema_of_catalogs(x->federation, o->org, o->catalog, o->catalogs, &x->arena,
                                         &x->schema, diag);
    if (st == CM_OK) {
        st = cm_sql_prepare(o->sql, x->schema, o->coordinator, o->param, o->params, &o->settings,
                            &x->arena, &x->query, &x->plan, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    if (memcmp(x->plan->digest.bytes, o->plan.bytes, CM_HASH_BYTES) != 0) {
        return cm_fail(diag, CM_EPROTO, CM_SQL_INTERNAL,
                       "comityd and comity-job plan differently: are they of one version?");
    }
    for (unsigned i = 0; i < x->plan->participants; i++) {
        if (strcmp(x->plan->participant[i], o->org) == 0) {
            x->me = i;
            x->measured = CM_NEW_SMALL(&x->arena, cm_measured, x->plan->nodes + 1);
            return CM_OK;
        }
    }
    return cm_fail(diag, CM_EPROTO, CM_SQL_INTERNAL, "this node has no part in the job");
}

/* ---- sources ------------------------------------------------------------------------------ */

static cm_status open_server_of(run *x, const char *name, cm_source **ret, cm_diag *diag)
{
    const cm_job_order *o = &x->order;
    for (size_t i = 0; i < o->servers; i++) {
        if (strcmp(o->server[i].name, name) != 0) {
            continue;
        }
        cm_source_kind kind;
        cm_status st = CM_OK;
        if (x->source[i] == NULL) {
            st = cm_source_kind_by_name(o->server[i].wrapper, &kind, diag);
            if (st == CM_OK) {
                st = cm_source_open(kind, &o->server[i].options, o->cache_dir,
                                    (int)o->source_timeout_ms, &x->source[i], diag);
            }
        }
        *ret = x->source[i];
        return st;
    }
    return cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT, "server \"%.63s\" does not exist",
                   name);
}

static cm_status find_source(void *arg, const cm_org_table *table, cm_source **ret_source,
                             const cm_source_table **ret_table, cm_diag *diag)
{
    run *x = arg;
    const cm_job_order *o = &x->order;
    for (size_t i = 0; i < o->tables; i++) {
        if (strcmp(o->table[i].table.name, table->name) == 0) {
            /* The published table's columns are the plan's: both come from one signed catalog. */
            x->table[i] = (cm_source_table){table, o->table[i].remote, o->table[i].remote_col};
            *ret_table = &x->table[i];
            return open_server_of(x, o->table[i].server, ret_source, diag);
        }
    }
    return cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_TABLE, "relation \"%.63s\" does not exist",
                   table->name);
}

/* ---- computing ---------------------------------------------------------------------------- */

/* What the links of a lane are for.  The preamble, which says so to comityd, is in the clear: who
 * carries it could exchange lanes, or jobs of the same organisations. */
static cm_hash purpose_of(const run *x, unsigned lane)
{
    static const char what[] = "comity job links 1";
    const uint8_t number = (uint8_t)lane;
    cm_sha256_ctx *ctx = cm_sha256_new();

    _Static_assert(CM_LANES_MAX <= UINT8_MAX, "a lane's number is a byte");
    cm_sha256_put(ctx, what, sizeof what);
    cm_sha256_put(ctx, x->federation->digest.bytes, CM_HASH_BYTES);
    cm_sha256_put(ctx, x->order.job, CM_JOB_ID_BYTES);
    cm_sha256_put(ctx, x->plan->digest.bytes, CM_HASH_BYTES);
    cm_sha256_put(ctx, &number, sizeof number);
    return cm_sha256_finish(ctx);
}

/* Links to member[j] at fds[j], in the order of the plan's participants. */
static cm_status open_mesh(run *x, unsigned lane, const int *fds, const cm_cert *certs,
                           cm_diag *diag)
{
    const cm_plan *plan = x->plan;
    cm_mesh_tls options = {.me = x->me,
                           .participants =
                               (unsigned)(lane == 0 ? plan->participants : plan->parties),
                           .fds = fds,
                           .identity = x->identity,
                           .certs = certs,
                           .names = plan->participant,
                           .purpose = purpose_of(x, lane),
                           .timeout_ms = HANDSHAKE_MS,
                           .idle_timeout_ms = (int)x->order.idle_timeout_ms};
    return cm_mesh_new_tls(&options, &x->mesh[lane], diag);
}

/* A lane whose links come up in a thread of its own. */
typedef struct raised {
    run *x;
    unsigned lane;
    const int *fds;
    const cm_cert *certs;
    bool running;
    pthread_t thread;
    cm_status status;
    cm_diag diag;
} raised;

static void *raise_lane(void *arg)
{
    raised *r = arg;
    r->status = open_mesh(r->x, r->lane, r->fds, r->certs, &r->diag);
    return NULL;
}

static void close_fds(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

/* All lanes at once: a handshake is mostly waiting.  Without a thread a lane's sockets are closed,
 * so that nobody waits for them. */
static cm_status shake_lanes(run *x, const int *fds, const cm_cert *certs, cm_diag *diag)
{
    size_t participants = x->plan->participants;
    unsigned lanes = x->me < x->plan->parties ? x->lanes : 1;
    raised *all = CM_NEW_SMALL(&x->arena, raised, lanes);
    for (unsigned i = 0; i < lanes; i++) {
        all[i] = (raised){.x = x, .lane = i, .fds = fds + i * participants, .certs = certs};
        all[i].running = i > 0 && pthread_create(&all[i].thread, NULL, raise_lane, &all[i]) == 0;
        if (i > 0 && !all[i].running) {
            close_fds(all[i].fds, participants);
            all[i].status = cm_fail(&all[i].diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY,
                                    "a job could not start its threads");
        }
    }
    (void)raise_lane(&all[0]);
    cm_status st = CM_OK;
    for (unsigned i = 0; i < lanes; i++) {
        CM_ASSERT(!all[i].running || pthread_join(all[i].thread, NULL) == 0);
        if (st == CM_OK && all[i].status != CM_OK) {
            st = all[i].status;
            *diag = all[i].diag;
        }
    }
    return st;
}

static cm_status open_meshes(run *x, cm_diag *diag)
{
    const cm_plan *plan = x->plan;
    const cm_federation_member *member[CM_FEDERATION_MAX_MEMBERS];
    cm_cert *certs = CM_NEW_SMALL(&x->arena, cm_cert, plan->participants);
    CM_ASSERT(plan->participants <= CM_FEDERATION_MAX_MEMBERS);
    for (size_t i = 0; i < plan->participants; i++) {
        int index = cm_federation_index(x->federation, plan->participant[i]);
        CM_ASSERT(index >= 0);
        member[i] = &x->federation->member[index];
        certs[i] = member[i]->cert;
    }
    x->lanes = cm_plan_lanes(plan, &x->order.settings);
    int *fds = CM_NEW_SMALL(&x->arena, int, x->lanes * plan->participants);
    cm_links_request request = {.job = x->order.job,
                                .federation = &x->federation->digest,
                                .me = x->me,
                                .participants = (unsigned)plan->participants,
                                .parties = (unsigned)plan->parties,
                                .lanes = x->lanes,
                                .member = member,
                                .handed_fd = CM_JOB_LINKS_FD,
                                .timeout_ms = LINKS_MS};
    cm_status st = cm_links_open(&request, fds, diag);
    return st == CM_OK ? shake_lanes(x, fds, certs, diag) : st;
}

static void on_progress(void *arg, unsigned node)
{
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    (void)arg;
    cm_buf_put_u32(&body, node);
    /* For people; whether it arrives changes nothing. */
    (void)write_frame(CM_JOBMSG_PROGRESS, body.data, body.bytes);
}

static cm_status mesh_failed(run *x, cm_status st, cm_diag *diag)
{
    if (diag->status == CM_OK) {
        *diag = *cm_mesh_diag(x->mesh[0]);
    }
    return diag->status != CM_OK
               ? st
               : cm_fail(diag, st, CM_SQL_CONNECTION_FAILURE, "%s", cm_status_text(st));
}

/* ---- reading, while links come up --------------------------------------------------------- */

static void *read_inputs(void *arg)
{
    run *x = arg;
    x->reading.status =
        cm_exec_read(&x->reading.options, &x->shares, &x->reading.input, &x->reading.diag);
    return NULL;
}

static cm_status begin_reading(run *x, cm_diag *diag)
{
    x->reading.options = (cm_exec_options){
        .plan = x->plan, .me = x->me, .sources = {x, find_source}, .measured = x->measured};
    if (pthread_create(&x->reading.thread, NULL, read_inputs, x) != 0) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "a job could not start its thread");
    }
    x->reading.running = true;
    return CM_OK;
}

/* No deadline here: each statement of a source has its own. */
static cm_status finish_reading(run *x, cm_diag *diag)
{
    CM_ASSERT(pthread_join(x->reading.thread, NULL) == 0);
    x->reading.running = false;
    if (x->reading.status != CM_OK) {
        *diag = x->reading.diag;
    }
    return x->reading.status;
}

/* ---- computing together ------------------------------------------------------------------- */

/* Everybody waits for everybody: nobody's end closes a link that another still needs, and whoever
 * reports success knows that all others came to the end, too. */
static cm_status meet_at_the_end(run *x, cm_diag *diag)
{
    uint8_t end = 0xed, got = 0;
    cm_status st = CM_OK;
    for (unsigned j = 0; st == CM_OK && j < x->plan->participants; j++) {
        st = j != x->me ? cm_mesh_send(x->mesh[0], j, &end, 1) : CM_OK;
    }
    for (unsigned j = 0; st == CM_OK && j < x->plan->participants; j++) {
        st = j != x->me ? cm_mesh_recv(x->mesh[0], j, &got, 1) : CM_OK;
        if (st == CM_OK && j != x->me && got != end) {
            return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "\"%s\" is out of step",
                           x->plan->participant[j]);
        }
    }
    return st == CM_OK ? CM_OK : mesh_failed(x, st, diag);
}

/* ---- materialized views ------------------------------------------------------------------- */

static cm_status save_rows(void *arg, cm_bcol rows, cm_diag *diag)
{
    run *x = arg;
    CM_ASSERT(x->order.stored > 0);
    return cm_stored_write(x->order.stored_dir, &x->order.stored_key[0], rows, x->shares, diag);
}

static cm_status load_rows(void *arg, const cm_org_table *view, cm_bcol rows, cm_diag *diag)
{
    run *x = arg;
    for (size_t i = 0; i < x->order.stored; i++) {
        const cm_stored_key *key = &x->order.stored_key[i];
        if (memcmp(key->id, view->stored->id, sizeof key->id) == 0) {
            return cm_stored_read(x->order.stored_dir, key, rows, x->shares, diag);
        }
    }
    return cm_fail(diag, CM_ENOTFOUND, CM_SQL_INTERNAL,
                   "the key of a materialized view is missing");
}

static cm_status compute(run *x, cm_exec_result *ret, cm_diag *diag)
{
    cm_protocol protocol;
    cm_status st = cm_protocol_by_name(x->federation->charter.protocol, &protocol);
    if (st != CM_OK || protocol == CM_PROTOCOL_CLEAR) {
        return cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED, "protocol \"%.63s\"",
                       x->federation->charter.protocol);
    }
    const cm_plan_settings *settings = &x->order.settings;
    cm_mpc_options session = {
        .protocol = protocol,
        .lanes = x->lanes,
        .mesh = x->mesh,
        .parties = (unsigned)x->plan->parties,
        .scratch_bytes = SHARES_BYTES,
        .round_bytes = cm_round_bytes_of(settings->rtt_seconds, settings->bytes_per_second)};
    st = cm_mpc_new_lanes(&session, &x->mpc, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_exec_options options = {.plan = x->plan,
                               .mpc = x->mpc,
                               .me = x->me,
                               .sources = {x, find_source},
                               .store = {x, save_rows, load_rows},
                               .progress = on_progress,
                               .measured = x->measured,
                               .input_timeout_ms = INPUT_MS,
                               .input = x->reading.input};
    st = cm_exec_run(&options, &x->shares, &x->result, ret, diag);
    if (st != CM_OK) {
        return diag->status != CM_OK ? st : mesh_failed(x, st, diag);
    }
    return CM_OK;
}

/* ---- the answer --------------------------------------------------------------------------- */

static void print_row(const run *x, const cm_value *row, cm_buf *out)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    const cm_plan *plan = x->plan;
    for (size_t c = 0; c < plan->outputs; c++) {
        cm_buf_clear(&text);
        if (!row[c].null) {
            cm_value_print(&plan->root->col[plan->output[c]].type, &row[c], &text);
        }
        cm_buf_put_text(out, row[c].null ? NULL : cm_buf_text(&text));
        out->failed = out->failed || text.failed;
    }
}

static bool send_rows(const run *x, const cm_exec_result *result)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf rows = {0};
    CM_CLEANUP(cm_buf_wipe_free) cm_buf body = {0};
    uint32_t count = 0;
    for (size_t i = 0; i < result->rows; i++) {
        print_row(x, result->value + i * result->cols, &rows);
        count++;
        if (rows.bytes >= CM_ROWS_BYTES || i + 1 == result->rows) {
            cm_buf_clear(&body);
            cm_buf_put_u32(&body, count);
            cm_buf_put(&body, rows.data, rows.bytes);
            if (rows.failed || body.failed || !write_frame(CM_JOBMSG_ROWS, body.data, body.bytes)) {
                return false;
            }
            cm_buf_clear(&rows);
            count = 0;
        }
    }
    return true;
}

/*
 * What a process took of its machine, in coarse steps: an owner's memory and the time of its own
 * SQL follow how many of its rows a condition left, which padding hides.
 */
static uint64_t coarse_memory(uint64_t bytes)
{
    return (bytes / MEMORY_STEP_BYTES + 1) * MEMORY_STEP_BYTES;
}

static void coarsen_reading(const run *x)
{
    for (size_t i = 0; i < x->plan->nodes; i++) {
        if (x->plan->node[i]->op == CM_PLAN_INPUT) {
            uint64_t steps = (uint64_t)(x->measured[i].seconds / READ_STEP_SECONDS) + 1;
            x->measured[i].seconds = (double)steps * READ_STEP_SECONDS;
        }
    }
}

static bool send_report(const run *x, cm_status st, const cm_diag *why)
{
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    struct rusage usage = {0};
    cm_job_report report = {.ok = st == CM_OK};
    if (st != CM_OK) {
        report.why = *why;
        if (report.why.status == CM_OK) {
            cm_diag_set(&report.why, st, CM_SQL_INTERNAL, "%s", cm_status_text(st));
        }
    }
    if (x->mpc != NULL) {
        cm_mesh_stats stats = cm_mpc_statistics(x->mpc);
        report.bytes = stats.bytes_sent;
        report.rounds = stats.rounds;
    }
    for (size_t i = 0; x->mpc != NULL && i < CM_COUNT(report.opened); i++) {
        report.opened[i] = cm_mpc_opened(x->mpc, (cm_ticket_kind)i);
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        report.peak_memory_bytes = coarse_memory((uint64_t)usage.ru_maxrss * 1024);
    }
    report.microseconds = x->began_ns != 0 ? (uint64_t)(cm_clock_ns() - x->began_ns) / 1000 : 0;
    if (st == CM_OK) {
        coarsen_reading(x);
        report.nodes = x->plan->nodes;
        report.measured = x->measured;
    }
    cm_job_report_encode(&report, &body);
    return !body.failed && write_frame(CM_JOBMSG_REPORT, body.data, body.bytes);
}

/* ---- the whole ---------------------------------------------------------------------------- */

static cm_status prepare(run *x, cm_diag *diag)
{
    if (cm_arena_init_secret(&x->arena, ARENA_BYTES) != CM_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_status st = read_order(x, diag);
    if (st == CM_OK) {
        st = plan_again(x, diag);
    }
    if (st == CM_OK && (cm_arena_init_secret(&x->shares, SHARES_BYTES) != CM_OK ||
                        cm_arena_init(&x->result, RESULT_BYTES) != CM_OK)) {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY,
                     "the address space of a job could not be had");
    }
    if (st == CM_OK) {
        x->source = CM_NEW_SMALL(&x->arena, cm_source *, x->order.servers + 1);
        x->table = CM_NEW_SMALL(&x->arena, cm_source_table, x->order.tables + 1);
    }
    return st;
}

static cm_status work(run *x, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf none = {0};
    cm_exec_result result = {0};
    if (!read_frame(CM_JOBMSG_START, 1, START_MS, &none)) {
        return node_gone(diag);
    }
    x->began_ns = cm_clock_ns();
    cm_status st = begin_reading(x, diag);
    if (st == CM_OK) {
        st = open_meshes(x, diag);
    }
    if (st == CM_OK) {
        st = finish_reading(x, diag);
    }
    if (st == CM_OK) {
        st = compute(x, &result, diag);
    }
    if (st == CM_OK) {
        st = meet_at_the_end(x, diag);
    }
    if (st == CM_OK && x->me == x->plan->coordinator && !send_rows(x, &result)) {
        st = cm_fail(diag, CM_EIO, CM_SQL_IO, "the answer could not be handed to the node");
    }
    return st;
}

static void clean_up(run *x)
{
    cm_mpc_free(x->mpc);
    for (unsigned i = 0; i < CM_LANES_MAX; i++) {
        cm_mesh_free(x->mesh[i]);
    }
    for (size_t i = 0; x->source != NULL && i < x->order.servers; i++) {
        cm_source_free(x->source[i]);
    }
    cm_identity_free(x->identity);
    cm_federation_free(x->federation);
    cm_arena_fini(&x->result);
    cm_arena_fini(&x->shares);
    cm_arena_fini(&x->arena);
}

int cm_job_run(void)
{
    run *x = calloc(1, sizeof *x);
    cm_diag diag = {0};
    if (x == NULL) {
        return 1;
    }
    give_up_rights();
    cm_status st = prepare(x, &diag);
    if (st == CM_OK) {
        st = work(x, &diag);
    }
    /* Whatever hangs from here on ends by itself. */
    (void)alarm(EXIT_SECONDS);
    bool reported = send_report(x, st, &diag);
    if (x->reading.running) { /* it still uses what would be freed */
        _exit(reported ? 0 : 1);
    }
    clean_up(x);
    free(x);
    return reported ? 0 : 1;
}
