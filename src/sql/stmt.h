/*
 * sql/stmt.h - SQL text to statements.  PostgreSQL's own grammar (libpg_query), so what is syntax
 * here is syntax there, with its messages and positions.
 *
 * cm_sql_parse splits a text into statements.  DDL and session commands come out complete, ready
 * for the node to carry out; SELECT keeps its tree private (sql/ast.h) and goes to cm_sql_bind.
 * Everything is allocated from the arena.  Pure: no I/O, no state.
 */
#ifndef CM_SQL_STMT_H
#define CM_SQL_STMT_H

#include "sql/schema.h"

typedef struct cm_ast_select cm_ast_select; /* sql/ast.h */

typedef enum cm_stmt_kind {
    CM_STMT_SELECT,
    CM_STMT_PLAIN_SELECT,  /* reads no table, like SELECT 7 / 2 or VALUES (1): computed by the node
                              alone, in the clear */
    CM_STMT_SYSTEM_SELECT, /* reads pg_catalog or information_schema, or asks what only the node
                              knows, like SELECT version(): answered by the node about itself */
    CM_STMT_EXPLAIN,
    CM_STMT_CREATE_SERVER,
    CM_STMT_DROP_SERVER,
    CM_STMT_CREATE_ENUM,
    CM_STMT_DROP_TYPE,
    CM_STMT_CREATE_TABLE, /* CREATE FOREIGN TABLE */
    CM_STMT_DROP_TABLE,
    CM_STMT_CREATE_VIEW,
    CM_STMT_DROP_VIEW,
    CM_STMT_CREATE_MATVIEW,
    CM_STMT_REFRESH_MATVIEW,
    CM_STMT_DROP_MATVIEW,
    CM_STMT_IMPORT_SCHEMA,
    CM_STMT_LABEL,
    CM_STMT_GRANT, /* and REVOKE: stmt.grant.revoke */
    CM_STMT_CREATE_ROLE,
    CM_STMT_ALTER_ROLE,
    CM_STMT_DROP_ROLE,
    CM_STMT_GRANT_ROLE, /* GRANT administrator|publisher|analyst TO role, and REVOKE */
    CM_STMT_ANALYZE,    /* republish row bounds */
    CM_STMT_SET,        /* SET name = value, RESET name (value NULL) */
    CM_STMT_SHOW,
    CM_STMT_BEGIN,
    CM_STMT_COMMIT,
    CM_STMT_ROLLBACK,
    CM_STMT_SAVEPOINT,
    CM_STMT_RELEASE,
    CM_STMT_ROLLBACK_TO,
    CM_STMT_DECLARE, /* name CURSOR FOR query */
    CM_STMT_FETCH,   /* and MOVE */
    CM_STMT_CLOSE,   /* name NULL: all */
    CM_STMT_COPY,    /* of query TO STDOUT */
    CM_STMT_PREPARE,
    CM_STMT_EXECUTE,
    CM_STMT_DEALLOCATE,
    CM_STMT_DISCARD,
} cm_stmt_kind;

typedef struct cm_option {
    const char *name;
    const char *value;
} cm_option;

typedef struct cm_options {
    size_t count;
    const cm_option *option;
} cm_options;
const char *cm_options_get(const cm_options *options, const char *name); /* NULL when absent */

/* A column of CREATE FOREIGN TABLE before its type name is resolved against the node's enums. */
typedef struct cm_column_def {
    const char *name;
    const char *type_name; /* "int4", "numeric", "varchar", "region", ... lower case, no schema */
    int type_args;
    int type_arg[2];
    bool not_null;
    bool unique;
    bool has_check;
    const char *check_lo; /* literals of CHECK (col BETWEEN lo AND hi) or of two comparisons */
    const char *check_hi;
    cm_options options; /* column_name 'x' at the source, max_bytes 'n' */
    int position;
} cm_column_def;

/*
 * The column that a definition stands for, label private.  enums: the node's, sorted out by name.
 * 42704 for a type that is none of them, 0A000 and 22023 for what cannot be declared.  Borrows
 * def's name and the enum.
 */
CM_MUST cm_status cm_column_resolve(const cm_column_def *def, const cm_enum *const *enums,
                                    size_t enum_count, cm_arena *arena, cm_column *ret,
                                    cm_diag *diag);

typedef struct cm_relation_name {
    const char *schema; /* or NULL */
    const char *name;
} cm_relation_name;

typedef struct cm_explain {
    bool analyze, disclosure, cost, json;
    bool execute; /* of a prepared statement: name and args */
    bool matview; /* of CREATE MATERIALIZED VIEW: name, view and query */
} cm_explain;

typedef enum cm_fetch {
    CM_FETCH_FORWARD,
    CM_FETCH_BACKWARD,
    CM_FETCH_ABSOLUTE,
    CM_FETCH_RELATIVE,
} cm_fetch;

typedef struct cm_stmt {
    cm_stmt_kind kind;
    const char *sql;   /* this statement's text alone */
    int offset;        /* of sql in the whole text, in characters.  Positions in here count from the
                          start of the whole text; whoever parses sql again adds offset to them */
    const char *query; /* EXPLAIN, PREPARE, CREATE VIEW, DECLARE, COPY: text of the SELECT alone;
                          SELECT: sql */
    int query_offset;  /* of query in the whole text */
    const char *tag;   /* command tag without counts: "SELECT", "CREATE SERVER", ... */
    bool if_not_exists, if_exists;
    const cm_ast_select *select; /* the SELECTs, EXPLAIN, PREPARE, CREATE VIEW */
    cm_stmt_kind reads;          /* where there is one: what kind of SELECT it is */
    size_t relations;            /* names that select reads, some of them WITH queries' */
    const cm_relation_name *relation;
    int params; /* highest $n */
    cm_explain explain;
    const char *name;   /* server, type, table, role, setting, prepared statement, cursor, ... */
    const char *schema; /* qualifier of name, or NULL */
    bool local;         /* SET LOCAL */
    const char *value;  /* SET: value text; LABEL: label text, NULL to remove */
    const char *column; /* LABEL ON COLUMN schema.name.column; NULL: the whole table */
    struct {
        const char *wrapper; /* CREATE SERVER ... FOREIGN DATA WRAPPER wrapper */
        const char *server;  /* CREATE FOREIGN TABLE, IMPORT */
        const char *remote_schema;
        const char *local_schema;
        bool limit_to, except;
        size_t names;
        const char *const *name;
    } foreign;
    cm_options options;
    size_t labels; /* CREATE TYPE ... AS ENUM */
    const char *const *label;
    size_t columns;
    const cm_column_def *columndef;
    size_t keys; /* of several columns; those of one are in its definition */
    const cm_table_key *key;
    struct {
        bool revoke;
        size_t tables; /* GRANT SELECT ON t1, t2; 0 and all_tables: ALL TABLES IN SCHEMA */
        const char *const *table;
        bool all_tables;
        size_t grantees; /* organisations or, for GRANT_ROLE, roles */
        const char *const *grantee;
        size_t roles; /* also of CREATE ROLE ... IN ROLE */
        const char *const *role;
    } grant;
    struct {
        bool replace, cascade;
        bool no_data; /* MATERIALIZED VIEW ... WITH NO DATA */
        size_t cols;  /* CREATE VIEW name (col, ...) */
        const char *const *col;
    } view;
    struct {
        bool hold, forward_only, move;
        cm_fetch fetch;
        int64_t count; /* INT64_MAX: ALL */
    } cursor;
    struct {
        bool csv, header, quote_all;
        char delimiter, quote, escape;
        const char *null;
    } copy;
    const char *password; /* CREATE/ALTER ROLE ... PASSWORD; wiped by the node after use */
    size_t args;          /* EXECUTE name (args): literal texts, NULL for NULL */
    const char *const *arg;
} cm_stmt;

enum {
    CM_SQL_MAX_BYTES = 1 << 20, /* of one text; more: 54000 */
    CM_SQL_MAX_PARAMS = 65535,
};

typedef struct cm_stmts {
    size_t count;
    const cm_stmt *stmt;
} cm_stmts;

/* Syntax errors: 42601 with position; a text or a nesting that is too large: 54000, 54001.  Runs on
 * a thread of its own while the caller waits, because libpg_query recurses without a limit.
 * Statements that PostgreSQL knows and Comity does not: 0A000 naming the statement.  Never crashes
 * on any bytes; sql is valid UTF-8 (22021 otherwise). */
CM_MUST cm_status cm_sql_parse(const char *sql, cm_arena *arena, cm_stmts *ret, cm_diag *diag);
/*
 * One SELECT or CREATE MATERIALIZED VIEW, after the definitions of the views that it reads: "CREATE
 * VIEW a AS ...; SELECT ...", which is how a query with views travels.  A view sees those before
 * it.
 */
CM_MUST cm_status cm_sql_parse_query(const char *sql, cm_arena *arena, const cm_stmt **ret,
                                     cm_diag *diag);
/* What such a text reports as position is one of the SELECT alone. */
void cm_sql_query_position(const cm_stmt *query, cm_diag *diag);
/* libpg_query's fingerprint of a statement: equal for queries that differ in constants only. */
CM_MUST cm_status cm_sql_fingerprint(const char *sql, cm_arena *arena, const char **ret,
                                     cm_diag *diag);

#endif
