/* Linear operations, done to each leg alone: to those that the output has. */
#include "share/column.h"

#include "share/kern.h"

#include <string.h>

static size_t bcol_words(cm_bcol x)
{
    CM_ASSERT(x.words == cm_words_of(x.rows));
    return x.planes * x.words;
}

static void check_same_shape(cm_bcol x, cm_bcol z)
{
    CM_ASSERT(x.rows == z.rows && x.planes == z.planes);
}

void cm_bcol_copy(cm_bcol to, cm_bcol from)
{
    check_same_shape(to, from);
    if (bcol_words(to) == 0) {
        return;
    }
    for (unsigned k = 0; k < CM_LEGS_MAX && to.leg[k]; k++) {
        memmove(to.leg[k], from.leg[k], bcol_words(to) * sizeof *to.leg[k]);
    }
}

void cm_acol_copy(cm_acol to, cm_acol from)
{
    CM_ASSERT(to.rows == from.rows);
    if (to.rows == 0) {
        return;
    }
    for (unsigned k = 0; k < CM_LEGS_MAX && to.leg[k]; k++) {
        memmove(to.leg[k], from.leg[k], to.rows * sizeof *to.leg[k]);
    }
}

void cm_bcol_xor(cm_bcol x, cm_bcol y, cm_bcol z)
{
    check_same_shape(x, z);
    check_same_shape(y, z);
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        cm_kernels_best()->xor
            (cm_b64_words(z.leg[k]), cm_b64_words(x.leg[k]), cm_b64_words(y.leg[k]), bcol_words(z));
    }
}

void cm_acol_add(cm_acol x, cm_acol y, cm_acol z)
{
    CM_ASSERT(x.rows == z.rows && y.rows == z.rows);
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        cm_kernels_best()->add(cm_a64_words(z.leg[k]), cm_a64_words(x.leg[k]),
                               cm_a64_words(y.leg[k]), z.rows);
    }
}

void cm_acol_sub(cm_acol x, cm_acol y, cm_acol z)
{
    CM_ASSERT(x.rows == z.rows && y.rows == z.rows);
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        cm_kernels_best()->sub(cm_a64_words(z.leg[k]), cm_a64_words(x.leg[k]),
                               cm_a64_words(y.leg[k]), z.rows);
    }
}

void cm_acol_scale(cm_acol x, uint64_t factor, cm_acol z)
{
    CM_ASSERT(x.rows == z.rows);
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        cm_kernels_best()->scale(cm_a64_words(z.leg[k]), cm_a64_words(x.leg[k]), factor, z.rows);
    }
}

/* The low bits of a word that belong to rows. */
static uint64_t low_bits(size_t rows)
{
    return rows >= 64 ? UINT64_MAX : (UINT64_C(1) << rows) - 1;
}

/* Overwrites rows bits from bit first on; every other bit of z stays. */
static void put_bits(uint64_t *z, size_t first, const uint64_t *x, size_t rows)
{
    unsigned shift = (unsigned)(first % 64);

    z += first / 64;
    for (size_t w = 0; 64 * w < rows; w++) {
        uint64_t keep = low_bits(rows - 64 * w);
        uint64_t bits = x[w] & keep;
        z[w] = (z[w] & ~(keep << shift)) | bits << shift;
        if (shift != 0 && keep >> (64 - shift) != 0) {
            z[w + 1] = (z[w + 1] & ~(keep >> (64 - shift))) | bits >> (64 - shift);
        }
    }
}

/* The bits of x from bit first on; reads no word past that of the last row wanted. */
static void get_bits(uint64_t *z, const uint64_t *x, size_t first, size_t rows)
{
    unsigned shift = (unsigned)(first % 64);
    size_t last = (first + rows - 1) / 64;

    for (size_t w = 0; 64 * w < rows; w++) {
        size_t at = first / 64 + w;
        z[w] = x[at] >> shift;
        if (shift != 0 && at < last) {
            z[w] |= x[at + 1] << (64 - shift);
        }
    }
}

void cm_bcol_put_rows(cm_bcol z, size_t first, cm_bcol x)
{
    CM_ASSERT(x.planes == z.planes);
    CM_ASSERT(first <= z.rows && x.rows <= z.rows - first);
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        for (unsigned p = 0; p < z.planes; p++) {
            put_bits(cm_b64_words(z.leg[k] + p * z.words), first,
                     cm_b64_words(x.leg[k] + p * x.words), x.rows);
        }
    }
}

void cm_bcol_get_rows(cm_bcol x, size_t first, cm_bcol z)
{
    CM_ASSERT(x.planes == z.planes);
    CM_ASSERT(first <= x.rows && z.rows <= x.rows - first);
    if (z.rows == 0) {
        return;
    }
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        for (unsigned p = 0; p < z.planes; p++) {
            get_bits(cm_b64_words(z.leg[k] + p * z.words), cm_b64_words(x.leg[k] + p * x.words),
                     first, z.rows);
        }
    }
}

void cm_bcol_gather(cm_bcol x, const uint32_t *from, cm_bcol z)
{
    CM_ASSERT(x.planes == z.planes);
    if (z.rows == 0 || z.planes == 0) {
        return;
    }

    /* A word per row, the pointers, and what alignment takes.  Untouched pages cost nothing. */
    size_t planes_max = (size_t)CM_LEGS_MAX * z.planes;
    cm_arena own = {0};
    cm_status st = cm_arena_init_secret(&own, 64 * x.words * sizeof(uint64_t) +
                                                  planes_max * 2 * sizeof(void *) + 4096);
    CM_ASSERT(st == CM_OK);

    const uint64_t **source = CM_NEW(&own, const uint64_t *, planes_max);
    uint64_t **target = CM_NEW(&own, uint64_t *, planes_max);
    size_t planes = 0;
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        for (unsigned p = 0; p < z.planes; p++, planes++) {
            source[planes] = cm_b64_words(x.leg[k] + p * x.words);
            target[planes] = cm_b64_words(z.leg[k] + p * z.words);
        }
    }
    cm_planes_gather(&(cm_plane_gather){source, target, planes, x.rows, z.rows, from}, own);
    cm_arena_fini(&own);
}

void cm_acol_gather(cm_acol x, const uint32_t *from, cm_acol z)
{
    for (size_t r = 0; r < z.rows; r++) {
        CM_ASSERT(from[r] < x.rows);
    }
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        for (size_t r = 0; r < z.rows; r++) {
            z.leg[k][r] = x.leg[k][from[r]];
        }
    }
}

void cm_acol_prefix_sum(cm_acol x, cm_acol z)
{
    CM_ASSERT(x.rows == z.rows);
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        uint64_t sum = 0;
        for (size_t r = 0; r < z.rows; r++) {
            sum += x.leg[k][r].v;
            z.leg[k][r].v = sum;
        }
    }
}

void cm_bcol_prefix_xor(cm_bcol x, cm_bcol z)
{
    check_same_shape(x, z);
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        for (unsigned p = 0; p < z.planes; p++) {
            cm_kernels_best()->prefix_xor(cm_b64_words(z.leg[k] + p * z.words),
                                          cm_b64_words(x.leg[k] + p * x.words), z.words);
        }
    }
}

void cm_bcol_difference(cm_bcol x, cm_bcol z)
{
    cm_bcol_shift_down(x, z);
    cm_bcol_xor(x, z, z);
}

void cm_bcol_shift_down(cm_bcol x, cm_bcol z)
{
    check_same_shape(x, z);
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        for (unsigned p = 0; p < z.planes; p++) {
            const cm_b64 *from = x.leg[k] + p * x.words;
            cm_b64 *to = z.leg[k] + p * z.words;
            uint64_t carry = 0;
            for (size_t w = 0; w < z.words; w++) {
                to[w].v = from[w].v << 1 | carry;
                carry = from[w].v >> 63;
            }
        }
    }
}

void cm_bcol_shift_up(cm_bcol x, cm_bcol z)
{
    check_same_shape(x, z);
    if (z.rows == 0) {
        return;
    }
    for (unsigned k = 0; k < CM_LEGS_MAX && z.leg[k]; k++) {
        for (unsigned p = 0; p < z.planes; p++) {
            const cm_b64 *from = x.leg[k] + p * x.words;
            cm_b64 *to = z.leg[k] + p * z.words;
            for (size_t w = 0; w + 1 < z.words; w++) {
                to[w].v = from[w].v >> 1 | from[w + 1].v << 63;
            }
            /* The bits past the last row are arbitrary: the one above it must not come in. */
            size_t last = z.words - 1;
            to[last].v = (from[last].v & low_bits(x.rows - 64 * last)) >> 1;
        }
    }
}
