/*
 * FROM and WHERE.  Inner joins are gathered into groups of parts; conditions sink to the lowest
 * part that has their columns; equalities between two parts are keys.  A group is joined greedily:
 * of all pairs of which one side is unique on the keys, the one with the fewest rows goes first.  A
 * join by a unique side keeps each row of the other side at most once, so sizes never grow.
 */
#include "sql/plan_int.h"

#include <string.h>

/* ---- the tree of parts ---- */

static cm_part *part_new(cm_block *b, cm_from_kind kind, int position)
{
    cm_part *part = CM_NEW_SMALL(b->pl->arena, cm_part, 1);

    part->kind = kind;
    part->position = position;
    return part;
}

static void add_part(cm_block *b, cm_part *group, cm_part *child)
{
    if (group->part == NULL) {
        group->part = CM_NEW_SMALL(b->pl->arena, cm_part *, CM_PLAN_RELATIONS_MAX);
    }
    CM_ASSERT(group->parts < CM_PLAN_RELATIONS_MAX);
    group->part[group->parts++] = child;
    group->rels |= child->rels;
}

/* Gives the condition to the lowest part that has its columns and keeps its rows as they are. */
static bool place(cm_block *b, cm_part *part, const cm_expr *condition, uint64_t rels)
{
    if ((rels & ~part->rels) != 0) {
        return false;
    }
    switch ((int)part->kind) {
    case CM_FROM_RELATION:
        cm_exprs_add(b->pl->arena, &b->own[part->rel], condition);
        return true;
    case CM_FROM_INNER:
        for (size_t i = 0; rels != 0 && i < part->parts; i++) {
            if (place(b, part->part[i], condition, rels)) {
                return true;
            }
        }
        cm_exprs_add(b->pl->arena, &part->conjuncts, condition);
        return true;
    case CM_FROM_FULL:
        return false; /* each side may be NULL */
    default:
        return rels != 0 && place(b, part->part[0], condition, rels);
    }
}

/* The same where the part itself may have to be filtered. */
static void place_above(cm_block *b, cm_part **part, const cm_expr *condition)
{
    if (!place(b, *part, condition, cm_expr_rels(condition))) {
        cm_part *group = part_new(b, CM_FROM_INNER, (*part)->position);
        add_part(b, group, *part);
        *part = group;
        cm_exprs_add(b->pl->arena, &group->conjuncts, condition);
    }
}

static cm_status prepare(cm_block *b, const cm_from *from, cm_part **ret);

/* Inner joins below inner joins become one group. */
static cm_status gather(cm_block *b, const cm_from *from, cm_part *group, cm_exprs *conjuncts)
{
    if (from->kind != CM_FROM_INNER && from->kind != CM_FROM_CROSS) {
        cm_part *child;
        cm_status st = prepare(b, from, &child);
        if (st == CM_OK) {
            add_part(b, group, child);
        }
        return st;
    }
    cm_expr_conjuncts(b->pl, from->on, conjuncts);
    cm_status st = gather(b, from->left, group, conjuncts);
    return st != CM_OK ? st : gather(b, from->right, group, conjuncts);
}

static cm_status prepare_group(cm_block *b, const cm_from *from, cm_part **ret)
{
    cm_part *group = part_new(b, CM_FROM_INNER, from->position);
    cm_exprs conjuncts = {0};

    cm_status st = gather(b, from, group, &conjuncts);
    for (size_t i = 0; st == CM_OK && i < conjuncts.count; i++) {
        bool placed = place(b, group, conjuncts.at[i], cm_expr_rels(conjuncts.at[i]));
        CM_ASSERT(placed);
    }
    *ret = group;
    return st;
}

static void mark_outer(cm_block *b, uint64_t rels)
{
    for (unsigned rel = 0; rel < b->query->relations; rel++) {
        if ((rels >> rel & 1) != 0) {
            b->outer[rel] = true;
        }
    }
}

/* ON of LEFT, SEMI and ANTI: conditions on the right side sink into it, equalities are keys. */
static cm_status prepare_outer(cm_block *b, const cm_from *from, cm_part **ret)
{
    cm_part *part = part_new(b, from->kind, from->position);
    cm_part *left = NULL, *right = NULL;
    cm_exprs conjuncts = {0};

    cm_status st = prepare(b, from->left, &left);
    if (st == CM_OK) {
        st = prepare(b, from->right, &right);
    }
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(left != NULL && right != NULL);
    part->single = from->single;
    cm_expr_conjuncts(b->pl, from->on, &conjuncts);
    for (size_t i = 0; i < conjuncts.count; i++) {
        uint64_t rels = cm_expr_rels(conjuncts.at[i]);
        if (from->kind == CM_FROM_FULL) {
            cm_exprs_add(b->pl->arena, &part->conjuncts, conjuncts.at[i]);
        } else if ((rels & ~right->rels) == 0) {
            place_above(b, &right, conjuncts.at[i]);
        } else if ((rels & ~left->rels) == 0 && from->kind == CM_FROM_SEMI) {
            place_above(b, &left, conjuncts.at[i]);
        } else {
            cm_exprs_add(b->pl->arena, &part->conjuncts, conjuncts.at[i]);
        }
    }
    if (from->kind == CM_FROM_LEFT || from->kind == CM_FROM_FULL) {
        mark_outer(b, right->rels);
    }
    if (from->kind == CM_FROM_FULL) {
        mark_outer(b, left->rels);
    }
    add_part(b, part, left);
    add_part(b, part, right);
    if (from->kind == CM_FROM_APPLY) { /* what is seen of the right side is in a relation's place */
        part->rel = from->rel;
        part->rels = left->rels | (uint64_t)1 << from->rel;
    }
    *ret = part;
    return CM_OK;
}

static cm_status prepare(cm_block *b, const cm_from *from, cm_part **ret)
{
    switch (from->kind) {
    case CM_FROM_RELATION: {
        cm_part *part = part_new(b, CM_FROM_RELATION, from->position);
        part->rel = from->rel;
        part->rels = (uint64_t)1 << from->rel;
        *ret = part;
        return CM_OK;
    }
    case CM_FROM_INNER:
    case CM_FROM_CROSS:
        return prepare_group(b, from, ret);
    case CM_FROM_LEFT:
    case CM_FROM_SEMI:
    case CM_FROM_ANTI:
    case CM_FROM_FULL:
    case CM_FROM_APPLY:
        break;
    }
    return prepare_outer(b, from, ret);
}

cm_status cm_block_prepare_from(cm_block *b)
{
    cm_exprs where = {0};

    if (b->query->from == NULL) { /* one row, of constants */
        return CM_OK;
    }
    cm_status st = prepare(b, b->query->from, &b->from);
    if (st == CM_OK) {
        cm_expr_conjuncts(b->pl, b->query->where, &where);
        for (size_t i = 0; i < where.count; i++) {
            place_above(b, &b->from, where.at[i]);
        }
    }
    return st;
}

/* ---- keys ---- */

/* A value that can be a key's side: of one relation's row, computed there. */
static bool is_key_side(const cm_block *b, const cm_expr *expr)
{
    uint64_t rels = cm_expr_rels(expr);

    return cm_block_is_item(b, expr) && b->query->relation[__builtin_ctzll(rels)].applies ==
                                            0; /* not known before it is built */
}

static bool is_key(const cm_block *b, const cm_expr *expr)
{
    if (expr->op != CM_X_EQ) {
        return false;
    }
    const cm_expr *left = cm_expr_strip(expr->arg[0]), *right = cm_expr_strip(expr->arg[1]);
    return is_key_side(b, left) && is_key_side(b, right) &&
           cm_expr_rels(left) != cm_expr_rels(right);
}

static void add_key(cm_block *b, cm_part *part, const cm_expr *expr)
{
    const cm_expr *left = cm_expr_strip(expr->arg[0]), *right = cm_expr_strip(expr->arg[1]);
    cm_encoding_kind kind = left->type.kind == CM_TYPE_TEXT ? CM_ENC_DIGEST : CM_ENC_NUMBER;

    part->key[part->keys++] = (cm_join_key){.expr = expr,
                                            .left = cm_block_use_item(b, left, kind, 1),
                                            .right = cm_block_use_item(b, right, kind, 1)};
}

/* outer < inner and the like, of numbers: the extremes of the inner side of a key decide it. */
static bool is_comparison(const cm_block *b, const cm_part *part, const cm_expr *expr)
{
    if (expr->op != CM_X_NE && expr->op != CM_X_LT && expr->op != CM_X_LE && expr->op != CM_X_GT &&
        expr->op != CM_X_GE) {
        return false;
    }
    const cm_expr *left = expr->arg[0], *right = expr->arg[1];
    uint64_t outer = part->part[0]->rels, inner = part->part[1]->rels;
    uint64_t x = cm_expr_rels(left), y = cm_expr_rels(right);
    bool apart =
        ((x & ~outer) == 0 && (y & ~inner) == 0) || ((x & ~inner) == 0 && (y & ~outer) == 0);
    return x != 0 && y != 0 && apart && !cm_expr_is_text(left) && !cm_expr_is_text(right) &&
           cm_block_is_item(b, left) && cm_block_is_item(b, right);
}

static void use_comparison(cm_block *b, cm_part *part, const cm_expr *expr)
{
    bool turned = (cm_expr_rels(expr->arg[0]) & ~part->part[0]->rels) != 0;

    part->compare = expr;
    part->outer_item = cm_block_use_item(b, expr->arg[turned], CM_ENC_NUMBER, 1);
    part->least_item = cm_block_use_item(b, expr->arg[!turned], CM_ENC_NUMBER, 1);
}

/* Equalities are keys.  One comparison beside them in EXISTS is decided by extremes. */
static cm_status use_conjuncts(cm_block *b, cm_part *part)
{
    const bool exists = part->kind == CM_FROM_SEMI || part->kind == CM_FROM_ANTI;
    const cm_exprs all = part->conjuncts;
    cm_status st = CM_OK;

    if (part->kind == CM_FROM_APPLY) {
        st = cm_block_use_applied(b, part, 1);
    }
    part->key = CM_NEW_SMALL(b->pl->arena, cm_join_key, all.count + 1);
    for (size_t i = 0; i < all.count; i++) {
        if (is_key(b, all.at[i])) {
            add_key(b, part, all.at[i]);
        } else {
            cm_exprs_add(b->pl->arena, &part->residual, all.at[i]);
        }
    }
    if (exists && part->keys > 0 && part->residual.count == 1 &&
        is_comparison(b, part, part->residual.at[0])) {
        use_comparison(b, part, part->residual.at[0]);
        part->residual.count = 0;
    }
    for (size_t i = 0; st == CM_OK && i < part->residual.count; i++) {
        st = cm_block_use(b, part->residual.at[i], 1);
    }
    return st;
}

static cm_status use_part(cm_block *b, cm_part *part)
{
    cm_status st = CM_OK;

    if (part->kind == CM_FROM_RELATION) {
        bool derived = b->query->relation[part->rel].derived != NULL;
        const cm_exprs *own = &b->own[part->rel];
        for (size_t i = 0; st == CM_OK && i < own->count; i++) {
            if (derived || !b->pl->settings.pushdown || !cm_block_pushable(b, own->at[i])) {
                st = cm_block_use(b, own->at[i], 1);
            }
        }
        return st;
    }
    for (size_t i = 0; st == CM_OK && i < part->parts; i++) {
        st = use_part(b, part->part[i]);
    }
    return st == CM_OK ? use_conjuncts(b, part) : st;
}

cm_status cm_block_use_from(cm_block *b)
{
    return b->from == NULL ? CM_OK : use_part(b, b->from);
}

/* Both sides of every key get one range; ranges spread along chains of equalities. */
static bool agree_keys(cm_block *b, const cm_part *part)
{
    bool changed = false;

    for (size_t i = 0; i < part->keys; i++) {
        cm_range *x = &b->item[part->key[i].left].range, *y = &b->item[part->key[i].right].range;
        cm_range hull = {x->lo < y->lo ? x->lo : y->lo, x->hi > y->hi ? x->hi : y->hi};
        changed =
            changed || x->lo != hull.lo || x->hi != hull.hi || y->lo != hull.lo || y->hi != hull.hi;
        *x = *y = hull;
    }
    for (size_t i = 0; i < part->parts; i++) {
        changed = agree_keys(b, part->part[i]) || changed;
    }
    return changed;
}

/* ---- derived relations, before the sizes of keys are known ---- */

static void list_needs(cm_block *b, unsigned rel)
{
    size_t most = b->items + cm_window_most_needs(b, rel) + 1;
    cm_need *need = CM_NEW_SMALL(b->pl->arena, cm_need, most);
    size_t below = b->query->relation[rel].cols - b->query->relation[rel].windows, needs = 0;

    for (size_t i = 0; i < b->items; i++) {
        const cm_item *item = &b->item[i];
        if (item->rel == rel && item->uses > 0 && item->expr->index < below) {
            need[needs++] = (cm_need){cm_block_need_target(b, item), item->kind};
        }
    }
    b->derived_need[rel] = need;
    b->derived_needs[rel] = cm_window_needs(b, rel, need, needs);
}

static void take_ranges(cm_block *b, unsigned rel)
{
    for (size_t i = 0; i < b->items; i++) {
        if (b->item[i].rel == rel && b->item[i].uses > 0) {
            unsigned col = b->derived[rel].col[cm_block_need_of(b, &b->item[i])];
            b->item[i].range = b->derived[rel].node->col[col].range;
        }
    }
}

static cm_status plan_derived(cm_block *b, const cm_part *part)
{
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < part->parts; i++) {
        st = plan_derived(b, part->part[i]);
    }
    if (part->kind == CM_FROM_RELATION && b->query->relation[part->rel].derived != NULL) {
        bool visible = b->visible && (!b->query->grouped || b->query->merges);
        list_needs(b, part->rel);
        st = cm_plan_block(b->pl, b->query->relation[part->rel].derived, visible, false,
                           b->derived_need[part->rel], b->derived_needs[part->rel],
                           &b->derived[part->rel]);
        if (st == CM_OK && b->query->relation[part->rel].windows > 0) {
            st = cm_window_build(b, part->rel, b->derived_needs[part->rel]);
        }
        if (st == CM_OK) {
            take_ranges(b, part->rel);
        }
    }
    return st;
}

static void build_one_row(cm_block *b, cm_flow *ret)
{
    *ret = (cm_flow){.node = cm_plan_one_row(b->pl), .uniques = 1};
    ret->item = CM_NEW_SMALL(b->pl->arena, int, 1);
    ret->item[0] = -1;
    ret->unique = CM_NEW_SMALL(b->pl->arena, cm_unique, 1);
    if (b->query->where != NULL) {
        ret->node = cm_node_filter(b->pl, ret->node, b->query->where);
    }
}

cm_status cm_block_build_from(cm_block *b, cm_flow *ret)
{
    if (b->from == NULL) {
        build_one_row(b, ret);
        return CM_OK;
    }
    cm_status st = plan_derived(b, b->from);

    if (st != CM_OK) {
        return st;
    }
    while (agree_keys(b, b->from)) {
    }
    return cm_block_build_part(b, b->from, ret);
}
