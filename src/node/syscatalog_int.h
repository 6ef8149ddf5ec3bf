/* node/syscatalog_int.h - shared by syscatalog*.c. */
#ifndef CM_NODE_SYSCATALOG_INT_H
#define CM_NODE_SYSCATALOG_INT_H

#include <sqlite3.h>

#include "node/syscatalog.h"

/* OIDs that clients know. */
enum {
    CM_OID_BOOL = 16,
    CM_OID_CHAR = 18,
    CM_OID_NAME = 19,
    CM_OID_INT8 = 20,
    CM_OID_INT2 = 21,
    CM_OID_INT4 = 23,
    CM_OID_TEXT = 25,
    CM_OID_OID = 26,
    CM_OID_TIMESTAMP = 1114,
    CM_OID_NUMERIC = 1700,
    CM_OID_PG_CATALOG = 11,
    CM_OID_PUBLIC = 2200,
    CM_OID_INFORMATION_SCHEMA = 13000,
    CM_OID_PG_TYPE = 1247,
    CM_OID_PG_CLASS = 1259,
    CM_OID_PG_DATABASE = 1262,
};

/* ---- syscatalog_sql.c: one SELECT from PostgreSQL's dialect to SQLite's ------------------- */

typedef struct cm_system_sql {
    const char *sql;
    bool reads_tables; /* there is a FROM somewhere */
    /* Types of the columns as far as their expressions tell (0: not).  known columns: those before
     * the first star. */
    size_t known;
    const uint32_t *oid;
} cm_system_sql;

/* 0A000 for what has no counterpart.  sql is one statement that PostgreSQL's grammar took. */
CM_MUST cm_status cm_system_rewrite(const char *sql, cm_arena *arena, cm_system_sql *ret,
                                    cm_diag *diag);
/* The type that a function of syscatalog_fn.c or SQLite returns; 0: that of its first argument or
 * not known. */
uint32_t cm_system_function_type(const char *name);

/* ---- syscatalog_lex.c --------------------------------------------------------------------- */

typedef enum cm_sql_token_kind {
    CM_TOKEN_END,
    CM_TOKEN_NAME,   /* folded */
    CM_TOKEN_QUOTED, /* an identifier in double quotes */
    CM_TOKEN_STRING, /* decoded */
    CM_TOKEN_NUMBER,
    CM_TOKEN_PARAM,    /* text: the number */
    CM_TOKEN_OPERATOR, /* also :: */
    CM_TOKEN_PUNCT,    /* one of ( ) [ ] , . ; : */
} cm_sql_token_kind;

typedef struct cm_sql_token {
    cm_sql_token_kind kind;
    const char *text;
} cm_sql_token;
/* Ends with END tokens, so many that looking a few tokens ahead stays inside.  For texts that
 * PostgreSQL's scanner took; any other is cut up in some way. */
enum { CM_TOKENS_BEHIND = 32 };
CM_MUST cm_status cm_system_lex(const char *sql, cm_arena *arena, const cm_sql_token **ret,
                                size_t *ret_count, cm_diag *diag);

/* ---- syscatalog_fn.c, syscatalog_value.c -------------------------------------------------- */

typedef struct cm_system_function {
    const char *name;
    int args; /* -1: any number */
    uint32_t type;
    void (*fn)(sqlite3_context *, int, sqlite3_value **);
    enum { CM_DATA_NOTHING, CM_DATA_FLAG, CM_DATA_SESSION } data; /* what fn finds */
} cm_system_function;

const cm_system_function *cm_system_value_functions(size_t *ret_count);

CM_MUST cm_status cm_system_functions(sqlite3 *db, cm_session *s, cm_diag *diag);

/* ---- syscatalog_array.c: PostgreSQL's arrays as texts {a,b} ------------------------------- */

CM_MUST int cm_system_array_functions(sqlite3 *db);

/* ---- syscatalog_schema.c, syscatalog_fill.c ----------------------------------------------- */

CM_MUST cm_status cm_system_schema(sqlite3 *db, cm_diag *diag);
CM_MUST cm_status cm_system_fill(sqlite3 *db, cm_session *s, const cm_schema *schema,
                                 cm_diag *diag);

#endif
