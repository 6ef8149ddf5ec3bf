/*
 * A UNION ALL whose arms each select rows of base tables is a union of tables like that of several
 * owners: every owner computes the arm's columns and conditions where it reads the rows, and so
 * everything else that owners can do (filters, expressions, text, partial aggregates) is done below
 * the union.
 *
 * Such a relation has a table of its own for each arm and owner, with the union's columns; what it
 * stands for is a unit.
 */
#include "sql/plan_join.h"

#include <string.h>

const cm_plan_unit *cm_plan_unit_of(const cm_planner *pl, const cm_org_table *table)
{
    const cm_plan_unit *u = pl->units;

    while (u != NULL && u->table != table) {
        u = u->next;
    }
    return u;
}

void cm_plan_unit_add(cm_planner *pl, cm_plan_unit *unit)
{
    unit->next = pl->units;
    pl->units = unit;
}

/* ---- expressions over a table as its owner has it ---- */

typedef struct fold {
    cm_planner *pl;
    const cm_org_table *table;
    const cm_plan_unit *unit;
} fold;

const cm_expr *cm_plan_org(cm_planner *pl, const cm_expr *expr, const char *org)
{
    for (size_t i = 0; i < expr->type.labels->count; i++) {
        if (strcmp(expr->type.labels->labels[i], org) == 0) {
            return cm_expr_const(pl->arena, expr->type, (cm_value){.number = (cm_i128)i},
                                 expr->position);
        }
    }
    CM_ASSERT(false && "an owner is a member");
}

static const cm_expr *fold_column(const cm_expr *expr, void *arg)
{
    const fold *f = arg;

    if (expr->op != CM_X_COLUMN) {
        return NULL;
    }
    if (expr->index == f->table->cols) {
        return cm_plan_org(f->pl, expr, f->table->org);
    }
    return f->unit != NULL ? f->unit->expr[expr->index]
                           : cm_expr_column(f->pl->arena, 0, expr->index, expr->type,
                                            expr->nullable, expr->range, expr->position);
}

cm_status cm_plan_fold_org(cm_planner *pl, const cm_expr *expr, const cm_org_table *table,
                           const cm_expr **ret)
{
    fold f = {.pl = pl, .table = table, .unit = cm_plan_unit_of(pl, table)};
    cm_status st = cm_expr_rewrite(pl->arena, expr, fold_column, &f, ret, pl->diag);

    return st == CM_OK && f.unit != NULL ? cm_plan_fold_constants(pl, *ret, ret) : st;
}

cm_status cm_plan_check_pairs(cm_planner *pl, const cm_org_table *table, uint64_t rows)
{
    const cm_plan_unit *u = cm_plan_unit_of(pl, table);

    return u != NULL && u->many && rows > CM_PLAN_PAIRS_MAX
               ? cm_plan_unsupported(pl, 0, "an owner's join of that many pairs of rows", NULL)
               : CM_OK;
}

void cm_plan_read_table(const cm_planner *pl, const cm_org_table *table, cm_fragment *ret)
{
    const cm_plan_unit *u = cm_plan_unit_of(pl, table);

    ret->table = u == NULL ? table : u->real;
    ret->join = u == NULL ? NULL : u->join;
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
        if (cm_plan_unit_of(b->pl, relation->table[t]) != NULL) {
            cm_status st = cm_plan_fold_org(b->pl, expr, relation->table[t], &inner);
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

/* The arm over one of its tables, which may be a join of several. */
static cm_status add_unit(cm_planner *pl, const cm_relation *relation, const cm_query *arm,
                          const cm_org_table *from, const cm_org_table **ret)
{
    const cm_plan_unit *below = cm_plan_unit_of(pl, from);
    cm_plan_unit *unit = CM_NEW_SMALL(pl->arena, cm_plan_unit, 1);
    cm_org_table *table = CM_NEW_SMALL(pl->arena, cm_org_table, 1);
    const cm_expr **expr = CM_NEW_SMALL(pl->arena, const cm_expr *, relation->cols + 1);
    cm_status st = CM_OK;

    *table = *from;
    table->cols = relation->cols;
    table->col = relation->col;
    table->keys = 0;
    *unit = (cm_plan_unit){.table = table,
                           .real = below == NULL ? from : below->real,
                           .join = below == NULL ? NULL : below->join,
                           .many = below != NULL && below->many,
                           .expr = expr};
    for (unsigned i = 0; st == CM_OK && i < relation->cols; i++) {
        st = cm_plan_fold_org(pl, arm->target[cm_query_target(arm, i)].expr, from, &expr[i]);
    }
    if (st == CM_OK && arm->where != NULL) {
        st = cm_plan_fold_org(pl, arm->where, from, &unit->filter);
    }
    cm_plan_unit_add(pl, unit);
    *ret = table;
    return st;
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
        cm_status st = cm_plan_flatten(pl, all->arm[i], true, &arm[i]);
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
            cm_status st = add_unit(pl, relation, arm[i], base->table[t], &table[united.tables++]);
            if (st != CM_OK) {
                return st;
            }
        }
    }
    *relation = united;
    return CM_OK;
}
