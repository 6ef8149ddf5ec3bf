/*
 * sql/policy.h - what labels and grants allow (DESIGN.md, section 3).  Each owner's node decides
 * for its own columns; nobody else's answer counts for them.
 */
#ifndef CM_SQL_POLICY_H
#define CM_SQL_POLICY_H

#include "sql/query.h"

/*
 * Checks every use of every column of tables of `owner` (NULL: of all owners, as the coordinator
 * does before it asks anybody).  Refusal: 42501; message says what is not allowed, detail the rule
 * and its owner (diag->party), hint the GRANT or SECURITY LABEL that would allow it.
 */
CM_MUST cm_status cm_policy_check(const cm_query *query, const cm_schema *schema,
                                  const char *requester, const char *owner, cm_diag *diag);

/* K: every shown group must have at least so many rows; the strictest of all columns that go into
 * the query, conditions included; 0 when no label asks for any. */
uint32_t cm_policy_min_rows(const cm_query *query, const cm_schema *schema);

/* Of a query that is kept: the labels of what it shows (an entry each), so that a later use of a
 * column is allowed where it would be in the query's place. */
void cm_policy_labels(const cm_query *query, cm_label *ret);
/* Whether an organisation has been granted everything that the query reads. */
bool cm_policy_is_granted(const cm_query *query, const char *org);

#endif
