/*
 * net/shaper.h - a wire with delay and rate between network namespaces, moved packet by packet in
 * user space: for benchmarks, on kernels without netem.
 *
 * Each end is a TUN interface in the namespace of its owner, whose IPv4 address ends in the end's
 * number + 1.  What an end sends leaves it at the given rate, one packet after the other, and
 * arrives delay_ns later.  Nothing is lost before QUEUE_MAX_BYTES wait in one direction.
 */
#ifndef CM_NET_SHAPER_H
#define CM_NET_SHAPER_H

#include "base/base.h"

enum { CM_SHAPER_MAX = 8 };

typedef struct cm_shaper_options {
    unsigned ends;
    const int *fds;          /* of cm_shaper_tun */
    int64_t delay_ns;        /* one way */
    double bytes_per_second; /* of each end; 0: unlimited */
} cm_shaper_options;

/* Makes the TUN interface `name` in the caller's namespace; it still lacks an address. */
CM_MUST cm_status cm_shaper_tun(const char *name, int *ret_fd, cm_diag *diag);
/* Moves packets until the process is ended; returns when an interface fails. */
CM_MUST cm_status cm_shaper_run(const cm_shaper_options *options, cm_diag *diag);

#endif
