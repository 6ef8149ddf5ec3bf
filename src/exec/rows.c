/* Operators that look at one row at a time: one gate program each. */
#include "exec/exec_int.h"

cm_status cm_exec_filter(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    cm_arena scratch = x->scratch;
    const cm_plan_node *child = node->child[0];
    const cm_table *table = &x->table[child->number];
    cm_rowwise r;
    cm_rowwise_init(&r, x, table->rows, child->cols, &scratch);
    cm_rowwise_inputs_of(&r, child, &node->condition, 1, &scratch);
    cm_cval condition = {0};
    cm_status st = cm_compile_expr(&r.compiler, node->condition, CM_WIRE_1, &condition);
    if (st == CM_OK) {
        cm_circuit_output_wire(r.compiler.circuit, cm_compile_is_true(&r.compiler, &condition));
        cm_bcol outputs[2] = {cm_bcol_new(&scratch, x->legs, 1, table->rows)};
        st = cm_rowwise_run(&r, table->rows, table->valid, outputs, 1, scratch);
        if (st == CM_OK) {
            *ret = *table;
            ret->valid = cm_bcol_new(x->arena, x->legs, 1, table->rows);
            cm_bcol_copy(ret->valid, table->valid);
            st = cm_exec_mpc_failed(x, cm_table_filter(x->mpc, ret, outputs[0], scratch));
        }
    }
    cm_circuit_free(r.compiler.circuit);
    return st;
}

static bool encoding_equal(const cm_plan_col *a, const cm_plan_col *b)
{
    return a->enc.kind == b->enc.kind && a->enc.lo == b->enc.lo && a->enc.planes == b->enc.planes &&
           a->enc.nullable == b->enc.nullable;
}

/* A column that is only passed on costs nothing. */
static bool is_passed_on(const cm_plan_node *node, size_t col)
{
    const cm_expr *expr = node->expr[col];
    return expr->op == CM_X_COLUMN &&
           encoding_equal(&node->col[col], &node->child[0]->col[expr->index]);
}

cm_status cm_exec_project(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    cm_arena scratch = x->scratch;
    const cm_plan_node *child = node->child[0];
    const cm_table *table = &x->table[child->number];
    cm_table made = {.rows = table->rows, .cols = (unsigned)node->cols, .valid = table->valid};
    made.col = CM_NEW(x->arena, cm_scol, node->cols + 1);
    const cm_expr **computed = CM_NEW(&scratch, const cm_expr *, node->cols + 1);
    cm_bcol *outputs = CM_NEW(&scratch, cm_bcol, 2 * node->cols + 2);
    size_t count = 0;
    size_t exprs = 0;
    for (size_t i = 0; i < node->cols; i++) {
        if (is_passed_on(node, i)) {
            made.col[i] = table->col[node->expr[i]->index];
        } else {
            computed[exprs++] = node->expr[i];
        }
    }
    cm_rowwise r;
    cm_rowwise_init(&r, x, table->rows, child->cols, &scratch);
    cm_rowwise_inputs_of(&r, child, computed, exprs, &scratch);
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < node->cols; i++) {
        if (!is_passed_on(node, i)) {
            cm_cval value = {0};
            st = cm_compile_expr(&r.compiler, node->expr[i], CM_WIRE_1, &value);
            if (st == CM_OK) {
                cm_compile_output(&r.compiler, &value, &node->col[i].enc, node->col[i].range);
                made.col[i] =
                    cm_rowwise_new_column(x, &node->col[i].enc, table->rows, outputs, &count);
            }
        }
    }
    if (st == CM_OK && exprs > 0) {
        st = cm_rowwise_run(&r, table->rows, table->valid, outputs, count, scratch);
    }
    cm_circuit_free(r.compiler.circuit);
    if (st == CM_OK) {
        *ret = made;
    }
    return st;
}

void cm_exec_domain_columns(cm_exec *x, const cm_plan_node *node, const unsigned *key_cols,
                            cm_scol *ret, cm_arena scratch)
{
    size_t rows = (size_t)node->rows;
    size_t repeat = rows; /* rows that share one value of this key */
    for (size_t k = 0; k < node->keys; k++) {
        const cm_domain *domain = &node->domain[k];
        const cm_encoding *enc = &node->col[key_cols[k]].enc;
        size_t span = (size_t)(domain->range.hi - domain->range.lo) + 1;
        size_t values = span + (domain->nullable ? 1 : 0);
        size_t width = cm_encode_words(enc);
        repeat /= values;
        uint64_t *words = CM_NEW(&scratch, uint64_t, rows * width);
        uint64_t *nulls = CM_NEW(&scratch, uint64_t, rows);
        for (size_t r = 0; r < rows; r++) {
            size_t index = r / repeat % values;
            cm_value value = {.number = domain->range.lo + (cm_i128)index};
            nulls[r] = index == span;
            if (index != span) {
                cm_status st = cm_encode_value(enc, &value, words + r * width);
                CM_ASSERT(st == CM_OK);
            }
        }
        uint64_t *planes = CM_NEW(&scratch, uint64_t, (enc->planes + 1) * cm_words_of(rows));
        cm_planes_pack(words, width, rows, enc->planes, planes);
        ret[k].data = cm_bcol_new(x->arena, x->legs, enc->planes, rows);
        cm_mpc_public_bits(x->mpc, planes, ret[k].data);
        ret[k].null = cm_bcol_new(x->arena, x->legs, enc->nullable ? 1 : 0, rows);
        if (enc->nullable) {
            cm_planes_pack(nulls, 1, rows, 1, planes);
            cm_mpc_public_bits(x->mpc, planes, ret[k].null);
        }
    }
}

static cm_bcol public_planes(cm_exec *x, const uint64_t *words, size_t width, size_t rows,
                             unsigned planes, cm_arena scratch)
{
    uint64_t *packed = CM_NEW(&scratch, uint64_t, planes * cm_words_of(rows) + 1);
    cm_bcol ret = cm_bcol_new(x->arena, x->legs, planes, rows);

    cm_planes_pack(words, width, rows, planes, packed);
    cm_mpc_public_bits(x->mpc, packed, ret);
    return ret;
}

/* Room for a node's columns; every row counts, and everybody knows. */
static cm_table all_valid(cm_exec *x, const cm_plan_node *node)
{
    cm_table ret = cm_table_new(x->arena, x->legs, (size_t)node->rows, 0, NULL, NULL);

    ret.cols = (unsigned)node->cols;
    ret.col = CM_NEW(x->arena, cm_scol, node->cols + 1);
    cm_mpc_set_public(x->mpc, ret.valid, 0, true);
    return ret;
}

void cm_exec_values(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    cm_arena scratch = x->scratch;
    size_t rows = (size_t)node->rows;
    cm_table made = all_valid(x, node);
    for (size_t i = 0; i < node->cols; i++) {
        const cm_encoding *enc = &node->col[i].enc;
        size_t width = cm_encode_words(enc);
        uint64_t *words = CM_NEW(&scratch, uint64_t, rows * width);
        uint64_t *nulls = CM_NEW(&scratch, uint64_t, rows);
        for (size_t r = 0; r < rows; r++) {
            const cm_value *value = &node->value[r * node->cols + i];
            nulls[r] = value->null;
            if (!value->null) {
                cm_status st = cm_encode_value(enc, value, words + r * width);
                CM_ASSERT(st == CM_OK); /* the planner took the hull */
            }
        }
        made.col[i].data = public_planes(x, words, width, rows, enc->planes, scratch);
        made.col[i].null = public_planes(x, nulls, 1, rows, enc->nullable ? 1 : 0, scratch);
    }
    *ret = made;
}

/* The combination of column `col` of all children, child by child. */
static cm_cval combine_column(cm_rowwise *r, const cm_plan_node *node, size_t col, size_t child_col)
{
    cm_cval sum = {0};
    for (size_t i = 0; i < node->children; i++) {
        const cm_plan_node *child = node->child[i];
        const cm_table *table = &r->x->table[child->number];
        cm_cval part = cm_rowwise_input(r, &child->col[child_col], &table->col[child_col]);
        if (i == 0) {
            sum = part;
        } else if (node->combine[col] == CM_COMBINE_SUM) {
            cm_range range = {sum.range.lo + part.range.lo, sum.range.hi + part.range.hi};
            sum = cm_compile_sum(&r->compiler, &sum, &part, range);
        } else {
            cm_range range = {sum.range.lo < part.range.lo ? sum.range.lo : part.range.lo,
                              sum.range.hi > part.range.hi ? sum.range.hi : part.range.hi};
            sum = cm_compile_extreme(&r->compiler, &sum, &part,
                                     node->combine[col] == CM_COMBINE_MAX, range);
        }
    }
    return sum;
}

cm_status cm_exec_combine(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    cm_arena scratch = x->scratch;
    size_t rows = (size_t)node->rows;
    cm_table made = all_valid(x, node);
    unsigned *key_cols = CM_NEW(&scratch, unsigned, node->keys + 1);
    cm_bcol *outputs = CM_NEW(&scratch, cm_bcol, 2 * node->cols + 2);
    cm_rowwise r;
    cm_rowwise_init(&r, x, rows, node->cols * node->children, &scratch);
    size_t keys = 0;
    size_t count = 0;
    for (size_t i = 0; i < node->cols; i++) {
        if (node->combine[i] == CM_COMBINE_KEY) {
            key_cols[keys++] = (unsigned)i;
            continue;
        }
        cm_cval value = combine_column(&r, node, i, i - keys);
        cm_compile_output(&r.compiler, &value, &node->col[i].enc, node->col[i].range);
        made.col[i] = cm_rowwise_new_column(x, &node->col[i].enc, rows, outputs, &count);
    }
    CM_ASSERT(keys == node->keys);
    cm_scol *key_data = CM_NEW(&scratch, cm_scol, keys + 1);
    cm_exec_domain_columns(x, node, key_cols, key_data, scratch);
    for (size_t k = 0; k < keys; k++) {
        made.col[key_cols[k]] = key_data[k];
    }
    cm_status st = cm_rowwise_run(&r, rows, made.valid, outputs, count, scratch);
    cm_circuit_free(r.compiler.circuit);
    if (st == CM_OK) {
        *ret = made;
    }
    return st;
}
