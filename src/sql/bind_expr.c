/* Expressions: names and types resolved, operators typed, three-valued logic spelled out. */
#include "sql/bind_int.h"

#include <string.h>

static const cm_type boolean = {.kind = CM_TYPE_BOOL};

/* Literals ----------------------------------------------------------------------------------- */

static cm_status bind_integer(cm_binder *b, const cm_ast *ast, const cm_expr **ret)
{
    const cm_type int4 = cm_bind_plain(CM_TYPE_INT4), int8 = cm_bind_plain(CM_TYPE_INT8);
    cm_value value;

    /* Digits alone are an integer when bigint holds them. */
    if (strpbrk(ast->text, ".eE") == NULL &&
        cm_value_parse(&int8, ast->text, b->arena, &value, NULL) == CM_OK) {
        bool small = value.number >= INT32_MIN && value.number <= INT32_MAX;
        *ret = cm_expr_const(b->arena, small ? int4 : int8, value, ast->position);
        return CM_OK;
    }
    return cm_bind_decimal(b, ast->text, ast->position, ret);
}

static cm_status bind_unknown(cm_binder *b, const char *text, unsigned param, int position,
                              const cm_expr **ret)
{
    cm_expr *expr = CM_NEW_SMALL(b->arena, cm_expr, 1);

    *expr = (cm_expr){.op = CM_X_CONST,
                      .type = {.kind = CM_TYPE_UNKNOWN},
                      .nullable = text == NULL,
                      .position = position,
                      .index = param,
                      .value = {.null = text == NULL, .text = text}};
    *ret = expr;
    return CM_OK;
}

static cm_status bind_param(cm_binder *b, const cm_ast *ast, const cm_expr **ret)
{
    const unsigned index = (unsigned)ast->number;

    if (ast->number > b->params) {
        cm_bind_at(b, ast->position);
        return cm_fail(b->diag, CM_EINVAL, "42P02", "there is no parameter $%d", ast->number);
    }
    cm_type type = b->param_types[index - 1];
    if (b->param_values == NULL) {
        return cm_expr_op_new(b->arena, CM_X_PARAM, type, NULL, 0, index, 0, ast->position, ret,
                              b->diag);
    }
    const cm_value *value = &b->param_values[index - 1];
    if (type.kind != CM_TYPE_UNKNOWN && (value->null || value->text == NULL)) {
        *ret = cm_expr_const(b->arena, type, *value, ast->position);
        return CM_OK;
    }
    cm_status st = bind_unknown(b, value->null ? NULL : value->text, index, ast->position, ret);
    return st == CM_OK && type.kind != CM_TYPE_UNKNOWN ? cm_bind_coerce_unknown(b, *ret, type, ret)
                                                       : st;
}

static cm_status bind_concat(cm_binder *b, const cm_expr *left, const cm_expr *right, int position,
                             const cm_expr **ret)
{
    cm_status st = cm_bind_coerce_unknown(b, left, cm_bind_text(0), &left);

    if (st == CM_OK) {
        st = cm_bind_coerce_unknown(b, right, cm_bind_text(0), &right);
    }
    if (st != CM_OK) {
        return st;
    }
    bool l = left->type.kind == CM_TYPE_TEXT, r = right->type.kind == CM_TYPE_TEXT;
    if (!l && !r) {
        return cm_bind_no_operator(b, "||", left, right, position);
    }
    if (!l || !r) {
        const cm_ast_type text = {.name = "text"};
        st = cm_bind_cast(b, l ? right : left, &text, position, l ? &right : &left);
        if (st != CM_OK) {
            return st;
        }
    }
    cm_type type = cm_bind_text((size_t)left->type.max_bytes + right->type.max_bytes);
    return cm_bind_op2(b, CM_X_CONCAT, type, left, right, position, ret);
}

static const struct {
    const char *name;
    cm_expr_op op;
} comparisons[] = {
    {"=", CM_X_EQ},  {"<>", CM_X_NE}, {"!=", CM_X_NE}, {"<", CM_X_LT},
    {"<=", CM_X_LE}, {">", CM_X_GT},  {">=", CM_X_GE},
};

static cm_status bind_operator(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    static const char *const elsewhere[] = {"|/", "||/", "@",  "&",  "|",   "#",  "~",
                                            "<<", ">>",  "!~", "~*", "!~*", "->", "->>",
                                            "@>", "<@",  "&&", "?",  "^@"};
    cm_binder *b = at->s->b;
    const cm_expr *left = NULL, *right = NULL;
    const char *op = ast->text;

    cm_status st = CM_OK;
    if (ast->args == 2) {
        st = cm_bind_expr(at, ast->arg[0], &left);
    }
    if (st == CM_OK) {
        st = cm_bind_expr(at, ast->arg[ast->args - 1], &right);
    }
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(right != NULL);
    if (strlen(op) == 1 && strchr("+-*/%", op[0]) != NULL) {
        if (left != NULL) {
            return cm_bind_arith(b, op[0], left, right, ast->position, ret);
        }
        if (right->type.kind == CM_TYPE_UNKNOWN) {
            cm_bind_at(b, ast->position);
            return cm_fail(b->diag, CM_EINVAL, "42725", "operator is not unique: %s unknown", op);
        }
        if (op[0] == '-') {
            return cm_bind_negate(b, right, ast->position, ret);
        }
        if (op[0] == '+' && cm_type_is_number(&right->type)) {
            *ret = right;
            return CM_OK;
        }
    }
    if (left != NULL) {
        for (size_t i = 0; i < CM_COUNT(comparisons); i++) {
            if (strcmp(op, comparisons[i].name) == 0) {
                return cm_bind_compare(b, comparisons[i].op, op, left, right, ast->position, ret);
            }
        }
        if (strcmp(op, "^") == 0) {
            const cm_expr *args[2] = {left, right};
            const cm_call power = {b, ast, args, 2, ast->position};
            return cm_type_is_number(&left->type) && cm_type_is_number(&right->type)
                       ? cm_bind_power(&power, ret)
                       : cm_bind_no_operator(b, op, left, right, ast->position);
        }
        if (strcmp(op, "||") == 0) {
            return bind_concat(b, left, right, ast->position, ret);
        }
    }
    for (size_t i = 0; i < CM_COUNT(elsewhere); i++) {
        if (strcmp(op, elsewhere[i]) == 0) {
            return cm_bind_refuse(b, ast->position, "operator %s", op);
        }
    }
    return cm_bind_no_operator(b, op, left, right, ast->position);
}

cm_status cm_bind_args(const cm_place *at, const cm_ast *ast, const cm_expr ***ret)
{
    const cm_expr **args = CM_NEW_SMALL(at->s->b->arena, const cm_expr *, ast->args + 1);

    for (size_t i = 0; i < ast->args; i++) {
        cm_status st = cm_bind_expr(at, ast->arg[i], &args[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    *ret = args;
    return CM_OK;
}

/* Logic -------------------------------------------------------------------------------------- */

static cm_status bind_logic(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    const char *name = ast->kind == CM_AST_AND ? "AND" : ast->kind == CM_AST_OR ? "OR" : "NOT";
    cm_expr_op op = ast->kind == CM_AST_AND  ? CM_X_AND
                    : ast->kind == CM_AST_OR ? CM_X_OR
                                             : CM_X_NOT;
    const cm_expr **args = CM_NEW_SMALL(at->s->b->arena, const cm_expr *, ast->args + 1);

    for (size_t i = 0; i < ast->args; i++) {
        cm_status st = cm_bind_condition(at, name, ast->arg[i], &args[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    return cm_bind_op(at->s->b, op, boolean, args, ast->args, 0, 0, ast->position, ret);
}

static cm_status bind_is_null(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;
    const cm_expr *x = NULL;

    cm_status st = cm_bind_expr(at, ast->arg[0], &x);
    if (st == CM_OK) {
        st = cm_bind_coerce_unknown(b, x, cm_bind_text(0), &x);
    }
    if (st == CM_OK) {
        st = cm_bind_op1(b, CM_X_IS_NULL, boolean, x, ast->position, ret);
    }
    return st == CM_OK && ast->kind == CM_AST_IS_NOT_NULL ? cm_bind_not(b, *ret, ast->position, ret)
                                                          : st;
}

static cm_status bind_truth(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    static const struct {
        cm_ast_kind kind;
        cm_expr_op op;
        bool negated;
        const char *name;
    } tests[] = {
        {CM_AST_IS_TRUE, CM_X_IS_TRUE, false, "IS TRUE"},
        {CM_AST_IS_NOT_TRUE, CM_X_IS_TRUE, true, "IS NOT TRUE"},
        {CM_AST_IS_FALSE, CM_X_IS_FALSE, false, "IS FALSE"},
        {CM_AST_IS_NOT_FALSE, CM_X_IS_FALSE, true, "IS NOT FALSE"},
        {CM_AST_IS_UNKNOWN, CM_X_IS_NULL, false, "IS UNKNOWN"},
        {CM_AST_IS_NOT_UNKNOWN, CM_X_IS_NULL, true, "IS NOT UNKNOWN"},
    };
    const cm_expr *x = NULL;
    size_t i = 0;

    while (tests[i].kind != ast->kind) {
        i++;
    }
    cm_status st = cm_bind_condition(at, tests[i].name, ast->arg[0], &x);
    if (st == CM_OK) {
        st = cm_bind_op1(at->s->b, tests[i].op, boolean, x, ast->position, ret);
    }
    return st == CM_OK && tests[i].negated ? cm_bind_not(at->s->b, *ret, ast->position, ret) : st;
}

/* Conditionals ------------------------------------------------------------------------------- */

static cm_status bind_case_when(const cm_place *at, const cm_ast *ast, const cm_expr *tested,
                                size_t i, const cm_expr **ret)
{
    const cm_expr *value = NULL;

    if (tested == NULL) {
        return cm_bind_condition(at, "CASE/WHEN", ast->arg[i], ret);
    }
    cm_status st = cm_bind_expr(at, ast->arg[i], &value);
    return st == CM_OK
               ? cm_bind_compare(at->s->b, CM_X_EQ, "=", tested, value, ast->arg[i]->position, ret)
               : st;
}

static cm_status bind_case(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;
    const size_t whens = (ast->args - 2) / 2;
    const cm_expr **args = CM_NEW_SMALL(b->arena, const cm_expr *, ast->args);
    const cm_expr **results = CM_NEW_SMALL(b->arena, const cm_expr *, whens + 1);
    const cm_expr *tested = NULL;
    cm_status st = CM_OK;
    cm_type type;

    if (ast->arg[0] != NULL) {
        st = cm_bind_expr(at, ast->arg[0], &tested);
    }
    for (size_t i = 0; i < whens && st == CM_OK; i++) {
        st = bind_case_when(at, ast, tested, 1 + 2 * i, &args[2 * i]);
        if (st == CM_OK) {
            st = cm_bind_expr(at, ast->arg[2 + 2 * i], &results[i + 1]);
        }
    }
    if (st == CM_OK) {
        const cm_ast *otherwise = ast->arg[ast->args - 1];
        /* PostgreSQL lets ELSE speak first when it looks for the common type. */
        st = otherwise == NULL ? bind_unknown(b, NULL, 0, ast->position, &results[0])
                               : cm_bind_expr(at, otherwise, &results[0]);
    }
    if (st == CM_OK) {
        st = cm_bind_unify(b, "CASE", results, whens + 1, &type);
    }
    if (st != CM_OK) {
        return st;
    }
    for (size_t i = 0; i < whens; i++) {
        args[2 * i + 1] = results[i + 1];
    }
    args[2 * whens] = results[0];
    return cm_bind_op(b, CM_X_CASE, type, args, 2 * whens + 1, 0, 0, ast->position, ret);
}

static cm_status bind_choice(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    const char *name = ast->kind == CM_AST_COALESCE   ? "COALESCE"
                       : ast->kind == CM_AST_GREATEST ? "GREATEST"
                                                      : "LEAST";
    cm_expr_op op = ast->kind == CM_AST_COALESCE   ? CM_X_COALESCE
                    : ast->kind == CM_AST_GREATEST ? CM_X_GREATEST
                                                   : CM_X_LEAST;
    const cm_expr **args;
    cm_type type;

    cm_status st = cm_bind_args(at, ast, &args);
    if (st == CM_OK) {
        st = cm_bind_unify(at->s->b, name, args, ast->args, &type);
    }
    if (st != CM_OK || ast->args == 1) {
        *ret = st == CM_OK ? args[0] : NULL;
        return st;
    }
    return cm_bind_op(at->s->b, op, type, args, ast->args, 0, 0, ast->position, ret);
}

/* NULLIF has the type of its first argument. */
static cm_status bind_nullif(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;
    const cm_expr **args, *equal;

    cm_status st = cm_bind_args(at, ast, &args);
    if (st == CM_OK && args[0]->type.kind == CM_TYPE_UNKNOWN) {
        cm_type to = args[1]->type.kind == CM_TYPE_UNKNOWN ? cm_bind_text(0) : args[1]->type;
        st = cm_bind_coerce_unknown(b, args[0], to, &args[0]);
    }
    if (st == CM_OK) {
        st = cm_bind_compare(b, CM_X_EQ, "=", args[0], args[1], ast->position, &equal);
    }
    if (st != CM_OK) {
        return st;
    }
    if (equal->op == CM_X_EQ && cm_expr_equal(equal->arg[0], args[0])) {
        return cm_bind_op(b, CM_X_NULLIF, args[0]->type, equal->arg, 2, 0, 0, ast->position, ret);
    }
    /* The comparison needed another type than the result has. */
    const cm_expr *parts[3] = {
        equal, cm_expr_const(b->arena, args[0]->type, (cm_value){.null = true}, ast->position),
        args[0]};
    return cm_bind_op(b, CM_X_CASE, args[0]->type, parts, 3, 0, 0, ast->position, ret);
}

static cm_status bind_cast(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    const cm_expr *x = NULL;

    cm_status st = cm_bind_expr(at, ast->arg[0], &x);
    return st == CM_OK ? cm_bind_cast(at->s->b, x, &ast->type, ast->position, ret) : st;
}

cm_status cm_bind_condition(const cm_place *at, const char *what, const cm_ast *ast,
                            const cm_expr **ret)
{
    const cm_expr *x = NULL;

    cm_status st = cm_bind_expr(at, ast, &x);
    return st == CM_OK ? cm_bind_boolean(at->s->b, what, x, ret) : st;
}

cm_status cm_bind_expr(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;

    cm_status st = cm_bind_room(b);
    if (st != CM_OK) {
        return st;
    }
    switch (ast->kind) {
    case CM_AST_NULL:
        return bind_unknown(b, NULL, 0, ast->position, ret);
    case CM_AST_STRING:
        return bind_unknown(b, ast->text, 0, ast->position, ret);
    case CM_AST_BOOL:
        *ret = cm_bind_number(b, boolean, ast->number, ast->position);
        return CM_OK;
    case CM_AST_INTEGER:
    case CM_AST_DECIMAL:
        return bind_integer(b, ast, ret);
    case CM_AST_PARAM:
        return bind_param(b, ast, ret);
    case CM_AST_COLUMN:
        return cm_bind_column(at, ast, ret);
    case CM_AST_OP:
        return bind_operator(at, ast, ret);
    case CM_AST_AND:
    case CM_AST_OR:
    case CM_AST_NOT:
        return bind_logic(at, ast, ret);
    case CM_AST_IS_NULL:
    case CM_AST_IS_NOT_NULL:
        return bind_is_null(at, ast, ret);
    case CM_AST_IS_TRUE:
    case CM_AST_IS_NOT_TRUE:
    case CM_AST_IS_FALSE:
    case CM_AST_IS_NOT_FALSE:
    case CM_AST_IS_UNKNOWN:
    case CM_AST_IS_NOT_UNKNOWN:
        return bind_truth(at, ast, ret);
    case CM_AST_DISTINCT:
    case CM_AST_NOT_DISTINCT:
        return cm_bind_distinct(at, ast, ret);
    case CM_AST_NULLIF:
        return bind_nullif(at, ast, ret);
    case CM_AST_IN:
    case CM_AST_NOT_IN:
        return cm_bind_in(at, ast, ret);
    case CM_AST_LIKE:
    case CM_AST_NOT_LIKE:
    case CM_AST_ILIKE:
    case CM_AST_NOT_ILIKE:
        return cm_bind_like(at, ast, ret);
    case CM_AST_BETWEEN:
    case CM_AST_NOT_BETWEEN:
    case CM_AST_BETWEEN_SYMMETRIC:
    case CM_AST_NOT_BETWEEN_SYMMETRIC:
        return cm_bind_between(at, ast, ret);
    case CM_AST_CASE:
        return bind_case(at, ast, ret);
    case CM_AST_COALESCE:
    case CM_AST_GREATEST:
    case CM_AST_LEAST:
        return bind_choice(at, ast, ret);
    case CM_AST_CAST:
        return bind_cast(at, ast, ret);
    case CM_AST_FUNC:
        return cm_bind_func(at, ast, ret);
    case CM_AST_SCALAR:
        return cm_bind_scalar(at, ast, ret);
    case CM_AST_IN_SELECT:
    case CM_AST_ANY_SELECT:
    case CM_AST_ALL_SELECT:
        return cm_bind_apply_any(at, ast, ret);
    case CM_AST_EXISTS:
        return cm_bind_is_simple(ast->select) ? cm_bind_apply_exists(at, ast, ret)
                                              : cm_bind_has_rows(at, ast, ret);
    case CM_AST_UNSUPPORTED:
        return cm_bind_refuse(b, ast->position, "%s", ast->text);
    }
    CM_ASSERT(0 && "ast kind");
}
