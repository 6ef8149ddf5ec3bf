/* Three-party replicated sharing, one semi-honest party.  Protocols and proofs:
 * docs/protocols/rep3.md. */
#include "proto/rep3_int.h"

#include <string.h>

/* P_i draws k_i and gives it to P_{i-1}; so it holds k_i, and k_{i+1} from P_{i+1} (2). */
static cm_status rep3_setup(cm_mpc *mpc)
{
    cm_rep3 *s = mpc->state;
    cm_key key[2];

    cm_prg_fill(mpc->own, &key[0], sizeof key[0]);
    cm_status st = cm_mesh_send(mpc->mesh, cm_rep3_prev(mpc->me), &key[0], sizeof key[0]);
    if (st == CM_OK) {
        st = cm_mesh_recv(mpc->mesh, cm_rep3_next(mpc->me), &key[1], sizeof key[1]);
    }
    if (st == CM_OK) {
        for (unsigned use = 0; use < CM_REP3_USES; use++) {
            cm_prg_init(&s->key[0][use], &key[0], use, &mpc->cpu);
            cm_prg_init(&s->key[1][use], &key[1], use, &mpc->cpu);
        }
    }
    cm_wipe(key, sizeof key);
    return st;
}

void cm_rep3_zero(cm_mpc *mpc, cm_group group, uint64_t *ret, uint64_t *other, size_t words)
{
    cm_rep3_draw(mpc, 0, CM_REP3_ZERO, ret, words);
    cm_rep3_draw(mpc, 1, CM_REP3_ZERO, other, words);
    cm_group_sub(mpc, group, ret, ret, other, words);
}

static void add_to_leg(cm_group group, uint64_t *leg, const uint64_t *c, size_t step, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        leg[i] = group == CM_GROUP_XOR ? leg[i] ^ c[i * step] : leg[i] + c[i * step];
    }
}

/* Public values go to component 0: P0's leg 0 and P2's leg 1. */
static void rep3_add_public(cm_mpc *mpc, cm_group group, cm_plane x, const uint64_t *c, size_t step,
                            size_t words)
{
    if (mpc->me != 1) {
        add_to_leg(group, cm_leg(x, mpc->me == 0 ? 0 : 1), c, step, words);
    }
}

static void rep3_random_bits(cm_mpc *mpc, cm_plane z, size_t words)
{
    cm_rep3_draw(mpc, 0, CM_REP3_RANDOM, cm_leg(z, 0), words);
    cm_rep3_draw(mpc, 1, CM_REP3_RANDOM, cm_leg(z, 1), words);
}

/* ---- products (3) ------------------------------------------------------------------------ */

enum {
    MESSAGE_WORDS = 1 << 14, /* of a product: small enough to stay in the cache until sent */
    BLOCK_WORDS = 1 << 11,   /* masked and multiplied at a time, in the innermost cache */
};

/* Words in a row of one entry. */
typedef struct span {
    size_t entry, offset, words;
} span;

static span span_at(size_t at, size_t end, size_t words)
{
    span ret = {.entry = at / words, .offset = at % words};
    ret.words = words - ret.offset < end - at ? words - ret.offset : end - at;
    return ret;
}

/* ret = zero shares + local products of words first .. end - 1 of all entries, laid end to end;
 * what they are goes to leg 0 of z.  Replaces words of x or y of the same entry only, and only
 * those just used. */
static void multiply_block(cm_mpc *mpc, cm_group group, const cm_plane *x, const cm_plane *y,
                           const cm_plane *z, size_t words, size_t first, size_t end, uint64_t *ret)
{
    uint64_t other[BLOCK_WORDS];

    cm_rep3_zero(mpc, group, ret, other, end - first);
    for (size_t at = first; at < end;) {
        span s = span_at(at, end, words);
        cm_cross in = {
            cm_leg(x[s.entry], 0) + s.offset,
            cm_leg(x[s.entry], 1) + s.offset,
            cm_leg(y[s.entry], 0) + s.offset,
            cm_leg(y[s.entry], 1) + s.offset,
        };
        (group == CM_GROUP_XOR ? mpc->kernels->and_cross
                               : mpc->kernels->mul_cross)(ret + (at - first), in, s.words);
        memcpy(cm_leg(z[s.entry], 0) + s.offset, ret + (at - first), s.words * sizeof *ret);
        at += s.words;
    }
}

static cm_status rep3_mul_send(cm_mpc *mpc, cm_group group, const cm_plane *x, const cm_plane *y,
                               const cm_plane *z, size_t entries, size_t words, cm_arena scratch)
{
    size_t total = entries * words;
    size_t most = total < MESSAGE_WORDS ? total : MESSAGE_WORDS;
    uint64_t *message = CM_NEW_RAW(&scratch, uint64_t, most);

    for (size_t first = 0, end; first < total; first = end) {
        end = total - first < most ? total : first + most;
        for (size_t at = first; at < end; at += BLOCK_WORDS) {
            size_t stop = end - at < BLOCK_WORDS ? end : at + BLOCK_WORDS;
            multiply_block(mpc, group, x, y, z, words, at, stop, message + (at - first));
        }
        cm_status st = cm_wire_send(mpc, cm_rep3_prev(mpc->me), message, end - first);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status rep3_mul_recv(cm_mpc *mpc, const cm_plane *z, size_t entries, size_t words,
                               cm_arena scratch)
{
    size_t total = entries * words;
    size_t most = total < MESSAGE_WORDS ? total : MESSAGE_WORDS;
    uint64_t *message = CM_NEW_RAW(&scratch, uint64_t, most);

    for (size_t first = 0, end; first < total; first = end) {
        end = total - first < most ? total : first + most;
        cm_status st = cm_wire_recv(mpc, cm_rep3_next(mpc->me), message, end - first);
        if (st != CM_OK) {
            return st;
        }
        for (size_t at = first; at < end;) {
            span s = span_at(at, end, words);
            memcpy(z[s.entry].leg[1] + s.offset, message + (at - first), s.words * sizeof *message);
            at += s.words;
        }
    }
    return CM_OK;
}

static cm_status rep3_dot(cm_mpc *mpc, const cm_acol *x, const cm_acol *y, size_t results,
                          cm_acol z, cm_arena scratch)
{
    uint64_t *sum = cm_a64_words(z.leg[0]);
    uint64_t *other = CM_NEW(&scratch, uint64_t, results);

    cm_rep3_zero(mpc, CM_GROUP_ADD, sum, other, results);
    for (size_t i = 0; i < results; i++) {
        cm_cross in = {
            cm_a64_words(x[i].leg[0]),
            cm_a64_words(x[i].leg[1]),
            cm_a64_words(y[i].leg[0]),
            cm_a64_words(y[i].leg[1]),
        };
        sum[i] += mpc->kernels->dot_cross(in, x[i].rows);
    }
    cm_status st = cm_wire_send(mpc, cm_rep3_prev(mpc->me), sum, results);
    return st != CM_OK ? st
                       : cm_wire_recv(mpc, cm_rep3_next(mpc->me), cm_a64_words(z.leg[1]), results);
}

/* ---- openings (4) ------------------------------------------------------------------------ */

/* P_i sends x_i to P_{i+1}, who holds the other two. */
static cm_status rep3_open(cm_mpc *mpc, cm_group group, cm_plane x, size_t words, uint64_t *ret,
                           cm_arena scratch)
{
    (void)scratch;
    cm_status st = cm_wire_exchange(mpc, cm_rep3_next(mpc->me), cm_leg(x, 0), cm_rep3_prev(mpc->me),
                                    ret, words);
    if (st == CM_OK) {
        cm_group_add(mpc, group, ret, ret, cm_leg(x, 0), words);
        cm_group_add(mpc, group, ret, ret, cm_leg(x, 1), words);
    }
    return st;
}

/* The receiver outside adds up the three components. */
static cm_status collect(cm_mpc *mpc, cm_group group, size_t words, uint64_t *ret, cm_arena scratch)
{
    uint64_t *component = CM_NEW(&scratch, uint64_t, words);

    memset(ret, 0, words * sizeof *ret);
    for (unsigned p = 0; p < 3; p++) {
        cm_status st = cm_wire_recv(mpc, p, component, words);
        if (st != CM_OK) {
            return st;
        }
        cm_group_add(mpc, group, ret, ret, component, words);
    }
    return CM_OK;
}

static cm_status rep3_open_to(cm_mpc *mpc, cm_group group, unsigned receiver, cm_plane x,
                              size_t words, uint64_t *ret, cm_arena scratch)
{
    if (!cm_mpc_computes(mpc)) {
        return collect(mpc, group, words, ret, scratch);
    }
    if (receiver >= 3) {
        /* Components as they are may be related to other values: refresh them, so that the receiver
         * sees a fresh sharing of the result and nothing else (4). */
        uint64_t *fresh = CM_NEW(&scratch, uint64_t, words);
        uint64_t *other = CM_NEW(&scratch, uint64_t, words);
        cm_rep3_zero(mpc, group, fresh, other, words);
        cm_group_add(mpc, group, fresh, fresh, cm_leg(x, 0), words);
        return cm_wire_send(mpc, receiver, fresh, words);
    }
    if (mpc->me == cm_rep3_prev(receiver)) {
        return cm_wire_send(mpc, receiver, cm_leg(x, 0), words);
    }
    if (mpc->me != receiver) {
        return CM_OK;
    }
    cm_status st = cm_wire_recv(mpc, cm_rep3_prev(mpc->me), ret, words);
    if (st == CM_OK) {
        cm_group_add(mpc, group, ret, ret, cm_leg(x, 0), words);
        cm_group_add(mpc, group, ret, ret, cm_leg(x, 1), words);
    }
    return st;
}

/* Semi-honest parties have nothing to check. */
static cm_status rep3_verify(cm_mpc *mpc)
{
    (void)mpc;
    return CM_OK;
}

const cm_proto_ops cm_rep3_ops = {
    .info = {.name = "rep3",
             .parties = 3,
             .legs = 2,
             .tolerates = "one semi-honest party of three"},
    .state_bytes = sizeof(cm_rep3),
    .setup = rep3_setup,
    .add_public = rep3_add_public,
    .random_bits = rep3_random_bits,
    .mul_send = rep3_mul_send,
    .mul_recv = rep3_mul_recv,
    .bit_sums = cm_rep3_bit_sums,
    .dot = rep3_dot,
    .input = cm_rep3_input,
    .open = rep3_open,
    .open_to = rep3_open_to,
    .bits_to_ring = cm_rep3_bits_to_ring,
    .bit_to_ring = cm_rep3_bit_to_ring,
    .ring_to_bits = cm_rep3_ring_to_bits,
    .shuffle = cm_rep3_shuffle,
    .verify = rep3_verify,
};
