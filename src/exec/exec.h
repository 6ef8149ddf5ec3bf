/*
 * exec/exec.h - runs a plan as one participant: reads and shares its own rows, evaluates as a
 * computing party, receives the answer as coordinator.
 */
#ifndef CM_EXEC_EXEC_H
#define CM_EXEC_EXEC_H

#include "source/source.h"
#include "table/table.h"

/* Finds where a table of this node is; the source stays open and is borrowed. */
typedef struct cm_exec_sources {
    void *arg;
    cm_status (*find)(void *arg, const cm_org_table *table, cm_source **ret_source,
                      const cm_source_table **ret_table, cm_diag *diag);
} cm_exec_sources;

/* Where a computing party keeps materialized views.  rows holds planes of all columns, as the
 * plan's STORE node has them, each with its NULL plane, and the valid plane last. */
typedef struct cm_exec_store {
    void *arg;
    cm_status (*save)(void *arg, cm_bcol rows, cm_diag *diag);
    /* Fills rows, whose size is public. */
    cm_status (*load)(void *arg, const cm_org_table *view, cm_bcol rows, cm_diag *diag);
} cm_exec_store;

typedef struct cm_exec_result { /* coordinator only */
    size_t rows;
    size_t cols;           /* plan->outputs */
    const cm_value *value; /* rows * cols, ordered as the query says */
} cm_exec_result;

/* What an owner's fragments gave, in the clear, by plan node; private to the owner. */
typedef struct cm_exec_input cm_exec_input;

/* Called when a plan node starts, for progress; node is the number, of plan->nodes. */
typedef void (*cm_exec_progress_fn)(void *arg, unsigned node);

typedef struct cm_exec_options {
    const cm_plan *plan;
    cm_mpc *mpc; /* participants as in the plan; borrowed */
    unsigned me; /* participant */
    cm_exec_sources sources;
    cm_exec_store store;          /* of plans with STORE or STORED */
    cm_exec_progress_fn progress; /* or NULL */
    void *progress_arg;
    cm_measured *measured; /* plan->nodes entries to fill, or NULL */
    /* How long the slowest owner's own SQL may take; 0: as long as the mesh waits anyway. */
    int input_timeout_ms;
    cm_exec_input *input; /* what cm_exec_read gave; NULL: cm_exec_run reads first */
} cm_exec_options;

/*
 * Phase 1 of cm_exec_run alone, in the clear and without mpc: may run in a thread of its own while
 * links come up.  Until it returns, arena (secret, the one of cm_exec_run), the sources and
 * measured belong to it.
 */
CM_MUST cm_status cm_exec_read(const cm_exec_options *options, cm_arena *arena, cm_exec_input **ret,
                               cm_diag *diag);

/*
 * Phases: 1. an owner checks its domains and computes its fragments in the clear; nothing has been
 * sent when that fails; 2. fragments are shared; 3. the parties evaluate; 4. the answer is opened
 * to the coordinator alone.  Errors under MPC that SQL knows (division by zero, out of range) come
 * out of the computation as one secret flag each, opened with the answer: raised at the coordinator
 * before any row is shown.  arena (secret) holds the shares; result in result_arena.
 */
CM_MUST cm_status cm_exec_run(const cm_exec_options *options, cm_arena *arena,
                              cm_arena *result_arena, cm_exec_result *ret, cm_diag *diag);

#endif
