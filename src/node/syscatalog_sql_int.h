/* node/syscatalog_sql_int.h - the rewriter's state, shared by syscatalog_sql.c (the walk),
 * syscatalog_expr.c (expressions) and syscatalog_from.c (FROM); and what syscatalog_type.c tells
 * from tokens alone. */
#ifndef CM_NODE_SYSCATALOG_SQL_INT_H
#define CM_NODE_SYSCATALOG_SQL_INT_H

#include "node/syscatalog_int.h"

enum { CM_NO_OPERAND = -1, CM_REWRITE_DEPTH_MAX = 100 };

typedef struct cm_rewriter {
    const cm_sql_token *token;
    size_t at; /* the next token */
    cm_arena *arena;
    cm_buf out;
    int depth;
    bool reads_tables;
    bool expanded;     /* _pg_expandarray was called in the group just closed */
    bool targets_done; /* the outermost select list was seen */
    bool starred;      /* it has a star */
    size_t known;      /* its columns before that */
    uint32_t *oid;
    cm_status status;
    cm_diag *diag;
} cm_rewriter;

/* One nesting of parentheses, brackets, CASE, or the whole. */
typedef struct cm_level {
    long operand; /* where the last operand begins in out: casts and subscripts wrap it */
    bool outermost;
    bool in_from;     /* between FROM and the next clause */
    bool expect_item; /* a table, function or subquery comes next */
    bool limited;     /* LIMIT was there */
    const char *call; /* the function whose arguments these are, or NULL */
} cm_level;

typedef enum cm_stop {
    CM_STOP_END,
    CM_STOP_PAREN,
    CM_STOP_BRACKET,
    CM_STOP_CASE,
    CM_STOP_AS
} cm_stop;

const cm_sql_token *cm_rw_peek(const cm_rewriter *r, size_t ahead);
bool cm_token_is(const cm_sql_token *t,
                 const char *text);                /* a punctuation mark, operator or word */
bool cm_token_is_name(const cm_sql_token *t);      /* an identifier that is no keyword */
void cm_rw_fail(cm_rewriter *r, const char *what); /* "... is not supported" */
void cm_rw_emit(cm_rewriter *r, const char *text);
void cm_rw_emit_name(cm_rewriter *r, const char *name);
void cm_rw_insert(cm_rewriter *r, long at, const char *text);
/* Everything up to the stop, which is consumed and not emitted. */
void cm_rw_run(cm_rewriter *r, cm_level *level, cm_stop stop);

bool cm_rw_next_is(const cm_rewriter *r, size_t ahead, const char *text);
bool cm_rw_previous_is(const cm_rewriter *r, const char *text);
void cm_rw_emit_quoted(cm_rewriter *r, const char *text, char quote);

/* A type as it is written, without schema. */
typedef struct cm_rw_type {
    const char *name;
    bool array;
} cm_rw_type;

/* Each at its first token, which it consumes with all that belongs to it; cast: behind the type. */
void cm_rw_cast(cm_rewriter *r, cm_level *level, cm_rw_type type);
void cm_rw_group(cm_rewriter *r, cm_level *level);
void cm_rw_subscript(cm_rewriter *r, cm_level *level);
void cm_rw_case(cm_rewriter *r, cm_level *level);
void cm_rw_cast_expression(cm_rewriter *r, cm_level *level);
void cm_rw_array(cm_rewriter *r, cm_level *level);
void cm_rw_operate(cm_rewriter *r, cm_level *level, const char *operator); /* behind it */
void cm_rw_named_operator(cm_rewriter *r, cm_level *level);
void cm_rw_name(cm_rewriter *r, cm_level *level);

/* At the begin of an item of FROM; consumes it with its alias. */
void cm_rw_from_item(cm_rewriter *r, cm_level *level);

/* The type at tokens[at]; *ret_at is behind it. */
cm_rw_type cm_rw_type_at(const cm_sql_token *tokens, size_t at, size_t *ret_at);
uint32_t cm_rw_type_oid(cm_rw_type type);
/* Type and name of an expression's column, as PostgreSQL gives them; 0 and "?column?" when the
 * tokens do not tell. */
uint32_t cm_rw_infer(const cm_sql_token *tokens, size_t from, size_t to);
const char *cm_rw_column_name(const cm_sql_token *tokens, size_t from, size_t to);
/* Where an element of a select list that begins at `from` ends. */
size_t cm_rw_target_end(const cm_sql_token *tokens, size_t from);
/* Its alias, or NULL; *ret_to is the end of the expression. */
const char *cm_rw_alias(const cm_sql_token *tokens, size_t from, size_t to, size_t *ret_to);
/* Index of the mark that closes the one at `open`. */
size_t cm_rw_match(const cm_sql_token *tokens, size_t open);

#endif
