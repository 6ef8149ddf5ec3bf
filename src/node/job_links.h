/*
 * node/job_links.h - how the processes of one job find each other: the lower number connects to the
 * other's node port and says which job it means; the higher gets the socket from its comityd.
 */
#ifndef CM_NODE_JOB_LINKS_H
#define CM_NODE_JOB_LINKS_H

#include "crypto/crypto.h"
#include "node/federation.h"

typedef struct cm_links_request {
    const uint8_t *job; /* 16 bytes */
    const cm_hash *federation;
    unsigned me, participants;
    unsigned parties; /* the first of the participants: they alone have lanes other than 0 */
    unsigned lanes;
    const cm_federation_member *const *member; /* participants entries */
    int handed_fd;                             /* where comityd hands over sockets */
    int timeout_ms;
} cm_links_request;

/*
 * ret_fds[lane * participants + j] is a connected socket to lane `lane` of participant j, not
 * authenticated yet; -1 for oneself and where there is no link.  On failure (08006, names who is
 * missing) all are closed.
 */
CM_MUST cm_status cm_links_open(const cm_links_request *request, int *ret_fds, cm_diag *diag);

#endif
