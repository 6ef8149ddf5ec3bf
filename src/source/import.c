/*
 * IMPORT FOREIGN SCHEMA for files: one pass over each table, every value shown to its column's
 * guess (infer.h).  Columns of texts longer than 1024 bytes and of blobs are left out, since no
 * published type holds them.
 */
#include "source/import.h"

#include "source/infer.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { SCRATCH_BYTES = 4 * 1024 * 1024, MAX_TABLES = 4096 };

static bool is_taken(const char *name, const char *const *taken, size_t taken_count)
{
    for (size_t i = 0; i < taken_count; i++) {
        if (strcmp(name, taken[i]) == 0) {
            return true;
        }
    }
    return strcmp(name, "org") == 0; /* the owner's pseudo-column */
}

const char *cm_import_identifier(cm_arena *arena, const char *heading, const char *const *taken,
                                 size_t taken_count)
{
    char name[CM_NAME_MAX_BYTES + 1];
    char numbered[CM_NAME_MAX_BYTES + 1];
    size_t bytes = 0;
    if (heading[0] == '\0' || isdigit((unsigned char)heading[0])) {
        name[bytes++] = '_';
    }
    for (const char *c = heading; *c != '\0' && bytes < CM_NAME_MAX_BYTES; c++) {
        bool letter =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        name[bytes++] = letter ? (char)tolower((unsigned char)*c) : '_';
    }
    name[bytes] = '\0';
    if (!is_taken(name, taken, taken_count)) {
        return cm_arena_strdup(arena, name);
    }
    for (unsigned n = 2;; n++) {
        char suffix[16];
        int more = snprintf(suffix, sizeof suffix, "_%u", n);
        size_t keep = CM_NAME_MAX_BYTES - (size_t)more;
        keep = bytes < keep ? bytes : keep;
        memcpy(numbered, name, keep);
        memcpy(numbered + keep, suffix, (size_t)more + 1);
        if (!is_taken(numbered, taken, taken_count)) {
            return cm_arena_strdup(arena, numbered);
        }
    }
}

static const cm_option *option(cm_arena *arena, const char *name, const char *value)
{
    cm_option *made = CM_NEW_SMALL(arena, cm_option, 1);
    *made = (cm_option){.name = name, .value = value};
    return made;
}

/* One table being looked at. */
typedef struct survey {
    size_t cols;
    const char **heading; /* at the source */
    cm_infer *column;
    cm_arena scratch;
} survey;

CM_MUST static cm_status survey_init(survey *s, size_t cols, cm_diag *diag)
{
    *s = (survey){.cols = cols};
    s->heading = calloc(cols + 1, sizeof *s->heading);
    s->column = calloc(cols + 1, sizeof *s->column);
    if (s->heading == NULL || s->column == NULL ||
        cm_arena_init(&s->scratch, SCRATCH_BYTES) != CM_OK) {
        s->cols = 0;
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    return CM_OK;
}

static void survey_fini(survey *s)
{
    for (size_t i = 0; i < s->cols; i++) {
        cm_infer_fini(&s->column[i]);
    }
    free(s->heading);
    free(s->column);
    cm_arena_fini(&s->scratch);
}

static void take_guess(cm_column_def *def, const cm_guess *guess, const char *table,
                       cm_imported_enum *enums, size_t *enum_count, cm_arena *arena)
{
    def->type_name = guess->type_name;
    def->type_args = guess->type_args;
    def->type_arg[0] = guess->type_arg[0];
    def->type_arg[1] = guess->type_arg[1];
    def->not_null = guess->not_null;
    def->unique = guess->unique;
    def->has_check = guess->has_check;
    def->check_lo = guess->check_lo;
    def->check_hi = guess->check_hi;
    if (guess->type_name == NULL) {
        const char *name = cm_arena_printf(arena, "%.31s_%.31s", table, def->name);
        def->type_name = name;
        enums[(*enum_count)++] =
            (cm_imported_enum){.name = name, .labels = guess->labels, .label = guess->label};
    }
}

/* What was seen, as a definition.  False when no column can be published. */
static bool survey_result(survey *s, const char *name, const char *remote, cm_arena *arena,
                          cm_imported_table *ret)
{
    cm_column_def *def = CM_NEW_SMALL(arena, cm_column_def, s->cols);
    cm_imported_enum *enums = CM_NEW_SMALL(arena, cm_imported_enum, s->cols);
    const char **taken = CM_NEW_SMALL(arena, const char *, s->cols);
    size_t cols = 0;
    size_t enum_count = 0;
    for (size_t i = 0; i < s->cols && cols < CM_TABLE_MAX_COLS; i++) {
        if (s->column[i].most_bytes > CM_TEXT_MAX_BYTES) {
            continue;
        }
        cm_guess guess = cm_infer_result(&s->column[i], arena);
        taken[cols] = def[cols].name = cm_import_identifier(arena, s->heading[i], taken, cols);
        if (strcmp(def[cols].name, s->heading[i]) != 0) {
            const char *heading = cm_arena_strdup(arena, s->heading[i]);
            def[cols].options = (cm_options){1, option(arena, "column_name", heading)};
        }
        take_guess(&def[cols], &guess, name, enums, &enum_count, arena);
        cols++;
    }
    *ret = (cm_imported_table){.name = name,
                               .remote = cm_arena_strdup(arena, remote),
                               .cols = cols,
                               .col = def,
                               .enums = enum_count,
                               .enums_made = enums};
    return cols > 0;
}

/* ---- CSV ---- */

CM_MUST static cm_status start_csv(survey *s, const cm_csv_format *format,
                                   const cm_csv_record *first, cm_arena *arena, cm_diag *diag)
{
    cm_status st = survey_init(s, first->fields, diag);
    for (size_t i = 0; i < s->cols && st == CM_OK; i++) {
        s->heading[i] = format->header ? cm_arena_strdup(arena, first->field[i].text)
                                       : cm_arena_printf(arena, "column_%zu", i + 1);
        cm_infer_init(&s->column[i], i == 0, NULL);
    }
    return st;
}

CM_MUST static cm_status survey_record(survey *s, const cm_csv_format *format, const char *file,
                                       const cm_csv_record *record, cm_diag *diag)
{
    bool empty = record->fields == 1 && !record->field[0].quoted && record->field[0].bytes == 0;
    if (empty && s->cols > 1) {
        return CM_OK;
    }
    if (record->fields != s->cols) {
        return cm_fail(diag, CM_EINVAL, "22P04", "file \"%s\", line %llu: %zu fields, not %zu",
                       file, (unsigned long long)record->line, record->fields, s->cols);
    }
    for (size_t i = 0; i < s->cols; i++) {
        cm_cell cell = {.kind = CM_CELL_NULL};
        if (!cm_csv_is_null(format, &record->field[i])) {
            cell = (cm_cell){.kind = CM_CELL_TEXT,
                             .text = record->field[i].text,
                             .bytes = record->field[i].bytes};
        }
        cm_infer_add(&s->column[i], &cell, s->scratch);
    }
    return CM_OK;
}

CM_MUST static cm_status survey_csv(survey *s, cm_csv *csv, const cm_csv_format *format,
                                    const char *file, cm_arena *arena, cm_diag *diag)
{
    for (bool first = true;; first = false) {
        cm_csv_record record;
        bool end;
        cm_status st = cm_csv_next(csv, &record, &end, diag);
        if (st != CM_OK || end) {
            return st;
        }
        if (first) {
            st = start_csv(s, format, &record, arena, diag);
        }
        if (st == CM_OK && !(first && format->header)) {
            st = survey_record(s, format, file, &record, diag);
        }
        if (st != CM_OK) {
            return st;
        }
    }
}

CM_MUST static cm_status import_file(const char *directory, const char *file,
                                     const cm_csv_format *format, const char *name, cm_arena *arena,
                                     cm_imported_table *ret, bool *ret_made, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf path = {0};
    cm_buf_printf(&path, "%s/%s", directory, file);
    int fd = open(cm_buf_text(&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot open file \"%s\": %s", file,
                       strerror(errno));
    }
    survey s = {0};
    cm_csv *csv = NULL;
    cm_status st = cm_csv_new(file, format->delimiter, cm_csv_read_file, &fd, &csv, diag);
    if (st == CM_OK) {
        st = survey_csv(&s, csv, format, file, arena, diag);
    }
    *ret_made = st == CM_OK && s.cols > 0 && survey_result(&s, name, file, arena, ret);
    survey_fini(&s);
    cm_csv_free(csv);
    close(fd);
    return st;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

/* Names of the *.csv files, sorted. */
CM_MUST static cm_status list_files(const char *directory, cm_arena *arena, const char ***ret,
                                    size_t *ret_count, cm_diag *diag)
{
    DIR *folder = opendir(directory);
    if (folder == NULL) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot read the folder \"%s\": %s", directory,
                       strerror(errno));
    }
    const char **file = CM_NEW_SMALL(arena, const char *, MAX_TABLES);
    size_t count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        size_t bytes = strlen(entry->d_name);
        bool csv = bytes > 4 && strcasecmp(entry->d_name + bytes - 4, ".csv") == 0;
        if (csv && entry->d_name[0] != '.' && count < MAX_TABLES) {
            file[count++] = cm_arena_strdup(arena, entry->d_name);
        }
    }
    closedir(folder);
    qsort(file, count, sizeof *file, compare_names);
    *ret = file;
    *ret_count = count;
    return CM_OK;
}

cm_status cm_import_csv(const char *directory, const cm_csv_format *format, cm_arena *arena,
                        const cm_imported_table **ret, size_t *ret_count, cm_diag *diag)
{
    const char **file = NULL;
    size_t files = 0;
    cm_status st = list_files(directory, arena, &file, &files, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_imported_table *table = CM_NEW_SMALL(arena, cm_imported_table, files);
    const char **taken = CM_NEW_SMALL(arena, const char *, files);
    size_t count = 0;
    for (size_t i = 0; i < files && st == CM_OK; i++) {
        const char *stem = cm_arena_strndup(arena, file[i], strlen(file[i]) - 4);
        bool made = false;
        taken[count] = cm_import_identifier(arena, stem, taken, count);
        st = import_file(directory, file[i], format, taken[count], arena, &table[count], &made,
                         diag);
        count += made;
    }
    if (st == CM_OK) {
        *ret = table;
        *ret_count = count;
    }
    return st;
}

/* ---- SQLite ---- */

CM_MUST static cm_status survey_rows(cm_sqlite *db, survey *s, cm_sqlite_stmt *stmt, cm_diag *diag)
{
    bool row = true;
    cm_status st = CM_OK;
    while (st == CM_OK && row) {
        st = cm_sqlite_step(db, stmt, &row, diag);
        for (size_t i = 0; i < s->cols && st == CM_OK && row; i++) {
            cm_cell cell = cm_sqlite_cell(stmt, i);
            cm_infer_add(&s->column[i], &cell, s->scratch);
        }
    }
    return st;
}

/* Names and declared types of the columns; sql becomes the SELECT that reads them. */
CM_MUST static cm_status start_sqlite(cm_sqlite *db, survey *s, const char *remote, cm_arena *arena,
                                      cm_buf *sql, cm_diag *diag)
{
    cm_sqlite_stmt *stmt = NULL;
    bool row = true;
    size_t cols = 0;
    cm_status st = survey_init(s, CM_TABLE_MAX_COLS, diag);
    s->cols = 0;
    if (st == CM_OK) {
        st = cm_sqlite_prepare(
            db, "SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden <> 1", &stmt, diag);
    }
    if (st == CM_OK) {
        cm_sqlite_bind_text(stmt, 1, remote, strlen(remote));
    }
    cm_buf_printf(sql, "SELECT ");
    while (st == CM_OK && row && cols < CM_TABLE_MAX_COLS) {
        st = cm_sqlite_step(db, stmt, &row, diag);
        if (st != CM_OK || !row) {
            continue;
        }
        cm_cell type = cm_sqlite_cell(stmt, 1);
        s->heading[cols] = cm_arena_strdup(arena, cm_sqlite_cell(stmt, 0).text);
        cm_infer_init(&s->column[cols], cols == 0,
                      type.kind == CM_CELL_TEXT ? cm_arena_strdup(arena, type.text) : NULL);
        cm_buf_printf(sql, "%s", cols > 0 ? ", " : "");
        cm_sql_put_name(sql, s->heading[cols]);
        s->cols = ++cols;
    }
    cm_buf_printf(sql, " FROM main.");
    cm_sql_put_name(sql, remote);
    cm_sqlite_finalize(stmt);
    return st;
}

CM_MUST static cm_status import_sqlite_table(cm_sqlite *db, const char *remote, const char *name,
                                             cm_arena *arena, cm_imported_table *ret,
                                             bool *ret_made, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    cm_sqlite_stmt *stmt = NULL;
    survey s = {0};
    cm_status st = start_sqlite(db, &s, remote, arena, &sql, diag);
    if (st == CM_OK && s.cols > 0) {
        st = cm_sqlite_prepare(db, cm_buf_text(&sql), &stmt, diag);
        if (st == CM_OK) {
            st = survey_rows(db, &s, stmt, diag);
        }
    }
    *ret_made = st == CM_OK && s.cols > 0 && survey_result(&s, name, remote, arena, ret);
    cm_sqlite_finalize(stmt);
    survey_fini(&s);
    return st;
}

CM_MUST static cm_status list_tables(cm_sqlite *db, cm_arena *arena, const char ***ret,
                                     size_t *ret_count, cm_diag *diag)
{
    cm_sqlite_stmt *stmt = NULL;
    const char **name = CM_NEW_SMALL(arena, const char *, MAX_TABLES);
    size_t count = 0;
    bool row = true;
    cm_status st = cm_sqlite_prepare(db,
                                     "SELECT name FROM sqlite_schema WHERE type IN ('table', "
                                     "'view') AND name NOT LIKE 'sqlite_%' ORDER BY name",
                                     &stmt, diag);
    while (st == CM_OK && row && count < MAX_TABLES) {
        st = cm_sqlite_step(db, stmt, &row, diag);
        if (st == CM_OK && row) {
            name[count++] = cm_arena_strdup(arena, cm_sqlite_cell(stmt, 0).text);
        }
    }
    cm_sqlite_finalize(stmt);
    *ret = name;
    *ret_count = count;
    return st;
}

cm_status cm_import_sqlite(cm_sqlite *db, cm_arena *arena, const cm_imported_table **ret,
                           size_t *ret_count, cm_diag *diag)
{
    const char **remote = NULL;
    size_t tables = 0;
    cm_status st = list_tables(db, arena, &remote, &tables, diag);
    cm_imported_table *table = CM_NEW_SMALL(arena, cm_imported_table, tables);
    const char **taken = CM_NEW_SMALL(arena, const char *, tables);
    size_t count = 0;
    for (size_t i = 0; i < tables && st == CM_OK; i++) {
        bool made = false;
        taken[count] = cm_import_identifier(arena, remote[i], taken, count);
        st = import_sqlite_table(db, remote[i], taken[count], arena, &table[count], &made, diag);
        count += made;
    }
    if (st == CM_OK) {
        *ret = table;
        *ret_count = count;
    }
    return st;
}
