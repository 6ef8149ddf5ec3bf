/*
 * cli/bench.h - `comity bench`: three party processes, TLS over loopback, one figure per operation
 * beside what the machine could have done at most in the same run.
 */
#ifndef CM_CLI_BENCH_H
#define CM_CLI_BENCH_H

#include "table/table.h"

typedef struct cm_bench_case {
    const char *op;
    size_t rows;
    unsigned bits;
} cm_bench_case;

/* What one party knows when it measures. */
typedef struct cm_bench_party {
    cm_mpc *mpc;
    cm_arena *arena; /* reset between cases */
    cm_arena scratch;
} cm_bench_party;

/*
 * An operation prepares its inputs (not measured), then runs.  Both are called by all parties in
 * step.  Returns what the table operator or protocol returned.
 */
typedef struct cm_bench_op {
    const char *name;
    const char *what;
    size_t rows; /* defaults */
    unsigned bits;
    void *(*prepare)(cm_bench_party *party, size_t rows, unsigned bits);
    cm_status (*run)(cm_bench_party *party, void *input);
    /* AND gates or products per row, for ANDs/s; NULL: not counted */
    double (*ands)(size_t rows, unsigned bits);
} cm_bench_op;

const cm_bench_op *cm_bench_ops(size_t *ret_count);
const cm_bench_op *cm_bench_find(const char *name);

#endif
