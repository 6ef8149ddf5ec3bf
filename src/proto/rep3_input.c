/* Input (5): two components are pseudorandom, the third corrects them to the value. */
#include "proto/rep3_int.h"

#include <string.h>

/*
 * Owner P_o: x_o = F(k_o), which P_{o-1} draws too; x_{o+1} = value - x_o goes to P_{o+1}; the
 * third component is 0.
 */
static cm_status input_by_party(cm_mpc *mpc, cm_group group, unsigned owner, const uint64_t *values,
                                size_t words, cm_plane z)
{
    if (mpc->me == owner) {
        cm_rep3_draw(mpc, 0, CM_REP3_INPUT, cm_leg(z, 0), words);
        cm_group_sub(mpc, group, cm_leg(z, 1), values, cm_leg(z, 0), words);
        return cm_wire_send(mpc, cm_rep3_next(owner), cm_leg(z, 1), words);
    }
    if (mpc->me == cm_rep3_next(owner)) {
        memset(z.leg[1], 0, words * sizeof *z.leg[1]);
        return cm_wire_recv(mpc, owner, cm_leg(z, 0), words);
    }
    memset(z.leg[0], 0, words * sizeof *z.leg[0]);
    cm_rep3_draw(mpc, 1, CM_REP3_INPUT, cm_leg(z, 1), words);
    return CM_OK;
}

/* Words of a component that is a seed. */
static void expand(const cm_mpc *mpc, const cm_key *seed, uint64_t *ret, size_t words)
{
    cm_prg prg;

    cm_prg_init(&prg, seed, 0, &mpc->cpu);
    cm_prg_fill(&prg, ret, words * sizeof *ret);
    cm_prg_fini(&prg);
}

/* Seeds of components 0 and 1 to their holders, and component 2 = value - both to P1 and P2. */
static cm_status send_from_outside(cm_mpc *mpc, cm_group group, const uint64_t *values,
                                   size_t words, const cm_key seed[2], cm_arena scratch)
{
    uint64_t *correction = CM_NEW(&scratch, uint64_t, words);
    uint64_t *component = CM_NEW(&scratch, uint64_t, words);

    for (unsigned c = 0; c < 2; c++) {
        expand(mpc, &seed[c], component, words);
        cm_group_sub(mpc, group, correction, c == 0 ? values : correction, component, words);
    }
    cm_status st = cm_mesh_send(mpc->mesh, 0, seed, 2 * sizeof *seed);
    for (unsigned p = 1; st == CM_OK && p < 3; p++) {
        st = cm_mesh_send(mpc->mesh, p, &seed[p == 1 ? 1 : 0], sizeof *seed);
        if (st == CM_OK) {
            st = cm_wire_send(mpc, p, correction, words);
        }
    }
    return st;
}

static cm_status receive_from_outside(cm_mpc *mpc, unsigned owner, size_t words, cm_plane z,
                                      cm_key seed[2])
{
    size_t seeds = mpc->me == 0 ? 2 : 1;
    cm_status st = cm_mesh_recv(mpc->mesh, owner, seed, seeds * sizeof *seed);
    if (st != CM_OK) {
        return st;
    }
    if (mpc->me == 0) {
        expand(mpc, &seed[0], cm_leg(z, 0), words);
        expand(mpc, &seed[1], cm_leg(z, 1), words);
        return CM_OK;
    }
    /* P1 holds (x_1, x_2), P2 holds (x_2, x_0). */
    unsigned corrected = mpc->me == 1 ? 1 : 0;
    expand(mpc, &seed[0], cm_leg(z, 1 - corrected), words);
    return cm_wire_recv(mpc, owner, cm_leg(z, corrected), words);
}

cm_status cm_rep3_input(cm_mpc *mpc, cm_group group, unsigned owner, const uint64_t *values,
                        size_t words, cm_plane z, cm_arena scratch)
{
    if (owner < 3) {
        return input_by_party(mpc, group, owner, values, words, z);
    }

    cm_key seed[2];
    cm_status st;
    if (mpc->me == owner) {
        cm_prg_fill(mpc->own, seed, sizeof seed);
        st = send_from_outside(mpc, group, values, words, seed, scratch);
    } else {
        st = receive_from_outside(mpc, owner, words, z, seed);
    }
    cm_wipe(seed, sizeof seed);
    return st;
}
