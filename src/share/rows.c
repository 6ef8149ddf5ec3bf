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

/* So many rows ahead, the row that a gather will want is asked for: at random rows of a table that
 * no cache holds the processor waits three times as long without. */
enum { AHEAD = 16 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void cm_words_gather(const uint64_t *x, const uint32_t *from, size_t rows, size_t known,
                     uint64_t *z)
{
    for (size_t r = 0; r < rows; r++) {
        __builtin_prefetch(&x[from[smaller(r + AHEAD, known - 1)]]);
        z[r] = x[from[r]];
    }
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

/* One plane, bit by bit: where there is so little that the detour over rows does not pay. */
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

/* At most 64 planes, through one word per row of x, which is all read before z is written. */
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
        cm_words_gather(row, from, rows, job->rows_z - 64 * w, flat);
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
        bool few = planes <= 2 || job->rows_z < job->rows_x / 64; /* bits, or rows of many */
        if (few && job->x[first] != job->z[first]) {
            for (unsigned p = 0; p < planes; p++) {
                gather_bits(job->x[first + p], job->from, job->rows_z, job->z[first + p]);
            }
            continue;
        }
        if (!row) {
            row = CM_NEW_RAW(&scratch, uint64_t, 64 * cm_words_of(job->rows_x));
        }
        gather_words(kernels, job, first, planes, row);
    }
}

/* ---- in place ------------------------------------------------------------------------------ */

/* Word w of every plane: kept, or put back beyond the first `rows` rows of it. */
static void keep_words(cm_bcol x, size_t w, uint64_t *kept)
{
    for (unsigned k = 0; k < CM_LEGS_MAX && x.leg[k]; k++) {
        for (unsigned p = 0; p < x.planes; p++) {
            *kept++ = cm_b64_words(x.leg[k])[p * x.words + w];
        }
    }
}

static void restore_words(cm_bcol x, size_t w, size_t rows, const uint64_t *kept)
{
    uint64_t ours = (UINT64_C(1) << rows) - 1;

    for (unsigned k = 0; k < CM_LEGS_MAX && x.leg[k]; k++) {
        for (unsigned p = 0; p < x.planes; p++, kept++) {
            uint64_t *word = &cm_b64_words(x.leg[k])[p * x.words + w];
            *word = (*word & ours) | (*kept & ~ours);
        }
    }
}

void cm_bcol_permute(cm_bcol x, size_t rows, const uint32_t *from, cm_arena scratch)
{
    CM_ASSERT(rows <= x.rows);
    if (rows == 0 || x.planes == 0) {
        return;
    }
    size_t planes = 0, last = rows / 64;
    uint64_t **plane = CM_NEW(&scratch, uint64_t *, (size_t)CM_LEGS_MAX * x.planes);
    uint64_t *kept = CM_NEW(&scratch, uint64_t, (size_t)CM_LEGS_MAX * x.planes);

    for (unsigned k = 0; k < CM_LEGS_MAX && x.leg[k]; k++) {
        for (unsigned p = 0; p < x.planes; p++) {
            plane[planes++] = cm_b64_words(x.leg[k] + p * x.words);
        }
    }
    if (rows % 64 != 0) {
        keep_words(x, last, kept);
    }
    cm_planes_gather(
        &(cm_plane_gather){(const uint64_t *const *)plane, plane, planes, rows, rows, from},
        scratch);
    if (rows % 64 != 0) {
        restore_words(x, last, rows % 64, kept);
    }
}

/* ---- rows side by side --------------------------------------------------------------------- */

enum { TOGETHER = 4 }; /* words of a row in one go: strips of so many stay in the first cache */

cm_brows cm_brows_new(cm_arena *arena, unsigned legs, unsigned planes, size_t rows)
{
    size_t stride = cm_words_of((size_t)legs * planes);

    stride = stride == 3 ? 4 : stride; /* so that no row lies in two cache lines */
    return (cm_brows){rows, planes, legs, stride, CM_NEW(arena, cm_b64, stride * rows)};
}

/* The planes of all legs from plane `first` on, at most 64: legs one after the other. */
static unsigned point_planes(cm_bcol x, unsigned legs, size_t first, uint64_t **ret)
{
    unsigned count = 0;

    for (; count < 64 && first + count < (size_t)legs * x.planes; count++) {
        size_t leg = (first + count) / x.planes, plane = (first + count) % x.planes;
        ret[count] = cm_b64_words(x.leg[leg] + plane * x.words);
    }
    return count;
}

void cm_brows_load(cm_bcol x, size_t first, cm_brows z)
{
    CM_ASSERT(first % 64 == 0 && first <= x.rows && z.rows <= x.rows - first);
    CM_ASSERT(x.planes == z.planes);

    const cm_kernels *kernels = cm_kernels_best();
    size_t words = cm_words_of(z.rows);
    uint64_t *to = cm_b64_words(z.word);
    strip s;
    for (size_t c = 0; 64 * c < (size_t)z.legs * z.planes; c++) {
        uint64_t *plane[64];
        unsigned planes = point_planes(x, z.legs, 64 * c, plane);
        for (size_t w = 0; w < words; w += STRIP) {
            size_t now = smaller(STRIP, words - w), rows = smaller(64 * now, z.rows - 64 * w);
            strip_from_planes(kernels, &s, (const uint64_t *const *)plane, planes, first / 64 + w,
                              now);
            const uint64_t *flat = &s.block[0][0];
            for (size_t r = 0; r < rows; r++) {
                to[(64 * w + r) * z.stride + c] = flat[r];
            }
        }
    }
    cm_wipe(&s, sizeof s);
}

void cm_brows_put(cm_brows x, const uint32_t *to, cm_brows z)
{
    CM_ASSERT(x.stride == z.stride && x.planes == z.planes && x.legs == z.legs);

    for (size_t r = 0; r < x.rows; r++) {
        CM_ASSERT(to[r] < z.rows);
        memcpy(z.word + to[r] * z.stride, x.word + r * x.stride, x.stride * sizeof *x.word);
    }
}

/* Words c .. c + count - 1 of the rows of one strip; from holds `known` numbers. */
static void pick_strip(cm_brows x, const uint32_t *from, size_t rows, size_t known, size_t c,
                       size_t count, strip *s)
{
    const uint64_t *word = cm_b64_words(x.word) + c;

    for (size_t r = 0; r < rows; r++) {
        const uint64_t *row = word + from[r] * x.stride;
        __builtin_prefetch(word + from[smaller(r + AHEAD, known - 1)] * x.stride);
        for (size_t i = 0; i < count; i++) {
            (&s[i].block[0][0])[r] = row[i];
        }
    }
}

void cm_brows_gather(cm_brows x, const uint32_t *from, size_t rows, cm_bcol z, size_t first)
{
    CM_ASSERT(x.planes == z.planes);
    CM_ASSERT(first % 64 == 0 && first <= z.rows && rows <= z.rows - first);
    for (size_t r = 0; r < rows; r++) {
        CM_ASSERT(from[r] < x.rows);
    }

    const cm_kernels *kernels = cm_kernels_best();
    size_t chunks = cm_words_of((size_t)x.legs * x.planes), words = cm_words_of(rows);
    strip s[TOGETHER];
    memset(s, 0, sizeof s);
    for (size_t c = 0; c < chunks; c += TOGETHER) {
        size_t count = smaller(TOGETHER, chunks - c);
        uint64_t *plane[TOGETHER][64];
        unsigned planes[TOGETHER];
        for (size_t i = 0; i < count; i++) {
            planes[i] = point_planes(z, x.legs, 64 * (c + i), plane[i]);
        }
        for (size_t w = 0; w < words; w += STRIP) {
            size_t now = smaller(STRIP, words - w);
            pick_strip(x, from + 64 * w, smaller(64 * now, rows - 64 * w), rows - 64 * w, c, count,
                       s);
            for (size_t i = 0; i < count; i++) {
                strip_to_planes(kernels, &s[i], plane[i], planes[i], first / 64 + w, now);
            }
        }
    }
    cm_wipe(s, sizeof s);
}
