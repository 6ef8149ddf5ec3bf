/* Aggregates: count, sum, avg, min, max, bool_and, bool_or, every. */
#include "sql/bind_int.h"

#include <string.h>

typedef enum agg_name {
    AGG_COUNT,
    AGG_SUM,
    AGG_AVG,
    AGG_MIN,
    AGG_MAX,
    AGG_AND,
    AGG_OR,
    AGG_STAT,
    AGG_ORDERED,
} agg_name;

static const struct {
    const char *text;
    agg_name name;
} names[] = {
    {"count", AGG_COUNT}, {"sum", AGG_SUM},      {"avg", AGG_AVG},   {"min", AGG_MIN},
    {"max", AGG_MAX},     {"bool_and", AGG_AND}, {"every", AGG_AND}, {"bool_or", AGG_OR},
};

static const char *const elsewhere[] = {
    "string_agg", "array_agg", "json_agg", "jsonb_agg", "bit_and",
    "bit_or",     "bit_xor",   "xmlagg",   "range_agg", "any_value",
};

bool cm_bind_is_aggregate(const char *name)
{
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        if (strcmp(name, names[i].text) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < CM_COUNT(elsewhere); i++) {
        if (strcmp(name, elsewhere[i]) == 0) {
            return true;
        }
    }
    return cm_bind_stat_args(name) > 0 || cm_bind_is_ordered(name);
}

cm_status cm_bind_new_agg(const cm_agg_call *c, cm_aggregate aggregate, cm_type type,
                          const cm_expr *arg, const cm_expr **ret)
{
    /* DISTINCT makes no difference to an extreme. */
    bool distinct =
        c->ast->distinct && aggregate != CM_AGGREGATE_MIN && aggregate != CM_AGGREGATE_MAX;

    return cm_expr_agg_new(c->b->arena, aggregate, type, arg, distinct, c->filter, c->rows,
                           c->ast->position, ret, c->b->diag);
}

static cm_status new_agg(const cm_agg_call *c, cm_aggregate aggregate, cm_type type,
                         const cm_expr **ret)
{
    return cm_bind_new_agg(c, aggregate, type, c->arg, ret);
}

static cm_status no_such(const cm_agg_call *c)
{
    return cm_bind_no_function(c->b, c->ast, &c->arg, c->arg == NULL ? 0 : 1);
}

static cm_status bind_sum(const cm_agg_call *c, const cm_expr **ret)
{
    const cm_type *arg = &c->arg->type;
    cm_type type = cm_bind_plain(CM_TYPE_INT8);

    if (!cm_type_is_number(arg)) {
        return no_such(c);
    }
    if (arg->kind == CM_TYPE_INT8) {
        type = cm_bind_numeric(0, false, 0);
    } else if (arg->kind == CM_TYPE_NUMERIC) {
        type = cm_bind_numeric(arg->scale, arg->quotient, arg->quotient ? arg->precision : 0);
        type.floats = arg->floats;
    }
    cm_status st = new_agg(c, CM_AGGREGATE_SUM, type, ret);
    return st == CM_OK ? cm_bind_checked(c->b, *ret, ret) : st;
}

/* Whether the sum of so many values, with so many more digits, has at most 125 bits. */
static bool sum_fits(cm_range range, uint64_t rows, int digits)
{
    cm_i128 lo = range.lo < 0 ? -range.lo : range.lo, hi = range.hi < 0 ? -range.hi : range.hi;
    cm_i128 most = lo > hi ? lo : hi, room = CM_NUMBER_LIMIT / 2 - 1;

    if (rows > 0) {
        room /= (cm_i128)rows;
    }
    for (; digits > 0; digits--) {
        room /= 10;
    }
    return most <= room;
}

/* The sum is scaled before it is divided, so the digits are what the sum leaves room for. */
static cm_status bind_avg(const cm_agg_call *c, const cm_expr **ret)
{
    const cm_type *arg = &c->arg->type;
    const int own = arg->kind == CM_TYPE_NUMERIC ? arg->scale : 0;
    int scale = own > CM_QUOTIENT_SCALE ? own : CM_QUOTIENT_SCALE;

    if (!cm_type_is_number(arg)) {
        return no_such(c);
    }
    while (scale > own && scale > CM_QUOTIENT_LEAST_SCALE &&
           !sum_fits(c->arg->range, c->rows, scale - own)) {
        scale--;
    }
    cm_type type = cm_bind_numeric(scale, true, arg->quotient ? arg->precision : own);
    type.floats = arg->floats;
    return new_agg(c, CM_AGGREGATE_AVG, type, ret);
}

cm_status cm_bind_avg_of(const cm_agg_call *c, const cm_expr *arg, const cm_expr **ret)
{
    cm_agg_call of = *c;

    of.arg = arg;
    return bind_avg(&of, ret);
}

static cm_status bind_extreme(const cm_agg_call *c, cm_aggregate aggregate, const cm_expr **ret)
{
    if (c->arg->type.kind == CM_TYPE_BOOL || c->arg->type.kind == CM_TYPE_INTERVAL) {
        return no_such(c);
    }
    cm_type type = c->arg->type;
    if (type.text == CM_TEXT_VARCHAR) {
        type.text = CM_TEXT_TEXT; /* PostgreSQL has none for varchar */
    }
    return new_agg(c, aggregate, type, ret);
}

/* bool_and is the least, bool_or the greatest of 0 and 1. */
static cm_status bind_truth(const cm_agg_call *c, cm_aggregate aggregate, const cm_expr **ret)
{
    const cm_type int4 = cm_bind_plain(CM_TYPE_INT4), boolean = cm_bind_plain(CM_TYPE_BOOL);
    const int position = c->ast->position;
    cm_agg_call number = *c;

    if (c->arg->type.kind != CM_TYPE_BOOL) {
        return no_such(c);
    }
    cm_status st = cm_bind_op1(c->b, CM_X_CAST, int4, c->arg, position, &number.arg);
    if (st == CM_OK) {
        st = new_agg(&number, aggregate, int4, ret);
    }
    return st == CM_OK ? cm_bind_op2(c->b, CM_X_EQ, boolean, *ret,
                                     cm_bind_number(c->b, int4, 1, position), position, ret)
                       : st;
}

static cm_status dispatch(const cm_agg_call *c, agg_name name, const cm_expr **ret)
{
    switch (name) {
    case AGG_COUNT:
        return new_agg(c, CM_AGGREGATE_COUNT, cm_bind_plain(CM_TYPE_INT8), ret);
    case AGG_SUM:
        return bind_sum(c, ret);
    case AGG_AVG:
        return bind_avg(c, ret);
    case AGG_MIN:
        return bind_extreme(c, CM_AGGREGATE_MIN, ret);
    case AGG_MAX:
        return bind_extreme(c, CM_AGGREGATE_MAX, ret);
    case AGG_AND:
        return bind_truth(c, CM_AGGREGATE_MIN, ret);
    case AGG_OR:
        return bind_truth(c, CM_AGGREGATE_MAX, ret);
    case AGG_STAT:
        return cm_bind_stat(c, ret);
    case AGG_ORDERED:
        return cm_bind_ordered(c, c->second, ret);
    }
    CM_ASSERT(0 && "aggregate");
}

static cm_status wrong_args(const cm_place *at, const cm_ast *ast)
{
    const cm_expr *args[16];
    size_t count = 0;

    for (size_t i = 0; i < ast->args + ast->orders && count < 16; i++) {
        const cm_ast *arg = i < ast->args ? ast->arg[i] : ast->order[i - ast->args].expr;
        cm_status st = cm_bind_expr(at, arg, &args[count++]);
        if (st != CM_OK) {
            return st;
        }
    }
    cm_bind_at(at->s->b, ast->position);
    return cm_bind_no_function(at->s->b, ast, args, count);
}

/* Where aggregates may stand, and in what shape. */
static cm_status check_call(const cm_place *at, const cm_ast *ast, agg_name name)
{
    cm_binder *b = at->s->b;
    const size_t takes = name == AGG_STAT                 ? cm_bind_stat_args(ast->text)
                         : strcmp(ast->text, "mode") == 0 ? 0
                                                          : 1;

    cm_bind_at(b, ast->position);
    if (at->in_aggregate) {
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_GROUPING,
                       "aggregate function calls cannot be nested");
    }
    if (at->clause != NULL) {
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_GROUPING,
                       "aggregate functions are not allowed in %s", at->clause);
    }
    bool ordered = name == AGG_ORDERED;
    if (!ast->star && ast->args == 0 && name == AGG_COUNT) {
        return cm_fail(b->diag, CM_EINVAL, "42809",
                       "count(*) must be used to call a parameterless aggregate function");
    }
    if (ordered && ast->orders == 0 && ast->args == takes + 1) {
        return cm_fail(b->diag, CM_EINVAL, "42809",
                       "WITHIN GROUP is required for ordered-set aggregate %s", ast->text);
    }
    if (ast->orders != (ordered ? 1 : 0) || (ast->star ? name != AGG_COUNT : ast->args != takes)) {
        return wrong_args(at, ast);
    }
    return CM_OK;
}

static bool find(const char *text, agg_name *ret)
{
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        if (strcmp(text, names[i].text) == 0) {
            *ret = names[i].name;
            return true;
        }
    }
    *ret = cm_bind_is_ordered(text) ? AGG_ORDERED : AGG_STAT;
    return *ret == AGG_ORDERED || cm_bind_stat_args(text) > 0;
}

static cm_status bind_arg(const cm_place *inside, const cm_ast *ast, agg_name name,
                          const cm_expr **ret)
{
    cm_status st = cm_bind_expr(inside, ast, ret);
    cm_type type = name == AGG_STAT ? cm_bind_numeric(0, false, 0) : cm_bind_text(0);

    return st != CM_OK ? st : cm_bind_coerce_unknown(inside->s->b, *ret, type, ret);
}

cm_status cm_bind_aggregate(const cm_place *at, const cm_ast *ast, const cm_expr **ret,
                            bool *ret_known)
{
    cm_binder *b = at->s->b;
    cm_place inside = *at;
    cm_agg_call c = {.b = b, .ast = ast, .rows = cm_bind_rows(at->s)};
    agg_name name;

    *ret_known = true;
    for (size_t e = 0; e < CM_COUNT(elsewhere); e++) {
        if (strcmp(ast->text, elsewhere[e]) == 0) {
            return cm_bind_refuse(b, ast->position, "aggregate %s", ast->text);
        }
    }
    if (!find(ast->text, &name)) {
        *ret_known = false;
        return CM_OK;
    }
    cm_status st = check_call(at, ast, name);
    inside.windows = NULL;
    inside.in_window = false;
    if (st == CM_OK && !ast->star) {
        const cm_ast *first = name == AGG_ORDERED ? ast->order[0].expr : ast->arg[0];
        const cm_ast *second = name == AGG_ORDERED && ast->args > 0 ? ast->arg[0]
                               : ast->args > 1                      ? ast->arg[1]
                                                                    : NULL;
        inside.in_aggregate = !at->in_window; /* an aggregate over a window takes aggregates */
        st = bind_arg(&inside, first, name, &c.arg);
        if (st == CM_OK && second != NULL) {
            st = bind_arg(&inside, second, name == AGG_ORDERED ? AGG_STAT : name, &c.second);
        }
    }
    if (st == CM_OK && ast->filter != NULL) {
        inside.in_aggregate = false;
        inside.clause = "FILTER";
        st = cm_bind_condition(&inside, "FILTER", ast->filter, &c.filter);
    }
    return st == CM_OK ? dispatch(&c, name, ret) : st;
}
