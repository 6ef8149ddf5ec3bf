/* What a name means: columns, relations, and hints for those who mistyped. */
#include "sql/bind_int.h"

#include <string.h>

enum { FAR = 4, DISTANCE_MAX_BYTES = 63 };

unsigned cm_bind_distance(const char *a, const char *b)
{
    unsigned row[DISTANCE_MAX_BYTES + 1];
    size_t x = strlen(a), y = strlen(b);

    if (x > DISTANCE_MAX_BYTES || y > DISTANCE_MAX_BYTES || x > y + FAR || y > x + FAR) {
        return FAR;
    }
    for (unsigned j = 0; j <= y; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= x; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= y; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = change < other ? change : other;
        }
    }
    /* Half of a short name changed is another name. */
    return row[y] * 2 > x ? FAR : row[y];
}

static const cm_expr *column_of(cm_scope *s, unsigned rel, unsigned index, int position)
{
    const cm_relation *r = &s->relation[rel];
    const bool is_org = index == r->cols;
    const cm_type org = {.kind = CM_TYPE_ENUM, .labels = s->b->schema->orgs};
    const cm_column *col = is_org ? NULL : &r->col[index];

    return cm_expr_column(s->b->arena, rel, index, is_org ? org : col->type,
                          s->nulled[rel] || (!is_org && !col->not_null),
                          is_org ? cm_type_range(&org) : col->range, position);
}

cm_status cm_bind_scope_col(cm_scope *s, const cm_scope_col *col, int position, const cm_expr **ret)
{
    const cm_expr *sides[2] = {column_of(s, col->rel, col->index, position), NULL};
    cm_status st = CM_OK;

    if (col->other != NULL) {
        st = cm_bind_scope_col(s, col->other, position, &sides[1]);
    }
    if (st == CM_OK && col->merged) {
        st = cm_bind_coerce(s->b, sides[0], col->type, &sides[0]);
    }
    if (st == CM_OK && col->other != NULL) {
        st = cm_bind_coerce(s->b, sides[1], col->type, &sides[1]);
        if (st == CM_OK) {
            return cm_bind_op(s->b, CM_X_COALESCE, col->type, sides, 2, 0, 0, position, ret);
        }
    }
    *ret = sides[0];
    return st;
}

static bool has_org(const cm_relation *r)
{
    return r->derived == NULL;
}

/* How many columns of these names the name means: at most two are told apart. */
static unsigned count_matches(const cm_scope *s, const cm_names *names, const char *name,
                              cm_scope_col *ret)
{
    unsigned found = 0;

    for (size_t i = 0; i < names->cols; i++) {
        if (strcmp(names->col[i].name, name) == 0) {
            *ret = names->col[i];
            found++;
        }
    }
    if (found == 0 && strcmp(name, "org") == 0) {
        for (unsigned r = names->first; r < names->last; r++) {
            if (has_org(&s->relation[r])) {
                *ret =
                    (cm_scope_col){.name = "org", .rel = r, .index = (unsigned)s->relation[r].cols};
                found++;
            }
        }
    }
    return found;
}

bool cm_bind_has_column(const cm_place *at, const char *name)
{
    cm_scope_col col;

    return count_matches(at->s, at->names, name, &col) > 0;
}

int cm_bind_find_relation(const cm_place *at, const char *schema, const char *name)
{
    for (const cm_names *names = at->names; names != NULL; names = names->outer) {
        for (unsigned r = names->first; r < names->last; r++) {
            if (strcmp(at->s->relation[r].alias, name) != 0) {
                continue;
            }
            if (schema == NULL || (!at->s->aliased[r] && at->s->schema_name[r] != NULL &&
                                   strcmp(at->s->schema_name[r], schema) == 0)) {
                return (int)r;
            }
        }
    }
    return -1;
}

/* A table that was given an alias is known by the alias alone. */
cm_status cm_bind_no_relation(const cm_place *at, const char *name, int position)
{
    cm_binder *b = at->s->b;

    cm_bind_at(b, position);
    for (unsigned r = 0; r < at->s->relations; r++) {
        const cm_relation *relation = &at->s->relation[r];
        if (relation->tables > 0 && strcmp(relation->table[0]->name, name) == 0) {
            if (at->s->aliased[r]) {
                cm_diag_hint(b->diag, "Perhaps you meant to reference the table alias \"%s\".",
                             relation->alias);
            } else {
                cm_diag_detail(b->diag,
                               "There is an entry for table \"%s\", but it cannot be referenced "
                               "from this part of the query.",
                               name);
            }
            return cm_fail(b->diag, CM_EINVAL, CM_SQL_UNDEFINED_TABLE,
                           "invalid reference to FROM-clause entry for table \"" CM_QUOTE "\"",
                           name);
        }
    }
    return cm_fail(b->diag, CM_EINVAL, CM_SQL_UNDEFINED_TABLE,
                   "missing FROM-clause entry for table \"" CM_QUOTE "\"", name);
}

/* The nearest column by name, of all relations or of one. */
static void hint_column(const cm_place *at, int only, const char *name)
{
    const cm_names *names = at->names;
    unsigned best = FAR;
    const char *relation = "", *column = "";

    CM_ASSERT(names != NULL);
    for (unsigned r = names->first; r < names->last; r++) {
        if (only >= 0 && r != (unsigned)only) {
            continue;
        }
        for (size_t c = 0; c < at->s->relation[r].cols; c++) {
            unsigned distance = cm_bind_distance(name, at->s->relation[r].col[c].name);
            if (distance < best) {
                best = distance;
                relation = at->s->relation[r].alias;
                column = at->s->relation[r].col[c].name;
            }
        }
    }
    if (best < FAR) {
        cm_diag_hint(at->s->b->diag, "Perhaps you meant to reference the column \"%s.%s\".",
                     relation, column);
    }
}

static cm_status bind_unqualified(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;
    const char *name = ast->name[0];
    cm_scope_col col;

    for (const cm_names *names = at->names; names != NULL; names = names->outer) {
        unsigned found = count_matches(at->s, names, name, &col);
        if (found == 1) {
            return cm_bind_scope_col(at->s, &col, ast->position, ret);
        }
        if (found > 1) {
            cm_bind_at(b, ast->position);
            return cm_fail(b->diag, CM_EINVAL, CM_SQL_AMBIGUOUS_COLUMN,
                           "column reference \"" CM_QUOTE "\" is ambiguous", name);
        }
    }
    if (cm_bind_find_relation(at, NULL, name) >= 0) {
        return cm_bind_refuse(b, ast->position, "a whole row as a value");
    }
    cm_bind_at(b, ast->position);
    hint_column(at, -1, name);
    return cm_fail(b->diag, CM_EINVAL, CM_SQL_UNDEFINED_COLUMN,
                   "column \"" CM_QUOTE "\" does not exist", name);
}

/* Whether the query itself has what the name means, be it ambiguous. */
static bool resolves(const cm_place *at, const cm_ast *ast)
{
    cm_scope_col col;

    if (ast->names > 1) {
        return cm_bind_find_relation(at, ast->names == 3 ? ast->name[0] : NULL,
                                     ast->name[ast->names - 2]) >= 0;
    }
    for (const cm_names *names = at->names; names != NULL; names = names->outer) {
        if (count_matches(at->s, names, ast->name[0], &col) > 0) {
            return true;
        }
    }
    return cm_bind_find_relation(at, NULL, ast->name[0]) >= 0;
}

cm_status cm_bind_column(const cm_place *at, const cm_ast *ast, const cm_expr **ret)
{
    cm_binder *b = at->s->b;

    if (ast->star) {
        return cm_bind_refuse(b, ast->position, "a whole row as a value");
    }
    if (at->s->outer != NULL && !resolves(at, ast) && resolves(at->s->outer, ast)) {
        return cm_bind_outer_column(at, ast, ret);
    }
    if (ast->names == 1) {
        return bind_unqualified(at, ast, ret);
    }
    if (ast->names != 2 && ast->names != 3) {
        return cm_bind_refuse(b, ast->position, "a column of another database");
    }
    const char *schema = ast->names == 3 ? ast->name[0] : NULL;
    const char *relation = ast->name[ast->names - 2], *name = ast->name[ast->names - 1];
    int r = cm_bind_find_relation(at, schema, relation);
    if (r < 0) {
        return cm_bind_no_relation(at, relation, ast->position);
    }
    const cm_relation *rel = &at->s->relation[r];
    int found = -1;
    for (size_t c = 0; c < rel->cols; c++) {
        if (strcmp(rel->col[c].name, name) == 0) {
            if (found >= 0) {
                cm_bind_at(b, ast->position);
                return cm_fail(b->diag, CM_EINVAL, CM_SQL_AMBIGUOUS_COLUMN,
                               "column reference \"" CM_QUOTE "\" is ambiguous", name);
            }
            found = (int)c;
        }
    }
    if (found < 0 && has_org(rel) && strcmp(name, "org") == 0) {
        found = (int)rel->cols;
    }
    if (found < 0) {
        cm_bind_at(b, ast->position);
        hint_column(at, r, name);
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_UNDEFINED_COLUMN,
                       "column %s." CM_QUOTE " does not exist", relation, name);
    }
    *ret = column_of(at->s, (unsigned)r, (unsigned)found, ast->position);
    return CM_OK;
}
