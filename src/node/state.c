/* Opening, schema, transactions, facts and settings; the statement helper of all state*.c. */
#include "node/state_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Everything with structure of its own is a blob in the codec of its module (tables: sql/schema.h),
 * so that there is one decoder to trust; what is looked up by name has a column.
 */
static const char schema_sql[] =
    "CREATE TABLE fact(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE server(name TEXT PRIMARY KEY, wrapper TEXT NOT NULL, options BLOB NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE enum_type(name TEXT PRIMARY KEY, labels BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE foreign_table(name TEXT PRIMARY KEY,"
    " server TEXT NOT NULL REFERENCES server(name), remote TEXT NOT NULL,"
    " definition BLOB NOT NULL, remote_columns BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE role(name TEXT PRIMARY KEY, verifier BLOB, administrator INTEGER NOT NULL,"
    " publisher INTEGER NOT NULL, analyst INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE peer_catalog(org TEXT PRIMARY KEY, signed BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE invite(ordinal INTEGER PRIMARY KEY, org TEXT NOT NULL UNIQUE,"
    " secret BLOB NOT NULL, expires INTEGER NOT NULL, endpoint TEXT, cert BLOB, signature BLOB);"
    "CREATE TABLE audit(sequence INTEGER PRIMARY KEY, job BLOB NOT NULL, body BLOB NOT NULL,"
    " hash BLOB NOT NULL, signature BLOB NOT NULL);"
    "CREATE INDEX audit_job ON audit(job);";

/* What each version after the first adds. */
static const char *const additions[] = {
    "CREATE TABLE view(name TEXT PRIMARY KEY, columns BLOB NOT NULL, definition TEXT NOT NULL)"
    " WITHOUT ROWID; PRAGMA user_version=2;",
    "CREATE TABLE matview(name TEXT PRIMARY KEY, columns BLOB NOT NULL, definition TEXT NOT NULL,"
    " published BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE stored(id BLOB PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL,"
    " key BLOB NOT NULL, facts BLOB NOT NULL, published INTEGER NOT NULL, created INTEGER NOT NULL)"
    " WITHOUT ROWID; PRAGMA user_version=3;",
};

cm_status cm_state_failed(cm_state *state, cm_diag *diag)
{
    int code = sqlite3_errcode(state->db) & 0xff;
    int system = sqlite3_system_errno(state->db);
    if (code == SQLITE_FULL || system == ENOSPC || system == EDQUOT || system == EFBIG) {
        cm_status st =
            cm_fail(diag, CM_EIO, CM_SQL_DISK_FULL, "the disk of this node's state is full");
        if (diag != NULL) {
            cm_diag_hint(diag, "Nothing was changed. Free some space and try again.");
        }
        return st;
    }
    return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not use this node's state: %s",
                   sqlite3_errmsg(state->db));
}

/* ---- statements --------------------------------------------------------------------------- */

static void sq_check(cm_sq *q, int code)
{
    if (q->status == CM_OK && code != SQLITE_OK) {
        q->status = cm_state_failed(q->state, q->diag);
    }
}

cm_sq cm_sq_open(cm_state *state, const char *sql, cm_diag *diag)
{
    CM_ASSERT(state != NULL);
    cm_sq q = {.state = state, .diag = diag, .status = CM_OK};
    sq_check(&q, sqlite3_prepare_v2(state->db, sql, -1, &q.stmt, NULL));
    return q;
}

void cm_sq_text(cm_sq *q, int index, const char *text)
{
    if (q->status == CM_OK) {
        sq_check(q, sqlite3_bind_text(q->stmt, index, text, -1, SQLITE_TRANSIENT));
    }
}

void cm_sq_int(cm_sq *q, int index, int64_t value)
{
    if (q->status == CM_OK) {
        sq_check(q, sqlite3_bind_int64(q->stmt, index, value));
    }
}

void cm_sq_blob(cm_sq *q, int index, const void *data, size_t bytes)
{
    if (q->status == CM_OK) {
        /* A NULL pointer would bind NULL; an empty blob is meant. */
        const void *from = bytes == 0 ? "" : data;
        sq_check(q, sqlite3_bind_blob64(q->stmt, index, from, bytes, SQLITE_TRANSIENT));
    }
}

bool cm_sq_row(cm_sq *q)
{
    if (q->status != CM_OK) {
        return false;
    }
    int code = sqlite3_step(q->stmt);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        q->status = cm_state_failed(q->state, q->diag);
    }
    return code == SQLITE_ROW;
}

const char *cm_sq_get_text(cm_sq *q, int column, cm_arena *arena)
{
    const unsigned char *text = sqlite3_column_text(q->stmt, column);
    return text == NULL ? NULL : cm_arena_strdup(arena, (const char *)text);
}

int64_t cm_sq_get_int(cm_sq *q, int column)
{
    return sqlite3_column_int64(q->stmt, column);
}

const uint8_t *cm_sq_get_blob(cm_sq *q, int column, size_t *ret_bytes)
{
    const uint8_t *data = sqlite3_column_blob(q->stmt, column);
    *ret_bytes = (size_t)sqlite3_column_bytes(q->stmt, column);
    return data;
}

void cm_sq_get_fixed(cm_sq *q, int column, void *ret, size_t bytes)
{
    size_t have;
    const uint8_t *data = cm_sq_get_blob(q, column, &have);
    if (have == bytes && data != NULL) {
        memcpy(ret, data, bytes);
        return;
    }
    memset(ret, 0, bytes);
    if (q->status == CM_OK) {
        q->status = cm_fail(q->diag, CM_EIO, "XX001", "this node's state is damaged");
    }
}

cm_status cm_sq_close(cm_sq *q, int *ret_changes)
{
    while (cm_sq_row(q)) {
    }
    if (q->status == CM_OK && ret_changes != NULL) {
        *ret_changes = sqlite3_changes(q->state->db);
    }
    sqlite3_finalize(q->stmt);
    q->stmt = NULL;
    return q->status;
}

cm_status cm_state_exists(cm_state *state, const char *sql, const char *name, bool *ret,
                          cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, sql, diag);
    cm_sq_text(&q, 1, name);
    bool found = cm_sq_row(&q);
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK) {
        *ret = found;
    }
    return st;
}

/* Grows a list in an arena: room for one more of item_bytes at *list.  Doubles, so that n items
 * cost O(n). */
static void *list_more(cm_arena *arena, void **list, size_t count, size_t item_bytes)
{
    /* Full at every power of two, and at nothing. */
    if (count == 0 || (count >= 8 && (count & (count - 1)) == 0)) {
        void *grown = cm_arena_small(arena, count == 0 ? 8 : 2 * count, item_bytes);
        if (count > 0) {
            memcpy(grown, *list, count * item_bytes);
        }
        *list = grown;
    }
    return (uint8_t *)*list + count * item_bytes;
}

cm_status cm_sq_list(cm_sq *q, cm_arena *arena, cm_sq_read_fn *read, size_t item_bytes,
                     const void **ret, size_t *ret_count)
{
    void *list = NULL;
    size_t count = 0;
    while (cm_sq_row(q)) {
        read(q, arena, list_more(arena, &list, count, item_bytes));
        count++;
    }
    cm_status st = cm_sq_close(q, NULL);
    if (st == CM_OK) {
        *ret = list;
        *ret_count = count;
    }
    return st;
}

void cm_sq_names(cm_sq *q, int index, const char *const *name, size_t count)
{
    CM_CLEANUP(cm_buf_free) cm_buf all = {0};
    for (size_t i = 0; i < count; i++) {
        cm_buf_put_text(&all, name[i]);
    }
    if (all.failed && q->status == CM_OK) {
        q->status = cm_fail(q->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
        return;
    }
    cm_sq_blob(q, index, all.data, all.bytes);
}

const char *const *cm_sq_get_names(cm_sq *q, int column, cm_arena *arena, size_t *ret_count)
{
    size_t bytes, count = 0;
    const uint8_t *data = cm_sq_get_blob(q, column, &bytes);
    cm_reader r = cm_reader_of(data, bytes);
    const char **name = CM_NEW_SMALL(arena, const char *, CM_TABLE_MAX_COLS);
    while (cm_reader_left(&r) > 0 && !r.failed && count < CM_TABLE_MAX_COLS) {
        name[count++] = cm_reader_text(&r, arena, CM_NAME_MAX_BYTES);
    }
    if (!cm_reader_done(&r) && q->status == CM_OK) {
        q->status = cm_fail(q->diag, CM_EIO, "XX001", "this node's state is damaged: names");
    }
    *ret_count = count;
    return name;
}

/* ---- opening ------------------------------------------------------------------------------ */

static cm_status run(cm_state *state, const char *sql, cm_diag *diag)
{
    if (sqlite3_exec(state->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return cm_state_failed(state, diag);
    }
    return CM_OK;
}

static cm_status read_version(cm_state *state, int64_t *ret, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, "PRAGMA user_version", diag);
    *ret = cm_sq_row(&q) ? cm_sq_get_int(&q, 0) : 0;
    return cm_sq_close(&q, NULL);
}

/* A file of an earlier version gets what it lacks, in one transaction. */
static cm_status upgrade(cm_state *state, cm_diag *diag)
{
    int64_t version = 0;
    cm_status st = read_version(state, &version, diag);
    if (st != CM_OK || version < 1 || version >= CM_STATE_VERSION) {
        return st;
    }
    st = run(state, "BEGIN IMMEDIATE", diag);
    for (size_t i = (size_t)version - 1; st == CM_OK && i < CM_COUNT(additions); i++) {
        st = run(state, additions[i], diag);
    }
    return st == CM_OK ? run(state, "COMMIT", diag) : st;
}

static cm_status check_version(cm_state *state, cm_diag *diag)
{
    int64_t version = 0;
    cm_status st = read_version(state, &version, diag);
    if (st == CM_OK && version != CM_STATE_VERSION) {
        st = cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_NOT_READY,
                     "this node's state has schema version %lld, this program knows version %d",
                     (long long)version, CM_STATE_VERSION);
    }
    return st;
}

static cm_status create_schema(cm_state *state, cm_diag *diag)
{
    cm_status st = run(state, "BEGIN IMMEDIATE", diag);
    if (st == CM_OK) {
        st = run(state, schema_sql, diag);
    }
    for (size_t i = 0; st == CM_OK && i < CM_COUNT(additions); i++) {
        st = run(state, additions[i], diag);
    }
    return st == CM_OK ? run(state, "COMMIT", diag) : st;
}

static cm_status open_file(const char *path, int flags, cm_state **ret, cm_diag *diag)
{
    cm_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    if (sqlite3_open_v2(path, &state->db, flags, NULL) != SQLITE_OK) {
        cm_status st = cm_fail(diag, CM_EIO, CM_SQL_IO, "could not open \"%.200s\": %s", path,
                               state->db != NULL ? sqlite3_errmsg(state->db) : "out of memory");
        cm_state_close(state);
        return st;
    }
    sqlite3_extended_result_codes(state->db, 1);
    sqlite3_busy_timeout(state->db, 5000);
    *ret = state;
    return CM_OK;
}

cm_status cm_state_open(const char *path, bool create, cm_state **ret, cm_diag *diag)
{
    cm_state *state = NULL;
    cm_status st =
        open_file(path, SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0), &state, diag);
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(state != NULL);
    st = run(state,
             "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
             "PRAGMA secure_delete=ON; PRAGMA trusted_schema=OFF",
             diag);
    if (st == CM_OK && create) {
        st = create_schema(state, diag);
    }
    if (st == CM_OK && !create) {
        st = upgrade(state, diag);
    }
    if (st == CM_OK) {
        st = check_version(state, diag);
    }
    if (st != CM_OK) {
        cm_state_close(state);
        return st;
    }
    *ret = state;
    return CM_OK;
}

cm_status cm_state_open_readonly(const char *path, cm_state **ret, cm_diag *diag)
{
    cm_state *state = NULL;
    cm_status st = open_file(path, SQLITE_OPEN_READONLY, &state, diag);
    if (st == CM_OK) {
        st = check_version(state, diag);
        if (st != CM_OK) {
            cm_state_close(state);
            return st;
        }
        *ret = state;
    }
    return st;
}

void cm_state_close(cm_state *state)
{
    if (state != NULL) {
        sqlite3_close(state->db);
        free(state);
    }
}

cm_status cm_state_begin(cm_state *state, cm_diag *diag)
{
    CM_ASSERT(!state->in_change);
    cm_status st = run(state, "BEGIN IMMEDIATE", diag);
    state->in_change = st == CM_OK;
    return st;
}

cm_status cm_state_commit(cm_state *state, cm_diag *diag)
{
    CM_ASSERT(state->in_change);
    cm_status st = run(state, "COMMIT", diag);
    if (st != CM_OK) {
        cm_state_rollback(state);
    }
    state->in_change = false;
    return st;
}

void cm_state_rollback(cm_state *state)
{
    /* SQLite may have rolled back by itself (disk full): then there is nothing to do. */
    if (state->in_change && sqlite3_get_autocommit(state->db) == 0) {
        sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
    }
    state->in_change = false;
}

bool cm_state_in_change(const cm_state *state)
{
    return state->in_change;
}

/* ---- facts and settings ------------------------------------------------------------------- */

static const char put_fact[] = "INSERT INTO fact(key, value) VALUES (?1, ?2)"
                               " ON CONFLICT(key) DO UPDATE SET value = excluded.value";

cm_status cm_state_fact_get(cm_state *state, const char *key, cm_arena *arena, const char **ret,
                            cm_diag *diag)
{
    const char *value = NULL;
    cm_sq q = cm_sq_open(state, "SELECT value FROM fact WHERE key = ?1", diag);
    cm_sq_text(&q, 1, key);
    if (cm_sq_row(&q)) {
        value = cm_sq_get_text(&q, 0, arena);
    }
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK) {
        *ret = value;
    }
    return st;
}

cm_status cm_state_fact_put(cm_state *state, const char *key, const char *value, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, value != NULL ? put_fact : "DELETE FROM fact WHERE key = ?1", diag);
    cm_sq_text(&q, 1, key);
    if (value != NULL) {
        cm_sq_text(&q, 2, value);
    }
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_blob_get(cm_state *state, const char *key, cm_buf *ret, bool *ret_found,
                            cm_diag *diag)
{
    bool found = false;
    cm_sq q = cm_sq_open(state, "SELECT value FROM fact WHERE key = ?1", diag);
    cm_sq_text(&q, 1, key);
    if (cm_sq_row(&q)) {
        size_t bytes;
        const uint8_t *data = cm_sq_get_blob(&q, 0, &bytes);
        cm_buf_clear(ret);
        cm_buf_put(ret, data, bytes);
        found = true;
    }
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK) {
        *ret_found = found;
    }
    return st;
}

cm_status cm_state_blob_put(cm_state *state, const char *key, const void *data, size_t bytes,
                            cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, put_fact, diag);
    cm_sq_text(&q, 1, key);
    cm_sq_blob(&q, 2, data, bytes);
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_setting_get(cm_state *state, const char *name, cm_arena *arena, const char **ret,
                               cm_diag *diag)
{
    const char *value = NULL;
    cm_sq q = cm_sq_open(state, "SELECT value FROM setting WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    if (cm_sq_row(&q)) {
        value = cm_sq_get_text(&q, 0, arena);
    }
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK) {
        *ret = value;
    }
    return st;
}

cm_status cm_state_setting_put(cm_state *state, const char *name, const char *value, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state,
                         value != NULL ? "INSERT INTO setting(name, value) VALUES (?1, ?2)"
                                         " ON CONFLICT(name) DO UPDATE SET value = excluded.value"
                                       : "DELETE FROM setting WHERE name = ?1",
                         diag);
    cm_sq_text(&q, 1, name);
    if (value != NULL) {
        cm_sq_text(&q, 2, value);
    }
    return cm_sq_close(&q, NULL);
}
