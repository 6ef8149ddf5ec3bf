#include "table/table_fixture.h"
#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};

/* ---- the network, in the clear -------------------------------------------------------------- */

enum { RUNS_MAX = 9 };

static size_t count_pairs(size_t low, size_t high, cm_arena scratch)
{
    const size_t rows[] = {low, high};
    const cm_runs runs = {.count = 2, .rows = rows};
    const cm_merge_net *net = cm_merge_net_new(&runs, &scratch);
    size_t pairs = 0;

    for (unsigned level = 0; level < cm_merge_net_levels(net); level++) {
        pairs += cm_merge_net_pairs(net, level);
    }
    return pairs;
}

/*
 * Batcher's recursion: odd places and even places, then neighbours, of which the first is left out
 * where the first run has an even number of rows.
 */
static size_t recursion(size_t low, size_t high)
{
    if (low == 0 || high == 0) {
        return 0;
    }
    if (low == 1 && high == 1) {
        return 1;
    }
    return recursion(low - low / 2, high / 2) + recursion(low / 2, high - high / 2) +
           (low + high - (low % 2 == 0 ? 1 : 0)) / 2;
}

/* Two runs of 2^k rows: k 2^k + 1 comparators (Knuth 5.3.4). */
static void test_comparators(void **state)
{
    cm_arena scratch = *(cm_arena *)*state;

    for (size_t log = 0; log < 15; log++) {
        assert_int_equal(count_pairs((size_t)1 << log, (size_t)1 << log, scratch),
                         (log << log) + 1);
    }
    for (size_t low = 1; low < 80; low++) {
        for (size_t high = low; high < 90; high++) {
            assert_int_equal(count_pairs(low, high, scratch), recursion(low, high));
        }
    }
}

/* ---- tables --------------------------------------------------------------------------------- */

typedef struct merge_arg {
    const cm_sort_key *keys;
    size_t count;
    bool valid_first;
    cm_runs runs;
} merge_arg;

static cm_status op_merge(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                          cm_arena scratch, cm_table *ret)
{
    const merge_arg *a = arg;

    *ret = in[0];
    return cm_table_sort_runs(mpc, ret, a->keys, a->count, a->valid_first, &a->runs, arena,
                              scratch);
}

enum { ID = 3 };
static const plain_spec specs[] = {{3, true, 0}, {9, false, 0}, {100, true, 0}, {12, false, 0}};

static void check_merge(plain *p, const merge_arg *a, cm_protocol protocol, cm_arena *arena)
{
    if (a->runs.count > 0) {
        plain_sort_runs(p, a->keys, a->count, a->valid_first, &a->runs);
    }
    plain_number(p, ID);
    plain out = fixture_run(protocol, p->rows, NULL, p, 1, op_merge, a, arena);
    assert_true(plain_sorted(p, &out, a->keys, a->count, a->valid_first, ID));
}

static const cm_sort_key keys[] = {{0, true, true}, {1, false, false}, {2, true, false}};

static void check_runs(const size_t *rows, size_t count, cm_rng *rng, cm_arena *arena)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        total += rows[i];
    }
    for (size_t k = 0; k < CM_COUNT(protocols); k++) {
        for (unsigned flags = 0; flags < 4; flags++) {
            plain p = plain_random(arena, rng, total, CM_COUNT(specs), specs);
            merge_arg arg = {.keys = flags % 3 == 0 ? keys : keys + 1,
                             .count = 1 + flags % 2,
                             .valid_first = flags > 0,
                             .runs = {count, rows, (flags & 1) != 0, CM_ORDER_MERGE}};
            check_merge(&p, &arg, protocols[k], arena);
        }
    }
}

static void test_two(void **state)
{
    static const size_t rows[] = {0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 130};
    cm_rng rng = {1};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        const size_t equal[] = {rows[i], rows[i]};
        const size_t one[] = {1, rows[i]};
        const size_t other[] = {rows[i], rows[CM_COUNT(rows) - 1 - i]};
        check_runs(equal, 2, &rng, *state);
        check_runs(one, 2, &rng, *state);
        check_runs(other, 2, &rng, *state);
    }
}

static void test_many(void **state)
{
    static const size_t rows[][5] = {
        {20, 20, 20}, {0, 33, 0}, {1, 2, 4, 8, 16}, {64, 5, 0, 31, 32}, {1, 1, 1, 1, 1}, {0}, {129},
    };
    cm_rng rng = {2};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        for (size_t count = 1; count <= 5; count++) {
            check_runs(rows[i], count, &rng, *state);
        }
    }
}

/* All equal; each run above the next; below; without valid rows. */
static void test_patterns(void **state)
{
    static const size_t rows[] = {100, 33, 67, 1};
    cm_rng rng = {3};

    for (unsigned pattern = 0; pattern < 4; pattern++) {
        plain p = plain_random(*state, &rng, 201, CM_COUNT(specs), specs);
        for (size_t r = 0; r < p.rows; r++) {
            p.col[1].value[r] = pattern == 0 ? 5 : pattern == 1 ? r : 200 - r;
            p.valid[r] = pattern != 3 && p.valid[r];
        }
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            merge_arg arg = {keys + 1, 1, true, {4, rows, pattern == 2, CM_ORDER_MERGE}};
            check_merge(&p, &arg, protocols[k], *state);
        }
    }
}

/* Ripples and several windows show at more rows only; keys wider than one number; and payload that
 * follows the tag, or goes along. */
static void test_large(void **state)
{
    static const plain_spec wide[] = {
        {128, false, 3}, {128, false, 0}, {60, false, 0}, {32, false, 0}};
    static const plain_spec narrow[] = {
        {2, false, 0}, {3, false, 0}, {1, false, 0}, {12, false, 0}};
    static const cm_sort_key by[] = {{0, false, false}, {1, false, false}};
    static const size_t rows[] = {1025, 1976};
    cm_rng rng = {4};

    for (size_t k = 0; k < CM_COUNT(protocols); k++) {
        plain p = plain_random(*state, &rng, 3001, CM_COUNT(wide), wide);
        plain q = plain_random(*state, &rng, 3001, CM_COUNT(narrow), narrow);
        merge_arg arg = {by, 2, false, {2, rows, false, CM_ORDER_MERGE}};
        check_merge(&p, &arg, protocols[k], *state);
        check_merge(&q, &arg, protocols[k], *state);
    }
}

static void test_trace(void **state)
{
    static const size_t rows[][3] = {{1, 1}, {33, 32}, {200, 30, 170}, {512, 511}};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        size_t total = rows[i][0] + rows[i][1] + rows[i][2];
        plain like = plain_new(*state, total, CM_COUNT(specs), specs);
        for (unsigned flags = 0; flags < 4; flags++) {
            merge_arg arg = {keys, 1 + i % 2, flags > 0, {3, rows[i], flags == 2, CM_ORDER_MERGE}};
            assert_true(fixture_same_traces(&like, 1, op_merge, &arg, *state));
        }
    }
}

/* ---- radix passes --------------------------------------------------------------------------- */

static const cm_runs radix = {.way = CM_ORDER_RADIX};

static void test_radix(void **state)
{
    static const size_t rows[] = {0, 1, 2, 3, 63, 64, 65, 129, 1000};
    cm_rng rng = {5};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        for (unsigned flags = 0; flags < 4; flags++) {
            plain p = plain_random(*state, &rng, rows[i], CM_COUNT(specs), specs);
            merge_arg arg = {flags % 2 ? keys : keys + 1, 1, flags > 1, radix};
            for (size_t k = 0; k < CM_COUNT(protocols); k++) {
                check_merge(&p, &arg, protocols[k], *state);
            }
        }
    }
}

static void test_radix_trace(void **state)
{
    static const size_t rows[] = {2, 65, 600};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        plain like = plain_new(*state, rows[i], CM_COUNT(specs), specs);
        merge_arg arg = {keys, 1, true, radix};
        assert_true(fixture_same_traces(&like, 1, op_merge, &arg, *state));
    }
}

/* A few planes are cheaper in passes; more where there are few rows, or rounds cost much. */
static void test_radix_choice(void **state)
{
    static const struct {
        size_t rows, round_bytes;
        unsigned passes, sorts; /* planes */
    } cases[] = {{1 << 12, CM_ROUND_BYTES_USUAL, 3, 12},
                 {1 << 20, CM_ROUND_BYTES_USUAL, 1, 3},
                 {1 << 16, 500000, 5, 16}};
    cm_arena scratch = *(cm_arena *)*state;

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        cm_order order = {.rows = cases[i].rows, .tag = cm_bits_for(cases[i].rows), .payload = 32};
        order.key = cases[i].passes;
        cm_sort_cost passes = cm_order_cost(&order, cases[i].round_bytes, scratch);
        assert_true(passes.rounds == 6.0 * order.key);
        order.key = cases[i].sorts;
        cm_sort_cost sorts = cm_order_cost(&order, cases[i].round_bytes, scratch);
        order.runs.way = CM_ORDER_SORT;
        cm_sort_cost sort = cm_order_cost(&order, cases[i].round_bytes, scratch);
        assert_true(sorts.bytes == sort.bytes && sorts.rounds == sort.rounds);
    }
}

/* ---- choice --------------------------------------------------------------------------------- */

static bool merges(size_t runs, size_t rows, size_t round_bytes, cm_arena scratch)
{
    size_t lengths[RUNS_MAX];

    for (size_t i = 0; i < runs; i++) {
        lengths[i] = rows / runs;
    }
    cm_order order = {.rows = runs > 0 ? rows / runs * runs : rows,
                      .tag = cm_bits_for(rows),
                      .key = 64,
                      .payload = 32,
                      .runs = {.count = runs, .rows = lengths}};
    return cm_order_merges(&order, round_bytes, scratch);
}

/* Two runs of few rows are cheaper to merge, and many runs of many rows are cheaper to sort;
 * nothing is merged that is in no order. */
static void test_choice(void **state)
{
    cm_arena scratch = *(cm_arena *)*state;

    assert_true(merges(2, 1 << 12, CM_ROUND_BYTES_USUAL, scratch));
    assert_true(merges(2, 1 << 17, CM_ROUND_BYTES_USUAL, scratch));
    assert_false(merges(9, 1 << 18, CM_ROUND_BYTES_USUAL, scratch));
    assert_false(merges(0, 1 << 12, CM_ROUND_BYTES_USUAL, scratch));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparators), cmocka_unit_test(test_two),
        cmocka_unit_test(test_many),        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_large),       cmocka_unit_test(test_trace),
        cmocka_unit_test(test_choice),      cmocka_unit_test(test_radix),
        cmocka_unit_test(test_radix_trace), cmocka_unit_test(test_radix_choice),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
