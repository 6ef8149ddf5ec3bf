/* Kernels for AVX2: four words to the register.  Compiled with -mavx2. */
#include "share/kern_int.h"

#if defined(__AVX2__)
#include "share/kern_loops.h"

#include <immintrin.h>

static inline __m256i load(const uint64_t *words)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)words);
}

static inline void store(uint64_t *words, __m256i value)
{
    _mm256_storeu_si256((__m256i *)(void *)words, value);
}

/* Swaps the high j bits of each 2j-bit field of a with the low j bits of b's. */
static inline void swap_fields(__m256i *a, __m256i *b, int j, __m256i low)
{
    __m256i swap = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi64(*a, j), *b), low);
    *b = _mm256_xor_si256(*b, swap);
    *a = _mm256_xor_si256(*a, _mm256_slli_epi64(swap, j));
}

static inline void swap_rows(uint64_t *block, unsigned j, uint64_t low_bits)
{
    __m256i low = _mm256_set1_epi64x((long long)low_bits);

    for (unsigned k = 0; k < 64; k += 2 * j) {
        for (unsigned i = k; i < k + j; i += 4) {
            __m256i a = load(block + i), b = load(block + i + j);
            swap_fields(&a, &b, (int)j, low);
            store(block + i, a);
            store(block + i + j, b);
        }
    }
}

/* As in kern_portable.c; for j < 4 the rows to be paired are first brought into two registers. */
void cm_kern_transpose_avx2(uint64_t block[static 64])
{
    __m256i low2 = _mm256_set1_epi64x(0x3333333333333333);
    __m256i low1 = _mm256_set1_epi64x(0x5555555555555555);

    swap_rows(block, 32, 0x00000000ffffffff);
    swap_rows(block, 16, 0x0000ffff0000ffff);
    swap_rows(block, 8, 0x00ff00ff00ff00ff);
    swap_rows(block, 4, 0x0f0f0f0f0f0f0f0f);
    for (unsigned k = 0; k < 64; k += 8) {
        __m256i a = load(block + k), b = load(block + k + 4);
        __m256i upper = _mm256_permute2x128_si256(a, b, 0x20);
        __m256i lower = _mm256_permute2x128_si256(a, b, 0x31);
        swap_fields(&upper, &lower, 2, low2);
        a = _mm256_permute2x128_si256(upper, lower, 0x20);
        b = _mm256_permute2x128_si256(upper, lower, 0x31);
        upper = _mm256_unpacklo_epi64(a, b);
        lower = _mm256_unpackhi_epi64(a, b);
        swap_fields(&upper, &lower, 1, low1);
        store(block + k, _mm256_unpacklo_epi64(upper, lower));
        store(block + k + 4, _mm256_unpackhi_epi64(upper, lower));
    }
}

/* Four words by doubling at once; only the carry from word to word is serial. */
void cm_kern_prefix_xor_avx2(uint64_t *z, const uint64_t *x, size_t words)
{
    uint64_t carry = 0;
    size_t i = 0;

    for (; i + 4 <= words; i += 4) {
        __m256i v = load(x + i);
        v = _mm256_xor_si256(v, _mm256_slli_epi64(v, 1));
        v = _mm256_xor_si256(v, _mm256_slli_epi64(v, 2));
        v = _mm256_xor_si256(v, _mm256_slli_epi64(v, 4));
        v = _mm256_xor_si256(v, _mm256_slli_epi64(v, 8));
        v = _mm256_xor_si256(v, _mm256_slli_epi64(v, 16));
        v = _mm256_xor_si256(v, _mm256_slli_epi64(v, 32));
        store(z + i, v);
        for (unsigned k = 0; k < 4; k++) {
            z[i + k] ^= carry;
            carry = 0 - (z[i + k] >> 63);
        }
    }
    for (; i < words; i++) {
        z[i] = loop_prefix_word(x[i]) ^ carry;
        carry = 0 - (z[i] >> 63);
    }
}

const cm_kernels *cm_kernels_avx2(const cm_cpu *cpu)
{
    static const cm_kernels avx2 = {
        .name = "avx2",
        CM_LOOP_KERNELS,
        .prefix_xor = cm_kern_prefix_xor_avx2,
        .transpose = cm_kern_transpose_avx2,
    };
    return cpu->avx2 ? &avx2 : NULL;
}
#else
const cm_kernels *cm_kernels_avx2(const cm_cpu *cpu)
{
    (void)cpu;
    return NULL;
}
#endif
