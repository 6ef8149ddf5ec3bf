/*
 * Connections that came to the node port and did not authenticate themselves yet: each says in its
 * preamble what it is, and goes on to a link, a job's process or the founding.
 */
#include "node/peers_int.h"

#include "base/clock.h"
#include "node/jobs.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_GUESTS = 64, GUEST_MS = 10000 };

static const uint8_t magic[8] = "COMITY1";

struct cm_guest {
    cm_peers *peers;
    cm_stream *stream;   /* until the preamble is complete */
    cm_channel *channel; /* then, for control links */
    uint8_t data[CM_PREAMBLE_BYTES];
    size_t bytes;
    int64_t deadline_ms;
    unsigned member;
    cm_guest *next;
};

/* ---- preamble ----------------------------------------------------------------------------- */

void cm_preamble_encode(const cm_preamble *p, uint8_t ret[static CM_PREAMBLE_BYTES])
{
    memset(ret, 0, CM_PREAMBLE_BYTES);
    memcpy(ret, magic, sizeof magic);
    ret[8] = (uint8_t)p->kind;
    ret[9] = p->sender;
    ret[10] = (uint8_t)(p->lane >> 8);
    ret[11] = (uint8_t)p->lane;
    memcpy(ret + 16, p->federation, 16);
    memcpy(ret + 32, p->job, 16);
}

cm_status cm_preamble_decode(const uint8_t data[static CM_PREAMBLE_BYTES], cm_preamble *ret)
{
    uint8_t again[CM_PREAMBLE_BYTES];
    cm_preamble p = {.kind = (cm_link_kind)data[8],
                     .sender = data[9],
                     .lane = (uint16_t)(data[10] << 8 | data[11])};
    memcpy(p.federation, data + 16, 16);
    memcpy(p.job, data + 32, 16);
    cm_preamble_encode(&p, again);
    bool known = data[8] >= CM_LINK_CONTROL && data[8] <= CM_LINK_JOIN;
    if (!known || memcmp(again, data, sizeof again) != 0) {
        return CM_EPROTO;
    }
    *ret = p;
    return CM_OK;
}

/* ---- guests ------------------------------------------------------------------------------- */

static void guest_unlink(cm_guest *g)
{
    cm_guest **at = &g->peers->guests;
    while (*at != g) {
        CM_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = g->next;
    g->peers->guest_count--;
}

static void guest_free(cm_guest *g)
{
    guest_unlink(g);
    cm_stream_close(g->stream);
    cm_channel_close(g->channel);
    free(g);
}

static void guest_refuse(cm_guest *g, const char *why)
{
    if (cm_peers_may_log(g->peers)) {
        cm_node_log(g->peers->node, "closed a connection to the node port: %s", why);
    }
    guest_free(g);
}

static void on_guest_ready(void *arg, const cm_cert *cert)
{
    cm_guest *g = arg;
    cm_peers *peers = g->peers;
    unsigned member = g->member;
    cm_channel *channel = g->channel;
    (void)cert; /* pinned */
    g->channel = NULL;
    guest_free(g);
    cm_link_adopt(peers, member, channel);
}

static void on_guest_message(void *arg, uint8_t type, const uint8_t *body, size_t bytes)
{
    /* Never: the events change in on_guest_ready. */
    (void)arg, (void)type, (void)body, (void)bytes;
    CM_ASSERT(false);
}

static void on_guest_channel_closed(void *arg, const cm_diag *why)
{
    guest_refuse(arg, why->message);
}

static void guest_control(cm_guest *g, const cm_preamble *p)
{
    const cm_federation *f = cm_node_federation(g->peers->node);
    /* The lower number dials, so nobody else has reason to. */
    if (f == NULL) {
        guest_free(g); /* others are further than we are */
        return;
    }
    if (memcmp(p->federation, f->digest.bytes, sizeof p->federation) != 0 ||
        p->sender >= g->peers->me) {
        guest_refuse(g, "it belongs to another federation");
        return;
    }
    cm_stream *stream = g->stream;
    g->stream = NULL;
    g->member = p->sender;
    cm_tls_options tls = {.identity = cm_node_identity(g->peers->node),
                          .accepted = &f->member[g->member].cert,
                          .accepted_count = 1};
    cm_channel_events events = {g, on_guest_ready, on_guest_message, on_guest_channel_closed};
    if (cm_channel_new(stream, false, &tls, CM_MESSAGE_MAX_BYTES, &events, &g->channel, NULL) !=
        CM_OK) {
        g->channel = NULL;
        guest_refuse(g, "out of memory");
        return;
    }
    cm_stream_resume(stream);
}

static void guest_job(cm_guest *g, const cm_preamble *p)
{
    cm_node *node = g->peers->node;
    const cm_federation *f = cm_node_federation(g->peers->node);
    if (f == NULL || memcmp(p->federation, f->digest.bytes, sizeof p->federation) != 0) {
        guest_refuse(g, "it belongs to another federation");
        return;
    }
    int fd = cm_stream_detach_fd(g->stream);
    g->stream = NULL;
    guest_free(g);
    if (fd >= 0) {
        cm_jobs_link(cm_node_jobs(node), p->job, p->sender, p->lane, fd);
    }
}

static void on_guest_data(void *arg, const uint8_t *data, size_t bytes)
{
    cm_guest *g = arg;
    cm_preamble p;
    CM_ASSERT(bytes <= sizeof g->data - g->bytes);
    memcpy(g->data + g->bytes, data, bytes);
    g->bytes += bytes;
    if (g->bytes < sizeof g->data) {
        return;
    }
    if (cm_preamble_decode(g->data, &p) != CM_OK) {
        guest_refuse(g, "it does not speak our protocol");
    } else if (p.kind == CM_LINK_CONTROL) {
        guest_control(g, &p);
    } else if (p.kind == CM_LINK_JOB) {
        guest_job(g, &p);
    } else {
        cm_stream *stream = g->stream;
        cm_founding *founding = cm_node_founding(g->peers->node);
        g->stream = NULL;
        guest_free(g);
        cm_founding_accept(founding, stream);
    }
}

static void on_guest_closed(void *arg, cm_status why)
{
    (void)why;
    guest_refuse(arg, "it ended before it said what it is");
}

void cm_guest_accept(void *arg, cm_stream *stream)
{
    cm_peers *peers = arg;
    if (peers->guest_count >= MAX_GUESTS) {
        /* The oldest goes: members are done in milliseconds, so they get in even when strangers
         * fill all places. */
        cm_guest *oldest = peers->guests;
        while (oldest->next != NULL) {
            oldest = oldest->next;
        }
        guest_refuse(oldest, "too many at once");
    }
    cm_guest *g = calloc(1, sizeof *g);
    if (g == NULL) {
        cm_stream_close(stream);
        return;
    }
    g->peers = peers;
    g->stream = stream;
    g->deadline_ms = cm_clock_ms() + GUEST_MS;
    g->next = peers->guests;
    peers->guests = g;
    peers->guest_count++;
    cm_stream_limit(stream, CM_PREAMBLE_BYTES);
    cm_stream_start(stream, (cm_stream_events){g, on_guest_data, on_guest_closed});
}

void cm_guests_tick(cm_peers *peers, int64_t now_ms)
{
    for (cm_guest *g = peers->guests; g != NULL;) {
        cm_guest *next = g->next;
        if (now_ms >= g->deadline_ms) {
            guest_refuse(g, "it did not authenticate itself in time");
        }
        g = next;
    }
}

void cm_guests_clear(cm_peers *peers)
{
    for (cm_guest *g = peers->guests; g != NULL;) {
        cm_guest *next = g->next;
        guest_free(g);
        g = next;
    }
}
