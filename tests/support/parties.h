/*
 * tests/support/parties.h - all parties of a session in one process, each in a thread, over memory
 * links: the way every protocol, circuit and table operator is tested.
 */
#ifndef CM_TESTS_SUPPORT_PARTIES_H
#define CM_TESTS_SUPPORT_PARTIES_H

#include "proto/proto.h"

/* One participant's part; arena is a secret arena of its own (1 GiB of address space). */
typedef void (*cm_party_fn)(cm_mpc *mpc, cm_arena *arena, void *arg);

/*
 * Runs fn in `participants` threads of which `parties` compute, with fixed keys (seed), waits for
 * all, and frees everything.  traces, when not NULL, has `participants` entries that record each
 * participant's messages.
 */
void cm_run_parties(cm_protocol protocol, unsigned participants, unsigned parties, uint64_t seed,
                    cm_trace **traces, cm_party_fn fn, void *arg);

/* The same in so many lanes, which split operations of 64 rows and more for each; traces has an
 * entry per participant and lane, lane by lane, which may be NULL. */
void cm_run_parties_in_lanes(cm_protocol protocol, unsigned participants, unsigned parties,
                             unsigned lanes, uint64_t seed, cm_trace **traces, cm_party_fn fn,
                             void *arg);

/* A small deterministic generator for test data (splitmix64). */
typedef struct cm_rng {
    uint64_t state;
} cm_rng;
uint64_t cm_rng_next(cm_rng *rng);
uint64_t cm_rng_below(cm_rng *rng, uint64_t bound);

#endif
