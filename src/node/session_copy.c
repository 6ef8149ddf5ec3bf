/* COPY (SELECT ...) TO STDOUT: the rows of a query as lines of text or CSV. */
#include "node/session_int.h"

#include <string.h>

/* ---- one line ------------------------------------------------------------------------------ */

/* Backslash sequences of what would be read as something else. */
static void put_escaped(cm_buf *out, const char *text, char delimiter)
{
    static const char special[] = "\b\f\n\r\t\v\\", letter[] = "bfnrtv\\";
    for (const char *at = text; *at != '\0'; at++) {
        const char *found = strchr(special, *at);
        if (found != NULL || *at == delimiter) {
            const char pair[2] = {'\\', found != NULL ? letter[found - special] : *at};
            cm_buf_put(out, pair, sizeof pair);
        } else {
            cm_buf_put(out, at, 1);
        }
    }
}

static bool needs_quotes(const cm_stmt *stmt, const char *text, size_t cols)
{
    const char sharp[] = {stmt->copy.delimiter, stmt->copy.quote, '\r', '\n', '\0'};
    return stmt->copy.quote_all || strpbrk(text, sharp) != NULL ||
           strcmp(text, stmt->copy.null) == 0 || (cols == 1 && strcmp(text, "\\.") == 0);
}

static void put_csv(cm_buf *out, const cm_stmt *stmt, const char *text, size_t cols)
{
    if (!needs_quotes(stmt, text, cols)) {
        cm_buf_put(out, text, strlen(text));
        return;
    }
    cm_buf_put(out, &stmt->copy.quote, 1);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == stmt->copy.quote || *at == stmt->copy.escape) {
            cm_buf_put(out, &stmt->copy.escape, 1);
        }
        cm_buf_put(out, at, 1);
    }
    cm_buf_put(out, &stmt->copy.quote, 1);
}

static void send_line(cm_session *s, const char *const *text)
{
    const cm_stmt *stmt = s->copying;
    CM_CLEANUP(cm_buf_free) cm_buf line = {0};
    for (size_t i = 0; i < s->copy_cols; i++) {
        if (i > 0) {
            cm_buf_put(&line, &stmt->copy.delimiter, 1);
        }
        if (text[i] == NULL) {
            cm_buf_printf(&line, "%s", stmt->copy.null);
        } else if (stmt->copy.csv) {
            put_csv(&line, stmt, text[i], s->copy_cols);
        } else {
            put_escaped(&line, text[i], stmt->copy.delimiter);
        }
    }
    cm_buf_put(&line, "\n", 1);
    CM_ASSERT(!line.failed); /* an answer's row fits memory twice */
    s->outer.copy_data(s->outer.arg, line.data, line.bytes);
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void on_columns(void *arg, const cm_result_col *col, size_t cols)
{
    cm_session *s = arg;
    s->copy_cols = cols;
    s->outer.copy_begin(s->outer.arg, cols);
    if (s->copying->copy.header) {
        const char **name = CM_NEW_SMALL(&s->arena, const char *, cols + 1);
        for (size_t i = 0; i < cols; i++) {
            name[i] = col[i].name;
        }
        send_line(s, name);
    }
}

static void on_row(void *arg, const char *const *text)
{
    send_line(arg, text);
}

static void on_done(void *arg, const char *tag)
{
    cm_session *s = arg;
    const cm_session_sink outer = s->outer;
    (void)tag;
    outer.done(outer.arg, cm_arena_printf(&s->arena, "COPY %llu", (unsigned long long)s->rows));
}

static void on_failed(void *arg, const cm_diag *diag)
{
    const cm_session *s = arg;
    s->outer.failed(s->outer.arg, diag);
}

void cm_session_copy(cm_session *s, const cm_stmt *stmt, const char *const *params)
{
    cm_diag diag = {0};
    const cm_stmt *query = NULL;
    if (cm_session_query_of(s, stmt, &query, &diag) != CM_OK) {
        cm_session_fail(s, &diag);
        return;
    }
    cm_stmt *copy = CM_NEW_SMALL(&s->arena, cm_stmt, 1); /* the client's may be gone by then */
    copy->copy = stmt->copy;
    copy->copy.null = cm_arena_strdup(&s->arena, stmt->copy.null);
    s->copying = copy;
    cm_session_divert(
        s, (cm_session_sink){
               .columns = on_columns, .row = on_row, .done = on_done, .failed = on_failed});
    cm_session_run_select(s, query, params);
}
