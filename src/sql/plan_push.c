/*
 * Push-down.  Conditions and expressions on one relation's row go to its owners; what is left of a
 * relation for MPC are its items.
 */
#include "sql/plan_int.h"

#include <string.h>

/* ---- items ---- */

static bool is_text(const cm_expr *expr)
{
    return expr->type.kind == CM_TYPE_TEXT;
}

/* NULL when every column in it is: so it may be computed before a LEFT JOIN adds NULLs. */
static bool is_strict(const cm_expr *expr)
{
    switch (expr->op) {
    case CM_X_COLUMN:
        return true;
    case CM_X_ADD:
    case CM_X_SUB:
    case CM_X_MUL:
    case CM_X_IDIV:
    case CM_X_QUOT:
    case CM_X_MOD:
    case CM_X_NEG:
    case CM_X_ABS:
    case CM_X_RESCALE:
    case CM_X_TRUNC:
    case CM_X_FLOOR:
    case CM_X_CEIL:
    case CM_X_CAST:
    case CM_X_EQ:
    case CM_X_NE:
    case CM_X_LT:
    case CM_X_LE:
    case CM_X_GT:
    case CM_X_GE:
    case CM_X_NOT:
    case CM_X_EXTRACT:
    case CM_X_DATE_TRUNC:
    case CM_X_ADD_MONTHS:
    case CM_X_LIKE:
    case CM_X_LOWER:
    case CM_X_UPPER:
    case CM_X_LENGTH:
    case CM_X_SUBSTRING:
    case CM_X_CONCAT:
    case CM_X_TRIM:
    case CM_X_REPLACE:
    case CM_X_POSITION:
        for (size_t i = 0; i < expr->args; i++) {
            if (is_strict(expr->arg[i])) {
                return true;
            }
        }
        return false;
    case CM_X_IN: /* of the first argument alone: NULL IN (...) is NULL */
        return is_strict(expr->arg[0]);
    case CM_X_CONST:
    case CM_X_PARAM:
    case CM_X_NOT_DISTINCT:
    case CM_X_AND:
    case CM_X_OR:
    case CM_X_IS_NULL:
    case CM_X_IS_TRUE:
    case CM_X_IS_FALSE:
    case CM_X_CASE:
    case CM_X_COALESCE:
    case CM_X_NULLIF:
    case CM_X_GREATEST:
    case CM_X_LEAST:
    case CM_X_STAT:
    case CM_X_AGG:
        break;
    }
    return false;
}

static bool one_bit(uint64_t set)
{
    return set != 0 && (set & (set - 1)) == 0;
}

static unsigned only_bit(uint64_t set)
{
    return (unsigned)__builtin_ctzll(set);
}

/* What calendar programs compute: of years from 1 on. */
static bool has_calendar_program(const cm_expr *expr)
{
    const cm_type *of = &expr->arg[0]->type;
    const cm_i128 unit = of->kind == CM_TYPE_TIMESTAMP ? (cm_i128)86400 * 1000000 : 1;
    cm_i128 first = expr->arg[0]->range.lo / unit - 1;

    if (of->kind != CM_TYPE_DATE && of->kind != CM_TYPE_TIMESTAMP) {
        return false;
    }
    if (expr->op == CM_X_ADD_MONTHS) {
        const cm_expr *months = expr->arg[1];
        if (months->op != CM_X_CONST || months->value.null) {
            return false;
        }
        first += months->value.number < 0 ? 31 * months->value.number : 0;
        first -= 366; /* the program knows the first year alone, and not its month */
    }
    if (expr->op == CM_X_EXTRACT) {
        bool fraction = expr->index == CM_FIELD_SECOND || expr->index == CM_FIELD_EPOCH;
        int scale = fraction && of->kind == CM_TYPE_TIMESTAMP ? 6 : 0;
        if (expr->type.scale != scale) {
            return false;
        }
    }
    return first >= cm_date_from_ymd(1, 3, 1);
}

bool cm_expr_is_owners_alone(const cm_expr *expr)
{
    switch ((int)expr->op) {
    case CM_X_EXTRACT:
    case CM_X_DATE_TRUNC:
    case CM_X_ADD_MONTHS:
        return !has_calendar_program(expr);
    default:
        return cm_op_is_on_text(expr->op);
    }
}

bool cm_block_is_item(const cm_block *b, const cm_expr *expr)
{
    uint64_t rels = cm_expr_rels(expr);

    if (!one_bit(rels)) {
        return false;
    }
    if (expr->op == CM_X_COLUMN) {
        return true;
    }
    unsigned rel = only_bit(rels);
    if (b->query->relation[rel].derived != NULL || b->query->relation[rel].applies > 0 ||
        !cm_block_pushable(b, expr) || (b->outer[rel] && !is_strict(expr))) {
        return false;
    }
    if (b->pl->settings.pushdown || cm_expr_is_owners_alone(expr)) {
        return true;
    }
    for (size_t i = 0; i < expr->args; i++) { /* a bit instead of the text */
        if (is_text(expr->arg[i])) {
            return true;
        }
    }
    return false;
}

static size_t add_item(cm_block *b, const cm_expr *expr, cm_encoding_kind kind)
{
    for (size_t i = 0; i < b->items; i++) {
        if (!b->item[i].twin && b->item[i].kind == kind && cm_expr_equal(b->item[i].expr, expr)) {
            return i;
        }
    }
    if (b->items == b->room) {
        size_t room = b->room == 0 ? 16 : 2 * b->room;
        cm_item *item = CM_NEW_SMALL(b->pl->arena, cm_item, room);
        for (size_t i = 0; i < b->items; i++) {
            item[i] = b->item[i];
        }
        b->item = item;
        b->room = room;
    }
    b->item[b->items] = (cm_item){
        .rel = only_bit(cm_expr_rels(expr)), .expr = expr, .kind = kind, .range = expr->range};
    return b->items++;
}

size_t cm_block_use_item(cm_block *b, const cm_expr *expr, cm_encoding_kind kind, int uses)
{
    size_t item = add_item(b, expr, kind);

    b->item[item].uses += uses;
    CM_ASSERT(b->item[item].uses >= 0);
    return item;
}

cm_status cm_block_use(cm_block *b, const cm_expr *expr, int uses)
{
    if (expr->op == CM_X_CONST) {
        return CM_OK;
    }
    if (cm_block_is_item(b, expr)) {
        (void)cm_block_use_item(b, expr, is_text(expr) ? CM_ENC_TEXT : CM_ENC_NUMBER, uses);
        return CM_OK;
    }
    /* What only an owner can evaluate may still turn out to be over public rows: see
     * check_programs. */
    CM_ASSERT(expr->op != CM_X_AGG && expr->op != CM_X_PARAM);
    for (size_t i = 0; i < expr->args; i++) {
        cm_status st = cm_block_use(b, expr->arg[i], uses);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

size_t cm_block_twin_item(cm_block *b, size_t item)
{
    cm_item twin = b->item[item];

    twin.uses = 0;
    twin.twin = true;
    if (b->items == b->room) {
        cm_item *more = CM_NEW_SMALL(b->pl->arena, cm_item, 2 * b->room);
        for (size_t i = 0; i < b->items; i++) {
            more[i] = b->item[i];
        }
        b->item = more;
        b->room *= 2;
    }
    b->item[b->items] = twin;
    return b->items++;
}

int cm_flow_column(const cm_flow *flow, size_t item)
{
    for (size_t i = 0; i < flow->node->cols; i++) {
        if (flow->item[i] == (int)item) {
            return (int)i;
        }
    }
    return -1;
}

typedef struct resolver {
    cm_block *b;
    const cm_flow *flow;
    bool missing;
} resolver;

static const cm_expr *resolve_item(const cm_expr *expr, void *arg)
{
    resolver *r = arg;

    if (expr->op == CM_X_CONST) {
        return NULL;
    }
    for (size_t i = 0; i < r->flow->node->cols; i++) {
        int item = r->flow->item[i];
        if (item >= 0 && r->b->item[item].kind != CM_ENC_DIGEST &&
            cm_expr_equal(r->b->item[item].expr, expr)) {
            return cm_node_column(r->b->pl, r->flow->node, i);
        }
    }
    r->missing = r->missing || expr->op == CM_X_COLUMN;
    return NULL;
}

cm_status cm_flow_resolve(cm_block *b, const cm_flow *flow, const cm_expr *expr,
                          const cm_expr **ret)
{
    resolver r = {.b = b, .flow = flow};
    cm_status st = cm_expr_rewrite(b->pl->arena, expr, resolve_item, &r, ret, b->pl->diag);

    CM_ASSERT(st != CM_OK || !r.missing);
    return st;
}

/* ---- rows of one relation ---- */

uint64_t cm_plan_table_rows(const cm_org_table *table)
{
    return table->rows == 0 ? 1 : table->rows;
}

/* A text condition is its owner's even where pushing down is off: nobody else can evaluate it. */
static bool is_pushed_filter(const cm_block *b, const cm_expr *expr)
{
    return b->pl->settings.pushdown && cm_block_pushable(b, expr);
}

bool cm_block_filters_pushed(const cm_block *b, unsigned rel)
{
    for (size_t i = 0; i < b->own[rel].count; i++) {
        if (!is_pushed_filter(b, b->own[rel].at[i])) {
            return false;
        }
    }
    return true;
}

cm_status cm_block_fragment_filter(cm_block *b, unsigned rel, const cm_org_table *table,
                                   const cm_expr **ret)
{
    cm_exprs list = {0};

    for (size_t i = 0; i < b->own[rel].count; i++) {
        if (is_pushed_filter(b, b->own[rel].at[i])) {
            const cm_expr *folded;
            cm_status st = cm_plan_fold_org(b->pl, b->own[rel].at[i], table, &folded);
            if (st != CM_OK) {
                return st;
            }
            cm_exprs_add(b->pl->arena, &list, folded);
        }
    }
    const cm_plan_unit *unit = cm_plan_unit_of(b->pl, table);
    if (unit != NULL) {
        cm_expr_conjuncts(b->pl, unit->filter, &list);
    }
    *ret = cm_plan_and(b->pl, &list);
    return CM_OK;
}

static const char *item_name(const cm_block *b, const cm_item *item)
{
    const cm_relation *relation = &b->query->relation[item->rel];

    if (item->expr->op != CM_X_COLUMN) {
        return "expression";
    }
    return item->expr->index < relation->cols ? relation->col[item->expr->index].name : "org";
}

static cm_plan_col item_column(const cm_block *b, const cm_item *item)
{
    const char *name = item_name(b, item);
    const cm_expr *expr = item->expr;

    switch (item->kind) {
    case CM_ENC_NUMBER:
        return cm_col_number(name, expr->type, item->range, expr->nullable);
    case CM_ENC_TEXT:
        return cm_col_text(name, expr->type, expr->type.max_bytes, expr->nullable);
    case CM_ENC_DIGEST:
        break;
    }
    return cm_col_digest(name, expr->type, expr->nullable);
}

/* Columns in the table's order, then what is computed in the order of its numbers: so that two uses
 * of a table for the same columns are the same node. */
static bool item_precedes(const cm_block *b, int x, int y)
{
    const cm_item *p = &b->item[x], *q = &b->item[y];
    bool is_column = p->expr->op == CM_X_COLUMN;

    if (is_column != (q->expr->op == CM_X_COLUMN)) {
        return is_column;
    }
    if (!is_column || p->expr->index == q->expr->index) {
        return x < y;
    }
    return p->expr->index < q->expr->index;
}

/* The relation's items as the flow's columns. */
static size_t list_items(cm_block *b, unsigned rel, cm_flow *flow)
{
    size_t count = 0;

    flow->item = CM_NEW_SMALL(b->pl->arena, int, b->items + 1);
    for (size_t i = 0; i < b->items; i++) {
        if (b->item[i].rel == rel && b->item[i].uses > 0) {
            size_t at = count++;
            while (at > 0 && item_precedes(b, (int)i, flow->item[at - 1])) {
                flow->item[at] = flow->item[at - 1];
                at--;
            }
            flow->item[at] = (int)i;
        }
    }
    return count;
}

static cm_status input_node(cm_block *b, unsigned rel, const cm_org_table *table,
                            const cm_flow *flow, size_t cols, cm_plan_node **ret)
{
    cm_plan_node *node = cm_node_new(b->pl, CM_PLAN_INPUT, cm_plan_table_rows(table), cols);
    cm_fragment *fragment = CM_NEW_SMALL(b->pl->arena, cm_fragment, 1);
    const cm_expr **output = CM_NEW_SMALL(b->pl->arena, const cm_expr *, cols + 1);

    cm_status st = cm_plan_check_pairs(b->pl, table, node->rows);
    if (st == CM_OK) {
        st = cm_block_fragment_filter(b, rel, table, &fragment->filter);
    }
    for (size_t i = 0; st == CM_OK && i < cols; i++) {
        if (flow->item[i] < 0) {
            output[i] = cm_plan_int(b->pl, 0);
            cm_node_cols(node)[i] =
                cm_col_number("zero", cm_plan_int8_type(), (cm_range){0, 0}, false);
            continue;
        }
        const cm_item *item = &b->item[flow->item[i]];
        st = cm_plan_fold_org(b->pl, item->expr, table, &output[i]);
        cm_node_cols(node)[i] = item_column(b, item);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_plan_read_table(b->pl, table, fragment);
    fragment->outputs = cols;
    fragment->output = output;
    node->fragment = fragment;
    *ret = node;
    return CM_OK;
}

static bool same_key(const cm_table_key *a, const cm_table_key *b)
{
    bool same = a->cols == b->cols;

    for (size_t i = 0; same && i < a->cols; i++) {
        bool found = false;
        for (size_t j = 0; j < b->cols; j++) {
            found = found || a->col[i] == b->col[j];
        }
        same = found;
    }
    return same;
}

static const char *key_text(cm_block *b, const cm_relation *relation, const unsigned *col,
                            size_t cols)
{
    const char *list = "";

    for (size_t i = 0; i < cols; i++) {
        list = cm_arena_printf(b->pl->arena, "%s%s%s", list, i == 0 ? "" : ", ",
                               relation->col[col[i]].name);
    }
    return cm_arena_printf(b->pl->arena, "key (%s) of \"%s\" is not unique across its owners", list,
                           relation->table[0]->name);
}

/*
 * A key that every owner of the table keeps; col has org behind its columns.  In the union it is
 * unique together with the owner, and there are at most as many rows of it as owners; that it is
 * unique alone is presumed, unless the session says otherwise.
 */
static void add_key_unique(cm_block *b, const cm_relation *relation, const unsigned *rel,
                           const unsigned *col, size_t cols, cm_flow *flow)
{
    cm_unique key = {.cols = cols, .rel = rel, .col = col};

    if (relation->tables > 1) {
        cm_unique with_org = key;
        with_org.cols++;
        flow->unique[flow->uniques++] = with_org;
        if (b->pl->settings.cross_owner_keys) {
            key.presumed = key_text(b, relation, col, cols);
        } else {
            key.more = relation->tables - 1;
        }
    }
    flow->unique[flow->uniques++] = key;
}

/* Keys of several columns that every owner of the table has declared. */
static void add_keys(cm_block *b, unsigned rel, cm_flow *flow)
{
    const cm_relation *relation = &b->query->relation[rel];

    for (size_t k = 0; k < relation->table[0]->keys; k++) {
        const cm_table_key *key = &relation->table[0]->key[k];
        bool all = true;
        for (size_t t = 1; t < relation->tables; t++) {
            bool found = false;
            for (size_t j = 0; j < relation->table[t]->keys; j++) {
                found = found || same_key(key, &relation->table[t]->key[j]);
            }
            all = all && found;
        }
        if (!all) {
            continue;
        }
        unsigned *rels = CM_NEW_SMALL(b->pl->arena, unsigned, key->cols + 1);
        unsigned *cols = CM_NEW_SMALL(b->pl->arena, unsigned, key->cols + 1);
        for (size_t i = 0; i <= key->cols; i++) {
            rels[i] = rel;
            cols[i] = i < key->cols ? key->col[i] : (unsigned)relation->cols;
        }
        add_key_unique(b, relation, rels, cols, key->cols, flow);
    }
}

/* Columns that are unique by themselves at their owner; over several owners together with org. */
static void base_uniques(cm_block *b, unsigned rel, cm_flow *flow)
{
    const cm_relation *relation = &b->query->relation[rel];

    flow->unique =
        CM_NEW_SMALL(b->pl->arena, cm_unique, 2 * (relation->cols + relation->table[0]->keys) + 1);
    for (unsigned i = 0; i < relation->cols; i++) {
        bool unique = true;
        for (size_t t = 0; t < relation->tables; t++) {
            unique = unique && relation->table[t]->col[i].unique;
        }
        if (unique) {
            unsigned *cols = CM_NEW_SMALL(b->pl->arena, unsigned, 4);
            cols[0] = cols[1] = rel;
            cols[2] = i;
            cols[3] = (unsigned)relation->cols;
            add_key_unique(b, relation, cols, cols + 2, 1, flow);
        }
    }
    add_keys(b, rel, flow);
}

static cm_status base_rows(cm_block *b, unsigned rel, cm_flow *flow)
{
    const cm_relation *relation = &b->query->relation[rel];
    cm_plan_node **input = CM_NEW_SMALL(b->pl->arena, cm_plan_node *, relation->tables);
    size_t cols = list_items(b, rel, flow);
    uint64_t rows = 0;

    if (cols == 0) { /* rows alone matter; a table has at least one column */
        flow->item[cols++] = -1;
    }
    CM_ASSERT(relation->tables > 0);
    for (size_t t = 0; t < relation->tables; t++) {
        cm_status st = input_node(b, rel, relation->table[t], flow, cols, &input[t]);
        if (st != CM_OK) {
            return st;
        }
        rows += input[t]->rows;
    }
    flow->node = input[0];
    if (relation->tables > 1) {
        flow->node = cm_node_new(b->pl, CM_PLAN_CONCAT, rows, cols);
        flow->node->col = input[0]->col;
        cm_node_children(b->pl, flow->node, input, relation->tables);
    }
    base_uniques(b, rel, flow);
    return CM_OK;
}

size_t cm_block_need_of(const cm_block *b, const cm_item *item)
{
    unsigned target = cm_block_need_target(b, item);

    for (size_t i = 0; i < b->derived_needs[item->rel]; i++) {
        const cm_need *need = &b->derived_need[item->rel][i];
        if (need->target == target &&
            (need->kind == CM_ENC_DIGEST) == (item->kind == CM_ENC_DIGEST)) {
            return i;
        }
    }
    CM_ASSERT(false && "planned with what is needed");
}

/* A row number does not repeat in its partition. */
static void row_number_uniques(cm_block *b, unsigned rel, cm_flow *flow)
{
    const cm_relation *relation = &b->query->relation[rel];

    for (size_t i = 0; i < relation->windows; i++) {
        const cm_window *w = &relation->window[i];
        if (w->function != CM_WIN_ROW_NUMBER) {
            continue;
        }
        unsigned *rels = CM_NEW_SMALL(b->pl->arena, unsigned, w->parts + 1);
        unsigned *cols = CM_NEW_SMALL(b->pl->arena, unsigned, w->parts + 1);
        for (size_t k = 0; k <= w->parts; k++) {
            rels[k] = rel;
            cols[k] =
                k < w->parts ? w->part[k] : (unsigned)(relation->cols - relation->windows + i);
        }
        flow->unique[flow->uniques++] = (cm_unique){.cols = w->parts + 1, .rel = rels, .col = cols};
    }
}

/* Uniqueness by target becomes uniqueness by column of the relation. */
static void derived_uniques(cm_block *b, unsigned rel, cm_flow *flow)
{
    const cm_planned *planned = &b->derived[rel];
    const cm_query *query = b->query->relation[rel].derived;
    unsigned *column = CM_NEW_SMALL(b->pl->arena, unsigned, query->targets + 1);
    unsigned shown = 0;

    for (size_t i = 0; i < query->targets; i++) {
        column[i] = query->target[i].hidden ? 0 : shown++;
    }
    flow->unique = CM_NEW_SMALL(b->pl->arena, cm_unique,
                                planned->uniques + b->query->relation[rel].windows + 1);
    for (size_t u = 0; u < planned->uniques; u++) {
        const cm_unique *from = &planned->unique[u];
        unsigned *rels = CM_NEW_SMALL(b->pl->arena, unsigned, from->cols + 1);
        unsigned *cols = CM_NEW_SMALL(b->pl->arena, unsigned, from->cols + 1);
        for (size_t i = 0; i < from->cols; i++) {
            rels[i] = rel;
            cols[i] = column[from->col[i]];
        }
        cm_unique *to = &flow->unique[flow->uniques++];
        *to = *from;
        to->rel = rels;
        to->col = cols;
    }
    row_number_uniques(b, rel, flow);
}

/* The derived query's rows, numbers encoded as the joins above want them. */
static cm_status derived_rows(cm_block *b, unsigned rel, cm_flow *flow)
{
    const cm_planned *planned = &b->derived[rel];
    size_t count = list_items(b, rel, flow);
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, count + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, count + 1);

    for (size_t i = 0; i < count; i++) {
        const cm_item *item = &b->item[flow->item[i]];
        unsigned at = planned->col[cm_block_need_of(b, item)];
        exprs[i] = cm_node_column(b->pl, planned->node, at);
        cols[i] = planned->node->col[at];
        if (item->kind == CM_ENC_NUMBER) {
            cols[i] = cm_col_number(cols[i].name, cols[i].type, item->range, cols[i].enc.nullable);
        }
    }
    flow->node = cm_node_project(b->pl, planned->node, exprs, cols, count);
    derived_uniques(b, rel, flow);
    return CM_OK;
}

/* A column that a condition fixes tells no rows apart: what is unique with it is unique without. */
static void fix_column(cm_block *b, const cm_expr *condition, cm_flow *flow)
{
    if (condition->op != CM_X_EQ) {
        return;
    }
    const cm_expr *left = cm_expr_strip(condition->arg[0]);
    const cm_expr *right = cm_expr_strip(condition->arg[1]);
    const cm_expr *column = left->op == CM_X_COLUMN ? left : right;
    const cm_expr *other = left->op == CM_X_COLUMN ? right : left;
    if (column->op != CM_X_COLUMN || other->op != CM_X_CONST) {
        return;
    }
    for (size_t u = 0; u < flow->uniques; u++) {
        const cm_unique *from = &flow->unique[u];
        unsigned *rels = CM_NEW_SMALL(b->pl->arena, unsigned, from->cols + 1);
        unsigned *cols = CM_NEW_SMALL(b->pl->arena, unsigned, from->cols + 1);
        size_t kept = 0;
        for (size_t i = 0; i < from->cols; i++) {
            if (from->rel[i] != column->rel || from->col[i] != column->index) {
                rels[kept] = from->rel[i];
                cols[kept++] = from->col[i];
            }
        }
        flow->unique[u].cols = kept;
        flow->unique[u].rel = rels;
        flow->unique[u].col = cols;
    }
}

cm_status cm_block_leaf(cm_block *b, unsigned rel, cm_flow *ret)
{
    bool derived = b->query->relation[rel].derived != NULL;
    cm_exprs rest = {0};
    const cm_exprs *sunk = &b->sunk[rel];

    *ret = (cm_flow){.rels = (uint64_t)1 << rel};
    cm_status st = derived ? derived_rows(b, rel, ret) : base_rows(b, rel, ret);
    for (size_t i = 0; st == CM_OK && i < sunk->count; i++) {
        fix_column(b, sunk->at[i], ret);
    }
    for (size_t i = 0; st == CM_OK && i < b->own[rel].count; i++) {
        const cm_expr *own = b->own[rel].at[i], *condition;
        fix_column(b, own, ret);
        if (derived || !is_pushed_filter(b, own)) {
            st = cm_flow_resolve(b, ret, own, &condition);
            cm_exprs_add(b->pl->arena, &rest, condition);
            if (st == CM_OK) {
                st = cm_block_use(b, own, -1);
            }
        }
    }
    if (st == CM_OK && rest.count > 0) {
        ret->node = cm_node_filter(b->pl, ret->node, cm_plan_and(b->pl, &rest));
        cm_flow_prune(b, ret);
    }
    return st;
}
