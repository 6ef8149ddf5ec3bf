/* What a query presumes of columns that nobody has declared, held against their extremes. */
#include "source/source.h"
#include "source/sqlite_db.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"

/* Least and greatest values of a table's columns. */
typedef struct extremes {
    size_t cols;
    cm_value *value; /* 2 * cols */
} extremes;

static cm_status take_extremes(void *arg, const cm_value *row)
{
    const extremes *e = arg;

    memcpy(e->value, row, 2 * e->cols * sizeof *row); /* numbers alone: nothing is borrowed */
    return CM_OK;
}

static cm_status read_extremes(cm_source *source, const cm_source_table *table, const bool *columns,
                               extremes *e, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    bool *is_text = calloc(2 * e->cols + 1, sizeof *is_text);

    for (size_t i = 0, at = 0; i < table->table->cols; i++) {
        if (columns[i]) {
            cm_buf_printf(&sql, "%smin(", at++ == 0 ? "SELECT " : ", ");
            cm_sql_put_name(&sql, table->table->col[i].name);
            cm_buf_printf(&sql, "), max(");
            cm_sql_put_name(&sql, table->table->col[i].name);
            cm_buf_printf(&sql, ")");
        }
    }
    cm_buf_printf(&sql, " FROM ");
    cm_status st = cm_source_from(source, table, &sql, diag);
    cm_buf_printf(&sql, " AS t");
    if (st == CM_OK && (sql.failed || is_text == NULL)) {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    if (st == CM_OK) {
        st = cm_source_query(source, cm_buf_text(&sql), 2 * e->cols, is_text, take_extremes, e,
                             diag);
    }
    free(is_text);
    return st;
}

cm_status cm_source_check_within(cm_source *source, const cm_source_table *table,
                                 const bool *columns, cm_range range, cm_diag *diag)
{
    extremes e = {0};

    for (size_t i = 0; i < table->table->cols; i++) {
        e.cols += columns[i];
    }
    if (e.cols == 0) {
        return CM_OK;
    }
    e.value = calloc(2 * e.cols, sizeof *e.value);
    if (e.value == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_status st = read_extremes(source, table, columns, &e, diag);
    for (size_t i = 0, at = 0; st == CM_OK && i < table->table->cols; i++) {
        if (!columns[i]) {
            continue;
        }
        const cm_value *least = &e.value[at++], *most = &e.value[at++];
        if (!least->null && (least->number < range.lo || most->number > range.hi)) {
            st = cm_fail(diag, CM_ERANGE, CM_SQL_RANGE,
                         "table \"%s\": column \"%s\" has a value beyond what the query presumes",
                         table->table->name, table->table->col[i].name);
            cm_diag_hint(diag, "Declare the columns' real ranges with CHECK (column BETWEEN low "
                               "AND high).");
        }
    }
    cm_wipe(e.value, 2 * e.cols * sizeof *e.value);
    free(e.value);
    return st;
}
