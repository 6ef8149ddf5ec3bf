/*
 * source/postgres.h - one PostgreSQL connection, as the source uses it; private.
 *
 * libpq-fe.h is known to postgres.c alone.  A connection is one read-only REPEATABLE READ
 * transaction from its first statement to _free, so that everything read belongs together.  No call
 * waits without a deadline: connecting gets timeout_ms, and each statement is given timeout_ms by
 * the server itself and two seconds more by this side.  After a failure the connection refuses
 * further work. Errors keep the server's SQLSTATE and message, but never its DETAIL, and a message
 * that may quote a value (data exceptions, users' own functions) is replaced by a general one.
 */
#ifndef CM_SOURCE_POSTGRES_H
#define CM_SOURCE_POSTGRES_H

#include "base/buf.h"

typedef struct cm_pg cm_pg;

CM_MUST cm_status cm_pg_connect(const char *conninfo, int timeout_ms, cm_pg **ret, cm_diag *diag);
void cm_pg_free(cm_pg *pg); /* NULL allowed; closes at once */

/* One row's columns as text in UTF-8, NULL for NULL; borrowed during the call. */
typedef cm_status (*cm_pg_row_fn)(void *arg, const char *const *text, cm_diag *diag);

/* Runs one statement and hands over its rows as they come.  When fn does not return CM_OK the
 * connection is closed, since nothing else stops a server that is sending. */
CM_MUST cm_status cm_pg_query(cm_pg *pg, const char *sql, const char *const *params,
                              size_t param_count, size_t cols, cm_pg_row_fn fn, void *arg,
                              cm_diag *diag);

#endif
