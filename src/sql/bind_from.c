/* FROM: joins of relations, and the names that each of their parts sees. */
#include "sql/bind_int.h"

#include <string.h>

static cm_status bind_item(cm_scope *s, const cm_ast_from *from, const cm_from **ret,
                           cm_names *names);

static bool is_reserved(const cm_names *names, const cm_scope *s, const char *alias)
{
    for (unsigned r = names->first; r < names->last; r++) {
        if (strcmp(s->relation[r].alias, alias) == 0) {
            return true;
        }
    }
    return false;
}

static void set_nulled(cm_scope *s, const cm_names *names)
{
    for (unsigned r = names->first; r < names->last; r++) {
        s->nulled[r] = true;
    }
}

static cm_status check_aliases(cm_scope *s, const cm_names *left, const cm_names *right)
{
    for (unsigned r = right->first; r < right->last; r++) {
        const char *alias = s->relation[r].alias;
        if (alias[0] != '\0' && is_reserved(left, s, alias)) {
            return cm_fail(s->b->diag, CM_EINVAL, CM_SQL_DUPLICATE_ALIAS,
                           "table name \"" CM_QUOTE "\" specified more than once", alias);
        }
    }
    return CM_OK;
}

/* The one column of that name on one side. */
static cm_status find_using(cm_scope *s, const cm_names *names, const char *name, const char *side,
                            int position, const cm_scope_col **ret)
{
    const cm_scope_col *found = NULL;

    for (size_t i = 0; i < names->cols; i++) {
        if (strcmp(names->col[i].name, name) != 0) {
            continue;
        }
        if (found != NULL) {
            cm_bind_at(s->b, position);
            return cm_fail(s->b->diag, CM_EINVAL, CM_SQL_AMBIGUOUS_COLUMN,
                           "common column name \"" CM_QUOTE "\" appears more than once in %s table",
                           name, side);
        }
        found = &names->col[i];
    }
    if (found == NULL) {
        cm_bind_at(s->b, position);
        return cm_fail(s->b->diag, CM_EINVAL, CM_SQL_UNDEFINED_COLUMN,
                       "column \"" CM_QUOTE
                       "\" specified in USING clause does not exist in %s table",
                       name, side);
    }
    *ret = found;
    return CM_OK;
}

/* Names of both sides: what USING does not merge, left to right, after what it does. */
static void join_names(cm_binder *b, const cm_names *left, const cm_names *right,
                       const cm_scope_col *merged, size_t merges, cm_names *ret)
{
    cm_scope_col *cols =
        CM_NEW_SMALL(b->arena, cm_scope_col, merges + left->cols + right->cols + 1);
    const cm_names *sides[2] = {left, right};
    size_t count = merges;

    for (size_t i = 0; i < merges; i++) {
        cols[i] = merged[i];
    }
    for (size_t side = 0; side < 2; side++) {
        for (size_t i = 0; i < sides[side]->cols; i++) {
            size_t m = 0;
            while (m < merges && strcmp(merged[m].name, sides[side]->col[i].name) != 0) {
                m++;
            }
            if (m == merges) {
                cols[count++] = sides[side]->col[i];
            }
        }
    }
    *ret = (cm_names){.cols = count, .col = cols, .first = left->first, .last = right->last};
}

static size_t natural_names(cm_binder *b, const cm_names *left, const cm_names *right,
                            const char *const **ret)
{
    const char **names = CM_NEW_SMALL(b->arena, const char *, left->cols + 1);
    size_t count = 0;

    for (size_t i = 0; i < left->cols; i++) {
        for (size_t j = 0; j < right->cols; j++) {
            if (strcmp(left->col[i].name, right->col[j].name) == 0) {
                names[count++] = left->col[i].name;
                break;
            }
        }
    }
    *ret = names;
    return count;
}

/* USING (name): the equality, and the column that stands for both. */
static cm_status merge(cm_scope *s, const cm_ast_from *from, const char *name, const cm_names *left,
                       const cm_names *right, const cm_expr **ret_equal, cm_scope_col *ret_col)
{
    const cm_scope_col *l = NULL, *r = NULL;
    const cm_expr *both[2] = {NULL, NULL};
    cm_type type = {0};

    cm_status st = find_using(s, left, name, "left", from->position, &l);
    if (st == CM_OK) {
        st = find_using(s, right, name, "right", from->position, &r);
    }
    if (st == CM_OK) {
        st = cm_bind_scope_col(s, l, from->position, &both[0]);
    }
    if (st == CM_OK) {
        st = cm_bind_scope_col(s, r, from->position, &both[1]);
    }
    if (st == CM_OK) {
        st = cm_bind_compare(s->b, CM_X_EQ, "=", both[0], both[1], from->position, ret_equal);
    }
    if (st == CM_OK) {
        st = cm_bind_unify(s->b, "JOIN/USING", both, 2, &type);
    }
    if (st != CM_OK) {
        return st;
    }
    *ret_col = from->join == CM_AST_RIGHT ? *r : *l;
    ret_col->merged = true;
    ret_col->type = type;
    if (from->join == CM_AST_FULL) {
        ret_col->other = r;
    }
    return CM_OK;
}

static cm_status bind_using(cm_scope *s, const cm_ast_from *from, const cm_names *left,
                            const cm_names *right, const cm_expr **ret_on, cm_names *ret_names)
{
    cm_binder *b = s->b;
    const char *const *names = from->using_col;
    size_t count = from->usings;

    if (from->natural) {
        count = natural_names(b, left, right, &names);
    }
    const cm_expr **equal = CM_NEW_SMALL(b->arena, const cm_expr *, count + 1);
    cm_scope_col *merged = CM_NEW_SMALL(b->arena, cm_scope_col, count + 1);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names[i], names[j]) == 0) {
                cm_bind_at(b, from->position);
                return cm_fail(b->diag, CM_EINVAL, CM_SQL_DUPLICATE_COLUMN,
                               "column name \"" CM_QUOTE
                               "\" appears more than once in USING clause",
                               names[i]);
            }
        }
        cm_status st = merge(s, from, names[i], left, right, &equal[i], &merged[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    join_names(b, left, right, merged, count, ret_names);
    *ret_on = count > 0 ? equal[0] : NULL;
    return count < 2 ? CM_OK
                     : cm_bind_op(b, CM_X_AND, cm_bind_plain(CM_TYPE_BOOL), equal, count, 0, 0,
                                  from->position, ret_on);
}

const cm_from *cm_bind_join(cm_binder *b, cm_from_kind kind, const cm_from *left,
                            const cm_from *right, const cm_expr *on, int position)
{
    cm_from *node = CM_NEW_SMALL(b->arena, cm_from, 1);

    *node = (cm_from){.kind = kind, .left = left, .right = right, .on = on, .position = position};
    return node;
}

const cm_from *cm_bind_apply_join(cm_binder *b, const cm_from *left, const cm_from *right,
                                  const cm_expr *on, unsigned rel, int position)
{
    cm_from *node = CM_NEW_SMALL(b->arena, cm_from, 1);

    *node = (cm_from){.kind = CM_FROM_APPLY,
                      .rel = rel,
                      .left = left,
                      .right = right,
                      .on = on,
                      .position = position};
    return node;
}

/* An outer join without a condition keeps its kind: its condition is true. */
static const cm_from *finish_join(cm_scope *s, const cm_ast_from *from, const cm_from *left,
                                  const cm_from *right, const cm_expr *on)
{
    cm_binder *b = s->b;

    if (on == NULL && from->join != CM_AST_INNER) {
        on = cm_bind_number(b, cm_bind_plain(CM_TYPE_BOOL), 1, from->position);
    }
    switch (from->join) {
    case CM_AST_INNER:
        return cm_bind_join(b, on == NULL ? CM_FROM_CROSS : CM_FROM_INNER, left, right, on,
                            from->position);
    case CM_AST_LEFT:
        return cm_bind_join(b, CM_FROM_LEFT, left, right, on, from->position);
    case CM_AST_RIGHT:
        return cm_bind_join(b, CM_FROM_LEFT, right, left, on, from->position);
    case CM_AST_FULL:
        return cm_bind_join(b, CM_FROM_FULL, left, right, on, from->position);
    }
    CM_ASSERT(0 && "join");
}

static cm_status bind_join(cm_scope *s, const cm_ast_from *from, const cm_from **ret,
                           cm_names *ret_names)
{
    const cm_from *left = NULL, *right = NULL;
    cm_names l = {0}, r = {0}, both = {0};
    const cm_expr *on = NULL;

    cm_status st = bind_item(s, from->left, &left, &l);
    if (st == CM_OK) {
        st = bind_item(s, from->right, &right, &r);
    }
    if (st == CM_OK) {
        cm_bind_at(s->b, from->position);
        st = check_aliases(s, &l, &r);
    }
    if (st != CM_OK) {
        return st;
    }
    if (from->natural || from->usings > 0) {
        st = bind_using(s, from, &l, &r, &on, &both);
    } else {
        join_names(s->b, &l, &r, NULL, 0, &both);
        const cm_place at = {.s = s, .names = &both, .clause = "JOIN conditions"};
        if (from->on != NULL) {
            st = cm_bind_condition(&at, "JOIN/ON", from->on, &on);
        }
    }
    if (st != CM_OK) {
        return st;
    }
    if (from->join == CM_AST_LEFT || from->join == CM_AST_FULL) {
        set_nulled(s, &r);
    }
    if (from->join == CM_AST_RIGHT || from->join == CM_AST_FULL) {
        set_nulled(s, &l);
    }
    *ret = finish_join(s, from, left, right, on);
    *ret_names = both;
    return CM_OK;
}

static cm_status bind_item(cm_scope *s, const cm_ast_from *from, const cm_from **ret,
                           cm_names *names)
{
    switch (from->kind) {
    case CM_AST_FROM_TABLE:
        return cm_bind_table(s, from, ret, names);
    case CM_AST_FROM_SELECT:
        return cm_bind_derived(s, from, ret, names);
    case CM_AST_FROM_JOIN:
        return bind_join(s, from, ret, names);
    case CM_AST_FROM_UNSUPPORTED:
        return cm_bind_refuse(s->b, from->position, "%s", from->name);
    }
    CM_ASSERT(0 && "from kind");
}

cm_status cm_bind_from(cm_scope *s, const cm_ast_select *select, const cm_from **ret,
                       cm_names *ret_names)
{
    const cm_from *tree = NULL;
    cm_names all = {.first = s->relations, .last = s->relations};

    for (size_t i = 0; i < select->froms; i++) {
        const cm_from *item = NULL;
        cm_names names = {0};
        cm_status st = bind_item(s, select->from[i], &item, &names);
        if (st == CM_OK) {
            cm_bind_at(s->b, select->from[i]->position);
            st = check_aliases(s, &all, &names);
        }
        if (st != CM_OK) {
            return st;
        }
        CM_ASSERT(item != NULL);
        if (tree == NULL) {
            tree = item;
            all = names;
            continue;
        }
        tree = cm_bind_join(s->b, CM_FROM_CROSS, tree, item, NULL, item->position);
        cm_names both;
        join_names(s->b, &all, &names, NULL, 0, &both);
        all = both;
    }
    *ret = tree;
    *ret_names = all;
    return CM_OK;
}
