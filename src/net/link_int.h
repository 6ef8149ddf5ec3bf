/*
 * net/link_int.h - one socket link of a mesh: bytes to frames and back, nothing ever blocks.
 * Private to net/.
 *
 * On the wire, inside TLS: a hello of 44 bytes each way ("comity/2", sender and participants, both
 * u16, the links' purpose), then frames: u32 length, payload.  A length of 0xffffff00 or more is a
 * goodbye, after which nothing follows; its low byte is the participant that the sender blames for
 * giving up, or CM_BLAME_NOBODY.  A link that ends without a goodbye was lost.
 */
#ifndef CM_NET_LINK_INT_H
#define CM_NET_LINK_INT_H

#include "net/mesh_int.h"
#include "net/queue.h"
#include "net/tls.h"

typedef struct cm_queued_frame cm_queued_frame;

enum { CM_HELLO_BYTES = 12 + CM_HASH_BYTES };

typedef struct cm_link {
    cm_mesh *mesh; /* borrowed; failures go there */
    unsigned peer;
    int fd;           /* owned; -1: there is no such link */
    cm_tls *tls;      /* NULL: plain, through the two queues */
    cm_queue in, out; /* of a plain link */
    bool broken;      /* TLS failed: nothing can be written any more */
    bool finished;    /* a goodbye arrived */
    bool lost;        /* ended without one */
    unsigned goodbye_blames;

    bool hello_sent, confirmed; /* confirmed: the peer's hello arrived and is right */
    uint8_t hello[CM_HELLO_BYTES];
    size_t hello_got;

    uint8_t header[4]; /* of the frame that is arriving */
    size_t header_got, frame_bytes, frame_got;
    uint8_t *direct;          /* its place when it goes straight to the receiver */
    cm_queued_frame *storing; /* or its place in the queue; both NULL: not decided */
    bool paused;              /* the queue is full: nothing is read until a frame is taken */

    cm_queued_frame *first, *last; /* complete frames that nobody has asked for yet */
    size_t queued_bytes;

    bool wanting; /* the mesh waits for a frame of want_bytes at want */
    uint8_t *want;
    size_t want_bytes;

    uint64_t moved_bytes; /* received and sent: progress */
} cm_link;

/* Takes fd.  tls_options NULL: plain.  On failure the mesh's diag is filled. */
CM_MUST cm_status cm_link_open(cm_link *link, cm_mesh *mesh, unsigned peer, int fd,
                               const cm_tls_options *tls_options, bool client);
/* Sends a goodbye if that is possible at once, and closes. */
void cm_link_close(cm_link *link);

/* Moves the handshake on as far as the bytes at hand allow; then link->confirmed. */
CM_MUST cm_status cm_link_shake(cm_link *link);

CM_MUST cm_status cm_link_write_frame(cm_link *link, const void *data, size_t bytes);
/* Hands queued bytes to the kernel, as many as it takes. */
CM_MUST cm_status cm_link_push(cm_link *link);
CM_MUST bool cm_link_has_unsent(const cm_link *link);

/*
 * Asks for the next frame: link->wanting is false when it was in the queue already, and becomes
 * false in cm_link_drain when it has arrived.
 */
CM_MUST cm_status cm_link_want(cm_link *link, void *ret_data, size_t bytes);
/*
 * Reads what the kernel has, up to about a megabyte, and sorts it into frames.  *ret_more says that
 * there may be more.
 */
CM_MUST cm_status cm_link_drain(cm_link *link, bool *ret_more);
/* Something may still arrive, and there is room for it. */
CM_MUST bool cm_link_can_read(const cm_link *link);

#endif
