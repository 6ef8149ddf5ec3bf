/*
 * node/jobs.h - one query as a job of the federation: propose, consent, compute, record.
 *
 * A session calls cm_job_start; everything later comes through the events, on the loop's thread.
 * Nothing of an answer is handed over before every participant reported that it is done, so an
 * answer is whole and right or there is none.
 */
#ifndef CM_NODE_JOBS_H
#define CM_NODE_JOBS_H

#include "node/catalog.h"
#include "sql/plan.h"

typedef struct cm_job cm_job;

typedef struct cm_job_request {
    const char *role; /* who asks, for the audit logs */
    const char *sql;  /* one SELECT */
    size_t params;
    const char *const *param; /* texts, NULL for NULL */
    cm_plan_settings settings;
    int deadline_ms; /* 0: the node's setting job_deadline */
} cm_job_request;

typedef struct cm_job_stats {
    double seconds;              /* from cm_job_start to the last report */
    double compute_seconds;      /* slowest participant, from its start to its end */
    uint64_t bytes;              /* sent between participants, all together */
    uint64_t rounds;             /* of the participant with most */
    uint64_t opened[3];          /* by cm_ticket_kind, most of any participant */
    uint64_t peak_memory_bytes;  /* of the participant with most */
    size_t nodes;                /* of the plan */
    const cm_measured *measured; /* nodes entries: most of any participant */
} cm_job_stats;

/* All pointers are borrowed during the call.  After failed or done the job is gone. */
typedef struct cm_job_events {
    void *arg;
    void (*started)(void *arg);                 /* everybody consented */
    void (*progress)(void *arg, unsigned node); /* the own node works on this plan node */
    /* plan->outputs texts as PostgreSQL prints them; NULL entries are SQL NULLs. */
    void (*row)(void *arg, const char *const *text);
    void (*done)(void *arg, const cm_job_stats *stats);
    void (*failed)(void *arg, const cm_diag *diag);
} cm_job_events; /* started and progress may be NULL */

/*
 * Plans on the current snapshot, checks every owner's policy as published, and proposes.  What is
 * wrong at once (SQL, policy, 55000 no federation, 08006 a participant is not connected, 53300 too
 * many jobs) is returned here, and no event comes.  Otherwise exactly one of done and failed comes
 * later, never before this returned.  request is copied.
 */
CM_MUST cm_status cm_job_start(cm_node *node, const cm_job_request *request,
                               const cm_job_events *events, cm_job **ret, cm_diag *diag);
/* Borrowed until done or failed returned. */
const cm_plan *cm_job_plan(const cm_job *job);
/* Its number in proposals and logs, borrowed in the same way. */
const uint8_t *cm_job_id(const cm_job *job);
/* Ends the job everywhere; failed (57014) is called before this returns. */
void cm_job_cancel(cm_job *job);
/* The same without any event: the session is gone. */
void cm_job_abandon(cm_job *job);

/*
 * Settings of a node (cm_state_setting_*), whole numbers:
 *   job_limit         jobs that this node takes part in at once (8)
 *   job_deadline      seconds until a job is ended (600)
 *   job_idle_timeout  seconds that one participant may be silent (300)
 *   job_memory        megabytes of one job process (0: half of the machine)
 *   job_result        megabytes of one answer (256)
 *   session_limit     SQL sessions (200)
 *   source_timeout    seconds for connecting to a source and for each of its statements (300)
 */
typedef struct cm_setting {
    const char *name;
    int64_t value, min, max; /* default and bounds */
    const char *what;
} cm_setting;
/* All of them, for SHOW ALL and checks. */
const cm_setting *cm_settings(size_t *ret_count);
/* The value in force (the default when not set or unreadable). */
int64_t cm_node_setting(cm_node *node, const char *name);
/* 42704 unknown, 22023 not a number within the bounds.  Inside cm_node_change_*. */
CM_MUST cm_status cm_node_setting_put(cm_node *node, const char *name, const char *value,
                                      cm_diag *diag);

/* ---- used inside node/ -------------------------------------------------------------------- */

CM_MUST cm_status cm_jobs_new(cm_node *node, cm_jobs **ret, cm_diag *diag);
void cm_jobs_free(cm_jobs *jobs);
/* A control message of member `from` (this node itself included). */
void cm_jobs_message(cm_jobs *jobs, unsigned from, uint8_t type, const uint8_t *data, size_t bytes);
/* The control link to a member is gone: its jobs end. */
void cm_jobs_peer_lost(cm_jobs *jobs, unsigned member);
/* A newer catalog arrived: proposals that were refused as stale are tried again. */
void cm_jobs_catalog_changed(cm_jobs *jobs);
/* Ends everything: the federation was replaced, or the node stops. */
void cm_jobs_abort_all(cm_jobs *jobs, const cm_diag *why);
size_t cm_jobs_running(const cm_jobs *jobs);

/* A link of kind job came to the node port: handed to its job's process, or held for up to 10 s
 * until the job is known.  The fd is taken. */
void cm_jobs_link(cm_jobs *jobs, const uint8_t job[static 16], unsigned sender, unsigned lane,
                  int fd);

#endif
