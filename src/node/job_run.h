/*
 * node/job_run.h - what a comity-job process does: it is told one job (node/wire.h), plans it
 * again, compares the digest, meets the other participants' processes, computes, reports, ends.
 */
#ifndef CM_NODE_JOB_RUN_H
#define CM_NODE_JOB_RUN_H

#include "base/base.h"

/*
 * Runs over the descriptors CM_JOB_CONTROL_FD and CM_JOB_LINKS_FD.  Gives up rights first: no core
 * dumps, no ptrace by others, no new privileges, dies with its parent.  Returns the exit code: 0
 * when a report was written, of success or of failure.
 */
int cm_job_run(void);

#endif
