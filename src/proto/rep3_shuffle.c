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
 *
 * Lanes: permutations are of all rows and come from lane 0's streams.  Each lane gathers a part of
 * the rows of ring columns and a part of the planes; then each masks, sends and receives a part of
 * the flat vector over its own links and from its own streams.
 *
 * Memory: a single boolean column is a flat vector as it is, and planes are gathered in place, so
 * it is shuffled in its own legs, with a word and a number a row besides.  What is sent is handed
 * to the kernel a piece at a time, so that no queue holds a table.  Nobody waits in a circle: C
 * takes from A before it does anything else, A from B once C has all of its piece, and B from both
 * when it has sent everything.
 */
#include "proto/rep3_int.h"

#include "crypto/crypto.h"

#include <string.h>

typedef struct shuffler {
    cm_mpc *mpc;
    cm_flat flat;
    bool in_place;           /* no ring columns: planes are gathered where they are */
    uint64_t *piece, *other; /* flat.words each; when not in place, permute swaps them */
    uint32_t *from;
    cm_arena scratch;
} shuffler;

/* What is to be done to words of the flat vector; in this order. */
typedef struct step {
    const shuffler *s;
    uint64_t *z;
    int sign;        /* z += sign * a mask */
    unsigned which;  /* of the mask's key */
    uint64_t *drawn; /* another draw from k_{which}, unless NULL; z -= it if asked for */
    bool minus_drawn;
    unsigned to; /* who gets z; CM_MESH_MAX: nobody */
} step;

enum { NOBODY = CM_MESH_MAX, MASK_WORDS = 1 << 11, SEND_WORDS = 1 << 17 };

/* z += x or z -= x for words first .. end - 1 of z, ring words, then planes; x begins there. */
static void flat_combine(const shuffler *s, bool add, uint64_t *z, const uint64_t *x, size_t first,
                         size_t end)
{
    const cm_kernels *kernels = s->mpc->kernels;
    size_t ring_words = s->flat.rings * s->flat.rows;
    size_t ring_end = end < ring_words ? end : ring_words;
    size_t plane_first = first > ring_words ? first : ring_words;

    if (first < ring_end) {
        (add ? kernels->add : kernels->sub)(z + first, z + first, x, ring_end - first);
    }
    if (plane_first < end) {
        kernels->xor
            (z + plane_first, z + plane_first, x + (plane_first - first), end - plane_first);
    }
}

/* z += mask or z -= mask for words first .. end - 1, a block of the stream at a time. */
static void mask_words(cm_mpc *lane, const step *t, size_t first, size_t end)
{
    uint64_t mask[MASK_WORDS];

    for (size_t at = first; at < end; at += MASK_WORDS) {
        size_t words = end - at < MASK_WORDS ? end - at : MASK_WORDS;
        cm_rep3_draw(lane, t->which, CM_REP3_MASK, mask, words);
        flat_combine(t->s, t->sign > 0, t->z, mask, at, at + words);
    }
    cm_wipe(mask, sizeof mask);
}

static cm_status run_step(cm_mpc *lane, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const step *t = arg;
    cm_status st = CM_OK;

    (void)scratch;
    if (t->drawn) { /* both draws are from one stream: all of one, then all of the other */
        mask_words(lane, t, first, end);
        cm_rep3_draw(lane, t->which, CM_REP3_MASK, t->drawn + first, end - first);
    }
    for (size_t at = first, stop; st == CM_OK && at < end; at = stop) {
        stop = end - at < SEND_WORDS ? end : at + SEND_WORDS;
        if (t->minus_drawn) {
            flat_combine(t->s, false, t->z, t->drawn + at, at, stop);
        } else if (!t->drawn) {
            mask_words(lane, t, at, stop);
        }
        if (t->to != NOBODY) {
            st = cm_wire_send(lane, t->to, t->z + at, stop - at);
            st = st == CM_OK ? cm_mesh_flush(lane->mesh) : st;
        }
    }
    return st;
}

static cm_status in_lanes(const shuffler *s, cm_lane_fn *fn, void *arg)
{
    return cm_lanes_run(s->mpc, s->flat.words, CM_LANE_GRAIN, s->flat.words, fn, arg, s->scratch);
}

typedef struct arrival {
    unsigned from;
    uint64_t *ret;
} arrival;

static cm_status receive_words(cm_mpc *lane, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const arrival *a = arg;

    (void)scratch;
    return cm_wire_recv(lane, a->from, a->ret + first, end - first);
}

static cm_status receive(const shuffler *s, unsigned from, uint64_t *ret)
{
    arrival a = {from, ret};

    return in_lanes(s, receive_words, &a);
}

static cm_status gather_rows(cm_mpc *lane, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const shuffler *s = arg;

    (void)lane;
    (void)scratch;
    cm_flat_gather_rings(s->flat, s->piece, s->from, first, end, s->other);
    return CM_OK;
}

static cm_status gather_planes(cm_mpc *lane, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const shuffler *s = arg;

    (void)lane;
    cm_flat_gather_planes(s->flat, s->piece, s->from, first, end, s->in_place ? s->piece : s->other,
                          scratch);
    return CM_OK;
}

/* The piece in the order of k_i (which 0) or k_{i+1} (which 1). */
static cm_status permute(shuffler *s, unsigned which)
{
    cm_rep3 *state = s->mpc->state;

    cm_permutation_draw(&state->key[which][CM_REP3_PERMUTATION], s->from, s->flat.rows, s->scratch);
    cm_status st = cm_lanes_run(s->mpc, s->flat.rows, CM_LANE_GRAIN, s->flat.rings * s->flat.rows,
                                gather_rows, s, s->scratch);
    if (st == CM_OK) {
        st = cm_lanes_run(s->mpc, s->flat.planes, 1, s->flat.words - s->flat.rings * s->flat.rows,
                          gather_planes, s, s->scratch);
    }
    if (!s->in_place) {
        uint64_t *swap = s->piece;
        s->piece = s->other;
        s->other = swap;
    }
    return st;
}

/* One pass over the piece: permuted, a mask added or subtracted, and sent. */
static cm_status pass(shuffler *s, unsigned which, int sign, unsigned to)
{
    cm_status st = permute(s, which);
    step t = {.s = s, .z = s->piece, .sign = sign, .which = which, .to = to};

    return st != CM_OK ? st : in_lanes(s, run_step, &t);
}

/* A = P_{j-1}: ret are its new components y_{j+2} and y_j. */
static cm_status play_a(shuffler *s, uint64_t *ret[2])
{
    unsigned b = cm_rep3_next(s->mpc->me), c = cm_rep3_prev(s->mpc->me);

    cm_status st = pass(s, 1, -1, c);
    if (st == CM_OK) {
        st = receive(s, b, s->piece);
    }
    if (st == CM_OK) {
        st = permute(s, 0);
    }
    ret[0] = s->other;
    ret[1] = s->piece;
    step t = {.s = s, .z = s->piece, .sign = 1, .which = 0, .drawn = s->other, .to = b};
    return st != CM_OK ? st : in_lanes(s, run_step, &t);
}

/* B = P_j: its new components y_j and y_{j+1} come from A and C. */
static cm_status play_b(shuffler *s, uint64_t *ret[2])
{
    unsigned c = cm_rep3_next(s->mpc->me), a = cm_rep3_prev(s->mpc->me);

    cm_status st = pass(s, 0, 1, NOBODY);
    if (st == CM_OK) {
        st = pass(s, 1, -1, a);
    }
    ret[0] = s->other;
    ret[1] = s->piece;
    if (st == CM_OK) {
        st = receive(s, a, ret[0]);
    }
    return st != CM_OK ? st : receive(s, c, ret[1]);
}

/* C = P_{j+1}: its new components y_{j+1} and y_{j+2}. */
static cm_status play_c(shuffler *s, uint64_t *ret[2])
{
    unsigned a = cm_rep3_next(s->mpc->me), b = cm_rep3_prev(s->mpc->me);

    cm_status st = receive(s, a, s->piece);
    if (st == CM_OK) {
        st = pass(s, 0, 1, NOBODY);
    }
    if (st == CM_OK) {
        st = permute(s, 1);
    }
    ret[0] = s->piece;
    ret[1] = s->other;
    step t = {.s = s, .z = s->piece, .sign = -1, .which = 1, .drawn = s->other, .to = b};
    t.minus_drawn = true;
    return st != CM_OK ? st : in_lanes(s, run_step, &t);
}

/* Plays the role with the piece loaded; legs hold the flat vectors of both components. */
static cm_status play(shuffler *s, unsigned role, uint64_t *const leg[2], uint64_t *ret[2])
{
    /* Where each role leaves its components: ret[k] is leg k, if nothing is swapped. */
    s->piece = leg[role == 1 ? 0 : 1];
    s->other = leg[role == 1 ? 1 : 0];
    if (role == 2) {
        flat_combine(s, true, s->piece, s->other, 0, s->flat.words);
    }
    return role == 0 ? play_b(s, ret) : role == 1 ? play_c(s, ret) : play_a(s, ret);
}

cm_status cm_rep3_shuffle(cm_mpc *mpc, const cm_acol *ring, size_t ring_count, const cm_bcol *bits,
                          size_t bits_count, size_t rows, cm_arena scratch)
{
    cm_rep3 *state = mpc->state;
    shuffler s = {.mpc = mpc, .flat = cm_flat_of(ring, ring_count, bits, bits_count, rows)};
    unsigned turn = state->turn;
    unsigned role = (mpc->me + 3 - turn) % 3; /* B, C, A */
    bool is_flat = ring_count == 0 && bits_count == 1 && s.flat.words > 0;
    uint64_t *leg[2], *ret[2] = {NULL, NULL};

    state->turn = (turn + 1) % 3;
    s.in_place = ring_count == 0;
    for (unsigned k = 0; k < 2; k++) {
        leg[k] =
            is_flat ? cm_b64_words(bits[0].leg[k]) : CM_NEW_RAW(&scratch, uint64_t, s.flat.words);
        if (!is_flat) {
            cm_flat_load(s.flat, ring, bits, bits_count, k, leg[k]);
        }
    }
    s.from = CM_NEW_RAW(&scratch, uint32_t, rows);
    s.scratch = scratch;
    cm_status st = play(&s, role, leg, ret);
    for (unsigned k = 0; st == CM_OK && !is_flat && k < 2; k++) {
        cm_flat_store(s.flat, ring, bits, bits_count, k, ret[k]);
    }
    CM_ASSERT(st != CM_OK || !is_flat || (ret[0] == leg[0] && ret[1] == leg[1]));
    return st;
}
