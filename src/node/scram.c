/* Verifiers of SCRAM-SHA-256: RFC 5802, section 3, with SHA-256 (RFC 7677). */
#include "node/node.h"
#include "node/session.h"
#include "node/state.h"

#include <string.h>

enum { ITERATIONS = 4096, ROLE_ARENA_BYTES = 1 << 20 };

/* StoredKey and ServerKey of a salted password. */
static void derive(const cm_hash *salted, cm_scram_verifier *ret)
{
    static const char client[] = "Client Key", server[] = "Server Key";
    cm_hash client_key = cm_hmac_sha256(salted->bytes, CM_HASH_BYTES, client, sizeof client - 1);
    cm_hash stored = cm_sha256(client_key.bytes, CM_HASH_BYTES);
    cm_hash server_key = cm_hmac_sha256(salted->bytes, CM_HASH_BYTES, server, sizeof server - 1);
    memcpy(ret->stored_key, stored.bytes, CM_HASH_BYTES);
    memcpy(ret->server_key, server_key.bytes, CM_HASH_BYTES);
    cm_wipe(&client_key, sizeof client_key);
    cm_wipe(&server_key, sizeof server_key);
}

cm_scram_verifier cm_scram_verifier_of(const char *password)
{
    cm_scram_verifier v = {.iterations = ITERATIONS};
    cm_random_bytes(v.salt, sizeof v.salt);
    cm_hash salted = cm_pbkdf2_sha256(password, v.salt, sizeof v.salt, v.iterations);
    derive(&salted, &v);
    cm_wipe(&salted, sizeof salted);
    return v;
}

/* The same made-up verifier every time for one name, that no password fits: its keys are hashes
 * of a signature that only this node can make. */
static void made_up(const cm_node *node, const char *role, cm_scram_verifier *ret)
{
    uint8_t signature[CM_SIGNATURE_BYTES];
    cm_identity_sign(cm_node_identity(node), "comity unknown role 1", role, strlen(role),
                     signature);
    cm_hash salt = cm_sha256(signature, sizeof signature);
    cm_hash salted = cm_sha256(salt.bytes, sizeof salt.bytes);
    cm_hash salt_shown = cm_hmac_sha256(salted.bytes, CM_HASH_BYTES, "salt", 4);
    ret->iterations = ITERATIONS;
    memcpy(ret->salt, salt_shown.bytes, sizeof ret->salt);
    derive(&salted, ret);
}

bool cm_node_role_verifier(cm_node *node, const char *role, cm_scram_verifier *ret)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    cm_state_role found = {0};
    if (cm_arena_init(&arena, ROLE_ARENA_BYTES) == CM_OK &&
        cm_state_role_get(cm_node_state(node), role, &arena, &found, NULL) == CM_OK &&
        found.login) {
        *ret = found.verifier;
        return true;
    }
    made_up(node, role, ret);
    return false;
}
