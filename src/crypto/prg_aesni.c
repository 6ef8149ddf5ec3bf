/* AES-128 in counter mode by AES-NI: eight blocks in flight hide the instruction's latency. */
#include "crypto/prg_int.h"

#if defined(__AES__)
#include <immintrin.h>

enum { WAYS = 8 };

static void blocks_aesni(const uint8_t round_keys[11][16], uint64_t stream, uint64_t block,
                         uint8_t *data, size_t blocks)
{
    /* Counters are kept as little-endian words {block, stream} and reversed on use. */
    const __m128i reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i one = _mm_set_epi64x(0, 1);
    __m128i counter = _mm_set_epi64x((long long)stream, (long long)block);
    __m128i key[11], b[WAYS];

    for (size_t r = 0; r < 11; r++) {
        key[r] = _mm_loadu_si128((const __m128i *)(const void *)round_keys[r]);
    }
    for (; blocks >= WAYS; blocks -= WAYS, data += 16 * WAYS) {
        for (size_t i = 0; i < WAYS; i++) {
            b[i] = _mm_xor_si128(_mm_shuffle_epi8(counter, reverse), key[0]);
            counter = _mm_add_epi64(counter, one);
        }
        for (size_t r = 1; r < 10; r++) {
            for (size_t i = 0; i < WAYS; i++) {
                b[i] = _mm_aesenc_si128(b[i], key[r]);
            }
        }
        for (size_t i = 0; i < WAYS; i++) {
            _mm_storeu_si128((__m128i *)(void *)(data + 16 * i),
                             _mm_aesenclast_si128(b[i], key[10]));
        }
    }
    for (; blocks > 0; blocks--, data += 16) {
        b[0] = _mm_xor_si128(_mm_shuffle_epi8(counter, reverse), key[0]);
        counter = _mm_add_epi64(counter, one);
        for (size_t r = 1; r < 10; r++) {
            b[0] = _mm_aesenc_si128(b[0], key[r]);
        }
        _mm_storeu_si128((__m128i *)(void *)data, _mm_aesenclast_si128(b[0], key[10]));
    }
    cm_wipe(key, sizeof key);
}

cm_prg_blocks_fn *cm_prg_aesni_get(const cm_cpu *cpu)
{
    return cpu->aes ? blocks_aesni : NULL;
}
#else
cm_prg_blocks_fn *cm_prg_aesni_get(const cm_cpu *cpu)
{
    (void)cpu;
    return NULL;
}
#endif
