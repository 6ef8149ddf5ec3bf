/* SHA-256 and what is built on it, by OpenSSL 3.  Its failures here are out-of-memory or a broken
 * installation: nothing may go on without a hash, so they abort. */
#include "crypto/crypto.h"

#include <limits.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

struct cm_sha256_ctx {
    EVP_MD_CTX *md;
};

cm_hash cm_sha256(const void *data, size_t bytes)
{
    cm_hash hash;

    CM_ASSERT(EVP_Digest(data, bytes, hash.bytes, NULL, EVP_sha256(), NULL) == 1);
    return hash;
}

cm_sha256_ctx *cm_sha256_new(void)
{
    cm_sha256_ctx *ctx = OPENSSL_zalloc(sizeof *ctx);

    CM_ASSERT(ctx != NULL);
    ctx->md = EVP_MD_CTX_new();
    CM_ASSERT(ctx->md != NULL);
    CM_ASSERT(EVP_DigestInit_ex(ctx->md, EVP_sha256(), NULL) == 1);
    return ctx;
}

void cm_sha256_put(cm_sha256_ctx *ctx, const void *data, size_t bytes)
{
    CM_ASSERT(EVP_DigestUpdate(ctx->md, data, bytes) == 1);
}

cm_hash cm_sha256_finish(cm_sha256_ctx *ctx)
{
    cm_hash hash;

    CM_ASSERT(EVP_DigestFinal_ex(ctx->md, hash.bytes, NULL) == 1);
    EVP_MD_CTX_free(ctx->md);
    OPENSSL_free(ctx);
    return hash;
}

cm_hash cm_hmac_sha256(const void *key, size_t key_bytes, const void *data, size_t bytes)
{
    cm_hash hash;

    CM_ASSERT(key_bytes <= INT_MAX);
    /* HMAC() takes a NULL key for "the key of the last call". */
    const void *key_or_empty = key_bytes > 0 ? key : "";
    CM_ASSERT(HMAC(EVP_sha256(), key_or_empty, (int)key_bytes, data, bytes, hash.bytes, NULL) !=
              NULL);
    return hash;
}

cm_hash cm_pbkdf2_sha256(const char *password, const uint8_t *salt, size_t salt_bytes,
                         unsigned iterations)
{
    cm_hash hash;
    size_t password_bytes = strlen(password);

    CM_ASSERT(password_bytes <= INT_MAX && salt_bytes <= INT_MAX);
    CM_ASSERT(iterations > 0 && iterations <= INT_MAX);
    CM_ASSERT(PKCS5_PBKDF2_HMAC(password, (int)password_bytes, salt, (int)salt_bytes,
                                (int)iterations, EVP_sha256(), CM_HASH_BYTES, hash.bytes) == 1);
    return hash;
}
