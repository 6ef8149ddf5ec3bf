/*
 * Work has a number; a lane that has done number n waits for n + 1.  The lane that finishes last
 * wakes the caller.  Everything is under one lock: pieces of work are large, or they would not be
 * given to lanes.
 */
#include "base/fabric.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct member {
    cm_fabric *fabric;
    unsigned lane;
    pthread_t thread;
} member;

struct cm_fabric {
    unsigned lanes;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    uint64_t number;  /* of the present work, or of the last */
    unsigned running; /* lanes other than 0 that have not finished it */
    bool leaving;
    cm_fabric_fn *fn;
    void *arg;
    member member[CM_LANES_MAX]; /* 0 is not used: the caller */
};

static void *be_lane(void *arg)
{
    member *m = arg;
    cm_fabric *f = m->fabric;
    uint64_t number = 0;

    CM_ASSERT(pthread_mutex_lock(&f->lock) == 0);
    for (;;) {
        while (f->number == number && !f->leaving) {
            CM_ASSERT(pthread_cond_wait(&f->work, &f->lock) == 0);
        }
        if (f->leaving) {
            break;
        }
        number = f->number;
        cm_fabric_fn *fn = f->fn;
        void *what = f->arg;
        CM_ASSERT(pthread_mutex_unlock(&f->lock) == 0);
        fn(m->lane, what);
        CM_ASSERT(pthread_mutex_lock(&f->lock) == 0);
        if (--f->running == 0) {
            CM_ASSERT(pthread_cond_signal(&f->done) == 0);
        }
    }
    CM_ASSERT(pthread_mutex_unlock(&f->lock) == 0);
    return NULL;
}

/* The first `started` lanes other than 0 have threads. */
static void end(cm_fabric *f, unsigned started)
{
    CM_ASSERT(pthread_mutex_lock(&f->lock) == 0);
    f->leaving = true;
    CM_ASSERT(pthread_cond_broadcast(&f->work) == 0);
    CM_ASSERT(pthread_mutex_unlock(&f->lock) == 0);
    for (unsigned i = 1; i <= started; i++) {
        CM_ASSERT(pthread_join(f->member[i].thread, NULL) == 0);
    }
    pthread_cond_destroy(&f->work);
    pthread_cond_destroy(&f->done);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

cm_status cm_fabric_new(unsigned lanes, cm_fabric **ret)
{
    CM_ASSERT(lanes >= 1 && lanes <= CM_LANES_MAX);
    cm_fabric *f = calloc(1, sizeof *f);

    if (f == NULL) {
        return CM_ENOMEM;
    }
    f->lanes = lanes;
    CM_ASSERT(pthread_mutex_init(&f->lock, NULL) == 0);
    CM_ASSERT(pthread_cond_init(&f->work, NULL) == 0);
    CM_ASSERT(pthread_cond_init(&f->done, NULL) == 0);
    for (unsigned i = 1; i < lanes; i++) {
        f->member[i] = (member){.fabric = f, .lane = i};
        if (pthread_create(&f->member[i].thread, NULL, be_lane, &f->member[i]) != 0) {
            end(f, i - 1);
            return CM_ENOMEM;
        }
    }
    *ret = f;
    return CM_OK;
}

void cm_fabric_free(cm_fabric *fabric)
{
    if (fabric != NULL) {
        CM_ASSERT(fabric->running == 0);
        end(fabric, fabric->lanes - 1);
    }
}

unsigned cm_fabric_lanes(const cm_fabric *fabric)
{
    return fabric->lanes;
}

void cm_fabric_run(cm_fabric *fabric, cm_fabric_fn *fn, void *arg)
{
    CM_ASSERT(pthread_mutex_lock(&fabric->lock) == 0);
    CM_ASSERT(fabric->running == 0);
    fabric->fn = fn;
    fabric->arg = arg;
    fabric->running = fabric->lanes - 1;
    fabric->number++;
    CM_ASSERT(pthread_cond_broadcast(&fabric->work) == 0);
    CM_ASSERT(pthread_mutex_unlock(&fabric->lock) == 0);
    fn(0, arg);
    CM_ASSERT(pthread_mutex_lock(&fabric->lock) == 0);
    while (fabric->running > 0) {
        CM_ASSERT(pthread_cond_wait(&fabric->done, &fabric->lock) == 0);
    }
    CM_ASSERT(pthread_mutex_unlock(&fabric->lock) == 0);
}

void cm_lane_part(size_t items, size_t grain, unsigned lane, unsigned lanes, size_t *ret_first,
                  size_t *ret_end)
{
    CM_ASSERT(grain > 0 && lane < lanes);
    size_t grains = items / grain + (items % grain != 0);
    size_t each = grains / lanes, more = grains % lanes;
    size_t first = each * lane + (lane < more ? lane : more);
    size_t next = first + each + (lane < more);

    *ret_first = first * grain < items ? first * grain : items;
    *ret_end = next * grain < items ? next * grain : items;
}
