/* Statements about the session: SET, SHOW, transactions, prepared statements, EXPLAIN, ANALYZE. */
#include "sql/parse_pg.h"

#include <stdio.h>
#include <string.h>

/* Constants joined with ", ", as PostgreSQL keeps a list setting. */
static cm_status join_values(cm_parser *p, PgQuery__Node *const *args, size_t count,
                             const char **ret)
{
    const char *joined = NULL;

    for (size_t i = 0; i < count; i++) {
        const char *value;
        if (!cm_parse_literal(p, args[i], &value) || value == NULL) {
            return cm_parser_refuse(p, -1, "a value of this form");
        }
        joined = joined == NULL ? value : cm_arena_printf(p->arena, "%s, %s", joined, value);
    }
    *ret = joined;
    return CM_OK;
}

static cm_status parse_set(cm_parser *p, const PgQuery__VariableSetStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_SET;
    stmt->tag = "SET";
    stmt->name = cm_arena_strdup(p->arena, s->name);
    stmt->local = s->is_local;
    if (s->n_args > 64) {
        return cm_parser_refuse(p, -1, "a setting of more than 64 values");
    }
    switch ((int)s->kind) {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
        return join_values(p, s->args, s->n_args, &stmt->value);
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT:
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_CURRENT:
        return CM_OK;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
        stmt->tag = "RESET";
        return CM_OK;
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL:
        stmt->tag = "RESET";
        stmt->name = "all";
        return CM_OK;
    default:
        /* SET TRANSACTION and SET SESSION CHARACTERISTICS: every statement stands alone, so what
         * they ask for makes no difference. */
        stmt->name = "transaction";
        stmt->value = "default";
        return CM_OK;
    }
}

static cm_status parse_transaction(cm_parser *p, const PgQuery__TransactionStmt *s, cm_stmt *stmt)
{
    switch ((int)s->kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
        stmt->kind = CM_STMT_BEGIN;
        stmt->tag = "BEGIN";
        return CM_OK;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
        stmt->kind = CM_STMT_BEGIN;
        stmt->tag = "START TRANSACTION";
        return CM_OK;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
        stmt->kind = CM_STMT_COMMIT;
        stmt->tag = "COMMIT";
        return CM_OK;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
        stmt->kind = CM_STMT_ROLLBACK;
        stmt->tag = "ROLLBACK";
        return CM_OK;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
        stmt->kind = CM_STMT_SAVEPOINT;
        stmt->tag = "SAVEPOINT";
        stmt->name = cm_arena_strdup(p->arena, s->savepoint_name);
        return CM_OK;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
        stmt->kind = CM_STMT_RELEASE;
        stmt->tag = "RELEASE";
        stmt->name = cm_arena_strdup(p->arena, s->savepoint_name);
        return CM_OK;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
        stmt->kind = CM_STMT_ROLLBACK_TO;
        stmt->tag = "ROLLBACK";
        stmt->name = cm_arena_strdup(p->arena, s->savepoint_name);
        return CM_OK;
    default:
        return cm_parser_refuse(p, -1, "a prepared transaction");
    }
}

cm_status cm_parse_inner(cm_parser *p, const PgQuery__Node *query, const char *of, cm_stmt *stmt)
{
    if (query == NULL || query->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        return cm_parser_refuse(p, -1, "%s of anything but SELECT", of);
    }
    return cm_parse_select(p, query->select_stmt, &stmt->select);
}

static cm_status parse_prepare(cm_parser *p, const PgQuery__PrepareStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_PREPARE;
    stmt->tag = "PREPARE";
    stmt->name = cm_arena_strdup(p->arena, s->name);
    p->param_types = s->n_argtypes;
    return cm_parse_inner(p, s->query, "PREPARE", stmt);
}

static cm_status parse_execute(cm_parser *p, const PgQuery__ExecuteStmt *s, cm_stmt *stmt)
{
    const char **args = CM_NEW_SMALL(p->arena, const char *, s->n_params + 1);

    stmt->kind = CM_STMT_EXECUTE;
    stmt->tag = "EXECUTE";
    stmt->name = cm_arena_strdup(p->arena, s->name);
    for (size_t i = 0; i < s->n_params; i++) {
        if (!cm_parse_literal(p, s->params[i], &args[i])) {
            return cm_parser_refuse(p, -1, "an argument of EXECUTE that is not a constant");
        }
    }
    stmt->args = s->n_params;
    stmt->arg = args;
    return CM_OK;
}

static cm_status parse_discard(cm_parser *p, const PgQuery__DiscardStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_DISCARD;
    switch ((int)s->target) {
    case PG_QUERY__DISCARD_MODE__DISCARD_ALL:
        stmt->name = "all";
        stmt->tag = "DISCARD ALL";
        return CM_OK;
    case PG_QUERY__DISCARD_MODE__DISCARD_PLANS:
        stmt->name = "plans";
        stmt->tag = "DISCARD PLANS";
        return CM_OK;
    case PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES:
        stmt->name = "sequences";
        stmt->tag = "DISCARD SEQUENCES";
        return CM_OK;
    case PG_QUERY__DISCARD_MODE__DISCARD_TEMP:
        stmt->name = "temp";
        stmt->tag = "DISCARD TEMP";
        return CM_OK;
    default:
        return cm_parser_refuse(p, -1, "this form of DISCARD");
    }
}

static bool read_switch(const PgQuery__DefElem *def, bool *ret)
{
    const char *text = cm_pg_string(def->arg);

    *ret = true;
    if (def->arg == NULL) {
        return true;
    }
    if (def->arg->node_case == PG_QUERY__NODE__NODE_INTEGER) {
        *ret = def->arg->integer->ival != 0;
        return def->arg->integer->ival == 0 || def->arg->integer->ival == 1;
    }
    if (def->arg->node_case == PG_QUERY__NODE__NODE_BOOLEAN) {
        *ret = def->arg->boolean->boolval;
        return true;
    }
    if (text == NULL) {
        return false;
    }
    *ret = strcmp(text, "on") == 0 || strcmp(text, "true") == 0;
    return *ret || strcmp(text, "off") == 0 || strcmp(text, "false") == 0;
}

static cm_status explain_format(cm_parser *p, const PgQuery__DefElem *def, cm_stmt *stmt)
{
    const char *format = cm_pg_string(def->arg);

    if (format != NULL && (strcmp(format, "json") == 0 || strcmp(format, "text") == 0)) {
        stmt->explain.json = format[0] == 'j';
        return CM_OK;
    }
    if (format != NULL && (strcmp(format, "xml") == 0 || strcmp(format, "yaml") == 0)) {
        return cm_parser_refuse(p, def->location, "EXPLAIN format %s", format);
    }
    cm_parser_at(p, def->location);
    return cm_fail(p->diag, CM_EINVAL, CM_SQL_BAD_PARAMETER,
                   "unrecognized value for EXPLAIN option \"format\": \"" CM_QUOTE "\"",
                   format == NULL ? "" : format);
}

static cm_status explain_option(cm_parser *p, const PgQuery__DefElem *def, cm_stmt *stmt)
{
    /* What is asked for is always there, or is nothing here: pages and log. */
    static const char *const ignored[] = {"verbose", "settings", "buffers",     "wal",
                                          "timing",  "summary",  "generic_plan"};
    bool unused;
    bool *target = strcmp(def->defname, "analyze") == 0      ? &stmt->explain.analyze
                   : strcmp(def->defname, "disclosure") == 0 ? &stmt->explain.disclosure
                   : strcmp(def->defname, "cost") == 0       ? &stmt->explain.cost
                   : strcmp(def->defname, "costs") == 0      ? &stmt->explain.cost
                                                             : NULL;

    if (strcmp(def->defname, "format") == 0) {
        return explain_format(p, def, stmt);
    }
    for (size_t i = 0; i < CM_COUNT(ignored); i++) {
        target = strcmp(def->defname, ignored[i]) == 0 ? &unused : target;
    }
    if (target != NULL) {
        if (read_switch(def, target)) {
            return CM_OK;
        }
        cm_parser_at(p, def->location);
        return cm_fail(p->diag, CM_EINVAL, CM_SQL_SYNTAX, "%s requires a Boolean value",
                       def->defname);
    }
    cm_parser_at(p, def->location);
    return cm_fail(p->diag, CM_EINVAL, CM_SQL_SYNTAX,
                   "unrecognized EXPLAIN option \"" CM_QUOTE "\"", def->defname);
}

/* EXPLAIN of what has a query inside. */
static cm_status parse_explained(cm_parser *p, const PgQuery__Node *query, cm_stmt *stmt)
{
    const cm_explain explain = stmt->explain;
    cm_status st;

    if (query != NULL && query->node_case == PG_QUERY__NODE__NODE_EXECUTE_STMT) {
        st = parse_execute(p, query->execute_stmt, stmt);
        stmt->explain.execute = true;
    } else if (query != NULL && query->node_case == PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT) {
        bool known;
        st = cm_parse_view(p, query, stmt, &known);
        stmt->explain.matview = true;
        if (st == CM_OK && explain.analyze) {
            return cm_parser_refuse(p, -1, "EXPLAIN ANALYZE of CREATE MATERIALIZED VIEW");
        }
    } else {
        return cm_parse_inner(p, query, "EXPLAIN", stmt);
    }
    stmt->kind = CM_STMT_EXPLAIN;
    stmt->tag = "EXPLAIN";
    return st;
}

/* Who learns what is always printed unless switched off, as costs are. */
static cm_status parse_explain(cm_parser *p, const PgQuery__ExplainStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_EXPLAIN;
    stmt->tag = "EXPLAIN";
    stmt->explain = (cm_explain){.disclosure = true, .cost = true};
    for (size_t i = 0; i < s->n_options; i++) {
        cm_status st = explain_option(p, s->options[i]->def_elem, stmt);
        if (st != CM_OK) {
            return st;
        }
    }
    return parse_explained(p, s->query, stmt);
}

static cm_status parse_vacuum(cm_parser *p, const PgQuery__VacuumStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_ANALYZE;
    stmt->tag = "ANALYZE";
    if (s->is_vacuumcmd) {
        return cm_parser_refuse(p, -1, "VACUUM");
    }
    if (s->n_rels > 1) {
        return cm_parser_refuse(p, -1, "ANALYZE of several tables at once");
    }
    if (s->n_rels == 1) {
        const PgQuery__VacuumRelation *rel = s->rels[0]->vacuum_relation;
        if (rel->n_va_cols > 0) {
            return cm_parser_refuse(p, -1, "ANALYZE of single columns");
        }
        stmt->name = cm_arena_strdup(p->arena, rel->relation->relname);
        stmt->schema = cm_parser_text(p, rel->relation->schemaname);
    }
    return CM_OK;
}

cm_status cm_parse_session(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt, bool *ret_known)
{
    *ret_known = true;
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        return parse_set(p, node->variable_set_stmt, stmt);
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
        stmt->kind = CM_STMT_SHOW;
        stmt->tag = "SHOW";
        stmt->name = cm_arena_strdup(p->arena, node->variable_show_stmt->name);
        return CM_OK;
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
        return parse_transaction(p, node->transaction_stmt, stmt);
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
        return parse_prepare(p, node->prepare_stmt, stmt);
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
        return parse_execute(p, node->execute_stmt, stmt);
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
        stmt->kind = CM_STMT_DEALLOCATE;
        stmt->name = cm_parser_text(p, node->deallocate_stmt->name);
        stmt->tag = stmt->name == NULL ? "DEALLOCATE ALL" : "DEALLOCATE";
        return CM_OK;
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
        return parse_discard(p, node->discard_stmt, stmt);
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
        return parse_explain(p, node->explain_stmt, stmt);
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
        return parse_vacuum(p, node->vacuum_stmt, stmt);
    default:
        return cm_parse_cursor(p, node, stmt, ret_known);
    }
}
