/*
 * Sums of products of bits, as rep3's dot product (docs/protocols/rep3.md, 3): local products are
 * added up, and one bit is sent for each sum.
 *
 * Words go in blocks: all planes' words of a block are one message, which is received some blocks
 * later.
 */
#include "proto/rep3_int.h"

#include <string.h>

enum {
    MESSAGE_WORDS = 1 << 14, /* of a block, all planes together */
    BLOCK_WORDS_MAX = 128,   /* so that a block of all of y stays in the cache */
    BLOCK_WORDS_MIN = 32,    /* so that what is done once for a block does not count */
    BLOCK_GRAIN = 8,         /* a register's */
    BLOCKS_AHEAD = 8,
};

typedef struct work {
    cm_mpc *mpc;
    const cm_bit_sums *sums;
    uint64_t *y0, *y01; /* PRODUCT: the block of y, terms one behind the other */
    uint64_t *mask[2];  /* PRODUCT: a plane of x, by leg */
    uint64_t *other;    /* for zero shares */
    uint64_t *message;
} work;

static void load_block(work *w, size_t first, size_t words)
{
    const cm_bit_sums *s = w->sums;

    for (size_t k = 0; s->kind == CM_SUM_PRODUCT && k < s->terms; k++) {
        const uint64_t *y0 = cm_leg(s->y[k], 0) + first, *y1 = cm_leg(s->y[k], 1) + first;
        memcpy(w->y0 + k * words, y0, words * sizeof *y0);
        w->mpc->kernels->xor (w->y01 + k * words, y0, y1, words);
    }
}

static cm_cross cross_at(cm_plane x, cm_plane y, size_t first)
{
    return (cm_cross){cm_leg(x, 0) + first, cm_leg(x, 1) + first, cm_leg(y, 0) + first,
                      cm_leg(y, 1) + first};
}

/* ret ^= the local products of words first .. of plane p. */
static void add_products(work *w, size_t p, size_t first, size_t words, uint64_t *ret)
{
    const cm_bit_sums *s = w->sums;
    const cm_kernels *kernels = w->mpc->kernels;

    switch (s->kind) {
    case CM_SUM_AND:
        for (size_t i = p * s->terms; i < (p + 1) * s->terms; i++) {
            kernels->and_cross(ret, cross_at(s->x[i], s->y[i], first), words);
        }
        break;
    case CM_SUM_PRODUCT:
        cm_bit_masks(cm_leg(s->x[p], 0), s->terms, w->mask[0]);
        cm_bit_masks(cm_leg(s->x[p], 1), s->terms, w->mask[1]);
        kernels->mask_cross(ret, (cm_masked){w->mask[0], w->mask[1], w->y0, w->y01, s->terms},
                            words);
        break;
    case CM_SUM_INNER:
        for (size_t q = 64 * first; q < s->terms && q < 64 * (first + words); q++) {
            uint64_t fold = kernels->fold_cross(cross_at(s->x[p], s->y[q], 0), s->x_words);
            ret[q / 64 - first] ^= (uint64_t)__builtin_parityll(fold) << (q % 64);
        }
        break;
    }
}

static cm_status send_block(work *w, size_t first, size_t words)
{
    const cm_bit_sums *s = w->sums;

    cm_rep3_zero(w->mpc, CM_GROUP_XOR, w->message, w->other, s->planes * words);
    load_block(w, first, words);
    for (size_t p = 0; p < s->planes; p++) {
        uint64_t *product = w->message + p * words;
        add_products(w, p, first, words, product);
        memcpy(cm_leg(s->z[p], 0) + first, product, words * sizeof *product);
    }
    return cm_wire_send(w->mpc, cm_rep3_prev(w->mpc->me), w->message, s->planes * words);
}

static cm_status recv_block(work *w, size_t first, size_t words)
{
    const cm_bit_sums *s = w->sums;
    cm_status st = cm_wire_recv(w->mpc, cm_rep3_next(w->mpc->me), w->message, s->planes * words);

    for (size_t p = 0; st == CM_OK && p < s->planes; p++) {
        memcpy(cm_leg(s->z[p], 1) + first, w->message + p * words, words * sizeof *w->message);
    }
    return st;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t block_words(const cm_bit_sums *s)
{
    size_t words = smaller(MESSAGE_WORDS / s->planes, BLOCK_WORDS_MAX);

    words = words < BLOCK_WORDS_MIN ? BLOCK_WORDS_MIN : words / BLOCK_GRAIN * BLOCK_GRAIN;
    return smaller(words, s->words);
}

cm_status cm_rep3_bit_sums(cm_mpc *mpc, const cm_bit_sums *sums, cm_arena scratch)
{
    size_t block = block_words(sums), sent = 0, received = 0;
    size_t loaded = sums->kind == CM_SUM_PRODUCT ? sums->terms : 0;
    size_t bytes = sums->planes * block * sizeof(uint64_t);
    size_t ahead = (BLOCKS_AHEAD + mpc->round_bytes / bytes) * block;
    work w = {
        .mpc = mpc,
        .sums = sums,
        .y0 = CM_NEW_RAW(&scratch, uint64_t, loaded * block),
        .y01 = CM_NEW_RAW(&scratch, uint64_t, loaded * block),
        .mask = {CM_NEW_RAW(&scratch, uint64_t, loaded), CM_NEW_RAW(&scratch, uint64_t, loaded)},
        .other = CM_NEW_RAW(&scratch, uint64_t, sums->planes * block),
        .message = CM_NEW_RAW(&scratch, uint64_t, sums->planes * block)};
    cm_status st = CM_OK;

    while (st == CM_OK && received < sums->words) {
        if (sent < sums->words && sent - received < ahead) {
            size_t words = smaller(block, sums->words - sent);
            st = send_block(&w, sent, words);
            sent += words;
        } else {
            size_t words = smaller(block, sums->words - received);
            cm_mesh_count_rounds(mpc->mesh, received == 0);
            st = recv_block(&w, received, words);
            cm_mesh_count_rounds(mpc->mesh, true);
            received += words;
        }
    }
    return st;
}
