/*
 * Sorted runs into one order: docs/design/table.md, "Merge".
 *
 * Batcher's odd-even merge (Sorting networks and their applications, AFIPS 1968; Knuth, The Art of
 * Computer Programming, volume 3, 5.3.4) for two runs of any lengths.  With N the power of two that
 * holds the longer one, the runs are thought of as the two halves of 2N places: the first at the
 * end of its half, below it -infinity, the second at the start of its own, above it +infinity.
 * Level 0 compares place v with v + N; level k, with d = N / 2^k, compares v with v + d where bit d
 * of v is set.  What is infinite never moves, so the comparators that would touch it are left out,
 * and a place is a row.  That is N log2 N + 1 comparators for two runs of N rows, about one a row
 * where one run is a single row.
 *
 * Several runs are merged two at a time, the shortest first (Huffman's tree, which has the least
 * sum of lengths), each as soon as its inputs are there: all comparators of a level of all merges
 * are one batch.
 *
 * Which rows meet when follows from the runs' lengths, which are public; outcomes are not opened.
 */
#include "table/table_int.h"

/* ---- the network ---------------------------------------------------------------------------- */

/* A run, or the merge of two. */
typedef struct node {
    size_t rows, first;       /* first: of its places, in the end */
    bool taken;               /* part of another node */
    size_t low, high;         /* nodes that it merges; the same where it is a run */
    unsigned log, start, end; /* its levels are start .. end - 1, log + 1 of them */
} node;

struct cm_merge_net {
    size_t rows, runs, nodes;
    node *node; /* runs first, then merges after what they merge */
    unsigned levels;
};

static size_t take_shortest(cm_merge_net *net)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < net->nodes; i++) {
        if (!net->node[i].taken && (best == SIZE_MAX || net->node[i].rows < net->node[best].rows)) {
            best = i;
        }
    }
    net->node[best].taken = true;
    return best;
}

static unsigned later(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static void add_merge(cm_merge_net *net, size_t low, size_t high)
{
    const node *a = &net->node[low], *b = &net->node[high];
    unsigned log = cm_bits_for(a->rows > b->rows ? a->rows : b->rows);
    unsigned start = later(a->end, b->end);

    net->node[net->nodes++] = (node){.rows = a->rows + b->rows,
                                     .low = low,
                                     .high = high,
                                     .log = log,
                                     .start = start,
                                     .end = start + log + 1};
}

cm_runs cm_runs_concat(const cm_runs *first, const cm_runs *second, cm_arena *arena)
{
    size_t *rows = CM_NEW(arena, size_t, first->count + second->count + 1);
    cm_runs ret = {.rows = rows};

    for (size_t i = 0; i < first->count; i++) {
        rows[ret.count++] = first->rows[i];
    }
    for (size_t i = 0; i < second->count; i++) {
        rows[ret.count++] = second->rows[i];
    }
    return ret;
}

cm_merge_net *cm_merge_net_new(const cm_runs *runs, cm_arena *arena)
{
    cm_merge_net *net = CM_NEW(arena, cm_merge_net, 1);

    net->node = CM_NEW(arena, node, 2 * runs->count + 1);
    for (size_t i = 0; i < runs->count; i++) {
        net->node[i] = (node){.rows = runs->rows[i], .low = i, .high = i};
        net->rows += runs->rows[i];
    }
    net->runs = net->nodes = runs->count;
    for (size_t left = runs->count; left > 1; left--) {
        size_t low = take_shortest(net);
        add_merge(net, low, take_shortest(net));
    }
    for (size_t i = net->nodes; i-- > net->runs;) { /* from the root down */
        const node *n = &net->node[i];
        net->node[n->low].first = n->first;
        net->node[n->high].first = n->first + net->node[n->low].rows;
        net->levels = later(net->levels, n->rows > 0 ? n->end : 0);
    }
    return net;
}

/*
 * Comparators of a level: of place v with v + distance, for from <= v < to, where v modulo twice
 * the distance is at least first and less than last.
 *
 * A level merges the places of each remainder modulo its distance.  Where one of the runs has no
 * row of that remainder they are in order already: the first run's rows, at the end of their half,
 * have the greatest remainders, the second run's the least.
 */
typedef struct rung {
    size_t distance, from, to, first, last;
} rung;

static rung rung_of(const cm_merge_net *net, const node *n, unsigned level)
{
    size_t half = (size_t)1 << n->log, low = net->node[n->low].rows, high = net->node[n->high].rows;
    size_t d = half >> (level - n->start), bit = level == n->start ? 0 : d;
    rung ret = {.distance = d,
                .from = half - low,
                .to = half + high - d,
                .first = bit + (low < d ? d - low : 0),
                .last = bit + (high < d ? high : d)};

    if (ret.to < ret.from || ret.last < ret.first) {
        ret.to = ret.from;
    }
    return ret;
}

/* Those of places below v. */
static size_t rung_below(rung r, size_t v)
{
    size_t rest = v % (2 * r.distance), most = r.last - r.first;
    size_t some = rest > r.first ? rest - r.first : 0;

    return v / (2 * r.distance) * most + (some < most ? some : most);
}

static size_t rung_pairs(rung r)
{
    return r.from < r.to ? rung_below(r, r.to) - rung_below(r, r.from) : 0;
}

static bool is_active(const node *n, unsigned level)
{
    return n->start <= level && level < n->end;
}

unsigned cm_merge_net_levels(const cm_merge_net *net)
{
    return net->levels;
}

size_t cm_merge_net_pairs(const cm_merge_net *net, unsigned level)
{
    size_t pairs = 0;

    for (size_t i = net->runs; i < net->nodes; i++) {
        if (is_active(&net->node[i], level)) {
            pairs += rung_pairs(rung_of(net, &net->node[i], level));
        }
    }
    return pairs;
}

/* Lists which rows a level compares; at[p] is the row at place p. */
static void list_pairs(const cm_merge_net *net, unsigned level, const uint32_t *at, uint32_t *low,
                       uint32_t *high)
{
    for (size_t i = net->runs; i < net->nodes; i++) {
        const node *n = &net->node[i];
        if (!is_active(n, level)) {
            continue;
        }
        rung r = rung_of(net, n, level);
        const uint32_t *place = at + n->first;
        for (size_t base = r.from / (2 * r.distance) * (2 * r.distance); base < r.to;
             base += 2 * r.distance) {
            size_t v = base + r.first < r.from ? r.from : base + r.first;
            size_t last = base + r.last < r.to ? base + r.last : r.to;
            for (; v < last; v++) {
                *low++ = place[v - r.from];
                *high++ = place[v - r.from + r.distance];
            }
        }
    }
}

/* The rows of the runs at the places that the tree gives them. */
static uint32_t *first_places(const cm_merge_net *net, cm_arena *arena)
{
    uint32_t *at = CM_NEW_RAW(arena, uint32_t, net->rows);
    size_t row = 0;

    for (size_t i = 0; i < net->runs; i++) {
        for (size_t r = 0; r < net->node[i].rows; r++) {
            at[net->node[i].first + r] = (uint32_t)row++;
        }
    }
    return at;
}

/* ---- one level ------------------------------------------------------------------------------ */

/* Comparing and exchanging rows: of `planes` planes those of the key decide. */
typedef struct merger {
    cm_mpc *mpc;
    unsigned planes, key_first, key_planes;
    cm_program *program[CM_SORT_SHAPES]; /* NULL until it is used */
    cm_sort_costs costs;
    cm_brows rows;
} merger;

void cm_merge_costs(const cm_sort_less *less, unsigned planes, cm_sort_costs *ret)
{
    *ret = less->costs; /* the exchange takes the place of the opening */
    for (size_t i = 0; i < CM_SORT_SHAPES; i++) {
        ret->ands[i] += planes;
    }
}

/* Numbers of one row: the parts of its key, then what lies below the key, and above. */
static size_t input_row(cm_circuit *c, const merger *m, unsigned part, cm_num *ret)
{
    unsigned above = m->key_first + m->key_planes;
    size_t parts = cm_sort_input_parts(c, m->key_planes, part, ret);

    parts += cm_sort_input_parts(c, m->key_first, CM_NUM_MAX, ret + parts);
    return parts + cm_sort_input_parts(c, m->planes - above, CM_NUM_MAX, ret + parts);
}

static size_t split_row(const merger *m, cm_bcol x, unsigned part, cm_bcol *ret)
{
    unsigned above = m->key_first + m->key_planes;
    size_t parts = cm_sort_split_parts(cm_bcol_planes(x, m->key_first, m->key_planes), part, ret);

    parts += cm_sort_split_parts(cm_bcol_planes(x, 0, m->key_first), CM_NUM_MAX, ret + parts);
    return parts + cm_sort_split_parts(cm_bcol_planes(x, above, m->planes - above), CM_NUM_MAX,
                                       ret + parts);
}

/* Outputs: the lesser row, then the greater one, in parts as the inputs. */
static cm_program *build_exchange(const merger *m, size_t shape, cm_arena scratch)
{
    unsigned part = cm_sort_part(m->key_planes, shape);
    size_t key_parts = (m->key_planes + part - 1) / part;
    size_t most = key_parts + cm_wide_chunks(m->planes) + 2;
    cm_num *x = CM_NEW(&scratch, cm_num, most), *y = CM_NEW(&scratch, cm_num, most);
    cm_circuit *c = cm_circuit_new(cm_sort_circuit_shape(shape));

    size_t parts = input_row(c, m, part, x);
    input_row(c, m, part, y);
    cm_wire turn = cm_wide_lt(c, y, x, key_parts);
    for (size_t i = 0; i < parts; i++) {
        cm_num change = cm_num_mask(c, cm_num_xor(c, x[i], y[i]), turn);
        x[i] = cm_num_xor(c, x[i], change);
        y[i] = cm_num_xor(c, y[i], change);
    }
    for (size_t i = 0; i < parts; i++) {
        cm_circuit_output(c, &x[i]);
    }
    for (size_t i = 0; i < parts; i++) {
        cm_circuit_output(c, &y[i]);
    }
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

/* Puts each pair of rows in order, where they are. */
static cm_status exchange(merger *m, const uint32_t *low, const uint32_t *high, size_t pairs,
                          cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(m->mpc);
    size_t shape = cm_sort_best_shape(&m->costs, pairs);
    unsigned part = cm_sort_part(m->key_planes, shape);
    cm_bcol x = cm_bcol_new_raw(&scratch, legs, m->planes, pairs);
    cm_bcol y = cm_bcol_new_raw(&scratch, legs, m->planes, pairs);
    cm_bcol lesser = cm_bcol_new_raw(&scratch, legs, m->planes, pairs);
    cm_bcol greater = cm_bcol_new_raw(&scratch, legs, m->planes, pairs);
    cm_bcol *in = CM_NEW(&scratch, cm_bcol, 2 * (size_t)m->planes);
    cm_bcol *out = CM_NEW(&scratch, cm_bcol, 2 * (size_t)m->planes);

    cm_brows_gather(m->rows, low, pairs, x, 0);
    cm_brows_gather(m->rows, high, pairs, y, 0);
    size_t parts = split_row(m, x, part, in);
    split_row(m, y, part, in + parts);
    split_row(m, lesser, part, out);
    split_row(m, greater, part, out + parts);
    if (m->program[shape] == NULL) {
        m->program[shape] = build_exchange(m, shape, scratch);
    }
    cm_status st = cm_program_run(m->program[shape], m->mpc, in, out, scratch);
    if (st == CM_OK) {
        cm_brows back = cm_brows_new(&scratch, legs, m->planes, pairs);
        cm_brows_load(lesser, 0, back);
        cm_brows_put(back, low, m->rows);
        cm_brows_load(greater, 0, back);
        cm_brows_put(back, high, m->rows);
    }
    return st;
}

static cm_status run_level(merger *m, const cm_merge_net *net, unsigned level, const uint32_t *at,
                           cm_arena scratch)
{
    size_t pairs = cm_merge_net_pairs(net, level);
    uint32_t *low = CM_NEW_RAW(&scratch, uint32_t, pairs);
    uint32_t *high = CM_NEW_RAW(&scratch, uint32_t, pairs);
    cm_status st = CM_OK;

    list_pairs(net, level, at, low, high);
    for (size_t done = 0; st == CM_OK && done < pairs; done += CM_SORT_WINDOW) {
        size_t some = pairs - done < CM_SORT_WINDOW ? pairs - done : CM_SORT_WINDOW;
        st = exchange(m, low + done, high + done, some, scratch);
    }
    return st;
}

/* ---- the whole ------------------------------------------------------------------------------ */

cm_status cm_merge_rows(cm_mpc *mpc, cm_bcol wide, unsigned key_first, unsigned key_planes,
                        const cm_runs *runs, cm_arena scratch)
{
    merger m = {.mpc = mpc,
                .planes = wide.planes,
                .key_first = key_first,
                .key_planes = key_planes,
                .rows = cm_brows_new(&scratch, cm_mpc_legs(mpc), wide.planes, wide.rows)};
    const cm_merge_net *net = cm_merge_net_new(runs, &scratch);
    const uint32_t *at = first_places(net, &scratch);
    cm_sort_less less;
    cm_status st = CM_OK;

    CM_ASSERT(key_planes > 0 && key_first + key_planes <= wide.planes);
    CM_ASSERT(net->rows == wide.rows && wide.rows < UINT32_MAX);
    if (wide.rows < 2) {
        return CM_OK;
    }
    cm_sort_less_init(&less, key_planes, cm_mpc_round_bytes(mpc), scratch);
    cm_merge_costs(&less, wide.planes, &m.costs);
    cm_sort_less_fini(&less);
    cm_brows_load(wide, 0, m.rows);
    for (unsigned level = 0; st == CM_OK && level < net->levels; level++) {
        st = run_level(&m, net, level, at, scratch);
    }
    if (st == CM_OK) {
        cm_brows_gather(m.rows, at, wide.rows, wide, 0);
    }
    for (size_t i = 0; i < CM_SORT_SHAPES; i++) {
        cm_program_free(m.program[i]);
    }
    return st;
}
