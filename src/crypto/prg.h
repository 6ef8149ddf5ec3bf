/*
 * crypto/prg.h - the pseudo-random generator of all protocols: AES-128 in counter mode.
 *
 * Two parties that hold the same key advance in step.  A position (counter of 16-byte blocks) is
 * used once per key: the stream only moves forward, and the end of its 2^48 blocks is asserted.
 * A stream has an id, so that one key serves several uses (lanes, roles) on disjoint positions:
 * block b of stream s is AES_k(s * 2^64 + b), as a big-endian counter block.
 */
#ifndef CM_CRYPTO_PRG_H
#define CM_CRYPTO_PRG_H

#include "base/cpu.h"
#include "crypto/crypto.h"

/* Writes whole blocks, from the given position on; one implementation per instruction set. */
typedef void cm_prg_blocks_fn(const uint8_t round_keys[11][16], uint64_t stream, uint64_t block,
                              uint8_t *data, size_t blocks);

typedef struct cm_prg {
    uint8_t round_keys[11][16]; /* expanded AES-128 key: secret */
    uint64_t stream;
    uint64_t next_block;
    cm_prg_blocks_fn *blocks_fn; /* portable, AES-NI or VAES: chosen by cm_prg_init */
} cm_prg;

/* A zeroed cm_cpu chooses the portable implementation.  All give the same bytes. */
void cm_prg_init(cm_prg *prg, const cm_key *key, uint64_t stream, const cm_cpu *cpu);
/* Fills bytes; a last partial block is used up whole. */
void cm_prg_fill(cm_prg *prg, void *data, size_t bytes);
/* Next block position: two parties in step have equal ones. */
uint64_t cm_prg_position(const cm_prg *prg);
void cm_prg_fini(cm_prg *prg); /* wipes */

#endif
