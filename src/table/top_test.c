#include "table/table_fixture.h"
#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};

/* ---- plans --------------------------------------------------------------------------------- */

static double ln_choose(double n, double k)
{
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* Of `rows` rows `some` are special: the chance that a sample has exactly k of them. */
static double chance(size_t rows, size_t some, size_t sample, size_t k)
{
    if (k > some || k > sample || sample - k > rows - some) {
        return 0;
    }
    return exp(ln_choose((double)some, (double)k) +
               ln_choose((double)(rows - some), (double)(sample - k)) -
               ln_choose((double)rows, (double)sample));
}

/* Fewer rows than wanted up to the pivot: the sample has `rank` of the first - 1 least. */
static double chance_of_few(size_t rows, size_t first, const cm_top_plan *plan)
{
    double sum = 0;

    for (size_t k = plan->rank; k < first && k <= plan->sample; k++) {
        sum += chance(rows, first - 1, plan->sample, k);
    }
    return sum;
}

static double chance_of_many(size_t rows, size_t candidates, const cm_top_plan *plan)
{
    double sum = 0;

    for (size_t k = 0; k < plan->rank; k++) {
        sum += chance(rows, candidates, plan->sample, k);
    }
    return sum;
}

static void check_plan(size_t rows, size_t first, const cm_sort_costs *costs)
{
    cm_top_plan plan;

    cm_top_plan_make(rows, first, costs, &plan);
    if (plan.sample == 0) {
        return;
    }
    assert_true(plan.rank > 0 && plan.rank <= plan.sample && plan.sample < rows);
    assert_true(plan.candidates >= plan.rank && plan.candidates < rows);
    assert_true(chance_of_few(rows, first, &plan) < 0x1p-65);
    assert_true(chance_of_many(rows, plan.candidates, &plan) < 0x1p-65);
    /* And no more than it takes: three quarters would be too few candidates. */
    assert_true(chance_of_many(rows, plan.candidates * 3 / 4, &plan) > 0x1p-66);
}

static void test_plans(void **state)
{
    static const size_t firsts[] = {1, 2, 10, 100, 1000};
    cm_sort_less less;

    cm_sort_less_init(&less, 84, CM_ROUND_BYTES_USUAL, *(cm_arena *)*state);
    for (size_t rows = 2; rows < (1 << 22); rows = rows * 3 / 2 + 1) {
        for (size_t i = 0; i < CM_COUNT(firsts) && firsts[i] <= rows; i++) {
            check_plan(rows, firsts[i], &less.costs);
        }
    }
    cm_top_plan plan;
    cm_top_plan_make(1 << 20, 100, &less.costs, &plan);
    assert_true(plan.sample > 0 && plan.candidates < (1 << 15));
    cm_sort_less_fini(&less);
}

/* ---- rows ---------------------------------------------------------------------------------- */

typedef struct order_arg {
    const cm_sort_key *keys;
    size_t count, rows;
} order_arg;

static cm_status op_order(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                          cm_arena scratch, cm_table *ret)
{
    const order_arg *a = arg;

    return cm_table_order(mpc, &in[0], a->keys, a->count, a->rows, arena, ret, scratch);
}

/* Column ID is the original position. */
enum { ID = 2 };
static const plain_spec specs[] = {{9, true, 0}, {70, false, 0}, {32, false, 0}};

static int compare_rows(const plain *p, const order_arg *arg, size_t a, size_t b)
{
    int order = (int)p->valid[b] - (int)p->valid[a];

    for (size_t i = 0; order == 0 && i < arg->count; i++) {
        cm_sort_key key = arg->keys[i];
        const plain_col *c = &p->col[key.col];
        if (c->null[a] || c->null[b]) {
            order = ((int)c->null[a] - (int)c->null[b]) * (key.nulls_first ? -1 : 1);
        } else {
            order = (c->value[a] > c->value[b]) - (c->value[a] < c->value[b]);
            order = key.descending ? -order : order;
        }
    }
    return order;
}

/* Different rows of the table, as they were, in order, with none left out that comes before. */
static void check_order(const plain *p, const plain *got, const order_arg *arg, cm_arena *arena)
{
    bool *taken = CM_NEW(arena, bool, p->rows);

    assert_int_equal(got->rows, arg->rows);
    for (size_t r = 0; r < got->rows; r++) {
        size_t id = (size_t)got->col[ID].value[r];
        assert_true(id < p->rows && !taken[id]);
        taken[id] = true;
        assert_int_equal(got->valid[r], p->valid[id]);
        for (unsigned i = 0; i < p->cols; i++) {
            assert_int_equal(got->col[i].null[r], p->col[i].null[id]);
            assert_true(p->col[i].null[id] || got->col[i].value[r] == p->col[i].value[id]);
        }
        if (r > 0) {
            assert_true(compare_rows(p, arg, (size_t)got->col[ID].value[r - 1], id) <= 0);
        }
    }
    for (size_t r = 0; got->rows > 0 && r < p->rows; r++) {
        size_t last = (size_t)got->col[ID].value[got->rows - 1];
        assert_true(taken[r] || compare_rows(p, arg, r, last) >= 0);
    }
}

static void run_order(const plain *p, const order_arg *arg, cm_protocol protocol, uint64_t seed,
                      cm_arena *arena)
{
    plain got = fixture_run(protocol, seed, NULL, p, 1, op_order, arg, arena);

    check_order(p, &got, arg, arena);
}

static const cm_sort_key keys[] = {{0, true, true}, {1, false, false}};

static plain numbered(cm_arena *arena, cm_rng *rng, size_t rows)
{
    plain p = plain_random(arena, rng, rows, CM_COUNT(specs), specs);

    for (size_t r = 0; r < rows; r++) {
        p.col[ID].value[r] = r;
    }
    return p;
}

static void test_random(void **state)
{
    cm_rng rng = {1};

    for (size_t i = 0; i < fixture_rows_count; i++) {
        size_t rows = fixture_rows[i], firsts[] = {0, 1, rows / 2, rows};
        plain p = numbered(*state, &rng, rows);
        for (size_t k = 0; k < CM_COUNT(firsts); k++) {
            order_arg arg = {keys, k % 3, firsts[k] < rows ? firsts[k] : rows};
            run_order(&p, &arg, protocols[(i + k) % 2], i, *state);
        }
    }
}

/* So many that rows are selected: equal, ascending, descending, few valid, random. */
static void test_selection(void **state)
{
    enum { ROWS = 20000, PATTERNS = 5 };
    cm_rng rng = {2};

    for (unsigned pattern = 0; pattern < PATTERNS; pattern++) {
        plain p = numbered(*state, &rng, ROWS);
        for (size_t r = 0; r < ROWS; r++) {
            p.valid[r] = pattern == 3 ? r % 5000 == 7 : p.valid[r];
            p.col[0].null[r] = p.col[0].null[r] && pattern > 2;
            p.col[0].value[r] = pattern == 0   ? 5
                                : pattern == 1 ? r / 64
                                : pattern == 2 ? (ROWS - r) / 64
                                               : p.col[0].value[r];
        }
        order_arg arg = {keys, 1, pattern == 1 ? 1 : 10 * pattern};
        run_order(&p, &arg, protocols[pattern % 2], pattern, *state);
    }
}

/* Ties come in a random order: the first of two equal rows is either, about as often. */
static void test_ties(void **state)
{
    plain p = plain_new(*state, 2, CM_COUNT(specs), specs);
    order_arg arg = {keys, 1, 1};
    size_t second = 0;

    p.valid[0] = p.valid[1] = true;
    p.col[ID].value[1] = 1;
    for (uint64_t seed = 0; seed < 200; seed++) {
        plain got = fixture_run(CM_PROTOCOL_REP3, seed, NULL, &p, 1, op_order, &arg, *state);
        second += got.col[ID].value[0] == 1;
    }
    assert_in_range(second, 50, 150);
}

static void test_trace(void **state)
{
    static const size_t rows[][2] = {{200, 10}, {20000, 10}};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        plain like = plain_new(*state, rows[i][0], CM_COUNT(specs), specs);
        order_arg arg = {keys, 2, rows[i][1]};
        assert_true(fixture_same_traces(&like, 1, op_order, &arg, *state));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),     cmocka_unit_test(test_random),
        cmocka_unit_test(test_selection), cmocka_unit_test(test_ties),
        cmocka_unit_test(test_trace),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
