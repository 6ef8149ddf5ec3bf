/*
 * source/sqlite_db.h - one SQLite connection, as the sources use it.
 *
 * The only file of this module that knows sqlite3.h is sqlite_db.c.  A connection belongs to one
 * thread.  Errors carry SQLite's text, which names tables and columns and never shows values.
 * Everything has a deadline: opening and each statement get timeout_ms, after which a statement
 * fails with 57014; building a file of ours is not waiting and has none.
 */
#ifndef CM_SOURCE_SQLITE_DB_H
#define CM_SOURCE_SQLITE_DB_H

#include "base/buf.h"
#include "source/cell.h"

typedef struct cm_sqlite cm_sqlite;
typedef struct cm_sqlite_stmt cm_sqlite_stmt;

typedef enum cm_sqlite_mode {
    CM_SQLITE_READ,   /* somebody's file: read only, nothing in its schema is trusted */
    CM_SQLITE_BUILD,  /* an empty file of ours, written once: no journal */
    CM_SQLITE_HUB,    /* no file; others are attached to it read only */
    CM_SQLITE_MEMORY, /* no file; written once, then read */
} cm_sqlite_mode;

CM_MUST cm_status cm_sqlite_open(const char *path, cm_sqlite_mode mode, int timeout_ms,
                                 cm_sqlite **ret, cm_diag *diag);
void cm_sqlite_free(cm_sqlite *db); /* NULL allowed */
CM_MUST cm_status cm_sqlite_exec(cm_sqlite *db, const char *sql, cm_diag *diag);
/* Attaches a file that never changes again (no locks are taken). */
CM_MUST cm_status cm_sqlite_attach(cm_sqlite *db, const char *path, const char *schema,
                                   cm_diag *diag);
CM_MUST cm_status cm_sqlite_detach(cm_sqlite *db, const char *schema, cm_diag *diag);

CM_MUST cm_status cm_sqlite_prepare(cm_sqlite *db, const char *sql, cm_sqlite_stmt **ret,
                                    cm_diag *diag);
void cm_sqlite_finalize(cm_sqlite_stmt *stmt); /* NULL allowed */
/* Parameters are numbered from 1; text is borrowed until the next step. */
void cm_sqlite_bind_int(cm_sqlite_stmt *stmt, int parameter, int64_t value);
void cm_sqlite_bind_text(cm_sqlite_stmt *stmt, int parameter, const char *text, size_t bytes);
void cm_sqlite_bind_null(cm_sqlite_stmt *stmt, int parameter);
/* A canonical value, whose number fits int64. */
void cm_sqlite_bind_value(cm_sqlite_stmt *stmt, int parameter, const cm_value *value, bool is_text);
/* *ret_row is false at the end, which also resets the statement. */
CM_MUST cm_status cm_sqlite_step(cm_sqlite *db, cm_sqlite_stmt *stmt, bool *ret_row, cm_diag *diag);
void cm_sqlite_reset(cm_sqlite_stmt *stmt);
size_t cm_sqlite_columns(cm_sqlite_stmt *stmt);
/* Borrowed until the next step. */
cm_cell cm_sqlite_cell(cm_sqlite_stmt *stmt, size_t col);

/* An SQL function of one argument that gives cm_cell_canonical(type, argument); a fault fails the
 * statement and names the column.  type and column must outlive the connection. */
CM_MUST cm_status cm_sqlite_define(cm_sqlite *db, const char *name, const cm_type *type,
                                   const char *column, cm_diag *diag);

/* First column of the first row; NULL and no row give 0.  For counts. */
CM_MUST cm_status cm_sqlite_number(cm_sqlite *db, const char *sql, int64_t *ret, cm_diag *diag);

/* Appends "name" with quotes doubled, and 'text' likewise. */
void cm_sql_put_name(cm_buf *out, const char *name);
void cm_sql_put_text(cm_buf *out, const char *text);

#endif
