/*
 * share/kern.h - inner loops over words, one const table of them per instruction set.
 *
 * A kernel takes whole vectors, is constant-time in their content, and allows an output to be the
 * same vector as an input (never a shifted overlap).  Every table is tested against the portable
 * one.  A session holds the pointer that cm_kernels_best gave it.
 */
#ifndef CM_SHARE_KERN_H
#define CM_SHARE_KERN_H

#include "base/cpu.h"
#include "share/secret.h"

/* Both legs of two replicated factors. */
typedef struct cm_cross {
    const uint64_t *x0, *x1, *y0, *y1;
} cm_cross;

/*
 * A pair of bits of each of two numbers: x0 and x1, y0 and y1; x01 is a share of the product x0 x1
 * where x is shared.
 */
typedef struct cm_bit_pair {
    const uint64_t *x0, *x1, *x01, *y0, *y1;
} cm_bit_pair;

/* Vectors k of y, one behind the other, each with a bit of x that all its words are multiplied
 * with: masks are all ones or 0.  y01 is y0 ^ y1. */
typedef struct cm_masked {
    const uint64_t *x0, *x1;
    const uint64_t *y0, *y01;
    size_t terms;
} cm_masked;

typedef struct cm_kernels {
    const char *name;
    void (*xor)(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words);
    void (*and)(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words);
    void (*add)(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words);
    void (*sub)(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words);
    void (*mul)(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words);
    void (*scale)(uint64_t *z, const uint64_t *x, uint64_t factor, size_t words);
    /* z ^= x0 & y0 ^ x0 & y1 ^ x1 & y0, and the same in Z_2^64: rep3's local product. */
    void (*and_cross)(uint64_t *z, cm_cross in, size_t words);
    void (*mul_cross)(uint64_t *z, cm_cross in, size_t words);
    /* z ^= x0[k] & y01[k] ^ x1[k] & y0[k] for all terms k: and_cross with factors of one bit. */
    void (*mask_cross)(uint64_t *z, cm_masked in, size_t words);
    /* The words of and_cross, XORed. */
    uint64_t (*fold_cross)(cm_cross in, size_t words);
    /*
     * Carries out of a pair of bits: z0 without, z1 with a carry in.  Linear in x but for y0 y1 in
     * z1, which is taken where `ones` has a bit; so it may be done to shares of x.
     */
    void (*pair_carries)(uint64_t *z0, uint64_t *z1, cm_bit_pair in, uint64_t ones, size_t words);
    uint64_t (*dot)(const uint64_t *x, const uint64_t *y, size_t words);
    uint64_t (*dot_cross)(cm_cross in, size_t words);
    /* Bit r of z is the XOR of bits 0 .. r of x. */
    void (*prefix_xor)(uint64_t *z, const uint64_t *x, size_t words);
    /* z[r] = bit r of the plane x, as 0 or 1. */
    void (*spread)(uint64_t *z, const uint64_t *x, size_t rows);
    /* Swaps bit c of word r with bit r of word c. */
    void (*transpose)(uint64_t block[static 64]);
} cm_kernels;

const cm_kernels *cm_kernels_portable(void);
const cm_kernels *cm_kernels_avx2(const cm_cpu *cpu);   /* NULL: the CPU lacks it */
const cm_kernels *cm_kernels_avx512(const cm_cpu *cpu); /* NULL: the CPU lacks it */
const cm_kernels *cm_kernels_gfni(const cm_cpu *cpu);   /* NULL: the CPU lacks it */
const cm_kernels *cm_kernels_neon(void);                /* NULL: not an arm64 */

/* The fastest table of this machine: chosen on first use, the same ever after. */
const cm_kernels *cm_kernels_best(void);

/* Legs as plain words, for kernels; in share/ and proto/ only, like .v itself. */
static inline uint64_t *cm_b64_words(cm_b64 *leg)
{
    return (uint64_t *)leg;
}
static inline uint64_t *cm_a64_words(cm_a64 *leg)
{
    return (uint64_t *)leg;
}

/* z[r] = x[from[r]] for `rows` rows; from goes on to `known` >= rows numbers. */
void cm_words_gather(const uint64_t *x, const uint32_t *from, size_t rows, size_t known,
                     uint64_t *z);

/*
 * Gathers rows of separate planes: bit r of z[p] is bit from[r] of x[p] for rows_z rows.  Planes of
 * x hold rows_x rows; z[p] is x[p] for all p, or they do not overlap.  Works through row-major
 * words, 64 planes at a time, so that a row costs one access per 64 planes; bits of z past the last
 * row become 0.
 */
typedef struct cm_plane_gather {
    const uint64_t *const *x;
    uint64_t *const *z;
    size_t planes;
    size_t rows_x, rows_z;
    const uint32_t *from;
} cm_plane_gather;
void cm_planes_gather(const cm_plane_gather *job, cm_arena scratch);

#endif
