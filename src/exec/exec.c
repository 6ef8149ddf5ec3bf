/* Walks the plan in the order of its nodes' numbers.  Design: docs/design/exec.md. */
#include "exec/exec_int.h"

#include "base/clock.h"

cm_status cm_exec_mpc_failed(cm_exec *x, cm_status status)
{
    if (status == CM_OK || (x->diag != NULL && x->diag->status != CM_OK)) {
        return status;
    }
    const cm_diag *cause = cm_mpc_diag(x->mpc);
    if (cause->status == CM_OK) {
        return cm_fail(x->diag, status, CM_SQL_INTERNAL, "computing failed: %s",
                       cm_status_text(status));
    }
    if (x->diag != NULL) {
        *x->diag = *cause;
    }
    return status;
}

static cm_status run_concat(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    cm_arena scratch = x->scratch;
    cm_table *parts = CM_NEW(&scratch, cm_table, node->children);
    for (size_t i = 0; i < node->children; i++) {
        parts[i] = x->table[node->child[i]->number];
    }
    *ret = cm_table_concat(x->mpc, parts, node->children, x->arena);
    return CM_OK;
}

cm_status cm_exec_shuffled(cm_exec *x, const cm_table *from, const unsigned *cols, size_t count,
                           cm_arena *arena, cm_table *ret, cm_arena scratch)
{
    cm_scol *moved = CM_NEW(arena, cm_scol, count + 1);
    for (size_t i = 0; i < count; i++) {
        const cm_scol *col = &from->col[cols[i]];
        moved[i].data = cm_bcol_new(arena, x->legs, col->data.planes, from->rows);
        moved[i].null = cm_bcol_new(arena, x->legs, col->null.planes, from->rows);
        cm_bcol_copy(moved[i].data, col->data);
        cm_bcol_copy(moved[i].null, col->null);
    }
    cm_table table = {.rows = from->rows, .cols = (unsigned)count, .col = moved};
    table.valid = cm_bcol_new(arena, x->legs, 1, from->rows);
    cm_bcol_copy(table.valid, from->valid);
    cm_status st = cm_exec_mpc_failed(x, cm_table_shuffle(x->mpc, &table, scratch));
    if (st != CM_OK) {
        return st;
    }
    *ret = (cm_table){.rows = from->rows, .cols = from->cols, .valid = table.valid};
    ret->col = CM_NEW(arena, cm_scol, from->cols + 1);
    for (size_t i = 0; i < count; i++) {
        ret->col[cols[i]] = table.col[i];
    }
    return CM_OK;
}

/* All rows, or the first where a LIMIT needs no more; rows that tie come in a random order. */
static cm_status run_sort(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    cm_arena scratch = x->scratch;
    cm_sort_key *keys = CM_NEW(&scratch, cm_sort_key, node->orders + 1);
    for (size_t i = 0; i < node->orders; i++) {
        keys[i] = (cm_sort_key){.col = node->order[i].target,
                                .descending = node->order[i].descending,
                                .nulls_first = node->order[i].nulls_first};
    }
    const cm_table *from = &x->table[node->child[0]->number];
    return cm_exec_mpc_failed(x, cm_table_order(x->mpc, from, keys, node->orders,
                                                (size_t)node->rows, x->arena, ret, scratch));
}

static cm_bcol rows_of(cm_exec *x, cm_bcol from, size_t first, size_t rows)
{
    cm_bcol ret = cm_bcol_new(x->arena, x->legs, from.planes, rows);
    cm_bcol_get_rows(from, first, ret);
    return ret;
}

/* Public positions after a sort that put valid rows first. */
static cm_status run_limit(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    const cm_table *table = &x->table[node->child[0]->number];
    size_t first = node->offset < table->rows ? (size_t)node->offset : table->rows;
    size_t rows = (size_t)node->rows;
    bool none = first == table->rows; /* fewer rows than planned: one that does not count */
    first -= none;
    rows = rows < table->rows - first ? rows : table->rows - first;
    cm_table made = {.rows = rows, .cols = table->cols};
    made.col = CM_NEW(x->arena, cm_scol, table->cols + 1);
    for (unsigned i = 0; i < table->cols; i++) {
        made.col[i].data = rows_of(x, table->col[i].data, first, rows);
        made.col[i].null = rows_of(x, table->col[i].null, first, rows);
    }
    made.valid = rows_of(x, table->valid, first, rows);
    if (none) {
        cm_mpc_set_public(x->mpc, made.valid, 0, false);
    }
    *ret = made;
    return CM_OK;
}

static cm_status run_node(cm_exec *x, const cm_plan_node *node, cm_table *ret)
{
    switch (node->op) {
    case CM_PLAN_INPUT:
        return cm_exec_share_input(x, node, &x->input[node->number], ret);
    case CM_PLAN_VALUES:
        cm_exec_values(x, node, ret);
        return CM_OK;
    case CM_PLAN_STORED:
        return cm_exec_stored(x, node, ret);
    case CM_PLAN_STORE:
        return cm_exec_keep(x, node, ret);
    case CM_PLAN_CONCAT:
        return run_concat(x, node, ret);
    case CM_PLAN_COMBINE:
        return cm_exec_combine(x, node, ret);
    case CM_PLAN_FILTER:
        return cm_exec_filter(x, node, ret);
    case CM_PLAN_PROJECT:
        return cm_exec_project(x, node, ret);
    case CM_PLAN_JOIN:
        return cm_exec_join(x, node, ret);
    case CM_PLAN_JOIN_MANY:
        return cm_exec_join_many(x, node, ret);
    case CM_PLAN_RANGES:
        return cm_exec_ranges(x, node, ret);
    case CM_PLAN_PRODUCT:
        return cm_exec_product(x, node, ret);
    case CM_PLAN_NUMBER:
        return cm_exec_number(x, node, ret);
    case CM_PLAN_AGGREGATE:
    case CM_PLAN_GROUP_DOMAIN:
    case CM_PLAN_GROUP_SORT:
        return cm_exec_group(x, node, ret);
    case CM_PLAN_WINDOW:
        return cm_exec_window(x, node, ret);
    case CM_PLAN_SORT:
        return run_sort(x, node, ret);
    case CM_PLAN_LIMIT:
        return run_limit(x, node, ret);
    }
    CM_ASSERT(false);
    return CM_EINVAL;
}

cm_status cm_exec_read(const cm_exec_options *options, cm_arena *arena, cm_exec_input **ret,
                       cm_diag *diag)
{
    cm_diag own = {0};
    cm_exec x = {.options = options, .plan = options->plan, .arena = arena};
    cm_exec_input *input = CM_NEW(arena, cm_exec_input, options->plan->nodes + 1);
    x.diag = diag != NULL ? diag : &own;
    for (size_t i = 0; i < x.plan->nodes; i++) {
        const cm_plan_node *node = x.plan->node[i];
        if (node->op == CM_PLAN_INPUT) {
            int64_t start_ns = cm_clock_ns();
            cm_status st = cm_exec_read_input(&x, node, &input[node->number]);
            if (st != CM_OK) {
                return st;
            }
            if (options->measured != NULL) {
                double seconds = (double)(cm_clock_ns() - start_ns) * 1e-9;
                options->measured[i].seconds = seconds;
            }
        }
    }
    *ret = input;
    return CM_OK;
}

static bool owns_input(const cm_plan *plan, unsigned participant)
{
    for (size_t i = 0; i < plan->nodes; i++) {
        const cm_plan_node *node = plan->node[i];
        if (node->op == CM_PLAN_INPUT &&
            cm_exec_participant(plan, node->fragment->table->org) == participant) {
            return true;
        }
    }
    return false;
}

/*
 * Owners say when their own SQL is done: it may take far longer than a party may be silent once the
 * parties compute.  One frame of one byte from each owner to everybody.
 */
static cm_status await_owners(cm_exec *x)
{
    const cm_exec_options *options = x->options;
    cm_mesh *mesh = cm_mpc_mesh(options->mpc);
    int idle_timeout_ms = cm_mesh_idle_timeout(mesh);
    unsigned participants = (unsigned)x->plan->participants;
    uint8_t ready = 1;
    uint8_t got = 0;
    cm_status st = CM_OK;
    if (options->input_timeout_ms > idle_timeout_ms) {
        cm_mesh_set_idle_timeout(mesh, options->input_timeout_ms);
    }
    for (unsigned j = 0; st == CM_OK && owns_input(x->plan, options->me) && j < participants; j++) {
        st = j != options->me ? cm_mesh_send(mesh, j, &ready, sizeof ready) : CM_OK;
    }
    for (unsigned j = 0; st == CM_OK && j < participants; j++) {
        if (j != options->me && owns_input(x->plan, j)) {
            st = cm_mesh_recv(mesh, j, &got, sizeof got);
        }
    }
    cm_mesh_set_idle_timeout(mesh, idle_timeout_ms);
    if (st != CM_OK && x->diag->status == CM_OK) {
        *x->diag = *cm_mesh_diag(mesh);
    }
    return st;
}

static void measure(cm_exec *x, size_t number, cm_mesh_stats before, int64_t start_ns)
{
    cm_measured *measured = x->options->measured;
    if (measured == NULL) {
        return;
    }
    cm_mesh_stats after = cm_mpc_statistics(x->mpc);
    measured[number].bytes += (double)(after.bytes_sent - before.bytes_sent);
    measured[number].rounds += (double)(after.rounds - before.rounds);
    measured[number].seconds += (double)(cm_clock_ns() - start_ns) * 1e-9;
}

/* Participants outside the computing parties only share what they own. */
static cm_status run_nodes(cm_exec *x)
{
    for (size_t i = 0; i < x->plan->nodes; i++) {
        const cm_plan_node *node = x->plan->node[i];
        if (x->legs == 0 && node->op != CM_PLAN_INPUT) {
            continue;
        }
        if (x->options->progress != NULL) {
            x->options->progress(x->options->progress_arg, node->number);
        }
        cm_mesh_stats before = cm_mpc_statistics(x->mpc);
        int64_t start_ns = cm_clock_ns();
        cm_status st = cm_exec_shelf_begin(x, node);
        if (st == CM_OK) {
            st = run_node(x, node, &x->table[node->number]);
        }
        if (st != CM_OK) {
            return st;
        }
        CM_ASSERT(x->legs == 0 || x->table[node->number].rows <= node->rows);
        cm_exec_shelf_end(x, node);
        measure(x, i, before, start_ns);
    }
    return CM_OK;
}

cm_status cm_exec_run(const cm_exec_options *options, cm_arena *arena, cm_arena *result_arena,
                      cm_exec_result *ret, cm_diag *diag)
{
    cm_diag own = {0};
    cm_exec x = {.options = options, .plan = options->plan, .mpc = options->mpc, .arena = arena};
    x.diag = diag != NULL ? diag : &own;
    x.legs = cm_mpc_legs(options->mpc);
    cm_arena scratch;
    cm_status st = cm_arena_init_secret(&scratch, (size_t)1 << 38);
    if (st != CM_OK) {
        return cm_fail(diag, st, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    x.scratch = scratch;
    x.input = options->input;
    x.table = CM_NEW(arena, cm_table, options->plan->nodes + 1);
    cm_exec_shelf_init(&x, arena);
    x.error = (cm_bcol){.rows = 1};
    if (x.legs > 0) {
        x.error = cm_bcol_new(arena, x.legs, cm_exec_flags(x.plan), 1);
    }
    st = x.input == NULL ? cm_exec_read(options, arena, &x.input, x.diag) : CM_OK;
    if (st == CM_OK) {
        st = await_owners(&x);
    }
    if (st == CM_OK) {
        st = run_nodes(&x);
    }
    x.arena = arena;
    if (st == CM_OK) {
        st = cm_exec_answer(&x, result_arena, ret);
    }
    if (st == CM_OK) { /* what is queued for slower participants still has to leave */
        st = cm_exec_mpc_failed(&x, cm_mpc_flush(options->mpc));
    }
    cm_exec_shelf_fini(&x);
    cm_arena_fini(&scratch);
    return st;
}
