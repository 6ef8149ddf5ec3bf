/*
 * node/loop.h - the daemon's event loop (libuv underneath, included by loop.c alone): listeners,
 * byte streams, timers, child processes, signals.  Everything runs on the loop's one thread.
 */
#ifndef CM_NODE_LOOP_H
#define CM_NODE_LOOP_H

#include "base/buf.h"

typedef struct cm_loop cm_loop;
typedef struct cm_listener cm_listener;
typedef struct cm_stream cm_stream;
typedef struct cm_timer cm_timer;
typedef struct cm_process cm_process;

CM_MUST cm_status cm_loop_new(cm_loop **ret, cm_diag *diag);
void cm_loop_free(cm_loop *loop); /* everything opened on it was closed before */
void cm_loop_run(cm_loop *loop);  /* until cm_loop_stop */
void cm_loop_stop(cm_loop *loop);

/* "127.0.0.1:7000", "[::1]:7000" or "unix:/path".  accept gets a stream that it owns. */
typedef void (*cm_accept_fn)(void *arg, cm_stream *stream);
CM_MUST cm_status cm_listen(cm_loop *loop, const char *address, cm_accept_fn accept, void *arg,
                            cm_listener **ret, cm_diag *diag);
void cm_listener_close(cm_listener *listener);

typedef struct cm_stream_events {
    void *arg;
    void (*data)(void *arg, const uint8_t *data, size_t bytes);
    /* The peer closed, or an error; called once, last.  The callee calls cm_stream_close. */
    void (*closed)(void *arg, cm_status why);
} cm_stream_events;
/* connected is called once: CM_OK, or why not; then the events start when CM_OK. */
typedef void (*cm_connected_fn)(void *arg, cm_status status);
CM_MUST cm_status cm_connect(cm_loop *loop, const char *address, int timeout_ms,
                             cm_connected_fn connected, void *arg, cm_stream **ret, cm_diag *diag);
/* A stream over an inherited or made socket (a job's control channel). */
CM_MUST cm_status cm_stream_of_fd(cm_loop *loop, int fd, cm_stream **ret, cm_diag *diag);
void cm_stream_start(cm_stream *stream, cm_stream_events events);
void cm_stream_pause(cm_stream *stream); /* stops reading: back pressure */
void cm_stream_resume(cm_stream *stream);
/* Reads at most so many more bytes, then pauses by itself: what follows stays in the socket, for
 * whom cm_stream_detach_fd hands it to.  cm_stream_resume ends the limit. */
void cm_stream_limit(cm_stream *stream, size_t bytes);
/* Copies and queues.  Queued bytes not yet written: cm_stream_pending. */
void cm_stream_write(cm_stream *stream, const void *data, size_t bytes);
size_t cm_stream_pending(const cm_stream *stream);
/* Writes what is queued (for at most 5 s), then closes; no more events. */
void cm_stream_close(cm_stream *stream);
/* Takes the connected socket out of the loop: the stream is gone, the caller owns the fd. */
CM_MUST int cm_stream_detach_fd(cm_stream *stream);

typedef void (*cm_timer_fn)(void *arg);
cm_timer *cm_timer_start(cm_loop *loop, int after_ms, int repeat_ms, cm_timer_fn fn, void *arg);
void cm_timer_close(cm_timer *timer); /* NULL allowed */

/* Starts argv[0] with the given descriptors as 0..fds-1 (-1: /dev/null); exited is called once. */
typedef void (*cm_exited_fn)(void *arg, int exit_code, int signal);
CM_MUST cm_status cm_process_start(cm_loop *loop, const char *const *argv, const int *fds,
                                   size_t fd_count, cm_exited_fn exited, void *arg,
                                   cm_process **ret, cm_diag *diag);
void cm_process_kill(cm_process *process, int signal);
int cm_process_pid(const cm_process *process);
void cm_process_free(cm_process *process); /* after exited */

void cm_loop_on_signal(cm_loop *loop, int signal, void (*fn)(void *arg), void *arg);

#endif
