#include "table/table_fixture.h"
#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};

enum { FIRST = 0, SECOND, NARROW, WIDE, LABEL };
static const plain_spec specs[] = {
    {8, true, 0}, {70, false, 0}, {17, true, 0}, {110, true, 0}, {5, true, 0}};
enum { KEYS = 2 };
static const unsigned keys[KEYS] = {SECOND, FIRST};

static const cm_agg all_aggs[] = {
    {.kind = CM_AGG_COUNT_ROWS, .col = 0, .planes = 20},
    {.kind = CM_AGG_SUM, .col = NARROW, .planes = 40},
    {.kind = CM_AGG_MIN, .col = NARROW, .planes = 20},
    {.kind = CM_AGG_SUM, .col = WIDE, .planes = 128},
    {.kind = CM_AGG_COUNT_DISTINCT, .col = LABEL, .planes = 9},
    {.kind = CM_AGG_MAX, .col = WIDE, .planes = 110},
    {.kind = CM_AGG_COUNT, .col = NARROW, .planes = 30},
    {.kind = CM_AGG_COUNT, .col = SECOND, .planes = 11},
    {.kind = CM_AGG_MIN, .col = FIRST, .planes = 8},
};
/* Nothing that counts rows: then the constant factor does not travel. */
static const cm_agg few_aggs[] = {{.kind = CM_AGG_MAX, .col = LABEL, .planes = 5},
                                  {.kind = CM_AGG_SUM, .col = LABEL, .planes = 20}};
/* Distinct values of a column that cannot be NULL, which is a key too. */
static const cm_agg key_aggs[] = {{.kind = CM_AGG_COUNT_DISTINCT, .col = SECOND, .planes = 12}};

/* The nearest row below, above; with what is left; both ways round; ends, and long fractions. */
static const cm_agg order_aggs[] = {
    {CM_AGG_PERCENTILE_FLOOR, NARROW, 17, 1, 2, false},
    {CM_AGG_PERCENTILE_CEIL, NARROW, 17, 1, 2, false},
    {CM_AGG_PERCENTILE_REST, NARROW, 10, 1, 2, false},
    {CM_AGG_PERCENTILE_DISC, NARROW, 17, 19, 20, true},
    {CM_AGG_PERCENTILE_FLOOR, NARROW, 17, 333, 1000, true},
    {CM_AGG_PERCENTILE_REST, NARROW, 12, 333, 1000, true},
    {CM_AGG_MODE, NARROW, 17, 0, 0, false},
    {CM_AGG_PERCENTILE_DISC, NARROW, 17, 0, 1, false},
    {CM_AGG_PERCENTILE_DISC, NARROW, 17, 1, 1, false},
    {CM_AGG_COUNT_DISTINCT, NARROW, 9, 0, 0, false},
};
static const cm_agg median_aggs[] = {
    {CM_AGG_PERCENTILE_CEIL, SECOND, 70, 3, 4, true},
    {CM_AGG_SUM, LABEL, 20, 0, 0, false},
    {CM_AGG_MODE, SECOND, 70, 0, 0, false},
    {CM_AGG_PERCENTILE_DISC, SECOND, 70, 1, 3, false},
};

typedef struct group_arg {
    size_t key_count, max_groups;
    const cm_agg *aggs;
    size_t count;
    cm_runs runs;
} group_arg;

static cm_status op_group(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                          cm_arena scratch, cm_table *ret)
{
    const group_arg *a = arg;

    return cm_table_group_sort(mpc, &in[0], keys, a->key_count, a->max_groups, a->aggs, a->count,
                               &a->runs, arena, ret, scratch);
}

/* ---- the reference ------------------------------------------------------------------------- */

static int compare_rows(const plain *p, size_t key_count, size_t a, size_t b)
{
    assert_true(key_count <= KEYS);
    for (size_t i = 0; i < key_count && i < KEYS; i++) {
        const plain_col *c = &p->col[keys[i]];
        int order = (int)c->null[a] - (int)c->null[b];
        if (order == 0 && !c->null[a]) {
            order = (c->value[a] > c->value[b]) - (c->value[a] < c->value[b]);
        }
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

/* The least valid row whose key is above that of row `above`, or of all; rows when there is none.
 */
static size_t next_group(const plain *p, size_t key_count, size_t above)
{
    size_t best = p->rows;

    for (size_t r = 0; r < p->rows; r++) {
        if (!p->valid[r] || (above < p->rows && compare_rows(p, key_count, r, above) <= 0)) {
            continue;
        }
        if (best == p->rows || compare_rows(p, key_count, r, best) < 0) {
            best = r;
        }
    }
    return best;
}

static plain reference(cm_arena *arena, const plain *p, const group_arg *a)
{
    plain_spec spec[PLAIN_COLS_MAX];
    size_t rows = a->max_groups > 0 && a->max_groups < p->rows ? a->max_groups : p->rows;
    bool *member = CM_NEW(arena, bool, p->rows);

    for (size_t i = 0; i < a->key_count; i++) {
        spec[i] = specs[keys[i]];
    }
    for (size_t i = 0; i < a->count; i++) {
        spec[a->key_count + i] = (plain_spec){a->aggs[i].planes, true, 0};
    }
    plain z = plain_new(arena, rows, (unsigned)(a->key_count + a->count), spec);
    size_t least = next_group(p, a->key_count, p->rows);
    for (size_t g = 0; g < rows && least < p->rows; g++) {
        z.valid[g] = true;
        for (size_t r = 0; r < p->rows; r++) {
            member[r] = p->valid[r] && compare_rows(p, a->key_count, r, least) == 0;
        }
        for (size_t i = 0; i < a->key_count; i++) {
            z.col[i].value[g] = p->col[keys[i]].value[least];
            z.col[i].null[g] = p->col[keys[i]].null[least];
        }
        for (size_t i = 0; i < a->count; i++) {
            plain_col *c = &z.col[a->key_count + i];
            c->value[g] = plain_aggregate(p, member, &a->aggs[i], &c->null[g]);
        }
        least = next_group(p, a->key_count, least);
    }
    return z;
}

static void check_rows(const plain *p, const group_arg *a, cm_protocol protocol, cm_arena *arena)
{
    plain expected = reference(arena, p, a);
    plain got = fixture_run(protocol, 5, NULL, p, 1, op_group, a, arena);

    if (!plain_equal(&expected, &got)) {
        plain_print("input", p);
        plain_print("expected", &expected);
        plain_print("got", &got);
    }
    assert_true(plain_equal(&expected, &got));
}

/* In three runs by the keys, and by the column whose values are wanted in order. */
static cm_runs make_runs(plain *p, const group_arg *a, bool valid_first, cm_arena *arena)
{
    size_t *rows = CM_NEW(arena, size_t, 3);
    cm_sort_key order[KEYS + 1] = {{0}};
    size_t count = 0;
    cm_runs ret = {3, rows, valid_first, CM_ORDER_MERGE};

    for (size_t i = 0; i < a->key_count && i < KEYS; i++) {
        order[count++].col = keys[i];
    }
    for (size_t i = 0; i < a->count && count == a->key_count; i++) {
        if (a->aggs[i].kind == CM_AGG_COUNT_DISTINCT || cm_agg_is_ordered(a->aggs[i].kind)) {
            order[count++].col = a->aggs[i].col;
        }
    }
    rows[0] = p->rows / 2;
    rows[1] = p->rows / 3;
    rows[2] = p->rows - rows[0] - rows[1];
    plain_sort_runs(p, order, count, true, &ret);
    return ret;
}

static void check_group(const plain *p, const group_arg *a, cm_protocol protocol, cm_arena *arena)
{
    check_rows(p, a, protocol, arena);
    for (unsigned valid_first = 0; valid_first < 2; valid_first++) {
        plain q = plain_copy(arena, p);
        group_arg merge = *a;
        merge.runs = make_runs(&q, a, valid_first != 0, arena);
        check_rows(&q, &merge, protocol, arena);
    }
}

/* Random, with keys from so small a space that groups have several rows. */
static plain random_table(cm_arena *arena, cm_rng *rng, size_t rows)
{
    plain p = plain_random(arena, rng, rows, CM_COUNT(specs), specs);

    for (size_t r = 0; r < rows; r++) {
        p.col[FIRST].value[r] %= 3;
        p.col[SECOND].value[r] = (p.col[SECOND].value[r] % 5) << 66;
    }
    return p;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void test_random(void **state)
{
    cm_rng rng = {1};

    for (size_t i = 0; i < fixture_rows_count; i++) {
        plain p = random_table(*state, &rng, fixture_rows[i]);
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            check_group(&p, &(group_arg){2, 0, all_aggs, CM_COUNT(all_aggs), {0}}, protocols[k],
                        *state);
            check_group(&p, &(group_arg){1, 7, few_aggs, CM_COUNT(few_aggs), {0}}, protocols[k],
                        *state);
            check_group(&p, &(group_arg){2, 0, key_aggs, CM_COUNT(key_aggs), {0}}, protocols[k],
                        *state);
            check_group(&p, &(group_arg){2, 100, NULL, 0, {0}}, protocols[k], *state);
        }
    }
}

/* Every row its own group, all rows one group, no key at all, no valid row. */
static void test_patterns(void **state)
{
    cm_rng rng = {2};

    for (unsigned pattern = 0; pattern < 4; pattern++) {
        plain p = random_table(*state, &rng, 130);
        size_t key_count = pattern == 2 ? 0 : 1;
        for (size_t r = 0; r < p.rows; r++) {
            p.valid[r] = pattern != 3;
            p.col[SECOND].value[r] = pattern == 0 ? p.rows - r : 0;
        }
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            check_group(&p, &(group_arg){key_count, 0, all_aggs, CM_COUNT(all_aggs), {0}},
                        protocols[k], *state);
        }
    }
}

/* Values that repeat, in groups of all sizes from none on. */
static void test_ordered(void **state)
{
    cm_rng rng = {4};

    for (size_t i = 0; i < 3 * (fixture_rows_count - 1); i++) {
        plain p = random_table(*state, &rng, fixture_rows[i / 3]);
        for (size_t r = 0; r < p.rows; r++) {
            p.col[NARROW].value[r] %= i % 3 == 0 ? 3 : i % 3 == 1 ? p.rows / 4 + 1 : 1 << 17;
        }
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            check_group(&p, &(group_arg){1 + i % 2, 0, order_aggs, CM_COUNT(order_aggs), {0}},
                        protocols[k], *state);
            check_group(&p, &(group_arg){0, 1, median_aggs, CM_COUNT(median_aggs), {0}},
                        protocols[k], *state);
        }
    }
}

/* Few rows are compared pairwise; more have pivots. */
static void test_trace(void **state)
{
    static const size_t rows[] = {200, 1000};
    group_arg arg = {2, 0, all_aggs, CM_COUNT(all_aggs), {0}};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        plain like = plain_new(*state, rows[i], CM_COUNT(specs), specs);
        assert_true(fixture_same_traces(&like, 1, op_group, &arg, *state));
        group_arg ordered = {1, 0, order_aggs, CM_COUNT(order_aggs), {0}};
        assert_true(fixture_same_traces(&like, 1, op_group, &ordered, *state));
    }
}

typedef struct refusal {
    cm_status got;
} refusal;

static void ask_two_distinct(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    static const unsigned planes[] = {4, 4, 4};
    static const cm_agg two[] = {{.kind = CM_AGG_COUNT_DISTINCT, .col = 1, .planes = 8},
                                 {.kind = CM_AGG_COUNT_DISTINCT, .col = 2, .planes = 8}};
    static const unsigned key[] = {0};
    refusal *r = arg;
    cm_table table = cm_table_new(arena, cm_mpc_legs(mpc), 3, 3, planes, NULL), out;
    cm_arena scratch;

    cm_status st = cm_arena_init_secret(&scratch, 1 << 24);
    CM_ASSERT(st == CM_OK);
    r->got = cm_table_group_sort(mpc, &table, key, 1, 0, two, 2, NULL, arena, &out, scratch);
    cm_arena_fini(&scratch);
}

static void test_two_distinct_refused(void **state)
{
    refusal r = {CM_OK};

    (void)state;
    cm_run_parties(CM_PROTOCOL_CLEAR, 1, 1, 1, NULL, ask_two_distinct, &r);
    assert_int_equal(r.got, CM_EUNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_ordered),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_two_distinct_refused),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
