/*
 * cli/bench.h - `comity bench`: three party processes, TLS between them, one figure per operation
 * beside what the machine could have done at most in the same run.
 *
 *     bench.c          the command: which cases, what becomes of the results
 *     bench_options.c  the command line
 *     bench_ops.c, bench_tables.c   the operations
 *     bench_shape.c    links with delay and rate
 *     bench_run.c      one case, as the parent sees it
 *     bench_party.c, bench_probe.c  one case, as a party runs it
 *     bench_roofline.c bounds
 *     bench_report.c, bench_json.c, bench_plot.c   output
 *
 * Method: docs/performance.md.
 */
#ifndef CM_CLI_BENCH_H
#define CM_CLI_BENCH_H

#include "base/buf.h"
#include "net/loopback.h"
#include "table/table.h"

enum {
    CM_BENCH_PARTIES = 3,
    CM_BENCH_LANES_MAX = 8,
    CM_BENCH_CASES_MAX = 256,
    CM_BENCH_RUNS_MAX = 101,
    CM_BENCH_AGAINST_MAX = 4,
    CM_BENCH_ROWS_MAX = 1 << 26,
};

/* ---- operations --------------------------------------------------------------------------- */

/* What every implementation has to do, however it sends: for the roofline. */
typedef struct cm_bench_work {
    double ands;     /* AND gates */
    double products; /* in Z_2^64 */
    double touched;  /* bytes of memory, for operations that do not talk */
} cm_bench_work;

/* What one party knows when it measures. */
typedef struct cm_bench_party {
    cm_mpc *mpc;
    cm_arena *arena; /* for inputs and results; afresh in every run */
    cm_arena scratch;
    cm_program *program; /* made by the first run, used by all */
    cm_bench_work work;  /* set by prepare */
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
    unsigned min_bits, max_bits;
    void *(*prepare)(cm_bench_party *party, size_t rows, unsigned bits);
    cm_status (*run)(cm_bench_party *party, void *input);
} cm_bench_op;

/* bench_ops.c: row by row; bench_tables.c: whole tables. */
const cm_bench_op *cm_bench_row_ops(size_t *ret_count);
const cm_bench_op *cm_bench_table_ops(size_t *ret_count);
/* The i-th of all operations, NULL past the last. */
const cm_bench_op *cm_bench_op_at(size_t i);
const cm_bench_op *cm_bench_find(const char *name);

/* ---- options ------------------------------------------------------------------------------ */

typedef struct cm_bench_case {
    const cm_bench_op *op;
    size_t rows;
    unsigned bits;
} cm_bench_case;

typedef enum cm_bench_format { CM_BENCH_TEXT, CM_BENCH_CSV, CM_BENCH_JSON } cm_bench_format;

typedef struct cm_bench_options {
    cm_bench_format format;
    bool plain;
    bool list;
    size_t rows;         /* 0: each operation's own, as below */
    unsigned bits, runs; /* runs 0: as many as a median needs, fewer of what takes long */
    unsigned lanes;
    double rtt_ms, rate_mbit; /* 0: the links are not shaped */
    const char *save, *plot;
    const char *against[CM_BENCH_AGAINST_MAX];
    size_t against_count;
    size_t from_rows, to_rows; /* of a plot */
    size_t case_count;
    cm_bench_case cases[CM_BENCH_CASES_MAX];
} cm_bench_options;

/* False: wrong usage, said on stderr. */
CM_MUST bool cm_bench_options_parse(int argc, char **argv, cm_bench_options *ret);

/* ---- running ------------------------------------------------------------------------------ */

/* What one party can do at most while the two others do the same; measured after each case. */
typedef struct cm_bench_machine {
    double rotate;  /* bytes/s that each party sends when all send large messages */
    double alone;   /* bytes/s of a party that sends alone */
    double round;   /* seconds of a round of small messages */
    double prg;     /* bytes/s */
    double ands;    /* AND gates/s: two PRG streams and the local part of the protocol */
    double product; /* multiplications/s in Z_2^64, likewise */
    double memory;  /* bytes/s read and written */
} cm_bench_machine;

/* The bound that binds is the greatest. */
typedef struct cm_bench_bounds {
    double seconds; /* the least that the case could have taken */
    double share;   /* of the time taken, 0 to 1: the roofline */
    const char *name;
} cm_bench_bounds;

typedef struct cm_bench_result {
    cm_bench_case c;
    unsigned runs;
    double seconds;      /* median */
    double cpu_seconds;  /* of processors, all parties together, median: hardly depends on load */
    uint64_t bytes_sent; /* by the party that sent most */
    uint64_t bytes_all;  /* by all parties */
    uint64_t rounds;
    uint64_t peak_bytes; /* of the largest process */
    cm_bench_work work;
    cm_bench_machine machine;
    cm_bench_bounds bounds;
} cm_bench_result;

/* Where the parties' sockets live. */
typedef struct cm_bench_net {
    bool shaped;
    cm_loopback_place place[CM_BENCH_PARTIES];
    int tun[CM_BENCH_PARTIES];
    const char *how; /* "netem", or "user-space relay" */
} cm_bench_net;

/*
 * Makes a network namespace per party and links with that round trip and rate between them.  They
 * have no names, live in the parent's descriptors and the parties' sockets, and are gone when the
 * last of these processes is, however it ended.
 */
CM_MUST cm_status cm_bench_shape(const cm_bench_options *options, cm_bench_net *ret, cm_diag *diag);

/* Three parties measure one case.  False: failed, said on stderr. */
CM_MUST bool cm_bench_run(const cm_bench_options *options, const cm_bench_net *net, size_t index,
                          cm_bench_result *ret);

/* From a party to the parent, through a pipe, as it is: one program, one machine. */
typedef struct cm_bench_record {
    bool last;
    int64_t start_ns, end_ns; /* of one run; 0 in the last record */
    uint64_t bytes, rounds;
    double cpu_seconds;
    uint64_t peak_bytes; /* in the last record, like all below */
    cm_bench_work work;
    cm_bench_machine machine;
} cm_bench_record;

typedef struct cm_bench_seat {
    unsigned me;
    cm_identity *const *identity; /* all parties' */
    int *fds[CM_BENCH_LANES_MAX]; /* per lane, this party's */
    int namespace_fd;             /* -1: no other than the parent's */
    int out;
} cm_bench_seat;

/* A party's process: measures the case and writes a record per counted run, then the last. */
CM_NORETURN void cm_bench_be_party(const cm_bench_options *options, const cm_bench_case *c,
                                   const cm_bench_seat *seat);

/*
 * Lets all parties start together.  go_on is party 0's word to all; returns it.  Ends the process
 * when a party is gone.
 */
bool cm_bench_barrier(cm_mesh *mesh, bool go_on);
CM_NORETURN void cm_bench_mesh_failed(const cm_mesh *mesh, const char *what);
/* The highest resident size of this process so far. */
uint64_t cm_bench_peak_bytes(void);
/* One lane; all lanes of all parties do it at once, in step. */
cm_bench_machine cm_bench_probe(cm_mesh *mesh);

void cm_bench_bound(cm_bench_result *result);

/* ---- results ------------------------------------------------------------------------------ */

/* A figure of a stored run. */
typedef struct cm_bench_old {
    char op[32];
    double rows, bits, lanes, seconds, bytes_sent, rtt_ms, rate_mbit;
} cm_bench_old;
typedef struct cm_bench_olds {
    size_t count;
    cm_bench_old old[CM_BENCH_CASES_MAX];
} cm_bench_olds;

/* The same operation, size, lanes and links (with or without TLS), or NULL. */
const cm_bench_old *cm_bench_olds_find(const cm_bench_olds *olds, const cm_bench_options *options,
                                       const cm_bench_result *result);

/* A result as named values, the same in CSV and JSON. */
enum { CM_BENCH_FIELDS_MAX = 32 };
typedef struct cm_bench_field {
    const char *name;
    bool is_text; /* plain letters, digits and underscores: nothing to escape */
    char value[32];
} cm_bench_field;
typedef struct cm_bench_fields {
    size_t count;
    cm_bench_field field[CM_BENCH_FIELDS_MAX];
} cm_bench_fields;
/* With a ratio of seconds per stored run, empty where it has no such figure. */
void cm_bench_fields_of(const cm_bench_options *options, const cm_bench_result *result,
                        const cm_bench_olds *olds, cm_bench_fields *ret);

/* One result as a JSON object. */
void cm_bench_json_put(cm_buf *out, const cm_bench_fields *fields);
/* What cm_bench_json_put writes, in an array; strict: anything else is refused. */
CM_MUST cm_status cm_bench_json_parse(const char *text, size_t bytes, cm_bench_olds *ret,
                                      cm_diag *diag);
CM_MUST cm_status cm_bench_json_load(const char *path, cm_bench_olds *ret, cm_diag *diag);

/* Text, CSV or JSON on stdout; olds has options->against_count entries. */
void cm_bench_report_begin(const cm_bench_options *options, const cm_bench_net *net);
void cm_bench_report_row(const cm_bench_options *options, const cm_bench_result *result, bool first,
                         const cm_bench_olds *olds);
void cm_bench_report_end(const cm_bench_options *options, const cm_bench_result *results,
                         size_t count);
/* --save: all results in an array. */
CM_MUST cm_status cm_bench_save(const cm_bench_options *options, const cm_bench_result *results,
                                size_t count, cm_diag *diag);
CM_MUST cm_status cm_bench_write_file(const char *path, cm_buf *content, cm_diag *diag);

/* Seconds over rows, both logarithmic, a line per operation. */
void cm_bench_plot(cm_buf *out, const cm_bench_options *options, const cm_bench_result *results,
                   size_t count);

#endif
