/*
 * node/work.h - one blocking task beside the loop: looking at a source can take minutes, and a
 * daemon that does not answer pings for seconds is taken for dead.
 *
 * The task runs on a thread of its own and touches nothing but its argument; the loop's thread
 * hears of its end.  Whoever loses interest abandons the work: the thread then frees the argument
 * when the task ends.
 */
#ifndef CM_NODE_WORK_H
#define CM_NODE_WORK_H

#include "node/loop.h"

typedef struct cm_work cm_work;

typedef struct cm_work_task {
    void *arg;
    void (*run)(void *arg);   /* on the thread */
    void (*ended)(void *arg); /* on the loop; the work is gone, arg is the callee's again */
    void (*free)(void *arg);  /* on the thread, instead of ended, when the work was abandoned */
} cm_work_task;

/* On failure nothing runs, and arg stays the caller's. */
CM_MUST cm_status cm_work_start(cm_loop *loop, const cm_work_task *task, cm_work **ret,
                                cm_diag *diag);
/* No call of ended any more.  NULL allowed. */
void cm_work_abandon(cm_work *work);

#endif
