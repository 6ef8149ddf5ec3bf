/*
 * A job that a session of this node asked for.
 *
 *   PROPOSING  proposals are out; refusals end it, or once, when catalogs differed, repeat it
 *   RUNNING    everybody consented and was started; rows of the answer are kept back
 *   DELIVERING everybody reported done and the outcome is recorded: the rows go to the session
 *
 * Failures: the cause is wanted, not its echo.  A process that loses its peers says so (CM_EPEER)
 * while the cause is another participant's report, or a control link that is about to be found
 * dead.  So an echo waits SETTLE_MS for something better.
 */
#include "node/jobs_int.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONSENT_MS = 20000,
    SETTLE_MS = 1500,
    RETRY_MS = 300,
    PROPOSAL_SECONDS = 120,
};

typedef enum job_state { JOB_PROPOSING, JOB_RUNNING, JOB_DELIVERING } job_state;

typedef struct participant {
    unsigned member;
    bool consented, reported;
    cm_job_report report;
} participant;

struct cm_job {
    cm_jobs *jobs;
    cm_job *next;
    uint8_t id[CM_JOB_ID_BYTES];
    job_state state;
    cm_arena arena; /* the request and reports */
    cm_job_request request;
    cm_prepared prepared;
    cm_job_events events;
    size_t participants;
    participant part[CM_FEDERATION_MAX_MEMBERS];
    bool retried, retrying;
    bool over;     /* the session cancelled while the answer was being delivered */
    bool settling; /* an echo of a failure is in why */
    cm_diag why;
    cm_timer *timer;  /* consents, then the deadline */
    cm_timer *settle; /* also: the pause before a second proposal */
    int64_t began_ms;
    cm_buf rows; /* u32 bytes and body of each ROWS message */
    size_t rows_limit;
};

static cm_job *find(cm_jobs *jobs, const uint8_t *id)
{
    for (cm_job *j = jobs->jobs; j != NULL; j = j->next) {
        if (memcmp(j->id, id, sizeof j->id) == 0) {
            return j;
        }
    }
    return NULL;
}

static cm_node *node_of(const cm_job *job)
{
    return job->jobs->node;
}

const cm_plan *cm_job_plan(const cm_job *job)
{
    return job->prepared.plan;
}

const uint8_t *cm_job_id(const cm_job *job)
{
    return job->id;
}

static void job_free(cm_job *job)
{
    cm_job **at = &job->jobs->jobs;
    while (*at != job) {
        CM_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = job->next;
    cm_timer_close(job->timer);
    cm_timer_close(job->settle);
    cm_buf_wipe_free(&job->rows);
    cm_prepared_fini(&job->prepared);
    cm_arena_fini(&job->arena);
    free(job);
}

static void send_all(cm_job *job, uint8_t type, const void *data, size_t bytes)
{
    for (size_t i = 0; i < job->participants; i++) {
        /* A participant whose link is gone ends its part by itself. */
        cm_peers_send(cm_node_peers(node_of(job)), job->part[i].member, type, data, bytes);
    }
}

static void send_abort(cm_job *job, const cm_diag *why)
{
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    cm_buf_put(&body, job->id, sizeof job->id);
    cm_diag_encode(why, &body);
    if (!body.failed) {
        send_all(job, CM_MSG_ABORT, body.data, body.bytes);
    }
}

/* ---- outcome ------------------------------------------------------------------------------ */

static cm_status record(cm_job *job, const cm_diag *why, const cm_job_stats *stats, cm_diag *diag)
{
    cm_node *node = node_of(job);
    const cm_job_request *q = &job->request;
    cm_audit_entry entry = {.kind = CM_AUDIT_OUTCOME,
                            .coordinator = cm_node_org(node),
                            .role = q->role,
                            .allowed = why == NULL,
                            .sqlstate = why == NULL ? "" : why->sqlstate,
                            .message = why == NULL ? "" : why->message,
                            .milliseconds = (uint64_t)(cm_clock_ms() - job->began_ms)};
    memcpy(entry.job, job->id, sizeof entry.job);
    if (job->prepared.plan != NULL) {
        cm_audit_describe(&entry, job->prepared.plan, &job->prepared.arena);
    }
    if (stats != NULL) {
        entry.bytes = stats->bytes;
        entry.rounds = stats->rounds;
        memcpy(entry.opened, stats->opened, sizeof entry.opened);
    }
    cm_status st = cm_audit_statement(q->sql, q->param, q->params, &job->arena, &entry.sql, diag);
    if (st == CM_OK) {
        st = cm_audit_append(cm_node_audit(node), &entry, diag);
    }
    if (st != CM_OK) {
        cm_node_log(node, "the outcome of a job could not be recorded: %s", diag->message);
    }
    return st;
}

static void job_end(cm_job *job, const cm_diag *why, bool silent)
{
    cm_diag disk = {0}, copy = *why;
    cm_job_events events = job->events;
    send_abort(job, &copy);
    if (record(job, &copy, NULL, &disk) != CM_OK) {
        /* The failure itself is what the session is told. */
        cm_node_log(node_of(job), "a failed job is missing in the audit log");
    }
    job_free(job);
    if (!silent) {
        events.failed(events.arg, &copy);
    }
}

static void on_settled(void *arg)
{
    cm_job *job = arg;
    job_end(job, &job->why, false);
}

static void job_fail(cm_job *job, const cm_diag *why)
{
    bool echo = why->status == CM_EPEER || why->status == CM_EDEAD;
    int named = cm_federation_index(cm_node_federation(node_of(job)), why->party);
    if (echo && named >= 0 && !cm_peers_connected(cm_node_peers(node_of(job)), (unsigned)named)) {
        echo = false; /* its node is gone: that is the cause */
    }
    if (!echo) {
        job_end(job, why, false);
        return;
    }
    if (!job->settling) {
        job->settling = true;
        job->why = *why;
        cm_timer_close(job->settle);
        job->settle = cm_timer_start(cm_node_loop(node_of(job)), SETTLE_MS, 0, on_settled, job);
    }
}

/* ---- delivering --------------------------------------------------------------------------- */

static void sum_up(cm_job *job, cm_job_stats *ret)
{
    size_t nodes = job->prepared.plan->nodes;
    cm_measured *most = CM_NEW_SMALL(&job->arena, cm_measured, nodes + 1);
    memset(ret, 0, sizeof *ret);
    ret->seconds = (double)(cm_clock_ms() - job->began_ms) / 1000;
    ret->nodes = nodes;
    ret->measured = most;
    for (size_t i = 0; i < job->participants; i++) {
        const cm_job_report *r = &job->part[i].report;
        double seconds = (double)r->microseconds / 1e6;
        ret->bytes += r->bytes;
        ret->rounds = r->rounds > ret->rounds ? r->rounds : ret->rounds;
        ret->compute_seconds = seconds > ret->compute_seconds ? seconds : ret->compute_seconds;
        if (r->peak_memory_bytes > ret->peak_memory_bytes) {
            ret->peak_memory_bytes = r->peak_memory_bytes;
        }
        for (size_t k = 0; k < CM_COUNT(ret->opened); k++) {
            ret->opened[k] = r->opened[k] > ret->opened[k] ? r->opened[k] : ret->opened[k];
        }
        for (size_t n = 0; n < nodes && n < r->nodes; n++) {
            const cm_measured *m = &r->measured[n];
            most[n].bytes = m->bytes > most[n].bytes ? m->bytes : most[n].bytes;
            most[n].rounds = m->rounds > most[n].rounds ? m->rounds : most[n].rounds;
            most[n].seconds = m->seconds > most[n].seconds ? m->seconds : most[n].seconds;
        }
    }
}

/* One ROWS message to the session; false when it is not what a job's process writes. */
static bool deliver_rows(cm_job *job, cm_reader *r)
{
    size_t cols = job->prepared.plan->outputs;
    uint32_t rows = cm_reader_u32(r);
    for (uint32_t i = 0; i < rows && !r->failed && !job->over; i++) {
        cm_arena scratch = job->arena;
        const char **text = CM_NEW_SMALL(&scratch, const char *, cols + 1);
        for (size_t c = 0; c < cols; c++) {
            text[c] = cm_reader_text(r, &scratch, CM_JOBMSG_MAX_BYTES);
        }
        if (!r->failed) {
            job->events.row(job->events.arg, text);
        }
    }
    return job->over || cm_reader_done(r);
}

static void deliver(cm_job *job)
{
    cm_job_stats stats;
    cm_diag why = {0};
    cm_job_events events = job->events;
    sum_up(job, &stats);
    /* Nothing is shown that the log does not know of. */
    if (record(job, NULL, &stats, &why) != CM_OK) {
        job_free(job);
        events.failed(events.arg, &why);
        return;
    }
    job->state = JOB_DELIVERING;
    cm_reader all = cm_reader_of(job->rows.data, job->rows.bytes);
    bool ok = true;
    while (ok && !job->over && cm_reader_left(&all) > 0) {
        uint32_t bytes = cm_reader_u32(&all);
        const uint8_t *body = cm_reader_bytes(&all, bytes);
        cm_reader r = cm_reader_of(body, body != NULL ? bytes : 0);
        ok = body != NULL && deliver_rows(job, &r);
    }
    if (!job->over && ok) {
        events.done(events.arg, &stats);
    } else if (!job->over) {
        cm_diag_set(&why, CM_EPROTO, CM_SQL_INTERNAL, "the job's process wrote nonsense");
        events.failed(events.arg, &why);
    }
    job_free(job);
}

/* ---- proposing ---------------------------------------------------------------------------- */

static cm_status find_participants(cm_job *job, cm_diag *diag)
{
    cm_node *node = node_of(job);
    const cm_plan *plan = job->prepared.plan;
    CM_ASSERT(plan->participants <= CM_FEDERATION_MAX_MEMBERS);
    job->participants = plan->participants;
    for (size_t i = 0; i < plan->participants; i++) {
        job->part[i] = (participant){.member = cm_member_of(node, plan->participant[i])};
        if (!cm_peers_connected(cm_node_peers(node), job->part[i].member)) {
            cm_status st = cm_fail(diag, CM_EPEER, CM_SQL_CONNECTION_FAILURE,
                                   "\"%s\" is not connected", plan->participant[i]);
            cm_diag_party(diag, plan->participant[i]);
            cm_diag_hint(diag, "The query needs it. Its node may be down: see comity status.");
            return st;
        }
    }
    return CM_OK;
}

static void on_consents_late(void *arg)
{
    cm_job *job = arg;
    const cm_plan *plan = job->prepared.plan;
    for (size_t i = 0; i < job->participants; i++) {
        if (!job->part[i].consented) {
            cm_diag why;
            cm_diag_set(&why, CM_EIO, CM_SQL_CONNECTION_FAILURE,
                        "\"%s\" did not answer the proposal in time", plan->participant[i]);
            cm_diag_party(&why, plan->participant[i]);
            job_end(job, &why, false);
            return;
        }
    }
}

/* Plans and sends proposals under a fresh number. */
static cm_status propose(cm_job *job, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    cm_node *node = node_of(job);
    const cm_federation *f = cm_node_federation(node);
    const cm_job_request *q = &job->request;
    cm_named_catalog catalog[CM_FEDERATION_MAX_MEMBERS];
    cm_status st = cm_prepared_plan(&job->prepared, node, cm_node_org(node), q->sql, q->param,
                                    q->params, &q->settings, diag);
    if (st == CM_OK) {
        st = cm_policy_check(job->prepared.query, cm_snapshot_schema(job->prepared.snapshot),
                             cm_node_org(node), NULL, diag);
    }
    if (st == CM_OK) {
        st = find_participants(job, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    for (size_t i = 0; i < f->members; i++) {
        catalog[i] = (cm_named_catalog){f->member[i].org,
                                        cm_catalog_id_of(cm_node_catalog(node), f->member[i].org)};
    }
    cm_random_bytes(job->id, sizeof job->id);
    cm_proposal p = {.federation = f->digest,
                     .coordinator = cm_node_org(node),
                     .role = q->role,
                     .sql = q->sql,
                     .params = q->params,
                     .param = q->param,
                     .settings = q->settings,
                     .catalogs = f->members,
                     .catalog = catalog,
                     .plan = job->prepared.plan->digest,
                     .created_unix = cm_clock_unix(),
                     .expires_unix = cm_clock_unix() + PROPOSAL_SECONDS,
                     .deadline_ms = (uint32_t)q->deadline_ms};
    memcpy(p.job, job->id, sizeof p.job);
    cm_proposal_encode(&p, cm_node_identity(node), &body);
    if (body.failed || body.bytes >= CM_MESSAGE_MAX_BYTES) {
        return cm_fail(diag, CM_ENOMEM, "54000", "the statement and its parameters are too long");
    }
    job->state = JOB_PROPOSING;
    cm_timer_close(job->timer);
    job->timer = cm_timer_start(cm_node_loop(node), CONSENT_MS, 0, on_consents_late, job);
    send_all(job, CM_MSG_PROPOSE, body.data, body.bytes);
    return CM_OK;
}

static void propose_again(void *arg)
{
    cm_job *job = arg;
    cm_diag why = {0};
    cm_timer_close(job->settle);
    job->settle = NULL;
    job->retrying = false;
    if (propose(job, &why) != CM_OK) {
        job_end(job, &why, false);
    }
}

/* Catalogs differ: both sides send each other what they hold, then everything begins anew. */
static void retry(cm_job *job, unsigned member, const cm_diag *why)
{
    cm_node *node = node_of(job);
    job->retried = true;
    job->retrying = true;
    cm_peers_send_catalogs(cm_node_peers(node), member);
    send_abort(job, why);
    memset(job->id, 0, sizeof job->id); /* what still comes for the old number is for nobody */
    cm_timer_close(job->settle);
    job->settle = cm_timer_start(cm_node_loop(node), RETRY_MS, 0, propose_again, job);
}

static void copy_request(cm_job *job, const cm_job_request *request)
{
    const char **param = CM_NEW_SMALL(&job->arena, const char *, request->params + 1);
    for (size_t i = 0; i < request->params; i++) {
        param[i] =
            request->param[i] != NULL ? cm_arena_strdup(&job->arena, request->param[i]) : NULL;
    }
    job->request = *request;
    job->request.role = cm_arena_strdup(&job->arena, request->role);
    job->request.sql = cm_arena_strdup(&job->arena, request->sql);
    job->request.param = param;
    if (job->request.deadline_ms <= 0) {
        job->request.deadline_ms = (int)cm_node_setting(node_of(job), "job_deadline") * 1000;
    }
    job->rows_limit = (size_t)cm_node_setting(node_of(job), "job_result") << 20;
}

/* What policy refuses here never reaches the others, and is in this node's log all the same. */
static void record_refusal(cm_job *job, const cm_diag *why)
{
    cm_diag disk = {0};
    if (strcmp(why->sqlstate, CM_SQL_DENIED) == 0) {
        (void)(record(job, why, NULL, &disk) == CM_OK);
    }
}

cm_status cm_job_start(cm_node *node, const cm_job_request *request, const cm_job_events *events,
                       cm_job **ret, cm_diag *diag)
{
    cm_jobs *jobs = cm_node_jobs(node);
    if (cm_node_federation(node) == NULL) {
        cm_status st =
            cm_fail(diag, CM_ENOTFOUND, CM_SQL_NOT_READY, "this node is in no federation yet");
        cm_diag_hint(diag, "Use comity invite and comity join.");
        return st;
    }
    if (jobs->part_count >= (size_t)cm_node_setting(node, "job_limit")) {
        cm_status st =
            cm_fail(diag, CM_EDENIED, CM_SQL_TOO_MANY, "this node runs too many jobs already");
        cm_diag_hint(diag, "Try again later, or raise job_limit.");
        return st;
    }
    cm_job *job = calloc(1, sizeof *job);
    cm_diag why = {0};
    cm_status st = job == NULL ? CM_ENOMEM : cm_arena_init(&job->arena, JOB_ARENA_BYTES);
    if (st == CM_OK) {
        st = cm_prepared_init(&job->prepared, &why);
    }
    if (st != CM_OK) {
        if (job != NULL) {
            cm_arena_fini(&job->arena);
        }
        free(job);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    job->jobs = jobs;
    job->next = jobs->jobs;
    jobs->jobs = job;
    job->events = *events;
    job->began_ms = cm_clock_ms();
    copy_request(job, request);
    st = propose(job, &why);
    if (st != CM_OK) {
        record_refusal(job, &why);
        job_free(job);
        if (diag != NULL) {
            *diag = why;
        }
        return st;
    }
    *ret = job;
    return CM_OK;
}

/* ---- answers ------------------------------------------------------------------------------ */

static participant *participant_of(cm_job *job, unsigned member)
{
    for (size_t i = 0; i < job->participants; i++) {
        if (job->part[i].member == member) {
            return &job->part[i];
        }
    }
    return NULL;
}

static void on_deadline(void *arg)
{
    cm_diag why;
    cm_diag_set(&why, CM_ECANCELLED, CM_SQL_CANCELLED,
                "canceling statement due to statement timeout");
    job_end(arg, &why, false);
}

static void start_all(cm_job *job)
{
    cm_node *node = node_of(job);
    job->state = JOB_RUNNING;
    cm_timer_close(job->timer);
    job->timer = cm_timer_start(cm_node_loop(node), job->request.deadline_ms, 0, on_deadline, job);
    send_all(job, CM_MSG_START, job->id, sizeof job->id);
    if (job->events.started != NULL) {
        job->events.started(job->events.arg);
    }
}

void cm_job_consented(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes)
{
    const cm_federation_member *member = &cm_node_federation(jobs->node)->member[from];
    cm_consent consent;
    if (cm_consent_decode(data, bytes, &member->cert, &consent) != CM_OK) {
        cm_node_log(jobs->node, "a consent of %s is malformed or not signed", member->org);
        return;
    }
    cm_job *job = find(jobs, consent.job);
    participant *p = job != NULL ? participant_of(job, from) : NULL;
    if (p == NULL || job->state != JOB_PROPOSING || job->retrying || p->consented ||
        memcmp(&consent.plan, &job->prepared.plan->digest, sizeof consent.plan) != 0) {
        return;
    }
    if (!consent.allowed) {
        if (consent.stale && !job->retried) {
            retry(job, from, &consent.why);
        } else {
            job_end(job, &consent.why, false);
        }
        return;
    }
    p->consented = true;
    for (size_t i = 0; i < job->participants; i++) {
        if (!job->part[i].consented) {
            return;
        }
    }
    start_all(job);
}

void cm_job_reported(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes)
{
    cm_reader r = cm_reader_of(data, bytes);
    const uint8_t *id = cm_reader_bytes(&r, CM_JOB_ID_BYTES);
    cm_job *job = id != NULL ? find(jobs, id) : NULL;
    participant *p = job != NULL ? participant_of(job, from) : NULL;
    if (p == NULL || p->reported || job->state == JOB_DELIVERING) {
        return;
    }
    p->reported = true;
    if (!cm_job_report_decode(&r, &job->arena, &p->report)) {
        cm_diag why;
        const char *org = cm_node_federation(jobs->node)->member[from].org;
        cm_diag_set(&why, CM_EPROTO, CM_SQL_PROTOCOL, "\"%s\" sent a malformed report", org);
        cm_diag_party(&why, org);
        job_end(job, &why, false);
        return;
    }
    if (!p->report.ok) {
        job_fail(job, &p->report.why);
        return;
    }
    for (size_t i = 0; i < job->participants; i++) {
        if (!job->part[i].reported || !job->part[i].report.ok) {
            return;
        }
    }
    if (job->state == JOB_RUNNING && !job->settling) {
        deliver(job);
    }
}

void cm_job_progress(cm_jobs *jobs, const uint8_t *id, unsigned node)
{
    cm_job *job = find(jobs, id);
    if (job != NULL && job->events.progress != NULL) {
        job->events.progress(job->events.arg, node);
    }
}

void cm_job_rows(cm_jobs *jobs, const uint8_t *id, const uint8_t *data, size_t bytes)
{
    cm_job *job = find(jobs, id);
    if (job == NULL || job->state != JOB_RUNNING) {
        return;
    }
    cm_buf_put_u32(&job->rows, (uint32_t)bytes);
    cm_buf_put(&job->rows, data, bytes);
    if (job->rows.failed || job->rows.bytes > job->rows_limit) {
        cm_diag why;
        cm_diag_set(&why, CM_ERANGE, "54000", "the answer is longer than %zu MB",
                    job->rows_limit >> 20);
        cm_diag_hint(&why, "Ask for less, or raise job_result on this node.");
        job_end(job, &why, false);
    }
}

void cm_job_peer_lost(cm_jobs *jobs, unsigned member)
{
    const char *org = cm_node_federation(jobs->node)->member[member].org;
    cm_diag why;
    cm_diag_set(&why, CM_EPEER, CM_SQL_CONNECTION_FAILURE, "the connection to \"%s\" was lost",
                org);
    cm_diag_party(&why, org);
    for (cm_job *j = jobs->jobs; j != NULL;) {
        cm_job *next = j->next;
        participant *p = participant_of(j, member);
        /* Who reported done is no longer needed. */
        if (p != NULL && j->state != JOB_DELIVERING && !(p->reported && p->report.ok)) {
            job_end(j, &why, false);
        }
        j = next;
    }
}

void cm_job_catalog_changed(cm_jobs *jobs)
{
    for (cm_job *j = jobs->jobs; j != NULL;) {
        cm_job *next = j->next;
        if (j->retrying) {
            /* One more catalog may be on its way: soon, not now. */
            cm_timer_close(j->settle);
            j->settle = cm_timer_start(cm_node_loop(jobs->node), RETRY_MS / 6, 0, propose_again, j);
        }
        j = next;
    }
}

void cm_job_fail_all(cm_jobs *jobs, const cm_diag *why)
{
    for (cm_job *j = jobs->jobs; j != NULL;) {
        cm_job *next = j->next;
        if (j->state != JOB_DELIVERING) {
            job_end(j, why, false);
        }
        j = next;
    }
}

/* ---- the session's wishes ----------------------------------------------------------------- */

static void cancel(cm_job *job, bool silent)
{
    cm_diag why;
    cm_diag_set(&why, CM_ECANCELLED, CM_SQL_CANCELLED, "canceling statement due to user request");
    if (job->state != JOB_DELIVERING) {
        job_end(job, &why, silent);
    } else if (!job->over) {
        job->over = true; /* deliver() is under way, and frees it */
        if (!silent) {
            job->events.failed(job->events.arg, &why);
        }
    }
}

void cm_job_cancel(cm_job *job)
{
    cancel(job, false);
}

void cm_job_abandon(cm_job *job)
{
    cancel(job, true);
}
