/*
 * node/session.h - one person's SQL session on a node, apart from how the bytes travel.  The faces
 * (pgwire) drive it: authenticate, parse, describe, execute, cancel.
 */
#ifndef CM_NODE_SESSION_H
#define CM_NODE_SESSION_H

#include "sql/plan.h"

typedef struct cm_node cm_node;
typedef struct cm_session cm_session;

/* SCRAM-SHA-256 verifier of a role (RFC 5802), as PostgreSQL keeps it. */
typedef struct cm_scram_verifier {
    unsigned iterations;
    uint8_t salt[16];
    uint8_t stored_key[32];
    uint8_t server_key[32];
} cm_scram_verifier;
/* A new verifier with a random salt. */
cm_scram_verifier cm_scram_verifier_of(const char *password);
/* False when the role does not exist: ret is then a made-up verifier that no password fits, derived
 * from a key of the node, so that names cannot be probed. */
bool cm_node_role_verifier(cm_node *node, const char *role, cm_scram_verifier *ret);

/* After authentication.  53300 when the node has too many sessions. */
CM_MUST cm_status cm_session_new(cm_node *node, const char *role, cm_session **ret, cm_diag *diag);
/* Cancels what runs; no more sink calls.  NULL allowed. */
void cm_session_free(cm_session *session);

/* Values of ParameterStatus messages: server_version, client_encoding, ... */
size_t cm_session_settings(const cm_session *session, const cm_option **ret);
/* 'I', 'T' or 'E': transactions are accepted, every statement stands alone. */
char cm_session_transaction_state(const cm_session *session);

typedef struct cm_result_col {
    const char *name;
    uint32_t oid;
    int16_t len;
    int32_t mod;
} cm_result_col;

/* Types of parameters (oids[i] 0: to be inferred; filled) and result columns (none: ret_cols 0). */
CM_MUST cm_status cm_session_describe(cm_session *session, const cm_stmt *stmt, uint32_t *oids,
                                      cm_arena *arena, const cm_result_col **ret_col,
                                      size_t *ret_cols, cm_diag *diag);

/* Where a statement's outcome goes.  columns comes first and at most once, then rows and notices,
 * then exactly one of done and failed, which may come before cm_session_execute returns.  All
 * pointers are borrowed during the call. */
typedef struct cm_session_sink {
    void *arg;
    void (*columns)(void *arg, const cm_result_col *col, size_t cols);
    void (*row)(void *arg, const char *const *text); /* NULL entries are SQL NULLs */
    /* COPY ... TO STDOUT, instead of columns and rows: once, then a line at a time. */
    void (*copy_begin)(void *arg, size_t cols);
    void (*copy_data)(void *arg, const uint8_t *data, size_t bytes);
    void (*notice)(void *arg, const cm_diag *diag); /* severity NOTICE */
    /* A changed setting that the protocol reports (ParameterStatus). */
    void (*setting)(void *arg, const char *name, const char *value);
    void (*done)(void *arg, const char *tag); /* "SELECT 3" */
    void (*failed)(void *arg, const cm_diag *diag);
} cm_session_sink;

/* One statement at a time.  params: texts in PostgreSQL's input format, NULL for NULL; oids as
 * describe left them. */
void cm_session_execute(cm_session *session, const cm_stmt *stmt, const char *const *params,
                        const uint32_t *oids, const cm_session_sink *sink);
/* Ends what runs with 57014 through the sink's failed. */
void cm_session_cancel(cm_session *session);

#endif
