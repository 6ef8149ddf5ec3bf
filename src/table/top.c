/*
 * The first rows in order, by selection: docs/design/table.md, "First rows".
 *
 * Sort a sample, which is the first rows since rows were shuffled; compare every other row with one
 * of the sample, the pivot; sort what is not above it.  The pivot's rank in the sample is so high
 * that as good as surely enough rows are below, and what is below has as good as surely no more
 * rows than a public bound, up to which it is filled.  So a row is compared about once, not twenty
 * times.  Opened are comparisons of distinct, shuffled keys, as in a sort.
 */
#include "table/table_int.h"

#include <string.h>

/* ---- plan ---------------------------------------------------------------------------------- */

/* A failure costs a sort of more rows, and shows: once in 2^65 times that tells nothing. */
static const double failure = 0x1p-66;

/*
 * The least rank, from 1, in a sample of the rows whose row is not among the first `first` - 1 of
 * all: the expected number of sets of so many rows that are among both bounds the probability.
 */
static size_t pivot_rank(double rows, double sample, double first)
{
    double sets = 1;
    size_t rank = 0;

    while (sets > failure) {
        double i = (double)rank;
        sets *= (first - 1 - i) / (i + 1) * ((sample - i) / (rows - i));
        rank++;
    }
    return rank;
}

/*
 * Bounds the probability that fewer than `rank` rows of the sample are among the first `bound` of
 * all.  Hoeffding (1963, theorem 4): z^X has no greater expectation for a hypergeometric X than for
 * the binomial one of the same mean, so Chernoff's bound is z^-a (1 - q + q z)^sample for z < 1,
 * with a = rank - 1 and q = bound / rows.  Products and quotients alone: all parties find the same.
 */
static double too_few(size_t rows, size_t sample, size_t rank, size_t bound)
{
    const double s = (double)sample, a = (double)rank - 1, q = (double)bound / (double)rows;
    size_t divided = 0;
    double p = 1;

    if (a >= s * q) {
        return 1;
    }
    double z = a > 0 ? a * (1 - q) / ((s - a) * q) : 0;
    for (size_t i = 1; i <= sample && (p > failure || divided + 1 < rank); i++) {
        p *= 1 - q + q * z;
        for (; divided + 1 < rank && (double)divided * s < a * (double)i; divided++) {
            p /= z; /* evenly spread, so that p stays in range */
        }
    }
    return p;
}

static size_t candidate_bound(size_t rows, size_t sample, size_t rank)
{
    size_t low = rank, high = rows; /* of all rows there are enough */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        double p = too_few(rows, sample, rank, middle);
        if (p <= failure) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static uint64_t sort_price(size_t rows, const cm_sort_costs *costs)
{
    cm_sort_plan plan;

    return cm_sort_plan_make(rows, costs, &plan);
}

void cm_top_plan_make(size_t rows, size_t first, const cm_sort_costs *costs, cm_top_plan *ret)
{
    enum { SAMPLE_BITS_MIN = 6, SAMPLE_RATIO_MIN = 8 };
    uint64_t best = sort_price(rows, costs);

    *ret = (cm_top_plan){.sample = 0, .candidates = rows};
    for (unsigned bits = SAMPLE_BITS_MIN; rows >> bits >= SAMPLE_RATIO_MIN; bits++) {
        size_t sample = ((size_t)1 << bits) - 1;
        size_t rank = pivot_rank((double)rows, (double)sample, (double)first);
        if (rank > sample / 2) {
            continue;
        }
        size_t candidates = candidate_bound(rows, sample, rank);
        uint64_t price = sort_price(sample, costs) + cm_sort_batch_price(costs, rows - sample);
        if (price >= best || candidates >= rows) {
            continue;
        }
        price += sort_price(candidates, costs);
        if (price < best) {
            best = price;
            *ret = (cm_top_plan){sample, rank, candidates};
        }
    }
}

/* ---- selection ----------------------------------------------------------------------------- */

/* ret_below: whether each row from `first` on is below row `pivot`. */
static cm_status compare_with(cm_mpc *mpc, const cm_sort_less *less, cm_bcol key, size_t pivot,
                              size_t first, uint64_t *ret_below, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    size_t near = pivot / 64 * 64, loaded = key.rows - near < 64 ? key.rows - near : 64;
    cm_brows rows = cm_brows_new(&scratch, legs, key.planes, loaded);
    cm_status st = CM_OK;

    cm_brows_load(key, near, rows);
    for (size_t at = first; st == CM_OK && at < key.rows; at += CM_SORT_WINDOW) {
        cm_arena memory = scratch;
        size_t pairs = key.rows - at < CM_SORT_WINDOW ? key.rows - at : CM_SORT_WINDOW;
        cm_bcol x = cm_bcol_new_raw(&memory, legs, key.planes, pairs);
        cm_bcol y = cm_bcol_new_raw(&memory, legs, key.planes, pairs);
        uint32_t *from = CM_NEW_RAW(&memory, uint32_t, pairs);
        for (size_t i = 0; i < pairs; i++) {
            from[i] = (uint32_t)(pivot - near);
        }
        cm_bcol_get_rows(key, at, x);
        cm_brows_gather(rows, from, y.rows, y, 0);
        st = cm_sort_less_open(less, mpc, x, y, ret_below + (at - first) / 64, memory);
    }
    return st;
}

/*
 * Lists the rows up to the pivot, which are in the sample, and those below it, then others, up to
 * the bound.  If what should not happen does, more rows than the bound, or all.
 */
static size_t list_candidates(const cm_top_plan *plan, size_t rows, size_t first,
                              const uint64_t *below, uint32_t *ret)
{
    size_t count = 0, past = plan->sample - plan->rank, room = plan->candidates;

    for (size_t r = 0; r < plan->rank; r++) {
        ret[count++] = (uint32_t)r;
    }
    for (size_t r = plan->sample; r < rows; r++) {
        size_t i = r - plan->sample;
        if ((below[i / 64] >> (i % 64) & 1) != 0) {
            ret[count++] = (uint32_t)r;
        } else {
            past++;
        }
    }
    room = count < first ? rows : room;
    for (; room < count; room *= 2) {
    }
    room = room < rows ? room : rows;
    CM_ASSERT(count + past == rows);
    for (size_t r = plan->rank; r < rows && count < room; r++) {
        size_t i = r - plan->sample;
        if (r < plan->sample || (below[i / 64] >> (i % 64) & 1) == 0) {
            ret[count++] = (uint32_t)r;
        }
    }
    return count;
}

static cm_status select_rows(cm_mpc *mpc, const cm_top_plan *plan, cm_bcol wide,
                             const cm_sort_less *less, cm_bcol key, cm_bcol ret, cm_arena scratch)
{
    uint32_t *from = CM_NEW_RAW(&scratch, uint32_t, wide.rows);
    uint64_t *below = CM_NEW_RAW(&scratch, uint64_t, wide.words);

    cm_status st = cm_sort_in_place(mpc, wide, key.planes, plan->sample, NULL, NULL, scratch);
    if (st == CM_OK) {
        st = compare_with(mpc, less, key, plan->rank - 1, plan->sample, below, scratch);
    }
    if (st != CM_OK) {
        return st;
    }
    size_t count = list_candidates(plan, wide.rows, ret.rows, below, from);
    cm_bcol some = cm_bcol_new_raw(&scratch, cm_mpc_legs(mpc), wide.planes, count);
    cm_bcol_gather(wide, from, some);
    st = cm_sort_rows(mpc, some, key.planes, scratch); /* shuffles: they are in no random order */
    if (st == CM_OK) {
        cm_bcol_get_rows(some, 0, ret);
    }
    return st;
}

cm_status cm_sort_first(cm_mpc *mpc, cm_bcol wide, unsigned key_planes, cm_bcol ret,
                        cm_arena scratch)
{
    cm_sort_less less;
    cm_top_plan plan;

    CM_ASSERT(ret.planes == wide.planes && ret.rows <= wide.rows);
    if (ret.rows == 0) {
        return CM_OK;
    }
    cm_status st = cm_mpc_shuffle(mpc, NULL, 0, &wide, 1, scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_sort_less_init(&less, key_planes, cm_mpc_round_bytes(mpc), scratch);
    cm_top_plan_make(wide.rows, ret.rows, &less.costs, &plan);
    if (plan.sample == 0) {
        st = cm_sort_in_place(mpc, wide, key_planes, wide.rows, NULL, NULL, scratch);
        if (st == CM_OK) {
            cm_bcol_get_rows(wide, 0, ret);
        }
    } else {
        st =
            select_rows(mpc, &plan, wide, &less, cm_bcol_planes(wide, 0, key_planes), ret, scratch);
    }
    cm_sort_less_fini(&less);
    return st;
}
