/*
 * UNION, INTERSECT, EXCEPT and VALUES.  All of them are queries over one derived relation, the
 * UNION ALL of their arms:
 *
 *   UNION           groups by all columns;
 *   INTERSECT       the same, with a column that says which side a row is of, and HAVING rows of
 *   EXCEPT          both, or none of the right side;
 *   INTERSECT ALL   numbers equal rows, those of the left side first, and counts the ones of the
 *   EXCEPT ALL      right side, r: left rows 1..r are the result, or those after r.
 *
 * Types are found pair by pair, up the tree, as PostgreSQL does; arms of UNION ALL below UNION ALL,
 * and of UNION below UNION, are arms of one relation.
 */
#include "sql/bind_int.h"
#include "sql/policy.h"

#include <string.h>

typedef struct arm {
    cm_query *query;
    cm_target *target; /* of query, with room for one more */
    uint64_t rows;
} arm;

typedef struct arms {
    size_t count, cols;
    arm *at;
    bool merges; /* a UNION of them; else UNION ALL */
} arms;

static const char *name_of(const cm_ast_select *select)
{
    static const char *const names[] = {"SELECT", "UNION", "INTERSECT", "EXCEPT"};

    return names[select->set];
}

/* ---- a query over one relation ---- */

/* Shows the first columns of the relation. */
static cm_status select_from(cm_binder *b, const cm_ast_select *select, cm_relation relation,
                             size_t shown, uint64_t rows, cm_select_state **ret)
{
    cm_select_state *q = CM_NEW_SMALL(b->arena, cm_select_state, 1);

    *q = (cm_select_state){.s = CM_NEW_SMALL(b->arena, cm_scope, 1),
                           .select = select,
                           .query = CM_NEW_SMALL(b->arena, cm_query, 1),
                           .shown = shown};
    q->s->b = b;
    q->target = CM_NEW_SMALL(b->arena, cm_target, shown + select->orders + 1);
    q->group = CM_NEW_SMALL(b->arena, const cm_expr *, shown + 1);
    cm_status st =
        cm_bind_add_hidden(q->s, relation, rows, select->position, &q->query->from, &q->names);
    for (size_t i = 0; i < shown && st == CM_OK; i++) {
        const cm_expr *expr = NULL;
        st = cm_bind_scope_col(q->s, &q->names.col[i], select->position, &expr);
        q->target[i] = (cm_target){relation.col[i].name, expr, false};
    }
    q->query->relations = q->s->relations;
    q->query->relation = q->s->relation;
    q->query->targets = shown;
    q->query->target = q->target;
    q->query->group = q->group;
    *ret = q;
    return st;
}

/* ---- the relation ---- */

static void widen(cm_column *col, const cm_column *other)
{
    col->not_null = col->not_null && other->not_null;
    col->has_check = col->has_check && other->has_check;
    col->unique = false;
    col->range.lo = other->range.lo < col->range.lo ? other->range.lo : col->range.lo;
    col->range.hi = other->range.hi > col->range.hi ? other->range.hi : col->range.hi;
    if (other->label.kind < col->label.kind) {
        col->label.kind = other->label.kind;
    }
    if (other->label.min_rows > col->label.min_rows) {
        col->label.min_rows = other->label.min_rows;
    }
    if (col->type.kind == CM_TYPE_TEXT) {
        bool wider = other->type.max_bytes > col->type.max_bytes;
        col->type.max_bytes = wider ? other->type.max_bytes : col->type.max_bytes;
        col->type.text = other->type.text == col->type.text ? col->type.text : CM_TEXT_TEXT;
    }
}

static cm_relation unite(cm_binder *b, const arms *list, size_t cols)
{
    const cm_query **queries = CM_NEW_SMALL(b->arena, const cm_query *, list->count);
    cm_query *all = CM_NEW_SMALL(b->arena, cm_query, 1);
    cm_target *target = CM_NEW_SMALL(b->arena, cm_target, cols + 1);
    cm_relation first = cm_bind_derive(b, list->at[0].query);
    cm_column *col = (cm_column *)(uintptr_t)first.col; /* made for us */

    for (size_t i = 0; i < list->count; i++) {
        queries[i] = list->at[i].query;
        cm_relation other = cm_bind_derive(b, list->at[i].query);
        for (size_t c = 0; c < cols; c++) {
            widen(&col[c], &other.col[c]);
        }
    }
    for (size_t c = 0; c < cols; c++) {
        target[c] = (cm_target){col[c].name,
                                cm_expr_column(b->arena, 0, (unsigned)c, col[c].type,
                                               !col[c].not_null, col[c].range, 0),
                                false};
    }
    *all = (cm_query){.arms = list->count, .arm = queries, .targets = cols, .target = target};
    return (cm_relation){.alias = "", .derived = all, .cols = cols, .col = col};
}

static uint64_t rows_of(const arms *list, size_t first, size_t last)
{
    uint64_t rows = 0;

    for (size_t i = first; i < last; i++) {
        uint64_t own = list->at[i].rows;
        rows = rows > UINT64_MAX - own ? UINT64_MAX : rows + own;
    }
    return rows == 0 ? 1 : rows;
}

/* ---- types ---- */

/* An arm whose rows are told apart by what it shows keeps it below a query that converts it. */
static cm_status detach(cm_binder *b, const cm_ast_select *select, size_t cols, arm *a)
{
    cm_select_state *q = NULL;

    if (!a->query->distinct) {
        return CM_OK;
    }
    cm_status st = select_from(b, select, cm_bind_derive(b, a->query), cols, a->rows, &q);
    if (st == CM_OK) {
        *a = (arm){q->query, q->target, a->rows};
    }
    return st;
}

/* One type a column for all arms of both sides. */
static cm_status unify(cm_binder *b, const cm_ast_select *select, arms *list)
{
    const cm_expr **exprs = CM_NEW_SMALL(b->arena, const cm_expr *, list->count);
    const char *what = select->rows > 0 ? "VALUES" : name_of(select);
    cm_type type;

    for (size_t i = 0; i < list->count; i++) {
        cm_status st = detach(b, select, list->cols, &list->at[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    for (size_t c = 0; c < list->cols; c++) {
        for (size_t i = 0; i < list->count; i++) {
            exprs[i] = list->at[i].target[c].expr;
        }
        cm_status st = cm_bind_room(b);
        if (st == CM_OK) {
            st = cm_bind_unify(b, what, exprs, list->count, &type);
        }
        if (st != CM_OK) {
            return st;
        }
        for (size_t i = 0; i < list->count; i++) {
            list->at[i].target[c].expr = exprs[i];
        }
    }
    return CM_OK;
}

/* ---- arms ---- */

static void add_arm(cm_binder *b, arms *list, arm a)
{
    arm *at = CM_NEW_SMALL(b->arena, arm, list->count + 1);

    for (size_t i = 0; i < list->count; i++) {
        at[i] = list->at[i];
    }
    at[list->count++] = a;
    list->at = at;
}

static bool has_clauses(const cm_ast_select *select)
{
    return select->withs > 0 || select->orders > 0 || select->limit != NULL ||
           select->offset != NULL || select->unsupported != NULL;
}

static cm_status bind_leaf(cm_binder *b, const cm_ast_select *select, arms *ret)
{
    bool waits = !select->distinct && select->orders == 0; /* those compare what is shown */
    cm_select_state *q = NULL;
    uint64_t rows = 0;

    cm_status st = select->set != CM_AST_NO_SET || select->rows > 0
                       ? cm_bind_set(b, select, &q, &rows)
                       : cm_bind_simple(b, select, NULL, waits, &q, &rows);
    if (st == CM_OK) {
        CM_ASSERT(q != NULL);
        *ret = (arms){.cols = q->shown};
        add_arm(b, ret, (arm){q->query, q->target, rows});
    }
    return st;
}

/*
 * An operation without ALL shows a value once.  Where labels let values be shown for groups alone,
 * the arm's own values are grouped, so that its K is asked of its own rows.
 */
static void group_labelled(cm_binder *b, const cm_ast_select *select, arms *list)
{
    for (size_t i = 0; i < list->count && select->set != CM_AST_NO_SET && !select->all; i++) {
        cm_query *query = list->at[i].query;
        if (query->grouped || query->distinct || query->has_limit || query->offset > 0) {
            continue;
        }
        cm_relation relation = cm_bind_derive(b, query);
        cm_label least = {CM_LABEL_REVEAL, 0};
        for (size_t c = 0; c < list->cols; c++) {
            const cm_label *own = &relation.col[c].label;
            least.kind = own->kind < least.kind ? own->kind : least.kind;
            least.min_rows = own->min_rows > least.min_rows ? own->min_rows : least.min_rows;
        }
        if (least.kind == CM_LABEL_GROUP || (least.kind > CM_LABEL_GROUP && least.min_rows > 0)) {
            const cm_expr **group = CM_NEW_SMALL(b->arena, const cm_expr *, list->cols);
            query->grouped = true;
            query->group = group;
            for (size_t c = 0; c < list->cols; c++) {
                group[query->groups++] = list->at[i].target[c].expr;
            }
        }
    }
}

/* ---- INTERSECT and EXCEPT ---- */

/* A last column: 0 for the left side's rows, 1 for the right side's. */
static void mark_sides(cm_binder *b, arms *list, size_t left)
{
    for (size_t i = 0; i < list->count; i++) {
        arm *a = &list->at[i];
        const cm_expr *side = cm_bind_number(b, cm_bind_plain(CM_TYPE_INT4), i >= left, 0);
        cm_target *target = CM_NEW_SMALL(b->arena, cm_target, a->query->targets + 1);
        for (size_t t = 0; t < a->query->targets; t++) {
            target[t] = a->query->target[t];
        }
        target[a->query->targets++] = (cm_target){"side", side, false};
        a->query->target = a->target = target;
    }
}

static cm_status compare(cm_binder *b, cm_expr_op op, const cm_expr *left, const cm_expr *right,
                         const cm_expr **ret)
{
    return cm_bind_op2(b, op, cm_bind_plain(CM_TYPE_BOOL), left, right, 0, ret);
}

static cm_status both(cm_binder *b, const cm_expr *left, const cm_expr *right, const cm_expr **ret)
{
    return cm_bind_op2(b, CM_X_AND, cm_bind_plain(CM_TYPE_BOOL), left, right, 0, ret);
}

/* HAVING rows of both sides, or of the left one alone. */
static cm_status require_sides(cm_select_state *q, bool intersect, uint64_t rows)
{
    const cm_type int8 = cm_bind_plain(CM_TYPE_INT8);
    cm_binder *b = q->s->b;
    const cm_expr *side = NULL, *right = NULL, *all = NULL, *some = NULL;
    const cm_expr *zero = cm_bind_number(b, int8, 0, 0);

    cm_status st = cm_bind_scope_col(q->s, &q->names.col[q->shown], 0, &side);
    if (st == CM_OK) {
        st = cm_expr_agg_new(b->arena, CM_AGGREGATE_SUM, int8, side, false, NULL, rows, 0, &right,
                             b->diag);
    }
    if (st != CM_OK || !intersect) {
        return st == CM_OK ? compare(b, CM_X_EQ, right, zero, &q->query->having) : st;
    }
    st = cm_expr_agg_new(b->arena, CM_AGGREGATE_COUNT, int8, NULL, false, NULL, rows, 0, &all,
                         b->diag);
    if (st == CM_OK) {
        st = compare(b, CM_X_GT, right, zero, &some);
    }
    if (st == CM_OK) {
        st = compare(b, CM_X_LT, right, all, &q->query->having);
    }
    return st == CM_OK ? both(b, some, q->query->having, &q->query->having) : st;
}

/* Two columns more: the number of a row among equal ones, and how many of them are on the right. */
static void add_numbers(cm_binder *b, size_t cols, uint64_t rows, cm_relation *relation)
{
    cm_window *window = CM_NEW_SMALL(b->arena, cm_window, 2);
    cm_column *col = CM_NEW_SMALL(b->arena, cm_column, cols + 3);
    unsigned *part = CM_NEW_SMALL(b->arena, unsigned, cols + 1);
    cm_order *order = CM_NEW_SMALL(b->arena, cm_order, 1);
    cm_column number = {.name = "number",
                        .type = cm_bind_plain(CM_TYPE_INT8),
                        .not_null = true,
                        .range = {1, (cm_i128)rows},
                        .label = {CM_LABEL_REVEAL, 0}};

    for (size_t c = 0; c <= cols; c++) {
        col[c] = relation->col[c];
        part[c] = (unsigned)c;
    }
    order[0] = (cm_order){.target = (unsigned)cols};
    for (size_t c = 0; c < cols; c++) { /* as in the rows that are numbered */
        cm_label own = col[c].label;
        number.label.kind = own.kind < number.label.kind ? own.kind : number.label.kind;
        number.label.min_rows =
            own.min_rows > number.label.min_rows ? own.min_rows : number.label.min_rows;
    }
    window[0] = (cm_window){.function = CM_WIN_ROW_NUMBER,
                            .frame = CM_WIN_ROWS,
                            .arg = -1,
                            .parts = cols,
                            .part = part,
                            .orders = 1,
                            .order = order};
    window[1] = window[0];
    window[1].function = CM_WIN_SUM;
    window[1].frame = CM_WIN_PARTITION;
    window[1].arg = (int)cols;
    col[cols + 1] = number;
    col[cols + 2] = number;
    col[cols + 2].name = "right";
    col[cols + 2].range.lo = 0;
    relation->col = col;
    relation->cols = cols + 3;
    relation->windows = 2;
    relation->window = window;
}

static cm_status keep_numbers(cm_select_state *q, bool intersect)
{
    cm_binder *b = q->s->b;
    const cm_expr *side = NULL, *number = NULL, *right = NULL, *left_rows = NULL, *kept = NULL;

    cm_status st = cm_bind_scope_col(q->s, &q->names.col[q->shown], 0, &side);
    if (st == CM_OK) {
        st = cm_bind_scope_col(q->s, &q->names.col[q->shown + 1], 0, &number);
    }
    if (st == CM_OK) {
        st = cm_bind_scope_col(q->s, &q->names.col[q->shown + 2], 0, &right);
    }
    if (st == CM_OK) {
        st = compare(b, CM_X_EQ, side, cm_bind_number(b, side->type, 0, 0), &left_rows);
    }
    if (st == CM_OK) {
        st = compare(b, intersect ? CM_X_LE : CM_X_GT, number, right, &kept);
    }
    return st == CM_OK ? both(b, left_rows, kept, &q->query->where) : st;
}

/* ---- the operation ---- */

static void group_by_all(cm_select_state *q)
{
    q->query->grouped = q->query->merges = true;
    for (size_t c = 0; c < q->shown; c++) {
        cm_bind_add_group(q, q->target[c].expr);
    }
}

/* UNION and UNION ALL of the arms. */
static cm_status finish_union(cm_binder *b, const cm_ast_select *select, const arms *list,
                              cm_select_state **ret, uint64_t *ret_rows)
{
    *ret_rows = rows_of(list, 0, list->count);
    cm_status st = select_from(b, select, unite(b, list, list->cols), list->cols, *ret_rows, ret);
    if (st == CM_OK && list->merges) {
        group_by_all(*ret);
    }
    return st;
}

static cm_status finish_sides(cm_binder *b, const cm_ast_select *select, arms *list, size_t left,
                              cm_select_state **ret, uint64_t *ret_rows)
{
    bool intersect = select->set == CM_AST_INTERSECT;
    uint64_t rows = rows_of(list, 0, list->count), right_rows = rows_of(list, left, list->count);

    mark_sides(b, list, left);
    cm_relation relation = unite(b, list, list->cols + 1);
    if (select->all) {
        add_numbers(b, list->cols, rows, &relation);
    }
    cm_status st = select_from(b, select, relation, list->cols, rows, ret);
    if (st == CM_OK && !select->all) {
        group_by_all(*ret);
        st = require_sides(*ret, intersect, rows);
    } else if (st == CM_OK) {
        st = keep_numbers(*ret, intersect);
    }
    *ret_rows = rows_of(list, 0, left);
    if (intersect && right_rows < *ret_rows) {
        *ret_rows = right_rows;
    }
    return st;
}

static cm_status bind_side(cm_binder *b, const cm_ast_select *select, arms *ret);
static cm_status bind_values(cm_binder *b, const cm_ast_select *select, arms *ret);

/* One arm of what an inner operation gives, unless its arms are the outer one's. */
static cm_status settle(cm_binder *b, const cm_ast_select *outer, const cm_ast_select *inner,
                        arms *list)
{
    cm_select_state *q = NULL;
    uint64_t rows;

    if (!list->merges || !outer->all) { /* equal rows are found by the outer operation */
        return CM_OK;
    }
    cm_status st = finish_union(b, inner, list, &q, &rows);
    if (st == CM_OK) {
        arm a = {q->query, q->target, rows};
        *list = (arms){.cols = list->cols};
        add_arm(b, list, a);
    }
    return st;
}

static cm_status bind_sides(cm_binder *b, const cm_ast_select *select, arms *ret, size_t *ret_left)
{
    arms left = {0}, right = {0};

    cm_status st = bind_side(b, select->left, &left);
    if (st == CM_OK) {
        st = bind_side(b, select->right, &right);
    }
    if (st == CM_OK && left.cols != right.cols) {
        cm_bind_at(b, select->right->position);
        st = cm_fail(b->diag, CM_EINVAL, CM_SQL_SYNTAX,
                     "each %s query must have the same number of columns", name_of(select));
    }
    if (st == CM_OK) {
        st = settle(b, select, select->left, &left);
    }
    if (st == CM_OK) {
        st = settle(b, select, select->right, &right);
    }
    if (st != CM_OK) {
        return st;
    }
    *ret_left = left.count;
    *ret = left;
    ret->merges = select->set == CM_AST_UNION && !select->all;
    for (size_t i = 0; i < right.count; i++) {
        add_arm(b, ret, right.at[i]);
    }
    st = unify(b, select, ret);
    if (st == CM_OK) {
        group_labelled(b, select, ret);
    }
    return st;
}

static cm_status bind_side(cm_binder *b, const cm_ast_select *select, arms *ret)
{
    cm_select_state *q = NULL;
    uint64_t rows = 0;
    size_t left = 0;

    if (select->rows > 0 && !has_clauses(select)) {
        return bind_values(b, select, ret);
    }
    if (select->set == CM_AST_NO_SET || has_clauses(select)) {
        return bind_leaf(b, select, ret);
    }
    cm_status st = bind_sides(b, select, ret, &left);
    if (st != CM_OK || select->set == CM_AST_UNION) {
        return st;
    }
    st = finish_sides(b, select, ret, left, &q, &rows);
    if (st == CM_OK) {
        *ret = (arms){.cols = q->shown};
        add_arm(b, ret, (arm){q->query, q->target, rows});
    }
    return st;
}

/* ---- VALUES ---- */

static cm_status bind_row(const cm_place *at, const cm_ast_select *select, size_t row, arm *ret)
{
    cm_binder *b = at->s->b;
    const cm_ast_row *from = &select->row[row];
    size_t cols = select->row[0].cols;

    if (from->cols != cols) {
        cm_bind_at(b, from->cols > 0 ? from->col[0]->position : select->position);
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_SYNTAX,
                       "VALUES lists must all be the same length");
    }
    *ret = (arm){CM_NEW_SMALL(b->arena, cm_query, 1), NULL, 1};
    ret->target = CM_NEW_SMALL(b->arena, cm_target, cols + 1);
    for (size_t c = 0; c < cols; c++) {
        cm_status st = cm_bind_expr(at, from->col[c], &ret->target[c].expr);
        if (st != CM_OK) {
            return st;
        }
        if (ret->target[c].expr->type.kind == CM_TYPE_INTERVAL) {
            return cm_bind_refuse(b, from->col[c]->position, "an interval in the result");
        }
        ret->target[c].name = cm_arena_printf(b->arena, "column%zu", c + 1);
    }
    ret->query->targets = cols;
    ret->query->target = ret->target;
    return CM_OK;
}

static cm_status bind_values(cm_binder *b, const cm_ast_select *select, arms *ret)
{
    cm_scope *s = CM_NEW_SMALL(b->arena, cm_scope, 1);
    const cm_names nothing = {0};
    const cm_place at = {.s = s, .names = &nothing, .clause = "VALUES"};

    s->b = b;
    *ret = (arms){.cols = select->row[0].cols, .count = select->rows};
    ret->at = CM_NEW_SMALL(b->arena, arm, select->rows);
    for (size_t i = 0; i < select->rows; i++) {
        cm_status st = cm_bind_room(b);
        if (st == CM_OK) {
            st = bind_row(&at, select, i, &ret->at[i]);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    return unify(b, select, ret);
}

/* ---- ORDER BY, LIMIT, and the whole ---- */

static cm_status bind_orders(cm_select_state *q)
{
    cm_binder *b = q->s->b;

    cm_status st = cm_bind_orders(q);
    if (st != CM_OK || q->query->targets == q->shown || q->select->set == CM_AST_NO_SET) {
        return st;
    }
    cm_bind_at(b, q->target[q->shown].expr->position);
    st = cm_fail(b->diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                 "invalid UNION/INTERSECT/EXCEPT ORDER BY clause");
    cm_diag_detail(b->diag, "Only result column names can be used, not expressions or functions.");
    cm_diag_hint(b->diag, "Add the expression/function to every SELECT, or move the UNION into a "
                          "FROM clause.");
    return st;
}

static cm_status bind_whole(cm_binder *b, const cm_ast_select *select, cm_select_state **ret,
                            uint64_t *ret_rows)
{
    arms list = {0};
    size_t left = 0;

    cm_status st =
        select->rows > 0 ? bind_values(b, select, &list) : bind_sides(b, select, &list, &left);
    if (st != CM_OK) {
        return st;
    }
    bool sides = select->set == CM_AST_INTERSECT || select->set == CM_AST_EXCEPT;
    return sides ? finish_sides(b, select, &list, left, ret, ret_rows)
                 : finish_union(b, select, &list, ret, ret_rows);
}

cm_status cm_bind_set(cm_binder *b, const cm_ast_select *select, cm_select_state **ret_state,
                      uint64_t *ret_rows)
{
    const cm_with_query *outer_withs = b->withs;
    cm_select_state *q = NULL;
    uint64_t rows = 0;

    if (select->unsupported != NULL) {
        return cm_bind_refuse(b, select->unsupported_position, "%s", select->unsupported);
    }
    cm_status st = cm_bind_room(b);
    if (st == CM_OK) {
        st = cm_bind_with(b, select);
    }
    if (st == CM_OK) {
        st = bind_whole(b, select, &q, &rows);
    }
    b->withs = outer_withs;
    if (st == CM_OK) {
        CM_ASSERT(q != NULL);
        st = bind_orders(q);
    }
    if (st == CM_OK) {
        st = cm_bind_limit(q);
    }
    if (st != CM_OK) {
        return st;
    }
    *ret_rows = q->query->limit > 0 && q->query->limit < rows ? q->query->limit : rows;
    *ret_state = q;
    return CM_OK;
}
