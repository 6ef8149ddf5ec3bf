/*
 * source/source_int.h - what the kinds of sources share; private to source/.
 *
 * A source is one of three structs that begin with cm_source and answer the verbs of source.h
 * through a constant table.  Every kind gives one consistent state of the data from its first read
 * to cm_source_free: PostgreSQL and SQLite by a read transaction, CSV because a loaded file is
 * never changed, only replaced.
 */
#ifndef CM_SOURCE_SOURCE_INT_H
#define CM_SOURCE_SOURCE_INT_H

#include "source/csv.h"
#include "source/source.h"
#include "source/sqlite_db.h"

typedef struct cm_source_ops {
    void (*free)(cm_source *source);
    cm_status (*import)(cm_source *source, const char *remote_schema, cm_arena *arena,
                        const cm_imported_table **ret, size_t *ret_count, cm_diag *diag);
    cm_status (*count)(cm_source *source, const cm_source_table *table, uint64_t *ret,
                       cm_diag *diag);
    cm_status (*check)(cm_source *source, const cm_source_table *table, const bool *columns,
                       cm_diag *diag);
    cm_status (*from)(cm_source *source, const cm_source_table *table, cm_buf *out, cm_diag *diag);
    cm_status (*query)(cm_source *source, const char *sql, size_t cols, const bool *is_text,
                       cm_source_row_fn fn, void *arg, cm_diag *diag);
    cm_status (*run)(cm_source *source, const cm_source_table *const *table,
                     const cm_fragment *fragment, size_t cols, const bool *is_text,
                     cm_source_row_fn fn, void *arg, cm_diag *diag);
} cm_source_ops;

struct cm_source {
    const cm_source_ops *ops;
    cm_source_kind kind;
    int timeout_ms;
};

/* The options have been checked. */
CM_MUST cm_status cm_csv_source_open(const cm_options *options, const char *cache_dir,
                                     int timeout_ms, cm_source **ret, cm_diag *diag);
CM_MUST cm_status cm_sqlite_source_open(const cm_options *options, const char *cache_dir,
                                        int timeout_ms, cm_source **ret, cm_diag *diag);
CM_MUST cm_status cm_postgres_source_open(const cm_options *options, const char *cache_dir,
                                          int timeout_ms, cm_source **ret, cm_diag *diag);
CM_MUST cm_status cm_postgres_check_conninfo(const char *conninfo, cm_diag *diag);

/* ---- CSV: how a file is read, and the load ---- */

typedef struct cm_csv_format {
    bool header;
    char delimiter;
    const char *null_text; /* an unquoted field of this text is NULL; "" unless OPTIONS say */
} cm_csv_format;

bool cm_csv_is_null(const cm_csv_format *format, const cm_csv_field *field);
/* A cm_csv_read_fn; arg is an int, the file's descriptor. */
CM_MUST cm_status cm_csv_read_file(void *arg, uint8_t *buffer, size_t capacity, size_t *ret_bytes,
                                   cm_diag *diag);

/*
 * Writes the table of an open CSV file into the empty SQLite file db_path, as table "rows" with the
 * published column names and canonical values, checked against every declaration: NOT NULL, domain,
 * UNIQUE.  Rows keep the file's order.  On failure the SQLite file is rubbish.
 */
CM_MUST cm_status cm_csv_load(int csv_fd, const char *csv_name, const cm_csv_format *format,
                              const cm_source_table *table, const char *db_path, uint64_t *ret_rows,
                              cm_diag *diag);

/* ---- checks ---- */

/* Digest of everything that a check or a load of the table depends on; not of grants and labels.
 * extra (NULL allowed) is digested too. */
cm_hash cm_source_definition(const cm_source_table *table, const cm_buf *extra);

/* SQLite does not tell "A" from "a": 0A000 when two published columns differ in case alone. */
CM_MUST cm_status cm_check_names(const cm_org_table *table, cm_diag *diag);
/* No more rows than published, 23514. */
CM_MUST cm_status cm_check_rows(const cm_org_table *table, uint64_t rows, cm_diag *diag);
/* Everything that is declared unique: the column for number < cols, then the table's keys.
 * Allocates nothing; *one is what a column's key points to. */
cm_table_key cm_check_key(const cm_org_table *table, size_t number, unsigned *one);
/* Whether it is declared, and is over none but the columns. */
bool cm_check_key_due(const cm_org_table *table, size_t number, const bool *columns);
/* Two statements for SQLite and PostgreSQL: whether rows of the FROM expression repeat a key (0 or
 * 1), and the number of the second such row. */
void cm_check_unique_sql(const cm_org_table *table, size_t number, const char *from,
                         cm_buf *repeats, cm_buf *row);
/* No two rows of the FROM expression with one key: 23505 with the second one's row. */
CM_MUST cm_status cm_check_unique(cm_sqlite *db, const char *from, const cm_org_table *table,
                                  size_t number, cm_diag *diag);
/* 23505 itself. */
CM_MUST cm_status cm_check_fail_unique(const cm_org_table *table, size_t number, uint64_t row,
                                       cm_diag *diag);

/*
 * What tells that a file was not changed: device, inode, size, times of change.  Times tick
 * coarsely, so a file changed within two seconds of being looked at may change again unseen:
 * such a stamp says so and nothing is remembered under it.
 */
typedef struct cm_stamp {
    char text[160];
    int64_t changed_ns; /* since 1970 */
} cm_stamp;
struct stat;
cm_stamp cm_stamp_of(const struct stat *file);
int64_t cm_stamp_now_ns(void);
/* Whether a file looked at at_ns with this stamp cannot have changed since without showing it. */
bool cm_stamp_settled(const cm_stamp *stamp, int64_t at_ns);

/* Remembers in cache_dir, across processes, that `what` held for a file's stamp.  Forgetting is
 * harmless, so failures to write are ignored. */
bool cm_check_remembered(const char *cache_dir, const cm_hash *what, const char *stamp);
void cm_check_remember(const char *cache_dir, const cm_hash *what, const char *stamp);

/* cm_source_run for SQLite files; from[i] stands for table i.  Groups are gathered here. */
CM_MUST cm_status cm_sqlite_run(cm_sqlite *db, const char *const *from, const cm_fragment *fragment,
                                size_t cols, const bool *is_text, cm_source_row_fn fn, void *arg,
                                cm_diag *diag);
/* cm_source_run where tables are at several sources (across.c). */
CM_MUST cm_status cm_source_run_across(cm_source *const *source,
                                       const cm_source_table *const *table,
                                       const cm_fragment *fragment, size_t cols,
                                       const bool *is_text, cm_source_row_fn fn, void *arg,
                                       cm_diag *diag);
/* cm_source_query for SQLite files. */
CM_MUST cm_status cm_sqlite_stream(cm_sqlite *db, const char *sql, size_t cols, const bool *is_text,
                                   cm_source_row_fn fn, void *arg, cm_diag *diag);

#endif
