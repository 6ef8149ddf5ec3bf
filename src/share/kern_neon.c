/* Kernels for arm64, where NEON is always there: two words to the register. */
#include "share/kern.h"

#if defined(__aarch64__)
#include "share/kern_loops.h"

#include <arm_neon.h>

/* Swaps the high j bits of each 2j-bit field of a with the low j bits of b's. */
static inline void swap_fields(uint64x2_t *a, uint64x2_t *b, int j, uint64_t low)
{
    uint64x2_t high = vshlq_u64(*a, vdupq_n_s64(-j));
    uint64x2_t swap = vandq_u64(veorq_u64(high, *b), vdupq_n_u64(low));
    *b = veorq_u64(*b, swap);
    *a = veorq_u64(*a, vshlq_u64(swap, vdupq_n_s64(j)));
}

/* As in kern_portable.c; for j = 1 the rows to be paired are first brought into two registers. */
static void transpose_neon(uint64_t block[static 64])
{
    uint64_t low = 0x00000000ffffffff;

    for (unsigned j = 32; j > 1; j >>= 1, low ^= low << j) {
        for (unsigned k = 0; k < 64; k += 2 * j) {
            for (unsigned i = k; i < k + j; i += 2) {
                uint64x2_t a = vld1q_u64(block + i), b = vld1q_u64(block + i + j);
                swap_fields(&a, &b, (int)j, low);
                vst1q_u64(block + i, a);
                vst1q_u64(block + i + j, b);
            }
        }
    }
    for (unsigned i = 0; i < 64; i += 4) {
        uint64x2_t a = vld1q_u64(block + i), b = vld1q_u64(block + i + 2);
        uint64x2_t even = vzip1q_u64(a, b), odd = vzip2q_u64(a, b);
        swap_fields(&even, &odd, 1, low);
        vst1q_u64(block + i, vzip1q_u64(even, odd));
        vst1q_u64(block + i + 2, vzip2q_u64(even, odd));
    }
}

/* Two words by doubling at once; only the carry from word to word is serial. */
static void prefix_xor_neon(uint64_t *z, const uint64_t *x, size_t words)
{
    uint64_t carry = 0;
    size_t i = 0;

    for (; i + 2 <= words; i += 2) {
        uint64x2_t v = vld1q_u64(x + i);
        v = veorq_u64(v, vshlq_n_u64(v, 1));
        v = veorq_u64(v, vshlq_n_u64(v, 2));
        v = veorq_u64(v, vshlq_n_u64(v, 4));
        v = veorq_u64(v, vshlq_n_u64(v, 8));
        v = veorq_u64(v, vshlq_n_u64(v, 16));
        v = veorq_u64(v, vshlq_n_u64(v, 32));
        z[i] = vgetq_lane_u64(v, 0) ^ carry;
        carry = 0 - (z[i] >> 63);
        z[i + 1] = vgetq_lane_u64(v, 1) ^ carry;
        carry = 0 - (z[i + 1] >> 63);
    }
    for (; i < words; i++) {
        z[i] = loop_prefix_word(x[i]) ^ carry;
        carry = 0 - (z[i] >> 63);
    }
}

const cm_kernels *cm_kernels_neon(void)
{
    static const cm_kernels neon = {
        .name = "neon",
        CM_LOOP_KERNELS,
        .prefix_xor = prefix_xor_neon,
        .transpose = transpose_neon,
    };
    return &neon;
}
#else
const cm_kernels *cm_kernels_neon(void)
{
    return NULL;
}
#endif
