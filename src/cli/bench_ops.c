/* The operations that `comity bench` measures. */
#include "cli/bench.h"

#include <string.h>

typedef struct inputs {
    size_t rows;
    cm_bcol x, y, z;
    cm_acol a, b;
    cm_acol *ring;
    cm_program *program;
    cm_table table, other;
} inputs;

static inputs *new_inputs(cm_bench_party *p, size_t rows)
{
    inputs *in = CM_NEW(p->arena, inputs, 1);
    in->rows = rows;
    return in;
}

static cm_bcol random_column(cm_bench_party *p, unsigned planes, size_t rows)
{
    cm_bcol ret = cm_bcol_new(p->arena, cm_mpc_legs(p->mpc), planes, rows);
    cm_mpc_random_bits(p->mpc, ret);
    return ret;
}

static cm_bcol empty_column(cm_bench_party *p, unsigned planes, size_t rows)
{
    return cm_bcol_new(p->arena, cm_mpc_legs(p->mpc), planes, rows);
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

static cm_status run_and(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_mpc_and_col(p->mpc, in->x, in->y, in->z, p->scratch);
}

static cm_status run_program(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const cm_bcol ins[] = {in->x, in->y};
    const cm_bcol outs[] = {in->z};
    return cm_program_run(in->program, p->mpc, ins, outs, p->scratch);
}

static void *prepare_compare(cm_bench_party *p, size_t rows, unsigned bits, bool equal)
{
    inputs *in = prepare_pair(p, rows, bits);
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, bits);
    cm_num y = cm_circuit_input(c, bits);
    cm_circuit_output_wire(c, equal ? cm_num_eq(c, x, y) : cm_num_lt(c, x, y));
    in->program = cm_circuit_finish(c);
    cm_circuit_free(c);
    in->z = empty_column(p, 1, rows);
    return in;
}

static void *prepare_eq(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_compare(p, rows, bits, true);
}

static void *prepare_lt(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_compare(p, rows, bits, false);
}

static void *prepare_div(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = prepare_pair(p, rows, bits);
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, bits);
    cm_num y = cm_circuit_input(c, bits);
    cm_num quotient;
    cm_num remainder;
    cm_num_divmod(c, x, y, &quotient, &remainder);
    cm_circuit_output(c, &quotient);
    in->program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return in;
}

/* ---- conversions, shuffle ----------------------------------------------------------------- */

static void *prepare_convert(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p, rows);
    in->x = random_column(p, bits, rows);
    in->z = empty_column(p, bits, rows);
    in->a = cm_acol_new(p->arena, cm_mpc_legs(p->mpc), rows);
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
    return cm_mpc_ring_to_bits(p->mpc, in->a, in->z, p->scratch);
}

static cm_status run_shuffle(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_mpc_shuffle(p->mpc, &in->a, 1, NULL, 0, p->scratch);
}

/* ---- tables ------------------------------------------------------------------------------- */

/* Column 0 is a key below rows, column 1 a value of 32 bits; all rows count. */
static cm_table key_table(cm_bench_party *p, size_t rows, unsigned bits)
{
    const unsigned planes[] = {bits, 32};
    const bool nullable[] = {false, false};
    cm_table t = cm_table_new(p->arena, cm_mpc_legs(p->mpc), rows, 2, planes, nullable);
    cm_mpc_random_bits(p->mpc, t.col[0].data);
    cm_mpc_random_bits(p->mpc, t.col[1].data);
    cm_mpc_set_public(p->mpc, t.valid, 0, true);
    return t;
}

/* Public keys 0, 1, 2, ...: distinct. */
static void set_distinct_keys(cm_bench_party *p, cm_table *t, unsigned bits)
{
    uint64_t *values = CM_NEW(p->arena, uint64_t, t->rows);
    uint64_t *planes = CM_NEW(p->arena, uint64_t, bits * cm_words_of(t->rows));
    for (size_t r = 0; r < t->rows; r++) {
        values[r] = r;
    }
    cm_planes_pack(values, 1, t->rows, bits, planes);
    cm_mpc_public_bits(p->mpc, planes, t->col[0].data);
}

static void *prepare_sort(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p, rows);
    const unsigned planes[] = {bits};
    const bool nullable[] = {false};
    in->table = cm_table_new(p->arena, cm_mpc_legs(p->mpc), rows, 1, planes, nullable);
    cm_mpc_random_bits(p->mpc, in->table.col[0].data);
    cm_mpc_set_public(p->mpc, in->table.valid, 0, true);
    return in;
}

static cm_status run_sort(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const cm_sort_key key = {0};
    return cm_table_sort(p->mpc, &in->table, &key, 1, false, p->arena, p->scratch);
}

static void *prepare_group(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p, rows);
    in->table = key_table(p, rows, bits);
    return in;
}

static cm_status run_group(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const unsigned key = 0;
    const cm_agg sum = {.kind = CM_AGG_SUM, .col = 1, .planes = 64};
    cm_table ret;
    return cm_table_group_sort(p->mpc, &in->table, &key, 1, 0, &sum, 1, p->arena, &ret, p->scratch);
}

/* rows / 2 rows on each side. */
static void *prepare_join(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p, rows);
    in->table = key_table(p, rows / 2, bits);
    in->other = key_table(p, rows - rows / 2, bits);
    set_distinct_keys(p, &in->table, bits);
    return in;
}

static cm_status join(cm_bench_party *p, inputs *in, cm_table *ret)
{
    const unsigned key = 0;
    const unsigned payload = 1;
    const cm_join_spec spec = {.kind = CM_JOIN_INNER,
                               .keys = 1,
                               .unique_key = &key,
                               .other_key = &key,
                               .payload_cols = 1,
                               .payload = &payload};
    return cm_table_join_unique(p->mpc, &in->table, &in->other, &spec, p->arena, ret, p->scratch);
}

static cm_status run_join(cm_bench_party *p, void *input)
{
    cm_table ret;
    return join(p, input, &ret);
}

static cm_status run_join_group(cm_bench_party *p, void *input)
{
    inputs *in = input;
    cm_table joined;
    cm_table ret;
    const unsigned key = 2; /* the carried value */
    const cm_agg sum = {.kind = CM_AGG_SUM, .col = 1, .planes = 64};
    cm_status st = join(p, in, &joined);
    if (st == CM_OK) {
        st = cm_table_group_sort(p->mpc, &joined, &key, 1, 0, &sum, 1, p->arena, &ret, p->scratch);
    }
    return st;
}

/* ---- the list ----------------------------------------------------------------------------- */

static double one_per_bit(size_t rows, unsigned bits)
{
    return (double)rows * bits;
}

static const cm_bench_op OPS[] = {
    {"and", "AND of two columns", 1 << 20, 64, prepare_pair, run_and, one_per_bit},
    {"eq", "equality", 1 << 20, 64, prepare_eq, run_program, one_per_bit},
    {"lt", "less-than", 1 << 20, 64, prepare_lt, run_program, NULL},
    {"div", "exact division", 1 << 14, 64, prepare_div, run_program, NULL},
    {"ring_to_bits", "ring words to planes", 1 << 20, 64, prepare_convert, run_ring_to_bits, NULL},
    {"bits_to_ring", "planes to ring words", 1 << 18, 64, prepare_convert, run_bits_to_ring, NULL},
    {"shuffle", "secret shuffle of one ring column", 1 << 20, 64, prepare_convert, run_shuffle,
     NULL},
    {"sort", "sort by one key", 1 << 16, 64, prepare_sort, run_sort, NULL},
    {"group_sum", "GROUP BY with sum, by sort", 1 << 16, 32, prepare_group, run_group, NULL},
    {"join", "join with one unique side, half the rows each", 1 << 17, 32, prepare_join, run_join,
     NULL},
    {"join_group", "that join, and a GROUP BY over it", 1 << 17, 32, prepare_join, run_join_group,
     NULL},
};

const cm_bench_op *cm_bench_ops(size_t *ret_count)
{
    *ret_count = CM_COUNT(OPS);
    return OPS;
}

const cm_bench_op *cm_bench_find(const char *name)
{
    for (size_t i = 0; i < CM_COUNT(OPS); i++) {
        if (strcmp(OPS[i].name, name) == 0) {
            return &OPS[i];
        }
    }
    return NULL;
}
