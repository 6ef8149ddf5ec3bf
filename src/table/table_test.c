#include "table/table_fixture.h"
#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};
static const plain_spec specs[] = {{7, true, 0}, {70, false, 0}, {1, false, 0}, {0, false, 0}};
enum { FLAG = 2 };

static void copy_row(plain *to, size_t to_row, const plain *from, size_t row)
{
    to->valid[to_row] = from->valid[row];
    for (unsigned i = 0; i < from->cols; i++) {
        to->col[i].value[to_row] = from->col[i].value[row];
        to->col[i].null[to_row] = from->col[i].null[row];
    }
}

static void check_equal(const plain *expected, const plain *got)
{
    if (!plain_equal(expected, got)) {
        plain_print("expected", expected);
        plain_print("got", got);
    }
    assert_true(plain_equal(expected, got));
}

/* ---- concat and head ----------------------------------------------------------------------- */

static cm_status op_concat_head(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                                cm_arena scratch, cm_table *ret)
{
    const size_t *rows = arg;
    cm_table all = cm_table_concat(mpc, in, 3, &scratch);

    return cm_table_head(mpc, &all, *rows, arena, ret);
}

static void test_concat_head(void **state)
{
    cm_rng rng = {1};
    static const plain_spec never_null[] = {
        {7, false, 0}, {70, false, 0}, {1, false, 0}, {0, false, 0}};

    for (size_t i = 0; i + 2 < fixture_rows_count; i++) {
        plain part[3];
        size_t rows = 0;
        for (size_t k = 0; k < 3; k++) {
            part[k] = plain_random(*state, &rng, fixture_rows[i + k], CM_COUNT(specs),
                                   k == 1 ? never_null : specs);
            rows += part[k].rows;
        }
        size_t head = rows - rows / 3;
        plain expected = plain_new(*state, head, CM_COUNT(specs), specs);
        for (size_t k = 0, at = 0; k < 3; k++) {
            for (size_t r = 0; r < part[k].rows && at < head; r++) {
                copy_row(&expected, at++, &part[k], r);
            }
        }
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            plain got = fixture_run(protocols[k], 1, NULL, part, 3, op_concat_head, &head, *state);
            check_equal(&expected, &got);
        }
    }
}

/* ---- filter -------------------------------------------------------------------------------- */

static cm_status op_filter(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                           cm_arena scratch, cm_table *ret)
{
    (void)arg;
    (void)arena;
    *ret = in[0];
    return cm_table_filter(mpc, ret, ret->col[FLAG].data, scratch);
}

static void test_filter(void **state)
{
    cm_rng rng = {2};

    for (size_t i = 0; i < fixture_rows_count; i++) {
        plain p = plain_random(*state, &rng, fixture_rows[i], CM_COUNT(specs), specs);
        plain expected = p;
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            plain got = fixture_run(protocols[k], 1, NULL, &p, 1, op_filter, NULL, *state);
            expected.valid = CM_NEW((cm_arena *)*state, bool, p.rows);
            for (size_t r = 0; r < p.rows; r++) {
                expected.valid[r] = p.valid[r] && p.col[FLAG].value[r] == 1;
            }
            check_equal(&expected, &got);
        }
    }
}

/* ---- partition and shuffle ----------------------------------------------------------------- */

static cm_status op_partition(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                              cm_arena scratch, cm_table *ret)
{
    (void)arg;
    *ret = in[0];
    return cm_table_partition(mpc, ret, ret->col[FLAG].data, arena, scratch);
}

static void test_partition(void **state)
{
    cm_rng rng = {3};

    for (size_t i = 0; i < fixture_rows_count; i++) {
        plain p = plain_random(*state, &rng, fixture_rows[i], CM_COUNT(specs), specs);
        plain expected = plain_new(*state, p.rows, p.cols, specs);
        size_t at = 0;
        for (unsigned flag = 2; flag-- > 0;) {
            for (size_t r = 0; r < p.rows; r++) {
                if (p.col[FLAG].value[r] == flag) {
                    copy_row(&expected, at++, &p, r);
                }
            }
        }
        for (size_t k = 0; k < CM_COUNT(protocols); k++) {
            plain got = fixture_run(protocols[k], i, NULL, &p, 1, op_partition, NULL, *state);
            check_equal(&expected, &got);
        }
    }
}

static void test_partition_trace(void **state)
{
    plain like = plain_new(*state, 200, CM_COUNT(specs), specs);

    assert_true(fixture_same_traces(&like, 1, op_partition, NULL, *state));
}

static cm_status op_shuffle(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                            cm_arena scratch, cm_table *ret)
{
    (void)arg;
    (void)arena;
    *ret = in[0];
    return cm_table_shuffle(mpc, ret, scratch);
}

/* Every row is still there, once, and they are not where they were. */
static void test_shuffle(void **state)
{
    static const plain_spec numbered[] = {{10, false, 0}, {10, true, 0}};
    cm_rng rng = {5};
    plain p = plain_random(*state, &rng, 500, 2, numbered);
    for (size_t r = 0; r < p.rows; r++) {
        p.col[0].value[r] = r;
    }
    for (size_t k = 0; k < CM_COUNT(protocols); k++) {
        plain got = fixture_run(protocols[k], 6, NULL, &p, 1, op_shuffle, NULL, *state);
        plain back = plain_new(*state, p.rows, 2, numbered);
        size_t fixed = 0;
        for (size_t r = 0; r < p.rows; r++) {
            assert_true(got.col[0].value[r] < p.rows);
            copy_row(&back, (size_t)got.col[0].value[r], &got, r);
            fixed += got.col[0].value[r] == r;
        }
        check_equal(&p, &back);
        assert_true(fixed < 20);
    }
}

/* ---- opened destinations that are no permutation ------------------------------------------- */

typedef struct bad_places {
    uint64_t second; /* rows 0 and 1 go to 0 and here */
    cm_status got;
} bad_places;

static void place_badly(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    bad_places *bad = arg;
    cm_acol dest = cm_acol_new(arena, cm_mpc_legs(mpc), 2);
    cm_rows rows = {.bits = cm_bcol_new(arena, cm_mpc_legs(mpc), 3, 2)};
    cm_rows out = {.bits = cm_bcol_new(arena, cm_mpc_legs(mpc), 3, 2)};

    cm_mpc_add_public(mpc, cm_acol_slice(dest, 1, 1), bad->second);
    bad->got = cm_rows_place(mpc, dest, &rows, &out, *arena);
}

static void test_bad_places(void **state)
{
    static const uint64_t second[] = {0, 2, UINT64_MAX, 1};

    (void)state;
    for (size_t i = 0; i < CM_COUNT(second); i++) {
        bad_places bad = {second[i], CM_OK};
        cm_run_parties(CM_PROTOCOL_CLEAR, 1, 1, 1, NULL, place_badly, &bad);
        assert_int_equal(bad.got, second[i] == 1 ? CM_OK : CM_EPROTO);
    }
}

static void test_bits_for(void **state)
{
    (void)state;
    assert_int_equal(cm_bits_for(0), 0);
    assert_int_equal(cm_bits_for(1), 0);
    assert_int_equal(cm_bits_for(2), 1);
    assert_int_equal(cm_bits_for(64), 6);
    assert_int_equal(cm_bits_for(65), 7);
    assert_int_equal(cm_bits_for(SIZE_MAX), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_concat_head), cmocka_unit_test(test_filter),
        cmocka_unit_test(test_partition),   cmocka_unit_test(test_partition_trace),
        cmocka_unit_test(test_shuffle),     cmocka_unit_test(test_bad_places),
        cmocka_unit_test(test_bits_for),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
