#include "crypto/prg.h"

#include "crypto/prg_int.h"

#include <string.h>

enum { BLOCK_BYTES = 16 };

/* With 2^48 blocks under one key the stream is told from random with an advantage below 2^-33. */
static const uint64_t BLOCKS_MAX = (uint64_t)1 << 48;

static cm_prg_blocks_fn *choose(const cm_cpu *cpu)
{
    cm_prg_blocks_fn *fn = cm_prg_vaes_get(cpu);
    if (fn == NULL) {
        fn = cm_prg_aesni_get(cpu);
    }
    if (fn == NULL) {
        fn = cm_prg_armv8_get(cpu);
    }
    return fn != NULL ? fn : cm_prg_blocks_portable;
}

void cm_prg_init(cm_prg *prg, const cm_key *key, uint64_t stream, const cm_cpu *cpu)
{
    cm_aes128_expand(key, prg->round_keys);
    prg->stream = stream;
    prg->next_block = 0;
    prg->blocks_fn = choose(cpu);
}

void cm_prg_fill(cm_prg *prg, void *data, size_t bytes)
{
    size_t whole = bytes / BLOCK_BYTES, rest = bytes % BLOCK_BYTES;
    uint8_t *out = data;
    const uint8_t(*round_keys)[16] = (const uint8_t(*)[16])prg->round_keys;

    CM_ASSERT(prg->blocks_fn != NULL);
    CM_ASSERT(whole + (rest > 0) <= BLOCKS_MAX - prg->next_block);
    if (whole > 0) {
        prg->blocks_fn(round_keys, prg->stream, prg->next_block, out, whole);
        prg->next_block += whole;
    }
    if (rest > 0) {
        uint8_t last[BLOCK_BYTES];
        prg->blocks_fn(round_keys, prg->stream, prg->next_block, last, 1);
        prg->next_block++;
        memcpy(out + whole * BLOCK_BYTES, last, rest);
        cm_wipe(last, sizeof last);
    }
}

uint64_t cm_prg_position(const cm_prg *prg)
{
    return prg->next_block;
}

void cm_prg_fini(cm_prg *prg)
{
    cm_wipe(prg, sizeof *prg);
}
