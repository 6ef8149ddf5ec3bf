#include "support/parties.h"
#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>

/* Of a depth, in comparisons. */
static const uint64_t prices[] = {0, 1, 1000, 1 << 15, 1 << 20, UINT64_C(1) << 40};

static cm_sort_costs costs_of(uint64_t depth_price)
{
    cm_sort_costs ret;

    for (size_t i = 0; i < CM_SORT_SHAPES; i++) {
        ret.ands[i] = 1;
        ret.fixed[i] = depth_price;
    }
    return ret;
}

/* ---- plans --------------------------------------------------------------------------------- */

/* Each level sorts the pivots of the next, the first one has none that need sorting. */
static void check_plan(size_t rows, uint64_t price)
{
    cm_sort_costs costs = costs_of(price);
    cm_sort_plan plan;
    size_t sorted = 1;

    cm_sort_plan_make(rows, &costs, &plan);
    assert_true(plan.levels <= CM_SORT_LEVELS_MAX);
    for (size_t i = 0; i < plan.levels; i++) {
        cm_sort_level level = plan.level[i];
        size_t pivots = ((size_t)1 << level.bits) - 1;
        assert_true(pivots == sorted || (i == 0 && pivots == 0));
        assert_true(level.rows > pivots);
        assert_in_range(level.step_bits, 1, CM_SORT_STEP_BITS_MAX);
        assert_int_equal(level.pairs, cm_sort_pairs_bound(level.rows, level.bits));
        sorted = level.rows;
    }
    assert_true(sorted == rows || (rows == 0 && plan.levels == 0));
}

static void test_plans(void **state)
{
    cm_rng rng = {1};

    (void)state;
    for (size_t k = 0; k < CM_COUNT(prices); k++) {
        for (size_t rows = 0; rows < 300; rows++) {
            check_plan(rows, prices[k]);
        }
        for (unsigned bits = 9; bits < 32; bits++) {
            size_t rows = (size_t)1 << bits;
            check_plan(rows - 1, prices[k]);
            check_plan(rows, prices[k]);
            check_plan(rows + cm_rng_below(&rng, rows - 1), prices[k]);
        }
        check_plan(UINT32_MAX - 1, prices[k]);
    }
}

typedef struct plan_cost {
    double comparisons; /* per row */
    unsigned depths;
} plan_cost;

static plan_cost cost_of(size_t rows, const cm_sort_costs *costs)
{
    cm_sort_plan plan;
    plan_cost ret = {0};

    cm_sort_plan_make(rows, costs, &plan);
    for (size_t i = 0; i < plan.levels; i++) {
        cm_sort_level level = plan.level[i];
        size_t fresh = level.rows - (((size_t)1 << level.bits) - 1);
        for (unsigned done = 0; done < level.bits; done += level.step_bits) {
            unsigned left = level.bits - done;
            unsigned step = left < level.step_bits ? left : level.step_bits;
            ret.comparisons += (double)(((1U << step) - 1) * fresh);
            ret.depths++;
        }
        ret.comparisons += (double)level.pairs;
        ret.depths++;
    }
    ret.comparisons /= (double)rows;
    return ret;
}

/* What docs/design/table.md says of keys of 80 planes and a tag. */
static void test_costs(void **state)
{
    cm_sort_less less;

    cm_sort_less_init(&less, 98, CM_ROUND_BYTES_USUAL, *(cm_arena *)*state);
    assert_true(cost_of(1 << 17, &less.costs).comparisons < 19);
    assert_true(cost_of(1 << 17, &less.costs).depths < 54);
    cm_sort_less_fini(&less);
    cm_sort_less_init(&less, 101, CM_ROUND_BYTES_USUAL, *(cm_arena *)*state);
    assert_true(cost_of(1 << 20, &less.costs).comparisons < 21);
    assert_true(cost_of(1 << 20, &less.costs).depths < 79);
    cm_sort_less_fini(&less);
}

/* Dear depths are avoided, at the price of comparisons. */
static void test_prices(void **state)
{
    (void)state;
    for (size_t k = 1; k < CM_COUNT(prices); k++) {
        cm_sort_costs low = costs_of(prices[k - 1]), high = costs_of(prices[k]);
        plan_cost cheap = cost_of(100000, &low), dear = cost_of(100000, &high);
        assert_true(dear.depths <= cheap.depths);
        assert_true(dear.comparisons >= cheap.comparisons);
    }
}

/* ---- the bound on pairs -------------------------------------------------------------------- */

/* ways[n][z]: of n rows in the gaps so far to hold z pairs, z = limit + 1 standing for more. */
static double *add_gap(double *ways, size_t rows, size_t limit)
{
    size_t width = limit + 2;
    double *next = calloc((rows + 1) * width, sizeof *next);

    assert_non_null(next);
    for (size_t n = 0; n <= rows; n++) {
        for (size_t s = 0; s <= n; s++) {
            size_t more = s > 0 ? s * (s - 1) / 2 : 0;
            for (size_t z = 0; z < width; z++) {
                size_t to = z + more > limit ? limit + 1 : z + more;
                next[n * width + to] += ways[(n - s) * width + z];
            }
        }
    }
    free(ways);
    return next;
}

/* The exact probability that the gaps hold more than `limit` pairs. */
static double failure(size_t fresh, unsigned bits, size_t limit)
{
    size_t width = limit + 2;
    double *ways = calloc((fresh + 1) * width, sizeof *ways);
    double all = 0;

    assert_non_null(ways);
    ways[0] = 1;
    for (size_t gap = 0; gap < (size_t)1 << bits; gap++) {
        ways = add_gap(ways, fresh, limit);
    }
    for (size_t z = 0; z < width; z++) {
        all += ways[fresh * width + z];
    }
    double over = ways[fresh * width + limit + 1];
    free(ways);
    return over / all;
}

/* And that the bound is not far above what is needed: half of it would fail. */
static void test_bound_is_safe(void **state)
{
    static const struct {
        size_t fresh;
        unsigned bits;
    } cases[] = {{20, 5}, {40, 5}, {48, 6}, {64, 6}, {24, 7}};

    (void)state;
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        size_t rows = cases[i].fresh + (((size_t)1 << cases[i].bits) - 1);
        size_t bound = cm_sort_pairs_bound(rows, cases[i].bits);
        assert_true(failure(cases[i].fresh, cases[i].bits, bound) < 0x1p-65);
        assert_true(failure(cases[i].fresh, cases[i].bits, bound / 4) > 0x1p-65);
    }
}

/* Rows that a random set of `pivots` among `rows` leaves between them, as pairs. */
static size_t draw_pairs(cm_rng *rng, size_t rows, size_t pivots)
{
    size_t pairs = 0, gap = 0;

    for (size_t left = rows; left > 0; left--) {
        if (cm_rng_below(rng, left) < pivots) {
            pivots--;
            gap = 0;
        } else {
            pairs += gap++;
        }
    }
    return pairs;
}

/* The mean is N (N - 1) / (k + 1) for N rows in k gaps; large levels are bounded close to it. */
static void test_bound_is_close(void **state)
{
    cm_rng rng = {2};

    (void)state;
    for (unsigned bits = 6; bits < 16; bits++) {
        size_t rows = (size_t)4 << bits, pivots = ((size_t)1 << bits) - 1;
        size_t bound = cm_sort_pairs_bound(rows, bits);
        double fresh = (double)(rows - pivots), sum = 0;
        double mean = fresh * (fresh - 1) / (double)(pivots + 2);
        for (unsigned draw = 0; draw < 40; draw++) {
            size_t pairs = draw_pairs(&rng, rows, pivots);
            assert_true(pairs <= bound);
            sum += (double)pairs / 40;
        }
        assert_true(sum > mean / 1.3 && sum < mean * 1.3);
        assert_true(bits < 15 || (double)bound < 1.2 * mean);
    }
}

static void test_bound_without_choice(void **state)
{
    (void)state;
    assert_int_equal(cm_sort_pairs_bound(0, 0), 0);
    assert_int_equal(cm_sort_pairs_bound(1, 0), 0);
    assert_int_equal(cm_sort_pairs_bound(100, 0), 4950);
    assert_int_equal(cm_sort_pairs_bound(2, 1), 0);
    assert_int_equal(cm_sort_pairs_bound(3, 1), 1);
    assert_int_equal(cm_sort_pairs_bound(10, 2), 21);
}

static int set_up(void **state)
{
    static cm_arena arena;

    *state = &arena;
    return cm_arena_init(&arena, (size_t)1 << 28) == CM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    cm_arena_fini(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),          cmocka_unit_test(test_costs),
        cmocka_unit_test(test_prices),         cmocka_unit_test(test_bound_is_safe),
        cmocka_unit_test(test_bound_is_close), cmocka_unit_test(test_bound_without_choice),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
