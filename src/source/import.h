/*
 * source/import.h - IMPORT FOREIGN SCHEMA: table definitions guessed from the data; private.
 */
#ifndef CM_SOURCE_IMPORT_H
#define CM_SOURCE_IMPORT_H

#include "source/source_int.h"

/* Every *.csv of the directory, in the order of names. */
CM_MUST cm_status cm_import_csv(const char *directory, const cm_csv_format *format, cm_arena *arena,
                                const cm_imported_table **ret, size_t *ret_count, cm_diag *diag);
/* Every table and view of the file, in the order of names. */
CM_MUST cm_status cm_import_sqlite(cm_sqlite *db, cm_arena *arena, const cm_imported_table **ret,
                                   size_t *ret_count, cm_diag *diag);

/*
 * An SQL identifier from any heading: lower case, [a-z0-9_], not beginning with a digit, at most 63
 * bytes, and other than the `taken` ones (a number is appended).
 */
const char *cm_import_identifier(cm_arena *arena, const char *heading, const char *const *taken,
                                 size_t taken_count);

#endif
