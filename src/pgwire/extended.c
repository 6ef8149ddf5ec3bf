/*
 * Extended query: Parse, Bind, Describe, Execute, Close.  An answer is whole before its first row
 * is sent, so a portal with a row limit keeps what was not fetched yet.
 */
#include "pgwire/conn_int.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "pgwire/binary.h"

enum {
    STATEMENT_ARENA = 64 << 20,
    NAME_MAX_CHARS = 255,
    RESERVE = 64 << 10, /* more than a binary number grows by as text, and than a row's need */
};

static void fail(cm_pg_conn *conn, const cm_diag *diag)
{
    cm_pg_put_diag(&conn->out, CM_PG_ERROR, diag);
    cm_pg_flush(conn);
    conn->skipping = true;
}

CM_PRINTF(3, 4)
static void fail_with(cm_pg_conn *conn, const char *sqlstate, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cm_diag diag = cm_pg_diag(sqlstate, format, args);
    va_end(args);
    fail(conn, &diag);
}

static void malformed(cm_pg_conn *conn)
{
    fail_with(conn, CM_SQL_PROTOCOL, "malformed message of the extended protocol");
}

/* ---- named things ------------------------------------------------------------------------- */

static cm_pg_prepared **find_prepared(cm_pg_conn *conn, const char *name)
{
    cm_pg_prepared **at = &conn->prepared;
    while (*at != NULL && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static cm_pg_portal **find_portal(cm_pg_conn *conn, const char *name)
{
    cm_pg_portal **at = &conn->portal;
    while (*at != NULL && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static void free_prepared(cm_pg_conn *conn, cm_pg_prepared **at)
{
    cm_pg_prepared *gone = *at;
    if (gone != NULL) {
        if (gone->stmt != NULL) {
            cm_pg_drop_portals(conn, gone->stmt); /* they borrow it */
        }
        *at = gone->next;
        conn->prepared_count--;
        cm_arena_fini(&gone->arena);
        free(gone);
    }
}

static void free_portal(cm_pg_portal **at)
{
    cm_pg_portal *gone = *at;
    if (gone != NULL) {
        *at = gone->next;
        cm_buf_wipe_free(&gone->rows);
        cm_arena_fini(&gone->arena);
        free(gone);
    }
}

void cm_pg_drop_portals(cm_pg_conn *conn, const cm_stmt *stmt)
{
    cm_pg_portal **at = &conn->portal;
    while (*at != NULL) {
        if (stmt == NULL || (*at)->stmt == stmt) {
            free_portal(at);
        } else {
            at = &(*at)->next;
        }
    }
}

void cm_pg_extended_end(cm_pg_conn *conn)
{
    cm_pg_drop_portals(conn, NULL);
    while (conn->prepared != NULL) {
        free_prepared(conn, &conn->prepared);
    }
}

/* ---- Parse -------------------------------------------------------------------------------- */

static cm_status prepare(cm_pg_conn *conn, cm_pg_prepared *p, const char *sql, const uint32_t *oids,
                         size_t count, cm_diag *diag)
{
    cm_stmts stmts;
    cm_status st = cm_sql_parse(sql, &p->arena, &stmts, diag);
    if (st != CM_OK) {
        return st;
    }
    if (stmts.count > 1) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_SYNTAX,
                       "cannot insert multiple commands into a prepared statement");
    }
    p->stmt = stmts.count == 1 ? stmts.stmt : NULL;
    p->params = p->stmt != NULL && p->stmt->params > 0 ? (size_t)p->stmt->params : 0;
    p->oid = CM_NEW_SMALL(&p->arena, uint32_t, p->params + 1);
    for (size_t i = 0; i < p->params && i < count; i++) {
        p->oid[i] = oids[i];
    }
    if (p->stmt == NULL) {
        return CM_OK;
    }
    return cm_session_describe(conn->session, p->stmt, p->oid, &p->arena, &p->col, &p->cols, diag);
}

static void on_parse(cm_pg_conn *conn, cm_reader *body)
{
    const char *name = cm_reader_cstr(body);
    const char *sql = cm_reader_cstr(body);
    size_t count = cm_reader_u16(body);
    uint32_t oids[CM_PG_PARAMS_MAX];
    if (count > CM_PG_PARAMS_MAX) {
        malformed(conn);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        oids[i] = cm_reader_u32(body);
    }
    if (!cm_reader_done(body) || strlen(name) > NAME_MAX_CHARS) {
        malformed(conn);
        return;
    }
    cm_pg_prepared **at = find_prepared(conn, name);
    if (*at != NULL && name[0] != '\0') {
        fail_with(conn, "42P05", "prepared statement \"%s\" already exists", name);
        return;
    }
    free_prepared(conn, at);
    if (conn->prepared_count >= CM_PG_STATEMENTS_MAX) {
        fail_with(conn, CM_SQL_TOO_MANY, "too many prepared statements: close some");
        return;
    }
    cm_pg_prepared *p = calloc(1, sizeof *p);
    if (p == NULL || cm_arena_init(&p->arena, STATEMENT_ARENA) != CM_OK) {
        free(p);
        fail_with(conn, CM_SQL_OUT_OF_MEMORY, "out of memory");
        return;
    }
    cm_diag diag = {0};
    p->name = cm_arena_strdup(&p->arena, name);
    p->next = conn->prepared;
    conn->prepared = p;
    conn->prepared_count++;
    if (prepare(conn, p, sql, oids, count, &diag) != CM_OK) {
        free_prepared(conn, &conn->prepared);
        fail(conn, &diag);
    } else {
        cm_pg_put_empty(&conn->out, '1');
    }
}

/* ---- Bind --------------------------------------------------------------------------------- */

/* Format codes: none (all text), one for all, or one each. */
static bool read_formats(cm_reader *body, size_t count, uint16_t *ret)
{
    size_t given = cm_reader_u16(body);
    if (given > 1 && given != count) {
        return false;
    }
    uint16_t last = 0;
    for (size_t i = 0; i < (given > count ? given : count); i++) {
        last = i < given ? cm_reader_u16(body) : given == 1 ? last : 0;
        if (last > 1) {
            return false;
        }
        if (i < count) {
            ret[i] = last;
        }
    }
    return !body->failed;
}

static cm_status read_param(cm_reader *body, uint32_t oid, bool binary, cm_arena *arena,
                            const char **ret, cm_diag *diag)
{
    uint32_t bytes = cm_reader_u32(body);
    *ret = NULL;
    if (bytes == UINT32_MAX) {
        return CM_OK;
    }
    const uint8_t *data = cm_reader_bytes(body, bytes);
    if (data == NULL) {
        return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "malformed bind message");
    }
    if ((size_t)(arena->end - arena->mark) < (size_t)bytes + RESERVE) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory for the parameters");
    }
    if (binary) {
        return cm_binary_text(oid, data, bytes, arena, ret, diag);
    }
    if (memchr(data, 0, bytes) != NULL) {
        return cm_fail(diag, CM_EINVAL, "22021", "a parameter holds a NUL byte");
    }
    *ret = cm_arena_strndup(arena, (const char *)data, bytes);
    return CM_OK;
}

static cm_status bind_portal(cm_pg_portal *p, const cm_pg_prepared *from, cm_reader *body,
                             cm_diag *diag)
{
    uint16_t *formats = CM_NEW_SMALL(&p->arena, uint16_t, from->params + 1);
    bool good = read_formats(body, from->params, formats);
    size_t count = cm_reader_u16(body);
    if (!good || count != from->params) {
        return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL,
                       "bind message supplies %zu parameters, but the prepared statement requires "
                       "%zu",
                       count, from->params);
    }
    p->stmt = from->stmt;
    p->param = CM_NEW_SMALL(&p->arena, const char *, count + 1);
    p->oid = CM_NEW_SMALL(&p->arena, uint32_t, count + 1);
    p->col = from->col;
    p->cols = from->cols;
    p->format = CM_NEW_SMALL(&p->arena, uint16_t, from->cols + 1);
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        p->oid[i] = from->oid[i];
        st = read_param(body, from->oid[i], formats[i] == 1, &p->arena, &p->param[i], diag);
    }
    if (st == CM_OK && (!read_formats(body, from->cols, p->format) || !cm_reader_done(body))) {
        st = cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "malformed bind message");
    }
    return st;
}

static void on_bind(cm_pg_conn *conn, cm_reader *body)
{
    const char *portal = cm_reader_cstr(body);
    const char *statement = cm_reader_cstr(body);
    if (body->failed || strlen(portal) > NAME_MAX_CHARS) {
        malformed(conn);
        return;
    }
    cm_pg_prepared *from = *find_prepared(conn, statement);
    cm_pg_portal **at = find_portal(conn, portal);
    if (from == NULL) {
        fail_with(conn, "26000", "prepared statement \"%s\" does not exist", statement);
        return;
    }
    if (*at != NULL && portal[0] != '\0') {
        fail_with(conn, "42P03", "portal \"%s\" already exists", portal);
        return;
    }
    free_portal(at);
    cm_pg_portal *p = calloc(1, sizeof *p);
    if (p == NULL || cm_arena_init(&p->arena, STATEMENT_ARENA) != CM_OK) {
        free(p);
        fail_with(conn, CM_SQL_OUT_OF_MEMORY, "out of memory");
        return;
    }
    cm_diag diag = {0};
    p->name = cm_arena_strdup(&p->arena, portal);
    p->next = conn->portal;
    conn->portal = p;
    if (bind_portal(p, from, body, &diag) != CM_OK) {
        free_portal(&conn->portal);
        fail(conn, &diag);
    } else {
        cm_pg_put_empty(&conn->out, '2');
    }
}

/* ---- Describe and Close ------------------------------------------------------------------- */

static void put_columns(cm_pg_conn *conn, const cm_result_col *col, size_t cols,
                        const uint16_t *formats)
{
    if (cols == 0) {
        cm_pg_put_empty(&conn->out, 'n');
    } else {
        cm_pg_put_row_description(&conn->out, col, cols, formats);
    }
}

static void on_describe(cm_pg_conn *conn, cm_reader *body)
{
    char kind = (char)cm_reader_u8(body);
    const char *name = cm_reader_cstr(body);
    if (!cm_reader_done(body) || (kind != 'S' && kind != 'P')) {
        malformed(conn);
        return;
    }
    if (kind == 'P') {
        const cm_pg_portal *p = *find_portal(conn, name);
        if (p == NULL) {
            fail_with(conn, "34000", "portal \"%s\" does not exist", name);
        } else {
            put_columns(conn, p->col, p->cols, p->format);
        }
        return;
    }
    const cm_pg_prepared *p = *find_prepared(conn, name);
    if (p == NULL) {
        fail_with(conn, "26000", "prepared statement \"%s\" does not exist", name);
        return;
    }
    size_t mark = cm_pg_begin(&conn->out, 't');
    cm_buf_put_u16(&conn->out, (uint16_t)p->params);
    for (size_t i = 0; i < p->params; i++) {
        cm_buf_put_u32(&conn->out, p->oid[i]);
    }
    cm_pg_end(&conn->out, mark);
    put_columns(conn, p->col, p->cols, NULL);
}

static void on_close(cm_pg_conn *conn, cm_reader *body)
{
    char kind = (char)cm_reader_u8(body);
    const char *name = cm_reader_cstr(body);
    if (!cm_reader_done(body) || (kind != 'S' && kind != 'P')) {
        malformed(conn);
        return;
    }
    if (kind == 'S') {
        free_prepared(conn, find_prepared(conn, name));
    } else {
        free_portal(find_portal(conn, name));
    }
    cm_pg_put_empty(&conn->out, '3');
}

/* ---- Execute ------------------------------------------------------------------------------ */

static void put_binary_row(cm_pg_portal *p, const char *const *text)
{
    cm_arena scratch = p->arena;
    cm_buf *out = &p->rows;
    size_t mark = cm_pg_begin(out, 'D');
    cm_buf_put_u16(out, (uint16_t)p->cols);
    for (size_t i = 0; i < p->cols; i++) {
        if (text[i] == NULL || p->format[i] == 0) {
            cm_buf_put_text(out, text[i]);
            continue;
        }
        cm_buf value = {0};
        cm_status st = cm_binary_put(&value, p->col[i].oid, text[i], &scratch, NULL);
        CM_ASSERT(st == CM_OK); /* the text is our own */
        cm_buf_put_u32(out, (uint32_t)value.bytes);
        cm_buf_put(out, value.data, value.bytes);
        cm_buf_free(&value);
    }
    cm_pg_end(out, mark);
}

static void on_columns(void *arg, const cm_result_col *col, size_t cols)
{
    (void)arg; /* the client has asked with Describe, or does not want to know */
    (void)col;
    (void)cols;
}

static void on_row(void *arg, const char *const *text)
{
    cm_pg_conn *conn = arg;
    put_binary_row(conn->running, text);
}

static void on_notice(void *arg, const cm_diag *diag)
{
    cm_pg_conn *conn = arg;
    cm_pg_put_diag(&conn->out, CM_PG_NOTICE, diag);
    cm_pg_flush(conn);
}

static void on_setting(void *arg, const char *name, const char *value)
{
    cm_pg_conn *conn = arg;
    cm_pg_put_parameter_status(&conn->out, name, value);
}

/* Sends up to `fetch` rows of what the portal holds. */
static void send_rows(cm_pg_conn *conn, cm_pg_portal *p)
{
    uint32_t sent = 0;
    size_t from = p->rows_sent;
    while (p->rows_sent < p->rows.bytes && (conn->fetch == 0 || sent < conn->fetch)) {
        cm_reader row = cm_reader_of(p->rows.data + p->rows_sent + 1, 4);
        p->rows_sent += 1 + cm_reader_u32(&row);
        sent++;
    }
    if (p->rows_sent > from) { /* without rows there is no place of any */
        cm_buf_put(&conn->out, p->rows.data + from, p->rows_sent - from);
    }
    if (p->rows_sent < p->rows.bytes || (conn->fetch != 0 && sent == conn->fetch)) {
        cm_pg_put_empty(&conn->out, 's');
        return;
    }
    if (strncmp(p->tag, "SELECT ", 7) == 0) {
        cm_buf tag = {0};
        cm_buf_printf(&tag, "SELECT %u", sent);
        cm_pg_put_command_complete(&conn->out, cm_buf_text(&tag));
        cm_buf_free(&tag);
    } else {
        cm_pg_put_command_complete(&conn->out, p->tag);
    }
}

static void on_done(void *arg, const char *tag)
{
    cm_pg_conn *conn = arg;
    cm_pg_portal *p = conn->running;
    conn->busy = false;
    conn->running = NULL;
    p->done = true;
    cm_pg_end_copy(conn);
    strncpy(p->tag, tag, sizeof p->tag - 1);
    if (p->rows.failed) {
        fail_with(conn, CM_SQL_OUT_OF_MEMORY, "out of memory");
    } else {
        send_rows(conn, p);
    }
    cm_pg_continue(conn);
}

static void on_failed(void *arg, const cm_diag *diag)
{
    cm_pg_conn *conn = arg;
    conn->busy = false;
    conn->copying = false;
    conn->running = NULL;
    fail(conn, diag);
    cm_pg_continue(conn);
}

static void on_execute(cm_pg_conn *conn, cm_reader *body)
{
    const char *name = cm_reader_cstr(body);
    uint32_t fetch = cm_reader_u32(body);
    if (!cm_reader_done(body)) {
        malformed(conn);
        return;
    }
    cm_pg_portal *p = *find_portal(conn, name);
    if (p == NULL) {
        fail_with(conn, "34000", "portal \"%s\" does not exist", name);
        return;
    }
    conn->fetch = fetch > INT32_MAX ? 0 : fetch;
    if (p->stmt == NULL) {
        cm_pg_put_empty(&conn->out, 'I');
    } else if (p->done) {
        send_rows(conn, p);
    } else if (p->started) {
        fail_with(conn, "55000", "portal \"%s\" cannot be run again", name);
    } else {
        const cm_session_sink sink = {.arg = conn,
                                      .columns = on_columns,
                                      .row = on_row,
                                      .copy_begin = cm_pg_on_copy_begin,
                                      .copy_data = cm_pg_on_copy_data,
                                      .notice = on_notice,
                                      .setting = on_setting,
                                      .done = on_done,
                                      .failed = on_failed};
        p->started = true;
        conn->busy = true;
        conn->running = p;
        cm_session_execute(conn->session, p->stmt, p->param, p->oid, &sink);
    }
}

bool cm_pg_extended(cm_pg_conn *conn, char type, cm_reader *body)
{
    switch (type) {
    case 'P':
        on_parse(conn, body);
        return true;
    case 'B':
        on_bind(conn, body);
        return true;
    case 'D':
        on_describe(conn, body);
        return true;
    case 'E':
        on_execute(conn, body);
        return true;
    case 'C':
        on_close(conn, body);
        return true;
    case 'F':
        fail_with(conn, CM_SQL_UNSUPPORTED, "function calls are not supported: use SELECT");
        return true;
    default:
        return false;
    }
}
