/*
 * node/jobs_int.h - private to jobs.c (registry, links), job_part.c (this node takes part) and
 * job_coord.c (this node's session asked).  The coordinator's own node has both, and its part is
 * asked and told by messages like every other.
 */
#ifndef CM_NODE_JOBS_INT_H
#define CM_NODE_JOBS_INT_H

#include "node/audit.h"
#include "node/federation.h"
#include "node/job_proc.h"
#include "node/jobs.h"
#include "node/peers.h"
#include "node/wire.h"

enum {
    JOB_ARENA_BYTES = 1 << 30, /* of address space: a plan and its texts */
    HELD_LINKS_MAX = 128,
    HELD_LINK_MS = 10000,
};

typedef struct cm_part cm_part;

typedef struct held_link {
    struct held_link *next;
    uint8_t job[CM_JOB_ID_BYTES];
    unsigned sender, lane;
    int fd;
    int64_t deadline_ms;
} held_link;

struct cm_jobs {
    cm_node *node;
    cm_part *parts; /* this node takes part in */
    size_t part_count;
    cm_job *jobs; /* of this node's sessions */
    held_link *held;
    size_t held_count;
    cm_timer *tick;
    unsigned ticks;
};

/* A plan with what it was made from; kept as long as anything points into it. */
typedef struct cm_prepared {
    cm_arena arena;
    cm_snapshot *snapshot;
    const cm_query *query;
    const cm_plan *plan;
} cm_prepared;
CM_MUST cm_status cm_prepared_init(cm_prepared *prepared, cm_diag *diag);
void cm_prepared_fini(cm_prepared *prepared);
/* Plans sql on the current snapshot. */
CM_MUST cm_status cm_prepared_plan(cm_prepared *prepared, cm_node *node, const char *coordinator,
                                   const char *sql, const char *const *param, size_t params,
                                   const cm_plan_settings *settings, cm_diag *diag);

/*
 * A statement as the audit log keeps it: sql, then its parameters' values in a comment, as literals
 * of PostgreSQL: $1 = 'x', $2 = NULL.  They are on one line, and nothing in them begins or
 * ends a comment: E'*\x2F' stands for what would.  Without parameters sql itself.
 */
CM_MUST cm_status cm_audit_statement(const char *sql, const char *const *param, size_t params,
                                     cm_arena *arena, const char **ret, cm_diag *diag);
/* Fills what an audit entry says about a plan; texts in arena. */
void cm_audit_describe(cm_audit_entry *entry, const cm_plan *plan, cm_arena *arena);
/* The index of an organisation in the federation; asserts that it is a member. */
unsigned cm_member_of(cm_node *node, const char *org);

/* ---- job_part.c --------------------------------------------------------------------------- */

void cm_part_propose(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes);
void cm_part_start(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes);
void cm_part_abort(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes);
void cm_part_peer_lost(cm_jobs *jobs, unsigned member);
void cm_part_abort_all(cm_jobs *jobs, const cm_diag *why);
/* The process to hand a link to, or NULL; counts the links of a part. */
cm_proc *cm_part_for_link(cm_jobs *jobs, const uint8_t *job);

/* ---- job_coord.c -------------------------------------------------------------------------- */

void cm_job_consented(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes);
void cm_job_reported(cm_jobs *jobs, unsigned from, const uint8_t *data, size_t bytes);
/* From the own part's process. */
void cm_job_progress(cm_jobs *jobs, const uint8_t *job, unsigned node);
void cm_job_rows(cm_jobs *jobs, const uint8_t *job, const uint8_t *data, size_t bytes);
void cm_job_peer_lost(cm_jobs *jobs, unsigned member);
void cm_job_catalog_changed(cm_jobs *jobs);
void cm_job_fail_all(cm_jobs *jobs, const cm_diag *why);

#endif
