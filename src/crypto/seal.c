#include "crypto/seal.h"

#include "crypto/crypto.h"

#include <limits.h>
#include <openssl/evp.h>

static void make_nonce(uint64_t number, uint8_t ret[static 12])
{
    for (size_t i = 0; i < 12; i++) {
        ret[i] = (uint8_t)(i < 4 ? 0 : number >> (8 * (11 - i)));
    }
}

static EVP_CIPHER_CTX *begin(const uint8_t *key, uint64_t number, const void *about,
                             size_t about_bytes, bool sealing)
{
    uint8_t nonce[12];
    int ignored;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    make_nonce(number, nonce);
    if (ctx != NULL && (EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, sealing) != 1 ||
                        EVP_CipherUpdate(ctx, NULL, &ignored, about, (int)about_bytes) != 1)) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

cm_status cm_seal(const uint8_t key[static CM_SEAL_KEY_BYTES], uint64_t number, const void *about,
                  size_t about_bytes, const void *plain, size_t bytes, uint8_t *ret)
{
    int done = 0, rest = 0;

    CM_ASSERT(bytes <= INT_MAX / 2 && about_bytes <= INT_MAX);
    EVP_CIPHER_CTX *ctx = begin(key, number, about, about_bytes, true);
    bool sealed =
        ctx != NULL && EVP_EncryptUpdate(ctx, ret, &done, plain, (int)bytes) == 1 &&
        EVP_EncryptFinal_ex(ctx, ret + done, &rest) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, CM_SEAL_TAG_BYTES, ret + bytes) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return sealed ? CM_OK : CM_ENOMEM;
}

cm_status cm_unseal(const uint8_t key[static CM_SEAL_KEY_BYTES], uint64_t number, const void *about,
                    size_t about_bytes, const uint8_t *sealed, size_t bytes, void *ret)
{
    uint8_t tag[CM_SEAL_TAG_BYTES], *plain = ret;
    int done = 0, rest = 0;

    CM_ASSERT(bytes <= INT_MAX / 2 && about_bytes <= INT_MAX);
    for (size_t i = 0; i < sizeof tag; i++) {
        tag[i] = sealed[bytes + i];
    }
    EVP_CIPHER_CTX *ctx = begin(key, number, about, about_bytes, false);
    bool genuine = ctx != NULL && EVP_DecryptUpdate(ctx, plain, &done, sealed, (int)bytes) == 1 &&
                   EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, CM_SEAL_TAG_BYTES, tag) == 1 &&
                   EVP_DecryptFinal_ex(ctx, plain + done, &rest) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!genuine) {
        cm_wipe(ret, bytes);
        return CM_EPROTO;
    }
    return CM_OK;
}
