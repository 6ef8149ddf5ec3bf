/*
 * Straight-line code over planes, as a wavefront.
 *
 * A stage is XORs and then ANDs, all of which are one round.  Rows are cut into windows whose
 * planes fit the cache.  Several windows are under way: they take turns, and in its turn a window
 * receives the products of its last stage, runs the XORs of the next, multiplies and sends.  A
 * window that is through makes room for another one.  So windows are in different stages, wide and
 * narrow ones by turns, and while the messages of one are under way there is work on the others: as
 * many as it takes to have as much under way as the link carries in a round trip.  On a slow link
 * these are all windows, and then each stage is one round for all rows; on a fast one some few,
 * whose slots stay in the cache.
 *
 * Windows and turns are functions of the steps, the rows and the agreed figure of the link, because
 * parties must send alike.
 */
#include "proto/proto_int.h"

#include <string.h>

enum {
    WINDOW_BYTES = 512 << 10, /* all planes of so many rows: half of a common L2 cache */
    WINDOW_WORDS_MIN = 64,
    MESSAGE_WORDS = 8 << 10,   /* of an average stage of a window, at least */
    SCRATCH_BYTES = 256 << 20, /* of all windows: a constant, because all parties cut alike */
    AND_OVERHEAD_PLANES = 4,   /* messages of a stage, at most */
};

/* What all lanes read. */
typedef struct whole {
    const cm_steps *steps;
    const cm_plane *plane;
    size_t rows;
    size_t ands, rounds, widest; /* of all stages; stages with ANDs; most ANDs in one */
} whole;

/* A lane's rows. */
typedef struct part {
    cm_mpc *mpc;
    const whole *all;
    size_t next, end;    /* words that no window has taken yet */
    size_t window;       /* words of a window */
    size_t piece;        /* words that XORs take at a time */
    cm_plane *x, *y, *z; /* operands of the ANDs of a stage */
    cm_arena scratch;
} part;

/* A window under way. */
typedef struct front {
    cm_plane *plane; /* places, from its first word on */
    size_t words;    /* of a plane; 0: no window */
    size_t stage;    /* the next */
    const cm_step *xor_step, *and_step;
    const cm_step *sent; /* ANDs that are under way, */
    size_t sent_ands;    /* and how many */
} front;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void run_xors(const part *p, const front *f, const cm_step *steps, size_t count)
{
    unsigned legs = p->mpc->ops->info.legs;

    for (size_t at = 0; at < f->words; at += p->piece) {
        size_t words = smaller(p->piece, f->words - at);
        for (size_t i = 0; i < count; i++) {
            cm_plane z = f->plane[steps[i].z], x = f->plane[steps[i].x], y = f->plane[steps[i].y];
            for (unsigned k = 0; k < legs; k++) {
                p->mpc->kernels->xor
                    (cm_leg(z, k) + at, cm_leg(x, k) + at, cm_leg(y, k) + at, words);
            }
        }
    }
}

static void copy_planes(const part *p, const front *f)
{
    const cm_steps *steps = p->all->steps;

    for (size_t i = 0; i < steps->copies; i++) {
        cm_plane z = f->plane[steps->copy_step[i].z], x = f->plane[steps->copy_step[i].x];
        for (unsigned k = 0; k < p->mpc->ops->info.legs; k++) {
            memcpy(z.leg[k], x.leg[k], f->words * sizeof *z.leg[k]);
        }
    }
}

/* Planes of few rows: stage by stage, packed. */
static cm_status run_short(part *p, front *f, size_t rows)
{
    const cm_steps *steps = p->all->steps;
    const cm_step *xor_step = steps->xor_step, *and_step = steps->and_step;

    for (size_t i = 0; i < steps->stages; i++) {
        cm_stage stage = steps->stage[i];
        run_xors(p, f, xor_step, stage.xors);
        for (size_t k = 0; k < stage.ands; k++) {
            p->x[k] = f->plane[and_step[k].x];
            p->y[k] = f->plane[and_step[k].y];
            p->z[k] = f->plane[and_step[k].z];
        }
        cm_status st = cm_mpc_and_rows(p->mpc, p->x, p->y, p->z, stage.ands, rows, p->scratch);
        if (st != CM_OK) {
            return st;
        }
        xor_step += stage.xors;
        and_step += stage.ands;
    }
    copy_planes(p, f);
    return CM_OK;
}

/* ---- turns -------------------------------------------------------------------------------- */

static cm_status receive_ands(part *p, front *f)
{
    for (size_t i = 0; i < f->sent_ands; i++) {
        p->z[i] = f->plane[f->sent[i].z];
    }
    size_t ands = f->sent_ands;
    f->sent_ands = 0;
    return ands == 0 ? CM_OK : p->mpc->ops->mul_recv(p->mpc, p->z, ands, f->words, p->scratch);
}

static cm_status send_ands(part *p, front *f, size_t ands)
{
    for (size_t i = 0; i < ands; i++) {
        p->x[i] = f->plane[f->and_step[i].x];
        p->y[i] = f->plane[f->and_step[i].y];
        p->z[i] = f->plane[f->and_step[i].z];
    }
    f->sent = f->and_step;
    f->sent_ands = ands;
    f->and_step += ands;
    return ands == 0 ? CM_OK
                     : p->mpc->ops->mul_send(p->mpc, CM_GROUP_XOR, p->x, p->y, p->z, ands, f->words,
                                             p->scratch);
}

static size_t given_planes(const cm_steps *steps)
{
    return steps->planes - steps->slots;
}

/* The next window, if there is one. */
static void begin(part *p, front *f)
{
    const cm_steps *steps = p->all->steps;

    f->words = smaller(p->window, p->end - p->next);
    f->stage = 0;
    f->xor_step = steps->xor_step;
    f->and_step = steps->and_step;
    for (size_t i = 0; i < given_planes(steps); i++) {
        f->plane[i] = cm_plane_from(p->all->plane[i], p->next);
    }
    p->next += f->words;
}

/* Stages without ANDs have nothing to wait for: the turn goes on to the end of the next that has.
 */
static cm_status take_turn(part *p, front *f)
{
    const cm_steps *steps = p->all->steps;
    cm_status st = receive_ands(p, f);

    while (st == CM_OK && f->sent_ands == 0 && f->words > 0) {
        if (f->stage < steps->stages) {
            const cm_stage *stage = &steps->stage[f->stage++];
            run_xors(p, f, f->xor_step, stage->xors);
            f->xor_step += stage->xors;
            st = send_ands(p, f, stage->ands);
        } else {
            copy_planes(p, f);
            begin(p, f);
        }
    }
    return st;
}

/* Each front's turn is a round for all of them together: what they receive has been under way at
 * the same time. */
static cm_status run_long(part *p, front *f, size_t fronts)
{
    cm_status st = CM_OK;

    for (size_t i = 0; i < fronts; i++) {
        begin(p, &f[i]);
    }
    for (bool busy = true; busy && st == CM_OK;) {
        busy = false;
        cm_mesh_count_rounds(p->mpc->mesh, true);
        for (size_t i = 0; st == CM_OK && i < fronts; i++) {
            bool receives = f[i].sent_ands > 0;
            st = take_turn(p, &f[i]);
            busy |= f[i].words > 0;
            if (receives) {
                cm_mesh_count_rounds(p->mpc->mesh, false);
            }
        }
    }
    cm_mesh_count_rounds(p->mpc->mesh, true);
    return st;
}

/* ---- windows ------------------------------------------------------------------------------ */

static void count_ands(whole *all)
{
    for (size_t i = 0; i < all->steps->stages; i++) {
        size_t ands = all->steps->stage[i].ands;
        all->ands += ands;
        all->rounds += ands > 0;
        all->widest = larger(all->widest, ands);
    }
}

/* How long windows are, and how many there are at a time: no more than there are in all. */
static size_t plan_windows(const cm_mpc *mpc, const whole *all, size_t words, part *ret)
{
    const cm_steps *steps = all->steps;
    size_t legs = mpc->ops->info.legs;
    size_t bound = steps->window_bytes ? steps->window_bytes : SCRATCH_BYTES;
    size_t per_word =
        sizeof(cm_b64) * (legs * steps->slots + AND_OVERHEAD_PLANES * all->widest + 1);
    size_t cached = WINDOW_BYTES / (sizeof(cm_b64) * legs * (steps->planes + 1));
    size_t filling = all->ands == 0 ? 1 : MESSAGE_WORDS * all->rounds / all->ands;

    ret->piece = larger(cached, WINDOW_WORDS_MIN);
    size_t most = larger(smaller(larger(ret->piece, filling), bound / per_word), 1);
    size_t windows = words / most + (words % most != 0);
    ret->window = words / windows + (words % windows != 0);

    /* Bytes of an average turn; one window more, which is worked on. */
    size_t turn = all->rounds == 0 ? 1 : sizeof(cm_b64) * ret->window * all->ands / all->rounds;
    size_t fronts =
        smaller(1 + mpc->round_bytes / larger(turn, 1) + 1, bound / per_word / ret->window);
    return smaller(larger(fronts, 1), windows);
}

/* Words first .. end - 1 of every plane. */
static cm_status run_part(cm_mpc *mpc, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const whole *all = arg;
    const cm_steps *steps = all->steps;
    size_t rows = smaller(all->rows - 64 * first, 64 * (end - first));
    part p = {.mpc = mpc, .all = all, .next = first, .end = end};
    size_t fronts = plan_windows(mpc, all, end - first, &p);
    front *f = CM_NEW(&scratch, front, fronts);

    p.x = CM_NEW_RAW(&scratch, cm_plane, all->widest);
    p.y = CM_NEW_RAW(&scratch, cm_plane, all->widest);
    p.z = CM_NEW_RAW(&scratch, cm_plane, all->widest);
    for (size_t i = 0; i < fronts; i++) {
        cm_bcol slots =
            cm_bcol_new_raw(&scratch, mpc->ops->info.legs, (unsigned)steps->slots, 64 * p.window);
        f[i].plane = CM_NEW_RAW(&scratch, cm_plane, steps->planes);
        for (size_t k = 0; k < steps->slots; k++) {
            f[i].plane[given_planes(steps) + k] = cm_bcol_plane(slots, (unsigned)k);
        }
    }
    p.scratch = scratch;
    if (rows >= CM_SHORT_ROWS || fronts > 1 || p.window < end - first) {
        return run_long(&p, f, fronts);
    }
    begin(&p, f);
    return run_short(&p, f, rows);
}

cm_status cm_mpc_run_steps(cm_mpc *mpc, const cm_steps *steps, const cm_plane *plane, size_t rows,
                           cm_arena scratch)
{
    whole all = {.steps = steps, .plane = plane, .rows = rows};

    CM_ASSERT(cm_mpc_computes(mpc));
    CM_ASSERT(steps->slots <= steps->planes);
    if (mpc->dead || rows == 0) {
        return mpc->dead ? CM_EDEAD : CM_OK;
    }
    count_ands(&all);
    cm_status st =
        cm_lanes_run(mpc, cm_words_of(rows), CM_LANE_GRAIN, rows, run_part, &all, scratch);
    return cm_mpc_outcome(mpc, st);
}
