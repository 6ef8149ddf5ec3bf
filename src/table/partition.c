/*
 * Stable partition by a secret flag, without comparisons: each row's destination is a sum over the
 * flags above it, so in the ring it costs one product a row; a shuffle makes it fit to be opened.
 */
#include "table/table_int.h"

/*
 * With the flag f as a word, inclusive prefix sum P, total T and position r, a row goes to P - f if
 * f = 1 and to T + r - (P - f) if f = 0, together T + r - P - f + f * (2P - T - r), since f * f =
 * f.
 */
cm_status cm_partition_destination(cm_mpc *mpc, cm_bcol flag, cm_acol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    size_t rows = flag.rows;

    CM_ASSERT(flag.planes == 1 && ret.rows == rows && rows < UINT32_MAX);
    if (rows == 0) {
        return CM_OK;
    }
    cm_acol f = cm_acol_new(&scratch, legs, rows);
    cm_acol prefix = cm_acol_new(&scratch, legs, rows);
    cm_acol base = cm_acol_new(&scratch, legs, rows); /* T + r */
    cm_acol factor = cm_acol_new(&scratch, legs, rows);
    uint32_t *last = CM_NEW(&scratch, uint32_t, rows);

    cm_status st = cm_mpc_bit_to_ring(mpc, flag, &f, scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_acol_prefix_sum(f, prefix);
    for (size_t r = 0; r < rows; r++) {
        last[r] = (uint32_t)(rows - 1);
    }
    cm_acol_gather(prefix, last, factor);
    cm_rows_index_words(mpc, base);
    cm_acol_add(base, factor, base);

    cm_acol_scale(prefix, 2, factor);
    cm_acol_sub(factor, base, factor);
    st = cm_mpc_mul(mpc, f, factor, ret, scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_acol_add(ret, base, ret);
    cm_acol_sub(ret, prefix, ret);
    cm_acol_sub(ret, f, ret);
    return CM_OK;
}

cm_status cm_table_partition(cm_mpc *mpc, cm_table *table, cm_bcol flag, cm_arena *arena,
                             cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc), planes = cm_table_planes(table);

    cm_table_check_arenas(arena, scratch);
    CM_ASSERT(flag.rows == table->rows);
    if (table->rows < 2) {
        return CM_OK;
    }
    cm_acol dest = cm_acol_new(&scratch, legs, table->rows);
    cm_rows rows = {.bits = cm_bcol_new(&scratch, legs, planes, table->rows)};
    cm_rows placed = {.bits = cm_bcol_new(arena, legs, planes, table->rows)};

    cm_status st = cm_partition_destination(mpc, flag, dest, scratch);
    if (st == CM_OK) {
        cm_table_pack(table, rows.bits);
        st = cm_rows_place(mpc, dest, &rows, &placed, scratch);
    }
    if (st == CM_OK) {
        cm_table_unpack(table, placed.bits, table);
    }
    return st;
}
