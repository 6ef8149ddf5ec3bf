/* Startup, authentication, and which message goes where. */
#include "pgwire/conn_int.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crypto/crypto.h"

enum {
    PROTOCOL_3 = 196608,
    SSL_REQUEST = 80877103,
    GSS_REQUEST = 80877104,
    CANCEL_REQUEST = 80877102,
    STARTUP_MAX = 10000,
    UNAUTHENTICATED_MAX = 4096,
    MESSAGE_MAX = 16 << 20,
    AUTH_SASL = 10,
    AUTH_SASL_CONTINUE = 11,
    AUTH_SASL_FINAL = 12,
};

cm_status cm_pg_conn_new(cm_node *node, const cm_pg_io *io, uint32_t pid, uint32_t secret,
                         bool offer_tls, bool need_tls, cm_pg_conn **ret)
{
    cm_pg_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL || cm_arena_init(&conn->query_arena, (size_t)1 << 30) != CM_OK) {
        free(conn);
        return CM_ENOMEM;
    }
    conn->node = node;
    conn->io = *io;
    conn->pid = pid;
    conn->secret = secret;
    conn->offer_tls = offer_tls;
    conn->need_tls = need_tls;
    *ret = conn;
    return CM_OK;
}

void cm_pg_conn_free(cm_pg_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    CM_ASSERT(!conn->feeding);
    cm_session_free(conn->session);
    cm_pg_extended_end(conn);
    cm_scram_fini(&conn->scram);
    cm_buf_wipe_free(&conn->in);
    cm_buf_wipe_free(&conn->out);
    cm_arena_fini(&conn->query_arena);
    free(conn);
}

size_t cm_pg_conn_waiting(const cm_pg_conn *conn)
{
    return conn->in.bytes;
}

bool cm_pg_conn_authenticated(const cm_pg_conn *conn)
{
    return conn->phase == CM_PG_READY;
}

void cm_pg_conn_cancel(cm_pg_conn *conn, uint32_t secret)
{
    if (conn->busy && conn->session != NULL &&
        cm_ct_equal(&secret, &conn->secret, sizeof secret) == 1) {
        cm_session_cancel(conn->session);
    }
}

void cm_pg_conn_shut(cm_pg_conn *conn, const cm_diag *why)
{
    cm_pg_fatal(conn, why);
}

void cm_pg_flush(cm_pg_conn *conn)
{
    if (conn->phase != CM_PG_CLOSED && conn->out.bytes > 0 && !conn->out.failed) {
        conn->io.send(conn->io.arg, conn->out.data, conn->out.bytes);
    }
    if (conn->out.failed) { /* the client cannot be told more: cut it off */
        conn->phase = CM_PG_CLOSED;
        conn->io.close(conn->io.arg);
    }
    cm_buf_clear(&conn->out);
}

void cm_pg_fatal(cm_pg_conn *conn, const cm_diag *diag)
{
    if (conn->phase == CM_PG_CLOSED) {
        return;
    }
    cm_pg_put_diag(&conn->out, CM_PG_FATAL, diag);
    cm_pg_flush(conn);
    if (conn->phase != CM_PG_CLOSED) {
        conn->phase = CM_PG_CLOSED;
        conn->io.close(conn->io.arg);
    }
}

CM_PRINTF(3, 4)
static void fatal(cm_pg_conn *conn, const char *sqlstate, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    cm_diag diag = cm_pg_diag(sqlstate, format, args);
    va_end(args);
    cm_pg_fatal(conn, &diag);
}

void cm_pg_ready(cm_pg_conn *conn)
{
    cm_pg_put_ready(&conn->out, cm_session_transaction_state(conn->session));
    cm_pg_flush(conn);
}

/* ---- startup ------------------------------------------------------------------------------ */

static void ask_for_password(cm_pg_conn *conn)
{
    cm_scram_verifier verifier;
    bool known = cm_node_role_verifier(conn->node, conn->user, &verifier);
    cm_scram_init(&conn->scram, &verifier, known);
    size_t mark = cm_pg_begin(&conn->out, 'R');
    cm_buf_put_u32(&conn->out, AUTH_SASL);
    cm_buf_put_cstr(&conn->out, "SCRAM-SHA-256");
    cm_buf_put_u8(&conn->out, 0);
    cm_pg_end(&conn->out, mark);
    conn->phase = CM_PG_SASL_INITIAL;
    cm_pg_flush(conn);
}

static void read_startup(cm_pg_conn *conn, cm_reader *body)
{
    const char *user = NULL;
    const char *encoding = NULL;
    for (;;) {
        const char *name = cm_reader_cstr(body);
        if (name == NULL || name[0] == '\0') {
            break;
        }
        const char *value = cm_reader_cstr(body);
        if (value == NULL) {
            break;
        }
        user = strcmp(name, "user") == 0 ? value : user;
        encoding = strcmp(name, "client_encoding") == 0 ? value : encoding;
    }
    if (body->failed || user == NULL || user[0] == '\0') {
        fatal(conn, CM_SQL_PROTOCOL, "malformed startup packet");
    } else if (strlen(user) > CM_NAME_MAX_BYTES) {
        fatal(conn, "28000", "the user name is too long");
    } else if (encoding != NULL && strcasecmp(encoding, "utf8") != 0 &&
               strcasecmp(encoding, "utf-8") != 0 && strcasecmp(encoding, "unicode") != 0 &&
               strcasecmp(encoding, "'utf-8'") != 0 && strcasecmp(encoding, "auto") != 0 &&
               strcasecmp(encoding, "sql_ascii") != 0) {
        fatal(conn, "22023", "client_encoding must be UTF8");
    } else if (conn->need_tls && !conn->tls) {
        fatal(conn, "28000",
              "this node takes SQL from other hosts over TLS only (sslmode=require)");
    } else {
        memcpy(conn->user, user, strlen(user) + 1);
        ask_for_password(conn);
    }
}

static void refuse_minor_version(cm_pg_conn *conn)
{
    size_t mark = cm_pg_begin(&conn->out, 'v');
    cm_buf_put_u32(&conn->out, PROTOCOL_3);
    cm_buf_put_u32(&conn->out, 0);
    cm_pg_end(&conn->out, mark);
}

static void startup_packet(cm_pg_conn *conn, const uint8_t *data, size_t bytes)
{
    cm_reader body = cm_reader_of(data, bytes);
    uint32_t code = cm_reader_u32(&body);
    bool more = conn->in.bytes > bytes + 4;
    if (code == SSL_REQUEST || code == GSS_REQUEST) {
        bool yes = code == SSL_REQUEST && conn->offer_tls && !conn->tls;
        if (more) { /* something was smuggled in before encryption (CVE-2021-23222) */
            fatal(conn, CM_SQL_PROTOCOL, "unexpected data after the request for encryption");
            return;
        }
        cm_buf_put_u8(&conn->out, yes ? 'S' : 'N');
        cm_pg_flush(conn);
        if (yes) {
            conn->tls = true;
            conn->io.start_tls(conn->io.arg);
        }
    } else if (code == CANCEL_REQUEST) {
        uint32_t pid = cm_reader_u32(&body);
        uint32_t secret = cm_reader_u32(&body);
        if (cm_reader_done(&body)) {
            conn->io.cancel(conn->io.arg, pid, secret);
        }
        conn->phase = CM_PG_CLOSED;
        conn->io.close(conn->io.arg);
    } else if (code >> 16 == 3) {
        if ((code & 0xffff) != 0) {
            refuse_minor_version(conn);
        }
        read_startup(conn, &body);
    } else {
        fatal(conn, "0A000", "protocol %u.%u is not supported: use 3.0", code >> 16, code & 0xffff);
    }
}

/* ---- authentication ----------------------------------------------------------------------- */

static void put_sasl(cm_pg_conn *conn, uint32_t code, const char *text)
{
    size_t mark = cm_pg_begin(&conn->out, 'R');
    cm_buf_put_u32(&conn->out, code);
    cm_buf_put(&conn->out, text, strlen(text));
    cm_pg_end(&conn->out, mark);
}

/* A message without NUL that fits is copied to text. */
static bool sasl_text(cm_reader *body, size_t bytes, char *text, size_t max)
{
    const uint8_t *data = cm_reader_bytes(body, bytes);
    if (data == NULL || bytes >= max || memchr(data, 0, bytes) != NULL) {
        return false;
    }
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    return true;
}

static void sasl_initial(cm_pg_conn *conn, cm_reader *body)
{
    char message[512];
    const char *mechanism = cm_reader_cstr(body);
    uint32_t bytes = cm_reader_u32(body);
    const char *reply = NULL;
    cm_diag diag = {0};
    if (mechanism == NULL || strcmp(mechanism, "SCRAM-SHA-256") != 0 ||
        bytes != cm_reader_left(body) || !sasl_text(body, bytes, message, sizeof message)) {
        fatal(conn, CM_SQL_PROTOCOL, "malformed SASL message");
    } else if (cm_scram_first(&conn->scram, message, &reply, &diag) != CM_OK) {
        cm_pg_fatal(conn, &diag);
    } else {
        put_sasl(conn, AUTH_SASL_CONTINUE, reply);
        conn->phase = CM_PG_SASL_FINAL;
        cm_pg_flush(conn);
    }
}

static void welcome(cm_pg_conn *conn)
{
    cm_diag diag = {0};
    const cm_option *settings = NULL;
    if (cm_session_new(conn->node, conn->user, &conn->session, &diag) != CM_OK) {
        cm_pg_fatal(conn, &diag);
        return;
    }
    size_t mark = cm_pg_begin(&conn->out, 'R');
    cm_buf_put_u32(&conn->out, 0);
    cm_pg_end(&conn->out, mark);
    size_t count = cm_session_settings(conn->session, &settings);
    for (size_t i = 0; i < count; i++) {
        cm_pg_put_parameter_status(&conn->out, settings[i].name, settings[i].value);
    }
    mark = cm_pg_begin(&conn->out, 'K');
    cm_buf_put_u32(&conn->out, conn->pid);
    cm_buf_put_u32(&conn->out, conn->secret);
    cm_pg_end(&conn->out, mark);
    conn->phase = CM_PG_READY;
    cm_pg_ready(conn);
}

static void sasl_final(cm_pg_conn *conn, cm_reader *body)
{
    char message[512];
    char reply[64];
    cm_diag diag = {0};
    if (!sasl_text(body, cm_reader_left(body), message, sizeof message)) {
        fatal(conn, CM_SQL_PROTOCOL, "malformed SASL message");
        return;
    }
    cm_status st = cm_scram_final(&conn->scram, message, reply, &diag);
    cm_scram_fini(&conn->scram);
    if (st == CM_EDENIED) {
        fatal(conn, "28P01", "password authentication failed for user \"%s\"", conn->user);
    } else if (st != CM_OK) {
        cm_pg_fatal(conn, &diag);
    } else {
        put_sasl(conn, AUTH_SASL_FINAL, reply);
        welcome(conn);
    }
}

/* ---- messages ----------------------------------------------------------------------------- */

static void dispatch_ready(cm_pg_conn *conn, char type, cm_reader *body)
{
    if (type == 'X') {
        conn->phase = CM_PG_CLOSED;
        conn->io.close(conn->io.arg);
    } else if (type == 'S') {
        conn->skipping = false;
        if (cm_session_transaction_state(conn->session) == 'I') {
            cm_pg_drop_portals(conn, NULL);
        }
        cm_pg_ready(conn);
    } else if (conn->skipping) {
        return;
    } else if (type == 'Q') {
        const char *sql = cm_reader_cstr(body);
        if (sql == NULL || !cm_reader_done(body)) {
            fatal(conn, CM_SQL_PROTOCOL, "malformed query message");
        } else {
            cm_pg_simple_query(conn, sql);
        }
    } else if (type == 'H') {
        cm_pg_flush(conn);
    } else if (!cm_pg_extended(conn, type, body)) {
        fatal(conn, CM_SQL_PROTOCOL, "invalid frontend message type %d", type);
    }
}

static void dispatch(cm_pg_conn *conn, char type, const uint8_t *data, size_t bytes)
{
    cm_reader body = cm_reader_of(data, bytes);
    if (conn->phase == CM_PG_READY) {
        dispatch_ready(conn, type, &body);
    } else if (type != 'p') {
        fatal(conn, CM_SQL_PROTOCOL, "expected a password message");
    } else if (conn->phase == CM_PG_SASL_INITIAL) {
        sasl_initial(conn, &body);
    } else {
        sasl_final(conn, &body);
    }
}

/* Takes one whole message out of the input; false when there is none, or none is wanted now. */
static bool next_message(cm_pg_conn *conn)
{
    if (conn->phase == CM_PG_CLOSED || conn->busy) {
        return false;
    }
    bool startup = conn->phase == CM_PG_STARTUP;
    size_t head = startup ? 4 : 5;
    if (conn->in.bytes < head) {
        return false;
    }
    cm_reader in = cm_reader_of(conn->in.data, conn->in.bytes);
    char type = startup ? '\0' : (char)cm_reader_u8(&in);
    size_t bytes = cm_reader_u32(&in);
    size_t most = startup                      ? STARTUP_MAX
                  : conn->phase == CM_PG_READY ? MESSAGE_MAX
                                               : UNAUTHENTICATED_MAX;
    if (bytes < (startup ? 8U : 4U) || bytes > most) {
        fatal(conn, CM_SQL_PROTOCOL, "invalid message length");
        return false;
    }
    bytes -= 4;
    if (conn->in.bytes - head < bytes) {
        return false;
    }
    if (startup) {
        startup_packet(conn, conn->in.data + head, bytes);
    } else {
        dispatch(conn, type, conn->in.data + head, bytes);
    }
    cm_buf_consume(&conn->in, head + bytes);
    return true;
}

void cm_pg_continue(cm_pg_conn *conn)
{
    if (conn->feeding) {
        return; /* the loop below is already running */
    }
    conn->feeding = true;
    while (next_message(conn)) {
    }
    conn->feeding = false;
}

void cm_pg_conn_feed(cm_pg_conn *conn, const void *data, size_t bytes)
{
    if (conn->phase == CM_PG_CLOSED) {
        return;
    }
    cm_buf_put(&conn->in, data, bytes);
    if (conn->in.failed) {
        fatal(conn, CM_SQL_OUT_OF_MEMORY, "out of memory");
        return;
    }
    cm_pg_continue(conn);
}
