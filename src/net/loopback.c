#include "net/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 10 }; /* for a connection over a slow link */

static cm_status failed(cm_diag *diag)
{
    return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot make a loopback link: %s", strerror(errno));
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* A socket stays in the namespace where it was made, wherever it is used later. */
static int new_socket(const cm_loopback_place *place)
{
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};

    if (place != NULL && setns(place->namespace_fd, CLONE_NEWNET) != 0) {
        return -1;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    return fd;
}

/* One connected pair, through a listener of b that lives no longer than this. */
static cm_status make_pair(const cm_loopback_place *place_a, const cm_loopback_place *place_b,
                           int *ret_a, int *ret_b, cm_diag *diag)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof address;
    struct sockaddr *name = (struct sockaddr *)&address;
    int b = -1;

    if (place_b != NULL && inet_pton(AF_INET, place_b->address, &address.sin_addr) != 1) {
        errno = EINVAL;
        return failed(diag);
    }
    int listener = new_socket(place_b);
    int a = new_socket(place_a);
    if (listener >= 0 && a >= 0 && bind(listener, name, bytes) == 0 && listen(listener, 1) == 0 &&
        getsockname(listener, name, &bytes) == 0 && connect(a, name, bytes) == 0) {
        b = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
    if (b < 0) {
        cm_status st = failed(diag);
        close_fd(listener);
        close_fd(a);
        return st;
    }
    close_fd(listener);
    *ret_a = a;
    *ret_b = b;
    return CM_OK;
}

static cm_status make_pairs(unsigned participants, const cm_loopback_place *places, int *fds,
                            cm_diag *diag)
{
    for (unsigned i = 0; i < participants; i++) {
        for (unsigned j = i + 1; j < participants; j++) {
            cm_status st =
                make_pair(places != NULL ? &places[i] : NULL, places != NULL ? &places[j] : NULL,
                          &fds[i * participants + j], &fds[j * participants + i], diag);
            if (st != CM_OK) {
                return st;
            }
        }
    }
    return CM_OK;
}

cm_status cm_loopback_links(unsigned participants, const cm_loopback_place *places, int *ret_fds,
                            cm_diag *diag)
{
    int home = -1;

    CM_ASSERT(participants > 0);
    for (unsigned i = 0; i < participants * participants; i++) {
        ret_fds[i] = -1;
    }
    if (places != NULL) {
        home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (home < 0) {
            return failed(diag);
        }
    }
    cm_status st = make_pairs(participants, places, ret_fds, diag);
    if (home >= 0) {
        if (setns(home, CLONE_NEWNET) != 0 && st == CM_OK) {
            st = failed(diag);
        }
        close_fd(home);
    }
    if (st != CM_OK) {
        cm_loopback_keep(ret_fds, participants, participants);
    }
    return st;
}

void cm_loopback_keep(int *fds, unsigned participants, unsigned me)
{
    CM_ASSERT(participants > 0);
    for (unsigned i = 0; i < participants * participants; i++) {
        if (i / participants != me && fds[i] >= 0) {
            (void)close(fds[i]);
            fds[i] = -1;
        }
    }
}
