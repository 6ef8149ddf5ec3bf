#include "table/table_fixture.h"
#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};

typedef struct sort_arg {
    const cm_sort_key *keys;
    size_t count;
    bool valid_first;
} sort_arg;

static cm_status op_sort(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                         cm_arena scratch, cm_table *ret)
{
    const sort_arg *a = arg;

    *ret = in[0];
    return cm_table_sort(mpc, ret, a->keys, a->count, a->valid_first, arena, scratch);
}

/* ---- tests --------------------------------------------------------------------------------- */

enum { ID = 3 };
static const plain_spec specs[] = {{3, true, 0}, {9, false, 0}, {100, true, 0}, {32, false, 0}};

static void check_sort(const plain *p, const sort_arg *arg, cm_protocol protocol, cm_arena *arena)
{
    plain out = fixture_run(protocol, p->rows, NULL, p, 1, op_sort, arg, arena);

    assert_true(plain_sorted(p, &out, arg->keys, arg->count, arg->valid_first, ID));
}

static void test_random(void **state)
{
    static const cm_sort_key keys[] = {{0, true, true}, {1, false, false}, {2, true, false}};
    cm_rng rng = {1};

    for (size_t i = 0; i < fixture_rows_count; i++) {
        plain p = plain_random(*state, &rng, fixture_rows[i], CM_COUNT(specs), specs);
        plain_number(&p, ID);
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            check_sort(&p, &(sort_arg){keys, 1, true}, protocols[k], *state);
            check_sort(&p, &(sort_arg){keys, 3, false}, protocols[k], *state);
            check_sort(&p, &(sort_arg){keys + 1, 2, true}, protocols[k], *state);
        }
    }
}

/* The value of column 1 in row r, by pattern. */
static cm_u128 pattern_value(unsigned pattern, size_t row, size_t rows)
{
    switch (pattern) {
    case 0:
        return 5;
    case 1:
        return row;
    case 2:
        return rows - row;
    default:
        return row % 2;
    }
}

static void test_patterns(void **state)
{
    static const cm_sort_key keys[] = {{1, false, false}, {1, true, false}};
    cm_rng rng = {2};

    for (unsigned pattern = 0; pattern < 4; pattern++) {
        plain p = plain_random(*state, &rng, 300, CM_COUNT(specs), specs);
        plain_number(&p, ID);
        for (size_t r = 0; r < p.rows; r++) {
            p.col[1].value[r] = pattern_value(pattern, r, p.rows);
            p.valid[r] = pattern != 1 && p.valid[r]; /* and once without a valid row */
        }
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            check_sort(&p, &(sort_arg){keys, 1, true}, protocols[k], *state);
            check_sort(&p, &(sort_arg){keys + 1, 1, false}, protocols[k], *state);
        }
    }
}

/* Samples, splits and windows show at more rows only; keys of more planes than one number. */
static void test_large(void **state)
{
    static const plain_spec wide[] = {
        {128, false, 3}, {128, false, 0}, {3, false, 0}, {32, false, 0}};
    static const cm_sort_key keys[] = {{0, false, false}, {1, false, false}};
    cm_rng rng = {3};
    plain p = plain_random(*state, &rng, 3001, CM_COUNT(wide), wide);

    plain_number(&p, ID);
    for (size_t k = 0; k < CM_COUNT(protocols); k++) {
        check_sort(&p, &(sort_arg){keys, 2, false}, protocols[k], *state);
    }
}

/* Sizes of one level, two levels, and several. */
static void test_trace(void **state)
{
    static const size_t rows[] = {2, 65, 400, 1023, 5000};
    static const cm_sort_key keys[] = {{1, false, false}, {0, true, true}};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        plain like = plain_new(*state, rows[i], CM_COUNT(specs), specs);
        sort_arg arg = {keys, 1 + i % 2, i % 2 == 0};
        assert_true(fixture_same_traces(&like, 1, op_sort, &arg, *state));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_trace),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
