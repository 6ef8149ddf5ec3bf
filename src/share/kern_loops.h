/*
 * share/kern_loops.h - elementwise kernels in plain C, compiled once per instruction set: each
 * kern_*.c includes this file under its own compiler flags and puts the functions into its table.
 */
#ifndef CM_SHARE_KERN_LOOPS_H
#define CM_SHARE_KERN_LOOPS_H

#include "share/kern.h"

/* An output may be an input, so restrict would be a lie; that no iteration reads what an earlier
 * one wrote is what the vectoriser needs to know. */
#if defined(__clang__)
#define CM_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define CM_INDEPENDENT _Pragma("GCC ivdep")
#endif

static inline void loop_xor(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words)
{
    CM_INDEPENDENT
    for (size_t i = 0; i < words; i++) {
        z[i] = x[i] ^ y[i];
    }
}

static inline void loop_and(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words)
{
    CM_INDEPENDENT
    for (size_t i = 0; i < words; i++) {
        z[i] = x[i] & y[i];
    }
}

static inline void loop_add(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words)
{
    CM_INDEPENDENT
    for (size_t i = 0; i < words; i++) {
        z[i] = x[i] + y[i];
    }
}

static inline void loop_sub(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words)
{
    CM_INDEPENDENT
    for (size_t i = 0; i < words; i++) {
        z[i] = x[i] - y[i];
    }
}

static inline void loop_mul(uint64_t *z, const uint64_t *x, const uint64_t *y, size_t words)
{
    CM_INDEPENDENT
    for (size_t i = 0; i < words; i++) {
        z[i] = x[i] * y[i];
    }
}

static inline void loop_scale(uint64_t *z, const uint64_t *x, uint64_t factor, size_t words)
{
    CM_INDEPENDENT
    for (size_t i = 0; i < words; i++) {
        z[i] = x[i] * factor;
    }
}

static inline void loop_and_cross(uint64_t *z, cm_cross in, size_t words)
{
    CM_INDEPENDENT
    for (size_t i = 0; i < words; i++) {
        z[i] ^= (in.x0[i] & (in.y0[i] ^ in.y1[i])) ^ (in.x1[i] & in.y0[i]);
    }
}

static inline void loop_mul_cross(uint64_t *z, cm_cross in, size_t words)
{
    CM_INDEPENDENT
    for (size_t i = 0; i < words; i++) {
        z[i] += in.x0[i] * (in.y0[i] + in.y1[i]) + in.x1[i] * in.y0[i];
    }
}

/* Eight words: one register or several, as the instruction set has them. */
typedef uint64_t loop_words __attribute__((vector_size(64), aligned(8), may_alias));

static inline const loop_words *loop_at(const uint64_t *x)
{
    return (const loop_words *)(const void *)x;
}

/* Four times eight words at a time, whose sums stay in registers while the terms pass. */
static inline void loop_mask_cross(uint64_t *z, cm_masked in, size_t words)
{
    enum { STEP = 32 };
    size_t i = 0;

    for (; i + STEP <= words; i += STEP) {
        loop_words sum[4] = {{0}};
        for (size_t k = 0; k < in.terms; k++) {
            const loop_words *y0 = loop_at(in.y0 + k * words + i);
            const loop_words *y01 = loop_at(in.y01 + k * words + i);
            const loop_words x0 = (loop_words){0} + in.x0[k], x1 = (loop_words){0} + in.x1[k];
            sum[0] ^= (x0 & y01[0]) ^ (x1 & y0[0]);
            sum[1] ^= (x0 & y01[1]) ^ (x1 & y0[1]);
            sum[2] ^= (x0 & y01[2]) ^ (x1 & y0[2]);
            sum[3] ^= (x0 & y01[3]) ^ (x1 & y0[3]);
        }
        for (size_t r = 0; r < STEP; r++) {
            z[i + r] ^= sum[r / 8][r % 8];
        }
    }
    for (; i < words; i++) {
        for (size_t k = 0; k < in.terms; k++) {
            z[i] ^= (in.x0[k] & in.y01[k * words + i]) ^ (in.x1[k] & in.y0[k * words + i]);
        }
    }
}

static inline uint64_t loop_fold_cross(cm_cross in, size_t words)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < words; i++) {
        sum ^= (in.x0[i] & (in.y0[i] ^ in.y1[i])) ^ (in.x1[i] & in.y0[i]);
    }
    return sum;
}

static inline void loop_pair_carries(uint64_t *z0, uint64_t *z1, cm_bit_pair in, uint64_t ones,
                                     size_t words)
{
    CM_INDEPENDENT
    for (size_t i = 0; i < words; i++) {
        uint64_t y0 = in.y0[i], y1 = in.y1[i];
        uint64_t carry = (in.x1[i] & y1) ^ (in.x01[i] & y0) ^ (in.x0[i] & y0 & y1);
        z1[i] = carry ^ in.x01[i] ^ (in.x1[i] & y0) ^ (in.x0[i] & y1) ^ (y0 & y1 & ones);
        z0[i] = carry;
    }
}

static inline uint64_t loop_dot(const uint64_t *x, const uint64_t *y, size_t words)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < words; i++) {
        sum += x[i] * y[i];
    }
    return sum;
}

static inline uint64_t loop_dot_cross(cm_cross in, size_t words)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < words; i++) {
        sum += in.x0[i] * (in.y0[i] + in.y1[i]) + in.x1[i] * in.y0[i];
    }
    return sum;
}

static inline void loop_spread(uint64_t *z, const uint64_t *x, size_t rows)
{
    size_t whole = rows / 64;
    for (size_t w = 0; w < whole; w++) {
        uint64_t word = x[w];
        for (unsigned r = 0; r < 64; r++) {
            z[64 * w + r] = (word >> r) & 1;
        }
    }
    for (size_t r = 64 * whole; r < rows; r++) {
        z[r] = (x[whole] >> (r % 64)) & 1;
    }
}

/* Prefix XOR inside one word by doubling: after step s a bit covers the 2s bits below and at it. */
static inline uint64_t loop_prefix_word(uint64_t word)
{
    word ^= word << 1;
    word ^= word << 2;
    word ^= word << 4;
    word ^= word << 8;
    word ^= word << 16;
    word ^= word << 32;
    return word;
}

/* Carries a vector's running parity on: carry is 0 or all ones. */
static inline void loop_prefix_xor(uint64_t *z, const uint64_t *x, size_t words)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < words; i++) {
        z[i] = loop_prefix_word(x[i]) ^ carry;
        carry = 0 - (z[i] >> 63);
    }
}

#define CM_LOOP_KERNELS                                                                            \
    .xor = loop_xor, .and = loop_and, .add = loop_add, .sub = loop_sub, .mul = loop_mul,           \
    .scale = loop_scale, .and_cross = loop_and_cross, .mul_cross = loop_mul_cross,                 \
    .mask_cross = loop_mask_cross, .fold_cross = loop_fold_cross,                                  \
    .pair_carries = loop_pair_carries, .dot = loop_dot, .dot_cross = loop_dot_cross,               \
    .spread = loop_spread

#endif
