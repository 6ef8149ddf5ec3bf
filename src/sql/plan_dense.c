/*
 * Dense partial aggregates: one row for every combination of the keys' values, in order, from each
 * owner; the computing parties add them up.
 */
#include "sql/plan_group.h"

static bool fits_int64(cm_range range, uint64_t rows)
{
    const cm_i128 most = INT64_MAX / (cm_i128)rows;

    return range.lo >= -most && range.hi <= most;
}

/* A sum that may leave 64 bits is two: of the values' quotients by 2^32, and of their remainders.
 */
static const cm_i128 half = (cm_i128)1 << 32;

static bool halves_fit(cm_range range, uint64_t rows)
{
    const cm_range high = {range.lo / half, range.hi / half}, low = {1 - half, half - 1};

    return fits_int64(high, rows) && fits_int64(low, rows);
}

bool cm_group_is_owners(const cm_grouping *g, const cm_physical *p, const cm_org_table *table,
                        bool whole)
{
    uint64_t rows = cm_plan_table_rows(table);

    if (p->of != NULL || !cm_block_pushable(g->b, p->arg) ||
        (p->on != NULL && (!whole || !cm_expr_equal(p->on, p->arg)))) {
        return false;
    }
    if (p->aggregate == CM_AGGREGATE_SUM) {
        return fits_int64(p->arg->range, rows) ||
               (p->on == NULL && halves_fit(p->arg->range, rows));
    }
    return p->arg->type.kind != CM_TYPE_TEXT || p->aggregate == CM_AGGREGATE_COUNT ||
           p->arg->type.max_bytes <= CM_PLAN_MPC_TEXT_BYTES;
}

/* Combinations of the keys' values, 0 when a key has none to list or there are too many. */
static uint64_t domain_groups(const cm_grouping *g)
{
    uint64_t groups = 1;

    for (size_t i = 0; i < g->keys; i++) {
        const cm_expr *key = g->key[i].expr;
        if (key->type.kind == CM_TYPE_TEXT || key->type.kind == CM_TYPE_UNKNOWN) {
            return 0;
        }
        uint64_t values = cm_range_values(key->range, key->nullable);
        if (values > g->pl->settings.domain_max || groups * values > g->pl->settings.domain_max) {
            return 0;
        }
        groups *= values;
    }
    return groups;
}

bool cm_group_is_dense(const cm_grouping *g)
{
    const cm_part *from = g->b->from;

    if (!g->pl->settings.pushdown || from == NULL || from->kind != CM_FROM_RELATION) {
        return false;
    }
    const cm_relation *relation = &g->q->relation[from->rel];
    if (relation->derived != NULL || !cm_block_filters_pushed(g->b, from->rel) ||
        domain_groups(g) == 0) {
        return false;
    }
    for (size_t i = 0; i < g->keys; i++) {
        if (!cm_block_pushable(g->b, g->key[i].expr)) {
            return false;
        }
    }
    for (size_t t = 0; t < relation->tables; t++) {
        for (size_t i = 0; i < g->physicals; i++) {
            if (!cm_group_is_owners(g, &g->physical[i], relation->table[t],
                                    relation->tables == 1)) {
                return false;
            }
        }
    }
    return true;
}

static const cm_domain *domains(cm_grouping *g)
{
    cm_domain *domain = CM_NEW_SMALL(g->pl->arena, cm_domain, g->keys + 1);

    for (size_t i = 0; i < g->keys; i++) {
        domain[i] = (cm_domain){g->key[i].expr->range, g->key[i].expr->nullable};
    }
    return domain;
}

cm_status cm_group_owner_output(cm_grouping *g, const cm_physical *p, const cm_org_table *table,
                                const cm_expr **ret, cm_plan_col *ret_col)
{
    const cm_expr *arg = NULL;
    uint64_t rows = cm_plan_table_rows(table);
    cm_aggregate aggregate = p == NULL ? CM_AGGREGATE_COUNT : p->aggregate;
    cm_type type = p == NULL ? cm_plan_int8_type() : p->type;
    cm_status st = CM_OK;

    if (p != NULL) {
        st = cm_plan_fold_org(g->pl, p->arg, table, &arg);
    }
    if (st == CM_OK) {
        st = cm_expr_agg_new(g->pl->arena, aggregate, type, arg, p != NULL && p->on != NULL, NULL,
                             rows, 0, ret, g->pl->diag);
    }
    if (st != CM_OK) {
        return st;
    }
    const char *name = cm_group_physical_name(g, p);
    if (aggregate == CM_AGGREGATE_COUNT || aggregate == CM_AGGREGATE_SUM) {
        *ret_col = cm_col_number(name, type, (*ret)->range, false);
    } else if (type.kind == CM_TYPE_TEXT) {
        *ret_col = cm_col_text(name, type, type.max_bytes, true);
    } else { /* the same for all owners, whatever folding told about one of them */
        *ret_col = cm_col_number(name, type, p->arg->range, true);
    }
    return CM_OK;
}

static cm_status dense_input(cm_grouping *g, const cm_org_table *table, uint64_t groups,
                             const cm_domain *domain, cm_plan_node **ret)
{
    size_t cols = g->physicals + 1;
    cm_plan_node *node = cm_node_new(g->pl, CM_PLAN_INPUT, groups, cols);
    cm_fragment *f = CM_NEW_SMALL(g->pl->arena, cm_fragment, 1);
    const cm_expr **output = CM_NEW_SMALL(g->pl->arena, const cm_expr *, cols);
    const cm_expr **key = CM_NEW_SMALL(g->pl->arena, const cm_expr *, g->keys + 1);

    cm_status st = cm_block_fragment_filter(g->b, g->b->from->rel, table, &f->filter);
    for (size_t i = 0; st == CM_OK && i < g->keys; i++) {
        st = cm_plan_fold_org(g->pl, g->key[i].expr, table, &key[i]);
    }
    for (size_t i = 0; st == CM_OK && i < cols; i++) {
        st = cm_group_owner_output(g, i < g->physicals ? &g->physical[i] : NULL, table, &output[i],
                                   &cm_node_cols(node)[i]);
    }
    cm_plan_read_table(g->pl, table, f);
    f->outputs = cols;
    f->output = output;
    f->aggregated = true;
    f->keys = g->keys;
    f->key = key;
    f->domain = domain;
    node->fragment = f;
    *ret = node;
    return st;
}

static const char *key_name(const cm_grouping *g, size_t key)
{
    for (size_t i = 0; i < g->q->targets; i++) {
        if (cm_expr_equal(g->q->target[i].expr, g->key[key].expr)) {
            return g->q->target[i].name;
        }
    }
    return "key";
}

/* The hull of sums: what all owners' counts or sums may add up to. */
static cm_plan_col combined_column(cm_plan_node *const *input, size_t inputs, size_t col,
                                   cm_combine_kind kind)
{
    cm_plan_col ret = input[0]->col[col];
    cm_range range = ret.range;

    if (kind != CM_COMBINE_SUM) {
        return ret;
    }
    for (size_t i = 1; i < inputs; i++) {
        range.lo += input[i]->col[col].range.lo;
        range.hi += input[i]->col[col].range.hi;
    }
    return cm_col_number(ret.name, ret.type, range, false);
}

static cm_status split_sum(cm_grouping *g, cm_physical *p)
{
    const cm_expr *whole = p->arg, *divisor = cm_plan_int(g->pl, half);
    cm_physical low = *p;

    cm_status st = cm_plan_op_new(g->pl, CM_X_IDIV, whole->type, whole, divisor, &p->arg);
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_MOD, whole->type, whole, divisor, &low.arg);
    }
    p->low = (int)g->physicals;
    g->physical[g->physicals++] = low;
    return st;
}

cm_status cm_group_split_sums(cm_grouping *g)
{
    const cm_relation *relation = &g->q->relation[g->b->from->rel];
    size_t count = g->physicals;
    uint64_t most = 1;

    for (size_t t = 0; t < relation->tables; t++) {
        uint64_t rows = cm_plan_table_rows(relation->table[t]);
        most = rows > most ? rows : most;
    }
    for (size_t i = 0; i < count; i++) {
        cm_physical *p = &g->physical[i];
        if (p->aggregate == CM_AGGREGATE_SUM && !fits_int64(p->arg->range, most)) {
            cm_status st = split_sum(g, p);
            if (st != CM_OK) {
                return st;
            }
        }
    }
    return CM_OK;
}

/* high * 2^32 + low */
cm_status cm_group_sum(cm_grouping *g, const cm_physical *p, const cm_expr **ret)
{
    const cm_expr *high = cm_node_column(g->pl, g->node, p->col);

    *ret = high;
    if (p->low < 0) {
        return CM_OK;
    }
    const cm_expr *low = cm_node_column(g->pl, g->node, g->physical[p->low].col);
    cm_status st = cm_plan_op_new(g->pl, CM_X_MUL, p->type, high, cm_plan_int(g->pl, half), &high);
    return st != CM_OK ? st : cm_plan_op_new(g->pl, CM_X_ADD, p->type, high, low, ret);
}

cm_status cm_group_build_dense(cm_grouping *g)
{
    cm_status split = cm_group_split_sums(g);
    if (split != CM_OK) {
        return split;
    }
    const cm_relation *relation = &g->q->relation[g->b->from->rel];
    uint64_t groups = domain_groups(g);
    const cm_domain *domain = domains(g);
    size_t cols = g->keys + g->physicals + 1;
    cm_plan_node **input = CM_NEW_SMALL(g->pl->arena, cm_plan_node *, relation->tables);
    cm_plan_node *node = cm_node_new(g->pl, CM_PLAN_COMBINE, groups, cols);
    cm_combine_kind *combine = CM_NEW_SMALL(g->pl->arena, cm_combine_kind, cols);

    for (size_t t = 0; t < relation->tables; t++) {
        cm_status st = dense_input(g, relation->table[t], groups, domain, &input[t]);
        if (st != CM_OK) {
            return st;
        }
    }
    for (size_t i = 0; i < g->keys; i++) {
        combine[i] = CM_COMBINE_KEY;
        cm_node_cols(node)[i] = cm_col_number(key_name(g, i), g->key[i].expr->type, domain[i].range,
                                              domain[i].nullable);
        g->key[i].value_col = (unsigned)i;
    }
    for (size_t i = 0; i <= g->physicals; i++) {
        cm_physical *p = i < g->physicals ? &g->physical[i] : NULL;
        cm_combine_kind kind = p != NULL && p->aggregate == CM_AGGREGATE_MIN   ? CM_COMBINE_MIN
                               : p != NULL && p->aggregate == CM_AGGREGATE_MAX ? CM_COMBINE_MAX
                                                                               : CM_COMBINE_SUM;
        combine[g->keys + i] = kind;
        cm_node_cols(node)[g->keys + i] = combined_column(input, relation->tables, i, kind);
        if (p != NULL) {
            p->col = (unsigned)(g->keys + i);
        }
    }
    node->combine = combine;
    node->keys = g->keys;
    node->domain = domain;
    cm_node_children(g->pl, node, input, relation->tables);
    g->node = node;
    g->count_col = (unsigned)cols - 1;
    g->dense = true;
    return CM_OK;
}
