/* From the text of a SELECT to its plan: what the coordinator does and every node repeats. */
#include "sql/plan.h"

cm_status cm_sql_prepare(const char *sql, const cm_schema *schema, const char *coordinator,
                         const char *const *params, size_t param_count,
                         const cm_plan_settings *settings, cm_arena *arena,
                         const cm_query **ret_query, const cm_plan **ret_plan, cm_diag *diag)
{
    cm_stmts stmts;
    const cm_query *query;
    const cm_plan *plan;

    cm_status st = cm_sql_parse(sql, arena, &stmts, diag);
    if (st != CM_OK) {
        return st;
    }
    if (stmts.count != 1 || stmts.stmt[0].select == NULL) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_SYNTAX, "one SELECT statement was expected");
    }
    const cm_stmt *stmt = &stmts.stmt[0];
    if (stmt->params < 0 || (size_t)stmt->params != param_count) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_PROTOCOL,
                       "the statement has %d parameters, %zu values were given", stmt->params,
                       param_count);
    }
    cm_type *types = CM_NEW_SMALL(arena, cm_type, param_count + 1);
    cm_value *values = CM_NEW_SMALL(arena, cm_value, param_count + 1);
    if (param_count > 0) { /* once to learn the parameters' types */
        st = cm_sql_bind(stmt->select, schema, coordinator, types, NULL, stmt->params, arena,
                         &query, diag);
        if (st != CM_OK) {
            return st;
        }
    }
    /* The binder reads the texts: a column's precision says nothing about a value. */
    for (size_t i = 0; i < param_count; i++) {
        values[i] = (cm_value){.null = params[i] == NULL, .text = params[i]};
    }
    st = cm_sql_bind(stmt->select, schema, coordinator, types, values, stmt->params, arena, &query,
                     diag);
    if (st == CM_OK) {
        st = cm_policy_check(query, schema, coordinator, NULL, diag);
    }
    if (st == CM_OK) {
        st = cm_sql_plan(query, schema, coordinator, settings, arena, &plan, diag);
    }
    if (st == CM_OK) {
        *ret_query = query;
        *ret_plan = plan;
    }
    return st;
}
