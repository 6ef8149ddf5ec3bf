/*
 * net/queue.h - a first-in first-out of bytes: appended at the tail, consumed at the head, moved
 * only when at least half of the memory has been consumed, so that a byte moves O(1) times.
 */
#ifndef CM_NET_QUEUE_H
#define CM_NET_QUEUE_H

#include "base/base.h"

typedef struct cm_queue {
    uint8_t *data; /* heap, owned; NULL while it never held anything */
    size_t head, tail, capacity;
} cm_queue;

/* A zeroed cm_queue is empty and ready.  _free wipes. */
void cm_queue_free(cm_queue *queue);
/* Room for so many bytes at the tail, NULL on failure; then _commit what was written. */
CM_MUST uint8_t *cm_queue_reserve(cm_queue *queue, size_t bytes);
void cm_queue_commit(cm_queue *queue, size_t bytes);
/* False on failure, with the queue as it was. */
CM_MUST bool cm_queue_put(cm_queue *queue, const void *data, size_t bytes);
void cm_queue_consume(cm_queue *queue, size_t bytes);

static inline size_t cm_queue_bytes(const cm_queue *queue)
{
    return queue->tail - queue->head;
}

/* Borrowed until the next change; NULL or of no meaning while the queue is empty. */
static inline const uint8_t *cm_queue_front(const cm_queue *queue)
{
    return queue->data == NULL ? NULL : queue->data + queue->head;
}

#endif
