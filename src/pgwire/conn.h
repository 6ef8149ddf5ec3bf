/*
 * pgwire/conn.h - one client connection as a state machine without I/O: bytes in, bytes out.
 *
 *     startup -> (TLS) -> SCRAM -> ready <-> running a statement -> closed
 *
 * Protocol 3.0.  Limits: 10,000 bytes for a startup packet, 4 KiB for a message before
 * authentication, 16 MiB after.  While a statement runs, further messages wait; the owner of the
 * connection stops reading from the client when cm_pg_conn_waiting is over its limit.
 */
#ifndef CM_PGWIRE_CONN_H
#define CM_PGWIRE_CONN_H

#include "node/session.h"

typedef struct cm_pg_conn cm_pg_conn;

typedef struct cm_pg_io {
    void *arg;
    void (*send)(void *arg, const void *data, size_t bytes);
    /* After what was sent.  Called once, last; the callee frees the connection later. */
    void (*close)(void *arg);
    /* The client was told 'S': everything after it is TLS, and cm_pg_conn_feed gets plain text. */
    void (*start_tls)(void *arg);
    /* A cancel request came instead of a session. */
    void (*cancel)(void *arg, uint32_t pid, uint32_t secret);
} cm_pg_io;

CM_MUST cm_status cm_pg_conn_new(cm_node *node, const cm_pg_io *io, uint32_t pid, uint32_t secret,
                                 bool offer_tls, bool need_tls, cm_pg_conn **ret);
/* Ends the session and what it runs.  NULL allowed.  Not from inside feed. */
void cm_pg_conn_free(cm_pg_conn *conn);

void cm_pg_conn_feed(cm_pg_conn *conn, const void *data, size_t bytes);
/* Bytes received and not yet looked at. */
size_t cm_pg_conn_waiting(const cm_pg_conn *conn);
bool cm_pg_conn_authenticated(const cm_pg_conn *conn);
/* Cancels the running statement when the secret fits. */
void cm_pg_conn_cancel(cm_pg_conn *conn, uint32_t secret);
/* Says why (57P01, 53300) and closes. */
void cm_pg_conn_shut(cm_pg_conn *conn, const cm_diag *why);

#endif
