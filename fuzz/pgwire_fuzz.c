/*
 * Bytes of a PostgreSQL client.  A made-up session stands behind the connection, so what is tested
 * is the protocol: startup, SCRAM, simple and extended queries, and everything out of order.
 *
 * The first byte says whether the client logs in properly first, and whether TLS is offered; the
 * second how many bytes come at a time; the third what the session does.  What the server sends
 * must be whole messages, and nothing after it closed.
 */
#include "fuzz.h"

#include "crypto/crypto.h"
#include "pgwire/conn.h"
#include "pgwire/scram.h"

#include <stdlib.h>
#include <string.h>

enum { PID = 7, SECRET = 0x5ec2e7 };

/* ---- the session that stands in for node/ --------------------------------------------------- */

struct cm_node {
    uint8_t behaviour;
    bool fails_to_open;
};

struct cm_session {
    cm_node *node;
    bool running;
    bool has_columns;
    cm_session_sink sink; /* of what runs */
};

static const uint8_t client_key[32] = {1, 2, 3};

bool cm_node_role_verifier(cm_node *node, const char *role, cm_scram_verifier *ret)
{
    (void)node;
    *ret = (cm_scram_verifier){.iterations = 4096, .salt = {9}};
    cm_hash stored = cm_sha256(client_key, sizeof client_key);
    memcpy(ret->stored_key, stored.bytes, sizeof ret->stored_key);
    return strcmp(role, "nobody") != 0;
}

cm_status cm_session_new(cm_node *node, const char *role, cm_session **ret, cm_diag *diag)
{
    CM_ASSERT(strlen(role) <= CM_NAME_MAX_BYTES);
    if (node->fails_to_open) {
        return cm_fail(diag, CM_EDENIED, CM_SQL_TOO_MANY, "too many sessions");
    }
    cm_session *s = calloc(1, sizeof *s);
    CM_ASSERT(s != NULL);
    s->node = node;
    *ret = s;
    return CM_OK;
}

void cm_session_free(cm_session *session)
{
    free(session);
}

size_t cm_session_settings(const cm_session *session, const cm_option **ret)
{
    static const cm_option settings[] = {{"server_version", "15.0"}, {"client_encoding", "UTF8"}};
    (void)session;
    *ret = settings;
    return CM_COUNT(settings);
}

char cm_session_transaction_state(const cm_session *session)
{
    return "ITE"[session->node->behaviour % 3];
}

static const cm_result_col columns[] = {
    {"id", 23, 4, -1}, {"cost", 1700, -1, -1}, {"seen", 1082, 4, -1}, {"note", 25, -1, -1}};
static const char *const rows[][CM_COUNT(columns)] = {
    {"1", "-12345678901.50", "1999-12-31", "a"},
    {"-2147483648", "0.00", "2024-02-29", ""},
    {NULL, NULL, NULL, NULL},
    {"0", "10000", "2000-01-01", "\xc3\xa4"},
};

static bool has_columns(const cm_stmt *stmt)
{
    return stmt->kind == CM_STMT_SELECT || stmt->kind == CM_STMT_SYSTEM_SELECT;
}

cm_status cm_session_describe(cm_session *session, const cm_stmt *stmt, uint32_t *oids,
                              cm_arena *arena, const cm_result_col **ret_col, size_t *ret_cols,
                              cm_diag *diag)
{
    static const uint32_t inferred[] = {16, 20, 21, 23, 1700, 1082, 1114, 25};

    (void)arena;
    if (session->node->behaviour == 77) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_UNDEFINED_TABLE, "there is no such table");
    }
    for (int i = 0; i < stmt->params; i++) {
        if (session->node->behaviour == 78) { /* the type whose binary form grows most as text */
            oids[i] = 1700;
            continue;
        }
        size_t choice = ((size_t)i + session->node->behaviour) % CM_COUNT(inferred);
        oids[i] = oids[i] != 0 ? oids[i] : inferred[choice];
    }
    *ret_col = has_columns(stmt) ? columns : NULL;
    *ret_cols = has_columns(stmt) ? CM_COUNT(columns) : 0;
    return CM_OK;
}

static void finish(cm_session *s, bool well)
{
    static const cm_diag why = {.status = CM_ECANCELLED,
                                .sqlstate = CM_SQL_CANCELLED,
                                .message = "canceling statement due to user request",
                                .position = 3};
    cm_session_sink sink = s->sink;

    CM_ASSERT(s->running);
    s->running = false;
    if (well && s->has_columns) {
        sink.columns(sink.arg, columns, CM_COUNT(columns));
        for (size_t i = 0; i < CM_COUNT(rows); i++) {
            sink.row(sink.arg, rows[i]);
        }
    }
    if (well) {
        sink.done(sink.arg, s->has_columns ? "SELECT 4" : "SET");
    } else {
        sink.failed(sink.arg, &why);
    }
}

void cm_session_execute(cm_session *s, const cm_stmt *stmt, const char *const *params,
                        const uint32_t *oids, const cm_session_sink *sink)
{
    CM_ASSERT(!s->running);
    for (int i = 0; i < stmt->params; i++) {
        CM_ASSERT(params[i] == NULL || strlen(params[i]) < (size_t)32 << 20);
        CM_ASSERT(oids[i] != 0);
    }
    s->running = true;
    s->has_columns = has_columns(stmt);
    s->sink = *sink;
    if (s->node->behaviour % 5 == 1) {
        static const cm_diag notice = {.status = CM_EINVAL, .sqlstate = "00000", .message = "note"};
        sink->notice(sink->arg, &notice);
        sink->setting(sink->arg, "application_name", "fuzz");
    }
    if (s->node->behaviour % 4 != 2) { /* otherwise it goes on running */
        finish(s, s->node->behaviour % 7 != 3);
    }
}

void cm_session_cancel(cm_session *session)
{
    if (session->running) {
        finish(session, false);
    }
}

/* ---- the client ----------------------------------------------------------------------------- */

typedef struct client {
    cm_buf received; /* what the server sent, from the start of a message on */
    bool closed, tls;
    cm_pg_conn *conn;
} client;

static void on_send(void *arg, const void *data, size_t bytes)
{
    client *c = arg;
    CM_ASSERT(!c->closed && bytes > 0);
    cm_buf_put(&c->received, data, bytes);
}

static void on_close(void *arg)
{
    client *c = arg;
    CM_ASSERT(!c->closed);
    c->closed = true;
}

static void on_start_tls(void *arg)
{
    client *c = arg;
    CM_ASSERT(!c->tls);
    c->tls = true;
}

static void on_cancel(void *arg, uint32_t pid, uint32_t secret)
{
    (void)arg;
    (void)pid;
    (void)secret;
}

/* Types of messages that a server may send. */
static bool is_known(uint8_t type)
{
    return type != 0 && strchr("RSKZTDCEINstn123v", type) != NULL;
}

/* Takes whole messages off; the answers 'S' and 'N' to a request for TLS are single bytes. */
static void check_received(client *c, bool plain_answers)
{
    while (c->received.bytes > 0) {
        cm_reader r = cm_reader_of(c->received.data, c->received.bytes);
        uint8_t type = cm_reader_u8(&r);
        uint32_t bytes = cm_reader_u32(&r);
        bool fits = !r.failed && bytes >= 4 && bytes - 4 <= cm_reader_left(&r) && is_known(type);
        if (!fits) {
            CM_ASSERT(plain_answers && (type == 'S' || type == 'N'));
            cm_buf_consume(&c->received, 1);
            continue;
        }
        cm_buf_consume(&c->received, (size_t)bytes + 1);
    }
}

static void feed(client *c, const void *data, size_t bytes)
{
    if (!c->closed) {
        cm_pg_conn_feed(c->conn, data, bytes);
    }
}

static void send_message(client *c, char type, const cm_buf *body)
{
    cm_buf message = {0};

    if (type != '\0') {
        cm_buf_put_u8(&message, (uint8_t)type);
    }
    cm_buf_put_u32(&message, (uint32_t)body->bytes + 4);
    cm_buf_put(&message, body->data, body->bytes);
    feed(c, message.data, message.bytes);
    cm_buf_free(&message);
}

static void send_startup(client *c)
{
    cm_buf body = {0};

    cm_buf_put_u32(&body, 196608);
    cm_buf_put_cstr(&body, "user");
    cm_buf_put_cstr(&body, "ann");
    cm_buf_put_u8(&body, 0);
    send_message(c, '\0', &body);
    cm_buf_free(&body);
}

/* The server-first-message out of what was received last. */
static void take_server_first(client *c, cm_buf *out)
{
    const uint8_t *data = c->received.data;
    size_t bytes = c->received.bytes;

    /* AuthenticationSASL, then AuthenticationSASLContinue. */
    cm_reader r = cm_reader_of(data, bytes);
    (void)cm_reader_u8(&r);
    size_t first = (size_t)cm_reader_u32(&r) + 1;
    CM_ASSERT(bytes > first + 9);
    cm_buf_put(out, data + first + 9, bytes - first - 9);
    cm_buf_clear(&c->received);
}

static void put_proof(const char *auth, cm_buf *out)
{
    char text[64];
    uint8_t proof[32];
    cm_hash stored = cm_sha256(client_key, sizeof client_key);
    cm_hash signature = cm_hmac_sha256(stored.bytes, sizeof stored.bytes, auth, strlen(auth));

    for (size_t i = 0; i < sizeof proof; i++) {
        proof[i] = client_key[i] ^ signature.bytes[i];
    }
    size_t chars = cm_base64_encode(proof, sizeof proof, text, sizeof text);
    CM_ASSERT(chars != SIZE_MAX);
    cm_buf_put(out, text, chars);
}

static void log_in(client *c, bool expect_success)
{
    static const char client_first[] = "n=,r=fuzz";
    cm_buf body = {0}, server_first = {0}, auth = {0}, final = {0};

    send_startup(c);
    cm_buf_put_cstr(&body, "SCRAM-SHA-256");
    cm_buf_put_u32(&body, 3 + sizeof client_first - 1);
    cm_buf_printf(&body, "n,,%s", client_first);
    send_message(c, 'p', &body);
    take_server_first(c, &server_first);
    const char *challenge = cm_buf_text(&server_first);
    cm_buf_printf(&final, "c=biws,%.*s", (int)strcspn(challenge, ","), challenge);
    cm_buf_printf(&auth, "%s,%s,%s", client_first, challenge, cm_buf_text(&final));
    cm_buf_printf(&final, ",p=");
    put_proof(cm_buf_text(&auth), &final);
    send_message(c, 'p', &final);
    CM_ASSERT(cm_pg_conn_authenticated(c->conn) == expect_success);
    check_received(c, false);
    cm_buf_free(&body);
    cm_buf_free(&server_first);
    cm_buf_free(&auth);
    cm_buf_free(&final);
}

/* ---- the target ------------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cm_fuzz_input input = {data, bytes};
    uint8_t choice = cm_fuzz_take(&input);
    size_t step = (size_t)cm_fuzz_take(&input) + 1;
    cm_node node = {.behaviour = cm_fuzz_take(&input), .fails_to_open = (choice & 8) != 0};
    client c = {0};
    const cm_pg_io io = {&c, on_send, on_close, on_start_tls, on_cancel};
    bool logs_in = (choice & 1) != 0;

    cm_status st = cm_pg_conn_new(&node, &io, PID, SECRET, (choice & 2) != 0,
                                  !logs_in && (choice & 4) != 0, &c.conn);
    CM_ASSERT(st == CM_OK);
    if (logs_in) {
        log_in(&c, !node.fails_to_open);
    }
    while (!c.closed && input.bytes > 0) {
        size_t now = step < input.bytes ? step : input.bytes;
        feed(&c, input.data, now);
        input.data += now;
        input.bytes -= now;
        if ((choice & 16) != 0) { /* what runs is ended between any two pieces */
            cm_pg_conn_cancel(c.conn, SECRET);
        }
    }
    cm_pg_conn_cancel(c.conn, SECRET + 1);
    cm_pg_conn_cancel(c.conn, SECRET);
    if ((choice & 32) != 0 && !c.closed) {
        const cm_diag why = {CM_ECANCELLED, CM_SQL_SHUTDOWN, "", "shutting down", "", "", 0};
        cm_pg_conn_shut(c.conn, &why);
        CM_ASSERT(c.closed);
    }
    check_received(&c, !logs_in);
    cm_pg_conn_free(c.conn);
    cm_buf_free(&c.received);
    return 0;
}

/* ---- seeds ---------------------------------------------------------------------------------- */

static void put_message(cm_buf *out, char type, const cm_buf *body)
{
    if (type != '\0') {
        cm_buf_put_u8(out, (uint8_t)type);
    }
    cm_buf_put_u32(out, (uint32_t)body->bytes + 4);
    cm_buf_put(out, body->data, body->bytes);
}

static void put_query(cm_buf *out, const char *sql)
{
    cm_buf body = {0};
    cm_buf_put_cstr(&body, sql);
    put_message(out, 'Q', &body);
    cm_buf_free(&body);
}

/* Parse, Bind, Describe, Execute (two rows), Execute, Close, Sync; one binary parameter. */
static void put_extended(cm_buf *out, const char *name, uint16_t format)
{
    cm_buf body = {0};

    cm_buf_put_cstr(&body, name);
    cm_buf_put_cstr(&body, "SELECT a FROM t WHERE b = $1");
    cm_buf_put_u16(&body, 1);
    cm_buf_put_u32(&body, 1700);
    put_message(out, 'P', &body);
    cm_buf_clear(&body);
    cm_buf_put_cstr(&body, "portal");
    cm_buf_put_cstr(&body, name);
    cm_buf_put_u16(&body, 1);
    cm_buf_put_u16(&body, format);
    cm_buf_put_u16(&body, 1);
    cm_buf_put_u32(&body, 10);
    for (uint16_t part = 1; part <= 5; part++) { /* numeric: groups, weight, sign, scale, group */
        cm_buf_put_u16(&body, part == 3 ? 0 : part == 1 ? 1 : part - 1);
    }
    cm_buf_put_u16(&body, 1);
    cm_buf_put_u16(&body, format);
    put_message(out, 'B', &body);
    cm_buf_clear(&body);
    cm_buf_put_u8(&body, 'S');
    cm_buf_put_cstr(&body, name);
    put_message(out, 'D', &body);
    body.data[0] = 'P';
    put_message(out, 'D', &body);
    for (uint32_t fetch = 2; fetch < 4; fetch++) {
        cm_buf_clear(&body);
        cm_buf_put_cstr(&body, "portal");
        cm_buf_put_u32(&body, fetch == 2 ? 2 : 0);
        put_message(out, 'E', &body);
    }
    cm_buf_clear(&body);
    cm_buf_put_u8(&body, 'S');
    cm_buf_put_cstr(&body, name);
    put_message(out, 'C', &body);
    cm_buf_clear(&body);
    put_message(out, 'S', &body);
    cm_buf_free(&body);
}

/* Parameters that take more memory as text than a portal has: once an abort. */
static void put_growing_parameters(cm_buf *out)
{
    enum { PARAMS = 20000 };
    cm_buf body = {0};

    cm_buf_put_cstr(&body, "");
    cm_buf_printf(&body, "SELECT $%d", PARAMS);
    cm_buf_put_u8(&body, 0);
    cm_buf_put_u16(&body, 0);
    put_message(out, 'P', &body);
    cm_buf_clear(&body);
    cm_buf_put_cstr(&body, "");
    cm_buf_put_cstr(&body, "");
    cm_buf_put_u16(&body, 1);
    cm_buf_put_u16(&body, 1);
    cm_buf_put_u16(&body, PARAMS);
    for (unsigned i = 0; i < PARAMS; i++) { /* no groups, weight and scale as large as can be */
        cm_buf_put_u32(&body, 8);
        cm_buf_put_u32(&body, 1000);
        cm_buf_put_u32(&body, 1000);
    }
    cm_buf_put_u16(&body, 0);
    put_message(out, 'B', &body);
    cm_buf_clear(&body);
    put_message(out, 'S', &body);
    cm_buf_free(&body);
}

static void put_startup(cm_buf *out, uint32_t code)
{
    cm_buf body = {0};

    cm_buf_put_u32(&body, code);
    if (code == 80877102) {
        cm_buf_put_u32(&body, PID);
        cm_buf_put_u32(&body, SECRET);
    } else if (code >> 16 == 3) {
        cm_buf_put_cstr(&body, "user");
        cm_buf_put_cstr(&body, "ann");
        cm_buf_put_cstr(&body, "client_encoding");
        cm_buf_put_cstr(&body, "UTF8");
        cm_buf_put_u8(&body, 0);
    }
    put_message(out, '\0', &body);
    cm_buf_free(&body);
}

static void put_sasl(cm_buf *out)
{
    cm_buf body = {0};

    cm_buf_put_cstr(&body, "SCRAM-SHA-256");
    cm_buf_put_u32(&body, 12);
    cm_buf_printf(&body, "n,,n=,r=fuzz");
    put_message(out, 'p', &body);
    cm_buf_clear(&body);
    cm_buf_printf(&body, "c=biws,r=fuzz,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    put_message(out, 'p', &body);
    cm_buf_free(&body);
}

bool cm_fuzz_seed(unsigned number, cm_buf *out)
{
    static const struct {
        uint8_t choice, step, behaviour;
    } how[] = {
        {0, 9, 0}, {2, 255, 0}, {4, 1, 0}, {0, 3, 0},   {1, 255, 0}, {1, 0, 1},
        {1, 6, 2}, {17, 6, 2},  {1, 9, 3}, {33, 20, 6}, {9, 1, 0},   {1, 50, 77},
    };

    if (number >= CM_COUNT(how)) {
        return false;
    }
    cm_buf_put_u8(out, how[number].choice);
    cm_buf_put_u8(out, how[number].step);
    cm_buf_put_u8(out, how[number].behaviour);
    if (number < 4) {
        static const uint32_t codes[] = {196608, 80877103, 80877102, 196610};
        put_startup(out, codes[number]);
        put_sasl(out);
    } else if (how[number].behaviour == 78) {
        put_growing_parameters(out);
    } else if (number % 2 == 0) {
        put_query(out, "SELECT 1; SET a = b; SELECT");
        put_query(out, "");
        put_query(out, "SELECT a FROM t; SELECT b FROM t");
    } else {
        put_extended(out, "", number % 4 == 1 ? 1 : 0);
        put_extended(out, "s", 1);
        put_query(out, "BEGIN");
    }
    return true;
}
