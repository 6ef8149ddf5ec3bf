/*
 * node/stored.h - the materialized views whose shares this node keeps as a computing party.
 *
 * A file's key is a row of the state, which is written before the party says that it is done and
 * deleted with the file.  A view is visible by its owner's catalog alone, which its owner publishes
 * when all parties have reported.  So files that no catalog names are what is left of something
 * that failed: they are wiped once they had time to be published, and at once when they were
 * published before (REFRESH, DROP).
 */
#ifndef CM_NODE_STORED_H
#define CM_NODE_STORED_H

#include "node/node.h"
#include "node/stored_file.h"
#include "sql/plan.h"

/* The directory of the files, made when it is not there. */
CM_MUST cm_status cm_node_stored_dir(cm_node *node, cm_arena *arena, const char **ret,
                                     cm_diag *diag);
/* Whether this node computes in the plan, and so keeps or reads shares. */
bool cm_stored_is_party(cm_node *node, const cm_plan *plan);
/* The keys of all views that the plan reads, as a computing party.  55000 when this node has lost
 * one, 42501 when its owner publishes something else about it than what was agreed on. */
CM_MUST cm_status cm_stored_keys(cm_node *node, const cm_plan *plan, cm_arena *arena,
                                 const cm_stored_key **ret, size_t *ret_count, cm_diag *diag);
/* The job's process has written the file of a plan with STORE: from now on it counts. */
CM_MUST cm_status cm_stored_keep(cm_node *node, const cm_plan *plan, const cm_stored_key *key,
                                 cm_diag *diag);
/* Wipes what a job left, also when nobody knows of it; what was published stays. */
void cm_stored_forget(cm_node *node, const uint8_t id[static CM_STORED_ID_BYTES]);
/* An ABORT of member `from`, whose part is over: its body begins with the job's number. */
void cm_stored_abort(cm_node *node, unsigned from, const uint8_t *data, size_t bytes);
/* Compares with what owners publish. */
void cm_stored_sweep(cm_node *node);
/* When the node starts: also files that no row of the state knows. */
void cm_stored_clean_up(cm_node *node);

#endif
