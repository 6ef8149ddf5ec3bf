/*
 * SELECT and EXPLAIN over the federation.  A SELECT becomes a job; its events come on the loop and
 * end the statement.  An own table is a member's table like any other: the same labels, grants and
 * audit entries count for it.
 */
#include "node/session_int.h"

#include <stdio.h>
#include <string.h>

enum { OID_UNKNOWN = 705, OID_TEXT = 25, OID_JSON = 114 };

cm_result_col cm_result_col_of(const char *name, const cm_type *type)
{
    uint32_t oid = cm_type_oid(type);
    cm_result_col col = {.name = name,
                         .oid = oid == OID_UNKNOWN ? OID_TEXT : oid,
                         .len = oid == OID_UNKNOWN ? -1 : cm_type_len(type),
                         .mod = cm_type_mod(type)};
    return col;
}

/* Positions in a part of the client's text become positions in the whole. */
static void shift_position(cm_diag *diag, int offset)
{
    if (diag->position > 0) {
        diag->position += offset;
    }
}

/* ---- the answer --------------------------------------------------------------------------- */

static void send_columns(cm_session *s, const cm_plan *plan)
{
    cm_result_col *col = CM_NEW_SMALL(&s->arena, cm_result_col, plan->outputs + 1);
    for (size_t i = 0; i < plan->outputs; i++) {
        col[i] = cm_result_col_of(plan->output_name[i], &plan->root->col[plan->output[i]].type);
    }
    s->sink.columns(s->sink.arg, col, plan->outputs);
}

static void on_row(void *arg, const char *const *text)
{
    cm_session *s = arg;
    if (!s->explaining) {
        if (s->rows == 0) {
            send_columns(s, cm_job_plan(s->job));
        }
        s->sink.row(s->sink.arg, text);
    }
    s->rows++;
}

static void print_bytes(uint64_t bytes, char ret[static 32])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1000 && unit + 1 < CM_COUNT(units)) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(ret, 32, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
}

static void tell_timing(cm_session *s, const cm_job_stats *stats)
{
    char bytes[32];
    if (strcmp(cm_session_setting(s, "comity.timing", &s->arena), "on") == 0) {
        print_bytes(stats->bytes, bytes);
        cm_session_notice(s, "00000", "%.3f s, %s between nodes, %llu rounds", stats->seconds,
                          bytes, (unsigned long long)stats->rounds);
    }
}

cm_result_col cm_session_plan_column(const cm_explain *explain)
{
    return (cm_result_col){
        .name = "QUERY PLAN", .oid = explain->json ? OID_JSON : OID_TEXT, .len = -1, .mod = -1};
}

/* One row per line; a JSON document is one row. */
static void send_explain(cm_session *s, cm_buf *text)
{
    const cm_result_col col = cm_session_plan_column(&s->explain);
    char *line = cm_arena_strdup(&s->arena, cm_buf_text(text));
    size_t bytes = strlen(line);
    while (bytes > 0 && line[bytes - 1] == '\n') {
        line[--bytes] = '\0';
    }
    s->sink.columns(s->sink.arg, &col, 1);
    while (line != NULL) {
        char *end = s->explain.json ? NULL : strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        const char *row = line;
        s->sink.row(s->sink.arg, &row);
        line = end != NULL ? end + 1 : NULL;
    }
}

static void explain_measured(cm_session *s, const cm_plan *plan, const cm_job_stats *stats)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    char bytes[32];
    const cm_measured *measured = stats->nodes == plan->nodes ? stats->measured : NULL;
    cm_explain_print(plan, &s->explain, measured, &text);
    if (!s->explain.json) {
        print_bytes(stats->bytes, bytes);
        cm_buf_printf(&text, "%sMeasured: %.3f s, %s between nodes, %llu rounds, %llu rows\n",
                      text.bytes > 0 && text.data[text.bytes - 1] != '\n' ? "\n" : "",
                      stats->seconds, bytes, (unsigned long long)stats->rounds,
                      (unsigned long long)s->rows);
    }
    send_explain(s, &text);
}

const char *cm_session_finish(cm_session *s, const cm_plan *plan, const cm_job_stats *stats)
{
    if (s->explaining) {
        explain_measured(s, plan, stats);
        return "EXPLAIN";
    }
    if (s->rows == 0) {
        send_columns(s, plan);
    }
    return cm_arena_printf(&s->arena, "SELECT %llu", (unsigned long long)s->rows);
}

void cm_session_answer(cm_session *s, const cm_plan *plan, const cm_exec_result *result)
{
    const char **row = CM_NEW_SMALL(&s->arena, const char *, result->cols + 1);

    if (s->rows == 0 && result->rows > 0 && !s->explaining) {
        send_columns(s, plan);
    }
    for (size_t r = 0; r < result->rows; r++) {
        cm_arena scratch = s->arena;
        cm_buf text = {0};
        for (size_t c = 0; c < result->cols; c++) {
            const cm_value *value = &result->value[r * result->cols + c];
            cm_buf_clear(&text);
            if (!value->null) {
                cm_value_print(&plan->root->col[plan->output[c]].type, value, &text);
            }
            row[c] = value->null ? NULL : cm_arena_strdup(&scratch, cm_buf_text(&text));
        }
        cm_buf_free(&text);
        if (!s->explaining) {
            s->sink.row(s->sink.arg, row);
        }
        s->rows++;
    }
}

static void on_done(void *arg, const cm_job_stats *stats)
{
    cm_session *s = arg;
    const char *tag = cm_session_finish(s, cm_job_plan(s->job), stats);
    tell_timing(s, stats);
    s->job = NULL;
    cm_session_done(s, tag);
}

static void on_failed(void *arg, const cm_diag *diag)
{
    cm_session *s = arg;
    s->job = NULL;
    cm_session_fail(s, diag);
}

/* ---- starting ----------------------------------------------------------------------------- */

static cm_status start(cm_session *s, const cm_stmt *stmt, const char *const *params, cm_diag *diag)
{
    cm_job_request request = {.role = s->role,
                              .params = (size_t)stmt->params,
                              .param = params,
                              .settings = cm_session_plan_settings(s),
                              .deadline_ms = cm_session_deadline_ms(s)};
    const cm_job_events events = {.arg = s, .row = on_row, .done = on_done, .failed = on_failed};
    cm_status st = cm_session_require(s, CM_RIGHT_ANALYST, "query the federation", diag);
    if (st == CM_OK) {
        st = cm_view_expand(s, stmt, stmt->query, &s->arena, &request.sql, diag);
    }
    return st == CM_OK ? cm_job_start(s->node, &request, &events, &s->job, diag) : st;
}

static cm_status start_any(cm_session *s, const cm_stmt *stmt, const char *const *params,
                           cm_diag *diag)
{
    return stmt->reads == CM_STMT_PLAIN_SELECT ? cm_session_plain(s, stmt, params, diag)
                                               : start(s, stmt, params, diag);
}

void cm_session_select(cm_session *s, const cm_stmt *stmt, const char *const *params)
{
    cm_diag diag = {0};
    if (start_any(s, stmt, params, &diag) != CM_OK) {
        s->job = NULL;
        shift_position(&diag, stmt->offset);
        cm_session_fail(s, &diag);
    }
}

static cm_status explain_only(cm_session *s, const cm_stmt *stmt, const char *const *params,
                              cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    const cm_query *query = NULL;
    const cm_plan *plan = NULL;
    cm_plan_settings settings = cm_session_plan_settings(s);
    const cm_schema *schema = NULL;
    const char *sql = NULL;
    cm_status st = stmt->reads == CM_STMT_PLAIN_SELECT
                       ? CM_OK
                       : cm_session_require(s, CM_RIGHT_ANALYST, "query the federation", diag);
    if (st == CM_OK) {
        st = stmt->explain.matview ? cm_matview_statement(s, stmt, &sql, diag)
                                   : cm_view_expand(s, stmt, stmt->query, &s->arena, &sql, diag);
    }
    if (st == CM_OK) {
        st = cm_session_schema(s, stmt, &s->arena, &schema, diag);
    }
    if (st == CM_OK) {
        /* Nothing of the snapshot outlives this call. */
        st = cm_sql_prepare(sql, schema, cm_node_org(s->node), params, (size_t)stmt->params,
                            &settings, &s->arena, &query, &plan, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_explain_print(plan, &stmt->explain, NULL, &text);
    send_explain(s, &text);
    return CM_OK;
}

void cm_session_explain(cm_session *s, const cm_stmt *stmt, const char *const *params)
{
    cm_diag diag = {0};
    cm_status st;
    s->explain = stmt->explain;
    if (stmt->explain.analyze) {
        s->explaining = true;
        st = start_any(s, stmt, params, &diag);
        if (st == CM_OK) {
            return;
        }
        s->job = NULL;
    } else {
        st = explain_only(s, stmt, params, &diag);
    }
    if (stmt->explain.matview) {
        diag.position = 0; /* of another text */
    }
    shift_position(&diag, stmt->query_offset);
    cm_session_end(s, st, "EXPLAIN", &diag);
}

/* ---- describing --------------------------------------------------------------------------- */

cm_status cm_session_describe_select(cm_session *s, const cm_stmt *stmt, uint32_t *oids,
                                     cm_arena *arena, const cm_result_col **ret_col,
                                     size_t *ret_cols, cm_diag *diag)
{
    const cm_query *query = NULL;
    cm_type *types = CM_NEW_SMALL(arena, cm_type, (size_t)stmt->params + 1);
    const cm_schema *schema = NULL;
    const char *sql = NULL;
    const cm_stmt *whole = NULL;
    cm_status st = cm_view_expand(s, stmt, stmt->query, arena, &sql, diag);
    if (st == CM_OK) {
        st = cm_sql_parse_query(sql, arena, &whole, diag);
    }
    if (st == CM_OK) {
        st = cm_session_schema(s, stmt, arena, &schema, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(whole != NULL);
    st = cm_sql_bind(whole->select, schema, cm_node_org(s->node), types, NULL, stmt->params, 0,
                     arena, &query, diag);
    if (st != CM_OK) {
        cm_sql_query_position(whole, diag);
        shift_position(diag, stmt->query_offset);
        return st;
    }
    cm_result_col *col = CM_NEW_SMALL(arena, cm_result_col, query->targets + 1);
    size_t cols = 0;
    for (size_t i = 0; i < query->targets; i++) {
        if (!query->target[i].hidden) {
            /* The name may be the schema's, which the answer outlives. */
            col[cols++] = cm_result_col_of(cm_arena_strdup(arena, query->target[i].name),
                                           &query->target[i].expr->type);
        }
    }
    for (int i = 0; i < stmt->params; i++) {
        uint32_t oid = cm_type_oid(&types[i]);
        if (oids[i] == 0) {
            oids[i] = oid == OID_UNKNOWN ? OID_TEXT : oid;
        }
    }
    *ret_col = col;
    *ret_cols = cols;
    return CM_OK;
}
