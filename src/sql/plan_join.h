/*
 * sql/plan_join.h - joins while they are planned.  plan_join.c joins two flows and groups of flows,
 * plan_pairs.c finds pairs of rows where no side is unique, plan_outer.c builds outer joins and
 * EXISTS from both.
 */
#ifndef CM_SQL_PLAN_JOIN_H
#define CM_SQL_PLAN_JOIN_H

#include "sql/plan_int.h"

enum {
    CM_PLAN_PAIRS_MAX = 1 << 20,     /* most pairs that are all tried without being asked to */
    CM_PLAN_DISCLOSED_MIN = 1 << 14, /* fewer pairs are tried even where sizes may be disclosed */
};

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
/* What a subquery as a value with two rows gives. */
extern const char cm_plan_one_value[];
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

/* plan_pairs.c */
/*
 * Pairs of rows of x and y, used up: all of them, or those that meet the keys and a range among the
 * part's conditions, which are taken then.  54000 when nobody says how many there may be, and they
 * may be too many.
 */
CM_MUST cm_status cm_flow_pairs(cm_block *b, cm_part *part, cm_flow *x, cm_flow *y, cm_flow *ret);
/* The most that there can be, by keys or all of them. */
uint64_t cm_flow_least_pairs(cm_block *b, const cm_part *part, const cm_flow *x, const cm_flow *y);
uint64_t cm_flow_pairs_rows(const cm_flow *x, const cm_flow *y);
/* Adds the row's number as a column; the new item has one use. */
size_t cm_flow_number(cm_block *b, cm_flow *flow);
/* One row, which counts when one of the flow's does; no columns that anybody uses. */
CM_MUST cm_status cm_flow_one_row(cm_block *b, cm_flow *flow);
/* An edge of one item that both flows have. */
cm_edge cm_edge_on(cm_block *b, size_t item);
/* One row per value of the edge's unique items: only whether there is one matters. */
void cm_flow_make_unique(cm_block *b, cm_flow *flow, const cm_edge *e);

/* plan_range.c: a value of the points between bounds of the intervals. */
typedef struct cm_range_match {
    const cm_expr *order;         /* over the points' row */
    const cm_expr *lower, *upper; /* over the intervals'; NULL: no such bound */
    bool lower_open, upper_open;  /* equality does not match */
    size_t bounds;                /* 0: the conditions hold no range */
    const cm_expr *taken[2];      /* the conditions that it is made of */
} cm_range_match;
/* The value with the most bounds; points and intervals are sets of relations. */
cm_range_match cm_range_find(const cm_exprs *conditions, uint64_t points, uint64_t intervals);
/* Adds value and bounds to the flows, as columns of one encoding, and names them in the node. */
CM_MUST cm_status cm_range_set(cm_block *b, const cm_range_match *m, cm_flow *points,
                               cm_flow *intervals, cm_plan_node *node);
/* One more column that is no item: the value, over the flow's columns.  Returns its number. */
unsigned cm_flow_add_column(cm_block *b, cm_flow *flow, const cm_expr *value, cm_plan_col col);
/* Takes its conditions off the list, and their uses back. */
CM_MUST cm_status cm_range_take(cm_block *b, const cm_range_match *m, cm_exprs *conditions);
/* The part's conditions that are no keys, over the flow's columns; takes back their uses. */
CM_MUST cm_status cm_join_residual(cm_block *b, const cm_part *part, const cm_flow *flow,
                                   cm_exprs *conditions);
/* Names the edge's keys in the node, and marks the part's keys as used. */
void cm_join_set_keys(cm_block *b, cm_part *part, cm_plan_node *node, const cm_flow *unique,
                      const cm_flow *other, const cm_edge *e);

/* plan_fuse.c: the same rows and columns as the JOIN's, or the node itself: a grouping and a join
 * on its keys may be one. */
CM_MUST cm_status cm_join_fuse(cm_planner *pl, cm_plan_node *join, cm_plan_node **ret);

/* plan_outer.c */
CM_MUST cm_status cm_block_build_outer(cm_block *b, cm_part *part, cm_flow *ret);

#endif
