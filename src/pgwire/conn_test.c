/*
 * The connection's state machine against a made-up session: authentication, simple and extended
 * query, portals with row limits, errors, garbage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "pgwire/conn.h"
#include "pgwire/scram.h"

/* ---- a session that answers "rows N" with N rows, "fail" with an error, "wait" later --------- */

struct cm_session {
    cm_session_sink sink;
    bool waiting;
};

static const cm_result_col COLUMN = {.name = "n", .oid = 23, .len = 4, .mod = -1};

cm_scram_verifier cm_scram_verifier_of(const char *password)
{
    cm_scram_verifier ret = {.iterations = 4096};
    cm_hash salted = cm_pbkdf2_sha256(password, ret.salt, sizeof ret.salt, ret.iterations);
    cm_hash client = cm_hmac_sha256(salted.bytes, 32, "Client Key", 10);
    cm_hash server = cm_hmac_sha256(salted.bytes, 32, "Server Key", 10);
    cm_hash stored = cm_sha256(client.bytes, 32);
    memcpy(ret.stored_key, stored.bytes, 32);
    memcpy(ret.server_key, server.bytes, 32);
    return ret;
}

bool cm_node_role_verifier(cm_node *node, const char *role, cm_scram_verifier *ret)
{
    (void)node;
    *ret = cm_scram_verifier_of("secret");
    return strcmp(role, "ann") == 0;
}

cm_status cm_session_new(cm_node *node, const char *role, cm_session **ret, cm_diag *diag)
{
    (void)node;
    (void)role;
    (void)diag;
    *ret = calloc(1, sizeof **ret);
    return CM_OK;
}

void cm_session_free(cm_session *session)
{
    free(session);
}

size_t cm_session_settings(const cm_session *session, const cm_option **ret)
{
    static const cm_option SETTINGS[] = {{"server_version", "15.0"}};
    (void)session;
    *ret = SETTINGS;
    return 1;
}

char cm_session_transaction_state(const cm_session *session)
{
    (void)session;
    return 'I';
}

cm_status cm_session_describe(cm_session *session, const cm_stmt *stmt, uint32_t *oids,
                              cm_arena *arena, const cm_result_col **ret_col, size_t *ret_cols,
                              cm_diag *diag)
{
    (void)session;
    (void)arena;
    (void)diag;
    for (int i = 0; i < stmt->params; i++) {
        oids[i] = 23;
    }
    *ret_col = &COLUMN;
    *ret_cols = 1;
    return CM_OK;
}

void cm_session_execute(cm_session *session, const cm_stmt *stmt, const char *const *params,
                        const uint32_t *oids, const cm_session_sink *sink)
{
    (void)oids;
    session->sink = *sink;
    if (strstr(stmt->sql, "missing") != NULL) {
        cm_diag diag = {0};
        assert_int_equal(cm_fail(&diag, CM_EINVAL, "42P01", "no such thing"), CM_EINVAL);
        sink->failed(sink->arg, &diag);
        return;
    }
    if (strstr(stmt->sql, "later") != NULL) {
        session->waiting = true;
        return;
    }
    int rows = params != NULL && stmt->params > 0 ? (int)strtol(params[0], NULL, 10) : 5;
    sink->columns(sink->arg, &COLUMN, 1);
    for (int i = 0; i < rows; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        const char *row[] = {text};
        sink->row(sink->arg, row);
    }
    sink->done(sink->arg, "SELECT 5");
}

void cm_session_cancel(cm_session *session)
{
    cm_diag diag = {0};
    assert_int_equal(cm_fail(&diag, CM_ECANCELLED, "57014", "cancelled"), CM_ECANCELLED);
    if (session->waiting) {
        session->waiting = false;
        session->sink.failed(session->sink.arg, &diag);
    }
}

/* ---- a client ------------------------------------------------------------------------------ */

typedef struct client {
    cm_pg_conn *conn;
    cm_buf got;
    bool closed;
} client;

static void on_send(void *arg, const void *data, size_t bytes)
{
    client *c = arg;
    cm_buf_put(&c->got, data, bytes);
}

static void on_close(void *arg)
{
    client *c = arg;
    c->closed = true;
}

static void on_tls(void *arg)
{
    (void)arg;
}

static void on_cancel(void *arg, uint32_t pid, uint32_t secret)
{
    client *c = arg;
    assert_int_equal(pid, 7);
    cm_pg_conn_cancel(c->conn, secret);
}

static void client_init(client *c)
{
    memset(c, 0, sizeof *c);
    const cm_pg_io io = {
        .arg = c, .send = on_send, .close = on_close, .start_tls = on_tls, .cancel = on_cancel};
    assert_int_equal(cm_pg_conn_new(NULL, &io, 7, 99, true, false, &c->conn), CM_OK);
}

static void client_fini(client *c)
{
    cm_pg_conn_free(c->conn);
    cm_buf_free(&c->got);
}

/* Sends one message, byte by byte, so that every split is tried. */
static void put(client *c, char type, const void *body, size_t bytes)
{
    cm_buf out = {0};
    if (type != '\0') {
        cm_buf_put_u8(&out, (uint8_t)type);
    }
    cm_buf_put_u32(&out, (uint32_t)bytes + 4);
    cm_buf_put(&out, body, bytes);
    for (size_t i = 0; i < out.bytes; i++) {
        cm_pg_conn_feed(c->conn, out.data + i, 1);
    }
    cm_buf_free(&out);
}

/* Types of the messages received since the last call, as a text. */
static const char *types(client *c, char *ret, size_t max)
{
    size_t at = 0;
    size_t count = 0;
    while (at + 5 <= c->got.bytes && count + 1 < max) {
        cm_reader in = cm_reader_of(c->got.data + at + 1, 4);
        ret[count++] = (char)c->got.data[at];
        at += 1 + cm_reader_u32(&in);
    }
    ret[count] = '\0';
    cm_buf_clear(&c->got);
    return ret;
}

static void log_in(client *c, const char *user, const char *password)
{
    static const char STARTUP[] = "\0\3\0\0user";
    char first[] = "n,,n=,r=clientnonce";
    cm_buf message = {0};
    cm_buf_put(&message, STARTUP, sizeof STARTUP);
    cm_buf_put_cstr(&message, user);
    cm_buf_put_u8(&message, 0);
    put(c, '\0', message.data, message.bytes);
    cm_buf_clear(&message);
    cm_buf_clear(&c->got);
    cm_buf_put_cstr(&message, "SCRAM-SHA-256");
    cm_buf_put_text(&message, first);
    put(c, 'p', message.data, message.bytes);
    cm_buf_clear(&message);

    char server_first[256] = {0};
    assert_true(c->got.bytes > 9 && c->got.bytes < sizeof server_first);
    memcpy(server_first, c->got.data + 9, c->got.bytes - 9);
    cm_buf_clear(&c->got);
    char nonce[128];
    assert_int_equal(sscanf(server_first, "r=%127[^,]", nonce), 1);
    char auth[1024];
    (void)snprintf(auth, sizeof auth, "n=,r=clientnonce,%s,c=biws,r=%s", server_first, nonce);
    const uint8_t salt[16] = {0};
    cm_hash salted = cm_pbkdf2_sha256(password, salt, sizeof salt, 4096);
    cm_hash client_key = cm_hmac_sha256(salted.bytes, 32, "Client Key", 10);
    cm_hash stored = cm_sha256(client_key.bytes, 32);
    cm_hash signature = cm_hmac_sha256(stored.bytes, 32, auth, strlen(auth));
    uint8_t proof[32];
    char encoded[64];
    for (size_t i = 0; i < 32; i++) {
        proof[i] = (uint8_t)(client_key.bytes[i] ^ signature.bytes[i]);
    }
    (void)cm_base64_encode(proof, sizeof proof, encoded, sizeof encoded);
    cm_buf_printf(&message, "c=biws,r=%s,p=%s", nonce, encoded);
    put(c, 'p', message.data, message.bytes);
    cm_buf_free(&message);
}

static void test_authentication(void **state)
{
    static const char *const USERS[][2] = {{"ann", "wrong"}, {"bob", "secret"}, {"ann", ""}};
    char got[64];
    client c;
    (void)state;
    client_init(&c);
    log_in(&c, "ann", "secret");
    assert_string_equal(types(&c, got, sizeof got), "RRSKZ");
    assert_true(cm_pg_conn_authenticated(c.conn));
    client_fini(&c);
    for (size_t i = 0; i < CM_COUNT(USERS); i++) {
        client_init(&c);
        log_in(&c, USERS[i][0], USERS[i][1]);
        assert_string_equal(types(&c, got, sizeof got), "E");
        assert_true(c.closed);
        assert_false(cm_pg_conn_authenticated(c.conn));
        client_fini(&c);
    }
}

static void query(client *c, const char *sql)
{
    put(c, 'Q', sql, strlen(sql) + 1);
}

static void test_simple(void **state)
{
    char got[64];
    client c;
    (void)state;
    client_init(&c);
    log_in(&c, "ann", "secret");
    (void)types(&c, got, sizeof got);
    query(&c, "SELECT 1");
    assert_string_equal(types(&c, got, sizeof got), "TDDDDDCZ");
    query(&c, "SELECT 1; SELECT 2");
    assert_string_equal(types(&c, got, sizeof got), "TDDDDDCTDDDDDCZ");
    query(&c, "SELECT 1; SELECT missing; SELECT 2");
    assert_string_equal(types(&c, got, sizeof got), "TDDDDDCEZ");
    query(&c, "  ; ");
    assert_string_equal(types(&c, got, sizeof got), "IZ");
    query(&c, "SELEC");
    assert_string_equal(types(&c, got, sizeof got), "EZ");
    query(&c, "SELECT later");
    query(&c, "SELECT 1"); /* waits its turn */
    assert_string_equal(types(&c, got, sizeof got), "");
    cm_pg_conn_cancel(c.conn, 98);
    assert_string_equal(types(&c, got, sizeof got), "");
    cm_pg_conn_cancel(c.conn, 99);
    assert_string_equal(types(&c, got, sizeof got), "EZTDDDDDCZ");
    put(&c, 'X', NULL, 0);
    assert_true(c.closed);
    client_fini(&c);
}

static void parse_bind(client *c, const char *sql, const char *param)
{
    cm_buf m = {0};
    cm_buf_put_cstr(&m, "");
    cm_buf_put_cstr(&m, sql);
    cm_buf_put_u16(&m, 0);
    put(c, 'P', m.data, m.bytes);
    cm_buf_clear(&m);
    cm_buf_put_cstr(&m, "");
    cm_buf_put_cstr(&m, "");
    cm_buf_put_u16(&m, 0);
    cm_buf_put_u16(&m, param != NULL ? 1 : 0);
    if (param != NULL) {
        cm_buf_put_text(&m, param);
    }
    cm_buf_put_u16(&m, 1);
    cm_buf_put_u16(&m, 1); /* binary results */
    put(c, 'B', m.data, m.bytes);
    cm_buf_free(&m);
}

static void execute(client *c, uint32_t rows)
{
    cm_buf m = {0};
    cm_buf_put_cstr(&m, "");
    cm_buf_put_u32(&m, rows);
    put(c, 'E', m.data, m.bytes);
    cm_buf_free(&m);
}

static void test_extended(void **state)
{
    char got[64];
    client c;
    (void)state;
    client_init(&c);
    log_in(&c, "ann", "secret");
    (void)types(&c, got, sizeof got);
    parse_bind(&c, "SELECT $1", "3");
    put(&c, 'D', "P", 2);
    execute(&c, 2);
    execute(&c, 2);
    put(&c, 'S', NULL, 0);
    assert_string_equal(types(&c, got, sizeof got), "12TDDsDCZ");
    execute(&c, 0); /* Sync ended the portal; what follows is skipped until the next Sync */
    parse_bind(&c, "SELECT 1", NULL);
    put(&c, 'S', NULL, 0);
    assert_string_equal(types(&c, got, sizeof got), "EZ");
    parse_bind(&c, "SELECT missing", NULL);
    execute(&c, 0);
    execute(&c, 0);
    put(&c, 'S', NULL, 0);
    assert_string_equal(types(&c, got, sizeof got), "12EZ");
    parse_bind(&c, "SELECT 1; SELECT 2", NULL);
    put(&c, 'S', NULL, 0);
    assert_string_equal(types(&c, got, sizeof got), "EZ");
    client_fini(&c);
}

static void test_malformed(void **state)
{
    static const uint8_t HUGE_LENGTH[] = {'Q', 0x7f, 0xff, 0xff, 0xff};
    static const uint8_t TINY_LENGTH[] = {'Q', 0, 0, 0, 3};
    static const uint8_t SMUGGLED[] = {0, 0, 0, 8, 4, 210, 22, 47, 'Q'};
    char got[64];
    client c;
    (void)state;
    const struct {
        const uint8_t *data;
        size_t bytes;
    } bad[] = {{HUGE_LENGTH, 5}, {TINY_LENGTH, 5}, {(const uint8_t *)"Q\0\0\0\6ab", 7}};
    for (size_t i = 0; i < CM_COUNT(bad); i++) {
        client_init(&c);
        log_in(&c, "ann", "secret");
        (void)types(&c, got, sizeof got);
        cm_pg_conn_feed(c.conn, bad[i].data, bad[i].bytes);
        assert_string_equal(types(&c, got, sizeof got), "E");
        assert_true(c.closed);
        client_fini(&c);
    }
    client_init(&c);
    cm_pg_conn_feed(c.conn, SMUGGLED, sizeof SMUGGLED);
    assert_true(c.closed);
    client_fini(&c);
    for (unsigned seed = 0; seed < 2000; seed++) {
        uint8_t noise[256];
        client_init(&c);
        if (seed % 2 == 0) {
            log_in(&c, "ann", "secret");
        }
        cm_random_bytes(noise, sizeof noise);
        noise[1] = 0;
        noise[2] = 0;
        noise[3] = 0;
        cm_pg_conn_feed(c.conn, noise, sizeof noise);
        client_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authentication),
        cmocka_unit_test(test_simple),
        cmocka_unit_test(test_extended),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
