/*
 * OpenSSL reads from one byte queue and writes to another through a BIO of our own.  Its writes
 * always succeed, so SSL_write never asks to be repeated; its reads ask for more when the queue is
 * empty.
 */
#include "net/tls.h"

#include "net/queue.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

enum { RECORD_BYTES = 16384 };

/* RFC 8446, 5.5: AES-GCM is good for 2^24.5 full records, some 388 GB, under one key. */
static const uint64_t REKEY_BYTES = (uint64_t)64 << 30;

struct cm_tls {
    SSL *ssl;
    SSL_CTX *ctx;
    BIO_METHOD *method;
    cm_queue in, out; /* ciphertext */
    const cm_cert *accepted;
    size_t accepted_count;
    uint64_t rekey_bytes, bytes_under_key;
    bool sql, established, closed, failed;
    cm_diag verdict; /* why the peer's certificate was refused */
};

static int queue_write(BIO *bio, const char *data, int bytes)
{
    cm_tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (bytes <= 0 || !cm_queue_put(&tls->out, data, (size_t)bytes)) {
        return -1;
    }
    return bytes;
}

static int queue_read(BIO *bio, char *data, int bytes)
{
    cm_tls *tls = BIO_get_data(bio);
    size_t have = cm_queue_bytes(&tls->in);

    BIO_clear_retry_flags(bio);
    if (bytes <= 0) {
        return 0;
    }
    if (have == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t now = have < (size_t)bytes ? have : (size_t)bytes;
    memcpy(data, cm_queue_front(&tls->in), now);
    cm_queue_consume(&tls->in, now);
    return (int)now;
}

static long queue_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static bool attach_queues(cm_tls *tls)
{
    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "comity queues");
    if (tls->method == NULL || BIO_meth_set_write(tls->method, queue_write) != 1 ||
        BIO_meth_set_read(tls->method, queue_read) != 1 ||
        BIO_meth_set_ctrl(tls->method, queue_ctrl) != 1) {
        return false;
    }
    BIO *bio = BIO_new(tls->method);
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}

/* Byte for byte one of the accepted certificates, or any when none is given; and valid now. */
static cm_status judge_peer(const cm_tls *tls, const cm_cert *cert, cm_diag *diag)
{
    bool known = tls->accepted_count == 0;

    for (size_t i = 0; i < tls->accepted_count && !known; i++) {
        const cm_cert *accepted = &tls->accepted[i];
        known =
            accepted->bytes == cert->bytes && memcmp(accepted->der, cert->der, cert->bytes) == 0;
    }
    if (!known) {
        return cm_fail(diag, CM_EDENIED, "28000", "the peer's certificate is not the agreed one");
    }
    return cm_cert_check(cert, diag);
}

static bool to_cert(X509 *x509, cm_cert *ret)
{
    int bytes = x509 != NULL ? i2d_X509(x509, NULL) : 0;
    if (bytes <= 0 || bytes > CM_CERT_MAX_BYTES) {
        return false;
    }
    uint8_t *next = ret->der;
    ret->bytes = (size_t)i2d_X509(x509, &next);
    return true;
}

/* Replaces OpenSSL's whole chain building; that the peer owns the key is proved by TLS itself. */
static int verify_peer(X509_STORE_CTX *store, void *arg)
{
    cm_tls *tls = arg;
    cm_cert cert;

    if (!to_cert(X509_STORE_CTX_get0_cert(store), &cert)) {
        (void)!cm_fail(&tls->verdict, CM_EDENIED, "28000", "the peer's certificate is too long");
    } else if (judge_peer(tls, &cert, &tls->verdict) == CM_OK) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

static bool restrict_to_nodes(cm_tls *tls)
{
    char groups[] = "X25519", signatures[] = "ed25519"; /* OpenSSL's macros cast const away */

    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(tls->ctx, verify_peer, tls);
    return SSL_CTX_set_min_proto_version(tls->ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(tls->ctx, "TLS_AES_128_GCM_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(tls->ctx, groups) == 1 &&
           SSL_CTX_set1_sigalgs_list(tls->ctx, signatures) == 1;
}

static bool configure(cm_tls *tls, const cm_identity *identity)
{
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                      SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_num_tickets(tls->ctx, 0) != 1 ||
        SSL_CTX_use_certificate(tls->ctx, cm_identity_x509(identity)) != 1 ||
        SSL_CTX_use_PrivateKey(tls->ctx, cm_identity_pkey(identity)) != 1) {
        return false;
    }
    return tls->sql ? SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION) == 1
                    : restrict_to_nodes(tls);
}

/* An alert by which the peer says that it does not accept our certificate. */
static bool is_refusal(unsigned long code)
{
    static const int alerts[] = {SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
                                 SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED,
                                 SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA,
                                 SSL_AD_ACCESS_DENIED,       SSL_AD_CERTIFICATE_REQUIRED};

    for (size_t i = 0; i < CM_COUNT(alerts); i++) {
        if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
            ERR_GET_REASON(code) == SSL_AD_REASON_OFFSET + alerts[i]) {
            return true;
        }
    }
    return false;
}

/* Fills diag from what went wrong, in the order in which it explains most. */
CM_MUST static cm_status fail(cm_tls *tls, const char *what, cm_diag *diag)
{
    char reason[200];
    unsigned long code = ERR_peek_last_error();

    ERR_error_string_n(code, reason, sizeof reason);
    ERR_clear_error();
    tls->failed = true;
    if (tls->verdict.status != CM_OK) {
        return cm_fail(diag, tls->verdict.status, tls->verdict.sqlstate, "%s",
                       tls->verdict.message);
    }
    cm_status st = is_refusal(code)
                       ? cm_fail(diag, CM_EDENIED, "28000", "the peer refused our certificate")
                       : cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "%s", what);
    cm_diag_detail(diag, "%s", code != 0 ? reason : "TLS failed");
    return st;
}

/* One step of the handshake, as far as the bytes at hand allow. */
static cm_status step_handshake(cm_tls *tls, cm_diag *diag)
{
    ERR_clear_error();
    int done = SSL_do_handshake(tls->ssl);
    if (done == 1) {
        tls->established = true;
        return CM_OK;
    }
    if (SSL_get_error(tls->ssl, done) == SSL_ERROR_WANT_READ) {
        return CM_OK;
    }
    return fail(tls, "the TLS handshake failed", diag);
}

static cm_status new_end(const cm_tls_options *options, bool server, bool sql, cm_tls **ret,
                         cm_diag *diag)
{
    CM_ASSERT(options->identity != NULL);
    cm_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory for a TLS connection");
    }
    tls->accepted = options->accepted;
    tls->accepted_count = options->accepted_count;
    tls->rekey_bytes = options->rekey_bytes > 0 ? options->rekey_bytes : REKEY_BYTES;
    tls->sql = sql;
    tls->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (tls->ctx != NULL && configure(tls, options->identity)) {
        tls->ssl = SSL_new(tls->ctx);
    }
    if (tls->ssl == NULL || !attach_queues(tls)) {
        cm_status st = fail(tls, "TLS cannot be set up", diag);
        cm_tls_free(tls);
        return st;
    }
    if (server) {
        SSL_set_accept_state(tls->ssl);
    } else {
        SSL_set_connect_state(tls->ssl);
        cm_status st = step_handshake(tls, diag);
        if (st != CM_OK) {
            cm_tls_free(tls);
            return st;
        }
    }
    *ret = tls;
    return CM_OK;
}

cm_status cm_tls_new_client(const cm_tls_options *options, cm_tls **ret, cm_diag *diag)
{
    return new_end(options, false, false, ret, diag);
}

cm_status cm_tls_new_server(const cm_tls_options *options, cm_tls **ret, cm_diag *diag)
{
    return new_end(options, true, false, ret, diag);
}

cm_status cm_tls_new_sql_server(const cm_identity *identity, cm_tls **ret, cm_diag *diag)
{
    return new_end(&(cm_tls_options){.identity = identity}, true, true, ret, diag);
}

void cm_tls_free(cm_tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        SSL_CTX_free(tls->ctx);
        BIO_meth_free(tls->method);
        cm_queue_free(&tls->in);
        cm_queue_free(&tls->out);
        free(tls);
    }
}

uint8_t *cm_tls_feed_reserve(cm_tls *tls, size_t bytes)
{
    return cm_queue_reserve(&tls->in, bytes);
}

cm_status cm_tls_feed_commit(cm_tls *tls, size_t bytes, cm_diag *diag)
{
    CM_ASSERT(!tls->failed);
    cm_queue_commit(&tls->in, bytes);
    return tls->established ? CM_OK : step_handshake(tls, diag);
}

cm_status cm_tls_feed(cm_tls *tls, const void *data, size_t bytes, cm_diag *diag)
{
    uint8_t *room = cm_tls_feed_reserve(tls, bytes);
    if (room == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory for received data");
    }
    if (bytes > 0) {
        memcpy(room, data, bytes);
    }
    return cm_tls_feed_commit(tls, bytes, diag);
}

bool cm_tls_established(const cm_tls *tls)
{
    return tls->established;
}

cm_status cm_tls_peer_cert(const cm_tls *tls, cm_cert *ret)
{
    X509 *x509 = tls->established ? SSL_get0_peer_certificate(tls->ssl) : NULL;
    return to_cert(x509, ret) ? CM_OK : CM_ENOTFOUND;
}

cm_status cm_tls_read(cm_tls *tls, void *ret_data, size_t max_bytes, size_t *ret_bytes,
                      cm_diag *diag)
{
    CM_ASSERT(tls->established && !tls->failed);
    uint8_t *next = ret_data;
    size_t total = 0;

    ERR_clear_error();
    while (total < max_bytes && !tls->closed) {
        size_t got;
        int done = SSL_read_ex(tls->ssl, next + total, max_bytes - total, &got);
        if (done == 1) {
            total += got;
            continue;
        }
        int why = SSL_get_error(tls->ssl, done);
        if (why == SSL_ERROR_WANT_READ) {
            break;
        }
        if (why != SSL_ERROR_ZERO_RETURN) {
            cm_wipe(ret_data, total);
            return fail(tls, "what was received is not authentic", diag);
        }
        tls->closed = true;
    }
    *ret_bytes = total;
    return CM_OK;
}

/* A new sending key before the limit of AES-GCM; in TLS 1.2 only PostgreSQL clients get there. */
static bool rekey_if_due(cm_tls *tls, size_t bytes)
{
    tls->bytes_under_key += bytes;
    if (tls->bytes_under_key < tls->rekey_bytes || SSL_version(tls->ssl) != TLS1_3_VERSION) {
        return true;
    }
    tls->bytes_under_key = 0;
    return SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1;
}

cm_status cm_tls_write(cm_tls *tls, const void *data, size_t bytes, cm_diag *diag)
{
    CM_ASSERT(tls->established && !tls->failed);
    const uint8_t *next = data;

    ERR_clear_error();
    while (bytes > 0) {
        size_t now = bytes < RECORD_BYTES ? bytes : RECORD_BYTES, put;
        if (!rekey_if_due(tls, now) || SSL_write_ex(tls->ssl, next, now, &put) != 1) {
            return fail(tls, "TLS could not encrypt", diag);
        }
        CM_ASSERT(put == now);
        next += now;
        bytes -= now;
    }
    return CM_OK;
}

bool cm_tls_closed(const cm_tls *tls)
{
    return tls->closed;
}

void cm_tls_close(cm_tls *tls)
{
    if (tls->established && !tls->failed) {
        ERR_clear_error();
        SSL_shutdown(tls->ssl); /* queues the alert; whether the peer answers is its affair */
        ERR_clear_error();
    }
}

void cm_tls_take(cm_tls *tls, cm_buf *ret)
{
    size_t bytes = cm_queue_bytes(&tls->out);

    cm_buf_put(ret, cm_queue_front(&tls->out), bytes);
    cm_queue_consume(&tls->out, bytes);
}

const uint8_t *cm_tls_pending(const cm_tls *tls, size_t *ret_bytes)
{
    *ret_bytes = cm_queue_bytes(&tls->out);
    return cm_queue_front(&tls->out);
}

void cm_tls_sent(cm_tls *tls, size_t bytes)
{
    cm_queue_consume(&tls->out, bytes);
}
