/* What FROM reads: tables and unions of tables, derived queries, WITH queries. */
#include "sql/bind_int.h"

#include <stdio.h>
#include <string.h>

static cm_status too_many(cm_binder *b)
{
    return cm_fail(b->diag, CM_EINVAL, CM_SQL_TOO_COMPLEX,
                   "a statement can read at most %d tables in one FROM and %d in all",
                   CM_BIND_MAX_RELATIONS, CM_BIND_MAX_ALL_RELATIONS);
}

static uint64_t add_rows(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* A join that the planner takes has a unique side, and gives no more rows than the other has. */
uint64_t cm_bind_rows(const cm_scope *s)
{
    uint64_t rows = 0;

    for (unsigned r = 0; r < s->relations; r++) {
        rows = add_rows(rows, s->rows[r]);
    }
    return rows == 0 ? 1 : rows;
}

/* Adds the relation to the scope; *names describes it alone. */
static cm_status add_relation(cm_scope *s, const cm_ast_from *from, cm_relation relation,
                              uint64_t rows, const cm_from **ret, cm_names *names)
{
    cm_binder *b = s->b;
    const unsigned r = s->relations;

    if (r >= CM_BIND_MAX_RELATIONS || b->relations >= CM_BIND_MAX_ALL_RELATIONS) {
        cm_bind_at(b, from->position);
        return too_many(b);
    }
    cm_status st = cm_bind_room(b);
    if (st != CM_OK) {
        return st;
    }
    if (from->alias_cols > relation.cols) {
        cm_bind_at(b, from->position);
        return cm_fail(b->diag, CM_EINVAL, "42P10",
                       "table \"%s\" has %zu columns available but %zu columns specified",
                       relation.alias, relation.cols, from->alias_cols);
    }
    if (from->alias_cols > 0) {
        cm_column *renamed = CM_NEW_SMALL(b->arena, cm_column, relation.cols);
        for (size_t i = 0; i < relation.cols; i++) {
            renamed[i] = relation.col[i];
            if (i < from->alias_cols) {
                renamed[i].name = from->alias_col[i];
            }
        }
        relation.col = renamed;
    }
    cm_scope_col *cols = CM_NEW_SMALL(b->arena, cm_scope_col, relation.cols + 1);
    for (size_t i = 0; i < relation.cols; i++) {
        cols[i] = (cm_scope_col){.name = relation.col[i].name, .rel = r, .index = (unsigned)i};
    }
    cm_from *node = CM_NEW_SMALL(b->arena, cm_from, 1);
    *node = (cm_from){.kind = CM_FROM_RELATION, .rel = r, .position = from->position};
    s->relation[r] = relation;
    s->schema_name[r] = from->schema;
    s->aliased[r] = from->alias != NULL;
    s->rows[r] = rows;
    s->relations++;
    b->relations++;
    *names = (cm_names){.cols = relation.cols, .col = cols, .first = r, .last = r + 1};
    *ret = node;
    return CM_OK;
}

/* Names like the one that nobody publishes. */
static void hint_tables(cm_binder *b, const char *name)
{
    char list[256] = "";
    size_t bytes = 0;

    for (size_t i = 0; i < b->schema->tables; i++) {
        const cm_org_table *t = &b->schema->table[i];
        size_t more = strlen(t->org) + strlen(t->name) + 3;
        if (cm_bind_distance(name, t->name) <= 3 && bytes + more < sizeof list) {
            bytes += (size_t)snprintf(list + bytes, sizeof list - bytes, "%s%s.%s",
                                      bytes > 0 ? ", " : "", t->org, t->name);
        }
    }
    if (bytes > 0) {
        cm_diag_hint(b->diag, "Similar tables are published: %s.", list);
    }
}

static cm_status no_table(cm_binder *b, const cm_ast_from *from)
{
    cm_bind_at(b, from->position);
    hint_tables(b, from->name);
    return cm_fail(
        b->diag, CM_EINVAL, CM_SQL_UNDEFINED_TABLE, "relation \"%s%s" CM_QUOTE "\" does not exist",
        from->schema == NULL ? "" : from->schema, from->schema == NULL ? "" : ".", from->name);
}

static cm_status mismatch(cm_binder *b, const cm_ast_from *from, const cm_org_table *a,
                          const cm_org_table *c, const char *column)
{
    cm_bind_at(b, from->position);
    cm_diag_detail(b->diag, "Owners \"%s\" and \"%s\" publish it differently: column \"%s\".",
                   a->org, c->org, column);
    cm_diag_hint(b->diag, "Name one owner's table: %s.%s.", a->org, a->name);
    return cm_fail(b->diag, CM_EINVAL, CM_SQL_DATATYPE_MISMATCH,
                   "table \"%s\" has different columns at \"%s\" and \"%s\"", from->name, a->org,
                   c->org);
}

static cm_status check_same_columns(cm_binder *b, const cm_ast_from *from, const cm_org_table *a,
                                    const cm_org_table *c)
{
    size_t shared = a->cols < c->cols ? a->cols : c->cols;

    for (size_t i = 0; i < shared; i++) {
        if (strcmp(a->col[i].name, c->col[i].name) != 0 ||
            !cm_type_equal(&a->col[i].type, &c->col[i].type)) {
            return mismatch(b, from, a, c, a->col[i].name);
        }
    }
    return a->cols == c->cols
               ? CM_OK
               : mismatch(b, from, a, c,
                          a->cols > shared ? a->col[shared].name : c->col[shared].name);
}

static void widen(cm_column *col, const cm_column *other)
{
    col->range.lo = other->range.lo < col->range.lo ? other->range.lo : col->range.lo;
    col->range.hi = other->range.hi > col->range.hi ? other->range.hi : col->range.hi;
    col->not_null = col->not_null && other->not_null;
    col->has_check = col->has_check && other->has_check;
    col->unique = false;
    if (other->label.kind < col->label.kind) {
        col->label.kind = other->label.kind;
    }
    if (other->label.min_rows > col->label.min_rows) {
        col->label.min_rows = other->label.min_rows;
    }
}

/* What the statement presumes of a number that nobody has limited. */
static void presume(const cm_binder *b, cm_column *col)
{
    if (b->presumes > 0 && !col->has_check && cm_type_is_number(&col->type)) {
        const cm_range range = cm_presumed_range(b->presumes);
        col->range.lo = range.lo > col->range.lo ? range.lo : col->range.lo;
        col->range.hi = range.hi < col->range.hi ? range.hi : col->range.hi;
    }
}

static cm_status unite(cm_binder *b, const cm_ast_from *from, const cm_org_table *const *tables,
                       size_t count, cm_relation *ret)
{
    cm_column *cols = CM_NEW_SMALL(b->arena, cm_column, tables[0]->cols);

    for (size_t c = 0; c < tables[0]->cols; c++) {
        cols[c] = tables[0]->col[c];
    }
    for (size_t t = 1; t < count; t++) {
        cm_status st = check_same_columns(b, from, tables[0], tables[t]);
        if (st != CM_OK) {
            return st;
        }
        for (size_t c = 0; c < tables[0]->cols; c++) {
            widen(&cols[c], &tables[t]->col[c]);
        }
    }
    for (size_t c = 0; c < tables[0]->cols; c++) {
        presume(b, &cols[c]);
    }
    *ret = (cm_relation){.alias = from->alias != NULL ? from->alias : from->name,
                         .tables = count,
                         .table = tables,
                         .cols = tables[0]->cols,
                         .col = cols};
    return CM_OK;
}

/* A materialized view is derived from what is kept of it. */
static cm_status bind_stored(cm_scope *s, const cm_ast_from *from,
                             const cm_org_table *const *tables, size_t count, const cm_from **ret,
                             cm_names *names)
{
    cm_binder *b = s->b;
    const cm_org_table *table = tables[0];

    if (count > 1) {
        cm_status st = cm_bind_refuse(b, from->position,
                                      "a union with a materialized view by an unqualified name");
        cm_diag_hint(b->diag, "Name one owner's: %s.%s.", table->org, table->name);
        return st;
    }
    if (!table->stored->filled) {
        cm_bind_at(b, from->position);
        cm_diag_hint(b->diag, "On %s's node: REFRESH MATERIALIZED VIEW %s;", table->org,
                     table->name);
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_NOT_READY,
                       "materialized view \"%s\" has not been populated", table->name);
    }
    cm_query *query = CM_NEW_SMALL(b->arena, cm_query, 1);
    cm_target *target = CM_NEW_SMALL(b->arena, cm_target, table->cols + 1);
    for (size_t i = 0; i < table->cols; i++) {
        const cm_column *col = &table->col[i];
        target[i] = (cm_target){col->name,
                                cm_expr_column(b->arena, 0, (unsigned)i, col->type, !col->not_null,
                                               col->range, from->position),
                                false};
    }
    *query = (cm_query){.stored = table, .targets = table->cols, .target = target};
    const cm_relation relation = {.alias = from->alias != NULL ? from->alias : from->name,
                                  .derived = query,
                                  .cols = table->cols,
                                  .col = table->col};
    return add_relation(s, from, relation, table->rows, ret, names);
}

/* Every member's table of that name, in the members' order; org.table: that one. */
static cm_status bind_base(cm_scope *s, const cm_ast_from *from, const cm_from **ret,
                           cm_names *names)
{
    cm_binder *b = s->b;
    const cm_org_table **tables =
        CM_NEW_SMALL(b->arena, const cm_org_table *, b->schema->members + 1);
    size_t count = 0;
    uint64_t rows = 0;
    cm_relation relation;

    for (size_t m = 0; m < b->schema->members; m++) {
        const char *org = b->schema->member[m].org;
        if (from->schema != NULL && strcmp(from->schema, org) != 0) {
            continue;
        }
        const cm_org_table *table = cm_schema_table(b->schema, org, from->name);
        if (table != NULL) {
            tables[count++] = table;
            rows = add_rows(rows, table->rows);
        }
    }
    if (count == 0) {
        return no_table(b, from);
    }
    for (size_t t = 0; t < count; t++) {
        if (tables[t]->stored != NULL) {
            return bind_stored(s, from, tables, count, ret, names);
        }
    }
    cm_status st = unite(b, from, tables, count, &relation);
    return st == CM_OK ? add_relation(s, from, relation, rows, ret, names) : st;
}

/* Derived relations -------------------------------------------------------------------------- */

typedef struct label_walk {
    const cm_query *query;
    cm_label label;
} label_walk;

static bool strictest_label(const cm_expr *expr, void *arg)
{
    label_walk *walk = arg;

    if (expr->op == CM_X_COLUMN) {
        const cm_relation *r = &walk->query->relation[expr->rel];
        if (expr->index < r->cols) {
            cm_label own = r->col[expr->index].label;
            walk->label.kind = own.kind < walk->label.kind ? own.kind : walk->label.kind;
            walk->label.min_rows =
                own.min_rows > walk->label.min_rows ? own.min_rows : walk->label.min_rows;
        }
    }
    return true;
}

/* What a derived query's column is to those who read it. */
static cm_column column_of(const cm_query *query, const cm_target *target)
{
    cm_column col = {.name = target->name,
                     .type = target->expr->type,
                     .not_null = !target->expr->nullable,
                     .range = target->expr->range};
    label_walk walk = {query, {CM_LABEL_REVEAL, 0}};
    const cm_relation *origin;
    unsigned index;

    (void)cm_expr_walk(target->expr, strictest_label, &walk);
    col.label = walk.label;
    /* One row a group: a lone grouping key does not repeat. */
    col.unique =
        query->grouped && query->groups == 1 && cm_expr_equal(query->group[0], target->expr);
    if (cm_query_origin(query, target->expr, &origin, &index) && index < origin->cols) {
        col.has_check = origin->col[index].has_check;
        col.unique = col.unique || (origin->col[index].unique && query->relations == 1 &&
                                    query->relation[0].derived == NULL);
    }
    return col;
}

cm_relation cm_bind_derive(cm_binder *b, const cm_query *query)
{
    cm_column *cols = CM_NEW_SMALL(b->arena, cm_column, query->targets + 1);
    size_t count = 0;

    for (size_t i = 0; i < query->targets; i++) {
        if (!query->target[i].hidden) {
            cols[count++] = column_of(query, &query->target[i]);
        }
    }
    return (cm_relation){.alias = "", .derived = query, .cols = count, .col = cols};
}

cm_status cm_bind_add_hidden(cm_scope *s, cm_relation relation, uint64_t rows, int position,
                             const cm_from **ret, cm_names *names)
{
    const cm_ast_from nameless = {.position = position};

    return add_relation(s, &nameless, relation, rows, ret, names);
}

cm_status cm_bind_one_row(cm_scope *s, const cm_from **ret)
{
    cm_binder *b = s->b;
    cm_query *one = CM_NEW_SMALL(b->arena, cm_query, 1);
    cm_target *target = CM_NEW_SMALL(b->arena, cm_target, 1);
    cm_names names;

    target[0] = (cm_target){"one", cm_bind_number(b, cm_bind_plain(CM_TYPE_BOOL), 1, 0), false};
    *one = (cm_query){.targets = 1, .target = target};
    return cm_bind_add_hidden(s, cm_bind_derive(b, one), 1, 0, ret, &names);
}

cm_status cm_bind_derived(cm_scope *s, const cm_ast_from *from, const cm_from **ret,
                          cm_names *names)
{
    const cm_query *query;
    uint64_t rows;

    cm_status st = cm_bind_select(s->b, from->select, &query, &rows);
    if (st != CM_OK) {
        return st;
    }
    cm_relation relation = cm_bind_derive(s->b, query);
    relation.alias = from->alias != NULL ? from->alias : "";
    return add_relation(s, from, relation, rows, ret, names);
}

/* A query under a name, with other names for its first columns. */
static cm_status name_query(cm_binder *b, const char *what, const char *name, size_t cols,
                            const char *const *col, const cm_query *query, int position,
                            const cm_relation **ret)
{
    cm_relation *relation = CM_NEW_SMALL(b->arena, cm_relation, 1);

    *relation = cm_bind_derive(b, query);
    if (cols > relation->cols) {
        cm_bind_at(b, position);
        return cm_fail(b->diag, CM_EINVAL, "42P10",
                       "%s \"%s\" has %zu columns available but %zu columns specified", what, name,
                       relation->cols, cols);
    }
    cm_column *renamed = CM_NEW_SMALL(b->arena, cm_column, relation->cols + 1);
    for (size_t c = 0; c < relation->cols; c++) {
        renamed[c] = relation->col[c];
        renamed[c].name = c < cols ? col[c] : renamed[c].name;
    }
    relation->col = renamed;
    *ret = relation;
    return CM_OK;
}

/* WITH queries are bound where they stand and shared by all who read them. */
cm_status cm_bind_with(cm_binder *b, const cm_ast_select *select)
{
    for (size_t i = 0; i < select->withs; i++) {
        const cm_ast_with *with = &select->with[i];
        const cm_query *query;
        uint64_t rows;
        const cm_relation *relation = NULL;
        cm_with_query *entry = CM_NEW_SMALL(b->arena, cm_with_query, 1);

        for (size_t j = 0; j < i; j++) {
            if (strcmp(select->with[j].name, with->name) == 0) {
                cm_bind_at(b, with->position);
                return cm_fail(b->diag, CM_EINVAL, CM_SQL_DUPLICATE_ALIAS,
                               "WITH query name \"" CM_QUOTE "\" specified more than once",
                               with->name);
            }
        }
        cm_status st = cm_bind_select(b, with->select, &query, &rows);
        if (st != CM_OK) {
            return st;
        }
        st = name_query(b, "WITH query", with->name, with->cols, with->col, query, with->position,
                        &relation);
        if (st != CM_OK) {
            return st;
        }
        *entry = (cm_with_query){with->name, relation, rows, b->withs};
        b->withs = entry;
    }
    return CM_OK;
}

/* A view sees neither WITH queries nor later views; it is bound once. */
static cm_status bind_view(cm_binder *b, size_t index, const cm_with_query **ret)
{
    const cm_with_query *withs = b->withs;
    const cm_stmt *view = &b->view[index];
    const cm_relation *relation = NULL;
    const cm_query *query = NULL;
    size_t views = b->views;
    uint64_t rows = 0;

    if (b->view_bound[index] != NULL) {
        *ret = b->view_bound[index];
        return CM_OK;
    }
    b->withs = NULL;
    b->views = index;
    cm_status st = cm_bind_select(b, view->select, &query, &rows);
    b->withs = withs;
    b->views = views;
    if (st == CM_OK) {
        st =
            name_query(b, "view", view->name, view->view.cols, view->view.col, query, 0, &relation);
    }
    if (st != CM_OK) {
        return st;
    }
    b->view_bound[index] = CM_NEW_SMALL(b->arena, cm_with_query, 1);
    *b->view_bound[index] = (cm_with_query){view->name, relation, rows, NULL};
    *ret = b->view_bound[index];
    return CM_OK;
}

/* Views are the asking organisation's own. */
static bool means_view(const cm_binder *b, const cm_ast_from *from, size_t *ret)
{
    bool own = from->schema == NULL || strcmp(from->schema, "public") == 0 ||
               strcmp(from->schema, b->requester) == 0;

    for (size_t i = b->views; own && i-- > 0;) {
        if (strcmp(b->view[i].name, from->name) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

cm_status cm_bind_table(cm_scope *s, const cm_ast_from *from, const cm_from **ret, cm_names *names)
{
    for (const cm_with_query *w = s->b->withs; from->schema == NULL && w != NULL; w = w->next) {
        if (strcmp(w->name, from->name) == 0) {
            cm_relation relation = *w->relation;
            relation.alias = from->alias != NULL ? from->alias : from->name;
            return add_relation(s, from, relation, w->rows, ret, names);
        }
    }
    const cm_with_query *view = NULL;
    size_t index;
    if (!means_view(s->b, from, &index)) {
        return bind_base(s, from, ret, names);
    }
    cm_status st = bind_view(s->b, index, &view);
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(view != NULL && view->relation != NULL);
    cm_relation relation = *view->relation;
    relation.alias = from->alias != NULL ? from->alias : from->name;
    return add_relation(s, from, relation, view->rows, ret, names);
}
