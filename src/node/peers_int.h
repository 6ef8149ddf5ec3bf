/* node/peers_int.h - private to peers.c (links) and guests.c (connections that came). */
#ifndef CM_NODE_PEERS_INT_H
#define CM_NODE_PEERS_INT_H

#include "node/channel.h"
#include "node/federation.h"
#include "node/peers.h"

typedef struct cm_guest cm_guest;               /* guests.c */
typedef struct cm_self_message cm_self_message; /* peers.c */

/* link_speed.c */
typedef struct cm_link_speed {
    double bytes_per_second; /* 0: unknown */
    int64_t again_ms;        /* when to look */
    int64_t until_ms, asked_ns;
    uint8_t next; /* the answer that comes next */
} cm_link_speed;

typedef struct cm_link {
    cm_peers *peers;
    unsigned member;
    cm_stream *dialing;
    cm_channel *channel;
    bool up;    /* hello came: counted as connected */
    bool ready; /* handshake is over */
    int64_t heard_ms, pinged_ms, dial_at_ms, began_ms;
    int backoff_ms;
    double rtt_ms;
    cm_link_speed speed;
    unsigned cores; /* of the member; 0: unknown */
} cm_link;

struct cm_peers {
    cm_node *node;
    cm_listener *listener;
    cm_timer *tick;
    cm_guest *guests;
    size_t guest_count;
    unsigned me;
    size_t links; /* members; 0 without a federation */
    cm_link link[CM_FEDERATION_MAX_MEMBERS];
    cm_link *probing; /* the link whose speed is being measured */
    cm_self_message *self_first, **self_last;
    cm_timer *self_timer;
    int log_budget;  /* lines that strangers may still cause */
    int64_t logs_ms; /* when it was last filled up */
    int64_t ticked_ms;
};

/* Whether a stranger's doing may still be logged: only so much a second. */
bool cm_peers_may_log(cm_peers *peers);
/* An authenticated connection of a member replaces the link there was: the member knows best
 * whether that one still works. */
void cm_link_adopt(cm_peers *peers, unsigned member, cm_channel *channel);

/* A message of CM_MSG_PROBE; false for what the protocol does not allow. */
bool cm_link_speed_message(cm_link *l, const uint8_t *body, size_t bytes);
void cm_link_speed_tick(cm_link *l, int64_t now_ms);
void cm_link_speed_lost(cm_link *l);

void cm_guest_accept(void *peers, cm_stream *stream);
void cm_guests_tick(cm_peers *peers, int64_t now_ms);
void cm_guests_clear(cm_peers *peers);

#endif
