/*
 * UNION ALL: the rows of the arms one below the other, their columns encoded for the hull of the
 * arms'.  Arms that are constants are one node of public rows.  And conditions on a derived
 * relation, which sink into its query where that changes nothing, so that owners can evaluate them.
 */
#include "sql/plan_int.h"

/* ---- conditions ---- */

typedef struct descent {
    const cm_query *query;
    bool aggregates;
} descent;

static const cm_expr *into_query(const cm_expr *expr, void *arg)
{
    descent *d = arg;

    if (expr->op != CM_X_COLUMN) {
        return NULL;
    }
    const cm_expr *target = d->query->target[cm_query_target(d->query, expr->index)].expr;
    d->aggregates = d->aggregates || cm_expr_has_aggregate(target);
    return target;
}

static const cm_expr *compute(const cm_expr *expr, void *arg)
{
    cm_planner *pl = arg;
    cm_value value;

    if (expr->op == CM_X_CONST || expr->args == 0 || cm_expr_rels(expr) != 0 ||
        cm_expr_has_aggregate(expr) || cm_expr_eval(expr, NULL, pl->arena, &value, NULL) != CM_OK) {
        return NULL;
    }
    return cm_expr_const(pl->arena, expr->type, value, expr->position);
}

cm_status cm_plan_fold_constants(cm_planner *pl, const cm_expr *expr, const cm_expr **ret)
{
    return cm_expr_rewrite(pl->arena, expr, compute, pl, ret, pl->diag);
}

static cm_status condition_of(cm_planner *pl, const cm_query *query, const cm_expr *condition,
                              descent *d, const cm_expr **ret)
{
    *d = (descent){query, false};
    cm_status st = cm_expr_rewrite(pl->arena, condition, into_query, d, ret, pl->diag);
    return st == CM_OK && !d->aggregates ? cm_plan_fold_constants(pl, *ret, ret) : st;
}

/* Rows of constants are chosen now; *ret NULL where that would be an error. */
static cm_status sink_into_values(cm_planner *pl, const cm_query *query, const cm_expr *condition,
                                  const cm_query **ret)
{
    const cm_query **arm = CM_NEW_SMALL(pl->arena, const cm_query *, query->arms);
    cm_query *copy = CM_NEW_SMALL(pl->arena, cm_query, 1);

    *copy = *query;
    copy->arm = arm;
    copy->arms = 0;
    for (size_t i = 0; i < query->arms; i++) {
        const cm_expr *holds;
        descent d;
        cm_status st = condition_of(pl, query->arm[i], condition, &d, &holds);
        if (st != CM_OK || holds->op != CM_X_CONST) {
            return st;
        }
        if (cm_expr_is_true(holds)) {
            arm[copy->arms++] = query->arm[i];
        }
    }
    if (copy->arms == 0) { /* a table has a row, if only one that does not count */
        cm_query *none = CM_NEW_SMALL(pl->arena, cm_query, 1);
        cm_value no = {.number = 0};
        *none = *query->arm[0];
        none->where = cm_expr_const(pl->arena, cm_plan_bool_type(), no, 0);
        arm[copy->arms++] = none;
    }
    *ret = copy;
    return CM_OK;
}

static bool is_values(const cm_query *query)
{
    bool values = true;

    for (size_t i = 0; i < query->arms; i++) {
        const cm_query *arm = query->arm[i];
        values = values && arm->arms == 0 && arm->stored == NULL && arm->from == NULL &&
                 arm->where == NULL && !arm->grouped && !arm->has_limit && arm->offset == 0;
    }
    return values;
}

/* Adds the condition on the query's columns to its WHERE; *ret NULL where it has to stay above. */
static cm_status sink(cm_planner *pl, const cm_query *query, const cm_expr *condition,
                      const cm_query **ret)
{
    cm_query *copy = CM_NEW_SMALL(pl->arena, cm_query, 1);
    descent d = {query, false};
    cm_exprs both = {0};
    const cm_expr *inner;

    *ret = NULL;
    *copy = *query;
    if (query->arms > 0 && is_values(query)) {
        return sink_into_values(pl, query, condition, ret);
    }
    if (query->arms > 0) {
        const cm_query **arm = CM_NEW_SMALL(pl->arena, const cm_query *, query->arms);
        for (size_t i = 0; i < query->arms; i++) {
            cm_status st = sink(pl, query->arm[i], condition, &arm[i]);
            if (st != CM_OK || arm[i] == NULL) {
                return st;
            }
        }
        copy->arm = arm;
        *ret = copy;
        return CM_OK;
    }
    if (query->stored != NULL || query->has_limit || query->offset > 0 ||
        (query->grouped && query->groups == 0)) {
        return CM_OK;
    }
    cm_status st = condition_of(pl, query, condition, &d, &inner);
    if (st != CM_OK || d.aggregates) {
        return st;
    }
    cm_expr_conjuncts(pl, query->where, &both);
    cm_expr_conjuncts(pl, inner, &both);
    copy->where = cm_plan_and(pl, &both);
    *ret = copy;
    return CM_OK;
}

/* Below window functions, what keeps or drops whole partitions. */
static bool is_of_partitions(const cm_expr *expr, void *arg)
{
    const cm_relation *relation = arg;
    bool fine = expr->op != CM_X_COLUMN || expr->index < relation->cols - relation->windows;

    for (size_t w = 0; fine && expr->op == CM_X_COLUMN && w < relation->windows; w++) {
        bool part = false;
        for (size_t i = 0; i < relation->window[w].parts; i++) {
            part = part || relation->window[w].part[i] == expr->index;
        }
        fine = part;
    }
    return fine;
}

cm_status cm_block_sink_conditions(cm_block *b, cm_query *query)
{
    cm_relation *relation = CM_NEW_SMALL(b->pl->arena, cm_relation, query->relations + 1);

    for (size_t rel = 0; rel < query->relations; rel++) {
        cm_exprs *own = &b->own[rel];
        size_t kept = 0;
        relation[rel] = query->relation[rel];
        if (relation[rel].derived == NULL || relation[rel].applies > 0) {
            continue;
        }
        for (size_t i = 0; i < own->count; i++) {
            const cm_query *sunk = NULL;
            cm_status st = CM_OK;
            if (cm_expr_walk(own->at[i], is_of_partitions, &relation[rel])) {
                st = sink(b->pl, relation[rel].derived, own->at[i], &sunk);
            }
            if (st != CM_OK) {
                return st;
            }
            if (sunk != NULL) {
                cm_exprs_add(b->pl->arena, &b->sunk[rel], own->at[i]);
                relation[rel].derived = sunk;
            } else {
                own->at[kept++] = own->at[i];
            }
        }
        own->count = kept;
    }
    query->relation = relation;
    return CM_OK;
}

/* ---- rows of constants ---- */

cm_plan_node *cm_plan_one_row(cm_planner *pl)
{
    cm_plan_node *node = cm_node_new(pl, CM_PLAN_VALUES, 1, 1);

    cm_node_cols(node)[0] = cm_col_number("zero", cm_plan_int8_type(), (cm_range){0, 0}, false);
    node->value = CM_NEW_SMALL(pl->arena, cm_value, 1);
    return node;
}

static const cm_expr *column_of(const cm_query *arm, const cm_need *need)
{
    return arm->target[cm_query_target(arm, need->target)].expr;
}

static bool is_constant(const cm_query *arm, const cm_need *need, size_t needs)
{
    bool constant = arm->arms == 0 && arm->from == NULL && arm->where == NULL && !arm->grouped &&
                    !arm->has_limit && arm->offset == 0;

    for (size_t i = 0; constant && i < needs; i++) {
        constant = column_of(arm, &need[i])->op == CM_X_CONST;
    }
    return constant && needs > 0;
}

static cm_plan_col constant_column(const char *name, const cm_expr *expr, cm_encoding_kind kind)
{
    bool null = expr->value.null;

    if (kind == CM_ENC_DIGEST) {
        return cm_col_digest(name, expr->type, null);
    }
    if (!cm_expr_is_text(expr)) {
        return cm_col_number(name, expr->type, expr->range, null);
    }
    size_t bytes = 0;
    while (!null && expr->value.text[bytes] != '\0') {
        bytes++;
    }
    return cm_col_text(name, expr->type, (unsigned)bytes, null);
}

static void widen(cm_plan_col *col, const cm_plan_col *other)
{
    bool nullable = col->enc.nullable || other->enc.nullable;

    if (col->enc.kind == CM_ENC_NUMBER) {
        cm_range hull = {
            other->range.lo < col->range.lo ? other->range.lo : col->range.lo,
            other->range.hi > col->range.hi ? other->range.hi : col->range.hi,
        };
        *col = cm_col_number(col->name, col->type, hull, nullable);
    } else {
        unsigned planes = other->enc.planes;
        unsigned bytes = other->type.max_bytes;
        col->enc.planes = planes > col->enc.planes ? planes : col->enc.planes;
        col->type.max_bytes = bytes > col->type.max_bytes ? bytes : col->type.max_bytes;
        col->enc.nullable = nullable;
    }
}

static cm_plan_node *constants_node(cm_planner *pl, const cm_query *query, const cm_need *need,
                                    size_t needs, size_t rows)
{
    cm_plan_node *node = cm_node_new(pl, CM_PLAN_VALUES, rows, needs);
    cm_value *value = CM_NEW_SMALL(pl->arena, cm_value, rows * needs);
    size_t row = 0;

    for (size_t a = 0; a < query->arms; a++) {
        if (!is_constant(query->arm[a], need, needs)) {
            continue;
        }
        for (size_t i = 0; i < needs; i++) {
            const cm_expr *expr = column_of(query->arm[a], &need[i]);
            cm_plan_col col =
                constant_column(query->target[need[i].target].name, expr, need[i].kind);
            value[row * needs + i] = expr->value;
            if (row == 0) {
                cm_node_cols(node)[i] = col;
            } else {
                widen(&cm_node_cols(node)[i], &col);
            }
        }
        row++;
    }
    node->value = value;
    return node;
}

/* ---- the arms ---- */

static bool same_encodings(const cm_plan_node *node, const cm_plan_col *cols)
{
    for (size_t i = 0; i < node->cols; i++) {
        const cm_encoding *own = &node->col[i].enc, *want = &cols[i].enc;
        if (own->lo != want->lo || own->planes != want->planes || own->nullable != want->nullable) {
            return false;
        }
    }
    return true;
}

static cm_plan_node *recode(cm_planner *pl, cm_plan_node *node, const cm_plan_col *cols);

/* A projection of different bare columns hands wider encodings down; *ret the child where nothing
 * else is left of it. */
static bool recode_below(cm_planner *pl, const cm_plan_node *node, const cm_plan_col *cols,
                         cm_plan_node **ret)
{
    cm_plan_node *child = (cm_plan_node *)(uintptr_t)node->child[0];
    cm_plan_col *wide = CM_NEW_SMALL(pl->arena, cm_plan_col, child->cols + 1);
    bool *used = CM_NEW_SMALL(pl->arena, bool, child->cols + 1);
    bool in_place = node->cols == child->cols;

    if (child->op != CM_PLAN_INPUT && child->op != CM_PLAN_CONCAT) {
        return false;
    }
    for (size_t i = 0; i < child->cols; i++) {
        wide[i] = child->col[i];
    }
    for (size_t i = 0; i < node->cols; i++) {
        const cm_expr *expr = node->expr[i];
        if (expr->op != CM_X_COLUMN || used[expr->index]) {
            return false;
        }
        used[expr->index] = true;
        wide[expr->index] = cols[i];
        in_place = in_place && expr->index == i;
    }
    child = recode(pl, child, wide);
    *ret = child;
    if (!in_place) {
        cm_plan_node *copy = CM_NEW_SMALL(pl->arena, cm_plan_node, 1);
        *copy = *node;
        copy->col = cols;
        cm_node_children(pl, copy, &child, 1);
        *ret = copy;
    }
    return true;
}

/* The rows with wider encodings: where they are made, if that is possible. */
static cm_plan_node *recode(cm_planner *pl, cm_plan_node *node, const cm_plan_col *cols)
{
    const cm_expr **exprs = CM_NEW_SMALL(pl->arena, const cm_expr *, node->cols + 1);
    bool rows = node->op == CM_PLAN_INPUT && !node->fragment->aggregated;

    cm_plan_node *below;
    if (node->op == CM_PLAN_PROJECT && recode_below(pl, node, cols, &below)) {
        return below;
    }
    if (same_encodings(node, cols)) {
        return node;
    }
    cm_plan_node *copy = CM_NEW_SMALL(pl->arena, cm_plan_node, 1);
    *copy = *node;
    copy->col = cols;
    if (rows || node->op == CM_PLAN_VALUES || node->op == CM_PLAN_PROJECT) {
        return copy;
    }
    if (node->op == CM_PLAN_CONCAT) {
        cm_plan_node **child = CM_NEW_SMALL(pl->arena, cm_plan_node *, node->children);
        for (size_t i = 0; i < node->children; i++) {
            child[i] = recode(pl, (cm_plan_node *)(uintptr_t)node->child[i], cols);
        }
        cm_node_children(pl, copy, child, node->children);
        return copy;
    }
    for (size_t i = 0; i < node->cols; i++) {
        exprs[i] = cm_node_column(pl, node, i);
    }
    return cm_node_project(pl, node, exprs, cols, node->cols);
}

/* Each arm's rows with a column per need; constants last. */
static cm_status plan_arms(cm_planner *pl, const cm_query *query, bool visible, const cm_need *need,
                           size_t needs, cm_planned *ret, size_t *ret_count)
{
    cm_need *inner = CM_NEW_SMALL(pl->arena, cm_need, needs + 1);
    size_t count = 0, constants = 0;

    for (size_t a = 0; a < query->arms; a++) {
        const cm_query *arm = query->arm[a];
        if (is_constant(arm, need, needs)) {
            constants++;
            continue;
        }
        for (size_t i = 0; i < needs; i++) {
            inner[i] = (cm_need){cm_query_target(arm, need[i].target), need[i].kind};
        }
        cm_status st = cm_plan_block(pl, arm, visible, false, inner, needs, &ret[count++]);
        if (st != CM_OK) {
            return st;
        }
    }
    if (constants > 0) {
        unsigned *col = CM_NEW_SMALL(pl->arena, unsigned, needs);
        for (unsigned i = 0; i < needs; i++) {
            col[i] = i;
        }
        ret[count++] =
            (cm_planned){.node = constants_node(pl, query, need, needs, constants), .col = col};
    }
    *ret_count = count;
    return CM_OK;
}

static cm_plan_node *in_order_of_needs(cm_planner *pl, const cm_planned *arm, size_t needs)
{
    const cm_expr **exprs = CM_NEW_SMALL(pl->arena, const cm_expr *, needs + 1);
    cm_plan_col *cols = CM_NEW_SMALL(pl->arena, cm_plan_col, needs + 1);

    for (size_t i = 0; i < needs; i++) {
        exprs[i] = cm_node_column(pl, arm->node, arm->col[i]);
        cols[i] = arm->node->col[arm->col[i]];
    }
    return cm_node_project(pl, arm->node, exprs, cols, needs);
}

static cm_plan_node *append(cm_planner *pl, cm_plan_node *const *part, size_t parts,
                            const cm_plan_col *cols, size_t count)
{
    size_t children = 0, at = 0;
    uint64_t rows = 0;

    for (size_t a = 0; a < parts; a++) {
        children += part[a]->op == CM_PLAN_CONCAT ? part[a]->children : 1;
        rows += part[a]->rows;
    }
    cm_plan_node **child = CM_NEW_SMALL(pl->arena, cm_plan_node *, children);
    for (size_t a = 0; a < parts; a++) {
        bool several = part[a]->op == CM_PLAN_CONCAT;
        for (size_t i = 0; several && i < part[a]->children; i++) {
            child[at++] = (cm_plan_node *)(uintptr_t)part[a]->child[i];
        }
        if (!several) {
            child[at++] = part[a];
        }
    }
    cm_plan_node *node = cm_node_new(pl, CM_PLAN_CONCAT, rows, count);
    node->col = cols;
    cm_node_children(pl, node, child, children);
    return node;
}

/* Columns of constants in which no value comes twice. */
static void constant_uniques(cm_planner *pl, const cm_need *need, size_t needs, cm_planned *ret)
{
    const cm_plan_node *node = ret->node;

    ret->unique = CM_NEW_SMALL(pl->arena, cm_unique, needs + 1);
    for (size_t i = 0; i < needs; i++) {
        bool unique = node->rows <= 1024 && need[i].kind == CM_ENC_NUMBER;
        for (size_t r = 1; unique && r < node->rows; r++) {
            for (size_t before = 0; unique && before < r; before++) {
                const cm_value *x = &node->value[r * needs + i];
                const cm_value *y = &node->value[before * needs + i];
                unique = x->null || y->null || x->number != y->number;
            }
        }
        if (unique) {
            unsigned *col = CM_NEW_SMALL(pl->arena, unsigned, 1);
            col[0] = need[i].target;
            ret->unique[ret->uniques++] = (cm_unique){.cols = 1, .rel = col, .col = col};
        }
    }
}

cm_status cm_plan_union(cm_planner *pl, const cm_query *query, bool visible, const cm_need *need,
                        size_t needs, cm_planned *ret)
{
    cm_planned *arm = CM_NEW_SMALL(pl->arena, cm_planned, query->arms);
    cm_plan_node **part = CM_NEW_SMALL(pl->arena, cm_plan_node *, query->arms);
    cm_plan_col *cols = CM_NEW_SMALL(pl->arena, cm_plan_col, needs + 1);
    size_t parts = 0;

    cm_status st = plan_arms(pl, query, visible, need, needs, arm, &parts);
    if (st != CM_OK) {
        return st;
    }
    for (size_t a = 0; a < parts; a++) {
        part[a] = in_order_of_needs(pl, &arm[a], needs);
        for (size_t i = 0; i < needs; i++) {
            if (a == 0) {
                cols[i] = part[a]->col[i];
                cols[i].name = query->target[need[i].target].name;
                cols[i].type = query->target[need[i].target].expr->type;
            } else {
                widen(&cols[i], &part[a]->col[i]);
            }
        }
    }
    for (size_t a = 0; a < parts; a++) {
        part[a] = recode(pl, part[a], cols);
    }
    *ret = (cm_planned){.node = parts == 1 ? part[0] : append(pl, part, parts, cols, needs)};
    ret->col = CM_NEW_SMALL(pl->arena, unsigned, needs + 1);
    for (unsigned i = 0; i < needs; i++) {
        ret->col[i] = i;
    }
    if (ret->node->op == CM_PLAN_VALUES) {
        constant_uniques(pl, need, needs, ret);
    }
    return CM_OK;
}
