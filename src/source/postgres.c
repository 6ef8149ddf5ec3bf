#include "source/postgres.h"

#include "source/source_int.h"

#include "base/clock.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 2000, MAX_PARAMS = 4 };

struct cm_pg {
    PGconn *conn;
    int timeout_ms;
    bool dead;
};

cm_status cm_postgres_check_conninfo(const char *conninfo, cm_diag *diag)
{
    char *ignored = NULL; /* may quote a password */
    PQconninfoOption *options = PQconninfoParse(conninfo, &ignored);
    PQfreemem(ignored);
    if (options == NULL) {
        cm_status st = cm_fail(diag, CM_EINVAL, "HV024", "invalid value for option \"conninfo\"");
        cm_diag_hint(diag, "For example: host=localhost dbname=claims user=comity");
        return st;
    }
    PQconninfoFree(options);
    return CM_OK;
}

/* The last line break of libpq's messages has no place in ours. */
CM_MUST static cm_status fail_connection(cm_pg *pg, const char *what, cm_diag *diag)
{
    char text[256];
    snprintf(text, sizeof text, "%s", PQerrorMessage(pg->conn));
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\n' ? ' ' : *c;
    }
    pg->dead = true;
    return cm_fail(diag, CM_EIO, CM_SQL_CONNECTION_FAILURE, "%s the PostgreSQL source: %s", what,
                   text);
}

/* Waits until the socket can be read (or written), or fails. */
CM_MUST static cm_status wait_socket(cm_pg *pg, short events, int64_t deadline_ms, cm_diag *diag)
{
    struct pollfd socket = {.fd = PQsocket(pg->conn), .events = events};
    for (;;) {
        int left_ms = cm_clock_left_ms(deadline_ms);
        int ready = socket.fd < 0 || left_ms == 0 ? 0 : poll(&socket, 1, left_ms);
        if (ready > 0) {
            return CM_OK;
        }
        if (ready == 0 || errno != EINTR) {
            pg->dead = true;
            return cm_fail(diag, CM_EIO, CM_SQL_CONNECTION_FAILURE,
                           "the PostgreSQL source did not answer within %d ms", pg->timeout_ms);
        }
    }
}

CM_MUST static cm_status finish_connecting(cm_pg *pg, cm_diag *diag)
{
    int64_t deadline_ms = cm_clock_ms() + pg->timeout_ms;
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
        if (next == PGRES_POLLING_FAILED || PQstatus(pg->conn) == CONNECTION_BAD) {
            return fail_connection(pg, "cannot connect to", diag);
        }
        short events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        cm_status st = wait_socket(pg, events, deadline_ms, diag);
        if (st != CM_OK) {
            return st;
        }
        next = PQconnectPoll(pg->conn);
    }
    return CM_OK;
}

/* libpq prints notices, which may quote rows, unless it is told not to. */
static void drop_notice(CM_UNUSED void *arg, CM_UNUSED const PGresult *result)
{
}

/* Settings that the meaning of a text depends on, and limits; then the one transaction. */
CM_MUST static cm_status start_session(cm_pg *pg, cm_diag *diag)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "SET statement_timeout = %d; SET lock_timeout = %d; SET timezone = 'UTC'; "
             "SET datestyle = 'ISO, YMD'; SET standard_conforming_strings = on; "
             "SET extra_float_digits = 1; SET synchronize_seqscans = off; %s",
             pg->timeout_ms, pg->timeout_ms,
             /* A backend whose client died stops soon. */
             PQserverVersion(pg->conn) >= 140000 ? "SET client_connection_check_interval = 2000"
                                                 : "");
    cm_status st = cm_pg_query(pg, sql, NULL, 0, 0, NULL, NULL, diag);
    return st != CM_OK ? st
                       : cm_pg_query(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, 0,
                                     0, NULL, NULL, diag);
}

cm_status cm_pg_connect(const char *conninfo, int timeout_ms, cm_pg **ret, cm_diag *diag)
{
    const char *const keywords[] = {"dbname", "client_encoding", "fallback_application_name", NULL};
    const char *const values[] = {conninfo, "UTF8", "comity", NULL};
    cm_pg *pg = calloc(1, sizeof *pg);
    if (pg != NULL) {
        pg->timeout_ms = timeout_ms;
        pg->conn = PQconnectStartParams(keywords, values, 1);
    }
    if (pg == NULL || pg->conn == NULL) {
        free(pg);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    PQsetNoticeReceiver(pg->conn, drop_notice, NULL);
    cm_status st = finish_connecting(pg, diag);
    if (st == CM_OK && PQsetnonblocking(pg->conn, 1) != 0) {
        st = fail_connection(pg, "cannot use", diag);
    }
    if (st == CM_OK) {
        st = start_session(pg, diag);
    }
    if (st != CM_OK) {
        cm_pg_free(pg);
        return st;
    }
    *ret = pg;
    return CM_OK;
}

void cm_pg_free(cm_pg *pg)
{
    if (pg != NULL) {
        PQfinish(pg->conn);
        free(pg);
    }
}

/* Classes whose messages are about names, limits and connections, not about values. */
static bool class_shown(const char *sqlstate)
{
    static const char *const classes[] = {"08", "0A", "25", "28", "3D", "3F", "40",
                                          "42", "53", "54", "55", "57", "58", "XX"};
    for (size_t i = 0; i < CM_COUNT(classes); i++) {
        if (strncmp(sqlstate, classes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

/* "division by zero" may be shown; whatever has a digit or a quote may be a value. */
static bool message_plain(const char *message)
{
    return strpbrk(message, "0123456789\"'`(=") == NULL && strlen(message) < 100;
}

CM_MUST static cm_status fail_result(cm_pg *pg, const PGresult *result, cm_diag *diag)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    pg->dead = true;
    if (sqlstate == NULL || strlen(sqlstate) != 5 || message == NULL) {
        return fail_connection(pg, "lost", diag);
    }
    bool shown =
        class_shown(sqlstate) || (strncmp(sqlstate, "22", 2) == 0 && message_plain(message));
    cm_status st = strcmp(sqlstate, CM_SQL_CANCELLED) == 0 ? CM_ECANCELLED
                   : strcmp(sqlstate, CM_SQL_RANGE) == 0   ? CM_ERANGE
                   : strncmp(sqlstate, "08", 2) == 0       ? CM_EIO
                                                           : CM_EINVAL;
    return cm_fail(diag, st, sqlstate, "PostgreSQL source: %s",
                   shown ? message : "a value of the data was refused");
}

CM_MUST static cm_status send(cm_pg *pg, const char *sql, const char *const *params,
                              size_t param_count, int64_t deadline_ms, cm_diag *diag)
{
    /* Without parameters the simple protocol, which also takes several statements. */
    int sent = param_count == 0 ? PQsendQuery(pg->conn, sql)
                                : PQsendQueryParams(pg->conn, sql, (int)param_count, NULL, params,
                                                    NULL, NULL, 0);
    if (sent != 1 || PQsetSingleRowMode(pg->conn) != 1) {
        return fail_connection(pg, "cannot use", diag);
    }
    for (;;) {
        int left = PQflush(pg->conn);
        if (left == 0) {
            return CM_OK;
        }
        if (left < 0) {
            return fail_connection(pg, "lost", diag);
        }
        cm_status st = wait_socket(pg, POLLIN | POLLOUT, deadline_ms, diag);
        if (st != CM_OK) {
            return st;
        }
        if (PQconsumeInput(pg->conn) != 1) {
            return fail_connection(pg, "lost", diag);
        }
    }
}

/* The next result without blocking in libpq; NULL at the end. */
CM_MUST static cm_status receive(cm_pg *pg, PGresult **ret, cm_diag *diag)
{
    int64_t deadline_ms = cm_clock_ms() + pg->timeout_ms + GRACE_MS;
    while (PQisBusy(pg->conn)) {
        cm_status st = wait_socket(pg, POLLIN, deadline_ms, diag);
        if (st != CM_OK) {
            return st;
        }
        if (PQconsumeInput(pg->conn) != 1) {
            return fail_connection(pg, "lost", diag);
        }
    }
    *ret = PQgetResult(pg->conn);
    return CM_OK;
}

CM_MUST static cm_status hand_over(cm_pg *pg, const PGresult *result, size_t cols,
                                   const char **text, cm_pg_row_fn fn, void *arg, cm_diag *diag)
{
    CM_ASSERT((size_t)PQnfields(result) == cols);
    for (int row = 0; row < PQntuples(result); row++) {
        for (size_t i = 0; i < cols; i++) {
            text[i] = PQgetisnull(result, row, (int)i) ? NULL : PQgetvalue(result, row, (int)i);
        }
        cm_status st = fn(arg, text, diag);
        if (st != CM_OK) {
            pg->dead = true;
            return st;
        }
    }
    return CM_OK;
}

CM_MUST static cm_status take_results(cm_pg *pg, size_t cols, const char **text, cm_pg_row_fn fn,
                                      void *arg, cm_diag *diag)
{
    for (;;) {
        PGresult *result = NULL;
        cm_status st = receive(pg, &result, diag);
        if (st != CM_OK || result == NULL) {
            return st;
        }
        ExecStatusType kind = PQresultStatus(result);
        if (kind == PGRES_SINGLE_TUPLE || kind == PGRES_TUPLES_OK) {
            st = fn == NULL ? CM_OK : hand_over(pg, result, cols, text, fn, arg, diag);
        } else if (kind != PGRES_COMMAND_OK) {
            st = fail_result(pg, result, diag);
        }
        PQclear(result);
        if (st != CM_OK) {
            return st;
        }
    }
}

cm_status cm_pg_query(cm_pg *pg, const char *sql, const char *const *params, size_t param_count,
                      size_t cols, cm_pg_row_fn fn, void *arg, cm_diag *diag)
{
    CM_ASSERT(param_count <= MAX_PARAMS);
    if (pg->dead) {
        return cm_fail(diag, CM_EDEAD, CM_SQL_CONNECTION_FAILURE,
                       "the connection to the PostgreSQL source failed before");
    }
    const char **text = calloc(cols + 1, sizeof *text);
    if (text == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    int64_t deadline_ms = cm_clock_ms() + pg->timeout_ms + GRACE_MS;
    cm_status st = send(pg, sql, params, param_count, deadline_ms, diag);
    if (st == CM_OK) {
        st = take_results(pg, cols, text, fn, arg, diag);
    }
    free(text);
    if (pg->dead && pg->conn != NULL) {
        PQfinish(pg->conn); /* also ends a statement that is still running, at its next row */
        pg->conn = NULL;
    }
    return st;
}
