/*
 * The schedule of a sort: docs/design/table.md, "Schedule".  It is a function of the number of
 * rows, so what it fixes tells nothing.
 *
 * A level sorts `rows` rows of which 2^bits - 1 are sorted already, and serve as pivots.  Each of
 * the others finds the gap between pivots that it belongs to, in `bits` comparisons; then the rows
 * of each gap are compared pairwise.  The best chain of levels for each size, counted in
 * comparisons with a depth at the price of `depth_price` of them, is found from the smallest size
 * upwards.
 */
#include "table/table_int.h"

enum {
    RATIO_MAX = 32,         /* rows of a level to a pivot: the search of larger ones never pays */
    RATIO_MIN = 3,          /* levels that are not much larger cost memory and moves of rows */
    ALL_PAIRS_MAX = 1 << 12 /* nor does a level without pivots for more rows than this */
};

/* ---- how many pairs the gaps hold ----------------------------------------------------------- */

/*
 * N rows in random order fall into k gaps: all compositions of N into k parts are equally likely.
 * So a gap holds t rows or more with probability tail(t) = prod (N - j) / (N + k - 1 - j), j < t.
 * Let cap be the first t with k * tail(t) <= 2^-66: with a failure of that, no gap holds so many.
 *
 * Gap sizes s_i are independent geometric variables given their sum; their distribution is
 * log-concave, so that they are negatively associated (Joag-Dev and Proschan, Annals of Statistics
 * 1983, 2.8) and E prod f(s_i) <= prod E f(s_i) for every increasing f.  With s' = min(s, cap - 1)
 * and f(s) = a^(s'(s'-1)/2), Chernoff's argument gives for every a = 1 + x > 1
 *
 *   P(sum of s'(s'-1)/2 >= B) <= (E f)^k a^-B <= 2^-66  if  B >= (k ln(E f) + 66 ln 2) / ln a.
 *
 * All parties must find the same number: additions, products and quotients of doubles are exactly
 * specified, logarithms are not, so ln is replaced by polynomials on the safe side.  Should two
 * machines differ all the same, frames have unexpected lengths and the job ends.
 */
static const double cap_failure = 0x1p-66;
static const double surprise = 45.8; /* a little more than 66 ln 2 */

/* The first t with k * tail(t) <= cap_failure. */
static size_t find_cap(double rows, double gaps)
{
    double tail = 1;
    size_t t = 0;

    while (gaps * tail > cap_failure) {
        tail *= (rows - (double)t) / (rows + gaps - 1 - (double)t);
        t++;
    }
    return t;
}

/* E f - 1 = sum over t from 2 of (f(t) - f(t - 1)) * tail(t). */
static double excess(double rows, double gaps, size_t cap, double x)
{
    double tail = 1, f = 1, power = 1, sum = 0; /* power = a^(t - 1), f = f(t - 1) */

    for (size_t t = 1; t < cap; t++) {
        double j = (double)(t - 1);
        tail *= (rows - j) / (rows + gaps - 1 - j);
        sum += f * (power - 1) * tail;
        f *= power;
        power *= 1 + x;
    }
    return sum;
}

static double chernoff(double rows, double gaps, size_t cap, double x)
{
    double u = excess(rows, gaps, cap, x);
    double ln_above = u < 1 ? u - u * u / 2 + u * u * u / 3 : u; /* >= ln(1 + u) */
    double ln_below = x - x * x / 2;                             /* <= ln(1 + x) */

    return (gaps * ln_above + surprise) / ln_below;
}

size_t cm_sort_pairs_bound(size_t rows, unsigned bits)
{
    size_t gaps = (size_t)1 << bits, fresh = rows - (gaps - 1);

    CM_ASSERT(rows >= gaps - 1 && rows < UINT32_MAX);
    size_t all = fresh > 0 ? fresh * (fresh - 1) / 2 : 0;
    if (bits == 0 || all == 0) {
        return all;
    }
    size_t cap = find_cap((double)fresh, (double)gaps);
    double x = 1;
    while (x * (double)cap > 8) {
        x /= 2;
    }
    double best = chernoff((double)fresh, (double)gaps, cap, x);
    for (;;) {
        x /= 2;
        double next = chernoff((double)fresh, (double)gaps, cap, x);
        if (next > best) {
            break;
        }
        best = next;
    }
    /* Rounding up to whole words covers the rounding of doubles many times over. */
    best += 64 + best * 0x1p-30;
    return best < (double)all ? (size_t)best / 64 * 64 : all;
}

/* ---- the cheapest chain of levels ----------------------------------------------------------- */

typedef struct option {
    uint64_t price;
    cm_sort_level level; /* the last one; those before it sort its pivots */
} option;

/* Bits found in one depth cost 2^bits - 1 comparisons a row. */
static uint64_t search_price(size_t fresh, unsigned bits, unsigned step, const cm_sort_costs *costs)
{
    uint64_t full = cm_sort_batch_price(costs, (((size_t)1 << step) - 1) * fresh);
    uint64_t last = cm_sort_batch_price(costs, (((size_t)1 << bits % step) - 1) * fresh);

    return bits / step * full + last;
}

static option price_level(size_t rows, unsigned bits, const cm_sort_costs *costs)
{
    size_t fresh = rows - (((size_t)1 << bits) - 1);
    option ret = {UINT64_MAX, {rows, bits, 1, cm_sort_pairs_bound(rows, bits)}};

    for (unsigned step = 1; step <= CM_SORT_STEP_BITS_MAX; step++) {
        uint64_t price = search_price(fresh, bits, step, costs);
        if (price < ret.price) {
            ret.price = price;
            ret.level.step_bits = step;
        }
    }
    ret.price += cm_sort_batch_price(costs, ret.level.pairs);
    return ret;
}

/* best[b] is the cheapest way to sort 2^b - 1 rows, for all b that rows may choose from. */
static option price_rows(size_t rows, const option *best, const cm_sort_costs *costs)
{
    option ret = {.price = UINT64_MAX};

    for (unsigned bits = 0; ((size_t)1 << bits) - 1 < rows; bits++) {
        size_t ratio = rows >> bits;
        if (bits == 0 ? rows > ALL_PAIRS_MAX : ratio > RATIO_MAX || ratio < RATIO_MIN) {
            continue;
        }
        option o = price_level(rows, bits, costs);
        o.price += best[bits].price;
        if (o.price < ret.price) {
            ret = o;
        }
    }
    return ret;
}

uint64_t cm_sort_plan_make(size_t rows, const cm_sort_costs *costs, cm_sort_plan *ret)
{
    option best[33] = {{.price = 0}}; /* nothing to do for 0 rows and for 1 */
    unsigned bits = 2;

    CM_ASSERT(rows < UINT32_MAX);
    ret->levels = 0;
    if (rows < 2) {
        return 0;
    }
    for (; ((size_t)1 << bits) - 1 < rows; bits++) {
        best[bits] = price_rows(((size_t)1 << bits) - 1, best, costs);
    }
    option last = price_rows(rows, best, costs);
    cm_sort_level chain[CM_SORT_LEVELS_MAX];
    size_t count = 0;
    uint64_t price = last.price;
    for (; last.level.rows > 1; last = best[last.level.bits]) {
        chain[count++] = last.level;
    }
    for (size_t i = 0; i < count; i++) {
        ret->level[i] = chain[count - 1 - i];
    }
    ret->levels = count;
    return price;
}
