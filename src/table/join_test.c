#include "table/table_fixture.h"
#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};
static const cm_join_kind kinds[] = {CM_JOIN_INNER, CM_JOIN_LEFT, CM_JOIN_SEMI, CM_JOIN_ANTI};

/* unique: key 0, payload, nullable key 1, nullable payload; other: payload, key 0, nullable key 1.
 */
static const plain_spec unique_specs[] = {
    {11, false, 0}, {40, false, 0}, {2, true, 0}, {9, true, 0}};
static const plain_spec other_specs[] = {{65, true, 0}, {11, false, 0}, {2, true, 0}};
static const unsigned unique_keys[] = {0, 2};
static const unsigned other_keys[] = {1, 2};
static const unsigned payload[] = {3, 1};

static cm_join_spec join_of(cm_join_kind kind, size_t keys)
{
    return (cm_join_spec){kind,    keys, unique_keys, other_keys, CM_COUNT(payload),
                          payload, NULL, {0},         {0}};
}

static cm_status op_join(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                         cm_arena scratch, cm_table *ret)
{
    return cm_join_unique_by(mpc, &in[0], &in[1], arg, CM_JOIN_WAY_PARTITION, arena, ret, scratch);
}

static cm_status op_scan(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                         cm_arena scratch, cm_table *ret)
{
    return cm_join_unique_by(mpc, &in[0], &in[1], arg, CM_JOIN_WAY_SCAN, arena, ret, scratch);
}

static cm_status op_lookup(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                           cm_arena scratch, cm_table *ret)
{
    return cm_join_unique_by(mpc, &in[0], &in[1], arg, CM_JOIN_WAY_LOOKUP, arena, ret, scratch);
}

static cm_status op_merge(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                          cm_arena scratch, cm_table *ret)
{
    return cm_join_unique_by(mpc, &in[0], &in[1], arg, CM_JOIN_WAY_MERGE, arena, ret, scratch);
}

/* The join, and as the only row and column of the result whether the unique side is not. */
static cm_status find_duplicate(cm_mpc *mpc, cm_table *in, const void *arg, cm_join_way way,
                                cm_arena *arena, cm_arena scratch, cm_table *ret)
{
    static const unsigned planes[] = {1};
    cm_bcol duplicate;
    cm_table joined;
    cm_join_spec spec = *(const cm_join_spec *)arg;

    *ret = cm_table_new(arena, cm_mpc_legs(mpc), 1, 1, planes, NULL);
    cm_mpc_set_public(mpc, ret->valid, 0, true);
    spec.ret_duplicate = &duplicate;
    cm_status st = cm_join_unique_by(mpc, &in[0], &in[1], &spec, way, arena, &joined, scratch);
    if (st == CM_OK) {
        cm_bcol_copy(ret->col[0].data, duplicate);
    }
    return st;
}

static cm_status op_duplicate(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                              cm_arena scratch, cm_table *ret)
{
    return find_duplicate(mpc, in, arg, CM_JOIN_WAY_PARTITION, arena, scratch, ret);
}

static cm_status op_duplicate_scan(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                                   cm_arena scratch, cm_table *ret)
{
    return find_duplicate(mpc, in, arg, CM_JOIN_WAY_SCAN, arena, scratch, ret);
}

static cm_status op_duplicate_lookup(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                                     cm_arena scratch, cm_table *ret)
{
    return find_duplicate(mpc, in, arg, CM_JOIN_WAY_LOOKUP, arena, scratch, ret);
}

static cm_status op_duplicate_merge(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                                    cm_arena scratch, cm_table *ret)
{
    return find_duplicate(mpc, in, arg, CM_JOIN_WAY_MERGE, arena, scratch, ret);
}

/* ---- the reference ------------------------------------------------------------------------- */

static bool row_matches(const plain *u, size_t a, const plain *o, size_t b, const cm_join_spec *s)
{
    for (size_t i = 0; i < s->keys; i++) {
        const plain_col *x = &u->col[s->unique_key[i]], *y = &o->col[s->other_key[i]];
        if (x->null[a] || y->null[b] || x->value[a] != y->value[b]) {
            return false;
        }
    }
    return u->valid[a];
}

static size_t partner_of(const plain *u, const plain *o, size_t row, const cm_join_spec *s)
{
    size_t a = 0;

    while (a < u->rows && !row_matches(u, a, o, row, s)) {
        a++;
    }
    return a;
}

static bool survives(cm_join_kind kind, bool partner)
{
    return kind == CM_JOIN_LEFT || partner == (kind != CM_JOIN_ANTI);
}

static plain reference(cm_arena *arena, const plain *u, const plain *o, const cm_join_spec *s)
{
    plain_spec spec[PLAIN_COLS_MAX];
    bool carries = s->kind == CM_JOIN_INNER || s->kind == CM_JOIN_LEFT;
    unsigned cols = o->cols + (carries ? (unsigned)s->payload_cols : 0);

    for (unsigned i = 0; i < cols; i++) {
        const plain_col *c = i < o->cols ? &o->col[i] : &u->col[s->payload[i - o->cols]];
        spec[i] = (plain_spec){c->planes, true, 0};
    }
    plain z = plain_new(arena, o->rows, cols, spec);
    for (size_t r = 0; r < o->rows; r++) {
        size_t a = partner_of(u, o, r, s);
        z.valid[r] = o->valid[r] && survives(s->kind, a < u->rows);
        for (unsigned i = 0; i < cols; i++) {
            const plain_col *c = i < o->cols ? &o->col[i] : &u->col[s->payload[i - o->cols]];
            size_t row = i < o->cols ? r : a;
            z.col[i].null[r] = row == u->rows && i >= o->cols ? true : c->null[row];
            z.col[i].value[r] = z.col[i].null[r] ? 0 : c->value[row];
        }
    }
    return z;
}

/* A valid row of the unique side without NULL in its keys is invalidated when its key came before.
 */
static void make_unique(plain *u, const cm_join_spec *s)
{
    for (size_t r = 0; r < u->rows; r++) {
        bool valid = u->valid[r];
        for (size_t a = 0; a < r; a++) {
            valid = valid && !row_matches(u, a, u, r,
                                          &(cm_join_spec){.keys = s->keys,
                                                          .unique_key = s->unique_key,
                                                          .other_key = s->unique_key});
        }
        u->valid[r] = valid;
    }
}

static void check_join_by(const plain *tables, const cm_join_spec *spec, fixture_op op,
                          cm_protocol protocol, cm_arena *arena)
{
    plain expected = reference(arena, &tables[0], &tables[1], spec);
    plain got = fixture_run(protocol, 3, NULL, tables, 2, op, spec, arena);

    if (!plain_equal(&expected, &got)) {
        plain_print("unique", &tables[0]);
        plain_print("other", &tables[1]);
        plain_print("expected", &expected);
        plain_print("got", &got);
    }
    assert_true(plain_equal(&expected, &got));
}

/* A side in two or three runs by the keys. */
static cm_runs make_runs(plain *p, const unsigned *key, size_t keys, bool valid_first,
                         cm_arena *arena)
{
    size_t *rows = CM_NEW(arena, size_t, 3);
    cm_sort_key order[2] = {{0}};
    cm_runs ret = {.count = 2 + keys % 2, .rows = rows, .valid_first = valid_first};

    CM_ASSERT(keys <= CM_COUNT(order));
    for (size_t i = 0; i < keys; i++) {
        order[i].col = key[i];
    }
    rows[0] = p->rows / 3;
    rows[1] = ret.count == 2 ? p->rows - rows[0] : p->rows / 2;
    rows[2] = p->rows - rows[0] - rows[1];
    plain_sort_runs(p, order, keys, valid_first, &ret);
    return ret;
}

/* The same tables with both sides in runs, and the join of them. */
static cm_join_spec run_tables(const plain *tables, const cm_join_spec *spec, bool valid_first,
                               plain *ret, cm_arena *arena)
{
    cm_join_spec merge = *spec;

    ret[0] = plain_copy(arena, &tables[0]);
    ret[1] = plain_copy(arena, &tables[1]);
    merge.unique_runs = make_runs(&ret[0], spec->unique_key, spec->keys, valid_first, arena);
    merge.other_runs = make_runs(&ret[1], spec->other_key, spec->keys, valid_first, arena);
    return merge;
}

static void check_join(const plain *tables, const cm_join_spec *spec, cm_protocol protocol,
                       cm_arena *arena)
{
    check_join_by(tables, spec, op_join, protocol, arena);
    check_join_by(tables, spec, op_scan, protocol, arena);
    check_join_by(tables, spec, op_lookup, protocol, arena);
    for (unsigned valid_first = 0; valid_first < 2; valid_first++) {
        plain runs[2];
        cm_join_spec merge = run_tables(tables, spec, valid_first != 0, runs, arena);
        check_join_by(runs, &merge, op_merge, protocol, arena);
    }
}

/* ---- tests --------------------------------------------------------------------------------- */

/* Keys from a space of about `keys` values, so that most of them meet. */
static void random_tables(cm_arena *arena, cm_rng *rng, size_t unique_rows, size_t other_rows,
                          uint64_t keys, plain *ret)
{
    ret[0] = plain_random(arena, rng, unique_rows, CM_COUNT(unique_specs), unique_specs);
    ret[1] = plain_random(arena, rng, other_rows, CM_COUNT(other_specs), other_specs);
    for (size_t r = 0; r < unique_rows; r++) {
        ret[0].col[0].value[r] = cm_rng_below(rng, keys);
    }
    for (size_t r = 0; r < other_rows; r++) {
        ret[1].col[1].value[r] = cm_rng_below(rng, keys);
    }
}

static void test_random(void **state)
{
    cm_rng rng = {1};
    plain tables[2];

    for (size_t i = 0; i < fixture_rows_count; i++) {
        size_t rows = fixture_rows[i], other = fixture_rows[(i * 7 + 3) % fixture_rows_count];
        for (size_t k = 0; k < CM_COUNT(kinds); k++) {
            cm_join_spec spec = join_of(kinds[k], 1 + (i + k) % 2);
            random_tables(*state, &rng, rows, other, rows + 1, tables);
            make_unique(&tables[0], &spec);
            for (size_t p = 0; p < CM_COUNT(protocols); p++) {
                check_join(tables, &spec, protocols[p], *state);
            }
        }
    }
}

/* Every key repeated many times among rows that do not count, on both sides of the one that does.
 */
static void test_invalid_duplicates(void **state)
{
    cm_rng rng = {2};
    plain tables[2];

    for (size_t k = 0; k < CM_COUNT(kinds); k++) {
        cm_join_spec spec = join_of(kinds[k], 1);
        random_tables(*state, &rng, 200, 150, 5, tables);
        make_unique(&tables[0], &spec);
        for (size_t p = 0; p < CM_COUNT(protocols); p++) {
            check_join(tables, &spec, protocols[p], *state);
        }
    }
}

static void test_nothing_valid(void **state)
{
    cm_rng rng = {3};
    plain tables[2];

    for (size_t side = 0; side < 2; side++) {
        random_tables(*state, &rng, 70, 80, 10, tables);
        cm_join_spec first = join_of(CM_JOIN_LEFT, 1);
        make_unique(&tables[0], &first);
        for (size_t r = 0; r < tables[side].rows; r++) {
            tables[side].valid[r] = false;
        }
        for (size_t k = 0; k < CM_COUNT(kinds); k++) {
            cm_join_spec spec = join_of(kinds[k], 1);
            check_join(tables, &spec, CM_PROTOCOL_REP3, *state);
        }
    }
}

/* Without keys: one row, valid or not, goes to all. */
static void test_one_row(void **state)
{
    cm_rng rng = {4};
    plain tables[2];

    for (size_t i = 0; i < 2 * fixture_rows_count; i++) {
        random_tables(*state, &rng, 1, fixture_rows[i / 2], 3, tables);
        tables[0].valid[0] = i % 2 == 0;
        for (size_t k = 0; k < CM_COUNT(kinds); k++) {
            cm_join_spec spec = join_of(kinds[k], 0);
            for (size_t p = 0; p < CM_COUNT(protocols); p++) {
                check_join(tables, &spec, protocols[p], *state);
            }
        }
    }
}

/* Keys of 0 to 16 planes, all of their values and none, and what is looked up in many messages. */
static void test_lookup_widths(void **state)
{
    static const unsigned widths[] = {0, 1, 2, 3, 5, 8, 16};
    cm_rng rng = {5};

    for (size_t i = 0; i < CM_COUNT(widths); i++) {
        const plain_spec wide[] = {
            {widths[i], false, 0}, {40, false, 0}, {2, true, 0}, {9, true, 0}};
        const plain_spec other[] = {{65, true, 0}, {widths[i], true, 0}, {2, true, 0}};
        cm_join_spec spec = join_of(kinds[i % CM_COUNT(kinds)], 1);
        for (size_t rows = 1; rows < 10000; rows *= 90) {
            plain tables[] = {plain_random(*state, &rng, 1 + rows / 20, CM_COUNT(wide), wide),
                              plain_random(*state, &rng, rows, CM_COUNT(other), other)};
            make_unique(&tables[0], &spec);
            check_join_by(tables, &spec, op_lookup, CM_PROTOCOL_REP3, *state);
        }
    }
}

static void check_duplicate(const plain *tables, const cm_join_spec *spec, bool expected,
                            cm_arena *arena)
{
    for (size_t p = 0; p < CM_COUNT(protocols); p++) {
        plain got = fixture_run(protocols[p], 5, NULL, tables, 2, op_duplicate, spec, arena);
        assert_int_equal(got.col[0].value[0], expected);
        got = fixture_run(protocols[p], 5, NULL, tables, 2, op_duplicate_scan, spec, arena);
        assert_int_equal(got.col[0].value[0], expected);
        got = fixture_run(protocols[p], 5, NULL, tables, 2, op_duplicate_lookup, spec, arena);
        assert_int_equal(got.col[0].value[0], expected);
        plain runs[2];
        cm_join_spec merge = run_tables(tables, spec, p == 0, runs, arena);
        got = fixture_run(protocols[p], 5, NULL, runs, 2, op_duplicate_merge, &merge, arena);
        assert_int_equal(got.col[0].value[0], expected);
    }
}

/* Three and four rows of a key, which leave a flag as one row does, or none. */
static void test_many_duplicates(void **state)
{
    cm_rng rng = {8};
    plain tables[2];

    for (size_t repeats = 1; repeats < 6; repeats++) {
        cm_join_spec spec = join_of(CM_JOIN_INNER, 1);
        random_tables(*state, &rng, 30, 20, 2000, tables);
        for (size_t r = 0; r < 30; r++) {
            tables[0].col[0].value[r] = r < repeats ? 7 : 100 + r;
            tables[0].valid[r] = true;
        }
        check_duplicate(tables, &spec, repeats > 1, *state);
    }
}

/* None, though rows that do not count repeat keys; then one pair, wherever it is. */
static void test_duplicate(void **state)
{
    cm_rng rng = {6};
    plain tables[2];

    for (size_t i = 0; i < fixture_rows_count; i++) {
        size_t rows = fixture_rows[i];
        cm_join_spec spec = join_of(CM_JOIN_INNER, 1 + i % 2);
        random_tables(*state, &rng, rows, 40, rows / 3 + 1, tables);
        make_unique(&tables[0], &spec);
        check_duplicate(tables, &spec, false, *state);
        if (rows < 2) {
            continue;
        }
        plain *u = &tables[0];
        size_t a = (size_t)cm_rng_below(&rng, rows);
        size_t b = (a + 1 + (size_t)cm_rng_below(&rng, rows - 1)) % rows;
        CM_ASSERT(spec.keys <= CM_COUNT(unique_keys));
        for (size_t k = 0; k < spec.keys; k++) {
            plain_col *key = &u->col[unique_keys[k]];
            key->value[b] = key->value[a];
            key->null[a] = key->null[b] = false;
        }
        u->valid[a] = u->valid[b] = true;
        check_duplicate(tables, &spec, true, *state);
        u->valid[b] = false;
        u->valid[a] = false;
        make_unique(u, &spec);
        check_duplicate(tables, &spec, false, *state);
    }
}

/* Few rows are compared pairwise; more have pivots. */
static void test_trace(void **state)
{
    static const size_t rows[][2] = {{150, 100}, {100, 901}};

    for (size_t i = 0; i < CM_COUNT(rows); i++) {
        plain like[] = {plain_new(*state, rows[i][0], CM_COUNT(unique_specs), unique_specs),
                        plain_new(*state, rows[i][1], CM_COUNT(other_specs), other_specs)};
        for (size_t k = 0; k < CM_COUNT(kinds); k++) {
            cm_join_spec spec = join_of(kinds[k], 1 + i);
            assert_true(fixture_same_traces(like, 2, op_join, &spec, *state));
            assert_true(fixture_same_traces(like, 2, op_duplicate, &spec, *state));
            assert_true(fixture_same_traces(like, 2, op_duplicate_scan, &spec, *state));
            assert_true(fixture_same_traces(like, 2, op_duplicate_lookup, &spec, *state));
            plain runs[2];
            cm_join_spec merge = run_tables(like, &spec, k % 2 == 0, runs, *state);
            assert_true(fixture_same_traces(like, 2, op_merge, &merge, *state));
            assert_true(fixture_same_traces(like, 2, op_duplicate_merge, &merge, *state));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),        cmocka_unit_test(test_invalid_duplicates),
        cmocka_unit_test(test_nothing_valid), cmocka_unit_test(test_one_row),
        cmocka_unit_test(test_lookup_widths), cmocka_unit_test(test_many_duplicates),
        cmocka_unit_test(test_duplicate),     cmocka_unit_test(test_trace),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
