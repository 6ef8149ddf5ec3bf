/*
 * Joins of an owner's tables that are at several sources.  The columns that the fragment reads are
 * loaded into an SQLite database in memory, which lives as long as the statement, and are joined
 * there: as rows of CSV files are, but for this one fragment.
 */
#include "source/source_int.h"

#include <stdlib.h>

typedef struct loading {
    cm_sqlite *db;
    cm_sqlite_stmt *insert;
    size_t cols;
    bool *used;    /* per column of the table */
    bool *is_text; /* per column that is read */
    cm_diag *diag;
} loading;

static void loading_fini(loading *l)
{
    cm_sqlite_finalize(l->insert);
    free(l->used);
    free(l->is_text);
}

static cm_status load_row(void *arg, const cm_value *row)
{
    const loading *l = arg;
    bool more = false;
    for (size_t i = 0; i < l->cols; i++) {
        bool number = !row[i].null && !l->is_text[i];
        if (number && (row[i].number < INT64_MIN || row[i].number > INT64_MAX)) {
            return cm_fail(l->diag, CM_ERANGE, CM_SQL_RANGE,
                           "a number of more than 64 bits cannot be joined across servers");
        }
        cm_sqlite_bind_value(l->insert, (int)i + 1, &row[i], l->is_text[i]);
    }
    return cm_sqlite_step(l->db, l->insert, &more, l->diag);
}

/* CREATE, INSERT and SELECT of the columns in use; a table of which nothing is read has one of
 * zeros, for its rows count. */
CM_MUST static cm_status put_statements(loading *l, cm_source *source, const cm_source_table *table,
                                        size_t number, cm_buf *create, cm_buf *insert,
                                        cm_buf *select)
{
    const char *comma = "";
    cm_buf_printf(create, "CREATE TABLE r%zu(", number);
    cm_buf_printf(insert, "INSERT INTO r%zu VALUES(", number);
    cm_buf_printf(select, "SELECT ");
    for (size_t i = 0; i < table->table->cols; i++) {
        if (l->used[i]) {
            const cm_column *col = &table->table->col[i];
            l->is_text[l->cols] = col->type.kind == CM_TYPE_TEXT;
            cm_buf_printf(create, "%s", comma);
            cm_sql_put_name(create, col->name);
            cm_buf_printf(create, l->is_text[l->cols] ? " TEXT" : " INTEGER");
            cm_buf_printf(insert, "%s?", comma);
            cm_buf_printf(select, "%s", comma);
            cm_sql_put_name(select, col->name);
            comma = ", ";
            l->cols++;
        }
    }
    if (l->cols == 0) {
        cm_buf_printf(create, "zero");
        cm_buf_printf(insert, "?");
        cm_buf_printf(select, "0");
        l->cols = 1;
    }
    cm_buf_printf(create, ")");
    cm_buf_printf(insert, ")");
    cm_buf_printf(select, " FROM ");
    cm_status st = cm_source_from(source, table, select, l->diag);
    cm_buf_printf(select, " AS t");
    return st == CM_OK && (create->failed || insert->failed || select->failed)
               ? cm_fail(l->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory")
               : st;
}

CM_MUST static cm_status load_table(cm_sqlite *db, cm_source *source, const cm_source_table *table,
                                    const cm_fragment *fragment, size_t number, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf create = {0};
    CM_CLEANUP(cm_buf_free) cm_buf insert = {0};
    CM_CLEANUP(cm_buf_free) cm_buf select = {0};
    loading l = {.db = db, .diag = diag};
    l.used = calloc(table->table->cols + 1, sizeof *l.used);
    l.is_text = calloc(table->table->cols + 1, sizeof *l.is_text);
    if (l.used == NULL || l.is_text == NULL) {
        loading_fini(&l);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_fragment_mark(fragment, number, 0, l.used);
    cm_status st = put_statements(&l, source, table, number, &create, &insert, &select);
    if (st == CM_OK) {
        st = cm_sqlite_exec(db, cm_buf_text(&create), diag);
    }
    if (st == CM_OK) {
        st = cm_sqlite_prepare(db, cm_buf_text(&insert), &l.insert, diag);
    }
    if (st == CM_OK) {
        st = cm_source_query(source, cm_buf_text(&select), l.cols, l.is_text, load_row, &l, diag);
    }
    loading_fini(&l);
    return st;
}

cm_status cm_source_run_across(cm_source *const *source, const cm_source_table *const *table,
                               const cm_fragment *fragment, size_t cols, const bool *is_text,
                               cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    _Static_assert(CM_OWN_JOIN_MAX == 8, "a name for each table");
    static const char *const from[CM_OWN_JOIN_MAX] = {"r0", "r1", "r2", "r3",
                                                      "r4", "r5", "r6", "r7"};
    cm_sqlite *db = NULL;
    cm_status st = cm_sqlite_open(NULL, CM_SQLITE_MEMORY, source[0]->timeout_ms, &db, diag);
    if (st == CM_OK) { /* or each row would be a transaction */
        st = cm_sqlite_exec(db, "BEGIN", diag);
    }
    for (size_t i = 0; i < cm_fragment_tables(fragment) && st == CM_OK; i++) {
        st = load_table(db, source[i], table[i], fragment, i, diag);
    }
    if (st == CM_OK) {
        st = cm_sqlite_exec(db, "COMMIT", diag);
    }
    if (st == CM_OK) {
        st = cm_sqlite_run(db, from, fragment, cols, is_text, fn, arg, diag);
    }
    cm_sqlite_free(db);
    return st;
}
