/*
 * Which points lie in each interval: docs/design/table.md, "Ranges".
 *
 *   1. Sort points and the ends of intervals together by (keys, order), or merge their runs.  Ties
 * follow the place before the sort: ends that come before equal points stand first there, ends that
 * come after last.
 *   2. Prefix sums of what is counted and added up, local in the ring; back to bits.
 *   3. An absent bound is where the key starts or ends: prefix sums from there, by a scan.
 *   4. Bring the prefix sums back to the original places; the interval's own are the differences
 *      between its ends.
 */
#include "table/table_int.h"

/* What is added up over live points: a bit, or a limb of values. */
typedef struct factor {
    cm_bcol of_points; /* 0 where the point is not live or the value NULL */
    unsigned total_planes;
} factor;

typedef struct walk {
    cm_mpc *mpc;
    unsigned legs;
    const cm_table *points, *intervals;
    const cm_range_spec *spec;

    size_t rows; /* of the walk */
    unsigned tag_planes, order_planes, key_planes;
    bool runs;                                    /* of which NULLs are part of the keys */
    bool lower_probe, upper_probe;                /* whether that end is in the walk */
    size_t first_lower, first_upper, first_point; /* places before the sort */

    size_t factors; /* factor 0 counts live points */
    factor *factor;
    size_t *first_factor; /* per aggregate */
    size_t *limbs;        /* SUM: how many factors */
    unsigned *limb_shift;
    unsigned factor_planes, total_planes; /* of all factors */

    cm_bcol open;      /* intervals that can match */
    cm_bcol duplicate; /* whether two of them share a key */
    cm_bcol open_end;  /* sorted, where duplicates are looked for: ends of those */

    cm_bcol tag, key;  /* sorted */
    cm_bcol of_points; /* sorted: the factors, one below the other */
    cm_bcol total;     /* sorted: prefix sums, exclusive, and one row more, all the points */
    cm_bcol edge;      /* sorted: the same at the start of the key, or at its end */
} walk;

/* ---- layout -------------------------------------------------------------------------------- */

/* Of a key; only runs are in an order that has NULLs. */
static unsigned null_planes(const walk *w, cm_scol point, cm_scol interval)
{
    return w->runs && (point.null.planes > 0 || interval.null.planes > 0) ? 1 : 0;
}

/* The bound that is given, or the lower one of two. */
static const cm_bound *bound_of(const cm_range_spec *s)
{
    return s->lower.given ? &s->lower : &s->upper;
}

static void lay_out_walk(walk *w)
{
    const cm_range_spec *s = w->spec;
    size_t ends = w->intervals->rows, at = 0;

    w->runs = s->point_runs.count > 0 && s->interval_runs.count > 0 &&
              !(s->lower.given && s->upper.given) && !s->ret_duplicate;
    for (size_t i = 0; i < s->keys; i++) {
        CM_ASSERT(s->point_key[i] < w->points->cols && s->interval_key[i] < w->intervals->cols);
        cm_scol x = w->points->col[s->point_key[i]], y = w->intervals->col[s->interval_key[i]];
        CM_ASSERT(x.data.planes == y.data.planes);
        w->key_planes += x.data.planes + null_planes(w, x, y);
    }
    if (s->lower.given || s->upper.given) {
        cm_scol x = w->points->col[s->order];
        w->order_planes = x.data.planes + null_planes(w, x, w->intervals->col[bound_of(s)->col]);
    }
    if (s->ret_duplicate) { /* ends that can match come before the others of a key */
        CM_ASSERT(w->order_planes == 0);
        w->order_planes = 1;
    }
    w->lower_probe = s->lower.given;
    w->upper_probe = s->upper.given || !s->lower.given;
    bool lower_before = s->lower.given && !s->lower.open;
    bool upper_before = s->upper.given && s->upper.open;
    if (w->lower_probe && lower_before) {
        w->first_lower = at;
        at += ends;
    }
    if (w->upper_probe && upper_before) {
        w->first_upper = at;
        at += ends;
    }
    w->first_point = at;
    at += w->points->rows;
    if (w->lower_probe && !lower_before) {
        w->first_lower = at;
        at += ends;
    }
    if (w->upper_probe && !upper_before) {
        w->first_upper = at;
        at += ends;
    }
    w->rows = at;
    w->tag_planes = cm_bits_for(at);
}

/* x = x AND NOT null, where there is a null plane. */
static cm_status drop_nulls(walk *w, cm_bcol x, cm_scol col, cm_arena scratch)
{
    if (col.null.planes == 0 || x.rows == 0) {
        return CM_OK;
    }
    cm_bcol present = cm_bcol_new(&scratch, w->legs, 1, x.rows);
    cm_plane a = cm_bcol_plane(x, 0), b = cm_bcol_plane(present, 0);
    cm_rows_not(w->mpc, col.null, present);
    return cm_mpc_and(w->mpc, &a, &b, &a, 1, x.words, scratch);
}

static cm_status find_live(walk *w, cm_bcol live, cm_arena scratch)
{
    cm_status st = CM_OK;

    cm_bcol_copy(live, w->points->valid);
    for (size_t i = 0; st == CM_OK && i < w->spec->keys; i++) {
        st = drop_nulls(w, live, w->points->col[w->spec->point_key[i]], scratch);
    }
    if (st == CM_OK && (w->spec->lower.given || w->spec->upper.given)) {
        st = drop_nulls(w, live, w->points->col[w->spec->order], scratch);
    }
    return st;
}

/* Intervals that can match. */
static cm_status find_open(walk *w, cm_bcol open, cm_arena scratch)
{
    const cm_range_spec *s = w->spec;
    cm_status st = CM_OK;

    cm_bcol_copy(open, w->intervals->valid);
    for (size_t i = 0; st == CM_OK && i < s->keys; i++) {
        st = drop_nulls(w, open, w->intervals->col[s->interval_key[i]], scratch);
    }
    if (st == CM_OK && s->lower.given) {
        st = drop_nulls(w, open, w->intervals->col[s->lower.col], scratch);
    }
    if (st == CM_OK && s->upper.given) {
        st = drop_nulls(w, open, w->intervals->col[s->upper.col], scratch);
    }
    return st;
}

/* ---- factors ------------------------------------------------------------------------------- */

static cm_status make_factor(walk *w, cm_bcol value, cm_bcol counted, cm_arena scratch)
{
    factor *f = &w->factor[w->factors];

    w->factors++;
    f->total_planes = value.planes + cm_bits_for(w->points->rows + 1);
    w->factor_planes += value.planes;
    w->total_planes += f->total_planes;
    return cm_mpc_and_col(w->mpc, value, counted, f->of_points, scratch);
}

/* Limbs of a SUM: such that adding up all of them stays below 2^64. */
static cm_status make_sum(walk *w, size_t i, cm_bcol counted, cm_arena *keep)
{
    cm_bcol value = w->points->col[w->spec->agg[i].col].data;
    unsigned limb_max = 64 - cm_bits_for(w->points->rows + 1);
    unsigned limbs = (value.planes + limb_max - 1) / limb_max;
    unsigned shift = limbs > 0 ? (value.planes + limbs - 1) / limbs : 0;
    cm_status st = CM_OK;

    w->limbs[i] = limbs > 0 ? (value.planes + shift - 1) / shift : 0;
    w->limb_shift[i] = shift;
    for (unsigned first = 0; st == CM_OK && first < value.planes; first += shift) {
        unsigned planes = value.planes - first < shift ? value.planes - first : shift;
        w->factor[w->factors].of_points = cm_bcol_new(keep, w->legs, planes, value.rows);
        st = make_factor(w, cm_bcol_planes(value, first, planes), counted, *keep);
    }
    return st;
}

/* An earlier aggregate of the same factors. */
static size_t same_before(const cm_range_spec *s, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (s->agg[k].kind == s->agg[i].kind && s->agg[k].col == s->agg[i].col) {
            return k;
        }
    }
    return i;
}

static cm_status make_aggregate(walk *w, size_t i, cm_bcol live, cm_arena *keep)
{
    const cm_agg *agg = &w->spec->agg[i];
    size_t same = same_before(w->spec, i);

    if (agg->kind == CM_AGG_COUNT_ROWS ||
        (agg->kind == CM_AGG_COUNT && w->points->col[agg->col].null.planes == 0)) {
        return CM_OK; /* factor 0 */
    }
    if (same < i) {
        w->first_factor[i] = w->first_factor[same];
        w->limbs[i] = w->limbs[same];
        w->limb_shift[i] = w->limb_shift[same];
        return CM_OK;
    }
    w->first_factor[i] = w->factors;
    cm_bcol counted = cm_bcol_new(keep, w->legs, 1, live.rows);
    cm_bcol_copy(counted, live);
    cm_status st = drop_nulls(w, counted, w->points->col[agg->col], *keep);
    if (st == CM_OK && agg->kind == CM_AGG_SUM) {
        return make_sum(w, i, counted, keep);
    }
    w->factor[w->factors].of_points = cm_bcol_new(keep, w->legs, 1, live.rows);
    return st == CM_OK ? make_factor(w, counted, counted, *keep) : st;
}

static cm_status make_factors(walk *w, cm_bcol live, cm_arena *keep)
{
    size_t aggs = w->spec->aggs, factors_max = 1;

    for (size_t i = 0; i < aggs; i++) { /* a limb has at least 32 planes, but for the last one */
        factors_max += 1 + w->points->col[w->spec->agg[i].col].data.planes / 32;
    }
    w->factor = CM_NEW(keep, factor, factors_max);
    w->first_factor = CM_NEW(keep, size_t, aggs);
    w->limbs = CM_NEW(keep, size_t, aggs);
    w->limb_shift = CM_NEW(keep, unsigned, aggs);
    w->factor[0].of_points = live;
    w->factor[0].total_planes = cm_bits_for(w->points->rows + 1);
    w->factors = 1;
    w->factor_planes = 1;
    w->total_planes = w->factor[0].total_planes;
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < aggs; i++) {
        st = make_aggregate(w, i, live, keep);
    }
    CM_ASSERT(w->factors <= factors_max);
    return st;
}

/* ---- 1. sort ------------------------------------------------------------------------------- */

static void put(cm_bcol wide, unsigned at, size_t first, cm_bcol x)
{
    if (x.planes > 0 && x.rows > 0) {
        cm_bcol_put_rows(cm_bcol_planes(wide, at, x.planes), first, x);
    }
}

/* A column, and its NULLs where the key has them: planes of both. */
static unsigned put_column(const walk *w, cm_bcol wide, unsigned at, size_t first, cm_scol col,
                           cm_scol partner)
{
    put(wide, at, first, col.data);
    if (null_planes(w, col, partner) > 0) {
        put(wide, at + col.data.planes, first, col.null);
    }
    return col.data.planes + null_planes(w, col, partner);
}

/* The first key most significant, as in runs. */
static void put_keys(const walk *w, cm_bcol wide, size_t first, bool of_points)
{
    const cm_range_spec *s = w->spec;
    unsigned at = w->tag_planes + w->order_planes;

    for (size_t i = s->keys; i-- > 0;) {
        cm_scol point = w->points->col[s->point_key[i]];
        cm_scol interval = w->intervals->col[s->interval_key[i]];
        at += of_points ? put_column(w, wide, at, first, point, interval)
                        : put_column(w, wide, at, first, interval, point);
    }
}

/* One end of all intervals. */
static void put_ends(walk *w, cm_bcol wide, size_t first, const cm_bound *bound, cm_arena scratch)
{
    if (bound->given) {
        cm_scol value = w->intervals->col[bound->col], point = w->points->col[w->spec->order];
        CM_ASSERT(value.data.planes == point.data.planes);
        put_column(w, wide, w->tag_planes, first, value, point);
    }
    if (w->spec->ret_duplicate) {
        cm_bcol closed = cm_bcol_new(&scratch, w->legs, 1, w->open.rows);
        cm_rows_not(w->mpc, w->open, closed);
        put(wide, w->tag_planes, first, closed);
        put(wide, wide.planes - 1, first, w->open);
    }
    put_keys(w, wide, first, false);
}

/* Planes from the lowest: tag, order, keys | factors, and for duplicates what ends can match. */
static void lay_out_rows(walk *w, cm_bcol wide, cm_arena scratch)
{
    const cm_range_spec *s = w->spec;
    unsigned at = w->tag_planes + w->order_planes + w->key_planes;

    cm_rows_index_bits(w->mpc, cm_bcol_planes(wide, 0, w->tag_planes), scratch);
    if (w->lower_probe) {
        put_ends(w, wide, w->first_lower, &s->lower, scratch);
    }
    if (w->upper_probe) {
        put_ends(w, wide, w->first_upper, &s->upper, scratch);
    }
    if (s->lower.given || s->upper.given) {
        put_column(w, wide, w->tag_planes, w->first_point, w->points->col[s->order],
                   w->intervals->col[bound_of(s)->col]);
    }
    put_keys(w, wide, w->first_point, true);
    for (size_t f = 0; f < w->factors; at += w->factor[f++].of_points.planes) {
        put(wide, at, w->first_point, w->factor[f].of_points);
    }
}

/* In the order of the places before the sort; there is one end to each interval. */
static cm_runs runs_of(const walk *w, cm_arena *arena)
{
    const cm_runs *points = &w->spec->point_runs, *ends = &w->spec->interval_runs;
    const cm_runs *first = w->first_point == 0 ? points : ends;
    const cm_runs *second = w->first_point == 0 ? ends : points;
    cm_runs ret = {0};

    if (w->runs) {
        ret = cm_runs_concat(first, second, arena);
    }
    ret.way = points->way;
    return ret;
}

static cm_status sort_walk(walk *w, cm_arena *keep)
{
    unsigned sorted_by = w->tag_planes + w->order_planes + w->key_planes;
    unsigned planes = sorted_by + w->factor_planes + (w->spec->ret_duplicate ? 1 : 0);
    cm_bcol sorted = cm_bcol_new(keep, w->legs, planes, w->rows);
    cm_arena scratch = *keep;
    cm_status st = CM_OK;

    lay_out_rows(w, sorted, scratch);
    if (sorted_by > w->tag_planes) { /* else in order already */
        cm_order order = {.rows = w->rows,
                          .tag = w->tag_planes,
                          .key = w->order_planes + w->key_planes,
                          .payload = planes - sorted_by,
                          .stable = true,
                          .keep_tag = true,
                          .runs = runs_of(w, &scratch)};
        st = cm_order_rows(w->mpc, sorted, &order, scratch);
    }
    w->tag = cm_bcol_planes(sorted, 0, w->tag_planes);
    w->key = cm_bcol_planes(sorted, w->tag_planes + w->order_planes, w->key_planes);
    w->of_points = cm_bcol_planes(sorted, sorted_by, w->factor_planes);
    if (w->spec->ret_duplicate) {
        w->open_end = cm_bcol_planes(sorted, planes - 1, 1);
    }
    return st;
}

/* ---- 2. prefix sums ------------------------------------------------------------------------ */

static cm_status add_up(walk *w, cm_bcol x, cm_bcol total, cm_arena scratch)
{
    cm_acol sums = cm_acol_new(&scratch, w->legs, w->rows + 1);
    cm_acol inclusive = cm_acol_slice(sums, 1, w->rows); /* and row 0 is 0 */

    cm_status st = x.planes == 1 ? cm_mpc_bit_to_ring(w->mpc, x, &inclusive, scratch)
                                 : cm_mpc_bits_to_ring(w->mpc, x, inclusive, scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_acol_prefix_sum(inclusive, inclusive);
    return cm_mpc_ring_to_bits(w->mpc, sums, total, scratch);
}

static cm_status add_up_all(walk *w, cm_arena *keep)
{
    unsigned from = 0, to = 0;
    cm_status st = CM_OK;

    w->total = cm_bcol_new(keep, w->legs, w->total_planes, w->rows + 1);
    for (size_t f = 0; st == CM_OK && f < w->factors; f++) {
        unsigned planes = w->factor[f].of_points.planes, sum = w->factor[f].total_planes;
        st = add_up(w, cm_bcol_planes(w->of_points, from, planes),
                    cm_bcol_planes(w->total, to, sum), *keep);
        from += planes;
        to += sum;
    }
    return st;
}

/* ---- 3. absent bounds ---------------------------------------------------------------------- */

/* The first rows of keys; the first row of all need not be marked. */
static cm_status mark_starts(walk *w, cm_bcol start, cm_arena scratch)
{
    if (w->key_planes == 0) {
        return CM_OK;
    }
    cm_bcol d = cm_bcol_new(&scratch, w->legs, w->key_planes, w->rows);
    cm_bcol_difference(w->key, d);
    cm_status st = cm_wide_zero_rows(w->mpc, d, start, scratch);
    cm_mpc_not(w->mpc, start, 0);
    return st;
}

/* Ends that can match follow each other in a key: two of them, next to each other, and no start of
 * a key between. */
static cm_status find_duplicates(walk *w, cm_bcol start, cm_bcol ret, cm_arena scratch)
{
    cm_bcol above = cm_bcol_new(&scratch, w->legs, 1, w->rows);
    cm_bcol same = cm_bcol_new(&scratch, w->legs, 1, w->rows);

    cm_bcol_shift_down(w->open_end, above);
    cm_rows_not(w->mpc, start, same);
    cm_status st = cm_mpc_and_col(w->mpc, above, w->open_end, above, scratch);
    if (st == CM_OK) {
        st = cm_mpc_and_col(w->mpc, above, same, above, scratch);
    }
    return st == CM_OK ? cm_rows_any(w->mpc, above, ret, scratch) : st;
}

/*
 * What is absent when there is one end in the walk: above the key's first row, or after its last,
 * which is the row above the next start.
 */
static cm_status find_edges(walk *w, cm_arena *keep)
{
    bool up = w->lower_probe;

    if (w->lower_probe && w->upper_probe) {
        return CM_OK;
    }
    w->edge = cm_bcol_new(keep, w->legs, w->total_planes, w->rows);
    cm_arena scratch = *keep;
    cm_bcol start = cm_bcol_new(&scratch, w->legs, 1, w->rows);
    cm_bcol at = cm_bcol_new(&scratch, w->legs, w->total_planes, w->rows);
    cm_status st = mark_starts(w, start, scratch);
    if (st == CM_OK && w->spec->ret_duplicate) {
        st = find_duplicates(w, start, w->duplicate, scratch);
    }
    cm_bcol mark = start;
    if (up) {
        mark = cm_bcol_new(&scratch, w->legs, 1, w->rows);
        cm_bcol_shift_up(start, mark);
    }
    cm_bcol_get_rows(w->total, up ? 1 : 0, at);
    return st == CM_OK ? cm_scan_copy(w->mpc, mark, up, at, w->edge, scratch) : st;
}

/* ---- 4. back to the original places --------------------------------------------------------- */

/* ret: total, then edge, in the places before the sort. */
static cm_status place_back(walk *w, cm_bcol ret, cm_arena scratch)
{
    cm_bcol wide = cm_bcol_new(&scratch, w->legs, w->tag_planes + ret.planes, w->rows);

    if (w->tag_planes > 0) {
        cm_bcol_copy(cm_bcol_planes(wide, 0, w->tag_planes), w->tag);
    }
    cm_bcol_get_rows(w->total, 0, cm_bcol_planes(wide, w->tag_planes, w->total_planes));
    if (w->edge.planes > 0) {
        cm_bcol_copy(cm_bcol_planes(wide, w->tag_planes + w->total_planes, w->total_planes),
                     w->edge);
    }
    return cm_rows_place_bits(w->mpc, wide, w->tag_planes, ret, scratch);
}

/*
 * Inputs: whether the interval can match, totals at its lower end, at its upper end.  Outputs:
 * count, aggregates.  Where bounds cross, the count comes out negative: nothing matches.
 */
static cm_program *build_differences(const walk *w, cm_arena scratch)
{
    cm_circuit *c = cm_circuit_new_for(w->mpc, w->intervals->rows);
    cm_num *low = CM_NEW(&scratch, cm_num, w->factors),
           *high = CM_NEW(&scratch, cm_num, w->factors);
    cm_num *term = CM_NEW(&scratch, cm_num, w->factors + 1);

    cm_wire open = cm_circuit_input(c, 1).wire[0];
    for (size_t f = 0; f < w->factors; f++) {
        low[f] = cm_circuit_input(c, w->factor[f].total_planes);
    }
    for (size_t f = 0; f < w->factors; f++) {
        high[f] = cm_circuit_input(c, w->factor[f].total_planes);
    }
    if (w->lower_probe && w->upper_probe) {
        open = cm_gate_and(c, open, cm_gate_not(c, cm_num_lt(c, high[0], low[0])));
    }
    for (size_t f = 0; f < w->factors; f++) {
        cm_num d = cm_num_sub(c, high[f], low[f], w->factor[f].total_planes);
        high[f] = cm_num_mask(c, d, open);
    }
    cm_circuit_output(c, &high[0]);
    for (size_t i = 0; i < w->spec->aggs; i++) {
        const cm_agg *agg = &w->spec->agg[i];
        unsigned planes = agg->planes;
        size_t terms = 0;
        if (agg->kind != CM_AGG_SUM) {
            term[terms++] = high[w->first_factor[i]];
        }
        for (size_t k = 0; k < w->limbs[i]; k++) {
            term[terms++] =
                cm_num_shift_left(high[w->first_factor[i] + k], (unsigned)k * w->limb_shift[i]);
        }
        cm_num sum = cm_num_sum(c, term, terms, planes);
        cm_circuit_output(c, &sum);
    }
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

/* Totals of one end of the intervals, one column per factor. */
static void split_totals(const walk *w, cm_bcol total, cm_bcol *ret)
{
    unsigned at = 0;

    for (size_t f = 0; f < w->factors; at += w->factor[f++].total_planes) {
        ret[f] = cm_bcol_planes(total, at, w->factor[f].total_planes);
    }
}

static cm_status subtract(walk *w, cm_bcol low, cm_bcol high, const cm_ranges *ret,
                          cm_arena scratch)
{
    cm_bcol *in = CM_NEW(&scratch, cm_bcol, 1 + 2 * w->factors);
    cm_bcol *out = CM_NEW(&scratch, cm_bcol, 1 + w->spec->aggs);

    in[0] = w->open;
    split_totals(w, low, in + 1);
    split_totals(w, high, in + 1 + w->factors);
    out[0] = ret->count;
    for (size_t i = 0; i < w->spec->aggs; i++) {
        out[1 + i] = ret->agg[i].data;
    }
    cm_program *program = build_differences(w, scratch);
    cm_status st = cm_program_run(program, w->mpc, in, out, scratch);
    cm_program_free(program);
    return st;
}

static cm_status finish(walk *w, const cm_ranges *ret, cm_arena scratch)
{
    size_t rows = w->intervals->rows;
    unsigned total = w->total_planes, planes = total + w->edge.planes;
    cm_bcol placed = cm_bcol_new(&scratch, w->legs, planes, w->rows);
    cm_bcol low = cm_bcol_new(&scratch, w->legs, total, rows);
    cm_bcol high = cm_bcol_new(&scratch, w->legs, total, rows);

    cm_status st = place_back(w, placed, scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_bcol at_end = cm_bcol_planes(placed, 0, total);
    cm_bcol at_edge = w->edge.planes > 0 ? cm_bcol_planes(placed, total, total) : at_end;
    cm_bcol_get_rows(cm_bcol_planes(placed, 0, ret->rank.planes), w->first_point, ret->rank);
    if (rows == 0) {
        return CM_OK;
    }
    cm_bcol_get_rows(w->lower_probe ? at_end : at_edge,
                     w->lower_probe ? w->first_lower : w->first_upper, low);
    cm_bcol_get_rows(w->upper_probe ? at_end : at_edge,
                     w->upper_probe ? w->first_upper : w->first_lower, high);
    cm_bcol_copy(ret->first, cm_bcol_planes(low, 0, ret->first.planes));
    return subtract(w, low, high, ret, scratch);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static cm_ranges new_ranges(const walk *w, cm_arena *arena)
{
    unsigned planes = w->points->rows > 0 ? cm_bits_for(w->points->rows + 1) : 1;
    size_t aggs = w->spec->aggs, rows = w->intervals->rows;
    cm_ranges ret = {
        .first = cm_bcol_new(arena, w->legs, planes, rows),
        .count = cm_bcol_new(arena, w->legs, planes, rows),
        .agg = CM_NEW(arena, cm_scol, aggs),
        .rank = cm_bcol_new(arena, w->legs, planes, w->points->rows),
        .live = cm_bcol_new(arena, w->legs, 1, w->points->rows),
    };

    for (size_t i = 0; i < aggs; i++) {
        ret.agg[i].data = cm_bcol_new(arena, w->legs, w->spec->agg[i].planes, rows);
        ret.agg[i].null = (cm_bcol){.rows = rows, .words = cm_words_of(rows)};
    }
    return ret;
}

static cm_status check_aggs(const walk *w)
{
    for (size_t i = 0; i < w->spec->aggs; i++) {
        cm_agg_kind kind = w->spec->agg[i].kind;
        if (kind != CM_AGG_COUNT_ROWS && kind != CM_AGG_COUNT && kind != CM_AGG_SUM) {
            return CM_EUNSUPPORTED;
        }
    }
    return cm_aggregate_check(w->points, w->spec->agg, w->spec->aggs, false);
}

cm_status cm_table_ranges(cm_mpc *mpc, const cm_table *points, const cm_table *intervals,
                          const cm_range_spec *spec, cm_arena *arena, cm_ranges *ret,
                          cm_arena scratch)
{
    walk w = {.mpc = mpc,
              .legs = cm_mpc_legs(mpc),
              .points = points,
              .intervals = intervals,
              .spec = spec};

    cm_table_check_arenas(arena, scratch);
    cm_status st = check_aggs(&w);
    if (st != CM_OK) {
        return st;
    }
    lay_out_walk(&w);
    CM_ASSERT(w.rows < UINT32_MAX);
    cm_ranges result = new_ranges(&w, arena);
    if (spec->ret_duplicate) {
        w.duplicate = cm_bcol_new(arena, w.legs, 1, 1); /* 0 */
    }
    if (points->rows > 0) { /* else nothing matches: 0 as they are */
        st = find_live(&w, result.live, scratch);
        w.open = cm_bcol_new(&scratch, w.legs, 1, intervals->rows);
        if (st == CM_OK && intervals->rows > 0) {
            st = find_open(&w, w.open, scratch);
        }
        if (st == CM_OK) {
            st = make_factors(&w, result.live, &scratch);
        }
        if (st == CM_OK) {
            st = sort_walk(&w, &scratch);
        }
        if (st == CM_OK) {
            st = add_up_all(&w, &scratch);
        }
        if (st == CM_OK) {
            st = find_edges(&w, &scratch);
        }
        if (st == CM_OK) {
            st = finish(&w, &result, scratch);
        }
    }
    if (st == CM_OK) {
        *ret = result;
        if (spec->ret_duplicate) {
            *spec->ret_duplicate = w.duplicate;
        }
    }
    return st;
}
