/*
 * source/postgres_table.h - what the server's catalog says of a table, and the SQL that turns its
 * columns into canonical values; private.
 */
#ifndef CM_SOURCE_POSTGRES_TABLE_H
#define CM_SOURCE_POSTGRES_TABLE_H

#include "source/postgres.h"
#include "source/source_int.h"

typedef struct cm_pg_column {
    const char *name;
    const char *type; /* pg_type.typname of the base type: "int4", "numeric", "bpchar" */
    bool is_enum;
    int type_mod;      /* atttypmod, -1: none */
    bool not_null;     /* promised by the server for every row */
    bool unique;       /* likewise */
    const char *check; /* CHECK (...) of this column alone, validated; or NULL */
} cm_pg_column;

typedef struct cm_pg_table {
    const char *name; /* quoted and qualified, ready for FROM */
    size_t cols;
    cm_pg_column *col;
} cm_pg_table;

/* remote: "visits", "public.visits", "\"Odd\".t" as in SQL.  42P01 when there is none. */
CM_MUST cm_status cm_pg_table_read(cm_pg *pg, const char *remote, cm_arena *arena, cm_pg_table *ret,
                                   cm_diag *diag);

/*
 * Appends the canonical value of the column, and a condition that is true for rows whose value does
 * not fit the declaration (NULLs apart; nothing is appended when there can be none).  Evaluating
 * the condition never fails; evaluating the value of a row that passed never fails.  False when
 * the server's type cannot be published as the column's.
 */
CM_MUST bool cm_pg_canonical(const cm_column *column, const cm_pg_column *remote, cm_buf *value,
                             cm_buf *misfit);

/*
 * The column's definition as the catalog has it: type, NOT NULL, uniqueness, and a range from a
 * CHECK that DDL here also accepts.  False for types that cannot be published without a look at the
 * values (type_name is NULL) or not at all.
 */
CM_MUST bool cm_pg_column_def(const cm_pg_column *remote, cm_arena *arena, cm_column_def *ret);

#endif
