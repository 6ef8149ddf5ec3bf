/*
 * sql/query.h - a SELECT after name and type resolution: what is asked, not yet how.
 *
 * Bound against a snapshot; pure and deterministic.  Base relations are unions of published tables
 * (one organisation's, or every member's table of that name with equal columns); other relations
 * are derived queries.  Column i of a base relation is column i of its tables; the pseudo-column
 * org is column `cols`.
 */
#ifndef CM_SQL_QUERY_H
#define CM_SQL_QUERY_H

#include "sql/expr.h"
#include "sql/stmt.h"

typedef struct cm_query cm_query;

/* A column that a window function adds to a derived relation; columns are the relation's. */
typedef struct cm_window {
    cm_win function;
    cm_win_frame frame; /* ROWS where it makes no difference */
    int arg;            /* -1: none, or count(*) */
    uint64_t offset;    /* LAG, LEAD: at least 1 */
    int64_t from, to;   /* SLIDING */
    size_t parts;
    const unsigned *part;
    size_t orders;
    const struct cm_order *order; /* target is the relation's column */
} cm_window;

typedef struct cm_relation {
    const char *alias;
    size_t tables; /* base: the published tables that make it up, in the members' order */
    const cm_org_table *const *table;
    size_t applies; /* APPLY: one aggregate a column, over the right side's rows; nothing matches:
                       as over no rows */
    const cm_expr *const *apply;
    const cm_query *derived; /* or a subquery in FROM, WITH or a view, or what windows are over */
    size_t windows;          /* of a derived relation: its last columns, over its rows */
    const cm_window *window;
    bool once;   /* the planner's own: a key of it was taken for unique, so the join by that key has
                    to rely on it, which checks it */
    size_t cols; /* without org */
    const cm_column *col; /* for unions: the hull of ranges, the strictest label */
} cm_relation;

typedef enum cm_from_kind {
    CM_FROM_RELATION,
    CM_FROM_INNER,
    CM_FROM_LEFT, /* RIGHT is turned round by the binder */
    CM_FROM_FULL,
    CM_FROM_CROSS,
    CM_FROM_SEMI, /* IN, EXISTS */
    CM_FROM_ANTI,
    CM_FROM_APPLY, /* left's rows, and relation `rel`: aggregates of right's rows that match each */
} cm_from_kind;

typedef struct cm_from {
    cm_from_kind kind;
    unsigned rel; /* RELATION and APPLY: index into query->relation */
    const struct cm_from *left, *right;
    const cm_expr *on; /* NULL for CROSS */
    bool single;       /* LEFT: a row with two partners is an error, 21000 */
    int position;
} cm_from;

typedef struct cm_target {
    const char *name;
    const cm_expr *expr;
    bool hidden; /* only for ORDER BY: not shown */
} cm_target;

typedef struct cm_order {
    unsigned target; /* index into targets */
    bool descending;
    bool nulls_first;
} cm_order;

/* What the statement says in a comment: SELECT ... rows(alias number): so many rows at most has the
 * join that brings the alias in. */
typedef struct cm_hint {
    const char *alias;
    uint64_t rows;
} cm_hint;

/* What becomes of the result of a whole query. */
typedef enum cm_kept {
    CM_KEPT_NOT,      /* it is shown */
    CM_KEPT_SHOWABLE, /* kept as shares; whoever asked may see it, and groups have their K */
    CM_KEPT_HIDDEN,   /* kept as shares; labels say what may be done with its columns */
} cm_kept;

/*
 * A query with arms is the UNION ALL of them and nothing else: its i-th target, never hidden,
 * stands for the i-th shown target of each arm, whose rows are its rows.  It is always derived. One
 * with `stored` is a materialized view's rows and nothing else: target i is its column i.  It is
 * derived, too.
 */
struct cm_query {
    cm_kept kept;
    unsigned presumes; /* level (type.h) of the whole statement, at the outermost query */
    const cm_org_table *stored;
    size_t arms;
    const cm_query *const *arm;
    size_t relations;
    const cm_relation *relation;
    const cm_from *from; /* NULL: no FROM */
    const cm_expr *where;
    bool grouped; /* GROUP BY or an aggregate */
    bool merges;  /* grouped by all it shows, to find equal rows of several queries (UNION,
                     INTERSECT,  EXCEPT): rows of a visible one are those of the queries below, which
                     answer for  their labels and K */
    size_t groups;
    const cm_expr *const *group;
    const cm_expr *having;
    bool distinct; /* SELECT DISTINCT: binder turns it into grouping where it can */
    size_t targets;
    const cm_target *target;
    size_t orders;
    const cm_order *order;
    bool has_limit;
    uint64_t limit, offset;
    size_t hints; /* of the whole statement, at the outermost query */
    const cm_hint *hint;
};

/*
 * Binds a SELECT.  params: values of $1.. or NULL while describing; param_types (stmt->params
 * entries, kind UNKNOWN where to be inferred) is filled.  A value whose text is set is read from it
 * like a quoted literal, of the parameter's type where that is known: a numeric keeps the digits it
 * has.  requester is the organisation that asks (its own tables are visible to it like any
 * other's).  Errors as PostgreSQL's with position; 0A000 names what is missing.
 *
 * An expression that could leave 126 bits is bound again at the next level of presumptions, first
 * at level `presumes`, until it fits; the query says what it presumes.
 */
CM_MUST cm_status cm_sql_bind(const cm_ast_select *select, const cm_schema *schema,
                              const char *requester, cm_type *param_types,
                              const cm_value *param_values, int params, unsigned presumes,
                              cm_arena *arena, const cm_query **ret, cm_diag *diag);

/* The deepest origin of a column expression: base table column, through derived queries; false when
 * it is computed.  For policy and uniqueness. */
bool cm_query_origin(const cm_query *query, const cm_expr *expr, const cm_relation **ret_relation,
                     unsigned *ret_col);

#endif
