/* One SELECT after another, and what is public about the whole.  Design: docs/design/plan.md. */
#include "sql/plan_int.h"

#include <string.h>

cm_plan_settings cm_plan_settings_default(void)
{
    return (cm_plan_settings){.pushdown = true,
                              .domain_max = 4096,
                              .cross_owner_keys = true,
                              .lanes = 1,
                              .rtt_seconds = 0.000125,
                              .bytes_per_second = 134217728.0,
                              .work_seconds = 3.2e-9};
}

/* ---- blocks ---- */

static cm_status block_init(cm_planner *pl, const cm_query *query, bool visible, cm_block *b)
{
    *b = (cm_block){.pl = pl, .visible = visible};
    cm_status st = cm_plan_flatten(pl, query, true, &b->query);
    if (st != CM_OK) {
        return st;
    }
    size_t relations = b->query->relations;
    b->outer = CM_NEW_SMALL(pl->arena, bool, relations + 1);
    b->own = CM_NEW_SMALL(pl->arena, cm_exprs, relations + 1);
    b->sunk = CM_NEW_SMALL(pl->arena, cm_exprs, relations + 1);
    b->derived = CM_NEW_SMALL(pl->arena, cm_planned, relations + 1);
    b->derived_need = CM_NEW_SMALL(pl->arena, cm_need *, relations + 1);
    b->derived_needs = CM_NEW_SMALL(pl->arena, size_t, relations + 1);
    st = cm_block_prepare_from(b);
    if (st == CM_OK) {
        st = cm_block_narrow(b, (cm_query *)(uintptr_t)b->query);
    }
    return st == CM_OK ? cm_block_sink_conditions(b, (cm_query *)(uintptr_t)b->query) : st;
}

/* A row is known by columns; which targets are they? */
static void row_uniques(cm_block *b, const cm_flow *flow, cm_planned *ret)
{
    ret->unique = CM_NEW_SMALL(b->pl->arena, cm_unique, flow->uniques + 1);
    for (size_t u = 0; u < flow->uniques; u++) {
        const cm_unique *from = &flow->unique[u];
        unsigned *col = CM_NEW_SMALL(b->pl->arena, unsigned, from->cols + 1);
        size_t found = 0;
        for (size_t i = 0; i < from->cols; i++) {
            for (unsigned t = 0; t < b->query->targets && found == i; t++) {
                const cm_expr *expr = cm_expr_strip(b->query->target[t].expr);
                if (!b->query->target[t].hidden && expr->op == CM_X_COLUMN &&
                    expr->rel == from->rel[i] && expr->index == from->col[i]) {
                    col[found++] = t;
                }
            }
        }
        if (found == from->cols) {
            cm_unique *to = &ret->unique[ret->uniques++];
            *to = *from;
            to->col = col;
        }
    }
}

/* A SELECT without grouping. */
static cm_status block_rows(cm_block *b, const cm_need *need, size_t needs, cm_planned *ret)
{
    cm_planner *pl = b->pl;
    const cm_expr **exprs = CM_NEW_SMALL(pl->arena, const cm_expr *, needs + 1);
    cm_plan_col *cols = CM_NEW_SMALL(pl->arena, cm_plan_col, needs + 1);
    cm_flow flow;

    cm_status st = cm_block_use_from(b);
    for (size_t i = 0; st == CM_OK && i < needs; i++) {
        const cm_expr *expr = b->query->target[need[i].target].expr;
        if (need[i].kind != CM_ENC_DIGEST) {
            st = cm_block_use(b, expr, 1);
        } else if (cm_block_is_item(b, cm_expr_strip(expr))) {
            (void)cm_block_use_item(b, cm_expr_strip(expr), CM_ENC_DIGEST, 1);
        } else {
            st = cm_plan_unsupported(pl, expr->position, "joining by a computed text", NULL);
        }
    }
    if (st == CM_OK) {
        st = cm_block_build_from(b, &flow);
    }
    for (size_t i = 0; st == CM_OK && i < needs; i++) {
        const cm_target *target = &b->query->target[need[i].target];
        if (need[i].kind == CM_ENC_DIGEST) {
            size_t item = cm_block_use_item(b, cm_expr_strip(target->expr), CM_ENC_DIGEST, 0);
            exprs[i] = cm_node_column(pl, flow.node, (size_t)cm_flow_column(&flow, item));
        } else {
            st = cm_flow_resolve(b, &flow, target->expr, &exprs[i]);
        }
        if (st == CM_OK) {
            st = cm_col_of_expr(pl, target->name, exprs[i], flow.node, &cols[i]);
            cols[i].type = target->expr->type; /* as it was described */
        }
    }
    if (st != CM_OK) {
        return st;
    }
    *ret = (cm_planned){.node = cm_node_project(pl, flow.node, exprs, cols, needs),
                        .positions_public = flow.node->rows == 1};
    ret->col = CM_NEW_SMALL(pl->arena, unsigned, needs + 1);
    for (size_t i = 0; i < needs; i++) {
        ret->col[i] = (unsigned)i;
    }
    row_uniques(b, &flow, ret);
    return CM_OK;
}

/* SELECT DISTINCT: groups by everything. */
static cm_status block_distinct(cm_planner *pl, const cm_query *query, cm_planned *planned)
{
    cm_plan_node *child = planned->node;
    cm_plan_node *node = cm_node_new(pl, CM_PLAN_GROUP_SORT, 1, child->cols + 1);
    unsigned *key = CM_NEW_SMALL(pl->arena, unsigned, child->cols + 1);
    const cm_expr **exprs = CM_NEW_SMALL(pl->arena, const cm_expr *, child->cols + 1);
    unsigned *col = CM_NEW_SMALL(pl->arena, unsigned, query->targets + 1);

    for (size_t i = 0; i < child->cols; i++) {
        if (child->col[i].enc.planes > 8 * CM_PLAN_MPC_TEXT_BYTES) {
            return cm_plan_unsupported(pl, 0, "DISTINCT over text of more than 64 bytes",
                                       "Declare varchar(n), or OPTIONS (max_bytes 'n').");
        }
        uint64_t values = cm_col_values(&child->col[i]);
        key[i] = (unsigned)i;
        cm_node_cols(node)[i] = child->col[i];
        node->rows = values > child->rows || node->rows * values > child->rows
                         ? child->rows
                         : node->rows * values;
    }
    cm_node_cols(node)[child->cols] =
        cm_col_number("count", cm_plan_int8_type(), (cm_range){0, (cm_i128)child->rows}, false);
    node->keys = child->cols;
    node->key = key;
    cm_node_children(pl, node, &child, 1);
    for (size_t i = 0; i < child->cols; i++) {
        exprs[i] = cm_node_column(pl, node, i);
    }
    planned->node = cm_node_project(pl, node, exprs, child->col, child->cols);
    planned->positions_public = false;
    planned->uniques = 0;
    planned->unique = CM_NEW_SMALL(pl->arena, cm_unique, 1);
    size_t shown = 0;
    for (unsigned t = 0; t < query->targets; t++) {
        if (!query->target[t].hidden) {
            col[shown++] = t;
        }
    }
    planned->unique[planned->uniques++] = (cm_unique){.cols = shown, .rel = col, .col = col};
    return CM_OK;
}

static size_t need_index(const cm_need *need, size_t needs, unsigned target)
{
    for (size_t i = 0; i < needs; i++) {
        if (need[i].target == target && need[i].kind != CM_ENC_DIGEST) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Of so many rows in order, those that the query looks at. */
static uint64_t rows_wanted(const cm_query *query, uint64_t rows)
{
    if (!query->has_limit || query->offset >= rows || query->limit >= rows - query->offset) {
        return rows;
    }
    return query->limit == 0 ? 1 : query->offset + query->limit;
}

static cm_status block_sort(cm_planner *pl, const cm_query *query, const cm_need *need,
                            size_t needs, cm_planned *planned)
{
    cm_plan_node *child = planned->node;
    uint64_t rows = rows_wanted(query, child->rows);
    cm_plan_node *sort = cm_node_new(pl, CM_PLAN_SORT, rows, child->cols);
    cm_order *order = CM_NEW_SMALL(pl->arena, cm_order, query->orders + 1);

    for (size_t i = 0; i < query->orders; i++) {
        order[i] = query->order[i];
        order[i].target = planned->col[need_index(need, needs, query->order[i].target)];
        if (child->col[order[i].target].enc.planes > 8 * CM_PLAN_MPC_TEXT_BYTES) {
            return cm_plan_unsupported(pl, 0, "ordering text of more than 64 bytes under MPC",
                                       "Declare varchar(n), or OPTIONS (max_bytes 'n').");
        }
    }
    sort->col = child->col;
    sort->orders = query->orders;
    sort->order = order;
    cm_node_children(pl, sort, &child, 1);
    planned->node = sort;
    return CM_OK;
}

static cm_plan_node *limit_node(cm_planner *pl, const cm_query *query, cm_plan_node *child)
{
    uint64_t first = query->offset < child->rows ? query->offset : child->rows;
    uint64_t left = child->rows - first;
    uint64_t rows = query->has_limit && query->limit < left ? query->limit : left;

    if (rows == 0) { /* a table has at least one row: one that does not count */
        cm_value no = {.number = 0};
        child = cm_node_filter(pl, child, cm_expr_const(pl->arena, cm_plan_bool_type(), no, 0));
        first = 0;
        rows = 1;
    }
    cm_plan_node *limit = cm_node_new(pl, CM_PLAN_LIMIT, rows, child->cols);
    limit->col = child->col;
    limit->offset = first;
    limit->limit = rows;
    cm_node_children(pl, limit, &child, 1);
    return limit;
}

static bool orders_by_hidden(const cm_query *query)
{
    for (size_t i = 0; i < query->orders; i++) {
        if (query->target[query->order[i].target].hidden) {
            return true;
        }
    }
    return false;
}

static bool is_limited(const cm_query *query)
{
    return query->has_limit || query->offset > 0;
}

static cm_encoding_kind value_kind(const cm_query *query, unsigned target)
{
    return query->target[target].expr->type.kind == CM_TYPE_TEXT ? CM_ENC_TEXT : CM_ENC_NUMBER;
}

/* What the reader needs, then what DISTINCT and the sort need besides. */
static cm_need *all_needs(cm_planner *pl, const cm_query *query, bool sorted, const cm_need *need,
                          size_t needs, size_t *ret_needs)
{
    cm_need *all = CM_NEW_SMALL(pl->arena, cm_need, needs + query->targets + query->orders + 1);
    size_t count = needs;

    for (size_t i = 0; i < needs; i++) {
        all[i] = need[i];
    }
    for (unsigned t = 0; query->distinct && t < query->targets; t++) {
        if (!query->target[t].hidden && need_index(all, count, t) == SIZE_MAX) {
            all[count++] = (cm_need){t, value_kind(query, t)};
        }
    }
    for (size_t i = 0; sorted && i < query->orders; i++) {
        unsigned t = query->order[i].target;
        if (need_index(all, count, t) == SIZE_MAX) {
            all[count++] = (cm_need){t, value_kind(query, t)};
        }
    }
    *ret_needs = count;
    return all;
}

cm_status cm_plan_block(cm_planner *pl, const cm_query *query, bool visible, bool root,
                        const cm_need *need, size_t needs, cm_planned *ret)
{
    if (query->arms > 0) {
        return cm_plan_union(pl, query, visible, need, needs, ret);
    }
    if (query->stored != NULL) {
        return cm_plan_stored(pl, query, need, needs, ret);
    }
    cm_status st = cm_plan_early(pl, query, &query);
    if (st != CM_OK) {
        return st;
    }
    bool sorted = is_limited(query) || (root && orders_by_hidden(query));
    size_t all;
    const cm_need *list = all_needs(pl, query, sorted, need, needs, &all);
    cm_block b;

    if (++pl->depth > CM_PLAN_DEPTH_MAX) {
        return cm_plan_unsupported(pl, 0, "a query of more than 32 levels", NULL);
    }
    st = block_init(pl, query, visible, &b);
    if (st == CM_OK) {
        st = query->grouped ? cm_block_group(&b, list, all, ret) : block_rows(&b, list, all, ret);
    }
    if (st == CM_OK && query->distinct) {
        st = block_distinct(pl, query, ret);
    }
    if (st == CM_OK && sorted) {
        st = block_sort(pl, query, list, all, ret);
    }
    if (st == CM_OK && is_limited(query)) {
        ret->node = limit_node(pl, query, ret->node);
        if (ret->node->rows == 1 && ret->uniques == 0) {
            ret->unique = CM_NEW_SMALL(pl->arena, cm_unique, 1);
            ret->uniques = 1;
        }
    }
    pl->depth--;
    return st;
}

cm_status cm_plan_add_check(cm_planner *pl, cm_plan_check check, unsigned *ret)
{
    for (unsigned i = 0; i < pl->checks; i++) {
        if (strcmp(pl->check[i].message, check.message) == 0) {
            *ret = i + 1;
            return CM_OK;
        }
    }
    if (pl->checks == CM_PLAN_CHECKS_MAX) {
        return cm_plan_unsupported(pl, 0, "a query of more than 32 checked joins", NULL);
    }
    pl->check[pl->checks++] = check;
    *ret = (unsigned)pl->checks;
    return CM_OK;
}

/* ---- who takes part, and who learns what ---- */

static bool holds(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool owns_input(const cm_plan *plan, const char *org)
{
    for (size_t i = 0; i < plan->nodes; i++) {
        const cm_fragment *fragment = plan->node[i]->fragment;
        if (fragment != NULL && strcmp(fragment->table->org, org) == 0) {
            return true;
        }
    }
    return false;
}

static cm_status set_participants(cm_planner *pl, cm_plan *plan)
{
    const cm_schema *schema = pl->schema;
    const char **name = CM_NEW_SMALL(pl->arena, const char *, schema->members + 1);
    size_t count = 0;

    for (size_t i = 0; i < schema->members; i++) {
        if (schema->member[i].computes) {
            name[count++] = schema->member[i].org;
        }
    }
    if (count == 0) {
        return cm_fail(pl->diag, CM_EINVAL, CM_SQL_NOT_READY,
                       "the federation has no computing parties");
    }
    plan->party = plan->participant = name;
    plan->parties = count;
    plan->protocol = schema->protocol;
    for (size_t i = 0; i < schema->members; i++) {
        const char *org = schema->member[i].org;
        if (!holds(name, count, org) && owns_input(plan, org)) {
            name[count++] = org;
        }
    }
    if (!holds(name, count, pl->coordinator)) {
        name[count++] = pl->coordinator;
    }
    plan->participants = count;
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(name[i], pl->coordinator) == 0) {
            plan->coordinator = i;
        }
    }
    return CM_OK;
}

static void add_disclosure(cm_plan *plan, const char *to, const char *what)
{
    cm_disclosure *list = (cm_disclosure *)(uintptr_t)plan->disclosure;

    list[plan->disclosures++] = (cm_disclosure){to, what};
}

static const char *finish_text(cm_planner *pl, cm_buf *buf)
{
    const char *text = cm_arena_strdup(pl->arena, cm_buf_text(buf));

    cm_buf_free(buf);
    return text;
}

static void disclose_presumption(cm_planner *pl, cm_plan *plan)
{
    cm_buf buf = {0};

    if (plan->presumes > 0) {
        cm_buf_printf(
            &buf,
            "No answer when an owner has a number of 2^%u units of its last digit or more "
            "in a column without CHECK, and which column it is.",
            cm_presumed_bits(plan->presumes));
        add_disclosure(plan, pl->coordinator, finish_text(pl, &buf));
    }
}

static void disclose_answer(cm_planner *pl, cm_plan *plan)
{
    cm_buf buf = {0};

    if (plan->root->op == CM_PLAN_STORE) {
        cm_buf_printf(&buf,
                      "Whether a row raised an error. The computing parties keep shares of %llu "
                      "rows, each of which is random by itself.",
                      (unsigned long long)plan->root->rows);
        add_disclosure(plan, pl->coordinator, finish_text(pl, &buf));
        disclose_presumption(pl, plan);
        return;
    }
    cm_buf_printf(&buf, "The answer: at most %llu row%s of ", (unsigned long long)plan->root->rows,
                  plan->root->rows == 1 ? "" : "s");
    for (size_t i = 0; i < plan->outputs; i++) {
        cm_buf_printf(&buf, "%s%s", i == 0 ? "" : ", ", plan->output_name[i]);
    }
    cm_buf_printf(&buf, ", how many rows there are, and whether a row raised an error.");
    add_disclosure(plan, pl->coordinator, finish_text(pl, &buf));
    if (plan->min_rows > 0) {
        cm_buf_printf(&buf, "A group of fewer than %u rows is not shown, nor whether there is one.",
                      plan->min_rows);
        add_disclosure(plan, pl->coordinator, finish_text(pl, &buf));
    }
    for (size_t i = 0; i < plan->checks; i++) {
        cm_buf_printf(&buf, "One bit, and no answer when it is set: %s.", plan->check[i].message);
        add_disclosure(plan, pl->coordinator, finish_text(pl, &buf));
    }
    disclose_presumption(pl, plan);
}

static void disclose(cm_planner *pl, cm_plan *plan)
{
    plan->disclosure =
        CM_NEW_SMALL(pl->arena, cm_disclosure, plan->participants + plan->checks + plan->nodes + 4);
    disclose_answer(pl, plan);
    bool sizes = false;
    for (size_t i = 0; i < plan->nodes; i++) {
        if (plan->node[i]->join.disclosed != NULL) {
            add_disclosure(plan, "computing parties", plan->node[i]->join.disclosed);
            sizes = true;
        }
    }
    add_disclosure(plan, "computing parties",
                   sizes ? "The query, this plan and its public sizes. Besides, no value, no count "
                           "of rows that match, no group."
                         : "The query, this plan and its public sizes. No value, no count of rows "
                           "that match, no group.");
    for (size_t i = 0; i < plan->participants; i++) {
        if (owns_input(plan, plan->participant[i])) {
            add_disclosure(plan, plan->participant[i],
                           "The query and this plan. Nothing of anybody else's rows.");
        }
    }
}

/* ---- the whole ---- */

/* Constants alone are shown in the order in which they were written. */
static bool has_secrets(const cm_plan *plan)
{
    for (size_t i = 0; i < plan->nodes; i++) {
        if (plan->node[i]->op == CM_PLAN_INPUT || plan->node[i]->op == CM_PLAN_STORED) {
            return true;
        }
    }
    return false;
}

static void set_outputs(cm_planner *pl, const cm_query *query, const cm_planned *planned,
                        const cm_need *need, size_t needs, cm_plan *plan)
{
    unsigned *output = CM_NEW_SMALL(pl->arena, unsigned, needs + 1);
    const char **name = CM_NEW_SMALL(pl->arena, const char *, needs + 1);
    cm_order *order = CM_NEW_SMALL(pl->arena, cm_order, query->orders + 1);
    bool hidden = orders_by_hidden(query);

    CM_ASSERT(planned->col != NULL);
    for (size_t i = 0; i < needs; i++) {
        output[i] = planned->col[i];
        name[i] = query->target[need[i].target].name;
    }
    plan->outputs = needs;
    plan->output = output;
    plan->output_name = name;
    /* Sorted by what is not shown, positions are part of the answer. */
    plan->shuffle_output =
        !hidden && !planned->positions_public && plan->root->rows > 1 && has_secrets(plan);
    for (size_t i = 0; !hidden && i < query->orders; i++) {
        order[i] = query->order[i];
        order[i].target = (unsigned)need_index(need, needs, query->order[i].target);
    }
    plan->orders = hidden ? 0 : query->orders;
    plan->order = order;
}

static cm_status set_text(cm_planner *pl, cm_plan *plan)
{
    cm_buf buf = {0};

    cm_plan_print(plan, pl->node_text, pl->schema, &pl->settings, &buf);
    if (buf.failed) {
        cm_buf_free(&buf);
        return cm_fail(pl->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    plan->digest = cm_sha256(buf.data, buf.bytes);
    plan->text = finish_text(pl, &buf);
    return CM_OK;
}

/* ---- what gate programs cannot do is refused here, before anybody shares anything ---- */

typedef struct program_check {
    const cm_plan_node *over;
    const cm_expr *impossible; /* an operation */
    bool too_long;             /* a text: longer ones are only moved and shown */
} program_check;

static bool check_expr(const cm_expr *expr, void *arg)
{
    program_check *check = arg;

    if (cm_expr_is_owners_alone(expr)) {
        check->impossible = expr;
    }
    check->too_long =
        check->too_long || (expr->op == CM_X_COLUMN &&
                            check->over->col[expr->index].enc.planes > 8 * CM_PLAN_MPC_TEXT_BYTES);
    return check->impossible == NULL && !check->too_long;
}

static void check_node(const cm_plan_node *node, program_check *check)
{
    check->over = node->children > 0 ? node->child[0] : NULL;
    if (node->condition != NULL) {
        (void)cm_expr_walk(node->condition, check_expr, check);
    }
    for (size_t i = 0; node->expr != NULL && i < node->cols; i++) {
        if (node->expr[i]->op != CM_X_COLUMN) {
            (void)cm_expr_walk(node->expr[i], check_expr, check);
        }
    }
    CM_ASSERT(check->over != NULL || node->keys == 0);
    for (size_t i = 0; node->key != NULL && i < node->keys; i++) {
        check->too_long = check->too_long ||
                          check->over->col[node->key[i]].enc.planes > 8 * CM_PLAN_MPC_TEXT_BYTES;
    }
}

static cm_status check_programs(cm_planner *pl, const cm_plan *plan)
{
    program_check check = {0};

    for (size_t i = 0; i < plan->nodes; i++) {
        check_node(plan->node[i], &check);
    }
    if (check.impossible != NULL) {
        return cm_plan_unsupported(pl, check.impossible->position,
                                   "this function of text or dates over a computed value",
                                   "Its owner evaluates it in the clear, on one row of one table.");
    }
    if (check.too_long) {
        return cm_plan_unsupported(pl, 0, "computing with text of more than 64 bytes under MPC",
                                   "Declare varchar(n), or OPTIONS (max_bytes 'n').");
    }
    return CM_OK;
}

/* What is unique by targets, by columns of what is kept. */
static void set_kept_keys(cm_planner *pl, const cm_query *query, const cm_planned *planned,
                          cm_plan *plan)
{
    cm_table_key *keys = CM_NEW_SMALL(pl->arena, cm_table_key, planned->uniques + 1);

    for (size_t u = 0; u < planned->uniques; u++) {
        const cm_unique *from = &planned->unique[u];
        unsigned *col = CM_NEW_SMALL(pl->arena, unsigned, from->cols + 1);
        size_t cols = 0;
        for (size_t i = 0; i < from->cols; i++) {
            unsigned shown = 0;
            for (unsigned t = 0; t < from->col[i]; t++) {
                shown += !query->target[t].hidden;
            }
            bool repeated = query->target[from->col[i]].hidden;
            for (size_t j = 0; j < cols; j++) {
                repeated = repeated || col[j] == shown;
            }
            if (!repeated) {
                col[cols++] = shown;
            }
        }
        if (cols > 0 && cols == from->cols) {
            keys[plan->kept_keys++] = (cm_table_key){.cols = cols, .col = col};
        }
    }
    plan->kept_key = keys;
}

/* Operators number rows with 32 bits, of two sides and both ends of intervals at a time. */
static cm_status check_rows(cm_planner *pl, const cm_plan *plan)
{
    for (size_t i = 0; i < plan->nodes; i++) {
        if (plan->node[i]->rows > CM_PLAN_ROWS_MAX) {
            return cm_fail(pl->diag, CM_EUNSUPPORTED, CM_SQL_TOO_MANY_ROWS,
                           "a step of the query would have %llu rows, more than %llu",
                           (unsigned long long)plan->node[i]->rows,
                           (unsigned long long)CM_PLAN_ROWS_MAX);
        }
    }
    return CM_OK;
}

static cm_status finish_plan(cm_planner *pl, cm_plan *plan)
{
    cm_status st = check_rows(pl, plan);
    if (st == CM_OK) {
        st = check_programs(pl, plan);
    }
    if (st == CM_OK) {
        st = cm_plan_deliver(pl, plan);
    }
    if (st == CM_OK) {
        st = set_participants(pl, plan);
    }
    if (st == CM_OK) {
        cm_plan_cost_total(plan, &pl->settings, pl->arena);
        disclose(pl, plan);
        st = set_text(pl, plan);
    }
    return st;
}

/* A root STORE: nothing is shown. */
static cm_status plan_kept(cm_planner *pl, const cm_query *query, cm_plan *plan)
{
    cm_planned planned = {0};
    cm_plan_node *root;

    pl->fixed_sizes = true;
    cm_status st = cm_plan_store(pl, query, &root, &planned);
    if (st == CM_OK) {
        st = cm_node_number(pl, root, plan);
    }
    if (st == CM_OK) {
        plan->checks = pl->checks;
        plan->check = pl->check;
        set_kept_keys(pl, query, &planned, plan);
        st = finish_plan(pl, plan);
    }
    return st;
}

static cm_status plan_query(cm_planner *pl, const cm_query *query, cm_plan *plan)
{
    cm_need *need = CM_NEW_SMALL(pl->arena, cm_need, query->targets + 1);
    size_t needs = 0;
    cm_planned planned = {0};

    for (unsigned t = 0; t < query->targets; t++) {
        if (!query->target[t].hidden) {
            need[needs++] = (cm_need){t, value_kind(query, t)};
        }
    }
    cm_status st = cm_plan_block(pl, query, true, true, need, needs, &planned);
    if (st != CM_OK) {
        return st;
    }
    st = cm_node_number(pl, planned.node, plan);
    if (st == CM_OK) {
        plan->checks = pl->checks;
        plan->check = pl->check;
        set_outputs(pl, query, &planned, need, needs, plan);
        st = finish_plan(pl, plan);
    }
    return st;
}

static cm_status plan_one_way(cm_planner *pl, const cm_query *query, cm_plan **ret)
{
    cm_plan *plan = CM_NEW_SMALL(pl->arena, cm_plan, 1);

    pl->check = CM_NEW_SMALL(pl->arena, cm_plan_check, CM_PLAN_CHECKS_MAX);
    pl->checks = 0;
    pl->depth = 0;
    plan->min_rows = pl->min_rows;
    plan->presumes = query->presumes;
    *ret = plan;
    return query->kept == CM_KEPT_NOT ? plan_query(pl, query, plan) : plan_kept(pl, query, plan);
}

/* The plan made so, if it costs less, or if there was none. */
static void try_way(const cm_planner *pl, bool late, bool many, const cm_query *query,
                    cm_status *st, cm_plan **best)
{
    cm_planner way = *pl;
    cm_diag why = {0};
    cm_plan *plan = NULL;

    way.diag = &why;
    way.own_late = late;
    way.own_many = many;
    if (plan_one_way(&way, query, &plan) == CM_OK &&
        (*st != CM_OK || plan->total.seconds < (*best)->total.seconds)) {
        *best = plan;
        *st = CM_OK;
        cm_diag_reset(pl->diag);
    }
}

/*
 * Where owners join, what they join may be better grouped first: wide columns then meet groups
 * instead of rows.  And what an owner adds up itself may be pairs of rows of which neither side is
 * unique.  All ways are planned, and the one that costs least is it.
 */
static cm_status plan_cheapest(cm_planner *pl, const cm_query *query, cm_plan **ret)
{
    cm_planner before = *pl;
    cm_status st = plan_one_way(pl, query, ret);

    if (st != CM_OK && st != CM_EUNSUPPORTED) {
        return st;
    }
    if (pl->own_joined) {
        try_way(&before, true, false, query, &st, ret);
    }
    if (pl->own_wide) {
        try_way(&before, false, true, query, &st, ret);
    }
    return st;
}

cm_status cm_sql_plan(const cm_query *query, const cm_schema *schema, const char *coordinator,
                      const cm_plan_settings *settings, cm_arena *arena, const cm_plan **ret,
                      cm_diag *diag)
{
    cm_diag own = {0};
    cm_planner pl = {.arena = arena,
                     .schema = schema,
                     .coordinator = coordinator,
                     .settings = *settings,
                     .min_rows = cm_policy_min_rows(query, schema),
                     .hints = query->hints,
                     .hint = query->hint,
                     .diag = diag != NULL ? diag : &own};
    cm_plan *plan = NULL;
    cm_status st = plan_cheapest(&pl, query, &plan);

    if (st == CM_OK) {
        *ret = plan;
    }
    return st;
}
