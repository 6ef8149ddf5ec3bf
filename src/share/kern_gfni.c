/*
 * Kernels for AVX-512 with VBMI and GFNI: those of AVX-512, and transposition.  Compiled with these
 * flags.
 *
 * 64 words are 8 x 8 blocks of 8 x 8 bits, eight words to the register.  Within a register bytes
 * are permuted so that each word of it is one block, and one instruction of GFNI transposes all
 * eight: it multiplies a vector by a matrix, and the vectors here are those of the unit matrix.
 * What is left is to transpose the blocks, words across registers and bytes within them.
 */
#include "share/kern_int.h"

#if defined(__GFNI__) && defined(__AVX512VBMI__)
#include "share/kern_loops.h"

#include <immintrin.h>

/* Byte i of word c: that of word i, counted from `first` on by `step`, byte c. */
static inline __m512i byte_order(int first, int step)
{
    uint8_t index[64];

    for (int c = 0; c < 8; c++) {
        for (int i = 0; i < 8; i++) {
            index[8 * c + i] = (uint8_t)(8 * (first + step * i) + c);
        }
    }
    return _mm512_loadu_si512(index);
}

/* Word k of x[c] becomes word c of x[k]. */
static inline void swap_words(__m512i x[static 8])
{
    __m512i pair[8], quad[8];

    for (int i = 0; i < 8; i += 2) { /* pair[i]: even words of two registers, pair[i + 1]: odd */
        pair[i] = _mm512_unpacklo_epi64(x[i], x[i + 1]);
        pair[i + 1] = _mm512_unpackhi_epi64(x[i], x[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* of four: words 0 and 4, 1 and 5, 2 and 6, 3 and 7 */
        for (int odd = 0; odd < 2; odd++) {
            quad[i + odd] = _mm512_shuffle_i64x2(pair[i + odd], pair[i + 2 + odd], 0x88);
            quad[i + 2 + odd] = _mm512_shuffle_i64x2(pair[i + odd], pair[i + 2 + odd], 0xdd);
        }
    }
    for (int i = 0; i < 4; i++) {
        x[i] = _mm512_shuffle_i64x2(quad[i], quad[i + 4], 0x88);
        x[i + 4] = _mm512_shuffle_i64x2(quad[i], quad[i + 4], 0xdd);
    }
}

static void transpose_gfni(uint64_t block[static 64])
{
    const __m512i unit = _mm512_set1_epi64((long long)UINT64_C(0x8040201008040201));
    const __m512i matrix = byte_order(7, -1); /* GFNI's rows count from the last byte */
    const __m512i order = byte_order(0, 1);
    __m512i x[8];

    for (int i = 0; i < 8; i++) {
        x[i] = _mm512_permutexvar_epi8(matrix, _mm512_loadu_si512(block + 8 * i));
        x[i] = _mm512_gf2p8affine_epi64_epi8(unit, x[i], 0);
    }
    swap_words(x);
    for (int i = 0; i < 8; i++) {
        _mm512_storeu_si512(block + 8 * i, _mm512_permutexvar_epi8(order, x[i]));
    }
}

const cm_kernels *cm_kernels_gfni(const cm_cpu *cpu)
{
    static const cm_kernels gfni = {
        .name = "avx512+gfni",
        CM_LOOP_KERNELS,
        .prefix_xor = cm_kern_prefix_xor_avx2,
        .transpose = transpose_gfni,
    };
    return cpu->gfni ? &gfni : NULL;
}
#else
const cm_kernels *cm_kernels_gfni(const cm_cpu *cpu)
{
    (void)cpu;
    return NULL;
}
#endif
