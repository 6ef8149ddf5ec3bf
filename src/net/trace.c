#include "net/mesh_int.h"

#include <stdlib.h>

typedef struct record {
    uint32_t bytes;
    uint8_t peer;
    bool sent;
} record;

struct cm_trace {
    record *records;
    size_t count, capacity;
    cm_sha256_ctx *content; /* over what was sent; NULL unless asked for */
};

cm_trace *cm_trace_new(void)
{
    cm_trace *trace = calloc(1, sizeof *trace);
    CM_ASSERT(trace != NULL);
    return trace;
}

cm_trace *cm_trace_new_with_content(void)
{
    cm_trace *trace = cm_trace_new();
    trace->content = cm_sha256_new();
    return trace;
}

void cm_trace_free(cm_trace *trace)
{
    if (trace != NULL) {
        if (trace->content != NULL) {
            (void)cm_sha256_finish(trace->content);
        }
        free(trace->records);
        free(trace);
    }
}

static void put_u32(cm_sha256_ctx *ctx, size_t value)
{
    const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                              (uint8_t)value};
    cm_sha256_put(ctx, bytes, sizeof bytes);
}

void cm_trace_content(cm_trace *trace, unsigned to, const void *data, size_t bytes)
{
    if (trace->content != NULL) {
        put_u32(trace->content, to);
        put_u32(trace->content, bytes);
        cm_sha256_put(trace->content, data, bytes);
    }
}

cm_hash cm_trace_sent_digest(cm_trace *trace)
{
    CM_ASSERT(trace->content != NULL);
    cm_hash ret = cm_sha256_finish(trace->content);
    trace->content = NULL;
    return ret;
}

void cm_trace_record(cm_trace *trace, bool sent, unsigned peer, size_t bytes)
{
    if (trace->count == trace->capacity) {
        trace->capacity = trace->capacity > 0 ? 2 * trace->capacity : 64;
        trace->records = reallocarray(trace->records, trace->capacity, sizeof *trace->records);
        CM_ASSERT(trace->records != NULL);
    }
    trace->records[trace->count++] =
        (record){.bytes = (uint32_t)bytes, .peer = (uint8_t)peer, .sent = sent};
}

bool cm_trace_equal(const cm_trace *a, const cm_trace *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        const record *x = &a->records[i], *y = &b->records[i];
        if (x->bytes != y->bytes || x->peer != y->peer || x->sent != y->sent) {
            return false;
        }
    }
    return true;
}

size_t cm_trace_frames(const cm_trace *trace)
{
    return trace->count;
}

cm_hash cm_trace_digest(const cm_trace *trace)
{
    cm_sha256_ctx *ctx = cm_sha256_new();

    for (size_t i = 0; i < trace->count; i++) {
        const record *r = &trace->records[i];
        const uint8_t bytes[6] = {r->sent,
                                  r->peer,
                                  (uint8_t)(r->bytes >> 24),
                                  (uint8_t)(r->bytes >> 16),
                                  (uint8_t)(r->bytes >> 8),
                                  (uint8_t)r->bytes};
        cm_sha256_put(ctx, bytes, sizeof bytes);
    }
    return cm_sha256_finish(ctx);
}
