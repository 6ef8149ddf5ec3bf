#include "table/table_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};
static const cm_join_kind kinds[] = {CM_JOIN_INNER, CM_JOIN_LEFT, CM_JOIN_SEMI, CM_JOIN_ANTI};

/* points: key, payload, order, nullable payload; intervals: a column, nullable key, bounds. */
enum { DAY_PLANES = 5 };
static const plain_spec point_specs[] = {
    {5, true, 0}, {40, false, 0}, {DAY_PLANES, false, 0}, {9, true, 0}};
static const plain_spec interval_specs[] = {
    {65, true, 0}, {5, true, 0}, {DAY_PLANES, true, 0}, {DAY_PLANES, false, 0}};
static const unsigned point_key[] = {0}, interval_key[] = {1}, payload[] = {3, 1};

static cm_join_many_spec spec_of(cm_join_kind kind, bool ranged, size_t rows)
{
    return (cm_join_many_spec){
        .kind = kind,
        .range = {.keys = 1,
                  .point_key = point_key,
                  .interval_key = interval_key,
                  .lower = {.given = ranged, .col = 2},
                  .upper = {.given = ranged, .open = true, .col = 3},
                  .order = 2},
        .payload_cols = CM_COUNT(payload),
        .payload = payload,
        .rows = rows,
    };
}

static cm_status op_join(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                         cm_arena scratch, cm_table *ret)
{
    cm_bcol overflow;

    return cm_table_join_many(mpc, &in[0], &in[1], arg, arena, ret, &overflow, scratch);
}

static cm_status op_overflow(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                             cm_arena scratch, cm_table *ret)
{
    static const unsigned planes[] = {1};
    cm_bcol overflow;
    cm_table joined;
    cm_status st = cm_table_join_many(mpc, &in[0], &in[1], arg, arena, &joined, &overflow, scratch);

    *ret = cm_table_new(arena, cm_mpc_legs(mpc), 1, 1, planes, NULL);
    cm_mpc_set_public(mpc, ret->valid, 0, true);
    if (st == CM_OK) {
        cm_bcol_copy(ret->col[0].data, overflow);
    }
    return st;
}

/* ---- the reference ------------------------------------------------------------------------- */

static bool matches(const plain *points, size_t p, const plain *intervals, size_t r,
                    const cm_join_many_spec *s)
{
    const plain_col *x = &points->col[0], *y = &intervals->col[1];
    cm_u128 at = points->col[2].value[p];
    bool equal = points->valid[p] && intervals->valid[r] && !x->null[p] && !y->null[r] &&
                 x->value[p] == y->value[r];

    if (!s->range.lower.given) {
        return equal;
    }
    return equal && !intervals->col[2].null[r] && at >= intervals->col[2].value[r] &&
           at < intervals->col[3].value[r];
}

/* The point after `last` that matches, by order and place; points->rows: none. */
static size_t next_match(const plain *points, size_t last, const plain *intervals, size_t r,
                         const cm_join_many_spec *s)
{
    const cm_u128 *at = points->col[2].value;
    size_t best = points->rows;
    bool ranged = s->range.lower.given, first = last == points->rows;

    for (size_t p = 0; p < points->rows; p++) {
        bool after =
            first || (ranged && at[p] > at[last]) || ((!ranged || at[p] == at[last]) && p > last);
        bool better = best == points->rows || (ranged && at[p] < at[best]);
        if (after && better && matches(points, p, intervals, r, s)) {
            best = p;
        }
    }
    return best;
}

static void put_pair(plain *z, size_t at, const plain *points, size_t p, const plain *intervals,
                     size_t r)
{
    z->valid[at] = true;
    for (unsigned i = 0; i < z->cols; i++) {
        bool mine = i < intervals->cols;
        CM_ASSERT(mine || i - intervals->cols < CM_COUNT(payload));
        const plain_col *c = mine ? &intervals->col[i] : &points->col[payload[i - intervals->cols]];
        size_t row = mine ? r : p;
        z->col[i].null[at] = !mine && p == points->rows ? true : c->null[row];
        z->col[i].value[at] = z->col[i].null[at] ? 0 : c->value[row];
    }
}

/* Returns how many rows there are; those that fit are in *z. */
static size_t join_plain(plain *z, const plain *points, const plain *intervals,
                         const cm_join_many_spec *s)
{
    size_t at = 0;

    for (size_t r = 0; r < intervals->rows; r++) {
        size_t p = next_match(points, points->rows, intervals, r, s);
        bool lonely = p == points->rows;
        if (s->kind == CM_JOIN_SEMI || s->kind == CM_JOIN_ANTI) {
            put_pair(z, r, points, p, intervals, r);
            z->valid[r] = intervals->valid[r] && lonely == (s->kind == CM_JOIN_ANTI);
            continue;
        }
        if (lonely && intervals->valid[r] && s->kind == CM_JOIN_LEFT && at++ < z->rows) {
            put_pair(z, at - 1, points, p, intervals, r);
        }
        for (; p < points->rows; p = next_match(points, p, intervals, r, s)) {
            if (at++ < z->rows) {
                put_pair(z, at - 1, points, p, intervals, r);
            }
        }
    }
    return at;
}

static bool in_place(cm_join_kind kind)
{
    return kind == CM_JOIN_SEMI || kind == CM_JOIN_ANTI;
}

static plain new_result(cm_arena *arena, const plain *intervals, const cm_join_many_spec *s)
{
    plain_spec specs[CM_COUNT(interval_specs) + CM_COUNT(payload)];
    unsigned cols = CM_COUNT(interval_specs) + (in_place(s->kind) ? 0 : CM_COUNT(payload));

    for (unsigned i = 0; i < cols; i++) {
        specs[i] = i < CM_COUNT(interval_specs)
                       ? interval_specs[i]
                       : point_specs[payload[i - CM_COUNT(interval_specs)]];
        specs[i].nullable = true;
    }
    return plain_new(arena, in_place(s->kind) ? intervals->rows : s->rows, cols, specs);
}

static void check_join(const plain *tables, const cm_join_many_spec *spec, cm_protocol protocol,
                       cm_arena *arena)
{
    plain expected = new_result(arena, &tables[1], spec);
    bool over = join_plain(&expected, &tables[0], &tables[1], spec) > expected.rows;
    plain flag = fixture_run(protocol, 3, NULL, tables, 2, op_overflow, spec, arena);

    assert_int_equal(flag.col[0].value[0], over);
    if (over) {
        return;
    }
    plain got = fixture_run(protocol, 3, NULL, tables, 2, op_join, spec, arena);
    if (!plain_equal(&expected, &got)) {
        plain_print("points", &tables[0]);
        plain_print("intervals", &tables[1]);
        plain_print("expected", &expected);
        plain_print("got", &got);
    }
    assert_true(plain_equal(&expected, &got));
}

/* ---- tests --------------------------------------------------------------------------------- */

static void random_tables(cm_arena *arena, cm_rng *rng, size_t points, size_t intervals,
                          uint64_t keys, plain *ret)
{
    ret[0] = plain_random(arena, rng, points, CM_COUNT(point_specs), point_specs);
    ret[1] = plain_random(arena, rng, intervals, CM_COUNT(interval_specs), interval_specs);
    for (size_t r = 0; r < points; r++) {
        ret[0].col[0].value[r] = cm_rng_below(rng, keys);
    }
    for (size_t r = 0; r < intervals; r++) {
        ret[1].col[1].value[r] = cm_rng_below(rng, keys);
    }
}

/* With room, with exactly the rows that are needed, and with one less. */
static void check_bounds(const plain *tables, cm_join_kind kind, bool ranged, cm_protocol protocol,
                         cm_arena *arena)
{
    cm_join_many_spec spec = spec_of(kind, ranged, 0);
    plain none = new_result(arena, &tables[1], &spec);
    size_t needed = join_plain(&none, &tables[0], &tables[1], &spec);

    spec.rows = needed + needed / 2;
    check_join(tables, &spec, protocol, arena);
    spec.rows = needed;
    check_join(tables, &spec, protocol, arena);
    if (needed > 0) {
        spec.rows = needed - 1;
        check_join(tables, &spec, protocol, arena);
    }
}

static void test_random(void **state)
{
    cm_rng rng = {1};
    plain tables[2];

    for (size_t i = 0; i + 1 < fixture_rows_count; i++) {
        size_t points = fixture_rows[i];
        size_t intervals = fixture_rows[(i * 7 + 3) % (fixture_rows_count - 1)];
        for (size_t k = 0; k < CM_COUNT(kinds); k++) {
            random_tables(*state, &rng, points, intervals, 1 + points % 32, tables);
            check_bounds(tables, kinds[k], (i + k) % 2 == 0, protocols[(i + k) / 2 % 2], *state);
        }
    }
}

/* All with all. */
static void test_equal(void **state)
{
    cm_rng rng = {2};
    plain tables[2];

    for (size_t k = 0; k < CM_COUNT(kinds); k++) {
        random_tables(*state, &rng, 20, 17, 1, tables);
        check_bounds(tables, kinds[k], false, CM_PROTOCOL_REP3, *state);
    }
}

static void test_trace(void **state)
{
    for (size_t k = 0; k < CM_COUNT(kinds); k++) {
        plain like[] = {plain_new(*state, 60, CM_COUNT(point_specs), point_specs),
                        plain_new(*state, 71, CM_COUNT(interval_specs), interval_specs)};
        cm_join_many_spec spec = spec_of(kinds[k], k % 2 == 0, 130);
        assert_true(fixture_same_traces(like, 2, op_join, &spec, *state));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_trace),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
