/*
 * proto/rep3_int.h - private to rep3_*.c: keys, neighbours, randomness in step.
 *
 * P_i holds the components (x_i, x_{i+1}) as legs 0 and 1, and the keys (k_i, k_{i+1}); k_j is
 * shared by the two holders of component j.  Indexes are modulo 3.  docs/protocols/rep3.md has the
 * protocols; its section numbers are referred to in the code.
 */
#ifndef CM_PROTO_REP3_INT_H
#define CM_PROTO_REP3_INT_H

#include "proto/proto_int.h"

/*
 * What a key is used for: each use has a stream of its own, so both holders stay in step whatever
 * the order in which a party works.
 */
typedef enum cm_rep3_use {
    CM_REP3_ZERO,        /* zero shares */
    CM_REP3_RANDOM,      /* random shares */
    CM_REP3_INPUT,       /* a party's inputs */
    CM_REP3_CONVERT,     /* conversions */
    CM_REP3_PERMUTATION, /* shuffle: permutations */
    CM_REP3_MASK,        /* shuffle: masks */
    CM_REP3_USES,
} cm_rep3_use;

typedef struct cm_rep3 {
    cm_prg key[2][CM_REP3_USES]; /* of k_i and of k_{i+1} */
    unsigned turn;               /* of shuffles: who starts the next */
} cm_rep3;

static inline unsigned cm_rep3_next(unsigned party)
{
    return (party + 1) % 3;
}
static inline unsigned cm_rep3_prev(unsigned party)
{
    return (party + 2) % 3;
}

/* The next words of k_i (which 0) or k_{i+1} (which 1). */
static inline void cm_rep3_draw(cm_mpc *mpc, unsigned which, cm_rep3_use use, uint64_t *ret,
                                size_t words)
{
    cm_rep3 *s = mpc->state;
    cm_prg_fill(&s->key[which][use], ret, words * sizeof *ret);
}

/* a_i = F(k_i) - F(k_{i+1}): this party's component of a sharing of 0.  other is working space. */
void cm_rep3_zero(cm_mpc *mpc, cm_group group, uint64_t *ret, uint64_t *other, size_t words);

/* rep3_sums.c */
CM_MUST cm_status cm_rep3_bit_sums(cm_mpc *mpc, const cm_bit_sums *sums, cm_arena scratch);
/* rep3_input.c */
CM_MUST cm_status cm_rep3_input(cm_mpc *mpc, cm_group group, unsigned owner, const uint64_t *values,
                                size_t words, cm_plane z, cm_arena scratch);
/* rep3_convert.c */
CM_MUST cm_status cm_rep3_bits_to_ring(cm_mpc *mpc, cm_bcol x, cm_acol z, cm_arena scratch);
CM_MUST cm_status cm_rep3_bit_to_ring(cm_mpc *mpc, cm_bcol x, const cm_acol *z, cm_arena scratch);
CM_MUST cm_status cm_rep3_ring_to_bits(cm_mpc *mpc, cm_acol x, cm_bcol z, cm_arena scratch);
/* rep3_shuffle.c */
CM_MUST cm_status cm_rep3_shuffle(cm_mpc *mpc, const cm_acol *ring, size_t ring_count,
                                  const cm_bcol *bits, size_t bits_count, size_t rows,
                                  cm_arena scratch);

#endif
