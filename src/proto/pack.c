/*
 * AND of planes of few rows.  A plane takes whole words, of which a table of a few rows uses a few
 * bits; so the rows of all planes are laid end to end, multiplied as one vector, and put back.
 * That is local and linear, so it is right for every protocol.
 */
#include "proto/proto_int.h"

/* Appends so many bits at bit `at` of ret, which is 0 from there on. */
static void append(uint64_t *ret, size_t at, const uint64_t *x, size_t rows)
{
    unsigned shift = (unsigned)(at % 64);

    ret += at / 64;
    for (size_t done = 0; done < rows; done += 64, x++, ret++) {
        size_t left = rows - done;
        uint64_t bits = left < 64 ? *x & ((UINT64_C(1) << left) - 1) : *x;
        *ret |= bits << shift;
        if (shift != 0 && left + shift > 64) {
            ret[1] |= bits >> (64 - shift);
        }
    }
}

/* Takes them out again; reads no word behind the last bit.  Bits past the last row are others'. */
static void extract(const uint64_t *x, size_t at, uint64_t *ret, size_t rows)
{
    unsigned shift = (unsigned)(at % 64);

    CM_ASSERT(x != NULL);
    x += at / 64;
    for (size_t done = 0; done < rows; done += 64, x++, ret++) {
        *ret = *x >> shift;
        if (shift != 0 && rows - done + shift > 64) {
            *ret |= x[1] << (64 - shift);
        }
    }
}

static cm_plane pack(const cm_mpc *mpc, const cm_plane *x, size_t entries, size_t rows,
                     cm_arena *scratch)
{
    cm_plane ret = {{0}};

    for (unsigned k = 0; k < mpc->ops->info.legs; k++) {
        ret.leg[k] = CM_NEW(scratch, cm_b64, cm_words_of(entries * rows));
        for (size_t e = 0; e < entries; e++) {
            append(cm_leg(ret, k), e * rows, cm_leg(x[e], k), rows);
        }
    }
    return ret;
}

cm_status cm_mpc_and_rows(cm_mpc *mpc, const cm_plane *x, const cm_plane *y, const cm_plane *z,
                          size_t entries, size_t rows, cm_arena scratch)
{
    size_t words = cm_words_of(rows);

    CM_ASSERT(words == 0 || entries <= SIZE_MAX / 64 / words);
    if (rows >= CM_SHORT_ROWS || cm_words_of(entries * rows) == entries * words) {
        return cm_mpc_and(mpc, x, y, z, entries, words, scratch);
    }

    cm_plane dense_x = pack(mpc, x, entries, rows, &scratch);
    cm_plane dense_y = pack(mpc, y, entries, rows, &scratch);
    cm_status st =
        cm_mpc_and(mpc, &dense_x, &dense_y, &dense_x, 1, cm_words_of(entries * rows), scratch);
    /* After a failure dense_x is 0, and so z becomes. */
    for (unsigned k = 0; k < mpc->ops->info.legs; k++) {
        for (size_t e = 0; e < entries; e++) {
            extract(cm_leg(dense_x, k), e * rows, cm_leg(z[e], k), rows);
        }
    }
    return st;
}
