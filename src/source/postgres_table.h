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
 * Text that is the same in two transactions only when both see the same rows of the table; ""
 * when that cannot be told, as while anybody is writing to the server.
 */
CM_MUST cm_status cm_pg_table_stamp(cm_pg *pg, const char *remote, char *ret, size_t capacity,
                                    cm_diag *diag);

/* SQL over a column of the server. */
typedef struct cm_pg_sql {
    cm_buf value;  /* canonical */
    cm_buf misfit; /* a condition, true for values that do not fit the declaration; "": none can */
    cm_buf native; /* what sql/plan.h calls native, of this kind; "": CM_NATIVE_NONE */
    cm_native_kind kind;
} cm_pg_sql;
void cm_pg_sql_free(cm_pg_sql *sql);

/*
 * Writes all three.  NULLs are no misfits: there the condition is NULL or false.  Evaluating the
 * condition never fails; evaluating the value of a row that passed never fails.  False when the
 * server's type cannot be published as the column's.
 */
CM_MUST bool cm_pg_canonical(const cm_column *column, const cm_pg_column *remote, cm_pg_sql *ret);

/*
 * The column's definition as the catalog has it: type, NOT NULL, uniqueness, and a range from a
 * CHECK that DDL here also accepts.  False for types that cannot be published without a look at the
 * values (type_name is NULL) or not at all.
 */
CM_MUST bool cm_pg_column_def(const cm_pg_column *remote, cm_arena *arena, cm_column_def *ret);

#endif
