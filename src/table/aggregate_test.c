#include "table/table_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};

enum { KEY = 0, NULLABLE_KEY, NARROW, WIDE, FLAG, NOTHING };
static const plain_spec specs[] = {
    {3, false, 6}, {2, true, 0}, {17, true, 0}, {120, true, 0}, {1, false, 0}, {0, true, 0},
};

/* SUM of 120 planes needs limbs; results wider and narrower than what is added up. */
static const cm_agg aggs[] = {
    {.kind = CM_AGG_COUNT_ROWS, .col = 0, .planes = 20},
    {.kind = CM_AGG_SUM, .col = NARROW, .planes = 64},
    {.kind = CM_AGG_SUM, .col = WIDE, .planes = 128},
    {.kind = CM_AGG_COUNT, .col = NARROW, .planes = 10},
    {.kind = CM_AGG_COUNT, .col = FLAG, .planes = 64},
    {.kind = CM_AGG_MIN, .col = NARROW, .planes = 17},
    {.kind = CM_AGG_MAX, .col = WIDE, .planes = 128},
    {.kind = CM_AGG_SUM, .col = NARROW, .planes = 30},
    {.kind = CM_AGG_MIN, .col = FLAG, .planes = 8},
    {.kind = CM_AGG_SUM, .col = NOTHING, .planes = 5},
    {.kind = CM_AGG_MAX, .col = NOTHING, .planes = 3},
};

static void fill_row(plain *ret, size_t row, const plain *p, const bool *member, const cm_agg *list,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ret->col[i].value[row] = plain_aggregate(p, member, &list[i], &ret->col[i].null[row]);
    }
}

static plain new_result(cm_arena *arena, size_t rows, const cm_agg *list, size_t count)
{
    plain_spec spec[PLAIN_COLS_MAX];

    for (size_t i = 0; i < count; i++) {
        spec[i] = (plain_spec){list[i].planes, true, 0};
    }
    return plain_new(arena, rows, (unsigned)count, spec);
}

static void check_equal(const plain *p, const plain *expected, const plain *got)
{
    if (!plain_equal(expected, got)) {
        plain_print("input", p);
        plain_print("expected", expected);
        plain_print("got", got);
    }
    assert_true(plain_equal(expected, got));
}

/* ---- one group ----------------------------------------------------------------------------- */

static cm_status op_aggregate(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                              cm_arena scratch, cm_table *ret)
{
    (void)arg;
    return cm_table_aggregate(mpc, &in[0], aggs, CM_COUNT(aggs), arena, ret, scratch);
}

static void check_aggregate(const plain *p, cm_arena *arena)
{
    plain expected = new_result(arena, 1, aggs, CM_COUNT(aggs));

    expected.valid[0] = true;
    fill_row(&expected, 0, p, p->valid, aggs, CM_COUNT(aggs));
    for (size_t k = 0; k < CM_COUNT(protocols); k++) {
        plain got = fixture_run(protocols[k], 5, NULL, p, 1, op_aggregate, NULL, arena);
        check_equal(p, &expected, &got);
    }
}

static void test_aggregate(void **state)
{
    cm_rng rng = {1};

    for (size_t i = 0; i < fixture_rows_count; i++) {
        plain p = plain_random(*state, &rng, fixture_rows[i], CM_COUNT(specs), specs);
        check_aggregate(&p, *state);
    }
}

/* Nothing valid, all NULL, and sums at the largest values. */
static void test_aggregate_extremes(void **state)
{
    cm_rng rng = {2};

    for (unsigned pattern = 0; pattern < 3; pattern++) {
        plain p = plain_random(*state, &rng, 257, CM_COUNT(specs), specs);
        for (size_t r = 0; r < p.rows; r++) {
            p.valid[r] = pattern != 0;
            for (unsigned i = 0; i < p.cols; i++) {
                p.col[i].null[r] = pattern == 1 && p.col[i].nullable;
                if (pattern == 2) {
                    p.col[i].value[r] = plain_mask(p.col[i].planes);
                }
            }
        }
        check_aggregate(&p, *state);
    }
}

static void test_aggregate_trace(void **state)
{
    plain like = plain_new(*state, 300, CM_COUNT(specs), specs);

    assert_true(fixture_same_traces(&like, 1, op_aggregate, NULL, *state));
}

/* ---- groups of a domain -------------------------------------------------------------------- */

/* The domain of (KEY, NULLABLE_KEY): 6 values, of which one is left out, times 4 values or NULL. */
enum { GROUPS = 5 * 5 };
static const unsigned keys[] = {KEY, NULLABLE_KEY};

static cm_u128 group_value(size_t group)
{
    cm_u128 second = group / 5 < 4 ? group / 5 : 4; /* NULL: plane 2, data 0 */

    return (group % 5) | second << 3;
}

static cm_status op_domain(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                           cm_arena scratch, cm_table *ret)
{
    cm_u128 domain[GROUPS];

    (void)arg;
    for (size_t g = 0; g < GROUPS; g++) {
        domain[g] = group_value(g);
    }
    return cm_table_group_domain(mpc, &in[0], keys, CM_COUNT(keys), domain, GROUPS, aggs,
                                 CM_COUNT(aggs), arena, ret, scratch);
}

static bool row_in_group(const plain *p, size_t row, size_t group)
{
    const plain_col *second = &p->col[NULLABLE_KEY];
    cm_u128 packed = second->null[row] ? 4 : second->value[row];

    return p->valid[row] && (p->col[KEY].value[row] | packed << 3) == group_value(group);
}

static void test_domain(void **state)
{
    cm_rng rng = {4};

    for (size_t i = 0; i < fixture_rows_count; i++) {
        plain p = plain_random(*state, &rng, fixture_rows[i], CM_COUNT(specs), specs);
        plain expected = new_result(*state, GROUPS, aggs, CM_COUNT(aggs));
        bool member[512];
        for (size_t g = 0; g < GROUPS; g++) {
            for (size_t r = 0; r < p.rows; r++) {
                member[r] = row_in_group(&p, r, g);
                expected.valid[g] = expected.valid[g] || member[r];
            }
            fill_row(&expected, g, &p, member, aggs, CM_COUNT(aggs));
        }
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            plain got = fixture_run(protocols[k], 5, NULL, &p, 1, op_domain, NULL, *state);
            check_equal(&p, &expected, &got);
        }
    }
}

static void test_domain_trace(void **state)
{
    plain like = plain_new(*state, 130, CM_COUNT(specs), specs);

    assert_true(fixture_same_traces(&like, 1, op_domain, NULL, *state));
}

/* So many rows that groups go in several batches. */
static cm_status op_domain_counts(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                                  cm_arena scratch, cm_table *ret)
{
    static const cm_u128 domain[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const cm_agg list[] = {{.kind = CM_AGG_COUNT_ROWS, .col = 0, .planes = 20},
                                  {.kind = CM_AGG_MAX, .col = NARROW, .planes = 17}};

    (void)arg;
    return cm_table_group_domain(mpc, &in[0], keys, 1, domain, CM_COUNT(domain), list,
                                 CM_COUNT(list), arena, ret, scratch);
}

static void test_domain_batches(void **state)
{
    cm_rng rng = {6};
    plain p = plain_random(*state, &rng, 600000, 3, specs);
    plain got = fixture_run(CM_PROTOCOL_CLEAR, 5, NULL, &p, 1, op_domain_counts, NULL, *state);

    for (size_t g = 0; g < 8; g++) {
        cm_u128 rows = 0, greatest = 0;
        for (size_t r = 0; r < p.rows; r++) {
            if (p.valid[r] && p.col[KEY].value[r] == g) {
                rows++;
                if (!p.col[NARROW].null[r] && p.col[NARROW].value[r] > greatest) {
                    greatest = p.col[NARROW].value[r];
                }
            }
        }
        assert_int_equal(got.valid[g], rows > 0);
        assert_true(got.col[0].value[g] == rows);
        assert_int_equal(got.col[1].null[g], rows == 0);
        assert_true(rows == 0 || got.col[1].value[g] == greatest);
    }
}

/* ---- limits -------------------------------------------------------------------------------- */

typedef struct refusal {
    cm_agg agg;
    unsigned planes;
    cm_status got;
} refusal;

static void ask_too_much(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    refusal *r = arg;
    cm_table table = cm_table_new(arena, cm_mpc_legs(mpc), 3, 1, &r->planes, NULL), out;
    cm_arena scratch;

    cm_status st = cm_arena_init_secret(&scratch, 1 << 24);
    CM_ASSERT(st == CM_OK);
    r->got = cm_table_aggregate(mpc, &table, &r->agg, 1, arena, &out, scratch);
    cm_arena_fini(&scratch);
}

static void test_refusals(void **state)
{
    static const refusal cases[] = {
        {{.kind = CM_AGG_SUM, .col = 0, .planes = 129}, 8, CM_EUNSUPPORTED},
        {{.kind = CM_AGG_SUM, .col = 0, .planes = 0}, 8, CM_EUNSUPPORTED},
        {{.kind = CM_AGG_MIN, .col = 0, .planes = 128}, 129, CM_OK},
        {{.kind = CM_AGG_MIN, .col = 0, .planes = 639}, 639, CM_EUNSUPPORTED},
        {{.kind = CM_AGG_COUNT_DISTINCT, .col = 0, .planes = 8}, 8, CM_EUNSUPPORTED},
        {{.kind = CM_AGG_COUNT, .col = 0, .planes = 8}, 300, CM_OK},
    };

    (void)state;
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        refusal r = cases[i];
        cm_run_parties(CM_PROTOCOL_CLEAR, 1, 1, 1, NULL, ask_too_much, &r);
        assert_int_equal(r.got, cases[i].got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aggregate),       cmocka_unit_test(test_aggregate_extremes),
        cmocka_unit_test(test_aggregate_trace), cmocka_unit_test(test_domain),
        cmocka_unit_test(test_domain_trace),    cmocka_unit_test(test_domain_batches),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
