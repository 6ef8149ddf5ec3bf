/* Joins, all pairs of rows, and the numbers of rows. */
#include "exec/exec_int.h"

unsigned cm_exec_flags(const cm_plan *plan)
{
    return CM_ROW_ERRORS + (unsigned)plan->checks;
}

static cm_join_kind join_kind(cm_from_kind kind)
{
    switch ((int)kind) {
    case CM_FROM_LEFT:
        return CM_JOIN_LEFT;
    case CM_FROM_SEMI:
        return CM_JOIN_SEMI;
    case CM_FROM_ANTI:
        return CM_JOIN_ANTI;
    default:
        CM_ASSERT(kind == CM_FROM_INNER);
        return CM_JOIN_INNER;
    }
}

cm_status cm_exec_raise_check(cm_exec *x, const cm_plan_node *node, cm_bcol bit)
{
    cm_arena scratch = x->scratch;
    cm_bcol flag = cm_bcol_planes(x->error, CM_ROW_ERRORS + node->check - 1, 1);
    cm_bcol both = cm_bcol_new(&scratch, x->legs, 1, 1);
    cm_status st = cm_mpc_and_col(x->mpc, flag, bit, both, scratch);
    if (st == CM_OK) {
        cm_bcol_xor(flag, bit, flag);
        cm_bcol_xor(flag, both, flag);
        x->may_fail = true;
    }
    return cm_exec_mpc_failed(x, st);
}

cm_status cm_exec_join(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    const cm_plan_node *unique = node->child[0];
    cm_join_spec spec = {.kind = join_kind(node->join.kind),
                         .keys = node->join.keys,
                         .unique_key = node->join.unique_key,
                         .other_key = node->join.other_key,
                         .payload_cols = node->join.payloads,
                         .payload = node->join.payload,
                         .unique_runs = cm_exec_runs(x, node, 0, x->arena),
                         .other_runs = cm_exec_runs(x, node, 1, x->arena)};
    cm_bcol repeated = {0};
    if (node->check > 0) {
        spec.ret_duplicate = &repeated;
    }
    cm_status st = cm_exec_mpc_failed(x, cm_table_join_unique(x->mpc, &x->table[unique->number],
                                                              &x->table[node->child[1]->number],
                                                              &spec, x->arena, ret, x->scratch));
    return st == CM_OK && node->check > 0 ? cm_exec_raise_check(x, node, repeated) : st;
}

static cm_bound bound_of(const cm_plan_bound *bound)
{
    return (cm_bound){.given = bound->given, .open = bound->open, .col = bound->col};
}

cm_range_spec cm_exec_range(cm_exec *x, const cm_plan_node *node)
{
    return (cm_range_spec){.keys = node->join.keys,
                           .point_key = node->join.unique_key,
                           .interval_key = node->join.other_key,
                           .lower = bound_of(&node->range.lower),
                           .upper = bound_of(&node->range.upper),
                           .order = node->range.order,
                           .point_runs = cm_exec_runs(x, node, 0, x->arena),
                           .interval_runs = cm_exec_runs(x, node, 1, x->arena)};
}

/* x rounded up to two significant bits. */
static cm_num round_up(cm_circuit *c, cm_num x)
{
    cm_num kept = x, more = x;
    cm_wire above = CM_WIRE_0, far = CM_WIRE_0,
            lost = CM_WIRE_0; /* a one above; two or more above */

    for (unsigned i = x.bits; i-- > 0;) {
        cm_wire second = cm_gate_and(c, above, cm_gate_not(c, far));
        kept.wire[i] = cm_gate_and(c, x.wire[i], cm_gate_not(c, far));
        more.wire[i] = second;
        lost = cm_gate_or(c, lost, cm_gate_and(c, x.wire[i], far));
        far = cm_gate_or(c, far, above);
        above = cm_gate_or(c, above, x.wire[i]);
    }
    for (unsigned i = 0; i < x.bits; i++) {
        more.wire[i] = cm_gate_and(c, more.wire[i], lost);
    }
    return cm_num_add(c, kept, more, x.bits + 1);
}

/* Opens how many rows match, rounded up, to the parties. */
static cm_status open_size(cm_exec *x, const cm_plan_node *node, size_t *ret)
{
    static const cm_ticket ticket = {CM_TICKET_RESULT, "join: its size, rounded up"};
    /* All pairs of CM_PLAN_ROWS_MAX rows: a sum that did not fit would cut the join. */
    enum { SIZE_PLANES = 61 };
    const cm_range_spec spec = cm_exec_range(x, node);
    const cm_table *intervals = &x->table[node->child[1]->number];
    cm_ranges ranges = {0};
    cm_table total = {0};
    cm_status st = cm_table_ranges(x->mpc, &x->table[node->child[0]->number], intervals, &spec,
                                   x->arena, &ranges, x->scratch);
    cm_scol count = {.data = ranges.count, .null = {.rows = intervals->rows}};
    const cm_table counts = {
        .rows = intervals->rows, .cols = 1, .col = &count, .valid = intervals->valid};
    const cm_agg sum = {.kind = CM_AGG_SUM, .col = 0, .planes = SIZE_PLANES};
    if (st == CM_OK) {
        st = cm_table_aggregate(x->mpc, &counts, &sum, 1, x->arena, &total, x->scratch);
    }
    if (st != CM_OK) {
        return cm_exec_mpc_failed(x, st);
    }
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num size = round_up(c, cm_circuit_input(c, SIZE_PLANES));
    cm_circuit_output(c, &size);
    cm_program *program = cm_circuit_finish(c);
    cm_bcol rounded = cm_bcol_new(x->arena, x->legs, SIZE_PLANES + 1, 1);
    uint64_t bits[SIZE_PLANES + 1] = {0};
    st = cm_program_run(program, x->mpc, &total.col[0].data, &rounded, x->scratch);
    if (st == CM_OK) {
        st = cm_mpc_open_bits(x->mpc, rounded, &ticket, bits, x->scratch);
    }
    cm_program_free(program);
    cm_circuit_free(c);
    size_t rows = 0;
    for (unsigned i = 0; i <= SIZE_PLANES; i++) {
        rows |= (size_t)(bits[i] & 1) << i;
    }
    *ret = rows == 0 ? 1 : rows;
    return cm_exec_mpc_failed(x, st);
}

cm_status cm_exec_join_many(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    size_t rows = (size_t)node->rows;
    if (node->join.disclosed != NULL) {
        cm_status st = open_size(x, node, &rows);
        if (st != CM_OK) {
            return st;
        }
        if (rows > CM_PLAN_DISCLOSED_MAX) {
            return cm_fail(x->diag, CM_ERANGE, CM_SQL_TOO_MANY_ROWS,
                           "a join has more rows than fit a table");
        }
        rows = rows < node->rows ? rows : (size_t)node->rows;
    }
    const cm_join_many_spec spec = {.kind = join_kind(node->join.kind),
                                    .range = cm_exec_range(x, node),
                                    .payload_cols = node->join.payloads,
                                    .payload = node->join.payload,
                                    .rows = rows};
    cm_bcol overflow = {0};
    cm_status st =
        cm_exec_mpc_failed(x, cm_table_join_many(x->mpc, &x->table[node->child[0]->number],
                                                 &x->table[node->child[1]->number], &spec, x->arena,
                                                 ret, &overflow, x->scratch));
    return st == CM_OK && node->check > 0 ? cm_exec_raise_check(x, node, overflow) : st;
}

static cm_scol gather(cm_exec *x, const cm_scol *from, const uint32_t *rows, size_t count)
{
    cm_scol ret = {.data = cm_bcol_new(x->arena, x->legs, from->data.planes, count),
                   .null = cm_bcol_new(x->arena, x->legs, from->null.planes, count)};
    if (from->data.planes > 0) {
        cm_bcol_gather(from->data, rows, ret.data);
    }
    if (from->null.planes > 0) {
        cm_bcol_gather(from->null, rows, ret.null);
    }
    return ret;
}

/* Copies at public positions, and one AND a pair. */
cm_status cm_exec_product(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    const cm_table *side[2] = {&x->table[node->child[0]->number],
                               &x->table[node->child[1]->number]};
    cm_arena scratch = x->scratch;
    size_t rows = side[0]->rows * side[1]->rows;
    uint32_t *from[2] = {CM_NEW(&scratch, uint32_t, rows), CM_NEW(&scratch, uint32_t, rows)};
    cm_table made = {.rows = rows, .cols = side[0]->cols + side[1]->cols};
    unsigned at = 0;

    for (size_t r = 0; r < rows; r++) {
        from[0][r] = (uint32_t)(r / side[1]->rows);
        from[1][r] = (uint32_t)(r % side[1]->rows);
    }
    made.col = CM_NEW(x->arena, cm_scol, made.cols + 1);
    made.valid = cm_bcol_new(x->arena, x->legs, 1, rows);
    cm_bcol valid = cm_bcol_new(&scratch, x->legs, 1, rows);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned c = 0; c < side[i]->cols; c++) {
            made.col[at++] = gather(x, &side[i]->col[c], from[i], rows);
        }
        cm_bcol_gather(side[i]->valid, from[i], i == 0 ? valid : made.valid);
    }
    cm_status st = cm_table_filter(x->mpc, &made, valid, scratch);
    if (st == CM_OK) {
        *ret = made;
    }
    return cm_exec_mpc_failed(x, st);
}

cm_status cm_exec_number(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    const cm_table *table = &x->table[node->child[0]->number];
    cm_arena scratch = x->scratch;
    unsigned planes = node->col[table->cols].enc.planes;
    size_t words = cm_words_of(table->rows);
    uint64_t *bits = CM_NEW(&scratch, uint64_t, planes * words);
    cm_table made = {.rows = table->rows, .cols = table->cols + 1, .valid = table->valid};

    for (size_t r = 0; r < table->rows; r++) {
        for (unsigned p = 0; p < planes; p++) {
            bits[p * words + r / 64] |= (uint64_t)(r >> p & 1) << (r % 64);
        }
    }
    made.col = CM_NEW(x->arena, cm_scol, made.cols);
    for (unsigned i = 0; i < table->cols; i++) {
        made.col[i] = table->col[i];
    }
    made.col[table->cols].data = cm_bcol_new(x->arena, x->legs, planes, table->rows);
    made.col[table->cols].null = cm_bcol_new(x->arena, x->legs, 0, table->rows);
    cm_mpc_public_bits(x->mpc, bits, made.col[table->cols].data);
    *ret = made;
    return CM_OK;
}
