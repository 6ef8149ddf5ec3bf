#include "table/table_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};

/* The last column is the count. */
enum { COUNT = 2 };
static const plain_spec specs[] = {{19, true, 0}, {66, false, 0}, {4, false, 0}};

typedef struct expand_arg {
    bool outer;
    size_t rows;
} expand_arg;

static cm_status op_expand(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                           cm_arena scratch, cm_table *ret)
{
    const expand_arg *a = arg;
    cm_bcol overflow;

    return cm_table_expand(mpc, &in[0], in[0].col[COUNT].data, a->outer, a->rows, arena, ret,
                           &overflow, scratch);
}

/* Whether the bound is too small, as the only row and column. */
static cm_status op_overflow(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                             cm_arena scratch, cm_table *ret)
{
    static const unsigned planes[] = {1};
    const expand_arg *a = arg;
    cm_bcol overflow;
    cm_table expanded;
    cm_status st = cm_table_expand(mpc, &in[0], in[0].col[COUNT].data, a->outer, a->rows, arena,
                                   &expanded, &overflow, scratch);

    *ret = cm_table_new(arena, cm_mpc_legs(mpc), 1, 1, planes, NULL);
    cm_mpc_set_public(mpc, ret->valid, 0, true);
    if (st == CM_OK) {
        cm_bcol_copy(ret->col[0].data, overflow);
    }
    return st;
}

static size_t copies_of(const plain *in, size_t row, bool outer)
{
    size_t count = (size_t)in->col[COUNT].value[row];

    if (!in->valid[row]) {
        return 0;
    }
    return outer && count == 0 ? 1 : count;
}

static size_t sum_of(const plain *in, bool outer)
{
    size_t sum = 0;

    for (size_t r = 0; r < in->rows; r++) {
        sum += copies_of(in, r, outer);
    }
    return sum;
}

static plain reference(cm_arena *arena, const plain *in, const expand_arg *a)
{
    plain_spec with_copy[CM_COUNT(specs) + 1];
    size_t at = 0;

    for (size_t i = 0; i < CM_COUNT(specs); i++) {
        with_copy[i] = specs[i];
    }
    with_copy[CM_COUNT(specs)] = (plain_spec){32, false, 0};
    plain z = plain_new(arena, a->rows, CM_COUNT(specs) + 1, with_copy);
    for (size_t r = 0; r < in->rows; r++) {
        for (size_t copy = 0; copy < copies_of(in, r, a->outer); copy++, at++) {
            z.valid[at] = true;
            for (unsigned i = 0; i < in->cols; i++) {
                z.col[i].value[at] = in->col[i].value[r];
                z.col[i].null[at] = in->col[i].null[r];
            }
            z.col[in->cols].value[at] = copy;
        }
    }
    return z;
}

static void check_expand(const plain *in, size_t rows, bool outer, cm_protocol protocol,
                         cm_arena *arena)
{
    expand_arg a = {outer, rows};
    plain expected = reference(arena, in, &a);
    plain got = fixture_run(protocol, 3, NULL, in, 1, op_expand, &a, arena);

    if (!plain_equal(&expected, &got)) {
        plain_print("in", in);
        plain_print("expected", &expected);
        plain_print("got", &got);
    }
    assert_true(plain_equal(&expected, &got));
}

static bool overflows(const plain *in, size_t rows, bool outer, cm_protocol protocol,
                      cm_arena *arena)
{
    expand_arg a = {outer, rows};

    return fixture_run(protocol, 3, NULL, in, 1, op_overflow, &a, arena).col[0].value[0] != 0;
}

/* Counts below `below`: exactly as many rows as needed, one more, twice as many, a power of two. */
static void check_bounds(const plain *in, bool outer, cm_protocol protocol, cm_arena *arena)
{
    size_t sum = sum_of(in, outer), power = 1;

    while (power < sum) {
        power *= 2;
    }
    const size_t rows[] = {sum, sum + 1, 2 * sum, power};
    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        check_expand(in, rows[i], outer, protocol, arena);
        assert_false(overflows(in, rows[i], outer, protocol, arena));
    }
    if (sum > 0) {
        assert_true(overflows(in, sum - 1, outer, protocol, arena));
        assert_true(overflows(in, sum / 3, outer, protocol, arena));
        assert_true(overflows(in, 0, outer, protocol, arena));
    }
}

static void test_random(void **state)
{
    cm_rng rng = {1};

    for (size_t i = 0; i < fixture_rows_count; i++) {
        for (unsigned below = 1; below <= 16; below *= 4) {
            plain in = plain_random(*state, &rng, fixture_rows[i], CM_COUNT(specs), specs);
            for (size_t r = 0; r < in.rows; r++) {
                in.col[COUNT].value[r] = cm_rng_below(&rng, below);
            }
            check_bounds(&in, (i + below) % 2 == 0, protocols[i % 2], *state);
        }
    }
}

/* One row has it all, the first, the last, one in the middle; all have one; none has any. */
static void test_shapes(void **state)
{
    enum { ROWS_MAX = 33 };
    cm_rng rng = {2};

    for (size_t which = 0; which < ROWS_MAX + 2; which++) {
        plain in = plain_random(*state, &rng, ROWS_MAX, CM_COUNT(specs), specs);
        for (size_t r = 0; r < ROWS_MAX; r++) {
            in.valid[r] = in.valid[r] || r == which;
            in.col[COUNT].value[r] = which == ROWS_MAX ? 1 : r == which ? 15 : 0;
        }
        for (unsigned outer = 0; outer < 2; outer++) {
            check_expand(&in, sum_of(&in, outer) + which % 2, outer, protocols[which % 2], *state);
        }
    }
}

static void test_trace(void **state)
{
    static const size_t rows[] = {1, 60, 128, 400};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        plain like = plain_new(*state, 100, CM_COUNT(specs), specs);
        expand_arg a = {i % 2 == 0, rows[i]};
        assert_true(fixture_same_traces(&like, 1, op_expand, &a, *state));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_trace),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
