/*
 * share/column.h - what can be done to columns without talking: copying, concatenating, permuting
 * rows by a public permutation, prefix sums, prefix XOR, and differences.  All of it is linear, so
 * it is done to each leg alone and is right under every protocol of linear shares.
 *
 * Everything here is constant-time in the values.  Row counts, permutations and offsets are public.
 */
#ifndef CM_SHARE_COLUMN_H
#define CM_SHARE_COLUMN_H

#include "share/secret.h"

void cm_bcol_copy(cm_bcol to, cm_bcol from);
void cm_acol_copy(cm_acol to, cm_acol from);
/* z = x XOR y; z may be x or y. */
void cm_bcol_xor(cm_bcol x, cm_bcol y, cm_bcol z);
void cm_acol_add(cm_acol x, cm_acol y, cm_acol z);
void cm_acol_sub(cm_acol x, cm_acol y, cm_acol z);
/* z = x * factor. */
void cm_acol_scale(cm_acol x, uint64_t factor, cm_acol z);

/* Rows of x to rows first .. of z, any alignment of first; planes must agree. */
void cm_bcol_put_rows(cm_bcol z, size_t first, cm_bcol x);
/* Rows first .. first + z.rows - 1 of x into z. */
void cm_bcol_get_rows(cm_bcol x, size_t first, cm_bcol z);
/* z row r = x row from[r]; from has z.rows entries below x.rows; z does not overlap x. */
void cm_bcol_gather(cm_bcol x, const uint32_t *from, cm_bcol z);
void cm_acol_gather(cm_acol x, const uint32_t *from, cm_acol z);
/* The first `rows` rows of x, in place: row r becomes row from[r]; from is a permutation of them.
 */
void cm_bcol_permute(cm_bcol x, size_t rows, const uint32_t *from, cm_arena scratch);

/*
 * Rows of a boolean column side by side, all legs of a row together, for those who gather from the
 * same rows again and again: a row is one place in memory, not one for each plane.
 */
typedef struct cm_brows {
    size_t rows;
    unsigned planes, legs;
    size_t stride; /* words a row */
    cm_b64 *word;
} cm_brows;
cm_brows cm_brows_new(cm_arena *arena, unsigned legs, unsigned planes, size_t rows);
/* z = rows first .. first + z.rows - 1 of x; first is a multiple of 64. */
void cm_brows_load(cm_bcol x, size_t first, cm_brows z);
/* z row to[r] = x row r. */
void cm_brows_put(cm_brows x, const uint32_t *to, cm_brows z);
/* z row first + r = x row from[r] for so many rows, back in planes; first is a multiple of 64. Bits
 * of z in the last word beyond them become 0. */
void cm_brows_gather(cm_brows x, const uint32_t *from, size_t rows, cm_bcol z, size_t first);

/* z row r = x row 0 + ... + x row r; in place allowed. */
void cm_acol_prefix_sum(cm_acol x, cm_acol z);
/* z row r = x row 0 XOR ... XOR x row r, each plane; in place allowed. */
void cm_bcol_prefix_xor(cm_bcol x, cm_bcol z);
/* z row 0 = x row 0, z row r = x row r XOR x row r - 1; not in place. */
void cm_bcol_difference(cm_bcol x, cm_bcol z);
/* z row 0 = 0 and z row r = x row r - 1 (shift down by one row); not in place. */
void cm_bcol_shift_down(cm_bcol x, cm_bcol z);
/* z row r = x row r + 1 and the last row 0; not in place. */
void cm_bcol_shift_up(cm_bcol x, cm_bcol z);

/* Public bits <-> packed planes, for inputs and opened outputs: values[r * words_per_row ..] holds
 * row r little-endian by 64-bit words; planes at most 64 * words_per_row. */
void cm_planes_pack(const uint64_t *values, size_t words_per_row, size_t rows, unsigned planes,
                    uint64_t *ret_planes);
void cm_planes_unpack(const uint64_t *plane_words, size_t rows, unsigned planes,
                      size_t words_per_row, uint64_t *ret_values);

#endif
