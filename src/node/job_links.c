#include "node/job_links.h"

#include "base/clock.h"
#include "node/address.h"
#include "node/peers.h"
#include "node/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RETRY_MS = 100, POLL_MS = 100 };

typedef struct attempt {
    struct sockaddr_storage to;
    socklen_t to_bytes;
    int fd;           /* connecting; -1: none */
    int64_t again_ms; /* when to try again */
} attempt;

typedef struct links {
    const cm_links_request *request;
    int *fds;
    attempt attempt[CM_FEDERATION_MAX_MEMBERS];
} links;

static cm_status look_up(const char *endpoint, attempt *ret, cm_diag *diag)
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

static void begin(attempt *a)
{
    union {
        const struct sockaddr_storage *in;
        const struct sockaddr *out;
    } to = {.in = &a->to};
    a->fd = socket(a->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->fd < 0 || (connect(a->fd, to.out, a->to_bytes) != 0 && errno != EINPROGRESS)) {
        give_up(a);
    }
}

/* The connection is up, or failed: says what it is for. */
static void finish(links *l, unsigned to)
{
    attempt *a = &l->attempt[to];
    const cm_links_request *q = l->request;
    uint8_t preamble[CM_PREAMBLE_BYTES];
    cm_preamble p = {.kind = CM_LINK_JOB, .sender = (uint8_t)q->me};
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
    l->fds[to] = a->fd;
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
    if (got != (ssize_t)sizeof what || what.lane != 0 || what.sender >= l->request->me ||
        l->fds[what.sender] >= 0) {
        close(fd);
        return;
    }
    l->fds[what.sender] = fd;
}

static bool complete(const links *l)
{
    for (unsigned j = 0; j < l->request->participants; j++) {
        if (j != l->request->me && l->fds[j] < 0) {
            return false;
        }
    }
    return true;
}

/* Waits a little for anything to happen, and deals with it. */
static cm_status step(links *l, cm_diag *diag)
{
    struct pollfd poll_fds[CM_FEDERATION_MAX_MEMBERS + 1];
    unsigned who[CM_FEDERATION_MAX_MEMBERS + 1];
    nfds_t count = 0;
    int64_t now = cm_clock_ms();
    poll_fds[count++] = (struct pollfd){.fd = l->request->handed_fd, .events = POLLIN};
    for (unsigned j = l->request->me + 1; j < l->request->participants; j++) {
        attempt *a = &l->attempt[j];
        if (l->fds[j] < 0 && a->fd < 0 && now >= a->again_ms) {
            begin(a);
        }
        if (a->fd >= 0) {
            who[count] = j;
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
            finish(l, who[i]);
        }
    }
    return CM_OK;
}

static cm_status missing(const links *l, cm_diag *diag)
{
    for (unsigned j = 0; j < l->request->participants; j++) {
        if (j != l->request->me && l->fds[j] < 0) {
            cm_diag_party(diag, l->request->member[j]->org);
            return cm_fail(diag, CM_EPEER, CM_SQL_CONNECTION_FAILURE,
                           "the job's process of \"%s\" could not be reached within %d s",
                           l->request->member[j]->org, l->request->timeout_ms / 1000);
        }
    }
    return CM_OK;
}

cm_status cm_links_open(const cm_links_request *request, int *ret_fds, cm_diag *diag)
{
    links l = {.request = request, .fds = ret_fds};
    int64_t deadline_ms = cm_clock_ms() + request->timeout_ms;
    cm_status st = CM_OK;
    CM_ASSERT(request->participants <= CM_FEDERATION_MAX_MEMBERS);
    for (unsigned j = 0; j < request->participants; j++) {
        ret_fds[j] = -1;
        l.attempt[j].fd = -1;
    }
    for (unsigned j = request->me + 1; st == CM_OK && j < request->participants; j++) {
        st = look_up(request->member[j]->endpoint, &l.attempt[j], diag);
    }
    while (st == CM_OK && !complete(&l) && cm_clock_left_ms(deadline_ms) > 0) {
        st = step(&l, diag);
    }
    if (st == CM_OK) {
        st = missing(&l, diag);
    }
    for (unsigned j = 0; j < request->participants; j++) {
        give_up(&l.attempt[j]);
        if (st != CM_OK && ret_fds[j] >= 0) {
            close(ret_fds[j]);
            ret_fds[j] = -1;
        }
    }
    return st;
}
