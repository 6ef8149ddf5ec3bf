/*
 * source/csv.h - reads CSV as RFC 4180 and PostgreSQL's COPY ... CSV have it, record by record.
 *
 * Quotes, doubled quotes, delimiters and line ends inside quotes, LF or CRLF, an optional UTF-8
 * byte order mark, a last record without a line end.  What is not well-formed is an error with
 * file, line and record, never with the bytes: the file is private.  The reader knows nothing of
 * files: it pulls bytes through a function, so that a fuzzer can feed it.
 */
#ifndef CM_SOURCE_CSV_H
#define CM_SOURCE_CSV_H

#include "base/base.h"

enum {
    CM_CSV_MAX_FIELDS = 4096,
    CM_CSV_MAX_RECORD_BYTES = 16 * 1024 * 1024,
};

/* Fills at most capacity bytes; *ret_bytes 0 means the end. */
typedef cm_status (*cm_csv_read_fn)(void *arg, uint8_t *buffer, size_t capacity, size_t *ret_bytes,
                                    cm_diag *diag);

typedef struct cm_csv_field {
    const char *text; /* UTF-8, NUL-terminated, without NUL inside */
    size_t bytes;
    bool quoted;
} cm_csv_field;

typedef struct cm_csv_record {
    uint64_t number; /* from 1, the header included */
    uint64_t line;   /* on which it begins, from 1 */
    size_t fields;   /* at least 1; an empty line is one unquoted empty field */
    const cm_csv_field *field;
} cm_csv_record;

typedef struct cm_csv cm_csv;

/* name is shown in errors and borrowed, as is arg. */
CM_MUST cm_status cm_csv_new(const char *name, char delimiter, cm_csv_read_fn read, void *arg,
                             cm_csv **ret, cm_diag *diag);
void cm_csv_free(cm_csv *csv); /* NULL allowed */

/* The next record, borrowed until the next call; *ret_end at the end of the data.  After a failure
 * the reader refuses with CM_EDEAD. */
CM_MUST cm_status cm_csv_next(cm_csv *csv, cm_csv_record *ret, bool *ret_end, cm_diag *diag);

/* Whether the bytes are valid UTF-8 (no overlong forms, no surrogates, at most U+10FFFF). */
bool cm_csv_utf8_valid(const char *text, size_t bytes);

#endif
