#include "net/link_int.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RECORD_BYTES = 16 * 1024,
    READ_BYTES = 256 * 1024,  /* one recv() */
    WRITE_BYTES = 256 * 1024, /* encrypted between two send()s */
    READS_A_DRAIN = 4,
};

/* What a peer may make us keep for later, frames and their bookkeeping. */
static const size_t QUEUE_MAX_BYTES = (size_t)CM_FRAME_MAX_BYTES + (64 << 20);

static const uint32_t GOODBYE = 0xffffff00;

struct cm_queued_frame {
    cm_queued_frame *next;
    size_t bytes;
    uint8_t data[];
};

CM_MUST static cm_status fail_tls(cm_link *link, const cm_diag *why)
{
    link->broken = true;
    cm_diag_detail(&link->mesh->diag, "%s", why->detail);
    return cm_mesh_fail(link->mesh, why->status, link->peer, "link to %s: %s",
                        link->mesh->names[link->peer], why->message);
}

CM_MUST static cm_status fail_memory(cm_link *link)
{
    return cm_mesh_fail(link->mesh, CM_ENOMEM, CM_BLAME_NOBODY, "no memory for a message of %s",
                        link->mesh->names[link->peer]);
}

/*
 * A peer that computes sends nothing for a long time and is not gone; its kernel answers probes
 * meanwhile.  So a machine or a line that vanished breaks the link long before the wait's own
 * deadline, which is for a peer that hangs.
 */
static void probe_silent_peer(int fd)
{
    enum { IDLE_S = 5, INTERVAL_S = 5, PROBES = 3, UNACKNOWLEDGED_MS = 20000 };
    static const struct {
        int level, name, value;
    } options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S},
                   {IPPROTO_TCP, TCP_KEEPINTVL, INTERVAL_S},
                   {IPPROTO_TCP, TCP_KEEPCNT, PROBES},
                   {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS}};

    for (size_t i = 0; i < CM_COUNT(options); i++) {
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
    }
}

cm_status cm_link_open(cm_link *link, cm_mesh *mesh, unsigned peer, int fd,
                       const cm_tls_options *tls_options, bool client)
{
    const int on = 1;
    cm_diag diag = {0};

    *link = (cm_link){.mesh = mesh, .peer = peer, .fd = fd, .goodbye_blames = CM_BLAME_NOBODY};
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return cm_mesh_fail(mesh, CM_EIO, CM_BLAME_NOBODY, "the socket to %s cannot be used: %s",
                            mesh->names[peer], strerror(errno));
    }
    /* Messages wait for each other: none may wait for a timer.  Not TCP: no such option, no harm.
     * Buffer sizes are left to the kernel, whose tuning a fixed size would turn off. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    probe_silent_peer(fd);
    if (tls_options == NULL) {
        return CM_OK;
    }
    cm_status st = client ? cm_tls_new_client(tls_options, &link->tls, &diag)
                          : cm_tls_new_server(tls_options, &link->tls, &diag);
    return st == CM_OK ? CM_OK : fail_tls(link, &diag);
}

static void free_queued(cm_queued_frame *frame)
{
    if (frame != NULL) {
        cm_wipe(frame->data, frame->bytes);
        free(frame);
    }
}

/* ---- bytes ---- */

/* Plain text to the peer; encrypted, it waits in a queue for cm_link_push. */
static cm_status write_bytes(cm_link *link, const void *data, size_t bytes)
{
    cm_diag diag = {0};

    if (link->tls == NULL) {
        return cm_queue_put(&link->out, data, bytes) ? CM_OK : fail_memory(link);
    }
    cm_status st = cm_tls_write(link->tls, data, bytes, &diag);
    return st == CM_OK ? CM_OK : fail_tls(link, &diag);
}

/* Plain text from the peer, as much as is at hand. */
static cm_status read_bytes(cm_link *link, uint8_t *ret_data, size_t max_bytes, size_t *ret_bytes)
{
    cm_diag diag = {0};

    if (link->tls != NULL) {
        cm_status st = cm_tls_read(link->tls, ret_data, max_bytes, ret_bytes, &diag);
        if (st != CM_OK) {
            return fail_tls(link, &diag);
        }
        link->lost |= cm_tls_closed(link->tls) && *ret_bytes == 0;
        return CM_OK;
    }
    size_t have = cm_queue_bytes(&link->in);
    size_t now = have < max_bytes ? have : max_bytes;
    if (now > 0) {
        memcpy(ret_data, cm_queue_front(&link->in), now);
        cm_queue_consume(&link->in, now);
    }
    *ret_bytes = now;
    return CM_OK;
}

static const uint8_t *unsent(const cm_link *link, size_t *ret_bytes)
{
    if (link->tls != NULL) {
        return cm_tls_pending(link->tls, ret_bytes);
    }
    *ret_bytes = cm_queue_bytes(&link->out);
    return cm_queue_front(&link->out);
}

bool cm_link_has_unsent(const cm_link *link)
{
    size_t bytes;

    (void)!unsent(link, &bytes);
    return bytes > 0;
}

cm_status cm_link_push(cm_link *link)
{
    size_t bytes;
    const uint8_t *data = unsent(link, &bytes);

    while (bytes > 0 && !link->lost) {
        ssize_t put = send(link->fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        if (put < 0) {
            /* The peer closed.  What it said before may still wait to be read: the reader tells. */
            link->broken = true;
            if (link->tls != NULL) {
                cm_tls_sent(link->tls, bytes);
            } else {
                cm_queue_consume(&link->out, bytes);
            }
            break;
        }
        link->moved_bytes += (uint64_t)put;
        if (link->tls != NULL) {
            cm_tls_sent(link->tls, (size_t)put);
        } else {
            cm_queue_consume(&link->out, (size_t)put);
        }
        data = unsent(link, &bytes);
    }
    return CM_OK;
}

/* One recv().  *ret_got is false when the kernel has nothing more, now or ever. */
static cm_status fill(cm_link *link, bool *ret_got)
{
    cm_diag diag = {0};
    uint8_t *room = link->tls != NULL ? cm_tls_feed_reserve(link->tls, READ_BYTES)
                                      : cm_queue_reserve(&link->in, READ_BYTES);
    *ret_got = false;
    if (room == NULL) {
        return fail_memory(link);
    }
    ssize_t got;
    do {
        got = recv(link->fd, room, READ_BYTES, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        link->lost = got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
        return CM_OK;
    }
    *ret_got = true;
    link->moved_bytes += (uint64_t)got;
    if (link->tls == NULL) {
        cm_queue_commit(&link->in, (size_t)got);
        return CM_OK;
    }
    cm_status st = cm_tls_feed_commit(link->tls, (size_t)got, &diag);
    return st == CM_OK ? CM_OK : fail_tls(link, &diag);
}

/* ---- hello ---- */

static void make_hello(const cm_mesh *mesh, unsigned sender,
                       uint8_t ret_hello[static CM_HELLO_BYTES])
{
    static const uint8_t product[8] = {'c', 'o', 'm', 'i', 't', 'y', '/', '2'};

    memcpy(ret_hello, product, sizeof product);
    ret_hello[8] = (uint8_t)(sender >> 8);
    ret_hello[9] = (uint8_t)sender;
    ret_hello[10] = (uint8_t)(mesh->participants >> 8);
    ret_hello[11] = (uint8_t)mesh->participants;
    memcpy(ret_hello + 12, mesh->purpose.bytes, CM_HASH_BYTES);
}

static cm_status read_hello(cm_link *link)
{
    uint8_t expected[sizeof link->hello];
    size_t got;

    cm_status st =
        read_bytes(link, link->hello + link->hello_got, sizeof link->hello - link->hello_got, &got);
    if (st != CM_OK) {
        return st;
    }
    link->hello_got += got;
    if (link->hello_got == sizeof link->hello) {
        make_hello(link->mesh, link->peer, expected);
        if (memcmp(expected, link->hello, sizeof expected) != 0) {
            return cm_mesh_fail(
                link->mesh, CM_EPROTO, link->peer,
                "%s is not at the other end of its link, or has another job, lane or version",
                link->mesh->names[link->peer]);
        }
        link->confirmed = true;
    }
    return CM_OK;
}

cm_status cm_link_shake(cm_link *link)
{
    bool got = true;

    while (!link->confirmed && !link->lost && got) {
        bool talks = link->tls == NULL || cm_tls_established(link->tls);
        if (talks && !link->hello_sent) {
            uint8_t hello[sizeof link->hello];
            make_hello(link->mesh, link->mesh->me, hello);
            link->hello_sent = true;
            cm_status st = write_bytes(link, hello, sizeof hello);
            if (st != CM_OK) {
                return st;
            }
        }
        cm_status st = talks ? read_hello(link) : CM_OK;
        if (st == CM_OK && !link->confirmed) {
            st = fill(link, &got);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    return cm_link_push(link);
}

/* ---- frames out ---- */

static void put_header(uint8_t header[static 4], uint32_t value)
{
    header[0] = (uint8_t)(value >> 24);
    header[1] = (uint8_t)(value >> 16);
    header[2] = (uint8_t)(value >> 8);
    header[3] = (uint8_t)value;
}

cm_status cm_link_write_frame(cm_link *link, const void *data, size_t bytes)
{
    uint8_t start[RECORD_BYTES]; /* the header shares its record with the first bytes */
    const uint8_t *next = data;
    size_t now = bytes < RECORD_BYTES - 4 ? bytes : RECORD_BYTES - 4;

    put_header(start, (uint32_t)bytes);
    if (now > 0) {
        memcpy(start + 4, next, now);
    }
    cm_status st = write_bytes(link, start, 4 + now);
    cm_wipe(start, 4 + now);
    while (st == CM_OK && bytes > now) {
        next += now;
        bytes -= now;
        now = bytes < WRITE_BYTES ? bytes : WRITE_BYTES;
        st = write_bytes(link, next, now);
        if (st == CM_OK && bytes > now) {
            st = cm_link_push(link);
        }
    }
    return st == CM_OK ? cm_link_push(link) : st;
}

void cm_link_close(cm_link *link)
{
    if (link->fd < 0) {
        return;
    }
    bool talks = link->tls == NULL || cm_tls_established(link->tls);
    if (talks && link->confirmed && !link->broken && !link->lost && !link->finished) {
        uint8_t goodbye[4];
        put_header(goodbye, GOODBYE | (uint32_t)link->mesh->blamed);
        (void)!write_bytes(link, goodbye, sizeof goodbye);
    }
    (void)!cm_link_push(link);
    close(link->fd);
    cm_tls_free(link->tls);
    cm_queue_free(&link->in);
    cm_queue_free(&link->out);
    free_queued(link->storing);
    while (link->first != NULL) {
        cm_queued_frame *frame = link->first;
        link->first = frame->next;
        free_queued(frame);
    }
    *link = (cm_link){.fd = -1};
}

/* ---- frames in ---- */

static cm_status check_length(cm_link *link, size_t frame_bytes, size_t expected_bytes)
{
    if (frame_bytes == expected_bytes) {
        return CM_OK;
    }
    return cm_mesh_fail(link->mesh, CM_EPROTO, link->peer,
                        "%s sent a frame of %zu bytes instead of %zu",
                        link->mesh->names[link->peer], frame_bytes, expected_bytes);
}

static cm_status read_header(cm_link *link)
{
    size_t got;

    cm_status st = read_bytes(link, link->header + link->header_got, 4 - link->header_got, &got);
    if (st != CM_OK) {
        return st;
    }
    link->header_got += got;
    if (link->header_got < 4) {
        return CM_OK;
    }
    uint32_t value = (uint32_t)link->header[0] << 24 | (uint32_t)link->header[1] << 16 |
                     (uint32_t)link->header[2] << 8 | link->header[3];
    if (value >= GOODBYE) {
        link->finished = true;
        link->goodbye_blames = value & 0xff;
        return CM_OK;
    }
    if (value > CM_FRAME_MAX_BYTES) {
        return cm_mesh_fail(link->mesh, CM_EPROTO, link->peer,
                            "%s announced a frame of %u bytes, more than is allowed",
                            link->mesh->names[link->peer], value);
    }
    link->frame_bytes = value;
    link->frame_got = 0;
    return CM_OK;
}

static bool has_place(const cm_link *link)
{
    return link->direct != NULL || link->storing != NULL;
}

/* Where the payload of the arriving frame goes. */
static cm_status choose_place(cm_link *link)
{
    if (link->wanting && link->first == NULL) {
        link->direct = link->want;
        return check_length(link, link->frame_bytes, link->want_bytes);
    }
    size_t cost = sizeof(cm_queued_frame) + link->frame_bytes;
    link->paused = cost > QUEUE_MAX_BYTES - link->queued_bytes;
    if (link->paused) {
        return CM_OK;
    }
    link->storing = malloc(cost);
    if (link->storing == NULL) {
        return fail_memory(link);
    }
    link->storing->next = NULL;
    link->storing->bytes = link->frame_bytes;
    link->queued_bytes += cost;
    return CM_OK;
}

static void finish_frame(cm_link *link)
{
    if (link->direct != NULL) {
        link->wanting = false;
        link->direct = NULL;
    } else {
        if (link->last != NULL) {
            link->last->next = link->storing;
        } else {
            link->first = link->storing;
        }
        link->last = link->storing;
        link->storing = NULL;
    }
    link->header_got = 0;
}

/* Nothing more has to be read for now. */
static bool is_satisfied(const cm_link *link, bool was_wanting)
{
    return link->paused || link->finished || (was_wanting && !link->wanting);
}

/* Sorts the plain text at hand into frames, until it ends or the wanted frame is complete. */
static cm_status parse(cm_link *link)
{
    bool was_wanting = link->wanting;
    cm_status st = CM_OK;

    link->paused = false;
    while (st == CM_OK && !is_satisfied(link, was_wanting)) {
        if (link->header_got < 4) {
            st = read_header(link);
            if (st != CM_OK || link->header_got < 4 || link->finished) {
                return st;
            }
        }
        if (!has_place(link)) {
            st = choose_place(link);
            if (st != CM_OK || !has_place(link)) {
                return st;
            }
        }
        size_t left = link->frame_bytes - link->frame_got, got = 0;
        if (left > 0) {
            uint8_t *place = link->direct != NULL ? link->direct : link->storing->data;
            st = read_bytes(link, place + link->frame_got, left, &got);
            if (st != CM_OK) {
                return st;
            }
        }
        link->frame_got += got;
        if (got < left) {
            return CM_OK;
        }
        finish_frame(link);
    }
    return st;
}

cm_status cm_link_want(cm_link *link, void *ret_data, size_t bytes)
{
    static uint8_t nothing[1];
    cm_queued_frame *frame = link->first;

    CM_ASSERT(!link->wanting);
    if (frame != NULL) {
        cm_status st = check_length(link, frame->bytes, bytes);
        if (st != CM_OK) {
            return st;
        }
        if (bytes > 0) {
            memcpy(ret_data, frame->data, bytes);
        }
        link->first = frame->next;
        if (link->first == NULL) {
            link->last = NULL;
        }
        link->queued_bytes -= sizeof *frame + bytes;
        link->paused = false;
        free_queued(frame);
        return CM_OK;
    }
    link->wanting = true;
    link->want = bytes > 0 ? ret_data : nothing;
    link->want_bytes = bytes;
    if (link->storing == NULL) {
        return CM_OK;
    }
    /* The frame began to arrive while nobody wanted it: move what is there, receive the rest
     * in place. */
    cm_status st = check_length(link, link->frame_bytes, bytes);
    if (st != CM_OK) {
        return st;
    }
    if (link->frame_got > 0) {
        memcpy(link->want, link->storing->data, link->frame_got);
    }
    link->queued_bytes -= sizeof *link->storing + link->frame_bytes;
    free_queued(link->storing);
    link->storing = NULL;
    link->direct = link->want;
    return CM_OK;
}

cm_status cm_link_drain(cm_link *link, bool *ret_more)
{
    bool was_wanting = link->wanting;

    *ret_more = false;
    for (unsigned reads = 0;; reads++) {
        cm_status st = parse(link);
        if (st != CM_OK || link->lost || is_satisfied(link, was_wanting)) {
            return st;
        }
        if (reads == READS_A_DRAIN) {
            *ret_more = true;
            return CM_OK;
        }
        bool got;
        st = fill(link, &got);
        if (st != CM_OK || !got) {
            return st;
        }
    }
}

bool cm_link_can_read(const cm_link *link)
{
    return link->fd >= 0 && !link->lost && !link->finished && !link->paused;
}
