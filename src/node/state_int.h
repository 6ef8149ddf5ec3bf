/* node/state_int.h - statements over SQLite with a sticky failure, private to state*.c. */
#ifndef CM_NODE_STATE_INT_H
#define CM_NODE_STATE_INT_H

#include <sqlite3.h>

#include "node/state.h"

struct cm_state {
    sqlite3 *db;
    bool in_change; /* between begin and commit */
};

/* One statement: bind, then step through rows or run.  After a failure every call does nothing;
 * cm_sq_close tells. */
typedef struct cm_sq {
    cm_state *state;
    sqlite3_stmt *stmt;
    cm_diag *diag;
    cm_status status;
} cm_sq;

cm_sq cm_sq_open(cm_state *state, const char *sql, cm_diag *diag);
void cm_sq_text(cm_sq *q, int index, const char *text);
void cm_sq_int(cm_sq *q, int index, int64_t value);
void cm_sq_blob(cm_sq *q, int index, const void *data, size_t bytes);
/* False at the end or after a failure. */
bool cm_sq_row(cm_sq *q);
/* A column of the current row.  A blob of another length than bytes fails the statement. */
const char *cm_sq_get_text(cm_sq *q, int column, cm_arena *arena);
int64_t cm_sq_get_int(cm_sq *q, int column);
const uint8_t *cm_sq_get_blob(cm_sq *q, int column, size_t *ret_bytes);
void cm_sq_get_fixed(cm_sq *q, int column, void *ret, size_t bytes);
/* Runs what is left and frees.  *ret_changes (or NULL): rows changed. */
CM_MUST cm_status cm_sq_close(cm_sq *q, int *ret_changes);

/* Writes SQLite's last error into diag: a full disk is 53100, everything else 58030. */
CM_MUST cm_status cm_state_failed(cm_state *state, cm_diag *diag);
/* Whether a statement with one text parameter gives a row. */
CM_MUST cm_status cm_state_exists(cm_state *state, const char *sql, const char *name, bool *ret,
                                  cm_diag *diag);
/*
 * Reads all rows that are left, each into an item of its own (zeroed), and closes.  On success
 * *ret is an array in the arena.
 */
typedef void cm_sq_read_fn(cm_sq *q, cm_arena *arena, void *item);
CM_MUST cm_status cm_sq_list(cm_sq *q, cm_arena *arena, cm_sq_read_fn *read, size_t item_bytes,
                             const void **ret, size_t *ret_count);

/* Names as one blob. */
void cm_sq_names(cm_sq *q, int index, const char *const *name, size_t count);
/* The same of a column.  More than CM_TABLE_MAX_COLS, or bytes that are none, fail the statement.
 */
const char *const *cm_sq_get_names(cm_sq *q, int column, cm_arena *arena, size_t *ret_count);

#endif
