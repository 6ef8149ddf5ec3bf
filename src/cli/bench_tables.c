/* The operations that `comity bench` measures on whole tables. */
#include "cli/bench.h"

enum { VALUE_PLANES = 32, SUM_PLANES = 64, DOMAIN_PLANES = 4, DAY_PLANES = 16, FIRST_ROWS = 100 };

typedef struct inputs {
    cm_table table, other;
    cm_bcol flag;
    cm_runs runs;
    cm_acol word;
    cm_u128 domain[1 << DOMAIN_PLANES];
} inputs;

static inputs *new_inputs(cm_bench_party *p)
{
    return CM_NEW(p->arena, inputs, 1);
}

/* Column 0 is a random key, column 1 a random value; all rows count. */
static cm_table key_table(cm_bench_party *p, size_t rows, unsigned key_planes,
                          unsigned value_planes)
{
    const unsigned planes[] = {key_planes, value_planes};
    const bool nullable[] = {false, false};
    unsigned cols = value_planes > 0 ? 2 : 1;
    cm_table t = cm_table_new(p->arena, cm_mpc_legs(p->mpc), rows, cols, planes, nullable);
    for (unsigned i = 0; i < cols; i++) {
        cm_mpc_random_bits(p->mpc, t.col[i].data);
    }
    cm_mpc_set_public(p->mpc, t.valid, 0, true);
    return t;
}

/* Public keys. */
static void set_values(cm_bench_party *p, cm_table *t, unsigned bits, const uint64_t *values)
{
    uint64_t *planes = CM_NEW(p->arena, uint64_t, bits * cm_words_of(t->rows));
    cm_planes_pack(values, 1, t->rows, bits, planes);
    cm_mpc_public_bits(p->mpc, planes, t->col[0].data);
}

/* 0, 1, 2, ..., each `times` times. */
static void set_keys(cm_bench_party *p, cm_table *t, unsigned bits, size_t times)
{
    uint64_t *values = CM_NEW(p->arena, uint64_t, t->rows);
    for (size_t r = 0; r < t->rows; r++) {
        values[r] = r / times;
    }
    set_values(p, t, bits, values);
}

/* ---- order -------------------------------------------------------------------------------- */

static void *prepare_shuffle(cm_bench_party *p, size_t rows, unsigned bits)
{
    (void)bits;
    inputs *in = new_inputs(p);
    in->word = cm_acol_new(p->arena, cm_mpc_legs(p->mpc), rows);
    return in;
}

static cm_status run_shuffle(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_mpc_shuffle(p->mpc, &in->word, 1, NULL, 0, p->scratch);
}

static void *prepare_sort(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p);
    in->table = key_table(p, rows, bits, 0);
    return in;
}

static cm_status run_sort(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const cm_sort_key key = {0};
    return cm_table_sort(p->mpc, &in->table, &key, 1, false, p->arena, p->scratch);
}

/* Runs whose keys interleave, as long as each other but for the last. */
static inputs *prepare_runs(cm_bench_party *p, size_t rows, unsigned bits, size_t runs)
{
    inputs *in = prepare_sort(p, rows, bits);
    size_t *lengths = CM_NEW(p->arena, size_t, runs);
    uint64_t *values = CM_NEW(p->arena, uint64_t, rows);
    for (size_t i = 0, at = 0; i < runs; i++) {
        lengths[i] = i + 1 < runs ? rows / runs : rows - at;
        for (size_t r = 0; r < lengths[i]; r++) {
            values[at++] = r * runs + i;
        }
    }
    set_values(p, &in->table, bits, values);
    in->runs = (cm_runs){.count = runs, .rows = lengths, .way = CM_ORDER_MERGE};
    return in;
}

static void *prepare_merge(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_runs(p, rows, bits, 2);
}

static void *prepare_merge_3(cm_bench_party *p, size_t rows, unsigned bits)
{
    return prepare_runs(p, rows, bits, 3);
}

static cm_status run_merge(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const cm_sort_key key = {0};
    return cm_table_sort_runs(p->mpc, &in->table, &key, 1, false, &in->runs, p->arena, p->scratch);
}

static cm_status run_order(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const cm_sort_key key = {0};
    size_t rows = in->table.rows < FIRST_ROWS ? in->table.rows : FIRST_ROWS;
    cm_table ret;
    return cm_table_order(p->mpc, &in->table, &key, 1, rows, p->arena, &ret, p->scratch);
}

static void *prepare_partition(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = prepare_sort(p, rows, bits);
    in->flag = cm_bcol_new(p->arena, cm_mpc_legs(p->mpc), 1, rows);
    cm_mpc_random_bits(p->mpc, in->flag);
    return in;
}

static cm_status run_partition(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return cm_table_partition(p->mpc, &in->table, in->flag, p->arena, p->scratch);
}

/* ---- groups ------------------------------------------------------------------------------- */

static void *prepare_group(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p);
    in->table = key_table(p, rows, bits, VALUE_PLANES);
    return in;
}

static cm_status sum_by_sort(cm_bench_party *p, const cm_table *table, unsigned key,
                             const cm_runs *runs)
{
    const cm_agg sum = {.kind = CM_AGG_SUM, .col = 1, .planes = SUM_PLANES};
    cm_table ret;
    return cm_table_group_sort(p->mpc, table, &key, 1, 0, &sum, 1, runs, p->arena, &ret,
                               p->scratch);
}

static cm_status run_group_sum(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return sum_by_sort(p, &in->table, 0, NULL);
}

static void *prepare_group_runs(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = prepare_runs(p, rows, bits, 2);
    cm_runs runs = in->runs;
    cm_bcol key = in->table.col[0].data;
    in->table = key_table(p, rows, bits, VALUE_PLANES);
    in->table.col[0].data = key;
    in->runs = runs;
    in->runs.valid_first = true;
    in->runs.way = CM_ORDER_BEST;
    return in;
}

static cm_status run_group_runs(cm_bench_party *p, void *input)
{
    inputs *in = input;
    return sum_by_sort(p, &in->table, 0, &in->runs);
}

static void *prepare_group_domain(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = prepare_group(p, rows, bits);
    for (unsigned i = 0; i < 1U << bits; i++) {
        in->domain[i] = i;
    }
    return in;
}

static cm_status run_group_domain(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const unsigned key = 0;
    const cm_agg sum = {.kind = CM_AGG_SUM, .col = 1, .planes = SUM_PLANES};
    cm_table ret;
    return cm_table_group_domain(p->mpc, &in->table, &key, 1, in->domain,
                                 (size_t)1 << in->table.col[0].data.planes, &sum, 1, p->arena, &ret,
                                 p->scratch);
}

/* ---- joins -------------------------------------------------------------------------------- */

/* Half of the rows on each side; the column that is copied is as wide as the key. */
static void *prepare_join(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p);
    in->table = key_table(p, rows / 2, bits, bits);
    in->other = key_table(p, rows - rows / 2, bits, VALUE_PLANES);
    set_keys(p, &in->table, bits, 1);
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
                               .payload = &payload,
                               .unique_runs = {.count = in->runs.count, .rows = &in->table.rows},
                               .other_runs = {.count = in->runs.count, .rows = &in->other.rows}};
    return cm_table_join_unique(p->mpc, &in->table, &in->other, &spec, p->arena, ret, p->scratch);
}

static cm_status run_join(cm_bench_party *p, void *input)
{
    cm_table ret;
    return join(p, input, &ret);
}

/* Each side is one run. */
static void *prepare_join_runs(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = prepare_join(p, rows, bits);
    set_keys(p, &in->other, bits, 1);
    in->runs.count = 1;
    return in;
}

static cm_status run_join_group(cm_bench_party *p, void *input)
{
    cm_table joined;
    cm_status st = join(p, input, &joined);
    return st == CM_OK ? sum_by_sort(p, &joined, 2, NULL) : st; /* by the column that was copied */
}

/* ---- many to many -------------------------------------------------------------------------- */

/* Each key twice on both sides: as many pairs as rows. */
static void *prepare_join_many(cm_bench_party *p, size_t rows, unsigned bits)
{
    inputs *in = new_inputs(p);
    in->table = key_table(p, rows / 2, bits, VALUE_PLANES);
    in->other = key_table(p, rows - rows / 2, bits, VALUE_PLANES);
    set_keys(p, &in->table, bits, 2);
    set_keys(p, &in->other, bits, 2);
    return in;
}

static cm_status run_join_many(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const unsigned key = 0;
    const unsigned payload = 1;
    const cm_join_many_spec spec = {.kind = CM_JOIN_INNER,
                                    .range = {.keys = 1, .point_key = &key, .interval_key = &key},
                                    .payload_cols = 1,
                                    .payload = &payload,
                                    .rows = in->table.rows + in->other.rows};
    cm_table ret;
    cm_bcol overflow;
    return cm_table_join_many(p->mpc, &in->table, &in->other, &spec, p->arena, &ret, &overflow,
                              p->scratch);
}

/* Points have a key, a day and a value; intervals a key and two days. */
static void *prepare_ranges(cm_bench_party *p, size_t rows, unsigned bits)
{
    const unsigned planes[] = {bits, DAY_PLANES, VALUE_PLANES};
    const unsigned bounds[] = {bits, DAY_PLANES, DAY_PLANES};
    inputs *in = new_inputs(p);
    in->table = cm_table_new(p->arena, cm_mpc_legs(p->mpc), rows / 2, 3, planes, NULL);
    in->other = cm_table_new(p->arena, cm_mpc_legs(p->mpc), rows - rows / 2, 3, bounds, NULL);
    for (unsigned i = 0; i < 3; i++) {
        cm_mpc_random_bits(p->mpc, in->table.col[i].data);
        cm_mpc_random_bits(p->mpc, in->other.col[i].data);
    }
    cm_mpc_set_public(p->mpc, in->table.valid, 0, true);
    cm_mpc_set_public(p->mpc, in->other.valid, 0, true);
    return in;
}

static cm_status run_ranges(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const unsigned key = 0;
    const cm_agg sum = {.kind = CM_AGG_SUM, .col = 2, .planes = SUM_PLANES};
    const cm_range_spec spec = {.keys = 1,
                                .point_key = &key,
                                .interval_key = &key,
                                .lower = {.given = true, .col = 1},
                                .upper = {.given = true, .col = 2},
                                .order = 1,
                                .aggs = 1,
                                .agg = &sum};
    cm_ranges ret;
    return cm_table_ranges(p->mpc, &in->table, &in->other, &spec, p->arena, &ret, p->scratch);
}

static cm_status run_median(cm_bench_party *p, void *input)
{
    inputs *in = input;
    const unsigned key = 0;
    const cm_agg median[] = {
        {CM_AGG_PERCENTILE_FLOOR, 1, VALUE_PLANES, 1, 2, false},
        {CM_AGG_PERCENTILE_CEIL, 1, VALUE_PLANES, 1, 2, false},
    };
    cm_table ret;
    return cm_table_group_sort(p->mpc, &in->table, &key, 1, 0, median, CM_COUNT(median), NULL,
                               p->arena, &ret, p->scratch);
}

/* ---- the list ----------------------------------------------------------------------------- */

static const cm_bench_op OPS[] = {
    {"shuffle", "secret shuffle of one ring column", 1 << 20, 64, 64, 64, prepare_shuffle,
     run_shuffle},
    {"sort", "sort by one key", 1 << 16, 64, 1, 64, prepare_sort, run_sort},
    {"merge", "merge of two sorted runs by one key", 1 << 16, 64, 1, 64, prepare_merge, run_merge},
    {"merge_3", "merge of three sorted runs by one key", 1 << 16, 64, 1, 64, prepare_merge_3,
     run_merge},
    {"order", "the first 100 rows by one key", 1 << 20, 64, 1, 64, prepare_sort, run_order},
    {"partition", "stable partition by one bit", 1 << 18, 64, 1, 64, prepare_partition,
     run_partition},
    {"group_sum", "GROUP BY with sum, by sort", 1 << 16, 64, 1, 64, prepare_group, run_group_sum},
    {"group_runs", "the same of two sorted runs", 1 << 16, 64, 1, 64, prepare_group_runs,
     run_group_runs},
    {"group_domain", "GROUP BY with sum, over all values of the key", 1 << 18, DOMAIN_PLANES, 1,
     DOMAIN_PLANES, prepare_group_domain, run_group_domain},
    {"join", "join with one unique side, half of the rows each", 1 << 17, 64, 32, 64, prepare_join,
     run_join},
    {"join_runs", "the same where both sides are sorted", 1 << 17, 64, 32, 64, prepare_join_runs,
     run_join},
    {"join_group", "that join, and a GROUP BY over it", 1 << 17, 64, 32, 64, prepare_join,
     run_join_group},
    {"join_many", "join of many to many, half of the rows each, as many pairs as rows", 1 << 16, 64,
     32, 64, prepare_join_many, run_join_many},
    {"ranges", "sum over the points in each interval, half of the rows each", 1 << 16, 64, 1, 64,
     prepare_ranges, run_ranges},
    {"median", "GROUP BY with median", 1 << 16, 64, 1, 64, prepare_group, run_median},
};

const cm_bench_op *cm_bench_table_ops(size_t *ret_count)
{
    *ret_count = CM_COUNT(OPS);
    return OPS;
}
