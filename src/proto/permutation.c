/*
 * Random permutations, and what they do to a table.
 *
 * Fisher and Yates swap with random places, which is quick as long as a cache holds them all: at
 * 2^24 rows they wait for memory.  So many rows are first dealt to 256 pieces by a random byte each
 * (Rao, Sankhya 1961; Sandelius, JRSS B 1962), in one pass that writes 256 streams, and each piece
 * is then permuted in the cache.  Given how many rows each piece got, every order of the rows is as
 * likely as any other: who got where is uniform by symmetry, and the order within a piece by Fisher
 * and Yates.  So this is exactly uniform too.
 */
#include "proto/proto_int.h"

#include <string.h>

/* Draws of 32 bits, a block of the stream at a time. */
typedef struct draws {
    cm_prg *prg;
    size_t next;
    uint32_t word[1024];
} draws;

static uint32_t draw(draws *d)
{
    if (d->next == CM_COUNT(d->word)) {
        cm_prg_fill(d->prg, d->word, sizeof d->word);
        d->next = 0;
    }
    return d->word[d->next++];
}

/*
 * Uniform below bound (Lemire, ACM TOMACS 2019): the high half of draw * bound, unless the low half
 * is among the first 2^32 mod bound values.  Whether a draw is rejected is independent of the value
 * that is accepted in the end, so the number of rejections tells nothing about the permutation.
 */
static uint32_t draw_below(draws *d, uint32_t bound)
{
    uint64_t product = (uint64_t)draw(d) * bound;

    if ((uint32_t)product < bound) {
        uint32_t reject = (0 - bound) % bound;
        while ((uint32_t)product < reject) {
            product = (uint64_t)draw(d) * bound;
        }
    }
    return (uint32_t)(product >> 32);
}

/* Fisher and Yates.  The indexes are secret to those without the key, not to this process. */
static void permute(draws *d, uint32_t *from, size_t rows)
{
    for (size_t r = rows; r > 1; r--) {
        uint32_t other = draw_below(d, (uint32_t)r);
        uint32_t swap = from[r - 1];
        from[r - 1] = from[other];
        from[other] = swap;
    }
}

enum { PIECES = 256, CACHED_ROWS = 1 << 20 };

/* Row numbers, in order within each piece; piece p ends before ret_end[p]. */
static void deal(cm_prg *prg, uint32_t *ret_from, size_t rows, size_t ret_end[PIECES],
                 cm_arena scratch)
{
    uint8_t *piece = CM_NEW_RAW(&scratch, uint8_t, rows);
    size_t count[PIECES] = {0}, begin = 0;

    cm_prg_fill(prg, piece, rows);
    for (size_t r = 0; r < rows; r++) {
        count[piece[r]]++;
    }
    for (unsigned p = 0; p < PIECES; p++) { /* ends move on while the pieces fill */
        ret_end[p] = begin;
        begin += count[p];
    }
    for (size_t r = 0; r < rows; r++) {
        ret_from[ret_end[piece[r]]++] = (uint32_t)r;
    }
}

void cm_permutation_draw_pieces(cm_prg *prg, uint32_t *ret_from, size_t rows, size_t most,
                                cm_arena scratch)
{
    CM_ASSERT(rows <= UINT32_MAX);

    draws d = {.prg = prg, .next = CM_COUNT(d.word)};
    size_t end[PIECES] = {rows}, pieces = 1;
    if (rows > most) {
        deal(prg, ret_from, rows, end, scratch);
        pieces = PIECES;
    } else {
        for (size_t r = 0; r < rows; r++) {
            ret_from[r] = (uint32_t)r;
        }
    }
    for (size_t p = 0, first = 0; p < pieces; first = end[p++]) {
        permute(&d, ret_from + first, end[p] - first);
    }
    cm_wipe(&d, sizeof d);
}

void cm_permutation_draw(cm_prg *prg, uint32_t *ret_from, size_t rows, cm_arena scratch)
{
    cm_permutation_draw_pieces(prg, ret_from, rows, CACHED_ROWS, scratch);
}

cm_flat cm_flat_of(const cm_acol *ring, size_t ring_count, const cm_bcol *bits, size_t bits_count,
                   size_t rows)
{
    cm_flat flat = {.rows = rows, .rings = ring_count};

    for (size_t c = 0; c < ring_count; c++) {
        CM_ASSERT(ring[c].rows == rows);
    }
    for (size_t c = 0; c < bits_count; c++) {
        CM_ASSERT(bits[c].rows == rows);
        flat.planes += bits[c].planes;
    }
    flat.words = flat.rings * rows + flat.planes * cm_words_of(rows);
    return flat;
}

void cm_flat_load(cm_flat flat, const cm_acol *ring, const cm_bcol *bits, size_t bits_count,
                  unsigned leg, uint64_t *ret)
{
    for (size_t c = 0; c < flat.rings; c++, ret += flat.rows) {
        memcpy(ret, ring[c].leg[leg], flat.rows * sizeof *ret);
    }
    for (size_t c = 0; c < bits_count; c++) {
        size_t words = bits[c].planes * bits[c].words;
        if (words != 0) {
            memcpy(ret, bits[c].leg[leg], words * sizeof *ret);
            ret += words;
        }
    }
}

void cm_flat_store(cm_flat flat, const cm_acol *ring, const cm_bcol *bits, size_t bits_count,
                   unsigned leg, const uint64_t *content)
{
    for (size_t c = 0; c < flat.rings; c++, content += flat.rows) {
        memcpy(ring[c].leg[leg], content, flat.rows * sizeof *content);
    }
    for (size_t c = 0; c < bits_count; c++) {
        size_t words = bits[c].planes * bits[c].words;
        if (words != 0) {
            memcpy(bits[c].leg[leg], content, words * sizeof *content);
            content += words;
        }
    }
}

void cm_flat_gather_rings(cm_flat flat, const uint64_t *x, const uint32_t *from, size_t first,
                          size_t end, uint64_t *z)
{
    for (size_t c = 0; c < flat.rings; c++, x += flat.rows, z += flat.rows) {
        cm_words_gather(x, from + first, end - first, flat.rows - first, z + first);
    }
}

void cm_flat_gather_planes(cm_flat flat, const uint64_t *x, const uint32_t *from, size_t first,
                           size_t end, uint64_t *z, cm_arena scratch)
{
    size_t words = cm_words_of(flat.rows);
    const uint64_t **source = CM_NEW(&scratch, const uint64_t *, end - first);
    uint64_t **target = CM_NEW(&scratch, uint64_t *, end - first);

    for (size_t p = first; p < end; p++) {
        source[p - first] = x + flat.rings * flat.rows + p * words;
        target[p - first] = z + flat.rings * flat.rows + p * words;
    }
    cm_planes_gather(&(cm_plane_gather){source, target, end - first, flat.rows, flat.rows, from},
                     scratch);
}

void cm_flat_gather(cm_flat flat, const uint64_t *x, const uint32_t *from, uint64_t *z,
                    cm_arena scratch)
{
    cm_flat_gather_rings(flat, x, from, 0, flat.rows, z);
    cm_flat_gather_planes(flat, x, from, 0, flat.planes, z, scratch);
}
