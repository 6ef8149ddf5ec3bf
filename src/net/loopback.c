#include "net/loopback.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static cm_status failed(cm_diag *diag)
{
    return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot make a loopback link: %s", strerror(errno));
}

/* One connected pair, through a listener that lives no longer than this. */
static cm_status make_pair(int *ret_a, int *ret_b, cm_diag *diag)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof address;
    struct sockaddr *name = (struct sockaddr *)&address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int a = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int b = -1;
    if (listener >= 0 && a >= 0 && bind(listener, name, bytes) == 0 && listen(listener, 1) == 0 &&
        getsockname(listener, name, &bytes) == 0 && connect(a, name, bytes) == 0) {
        b = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
    if (listener >= 0) {
        (void)close(listener);
    }
    if (b < 0) {
        cm_status st = failed(diag);
        if (a >= 0) {
            (void)close(a);
        }
        return st;
    }
    *ret_a = a;
    *ret_b = b;
    return CM_OK;
}

cm_status cm_loopback_links(unsigned participants, int *ret_fds, cm_diag *diag)
{
    for (unsigned i = 0; i < participants * participants; i++) {
        ret_fds[i] = -1;
    }
    for (unsigned i = 0; i < participants; i++) {
        for (unsigned j = i + 1; j < participants; j++) {
            cm_status st =
                make_pair(&ret_fds[i * participants + j], &ret_fds[j * participants + i], diag);
            if (st != CM_OK) {
                cm_loopback_keep(ret_fds, participants, participants);
                return st;
            }
        }
    }
    return CM_OK;
}

void cm_loopback_keep(int *fds, unsigned participants, unsigned me)
{
    for (unsigned i = 0; i < participants * participants; i++) {
        if (i / participants != me && fds[i] >= 0) {
            (void)close(fds[i]);
            fds[i] = -1;
        }
    }
}
