/*
 * sql/plan.h - how a query is computed: an immutable tree with a canonical text and its digest.
 *
 * Nodes are numbered in the order of execution.  Each is a secret table with public facts: padded
 * rows, columns with encodings.  Leaves are INPUT nodes: what one owner computes in the clear on
 * its own data and then shares.  Same query, snapshot and settings: same plan, byte for byte.
 */
#ifndef CM_SQL_PLAN_H
#define CM_SQL_PLAN_H

#include "crypto/crypto.h"
#include "sql/policy.h"

/* How a column's values become planes. */
typedef enum cm_encoding_kind {
    CM_ENC_NUMBER, /* canonical integer - lo, unsigned, `planes` planes */
    CM_ENC_TEXT, /* bytes padded with NUL to planes / 8, first byte in the most significant planes,
                    so that unsigned order is byte order */
    CM_ENC_DIGEST, /* first 128 bits of SHA-256 of the bytes, for equality alone */
} cm_encoding_kind;

typedef struct cm_encoding {
    cm_encoding_kind kind;
    cm_i128 lo;
    unsigned planes;
    bool nullable; /* has a NULL plane */
} cm_encoding;

typedef struct cm_plan_col {
    const char *name;
    cm_type type;
    cm_range range; /* numbers: lo == enc.lo, cm_range_planes(range) == enc.planes, at least 1 */
    cm_encoding enc;
} cm_plan_col;

typedef enum cm_plan_op {
    CM_PLAN_INPUT,     /* owner's fragment -> rows (padded with invalid ones to the bound); one
                          column per output; of a dense fragment all rows are valid, a sparse
                          one has its keys' columns before */
    CM_PLAN_VALUES,    /* public constants, each row valid */
    CM_PLAN_STORED,    /* columns of a materialized view */
    CM_PLAN_CONCAT,    /* rows of all children, equal columns */
    CM_PLAN_COMBINE,   /* dense partial aggregates of all children (one or more), row by row;
                          columns: keys, then the children's; every row is valid */
    CM_PLAN_FILTER,    /* valid AND condition is true */
    CM_PLAN_PROJECT,   /* one expression per column, encoded as the column says: a bare column
                          may change lo and planes.  Errors (22012, 22003) count where the
                          row is valid */
    CM_PLAN_JOIN,      /* child 0 is the unique side, child 1 the other */
    CM_PLAN_PRODUCT,   /* every row of child 0 with every row of child 1, child 0's slowest;
                          columns: child 0's, then child 1's */
    CM_PLAN_JOIN_MANY, /* every row of child 1 with every row of child 0 that it matches, in `rows`
                          places; more of them raise the check.  Columns: child 1's, then payload */
    CM_PLAN_RANGES, /* child 1's rows, with aggregates over the rows of child 0 that each matches;
                       columns: child 1's, aggs, then count(*) */
    CM_PLAN_NUMBER, /* the child's columns, then the row's position from 0: public, as shares */
    CM_PLAN_AGGREGATE,    /* one row */
    CM_PLAN_GROUP_DOMAIN, /* keys with a public domain of few values */
    CM_PLAN_GROUP_SORT,
    CM_PLAN_WINDOW, /* the child's rows in another order, which depends on secrets; the child's
                       columns, then one per window function */
    CM_PLAN_SORT,   /* the first rows: valid ones first, then by `order`, which may be empty */
    CM_PLAN_LIMIT,  /* after SORT: skips offset, keeps limit rows */
    CM_PLAN_STORE,  /* the root of what is kept: the child's columns */
} cm_plan_op;

/* SUM adds encoded values: lo of the result is the sum of the children's, and a sum or count that
 * an owner does not have is the number 0.  MIN and MAX ignore NULLs; one that an owner does not
 * have is NULL. */
typedef enum cm_combine_kind {
    CM_COMBINE_KEY,
    CM_COMBINE_SUM,
    CM_COMBINE_MIN,
    CM_COMBINE_MAX
} cm_combine_kind;

/* Public list of the values of one grouping key: lo .. hi, and NULL last when nullable. */
typedef struct cm_domain {
    cm_range range;
    bool nullable;
} cm_domain;

/*
 * Several tables of one owner, joined at that owner.  The tree's relations are indexes of `table`:
 * INNER, CROSS, LEFT, SEMI and ANTI, and a SEMI or ANTI is nowhere on the right side of a LEFT.
 */
typedef struct cm_own_join {
    size_t tables; /* 2 .. CM_OWN_JOIN_MAX */
    const cm_org_table *const *table;
    const cm_from *from;
} cm_own_join;
enum { CM_OWN_JOIN_MAX = 8 };

/*
 * What one owner does alone, on its own tables, as one SQL statement over canonical integers.
 * Expressions are over the tables' columns: rel is a table's index in the join, or 0.
 */
typedef struct cm_fragment {
    const cm_org_table *table; /* the only one, or the join's first */
    const cm_own_join *join;   /* or NULL */
    const cm_expr *filter;     /* or NULL */
    size_t outputs;            /* row-level expressions; or aggregates when aggregated */
    const cm_expr *const *output;
    /* Dense: one row for every combination of the domains, in order, first key slowest; without
     * keys one row.  Without domains (sparse): a row for each group that there is, keys first, in
     * any order, padded like rows. */
    bool aggregated;
    size_t keys;
    const cm_expr *const *key;
    const cm_domain *domain; /* keys entries, or NULL */
} cm_fragment;

/* SUM is the exact sum of the numbers that are not NULL; without any it is NULL where its column is
 * nullable and anything otherwise.  MIN, MAX and what is ordered keep the child's range and are
 * nullable; PERCENTILE_REST is 0 .. den - 1. */
typedef struct cm_plan_agg {
    cm_aggregate aggregate; /* COUNT, SUM, MIN, MAX; AVG was taken apart by the planner */
    int col;                /* of the child; -1: count(*) */
    bool distinct;          /* COUNT in GROUP_SORT alone */
    /* A percentile num / den, or a mode, in GROUP_SORT alone: all of one column, which is also the
     * one of a distinct COUNT. */
    uint64_t num, den;
    bool descending;
    bool any; /* not an aggregate: some row's value (long text beside its digest) */
} cm_plan_agg;

/* A function over partitions of equal `key` columns in the order of `order`.  SUM is NULL without
 * values, as in cm_plan_agg. */
typedef struct cm_plan_window {
    cm_win function;
    cm_win_frame frame;
    int col; /* of the child; -1: none, or count(*) */
    uint64_t offset;
    int64_t from, to; /* SLIDING */
} cm_plan_window;

/* Whether rows that tie in the order get different values: then their order has to be random. */
bool cm_plan_window_tells_ties(const cm_plan_window *window);

typedef struct cm_plan_bound {
    bool given;
    bool open;    /* equality does not match */
    unsigned col; /* of child 1 */
} cm_plan_bound;

typedef struct cm_plan_cost { /* of this node alone, one party, estimates */
    double ands, bytes, rounds, seconds;
    double memory; /* bytes: its table and what it works with; of a plan: the most at one time */
} cm_plan_cost;

typedef struct cm_plan_node cm_plan_node;

/* A child's rows lie in sorted runs, one below the other, as many rows as these nodes have. */
typedef struct cm_plan_runs {
    size_t count;
    const cm_plan_node *const *leaf;
} cm_plan_runs;

struct cm_plan_node {
    cm_plan_op op;
    unsigned number;
    uint64_t rows; /* public; above a join whose size is disclosed, the most that there can be */
    size_t cols;
    const cm_plan_col *col;
    size_t children;
    const cm_plan_node *const *child;
    const cm_plan_node *parent; /* the first that reads it; a node may be read by several */
    cm_plan_cost cost;
    unsigned check;              /* index + 1 of the check that the node makes; 0: none */
    const cm_fragment *fragment; /* INPUT */
    size_t sorts;                /* INPUT: the owner sorts its rows, padding last */
    const cm_order *sort;        /* target is the node's column */
    cm_plan_runs
        runs[2]; /* JOIN*, RANGES, GROUP_SORT, WINDOW: by child, in the order of the keys */
    bool runs_valid_first;          /* rows that do not count come last in their run */
    const cm_org_table *stored;     /* STORED */
    const unsigned *stored_col;     /* STORED: cols entries, columns of it */
    const cm_value *value;          /* VALUES: rows * cols, row by row */
    const cm_combine_kind *combine; /* COMBINE: cols entries; keys are public constants by row */
    const cm_expr *condition;       /* FILTER */
    const cm_expr *const *expr;     /* PROJECT: cols entries, over the child's columns */
    struct {
        cm_from_kind kind; /* INNER, LEFT, SEMI, ANTI; LEFT keeps child 1's rows */
        size_t keys;
        const unsigned *unique_key, *other_key; /* none: child 0 has one row */
        const char *disclosed; /* JOIN_MANY: a sentence; the node has as many rows as the parties
                                  learn that there are, up to `rows`.  NULL: exactly `rows` */
        size_t payloads;       /* INNER and LEFT: columns of child 0 that are carried over */
        const unsigned *payload;
    } join; /* columns: child 1's, then the payload, nullable for LEFT.  JOIN_MANY and RANGES
               have keys and payload of child 0 as `unique` though it is not */
    struct {
        cm_plan_bound lower, upper; /* JOIN_MANY, RANGES: where a row of child 0 has to lie */
        unsigned order;             /* column of child 0 that is compared with them, if given */
    } range;
    size_t keys; /* GROUP_*: the child's key columns; columns: keys, then aggs, then count(*);
                    AGGREGATE: the same without keys; RANGES:
                    as many as child 1 has columns.  WINDOW: the partition's */
    const unsigned *key;
    const cm_domain *domain; /* GROUP_DOMAIN and COMBINE: keys entries */
    size_t aggs;
    const cm_plan_agg *agg;
    size_t windows; /* WINDOW */
    const cm_plan_window *window;
    size_t orders;         /* SORT and WINDOW */
    const cm_order *order; /* target is the child's column */
    uint64_t limit, offset;
};

/*
 * What a plan presumes and the parties verify while they compute: one secret flag each, opened to
 * the coordinator with the answer, which is not shown when one is up.
 */
typedef struct cm_plan_check {
    const char *sqlstate, *message, *hint;
} cm_plan_check;
enum { CM_PLAN_CHECKS_MAX = 32 };
/* Most rows that a node under MPC may have, and a join whose size is disclosed; 54000 beyond. */
enum { CM_PLAN_ROWS_MAX = 1 << 30, CM_PLAN_DISCLOSED_MAX = 1 << 28 };

typedef enum cm_discloses_to { CM_TO_COORDINATOR, CM_TO_PARTIES, CM_TO_OWNERS } cm_discloses_to;
typedef struct cm_disclosure {
    const char *to;   /* organisation, or "computing parties" */
    const char *what; /* a sentence */
} cm_disclosure;

typedef struct cm_plan {
    const cm_plan_node *root;
    size_t nodes;
    const cm_plan_node *const *node; /* by number */
    /* The answer: columns of the root that are shown, in order. */
    size_t outputs;
    const unsigned *output;         /* root columns */
    const char *const *output_name; /* headings */
    bool always_merge;              /* runs, even where a sort costs less */
    bool shuffle_output;            /* positions of the root's rows mean something: shuffle first */
    /* ORDER BY over shown columns is done by the coordinator after opening. */
    size_t orders;
    const cm_order *order; /* target: index into outputs */
    uint32_t min_rows;     /* K that the plan enforces */
    unsigned presumes;     /* level (type.h); owners verify it of what they read */
    const char *protocol;  /* "rep3" */
    size_t parties;        /* computing parties' organisations, in order: participants 0.. */
    const char *const *party;
    size_t participants; /* parties, then other owners, then the coordinator if not among them */
    const char *const *participant;
    unsigned coordinator; /* participant */
    size_t checks;
    const cm_plan_check *check;
    size_t disclosures;
    const cm_disclosure *disclosure;
    /* A root STORE: the materialized view that it makes, without its number.  No outputs. */
    const cm_org_table *stores;
    size_t kept_keys; /* what is unique of it: of one column, too */
    const cm_table_key *kept_key;
    cm_plan_cost total;
    const char *text; /* canonical */
    cm_hash digest;   /* SHA-256 of the text */
} cm_plan;

/* Whether owners sort their rows so that operators merge them. */
typedef enum cm_runs_use { CM_RUNS_WHERE_CHEAPER, CM_RUNS_NEVER, CM_RUNS_ALWAYS } cm_runs_use;

/* Settings that change plans; part of what is proposed, so that everybody plans alike. */
enum { CM_PLAN_DOMAIN_MAX = 1 << 20 }; /* domain_max at most */

typedef struct cm_plan_settings {
    bool pushdown;           /* owners evaluate what they can: on */
    uint32_t domain_max;     /* most groups for a group-by on a public domain: 4096 */
    bool cross_owner_keys;   /* presume that a key of every owner is one of their union: on */
    uint64_t join_rows;      /* bound of a join without a unique side; 0: none */
    cm_runs_use runs;        /* where that is cheaper */
    uint32_t lanes;          /* of each computing party, 1 to 16: the most, */
    bool lanes_fixed;        /* or exactly so many */
    int64_t now;             /* what now() is: microseconds since 2000-01-01, UTC */
    double rtt_seconds;      /* measured link, rounded to steps, */
    double bytes_per_second; /* and to powers of 2 */
    double work_seconds;     /* of a party's processors, for each byte that it sends */
} cm_plan_settings;
cm_plan_settings cm_plan_settings_default(void);
/* Lanes of the plan's job: as many as each have enough to do, at most settings->lanes; or that. */
unsigned cm_plan_lanes(const cm_plan *plan, const cm_plan_settings *settings);

CM_MUST cm_status cm_sql_plan(const cm_query *query, const cm_schema *schema,
                              const char *coordinator, const cm_plan_settings *settings,
                              cm_arena *arena, const cm_plan **ret, cm_diag *diag);

/* The hints of a statement: comments that begin with a plus sign.  42601 for rows() without an
 * alias and a number. */
CM_MUST cm_status cm_sql_hints(const char *sql, cm_arena *arena, const cm_hint **ret,
                               size_t *ret_count, cm_diag *diag);

/* Fills plan->stores of a plan whose root is STORE. */
CM_MUST cm_status cm_stored_describe(const cm_stmt *stmt, const cm_query *query,
                                     const cm_schema *schema, const char *org, cm_arena *arena,
                                     cm_plan *plan, cm_diag *diag);

/* Parse, bind, check and plan one SELECT: what the coordinator does first and every node repeats.
 */
CM_MUST cm_status cm_sql_prepare(const char *sql, const cm_schema *schema, const char *coordinator,
                                 const char *const *params, size_t param_count,
                                 const cm_plan_settings *settings, cm_arena *arena,
                                 const cm_query **ret_query, const cm_plan **ret_plan,
                                 cm_diag *diag);

/* What a party keeps beside its shares and compares with what the owner publishes: everything but
 * grants. */
cm_hash cm_stored_digest(const cm_org_table *table);

/* One line per element of EXPLAIN's output, text or one JSON document.  measured (nodes entries) or
 * NULL is what EXPLAIN ANALYZE adds. */
typedef struct cm_measured {
    double bytes, rounds, seconds;
} cm_measured;
void cm_explain_print(const cm_plan *plan, const cm_explain *options, const cm_measured *measured,
                      cm_buf *out);

/* Sets used[i] for every column i that it reads of a table; at a level of presumptions above 0, for
 * those alone of which something is presumed. */
void cm_fragment_mark(const cm_fragment *fragment, size_t table, unsigned presumes, bool *used);
/* The tables that it reads. */
size_t cm_fragment_tables(const cm_fragment *fragment);
const cm_org_table *cm_fragment_table(const cm_fragment *fragment, size_t index);

/*
 * SQL of a fragment for one dialect.  from[i] is what stands for table i: an expression of the
 * source that yields the table's columns by name as canonical integers (source/source.h).  Outputs
 * are columns c0.. (row-level) or keys k0.. then c0.. (aggregated, only existing groups).
 */
typedef enum cm_dialect { CM_DIALECT_SQLITE, CM_DIALECT_POSTGRES } cm_dialect;
void cm_fragment_sql(const cm_fragment *fragment, cm_dialect dialect, const char *const *from,
                     cm_buf *out);
/* The same for people to read, with the tables' names. */
void cm_fragment_show(const cm_fragment *fragment, cm_buf *out);
/*
 * What a PostgreSQL source has for a column.  Working on what is stored lets the server use its
 * indexes, and converts once per group what would else be converted once per row.
 */
typedef enum cm_native_kind {
    CM_NATIVE_NONE,   /* value alone */
    CM_NATIVE_NUMBER, /* the number, without the type's scale: canonical / 10^scale, exactly */
    CM_NATIVE_DATE,
    CM_NATIVE_TIMESTAMP, /* without time zone */
    CM_NATIVE_LABEL,     /* an enum's label as text in collation "C": equality alone */
} cm_native_kind;
typedef struct cm_native {
    const char *value;   /* SQL of the canonical value, over the stored columns */
    cm_native_kind kind; /* of expr */
    const char *expr;    /* part of value; NULL where value is, and one to one with it */
} cm_native;
/* The same rows as cm_fragment_sql's for PostgreSQL, of a fragment of one table; native has an
 * entry for each of its columns, and `from` gives the stored ones. */
void cm_fragment_native_sql(const cm_fragment *fragment, const cm_native *native, const char *from,
                            cm_buf *out);

static inline bool cm_fragment_is_dense(const cm_fragment *fragment)
{
    return fragment->aggregated && (fragment->keys == 0 || fragment->domain != NULL);
}
/* Of a dense one: the position of a group among all combinations of its keys' domains, first key
 * slowest; false when a key is outside of its domain.  And the keys of a position. */
size_t cm_fragment_groups(const cm_fragment *fragment);
CM_MUST bool cm_fragment_position(const cm_fragment *fragment, const cm_value *keys, size_t *ret);
void cm_fragment_keys_at(const cm_fragment *fragment, size_t position, cm_value *ret_keys);

/* Whether an owner with that dialect can evaluate the expression exactly (int64 in SQLite). */
bool cm_expr_pushable(const cm_expr *expr);

#endif
