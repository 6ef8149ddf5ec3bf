/*
 * base/fabric.h - where the lanes of one party meet.
 *
 * A fabric is a team of threads, one per lane.  Work is given to all lanes at once and is over when
 * every lane is done with it: a fork and a join, and so a barrier before and behind each piece of
 * work.  Lanes share memory, so what one wrote before the join the others read after it: an
 * exchange of rows is a read of the neighbour's rows, a scan over lanes is a loop over their
 * totals.
 *
 * Lanes that have nothing to do sleep; a fork and a join cost some 10 microseconds.
 */
#ifndef CM_BASE_FABRIC_H
#define CM_BASE_FABRIC_H

#include "base/base.h"

enum { CM_LANES_MAX = 16 };

typedef struct cm_fabric cm_fabric;
typedef void cm_fabric_fn(unsigned lane, void *arg);

/* lanes - 1 threads, asleep; the caller is lane 0.  1 to CM_LANES_MAX. */
CM_MUST cm_status cm_fabric_new(unsigned lanes, cm_fabric **ret);
/* Ends the threads.  NULL is allowed. */
void cm_fabric_free(cm_fabric *fabric);

unsigned cm_fabric_lanes(const cm_fabric *fabric);

/*
 * fn(lane, arg) in every lane at once, lane 0 in the caller's thread; returns when all have
 * returned.  One caller at a time, and not from within fn.
 */
void cm_fabric_run(cm_fabric *fabric, cm_fabric_fn *fn, void *arg);

/*
 * A lane's part of so many items, as even as multiples of `grain` allow: *ret_first to *ret_end
 * - 1. A function of its arguments alone, so that parties cut alike.
 */
void cm_lane_part(size_t items, size_t grain, unsigned lane, unsigned lanes, size_t *ret_first,
                  size_t *ret_end);

#endif
