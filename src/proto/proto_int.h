/*
 * proto/proto_int.h - private to proto: what a protocol supplies, and the session.
 *
 * A protocol sees vectors of words and a group, because XOR on packed bits and addition in Z_2^64
 * differ in nothing but the operation: a vector of `words` words has its legs in a cm_plane.  What
 * a leg means is the protocol's own affair: a component, an authentication code, a checked copy.
 *
 * proto.c asserts shapes, refuses dead sessions, masks bits past the last row, counts openings,
 * runs verify before each opening and wipes outputs on failure.  So a protocol need not.
 */
#ifndef CM_PROTO_PROTO_INT_H
#define CM_PROTO_PROTO_INT_H

#include "base/fabric.h"
#include "crypto/prg.h"
#include "proto/proto.h"
#include "share/kern.h"

typedef enum cm_group { CM_GROUP_XOR, CM_GROUP_ADD } cm_group;

/* What a sum of products is of, as in proto.h: planes of so many words, `terms` for each of z's.
 * Bits past the last row are 0 where they count. */
typedef enum cm_sum_kind { CM_SUM_AND, CM_SUM_PRODUCT, CM_SUM_INNER } cm_sum_kind;
typedef struct cm_bit_sums {
    cm_sum_kind kind;
    const cm_plane *x; /* AND: planes * terms; PRODUCT: planes, of terms rows; INNER: planes */
    const cm_plane *y; /* AND: planes * terms; else terms */
    const cm_plane *z; /* planes */
    size_t planes, terms;
    size_t words;   /* of z */
    size_t x_words; /* INNER: of x and y */
} cm_bit_sums;

typedef struct cm_proto_ops {
    cm_protocol_info info;
    size_t
        state_bytes; /* zeroed, secret, wiped with the session; 0 at participants without shares */

    CM_MUST cm_status (*setup)(cm_mpc *mpc);

    /* x += c[i * step] for word i: step is 1, or 0 for a constant. */
    void (*add_public)(cm_mpc *mpc, cm_group group, cm_plane x, const uint64_t *c, size_t step,
                       size_t words);
    void (*random_bits)(cm_mpc *mpc, cm_plane z, size_t words);

    /*
     * z = x * y for entries vectors of `words` words each, in two steps of one round: all that can
     * be done before a message comes, and the rest.  Several products may be under way; they are
     * received in the order in which they were sent.  z is complete after the second step; x and y
     * are not read by it.
     */
    CM_MUST cm_status (*mul_send)(cm_mpc *mpc, cm_group group, const cm_plane *x, const cm_plane *y,
                                  const cm_plane *z, size_t entries, size_t words,
                                  cm_arena scratch);
    CM_MUST cm_status (*mul_recv)(cm_mpc *mpc, const cm_plane *z, size_t entries, size_t words,
                                  cm_arena scratch);
    /* Sums of products of bits; z overlaps neither x nor y. */
    CM_MUST cm_status (*bit_sums)(cm_mpc *mpc, const cm_bit_sums *sums, cm_arena scratch);
    CM_MUST cm_status (*dot)(cm_mpc *mpc, const cm_acol *x, const cm_acol *y, size_t results,
                             cm_acol z, cm_arena scratch);

    /* Called at the owner and at all computing parties; values is NULL but at the owner, z is empty
     * where no shares are held. */
    CM_MUST cm_status (*input)(cm_mpc *mpc, cm_group group, unsigned owner, const uint64_t *values,
                               size_t words, cm_plane z, cm_arena scratch);
    CM_MUST cm_status (*open)(cm_mpc *mpc, cm_group group, cm_plane x, size_t words, uint64_t *ret,
                              cm_arena scratch);
    /* Called at the receiver and at all computing parties; ret is NULL but at the receiver. */
    CM_MUST cm_status (*open_to)(cm_mpc *mpc, cm_group group, unsigned receiver, cm_plane x,
                                 size_t words, uint64_t *ret, cm_arena scratch);

    CM_MUST cm_status (*bits_to_ring)(cm_mpc *mpc, cm_bcol x, cm_acol z, cm_arena scratch);
    CM_MUST cm_status (*bit_to_ring)(cm_mpc *mpc, cm_bcol x, const cm_acol *z, cm_arena scratch);
    CM_MUST cm_status (*ring_to_bits)(cm_mpc *mpc, cm_acol x, cm_bcol z, cm_arena scratch);
    CM_MUST cm_status (*shuffle)(cm_mpc *mpc, const cm_acol *ring, size_t ring_count,
                                 const cm_bcol *bits, size_t bits_count, size_t rows,
                                 cm_arena scratch);
    CM_MUST cm_status (*verify)(cm_mpc *mpc);
} cm_proto_ops;

extern const cm_proto_ops cm_clear_ops;
extern const cm_proto_ops cm_rep3_ops;

struct cm_mpc {
    const cm_proto_ops *ops;
    cm_protocol protocol;
    cm_mesh *mesh; /* borrowed */
    unsigned me, parties;
    cm_cpu cpu;
    const cm_kernels *kernels;
    cm_arena memory; /* secret: holds own and state */
    cm_prg *own;     /* this participant's private randomness */
    void *state;     /* the protocol's; NULL at participants without shares */
    bool dead;       /* set by the first failure, never cleared */
    cm_diag diag;
    uint64_t opened[3]; /* by cm_ticket_kind */

    unsigned number;            /* of this lane */
    unsigned lanes;             /* of the party; 1 in the sessions of lanes other than 0 */
    cm_mpc *lane[CM_LANES_MAX]; /* 0 is this session; the others are owned, each with its mesh */
    cm_fabric *fabric;          /* NULL for one lane */
    cm_arena scratch;           /* of a lane other than 0, secret */
    bool in_lanes;              /* within cm_lanes_run: what is called there does not split */
    size_t lane_rows;           /* the fewest for a lane; equal at all parties */
    size_t round_bytes;         /* of the link; equal at all parties */
};

/* What cm_mpc_round_bytes is at least: a round of a fast link. */
enum { CM_ROUND_BYTES_MIN = CM_ROUND_BYTES_USUAL, CM_ROUND_BYTES_MAX = 256 << 20 };

/* Planes of fewer rows are packed bit to bit before ANDs: their last words are more than an eighth
 * of them. */
enum { CM_SHORT_ROWS = 512 };

/* ---- sums.c ------------------------------------------------------------------------------- */

/* Row r of a leg of a plane as a mask: all ones or 0. */
void cm_bit_masks(const uint64_t *leg, size_t rows, uint64_t *ret);

/* ---- proto.c ------------------------------------------------------------------------------ */

/* A ring column as a vector of words; and a boolean column, all planes one after the other. */
cm_plane cm_plane_of_words(cm_acol x);
cm_plane cm_plane_of_bits(cm_bcol x);
/* x, or a copy in scratch without the bits past the last row, if there are such. */
cm_plane cm_plane_masked(cm_bcol x, cm_arena *scratch);
/* Records the first failure in the session; returns status. */
CM_MUST cm_status cm_mpc_outcome(cm_mpc *mpc, cm_status status);
void cm_mpc_count_opened(cm_mpc *mpc, cm_ticket_kind kind, size_t values);

static inline uint64_t *cm_leg(cm_plane x, unsigned k)
{
    return cm_b64_words(x.leg[k]);
}

/* z = x + y and z = x - y in the group. */
static inline void cm_group_add(const cm_mpc *mpc, cm_group group, uint64_t *z, const uint64_t *x,
                                const uint64_t *y, size_t words)
{
    (group == CM_GROUP_XOR ? mpc->kernels->xor : mpc->kernels->add)(z, x, y, words);
}
static inline void cm_group_sub(const cm_mpc *mpc, cm_group group, uint64_t *z, const uint64_t *x,
                                const uint64_t *y, size_t words)
{
    (group == CM_GROUP_XOR ? mpc->kernels->xor : mpc->kernels->sub)(z, x, y, words);
}

/* ---- lanes.c ------------------------------------------------------------------------------ */

/* Fewest rows, or words of a message, that a lane is woken for. */
enum { CM_LANE_ROWS = 4096 };
/* Words that lanes do not cut apart: a cache line, so that no two write to the same one. */
enum { CM_LANE_GRAIN = 8 };

/* A part of an operation: items first .. end - 1, by this lane's session. */
typedef cm_status cm_lane_fn(cm_mpc *lane, size_t first, size_t end, void *arg, cm_arena scratch);

/*
 * Splits items among the lanes, in multiples of grain, if it is worth it: if there are lane_rows of
 * `worth` (rows or words, public) for each.  Otherwise, and within another split, fn gets all items
 * in mpc's own session.  Lanes that get nothing are not called.  A failure in any lane is the
 * session's; the first by lane number is returned.
 */
CM_MUST cm_status cm_lanes_run(cm_mpc *mpc, size_t items, size_t grain, size_t worth,
                               cm_lane_fn *fn, void *arg, cm_arena scratch);
/* Whether cm_lanes_run would split. */
bool cm_lanes_split(const cm_mpc *mpc, size_t worth);

/* The operations of cm_proto_ops, split among lanes where all rows go the same way. */
CM_MUST cm_status cm_lanes_product(cm_mpc *mpc, cm_group group, const cm_plane *x,
                                   const cm_plane *y, const cm_plane *z, size_t entries,
                                   size_t words, cm_arena scratch);
CM_MUST cm_status cm_lanes_dot(cm_mpc *mpc, const cm_acol *x, const cm_acol *y, size_t results,
                               cm_acol z, cm_arena scratch);
CM_MUST cm_status cm_lanes_input(cm_mpc *mpc, cm_group group, unsigned owner,
                                 const uint64_t *values, size_t words, cm_plane z,
                                 cm_arena scratch);
CM_MUST cm_status cm_lanes_open(cm_mpc *mpc, cm_group group, cm_plane x, size_t words,
                                uint64_t *ret, cm_arena scratch);
CM_MUST cm_status cm_lanes_bits_to_ring(cm_mpc *mpc, cm_bcol x, cm_acol z, cm_arena scratch);
CM_MUST cm_status cm_lanes_bit_to_ring(cm_mpc *mpc, cm_bcol x, const cm_acol *z, cm_arena scratch);
CM_MUST cm_status cm_lanes_ring_to_bits(cm_mpc *mpc, cm_acol x, cm_bcol z, cm_arena scratch);

/* The plane from a word on. */
static inline cm_plane cm_plane_from(cm_plane plane, size_t first)
{
    for (unsigned k = 0; k < CM_LEGS_MAX && plane.leg[k]; k++) {
        plane.leg[k] += first;
    }
    return plane;
}

/* ---- wire.c ------------------------------------------------------------------------------- */

/*
 * Words of any number, as frames of a bounded length, in the byte order of x86-64.  Sender and
 * receiver know the number.
 */
CM_MUST cm_status cm_wire_send(cm_mpc *mpc, unsigned to, const uint64_t *data, size_t words);
CM_MUST cm_status cm_wire_recv(cm_mpc *mpc, unsigned from, uint64_t *ret_data, size_t words);
/* Sends as many as it receives, by turns, so that little lies in queues; one round. */
CM_MUST cm_status cm_wire_exchange(cm_mpc *mpc, unsigned to, const uint64_t *data, unsigned from,
                                   uint64_t *ret_data, size_t words);

/* ---- permutation.c ------------------------------------------------------------------------ */

/* A uniformly random permutation of 0 .. rows - 1, equal at all holders of a stream in step. */
void cm_permutation_draw(cm_prg *prg, uint32_t *ret_from, size_t rows, cm_arena scratch);
/* The same in pieces, if there are more than `most` rows; those of few rows are for tests. */
void cm_permutation_draw_pieces(cm_prg *prg, uint32_t *ret_from, size_t rows, size_t most,
                                cm_arena scratch);

/* One leg of all columns of a table as a flat vector: `rings` ring columns, then planes. */
typedef struct cm_flat {
    size_t rows;
    size_t rings;
    size_t planes;
    size_t words; /* in all */
} cm_flat;
cm_flat cm_flat_of(const cm_acol *ring, size_t ring_count, const cm_bcol *bits, size_t bits_count,
                   size_t rows);
/* One leg of the columns into a flat vector, and back. */
void cm_flat_load(cm_flat flat, const cm_acol *ring, const cm_bcol *bits, size_t bits_count,
                  unsigned leg, uint64_t *ret);
void cm_flat_store(cm_flat flat, const cm_acol *ring, const cm_bcol *bits, size_t bits_count,
                   unsigned leg, const uint64_t *content);
/* z row r = x row from[r]; z does not overlap x. */
void cm_flat_gather(cm_flat flat, const uint64_t *x, const uint32_t *from, uint64_t *z,
                    cm_arena scratch);
/* Its parts: rows first .. end - 1 of all ring columns; all rows of planes first .. end - 1. */
void cm_flat_gather_rings(cm_flat flat, const uint64_t *x, const uint32_t *from, size_t first,
                          size_t end, uint64_t *z);
void cm_flat_gather_planes(cm_flat flat, const uint64_t *x, const uint32_t *from, size_t first,
                           size_t end, uint64_t *z, cm_arena scratch);

/* ---- adder.c ------------------------------------------------------------------------------ */

/*
 * z = x + y modulo 2^z.planes.  x.planes == z.planes; y may have fewer, the missing ones are 0.
 * For 64 planes: 209 ANDs a row in 9 rounds.  z overlaps neither.
 */
CM_MUST cm_status cm_adder(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z, cm_arena scratch);

/*
 * The same for who has the carries out of pairs of bits already: pair k is bits 2k and 2k+1, and
 * there are cm_adder_pairs(planes) of them.  Plane 2k of carries is the carry out of pair k for no
 * carry in, plane 2k+1 that for a carry in of 1 (not read for pair 0), and the last plane is the
 * carry out of bit 0.  They are overwritten.  For 64 planes: 116 ANDs a row in 7 rounds.
 */
unsigned cm_adder_pairs(unsigned planes);
CM_MUST cm_status cm_adder_from_pairs(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol carries, cm_bcol z,
                                      cm_arena scratch);

#endif
