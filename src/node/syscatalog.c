#include "node/syscatalog_int.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

enum {
    LIMIT_MS = 5000,
    LIMIT_VALUE_BYTES = 4 << 20,
    LIMIT_ROWS = 200000,
    LIMIT_ANSWER_BYTES = 64 << 20,
    STEPS_PER_LOOK = 20000,
    KEPT_MS = 1000,
};

/* Kept for a second: long enough for the handful of queries that \d is, too short to show anything
 * old or to weigh on sessions that sit idle. */
struct cm_syscatalog {
    sqlite3 *db;
    cm_session *session;
    cm_timer *timer;
    cm_snapshot *snapshot; /* that it was filled from; NULL: it has functions alone */
    int64_t deadline_ms;
    bool sealed; /* nothing but SELECT any more */
};

void cm_syscatalog_free(cm_syscatalog *catalog)
{
    if (catalog != NULL) {
        cm_timer_close(catalog->timer);
        sqlite3_close(catalog->db);
        cm_snapshot_release(catalog->snapshot);
        free(catalog);
    }
}

static void on_old(void *arg)
{
    cm_syscatalog *c = arg;
    c->session->syscatalog = NULL;
    cm_syscatalog_free(c);
    (void)malloc_trim(0); /* half a megabyte in small pieces, times many sessions */
}

/* ---- the database ------------------------------------------------------------------------- */

static int on_progress(void *arg)
{
    const cm_syscatalog *c = arg;
    return c->sealed && cm_clock_ms() > c->deadline_ms;
}

static int authorize(void *arg, int action, const char *a, const char *b, const char *database,
                     const char *trigger)
{
    const cm_syscatalog *c = arg;
    (void)a;
    (void)database;
    (void)trigger;
    if (c->sealed && action == SQLITE_FUNCTION && strcasecmp(b, "load_extension") == 0) {
        return SQLITE_DENY;
    }
    return !c->sealed || action == SQLITE_SELECT || action == SQLITE_READ ||
                   action == SQLITE_FUNCTION || action == SQLITE_RECURSIVE
               ? SQLITE_OK
               : SQLITE_DENY;
}

static cm_status open_database(cm_syscatalog *c, cm_session *s, cm_diag *diag)
{
    int code = sqlite3_open_v2(
        ":memory:", &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY, NULL);
    if (code == SQLITE_OK) {
        /* A misspelt name must not become a text. */
        code = sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    }
    if (code == SQLITE_OK) {
        /* json_each declares itself when it is first used: before the authorizer is strict. */
        code = sqlite3_exec(c->db, "PRAGMA temp_store = MEMORY; SELECT 1 FROM json_each('[]')",
                            NULL, NULL, NULL);
    }
    if (code != SQLITE_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "could not make the node's catalog");
    }
    (void)sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, LIMIT_VALUE_BYTES);
    sqlite3_progress_handler(c->db, STEPS_PER_LOOK, on_progress, c);
    sqlite3_set_authorizer(c->db, authorize, c);
    return cm_system_functions(c->db, s, diag);
}

static cm_status fill(cm_syscatalog *c, cm_session *s, cm_diag *diag)
{
    cm_status st = cm_system_schema(c->db, diag);
    if (st == CM_OK) {
        c->snapshot = cm_snapshot_hold(cm_node_snapshot(s->node));
        st = cm_system_fill(c->db, s, cm_snapshot_schema(c->snapshot), diag);
    }
    return st;
}

/* The session's, when it is still true; else a new one. */
static cm_status get(cm_session *s, bool with_tables, cm_syscatalog **ret, cm_diag *diag)
{
    cm_syscatalog *c = s->syscatalog;
    if (c != NULL && (!with_tables || c->snapshot == cm_node_snapshot(s->node))) {
        *ret = c;
        return CM_OK;
    }
    cm_syscatalog_free(c);
    s->syscatalog = NULL;
    c = calloc(1, sizeof *c);
    if (c == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_status st = open_database(c, s, diag);
    if (st == CM_OK && with_tables) {
        st = fill(c, s, diag);
    }
    if (st != CM_OK) {
        cm_syscatalog_free(c);
        return st;
    }
    c->sealed = true;
    c->session = s;
    c->timer = cm_timer_start(cm_node_loop(s->node), KEPT_MS, 0, on_old, c);
    s->syscatalog = c;
    *ret = c;
    return CM_OK;
}

/* ---- preparing ---------------------------------------------------------------------------- */

/* SQLite's words in PostgreSQL's classes. */
static cm_status fail_as_postgres(sqlite3 *db, cm_diag *diag)
{
    static const struct {
        const char *words, *sqlstate, *format;
    } classes[] = {
        {"no such table: ", CM_SQL_UNDEFINED_TABLE, "relation \"%s\" does not exist"},
        {"no such column: ", CM_SQL_UNDEFINED_COLUMN, "column \"%s\" does not exist"},
        {"no such function: ", CM_SQL_UNDEFINED_FUNCTION, "function %s is not known to this node"},
        {"wrong number of arguments to function ", CM_SQL_UNDEFINED_FUNCTION,
         "function %s does not take these arguments"},
        {"ambiguous column name: ", CM_SQL_AMBIGUOUS_COLUMN,
         "column reference \"%s\" is ambiguous"},
    };
    const char *message = sqlite3_errmsg(db);
    if (sqlite3_errcode(db) == SQLITE_INTERRUPT) {
        return cm_fail(diag, CM_ECANCELLED, CM_SQL_CANCELLED,
                       "a query of the node's catalog may take 5 seconds");
    }
    for (size_t i = 0; i < CM_COUNT(classes); i++) {
        size_t bytes = strlen(classes[i].words);
        if (strncmp(message, classes[i].words, bytes) == 0) {
            char text[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            (void)snprintf(text, sizeof text, classes[i].format, message + bytes);
#pragma GCC diagnostic pop
            cm_status st = cm_fail(diag, CM_EINVAL, classes[i].sqlstate, "%s", text);
            if (i == 0) {
                cm_diag_hint(diag,
                             "A query reads the node's catalog or published tables, not both.");
            }
            return st;
        }
    }
    cm_status st =
        cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED, "this catalog query is not supported");
    cm_diag_detail(diag, "%s", message);
    return st;
}

typedef struct prepared {
    cm_syscatalog *catalog;
    sqlite3_stmt *stmt;
    cm_system_sql sql;
    size_t cols;
    cm_result_col *col;
} prepared;

static uint32_t declared_oid(const char *type)
{
    static const struct {
        const char *type;
        uint32_t oid;
    } types[] = {{"BOOLEAN", CM_OID_BOOL},   {"INT2", CM_OID_INT2},     {"INT4", CM_OID_INT4},
                 {"INT8", CM_OID_INT8},      {"INT_OID", CM_OID_OID},   {"REAL", CM_OID_NUMERIC},
                 {"NAME_TEXT", CM_OID_NAME}, {"CHAR_TEXT", CM_OID_CHAR}};
    for (size_t i = 0; type != NULL && i < CM_COUNT(types); i++) {
        if (strcmp(types[i].type, type) == 0) {
            return types[i].oid;
        }
    }
    return CM_OID_TEXT;
}

static int16_t length_of(uint32_t oid)
{
    switch (oid) {
    case CM_OID_BOOL:
    case CM_OID_CHAR:
        return 1;
    case CM_OID_INT2:
        return 2;
    case CM_OID_INT4:
    case CM_OID_OID:
        return 4;
    case CM_OID_INT8:
    case CM_OID_TIMESTAMP:
        return 8;
    case CM_OID_NAME:
        return 64;
    default:
        return -1;
    }
}

static void describe_columns(prepared *p, cm_arena *arena)
{
    p->cols = (size_t)sqlite3_column_count(p->stmt);
    p->col = CM_NEW_SMALL(arena, cm_result_col, p->cols + 1);
    for (size_t i = 0; i < p->cols; i++) {
        const char *declared = sqlite3_column_decltype(p->stmt, (int)i);
        uint32_t known = i < p->sql.known ? p->sql.oid[i] : 0;
        uint32_t oid = declared != NULL ? declared_oid(declared) : known != 0 ? known : CM_OID_TEXT;
        p->col[i] =
            (cm_result_col){.name = cm_arena_strdup(arena, sqlite3_column_name(p->stmt, (int)i)),
                            .oid = oid,
                            .len = length_of(oid),
                            .mod = -1};
    }
}

static cm_status prepare_here(cm_session *s, const cm_stmt *stmt, cm_arena *arena, prepared *ret,
                              cm_diag *diag)
{
    const char *tail = NULL;
    prepared p = {0};
    cm_status st = cm_system_rewrite(stmt->query, arena, &p.sql, diag);
    if (st == CM_OK) {
        st = get(s, p.sql.reads_tables, &p.catalog, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    p.catalog->deadline_ms = cm_clock_ms() + LIMIT_MS;
    if (sqlite3_prepare_v2(p.catalog->db, p.sql.sql, -1, &p.stmt, &tail) != SQLITE_OK) {
        return fail_as_postgres(p.catalog->db, diag);
    }
    if (p.stmt == NULL || tail[strspn(tail, " \n\t;")] != '\0' ||
        sqlite3_stmt_readonly(p.stmt) == 0) {
        sqlite3_finalize(p.stmt);
        return cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "this catalog query is not supported");
    }
    describe_columns(&p, arena);
    *ret = p;
    return CM_OK;
}

/* Of what reads no table and is unknown here too, the binder's complaint is the better one: it has
 * PostgreSQL's words and a position. */
static cm_status prepare(cm_session *s, const cm_stmt *stmt, cm_arena *arena, prepared *ret,
                         cm_diag *diag)
{
    cm_diag better = {0};
    const cm_result_col *col;
    size_t cols;
    cm_status st = prepare_here(s, stmt, arena, ret, diag);
    if (st != CM_OK && stmt->relations == 0) {
        cm_arena scratch = *arena;
        uint32_t *oids = CM_NEW_SMALL(&scratch, uint32_t, (size_t)stmt->params + 1);
        if (cm_session_describe_select(s, stmt, oids, &scratch, &col, &cols, &better) != CM_OK) {
            *diag = better;
            return better.status;
        }
    }
    return st;
}

cm_status cm_syscatalog_describe(cm_session *s, const cm_stmt *stmt, uint32_t *oids,
                                 cm_arena *arena, const cm_result_col **ret_col, size_t *ret_cols,
                                 cm_diag *diag)
{
    prepared p = {0};
    cm_status st = prepare(s, stmt, arena, &p, diag);
    if (st != CM_OK) {
        return st;
    }
    for (int i = 0; i < stmt->params; i++) {
        oids[i] = oids[i] == 0 ? CM_OID_TEXT : oids[i];
    }
    sqlite3_finalize(p.stmt);
    *ret_col = p.col;
    *ret_cols = p.cols;
    return CM_OK;
}

/* ---- running ------------------------------------------------------------------------------ */

/* Numbers are bound as numbers, so that they compare like literals. */
static bool is_number(const char *text)
{
    size_t digits = strspn(text + (text[0] == '-'), "0123456789");
    return digits > 0 && digits < 19 && text[(text[0] == '-') + digits] == '\0';
}

static cm_status bind(prepared *p, const cm_stmt *stmt, const char *const *params, cm_diag *diag)
{
    int code = SQLITE_OK;
    CM_ASSERT(params != NULL || stmt->params == 0);
    for (int i = 0; i < stmt->params && code == SQLITE_OK; i++) {
        if (params[i] != NULL && is_number(params[i])) {
            code = sqlite3_bind_int64(p->stmt, i + 1, strtoll(params[i], NULL, 10));
        } else {
            code = sqlite3_bind_text(p->stmt, i + 1, params[i], -1, SQLITE_TRANSIENT);
        }
    }
    /* A parameter that occurs nowhere has no place in SQLite's statement. */
    return code == SQLITE_OK || code == SQLITE_RANGE
               ? CM_OK
               : cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
}

/*
 * SQLite's values have types of their own, whatever their column was said to be; a client that
 * asked for binary forms relies on what was said.  So a value that is not of its column's type is
 * an error.
 */
static bool fits_integer(const char *text, uint32_t oid)
{
    int64_t value = is_number(text) ? strtoll(text, NULL, 10) : 0;
    int64_t most = oid == CM_OID_INT2   ? INT16_MAX
                   : oid == CM_OID_INT4 ? INT32_MAX
                   : oid == CM_OID_OID  ? UINT32_MAX
                                        : INT64_MAX;
    return is_number(text) && value <= most && value >= (oid == CM_OID_OID ? 0 : -most - 1);
}

static bool is_decimal(const char *text)
{
    const char *at = text + (text[0] == '-');
    size_t before = strspn(at, "0123456789");
    size_t after = at[before] == '.' ? strspn(at + before + 1, "0123456789") + 1 : 0;
    return before > 0 && at[before + after] == '\0';
}

static bool fits(const char *text, uint32_t oid, cm_arena *arena)
{
    const cm_type timestamp = {.kind = CM_TYPE_TIMESTAMP};
    cm_arena scratch = *arena;
    cm_value value;
    switch (oid) {
    case CM_OID_BOOL:
        return strcmp(text, "t") == 0 || strcmp(text, "f") == 0;
    case CM_OID_INT2:
    case CM_OID_INT4:
    case CM_OID_INT8:
    case CM_OID_OID:
        return fits_integer(text, oid);
    case CM_OID_NUMERIC:
        return is_decimal(text);
    case CM_OID_TIMESTAMP:
        return cm_value_parse(&timestamp, text, &scratch, &value, NULL) == CM_OK;
    default:
        return true;
    }
}

static cm_status value_text(cm_session *s, const prepared *p, size_t column, const char **ret,
                            cm_diag *diag)
{
    uint32_t oid = p->col[column].oid;
    bool number = sqlite3_column_type(p->stmt, (int)column) == SQLITE_INTEGER;
    const char *text = (const char *)sqlite3_column_text(p->stmt, (int)column);
    if (oid == CM_OID_BOOL && number) {
        text = sqlite3_column_int64(p->stmt, (int)column) != 0 ? "t" : "f";
    }
    if (text != NULL && !fits(text, oid, &s->arena)) {
        return cm_fail(diag, CM_ERANGE, CM_SQL_RANGE,
                       "a value of column \"%.63s\" is not of the column's type",
                       p->col[column].name);
    }
    *ret = text;
    return CM_OK;
}

static cm_status send_rows(cm_session *s, prepared *p, cm_diag *diag)
{
    CM_ASSERT(p->catalog != NULL); /* it was prepared */
    const char **row = CM_NEW_SMALL(&s->arena, const char *, p->cols + 1);
    uint64_t bytes = 0;
    int code;
    while ((code = sqlite3_step(p->stmt)) == SQLITE_ROW) {
        for (size_t i = 0; i < p->cols; i++) {
            cm_status st = value_text(s, p, i, &row[i], diag);
            if (st != CM_OK) {
                return st;
            }
            bytes += (uint64_t)sqlite3_column_bytes(p->stmt, (int)i);
        }
        s->sink.row(s->sink.arg, row);
        if (++s->rows > LIMIT_ROWS || bytes > LIMIT_ANSWER_BYTES) {
            return cm_fail(diag, CM_ERANGE, "54000", "the catalog query's answer is too large");
        }
    }
    if (code == SQLITE_ERROR) { /* a function says what it does not take */
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_VALUE, "%s", sqlite3_errmsg(p->catalog->db));
    }
    return code == SQLITE_DONE ? CM_OK : fail_as_postgres(p->catalog->db, diag);
}

void cm_syscatalog_select(cm_session *s, const cm_stmt *stmt, const char *const *params)
{
    cm_diag diag = {0};
    prepared p = {0};
    char tag[40];
    cm_status st = prepare(s, stmt, &s->arena, &p, &diag);
    if (st == CM_OK) {
        st = bind(&p, stmt, params, &diag);
    }
    if (st == CM_OK) {
        s->sink.columns(s->sink.arg, p.col, p.cols);
        st = send_rows(s, &p, &diag);
    }
    sqlite3_finalize(p.stmt);
    (void)snprintf(tag, sizeof tag, "SELECT %llu", (unsigned long long)s->rows);
    cm_session_end(s, st, tag, &diag);
}
