#include "table/table_fixture.h"

#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};

/* points: key, order, summed up, nullable key; intervals: bounds, keys. */
enum { DAY_PLANES = 6 };
static const plain_spec point_specs[] = {
    {3, false, 0}, {DAY_PLANES, true, 0}, {70, true, 0}, {2, true, 0}};
static const plain_spec interval_specs[] = {
    {DAY_PLANES, true, 0}, {3, false, 0}, {2, true, 0}, {DAY_PLANES, false, 0}};
static const unsigned point_keys[] = {0, 3}, interval_keys[] = {1, 2};
static const cm_agg aggs[] = {{.kind = CM_AGG_SUM, .col = 2, .planes = 90},
                              {.kind = CM_AGG_COUNT, .col = 2, .planes = 7},
                              {.kind = CM_AGG_COUNT_ROWS, .col = 0, .planes = 12},
                              {.kind = CM_AGG_SUM, .col = 1, .planes = 20}};

/* One of: neither bound, one, both; open or not. */
enum { BOUNDS = 9 };

static cm_range_spec spec_of(unsigned bounds, size_t keys)
{
    unsigned lower = bounds % 3, upper = bounds / 3;

    return (cm_range_spec){
        .keys = keys,
        .point_key = point_keys,
        .interval_key = interval_keys,
        .lower = {.given = lower > 0, .open = lower > 1, .col = 0},
        .upper = {.given = upper > 0, .open = upper > 1, .col = 3},
        .order = 1,
        .aggs = CM_COUNT(aggs),
        .agg = aggs,
    };
}

/* first, NULL where nothing matches; count; aggregates. */
static cm_status op_intervals(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                              cm_arena scratch, cm_table *ret)
{
    const cm_range_spec *spec = arg;
    cm_ranges ranges;
    cm_status st = cm_table_ranges(mpc, &in[0], &in[1], spec, arena, &ranges, scratch);

    if (st != CM_OK) {
        return st;
    }
    *ret = (cm_table){.rows = in[1].rows, .cols = 2 + (unsigned)spec->aggs};
    ret->col = CM_NEW(arena, cm_scol, ret->cols);
    ret->valid = cm_bcol_new(arena, cm_mpc_legs(mpc), 1, ret->rows);
    ret->col[0] = (cm_scol){ranges.first, cm_bcol_new(arena, cm_mpc_legs(mpc), 1, ret->rows)};
    ret->col[1] = (cm_scol){.data = ranges.count};
    for (size_t i = 0; i < spec->aggs; i++) {
        ret->col[2 + i] = ranges.agg[i];
    }
    if (ret->rows > 0) {
        cm_mpc_set_public(mpc, ret->valid, 0, true);
        st = cm_wide_zero_rows(mpc, ranges.count, ret->col[0].null, scratch);
    }
    return st;
}

static cm_status op_points(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                           cm_arena scratch, cm_table *ret)
{
    cm_ranges ranges;
    cm_status st = cm_table_ranges(mpc, &in[0], &in[1], arg, arena, &ranges, scratch);

    if (st == CM_OK) {
        *ret = (cm_table){.rows = in[0].rows, .cols = 1, .col = CM_NEW(arena, cm_scol, 1)};
        ret->col[0].data = ranges.rank;
        ret->valid = ranges.live;
    }
    return st;
}

/* Everything of intervals, while duplicates are looked for; and whether there are, as one row. */
static cm_status op_looking(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                            cm_arena scratch, cm_table *ret)
{
    cm_bcol duplicate;
    cm_range_spec spec = *(const cm_range_spec *)arg;

    spec.ret_duplicate = &duplicate;
    return op_intervals(mpc, in, &spec, arena, scratch, ret);
}

static cm_status op_duplicate(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                              cm_arena scratch, cm_table *ret)
{
    static const unsigned planes[] = {1};
    cm_bcol duplicate;
    cm_ranges ranges;
    cm_range_spec spec = *(const cm_range_spec *)arg;

    spec.ret_duplicate = &duplicate;
    *ret = cm_table_new(arena, cm_mpc_legs(mpc), 1, 1, planes, NULL);
    cm_mpc_set_public(mpc, ret->valid, 0, true);
    cm_status st = cm_table_ranges(mpc, &in[0], &in[1], &spec, arena, &ranges, scratch);
    if (st == CM_OK) {
        cm_bcol_copy(ret->col[0].data, duplicate);
    }
    return st;
}

/* ---- the reference ------------------------------------------------------------------------- */

static bool bounded(const cm_range_spec *s)
{
    return s->lower.given || s->upper.given;
}

static bool is_live(const plain *points, size_t p, const cm_range_spec *s)
{
    bool live = points->valid[p] && !(bounded(s) && points->col[s->order].null[p]);

    for (size_t i = 0; i < s->keys; i++) {
        live = live && !points->col[s->point_key[i]].null[p];
    }
    return live;
}

static bool matches(const plain *points, size_t p, const plain *intervals, size_t r,
                    const cm_range_spec *s)
{
    const plain_col *lower = &intervals->col[s->lower.col], *upper = &intervals->col[s->upper.col];
    cm_u128 at = points->col[s->order].value[p];

    if (!is_live(points, p, s) || !intervals->valid[r]) {
        return false;
    }
    for (size_t i = 0; i < s->keys; i++) {
        const plain_col *y = &intervals->col[s->interval_key[i]];
        if (y->null[r] || y->value[r] != points->col[s->point_key[i]].value[p]) {
            return false;
        }
    }
    if (s->lower.given &&
        (lower->null[r] || at < lower->value[r] || (s->lower.open && at == lower->value[r]))) {
        return false;
    }
    return !s->upper.given ||
           (!upper->null[r] && at <= upper->value[r] && !(s->upper.open && at == upper->value[r]));
}

/* Whether live point a comes before live point b: by keys, then by order. */
static bool comes_before(const plain *points, size_t a, size_t b, const cm_range_spec *s)
{
    for (size_t i = 0; i < s->keys; i++) {
        const plain_col *key = &points->col[s->point_key[i]];
        if (key->value[a] != key->value[b]) {
            return key->value[a] < key->value[b];
        }
    }
    const plain_col *order = &points->col[s->order];
    if (bounded(s) && order->value[a] != order->value[b]) {
        return order->value[a] < order->value[b];
    }
    return a < b;
}

static plain rank_points(cm_arena *arena, const plain *points, const cm_range_spec *s)
{
    plain z = plain_new(arena, points->rows, 1, (plain_spec[]){{32, false, 0}});

    for (size_t b = 0; b < points->rows; b++) {
        z.valid[b] = is_live(points, b, s);
        for (size_t a = 0; a < points->rows; a++) {
            z.col[0].value[b] += is_live(points, a, s) && comes_before(points, a, b, s);
        }
    }
    return z;
}

static plain match_intervals(cm_arena *arena, const plain *points, const plain *intervals,
                             const cm_range_spec *s)
{
    plain_spec specs[2 + CM_COUNT(aggs)] = {{32, true, 0}, {32, false, 0}};
    plain rank = rank_points(arena, points, s);
    bool *member = CM_NEW(arena, bool, points->rows), null;

    for (size_t i = 0; i < s->aggs; i++) {
        specs[2 + i] = (plain_spec){aggs[i].planes, false, 0};
    }
    plain z = plain_new(arena, intervals->rows, 2 + (unsigned)s->aggs, specs);
    for (size_t r = 0; r < intervals->rows; r++) {
        cm_u128 count = 0, first = 0;
        for (size_t p = 0; p < points->rows; p++) {
            member[p] = matches(points, p, intervals, r, s);
            if (member[p] && (count == 0 || rank.col[0].value[p] < first)) {
                first = rank.col[0].value[p];
            }
            count += member[p];
        }
        z.valid[r] = true;
        z.col[0].value[r] = first;
        z.col[0].null[r] = count == 0;
        z.col[1].value[r] = count;
        for (size_t i = 0; i < s->aggs; i++) {
            z.col[2 + i].value[r] = plain_aggregate(points, member, &aggs[i], &null);
        }
    }
    return z;
}

static void check_rows(const plain *tables, const cm_range_spec *spec, cm_protocol protocol,
                       cm_arena *arena)
{
    plain expected = match_intervals(arena, &tables[0], &tables[1], spec);
    plain got = fixture_run(protocol, 3, NULL, tables, 2, op_intervals, spec, arena);
    plain expected_rank = rank_points(arena, &tables[0], spec);
    plain got_rank = fixture_run(protocol, 3, NULL, tables, 2, op_points, spec, arena);

    if (!plain_equal(&expected, &got)) {
        plain_print("points", &tables[0]);
        plain_print("intervals", &tables[1]);
        plain_print("expected", &expected);
        plain_print("got", &got);
    }
    assert_true(plain_equal(&expected, &got));
    assert_true(plain_equal(&expected_rank, &got_rank));
}

/* A side in runs by keys and order, whatever counts. */
static cm_runs make_runs(plain *p, const unsigned *key, size_t keys, bool bounded_by,
                         unsigned order, cm_arena *arena)
{
    size_t *rows = CM_NEW(arena, size_t, 2);
    cm_sort_key by[3] = {{0}};
    cm_runs ret = {2, rows, false, CM_ORDER_MERGE};

    CM_ASSERT(keys < CM_COUNT(by));
    for (size_t i = 0; i < keys; i++) {
        by[i].col = key[i];
    }
    by[keys].col = order;
    rows[0] = p->rows / 3;
    rows[1] = p->rows - rows[0];
    plain_sort_runs(p, by, keys + bounded_by, false, &ret);
    return ret;
}

static cm_range_spec run_tables(const plain *tables, const cm_range_spec *spec, plain *runs,
                                cm_arena *arena)
{
    unsigned bound = spec->lower.given ? spec->lower.col : spec->upper.col;
    cm_range_spec merge = *spec;

    runs[0] = plain_copy(arena, &tables[0]);
    runs[1] = plain_copy(arena, &tables[1]);
    merge.point_runs =
        make_runs(&runs[0], spec->point_key, spec->keys, bounded(spec), spec->order, arena);
    merge.interval_runs =
        make_runs(&runs[1], spec->interval_key, spec->keys, bounded(spec), bound, arena);
    return merge;
}

/* Also where both lie in runs; with two bounds that is of no use. */
static void check_ranges(const plain *tables, const cm_range_spec *spec, cm_protocol protocol,
                         cm_arena *arena)
{
    plain runs[2];
    cm_range_spec merge = run_tables(tables, spec, runs, arena);

    check_rows(tables, spec, protocol, arena);
    check_rows(runs, &merge, protocol, arena);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void random_tables(cm_arena *arena, cm_rng *rng, size_t points, size_t intervals, plain *ret)
{
    ret[0] = plain_random(arena, rng, points, CM_COUNT(point_specs), point_specs);
    ret[1] = plain_random(arena, rng, intervals, CM_COUNT(interval_specs), interval_specs);
}

static void test_random(void **state)
{
    cm_rng rng = {1};
    plain tables[2];

    for (size_t i = 0; i < fixture_rows_count; i++) {
        size_t points = fixture_rows[i];
        size_t intervals = fixture_rows[(i * 7 + 3) % fixture_rows_count];
        for (unsigned bounds = 0; bounds < BOUNDS; bounds++) {
            cm_range_spec spec = spec_of(bounds, (i + bounds) % 3);
            random_tables(*state, &rng, points, intervals, tables);
            check_ranges(tables, &spec, protocols[(i + bounds) % 2], *state);
        }
    }
}

/* Few values, so that most rows tie; all rows equal; one side descending. */
static void test_ties(void **state)
{
    cm_rng rng = {2};
    plain tables[2];

    for (unsigned bounds = 0; bounds < BOUNDS; bounds++) {
        for (unsigned values = 1; values < 4; values++) {
            cm_range_spec spec = spec_of(bounds, 1);
            random_tables(*state, &rng, 40, 33, tables);
            for (size_t r = 0; r < 40; r++) {
                tables[0].col[0].value[r] = cm_rng_below(&rng, values);
                tables[0].col[1].value[r] = values == 3 ? 40 - r : cm_rng_below(&rng, values);
            }
            for (size_t r = 0; r < 33; r++) {
                tables[1].col[0].value[r] = cm_rng_below(&rng, values);
                tables[1].col[1].value[r] = cm_rng_below(&rng, values);
                tables[1].col[3].value[r] = cm_rng_below(&rng, values);
            }
            check_ranges(tables, &spec, protocols[values % 2], *state);
        }
    }
}

/* Bounds of no values, and of all. */
static void test_extremes(void **state)
{
    cm_rng rng = {3};
    plain tables[2];
    cm_u128 greatest = plain_mask(DAY_PLANES);

    for (unsigned bounds = 0; bounds < BOUNDS; bounds++) {
        cm_range_spec spec = spec_of(bounds, bounds % 2);
        random_tables(*state, &rng, 50, 16, tables);
        for (size_t r = 0; r < 16; r++) {
            tables[1].col[0].value[r] = r % 2 ? greatest : 0;
            tables[1].col[3].value[r] = r % 4 < 2 ? greatest : 0;
        }
        check_ranges(tables, &spec, CM_PROTOCOL_REP3, *state);
    }
}

static bool same_key(const plain *t, size_t a, size_t b, size_t keys)
{
    bool same = t->valid[a] && t->valid[b];

    for (size_t i = 0; i < keys; i++) {
        const plain_col *key = &t->col[interval_keys[i]];
        same = same && !key->null[a] && !key->null[b] && key->value[a] == key->value[b];
    }
    return same;
}

/* Rows that do not count repeat keys, and stand between those that do. */
static void test_duplicates(void **state)
{
    cm_rng rng = {4};
    plain tables[2];
    unsigned seen[2] = {0};

    for (size_t i = 0; i < 60; i++) {
        size_t keys = 1 + i % 2, rows = 1 + i % 12;
        cm_range_spec spec = spec_of(0, keys);
        random_tables(*state, &rng, 1 + i % 9, rows, tables);
        bool duplicate = false;
        for (size_t b = 0; b < rows; b++) {
            for (size_t a = 0; a < b; a++) {
                bool same = same_key(&tables[1], a, b, keys);
                bool keep = i % 3 == 0;
                tables[1].valid[b] = tables[1].valid[b] && !(same && keep);
                duplicate = duplicate || (same && !keep);
            }
        }
        plain got = fixture_run(protocols[i % 2], 3, NULL, tables, 2, op_duplicate, &spec, *state);
        assert_int_equal(got.col[0].value[0], duplicate);
        seen[duplicate]++;
        plain expected = match_intervals(*state, &tables[0], &tables[1], &spec);
        got = fixture_run(protocols[i % 2], 3, NULL, tables, 2, op_looking, &spec, *state);
        assert_true(plain_equal(&expected, &got));
    }
    assert_true(seen[0] > 10 && seen[1] > 10);
}

static void test_trace(void **state)
{
    plain few[] = {plain_new(*state, 150, CM_COUNT(point_specs), point_specs),
                   plain_new(*state, 90, CM_COUNT(interval_specs), interval_specs)};
    cm_range_spec equality = spec_of(0, 1);

    assert_true(fixture_same_traces(few, 2, op_duplicate, &equality, *state));
    for (unsigned bounds = 0; bounds < BOUNDS; bounds++) {
        plain like[] = {
            plain_new(*state, 100 + 300 * (bounds % 2), CM_COUNT(point_specs), point_specs),
            plain_new(*state, 101, CM_COUNT(interval_specs), interval_specs)};
        cm_range_spec spec = spec_of(bounds, 1 + bounds % 2);
        assert_true(fixture_same_traces(like, 2, op_intervals, &spec, *state));
        plain runs[2];
        cm_range_spec merge = run_tables(like, &spec, runs, *state);
        assert_true(fixture_same_traces(like, 2, op_intervals, &merge, *state));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),   cmocka_unit_test(test_ties),
        cmocka_unit_test(test_extremes), cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_trace),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
