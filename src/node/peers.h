/*
 * node/peers.h - the node port, and one control link to every other member.
 *
 * Every connection to a node port begins with 64 bytes in the clear (cm_preamble); what follows is
 * TLS 1.3.  Control and join links are ended by comityd; a link of a job is handed, unread, to the
 * job's process.  The lower numbered member dials, and dials again with backoff; a ping every 2 s,
 * and a link that was silent for 6 s is dead.  At most 64 connections that have not authenticated
 * themselves are open at a time, each for at most 10 s; one more ends the oldest.
 */
#ifndef CM_NODE_PEERS_H
#define CM_NODE_PEERS_H

#include "node/node.h"

typedef enum cm_link_kind { CM_LINK_CONTROL = 1, CM_LINK_JOB = 2, CM_LINK_JOIN = 3 } cm_link_kind;

enum { CM_PREAMBLE_BYTES = 64, CM_MESSAGE_MAX_BYTES = 16 << 20 };

typedef struct cm_preamble {
    cm_link_kind kind;
    uint8_t sender;         /* member's number in the federation; job: participant's number */
    uint16_t lane;          /* job */
    uint8_t federation[16]; /* first bytes of the federation's digest; zeros for join */
    uint8_t job[16];        /* zeros unless job */
} cm_preamble;
void cm_preamble_encode(const cm_preamble *preamble, uint8_t ret[static CM_PREAMBLE_BYTES]);
/* CM_EPROTO for anything that the encoder would not have written. */
CM_MUST cm_status cm_preamble_decode(const uint8_t data[static CM_PREAMBLE_BYTES],
                                     cm_preamble *ret);

/* Messages of a control link: u32 length of what follows, u8 type, body. */
typedef enum cm_message_type {
    CM_MSG_HELLO = 1, /* my processors, what I publish, and what of yours I hold */
    CM_MSG_CATALOG,   /* a signed catalog, of any member */
    CM_MSG_PING,
    CM_MSG_PROBE,   /* how much a link carries */
    CM_MSG_PROPOSE, /* from here on: node/jobs.h */
    CM_MSG_CONSENT,
    CM_MSG_START,
    CM_MSG_ABORT,
    CM_MSG_DONE,
} cm_message_type;

/* Listens on the node port; dials when there is a federation. */
CM_MUST cm_status cm_peers_new(cm_node *node, cm_peers **ret, cm_diag *diag);
void cm_peers_free(cm_peers *peers);
/* The federation changed: all links are closed and made anew. */
void cm_peers_reset(cm_peers *peers);

/* Queues a message; false when there is no link.  To the own number: delivered to cm_jobs_message
 * from the loop, so that a node treats itself as it treats the others. */
bool cm_peers_send(cm_peers *peers, unsigned member, uint8_t type, const void *body, size_t bytes);
bool cm_peers_connected(const cm_peers *peers, unsigned member); /* true for oneself */
/* Sends every catalog that this node holds to one member. */
void cm_peers_send_catalogs(cm_peers *peers, unsigned member);
/* Announces the own catalog to everybody. */
void cm_peers_publish(cm_peers *peers);
/* Processors that a member said it has, or one's own; 1 when unknown. */
unsigned cm_peers_cores(const cm_peers *peers, unsigned member);
/* Milliseconds of the last ping's round trip, 0 when unknown. */
double cm_peers_rtt_ms(const cm_peers *peers, unsigned member);

/* Bytes a second to a member, as the control link carried them; 0 when unknown. */
double cm_peers_bytes_per_second(const cm_peers *peers, unsigned member);

#endif
