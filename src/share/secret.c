#include "share/secret.h"

#include "crypto/crypto.h"

cm_acol cm_acol_new(cm_arena *arena, unsigned legs, size_t rows)
{
    CM_ASSERT(legs <= CM_LEGS_MAX);

    cm_acol x = {.rows = rows};
    for (unsigned k = 0; k < legs; k++) {
        x.leg[k] = CM_NEW(arena, cm_a64, rows);
    }
    return x;
}

static cm_bcol new_bits(cm_arena *arena, unsigned legs, unsigned planes, size_t rows, bool zero)
{
    CM_ASSERT(legs <= CM_LEGS_MAX);

    cm_bcol x = {.rows = rows, .words = cm_words_of(rows), .planes = planes};
    CM_ASSERT(planes == 0 || x.words <= SIZE_MAX / planes);
    for (unsigned k = 0; k < legs; k++) {
        x.leg[k] = zero ? CM_NEW(arena, cm_b64, planes * x.words)
                        : CM_NEW_RAW(arena, cm_b64, planes * x.words);
    }
    return x;
}

cm_bcol cm_bcol_new(cm_arena *arena, unsigned legs, unsigned planes, size_t rows)
{
    return new_bits(arena, legs, planes, rows, true);
}

cm_bcol cm_bcol_new_raw(cm_arena *arena, unsigned legs, unsigned planes, size_t rows)
{
    return new_bits(arena, legs, planes, rows, false);
}

cm_bcol cm_bcol_planes(cm_bcol x, unsigned first, unsigned planes)
{
    CM_ASSERT(first <= x.planes && planes <= x.planes - first);

    for (unsigned k = 0; k < CM_LEGS_MAX; k++) {
        x.leg[k] = x.leg[k] ? x.leg[k] + first * x.words : NULL;
    }
    x.planes = planes;
    return x;
}

cm_bcol cm_bcol_rows(cm_bcol x, size_t first, size_t rows)
{
    CM_ASSERT(first % 64 == 0 && first <= x.rows && rows <= x.rows - first);

    for (unsigned k = 0; k < CM_LEGS_MAX; k++) {
        x.leg[k] = x.leg[k] ? x.leg[k] + first / 64 : NULL;
    }
    x.rows = rows;
    return x;
}

cm_acol cm_acol_slice(cm_acol x, size_t first, size_t rows)
{
    CM_ASSERT(first <= x.rows && rows <= x.rows - first);

    for (unsigned k = 0; k < CM_LEGS_MAX; k++) {
        x.leg[k] = x.leg[k] ? x.leg[k] + first : NULL;
    }
    x.rows = rows;
    return x;
}

void cm_acol_wipe(cm_acol x)
{
    for (unsigned k = 0; k < CM_LEGS_MAX; k++) {
        if (x.leg[k]) {
            cm_wipe(x.leg[k], x.rows * sizeof *x.leg[k]);
        }
    }
}

void cm_bcol_wipe(cm_bcol x)
{
    for (unsigned k = 0; k < CM_LEGS_MAX; k++) {
        if (x.leg[k]) {
            cm_wipe(x.leg[k], x.planes * x.words * sizeof *x.leg[k]);
        }
    }
}
