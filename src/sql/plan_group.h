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
    bool marked;  /* DISTINCT by a mark that a window function makes: plan_distinct.c */
    unsigned col; /* of the grouped node */
    int low;      /* physical with the lower half of a wide sum of owners, or -1 */
} cm_physical;

typedef struct cm_aggregate_use {
    const cm_expr *agg; /* as the query has it */
    int value, count;   /* physical; -1: count(*) */
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
    bool dense;
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
/* The value of a SUM from the columns of g->node. */
CM_MUST cm_status cm_group_sum(cm_grouping *g, const cm_physical *p, const cm_expr **ret);
/* plan_rows.c: row by row under MPC. */
CM_MUST cm_status cm_group_build_rows(cm_grouping *g);
/* plan_distinct.c: decides which DISTINCT aggregates are marked, and marks rows of the child, whose
 * columns key (per key), on and arg (per physical) are; arg becomes what is left to aggregate. */
void cm_group_choose_marked(cm_grouping *g);
CM_MUST cm_status cm_group_mark(cm_grouping *g, cm_plan_node **child, const size_t *key,
                                const size_t *on, size_t *arg);
/* plan_value.c: an expression of the grouped query over the columns of g->node. */
CM_MUST cm_status cm_group_over_node(cm_grouping *g, const cm_expr *expr, const cm_expr **ret);

#endif
