/* Expressions of libpg_query to sql/ast.h. */
#include "sql/parse_pg.h"

#include <stdio.h>
#include <string.h>

static cm_ast *new_node(cm_parser *p, cm_ast_kind kind, int32_t location)
{
    cm_ast *ast = CM_NEW_SMALL(p->arena, cm_ast, 1);

    ast->kind = kind;
    ast->position = cm_parser_position(p, location);
    return ast;
}

static cm_status new_args(cm_parser *p, cm_ast *ast, PgQuery__Node *const *nodes, size_t count)
{
    ast->args = count;
    return cm_parse_exprs(p, nodes, count, &ast->arg);
}

static cm_status new_args2(cm_parser *p, cm_ast *ast, PgQuery__Node *a, PgQuery__Node *b)
{
    PgQuery__Node *nodes[2] = {a, b};

    return new_args(p, ast, nodes, b == NULL ? 1 : 2);
}

/* Its parts are translated all the same: tables in subqueries below must be seen. */
static cm_status unsupported(cm_parser *p, int32_t location, const char *what,
                             PgQuery__Node *const *parts, size_t count, const cm_ast **ret)
{
    cm_ast *ast = new_node(p, CM_AST_UNSUPPORTED, location);

    ast->text = what;
    *ret = ast;
    return new_args(p, ast, parts, count);
}

static cm_status parse_const(cm_parser *p, const PgQuery__AConst *c, const cm_ast **ret)
{
    cm_ast *ast = new_node(p, CM_AST_NULL, c->location);
    char digits[16];

    *ret = ast;
    if (c->isnull) {
        return CM_OK;
    }
    switch ((int)c->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
        ast->kind = CM_AST_INTEGER;
        snprintf(digits, sizeof digits, "%d", c->ival->ival);
        ast->text = cm_arena_strdup(p->arena, digits);
        return CM_OK;
    case PG_QUERY__A__CONST__VAL_FVAL:
        ast->kind = CM_AST_DECIMAL;
        ast->text = cm_arena_strdup(p->arena, c->fval->fval);
        return CM_OK;
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
        ast->kind = CM_AST_BOOL;
        ast->number = c->boolval->boolval ? 1 : 0;
        return CM_OK;
    case PG_QUERY__A__CONST__VAL_SVAL:
        ast->kind = CM_AST_STRING;
        ast->text = cm_arena_strdup(p->arena, c->sval->sval);
        return CM_OK;
    default:
        ast->kind = CM_AST_UNSUPPORTED;
        ast->text = "a bit string";
        return CM_OK;
    }
}

static cm_status parse_column(cm_parser *p, const PgQuery__ColumnRef *ref, const cm_ast **ret)
{
    cm_ast *ast = new_node(p, CM_AST_COLUMN, ref->location);
    const char **names = CM_NEW_SMALL(p->arena, const char *, ref->n_fields + 1);

    for (size_t i = 0; i < ref->n_fields; i++) {
        const char *name = cm_pg_string(ref->fields[i]);
        if (name != NULL) {
            names[ast->names++] = cm_arena_strdup(p->arena, name);
        } else {
            ast->star = true;
        }
    }
    ast->name = names;
    *ret = ast;
    return CM_OK;
}

static cm_status parse_param(cm_parser *p, const PgQuery__ParamRef *ref, const cm_ast **ret)
{
    cm_ast *ast = new_node(p, CM_AST_PARAM, ref->location);

    if (ref->number < 1 || ref->number > CM_SQL_MAX_PARAMS) {
        cm_parser_at(p, ref->location);
        return cm_fail(p->diag, CM_EINVAL, "42P02", "there is no parameter $%d", ref->number);
    }
    ast->number = ref->number;
    p->params = ref->number > p->params ? ref->number : p->params;
    *ret = ast;
    return CM_OK;
}

static bool is_row(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_ROW_EXPR &&
           node->row_expr->n_args > 0;
}

/* (a, b) = (c, d) is a = c AND b = d, and <> its opposite. */
static cm_status parse_row_op(cm_parser *p, const char *op, const PgQuery__Node *left,
                              const PgQuery__Node *right, int32_t location, cm_ast *ret)
{
    const PgQuery__RowExpr *l = left->row_expr, *r = right->row_expr;
    const cm_ast **parts = CM_NEW_SMALL(p->arena, const cm_ast *, l->n_args);

    if (l->n_args != r->n_args) {
        cm_parser_at(p, location);
        return cm_fail(p->diag, CM_EINVAL, CM_SQL_SYNTAX,
                       "unequal number of entries in row expressions");
    }
    for (size_t i = 0; i < l->n_args; i++) {
        cm_ast *part = new_node(p, CM_AST_OP, location);
        part->text = op;
        parts[i] = part;
        cm_status st = new_args2(p, part, l->args[i], r->args[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    if (l->n_args == 1) {
        *ret = *parts[0];
        return CM_OK;
    }
    ret->kind = op[0] == '=' ? CM_AST_AND : CM_AST_OR;
    ret->args = l->n_args;
    ret->arg = parts;
    return CM_OK;
}

/* (a, b) IN ((c, d), ...): equal to one of them. */
static cm_status parse_row_in(cm_parser *p, const PgQuery__Node *left, PgQuery__Node *const *list,
                              size_t count, int32_t location, cm_ast *ast)
{
    const bool negated = ast->kind == CM_AST_NOT_IN;
    const cm_ast **any = CM_NEW_SMALL(p->arena, const cm_ast *, count);
    cm_ast *in = negated ? new_node(p, CM_AST_OR, location) : ast;

    for (size_t i = 0; i < count; i++) {
        cm_ast *one = new_node(p, CM_AST_OP, location);
        any[i] = one;
        cm_status st = is_row(list[i]) ? parse_row_op(p, "=", left, list[i], location, one)
                                       : cm_parser_refuse(p, location, "a row beside a value");
        if (st != CM_OK) {
            return st;
        }
    }
    if (count == 1) {
        *in = *any[0];
    } else {
        in->kind = CM_AST_OR;
        in->args = count;
        in->arg = any;
    }
    if (negated) {
        const cm_ast **arg = CM_NEW_SMALL(p->arena, const cm_ast *, 1);
        arg[0] = in;
        ast->kind = CM_AST_NOT;
        ast->args = 1;
        ast->arg = arg;
    }
    return CM_OK;
}

static cm_status parse_in(cm_parser *p, const PgQuery__Node *left, PgQuery__Node *const *list,
                          size_t count, cm_ast *ast)
{
    const cm_ast *const *items;
    if (is_row(left)) {
        return parse_row_in(p, left, list, count, left->row_expr->location, ast);
    }
    cm_status st = cm_parse_exprs(p, list, count, &items);
    const cm_ast **args = CM_NEW_SMALL(p->arena, const cm_ast *, count + 1);

    if (st == CM_OK) {
        st = cm_parse_expr(p, left, &args[0]);
    }
    if (st != CM_OK) {
        return st;
    }
    for (size_t i = 0; i < count; i++) {
        args[i + 1] = items[i];
    }
    ast->args = count + 1;
    ast->arg = args;
    return CM_OK;
}

static cm_status parse_list_op(cm_parser *p, const PgQuery__AExpr *e, cm_ast *ast)
{
    if (e->rexpr == NULL || e->rexpr->node_case != PG_QUERY__NODE__NODE_LIST) {
        return new_args2(p, ast, e->lexpr, e->rexpr);
    }
    return parse_in(p, e->lexpr, e->rexpr->list->items, e->rexpr->list->n_items, ast);
}

/* Others may be ones of the node's catalog. */
static bool is_known_operator(const char *op)
{
    static const char *const known[] = {"+", "-",  "*",  "/", "%",  "^", "=",
                                        "<", "<=", "<>", ">", ">=", "||"};
    for (size_t i = 0; i < CM_COUNT(known); i++) {
        if (strcmp(op, known[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* x = ANY (ARRAY[...]) is x IN (...), and x <> ALL (ARRAY[...]) its opposite. */
static bool is_in_array(const PgQuery__AExpr *e, const char *op)
{
    const char *want = e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY ? "=" : "<>";

    return op != NULL && strcmp(op, want) == 0 && e->rexpr != NULL &&
           e->rexpr->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR &&
           e->rexpr->a_array_expr->n_elements > 0;
}

static cm_status parse_a_expr(cm_parser *p, const PgQuery__AExpr *e, const cm_ast **ret)
{
    const char *op = e->n_name > 0 ? cm_pg_string(e->name[e->n_name - 1]) : NULL;
    cm_ast *ast = new_node(p, CM_AST_OP, e->location);
    PgQuery__Node *both[2] = {e->lexpr, e->rexpr};
    const bool negated = op != NULL && (op[0] == '!' || strcmp(op, "<>") == 0);

    *ret = ast;
    ast->text = cm_arena_strdup(p->arena, op == NULL ? "?" : op);
    switch ((int)e->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
        p->node_values += !is_known_operator(ast->text);
        if (is_row(e->lexpr) && is_row(e->rexpr) &&
            (strcmp(ast->text, "=") == 0 || strcmp(ast->text, "<>") == 0)) {
            return parse_row_op(p, ast->text, e->lexpr, e->rexpr, e->location, ast);
        }
        return e->lexpr == NULL ? new_args(p, ast, &e->rexpr, 1)
                                : new_args2(p, ast, e->lexpr, e->rexpr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
        ast->kind = CM_AST_DISTINCT;
        return new_args(p, ast, both, 2);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
        ast->kind = CM_AST_NOT_DISTINCT;
        return new_args(p, ast, both, 2);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
        ast->kind = CM_AST_NULLIF;
        return new_args(p, ast, both, 2);
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
        ast->kind = negated ? CM_AST_NOT_IN : CM_AST_IN;
        return parse_list_op(p, e, ast);
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
        ast->kind = negated ? CM_AST_NOT_LIKE : CM_AST_LIKE;
        return new_args(p, ast, both, 2);
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
        ast->kind = negated ? CM_AST_NOT_ILIKE : CM_AST_ILIKE;
        return new_args(p, ast, both, 2);
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
        ast->kind = CM_AST_BETWEEN;
        return parse_list_op(p, e, ast);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
        ast->kind = CM_AST_NOT_BETWEEN;
        return parse_list_op(p, e, ast);
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
        ast->kind = CM_AST_BETWEEN_SYMMETRIC;
        return parse_list_op(p, e, ast);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
        ast->kind = CM_AST_NOT_BETWEEN_SYMMETRIC;
        return parse_list_op(p, e, ast);
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
        return unsupported(p, e->location, "SIMILAR TO", both, 2, ret);
    default:
        if (is_in_array(e, op)) {
            ast->kind = negated ? CM_AST_NOT_IN : CM_AST_IN;
            return parse_in(p, e->lexpr, e->rexpr->a_array_expr->elements,
                            e->rexpr->a_array_expr->n_elements, ast);
        }
        p->node_values++;
        return unsupported(p, e->location, "a comparison with ANY or ALL", both, 2, ret);
    }
}

static cm_status parse_bool_expr(cm_parser *p, const PgQuery__BoolExpr *e, const cm_ast **ret)
{
    cm_ast_kind kind = e->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR  ? CM_AST_AND
                       : e->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR ? CM_AST_OR
                                                                        : CM_AST_NOT;
    cm_ast *ast = new_node(p, kind, e->location);

    *ret = ast;
    return new_args(p, ast, e->args, e->n_args);
}

static cm_status parse_bool_test(cm_parser *p, const PgQuery__BooleanTest *e, const cm_ast **ret)
{
    static const cm_ast_kind kinds[] = {
        [PG_QUERY__BOOL_TEST_TYPE__IS_TRUE] = CM_AST_IS_TRUE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE] = CM_AST_IS_NOT_TRUE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_FALSE] = CM_AST_IS_FALSE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE] = CM_AST_IS_NOT_FALSE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN] = CM_AST_IS_UNKNOWN,
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_UNKNOWN] = CM_AST_IS_NOT_UNKNOWN,
    };
    CM_ASSERT((size_t)e->booltesttype < CM_COUNT(kinds));
    cm_ast *ast = new_node(p, kinds[e->booltesttype], e->location);

    *ret = ast;
    return new_args(p, ast, &e->arg, 1);
}

static cm_status parse_case(cm_parser *p, const PgQuery__CaseExpr *e, const cm_ast **ret)
{
    cm_ast *ast = new_node(p, CM_AST_CASE, e->location);
    const cm_ast **args = CM_NEW_SMALL(p->arena, const cm_ast *, 2 * e->n_args + 2);
    cm_status st = CM_OK;

    if (e->arg != NULL) {
        st = cm_parse_expr(p, e->arg, &args[0]);
    }
    for (size_t i = 0; i < e->n_args && st == CM_OK; i++) {
        const PgQuery__CaseWhen *when = e->args[i]->case_when;
        st = cm_parse_expr(p, when->expr, &args[1 + 2 * i]);
        if (st == CM_OK) {
            st = cm_parse_expr(p, when->result, &args[2 + 2 * i]);
        }
    }
    if (st == CM_OK && e->defresult != NULL) {
        st = cm_parse_expr(p, e->defresult, &args[1 + 2 * e->n_args]);
    }
    ast->args = 2 * e->n_args + 2;
    ast->arg = args;
    *ret = ast;
    return st;
}

cm_status cm_parse_type(cm_parser *p, const PgQuery__TypeName *type, cm_ast_type *ret)
{
    const char *schema, *name;

    *ret = (cm_ast_type){.position = cm_parser_position(p, type->location)};
    if (!cm_pg_name(type->names, type->n_names, &schema, &name)) {
        return cm_parser_refuse(p, type->location, "a type name of this form");
    }
    ret->name = schema == NULL ? cm_arena_strdup(p->arena, name)
                               : cm_arena_printf(p->arena, "%s.%s", schema, name);
    if (type->n_array_bounds > 0 || type->setof || type->pct_type) {
        ret->name = cm_arena_printf(p->arena, "%s[]", ret->name);
    }
    for (size_t i = 0; i < type->n_typmods; i++) {
        const PgQuery__Node *mod = type->typmods[i];
        if (i >= 2 || mod->node_case != PG_QUERY__NODE__NODE_A_CONST ||
            mod->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL) {
            return cm_parser_refuse(p, type->location, "this type modifier");
        }
        ret->arg[ret->args++] = mod->a_const->ival->ival;
    }
    return CM_OK;
}

static cm_status parse_cast(cm_parser *p, const PgQuery__TypeCast *cast, const cm_ast **ret)
{
    int32_t location = cast->location >= 0 ? cast->location : cast->type_name->location;
    cm_ast *ast = new_node(p, CM_AST_CAST, location);

    cm_status st = cm_parse_type(p, cast->type_name, &ast->type);
    p->node_values += st == CM_OK && !cm_sql_has_type(ast->type.name);
    *ret = ast;
    return st != CM_OK ? st : new_args(p, ast, &cast->arg, 1);
}

/* Of PostgreSQL's frameOptions. */
enum {
    FRAME_ROWS = 0x4,
    FRAME_FROM_FIRST = 0x20, /* UNBOUNDED PRECEDING */
    FRAME_TO_LAST = 0x100,   /* UNBOUNDED FOLLOWING */
    FRAME_FROM_CURRENT = 0x200,
    FRAME_TO_CURRENT = 0x400,
    FRAME_FROM_ABOVE = 0x800,
    FRAME_TO_ABOVE = 0x1000,
    FRAME_FROM_BELOW = 0x2000,
    FRAME_TO_BELOW = 0x4000,
    FRAME_EXCLUDE = 0x38000,
};

/* What the definition names, in the WINDOW clause; NULL when it is not there. */
static const PgQuery__WindowDef *find_window(const cm_parser *p, const char *name)
{
    for (size_t i = 0; p->select != NULL && i < p->select->n_window_clause; i++) {
        const PgQuery__WindowDef *def = p->select->window_clause[i]->window_def;
        if (strcmp(def->name, name) == 0) {
            return def;
        }
    }
    return NULL;
}

/* *ret_what names what is missing, or is NULL. */
static cm_status parse_frame(cm_parser *p, const PgQuery__WindowDef *def, cm_ast_window *window,
                             const char **what)
{
    const int options = def->frame_options;
    const bool first = (options & FRAME_FROM_FIRST) != 0;
    cm_status st = CM_OK;

    if (first && (options & (FRAME_TO_CURRENT | FRAME_TO_LAST)) != 0) {
        window->frame = (options & FRAME_TO_LAST) != 0 ? CM_WIN_PARTITION
                        : (options & FRAME_ROWS) != 0  ? CM_WIN_ROWS
                                                       : CM_WIN_PEERS;
        return CM_OK;
    }
    if ((options & FRAME_ROWS) == 0 && *what == NULL) {
        *what =
            "a frame of RANGE or GROUPS that is not from the partition's start to the current row "
            "or the end";
    }
    window->frame = CM_WIN_SLIDING;
    window->from = first || (options & FRAME_FROM_ABOVE) != 0 ? -1
                   : (options & FRAME_FROM_BELOW) != 0        ? 1
                                                              : 0;
    window->to = (options & (FRAME_TO_LAST | FRAME_TO_BELOW)) != 0 ? 1
                 : (options & FRAME_TO_ABOVE) != 0                 ? -1
                                                                   : 0;
    if (def->start_offset != NULL) {
        st = cm_parse_expr(p, def->start_offset, &window->from_rows);
    }
    if (st == CM_OK && def->end_offset != NULL) {
        st = cm_parse_expr(p, def->end_offset, &window->to_rows);
    }
    return st;
}

static cm_status parse_window(cm_parser *p, const PgQuery__WindowDef *def,
                              const cm_ast_window **ret, const char **ret_what)
{
    cm_ast_window *window = CM_NEW_SMALL(p->arena, cm_ast_window, 1);

    if (def->name != NULL && *def->name != 0) {
        const char *name = def->name;
        int32_t location = def->location;
        def = find_window(p, name);
        if (def == NULL) {
            cm_parser_at(p, location);
            return cm_fail(p->diag, CM_EINVAL, "42704", "window \"" CM_QUOTE "\" does not exist",
                           name);
        }
    }
    const int options = def->frame_options;
    *ret = window;
    *ret_what = def->refname != NULL && *def->refname != 0 ? "a window based on another"
                : (options & FRAME_EXCLUDE) != 0           ? "EXCLUDE in a frame"
                                                           : NULL;
    cm_status st = parse_frame(p, def, window, ret_what);
    if (st != CM_OK) {
        return st;
    }
    window->parts = def->n_partition_clause;
    window->orders = def->n_order_clause;
    st = cm_parse_exprs(p, def->partition_clause, def->n_partition_clause, &window->part);
    return st != CM_OK ? st
                       : cm_parse_orders(p, def->order_clause, def->n_order_clause, &window->order);
}

/* FILTER and the window come with subqueries of their own. */
static cm_status parse_func(cm_parser *p, const PgQuery__FuncCall *f, const cm_ast **ret)
{
    const char *what = f->n_agg_order > 0 && !f->agg_within_group ? "ORDER BY in an aggregate"
                       : f->func_variadic                         ? "VARIADIC"
                                                                  : NULL;
    cm_ast *ast = new_node(p, CM_AST_FUNC, f->location);
    const char *schema, *name;
    cm_status st;

    if (what != NULL || !cm_pg_name(f->funcname, f->n_funcname, &schema, &name)) {
        return unsupported(p, f->location, what == NULL ? "this function's name" : what, f->args,
                           f->n_args, ret);
    }
    ast->text = schema == NULL ? cm_arena_strdup(p->arena, name)
                               : cm_arena_printf(p->arena, "%s.%s", schema, name);
    p->node_values += !cm_sql_has_function(ast->text);
    ast->star = f->agg_star;
    ast->distinct = f->agg_distinct;
    *ret = ast;
    st = new_args(p, ast, f->args, f->n_args);
    if (st == CM_OK && f->agg_within_group) {
        ast->orders = f->n_agg_order;
        st = cm_parse_orders(p, f->agg_order, f->n_agg_order, &ast->order);
    }
    if (st == CM_OK && f->agg_filter != NULL) {
        st = cm_parse_expr(p, f->agg_filter, &ast->filter);
    }
    if (st == CM_OK && f->over != NULL) {
        st = parse_window(p, f->over, &ast->over, &what);
    }
    if (st == CM_OK && what != NULL) {
        return unsupported(p, f->over->location, what, f->args, f->n_args, ret);
    }
    return st;
}

/* The date and time are functions of no arguments; who asks is the node's to say. */
static cm_status parse_value_function(cm_parser *p, const PgQuery__SQLValueFunction *f,
                                      const cm_ast **ret)
{
    const char *name =
        f->op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE        ? "current_date"
        : f->op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP ? "current_timestamp"
        : f->op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP    ? "localtimestamp"
                                                                           : NULL;

    if (name == NULL) {
        p->node_values++;
        return unsupported(p, f->location, "a value of the session, such as CURRENT_USER,", NULL, 0,
                           ret);
    }
    cm_ast *ast = new_node(p, CM_AST_FUNC, f->location);
    ast->text = name;
    *ret = ast;
    return CM_OK;
}

static const char *operator_name(cm_parser *p, const PgQuery__SubLink *link)
{
    const char *name =
        link->n_oper_name > 0 ? cm_pg_string(link->oper_name[link->n_oper_name - 1]) : NULL;

    return name == NULL ? "=" : cm_arena_strdup(p->arena, name);
}

static cm_status parse_sublink(cm_parser *p, const PgQuery__SubLink *link, const cm_ast **ret)
{
    cm_ast *ast = new_node(p, CM_AST_UNSUPPORTED, link->location);
    cm_status st = CM_OK;

    *ret = ast;
    switch ((int)link->sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK:
        ast->kind = CM_AST_EXISTS;
        break;
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
        ast->kind = link->n_oper_name == 0 ? CM_AST_IN_SELECT : CM_AST_ANY_SELECT;
        ast->text = operator_name(p, link);
        break;
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK:
        ast->kind = CM_AST_SCALAR;
        break;
    case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK:
        ast->kind = CM_AST_ALL_SELECT;
        ast->text = operator_name(p, link);
        break;
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK:
        p->node_values++;
        ast->text = "ARRAY (SELECT ...)";
        break;
    default:
        ast->text = "a subquery as an expression";
        break;
    }
    if (link->testexpr != NULL) {
        st = new_args2(p, ast, link->testexpr, NULL);
    }
    if (st == CM_OK && link->subselect->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
        st = cm_parse_select(p, link->subselect->select_stmt, &ast->select);
    }
    return st;
}

static cm_status parse_collate(cm_parser *p, const PgQuery__CollateClause *c, const cm_ast **ret)
{
    const char *name = c->n_collname > 0 ? cm_pg_string(c->collname[c->n_collname - 1]) : NULL;

    /* The only collation there is. */
    if (name != NULL && (strcmp(name, "C") == 0 || strcmp(name, "default") == 0)) {
        return cm_parse_expr(p, c->arg, ret);
    }
    return unsupported(p, c->location, "COLLATE with anything but \"C\"", &c->arg, 1, ret);
}

static cm_status parse_min_max(cm_parser *p, const PgQuery__MinMaxExpr *e, const cm_ast **ret)
{
    cm_ast *ast =
        new_node(p, e->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? CM_AST_GREATEST : CM_AST_LEAST,
                 e->location);

    *ret = ast;
    return new_args(p, ast, e->args, e->n_args);
}

static cm_status parse_coalesce(cm_parser *p, const PgQuery__CoalesceExpr *e, const cm_ast **ret)
{
    cm_ast *ast = new_node(p, CM_AST_COALESCE, e->location);

    *ret = ast;
    return new_args(p, ast, e->args, e->n_args);
}

static cm_status parse_null_test(cm_parser *p, const PgQuery__NullTest *e, const cm_ast **ret)
{
    cm_ast *ast = new_node(
        p,
        e->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL ? CM_AST_IS_NULL : CM_AST_IS_NOT_NULL,
        e->location);

    *ret = ast;
    return new_args(p, ast, &e->arg, 1);
}

static cm_status dispatch(cm_parser *p, const PgQuery__Node *node, const cm_ast **ret)
{
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
        return parse_const(p, node->a_const, ret);
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        return parse_column(p, node->column_ref, ret);
    case PG_QUERY__NODE__NODE_PARAM_REF:
        return parse_param(p, node->param_ref, ret);
    case PG_QUERY__NODE__NODE_A_EXPR:
        return parse_a_expr(p, node->a_expr, ret);
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
        return parse_bool_expr(p, node->bool_expr, ret);
    case PG_QUERY__NODE__NODE_NULL_TEST:
        return parse_null_test(p, node->null_test, ret);
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
        return parse_bool_test(p, node->boolean_test, ret);
    case PG_QUERY__NODE__NODE_CASE_EXPR:
        return parse_case(p, node->case_expr, ret);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        return parse_coalesce(p, node->coalesce_expr, ret);
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        return parse_min_max(p, node->min_max_expr, ret);
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        return parse_cast(p, node->type_cast, ret);
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return parse_func(p, node->func_call, ret);
    case PG_QUERY__NODE__NODE_SUB_LINK:
        return parse_sublink(p, node->sub_link, ret);
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
        return parse_collate(p, node->collate_clause, ret);
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
        return parse_value_function(p, node->sqlvalue_function, ret);
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        return unsupported(p, node->row_expr->location, "a row", node->row_expr->args,
                           node->row_expr->n_args, ret);
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        p->node_values++;
        return unsupported(p, node->a_array_expr->location, "an array",
                           node->a_array_expr->elements, node->a_array_expr->n_elements, ret);
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
        return unsupported(p, -1, "a subscript or field selection", &node->a_indirection->arg, 1,
                           ret);
    case PG_QUERY__NODE__NODE_GROUPING_SET:
        return unsupported(p, node->grouping_set->location, "GROUPING SETS, ROLLUP or CUBE",
                           node->grouping_set->content, node->grouping_set->n_content, ret);
    default:
        return unsupported(p, -1, "this kind of expression", NULL, 0, ret);
    }
}

cm_status cm_parse_expr(cm_parser *p, const PgQuery__Node *node, const cm_ast **ret)
{
    if (node == NULL) {
        return unsupported(p, -1, "this kind of expression", NULL, 0, ret);
    }
    cm_status st = cm_parser_deeper(p);
    if (st == CM_OK) {
        st = dispatch(p, node, ret);
        p->depth--;
    }
    return st;
}

cm_status cm_parse_exprs(cm_parser *p, PgQuery__Node *const *nodes, size_t count,
                         const cm_ast *const **ret)
{
    const cm_ast **asts = CM_NEW_SMALL(p->arena, const cm_ast *, count + 1);

    for (size_t i = 0; i < count; i++) {
        cm_status st = cm_parse_expr(p, nodes[i], &asts[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    *ret = asts;
    return CM_OK;
}

/* -1.5 of a column's DEFAULT or of EXECUTE comes as an operator over a constant. */
bool cm_parse_literal(cm_parser *p, const PgQuery__Node *node, const char **ret)
{
    const cm_ast *ast;

    if (node == NULL) {
        return false;
    }
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        return node->type_cast->arg != NULL &&
               node->type_cast->arg->node_case == PG_QUERY__NODE__NODE_A_CONST &&
               cm_parse_literal(p, node->type_cast->arg, ret);
    case PG_QUERY__NODE__NODE_A_CONST:
        if (parse_const(p, node->a_const, &ast) != CM_OK || ast->kind == CM_AST_UNSUPPORTED) {
            return false;
        }
        *ret = ast->kind == CM_AST_BOOL ? (ast->number != 0 ? "true" : "false") : ast->text;
        return true;
    default:
        return false;
    }
}
