#include "node/channel.h"

#include "node/wire.h"

#include <stdlib.h>
#include <string.h>

enum { FRAME_HEADER_BYTES = 4, PLAIN_BYTES = 16 * 1024 };

/* ---- frames ------------------------------------------------------------------------------- */

void cm_framer_fini(cm_framer *framer)
{
    cm_buf_free(&framer->in);
}

/* Length that the frame at the front announces; false when its header is not yet complete. */
static bool announced(const cm_framer *framer, size_t *ret)
{
    if (framer->in.bytes < FRAME_HEADER_BYTES) {
        return false;
    }
    cm_reader r = cm_reader_of(framer->in.data, FRAME_HEADER_BYTES);
    *ret = cm_reader_u32(&r);
    return true;
}

cm_status cm_framer_put(cm_framer *framer, const void *data, size_t bytes)
{
    size_t length;
    cm_buf_put(&framer->in, data, bytes);
    if (framer->in.failed) {
        return CM_ENOMEM;
    }
    if (announced(framer, &length) && (length == 0 || length > framer->max_bytes)) {
        return CM_EPROTO;
    }
    return CM_OK;
}

bool cm_framer_next(const cm_framer *framer, uint8_t *ret_type, const uint8_t **ret_body,
                    size_t *ret_bytes)
{
    size_t length;
    if (!announced(framer, &length) || length == 0 || length > framer->max_bytes ||
        framer->in.bytes - FRAME_HEADER_BYTES < length) {
        return false;
    }
    *ret_type = framer->in.data[FRAME_HEADER_BYTES];
    *ret_body = framer->in.data + FRAME_HEADER_BYTES + 1;
    *ret_bytes = length - 1;
    return true;
}

void cm_framer_drop(cm_framer *framer)
{
    size_t length;
    CM_ASSERT(announced(framer, &length));
    cm_buf_consume(&framer->in, FRAME_HEADER_BYTES + length);
}

void cm_frame_put(cm_buf *out, uint8_t type, const void *body, size_t bytes)
{
    CM_ASSERT(bytes < UINT32_MAX);
    cm_buf_put_u32(out, (uint32_t)bytes + 1);
    cm_buf_put_u8(out, type);
    cm_buf_put(out, body, bytes);
}

/* ---- channels ----------------------------------------------------------------------------- */

struct cm_channel {
    cm_stream *stream;
    cm_tls *tls;
    cm_channel_events events;
    cm_framer framer;
    bool ready;
    bool ended;    /* closed was told, or the owner closed */
    bool dead;     /* the owner closed: to be freed when no call is under way */
    unsigned busy; /* calls under way that use the channel after an event */
};

static void release(cm_channel *c)
{
    if (c->dead && c->busy == 0) {
        cm_tls_free(c->tls);
        cm_framer_fini(&c->framer);
        free(c);
    }
}

static void flush(cm_channel *c)
{
    size_t bytes;
    const uint8_t *data = cm_tls_pending(c->tls, &bytes);
    if (bytes > 0) {
        cm_stream_write(c->stream, data, bytes);
        cm_tls_sent(c->tls, bytes);
    }
}

static void end(cm_channel *c, const cm_diag *why)
{
    if (!c->ended) {
        c->ended = true;
        c->events.closed(c->events.arg, why);
    }
}

static void end_with(cm_channel *c, cm_status status, const char *text)
{
    cm_diag why = {0};
    cm_diag_set(&why, status, CM_SQL_CONNECTION_FAILURE, "%s", text);
    end(c, &why);
}

static void take_frames(cm_channel *c)
{
    uint8_t type;
    const uint8_t *body;
    size_t bytes;
    while (!c->ended && cm_framer_next(&c->framer, &type, &body, &bytes)) {
        c->events.message(c->events.arg, type, body, bytes);
        cm_framer_drop(&c->framer);
    }
}

static bool take_ready(cm_channel *c)
{
    cm_cert peer;
    if (c->ready) {
        return true;
    }
    if (!cm_tls_established(c->tls)) {
        return false;
    }
    if (cm_tls_peer_cert(c->tls, &peer) != CM_OK) {
        end_with(c, CM_EDENIED, "the other node showed no certificate");
        return false;
    }
    c->ready = true;
    c->events.ready(c->events.arg, &peer);
    return !c->ended;
}

static void take_plain(cm_channel *c)
{
    uint8_t plain[PLAIN_BYTES];
    cm_diag diag = {0};
    size_t got = 1;
    while (!c->ended && take_ready(c) && got > 0) {
        if (cm_tls_read(c->tls, plain, sizeof plain, &got, &diag) != CM_OK) {
            end(c, &diag);
            return;
        }
        cm_status st = got == 0 ? CM_OK : cm_framer_put(&c->framer, plain, got);
        take_frames(c);
        /* A frame that is too long may stand behind others: looked at again once those are gone. */
        if (st == CM_OK) {
            st = cm_framer_put(&c->framer, NULL, 0);
        }
        if (st != CM_OK && !c->ended) {
            end_with(c, st, "the other node sent a message that is too long");
        }
    }
    if (!c->ended && cm_tls_closed(c->tls)) {
        end_with(c, CM_EPEER, "the other node closed the connection");
    }
}

static void on_data(void *arg, const uint8_t *data, size_t bytes)
{
    cm_channel *c = arg;
    cm_diag diag = {0};
    if (c->ended) {
        return;
    }
    c->busy++;
    if (cm_tls_feed(c->tls, data, bytes, &diag) != CM_OK) {
        flush(c);
        end(c, &diag);
    } else {
        take_plain(c);
        if (!c->dead) {
            flush(c);
        }
    }
    c->busy--;
    release(c);
}

static void on_closed(void *arg, cm_status why)
{
    cm_channel *c = arg;
    c->busy++;
    end_with(c, why, "the connection to the other node was lost");
    c->busy--;
    release(c);
}

cm_status cm_channel_new(cm_stream *stream, bool is_client, const cm_tls_options *options,
                         size_t max_bytes, const cm_channel_events *events, cm_channel **ret,
                         cm_diag *diag)
{
    cm_channel *c = calloc(1, sizeof *c);
    cm_status st = c == NULL   ? cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory")
                   : is_client ? cm_tls_new_client(options, &c->tls, diag)
                               : cm_tls_new_server(options, &c->tls, diag);
    if (c == NULL || st != CM_OK) {
        cm_stream_close(stream);
        free(c);
        return st;
    }
    c->stream = stream;
    c->events = *events;
    c->framer.max_bytes = max_bytes;
    *ret = c;
    flush(c);
    cm_stream_start(stream, (cm_stream_events){c, on_data, on_closed});
    return CM_OK;
}

void cm_channel_set_events(cm_channel *c, const cm_channel_events *events)
{
    c->events = *events;
}

void cm_channel_send(cm_channel *c, uint8_t type, const void *body, size_t bytes)
{
    CM_CLEANUP(cm_buf_free) cm_buf frame = {0};
    CM_ASSERT(c->ready && bytes < c->framer.max_bytes);
    if (c->ended) {
        return;
    }
    cm_frame_put(&frame, type, body, bytes);
    /* Out of memory: silence, until both ends notice that the link is dead. */
    if (frame.failed || cm_tls_write(c->tls, frame.data, frame.bytes, NULL) != CM_OK) {
        cm_stream_limit(c->stream, 0);
        return;
    }
    flush(c);
}

size_t cm_channel_pending(const cm_channel *c)
{
    return cm_stream_pending(c->stream);
}

void cm_channel_close(cm_channel *c)
{
    if (c == NULL || c->dead) {
        return;
    }
    if (c->ready && !c->ended) {
        cm_tls_close(c->tls);
        flush(c);
    }
    c->ended = true;
    c->dead = true;
    cm_stream_close(c->stream);
    release(c);
}
