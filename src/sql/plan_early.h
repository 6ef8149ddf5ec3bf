/*
 * sql/plan_early.h - grouping before joins: plan_early.c decides what can be joined later,
 * plan_early_build.c writes the two queries.
 */
#ifndef CM_SQL_PLAN_EARLY_H
#define CM_SQL_PLAN_EARLY_H

#include "sql/plan_int.h"

typedef struct cm_early {
    cm_planner *pl;
    const cm_query *query;                        /* flattened */
    const cm_from *core;                          /* inner joins alone, below `filters` */
    const cm_from *filter[CM_PLAN_RELATIONS_MAX]; /* SEMI and ANTI joins above it */
    size_t filters;
    uint64_t all, below, above; /* relations of core; grouped first; joined later */
    cm_exprs conjuncts;         /* WHERE, and ON of core */
    cm_exprs keys;              /* of the new grouping */
    uint64_t most_groups;
    bool may_regroup, regroup; /* group again after the joins: keys are finer than the query's */
    cm_exprs known;            /* what a group of the old one has one value of */
    uint64_t whole;            /* relations of which it has one row */
    const cm_expr **agg;       /* aggregates of targets and HAVING, each once */
    size_t aggs, room;
    unsigned rel; /* the groups, as a relation of the outer query */
    cm_status failed;
    cm_query *inner;
} cm_early;

/* Relations that a filter looks at, besides its own. */
uint64_t cm_early_filter_rels(const cm_early *e, size_t filter);
/* What e->above and e->keys stand for, as a query; CM_ERANGE when its bounds do not fit. */
CM_MUST cm_status cm_early_build(cm_early *e, const cm_query **ret);

static inline bool cm_rels_within(uint64_t rels, uint64_t set)
{
    return (rels & ~set) == 0;
}

#endif
