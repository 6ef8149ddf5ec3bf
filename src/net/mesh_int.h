/*
 * net/mesh_int.h - what the transports of a mesh share, private to net/.
 *
 * mesh.c checks arguments, counts, traces and keeps the first failure; a transport moves frames.
 */
#ifndef CM_NET_MESH_INT_H
#define CM_NET_MESH_INT_H

#include "net/mesh.h"

/* A transport's verbs.  Failures are reported by cm_mesh_fail; after one, only free is called. */
typedef struct cm_mesh_ops {
    cm_status (*send)(cm_mesh *mesh, unsigned to, const void *data, size_t bytes);
    cm_status (*recv)(cm_mesh *mesh, unsigned from, void *ret_data, size_t bytes);
    cm_status (*flush)(cm_mesh *mesh);
    bool (*has_link)(const cm_mesh *mesh, unsigned peer);
    /* Says goodbye to the peers (mesh->blamed tells why), closes, frees mesh->transport. */
    void (*close)(cm_mesh *mesh);
} cm_mesh_ops;

enum { CM_BLAME_NOBODY = 0xff };

struct cm_mesh {
    const cm_mesh_ops *ops;
    void *transport; /* owned, the transport's own */
    unsigned me, participants;
    char **names;    /* participants heap strings */
    cm_hash purpose; /* of links over sockets */
    int idle_timeout_ms;
    bool dead;       /* set by the first failure, never cleared */
    unsigned blamed; /* participant that the first failure names, or CM_BLAME_NOBODY */
    bool sent_since_recv;
    bool uncounted; /* receives are no rounds for now */
    cm_mesh_stats stats;
    cm_trace *trace; /* borrowed, or NULL */
    cm_diag diag;
};

/* names may be NULL: participants are then called "participant 0" and so on.  NULL on no memory. */
cm_mesh *cm_mesh_alloc(const cm_mesh_ops *ops, unsigned me, unsigned participants,
                       const char *const *names, int idle_timeout_ms);
/* Frees without closing: for constructors that failed. */
void cm_mesh_dealloc(cm_mesh *mesh);

/* Marks the mesh dead and fills its diag, blaming a participant. */
CM_MUST CM_PRINTF(4, 5) cm_status
    cm_mesh_fail(cm_mesh *mesh, cm_status status, unsigned blamed, const char *format, ...);
/* The failure that a peer's goodbye means: the peer failed and blames somebody. */
CM_MUST cm_status cm_mesh_fail_reported(cm_mesh *mesh, unsigned by, unsigned blamed);

void cm_trace_record(cm_trace *trace, bool sent, unsigned peer, size_t bytes);
/* What a sent frame holds, for traces that keep account of it. */
void cm_trace_content(cm_trace *trace, unsigned to, const void *data, size_t bytes);

#endif
