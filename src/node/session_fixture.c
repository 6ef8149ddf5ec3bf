#include "node/session_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void on_columns(void *arg, const cm_result_col *col, size_t cols)
{
    talk *t = arg;
    t->cols = cols;
    for (size_t i = 0; i < cols; i++) {
        cm_buf_printf(&t->out, "%s%s:%u", i > 0 ? "|" : "", col[i].name, col[i].oid);
    }
    cm_buf_printf(&t->out, "\n");
}

static void on_row(void *arg, const char *const *text)
{
    talk *t = arg;
    for (size_t i = 0; i < t->cols; i++) {
        cm_buf_printf(&t->out, "%s%s", i > 0 ? "|" : "", text[i] != NULL ? text[i] : "NULL");
    }
    cm_buf_printf(&t->out, "\n");
}

static void on_notice(void *arg, const cm_diag *diag)
{
    talk *t = arg;
    cm_buf_printf(&t->out, "NOTICE %s\n", diag->message);
}

static void on_setting(void *arg, const char *name, const char *value)
{
    talk *t = arg;
    cm_buf_printf(&t->out, "SETTING %s=%s\n", name, value);
}

static void on_copy_begin(void *arg, size_t cols)
{
    talk *t = arg;
    cm_buf_printf(&t->out, "COPY of %zu\n", cols);
}

static void on_copy_data(void *arg, const uint8_t *data, size_t bytes)
{
    talk *t = arg;
    cm_buf_put(&t->out, data, bytes);
}

static void on_done(void *arg, const char *tag)
{
    talk *t = arg;
    cm_buf_printf(&t->out, "%s\n", tag);
    assert_false(t->over);
    t->over = true;
}

static void on_failed(void *arg, const cm_diag *diag)
{
    talk *t = arg;
    cm_buf_printf(&t->out, "ERROR %s %s\n", diag->sqlstate, diag->message);
    assert_false(t->over);
    t->over = true;
}

talk *talk_new(world *w, int i, const char *role)
{
    talk *t = calloc(1, sizeof *t);
    cm_diag diag = {0};
    assert_non_null(t);
    t->w = w;
    assert_int_equal(cm_arena_init(&t->arena, (size_t)1 << 30), CM_OK);
    assert_int_equal(cm_session_new(w->node[i], role, &t->session, &diag), CM_OK);
    return t;
}

void talk_free(talk *t)
{
    cm_session_free(t->session);
    cm_arena_fini(&t->arena);
    cm_buf_free(&t->out);
    free(t);
}

static void execute(talk *t, const cm_stmt *stmt, const char *const *params, const uint32_t *oids)
{
    const cm_session_sink sink = {.arg = t,
                                  .columns = on_columns,
                                  .row = on_row,
                                  .copy_begin = on_copy_begin,
                                  .copy_data = on_copy_data,
                                  .notice = on_notice,
                                  .setting = on_setting,
                                  .done = on_done,
                                  .failed = on_failed};
    t->over = false;
    cm_session_execute(t->session, stmt, params, oids, &sink);
}

static cm_stmts parse(talk *t, const char *sql)
{
    cm_stmts stmts = {0};
    cm_diag diag = {0};
    cm_arena_reset(&t->arena);
    cm_buf_clear(&t->out);
    if (cm_sql_parse(sql, &t->arena, &stmts, &diag) != CM_OK) {
        cm_buf_printf(&t->out, "ERROR %s %s\n", diag.sqlstate, diag.message);
        stmts.count = 0;
    }
    return stmts;
}

const char *heard(talk *t)
{
    if (!t->over) {
        run_until(t->w, is_set, &t->over);
    }
    return cm_buf_text(&t->out);
}

const char *say(talk *t, const char *sql)
{
    const cm_stmts stmts = parse(t, sql);
    for (size_t i = 0; i < stmts.count; i++) {
        execute(t, &stmts.stmt[i], NULL, NULL);
        (void)heard(t);
        if (stmts.stmt[i].password != NULL) {
            snprintf(t->wipe_check, sizeof t->wipe_check, "%s%s", stmts.stmt[i].password,
                     stmts.stmt[i].sql);
        }
    }
    return cm_buf_text(&t->out);
}

void say_only(talk *t, const char *sql)
{
    const cm_stmts stmts = parse(t, sql);
    assert_int_equal(stmts.count, 1);
    execute(t, stmts.stmt, NULL, NULL);
}

const char *say_with(talk *t, const char *sql, const char *const *params)
{
    const cm_result_col *col = NULL;
    uint32_t oids[16] = {0};
    size_t cols = 0;
    cm_diag diag = {0};
    const cm_stmts stmts = parse(t, sql);
    assert_int_equal(stmts.count, 1);
    if (cm_session_describe(t->session, stmts.stmt, oids, &t->arena, &col, &cols, &diag) != CM_OK) {
        cm_buf_printf(&t->out, "ERROR %s %s\n", diag.sqlstate, diag.message);
        return cm_buf_text(&t->out);
    }
    cm_buf_printf(&t->out, "(");
    for (int i = 0; i < stmts.stmt->params; i++) {
        cm_buf_printf(&t->out, "%s%u", i > 0 ? "," : "", oids[i]);
    }
    cm_buf_printf(&t->out, ") ");
    for (size_t i = 0; i < cols; i++) {
        cm_buf_printf(&t->out, "%s%s:%u", i > 0 ? "|" : "", col[i].name, col[i].oid);
    }
    cm_buf_printf(&t->out, "\n");
    execute(t, stmts.stmt, params, oids);
    return heard(t);
}

void expect_said(const char *got, const char *expected)
{
    const char *g = got, *e = expected;
    while (*e != '\0') {
        size_t got_bytes = strcspn(g, "\n"), expected_bytes = strcspn(e, "\n");
        bool open = expected_bytes >= 3 && strncmp(e + expected_bytes - 3, "...", 3) == 0;
        size_t compare = open ? expected_bytes - 3 : expected_bytes;
        if (strncmp(g, e, compare) != 0 || (!open && got_bytes != expected_bytes) || *g == '\0') {
            fail_msg("said\n%s\nexpected\n%s", got, expected);
        }
        g += got_bytes + (g[got_bytes] == '\n');
        e += expected_bytes + (e[expected_bytes] == '\n');
    }
    if (*g != '\0') {
        fail_msg("said\n%s\nexpected\n%s", got, expected);
    }
}
