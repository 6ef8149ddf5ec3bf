/*
 * A socket pair joins the two threads: the task's end is a byte that the loop reads.  Whichever of
 * "the task ended" and "the work was abandoned" comes last frees the shared part.
 */
#include "node/work.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

typedef enum work_state { RUNNING, ENDED, ABANDONED } work_state;

/* What the thread holds on to. */
typedef struct shared {
    cm_work_task task;
    int wake_fd;
    _Atomic work_state state;
} shared;

struct cm_work {
    shared *shared;
    cm_stream *wake;
};

static void *run(void *arg)
{
    shared *s = arg;
    work_state expected = RUNNING;

    s->task.run(s->task.arg);
    int fd = s->wake_fd;
    if (atomic_compare_exchange_strong(&s->state, &expected, ENDED)) {
        /* From here on s belongs to the loop's thread.  It also hears of the close alone. */
        ssize_t sent = send(fd, "e", 1, MSG_NOSIGNAL);
        (void)sent;
    } else {
        s->task.free(s->task.arg);
        free(s);
    }
    close(fd);
    return NULL;
}

static void finish(cm_work *work)
{
    cm_work_task task = work->shared->task;

    cm_stream_close(work->wake);
    free(work->shared);
    free(work);
    task.ended(task.arg);
}

static void on_data(void *arg, const uint8_t *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    finish(arg);
}

static void on_closed(void *arg, cm_status why)
{
    cm_work *work = arg;
    (void)why;
    /* The thread closes its end after it set the state. */
    CM_ASSERT(atomic_load(&work->shared->state) == ENDED);
    finish(work);
}

static cm_status start_thread(shared *s, cm_diag *diag)
{
    pthread_t thread;
    pthread_attr_t attr;
    int failed = pthread_attr_init(&attr);

    if (failed == 0) {
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        failed = pthread_create(&thread, &attr, run, s);
        pthread_attr_destroy(&attr);
    }
    return failed == 0 ? CM_OK
                       : cm_fail(diag, CM_ENOMEM, CM_SQL_TOO_MANY, "could not start a thread");
}

cm_status cm_work_start(cm_loop *loop, const cm_work_task *task, cm_work **ret, cm_diag *diag)
{
    int fds[2];
    cm_work *work = calloc(1, sizeof *work);
    shared *s = calloc(1, sizeof *s);

    if (work == NULL || s == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        free(work);
        free(s);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_status st = cm_stream_of_fd(loop, fds[0], &work->wake, diag);
    if (st != CM_OK) {
        close(fds[0]);
    } else {
        s->task = *task;
        s->wake_fd = fds[1];
        work->shared = s;
        st = start_thread(s, diag);
        if (st != CM_OK) {
            cm_stream_close(work->wake);
        }
    }
    if (st != CM_OK) {
        close(fds[1]);
        free(work);
        free(s);
        return st;
    }
    cm_stream_start(work->wake,
                    (cm_stream_events){.arg = work, .data = on_data, .closed = on_closed});
    *ret = work;
    return CM_OK;
}

void cm_work_abandon(cm_work *work)
{
    work_state expected = RUNNING;

    if (work == NULL) {
        return;
    }
    cm_stream_close(work->wake);
    if (!atomic_compare_exchange_strong(&work->shared->state, &expected, ABANDONED)) {
        work->shared->task.free(work->shared->task.arg);
        free(work->shared);
    }
    free(work);
}
