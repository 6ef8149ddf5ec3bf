#include "table/table_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const size_t fixture_rows[] = {0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 500};
const size_t fixture_rows_count = CM_COUNT(fixture_rows);

cm_u128 plain_mask(unsigned planes)
{
    return planes >= 128 ? ~(cm_u128)0 : ((cm_u128)1 << planes) - 1;
}

plain plain_new(cm_arena *arena, size_t rows, unsigned cols, const plain_spec *spec)
{
    plain p = {.rows = rows, .cols = cols, .valid = CM_NEW(arena, bool, rows)};

    CM_ASSERT(cols <= PLAIN_COLS_MAX);
    for (unsigned i = 0; i < cols; i++) {
        p.col[i].planes = spec[i].planes;
        p.col[i].nullable = spec[i].nullable;
        p.col[i].value = CM_NEW(arena, cm_u128, rows);
        p.col[i].null = CM_NEW(arena, bool, rows);
    }
    return p;
}

plain plain_random(cm_arena *arena, cm_rng *rng, size_t rows, unsigned cols, const plain_spec *spec)
{
    plain p = plain_new(arena, rows, cols, spec);

    for (unsigned i = 0; i < cols; i++) {
        for (size_t r = 0; r < rows; r++) {
            cm_u128 v = (cm_u128)cm_rng_next(rng) << 64 | cm_rng_next(rng);
            v = spec[i].below != 0 ? v % spec[i].below : v;
            p.col[i].value[r] = v & plain_mask(spec[i].planes);
            p.col[i].null[r] = spec[i].nullable && cm_rng_below(rng, 4) == 0;
        }
    }
    for (size_t r = 0; r < rows; r++) {
        p.valid[r] = cm_rng_below(rng, 4) != 0;
    }
    return p;
}

static bool same_value(const plain_col *a, const plain_col *b, size_t row)
{
    return a->null[row] == b->null[row] && (a->null[row] || a->value[row] == b->value[row]);
}

bool plain_equal(const plain *a, const plain *b)
{
    if (a->rows != b->rows || a->cols != b->cols) {
        return false;
    }
    for (size_t r = 0; r < a->rows; r++) {
        if (a->valid[r] != b->valid[r]) {
            return false;
        }
        for (unsigned i = 0; a->valid[r] && i < a->cols; i++) {
            if (!same_value(&a->col[i], &b->col[i], r)) {
                return false;
            }
        }
    }
    return true;
}

/* Whether row is the first member with its value. */
static bool is_new(const plain_col *c, const bool *member, size_t row)
{
    for (size_t r = 0; r < row; r++) {
        if (member[r] && !c->null[r] && c->value[r] == c->value[row]) {
            return false;
        }
    }
    return true;
}

/* How many members that are not NULL have a value below. */
static size_t count_below(const plain_col *c, const bool *member, size_t rows, cm_u128 value)
{
    size_t below = 0;

    for (size_t r = 0; r < rows; r++) {
        below += member[r] && !c->null[r] && c->value[r] < value;
    }
    return below;
}

static size_t count_equal(const plain_col *c, const bool *member, size_t rows, cm_u128 value)
{
    size_t equal = 0;

    for (size_t r = 0; r < rows; r++) {
        equal += member[r] && !c->null[r] && c->value[r] == value;
    }
    return equal;
}

/* Number `number` of the values in order. */
static cm_u128 value_at(const plain_col *c, const bool *member, size_t rows, size_t number)
{
    for (size_t r = 0; r < rows; r++) {
        size_t below = count_below(c, member, rows, c->value[r]);
        if (member[r] && !c->null[r] && below <= number &&
            number < below + count_equal(c, member, rows, c->value[r])) {
            return c->value[r];
        }
    }
    CM_ASSERT(!"no such value");
    return 0;
}

static cm_u128 mode_of(const plain_col *c, const bool *member, size_t rows)
{
    cm_u128 best = 0;
    size_t most = 0;

    for (size_t r = 0; r < rows; r++) {
        size_t equal = count_equal(c, member, rows, c->value[r]);
        if (member[r] && !c->null[r] && (equal > most || (equal == most && c->value[r] < best))) {
            best = c->value[r];
            most = equal;
        }
    }
    return best;
}

/* A percentile or the mode of `seen` values. */
static cm_u128 plain_ordered(const plain *p, const bool *member, const cm_agg *agg, size_t seen)
{
    const plain_col *c = &p->col[agg->col];
    uint64_t scaled = agg->num * (seen - 1), number = 0;

    switch ((int)agg->kind) {
    case CM_AGG_MODE:
        return mode_of(c, member, p->rows);
    case CM_AGG_PERCENTILE_REST:
        return scaled % agg->den;
    case CM_AGG_PERCENTILE_FLOOR:
        number = scaled / agg->den;
        break;
    case CM_AGG_PERCENTILE_CEIL:
        number = (scaled + agg->den - 1) / agg->den;
        break;
    default:
        number = (agg->num * seen + agg->den - 1) / agg->den;
        number = number > 0 ? number - 1 : 0;
    }
    return value_at(c, member, p->rows, agg->descending ? seen - 1 - number : number);
}

cm_u128 plain_aggregate(const plain *p, const bool *member, const cm_agg *agg, bool *ret_null)
{
    const plain_col *c = &p->col[agg->col];
    cm_u128 rows = 0, seen = 0, distinct = 0, sum = 0, least = 0, greatest = 0;

    for (size_t r = 0; r < p->rows; r++) {
        if (!member[r]) {
            continue;
        }
        rows++;
        if (agg->kind == CM_AGG_COUNT_ROWS || c->null[r]) {
            continue;
        }
        least = seen == 0 || c->value[r] < least ? c->value[r] : least;
        greatest = c->value[r] > greatest ? c->value[r] : greatest;
        sum += c->value[r];
        seen++;
        if (agg->kind == CM_AGG_COUNT_DISTINCT) {
            distinct += is_new(c, member, r);
        }
    }
    bool ordered = agg->kind >= CM_AGG_PERCENTILE_FLOOR && agg->kind <= CM_AGG_MODE;
    *ret_null = (agg->kind == CM_AGG_MIN || agg->kind == CM_AGG_MAX || ordered) && seen == 0;
    if (ordered) {
        return seen == 0 ? 0
                         : plain_ordered(p, member, agg, (size_t)seen) & plain_mask(agg->planes);
    }
    const cm_u128 by_kind[] = {
        [CM_AGG_COUNT_ROWS] = rows, [CM_AGG_COUNT] = seen,   [CM_AGG_SUM] = sum,
        [CM_AGG_MIN] = least,       [CM_AGG_MAX] = greatest, [CM_AGG_COUNT_DISTINCT] = distinct,
    };
    return by_kind[agg->kind] & plain_mask(agg->planes);
}

/* ---- order ---------------------------------------------------------------------------------- */

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

int plain_compare(const plain *p, const cm_sort_key *keys, size_t count, bool valid_first, size_t a,
                  size_t b)
{
    if (valid_first && p->valid[a] != p->valid[b]) {
        return p->valid[a] ? -1 : 1;
    }
    for (size_t i = 0; i < count; i++) {
        int order = compare_key(p, keys[i], a, b);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

void plain_number(plain *p, unsigned id)
{
    for (size_t r = 0; r < p->rows; r++) {
        p->col[id].value[r] = r;
    }
}

plain plain_copy(cm_arena *arena, const plain *p)
{
    plain_spec spec[PLAIN_COLS_MAX];

    for (unsigned i = 0; i < p->cols; i++) {
        spec[i] = (plain_spec){p->col[i].planes, p->col[i].nullable, 0};
    }
    plain ret = plain_new(arena, p->rows, p->cols, spec);
    for (size_t r = 0; r < p->rows; r++) {
        ret.valid[r] = p->valid[r];
        for (unsigned i = 0; i < p->cols; i++) {
            ret.col[i].value[r] = p->col[i].value[r];
            ret.col[i].null[r] = p->col[i].null[r];
        }
    }
    return ret;
}

static void swap_rows(plain *p, size_t a, size_t b)
{
    for (unsigned i = 0; i < p->cols; i++) {
        plain_col *c = &p->col[i];
        cm_u128 value = c->value[a];
        bool null = c->null[a];
        c->value[a] = c->value[b];
        c->null[a] = c->null[b];
        c->value[b] = value;
        c->null[b] = null;
    }
    bool valid = p->valid[a];
    p->valid[a] = p->valid[b];
    p->valid[b] = valid;
}

void plain_sort_runs(plain *p, const cm_sort_key *keys, size_t count, bool valid_first,
                     const cm_runs *runs)
{
    bool by_valid = valid_first && runs->valid_first;
    size_t first = 0;

    for (size_t i = 0; i < runs->count; first += runs->rows[i++]) {
        for (size_t r = first; r < first + runs->rows[i]; r++) {
            for (size_t at = r;
                 at > first && plain_compare(p, keys, count, by_valid, at - 1, at) > 0; at--) {
                swap_rows(p, at - 1, at);
            }
        }
    }
    CM_ASSERT(first == p->rows);
}

static bool same_row(const plain *before, size_t b, const plain *after, size_t a)
{
    bool same = before->valid[b] == after->valid[a];

    for (unsigned i = 0; i < before->cols; i++) {
        const plain_col *x = &before->col[i], *y = &after->col[i];
        same = same && x->null[b] == y->null[a] && (x->null[b] || x->value[b] == y->value[a]);
    }
    return same;
}

/* The reference is insertion by binary comparison, which is stable. */
bool plain_sorted(const plain *before, const plain *after, const cm_sort_key *keys, size_t count,
                  bool valid_first, unsigned id)
{
    size_t *order = calloc(before->rows + 1, sizeof *order);
    bool sorted = before->rows == after->rows;

    CM_ASSERT(order != NULL);
    for (size_t r = 0; r < before->rows; r++) {
        size_t at = r;
        while (at > 0 && plain_compare(before, keys, count, valid_first, order[at - 1], r) > 0) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = r;
    }
    for (size_t r = 0; sorted && r < before->rows; r++) {
        sorted = after->col[id].value[r] == order[r] && same_row(before, order[r], after, r);
    }
    free(order);
    return sorted;
}

void plain_print(const char *title, const plain *p)
{
    fprintf(stderr, "%s: %zu rows\n", title, p->rows);
    for (size_t r = 0; r < p->rows && r < 24; r++) {
        fprintf(stderr, "  %c", p->valid[r] ? '+' : '-');
        for (unsigned i = 0; i < p->cols; i++) {
            const plain_col *c = &p->col[i];
            fprintf(stderr, c->null[r] ? " NULL(%llx:%llx)" : " %llx:%llx",
                    (unsigned long long)(c->value[r] >> 64), (unsigned long long)c->value[r]);
        }
        fprintf(stderr, "\n");
    }
}

/* ---- sharing and opening ------------------------------------------------------------------- */

static void share_values(cm_mpc *mpc, const cm_u128 *values, cm_bcol z, cm_arena scratch)
{
    uint64_t *words = CM_NEW(&scratch, uint64_t, 2 * z.rows);
    uint64_t *planes = CM_NEW(&scratch, uint64_t, z.planes * z.words);

    if (z.planes == 0 || z.rows == 0) {
        return;
    }
    for (size_t r = 0; r < z.rows; r++) {
        words[2 * r] = (uint64_t)values[r];
        words[2 * r + 1] = (uint64_t)(values[r] >> 64);
    }
    cm_planes_pack(words, 2, z.rows, z.planes, planes);
    cm_status st = cm_mpc_input_bits(mpc, 0, cm_mpc_me(mpc) == 0 ? planes : NULL, z.planes, z.rows,
                                     z, scratch);
    CM_ASSERT(st == CM_OK);
}

static void share_flags(cm_mpc *mpc, const bool *flags, cm_bcol z, cm_arena scratch)
{
    cm_u128 *values = CM_NEW(&scratch, cm_u128, z.rows);

    for (size_t r = 0; r < z.rows; r++) {
        values[r] = flags[r];
    }
    share_values(mpc, values, z, scratch);
}

static cm_table share_table(cm_mpc *mpc, const plain *p, cm_arena *arena, cm_arena scratch)
{
    unsigned planes[PLAIN_COLS_MAX];
    bool nullable[PLAIN_COLS_MAX];

    for (unsigned i = 0; i < p->cols; i++) {
        planes[i] = p->col[i].planes;
        nullable[i] = p->col[i].nullable;
    }
    cm_table table = cm_table_new(arena, cm_mpc_legs(mpc), p->rows, p->cols, planes, nullable);
    for (unsigned i = 0; i < p->cols; i++) {
        share_values(mpc, p->col[i].value, table.col[i].data, scratch);
        if (nullable[i]) {
            share_flags(mpc, p->col[i].null, table.col[i].null, scratch);
        }
    }
    share_flags(mpc, p->valid, table.valid, scratch);
    return table;
}

static void open_values(cm_mpc *mpc, cm_bcol x, cm_u128 *ret, cm_arena scratch)
{
    static const cm_ticket ticket = {CM_TICKET_RESULT, "test: result"};
    uint64_t *planes = CM_NEW(&scratch, uint64_t, x.planes * x.words);
    uint64_t *words = CM_NEW(&scratch, uint64_t, 4 * x.rows);

    if (x.planes == 0 || x.rows == 0) {
        return;
    }
    cm_status st = cm_mpc_open_bits(mpc, x, &ticket, planes, scratch);
    CM_ASSERT(st == CM_OK);
    /* The parties' results may be wider than 128 planes by mistake: that shows in the high words.
     */
    cm_planes_unpack(planes, x.rows, x.planes, 4, words);
    for (size_t r = 0; r < x.rows; r++) {
        CM_ASSERT(words[4 * r + 2] == 0 && words[4 * r + 3] == 0);
        ret[r] = (cm_u128)words[4 * r + 1] << 64 | words[4 * r];
    }
}

static void open_flags(cm_mpc *mpc, cm_bcol x, bool *ret, cm_arena scratch)
{
    cm_u128 *values = CM_NEW(&scratch, cm_u128, x.rows);

    open_values(mpc, x, values, scratch);
    for (size_t r = 0; r < x.rows; r++) {
        ret[r] = values[r] != 0;
    }
}

/* ---- running ------------------------------------------------------------------------------- */

enum { TABLES_MAX = 3 };

typedef struct running {
    const plain *in;
    size_t tables;
    fixture_op op;
    const void *arg;
    cm_arena *keep;
    plain result; /* written by party 0 */
} running;

static plain open_table(cm_mpc *mpc, const cm_table *table, cm_arena *arena, cm_arena scratch)
{
    plain_spec spec[PLAIN_COLS_MAX];

    CM_ASSERT(table->cols <= PLAIN_COLS_MAX);
    for (unsigned i = 0; i < table->cols; i++) {
        spec[i] = (plain_spec){table->col[i].data.planes, table->col[i].null.planes > 0, 0};
        CM_ASSERT(table->col[i].data.rows == table->rows);
    }
    CM_ASSERT(table->valid.planes == 1 && table->valid.rows == table->rows);
    plain p = plain_new(arena, table->rows, table->cols, spec);
    for (unsigned i = 0; i < table->cols; i++) {
        open_values(mpc, table->col[i].data, p.col[i].value, scratch);
        open_flags(mpc, table->col[i].null, p.col[i].null, scratch);
    }
    open_flags(mpc, table->valid, p.valid, scratch);
    return p;
}

static void run_party(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    running *run = arg;
    cm_table in[TABLES_MAX], out;
    cm_arena scratch;

    CM_ASSERT(run->tables <= TABLES_MAX);
    cm_status st = cm_arena_init_secret(&scratch, (size_t)1 << 32);
    CM_ASSERT(st == CM_OK);
    for (size_t i = 0; i < run->tables; i++) {
        in[i] = share_table(mpc, &run->in[i], arena, scratch);
    }
    st = run->op(mpc, in, run->arg, arena, scratch, &out);
    CM_ASSERT(st == CM_OK);
    if (cm_mpc_me(mpc) == 0) {
        run->result = open_table(mpc, &out, run->keep, scratch);
    } else {
        open_table(mpc, &out, arena, scratch);
    }
    cm_arena_fini(&scratch);
}

plain fixture_run(cm_protocol protocol, uint64_t seed, cm_trace **traces, const plain *in,
                  size_t tables, fixture_op op, const void *arg, cm_arena *keep)
{
    running run = {.in = in, .tables = tables, .op = op, .arg = arg, .keep = keep};
    unsigned parties = protocol == CM_PROTOCOL_REP3 ? 3 : 1;

    cm_run_parties(protocol, parties, parties, seed, traces, run_party, &run);
    return run.result;
}

/* ---- traces -------------------------------------------------------------------------------- */

typedef enum pattern {
    PATTERN_EQUAL,
    PATTERN_ASCENDING,
    PATTERN_DESCENDING,
    PATTERN_RANDOM,
    PATTERNS
} pattern;

static cm_u128 pattern_value(pattern which, size_t row, size_t rows, cm_rng *rng)
{
    const cm_u128 by_pattern[PATTERNS] = {
        [PATTERN_EQUAL] = 5,
        [PATTERN_ASCENDING] = row,
        [PATTERN_DESCENDING] = rows - row,
        [PATTERN_RANDOM] = (cm_u128)cm_rng_next(rng) << 64 | cm_rng_next(rng),
    };

    return by_pattern[which];
}

/* Nothing NULL and all valid, or all NULL and nothing valid, or some. */
static plain plain_patterned(cm_arena *arena, const plain *like, pattern which, cm_rng *rng)
{
    plain_spec spec[PLAIN_COLS_MAX];
    bool none = which == PATTERN_DESCENDING, some = which == PATTERN_RANDOM;

    for (unsigned i = 0; i < like->cols; i++) {
        spec[i] = (plain_spec){like->col[i].planes, like->col[i].nullable, 0};
    }
    plain p = plain_new(arena, like->rows, like->cols, spec);
    for (size_t r = 0; r < p.rows; r++) {
        p.valid[r] = some ? cm_rng_below(rng, 2) != 0 : !none;
        for (unsigned i = 0; i < p.cols; i++) {
            plain_col *c = &p.col[i];
            c->value[r] = pattern_value(which, r, p.rows, rng) & plain_mask(c->planes);
            c->null[r] = c->nullable && (some ? cm_rng_below(rng, 2) != 0 : none);
        }
    }
    return p;
}

static void record_traces(const plain *like, size_t tables, pattern which, fixture_op op,
                          const void *arg, cm_trace **trace, cm_arena *keep)
{
    plain in[TABLES_MAX];
    cm_rng rng = {which};

    for (size_t i = 0; i < tables; i++) {
        in[i] = plain_patterned(keep, &like[i], which, &rng);
    }
    for (size_t i = 0; i < 3; i++) {
        trace[i] = cm_trace_new();
    }
    fixture_run(CM_PROTOCOL_REP3, 70 + which, trace, in, tables, op, arg, keep);
}

bool fixture_same_traces(const plain *like, size_t tables, fixture_op op, const void *arg,
                         cm_arena *keep)
{
    cm_trace *first[3], *trace[3];
    bool same = true;

    CM_ASSERT(tables <= TABLES_MAX);
    record_traces(like, tables, PATTERN_EQUAL, op, arg, first, keep);
    for (pattern which = PATTERN_ASCENDING; which < PATTERNS; which++) {
        record_traces(like, tables, which, op, arg, trace, keep);
        for (size_t i = 0; i < 3; i++) {
            same = same && cm_trace_frames(trace[i]) > 0 && cm_trace_equal(first[i], trace[i]);
            cm_trace_free(trace[i]);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        cm_trace_free(first[i]);
    }
    return same;
}

int fixture_set_up(void **state)
{
    static cm_arena arena;

    *state = &arena;
    return cm_arena_init(&arena, (size_t)1 << 34) == CM_OK ? 0 : -1;
}

int fixture_tear_down(void **state)
{
    cm_arena_fini(*state);
    return 0;
}
