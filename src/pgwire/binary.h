/*
 * pgwire/binary.h - PostgreSQL's binary formats of the types that drivers send and ask for: bool,
 * int2/4/8, float8, numeric, date, timestamp; everything else is its text.
 */
#ifndef CM_PGWIRE_BINARY_H
#define CM_PGWIRE_BINARY_H

#include "sql/type.h"

/* Appends the binary form (without length) of a value given as text. */
CM_MUST cm_status cm_binary_put(cm_buf *out, uint32_t oid, const char *text, cm_arena *arena,
                                cm_diag *diag);
/* A received binary parameter as text in arena; 22P03 when its bytes are no such value. */
CM_MUST cm_status cm_binary_text(uint32_t oid, const uint8_t *data, size_t bytes, cm_arena *arena,
                                 const char **ret, cm_diag *diag);

#endif
