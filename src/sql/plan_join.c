/*
 * Joins.  A group of parts is joined greedily: of all pairs of which one side is unique on the
 * keys, the one with the fewest rows goes first.  A join by a unique side keeps each row of the
 * other side at most once, so sizes never grow.
 */
#include "sql/plan_join.h"

#include <string.h>

bool cm_rels_have(uint64_t rels, const cm_block *b, size_t item)
{
    return (rels >> b->item[item].rel & 1) != 0;
}

cm_edge cm_edge_of(cm_block *b, const cm_part *part, const cm_flow *unique, const cm_flow *other)
{
    cm_edge e = {.unique_item = CM_NEW_SMALL(b->pl->arena, size_t, part->keys + 1),
                 .other_item = CM_NEW_SMALL(b->pl->arena, size_t, part->keys + 1),
                 .key = CM_NEW_SMALL(b->pl->arena, size_t, part->keys + 1)};

    for (size_t i = 0; i < part->keys; i++) {
        const cm_join_key *key = &part->key[i];
        if (!key->used && cm_rels_have(unique->rels, b, key->left) &&
            cm_rels_have(other->rels, b, key->right)) {
            e.unique_item[e.keys] = key->left;
            e.other_item[e.keys] = key->right;
            e.key[e.keys++] = i;
        } else if (!key->used && cm_rels_have(unique->rels, b, key->right) &&
                   cm_rels_have(other->rels, b, key->left)) {
            e.unique_item[e.keys] = key->right;
            e.other_item[e.keys] = key->left;
            e.key[e.keys++] = i;
        }
    }
    return e;
}

/* Injective operations on a column keep its uniqueness. */
const cm_expr *cm_expr_injective(const cm_expr *expr)
{
    expr = cm_expr_strip(expr);
    while (expr->op == CM_X_RESCALE && expr->type.scale >= expr->arg[0]->type.scale) {
        expr = cm_expr_strip(expr->arg[0]);
    }
    return expr;
}

static bool covers(const cm_block *b, const size_t *items, size_t count, unsigned rel, unsigned col)
{
    for (size_t i = 0; i < count; i++) {
        const cm_expr *expr = cm_expr_injective(b->item[items[i]].expr);
        if (expr->op == CM_X_COLUMN && expr->rel == rel && expr->index == col) {
            return true;
        }
    }
    return false;
}

static bool covers_all(const cm_block *b, const cm_unique *unique, const size_t *items,
                       size_t count)
{
    for (size_t i = 0; i < unique->cols; i++) {
        if (!covers(b, items, count, unique->rel[i], unique->col[i])) {
            return false;
        }
    }
    return true;
}

const cm_unique *cm_flow_unique_on(const cm_block *b, const cm_flow *flow, const size_t *items,
                                   size_t count)
{
    const cm_unique *ret = NULL;

    for (size_t u = 0; u < flow->uniques; u++) {
        const cm_unique *unique = &flow->unique[u];
        bool better = ret == NULL || (ret->presumed != NULL && unique->presumed == NULL);
        if (better && unique->more == 0 && covers_all(b, unique, items, count)) {
            ret = unique;
        }
    }
    return ret;
}

uint64_t cm_flow_most_on(const cm_block *b, const cm_flow *flow, const size_t *items, size_t count)
{
    uint64_t most = UINT64_MAX;

    for (size_t u = 0; u < flow->uniques; u++) {
        const cm_unique *unique = &flow->unique[u];
        if (unique->presumed == NULL && unique->more < most - 1 &&
            covers_all(b, unique, items, count)) {
            most = unique->more + 1;
        }
    }
    return most;
}

/* A column of zeros to join one row to everything by. */
void cm_flow_add_zero(cm_block *b, cm_flow *flow)
{
    cm_plan_node *node = flow->node;
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, node->cols + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, node->cols + 1);
    int *item = CM_NEW_SMALL(b->pl->arena, int, node->cols + 1);

    for (size_t i = 0; i < node->cols; i++) {
        exprs[i] = cm_node_column(b->pl, node, i);
        cols[i] = node->col[i];
        item[i] = flow->item[i];
    }
    exprs[node->cols] = cm_plan_int(b->pl, 0);
    cols[node->cols] = cm_col_number("zero", cm_plan_int8_type(), (cm_range){0, 0}, false);
    item[node->cols] = -1;
    flow->node = cm_node_project(b->pl, node, exprs, cols, node->cols + 1);
    flow->item = item;
}

static void set_keys(cm_block *b, cm_plan_node *node, const cm_flow *unique, const cm_flow *other,
                     const cm_edge *e)
{
    unsigned *unique_key = CM_NEW_SMALL(b->pl->arena, unsigned, e->keys + 1);
    unsigned *other_key = CM_NEW_SMALL(b->pl->arena, unsigned, e->keys + 1);

    node->join.keys = e->keys;
    node->join.unique_key = unique_key;
    node->join.other_key = other_key;
    for (size_t i = 0; i < e->keys; i++) {
        int x = cm_flow_column(unique, e->unique_item[i]);
        int y = cm_flow_column(other, e->other_item[i]);
        CM_ASSERT(x >= 0 && y >= 0);
        unique_key[i] = (unsigned)x;
        other_key[i] = (unsigned)y;
    }
}

static void use_up(cm_block *b, cm_part *part, const cm_edge *e)
{
    for (size_t i = 0; i < e->keys; i++) { /* consumed: their items may be dead now */
        if (e->key[i] != SIZE_MAX) {
            cm_join_key *key = &part->key[e->key[i]];
            key->used = true;
            b->item[key->left].uses--;
            b->item[key->right].uses--;
        }
    }
}

void cm_join_set_keys(cm_block *b, cm_part *part, cm_plan_node *node, const cm_flow *unique,
                      const cm_flow *other, const cm_edge *e)
{
    set_keys(b, node, unique, other, e);
    use_up(b, part, e);
}

/* Drops what nothing above uses any more. */
void cm_flow_prune(cm_block *b, cm_flow *flow)
{
    cm_plan_node *node = flow->node;
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, node->cols + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, node->cols + 1);
    int *item = CM_NEW_SMALL(b->pl->arena, int, node->cols + 1);
    size_t count = 0;

    for (size_t i = 0; i < node->cols; i++) {
        if (flow->item[i] >= 0 && b->item[flow->item[i]].uses > 0) {
            exprs[count] = cm_node_column(b->pl, node, i);
            cols[count] = node->col[i];
            item[count++] = flow->item[i];
        }
    }
    flow->node = cm_node_project(b->pl, node, exprs, cols, count);
    flow->item = item;
}

/* Columns of the result: other's, then of unique what is still used; after an inner join a key of
 * the unique side is the other side's key. */
static void set_columns(cm_block *b, cm_plan_node *node, const cm_flow *unique,
                        const cm_flow *other, cm_flow *ret)
{
    size_t most = unique->node->cols + other->node->cols;
    unsigned *payload = CM_NEW_SMALL(b->pl->arena, unsigned, unique->node->cols + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, most + 1);
    size_t count = other->node->cols;
    bool carries = node->join.kind == CM_FROM_INNER || node->join.kind == CM_FROM_LEFT;

    ret->item = CM_NEW_SMALL(b->pl->arena, int, most + 1);
    for (size_t i = 0; i < count; i++) {
        cols[i] = other->node->col[i];
        ret->item[i] = other->item[i];
    }
    for (size_t i = 0; carries && i < unique->node->cols; i++) {
        int item = unique->item[i];
        if (item < 0 || b->item[item].uses == 0) {
            continue;
        }
        cols[count] = unique->node->col[i];
        cols[count].enc.nullable = cols[count].enc.nullable || node->join.kind == CM_FROM_LEFT;
        ret->item[count++] = item;
        payload[node->join.payloads++] = (unsigned)i;
    }
    node->cols = count;
    node->col = cols;
    node->join.payload = payload;
}

const char cm_plan_one_value[] = "more than one row returned by a subquery used as an expression";

/* A presumed key is verified where it is relied on. */
static cm_status add_check(cm_block *b, cm_plan_node *node, const cm_flow *unique, const cm_edge *e)
{
    const cm_unique *why = cm_flow_unique_on(b, unique, e->unique_item, e->keys);

    if (why == NULL || why->presumed == NULL) {
        return CM_OK;
    }
    const cm_plan_check check = {CM_SQL_CARDINALITY, why->presumed,
                                 why->presumed == cm_plan_one_value
                                     ? NULL
                                     : "SET comity.cross_owner_keys = off; then nothing is "
                                       "presumed, and the join costs more."};
    return cm_plan_add_check(b->pl, check, &node->check);
}

cm_status cm_flow_join(cm_block *b, cm_part *part, cm_from_kind kind, cm_flow *unique,
                       cm_flow *other, const cm_edge *e, cm_flow *ret)
{
    bool broadcast = e->keys == 0 && unique->node->rows == 1;

    if (e->keys == 0 && !broadcast) {
        cm_flow_add_zero(b, unique);
        cm_flow_add_zero(b, other);
    }
    cm_plan_node *node = cm_node_new(b->pl, CM_PLAN_JOIN, other->node->rows, 0);
    node->join.kind = kind;
    if (!broadcast) {
        cm_status st = add_check(b, node, unique, e);
        if (st != CM_OK) {
            return st;
        }
        set_keys(b, node, unique, other, e);
    }
    if (e->keys == 0 && !broadcast) { /* by the columns of zeros */
        node->join.keys = 1;
        ((unsigned *)(uintptr_t)node->join.unique_key)[0] = (unsigned)unique->node->cols - 1;
        ((unsigned *)(uintptr_t)node->join.other_key)[0] = (unsigned)other->node->cols - 1;
    }
    use_up(b, part, e);
    bool carries = kind == CM_FROM_INNER || kind == CM_FROM_LEFT;
    *ret = (cm_flow){.rels = other->rels | (carries ? unique->rels : 0)};
    set_columns(b, node, unique, other, ret);
    cm_node_children(b->pl, node, (cm_plan_node *[]){unique->node, other->node}, 2);
    ret->unique = other->unique;
    ret->uniques = other->uniques;
    cm_status st = cm_join_fuse(b->pl, node, &ret->node);
    if (st == CM_OK) {
        cm_flow_prune(b, ret);
    }
    return st;
}

/* When both sides are unique on the keys, the uniqueness of both survives an inner join; as far as
 * it is certain that the other side is. */
static void merge_uniques(cm_block *b, const cm_flow *x, const cm_unique *why, cm_flow *ret)
{
    cm_unique *all = CM_NEW_SMALL(b->pl->arena, cm_unique, x->uniques + ret->uniques + 1);

    memcpy(all, ret->unique, ret->uniques * sizeof *all);
    for (size_t i = 0; i < x->uniques; i++) {
        cm_unique *to = &all[ret->uniques + i];
        *to = x->unique[i];
        to->presumed = to->presumed != NULL ? to->presumed : why->presumed;
    }
    ret->unique = all;
    ret->uniques += x->uniques;
}

/* Relations that were left for after a grouping (plan_early.c) and nothing else; and whether one of
 * their keys is presumed.  Such a flow has to be the unique side for the groups, which checks it.
 */
static bool is_late(const cm_block *b, uint64_t rels, bool *ret_presumed)
{
    bool late = true;

    *ret_presumed = false;
    for (unsigned rel = 0; rel < b->query->relations; rel++) {
        const cm_relation *relation = &b->query->relation[rel];
        if ((rels >> rel & 1) != 0) {
            late = late && relation->once;
            *ret_presumed = *ret_presumed || relation->tables > 1;
        }
    }
    return late;
}

static bool leaves_unchecked(const cm_block *b, const cm_flow *unique, const cm_flow *other)
{
    bool presumed, ignored;

    return is_late(b, other->rels, &presumed) && presumed && !is_late(b, unique->rels, &ignored);
}

/* The cheapest join of two flows of the group; false when there is none. */
static bool choose(cm_block *b, const cm_part *part, cm_flow *flow, size_t flows,
                   size_t *ret_unique, size_t *ret_other, cm_edge *ret_edge)
{
    uint64_t least = UINT64_MAX;
    bool found = false, least_certain = false;

    for (size_t u = 0; u < flows; u++) {
        for (size_t o = 0; o < flows; o++) {
            if (u == o) {
                continue;
            }
            cm_edge e = cm_edge_of(b, part, &flow[u], &flow[o]);
            uint64_t rows = flow[u].node->rows + flow[o].node->rows;
            const cm_unique *why = cm_flow_unique_on(b, &flow[u], e.unique_item, e.keys);
            if (why == NULL || leaves_unchecked(b, &flow[u], &flow[o])) {
                continue;
            }
            bool certain = why->presumed == NULL;
            if (flow[u].node->rows == 1 && cm_flow_unique_on(b, &flow[u], NULL, 0) != NULL) {
                /* One row goes to all at the end, at next to no cost; its equalities are filters.
                 */
                e.keys = 0;
                rows = UINT64_MAX - 1;
            }
            /* Of two unique sides the one that is certain is relied on, or else the smaller one is
             * kept row by row. */
            bool better = certain != least_certain
                              ? certain
                              : flow[o].node->rows < flow[*ret_other].node->rows;
            if (!found || rows < least || (rows == least && better)) {
                *ret_unique = u;
                *ret_other = o;
                *ret_edge = e;
                least = rows;
                least_certain = certain;
                found = true;
            }
        }
    }
    return found;
}

cm_status cm_join_residual(cm_block *b, const cm_part *part, const cm_flow *flow,
                           cm_exprs *conditions)
{
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < part->residual.count; i++) {
        const cm_expr *condition;
        st = cm_flow_resolve(b, flow, part->residual.at[i], &condition);
        if (st == CM_OK) {
            cm_exprs_add(b->pl->arena, conditions, condition);
            st = cm_block_use(b, part->residual.at[i], -1);
        }
    }
    return st;
}

cm_status cm_join_filter(cm_block *b, const cm_part *part, cm_flow *flow)
{
    cm_exprs conditions = {0};
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < part->keys; i++) {
        if (!part->key[i].used) { /* both sides are here already: a cycle, or all pairs */
            const cm_expr *equal;
            int x = cm_flow_column(flow, part->key[i].left);
            int y = cm_flow_column(flow, part->key[i].right);
            CM_ASSERT(x >= 0 && y >= 0);
            st = cm_plan_op_new(b->pl, CM_X_EQ, cm_plan_bool_type(),
                                cm_node_column(b->pl, flow->node, (size_t)x),
                                cm_node_column(b->pl, flow->node, (size_t)y), &equal);
            if (st == CM_OK) {
                cm_exprs_add(b->pl->arena, &conditions, equal);
                b->item[part->key[i].left].uses--;
                b->item[part->key[i].right].uses--;
                part->key[i].used = true;
            }
        }
    }
    if (st == CM_OK) {
        st = cm_join_residual(b, part, flow, &conditions);
    }
    if (st == CM_OK && conditions.count > 0) {
        flow->node = cm_node_filter(b->pl, flow->node, cm_plan_and(b->pl, &conditions));
        cm_flow_prune(b, flow);
    }
    return st;
}

/* The two flows whose pairs are fewest; those with keys between them first. */
static void choose_pairs(cm_block *b, const cm_part *part, cm_flow *flow, size_t flows,
                         size_t *ret_x, size_t *ret_y)
{
    uint64_t least = UINT64_MAX;
    bool least_keys = false, found = false;

    for (size_t x = 0; x < flows; x++) {
        for (size_t y = x + 1; y < flows; y++) {
            bool keys = cm_edge_of(b, part, &flow[x], &flow[y]).keys > 0;
            uint64_t rows = cm_flow_least_pairs(b, part, &flow[x], &flow[y]);
            if (!found || (keys && !least_keys) || (keys == least_keys && rows < least)) {
                *ret_x = x;
                *ret_y = y;
                least = rows;
                least_keys = keys;
                found = true;
            }
        }
    }
}

cm_status cm_flow_join_all(cm_block *b, cm_part *part, cm_flow *flow, size_t flows, cm_flow *ret)
{
    while (flows > 1) {
        size_t unique = 0, other = 0;
        cm_edge e;
        cm_flow joined;
        cm_status st;
        if (choose(b, part, flow, flows, &unique, &other, &e)) {
            const cm_unique *both = cm_flow_unique_on(b, &flow[other], e.other_item, e.keys);
            st = cm_flow_join(b, part, CM_FROM_INNER, &flow[unique], &flow[other], &e, &joined);
            if (st == CM_OK && both != NULL) {
                merge_uniques(b, &flow[unique], both, &joined);
            }
        } else {
            choose_pairs(b, part, flow, flows, &unique, &other);
            st = cm_flow_pairs(b, part, &flow[unique], &flow[other], &joined);
        }
        if (st != CM_OK) {
            return st;
        }
        flow[unique < other ? unique : other] = joined;
        size_t hole = unique < other ? other : unique;
        for (size_t i = hole; i + 1 < flows; i++) {
            flow[i] = flow[i + 1];
        }
        flows--;
    }
    *ret = flow[0];
    return CM_OK;
}

static cm_status build_group(cm_block *b, cm_part *part, cm_flow *ret)
{
    cm_flow *flow = CM_NEW_SMALL(b->pl->arena, cm_flow, part->parts + 1);

    for (size_t i = 0; i < part->parts; i++) {
        cm_status st = cm_block_build_part(b, part->part[i], &flow[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    cm_status st = cm_flow_join_all(b, part, flow, part->parts, ret);
    return st == CM_OK ? cm_join_filter(b, part, ret) : st;
}

cm_status cm_block_build_part(cm_block *b, cm_part *part, cm_flow *ret)
{
    if (part->kind == CM_FROM_RELATION) {
        return cm_block_leaf(b, part->rel, ret);
    }
    if (part->kind == CM_FROM_APPLY) {
        return cm_block_build_apply(b, part, ret);
    }
    return part->kind == CM_FROM_INNER ? build_group(b, part, ret)
                                       : cm_block_build_outer(b, part, ret);
}
