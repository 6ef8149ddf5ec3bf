#include "net/queue.h"

#include <stdlib.h>
#include <string.h>

enum {
    FIRST_CAPACITY = 64 * 1024,
    KEEP_CAPACITY = 32 * 1024 * 1024, /* an empty queue gives more than this back */
};

static void check_sane(const cm_queue *queue)
{
    CM_ASSERT(queue->head <= queue->tail);
    CM_ASSERT(queue->tail <= queue->capacity);
}

void cm_queue_free(cm_queue *queue)
{
    if (queue->data != NULL) {
        explicit_bzero(queue->data, queue->capacity);
        free(queue->data);
    }
    *queue = (cm_queue){0};
}

static bool grow(cm_queue *queue, size_t wanted)
{
    size_t capacity = queue->capacity > 0 ? queue->capacity : FIRST_CAPACITY;
    while (capacity < wanted) {
        if (capacity > SIZE_MAX / 4) {
            return false;
        }
        capacity *= 2;
    }
    uint8_t *data = malloc(capacity);
    if (data == NULL) {
        return false;
    }
    size_t bytes = cm_queue_bytes(queue);
    if (queue->data != NULL) {
        memcpy(data, queue->data + queue->head, bytes);
    }
    cm_queue_free(queue);
    *queue = (cm_queue){.data = data, .tail = bytes, .capacity = capacity};
    return true;
}

uint8_t *cm_queue_reserve(cm_queue *queue, size_t bytes)
{
    check_sane(queue);
    if (bytes <= queue->capacity - queue->tail && queue->data != NULL) {
        return queue->data + queue->tail;
    }
    size_t used = cm_queue_bytes(queue);
    if (bytes > SIZE_MAX / 4 - used) {
        return NULL;
    }
    if (queue->head >= queue->capacity / 2 && used + bytes <= queue->capacity &&
        queue->data != NULL) {
        memmove(queue->data, queue->data + queue->head, used);
        queue->head = 0;
        queue->tail = used;
    } else if (!grow(queue, used + bytes)) {
        return NULL;
    }
    return queue->data + queue->tail;
}

void cm_queue_commit(cm_queue *queue, size_t bytes)
{
    CM_ASSERT(bytes <= queue->capacity - queue->tail);
    queue->tail += bytes;
}

bool cm_queue_put(cm_queue *queue, const void *data, size_t bytes)
{
    if (bytes == 0) {
        return true;
    }
    uint8_t *room = cm_queue_reserve(queue, bytes);
    if (room == NULL) {
        return false;
    }
    memcpy(room, data, bytes);
    queue->tail += bytes;
    return true;
}

void cm_queue_consume(cm_queue *queue, size_t bytes)
{
    check_sane(queue);
    CM_ASSERT(bytes <= cm_queue_bytes(queue));
    queue->head += bytes;
    if (queue->head == queue->tail) {
        queue->head = queue->tail = 0;
        if (queue->capacity > KEEP_CAPACITY) {
            cm_queue_free(queue);
        }
    }
}
