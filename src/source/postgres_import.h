/* source/postgres_import.h - IMPORT FOREIGN SCHEMA from a PostgreSQL server; private. */
#ifndef CM_SOURCE_POSTGRES_IMPORT_H
#define CM_SOURCE_POSTGRES_IMPORT_H

#include "source/import.h"
#include "source/postgres.h"

/* Every table and view of the schema, in the order of names; 3F000 when there is no such schema. */
CM_MUST cm_status cm_import_postgres(cm_pg *pg, const char *remote_schema, cm_arena *arena,
                                     const cm_imported_table **ret, size_t *ret_count,
                                     cm_diag *diag);

#endif
