/*
 * circuit/circuit.h - gate programs: straight-line code over planes, and the arithmetic written in
 * it.
 *
 * A program is built once, from public information alone, and run over any number of rows.  XOR and
 * NOT are free; AND costs one bit per row.  Building folds constants (x AND 0, x XOR x, ...),
 * shares equal gates, drops gates that no output needs, and puts ANDs into levels; all ANDs of a
 * level, of whatever circuits the program holds, travel in one message.  So independent circuits of
 * one operator should be built into one program.
 *
 * Numbers are vectors of wires, least significant first.  Unsigned unless a function says signed.
 */
#ifndef CM_CIRCUIT_CIRCUIT_H
#define CM_CIRCUIT_CIRCUIT_H

#include "base/arena.h"
#include "proto/proto.h"

typedef struct cm_circuit cm_circuit; /* a program being built */
typedef struct cm_program cm_program; /* finished, immutable */

typedef int32_t cm_wire;
#define CM_WIRE_0 ((cm_wire)0) /* the constants */
#define CM_WIRE_1 ((cm_wire)1)

enum { CM_NUM_MAX = 640 };
typedef struct cm_num { /* a number of so many bits; small enough to pass by value */
    unsigned bits;
    cm_wire wire[CM_NUM_MAX];
} cm_num;

/* What to prefer where a circuit has two shapes: fewest ANDs, or fewest rounds. */
typedef enum cm_shape { CM_SHAPE_FEW_ROUNDS, CM_SHAPE_FEW_BITS } cm_shape;

cm_circuit *cm_circuit_new(cm_shape shape);
/*
 * The same for a program that will run over so many rows: each circuit of it takes the shape that
 * costs less there, where a round costs as much as cm_mpc_round_bytes(mpc) bytes: few rounds for
 * few rows, few bits for very many.  All parties build the same program.
 */
cm_circuit *cm_circuit_new_for(const cm_mpc *mpc, size_t rows);
/* The same where such a price is known but no session. */
cm_circuit *cm_circuit_new_priced(size_t rows, size_t round_bytes);
void cm_circuit_free(cm_circuit *c); /* NULL allowed; also after cm_circuit_finish */

/* The next input column of the program, with so many planes; inputs are numbered from 0. */
cm_num cm_circuit_input(cm_circuit *c, unsigned planes);
/* The next output column. */
void cm_circuit_output(cm_circuit *c, const cm_num *x);
void cm_circuit_output_wire(cm_circuit *c, cm_wire x);

/* Gates. */
cm_wire cm_gate_xor(cm_circuit *c, cm_wire x, cm_wire y);
cm_wire cm_gate_and(cm_circuit *c, cm_wire x, cm_wire y);
cm_wire cm_gate_or(cm_circuit *c, cm_wire x, cm_wire y);
cm_wire cm_gate_not(cm_circuit *c, cm_wire x);
cm_wire cm_gate_mux(cm_circuit *c, cm_wire condition, cm_wire if_one, cm_wire if_zero);

/* Numbers.  value in two's complement, cut to bits. */
cm_num cm_num_const(cm_i128 value, unsigned bits);
cm_num cm_num_of_wire(cm_wire x);
cm_num cm_num_zero_extend(cm_num x, unsigned bits); /* cuts when shorter */
cm_num cm_num_sign_extend(cm_num x, unsigned bits);
cm_num cm_num_shift_left(cm_num x, unsigned by); /* grows by `by` bits */
cm_num cm_num_concat(cm_num low, cm_num high);
cm_num cm_num_xor(cm_circuit *c, cm_num x, cm_num y);
cm_num cm_num_not(cm_circuit *c, cm_num x);
cm_num cm_num_mask(cm_circuit *c, cm_num x, cm_wire keep); /* keep ? x : 0 */

/* Comparisons; operands are extended to the longer one. */
cm_wire cm_num_eq(cm_circuit *c, cm_num x, cm_num y); /* w - 1 ANDs, ceil(log2 w) levels */
/* Few rounds: about 2.5w ANDs, 1 + ceil(log2 w) levels.  Few bits: w ANDs in w levels. */
cm_wire cm_num_lt(cm_circuit *c, cm_num x, cm_num y);
cm_wire cm_num_slt(cm_circuit *c, cm_num x, cm_num y); /* signed */
cm_wire cm_num_is_zero(cm_circuit *c, cm_num x);
cm_num cm_num_mux(cm_circuit *c, cm_wire condition, cm_num if_one, cm_num if_zero); /* w, 1 */
/* The greater and the lesser of two unsigned numbers: a comparison and w ANDs in a level. */
cm_num cm_num_max(cm_circuit *c, cm_num x, cm_num y);
cm_num cm_num_min(cm_circuit *c, cm_num x, cm_num y);

/*
 * Arithmetic modulo 2^bits of the result, which the caller chooses wide enough.  Operands are
 * extended with zeros: extend signed ones to `bits` first.
 */
cm_num cm_num_add(cm_circuit *c, cm_num x, cm_num y, unsigned bits);
/* Of many numbers: for n of them of `bits` bits about n - 2 adders' ANDs, in log2 n levels more
 * than one adder's. */
cm_num cm_num_sum(cm_circuit *c, const cm_num *terms, size_t count, unsigned bits);
cm_num cm_num_sub(cm_circuit *c, cm_num x, cm_num y, unsigned bits);
cm_num cm_num_neg(cm_circuit *c, cm_num x, unsigned bits);
cm_num cm_num_add_const(cm_circuit *c, cm_num x, cm_i128 value, unsigned bits);
cm_num cm_num_mul(cm_circuit *c, cm_num x, cm_num y, unsigned bits);
cm_num cm_num_mul_const(cm_circuit *c, cm_num x, cm_i128 value, unsigned bits);
/* Number of ones among wires, in the bits that count needs (none for count 0); < count ANDs. */
cm_num cm_num_popcount(cm_circuit *c, const cm_wire *wires, size_t count);
/*
 * Exact unsigned division: quotient (x.bits bits) and remainder (y.bits bits).  Divisor 0 gives a
 * quotient of all ones and remainder x cut to y.bits: the caller raises the flag. y.bits is less
 * than CM_NUM_MAX - 4.  Few rounds: eleven quotient bits a step of nine levels, about 2.3 x.bits *
 * y.bits ANDs (64 by 64 bits: 9400 ANDs, 81 levels), or for x of less than some 24 bits, four bits
 * a step; few bits: about x.bits * y.bits ANDs and levels.
 */
void cm_num_divmod(cm_circuit *c, cm_num x, cm_num y, cm_num *ret_quotient, cm_num *ret_remainder);

/*
 * The square root, rounded down, of ceil(x.bits / 2) bits k.  About k^2 ANDs in k log2 k levels
 * with few rounds, k^2 / 2 ANDs and levels with few bits.
 */
cm_num cm_num_sqrt(cm_circuit *c, cm_num x);

/* What a finished program costs, for cost models and tests. */
typedef struct cm_circuit_cost {
    size_t ands;    /* per row */
    size_t levels;  /* rounds */
    size_t inputs;  /* columns */
    size_t outputs; /* columns */
} cm_circuit_cost;

/* Program lives until cm_program_free; the circuit is no longer used except to be freed. */
cm_program *cm_circuit_finish(cm_circuit *c);
void cm_program_free(cm_program *program);
cm_circuit_cost cm_program_cost(const cm_program *program);

/*
 * Runs the program over inputs (planes as declared, equal rows, which may be borrowed from a longer
 * column) into outputs (planes as declared), which overlap no input.  Rounds: levels.  Bytes: ands
 * * rows / 8.  Scratch stays below 256 MiB and a little: where a program's values need more for all
 * rows, rows are processed in windows, and each window takes all the rounds.  On failure outputs
 * are wiped.
 */
CM_MUST cm_status cm_program_run(const cm_program *program, cm_mpc *mpc, const cm_bcol *inputs,
                                 const cm_bcol *outputs, cm_arena scratch);
/* The same on public values: packed planes as in cm_planes_pack; bits past the last row become 0.
 */
void cm_program_run_public(const cm_program *program, const uint64_t *const *inputs, size_t rows,
                           uint64_t *const *outputs);

#endif
