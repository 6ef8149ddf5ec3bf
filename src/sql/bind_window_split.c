/*
 * A SELECT with window functions, in two: below, everything without them, as a derived relation;
 * above, what is shown, over its columns and those that the functions add.
 */
#include "sql/bind_int.h"

static bool is_window(const cm_expr *expr)
{
    return expr->op == CM_X_COLUMN && expr->rel == CM_BIND_WINDOWS;
}

typedef struct split {
    cm_select_state *q;
    cm_binder *b;
    cm_query *below;
    cm_target *target; /* of below */
} split;

static unsigned target_below(split *s, const cm_expr *expr)
{
    const cm_query *below = s->below;

    for (unsigned i = 0; i < below->targets; i++) {
        if (cm_expr_equal(s->target[i].expr, expr)) {
            return i;
        }
    }
    const char *name = "expression";
    if (expr->op == CM_X_COLUMN) {
        const cm_relation *r = &below->relation[expr->rel];
        name = expr->index < r->cols ? r->col[expr->index].name : "org";
    } else if (expr->op == CM_X_AGG) {
        name = cm_aggregate_name(expr->aggregate);
    }
    s->target[s->below->targets] = (cm_target){name, expr, false};
    return (unsigned)s->below->targets++;
}

static bool count_part(const cm_expr *expr, void *arg)
{
    (void)expr;
    ++*(size_t *)arg;
    return true;
}

/* The parts of an expression without window functions are targets below. */
static const cm_expr *collect(const cm_expr *expr, void *arg)
{
    if (expr->op == CM_X_CONST || is_window(expr)) {
        return expr;
    }
    if (cm_bind_has_window(expr)) {
        return NULL;
    }
    (void)target_below(arg, expr);
    return expr;
}

static const cm_expr *move_above(const cm_expr *expr, void *arg)
{
    split *s = arg;

    if (expr->op == CM_X_CONST) {
        return expr;
    }
    if (is_window(expr)) {
        return cm_expr_column(s->b->arena, 0, (unsigned)s->below->targets + expr->index, expr->type,
                              expr->nullable, expr->range, expr->position);
    }
    if (cm_bind_has_window(expr)) {
        return NULL;
    }
    return cm_expr_column(s->b->arena, 0, target_below(s, expr), expr->type, expr->nullable,
                          expr->range, expr->position);
}

static cm_window window_of(split *s, const cm_bound_window *w)
{
    unsigned *part = CM_NEW_SMALL(s->b->arena, unsigned, w->parts + 1);
    cm_order *order = CM_NEW_SMALL(s->b->arena, cm_order, w->orders + 1);

    for (size_t i = 0; i < w->parts; i++) {
        part[i] = target_below(s, w->part[i]);
    }
    for (size_t i = 0; i < w->orders; i++) {
        order[i] =
            (cm_order){target_below(s, w->order[i]), w->how[i].descending, w->how[i].nulls_first};
    }
    return (cm_window){.function = w->function,
                       .frame = w->frame,
                       .arg = w->arg == NULL ? -1 : (int)target_below(s, w->arg),
                       .offset = w->offset,
                       .from = w->from,
                       .to = w->to,
                       .parts = w->parts,
                       .part = part,
                       .orders = w->orders,
                       .order = order};
}

static void stricter(cm_label *label, const cm_column *col)
{
    label->kind = col->label.kind < label->kind ? col->label.kind : label->kind;
    label->min_rows = col->label.min_rows > label->min_rows ? col->label.min_rows : label->min_rows;
}

static cm_column window_column(const cm_relation *r, const cm_window *w, const cm_bound_window *of)
{
    cm_label label = {CM_LABEL_REVEAL, 0};

    if (w->arg >= 0) {
        stricter(&label, &r->col[w->arg]);
    }
    for (size_t i = 0; i < w->parts; i++) {
        stricter(&label, &r->col[w->part[i]]);
    }
    for (size_t i = 0; i < w->orders; i++) {
        stricter(&label, &r->col[w->order[i].target]);
    }
    return (cm_column){.name = of->name,
                       .type = of->column->type,
                       .not_null = !of->column->nullable,
                       .range = of->column->range,
                       .label = label};
}

static cm_relation relation_of(split *s, cm_window *windows)
{
    const cm_bound_windows *list = &s->q->windows;
    cm_relation r = cm_bind_derive(s->b, s->below);
    cm_column *cols = CM_NEW_SMALL(s->b->arena, cm_column, r.cols + list->count + 1);

    for (size_t i = 0; i < r.cols; i++) {
        cols[i] = r.col[i];
    }
    r.alias = "window";
    for (size_t i = 0; i < list->count; i++) {
        cols[r.cols + i] = window_column(&r, &windows[i], &list->at[i]);
    }
    r.col = cols;
    r.cols += list->count;
    r.windows = list->count;
    r.window = windows;
    return r;
}

/* Everything that is computed below, in an order that follows from the text alone. */
static cm_status collect_targets(split *s, cm_window **ret)
{
    const cm_bound_windows *list = &s->q->windows;
    cm_query *query = s->q->query;
    size_t most = 1;

    for (size_t i = 0; i < list->count; i++) {
        most += 1 + list->at[i].parts + list->at[i].orders;
    }
    for (size_t i = 0; i < query->targets; i++) {
        (void)cm_expr_walk(s->q->target[i].expr, count_part, &most);
    }
    s->target = CM_NEW_SMALL(s->b->arena, cm_target, most);
    *ret = CM_NEW_SMALL(s->b->arena, cm_window, list->count);
    for (size_t i = 0; i < list->count; i++) {
        (*ret)[i] = window_of(s, &list->at[i]);
    }
    for (size_t i = 0; i < query->targets; i++) {
        const cm_expr *same;
        cm_status st =
            cm_expr_rewrite(s->b->arena, s->q->target[i].expr, collect, s, &same, s->b->diag);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

/* DISTINCT, ORDER BY and LIMIT stay above. */
static cm_query *query_below(cm_binder *b, const cm_query *query)
{
    cm_query *below = CM_NEW_SMALL(b->arena, cm_query, 1);

    *below = (cm_query){.relations = query->relations,
                        .relation = query->relation,
                        .from = query->from,
                        .where = query->where,
                        .grouped = query->grouped,
                        .groups = query->groups,
                        .group = query->group,
                        .having = query->having};
    return below;
}

cm_status cm_bind_split_windows(cm_select_state *q)
{
    cm_binder *b = q->s->b;
    split s = {.q = q, .b = b, .below = NULL};
    cm_window *windows;

    if (q->windows.count == 0) {
        return CM_OK;
    }
    cm_status st = q->query->from == NULL && !q->query->grouped
                       ? cm_bind_one_row(q->s, &q->query->from)
                       : CM_OK;
    if (st != CM_OK) {
        return st;
    }
    q->query->relations = q->s->relations; /* that one row, too */
    q->query->relation = q->s->relation;
    s.below = query_below(b, q->query);
    st = collect_targets(&s, &windows);
    if (st != CM_OK) {
        return st;
    }
    s.below->target = s.target;

    cm_relation *relation = CM_NEW_SMALL(b->arena, cm_relation, 1);
    cm_from *from = CM_NEW_SMALL(b->arena, cm_from, 1);
    cm_query *above = CM_NEW_SMALL(b->arena, cm_query, 1);
    *relation = relation_of(&s, windows);
    *from = (cm_from){.kind = CM_FROM_RELATION, .position = q->windows.at[0].column->position};
    *above = *q->query;
    above->relations = 1;
    above->relation = relation;
    above->from = from;
    above->where = above->having = NULL;
    above->grouped = false;
    above->groups = 0;
    for (size_t i = 0; st == CM_OK && i < above->targets; i++) {
        st = cm_expr_rewrite(b->arena, q->target[i].expr, move_above, &s, &q->target[i].expr,
                             b->diag);
    }
    q->group = CM_NEW_SMALL(b->arena, const cm_expr *, q->shown + 1);
    above->group = q->group;
    above->target = q->target;
    q->query = above;
    return st;
}
