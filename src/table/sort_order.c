/*
 * The order of rows by opened comparisons of shuffled, distinct keys: docs/design/table.md, "Sort".
 *
 * Sample sort with a fixed schedule (sort_plan.c).  The first rows are a random sample, because the
 * rows were shuffled.  Sorted, they are the pivots by which all other rows of a level find their
 * gap, one or a few bits a depth, every row at the same time; then the rows of all gaps are
 * compared pairwise in one batch, which is filled up to a public bound of its size.  So messages do
 * not depend on the order that is found.  What the outcomes tell has, for distinct keys in
 * uniformly random order, one distribution, whatever the data.
 */
#include "table/table_int.h"

#include <string.h>

enum {
    WINDOW_ROWS = 1 << 18, /* pairs compared at once, or as many as rows when those are more */
    /* Gaps need a second batch with probability 2^-65: so many are no chance. */
    BATCHES_MAX = 64,
};

typedef struct sorter {
    cm_mpc *mpc;
    cm_bcol key; /* of this level's rows */
    const cm_sort_less *less;
    uint32_t *order; /* of the rows that are sorted */
    uint32_t *spare;
    uint32_t *gap; /* per row of this level that is not */
} sorter;

static bool outcome(const uint64_t *less, size_t i)
{
    return ((less[i / 64] >> (i % 64)) & 1) != 0;
}

/* ---- finding gaps -------------------------------------------------------------------------- */

/*
 * Pivots of a level as a search tree in an array: node 1 is the middle one, nodes 2h and 2h + 1 are
 * below node h, so that the nodes of consecutive depths are consecutive rows.
 */
typedef struct search {
    size_t fresh;   /* rows that search */
    cm_bcol pivots; /* row h: node h; row 0 is not used */
    cm_bcol x;      /* the searching rows' keys, once for each comparison of a step */
} search;

/* In a tree of `bits` depths: the node that q-th of the 2^bits - 1 values in order, from 1, is at.
 */
static uint32_t node_of(uint32_t q, unsigned bits)
{
    unsigned below = (unsigned)__builtin_ctz(q);

    return (UINT32_C(1) << (bits - 1 - below)) + (q >> (below + 1));
}

static search start_search(const sorter *s, const cm_sort_level *level, cm_arena *keep)
{
    unsigned legs = cm_mpc_legs(s->mpc), planes = s->key.planes;
    size_t nodes = (size_t)1 << level->bits, copies = ((size_t)1 << level->step_bits) - 1;
    search ret = {
        .fresh = level->rows - (nodes - 1),
        .pivots = cm_bcol_new(keep, legs, planes, nodes),
    };

    ret.x = cm_bcol_new(keep, legs, planes, copies * ret.fresh);
    cm_arena scratch = *keep;
    uint32_t *from = CM_NEW(&scratch, uint32_t, nodes);
    for (uint32_t q = 1; q < nodes; q++) {
        from[node_of(q, level->bits)] = s->order[q - 1];
    }
    cm_bcol_gather(s->key, from, ret.pivots);
    if (copies == 1) {
        cm_bcol_get_rows(s->key, nodes - 1, ret.x);
        return ret;
    }
    cm_bcol x = cm_bcol_new(&scratch, legs, planes, ret.fresh);
    cm_bcol_get_rows(s->key, nodes - 1, x);
    for (size_t i = 0; i < copies; i++) {
        cm_bcol_put_rows(ret.x, i * ret.fresh, x);
    }
    return ret;
}

/* Outcomes of a row's comparisons with 2^step - 1 pivots in order: how many of them are lower. */
static cm_status read_step(sorter *s, const search *f, unsigned step, const uint64_t *less)
{
    uint32_t pivots = (UINT32_C(1) << step) - 1;

    for (size_t r = 0; r < f->fresh; r++) {
        uint32_t lower = 0;
        for (uint32_t i = 0; i < pivots; i++) {
            bool is_lower = !outcome(less, i * f->fresh + r);
            if (is_lower && lower != i) {
                return CM_EPROTO; /* below one pivot and above a greater one: no order */
            }
            lower += is_lower;
        }
        s->gap[r] = s->gap[r] << step | lower;
    }
    return CM_OK;
}

/*
 * Which of the nodes at depths done .. done + step - 1 a row is compared with, counted from the
 * first of them: comparison i of row r is at i * fresh + r.
 */
static const uint32_t *list_nodes(const sorter *s, const search *f, unsigned done, unsigned step,
                                  cm_arena *keep)
{
    uint32_t pivots = (UINT32_C(1) << step) - 1;

    if (step == 1) {
        return s->gap; /* the node of gap g at depth `done` is the g-th of its depth */
    }
    uint32_t *node = CM_NEW(keep, uint32_t, pivots * f->fresh);
    for (uint32_t i = 0; i < pivots; i++) {
        for (size_t r = 0; r < f->fresh; r++) {
            uint32_t q = (s->gap[r] << step) + i + 1;
            node[i * f->fresh + r] = node_of(q, done + step) - (UINT32_C(1) << done);
        }
    }
    return node;
}

/* The gap is known to `done` bits; finds `step` more. */
static cm_status search_step(sorter *s, const search *f, unsigned done, unsigned step,
                             cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(s->mpc), planes = s->key.planes;
    size_t pivots = ((size_t)1 << step) - 1, nodes = pivots << done, pairs = pivots * f->fresh;
    uint64_t *less = CM_NEW(&scratch, uint64_t, cm_words_of(pairs));
    cm_bcol near = cm_bcol_new(&scratch, legs, planes, nodes);
    cm_bcol y = cm_bcol_new(&scratch, legs, planes, pairs);
    cm_bcol x = f->x;

    cm_bcol_get_rows(f->pivots, (size_t)1 << done, near);
    cm_bcol_gather(near, list_nodes(s, f, done, step, &scratch), y);
    if (x.rows != pairs) { /* a last step of fewer bits */
        x = cm_bcol_new(&scratch, legs, planes, pairs);
        cm_bcol_get_rows(f->x, 0, x);
    }
    cm_status st = cm_sort_less_open(s->less, s->mpc, x, y, less, scratch);
    return st == CM_OK ? read_step(s, f, step, less) : st;
}

static cm_status find_gaps(sorter *s, const cm_sort_level *level, cm_arena scratch)
{
    memset(s->gap, 0, level->rows * sizeof *s->gap);
    if (level->bits == 0) {
        return CM_OK;
    }

    search f = start_search(s, level, &scratch);
    cm_status st = CM_OK;
    for (unsigned done = 0; st == CM_OK && done < level->bits; done += level->step_bits) {
        unsigned left = level->bits - done;
        st = search_step(s, &f, done, left < level->step_bits ? left : level->step_bits, scratch);
    }
    return st;
}

/* ---- ordering gaps ------------------------------------------------------------------------- */

typedef struct gaps {
    size_t count;
    size_t *first;  /* of each gap, and one past the last */
    uint32_t *rows; /* gap by gap */
} gaps;

static gaps list_gaps(const sorter *s, const cm_sort_level *level, cm_arena *keep)
{
    size_t pivots = ((size_t)1 << level->bits) - 1, fresh = level->rows - pivots;
    gaps ret = {
        .count = pivots + 1,
        .first = CM_NEW(keep, size_t, pivots + 3),
        .rows = CM_NEW(keep, uint32_t, fresh),
    };

    /* first[g + 2] counts gap g, then becomes its end + 1 place on, and is its write position. */
    for (size_t r = 0; r < fresh; r++) {
        ret.first[s->gap[r] + 2]++;
    }
    for (size_t g = 2; g < ret.count + 2; g++) {
        ret.first[g] += ret.first[g - 1];
    }
    for (size_t r = 0; r < fresh; r++) {
        ret.rows[ret.first[s->gap[r] + 1]++] = (uint32_t)(pivots + r);
    }
    return ret;
}

static size_t gap_rows(const gaps *g, size_t i)
{
    return g->first[i + 1] - g->first[i];
}

static size_t count_pairs(const gaps *g)
{
    size_t pairs = 0;

    for (size_t i = 0; i < g->count; i++) {
        pairs += gap_rows(g, i) > 1 ? gap_rows(g, i) * (gap_rows(g, i) - 1) / 2 : 0;
    }
    return pairs;
}

static void list_pairs(const gaps *g, uint32_t *left, uint32_t *right)
{
    size_t at = 0;

    for (size_t i = 0; i < g->count; i++) {
        for (size_t b = g->first[i] + 1; b < g->first[i + 1]; b++) {
            for (size_t a = g->first[i]; a < b; a++) {
                left[at] = g->rows[a];
                right[at++] = g->rows[b];
            }
        }
    }
}

static cm_status compare_pairs(const sorter *s, const uint32_t *left, const uint32_t *right,
                               size_t pairs, uint64_t *ret_less, cm_arena scratch)
{
    /* A gather reads the whole key column, so that windows much smaller than it would cost more. */
    size_t window = s->key.words * 64 > WINDOW_ROWS ? s->key.words * 64 : WINDOW_ROWS;
    unsigned legs = cm_mpc_legs(s->mpc);
    cm_status st = CM_OK;

    for (size_t first = 0; st == CM_OK && first < pairs; first += window) {
        cm_arena memory = scratch;
        size_t rows = pairs - first < window ? pairs - first : window;
        cm_bcol x = cm_bcol_new(&memory, legs, s->key.planes, rows);
        cm_bcol y = cm_bcol_new(&memory, legs, s->key.planes, rows);
        cm_bcol_gather(s->key, left + first, x);
        cm_bcol_gather(s->key, right + first, y);
        st = cm_sort_less_open(s->less, s->mpc, x, y, ret_less + first / 64, memory);
    }
    return st;
}

/*
 * Replaces the rows of a gap by their order.  Outcomes of no order at all (a party misbehaved) give
 * equal ranks, which is noticed.  *at is the next outcome.
 */
static cm_status order_gap(sorter *s, uint32_t *rows, size_t count, const uint64_t *less,
                           size_t *at)
{
    uint32_t *rank = s->gap, *sorted = s->spare; /* what was in them is used up */

    for (size_t b = 0; b < count; b++) {
        rank[b] = 0;
        sorted[b] = UINT32_MAX;
        for (size_t a = 0; a < b; a++) {
            rank[outcome(less, (*at)++) ? b : a]++;
        }
    }
    for (size_t b = 0; b < count; b++) {
        if (sorted[rank[b]] != UINT32_MAX) {
            return CM_EPROTO;
        }
        sorted[rank[b]] = rows[b];
    }
    memcpy(rows, sorted, count * sizeof *rows);
    return CM_OK;
}

/* The sorted rows of gap 0, pivot 0, gap 1, pivot 1, ... */
static void merge(sorter *s, const gaps *g)
{
    size_t at = 0;

    for (size_t i = 0; i < g->count; i++) {
        memcpy(s->spare + at, g->rows + g->first[i], gap_rows(g, i) * sizeof *s->spare);
        at += gap_rows(g, i);
        if (i + 1 < g->count) {
            s->spare[at++] = s->order[i];
        }
    }
    memcpy(s->order, s->spare, at * sizeof *s->order);
}

/*
 * Batches are as large as the plan says, whatever the gaps hold: what is left over compares row 0
 * with itself, which opens 0.
 */
static cm_status order_gaps(sorter *s, const cm_sort_level *level, cm_arena scratch)
{
    gaps g = list_gaps(s, level, &scratch);
    size_t pairs = count_pairs(&g), filled = level->pairs, at = 0;

    CM_ASSERT(filled >= pairs || filled % 64 == 0); /* batches lie in whole words */
    while (filled < pairs) {
        filled += level->pairs;
        if (filled / BATCHES_MAX > level->pairs) {
            return CM_EPROTO;
        }
    }
    uint32_t *left = CM_NEW(&scratch, uint32_t, filled);
    uint32_t *right = CM_NEW(&scratch, uint32_t, filled);
    uint64_t *less = CM_NEW(&scratch, uint64_t, cm_words_of(filled));
    list_pairs(&g, left, right);
    cm_status st = CM_OK;
    for (size_t first = 0; st == CM_OK && first < filled; first += level->pairs) {
        st =
            compare_pairs(s, left + first, right + first, level->pairs, less + first / 64, scratch);
    }
    for (size_t i = 0; st == CM_OK && i < g.count; i++) {
        st = order_gap(s, g.rows + g.first[i], gap_rows(&g, i), less, &at);
    }
    for (size_t i = at; st == CM_OK && i < filled; i++) {
        st = outcome(less, i) ? CM_EPROTO : CM_OK;
    }
    if (st == CM_OK) {
        merge(s, &g);
    }
    return st;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static cm_status sort_level(sorter *s, cm_bcol key, const cm_sort_level *level, cm_arena scratch)
{
    CM_ASSERT(level->rows <= key.rows && level->rows >> level->bits > 0);
    s->key = key;
    if (level->rows < key.rows) {
        s->key = cm_bcol_new(&scratch, cm_mpc_legs(s->mpc), key.planes, level->rows);
        cm_bcol_get_rows(key, 0, s->key);
    }
    cm_status st = find_gaps(s, level, scratch);
    return st == CM_OK ? order_gaps(s, level, scratch) : st;
}

static cm_status sort_levels(cm_mpc *mpc, cm_bcol key, const cm_sort_less *less,
                             const cm_sort_plan *plan, uint32_t *ret_from, cm_arena scratch)
{
    sorter s = {
        .mpc = mpc,
        .less = less,
        .order = ret_from,
        .spare = CM_NEW(&scratch, uint32_t, key.rows),
        .gap = CM_NEW(&scratch, uint32_t, key.rows),
    };
    cm_status st = CM_OK;

    CM_ASSERT(plan->level[plan->levels - 1].rows == key.rows);
    ret_from[0] = 0;
    for (size_t i = 0; st == CM_OK && i < plan->levels; i++) {
        st = sort_level(&s, key, &plan->level[i], scratch);
    }
    return st;
}

cm_status cm_sort_order_by(cm_mpc *mpc, cm_bcol key, const cm_sort_plan *plan, uint32_t *ret_from,
                           cm_arena scratch)
{
    cm_sort_less less;
    cm_sort_plan best;

    CM_ASSERT(key.rows < UINT32_MAX);
    if (key.rows < 2) {
        memset(ret_from, 0, key.rows * sizeof *ret_from);
        return CM_OK;
    }
    cm_sort_less_init(&less, key.planes, scratch);
    if (!plan) {
        cm_sort_plan_make(key.rows, &less.costs, &best);
        plan = &best;
    }
    cm_status st = sort_levels(mpc, key, &less, plan, ret_from, scratch);
    cm_sort_less_fini(&less);
    return st;
}

cm_status cm_sort_order(cm_mpc *mpc, cm_bcol key, uint32_t *ret_from, cm_arena scratch)
{
    return cm_sort_order_by(mpc, key, NULL, ret_from, scratch);
}
