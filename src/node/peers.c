/*
 * Three kinds of connections end here.
 *   guest  accepted, not yet authenticated: waits for its preamble, then for its handshake
 *   link   the control channel to one member, ours to dial when our number is the lower
 *   self   messages to oneself, delivered from the loop
 * A tick every half second does what time asks for: dials, pings, deaths, guests that take too
 * long.
 */
#include "node/peers.h"

#include "base/clock.h"
#include "node/catalog.h"
#include "node/channel.h"
#include "node/federation.h"
#include "node/jobs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_GUESTS = 64,
    GUEST_MS = 10000,
    TICK_MS = 500,
    PING_MS = 2000,
    DEAD_MS = 6000,
    CONNECT_MS = 5000,
    BACKOFF_MIN_MS = 250,
    BACKOFF_MAX_MS = 2000,
    LOGS_PER_SECOND = 5,
    HELLO_FORMAT = 1,
    PENDING_MAX_BYTES = 64 << 20,
};

static const uint8_t magic[8] = "COMITY1";

typedef struct guest {
    cm_peers *peers;
    cm_stream *stream;   /* until the preamble is complete */
    cm_channel *channel; /* then, for control links */
    uint8_t data[CM_PREAMBLE_BYTES];
    size_t bytes;
    int64_t deadline_ms;
    unsigned member;
    struct guest *next;
} guest;

typedef struct peer {
    cm_peers *peers;
    unsigned member;
    cm_stream *dialing;
    cm_channel *channel;
    bool up;    /* hello came: counted as connected */
    bool ready; /* handshake is over */
    int64_t heard_ms, pinged_ms, dial_at_ms, began_ms;
    int backoff_ms;
    double rtt_ms;
} peer;

typedef struct self_message {
    struct self_message *next;
    uint8_t type;
    size_t bytes;
    uint8_t body[];
} self_message;

struct cm_peers {
    cm_node *node;
    cm_listener *listener;
    cm_timer *tick;
    guest *guests;
    size_t guest_count;
    unsigned me;
    size_t links; /* members; 0 without a federation */
    peer link[CM_FEDERATION_MAX_MEMBERS];
    self_message *self_first, **self_last;
    cm_timer *self_timer;
    int log_budget;
    int64_t ticked_ms;
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

/* ---- small things ------------------------------------------------------------------------- */

static const cm_federation *federation_of(const cm_peers *peers)
{
    return cm_node_federation(peers->node);
}

static const char *name_of(const peer *l)
{
    return federation_of(l->peers)->member[l->member].org;
}

/* Strangers can make this node write lines: only so many. */
static bool may_log(cm_peers *peers)
{
    if (peers->log_budget <= 0) {
        return false;
    }
    peers->log_budget--;
    return true;
}

static void encode_id(cm_catalog_id id, cm_buf *out)
{
    cm_buf_put_u64(out, id.version);
    cm_buf_put(out, id.digest.bytes, CM_HASH_BYTES);
}

/* ---- messages of a link ------------------------------------------------------------------- */

static void send_hello(peer *l)
{
    CM_CLEANUP(cm_buf_free) cm_buf hello = {0};
    cm_catalog *catalog = cm_node_catalog(l->peers->node);
    cm_buf_put_u32(&hello, HELLO_FORMAT);
    encode_id(cm_catalog_id_of(catalog, cm_node_org(l->peers->node)), &hello);
    encode_id(cm_catalog_id_of(catalog, name_of(l)), &hello);
    if (!hello.failed) {
        cm_channel_send(l->channel, CM_MSG_HELLO, hello.data, hello.bytes);
    }
}

static void send_ping(peer *l, bool answer, int64_t stamp)
{
    uint8_t body[9] = {answer};
    for (int i = 0; i < 8; i++) {
        body[1 + i] = (uint8_t)((uint64_t)stamp >> (56 - 8 * i));
    }
    cm_channel_send(l->channel, CM_MSG_PING, body, sizeof body);
}

static void send_catalog(peer *l, const char *org)
{
    size_t bytes;
    const uint8_t *data = cm_catalog_bytes(cm_node_catalog(l->peers->node), org, &bytes);
    if (data != NULL && l->ready && l->channel != NULL) {
        cm_channel_send(l->channel, CM_MSG_CATALOG, data, bytes);
    }
}

static bool take_hello(peer *l, const uint8_t *body, size_t bytes)
{
    cm_reader r = cm_reader_of(body, bytes);
    cm_node *node = l->peers->node;
    uint32_t format = cm_reader_u32(&r);
    (void)cm_reader_bytes(&r, 8 + CM_HASH_BYTES); /* what the peer publishes: it sends that */
    (void)cm_reader_u64(&r);
    const uint8_t *held = cm_reader_bytes(&r, CM_HASH_BYTES);
    if (!cm_reader_done(&r) || format != HELLO_FORMAT) {
        return false;
    }
    cm_catalog_id own = cm_catalog_id_of(cm_node_catalog(node), cm_node_org(node));
    if (memcmp(held, own.digest.bytes, CM_HASH_BYTES) != 0) {
        send_catalog(l, cm_node_org(node));
    }
    if (!l->up) {
        l->up = true;
        cm_node_log(node, "connected to %s", name_of(l));
    }
    return true;
}

static bool take_catalog(peer *l, const uint8_t *body, size_t bytes)
{
    bool is_new = false;
    cm_diag diag = {0};
    cm_node *node = l->peers->node;
    cm_status st = cm_catalog_receive(cm_node_catalog(node), body, bytes, &is_new, &diag);
    if (st != CM_OK && may_log(l->peers)) {
        cm_node_log(node, "a catalog from %s was not taken: %s", name_of(l), diag.message);
    }
    if (is_new) {
        cm_jobs_catalog_changed(cm_node_jobs(node));
    }
    return st != CM_EPROTO && st != CM_EDENIED;
}

static bool take_ping(peer *l, const uint8_t *body, size_t bytes)
{
    cm_reader r = cm_reader_of(body, bytes);
    uint8_t answer = cm_reader_u8(&r);
    int64_t stamp = (int64_t)cm_reader_u64(&r);
    if (!cm_reader_done(&r) || answer > 1) {
        return false;
    }
    if (answer == 0) {
        send_ping(l, true, stamp);
    } else {
        int64_t took = cm_clock_ns() - stamp;
        l->rtt_ms = took > 0 && took < (int64_t)DEAD_MS * 1000000 ? (double)took / 1e6 : 0;
    }
    return true;
}

static void link_lost(peer *l, const char *why);

static void on_message(void *arg, uint8_t type, const uint8_t *body, size_t bytes)
{
    peer *l = arg;
    bool ok = true;
    l->heard_ms = cm_clock_ms();
    if (type == CM_MSG_HELLO) {
        ok = take_hello(l, body, bytes);
    } else if (type == CM_MSG_CATALOG) {
        ok = take_catalog(l, body, bytes);
    } else if (type == CM_MSG_PING) {
        ok = take_ping(l, body, bytes);
    } else if (type >= CM_MSG_PROPOSE && type <= CM_MSG_DONE && l->up) {
        cm_jobs_message(cm_node_jobs(l->peers->node), l->member, type, body, bytes);
    } else {
        ok = false;
    }
    if (!ok) {
        link_lost(l, "it sent what the protocol does not allow");
    }
}

static void link_clear(peer *l)
{
    cm_stream_close(l->dialing);
    cm_channel_close(l->channel);
    l->dialing = NULL;
    l->channel = NULL;
    l->up = false;
    l->ready = false;
    l->rtt_ms = 0;
}

static void link_lost(peer *l, const char *why)
{
    bool was_up = l->up;
    link_clear(l);
    l->dial_at_ms = cm_clock_ms() + l->backoff_ms;
    l->backoff_ms = l->backoff_ms * 2 < BACKOFF_MAX_MS ? l->backoff_ms * 2 : BACKOFF_MAX_MS;
    if (was_up) {
        cm_node_log(l->peers->node, "lost the connection to %s: %s", name_of(l), why);
        cm_jobs_peer_lost(cm_node_jobs(l->peers->node), l->member);
    }
}

static void on_link_closed(void *arg, const cm_diag *why)
{
    link_lost(arg, why->message);
}

/* The handshake is over at both kinds of links: from here on they are alike. */
static void link_ready(peer *l)
{
    l->ready = true;
    l->heard_ms = cm_clock_ms();
    l->pinged_ms = l->heard_ms;
    l->backoff_ms = BACKOFF_MIN_MS;
    send_hello(l);
}

/* ---- dialing ------------------------------------------------------------------------------ */

static void on_link_ready(void *arg, const cm_cert *cert)
{
    (void)cert; /* pinned */
    link_ready(arg);
}

static void on_dialed(void *arg, cm_status status)
{
    peer *l = arg;
    cm_stream *stream = l->dialing;
    const cm_federation *f = federation_of(l->peers);
    uint8_t preamble[CM_PREAMBLE_BYTES];
    cm_preamble p = {.kind = CM_LINK_CONTROL, .sender = (uint8_t)l->peers->me};
    if (status != CM_OK) {
        link_lost(l, "could not connect");
        return;
    }
    l->dialing = NULL;
    memcpy(p.federation, f->digest.bytes, sizeof p.federation);
    cm_preamble_encode(&p, preamble);
    cm_stream_write(stream, preamble, sizeof preamble);
    cm_tls_options tls = {.identity = cm_node_identity(l->peers->node),
                          .accepted = &f->member[l->member].cert,
                          .accepted_count = 1};
    cm_channel_events events = {l, on_link_ready, on_message, on_link_closed};
    l->began_ms = cm_clock_ms();
    if (cm_channel_new(stream, true, &tls, CM_MESSAGE_MAX_BYTES, &events, &l->channel, NULL) !=
        CM_OK) {
        l->channel = NULL;
        link_lost(l, "out of memory");
    }
}

static void dial(peer *l)
{
    const cm_federation *f = federation_of(l->peers);
    if (cm_connect(cm_node_loop(l->peers->node), f->member[l->member].endpoint, CONNECT_MS,
                   on_dialed, l, &l->dialing, NULL) != CM_OK) {
        l->dialing = NULL;
        link_lost(l, "its address cannot be used");
    }
}

static void link_tick(peer *l, int64_t now)
{
    if (l->channel == NULL) {
        if (l->peers->me < l->member && l->dialing == NULL && now >= l->dial_at_ms) {
            dial(l);
        }
        return;
    }
    if (!l->ready) {
        if (now - l->began_ms > GUEST_MS) {
            link_lost(l, "the handshake took too long");
        }
        return;
    }
    if (now - l->heard_ms > DEAD_MS) {
        link_lost(l, "it was silent");
    } else if (cm_channel_pending(l->channel) > PENDING_MAX_BYTES) {
        link_lost(l, "it does not read what it is sent");
    } else if (now - l->pinged_ms >= PING_MS) {
        l->pinged_ms = now;
        send_ping(l, false, cm_clock_ns());
    }
}

/* ---- guests ------------------------------------------------------------------------------- */

static void guest_unlink(guest *g)
{
    guest **at = &g->peers->guests;
    while (*at != g) {
        CM_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = g->next;
    g->peers->guest_count--;
}

static void guest_free(guest *g)
{
    guest_unlink(g);
    cm_stream_close(g->stream);
    cm_channel_close(g->channel);
    free(g);
}

static void guest_refuse(guest *g, const char *why)
{
    if (may_log(g->peers)) {
        cm_node_log(g->peers->node, "closed a connection to the node port: %s", why);
    }
    guest_free(g);
}

/* An authenticated connection of a member replaces the link there was: the member knows best
 * whether that one still works. */
static void on_guest_ready(void *arg, const cm_cert *cert)
{
    guest *g = arg;
    peer *l = &g->peers->link[g->member];
    cm_channel *channel = g->channel;
    (void)cert; /* pinned */
    g->channel = NULL;
    guest_free(g);
    if (l->up) {
        link_lost(l, "it connected anew");
    } else {
        link_clear(l);
    }
    l->channel = channel;
    cm_channel_set_events(channel,
                          &(cm_channel_events){l, on_link_ready, on_message, on_link_closed});
    link_ready(l);
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

static void guest_control(guest *g, const cm_preamble *p)
{
    const cm_federation *f = federation_of(g->peers);
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

static void guest_job(guest *g, const cm_preamble *p)
{
    cm_node *node = g->peers->node;
    const cm_federation *f = federation_of(g->peers);
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
    guest *g = arg;
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

static void on_accept(void *arg, cm_stream *stream)
{
    cm_peers *peers = arg;
    if (peers->guest_count >= MAX_GUESTS) {
        /* The oldest goes: members are done in milliseconds, so they get in even when strangers
         * fill all places. */
        guest *oldest = peers->guests;
        while (oldest->next != NULL) {
            oldest = oldest->next;
        }
        guest_refuse(oldest, "too many at once");
    }
    guest *g = calloc(1, sizeof *g);
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

/* ---- self --------------------------------------------------------------------------------- */

static void on_self(void *arg)
{
    cm_peers *peers = arg;
    self_message *m = peers->self_first;
    cm_timer_close(peers->self_timer);
    peers->self_timer = NULL;
    peers->self_first = NULL;
    peers->self_last = &peers->self_first;
    while (m != NULL) {
        self_message *next = m->next;
        cm_jobs_message(cm_node_jobs(peers->node), peers->me, m->type, m->body, m->bytes);
        free(m);
        m = next;
    }
}

static bool send_self(cm_peers *peers, uint8_t type, const void *body, size_t bytes)
{
    self_message *m = malloc(sizeof *m + bytes);
    if (m == NULL) {
        return false;
    }
    m->next = NULL;
    m->type = type;
    m->bytes = bytes;
    if (bytes > 0) {
        memcpy(m->body, body, bytes);
    }
    *peers->self_last = m;
    peers->self_last = &m->next;
    if (peers->self_timer == NULL) {
        peers->self_timer = cm_timer_start(cm_node_loop(peers->node), 0, 0, on_self, peers);
    }
    return true;
}

static void drop_self(cm_peers *peers)
{
    cm_timer_close(peers->self_timer);
    peers->self_timer = NULL;
    while (peers->self_first != NULL) {
        self_message *m = peers->self_first;
        peers->self_first = m->next;
        free(m);
    }
    peers->self_last = &peers->self_first;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static void on_tick(void *arg)
{
    cm_peers *peers = arg;
    int64_t now = cm_clock_ms();
    int64_t stalled_ms = now - peers->ticked_ms - TICK_MS;
    peers->ticked_ms = now;
    peers->log_budget = LOGS_PER_SECOND;
    /* What came while this loop stood still is read after its timers: nobody else was silent. */
    for (size_t i = 0; i < peers->links && stalled_ms > TICK_MS; i++) {
        peers->link[i].heard_ms += stalled_ms;
    }
    for (guest *g = peers->guests; g != NULL;) {
        guest *next = g->next;
        if (now >= g->deadline_ms) {
            guest_refuse(g, "it did not authenticate itself in time");
        }
        g = next;
    }
    for (size_t i = 0; i < peers->links; i++) {
        if (i != peers->me) {
            link_tick(&peers->link[i], now);
        }
    }
}

static void clear_links(cm_peers *peers)
{
    for (size_t i = 0; i < peers->links; i++) {
        link_clear(&peers->link[i]);
    }
    peers->links = 0;
    for (guest *g = peers->guests; g != NULL;) {
        guest *next = g->next;
        guest_free(g);
        g = next;
    }
    drop_self(peers);
}

void cm_peers_reset(cm_peers *peers)
{
    const cm_federation *f = federation_of(peers);
    clear_links(peers);
    if (f == NULL) {
        return;
    }
    int me = cm_federation_index(f, cm_node_org(peers->node));
    CM_ASSERT(me >= 0);
    peers->me = (unsigned)me;
    peers->links = f->members;
    for (size_t i = 0; i < f->members; i++) {
        peers->link[i] =
            (peer){.peers = peers, .member = (unsigned)i, .backoff_ms = BACKOFF_MIN_MS};
    }
}

cm_status cm_peers_new(cm_node *node, cm_peers **ret, cm_diag *diag)
{
    cm_peers *peers = calloc(1, sizeof *peers);
    if (peers == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    peers->node = node;
    peers->self_last = &peers->self_first;
    peers->log_budget = LOGS_PER_SECOND;
    cm_status st = cm_listen(cm_node_loop(node), cm_node_listen_address(node), on_accept, peers,
                             &peers->listener, diag);
    if (st != CM_OK) {
        free(peers);
        return st;
    }
    cm_peers_reset(peers);
    peers->ticked_ms = cm_clock_ms();
    peers->tick = cm_timer_start(cm_node_loop(node), 0, TICK_MS, on_tick, peers);
    *ret = peers;
    return CM_OK;
}

void cm_peers_free(cm_peers *peers)
{
    if (peers != NULL) {
        cm_timer_close(peers->tick);
        cm_listener_close(peers->listener);
        clear_links(peers);
        free(peers);
    }
}

bool cm_peers_send(cm_peers *peers, unsigned member, uint8_t type, const void *body, size_t bytes)
{
    CM_ASSERT(member < peers->links && bytes < CM_MESSAGE_MAX_BYTES);
    peer *l = &peers->link[member];
    if (member == peers->me) {
        return send_self(peers, type, body, bytes);
    }
    if (l->channel == NULL || !l->up) {
        return false;
    }
    cm_channel_send(l->channel, type, body, bytes);
    return true;
}

bool cm_peers_connected(const cm_peers *peers, unsigned member)
{
    return member < peers->links && (member == peers->me || peers->link[member].up);
}

void cm_peers_send_catalogs(cm_peers *peers, unsigned member)
{
    const cm_federation *f = federation_of(peers);
    if (member == peers->me || !peers->link[member].ready) {
        return;
    }
    for (size_t i = 0; i < f->members; i++) {
        send_catalog(&peers->link[member], f->member[i].org);
    }
}

void cm_peers_publish(cm_peers *peers)
{
    for (size_t i = 0; i < peers->links; i++) {
        if (i != peers->me && peers->link[i].ready) {
            send_catalog(&peers->link[i], cm_node_org(peers->node));
        }
    }
}

double cm_peers_rtt_ms(const cm_peers *peers, unsigned member)
{
    return member < peers->links ? peers->link[member].rtt_ms : 0;
}
