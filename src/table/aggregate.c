/*
 * Aggregates of many groups at once, from one membership plane per group: sums are dot products of
 * membership with values, in the ring; MIN and MAX are trees.  One group of all valid rows is the
 * aggregate without GROUP BY.
 */
#include "table/table_int.h"

#include <limits.h>

enum {
    PLANES_MAX = 128,
    WORD_PLANES = 64, /* of a ring element */
};
/* Bits of one leg, groups times rows times planes, that are handled at once: bounds memory. */
static const size_t batch_bits = (size_t)1 << 28;

static unsigned batch_groups(size_t rows, unsigned planes, unsigned left)
{
    size_t groups = batch_bits / planes / (rows + 1);

    return groups == 0 ? 1 : groups < left ? (unsigned)groups : left;
}

cm_status cm_aggregate_check(const cm_table *table, const cm_agg *aggs, size_t count,
                             bool distinct_allowed)
{
    for (size_t i = 0; i < count; i++) {
        cm_agg_kind kind = aggs[i].kind;
        bool counts = kind == CM_AGG_COUNT_ROWS || kind == CM_AGG_COUNT ||
                      kind == CM_AGG_COUNT_DISTINCT || kind == CM_AGG_SUM;
        if (counts && (aggs[i].planes == 0 || aggs[i].planes > PLANES_MAX)) {
            return CM_EUNSUPPORTED;
        }
        if ((kind == CM_AGG_COUNT_DISTINCT || cm_agg_is_ordered(kind)) && !distinct_allowed) {
            return CM_EUNSUPPORTED;
        }
        CM_ASSERT(!cm_agg_is_ordered(kind) || kind == CM_AGG_MODE ||
                  (aggs[i].num <= aggs[i].den && aggs[i].den > 0 && aggs[i].den >> 32 == 0));
        if (kind == CM_AGG_COUNT_ROWS) {
            continue;
        }
        CM_ASSERT(aggs[i].col < table->cols);
        /* A candidate for MIN and MAX carries two flags more (extreme.c), one for MODE a length. */
        unsigned most = kind == CM_AGG_SUM        ? PLANES_MAX
                        : cm_agg_is_extreme(kind) ? CM_NUM_MAX - 2
                        : cm_agg_is_ordered(kind) ? CM_NUM_MAX - 2 - 32
                                                  : UINT_MAX;
        if (table->col[aggs[i].col].data.planes > most) {
            return CM_EUNSUPPORTED;
        }
    }
    return CM_OK;
}

/* Groups first .. first + member.planes - 1 into the totals of all `groups` groups. */
static cm_status add_up(cm_mpc *mpc, const cm_sums *sums, cm_bcol member, size_t first,
                        size_t groups, cm_acol totals, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    size_t batch = member.planes, results = batch * sums->factors;
    cm_acol *weight = CM_NEW(&scratch, cm_acol, batch);
    cm_acol *x = CM_NEW(&scratch, cm_acol, results);
    cm_acol *y = CM_NEW(&scratch, cm_acol, results);
    cm_acol z = cm_acol_new(&scratch, legs, results);

    for (size_t g = 0; g < batch; g++) {
        weight[g] = cm_acol_new(&scratch, legs, member.rows);
    }
    cm_status st = cm_mpc_bit_to_ring(mpc, member, weight, scratch);
    if (st != CM_OK) {
        return st;
    }
    for (size_t f = 0; f < sums->factors; f++) {
        for (size_t g = 0; g < batch; g++) {
            x[f * batch + g] = weight[g];
            y[f * batch + g] = sums->factor[f];
        }
    }
    st = cm_mpc_dot(mpc, x, y, results, z, scratch);
    for (size_t f = 0; st == CM_OK && f < sums->factors; f++) {
        cm_acol_copy(cm_acol_slice(totals, f * groups + first, batch),
                     cm_acol_slice(z, f * batch, batch));
    }
    return st;
}

/* Every group's totals of all factors. */
static cm_status add_up_all(cm_mpc *mpc, const cm_sums *sums, cm_bcol member, cm_acol totals,
                            cm_arena scratch)
{
    unsigned groups = member.planes, batch;
    cm_status st = CM_OK;

    for (unsigned first = 0; st == CM_OK && first < groups; first += batch) {
        batch = batch_groups(member.rows, WORD_PLANES, groups - first);
        st =
            add_up(mpc, sums, cm_bcol_planes(member, first, batch), first, groups, totals, scratch);
    }
    return st;
}

static cm_status find_extreme(cm_mpc *mpc, const cm_table *table, const cm_agg *agg, cm_bcol member,
                              size_t first, cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc), planes = ret.planes;
    cm_bcol x = cm_bcol_new(&scratch, legs, planes, member.planes * table->rows);
    cm_bcol greatest = cm_bcol_new(&scratch, legs, planes, member.planes);

    cm_status st = cm_extreme_candidates(mpc, table, agg, member, x, scratch);
    if (st == CM_OK) {
        st = cm_extreme_reduce(mpc, x, table->rows, greatest, scratch);
    }
    if (st == CM_OK) {
        cm_bcol_put_rows(ret, first, greatest);
    }
    return st;
}

/* ret row g = the greatest candidate of group g. */
static cm_status find_extremes(cm_mpc *mpc, const cm_table *table, const cm_agg *agg,
                               cm_bcol member, cm_bcol ret, cm_arena scratch)
{
    unsigned groups = member.planes, batch;
    cm_status st = CM_OK;

    for (unsigned first = 0; st == CM_OK && first < groups; first += batch) {
        batch = batch_groups(table->rows, ret.planes, groups - first);
        st = find_extreme(mpc, table, agg, cm_bcol_planes(member, first, batch), first, ret,
                          scratch);
    }
    return st;
}

cm_status cm_aggregate_members(cm_mpc *mpc, const cm_table *table, cm_bcol member,
                               const cm_agg *aggs, size_t count, cm_arena *arena, cm_table *ret,
                               cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc), groups = member.planes;
    cm_table result = {
        .rows = groups, .cols = (unsigned)count, .col = CM_NEW(arena, cm_scol, count)};
    cm_bcol *extreme = CM_NEW(&scratch, cm_bcol, count);
    cm_sums sums;

    for (size_t i = 0; i < count; i++) {
        if (cm_agg_is_extreme(aggs[i].kind)) {
            unsigned planes = table->col[aggs[i].col].data.planes + 1;
            extreme[i] = cm_bcol_new(&scratch, legs, planes, groups);
        }
    }
    cm_status st = cm_sums_prepare(mpc, table, aggs, count, (cm_bcol){0}, &scratch, &sums);
    if (st != CM_OK) {
        return st;
    }
    cm_acol totals = cm_acol_new(&scratch, legs, sums.factors * groups);

    if (table->rows > 0) {
        st = add_up_all(mpc, &sums, member, totals, scratch);
    }
    for (size_t i = 0; st == CM_OK && table->rows > 0 && i < count; i++) {
        if (cm_agg_is_extreme(aggs[i].kind)) {
            st = find_extremes(mpc, table, &aggs[i], member, extreme[i], scratch);
        }
    }
    if (st != CM_OK) {
        return st;
    }

    for (size_t i = 0; i < count; i++) {
        if (cm_agg_is_extreme(aggs[i].kind)) {
            result.col[i] = cm_extreme_result(mpc, &aggs[i], extreme[i], arena);
        }
    }
    st = cm_sums_finish(mpc, &sums, aggs, count, totals, groups, result.col, &result.valid, arena,
                        scratch);
    if (st == CM_OK) {
        *ret = result;
    }
    return st;
}

cm_status cm_table_aggregate(cm_mpc *mpc, const cm_table *table, const cm_agg *aggs, size_t count,
                             cm_arena *arena, cm_table *ret, cm_arena scratch)
{
    cm_table_check_arenas(arena, scratch);
    cm_status st = cm_aggregate_check(table, aggs, count, false);
    if (st == CM_OK) {
        st = cm_aggregate_members(mpc, table, table->valid, aggs, count, arena, ret, scratch);
    }
    if (st == CM_OK) {
        cm_mpc_set_public(mpc, ret->valid, 0, true);
    }
    return st;
}
