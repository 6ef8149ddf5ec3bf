/*
 * How many bytes a second a control link carries, towards the peer: for plans.
 *
 * Soon after a link is up, and again now and then, a message of some size is sent, and the peer
 * answers with a short one.  Where that tells a slow link, it is all.  Otherwise a train of larger
 * messages follows.  Over a long link what counts is the time between the first answer and the
 * last: so neither the round trip is in it, nor how TCP begins.  Over a short one these are
 * nothing, but several answers may come in one read; there it is the time of the whole train.  A
 * node looks at one link at a time, since a train takes all that the node can send.
 */
#include "node/peers_int.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    FIRST_BYTES = 64 << 10,
    QUESTION_BYTES = 256 << 10,
    TRAIN = 8,           /* questions sent at once, after the first */
    SLOW_MS = 200,       /* a first question that takes longer is not followed by more, */
    SLOW_ROUNDS = 4,     /* but for so many round trips, in which TCP begins */
    LONG_MS = 5,         /* a round trip */
    PATIENCE_MS = 30000, /* for all answers */
    AGAIN_MS = 600 * 1000,
};

/* More than a link of this machine to itself carries is a wrong measure. */
static const double RATE_MAX = (double)(1 << 30);

static void ask(cm_link *l, uint8_t number)
{
    size_t bytes = number == 0 ? FIRST_BYTES : QUESTION_BYTES;
    uint8_t *body = calloc(1, bytes); /* of kind 0 */

    if (body != NULL) {
        body[1] = number;
        cm_channel_send(l->channel, CM_MSG_PROBE, body, bytes);
        free(body);
    }
}

static void finish(cm_link *l)
{
    l->peers->probing = NULL;
    l->speed.again_ms = cm_clock_ms() + AGAIN_MS;
}

/* A busy machine makes links look slow: higher rates count at once, lower ones by halves. */
static void take_rate(cm_link *l, double bytes, int64_t ns)
{
    double rate = ns > 0 ? bytes * 1e9 / (double)ns : RATE_MAX, old = l->speed.bytes_per_second;

    rate = rate > RATE_MAX ? RATE_MAX : rate;
    l->speed.bytes_per_second = rate > old ? rate : (rate + old) / 2;
    finish(l);
}

static void take_answer(cm_link *l, uint8_t number, int64_t now_ns)
{
    if (number == 0) {
        double took_ms = (double)(now_ns - l->speed.asked_ns) / 1e6;
        if (took_ms > SLOW_MS + SLOW_ROUNDS * l->rtt_ms) {
            take_rate(l, FIRST_BYTES, (int64_t)((took_ms - l->rtt_ms) * 1e6));
            return;
        }
        l->speed.asked_ns = now_ns;
        for (unsigned i = 1; i <= TRAIN; i++) {
            ask(l, (uint8_t)i);
        }
    } else if (number == 1 && l->rtt_ms >= LONG_MS) {
        l->speed.asked_ns = now_ns;
    } else if (number == TRAIN) {
        double counted = l->rtt_ms < LONG_MS ? TRAIN : TRAIN - 1;
        take_rate(l, counted * QUESTION_BYTES, now_ns - l->speed.asked_ns);
    }
}

bool cm_link_speed_message(cm_link *l, const uint8_t *body, size_t bytes)
{
    if ((bytes == FIRST_BYTES || bytes == QUESTION_BYTES) && body[0] == 0) {
        uint8_t answer[2] = {1, body[1]};
        cm_channel_send(l->channel, CM_MSG_PROBE, answer, sizeof answer);
        return true;
    }
    if (bytes != 2 || body[0] != 1) {
        return false;
    }
    if (l->peers->probing == l && body[1] == l->speed.next) { /* else one that came too late */
        l->speed.next++;
        take_answer(l, body[1], cm_clock_ns());
    }
    return true;
}

void cm_link_speed_tick(cm_link *l, int64_t now_ms)
{
    if (l->peers->probing == l && now_ms > l->speed.until_ms) {
        finish(l);
    }
    if (l->peers->probing == NULL && l->up && l->rtt_ms > 0 && now_ms >= l->speed.again_ms) {
        l->peers->probing = l;
        l->speed.next = 0;
        l->speed.until_ms = now_ms + PATIENCE_MS;
        l->speed.asked_ns = cm_clock_ns();
        ask(l, 0);
    }
}

void cm_link_speed_lost(cm_link *l)
{
    if (l->peers->probing == l) {
        l->peers->probing = NULL;
    }
    l->speed = (cm_link_speed){0};
}
