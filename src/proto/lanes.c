/*
 * One party's lanes: sessions of their own (mesh, keys, streams), driven by one caller.
 *
 * An operation on whole vectors is cut by rows, and each lane runs its part as if there were no
 * other; so a lane's messages are those of an operation on fewer rows, and the protocols know
 * nothing of lanes.  Only shuffle, whose rows meet, calls cm_lanes_run itself.
 *
 * Where to cut depends on public sizes and on the number of lanes, which all parties agree on.
 * Small operations stay in lane 0: waking a lane costs more than they do.
 */
#include "proto/proto_int.h"

#include <string.h>

typedef struct split {
    cm_mpc *mpc;
    size_t items, grain;
    cm_lane_fn *fn;
    void *arg;
    cm_arena scratch; /* lane 0's */
    cm_status status[CM_LANES_MAX];
} split;

static void run_lane(unsigned number, void *arg)
{
    split *s = arg;
    cm_mpc *lane = s->mpc->lane[number];
    size_t first, end;

    cm_lane_part(s->items, s->grain, number, s->mpc->lanes, &first, &end);
    if (first < end) {
        cm_arena scratch = number == 0 ? s->scratch : lane->scratch;
        cm_status st = s->fn(lane, first, end, s->arg, scratch);
        /* A mesh moves bytes while somebody waits in it, and nobody may for a while: others must
         * not wait for what lies here. */
        st = st == CM_OK ? cm_mesh_flush(lane->mesh) : st;
        s->status[number] = cm_mpc_outcome(lane, st);
    }
}

bool cm_lanes_split(const cm_mpc *mpc, size_t worth)
{
    return mpc->lanes > 1 && !mpc->in_lanes && worth / mpc->lanes >= mpc->lane_rows;
}

cm_status cm_lanes_run(cm_mpc *mpc, size_t items, size_t grain, size_t worth, cm_lane_fn *fn,
                       void *arg, cm_arena scratch)
{
    if (!cm_lanes_split(mpc, worth)) {
        return fn(mpc, 0, items, arg, scratch);
    }

    split s = {.mpc = mpc, .items = items, .grain = grain, .fn = fn, .arg = arg};
    s.scratch = scratch;
    mpc->in_lanes = true;
    cm_fabric_run(mpc->fabric, run_lane, &s);
    mpc->in_lanes = false;
    for (unsigned i = 0; i < mpc->lanes; i++) {
        if (s.status[i] != CM_OK) {
            if (mpc->diag.status == CM_OK) {
                mpc->diag = mpc->lane[i]->diag;
            }
            mpc->dead = true;
            return s.status[i];
        }
    }
    return CM_OK;
}

/* ---- local work --------------------------------------------------------------------------- */

typedef struct local {
    cm_local_fn *fn;
    void *arg;
} local;

static cm_status do_local(cm_mpc *lane, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const local *l = arg;

    (void)lane;
    l->fn(first, end, l->arg, scratch);
    return CM_OK;
}

void cm_mpc_local(cm_mpc *mpc, size_t items, size_t grain, size_t worth, cm_local_fn *fn, void *arg,
                  cm_arena scratch)
{
    local l = {fn, arg};

    if (items > 0) {
        /* A lane flushes at its end; a link that fails there fails again at the next message. */
        (void)!cm_lanes_run(mpc, items, grain, worth, do_local, &l, scratch);
    }
}

/* ---- vectors of words --------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

typedef struct product {
    cm_group group;
    const cm_plane *x, *y, *z;
    size_t entries, words;
} product;

static cm_status multiply(cm_mpc *mpc, const product *p, cm_arena scratch)
{
    cm_status st =
        mpc->ops->mul_send(mpc, p->group, p->x, p->y, p->z, p->entries, p->words, scratch);
    return st != CM_OK ? st : mpc->ops->mul_recv(mpc, p->z, p->entries, p->words, scratch);
}

/* Words that are multiplied and sent before others are received: few enough to stay in the cache
 * while they wait for the kernel to take them. */
enum { TURN_WORDS = 1 << 16 };

/* Words first .. first + words - 1 of all entries; planes are ret's own. */
static void slice(const product *all, size_t first, size_t words, cm_plane *planes, product *ret)
{
    cm_plane *x = planes, *y = x + all->entries, *z = y + all->entries;

    for (size_t e = 0; e < all->entries; e++) {
        x[e] = cm_plane_from(all->x[e], first);
        y[e] = cm_plane_from(all->y[e], first);
        z[e] = cm_plane_from(all->z[e], first);
    }
    *ret = (product){all->group, x, y, z, all->entries, words};
}

/*
 * In turns: what is sent is received a few turns later, so many that the link stays busy, and no
 * queue grows.  All of it is one round.
 */
static cm_status multiply_words(cm_mpc *mpc, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const product *all = arg;
    size_t turn = TURN_WORDS / all->entries + 1;
    size_t ahead = (2 + mpc->round_bytes / (TURN_WORDS * sizeof(cm_b64))) * turn;
    size_t sent = first, received = first;
    cm_plane *planes = CM_NEW_RAW(&scratch, cm_plane, 3 * all->entries);
    cm_status st = CM_OK;

    while (st == CM_OK && received < end) {
        product part;
        if (sent < end && sent - received < ahead) {
            size_t words = smaller(turn, end - sent);
            slice(all, sent, words, planes, &part);
            st = mpc->ops->mul_send(mpc, part.group, part.x, part.y, part.z, part.entries, words,
                                    scratch);
            sent += words;
        } else {
            size_t words = smaller(turn, end - received);
            slice(all, received, words, planes, &part);
            cm_mesh_count_rounds(mpc->mesh, received == first);
            st = mpc->ops->mul_recv(mpc, part.z, part.entries, words, scratch);
            cm_mesh_count_rounds(mpc->mesh, true);
            received += words;
        }
    }
    return st;
}

static cm_status multiply_entries(cm_mpc *mpc, size_t first, size_t end, void *arg,
                                  cm_arena scratch)
{
    const product *all = arg;
    product part = {all->group,     all->x + first, all->y + first,
                    all->z + first, end - first,    all->words};

    return multiply(mpc, &part, scratch);
}

cm_status cm_lanes_product(cm_mpc *mpc, cm_group group, const cm_plane *x, const cm_plane *y,
                           const cm_plane *z, size_t entries, size_t words, cm_arena scratch)
{
    product all = {group, x, y, z, entries, words};

    if (words >= entries) {
        return cm_lanes_run(mpc, words, CM_LANE_GRAIN, entries * words, multiply_words, &all,
                            scratch);
    }
    return cm_lanes_run(mpc, entries, 1, entries * words, multiply_entries, &all, scratch);
}

typedef struct dots {
    const cm_acol *x, *y;
    size_t results;
    cm_acol sum[CM_LANES_MAX];
} dots;

/* Rows first .. end - 1 of every pair. */
static cm_status dot_rows(cm_mpc *mpc, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const dots *all = arg;
    cm_acol *x = CM_NEW_RAW(&scratch, cm_acol, all->results);
    cm_acol *y = CM_NEW_RAW(&scratch, cm_acol, all->results);

    for (size_t i = 0; i < all->results; i++) {
        size_t from = smaller(first, all->x[i].rows), to = smaller(end, all->x[i].rows);
        x[i] = cm_acol_slice(all->x[i], from, to - from);
        y[i] = cm_acol_slice(all->y[i], from, to - from);
    }
    return mpc->ops->dot(mpc, x, y, all->results, all->sum[mpc->number], scratch);
}

/* Each lane sends its sums, so this pays for columns much longer than there are results. */
cm_status cm_lanes_dot(cm_mpc *mpc, const cm_acol *x, const cm_acol *y, size_t results, cm_acol z,
                       cm_arena scratch)
{
    dots all = {.x = x, .y = y, .results = results};
    size_t longest = 0;

    for (size_t i = 0; i < results; i++) {
        longest = x[i].rows > longest ? x[i].rows : longest;
    }
    if (!cm_lanes_split(mpc, longest)) {
        return mpc->ops->dot(mpc, x, y, results, z, scratch);
    }
    for (unsigned i = 0; i < mpc->lanes; i++) {
        all.sum[i] = cm_acol_new(&scratch, mpc->ops->info.legs, results);
    }
    cm_status st = cm_lanes_run(mpc, longest, CM_LANE_GRAIN, longest, dot_rows, &all, scratch);
    cm_acol_copy(z, all.sum[0]);
    for (unsigned i = 1; i < mpc->lanes; i++) {
        cm_acol_add(z, all.sum[i], z);
    }
    return st;
}

typedef struct words_op {
    cm_group group;
    unsigned owner;
    const uint64_t *values; /* of an input; NULL but at the owner */
    cm_plane x;
    uint64_t *opened;
} words_op;

static cm_status input_words(cm_mpc *mpc, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const words_op *all = arg;
    const uint64_t *values = all->values ? all->values + first : NULL;

    return mpc->ops->input(mpc, all->group, all->owner, values, end - first,
                           cm_plane_from(all->x, first), scratch);
}

/* Owners that do not compute have one lane. */
cm_status cm_lanes_input(cm_mpc *mpc, cm_group group, unsigned owner, const uint64_t *values,
                         size_t words, cm_plane z, cm_arena scratch)
{
    words_op all = {.group = group, .owner = owner, .values = values, .x = z};
    size_t worth = owner < mpc->parties ? words : 0;

    return cm_lanes_run(mpc, words, CM_LANE_GRAIN, worth, input_words, &all, scratch);
}

static cm_status open_words(cm_mpc *mpc, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const words_op *all = arg;

    return mpc->ops->open(mpc, all->group, cm_plane_from(all->x, first), end - first,
                          all->opened + first, scratch);
}

cm_status cm_lanes_open(cm_mpc *mpc, cm_group group, cm_plane x, size_t words, uint64_t *ret,
                        cm_arena scratch)
{
    words_op all = {.group = group, .x = x, .opened = ret};

    return cm_lanes_run(mpc, words, CM_LANE_GRAIN, words, open_words, &all, scratch);
}

/* ---- conversions -------------------------------------------------------------------------- */

typedef struct conversion {
    cm_bcol bits;
    cm_acol ring;
    const cm_acol *rings; /* one per plane */
} conversion;

/* Rows of words first .. end - 1 of x: a column of a lane's own, empty; x itself if that is all. */
static cm_bcol part_of(const cm_mpc *mpc, cm_bcol x, size_t first, size_t end, cm_arena *scratch)
{
    size_t rows = x.rows < 64 * end ? x.rows - 64 * first : 64 * (end - first);

    if (rows == x.rows) {
        return x;
    }
    return cm_bcol_new_raw(scratch, mpc->ops->info.legs, x.planes, rows);
}

/* Planes of a part out of the whole, or back into it. */
static void copy_part(cm_bcol whole, size_t first, cm_bcol part, bool back)
{
    if (part.rows == whole.rows) {
        return;
    }
    for (unsigned k = 0; k < CM_LEGS_MAX && whole.leg[k]; k++) {
        for (unsigned p = 0; p < part.planes; p++) {
            cm_b64 *of_whole = whole.leg[k] + p * whole.words + first;
            cm_b64 *of_part = part.leg[k] + p * part.words;
            memcpy(back ? of_whole : of_part, back ? of_part : of_whole,
                   part.words * sizeof *of_part);
        }
    }
}

static cm_status bits_to_ring_rows(cm_mpc *mpc, size_t first, size_t end, void *arg,
                                   cm_arena scratch)
{
    const conversion *all = arg;
    cm_bcol x = part_of(mpc, all->bits, first, end, &scratch);

    copy_part(all->bits, first, x, false);
    return mpc->ops->bits_to_ring(mpc, x, cm_acol_slice(all->ring, 64 * first, x.rows), scratch);
}

cm_status cm_lanes_bits_to_ring(cm_mpc *mpc, cm_bcol x, cm_acol z, cm_arena scratch)
{
    conversion all = {.bits = x, .ring = z};

    return cm_lanes_run(mpc, x.words, CM_LANE_GRAIN, x.rows, bits_to_ring_rows, &all, scratch);
}

static cm_status bit_to_ring_rows(cm_mpc *mpc, size_t first, size_t end, void *arg,
                                  cm_arena scratch)
{
    const conversion *all = arg;
    cm_bcol x = part_of(mpc, all->bits, first, end, &scratch);
    cm_acol *z = CM_NEW_RAW(&scratch, cm_acol, x.planes);

    copy_part(all->bits, first, x, false);
    for (unsigned p = 0; p < x.planes; p++) {
        z[p] = cm_acol_slice(all->rings[p], 64 * first, x.rows);
    }
    return mpc->ops->bit_to_ring(mpc, x, z, scratch);
}

cm_status cm_lanes_bit_to_ring(cm_mpc *mpc, cm_bcol x, const cm_acol *z, cm_arena scratch)
{
    conversion all = {.bits = x, .rings = z};

    return cm_lanes_run(mpc, x.words, CM_LANE_GRAIN, x.rows, bit_to_ring_rows, &all, scratch);
}

static cm_status ring_to_bits_rows(cm_mpc *mpc, size_t first, size_t end, void *arg,
                                   cm_arena scratch)
{
    const conversion *all = arg;
    cm_bcol z = part_of(mpc, all->bits, first, end, &scratch);

    cm_status st =
        mpc->ops->ring_to_bits(mpc, cm_acol_slice(all->ring, 64 * first, z.rows), z, scratch);
    if (st == CM_OK) {
        copy_part(all->bits, first, z, true);
    }
    return st;
}

cm_status cm_lanes_ring_to_bits(cm_mpc *mpc, cm_acol x, cm_bcol z, cm_arena scratch)
{
    conversion all = {.bits = z, .ring = x};

    return cm_lanes_run(mpc, z.words, CM_LANE_GRAIN, z.rows, ring_to_bits_rows, &all, scratch);
}
