#include "support/parties.h"

#include "crypto/crypto.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Long enough for a loaded machine under sanitizers, short enough to see a hang. */
enum { IDLE_TIMEOUT_MS = 30000 };

/* Small, so that lanes have something to do in tests of few rows. */
enum { LANE_ROWS = 64 };

typedef struct party {
    cm_mpc_options options;
    cm_key seed;
    cm_mesh *mesh[CM_LANES_MAX];
    cm_party_fn fn;
    void *arg;
    cm_mpc *mpc;
    pthread_t thread;
} party;

static void *run_party(void *arg)
{
    party *p = arg;
    cm_arena arena;
    cm_diag diag = {0};

    cm_status st = cm_arena_init_secret(&arena, (size_t)1 << 30);
    CM_ASSERT(st == CM_OK);
    p->options.mesh = p->mesh;
    p->options.test_seed = &p->seed;
    st = cm_mpc_new_lanes(&p->options, &p->mpc, &diag);
    CM_ASSERT(st == CM_OK);
    p->fn(p->mpc, &arena, p->arg);
    cm_arena_fini(&arena);
    return NULL;
}

void cm_run_parties_in_lanes(cm_protocol protocol, unsigned participants, unsigned parties,
                             unsigned lanes, uint64_t seed, cm_trace **traces, cm_party_fn fn,
                             void *arg)
{
    party all[CM_MESH_MAX];
    cm_mesh *meshes[CM_MESH_MAX];

    CM_ASSERT(participants <= CM_MESH_MAX && lanes <= CM_LANES_MAX);
    for (unsigned i = 0; i < participants; i++) {
        all[i] = (party){.fn = fn, .arg = arg};
        all[i].options = (cm_mpc_options){.protocol = protocol,
                                          .lanes = lanes,
                                          .parties = parties,
                                          .scratch_bytes = (size_t)1 << 30,
                                          .lane_rows = LANE_ROWS};
        memcpy(all[i].seed.bytes, &seed, sizeof seed);
    }
    for (unsigned k = 0; k < lanes; k++) {
        unsigned linked = k == 0 ? participants : parties;
        CM_ASSERT(cm_mesh_new_memory(linked, IDLE_TIMEOUT_MS, meshes) == CM_OK);
        for (unsigned i = 0; i < linked; i++) {
            all[i].mesh[k] = meshes[i];
            if (traces) {
                cm_mesh_set_trace(meshes[i], traces[k * participants + i]);
            }
        }
    }
    for (unsigned i = 0; i < participants; i++) {
        CM_ASSERT(pthread_create(&all[i].thread, NULL, run_party, &all[i]) == 0);
    }
    /* Links stay open until everybody is done, so that no order of finishing makes a difference. */
    for (unsigned i = 0; i < participants; i++) {
        CM_ASSERT(pthread_join(all[i].thread, NULL) == 0);
    }
    for (unsigned i = 0; i < participants; i++) {
        cm_mpc_free(all[i].mpc);
        for (unsigned k = 0; k < lanes; k++) {
            cm_mesh_free(all[i].mesh[k]);
        }
    }
}

static unsigned lanes_asked_for(void)
{
    const char *text = getenv("COMITY_TEST_LANES");
    unsigned long lanes = text ? strtoul(text, NULL, 10) : 1;

    return lanes >= 1 && lanes <= CM_LANES_MAX ? (unsigned)lanes : 1;
}

void cm_run_parties(cm_protocol protocol, unsigned participants, unsigned parties, uint64_t seed,
                    cm_trace **traces, cm_party_fn fn, void *arg)
{
    unsigned lanes = lanes_asked_for();
    cm_trace **all = calloc((size_t)lanes * participants, sizeof *all);

    CM_ASSERT(all != NULL);
    if (traces) {
        memcpy(all, traces, participants * sizeof *all);
    }
    cm_run_parties_in_lanes(protocol, participants, parties, lanes, seed, all, fn, arg);
    free(all);
}

uint64_t cm_rng_next(cm_rng *rng)
{
    uint64_t z = (rng->state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t cm_rng_below(cm_rng *rng, uint64_t bound)
{
    CM_ASSERT(bound != 0);
    /* The bias is of no account in test data. */
    return (uint64_t)(((cm_u128)cm_rng_next(rng) * bound) >> 64);
}
