/*
 * crypto/seal.h - bytes at rest: AES-256-GCM (NIST SP 800-38D), one block of a file at a time.
 *
 * A key belongs to one file alone; a block's number in the file is its nonce, so no pair of key and
 * nonce is used twice.  Additional data is authenticated and not written.
 */
#ifndef CM_CRYPTO_SEAL_H
#define CM_CRYPTO_SEAL_H

#include "base/base.h"

enum { CM_SEAL_KEY_BYTES = 32, CM_SEAL_TAG_BYTES = 16 };

/* Writes bytes + CM_SEAL_TAG_BYTES to ret, which is not plain.  CM_ENOMEM when memory runs out. */
CM_MUST cm_status cm_seal(const uint8_t key[static CM_SEAL_KEY_BYTES], uint64_t number,
                          const void *about, size_t about_bytes, const void *plain, size_t bytes,
                          uint8_t *ret);
/* sealed has bytes + CM_SEAL_TAG_BYTES.  CM_EPROTO, and ret wiped, when it is not what was sealed
 * with this key, number and additional data. */
CM_MUST cm_status cm_unseal(const uint8_t key[static CM_SEAL_KEY_BYTES], uint64_t number,
                            const void *about, size_t about_bytes, const uint8_t *sealed,
                            size_t bytes, void *ret);

#endif
