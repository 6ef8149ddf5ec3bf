/*
 * circuit/circuit_int.h - a circuit while it is built, and a finished program.
 *
 * Building (build.c): a circuit is an array of nodes in topological order.  A wire is twice the
 * number of a node, plus one when the wire is the node's complement; so NOT is a change of one bit,
 * and node 0 is the constant 0.  Operands of nodes are nodes, never complements: (x + 1)(y + 1) is
 * xy + x + y + 1, so an AND of complements is the AND of the nodes, corrected by free XORs.  All
 * four products of two wires and their complements therefore share one AND.
 *
 * Finishing (schedule.c): live gates are put into stages and every node gets a place.
 */
#ifndef CM_CIRCUIT_CIRCUIT_INT_H
#define CM_CIRCUIT_CIRCUIT_INT_H

#include "circuit/circuit.h"

typedef enum cm_node_kind { CM_NODE_INPUT, CM_NODE_XOR, CM_NODE_AND } cm_node_kind;

typedef struct cm_node {
    int32_t a, b;   /* XOR, AND: operands, a < b; input: a is the number of the input plane */
    uint32_t depth; /* ANDs on the longest way from an input */
    cm_node_kind kind;
} cm_node;

/* A list of wires or counts that grows; running out of memory is fatal here (sizes are public). */
typedef struct cm_list {
    cm_wire *item;
    size_t count;
    size_t capacity;
} cm_list;
void cm_list_push(cm_list *list, cm_wire item);
void cm_list_free(cm_list *list);

struct cm_circuit {
    uint64_t and_price, level_price; /* what decides between shapes */
    cm_node *node;
    size_t nodes;
    size_t nodes_capacity;
    int32_t *bucket; /* open addressing; 0 is empty, else the number of a gate */
    size_t buckets;  /* a power of two, at least twice the number of gates */
    cm_list input;   /* planes of each input column */
    cm_list output;  /* planes of each output column */
    cm_list result;  /* one wire per output plane */
    size_t input_planes;
};

/* What a way to do something costs, roughly; and whether the first of two is no dearer. */
typedef struct cm_guess {
    uint64_t ands, levels;
} cm_guess;
bool cm_circuit_prefers(const cm_circuit *c, cm_guess first, cm_guess second);
/* Whether to ripple through so many bits of an addition, whose prefix form takes `levels` levels
 * and so many ANDs. */
bool cm_circuit_ripples(const cm_circuit *c, unsigned bits, cm_guess prefix);

static inline int32_t cm_wire_node(cm_wire x)
{
    return x >> 1;
}

static inline bool cm_wire_negated(cm_wire x)
{
    return (x & 1) != 0;
}

/* ANDs on the longest way to x. */
unsigned cm_wire_depth(const cm_circuit *c, cm_wire x);
/* 1 where at least two of x, y, z are 1: one AND. */
cm_wire cm_gate_majority(cm_circuit *c, cm_wire x, cm_wire y, cm_wire z);
/* AND and OR of all wires, as shallow as their depths allow: count - 1 ANDs. */
cm_wire cm_gate_or_all(cm_circuit *c, const cm_wire *wires, size_t count);

/*
 * x + y + carry_in modulo 2^bits, and the carry out of the top bit when ret_carry is not NULL (it
 * then costs one AND more).  Operands are extended with zeros or cut.
 */
cm_num cm_num_add_carry(cm_circuit *c, cm_num x, cm_num y, cm_wire carry_in, unsigned bits,
                        cm_wire *ret_carry);
/* The carry alone of x + y + carry_in, at the cost of a comparison; equal bits. */
cm_wire cm_num_carry(cm_circuit *c, const cm_num *x, const cm_num *y, cm_wire carry_in);

/* Smallest k with 2^k >= value; 0 for 0 and 1. */
unsigned cm_ceil_log2(size_t value);

/*
 * Adding up many bits of different weights modulo 2^bits: columns of wires, column i has weight
 * 2^i, and constants.  What is pushed above the top is dropped.
 */
typedef struct cm_columns {
    unsigned bits;
    cm_list column[CM_NUM_MAX];
    int constant[CM_NUM_MAX]; /* multiples of 2^i */
} cm_columns;
void cm_columns_push(cm_columns *columns, unsigned weight, cm_wire x);
void cm_columns_add_constant(cm_columns *columns, unsigned weight, int multiple);
/* x 2^weight, -x 2^weight, and one of them as `plus` says; no ANDs.  The top bit of a signed number
 * counts negatively. */
void cm_columns_push_num(cm_circuit *c, cm_columns *columns, unsigned weight, const cm_num *x,
                         bool is_signed);
void cm_columns_push_minus(cm_circuit *c, cm_columns *columns, unsigned weight, const cm_num *x,
                           bool is_signed);
void cm_columns_push_plus_minus(cm_circuit *c, cm_columns *columns, unsigned weight,
                                const cm_num *x, bool is_signed, cm_wire plus);
/* 2 x y, or -2 x y; no ANDs. */
void cm_columns_push_product(cm_circuit *c, cm_columns *columns, const cm_num *x, bool x_signed,
                             const cm_num *y, bool y_signed, bool negative);
/* The sum, smallest number of ANDs: one per carry.  Empties columns. */
cm_num cm_columns_sum_serial(cm_circuit *c, cm_columns *columns);
/* Down to two rows that add up to the sum, in few levels.  Empties columns. */
void cm_columns_reduce(cm_circuit *c, cm_columns *columns, cm_num ret_rows[2]);
/* The sum: reduction to two rows in few levels, then one adder.  Empties columns. */
cm_num cm_columns_sum_tree(cm_circuit *c, cm_columns *columns);

/* table[index] in so many bits: at most 16 bits of index, 32 of value. */
cm_num cm_num_lookup(cm_circuit *c, const cm_num *index, const uint32_t *table, unsigned bits);

/* Division by a scaled divisor, as cm_num_divmod; not for every length of operands. */
bool cm_div_can_scale(unsigned x_bits, unsigned y_bits);
/* The factor N of div_scaled.c for the first bits below the divisor's top one; whole: there are no
 * others. */
uint32_t cm_div_factor(unsigned index_bits, uint32_t index, bool whole);
cm_guess cm_div_guess_scaled(unsigned x_bits, unsigned y_bits);
void cm_div_scaled(cm_circuit *c, const cm_num *x, const cm_num *y, cm_num *ret_quotient,
                   cm_num *ret_remainder);

/*
 * A place is where a plane of a program lives: input planes first, then output planes, then slots
 * of scratch memory, which are used again when their value is dead.  Steps name places; the last
 * stage has no ANDs.
 */
/* How an output plane gets its value, besides the steps that write into it. */
typedef struct cm_result {
    uint32_t from; /* place to copy from; its own place: nothing to copy */
    bool is_const; /* the plane is the constant `flip` */
    bool flip;     /* complement it when all is done */
} cm_result;

struct cm_program {
    cm_circuit_cost cost;
    uint32_t *input_planes;  /* per input column */
    uint32_t *output_planes; /* per output column */
    size_t inputs_total;     /* planes of all inputs */
    size_t outputs_total;
    size_t slots;
    size_t stages;
    size_t widest; /* most ANDs in one stage */
    cm_stage *stage;
    cm_step *xor_step;
    cm_step *and_step;
    cm_result *result; /* per output plane */
};

/* cm_program_run with a bound of its own on the scratch of one window; at least 64 rows a window.
 */
CM_MUST cm_status cm_program_run_windows(const cm_program *program, cm_mpc *mpc,
                                         const cm_bcol *inputs, const cm_bcol *outputs,
                                         size_t window_bytes, cm_arena scratch);

/* calloc that asserts: sizes of programs are public and decided by us. */
CM_MUST void *cm_circuit_calloc(size_t count, size_t item_bytes);

#endif
