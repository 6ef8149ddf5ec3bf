/*
 * Joins of one owner's tables.  What one owner holds it joins itself, in the clear, and the
 * computing parties see one table with a public number of rows.  So a join is an owner's where
 * such a number is known: by a unique side, whose partners' rows are the bound, and in EXISTS and
 * its opposite, which keep some of the left rows.  The condition has to be what owners' SQL
 * computes.
 *
 * Rows of several owners do not meet in such a join: tables of several are joined owner by owner
 * when the condition says that both sides are of the same one (a.org = b.org).
 *
 * LEFT, SEMI and ANTI over a group of inner joins sink to the one part of it that their condition
 * is about: they keep or drop its rows, whatever else these are joined with.
 */
#include "sql/plan_own.h"

#include <string.h>

typedef struct joiner {
    cm_planner *pl;
    const cm_query *query;
    cm_exprs where; /* what is left of it */
    bool changed;
} joiner;

static bool within(uint64_t rels, uint64_t set)
{
    return (rels & ~set) == 0;
}

static uint64_t rels_of(const cm_own *own)
{
    uint64_t set = 0;

    for (size_t i = 0; i < own->rels; i++) {
        set |= (uint64_t)1 << own->rel[i];
    }
    return set;
}

/* ---- one relation ---- */

static bool has_key(const cm_org_table *table, const cm_table_key *key)
{
    for (size_t k = 0; k < table->keys; k++) {
        const cm_table_key *own = &table->key[k];
        bool same = own->cols == key->cols;
        for (size_t i = 0; same && i < key->cols; i++) {
            bool found = false;
            for (size_t j = 0; j < own->cols; j++) {
                found = found || own->col[j] == key->col[i];
            }
            same = found;
        }
        if (same) {
            return true;
        }
    }
    return false;
}

/* Keys that every owner has. */
static void find_keys(joiner *j, unsigned rel, cm_own *own)
{
    const cm_relation *relation = &j->query->relation[rel];

    own->key =
        CM_NEW_SMALL(j->pl->arena, cm_own_key, relation->cols + relation->table[0]->keys + 1);
    for (unsigned i = 0; i < relation->cols; i++) {
        bool unique = true;
        for (size_t t = 0; t < relation->tables; t++) {
            unique = unique && relation->table[t]->col[i].unique;
        }
        if (unique) {
            unsigned *col = CM_NEW_SMALL(j->pl->arena, unsigned, 1);
            *col = i;
            own->key[own->keys++] = (cm_own_key){rel, 1, col};
        }
    }
    for (size_t k = 0; k < relation->table[0]->keys; k++) {
        const cm_table_key *key = &relation->table[0]->key[k];
        bool all = true;
        for (size_t t = 1; t < relation->tables; t++) {
            all = all && has_key(relation->table[t], key);
        }
        if (all) {
            own->key[own->keys++] = (cm_own_key){rel, key->cols, key->col};
        }
    }
}

static cm_own *own_of(joiner *j, const cm_from *from)
{
    const cm_relation *relation = &j->query->relation[from->rel];
    bool base = relation->derived == NULL && relation->windows == 0 && relation->applies == 0 &&
                relation->tables > 0 && !relation->once;

    for (size_t t = 0; base && t < relation->tables; t++) {
        base = cm_plan_unit_of(j->pl, relation->table[t]) == NULL;
    }
    if (!base) {
        return NULL;
    }
    cm_own *own = CM_NEW_SMALL(j->pl->arena, cm_own, 1);
    *own = (cm_own){.tree = from,
                    .rels = 1,
                    .rel = {from->rel},
                    .shown = (uint64_t)1 << from->rel,
                    .orgs = relation->tables,
                    .org = CM_NEW_SMALL(j->pl->arena, const char *, relation->tables),
                    .rows = CM_NEW_SMALL(j->pl->arena, uint64_t, relation->tables)};
    for (size_t t = 0; t < relation->tables; t++) {
        own->org[t] = relation->table[t]->org;
        own->rows[t] = cm_plan_table_rows(relation->table[t]);
    }
    find_keys(j, from->rel, own);
    return own;
}

/* ---- whether two belong together ---- */

static bool is_org(const joiner *j, const cm_expr *expr)
{
    return expr->op == CM_X_COLUMN && expr->index == j->query->relation[expr->rel].cols;
}

typedef struct org_search {
    const joiner *j;
    uint64_t rels;
    size_t found;
} org_search;

static bool count_org(const cm_expr *expr, void *arg)
{
    org_search *s = arg;

    if (is_org(s->j, expr) && (s->rels >> expr->rel & 1) != 0) {
        s->found++;
    }
    return true;
}

static size_t orgs_in(const joiner *j, const cm_expr *expr, uint64_t rels)
{
    org_search s = {j, rels, 0};

    if (expr != NULL) {
        (void)cm_expr_walk(expr, count_org, &s);
    }
    return s.found;
}

static size_t orgs_in_from(const joiner *j, const cm_from *from, uint64_t rels)
{
    return from->kind == CM_FROM_RELATION
               ? 0
               : orgs_in(j, from->on, rels) + orgs_in_from(j, from->left, rels) +
                     orgs_in_from(j, from->right, rels);
}

/* Everywhere in the query. */
static size_t orgs_in_query(const joiner *j, uint64_t rels)
{
    const cm_query *q = j->query;
    size_t found =
        orgs_in(j, q->where, rels) + orgs_in(j, q->having, rels) + orgs_in_from(j, q->from, rels);

    for (size_t i = 0; i < q->targets; i++) {
        found += orgs_in(j, q->target[i].expr, rels);
    }
    for (size_t i = 0; i < q->groups; i++) {
        found += orgs_in(j, q->group[i], rels);
    }
    for (size_t i = 0; i < q->relations; i++) {
        for (size_t k = 0; k < q->relation[i].applies; k++) {
            found += orgs_in(j, q->relation[i].apply[k], rels);
        }
    }
    return found;
}

/* An equality of something of one side's rows and something of the other's. */
static bool links(const cm_expr *expr, uint64_t left, uint64_t right)
{
    if (expr->op != CM_X_EQ) {
        return false;
    }
    uint64_t x = cm_expr_rels(expr->arg[0]), y = cm_expr_rels(expr->arg[1]);
    return x != 0 && y != 0 &&
           ((within(x, left) && within(y, right)) || (within(x, right) && within(y, left)));
}

/* Row by row both are the same owner's. */
static bool same_owner(const joiner *j, const cm_own *left, const cm_own *right,
                       const cm_exprs *conjuncts)
{
    if (left->orgs == 1 && right->orgs == 1) {
        return strcmp(left->org[0], right->org[0]) == 0;
    }
    for (size_t i = 0; i < conjuncts->count; i++) {
        const cm_expr *c = conjuncts->at[i];
        if (links(c, left->shown & ~left->nullable, right->shown & ~right->nullable) &&
            is_org(j, cm_expr_strip(c->arg[0])) && is_org(j, cm_expr_strip(c->arg[1]))) {
            return true;
        }
    }
    return false;
}

static bool is_covered(const cm_own_key *key, unsigned col, uint64_t by, const cm_exprs *conjuncts)
{
    for (size_t i = 0; i < conjuncts->count; i++) {
        const cm_expr *c = conjuncts->at[i];
        for (size_t s = 0; c->op == CM_X_EQ && s < 2; s++) {
            const cm_expr *x = cm_expr_injective(c->arg[s]);
            if (x->op == CM_X_COLUMN && x->rel == key->rel && x->index == col &&
                within(cm_expr_rels(c->arg[1 - s]), by) && cm_expr_pushable(c)) {
                return true;
            }
        }
    }
    return false;
}

/* At most one of its rows for each row of the relations `by`. */
static bool is_unique(const cm_own *own, uint64_t by, const cm_exprs *conjuncts)
{
    for (size_t k = 0; k < own->keys; k++) {
        const cm_own_key *key = &own->key[k];
        bool all = true;
        for (size_t i = 0; all && i < key->cols; i++) {
            all = is_covered(key, key->col[i], by, conjuncts);
        }
        if (all) {
            return true;
        }
    }
    return false;
}

/* ---- joining two ---- */

static size_t org_index(const cm_own *own, const char *org)
{
    for (size_t i = 0; i < own->orgs; i++) {
        if (strcmp(own->org[i], org) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static size_t common_orgs(const cm_own *left, const cm_own *right)
{
    size_t found = 0;

    for (size_t i = 0; i < left->orgs; i++) {
        found += org_index(right, left->org[i]) != SIZE_MAX;
    }
    return found;
}

/* Left with right's tables behind it; rows are left's. */
static cm_own *join(joiner *j, cm_from_kind kind, const cm_own *left, const cm_own *right,
                    const cm_expr *on, int position)
{
    cm_own *own = CM_NEW_SMALL(j->pl->arena, cm_own, 1);
    cm_from *tree = CM_NEW_SMALL(j->pl->arena, cm_from, 1);
    const bool seen = kind == CM_FROM_INNER || kind == CM_FROM_LEFT;

    *tree = (cm_from){
        .kind = kind, .left = left->tree, .right = right->tree, .on = on, .position = position};
    *own = *left;
    own->tree = tree;
    own->org = CM_NEW_SMALL(j->pl->arena, const char *, left->orgs);
    own->rows = CM_NEW_SMALL(j->pl->arena, uint64_t, left->orgs);
    own->orgs = 0;
    for (size_t i = 0; i < left->orgs; i++) {
        if (org_index(right, left->org[i]) != SIZE_MAX) {
            own->org[own->orgs] = left->org[i];
            own->rows[own->orgs++] = left->rows[i];
        }
    }
    memcpy(own->rel + left->rels, right->rel, right->rels * sizeof *right->rel);
    own->rels += right->rels;
    own->shown |= seen ? right->shown : 0;
    own->many = left->many || right->many;
    own->nullable |= right->nullable | (kind == CM_FROM_LEFT ? right->shown : 0);
    j->changed = true;
    return own;
}

/* Both sides are unique: no more rows than either has, and what is unique of one is of the pairs.
 */
static void narrow(joiner *j, cm_own *own, const cm_own *left, const cm_own *right)
{
    own->key = CM_NEW_SMALL(j->pl->arena, cm_own_key, left->keys + right->keys + 1);
    memcpy(own->key, left->key, left->keys * sizeof *left->key);
    memcpy(own->key + left->keys, right->key, right->keys * sizeof *right->key);
    own->keys = left->keys + right->keys;
    for (size_t i = 0; i < own->orgs; i++) {
        uint64_t rows = right->rows[org_index(right, own->org[i])];
        own->rows[i] = rows < own->rows[i] ? rows : own->rows[i];
    }
}

/* Neither side is unique: as many rows as pairs, and nothing tells them apart. */
static void widen(cm_own *own, const cm_own *right)
{
    for (size_t i = 0; i < own->orgs; i++) {
        own->rows[i] *= right->rows[org_index(right, own->org[i])];
    }
    own->keys = 0;
    own->many = true;
}

/* Takes the conjuncts that link the two from the list. */
static const cm_expr *take_links(joiner *j, cm_exprs *list, uint64_t left, uint64_t right,
                                 cm_exprs *taken)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        if (links(list->at[i], left, right) && cm_expr_pushable(list->at[i])) {
            cm_exprs_add(j->pl->arena, taken, list->at[i]);
        } else {
            list->at[kept++] = list->at[i];
        }
    }
    list->count = kept;
    return cm_plan_and(j->pl, taken);
}

static void both_lists(joiner *j, const cm_exprs *a, const cm_exprs *b, cm_exprs *ret)
{
    for (size_t i = 0; i < a->count; i++) {
        cm_exprs_add(j->pl->arena, ret, a->at[i]);
    }
    for (size_t i = 0; b != NULL && i < b->count; i++) {
        cm_exprs_add(j->pl->arena, ret, b->at[i]);
    }
}

/* The pairs are not too many, should the planner want to try that. */
static bool may_widen(joiner *j, const cm_own *left, const cm_own *right, const cm_exprs *conjuncts)
{
    bool linked = false;

    for (size_t i = 0; i < conjuncts->count; i++) {
        linked = linked || (links(conjuncts->at[i], left->shown, right->shown) &&
                            cm_expr_pushable(conjuncts->at[i]));
    }
    for (size_t i = 0; linked && i < left->orgs; i++) {
        size_t at = org_index(right, left->org[i]);
        linked = at == SIZE_MAX || right->rows[at] <= CM_OWN_PAIRS_MAX / left->rows[i];
    }
    j->pl->own_wide = j->pl->own_wide || linked;
    return linked && j->pl->own_many;
}

/* Inner join of two parts of the group, where right is unique, or need not be; NULL when it is not
 * an owner's. */
static cm_own *join_pair(joiner *j, cm_own_part *group, cm_exprs *where, const cm_own *left,
                         const cm_own *right, bool many)
{
    cm_exprs all = {0}, taken = {0};

    both_lists(j, &group->conjuncts, where, &all);
    if (left->rels + right->rels > CM_OWN_JOIN_MAX || common_orgs(left, right) == 0 ||
        !same_owner(j, left, right, &all)) {
        return NULL;
    }
    bool unique = is_unique(right, left->shown, &all);
    if (!unique && (!may_widen(j, left, right, &all) || !many)) {
        return NULL;
    }
    bool both = is_unique(left, right->shown, &all);
    const cm_expr *on = take_links(j, &group->conjuncts, left->shown, right->shown, &taken);
    if (where != NULL) {
        on = take_links(j, where, left->shown, right->shown, &taken);
    }
    if (on == NULL) { /* one row, by constants */
        return NULL;
    }
    cm_own *own = join(j, CM_FROM_INNER, left, right, on, left->tree->position);
    if (!unique) {
        widen(own, right);
    } else if (both) {
        narrow(j, own, left, right);
    }
    return own;
}

static bool join_some_pair(joiner *j, cm_own_part *group, cm_exprs *where, bool many)
{
    for (size_t a = 0; a < group->parts; a++) {
        for (size_t b = 0; b < group->parts; b++) {
            const cm_own *left = group->part[a]->own, *right = group->part[b]->own;
            cm_own *own = a == b || left == NULL || right == NULL
                              ? NULL
                              : join_pair(j, group, where, left, right, many);
            if (own != NULL) {
                group->part[a]->own = own;
                group->parts--;
                for (size_t i = b; i < group->parts; i++) {
                    group->part[i] = group->part[i + 1];
                }
                return true;
            }
        }
    }
    return false;
}

static bool all_pushable(const cm_exprs *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!cm_expr_pushable(list->at[i])) {
            return false;
        }
    }
    return true;
}

/* What is left of a group's conditions when it is one part. */
static void settle_rest(joiner *j, cm_own_part *group, cm_exprs *where)
{
    cm_own *own = group->part[0]->own;

    if (group->conjuncts.count == 0) {
        return;
    }
    if (where != NULL) {
        both_lists(j, &group->conjuncts, NULL, where);
    } else {
        cm_from *tree = CM_NEW_SMALL(j->pl->arena, cm_from, 1);
        cm_exprs on = {0};
        *tree = *own->tree; /* an INNER JOIN made here */
        CM_ASSERT(tree->kind == CM_FROM_INNER);
        cm_expr_conjuncts(j->pl, tree->on, &on);
        both_lists(j, &group->conjuncts, NULL, &on);
        tree->on = cm_plan_and(j->pl, &on);
        own->tree = tree;
    }
    group->conjuncts.count = 0;
}

/* where: the query's conditions, where they may be asked of the group's rows; else NULL, and what
 * is left has to be the owner's, should one part be left. */
static void join_group(joiner *j, cm_own_part *group, cm_exprs *where)
{
    bool may = where != NULL || all_pushable(&group->conjuncts);

    if (group->parts < 2) {
        return;
    }
    while (may &&
           (join_some_pair(j, group, where, false) || join_some_pair(j, group, where, true))) {
    }
    if (group->parts == 1) {
        settle_rest(j, group, where);
        *group = *group->part[0];
    }
}

/* ---- LEFT, SEMI, ANTI ---- */

/* The own part whose rows the relations are of, if those rows all pass. */
static cm_own_part *find_host(cm_own_part *part, uint64_t rels)
{
    if (part->own != NULL) {
        return within(rels, part->own->shown) ? part : NULL;
    }
    if (part->from != NULL) {
        return part->from->kind == CM_FROM_RELATION || part->from->kind == CM_FROM_FULL
                   ? NULL
                   : find_host(part->part[0], rels);
    }
    for (size_t i = 0; i < part->parts; i++) {
        cm_own_part *host = find_host(part->part[i], rels);
        if (host != NULL) {
            return host;
        }
    }
    return NULL;
}

/* EXISTS is IN for an owner: equalities of the two sides, and conditions on one of them. */
static bool is_lookup(const cm_exprs *conjuncts, uint64_t left, uint64_t right)
{
    bool linked = false;

    for (size_t i = 0; i < conjuncts->count; i++) {
        uint64_t rels = cm_expr_rels(conjuncts->at[i]);
        bool link = links(conjuncts->at[i], left, right);
        if (!link && !within(rels, left) && !within(rels, right)) {
            return false;
        }
        linked = linked || link;
    }
    return linked;
}

/* Its condition belongs in a WHERE, which the right side of a LEFT JOIN has not. */
static bool has_lookup(const cm_from *tree)
{
    return tree->kind != CM_FROM_RELATION &&
           (tree->kind == CM_FROM_SEMI || tree->kind == CM_FROM_ANTI || has_lookup(tree->left) ||
            has_lookup(tree->right));
}

/* The outer join of the host and right; false when it is not an owner's. */
static bool sink(joiner *j, const cm_from *from, cm_own_part *left, const cm_own *right)
{
    cm_exprs conjuncts = {0};
    uint64_t inner = rels_of(right);

    cm_expr_conjuncts(j->pl, from->on, &conjuncts);
    const cm_expr *on = cm_plan_and(j->pl, &conjuncts);
    uint64_t outer = on == NULL ? 0 : cm_expr_rels(on) & ~inner;
    cm_own_part *host = outer == 0 ? NULL : find_host(left, outer);
    if (host == NULL || host->own->rels + right->rels > CM_OWN_JOIN_MAX ||
        !all_pushable(&conjuncts) || !same_owner(j, host->own, right, &conjuncts) ||
        common_orgs(host->own, right) < host->own->orgs) {
        return false;
    }
    if (from->kind == CM_FROM_LEFT) {
        size_t here = orgs_in(j, on, right->shown) + orgs_in_from(j, right->tree, right->shown);
        if (!is_unique(right, outer, &conjuncts) || orgs_in_query(j, right->shown) != here ||
            has_lookup(right->tree)) {
            return false;
        }
    } else if (!is_lookup(&conjuncts, host->own->shown, right->shown)) {
        return false;
    }
    host->own = join(j, from->kind, host->own, right, on, from->position);
    return true;
}

/* ---- the tree ---- */

static cm_own_part *part_new(joiner *j, const cm_from *from)
{
    cm_own_part *part = CM_NEW_SMALL(j->pl->arena, cm_own_part, 1);

    part->from = from;
    part->part = CM_NEW_SMALL(j->pl->arena, cm_own_part *, CM_PLAN_RELATIONS_MAX);
    return part;
}

static cm_own_part *make_part(joiner *j, const cm_from *from, cm_exprs *where);

static void gather(joiner *j, const cm_from *from, cm_own_part *group, cm_exprs *where)
{
    if (from->kind != CM_FROM_INNER && from->kind != CM_FROM_CROSS) {
        CM_ASSERT(group->parts < CM_PLAN_RELATIONS_MAX);
        group->part[group->parts++] = make_part(j, from, where);
        return;
    }
    cm_expr_conjuncts(j->pl, from->on, &group->conjuncts);
    gather(j, from->left, group, where);
    gather(j, from->right, group, where);
}

static cm_own_part *make_outer(joiner *j, const cm_from *from, cm_exprs *where)
{
    cm_own_part *part = part_new(j, from);
    bool keeps = from->kind != CM_FROM_FULL; /* rows of the left side, as they are */

    part->part[0] = make_part(j, from->left, keeps ? where : NULL);
    part->part[1] = make_part(j, from->right, NULL);
    part->parts = 2;
    bool may =
        from->kind == CM_FROM_LEFT || from->kind == CM_FROM_SEMI || from->kind == CM_FROM_ANTI;
    return may && part->part[1]->own != NULL && sink(j, from, part->part[0], part->part[1]->own)
               ? part->part[0]
               : part;
}

/* Parts below are joined first, then the part. */
static cm_own_part *make_part(joiner *j, const cm_from *from, cm_exprs *where)
{
    if (from->kind == CM_FROM_RELATION) {
        cm_own_part *part = part_new(j, from);
        part->own = own_of(j, from);
        return part;
    }
    if (from->kind != CM_FROM_INNER && from->kind != CM_FROM_CROSS) {
        return make_outer(j, from, where);
    }
    cm_own_part *group = part_new(j, NULL);
    gather(j, from, group, where);
    join_group(j, group, where);
    return group;
}

cm_status cm_plan_own_joins(cm_planner *pl, cm_query *query)
{
    joiner j = {.pl = pl, .query = query};

    if (!pl->settings.pushdown || query->from == NULL || query->from->kind == CM_FROM_RELATION) {
        return CM_OK;
    }
    cm_expr_conjuncts(pl, query->where, &j.where);
    cm_own_part *root = make_part(&j, query->from, &j.where);
    pl->own_joined = pl->own_joined || j.changed;
    return j.changed ? cm_own_build(pl, query, root, &j.where) : CM_OK;
}
