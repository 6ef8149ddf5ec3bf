/*
 * node/federation.h - who computes together: charter, invitations, the signed federation file.
 *
 * The founder's `comity invite` writes a charter (name, version, protocol, members, which of them
 * compute) and one token per invitee.  `comity join TOKEN` accepts the charter: the node connects
 * to the founder, checks the certificate fingerprint that the token pins, and proves the token's
 * one-time secret by HMAC over both certificates.  When everybody joined, the founder assembles the
 * federation file; every node checks it against the charter that it accepted, signs it, and puts it
 * into force when all signatures are there and right.  Trust: the token's channel for the founder,
 * the founder for the other members' certificates, until people compare the fingerprints that
 * `comity status` shows.  Protocol: docs/design/node.md.
 */
#ifndef CM_NODE_FEDERATION_H
#define CM_NODE_FEDERATION_H

#include "base/arena.h"
#include "node/node.h"

enum {
    CM_FEDERATION_MAX_MEMBERS = 64,
    CM_FEDERATION_MAX_BYTES = 1 << 20,
    CM_ADDRESS_MAX_BYTES = 255,
};

/* What everybody agrees to before certificates are known. */
typedef struct cm_charter {
    const char *name;
    uint32_t version;
    const char *protocol;
    const char *founder;
    size_t members;
    const char *const *member;
    size_t parties; /* the first so many members compute */
} cm_charter;
/* Canonical text and back; 22023 when it breaks a rule (names, counts, duplicates). */
void cm_charter_print(const cm_charter *charter, cm_buf *out);
CM_MUST cm_status cm_charter_parse(const char *text, cm_arena *arena, cm_charter *ret,
                                   cm_diag *diag);

typedef struct cm_token {
    cm_charter charter;
    const char *invitee;
    const char *founder_endpoint;
    cm_hash founder_fingerprint;
    uint8_t secret[16];
    int64_t expires_unix;
} cm_token;
/* "comity1." and base64url. */
void cm_token_print(const cm_token *token, cm_buf *out);
CM_MUST cm_status cm_token_parse(const char *text, cm_arena *arena, cm_token *ret, cm_diag *diag);

typedef struct cm_federation_member {
    const char *org;
    const char *endpoint; /* node port, "host:port" */
    bool computes;
    cm_cert cert;
    bool is_signed;
    uint8_t signature[CM_SIGNATURE_BYTES]; /* over the body, context "comity federation 1" */
} cm_federation_member;

struct cm_federation {
    cm_arena arena;
    cm_charter charter;
    size_t members;
    cm_federation_member *member;
    const char *body; /* the text that is signed */
    cm_hash digest;   /* SHA-256 of the body */
};

/* Body from charter and members; signatures are those of the members that have one. */
CM_MUST cm_status cm_federation_new(const cm_charter *charter, const cm_federation_member *members,
                                    cm_federation **ret, cm_diag *diag);
/* The whole file: body, then one line per signature. */
void cm_federation_print(const cm_federation *federation, cm_buf *out);
/* Every field is checked; signatures that are present are checked (28000), all must be when
 * complete is asked for. */
CM_MUST cm_status cm_federation_parse(const char *text, bool complete, cm_federation **ret,
                                      cm_diag *diag);
void cm_federation_free(cm_federation *federation); /* NULL allowed */
/* -1 when not a member. */
int cm_federation_index(const cm_federation *federation, const char *org);
/* A member's signature over the body, and whether it is one. */
void cm_federation_sign(const cm_federation *federation, const cm_identity *identity,
                        uint8_t ret[static CM_SIGNATURE_BYTES]);
CM_MUST bool cm_federation_signature_ok(const cm_federation *federation, const cm_cert *cert,
                                        const uint8_t signature[static CM_SIGNATURE_BYTES]);

/* ---- founding and joining ----------------------------------------------------------------- */

CM_MUST cm_status cm_founding_new(cm_node *node, cm_founding **ret, cm_diag *diag);
void cm_founding_free(cm_founding *founding);

/*
 * Writes the charter and one token per other member, "org token\n" each, to out.  orgs is the
 * order of members; this node is put first when it is not among them.  The first three compute.
 * Replaces an unfinished founding; a federation in force stays in force until the new one is.
 */
CM_MUST cm_status cm_founding_invite(cm_founding *founding, const char *name,
                                     const char *const *orgs, size_t count, int valid_hours,
                                     cm_buf *out, cm_diag *diag);
/* done is called once: the founder accepted, or why not.  The rest goes on by itself. */
typedef void (*cm_joined_fn)(void *arg, const cm_diag *diag);
CM_MUST cm_status cm_founding_join(cm_founding *founding, const char *token, cm_joined_fn done,
                                   void *arg, cm_diag *diag);
/* Whoever asked is gone: done will not be called. */
void cm_founding_forget_asker(cm_founding *founding);
/* Lines for `comity status`: who is still missing. */
void cm_founding_status(cm_founding *founding, cm_buf *out);
/* A connection of kind join came to the node port; the stream is taken. */
void cm_founding_accept(cm_founding *founding, cm_stream *stream);

#endif
