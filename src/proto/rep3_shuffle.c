/*
 * Shuffle (7): three permutations, each known to two parties, so that nobody knows the product.
 *
 * Let A = P_{j-1}, B = P_j, C = P_{j+1}; j moves on with every shuffle, so that the work evens out.
 * A table is split in two: a first piece at A and x_{j+1} at B.  Each pass permutes both pieces by
 * a permutation from a key that the two holders share, shifts a mask from that key from one piece
 * to the other, and hands one piece on:
 *
 *   k_j      A, B:  A sends its piece to C
 *   k_{j+1}  B, C:  B sends its piece to A
 *   k_{j+2}  C, A:  both make components of their pieces: y_{j+2} from the key, and
 *                   C sends y_{j+1}, A sends y_j to B
 *
 * B starts its second pass without waiting, so this is two rounds.  A sends two words a row, B and
 * C one.
 */
#include "proto/rep3_int.h"

#include <string.h>

typedef struct shuffler {
    cm_mpc *mpc;
    cm_flat flat;
    uint64_t *piece, *other; /* flat.words each: the piece and working space, swapped by permute */
    uint64_t *mask;
    uint32_t *from;
    cm_arena scratch;
} shuffler;

static void flat_add(shuffler *s, uint64_t *z, const uint64_t *x)
{
    size_t ring_words = s->flat.rings * s->flat.rows;

    s->mpc->kernels->add(z, z, x, ring_words);
    s->mpc->kernels->xor
        (z + ring_words, z + ring_words, x + ring_words, s->flat.words - ring_words);
}

static void flat_sub(shuffler *s, uint64_t *z, const uint64_t *x)
{
    size_t ring_words = s->flat.rings * s->flat.rows;

    s->mpc->kernels->sub(z, z, x, ring_words);
    s->mpc->kernels->xor
        (z + ring_words, z + ring_words, x + ring_words, s->flat.words - ring_words);
}

/* One pass over the piece under k_i (which 0) or k_{i+1} (which 1). */
static void permute(shuffler *s, unsigned which, bool gains_mask)
{
    cm_rep3 *state = s->mpc->state;

    cm_permutation_draw(&state->key[which][CM_REP3_PERMUTATION], s->from, s->flat.rows);
    cm_flat_gather(s->flat, s->piece, s->from, s->other, s->scratch);
    uint64_t *swap = s->piece;
    s->piece = s->other;
    s->other = swap;
    cm_rep3_draw(s->mpc, which, CM_REP3_MASK, s->mask, s->flat.words);
    (gains_mask ? flat_add : flat_sub)(s, s->piece, s->mask);
}

/* A = P_{j-1}: ret are its new components y_{j+2} and y_j. */
static cm_status play_a(shuffler *s, uint64_t *ret[2])
{
    unsigned b = cm_rep3_next(s->mpc->me), c = cm_rep3_prev(s->mpc->me);

    permute(s, 1, false);
    cm_status st = cm_wire_send(s->mpc, c, s->piece, s->flat.words);
    if (st == CM_OK) {
        st = cm_wire_recv(s->mpc, b, s->piece, s->flat.words);
    }
    if (st != CM_OK) {
        return st;
    }
    permute(s, 0, true);
    cm_rep3_draw(s->mpc, 0, CM_REP3_MASK, s->other, s->flat.words);
    ret[0] = s->other;
    ret[1] = s->piece;
    return cm_wire_send(s->mpc, b, s->piece, s->flat.words);
}

/* B = P_j: its new components y_j and y_{j+1} come from A and C. */
static cm_status play_b(shuffler *s, uint64_t *ret[2])
{
    unsigned c = cm_rep3_next(s->mpc->me), a = cm_rep3_prev(s->mpc->me);

    permute(s, 0, true);
    permute(s, 1, false);
    cm_status st = cm_wire_send(s->mpc, a, s->piece, s->flat.words);
    ret[0] = s->piece;
    ret[1] = s->other;
    if (st == CM_OK) {
        st = cm_wire_recv(s->mpc, c, ret[1], s->flat.words);
    }
    return st != CM_OK ? st : cm_wire_recv(s->mpc, a, ret[0], s->flat.words);
}

/* C = P_{j+1}: its new components y_{j+1} and y_{j+2}. */
static cm_status play_c(shuffler *s, uint64_t *ret[2])
{
    unsigned a = cm_rep3_next(s->mpc->me), b = cm_rep3_prev(s->mpc->me);

    cm_status st = cm_wire_recv(s->mpc, a, s->piece, s->flat.words);
    if (st != CM_OK) {
        return st;
    }
    permute(s, 0, true);
    permute(s, 1, false);
    cm_rep3_draw(s->mpc, 1, CM_REP3_MASK, s->other, s->flat.words);
    flat_sub(s, s->piece, s->other);
    ret[0] = s->piece;
    ret[1] = s->other;
    return cm_wire_send(s->mpc, b, s->piece, s->flat.words);
}

cm_status cm_rep3_shuffle(cm_mpc *mpc, const cm_acol *ring, size_t ring_count, const cm_bcol *bits,
                          size_t bits_count, size_t rows, cm_arena scratch)
{
    cm_rep3 *state = mpc->state;
    shuffler s = {.mpc = mpc, .flat = cm_flat_of(ring, ring_count, bits, bits_count, rows)};
    unsigned turn = state->turn;
    unsigned role = (mpc->me + 3 - turn) % 3; /* B, C, A */
    uint64_t *ret[2] = {NULL, NULL};

    state->turn = (turn + 1) % 3;
    s.piece = CM_NEW(&scratch, uint64_t, s.flat.words);
    s.other = CM_NEW(&scratch, uint64_t, s.flat.words);
    s.mask = CM_NEW(&scratch, uint64_t, s.flat.words);
    s.from = CM_NEW(&scratch, uint32_t, rows);
    s.scratch = scratch;

    cm_status st;
    if (role == 0) {
        cm_flat_load(s.flat, ring, bits, bits_count, 1, s.piece);
        st = play_b(&s, ret);
    } else if (role == 1) {
        st = play_c(&s, ret);
    } else {
        cm_flat_load(s.flat, ring, bits, bits_count, 0, s.piece);
        cm_flat_load(s.flat, ring, bits, bits_count, 1, s.other);
        flat_add(&s, s.piece, s.other);
        st = play_a(&s, ret);
    }
    if (st == CM_OK) {
        cm_flat_store(s.flat, ring, bits, bits_count, 0, ret[0]);
        cm_flat_store(s.flat, ring, bits, bits_count, 1, ret[1]);
    }
    return st;
}
