/*
 * Window functions: columns that WINDOW nodes add to the rows of a derived relation, one node for
 * each partition and order of the functions in use.  A sort that goes on where another order ends
 * serves both.
 */
#include "sql/plan_int.h"

static bool is_window(const cm_relation *relation, unsigned column, size_t *ret)
{
    size_t below = relation->cols - relation->windows;

    *ret = column < below ? 0 : column - below;
    return column >= below;
}

unsigned cm_block_need_target(const cm_block *b, const cm_item *item)
{
    const cm_relation *relation = &b->query->relation[item->rel];
    size_t window;

    return is_window(relation, item->expr->index, &window)
               ? (unsigned)(relation->derived->targets + window)
               : cm_query_target(relation->derived, item->expr->index);
}

static bool is_used(const cm_block *b, unsigned rel, size_t window)
{
    const cm_relation *relation = &b->query->relation[rel];
    size_t at;

    for (size_t i = 0; i < b->items; i++) {
        const cm_item *item = &b->item[i];
        if (item->rel == rel && item->uses > 0 && is_window(relation, item->expr->index, &at) &&
            at == window) {
            return true;
        }
    }
    return false;
}

/* ---- what is needed below ---- */

static cm_encoding_kind value_kind(const cm_column *col)
{
    return col->type.kind == CM_TYPE_TEXT ? CM_ENC_TEXT : CM_ENC_NUMBER;
}

/* Partitions are told apart by equality: long text by its digest. */
static cm_encoding_kind part_kind(const cm_column *col)
{
    bool is_long = col->type.max_bytes > CM_PLAN_DIGEST_PLANES / 8;

    return col->type.kind == CM_TYPE_TEXT && is_long ? CM_ENC_DIGEST : value_kind(col);
}

static size_t find_need(const cm_need *need, size_t needs, unsigned target, cm_encoding_kind kind)
{
    size_t i = 0;

    while (i < needs && (need[i].target != target ||
                         (need[i].kind == CM_ENC_DIGEST) != (kind == CM_ENC_DIGEST))) {
        i++;
    }
    return i;
}

typedef struct need_list {
    const cm_relation *relation;
    cm_need *need;
    size_t needs;
} need_list;

static void add_need(need_list *list, unsigned column, cm_encoding_kind kind)
{
    unsigned target = cm_query_target(list->relation->derived, column);

    if (find_need(list->need, list->needs, target, kind) == list->needs) {
        list->need[list->needs++] = (cm_need){target, kind};
    }
}

size_t cm_window_most_needs(const cm_block *b, unsigned rel)
{
    const cm_relation *relation = &b->query->relation[rel];
    size_t most = 0;

    for (size_t i = 0; i < relation->windows; i++) { /* its sources, and itself */
        most += relation->window[i].parts + relation->window[i].orders + 2;
    }
    return most;
}

size_t cm_window_needs(cm_block *b, unsigned rel, cm_need *need, size_t needs)
{
    const cm_relation *relation = &b->query->relation[rel];
    need_list list = {relation, need, needs};

    for (size_t i = 0; i < relation->windows; i++) {
        const cm_window *w = &relation->window[i];
        if (!is_used(b, rel, i)) {
            continue;
        }
        for (size_t k = 0; k < w->parts; k++) {
            add_need(&list, w->part[k], part_kind(&relation->col[w->part[k]]));
        }
        for (size_t k = 0; k < w->orders; k++) {
            unsigned column = w->order[k].target;
            add_need(&list, column, value_kind(&relation->col[column]));
        }
        if (w->arg >= 0) {
            add_need(&list, (unsigned)w->arg, value_kind(&relation->col[w->arg]));
        }
    }
    return list.needs;
}

/* ---- nodes ---- */

typedef struct builder {
    cm_block *b;
    unsigned rel;
    const cm_relation *relation;
    cm_planned *planned;
    cm_need *need;
    size_t below; /* needs of the derived query */
} builder;

/* Column of the planned node with the relation's column. */
static unsigned source_column(const builder *w, unsigned column, cm_encoding_kind kind)
{
    unsigned target = cm_query_target(w->relation->derived, column);
    size_t need = find_need(w->need, w->below, target, kind);

    CM_ASSERT(need < w->below);
    return w->planned->col[need];
}

static bool needs_peers(const cm_window *w)
{
    return w->function == CM_WIN_RANK || w->function == CM_WIN_DENSE_RANK ||
           w->frame == CM_WIN_PEERS;
}

/* Whether the function is right over rows in the order of `sorted`, which may go on where its own
 * order ends: then its ties are decided, which no function minds that does not look at peers. */
static bool fits(const cm_window *w, const cm_window *sorted)
{
    if (w->parts != sorted->parts || w->orders > sorted->orders ||
        (w->orders < sorted->orders && needs_peers(w))) {
        return false;
    }
    for (size_t i = 0; i < w->parts; i++) {
        if (w->part[i] != sorted->part[i]) {
            return false;
        }
    }
    for (size_t i = 0; i < w->orders; i++) {
        if (w->order[i].target != sorted->order[i].target ||
            w->order[i].descending != sorted->order[i].descending ||
            w->order[i].nulls_first != sorted->order[i].nulls_first) {
            return false;
        }
    }
    return true;
}

/* The longest order that is left; of equally long ones the first. */
static size_t next_order(const cm_relation *relation, const bool *done)
{
    size_t best = relation->windows;

    for (size_t i = 0; i < relation->windows; i++) {
        if (!done[i] && (best == relation->windows ||
                         relation->window[i].orders > relation->window[best].orders)) {
            best = i;
        }
    }
    return best;
}

static cm_status check_text(const builder *w, const cm_plan_col *col, const char *what)
{
    if (col->enc.planes <= 8 * CM_PLAN_MPC_TEXT_BYTES) {
        return CM_OK;
    }
    return cm_plan_unsupported(w->b->pl, 0, what,
                               "Declare varchar(n), or OPTIONS (max_bytes 'n').");
}

/* The column that the function makes of the child's. */
static cm_status window_column(const builder *w, size_t index, const cm_plan_node *child, int col,
                               cm_plan_col *ret)
{
    const cm_window *window = &w->relation->window[index];
    const cm_column *like = &w->relation->col[w->relation->cols - w->relation->windows + index];
    cm_planner *pl = w->b->pl;
    cm_i128 rows = (cm_i128)child->rows;

    bool sliding = window->frame == CM_WIN_SLIDING;
    bool may_be_empty = sliding && (window->from > 0 || window->to < 0);
    if (col < 0 || window->function == CM_WIN_COUNT) {
        cm_i128 least = col < 0 && !sliding ? 1 : 0;
        *ret = cm_col_number(like->name, like->type, (cm_range){least, rows}, false);
        return CM_OK;
    }
    const cm_plan_col *from = &child->col[col];
    if (window->function == CM_WIN_SUM) {
        const cm_expr *sum, *column = cm_expr_column(pl->arena, 0, 0, from->type,
                                                     from->enc.nullable, from->range, 0);
        cm_status st = cm_expr_agg_new(pl->arena, CM_AGGREGATE_SUM, like->type, column, false, NULL,
                                       child->rows, 0, &sum, pl->diag);
        if (st == CM_OK) {
            *ret = cm_col_number(like->name, like->type, sum->range,
                                 from->enc.nullable || may_be_empty);
        }
        return st;
    }
    *ret = *from;
    ret->name = like->name;
    ret->type = like->type;
    ret->enc.nullable = from->enc.nullable || window->function == CM_WIN_LAG ||
                        window->function == CM_WIN_LEAD ||
                        (window->function == CM_WIN_FIRST && window->offset > 0);
    bool extreme = window->function == CM_WIN_MIN || window->function == CM_WIN_MAX;
    return extreme ? check_text(w, from, "MIN or MAX of text of more than 64 bytes") : CM_OK;
}

static cm_status set_keys(builder *w, const cm_window *first, cm_plan_node *node)
{
    unsigned *key = CM_NEW_SMALL(w->b->pl->arena, unsigned, first->parts + 1);
    cm_order *order = CM_NEW_SMALL(w->b->pl->arena, cm_order, first->orders + 1);
    cm_status st = CM_OK;

    for (size_t i = 0; i < first->parts; i++) {
        const cm_column *col = &w->relation->col[first->part[i]];
        key[i] = source_column(w, first->part[i], part_kind(col));
    }
    for (size_t i = 0; st == CM_OK && i < first->orders; i++) {
        const cm_column *col = &w->relation->col[first->order[i].target];
        order[i] = first->order[i];
        order[i].target = source_column(w, first->order[i].target, value_kind(col));
        st = check_text(w, &node->col[order[i].target],
                        "ordering text of more than 64 bytes under MPC");
    }
    node->keys = first->parts;
    node->key = key;
    node->orders = first->orders;
    node->order = order;
    return st;
}

/* One node for all functions that the order of the first fits; sets where they are. */
static cm_status build_node(builder *w, size_t first, unsigned *ret_col, bool *done)
{
    const cm_relation *relation = w->relation;
    cm_plan_node *child = w->planned->node;
    cm_plan_node *node =
        cm_node_new(w->b->pl, CM_PLAN_WINDOW, child->rows, child->cols + relation->windows);
    cm_plan_window *window = CM_NEW_SMALL(w->b->pl->arena, cm_plan_window, relation->windows);
    cm_plan_col *cols = cm_node_cols(node);
    size_t count = child->cols;

    for (size_t i = 0; i < child->cols; i++) {
        cols[i] = child->col[i];
    }
    cm_status st = set_keys(w, &relation->window[first], node);
    for (size_t i = 0; st == CM_OK && i < relation->windows; i++) {
        const cm_window *from = &relation->window[i];
        if (done[i] || !fits(from, &relation->window[first])) {
            continue;
        }
        int col = from->arg < 0 ? -1
                                : (int)source_column(w, (unsigned)from->arg,
                                                     value_kind(&relation->col[from->arg]));
        st = window_column(w, i, child, col, &cols[count]);
        window[node->windows++] =
            (cm_plan_window){from->function, from->frame, col, from->offset, from->from, from->to};
        ret_col[i] = (unsigned)count++;
        done[i] = true;
    }
    node->cols = count;
    node->window = window;
    cm_node_children(w->b->pl, node, &child, 1);
    w->planned->node = node;
    return st;
}

cm_status cm_window_build(cm_block *b, unsigned rel, size_t below)
{
    const cm_relation *relation = &b->query->relation[rel];
    cm_planned *planned = &b->derived[rel];
    builder w = {b, rel, relation, planned, b->derived_need[rel], below};
    unsigned *col = CM_NEW_SMALL(b->pl->arena, unsigned, relation->windows);
    bool *done = CM_NEW_SMALL(b->pl->arena, bool, relation->windows);
    unsigned *all = CM_NEW_SMALL(b->pl->arena, unsigned, below + relation->windows + 1);
    size_t needs = below;
    cm_status st = CM_OK;

    for (size_t i = 0; i < relation->windows; i++) {
        done[i] = !is_used(b, rel, i);
    }
    for (size_t i = 0; i < below; i++) {
        all[i] = planned->col[i];
    }
    for (size_t i = next_order(relation, done); st == CM_OK && i < relation->windows;
         i = next_order(relation, done)) {
        st = build_node(&w, i, col, done);
    }
    for (size_t i = 0; st == CM_OK && i < relation->windows; i++) {
        if (is_used(b, rel, i)) {
            unsigned target = (unsigned)(relation->derived->targets + i);
            const cm_column *like = &relation->col[relation->cols - relation->windows + i];
            w.need[needs] = (cm_need){target, value_kind(like)};
            all[needs++] = col[i];
            planned->positions_public = planned->node->rows == 1;
        }
    }
    b->derived_needs[rel] = needs;
    planned->col = all;
    for (size_t i = 0; st == CM_OK && i < b->items; i++) {
        size_t window;
        if (b->item[i].rel == rel && b->item[i].uses > 0 && b->item[i].kind == CM_ENC_DIGEST &&
            is_window(relation, b->item[i].expr->index, &window)) {
            return cm_plan_unsupported(b->pl, b->item[i].expr->position,
                                       "joining by the text of a window function", NULL);
        }
    }
    return st;
}
