/*
 * node/admin.h - the command line's door to a running node: DIR/admin.sock, mode 0600.
 *
 * A request is a list of texts, the answer a text for people, both in frames of at most 1 MiB.
 *   status                          organisation, addresses, federation, members, links, jobs
 *   federation                      the federation file
 *   invite NAME HOURS ORG...        one line "org token" per invitee
 *   join TOKEN                      answers when the founder accepted
 *   audit                           sequence and hash of the last entry
 *   stop                            answers, then the daemon's loop ends
 */
#ifndef CM_NODE_ADMIN_H
#define CM_NODE_ADMIN_H

#include "node/node.h"

typedef struct cm_admin cm_admin;

CM_MUST cm_status cm_admin_new(cm_node *node, cm_admin **ret, cm_diag *diag);
void cm_admin_free(cm_admin *admin);

/* The client's side, blocking: for the command line.  57P03 when no daemon runs there. */
CM_MUST cm_status cm_admin_call(const char *dir, const char *const *request, size_t count,
                                int timeout_ms, cm_buf *ret_answer, cm_diag *diag);

#endif
