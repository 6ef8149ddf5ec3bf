/* Shared by the files of exec/. */
#ifndef CM_EXEC_EXEC_INT_H
#define CM_EXEC_EXEC_INT_H

#include "exec/compile.h"
#include "exec/encode.h"
#include "exec/exec.h"

/* An owner's fragment in the clear, packed and padded, ready to be shared: private to its owner. */
typedef struct cm_exec_input {
    unsigned owner;        /* participant */
    size_t rows;           /* public */
    unsigned planes;       /* of all columns, their NULL planes, and the valid plane last */
    uint64_t *plane_words; /* planes * words of rows; NULL unless this participant is the owner */
} cm_exec_input;

typedef struct cm_exec {
    const cm_exec_options *options;
    const cm_plan *plan;
    cm_mpc *mpc;
    unsigned legs;
    cm_arena *arena; /* shares of the node that runs: its own of the shelf */
    cm_arena scratch;
    cm_exec_input *input; /* plan->nodes entries; INPUT nodes only */
    cm_table *table;      /* plan->nodes entries: results, at computing parties */
    cm_arena *shelf;      /* plan->nodes entries: what each result is made of */
    unsigned *last_read;  /* plan->nodes entries: the last node that needs it */
    cm_bcol error;        /* one row, CM_ROW_ERRORS planes and one per check of the plan: flags
                             raised so far */
    bool may_fail;        /* some program or check of the plan can raise: public */
    cm_diag *diag;
} cm_exec;

/* input.c: phase 1, in the clear, at the owner alone. */
CM_MUST cm_status cm_exec_read_input(cm_exec *x, const cm_plan_node *node, cm_exec_input *ret);
/* phase 2: shares it; at computing parties *ret is the secret table. */
CM_MUST cm_status cm_exec_share_input(cm_exec *x, const cm_plan_node *node,
                                      const cm_exec_input *input, cm_table *ret);
unsigned cm_exec_planes(const cm_plan_col *col, size_t cols);
unsigned cm_exec_participant(const cm_plan *plan, const char *org);

/*
 * rowwise.c: a program over the columns of one or more tables of equal rows, its inputs collected
 * on the way.  Legal order: init, input(s), compile and declare outputs, run; then free the
 * circuit.
 */
typedef struct cm_rowwise {
    cm_exec *x;
    cm_compiler compiler;
    cm_cval *column; /* of the child whose columns expressions name */
    cm_bcol *input;
    size_t inputs;
} cm_rowwise;
/* rows decide which shapes circuits take; columns: at most so many are read. */
void cm_rowwise_init(cm_rowwise *r, cm_exec *x, size_t rows, size_t columns, cm_arena *arena);
cm_cval cm_rowwise_input(cm_rowwise *r, const cm_plan_col *col, const cm_scol *data);
/* Declares inputs for the child's columns that the expressions name, and no others. */
void cm_rowwise_inputs_of(cm_rowwise *r, const cm_plan_node *child, const cm_expr *const *exprs,
                          size_t count, cm_arena *arena);
/* Runs into outputs (one more entry than count is used), and takes the error flags of valid rows.
 */
CM_MUST cm_status cm_rowwise_run(cm_rowwise *r, size_t rows, cm_bcol valid, cm_bcol *outputs,
                                 size_t count, cm_arena scratch);
/* A column of the encoding whose planes are appended to outputs. */
cm_scol cm_rowwise_new_column(cm_exec *x, const cm_encoding *enc, size_t rows, cm_bcol *outputs,
                              size_t *count);

/* rows.c: phase 3, operators of one row at a time: COMBINE, FILTER, PROJECT. */
CM_MUST cm_status cm_exec_combine(cm_exec *x, const cm_plan_node *node, cm_table *ret);
CM_MUST cm_status cm_exec_filter(cm_exec *x, const cm_plan_node *node, cm_table *ret);
CM_MUST cm_status cm_exec_project(cm_exec *x, const cm_plan_node *node, cm_table *ret);
/* Columns that hold the public values of a domain's keys, by row. */
void cm_exec_domain_columns(cm_exec *x, const cm_plan_node *node, const unsigned *key_cols,
                            cm_scol *ret, cm_arena scratch);

/* VALUES: public constants. */
void cm_exec_values(cm_exec *x, const cm_plan_node *node, cm_table *ret);

/* stored.c: STORED, STORE. */
CM_MUST cm_status cm_exec_stored(cm_exec *x, const cm_plan_node *node, cm_table *ret);
CM_MUST cm_status cm_exec_keep(cm_exec *x, const cm_plan_node *node, cm_table *ret);

/* deliver.c: an owner's rows of col columns, in the order of the node's sort; what is beyond the
 * first `rows` of them is padding, which gets the keys of the last row.  values and nulls: per
 * column, as cm_encode_words and one word a row. */
void cm_exec_sort_input(const cm_plan_node *node, size_t rows, uint64_t *const *values,
                        uint64_t *const *nulls, cm_arena scratch);
/* The runs of a child's table, with as many rows as there are. */
cm_runs cm_exec_runs(cm_exec *x, const cm_plan_node *node, size_t child, cm_arena *arena);

/* group.c: AGGREGATE, GROUP_DOMAIN, GROUP_SORT; RANGES. */
CM_MUST cm_status cm_exec_ranges(cm_exec *x, const cm_plan_node *node, cm_table *ret);
CM_MUST cm_status cm_exec_group(cm_exec *x, const cm_plan_node *node, cm_table *ret);

/* join.c: JOIN, JOIN_MANY, PRODUCT, NUMBER. */
/* The check's flag goes up when the bit is 1; it may be up already, from another node. */
CM_MUST cm_status cm_exec_raise_check(cm_exec *x, const cm_plan_node *node, cm_bcol bit);
CM_MUST cm_status cm_exec_join(cm_exec *x, const cm_plan_node *node, cm_table *ret);
CM_MUST cm_status cm_exec_join_many(cm_exec *x, const cm_plan_node *node, cm_table *ret);
/* What a JOIN_MANY or RANGES node matches; aggs are left empty. */
cm_range_spec cm_exec_range(cm_exec *x, const cm_plan_node *node);
CM_MUST cm_status cm_exec_product(cm_exec *x, const cm_plan_node *node, cm_table *ret);
CM_MUST cm_status cm_exec_number(cm_exec *x, const cm_plan_node *node, cm_table *ret);
unsigned cm_exec_flags(const cm_plan *plan);

/* window.c */
CM_MUST cm_status cm_exec_window(cm_exec *x, const cm_plan_node *node, cm_table *ret);

/* The listed columns in a secret random order, as copies; the others are left empty. */
CM_MUST cm_status cm_exec_shuffled(cm_exec *x, const cm_table *from, const unsigned *cols,
                                   size_t count, cm_arena *arena, cm_table *ret, cm_arena scratch);

/*
 * shelf.c: the arenas of results.  begin before a node runs, end after it, which frees what nobody
 * reads any more; fini frees the rest.  Legal without init when there is nothing to free.
 */
void cm_exec_shelf_init(cm_exec *x, cm_arena *arena);
CM_MUST cm_status cm_exec_shelf_begin(cm_exec *x, const cm_plan_node *node);
void cm_exec_shelf_end(cm_exec *x, const cm_plan_node *node);
void cm_exec_shelf_fini(cm_exec *x);

/* answer.c: phase 4. */
CM_MUST cm_status cm_exec_answer(cm_exec *x, cm_arena *result_arena, cm_exec_result *ret);

CM_MUST cm_status cm_exec_mpc_failed(cm_exec *x, cm_status status);

#endif
