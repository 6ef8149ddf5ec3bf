/*
 * The order of rows by opened comparisons of shuffled, distinct keys: docs/design/table.md, "Sort".
 *
 * Sample sort with a fixed schedule (sort_plan.c).  The first rows are a random sample, because the
 * rows were shuffled.  Sorted, they are the pivots by which all other rows of a level find their
 * gap, one or a few bits a depth, every row at the same time; then the rows of all gaps are
 * compared pairwise in one batch, which is filled up to a public bound of its size.  So messages do
 * not depend on the order that is found.  What the outcomes tell has, for distinct keys in
 * uniformly random order, one distribution, whatever the data.
 *
 * Rows are moved where they are, twice a level: gap by gap before the pairs of a gap are compared,
 * so that these lie next to each other in memory, and then within gaps.  Besides the rows there is
 * memory for the pivots, for one window of pairs, and for two numbers a row; rows that search are
 * compared where they are.
 */
#include "table/table_int.h"

#include <string.h>

enum {
    /* Gaps need a second batch with probability 2^-65: so many are no chance. */
    BATCHES_MAX = 64,
    PIECE = 1 << 16, /* pairs that are gathered at a time */
    LINE_ROWS = 512, /* of a cache line of a plane: lanes do not share one */
};

typedef struct sorter {
    cm_mpc *mpc;
    unsigned legs;
    cm_bcol wide; /* the first rows are in order, as far as levels are done */
    cm_bcol key;  /* its lowest planes */
    const cm_sort_less *less;
    uint32_t *from;   /* a move of rows: where each comes from */
    uint32_t *gap;    /* of each row of a level, until rows are moved; then from */
    uint32_t *origin; /* NULL, or where each row was before the sort */
} sorter;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool outcome(const uint64_t *less, size_t i)
{
    return ((less[i / 64] >> (i % 64)) & 1) != 0;
}

typedef struct move {
    const sorter *s;
    size_t rows;
} move;

static void move_planes(size_t first, size_t end, void *arg, cm_arena scratch)
{
    const move *m = arg;
    cm_bcol planes = cm_bcol_planes(m->s->wide, (unsigned)first, (unsigned)(end - first));

    cm_bcol_permute(planes, m->rows, m->s->from, scratch);
}

/* Moves the first rows by s->from.  Planes of two legs are gathered 64 at a time. */
static void move_rows(sorter *s, size_t rows, cm_arena scratch)
{
    move m = {s, rows};

    cm_mpc_local(s->mpc, s->wide.planes, 32, s->wide.planes * cm_words_of(rows), move_planes, &m,
                 scratch);
    if (!s->origin) {
        return;
    }
    uint32_t *before = CM_NEW(&scratch, uint32_t, rows);
    memcpy(before, s->origin, rows * sizeof *before);
    for (size_t r = 0; r < rows; r++) {
        s->origin[r] = before[s->from[r]];
    }
}

/* ---- finding gaps -------------------------------------------------------------------------- */

/* In a tree of `bits` depths: the node that q-th of the 2^bits - 1 values in order, from 1, is at.
 */
static uint32_t node_of(uint32_t q, unsigned bits)
{
    unsigned below = (unsigned)__builtin_ctz(q);

    return (UINT32_C(1) << (bits - 1 - below)) + (q >> (below + 1));
}

/*
 * Pivots of a level as a search tree in an array: node 1 is the middle one, nodes 2h and 2h + 1 are
 * below node h, so that the nodes of consecutive depths are next to each other.  Row 0 is not used.
 */
static cm_brows plant_tree(const sorter *s, unsigned bits, cm_arena *keep)
{
    enum { TREE_PIECE = 1 << 12 };
    size_t nodes = (size_t)1 << bits;
    cm_brows tree = cm_brows_new(keep, s->legs, s->key.planes, nodes);
    cm_arena scratch = *keep;
    cm_brows pivots = cm_brows_new(&scratch, s->legs, s->key.planes, TREE_PIECE);
    uint32_t to[TREE_PIECE];

    for (size_t first = 0; first < nodes - 1; first += TREE_PIECE) {
        pivots.rows = smaller(nodes - 1 - first, TREE_PIECE);
        for (size_t i = 0; i < pivots.rows; i++) {
            to[i] = node_of((uint32_t)(first + i + 1), bits);
        }
        cm_brows_load(s->key, first, pivots);
        cm_brows_put(pivots, to, tree);
    }
    return tree;
}

/*
 * Rows that search together.  With one comparison a step they are borrowed from the table, whole
 * words of it: so the last pivots, which share a word with the first of the other rows, search too.
 * What they find is known and is not used.
 */
typedef struct search {
    cm_brows tree;
    size_t first, rows;
    cm_bcol x; /* their keys, once for each comparison of a step */
} search;

static search start_search(const sorter *s, cm_brows tree, size_t first, size_t rows, size_t copies,
                           cm_arena *keep)
{
    if (copies == 1 && first % 64 == 0) {
        return (search){tree, first, rows, cm_bcol_rows(s->key, first, rows)};
    }
    search ret = {tree, first, rows, cm_bcol_new_raw(keep, s->legs, s->key.planes, copies * rows)};
    cm_arena scratch = *keep;
    cm_bcol x = cm_bcol_new_raw(&scratch, s->legs, s->key.planes, rows);
    cm_bcol_get_rows(s->key, first, x);
    for (size_t i = 0; i < copies; i++) {
        cm_bcol_put_rows(ret.x, i * rows, x);
    }
    return ret;
}

/* Outcomes of a row's comparisons with 2^step - 1 pivots in order: how many of them are lower. */
static cm_status read_step(sorter *s, const search *f, unsigned step, const uint64_t *less)
{
    uint32_t pivots = (UINT32_C(1) << step) - 1;
    uint32_t *gap = s->gap + f->first;

    for (size_t r = 0; r < f->rows; r++) {
        uint32_t lower = 0;
        for (uint32_t i = 0; i < pivots; i++) {
            bool is_lower = !outcome(less, i * f->rows + r);
            if (is_lower && lower != i) {
                return CM_EPROTO; /* below one pivot and above a greater one: no order */
            }
            lower += is_lower;
        }
        gap[r] = gap[r] << step | lower;
    }
    return CM_OK;
}

/* Which nodes at depths done .. done + step - 1 rows are compared with, in comparisons first ..
 * first + count - 1: comparison i of row r is at i * rows + r. */
static void list_nodes(const sorter *s, const search *f, unsigned done, unsigned step, size_t first,
                       size_t count, uint32_t *ret_node)
{
    const uint32_t *gap = s->gap + f->first;
    uint32_t i = (uint32_t)(first / f->rows);
    size_t r = first % f->rows;

    for (size_t at = 0; at < count; at++, r++) {
        if (r == f->rows) {
            r = 0;
            i++;
        }
        ret_node[at] = node_of((gap[r] << step) + i + 1, done + step);
    }
}

typedef struct nodes {
    const sorter *s;
    const search *f;
    unsigned done, step;
    cm_bcol y;
} nodes;

/* Gathers them from the tree, a few at a time. */
static void gather_nodes(size_t first, size_t end, void *arg, cm_arena scratch)
{
    enum { FEW = 1 << 12 };
    const nodes *n = arg;
    uint32_t node[FEW];

    (void)scratch;
    for (; first < end; first += FEW) {
        size_t count = smaller(FEW, end - first);
        list_nodes(n->s, n->f, n->done, n->step, first, count, node);
        cm_brows_gather(n->f->tree, node, count, n->y, first);
    }
}

/* The gap is known to `done` bits; finds `step` more. */
static cm_status search_step(sorter *s, const search *f, unsigned done, unsigned step,
                             cm_arena scratch)
{
    size_t pairs = (((size_t)1 << step) - 1) * f->rows;
    uint64_t *less = CM_NEW(&scratch, uint64_t, cm_words_of(pairs));
    cm_bcol y = cm_bcol_new_raw(&scratch, s->legs, s->key.planes, pairs);
    cm_bcol x = f->x;

    nodes n = {s, f, done, step, y};

    cm_mpc_local(s->mpc, pairs, LINE_ROWS, y.planes * y.words, gather_nodes, &n, scratch);
    if (x.rows != pairs) { /* a last step of fewer bits */
        x = cm_bcol_new_raw(&scratch, s->legs, s->key.planes, pairs);
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

    size_t copies = ((size_t)1 << level->step_bits) - 1;
    size_t window = CM_SORT_WINDOW / copies / 64 * 64;
    cm_brows tree = plant_tree(s, level->bits, &scratch);
    cm_status st = CM_OK;
    size_t start = copies == 1 ? (tree.rows - 1) / 64 * 64 : tree.rows - 1;
    for (size_t first = start; first < level->rows; first += window) {
        cm_arena memory = scratch;
        size_t rows = smaller(level->rows - first, window);
        search f = start_search(s, tree, first, rows, copies, &memory);
        for (unsigned done = 0; st == CM_OK && done < level->bits; done += level->step_bits) {
            unsigned bits = level->bits - done;
            st =
                search_step(s, &f, done, bits < level->step_bits ? bits : level->step_bits, memory);
        }
    }
    return st;
}

/* ---- ordering gaps ------------------------------------------------------------------------- */

typedef struct gaps {
    size_t count;
    uint32_t *first; /* place of each gap's first row; its pivot is the place before the next gap */
} gaps;

static size_t gap_rows(const gaps *g, size_t i)
{
    return g->first[i + 1] - 1 - g->first[i];
}

/* Brings the rows of gap 0, pivot 0, the rows of gap 1, pivot 1, ... next to each other. */
static gaps move_to_gaps(sorter *s, const cm_sort_level *level, cm_arena *keep)
{
    size_t pivots = ((size_t)1 << level->bits) - 1;
    gaps g = {.count = pivots + 1, .first = CM_NEW(keep, uint32_t, pivots + 3)};
    cm_arena scratch = *keep;

    s->from = CM_NEW_RAW(&scratch, uint32_t, level->rows);
    /* first[g + 2] counts gap g with its pivot, then is its end, and one before it writes there. */
    for (size_t i = 0; i < g.count; i++) {
        g.first[i + 2] = 1;
    }
    for (size_t r = pivots; r < level->rows; r++) {
        g.first[s->gap[r] + 2]++;
    }
    for (size_t i = 2; i < g.count + 2; i++) {
        g.first[i] += g.first[i - 1];
    }
    for (size_t r = pivots; r < level->rows; r++) {
        s->from[g.first[s->gap[r] + 1]++] = (uint32_t)r;
    }
    for (size_t i = 0; i < pivots; i++) {
        s->from[g.first[i + 1]++] = (uint32_t)i;
    }
    g.first[g.count]++; /* as if the last gap had a pivot */
    if (pivots > 0) {
        move_rows(s, level->rows, scratch);
    }
    return g;
}

static size_t count_pairs(const gaps *g, size_t *ret_rows_most)
{
    size_t pairs = 0;

    *ret_rows_most = 0;
    for (size_t i = 0; i < g->count; i++) {
        size_t rows = gap_rows(g, i);
        pairs += rows > 1 ? rows * (rows - 1) / 2 : 0;
        *ret_rows_most = rows > *ret_rows_most ? rows : *ret_rows_most;
    }
    return pairs;
}

/* The next pair: row a and row b, a < b, of gap i, counted from the gap's first. */
typedef struct cursor {
    size_t i, a, b;
} cursor;

/* Lists the next pairs, as places; returns how many there were, at most `most`. */
static size_t list_pairs(const gaps *g, cursor *c, size_t most, uint32_t *left, uint32_t *right)
{
    size_t at = 0;

    for (; c->i < g->count; c->i++, c->b = 1) {
        for (; c->b < gap_rows(g, c->i); c->b++, c->a = 0) {
            for (; c->a < c->b; c->a++) {
                if (at == most) {
                    return at;
                }
                left[at] = (uint32_t)(g->first[c->i] + c->a);
                right[at++] = (uint32_t)(g->first[c->i] + c->b);
            }
        }
    }
    return at;
}

/* Rows of the table side by side, and the pairs of them that go to rows at .. of x and y. */
typedef struct piece {
    const sorter *s;
    cm_brows rows;
    size_t low, at;
    const uint32_t *left, *right;
    cm_bcol x, y;
} piece;

static void load_piece(size_t first, size_t end, void *arg, cm_arena scratch)
{
    const piece *p = arg;
    cm_brows part = p->rows;

    (void)scratch;
    part.rows = end - first;
    part.word += first * part.stride;
    cm_brows_load(p->s->key, p->low + first, part);
}

static void gather_piece(size_t first, size_t end, void *arg, cm_arena scratch)
{
    const piece *p = arg;

    (void)scratch;
    cm_brows_gather(p->rows, p->left + first, end - first, p->x, p->at + first);
    cm_brows_gather(p->rows, p->right + first, end - first, p->y, p->at + first);
}

/*
 * Gathers the next pairs, as many as there are rows of the piece, into rows first .. of x and y.
 * When there are no more, some row with itself, which opens 0.  Pairs lie close to each other: the
 * rows between the first and the last are loaded once.
 */
static void gather_pairs(const sorter *s, const gaps *g, cursor *c, size_t first, size_t pairs,
                         cm_bcol x, cm_bcol y, cm_arena scratch)
{
    uint32_t *left = CM_NEW(&scratch, uint32_t, pairs), *right = CM_NEW(&scratch, uint32_t, pairs);
    size_t listed = list_pairs(g, c, pairs, left, right);
    size_t low = listed > 0 ? left[0] / 64 * 64 : 0, past = low + 1;

    for (size_t i = 0; i < listed; i++) { /* gaps are in order, the pairs of one are not */
        past = right[i] >= past ? right[i] + 1 : past;
        low = left[i] < low ? left[i] / 64 * 64 : low;
    }
    for (size_t i = 0; i < listed; i++) {
        left[i] -= (uint32_t)low;
        right[i] -= (uint32_t)low;
    } /* else 0 */
    cm_brows rows = cm_brows_new(&scratch, s->legs, s->key.planes, past - low);
    piece p = {s, rows, low, first, left, right, x, y};
    cm_mpc_local(s->mpc, rows.rows, LINE_ROWS, rows.rows * rows.stride, load_piece, &p, scratch);
    cm_mpc_local(s->mpc, pairs, LINE_ROWS, x.planes * cm_words_of(pairs), gather_piece, &p,
                 scratch);
}

static cm_status compare_window(const sorter *s, const gaps *g, cursor *c, size_t pairs,
                                uint64_t *ret_less, cm_arena scratch)
{
    cm_bcol x = cm_bcol_new_raw(&scratch, s->legs, s->key.planes, pairs);
    cm_bcol y = cm_bcol_new_raw(&scratch, s->legs, s->key.planes, pairs);

    for (size_t first = 0; first < pairs; first += PIECE) {
        gather_pairs(s, g, c, first, smaller(pairs - first, PIECE), x, y, scratch);
    }
    return cm_sort_less_open(s->less, s->mpc, x, y, ret_less, scratch);
}

/*
 * Sets from for the places of a gap.  Outcomes of no order at all (a party misbehaved) give equal
 * ranks, which is noticed.  *at is the next outcome; rank has room for the gap's rows.
 */
static cm_status order_gap(sorter *s, size_t first, size_t count, const uint64_t *less, size_t *at,
                           uint32_t *rank)
{
    uint32_t *sorted = s->from + first;

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
        sorted[rank[b]] = (uint32_t)(first + b);
    }
    return CM_OK;
}

/* Batches are as large as the plan says, whatever the gaps hold. */
static cm_status compare_gaps(const sorter *s, const gaps *g, size_t batch, size_t filled,
                              uint64_t *ret_less, cm_arena scratch)
{
    cursor c = {0, 0, 1};
    cm_status st = CM_OK;

    for (size_t first = 0; st == CM_OK && first < filled; first += batch) {
        for (size_t done = 0; st == CM_OK && done < batch; done += CM_SORT_WINDOW) {
            size_t pairs = batch - done < CM_SORT_WINDOW ? batch - done : CM_SORT_WINDOW;
            st = compare_window(s, g, &c, pairs, ret_less + (first + done) / 64, scratch);
        }
    }
    return st;
}

static cm_status order_gaps(sorter *s, const cm_sort_level *level, cm_arena scratch)
{
    gaps g = move_to_gaps(s, level, &scratch);
    size_t most, pairs = count_pairs(&g, &most), filled = level->pairs, at = 0;

    CM_ASSERT(filled >= pairs || filled % 64 == 0); /* batches lie in whole words */
    while (filled < pairs) {
        filled += level->pairs;
        if (filled / BATCHES_MAX > level->pairs) {
            return CM_EPROTO;
        }
    }
    uint64_t *less = CM_NEW(&scratch, uint64_t, cm_words_of(filled));
    uint32_t *rank = CM_NEW(&scratch, uint32_t, most);
    cm_status st = compare_gaps(s, &g, level->pairs, filled, less, scratch);
    s->from = s->gap; /* rows have moved: their gaps are no longer needed */
    for (size_t i = 0; st == CM_OK && i < g.count; i++) {
        st = order_gap(s, g.first[i], gap_rows(&g, i), less, &at, rank);
        if (i + 1 < g.count) {
            s->from[g.first[i + 1] - 1] = g.first[i + 1] - 1;
        }
    }
    for (size_t i = at; st == CM_OK && i < filled; i++) {
        st = outcome(less, i) ? CM_EPROTO : CM_OK;
    }
    if (st == CM_OK) {
        move_rows(s, level->rows, scratch);
    }
    return st;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static cm_status sort_levels(sorter *s, const cm_sort_plan *plan, cm_arena scratch)
{
    cm_status st = CM_OK;

    s->gap = CM_NEW_RAW(&scratch, uint32_t, plan->level[plan->levels - 1].rows);
    for (size_t i = 0; st == CM_OK && i < plan->levels; i++) {
        const cm_sort_level *level = &plan->level[i];
        CM_ASSERT(level->rows <= s->wide.rows && level->rows >> level->bits > 0);
        st = find_gaps(s, level, scratch);
        if (st == CM_OK) {
            st = order_gaps(s, level, scratch);
        }
    }
    return st;
}

cm_status cm_sort_in_place(cm_mpc *mpc, cm_bcol wide, unsigned key_planes, size_t rows,
                           const cm_sort_plan *plan, uint32_t *ret_from, cm_arena scratch)
{
    cm_sort_less less;
    cm_sort_plan best;
    sorter s = {.mpc = mpc,
                .legs = cm_mpc_legs(mpc),
                .wide = wide,
                .key = cm_bcol_planes(wide, 0, key_planes),
                .less = &less,
                .origin = ret_from};

    CM_ASSERT(rows <= wide.rows && rows < UINT32_MAX);
    for (size_t r = 0; ret_from && r < rows; r++) {
        ret_from[r] = (uint32_t)r;
    }
    if (rows < 2) {
        return CM_OK;
    }
    cm_sort_less_init(&less, key_planes, cm_mpc_round_bytes(mpc), scratch);
    if (!plan) {
        cm_sort_plan_make(rows, &less.costs, &best);
        plan = &best;
    }
    CM_ASSERT(plan->level[plan->levels - 1].rows == rows);
    cm_status st = sort_levels(&s, plan, scratch);
    cm_sort_less_fini(&less);
    return st;
}

cm_status cm_sort_order_by(cm_mpc *mpc, cm_bcol key, const cm_sort_plan *plan, uint32_t *ret_from,
                           cm_arena scratch)
{
    cm_bcol moved = cm_bcol_new_raw(&scratch, cm_mpc_legs(mpc), key.planes, key.rows);

    cm_bcol_copy(moved, key);
    return cm_sort_in_place(mpc, moved, key.planes, key.rows, plan, ret_from, scratch);
}

cm_status cm_sort_order(cm_mpc *mpc, cm_bcol key, uint32_t *ret_from, cm_arena scratch)
{
    return cm_sort_order_by(mpc, key, NULL, ret_from, scratch);
}
