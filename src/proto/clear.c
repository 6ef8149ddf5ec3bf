/*
 * No protection: every computing party holds every value.  It defines what the other protocols must
 * compute, and tests operators without the cost of a real protocol.
 */
#include "proto/proto_int.h"

#include <string.h>

typedef struct clear_state {
    cm_prg common; /* random bits and permutations, equal at all parties */
} clear_state;

/* Party 0 chooses the common randomness. */
static cm_status clear_setup(cm_mpc *mpc)
{
    clear_state *s = mpc->state;
    cm_key key;
    cm_status st = CM_OK;

    if (mpc->me == 0) {
        cm_prg_fill(mpc->own, &key, sizeof key);
        for (unsigned p = 1; st == CM_OK && p < mpc->parties; p++) {
            st = cm_mesh_send(mpc->mesh, p, &key, sizeof key);
        }
    } else {
        st = cm_mesh_recv(mpc->mesh, 0, &key, sizeof key);
    }
    if (st == CM_OK) {
        cm_prg_init(&s->common, &key, 0, &mpc->cpu);
    }
    cm_wipe(&key, sizeof key);
    return st;
}

static void clear_add_public(cm_mpc *mpc, cm_group group, cm_plane x, const uint64_t *c,
                             size_t step, size_t words)
{
    (void)mpc;
    for (size_t i = 0; i < words; i++) {
        if (group == CM_GROUP_XOR) {
            x.leg[0][i].v ^= c[i * step];
        } else {
            x.leg[0][i].v += c[i * step];
        }
    }
}

static void clear_random_bits(cm_mpc *mpc, cm_plane z, size_t words)
{
    clear_state *s = mpc->state;
    cm_prg_fill(&s->common, z.leg[0], words * sizeof *z.leg[0]);
}

static cm_status clear_mul_send(cm_mpc *mpc, cm_group group, const cm_plane *x, const cm_plane *y,
                                const cm_plane *z, size_t entries, size_t words, cm_arena scratch)
{
    (void)scratch;
    for (size_t e = 0; e < entries; e++) {
        (group == CM_GROUP_XOR ? mpc->kernels->and : mpc->kernels->mul)(
            cm_leg(z[e], 0), cm_leg(x[e], 0), cm_leg(y[e], 0), words);
    }
    return CM_OK;
}

static cm_status clear_mul_recv(cm_mpc *mpc, const cm_plane *z, size_t entries, size_t words,
                                cm_arena scratch)
{
    (void)mpc;
    (void)z;
    (void)entries;
    (void)words;
    (void)scratch;
    return CM_OK;
}

/* Plane p of z, from what the kinds' definitions say. */
static void clear_bit_sum(cm_mpc *mpc, const cm_bit_sums *s, size_t p, uint64_t *mask,
                          uint64_t *product)
{
    uint64_t *z = cm_leg(s->z[p], 0);

    memset(z, 0, s->words * sizeof *z);
    if (s->kind == CM_SUM_PRODUCT) {
        cm_bit_masks(cm_leg(s->x[p], 0), s->terms, mask);
    }
    for (size_t k = 0; k < s->terms; k++) {
        size_t at = s->kind == CM_SUM_AND ? p * s->terms + k : k;
        const uint64_t *y = cm_leg(s->y[at], 0);
        if (s->kind == CM_SUM_INNER) {
            uint64_t parity = 0;
            for (size_t i = 0; i < s->x_words; i++) {
                parity ^= cm_leg(s->x[p], 0)[i] & y[i];
            }
            z[k / 64] |= (uint64_t)__builtin_parityll(parity) << (k % 64);
            continue;
        }
        if (s->kind == CM_SUM_AND) {
            mpc->kernels->and (product, cm_leg(s->x[at], 0), y, s->words);
        } else {
            for (size_t i = 0; i < s->words; i++) {
                product[i] = mask[k] & y[i];
            }
        }
        mpc->kernels->xor (z, z, product, s->words);
    }
}

static cm_status clear_bit_sums(cm_mpc *mpc, const cm_bit_sums *sums, cm_arena scratch)
{
    uint64_t *mask = CM_NEW(&scratch, uint64_t, sums->terms);
    uint64_t *product = CM_NEW(&scratch, uint64_t, sums->words);

    for (size_t p = 0; p < sums->planes; p++) {
        clear_bit_sum(mpc, sums, p, mask, product);
    }
    return CM_OK;
}

static cm_status clear_dot(cm_mpc *mpc, const cm_acol *x, const cm_acol *y, size_t results,
                           cm_acol z, cm_arena scratch)
{
    (void)scratch;
    for (size_t i = 0; i < results; i++) {
        z.leg[0][i].v =
            mpc->kernels->dot(cm_a64_words(x[i].leg[0]), cm_a64_words(y[i].leg[0]), x[i].rows);
    }
    return CM_OK;
}

static cm_status clear_input(cm_mpc *mpc, cm_group group, unsigned owner, const uint64_t *values,
                             size_t words, cm_plane z, cm_arena scratch)
{
    (void)group;
    (void)scratch;
    if (mpc->me != owner) {
        return cm_wire_recv(mpc, owner, cm_leg(z, 0), words);
    }
    cm_status st = CM_OK;
    for (unsigned p = 0; st == CM_OK && p < mpc->parties; p++) {
        if (p != mpc->me) {
            st = cm_wire_send(mpc, p, values, words);
        }
    }
    if (cm_mpc_computes(mpc)) {
        memcpy(z.leg[0], values, words * sizeof *values);
    }
    return st;
}

static cm_status clear_open(cm_mpc *mpc, cm_group group, cm_plane x, size_t words, uint64_t *ret,
                            cm_arena scratch)
{
    (void)mpc;
    (void)group;
    (void)scratch;
    memcpy(ret, x.leg[0], words * sizeof *ret);
    return CM_OK;
}

static cm_status clear_open_to(cm_mpc *mpc, cm_group group, unsigned receiver, cm_plane x,
                               size_t words, uint64_t *ret, cm_arena scratch)
{
    if (receiver < mpc->parties) {
        return mpc->me == receiver ? clear_open(mpc, group, x, words, ret, scratch) : CM_OK;
    }
    if (mpc->me == receiver) {
        return cm_wire_recv(mpc, 0, ret, words);
    }
    return mpc->me == 0 ? cm_wire_send(mpc, receiver, cm_leg(x, 0), words) : CM_OK;
}

static cm_status clear_bits_to_ring(cm_mpc *mpc, cm_bcol x, cm_acol z, cm_arena scratch)
{
    (void)mpc;
    (void)scratch;
    cm_planes_unpack(cm_b64_words(x.leg[0]), x.rows, x.planes, 1, cm_a64_words(z.leg[0]));
    return CM_OK;
}

static cm_status clear_bit_to_ring(cm_mpc *mpc, cm_bcol x, const cm_acol *z, cm_arena scratch)
{
    (void)scratch;
    for (unsigned p = 0; p < x.planes; p++) {
        mpc->kernels->spread(cm_a64_words(z[p].leg[0]), cm_leg(cm_bcol_plane(x, p), 0), x.rows);
    }
    return CM_OK;
}

static cm_status clear_ring_to_bits(cm_mpc *mpc, cm_acol x, cm_bcol z, cm_arena scratch)
{
    (void)mpc;
    (void)scratch;
    cm_planes_pack(cm_a64_words(x.leg[0]), 1, x.rows, z.planes, cm_b64_words(z.leg[0]));
    return CM_OK;
}

static cm_status clear_shuffle(cm_mpc *mpc, const cm_acol *ring, size_t ring_count,
                               const cm_bcol *bits, size_t bits_count, size_t rows,
                               cm_arena scratch)
{
    clear_state *s = mpc->state;
    cm_flat flat = cm_flat_of(ring, ring_count, bits, bits_count, rows);
    uint32_t *from = CM_NEW(&scratch, uint32_t, rows);
    uint64_t *before = CM_NEW(&scratch, uint64_t, flat.words);
    uint64_t *after = CM_NEW(&scratch, uint64_t, flat.words);

    cm_permutation_draw(&s->common, from, rows, scratch);
    cm_flat_load(flat, ring, bits, bits_count, 0, before);
    cm_flat_gather(flat, before, from, after, scratch);
    cm_flat_store(flat, ring, bits, bits_count, 0, after);
    return CM_OK;
}

static cm_status clear_verify(cm_mpc *mpc)
{
    (void)mpc;
    return CM_OK;
}

const cm_proto_ops cm_clear_ops = {
    .info = {.name = "clear", .parties = 0, .legs = 1, .tolerates = "nothing: for tests"},
    .state_bytes = sizeof(clear_state),
    .setup = clear_setup,
    .add_public = clear_add_public,
    .random_bits = clear_random_bits,
    .mul_send = clear_mul_send,
    .mul_recv = clear_mul_recv,
    .bit_sums = clear_bit_sums,
    .dot = clear_dot,
    .input = clear_input,
    .open = clear_open,
    .open_to = clear_open_to,
    .bits_to_ring = clear_bits_to_ring,
    .bit_to_ring = clear_bit_to_ring,
    .ring_to_bits = clear_ring_to_bits,
    .shuffle = clear_shuffle,
    .verify = clear_verify,
};
