/*
 * Cursors.  DECLARE runs its query, and the cursor keeps the whole answer: a query of a federation
 * is answered at once or not at all.  FETCH and MOVE then go through it in either direction.
 */
#include "node/session_int.h"

#include <stdlib.h>
#include <string.h>

enum { CURSORS_MAX = 100, NAME_ROOM = CM_NAME_MAX_BYTES + 1 };
/* Of all cursors of a session. */
static const size_t BYTES_MAX = (size_t)512 << 20;

struct cm_cursor {
    struct cm_cursor *next;
    char name[NAME_ROOM];
    bool hold, forward_only;
    size_t depth; /* 1 and the savepoints around it that are not released; 0 once its transaction
                     has ended */
    cm_arena arena;
    const cm_result_col *col;
    size_t cols;
    cm_buf cells;   /* texts, row by row */
    cm_buf offsets; /* uint64_t per row: where in cells it begins */
    size_t rows;
    size_t at; /* row from 1; 0: before the first, rows + 1: after the last */
};

/* ---- life --------------------------------------------------------------------------------- */

static void cursor_free(cm_cursor *c)
{
    cm_buf_wipe_free(&c->cells);
    cm_buf_free(&c->offsets);
    cm_arena_fini(&c->arena);
    free(c);
}

static cm_cursor **find(cm_session *s, const char *name)
{
    cm_cursor **at = &s->cursor;
    while (*at != NULL && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void drop(cm_cursor **at)
{
    cm_cursor *gone = *at;
    *at = gone->next;
    cursor_free(gone);
}

void cm_cursors_close(cm_session *s, size_t depth)
{
    for (cm_cursor **at = &s->cursor; *at != NULL;) {
        if ((*at)->depth >= depth) {
            drop(at);
        } else {
            at = &(*at)->next;
        }
    }
}

void cm_cursors_release(cm_session *s, size_t depth)
{
    for (cm_cursor *c = s->cursor; c != NULL; c = c->next) {
        c->depth = c->depth < depth ? c->depth : depth;
    }
}

void cm_cursors_commit(cm_session *s)
{
    for (cm_cursor **at = &s->cursor; *at != NULL;) {
        if ((*at)->hold) {
            (*at)->depth = 0;
            at = &(*at)->next;
        } else {
            drop(at);
        }
    }
}

static cm_status cursor_new(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    size_t count = 0;
    for (const cm_cursor *c = s->cursor; c != NULL; c = c->next) {
        count++;
    }
    if (s->transaction == 'I' && !stmt->cursor.hold) {
        return cm_fail(diag, CM_EINVAL, "25P01",
                       "DECLARE CURSOR can only be used in transaction blocks");
    }
    if (*find(s, stmt->name) != NULL) {
        return cm_fail(diag, CM_EEXISTS, "42P03", "cursor \"%s\" already exists", stmt->name);
    }
    if (count >= CURSORS_MAX) {
        return cm_fail(diag, CM_EDENIED, CM_SQL_TOO_MANY, "too many cursors");
    }
    cm_cursor *c = calloc(1, sizeof *c);
    if (c == NULL || strlen(stmt->name) >= NAME_ROOM ||
        cm_arena_init(&c->arena, (size_t)16 << 20) != CM_OK) {
        free(c);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    memcpy(c->name, stmt->name, strlen(stmt->name) + 1);
    c->hold = stmt->cursor.hold;
    c->forward_only = stmt->cursor.forward_only;
    c->depth = s->transaction == 'I' ? 0 : s->savepoints + 1;
    c->next = s->cursor;
    s->cursor = c;
    return CM_OK;
}

/* ---- DECLARE: the query's answer goes into the cursor, which is the first of the list ------- */

static void on_columns(void *arg, const cm_result_col *col, size_t cols)
{
    cm_session *s = arg;
    cm_cursor *c = s->cursor;
    cm_result_col *copy = CM_NEW_SMALL(&c->arena, cm_result_col, cols + 1);
    for (size_t i = 0; i < cols; i++) {
        copy[i] = col[i];
        copy[i].name = cm_arena_strdup(&c->arena, col[i].name);
    }
    c->col = copy;
    c->cols = cols;
}

static size_t bytes_held(const cm_session *s)
{
    size_t bytes = 0;
    for (const cm_cursor *c = s->cursor; c != NULL; c = c->next) {
        bytes += c->cells.bytes + c->offsets.bytes;
    }
    return bytes;
}

static void on_row(void *arg, const char *const *text)
{
    cm_session *s = arg;
    cm_cursor *c = s->cursor;
    const uint64_t offset = c->cells.bytes;
    cm_buf_put(&c->offsets, &offset, sizeof offset);
    for (size_t i = 0; i < c->cols; i++) {
        cm_buf_put_text(&c->cells, text[i]);
    }
    c->rows++;
    c->cells.failed = c->cells.failed || bytes_held(s) > BYTES_MAX;
}

static void on_done(void *arg, const char *tag)
{
    cm_session *s = arg;
    cm_session_sink outer = s->outer;
    (void)tag;
    if (s->cursor->cells.failed || s->cursor->offsets.failed) {
        cm_diag diag = {0};
        cm_status st =
            cm_fail(&diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory for the rows of a cursor");
        CM_ASSERT(st == CM_ENOMEM);
        drop(&s->cursor);
        s->transaction = s->transaction == 'T' ? 'E' : s->transaction;
        outer.failed(outer.arg, &diag);
        return;
    }
    outer.done(outer.arg, "DECLARE CURSOR");
}

static void on_failed(void *arg, const cm_diag *diag)
{
    cm_session *s = arg;
    cm_session_sink outer = s->outer;
    drop(&s->cursor);
    outer.failed(outer.arg, diag);
}

void cm_cursor_declare(cm_session *s, const cm_stmt *stmt, const char *const *params)
{
    cm_diag diag = {0};
    const cm_stmt *query = NULL;
    cm_status st = cm_session_query_of(s, stmt, &query, &diag);
    if (st == CM_OK) {
        st = cursor_new(s, stmt, &diag);
    }
    if (st != CM_OK) {
        cm_session_fail(s, &diag);
        return;
    }
    cm_session_divert(
        s, (cm_session_sink){
               .columns = on_columns, .row = on_row, .done = on_done, .failed = on_failed});
    cm_session_run_select(s, query, params);
}

/* ---- FETCH, MOVE, CLOSE --------------------------------------------------------------------- */

static void send_row(cm_session *s, const cm_cursor *c)
{
    cm_arena scratch = s->arena;
    uint64_t offset;
    const char **text = CM_NEW_SMALL(&scratch, const char *, c->cols + 1);
    memcpy(&offset, c->offsets.data + (c->at - 1) * sizeof offset, sizeof offset);
    cm_reader r = cm_reader_of(c->cells.data + offset, c->cells.bytes - offset);
    for (size_t i = 0; i < c->cols; i++) {
        text[i] = cm_reader_text(&r, &scratch, c->cells.bytes);
    }
    s->sink.row(s->sink.arg, text);
}

/* The row where the cursor stands, if it stands on one. */
static void give(cm_session *s, const cm_cursor *c, bool move)
{
    if (c->at >= 1 && c->at <= c->rows) {
        s->rows++;
        if (!move) {
            send_row(s, c);
        }
    }
}

/* One step at a time, up to and onto the places before the first row and after the last. */
static void walk(cm_session *s, cm_cursor *c, bool forward, uint64_t count, bool move)
{
    for (uint64_t i = 0; i < count && (forward ? c->at <= c->rows : c->at > 0); i++) {
        c->at = forward ? c->at + 1 : c->at - 1;
        give(s, c, move);
    }
}

static uint64_t magnitude(int64_t count)
{
    return count < 0 ? -(uint64_t)count : (uint64_t)count;
}

static size_t absolute(const cm_cursor *c, int64_t count)
{
    if (count >= 0) {
        return (uint64_t)count > c->rows ? c->rows + 1 : (size_t)count;
    }
    return magnitude(count) > c->rows ? 0 : c->rows + 1 - (size_t)magnitude(count);
}

static size_t relative(const cm_cursor *c, int64_t count)
{
    if (count < 0) {
        return magnitude(count) > c->at ? 0 : c->at - (size_t)magnitude(count);
    }
    return (uint64_t)count > c->rows + 1 - c->at ? c->rows + 1 : c->at + (size_t)count;
}

static bool goes_back(const cm_cursor *c, const cm_stmt *stmt)
{
    const int64_t count = stmt->cursor.count;
    switch (stmt->cursor.fetch) {
    case CM_FETCH_FORWARD:
        return count <= 0;
    case CM_FETCH_BACKWARD:
        return count >= 0;
    case CM_FETCH_ABSOLUTE:
        return absolute(c, count) <= c->at;
    case CM_FETCH_RELATIVE:
        return count <= 0;
    }
    return false;
}

void cm_cursor_fetch(cm_session *s, const cm_stmt *stmt)
{
    cm_diag diag = {0};
    cm_cursor *c = *find(s, stmt->name);
    const int64_t count = stmt->cursor.count;
    const bool move = stmt->cursor.move;
    cm_status st = CM_OK;
    if (c == NULL) {
        st = cm_fail(&diag, CM_ENOTFOUND, "34000", "cursor \"%s\" does not exist", stmt->name);
    } else if (c->forward_only && goes_back(c, stmt)) {
        st = cm_fail(&diag, CM_EINVAL, "55000", "cursor can only scan forward");
        cm_diag_hint(&diag, "Declare it with SCROLL option to enable backward scan.");
    }
    if (st != CM_OK) {
        cm_session_fail(s, &diag);
        return;
    }
    CM_ASSERT(c != NULL);
    if (!move) {
        s->sink.columns(s->sink.arg, c->col, c->cols);
    }
    switch (stmt->cursor.fetch) {
    case CM_FETCH_FORWARD:
    case CM_FETCH_BACKWARD:
        if (count == 0) {
            give(s, c, move);
        } else {
            walk(s, c, (stmt->cursor.fetch == CM_FETCH_FORWARD) == (count > 0), magnitude(count),
                 move);
        }
        break;
    case CM_FETCH_ABSOLUTE:
        c->at = absolute(c, count);
        give(s, c, move);
        break;
    case CM_FETCH_RELATIVE:
        c->at = relative(c, count);
        give(s, c, move);
        break;
    }
    cm_session_done(s,
                    cm_arena_printf(&s->arena, "%s %llu", stmt->tag, (unsigned long long)s->rows));
}

cm_status cm_cursor_close(cm_session *s, const cm_stmt *stmt, cm_diag *diag)
{
    if (stmt->name == NULL) {
        cm_cursors_close(s, 0);
        return CM_OK;
    }
    cm_cursor **at = find(s, stmt->name);
    if (*at == NULL) {
        return cm_fail(diag, CM_ENOTFOUND, "34000", "cursor \"%s\" does not exist", stmt->name);
    }
    drop(at);
    return CM_OK;
}

void cm_cursor_describe(cm_session *s, const cm_stmt *stmt, const cm_result_col **ret_col,
                        size_t *ret_cols)
{
    const cm_cursor *c = *find(s, stmt->name);
    if (c != NULL && !stmt->cursor.move) {
        *ret_col = c->col;
        *ret_cols = c->cols;
    } else {
        *ret_col = NULL;
        *ret_cols = 0;
    }
}
