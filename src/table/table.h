/*
 * table/table.h - secret tables and oblivious relational operators.
 *
 * A secret table has a public number of rows, named by `rows`; which of them count is secret, in
 * the one-plane column `valid`.  A column is planes, and where it may be NULL a one-plane column
 * `null` (null.planes is 0 otherwise).  Values under NULL and in invalid rows are arbitrary unless
 * a function says otherwise.
 *
 * Operators never branch on secrets: their messages depend on public sizes alone.  Tables live in
 * the caller's arena; an operator's result is allocated from `arena`, its temporaries from
 * `scratch`: disjoint ranges of memory. Costs, openings and their arguments: docs/design/table.md.
 */
#ifndef CM_TABLE_TABLE_H
#define CM_TABLE_TABLE_H

#include "circuit/circuit.h"

typedef struct cm_scol {
    cm_bcol data;
    cm_bcol null; /* planes 0: cannot be NULL */
} cm_scol;

typedef struct cm_table {
    size_t rows;
    unsigned cols;
    cm_scol *col;
    cm_bcol valid; /* always one plane */
} cm_table;

/* A table of zeros without valid rows: planes[i] and nullable[i] per column. */
cm_table cm_table_new(cm_arena *arena, unsigned legs, size_t rows, unsigned cols,
                      const unsigned *planes, const bool *nullable);
/* The same rows one below the other.  Columns agree in planes; nullable where one of them is. */
cm_table cm_table_concat(cm_mpc *mpc, const cm_table *parts, size_t count, cm_arena *arena);
/* valid = valid AND keep, in place. */
CM_MUST cm_status cm_table_filter(cm_mpc *mpc, cm_table *table, cm_bcol keep, cm_arena scratch);

/*
 * What is known of the order of a table's rows: they lie in runs, one below the other, each in the
 * order that an operator wants, which its rows' owner saw to.  Lengths are public.  An operator
 * merges runs where that costs less than a sort; a run that is not in order gives a wrong result.
 */
typedef enum cm_order_way {
    CM_ORDER_BEST,
    CM_ORDER_SORT,
    CM_ORDER_MERGE,
    CM_ORDER_RADIX, /* one stable partition for each plane of the keys */
} cm_order_way;
typedef struct cm_runs {
    size_t count; /* 0: rows are in no known order */
    const size_t *rows;
    /* Rows that do not count come last in their run; else anywhere, in the order of their keys. */
    bool valid_first;
    cm_order_way way; /* by cost, or as told */
} cm_runs;

/* Rows of equal keys: as they were, in a secret random order, or as it comes. */
typedef enum cm_ties { CM_TIES_KEPT, CM_TIES_RANDOM, CM_TIES_ANY } cm_ties;

/* One key of a sort; ascending, NULLs last, is PostgreSQL's default. */
typedef struct cm_sort_key {
    unsigned col;
    bool descending;
    bool nulls_first;
} cm_sort_key;

/*
 * Stable sort by keys, valid rows before invalid ones when valid_first.  Shuffle, then sample sort
 * by opened comparisons of keys made distinct with the original position (DESIGN.md, 6): what is
 * opened has the same distribution for all tables of the size.
 */
CM_MUST cm_status cm_table_sort(cm_mpc *mpc, cm_table *table, const cm_sort_key *keys, size_t count,
                                bool valid_first, cm_arena *arena, cm_arena scratch);
/*
 * The same where rows lie in runs by these keys, which are merged where that costs less than a
 * sort: by Batcher's network, which opens nothing but the places of shuffled rows.
 */
CM_MUST cm_status cm_table_sort_runs(cm_mpc *mpc, cm_table *table, const cm_sort_key *keys,
                                     size_t count, bool valid_first, const cm_runs *runs,
                                     cm_arena *arena, cm_arena scratch);
/*
 * The first `rows` rows in order, valid ones first; rows that tie come in a secret random order, so
 * that positions tell nothing of where rows were.  For few of many rows a selection, which compares
 * each row about once; with rows = table->rows a sort.
 */
CM_MUST cm_status cm_table_order(cm_mpc *mpc, const cm_table *table, const cm_sort_key *keys,
                                 size_t count, size_t rows, cm_arena *arena, cm_table *ret,
                                 cm_arena scratch);
/*
 * What the comparisons of a sort cost one party (rep3), without shuffling and moving the rows;
 * key_planes counts the tag's ceil(log2 rows) planes, too.  A round costs as much as round_bytes,
 * as for cm_mpc_round_bytes: the schedule follows from it.
 */
typedef struct cm_sort_cost {
    double ands, bytes, rounds;
    double work; /* what it computes beyond what goes with its bytes, as bytes */
} cm_sort_cost;
cm_sort_cost cm_table_sort_cost(size_t rows, unsigned key_planes, size_t round_bytes);
/* The same for the first rows alone. */
cm_sort_cost cm_table_order_cost(size_t table_rows, size_t rows, unsigned key_planes,
                                 size_t round_bytes);
/*
 * Stable partition: rows with flag = 1 first, order kept on both sides.  One bit-to-ring
 * conversion, one shuffle, one opening of a uniformly random permutation.
 */
CM_MUST cm_status cm_table_partition(cm_mpc *mpc, cm_table *table, cm_bcol flag, cm_arena *arena,
                                     cm_arena scratch);
/* A secret random order, in place, so that positions tell nothing any more. */
CM_MUST cm_status cm_table_shuffle(cm_mpc *mpc, cm_table *table, cm_arena scratch);
/* A copy of the first rows (rows at most table->rows), public. */
CM_MUST cm_status cm_table_head(cm_mpc *mpc, const cm_table *table, size_t rows, cm_arena *arena,
                                cm_table *ret);

/*
 * Equi-join.  `unique` has at most one valid row per key without NULL in it (checked by its owner);
 * each row of `other` is kept once.  Result: other's columns, then unique's payload columns; for
 * LEFT rows without partner stay, with NULLs.  SEMI and ANTI keep other's columns only.  NULL keys
 * match nothing.  Key columns are equal in planes, pairwise.  Without keys `unique` has one row,
 * the partner of every row if it is valid: nothing is sorted, one AND is sent.
 */
typedef enum cm_join_kind { CM_JOIN_INNER, CM_JOIN_LEFT, CM_JOIN_SEMI, CM_JOIN_ANTI } cm_join_kind;
typedef struct cm_join_spec {
    cm_join_kind kind;
    size_t keys;
    const unsigned *unique_key; /* keys entries: columns of `unique` */
    const unsigned *other_key;
    size_t payload_cols;
    const unsigned *payload; /* columns of `unique` to carry over */
    /*
     * Where not NULL it receives one secret bit (from `arena`): 1 when two valid rows of `unique`
     * without NULL in it share a key, so that the result is wrong.  For a key that nobody can
     * promise, as over the parts of several owners; the caller opens it as an error, with the
     * answer.  Costs one equality and one AND per row of `unique`, and log2 of those in rounds.
     * Without keys, or rows of `other`, it is 0.
     */
    cm_bcol *ret_duplicate;
    /* Runs by the keys, NULLs last; both or none, and alike in valid_first. */
    cm_runs unique_runs, other_runs;
} cm_join_spec;
CM_MUST cm_status cm_table_join_unique(cm_mpc *mpc, const cm_table *unique, const cm_table *other,
                                       const cm_join_spec *spec, cm_arena *arena, cm_table *ret,
                                       cm_arena scratch);

typedef enum cm_agg_kind {
    CM_AGG_COUNT_ROWS, /* count(*) */
    CM_AGG_COUNT,      /* rows where col is not NULL */
    CM_AGG_SUM,        /* unsigned planes, exact in `planes` bits; 0 when nothing was added */
    CM_AGG_MIN,        /* unsigned order; NULL when nothing was seen */
    CM_AGG_MAX,
    CM_AGG_COUNT_DISTINCT, /* distinct non-NULL values; by-sort only */
    CM_AGG_ANY,            /* the value of some row of the group, as it is; by-sort only */
    /*
     * By-sort only, NULL when nothing was seen: of the n values that are not NULL in unsigned
     * order, numbered from 0, with p = num / den.
     */
    CM_AGG_PERCENTILE_FLOOR, /* number floor(p (n - 1)) */
    CM_AGG_PERCENTILE_CEIL,  /* number ceil(p (n - 1)) */
    CM_AGG_PERCENTILE_REST,  /* num (n - 1) mod den: den-ths of the way from FLOOR to CEIL */
    CM_AGG_PERCENTILE_DISC,  /* number ceil(p n) - 1, or 0 */
    CM_AGG_MODE,             /* the most frequent one; of several the least */
} cm_agg_kind;
typedef struct cm_agg {
    cm_agg_kind kind;
    unsigned col;    /* ignored by COUNT_ROWS */
    unsigned planes; /* width of the result, at most 128, chosen by the planner so that it fits */
    /* PERCENTILE: num <= den < 2^32, den > 0; and whether the greatest value is number 0. */
    uint64_t num, den;
    bool descending;
} cm_agg;

/*
 * One group: a table of one row, valid always (COUNT over nothing is 0).  Columns: one per agg.
 */
CM_MUST cm_status cm_table_aggregate(cm_mpc *mpc, const cm_table *table, const cm_agg *aggs,
                                     size_t count, cm_arena *arena, cm_table *ret,
                                     cm_arena scratch);
/*
 * Groups by a public domain: row g of the result counts the rows whose key columns have the packed
 * value domain[g] (all key planes concatenated, first key lowest; a nullable key adds its null
 * plane above its data planes, data 0 under NULL).  Columns: one per agg; valid where the group has
 * a row. No sort: one-hot bits and dot products; MIN and MAX by masked trees.
 */
CM_MUST cm_status cm_table_group_domain(cm_mpc *mpc, const cm_table *table, const unsigned *keys,
                                        size_t key_count, const cm_u128 *domain, size_t groups,
                                        const cm_agg *aggs, size_t count, cm_arena *arena,
                                        cm_table *ret, cm_arena scratch);
/*
 * Groups by sort: result has table->rows rows (or max_groups when smaller and not 0: the caller
 * knows a public bound), valid ones first, in key order with NULLs last.  Columns: the keys, then
 * one per agg.  NULL keys form one group.  All COUNT_DISTINCT, PERCENTILE and MODE read one column,
 * else CM_EUNSUPPORTED.  runs, or NULL: by the keys and then that column, NULLs last.
 */
CM_MUST cm_status cm_table_group_sort(cm_mpc *mpc, const cm_table *table, const unsigned *keys,
                                      size_t key_count, size_t max_groups, const cm_agg *aggs,
                                      size_t count, const cm_runs *runs, cm_arena *arena,
                                      cm_table *ret, cm_arena scratch);

/*
 * Which points lie in each interval.  A row of `points` has keys and, where a bound is given, a
 * value `order`; a row of `intervals` has keys and a lower and an upper bound, either of which may
 * be absent.  A point matches an interval of equal keys between whose bounds it lies.  Without
 * bounds that is equality; without keys all points are looked at.  Either side may repeat anything.
 * Values are unsigned; keys agree in planes pairwise, bounds with `order`.  NULL matches nothing.
 *
 * One sort of points and intervals, the latter twice where both bounds are given; nothing is moved
 * but what is summed up.
 */
typedef struct cm_bound {
    bool given;
    bool open;    /* equality does not match */
    unsigned col; /* of intervals */
} cm_bound;
typedef struct cm_range_spec {
    size_t keys;
    const unsigned *point_key; /* keys entries: columns of `points` */
    const unsigned *interval_key;
    cm_bound lower, upper;
    unsigned order; /* column of points, read where a bound is given */
    size_t aggs;
    const cm_agg *agg; /* COUNT_ROWS, COUNT and SUM over columns of points: of the points matched */
    /*
     * Where not NULL, without bounds, it receives one secret bit (from `arena`): 1 when two valid
     * intervals without NULL in it share a key.  Costs a plane more to sort by.
     */
    cm_bcol *ret_duplicate;
    /*
     * Runs by the keys, then by order and by the one bound that is given, NULLs last; both or none,
     * and of no use with two bounds, or ret_duplicate.  Rows that do not count lie as their keys
     * say.
     */
    cm_runs point_runs, interval_runs;
} cm_range_spec;
/*
 * Live points, that may match, have ranks 0, 1, ... by keys, order, and position.  Those that match
 * an interval have ranks first .. first + count - 1.
 */
typedef struct cm_ranges {
    cm_bcol first, count; /* per interval, in place; count is 0 where nothing matches */
    cm_scol *agg;         /* per interval: aggs columns, 0 where nothing was added */
    cm_bcol rank;         /* per point, in place; arbitrary where it is not live */
    cm_bcol live;
} cm_ranges;
CM_MUST cm_status cm_table_ranges(cm_mpc *mpc, const cm_table *points, const cm_table *intervals,
                                  const cm_range_spec *spec, cm_arena *arena, cm_ranges *ret,
                                  cm_arena scratch);

/*
 * Each valid row of the table count times, in the table's order, in a result of `rows` rows, public
 * and at least the sum of counts: else *ret_overflow, a secret bit, is 1 and the result is without
 * meaning; the caller opens it as an error, with the answer.  With `outer` a valid row comes once
 * even if its count is 0.  Columns: the table's, then the number of the copy, from 0 (planes of
 * cm_expand_planes).  No comparisons: linear but for a network that moves one bit a row.
 * Krastnikov, Kerschbaum, Stebila, VLDB 2020.
 */
CM_MUST cm_status cm_table_expand(cm_mpc *mpc, const cm_table *table, cm_bcol count, bool outer,
                                  size_t rows, cm_arena *arena, cm_table *ret,
                                  cm_bcol *ret_overflow, cm_arena scratch);
unsigned cm_expand_planes(size_t rows);

/*
 * Join where both sides may repeat keys, by equality or by equality and a range: each interval with
 * each of its points, in a result of `rows` rows, or with too small a bound the secret bit
 * *ret_overflow, as above.  Columns: the intervals', then points' payload columns; LEFT keeps
 * valid intervals without points, with NULLs.  SEMI and ANTI have a row per interval, in place,
 * need no bound, and leave *ret_overflow 0.  range.aggs is 0.
 */
typedef struct cm_join_many_spec {
    cm_join_kind kind;
    cm_range_spec range;
    size_t payload_cols;
    const unsigned *payload; /* columns of `points` */
    size_t rows;
} cm_join_many_spec;
CM_MUST cm_status cm_table_join_many(cm_mpc *mpc, const cm_table *points, const cm_table *intervals,
                                     const cm_join_many_spec *spec, cm_arena *arena, cm_table *ret,
                                     cm_bcol *ret_overflow, cm_arena scratch);

/*
 * Window functions over partitions of equal `part` columns (NULLs are equal), in the order of
 * `order`.  Result: the valid rows first, by partition and order; the child's columns, then one
 * per function.  One sort for all functions.
 */
typedef enum cm_window_kind {
    CM_WINDOW_ROW_NUMBER,
    CM_WINDOW_RANK,
    CM_WINDOW_DENSE_RANK,
    CM_WINDOW_LAG, /* col `offset` rows above (below for LEAD), NULL outside the partition */
    CM_WINDOW_LEAD,
    CM_WINDOW_FIRST,      /* of the partition; or its row `offset`, NULL when there is none */
    CM_WINDOW_LAST,       /* of the frame */
    CM_WINDOW_COUNT_ROWS, /* of the frame, as the rest */
    CM_WINDOW_COUNT,
    CM_WINDOW_SUM, /* unsigned, 0 when nothing was added */
    CM_WINDOW_MIN,
    CM_WINDOW_MAX,
} cm_window_kind;
/*
 * From the partition's first row to the row itself, to its last peer, to the partition's end.
 * SLIDING, for COUNT, SUM, MIN and MAX: from `from` to `to` rows below the row (above where
 * negative; CM_FRAME_UNBOUNDED or more: all), cut at the partition's ends; MIN and MAX have the row
 * itself in it.
 */
typedef enum cm_window_frame {
    CM_FRAME_ROWS,
    CM_FRAME_PEERS,
    CM_FRAME_PARTITION,
    CM_FRAME_SLIDING,
} cm_window_frame;
#define CM_FRAME_UNBOUNDED ((int64_t)1 << 40)
typedef struct cm_window_func {
    cm_window_kind kind;
    cm_window_frame frame;
    unsigned col;
    uint64_t offset;  /* LAG, LEAD: at least 1 */
    unsigned planes;  /* of numbers and sums, at most 128, wide enough; others are like their col */
    int64_t from, to; /* SLIDING */
} cm_window_func;
typedef struct cm_window_spec {
    size_t parts, orders, funcs;
    const unsigned *part;
    const cm_sort_key *order;
    const cm_window_func *func;
    cm_ties ties;
    cm_runs runs; /* by part, NULLs last, then order; of use where ties are not random */
} cm_window_spec;
CM_MUST cm_status cm_table_window(cm_mpc *mpc, const cm_table *table, const cm_window_spec *spec,
                                  cm_arena *arena, cm_table *ret, cm_arena scratch);

#endif
