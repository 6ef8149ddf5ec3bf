/*
 * sql/parse_pg.h - libpg_query's trees and what the parse_*.c files share to translate them.  No
 * other file of the module sees libpg_query.
 *
 * Translation allocates from the arena without asking: cm_sql_parse has made sure beforehand that
 * there is room for whatever a text of that length can turn into.
 */
#ifndef CM_SQL_PARSE_PG_H
#define CM_SQL_PARSE_PG_H

#include "sql/ast.h"
#include "sql/sql_int.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

typedef struct cm_parser {
    const char *sql; /* the whole text */
    size_t bytes;
    const uint32_t *chars; /* characters before every CHARS_STEP-th byte */
    cm_arena *arena;
    cm_diag *diag;
    PgQuery__ScanResult *tokens;
    int depth;
    /* of the statement at hand */
    size_t start;
    int params;
    size_t param_types; /* PREPARE name (type, ...) */
    unsigned user_tables, system_tables;
    unsigned node_values; /* functions and types that the binder does not know, arrays, ...: what a
                             node may say of itself */
    const struct cm_with_name *with_names;
    struct cm_named_relation *named;   /* all tables that are named, the last one first */
    const PgQuery__SelectStmt *select; /* whose clauses are translated: it names windows */
} cm_parser;

/* Names of WITH queries seen so far, the last one first. */
typedef struct cm_with_name {
    const char *name;
    const struct cm_with_name *next;
} cm_with_name;

typedef struct cm_named_relation {
    cm_relation_name name;
    struct cm_named_relation *next;
} cm_named_relation;

/* Characters from 1 of a byte offset; 0 for libpg_query's "unknown". */
int cm_parser_position(const cm_parser *p, int32_t location);
/* Where a token first stands in the statement at hand; -1 when it does not. */
int32_t cm_parser_find(const cm_parser *p, int token);
/* A copy in the arena; NULL for protobuf's empty string. */
const char *cm_parser_text(cm_parser *p, const char *text);
/* Sets the position of the failure that follows. */
void cm_parser_at(cm_parser *p, int32_t location);
/* 0A000 "... is not supported" */
CM_MUST CM_PRINTF(3, 4) cm_status
    cm_parser_refuse(cm_parser *p, int32_t location, const char *format, ...);
/* 54001 when nesting gets too deep; pairs with depth--. */
CM_MUST cm_status cm_parser_deeper(cm_parser *p);

/* A String node's text, or NULL when it is none. */
const char *cm_pg_string(const PgQuery__Node *node);
/* The last of a list of String nodes, without pg_catalog; *ret_schema the one before, or NULL.
 * False when there are more or none. */
bool cm_pg_name(PgQuery__Node *const *names, size_t count, const char **ret_schema,
                const char **ret_name);

CM_MUST cm_status cm_parse_type(cm_parser *p, const PgQuery__TypeName *type, cm_ast_type *ret);
CM_MUST cm_status cm_parse_orders(cm_parser *p, PgQuery__Node *const *nodes, size_t count,
                                  const cm_ast_order **ret);
CM_MUST cm_status cm_parse_expr(cm_parser *p, const PgQuery__Node *node, const cm_ast **ret);
CM_MUST cm_status cm_parse_exprs(cm_parser *p, PgQuery__Node *const *nodes, size_t count,
                                 const cm_ast *const **ret);
/* The SELECT inside of EXPLAIN, PREPARE, DECLARE and COPY; 0A000 for anything else. */
CM_MUST cm_status cm_parse_inner(cm_parser *p, const PgQuery__Node *query, const char *of,
                                 cm_stmt *stmt);
CM_MUST cm_status cm_parse_select(cm_parser *p, const PgQuery__SelectStmt *select,
                                  const cm_ast_select **ret);
/* The text of a constant as EXECUTE, SET and CHECK take it; *ret NULL for NULL.  False when the
 * node is not a constant. */
bool cm_parse_literal(cm_parser *p, const PgQuery__Node *node, const char **ret);

/* Each fills stmt from one kind of statement (parse_ddl.c, parse_role.c, parse_session.c). */
CM_MUST cm_status cm_parse_ddl(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt,
                               bool *ret_known);
CM_MUST cm_status cm_parse_view(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt,
                                bool *ret_known);
CM_MUST cm_status cm_parse_rights(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt,
                                  bool *ret_known);
CM_MUST cm_status cm_parse_session(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt,
                                   bool *ret_known);
CM_MUST cm_status cm_parse_cursor(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt,
                                  bool *ret_known);
CM_MUST cm_status cm_parse_options(cm_parser *p, PgQuery__Node *const *defs, size_t count,
                                   cm_options *ret);

#endif
