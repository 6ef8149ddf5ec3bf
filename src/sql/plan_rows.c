/* Grouping of secret rows: by sort, or by the public list of the keys' values. */
#include "sql/plan_group.h"
#include "sql/sql_int.h"

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

/* How a text key is compared: long ones, and those that joins need so, by digest. */
static void choose_key_encoding(cm_grouping *g, cm_group_key *key)
{
    if (cm_expr_is_text(key->expr) && cm_block_is_item(g->b, key->expr)) {
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

static bool by_digest(const cm_physical *p)
{
    return p->on != NULL && cm_expr_is_text(p->on);
}

static cm_status use_rows(cm_grouping *g)
{
    cm_status st = cm_block_use_from(g->b);

    for (size_t i = 0; st == CM_OK && i < g->keys; i++) {
        cm_group_key *key = &g->key[i];
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
        const cm_physical *p = &g->physical[i];
        if (!by_digest(p)) {
            st = cm_block_use(g->b, p->arg, 1);
            if (st == CM_OK && p->on != NULL) {
                st = cm_block_use(g->b, p->on, 1);
            }
        } else if (cm_block_is_item(g->b, p->arg)) {
            (void)cm_block_use_item(g->b, p->arg, CM_ENC_DIGEST, 1);
        } else {
            st = cm_plan_unsupported(g->pl, p->arg->position, "COUNT(DISTINCT) of a computed text",
                                     NULL);
        }
    }
    return st;
}

static cm_status slot_of(cm_grouping *g, slots *s, const cm_flow *flow, const cm_expr *expr,
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
    size_t *key, *any; /* per key; per key by digest with its value needed */
    size_t *arg, *on;  /* per cm_physical */
} row_slots;

static cm_status list_slots(cm_grouping *g, const cm_flow *flow, row_slots *r)
{
    size_t most = 2 * g->keys + 2 * g->physicals + 2;
    cm_status st = CM_OK;

    r->s.expr = CM_NEW_SMALL(g->pl->arena, const cm_expr *, most);
    r->s.col = CM_NEW_SMALL(g->pl->arena, cm_plan_col, most);
    r->key = CM_NEW_SMALL(g->pl->arena, size_t, g->keys + 1);
    r->any = CM_NEW_SMALL(g->pl->arena, size_t, g->keys + 1);
    r->arg = CM_NEW_SMALL(g->pl->arena, size_t, g->physicals + 1);
    r->on = CM_NEW_SMALL(g->pl->arena, size_t, g->physicals + 1);
    for (size_t i = 0; st == CM_OK && i < g->keys; i++) {
        const cm_group_key *key = &g->key[i];
        st = slot_of(g, &r->s, flow, key->expr, key->digest, &r->key[i]);
        if (st == CM_OK && key->digest && key->value) {
            st = slot_of(g, &r->s, flow, key->expr, false, &r->any[i]);
        }
    }
    for (size_t i = 0; st == CM_OK && i < g->physicals; i++) {
        const cm_physical *p = &g->physical[i];
        st = slot_of(g, &r->s, flow, p->arg, by_digest(p), &r->arg[i]);
        if (st == CM_OK && p->on != NULL) {
            st = slot_of(g, &r->s, flow, p->on, by_digest(p), &r->on[i]);
        }
    }
    return st;
}

/* The node that the GROUP node reads; slots become its column numbers. */
static cm_plan_node *project_slots(cm_grouping *g, cm_plan_node *node, row_slots *r)
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
        r->on[i] = g->physical[i].on == NULL ? 0 : r->s.expr[r->on[i]]->index;
    }
    return node;
}

/* Column of an aggregate over a column of so many rows. */
static cm_status aggregate_column(cm_grouping *g, const cm_physical *p, const cm_plan_col *from,
                                  uint64_t rows, cm_plan_col *ret)
{
    const char *name = cm_group_physical_name(g, p);
    const cm_expr *sum, *column;

    if (p->aggregate == CM_AGGREGATE_COUNT) {
        *ret = cm_col_number(name, p->type, (cm_range){0, (cm_i128)rows}, false);
        return CM_OK;
    }
    if (p->aggregate == CM_AGGREGATE_PERCENTILE_REST && !p->marked) {
        *ret = cm_col_number(name, p->type, (cm_range){0, cm_pow10(p->of->shift) - 1}, true);
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

/* Rows that a set of relations can combine to; NULL where an outer join found no row is one more.
 */
static uint64_t rows_of(const cm_block *b, uint64_t rels, uint64_t most)
{
    uint64_t ret = 1;

    for (unsigned rel = 0; rel < b->query->relations; rel++) {
        const cm_relation *relation = &b->query->relation[rel];
        uint64_t rows = b->outer[rel];
        if ((rels >> rel & 1) == 0) {
            continue;
        }
        for (size_t t = 0; t < relation->tables; t++) {
            rows += cm_plan_table_rows(relation->table[t]);
        }
        if (relation->applies > 0) {
            rows = most;
        }
        if (relation->derived != NULL) {
            rows += b->derived[rel].node->rows;
        }
        ret = cm_times_most(ret, rows, most);
    }
    return ret;
}

/* Not more groups than rows, than values of the keys, or than rows that the keys come from. */
static uint64_t groups_bound(const cm_grouping *g, const cm_plan_node *child, const unsigned *key)
{
    uint64_t groups = 1, rels = 0;

    for (size_t i = 0; i < g->keys; i++) {
        uint64_t own = cm_expr_rels(g->key[i].expr), values = 1;
        if (own == 0 || (own & rels) != 0) { /* a constant, or counted with an earlier key */
            continue;
        }
        for (size_t j = i; j < g->keys; j++) {
            uint64_t other = cm_expr_rels(g->key[j].expr);
            own |= (other & own) != 0 ? other : 0;
        }
        for (size_t j = 0; j < g->keys; j++) {
            if ((cm_expr_rels(g->key[j].expr) & own) != 0) {
                values = cm_times_most(values, cm_col_values(&child->col[key[j]]), child->rows);
            }
        }
        uint64_t rows = rows_of(g->b, own, child->rows);
        groups = cm_times_most(groups, rows < values ? rows : values, child->rows);
        rels |= own;
    }
    return groups;
}

/* Whether sorting by the value is how it is found. */
static bool by_sort(const cm_physical *p)
{
    return (p->on != NULL || p->of != NULL) && !p->marked;
}

/* What was marked has one value a group. */
static cm_plan_agg plan_agg(const cm_physical *p, size_t col)
{
    cm_plan_agg agg = {.aggregate = p->aggregate, .col = (int)col};

    agg.distinct = p->on != NULL && !p->marked;
    if (p->of != NULL && p->marked) {
        agg.aggregate = CM_AGGREGATE_MAX;
    } else if (p->of != NULL) {
        agg.num = p->of->index;
        agg.den = (uint64_t)cm_pow10(p->of->shift);
        agg.descending = p->of->descending;
    }
    return agg;
}

/* Fills aggregates and their columns behind the keys'. */
static cm_status add_aggregates(cm_grouping *g, cm_plan_node *node, const cm_plan_node *child,
                                const row_slots *r)
{
    cm_plan_agg *agg = CM_NEW_SMALL(g->pl->arena, cm_plan_agg, g->physicals + g->keys + 1);
    cm_plan_col *col = cm_node_cols(node) + node->keys;
    size_t aggs = 0;

    for (size_t i = 0; i < g->physicals; i++) {
        cm_physical *p = &g->physical[i];
        cm_status st = aggregate_column(g, p, &child->col[r->arg[i]], child->rows, &col[aggs]);
        if (st != CM_OK) {
            return st;
        }
        p->col = (unsigned)(node->keys + aggs);
        agg[aggs++] = plan_agg(p, r->arg[i]);
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
        cm_col_number("count(*)", cm_plan_int8_type(), (cm_range){0, (cm_i128)child->rows}, false);
    node->agg = agg;
    node->aggs = aggs;
    node->cols = node->keys + aggs + 1;
    g->count_col = (unsigned)node->cols - 1;
    return CM_OK;
}

static bool needs_sort(const cm_grouping *g)
{
    for (size_t i = 0; i < g->physicals; i++) {
        if (by_sort(&g->physical[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < g->keys; i++) {
        if (cm_expr_is_text(g->key[i].expr)) {
            return true;
        }
    }
    return false;
}

/* By the public list of the keys' values when that is cheaper than sorting. */
static void choose_algorithm(cm_grouping *g, cm_plan_node *node, const cm_plan_node *child)
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

static cm_status group_rows(cm_grouping *g, cm_plan_node *child, const row_slots *r)
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
        node->rows = groups_bound(g, child, key);
        choose_algorithm(g, node, child);
    }
    g->node = node;
    return CM_OK;
}

/*
 * Aggregates over all rows with a DISTINCT among them: sorted as one group of a constant key, and
 * then added up, because no rows make no group but one row of result.
 */
static cm_status group_all_by_sort(cm_grouping *g, cm_plan_node *child, const row_slots *r)
{
    size_t n = child->cols;
    const cm_expr **exprs = CM_NEW_SMALL(g->pl->arena, const cm_expr *, n + 1);
    cm_plan_col *cols = CM_NEW_SMALL(g->pl->arena, cm_plan_col, n + 1);
    unsigned *key = CM_NEW_SMALL(g->pl->arena, unsigned, 1);

    for (size_t i = 0; i < n; i++) {
        exprs[i] = cm_node_column(g->pl, child, i);
        cols[i] = child->col[i];
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
        const cm_physical *p = i < g->physicals ? &g->physical[i] : NULL;
        bool extreme =
            p != NULL && (p->aggregate == CM_AGGREGATE_MIN || p->aggregate == CM_AGGREGATE_MAX);
        bool one = p != NULL && p->of != NULL; /* of the one group that there may be */
        agg[i] = (cm_plan_agg){.aggregate = extreme ? p->aggregate
                                            : one   ? CM_AGGREGATE_MAX
                                                    : CM_AGGREGATE_SUM,
                               .col = (int)(1 + i)};
        cm_node_cols(node)[i] = sorted->col[1 + i];
        if (p != NULL) {
            g->physical[i].col = (unsigned)i;
        }
    }
    cm_node_cols(node)[aggs] =
        cm_col_number("count(*)", cm_plan_int8_type(), (cm_range){0, 1}, false);
    node->agg = agg;
    node->aggs = aggs;
    cm_node_children(g->pl, node, &sorted, 1);
    g->node = node;
    g->count_col = (unsigned)aggs - 1;
    return CM_OK;
}

cm_status cm_group_build_rows(cm_grouping *g)
{
    cm_flow flow;
    row_slots r = {0};
    cm_status st = cm_group_fold(g);

    if (st == CM_OK) {
        st = use_rows(g);
    }
    if (st == CM_OK) {
        st = cm_block_build_from(g->b, &flow);
    }
    if (st == CM_OK) {
        st = list_slots(g, &flow, &r);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_plan_node *child = project_slots(g, flow.node, &r);
    const cm_group_cols cols = {r.key, r.on, r.arg};
    cm_group_choose_marked(g, &cols);
    st = cm_group_mark(g, &child, &cols);
    if (st != CM_OK) {
        return st;
    }
    st = g->keys == 0 && needs_sort(g) ? group_all_by_sort(g, child, &r) : group_rows(g, child, &r);
    if (st == CM_OK && g->pairs >= 0) {
        g->count_col = g->physical[g->pairs].col;
    }
    return st;
}
