/*
 * pgwire/scram.h - the server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it:
 * the user name is the startup message's, the one in the exchange is ignored; no channel binding.
 */
#ifndef CM_PGWIRE_SCRAM_H
#define CM_PGWIRE_SCRAM_H

#include "node/session.h"

typedef struct cm_scram {
    cm_scram_verifier verifier;
    bool known;             /* the role exists */
    char nonce[128];        /* the client's and ours */
    char client_first[256]; /* client-first-message-bare */
    char server_first[512];
    char gs2[8]; /* "n,," or "y,,": repeated by the client, encoded */
} cm_scram;

void cm_scram_init(cm_scram *scram, const cm_scram_verifier *verifier, bool known);
void cm_scram_fini(cm_scram *scram); /* wipes */

/* client-first-message -> server-first-message.  28000 or 08P01. */
CM_MUST cm_status cm_scram_first(cm_scram *scram, const char *message, const char **ret_reply,
                                 cm_diag *diag);
/* client-final-message -> server-final-message, or 28P01. */
CM_MUST cm_status cm_scram_final(cm_scram *scram, const char *message, char ret_reply[static 64],
                                 cm_diag *diag);

/* Base64 with padding; returns bytes written without the NUL, or SIZE_MAX when it does not fit or
 * is malformed. */
size_t cm_base64_encode(const uint8_t *data, size_t bytes, char *ret_text, size_t max);
size_t cm_base64_decode(const char *text, size_t chars, uint8_t *ret_data, size_t max);

#endif
