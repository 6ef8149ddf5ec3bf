/*
 * Sums of products of bits: checks, and cutting by words among lanes.  A protocol adds up local
 * products and sends one bit for each sum.
 */
#include "proto/proto_int.h"

void cm_bit_masks(const uint64_t *leg, size_t rows, uint64_t *ret)
{
    for (size_t r = 0; r < rows; r++) {
        ret[r] = 0 - (leg[r / 64] >> (r % 64) & 1);
    }
}

/* Words first .. end - 1 of all planes but PRODUCT's x. */
static cm_status sums_of_words(cm_mpc *mpc, size_t first, size_t end, void *arg, cm_arena scratch)
{
    const cm_bit_sums *all = arg;
    size_t ys = all->kind == CM_SUM_AND ? all->planes * all->terms : all->terms;
    size_t xs = all->kind == CM_SUM_AND ? ys : 0;
    cm_plane *plane = CM_NEW_RAW(&scratch, cm_plane, xs + ys + all->planes);
    cm_bit_sums part = *all;

    for (size_t i = 0; i < xs; i++) {
        plane[i] = cm_plane_from(all->x[i], first);
    }
    for (size_t i = 0; i < ys; i++) {
        plane[xs + i] = cm_plane_from(all->y[i], first);
    }
    for (size_t p = 0; p < all->planes; p++) {
        plane[xs + ys + p] = cm_plane_from(all->z[p], first);
    }
    part.x = xs > 0 ? plane : all->x;
    part.y = plane + xs;
    part.z = plane + xs + ys;
    part.words = end - first;
    return mpc->ops->bit_sums(mpc, &part, scratch);
}

static cm_status run(cm_mpc *mpc, cm_bit_sums *sums, cm_arena scratch)
{
    cm_status st = mpc->dead ? CM_EDEAD
                   : sums->kind == CM_SUM_INNER
                       ? mpc->ops->bit_sums(mpc, sums, scratch) /* few words, sums over all rows */
                       : cm_lanes_run(mpc, sums->words, CM_LANE_GRAIN, sums->planes * sums->words,
                                      sums_of_words, sums, scratch);

    for (size_t p = 0; st != CM_OK && p < sums->planes; p++) {
        for (unsigned k = 0; k < mpc->ops->info.legs; k++) {
            cm_wipe(sums->z[p].leg[k], sums->words * sizeof *sums->z[p].leg[k]);
        }
    }
    return cm_mpc_outcome(mpc, st);
}

static cm_plane *planes_of(cm_bcol x, cm_arena *keep)
{
    cm_plane *ret = CM_NEW(keep, cm_plane, x.planes);

    for (unsigned p = 0; p < x.planes; p++) {
        ret[p] = cm_bcol_plane(x, p);
    }
    return ret;
}

cm_status cm_mpc_and_sum(cm_mpc *mpc, const cm_plane *x, const cm_plane *y, const cm_plane *z,
                         size_t entries, size_t terms, size_t words, cm_arena scratch)
{
    cm_bit_sums sums = {CM_SUM_AND, x, y, z, entries, terms, words, 0};

    CM_ASSERT(cm_mpc_computes(mpc));
    return entries == 0 || words == 0 ? CM_OK : run(mpc, &sums, scratch);
}

cm_status cm_mpc_bits_product(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z, cm_arena scratch)
{
    CM_ASSERT(cm_mpc_computes(mpc));
    CM_ASSERT(x.planes == z.planes && x.rows == y.planes && y.rows == z.rows);
    if (z.planes == 0 || z.rows == 0) {
        return CM_OK;
    }
    cm_bit_sums sums = {.kind = CM_SUM_PRODUCT,
                        .x = planes_of(x, &scratch),
                        .y = planes_of(y, &scratch),
                        .z = planes_of(z, &scratch),
                        .planes = z.planes,
                        .terms = y.planes,
                        .words = z.words};
    return run(mpc, &sums, scratch);
}

cm_status cm_mpc_bits_inner(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z, cm_arena scratch)
{
    CM_ASSERT(cm_mpc_computes(mpc));
    CM_ASSERT(x.planes == z.planes && x.rows == y.rows && z.rows == y.planes);
    if (z.planes == 0 || z.rows == 0) {
        return CM_OK;
    }
    cm_plane masked = cm_plane_masked(x, &scratch);
    cm_plane *of_x = CM_NEW(&scratch, cm_plane, x.planes);
    for (unsigned p = 0; p < x.planes; p++) {
        of_x[p] = cm_plane_from(masked, p * x.words);
    }
    cm_bit_sums sums = {.kind = CM_SUM_INNER,
                        .x = of_x,
                        .y = planes_of(y, &scratch),
                        .z = planes_of(z, &scratch),
                        .planes = z.planes,
                        .terms = y.planes,
                        .words = z.words,
                        .x_words = x.words};
    return run(mpc, &sums, scratch);
}
