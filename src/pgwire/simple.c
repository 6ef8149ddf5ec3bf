/* Simple query: the statements of one text, one after the other, until one fails. */
#include "pgwire/conn_int.h"

static void drive(cm_pg_conn *conn);

void cm_pg_put_data_row(cm_buf *out, const char *const *text, size_t cols)
{
    size_t mark = cm_pg_begin(out, 'D');
    cm_buf_put_u16(out, (uint16_t)cols);
    for (size_t i = 0; i < cols; i++) {
        cm_buf_put_text(out, text[i]); /* NULL: length -1 */
    }
    cm_pg_end(out, mark);
}

static void on_columns(void *arg, const cm_result_col *col, size_t cols)
{
    cm_pg_conn *conn = arg;
    conn->fetch = (uint32_t)cols; /* width of the rows that follow */
    cm_pg_put_row_description(&conn->out, col, cols, NULL);
}

static void on_row(void *arg, const char *const *text)
{
    cm_pg_conn *conn = arg;
    cm_pg_put_data_row(&conn->out, text, conn->fetch);
    if (conn->out.bytes > 65536) {
        cm_pg_flush(conn);
    }
}

void cm_pg_on_copy_begin(void *arg, size_t cols)
{
    cm_pg_conn *conn = arg;
    size_t mark = cm_pg_begin(&conn->out, 'H');
    cm_buf_put_u8(&conn->out, 0); /* as text */
    cm_buf_put_u16(&conn->out, (uint16_t)cols);
    for (size_t i = 0; i < cols; i++) {
        cm_buf_put_u16(&conn->out, 0);
    }
    cm_pg_end(&conn->out, mark);
    conn->copying = true;
}

void cm_pg_on_copy_data(void *arg, const uint8_t *data, size_t bytes)
{
    cm_pg_conn *conn = arg;
    size_t mark = cm_pg_begin(&conn->out, 'd');
    cm_buf_put(&conn->out, data, bytes);
    cm_pg_end(&conn->out, mark);
    if (conn->out.bytes > 65536) {
        cm_pg_flush(conn);
    }
}

void cm_pg_end_copy(cm_pg_conn *conn)
{
    if (conn->copying) {
        cm_pg_put_empty(&conn->out, 'c');
        conn->copying = false;
    }
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

static void on_done(void *arg, const char *tag)
{
    cm_pg_conn *conn = arg;
    conn->busy = false;
    cm_pg_end_copy(conn);
    cm_pg_put_command_complete(&conn->out, tag);
    drive(conn);
}

static void on_failed(void *arg, const cm_diag *diag)
{
    cm_pg_conn *conn = arg;
    conn->busy = false;
    conn->copying = false;
    cm_pg_put_diag(&conn->out, CM_PG_ERROR, diag);
    cm_pg_simple_end(conn);
}

void cm_pg_simple_end(cm_pg_conn *conn)
{
    conn->in_query = false;
    conn->query = (cm_stmts){0};
    cm_pg_ready(conn);
    cm_pg_continue(conn);
}

static void run_next(cm_pg_conn *conn)
{
    const cm_session_sink sink = {.arg = conn,
                                  .columns = on_columns,
                                  .row = on_row,
                                  .copy_begin = cm_pg_on_copy_begin,
                                  .copy_data = cm_pg_on_copy_data,
                                  .notice = on_notice,
                                  .setting = on_setting,
                                  .done = on_done,
                                  .failed = on_failed};
    const cm_stmt *stmt = &conn->query.stmt[conn->query_next++];
    conn->busy = true;
    if (stmt->params > 0 && stmt->kind != CM_STMT_PREPARE) {
        cm_diag diag = {0};
        cm_status st = cm_fail(&diag, CM_EINVAL, "42P02", "there is no parameter $1");
        CM_ASSERT(st == CM_EINVAL);
        on_failed(conn, &diag);
        return;
    }
    cm_session_execute(conn->session, stmt, NULL, NULL, &sink);
}

/* A loop, so that a text of very many statements that end at once does not grow the stack. */
static void drive(cm_pg_conn *conn)
{
    if (conn->driving) {
        return;
    }
    conn->driving = true;
    while (conn->in_query && !conn->busy && conn->query_next < conn->query.count) {
        run_next(conn);
    }
    conn->driving = false;
    if (conn->in_query && !conn->busy) {
        cm_pg_simple_end(conn);
    }
}

void cm_pg_simple_query(cm_pg_conn *conn, const char *sql)
{
    cm_diag diag = {0};
    cm_arena_reset(&conn->query_arena);
    conn->query_next = 0;
    conn->in_query = true;
    if (cm_sql_parse(sql, &conn->query_arena, &conn->query, &diag) != CM_OK) {
        cm_pg_put_diag(&conn->out, CM_PG_ERROR, &diag);
        cm_pg_simple_end(conn);
    } else if (conn->query.count == 0) {
        cm_pg_put_empty(&conn->out, 'I');
        cm_pg_simple_end(conn);
    } else {
        drive(conn);
    }
}
