/*
 * node/catalog.h - what this node publishes, what the others publish, and the snapshot of both that
 * queries are planned on.
 *
 * A published catalog is the owner's tables, as canonical bytes, with a version that only grows,
 * signed by the owner.  Its digest is what proposals name.  Others' catalogs are verified against
 * the certificate in the federation file, stored, and may be relayed by anybody.
 */
#ifndef CM_NODE_CATALOG_H
#define CM_NODE_CATALOG_H

#include "node/node.h"
#include "sql/schema.h"

/* An immutable view, counted: whoever keeps pointers into it (a plan!) holds a reference. */
typedef struct cm_snapshot cm_snapshot;
cm_snapshot *cm_snapshot_hold(cm_snapshot *snapshot);
void cm_snapshot_release(cm_snapshot *snapshot); /* NULL allowed */
const cm_schema *cm_snapshot_schema(const cm_snapshot *snapshot);

/* The current one, borrowed: hold it to keep it.  Before there is a federation it shows this node's
 * own tables, with federation "". */
cm_snapshot *cm_node_snapshot(cm_node *node);
/* Shorthand for looks that end before control returns to the loop. */
const cm_schema *cm_node_schema(cm_node *node);

/* ---- used inside node/ -------------------------------------------------------------------- */

typedef struct cm_state_catalog cm_state_catalog; /* node/state.h */
/* The schema that members and signed catalogs (already verified) give: at the node and in its
 * jobs' processes alike.  federation NULL: org alone. */
CM_MUST cm_status cm_schema_of_catalogs(const cm_federation *federation, const char *org,
                                        const cm_state_catalog *catalogs, size_t count,
                                        cm_arena *arena, const cm_schema **ret, cm_diag *diag);

enum { CM_CATALOG_MAX_BYTES = 8 << 20 };

/* Identifies one published catalog; version 0 and zeros: none known. */
typedef struct cm_catalog_id {
    uint64_t version;
    cm_hash digest;
} cm_catalog_id;

CM_MUST cm_status cm_catalog_new(cm_node *node, cm_catalog **ret, cm_diag *diag);
void cm_catalog_free(cm_catalog *catalog);
/* Builds the own catalog from the state; signs and stores it under the next version when it
 * changed.  Part of the caller's transaction; cm_catalog_refresh shows it to the world. */
CM_MUST cm_status cm_catalog_publish(cm_catalog *catalog, bool *ret_changed, cm_diag *diag);
/* Reloads everything from the state and builds a new snapshot. */
CM_MUST cm_status cm_catalog_refresh(cm_catalog *catalog, cm_diag *diag);

cm_catalog_id cm_catalog_id_of(const cm_catalog *catalog, const char *org);
/* Signed bytes of one member's catalog (also the own one); NULL when none. */
const uint8_t *cm_catalog_bytes(const cm_catalog *catalog, const char *org, size_t *ret_bytes);
/* Takes a catalog from outside: verified, stored when newer.  *ret_new tells. */
CM_MUST cm_status cm_catalog_receive(cm_catalog *catalog, const uint8_t *data, size_t bytes,
                                     bool *ret_new, cm_diag *diag);

/* Codec of one signed catalog.  Decoding checks every field and the signature when cert is not
 * NULL; tables are allocated from the arena. */
typedef struct cm_catalog_content {
    const char *org;
    uint64_t version;
    size_t tables;
    const cm_org_table *table;
    cm_hash digest; /* of the signed part */
} cm_catalog_content;
CM_MUST cm_status cm_catalog_encode(const char *org, uint64_t version, const cm_org_table *tables,
                                    size_t count, const cm_identity *identity, cm_buf *out,
                                    cm_diag *diag);
CM_MUST cm_status cm_catalog_decode(const uint8_t *data, size_t bytes, const cm_cert *cert,
                                    cm_arena *arena, cm_catalog_content *ret, cm_diag *diag);

#endif
