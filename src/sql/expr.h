/*
 * sql/expr.h - typed expressions: what the binder makes, the planner moves, owners run as SQL and
 * exec compiles to gate programs.
 *
 * Every node knows its type, whether it can be NULL, and a public range of its value, computed
 * bottom-up so that no result can leave it: an operation whose range does not fit 126 bits is
 * refused (22003) when it is bound.  Casts are explicit nodes: the operands of an operation already
 * have the scale or type that its row below says.
 */
#ifndef CM_SQL_EXPR_H
#define CM_SQL_EXPR_H

#include "sql/schema.h"

typedef enum cm_expr_op {
    CM_X_CONST,  /* value */
    CM_X_PARAM,  /* $index, only while describing; planning needs constants */
    CM_X_COLUMN, /* column `index` of relation `rel` (of a plan node: rel is the child, 0 or 1) */
    /* numbers: canonical integers, equal scales for + - % and comparisons; * adds scales */
    CM_X_ADD,
    CM_X_SUB,
    CM_X_MUL,
    CM_X_IDIV, /* integer division, truncates towards 0; divisor 0: 22012 */
    CM_X_QUOT, /* numeric division: arg0 * 10^shift / arg1, truncated; type.quotient.  Two more
                  arguments may be constants that the result is known to lie between */
    CM_X_MOD,  /* sign of the dividend */
    CM_X_NEG,
    CM_X_ABS,
    CM_X_RESCALE, /* numeric or int to another scale, rounding half away from zero */
    CM_X_TRUNC,   /* the same, towards 0 */
    CM_X_FLOOR,   /* the same, down */
    CM_X_CEIL,    /* the same, up */
    CM_X_CAST,    /* keeps the canonical integer, changes the type (int widths with range check
                     when the range does not fit: 22003; bool to int; date to timestamp is MUL) */
    /* any one type, both sides; text by bytes */
    CM_X_EQ,
    CM_X_NE,
    CM_X_LT,
    CM_X_LE,
    CM_X_GT,
    CM_X_GE,
    CM_X_NOT_DISTINCT, /* IS NOT DISTINCT FROM */
    /* booleans: three-valued, two or more arguments for AND and OR */
    CM_X_AND,
    CM_X_OR,
    CM_X_NOT,
    CM_X_IS_NULL,
    CM_X_IS_TRUE,  /* never NULL */
    CM_X_IS_FALSE, /* never NULL */
    CM_X_IN,       /* arg0 IN (arg1, ...), constants or expressions */
    CM_X_CASE,     /* when, then, when, then, ..., else (always present) */
    CM_X_COALESCE,
    CM_X_NULLIF,
    CM_X_GREATEST, /* NULLs ignored */
    CM_X_LEAST,
    /* dates */
    CM_X_EXTRACT, /* field `index` (cm_field) of a date or timestamp, as numeric scale 0 */
    CM_X_DATE_TRUNC,
    CM_X_ADD_MONTHS, /* date or timestamp, plus constant months arg1, end of month clamped */
    /* text: only an owner can evaluate these, in the clear */
    CM_X_LIKE, /* arg1 constant pattern; `index` 1: ILIKE */
    CM_X_LOWER,
    CM_X_UPPER,
    CM_X_LENGTH, /* characters */
    CM_X_SUBSTRING,
    CM_X_CONCAT,
    CM_X_TRIM,     /* arg0 without the characters of arg1 at both ends; `index` 1: left, 2: right */
    CM_X_REPLACE,  /* arg1 by arg2 in arg0 */
    CM_X_POSITION, /* of arg1 in arg0, by characters from 1; 0: nowhere */
    CM_X_STAT,     /* statistic `index` (cm_stat) of sums: sql/stat.h */
    CM_X_AGG, /* aggregate `agg` over args (none: count(*)), `distinct`, `filter`; a second argument
                 is what is distinct, where that is not the first */
} cm_expr_op;

typedef enum cm_field {
    CM_FIELD_YEAR,
    CM_FIELD_QUARTER,
    CM_FIELD_MONTH,
    CM_FIELD_WEEK,
    CM_FIELD_DAY,
    CM_FIELD_DOW,
    CM_FIELD_DOY,
    CM_FIELD_HOUR,
    CM_FIELD_MINUTE,
    CM_FIELD_SECOND,
    CM_FIELD_EPOCH,
} cm_field;

typedef enum cm_aggregate {
    CM_AGGREGATE_COUNT,
    CM_AGGREGATE_SUM,
    CM_AGGREGATE_AVG,
    CM_AGGREGATE_MIN,
    CM_AGGREGATE_MAX,
    /* Of values in order, with the fraction index / 10^shift: percentile_cont is made of the next
     * three, as in table/table.h. */
    CM_AGGREGATE_PERCENTILE_CONT,
    CM_AGGREGATE_PERCENTILE_FLOOR,
    CM_AGGREGATE_PERCENTILE_CEIL,
    CM_AGGREGATE_PERCENTILE_REST,
    CM_AGGREGATE_PERCENTILE_DISC,
    CM_AGGREGATE_MODE,
} cm_aggregate;
const char *cm_aggregate_name(cm_aggregate aggregate);
static inline bool cm_aggregate_is_ordered(cm_aggregate aggregate)
{
    return aggregate >= CM_AGGREGATE_PERCENTILE_CONT;
}

/* Window functions. */
typedef enum cm_win {
    CM_WIN_ROW_NUMBER,
    CM_WIN_RANK,
    CM_WIN_DENSE_RANK,
    CM_WIN_LAG,
    CM_WIN_LEAD,
    CM_WIN_FIRST, /* with an offset the row so far below the first one, or NULL */
    CM_WIN_LAST,  /* of the frame, as all that follow */
    CM_WIN_COUNT,
    CM_WIN_SUM,
    CM_WIN_MIN,
    CM_WIN_MAX,
} cm_win;
/* Where a frame ends, that starts at the partition's first row; or one that slides. */
typedef enum cm_win_frame {
    CM_WIN_ROWS,  /* at the row itself */
    CM_WIN_PEERS, /* at its last peer: the default, with ORDER BY */
    CM_WIN_PARTITION,
    CM_WIN_SLIDING, /* so many rows above and below the row */
} cm_win_frame;
/* Bounds of a frame that slides: rows below the row, above it where negative. */
#define CM_WIN_UNBOUNDED ((int64_t)1 << 40)

typedef struct cm_expr cm_expr;
struct cm_expr {
    cm_expr_op op;
    cm_type type;
    bool nullable;
    cm_range range; /* not for TEXT */
    int position;   /* in the SQL text, from 1 */
    unsigned rel, index;
    cm_value value;
    int shift;
    cm_aggregate aggregate;
    bool distinct;
    bool descending; /* a percentile, or a mode */
    const cm_expr *filter;
    size_t args;
    const cm_expr *const *arg;
};

/* Constructors that compute type-independent facts (nullable, range) and refuse overflow. */
const cm_expr *cm_expr_const(cm_arena *arena, cm_type type, cm_value value, int position);
const cm_expr *cm_expr_column(cm_arena *arena, unsigned rel, unsigned index, cm_type type,
                              bool nullable, cm_range range, int position);
/* Any other operation: sets nullable and range from op, type and args. */
CM_MUST cm_status cm_expr_op_new(cm_arena *arena, cm_expr_op op, cm_type type,
                                 const cm_expr *const *args, size_t count, unsigned index,
                                 int shift, int position, const cm_expr **ret, cm_diag *diag);
/*
 * An aggregate.  arg is NULL for count(*), filter is the condition of FILTER (WHERE ...) or NULL.
 * rows is a public bound of the rows it sees (sum of the relations' rows), for the range of sums;
 * 0 stands for 2^40.  The planner computes ranges again from what it plans.
 */
CM_MUST cm_status cm_expr_agg_new(cm_arena *arena, cm_aggregate aggregate, cm_type type,
                                  const cm_expr *arg, bool distinct, const cm_expr *filter,
                                  uint64_t rows, int position, const cm_expr **ret, cm_diag *diag);
bool cm_expr_equal(const cm_expr *a, const cm_expr *b); /* positions in the text do not count */
/* Calls fn for every node, parents first, filters of aggregates included; stops when it returns
 * false, and returns false then. */
bool cm_expr_walk(const cm_expr *expr, bool (*fn)(const cm_expr *, void *), void *arg);
/* A copy in which fn may replace nodes (returns NULL to descend).  Ranges and nullability are
 * computed again above a replaced node, except for aggregates, which keep theirs. */
CM_MUST cm_status cm_expr_rewrite(cm_arena *arena, const cm_expr *expr,
                                  const cm_expr *(*fn)(const cm_expr *, void *), void *arg,
                                  const cm_expr **ret, cm_diag *diag);
/* Of the group that only an owner can evaluate, in the clear: LIKE to POSITION. */
bool cm_op_is_on_text(cm_expr_op op);
bool cm_expr_has_aggregate(const cm_expr *expr);
/* Value of an expression in the clear, columns[index] for its columns (NULL: it has none);
 * NULL-aware; errors as PostgreSQL's.  Aggregates and parameters are our bug here. */
CM_MUST cm_status cm_expr_eval(const cm_expr *expr, const cm_value *columns, cm_arena *arena,
                               cm_value *ret, cm_diag *diag);

#endif
