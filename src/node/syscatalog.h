/*
 * node/syscatalog.h - SELECTs that a node answers about itself: pg_catalog, information_schema, and
 * everything without FROM.  What psql, JDBC and BI tools ask on connecting and to list tables.
 *
 * An in-memory SQLite database is filled from the snapshot, and the query, rewritten from
 * PostgreSQL's dialect to SQLite's, runs there: read-only, for at most 5 seconds.  What cannot be
 * rewritten is 0A000.  Design: docs/design/session.md.
 */
#ifndef CM_NODE_SYSCATALOG_H
#define CM_NODE_SYSCATALOG_H

#include "node/session_int.h"

void cm_syscatalog_free(cm_syscatalog *catalog); /* NULL allowed */

/* Runs stmt (kind SYSTEM_SELECT) and ends the session's statement. */
void cm_syscatalog_select(cm_session *s, const cm_stmt *stmt, const char *const *params);
CM_MUST cm_status cm_syscatalog_describe(cm_session *s, const cm_stmt *stmt, uint32_t *oids,
                                         cm_arena *arena, const cm_result_col **ret_col,
                                         size_t *ret_cols, cm_diag *diag);

#endif
