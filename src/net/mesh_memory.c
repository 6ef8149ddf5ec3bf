/*
 * All participants of a lane in one process: a hub with a queue of frames for every ordered pair,
 * one mutex, and a condition per receiver.  The hub lives until its last end is freed.
 */
#include "net/mesh_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct frame {
    struct frame *next;
    size_t bytes;
    uint8_t data[];
} frame;

typedef struct fifo {
    frame *first, *last;
} fifo;

typedef struct end {
    pthread_cond_t arrived;
    bool closed;     /* this participant freed its mesh */
    unsigned blamed; /* and whom it blamed */
} end;

typedef struct hub {
    pthread_mutex_t lock;
    unsigned participants, open;
    end *ends;   /* participants */
    fifo *fifos; /* [from * participants + to] */
} hub;

static fifo *fifo_of(hub *h, unsigned from, unsigned to)
{
    return &h->fifos[from * h->participants + to];
}

static void free_hub(hub *h)
{
    for (unsigned i = 0; i < h->participants * h->participants; i++) {
        for (frame *f = h->fifos[i].first; f != NULL;) {
            frame *next = f->next;
            free(f);
            f = next;
        }
    }
    for (unsigned i = 0; i < h->participants; i++) {
        pthread_cond_destroy(&h->ends[i].arrived);
    }
    pthread_mutex_destroy(&h->lock);
    free(h->ends);
    free(h->fifos);
    free(h);
}

static cm_status memory_send(cm_mesh *mesh, unsigned to, const void *data, size_t bytes)
{
    hub *h = mesh->transport;
    frame *f = malloc(sizeof *f + bytes);

    if (f == NULL) {
        return cm_mesh_fail(mesh, CM_ENOMEM, CM_BLAME_NOBODY, "no memory for a frame");
    }
    f->next = NULL;
    f->bytes = bytes;
    if (bytes > 0) {
        memcpy(f->data, data, bytes);
    }
    pthread_mutex_lock(&h->lock);
    bool closed = h->ends[to].closed;
    if (!closed) {
        fifo *queue = fifo_of(h, mesh->me, to);
        if (queue->last != NULL) {
            queue->last->next = f;
        } else {
            queue->first = f;
        }
        queue->last = f;
        pthread_cond_signal(&h->ends[to].arrived);
    }
    pthread_mutex_unlock(&h->lock);
    if (closed) {
        free(f);
        return cm_mesh_fail(mesh, CM_EPEER, to, "%s closed its link", mesh->names[to]);
    }
    return CM_OK;
}

static frame *pop(fifo *queue)
{
    frame *f = queue->first;
    if (f != NULL) {
        queue->first = f->next;
        if (f->next == NULL) {
            queue->last = NULL;
        }
    }
    return f;
}

/* A participant that failed and says so ends the computation for all. */
static unsigned find_failed(const hub *h, unsigned me)
{
    for (unsigned i = 0; i < h->participants; i++) {
        if (i != me && h->ends[i].closed && h->ends[i].blamed != CM_BLAME_NOBODY) {
            return i;
        }
    }
    return CM_BLAME_NOBODY;
}

/* With the lock held: waits for a frame, NULL and a status when there will be none. */
static frame *wait_for_frame(cm_mesh *mesh, unsigned from, cm_status *ret_status)
{
    hub *h = mesh->transport;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += mesh->idle_timeout_ms / 1000;
    until.tv_nsec += (long)(mesh->idle_timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }

    for (;;) {
        frame *f = pop(fifo_of(h, from, mesh->me));
        if (f != NULL) {
            return f;
        }
        unsigned failed = find_failed(h, mesh->me);
        if (failed != CM_BLAME_NOBODY) {
            *ret_status = cm_mesh_fail_reported(mesh, failed, h->ends[failed].blamed);
            return NULL;
        }
        if (h->ends[from].closed) {
            *ret_status = cm_mesh_fail(mesh, CM_EPEER, from, "%s closed its link too early",
                                       mesh->names[from]);
            return NULL;
        }
        if (pthread_cond_timedwait(&h->ends[mesh->me].arrived, &h->lock, &until) == ETIMEDOUT) {
            *ret_status = cm_mesh_fail(mesh, CM_EPEER, from, "%s sent nothing for %d ms",
                                       mesh->names[from], mesh->idle_timeout_ms);
            return NULL;
        }
    }
}

static cm_status memory_recv(cm_mesh *mesh, unsigned from, void *ret_data, size_t bytes)
{
    hub *h = mesh->transport;
    cm_status st = CM_OK;

    pthread_mutex_lock(&h->lock);
    frame *f = wait_for_frame(mesh, from, &st);
    pthread_mutex_unlock(&h->lock);
    if (f == NULL) {
        return st;
    }
    if (f->bytes != bytes) {
        st = cm_mesh_fail(mesh, CM_EPROTO, from, "%s sent a frame of %zu bytes instead of %zu",
                          mesh->names[from], f->bytes, bytes);
    } else if (bytes > 0) {
        memcpy(ret_data, f->data, bytes);
    }
    free(f);
    return st;
}

static cm_status memory_flush(cm_mesh *mesh)
{
    (void)mesh; /* a frame is with its receiver as soon as it is sent */
    return CM_OK;
}

static bool memory_has_link(const cm_mesh *mesh, unsigned peer)
{
    return peer != mesh->me;
}

static void memory_close(cm_mesh *mesh)
{
    hub *h = mesh->transport;

    pthread_mutex_lock(&h->lock);
    h->ends[mesh->me].closed = true;
    h->ends[mesh->me].blamed = mesh->blamed;
    for (unsigned i = 0; i < h->participants; i++) {
        pthread_cond_signal(&h->ends[i].arrived);
    }
    bool last = --h->open == 0;
    pthread_mutex_unlock(&h->lock);
    if (last) {
        free_hub(h);
    }
}

static const cm_mesh_ops MEMORY_OPS = {
    .send = memory_send,
    .recv = memory_recv,
    .flush = memory_flush,
    .has_link = memory_has_link,
    .close = memory_close,
};

static hub *new_hub(unsigned participants)
{
    hub *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return NULL;
    }
    h->ends = calloc(participants, sizeof *h->ends);
    h->fifos = calloc((size_t)participants * participants, sizeof *h->fifos);
    if (h->ends == NULL || h->fifos == NULL) {
        free(h->ends);
        free(h->fifos);
        free(h);
        return NULL;
    }
    h->participants = h->open = participants;
    pthread_condattr_t attr;
    CM_ASSERT(pthread_condattr_init(&attr) == 0);
    CM_ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    for (unsigned i = 0; i < participants; i++) {
        CM_ASSERT(pthread_cond_init(&h->ends[i].arrived, &attr) == 0);
    }
    pthread_condattr_destroy(&attr);
    CM_ASSERT(pthread_mutex_init(&h->lock, NULL) == 0);
    return h;
}

cm_status cm_mesh_new_memory(unsigned participants, int idle_timeout_ms, cm_mesh **ret)
{
    CM_ASSERT(participants >= 1 && participants <= CM_MESH_MAX);
    cm_mesh *meshes[CM_MESH_MAX];
    hub *h = new_hub(participants);
    if (h == NULL) {
        return CM_ENOMEM;
    }
    for (unsigned i = 0; i < participants; i++) {
        meshes[i] = cm_mesh_alloc(&MEMORY_OPS, i, participants, NULL, idle_timeout_ms);
        if (meshes[i] == NULL) {
            while (i-- > 0) {
                cm_mesh_dealloc(meshes[i]);
            }
            free_hub(h);
            return CM_ENOMEM;
        }
        meshes[i]->transport = h;
    }
    memcpy(ret, meshes, participants * sizeof(cm_mesh *));
    return CM_OK;
}
