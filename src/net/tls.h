/*
 * net/tls.h - one end of a TLS connection without any I/O: ciphertext goes in and comes out through
 * memory, so that an event loop, a mesh of sockets and a test drive it alike.
 *
 *     received bytes -> cm_tls_feed  -> cm_tls_read  -> plain text
 *     plain text     -> cm_tls_write -> cm_tls_take  -> bytes to send
 *
 * After every call to feed, read, write or close there may be bytes to send: handshake messages
 * are made inside feed and read.  A connection starts by sending what a new client has to take.
 *
 * Nodes talk TLS 1.3 only, AES-128-GCM, X25519, Ed25519 certificates, both ends authenticated,
 * without session tickets, resumption, renegotiation or early data.  A certificate is accepted by
 * comparing its bytes, never by a chain of authorities.  PostgreSQL clients may use TLS 1.2, and
 * present no certificate.  One thread at a time.
 */
#ifndef CM_NET_TLS_H
#define CM_NET_TLS_H

#include "base/buf.h"
#include "crypto/identity.h"

typedef struct cm_tls cm_tls;

/*
 * Who may be at the other end.  With accepted certificates, the peer must present one of them byte
 * for byte and within its validity.  With accepted_count 0 the peer must still prove a valid
 * Ed25519 certificate, and the caller decides by cm_tls_peer_cert: a founding or joining node.
 * identity and accepted are borrowed and outlive the connection.
 */
typedef struct cm_tls_options {
    const cm_identity *identity;
    const cm_cert *accepted;
    size_t accepted_count;
    uint64_t rekey_bytes; /* plain text under one key; 0: the default of 64 GiB */
} cm_tls_options;

CM_MUST cm_status cm_tls_new_client(const cm_tls_options *options, cm_tls **ret, cm_diag *diag);
CM_MUST cm_status cm_tls_new_server(const cm_tls_options *options, cm_tls **ret, cm_diag *diag);
/* The port of PostgreSQL clients: TLS 1.2 or 1.3, the client is authenticated by password later. */
CM_MUST cm_status cm_tls_new_sql_server(const cm_identity *identity, cm_tls **ret, cm_diag *diag);
/* Wipes.  NULL is allowed. */
void cm_tls_free(cm_tls *tls);

/*
 * Takes received ciphertext and goes on with the handshake.  CM_EDENIED: the peer's certificate is
 * not accepted, or it refused ours; CM_EPROTO: not TLS, or not authentic.  After a failure only
 * take (a last alert for the peer) and free may be called.
 */
CM_MUST cm_status cm_tls_feed(cm_tls *tls, const void *data, size_t bytes, cm_diag *diag);
/* The same in two steps, so that recv() can write in place: room (NULL: no memory), then commit. */
CM_MUST uint8_t *cm_tls_feed_reserve(cm_tls *tls, size_t bytes);
CM_MUST cm_status cm_tls_feed_commit(cm_tls *tls, size_t bytes, cm_diag *diag);

/*
 * The handshake is over at this end, and cm_tls_read and cm_tls_write may be called.  A client's
 * end is over before the server has looked at the client's certificate: the refusal comes with a
 * later feed or read.
 */
CM_MUST bool cm_tls_established(const cm_tls *tls);
/* The certificate that the peer proved to own.  CM_ENOTFOUND when it showed none. */
CM_MUST cm_status cm_tls_peer_cert(const cm_tls *tls, cm_cert *ret);

/*
 * Up to max_bytes of plain text.  *ret_bytes is 0 when more ciphertext has to be fed first, or when
 * cm_tls_closed.
 */
CM_MUST cm_status cm_tls_read(cm_tls *tls, void *ret_data, size_t max_bytes, size_t *ret_bytes,
                              cm_diag *diag);
/* Encrypts all of it. */
CM_MUST cm_status cm_tls_write(cm_tls *tls, const void *data, size_t bytes, cm_diag *diag);
/* The peer said that it will send no more.  A connection that ends without was cut. */
CM_MUST bool cm_tls_closed(const cm_tls *tls);
/* Tells the peer that we shall send no more. */
void cm_tls_close(cm_tls *tls);

/* Appends all bytes to send to ret and drops them here; check ret->failed. */
void cm_tls_take(cm_tls *tls, cm_buf *ret);
/* The same without a copy: borrow them, then drop those that were sent. */
CM_MUST const uint8_t *cm_tls_pending(const cm_tls *tls, size_t *ret_bytes);
void cm_tls_sent(cm_tls *tls, size_t bytes);

#endif
