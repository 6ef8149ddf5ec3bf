/*
 * sql/plan_join.h - joins while they are planned.  plan_join.c joins two flows and groups of flows,
 * plan_pairs.c finds pairs of rows where no side is unique, plan_outer.c builds outer joins and
 * EXISTS from both.
 */
#ifndef CM_SQL_PLAN_JOIN_H
#define CM_SQL_PLAN_JOIN_H

#include "sql/plan_int.h"

enum { CM_PLAN_PAIRS_MAX = 1 << 20 }; /* most pairs that are all tried without being asked to */

/* The keys between two flows, seen from the unique one. */
typedef struct cm_edge {
    size_t keys;
    size_t *unique_item, *other_item;
    size_t *key; /* index into the part's keys; SIZE_MAX: none of them */
} cm_edge;

bool cm_rels_have(uint64_t rels, const cm_block *b, size_t item);
cm_edge cm_edge_of(cm_block *b, const cm_part *part, const cm_flow *unique, const cm_flow *other);
/* Why a row of the flow is the only one with its values of the items: a certain reason before a
 * presumed one; NULL when it is not. */
const cm_unique *cm_flow_unique_on(const cm_block *b, const cm_flow *flow, const size_t *items,
                                   size_t count);
/* Most rows of the flow with equal values of the items that a declared key allows; UINT64_MAX. */
uint64_t cm_flow_most_on(const cm_block *b, const cm_flow *flow, const size_t *items, size_t count);
/* A column of zeros to join everything by. */
void cm_flow_add_zero(cm_block *b, cm_flow *flow);
/* One JOIN node; the caller knows that `unique` is, or presumes it, which the node then checks. */
CM_MUST cm_status cm_flow_join(cm_block *b, cm_part *part, cm_from_kind kind, cm_flow *unique,
                               cm_flow *other, const cm_edge *e, cm_flow *ret);
/* Inner join of two or more flows, used up, by the part's keys, each pair in the cheapest way;
 * other conditions are left for cm_join_filter. */
CM_MUST cm_status cm_flow_join_all(cm_block *b, cm_part *part, cm_flow *flow, size_t flows,
                                   cm_flow *ret);
/* The part's conditions that no join has taken up. */
CM_MUST cm_status cm_join_filter(cm_block *b, const cm_part *part, cm_flow *flow);
/* 0A000: these two cannot be joined. */
CM_MUST cm_status cm_join_refuse(cm_block *b, const cm_part *part, uint64_t x, uint64_t y,
                                 bool has_keys);

/* plan_pairs.c */
/* Every row of x with every row of y, which may meet the part's keys or not. */
CM_MUST cm_status cm_flow_pairs(cm_block *b, const cm_part *part, cm_flow *x, cm_flow *y,
                                cm_flow *ret);
uint64_t cm_flow_pairs_rows(const cm_flow *x, const cm_flow *y);
/* Adds the row's number as a column; the new item has one use. */
size_t cm_flow_number(cm_block *b, cm_flow *flow);
/* One row, which counts when one of the flow's does; no columns that anybody uses. */
CM_MUST cm_status cm_flow_one_row(cm_block *b, cm_flow *flow);
/* An edge of one item that both flows have. */
cm_edge cm_edge_on(cm_block *b, size_t item);
/* One row per value of the edge's unique items: only whether there is one matters. */
void cm_flow_make_unique(cm_block *b, cm_flow *flow, const cm_edge *e);

/* plan_outer.c */
CM_MUST cm_status cm_block_build_outer(cm_block *b, cm_part *part, cm_flow *ret);

#endif
