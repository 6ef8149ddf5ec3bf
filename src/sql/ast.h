/*
 * sql/ast.h - a SELECT as it was written: what the parser hands to the binder.
 *
 * Names are folded as PostgreSQL folds them, nothing is resolved.  What PostgreSQL's grammar knows
 * and Comity does not becomes an UNSUPPORTED node that names itself, so that parsing never refuses
 * a query that is answered elsewhere (the system's own tables); the binder refuses it.
 * Positions are characters from 1 in the whole text, 0 where there is none.
 */
#ifndef CM_SQL_AST_H
#define CM_SQL_AST_H

#include "sql/expr.h"
#include "sql/stmt.h"

/* Deepest nesting of one statement: what recursion over a tree may count on. */
enum { CM_AST_MAX_DEPTH = 400 };

typedef struct cm_ast cm_ast;
typedef struct cm_ast_from cm_ast_from;

typedef enum cm_ast_kind {
    CM_AST_NULL,
    CM_AST_BOOL,    /* number 0 or 1 */
    CM_AST_INTEGER, /* text; fits int4 */
    CM_AST_DECIMAL, /* text; all other numbers */
    CM_AST_STRING,  /* text */
    CM_AST_PARAM,   /* number */
    CM_AST_COLUMN,  /* name[names], and star for t.* */
    CM_AST_OP,      /* text: the operator; one or two arguments */
    CM_AST_AND,
    CM_AST_OR,
    CM_AST_NOT,
    CM_AST_IS_NULL,
    CM_AST_IS_NOT_NULL,
    CM_AST_IS_TRUE,
    CM_AST_IS_NOT_TRUE,
    CM_AST_IS_FALSE,
    CM_AST_IS_NOT_FALSE,
    CM_AST_IS_UNKNOWN,
    CM_AST_IS_NOT_UNKNOWN,
    CM_AST_DISTINCT, /* IS DISTINCT FROM */
    CM_AST_NOT_DISTINCT,
    CM_AST_NULLIF,
    CM_AST_IN, /* arg0 IN (arg1, ...) */
    CM_AST_NOT_IN,
    CM_AST_LIKE,
    CM_AST_NOT_LIKE,
    CM_AST_ILIKE,
    CM_AST_NOT_ILIKE,
    CM_AST_BETWEEN,
    CM_AST_NOT_BETWEEN,
    CM_AST_BETWEEN_SYMMETRIC,
    CM_AST_NOT_BETWEEN_SYMMETRIC,
    CM_AST_CASE, /* arg0 tested value or NULL pointer; when, then, ...; last: ELSE or NULL pointer
                  */
    CM_AST_COALESCE,
    CM_AST_GREATEST,
    CM_AST_LEAST,
    CM_AST_CAST,       /* arg0 to type */
    CM_AST_FUNC,       /* text: name */
    CM_AST_IN_SELECT,  /* arg0 IN (select) */
    CM_AST_ANY_SELECT, /* arg0 op ANY (select); text: op */
    CM_AST_ALL_SELECT,
    CM_AST_EXISTS,      /* select */
    CM_AST_SCALAR,      /* (select) as a value */
    CM_AST_UNSUPPORTED, /* text: what it is, for "... is not supported" */
} cm_ast_kind;

typedef struct cm_ast_type {
    const char *name; /* "int4", "numeric", ... without pg_catalog */
    int args;
    int arg[2];
    int position;
} cm_ast_type;

typedef struct cm_ast_window cm_ast_window;

struct cm_ast {
    cm_ast_kind kind;
    int position;
    int number;
    bool star;     /* COLUMN: t.* or *; FUNC: f(*) */
    bool distinct; /* FUNC: f(DISTINCT ...) */
    const char *text;
    size_t names;
    const char *const *name;
    size_t args;
    const cm_ast *const *arg;
    const cm_ast *filter; /* FUNC: FILTER (WHERE ...) */
    size_t orders;        /* FUNC: WITHIN GROUP (ORDER BY ...) */
    const struct cm_ast_order *order;
    const cm_ast_window *over;
    cm_ast_type type;
    const cm_ast_select *select;
};

typedef enum cm_ast_from_kind {
    CM_AST_FROM_TABLE,
    CM_AST_FROM_SELECT,
    CM_AST_FROM_JOIN,
    CM_AST_FROM_UNSUPPORTED, /* name: what it is */
} cm_ast_from_kind;

typedef enum cm_ast_join { CM_AST_INNER, CM_AST_LEFT, CM_AST_RIGHT, CM_AST_FULL } cm_ast_join;

struct cm_ast_from {
    cm_ast_from_kind kind;
    int position;
    const char *schema; /* or NULL */
    const char *name;
    const char *alias; /* or NULL */
    size_t alias_cols; /* t(a, b, ...) */
    const char *const *alias_col;
    const cm_ast_select *select;
    cm_ast_join join; /* CROSS JOIN is INNER without ON or USING */
    bool natural;
    size_t usings;
    const char *const *using_col;
    const cm_ast *on;
    const cm_ast_from *left, *right;
};

typedef struct cm_ast_target {
    const char *name; /* AS name, or NULL */
    const cm_ast *expr;
    int position;
} cm_ast_target;

typedef struct cm_ast_order {
    const cm_ast *expr;
    bool descending;
    bool nulls_first; /* resolved: by default NULLs are the largest */
    int position;
} cm_ast_order;

struct cm_ast_window {
    size_t parts;
    const cm_ast *const *part;
    size_t orders;
    const cm_ast_order *order;
    cm_win_frame frame;
    /* SLIDING: -1 above the row, 1 below it, by so many rows as the expression says; 0 the row
     * itself.  Without an expression -1 and 1 are the partition's ends. */
    int from, to;
    const cm_ast *from_rows, *to_rows;
};

typedef struct cm_ast_with {
    const char *name;
    size_t cols;
    const char *const *col;
    const cm_ast_select *select;
    int position;
} cm_ast_with;

typedef enum cm_ast_set {
    CM_AST_NO_SET,
    CM_AST_UNION,
    CM_AST_INTERSECT,
    CM_AST_EXCEPT,
} cm_ast_set;

typedef struct cm_ast_row { /* of VALUES */
    size_t cols;
    const cm_ast *const *col;
} cm_ast_row;

/* A set operation has its two sides, WITH, ORDER BY and LIMIT; VALUES has rows in place of FROM. */
struct cm_ast_select {
    int position; /* of the first thing that it shows */
    int64_t now;  /* of a whole query: microseconds since 2000-01-01 */
    size_t views; /* of a whole query: CREATE VIEW statements before it */
    const cm_stmt *view;
    cm_ast_set set;
    bool all;
    const cm_ast_select *left, *right;
    size_t rows;
    const cm_ast_row *row;
    const char *unsupported; /* the first clause that the binder has to refuse, or NULL */
    int unsupported_position;
    size_t withs;
    const cm_ast_with *with;
    bool distinct;
    size_t targets;
    const cm_ast_target *target;
    size_t froms;
    const cm_ast_from *const *from;
    const cm_ast *where;
    size_t groups;
    const cm_ast *const *group;
    const cm_ast *having;
    size_t orders;
    const cm_ast_order *order;
    const cm_ast *limit, *offset; /* or NULL */
};

#endif
