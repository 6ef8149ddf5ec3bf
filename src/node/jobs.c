/* The registry of jobs: who gets a message, and links that came before their job was known. */
#include "node/jobs_int.h"

#include "base/clock.h"
#include "node/stored.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 500, SWEEP_TICKS = 20 };

cm_status cm_prepared_init(cm_prepared *prepared, cm_diag *diag)
{
    memset(prepared, 0, sizeof *prepared);
    if (cm_arena_init_secret(&prepared->arena, JOB_ARENA_BYTES) != CM_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    return CM_OK;
}

void cm_prepared_fini(cm_prepared *prepared)
{
    cm_arena_fini(&prepared->arena);
    cm_snapshot_release(prepared->snapshot);
    memset(prepared, 0, sizeof *prepared);
}

cm_status cm_prepared_plan(cm_prepared *prepared, cm_node *node, const char *coordinator,
                           const char *sql, const char *const *param, size_t params,
                           const cm_plan_settings *settings, cm_diag *diag)
{
    cm_snapshot *before = prepared->snapshot;
    prepared->snapshot = cm_snapshot_hold(cm_node_snapshot(node));
    cm_snapshot_release(before);
    return cm_sql_prepare(sql, cm_snapshot_schema(prepared->snapshot), coordinator, param, params,
                          settings, &prepared->arena, &prepared->query, &prepared->plan, diag);
}

/* No value ends the comment around it, opens one inside of it, or ends a comment by -- before it:
 * then it is written as E'...' without slashes and ends of lines. */
static void put_value(cm_buf *text, const char *value)
{
    if (strstr(value, "*/") == NULL && strstr(value, "/*") == NULL &&
        value[strcspn(value, "\r\n")] == '\0') {
        cm_buf_put_quoted(text, value, '\'');
        return;
    }
    cm_buf_printf(text, "E'");
    for (; *value != '\0'; value++) {
        if (*value == '/' || *value == '\r' || *value == '\n') {
            cm_buf_printf(text, "\\x%02X", (unsigned)*value);
        } else if (*value == '\\' || *value == '\'') {
            cm_buf_printf(text, "%c%c", *value, *value);
        } else {
            cm_buf_put_u8(text, (uint8_t)*value);
        }
    }
    cm_buf_put_u8(text, '\'');
}

cm_status cm_audit_statement(const char *sql, const char *const *param, size_t params,
                             cm_arena *arena, const char **ret, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf text = {0};
    *ret = sql;
    if (params == 0) {
        return CM_OK;
    }
    cm_buf_printf(&text, "%s", sql);
    for (size_t i = 0; i < params; i++) {
        cm_buf_printf(&text, "%s$%zu = ", i == 0 ? " /* " : ", ", i + 1);
        if (param[i] == NULL) {
            cm_buf_printf(&text, "NULL");
        } else {
            put_value(&text, param[i]);
        }
    }
    cm_buf_printf(&text, " */");
    *ret = cm_arena_strdup(arena, cm_buf_text(&text));
    return text.failed ? cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory") : CM_OK;
}

void cm_audit_describe(cm_audit_entry *entry, const cm_plan *plan, cm_arena *arena)
{
    enum { DISCLOSURES_MAX = 1000 };
    size_t count = plan->disclosures < DISCLOSURES_MAX ? plan->disclosures : DISCLOSURES_MAX;
    const char **list = CM_NEW_SMALL(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        list[i] =
            cm_arena_printf(arena, "%s: %s", plan->disclosure[i].to, plan->disclosure[i].what);
    }
    entry->plan = plan->digest;
    entry->disclosures = count;
    entry->disclosure = list;
}

unsigned cm_member_of(cm_node *node, const char *org)
{
    int index = cm_federation_index(cm_node_federation(node), org);
    CM_ASSERT(index >= 0);
    return (unsigned)index;
}

/* ---- links -------------------------------------------------------------------------------- */

static void drop_held(cm_jobs *jobs, held_link **at)
{
    held_link *h = *at;
    *at = h->next;
    jobs->held_count--;
    free(h);
}

/* Hands over what is waiting for a job that is known now, and closes what waited too long. */
static void sweep_links(cm_jobs *jobs)
{
    int64_t now = cm_clock_ms();
    for (held_link **at = &jobs->held; *at != NULL;) {
        held_link *h = *at;
        cm_proc *proc = cm_part_for_link(jobs, h->job);
        if (proc != NULL) {
            cm_proc_link(proc, h->sender, h->lane, h->fd);
            drop_held(jobs, at);
        } else if (now >= h->deadline_ms) {
            close(h->fd);
            drop_held(jobs, at);
        } else {
            at = &h->next;
        }
    }
}

void cm_jobs_link(cm_jobs *jobs, const uint8_t job[static 16], unsigned sender, unsigned lane,
                  int fd)
{
    held_link *h = jobs->held_count < HELD_LINKS_MAX ? calloc(1, sizeof *h) : NULL;
    if (h == NULL) {
        close(fd);
        return;
    }
    memcpy(h->job, job, sizeof h->job);
    h->sender = sender;
    h->lane = lane;
    h->fd = fd;
    h->deadline_ms = cm_clock_ms() + HELD_LINK_MS;
    h->next = jobs->held;
    jobs->held = h;
    jobs->held_count++;
    sweep_links(jobs);
}

/* ---- the registry ------------------------------------------------------------------------- */

void cm_jobs_message(cm_jobs *jobs, unsigned from, uint8_t type, const uint8_t *data, size_t bytes)
{
    if (type == CM_MSG_PROPOSE) {
        cm_part_propose(jobs, from, data, bytes);
        sweep_links(jobs);
    } else if (type == CM_MSG_CONSENT) {
        cm_job_consented(jobs, from, data, bytes);
    } else if (type == CM_MSG_START) {
        cm_part_start(jobs, from, data, bytes);
    } else if (type == CM_MSG_ABORT) {
        cm_part_abort(jobs, from, data, bytes);
    } else if (type == CM_MSG_DONE) {
        cm_job_reported(jobs, from, data, bytes);
    }
}

void cm_jobs_peer_lost(cm_jobs *jobs, unsigned member)
{
    cm_part_peer_lost(jobs, member);
    cm_job_peer_lost(jobs, member);
}

void cm_jobs_catalog_changed(cm_jobs *jobs)
{
    cm_job_catalog_changed(jobs);
    cm_stored_sweep(jobs->node);
}

void cm_jobs_abort_all(cm_jobs *jobs, const cm_diag *why)
{
    cm_job_fail_all(jobs, why);
    cm_part_abort_all(jobs, why);
}

size_t cm_jobs_running(const cm_jobs *jobs)
{
    return jobs->part_count;
}

static void on_tick(void *arg)
{
    cm_jobs *jobs = arg;
    sweep_links(jobs);
    if (++jobs->ticks % SWEEP_TICKS == 0) {
        cm_stored_sweep(jobs->node);
    }
}

cm_status cm_jobs_new(cm_node *node, cm_jobs **ret, cm_diag *diag)
{
    cm_jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    jobs->node = node;
    jobs->tick = cm_timer_start(cm_node_loop(node), TICK_MS, TICK_MS, on_tick, jobs);
    *ret = jobs;
    return CM_OK;
}

void cm_jobs_free(cm_jobs *jobs)
{
    cm_diag why;
    if (jobs == NULL) {
        return;
    }
    cm_diag_set(&why, CM_ECANCELLED, CM_SQL_SHUTDOWN, "the node is shutting down");
    cm_jobs_abort_all(jobs, &why);
    cm_timer_close(jobs->tick);
    while (jobs->held != NULL) {
        close(jobs->held->fd);
        drop_held(jobs, &jobs->held);
    }
    free(jobs);
}
