/*
 * Grouping.  SQL's aggregates are taken apart into physical ones (AVG is SUM and COUNT, FILTER is a
 * CASE), which either every owner computes over its own rows, densely over the public domain of the
 * keys, or a GROUP node computes under MPC.  HAVING, K and the targets are expressions over that
 * node's columns.
 */
#include "sql/plan_int.h"

#include <string.h>

typedef struct physical {
    cm_aggregate aggregate; /* never AVG */
    const cm_expr *arg;     /* over the query's relations */
    cm_type type;
    bool distinct;
    unsigned col; /* of the grouped node */
} physical;

typedef struct aggregate_use {
    const cm_expr *agg; /* as the query has it */
    int value, count;   /* physical; -1: count(*) */
} aggregate_use;

typedef struct group_key {
    const cm_expr *expr;
    bool value, digest; /* what is needed of it */
    unsigned value_col, digest_col;
} group_key;

typedef struct grouping {
    cm_block *b;
    cm_planner *pl;
    const cm_query *q;
    const cm_need *need;
    size_t needs;
    size_t keys;
    group_key *key;
    size_t physicals;
    physical *physical;
    size_t uses;
    aggregate_use *use;
    cm_plan_node *node;
    unsigned count_col;
    bool dense;
    bool two_distinct; /* columns with COUNT(DISTINCT ...) */
    bool failed;       /* while rewriting */
} grouping;

/* ---- what is needed ---- */

static int add_physical(grouping *g, cm_aggregate aggregate, const cm_expr *arg, cm_type type,
                        bool distinct)
{
    for (size_t i = 0; i < g->physicals; i++) {
        const physical *p = &g->physical[i];
        if (p->aggregate == aggregate && p->distinct == distinct && cm_expr_equal(p->arg, arg)) {
            return (int)i;
        }
    }
    for (size_t i = 0; i < g->physicals; i++) {
        g->two_distinct = g->two_distinct || (distinct && g->physical[i].distinct);
    }
    g->physical[g->physicals] = (physical){aggregate, arg, type, distinct, 0};
    return (int)g->physicals++;
}

/* CASE WHEN filter THEN value END */
static cm_status when(grouping *g, const cm_expr *filter, const cm_expr *value, const cm_expr **ret)
{
    const cm_expr *args[3] = {filter, value, cm_plan_null(g->pl, value->type)};

    if (filter == NULL) {
        *ret = value;
        return CM_OK;
    }
    return cm_expr_op_new(g->pl->arena, CM_X_CASE, value->type, args, 3, 0, 0, value->position, ret,
                          g->pl->diag);
}

/* Number of rows where arg is not NULL: count(*) when it never is. */
static cm_status count_of(grouping *g, const cm_expr *arg, const cm_expr *filter, int *ret)
{
    const cm_expr *counted = arg == NULL ? cm_plan_int(g->pl, 1) : arg;
    cm_status st = CM_OK;

    *ret = -1;
    if (filter == NULL && !counted->nullable) {
        return CM_OK;
    }
    if (counted->type.kind == CM_TYPE_TEXT) { /* one bit will do */
        st = cm_plan_op_new(g->pl, CM_X_EQ, cm_plan_bool_type(), counted, counted, &counted);
    }
    if (st == CM_OK) {
        st = when(g, filter, counted, &counted);
    }
    if (st == CM_OK) {
        *ret = add_physical(g, CM_AGGREGATE_COUNT, counted, cm_plan_int8_type(), false);
    }
    return st;
}

static cm_status add_count(grouping *g, aggregate_use *use)
{
    const cm_expr *agg = use->agg, *arg;

    if (!agg->distinct) {
        return count_of(g, agg->args == 0 ? NULL : agg->arg[0], agg->filter, &use->value);
    }
    cm_status st = when(g, agg->filter, agg->arg[0], &arg);
    if (st == CM_OK) {
        use->value = add_physical(g, CM_AGGREGATE_COUNT, arg, cm_plan_int8_type(), true);
    }
    return st;
}

static cm_status add_use(grouping *g, const cm_expr *agg)
{
    for (size_t i = 0; i < g->uses; i++) {
        if (cm_expr_equal(g->use[i].agg, agg)) {
            return CM_OK;
        }
    }
    aggregate_use *use = &g->use[g->uses++];
    *use = (aggregate_use){.agg = agg, .value = -1, .count = -1};
    if (agg->aggregate == CM_AGGREGATE_COUNT) {
        return add_count(g, use);
    }
    bool extreme = agg->aggregate == CM_AGGREGATE_MIN || agg->aggregate == CM_AGGREGATE_MAX;
    if (agg->distinct && !extreme) {
        return cm_plan_unsupported(g->pl, agg->position, "SUM or AVG of DISTINCT values",
                                   "Group by the value in a subquery first.");
    }
    const cm_expr *arg;
    cm_status st = when(g, agg->filter, agg->arg[0], &arg);
    if (st != CM_OK) {
        return st;
    }
    cm_type type = agg->type;
    if (agg->aggregate == CM_AGGREGATE_AVG) {
        type = (cm_type){.kind = CM_TYPE_NUMERIC};
    }
    type.scale = arg->type.scale; /* of the exact sum */
    use->value = add_physical(g, extreme ? agg->aggregate : CM_AGGREGATE_SUM, arg,
                              extreme ? arg->type : type, false);
    return extreme ? CM_OK : count_of(g, agg->arg[0], agg->filter, &use->count);
}

static int key_of(const grouping *g, const cm_expr *expr)
{
    for (size_t i = 0; i < g->keys; i++) {
        if (cm_expr_equal(g->key[i].expr, expr)) {
            return (int)i;
        }
    }
    return -1;
}

/* Keys and aggregates in an expression of the grouped query. */
static cm_status collect(grouping *g, const cm_expr *expr)
{
    int key = key_of(g, expr);

    if (key >= 0) {
        g->key[key].value = true;
        return CM_OK;
    }
    if (expr->op == CM_X_AGG) {
        return add_use(g, expr);
    }
    for (size_t i = 0; i < expr->args; i++) {
        cm_status st = collect(g, expr->arg[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static bool count_aggregate(const cm_expr *expr, void *arg)
{
    *(size_t *)arg += expr->op == CM_X_AGG;
    return true;
}

static cm_status collect_all(grouping *g)
{
    size_t most = 0;

    for (size_t i = 0; i < g->q->targets; i++) {
        (void)cm_expr_walk(g->q->target[i].expr, count_aggregate, &most);
    }
    if (g->q->having != NULL) {
        (void)cm_expr_walk(g->q->having, count_aggregate, &most);
    }
    g->use = CM_NEW_SMALL(g->pl->arena, aggregate_use, most + 1);
    g->physical = CM_NEW_SMALL(g->pl->arena, physical, 2 * most + 1);
    g->keys = g->q->groups;
    g->key = CM_NEW_SMALL(g->pl->arena, group_key, g->keys + 1);
    for (size_t i = 0; i < g->keys; i++) {
        g->key[i].expr = g->q->group[i];
    }
    for (size_t i = 0; i < g->needs; i++) {
        const cm_expr *expr = g->q->target[g->need[i].target].expr;
        int key = key_of(g, cm_expr_strip(expr));
        if (g->need[i].kind == CM_ENC_DIGEST && key >= 0) {
            g->key[key].digest = true;
            continue;
        }
        if (g->need[i].kind == CM_ENC_DIGEST) {
            return cm_plan_unsupported(g->pl, expr->position, "joining by a computed text", NULL);
        }
        cm_status st = collect(g, expr);
        if (st != CM_OK) {
            return st;
        }
    }
    cm_status st = g->q->having == NULL ? CM_OK : collect(g, g->q->having);
    if (st == CM_OK && g->two_distinct) {
        st = cm_plan_unsupported(g->pl, 0, "COUNT(DISTINCT ...) of two expressions in one query",
                                 "Ask in two queries.");
    }
    return st;
}

/* ---- dense: every owner aggregates its own rows ---- */

static bool fits_int64(cm_range range, uint64_t rows)
{
    const cm_i128 most = INT64_MAX / (cm_i128)rows;

    return range.lo >= -most && range.hi <= most;
}

static bool is_dense_physical(const physical *p, uint64_t rows)
{
    if (p->distinct || !cm_expr_pushable(p->arg)) {
        return false;
    }
    if (p->aggregate == CM_AGGREGATE_SUM) {
        return fits_int64(p->arg->range, rows);
    }
    return p->arg->type.kind != CM_TYPE_TEXT || p->aggregate == CM_AGGREGATE_COUNT ||
           p->arg->type.max_bytes <= CM_PLAN_MPC_TEXT_BYTES;
}

/* Combinations of the keys' values, 0 when a key has none to list or there are too many. */
static uint64_t domain_groups(const grouping *g)
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

static bool is_dense(const grouping *g)
{
    const cm_part *from = g->b->from;
    const cm_relation *relation = &g->q->relation[from->rel];

    if (!g->pl->settings.pushdown || from->kind != CM_FROM_RELATION || relation->derived != NULL ||
        !cm_block_filters_pushed(g->b, from->rel) || domain_groups(g) == 0) {
        return false;
    }
    for (size_t i = 0; i < g->keys; i++) {
        if (!cm_expr_pushable(g->key[i].expr)) {
            return false;
        }
    }
    for (size_t t = 0; t < relation->tables; t++) {
        for (size_t i = 0; i < g->physicals; i++) {
            if (!is_dense_physical(&g->physical[i], cm_plan_table_rows(relation->table[t]))) {
                return false;
            }
        }
    }
    return true;
}

static const char *physical_name(const physical *p)
{
    static const char *const names[] = {"count", "sum", "avg", "min", "max"};

    return names[p->aggregate];
}

static const cm_domain *domains(grouping *g)
{
    cm_domain *domain = CM_NEW_SMALL(g->pl->arena, cm_domain, g->keys + 1);

    for (size_t i = 0; i < g->keys; i++) {
        domain[i] = (cm_domain){g->key[i].expr->range, g->key[i].expr->nullable};
    }
    return domain;
}

/* One output of an owner's fragment and its column. */
static cm_status dense_output(grouping *g, const physical *p, const cm_org_table *table,
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
        st = cm_expr_agg_new(g->pl->arena, aggregate, type, arg, false, NULL, rows, 0, ret,
                             g->pl->diag);
    }
    if (st != CM_OK) {
        return st;
    }
    const char *name = p == NULL ? "count" : physical_name(p);
    if (aggregate == CM_AGGREGATE_COUNT || aggregate == CM_AGGREGATE_SUM) {
        *ret_col = cm_col_number(name, type, (*ret)->range, false);
    } else if (type.kind == CM_TYPE_TEXT) {
        *ret_col = cm_col_text(name, type, type.max_bytes, true);
    } else { /* the same for all owners, whatever folding told about one of them */
        *ret_col = cm_col_number(name, type, p->arg->range, true);
    }
    return CM_OK;
}

static cm_status dense_input(grouping *g, const cm_org_table *table, uint64_t groups,
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
        st = dense_output(g, i < g->physicals ? &g->physical[i] : NULL, table, &output[i],
                          &cm_node_cols(node)[i]);
    }
    f->table = table;
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

static const char *key_name(const grouping *g, size_t key)
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

static cm_status build_dense(grouping *g)
{
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
        physical *p = i < g->physicals ? &g->physical[i] : NULL;
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

/* ---- row by row under MPC ---- */

/* Columns that grouping reads, each once. */
typedef struct slots {
    const cm_expr **expr;
    cm_plan_col *col;
    size_t count;
} slots;

static size_t add_slot(slots *s, const cm_expr *expr, cm_plan_col col)
{
    for (size_t i = 0; i < s->count; i++) {
        if (cm_expr_equal(s->expr[i], expr)) {
            return i;
        }
    }
    s->expr[s->count] = expr;
    s->col[s->count] = col;
    return s->count++;
}

static bool is_text_expr(const cm_expr *expr)
{
    return expr->type.kind == CM_TYPE_TEXT || expr->type.kind == CM_TYPE_UNKNOWN;
}

/* How a text key is compared: long ones, and those that joins need so, by digest. */
static void choose_key_encoding(grouping *g, group_key *key)
{
    if (is_text_expr(key->expr) && cm_block_is_item(g->b, key->expr)) {
        bool is_long = key->expr->type.max_bytes > CM_PLAN_KEY_TEXT_BYTES ||
                       (!key->value && key->expr->type.max_bytes > CM_PLAN_DIGEST_PLANES / 8);
        key->digest = key->digest || is_long;
    } else {
        key->value = true;
    }
    if (!key->digest) {
        key->value = true;
    }
}

static bool by_digest(const physical *p)
{
    return p->distinct && is_text_expr(p->arg);
}

static cm_status use_rows(grouping *g)
{
    cm_status st = cm_block_use_from(g->b);

    for (size_t i = 0; st == CM_OK && i < g->keys; i++) {
        group_key *key = &g->key[i];
        choose_key_encoding(g, key);
        if (key->digest && !cm_block_is_item(g->b, key->expr)) {
            return cm_plan_unsupported(g->pl, key->expr->position, "joining by a computed text",
                                       NULL);
        }
        if (key->digest) {
            (void)cm_block_use_item(g->b, key->expr, CM_ENC_DIGEST, 1);
        }
        if (key->value) {
            st = cm_block_use(g->b, key->expr, 1);
        }
    }
    for (size_t i = 0; st == CM_OK && i < g->physicals; i++) {
        const physical *p = &g->physical[i];
        if (!by_digest(p)) {
            st = cm_block_use(g->b, p->arg, 1);
        } else if (cm_block_is_item(g->b, p->arg)) {
            (void)cm_block_use_item(g->b, p->arg, CM_ENC_DIGEST, 1);
        } else {
            st = cm_plan_unsupported(g->pl, p->arg->position, "COUNT(DISTINCT) of a computed text",
                                     NULL);
        }
    }
    return st;
}

static cm_status slot_of(grouping *g, slots *s, const cm_flow *flow, const cm_expr *expr,
                         bool digest, size_t *ret)
{
    const cm_expr *resolved;
    cm_plan_col col;
    cm_status st = CM_OK;

    if (digest) {
        int at = cm_flow_column(flow, cm_block_use_item(g->b, expr, CM_ENC_DIGEST, 0));
        CM_ASSERT(at >= 0);
        resolved = cm_node_column(g->pl, flow->node, (size_t)at);
    } else {
        st = cm_flow_resolve(g->b, flow, expr, &resolved);
    }
    if (st == CM_OK) {
        const char *name =
            resolved->op == CM_X_COLUMN ? flow->node->col[resolved->index].name : "expression";
        st = cm_col_of_expr(g->pl, name, resolved, flow->node, &col);
    }
    if (st == CM_OK) {
        *ret = add_slot(s, resolved, col);
    }
    return st;
}

typedef struct row_slots {
    slots s;
    size_t *key, *any, *arg; /* per key; per key by digest with its value needed; per physical */
} row_slots;

static cm_status list_slots(grouping *g, const cm_flow *flow, row_slots *r)
{
    size_t most = 2 * g->keys + g->physicals + 2;
    cm_status st = CM_OK;

    r->s.expr = CM_NEW_SMALL(g->pl->arena, const cm_expr *, most);
    r->s.col = CM_NEW_SMALL(g->pl->arena, cm_plan_col, most);
    r->key = CM_NEW_SMALL(g->pl->arena, size_t, g->keys + 1);
    r->any = CM_NEW_SMALL(g->pl->arena, size_t, g->keys + 1);
    r->arg = CM_NEW_SMALL(g->pl->arena, size_t, g->physicals + 1);
    for (size_t i = 0; st == CM_OK && i < g->keys; i++) {
        const group_key *key = &g->key[i];
        st = slot_of(g, &r->s, flow, key->expr, key->digest, &r->key[i]);
        if (st == CM_OK && key->digest && key->value) {
            st = slot_of(g, &r->s, flow, key->expr, false, &r->any[i]);
        }
    }
    for (size_t i = 0; st == CM_OK && i < g->physicals; i++) {
        const physical *p = &g->physical[i];
        st = slot_of(g, &r->s, flow, p->arg, by_digest(p), &r->arg[i]);
    }
    return st;
}

/* The node that the GROUP node reads; slots become its column numbers. */
static cm_plan_node *project_slots(grouping *g, cm_plan_node *node, row_slots *r)
{
    bool bare = true;

    for (size_t i = 0; i < r->s.count; i++) {
        bare = bare && r->s.expr[i]->op == CM_X_COLUMN;
    }
    if (!bare) {
        return cm_node_project(g->pl, node, r->s.expr, r->s.col, r->s.count);
    }
    for (size_t i = 0; i < g->keys; i++) {
        r->key[i] = r->s.expr[r->key[i]]->index;
        if (g->key[i].digest && g->key[i].value) {
            r->any[i] = r->s.expr[r->any[i]]->index;
        }
    }
    for (size_t i = 0; i < g->physicals; i++) {
        r->arg[i] = r->s.expr[r->arg[i]]->index;
    }
    return node;
}

/* Column of an aggregate over a column of so many rows. */
static cm_status aggregate_column(grouping *g, const physical *p, const cm_plan_col *from,
                                  uint64_t rows, cm_plan_col *ret)
{
    const char *name = physical_name(p);
    const cm_expr *sum, *column;

    if (p->aggregate == CM_AGGREGATE_COUNT) {
        *ret = cm_col_number(name, p->type, (cm_range){0, (cm_i128)rows}, false);
        return CM_OK;
    }
    if (p->aggregate != CM_AGGREGATE_SUM) {
        if (from->enc.planes > 8 * CM_PLAN_MPC_TEXT_BYTES) {
            return cm_plan_unsupported(g->pl, p->arg->position,
                                       "MIN or MAX of text of more than 64 bytes",
                                       "Declare varchar(n), or OPTIONS (max_bytes 'n').");
        }
        *ret = *from;
        ret->name = name;
        ret->enc.nullable = true;
        return CM_OK;
    }
    column = cm_expr_column(g->pl->arena, 0, 0, from->type, from->enc.nullable, from->range,
                            p->arg->position);
    cm_status st = cm_expr_agg_new(g->pl->arena, CM_AGGREGATE_SUM, p->type, column, false, NULL,
                                   rows, p->arg->position, &sum, g->pl->diag);
    if (st == CM_OK) {
        *ret = cm_col_number(name, p->type, sum->range, g->keys == 0 || from->enc.nullable);
    }
    return st;
}

static uint64_t groups_bound(const cm_plan_node *child, const unsigned *key, size_t keys)
{
    uint64_t groups = 1;

    for (size_t i = 0; i < keys; i++) {
        uint64_t values = cm_col_values(&child->col[key[i]]);
        if (values >= child->rows || groups * values >= child->rows) {
            return child->rows;
        }
        groups *= values;
    }
    return groups;
}

/* Fills aggregates and their columns behind the keys'. */
static cm_status add_aggregates(grouping *g, cm_plan_node *node, const cm_plan_node *child,
                                const row_slots *r)
{
    cm_plan_agg *agg = CM_NEW_SMALL(g->pl->arena, cm_plan_agg, g->physicals + g->keys + 1);
    cm_plan_col *col = cm_node_cols(node) + node->keys;
    size_t aggs = 0;

    for (size_t i = 0; i < g->physicals; i++) {
        physical *p = &g->physical[i];
        cm_status st = aggregate_column(g, p, &child->col[r->arg[i]], child->rows, &col[aggs]);
        if (st != CM_OK) {
            return st;
        }
        p->col = (unsigned)(node->keys + aggs);
        agg[aggs++] = (cm_plan_agg){
            .aggregate = p->aggregate, .col = (int)r->arg[i], .distinct = p->distinct};
    }
    for (size_t i = 0; i < g->keys; i++) {
        if (g->key[i].digest && g->key[i].value) {
            col[aggs] = child->col[r->any[i]];
            g->key[i].value_col = (unsigned)(node->keys + aggs);
            agg[aggs++] =
                (cm_plan_agg){.aggregate = CM_AGGREGATE_MIN, .col = (int)r->any[i], .any = true};
        }
    }
    col[aggs] =
        cm_col_number("count", cm_plan_int8_type(), (cm_range){0, (cm_i128)child->rows}, false);
    node->agg = agg;
    node->aggs = aggs;
    node->cols = node->keys + aggs + 1;
    g->count_col = (unsigned)node->cols - 1;
    return CM_OK;
}

static bool needs_sort(const grouping *g)
{
    for (size_t i = 0; i < g->physicals; i++) {
        if (g->physical[i].distinct) {
            return true;
        }
    }
    for (size_t i = 0; i < g->keys; i++) {
        if (is_text_expr(g->key[i].expr)) {
            return true;
        }
    }
    return false;
}

/* By the public list of the keys' values when that is cheaper than sorting. */
static void choose_algorithm(grouping *g, cm_plan_node *node, const cm_plan_node *child)
{
    uint64_t groups = 1;
    cm_domain *domain = CM_NEW_SMALL(g->pl->arena, cm_domain, g->keys + 1);

    if (needs_sort(g)) {
        return;
    }
    for (size_t i = 0; i < g->keys; i++) {
        const cm_plan_col *col = &child->col[node->key[i]];
        uint64_t values = cm_col_values(col);
        if (values > CM_PLAN_DOMAIN_GROUPS || groups * values > CM_PLAN_DOMAIN_GROUPS) {
            return;
        }
        groups *= values;
        domain[i] = (cm_domain){col->range, col->enc.nullable};
    }
    cm_plan_node by_domain = *node;
    by_domain.op = CM_PLAN_GROUP_DOMAIN;
    by_domain.rows = groups;
    by_domain.domain = domain;
    if (cm_plan_cost_group(&by_domain, &g->pl->settings) <=
        cm_plan_cost_group(node, &g->pl->settings)) {
        *node = by_domain;
    }
}

static cm_status group_rows(grouping *g, cm_plan_node *child, const row_slots *r)
{
    size_t most = 2 * g->keys + g->physicals + 1;
    unsigned *key = CM_NEW_SMALL(g->pl->arena, unsigned, g->keys + 1);
    cm_plan_node *node =
        cm_node_new(g->pl, g->keys == 0 ? CM_PLAN_AGGREGATE : CM_PLAN_GROUP_SORT, 1, most);

    node->keys = g->keys;
    node->key = key;
    for (size_t i = 0; i < g->keys; i++) {
        key[i] = (unsigned)r->key[i];
        cm_node_cols(node)[i] = child->col[key[i]];
        g->key[i].value_col = g->key[i].digest_col = (unsigned)i;
    }
    cm_status st = add_aggregates(g, node, child, r);
    if (st != CM_OK) {
        return st;
    }
    cm_node_children(g->pl, node, &child, 1);
    if (g->keys > 0) {
        node->rows = groups_bound(child, key, g->keys);
        choose_algorithm(g, node, child);
    }
    g->node = node;
    return CM_OK;
}

/*
 * Aggregates over all rows with a DISTINCT among them: sorted as one group of a constant key, and
 * then added up, because no rows make no group but one row of result.
 */
static cm_status group_all_by_sort(grouping *g, cm_plan_node *child, const row_slots *r)
{
    size_t n = r->s.count;
    const cm_expr **exprs = CM_NEW_SMALL(g->pl->arena, const cm_expr *, n + 1);
    cm_plan_col *cols = CM_NEW_SMALL(g->pl->arena, cm_plan_col, n + 1);
    unsigned *key = CM_NEW_SMALL(g->pl->arena, unsigned, 1);

    for (size_t i = 0; i < n; i++) {
        exprs[i] = r->s.expr[i];
        cols[i] = r->s.col[i];
    }
    exprs[n] = cm_plan_int(g->pl, 0);
    cols[n] = cm_col_number("zero", cm_plan_int8_type(), (cm_range){0, 0}, false);
    child = cm_node_project(g->pl, child, exprs, cols, n + 1);
    key[0] = (unsigned)n;

    cm_plan_node *sorted = cm_node_new(g->pl, CM_PLAN_GROUP_SORT, 1, g->physicals + 2);
    sorted->keys = 1;
    sorted->key = key;
    cm_node_cols(sorted)[0] = cols[n];
    cm_status st = add_aggregates(g, sorted, child, r);
    if (st != CM_OK) {
        return st;
    }
    cm_node_children(g->pl, sorted, &child, 1);

    size_t aggs = g->physicals + 1; /* the last one sums count(*) */
    cm_plan_node *node = cm_node_new(g->pl, CM_PLAN_AGGREGATE, 1, aggs + 1);
    cm_plan_agg *agg = CM_NEW_SMALL(g->pl->arena, cm_plan_agg, aggs);
    for (size_t i = 0; i < aggs; i++) {
        const physical *p = i < g->physicals ? &g->physical[i] : NULL;
        bool extreme =
            p != NULL && (p->aggregate == CM_AGGREGATE_MIN || p->aggregate == CM_AGGREGATE_MAX);
        agg[i] = (cm_plan_agg){.aggregate = extreme ? p->aggregate : CM_AGGREGATE_SUM,
                               .col = (int)(1 + i)};
        cm_node_cols(node)[i] = sorted->col[1 + i];
        if (p != NULL) {
            g->physical[i].col = (unsigned)i;
        }
    }
    cm_node_cols(node)[aggs] = cm_col_number("count", cm_plan_int8_type(), (cm_range){0, 1}, false);
    node->agg = agg;
    node->aggs = aggs;
    cm_node_children(g->pl, node, &sorted, 1);
    g->node = node;
    g->count_col = (unsigned)aggs - 1;
    return CM_OK;
}

static cm_status build_rows(grouping *g)
{
    cm_flow flow;
    row_slots r;
    cm_status st = use_rows(g);

    if (st == CM_OK) {
        st = cm_block_build_from(g->b, &flow);
    }
    if (st == CM_OK) {
        st = list_slots(g, &flow, &r);
    }
    if (st != CM_OK) {
        return st;
    }
    if (g->keys == 0 && needs_sort(g)) {
        return group_all_by_sort(g, flow.node, &r);
    }
    cm_plan_node *child = project_slots(g, flow.node, &r);
    return group_rows(g, child, &r);
}

/* ---- targets over the grouped node ---- */

static cm_status positive_count(grouping *g, const aggregate_use *use, const cm_expr **ret)
{
    size_t col = use->count < 0 ? g->count_col : g->physical[use->count].col;

    *ret = cm_node_column(g->pl, g->node, col);
    return CM_OK;
}

/* Owners' sums are 0 where nothing was added: that is NULL unless every group adds something. */
static cm_status null_when_empty(grouping *g, const aggregate_use *use, const cm_expr *value,
                                 const cm_expr **ret)
{
    const cm_expr *count, *condition;

    if (!g->dense || (g->keys > 0 && use->count < 0)) {
        *ret = value;
        return CM_OK;
    }
    cm_status st = positive_count(g, use, &count);
    if (st == CM_OK) {
        st = cm_plan_op_new(g->pl, CM_X_GT, cm_plan_bool_type(), count, cm_plan_int(g->pl, 0),
                            &condition);
    }
    return st != CM_OK ? st : when(g, condition, value, ret);
}

static cm_status rescale(grouping *g, const cm_expr *value, cm_type type, const cm_expr **ret)
{
    if (value->type.scale == type.scale) {
        *ret = value;
        return CM_OK;
    }
    return cm_plan_op_new(g->pl, CM_X_RESCALE, type, value, NULL, ret);
}

/* Most digits after the point, up to `most`, with which the dividend fits 126 bits; -1: none. */
static int quotient_digits(cm_range dividend, int scale, int most)
{
    const cm_i128 limit = ((cm_i128)1 << 126) - 1;
    cm_i128 magnitude = -dividend.lo > dividend.hi ? -dividend.lo : dividend.hi;
    int digits = scale - 1;

    while (digits < most && magnitude <= limit) {
        digits++;
        if (magnitude > limit / 10) {
            break;
        }
        magnitude *= 10;
    }
    return digits;
}

/*
 * SUM / COUNT at the digits that the binder promised.  With less room for the dividend the quotient
 * has fewer; never fewer than 6, or than what was summed has.
 */
static cm_status average(grouping *g, const aggregate_use *use, const cm_expr **ret)
{
    const cm_expr *sum = cm_node_column(g->pl, g->node, g->physical[use->value].col), *count;
    int from = sum->type.scale, want = use->agg->type.scale;
    int least = want < CM_PLAN_QUOTIENT_DIGITS ? want : CM_PLAN_QUOTIENT_DIGITS;
    int digits = quotient_digits(sum->range, from, want < from ? from : want);
    cm_type type = use->agg->type;

    type.scale = digits;
    type.quotient = true;

    if (digits < least || digits < from) {
        if (g->pl->diag != NULL && g->pl->diag->status == CM_OK) {
            g->pl->diag->position = use->agg->position;
        }
        cm_status st =
            cm_fail(g->pl->diag, CM_ERANGE, CM_SQL_RANGE, "average may need more than 126 bits");
        cm_diag_hint(g->pl->diag, "Declare the column's real range with CHECK (column BETWEEN low "
                                  "AND high).");
        return st;
    }
    cm_status st = positive_count(g, use, &count);
    if (st == CM_OK) { /* no row divides by zero: without any the sum is NULL */
        st =
            cm_plan_op_new(g->pl, CM_X_GREATEST, count->type, count, cm_plan_int(g->pl, 1), &count);
    }
    const cm_expr *args[2] = {sum, count}, *quotient;
    if (st == CM_OK) {
        st = cm_expr_op_new(g->pl->arena, CM_X_QUOT, type, args, 2, 0, digits - from,
                            use->agg->position, &quotient, g->pl->diag);
    }
    if (st == CM_OK) {
        st = rescale(g, quotient, use->agg->type, &quotient);
    }
    return st != CM_OK ? st : null_when_empty(g, use, quotient, ret);
}

static cm_status value_of(grouping *g, const aggregate_use *use, const cm_expr **ret)
{
    size_t col = use->value < 0 ? g->count_col : g->physical[use->value].col;
    const cm_expr *value = cm_node_column(g->pl, g->node, col);

    if (use->agg->aggregate == CM_AGGREGATE_AVG) {
        return average(g, use, ret);
    }
    if (use->agg->aggregate == CM_AGGREGATE_SUM) {
        cm_status st = rescale(g, value, use->agg->type, &value);
        return st != CM_OK ? st : null_when_empty(g, use, value, ret);
    }
    *ret = value;
    return CM_OK;
}

static const cm_expr *replace(const cm_expr *expr, void *arg)
{
    grouping *g = arg;
    int key = key_of(g, expr);
    const cm_expr *ret = expr;

    if (g->failed) {
        return expr;
    }
    if (key >= 0) {
        return cm_node_column(g->pl, g->node, g->key[key].value_col);
    }
    if (expr->op == CM_X_AGG) {
        for (size_t i = 0; i < g->uses; i++) {
            if (cm_expr_equal(g->use[i].agg, expr)) {
                g->failed = value_of(g, &g->use[i], &ret) != CM_OK;
                return g->failed ? expr : ret;
            }
        }
        CM_ASSERT(false && "collected before");
    }
    if (expr->op == CM_X_COLUMN) {
        cm_status st = cm_fail(g->pl->diag, CM_EINVAL, CM_SQL_GROUPING,
                               "column must appear in the GROUP BY clause or be used in an "
                               "aggregate function");
        g->failed = st != CM_OK;
        return expr;
    }
    return NULL;
}

static cm_status over_node(grouping *g, const cm_expr *expr, const cm_expr **ret)
{
    cm_status st = cm_expr_rewrite(g->pl->arena, expr, replace, g, ret, g->pl->diag);

    if (g->failed) {
        return g->pl->diag != NULL ? g->pl->diag->status : CM_ERANGE;
    }
    return st;
}

/* K, groups without rows, and HAVING. */
static cm_status filter_groups(grouping *g)
{
    uint64_t least = g->b->visible ? g->pl->min_rows : 0;
    cm_exprs conditions = {0};
    const cm_expr *expr;
    cm_status st = CM_OK;

    if (g->dense && g->keys > 0 && least == 0) {
        least = 1;
    }
    if (least > 1 || (least == 1 && (g->dense || g->keys == 0))) {
        st = cm_plan_op_new(g->pl, CM_X_GE, cm_plan_bool_type(),
                            cm_node_column(g->pl, g->node, g->count_col),
                            cm_plan_int(g->pl, (cm_i128)least), &expr);
        if (st != CM_OK) {
            return st;
        }
        cm_exprs_add(g->pl->arena, &conditions, expr);
    }
    if (g->q->having != NULL) {
        st = over_node(g, g->q->having, &expr);
        if (st != CM_OK) {
            return st;
        }
        cm_expr_conjuncts(g->pl, expr, &conditions);
    }
    if (conditions.count > 0) {
        g->node = cm_node_filter(g->pl, g->node, cm_plan_and(g->pl, &conditions));
    }
    return CM_OK;
}

/* The targets that are the keys make a row of the result unique. */
static void find_uniques(grouping *g, cm_planned *ret)
{
    unsigned *col = CM_NEW_SMALL(g->pl->arena, unsigned, g->keys + 1);
    unsigned *rel = CM_NEW_SMALL(g->pl->arena, unsigned, g->keys + 1);

    for (size_t k = 0; k < g->keys; k++) {
        size_t t = 0;
        while (t < g->q->targets &&
               (g->q->target[t].hidden || !cm_expr_equal(g->q->target[t].expr, g->key[k].expr))) {
            t++;
        }
        if (t == g->q->targets) {
            return;
        }
        col[k] = (unsigned)t;
    }
    ret->unique = CM_NEW_SMALL(g->pl->arena, cm_unique, 1);
    ret->unique[0] = (cm_unique){.cols = g->keys, .rel = rel, .col = col};
    ret->uniques = 1;
}

/* A row's place says which group it is of: nothing new when the keys are shown. */
static bool shows_keys(const grouping *g)
{
    for (size_t k = 0; k < g->keys; k++) {
        bool shown = false;
        for (size_t i = 0; i < g->needs; i++) {
            const cm_target *target = &g->q->target[g->need[i].target];
            shown = shown || (!target->hidden && cm_expr_equal(target->expr, g->key[k].expr));
        }
        if (!shown) {
            return false;
        }
    }
    return true;
}

cm_status cm_block_group(cm_block *b, const cm_need *need, size_t needs, cm_planned *ret)
{
    grouping g = {.b = b, .pl = b->pl, .q = b->query, .need = need, .needs = needs};
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, needs + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, needs + 1);

    cm_status st = collect_all(&g);
    if (st == CM_OK) {
        st = is_dense(&g) ? build_dense(&g) : build_rows(&g);
    }
    if (st != CM_OK) {
        return st;
    }
    *ret = (cm_planned){0};
    ret->positions_public =
        g.node->rows == 1 || (g.node->op != CM_PLAN_GROUP_SORT && shows_keys(&g));
    st = filter_groups(&g);
    for (size_t i = 0; st == CM_OK && i < needs; i++) {
        const cm_target *target = &b->query->target[need[i].target];
        if (need[i].kind == CM_ENC_DIGEST) {
            int key = key_of(&g, cm_expr_strip(target->expr));
            exprs[i] = cm_node_column(b->pl, g.node, g.key[key].digest_col);
        } else {
            st = over_node(&g, target->expr, &exprs[i]);
        }
        if (st == CM_OK) {
            st = cm_col_of_expr(b->pl, target->name, exprs[i], g.node, &cols[i]);
        }
    }
    if (st != CM_OK) {
        return st;
    }
    ret->node = cm_node_project(b->pl, g.node, exprs, cols, needs);
    ret->col = CM_NEW_SMALL(b->pl->arena, unsigned, needs + 1);
    for (size_t i = 0; i < needs; i++) {
        ret->col[i] = (unsigned)i;
    }
    find_uniques(&g, ret);
    return CM_OK;
}
