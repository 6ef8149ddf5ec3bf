/*
 * net/loopback.h - connected TCP sockets between the parties of one machine, for benchmarks: what
 * processes use that are forked afterwards.
 */
#ifndef CM_NET_LOOPBACK_H
#define CM_NET_LOOPBACK_H

#include "base/base.h"

/* Where a party's sockets are made: a network namespace, and the party's IPv4 address in it. */
typedef struct cm_loopback_place {
    int namespace_fd;
    char address[16];
} cm_loopback_place;

/*
 * fds[i * participants + j] is i's end of the link between i and j, -1 for i == j.  With places,
 * one per participant, i's ends live in the namespace of place i, whose addresses reach each other;
 * the caller ends up in the namespace where it was.  Without (NULL), all links are on 127.0.0.1.
 * Listens on these addresses alone, on a port that the kernel picks, for as long as the call takes.
 */
CM_MUST cm_status cm_loopback_links(unsigned participants, const cm_loopback_place *places,
                                    int *ret_fds, cm_diag *diag);
/* After a fork: closes the ends of everybody but `me`. */
void cm_loopback_keep(int *fds, unsigned participants, unsigned me);

#endif
