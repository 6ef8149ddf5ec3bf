/*
 * Sort by opened comparisons of shuffled, distinct keys: docs/design/table.md, "Sort".
 *
 * A segment is a run of positions of the final order whose rows are known as a set.  One depth
 * advances every segment, all comparisons in one batch:
 *   small segment     all pairs are compared, which orders it for good;
 *   without pivots    a sample of about sqrt(rows) rows is compared pairwise and becomes the
 *                     segment's sorted pivots;
 *   with pivots       all other rows are compared with the middle pivot, which splits the segment
 *                     and its pivots in two.
 * That is quicksort whose pivots were sorted in advance, so that its splits are even: 18
 * comparisons a row in 29 depths at 2^17 rows, where plain quicksort needs 21 in 38.
 *
 * All decisions follow from opened outcomes.  Given distinct keys in uniformly random order they
 * have one distribution, whatever the data.
 */
#include "table/table_int.h"

#include <string.h>

enum {
    SMALL_ROWS = 5,       /* a segment of so many rows is ordered by all pairs */
    SMALL_ROWS_MAX = 128, /* and of up to so many when few rows are left: depth costs more then */
    CHEAP_PAIRS = 16384 / 2, /* comparisons that cost little beside a depth's rounds */
    WINDOW_ROWS = 1 << 18,   /* comparisons run at once, or as many as rows when those are more */
};

typedef enum step { STEP_PAIRS, STEP_SAMPLE, STEP_SPLIT } step;

typedef struct segment {
    uint32_t first, rows;
    uint32_t pivots; /* so many of its first rows are sorted already */
    step step;       /* what this depth does */
} segment;

typedef struct sorter {
    cm_mpc *mpc;
    cm_bcol key;
    const cm_program *less;
    uint32_t *order; /* the permutation so far */
    uint32_t *spare;
    segment *now, *next;
    size_t now_count, next_count;
} sorter;

/* ---- comparing ----------------------------------------------------------------------------- */

static cm_program *build_less(unsigned planes, cm_arena scratch)
{
    size_t chunks = cm_wide_chunks(planes);
    cm_num *x = CM_NEW(&scratch, cm_num, chunks);
    cm_num *y = CM_NEW(&scratch, cm_num, chunks);
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);

    cm_wide_input(c, planes, x);
    cm_wide_input(c, planes, y);
    cm_circuit_output_wire(c, cm_wide_lt(c, x, y, chunks));
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

/* Opens whether key[left[i]] < key[right[i]]. */
static cm_status compare_window(sorter *s, const uint32_t *left, const uint32_t *right,
                                size_t pairs, uint64_t *ret_less, cm_arena scratch)
{
    static const cm_ticket ticket = {CM_TICKET_SHUFFLED,
                                     "sort: comparison of shuffled distinct keys"};
    unsigned legs = cm_mpc_legs(s->mpc);
    size_t chunks = cm_wide_chunks(s->key.planes);
    cm_bcol *inputs = CM_NEW(&scratch, cm_bcol, 2 * chunks);
    cm_bcol x = cm_bcol_new(&scratch, legs, s->key.planes, pairs);
    cm_bcol y = cm_bcol_new(&scratch, legs, s->key.planes, pairs);
    cm_bcol less = cm_bcol_new(&scratch, legs, 1, pairs);

    cm_bcol_gather(s->key, left, x);
    cm_bcol_gather(s->key, right, y);
    cm_wide_split(x, inputs);
    cm_wide_split(y, inputs + chunks);
    cm_status st = cm_program_run(s->less, s->mpc, inputs, &less, scratch);
    if (st == CM_OK) {
        st = cm_mpc_open_bits(s->mpc, less, &ticket, ret_less, scratch);
    }
    return st;
}

static cm_status compare(sorter *s, const uint32_t *left, const uint32_t *right, size_t pairs,
                         uint64_t *ret_less, cm_arena scratch)
{
    /* A gather reads the whole key column, so that windows much smaller than it would cost more. */
    size_t window = s->key.words * 64 > WINDOW_ROWS ? s->key.words * 64 : WINDOW_ROWS;
    cm_status st = CM_OK;

    for (size_t first = 0; st == CM_OK && first < pairs; first += window) {
        size_t rows = pairs - first < window ? pairs - first : window;
        st = compare_window(s, left + first, right + first, rows, ret_less + first / 64, scratch);
    }
    return st;
}

/* ---- one depth: decide, list the comparisons, apply their outcomes ------------------------- */

static uint32_t sample_rows(uint32_t rows)
{
    uint32_t root = 1;

    while ((uint64_t)(root + 1) * (root + 1) <= rows) {
        root++;
    }
    return root;
}

/* Pairs among rows, less those among the sorted pivots. */
static size_t pairs_of(size_t rows, size_t pivots)
{
    return rows * (rows - 1) / 2 - (pivots > 0 ? pivots * (pivots - 1) / 2 : 0);
}

/* Sets every segment's step; returns the number of comparisons. */
static size_t decide(sorter *s)
{
    size_t active = 0;
    for (size_t i = 0; i < s->now_count; i++) {
        active += s->now[i].rows;
    }
    size_t small = 2 * CHEAP_PAIRS / active;
    small = small < SMALL_ROWS ? SMALL_ROWS : small > SMALL_ROWS_MAX ? SMALL_ROWS_MAX : small;

    size_t pairs = 0;
    for (size_t i = 0; i < s->now_count; i++) {
        segment *g = &s->now[i];
        if (g->rows <= small) {
            g->step = STEP_PAIRS;
            pairs += pairs_of(g->rows, g->pivots);
        } else if (g->pivots == 0) {
            g->step = STEP_SAMPLE;
            pairs += pairs_of(sample_rows(g->rows), 0);
        } else {
            g->step = STEP_SPLIT;
            pairs += g->rows - g->pivots;
        }
    }
    return pairs;
}

static size_t list_pairs(const uint32_t *rows, uint32_t count, uint32_t sorted, uint32_t *left,
                         uint32_t *right)
{
    size_t pairs = 0;

    for (uint32_t j = sorted > 0 ? sorted : 1; j < count; j++) {
        for (uint32_t i = 0; i < j; i++) {
            left[pairs] = rows[i];
            right[pairs++] = rows[j];
        }
    }
    return pairs;
}

static void list_comparisons(const sorter *s, uint32_t *left, uint32_t *right)
{
    size_t at = 0;

    for (size_t k = 0; k < s->now_count; k++) {
        segment g = s->now[k];
        const uint32_t *rows = s->order + g.first;
        if (g.step == STEP_PAIRS) {
            at += list_pairs(rows, g.rows, g.pivots, left + at, right + at);
        } else if (g.step == STEP_SAMPLE) {
            at += list_pairs(rows, sample_rows(g.rows), 0, left + at, right + at);
        } else {
            for (uint32_t i = g.pivots; i < g.rows; i++) {
                left[at] = rows[i];
                right[at++] = rows[g.pivots / 2];
            }
        }
    }
}

typedef struct outcomes {
    const uint64_t *bits;
    size_t next;
} outcomes;

static bool next_outcome(outcomes *o)
{
    bool bit = ((o->bits[o->next / 64] >> (o->next % 64)) & 1) != 0;

    o->next++;
    return bit;
}

/*
 * Puts rows in the order that the outcomes of list_pairs tell.  Outcomes of no order at all (a
 * party misbehaved) give equal ranks, which is noticed.
 */
static cm_status order_by_pairs(sorter *s, uint32_t *rows, uint32_t count, uint32_t sorted,
                                outcomes *o, cm_arena scratch)
{
    uint32_t *rank = CM_NEW(&scratch, uint32_t, count);

    for (uint32_t i = 0; i < sorted; i++) {
        rank[i] = i;
    }
    for (uint32_t j = sorted > 0 ? sorted : 1; j < count; j++) {
        for (uint32_t i = 0; i < j; i++) {
            if (next_outcome(o)) {
                rank[j]++;
            } else {
                rank[i]++;
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        s->spare[i] = UINT32_MAX;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (s->spare[rank[i]] != UINT32_MAX) {
            return CM_EPROTO;
        }
        s->spare[rank[i]] = rows[i];
    }
    memcpy(rows, s->spare, count * sizeof *rows);
    return CM_OK;
}

static void push(sorter *s, uint32_t first, uint32_t rows, uint32_t pivots)
{
    if (rows > 1 && rows != pivots) {
        s->next[s->next_count++] = (segment){first, rows, pivots, STEP_PAIRS};
    }
}

/* Lower pivots and rows, the middle pivot, upper pivots and rows. */
static void split(sorter *s, segment g, outcomes *o)
{
    uint32_t *rows = s->order + g.first;
    uint32_t middle = g.pivots / 2, upper_pivots = g.pivots - middle - 1;
    uint32_t low = middle, high = 0;
    uint32_t *upper = s->spare;

    uint32_t pivot = rows[middle];
    memcpy(upper, rows + middle + 1, upper_pivots * sizeof *rows);
    high = upper_pivots;
    /* In place: the write position never passes the read position, as low <= middle + (i - pivots).
     */
    for (uint32_t i = g.pivots; i < g.rows; i++) {
        uint32_t row = rows[i];
        if (next_outcome(o)) {
            rows[low++] = row;
        } else {
            upper[high++] = row;
        }
    }
    rows[low] = pivot;
    memcpy(rows + low + 1, upper, high * sizeof *rows);
    push(s, g.first, low, middle);
    push(s, g.first + low + 1, high, upper_pivots);
}

static cm_status apply(sorter *s, const uint64_t *less, cm_arena scratch)
{
    outcomes o = {less, 0};
    cm_status st = CM_OK;

    s->next_count = 0;
    for (size_t k = 0; st == CM_OK && k < s->now_count; k++) {
        segment g = s->now[k];
        uint32_t *rows = s->order + g.first;
        if (g.step == STEP_PAIRS) {
            st = order_by_pairs(s, rows, g.rows, g.pivots, &o, scratch);
        } else if (g.step == STEP_SAMPLE) {
            uint32_t sample = sample_rows(g.rows);
            st = order_by_pairs(s, rows, sample, 0, &o, scratch);
            push(s, g.first, g.rows, sample);
        } else {
            split(s, g, &o);
        }
    }
    segment *done = s->now;
    s->now = s->next;
    s->now_count = s->next_count;
    s->next = done;
    return st;
}

static cm_status sort_depth(sorter *s, cm_arena scratch)
{
    size_t pairs = decide(s);
    uint32_t *left = CM_NEW(&scratch, uint32_t, pairs);
    uint32_t *right = CM_NEW(&scratch, uint32_t, pairs);
    uint64_t *less = CM_NEW(&scratch, uint64_t, cm_words_of(pairs));

    list_comparisons(s, left, right);
    cm_status st = compare(s, left, right, pairs, less, scratch);
    return st == CM_OK ? apply(s, less, scratch) : st;
}

cm_status cm_sort_order(cm_mpc *mpc, cm_bcol key, uint32_t *ret_from, cm_arena scratch)
{
    CM_ASSERT(key.rows < UINT32_MAX);
    size_t rows = key.rows, segments = rows / 2 + 1; /* an active segment has two rows or more */

    for (size_t r = 0; r < rows; r++) {
        ret_from[r] = (uint32_t)r;
    }
    if (rows < 2) {
        return CM_OK;
    }
    cm_program *less = build_less(key.planes, scratch);
    sorter s = {
        .mpc = mpc,
        .key = key,
        .less = less,
        .order = ret_from,
        .spare = CM_NEW(&scratch, uint32_t, rows),
        .now = CM_NEW(&scratch, segment, segments),
        .next = CM_NEW(&scratch, segment, segments),
        .now_count = 1,
    };
    s.now[0] = (segment){0, (uint32_t)rows, 0, STEP_PAIRS};
    cm_status st = CM_OK;
    while (st == CM_OK && s.now_count > 0) {
        st = sort_depth(&s, scratch);
    }
    cm_program_free(less);
    return st;
}

/* ---- rows and tables ----------------------------------------------------------------------- */

cm_status cm_sort_rows(cm_mpc *mpc, cm_bcol wide, unsigned key_planes, cm_bcol ret,
                       cm_arena scratch)
{
    CM_ASSERT(key_planes <= wide.planes && ret.planes <= wide.planes);
    CM_ASSERT(ret.rows == wide.rows);
    if (wide.rows == 0) {
        return CM_OK;
    }
    cm_status st = cm_mpc_shuffle(mpc, NULL, 0, &wide, 1, scratch);
    if (st != CM_OK) {
        return st;
    }
    uint32_t *from = CM_NEW(&scratch, uint32_t, wide.rows);
    st = cm_sort_order(mpc, cm_bcol_planes(wide, 0, key_planes), from, scratch);
    if (st == CM_OK) {
        cm_bcol_gather(cm_bcol_planes(wide, wide.planes - ret.planes, ret.planes), from, ret);
    }
    return st;
}

unsigned cm_sort_key_planes(const cm_table *table, const cm_sort_key *keys, size_t count,
                            bool valid_first)
{
    unsigned planes = valid_first ? 1 : 0;

    for (size_t i = 0; i < count; i++) {
        planes += table->col[keys[i].col].data.planes + table->col[keys[i].col].null.planes;
    }
    return planes;
}

/*
 * One key: data masked to 0 under NULL, so that NULLs are equal, complemented when descending;
 * above it the null plane, so that a greater bit comes later.
 */
static cm_status build_one_key(cm_mpc *mpc, cm_scol col, cm_sort_key key, cm_bcol z,
                               cm_arena scratch)
{
    cm_bcol data = cm_bcol_planes(z, 0, col.data.planes);

    if (col.null.planes > 0) {
        cm_bcol present = cm_bcol_new(&scratch, cm_mpc_legs(mpc), 1, z.rows);
        cm_rows_not(mpc, col.null, present);
        cm_bcol_copy(cm_bcol_planes(z, data.planes, 1), key.nulls_first ? present : col.null);
        if (data.planes > 0) {
            cm_status st = cm_mpc_and_col(mpc, col.data, present, data, scratch);
            if (st != CM_OK) {
                return st;
            }
        }
    } else if (data.planes > 0) {
        cm_bcol_copy(data, col.data);
    }
    for (unsigned p = 0; key.descending && p < data.planes; p++) {
        cm_mpc_not(mpc, data, p);
    }
    return CM_OK;
}

cm_status cm_sort_key_build(cm_mpc *mpc, const cm_table *table, const cm_sort_key *keys,
                            size_t count, bool valid_first, cm_bcol z, cm_arena scratch)
{
    unsigned at = 0;

    CM_ASSERT(z.planes == cm_sort_key_planes(table, keys, count, valid_first));
    for (size_t i = count; i-- > 0;) {
        CM_ASSERT(keys[i].col < table->cols);
        cm_scol col = table->col[keys[i].col];
        unsigned planes = col.data.planes + col.null.planes;
        cm_status st = build_one_key(mpc, col, keys[i], cm_bcol_planes(z, at, planes), scratch);
        if (st != CM_OK) {
            return st;
        }
        at += planes;
    }
    if (valid_first) {
        cm_rows_not(mpc, table->valid, cm_bcol_planes(z, at, 1));
    }
    return CM_OK;
}

cm_status cm_table_sort(cm_mpc *mpc, cm_table *table, const cm_sort_key *keys, size_t count,
                        bool valid_first, cm_arena *arena, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc), tag = cm_bits_for(table->rows);
    unsigned key_planes = cm_sort_key_planes(table, keys, count, valid_first);
    unsigned row_planes = cm_table_planes(table);

    cm_table_check_arenas(arena, scratch);
    if (table->rows < 2 || key_planes == 0) {
        return CM_OK; /* in order already */
    }
    cm_bcol sorted = cm_bcol_new(arena, legs, row_planes, table->rows);
    cm_bcol wide = cm_bcol_new(&scratch, legs, tag + key_planes + row_planes, table->rows);

    cm_rows_index_bits(mpc, cm_bcol_planes(wide, 0, tag), scratch);
    cm_status st = cm_sort_key_build(mpc, table, keys, count, valid_first,
                                     cm_bcol_planes(wide, tag, key_planes), scratch);
    if (st == CM_OK) {
        cm_table_pack(table, cm_bcol_planes(wide, tag + key_planes, row_planes));
        st = cm_sort_rows(mpc, wide, tag + key_planes, sorted, scratch);
    }
    if (st == CM_OK) {
        cm_table_unpack(table, sorted, table);
    }
    return st;
}
