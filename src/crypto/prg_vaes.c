/* AES-128 in counter mode by VAES: four blocks a register, eight registers in flight. */
#include "crypto/prg_int.h"

#if defined(__VAES__) && defined(__AVX512BW__)
#include <immintrin.h>

enum { WAYS = 8, BLOCKS = 4 * WAYS };

static __m512i encrypt_first(__m512i counter, const __m512i key[11])
{
    /* Counters are kept as little-endian words {block, stream} and reversed on use. */
    const __m512i reverse =
        _mm512_broadcast_i32x4(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    return _mm512_xor_si512(_mm512_shuffle_epi8(counter, reverse), key[0]);
}

static __m512i encrypt_one(__m512i counter, const __m512i key[11])
{
    __m512i b = encrypt_first(counter, key);
    for (size_t r = 1; r < 10; r++) {
        b = _mm512_aesenc_epi128(b, key[r]);
    }
    return _mm512_aesenclast_epi128(b, key[10]);
}

static void blocks_vaes(const uint8_t round_keys[11][16], uint64_t stream, uint64_t block,
                        uint8_t *data, size_t blocks)
{
    const __m512i four = _mm512_set_epi64(0, 4, 0, 4, 0, 4, 0, 4);
    __m512i counter = _mm512_add_epi64(
        _mm512_broadcast_i32x4(_mm_set_epi64x((long long)stream, (long long)block)),
        _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0));
    __m512i key[11], b[WAYS];

    for (size_t r = 0; r < 11; r++) {
        key[r] =
            _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)round_keys[r]));
    }
    for (; blocks >= BLOCKS; blocks -= BLOCKS, data += 16 * BLOCKS) {
        for (size_t i = 0; i < WAYS; i++) {
            b[i] = encrypt_first(counter, key);
            counter = _mm512_add_epi64(counter, four);
        }
        for (size_t r = 1; r < 10; r++) {
            for (size_t i = 0; i < WAYS; i++) {
                b[i] = _mm512_aesenc_epi128(b[i], key[r]);
            }
        }
        for (size_t i = 0; i < WAYS; i++) {
            _mm512_storeu_si512(data + 64 * i, _mm512_aesenclast_epi128(b[i], key[10]));
        }
    }
    for (; blocks > 0; counter = _mm512_add_epi64(counter, four)) {
        size_t now = blocks < 4 ? blocks : 4;
        __mmask8 words = (__mmask8)((1u << (2 * now)) - 1);
        _mm512_mask_storeu_epi64(data, words, encrypt_one(counter, key));
        data += 16 * now;
        blocks -= now;
    }
    cm_wipe(key, sizeof key);
}

cm_prg_blocks_fn *cm_prg_vaes_get(const cm_cpu *cpu)
{
    return cpu->vaes ? blocks_vaes : NULL;
}
#else
cm_prg_blocks_fn *cm_prg_vaes_get(const cm_cpu *cpu)
{
    (void)cpu;
    return NULL;
}
#endif
