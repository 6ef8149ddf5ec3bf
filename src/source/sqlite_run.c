/*
 * Statements and fragments over SQLite files.  SQLite sorts to group, so groups are gathered here:
 * the statement gives every row's keys and arguments, and since keys have public domains of few
 * values, a group is an index.  That takes half the time of SQLite's own GROUP BY, evaluates an
 * argument of several aggregates once, and cannot overflow.
 */
#include "source/source_int.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS_MAX = 1 << 20 }; /* groups times arguments; beyond, SQLite groups */

/* ---- one statement ---- */

CM_MUST static cm_status value_of(const cm_cell *cell, bool is_text, cm_value *ret, cm_diag *diag)
{
    *ret = (cm_value){.null = cell->kind == CM_CELL_NULL};
    if (cell->kind == CM_CELL_NULL) {
        return CM_OK;
    }
    if (is_text && cell->kind == CM_CELL_TEXT && strlen(cell->text) == cell->bytes) {
        ret->text = cell->text;
        return CM_OK;
    }
    if (!is_text && cell->kind == CM_CELL_INTEGER) {
        ret->number = cell->integer;
        return CM_OK;
    }
    /* Integers that overflow become floating point in SQLite. */
    return cell->kind == CM_CELL_REAL
               ? cm_fail(diag, CM_ERANGE, CM_SQL_RANGE, "a number of the source left 64 bits")
               : cm_fail(diag, CM_EINVAL, CM_SQL_DATATYPE_MISMATCH,
                         "the source gave a value of another type than published");
}

cm_status cm_sqlite_stream(cm_sqlite *db, const char *sql, size_t cols, const bool *is_text,
                           cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    cm_sqlite_stmt *stmt = NULL;
    cm_value *value = calloc(cols + 1, sizeof *value);
    if (value == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    bool row = true;
    cm_status st = cm_sqlite_prepare(db, sql, &stmt, diag);
    CM_ASSERT(st != CM_OK || cm_sqlite_columns(stmt) == cols);
    while (st == CM_OK && row) {
        st = cm_sqlite_step(db, stmt, &row, diag);
        for (size_t i = 0; i < cols && st == CM_OK && row; i++) {
            cm_cell cell = cm_sqlite_cell(stmt, i);
            st = value_of(&cell, is_text[i], &value[i], diag);
        }
        if (st == CM_OK && row) {
            st = fn(arg, value);
        }
    }
    cm_sqlite_finalize(stmt);
    free(value);
    return st;
}

/* ---- groups ---- */

/* What all aggregates of one argument need to know of one group. */
typedef struct gathered {
    uint64_t count; /* not NULL */
    cm_i128 sum;
    int64_t min, max;
} gathered;

typedef struct grouping {
    const cm_fragment *fragment;
    size_t groups, args;
    const cm_expr **arg;    /* distinct */
    size_t *arg_of;         /* per output; args: count(*) */
    uint64_t *rows;         /* per group */
    gathered *cell;         /* groups * args */
    cm_value *value;        /* keys, then outputs */
    const cm_expr **column; /* of the statement: keys, then arguments */
} grouping;

static void grouping_fini(grouping *g)
{
    if (g->cell != NULL) {
        cm_wipe(g->cell, g->groups * (g->args + 1) * sizeof *g->cell);
    }
    if (g->rows != NULL) {
        cm_wipe(g->rows, g->groups * sizeof *g->rows);
    }
    free(g->arg);
    free(g->arg_of);
    free(g->rows);
    free(g->cell);
    free(g->value);
    free(g->column);
}

/* Whether gathering beats SQLite: it counts rows without reading them, and orders text itself. */
static bool worth_gathering(const cm_fragment *f)
{
    bool args = false;
    if (!cm_fragment_is_dense(f)) {
        return false;
    }
    for (size_t i = 0; i < f->outputs; i++) {
        if (f->output[i]->distinct) {
            return false;
        }
        if (f->output[i]->args > 0) {
            args = true;
            if (f->output[i]->arg[0]->type.kind == CM_TYPE_TEXT ||
                f->output[i]->arg[0]->type.kind == CM_TYPE_UNKNOWN) {
                return false;
            }
        }
    }
    return (args || f->keys > 0) && cm_fragment_groups(f) <= CELLS_MAX / (f->outputs + 1);
}

/* The number of an argument among the distinct ones, added when it is new. */
static size_t number_of(grouping *g, const cm_expr *arg)
{
    for (size_t i = 0; i < g->args; i++) {
        if (cm_expr_equal(g->arg[i], arg)) {
            return i;
        }
    }
    g->arg[g->args] = arg;
    return g->args++;
}

CM_MUST static cm_status grouping_init(grouping *g, const cm_fragment *f, cm_diag *diag)
{
    *g = (grouping){.fragment = f, .groups = cm_fragment_groups(f)};
    g->arg = calloc(f->outputs + 1, sizeof *g->arg);
    g->arg_of = calloc(f->outputs + 1, sizeof *g->arg_of);
    g->rows = calloc(g->groups, sizeof *g->rows);
    g->cell = calloc(g->groups * (f->outputs + 1), sizeof *g->cell);
    g->value = calloc(f->keys + f->outputs + 1, sizeof *g->value);
    g->column = calloc(f->keys + f->outputs + 1, sizeof *g->column);
    if (g->arg == NULL || g->arg_of == NULL || g->rows == NULL || g->cell == NULL ||
        g->value == NULL || g->column == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < f->outputs; i++) {
        CM_ASSERT(f->output[i]->op == CM_X_AGG && !f->output[i]->distinct &&
                  f->output[i]->filter == NULL);
        g->arg_of[i] = f->output[i]->args > 0 ? number_of(g, f->output[i]->arg[0]) : SIZE_MAX;
    }
    for (size_t i = 0; i < f->keys; i++) {
        g->column[i] = f->key[i];
    }
    for (size_t i = 0; i < g->args; i++) {
        g->column[f->keys + i] = g->arg[i];
    }
    return CM_OK;
}

static cm_status take_row(void *arg, const cm_value *row)
{
    grouping *g = arg;
    size_t at;
    if (!cm_fragment_position(g->fragment, row, &at)) {
        return CM_ERANGE; /* gather says which table */
    }
    g->rows[at]++;
    for (size_t i = 0; i < g->args; i++) {
        const cm_value *value = &row[g->fragment->keys + i];
        gathered *cell = &g->cell[at * g->args + i];
        if (value->null) {
            continue;
        }
        int64_t number = (int64_t)value->number; /* SQLite has no longer ones */
        cell->min = cell->count == 0 || number < cell->min ? number : cell->min;
        cell->max = cell->count == 0 || number > cell->max ? number : cell->max;
        cell->sum += number;
        cell->count++;
    }
    return CM_OK;
}

/* A sum over no rows is 0, as in cm_fragment_sql. */
static cm_value output_of(const grouping *g, size_t at, size_t output)
{
    const cm_expr *aggregate = g->fragment->output[output];
    if (g->arg_of[output] == SIZE_MAX) {
        return (cm_value){.number = (cm_i128)g->rows[at]};
    }
    const gathered *cell = &g->cell[at * g->args + g->arg_of[output]];
    switch (aggregate->aggregate) {
    case CM_AGGREGATE_COUNT:
        return (cm_value){.number = (cm_i128)cell->count};
    case CM_AGGREGATE_SUM:
        return (cm_value){.number = cell->sum};
    case CM_AGGREGATE_MIN:
        return (cm_value){.null = cell->count == 0, .number = cell->min};
    case CM_AGGREGATE_MAX:
        return (cm_value){.null = cell->count == 0, .number = cell->max};
    case CM_AGGREGATE_AVG:
    case CM_AGGREGATE_PERCENTILE_CONT:
    case CM_AGGREGATE_PERCENTILE_FLOOR:
    case CM_AGGREGATE_PERCENTILE_CEIL:
    case CM_AGGREGATE_PERCENTILE_REST:
    case CM_AGGREGATE_PERCENTILE_DISC:
    case CM_AGGREGATE_MODE:
        break;
    }
    CM_ASSERT(false && "the planner took averages apart, and owners have no percentiles");
    return (cm_value){0};
}

/* Groups that have rows; without keys the one group in any case. */
CM_MUST static cm_status hand_over(grouping *g, cm_source_row_fn fn, void *arg)
{
    const cm_fragment *f = g->fragment;
    cm_status st = CM_OK;
    for (size_t at = 0; at < g->groups && st == CM_OK; at++) {
        if (g->rows[at] > 0 || f->keys == 0) {
            cm_fragment_keys_at(f, at, g->value);
            for (size_t i = 0; i < f->outputs; i++) {
                g->value[f->keys + i] = output_of(g, at, i);
            }
            st = fn(arg, g->value);
        }
    }
    return st;
}

CM_MUST static cm_status fill(cm_sqlite *db, const char *const *from, grouping *g, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    const cm_fragment *f = g->fragment;
    cm_fragment rows = {.table = f->table,
                        .join = f->join,
                        .filter = f->filter,
                        .outputs = f->keys + g->args,
                        .output = g->column};
    bool *is_text = calloc(rows.outputs + 1, sizeof *is_text);
    cm_fragment_sql(&rows, CM_DIALECT_SQLITE, from, &sql);
    if (is_text == NULL || sql.failed) {
        free(is_text);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_diag own = {0};
    cm_status st =
        cm_sqlite_stream(db, cm_buf_text(&sql), rows.outputs, is_text, take_row, g, &own);
    free(is_text);
    if (st != CM_OK) {
        if (own.status == CM_OK) {
            return cm_fail(diag, CM_ERANGE, CM_SQL_CHECK,
                           "a grouping value of %s.%s is outside its declared domain",
                           f->table->org, f->table->name);
        }
        if (diag != NULL) {
            *diag = own;
        }
        return st;
    }
    return CM_OK;
}

CM_MUST static cm_status gather(cm_sqlite *db, const char *const *from, const cm_fragment *f,
                                cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    grouping g;
    cm_status st = grouping_init(&g, f, diag);
    if (st == CM_OK) {
        st = fill(db, from, &g, diag);
    }
    if (st == CM_OK) {
        st = hand_over(&g, fn, arg);
    }
    grouping_fini(&g);
    return st;
}

cm_status cm_sqlite_run(cm_sqlite *db, const char *const *from, const cm_fragment *fragment,
                        size_t cols, const bool *is_text, cm_source_row_fn fn, void *arg,
                        cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    if (worth_gathering(fragment)) {
        return gather(db, from, fragment, fn, arg, diag);
    }
    cm_fragment_sql(fragment, CM_DIALECT_SQLITE, from, &sql);
    return sql.failed ? cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory")
                      : cm_sqlite_stream(db, cm_buf_text(&sql), cols, is_text, fn, arg, diag);
}
