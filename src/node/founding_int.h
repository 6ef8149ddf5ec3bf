/* node/founding_int.h - private to founding.c (the founder, and the whole) and joining.c. */
#ifndef CM_NODE_FOUNDING_INT_H
#define CM_NODE_FOUNDING_INT_H

#include "node/channel.h"
#include "node/federation.h"
#include "node/state.h"

enum { JOIN_MAX_BYTES = 2 << 20, FOUNDING_ARENA_BYTES = 32 << 20 };

typedef enum cm_join_message {
    JOIN_PROOF = 1,
    JOIN_ACCEPTED,
    JOIN_REFUSED, /* a diag */
    JOIN_POLL,
    JOIN_WAIT,
    JOIN_BODY,
    JOIN_SIGNATURE,
    JOIN_FILE,
} cm_join_message;

typedef struct cm_visitor cm_visitor; /* founding.c */

struct cm_founding {
    cm_node *node;
    cm_timer *tick;
    cm_visitor *visitors;
    size_t visitor_count;
    /* The node that joins: its token, read from the state. */
    cm_arena token_arena;
    bool joining;
    bool accepted;
    cm_token token;
    cm_stream *dialing;
    cm_channel *channel;
    bool ready;
    int64_t next_ms;
    cm_joined_fn done; /* who asked, until the founder answered */
    void *done_arg;
};

bool cm_cert_same(const cm_cert *a, const cm_cert *b);
/* HMAC over everything that a proof binds together. */
cm_hash cm_join_proof(const uint8_t secret[16], const cm_charter *charter, const char *org,
                      const char *endpoint, const cm_hash *joiner, const cm_hash *founder);

/* ---- joining.c ---------------------------------------------------------------------------- */

/* Goes on with a join that the state remembers. */
CM_MUST cm_status cm_joining_resume(cm_founding *founding, cm_diag *diag);
/* Dials and polls. */
void cm_joining_tick(cm_founding *founding, int64_t now_ms);
void cm_joining_close(cm_founding *founding);

#endif
