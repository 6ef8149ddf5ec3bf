/* Sort of rows and tables: keys that order as unsigned numbers, shuffle, order, gather. */
#include "table/table_int.h"

/* ---- rows ---------------------------------------------------------------------------------- */

cm_status cm_sort_rows(cm_mpc *mpc, cm_bcol wide, unsigned key_planes, cm_bcol ret,
                       cm_arena scratch)
{
    CM_ASSERT(key_planes <= wide.planes && ret.planes <= wide.planes);
    CM_ASSERT(ret.rows == wide.rows);
    if (wide.rows == 0) {
        return CM_OK;
    }
    cm_status st = cm_mpc_shuffle(mpc, NULL, 0, &wide, 1, scratch);
    if (st != CM_OK) {
        return st;
    }
    uint32_t *from = CM_NEW(&scratch, uint32_t, wide.rows);
    st = cm_sort_order(mpc, cm_bcol_planes(wide, 0, key_planes), from, scratch);
    if (st == CM_OK) {
        cm_bcol_gather(cm_bcol_planes(wide, wide.planes - ret.planes, ret.planes), from, ret);
    }
    return st;
}

/* ---- keys and tables ------------------------------------------------------------------------ */

unsigned cm_sort_key_planes(const cm_table *table, const cm_sort_key *keys, size_t count,
                            bool valid_first)
{
    unsigned planes = valid_first ? 1 : 0;

    for (size_t i = 0; i < count; i++) {
        planes += table->col[keys[i].col].data.planes + table->col[keys[i].col].null.planes;
    }
    return planes;
}

/*
 * One key: data masked to 0 under NULL, so that NULLs are equal, complemented when descending;
 * above it the null plane, so that a greater bit comes later.
 */
static cm_status build_one_key(cm_mpc *mpc, cm_scol col, cm_sort_key key, cm_bcol z,
                               cm_arena scratch)
{
    cm_bcol data = cm_bcol_planes(z, 0, col.data.planes);

    if (col.null.planes > 0) {
        cm_bcol present = cm_bcol_new(&scratch, cm_mpc_legs(mpc), 1, z.rows);
        cm_rows_not(mpc, col.null, present);
        cm_bcol_copy(cm_bcol_planes(z, data.planes, 1), key.nulls_first ? present : col.null);
        if (data.planes > 0) {
            cm_status st = cm_mpc_and_col(mpc, col.data, present, data, scratch);
            if (st != CM_OK) {
                return st;
            }
        }
    } else if (data.planes > 0) {
        cm_bcol_copy(data, col.data);
    }
    for (unsigned p = 0; key.descending && p < data.planes; p++) {
        cm_mpc_not(mpc, data, p);
    }
    return CM_OK;
}

cm_status cm_sort_key_build(cm_mpc *mpc, const cm_table *table, const cm_sort_key *keys,
                            size_t count, bool valid_first, cm_bcol z, cm_arena scratch)
{
    unsigned at = 0;

    CM_ASSERT(z.planes == cm_sort_key_planes(table, keys, count, valid_first));
    for (size_t i = count; i-- > 0;) {
        CM_ASSERT(keys[i].col < table->cols);
        cm_scol col = table->col[keys[i].col];
        unsigned planes = col.data.planes + col.null.planes;
        cm_status st = build_one_key(mpc, col, keys[i], cm_bcol_planes(z, at, planes), scratch);
        if (st != CM_OK) {
            return st;
        }
        at += planes;
    }
    if (valid_first) {
        cm_rows_not(mpc, table->valid, cm_bcol_planes(z, at, 1));
    }
    return CM_OK;
}

cm_status cm_table_sort(cm_mpc *mpc, cm_table *table, const cm_sort_key *keys, size_t count,
                        bool valid_first, cm_arena *arena, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc), tag = cm_bits_for(table->rows);
    unsigned key_planes = cm_sort_key_planes(table, keys, count, valid_first);
    unsigned row_planes = cm_table_planes(table);

    cm_table_check_arenas(arena, scratch);
    if (table->rows < 2 || key_planes == 0) {
        return CM_OK; /* in order already */
    }
    cm_bcol sorted = cm_bcol_new(arena, legs, row_planes, table->rows);
    cm_bcol wide = cm_bcol_new(&scratch, legs, tag + key_planes + row_planes, table->rows);

    cm_rows_index_bits(mpc, cm_bcol_planes(wide, 0, tag), scratch);
    cm_status st = cm_sort_key_build(mpc, table, keys, count, valid_first,
                                     cm_bcol_planes(wide, tag, key_planes), scratch);
    if (st == CM_OK) {
        cm_table_pack(table, cm_bcol_planes(wide, tag + key_planes, row_planes));
        st = cm_sort_rows(mpc, wide, tag + key_planes, sorted, scratch);
    }
    if (st == CM_OK) {
        cm_table_unpack(table, sorted, table);
    }
    return st;
}
