/*
 * The session: checks, dead state, counts of openings, dispatch, and what needs no protocol.
 */
#include "proto/proto_int.h"

#include <stdlib.h>
#include <string.h>

static const cm_proto_ops *ops_of(cm_protocol protocol)
{
    switch (protocol) {
    case CM_PROTOCOL_CLEAR:
        return &cm_clear_ops;
    case CM_PROTOCOL_REP3:
        return &cm_rep3_ops;
    }
    cm_assert_failed("protocol is one of the list", __FILE__, __LINE__);
}

const cm_protocol_info *cm_protocol_info_of(cm_protocol protocol)
{
    return &ops_of(protocol)->info;
}

cm_status cm_protocol_by_name(const char *name, cm_protocol *ret)
{
    for (cm_protocol p = CM_PROTOCOL_CLEAR; p <= CM_PROTOCOL_REP3; p++) {
        if (strcmp(name, ops_of(p)->info.name) == 0) {
            *ret = p;
            return CM_OK;
        }
    }
    return CM_ENOTFOUND;
}

/* ---- session ----------------------------------------------------------------------------- */

cm_status cm_mpc_outcome(cm_mpc *mpc, cm_status status)
{
    if (status != CM_OK && !mpc->dead) {
        mpc->dead = true;
        if (mpc->diag.status == CM_OK) {
            mpc->diag = *cm_mesh_diag(mpc->mesh);
        }
    }
    return status;
}

/* Draws this lane's private stream; with a test seed it is a function of seed and numbers. */
static void seed_own(cm_mpc *mpc, const cm_key *test_seed)
{
    cm_key key;

    if (test_seed) {
        key = *test_seed;
    } else {
        cm_random_bytes(&key, sizeof key);
    }
    cm_prg_init(mpc->own, &key, (uint64_t)mpc->number * CM_MESH_MAX + mpc->me, &mpc->cpu);
    cm_wipe(&key, sizeof key);
}

static cm_status set_up(cm_mpc *mpc, const cm_key *test_seed, cm_diag *diag)
{
    const cm_proto_ops *ops = mpc->ops;

    if (cm_arena_init_secret(&mpc->memory, sizeof *mpc->own + ops->state_bytes + 4096) != CM_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory for a session's keys");
    }
    mpc->own = CM_NEW(&mpc->memory, cm_prg, 1);
    seed_own(mpc, test_seed);
    if (!cm_mpc_computes(mpc)) {
        return CM_OK;
    }
    mpc->state = cm_arena_alloc(&mpc->memory, 1, ops->state_bytes);
    cm_status st = cm_mpc_outcome(mpc, ops->setup(mpc));
    if (st != CM_OK && diag && diag->status == CM_OK) {
        *diag = mpc->diag;
    }
    return st;
}

/* A session of one lane. */
static cm_status new_lane(const cm_mpc_options *options, unsigned number, cm_mpc **ret,
                          cm_diag *diag)
{
    cm_mpc *mpc = calloc(1, sizeof *mpc);

    if (!mpc) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory for a session");
    }
    mpc->ops = ops_of(options->protocol);
    mpc->protocol = options->protocol;
    mpc->mesh = options->mesh[number];
    mpc->me = cm_mesh_me(mpc->mesh);
    mpc->parties = options->parties;
    mpc->cpu = cm_cpu_detect();
    mpc->kernels = cm_kernels_best();
    mpc->number = number;
    mpc->lanes = 1;
    mpc->lane[0] = mpc;
    mpc->lane_rows = options->lane_rows ? options->lane_rows : CM_LANE_ROWS;
    mpc->round_bytes = options->round_bytes ? options->round_bytes : CM_ROUND_BYTES_MIN;
    cm_status st = set_up(mpc, options->test_seed, diag);
    if (st == CM_OK && number > 0 &&
        cm_arena_init_secret(&mpc->scratch, options->scratch_bytes) != CM_OK) {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory for lane %u", number);
    }
    if (st != CM_OK) {
        cm_mpc_free(mpc);
        return st;
    }
    *ret = mpc;
    return CM_OK;
}

static cm_status check_options(const cm_mpc_options *options, cm_diag *diag)
{
    const cm_protocol_info *info = cm_protocol_info_of(options->protocol);
    unsigned parties = options->parties, participants = cm_mesh_participants(options->mesh[0]);

    CM_ASSERT(options->lanes >= 1 && options->lanes <= CM_LANES_MAX);
    if (parties == 0 || parties > participants ||
        (info->parties != 0 && parties != info->parties)) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_NOT_READY,
                       "protocol \"%s\" cannot run with %u computing parties of %u participants",
                       info->name, parties, participants);
    }
    return CM_OK;
}

cm_status cm_mpc_new_lanes(const cm_mpc_options *options, cm_mpc **ret, cm_diag *diag)
{
    cm_mpc *mpc = NULL;

    cm_status st = check_options(options, diag);
    if (st == CM_OK) {
        st = new_lane(options, 0, &mpc, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(mpc != NULL);
    unsigned lanes = cm_mpc_computes(mpc) ? options->lanes : 1;
    for (unsigned i = 1; st == CM_OK && i < lanes; i++) {
        CM_ASSERT(cm_mesh_me(options->mesh[i]) == mpc->me);
        st = new_lane(options, i, &mpc->lane[i], diag);
        mpc->lanes += st == CM_OK;
    }
    if (st == CM_OK && lanes > 1 && cm_fabric_new(lanes, &mpc->fabric) != CM_OK) {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no threads for %u lanes", lanes);
    }
    if (st != CM_OK) {
        cm_mpc_free(mpc);
        return st;
    }
    *ret = mpc;
    return CM_OK;
}

cm_status cm_mpc_new(cm_protocol protocol, cm_mesh *mesh, unsigned parties, const cm_key *test_seed,
                     cm_mpc **ret, cm_diag *diag)
{
    cm_mpc_options options = {.protocol = protocol,
                              .lanes = 1,
                              .mesh = &mesh,
                              .parties = parties,
                              .test_seed = test_seed};
    return cm_mpc_new_lanes(&options, ret, diag);
}

void cm_mpc_free(cm_mpc *mpc)
{
    if (mpc) {
        cm_fabric_free(mpc->fabric);
        for (unsigned i = 1; i < mpc->lanes; i++) {
            cm_mpc_free(mpc->lane[i]);
        }
        cm_arena_fini(&mpc->memory);
        cm_arena_fini(&mpc->scratch);
        free(mpc);
    }
}

cm_protocol cm_mpc_protocol(const cm_mpc *mpc)
{
    return mpc->protocol;
}

unsigned cm_mpc_me(const cm_mpc *mpc)
{
    return mpc->me;
}

unsigned cm_mpc_parties(const cm_mpc *mpc)
{
    return mpc->parties;
}

bool cm_mpc_computes(const cm_mpc *mpc)
{
    return mpc->me < mpc->parties;
}

unsigned cm_mpc_legs(const cm_mpc *mpc)
{
    return cm_mpc_computes(mpc) ? mpc->ops->info.legs : 0;
}

cm_mesh *cm_mpc_mesh(const cm_mpc *mpc)
{
    return mpc->mesh;
}

unsigned cm_mpc_lanes(const cm_mpc *mpc)
{
    return mpc->lanes;
}

size_t cm_mpc_round_bytes(const cm_mpc *mpc)
{
    return mpc->round_bytes;
}

size_t cm_round_bytes_of(double round_trip_seconds, double bytes_per_second)
{
    double bytes = round_trip_seconds * bytes_per_second;

    if (!(bytes > CM_ROUND_BYTES_MIN)) {
        return CM_ROUND_BYTES_MIN;
    }
    return bytes < CM_ROUND_BYTES_MAX ? (size_t)bytes : CM_ROUND_BYTES_MAX;
}

cm_mesh_stats cm_mpc_statistics(const cm_mpc *mpc)
{
    cm_mesh_stats ret = cm_mesh_statistics(mpc->mesh);

    for (unsigned i = 1; i < mpc->lanes; i++) {
        cm_mesh_stats lane = cm_mesh_statistics(mpc->lane[i]->mesh);
        ret.bytes_sent += lane.bytes_sent;
        ret.bytes_received += lane.bytes_received;
        ret.frames_sent += lane.frames_sent;
    }
    return ret;
}

cm_status cm_mpc_flush(cm_mpc *mpc)
{
    cm_status st = CM_OK;

    for (unsigned i = 0; st == CM_OK && i < mpc->lanes; i++) {
        st = cm_mpc_outcome(mpc->lane[i], cm_mesh_flush(mpc->lane[i]->mesh));
        if (st != CM_OK && !mpc->dead) {
            mpc->diag = mpc->lane[i]->diag;
            mpc->dead = true;
        }
    }
    return st;
}

const cm_diag *cm_mpc_diag(const cm_mpc *mpc)
{
    return &mpc->diag;
}

/* ---- shapes ------------------------------------------------------------------------------ */

cm_plane cm_plane_of_words(cm_acol x)
{
    cm_plane ret = {{0}};
    for (unsigned k = 0; k < CM_LEGS_MAX; k++) {
        ret.leg[k] = (cm_b64 *)(void *)x.leg[k];
    }
    return ret;
}

cm_plane cm_plane_of_bits(cm_bcol x)
{
    return cm_bcol_plane(x, 0);
}

static uint64_t last_word_mask(size_t rows)
{
    return rows % 64 == 0 ? UINT64_MAX : (UINT64_C(1) << (rows % 64)) - 1;
}

static void mask_planes(uint64_t *plane_words, size_t rows, unsigned planes)
{
    size_t words = cm_words_of(rows);
    for (unsigned p = 0; p < planes; p++) {
        plane_words[p * words + words - 1] &= last_word_mask(rows);
    }
}

cm_plane cm_plane_masked(cm_bcol x, cm_arena *scratch)
{
    cm_plane ret = cm_plane_of_bits(x);

    if (x.rows % 64 == 0) {
        return ret;
    }
    for (unsigned k = 0; k < CM_LEGS_MAX && x.leg[k]; k++) {
        ret.leg[k] = CM_NEW(scratch, cm_b64, x.planes * x.words);
        memcpy(ret.leg[k], x.leg[k], x.planes * x.words * sizeof *x.leg[k]);
        mask_planes(cm_leg(ret, k), x.rows, x.planes);
    }
    return ret;
}

/* The column has the legs that its session works with, as far as it has any content. */
static void check_bits(const cm_mpc *mpc, cm_bcol x)
{
    CM_ASSERT(cm_mpc_computes(mpc));
    CM_ASSERT(x.words == cm_words_of(x.rows));
    if (x.rows != 0 && x.planes != 0) {
        for (unsigned k = 0; k < CM_LEGS_MAX; k++) {
            CM_ASSERT((x.leg[k] != NULL) == (k < mpc->ops->info.legs));
        }
    }
}

static void check_ring(const cm_mpc *mpc, cm_acol x)
{
    CM_ASSERT(cm_mpc_computes(mpc));
    if (x.rows != 0) {
        for (unsigned k = 0; k < CM_LEGS_MAX; k++) {
            CM_ASSERT((x.leg[k] != NULL) == (k < mpc->ops->info.legs));
        }
    }
}

/* Every operation ends here: a failure kills the session and wipes the output. */
static cm_status finish_bits(cm_mpc *mpc, cm_status status, cm_bcol z)
{
    if (status != CM_OK) {
        cm_bcol_wipe(z);
    }
    return cm_mpc_outcome(mpc, status);
}

static cm_status finish_ring(cm_mpc *mpc, cm_status status, cm_acol z)
{
    if (status != CM_OK) {
        cm_acol_wipe(z);
    }
    return cm_mpc_outcome(mpc, status);
}

/* ---- local ------------------------------------------------------------------------------- */

void cm_mpc_xor_public(cm_mpc *mpc, cm_bcol x, unsigned plane, const uint64_t *c)
{
    check_bits(mpc, x);
    CM_ASSERT(plane < x.planes);
    mpc->ops->add_public(mpc, CM_GROUP_XOR, cm_bcol_plane(x, plane), c, 1, x.words);
}

void cm_mpc_not(cm_mpc *mpc, cm_bcol x, unsigned plane)
{
    check_bits(mpc, x);
    CM_ASSERT(plane < x.planes);
    uint64_t ones = UINT64_MAX;
    mpc->ops->add_public(mpc, CM_GROUP_XOR, cm_bcol_plane(x, plane), &ones, 0, x.words);
}

static void set_zero(cm_bcol x)
{
    for (unsigned k = 0; k < CM_LEGS_MAX && x.leg[k]; k++) {
        memset(x.leg[k], 0, x.planes * x.words * sizeof *x.leg[k]);
    }
}

void cm_mpc_set_public(cm_mpc *mpc, cm_bcol x, unsigned plane, bool bit)
{
    check_bits(mpc, x);
    set_zero(cm_bcol_planes(x, plane, 1));
    if (bit) {
        cm_mpc_not(mpc, x, plane);
    }
}

void cm_mpc_add_public(cm_mpc *mpc, cm_acol x, uint64_t c)
{
    check_ring(mpc, x);
    mpc->ops->add_public(mpc, CM_GROUP_ADD, cm_plane_of_words(x), &c, 0, x.rows);
}

void cm_mpc_public_bits(cm_mpc *mpc, const uint64_t *plane_words, cm_bcol z)
{
    check_bits(mpc, z);
    set_zero(z);
    mpc->ops->add_public(mpc, CM_GROUP_XOR, cm_plane_of_bits(z), plane_words, 1,
                         z.planes * z.words);
}

void cm_mpc_random_bits(cm_mpc *mpc, cm_bcol z)
{
    check_bits(mpc, z);
    mpc->ops->random_bits(mpc, cm_plane_of_bits(z), z.planes * z.words);
}

/* ---- products ---------------------------------------------------------------------------- */

cm_status cm_mpc_and(cm_mpc *mpc, const cm_plane *x, const cm_plane *y, const cm_plane *z,
                     size_t entries, size_t words, cm_arena scratch)
{
    CM_ASSERT(cm_mpc_computes(mpc));
    CM_ASSERT(words == 0 || entries <= SIZE_MAX / 8 / words);
    if (entries == 0 || words == 0) {
        return CM_OK;
    }

    cm_status st = mpc->dead
                       ? CM_EDEAD
                       : cm_lanes_product(mpc, CM_GROUP_XOR, x, y, z, entries, words, scratch);
    if (st != CM_OK) {
        for (size_t e = 0; e < entries; e++) {
            for (unsigned k = 0; k < mpc->ops->info.legs; k++) {
                cm_wipe(z[e].leg[k], words * sizeof *z[e].leg[k]);
            }
        }
    }
    return cm_mpc_outcome(mpc, st);
}

cm_status cm_mpc_and_col(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z, cm_arena scratch)
{
    check_bits(mpc, x);
    check_bits(mpc, y);
    check_bits(mpc, z);
    CM_ASSERT(x.rows == y.rows && x.rows == z.rows && x.planes == z.planes);
    CM_ASSERT(y.planes == x.planes || y.planes == 1);

    cm_plane *in_x = CM_NEW(&scratch, cm_plane, x.planes);
    cm_plane *in_y = CM_NEW(&scratch, cm_plane, x.planes);
    cm_plane *out = CM_NEW(&scratch, cm_plane, x.planes);
    for (unsigned p = 0; p < x.planes; p++) {
        in_x[p] = cm_bcol_plane(x, p);
        in_y[p] = cm_bcol_plane(y, y.planes == 1 ? 0 : p);
        out[p] = cm_bcol_plane(z, p);
    }
    return cm_mpc_and_rows(mpc, in_x, in_y, out, x.planes, x.rows, scratch);
}

cm_status cm_mpc_mul(cm_mpc *mpc, cm_acol x, cm_acol y, cm_acol z, cm_arena scratch)
{
    check_ring(mpc, x);
    check_ring(mpc, y);
    check_ring(mpc, z);
    CM_ASSERT(x.rows == y.rows && x.rows == z.rows);
    if (z.rows == 0) {
        return CM_OK;
    }

    cm_plane in_x = cm_plane_of_words(x), in_y = cm_plane_of_words(y);
    cm_plane out = cm_plane_of_words(z);
    cm_status st =
        mpc->dead ? CM_EDEAD
                  : cm_lanes_product(mpc, CM_GROUP_ADD, &in_x, &in_y, &out, 1, z.rows, scratch);
    return finish_ring(mpc, st, z);
}

cm_status cm_mpc_dot(cm_mpc *mpc, const cm_acol *x, const cm_acol *y, size_t results, cm_acol z,
                     cm_arena scratch)
{
    check_ring(mpc, z);
    CM_ASSERT(z.rows == results);
    for (size_t i = 0; i < results; i++) {
        check_ring(mpc, x[i]);
        check_ring(mpc, y[i]);
        CM_ASSERT(x[i].rows == y[i].rows);
    }
    if (results == 0) {
        return CM_OK;
    }
    cm_status st = mpc->dead ? CM_EDEAD : cm_lanes_dot(mpc, x, y, results, z, scratch);
    return finish_ring(mpc, st, z);
}

/* ---- input ------------------------------------------------------------------------------- */

/* Whether this participant has anything to do in an input of so many words. */
static bool takes_part(const cm_mpc *mpc, unsigned other, size_t words)
{
    CM_ASSERT(other < cm_mesh_participants(mpc->mesh));
    return words != 0 && (cm_mpc_computes(mpc) || mpc->me == other);
}

cm_status cm_mpc_input_bits(cm_mpc *mpc, unsigned owner, const uint64_t *plane_words,
                            unsigned planes, size_t rows, cm_bcol z, cm_arena scratch)
{
    size_t words = planes * cm_words_of(rows);

    if (cm_mpc_computes(mpc)) {
        check_bits(mpc, z);
        CM_ASSERT(z.planes == planes && z.rows == rows);
    } else {
        z = (cm_bcol){0};
    }
    if (!takes_part(mpc, owner, words)) {
        return CM_OK;
    }
    CM_ASSERT((plane_words != NULL) == (mpc->me == owner));
    cm_status st = mpc->dead ? CM_EDEAD
                             : cm_lanes_input(mpc, CM_GROUP_XOR, owner, plane_words, words,
                                              cm_plane_of_bits(z), scratch);
    return finish_bits(mpc, st, z);
}

cm_status cm_mpc_input_words(cm_mpc *mpc, unsigned owner, const uint64_t *values, size_t rows,
                             cm_acol z, cm_arena scratch)
{
    if (cm_mpc_computes(mpc)) {
        check_ring(mpc, z);
        CM_ASSERT(z.rows == rows);
    } else {
        z = (cm_acol){0};
    }
    if (!takes_part(mpc, owner, rows)) {
        return CM_OK;
    }
    CM_ASSERT((values != NULL) == (mpc->me == owner));
    cm_status st = mpc->dead ? CM_EDEAD
                             : cm_lanes_input(mpc, CM_GROUP_ADD, owner, values, rows,
                                              cm_plane_of_words(z), scratch);
    return finish_ring(mpc, st, z);
}

/* ---- openings ---------------------------------------------------------------------------- */

void cm_mpc_count_opened(cm_mpc *mpc, cm_ticket_kind kind, size_t values)
{
    CM_ASSERT((unsigned)kind < CM_COUNT(mpc->opened));
    mpc->opened[kind] += values;
}

uint64_t cm_mpc_opened(const cm_mpc *mpc, cm_ticket_kind kind)
{
    uint64_t values = 0;

    CM_ASSERT((unsigned)kind < CM_COUNT(mpc->opened));
    for (unsigned i = 0; i < mpc->lanes; i++) {
        values += mpc->lane[i]->opened[kind];
    }
    return values;
}

static void check_ticket(const cm_ticket *ticket)
{
    CM_ASSERT(ticket && ticket->what);
    CM_ASSERT(ticket->kind >= CM_TICKET_MASKED && ticket->kind <= CM_TICKET_RESULT);
}

/* What every opening does first: nothing is sent from a dead or a cheated session. */
static cm_status before_opening(cm_mpc *mpc, const cm_ticket *ticket, size_t values)
{
    check_ticket(ticket);
    if (mpc->dead) {
        return CM_EDEAD;
    }
    cm_status st = cm_mpc_computes(mpc) ? mpc->ops->verify(mpc) : CM_OK;
    if (st == CM_OK) {
        cm_mpc_count_opened(mpc, ticket->kind, values);
    }
    return st;
}

/* Wipes what an opening that failed may have left in ret, which may be NULL. */
static cm_status finish_opening(cm_mpc *mpc, cm_status status, uint64_t *ret, size_t words)
{
    if (status != CM_OK && ret) {
        cm_wipe(ret, words * sizeof *ret);
    }
    return cm_mpc_outcome(mpc, status);
}

cm_status cm_mpc_open_bits(cm_mpc *mpc, cm_bcol x, const cm_ticket *ticket,
                           uint64_t *ret_plane_words, cm_arena scratch)
{
    size_t words = x.planes * x.words;

    check_bits(mpc, x);
    if (words == 0) {
        return CM_OK;
    }
    cm_status st = before_opening(mpc, ticket, x.rows);
    if (st == CM_OK) {
        cm_plane masked = cm_plane_masked(x, &scratch);
        st = cm_lanes_open(mpc, CM_GROUP_XOR, masked, words, ret_plane_words, scratch);
        /* What a peer sent past the last row is no value: it ends here. */
        mask_planes(ret_plane_words, x.rows, x.planes);
    }
    return finish_opening(mpc, st, ret_plane_words, words);
}

cm_status cm_mpc_open_words(cm_mpc *mpc, cm_acol x, const cm_ticket *ticket, uint64_t *ret_values,
                            cm_arena scratch)
{
    check_ring(mpc, x);
    if (x.rows == 0) {
        return CM_OK;
    }
    cm_status st = before_opening(mpc, ticket, x.rows);
    if (st == CM_OK) {
        st = cm_lanes_open(mpc, CM_GROUP_ADD, cm_plane_of_words(x), x.rows, ret_values, scratch);
    }
    return finish_opening(mpc, st, ret_values, x.rows);
}

cm_status cm_mpc_open_bits_to(cm_mpc *mpc, unsigned receiver, cm_bcol x, unsigned planes,
                              size_t rows, const cm_ticket *ticket, uint64_t *ret_plane_words,
                              cm_arena scratch)
{
    size_t words = planes * cm_words_of(rows);

    if (cm_mpc_computes(mpc)) {
        check_bits(mpc, x);
        CM_ASSERT(x.planes == planes && x.rows == rows);
    } else {
        x = (cm_bcol){0};
    }
    if (!takes_part(mpc, receiver, words)) {
        return CM_OK;
    }
    CM_ASSERT((ret_plane_words != NULL) == (mpc->me == receiver));
    cm_status st = before_opening(mpc, ticket, rows);
    if (st == CM_OK) {
        cm_plane masked = cm_plane_masked(x, &scratch);
        st =
            mpc->ops->open_to(mpc, CM_GROUP_XOR, receiver, masked, words, ret_plane_words, scratch);
        if (ret_plane_words) {
            mask_planes(ret_plane_words, rows, planes);
        }
    }
    return finish_opening(mpc, st, ret_plane_words, words);
}

/* ---- conversions and shuffle ------------------------------------------------------------- */

cm_status cm_mpc_bits_to_ring(cm_mpc *mpc, cm_bcol x, cm_acol z, cm_arena scratch)
{
    check_bits(mpc, x);
    check_ring(mpc, z);
    CM_ASSERT(x.rows == z.rows && x.planes <= 64);
    if (z.rows == 0) {
        return CM_OK;
    }
    if (x.planes == 0) {
        cm_acol_wipe(z);
        return mpc->dead ? CM_EDEAD : CM_OK;
    }
    cm_status st = mpc->dead ? CM_EDEAD : cm_lanes_bits_to_ring(mpc, x, z, scratch);
    return finish_ring(mpc, st, z);
}

cm_status cm_mpc_bit_to_ring(cm_mpc *mpc, cm_bcol x, const cm_acol *z, cm_arena scratch)
{
    check_bits(mpc, x);
    for (unsigned p = 0; p < x.planes; p++) {
        check_ring(mpc, z[p]);
        CM_ASSERT(z[p].rows == x.rows);
    }
    if (x.rows == 0 || x.planes == 0) {
        return CM_OK;
    }
    cm_status st = mpc->dead ? CM_EDEAD : cm_lanes_bit_to_ring(mpc, x, z, scratch);
    for (unsigned p = 0; st != CM_OK && p < x.planes; p++) {
        cm_acol_wipe(z[p]);
    }
    return cm_mpc_outcome(mpc, st);
}

cm_status cm_mpc_ring_to_bits(cm_mpc *mpc, cm_acol x, cm_bcol z, cm_arena scratch)
{
    check_ring(mpc, x);
    check_bits(mpc, z);
    CM_ASSERT(x.rows == z.rows && z.planes <= 64);
    if (z.rows == 0 || z.planes == 0) {
        return CM_OK;
    }
    cm_status st = mpc->dead ? CM_EDEAD : cm_lanes_ring_to_bits(mpc, x, z, scratch);
    return finish_bits(mpc, st, z);
}

cm_status cm_mpc_shuffle(cm_mpc *mpc, cm_acol *ring, size_t ring_count, cm_bcol *bits,
                         size_t bits_count, cm_arena scratch)
{
    CM_ASSERT(cm_mpc_computes(mpc));
    if (ring_count == 0 && bits_count == 0) {
        return CM_OK;
    }
    size_t rows = ring_count != 0 ? ring[0].rows : bits[0].rows;
    for (size_t c = 0; c < ring_count; c++) {
        check_ring(mpc, ring[c]);
        CM_ASSERT(ring[c].rows == rows);
    }
    for (size_t c = 0; c < bits_count; c++) {
        check_bits(mpc, bits[c]);
        CM_ASSERT(bits[c].rows == rows);
    }
    if (rows == 0) {
        return CM_OK;
    }

    cm_status st = CM_EDEAD;
    if (!mpc->dead) {
        st = mpc->ops->shuffle(mpc, ring, ring_count, bits, bits_count, rows, scratch);
    }
    for (size_t c = 0; st != CM_OK && c < ring_count; c++) {
        cm_acol_wipe(ring[c]);
    }
    for (size_t c = 0; st != CM_OK && c < bits_count; c++) {
        cm_bcol_wipe(bits[c]);
    }
    return cm_mpc_outcome(mpc, st);
}

cm_status cm_mpc_verify(cm_mpc *mpc)
{
    CM_ASSERT(cm_mpc_computes(mpc));
    return cm_mpc_outcome(mpc, mpc->dead ? CM_EDEAD : mpc->ops->verify(mpc));
}
