/*
 * COUNT and SUM: what is added up goes into the ring once, adding is local there, and totals come
 * back to bits.  Values too wide for exact 64-bit totals are cut into limbs of planes, and the
 * totals of the limbs are added as bits.
 */
#include "table/table_int.h"

/* An earlier aggregate that adds up the same. */
static size_t same_before(const cm_agg *aggs, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (aggs[k].kind == aggs[i].kind && aggs[k].col == aggs[i].col) {
            return k;
        }
    }
    return i;
}

static bool counts_own_plane(const cm_table *table, const cm_agg *agg)
{
    return agg->kind == CM_AGG_COUNT_DISTINCT ||
           (agg->kind == CM_AGG_COUNT && table->col[agg->col].null.planes > 0);
}

/* Numbers the factors: counts first. */
static void lay_out(const cm_table *table, const cm_agg *aggs, size_t count, cm_sums *sums)
{
    unsigned row_bits = cm_bits_for(table->rows + 1);
    unsigned limb_max = 64 - row_bits; /* rows * (2^limb_max - 1) < 2^64 */

    sums->count_planes = row_bits > 0 ? row_bits : 1;
    sums->limb_planes = 1;
    sums->factors = 1;
    for (size_t i = 0; i < count; i++) {
        size_t same = same_before(aggs, i);
        if (counts_own_plane(table, &aggs[i])) {
            sums->first[i] = same < i ? sums->first[same] : sums->factors++;
        }
    }
    sums->counts = sums->factors;
    for (size_t i = 0; i < count; i++) {
        size_t same = same_before(aggs, i);
        if (aggs[i].kind != CM_AGG_SUM) {
            continue;
        }
        unsigned planes = table->col[aggs[i].col].data.planes;
        unsigned limbs = (planes + limb_max - 1) / limb_max;
        sums->limbs[i] = limbs;
        sums->limb_shift[i] = limbs > 0 ? (planes + limbs - 1) / limbs : 0;
        sums->first[i] = same < i ? sums->first[same] : sums->factors;
        sums->factors += same < i ? 0 : limbs;
        if (sums->limb_shift[i] + row_bits > sums->limb_planes) {
            sums->limb_planes = sums->limb_shift[i] + row_bits;
        }
    }
}

static cm_status convert_counts(cm_mpc *mpc, const cm_table *table, const cm_agg *aggs,
                                size_t count, cm_bcol distinct, const cm_sums *sums,
                                cm_arena scratch)
{
    unsigned planes = (unsigned)sums->counts - 1;

    if (planes == 0) {
        return CM_OK;
    }
    cm_bcol bits = cm_bcol_new(&scratch, cm_mpc_legs(mpc), planes, table->rows);
    for (size_t i = 0; i < count; i++) {
        if (!counts_own_plane(table, &aggs[i])) {
            continue;
        }
        cm_bcol plane = cm_bcol_planes(bits, (unsigned)sums->first[i] - 1, 1);
        if (aggs[i].kind == CM_AGG_COUNT_DISTINCT) {
            CM_ASSERT(distinct.planes == 1);
            cm_bcol_copy(plane, distinct);
        } else {
            cm_rows_not(mpc, table->col[aggs[i].col].null, plane);
        }
    }
    return cm_mpc_bit_to_ring(mpc, bits, sums->factor + 1, scratch);
}

/* The values of one SUM as limbs, 0 where NULL. */
static cm_status convert_values(cm_mpc *mpc, cm_scol col, const cm_acol *factor, size_t limbs,
                                unsigned shift, cm_arena scratch)
{
    cm_bcol value = col.data;

    if (col.null.planes > 0) {
        cm_bcol present = cm_bcol_new(&scratch, cm_mpc_legs(mpc), 1, value.rows);
        cm_rows_not(mpc, col.null, present);
        value = cm_bcol_new(&scratch, cm_mpc_legs(mpc), value.planes, value.rows);
        cm_status st = cm_mpc_and_col(mpc, col.data, present, value, scratch);
        if (st != CM_OK) {
            return st;
        }
    }
    for (size_t k = 0; k < limbs; k++) {
        unsigned first = (unsigned)k * shift;
        unsigned planes = value.planes - first < shift ? value.planes - first : shift;
        cm_status st =
            cm_mpc_bits_to_ring(mpc, cm_bcol_planes(value, first, planes), factor[k], scratch);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

cm_status cm_sums_prepare(cm_mpc *mpc, const cm_table *table, const cm_agg *aggs, size_t count,
                          cm_bcol distinct, cm_arena *keep, cm_sums *ret)
{
    cm_sums sums = {
        .first = CM_NEW(keep, size_t, count),
        .limbs = CM_NEW(keep, size_t, count),
        .limb_shift = CM_NEW(keep, unsigned, count),
    };
    lay_out(table, aggs, count, &sums);
    sums.factor = CM_NEW(keep, cm_acol, sums.factors);
    for (size_t f = 0; f < sums.factors; f++) {
        sums.factor[f] = cm_acol_new(keep, cm_mpc_legs(mpc), table->rows);
    }
    cm_arena scratch = *keep;
    *ret = sums;
    if (table->rows == 0) {
        return CM_OK;
    }

    cm_mpc_add_public(mpc, sums.factor[0], 1);
    cm_status st = convert_counts(mpc, table, aggs, count, distinct, &sums, scratch);
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        if (sums.limbs[i] > 0 && same_before(aggs, i) == i) {
            st = convert_values(mpc, table->col[aggs[i].col], sums.factor + sums.first[i],
                                sums.limbs[i], sums.limb_shift[i], scratch);
        }
    }
    return st;
}

/* ---- totals -------------------------------------------------------------------------------- */

/* Totals of so many factors, from the first one on, as one column of bits per factor. */
static cm_status totals_to_bits(cm_mpc *mpc, cm_acol totals, size_t first, size_t factors,
                                size_t groups, unsigned planes, cm_bcol *ret, cm_arena *keep)
{
    if (factors == 0) {
        return CM_OK;
    }
    unsigned legs = cm_mpc_legs(mpc);
    for (size_t f = 0; f < factors; f++) {
        ret[f] = cm_bcol_new(keep, legs, planes, groups);
    }
    cm_arena scratch = *keep;
    cm_bcol all = cm_bcol_new(&scratch, legs, planes, factors * groups);

    cm_status st = cm_mpc_ring_to_bits(mpc, cm_acol_slice(totals, first * groups, factors * groups),
                                       all, scratch);
    for (size_t f = 0; st == CM_OK && f < factors; f++) {
        cm_bcol_get_rows(all, f * groups, ret[f]);
    }
    return st;
}

static cm_program *build_finish(const cm_mpc *mpc, const cm_sums *sums, const cm_agg *aggs,
                                size_t count, size_t groups, bool any, cm_arena scratch)
{
    cm_circuit *c = cm_circuit_new_for(mpc, groups);
    cm_num *total = CM_NEW(&scratch, cm_num, sums->factors);
    cm_num *term = CM_NEW(&scratch, cm_num, sums->factors + 1);

    for (size_t f = 0; f < sums->factors; f++) {
        total[f] = cm_circuit_input(c, f < sums->counts ? sums->count_planes : sums->limb_planes);
    }
    for (size_t i = 0; i < count; i++) {
        if (!cm_agg_is_sum(aggs[i].kind)) { /* may be wider than any number */
            continue;
        }
        size_t terms = 0;
        if (aggs[i].kind != CM_AGG_SUM) {
            term[terms++] = total[sums->first[i]];
        }
        for (size_t k = 0; k < sums->limbs[i]; k++) {
            term[terms++] =
                cm_num_shift_left(total[sums->first[i] + k], (unsigned)k * sums->limb_shift[i]);
        }
        cm_num sum = cm_num_sum(c, term, terms, aggs[i].planes);
        cm_circuit_output(c, &sum);
    }
    if (any) {
        cm_circuit_output_wire(c, cm_gate_not(c, cm_num_is_zero(c, total[0])));
    }
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

cm_status cm_sums_finish(cm_mpc *mpc, const cm_sums *sums, const cm_agg *aggs, size_t count,
                         cm_acol totals, size_t groups, cm_scol *ret, cm_bcol *ret_any,
                         cm_arena *arena, cm_arena scratch)
{
    CM_ASSERT(totals.rows == sums->factors * groups);
    unsigned legs = cm_mpc_legs(mpc);
    cm_bcol *inputs = CM_NEW(&scratch, cm_bcol, sums->factors);
    cm_bcol *outputs = CM_NEW(&scratch, cm_bcol, count + 1);
    size_t output_count = 0;

    for (size_t i = 0; i < count; i++) {
        if (cm_agg_is_sum(aggs[i].kind)) {
            ret[i].data = cm_bcol_new(arena, legs, aggs[i].planes, groups);
            ret[i].null = (cm_bcol){.rows = groups, .words = cm_words_of(groups)};
            outputs[output_count++] = ret[i].data;
        }
    }
    if (ret_any != NULL) {
        *ret_any = cm_bcol_new(arena, legs, 1, groups);
        outputs[output_count++] = *ret_any;
    }
    if (groups == 0 || output_count == 0) {
        return CM_OK;
    }

    cm_status st =
        totals_to_bits(mpc, totals, 0, sums->counts, groups, sums->count_planes, inputs, &scratch);
    if (st == CM_OK) {
        st = totals_to_bits(mpc, totals, sums->counts, sums->factors - sums->counts, groups,
                            sums->limb_planes, inputs + sums->counts, &scratch);
    }
    if (st == CM_OK) {
        cm_program *program =
            build_finish(mpc, sums, aggs, count, groups, ret_any != NULL, scratch);
        st = cm_program_run(program, mpc, inputs, outputs, scratch);
        cm_program_free(program);
    }
    return st;
}
