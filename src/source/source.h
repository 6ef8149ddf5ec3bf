/*
 * source/source.h - the owner's own data: a folder of CSV files, a SQLite file, a PostgreSQL
 * server.
 *
 * A source is opened from the options of CREATE SERVER by one process (comityd to look at shapes,
 * comity-job to read), and used by one thread.  It reads only; CSV files are loaded into a SQLite
 * file in the node's state directory, reloaded when the file's size or time changed.
 *
 * Owners' SQL runs over canonical integers (sql/type.h).  cm_source_from gives the SQL expression
 * that stands for a table: a subquery whose columns have the published names and canonical values.
 */
#ifndef CM_SOURCE_SOURCE_H
#define CM_SOURCE_SOURCE_H

#include "sql/plan.h"

typedef struct cm_source cm_source;

typedef enum cm_source_kind { CM_SOURCE_CSV, CM_SOURCE_SQLITE, CM_SOURCE_POSTGRES } cm_source_kind;
/* "csv", "sqlite", "postgres" (FOREIGN DATA WRAPPER); 42704 lists them. */
CM_MUST cm_status cm_source_kind_by_name(const char *name, cm_source_kind *ret, cm_diag *diag);
const char *cm_source_kind_name(cm_source_kind kind);
/* Checks CREATE SERVER's options without opening: csv needs directory (header, delimiter, null are
 * optional), sqlite needs filename, postgres needs conninfo. */
CM_MUST cm_status cm_source_check_options(cm_source_kind kind, const cm_options *options,
                                          cm_diag *diag);

/* cache_dir: a folder of the node's state directory, for CSV's SQLite file.  timeout_ms bounds
 * connecting and each statement. */
CM_MUST cm_status cm_source_open(cm_source_kind kind, const cm_options *options,
                                 const char *cache_dir, int timeout_ms, cm_source **ret,
                                 cm_diag *diag);
void cm_source_free(cm_source *source); /* NULL allowed */
cm_dialect cm_source_dialect(const cm_source *source);

/* Where a published table's rows are. */
typedef struct cm_source_table {
    const cm_org_table *table;
    const char *remote;            /* OPTIONS (table 'public.visits') or file; default: the name */
    const char *const *remote_col; /* table->cols entries: column names at the source */
} cm_source_table;

/*
 * IMPORT FOREIGN SCHEMA: every table of the source with types, NOT NULL, uniqueness of a first
 * column that is unique, and domains (CHECK ranges from PostgreSQL's own constraints; for CSV and
 * SQLite the values' minimum and maximum, widened to round figures; columns of few short texts
 * become ENUMs named table_column).  remote_schema is "public" or any name for csv and sqlite.
 */
typedef struct cm_imported_enum {
    const char *name;
    size_t labels;
    const char *const *label; /* sorted */
} cm_imported_enum;
typedef struct cm_imported_table {
    const char *name;   /* lower case, an SQL identifier */
    const char *remote; /* option table */
    size_t cols;
    const cm_column_def *col;
    size_t enums;
    const cm_imported_enum *enums_made;
} cm_imported_table;
CM_MUST cm_status cm_source_import(cm_source *source, const char *remote_schema, cm_arena *arena,
                                   const cm_imported_table **ret, size_t *ret_count, cm_diag *diag);

/* Actual number of rows, to publish a bound and to check it. */
CM_MUST cm_status cm_source_count(cm_source *source, const cm_source_table *table, uint64_t *ret,
                                  cm_diag *diag);

/*
 * Every value of the given columns is within its declared domain, NOT NULL and UNIQUE hold, and the
 * table has no more rows than published.  Otherwise 23514 (23502, 23505, 22003, 22P02) naming
 * table, column and row number, never the value.  Cheap to repeat: what did not change is not
 * checked again where the source can tell.
 */
CM_MUST cm_status cm_source_check(cm_source *source, const cm_source_table *table,
                                  const bool *columns, cm_diag *diag);

/*
 * Every number of the given columns is within the range, which is what a query presumes (query.h)
 * and nobody has declared: 22003 naming table and column otherwise.  One pass over the table.
 */
CM_MUST cm_status cm_source_check_within(cm_source *source, const cm_source_table *table,
                                         const bool *columns, cm_range range, cm_diag *diag);

/* Appends what stands for the table in FROM, to be named by AS: (SELECT ... FROM "visits"). */
CM_MUST cm_status cm_source_from(cm_source *source, const cm_source_table *table, cm_buf *out,
                                 cm_diag *diag);

/* Runs one SELECT and hands over each row, cols values; numbers are canonical integers.  fn returns
 * a status to go on or stop.  Values are borrowed during the call. */
typedef cm_status (*cm_source_row_fn)(void *arg, const cm_value *row);
CM_MUST cm_status cm_source_query(cm_source *source, const char *sql, size_t cols,
                                  const bool *is_text, cm_source_row_fn fn, void *arg,
                                  cm_diag *diag);

/*
 * Runs a fragment over its tables, whose columns were checked, as the source does it best: rows as
 * cm_fragment_sql gives them, of an aggregated fragment keys and then outputs.  is_text says which
 * of the cols values are text.  table[i] and source[i] are where the fragment's table i is: where
 * sources differ, the columns that it reads are loaded into memory and joined there.
 */
CM_MUST cm_status cm_source_run(cm_source *const *source, const cm_source_table *const *table,
                                const cm_fragment *fragment, size_t cols, const bool *is_text,
                                cm_source_row_fn fn, void *arg, cm_diag *diag);

#endif
