/* sql/explain_int.h - what EXPLAIN's two formats share. */
#ifndef CM_SQL_EXPLAIN_INT_H
#define CM_SQL_EXPLAIN_INT_H

#include "sql/plan.h"

/* An expression over a node's columns as a person would write it. */
void cm_explain_expr(const cm_expr *expr, const cm_plan_node *over, cm_buf *out);
/* "Group by sort", ...; the join's kind is part of its name. */
const char *cm_explain_title(const cm_plan_node *node);
/* What the node does besides its title: condition, keys, ...; one line without an end, or nothing.
 */
void cm_explain_detail(const cm_plan_node *node, cm_buf *out);
unsigned cm_explain_planes(const cm_plan_node *node);
/* Whether the node has as many rows as a join below it, or itself, discloses; node->rows is the
 * most that there can be then. */
bool cm_explain_rows_disclosed(const cm_plan_node *node);
void cm_explain_json(const cm_plan *plan, bool cost, bool disclosure, const cm_measured *measured,
                     cm_buf *out);

#endif
