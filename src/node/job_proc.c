#include "node/job_proc.h"

#include "node/channel.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct cm_proc {
    cm_node *node;
    cm_process *process;
    cm_stream *control;
    int links_fd;
    cm_framer framer;
    cm_proc_events events;
    bool ended; /* the owner wants no more */
    bool told;  /* report or lost was called */
    bool exited, control_closed;
    int exit_code, exit_signal;
    unsigned busy; /* events under way */
};

static void release(cm_proc *p)
{
    if (!p->ended || !p->exited || p->busy > 0) {
        return;
    }
    cm_process_free(p->process);
    cm_framer_fini(&p->framer);
    free(p);
}

static void close_ends(cm_proc *p)
{
    cm_stream_close(p->control);
    p->control = NULL;
    if (p->links_fd >= 0) {
        close(p->links_fd);
        p->links_fd = -1;
    }
}

/* A report may still be in the socket when the process is gone: both ends have to be seen. */
static void check_lost(cm_proc *p)
{
    if (p->exited && p->control_closed && !p->told && !p->ended) {
        p->told = true;
        p->events.lost(p->events.arg, p->exit_code, p->exit_signal);
    }
}

static void on_exited(void *arg, int exit_code, int exit_signal)
{
    cm_proc *p = arg;
    p->busy++;
    p->exited = true;
    p->exit_code = exit_code;
    p->exit_signal = exit_signal;
    check_lost(p);
    p->busy--;
    release(p);
}

static void take_message(cm_proc *p, uint8_t type, const uint8_t *body, size_t bytes)
{
    cm_reader r = cm_reader_of(body, bytes);
    if (type == CM_JOBMSG_PROGRESS) {
        unsigned node = cm_reader_u32(&r);
        if (cm_reader_done(&r)) {
            p->events.progress(p->events.arg, node);
        }
    } else if (type == CM_JOBMSG_ROWS) {
        p->events.rows(p->events.arg, body, bytes);
    } else if (type == CM_JOBMSG_REPORT && !p->told) {
        p->told = true;
        p->events.report(p->events.arg, body, bytes);
    }
}

static void on_data(void *arg, const uint8_t *data, size_t bytes)
{
    cm_proc *p = arg;
    uint8_t type;
    const uint8_t *body;
    size_t length;
    p->busy++;
    cm_status st = cm_framer_put(&p->framer, data, bytes);
    while (!p->ended && cm_framer_next(&p->framer, &type, &body, &length)) {
        take_message(p, type, body, length);
        cm_framer_drop(&p->framer);
    }
    if (st != CM_OK && !p->exited) {
        cm_process_kill(p->process, SIGKILL);
    }
    p->busy--;
    release(p);
}

static void on_closed(void *arg, cm_status why)
{
    cm_proc *p = arg;
    (void)why;
    p->busy++;
    p->control_closed = true;
    close_ends(p);
    check_lost(p);
    p->busy--;
    release(p);
}

static void send_frame(cm_proc *p, uint8_t type, const void *body, size_t bytes)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf frame = {0};
    cm_frame_put(&frame, type, body, bytes);
    if (!frame.failed && p->control != NULL) {
        cm_stream_write(p->control, frame.data, frame.bytes);
    }
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) {
            close(pair[i]);
        }
        pair[i] = -1;
    }
}

static cm_status spawn(cm_proc *p, int control[2], int links[2], cm_diag *diag)
{
    cm_loop *loop = cm_node_loop(p->node);
    const char *argv[] = {cm_node_job_program(p->node), NULL};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, links) != 0) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not make a job's sockets: %s",
                       strerror(errno));
    }
    int fds[5] = {-1, -1, 2, control[1], links[1]};
    cm_status st =
        cm_process_start(loop, argv, fds, CM_COUNT(fds), on_exited, p, &p->process, diag);
    if (st != CM_OK) {
        return st;
    }
    st = cm_stream_of_fd(loop, control[0], &p->control, diag);
    if (st != CM_OK) {
        cm_process_kill(p->process, SIGKILL);
        return st;
    }
    control[0] = -1; /* the stream's now */
    p->links_fd = links[0];
    links[0] = -1;
    return CM_OK;
}

cm_status cm_proc_start(cm_node *node, const cm_job_order *order, const cm_proc_events *events,
                        cm_proc **ret, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf body = {0};
    int control[2] = {-1, -1}, links[2] = {-1, -1};
    cm_proc *p = calloc(1, sizeof *p);
    cm_job_order_encode(order, &body);
    if (p == NULL || body.failed || body.bytes >= CM_JOBMSG_MAX_BYTES) {
        free(p);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    p->node = node;
    p->links_fd = -1;
    p->events = *events;
    p->framer.max_bytes = CM_JOBMSG_MAX_BYTES;
    cm_status st = spawn(p, control, links, diag);
    close_pair(control);
    close_pair(links);
    if (st != CM_OK) {
        p->ended = true;
        if (p->process == NULL) {
            free(p);
        } /* else on_exited frees it */
        return st;
    }
    cm_stream_start(p->control, (cm_stream_events){p, on_data, on_closed});
    send_frame(p, CM_JOBMSG_JOB, body.data, body.bytes);
    *ret = p;
    return CM_OK;
}

void cm_proc_go(cm_proc *p)
{
    send_frame(p, CM_JOBMSG_START, NULL, 0);
}

void cm_proc_link(cm_proc *p, unsigned sender, unsigned lane, int fd)
{
    cm_job_link what = {sender, lane};
    struct iovec data = {&what, sizeof what};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    /* A job that is gone, or has too many links waiting, shows as a closed connection. */
    if (p->links_fd < 0 ||
        sendmsg(p->links_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof what) {
        cm_node_log(p->node, "a link could not be handed to its job");
    }
    close(fd);
}

uint64_t cm_proc_memory(const cm_proc *p)
{
    char path[40], line[200];
    uint64_t pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", cm_process_pid(p->process));
    FILE *file = p->exited ? NULL : fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    /* The second number: resident pages. */
    char *resident = fgets(line, sizeof line, file) != NULL ? strchr(line, ' ') : NULL;
    if (resident != NULL) {
        pages = strtoull(resident, NULL, 10);
    }
    (void)fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void cm_proc_end(cm_proc *p)
{
    if (p == NULL || p->ended) {
        return;
    }
    p->ended = true;
    if (!p->told && !p->exited) {
        cm_process_kill(p->process, SIGKILL);
    }
    close_ends(p);
    release(p);
}
