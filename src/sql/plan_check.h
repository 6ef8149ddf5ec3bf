/* sql/plan_check.h - what tests of plans have in common; failures fail the test. */
#ifndef CM_SQL_PLAN_CHECK_H
#define CM_SQL_PLAN_CHECK_H

#include "sql/plan_fixture.h"

const cm_plan *plan_of(cm_plan_fixture *f, const char *sql);
/* The tree that EXPLAIN prints, without costs, everything labelled reveal. */
void check_tree(bool pushdown, const char *sql, const char *want);
size_t count_nodes(const cm_plan *plan, cm_plan_op op);

#endif
