#include "table/table_fixture.h"
#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

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

/* ---- the reference: insertion by binary comparison, stable --------------------------------- */

static int compare_key(const plain *p, cm_sort_key key, size_t a, size_t b)
{
    const plain_col *c = &p->col[key.col];

    if (c->null[a] || c->null[b]) {
        int order = (int)c->null[a] - (int)c->null[b];
        return key.nulls_first ? -order : order;
    }
    int order = (c->value[a] > c->value[b]) - (c->value[a] < c->value[b]);
    return key.descending ? -order : order;
}

static int compare_rows(const plain *p, const sort_arg *arg, size_t a, size_t b)
{
    if (arg->valid_first && p->valid[a] != p->valid[b]) {
        return p->valid[a] ? -1 : 1;
    }
    for (size_t i = 0; i < arg->count; i++) {
        int order = compare_key(p, arg->keys[i], a, b);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

/* Column `id` of p holds the original position: the sorted order is read off it. */
static void check_sorted(const plain *before, const plain *after, const sort_arg *arg, unsigned id)
{
    size_t *order = calloc(before->rows + 1, sizeof *order);
    assert_non_null(order);
    for (size_t r = 0; r < before->rows; r++) {
        size_t at = r;
        while (at > 0 && compare_rows(before, arg, order[at - 1], r) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = r;
    }
    assert_int_equal(before->rows, after->rows);
    for (size_t r = 0; r < before->rows; r++) {
        assert_true(after->col[id].value[r] == order[r]);
        assert_int_equal(after->valid[r], before->valid[order[r]]);
        for (unsigned i = 0; i < before->cols; i++) {
            assert_int_equal(after->col[i].null[r], before->col[i].null[order[r]]);
            assert_true(after->col[i].null[r] ||
                        after->col[i].value[r] == before->col[i].value[order[r]]);
        }
    }
    free(order);
}

/* ---- tests --------------------------------------------------------------------------------- */

enum { ID = 3 };
static const plain_spec specs[] = {{3, true, 0}, {9, false, 0}, {100, true, 0}, {32, false, 0}};

static void number_rows(plain *p)
{
    for (size_t r = 0; r < p->rows; r++) {
        p->col[ID].value[r] = r;
    }
}

static void check_sort(const plain *p, const sort_arg *arg, cm_protocol protocol, cm_arena *arena)
{
    plain out = fixture_run(protocol, p->rows, NULL, p, 1, op_sort, arg, arena);

    check_sorted(p, &out, arg, ID);
}

static void test_random(void **state)
{
    static const cm_sort_key keys[] = {{0, true, true}, {1, false, false}, {2, true, false}};
    cm_rng rng = {1};

    for (size_t i = 0; i < fixture_rows_count; i++) {
        plain p = plain_random(*state, &rng, fixture_rows[i], CM_COUNT(specs), specs);
        number_rows(&p);
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
        number_rows(&p);
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

    number_rows(&p);
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
