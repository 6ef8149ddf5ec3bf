/*
 * sql/plan_int.h - the planner's own structures.  Design: docs/design/plan.md.
 *
 * A block is one SELECT.  What operators above a relation need of its rows are items: expressions
 * over one relation, computed where the row is.  A flow is a tree of nodes under construction with
 * the items that its columns hold.
 */
#ifndef CM_SQL_PLAN_INT_H
#define CM_SQL_PLAN_INT_H

#include "sql/plan.h"

enum {
    CM_PLAN_RELATIONS_MAX = 64,  /* bits of a relation set */
    CM_PLAN_DEPTH_MAX = 32,      /* of subqueries */
    CM_PLAN_KEY_TEXT_BYTES = 24, /* longer text is grouped by its digest */
    CM_PLAN_MPC_TEXT_BYTES = 64, /* longer text is neither ordered nor compared under MPC */
    CM_PLAN_DIGEST_PLANES = 128,
    CM_PLAN_DOMAIN_GROUPS = 64,  /* most groups that GROUP_DOMAIN is considered for */
    CM_PLAN_QUOTIENT_DIGITS = 6, /* least digits after the point of a quotient */
};

typedef struct cm_plan_unit cm_plan_unit; /* plan_unite.c */

typedef struct cm_planner {
    cm_arena *arena;
    const cm_schema *schema;
    const char *coordinator;
    cm_plan_settings settings;
    uint32_t min_rows; /* K */
    size_t hints;
    const cm_hint *hint;
    bool fixed_sizes; /* what is stored has the planned number of rows */
    unsigned depth;
    const cm_plan_unit *units;
    bool own_late;   /* owners join after it is settled what is grouped before it is joined */
    bool own_joined; /* some owner joins */
    bool own_many;   /* and may where neither side is unique: for what it adds up itself */
    bool own_wide;   /* which it then could */
    size_t checks;
    cm_plan_check *check;   /* CM_PLAN_CHECKS_MAX of them */
    const char **node_text; /* canonical, by number, once nodes have numbers */
    cm_diag *diag;
} cm_planner;

/* The check that a node makes, for cm_plan_node.check: the number of an equal one, if there is one.
 * 0A000 when the plan has too many. */
CM_MUST cm_status cm_plan_add_check(cm_planner *pl, cm_plan_check check, unsigned *ret);

/* Growing list of expressions. */
typedef struct cm_exprs {
    const cm_expr **at;
    size_t count, room;
} cm_exprs;
void cm_exprs_add(cm_arena *arena, cm_exprs *list, const cm_expr *expr);
bool cm_exprs_have(const cm_exprs *list, const cm_expr *expr);
/* a * b, or `most` where that is less. */
uint64_t cm_times_most(uint64_t a, uint64_t b, uint64_t most);

/* ---- nodes (plan_node.c) ---- */

cm_plan_node *cm_node_new(cm_planner *pl, cm_plan_op op, uint64_t rows, size_t cols);
/* Writable columns of a node under construction. */
cm_plan_col *cm_node_cols(cm_plan_node *node);
void cm_node_children(cm_planner *pl, cm_plan_node *node, cm_plan_node *const *child, size_t count);
/* Columns; a number's range is widened to at least one plane. */
cm_plan_col cm_col_number(const char *name, cm_type type, cm_range range, bool nullable);
cm_plan_col cm_col_text(const char *name, cm_type type, unsigned bytes, bool nullable);
cm_plan_col cm_col_digest(const char *name, cm_type type, bool nullable);
const cm_expr *cm_node_column(cm_planner *pl, const cm_plan_node *node, size_t col);
cm_plan_node *cm_node_filter(cm_planner *pl, cm_plan_node *child, const cm_expr *condition);
/* The child itself when nothing changes. */
cm_plan_node *cm_node_project(cm_planner *pl, cm_plan_node *child, const cm_expr *const *exprs,
                              const cm_plan_col *cols, size_t count);
/* A column for a value computed under MPC; 0A000 for text that is too long. */
CM_MUST cm_status cm_col_of_expr(cm_planner *pl, const char *name, const cm_expr *expr,
                                 const cm_plan_node *child, cm_plan_col *ret);
/* Number of values of a column, UINT64_MAX when unbounded. */
uint64_t cm_col_values(const cm_plan_col *col);
uint64_t cm_range_values(cm_range range, bool nullable);
/* plan_number.c: numbers, children first; nodes that compute the same become one. */
CM_MUST cm_status cm_node_number(cm_planner *pl, cm_plan_node *root, cm_plan *plan);
/* plan_runs.c: which INPUTs are delivered sorted, for which nodes; renews the nodes' texts. */
CM_MUST cm_status cm_plan_deliver(cm_planner *pl, cm_plan *plan);

/* Expressions the planner makes. */
CM_MUST cm_status cm_plan_op_new(cm_planner *pl, cm_expr_op op, cm_type type, const cm_expr *a,
                                 const cm_expr *b, const cm_expr **ret);
const cm_expr *cm_plan_null(cm_planner *pl, cm_type type);
const cm_expr *cm_plan_int(cm_planner *pl, cm_i128 value);
const cm_expr *cm_plan_and(cm_planner *pl, const cm_exprs *list); /* NULL when empty */
bool cm_expr_is_text(const cm_expr *expr);
bool cm_expr_is_true(const cm_expr *expr); /* the constant */
cm_type cm_plan_bool_type(void);
cm_type cm_plan_int8_type(void);
uint64_t cm_expr_rels(const cm_expr *expr);
void cm_expr_conjuncts(cm_planner *pl, const cm_expr *expr, cm_exprs *list);
/* Without casts that keep the canonical integer and cannot fail. */
const cm_expr *cm_expr_strip(const cm_expr *expr);
/* Without all operations that keep different values different. */
const cm_expr *cm_expr_injective(const cm_expr *expr);
/* Target of column `index` of a derived relation: hidden targets are no columns. */
unsigned cm_query_target(const cm_query *query, unsigned index);
CM_MUST cm_status cm_plan_unsupported(cm_planner *pl, int position, const char *what,
                                      const char *hint);

/* ---- blocks ---- */

typedef struct cm_item {
    unsigned rel;
    const cm_expr *expr;
    cm_encoding_kind kind;
    cm_range range; /* numbers: what its column will be encoded for */
    int uses;       /* by what is not planned yet */
    bool twin;      /* stands for something made of the expression's column */
} cm_item;

/* An equality between two relations: indexes of items. */
typedef struct cm_join_key {
    const cm_expr *expr;
    size_t left, right;
    bool used;
} cm_join_key;

/*
 * Columns of relations that together are unique, or nearly; none: at most one row.  What
 * nobody has promised alone, as a key of a union of several owners' tables, may be presumed: the
 * text says what is wrong when it does not hold.
 */
typedef struct cm_unique {
    size_t cols;
    const unsigned *rel, *col;
    uint64_t more;        /* rows besides one that may have the same values; 0: unique */
    const char *presumed; /* NULL: certain */
} cm_unique;

typedef struct cm_flow {
    cm_plan_node *node;
    uint64_t rels;
    int *item; /* per column: item, or -1 */
    size_t uniques;
    cm_unique *unique;
} cm_flow;

/* FROM, with inner joins gathered into groups. */
typedef struct cm_part cm_part;
struct cm_part {
    cm_from_kind kind; /* RELATION; INNER: a group; others: part[0] and part[1] */
    unsigned rel;
    uint64_t rels;
    size_t parts;
    cm_part **part;
    cm_exprs conjuncts; /* as they were placed */
    cm_exprs residual;  /* those that are no keys */
    size_t keys;
    cm_join_key *key;
    const cm_expr *compare; /* SEMI, ANTI: with one more comparison of the two sides; or NULL */
    size_t outer_item, least_item, greatest_item; /* its left side, and extremes of the right one */
    bool single;                                  /* LEFT: of a value, which has one row at most */
    int position;
};

/* What the reader of a block's rows needs. */
typedef struct cm_need {
    unsigned target;
    cm_encoding_kind kind; /* NUMBER or TEXT: the value; DIGEST */
} cm_need;

typedef struct cm_planned {
    cm_plan_node *node;
    unsigned *col; /* per need */
    size_t uniques;
    cm_unique *unique;     /* col is a target; rel is unused */
    bool positions_public; /* a row's position tells nothing that the answer does not */
} cm_planned;

typedef struct cm_block {
    cm_planner *pl;
    const cm_query *query; /* flattened */
    bool visible;          /* its groups are shown, so K holds for them */
    bool *outer;           /* per relation: on the side of a LEFT JOIN that may be NULL */
    cm_exprs *own;         /* per relation: conjuncts on its rows alone */
    cm_exprs *sunk;        /* per relation: those that its own query has now */
    cm_planned *derived;   /* per relation, once planned */
    cm_need **derived_need;
    size_t *derived_needs;
    cm_item *item;
    size_t items, room;
    cm_part *from;
} cm_block;

/* plan_merge.c: simple subqueries are merged into the query, and one owner's relations joined. */
CM_MUST cm_status cm_plan_flatten(cm_planner *pl, const cm_query *query, bool own_joins,
                                  const cm_query **ret);
/* plan_early.c: the query itself, or one that groups before it joins. */
CM_MUST cm_status cm_plan_early(cm_planner *pl, const cm_query *query, const cm_query **ret);
/* plan_push.c: whether the expression is computed where the row of its one relation is. */
bool cm_block_is_item(const cm_block *b, const cm_expr *expr);
/* What gate programs cannot do: look into text, and most of the calendar. */
bool cm_expr_is_owners_alone(const cm_expr *expr);
/* Adds (or takes back) uses of the items that the expression is made of.  0A000 for what only an
 * owner can evaluate and no single owner has the columns of. */
CM_MUST cm_status cm_block_use(cm_block *b, const cm_expr *expr, int uses);
size_t cm_block_use_item(cm_block *b, const cm_expr *expr, cm_encoding_kind kind, int uses);
/* Another item for the same expression, for what is made of its column. */
size_t cm_block_twin_item(cm_block *b, size_t item);
/* The expression over the columns of the flow. */
CM_MUST cm_status cm_flow_resolve(cm_block *b, const cm_flow *flow, const cm_expr *expr,
                                  const cm_expr **ret);
/* Column of the flow that holds the item. */
int cm_flow_column(const cm_flow *flow, size_t item);
/* Drops columns that nothing above uses any more. */
void cm_flow_prune(cm_block *b, cm_flow *flow);
/* Rows of one relation: INPUTs and CONCAT, or the derived query. */
CM_MUST cm_status cm_block_leaf(cm_block *b, unsigned rel, cm_flow *ret);
/* The expression over what a fragment of the table reads, org replaced by the owner. */
CM_MUST cm_status cm_plan_fold_org(cm_planner *pl, const cm_expr *expr, const cm_org_table *table,
                                   const cm_expr **ret);
/* Whether all conjuncts of the relation are evaluated by its owners. */
bool cm_block_filters_pushed(const cm_block *b, unsigned rel);
CM_MUST cm_status cm_block_fragment_filter(cm_block *b, unsigned rel, const cm_org_table *table,
                                           const cm_expr **ret);
uint64_t cm_plan_table_rows(const cm_org_table *table);

/* Index among the needs of a derived relation of the one that an item is. */
size_t cm_block_need_of(const cm_block *b, const cm_item *item);
/* plan_window.c: what window functions that are used need of the rows below; then their columns.
 * A function's own need has a target behind the derived query's. */
unsigned cm_block_need_target(const cm_block *b, const cm_item *item);
size_t cm_window_needs(cm_block *b, unsigned rel, cm_need *need, size_t needs);
size_t cm_window_most_needs(const cm_block *b, unsigned rel);
CM_MUST cm_status cm_window_build(cm_block *b, unsigned rel, size_t below);

/* plan_from.c: FROM and WHERE as parts. */
CM_MUST cm_status cm_block_prepare_from(cm_block *b);
/* plan_narrow.c: what owners' conditions and equalities say about columns; query is the block's own
 * copy. */
CM_MUST cm_status cm_block_narrow(cm_block *b, cm_query *query);
CM_MUST cm_status cm_block_use_from(cm_block *b);
CM_MUST cm_status cm_block_build_from(cm_block *b, cm_flow *ret);
/* plan_apply.c: uses of what the part's aggregates read; and its rows. */
CM_MUST cm_status cm_block_use_applied(cm_block *b, const cm_part *part, int uses);
CM_MUST cm_status cm_block_build_apply(cm_block *b, cm_part *part, cm_flow *ret);
/* An item of its own with one use: its expression is a column that no query can name. */
size_t cm_block_fresh_item(cm_block *b, unsigned rel, cm_type type, cm_range range);
/* SUM / COUNT as the average that agg is; without values the sum is NULL, and so is it. */
CM_MUST cm_status cm_plan_average(cm_planner *pl, const cm_expr *agg, const cm_expr *sum,
                                  const cm_expr *count, const cm_expr **ret);
/* plan_join.c */
CM_MUST cm_status cm_block_build_part(cm_block *b, cm_part *part, cm_flow *ret);

/* plan_group.c: the grouped query's targets over one node. */
CM_MUST cm_status cm_block_group(cm_block *b, const cm_need *need, size_t needs, cm_planned *ret);

/* plan.c: one SELECT, recursively. */
CM_MUST cm_status cm_plan_block(cm_planner *pl, const cm_query *query, bool visible, bool root,
                                const cm_need *need, size_t needs, cm_planned *ret);

/* plan_stored.c: the plan of a query that is kept, and the columns of a materialized view. */
CM_MUST cm_status cm_plan_store(cm_planner *pl, const cm_query *query, cm_plan_node **ret,
                                cm_planned *ret_planned);
CM_MUST cm_status cm_plan_stored(cm_planner *pl, const cm_query *query, const cm_need *need,
                                 size_t needs, cm_planned *ret);

/* The expression with what names no column computed, except where that would be an error. */
CM_MUST cm_status cm_plan_fold_constants(cm_planner *pl, const cm_expr *expr, const cm_expr **ret);

/*
 * plan_unite.c: a table of the planner's own, that stands for what its owner computes of real ones.
 * The relation of a block that consists of such tables is like any other: conditions, expressions
 * and aggregates over its columns are taken to the real ones where they become owners' SQL.
 */
struct cm_plan_unit {
    const cm_org_table *table; /* with the relation's columns */
    const cm_org_table *real;
    const cm_own_join *join;    /* or NULL: real alone */
    bool many;                  /* a join without a unique side: table->rows are pairs */
    const cm_expr *const *expr; /* per column, over the real tables */
    const cm_expr *filter;      /* or NULL */
    const cm_plan_unit *next;
};
/* NULL for all other tables. */
const cm_plan_unit *cm_plan_unit_of(const cm_planner *pl, const cm_org_table *table);
void cm_plan_unit_add(cm_planner *pl, cm_plan_unit *unit);
/* What a fragment of the table reads. */
void cm_plan_read_table(const cm_planner *pl, const cm_org_table *table, cm_fragment *ret);
/* So many rows may be delivered of it: 0A000 for more pairs than are tried anywhere. */
CM_MUST cm_status cm_plan_check_pairs(cm_planner *pl, const cm_org_table *table, uint64_t rows);
/* The pseudo-column org's value. */
const cm_expr *cm_plan_org(cm_planner *pl, const cm_expr *expr, const char *org);
/* Makes a union of tables of a UNION ALL of such rows, where owners can compute all of it. */
CM_MUST cm_status cm_plan_unite(cm_planner *pl, cm_relation *relation);
/* plan_own.c: relations that one owner can join become one relation. */
CM_MUST cm_status cm_plan_own_joins(cm_planner *pl, cm_query *query);
/* cm_expr_pushable, for every table that the expression's relation consists of. */
bool cm_block_pushable(const cm_block *b, const cm_expr *expr);

/* plan_union.c: the rows of all arms; and conditions on derived relations, moved into their
 * queries: query is the block's own copy. */
CM_MUST cm_status cm_plan_union(cm_planner *pl, const cm_query *query, bool visible,
                                const cm_need *need, size_t needs, cm_planned *ret);
CM_MUST cm_status cm_block_sink_conditions(cm_block *b, cm_query *query);
/* One valid row of nothing: FROM where there is none. */
cm_plan_node *cm_plan_one_row(cm_planner *pl);

/* plan_cost.c */
void cm_plan_cost_node(cm_plan_node *node, const cm_plan_settings *settings);
/* All nodes, and the plan's total: owners work side by side, and the answer is opened. */
void cm_plan_cost_total(cm_plan *plan, const cm_plan_settings *settings, cm_arena *arena);
/* Estimated seconds of grouping the child's rows by domain or by sort. */
double cm_plan_cost_group(const cm_plan_node *node, const cm_plan_settings *settings);

/* plan_text.c: the canonical text. */
/* node_text: of each node, by number. */
void cm_plan_print(const cm_plan *plan, const char *const *node_text, const cm_schema *schema,
                   const cm_plan_settings *settings, cm_buf *out);
/* Without its number. */
void cm_plan_print_node(const cm_plan_node *node, cm_buf *out);
void cm_expr_print(const cm_expr *expr, cm_buf *out);

#endif
