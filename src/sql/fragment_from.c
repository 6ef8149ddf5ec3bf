/* What a fragment reads: one table, or several that their owner joins. */
#include "sql/fragment_int.h"

size_t cm_fragment_tables(const cm_fragment *fragment)
{
    return fragment->join == NULL ? 1 : fragment->join->tables;
}

const cm_org_table *cm_fragment_table(const cm_fragment *fragment, size_t index)
{
    CM_ASSERT(index < cm_fragment_tables(fragment));
    return fragment->join == NULL ? fragment->table : fragment->join->table[index];
}

typedef struct marks {
    const cm_org_table *table;
    size_t number;
    unsigned presumes; /* 0: mark all that is read */
    bool *used;
} marks;

static bool is_within(cm_range x, cm_range y)
{
    return x.lo >= y.lo && x.hi <= y.hi;
}

/* The plan relies on a range that is narrower than what was declared. */
static bool is_presumed(const cm_expr *expr, const cm_column *col, unsigned presumes)
{
    const cm_range range = cm_presumed_range(presumes);

    return cm_type_is_number(&col->type) && is_within(expr->range, range) &&
           !is_within(col->range, range);
}

static bool mark_column(const cm_expr *expr, void *arg)
{
    const marks *m = arg;

    if (expr->op == CM_X_COLUMN && expr->rel == m->number && expr->index < m->table->cols &&
        (m->presumes == 0 || is_presumed(expr, &m->table->col[expr->index], m->presumes))) {
        m->used[expr->index] = true;
    }
    return true;
}

static void mark_from(const cm_from *from, marks *m)
{
    if (from->kind != CM_FROM_RELATION) {
        mark_from(from->left, m);
        mark_from(from->right, m);
        if (from->on != NULL) {
            (void)cm_expr_walk(from->on, mark_column, m);
        }
    }
}

void cm_fragment_mark(const cm_fragment *fragment, size_t table, unsigned presumes, bool *used)
{
    marks m = {cm_fragment_table(fragment, table), table, presumes, used};

    if (fragment->join != NULL) {
        mark_from(fragment->join->from, &m);
    }
    if (fragment->filter != NULL) {
        (void)cm_expr_walk(fragment->filter, mark_column, &m);
    }
    for (size_t i = 0; i < fragment->outputs; i++) {
        (void)cm_expr_walk(fragment->output[i], mark_column, &m);
    }
    for (size_t i = 0; i < fragment->keys; i++) {
        (void)cm_expr_walk(fragment->key[i], mark_column, &m);
    }
}

/* ---- FROM ---- */

void cm_fragment_put_from(cm_fragment_writer *w, const cm_from *from)
{
    switch (from->kind) {
    case CM_FROM_RELATION:
        cm_buf_printf(w->out, "%s AS t%u", w->from[from->rel], from->rel);
        return;
    case CM_FROM_SEMI: /* a condition */
    case CM_FROM_ANTI:
        cm_fragment_put_from(w, from->left);
        return;
    case CM_FROM_INNER:
    case CM_FROM_CROSS:
    case CM_FROM_LEFT:
        break;
    case CM_FROM_FULL:
    case CM_FROM_APPLY:
        CM_ASSERT(false && "not an owner's");
    }
    cm_fragment_put(w, "(");
    cm_fragment_put_from(w, from->left);
    cm_fragment_put(w, from->on == NULL             ? " CROSS JOIN "
                       : from->kind == CM_FROM_LEFT ? " LEFT JOIN "
                                                    : " JOIN ");
    cm_fragment_put_from(w, from->right);
    if (from->on != NULL) {
        cm_fragment_put(w, " ON ");
        cm_fragment_put_condition(w, from->on);
    }
    cm_fragment_put(w, ")");
}

/* ---- WHERE ---- */

static uint64_t tables_of(const cm_from *from)
{
    return from->kind == CM_FROM_RELATION ? (uint64_t)1 << from->rel
                                          : tables_of(from->left) | tables_of(from->right);
}

static size_t conjuncts(const cm_expr *on)
{
    return on->op == CM_X_AND ? on->args : 1;
}

static const cm_expr *conjunct(const cm_expr *on, size_t index)
{
    return on->op == CM_X_AND ? on->arg[index] : on;
}

static bool is_link(const cm_expr *x, uint64_t right)
{
    uint64_t rels = cm_expr_rels(x);

    return (rels & right) != 0 && (rels & ~right) != 0;
}

/* The side of an equality that is about the right tables, or the other one. */
static const cm_expr *side_of(const cm_expr *x, uint64_t right, bool inner)
{
    bool first = (cm_expr_rels(x->arg[0]) & right) != 0;

    return x->arg[first == inner ? 0 : 1];
}

/* (a, b) IN (SELECT c, d FROM right WHERE ...). */
static void put_in(cm_fragment_writer *w, const cm_from *from)
{
    uint64_t right = tables_of(from->right);

    for (int inner = 0; inner < 2; inner++) {
        const char *before = inner ? "(SELECT " : "(";
        for (size_t i = 0; i < conjuncts(from->on); i++) {
            const cm_expr *x = conjunct(from->on, i);
            if (is_link(x, right)) {
                CM_ASSERT(x->op == CM_X_EQ);
                cm_fragment_put(w, before);
                cm_fragment_put_operand(w, side_of(x, right, inner));
                before = ", ";
            }
        }
        cm_fragment_put(w, inner ? " FROM " : ") IN ");
    }
    cm_fragment_put_from(w, from->right);
    const char *before = cm_fragment_put_where(w, from->right, NULL) ? " AND " : " WHERE ";
    for (size_t i = 0; i < conjuncts(from->on); i++) {
        const cm_expr *x = conjunct(from->on, i);
        if ((cm_expr_rels(x) & ~right) == 0) {
            cm_fragment_put(w, before);
            cm_fragment_put_condition(w, x);
            before = " AND ";
        }
    }
    cm_fragment_put(w, ")");
}

/*
 * SQLite looks through all of the right side for each row when it is asked for EXISTS; IN it
 * answers from an index that it makes.  IN is NULL where NULLs decide, so IS TRUE.
 */
static void put_lookup(cm_fragment_writer *w, const cm_from *from)
{
    uint64_t right = tables_of(from->right);

    cm_fragment_put(w, "(");
    for (size_t i = 0; i < conjuncts(from->on); i++) {
        const cm_expr *x = conjunct(from->on, i);
        if ((cm_expr_rels(x) & right) == 0) {
            cm_fragment_put_condition(w, x);
            cm_fragment_put(w, " AND ");
        }
    }
    put_in(w, from);
    cm_fragment_put(w, from->kind == CM_FROM_SEMI ? ") IS TRUE" : ") IS NOT TRUE");
}

static void put_exists(cm_fragment_writer *w, const cm_from *from)
{
    cm_fragment_put(w, from->kind == CM_FROM_SEMI ? "EXISTS (SELECT 1 FROM "
                                                  : "NOT EXISTS (SELECT 1 FROM ");
    cm_fragment_put_from(w, from->right);
    (void)cm_fragment_put_where(w, from->right, from->on);
    cm_fragment_put(w, ")");
}

/* Without one, as where org = org is all that links them, there is nothing to be IN. */
static bool has_link(const cm_from *from)
{
    uint64_t right = tables_of(from->right);
    bool any = false;

    for (size_t i = 0; from->on != NULL && i < conjuncts(from->on); i++) {
        any = any || is_link(conjunct(from->on, i), right);
    }
    return any;
}

/* Conditions of SEMI and ANTI, each after WHERE or AND. */
static void put_lookups(cm_fragment_writer *w, const cm_from *from, bool *any)
{
    if (from->kind == CM_FROM_RELATION) {
        return;
    }
    put_lookups(w, from->left, any);
    if (from->kind != CM_FROM_SEMI && from->kind != CM_FROM_ANTI) {
        put_lookups(w, from->right, any);
        return;
    }
    cm_fragment_put(w, *any ? " AND " : " WHERE ");
    *any = true;
    if (w->postgres || !has_link(from)) {
        put_exists(w, from);
    } else {
        put_lookup(w, from);
    }
}

bool cm_fragment_put_where(cm_fragment_writer *w, const cm_from *from, const cm_expr *condition)
{
    bool any = false;

    if (from != NULL) {
        put_lookups(w, from, &any);
    }
    if (condition != NULL) {
        cm_fragment_put(w, any ? " AND " : " WHERE ");
        cm_fragment_put_condition(w, condition);
        any = true;
    }
    return any;
}
