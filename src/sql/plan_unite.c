/*
 * A UNION ALL whose arms each select rows of base tables is a union of tables like that of several
 * owners: every owner computes the arm's columns and conditions where it reads the rows, and so
 * everything else that owners can do (filters, expressions, text, partial aggregates) is done below
 * the union.
 *
 * Such a relation has a table of its own for each arm and owner, with the union's columns; what it
 * stands for is a unit.
 */
#include "sql/plan_int.h"

struct cm_plan_unit {
    const cm_org_table *table; /* with the union's columns, none of them unique */
    const cm_org_table *real;
    const cm_query *arm;
    const struct cm_plan_unit *next;
};

static const cm_plan_unit *find(const cm_planner *pl, const cm_org_table *table)
{
    const cm_plan_unit *u = pl->units;

    while (u != NULL && u->table != table) {
        u = u->next;
    }
    return u;
}

const cm_org_table *cm_plan_real_table(const cm_planner *pl, const cm_org_table *table)
{
    const cm_plan_unit *u = find(pl, table);

    return u == NULL ? table : u->real;
}

const cm_expr *cm_plan_unit_filter(const cm_planner *pl, const cm_org_table *table)
{
    const cm_plan_unit *u = find(pl, table);

    return u == NULL ? NULL : u->arm->where;
}

static const cm_expr *into_arm(const cm_expr *expr, void *arg)
{
    const cm_plan_unit *u = arg;

    return expr->op == CM_X_COLUMN ? u->arm->target[cm_query_target(u->arm, expr->index)].expr
                                   : NULL;
}

cm_status cm_plan_unit_expr(cm_planner *pl, const cm_expr *expr, const cm_org_table *table,
                            const cm_expr **ret)
{
    union {
        const cm_plan_unit *in;
        void *out;
    } u = {.in = find(pl, table)}; /* only read */

    *ret = expr;
    if (u.in == NULL) {
        return CM_OK;
    }
    cm_status st = cm_expr_rewrite(pl->arena, expr, into_arm, u.out, ret, pl->diag);
    return st == CM_OK ? cm_plan_fold_constants(pl, *ret, ret) : st;
}

bool cm_block_pushable(const cm_block *b, const cm_expr *expr)
{
    uint64_t rels = cm_expr_rels(expr);
    bool pushable = cm_expr_pushable(expr);

    if (!pushable || rels == 0 || (rels & (rels - 1)) != 0) {
        return pushable;
    }
    const cm_relation *relation = &b->query->relation[__builtin_ctzll(rels)];
    for (size_t t = 0; pushable && t < relation->tables; t++) {
        const cm_expr *inner;
        if (find(b->pl, relation->table[t]) != NULL) {
            cm_status st = cm_plan_unit_expr(b->pl, expr, relation->table[t], &inner);
            pushable = st == CM_OK && cm_expr_pushable(inner);
        }
    }
    return pushable;
}

/* ---- making one ---- */

static const cm_relation *base_of(const cm_query *arm)
{
    if (arm->arms > 0 || arm->stored != NULL || arm->grouped || arm->distinct || arm->has_limit ||
        arm->offset > 0 || arm->from == NULL || arm->from->kind != CM_FROM_RELATION) {
        return NULL;
    }
    const cm_relation *relation = &arm->relation[arm->from->rel];
    return relation->derived == NULL && relation->windows == 0 && relation->applies == 0 &&
                   relation->tables > 0
               ? relation
               : NULL;
}

/* Its owners can compute all that it shows and asks. */
static bool is_owners(const cm_query *arm)
{
    bool fine = base_of(arm) != NULL && (arm->where == NULL || cm_expr_pushable(arm->where));

    for (size_t t = 0; fine && t < arm->targets; t++) {
        const cm_expr *expr = arm->target[t].expr;
        fine =
            !arm->target[t].hidden && expr->type.kind != CM_TYPE_UNKNOWN && cm_expr_pushable(expr);
    }
    return fine;
}

static const cm_org_table *add_unit(cm_planner *pl, const cm_relation *relation,
                                    const cm_query *arm, const cm_org_table *real)
{
    cm_plan_unit *unit = CM_NEW_SMALL(pl->arena, cm_plan_unit, 1);
    cm_org_table *table = CM_NEW_SMALL(pl->arena, cm_org_table, 1);

    *table = *real;
    table->cols = relation->cols;
    table->col = relation->col;
    table->keys = 0;
    *unit = (cm_plan_unit){table, real, arm, pl->units};
    pl->units = unit;
    return table;
}

cm_status cm_plan_unite(cm_planner *pl, cm_relation *relation)
{
    const cm_query *all = relation->derived;
    size_t tables = 0;

    if (all == NULL || all->arms == 0 || relation->windows > 0 || !pl->settings.pushdown) {
        return CM_OK;
    }
    const cm_query **arm = CM_NEW_SMALL(pl->arena, const cm_query *, all->arms);
    for (size_t i = 0; i < all->arms; i++) {
        cm_status st = cm_plan_flatten(pl, all->arm[i], &arm[i]);
        if (st != CM_OK) {
            return st;
        }
        if (!is_owners(arm[i])) {
            return CM_OK;
        }
        tables += base_of(arm[i])->tables;
    }
    const cm_org_table **table = CM_NEW_SMALL(pl->arena, const cm_org_table *, tables);
    cm_relation united = *relation;
    united.derived = NULL;
    united.table = table;
    for (size_t i = 0; i < all->arms; i++) {
        const cm_relation *base = base_of(arm[i]);
        for (size_t t = 0; t < base->tables; t++) {
            table[united.tables++] = add_unit(pl, relation, arm[i], base->table[t]);
        }
    }
    *relation = united;
    return CM_OK;
}
