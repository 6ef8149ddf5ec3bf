/*
 * net/mesh.h - one lane of the links between the participants of a job.
 *
 * Participants are numbered from 0; the computing parties come first.  A mesh is one participant's
 * end of one lane and is used by one thread at a time.  Every pair of participants has a duplex,
 * ordered link of frames (u32 length, payload).  A frame is received with the length the receiver
 * expects; any other length is CM_EPROTO: message sizes are public and known in advance.
 *
 * cm_mesh_send copies into the link's queue and writes what the socket takes; it never blocks.
 * cm_mesh_recv waits for one frame and moves all queued bytes of all links meanwhile, so two
 * parties that send each other large frames cannot deadlock.
 *
 * The first failure kills the mesh: later calls return CM_EDEAD, and cm_mesh_diag keeps naming the
 * participant at fault.  A received frame that is not returned is wiped.  Design:
 * docs/design/net.md.
 */
#ifndef CM_NET_MESH_H
#define CM_NET_MESH_H

#include "base/base.h"
#include "crypto/identity.h"

typedef struct cm_mesh cm_mesh;
typedef struct cm_trace cm_trace;

enum { CM_MESH_MAX = 64, CM_FRAME_MAX_BYTES = 1 << 30 };

typedef struct cm_mesh_stats {
    uint64_t bytes_sent; /* payload and frame headers, without TLS's own */
    uint64_t bytes_received;
    uint64_t frames_sent;
    uint64_t rounds; /* receives that followed a send: the depth of dependent messages */
} cm_mesh_stats;

/*
 * A lane over TLS 1.3 with mutual authentication.  fds[j] is a connected stream socket to
 * participant j (-1 for me, and for pairs without a link), owned by the mesh from now on, closed
 * on failure too.  certs[j] is the certificate that j must present, byte for byte, and that must be
 * valid now; names[j] is what diagnostics call it.  The lower number acts as TLS client.  All
 * handshakes run at once and share timeout_ms; a mesh that was made has heard from all its peers
 * that they accept it.  purpose says which links these are (of which job, which lane): a peer that
 * opened a link for another purpose is refused, since who carries a socket's bytes may have led it
 * astray.  idle_timeout_ms bounds every later wait without progress.  Everything but identity may
 * be released after the call.
 */
typedef struct cm_mesh_tls {
    unsigned me, participants;
    const int *fds;
    const cm_identity *identity;
    const cm_cert *certs;     /* participants entries */
    const char *const *names; /* participants entries, copied */
    cm_hash purpose;          /* equal at all ends */
    int timeout_ms;
    int idle_timeout_ms;
} cm_mesh_tls;
CM_MUST cm_status cm_mesh_new_tls(const cm_mesh_tls *options, cm_mesh **ret, cm_diag *diag);

/* The same frames over plain sockets: to measure what TLS costs.  Refused by comity-job. */
CM_MUST cm_status cm_mesh_new_plain(const cm_mesh_tls *options, cm_mesh **ret, cm_diag *diag);

/* All ends of one lane inside this process, for tests: ret holds participants meshes, each to be
 * used by a thread of its own. */
CM_MUST cm_status cm_mesh_new_memory(unsigned participants, int idle_timeout_ms, cm_mesh **ret);

/*
 * Closes all links, after handing over what is still queued if the mesh is alive and that takes
 * less than 2 s.  A peer that waits sees CM_EPEER; if this mesh failed, every peer does at its next
 * wait, naming whom this mesh blamed.  NULL is allowed.
 */
void cm_mesh_free(cm_mesh *mesh);

unsigned cm_mesh_me(const cm_mesh *mesh);
unsigned cm_mesh_participants(const cm_mesh *mesh);
const char *cm_mesh_name(const cm_mesh *mesh, unsigned participant);

/* How long a wait may be without progress, from now on; and what it is. */
void cm_mesh_set_idle_timeout(cm_mesh *mesh, int idle_timeout_ms);
int cm_mesh_idle_timeout(const cm_mesh *mesh);

/* Queues one frame.  bytes is 0 to CM_FRAME_MAX_BYTES. */
CM_MUST cm_status cm_mesh_send(cm_mesh *mesh, unsigned to, const void *data, size_t bytes);
/* Waits for the next frame of that participant, which must have exactly this length. */
CM_MUST cm_status cm_mesh_recv(cm_mesh *mesh, unsigned from, void *ret_data, size_t bytes);
/* Waits until everything queued has been handed to the kernel. */
CM_MUST cm_status cm_mesh_flush(cm_mesh *mesh);

/* Why the last call failed: names the participant. */
const cm_diag *cm_mesh_diag(const cm_mesh *mesh);
cm_mesh_stats cm_mesh_statistics(const cm_mesh *mesh);

/*
 * Whether receives count as rounds, as they do at first: for messages of one round that are
 * received one by one between the sends of the next.
 */
void cm_mesh_count_rounds(cm_mesh *mesh, bool count);

/*
 * A trace records each frame's direction, peer and length, in order: two runs over different data
 * of the same public sizes must give equal traces.
 */
cm_trace *cm_trace_new(void);
void cm_trace_free(cm_trace *trace);
void cm_mesh_set_trace(cm_mesh *mesh, cm_trace *trace); /* borrowed; NULL ends tracing */
CM_MUST bool cm_trace_equal(const cm_trace *a, const cm_trace *b);
size_t cm_trace_frames(const cm_trace *trace);
/* SHA-256 over the records: golden values of a protocol's message pattern. */
cm_hash cm_trace_digest(const cm_trace *trace);
/* A trace that also keeps account of content, under fixed test keys: SHA-256 over all sent frames,
 * with receivers and lengths.  Called once, at the end. */
cm_trace *cm_trace_new_with_content(void);
cm_hash cm_trace_sent_digest(cm_trace *trace);

#endif
