/*
 * Control links and messages to oneself.  A tick several times a second does what time asks for:
 * dials, pings, deaths; and guests that take too long (guests.c).
 */
#include "node/peers_int.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "node/catalog.h"
#include "node/federation.h"
#include "node/jobs.h"

#include <stdlib.h>
#include <string.h>

enum {
    HANDSHAKE_MS = 10000,
    TICK_MS = 200,
    PING_MS = 2000,
    PROBE_MS = 3000, /* when some round trips are known */
    DEAD_MS = 6000,
    CONNECT_MS = 5000,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 2000,
    LOGS_PER_SECOND = 5,
    HELLO_FORMAT = 2,
    PENDING_MAX_BYTES = 64 << 20,
};

struct cm_self_message {
    cm_self_message *next;
    uint8_t type;
    size_t bytes;
    uint8_t body[];
};

/* ---- small things ------------------------------------------------------------------------- */

static const cm_federation *federation_of(const cm_peers *peers)
{
    return cm_node_federation(peers->node);
}

static const char *name_of(const cm_link *l)
{
    return federation_of(l->peers)->member[l->member].org;
}

bool cm_peers_may_log(cm_peers *peers)
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

static void send_hello(cm_link *l)
{
    CM_CLEANUP(cm_buf_free) cm_buf hello = {0};
    cm_catalog *catalog = cm_node_catalog(l->peers->node);
    cm_buf_put_u32(&hello, HELLO_FORMAT);
    cm_buf_put_u32(&hello, cm_cpu_cores());
    encode_id(cm_catalog_id_of(catalog, cm_node_org(l->peers->node)), &hello);
    encode_id(cm_catalog_id_of(catalog, name_of(l)), &hello);
    if (!hello.failed) {
        cm_channel_send(l->channel, CM_MSG_HELLO, hello.data, hello.bytes);
    }
}

static void send_ping(cm_link *l, bool answer, int64_t stamp)
{
    uint8_t body[9] = {answer};
    for (int i = 0; i < 8; i++) {
        body[1 + i] = (uint8_t)((uint64_t)stamp >> (56 - 8 * i));
    }
    cm_channel_send(l->channel, CM_MSG_PING, body, sizeof body);
}

static void send_catalog(cm_link *l, const char *org)
{
    size_t bytes;
    const uint8_t *data = cm_catalog_bytes(cm_node_catalog(l->peers->node), org, &bytes);
    if (data != NULL && l->ready && l->channel != NULL) {
        cm_channel_send(l->channel, CM_MSG_CATALOG, data, bytes);
    }
}

static bool take_hello(cm_link *l, const uint8_t *body, size_t bytes)
{
    cm_reader r = cm_reader_of(body, bytes);
    cm_node *node = l->peers->node;
    uint32_t format = cm_reader_u32(&r), cores = cm_reader_u32(&r);
    (void)cm_reader_bytes(&r, 8 + CM_HASH_BYTES); /* what the peer publishes: it sends that */
    (void)cm_reader_u64(&r);
    const uint8_t *held = cm_reader_bytes(&r, CM_HASH_BYTES);
    if (!cm_reader_done(&r) || format != HELLO_FORMAT || cores == 0) {
        return false;
    }
    l->cores = cores;
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

static bool take_catalog(cm_link *l, const uint8_t *body, size_t bytes)
{
    bool is_new = false;
    cm_diag diag = {0};
    cm_node *node = l->peers->node;
    cm_status st = cm_catalog_receive(cm_node_catalog(node), body, bytes, &is_new, &diag);
    if (st != CM_OK && cm_peers_may_log(l->peers)) {
        cm_node_log(node, "a catalog from %s was not taken: %s", name_of(l), diag.message);
    }
    if (is_new) {
        cm_jobs_catalog_changed(cm_node_jobs(node));
    }
    return st != CM_EPROTO && st != CM_EDENIED;
}

/* The link's own time, not that of a busy machine: shorter ones count at once, longer ones slowly.
 */
static void take_round_trip(cm_link *l, int64_t took_ns)
{
    double ms = (double)took_ns / 1e6;
    if (took_ns <= 0 || ms >= DEAD_MS) {
        return;
    }
    bool shorter = l->rtt_ms <= 0 || ms < l->rtt_ms;
    l->rtt_ms = shorter ? ms : l->rtt_ms + (ms - l->rtt_ms) / 32;
}

static bool take_ping(cm_link *l, const uint8_t *body, size_t bytes)
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
        take_round_trip(l, cm_clock_ns() - stamp);
    }
    return true;
}

static void link_lost(cm_link *l, const char *why);

static void on_message(void *arg, uint8_t type, const uint8_t *body, size_t bytes)
{
    cm_link *l = arg;
    bool ok = true;
    l->heard_ms = cm_clock_ms();
    if (type == CM_MSG_HELLO) {
        ok = take_hello(l, body, bytes);
    } else if (type == CM_MSG_CATALOG) {
        ok = take_catalog(l, body, bytes);
    } else if (type == CM_MSG_PING) {
        ok = take_ping(l, body, bytes);
    } else if (type == CM_MSG_PROBE) {
        ok = cm_link_speed_message(l, body, bytes);
    } else if (type >= CM_MSG_PROPOSE && type <= CM_MSG_DONE && l->up) {
        cm_jobs_message(cm_node_jobs(l->peers->node), l->member, type, body, bytes);
    } else {
        ok = false;
    }
    if (!ok) {
        link_lost(l, "it sent what the protocol does not allow");
    }
}

static void link_clear(cm_link *l)
{
    cm_stream_close(l->dialing);
    cm_channel_close(l->channel);
    l->dialing = NULL;
    l->channel = NULL;
    l->up = false;
    l->ready = false;
    l->rtt_ms = 0;
    cm_link_speed_lost(l);
}

static void link_lost(cm_link *l, const char *why)
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
static void link_ready(cm_link *l)
{
    l->ready = true;
    l->heard_ms = cm_clock_ms();
    l->pinged_ms = l->heard_ms - PING_MS; /* at once */
    l->speed.again_ms = l->heard_ms + PROBE_MS;
    l->backoff_ms = BACKOFF_MIN_MS;
    send_hello(l);
}

/* ---- dialing ------------------------------------------------------------------------------ */

static void on_link_ready(void *arg, const cm_cert *cert)
{
    (void)cert; /* pinned */
    link_ready(arg);
}

void cm_link_adopt(cm_peers *peers, unsigned member, cm_channel *channel)
{
    cm_link *l = &peers->link[member];
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

static void on_dialed(void *arg, cm_status status)
{
    cm_link *l = arg;
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

static void dial(cm_link *l)
{
    const cm_federation *f = federation_of(l->peers);
    if (cm_connect(cm_node_loop(l->peers->node), f->member[l->member].endpoint, CONNECT_MS,
                   on_dialed, l, &l->dialing, NULL) != CM_OK) {
        l->dialing = NULL;
        link_lost(l, "its address cannot be used");
    }
}

static void link_tick(cm_link *l, int64_t now)
{
    if (l->channel == NULL) {
        if (l->peers->me < l->member && l->dialing == NULL && now >= l->dial_at_ms) {
            dial(l);
        }
        return;
    }
    if (!l->ready) {
        if (now - l->began_ms > HANDSHAKE_MS) {
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
    cm_link_speed_tick(l, now);
}

/* ---- self --------------------------------------------------------------------------------- */

static void on_self(void *arg)
{
    cm_peers *peers = arg;
    cm_self_message *m = peers->self_first;
    cm_timer_close(peers->self_timer);
    peers->self_timer = NULL;
    peers->self_first = NULL;
    peers->self_last = &peers->self_first;
    while (m != NULL) {
        cm_self_message *next = m->next;
        cm_jobs_message(cm_node_jobs(peers->node), peers->me, m->type, m->body, m->bytes);
        free(m);
        m = next;
    }
}

static bool send_self(cm_peers *peers, uint8_t type, const void *body, size_t bytes)
{
    cm_self_message *m = malloc(sizeof *m + bytes);
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
        cm_self_message *m = peers->self_first;
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
    if (now - peers->logs_ms >= 1000) {
        peers->logs_ms = now;
        peers->log_budget = LOGS_PER_SECOND;
    }
    /* What came while this loop stood still is read after its timers: nobody else was silent. */
    for (size_t i = 0; i < peers->links && stalled_ms > 1000; i++) {
        peers->link[i].heard_ms += stalled_ms;
    }
    cm_guests_tick(peers, now);
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
    cm_guests_clear(peers);
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
            (cm_link){.peers = peers, .member = (unsigned)i, .backoff_ms = BACKOFF_MIN_MS};
        link_tick(&peers->link[i], cm_clock_ms());
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
    cm_status st = cm_listen(cm_node_loop(node), cm_node_listen_address(node), cm_guest_accept,
                             peers, &peers->listener, diag);
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
    cm_link *l = &peers->link[member];
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

unsigned cm_peers_cores(const cm_peers *peers, unsigned member)
{
    unsigned told = member < peers->links ? peers->link[member].cores : 0;
    return member == peers->me ? cm_cpu_cores() : told > 0 ? told : 1;
}

double cm_peers_bytes_per_second(const cm_peers *peers, unsigned member)
{
    return member < peers->links ? peers->link[member].speed.bytes_per_second : 0;
}

double cm_peers_rtt_ms(const cm_peers *peers, unsigned member)
{
    return member < peers->links ? peers->link[member].rtt_ms : 0;
}
