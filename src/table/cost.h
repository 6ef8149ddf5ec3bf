/*
 * table/cost.h - what operators cost one computing party under rep3, from public sizes alone: for
 * planners.  Bytes include a bit for each AND.  Operators do what is cheapest where a round costs
 * as much as round_bytes, as for cm_mpc_round_bytes.  Good to some ten percent;
 * docs/design/table.md.
 */
#ifndef CM_TABLE_COST_H
#define CM_TABLE_COST_H

#include "table/table.h"

/*
 * Putting rows of key_planes (without tag) and payload_planes in order, whichever way is taken
 * where they lie in runs; the key's highest plane says which rows do not count.
 */
cm_sort_cost cm_table_order_runs_cost(size_t rows, unsigned key_planes, unsigned payload_planes,
                                      const cm_runs *runs, size_t round_bytes);
/* cm_table_join_unique with keys, in the way that it will take. */
typedef struct cm_join_size {
    size_t unique_rows, other_rows;
    unsigned key_planes, payload_planes;
    unsigned null_planes; /* of the keys, where one or both sides have them */
    cm_runs runs;         /* of both sides, the unique one's first; or none */
} cm_join_size;
cm_sort_cost cm_table_join_unique_cost(const cm_join_size *size, size_t round_bytes);

/* bounds: how many are given; sum_planes: of the columns of all SUMs, and one for each COUNT. */
typedef struct cm_ranges_size {
    size_t points, intervals;
    unsigned key_planes, order_planes, bounds, aggs, sum_planes;
    cm_runs runs; /* of both sides */
} cm_ranges_size;
cm_sort_cost cm_table_ranges_cost(const cm_ranges_size *size, size_t round_bytes);
/* To rows copies of the table's rows, which have so many planes. */
cm_sort_cost cm_table_expand_cost(size_t table_rows, size_t rows, unsigned planes,
                                  unsigned count_planes);
/* INNER and LEFT; SEMI and ANTI cost what their ranges do. */
cm_sort_cost cm_table_join_many_cost(const cm_ranges_size *size, size_t rows,
                                     unsigned interval_planes, unsigned payload_planes,
                                     size_t round_bytes);

#endif
