/*
 * What conditions say about columns.  A condition that owners evaluate bounds what they share: of
 * WHERE year = 2025 no other year is encoded, no NULL, and no other group is listed.  By an
 * equality both sides of a join have the same bounds: `a.x = b.y AND a.x < 5` gives b.y < 5, and a
 * key that is declared for fewer values on one side bounds the other side, too.  Rows that cannot
 * match anything are left out by their owners, and keys are as narrow as the narrower side.
 *
 * Only sides whose rows a join drops when they match nothing are bounded by the other side: both
 * of an inner join and of EXISTS, the right one alone of LEFT JOIN, NOT EXISTS and APPLY.
 */
#include "sql/plan_int.h"

typedef struct bound {
    const cm_expr *column;
    cm_range range;    /* what the rows that matter have */
    cm_range filtered; /* what the owners' conditions leave */
    bool not_null;     /* by a condition of the owners' */
} bound;

typedef struct narrowing {
    cm_block *b;
    size_t bounds, room;
    bound *bound;
    bool changed;
} narrowing;

static cm_range meet(cm_range a, cm_range b)
{
    return (cm_range){a.lo > b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
}

static bool is_same(cm_range a, cm_range b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static bool is_base(const narrowing *n, const cm_expr *column)
{
    if (column->op != CM_X_COLUMN) {
        return false;
    }
    const cm_relation *relation = &n->b->query->relation[column->rel];
    return relation->derived == NULL && relation->applies == 0 && relation->tables > 0 &&
           column->index < relation->cols;
}

/* A number that owners share themselves. */
static bool is_bounded(const narrowing *n, const cm_expr *expr)
{
    return is_base(n, expr) && !cm_expr_is_text(expr) && cm_block_pushable(n->b, expr);
}

static bound *find(narrowing *n, const cm_expr *column)
{
    for (size_t i = 0; i < n->bounds; i++) {
        if (n->bound[i].column->rel == column->rel && n->bound[i].column->index == column->index) {
            return &n->bound[i];
        }
    }
    return NULL;
}

static bound *bound_of(narrowing *n, const cm_expr *column)
{
    bound *found = find(n, column);

    if (found != NULL) {
        return found;
    }
    if (n->bounds == n->room) {
        size_t room = n->room == 0 ? 16 : 2 * n->room;
        bound *more = CM_NEW_SMALL(n->b->pl->arena, bound, room);
        for (size_t i = 0; i < n->bounds; i++) {
            more[i] = n->bound[i];
        }
        n->bound = more;
        n->room = room;
    }
    n->bound[n->bounds] =
        (bound){.column = column, .range = column->range, .filtered = column->range};
    return &n->bound[n->bounds++];
}

/* ---- what a condition leaves of a column ---- */

static cm_range compared(cm_expr_op op, cm_range all, cm_i128 value)
{
    switch ((int)op) {
    case CM_X_EQ:
        return meet(all, (cm_range){value, value});
    case CM_X_LT:
        return meet(all, (cm_range){all.lo, value - 1});
    case CM_X_LE:
        return meet(all, (cm_range){all.lo, value});
    case CM_X_GT:
        return meet(all, (cm_range){value + 1, all.hi});
    default:
        return meet(all, (cm_range){value, all.hi});
    }
}

static cm_expr_op turned(cm_expr_op op)
{
    switch ((int)op) {
    case CM_X_LT:
        return CM_X_GT;
    case CM_X_LE:
        return CM_X_GE;
    case CM_X_GT:
        return CM_X_LT;
    case CM_X_GE:
        return CM_X_LE;
    default:
        return op;
    }
}

static bool is_column(const cm_expr *expr, const cm_expr *column)
{
    expr = cm_expr_strip(expr);
    return expr->op == CM_X_COLUMN && expr->rel == column->rel && expr->index == column->index;
}

static bool is_value(const cm_expr *expr)
{
    return expr->op == CM_X_CONST && !expr->value.null;
}

static bool leaves(const cm_expr *x, const cm_expr *column, cm_range *ret);

static bool junction_leaves(const cm_expr *x, const cm_expr *column, cm_range *ret)
{
    bool any = false, all = true;
    cm_range sum = column->range;

    for (size_t i = 0; i < x->args; i++) {
        cm_range one;
        if (!leaves(x->arg[i], column, &one)) {
            all = false;
            continue;
        }
        if (x->op == CM_X_AND) {
            sum = meet(sum, one);
        } else {
            sum = any ? (cm_range){one.lo < sum.lo ? one.lo : sum.lo,
                                   one.hi > sum.hi ? one.hi : sum.hi}
                      : one;
        }
        any = true;
    }
    *ret = sum;
    return x->op == CM_X_AND ? any : all && any;
}

static bool list_leaves(const cm_expr *x, const cm_expr *column, cm_range *ret)
{
    if (!is_column(x->arg[0], column)) {
        return false;
    }
    for (size_t i = 1; i < x->args; i++) {
        if (!is_value(x->arg[i])) {
            return false;
        }
        cm_i128 value = x->arg[i]->value.number;
        *ret = i == 1 ? (cm_range){value, value}
                      : (cm_range){value < ret->lo ? value : ret->lo,
                                   value > ret->hi ? value : ret->hi};
    }
    *ret = meet(*ret, column->range);
    return x->args > 1;
}

/* The values of the column in rows where x is true; then it is not NULL either. */
static bool leaves(const cm_expr *x, const cm_expr *column, cm_range *ret)
{
    switch ((int)x->op) {
    case CM_X_AND:
    case CM_X_OR:
        return junction_leaves(x, column, ret);
    case CM_X_IN:
        return list_leaves(x, column, ret);
    case CM_X_EQ:
    case CM_X_LT:
    case CM_X_LE:
    case CM_X_GT:
    case CM_X_GE:
        for (size_t s = 0; s < 2; s++) {
            if (is_column(x->arg[s], column) && is_value(x->arg[1 - s])) {
                *ret = compared(s == 0 ? x->op : turned(x->op), column->range,
                                x->arg[1 - s]->value.number);
                return true;
            }
        }
        return false;
    default:
        return false;
    }
}

static bool note_column(const cm_expr *expr, void *arg)
{
    narrowing *n = arg;

    if (is_bounded(n, expr)) {
        (void)bound_of(n, expr);
    }
    return true;
}

static void take_filter(narrowing *n, const cm_expr *filter)
{
    (void)cm_expr_walk(filter, note_column, n);
    for (size_t i = 0; i < n->bounds; i++) {
        bound *known = &n->bound[i];
        cm_range left;
        if (leaves(filter, known->column, &left)) {
            known->not_null = true;
            left = meet(left, known->filtered);
            if (left.lo <= left.hi) { /* else no row is left, and any range will do */
                known->filtered = left;
            }
            left = meet(known->range, known->filtered);
            known->range = left.lo <= left.hi ? left : known->filtered;
        }
    }
}

static void take_filters(narrowing *n)
{
    for (unsigned rel = 0; rel < n->b->query->relations; rel++) {
        for (size_t i = 0; i < n->b->own[rel].count; i++) {
            const cm_expr *own = n->b->own[rel].at[i];
            if (n->b->query->relation[rel].derived == NULL && cm_block_pushable(n->b, own)) {
                take_filter(n, own);
            }
        }
    }
}

/* ---- from one side of an equality to the other ---- */

/* Relations whose rows the part drops or passes, but never makes up. */
static uint64_t passed(const cm_part *part)
{
    uint64_t rels = 0;

    switch ((int)part->kind) {
    case CM_FROM_RELATION:
        return part->rels;
    case CM_FROM_INNER:
        for (size_t i = 0; i < part->parts; i++) {
            rels |= passed(part->part[i]);
        }
        return rels;
    case CM_FROM_FULL:
        return 0;
    default:
        return passed(part->part[0]);
    }
}

/* A condition of the other side that tells more than its range. */
static bool is_list_of(const cm_expr *x, const cm_expr *column)
{
    bool fine = (x->op == CM_X_IN || x->op == CM_X_EQ) && is_column(x->arg[0], column);

    for (size_t i = 1; fine && i < x->args; i++) {
        fine = is_value(x->arg[i]);
    }
    return fine;
}

typedef struct swap {
    const cm_expr *from, *to;
} swap;

static const cm_expr *swap_column(const cm_expr *expr, void *arg)
{
    const swap *s = arg;

    return expr->op == CM_X_COLUMN && is_column(expr, s->from) ? s->to : NULL;
}

/* x IN (...) of one side is the other's, too. */
static cm_status copy_lists(narrowing *n, const cm_expr *from, const cm_expr *to)
{
    const cm_exprs *own = &n->b->own[from->rel];
    swap s = {from, to};

    if (from->type.kind != to->type.kind || from->type.scale != to->type.scale) {
        return CM_OK;
    }
    for (size_t i = 0; i < own->count; i++) {
        const cm_expr *copy;
        if (!is_list_of(own->at[i], from)) {
            continue;
        }
        cm_status st =
            cm_expr_rewrite(n->b->pl->arena, own->at[i], swap_column, &s, &copy, n->b->pl->diag);
        if (st != CM_OK) {
            return st;
        }
        if (cm_block_pushable(n->b, copy) && !cm_exprs_have(&n->b->own[to->rel], copy)) {
            cm_exprs_add(n->b->pl->arena, &n->b->own[to->rel], copy);
            n->changed = true;
            if (!cm_expr_is_text(to)) {
                take_filter(n, copy);
            }
        }
    }
    return CM_OK;
}

/* The other side's rows matter only where they equal one of these. */
static cm_status pass_on(narrowing *n, const cm_expr *from, const cm_expr *to, uint64_t may)
{
    if (to->op != CM_X_COLUMN || (may >> to->rel & 1) == 0 || !is_base(n, to)) {
        return CM_OK;
    }
    if (is_bounded(n, to)) {
        const bound *source = is_bounded(n, from) ? bound_of(n, from) : NULL;
        cm_range range = source != NULL ? source->range : from->range;
        bound *target = bound_of(n, to);
        range = meet(range, target->range);
        if (range.lo <= range.hi && !is_same(range, target->range)) {
            target->range = range;
            n->changed = true;
        }
    }
    return from->op == CM_X_COLUMN && is_base(n, from) ? copy_lists(n, from, to) : CM_OK;
}

static cm_status pass_key(narrowing *n, const cm_part *part, const cm_expr *expr)
{
    uint64_t may = passed(part);

    if (expr->op != CM_X_EQ) {
        return CM_OK;
    }
    if (part->kind != CM_FROM_INNER) {
        may = passed(part->part[1]) | (part->kind == CM_FROM_SEMI ? passed(part->part[0]) : 0);
    }
    if (part->kind == CM_FROM_FULL) {
        return CM_OK;
    }
    const cm_expr *x = cm_expr_strip(expr->arg[0]), *y = cm_expr_strip(expr->arg[1]);
    cm_status st = pass_on(n, x, y, may);
    return st == CM_OK ? pass_on(n, y, x, may) : st;
}

static cm_status pass_part(narrowing *n, const cm_part *part)
{
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < part->parts; i++) {
        st = pass_part(n, part->part[i]);
    }
    for (size_t i = 0; st == CM_OK && i < part->conjuncts.count; i++) {
        st = pass_key(n, part, part->conjuncts.at[i]);
    }
    return st;
}

/* ---- the block with what was found ---- */

/* Leaves to the owner what would only make keys wider. */
static cm_status add_filter(narrowing *n, bound *known)
{
    cm_planner *pl = n->b->pl;
    const cm_expr *column = known->column;
    cm_type boolean = cm_plan_bool_type();
    const cm_range to = known->range, from = known->filtered;

    if (cm_range_planes(to) >= cm_range_planes(from)) {
        known->range = from;
        return CM_OK;
    }
    for (int end = 0; end < 2; end++) {
        const cm_expr *filter;
        cm_value value = {.number = end == 0 ? to.lo : to.hi};
        if (end == 0 ? to.lo == from.lo : to.hi == from.hi) {
            continue;
        }
        cm_status st = cm_plan_op_new(pl, end == 0 ? CM_X_GE : CM_X_LE, boolean, column,
                                      cm_expr_const(pl->arena, column->type, value, 0), &filter);
        if (st != CM_OK) {
            return st;
        }
        cm_exprs_add(pl->arena, &n->b->own[column->rel], filter);
    }
    known->not_null = true;
    return CM_OK;
}

static const cm_expr *narrow_column(const cm_expr *expr, void *arg)
{
    narrowing *n = arg;
    const bound *known = expr->op == CM_X_COLUMN ? find(n, expr) : NULL;

    if (known == NULL) {
        return NULL;
    }
    bool nullable = expr->nullable && (!known->not_null || n->b->outer[expr->rel]);
    return cm_expr_column(n->b->pl->arena, expr->rel, expr->index, expr->type, nullable,
                          meet(expr->range, known->range), expr->position);
}

static cm_status narrow(narrowing *n, const cm_expr **expr)
{
    return *expr == NULL
               ? CM_OK
               : cm_expr_rewrite(n->b->pl->arena, *expr, narrow_column, n, expr, n->b->pl->diag);
}

static cm_status narrow_list(narrowing *n, const cm_expr *const *list, size_t count,
                             const cm_expr *const **ret)
{
    const cm_expr **copy = CM_NEW_SMALL(n->b->pl->arena, const cm_expr *, count + 1);
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < count; i++) {
        copy[i] = list[i];
        st = narrow(n, &copy[i]);
    }
    *ret = copy;
    return st;
}

static cm_status narrow_part(narrowing *n, cm_part *part)
{
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < part->parts; i++) {
        st = narrow_part(n, part->part[i]);
    }
    for (size_t i = 0; st == CM_OK && i < part->conjuncts.count; i++) {
        st = narrow(n, &part->conjuncts.at[i]);
    }
    if (part->kind == CM_FROM_RELATION) { /* the owners' conditions are about all of their rows */
        cm_exprs *own = &n->b->own[part->rel];
        for (size_t i = 0; st == CM_OK && i < own->count; i++) {
            const cm_expr *narrower = own->at[i];
            if (!cm_block_pushable(n->b, narrower)) {
                st = narrow(n, &narrower);
            }
            /* What fits owners' numbers in these rows alone is asked of all of them there. */
            if (st == CM_OK && !cm_block_pushable(n->b, narrower)) {
                own->at[i] = narrower;
            }
        }
    }
    return st;
}

static cm_status narrow_query(narrowing *n, cm_query *query)
{
    cm_arena *arena = n->b->pl->arena;
    cm_target *target = CM_NEW_SMALL(arena, cm_target, query->targets + 1);
    cm_relation *relation = CM_NEW_SMALL(arena, cm_relation, query->relations + 1);
    cm_status st = narrow_list(n, query->group, query->groups, &query->group);

    for (size_t i = 0; st == CM_OK && i < query->targets; i++) {
        target[i] = query->target[i];
        st = narrow(n, &target[i].expr);
    }
    for (size_t i = 0; st == CM_OK && i < query->relations; i++) {
        relation[i] = query->relation[i];
        st = narrow_list(n, relation[i].apply, relation[i].applies, &relation[i].apply);
    }
    query->target = target;
    query->relation = relation;
    return st == CM_OK ? narrow(n, &query->having) : st;
}

cm_status cm_block_narrow(cm_block *b, cm_query *query)
{
    narrowing n = {.b = b, .changed = true};
    cm_status st = CM_OK;

    if (!b->pl->settings.pushdown || b->from == NULL) {
        return CM_OK;
    }
    take_filters(&n);
    for (int i = 0; st == CM_OK && n.changed && i < CM_PLAN_RELATIONS_MAX; i++) {
        n.changed = false;
        st = pass_part(&n, b->from);
    }
    for (size_t i = 0; st == CM_OK && i < n.bounds; i++) {
        st = add_filter(&n, &n.bound[i]);
    }
    if (st == CM_OK) {
        st = narrow_part(&n, b->from);
    }
    return st == CM_OK ? narrow_query(&n, query) : st;
}
