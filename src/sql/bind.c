/*
 * SELECT, clause by clause, in the order in which PostgreSQL looks at names: FROM, the select list,
 * WHERE, GROUP BY, HAVING, ORDER BY, LIMIT.
 */
#include "sql/bind_int.h"

#include <string.h>

/* Output names -------------------------------------------------------------------------------- */

/*
 * As PostgreSQL finds a name for what has none: a name of its own is stronger than that of a type
 * or CASE, through which casts and CASE look for one.
 */
typedef enum name_strength { NAME_NONE, NAME_WEAK, NAME_OWN } name_strength;

static name_strength figure_name(const cm_ast *ast, const char **ret);

static name_strength name_of_select(const cm_ast_select *s, const char **ret)
{
    while (s->set != CM_AST_NO_SET) {
        s = s->left;
    }
    if (s->rows > 0) {
        *ret = "column1";
        return NAME_OWN;
    }
    if (s->targets != 1) {
        return NAME_NONE;
    }
    if (s->target[0].name != NULL) {
        *ret = s->target[0].name;
        return NAME_OWN;
    }
    return figure_name(s->target[0].expr, ret);
}

/* The inner one's where it is its own, else the weak one given. */
static name_strength or_weak(const cm_ast *inner, const char *weak, const char **ret)
{
    if (inner != NULL && figure_name(inner, ret) == NAME_OWN) {
        return NAME_OWN;
    }
    *ret = weak;
    return NAME_WEAK;
}

static name_strength figure_name(const cm_ast *ast, const char **ret)
{
    switch ((int)ast->kind) {
    case CM_AST_COLUMN:
        *ret = ast->names > 0 ? ast->name[ast->names - 1] : NULL;
        return ast->names > 0 ? NAME_OWN : NAME_NONE;
    case CM_AST_FUNC: {
        const char *dot = strrchr(ast->text, '.');
        *ret = dot == NULL ? ast->text : dot + 1;
        return NAME_OWN;
    }
    case CM_AST_CAST:
        return or_weak(ast->arg[0], ast->type.name, ret);
    case CM_AST_CASE:
        return or_weak(ast->arg[ast->args - 1], "case", ret);
    case CM_AST_COALESCE:
        *ret = "coalesce";
        return NAME_OWN;
    case CM_AST_GREATEST:
        *ret = "greatest";
        return NAME_OWN;
    case CM_AST_LEAST:
        *ret = "least";
        return NAME_OWN;
    case CM_AST_NULLIF:
        *ret = "nullif";
        return NAME_OWN;
    case CM_AST_EXISTS:
        *ret = "exists";
        return NAME_OWN;
    case CM_AST_SCALAR:
        return name_of_select(ast->select, ret);
    default:
        return NAME_NONE;
    }
}

static const char *name_of(const cm_ast *ast)
{
    const char *name = NULL;

    return figure_name(ast, &name) == NAME_NONE ? NULL : name;
}

/* The select list ------------------------------------------------------------------------------ */

cm_status cm_bind_add_target(cm_select_state *q, const char *name, const cm_expr *expr, bool hidden)
{
    cm_binder *b = q->s->b;

    if (q->query->targets >= CM_BIND_MAX_TARGETS) {
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_TOO_MANY_COLUMNS,
                       "target lists can have at most %d entries", CM_BIND_MAX_TARGETS);
    }
    cm_status st = CM_OK;
    if (!q->unknowns) {
        st = cm_bind_coerce_unknown(b, expr, cm_bind_text(0), &expr);
    }
    if (st == CM_OK && expr->type.kind == CM_TYPE_INTERVAL) {
        return cm_bind_refuse(b, expr->position, "an interval in the result");
    }
    if (st == CM_OK) {
        q->target[q->query->targets++] = (cm_target){name, expr, hidden};
    }
    return st;
}

static cm_status expand_star(cm_select_state *q, const cm_ast *ast)
{
    cm_binder *b = q->s->b;

    if (q->names.first == q->names.last) {
        cm_bind_at(b, ast->position);
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_SYNTAX,
                       "SELECT * with no tables specified is not valid");
    }
    for (size_t i = 0; i < q->names.cols; i++) {
        const cm_expr *expr;
        cm_status st = cm_bind_room(b);
        if (st == CM_OK) {
            st = cm_bind_scope_col(q->s, &q->names.col[i], ast->position, &expr);
        }
        if (st == CM_OK) {
            st = cm_bind_add_target(q, q->names.col[i].name, expr, false);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status expand_relation(cm_select_state *q, const cm_place *at, const cm_ast *ast)
{
    const char *schema = ast->names > 1 ? ast->name[ast->names - 2] : NULL;
    const char *name = ast->name[ast->names - 1];
    int r = cm_bind_find_relation(at, schema, name);

    if (r < 0) {
        return cm_bind_no_relation(at, name, ast->position);
    }
    for (size_t i = 0; i < q->s->relation[r].cols; i++) {
        const cm_scope_col col = {.rel = (unsigned)r, .index = (unsigned)i};
        const cm_expr *expr;
        cm_status st = cm_bind_room(q->s->b);
        if (st == CM_OK) {
            st = cm_bind_scope_col(q->s, &col, ast->position, &expr);
        }
        if (st == CM_OK) {
            st = cm_bind_add_target(q, q->s->relation[r].col[i].name, expr, false);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status bind_targets(cm_select_state *q)
{
    const cm_place at = {.s = q->s, .names = &q->names, .windows = &q->windows, .late = true};
    size_t most = q->select->targets + q->select->orders;

    /* Stars may expand; orders may add. */
    most = most < CM_BIND_MAX_TARGETS ? CM_BIND_MAX_TARGETS : most;
    q->target = CM_NEW_SMALL(q->s->b->arena, cm_target, most);
    for (size_t i = 0; i < q->select->targets; i++) {
        const cm_ast_target *target = &q->select->target[i];
        cm_status st;
        if (target->expr->kind == CM_AST_COLUMN && target->expr->star) {
            st = target->expr->names == 0 ? expand_star(q, target->expr)
                                          : expand_relation(q, &at, target->expr);
        } else {
            const cm_expr *expr;
            const char *name = target->name != NULL ? target->name : name_of(target->expr);
            st = cm_bind_expr(&at, target->expr, &expr);
            if (st == CM_OK) {
                st = cm_bind_add_target(q, name == NULL ? "?column?" : name, expr, false);
            }
        }
        if (st != CM_OK) {
            return st;
        }
    }
    q->shown = q->query->targets;
    return CM_OK;
}

/* LIMIT, DISTINCT --------------------------------------------------------------------------------
 */

static bool is_no_column(const cm_expr *expr, void *arg)
{
    (void)arg;
    return expr->op != CM_X_COLUMN;
}

/* *ret_given false for NULL, which is LIMIT ALL. */
static cm_status bind_count(cm_select_state *q, const cm_ast *ast, const char *clause,
                            const char *negative, bool *ret_given, uint64_t *ret)
{
    const cm_place at = {.s = q->s, .names = &q->names, .clause = clause};
    const cm_type int8 = cm_bind_plain(CM_TYPE_INT8);
    cm_binder *b = q->s->b;
    const cm_expr *expr;

    *ret_given = false;
    *ret = 0;
    if (ast == NULL) {
        return CM_OK;
    }
    cm_status st = cm_bind_expr(&at, ast, &expr);
    if (st == CM_OK) {
        st = cm_bind_coerce_unknown(b, expr, int8, &expr);
    }
    if (st == CM_OK && expr->type.kind == CM_TYPE_NUMERIC) {
        st = cm_bind_rescale(b, CM_X_RESCALE, expr, 0, ast->position, &expr);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_bind_at(b, ast->position);
    if (!cm_expr_walk(expr, is_no_column, NULL)) {
        return cm_fail(b->diag, CM_EINVAL, "42P10", "argument of %s must not contain variables",
                       clause);
    }
    if (!cm_type_is_number(&expr->type)) {
        return cm_fail(b->diag, CM_EINVAL, CM_SQL_DATATYPE_MISMATCH,
                       "argument of %s must be type bigint, not type %s", clause,
                       cm_bind_type_name(b, &expr->type));
    }
    *ret_given = true;
    if (!cm_bind_is_const(expr)) { /* a parameter, while describing */
        return expr->op == CM_X_PARAM
                   ? CM_OK
                   : cm_bind_refuse(b, ast->position, "%s that is not a constant", clause);
    }
    *ret_given = !expr->value.null;
    if (expr->value.null) {
        return CM_OK;
    }
    if (expr->value.number < 0) {
        return cm_fail(b->diag, CM_EINVAL, negative, "%s must not be negative", clause);
    }
    if (expr->value.number > INT64_MAX) {
        return cm_fail(b->diag, CM_ERANGE, CM_SQL_RANGE, "bigint out of range");
    }
    *ret = (uint64_t)expr->value.number;
    return CM_OK;
}

cm_status cm_bind_limit(cm_select_state *q)
{
    bool given;

    cm_status st =
        bind_count(q, q->select->limit, "LIMIT", "2201W", &q->query->has_limit, &q->query->limit);
    return st == CM_OK
               ? bind_count(q, q->select->offset, "OFFSET", "2201X", &given, &q->query->offset)
               : st;
}

/* DISTINCT is grouping by what is shown; over groups that are all shown it says nothing new. */
static void settle_distinct(cm_select_state *q)
{
    cm_query *query = q->query;

    query->distinct = q->select->distinct;
    if (!query->distinct) {
        return;
    }
    if (!query->grouped) {
        for (size_t i = 0; i < q->shown; i++) {
            cm_bind_add_group(q, q->target[i].expr);
        }
        query->group = q->group;
        query->grouped = true;
        query->distinct = false;
        return;
    }
    query->distinct = false;
    for (size_t g = 0; g < query->groups; g++) {
        bool found = false;
        for (size_t i = 0; i < q->shown; i++) {
            found = found || cm_expr_equal(q->target[i].expr, q->group[g]);
        }
        query->distinct = query->distinct || !found;
    }
}

/* The whole -------------------------------------------------------------------------------------
 */

static cm_status bind_clauses(cm_select_state *q)
{
    const cm_place grouped = {.s = q->s, .names = &q->names, .late = true};
    cm_query *query = q->query;

    cm_status st = cm_bind_from(q->s, q->select, &query->from, &q->names);
    if (st == CM_OK) {
        st = bind_targets(q);
    }
    if (st == CM_OK && q->select->where != NULL) {
        st = cm_bind_where(q->s, &q->names, q->select->where, &query->from, &query->where);
    }
    if (st == CM_OK) {
        st = cm_bind_take_correlation(q);
    }
    if (st == CM_OK) {
        st = cm_bind_groups(q);
    }
    if (st == CM_OK && q->select->having != NULL) {
        st = cm_bind_condition(&grouped, "HAVING", q->select->having, &query->having);
    }
    if (st == CM_OK) {
        st = cm_bind_orders(q);
    }
    if (st == CM_OK) {
        st = cm_bind_check_grouping(q);
    }
    if (st == CM_OK) {
        st = cm_bind_limit(q);
    }
    if (st == CM_OK) {
        st = cm_bind_group_by_correlation(q);
    }
    return st == CM_OK ? cm_bind_join_late(q) : st;
}

cm_status cm_bind_select(cm_binder *b, const cm_ast_select *select, const cm_query **ret,
                         uint64_t *ret_rows)
{
    cm_select_state *q = NULL;

    cm_status st = cm_bind_subselect(b, select, NULL, &q, ret_rows);
    if (st == CM_OK) {
        CM_ASSERT(q != NULL);
        *ret = q->query;
    }
    return st;
}

cm_status cm_bind_subselect(cm_binder *b, const cm_ast_select *select, const cm_place *outer,
                            cm_select_state **ret_state, uint64_t *ret_rows)
{
    return select->set != CM_AST_NO_SET || select->rows > 0
               ? cm_bind_set(b, select, ret_state, ret_rows)
               : cm_bind_simple(b, select, outer, false, ret_state, ret_rows);
}

cm_status cm_bind_simple(cm_binder *b, const cm_ast_select *select, const cm_place *outer,
                         bool unknowns, cm_select_state **ret_state, uint64_t *ret_rows)
{
    const cm_with_query *outer_withs = b->withs;

    if (select->unsupported != NULL) {
        return cm_bind_refuse(b, select->unsupported_position, "%s", select->unsupported);
    }
    cm_status st = cm_bind_room(b);
    if (st == CM_OK) {
        st = cm_bind_with(b, select);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_select_state *q = CM_NEW_SMALL(b->arena, cm_select_state, 1);
    *q = (cm_select_state){.s = CM_NEW_SMALL(b->arena, cm_scope, 1),
                           .select = select,
                           .unknowns = unknowns,
                           .query = CM_NEW_SMALL(b->arena, cm_query, 1)};
    q->s->b = b;
    q->s->outer = outer;
    st = bind_clauses(q);
    b->withs = outer_withs;
    if (st != CM_OK) {
        return st;
    }
    q->query->relations = q->s->relations;
    q->query->relation = q->s->relation;
    q->query->target = q->target;
    st = cm_bind_split_windows(q);
    if (st != CM_OK) {
        return st;
    }
    settle_distinct(q);
    *ret_rows = cm_bind_rows(q->s);
    if (q->query->limit > 0 && q->query->limit < *ret_rows) {
        *ret_rows = q->query->limit;
    }
    *ret_state = q;
    return CM_OK;
}

bool cm_query_origin(const cm_query *query, const cm_expr *expr, const cm_relation **ret_relation,
                     unsigned *ret_col)
{
    while (expr->op == CM_X_COLUMN) {
        const cm_relation *relation = &query->relation[expr->rel];
        if (relation->applies > 0) {
            return false;
        }
        if (relation->derived == NULL) {
            *ret_relation = relation;
            *ret_col = expr->index;
            return true;
        }
        if (expr->index >= relation->cols - relation->windows) {
            return false;
        }
        if (relation->derived->arms > 0 || relation->derived->stored != NULL) {
            return false; /* of several origins, or kept */
        }
        /* Column i of a derived relation is its i-th shown target. */
        size_t shown = 0, i = 0;
        while (relation->derived->target[i].hidden || shown != expr->index) {
            shown += !relation->derived->target[i].hidden;
            i++;
        }
        query = relation->derived;
        expr = query->target[i].expr;
    }
    return false;
}

/* Left over from a check that passed. */
static void clear_position(cm_diag *diag)
{
    if (diag != NULL && diag->status == CM_OK) {
        diag->position = 0;
    }
}

static cm_status bind_once(cm_binder b, const cm_ast_select *select, cm_diag *diag,
                           const cm_query **ret)
{
    const cm_query *query = NULL;
    uint64_t rows = 0;

    b.diag = diag;
    b.view_bound = CM_NEW_SMALL(b.arena, cm_with_query *, b.views + 1);
    cm_status st = cm_bind_select(&b, select, &query, &rows);
    for (int i = 0; i < b.params && st == CM_OK && b.param_values == NULL; i++) {
        if (b.param_types[i].kind == CM_TYPE_UNKNOWN) {
            clear_position(diag);
            st = cm_fail(diag, CM_EINVAL, "42P18", "could not determine data type of parameter $%d",
                         i + 1);
        }
    }
    if (st != CM_OK) {
        return st;
    }
    clear_position(diag);
    ((cm_query *)(uintptr_t)query)->presumes = b.presumes; /* just made */
    *ret = query;
    return CM_OK;
}

cm_status cm_sql_bind(const cm_ast_select *select, const cm_schema *schema, const char *requester,
                      cm_type *param_types, const cm_value *param_values, int params,
                      unsigned presumes, cm_arena *arena, const cm_query **ret, cm_diag *diag)
{
    cm_binder b = {.schema = schema,
                   .requester = requester,
                   .arena = arena,
                   .param_types = param_types,
                   .param_values = param_values,
                   .params = params,
                   .presumes = presumes,
                   .now = select->now,
                   .views = select->views,
                   .view = select->view};
    cm_type *asked = CM_NEW_SMALL(arena, cm_type, (size_t)params + 1);

    for (int i = 0; i < params; i++) {
        asked[i] = param_types[i];
    }
    cm_status first = bind_once(b, select, diag, ret), st = first;
    while (st == CM_ERANGE && ++b.presumes < CM_PRESUME_LEVELS) {
        cm_diag ignored = {0};
        for (int i = 0; i < params; i++) {
            param_types[i] = asked[i];
        }
        st = bind_once(b, select, &ignored, ret);
    }
    if (st != CM_OK) {
        return first;
    }
    if (first != CM_OK && diag != NULL) {
        cm_diag_reset(diag);
    }
    return CM_OK;
}
