/* Comparisons: = < BETWEEN IN LIKE IS DISTINCT FROM. */
#include "sql/bind_int.h"

static const cm_type boolean = {.kind = CM_TYPE_BOOL};

/* A constant that the other side's type holds as it is takes that type: the column stays bare. */
static void narrow_constant(cm_binder *b, const cm_expr **constant, const cm_type *other)
{
    const cm_expr *c = *constant;
    cm_range range = cm_type_range(other);

    if (!cm_bind_is_const(c) || c->value.null || !cm_type_is_number(&c->type) || c->type.quotient) {
        return;
    }
    cm_i128 number = c->value.number;
    int scale = c->type.kind == CM_TYPE_NUMERIC ? c->type.scale : 0;
    int wanted = other->kind == CM_TYPE_NUMERIC ? other->scale : 0;
    while (scale > wanted && number % 10 == 0) {
        number /= 10;
        scale--;
    }
    if (cm_bind_is_int(other)) {
        if (scale == 0 && number >= range.lo && number <= range.hi) {
            *constant = cm_bind_number(b, *other, number, c->position);
        }
        return;
    }
    if (other->kind == CM_TYPE_NUMERIC &&
        cm_value_rescale(number, scale, scale > wanted ? scale : wanted, &number) == CM_OK) {
        scale = scale > wanted ? scale : wanted;
        *constant = cm_bind_number(b, cm_bind_numeric(scale, false, 0), number, c->position);
    }
}

static cm_status unify_pair(cm_binder *b, const cm_expr **left, const cm_expr **right, int position)
{
    narrow_constant(b, left, &(*right)->type);
    narrow_constant(b, right, &(*left)->type);
    if (cm_type_is_number(&(*left)->type) &&
        ((*left)->type.kind == CM_TYPE_NUMERIC || (*right)->type.kind == CM_TYPE_NUMERIC)) {
        return cm_bind_unify_scales(b, left, right, position);
    }
    const cm_expr *both[2] = {*left, *right};
    cm_type type;
    cm_status st = cm_bind_unify(b, "comparison", both, 2, &type);
    *left = both[0];
    *right = both[1];
    return st;
}

cm_status cm_bind_compare(cm_binder *b, cm_expr_op op, const char *name, const cm_expr *left,
                          const cm_expr *right, int position, const cm_expr **ret)
{
    bool interval = left->type.kind == CM_TYPE_INTERVAL || right->type.kind == CM_TYPE_INTERVAL;

    if (!cm_bind_comparable(&left->type, &right->type)) {
        return cm_bind_no_operator(b, name, left, right, position);
    }
    if (interval) {
        return cm_bind_refuse(b, position, "a comparison of intervals");
    }
    cm_type to = left->type.kind == CM_TYPE_UNKNOWN ? right->type : left->type;
    if (to.kind == CM_TYPE_UNKNOWN) {
        to = cm_bind_text(0);
    }
    cm_status st = cm_bind_coerce_unknown(b, left, to, &left);
    if (st == CM_OK) {
        st = cm_bind_coerce_unknown(b, right, to, &right);
    }
    if (st == CM_OK) {
        st = unify_pair(b, &left, &right, position);
    }
    return st == CM_OK ? cm_bind_op2(b, op, boolean, left, right, position, ret) : st;
}

cm_status cm_bind_not(cm_binder *b, const cm_expr *expr, int position, const cm_expr **ret)
{
    return cm_bind_op1(b, CM_X_NOT, boolean, expr, position, ret);
}

cm_status cm_bind_between(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;
    bool symmetric =
        ast->kind == CM_AST_BETWEEN_SYMMETRIC || ast->kind == CM_AST_NOT_BETWEEN_SYMMETRIC;
    bool negated = ast->kind == CM_AST_NOT_BETWEEN || ast->kind == CM_AST_NOT_BETWEEN_SYMMETRIC;
    const cm_expr *x, *bound[2], *parts[2], *either[2];
    const int position = ast->position;
    cm_status st = CM_OK;

    if (ast->args != 3) {
        return cm_bind_refuse(b, position, "this form of BETWEEN");
    }
    st = cm_bind_expr(at, ast->arg[0], &x);
    for (size_t i = 0; i < 2 && st == CM_OK; i++) {
        st = cm_bind_expr(at, ast->arg[1 + i], &bound[i]);
    }
    for (size_t i = 0; i < (symmetric ? 2u : 1u) && st == CM_OK; i++) {
        st = cm_bind_compare(b, CM_X_GE, ">=", x, bound[i], position, &parts[0]);
        if (st == CM_OK) {
            st = cm_bind_compare(b, CM_X_LE, "<=", x, bound[1 - i], position, &parts[1]);
        }
        if (st == CM_OK) {
            st = cm_bind_op(b, CM_X_AND, boolean, parts, 2, 0, 0, position, &either[i]);
        }
    }
    if (st == CM_OK && symmetric) {
        st = cm_bind_op(b, CM_X_OR, boolean, either, 2, 0, 0, position, &either[0]);
    }
    if (st == CM_OK) {
        *ret = either[0];
        st = negated ? cm_bind_not(b, *ret, position, ret) : CM_OK;
    }
    return st;
}

cm_status cm_bind_in(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;
    const cm_expr **args;
    cm_type type;

    cm_status st = cm_bind_args(at, ast, &args);
    if (st != CM_OK) {
        return st;
    }
    for (size_t i = 1; i < ast->args; i++) {
        if (!cm_bind_comparable(&args[0]->type, &args[i]->type)) {
            return cm_bind_no_operator(b, "=", args[0], args[i], ast->position);
        }
        st = cm_bind_coerce_unknown(b, args[i], args[0]->type, &args[i]);
        if (st != CM_OK) {
            return st;
        }
        if (args[0]->type.kind != CM_TYPE_UNKNOWN) {
            narrow_constant(b, &args[i], &args[0]->type);
        }
    }
    st = cm_bind_unify(b, "IN", args, ast->args, &type);
    if (st == CM_OK) {
        st = cm_bind_op(b, CM_X_IN, boolean, args, ast->args, 0, 0, ast->position, ret);
    }
    return st == CM_OK && ast->kind == CM_AST_NOT_IN ? cm_bind_not(b, *ret, ast->position, ret)
                                                     : st;
}

cm_status cm_bind_like(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;
    bool negated = ast->kind == CM_AST_NOT_LIKE || ast->kind == CM_AST_NOT_ILIKE;
    bool fold = ast->kind == CM_AST_ILIKE || ast->kind == CM_AST_NOT_ILIKE;
    const cm_expr **args;

    if (ast->arg[1]->kind == CM_AST_FUNC) {
        return cm_bind_refuse(b, ast->position, "LIKE ... ESCAPE");
    }
    cm_status st = cm_bind_args(at, ast, &args);
    for (size_t i = 0; i < 2 && st == CM_OK; i++) {
        st = cm_bind_coerce_unknown(b, args[i], cm_bind_text(0), &args[i]);
    }
    if (st == CM_OK) {
        st = cm_bind_name_as_text(b, args[0], &args[0]);
    }
    if (st != CM_OK) {
        return st;
    }
    if (args[0]->type.kind != CM_TYPE_TEXT || args[1]->type.kind != CM_TYPE_TEXT) {
        return cm_bind_no_operator(b, fold ? "~~*" : "~~", args[0], args[1], ast->position);
    }
    if (!cm_bind_is_const(args[1]) && args[1]->op != CM_X_PARAM) {
        return cm_bind_refuse(b, args[1]->position, "LIKE with a pattern that is not a constant");
    }
    st = cm_bind_op(b, CM_X_LIKE, boolean, args, 2, fold ? 1 : 0, 0, ast->position, ret);
    return st == CM_OK && negated ? cm_bind_not(b, *ret, ast->position, ret) : st;
}

cm_status cm_bind_distinct(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    const cm_expr **args;

    cm_status st = cm_bind_args(at, ast, &args);
    if (st == CM_OK) {
        st =
            cm_bind_compare(at->s->b, CM_X_NOT_DISTINCT, "=", args[0], args[1], ast->position, ret);
    }
    return st == CM_OK && ast->kind == CM_AST_DISTINCT
               ? cm_bind_not(at->s->b, *ret, ast->position, ret)
               : st;
}
