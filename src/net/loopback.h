/*
 * net/loopback.h - connected TCP sockets between the parties of one machine, for benchmarks: what
 * processes use that are forked afterwards.
 */
#ifndef CM_NET_LOOPBACK_H
#define CM_NET_LOOPBACK_H

#include "base/base.h"

/*
 * fds[i * participants + j] is i's end of the link between i and j, -1 for i == j.  Listens on
 * 127.0.0.1 alone, on a port that the kernel picks, for as long as the call takes.
 */
CM_MUST cm_status cm_loopback_links(unsigned participants, int *ret_fds, cm_diag *diag);
/* After a fork: closes the ends of everybody but `me`. */
void cm_loopback_keep(int *fds, unsigned participants, unsigned me);

#endif
