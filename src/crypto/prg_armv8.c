/* AES-128 in counter mode by ARMv8's AES instructions: eight blocks in flight hide their latency.
 */
#include "crypto/prg_int.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_AES)
#include <arm_neon.h>

enum { WAYS = 8, ROUNDS = 10 };

/* The plain text of a block: stream and block, both big-endian. */
static inline uint8x16_t counter_block(uint64_t stream, uint64_t block)
{
    uint64x2_t words = vcombine_u64(vcreate_u64(stream), vcreate_u64(block));
    return vrev64q_u8(vreinterpretq_u8_u64(words));
}

/* AESE adds the round key first, so the last key is added by itself. */
static inline uint8x16_t last_round(uint8x16_t b, const uint8x16_t key[ROUNDS + 1])
{
    return veorq_u8(vaeseq_u8(b, key[ROUNDS - 1]), key[ROUNDS]);
}

static void blocks_armv8(const uint8_t round_keys[11][16], uint64_t stream, uint64_t block,
                         uint8_t *data, size_t blocks)
{
    uint8x16_t key[ROUNDS + 1], b[WAYS];

    for (size_t r = 0; r <= ROUNDS; r++) {
        key[r] = vld1q_u8(round_keys[r]);
    }
    for (; blocks >= WAYS; blocks -= WAYS, block += WAYS, data += 16 * WAYS) {
        for (size_t i = 0; i < WAYS; i++) {
            b[i] = counter_block(stream, block + i);
        }
        for (size_t r = 0; r < ROUNDS - 1; r++) {
            for (size_t i = 0; i < WAYS; i++) {
                b[i] = vaesmcq_u8(vaeseq_u8(b[i], key[r]));
            }
        }
        for (size_t i = 0; i < WAYS; i++) {
            vst1q_u8(data + 16 * i, last_round(b[i], key));
        }
    }
    for (; blocks > 0; blocks--, block++, data += 16) {
        b[0] = counter_block(stream, block);
        for (size_t r = 0; r < ROUNDS - 1; r++) {
            b[0] = vaesmcq_u8(vaeseq_u8(b[0], key[r]));
        }
        vst1q_u8(data, last_round(b[0], key));
    }
    cm_wipe(key, sizeof key);
}

cm_prg_blocks_fn *cm_prg_armv8_get(const cm_cpu *cpu)
{
    return cpu->aes ? blocks_armv8 : NULL;
}
#else
cm_prg_blocks_fn *cm_prg_armv8_get(const cm_cpu *cpu)
{
    (void)cpu;
    return NULL;
}
#endif
