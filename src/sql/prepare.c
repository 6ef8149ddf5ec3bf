/* From the text of a SELECT to its plan: what the coordinator does and every node repeats. */
#include "sql/plan.h"

#include "sql/ast.h"
#include "sql/sql_int.h"

/* ---- size ---------------------------------------------------------------------------------- */

/*
 * What comes after binding follows a subquery's columns into it once for every use.  A short text
 * of nested subqueries that use a column twice doubles at every level: it is measured here, as it
 * will be walked, and refused before it costs more than a bounded time, memory and stack.
 */
enum { NODES_MAX = 250000, DEPTH_MAX = 4000 };

typedef struct extent {
    size_t nodes;
    bool exceeded;
} extent;

static bool step(extent *x, unsigned depth)
{
    x->nodes++;
    x->exceeded = x->exceeded || x->nodes > NODES_MAX || depth > DEPTH_MAX;
    return !x->exceeded;
}

static const cm_expr *target_of(const cm_query *query, unsigned column)
{
    for (size_t t = 0; t < query->targets; t++) {
        if (!query->target[t].hidden && column-- == 0) {
            return query->target[t].expr;
        }
    }
    return NULL;
}

static void measure_expr(extent *x, const cm_query *query, const cm_expr *expr, unsigned depth);

static void measure_column(extent *x, const cm_query *inner, unsigned column, unsigned depth)
{
    if (inner->arms == 0 && inner->stored == NULL) {
        measure_expr(x, inner, target_of(inner, column), depth);
    }
    for (size_t i = 0; i < inner->arms; i++) {
        measure_expr(x, inner->arm[i], target_of(inner->arm[i], column), depth);
    }
}

static void measure_expr(extent *x, const cm_query *query, const cm_expr *expr, unsigned depth)
{
    if (expr == NULL || !step(x, depth)) {
        return;
    }
    if (expr->op == CM_X_COLUMN) {
        const cm_query *inner = query->relation[expr->rel].derived;
        if (inner != NULL) {
            measure_column(x, inner, expr->index, depth + 1);
        }
        return;
    }
    for (size_t i = 0; i < expr->args; i++) {
        measure_expr(x, query, expr->arg[i], depth + 1);
    }
    measure_expr(x, query, expr->filter, depth + 1);
}

static void measure_from(extent *x, const cm_query *query, const cm_from *from, unsigned depth)
{
    if (from != NULL && from->kind != CM_FROM_RELATION && step(x, depth)) {
        measure_from(x, query, from->left, depth + 1);
        measure_from(x, query, from->right, depth + 1);
        measure_expr(x, query, from->on, depth + 1);
    }
}

static void measure_query(extent *x, const cm_query *query, unsigned depth)
{
    if (!step(x, depth)) {
        return;
    }
    for (size_t i = 0; i < query->arms; i++) {
        measure_query(x, query->arm[i], depth + 1);
    }
    if (query->arms > 0 || query->stored != NULL) {
        return;
    }
    for (size_t i = 0; i < query->relations; i++) {
        if (query->relation[i].derived != NULL) {
            measure_query(x, query->relation[i].derived, depth + 1);
        }
    }
    measure_from(x, query, query->from, depth + 1);
    measure_expr(x, query, query->where, depth + 1);
    measure_expr(x, query, query->having, depth + 1);
    for (size_t i = 0; i < query->groups; i++) {
        measure_expr(x, query, query->group[i], depth + 1);
    }
    for (size_t i = 0; i < query->targets; i++) {
        measure_expr(x, query, query->target[i].expr, depth + 1);
    }
}

static cm_status check_size(const cm_query *query, cm_diag *diag)
{
    extent x = {0};

    measure_query(&x, query, 0);
    return x.exceeded ? cm_fail(diag, CM_EINVAL, CM_SQL_TOO_COMPLEX,
                                "statement is too complex: its subqueries multiply")
                      : CM_OK;
}

/* ---- hints --------------------------------------------------------------------------------- */

static cm_status take_hints(const char *sql, cm_arena *arena, const cm_query **query, cm_diag *diag)
{
    cm_query *copy = CM_NEW_SMALL(arena, cm_query, 1);

    *copy = **query;
    cm_status st = cm_sql_hints(sql, arena, &copy->hint, &copy->hints, diag);
    if (st == CM_OK) {
        *query = copy;
    }
    return st;
}

/* ---- prepare ------------------------------------------------------------------------------- */

/* What whoever asked may see is kept as that; else labels say what becomes of it. */
static void choose_kept(cm_query *query, const cm_schema *schema, const char *coordinator)
{
    cm_diag why = {0};

    query->kept = CM_KEPT_SHOWABLE;
    if (cm_policy_check(query, schema, coordinator, NULL, &why) != CM_OK) {
        query->kept = CM_KEPT_HIDDEN;
    }
}

typedef struct preparation {
    const cm_stmt *stmt;
    const char *sql;
    const cm_schema *schema;
    const char *coordinator;
    const cm_plan_settings *settings;
    cm_arena *arena;
    cm_type *types; /* of parameters */
    cm_value *values;
} preparation;

/* From the presumption level *ret_presumes, to which one was taken; the query is bound at least
 * when that is below CM_PRESUME_LEVELS. */
static cm_status prepare_once(const preparation *p, unsigned *ret_presumes,
                              const cm_query **ret_query, const cm_plan **ret_plan, cm_diag *diag)
{
    const cm_stmt *stmt = p->stmt;
    const cm_query *query;
    const cm_plan *plan;

    cm_status st = cm_sql_bind(stmt->select, p->schema, p->coordinator, p->types, p->values,
                               stmt->params, *ret_presumes, p->arena, &query, diag);
    *ret_presumes = st == CM_OK ? query->presumes : CM_PRESUME_LEVELS;
    if (st == CM_OK) {
        st = check_size(query, diag);
    }
    if (st == CM_OK && stmt->kind == CM_STMT_CREATE_MATVIEW) {
        choose_kept((cm_query *)(uintptr_t)query, p->schema, p->coordinator); /* made by bind */
    }
    if (st == CM_OK) {
        st = take_hints(p->sql, p->arena, &query, diag);
    }
    if (st == CM_OK) {
        st = cm_policy_check(query, p->schema, p->coordinator, NULL, diag);
    }
    if (st == CM_OK) {
        st = cm_sql_plan(query, p->schema, p->coordinator, p->settings, p->arena, &plan, diag);
    }
    if (st == CM_OK && query->kept != CM_KEPT_NOT) {
        st = cm_stored_describe(stmt, query, p->schema, p->coordinator, p->arena,
                                (cm_plan *)(uintptr_t)plan, diag);
    }
    if (st == CM_OK) {
        *ret_query = query;
        *ret_plan = plan;
    }
    return st;
}

/* What the planner finds too wide is presumed narrower, as the binder does by itself. */
static cm_status prepare_stmt(const preparation *p, const cm_query **ret_query,
                              const cm_plan **ret_plan, cm_diag *diag)
{
    unsigned presumes = 0;

    cm_status first = prepare_once(p, &presumes, ret_query, ret_plan, diag), st = first;
    while (st == CM_ERANGE && ++presumes < CM_PRESUME_LEVELS) {
        cm_diag ignored = {0};
        st = prepare_once(p, &presumes, ret_query, ret_plan, &ignored);
    }
    if (st != CM_OK) {
        return first;
    }
    if (first != CM_OK && diag != NULL) {
        cm_diag_reset(diag);
    }
    return CM_OK;
}

static cm_status take_params(preparation *p, const char *const *params, size_t param_count,
                             cm_diag *diag)
{
    const cm_query *query;
    cm_status st = CM_OK;

    if (p->stmt->params < 0 || (size_t)p->stmt->params != param_count) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_PROTOCOL,
                       "the statement has %d parameters, %zu values were given", p->stmt->params,
                       param_count);
    }
    p->types = CM_NEW_SMALL(p->arena, cm_type, param_count + 1);
    p->values = CM_NEW_SMALL(p->arena, cm_value, param_count + 1);
    if (param_count > 0) { /* once to learn the parameters' types */
        st = cm_sql_bind(p->stmt->select, p->schema, p->coordinator, p->types, NULL,
                         p->stmt->params, 0, p->arena, &query, diag);
    }
    /* The binder reads the texts: a column's precision says nothing about a value. */
    for (size_t i = 0; i < param_count; i++) {
        p->values[i] = (cm_value){.null = params[i] == NULL, .text = params[i]};
    }
    return st;
}

cm_status cm_sql_prepare(const char *sql, const cm_schema *schema, const char *coordinator,
                         const char *const *params, size_t param_count,
                         const cm_plan_settings *settings, cm_arena *arena,
                         const cm_query **ret_query, const cm_plan **ret_plan, cm_diag *diag)
{
    preparation p = {.sql = sql,
                     .schema = schema,
                     .coordinator = coordinator,
                     .settings = settings,
                     .arena = arena};

    cm_status st = cm_sql_parse_query(sql, arena, &p.stmt, diag);
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(p.stmt != NULL);
    ((cm_ast_select *)(uintptr_t)p.stmt->select)->now = settings->now; /* parsed for us */
    st = take_params(&p, params, param_count, diag);
    if (st == CM_OK) {
        st = prepare_stmt(&p, ret_query, ret_plan, diag);
    }
    if (st != CM_OK) {
        cm_sql_query_position(p.stmt, diag);
    }
    return st;
}
