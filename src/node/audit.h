/*
 * node/audit.h - the audit log: who asked what, what was disclosed, what came of it.
 *
 * Entry n holds the hash of entry n-1, and the node's Ed25519 signature over its own hash; the file
 * audit.head in the state directory holds the signed position of the end.  cm_audit_verify finds an
 * entry that was changed, dropped, inserted or moved, and an end that was cut off.  It cannot find:
 * a state directory that was put back as a whole (database and audit.head) to an earlier time, and
 * forgeries by whoever holds identity.pem.  The other members' logs of the same jobs can.
 */
#ifndef CM_NODE_AUDIT_H
#define CM_NODE_AUDIT_H

#include "node/state.h"

typedef struct cm_audit cm_audit;

typedef enum cm_audit_kind {
    CM_AUDIT_CONSENT = 1, /* this node was asked, and decided */
    CM_AUDIT_OUTCOME,     /* a job ended */
    CM_AUDIT_GOVERN,      /* DDL, grants, roles, settings, federation */
} cm_audit_kind;

typedef struct cm_audit_entry {
    uint64_t sequence; /* from 1; set by append */
    int64_t unix_time; /* set by append */
    cm_audit_kind kind;
    uint8_t job[CM_JOB_ID_BYTES]; /* zeros for GOVERN */
    const char *coordinator;      /* organisation that asked; own for GOVERN */
    const char *role;
    const char *sql;
    cm_hash plan;
    size_t disclosures;
    const char *const *disclosure; /* "to: what" */
    bool allowed;                  /* CONSENT: the decision; OUTCOME: it succeeded; GOVERN: true */
    const char *sqlstate;          /* why not, "" when allowed */
    const char *message;
    uint64_t bytes, rounds; /* OUTCOME: this node's own */
    uint64_t milliseconds;
    uint64_t opened[3];
} cm_audit_entry;

/* Borrows state and identity. */
CM_MUST cm_status cm_audit_open(cm_state *state, const cm_identity *identity, const char *dir,
                                cm_audit **ret, cm_diag *diag);
void cm_audit_close(cm_audit *audit);

/* Durable when it returns CM_OK (inside a transaction: when that commits; call cm_audit_sealed
 * then).  entry's sequence and time are ignored. */
CM_MUST cm_status cm_audit_append(cm_audit *audit, const cm_audit_entry *entry, cm_diag *diag);
/* Writes audit.head after a commit; cm_audit_append does it by itself outside transactions. */
void cm_audit_sealed(cm_audit *audit);

/* Calls fn for entries from sequence on. */
typedef cm_status (*cm_audit_fn)(void *arg, const cm_audit_entry *entry, cm_diag *diag);
CM_MUST cm_status cm_audit_walk(cm_state *state, uint64_t from, cm_audit_fn fn, void *arg,
                                cm_diag *diag);

/* Walks the whole log of a state directory, running or not.  CM_ECHEAT with the first bad entry in
 * the message; otherwise the number of entries and the last hash. */
CM_MUST cm_status cm_audit_verify(const char *dir, uint64_t *ret_entries, cm_hash *ret_head,
                                  cm_diag *diag);

#endif
