/*
 * Owners' joins in the query: every one becomes a relation, in the place of its first one, with the
 * columns of all that are seen of it, and a unit for each owner.
 */
#include "sql/plan_own.h"

#include <string.h>

/* Where a relation's columns are now. */
typedef struct place {
    bool moved;
    unsigned rel;   /* of the query: the relation that stands for the join */
    unsigned first; /* its column that is this one's first */
    unsigned org;   /* its pseudo-column */
    unsigned table; /* the join's */
} place;

typedef struct builder {
    cm_planner *pl;
    cm_query *query;
    const cm_relation *before; /* as they were */
    cm_relation *relation;
    place place[CM_PLAN_RELATIONS_MAX];
    const char *org; /* whose unit is made */
} builder;

/* ---- a unit ---- */

static const cm_expr *into_table(const cm_expr *expr, void *arg)
{
    builder *b = arg;

    if (expr->op != CM_X_COLUMN) {
        return NULL;
    }
    if (expr->index == b->before[expr->rel].cols) {
        return cm_plan_org(b->pl, expr, b->org);
    }
    return cm_expr_column(b->pl->arena, b->place[expr->rel].table, expr->index, expr->type,
                          expr->nullable, expr->range, expr->position);
}

/* The join as this owner does it: relations become its tables, org its name. */
static cm_status own_tree(builder *b, const cm_from *from, const cm_from **ret)
{
    cm_from *copy = CM_NEW_SMALL(b->pl->arena, cm_from, 1);
    cm_exprs on = {0}, kept = {0};

    *copy = *from;
    *ret = copy;
    if (from->kind == CM_FROM_RELATION) {
        copy->rel = b->place[from->rel].table;
        return CM_OK;
    }
    cm_status st = own_tree(b, from->left, &copy->left);
    if (st == CM_OK) {
        st = own_tree(b, from->right, &copy->right);
    }
    cm_expr_conjuncts(b->pl, from->on, &on);
    for (size_t i = 0; st == CM_OK && i < on.count; i++) {
        const cm_expr *expr = NULL;
        st = cm_expr_rewrite(b->pl->arena, on.at[i], into_table, b, &expr, b->pl->diag);
        if (st == CM_OK) {
            st = cm_plan_fold_constants(b->pl, expr, &expr);
        }
        if (st == CM_OK && !cm_expr_is_true(expr)) {
            cm_exprs_add(b->pl->arena, &kept, expr);
        }
    }
    copy->on = cm_plan_and(b->pl, &kept);
    return st;
}

static const cm_org_table *table_of(const builder *b, unsigned rel, const char *org)
{
    const cm_relation *relation = &b->before[rel];

    for (size_t t = 0; t < relation->tables; t++) {
        if (strcmp(relation->table[t]->org, org) == 0) {
            return relation->table[t];
        }
    }
    CM_ASSERT(false && "every relation of it has a table of this owner");
}

static bool is_seen(const cm_own *own, unsigned rel)
{
    return (own->shown >> rel & 1) != 0;
}

/* What is unique of the pairs. */
static void set_keys(const builder *b, const cm_own *own, cm_column *col, cm_org_table *table)
{
    cm_table_key *keys = CM_NEW_SMALL(b->pl->arena, cm_table_key, own->keys + 1);

    for (size_t k = 0; k < own->keys; k++) {
        const cm_own_key *key = &own->key[k];
        unsigned first = b->place[key->rel].first;
        if (key->cols == 1) {
            col[first + key->col[0]].unique = true;
            continue;
        }
        unsigned *cols = CM_NEW_SMALL(b->pl->arena, unsigned, key->cols);
        for (size_t i = 0; i < key->cols; i++) {
            cols[i] = first + key->col[i];
        }
        keys[table->keys++] = (cm_table_key){.cols = key->cols, .col = cols};
    }
    table->key = keys;
}

static cm_status add_unit(builder *b, const cm_own *own, size_t org, const cm_relation *relation,
                          const cm_expr *const *expr, const cm_org_table **ret)
{
    cm_plan_unit *unit = CM_NEW_SMALL(b->pl->arena, cm_plan_unit, 1);
    cm_own_join *join = CM_NEW_SMALL(b->pl->arena, cm_own_join, 1);
    cm_org_table *table = CM_NEW_SMALL(b->pl->arena, cm_org_table, 1);
    const cm_org_table **real = CM_NEW_SMALL(b->pl->arena, const cm_org_table *, own->rels);
    cm_column *col = CM_NEW_SMALL(b->pl->arena, cm_column, relation->cols + 1);

    b->org = own->org[org];
    *join = (cm_own_join){.tables = own->rels, .table = real};
    bool sizes = true;
    for (size_t i = 0; i < own->rels; i++) {
        real[i] = table_of(b, own->rel[i], b->org);
        sizes = sizes && real[i]->join_sizes;
    }
    memcpy(col, relation->col, relation->cols * sizeof *col);
    *table = (cm_org_table){.org = b->org,
                            .name = real[0]->name,
                            .cols = relation->cols,
                            .col = col,
                            .rows = own->rows[org],
                            .join_sizes = sizes};
    set_keys(b, own, col, table);
    *unit = (cm_plan_unit){
        .table = table, .real = real[0], .join = join, .many = own->many, .expr = expr};
    cm_plan_unit_add(b->pl, unit);
    *ret = table;
    return own_tree(b, own->tree, &join->from);
}

/* ---- the relation ---- */

static void add_columns(builder *b, const cm_own *own, cm_column *col, const cm_expr **expr)
{
    for (unsigned i = 0; i < own->rels; i++) {
        const cm_relation *relation = &b->before[own->rel[i]];
        if (!is_seen(own, own->rel[i])) {
            continue;
        }
        for (unsigned c = 0; c < relation->cols; c++) {
            cm_column *to = &col[b->place[own->rel[i]].first + c];
            *to = relation->col[c];
            to->unique = false;
            to->not_null = to->not_null && (own->nullable >> own->rel[i] & 1) == 0;
            expr[b->place[own->rel[i]].first + c] =
                cm_expr_column(b->pl->arena, i, c, to->type, !to->not_null, to->range, 0);
        }
    }
}

static cm_status add_relation(builder *b, const cm_own *own)
{
    unsigned slot = own->rel[0];
    size_t cols = 0;

    for (unsigned i = 0; i < own->rels; i++) {
        place *p = &b->place[own->rel[i]];
        *p = (place){.moved = true, .rel = slot, .first = (unsigned)cols, .table = i};
        cols += is_seen(own, own->rel[i]) ? b->before[own->rel[i]].cols : 0;
    }
    for (unsigned i = 0; i < own->rels; i++) {
        b->place[own->rel[i]].org = (unsigned)cols;
    }
    cm_column *col = CM_NEW_SMALL(b->pl->arena, cm_column, cols + 1);
    const cm_expr **expr = CM_NEW_SMALL(b->pl->arena, const cm_expr *, cols + 1);
    const cm_org_table **table = CM_NEW_SMALL(b->pl->arena, const cm_org_table *, own->orgs);
    add_columns(b, own, col, expr);
    cm_relation *relation = &b->relation[slot];
    *relation = (cm_relation){.alias = b->before[slot].alias,
                              .tables = own->orgs,
                              .table = table,
                              .cols = cols,
                              .col = col};
    cm_status st = CM_OK;
    for (size_t t = 0; st == CM_OK && t < own->orgs; t++) {
        st = add_unit(b, own, t, relation, expr, &table[t]);
    }
    return st;
}

/* ---- the query ---- */

static const cm_expr *move_column(const cm_expr *expr, void *arg)
{
    builder *b = arg;

    if (expr->op != CM_X_COLUMN || !b->place[expr->rel].moved) {
        return NULL;
    }
    const place *p = &b->place[expr->rel];
    unsigned index = expr->index == b->before[expr->rel].cols ? p->org : p->first + expr->index;
    return cm_expr_column(b->pl->arena, p->rel, index, expr->type, expr->nullable, expr->range,
                          expr->position);
}

static cm_status move_expr(builder *b, const cm_expr **expr)
{
    return *expr == NULL ? CM_OK
                         : cm_expr_rewrite(b->pl->arena, *expr, move_column, b, expr, b->pl->diag);
}

static cm_from *from_new(builder *b, cm_from_kind kind, int position)
{
    cm_from *from = CM_NEW_SMALL(b->pl->arena, cm_from, 1);

    *from = (cm_from){.kind = kind, .position = position};
    return from;
}

static cm_status build_from(builder *b, const cm_own_part *part, const cm_from **ret);

/* The last of the joins has the conditions of all. */
static cm_status build_group(builder *b, const cm_own_part *group, const cm_from **ret)
{
    cm_status st = build_from(b, group->part[0], ret);

    CM_ASSERT(group->parts > 1 || group->conjuncts.count == 0);
    for (size_t i = 1; st == CM_OK && i < group->parts; i++) {
        cm_from *join = from_new(b, CM_FROM_CROSS, (*ret)->position);
        join->left = *ret;
        *ret = join;
        st = build_from(b, group->part[i], &join->right);
        if (st == CM_OK && i + 1 == group->parts && group->conjuncts.count > 0) {
            join->kind = CM_FROM_INNER;
            join->on = cm_plan_and(b->pl, &group->conjuncts);
            st = move_expr(b, &join->on);
        }
    }
    return st;
}

static cm_status build_from(builder *b, const cm_own_part *part, const cm_from **ret)
{
    if (part->own != NULL && part->own->rels > 1) {
        cm_from *from = from_new(b, CM_FROM_RELATION, part->own->tree->position);
        from->rel = part->own->rel[0];
        *ret = from;
        return CM_OK;
    }
    if (part->own != NULL || (part->from != NULL && part->from->kind == CM_FROM_RELATION)) {
        *ret = part->own != NULL ? part->own->tree : part->from;
        return CM_OK;
    }
    if (part->from == NULL) {
        return build_group(b, part, ret);
    }
    cm_from *from = from_new(b, part->from->kind, part->from->position);
    *from = *part->from;
    *ret = from;
    cm_status st = build_from(b, part->part[0], &from->left);
    if (st == CM_OK) {
        st = build_from(b, part->part[1], &from->right);
    }
    return st == CM_OK ? move_expr(b, &from->on) : st;
}

static cm_status add_relations(builder *b, const cm_own_part *part)
{
    cm_status st = CM_OK;

    if (part->own != NULL) {
        return part->own->rels > 1 ? add_relation(b, part->own) : CM_OK;
    }
    for (size_t i = 0; st == CM_OK && i < part->parts; i++) {
        st = add_relations(b, part->part[i]);
    }
    return st;
}

static cm_status move_applied(builder *b, cm_relation *relation)
{
    const cm_expr **apply = CM_NEW_SMALL(b->pl->arena, const cm_expr *, relation->applies + 1);
    cm_status st = CM_OK;

    for (size_t k = 0; st == CM_OK && k < relation->applies; k++) {
        apply[k] = relation->apply[k];
        st = move_expr(b, &apply[k]);
    }
    relation->apply = apply;
    return st;
}

static cm_status move_lists(builder *b)
{
    cm_query *q = b->query;
    cm_target *target = CM_NEW_SMALL(b->pl->arena, cm_target, q->targets + 1);
    const cm_expr **group = CM_NEW_SMALL(b->pl->arena, const cm_expr *, q->groups + 1);
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < q->targets; i++) {
        target[i] = q->target[i];
        st = move_expr(b, &target[i].expr);
    }
    for (size_t i = 0; st == CM_OK && i < q->groups; i++) {
        group[i] = q->group[i];
        st = move_expr(b, &group[i]);
    }
    for (size_t i = 0; st == CM_OK && i < q->relations; i++) {
        if (b->relation[i].applies > 0) {
            st = move_applied(b, &b->relation[i]);
        }
    }
    q->target = target;
    q->group = group;
    return st == CM_OK ? move_expr(b, &q->having) : st;
}

cm_status cm_own_build(cm_planner *pl, cm_query *query, const cm_own_part *root,
                       const cm_exprs *where)
{
    builder b = {.pl = pl, .query = query, .before = query->relation};

    b.relation = CM_NEW_SMALL(pl->arena, cm_relation, query->relations);
    memcpy(b.relation, query->relation, query->relations * sizeof *b.relation);
    cm_status st = add_relations(&b, root);
    if (st == CM_OK) {
        st = build_from(&b, root, &query->from);
    }
    query->where = cm_plan_and(pl, where);
    if (st == CM_OK) {
        st = move_expr(&b, &query->where);
    }
    if (st == CM_OK) {
        st = move_lists(&b);
    }
    query->relation = b.relation;
    return st;
}
