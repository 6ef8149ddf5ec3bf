/* Nodes, columns and the expressions that the planner makes itself. */
#include "sql/plan_int.h"

#include <string.h>

uint64_t cm_times_most(uint64_t a, uint64_t b, uint64_t most)
{
    return a > 0 && b > most / a ? most : a * b;
}

void cm_exprs_add(cm_arena *arena, cm_exprs *list, const cm_expr *expr)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 8 : 2 * list->room;
        const cm_expr **at = CM_NEW_SMALL(arena, const cm_expr *, room);
        for (size_t i = 0; i < list->count; i++) {
            at[i] = list->at[i];
        }
        list->at = at;
        list->room = room;
    }
    list->at[list->count++] = expr;
}

cm_plan_node *cm_node_new(cm_planner *pl, cm_plan_op op, uint64_t rows, size_t cols)
{
    cm_plan_node *node = CM_NEW_SMALL(pl->arena, cm_plan_node, 1);

    node->op = op;
    node->rows = rows;
    node->cols = cols;
    node->col = CM_NEW_SMALL(pl->arena, cm_plan_col, cols + 1);
    return node;
}

cm_plan_col *cm_node_cols(cm_plan_node *node)
{
    return (cm_plan_col *)(uintptr_t)node->col; /* allocated writable by cm_node_new */
}

void cm_node_children(cm_planner *pl, cm_plan_node *node, cm_plan_node *const *child, size_t count)
{
    const cm_plan_node **copy = CM_NEW_SMALL(pl->arena, const cm_plan_node *, count + 1);

    for (size_t i = 0; i < count; i++) {
        copy[i] = child[i];
    }
    node->children = count;
    node->child = copy;
}

cm_plan_col cm_col_number(const char *name, cm_type type, cm_range range, bool nullable)
{
    cm_plan_col col = {.name = name, .type = type, .range = range};

    if (col.range.lo == col.range.hi) {
        col.range.hi++; /* a column has at least one plane */
    }
    col.enc = (cm_encoding){.kind = CM_ENC_NUMBER,
                            .lo = col.range.lo,
                            .planes = cm_range_planes(col.range),
                            .nullable = nullable};
    return col;
}

cm_plan_col cm_col_text(const char *name, cm_type type, unsigned bytes, bool nullable)
{
    cm_plan_col col = {.name = name, .type = type};

    col.enc = (cm_encoding){
        .kind = CM_ENC_TEXT, .planes = 8 * (bytes == 0 ? 1 : bytes), .nullable = nullable};
    return col;
}

cm_plan_col cm_col_digest(const char *name, cm_type type, bool nullable)
{
    cm_plan_col col = {.name = name, .type = type};

    col.enc =
        (cm_encoding){.kind = CM_ENC_DIGEST, .planes = CM_PLAN_DIGEST_PLANES, .nullable = nullable};
    return col;
}

const cm_expr *cm_node_column(cm_planner *pl, const cm_plan_node *node, size_t col)
{
    const cm_plan_col *c = &node->col[col];

    CM_ASSERT(col < node->cols);
    return cm_expr_column(pl->arena, 0, (unsigned)col, c->type, c->enc.nullable, c->range, 0);
}

cm_plan_node *cm_node_filter(cm_planner *pl, cm_plan_node *child, const cm_expr *condition)
{
    cm_plan_node *node = cm_node_new(pl, CM_PLAN_FILTER, child->rows, child->cols);

    node->col = child->col;
    node->condition = condition;
    cm_node_children(pl, node, &child, 1);
    return node;
}

static bool same_encoding(const cm_encoding *a, const cm_encoding *b)
{
    return a->kind == b->kind && a->lo == b->lo && a->planes == b->planes &&
           a->nullable == b->nullable;
}

static bool is_identity(const cm_plan_node *child, const cm_expr *const *exprs,
                        const cm_plan_col *cols, size_t count)
{
    if (count != child->cols) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (exprs[i]->op != CM_X_COLUMN || exprs[i]->index != i ||
            !same_encoding(&cols[i].enc, &child->col[i].enc) ||
            strcmp(cols[i].name, child->col[i].name) != 0 ||
            !cm_type_equal(&cols[i].type, &child->col[i].type)) {
            return false;
        }
    }
    return true;
}

/* A projection that only drops or moves columns. */
static bool is_selection(const cm_plan_node *node)
{
    if (node->op != CM_PLAN_PROJECT) {
        return false;
    }
    for (size_t i = 0; i < node->cols; i++) {
        if (node->expr[i]->op != CM_X_COLUMN ||
            !same_encoding(&node->col[i].enc, &node->child[0]->col[node->expr[i]->index].enc)) {
            return false;
        }
    }
    return true;
}

static const cm_expr *below(const cm_expr *expr, void *arg)
{
    const cm_plan_node *selection = arg;

    return expr->op == CM_X_COLUMN ? selection->expr[expr->index] : NULL;
}

/*
 * A projection of public rows is public: computed here, whatever functions it has.  False where
 * that would raise an error, which belongs to running.
 */
static bool compute_values(cm_planner *pl, const cm_plan_node *child, const cm_expr *const *exprs,
                           const cm_plan_col *cols, size_t count, cm_plan_node *node)
{
    cm_value *value = CM_NEW_SMALL(pl->arena, cm_value, child->rows * count + 1);

    for (size_t i = 0; i < count; i++) {
        cm_node_cols(node)[i] = cols[i];
    }
    for (size_t r = 0; r < child->rows; r++) {
        for (size_t i = 0; i < count; i++) {
            cm_value *to = &value[r * count + i];
            cm_encoding *enc = &cm_node_cols(node)[i].enc;
            if (cm_expr_eval(exprs[i], child->value + r * child->cols, pl->arena, to, NULL) !=
                CM_OK) {
                return false;
            }
            CM_ASSERT(to->null ? enc->nullable
                               : enc->kind != CM_ENC_NUMBER || (to->number >= cols[i].range.lo &&
                                                                to->number <= cols[i].range.hi));
            if (enc->kind == CM_ENC_TEXT && !to->null && 8 * strlen(to->text) > enc->planes) {
                enc->planes = 8 * (unsigned)strlen(to->text);
            }
        }
    }
    node->op = CM_PLAN_VALUES;
    node->value = value;
    return true;
}

cm_plan_node *cm_node_project(cm_planner *pl, cm_plan_node *child, const cm_expr *const *exprs,
                              const cm_plan_col *cols, size_t count)
{
    if (is_identity(child, exprs, cols, count)) {
        return child;
    }
    cm_plan_node *over = child;
    if (is_selection(child)) {
        over = (cm_plan_node *)(uintptr_t)child->child[0];
    }
    cm_plan_node *node = cm_node_new(pl, CM_PLAN_PROJECT, over->rows, count);
    const cm_expr **copy = CM_NEW_SMALL(pl->arena, const cm_expr *, count + 1);
    if (over->op == CM_PLAN_VALUES && compute_values(pl, over, exprs, cols, count, node)) {
        return node;
    }
    for (size_t i = 0; i < count; i++) {
        copy[i] = exprs[i];
        if (over != child) {
            cm_status st = cm_expr_rewrite(pl->arena, exprs[i], below, child, &copy[i], pl->diag);
            CM_ASSERT(st == CM_OK); /* the same ranges as before */
        }
        cm_node_cols(node)[i] = cols[i];
    }
    node->expr = copy;
    cm_node_children(pl, node, &over, 1);
    return node;
}

/* Bytes that a text value computed over the child's columns can have. */
static unsigned text_bytes(const cm_expr *expr, const cm_plan_node *child)
{
    unsigned most = 0;

    if (expr->type.kind != CM_TYPE_TEXT && expr->type.kind != CM_TYPE_UNKNOWN) {
        return 0;
    }
    if (expr->op == CM_X_CONST) {
        return expr->value.null ? 0 : (unsigned)strlen(expr->value.text);
    }
    if (expr->op == CM_X_COLUMN) {
        return child->col[expr->index].enc.planes / 8;
    }
    for (size_t i = 0; i < expr->args; i++) {
        unsigned bytes = text_bytes(expr->arg[i], child);
        most = bytes > most ? bytes : most;
    }
    return most;
}

cm_status cm_col_of_expr(cm_planner *pl, const char *name, const cm_expr *expr,
                         const cm_plan_node *child, cm_plan_col *ret)
{
    if (expr->type.kind != CM_TYPE_TEXT && expr->type.kind != CM_TYPE_UNKNOWN) {
        *ret = cm_col_number(name, expr->type, expr->range, expr->nullable);
        return CM_OK;
    }
    if (expr->op == CM_X_COLUMN) {
        *ret = child->col[expr->index];
        ret->name = name;
        ret->type = expr->type;
        ret->enc.nullable = expr->nullable;
        return CM_OK;
    }
    unsigned bytes = text_bytes(expr, child);
    if (bytes > CM_PLAN_MPC_TEXT_BYTES) {
        return cm_plan_unsupported(pl, expr->position, "computing with text of more than 64 bytes",
                                   "Declare varchar(n), or OPTIONS (max_bytes 'n').");
    }
    *ret = cm_col_text(name, expr->type, bytes, expr->nullable);
    return CM_OK;
}

uint64_t cm_range_values(cm_range range, bool nullable)
{
    cm_i128 values = range.hi - range.lo + 1 + nullable;

    return values > (cm_i128)(UINT64_MAX / 2) ? UINT64_MAX : (uint64_t)values;
}

uint64_t cm_col_values(const cm_plan_col *col)
{
    return col->enc.kind == CM_ENC_NUMBER ? cm_range_values(col->range, col->enc.nullable)
                                          : UINT64_MAX;
}

bool cm_expr_is_text(const cm_expr *expr)
{
    return expr->type.kind == CM_TYPE_TEXT || expr->type.kind == CM_TYPE_UNKNOWN;
}

cm_type cm_plan_bool_type(void)
{
    return (cm_type){.kind = CM_TYPE_BOOL};
}

cm_type cm_plan_int8_type(void)
{
    return (cm_type){.kind = CM_TYPE_INT8};
}

cm_status cm_plan_op_new(cm_planner *pl, cm_expr_op op, cm_type type, const cm_expr *a,
                         const cm_expr *b, const cm_expr **ret)
{
    const cm_expr *args[2] = {a, b};

    return cm_expr_op_new(pl->arena, op, type, args, b == NULL ? 1 : 2, 0, 0, a->position, ret,
                          pl->diag);
}

const cm_expr *cm_plan_null(cm_planner *pl, cm_type type)
{
    return cm_expr_const(pl->arena, type, (cm_value){.null = true}, 0);
}

const cm_expr *cm_plan_int(cm_planner *pl, cm_i128 value)
{
    return cm_expr_const(pl->arena, cm_plan_int8_type(), (cm_value){.number = value}, 0);
}

const cm_expr *cm_plan_and(cm_planner *pl, const cm_exprs *list)
{
    const cm_expr *ret;

    if (list->count < 2) {
        return list->count == 0 ? NULL : list->at[0];
    }
    cm_status st = cm_expr_op_new(pl->arena, CM_X_AND, cm_plan_bool_type(), list->at, list->count,
                                  0, 0, list->at[0]->position, &ret, pl->diag);
    CM_ASSERT(st == CM_OK); /* booleans fit */
    return ret;
}

static bool add_rel(const cm_expr *expr, void *arg)
{
    if (expr->op == CM_X_COLUMN) {
        *(uint64_t *)arg |= (uint64_t)1 << expr->rel;
    }
    return true;
}

uint64_t cm_expr_rels(const cm_expr *expr)
{
    uint64_t rels = 0;

    (void)cm_expr_walk(expr, add_rel, &rels);
    return rels;
}

bool cm_expr_is_true(const cm_expr *expr)
{
    return expr->op == CM_X_CONST && !expr->value.null && expr->value.number != 0;
}

bool cm_exprs_have(const cm_exprs *list, const cm_expr *expr)
{
    for (size_t i = 0; i < list->count; i++) {
        if (cm_expr_equal(list->at[i], expr)) {
            return true;
        }
    }
    return false;
}

/* (a AND b) OR (a AND c) is a AND (b OR c): what every arm asks for goes to the list, and *ret is
 * what is left, NULL for nothing. */
static cm_status factor_out(cm_planner *pl, const cm_expr *expr, cm_exprs *list,
                            const cm_expr **ret)
{
    cm_exprs *arm = CM_NEW_SMALL(pl->arena, cm_exprs, expr->args);
    cm_exprs common = {0}, rest = {0};

    for (size_t i = 0; i < expr->args; i++) {
        cm_expr_conjuncts(pl, expr->arg[i], &arm[i]);
    }
    for (size_t c = 0; c < arm[0].count; c++) {
        bool everywhere = true;
        for (size_t i = 1; i < expr->args; i++) {
            everywhere = everywhere && cm_exprs_have(&arm[i], arm[0].at[c]);
        }
        if (everywhere) {
            cm_exprs_add(pl->arena, &common, arm[0].at[c]);
            cm_exprs_add(pl->arena, list, arm[0].at[c]);
        }
    }
    *ret = expr;
    if (common.count == 0) {
        return CM_OK;
    }
    *ret = NULL;
    for (size_t i = 0; i < expr->args; i++) {
        cm_exprs own = {0};
        for (size_t c = 0; c < arm[i].count; c++) {
            if (!cm_exprs_have(&common, arm[i].at[c])) {
                cm_exprs_add(pl->arena, &own, arm[i].at[c]);
            }
        }
        if (own.count == 0) {
            return CM_OK; /* true wherever the common part is */
        }
        cm_exprs_add(pl->arena, &rest, cm_plan_and(pl, &own));
    }
    return cm_expr_op_new(pl->arena, CM_X_OR, cm_plan_bool_type(), rest.at, rest.count, 0, 0,
                          expr->position, ret, pl->diag);
}

void cm_expr_conjuncts(cm_planner *pl, const cm_expr *expr, cm_exprs *list)
{
    if (expr != NULL && expr->op == CM_X_OR) {
        cm_status st = factor_out(pl, expr, list, &expr);
        CM_ASSERT(st == CM_OK); /* booleans fit */
        if (expr != NULL) {
            cm_exprs_add(pl->arena, list, expr);
        }
        return;
    }
    if (expr == NULL || cm_expr_is_true(expr)) {
        return;
    }
    if (expr->op != CM_X_AND) {
        cm_exprs_add(pl->arena, list, expr);
        return;
    }
    for (size_t i = 0; i < expr->args; i++) {
        cm_expr_conjuncts(pl, expr->arg[i], list);
    }
}

const cm_expr *cm_expr_strip(const cm_expr *expr)
{
    while (expr->op == CM_X_CAST &&
           (expr->type.kind == CM_TYPE_TEXT || (expr->range.lo == expr->arg[0]->range.lo &&
                                                expr->range.hi == expr->arg[0]->range.hi))) {
        expr = expr->arg[0];
    }
    return expr;
}

unsigned cm_query_target(const cm_query *query, unsigned index)
{
    for (unsigned i = 0; i < query->targets; i++) {
        if (!query->target[i].hidden && index-- == 0) {
            return i;
        }
    }
    CM_ASSERT(false && "column of a derived relation");
}

cm_status cm_plan_unsupported(cm_planner *pl, int position, const char *what, const char *hint)
{
    if (pl->diag != NULL && pl->diag->status == CM_OK) {
        pl->diag->position = position;
    }
    cm_status st =
        cm_fail(pl->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED, "%s is not supported", what);
    if (hint != NULL) {
        cm_diag_hint(pl->diag, "%s", hint);
    }
    return st;
}
