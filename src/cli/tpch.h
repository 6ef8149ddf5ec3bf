/*
 * cli/tpch.h - `comity bench tpch`: TPC-H's 22 queries between three parties on this machine.
 *
 *     tpch.c         the command
 *     tpch_report.c  what it prints
 *     tpch_data.c    the eight tables, from a folder or made; each owner's part of them
 *     tpch_make.c    makes TPC-H-like data, so that the benchmark stands alone
 *     tpch_schema.c  the tables as the owners publish them
 *     tpch_run.c     one query: three processes, TLS between them
 *
 * The queries are examples/tpch/, compiled in.  Method: docs/performance.md.
 */
#ifndef CM_CLI_TPCH_H
#define CM_CLI_TPCH_H

#include "cli/bench.h"
#include "source/source.h"

enum {
    CM_TPCH_TABLES = 8,
    CM_TPCH_QUERIES = 22,
    CM_TPCH_MAX_COLS = 16,
    CM_TPCH_SOURCE_MS = 600000, /* for one statement of an owner's */
    CM_TPCH_SETTLE_SECONDS = 3,
};

/* Parents before children: a table's keys are known before rows refer to them. */
typedef enum cm_tpch_table {
    CM_TPCH_REGION,
    CM_TPCH_NATION,
    CM_TPCH_SUPPLIER,
    CM_TPCH_PART,
    CM_TPCH_PARTSUPP,
    CM_TPCH_CUSTOMER,
    CM_TPCH_ORDERS,
    CM_TPCH_LINEITEM,
} cm_tpch_table;

extern const char *const CM_TPCH_TABLE_NAMES[CM_TPCH_TABLES];
extern const char *const CM_TPCH_QUERY_TEXTS[CM_TPCH_QUERIES];

typedef struct cm_tpch_options {
    bool json, explain, list;
    bool query[CM_TPCH_QUERIES];
    bool with_pushdown, without_pushdown;
    bool no_cross_owner_keys; /* keys hold for each owner's rows alone */
    bool whole_tables;        /* each at one owner, but lineitem; else all are split by rows */
    const char *data;         /* folder with name.csv or name.csv.gz; NULL: made */
    double scale;             /* of made data */
    unsigned lanes;           /* of each party; 0: as a node chooses */
} cm_tpch_options;

/*
 * A folder of its own, gone at the end: owner i's files are in dir/i/, what its source keeps in
 * dir/i/cache.
 */
typedef struct cm_tpch_data {
    char dir[64];
    bool made;
    bool split[CM_TPCH_TABLES]; /* over all owners, row by row; else at home[t] alone */
    unsigned home[CM_TPCH_TABLES];
    bool offers_differ;            /* a part and a supplier meet once: partsupp has its key */
    uint64_t rows[CM_TPCH_TABLES]; /* of all owners together */
    uint64_t part_rows[CM_TPCH_TABLES][CM_BENCH_PARTIES];
} cm_tpch_data;

CM_MUST cm_status cm_tpch_data_new(const cm_tpch_options *options, cm_tpch_data *ret,
                                   cm_diag *diag);
void cm_tpch_data_remove(cm_tpch_data *data);
/* Writes the eight tables as CSV files with a header row.  Equal scale, equal bytes. */
CM_MUST cm_status cm_tpch_make(const char *dir, double scale, cm_diag *diag);

/* Three owners who compute, the first of whom asks. */
extern const char *const CM_TPCH_ORGS[CM_BENCH_PARTIES];
typedef struct cm_tpch_schema {
    const cm_schema *schema;
    cm_source_table table[CM_TPCH_TABLES];
} cm_tpch_schema;
/* With the domains that the benchmark's definition makes public: keys by the tables' sizes. */
CM_MUST cm_status cm_tpch_schema_new(const cm_tpch_data *data, cm_arena *arena, cm_tpch_schema *ret,
                                     cm_diag *diag);
/* The owner's source. */
CM_MUST cm_status cm_tpch_open(const cm_tpch_data *data, unsigned owner, cm_source **ret,
                               cm_diag *diag);
/* Loads and checks all parts once, as a node does when a table is published. */
CM_MUST cm_status cm_tpch_load(const cm_tpch_data *data, const cm_tpch_schema *schema,
                               cm_diag *diag);

typedef struct cm_tpch_result {
    unsigned query; /* 0.. */
    bool pushdown;
    bool good;
    cm_diag why; /* not good */
    double seconds;
    uint64_t bytes_sent, rounds, peak_bytes; /* of the party with most */
    uint64_t rows;                           /* of the answer */
    double predicted_seconds, predicted_bytes, predicted_memory;
    const cm_plan *plan;         /* NULL when it could not be planned */
    const cm_measured *measured; /* by node of the plan: bytes and rounds of the party with most,
                                    seconds of the slowest */
} cm_tpch_result;

/* What is the same for all queries of a run. */
typedef struct cm_tpch_run {
    const cm_tpch_data *data;
    const cm_tpch_schema *schema;
    cm_identity *identity[CM_BENCH_PARTIES];
    cm_plan_settings settings; /* with the links as they were measured */
} cm_tpch_run;

CM_MUST cm_status cm_tpch_run_init(const cm_tpch_data *data, const cm_tpch_schema *schema,
                                   unsigned lanes, cm_tpch_run *ret, cm_diag *diag);
void cm_tpch_run_fini(cm_tpch_run *run);
/* Plans and runs; what went wrong is in the result.  arena keeps the plan. */
void cm_tpch_run_query(const cm_tpch_run *run, unsigned query, bool pushdown, cm_arena *arena,
                       cm_tpch_result *ret);

void cm_tpch_report_begin(const cm_tpch_options *options, const cm_tpch_run *run);
void cm_tpch_report_row(const cm_tpch_options *options, const cm_tpch_result *result, bool first);
void cm_tpch_report_end(const cm_tpch_options *options, const cm_tpch_result *results,
                        size_t count);

/* `comity bench tpch ...`; argv[0] is "tpch". */
int cm_tpch(int argc, char **argv);
#define CM_TPCH_USAGE                                                                              \
    "usage: comity bench tpch [OPTION ...]\n\n"                                                    \
    "Runs TPC-H's 22 queries between three owners who compute, each a process, linked by TLS "     \
    "over\n"                                                                                       \
    "loopback, and prints for each: seconds from the moment the links are up, bytes sent by the\n" \
    "party that sends most, rounds, the peak memory of a party, and the seconds and bytes that "   \
    "the\n"                                                                                        \
    "plan predicted.\n\n"                                                                          \
    "  --data DIR         region.csv to lineitem.csv, or .csv.gz, with a header row each;\n"       \
    "                     without it, data like TPC-H's is made\n"                                 \
    "  --scale FACTOR     of made data (0.01)\n"                                                   \
    "  --queries LIST     such as 1,6,14\n"                                                        \
    "  --pushdown on|off|both   whether owners compute what they can alone (both)\n"               \
    "  --split rows|tables      every table is dealt out row by row to the three owners, or "      \
    "only\n"                                                                                       \
    "                           lineitem is and each other table is at one owner (rows)\n"         \
    "  --cross-owner-keys on|off   whether keys hold across owners, which is checked then (on)\n"  \
    "  --lanes N          links and threads per party (1); 0: as nodes choose by themselves\n"     \
    "  --explain          prints each plan, predicted and measured by node\n"                      \
    "  --list             prints the queries' texts\n"                                             \
    "  --json             one JSON array\n"

#endif
