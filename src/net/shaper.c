#include "net/shaper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    PACKET_MAX_BYTES = 65536,
    QUEUE_MAX_BYTES = 64 << 20,
    ETHERNET_BYTES = 14, /* counted with each packet, as netem does */
    IPV4_BYTES = 20,
    IPV4_LAST_OF_DESTINATION = 19,
    READS_A_TURN = 64,
};

typedef struct packet {
    struct packet *next;
    int64_t due_ns;
    size_t bytes;
    uint8_t data[];
} packet;

/* What one end sent and has not arrived. */
typedef struct wire {
    packet *first, *last;
    size_t bytes;
    int64_t idle_ns; /* when the end has sent all its packets */
} wire;

typedef struct shaper {
    const cm_shaper_options *options;
    wire wires[CM_SHAPER_MAX];
    uint8_t read[PACKET_MAX_BYTES];
} shaper;

cm_status cm_shaper_tun(const char *name, int *ret_fd, cm_diag *diag)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
        cm_status st =
            cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot make a TUN interface: %s", strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return st;
    }
    *ret_fd = fd;
    return CM_OK;
}

/* The packet in s->read leaves its end when those before it have. */
static void enqueue(shaper *s, unsigned end, size_t bytes, int64_t now_ns)
{
    wire *w = &s->wires[end];

    if (bytes < IPV4_BYTES || s->read[0] >> 4 != 4 || w->bytes + bytes > QUEUE_MAX_BYTES) {
        return;
    }
    packet *p = malloc(sizeof *p + bytes);
    if (p == NULL) {
        return;
    }
    w->idle_ns = w->idle_ns > now_ns ? w->idle_ns : now_ns;
    if (s->options->bytes_per_second > 0) {
        w->idle_ns +=
            (int64_t)((double)(bytes + ETHERNET_BYTES) * 1e9 / s->options->bytes_per_second);
    }
    *p = (packet){.due_ns = w->idle_ns + s->options->delay_ns, .bytes = bytes};
    memcpy(p->data, s->read, bytes);
    if (w->last != NULL) {
        w->last->next = p;
    } else {
        w->first = p;
    }
    w->last = p;
    w->bytes += bytes;
}

CM_MUST static cm_status take_packets(shaper *s, unsigned end, cm_diag *diag)
{
    for (unsigned i = 0; i < READS_A_TURN; i++) {
        ssize_t got = read(s->options->fds[end], s->read, sizeof s->read);
        if (got < 0 && errno != EINTR) {
            return errno == EAGAIN
                       ? CM_OK
                       : cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot read from a TUN interface: %s",
                                 strerror(errno));
        }
        if (got > 0) {
            enqueue(s, end, (size_t)got, cm_clock_ns());
        }
    }
    return CM_OK;
}

/* Hands over what has arrived; returns when the next packet will, or INT64_MAX. */
static int64_t deliver(shaper *s, unsigned end, int64_t now_ns)
{
    wire *w = &s->wires[end];

    while (w->first != NULL && w->first->due_ns <= now_ns) {
        packet *p = w->first;
        unsigned to = p->data[IPV4_LAST_OF_DESTINATION] - 1U;
        if (to < s->options->ends) {
            /* An interface that takes nothing loses the packet, as any wire does. */
            (void)!write(s->options->fds[to], p->data, p->bytes);
        }
        w->first = p->next;
        w->last = w->first != NULL ? w->last : NULL;
        w->bytes -= p->bytes;
        free(p);
    }
    return w->first != NULL ? w->first->due_ns : INT64_MAX;
}

CM_MUST static cm_status move_packets(shaper *s, cm_diag *diag)
{
    struct pollfd polls[CM_SHAPER_MAX];

    for (unsigned i = 0; i < s->options->ends; i++) {
        polls[i] = (struct pollfd){.fd = s->options->fds[i], .events = POLLIN};
    }
    for (;;) {
        int64_t next_ns = INT64_MAX;
        for (unsigned i = 0; i < s->options->ends; i++) {
            int64_t due_ns = deliver(s, i, cm_clock_ns());
            next_ns = due_ns < next_ns ? due_ns : next_ns;
        }
        int64_t wait_ns = next_ns == INT64_MAX ? 1000000000 : next_ns - cm_clock_ns();
        wait_ns = wait_ns > 0 ? wait_ns : 0;
        const struct timespec wait = {.tv_sec = wait_ns / 1000000000,
                                      .tv_nsec = wait_ns % 1000000000};
        if (ppoll(polls, s->options->ends, &wait, NULL) < 0 && errno != EINTR) {
            return cm_fail(diag, CM_EIO, CM_SQL_IO, "poll: %s", strerror(errno));
        }
        for (unsigned i = 0; i < s->options->ends; i++) {
            cm_status st = take_packets(s, i, diag);
            if (st != CM_OK) {
                return st;
            }
        }
    }
}

cm_status cm_shaper_run(const cm_shaper_options *options, cm_diag *diag)
{
    CM_ASSERT(options->ends <= CM_SHAPER_MAX);
    shaper *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    s->options = options;
    cm_status st = move_packets(s, diag);
    for (unsigned i = 0; i < options->ends; i++) {
        (void)deliver(s, i, INT64_MAX);
    }
    free(s);
    return st;
}
