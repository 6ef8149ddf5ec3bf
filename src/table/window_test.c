#include "table/table_fixture.h"
#include "table/table_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <string.h>

static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};

enum { PART = 0, SUB, ORDER, VALUE, WIDE, COLS };
static const plain_spec specs[COLS] = {
    {4, true, 3}, {70, false, 2}, {9, true, 7}, {17, true, 0}, {110, false, 0}};

static const unsigned parts[] = {PART, SUB};
static const cm_sort_key orders[] = {{ORDER, true, false}, {SUB, false, false}};

static const cm_window_func ranks[] = {
    {.kind = CM_WINDOW_ROW_NUMBER, .planes = 10},
    {.kind = CM_WINDOW_RANK, .planes = 9},
    {.kind = CM_WINDOW_DENSE_RANK, .planes = 11},
    {.kind = CM_WINDOW_LAG, .col = VALUE, .offset = 1},
    {.kind = CM_WINDOW_LEAD, .col = WIDE, .offset = 3},
    {.kind = CM_WINDOW_LEAD, .col = VALUE, .offset = 700},
};
static const cm_window_func sums[] = {
    {CM_WINDOW_COUNT_ROWS, CM_FRAME_ROWS, 0, 0, 10, 0, 0},
    {CM_WINDOW_COUNT_ROWS, CM_FRAME_PEERS, 0, 0, 10, 0, 0},
    {CM_WINDOW_COUNT_ROWS, CM_FRAME_PARTITION, 0, 0, 10, 0, 0},
    {CM_WINDOW_COUNT, CM_FRAME_PEERS, VALUE, 0, 12, 0, 0},
    {CM_WINDOW_SUM, CM_FRAME_ROWS, VALUE, 0, 30, 0, 0},
    {CM_WINDOW_SUM, CM_FRAME_PARTITION, WIDE, 0, 128, 0, 0},
    {CM_WINDOW_COUNT, CM_FRAME_ROWS, WIDE, 0, 10, 0, 0},
};
static const cm_window_func values[] = {
    {CM_WINDOW_FIRST, CM_FRAME_ROWS, WIDE, 0, 0, 0, 0},
    {CM_WINDOW_LAST, CM_FRAME_PEERS, VALUE, 0, 0, 0, 0},
    {CM_WINDOW_LAST, CM_FRAME_PARTITION, WIDE, 0, 0, 0, 0},
    {CM_WINDOW_MIN, CM_FRAME_ROWS, VALUE, 0, 0, 0, 0},
    {CM_WINDOW_MAX, CM_FRAME_PEERS, WIDE, 0, 0, 0, 0},
    {CM_WINDOW_MAX, CM_FRAME_PARTITION, VALUE, 0, 0, 0, 0},
    {CM_WINDOW_SUM, CM_FRAME_PEERS, WIDE, 0, 120, 0, 0},
};

#define ALL CM_FRAME_UNBOUNDED
static const cm_window_func sliding[] = {
    {CM_WINDOW_COUNT_ROWS, CM_FRAME_SLIDING, 0, 0, 10, -2, 3},
    {CM_WINDOW_COUNT, CM_FRAME_SLIDING, VALUE, 0, 10, -70, -3},
    {CM_WINDOW_SUM, CM_FRAME_SLIDING, VALUE, 0, 30, -1, 0},
    {CM_WINDOW_SUM, CM_FRAME_SLIDING, WIDE, 0, 128, 2, 5},
    {CM_WINDOW_SUM, CM_FRAME_SLIDING, VALUE, 0, 30, -ALL, 4},
    {CM_WINDOW_SUM, CM_FRAME_SLIDING, WIDE, 0, 128, 0, ALL},
    {CM_WINDOW_COUNT, CM_FRAME_SLIDING, WIDE, 0, 10, 1, 1},
    {CM_WINDOW_COUNT_ROWS, CM_FRAME_SLIDING, 0, 0, 10, -ALL, -1},
    {CM_WINDOW_MIN, CM_FRAME_SLIDING, VALUE, 0, 0, -2, 1},
    {CM_WINDOW_MAX, CM_FRAME_SLIDING, WIDE, 0, 0, -6, 0},
    {CM_WINDOW_MIN, CM_FRAME_SLIDING, WIDE, 0, 0, 0, 3},
    {CM_WINDOW_MAX, CM_FRAME_SLIDING, VALUE, 0, 0, 0, ALL},
    {CM_WINDOW_FIRST, CM_FRAME_ROWS, WIDE, 1, 0, 0, 0},
    {CM_WINDOW_FIRST, CM_FRAME_ROWS, VALUE, 3, 0, 0, 0},
};

static const cm_window_spec cases[] = {
    {1, 1, CM_COUNT(sliding), parts, orders, sliding, CM_TIES_KEPT, {0}},
    {0, 0, CM_COUNT(sliding), NULL, NULL, sliding, CM_TIES_KEPT, {0}},
    {2, 1, CM_COUNT(ranks), parts, orders, ranks, CM_TIES_KEPT, {0}},
    {1, 2, CM_COUNT(sums), parts, orders, sums, CM_TIES_KEPT, {0}},
    {2, 1, CM_COUNT(values), parts, orders, values, CM_TIES_KEPT, {0}},
    {0, 1, CM_COUNT(sums), NULL, orders, sums, CM_TIES_KEPT, {0}},
    {1, 0, CM_COUNT(values), parts, NULL, values, CM_TIES_KEPT, {0}},
    {0, 0, CM_COUNT(ranks), NULL, NULL, ranks, CM_TIES_KEPT, {0}},
};

static cm_status op_window(cm_mpc *mpc, cm_table *in, const void *arg, cm_arena *arena,
                           cm_arena scratch, cm_table *ret)
{
    return cm_table_window(mpc, &in[0], arg, arena, ret, scratch);
}

/* ---- the reference ------------------------------------------------------------------------- */

static int compare_column(const plain_col *c, size_t a, size_t b, bool descending)
{
    if (c->null[a] || c->null[b]) {
        return (int)c->null[a] - (int)c->null[b]; /* last */
    }
    int order = (c->value[a] > c->value[b]) - (c->value[a] < c->value[b]);
    return descending ? -order : order;
}

static int compare_part(const plain *p, const cm_window_spec *s, size_t a, size_t b)
{
    int order = 0;

    for (size_t i = 0; order == 0 && i < s->parts; i++) {
        order = compare_column(&p->col[s->part[i]], a, b, false);
    }
    return order;
}

static int compare_order(const plain *p, const cm_window_spec *s, size_t a, size_t b)
{
    int order = 0;

    for (size_t i = 0; order == 0 && i < s->orders; i++) {
        order = compare_column(&p->col[s->order[i].col], a, b, s->order[i].descending);
    }
    return order;
}

/* Insertion sort of the valid rows; stable. */
static size_t sorted_rows(const plain *p, const cm_window_spec *s, size_t *at)
{
    size_t count = 0;

    for (size_t r = 0; r < p->rows; r++) {
        if (!p->valid[r]) {
            continue;
        }
        size_t i = count++;
        for (; i > 0; i--) {
            int order = compare_part(p, s, at[i - 1], r);
            order = order != 0 ? order : compare_order(p, s, at[i - 1], r);
            if (order <= 0) {
                break;
            }
            at[i] = at[i - 1];
        }
        at[i] = r;
    }
    return count;
}

typedef struct place {
    const plain *p;
    const size_t *at;
    size_t first, end;       /* of the partition */
    size_t peer, peers, row; /* first peer, behind the last one, the row itself */
    size_t dense;
} place;

static void take(const place *w, const cm_window_func *f, size_t from, plain_col *to)
{
    bool inside = from >= w->first && from < w->end;

    to->null[w->row] = !inside || w->p->col[f->col].null[w->at[from]];
    to->value[w->row] = inside ? w->p->col[f->col].value[w->at[from]] : 0;
}

static void evaluate(const place *w, const cm_window_func *f, plain_col *to, cm_arena scratch)
{
    static const cm_agg_kind kinds[] = {
        [CM_WINDOW_COUNT_ROWS] = CM_AGG_COUNT_ROWS,
        [CM_WINDOW_COUNT] = CM_AGG_COUNT,
        [CM_WINDOW_SUM] = CM_AGG_SUM,
        [CM_WINDOW_MIN] = CM_AGG_MIN,
        [CM_WINDOW_MAX] = CM_AGG_MAX,
    };
    bool slides = f->frame == CM_FRAME_SLIDING;
    int64_t row = (int64_t)w->row, start = (int64_t)w->first, stop = (int64_t)w->end;
    size_t end = f->frame == CM_FRAME_ROWS    ? w->row + 1
                 : f->frame == CM_FRAME_PEERS ? w->peers
                                              : w->end;
    size_t first = w->first;
    bool *member = CM_NEW(&scratch, bool, w->p->rows);
    cm_agg agg = {.kind = kinds[f->kind],
                  .col = f->col,
                  .planes = f->planes != 0 ? f->planes : w->p->col[f->col].planes};

    switch (f->kind) {
    case CM_WINDOW_ROW_NUMBER:
        to->value[w->row] = w->row - w->first + 1;
        return;
    case CM_WINDOW_RANK:
        to->value[w->row] = w->peer - w->first + 1;
        return;
    case CM_WINDOW_DENSE_RANK:
        to->value[w->row] = w->dense;
        return;
    case CM_WINDOW_LAG:
        take(w, f, w->row - w->first < f->offset ? w->end : w->row - f->offset, to);
        return;
    case CM_WINDOW_LEAD:
        take(w, f, w->row + f->offset, to);
        return;
    case CM_WINDOW_FIRST:
        take(w, f, w->first + f->offset, to);
        return;
    case CM_WINDOW_LAST:
        take(w, f, end - 1, to);
        return;
    case CM_WINDOW_COUNT_ROWS:
    case CM_WINDOW_COUNT:
    case CM_WINDOW_SUM:
    case CM_WINDOW_MIN:
    case CM_WINDOW_MAX:
        break;
    }
    if (slides) {
        first = (size_t)(row + f->from < start ? start : row + f->from);
        end = row + f->to < start ? 0 : (size_t)(row + f->to >= stop ? stop : row + f->to + 1);
    }
    for (size_t i = first; i < end; i++) {
        member[w->at[i]] = true;
    }
    to->value[w->row] = plain_aggregate(w->p, member, &agg, &to->null[w->row]);
}

static plain reference(cm_arena *arena, const plain *p, const cm_window_spec *s)
{
    plain_spec spec[PLAIN_COLS_MAX];
    size_t *at = CM_NEW(arena, size_t, p->rows + 1);
    size_t count = sorted_rows(p, s, at);
    place w = {.p = p, .at = at};

    memcpy(spec, specs, sizeof specs);
    for (size_t i = 0; i < s->funcs; i++) {
        spec[COLS + i] = (plain_spec){s->func[i].planes, true, 0};
    }
    plain z = plain_new(arena, p->rows, (unsigned)(COLS + s->funcs), spec);
    for (size_t r = 0; r < count; r++) {
        w.row = r;
        if (r == 0 || compare_part(p, s, at[r - 1], at[r]) != 0) {
            w.first = w.peer = r;
            w.dense = 1;
        } else if (compare_order(p, s, at[r - 1], at[r]) != 0) {
            w.peer = r;
            w.dense++;
        }
        for (w.end = r + 1; w.end < count && compare_part(p, s, at[r], at[w.end]) == 0; w.end++) {
        }
        for (w.peers = r + 1; w.peers < w.end && compare_order(p, s, at[r], at[w.peers]) == 0;
             w.peers++) {
        }
        z.valid[r] = true;
        for (unsigned i = 0; i < COLS; i++) {
            z.col[i].value[r] = p->col[i].value[at[r]];
            z.col[i].null[r] = p->col[i].null[at[r]];
        }
        for (size_t i = 0; i < s->funcs; i++) {
            evaluate(&w, &s->func[i], &z.col[COLS + i], *arena);
        }
    }
    return z;
}

static void check(const plain *p, const cm_window_spec *s, cm_protocol protocol, cm_arena *arena)
{
    plain expected = reference(arena, p, s);
    plain got = fixture_run(protocol, 5, NULL, p, 1, op_window, s, arena);

    if (!plain_equal(&expected, &got)) {
        plain_print("input", p);
        plain_print("expected", &expected);
        plain_print("got", &got);
    }
    assert_true(plain_equal(&expected, &got));
}

/* In two runs by partition and order. */
static void check_runs(const plain *p, const cm_window_spec *s, bool valid_first,
                       cm_protocol protocol, cm_arena *arena)
{
    const size_t rows[] = {p->rows / 3, p->rows - p->rows / 3};
    cm_window_spec merge = *s;
    cm_sort_key by[8] = {{0}};
    size_t count = 0;
    plain q = plain_copy(arena, p);

    for (size_t i = 0; i < s->parts; i++) {
        by[count++].col = s->part[i];
    }
    for (size_t i = 0; i < s->orders; i++) {
        by[count++] = s->order[i];
    }
    merge.runs = (cm_runs){2, rows, valid_first, CM_ORDER_MERGE};
    plain_sort_runs(&q, by, count, true, &merge.runs);
    check(&q, &merge, protocol, arena);
}

static void test_reference(void **state)
{
    cm_rng rng = {71};
    (void)state;

    for (size_t i = 0; i < fixture_rows_count; i++) {
        for (size_t c = 0; c < CM_COUNT(cases); c++) {
            cm_arena arena;
            assert_int_equal(cm_arena_init(&arena, (size_t)1 << 32), CM_OK);
            plain p = plain_random(&arena, &rng, fixture_rows[i], COLS, specs);
            for (size_t k = 0; k < CM_COUNT(protocols); k++) {
                check(&p, &cases[c], protocols[k], &arena);
                check_runs(&p, &cases[c], i % 2 == 0, protocols[k], &arena);
            }
            cm_arena_fini(&arena);
        }
    }
}

/* Partitions that are as large as the table, or one row each; no row valid. */
static void test_extremes(void **state)
{
    cm_rng rng = {72};
    cm_arena arena;
    (void)state;

    for (int shape = 0; shape < 3; shape++) {
        assert_int_equal(cm_arena_init(&arena, (size_t)1 << 32), CM_OK);
        plain p = plain_random(&arena, &rng, 33, COLS, specs);
        for (size_t r = 0; r < p.rows; r++) {
            p.valid[r] = shape != 0;
            p.col[PART].null[r] = shape == 1;
            p.col[PART].value[r] = 0;
            p.col[SUB].value[r] = shape == 2 ? r : 0;
        }
        for (size_t c = 0; c < CM_COUNT(cases); c++) {
            check(&p, &cases[c], CM_PROTOCOL_REP3, &arena);
        }
        cm_arena_fini(&arena);
    }
}

/* Ties in a random order do not show where nothing ties. */
static void test_random_ties(void **state)
{
    static const cm_sort_key total[] = {{ORDER, true, false}, {WIDE, false, false}};
    static const cm_window_spec spec = {1,     2,     CM_COUNT(ranks), parts,
                                        total, ranks, CM_TIES_RANDOM,  {0}};
    cm_rng rng = {74};
    cm_arena arena;
    (void)state;

    assert_int_equal(cm_arena_init(&arena, (size_t)1 << 32), CM_OK);
    for (size_t i = 0; i < fixture_rows_count; i++) {
        plain p = plain_random(&arena, &rng, fixture_rows[i], COLS, specs);
        for (size_t r = 0; r < p.rows; r++) {
            p.col[WIDE].value[r] = p.rows - r;
        }
        check(&p, &spec, protocols[i % 2], &arena);
        cm_window_spec any = spec;
        any.ties = CM_TIES_ANY;
        check_runs(&p, &any, i % 3 == 0, protocols[i % 2], &arena);
    }
    plain p = plain_random(&arena, &rng, 100, COLS, specs);
    assert_true(fixture_same_traces(&p, 1, op_window, &spec, &arena));
    cm_arena_fini(&arena);
}

static void test_traces(void **state)
{
    cm_rng rng = {73};
    cm_arena arena;
    (void)state;

    for (size_t c = 0; c < CM_COUNT(cases); c++) {
        assert_int_equal(cm_arena_init(&arena, (size_t)1 << 32), CM_OK);
        plain p = plain_random(&arena, &rng, 100, COLS, specs);
        assert_true(fixture_same_traces(&p, 1, op_window, &cases[c], &arena));
        cm_arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_random_ties),
        cmocka_unit_test(test_traces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
