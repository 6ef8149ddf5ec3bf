/*
 * Planes <-> rows.  Both directions go through 64 x 64 bit transpositions, STRIP of them at a time:
 * planes of 2^k rows lie a power of two apart and fall into the same cache set, so a strip touches
 * one whole cache line of each plane and comes back to it no more.
 */
#include "share/column.h"
#include "share/kern.h"

#include "crypto/crypto.h"

#include <string.h>

enum { STRIP = 8 }; /* words of a plane to the cache line */

typedef struct strip {
    uint64_t block[STRIP][64];
} strip;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Row r of the strip becomes word r: bit p is plane p. */
static void strip_from_planes(const cm_kernels *kernels, strip *s, const uint64_t *const *plane,
                              unsigned planes, size_t first_word, size_t words)
{
    for (unsigned p = 0; p < planes; p++) {
        for (size_t w = 0; w < words; w++) {
            s->block[w][p] = plane[p][first_word + w];
        }
    }
    for (size_t w = 0; w < words; w++) {
        memset(s->block[w] + planes, 0, (64 - planes) * sizeof(uint64_t));
        kernels->transpose(s->block[w]);
    }
}

static void strip_to_planes(const cm_kernels *kernels, strip *s, uint64_t *const *plane,
                            unsigned planes, size_t first_word, size_t words)
{
    for (size_t w = 0; w < words; w++) {
        kernels->transpose(s->block[w]);
    }
    for (unsigned p = 0; p < planes; p++) {
        for (size_t w = 0; w < words; w++) {
            plane[p][first_word + w] = s->block[w][p];
        }
    }
}

/* Sets word[r * stride] for the rows of the strip; a missing row reads as 0. */
static void strip_load_rows(strip *s, const uint64_t *word, size_t stride, size_t rows,
                            size_t words)
{
    uint64_t *flat = &s->block[0][0];

    for (size_t r = 0; r < rows; r++) {
        flat[r] = word[r * stride];
    }
    memset(flat + rows, 0, (64 * words - rows) * sizeof *flat);
}

void cm_planes_pack(const uint64_t *values, size_t words_per_row, size_t rows, unsigned planes,
                    uint64_t *ret_planes)
{
    CM_ASSERT(planes <= 64 * words_per_row);

    const cm_kernels *kernels = cm_kernels_best();
    size_t words = cm_words_of(rows);
    strip s;
    for (unsigned first = 0; first < planes; first += 64) {
        unsigned some = planes - first < 64 ? planes - first : 64;
        uint64_t *plane[64];
        for (unsigned p = 0; p < some; p++) {
            plane[p] = ret_planes + (first + p) * words;
        }
        for (size_t w = 0; w < words; w += STRIP) {
            size_t now = smaller(STRIP, words - w);
            strip_load_rows(&s, values + 64 * w * words_per_row + first / 64, words_per_row,
                            smaller(64 * now, rows - 64 * w), now);
            strip_to_planes(kernels, &s, plane, some, w, now);
        }
    }
    cm_wipe(&s, sizeof s);
}

void cm_planes_unpack(const uint64_t *plane_words, size_t rows, unsigned planes,
                      size_t words_per_row, uint64_t *ret_values)
{
    CM_ASSERT(planes <= 64 * words_per_row);

    const cm_kernels *kernels = cm_kernels_best();
    size_t words = cm_words_of(rows);
    strip s;
    for (size_t chunk = 0; chunk < words_per_row; chunk++) {
        size_t first = 64 * chunk;
        unsigned some = planes > first ? (unsigned)smaller(planes - first, 64) : 0;
        const uint64_t *plane[64];
        for (unsigned p = 0; p < some; p++) {
            plane[p] = plane_words + (first + p) * words;
        }
        for (size_t w = 0; w < words; w += STRIP) {
            size_t now = smaller(STRIP, words - w);
            strip_from_planes(kernels, &s, plane, some, w, now);
            for (size_t r = 64 * w; r < smaller(64 * (w + now), rows); r++) {
                ret_values[r * words_per_row + chunk] = s.block[(r - 64 * w) / 64][r % 64];
            }
        }
    }
    cm_wipe(&s, sizeof s);
}

/* One plane, bit by bit: for so few planes that the detour over rows does not pay. */
static void gather_bits(const uint64_t *x, const uint32_t *from, size_t rows, uint64_t *z)
{
    for (size_t first = 0; first < rows; first += 64) {
        uint64_t word = 0;
        size_t some = smaller(64, rows - first);
        for (size_t r = 0; r < some; r++) {
            uint32_t source = from[first + r];
            word |= ((x[source / 64] >> (source % 64)) & 1) << r;
        }
        z[first / 64] = word;
    }
}

/* At most 64 planes, through one word per row of x. */
static void gather_words(const cm_kernels *kernels, const cm_plane_gather *job, size_t first,
                         unsigned planes, uint64_t *row)
{
    size_t words_x = cm_words_of(job->rows_x), words_z = cm_words_of(job->rows_z);
    strip s;

    for (size_t w = 0; w < words_x; w += STRIP) {
        size_t now = smaller(STRIP, words_x - w);
        strip_from_planes(kernels, &s, job->x + first, planes, w, now);
        memcpy(row + 64 * w, s.block, now * sizeof s.block[0]);
    }
    for (size_t w = 0; w < words_z; w += STRIP) {
        size_t now = smaller(STRIP, words_z - w);
        size_t rows = smaller(64 * now, job->rows_z - 64 * w);
        const uint32_t *from = job->from + 64 * w;
        uint64_t *flat = &s.block[0][0];
        for (size_t r = 0; r < rows; r++) {
            flat[r] = row[from[r]];
        }
        memset(flat + rows, 0, (64 * now - rows) * sizeof *flat);
        strip_to_planes(kernels, &s, job->z + first, planes, w, now);
    }
    cm_wipe(&s, sizeof s);
}

void cm_planes_gather(const cm_plane_gather *job, cm_arena scratch)
{
    if (job->rows_z == 0 || job->planes == 0) {
        return;
    }
    for (size_t r = 0; r < job->rows_z; r++) {
        CM_ASSERT(job->from[r] < job->rows_x);
    }

    const cm_kernels *kernels = cm_kernels_best();
    uint64_t *row = NULL;
    for (size_t first = 0; first < job->planes; first += 64) {
        unsigned planes = (unsigned)smaller(64, job->planes - first);
        if (planes <= 2) {
            for (unsigned p = 0; p < planes; p++) {
                gather_bits(job->x[first + p], job->from, job->rows_z, job->z[first + p]);
            }
            continue;
        }
        if (!row) {
            row = CM_NEW(&scratch, uint64_t, 64 * cm_words_of(job->rows_x));
        }
        gather_words(kernels, job, first, planes, row);
    }
}
