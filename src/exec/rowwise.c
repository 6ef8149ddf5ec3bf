/* Gate programs over the rows of secret tables. */
#include "exec/exec_int.h"

void cm_rowwise_init(cm_rowwise *r, cm_exec *x, size_t rows, size_t columns, cm_arena *arena)
{
    *r = (cm_rowwise){.x = x};
    r->compiler.circuit = cm_circuit_new_for(x->mpc, rows);
    r->compiler.diag = x->diag;
    for (size_t i = 0; i < CM_ROW_ERRORS; i++) {
        r->compiler.error[i] = CM_WIRE_0;
    }
    r->column = CM_NEW(arena, cm_cval, columns + 1);
    r->input = CM_NEW(arena, cm_bcol, 2 * columns + 3);
    r->compiler.column = r->column;
}

cm_cval cm_rowwise_input(cm_rowwise *r, const cm_plan_col *col, const cm_scol *data)
{
    CM_ASSERT(data->data.planes == col->enc.planes);
    cm_cval ret = cm_compile_input(&r->compiler, &col->enc, col->range);
    r->input[r->inputs++] = data->data;
    if (col->enc.nullable) {
        CM_ASSERT(data->null.planes == 1);
        r->input[r->inputs++] = data->null;
    }
    return ret;
}

typedef struct marks {
    bool *used;
} marks;

static bool mark_column(const cm_expr *expr, void *arg)
{
    marks *m = arg;
    if (expr->op == CM_X_COLUMN) {
        m->used[expr->index] = true;
    }
    return true;
}

/* Declares inputs for the columns that the expressions name, and no others. */
void cm_rowwise_inputs_of(cm_rowwise *r, const cm_plan_node *child, const cm_expr *const *exprs,
                          size_t count, cm_arena *arena)
{
    marks m = {CM_NEW(arena, bool, child->cols + 1)};
    for (size_t i = 0; i < count; i++) {
        (void)cm_expr_walk(exprs[i], mark_column, &m);
    }
    const cm_table *table = &r->x->table[child->number];
    for (size_t i = 0; i < child->cols; i++) {
        if (m.used[i]) {
            r->column[i] = cm_rowwise_input(r, &child->col[i], &table->col[i]);
        }
    }
}

/* OR of all rows of each plane: halves are folded onto each other. */
static cm_status any_row(cm_exec *x, cm_bcol bits, cm_bcol *ret, cm_arena *arena)
{
    while (bits.rows > 1) {
        size_t half = bits.rows / 2;
        size_t rest = bits.rows - half;
        cm_bcol low = cm_bcol_new(arena, x->legs, bits.planes, rest);
        cm_bcol high = cm_bcol_new(arena, x->legs, bits.planes, rest);
        cm_bcol both = cm_bcol_new(arena, x->legs, bits.planes, rest);
        cm_bcol top = cm_bcol_new(arena, x->legs, bits.planes, half);
        cm_bcol_get_rows(bits, 0, low);
        cm_bcol_get_rows(bits, rest, top);
        cm_bcol_put_rows(high, 0, top);
        cm_status st = cm_mpc_and_col(x->mpc, low, high, both, *arena);
        if (st != CM_OK) {
            return cm_exec_mpc_failed(x, st);
        }
        cm_bcol_xor(low, high, low);
        cm_bcol_xor(low, both, low);
        bits = low;
    }
    *ret = bits;
    return CM_OK;
}

/* Errors count in valid rows alone. */
static cm_status collect_errors(cm_exec *x, cm_bcol raised, cm_bcol valid, cm_arena scratch)
{
    cm_bcol flags = cm_bcol_new(&scratch, x->legs, CM_ROW_ERRORS, raised.rows);
    cm_bcol one = {0};
    cm_status st = cm_mpc_and_col(x->mpc, raised, valid, flags, scratch);
    if (st != CM_OK) {
        return cm_exec_mpc_failed(x, st);
    }
    cm_bcol rows = cm_bcol_new(&scratch, x->legs, CM_ROW_ERRORS, raised.rows + 1);
    cm_bcol_put_rows(rows, 0, flags);
    cm_bcol_put_rows(rows, raised.rows, cm_bcol_planes(x->error, 0, CM_ROW_ERRORS));
    st = any_row(x, rows, &one, &scratch);
    if (st == CM_OK) {
        cm_bcol_copy(cm_bcol_planes(x->error, 0, CM_ROW_ERRORS), one);
        x->may_fail = true;
    }
    return st;
}

/* Finishes the program, runs it into outputs, and takes its error flags. */
cm_status cm_rowwise_run(cm_rowwise *r, size_t rows, cm_bcol valid, cm_bcol *outputs, size_t count,
                         cm_arena scratch)
{
    cm_exec *x = r->x;
    bool can_fail = false;
    for (size_t i = 0; i < CM_ROW_ERRORS; i++) {
        can_fail = can_fail || r->compiler.error[i] != CM_WIRE_0;
    }
    cm_bcol raised = {0};
    if (can_fail) {
        cm_num flags = cm_num_const(0, 0);
        for (size_t i = 0; i < CM_ROW_ERRORS; i++) {
            flags = cm_num_concat(flags, cm_num_of_wire(r->compiler.error[i]));
        }
        cm_circuit_output(r->compiler.circuit, &flags);
        raised = cm_bcol_new(&scratch, x->legs, CM_ROW_ERRORS, rows);
        outputs[count] = raised;
    }
    cm_program *program = cm_circuit_finish(r->compiler.circuit);
    cm_status st =
        cm_exec_mpc_failed(x, cm_program_run(program, x->mpc, r->input, outputs, scratch));
    cm_program_free(program);
    if (st == CM_OK && can_fail) {
        st = collect_errors(x, raised, valid, scratch);
    }
    return st;
}

cm_scol cm_rowwise_new_column(cm_exec *x, const cm_encoding *enc, size_t rows, cm_bcol *outputs,
                              size_t *count)
{
    cm_scol ret;
    ret.data = cm_bcol_new(x->arena, x->legs, enc->planes, rows);
    ret.null = cm_bcol_new(x->arena, x->legs, enc->nullable ? 1 : 0, rows);
    outputs[(*count)++] = ret.data;
    if (enc->nullable) {
        outputs[(*count)++] = ret.null;
    }
    return ret;
}
