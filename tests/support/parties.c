#include "support/parties.h"

#include "crypto/crypto.h"

#include <pthread.h>
#include <string.h>

/* Long enough for a loaded machine under sanitizers, short enough to see a hang. */
enum { IDLE_TIMEOUT_MS = 30000 };

typedef struct party {
    cm_protocol protocol;
    unsigned parties;
    cm_key seed;
    cm_mesh *mesh;
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
    st = cm_mpc_new(p->protocol, p->mesh, p->parties, &p->seed, &p->mpc, &diag);
    CM_ASSERT(st == CM_OK);
    p->fn(p->mpc, &arena, p->arg);
    cm_arena_fini(&arena);
    return NULL;
}

void cm_run_parties(cm_protocol protocol, unsigned participants, unsigned parties, uint64_t seed,
                    cm_trace **traces, cm_party_fn fn, void *arg)
{
    party all[CM_MESH_MAX];
    cm_mesh *meshes[CM_MESH_MAX];

    CM_ASSERT(participants <= CM_MESH_MAX);
    cm_status st = cm_mesh_new_memory(participants, IDLE_TIMEOUT_MS, meshes);
    CM_ASSERT(st == CM_OK);
    for (unsigned i = 0; i < participants; i++) {
        all[i] = (party){
            .protocol = protocol, .parties = parties, .mesh = meshes[i], .fn = fn, .arg = arg};
        memcpy(all[i].seed.bytes, &seed, sizeof seed);
        if (traces) {
            cm_mesh_set_trace(meshes[i], traces[i]);
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
        cm_mesh_free(meshes[i]);
    }
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
