/*
 * Sorted delivery: docs/design/plan.md, "Runs".  An owner sorts its rows by what it will share,
 * after they are encoded: that is the order in which the parties compare, whatever collation or
 * order its database has.
 */
#include "exec/exec_int.h"

#include <string.h>

typedef struct sorter {
    const cm_plan_node *node;
    uint64_t *const *values, *const *nulls;
} sorter;

/* Negative where row a comes before row b by one key. */
static int compare_key(const sorter *s, const cm_order *key, uint32_t a, uint32_t b)
{
    size_t words = cm_encode_words(&s->node->col[key->target].enc);
    const uint64_t *x = s->values[key->target] + a * words, *y = s->values[key->target] + b * words;
    bool null = s->nulls[key->target][a] != 0;

    if (null != (s->nulls[key->target][b] != 0)) {
        return null == key->nulls_first ? -1 : 1;
    }
    for (size_t w = words; !null && w-- > 0;) {
        if (x[w] != y[w]) {
            return (x[w] < y[w]) != key->descending ? -1 : 1;
        }
    }
    return 0;
}

static bool is_before(const sorter *s, uint32_t a, uint32_t b)
{
    int order = 0;

    for (size_t i = 0; order == 0 && i < s->node->sorts; i++) {
        order = compare_key(s, &s->node->sort[i], a, b);
    }
    return order < 0;
}

/* Two runs of row numbers into one; equal rows keep their order. */
static void merge(const sorter *s, const uint32_t *low, const uint32_t *high, const uint32_t *end,
                  uint32_t *to)
{
    const uint32_t *a = low, *b = high;

    while (a < high && b < end) {
        *to++ = is_before(s, *b, *a) ? *b++ : *a++;
    }
    memcpy(to, a, (size_t)(high - a) * sizeof *to);
    memcpy(to + (high - a), b, (size_t)(end - b) * sizeof *to);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Bottom up. */
static uint32_t *sort(const sorter *s, size_t rows, cm_arena *keep)
{
    uint32_t *from = CM_NEW(keep, uint32_t, rows), *to = CM_NEW(keep, uint32_t, rows);

    for (size_t r = 0; r < rows; r++) {
        from[r] = (uint32_t)r;
    }
    for (size_t run = 1; run < rows; run *= 2) {
        for (size_t first = 0; first < rows; first += 2 * run) {
            const uint32_t *high = from + smaller(first + run, rows);
            merge(s, from + first, high, from + smaller(first + 2 * run, rows), to + first);
        }
        uint32_t *sorted = to;
        to = from;
        from = sorted;
    }
    return from;
}

static void move(uint64_t *column, size_t words, const uint32_t *from, size_t rows,
                 cm_arena scratch)
{
    uint64_t *before = CM_NEW_RAW(&scratch, uint64_t, rows * words);

    memcpy(before, column, rows * words * sizeof *column);
    for (size_t r = 0; r < rows; r++) {
        memcpy(column + r * words, before + from[r] * words, words * sizeof *column);
    }
}

/* The keys of the last row go on: with them rows are in order whether or not they count. */
static void pad(uint64_t *column, size_t words, size_t rows, size_t all)
{
    for (size_t r = rows; rows > 0 && r < all; r++) {
        memcpy(column + r * words, column + (rows - 1) * words, words * sizeof *column);
    }
}

void cm_exec_sort_input(const cm_plan_node *node, size_t rows, uint64_t *const *values,
                        uint64_t *const *nulls, cm_arena scratch)
{
    const sorter s = {node, values, nulls};
    const uint32_t *from = sort(&s, rows, &scratch);

    for (size_t i = 0; i < node->cols; i++) {
        move(values[i], cm_encode_words(&node->col[i].enc), from, rows, scratch);
        move(nulls[i], 1, from, rows, scratch);
    }
    for (size_t i = 0; i < node->sorts; i++) {
        unsigned col = node->sort[i].target;
        pad(values[col], cm_encode_words(&node->col[col].enc), rows, (size_t)node->rows);
        pad(nulls[col], 1, rows, (size_t)node->rows);
    }
}

cm_runs cm_exec_runs(cm_exec *x, const cm_plan_node *node, size_t child, cm_arena *arena)
{
    const cm_plan_runs *runs = &node->runs[child];
    size_t *rows = CM_NEW(arena, size_t, runs->count + 1);
    cm_runs ret = {.count = runs->count, .rows = rows, .valid_first = node->runs_valid_first};
    size_t all = 0;

    for (size_t i = 0; i < runs->count; i++) {
        rows[i] = x->table[runs->leaf[i]->number].rows;
        all += rows[i];
    }
    CM_ASSERT(runs->count == 0 || all == x->table[node->child[child]->number].rows);
    ret.way = x->plan->always_merge ? CM_ORDER_MERGE : CM_ORDER_BEST;
    return ret;
}
