/*
 * Straight-line code over planes, as a wavefront.
 *
 * Stages have XORs and then ANDs, all of which are one round.  A stage goes through the rows chunk
 * by chunk: it receives what the chunk still lacks of the stage before, runs its XORs, multiplies
 * and sends.  So a chunk's planes are fetched into the cache once a stage, and while the messages
 * of one chunk are under way there are others to work on; nobody waits as long as a stage has more
 * than one chunk.
 *
 * Chunks are a function of the steps and the rows alone, because a message is a chunk's: as many
 * rows as keep all planes in the cache, or where a stage has few ANDs, as many as fill a message.
 */
#include "proto/proto_int.h"

enum {
    PIECE_BYTES = 512 << 10, /* all planes of so many rows: half of a common L2 cache */
    PIECE_WORDS_MIN = 64,
    MESSAGE_WORDS = 4 << 10,
};

typedef struct front {
    cm_mpc *mpc;
    const cm_steps *steps;
    const cm_plane *plane;
    size_t words;        /* of a plane */
    size_t piece;        /* words of it that XORs take at a time */
    cm_plane *x, *y, *z; /* operands of the ANDs of a chunk */
    const cm_step *sent; /* the ANDs that are under way, */
    size_t sent_ands;    /* how many, */
    size_t sent_chunk;   /* in messages of so many words of a plane, */
    size_t received;     /* of which so many words have come back */
} front;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void run_xors(const front *f, const cm_step *steps, size_t count, size_t first, size_t end)
{
    unsigned legs = f->mpc->ops->info.legs;

    for (size_t at = first; at < end; at += f->piece) {
        size_t words = smaller(f->piece, end - at);
        for (size_t i = 0; i < count; i++) {
            cm_plane z = f->plane[steps[i].z], x = f->plane[steps[i].x], y = f->plane[steps[i].y];
            for (unsigned k = 0; k < legs; k++) {
                f->mpc->kernels->xor
                    (cm_leg(z, k) + at, cm_leg(x, k) + at, cm_leg(y, k) + at, words);
            }
        }
    }
}

/* Until the stage before is complete for words 0 .. end - 1. */
static cm_status receive_until(front *f, size_t end, cm_arena scratch)
{
    while (f->sent_ands > 0 && f->received < end) {
        size_t now = smaller(f->sent_chunk, f->words - f->received);
        for (size_t i = 0; i < f->sent_ands; i++) {
            f->z[i] = cm_plane_from(f->plane[f->sent[i].z], f->received);
        }
        /* All messages of a stage are one round, though others are sent in between. */
        cm_mesh_count_rounds(f->mpc->mesh, f->received == 0);
        cm_status st = f->mpc->ops->mul_recv(f->mpc, f->z, f->sent_ands, now, scratch);
        cm_mesh_count_rounds(f->mpc->mesh, true);
        if (st != CM_OK) {
            return st;
        }
        f->received += now;
    }
    return CM_OK;
}

static cm_status send_ands(front *f, const cm_step *steps, size_t count, size_t first, size_t words,
                           cm_arena scratch)
{
    for (size_t i = 0; i < count; i++) {
        f->x[i] = cm_plane_from(f->plane[steps[i].x], first);
        f->y[i] = cm_plane_from(f->plane[steps[i].y], first);
        f->z[i] = cm_plane_from(f->plane[steps[i].z], first);
    }
    return f->mpc->ops->mul_send(f->mpc, CM_GROUP_XOR, f->x, f->y, f->z, count, words, scratch);
}

static cm_status run_stage(front *f, const cm_stage *stage, const cm_step *xor_step,
                           const cm_step *and_step, cm_arena scratch)
{
    size_t fill = stage->ands > 0 ? MESSAGE_WORDS / stage->ands : 0;
    size_t chunk = f->piece > fill ? f->piece : fill;

    for (size_t first = 0; first < f->words; first += chunk) {
        size_t now = smaller(chunk, f->words - first);
        cm_status st = receive_until(f, first + now, scratch);
        if (st != CM_OK) {
            return st;
        }
        run_xors(f, xor_step, stage->xors, first, first + now);
        if (stage->ands > 0) {
            st = send_ands(f, and_step, stage->ands, first, now, scratch);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    f->sent = and_step;
    f->sent_ands = stage->ands;
    f->sent_chunk = chunk;
    f->received = 0;
    return CM_OK;
}

/* Planes of few rows: stage by stage, packed. */
static cm_status run_short(front *f, size_t rows, cm_arena scratch)
{
    const cm_step *xor_step = f->steps->xor_step, *and_step = f->steps->and_step;

    for (size_t i = 0; i < f->steps->stages; i++) {
        cm_stage stage = f->steps->stage[i];
        run_xors(f, xor_step, stage.xors, 0, f->words);
        for (size_t k = 0; k < stage.ands; k++) {
            f->x[k] = f->plane[and_step[k].x];
            f->y[k] = f->plane[and_step[k].y];
            f->z[k] = f->plane[and_step[k].z];
        }
        cm_status st = cm_mpc_and_rows(f->mpc, f->x, f->y, f->z, stage.ands, rows, scratch);
        if (st != CM_OK) {
            return st;
        }
        xor_step += stage.xors;
        and_step += stage.ands;
    }
    return CM_OK;
}

static cm_status run_long(front *f, cm_arena scratch)
{
    const cm_step *xor_step = f->steps->xor_step, *and_step = f->steps->and_step;
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < f->steps->stages; i++) {
        const cm_stage *stage = &f->steps->stage[i];
        st = run_stage(f, stage, xor_step, and_step, scratch);
        xor_step += stage->xors;
        and_step += stage->ands;
    }
    return st != CM_OK ? st : receive_until(f, f->words, scratch);
}

/* What all lanes read. */
typedef struct whole {
    const cm_steps *steps;
    const cm_plane *plane;
    size_t rows;
} whole;

/* One lane's rows: words first .. end - 1 of every plane. */
static cm_status run_part(cm_mpc *mpc, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const whole *all = arg;
    const cm_steps *steps = all->steps;
    size_t piece = PIECE_BYTES / (sizeof(cm_b64) * mpc->ops->info.legs * (steps->planes + 1));
    size_t rows = all->rows < 64 * end ? all->rows - 64 * first : 64 * (end - first), widest = 0;
    cm_plane *plane = CM_NEW_RAW(&scratch, cm_plane, steps->planes);

    for (size_t i = 0; i < steps->planes; i++) {
        plane[i] = cm_plane_from(all->plane[i], first);
    }
    for (size_t i = 0; i < steps->stages; i++) {
        widest = steps->stage[i].ands > widest ? steps->stage[i].ands : widest;
    }
    front f = {
        .mpc = mpc,
        .steps = steps,
        .plane = plane,
        .words = end - first,
        .piece = piece < PIECE_WORDS_MIN ? PIECE_WORDS_MIN : piece,
        .x = CM_NEW_RAW(&scratch, cm_plane, widest),
        .y = CM_NEW_RAW(&scratch, cm_plane, widest),
        .z = CM_NEW_RAW(&scratch, cm_plane, widest),
    };
    return rows < CM_SHORT_ROWS ? run_short(&f, rows, scratch) : run_long(&f, scratch);
}

cm_status cm_mpc_run_steps(cm_mpc *mpc, const cm_steps *steps, const cm_plane *plane, size_t rows,
                           cm_arena scratch)
{
    whole all = {.steps = steps, .plane = plane, .rows = rows};

    CM_ASSERT(cm_mpc_computes(mpc));
    if (mpc->dead || rows == 0) {
        return mpc->dead ? CM_EDEAD : CM_OK;
    }
    cm_status st =
        cm_lanes_run(mpc, cm_words_of(rows), CM_LANE_GRAIN, rows, run_part, &all, scratch);
    return cm_mpc_outcome(mpc, st);
}
