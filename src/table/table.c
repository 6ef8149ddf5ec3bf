/* Tables as such: making, joining end to end, filtering, shuffling, cutting. */
#include "table/table_int.h"

#include <string.h>

static cm_bcol plane_or_none(cm_arena *arena, unsigned legs, bool wanted, size_t rows)
{
    if (wanted) {
        return cm_bcol_new(arena, legs, 1, rows);
    }
    return (cm_bcol){.rows = rows, .words = cm_words_of(rows)};
}

cm_table cm_table_new(cm_arena *arena, unsigned legs, size_t rows, unsigned cols,
                      const unsigned *planes, const bool *nullable)
{
    cm_table table = {.rows = rows, .cols = cols, .col = CM_NEW(arena, cm_scol, cols)};

    for (unsigned i = 0; i < cols; i++) {
        table.col[i].data = cm_bcol_new(arena, legs, planes[i], rows);
        table.col[i].null = plane_or_none(arena, legs, nullable != NULL && nullable[i], rows);
    }
    table.valid = cm_bcol_new(arena, legs, 1, rows);
    return table;
}

static void put_rows(cm_bcol z, size_t first, cm_bcol x)
{
    if (x.rows > 0 && x.planes > 0) {
        cm_bcol_put_rows(z, first, x);
    }
}

cm_table cm_table_concat(cm_mpc *mpc, const cm_table *parts, size_t count, cm_arena *arena)
{
    CM_ASSERT(count > 0);
    unsigned cols = parts[0].cols;
    unsigned *planes = CM_NEW_SMALL(arena, unsigned, cols);
    bool *nullable = CM_NEW_SMALL(arena, bool, cols);
    size_t rows = 0;

    for (size_t k = 0; k < count; k++) {
        CM_ASSERT(parts[k].cols == cols);
        rows += parts[k].rows;
        for (unsigned i = 0; i < cols; i++) {
            planes[i] = parts[0].col[i].data.planes;
            nullable[i] = nullable[i] || parts[k].col[i].null.planes > 0;
            CM_ASSERT(parts[k].col[i].data.planes == planes[i]);
        }
    }

    cm_table table = cm_table_new(arena, cm_mpc_legs(mpc), rows, cols, planes, nullable);
    size_t first = 0;
    for (size_t k = 0; k < count; k++) {
        for (unsigned i = 0; i < cols; i++) {
            put_rows(table.col[i].data, first, parts[k].col[i].data);
            put_rows(table.col[i].null, first, parts[k].col[i].null); /* else 0 as it is */
        }
        put_rows(table.valid, first, parts[k].valid);
        first += parts[k].rows;
    }
    return table;
}

cm_status cm_table_filter(cm_mpc *mpc, cm_table *table, cm_bcol keep, cm_arena scratch)
{
    CM_ASSERT(keep.planes == 1 && keep.rows == table->rows);
    if (table->rows == 0) {
        return CM_OK;
    }
    cm_plane valid = cm_bcol_plane(table->valid, 0);
    cm_plane kept = cm_bcol_plane(keep, 0);
    return cm_mpc_and(mpc, &valid, &kept, &valid, 1, table->valid.words, scratch);
}

static void unpack_copy(cm_bcol to, cm_bcol wide, unsigned *at)
{
    if (to.planes > 0) {
        cm_bcol_copy(to, cm_bcol_planes(wide, *at, to.planes));
        *at += to.planes;
    }
}

cm_status cm_table_shuffle(cm_mpc *mpc, cm_table *table, cm_arena scratch)
{
    if (table->rows < 2) {
        return CM_OK;
    }
    cm_bcol wide = cm_bcol_new(&scratch, cm_mpc_legs(mpc), cm_table_planes(table), table->rows);
    cm_table_pack(table, wide);
    cm_status st = cm_mpc_shuffle(mpc, NULL, 0, &wide, 1, scratch);
    if (st != CM_OK) {
        return st;
    }
    unsigned at = 0;
    for (unsigned i = 0; i < table->cols; i++) {
        unpack_copy(table->col[i].data, wide, &at);
        unpack_copy(table->col[i].null, wide, &at);
    }
    unpack_copy(table->valid, wide, &at);
    return CM_OK;
}

static cm_bcol head_rows(cm_bcol x, size_t rows, unsigned legs, cm_arena *arena)
{
    cm_bcol z = cm_bcol_new(arena, legs, x.planes, rows);

    if (x.planes > 0 && rows > 0) {
        cm_bcol_get_rows(x, 0, z);
    }
    return z;
}

cm_status cm_table_head(cm_mpc *mpc, const cm_table *table, size_t rows, cm_arena *arena,
                        cm_table *ret)
{
    CM_ASSERT(rows <= table->rows);
    unsigned legs = cm_mpc_legs(mpc);
    cm_table head = {.rows = rows, .cols = table->cols, .col = CM_NEW(arena, cm_scol, table->cols)};

    for (unsigned i = 0; i < table->cols; i++) {
        head.col[i].data = head_rows(table->col[i].data, rows, legs, arena);
        head.col[i].null = head_rows(table->col[i].null, rows, legs, arena);
    }
    head.valid = head_rows(table->valid, rows, legs, arena);
    *ret = head;
    return CM_OK;
}
