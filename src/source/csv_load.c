/* Design: docs/design/source.md, "CSV". */
#include "source/source_int.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { SCRATCH_BYTES = 4 * 1024 * 1024 };

typedef struct load {
    const char *file; /* name for messages */
    const cm_csv_format *format;
    const cm_source_table *source;
    const cm_org_table *table;
    cm_csv *csv;
    cm_sqlite *db;
    cm_sqlite_stmt *insert;
    cm_arena scratch; /* the column map, then values of one row */
    size_t fields;    /* of every record */
    size_t *field_of; /* published column -> field */
    uint64_t rows;
} load;

bool cm_csv_is_null(const cm_csv_format *format, const cm_csv_field *field)
{
    return !field->quoted && strcmp(field->text, format->null_text) == 0;
}

cm_status cm_csv_read_file(void *arg, uint8_t *buffer, size_t capacity, size_t *ret_bytes,
                           cm_diag *diag)
{
    const int *fd = arg;
    for (;;) {
        ssize_t bytes = read(*fd, buffer, capacity);
        if (bytes >= 0) {
            *ret_bytes = (size_t)bytes;
            return CM_OK;
        }
        if (errno != EINTR) {
            return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot read a CSV file: %s", strerror(errno));
        }
    }
}

/* The field of a heading: the same text, or else the only one that differs in case alone. */
static bool find_heading(const cm_csv_record *record, const char *name, size_t *ret)
{
    size_t alike = 0;
    for (size_t i = 0; i < record->fields; i++) {
        if (strcmp(record->field[i].text, name) == 0) {
            *ret = i;
            return true;
        }
    }
    for (size_t i = 0; i < record->fields; i++) {
        if (strcasecmp(record->field[i].text, name) == 0) {
            *ret = i;
            alike++;
        }
    }
    return alike == 1;
}

/* Headings are not shown in errors: without a header line they would be values. */
CM_MUST static cm_status map_columns(load *l, const cm_csv_record *header, cm_diag *diag)
{
    l->fields = header->fields;
    for (size_t i = 0; i < l->table->cols; i++) {
        if (!find_heading(header, l->source->remote_col[i], &l->field_of[i])) {
            cm_status st =
                cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_COLUMN,
                        "file \"%s\" has no column \"%s\"", l->file, l->source->remote_col[i]);
            cm_diag_hint(diag, "OPTIONS (column_name '...') names the column in the file; OPTIONS "
                               "(header 'false') of the server is for files without headings.");
            return st;
        }
    }
    return CM_OK;
}

CM_MUST static cm_status read_header(load *l, cm_diag *diag)
{
    if (!l->format->header) {
        l->fields = l->table->cols;
        for (size_t i = 0; i < l->table->cols; i++) {
            l->field_of[i] = i;
        }
        return CM_OK;
    }
    cm_csv_record header;
    bool end;
    cm_status st = cm_csv_next(l->csv, &header, &end, diag);
    if (st != CM_OK) {
        return st;
    }
    if (end) {
        return cm_fail(diag, CM_EINVAL, "22P04", "file \"%s\" is empty, without even a header",
                       l->file);
    }
    return map_columns(l, &header, diag);
}

CM_MUST static cm_status create_table(load *l, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf create = {0};
    CM_CLEANUP(cm_buf_free) cm_buf insert = {0};
    cm_buf_printf(&create, "BEGIN; CREATE TABLE rows(");
    cm_buf_printf(&insert, "INSERT INTO rows VALUES(");
    for (size_t i = 0; i < l->table->cols; i++) {
        bool text = l->table->col[i].type.kind == CM_TYPE_TEXT;
        cm_buf_printf(&create, "%s", i > 0 ? ", " : "");
        cm_sql_put_name(&create, l->table->col[i].name);
        cm_buf_printf(&create, " %s", text ? "TEXT" : "INTEGER");
        cm_buf_printf(&insert, "%s?", i > 0 ? "," : "");
    }
    cm_buf_printf(&create, ")");
    cm_buf_printf(&insert, ")");
    if (create.failed || insert.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_status st = cm_sqlite_exec(l->db, cm_buf_text(&create), diag);
    return st != CM_OK ? st : cm_sqlite_prepare(l->db, cm_buf_text(&insert), &l->insert, diag);
}

/* Canonical, checked, bound.  scratch holds what is bound until the row was inserted. */
CM_MUST static cm_status bind_value(load *l, size_t col, const cm_csv_field *field,
                                    cm_arena *scratch, cm_diag *diag)
{
    const cm_column *column = &l->table->col[col];
    cm_cell cell = {.kind = CM_CELL_NULL};
    if (!cm_csv_is_null(l->format, field)) {
        cell = (cm_cell){.kind = CM_CELL_TEXT, .text = field->text, .bytes = field->bytes};
    }
    cm_value value;
    cm_fault fault;
    if (!cm_cell_canonical(&column->type, &cell, scratch, &value, &fault) ||
        !cm_cell_check(column, &value, &fault)) {
        return cm_fault_fail(&fault, l->table, col, l->rows, diag);
    }
    cm_sqlite_bind_value(l->insert, (int)col + 1, &value, column->type.kind == CM_TYPE_TEXT);
    return CM_OK;
}

CM_MUST static cm_status load_record(load *l, const cm_csv_record *record, cm_arena scratch,
                                     cm_diag *diag)
{
    bool empty = record->fields == 1 && !record->field[0].quoted && record->field[0].bytes == 0;
    if (empty && l->fields > 1) {
        return CM_OK;
    }
    l->rows++;
    if (record->fields != l->fields) {
        return cm_fail(diag, CM_EINVAL, "22P04", "row %llu of table \"%s\" has %zu fields, not %zu",
                       (unsigned long long)l->rows, l->table->name, record->fields, l->fields);
    }
    for (size_t col = 0; col < l->table->cols; col++) {
        cm_status st = bind_value(l, col, &record->field[l->field_of[col]], &scratch, diag);
        if (st != CM_OK) {
            return st;
        }
    }
    bool row;
    return cm_sqlite_step(l->db, l->insert, &row, diag);
}

CM_MUST static cm_status load_rows(load *l, cm_diag *diag)
{
    for (;;) {
        cm_csv_record record;
        bool end;
        cm_status st = cm_csv_next(l->csv, &record, &end, diag);
        if (st != CM_OK || end) {
            return st;
        }
        st = load_record(l, &record, l->scratch, diag);
        if (st != CM_OK) {
            cm_diag_detail(diag, "File \"%s\", line %llu.", l->file,
                           (unsigned long long)record.line);
            return st;
        }
    }
}

CM_MUST static cm_status run(load *l, int *fd, const char *db_path, cm_diag *diag)
{
    cm_status st = cm_arena_init(&l->scratch, SCRATCH_BYTES);
    if (st != CM_OK) {
        return cm_fail(diag, st, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    l->field_of = CM_NEW(&l->scratch, size_t, l->table->cols);
    st = cm_csv_new(l->file, l->format->delimiter, cm_csv_read_file, fd, &l->csv, diag);
    if (st == CM_OK) {
        st = read_header(l, diag);
    }
    if (st == CM_OK) {
        st = cm_sqlite_open(db_path, CM_SQLITE_BUILD, 1000, &l->db, diag);
    }
    if (st == CM_OK) {
        st = create_table(l, diag);
    }
    if (st == CM_OK) {
        st = load_rows(l, diag);
    }
    if (st == CM_OK) {
        st = cm_sqlite_exec(l->db, "COMMIT", diag);
    }
    for (size_t k = 0; k < l->table->cols + l->table->keys && st == CM_OK; k++) {
        if (k >= l->table->cols || l->table->col[k].unique) {
            st = cm_check_unique(l->db, "rows", l->table, k, diag);
        }
    }
    return st;
}

cm_status cm_csv_load(int csv_fd, const char *csv_name, const cm_csv_format *format,
                      const cm_source_table *table, const char *db_path, uint64_t *ret_rows,
                      cm_diag *diag)
{
    load l = {.file = csv_name, .format = format, .source = table, .table = table->table};
    cm_status st = run(&l, &csv_fd, db_path, diag);
    cm_sqlite_finalize(l.insert);
    cm_sqlite_free(l.db);
    cm_csv_free(l.csv);
    cm_arena_fini(&l.scratch);
    if (st == CM_OK) {
        *ret_rows = l.rows;
    }
    return st;
}
