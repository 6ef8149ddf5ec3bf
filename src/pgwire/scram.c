#include "pgwire/scram.h"

#include <stdio.h>
#include <string.h>

#include "crypto/crypto.h"

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t cm_base64_encode(const uint8_t *data, size_t bytes, char *ret_text, size_t max)
{
    size_t chars = (bytes + 2) / 3 * 4;
    if (chars + 1 > max) {
        return SIZE_MAX;
    }
    for (size_t i = 0, o = 0; i < bytes; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16;
        group |= i + 1 < bytes ? (uint32_t)data[i + 1] << 8 : 0;
        group |= i + 2 < bytes ? (uint32_t)data[i + 2] : 0;
        ret_text[o++] = BASE64[group >> 18 & 63];
        ret_text[o++] = BASE64[group >> 12 & 63];
        ret_text[o++] = i + 1 < bytes ? BASE64[group >> 6 & 63] : '=';
        ret_text[o++] = i + 2 < bytes ? BASE64[group & 63] : '=';
    }
    ret_text[chars] = '\0';
    return chars;
}

size_t cm_base64_decode(const char *text, size_t chars, uint8_t *ret_data, size_t max)
{
    size_t out = 0;
    if (chars % 4 != 0) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i < chars; i += 4) {
        uint32_t group = 0;
        unsigned padding = 0;
        for (size_t j = 0; j < 4; j++) {
            char c = text[i + j];
            const char *at = c != '\0' ? strchr(BASE64, c) : NULL;
            bool may_pad = i + 4 == chars && j >= 2;
            if (c == '=' && may_pad) {
                padding++;
            } else if (at == NULL || padding > 0) {
                return SIZE_MAX;
            }
            group = group << 6 | (at != NULL ? (uint32_t)(at - BASE64) : 0);
        }
        for (unsigned j = 0; j < 3 - padding; j++) {
            if (out == max) {
                return SIZE_MAX;
            }
            ret_data[out++] = (uint8_t)(group >> (16 - 8 * j));
        }
    }
    return out;
}

void cm_scram_init(cm_scram *scram, const cm_scram_verifier *verifier, bool known)
{
    memset(scram, 0, sizeof *scram);
    scram->verifier = *verifier;
    scram->known = known;
}

void cm_scram_fini(cm_scram *scram)
{
    cm_wipe(scram, sizeof *scram);
}

static cm_status malformed(cm_diag *diag)
{
    return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "malformed SCRAM message");
}

cm_status cm_scram_first(cm_scram *scram, const char *message, const char **ret_reply,
                         cm_diag *diag)
{
    /* gs2-header: n or y (no channel binding), no authorization identity. */
    if (strncmp(message, "n,,", 3) != 0 && strncmp(message, "y,,", 3) != 0) {
        return cm_fail(diag, CM_EDENIED, "28000",
                       "the client asks for channel binding, which this server does not offer");
    }
    memcpy(scram->gs2, message, 3);
    const char *bare = message + 3;
    const char *nonce = strstr(bare, ",r=");
    if (strncmp(bare, "n=", 2) != 0 || nonce == NULL) {
        return malformed(diag);
    }
    nonce += 3;
    size_t nonce_chars = strcspn(nonce, ",");
    if (nonce_chars == 0 || nonce_chars > 64 || strlen(bare) >= sizeof scram->client_first) {
        return malformed(diag);
    }
    memcpy(scram->client_first, bare, strlen(bare) + 1);

    uint8_t random[18];
    char own[32];
    char salt[32];
    cm_random_bytes(random, sizeof random);
    (void)cm_base64_encode(random, sizeof random, own, sizeof own);
    (void)cm_base64_encode(scram->verifier.salt, sizeof scram->verifier.salt, salt, sizeof salt);
    (void)snprintf(scram->nonce, sizeof scram->nonce, "%.*s%s", (int)nonce_chars, nonce, own);
    (void)snprintf(scram->server_first, sizeof scram->server_first, "r=%s,s=%s,i=%u", scram->nonce,
                   salt, scram->verifier.iterations);
    *ret_reply = scram->server_first;
    return CM_OK;
}

/* The client's key, from its proof; right when its hash is the stored key. */
static bool proof_fits(const cm_scram *scram, const cm_hash *signature, const uint8_t *proof)
{
    uint8_t key[32];
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (uint8_t)(proof[i] ^ signature->bytes[i]);
    }
    cm_hash stored = cm_sha256(key, sizeof key);
    cm_wipe(key, sizeof key);
    int equal = cm_ct_equal(stored.bytes, scram->verifier.stored_key, sizeof stored.bytes);
    return equal == 1 && scram->known;
}

cm_status cm_scram_final(cm_scram *scram, const char *message, char ret_reply[static 64],
                         cm_diag *diag)
{
    char binding[16];
    uint8_t proof[32];
    char auth[1024];
    (void)cm_base64_encode((const uint8_t *)scram->gs2, 3, binding, sizeof binding);
    const char *proof_at = strstr(message, ",p=");
    const char *nonce_at = strstr(message, ",r=");
    if (strncmp(message, "c=", 2) != 0 || proof_at == NULL || nonce_at == NULL ||
        nonce_at > proof_at) {
        return malformed(diag);
    }
    size_t binding_chars = (size_t)(nonce_at - message) - 2;
    size_t nonce_chars = (size_t)(proof_at - nonce_at) - 3;
    bool same = binding_chars == strlen(binding) && nonce_chars == strlen(scram->nonce) &&
                memcmp(message + 2, binding, binding_chars) == 0 &&
                memcmp(nonce_at + 3, scram->nonce, nonce_chars) == 0;
    size_t proof_chars = strlen(proof_at + 3);
    if (!same || cm_base64_decode(proof_at + 3, proof_chars, proof, sizeof proof) != sizeof proof) {
        return malformed(diag);
    }
    int auth_chars = snprintf(auth, sizeof auth, "%s,%s,%.*s", scram->client_first,
                              scram->server_first, (int)(proof_at - message), message);
    if (auth_chars < 0 || (size_t)auth_chars >= sizeof auth) {
        return malformed(diag);
    }
    cm_hash signature = cm_hmac_sha256(scram->verifier.stored_key, 32, auth, (size_t)auth_chars);
    if (!proof_fits(scram, &signature, proof)) {
        return cm_fail(diag, CM_EDENIED, "28P01", "password authentication failed");
    }
    cm_hash server = cm_hmac_sha256(scram->verifier.server_key, 32, auth, (size_t)auth_chars);
    ret_reply[0] = 'v';
    ret_reply[1] = '=';
    (void)cm_base64_encode(server.bytes, sizeof server.bytes, ret_reply + 2, 62);
    return CM_OK;
}
