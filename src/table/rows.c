/* Rows as one wide column, and moving them: shuffle, open where each goes, place. */
#include "table/table_int.h"

unsigned cm_bits_for(size_t count)
{
    unsigned bits = 0;

    while (count > 1 && bits < 64 && ((count - 1) >> bits) != 0) {
        bits++;
    }
    return bits;
}

unsigned cm_table_planes(const cm_table *table)
{
    unsigned planes = table->valid.planes;

    for (unsigned i = 0; i < table->cols; i++) {
        planes += table->col[i].data.planes + table->col[i].null.planes;
    }
    return planes;
}

static void pack_column(cm_bcol wide, unsigned *at, cm_bcol x)
{
    if (x.planes > 0) {
        cm_bcol_copy(cm_bcol_planes(wide, *at, x.planes), x);
        *at += x.planes;
    }
}

void cm_table_pack(const cm_table *table, cm_bcol wide)
{
    CM_ASSERT(wide.planes == cm_table_planes(table));
    CM_ASSERT(wide.rows == table->rows);

    unsigned at = 0;
    for (unsigned i = 0; i < table->cols; i++) {
        pack_column(wide, &at, table->col[i].data);
        pack_column(wide, &at, table->col[i].null);
    }
    pack_column(wide, &at, table->valid);
}

static cm_bcol unpack_column(cm_bcol wide, unsigned *at, unsigned planes)
{
    cm_bcol x = cm_bcol_planes(wide, *at, planes);

    *at += planes;
    return x;
}

void cm_table_unpack(const cm_table *like, cm_bcol wide, cm_table *ret)
{
    CM_ASSERT(wide.planes == cm_table_planes(like));
    CM_ASSERT(ret->cols == like->cols);

    unsigned at = 0;
    for (unsigned i = 0; i < like->cols; i++) {
        ret->col[i].data = unpack_column(wide, &at, like->col[i].data.planes);
        ret->col[i].null = unpack_column(wide, &at, like->col[i].null.planes);
    }
    ret->valid = unpack_column(wide, &at, 1);
    ret->rows = wide.rows;
}

/* Bits 0 .. 5 of a row's number repeat within every word. */
static const uint64_t index_pattern[6] = {
    UINT64_C(0xaaaaaaaaaaaaaaaa), UINT64_C(0xcccccccccccccccc), UINT64_C(0xf0f0f0f0f0f0f0f0),
    UINT64_C(0xff00ff00ff00ff00), UINT64_C(0xffff0000ffff0000), UINT64_C(0xffffffff00000000),
};

void cm_rows_index_bits(cm_mpc *mpc, cm_bcol z, cm_arena scratch)
{
    if (z.planes == 0 || z.rows == 0) {
        return;
    }
    uint64_t *bits = CM_NEW(&scratch, uint64_t, z.planes * z.words);

    for (unsigned p = 0; p < z.planes; p++) {
        for (size_t w = 0; w < z.words; w++) {
            bool one = p >= 6 && ((w >> (p - 6)) & 1) != 0;
            bits[p * z.words + w] = p < 6 ? index_pattern[p] : (one ? UINT64_MAX : 0);
        }
    }
    cm_mpc_public_bits(mpc, bits, z);
}

void cm_rows_index_words(cm_mpc *mpc, cm_acol z)
{
    /* The prefix sum of ones counts from 1; it is linear, so it is right on shares. */
    cm_acol_sub(z, z, z);
    cm_mpc_add_public(mpc, z, 1);
    cm_acol_prefix_sum(z, z);
    cm_mpc_add_public(mpc, z, UINT64_MAX);
}

void cm_rows_not(cm_mpc *mpc, cm_bcol x, cm_bcol z)
{
    cm_bcol_copy(z, x);
    cm_mpc_not(mpc, z, 0);
}

/* Halves, until one row is left: NOT of all rows' NOT.  An odd row waits for the next round. */
cm_status cm_rows_any(cm_mpc *mpc, cm_bcol x, cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    cm_bcol none = x;

    CM_ASSERT(x.planes == 1 && ret.planes == 1 && ret.rows == 1);
    if (x.rows == 0) {
        cm_mpc_set_public(mpc, ret, 0, false);
        return CM_OK;
    }
    cm_mpc_not(mpc, x, 0);
    while (none.rows > 1) {
        size_t half = none.rows / 2, rest = none.rows - half;
        cm_bcol low = cm_bcol_new(&scratch, legs, 1, half);
        cm_bcol high = cm_bcol_new(&scratch, legs, 1, half);
        cm_bcol next = cm_bcol_new(&scratch, legs, 1, rest);
        cm_bcol_get_rows(none, 0, low);
        cm_bcol_get_rows(none, rest, high);
        cm_bcol_get_rows(none, 0, next); /* for the odd row, between the halves */
        cm_plane a = cm_bcol_plane(low, 0), b = cm_bcol_plane(high, 0);
        cm_status st = cm_mpc_and_rows(mpc, &a, &b, &a, 1, half, scratch);
        if (st != CM_OK) {
            return st;
        }
        cm_bcol_put_rows(next, 0, low);
        none = next;
    }
    cm_bcol_copy(ret, none);
    cm_mpc_not(mpc, ret, 0);
    return CM_OK;
}

void cm_rows_shift_words(cm_acol x, cm_acol z)
{
    if (x.rows == 0) {
        return;
    }
    cm_acol first = cm_acol_slice(z, 0, 1);
    cm_acol_sub(first, first, first);
    cm_acol_copy(cm_acol_slice(z, 1, x.rows - 1), cm_acol_slice(x, 0, x.rows - 1));
}

/*
 * Turns opened destinations into sources.  They are a permutation unless a party misbehaved; what
 * was opened is never used as an index unchecked.
 */
static cm_status invert(const uint64_t *dest, size_t rows, uint32_t *ret_from)
{
    for (size_t r = 0; r < rows; r++) {
        ret_from[r] = UINT32_MAX;
    }
    for (size_t r = 0; r < rows; r++) {
        if (dest[r] >= rows || ret_from[dest[r]] != UINT32_MAX) {
            return CM_EPROTO;
        }
        ret_from[dest[r]] = (uint32_t)r;
    }
    return CM_OK;
}

cm_status cm_rows_place(cm_mpc *mpc, cm_acol dest, cm_rows *rows, cm_rows *ret, cm_arena scratch)
{
    static const cm_ticket ticket = {CM_TICKET_MASKED, "partition: destinations of shuffled rows"};
    size_t count = dest.rows;

    CM_ASSERT(count < UINT32_MAX);
    CM_ASSERT(ret->bits.rows <= count && ret->ring_count == rows->ring_count);
    if (count == 0) {
        return CM_OK;
    }

    cm_acol *ring = CM_NEW(&scratch, cm_acol, rows->ring_count + 1);
    for (size_t i = 0; i < rows->ring_count; i++) {
        ring[i] = rows->ring[i];
    }
    ring[rows->ring_count] = dest;
    cm_status st = cm_mpc_shuffle(mpc, ring, rows->ring_count + 1, &rows->bits,
                                  rows->bits.planes > 0, scratch);
    if (st != CM_OK) {
        return st;
    }

    uint64_t *opened = CM_NEW(&scratch, uint64_t, count);
    uint32_t *from = CM_NEW(&scratch, uint32_t, count);
    st = cm_mpc_open_words(mpc, dest, &ticket, opened, scratch);
    if (st == CM_OK) {
        st = invert(opened, count, from);
    }
    if (st != CM_OK) {
        return st;
    }
    if (rows->bits.planes > 0) {
        cm_bcol_gather(rows->bits, from, ret->bits);
    }
    for (size_t i = 0; i < rows->ring_count; i++) {
        cm_acol_gather(rows->ring[i], from, ret->ring[i]);
    }
    return CM_OK;
}

cm_status cm_rows_place_bits(cm_mpc *mpc, cm_bcol wide, unsigned dest_planes, cm_bcol ret,
                             cm_arena scratch)
{
    static const cm_ticket ticket = {CM_TICKET_MASKED, "join: places of shuffled rows"};

    CM_ASSERT(wide.rows < UINT32_MAX && ret.rows == wide.rows);
    CM_ASSERT(ret.planes + dest_planes == wide.planes && dest_planes <= 32);
    if (wide.rows == 0) {
        return CM_OK;
    }
    if (dest_planes == 0) { /* one row */
        cm_bcol_copy(ret, wide);
        return CM_OK;
    }

    cm_status st = cm_mpc_shuffle(mpc, NULL, 0, &wide, 1, scratch);
    if (st != CM_OK) {
        return st;
    }
    uint64_t *opened = CM_NEW(&scratch, uint64_t, dest_planes * wide.words);
    st = cm_mpc_open_bits(mpc, cm_bcol_planes(wide, 0, dest_planes), &ticket, opened, scratch);
    if (st != CM_OK) {
        return st;
    }
    uint64_t *dest = CM_NEW(&scratch, uint64_t, wide.rows);
    uint32_t *from = CM_NEW(&scratch, uint32_t, wide.rows);
    cm_planes_unpack(opened, wide.rows, dest_planes, 1, dest);
    st = invert(dest, wide.rows, from);
    if (st == CM_OK) {
        cm_bcol_gather(cm_bcol_planes(wide, dest_planes, ret.planes), from, ret);
    }
    return st;
}
