/*
 * table/table_int.h - private to table/: rows as one wide column, moves of rows, programs over
 * columns of any width, and what aggregates add up.
 *
 * An operator that moves rows first packs what has to travel into one wide column, one row of bits
 * per row, so that a shuffle and a gather see a single column.  Opened positions are public and
 * are `uint32_t`; a table has fewer than 2^32 rows.
 *
 * A function that takes `keep` and no scratch allocates its results first and copies keep's mark
 * for its temporaries then, so that the caller may pass its own scratch.
 */
#ifndef CM_TABLE_TABLE_INT_H
#define CM_TABLE_TABLE_INT_H

#include "table/table.h"

/* An operator's result and its temporaries must not share memory. */
static inline void cm_table_check_arenas(const cm_arena *arena, cm_arena scratch)
{
    CM_ASSERT(arena->end <= scratch.mark || scratch.end <= arena->mark);
}

/* ---- rows.c: packing and moving ----------------------------------------------------------- */

/* Bits that 0 .. count - 1 need; 0 for count <= 1. */
unsigned cm_bits_for(size_t count);
/* All columns of a table side by side, data below null, valid last. */
unsigned cm_table_planes(const cm_table *table);
void cm_table_pack(const cm_table *table, cm_bcol wide);
/* The inverse: ret has columns like those of `like`, which may be ret itself, borrowed from wide.
 */
void cm_table_unpack(const cm_table *like, cm_bcol wide, cm_table *ret);
/* The position of each row, as bits and as ring words: public values, shared. */
void cm_rows_index_bits(cm_mpc *mpc, cm_bcol z, cm_arena scratch);
void cm_rows_index_words(cm_mpc *mpc, cm_acol z);
/* z = NOT x for a column of one plane. */
void cm_rows_not(cm_mpc *mpc, cm_bcol x, cm_bcol z);
/* ret, of one row, is 1 if some row of the one plane x is.  x is used up; one AND a row. */
CM_MUST cm_status cm_rows_any(cm_mpc *mpc, cm_bcol x, cm_bcol ret, cm_arena scratch);
/* z row r = x row r - 1, row 0 = 0; z does not overlap x. */
void cm_rows_shift_words(cm_acol x, cm_acol z);

/* Rows that move together. */
typedef struct cm_rows {
    cm_bcol bits;
    cm_acol *ring;
    size_t ring_count;
} cm_rows;

/*
 * Shuffles the rows and their destinations, opens the destinations, and puts each row there.  The
 * destinations are a permutation of all rows, else CM_EPROTO.  rows and dest are used up.  ret
 * holds the first rows of the result, as many as its columns have.
 */
CM_MUST cm_status cm_rows_place(cm_mpc *mpc, cm_acol dest, cm_rows *rows, cm_rows *ret,
                                cm_arena scratch);
/* The same with destinations in the lowest dest_planes of wide; ret holds the planes above them. */
CM_MUST cm_status cm_rows_place_bits(cm_mpc *mpc, cm_bcol wide, unsigned dest_planes, cm_bcol ret,
                                     cm_arena scratch);

/* ---- sort_less.c: batches of comparisons --------------------------------------------------- */

enum { CM_SORT_SHAPES = 5 };

/* A batch costs ands[i] * pairs + fixed[i] in the best of its shapes, counted in ANDs. */
typedef struct cm_sort_costs {
    uint64_t ands[CM_SORT_SHAPES], fixed[CM_SORT_SHAPES];
} cm_sort_costs;
uint64_t cm_sort_batch_price(const cm_sort_costs *costs, size_t pairs);
/* So many pairs are compared at once, which bounds memory; each window takes its own rounds. */
enum { CM_SORT_WINDOW = 1 << 20 };

/* Programs that compare keys of so many planes. */
typedef struct cm_sort_less {
    cm_program *program[CM_SORT_SHAPES];
    unsigned part[CM_SORT_SHAPES]; /* planes of an input */
    cm_sort_costs costs;
} cm_sort_less;
/* A round costs as much as so many bytes, as for cm_mpc_round_bytes. */
void cm_sort_less_init(cm_sort_less *less, unsigned planes, size_t round_bytes, cm_arena scratch);
void cm_sort_less_fini(cm_sort_less *less);
/* Parts that a key of so many planes is compared in, and what the shape's circuits prefer. */
unsigned cm_sort_part(unsigned planes, size_t shape);
cm_shape cm_sort_circuit_shape(size_t shape);
/* Inputs for such parts, lowest first, and the columns to pass to them; how many there are. */
size_t cm_sort_input_parts(cm_circuit *c, unsigned planes, unsigned part, cm_num *ret);
size_t cm_sort_split_parts(cm_bcol x, unsigned part, cm_bcol *ret);
/* The shape that a batch of so many pairs takes. */
size_t cm_sort_best_shape(const cm_sort_costs *costs, size_t pairs);
size_t cm_sort_shape(const cm_sort_less *less, size_t pairs);
/* Opens whether x < y, row by row, as CM_TICKET_SHUFFLED.  The shape follows from x.rows. */
CM_MUST cm_status cm_sort_less_open(const cm_sort_less *less, cm_mpc *mpc, cm_bcol x, cm_bcol y,
                                    uint64_t *ret_less, cm_arena scratch);

/* ---- sort_plan.c: what a sort does when, from public sizes alone --------------------------- */

enum { CM_SORT_LEVELS_MAX = 32, CM_SORT_STEP_BITS_MAX = 3 };

typedef struct cm_sort_level {
    size_t rows;        /* how many are sorted when the level is done */
    unsigned bits;      /* 2^bits - 1 of them are sorted already: the pivots */
    unsigned step_bits; /* bits of its gap between pivots that a row finds in one depth */
    size_t pairs;       /* comparisons in the batch that orders all gaps */
} cm_sort_level;

/* Levels in order: each sorts the pivots of the next. */
typedef struct cm_sort_plan {
    size_t levels;
    cm_sort_level level[CM_SORT_LEVELS_MAX];
} cm_sort_plan;

/* Returns the price, counted in ANDs. */
uint64_t cm_sort_plan_make(size_t rows, const cm_sort_costs *costs, cm_sort_plan *ret);
/*
 * With 2^bits - 1 pivots drawn at random from so many rows, the gaps between them hold more pairs
 * than this with a probability below 2^-65; never where the bound is that of all pairs.
 */
size_t cm_sort_pairs_bound(size_t rows, unsigned bits);

/* ---- sort_cost.c ---------------------------------------------------------------------------- */

/* As cm_table_sort_cost, where a round costs as much as so many bytes. */
cm_sort_cost cm_sort_comparisons_cost(size_t rows, unsigned key_planes, size_t round_bytes,
                                      cm_arena scratch);

/* ---- sort_order.c -------------------------------------------------------------------------- */

/*
 * The order of rows by key, all distinct, found by opened comparisons: ret_from[r] is the row of
 * rank r.  The caller has shuffled the rows.  Messages depend on key's rows and planes.  Tickets
 * are CM_TICKET_SHUFFLED.  Outcomes that are no order give CM_EPROTO.
 */
CM_MUST cm_status cm_sort_order(cm_mpc *mpc, cm_bcol key, uint32_t *ret_from, cm_arena scratch);
/*
 * Puts the first rows of wide in order by its lowest key_planes planes, where they are, by a plan
 * for so many rows; NULL: the best one.  ret_from as below, or NULL.  On failure rows are in no
 * order.
 */
CM_MUST cm_status cm_sort_in_place(cm_mpc *mpc, cm_bcol wide, unsigned key_planes, size_t rows,
                                   const cm_sort_plan *plan, uint32_t *ret_from, cm_arena scratch);
/* The same by a plan for key.rows rows; NULL: the best one. */
CM_MUST cm_status cm_sort_order_by(cm_mpc *mpc, cm_bcol key, const cm_sort_plan *plan,
                                   uint32_t *ret_from, cm_arena scratch);

/* ---- sort.c -------------------------------------------------------------------------------- */

/* A key that orders as an unsigned number, without tag: the first key most significant. */
unsigned cm_sort_key_planes(const cm_table *table, const cm_sort_key *keys, size_t count,
                            bool valid_first);
CM_MUST cm_status cm_sort_key_build(cm_mpc *mpc, const cm_table *table, const cm_sort_key *keys,
                                    size_t count, bool valid_first, cm_bcol z, cm_arena scratch);
/* Sorts the rows of wide, in place, by its key_planes lowest planes, distinct by a tag inside. */
CM_MUST cm_status cm_sort_rows(cm_mpc *mpc, cm_bcol wide, unsigned key_planes, cm_arena scratch);

/* ---- top.c --------------------------------------------------------------------------------- */

/* The first rows of wide in that order; wide is used up. */
CM_MUST cm_status cm_sort_first(cm_mpc *mpc, cm_bcol wide, unsigned key_planes, cm_bcol ret,
                                cm_arena scratch);
/* How the first of so many rows are found; a function of public sizes. */
typedef struct cm_top_plan {
    size_t sample;     /* rows sorted to find a pivot; 0: all rows are sorted */
    size_t rank;       /* of the pivot among them, from 1 */
    size_t candidates; /* rows sorted at last */
} cm_top_plan;
void cm_top_plan_make(size_t rows, size_t first, const cm_sort_costs *costs, cm_top_plan *ret);

/* ---- merge.c: sorted runs by a network ------------------------------------------------------ */

/* Which places meet at which level, from the runs' lengths. */
typedef struct cm_merge_net cm_merge_net;
cm_merge_net *cm_merge_net_new(const cm_runs *runs, cm_arena *arena);
unsigned cm_merge_net_levels(const cm_merge_net *net);
size_t cm_merge_net_pairs(const cm_merge_net *net, unsigned level);
/* What a batch of comparators costs that compare such keys and exchange rows of so many planes. */
void cm_merge_costs(const cm_sort_less *less, unsigned planes, cm_sort_costs *ret);
/*
 * Puts the rows of wide, which are runs in order of planes key_first .. key_first + key_planes - 1,
 * into that order, in place: nothing is opened.  Rows that tie come in an order that follows from
 * the runs' lengths and which rows tie.
 */
CM_MUST cm_status cm_merge_rows(cm_mpc *mpc, cm_bcol wide, unsigned key_first, unsigned key_planes,
                                const cm_runs *runs, cm_arena scratch);

/* One after the other's. */
cm_runs cm_runs_concat(const cm_runs *first, const cm_runs *second, cm_arena *arena);

/* ---- cost.c: steps that several operators have --------------------------------------------- */

/* Four bits a plane and row over all three parties. */
void cm_cost_add_shuffle(cm_sort_cost *cost, double rows, double planes);
/* Shuffled with places of so many planes, which are opened. */
void cm_cost_add_place(cm_sort_cost *cost, double rows, double planes, double place);
/* A bit into the ring, a product, a shuffle with the destination, its opening. */
void cm_cost_add_partition(cm_sort_cost *cost, double rows, double planes);

/* ---- order.c: a sort, a merge or radix passes ------------------------------------------------ */

/* Rows to be put in order by their keys.  Planes from the lowest: the tag, which is each row's
 * place, the key, the payload. */
typedef struct cm_order {
    size_t rows;
    unsigned tag, key, payload;
    bool stable;       /* ties by the tag; a sort is, a merge compares the tag then */
    bool random;       /* the tags are in a secret random order, which ties come in */
    bool keep_tag;     /* it is read afterwards; else what is in it then has no meaning */
    bool invalid_flag; /* the key's top plane says which rows do not count */
    cm_runs runs;      /* by the key; without its invalid flag unless runs.valid_first */
} cm_order;
/* Whether the rows are merged: from public sizes and the session's price of a round. */
bool cm_order_merges(const cm_order *order, size_t round_bytes, cm_arena scratch);
/* What that takes, of rep3. */
cm_sort_cost cm_order_cost(const cm_order *order, size_t round_bytes, cm_arena scratch);
/* In place. */
CM_MUST cm_status cm_order_rows(cm_mpc *mpc, cm_bcol wide, const cm_order *order, cm_arena scratch);

/* ---- sort.c, tables ------------------------------------------------------------------------ */

/*
 * The table's rows in order; ret, which may be the table, has its columns, some of which share
 * memory with the key.  Keys are not moved twice.  runs, or NULL, by these keys are of no use
 * where ties are random.  ret_key,
 * when not NULL, receives the key of cm_sort_key_build in order.
 */
CM_MUST cm_status cm_sort_columns(cm_mpc *mpc, const cm_table *table, const cm_sort_key *keys,
                                  size_t count, bool valid_first, cm_ties ties, const cm_runs *runs,
                                  cm_arena *arena, cm_table *ret, cm_bcol *ret_key,
                                  cm_arena scratch);

/* ---- lookup.c ------------------------------------------------------------------------------- */

enum { CM_LOOKUP_KEY_MAX = 16 };
/*
 * ret row r = value of the row of unique_key that equals key row r and has plane 0 of value, its
 * flag; 0 without one.  Keys have few planes; rows without flag may repeat them.  duplicate, unless
 * it has no planes, receives one bit: whether two rows with flag share a key.
 */
CM_MUST cm_status cm_lookup(cm_mpc *mpc, cm_bcol unique_key, cm_bcol value, cm_bcol key,
                            cm_bcol ret, cm_bcol duplicate, cm_arena scratch);
/* Without finding duplicates. */
cm_sort_cost cm_lookup_cost(size_t unique_rows, size_t other_rows, unsigned key_planes,
                            unsigned value_planes);

/* ---- join.c -------------------------------------------------------------------------------- */

/* How rows find what the unique rows carry: by cost, or as told. */
typedef enum cm_join_way {
    CM_JOIN_WAY_BEST,
    CM_JOIN_WAY_SORT, /* PARTITION or SCAN */
    CM_JOIN_WAY_PARTITION,
    CM_JOIN_WAY_SCAN,
    CM_JOIN_WAY_MERGE,  /* of runs, then a scan */
    CM_JOIN_WAY_LOOKUP, /* no sort: for keys of at most CM_LOOKUP_KEY_MAX planes */
} cm_join_way;
/* cost.c: SORT and MERGE, on a link where a round costs so many bytes. */
struct cm_join_size;
cm_sort_cost cm_join_sort_cost(const struct cm_join_size *size, size_t round_bytes,
                               cm_arena scratch);
cm_sort_cost cm_join_merge_cost(const struct cm_join_size *size, size_t round_bytes,
                                cm_arena scratch);
CM_MUST cm_status cm_join_unique_by(cm_mpc *mpc, const cm_table *unique, const cm_table *other,
                                    const cm_join_spec *spec, cm_join_way way, cm_arena *arena,
                                    cm_table *ret, cm_arena scratch);

/* ---- partition.c --------------------------------------------------------------------------- */

/* Where a stable partition by a secret flag puts each row. */
CM_MUST cm_status cm_partition_destination(cm_mpc *mpc, cm_bcol flag, cm_acol ret,
                                           cm_arena scratch);

/* ---- wide.c: programs over columns wider than one cm_num ---------------------------------- */

size_t cm_wide_chunks(unsigned planes);
/* Inputs for a column of so many planes, lowest chunk first; and the columns to pass to them. */
void cm_wide_input(cm_circuit *c, unsigned planes, cm_num *ret_chunks);
void cm_wide_split(cm_bcol x, cm_bcol *ret_chunks);
cm_wire cm_wide_lt(cm_circuit *c, const cm_num *x, const cm_num *y, size_t chunks);
cm_wire cm_wide_is_zero(cm_circuit *c, const cm_num *x, size_t chunks);
/* ret = 1 where all planes of x are 0. */
CM_MUST cm_status cm_wide_zero_rows(cm_mpc *mpc, cm_bcol x, cm_bcol ret, cm_arena scratch);

/* ---- scan.c: segmented scans ---------------------------------------------------------------- */

/*
 * ret row r = the rows of x from the last one at or above r with start = 1 down to r, combined.
 * `then` has two inputs and one output of x.planes + 1 planes, (start, value) with the start on
 * top, and is associative.  Brent-Kung.
 */
CM_MUST cm_status cm_scan_run(cm_mpc *mpc, const cm_program *then, cm_bcol start, cm_bcol x,
                              cm_bcol ret, cm_arena scratch);
/* ret row r = x at the last marked row at or above r; up: at the first marked row at or below. */
CM_MUST cm_status cm_scan_copy(cm_mpc *mpc, cm_bcol mark, bool up, cm_bcol x, cm_bcol ret,
                               cm_arena scratch);

/* ---- extreme.c: MIN and MAX ---------------------------------------------------------------- */

/*
 * A candidate is a value with a flag above it that says whether it is there; the greater of two
 * candidates is the greater number.  MIN complements the value.
 */
static inline bool cm_agg_is_extreme(cm_agg_kind kind)
{
    return kind == CM_AGG_MIN || kind == CM_AGG_MAX;
}
/* Whether it wants the group's values in order. */
static inline bool cm_agg_is_ordered(cm_agg_kind kind)
{
    return kind >= CM_AGG_PERCENTILE_FLOOR && kind <= CM_AGG_MODE;
}
/* Whether it is made of sums: neither an extreme nor some row's own value. */
static inline bool cm_agg_is_sum(cm_agg_kind kind)
{
    return !cm_agg_is_extreme(kind) && !cm_agg_is_ordered(kind) && kind != CM_AGG_ANY;
}
/* Candidates of group 0, then of group 1, ...: plane g of member says which rows are in group g. */
CM_MUST cm_status cm_extreme_candidates(cm_mpc *mpc, const cm_table *table, const cm_agg *agg,
                                        cm_bcol member, cm_bcol ret, cm_arena scratch);
/* The greatest of each `rows` consecutive rows of x; ret.rows * rows = x.rows. */
CM_MUST cm_status cm_extreme_reduce(cm_mpc *mpc, cm_bcol x, size_t rows, cm_bcol ret,
                                    cm_arena scratch);
/* ret row r = the greatest from the last row at or above r with start = 1 down to r.  Brent-Kung.
 */
CM_MUST cm_status cm_extreme_scan(cm_mpc *mpc, cm_bcol start, cm_bcol x, cm_bcol ret,
                                  cm_arena scratch);
/* The candidate as a result column. */
cm_scol cm_extreme_result(cm_mpc *mpc, const cm_agg *agg, cm_bcol x, cm_arena *arena);

/* ---- group_order.c: percentiles and modes --------------------------------------------------- */

/* Rows sorted by group and value, valid ones first, NULLs last in their group. */
typedef struct cm_group_order {
    cm_bcol valid, end; /* end: the last row of its group, valid */
    cm_bcol run_end;    /* the last row of its value in the group, valid and not NULL */
    cm_bcol value, null;
} cm_group_order;
/* Planes of the result below: like a candidate, a value with a flag above it. */
unsigned cm_group_order_planes(const cm_agg *agg, unsigned value_planes);
/*
 * ret[i] of an ordered aggregate i receives its value at each group's end.  Where the kind is
 * running, that is the XOR difference to the group above.
 */
CM_MUST cm_status cm_group_order_run(cm_mpc *mpc, const cm_group_order *group, const cm_agg *aggs,
                                     size_t count, const cm_bcol *ret, cm_arena scratch);
bool cm_group_order_is_running(cm_agg_kind kind);

/* ---- window_slide.c: frames that move along with the row ------------------------------------- */

typedef struct cm_slide {
    cm_mpc *mpc;
    cm_bcol start, end; /* first and last rows of partitions; the first row is one */
} cm_slide;
/* Row r of z is row r - by of x (r + by where below); outside stands the nearest row. */
void cm_slide_rows(cm_bcol x, size_t by, bool below, cm_bcol z, cm_arena scratch);
/* Whether a partition starts within the `offset` rows that end with each row (ends, of those that
 * start with it). */
CM_MUST cm_status cm_slide_crossing(const cm_slide *s, size_t offset, bool below, cm_bcol ret,
                                    cm_arena scratch);
/* A running value `offset` rows below; outside the partition the one before its first row, or at
 * its last one.  Neither is read for offset 0. */
CM_MUST cm_status cm_slide_running(const cm_slide *s, cm_bcol running, cm_bcol before, cm_bcol last,
                                   int64_t offset, cm_bcol ret, cm_arena scratch);
/* The greatest candidate among the rows from `from` <= 0 to `to` >= 0 below each row. */
CM_MUST cm_status cm_slide_extreme(const cm_slide *s, cm_bcol x, int64_t from, int64_t to,
                                   cm_bcol ret, cm_arena scratch);

/* ---- sums.c: COUNT and SUM ----------------------------------------------------------------- */

/*
 * Everything that a list of aggregates adds up, as ring columns: first counts (bits), then limbs of
 * SUM's values, each so narrow that adding all rows stays below 2^64.  Factor 0 is the constant 1.
 */
typedef struct cm_sums {
    size_t factors, counts;
    unsigned count_planes, limb_planes; /* of a total */
    cm_acol *factor;
    size_t *first;        /* per aggregate: its first factor */
    size_t *limbs;        /* per aggregate: how many; 0 where nothing is added up */
    unsigned *limb_shift; /* per aggregate: planes of one limb's values */
} cm_sums;

/* distinct marks the rows that COUNT_DISTINCT counts; planes 0 where that is not supported. */
CM_MUST cm_status cm_sums_prepare(cm_mpc *mpc, const cm_table *table, const cm_agg *aggs,
                                  size_t count, cm_bcol distinct, cm_arena *keep, cm_sums *ret);
/*
 * From totals (row f * groups + g is factor f's total of group g) to the data of the result
 * columns; ret_any, when not NULL, receives where factor 0's total is not 0.
 */
CM_MUST cm_status cm_sums_finish(cm_mpc *mpc, const cm_sums *sums, const cm_agg *aggs, size_t count,
                                 cm_acol totals, size_t groups, cm_scol *ret, cm_bcol *ret_any,
                                 cm_arena *arena, cm_arena scratch);

/* ---- aggregate.c --------------------------------------------------------------------------- */

/*
 * Aggregates of every group at once, where plane g of member says which rows belong to group g.
 * ret has member.planes rows, and is valid where a row belongs.
 */
CM_MUST cm_status cm_aggregate_members(cm_mpc *mpc, const cm_table *table, cm_bcol member,
                                       const cm_agg *aggs, size_t count, cm_arena *arena,
                                       cm_table *ret, cm_arena scratch);
/* CM_EUNSUPPORTED where a width or kind is outside what table.h promises. */
CM_MUST cm_status cm_aggregate_check(const cm_table *table, const cm_agg *aggs, size_t count,
                                     bool distinct_allowed);

#endif
