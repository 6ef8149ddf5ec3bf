/*
 * sql/bind_int.h - what the bind_*.c files share.
 *
 * A scope is one SELECT: its relations, numbered as they are met in FROM.  Names are looked up in a
 * cm_names: the columns that one place of the statement can see (an ON sees the two sides of its
 * join, WHERE sees everything, a subquery of EXISTS sees its own FROM first, then the outer one).
 * Column expressions are made at the time of the lookup, because outer joins make columns nullable
 * only above themselves.
 */
#ifndef CM_SQL_BIND_INT_H
#define CM_SQL_BIND_INT_H

#include "sql/ast.h"
#include "sql/query.h"
#include "sql/sql_int.h"

enum {
    CM_BIND_MAX_RELATIONS = 64,      /* of one SELECT */
    CM_BIND_MAX_ALL_RELATIONS = 256, /* of a statement */
    CM_BIND_MAX_TARGETS = 1664,      /* as PostgreSQL's */
    CM_BIND_MAX_OUTERS = 32,         /* of one scalar subquery */
    CM_BIND_OUTER = 1 << 16, /* column k of the outer query stands as one of relation OUTER + k */
    CM_QUOTIENT_SCALE = 21,  /* 20 digits shown at most, and one to round by */
    CM_QUOTIENT_LEAST_SCALE = 4,
};

typedef struct cm_with_query { /* a WITH query, bound once */
    const char *name;
    const cm_relation *relation;
    uint64_t rows;
    const struct cm_with_query *next;
} cm_with_query;

typedef struct cm_binder {
    const cm_schema *schema;
    const char *requester;
    cm_arena *arena;
    cm_diag *diag;
    cm_type *param_types;
    const cm_value *param_values;
    int params;
    unsigned presumes;
    int64_t now;        /* microseconds since 2000-01-01 */
    unsigned relations; /* of the whole statement so far */
    size_t views;       /* that can be seen here: a view sees those before it */
    const cm_stmt *view;
    cm_with_query **view_bound; /* entries of view; NULL until it is read */
    const cm_with_query *withs;
} cm_binder;

/* A join that waits until it is known whether the query is grouped: bind_scalar.c. */
typedef struct cm_late_join {
    cm_from_kind kind; /* CROSS, LEFT or APPLY */
    const cm_from *right;
    const cm_expr *on;
    int position;
    unsigned rel; /* APPLY */
} cm_late_join;

typedef struct cm_scope {
    cm_binder *b;
    unsigned relations;
    cm_relation relation[CM_BIND_MAX_RELATIONS];
    const char *schema_name[CM_BIND_MAX_RELATIONS]; /* as written, for schema.table.column */
    bool aliased[CM_BIND_MAX_RELATIONS];
    bool nulled[CM_BIND_MAX_RELATIONS];   /* by an outer join above */
    uint64_t rows[CM_BIND_MAX_RELATIONS]; /* public bound */
    size_t lates;                         /* scalar subqueries of SELECT, HAVING and ORDER BY */
    cm_late_join late[CM_BIND_MAX_RELATIONS];
    bool is_late[CM_BIND_MAX_RELATIONS];
    const struct cm_place *outer; /* a scalar subquery's: where it stands; or NULL */
    size_t outers;                /* columns of the outer query that WHERE names */
    const cm_expr *outer_column[CM_BIND_MAX_OUTERS];
} cm_scope;

/* A column that a name or * can mean; `other` is the right side's of FULL JOIN ... USING. */
typedef struct cm_scope_col {
    const char *name;
    unsigned rel, index;
    const struct cm_scope_col *other;
    bool merged; /* by USING: type is the common one */
    cm_type type;
} cm_scope_col;

typedef struct cm_names {
    size_t cols; /* for names without a qualifier and for * */
    const cm_scope_col *col;
    unsigned first, last; /* relations [first, last) for qualified names */
    const struct cm_names *outer;
} cm_names;

/*
 * Window functions of one SELECT.  While its clauses are bound, function i is column i of a
 * relation CM_BIND_WINDOWS that no scope has.  In the end, the SELECT without its functions becomes
 * a derived relation, to which they add columns.
 */
typedef struct cm_bound_window {
    cm_win function;
    cm_win_frame frame;
    const cm_expr *arg; /* or NULL */
    uint64_t offset;
    int64_t from, to; /* SLIDING */
    size_t parts;
    const cm_expr *const *part;
    size_t orders;
    const cm_expr *const *order;
    const cm_ast_order *how; /* directions */
    const char *name;
    const cm_expr *column;
} cm_bound_window;
typedef struct cm_bound_windows {
    size_t count, room;
    cm_bound_window *at;
} cm_bound_windows;
enum { CM_BIND_WINDOWS = CM_BIND_MAX_RELATIONS };

/* Where an expression stands. */
typedef struct cm_place {
    cm_scope *s;
    const cm_names *names;
    const char *clause; /* aggregates are not allowed in it; NULL where they are */
    bool in_aggregate;
    bool in_window;            /* an aggregate that is called here is a window function */
    cm_bound_windows *windows; /* NULL where window functions are not allowed */
    const cm_from **from;      /* what a scalar subquery is joined to, at once; or NULL */
    bool late;                 /* or in the end */
} cm_place;

/* An aggregate whose arguments are bound. */
typedef struct cm_agg_call {
    cm_binder *b;
    const cm_ast *ast;
    const cm_expr *arg, *second; /* NULL: count(*), no second one */
    const cm_expr *filter;
    uint64_t rows; /* public bound of those it sees */
} cm_agg_call;

/* A call of a scalar function, its arguments bound. */
typedef struct cm_call {
    cm_binder *b;
    const cm_ast *ast;
    const cm_expr **args;
    size_t count;
    int position;
} cm_call;

/* bind_type.c: errors */
/* Sets the position of the failure that follows. */
void cm_bind_at(cm_binder *b, int position);
CM_MUST CM_PRINTF(3, 4) cm_status
    cm_bind_refuse(cm_binder *b, int position, const char *format, ...);
/* 53200 when the arena is nearly full: a statement may expand to more than its text. */
CM_MUST cm_status cm_bind_room(cm_binder *b);
/* A type's name in the arena, for messages. */
const char *cm_bind_type_name(cm_binder *b, const cm_type *type);

/* bind_type.c: expressions and types */
cm_type cm_bind_numeric(int scale, bool quotient, int least_digits);
/* What PostgreSQL has as double precision. */
const cm_expr *cm_bind_float(cm_binder *b, const cm_expr *expr);
cm_type cm_bind_plain(cm_type_kind kind);
cm_type cm_bind_text(size_t max_bytes);
bool cm_bind_is_int(const cm_type *type);
bool cm_bind_is_const(const cm_expr *expr);
/* cm_expr_op_new, and folding of constants. */
CM_MUST cm_status cm_bind_op(cm_binder *b, cm_expr_op op, cm_type type, const cm_expr *const *args,
                             size_t count, unsigned index, int shift, int position,
                             const cm_expr **ret);
CM_MUST cm_status cm_bind_op1(cm_binder *b, cm_expr_op op, cm_type type, const cm_expr *arg,
                              int position, const cm_expr **ret);
CM_MUST cm_status cm_bind_op2(cm_binder *b, cm_expr_op op, cm_type type, const cm_expr *left,
                              const cm_expr *right, int position, const cm_expr **ret);
const cm_expr *cm_bind_number(cm_binder *b, cm_type type, cm_i128 number, int position);
/* The type of a decimal text of its own: as many digits after the point as it has. */
CM_MUST cm_status cm_bind_decimal(cm_binder *b, const char *text, int position,
                                  const cm_expr **ret);
/* Implicit conversion; the caller knows that it exists. */
CM_MUST cm_status cm_bind_coerce(cm_binder *b, const cm_expr *expr, cm_type to,
                                 const cm_expr **ret);
/* Only what an unknown literal, NULL or parameter allows; others unchanged. */
CM_MUST cm_status cm_bind_coerce_unknown(cm_binder *b, const cm_expr *expr, cm_type to,
                                         const cm_expr **ret);
/* One type for all, which come back converted.  what names the construct for 42804. */
CM_MUST cm_status cm_bind_unify(cm_binder *b, const char *what, const cm_expr **exprs, size_t count,
                                cm_type *ret);
/* Whether the two can be unified at all. */
bool cm_bind_comparable(const cm_type *a, const cm_type *b);
/* Both to equal scales, losing digits of quotients alone when 126 bits do not hold them. */
CM_MUST cm_status cm_bind_unify_scales(cm_binder *b, const cm_expr **left, const cm_expr **right,
                                       int position);
/* To that numeric scale by op: RESCALE, TRUNC, FLOOR or CEIL. */
CM_MUST cm_status cm_bind_rescale(cm_binder *b, cm_expr_op op, const cm_expr *expr, int scale,
                                  int position, const cm_expr **ret);
/* A check at run time that the value fits its type, where the range does not say so already. */
CM_MUST cm_status cm_bind_checked(cm_binder *b, const cm_expr *expr, const cm_expr **ret);
CM_MUST cm_status cm_bind_cast(cm_binder *b, const cm_expr *expr, const cm_ast_type *to,
                               int position, const cm_expr **ret);
/* PostgreSQL's type name is a text to functions: org becomes one, others stay as they are. */
CM_MUST cm_status cm_bind_name_as_text(cm_binder *b, const cm_expr *expr, const cm_expr **ret);
/* CM_OK when the expression is boolean: 42804 otherwise. */
CM_MUST cm_status cm_bind_boolean(cm_binder *b, const char *what, const cm_expr *expr,
                                  const cm_expr **ret);

/* bind_expr.c */
CM_MUST cm_status cm_bind_expr(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
CM_MUST cm_status cm_bind_condition(const cm_place *at, const char *what, const cm_ast *ast,
                                    const cm_expr **ret);
/* Binds all arguments. */
CM_MUST cm_status cm_bind_args(const cm_place *at, const cm_ast *ast, const cm_expr ***ret);

/* bind_spread.c: whether an operation is one of constants that are chosen from, and the choice of
 * its results. */
bool cm_bind_can_spread(cm_expr_op op, const cm_expr *const *args, size_t count);
CM_MUST cm_status cm_bind_spread(cm_binder *b, const cm_expr *op, const cm_expr **ret);

/* bind_compare.c */
CM_MUST cm_status cm_bind_not(cm_binder *b, const cm_expr *expr, int position, const cm_expr **ret);
CM_MUST cm_status cm_bind_between(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
CM_MUST cm_status cm_bind_in(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
CM_MUST cm_status cm_bind_like(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
CM_MUST cm_status cm_bind_distinct(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
/* left op right of bound operands: what USING makes. */
CM_MUST cm_status cm_bind_compare(cm_binder *b, cm_expr_op op, const char *name,
                                  const cm_expr *left, const cm_expr *right, int position,
                                  const cm_expr **ret);

/* bind_arith.c: + - * / % and unary minus */
CM_MUST cm_status cm_bind_arith(cm_binder *b, char op, const cm_expr *left, const cm_expr *right,
                                int position, const cm_expr **ret);
CM_MUST cm_status cm_bind_negate(cm_binder *b, const cm_expr *arg, int position,
                                 const cm_expr **ret);
CM_MUST cm_status cm_bind_no_operator(cm_binder *b, const char *name, const cm_expr *left,
                                      const cm_expr *right, int position);
/* bind_field.c: fields of EXTRACT that are made of others. */
CM_MUST cm_status cm_bind_derived_field(const cm_call *c, const char *name, const cm_expr *when,
                                        const cm_expr **ret, bool *ret_known);
CM_MUST cm_status cm_bind_to_timestamp(cm_binder *b, const cm_expr *expr, const cm_expr **ret);
CM_MUST cm_status cm_bind_to_date(cm_binder *b, const cm_expr *expr, const cm_expr **ret);

/* bind_func.c */
CM_MUST cm_status cm_bind_func(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
/* bind_agg.c; *ret_known false when the name is no aggregate's. */
CM_MUST cm_status cm_bind_aggregate(const cm_place *at, const cm_ast *ast, const cm_expr **ret,
                                    bool *ret_known);
bool cm_bind_is_aggregate(const char *name);
CM_MUST cm_status cm_bind_no_function(cm_binder *b, const cm_ast *ast, const cm_expr *const *args,
                                      size_t count);

/* bind_window.c */
CM_MUST cm_status cm_bind_window(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
bool cm_bind_is_window(const char *name);
bool cm_bind_has_window(const cm_expr *expr);

/* bind_names.c */
CM_MUST cm_status cm_bind_column(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
CM_MUST cm_status cm_bind_scope_col(cm_scope *s, const cm_scope_col *col, int position,
                                    const cm_expr **ret);
/* Whether a single name means a column here; for GROUP BY, which prefers them to aliases. */
bool cm_bind_has_column(const cm_place *at, const char *name);
/* Relation that a qualifier means, or -1. */
int cm_bind_find_relation(const cm_place *at, const char *schema, const char *name);
CM_MUST cm_status cm_bind_no_relation(const cm_place *at, const char *name, int position);
/* Edits between two names, for hints; more than 3 is far. */
unsigned cm_bind_distance(const char *a, const char *b);

/* bind_relation.c: adds one relation to the scope; *names describes it alone. */
CM_MUST cm_status cm_bind_table(cm_scope *s, const cm_ast_from *from, const cm_from **ret,
                                cm_names *names);
CM_MUST cm_status cm_bind_derived(cm_scope *s, const cm_ast_from *from, const cm_from **ret,
                                  cm_names *names);
/* A derived query as a relation without an alias. */
cm_relation cm_bind_derive(cm_binder *b, const cm_query *query);
/* Adds a relation that no name reaches. */
CM_MUST cm_status cm_bind_add_hidden(cm_scope *s, cm_relation relation, uint64_t rows, int position,
                                     const cm_from **ret, cm_names *names);
/* FROM of a query without one, where something has to be joined to its row. */
CM_MUST cm_status cm_bind_one_row(cm_scope *s, const cm_from **ret);
CM_MUST cm_status cm_bind_with(cm_binder *b, const cm_ast_select *select);
/* Bound of the rows that FROM can give, for the range of sums. */
uint64_t cm_bind_rows(const cm_scope *s);

/* bind_from.c */
CM_MUST cm_status cm_bind_from(cm_scope *s, const cm_ast_select *select, const cm_from **ret,
                               cm_names *ret_names);
const cm_from *cm_bind_join(cm_binder *b, cm_from_kind kind, const cm_from *left,
                            const cm_from *right, const cm_expr *on, int position);
/* The join whose result is relation rel beside left's. */
const cm_from *cm_bind_apply_join(cm_binder *b, const cm_from *left, const cm_from *right,
                                  const cm_expr *on, unsigned rel, int position);

/* bind_agg.c: an aggregate of the call's rows, DISTINCT and FILTER over another argument. */
CM_MUST cm_status cm_bind_new_agg(const cm_agg_call *c, cm_aggregate aggregate, cm_type type,
                                  const cm_expr *arg, const cm_expr **ret);
CM_MUST cm_status cm_bind_avg_of(const cm_agg_call *c, const cm_expr *arg, const cm_expr **ret);
/* bind_ordered.c: those with WITHIN GROUP; fraction is NULL for mode. */
bool cm_bind_is_ordered(const char *name);
CM_MUST cm_status cm_bind_ordered(const cm_agg_call *c, const cm_expr *fraction,
                                  const cm_expr **ret);
/* bind_stat.c: number of arguments, 0 when the name is not one of a statistic. */
size_t cm_bind_stat_args(const char *name);
CM_MUST cm_status cm_bind_stat(const cm_agg_call *agg, const cm_expr **ret);

/* bind_math.c and bind_text.c: scalar functions */
CM_MUST cm_status cm_bind_sign(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_div(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_sqrt(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_power(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_btrim(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_ltrim(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_rtrim(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_replace(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_position(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_left(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_right(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_starts_with(const cm_call *c, const cm_expr **ret);
CM_MUST cm_status cm_bind_concat_ws(const cm_call *c, const cm_expr **ret);

/* bind_where.c */
/* Rows of FROM that WHERE keeps, and nothing more. */
bool cm_bind_is_simple(const cm_ast_select *select);
/* EXISTS of any other query, which names no column of the outer one: whether it has rows. */
CM_MUST cm_status cm_bind_has_rows(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
/* WHERE: subqueries at its top become semi and anti joins of *from. */
CM_MUST cm_status cm_bind_where(cm_scope *s, const cm_names *names, const cm_ast *where,
                                const cm_from **from, const cm_expr **ret);

/* FROM and WHERE of a simple subquery, in the scope of the outer one, whose names are `names`. */
CM_MUST cm_status cm_bind_pull_up(cm_scope *s, const cm_names *names, const cm_ast_select *select,
                                  const cm_from **ret_from, cm_names *ret_names,
                                  const cm_expr **ret_where);
bool cm_bind_has_aggregate(const cm_ast *ast);

/* bind_apply.c: aggregates over a subquery's rows that match in any way; EXISTS; IN, ANY, ALL. */
CM_MUST cm_status cm_bind_apply_scalar(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
CM_MUST cm_status cm_bind_apply_exists(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
CM_MUST cm_status cm_bind_apply_any(const cm_place *at, const cm_ast *ast, const cm_expr **ret);

/* bind_scalar.c: (SELECT ...) as a value. */
CM_MUST cm_status cm_bind_scalar(const cm_place *at, const cm_ast *ast, const cm_expr **ret);
/* A column of the query around the scalar subquery. */
CM_MUST cm_status cm_bind_outer_column(const cm_place *at, const cm_ast *ast, const cm_expr **ret);

/* One SELECT while its clauses are bound. */
typedef struct cm_select_state {
    cm_scope *s;
    cm_names names;
    const cm_ast_select *select;
    cm_query *query;
    cm_target *target;
    bool unknowns;    /* literals that are shown wait for the type of a set operation's column */
    size_t shown;     /* targets of the select list, before hidden ones */
    bool needs_apply; /* it has another condition with the outer query than an equality */
    size_t keys;      /* a correlated subquery's equalities: own side and the outer one's */
    const cm_expr *key[CM_BIND_MAX_OUTERS], *outer_key[CM_BIND_MAX_OUTERS];
    const cm_expr **group;
    cm_bound_windows windows;
} cm_select_state;

/* bind.c */
CM_MUST cm_status cm_bind_add_target(cm_select_state *q, const char *name, const cm_expr *expr,
                                     bool hidden);
/* *ret_rows: a bound of the rows it gives. */
CM_MUST cm_status cm_bind_select(cm_binder *b, const cm_ast_select *select, const cm_query **ret,
                                 uint64_t *ret_rows);

CM_MUST cm_status cm_bind_limit(cm_select_state *q);
/* One SELECT without set operation; with `unknowns` as above. */
CM_MUST cm_status cm_bind_simple(cm_binder *b, const cm_ast_select *select, const cm_place *outer,
                                 bool unknowns, cm_select_state **ret_state, uint64_t *ret_rows);

/* bind_set.c: UNION, INTERSECT, EXCEPT and VALUES. */
CM_MUST cm_status cm_bind_set(cm_binder *b, const cm_ast_select *select,
                              cm_select_state **ret_state, uint64_t *ret_rows);

/* bind_window_split.c: moves everything below the window functions, if there are any, into a
 * derived relation of a new query; after the clauses, and before DISTINCT is settled. */
CM_MUST cm_status cm_bind_split_windows(cm_select_state *q);
/* One that stands at `outer`, or NULL; *ret_state is what it was bound with. */
CM_MUST cm_status cm_bind_subselect(cm_binder *b, const cm_ast_select *select,
                                    const cm_place *outer, cm_select_state **ret_state,
                                    uint64_t *ret_rows);
/* bind_scalar.c: takes the equalities with outer columns out of WHERE. */
CM_MUST cm_status cm_bind_take_correlation(cm_select_state *q);
/* Groups a correlated subquery by its side of them, and shows it. */
CM_MUST cm_status cm_bind_group_by_correlation(cm_select_state *q);
bool cm_bind_names_late(const cm_scope *s, const cm_expr *expr);
/* Joins the scalar subqueries of SELECT, HAVING and ORDER BY: above the groups, if there are. */
CM_MUST cm_status cm_bind_join_late(cm_select_state *q);

/* bind_group.c */
CM_MUST cm_status cm_bind_groups(cm_select_state *q);
void cm_bind_add_group(cm_select_state *q, const cm_expr *expr);
/* Sets query->grouped and checks what is shown; after targets, HAVING and ORDER BY. */
CM_MUST cm_status cm_bind_check_grouping(cm_select_state *q);
CM_MUST cm_status cm_bind_orders(cm_select_state *q);

#endif
