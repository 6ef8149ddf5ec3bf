#include "net/tls.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

typedef struct fixture {
    cm_identity *alice, *bob, *eve, *expired;
} fixture;

static cm_identity *generate(const char *name, int valid_days)
{
    cm_identity *id = NULL;
    assert_int_equal(cm_identity_generate(name, valid_days, &id, NULL), CM_OK);
    return id;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->alice = generate("alice", 30);
    f->bob = generate("bob", 30);
    f->eve = generate("eve", 30);
    f->expired = generate("expired", -1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    cm_identity_free(f->alice);
    cm_identity_free(f->bob);
    cm_identity_free(f->eve);
    cm_identity_free(f->expired);
    free(f);
    return 0;
}

static cm_tls *new_client(const cm_identity *id, const cm_cert *accepted, size_t count)
{
    cm_tls *tls = NULL;
    const cm_tls_options options = {.identity = id, .accepted = accepted, .accepted_count = count};
    assert_int_equal(cm_tls_new_client(&options, &tls, NULL), CM_OK);
    return tls;
}

static cm_tls *new_server(const cm_identity *id, const cm_cert *accepted, size_t count)
{
    cm_tls *tls = NULL;
    const cm_tls_options options = {
        .identity = id, .accepted = accepted, .accepted_count = count, .rekey_bytes = 100000};
    assert_int_equal(cm_tls_new_server(&options, &tls, NULL), CM_OK);
    return tls;
}

/* Carries what one end has to send to the other, in pieces. */
static cm_status carry(cm_tls *from, cm_tls *to, size_t piece_bytes, cm_diag *diag)
{
    cm_buf bytes = {0};
    cm_status st = CM_OK;
    cm_tls_take(from, &bytes);
    for (size_t at = 0; at < bytes.bytes && st == CM_OK; at += piece_bytes) {
        size_t left = bytes.bytes - at;
        st = cm_tls_feed(to, bytes.data + at, left < piece_bytes ? left : piece_bytes, diag);
    }
    cm_buf_free(&bytes);
    return st;
}

static void shake(cm_tls *client, cm_tls *server, size_t piece_bytes)
{
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(carry(client, server, piece_bytes, NULL), CM_OK);
        assert_int_equal(carry(server, client, piece_bytes, NULL), CM_OK);
    }
    assert_true(cm_tls_established(client));
    assert_true(cm_tls_established(server));
}

static void send_across(cm_tls *from, cm_tls *to, size_t bytes)
{
    uint8_t *out = malloc(bytes + 1), *in = malloc(bytes + 1);
    size_t got = 0, total = 0;
    cm_random_bytes(out, bytes);
    assert_int_equal(cm_tls_write(from, out, bytes, NULL), CM_OK);
    assert_int_equal(carry(from, to, 10000, NULL), CM_OK);
    do {
        assert_int_equal(cm_tls_read(to, in + total, bytes + 1 - total, &got, NULL), CM_OK);
        total += got;
    } while (got > 0);
    assert_int_equal(total, bytes);
    assert_memory_equal(in, out, bytes);
    free(out);
    free(in);
}

static void nodes_talk_both_ways(void **state)
{
    const fixture *f = *state;
    static const size_t pieces[] = {1, 7, 100000};
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 300000, 5};
    for (size_t p = 0; p < CM_COUNT(pieces); p++) {
        cm_tls *client = new_client(f->alice, cm_identity_cert(f->bob), 1);
        cm_tls *server = new_server(f->bob, cm_identity_cert(f->alice), 1);
        shake(client, server, pieces[p]);
        cm_cert cert;
        assert_int_equal(cm_tls_peer_cert(client, &cert), CM_OK);
        assert_int_equal(cert.bytes, cm_identity_cert(f->bob)->bytes);
        assert_memory_equal(cert.der, cm_identity_cert(f->bob)->der, cert.bytes);
        assert_int_equal(cm_tls_peer_cert(server, &cert), CM_OK);
        assert_memory_equal(cert.der, cm_identity_cert(f->alice)->der, cert.bytes);
        for (size_t i = 0; i < CM_COUNT(sizes); i++) {
            send_across(client, server, sizes[i]);
            send_across(server, client, sizes[i]); /* passes rekey_bytes several times */
        }
        assert_false(cm_tls_closed(server));
        cm_tls_close(client);
        send_across(server, client, 10); /* the other direction is still open */
        assert_int_equal(carry(client, server, 1000, NULL), CM_OK);
        size_t got;
        uint8_t byte;
        assert_int_equal(cm_tls_read(server, &byte, 1, &got, NULL), CM_OK);
        assert_int_equal(got, 0);
        assert_true(cm_tls_closed(server));
        cm_tls_free(client);
        cm_tls_free(server);
    }
    cm_tls_free(NULL);
}

/* Runs a handshake that must fail, and returns what the client and the server say. */
static void fail_to_shake(cm_tls *client, cm_tls *server, cm_diag *client_diag,
                          cm_diag *server_diag)
{
    size_t got;
    uint8_t byte;
    cm_status client_st = CM_OK, server_st = CM_OK;
    for (unsigned i = 0; i < 4; i++) {
        if (server_st == CM_OK) {
            server_st = carry(client, server, 1000, server_diag);
        }
        if (client_st == CM_OK) {
            client_st = carry(server, client, 1000, client_diag);
        }
        if (client_st == CM_OK && cm_tls_established(client)) {
            client_st = cm_tls_read(client, &byte, 1, &got, client_diag);
        }
    }
    assert_int_not_equal(client_st, CM_OK);
    assert_int_not_equal(server_st, CM_OK);
    assert_false(cm_tls_established(server));
    cm_tls_free(client);
    cm_tls_free(server);
}

static void strangers_are_refused(void **state)
{
    const fixture *f = *state;
    const cm_cert *alice = cm_identity_cert(f->alice), *bob = cm_identity_cert(f->bob);
    cm_diag a = {0}, b = {0};

    fail_to_shake(new_client(f->eve, bob, 1), new_server(f->bob, alice, 1), &a, &b);
    assert_int_equal(a.status, CM_EDENIED);
    assert_string_equal(a.message, "the peer refused our certificate");
    assert_int_equal(b.status, CM_EDENIED);
    assert_string_equal(b.message, "the peer's certificate is not the agreed one");

    a = b = (cm_diag){0};
    fail_to_shake(new_client(f->alice, bob, 1), new_server(f->eve, alice, 1), &a, &b);
    assert_int_equal(a.status, CM_EDENIED);
    assert_string_equal(a.message, "the peer's certificate is not the agreed one");
    assert_int_equal(b.status, CM_EDENIED);
}

static void expired_certificates_are_refused(void **state)
{
    const fixture *f = *state;
    const cm_cert *bob = cm_identity_cert(f->bob), *expired = cm_identity_cert(f->expired);
    cm_diag a = {0}, b = {0};

    fail_to_shake(new_client(f->expired, bob, 1), new_server(f->bob, expired, 1), &a, &b);
    assert_string_equal(b.message, "the certificate has expired");
    a = b = (cm_diag){0};
    fail_to_shake(new_client(f->expired, bob, 1), new_server(f->bob, NULL, 0), &a, &b);
    assert_string_equal(b.message, "the certificate has expired");
    a = b = (cm_diag){0};
    fail_to_shake(new_client(f->bob, expired, 1), new_server(f->expired, bob, 1), &a, &b);
    assert_string_equal(a.message, "the certificate has expired");
}

/* A node accepts any member of its federation, and tells which one it is. */
static void any_of_several_is_accepted(void **state)
{
    const fixture *f = *state;
    const cm_identity *ids[] = {f->alice, f->eve};
    const cm_cert members[] = {*cm_identity_cert(f->alice), *cm_identity_cert(f->eve)};
    for (size_t i = 0; i < 4; i++) {
        cm_tls *client = new_client(ids[i % 2], cm_identity_cert(f->bob), 1);
        cm_tls *server = i < 2 ? new_server(f->bob, members, 2) : new_server(f->bob, NULL, 0);
        shake(client, server, 1000);
        cm_cert cert;
        assert_int_equal(cm_tls_peer_cert(server, &cert), CM_OK);
        assert_memory_equal(cert.der, members[i % 2].der, cert.bytes);
        cm_tls_free(client);
        cm_tls_free(server);
    }
}

static void noise_is_not_tls(void **state)
{
    const fixture *f = *state;
    static const char *const noise[] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff\x00\x00"};
    for (size_t i = 0; i < CM_COUNT(noise); i++) {
        cm_tls *server = new_server(f->bob, NULL, 0);
        cm_diag diag = {0};
        size_t bytes = i == 0 ? strlen(noise[0]) : 7;
        assert_int_equal(cm_tls_feed(server, noise[i], bytes, &diag), CM_EPROTO);
        assert_string_equal(diag.sqlstate, CM_SQL_PROTOCOL);
        cm_tls_free(server);
    }
}

/* Whichever byte of the ciphertext changes: an error, and nothing of the changed record. */
static void every_flipped_byte_is_noticed(void **state)
{
    const fixture *f = *state;
    uint8_t out[40], in[100];
    cm_buf bytes = {0};
    cm_random_bytes(out, sizeof out);
    for (size_t flip = 0; flip == 0 || flip < bytes.bytes; flip++) {
        cm_tls *client = new_client(f->alice, cm_identity_cert(f->bob), 1);
        cm_tls *server = new_server(f->bob, cm_identity_cert(f->alice), 1);
        shake(client, server, 1000);
        assert_int_equal(cm_tls_write(client, out, sizeof out, NULL), CM_OK);
        cm_buf_clear(&bytes);
        cm_tls_take(client, &bytes);
        bytes.data[flip] ^= 0x20;
        size_t got = 0;
        cm_diag diag = {0};
        cm_status st = cm_tls_feed(server, bytes.data, bytes.bytes, &diag);
        assert_int_equal(st, CM_OK);
        st = cm_tls_read(server, in, sizeof in, &got, &diag);
        /* A longer length field makes TLS wait for bytes that never come. */
        assert_true(st == CM_EPROTO || (st == CM_OK && got == 0 && flip >= 3 && flip <= 4));
        cm_tls_free(client);
        cm_tls_free(server);
    }
    cm_buf_free(&bytes);
}

typedef struct sql_port {
    const cm_identity *identity;
    int listener;
    char user[64]; /* from the start-up message that arrived through TLS */
} sql_port;

static bool send_pending(cm_tls *tls, int fd)
{
    cm_buf out = {0};
    cm_tls_take(tls, &out);
    bool done = out.bytes == 0 || write(fd, out.data, out.bytes) == (ssize_t)out.bytes;
    cm_buf_free(&out);
    return done;
}

/* Answers libpq's SSLRequest, shakes hands, reads the start-up message, answers an error. */
static void *serve_sql(void *arg)
{
    sql_port *port = arg;
    cm_tls *tls = NULL;
    uint8_t in[4096], plain[1024];
    size_t got = 0;
    int fd = accept(port->listener, NULL, NULL);

    if (read(fd, in, 8) != 8 || write(fd, "S", 1) != 1 ||
        cm_tls_new_sql_server(port->identity, &tls, NULL) != CM_OK) {
        close(fd);
        return NULL;
    }
    while (got == 0) {
        ssize_t bytes = read(fd, in, sizeof in);
        if (bytes <= 0 || cm_tls_feed(tls, in, (size_t)bytes, NULL) != CM_OK ||
            (cm_tls_established(tls) &&
             cm_tls_read(tls, plain, sizeof plain, &got, NULL) != CM_OK) ||
            !send_pending(tls, fd)) {
            break;
        }
    }
    if (got > 13 && memcmp(plain + 8, "user", 5) == 0) {
        snprintf(port->user, sizeof port->user, "%.63s", (const char *)plain + 13);
        static const char answer[] = "E\0\0\0\x1dSFATAL\0C28000\0Mno entry\0";
        if (cm_tls_write(tls, answer, sizeof answer, NULL) == CM_OK) {
            send_pending(tls, fd);
        }
    }
    cm_tls_free(tls);
    close(fd);
    return NULL;
}

static void postgresql_clients_can_connect(void **state)
{
    const fixture *f = *state;
    static const char *const versions[] = {"TLSv1.2", "TLSv1.3"};
    for (size_t i = 0; i < CM_COUNT(versions); i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t length = sizeof address;
        sql_port port = {.identity = f->bob, .listener = socket(AF_INET, SOCK_STREAM, 0)};
        char conninfo[256];
        pthread_t thread;
        assert_int_equal(bind(port.listener, (struct sockaddr *)&address, length), 0);
        assert_int_equal(listen(port.listener, 1), 0);
        assert_int_equal(getsockname(port.listener, (struct sockaddr *)&address, &length), 0);
        assert_int_equal(pthread_create(&thread, NULL, serve_sql, &port), 0);
        snprintf(conninfo, sizeof conninfo,
                 "host=127.0.0.1 port=%d user=analyst dbname=x sslmode=require "
                 "gssencmode=disable connect_timeout=10 ssl_max_protocol_version=%s "
                 "ssl_min_protocol_version=TLSv1.2",
                 ntohs(address.sin_port), versions[i]);
        PGconn *connection = PQconnectdb(conninfo);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_string_equal(port.user, "analyst");
        assert_non_null(strstr(PQerrorMessage(connection), "no entry"));
        PQfinish(connection);
        close(port.listener);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_talk_both_ways),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(expired_certificates_are_refused),
        cmocka_unit_test(any_of_several_is_accepted),
        cmocka_unit_test(noise_is_not_tls),
        cmocka_unit_test(every_flipped_byte_is_noticed),
        cmocka_unit_test(postgresql_clients_can_connect),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
