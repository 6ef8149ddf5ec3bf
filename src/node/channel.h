/*
 * node/channel.h - messages between two nodes: frames (u32 length of what follows, u8 type, body)
 * inside TLS 1.3 over a byte stream of the loop.  Control links and joining nodes use it.
 */
#ifndef CM_NODE_CHANNEL_H
#define CM_NODE_CHANNEL_H

#include "net/tls.h"
#include "node/loop.h"

/* Cuts a byte stream into frames.  Zeroed but for max_bytes (of type and body) it is ready. */
typedef struct cm_framer {
    cm_buf in;
    size_t max_bytes;
} cm_framer;
void cm_framer_fini(cm_framer *framer);
/* Adds received bytes; CM_EPROTO as soon as a frame announces 0 or more than max_bytes. */
CM_MUST cm_status cm_framer_put(cm_framer *framer, const void *data, size_t bytes);
/* The next whole frame, borrowed until cm_framer_drop; false when there is none yet. */
bool cm_framer_next(const cm_framer *framer, uint8_t *ret_type, const uint8_t **ret_body,
                    size_t *ret_bytes);
void cm_framer_drop(cm_framer *framer);
/* Appends one frame. */
void cm_frame_put(cm_buf *out, uint8_t type, const void *body, size_t bytes);

typedef struct cm_channel cm_channel;

typedef struct cm_channel_events {
    void *arg;
    /* Once, when both ends are authenticated.  A client's end may be told of a refusal later. */
    void (*ready)(void *arg, const cm_cert *peer);
    void (*message)(void *arg, uint8_t type, const uint8_t *body, size_t bytes);
    /* Once, last; why names the reason.  The callee calls cm_channel_close. */
    void (*closed)(void *arg, const cm_diag *why);
} cm_channel_events;

/* Takes the connected stream (also on failure).  options' certificates are borrowed. */
CM_MUST cm_status cm_channel_new(cm_stream *stream, bool is_client, const cm_tls_options *options,
                                 size_t max_bytes, const cm_channel_events *events,
                                 cm_channel **ret, cm_diag *diag);
/* Hands the channel to another owner; allowed inside ready. */
void cm_channel_set_events(cm_channel *channel, const cm_channel_events *events);
/* Queues one message.  Before the channel is ready nothing may be sent. */
void cm_channel_send(cm_channel *channel, uint8_t type, const void *body, size_t bytes);
size_t cm_channel_pending(const cm_channel *channel);
/* Sends what is queued, then closes; no more events.  NULL allowed; allowed inside events. */
void cm_channel_close(cm_channel *channel);

#endif
