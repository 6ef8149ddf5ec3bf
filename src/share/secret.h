/*
 * share/secret.h - the types of secrets.
 *
 * Plain C types are public.  A secret is a one-field struct, so that the compiler rejects ==, if,
 * indexing, casts, printing and mixing of kinds.  The field .v is touched in share/ and proto/ only
 * (tools/check_layers.py checks it).  A single leg is uniformly random and tells nothing; legs are
 * typed apart nevertheless, because legs of several parties together are the secret.
 */
#ifndef CM_SHARE_SECRET_H
#define CM_SHARE_SECRET_H

#include "base/arena.h"

/* One word of one component of a secret in Z_2^64. */
typedef struct cm_a64 {
    uint64_t v;
} cm_a64;

/* Sixty-four rows of one plane of one component: row r is bit r % 64 of word r / 64. */
typedef struct cm_b64 {
    uint64_t v;
} cm_b64;

enum { CM_LEGS_MAX = 4 };

/*
 * A ring column: this party's legs (components, and whatever else the protocol keeps per value) of
 * `rows` secrets in Z_2^64.  Unused legs are NULL.
 */
typedef struct cm_acol {
    size_t rows;
    cm_a64 *leg[CM_LEGS_MAX];
} cm_acol;

/*
 * A boolean column: `planes` bit positions (plane 0 is the least significant) of `rows` secrets.
 * Plane p of leg k is the `words` words from leg[k] + p * words, but for borrowed rows.  Bits past
 * the last row are arbitrary and are never opened.  An unsigned column of 0 planes is the constant
 * 0.
 */
typedef struct cm_bcol {
    size_t rows;
    size_t words; /* per plane: (rows + 63) / 64 */
    unsigned planes;
    cm_b64 *leg[CM_LEGS_MAX];
} cm_bcol;

static inline size_t cm_words_of(size_t rows)
{
    return rows / 64 + (rows % 64 != 0);
}

/* Zeroed columns (a sharing of 0) with so many legs, from the arena. */
cm_acol cm_acol_new(cm_arena *arena, unsigned legs, size_t rows);
cm_bcol cm_bcol_new(cm_arena *arena, unsigned legs, unsigned planes, size_t rows);
/* The same, not zeroed: for what is written before it is read. */
cm_bcol cm_bcol_new_raw(cm_arena *arena, unsigned legs, unsigned planes, size_t rows);
/* Borrows planes first .. first + planes - 1. */
cm_bcol cm_bcol_planes(cm_bcol x, unsigned first, unsigned planes);
/*
 * Borrows rows first .. first + rows - 1; first is a multiple of 64.  Planes lie x.words apart, so
 * this is for those who take one plane after the other: a program reads it as an input.
 */
cm_bcol cm_bcol_rows(cm_bcol x, size_t first, size_t rows);
/* Borrows rows first .. first + rows - 1 of a ring column. */
cm_acol cm_acol_slice(cm_acol x, size_t first, size_t rows);
void cm_acol_wipe(cm_acol x);
void cm_bcol_wipe(cm_bcol x);

#endif
