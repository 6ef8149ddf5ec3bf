/*
 * This node takes part in a job: it is asked, decides for itself, and runs its share in a process.
 *
 *   PROPOSE -> checks, audit, process started -> CONSENT -> START -> process's report -> DONE
 *
 * A part ends with its process's report, an ABORT, its deadline, or the loss of a link to any
 * participant.  The outcome is in the audit log before anybody is told.  At the coordinator's own
 * node the job (job_coord.c) records the outcome instead.
 */
#include "node/jobs_int.h"

#include "base/clock.h"
#include "node/stored.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CLOCK_SKEW_SECONDS = 300, /* between organisations */
    PROPOSAL_MAX_SECONDS = 600,
    START_MS = 60000, /* consented, and nothing more was heard */
    LINKS_MAX = 256,
    WATCH_MS = 100,
};

struct cm_part {
    cm_jobs *jobs;
    cm_part *next;
    uint8_t id[CM_JOB_ID_BYTES];
    unsigned coordinator; /* member */
    cm_prepared prepared;
    cm_proposal proposal; /* texts in prepared.arena */
    cm_proc *proc;
    cm_timer *timer;
    cm_timer *watch; /* of the process's memory */
    bool stores;     /* it writes shares of a materialized view under this key */
    cm_stored_key new_key;
    uint64_t memory_limit;
    unsigned links;
    bool started;
    int64_t began_ms;
};

static bool is_own(const cm_part *part)
{
    return part->coordinator == cm_member_of(part->jobs->node, cm_node_org(part->jobs->node));
}

static cm_part *find(cm_jobs *jobs, const uint8_t *id)
{
    for (cm_part *p = jobs->parts; p != NULL; p = p->next) {
        if (memcmp(p->id, id, sizeof p->id) == 0) {
            return p;
        }
    }
    return NULL;
}

static void part_release(cm_part *part)
{
    cm_proc_end(part->proc);
    if (part->stores) {
        cm_stored_forget(part->jobs->node, part->id);
    }
    cm_wipe(&part->new_key, sizeof part->new_key);
    cm_timer_close(part->timer);
    cm_timer_close(part->watch);
    cm_prepared_fini(&part->prepared);
    free(part);
}

static void part_free(cm_part *part)
{
    cm_part **at = &part->jobs->parts;
    while (*at != part) {
        CM_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = part->next;
    part->jobs->part_count--;
    part_release(part);
}

/* ---- what came of it ---------------------------------------------------------------------- */

static cm_status entry_of(cm_part *part, cm_audit_kind kind, const cm_diag *why,
                          cm_audit_entry *ret, cm_diag *diag)
{
    const cm_proposal *p = &part->proposal;
    *ret = (cm_audit_entry){.kind = kind,
                            .coordinator = p->coordinator,
                            .role = p->role,
                            .plan = p->plan,
                            .allowed = why == NULL,
                            .sqlstate = why == NULL ? "" : why->sqlstate,
                            .message = why == NULL ? "" : why->message};
    memcpy(ret->job, part->id, sizeof ret->job);
    if (part->prepared.plan != NULL) {
        cm_audit_describe(ret, part->prepared.plan, &part->prepared.arena);
    }
    return cm_audit_statement(p->sql, p->param, p->params, &part->prepared.arena, &ret->sql, diag);
}

static cm_status record_consent(cm_part *part, const cm_diag *why, cm_diag *diag)
{
    cm_audit_entry entry;
    cm_status st = entry_of(part, CM_AUDIT_CONSENT, why, &entry, diag);
    return st == CM_OK ? cm_audit_append(cm_node_audit(part->jobs->node), &entry, diag) : st;
}

static cm_status record_outcome(cm_part *part, const cm_job_report *report, const cm_diag *why,
                                cm_diag *diag)
{
    cm_audit_entry entry;
    if (is_own(part)) {
        return CM_OK; /* the job does */
    }
    cm_status st = entry_of(part, CM_AUDIT_OUTCOME, why, &entry, diag);
    if (st != CM_OK) {
        return st;
    }
    entry.milliseconds = (uint64_t)(cm_clock_ms() - part->began_ms);
    if (report != NULL) {
        entry.bytes = report->bytes;
        entry.rounds = report->rounds;
        memcpy(entry.opened, report->opened, sizeof entry.opened);
    }
    return cm_audit_append(cm_node_audit(part->jobs->node), &entry, diag);
}

static void send_report(cm_part *part, const cm_job_report *report)
{
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    cm_buf_put(&body, part->id, sizeof part->id);
    cm_job_report_encode(report, &body);
    if (!body.failed) {
        /* Without a link the coordinator sees that this node is gone. */
        cm_peers_send(cm_node_peers(part->jobs->node), part->coordinator, CM_MSG_DONE, body.data,
                      body.bytes);
    }
}

/* Ends a part: recorded, told to the coordinator when tell is set. */
static void part_end(cm_part *part, const cm_job_report *report, bool tell)
{
    cm_job_report said = *report;
    cm_diag diag = {0};
    cm_status st = CM_OK;
    if (report->ok && part->stores) { /* before anybody is told */
        st = cm_stored_keep(part->jobs->node, part->prepared.plan, &part->new_key, &diag);
        part->stores = st != CM_OK;
    }
    if (st == CM_OK) {
        st = record_outcome(part, report, report->ok ? NULL : &report->why, &diag);
    }
    if (st != CM_OK) {
        cm_node_log(part->jobs->node, "the outcome of a job could not be recorded: %s",
                    diag.message);
        if (said.ok) {
            said.ok = false;
            said.why = diag;
            cm_diag_party(&said.why, cm_node_org(part->jobs->node));
        }
    }
    if (tell) {
        send_report(part, &said);
    }
    part_free(part);
}

static void part_fail(cm_part *part, const cm_diag *why, bool tell)
{
    cm_job_report report = {.ok = false, .why = *why};
    part_end(part, &report, tell);
}

/* ---- the process -------------------------------------------------------------------------- */

static void on_progress(void *arg, unsigned node)
{
    cm_part *part = arg;
    if (is_own(part)) {
        cm_job_progress(part->jobs, part->id, node);
    }
}

static void on_rows(void *arg, const uint8_t *data, size_t bytes)
{
    cm_part *part = arg;
    if (is_own(part)) {
        cm_job_rows(part->jobs, part->id, data, bytes);
    }
}

static void on_report(void *arg, const uint8_t *data, size_t bytes)
{
    cm_part *part = arg;
    cm_job_report report;
    cm_reader r = cm_reader_of(data, bytes);
    if (!cm_job_report_decode(&r, &part->prepared.arena, &report)) {
        cm_diag why;
        cm_diag_set(&why, CM_EPROTO, CM_SQL_INTERNAL, "a job's process reported nonsense");
        part_fail(part, &why, true);
        return;
    }
    if (!report.ok && report.why.party[0] == 0) {
        cm_diag_party(&report.why, cm_node_org(part->jobs->node));
    }
    part_end(part, &report, true);
}

static void on_lost(void *arg, int exit_code, int number)
{
    cm_part *part = arg;
    cm_diag why;
    if (number != 0) {
        cm_diag_set(&why, CM_EIO, CM_SQL_CONNECTION_FAILURE,
                    "the job's process at \"%s\" was ended by signal %d (%s)",
                    cm_node_org(part->jobs->node), number, strsignal(number));
        if (number == SIGKILL) {
            cm_diag_hint(&why, "The machine may have had too little memory.");
        }
    } else {
        cm_diag_set(&why, CM_EIO, CM_SQL_CONNECTION_FAILURE,
                    "the job's process at \"%s\" ended unexpectedly with code %d",
                    cm_node_org(part->jobs->node), exit_code);
    }
    cm_diag_party(&why, cm_node_org(part->jobs->node));
    part_fail(part, &why, true);
}

/* Adds an own table, unless it is there, and its server. */
static cm_status order_table(cm_part *part, const char *name, cm_arena *arena,
                             cm_state_table *tables, cm_state_server *servers, cm_job_order *order,
                             cm_diag *diag)
{
    cm_state *state = cm_node_state(part->jobs->node);
    for (size_t j = 0; j < order->tables; j++) {
        if (strcmp(tables[j].table.name, name) == 0) {
            return CM_OK;
        }
    }
    cm_state_table *table = &tables[order->tables];
    cm_status st = cm_state_table_get(state, name, arena, table, diag);
    if (st != CM_OK) {
        return st;
    }
    order->tables++;
    for (size_t j = 0; j < order->servers; j++) {
        if (strcmp(servers[j].name, table->server) == 0) {
            return CM_OK;
        }
    }
    return cm_state_server_get(state, table->server, arena, &servers[order->servers++], diag);
}

/* The own tables that the plan reads, with their servers. */
static cm_status order_sources(cm_part *part, cm_arena *arena, cm_job_order *order, cm_diag *diag)
{
    const cm_plan *plan = part->prepared.plan;
    const char *me = cm_node_org(part->jobs->node);
    size_t most = plan->nodes * CM_OWN_JOIN_MAX + 1;
    cm_state_table *tables = CM_NEW_SMALL(arena, cm_state_table, most);
    cm_state_server *servers = CM_NEW_SMALL(arena, cm_state_server, most);
    cm_status st = CM_OK;
    order->tables = order->servers = 0;
    for (size_t i = 0; i < plan->nodes; i++) {
        const cm_fragment *fragment = plan->node[i]->fragment;
        if (fragment == NULL || strcmp(fragment->table->org, me) != 0) {
            continue;
        }
        for (size_t k = 0; st == CM_OK && k < cm_fragment_tables(fragment); k++) {
            const char *name = cm_fragment_table(fragment, k)->name;
            st = order_table(part, name, arena, tables, servers, order, diag);
        }
    }
    order->table = tables;
    order->server = servers;
    return st;
}

static void order_catalogs(cm_node *node, cm_arena *arena, cm_job_order *order)
{
    const cm_federation *f = cm_node_federation(node);
    cm_state_catalog *list = CM_NEW_SMALL(arena, cm_state_catalog, f->members);
    size_t count = 0;
    for (size_t i = 0; i < f->members; i++) {
        size_t bytes;
        const uint8_t *data = cm_catalog_bytes(cm_node_catalog(node), f->member[i].org, &bytes);
        if (data != NULL) {
            list[count++] = (cm_state_catalog){f->member[i].org, bytes, data};
        }
    }
    order->catalogs = count;
    order->catalog = list;
}

static uint64_t memory_limit(cm_node *node)
{
    uint64_t megabytes = (uint64_t)cm_node_setting(node, "job_memory");
    if (megabytes > 0) {
        return megabytes << 20;
    }
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
}

/* Keys of what is read, and a fresh one for what is written. */
static cm_status order_stored(cm_part *part, cm_arena *arena, cm_job_order *order, cm_diag *diag)
{
    cm_node *node = part->jobs->node;
    const cm_plan *plan = part->prepared.plan;
    const cm_stored_key *key = NULL;
    size_t count = 0;
    cm_status st = cm_node_stored_dir(node, arena, &order->stored_dir, diag);
    if (st == CM_OK) {
        st = cm_stored_keys(node, plan, arena, &key, &count, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_stored_key *keys = CM_NEW_SMALL(arena, cm_stored_key, count + 1);
    part->stores = plan->stores != NULL && cm_stored_is_party(node, plan);
    if (part->stores) {
        memcpy(part->new_key.id, part->id, sizeof part->new_key.id);
        cm_random_bytes(part->new_key.key, sizeof part->new_key.key);
        keys[order->stored++] = part->new_key;
    }
    for (size_t i = 0; i < count; i++) {
        keys[order->stored++] = key[i];
    }
    order->stored_key = keys;
    return CM_OK;
}

static cm_status start_process(cm_part *part, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf file = {0};
    cm_node *node = part->jobs->node;
    cm_arena scratch = part->prepared.arena;
    char *pem = NULL;
    cm_job_order order = {
        .org = cm_node_org(node),
        .coordinator = part->proposal.coordinator,
        .sql = part->proposal.sql,
        .params = part->proposal.params,
        .param = part->proposal.param,
        .settings = part->proposal.settings,
        .plan = part->proposal.plan,
        .cache_dir = cm_node_cache_dir(node),
        .idle_timeout_ms = (uint32_t)cm_node_setting(node, "job_idle_timeout") * 1000,
        .source_timeout_ms = (uint32_t)cm_node_setting(node, "source_timeout") * 1000};
    memcpy(order.job, part->id, sizeof order.job);
    cm_federation_print(cm_node_federation(node), &file);
    order.federation = cm_buf_text(&file);
    order_catalogs(node, &scratch, &order);
    cm_status st = order_sources(part, &scratch, &order, diag);
    if (st == CM_OK) {
        st = order_stored(part, &scratch, &order, diag);
    }
    if (st == CM_OK) {
        st = cm_identity_to_pem(cm_node_identity(node), &pem, diag);
    }
    if (st == CM_OK) {
        order.identity_pem = pem;
        cm_proc_events events = {part, on_progress, on_rows, on_report, on_lost};
        st = cm_proc_start(node, &order, &events, &part->proc, diag);
        cm_identity_pem_free(pem);
    }
    return st;
}

/* The process is ended before it takes the machine down.  Looking ten times a second is coarse: a
 * job can pass the limit by what it fills in that time. */
static void on_watch(void *arg)
{
    cm_part *part = arg;
    cm_diag why;
    if (cm_proc_memory(part->proc) <= part->memory_limit) {
        return;
    }
    cm_diag_set(&why, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY,
                "the job needs more than %llu MB of memory at \"%s\"",
                (unsigned long long)(part->memory_limit >> 20), cm_node_org(part->jobs->node));
    cm_diag_hint(&why, "Ask for less, or raise job_memory there.");
    cm_diag_party(&why, cm_node_org(part->jobs->node));
    part_fail(part, &why, true);
}

static bool takes_part(const cm_part *part, const char *org)
{
    const cm_plan *plan = part->prepared.plan;
    for (size_t i = 0; plan != NULL && i < plan->participants; i++) {
        if (strcmp(plan->participant[i], org) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- deciding ----------------------------------------------------------------------------- */

static cm_status check_fresh(cm_part *part, cm_diag *diag)
{
    const cm_proposal *p = &part->proposal;
    int64_t now = cm_clock_unix();
    bool seen = false;
    if (p->created_unix > now + CLOCK_SKEW_SECONDS || p->expires_unix < now - CLOCK_SKEW_SECONDS ||
        p->expires_unix < p->created_unix ||
        p->expires_unix - p->created_unix > PROPOSAL_MAX_SECONDS) {
        return cm_fail(diag, CM_EDENIED, CM_SQL_NOT_READY,
                       "the proposal has expired: compare the clocks of both nodes");
    }
    cm_status st = cm_state_audit_has_job(cm_node_state(part->jobs->node), part->id, &seen, diag);
    if (st == CM_OK && seen) {
        st = cm_fail(diag, CM_EDENIED, CM_SQL_PROTOCOL, "the proposal was seen before");
    }
    return st;
}

/* Both sides plan on the same catalogs. */
static cm_status check_catalogs(cm_part *part, bool *ret_stale, cm_diag *diag)
{
    cm_node *node = part->jobs->node;
    const cm_federation *f = cm_node_federation(node);
    const cm_proposal *p = &part->proposal;
    bool same = p->catalogs == f->members &&
                memcmp(p->federation.bytes, f->digest.bytes, CM_HASH_BYTES) == 0;
    for (size_t i = 0; same && i < f->members; i++) {
        cm_catalog_id own = cm_catalog_id_of(cm_node_catalog(node), f->member[i].org);
        same = strcmp(p->catalog[i].org, f->member[i].org) == 0 &&
               memcmp(p->catalog[i].id.digest.bytes, own.digest.bytes, CM_HASH_BYTES) == 0;
    }
    if (same) {
        return CM_OK;
    }
    *ret_stale = true;
    cm_status st = cm_fail(diag, CM_EDENIED, CM_SQL_NOT_READY,
                           "published tables changed: catalogs differ between \"%s\" and \"%s\"",
                           p->coordinator, cm_node_org(node));
    cm_diag_hint(diag, "Try again.");
    return st;
}

static cm_status check_plan(cm_part *part, cm_diag *diag)
{
    cm_node *node = part->jobs->node;
    const cm_proposal *p = &part->proposal;
    cm_status st = cm_prepared_plan(&part->prepared, node, p->coordinator, p->sql, p->param,
                                    p->params, &p->settings, diag);
    if (st != CM_OK) {
        return st;
    }
    if (memcmp(part->prepared.plan->digest.bytes, p->plan.bytes, CM_HASH_BYTES) != 0) {
        return cm_fail(diag, CM_EDENIED, CM_SQL_NOT_READY,
                       "\"%s\" plans this query otherwise than \"%s\": compare their versions",
                       cm_node_org(node), p->coordinator);
    }
    if (!takes_part(part, cm_node_org(node))) {
        return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "\"%s\" has no part in this query",
                       cm_node_org(node));
    }
    return cm_policy_check(part->prepared.query, cm_snapshot_schema(part->prepared.snapshot),
                           p->coordinator, cm_node_org(node), diag);
}

static cm_status decide(cm_part *part, bool *ret_stale, cm_diag *diag)
{
    cm_node *node = part->jobs->node;
    cm_status st = check_fresh(part, diag);
    if (st == CM_OK) {
        st = check_catalogs(part, ret_stale, diag);
    }
    if (st == CM_OK && part->jobs->part_count > (size_t)cm_node_setting(node, "job_limit")) {
        st = cm_fail(diag, CM_EDENIED, CM_SQL_TOO_MANY, "\"%s\" runs too many jobs already",
                     cm_node_org(node));
        cm_diag_hint(diag, "Try again later, or raise job_limit there.");
    }
    return st == CM_OK ? check_plan(part, diag) : st;
}

static void answer(cm_part *part, bool stale, const cm_diag *why)
{
    CM_CLEANUP(cm_buf_free) cm_buf body = {0};
    cm_node *node = part->jobs->node;
    cm_consent consent = {.plan = part->proposal.plan, .allowed = why == NULL, .stale = stale};
    memcpy(consent.job, part->id, sizeof consent.job);
    if (why != NULL) {
        consent.why = *why;
        if (consent.why.party[0] == 0) {
            cm_diag_party(&consent.why, cm_node_org(node));
        }
    }
    cm_consent_encode(&consent, cm_node_identity(node), &body);
    if (!body.failed) {
        cm_peers_send(cm_node_peers(node), part->coordinator, CM_MSG_CONSENT, body.data,
                      body.bytes);
    }
}

static void on_part_timer(void *arg)
{
    cm_part *part = arg;
    cm_diag why;
    if (part->started) {
        cm_diag_set(&why, CM_ECANCELLED, CM_SQL_CANCELLED,
                    "canceling statement due to statement timeout");
        cm_diag_party(&why, cm_node_org(part->jobs->node));
    } else {
        cm_diag_set(&why, CM_EPEER, CM_SQL_CONNECTION_FAILURE,
                    "\"%s\" proposed a job and never started it", part->proposal.coordinator);
    }
    part_fail(part, &why, true);
}

/* Asked, decided, recorded, answered. */
static void consider(cm_part *part)
{
    cm_node *node = part->jobs->node;
    cm_diag why = {0}, disk = {0};
    bool stale = false;
    cm_status st = decide(part, &stale, &why);
    if (stale) {
        /* Nothing was decided: it will be proposed anew, on equal catalogs. */
        cm_peers_send_catalogs(cm_node_peers(node), part->coordinator);
    } else if (record_consent(part, st == CM_OK ? NULL : &why, &disk) != CM_OK && st == CM_OK) {
        st = disk.status;
        why = disk;
    }
    if (st == CM_OK) {
        st = start_process(part, &why);
    }
    answer(part, stale, st == CM_OK ? NULL : &why);
    if (st != CM_OK) {
        part_free(part);
        return;
    }
    part->timer = cm_timer_start(cm_node_loop(node), START_MS, 0, on_part_timer, part);
}

void cm_part_propose(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes)
{
    const cm_federation_member *member = &cm_node_federation(jobs->node)->member[from];
    cm_diag diag = {0};
    cm_part *part = calloc(1, sizeof *part);
    if (part == NULL) {
        return;
    }
    part->jobs = jobs;
    part->coordinator = from;
    part->began_ms = cm_clock_ms();
    cm_status st = cm_prepared_init(&part->prepared, &diag);
    if (st == CM_OK) {
        st = cm_proposal_decode(data, bytes, &member->cert, &part->prepared.arena, &part->proposal,
                                &diag);
    }
    memcpy(part->id, part->proposal.job, sizeof part->id);
    if (st != CM_OK || strcmp(part->proposal.coordinator, member->org) != 0 ||
        find(jobs, part->id) != NULL) {
        cm_node_log(jobs->node, "a proposal of %s was not considered: %s", member->org,
                    st != CM_OK ? diag.message : "it is not its own, or is known already");
        part_release(part);
        return;
    }
    part->next = jobs->parts;
    jobs->parts = part;
    jobs->part_count++;
    consider(part);
}

/* ---- started, aborted, lost --------------------------------------------------------------- */

/* The part that a message of its coordinator names. */
static cm_part *part_of(cm_jobs *jobs, unsigned from, cm_reader *r)
{
    const uint8_t *id = cm_reader_bytes(r, CM_JOB_ID_BYTES);
    cm_part *part = id != NULL ? find(jobs, id) : NULL;
    return part != NULL && part->coordinator == from ? part : NULL;
}

void cm_part_start(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes)
{
    cm_reader r = cm_reader_of(data, bytes);
    cm_part *part = part_of(jobs, from, &r);
    if (part == NULL || !cm_reader_done(&r) || part->started) {
        return;
    }
    int64_t own_ms = cm_node_setting(jobs->node, "job_deadline") * 1000;
    int64_t asked_ms = part->proposal.deadline_ms;
    part->started = true;
    part->began_ms = cm_clock_ms();
    cm_timer_close(part->timer);
    part->timer = cm_timer_start(cm_node_loop(jobs->node),
                                 (int)(asked_ms > 0 && asked_ms < own_ms ? asked_ms : own_ms), 0,
                                 on_part_timer, part);
    part->memory_limit = memory_limit(jobs->node);
    part->watch = cm_timer_start(cm_node_loop(jobs->node), WATCH_MS, WATCH_MS, on_watch, part);
    cm_proc_go(part->proc);
}

void cm_part_abort(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes)
{
    cm_reader r = cm_reader_of(data, bytes);
    cm_part *part = part_of(jobs, from, &r);
    cm_diag why;
    if (part == NULL) { /* done here, but not everywhere */
        cm_stored_abort(jobs->node, from, data, bytes);
        return;
    }
    cm_diag_decode(&r, &why);
    if (!cm_reader_done(&r)) {
        cm_diag_set(&why, CM_ECANCELLED, CM_SQL_CANCELLED, "the coordinator aborted the job");
    }
    part_fail(part, &why, false);
}

void cm_part_peer_lost(cm_jobs *jobs, unsigned member)
{
    const char *org = cm_node_federation(jobs->node)->member[member].org;
    cm_diag why;
    cm_diag_set(&why, CM_EPEER, CM_SQL_CONNECTION_FAILURE, "the connection to \"%s\" was lost",
                org);
    cm_diag_party(&why, org);
    for (cm_part *p = jobs->parts; p != NULL;) {
        cm_part *next = p->next;
        if (p->coordinator == member || takes_part(p, org)) {
            part_fail(p, &why, p->coordinator != member);
        }
        p = next;
    }
}

void cm_part_abort_all(cm_jobs *jobs, const cm_diag *why)
{
    for (cm_part *p = jobs->parts; p != NULL;) {
        cm_part *next = p->next;
        part_fail(p, why, true);
        p = next;
    }
}

cm_proc *cm_part_for_link(cm_jobs *jobs, const uint8_t *job)
{
    cm_part *part = find(jobs, job);
    return part != NULL && part->links++ < LINKS_MAX ? part->proc : NULL;
}
