/* Sort of rows and tables: keys that order as unsigned numbers, shuffle, order, gather. */
#include "table/table_int.h"

/* ---- rows ---------------------------------------------------------------------------------- */

cm_status cm_sort_rows(cm_mpc *mpc, cm_bcol wide, unsigned key_planes, cm_arena scratch)
{
    CM_ASSERT(key_planes <= wide.planes);
    if (wide.rows < 2) {
        return CM_OK;
    }
    cm_status st = cm_mpc_shuffle(mpc, NULL, 0, &wide, 1, scratch);
    return st == CM_OK ? cm_sort_in_place(mpc, wide, key_planes, wide.rows, NULL, NULL, scratch)
                       : st;
}

/* ---- keys ----------------------------------------------------------------------------------- */

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

/* ---- tables --------------------------------------------------------------------------------- */

/*
 * What a sort of a table moves: from the lowest plane tag, key, payload.  A column that is a key
 * comes back out of the key, as does `valid` when valid rows come first; so the payload is the
 * rest, and no plane is moved twice.
 */
typedef struct moved {
    unsigned tag, key, payload;
    unsigned *key_at; /* per column: where its data are in the key; UINT_MAX: it is payload */
    const cm_sort_key **key_of;
} moved;

static moved lay_out(const cm_table *table, const cm_sort_key *keys, size_t count, bool valid_first,
                     cm_arena *keep)
{
    moved m = {.tag = cm_bits_for(table->rows),
               .key = cm_sort_key_planes(table, keys, count, valid_first),
               .payload = valid_first ? 0 : 1,
               .key_at = CM_NEW(keep, unsigned, table->cols),
               .key_of = CM_NEW(keep, const cm_sort_key *, table->cols)};
    unsigned at = 0;

    for (size_t i = count; i-- > 0;) {
        CM_ASSERT(keys[i].col < table->cols);
        m.key_at[keys[i].col] = at;
        m.key_of[keys[i].col] = &keys[i];
        at += table->col[keys[i].col].data.planes + table->col[keys[i].col].null.planes;
    }
    for (unsigned i = 0; i < table->cols; i++) {
        if (!m.key_of[i]) {
            m.payload += table->col[i].data.planes + table->col[i].null.planes;
        }
    }
    return m;
}

static void put_planes(cm_bcol wide, unsigned *at, cm_bcol x)
{
    if (x.planes > 0) {
        cm_bcol_copy(cm_bcol_planes(wide, *at, x.planes), x);
        *at += x.planes;
    }
}

static void put_payload(const cm_table *table, const moved *m, bool valid_first, cm_bcol wide)
{
    unsigned at = 0;

    for (unsigned i = 0; i < table->cols; i++) {
        if (!m->key_of[i]) {
            put_planes(wide, &at, table->col[i].data);
            put_planes(wide, &at, table->col[i].null);
        }
    }
    if (!valid_first) {
        put_planes(wide, &at, table->valid);
    }
    CM_ASSERT(at == wide.planes);
}

/* Planes of the key as they were in the table: borrowed, or complemented again. */
static cm_bcol from_key(cm_mpc *mpc, cm_bcol x, bool complement, cm_arena *arena)
{
    if (!complement || x.planes == 0) {
        return x;
    }
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), x.planes, x.rows);
    cm_bcol_copy(z, x);
    for (unsigned p = 0; p < z.planes; p++) {
        cm_mpc_not(mpc, z, p);
    }
    return z;
}

static void take_columns(cm_mpc *mpc, const cm_table *table, const moved *m, bool valid_first,
                         cm_bcol sorted, cm_arena *arena, cm_table *ret)
{
    unsigned at = m->key;

    for (unsigned i = 0; i < table->cols; i++) {
        unsigned data = table->col[i].data.planes, null = table->col[i].null.planes;
        const cm_sort_key *key = m->key_of[i];
        unsigned *next = key ? &m->key_at[i] : &at;
        ret->col[i].data =
            from_key(mpc, cm_bcol_planes(sorted, *next, data), key && key->descending, arena);
        *next += data;
        ret->col[i].null =
            from_key(mpc, cm_bcol_planes(sorted, *next, null), key && key->nulls_first, arena);
        *next += null;
    }
    ret->valid = valid_first ? from_key(mpc, cm_bcol_planes(sorted, m->key - 1, 1), true, arena)
                             : cm_bcol_planes(sorted, at, 1);
    ret->rows = sorted.rows;
}

/* wide, whose tag is set, but for the rest. */
static cm_status fill_wide(cm_mpc *mpc, const cm_table *table, const cm_sort_key *keys,
                           size_t count, bool valid_first, const moved *m, cm_bcol wide,
                           cm_arena scratch)
{
    put_payload(table, m, valid_first, cm_bcol_planes(wide, m->tag + m->key, m->payload));
    return cm_sort_key_build(mpc, table, keys, count, valid_first,
                             cm_bcol_planes(wide, m->tag, m->key), scratch);
}

/* Tags in a secret random order, so that rows that tie come in one. */
static cm_status draw_tags(cm_mpc *mpc, cm_bcol tag, cm_arena scratch)
{
    cm_rows_index_bits(mpc, tag, scratch);
    return tag.planes == 0 ? CM_OK : cm_mpc_shuffle(mpc, NULL, 0, &tag, 1, scratch);
}

cm_status cm_sort_columns(cm_mpc *mpc, const cm_table *table, const cm_sort_key *keys, size_t count,
                          bool valid_first, cm_ties ties, const cm_runs *runs, cm_arena *arena,
                          cm_table *ret, cm_bcol *ret_key, cm_arena scratch)
{
    moved m = lay_out(table, keys, count, valid_first, &scratch);
    unsigned planes = m.tag + m.key + m.payload;
    cm_bcol wide = cm_bcol_new_raw(arena, cm_mpc_legs(mpc), planes, table->rows);
    cm_bcol sorted = cm_bcol_planes(wide, m.tag, planes - m.tag);
    cm_bcol tag = cm_bcol_planes(wide, 0, m.tag);
    cm_status st = CM_OK;

    CM_ASSERT(ret->cols == table->cols);
    if (ties == CM_TIES_RANDOM) {
        st = draw_tags(mpc, tag, scratch);
    } else {
        cm_rows_index_bits(mpc, tag, scratch);
    }
    if (st != CM_OK) {
        return st;
    }
    st = fill_wide(mpc, table, keys, count, valid_first, &m, wide, scratch);
    if (st == CM_OK) {
        cm_order order = {.rows = table->rows,
                          .tag = m.tag,
                          .key = m.key,
                          .payload = m.payload,
                          .stable = ties == CM_TIES_KEPT,
                          .random = ties == CM_TIES_RANDOM,
                          .invalid_flag = valid_first};
        if (runs && ties != CM_TIES_RANDOM) {
            order.runs = *runs;
        }
        st = cm_order_rows(mpc, wide, &order, scratch);
    }
    if (st == CM_OK) {
        take_columns(mpc, table, &m, valid_first, sorted, arena, ret);
        if (ret_key) {
            *ret_key = cm_bcol_planes(sorted, 0, m.key);
        }
    }
    return st;
}

cm_status cm_table_sort(cm_mpc *mpc, cm_table *table, const cm_sort_key *keys, size_t count,
                        bool valid_first, cm_arena *arena, cm_arena scratch)
{
    return cm_table_sort_runs(mpc, table, keys, count, valid_first, NULL, arena, scratch);
}

cm_status cm_table_sort_runs(cm_mpc *mpc, cm_table *table, const cm_sort_key *keys, size_t count,
                             bool valid_first, const cm_runs *runs, cm_arena *arena,
                             cm_arena scratch)
{
    cm_table_check_arenas(arena, scratch);
    if (table->rows < 2 || cm_sort_key_planes(table, keys, count, valid_first) == 0) {
        return CM_OK; /* in order already */
    }
    return cm_sort_columns(mpc, table, keys, count, valid_first, CM_TIES_KEPT, runs, arena, table,
                           NULL, scratch);
}

cm_status cm_table_order(cm_mpc *mpc, const cm_table *table, const cm_sort_key *keys, size_t count,
                         size_t rows, cm_arena *arena, cm_table *ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    moved m = lay_out(table, keys, count, true, &scratch);
    unsigned planes = m.tag + m.key + m.payload;
    bool all = rows == table->rows;
    cm_table result = {.cols = table->cols, .col = CM_NEW(arena, cm_scol, table->cols)};

    cm_table_check_arenas(arena, scratch);
    CM_ASSERT(rows <= table->rows);
    cm_bcol first = cm_bcol_new_raw(arena, legs, planes, rows);
    cm_bcol wide = all ? first : cm_bcol_new_raw(&scratch, legs, planes, table->rows);
    cm_status st = draw_tags(mpc, cm_bcol_planes(wide, 0, m.tag), scratch);
    if (st == CM_OK) {
        st = fill_wide(mpc, table, keys, count, true, &m, wide, scratch);
    }
    if (st == CM_OK) {
        st = all ? cm_sort_rows(mpc, wide, m.tag + m.key, scratch)
                 : cm_sort_first(mpc, wide, m.tag + m.key, first, scratch);
    }
    if (st == CM_OK) {
        cm_bcol sorted = cm_bcol_planes(first, m.tag, planes - m.tag);
        take_columns(mpc, table, &m, true, sorted, arena, &result);
        *ret = result;
    }
    return st;
}
