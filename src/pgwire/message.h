/*
 * pgwire/message.h - messages of PostgreSQL's protocol 3.0 as bytes (PostgreSQL documentation,
 * chapter "Frontend/Backend Protocol", sections 55.2 and 55.7).
 *
 * A message is begun, filled with cm_buf_put_*, and ended, which writes its length.
 */
#ifndef CM_PGWIRE_MESSAGE_H
#define CM_PGWIRE_MESSAGE_H

#include <stdarg.h>

#include "node/session.h"

/* Returns a mark for cm_pg_end.  One message at a time. */
size_t cm_pg_begin(cm_buf *out, char type);
void cm_pg_end(cm_buf *out, size_t mark);

/* A diag of this face's own. */
cm_diag cm_pg_diag(const char *sqlstate, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

typedef enum cm_pg_severity { CM_PG_ERROR, CM_PG_FATAL, CM_PG_NOTICE } cm_pg_severity;
/* ErrorResponse or NoticeResponse. */
void cm_pg_put_diag(cm_buf *out, cm_pg_severity severity, const cm_diag *diag);
/* formats: per column 0 text or 1 binary; NULL: all text. */
void cm_pg_put_row_description(cm_buf *out, const cm_result_col *col, size_t cols,
                               const uint16_t *formats);
void cm_pg_put_command_complete(cm_buf *out, const char *tag);
void cm_pg_put_parameter_status(cm_buf *out, const char *name, const char *value);
void cm_pg_put_ready(cm_buf *out, char transaction_state);
/* A message without a body. */
void cm_pg_put_empty(cm_buf *out, char type);

#endif
