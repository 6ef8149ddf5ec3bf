/* Walks expressions; NULL logic.  Design: docs/design/exec.md. */
#include "exec/compile_int.h"

#include "exec/encode.h"
#include "sql/stat.h"

enum { CM_EXPR_ARGS_MAX = 4096 };

static cm_status compile(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret);

cm_cval cm_compile_input(cm_compiler *c, const cm_encoding *enc, cm_range range)
{
    cm_cval ret = {.null = CM_WIRE_0, .kind = enc->kind, .range = range};
    ret.data = cm_circuit_input(c->circuit, enc->planes);
    if (enc->nullable) {
        ret.null = cm_circuit_input(c->circuit, 1).wire[0];
    }
    return ret;
}

void cm_compile_output(cm_compiler *c, const cm_cval *x, const cm_encoding *enc, cm_range range)
{
    cm_num data = x->data;
    if (enc->kind == CM_ENC_NUMBER) {
        data = cm_compile_convert(c, x, range).data;
    } else {
        CM_ASSERT(data.bits <= enc->planes);
        data = cm_num_concat(cm_num_const(0, enc->planes - data.bits), data);
    }
    CM_ASSERT(data.bits == enc->planes);
    cm_circuit_output(c->circuit, &data);
    if (enc->nullable) {
        cm_circuit_output_wire(c->circuit, x->null);
    }
}

cm_wire cm_compile_is_true(cm_compiler *c, const cm_cval *x)
{
    return cm_gate_and(c->circuit, cm_cval_bit(x), cm_gate_not(c->circuit, x->null));
}

static cm_wire is_false(cm_compiler *c, const cm_cval *x)
{
    cm_wire zero = cm_gate_not(c->circuit, cm_cval_bit(x));
    return cm_gate_and(c->circuit, zero, cm_gate_not(c->circuit, x->null));
}

static cm_cval constant(const cm_expr *expr)
{
    cm_cval ret = cm_cval_const(0);
    if (expr->value.null) {
        ret.null = CM_WIRE_1;
        if (expr->type.kind == CM_TYPE_TEXT) {
            ret.kind = CM_ENC_TEXT;
        } else {
            ret.range = expr->range;
            ret.data = cm_num_const(0, cm_range_planes(expr->range));
        }
        return ret;
    }
    if (expr->type.kind != CM_TYPE_TEXT) {
        return cm_cval_const(expr->value.number);
    }
    ret.kind = CM_ENC_TEXT;
    ret.data = cm_num_const(0, 0);
    for (const char *p = expr->value.text; *p != '\0'; p++) {
        ret.data = cm_num_concat(cm_num_const((cm_i128)(uint8_t)*p, 8), ret.data);
    }
    return ret;
}

/* A constant text beside a digest becomes a digest. */
static void match_kinds(const cm_expr *a_expr, cm_cval *a, const cm_expr *b_expr, cm_cval *b)
{
    cm_cval *text = a->kind == CM_ENC_TEXT ? a : b;
    const cm_expr *expr = a->kind == CM_ENC_TEXT ? a_expr : b_expr;
    if (a->kind == b->kind || a->kind == CM_ENC_NUMBER || b->kind == CM_ENC_NUMBER) {
        return;
    }
    CM_ASSERT(expr->op == CM_X_CONST);
    text->kind = CM_ENC_DIGEST;
    text->data = cm_num_const(0, 128);
    if (!expr->value.null) {
        cm_u128 digest = cm_encode_digest(expr->value.text);
        text->data = cm_num_const((cm_i128)digest, 128);
    }
}

static cm_status compile_pair(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *a,
                              cm_cval *b)
{
    CM_ASSERT(expr->args == 2 || expr->op == CM_X_QUOT);
    cm_status st = compile(c, expr->arg[0], active, a);
    if (st == CM_OK) {
        st = compile(c, expr->arg[1], active, b);
    }
    if (st == CM_OK) {
        match_kinds(expr->arg[0], a, expr->arg[1], b);
    }
    return st;
}

static cm_status compile_comparison(cm_compiler *c, const cm_expr *expr, cm_wire active,
                                    cm_cval *ret)
{
    cm_circuit *k = c->circuit;
    cm_cval a = {0};
    cm_cval b = {0};
    cm_status st = compile_pair(c, expr, active, &a, &b);
    if (st != CM_OK) {
        return st;
    }
    cm_wire null = cm_gate_or(k, a.null, b.null);
    cm_wire bit = CM_WIRE_0;
    if (expr->op == CM_X_EQ || expr->op == CM_X_NE || expr->op == CM_X_NOT_DISTINCT) {
        bit = cm_compile_equal(c, &a, &b);
    } else if (expr->op == CM_X_LT || expr->op == CM_X_GE) {
        bit = cm_compile_less(c, &a, &b);
    } else {
        bit = cm_compile_less(c, &b, &a);
    }
    if (expr->op == CM_X_NE || expr->op == CM_X_GE || expr->op == CM_X_LE) {
        bit = cm_gate_not(k, bit);
    }
    if (expr->op == CM_X_NOT_DISTINCT) {
        cm_wire both = cm_gate_and(k, a.null, b.null);
        bit = cm_gate_or(k, both, cm_gate_and(k, cm_gate_not(k, null), bit));
        null = CM_WIRE_0;
    }
    *ret = cm_cval_of_wire(bit, null);
    return CM_OK;
}

/* AND is true when all are true, false when one is false, NULL otherwise; OR is its mirror. */
static cm_status compile_and_or(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    cm_circuit *k = c->circuit;
    bool is_and = expr->op == CM_X_AND;
    cm_wire all = CM_WIRE_1; /* all true (AND) or all false (OR) */
    cm_wire one = CM_WIRE_0; /* one false (AND) or one true (OR) */
    for (size_t i = 0; i < expr->args; i++) {
        cm_cval x = {0};
        /* What follows a deciding argument is not evaluated: b <> 0 AND a / b > 1 is safe. */
        cm_wire open = cm_gate_and(k, active, cm_gate_not(k, one));
        cm_status st = compile(c, expr->arg[i], open, &x);
        if (st != CM_OK) {
            return st;
        }
        cm_wire is_t = cm_compile_is_true(c, &x);
        cm_wire is_f = is_false(c, &x);
        all = cm_gate_and(k, all, is_and ? is_t : is_f);
        one = cm_gate_or(k, one, is_and ? is_f : is_t);
    }
    cm_wire decided = cm_gate_xor(k, all, one); /* never both */
    *ret = cm_cval_of_wire(is_and ? all : one, cm_gate_not(k, decided));
    return CM_OK;
}

static cm_status compile_in(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    cm_circuit *k = c->circuit;
    cm_cval x = {0};
    cm_status st = compile(c, expr->arg[0], active, &x);
    cm_wire found = CM_WIRE_0;
    cm_wire unknown = CM_WIRE_0;
    for (size_t i = 1; st == CM_OK && i < expr->args; i++) {
        cm_cval item = {0};
        cm_cval left = x;
        st = compile(c, expr->arg[i], cm_gate_and(k, active, cm_gate_not(k, found)), &item);
        if (st == CM_OK) {
            match_kinds(expr->arg[0], &left, expr->arg[i], &item);
            cm_wire null = cm_gate_or(k, left.null, item.null);
            cm_wire equal = cm_compile_equal(c, &left, &item);
            found = cm_gate_or(k, found, cm_gate_and(k, equal, cm_gate_not(k, null)));
            unknown = cm_gate_or(k, unknown, null);
        }
    }
    if (st == CM_OK) {
        *ret = cm_cval_of_wire(found, cm_gate_and(k, unknown, cm_gate_not(k, found)));
    }
    return st;
}

/* A branch of CASE raises errors only where it is taken. */
static cm_status compile_case(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    cm_circuit *k = c->circuit;
    size_t branches = expr->args / 2;
    CM_ASSERT(expr->args % 2 == 1 && expr->args <= CM_EXPR_ARGS_MAX);
    cm_cval *then = NULL;
    cm_wire *taken = NULL;
    cm_arena arena;
    cm_status st = cm_arena_init(&arena, (branches + 1) * (sizeof *then + 192));
    if (st != CM_OK) {
        return cm_fail(c->diag, st, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    then = CM_NEW(&arena, cm_cval, branches + 1);
    taken = CM_NEW(&arena, cm_wire, branches + 1);
    cm_wire open = active;
    for (size_t i = 0; st == CM_OK && i < branches; i++) {
        cm_cval when = {0};
        st = compile(c, expr->arg[2 * i], open, &when);
        if (st == CM_OK) {
            taken[i] = cm_compile_is_true(c, &when);
            st = compile(c, expr->arg[2 * i + 1], cm_gate_and(k, open, taken[i]), &then[i]);
            open = cm_gate_and(k, open, cm_gate_not(k, taken[i]));
        }
    }
    if (st == CM_OK) {
        st = compile(c, expr->arg[expr->args - 1], open, ret);
    }
    for (size_t i = branches; st == CM_OK && i-- > 0;) {
        *ret = cm_compile_choose(c, taken[i], &then[i], ret, expr->range);
    }
    cm_arena_fini(&arena);
    return st;
}

static cm_status compile_coalesce(cm_compiler *c, const cm_expr *expr, cm_wire active, size_t first,
                                  cm_cval *ret)
{
    cm_cval x = {0};
    cm_status st = compile(c, expr->arg[first], active, &x);
    if (st != CM_OK || first + 1 == expr->args) {
        *ret = x;
        return st;
    }
    cm_cval rest = {0};
    st = compile_coalesce(c, expr, cm_gate_and(c->circuit, active, x.null), first + 1, &rest);
    if (st == CM_OK) {
        *ret = cm_compile_choose(c, x.null, &rest, &x, expr->range);
    }
    return st;
}

static cm_status compile_extreme(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    cm_cval best = {0};
    cm_status st = compile(c, expr->arg[0], active, &best);
    for (size_t i = 1; st == CM_OK && i < expr->args; i++) {
        cm_cval next = {0};
        st = compile(c, expr->arg[i], active, &next);
        if (st == CM_OK) {
            cm_range range = expr->range;
            if (best.kind == CM_ENC_NUMBER) {
                range = cm_range_hull(best.range, next.range);
            }
            best = cm_compile_extreme(c, &best, &next, expr->op == CM_X_GREATEST, range);
        }
    }
    *ret = best;
    return st;
}

static cm_status compile_nullif(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    cm_circuit *k = c->circuit;
    cm_cval a = {0};
    cm_cval b = {0};
    cm_status st = compile_pair(c, expr, active, &a, &b);
    if (st == CM_OK) {
        cm_wire equal = cm_gate_and(k, cm_compile_equal(c, &a, &b), cm_gate_not(k, b.null));
        a.null = cm_gate_or(k, a.null, equal);
        *ret = a;
    }
    return st;
}

static cm_status compile_rescale(cm_compiler *c, const cm_expr *expr, const cm_cval *a,
                                 cm_cval *ret)
{
    int digits = expr->type.scale - expr->arg[0]->type.scale;
    if (digits == 0) {
        *ret = *a;
    } else if (digits > 0) {
        cm_cval factor = cm_cval_const(cm_power_of_ten(digits));
        *ret = cm_compile_mul(c, a, &factor, expr->range);
    } else {
        *ret = cm_compile_round(c, expr->op, a, -digits, expr->range);
    }
    return CM_OK;
}

static cm_status compile_unary(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    cm_circuit *k = c->circuit;
    cm_cval a = {0};
    cm_status st = compile(c, expr->arg[0], active, &a);
    if (st != CM_OK) {
        return st;
    }
    switch ((int)expr->op) {
    case CM_X_NEG:
        *ret = cm_compile_negate(c, &a, expr->range);
        return CM_OK;
    case CM_X_ABS:
        *ret = cm_compile_abs(c, &a, expr->range);
        return CM_OK;
    case CM_X_RESCALE:
    case CM_X_TRUNC:
    case CM_X_FLOOR:
    case CM_X_CEIL:
        return compile_rescale(c, expr, &a, ret);
    case CM_X_CAST:
        *ret = a.kind == CM_ENC_NUMBER ? cm_compile_clip(c, &a, active, expr->range) : a;
        return CM_OK;
    case CM_X_NOT:
        *ret = cm_cval_of_wire(cm_gate_not(k, cm_cval_bit(&a)), a.null);
        return CM_OK;
    case CM_X_IS_NULL:
        *ret = cm_cval_of_wire(a.null, CM_WIRE_0);
        return CM_OK;
    case CM_X_IS_TRUE:
        *ret = cm_cval_of_wire(cm_compile_is_true(c, &a), CM_WIRE_0);
        return CM_OK;
    case CM_X_IS_FALSE:
        *ret = cm_cval_of_wire(is_false(c, &a), CM_WIRE_0);
        return CM_OK;
    default:
        return cm_fail(c->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "this operation cannot be computed under MPC yet");
    }
}

/* A timestamp that was made of a date need not be taken apart again. */
static cm_status compile_calendar(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    const cm_expr *arg = expr->arg[0];
    bool is_days = arg->op == CM_X_MUL && arg->arg[0]->type.kind == CM_TYPE_DATE;
    cm_cval when = {0};

    cm_status st = compile(c, is_days ? arg->arg[0] : arg, active, &when);
    return st == CM_OK ? cm_compile_calendar(c, expr, &when, is_days, ret) : st;
}

static cm_status compile_stat(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    cm_cval arg[CM_STAT_ARGS] = {0};
    cm_status st = CM_OK;

    CM_ASSERT(expr->args == CM_STAT_ARGS);
    for (size_t i = 0; st == CM_OK && i < CM_STAT_ARGS; i++) {
        st = compile(c, expr->arg[i], active, &arg[i]);
    }
    if (st == CM_OK) {
        *ret = cm_compile_stat(c, expr, arg);
    }
    return st;
}

static cm_status compile_binary(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    cm_cval a = {0};
    cm_cval b = {0};
    cm_status st = compile_pair(c, expr, active, &a, &b);
    if (st != CM_OK) {
        return st;
    }
    switch ((int)expr->op) {
    case CM_X_ADD:
        *ret = cm_compile_add(c, &a, &b, expr->range);
        return CM_OK;
    case CM_X_SUB:
        *ret = cm_compile_sub(c, &a, &b, expr->range);
        return CM_OK;
    case CM_X_MUL:
        *ret = cm_compile_mul(c, &a, &b, expr->range);
        return CM_OK;
    default:
        *ret = cm_compile_divide(c, expr->op, &a, &b, expr->shift, active, expr->range);
        return CM_OK;
    }
}

static cm_status compile(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    switch ((int)expr->op) {
    case CM_X_CONST:
        *ret = constant(expr);
        return CM_OK;
    case CM_X_COLUMN:
        *ret = c->column[expr->index];
        return CM_OK;
    case CM_X_ADD:
    case CM_X_SUB:
    case CM_X_MUL:
    case CM_X_IDIV:
    case CM_X_QUOT:
    case CM_X_MOD:
        return compile_binary(c, expr, active, ret);
    case CM_X_EQ:
    case CM_X_NE:
    case CM_X_LT:
    case CM_X_LE:
    case CM_X_GT:
    case CM_X_GE:
    case CM_X_NOT_DISTINCT:
        return compile_comparison(c, expr, active, ret);
    case CM_X_AND:
    case CM_X_OR:
        return compile_and_or(c, expr, active, ret);
    case CM_X_IN:
        return compile_in(c, expr, active, ret);
    case CM_X_CASE:
        return compile_case(c, expr, active, ret);
    case CM_X_COALESCE:
        return compile_coalesce(c, expr, active, 0, ret);
    case CM_X_NULLIF:
        return compile_nullif(c, expr, active, ret);
    case CM_X_GREATEST:
    case CM_X_LEAST:
        return compile_extreme(c, expr, active, ret);
    case CM_X_STAT:
        return compile_stat(c, expr, active, ret);
    case CM_X_EXTRACT:
    case CM_X_DATE_TRUNC:
    case CM_X_ADD_MONTHS:
        return compile_calendar(c, expr, active, ret);
    default:
        if (expr->args != 1) {
            return cm_fail(c->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                           "this operation cannot be computed under MPC yet");
        }
        return compile_unary(c, expr, active, ret);
    }
}

cm_status cm_compile_expr(cm_compiler *c, const cm_expr *expr, cm_wire active, cm_cval *ret)
{
    return compile(c, expr, active, ret);
}
