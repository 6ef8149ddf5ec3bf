/*
 * node/state.h - what a node remembers: one SQLite file, WAL, synchronous=FULL, so that what was
 * acknowledged survives kill -9 and power loss.  sqlite3.h is included by state*.c alone.
 *
 * Functions that write are durable when they return, or, between begin and commit, when commit
 * returns.  A full disk gives 53100, any other refusal of the disk 58030; the state is then as it
 * was before.  Texts and trees are allocated from the caller's arena.  One thread.
 */
#ifndef CM_NODE_STATE_H
#define CM_NODE_STATE_H

#include "crypto/identity.h"
#include "node/session.h"
#include "sql/stmt.h"

typedef struct cm_state cm_state;

enum { CM_STATE_VERSION = 3, CM_JOB_ID_BYTES = 16 };

/* Creates (create: there must be none) or opens; 55000 for a file of a newer schema version. */
CM_MUST cm_status cm_state_open(const char *path, bool create, cm_state **ret, cm_diag *diag);
/* To look only (audit verify of a running node). */
CM_MUST cm_status cm_state_open_readonly(const char *path, cm_state **ret, cm_diag *diag);
void cm_state_close(cm_state *state); /* NULL allowed */

CM_MUST cm_status cm_state_begin(cm_state *state, cm_diag *diag);
CM_MUST cm_status cm_state_commit(cm_state *state, cm_diag *diag); /* rolls back on failure */
void cm_state_rollback(cm_state *state);
bool cm_state_in_change(const cm_state *state);

/* Small facts by key: "org", "listen", ... *ret is NULL when absent. */
CM_MUST cm_status cm_state_fact_get(cm_state *state, const char *key, cm_arena *arena,
                                    const char **ret, cm_diag *diag);
CM_MUST cm_status cm_state_fact_put(cm_state *state, const char *key, const char *value,
                                    cm_diag *diag); /* NULL deletes */
/* The same for bytes. */
CM_MUST cm_status cm_state_blob_get(cm_state *state, const char *key, cm_buf *ret, bool *ret_found,
                                    cm_diag *diag);
CM_MUST cm_status cm_state_blob_put(cm_state *state, const char *key, const void *data,
                                    size_t bytes, cm_diag *diag);

/* Settings of the node, as text; names and defaults: cm_settings in node/jobs.h. */
CM_MUST cm_status cm_state_setting_get(cm_state *state, const char *name, cm_arena *arena,
                                       const char **ret, cm_diag *diag);
CM_MUST cm_status cm_state_setting_put(cm_state *state, const char *name, const char *value,
                                       cm_diag *diag);

/* ---- servers ------------------------------------------------------------------------------ */

typedef struct cm_state_server {
    const char *name;
    const char *wrapper; /* "csv", "sqlite", "postgres" */
    cm_options options;
} cm_state_server;
/* 42710 when it exists; 42704 when it does not; 2BP01 when tables use it. */
CM_MUST cm_status cm_state_server_add(cm_state *state, const cm_state_server *server,
                                      cm_diag *diag);
CM_MUST cm_status cm_state_server_drop(cm_state *state, const char *name, cm_diag *diag);
CM_MUST cm_status cm_state_server_get(cm_state *state, const char *name, cm_arena *arena,
                                      cm_state_server *ret, cm_diag *diag);
CM_MUST cm_status cm_state_server_list(cm_state *state, cm_arena *arena,
                                       const cm_state_server **ret, size_t *ret_count,
                                       cm_diag *diag);

/* ---- enum types --------------------------------------------------------------------------- */

/* 42710 when it exists; 42704 when it does not.  Whether tables use a type is the caller's check:
 * tables carry their own copy of the labels. */
CM_MUST cm_status cm_state_enum_add(cm_state *state, const cm_enum *type, cm_diag *diag);
CM_MUST cm_status cm_state_enum_drop(cm_state *state, const char *name, cm_diag *diag);
CM_MUST cm_status cm_state_enum_get(cm_state *state, const char *name, cm_arena *arena,
                                    const cm_enum **ret, cm_diag *diag);
CM_MUST cm_status cm_state_enum_list(cm_state *state, cm_arena *arena, const cm_enum *const **ret,
                                     size_t *ret_count, cm_diag *diag);

/* ---- foreign tables, with their labels and grants ----------------------------------------- */

typedef struct cm_state_table {
    cm_org_table table; /* what is published: columns, labels, grants, bound of rows */
    const char *server;
    const char *remote;            /* OPTIONS (table ...) */
    const char *const *remote_col; /* table.cols entries */
} cm_state_table;
/* 42P07 when it exists, 42704 when the server does not. */
CM_MUST cm_status cm_state_table_add(cm_state *state, const cm_state_table *table, cm_diag *diag);
/* Replaces an existing one (labels, grants, rows): 42P01 when there is none. */
CM_MUST cm_status cm_state_table_replace(cm_state *state, const cm_state_table *table,
                                         cm_diag *diag);
CM_MUST cm_status cm_state_table_drop(cm_state *state, const char *name, cm_diag *diag); /* 42P01 */
CM_MUST cm_status cm_state_table_get(cm_state *state, const char *name, cm_arena *arena,
                                     cm_state_table *ret, cm_diag *diag); /* 42P01 */
/* Ordered by name. */
CM_MUST cm_status cm_state_table_list(cm_state *state, cm_arena *arena, const cm_state_table **ret,
                                      size_t *ret_count, cm_diag *diag);

/* ---- views -------------------------------------------------------------------------------- */

typedef struct cm_state_view {
    const char *name;
    size_t cols; /* names of its first columns */
    const char *const *col;
    const char *definition; /* a SELECT */
} cm_state_view;
CM_MUST cm_status cm_state_view_put(cm_state *state, const cm_state_view *view, cm_diag *diag);
CM_MUST cm_status cm_state_view_drop(cm_state *state, const char *name, cm_diag *diag); /* 42P01 */
CM_MUST cm_status cm_state_view_find(cm_state *state, const char *name, cm_arena *arena,
                                     cm_state_view *ret, bool *ret_found, cm_diag *diag);
/* Ordered by name. */
CM_MUST cm_status cm_state_view_list(cm_state *state, cm_arena *arena, const cm_state_view **ret,
                                     size_t *ret_count, cm_diag *diag);

/* ---- materialized views ------------------------------------------------------------------- */

typedef struct cm_state_matview { /* that this node owns */
    cm_state_view view;
    cm_org_table table; /* as it is published, with grants */
} cm_state_matview;
CM_MUST cm_status cm_state_matview_put(cm_state *state, const cm_state_matview *view,
                                       cm_diag *diag);
CM_MUST cm_status cm_state_matview_drop(cm_state *state, const char *name, cm_diag *diag);
CM_MUST cm_status cm_state_matview_find(cm_state *state, const char *name, cm_arena *arena,
                                        cm_state_matview *ret, bool *ret_found, cm_diag *diag);
CM_MUST cm_status cm_state_matview_list(cm_state *state, cm_arena *arena,
                                        const cm_state_matview **ret, size_t *ret_count,
                                        cm_diag *diag);

/* Shares that this node keeps: node/stored.h. */
typedef struct cm_state_stored {
    uint8_t id[CM_JOB_ID_BYTES];
    const char *owner, *name;
    uint8_t key[32]; /* secret */
    cm_hash facts;   /* cm_stored_digest of what was agreed on */
    bool published;  /* its owner's catalog has named it */
    int64_t created_unix;
} cm_state_stored;
CM_MUST cm_status cm_state_stored_put(cm_state *state, const cm_state_stored *row, cm_diag *diag);
CM_MUST cm_status cm_state_stored_publish(cm_state *state, const uint8_t id[static CM_JOB_ID_BYTES],
                                          cm_diag *diag);
CM_MUST cm_status cm_state_stored_drop(cm_state *state, const uint8_t id[static CM_JOB_ID_BYTES],
                                       cm_diag *diag);
CM_MUST cm_status cm_state_stored_find(cm_state *state, const uint8_t id[static CM_JOB_ID_BYTES],
                                       cm_arena *arena, cm_state_stored *ret, bool *ret_found,
                                       cm_diag *diag);
CM_MUST cm_status cm_state_stored_list(cm_state *state, cm_arena *arena,
                                       const cm_state_stored **ret, size_t *ret_count,
                                       cm_diag *diag);

/* ---- roles -------------------------------------------------------------------------------- */

typedef struct cm_state_role {
    const char *name;
    bool login; /* verifier is set */
    cm_scram_verifier verifier;
    bool administrator; /* roles, settings, federation */
    bool publisher;     /* servers, types, tables, labels, grants */
    bool analyst;       /* queries */
} cm_state_role;
CM_MUST cm_status cm_state_role_add(cm_state *state, const cm_state_role *role,
                                    cm_diag *diag); /* 42710 */
CM_MUST cm_status cm_state_role_replace(cm_state *state, const cm_state_role *role,
                                        cm_diag *diag);                                 /* 42704 */
CM_MUST cm_status cm_state_role_drop(cm_state *state, const char *name, cm_diag *diag); /* 42704 */
CM_MUST cm_status cm_state_role_get(cm_state *state, const char *name, cm_arena *arena,
                                    cm_state_role *ret, cm_diag *diag); /* CM_ENOTFOUND, 42704 */
CM_MUST cm_status cm_state_role_list(cm_state *state, cm_arena *arena, const cm_state_role **ret,
                                     size_t *ret_count, cm_diag *diag);

/* ---- used inside node/ -------------------------------------------------------------------- */

/* Catalogs received from other members, as signed by them. */
typedef struct cm_state_catalog cm_state_catalog;
struct cm_state_catalog {
    const char *org;
    size_t bytes;
    const uint8_t *data;
};
CM_MUST cm_status cm_state_catalog_put(cm_state *state, const cm_state_catalog *catalog,
                                       cm_diag *diag);
CM_MUST cm_status cm_state_catalog_list(cm_state *state, cm_arena *arena,
                                        const cm_state_catalog **ret, size_t *ret_count,
                                        cm_diag *diag);
CM_MUST cm_status cm_state_catalog_clear(cm_state *state, cm_diag *diag);

/* Invitations of the federation that this node is founding. */
typedef struct cm_state_invite {
    const char *org;
    uint8_t secret[16];
    int64_t expires_unix;
    bool joined; /* certificate and endpoint are set; the secret is used up */
    const char *endpoint;
    cm_cert cert;
    bool is_signed;
    uint8_t signature[CM_SIGNATURE_BYTES];
} cm_state_invite;
CM_MUST cm_status cm_state_invite_put(cm_state *state, const cm_state_invite *invite,
                                      cm_diag *diag);
CM_MUST cm_status cm_state_invite_list(cm_state *state, cm_arena *arena,
                                       const cm_state_invite **ret, size_t *ret_count,
                                       cm_diag *diag);
CM_MUST cm_status cm_state_invite_clear(cm_state *state, cm_diag *diag);

/* The audit log's rows; node/audit.c gives them meaning. */
typedef struct cm_state_audit_row {
    uint64_t sequence;
    uint8_t job[CM_JOB_ID_BYTES];
    size_t bytes;
    const uint8_t *body;
    cm_hash hash;
    uint8_t signature[CM_SIGNATURE_BYTES];
} cm_state_audit_row;
CM_MUST cm_status cm_state_audit_put(cm_state *state, const cm_state_audit_row *row, cm_diag *diag);
/* Highest sequence and its hash; 0 and zeros when empty. */
CM_MUST cm_status cm_state_audit_last(cm_state *state, uint64_t *ret_sequence, cm_hash *ret_hash,
                                      cm_diag *diag);
/* Calls fn for rows from sequence on, in order of sequence; fn stops by any status but CM_OK. */
typedef cm_status (*cm_state_audit_fn)(void *arg, const cm_state_audit_row *row, cm_diag *diag);
CM_MUST cm_status cm_state_audit_walk(cm_state *state, uint64_t from, cm_state_audit_fn fn,
                                      void *arg, cm_diag *diag);
CM_MUST cm_status cm_state_audit_has_job(cm_state *state, const uint8_t job[CM_JOB_ID_BYTES],
                                         bool *ret, cm_diag *diag);

#endif
