/*
 * Materialized views: columns of shares, one below the other, as their party keeps them.  Nothing
 * is sent.
 */
#include "exec/exec_int.h"

/* Copies a column with its NULL plane, or takes it out; *at advances. */
static void put(cm_bcol all, unsigned *at, const cm_scol *col)
{
    cm_bcol_copy(cm_bcol_planes(all, *at, col->data.planes), col->data);
    *at += col->data.planes;
    if (col->null.planes > 0) {
        cm_bcol_copy(cm_bcol_planes(all, *at, 1), col->null);
        *at += 1;
    }
}

static cm_scol get(cm_bcol all, unsigned at, const cm_encoding *enc)
{
    return (cm_scol){.data = cm_bcol_planes(all, at, enc->planes),
                     .null = cm_bcol_planes(all, at + enc->planes, enc->nullable ? 1 : 0)};
}

cm_status cm_exec_keep(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    const cm_table *table = &x->table[node->child[0]->number];
    const cm_exec_store *store = &x->options->store;
    cm_arena scratch = x->scratch;
    unsigned at = 0;

    CM_ASSERT(store->save != NULL);
    cm_bcol all =
        cm_bcol_new(&scratch, x->legs, cm_exec_planes(node->col, node->cols) + 1, table->rows);
    for (size_t i = 0; i < node->cols; i++) {
        put(all, &at, &table->col[i]);
    }
    cm_bcol_copy(cm_bcol_planes(all, at, 1), table->valid);
    *ret = *table;
    return store->save(store->arg, all, x->diag);
}

static cm_encoding encoding_of(const cm_column *col, bool digest)
{
    cm_encoding enc = {.nullable = !col->not_null};

    if (digest) {
        enc.planes = 128;
    } else if (col->type.kind == CM_TYPE_TEXT) {
        enc.planes = 8 * col->type.max_bytes;
    } else {
        enc.planes = cm_range_planes(col->range);
    }
    return enc;
}

cm_status cm_exec_stored(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    const cm_org_table *view = node->stored;
    const cm_exec_store *store = &x->options->store;
    cm_arena scratch = x->scratch;
    unsigned *first = CM_NEW(&scratch, unsigned, view->cols + 1); /* of each column's planes */
    unsigned planes = 0;

    CM_ASSERT(store->load != NULL);
    for (size_t i = 0; i < view->cols; i++) {
        first[i] = planes;
        for (unsigned digest = 0; digest <= (unsigned)view->stored->digest[i]; digest++) {
            cm_encoding enc = encoding_of(&view->col[i], digest == 1);
            planes += enc.planes + (enc.nullable ? 1 : 0);
        }
    }
    cm_bcol all = cm_bcol_new(x->arena, x->legs, planes + 1, (size_t)view->rows);
    cm_status st = store->load(store->arg, view, all, x->diag);
    if (st != CM_OK) {
        return st;
    }
    cm_table made = {.rows = (size_t)view->rows, .cols = (unsigned)node->cols};
    made.col = CM_NEW(x->arena, cm_scol, node->cols + 1);
    for (size_t i = 0; i < node->cols; i++) {
        unsigned col = node->stored_col[i], at = first[col];
        if (node->col[i].enc.kind == CM_ENC_DIGEST) {
            cm_encoding value = encoding_of(&view->col[col], false);
            at += value.planes + (value.nullable ? 1 : 0);
        }
        made.col[i] = get(all, at, &node->col[i].enc);
    }
    made.valid = cm_bcol_planes(all, planes, 1);
    *ret = made;
    return CM_OK;
}
