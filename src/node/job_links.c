#include "node/job_links.h"

#include "base/clock.h"
#include "base/fabric.h"
#include "node/address.h"
#include "node/peers.h"
#include "node/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RETRY_MS = 100, POLL_MS = 100 };

typedef struct place {
    struct sockaddr_storage to;
    socklen_t to_bytes;
} place;

typedef struct attempt {
    int fd;           /* connecting; -1: none */
    int64_t again_ms; /* when to try again */
} attempt;

enum { LINKS_MAX = CM_LANES_MAX * CM_FEDERATION_MAX_MEMBERS };

/* A link has the number lane * participants + participant. */
typedef struct links {
    const cm_links_request *request;
    int *fds;
    size_t count; /* of numbers */
    place place[CM_FEDERATION_MAX_MEMBERS];
    attempt attempt[LINKS_MAX];
} links;

static unsigned lane_of(const links *l, size_t link)
{
    return (unsigned)(link / l->request->participants);
}

static unsigned peer_of(const links *l, size_t link)
{
    return (unsigned)(link % l->request->participants);
}

static bool wanted(const links *l, size_t link)
{
    const cm_links_request *q = l->request;
    unsigned peer = peer_of(l, link);

    return peer != q->me && (lane_of(l, link) == 0 || (peer < q->parties && q->me < q->parties));
}

static cm_status look_up(const char *endpoint, place *ret, cm_diag *diag)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    cm_address where;
    cm_status st = cm_address_parse(endpoint, &where, diag);
    if (st != CM_OK) {
        return st;
    }
    int error =
        where.unix_path != NULL ? EAI_FAMILY : getaddrinfo(where.host, where.port, &hints, &list);
    if (error != 0) {
        return cm_fail(diag, CM_EPEER, CM_SQL_CONNECTION_FAILURE,
                       "could not look up \"%.100s\": %s", endpoint, gai_strerror(error));
    }
    const struct addrinfo *chosen = cm_address_choose(list);
    memcpy(&ret->to, chosen->ai_addr, chosen->ai_addrlen);
    ret->to_bytes = chosen->ai_addrlen;
    freeaddrinfo(list);
    return CM_OK;
}

static void give_up(attempt *a)
{
    if (a->fd >= 0) {
        close(a->fd);
    }
    a->fd = -1;
    a->again_ms = cm_clock_ms() + RETRY_MS;
}

static void begin(attempt *a, const place *to_place)
{
    union {
        const struct sockaddr_storage *in;
        const struct sockaddr *out;
    } to = {.in = &to_place->to};
    a->fd = socket(to_place->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->fd < 0 || (connect(a->fd, to.out, to_place->to_bytes) != 0 && errno != EINPROGRESS)) {
        give_up(a);
    }
}

/* The connection is up, or failed: says what it is for. */
static void finish(links *l, size_t link)
{
    attempt *a = &l->attempt[link];
    const cm_links_request *q = l->request;
    uint8_t preamble[CM_PREAMBLE_BYTES];
    cm_preamble p = {
        .kind = CM_LINK_JOB, .sender = (uint8_t)q->me, .lane = (uint16_t)lane_of(l, link)};
    int error = 0;
    socklen_t bytes = sizeof error;
    memcpy(p.federation, q->federation->bytes, sizeof p.federation);
    memcpy(p.job, q->job, sizeof p.job);
    cm_preamble_encode(&p, preamble);
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0 || error != 0 ||
        send(a->fd, preamble, sizeof preamble, MSG_NOSIGNAL) != (ssize_t)sizeof preamble) {
        give_up(a);
        return;
    }
    l->fds[link] = a->fd;
    a->fd = -1;
}

/* One socket from comityd.  Only a lower number may connect, and only once. */
static void take_handed(links *l)
{
    cm_job_link what = {0};
    struct iovec data = {&what, sizeof what};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(l->request->handed_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) {
        return;
    }
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    if (got != (ssize_t)sizeof what || what.lane >= l->request->lanes ||
        what.sender >= l->request->me) {
        close(fd);
        return;
    }
    size_t link = (size_t)what.lane * l->request->participants + what.sender;
    if (!wanted(l, link) || l->fds[link] >= 0) {
        close(fd);
        return;
    }
    l->fds[link] = fd;
}

static bool complete(const links *l)
{
    for (size_t i = 0; i < l->count; i++) {
        if (wanted(l, i) && l->fds[i] < 0) {
            return false;
        }
    }
    return true;
}

/* Waits a little for anything to happen, and deals with it. */
static cm_status step(links *l, cm_diag *diag)
{
    struct pollfd poll_fds[LINKS_MAX + 1];
    size_t which[LINKS_MAX + 1];
    nfds_t count = 0;
    int64_t now = cm_clock_ms();
    poll_fds[count++] = (struct pollfd){.fd = l->request->handed_fd, .events = POLLIN};
    for (size_t i = 0; i < l->count; i++) {
        attempt *a = &l->attempt[i];
        if (!wanted(l, i) || peer_of(l, i) < l->request->me) {
            continue;
        }
        if (l->fds[i] < 0 && a->fd < 0 && now >= a->again_ms) {
            begin(a, &l->place[peer_of(l, i)]);
        }
        if (a->fd >= 0) {
            which[count] = i;
            poll_fds[count++] = (struct pollfd){.fd = a->fd, .events = POLLOUT};
        }
    }
    if (poll(poll_fds, count, POLL_MS) < 0 && errno != EINTR) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "poll failed: %s", strerror(errno));
    }
    if ((poll_fds[0].revents & POLLIN) != 0) {
        take_handed(l);
    } else if (poll_fds[0].revents != 0) {
        return cm_fail(diag, CM_ECANCELLED, CM_SQL_CANCELLED, "the node gave the job up");
    }
    for (nfds_t i = 1; i < count; i++) {
        if (poll_fds[i].revents != 0) {
            finish(l, which[i]);
        }
    }
    return CM_OK;
}

static cm_status missing(const links *l, cm_diag *diag)
{
    for (size_t i = 0; i < l->count; i++) {
        if (wanted(l, i) && l->fds[i] < 0) {
            const char *org = l->request->member[peer_of(l, i)]->org;
            cm_diag_party(diag, org);
            return cm_fail(diag, CM_EPEER, CM_SQL_CONNECTION_FAILURE,
                           "the job's process of \"%s\" could not be reached within %d s", org,
                           l->request->timeout_ms / 1000);
        }
    }
    return CM_OK;
}

cm_status cm_links_open(const cm_links_request *request, int *ret_fds, cm_diag *diag)
{
    links *l = calloc(1, sizeof *l);
    int64_t deadline_ms = cm_clock_ms() + request->timeout_ms;
    cm_status st = CM_OK;
    CM_ASSERT(request->participants <= CM_FEDERATION_MAX_MEMBERS);
    CM_ASSERT(request->lanes >= 1 && request->lanes <= CM_LANES_MAX);
    if (l == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    l->request = request;
    l->fds = ret_fds;
    l->count = (size_t)request->lanes * request->participants;
    for (size_t i = 0; i < l->count; i++) {
        ret_fds[i] = -1;
        l->attempt[i].fd = -1;
    }
    for (unsigned j = request->me + 1; st == CM_OK && j < request->participants; j++) {
        st = look_up(request->member[j]->endpoint, &l->place[j], diag);
    }
    while (st == CM_OK && !complete(l) && cm_clock_left_ms(deadline_ms) > 0) {
        st = step(l, diag);
    }
    if (st == CM_OK) {
        st = missing(l, diag);
    }
    for (size_t i = 0; i < l->count; i++) {
        give_up(&l->attempt[i]);
        if (st != CM_OK && ret_fds[i] >= 0) {
            close(ret_fds[i]);
            ret_fds[i] = -1;
        }
    }
    free(l);
    return st;
}
