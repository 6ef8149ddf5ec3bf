/*
 * An owner's part: its fragment runs as SQL on its own source, and what comes out is packed into
 * planes of the public size, before the first byte leaves.
 */
#include "exec/exec_int.h"

#include <stdlib.h>
#include <string.h>

unsigned cm_exec_planes(const cm_plan_col *col, size_t cols)
{
    unsigned planes = 0;
    for (size_t i = 0; i < cols; i++) {
        planes += col[i].enc.planes + (col[i].enc.nullable ? 1 : 0);
    }
    return planes;
}

unsigned cm_exec_participant(const cm_plan *plan, const char *org)
{
    for (size_t i = 0; i < plan->participants; i++) {
        if (strcmp(plan->participant[i], org) == 0) {
            return (unsigned)i;
        }
    }
    CM_ASSERT(false && "every owner of a plan takes part in it");
    return 0;
}

/* Rows of one fragment while they come out of the source. */
typedef struct reader {
    const cm_plan_node *node;
    size_t key_cols;
    size_t rows;       /* seen */
    uint64_t **values; /* per column: rows * words, row-major */
    uint64_t **nulls;  /* per column: one word per row */
    uint64_t *valid;   /* one word per row */
    cm_diag *diag;
} reader;

static cm_status store(reader *r, size_t at, const cm_value *row)
{
    const cm_plan_node *node = r->node;
    for (size_t i = 0; i < node->cols; i++) {
        const cm_encoding *enc = &node->col[i].enc;
        r->nulls[i][at] = row[i].null;
        if (row[i].null && !enc->nullable) {
            return cm_fail(r->diag, CM_EINVAL, "23502",
                           "a value of %s.%s is NULL although the plan says that it cannot be",
                           node->fragment->table->org, node->fragment->table->name);
        }
        if (!row[i].null &&
            cm_encode_value(enc, &row[i], r->values[i] + at * cm_encode_words(enc)) != CM_OK) {
            return cm_fail(r->diag, CM_ERANGE, CM_SQL_RANGE,
                           "a value of %s.%s is outside its published range",
                           node->fragment->table->org, node->fragment->table->name);
        }
    }
    r->valid[at] = 1;
    return CM_OK;
}

static cm_status take_row(void *arg, const cm_value *row)
{
    reader *r = arg;
    if (r->rows >= r->node->rows) {
        const cm_org_table *table = r->node->fragment->table;
        cm_status st =
            cm_fail(r->diag, CM_ERANGE, CM_SQL_NOT_READY,
                    "table %s.%s has outgrown its published size", table->org, table->name);
        cm_diag_hint(r->diag, "On %s's node: ANALYZE %s;", table->org, table->name);
        return st;
    }
    return store(r, r->rows++, row);
}

static cm_status take_group(void *arg, const cm_value *row)
{
    reader *r = arg;
    size_t at = 0;
    if (!cm_fragment_position(r->node->fragment, row, &at) || at >= r->node->rows) {
        const cm_org_table *table = r->node->fragment->table;
        return cm_fail(r->diag, CM_ERANGE, CM_SQL_CHECK,
                       "a grouping value of %s.%s is outside its declared domain", table->org,
                       table->name);
    }
    return store(r, at, row + r->key_cols);
}

/* Groups that the owner has no rows of: counts and sums are 0, minimum and maximum NULL. */
static cm_status fill_groups(reader *r)
{
    cm_value *empty = calloc(r->node->cols, sizeof *empty);
    if (empty == NULL) {
        return cm_fail(r->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < r->node->cols; i++) {
        empty[i].null = r->node->col[i].enc.nullable;
    }
    cm_status st = CM_OK;
    for (size_t at = 0; st == CM_OK && at < r->node->rows; at++) {
        if (r->valid[at] == 0) {
            st = store(r, at, empty);
        }
    }
    free(empty);
    return st;
}

/* What is declared of a table, and what the query presumes of it.  Only columns that go into the
 * fragment have to keep their promises. */
static cm_status check_table(cm_exec *x, const cm_fragment *f, size_t number, cm_source *source,
                             const cm_source_table *table)
{
    const unsigned level = x->plan->presumes;
    const size_t cols = table->table->cols;
    bool *used = calloc(2 * cols + 1, sizeof *used);
    if (used == NULL) {
        return cm_fail(x->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_fragment_mark(f, number, 0, used);
    cm_status st = cm_source_check(source, table, used, x->diag);
    if (st == CM_OK && level > 0) {
        cm_fragment_mark(f, number, level, used + cols);
        st = cm_source_check_within(source, table, used + cols, cm_presumed_range(level), x->diag);
    }
    free(used);
    return st;
}

/* Where the fragment's tables are. */
static cm_status find_tables(cm_exec *x, const cm_fragment *f, cm_source **source,
                             const cm_source_table **table)
{
    const cm_exec_sources *sources = &x->options->sources;
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < cm_fragment_tables(f); i++) {
        const cm_org_table *own = cm_fragment_table(f, i);
        st = sources->find(sources->arg, own, &source[i], &table[i], x->diag);
        if (st != CM_OK) {
            break;
        }
        st = check_table(x, f, i, source[i], table[i]);
    }
    return st;
}

static cm_status run_fragment(cm_exec *x, reader *r)
{
    const cm_fragment *f = r->node->fragment;
    size_t cols = r->key_cols + r->node->cols;
    cm_source *source[CM_OWN_JOIN_MAX];
    const cm_source_table *table[CM_OWN_JOIN_MAX];
    bool *is_text = calloc(cols, sizeof *is_text);
    if (is_text == NULL) {
        return cm_fail(x->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < r->node->cols; i++) {
        is_text[r->key_cols + i] = r->node->col[i].type.kind == CM_TYPE_TEXT;
    }
    cm_status st = find_tables(x, f, source, table);
    if (st == CM_OK) {
        st = cm_source_run(source, table, f, cols, is_text,
                           cm_fragment_is_dense(f) ? take_group : take_row, r, x->diag);
    }
    if (st == CM_OK && cm_fragment_is_dense(f)) {
        st = fill_groups(r);
    }
    free(is_text);
    return st;
}

/* Columns, NULL planes and the valid plane, one below the other. */
static void pack(const reader *r, uint64_t *ret_planes)
{
    size_t rows = (size_t)r->node->rows;
    size_t words = cm_words_of(rows);
    uint64_t *at = ret_planes;
    for (size_t i = 0; i < r->node->cols; i++) {
        const cm_encoding *enc = &r->node->col[i].enc;
        cm_planes_pack(r->values[i], cm_encode_words(enc), rows, enc->planes, at);
        at += enc->planes * words;
        if (enc->nullable) {
            cm_planes_pack(r->nulls[i], 1, rows, 1, at);
            at += words;
        }
    }
    cm_planes_pack(r->valid, 1, rows, 1, at);
}

cm_status cm_exec_read_input(cm_exec *x, const cm_plan_node *node, cm_exec_input *ret)
{
    size_t rows = (size_t)node->rows;
    cm_exec_input input = {.owner = cm_exec_participant(x->plan, node->fragment->table->org),
                           .rows = rows,
                           .planes = cm_exec_planes(node->col, node->cols) + 1};
    if (input.owner != x->options->me) {
        *ret = input;
        return CM_OK;
    }
    cm_arena temporary;
    cm_status st = cm_arena_init_secret(&temporary, (size_t)1 << 38);
    if (st != CM_OK) {
        return cm_fail(x->diag, st, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    reader r = {.node = node, .diag = x->diag};
    r.key_cols = cm_fragment_is_dense(node->fragment) ? node->fragment->keys : 0;
    r.values = CM_NEW(&temporary, uint64_t *, node->cols + 1);
    r.nulls = CM_NEW(&temporary, uint64_t *, node->cols + 1);
    for (size_t i = 0; i < node->cols; i++) {
        r.values[i] = CM_NEW(&temporary, uint64_t, rows * cm_encode_words(&node->col[i].enc));
        r.nulls[i] = CM_NEW(&temporary, uint64_t, rows);
    }
    r.valid = CM_NEW(&temporary, uint64_t, rows);
    st = run_fragment(x, &r);
    if (st == CM_OK) {
        if (node->sorts > 0) {
            cm_exec_sort_input(node, r.rows, r.values, r.nulls, temporary);
        }
        input.plane_words = CM_NEW(x->arena, uint64_t, input.planes * cm_words_of(rows));
        pack(&r, input.plane_words);
        *ret = input;
    }
    cm_arena_fini(&temporary);
    return st;
}

cm_status cm_exec_share_input(cm_exec *x, const cm_plan_node *node, const cm_exec_input *input,
                              cm_table *ret)
{
    cm_bcol all = {.rows = input->rows};
    if (x->legs > 0) {
        all = cm_bcol_new(x->arena, x->legs, input->planes, input->rows);
    }
    cm_status st = cm_mpc_input_bits(x->mpc, input->owner, input->plane_words, input->planes,
                                     input->rows, all, x->scratch);
    if (st != CM_OK || x->legs == 0) {
        return cm_exec_mpc_failed(x, st);
    }
    cm_table table = {.rows = input->rows, .cols = (unsigned)node->cols};
    table.col = CM_NEW(x->arena, cm_scol, node->cols + 1);
    unsigned at = 0;
    for (size_t i = 0; i < node->cols; i++) {
        unsigned null_planes = node->col[i].enc.nullable ? 1 : 0;
        table.col[i].data = cm_bcol_planes(all, at, node->col[i].enc.planes);
        table.col[i].null = cm_bcol_planes(all, at + node->col[i].enc.planes, null_planes);
        at += node->col[i].enc.planes + null_planes;
    }
    table.valid = cm_bcol_planes(all, at, 1);
    *ret = table;
    return CM_OK;
}
