/*
 * sql/plan_group.h - grouping while it is planned: what plan_group.c finds to be needed,
 * plan_dense.c or plan_rows.c computes as columns of one node, and plan_value.c reads the targets
 * from.
 */
#ifndef CM_SQL_PLAN_GROUP_H
#define CM_SQL_PLAN_GROUP_H

#include "sql/plan_int.h"

typedef struct cm_physical {
    cm_aggregate aggregate; /* never AVG */
    const cm_expr *arg;     /* over the query's relations */
    const cm_expr *on;      /* DISTINCT: of rows that are equal in it one counts; or NULL */
    cm_type type;
    const cm_expr *of; /* a percentile or mode: the aggregate in the query; or NULL */
    bool marked;       /* DISTINCT or ordered by what window functions mark: plan_distinct.c */
    unsigned col;      /* of the grouped node */
    int low;           /* physical with the lower half of a wide sum of owners, or -1 */
} cm_physical;

typedef struct cm_aggregate_use {
    const cm_expr *agg; /* as the query has it */
    int value, count;   /* physical; -1: count(*) */
    int ceil, rest;     /* percentile_cont, whose value is the floor: physical */
} cm_aggregate_use;

typedef struct cm_group_key {
    const cm_expr *expr;
    bool value, digest; /* what is needed of it */
    unsigned value_col, digest_col;
} cm_group_key;

typedef struct cm_grouping {
    cm_block *b;
    cm_planner *pl;
    const cm_query *q;
    const cm_need *need;
    size_t needs;
    size_t keys;
    cm_group_key *key;
    size_t physicals;
    cm_physical *physical;
    size_t uses;
    cm_aggregate_use *use;
    cm_plan_node *node;
    unsigned count_col;
    int pairs; /* physical that counts the rows that a group has, where it is not count(*); or -1 */
    bool dense;  /* owners aggregate: a sum of no values is 0 */
    bool failed; /* while rewriting */
} cm_grouping;

/* "sum(cost)"; of NULL "count(*)". */
const char *cm_group_physical_name(const cm_grouping *g, const cm_physical *p);
/* Index of the key that the expression is, or -1. */
int cm_group_key_of(const cm_grouping *g, const cm_expr *expr);
/* CASE WHEN filter THEN value END; value itself when filter is NULL. */
CM_MUST cm_status cm_group_when(cm_grouping *g, const cm_expr *filter, const cm_expr *value,
                                const cm_expr **ret);

/* plan_dense.c: every owner aggregates its own rows over the keys' public domain. */
bool cm_group_is_dense(const cm_grouping *g);
CM_MUST cm_status cm_group_build_dense(cm_grouping *g);
/* Whether owners compute it; DISTINCT ones where an owner has all rows of a group. */
bool cm_group_is_owners(const cm_grouping *g, const cm_physical *p, const cm_org_table *table,
                        bool whole);
/* One output of a table's fragment and its column; p is NULL for count(*). */
CM_MUST cm_status cm_group_owner_output(cm_grouping *g, const cm_physical *p,
                                        const cm_org_table *table, const cm_expr **ret,
                                        cm_plan_col *ret_col);
/* Makes two of every sum that may leave 64 bits at an owner. */
CM_MUST cm_status cm_group_split_sums(cm_grouping *g);
/* plan_sparse.c: the owner of all rows groups them, by any keys. */
bool cm_group_is_sparse(const cm_grouping *g);
CM_MUST cm_status cm_group_build_sparse(cm_grouping *g);
/* The value of a SUM from the columns of g->node. */
CM_MUST cm_status cm_group_sum(cm_grouping *g, const cm_physical *p, const cm_expr **ret);
/* plan_rows.c: row by row under MPC. */
CM_MUST cm_status cm_group_build_rows(cm_grouping *g);
/* plan_fold.c: aggregates a table that is only added up before the others are grouped. */
CM_MUST cm_status cm_group_fold(cm_grouping *g);
/* The child of a grouping: its columns that are keys (per key), and what is distinct and aggregated
 * (per physical). */
typedef struct cm_group_cols {
    const size_t *key, *on;
    size_t *arg;
} cm_group_cols;
/* plan_distinct.c: decides which DISTINCT and ordered aggregates are marked, and marks rows of the
 * child; cols->arg becomes what is left to aggregate. */
void cm_group_choose_marked(cm_grouping *g, const cm_group_cols *cols);
CM_MUST cm_status cm_group_mark(cm_grouping *g, cm_plan_node **child, const cm_group_cols *cols);
/* plan_ordered.c: the same for percentiles and modes of one physical's column. */
CM_MUST cm_status cm_group_mark_ordered(cm_grouping *g, cm_plan_node **child, size_t first,
                                        const cm_group_cols *cols);
/* A WINDOW node over the child, by the keys and perhaps (part >= 0) one more column.  Functions are
 * numbers of rows; they are the last columns. */
cm_plan_node *cm_group_window(cm_grouping *g, cm_plan_node *child, const cm_group_cols *cols,
                              int part, const cm_order *order, size_t orders,
                              const cm_plan_window *window, size_t windows);
/* What is left of the argument of a physical, over the node's columns. */
typedef cm_status (*cm_group_left_fn)(cm_grouping *g, const cm_plan_node *node, size_t physical,
                                      size_t arg, const cm_expr **ret);
/* Replaces the node's last `dropped` columns by what is left of the wanted physicals' arguments. */
CM_MUST cm_status cm_group_left(cm_grouping *g, cm_plan_node **node, size_t dropped,
                                cm_group_left_fn left, const bool *wanted,
                                const cm_group_cols *cols);
/* plan_value.c: an expression of the grouped query over the columns of g->node. */
CM_MUST cm_status cm_group_over_node(cm_grouping *g, const cm_expr *expr, const cm_expr **ret);

#endif
