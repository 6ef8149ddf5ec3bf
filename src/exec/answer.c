/*
 * The one door to the coordinator.  Rows that do not count, and values under NULL, are zeroed under
 * MPC before they are opened; when an error flag is up, every row is.
 */
#include "exec/exec_int.h"

#include <stdlib.h>

static const cm_ticket RESULT_TICKET = {CM_TICKET_RESULT, "answer: rows, NULLs and values shown"};
static const cm_ticket ERROR_TICKET = {CM_TICKET_RESULT, "answer: whether a row raised an error"};

/* Planes that are opened: valid, then for each output its NULL plane and its data. */
static unsigned answer_planes(const cm_plan *plan)
{
    unsigned planes = 1;
    for (size_t i = 0; i < plan->outputs; i++) {
        planes += cm_exec_planes(&plan->root->col[plan->output[i]], 1);
    }
    return planes;
}

/* Pieces of a column that fit a number of a gate program. */
enum { MASK_PLANES = 512 };

static size_t mask_pieces(const cm_plan *plan)
{
    size_t pieces = 1;
    for (size_t i = 0; i < plan->outputs; i++) {
        pieces += 2 + plan->root->col[plan->output[i]].enc.planes / MASK_PLANES;
    }
    return pieces;
}

/* valid AND no error anywhere. */
static cm_status silence_on_error(cm_exec *x, cm_bcol valid, cm_bcol *ret, cm_arena *arena)
{
    cm_arena scratch = x->scratch;
    uint32_t *zeros = CM_NEW(&scratch, uint32_t, valid.rows);
    cm_bcol none = cm_bcol_new(&scratch, x->legs, 1, 1);
    cm_bcol clear = cm_bcol_new(&scratch, x->legs, 1, 1);
    for (unsigned i = 0; i < x->error.planes; i++) { /* a handful: public */
        cm_bcol_copy(clear, cm_bcol_planes(x->error, i, 1));
        cm_mpc_not(x->mpc, clear, 0);
        if (i == 0) {
            cm_bcol_copy(none, clear);
            continue;
        }
        cm_status st = cm_mpc_and_col(x->mpc, none, clear, none, scratch);
        if (st != CM_OK) {
            return cm_exec_mpc_failed(x, st);
        }
    }
    cm_bcol every = cm_bcol_new(&scratch, x->legs, 1, valid.rows);
    cm_bcol_gather(none, zeros, every);
    *ret = cm_bcol_new(arena, x->legs, 1, valid.rows);
    return cm_exec_mpc_failed(x, cm_mpc_and_col(x->mpc, valid, every, *ret, scratch));
}

/* Everything that is opened, masked, in one column of planes. */
static cm_status mask(cm_exec *x, const cm_table *table, cm_bcol valid, cm_bcol ret,
                      cm_arena scratch)
{
    const cm_plan *plan = x->plan;
    cm_circuit *circuit = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_bcol *inputs = CM_NEW(&scratch, cm_bcol, mask_pieces(plan));
    cm_bcol *outputs = CM_NEW(&scratch, cm_bcol, mask_pieces(plan));
    size_t ins = 0;
    size_t outs = 0;
    unsigned at = 1;
    cm_wire keep = cm_circuit_input(circuit, 1).wire[0];
    inputs[ins++] = valid;
    cm_bcol_copy(cm_bcol_planes(ret, 0, 1), valid);
    for (size_t i = 0; i < plan->outputs; i++) {
        const cm_scol *col = &table->col[plan->output[i]];
        cm_wire shown = keep;
        if (col->null.planes > 0) {
            cm_wire null = cm_circuit_input(circuit, 1).wire[0];
            inputs[ins++] = col->null;
            cm_circuit_output_wire(circuit, cm_gate_and(circuit, keep, null));
            outputs[outs++] = cm_bcol_planes(ret, at++, 1);
            shown = cm_gate_and(circuit, keep, cm_gate_not(circuit, null));
        }
        for (unsigned from = 0; from < col->data.planes; from += MASK_PLANES) {
            unsigned left = col->data.planes - from;
            unsigned planes = left < MASK_PLANES ? left : MASK_PLANES;
            cm_num data = cm_circuit_input(circuit, planes);
            inputs[ins++] = cm_bcol_planes(col->data, from, planes);
            data = cm_num_mask(circuit, data, shown);
            cm_circuit_output(circuit, &data);
            outputs[outs++] = cm_bcol_planes(ret, at, planes);
            at += planes;
        }
    }
    cm_program *program = cm_circuit_finish(circuit);
    cm_status st = cm_program_run(program, x->mpc, inputs, outputs, scratch);
    cm_program_free(program);
    cm_circuit_free(circuit);
    return cm_exec_mpc_failed(x, st);
}

static cm_status prepare(cm_exec *x, cm_bcol *ret, cm_arena *arena)
{
    const cm_plan *plan = x->plan;
    cm_table table = x->table[plan->root->number];
    cm_status st = CM_OK;
    if (plan->shuffle_output) { /* only what is opened moves */
        st = cm_exec_shuffled(x, &x->table[plan->root->number], plan->output, plan->outputs, arena,
                              &table, x->scratch);
    }
    cm_bcol valid = table.valid;
    if (st == CM_OK && x->may_fail) {
        st = silence_on_error(x, table.valid, &valid, arena);
    }
    if (st == CM_OK) {
        *ret = cm_bcol_new(arena, x->legs, answer_planes(plan), table.rows);
        st = mask(x, &table, valid, *ret, x->scratch);
    }
    return st;
}

static cm_status raise_errors(cm_exec *x, const uint64_t *flags)
{
    const cm_plan *plan = x->plan;
    for (size_t i = 0; i < plan->checks; i++) { /* what was presumed comes before what followed */
        if ((flags[CM_ROW_ERRORS + i] & 1) != 0) {
            const cm_plan_check *check = &plan->check[i];
            cm_status st = cm_fail(x->diag, CM_EINVAL, check->sqlstate, "%s", check->message);
            if (check->hint != NULL) {
                cm_diag_hint(x->diag, "%s", check->hint);
            }
            return st;
        }
    }
    if ((flags[CM_ROW_DIVISION_ZERO] & 1) != 0) {
        return cm_fail(x->diag, CM_EINVAL, CM_SQL_DIVISION_BY_ZERO, "division by zero");
    }
    if ((flags[CM_ROW_RANGE] & 1) != 0) {
        return cm_fail(x->diag, CM_ERANGE, CM_SQL_RANGE, "value out of range");
    }
    return CM_OK;
}

/* Values of the rows that count; anything that is no value means that a party misbehaved. */
static cm_status decode(cm_exec *x, const uint64_t *planes, size_t rows, cm_arena *result_arena,
                        cm_exec_result *ret)
{
    const cm_plan *plan = x->plan;
    cm_arena scratch = x->scratch;
    size_t words = cm_words_of(rows);
    size_t shown = 0;
    for (size_t r = 0; r < rows; r++) {
        shown += planes[r / 64] >> (r % 64) & 1;
    }
    cm_value *values = CM_NEW(result_arena, cm_value, shown * plan->outputs + 1);
    unsigned at = 1;
    for (size_t i = 0; i < plan->outputs; i++) {
        const cm_encoding *enc = &plan->root->col[plan->output[i]].enc;
        const uint64_t *null = enc->nullable ? planes + at++ * words : NULL;
        size_t width = cm_encode_words(enc);
        uint64_t *row_words = CM_NEW(&scratch, uint64_t, rows * width);
        cm_planes_unpack(planes + at * words, rows, enc->planes, width, row_words);
        at += enc->planes;
        size_t to = 0;
        for (size_t r = 0; r < rows; r++) {
            if ((planes[r / 64] >> (r % 64) & 1) == 0) {
                continue;
            }
            cm_value *value = &values[to++ * plan->outputs + i];
            if (null != NULL && (null[r / 64] >> (r % 64) & 1) != 0) {
                value->null = true;
            } else if (cm_decode_value(enc, row_words + r * width, result_arena, value) != CM_OK) {
                return cm_fail(x->diag, CM_EPROTO, CM_SQL_INTERNAL,
                               "the opened answer holds a malformed value");
            }
        }
    }
    *ret = (cm_exec_result){.rows = shown, .cols = plan->outputs, .value = values};
    return CM_OK;
}

static int compare_rows(const void *a, const void *b, void *arg)
{
    const cm_plan *plan = arg;
    const cm_value *x = a;
    const cm_value *y = b;
    for (size_t i = 0; i < plan->orders; i++) {
        const cm_order *order = &plan->order[i];
        const cm_value *p = &x[order->target];
        const cm_value *q = &y[order->target];
        if (p->null || q->null) {
            if (p->null != q->null) {
                return p->null == order->nulls_first ? -1 : 1;
            }
            continue;
        }
        const cm_type *type = &plan->root->col[plan->output[order->target]].type;
        int way = cm_value_compare(type, p, q);
        if (way != 0) {
            return order->descending ? -way : way;
        }
    }
    return 0;
}

/* What is kept is not opened; an error keeps it from being used. */
static cm_status open_errors(cm_exec *x, bool receives)
{
    const cm_plan *plan = x->plan;
    uint64_t flags[CM_ROW_ERRORS + CM_PLAN_CHECKS_MAX] = {0};
    cm_status st = cm_exec_mpc_failed(x, cm_mpc_open_bits_to(x->mpc, plan->coordinator, x->error,
                                                             cm_exec_flags(plan), 1, &ERROR_TICKET,
                                                             receives ? flags : NULL, x->scratch));

    return st == CM_OK && receives ? raise_errors(x, flags) : st;
}

static bool has_disclosed_size(const cm_plan *plan)
{
    for (size_t i = 0; i < plan->nodes; i++) {
        if (plan->node[i]->join.disclosed != NULL) {
            return true;
        }
    }
    return false;
}

/* Where the size of a join was disclosed to the parties, a coordinator that is none of them learns
 * from each how many rows it will open; they have to agree. */
static cm_status agree_rows(cm_exec *x, size_t *rows)
{
    const cm_plan *plan = x->plan;
    cm_mesh *mesh = cm_mpc_mesh(x->mpc);
    bool outside = plan->coordinator >= plan->parties;
    uint64_t told = *rows;
    cm_status st = CM_OK;
    if (!has_disclosed_size(plan) || !outside) {
        return CM_OK;
    }
    if (x->legs > 0) {
        return cm_exec_mpc_failed(x, cm_mesh_send(mesh, plan->coordinator, &told, sizeof told));
    }
    for (unsigned i = 0; x->options->me == plan->coordinator && i < plan->parties; i++) {
        uint64_t from = 0;
        st = cm_mesh_recv(mesh, i, &from, sizeof from);
        if (st != CM_OK) {
            return cm_exec_mpc_failed(x, st);
        }
        if ((i > 0 && from != told) || from == 0 || from > plan->root->rows) {
            return cm_fail(x->diag, CM_EPROTO, CM_SQL_INTERNAL,
                           "the parties do not agree on the size of the answer");
        }
        told = from;
    }
    *rows = (size_t)told;
    return st;
}

cm_status cm_exec_answer(cm_exec *x, cm_arena *result_arena, cm_exec_result *ret)
{
    const cm_plan *plan = x->plan;
    bool receives = x->options->me == plan->coordinator;
    size_t rows = x->legs > 0 ? x->table[plan->root->number].rows : (size_t)plan->root->rows;
    unsigned planes = answer_planes(plan);
    if (plan->root->op == CM_PLAN_STORE) {
        return open_errors(x, receives);
    }
    cm_arena local = *x->arena;
    cm_bcol masked = {.rows = rows};
    cm_status st = agree_rows(x, &rows);
    masked.rows = rows;
    if (st == CM_OK && x->legs > 0) {
        st = prepare(x, &masked, &local);
    }
    uint64_t flags[CM_ROW_ERRORS + CM_PLAN_CHECKS_MAX] = {0};
    uint64_t *opened = NULL;
    if (st == CM_OK && receives) {
        opened = CM_NEW(result_arena, uint64_t, planes * cm_words_of(rows) + 1);
    }
    if (st == CM_OK) {
        st = cm_exec_mpc_failed(x, cm_mpc_open_bits_to(x->mpc, plan->coordinator, x->error,
                                                       cm_exec_flags(plan), 1, &ERROR_TICKET,
                                                       receives ? flags : NULL, x->scratch));
    }
    if (st == CM_OK) {
        st = cm_exec_mpc_failed(x, cm_mpc_open_bits_to(x->mpc, plan->coordinator, masked, planes,
                                                       rows, &RESULT_TICKET, opened, x->scratch));
    }
    if (st != CM_OK || !receives) {
        return st;
    }
    st = raise_errors(x, flags);
    if (st == CM_OK) {
        st = decode(x, opened, rows, result_arena, ret);
    }
    if (st == CM_OK && plan->orders > 0 && ret->rows > 1) {
        cm_value *values = CM_NEW(result_arena, cm_value, ret->rows * ret->cols);
        for (size_t i = 0; i < ret->rows * ret->cols; i++) {
            values[i] = ret->value[i];
        }
        qsort_r(values, ret->rows, ret->cols * sizeof *values, compare_rows,
                (void *)(uintptr_t)plan);
        ret->value = values;
    }
    return st;
}
