/*
 * source/cell.h - a value as it is stored at the source, and what becomes of it.
 *
 * A cell is what SQLite or a CSV file holds.  cm_cell_canonical turns it into the canonical value
 * of a published type and cm_cell_check holds that against the column's declaration.  Both name the
 * SQLSTATE of what is wrong and never the value.
 */
#ifndef CM_SOURCE_CELL_H
#define CM_SOURCE_CELL_H

#include "sql/schema.h"

typedef enum cm_cell_kind {
    CM_CELL_NULL,
    CM_CELL_INTEGER,
    CM_CELL_REAL,
    CM_CELL_TEXT,
    CM_CELL_BLOB,
} cm_cell_kind;

typedef struct cm_cell {
    cm_cell_kind kind;
    int64_t integer;
    double real;
    const char *text; /* NUL-terminated; a NUL may also be inside */
    size_t bytes;
} cm_cell;

/* What is wrong with a value. */
typedef struct cm_fault {
    const char *sqlstate;
    const char *what; /* follows `column "x"`: "has a value that is not a date" */
} cm_fault;

/*
 * Exact, or a fault: integers as they are; numerics rounded half away from zero to the column's
 * scale as PostgreSQL does on assignment (a floating-point cell only below 2^50 canonical units,
 * where that is exact for every decimal that was stored); dates, timestamps, booleans and enum
 * labels from text as PostgreSQL reads them; booleans also from 0 and 1.  The result fits int64,
 * since SQLite computes on it.  Text in *ret is borrowed from the cell or allocated from scratch.
 */
CM_MUST bool cm_cell_canonical(const cm_type *type, const cm_cell *cell, cm_arena *scratch,
                               cm_value *ret, cm_fault *ret_fault);

/* NOT NULL, declared domain, range of the type, bytes of a text. */
CM_MUST bool cm_cell_check(const cm_column *column, const cm_value *value, cm_fault *ret_fault);

/* `row 17 of table "t": column "c" has a value that is not a date`, with its SQLSTATE. */
CM_MUST cm_status cm_fault_fail(const cm_fault *fault, const cm_org_table *table, size_t col,
                                uint64_t row, cm_diag *diag);

#endif
