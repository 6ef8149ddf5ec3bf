/*
 * proto/proto.h - secure computation behind one interface.
 *
 * A cm_mpc is one participant's end of a session; one thread at a time.  Participants
 * 0 .. parties - 1 are the computing parties.  Higher participants hold no shares: they may give
 * input and receive openings, and call nothing else.  All participants that take part in an
 * operation call it with equal public arguments, in the same order.
 *
 * Costs are given for rep3: bytes sent by one party, and rounds.  Operations on 0 rows are free.
 * The first failure kills the session: every later call returns CM_EDEAD, outputs are wiped.
 *
 * Columns are caller's memory, with legs = cm_mpc_legs().  Outputs do not overlap inputs unless a
 * function says so.  Temporary memory comes from scratch and is gone on return.
 */
#ifndef CM_PROTO_PROTO_H
#define CM_PROTO_PROTO_H

#include "base/cpu.h"
#include "base/fabric.h"
#include "net/mesh.h"
#include "share/column.h"

typedef struct cm_mpc cm_mpc;

typedef enum cm_protocol {
    CM_PROTOCOL_CLEAR, /* any number of parties, no protection: for tests */
    CM_PROTOCOL_REP3,  /* three parties, one semi-honest; docs/protocols/rep3.md */
} cm_protocol;

/* Facts of a protocol, for planners and texts. */
typedef struct cm_protocol_info {
    const char *name;      /* "rep3" */
    unsigned parties;      /* 0: any number */
    unsigned legs;         /* per secret and party */
    const char *tolerates; /* "one semi-honest party of three" */
} cm_protocol_info;
const cm_protocol_info *cm_protocol_info_of(cm_protocol protocol);
CM_MUST cm_status cm_protocol_by_name(const char *name, cm_protocol *ret);

/*
 * Sets up pairwise keys over the mesh (1 round).  Borrows the mesh, which must outlive the session.
 * parties is the number of computing parties among the mesh's participants.  test_seed, when not
 * NULL, replaces the operating system's randomness for golden tests; it is NULL otherwise.
 */
CM_MUST cm_status cm_mpc_new(cm_protocol protocol, cm_mesh *mesh, unsigned parties,
                             const cm_key *test_seed, cm_mpc **ret, cm_diag *diag);
/*
 * The same with several lanes.  Operations on whole vectors are then cut by rows among the lanes,
 * each with its own links, keys and streams, where there are enough rows; all parties have the same
 * number of lanes.  Nothing else changes: one thread calls, operations return when all lanes are
 * done.  Lanes other than 0 link the computing parties alone; participants that do not compute have
 * lane 0 only, whatever they pass.  Rounds are lane 0's; a lane's traffic is a function of public
 * sizes and the number of lanes.
 */
typedef struct cm_mpc_options {
    cm_protocol protocol;
    unsigned lanes;       /* 1 to CM_LANES_MAX */
    cm_mesh *const *mesh; /* per lane, borrowed */
    unsigned parties;
    size_t scratch_bytes; /* address space for the scratch memory of each lane other than 0 */
    size_t lane_rows;     /* 0: as is best; smaller for tests */
    size_t round_bytes;   /* 0: of a fast link; see cm_mpc_round_bytes */
    const cm_key *test_seed;
} cm_mpc_options;
CM_MUST cm_status cm_mpc_new_lanes(const cm_mpc_options *options, cm_mpc **ret, cm_diag *diag);
void cm_mpc_free(cm_mpc *mpc); /* wipes keys; NULL allowed */

cm_protocol cm_mpc_protocol(const cm_mpc *mpc);
unsigned cm_mpc_me(const cm_mpc *mpc);
unsigned cm_mpc_parties(const cm_mpc *mpc);
bool cm_mpc_computes(const cm_mpc *mpc); /* me < parties */
unsigned cm_mpc_legs(const cm_mpc *mpc); /* 0 for participants that hold no shares */
cm_mesh *cm_mpc_mesh(const cm_mpc *mpc); /* lane 0's */
unsigned cm_mpc_lanes(const cm_mpc *mpc);
/*
 * Bytes that a link carries while a message makes a round trip: what a round costs, for all who
 * choose between bytes and rounds.  All parties agree on it beforehand; it is no measure of this
 * party's own.  16 KiB, a fast link's, unless the session was told otherwise.
 */
enum { CM_ROUND_BYTES_USUAL = 16 << 10 };
size_t cm_mpc_round_bytes(const cm_mpc *mpc);
/* From figures of a link, which all parties have alike: at least 16 KiB, at most 256 MiB. */
size_t cm_round_bytes_of(double round_trip_seconds, double bytes_per_second);
/* Of all lanes; rounds are lane 0's, which takes part in every operation. */
cm_mesh_stats cm_mpc_statistics(const cm_mpc *mpc);
/* Waits until everything queued in any lane has been handed to the kernel. */
CM_MUST cm_status cm_mpc_flush(cm_mpc *mpc);
const cm_diag *cm_mpc_diag(const cm_mpc *mpc);

/* ---- local, free ------------------------------------------------------------------------- */

/* x = x XOR c in the plane, in place; c is public, one bit per row, x.words words. */
void cm_mpc_xor_public(cm_mpc *mpc, cm_bcol x, unsigned plane, const uint64_t *c);
/* Flips a plane in place: XOR with all ones. */
void cm_mpc_not(cm_mpc *mpc, cm_bcol x, unsigned plane);
/* Sets a plane to a public constant bit. */
void cm_mpc_set_public(cm_mpc *mpc, cm_bcol x, unsigned plane, bool bit);
/* Adds a public word to each row in place. */
void cm_mpc_add_public(cm_mpc *mpc, cm_acol x, uint64_t c);
/* A sharing of public values: planes packed as in cm_planes_pack. */
void cm_mpc_public_bits(cm_mpc *mpc, const uint64_t *plane_words, cm_bcol z);

/*
 * Work of this party alone, cut among its lanes: fn does items first .. end - 1, where first is a
 * multiple of grain.  Parts run at the same time.  In one part where there is not enough for each
 * lane: `worth` words to go through.  scratch is a lane's own.
 */
typedef void cm_local_fn(size_t first, size_t end, void *arg, cm_arena scratch);
void cm_mpc_local(cm_mpc *mpc, size_t items, size_t grain, size_t worth, cm_local_fn *fn, void *arg,
                  cm_arena scratch);

/* ---- interactive ------------------------------------------------------------------------- */

/*
 * Vector of planes for AND: x[i], y[i], z[i] name planes of equal word count.  legs[k] of entry i
 * is at x[i].leg[k].  z[i] may equal x[i] or y[i] of the same entry only.
 * Cost: entries * words * 8 bytes, 1 round.
 */
typedef struct cm_plane {
    cm_b64 *leg[CM_LEGS_MAX];
} cm_plane;
static inline cm_plane cm_bcol_plane(cm_bcol x, unsigned plane)
{
    cm_plane ret = {{0}};
    for (unsigned k = 0; k < CM_LEGS_MAX; k++) {
        ret.leg[k] = x.leg[k] ? x.leg[k] + plane * x.words : NULL;
    }
    return ret;
}
CM_MUST cm_status cm_mpc_and(cm_mpc *mpc, const cm_plane *x, const cm_plane *y, const cm_plane *z,
                             size_t entries, size_t words, cm_arena scratch);
/*
 * The same for planes of so many rows, where short planes travel bit to bit: below 512 rows the
 * cost is entries * rows / 8 bytes, rounded up to words.
 */
CM_MUST cm_status cm_mpc_and_rows(cm_mpc *mpc, const cm_plane *x, const cm_plane *y,
                                  const cm_plane *z, size_t entries, size_t rows, cm_arena scratch);
/*
 * Straight-line code over planes.  A step names planes by number; a stage XORs in order (z may be x
 * or y), then multiplies pairs, all at once: z may be x or y of its own step, and is no operand or
 * result of another AND of its stage.  At the end planes are copied.  The last `slots` planes are
 * scratch: the caller has none for them.
 *
 * Rows are taken in windows, as many as fit the cache or keep the link busy through a level
 * (cm_mpc_round_bytes).  Within a window, stages run through the rows in chunks, and send while
 * they go.  Bytes as for cm_mpc_and_rows; a round for each stage that has ANDs and each window.
 * After a failure the planes hold nothing in particular.
 */
typedef struct cm_step {
    uint32_t z, x, y; /* a copy has no y */
} cm_step;
typedef struct cm_stage {
    size_t xors, ands; /* how many; they lie one behind the other in xor_step and and_step */
} cm_stage;
typedef struct cm_steps {
    size_t planes; /* how many there are, with slots */
    size_t slots;
    size_t stages;
    const cm_stage *stage;
    const cm_step *xor_step, *and_step;
    size_t copies;
    const cm_step *copy_step;
    size_t window_bytes; /* bound of scratch memory; smaller than usual for tests */
} cm_steps;
CM_MUST cm_status cm_mpc_run_steps(cm_mpc *mpc, const cm_steps *steps, const cm_plane *plane,
                                   size_t rows, cm_arena scratch);
/* z = x AND y plane by plane (equal planes), or every plane of x with the single plane of y. */
CM_MUST cm_status cm_mpc_and_col(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z, cm_arena scratch);

/*
 * Sums of products of bits, added up before anything is sent.  1 round each.
 *
 * and_sum: z[e] is the XOR of x[i] AND y[i] for the `terms` planes i from e * terms on.  Cost:
 * entries * words * 8 bytes, whatever terms.
 * bits_product: plane p of z is the XOR of the planes k of y for which row k of plane p of x is 1;
 * x has z's planes and as many rows as y has planes.  Cost: z's planes * words * 8 bytes; what a
 * party computes goes with y's planes, too.
 * bits_inner: row q of plane p of z is the parity of x's plane p AND y's plane q, over all rows; z
 * has x's planes and as many rows as y has planes.  Cost: the size of z.
 */
CM_MUST cm_status cm_mpc_and_sum(cm_mpc *mpc, const cm_plane *x, const cm_plane *y,
                                 const cm_plane *z, size_t entries, size_t terms, size_t words,
                                 cm_arena scratch);
CM_MUST cm_status cm_mpc_bits_product(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z,
                                      cm_arena scratch);
CM_MUST cm_status cm_mpc_bits_inner(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z, cm_arena scratch);

/* z = x * y.  8 bytes a row, 1 round. */
CM_MUST cm_status cm_mpc_mul(cm_mpc *mpc, cm_acol x, cm_acol y, cm_acol z, cm_arena scratch);
/*
 * Dot products: result i is the sum over r of x[i] row r * y[i] row r.  8 bytes a result, 1 round,
 * whatever the length.  z has `results` rows.
 */
CM_MUST cm_status cm_mpc_dot(cm_mpc *mpc, const cm_acol *x, const cm_acol *y, size_t results,
                             cm_acol z, cm_arena scratch);

/*
 * Input by participant `owner`: plane_words (packed as cm_planes_pack) or values at the owner, NULL
 * elsewhere; z at computing parties (ignored elsewhere).  A party as owner sends 1 component to one
 * neighbour; an owner outside sends two seeds and one component to two parties.  1 round.
 */
CM_MUST cm_status cm_mpc_input_bits(cm_mpc *mpc, unsigned owner, const uint64_t *plane_words,
                                    unsigned planes, size_t rows, cm_bcol z, cm_arena scratch);
CM_MUST cm_status cm_mpc_input_words(cm_mpc *mpc, unsigned owner, const uint64_t *values,
                                     size_t rows, cm_acol z, cm_arena scratch);

/*
 * Why something becomes public.  Every opening carries a ticket; `what` is a constant text that
 * docs/protocols explains ("sort: comparison of shuffled distinct keys") or names the consented
 * output.  The session counts the openings by kind; job records put them into the audit log.
 */
typedef enum cm_ticket_kind {
    CM_TICKET_MASKED,   /* uniformly random by construction: a masked value, a random permutation */
    CM_TICKET_SHUFFLED, /* outcome whose distribution is the same for all inputs of the size */
    CM_TICKET_RESULT,   /* as the disclosure lists it: the answer, to the coordinator; the size of a
                           join, to the parties */
} cm_ticket_kind;
typedef struct cm_ticket {
    cm_ticket_kind kind;
    const char *what;
} cm_ticket;

/* To all computing parties.  ret packed as in cm_planes_pack.  Runs the protocol's deferred checks
 * first.  planes * words * 8 bytes, 1 round. */
CM_MUST cm_status cm_mpc_open_bits(cm_mpc *mpc, cm_bcol x, const cm_ticket *ticket,
                                   uint64_t *ret_plane_words, cm_arena scratch);
CM_MUST cm_status cm_mpc_open_words(cm_mpc *mpc, cm_acol x, const cm_ticket *ticket,
                                    uint64_t *ret_values, cm_arena scratch);
/* To participant `receiver` alone, which may be outside: it passes planes and rows, and ret; the
 * parties pass x (rows and planes agree) and NULL, unless they receive. */
CM_MUST cm_status cm_mpc_open_bits_to(cm_mpc *mpc, unsigned receiver, cm_bcol x, unsigned planes,
                                      size_t rows, const cm_ticket *ticket,
                                      uint64_t *ret_plane_words, cm_arena scratch);

/*
 * z = x as unsigned number in Z_2^64: w = x.planes is at most 64.  Bits above w are 0.
 * At most 5 planes: 8w bytes a row at P0, 8 at P1 and P2, 2 rounds.  More: 10 rounds; 24 bytes a
 * row for w = 8, 34 for w = 64, of which 8 are a word and the rest ANDs.  The opening of a masked
 * value inside is counted as CM_TICKET_MASKED.
 */
CM_MUST cm_status cm_mpc_bits_to_ring(cm_mpc *mpc, cm_bcol x, cm_acol z, cm_arena scratch);
/* Each plane on its own: z[p] = plane p in Z_2^64.  8 bytes a row and plane, 2 rounds in all. */
CM_MUST cm_status cm_mpc_bit_to_ring(cm_mpc *mpc, cm_bcol x, const cm_acol *z, cm_arena scratch);
/* z = the w = z.planes least significant bits of x (at most 64): at most 9 rounds; for w = 64 26.5
 * bytes a row at P0, 22.5 at P1 and P2. */
CM_MUST cm_status cm_mpc_ring_to_bits(cm_mpc *mpc, cm_acol x, cm_bcol z, cm_arena scratch);

/* A fresh sharing of uniformly random bits, unknown to every party.  Local. */
void cm_mpc_random_bits(cm_mpc *mpc, cm_bcol z);

/*
 * Permutes the rows of all columns by one secret permutation that no party knows, and
 * re-randomises. In place; all columns have equal rows.  Two rounds; 8 bytes a row and ring column
 * and 1 bit a row and plane at two parties, twice that at the third; the parties take turns.
 */
CM_MUST cm_status cm_mpc_shuffle(cm_mpc *mpc, cm_acol *ring, size_t ring_count, cm_bcol *bits,
                                 size_t bits_count, cm_arena scratch);

/* Runs deferred checks of malicious protocols; openings do it themselves.  Free for rep3. */
CM_MUST cm_status cm_mpc_verify(cm_mpc *mpc);

/* Openings so far that this participant took part in, by kind, in values: rows of opened columns.
 */
uint64_t cm_mpc_opened(const cm_mpc *mpc, cm_ticket_kind kind);

#endif
