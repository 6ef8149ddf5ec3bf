/* The operations that `comity bench` measures, row by row: gates, circuits, ring words. */
#include "cli/bench.h"

#include <string.h>

enum { RING_BITS = 64 };

typedef struct inputs {
    cm_bcol x, y, z;
    cm_acol a, b, c;
    cm_acol *ring;
    uint64_t *clear;
    size_t rows;
} inputs;

static inputs *new_inputs(cm_bench_party *p, size_t rows)
{
    inputs *in = CM_NEW(p->arena, inputs, 1);
    in->rows = rows;
    return in;
}

static cm_bcol empty_column(cm_bench_party *p, unsigned planes, size_t rows)
{
    return cm_bcol_new(p->arena, cm_mpc_legs(p->mpc), planes, rows);
}

static cm_bcol random_column(cm_bench_party *p, unsigned planes, size_t rows)
{
    cm_bcol ret = empty_column(p, planes, rows);
    cm_mpc_random_bits(p->mpc, ret);
    return ret;
}

/* Any legs are a sharing of something; these are no pages of zeros that nobody has touched. */
static cm_acol ring_column(cm_bench_party *p, size_t rows)
{
    cm_acol ret = cm_acol_new(p->arena, cm_mpc_legs(p->mpc), rows);
    for (unsigned k = 0; k < cm_mpc_legs(p->mpc); k++) {
        memset(ret.leg[k], 0x5a, rows * sizeof *ret.leg[k]);
    }
    return ret;
}

static double column_bytes(cm_bench_party *p, size_t rows, unsigned bits)
{
    return (double)cm_words_of(rows) * bits * sizeof(uint64_t) * cm_mpc_legs(p->mpc);
}

/* ---- gates and circuits ------------------------------------------------------------------- */

static void *prepare_pair(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p, rows);
    in->x = random_column(p, bits, rows);
    in->y = random_column(p, bits, rows);
    in->z = empty_column(p, bits, rows);
    return in;
}

static void *prepare_and(cm_bench_party *p, size_t rows, unsigned bits)
{
    p->work = (cm_bench_work){.ands = (double)rows * bits};
    return prepare_pair(p, rows, bits);
}

static cm_status run_and(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_mpc_and_col(p->mpc, in->x, in->y, in->z, p->scratch);
}

static void *prepare_xor(cm_bench_party *p, size_t rows, unsigned bits)
{
    p->work = (cm_bench_work){.touched = 3 * column_bytes(p, rows, bits)};
    return prepare_pair(p, rows, bits);
}

static cm_status run_xor(cm_bench_party *p, void *input)
{
    (void)p;
    inputs *in = input;
    cm_bcol_xor(in->x, in->y, in->z);
    return CM_OK;
}

typedef cm_num build_fn(cm_circuit *c, cm_num x, cm_num y);

static cm_num build_eq(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_of_wire(cm_num_eq(c, x, y));
}

static cm_num build_lt(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_of_wire(cm_num_lt(c, x, y));
}

static cm_num build_add(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_add(c, x, y, x.bits);
}

static cm_num build_mul(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_mul(c, x, y, x.bits);
}

static cm_num build_div(cm_circuit *c, cm_num x, cm_num y)
{
    cm_num quotient;
    cm_num remainder;
    cm_num_divmod(c, x, y, &quotient, &remainder);
    return quotient;
}

static cm_num build_max(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_max(c, x, y);
}

static cm_num build_sqrt(cm_circuit *c, cm_num x, cm_num y)
{
    (void)y;
    return cm_num_sqrt(c, x);
}

/* Sixteen numbers, eight of them shifted, so that no two are the same. */
static cm_num build_sum(cm_circuit *c, cm_num x, cm_num y)
{
    cm_num terms[16];
    for (unsigned i = 0; i < CM_COUNT(terms); i++) {
        terms[i] = cm_num_shift_left(i % 2 == 0 ? x : y, i / 2);
    }
    return cm_num_sum(c, terms, CM_COUNT(terms), x.bits);
}

/* Two numbers into one result; the program is made once. */
static void *prepare_circuit(cm_bench_party *p, size_t rows, unsigned bits, build_fn *build,
                             unsigned result_bits)
{
    inputs *in = prepare_pair(p, rows, bits);
    in->z = empty_column(p, result_bits, rows);
    if (p->program == NULL) {
        cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
        cm_num x = cm_circuit_input(c, bits);
        cm_num y = cm_circuit_input(c, bits);
        cm_num z = build(c, x, y);
        cm_circuit_output(c, &z);
        p->program = cm_circuit_finish(c);
        cm_circuit_free(c);
    }
    p->work = (cm_bench_work){.ands = (double)rows * (double)cm_program_cost(p->program).ands};
    return in;
}

static void *prepare_eq(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_circuit(p, rows, bits, build_eq, 1);
}

static void *prepare_lt(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_circuit(p, rows, bits, build_lt, 1);
}

static void *prepare_add(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_circuit(p, rows, bits, build_add, bits);
}

static void *prepare_mul(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_circuit(p, rows, bits, build_mul, bits);
}

static void *prepare_div(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_circuit(p, rows, bits, build_div, bits);
}

static void *prepare_max(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_circuit(p, rows, bits, build_max, bits);
}

static void *prepare_sqrt(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_circuit(p, rows, bits, build_sqrt, (bits + 1) / 2);
}

static void *prepare_sum(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_circuit(p, rows, bits, build_sum, bits);
}

static cm_status run_program(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const cm_bcol ins[] = {in->x, in->y};
    const cm_bcol outs[] = {in->z};
    return cm_program_run(p->program, p->mpc, ins, outs, p->scratch);
}

/* ---- ring words --------------------------------------------------------------------------- */

static inputs *prepare_ring(cm_bench_party *p, size_t rows, size_t result_rows)
{
    inputs *in = new_inputs(p, rows);
    in->a = ring_column(p, rows);
    in->b = ring_column(p, rows);
    in->c = ring_column(p, result_rows);
    return in;
}

static void *prepare_ring_add(cm_bench_party *p, size_t rows, unsigned bits)
{
    (void)bits;
    p->work = (cm_bench_work){.touched = 3.0 * sizeof(cm_a64) * cm_mpc_legs(p->mpc) * (double)rows};
    return prepare_ring(p, rows, rows);
}

static cm_status run_ring_add(cm_bench_party *p, void *input)
{
    (void)p;
    inputs *in = input;
    cm_acol_add(in->a, in->b, in->c);
    return CM_OK;
}

static void *prepare_ring_mul(cm_bench_party *p, size_t rows, unsigned bits)
{
    (void)bits;
    p->work = (cm_bench_work){.products = (double)rows};
    return prepare_ring(p, rows, rows);
}

static cm_status run_ring_mul(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_mpc_mul(p->mpc, in->a, in->b, in->c, p->scratch);
}

/* No randomness per row: what binds is reading both columns. */
static void *prepare_dot(cm_bench_party *p, size_t rows, unsigned bits)
{
    (void)bits;
    p->work = (cm_bench_work){.touched = 2.0 * sizeof(cm_a64) * cm_mpc_legs(p->mpc) * (double)rows};
    return prepare_ring(p, rows, 1);
}

static cm_status run_dot(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_mpc_dot(p->mpc, &in->a, &in->b, 1, in->c, p->scratch);
}

/* ---- conversions, inputs, openings -------------------------------------------------------- */

static void *prepare_convert(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p, rows);
    in->a = ring_column(p, rows);
    in->x = random_column(p, bits, rows);
    return in;
}

static cm_status run_bits_to_ring(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_mpc_bits_to_ring(p->mpc, in->x, in->a, p->scratch);
}

static cm_status run_ring_to_bits(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_mpc_ring_to_bits(p->mpc, in->a, in->x, p->scratch);
}

static void *prepare_bit_to_ring(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p, rows);
    in->x = random_column(p, bits, rows);
    in->ring = CM_NEW(p->arena, cm_acol, bits);
    for (unsigned i = 0; i < bits; i++) {
        in->ring[i] = ring_column(p, rows);
    }
    return in;
}

static cm_status run_bit_to_ring(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_mpc_bit_to_ring(p->mpc, in->x, in->ring, p->scratch);
}

/* Clear planes at everybody: the owner's input, or the place of an opening. */
static void *prepare_clear(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p, rows);
    in->x = random_column(p, bits, rows);
    in->clear = CM_NEW(p->arena, uint64_t, bits * cm_words_of(rows));
    return in;
}

static cm_status run_input(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const uint64_t *mine = cm_mpc_me(p->mpc) == 0 ? in->clear : NULL;
    return cm_mpc_input_bits(p->mpc, 0, mine, in->x.planes, in->rows, in->x, p->scratch);
}

static cm_status run_open(cm_bench_party *p, void *input)
{
    static const cm_ticket TICKET = {CM_TICKET_MASKED, "bench: bits that nobody chose"};
    inputs *in = input;
    return cm_mpc_open_bits(p->mpc, in->x, &TICKET, in->clear, p->scratch);
}

/* ---- the list ----------------------------------------------------------------------------- */

static const cm_bench_op OPS[] = {
    {"and", "AND of two columns", 1 << 20, 64, 1, 64, prepare_and, run_and},
    {"xor", "XOR of two columns, local", 1 << 20, 64, 1, 64, prepare_xor, run_xor},
    {"eq", "equality", 1 << 20, 64, 1, 64, prepare_eq, run_program},
    {"lt", "less-than, unsigned", 1 << 20, 64, 1, 64, prepare_lt, run_program},
    {"add", "addition of planes", 1 << 20, 64, 1, 64, prepare_add, run_program},
    {"mul", "multiplication of planes", 1 << 16, 64, 1, 64, prepare_mul, run_program},
    {"max", "the greater of two", 1 << 20, 64, 1, 64, prepare_max, run_program},
    {"sum", "sum of sixteen numbers", 1 << 16, 64, 1, 64, prepare_sum, run_program},
    {"sqrt", "integer square root", 1 << 14, 64, 1, 64, prepare_sqrt, run_program},
    {"div", "exact division", 1 << 14, 64, 1, 64, prepare_div, run_program},
    {"ring_add", "addition in Z_2^64, local", 1 << 20, RING_BITS, RING_BITS, RING_BITS,
     prepare_ring_add, run_ring_add},
    {"ring_mul", "multiplication in Z_2^64", 1 << 20, RING_BITS, RING_BITS, RING_BITS,
     prepare_ring_mul, run_ring_mul},
    {"dot", "one dot product in Z_2^64", 1 << 20, RING_BITS, RING_BITS, RING_BITS, prepare_dot,
     run_dot},
    {"ring_to_bits", "ring words to planes", 1 << 20, 64, 1, 64, prepare_convert, run_ring_to_bits},
    {"bits_to_ring", "planes to ring words", 1 << 18, 64, 1, 64, prepare_convert, run_bits_to_ring},
    {"bit_to_ring", "each plane to ring words 0 and 1", 1 << 20, 1, 1, 64, prepare_bit_to_ring,
     run_bit_to_ring},
    {"input", "input by one party", 1 << 20, 64, 1, 64, prepare_clear, run_input},
    {"open", "opening to all parties", 1 << 20, 64, 1, 64, prepare_clear, run_open},
};

const cm_bench_op *cm_bench_row_ops(size_t *ret_count)
{
    *ret_count = CM_COUNT(OPS);
    return OPS;
}

const cm_bench_op *cm_bench_op_at(size_t i)
{
    size_t rows_count = 0;
    size_t tables_count = 0;
    const cm_bench_op *rows = cm_bench_row_ops(&rows_count);
    const cm_bench_op *tables = cm_bench_table_ops(&tables_count);
    if (i < rows_count) {
        return &rows[i];
    }
    return i - rows_count < tables_count ? &tables[i - rows_count] : NULL;
}

const cm_bench_op *cm_bench_find(const char *name)
{
    const cm_bench_op *op;
    size_t i = 0;
    while ((op = cm_bench_op_at(i)) != NULL && strcmp(op->name, name) != 0) {
        i++;
    }
    return op;
}
