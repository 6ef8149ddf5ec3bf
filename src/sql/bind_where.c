/*
 * WHERE.  Conditions [NOT] EXISTS (SELECT ...) and x [NOT] IN (SELECT ...) at its top are joins:
 * SEMI keeps the rows that have a partner, ANTI those that have none.  A simple subquery brings its
 * own FROM into the scope, so that the planner sees tables; its WHERE becomes the join's condition
 * and may name columns of the outer query.  Other subqueries are derived relations.
 */
#include "sql/bind_int.h"

#include <string.h>

bool cm_bind_has_aggregate(const cm_ast *ast)
{
    if (ast == NULL) {
        return false;
    }
    if (ast->kind == CM_AST_FUNC && cm_bind_is_aggregate(ast->text)) {
        return true;
    }
    for (size_t i = 0; i < ast->args; i++) {
        if (cm_bind_has_aggregate(ast->arg[i])) {
            return true;
        }
    }
    return false;
}

bool cm_bind_is_simple(const cm_ast_select *s)
{
    for (size_t i = 0; i < s->targets; i++) {
        if (cm_bind_has_aggregate(s->target[i].expr)) {
            return false;
        }
    }
    return s->unsupported == NULL && s->withs == 0 && s->froms > 0 && s->groups == 0 &&
           s->having == NULL && s->limit == NULL && s->offset == NULL;
}

typedef struct reach {
    const cm_names *left, *right;
    const cm_expr *outside;
} reach;

static bool within(const cm_names *names, unsigned rel)
{
    return rel >= names->first && rel < names->last;
}

static bool find_outside(const cm_expr *expr, void *arg)
{
    reach *r = arg;

    if (expr->op == CM_X_COLUMN && !within(r->left, expr->rel) && !within(r->right, expr->rel)) {
        r->outside = expr;
    }
    return r->outside == NULL;
}

/* The join's condition sees its two sides and nothing further out. */
static cm_status join_subquery(cm_scope *s, const cm_names *names, const cm_names *inner,
                               const cm_from *right, const cm_expr *on, bool negated, int position,
                               const cm_from **from)
{
    reach r = {names, inner, NULL};

    if (on == NULL) {
        on = cm_bind_number(s->b, cm_bind_plain(CM_TYPE_BOOL), 1, position);
    }
    (void)cm_expr_walk(on, find_outside, &r);
    if (r.outside != NULL) {
        return cm_bind_refuse(s->b, r.outside->position,
                              "a subquery that refers to a table two levels out");
    }
    cm_status st = *from == NULL ? cm_bind_one_row(s, from) : CM_OK;
    if (st != CM_OK) {
        return st;
    }
    *from = cm_bind_join(s->b, negated ? CM_FROM_ANTI : CM_FROM_SEMI, *from, right, on, position);
    return CM_OK;
}

/* FROM and WHERE of a simple subquery, in the scope of the outer one. */
cm_status cm_bind_pull_up(cm_scope *s, const cm_names *names, const cm_ast_select *select,
                          const cm_from **ret_from, cm_names *ret_names, const cm_expr **ret_where)
{
    cm_status st = cm_bind_from(s, select, ret_from, ret_names);

    *ret_where = NULL;
    if (st != CM_OK) {
        return st;
    }
    ret_names->outer = names;
    if (select->where != NULL) {
        st = cm_bind_where(s, ret_names, select->where, ret_from, ret_where);
        ret_names->last = s->relations; /* with what its subqueries brought */
    }
    return st;
}

/* (SELECT count(*) FROM (...)) > 0 */
cm_status cm_bind_has_rows(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    const cm_ast *args[2];
    cm_ast *count = CM_NEW_SMALL(at->s->b->arena, cm_ast, 4);
    cm_ast_from *from = CM_NEW_SMALL(at->s->b->arena, cm_ast_from, 1);
    const cm_ast_from **froms = CM_NEW_SMALL(at->s->b->arena, const cm_ast_from *, 1);
    cm_ast_target *target = CM_NEW_SMALL(at->s->b->arena, cm_ast_target, 1);
    cm_ast_select *select = CM_NEW_SMALL(at->s->b->arena, cm_ast_select, 1);

    *from =
        (cm_ast_from){.kind = CM_AST_FROM_SELECT, .position = ast->position, .select = ast->select};
    froms[0] = from;
    count[0] =
        (cm_ast){.kind = CM_AST_FUNC, .text = "count", .star = true, .position = ast->position};
    *target = (cm_ast_target){.expr = &count[0], .position = ast->position};
    *select = (cm_ast_select){
        .position = ast->position, .targets = 1, .target = target, .froms = 1, .from = froms};
    count[1] = (cm_ast){.kind = CM_AST_SCALAR, .select = select, .position = ast->position};
    count[2] = (cm_ast){.kind = CM_AST_INTEGER, .text = "0", .position = ast->position};
    args[0] = &count[1];
    args[1] = &count[2];
    count[3] =
        (cm_ast){.kind = CM_AST_OP, .text = ">", .args = 2, .arg = args, .position = ast->position};
    return cm_bind_expr(at, &count[3], ret);
}

static cm_status bind_exists(cm_scope *s, const cm_names *names, const cm_ast *ast, bool negated,
                             const cm_from **from)
{
    const cm_from *right = NULL;
    const cm_expr *on = NULL, *shown = NULL;
    cm_names inner = {0};

    CM_ASSERT(cm_bind_is_simple(ast->select));
    cm_status st = cm_bind_pull_up(s, names, ast->select, &right, &inner, &on);
    const cm_place at = {.s = s, .names = &inner, .clause = "EXISTS"};
    for (size_t i = 0; i < ast->select->targets && st == CM_OK; i++) {
        const cm_ast *target = ast->select->target[i].expr;
        if (target->kind != CM_AST_COLUMN || !target->star) {
            st = cm_bind_expr(&at, target, &shown); /* only to refuse what is wrong */
        }
    }
    return st == CM_OK ? join_subquery(s, names, &inner, right, on, negated, ast->position, from)
                       : st;
}

static cm_status bind_inner(cm_scope *s, const cm_names *names, const cm_ast *ast,
                            const cm_from **right, cm_names *inner, const cm_expr **value,
                            const cm_expr **where)
{
    const cm_ast_select *select = ast->select;
    const cm_query *query = NULL;
    uint64_t rows = 0;

    if (cm_bind_is_simple(select) && select->targets == 1 && !select->target[0].expr->star) {
        cm_status st = cm_bind_pull_up(s, names, select, right, inner, where);
        const cm_place at = {.s = s, .names = inner, .clause = "IN (SELECT ...)"};
        return st == CM_OK ? cm_bind_expr(&at, select->target[0].expr, value) : st;
    }
    *where = NULL;
    cm_status st = cm_bind_select(s->b, select, &query, &rows);
    if (st != CM_OK) {
        return st;
    }
    cm_relation relation = cm_bind_derive(s->b, query);
    if (relation.cols != 1) {
        cm_bind_at(s->b, ast->position);
        return cm_fail(s->b->diag, CM_EINVAL, CM_SQL_SYNTAX, "subquery has too many columns");
    }
    st = cm_bind_add_hidden(s, relation, rows, ast->position, right, inner);
    return st == CM_OK ? cm_bind_scope_col(s, &inner->col[0], ast->position, value) : st;
}

/* A join, or a condition. */
static cm_status bind_in_select(cm_scope *s, const cm_names *names, const cm_ast *ast, bool negated,
                                const cm_from **from, const cm_expr **ret_condition)
{
    const cm_place at = {.s = s, .names = names, .clause = "WHERE"};
    const cm_expr *parts[2] = {NULL, NULL}, *x = NULL, *value = NULL;
    const cm_from *right = NULL;
    cm_names inner = {0};

    cm_status st = cm_bind_expr(&at, ast->arg[0], &x);
    if (st == CM_OK) {
        st = bind_inner(s, names, ast, &right, &inner, &value, &parts[1]);
    }
    if (st == CM_OK) {
        st = cm_bind_compare(s->b, CM_X_EQ, "=", x, value, ast->position, &parts[0]);
    }
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(parts[0] != NULL);
    if (negated && parts[0]->nullable) { /* NULL is unknown: an anti join would keep the row */
        const cm_place value_at = {.s = s, .names = names, .clause = "WHERE", .from = from};
        st = cm_bind_apply_any(&value_at, ast, &value);
        return st == CM_OK ? cm_bind_not(s->b, value, ast->position, ret_condition) : st;
    }
    const cm_expr *on = parts[0];
    if (parts[1] != NULL) {
        st = cm_bind_op(s->b, CM_X_AND, cm_bind_plain(CM_TYPE_BOOL), parts, 2, 0, 0, ast->position,
                        &on);
    }
    return st == CM_OK ? join_subquery(s, names, &inner, right, on, negated, ast->position, from)
                       : st;
}

cm_status cm_bind_where(cm_scope *s, const cm_names *names, const cm_ast *where,
                        const cm_from **from, const cm_expr **ret)
{
    const cm_place at = {.s = s, .names = names, .clause = "WHERE", .from = from};
    const bool several = where->kind == CM_AST_AND;
    const size_t count = several ? where->args : 1;
    const cm_expr **rest = CM_NEW_SMALL(s->b->arena, const cm_expr *, count + 1);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const cm_ast *part = several ? where->arg[i] : where;
        bool negated = part->kind == CM_AST_NOT && (part->arg[0]->kind == CM_AST_EXISTS ||
                                                    part->arg[0]->kind == CM_AST_IN_SELECT);
        const cm_ast *inner = negated ? part->arg[0] : part;
        const cm_expr *condition = NULL;
        bool joins = inner->kind == CM_AST_EXISTS && cm_bind_is_simple(inner->select);
        cm_status st = joins ? bind_exists(s, names, inner, negated, from)
                       : inner->kind == CM_AST_IN_SELECT
                           ? bind_in_select(s, names, inner, negated, from, &condition)
                           : cm_bind_condition(&at, several ? "AND" : "WHERE", part, &rest[kept++]);
        if (st != CM_OK) {
            return st;
        }
        if (condition != NULL) {
            rest[kept++] = condition;
        }
    }
    *ret = kept > 0 ? rest[0] : NULL;
    return kept < 2 ? CM_OK
                    : cm_bind_op(s->b, CM_X_AND, cm_bind_plain(CM_TYPE_BOOL), rest, kept, 0, 0,
                                 where->position, ret);
}
