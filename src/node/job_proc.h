/*
 * node/job_proc.h - the daemon's end of one comity-job process: starts it, gives it its order,
 * hands over links, passes on what it says, ends it.
 */
#ifndef CM_NODE_JOB_PROC_H
#define CM_NODE_JOB_PROC_H

#include "node/wire.h"

typedef struct cm_proc cm_proc;

typedef struct cm_proc_events {
    void *arg;
    void (*progress)(void *arg, unsigned node);
    void (*rows)(void *arg, const uint8_t *data, size_t bytes); /* body of CM_JOBMSG_ROWS */
    /* Exactly one of these, last: its report, or it ended without one. */
    void (*report)(void *arg, const uint8_t *data, size_t bytes);
    void (*lost)(void *arg, int exit_code, int signal);
} cm_proc_events;

CM_MUST cm_status cm_proc_start(cm_node *node, const cm_job_order *order,
                                const cm_proc_events *events, cm_proc **ret, cm_diag *diag);
/* Everybody consented: begin. */
void cm_proc_go(cm_proc *proc);
/* Hands over a link; the fd is taken. */
void cm_proc_link(cm_proc *proc, unsigned sender, unsigned lane, int fd);
/* Bytes of memory that it has now; 0 when that cannot be told. */
uint64_t cm_proc_memory(const cm_proc *proc);
/* Kills it unless it reported.  No more events.  NULL allowed; allowed inside events. */
void cm_proc_end(cm_proc *proc);

#endif
