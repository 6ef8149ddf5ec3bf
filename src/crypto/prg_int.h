/* crypto/prg_int.h - the implementations of AES-128 in counter mode, private to crypto/. */
#ifndef CM_CRYPTO_PRG_INT_H
#define CM_CRYPTO_PRG_INT_H

#include "crypto/prg.h"

/*
 * Each writes the blocks AES_k(stream * 2^64 + block + i), i below blocks, to data, in time that
 * depends on blocks alone.  The getters return NULL where the processor lacks the instructions.
 */
void cm_prg_blocks_portable(const uint8_t round_keys[11][16], uint64_t stream, uint64_t block,
                            uint8_t *data, size_t blocks);
cm_prg_blocks_fn *cm_prg_aesni_get(const cm_cpu *cpu);
cm_prg_blocks_fn *cm_prg_vaes_get(const cm_cpu *cpu);
cm_prg_blocks_fn *cm_prg_armv8_get(const cm_cpu *cpu);

/* FIPS 197 key expansion, constant time. */
void cm_aes128_expand(const cm_key *key, uint8_t ret_round_keys[11][16]);

#endif
