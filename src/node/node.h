/*
 * node/node.h - one organisation's node: its state directory, and everything that lives on its
 * event loop.  A process may hold several nodes (tests do); nothing here is global.
 *
 * A state directory (mode 0700) holds
 *   identity.pem   the Ed25519 key and certificate (0600)
 *   state.db       SQLite: everything that must survive (node/state.h)
 *   audit.head     signed position of the audit log (node/audit.h)
 *   admin.sock     socket for the command line (0600); a stale one is removed on start
 *   stored/        shares of materialized views (node/stored.h)
 *   cache/         what sources keep (CSV files loaded into SQLite)
 *   lock           held by the running daemon: two on one directory are refused
 *
 * Legal order: cm_node_init once; then cm_node_open, cm_loop_run, cm_node_free any number of times,
 * also after kill -9.
 */
#ifndef CM_NODE_NODE_H
#define CM_NODE_NODE_H

#include "crypto/identity.h"
#include "node/loop.h"

typedef struct cm_node cm_node;
typedef struct cm_state cm_state;       /* node/state.h */
typedef struct cm_catalog cm_catalog;   /* node/catalog.h */
typedef struct cm_peers cm_peers;       /* node/peers.h */
typedef struct cm_audit cm_audit;       /* node/audit.h */
typedef struct cm_jobs cm_jobs;         /* node/jobs.h */
typedef struct cm_founding cm_founding; /* node/federation.h */
typedef struct cm_federation cm_federation;

/*
 * Makes a state directory for organisation `org`: a lower-case SQL identifier.  listen is the node
 * port ("host:port", told to the others as it is: reachable from them), sql where PostgreSQL
 * clients connect.  admin is the first role: administrator, publisher and analyst.
 * 42602 for a bad name, 58030 or 53100 when the directory cannot be made; an existing node there
 * is never touched (42710).
 */
CM_MUST cm_status cm_node_init(const char *dir, const char *org, const char *listen,
                               const char *sql, const char *admin, const char *password,
                               cm_diag *diag);
/* 24 characters of a random password, about 142 bits. */
void cm_password_generate(char ret[static 25]);

typedef struct cm_node_options {
    const char *dir;
    const char *job_program; /* NULL: comity-job beside the running program */
} cm_node_options;

/*
 * Opens the state, takes the lock, listens on the node port and the admin socket, dials the other
 * members.  Everything then happens on the loop, which is borrowed.
 */
CM_MUST cm_status cm_node_open(cm_loop *loop, const cm_node_options *options, cm_node **ret,
                               cm_diag *diag);
/* Aborts what runs, closes everything.  NULL allowed.  Run the loop once more afterwards? No need:
 * cm_loop_free finishes what is closing. */
void cm_node_free(cm_node *node);

/* What a node consists of; all borrowed. */
cm_loop *cm_node_loop(cm_node *node);
cm_state *cm_node_state(cm_node *node);
cm_catalog *cm_node_catalog(cm_node *node);
cm_peers *cm_node_peers(cm_node *node);
cm_audit *cm_node_audit(cm_node *node);
cm_jobs *cm_node_jobs(cm_node *node);
cm_founding *cm_node_founding(cm_node *node);
const cm_identity *cm_node_identity(const cm_node *node);
const char *cm_node_dir(const cm_node *node);
const char *cm_node_cache_dir(const cm_node *node); /* for cm_source_open */
const char *cm_node_job_program(const cm_node *node);
const char *cm_node_org(const cm_node *node);
size_t *cm_node_sessions(cm_node *node); /* open SQL sessions: node/session.c counts them here */
const char *cm_node_listen_address(const cm_node *node);
const char *cm_node_sql_address(const cm_node *node);
/* The federation in force, NULL before there is one; borrowed until it is replaced. */
const cm_federation *cm_node_federation(const cm_node *node);

/* Called by node/founding.c with a verified federation, taken on CM_OK: it is stored, links are
 * rebuilt, jobs of the old one end. */
CM_MUST cm_status cm_node_set_federation(cm_node *node, cm_federation *federation, cm_diag *diag);

/*
 * One change of what this node publishes or who may do what (DDL, GRANT, roles).  Between begin and
 * commit the state functions write into one transaction; commit adds an audit entry, republishes
 * the catalog when it changed, and is durable when it returns CM_OK.  On failure everything is
 * undone.  sql goes into the audit log as it is: the caller takes passwords out.  Does not nest.
 */
CM_MUST cm_status cm_node_change_begin(cm_node *node, cm_diag *diag);
CM_MUST cm_status cm_node_change_commit(cm_node *node, const char *role, const char *sql,
                                        cm_diag *diag);
void cm_node_change_rollback(cm_node *node);

/* The log of the daemon: one line with time on stderr.  Never a secret or a private value. */
CM_PRINTF(2, 3) void cm_node_log(const cm_node *node, const char *format, ...);

#endif
