/*
 * A thin layer over libuv.  Every object is one heap block that lives until libuv has called back
 * for the last of its handles; the owner's pointer ends with _close, _detach_fd or _free.  Reads of
 * all streams share one buffer, since the callee is done with the bytes when it returns.
 */
#include "node/loop.h"

#include "crypto/crypto.h"
#include "node/address.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum {
    READ_BUFFER_BYTES = 64 * 1024,
    LISTEN_BACKLOG = 256,
    LINGER_MS = 5000,
    PROCESS_MAX_FDS = 8,
};

typedef struct loop_signal {
    uv_signal_t handle;
    void (*fn)(void *arg);
    void *arg;
    struct loop_signal *next;
} loop_signal;

struct cm_loop {
    uv_loop_t uv;
    loop_signal *signals;
    uint8_t read_buffer[READ_BUFFER_BYTES];
};

typedef union socket_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
} socket_handle;

struct cm_listener {
    socket_handle u;
    cm_loop *loop;
    cm_accept_fn accept;
    void *arg;
    bool is_pipe;
};

struct cm_stream {
    socket_handle u;
    uv_timer_t timer; /* connecting, then lingering at the end */
    uv_connect_t connect;
    uv_getaddrinfo_t resolve;
    cm_loop *loop;
    unsigned handles; /* not yet closed: socket, timer; and one for a running look-up */
    cm_stream_events events;
    cm_connected_fn connected; /* while connecting */
    void *connected_arg;
    size_t pending;
    size_t limit; /* bytes that may still be read; SIZE_MAX: no limit */
    bool started, paused, ended /* closed was called */, closing, closed;
};

struct cm_timer {
    uv_timer_t handle;
    cm_timer_fn fn;
    void *arg;
};

struct cm_process {
    uv_process_t handle;
    cm_exited_fn exited;
    void *arg;
};

typedef struct write_request {
    uv_write_t request;
    cm_stream *stream;
    size_t bytes;
    uint8_t data[];
} write_request;

static cm_status status_of_uv(int error)
{
    switch (error) {
    case 0:
        return CM_OK;
    case UV_ENOMEM:
    case UV_ENOBUFS:
        return CM_ENOMEM;
    case UV_EOF:
    case UV_ECONNRESET:
    case UV_ECONNREFUSED:
    case UV_EPIPE:
    case UV_ETIMEDOUT:
    case UV_EHOSTUNREACH:
        return CM_EPEER;
    default:
        return CM_EIO;
    }
}

/* ---- the loop ----------------------------------------------------------------------------- */

cm_status cm_loop_new(cm_loop **ret, cm_diag *diag)
{
    cm_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    int error = uv_loop_init(&loop->uv);
    if (error != 0) {
        free(loop);
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not make an event loop: %s",
                       uv_strerror(error));
    }
    /* A peer that went away and a file that may not grow are told by the write's error. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    *ret = loop;
    return CM_OK;
}

static void signal_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void cm_loop_free(cm_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    while (loop->signals != NULL) {
        loop_signal *s = loop->signals;
        loop->signals = s->next;
        uv_close((uv_handle_t *)&s->handle, signal_closed);
    }
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    CM_ASSERT(uv_loop_close(&loop->uv) == 0);
    free(loop);
}

void cm_loop_run(cm_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void cm_loop_stop(cm_loop *loop)
{
    uv_stop(&loop->uv);
}

static void on_signal(uv_signal_t *handle, int number)
{
    loop_signal *s = handle->data;
    (void)number;
    s->fn(s->arg);
}

void cm_loop_on_signal(cm_loop *loop, int number, void (*fn)(void *arg), void *arg)
{
    loop_signal *s = calloc(1, sizeof *s);
    CM_ASSERT(s != NULL);
    CM_ASSERT(uv_signal_init(&loop->uv, &s->handle) == 0);
    s->handle.data = s;
    s->fn = fn;
    s->arg = arg;
    s->next = loop->signals;
    loop->signals = s;
    CM_ASSERT(uv_signal_start(&s->handle, on_signal, number) == 0);
}

static const struct addrinfo address_hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};

/* ---- streams ------------------------------------------------------------------------------ */

static void stream_unref(uv_handle_t *handle)
{
    cm_stream *s = handle->data;
    CM_ASSERT(s->handles > 0);
    if (--s->handles == 0) {
        free(s);
    }
}

static cm_stream *stream_new(cm_loop *loop, bool is_pipe)
{
    cm_stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->loop = loop;
    s->limit = SIZE_MAX;
    s->handles = 2;
    CM_ASSERT(uv_timer_init(&loop->uv, &s->timer) == 0);
    int error =
        is_pipe ? uv_pipe_init(&loop->uv, &s->u.pipe, 0) : uv_tcp_init(&loop->uv, &s->u.tcp);
    CM_ASSERT(error == 0);
    s->u.handle.data = s;
    s->timer.data = s;
    s->connect.data = s;
    s->resolve.data = s;
    return s;
}

static void close_handles(cm_stream *s)
{
    if (!s->closed) {
        s->closed = true;
        uv_close(&s->u.handle, stream_unref);
        uv_close((uv_handle_t *)&s->timer, stream_unref);
    }
}

/* Tells the owner once; the owner calls cm_stream_close, now or later. */
static void stream_end(cm_stream *s, cm_status why)
{
    if (s->closing || s->ended || !s->started) {
        return;
    }
    s->ended = true;
    uv_read_stop(&s->u.stream);
    s->events.closed(s->events.arg, why);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    cm_stream *s = handle->data;
    (void)suggested;
    size_t room = s->limit < READ_BUFFER_BYTES ? s->limit : READ_BUFFER_BYTES;
    *buf = uv_buf_init((char *)s->loop->read_buffer, (unsigned)room);
}

static void on_read(uv_stream_t *handle, ssize_t got, const uv_buf_t *buf)
{
    cm_stream *s = handle->data;
    if (got < 0) {
        stream_end(s, status_of_uv((int)got));
        return;
    }
    if (got == 0 || s->closing || s->ended) {
        return;
    }
    if (s->limit != SIZE_MAX) {
        s->limit -= (size_t)got;
        if (s->limit == 0) {
            cm_stream_pause(s);
        }
    }
    s->events.data(s->events.arg, (const uint8_t *)buf->base, (size_t)got);
}

static void on_failed_later(uv_timer_t *timer)
{
    stream_end(timer->data, CM_ENOMEM);
}

static void read_again(cm_stream *s)
{
    if (s->started && !s->paused && !s->closing && !s->ended && s->limit > 0) {
        int error = uv_read_start(&s->u.stream, on_alloc, on_read);
        if (error != 0 && error != UV_EALREADY) {
            uv_timer_start(&s->timer, on_failed_later, 0, 0);
        }
    }
}

void cm_stream_start(cm_stream *s, cm_stream_events events)
{
    CM_ASSERT(events.data != NULL && events.closed != NULL);
    s->events = events;
    s->started = true;
    read_again(s);
}

void cm_stream_pause(cm_stream *s)
{
    s->paused = true;
    uv_read_stop(&s->u.stream);
}

void cm_stream_resume(cm_stream *s)
{
    s->paused = false;
    s->limit = SIZE_MAX;
    read_again(s);
}

void cm_stream_limit(cm_stream *s, size_t bytes)
{
    s->paused = false;
    s->limit = bytes;
    if (bytes == 0) {
        cm_stream_pause(s);
    } else {
        read_again(s);
    }
}

static void on_written(uv_write_t *request, int error)
{
    write_request *w = (write_request *)request;
    cm_stream *s = w->stream;
    s->pending -= w->bytes;
    if (s->u.handle.type == UV_NAMED_PIPE) {
        cm_wipe(w->data, w->bytes); /* a job's order holds keys, an admin's answer invitations */
    }
    free(w);
    if (s->closing) {
        if (s->pending == 0 || error != 0) {
            close_handles(s);
        }
    } else if (error != 0) {
        stream_end(s, status_of_uv(error));
    }
}

void cm_stream_write(cm_stream *s, const void *data, size_t bytes)
{
    if (bytes == 0 || s->closing || s->ended) {
        return;
    }
    write_request *w = malloc(sizeof *w + bytes);
    if (w == NULL) {
        uv_timer_start(&s->timer, on_failed_later, 0, 0);
        return;
    }
    w->stream = s;
    w->bytes = bytes;
    memcpy(w->data, data, bytes);
    uv_buf_t buf = uv_buf_init((char *)w->data, (unsigned)bytes);
    s->pending += bytes;
    if (uv_write(&w->request, &s->u.stream, &buf, 1, on_written) != 0) {
        s->pending -= bytes;
        free(w);
        uv_timer_start(&s->timer, on_failed_later, 0, 0);
    }
}

size_t cm_stream_pending(const cm_stream *s)
{
    return s->pending;
}

static void on_linger(uv_timer_t *timer)
{
    close_handles(timer->data);
}

void cm_stream_close(cm_stream *s)
{
    if (s == NULL || s->closing) {
        return;
    }
    s->closing = true;
    if (s->pending == 0 || s->ended || s->connected != NULL) {
        close_handles(s);
        return;
    }
    uv_read_stop(&s->u.stream);
    uv_timer_start(&s->timer, on_linger, LINGER_MS, 0);
}

int cm_stream_detach_fd(cm_stream *s)
{
    int fd = -1;
    uv_os_fd_t own;
    if (uv_fileno(&s->u.handle, &own) == 0) {
        fd = fcntl(own, F_DUPFD_CLOEXEC, 3);
    }
    s->closing = true;
    close_handles(s);
    return fd;
}

cm_status cm_stream_of_fd(cm_loop *loop, int fd, cm_stream **ret, cm_diag *diag)
{
    cm_stream *s = stream_new(loop, true);
    if (s == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    int error = uv_pipe_open(&s->u.pipe, fd);
    if (error != 0) {
        s->closing = true;
        close_handles(s);
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not use a socket: %s", uv_strerror(error));
    }
    *ret = s;
    return CM_OK;
}

/* ---- connecting --------------------------------------------------------------------------- */

static void connect_done(cm_stream *s, cm_status status)
{
    cm_connected_fn connected = s->connected;
    if (connected == NULL || s->closing) {
        return;
    }
    s->connected = NULL;
    uv_timer_stop(&s->timer);
    if (status == CM_OK && s->u.handle.type == UV_TCP) {
        uv_tcp_nodelay(&s->u.tcp, 1);
    }
    connected(s->connected_arg, status);
}

static void on_connected(uv_connect_t *request, int error)
{
    if (error != UV_ECANCELED) {
        connect_done(request->data, status_of_uv(error));
    }
}

static void on_connect_timeout(uv_timer_t *timer)
{
    connect_done(timer->data, CM_EPEER);
}

static void on_resolved(uv_getaddrinfo_t *request, int error, struct addrinfo *list)
{
    cm_stream *s = request->data;
    if (!s->closing) {
        const struct addrinfo *to = error == 0 ? cm_address_choose(list) : NULL;
        error = to == NULL ? UV_EAI_NONAME
                           : uv_tcp_connect(&s->connect, &s->u.tcp, to->ai_addr, on_connected);
        if (error != 0) {
            connect_done(s, CM_EPEER);
        }
    }
    uv_freeaddrinfo(list);
    stream_unref(&s->u.handle);
}

cm_status cm_connect(cm_loop *loop, const char *text, int timeout_ms, cm_connected_fn connected,
                     void *arg, cm_stream **ret, cm_diag *diag)
{
    cm_address to;
    cm_status st = cm_address_parse(text, &to, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_stream *s = stream_new(loop, to.unix_path != NULL);
    if (s == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    s->connected = connected;
    s->connected_arg = arg;
    int error = 0;
    if (to.unix_path != NULL) {
        uv_pipe_connect(&s->connect, &s->u.pipe, to.unix_path, on_connected);
    } else {
        error =
            uv_getaddrinfo(&loop->uv, &s->resolve, on_resolved, to.host, to.port, &address_hints);
        s->handles += error == 0 ? 1 : 0;
    }
    if (error != 0) {
        s->closing = true;
        close_handles(s);
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not look up \"%.100s\": %s", text,
                       uv_strerror(error));
    }
    uv_timer_start(&s->timer, on_connect_timeout, (uint64_t)timeout_ms, 0);
    *ret = s;
    return CM_OK;
}

/* ---- listening ---------------------------------------------------------------------------- */

static void on_connection(uv_stream_t *handle, int error)
{
    cm_listener *l = handle->data;
    if (error != 0) {
        return;
    }
    cm_stream *s = stream_new(l->loop, l->is_pipe);
    if (s == NULL) {
        return;
    }
    if (uv_accept(handle, &s->u.stream) != 0) {
        s->closing = true;
        close_handles(s);
        return;
    }
    if (!l->is_pipe) {
        uv_tcp_nodelay(&s->u.tcp, 1);
        uv_tcp_keepalive(&s->u.tcp, 1, 60);
    }
    l->accept(l->arg, s);
}

static int bind_tcp(cm_listener *l, const cm_address *where)
{
    struct addrinfo *list = NULL;
    if (getaddrinfo(where->host, where->port, &address_hints, &list) != 0) {
        return UV_EAI_NONAME;
    }
    const struct addrinfo *at = cm_address_choose(list);
    int error = at == NULL ? UV_EAI_NONAME : uv_tcp_bind(&l->u.tcp, at->ai_addr, 0);
    freeaddrinfo(list);
    return error;
}

static void listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

cm_status cm_listen(cm_loop *loop, const char *text, cm_accept_fn accept, void *arg,
                    cm_listener **ret, cm_diag *diag)
{
    cm_address where;
    cm_status st = cm_address_parse(text, &where, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_listener *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    l->loop = loop;
    l->accept = accept;
    l->arg = arg;
    l->is_pipe = where.unix_path != NULL;
    int error =
        l->is_pipe ? uv_pipe_init(&loop->uv, &l->u.pipe, 0) : uv_tcp_init(&loop->uv, &l->u.tcp);
    CM_ASSERT(error == 0);
    l->u.handle.data = l;
    if (l->is_pipe) {
        /* Made with its final rights: nobody can slip in before a chmod. */
        mode_t old = umask(0177);
        error = uv_pipe_bind(&l->u.pipe, where.unix_path);
        umask(old);
    } else {
        error = bind_tcp(l, &where);
    }
    if (error == 0) {
        error = uv_listen(&l->u.stream, LISTEN_BACKLOG, on_connection);
    }
    if (error != 0) {
        uv_close(&l->u.handle, listener_closed);
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not listen on \"%.200s\": %s", text,
                       uv_strerror(error));
    }
    *ret = l;
    return CM_OK;
}

void cm_listener_close(cm_listener *listener)
{
    if (listener != NULL) {
        uv_close(&listener->u.handle, listener_closed);
    }
}

/* ---- timers ------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *handle)
{
    cm_timer *t = handle->data;
    t->fn(t->arg);
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

cm_timer *cm_timer_start(cm_loop *loop, int after_ms, int repeat_ms, cm_timer_fn fn, void *arg)
{
    cm_timer *t = calloc(1, sizeof *t);
    CM_ASSERT(t != NULL);
    CM_ASSERT(uv_timer_init(&loop->uv, &t->handle) == 0);
    t->handle.data = t;
    t->fn = fn;
    t->arg = arg;
    /* Timeouts count from now, not from when the loop last looked at its clock. */
    uv_update_time(&loop->uv);
    uv_timer_start(&t->handle, on_timer, (uint64_t)after_ms, (uint64_t)repeat_ms);
    return t;
}

void cm_timer_close(cm_timer *timer)
{
    if (timer != NULL) {
        uv_close((uv_handle_t *)&timer->handle, timer_closed);
    }
}

/* ---- processes ---------------------------------------------------------------------------- */

static void on_exit_process(uv_process_t *handle, int64_t code, int number)
{
    cm_process *p = handle->data;
    p->exited(p->arg, (int)code, number);
}

static void process_closed(uv_handle_t *handle)
{
    free(handle->data);
}

cm_status cm_process_start(cm_loop *loop, const char *const *argv, const int *fds, size_t fd_count,
                           cm_exited_fn exited, void *arg, cm_process **ret, cm_diag *diag)
{
    CM_ASSERT(fd_count <= PROCESS_MAX_FDS);
    cm_process *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    p->exited = exited;
    p->arg = arg;
    p->handle.data = p;
    uv_stdio_container_t stdio[PROCESS_MAX_FDS];
    for (size_t i = 0; i < fd_count; i++) {
        stdio[i].flags = fds[i] < 0 ? UV_IGNORE : UV_INHERIT_FD;
        stdio[i].data.fd = fds[i];
    }
    /* execvp's contract: the texts are not changed. */
    union {
        const char *const *in;
        char **out;
    } args = {.in = argv};
    uv_process_options_t options = {.file = argv[0],
                                    .args = args.out,
                                    .exit_cb = on_exit_process,
                                    .stdio_count = (int)fd_count,
                                    .stdio = stdio};
    int error = uv_spawn(&loop->uv, &p->handle, &options);
    if (error != 0) {
        uv_close((uv_handle_t *)&p->handle, process_closed);
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not start \"%.200s\": %s", argv[0],
                       uv_strerror(error));
    }
    *ret = p;
    return CM_OK;
}

void cm_process_kill(cm_process *process, int number)
{
    (void)uv_process_kill(&process->handle, number);
}

int cm_process_pid(const cm_process *process)
{
    return uv_process_get_pid(&process->handle);
}

void cm_process_free(cm_process *process)
{
    if (process != NULL) {
        uv_close((uv_handle_t *)&process->handle, process_closed);
    }
}
