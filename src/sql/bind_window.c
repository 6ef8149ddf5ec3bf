/*
 * Window functions.  What PostgreSQL computes is put together from a few functions that the table
 * layer has (cm_win), and ordinary expressions over them: avg, ntile, percent_rank, cume_dist,
 * defaults of lag and lead.
 */
#include "sql/bind_int.h"

#include <string.h>

typedef enum win_name {
    WIN_ROW_NUMBER,
    WIN_RANK,
    WIN_DENSE_RANK,
    WIN_PERCENT_RANK,
    WIN_CUME_DIST,
    WIN_NTILE,
    WIN_LAG,
    WIN_LEAD,
    WIN_FIRST_VALUE,
    WIN_LAST_VALUE,
    WIN_NTH_VALUE,
} win_name;

static const struct {
    const char *text;
    win_name name;
    size_t least, most; /* arguments */
} names[] = {
    {"row_number", WIN_ROW_NUMBER, 0, 0},
    {"rank", WIN_RANK, 0, 0},
    {"dense_rank", WIN_DENSE_RANK, 0, 0},
    {"percent_rank", WIN_PERCENT_RANK, 0, 0},
    {"cume_dist", WIN_CUME_DIST, 0, 0},
    {"ntile", WIN_NTILE, 1, 1},
    {"lag", WIN_LAG, 1, 3},
    {"lead", WIN_LEAD, 1, 3},
    {"first_value", WIN_FIRST_VALUE, 1, 1},
    {"last_value", WIN_LAST_VALUE, 1, 1},
    {"nth_value", WIN_NTH_VALUE, 2, 2},
};

bool cm_bind_is_window(const char *name)
{
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        if (strcmp(name, names[i].text) == 0) {
            return true;
        }
    }
    return false;
}

enum {
    TILES_COMPARED = 32, /* more tiles are divided for */
    RATIO_SCALE = 17,    /* digits of percent_rank and cume_dist */
};

/* One call: its window, bound. */
typedef struct win_call {
    const cm_place *at;
    cm_binder *b;
    const cm_ast *ast;
    cm_bound_window window; /* partition and order */
    const cm_expr **args;
    size_t count;
    uint64_t rows;    /* public bound of the rows it sees */
    int64_t from, to; /* a frame that slides */
    cm_status status;
} win_call;

static bool no_window(const cm_expr *expr, void *arg)
{
    (void)arg;
    return expr->op != CM_X_COLUMN || expr->rel != CM_BIND_WINDOWS;
}

bool cm_bind_has_window(const cm_expr *expr)
{
    return !cm_expr_walk(expr, no_window, NULL);
}

/* ---- functions of the table layer ---------------------------------------------------------- */

static bool same_exprs(const cm_expr *const *a, const cm_expr *const *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!cm_expr_equal(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

static bool same_window(const cm_bound_window *a, const cm_bound_window *b)
{
    if (a->function != b->function || a->frame != b->frame || a->offset != b->offset ||
        a->from != b->from || a->to != b->to || a->parts != b->parts || a->orders != b->orders ||
        !cm_expr_equal(a->arg, b->arg) || !same_exprs(a->part, b->part, a->parts) ||
        !same_exprs(a->order, b->order, a->orders)) {
        return false;
    }
    for (size_t i = 0; i < a->orders; i++) {
        if (a->how[i].descending != b->how[i].descending ||
            a->how[i].nulls_first != b->how[i].nulls_first) {
            return false;
        }
    }
    return true;
}

/* The column that the function will be; like gives its type, NULLs and range. */
static const cm_expr *add_window(win_call *c, cm_win function, cm_win_frame frame,
                                 const cm_expr *arg, uint64_t offset, const cm_expr *like)
{
    cm_bound_windows *list = c->at->windows;
    cm_bound_window w = c->window;

    w.function = function;
    w.frame = frame == CM_WIN_PEERS && w.orders == 0 ? CM_WIN_PARTITION : frame;
    w.from = frame == CM_WIN_SLIDING ? c->from : 0;
    w.to = frame == CM_WIN_SLIDING ? c->to : 0;
    w.arg = arg;
    w.offset = offset;
    w.name = c->ast->text;
    for (size_t i = 0; i < list->count; i++) {
        if (same_window(&list->at[i], &w)) {
            return list->at[i].column;
        }
    }
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 8 : 2 * list->room;
        cm_bound_window *at = CM_NEW_SMALL(c->b->arena, cm_bound_window, room);
        for (size_t i = 0; i < list->count; i++) {
            at[i] = list->at[i];
        }
        list->at = at;
        list->room = room;
    }
    w.column = cm_expr_column(c->b->arena, CM_BIND_WINDOWS, (unsigned)list->count, like->type,
                              like->nullable, like->range, c->ast->position);
    list->at[list->count++] = w;
    return w.column;
}

/* A frame that slides may be empty, unless its own row is in it. */
static bool holds_row(const win_call *c)
{
    return c->from <= 0 && c->to >= 0;
}

/* A number from lo to the rows that the function sees. */
static const cm_expr *add_count(win_call *c, cm_win function, cm_win_frame frame,
                                const cm_expr *arg)
{
    bool some = arg == NULL && (frame != CM_WIN_SLIDING || holds_row(c));
    cm_i128 lo = function == CM_WIN_COUNT && !some ? 0 : 1;
    cm_expr like = {.type = cm_bind_plain(CM_TYPE_INT8), .range = {lo, (cm_i128)c->rows}};

    return add_window(c, function, frame, arg, 0, &like);
}

/* ---- expressions over them ----------------------------------------------------------------- */

/* Once something failed, nothing more is computed. */
static const cm_expr *op(win_call *c, cm_expr_op op, cm_type type, const cm_expr *a,
                         const cm_expr *b)
{
    const cm_expr *args[2] = {a, b}, *ret = a;

    if (c->status == CM_OK) {
        c->status =
            cm_bind_op(c->b, op, type, args, b == NULL ? 1 : 2, 0, 0, c->ast->position, &ret);
    }
    return ret;
}

static const cm_expr *arith(win_call *c, cm_expr_op name, const cm_expr *a, const cm_expr *b)
{
    return op(c, name, cm_bind_plain(CM_TYPE_INT8), a, b);
}

static const cm_expr *number(win_call *c, cm_i128 value)
{
    return cm_bind_number(c->b, cm_bind_plain(CM_TYPE_INT8), value, c->ast->position);
}

static const cm_expr *compare(win_call *c, cm_expr_op name, const cm_expr *a, const cm_expr *b)
{
    return op(c, name, cm_bind_plain(CM_TYPE_BOOL), a, b);
}

static const cm_expr *choose(win_call *c, const cm_expr *when, const cm_expr *then,
                             const cm_expr *otherwise)
{
    const cm_expr *args[3] = {when, then, otherwise}, *ret = then;

    if (c->status == CM_OK) {
        c->status = cm_bind_op(c->b, CM_X_CASE, then->type, args, 3, 0, 0, c->ast->position, &ret);
    }
    return ret;
}

/* a / b as PostgreSQL's numeric; b is not 0. */
static const cm_expr *ratio(win_call *c, const cm_expr *a, const cm_expr *b)
{
    const cm_expr *args[2] = {a, b}, *ret = a;

    if (c->status == CM_OK) {
        c->status = cm_bind_op(c->b, CM_X_QUOT, cm_bind_numeric(RATIO_SCALE, true, RATIO_SCALE - 1),
                               args, 2, 0, RATIO_SCALE, c->ast->position, &ret);
    }
    return c->status == CM_OK ? cm_bind_float(c->b, ret) : ret;
}

/*
 * The first n mod k tiles have a row more than the others.  Tile b (from 0) starts at row
 * b * (n / k) + least(b, n mod k).
 */
static const cm_expr *tile_of(win_call *c, cm_i128 k)
{
    const cm_expr *n = add_count(c, CM_WIN_COUNT, CM_WIN_PARTITION, NULL);
    const cm_expr *row =
        arith(c, CM_X_SUB, add_count(c, CM_WIN_ROW_NUMBER, CM_WIN_ROWS, NULL), number(c, 1));
    const cm_expr *each = arith(c, CM_X_IDIV, n, number(c, k));
    const cm_expr *more = arith(c, CM_X_MOD, n, number(c, k));

    if (k <= TILES_COMPARED) {
        const cm_expr *tile = number(c, 1);
        for (cm_i128 b = 1; b < k; b++) {
            const cm_expr *start = arith(c, CM_X_ADD, arith(c, CM_X_MUL, each, number(c, b)),
                                         arith(c, CM_X_LEAST, more, number(c, b)));
            const cm_expr *reached = compare(c, CM_X_GE, row, start);
            tile = arith(c, CM_X_ADD, tile, arith(c, CM_X_CAST, reached, NULL));
        }
        return tile;
    }
    const cm_expr *longer = arith(c, CM_X_ADD, each, number(c, 1));
    const cm_expr *in_longer = arith(c, CM_X_MUL, more, longer);
    const cm_expr *first = arith(c, CM_X_IDIV, row, longer);
    const cm_expr *rest = arith(c, CM_X_IDIV, arith(c, CM_X_SUB, row, in_longer),
                                arith(c, CM_X_GREATEST, each, number(c, 1)));
    const cm_expr *tile =
        choose(c, compare(c, CM_X_LT, row, in_longer), first, arith(c, CM_X_ADD, more, rest));
    return arith(c, CM_X_ADD, tile, number(c, 1));
}

static cm_status constant_of(win_call *c, size_t i, cm_i128 *ret)
{
    cm_status st =
        cm_bind_coerce_unknown(c->b, c->args[i], cm_bind_plain(CM_TYPE_INT4), &c->args[i]);
    if (st != CM_OK) {
        return st;
    }
    if (!cm_bind_is_int(&c->args[i]->type)) {
        return cm_bind_no_function(c->b, c->ast, c->args, c->count);
    }
    if (!cm_bind_is_const(c->args[i]) || c->args[i]->value.null) {
        return cm_bind_refuse(c->b, c->args[i]->position, "an argument of %s that is no constant",
                              c->ast->text);
    }
    *ret = c->args[i]->value.number;
    return CM_OK;
}

static cm_status bind_ntile(win_call *c, const cm_expr **ret)
{
    cm_i128 k = 1;
    cm_status st = constant_of(c, 0, &k);

    if (st != CM_OK) {
        return st;
    }
    if (k <= 0) {
        cm_bind_at(c->b, c->ast->position);
        return cm_fail(c->b->diag, CM_EINVAL, "22014",
                       "argument of ntile must be greater than zero");
    }
    *ret = op(c, CM_X_CAST, cm_bind_plain(CM_TYPE_INT4), tile_of(c, k), NULL);
    return c->status;
}

/* The default stands for rows outside the partition. */
static const cm_expr *with_default(win_call *c, bool below, uint64_t offset, const cm_expr *value)
{
    const cm_expr *row = add_count(c, CM_WIN_ROW_NUMBER, CM_WIN_ROWS, NULL);
    const cm_expr *rows_before = row, *least = number(c, (cm_i128)offset);

    if (below) {
        const cm_expr *n = add_count(c, CM_WIN_COUNT, CM_WIN_PARTITION, NULL);
        rows_before = arith(c, CM_X_ADD, arith(c, CM_X_SUB, n, row), number(c, 1));
    }
    return choose(c, compare(c, CM_X_GT, rows_before, least), value, c->args[2]);
}

static cm_status bind_neighbour(win_call *c, bool below, const cm_expr **ret)
{
    cm_i128 offset = 1;
    cm_status st = c->count > 1 ? constant_of(c, 1, &offset) : CM_OK;
    cm_type type = c->args[0]->type;

    if (st == CM_OK && c->count > 2) {
        const cm_expr *both[2] = {c->args[0], c->args[2]};
        st = cm_bind_unify(c->b, c->ast->text, both, 2, &type);
        c->args[0] = both[0];
        c->args[2] = both[1];
    }
    if (st != CM_OK) {
        return st;
    }
    if (offset < 0) {
        offset = -offset;
        below = !below;
    }
    if (offset == 0) {
        *ret = c->args[0];
        return CM_OK;
    }
    cm_expr like = *c->args[0];
    like.nullable = true;
    *ret = add_window(c, below ? CM_WIN_LEAD : CM_WIN_LAG, CM_WIN_ROWS, c->args[0],
                      (uint64_t)offset, &like);
    if (c->count > 2 && !(cm_bind_is_const(c->args[2]) && c->args[2]->value.null)) {
        *ret = with_default(c, below, (uint64_t)offset, *ret);
    }
    return c->status;
}

static cm_status bind_ranking(win_call *c, win_name name, const cm_expr **ret)
{
    const cm_expr *n, *rank;

    switch ((int)name) {
    case WIN_ROW_NUMBER:
        *ret = add_count(c, CM_WIN_ROW_NUMBER, CM_WIN_ROWS, NULL);
        return CM_OK;
    case WIN_RANK:
        *ret = add_count(c, CM_WIN_RANK, CM_WIN_ROWS, NULL);
        return CM_OK;
    case WIN_DENSE_RANK:
        *ret = add_count(c, CM_WIN_DENSE_RANK, CM_WIN_ROWS, NULL);
        return CM_OK;
    case WIN_PERCENT_RANK:
        n = add_count(c, CM_WIN_COUNT, CM_WIN_PARTITION, NULL);
        rank = add_count(c, CM_WIN_RANK, CM_WIN_ROWS, NULL);
        *ret = ratio(c, arith(c, CM_X_SUB, rank, number(c, 1)),
                     arith(c, CM_X_GREATEST, arith(c, CM_X_SUB, n, number(c, 1)), number(c, 1)));
        return c->status;
    default:
        n = add_count(c, CM_WIN_COUNT, CM_WIN_PARTITION, NULL);
        *ret = ratio(c, add_count(c, CM_WIN_COUNT, CM_WIN_PEERS, NULL), n);
        return c->status;
    }
}

/* x so many rows below the row (above where negative); NULL outside the partition. */
static const cm_expr *value_at(win_call *c, int64_t offset)
{
    cm_expr like = *c->args[0];

    if (offset == 0) {
        return c->args[0];
    }
    like.nullable = true;
    return add_window(c, offset > 0 ? CM_WIN_LEAD : CM_WIN_LAG, CM_WIN_ROWS, c->args[0],
                      (uint64_t)(offset > 0 ? offset : -offset), &like);
}

/* Whether the partition has so many rows on that side of the row. */
static const cm_expr *has_rows(win_call *c, bool below, int64_t count)
{
    const cm_expr *row = add_count(c, CM_WIN_ROW_NUMBER, CM_WIN_ROWS, NULL);

    if (below) {
        const cm_expr *n = add_count(c, CM_WIN_COUNT, CM_WIN_PARTITION, NULL);
        row = arith(c, CM_X_ADD, arith(c, CM_X_SUB, n, row), number(c, 1));
    }
    return compare(c, CM_X_GT, row, number(c, count));
}

/*
 * first_value and last_value of a frame that slides: a value at a fixed distance, or the
 * partition's first or last one where the frame is cut; NULL where nothing is left of it.
 */
static cm_status bind_end(win_call *c, bool last, const cm_expr **ret)
{
    const int64_t own = last ? c->to : c->from, other = last ? c->from : -c->to;
    const int64_t outwards = last ? own : -own;
    const cm_expr *cut =
        add_window(c, last ? CM_WIN_LAST : CM_WIN_FIRST, last ? CM_WIN_PARTITION : CM_WIN_ROWS,
                   c->args[0], 0, c->args[0]);

    if (outwards >= CM_WIN_UNBOUNDED) {
        *ret = cut;
    } else if (outwards <= 0) { /* NULL outside, and then the frame is empty */
        *ret = value_at(c, own);
    } else {
        *ret = choose(c, has_rows(c, last, outwards), value_at(c, own), cut);
    }
    if (other > 0) { /* the frame ends on this side of the row */
        const cm_value none = {.null = true};
        const cm_expr *null = cm_expr_const(c->b->arena, c->args[0]->type, none, 0);
        *ret = choose(c, has_rows(c, last, other), *ret, null);
    }
    return c->status;
}

/* The partition's row n, once the frame has got there. */
static cm_status bind_nth(win_call *c, const cm_expr **ret)
{
    const cm_win_frame frame = c->ast->over->frame;
    cm_i128 n = 1;
    cm_status st = constant_of(c, 1, &n);

    if (st != CM_OK) {
        return st;
    }
    if (n <= 0) {
        cm_bind_at(c->b, c->ast->position);
        return cm_fail(c->b->diag, CM_EINVAL, "22016",
                       "argument of nth_value must be greater than zero");
    }
    if (frame == CM_WIN_SLIDING) {
        return cm_bind_refuse(c->b, c->ast->position,
                              "nth_value over a frame that is not from the partition's start");
    }
    cm_expr like = *c->args[0];
    like.nullable = true;
    *ret = add_window(c, CM_WIN_FIRST, CM_WIN_ROWS, c->args[0], (uint64_t)(n - 1),
                      n == 1 ? c->args[0] : &like);
    if (n > 1 && frame != CM_WIN_PARTITION) {
        const cm_value none = {.null = true};
        const cm_expr *reached =
            compare(c, CM_X_GE, add_count(c, CM_WIN_COUNT, frame, NULL), number(c, n));
        *ret = choose(c, reached, *ret,
                      cm_expr_const(c->b->arena, c->args[0]->type, none, c->ast->position));
    }
    return c->status;
}

static cm_status bind_named(win_call *c, win_name name, const cm_expr **ret)
{
    switch (name) {
    case WIN_NTILE:
        return bind_ntile(c, ret);
    case WIN_LAG:
    case WIN_LEAD:
        return bind_neighbour(c, name == WIN_LEAD, ret);
    case WIN_NTH_VALUE:
        return bind_nth(c, ret);
    case WIN_FIRST_VALUE:
        if (c->ast->over->frame == CM_WIN_SLIDING) {
            return bind_end(c, false, ret);
        }
        *ret = add_window(c, CM_WIN_FIRST, CM_WIN_ROWS, c->args[0], 0, c->args[0]);
        return CM_OK;
    case WIN_LAST_VALUE:
        if (c->ast->over->frame == CM_WIN_SLIDING) {
            return bind_end(c, true, ret);
        }
        *ret = add_window(c, CM_WIN_LAST, c->ast->over->frame, c->args[0], 0, c->args[0]);
        return CM_OK;
    case WIN_ROW_NUMBER:
    case WIN_RANK:
    case WIN_DENSE_RANK:
    case WIN_PERCENT_RANK:
    case WIN_CUME_DIST:
        break;
    }
    return bind_ranking(c, name, ret);
}

/* ---- aggregates ---------------------------------------------------------------------------- */

/* CASE WHEN filter THEN arg END; NULL where every row counts. */
static const cm_expr *filtered(win_call *c, const cm_expr *agg)
{
    const cm_expr *arg = agg->args > 0 ? agg->arg[0] : NULL;

    if (agg->filter == NULL) {
        return arg;
    }
    arg = arg == NULL ? number(c, 1) : arg;
    const cm_value none = {.null = true};
    return choose(c, agg->filter, arg, cm_expr_const(c->b->arena, arg->type, none, 0));
}

/* Where a frame holds its row, a sum is NULL only where values are. */
static const cm_expr *sum_of(win_call *c, const cm_expr *arg, cm_type type)
{
    const cm_expr *sum;

    if (c->status == CM_OK) {
        c->status = cm_expr_agg_new(c->b->arena, CM_AGGREGATE_SUM, type, arg, false, NULL, c->rows,
                                    c->ast->position, &sum, c->b->diag);
    }
    if (c->status != CM_OK) {
        return arg;
    }
    cm_expr like = *sum;
    like.nullable = arg->nullable || (c->ast->over->frame == CM_WIN_SLIDING && !holds_row(c));
    return add_window(c, CM_WIN_SUM, c->ast->over->frame, arg, 0, &like);
}

static const cm_expr *count_of(win_call *c, const cm_expr *arg)
{
    return add_count(c, CM_WIN_COUNT, c->ast->over->frame,
                     arg != NULL && arg->nullable ? arg : NULL);
}

static const cm_expr *average_of(win_call *c, const cm_expr *agg, const cm_expr *arg)
{
    int scale = arg->type.kind == CM_TYPE_NUMERIC ? arg->type.scale : 0;
    const cm_expr *sum = sum_of(c, arg, cm_bind_numeric(scale, false, 0));
    const cm_expr *count = arith(c, CM_X_GREATEST, count_of(c, arg), number(c, 1));
    const cm_expr *args[2] = {sum, count}, *ret = sum;

    if (c->status == CM_OK) {
        c->status = cm_bind_op(c->b, CM_X_QUOT, agg->type, args, 2, 0, agg->type.scale - scale,
                               c->ast->position, &ret);
    }
    return ret;
}

static const cm_expr *replace_aggregate(const cm_expr *expr, void *arg)
{
    win_call *c = arg;

    if (expr->op != CM_X_AGG || c->status != CM_OK) {
        return expr->op == CM_X_AGG ? expr : NULL;
    }
    const cm_expr *value = filtered(c, expr);
    if (expr->aggregate == CM_AGGREGATE_COUNT || value == NULL) {
        return count_of(c, value);
    }
    switch (expr->aggregate) {
    case CM_AGGREGATE_COUNT:
        break;
    case CM_AGGREGATE_SUM:
        return sum_of(c, value, expr->type);
    case CM_AGGREGATE_AVG:
        return average_of(c, expr, value);
    case CM_AGGREGATE_MIN:
    case CM_AGGREGATE_MAX:
    case CM_AGGREGATE_PERCENTILE_CONT:
    case CM_AGGREGATE_PERCENTILE_FLOOR:
    case CM_AGGREGATE_PERCENTILE_CEIL:
    case CM_AGGREGATE_PERCENTILE_REST:
    case CM_AGGREGATE_PERCENTILE_DISC:
    case CM_AGGREGATE_MODE:
        break;
    }
    CM_ASSERT(!cm_aggregate_is_ordered(expr->aggregate));
    if (c->ast->over->frame == CM_WIN_SLIDING && !holds_row(c)) {
        c->status = cm_bind_refuse(c->b, c->ast->position,
                                   "%s over a frame without the current row", c->ast->text);
        return expr;
    }
    cm_expr like = *expr;
    like.nullable = value->nullable;
    like.range = value->range;
    return add_window(c, expr->aggregate == CM_AGGREGATE_MIN ? CM_WIN_MIN : CM_WIN_MAX,
                      c->ast->over->frame, value, 0, &like);
}

static cm_status bind_aggregate(win_call *c, const cm_expr **ret, bool *ret_known)
{
    cm_place inside = *c->at;
    const cm_expr *agg;

    inside.in_window = true;
    cm_status st = cm_bind_aggregate(&inside, c->ast, &agg, ret_known);
    if (st != CM_OK || !*ret_known) {
        return st;
    }
    if (c->ast->distinct) {
        return cm_bind_refuse(c->b, c->ast->position, "DISTINCT for window functions");
    }
    st = cm_expr_rewrite(c->b->arena, agg, replace_aggregate, c, ret, c->b->diag);
    return c->status != CM_OK ? c->status : st;
}

/* ---- a call -------------------------------------------------------------------------------- */

static cm_status bind_key(const cm_place *at, const cm_ast *ast, const cm_expr **list,
                          size_t *count)
{
    const cm_expr *expr;
    cm_status st = cm_bind_expr(at, ast, &expr);

    if (st == CM_OK) {
        st = cm_bind_coerce_unknown(at->s->b, expr, cm_bind_text(0), &expr);
    }
    if (st == CM_OK && expr->type.kind == CM_TYPE_INTERVAL) {
        return cm_bind_refuse(at->s->b, expr->position, "an interval as a key");
    }
    if (st == CM_OK && !cm_bind_is_const(expr)) { /* a constant makes no difference */
        list[(*count)++] = expr;
    }
    return st;
}

static cm_status bind_over(win_call *c, const cm_place *inside)
{
    const cm_ast_window *over = c->ast->over;
    const cm_expr **part = CM_NEW_SMALL(c->b->arena, const cm_expr *, over->parts + 1);
    const cm_expr **order = CM_NEW_SMALL(c->b->arena, const cm_expr *, over->orders + 1);
    cm_ast_order *how = CM_NEW_SMALL(c->b->arena, cm_ast_order, over->orders + 1);
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < over->parts; i++) {
        st = bind_key(inside, over->part[i], part, &c->window.parts);
    }
    for (size_t i = 0; st == CM_OK && i < over->orders; i++) {
        how[c->window.orders] = over->order[i];
        st = bind_key(inside, over->order[i].expr, order, &c->window.orders);
    }
    c->window.part = part;
    c->window.order = order;
    c->window.how = how;
    return st;
}

static cm_status bind_offset(win_call *c, const cm_place *inside, const cm_ast *ast, int sign,
                             const char *which, int64_t *ret)
{
    const cm_expr *expr;

    *ret = sign * CM_WIN_UNBOUNDED;
    if (ast == NULL) {
        return CM_OK;
    }
    cm_status st = cm_bind_expr(inside, ast, &expr);
    if (st == CM_OK) {
        st = cm_bind_coerce_unknown(c->b, expr, cm_bind_plain(CM_TYPE_INT8), &expr);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_bind_at(c->b, expr->position);
    if (!cm_bind_is_int(&expr->type)) {
        return cm_fail(c->b->diag, CM_EINVAL, CM_SQL_DATATYPE_MISMATCH,
                       "argument of ROWS must be type bigint, not type %s",
                       cm_bind_type_name(c->b, &expr->type));
    }
    if (!cm_bind_is_const(expr)) {
        return cm_bind_refuse(c->b, expr->position, "a frame offset that is not a constant");
    }
    if (expr->value.null || expr->value.number < 0) {
        return cm_fail(c->b->diag, CM_EINVAL, expr->value.null ? "22004" : "22013",
                       expr->value.null ? "frame %s offset must not be null"
                                        : "frame %s offset must not be negative",
                       which);
    }
    if (expr->value.number < CM_WIN_UNBOUNDED) {
        *ret = sign * (int64_t)expr->value.number;
    }
    return CM_OK;
}

/* Frames that are the same as others are those others. */
static cm_status bind_frame(win_call *c, const cm_place *inside)
{
    const cm_ast_window *over = c->ast->over;

    if (over->frame != CM_WIN_SLIDING) {
        return CM_OK;
    }
    cm_status st = bind_offset(c, inside, over->from_rows, over->from, "starting", &c->from);
    if (st == CM_OK) {
        st = bind_offset(c, inside, over->to_rows, over->to, "ending", &c->to);
    }
    if (st == CM_OK && c->from > c->to) { /* no row at all: as behind the partition's end */
        c->from = c->to = CM_WIN_UNBOUNDED;
    }
    return st;
}

static cm_status bind_args(win_call *c, const cm_place *inside)
{
    cm_status st = CM_OK;

    c->args = CM_NEW_SMALL(c->b->arena, const cm_expr *, c->ast->args + 1);
    c->count = c->ast->args;
    for (size_t i = 0; st == CM_OK && i < c->count; i++) {
        st = cm_bind_expr(inside, c->ast->arg[i], &c->args[i]);
    }
    if (st == CM_OK && c->count > 0 && c->count != 3) {
        bool tiles = strcmp(c->ast->text, "ntile") == 0;
        st = cm_bind_coerce_unknown(
            c->b, c->args[0], tiles ? cm_bind_plain(CM_TYPE_INT4) : cm_bind_text(0), &c->args[0]);
    }
    return st;
}

cm_status cm_bind_window(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_place inside = *at;
    win_call c = {.at = at, .b = at->s->b, .ast = ast, .rows = cm_bind_rows(at->s)};
    bool known;
    size_t i = 0;

    cm_bind_at(c.b, ast->position);
    if (at->windows == NULL) {
        return cm_fail(c.b->diag, CM_EINVAL, at->in_aggregate ? CM_SQL_GROUPING : "42P20",
                       at->in_aggregate
                           ? "aggregate function calls cannot contain window function calls"
                           : "window functions are not allowed %s%s",
                       at->clause == NULL ? "here" : "in ", at->clause == NULL ? "" : at->clause);
    }
    inside.windows = NULL;
    cm_status st = bind_over(&c, &inside);
    if (st == CM_OK) {
        st = bind_frame(&c, &inside);
    }
    if (st == CM_OK) {
        st = bind_aggregate(&c, ret, &known);
    }
    if (st != CM_OK || known) {
        return st;
    }
    while (i < CM_COUNT(names) && strcmp(ast->text, names[i].text) != 0) {
        i++;
    }
    st = bind_args(&c, &inside);
    if (st != CM_OK) {
        return st;
    }
    if (i == CM_COUNT(names) || ast->star || ast->distinct || ast->filter != NULL ||
        c.count < names[i].least || c.count > names[i].most) {
        return i < CM_COUNT(names)
                   ? cm_bind_no_function(c.b, ast, c.args, c.count)
                   : cm_bind_refuse(c.b, ast->position, "window function %s", ast->text);
    }
    return bind_named(&c, names[i].name, ret);
}
