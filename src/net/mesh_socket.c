/*
 * Links over sockets.  All waiting is in wait_for_sockets: it moves the bytes of every link in both
 * directions, so that a party that waits for one peer never keeps another one from sending.
 *
 * A wait ends after idle_timeout_ms without progress, and progress is counted in steps of 64 KiB:
 * a peer that trickles single bytes cannot prolong a wait beyond a public number of time-outs.
 */
#include "base/clock.h"
#include "net/link_int.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROGRESS_BYTES = 64 * 1024, GOODBYE_TIMEOUT_MS = 2000 };

typedef struct sockets {
    cm_link links[CM_MESH_MAX]; /* fd -1 where there is none */
} sockets;

static cm_link *link_of(const cm_mesh *mesh, unsigned peer)
{
    sockets *s = mesh->transport;
    return &s->links[peer];
}

/* A deadline that moves on with progress. */
typedef struct patience {
    int64_t deadline_ms;
    uint64_t moved_bytes;
} patience;

static uint64_t moved_bytes(const cm_mesh *mesh)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < mesh->participants; i++) {
        bytes += link_of(mesh, i)->moved_bytes;
    }
    return bytes;
}

static void renew(cm_mesh *mesh, patience *p)
{
    uint64_t moved = moved_bytes(mesh);

    if (p->deadline_ms == 0 || moved - p->moved_bytes >= PROGRESS_BYTES) {
        p->deadline_ms = cm_clock_ms() + mesh->idle_timeout_ms;
        p->moved_bytes = moved;
    }
}

/* A lost link ends the computation even when nobody waits for it, and so does a failed peer. */
static cm_status check_links(cm_mesh *mesh)
{
    for (unsigned i = 0; i < mesh->participants; i++) {
        cm_link *link = link_of(mesh, i);
        if (link->fd >= 0 && link->lost && !link->finished) {
            return cm_mesh_fail(mesh, CM_EPEER, i, "the connection to %s was lost", mesh->names[i]);
        }
    }
    for (unsigned i = 0; i < mesh->participants; i++) {
        cm_link *link = link_of(mesh, i);
        if (link->finished && link->goodbye_blames != CM_BLAME_NOBODY) {
            return cm_mesh_fail_reported(mesh, i, link->goodbye_blames);
        }
    }
    return CM_OK;
}

/*
 * Waits until some socket can move bytes and moves them, except that reading from skip is left to
 * the caller.  *ret_late: nothing could be moved until the deadline.
 */
static cm_status wait_for_sockets(cm_mesh *mesh, const cm_link *skip, int64_t deadline_ms,
                                  bool *ret_late)
{
    struct pollfd polls[CM_MESH_MAX];

    *ret_late = false;
    for (unsigned i = 0; i < mesh->participants; i++) {
        cm_link *link = link_of(mesh, i);
        short events = 0;
        if (cm_link_can_read(link)) {
            events |= POLLIN;
        }
        if (link->fd >= 0 && !link->lost && cm_link_has_unsent(link)) {
            events |= POLLOUT;
        }
        polls[i] = (struct pollfd){.fd = events != 0 ? link->fd : -1, .events = events};
    }
    int ready = poll(polls, mesh->participants, cm_clock_left_ms(deadline_ms));
    if (ready < 0 && errno != EINTR) {
        return cm_mesh_fail(mesh, CM_EIO, CM_BLAME_NOBODY, "poll: %s", strerror(errno));
    }
    *ret_late = ready == 0;
    for (unsigned i = 0; ready > 0 && i < mesh->participants; i++) {
        cm_link *link = link_of(mesh, i);
        cm_status st = CM_OK;
        bool more;
        if (polls[i].revents != 0) {
            st = cm_link_push(link);
        }
        if (st == CM_OK && (polls[i].revents & ~POLLOUT) != 0 && link != skip) {
            st = link->confirmed ? cm_link_drain(link, &more) : cm_link_shake(link);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status push_all(cm_mesh *mesh, bool *ret_unsent)
{
    *ret_unsent = false;
    for (unsigned i = 0; i < mesh->participants; i++) {
        cm_link *link = link_of(mesh, i);
        if (link->fd >= 0 && cm_link_has_unsent(link)) {
            cm_status st = cm_link_push(link);
            if (st != CM_OK) {
                return st;
            }
            *ret_unsent |= cm_link_has_unsent(link);
        }
    }
    return CM_OK;
}

/* Why nothing can be sent to a peer that closed its end; it may have said so before. */
static cm_status explain_closed(cm_mesh *mesh, cm_link *link)
{
    bool more = true;

    while (more && cm_link_can_read(link)) {
        cm_status st = cm_link_drain(link, &more);
        if (st != CM_OK) {
            return st;
        }
    }
    cm_status st = check_links(mesh);
    if (st != CM_OK) {
        return st;
    }
    return cm_mesh_fail(mesh, CM_EPEER, link->peer, "%s closed its link", mesh->names[link->peer]);
}

static cm_status socket_send(cm_mesh *mesh, unsigned to, const void *data, size_t bytes)
{
    cm_link *link = link_of(mesh, to);

    if (!link->broken && !link->lost && !link->finished) {
        cm_status st = cm_link_write_frame(link, data, bytes);
        if (st != CM_OK || !link->broken) {
            return st;
        }
    }
    return explain_closed(mesh, link);
}

static cm_status socket_recv(cm_mesh *mesh, unsigned from, void *ret_data, size_t bytes)
{
    cm_link *link = link_of(mesh, from);
    patience p = {0};
    bool more, unsent, late;

    cm_status st = cm_link_want(link, ret_data, bytes);
    while (st == CM_OK && link->wanting) {
        st = cm_link_drain(link, &more);
        if (st != CM_OK || !link->wanting) {
            break;
        }
        st = push_all(mesh, &unsent);
        if (st != CM_OK || more) {
            continue;
        }
        st = check_links(mesh);
        if (st == CM_OK && link->finished) {
            st = cm_mesh_fail(mesh, CM_EPEER, from, "%s closed its link too early",
                              mesh->names[from]);
        }
        if (st == CM_OK) {
            renew(mesh, &p);
            st = wait_for_sockets(mesh, link, p.deadline_ms, &late);
        }
        if (st == CM_OK && late) {
            st = cm_mesh_fail(mesh, CM_EPEER, from, "%s sent nothing for %d ms", mesh->names[from],
                              mesh->idle_timeout_ms);
        }
    }
    return st;
}

static unsigned first_unsent(const cm_mesh *mesh)
{
    unsigned i = 0;

    while (i + 1 < mesh->participants &&
           (link_of(mesh, i)->fd < 0 || !cm_link_has_unsent(link_of(mesh, i)))) {
        i++;
    }
    return i;
}

static cm_status socket_flush(cm_mesh *mesh)
{
    patience p = {0};
    bool unsent, late;

    for (;;) {
        cm_status st = push_all(mesh, &unsent);
        if (st != CM_OK) {
            return st;
        }
        for (unsigned i = 0; i < mesh->participants; i++) {
            cm_link *link = link_of(mesh, i);
            if (link->fd >= 0 && link->broken) {
                return explain_closed(mesh, link);
            }
        }
        if (!unsent) {
            return CM_OK;
        }
        st = check_links(mesh);
        if (st != CM_OK) {
            return st;
        }
        renew(mesh, &p);
        st = wait_for_sockets(mesh, NULL, p.deadline_ms, &late);
        if (st != CM_OK) {
            return st;
        }
        if (late) {
            unsigned peer = first_unsent(mesh);
            return cm_mesh_fail(mesh, CM_EPEER, peer, "%s took nothing for %d ms",
                                mesh->names[peer], mesh->idle_timeout_ms);
        }
    }
}

static bool socket_has_link(const cm_mesh *mesh, unsigned peer)
{
    return link_of(mesh, peer)->fd >= 0;
}

static void socket_close(cm_mesh *mesh)
{
    if (!mesh->dead) {
        if (mesh->idle_timeout_ms > GOODBYE_TIMEOUT_MS) {
            mesh->idle_timeout_ms = GOODBYE_TIMEOUT_MS;
        }
        (void)!socket_flush(mesh); /* nobody is left to hear of a failure */
    }
    for (unsigned i = 0; i < mesh->participants; i++) {
        cm_link_close(link_of(mesh, i));
    }
    free(mesh->transport);
}

static const cm_mesh_ops SOCKET_OPS = {
    .send = socket_send,
    .recv = socket_recv,
    .flush = socket_flush,
    .has_link = socket_has_link,
    .close = socket_close,
};

/* The first link whose handshake is not over, or participants. */
static unsigned first_unconfirmed(const cm_mesh *mesh)
{
    unsigned i = 0;

    while (i < mesh->participants &&
           (link_of(mesh, i)->fd < 0 ||
            (link_of(mesh, i)->confirmed && !cm_link_has_unsent(link_of(mesh, i))))) {
        i++;
    }
    return i;
}

static cm_status shake_all(cm_mesh *mesh, int timeout_ms)
{
    int64_t deadline_ms = cm_clock_ms() + timeout_ms;

    for (unsigned i = 0; i < mesh->participants; i++) {
        cm_link *link = link_of(mesh, i);
        cm_status st = link->fd >= 0 ? cm_link_shake(link) : CM_OK;
        if (st != CM_OK) {
            return st;
        }
    }
    for (;;) {
        for (unsigned i = 0; i < mesh->participants; i++) {
            cm_link *link = link_of(mesh, i);
            if (link->fd >= 0 && link->lost) {
                return cm_mesh_fail(mesh, CM_EPEER, i, "%s closed the link during the handshake",
                                    mesh->names[i]);
            }
        }
        unsigned waiting = first_unconfirmed(mesh);
        if (waiting == mesh->participants) {
            return CM_OK;
        }
        bool late;
        cm_status st = wait_for_sockets(mesh, NULL, deadline_ms, &late);
        if (st != CM_OK) {
            return st;
        }
        if (late || cm_clock_left_ms(deadline_ms) == 0) {
            return cm_mesh_fail(mesh, CM_EPEER, waiting,
                                "the handshake with %s took longer than %d ms",
                                mesh->names[waiting], timeout_ms);
        }
    }
}

static cm_status open_links(cm_mesh *mesh, const cm_mesh_tls *options, bool tls, bool *owned)
{
    for (unsigned i = 0; i < options->participants; i++) {
        cm_tls_options tls_options = {
            .identity = options->identity,
            .accepted = tls ? &options->certs[i] : NULL,
            .accepted_count = 1,
        };
        if (i == options->me || options->fds[i] < 0) {
            continue;
        }
        owned[i] = true;
        cm_status st = cm_link_open(link_of(mesh, i), mesh, i, options->fds[i],
                                    tls ? &tls_options : NULL, options->me < i);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status new_mesh(const cm_mesh_tls *options, bool tls, cm_mesh **ret, cm_diag *diag)
{
    bool owned[CM_MESH_MAX] = {false}; /* by a link, which closes it */
    cm_status st = CM_ENOMEM;

    cm_mesh *mesh = cm_mesh_alloc(&SOCKET_OPS, options->me, options->participants, options->names,
                                  options->idle_timeout_ms);
    sockets *s = mesh != NULL ? calloc(1, sizeof *s) : NULL;
    if (s != NULL) {
        for (unsigned i = 0; i < CM_MESH_MAX; i++) {
            s->links[i].fd = -1;
        }
        mesh->transport = s;
        mesh->purpose = options->purpose;
        st = open_links(mesh, options, tls, owned);
        if (st == CM_OK) {
            st = shake_all(mesh, options->timeout_ms);
        }
        if (st == CM_OK) {
            *ret = mesh;
            return CM_OK;
        }
        if (diag != NULL && diag->status == CM_OK) {
            *diag = mesh->diag;
        }
        cm_mesh_free(mesh);
    } else {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory for a mesh");
        if (mesh != NULL) {
            cm_mesh_dealloc(mesh);
        }
    }
    for (unsigned i = 0; i < options->participants; i++) {
        if (i != options->me && options->fds[i] >= 0 && !owned[i]) {
            close(options->fds[i]);
        }
    }
    return st;
}

cm_status cm_mesh_new_tls(const cm_mesh_tls *options, cm_mesh **ret, cm_diag *diag)
{
    return new_mesh(options, true, ret, diag);
}

cm_status cm_mesh_new_plain(const cm_mesh_tls *options, cm_mesh **ret, cm_diag *diag)
{
    return new_mesh(options, false, ret, diag);
}
