/*
 * crypto/crypto.h - wiping, constant-time comparison, randomness, hashing.  OpenSSL 3 underneath.
 */
#ifndef CM_CRYPTO_CRYPTO_H
#define CM_CRYPTO_CRYPTO_H

#include "base/base.h"

enum { CM_HASH_BYTES = 32, CM_KEY_BYTES = 16 };

typedef struct cm_hash {
    uint8_t bytes[CM_HASH_BYTES];
} cm_hash;

/* A secret symmetric key.  Never compared, printed or logged. */
typedef struct cm_key {
    uint8_t bytes[CM_KEY_BYTES];
} cm_key;

/* Not removed by the optimiser. */
void cm_wipe(void *data, size_t bytes);
/* 1 when equal; time depends on bytes alone. */
int cm_ct_equal(const void *a, const void *b, size_t bytes);
/* For a process that holds keys: no core dumps, and no other process of the same user may look at
 * its memory.  Where the system refuses that it goes on all the same. */
void cm_process_protect(void);
/* From the kernel's generator; aborts when it fails, since nothing may go on without it. */
void cm_random_bytes(void *data, size_t bytes);

cm_hash cm_sha256(const void *data, size_t bytes);
/* 64 lower-case hex digits and a NUL. */
void cm_hash_hex(const cm_hash *hash, char ret_hex[static 65]);
CM_MUST cm_status cm_hash_from_hex(const char *hex, cm_hash *ret);

typedef struct cm_sha256_ctx cm_sha256_ctx; /* incremental */
cm_sha256_ctx *cm_sha256_new(void);
void cm_sha256_put(cm_sha256_ctx *ctx, const void *data, size_t bytes);
/* Frees ctx. */
cm_hash cm_sha256_finish(cm_sha256_ctx *ctx);

/* HMAC-SHA-256 and PBKDF2-HMAC-SHA-256 (for SCRAM, RFC 5802 and RFC 7677). */
cm_hash cm_hmac_sha256(const void *key, size_t key_bytes, const void *data, size_t bytes);
cm_hash cm_pbkdf2_sha256(const char *password, const uint8_t *salt, size_t salt_bytes,
                         unsigned iterations);

#endif
