/*
 * A user's SQLite file, opened read only.  The first read begins a read transaction that lasts
 * until the source is freed, so what was checked is what is queried.
 *
 * SQLite's columns hold values of any type.  A column that is stored as published (integers in a
 * column of integer affinity, text in one of text affinity) is used as it is, so that the file's
 * indexes serve; any other goes through a function that is registered for it and gives the
 * canonical value (cell.h).  cm_source_check reads the asked columns once, in the order of rows,
 * and is remembered for the file's stamp.
 */
#include "source/import.h"
#include "source/source_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { SHAPES_BYTES = 256 * 1024 * 1024, SCRATCH_BYTES = 4 * 1024 * 1024 };

/* A published table as this source knows it. */
typedef struct shape {
    struct shape *next;
    cm_hash definition;
    unsigned number;
    bool view;
    const char *remote; /* without "main." */
    bool *plain;        /* per column: used as it is */
    const char *from;
    const char *apart; /* the same, converted once where columns are: for joins */
} shape;

typedef struct sqlite_source {
    cm_source base;
    cm_sqlite *db;
    char *filename;
    char *cache_dir;
    bool reading;
    bool steady; /* stamp belongs to what this transaction sees */
    char stamp[2 * sizeof(cm_stamp)];
    unsigned shapes;
    shape *first;
    cm_arena arena; /* shapes and copies of types */
} sqlite_source;

static void sqlite_free(cm_source *base)
{
    sqlite_source *source = (sqlite_source *)base;
    cm_sqlite_free(source->db);
    cm_arena_fini(&source->arena);
    free(source->filename);
    free(source->cache_dir);
    free(source);
}

/* Stamps of the file and of its write-ahead log; false when they are too fresh to be trusted. */
static bool take_stamp(const sqlite_source *source, char *ret, size_t capacity)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    static const char *const suffixes[] = {"", "-wal", "-journal"};
    int64_t now_ns = cm_stamp_now_ns();
    bool settled = true;
    for (size_t i = 0; i < CM_COUNT(suffixes); i++) {
        CM_CLEANUP(cm_buf_free) cm_buf path = {0};
        struct stat file;
        cm_buf_printf(&path, "%s%s", source->filename, suffixes[i]);
        if (stat(cm_buf_text(&path), &file) == 0) {
            cm_stamp stamp = cm_stamp_of(&file);
            settled = settled && cm_stamp_settled(&stamp, now_ns);
            cm_buf_printf(&text, "%s ", stamp.text);
        }
    }
    settled = settled && !text.failed && text.bytes < capacity;
    if (settled) {
        memcpy(ret, cm_buf_text(&text), text.bytes + 1);
    }
    return settled;
}

/* Begins the read transaction.  The stamp counts when it was the same before and after. */
CM_MUST static cm_status begin(sqlite_source *source, cm_diag *diag)
{
    char before[sizeof source->stamp];
    int64_t tables;
    if (source->reading) {
        return CM_OK;
    }
    bool settled = take_stamp(source, before, sizeof before);
    cm_status st = cm_sqlite_exec(source->db, "BEGIN", diag);
    if (st == CM_OK) {
        st = cm_sqlite_number(source->db, "SELECT count(*) FROM sqlite_schema", &tables, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    source->steady = settled && take_stamp(source, source->stamp, sizeof source->stamp) &&
                     strcmp(before, source->stamp) == 0;
    source->reading = true;
    return CM_OK;
}

CM_MUST static cm_status find_table(sqlite_source *source, const cm_source_table *table, shape *s,
                                    cm_diag *diag)
{
    const char *remote = table->remote;
    if (strncasecmp(remote, "main.", 5) == 0) {
        remote += 5;
    }
    cm_sqlite_stmt *stmt = NULL;
    bool row = false;
    cm_status st = cm_sqlite_prepare(source->db,
                                     "SELECT name, type FROM sqlite_schema WHERE name = ?1 COLLATE "
                                     "NOCASE AND type IN ('table', 'view')",
                                     &stmt, diag);
    if (st == CM_OK) {
        cm_sqlite_bind_text(stmt, 1, remote, strlen(remote));
        st = cm_sqlite_step(source->db, stmt, &row, diag);
    }
    if (st == CM_OK && row) {
        s->remote = cm_arena_strdup(&source->arena, cm_sqlite_cell(stmt, 0).text);
        s->view = strcmp(cm_sqlite_cell(stmt, 1).text, "view") == 0;
    }
    if (st == CM_OK && !row) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_TABLE,
                     "the SQLite file has no table \"%s\"", remote);
    }
    cm_sqlite_finalize(stmt);
    return st;
}

typedef enum affinity { AFFINITY_OTHER, AFFINITY_INTEGER, AFFINITY_TEXT } affinity;

/* SQLite's rules (datatype3.html, 3.1) as far as they matter here, in their order. */
static affinity affinity_of(const char *declared)
{
    if (strcasestr(declared, "INT") != NULL) {
        return AFFINITY_INTEGER;
    }
    bool text = strcasestr(declared, "CHAR") != NULL || strcasestr(declared, "CLOB") != NULL ||
                strcasestr(declared, "TEXT") != NULL;
    return text ? AFFINITY_TEXT : AFFINITY_OTHER;
}

static bool used_as_is(const cm_type *type, affinity stored)
{
    switch (type->kind) {
    case CM_TYPE_BOOL:
    case CM_TYPE_INT2:
    case CM_TYPE_INT4:
    case CM_TYPE_INT8:
        return stored == AFFINITY_INTEGER;
    case CM_TYPE_NUMERIC:
        return stored == AFFINITY_INTEGER && type->scale == 0;
    case CM_TYPE_TEXT:
        return stored == AFFINITY_TEXT && type->text != CM_TEXT_CHAR;
    case CM_TYPE_UNKNOWN:
    case CM_TYPE_DATE:
    case CM_TYPE_TIMESTAMP:
    case CM_TYPE_INTERVAL:
    case CM_TYPE_ENUM:
        break;
    }
    return false;
}

/* The declared types decide which columns are plain; every column must exist. */
CM_MUST static cm_status find_columns(sqlite_source *source, const cm_source_table *table, shape *s,
                                      cm_diag *diag)
{
    size_t cols = table->table->cols;
    cm_sqlite_stmt *stmt = NULL;
    cm_status st = cm_sqlite_prepare(source->db,
                                     "SELECT type FROM pragma_table_xinfo(?1) WHERE name = ?2 "
                                     "COLLATE NOCASE AND hidden <> 1",
                                     &stmt, diag);
    s->plain = CM_NEW_SMALL(&source->arena, bool, cols);
    for (size_t i = 0; i < cols && st == CM_OK; i++) {
        bool row = false;
        cm_sqlite_bind_text(stmt, 1, s->remote, strlen(s->remote));
        cm_sqlite_bind_text(stmt, 2, table->remote_col[i], strlen(table->remote_col[i]));
        st = cm_sqlite_step(source->db, stmt, &row, diag);
        if (st == CM_OK && !row) {
            st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_COLUMN,
                         "table \"%s\" of the SQLite file has no column \"%s\"", s->remote,
                         table->remote_col[i]);
        }
        if (st == CM_OK) {
            cm_cell type = cm_sqlite_cell(stmt, 0);
            affinity stored = type.kind == CM_CELL_TEXT ? affinity_of(type.text) : AFFINITY_OTHER;
            s->plain[i] = used_as_is(&table->table->col[i].type, stored);
            cm_sqlite_reset(stmt);
        }
    }
    cm_sqlite_finalize(stmt);
    return st;
}

/* The connection's functions outlive the caller's schema. */
static const cm_type *copy_type(cm_arena *arena, const cm_type *type)
{
    cm_type *copy = CM_NEW_SMALL(arena, cm_type, 1);
    *copy = *type;
    if (type->kind == CM_TYPE_ENUM) {
        cm_enum *labels = CM_NEW_SMALL(arena, cm_enum, 1);
        const char **label = CM_NEW_SMALL(arena, const char *, type->labels->count);
        for (size_t i = 0; i < type->labels->count; i++) {
            label[i] = cm_arena_strdup(arena, type->labels->labels[i]);
        }
        *labels = (cm_enum){.name = cm_arena_strdup(arena, type->labels->name),
                            .count = type->labels->count,
                            .labels = label};
        copy->labels = labels;
    }
    return copy;
}

CM_MUST static cm_status make_from(sqlite_source *source, const cm_source_table *table, shape *s,
                                   cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    cm_status st = CM_OK;
    cm_buf_printf(&sql, "(SELECT ");
    for (size_t i = 0; i < table->table->cols && st == CM_OK; i++) {
        const cm_column *col = &table->table->col[i];
        cm_buf_printf(&sql, "%s", i > 0 ? ", " : "");
        if (s->plain[i]) {
            cm_sql_put_name(&sql, table->remote_col[i]);
        } else {
            const char *function = cm_arena_printf(&source->arena, "cm_%u_%zu", s->number, i);
            st = cm_sqlite_define(source->db, function, copy_type(&source->arena, &col->type),
                                  cm_arena_strdup(&source->arena, col->name), diag);
            cm_buf_printf(&sql, "%s(", function);
            cm_sql_put_name(&sql, table->remote_col[i]);
            cm_buf_printf(&sql, ")");
        }
        cm_buf_printf(&sql, " AS ");
        cm_sql_put_name(&sql, col->name);
    }
    cm_buf_printf(&sql, " FROM main.");
    cm_sql_put_name(&sql, s->remote);
    cm_buf_printf(&sql, ")");
    if (st == CM_OK && sql.failed) {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    if (st == CM_OK) {
        s->from = s->apart = cm_arena_strdup(&source->arena, cm_buf_text(&sql));
    }
    /* SQLite makes an index on a column to join by, not on what a function gives, unless the
     * subquery is kept apart, which a limit does. */
    for (size_t i = 0; i < table->table->cols && st == CM_OK; i++) {
        if (!s->plain[i]) {
            s->apart =
                cm_arena_printf(&source->arena, "%.*s LIMIT -1)", (int)sql.bytes - 1, s->from);
            break;
        }
    }
    return st;
}

CM_MUST static cm_status shape_of(sqlite_source *source, const cm_source_table *table,
                                  const shape **ret, cm_diag *diag)
{
    cm_hash definition = cm_source_definition(table, NULL);
    for (const shape *s = source->first; s != NULL; s = s->next) {
        if (memcmp(s->definition.bytes, definition.bytes, CM_HASH_BYTES) == 0) {
            *ret = s;
            return CM_OK;
        }
    }
    shape *s = CM_NEW_SMALL(&source->arena, shape, 1);
    s->definition = definition;
    s->number = source->shapes++;
    cm_status st = begin(source, diag);
    if (st == CM_OK) {
        st = cm_check_names(table->table, diag);
    }
    if (st == CM_OK) {
        st = find_table(source, table, s, diag);
    }
    if (st == CM_OK) {
        st = find_columns(source, table, s, diag);
    }
    if (st == CM_OK) {
        st = make_from(source, table, s, diag);
    }
    if (st == CM_OK) {
        s->next = source->first;
        source->first = s;
        *ret = s;
    }
    return st;
}

static cm_status sqlite_from(cm_source *base, const cm_source_table *table, cm_buf *out,
                             cm_diag *diag)
{
    const shape *s = NULL;
    cm_status st = shape_of((sqlite_source *)base, table, &s, diag);
    if (st == CM_OK) {
        cm_buf_printf(out, "%s", s->from);
    }
    return st;
}

static cm_status sqlite_count(cm_source *base, const cm_source_table *table, uint64_t *ret,
                              cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    sqlite_source *source = (sqlite_source *)base;
    const shape *s = NULL;
    int64_t rows;
    cm_status st = shape_of(source, table, &s, diag);
    if (st == CM_OK) {
        cm_buf_printf(&sql, "SELECT count(*) FROM main.");
        cm_sql_put_name(&sql, s->remote);
        st = cm_sqlite_number(source->db, cm_buf_text(&sql), &rows, diag);
    }
    if (st == CM_OK) {
        *ret = (uint64_t)rows;
    }
    return st;
}

/* ---- checking ---- */

static bool check_cell(const cm_column *col, bool plain, const cm_cell *cell, cm_arena scratch,
                       cm_fault *ret_fault)
{
    bool text = col->type.kind == CM_TYPE_TEXT;
    cm_value value;
    if (plain && cell->kind != CM_CELL_NULL &&
        cell->kind != (text ? CM_CELL_TEXT : CM_CELL_INTEGER)) {
        *ret_fault = (cm_fault){CM_SQL_BAD_TEXT, text ? "has a value that is not text"
                                                      : "has a value that is not an integer"};
        return false;
    }
    return cm_cell_canonical(&col->type, cell, &scratch, &value, ret_fault) &&
           cm_cell_check(col, &value, ret_fault);
}

/* Reads the columns to check, in the order of rows. */
static void put_scan(const cm_source_table *table, const shape *s, const bool *columns, cm_buf *out)
{
    const char *comma = "";
    cm_buf_printf(out, "SELECT ");
    for (size_t i = 0; i < table->table->cols; i++) {
        if (columns[i]) {
            cm_buf_printf(out, "%s", comma);
            cm_sql_put_name(out, table->remote_col[i]);
            comma = ", ";
        }
    }
    cm_buf_printf(out, " FROM main.");
    cm_sql_put_name(out, s->remote);
    cm_buf_printf(out, "%s", s->view ? "" : " NOT INDEXED");
}

CM_MUST static cm_status scan(sqlite_source *source, const cm_source_table *table, const shape *s,
                              const bool *columns, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    cm_sqlite_stmt *stmt = NULL;
    bool row = true;
    put_scan(table, s, columns, &sql);
    cm_arena scratch = {0};
    cm_status st = cm_arena_init(&scratch, SCRATCH_BYTES);
    if (st != CM_OK || sql.failed) {
        cm_arena_fini(&scratch);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    st = cm_sqlite_prepare(source->db, cm_buf_text(&sql), &stmt, diag);
    for (uint64_t number = 1; st == CM_OK && row; number++) {
        st = cm_sqlite_step(source->db, stmt, &row, diag);
        size_t at = 0;
        for (size_t i = 0; i < table->table->cols && st == CM_OK && row; i++) {
            if (columns[i]) {
                cm_cell cell = cm_sqlite_cell(stmt, at++);
                cm_fault fault;
                if (!check_cell(&table->table->col[i], s->plain[i], &cell, scratch, &fault)) {
                    st = cm_fault_fail(&fault, table->table, i, number, diag);
                }
            }
        }
    }
    cm_sqlite_finalize(stmt);
    cm_arena_fini(&scratch);
    return st;
}

/* Of one column, or, with col = cols, of the number of rows. */
static cm_hash memory_key(const sqlite_source *source, const cm_org_table *table, const shape *s,
                          size_t col)
{
    CM_CLEANUP(cm_buf_free) cm_buf key = {0};
    cm_buf_put_text(&key, source->filename);
    cm_buf_put(&key, s->definition.bytes, CM_HASH_BYTES);
    cm_buf_put_u64(&key, col);
    if (col == table->cols) {
        cm_buf_put_u64(&key, table->rows);
    }
    CM_ASSERT(!key.failed);
    return cm_sha256(key.data, key.bytes);
}

static bool remembered(const sqlite_source *source, const cm_org_table *table, const shape *s,
                       size_t col)
{
    cm_hash key = memory_key(source, table, s, col);
    return source->steady && cm_check_remembered(source->cache_dir, &key, source->stamp);
}

static void remember(const sqlite_source *source, const cm_org_table *table, const shape *s,
                     size_t col)
{
    cm_hash key = memory_key(source, table, s, col);
    if (source->steady) {
        cm_check_remember(source->cache_dir, &key, source->stamp);
    }
}

CM_MUST static cm_status check_columns(sqlite_source *source, const cm_source_table *table,
                                       const shape *s, const bool *columns, cm_diag *diag)
{
    cm_status st = scan(source, table, s, columns, diag);
    for (size_t i = 0; i < table->table->cols && st == CM_OK; i++) {
        if (cm_check_key_due(table->table, i, columns)) {
            st = cm_check_unique(source->db, s->from, table->table, i, diag);
        }
    }
    for (size_t i = 0; i < table->table->cols && st == CM_OK; i++) {
        if (columns[i]) {
            remember(source, table->table, s, i);
        }
    }
    return st;
}

CM_MUST static cm_status check_rows(sqlite_source *source, const cm_source_table *table,
                                    const shape *s, cm_diag *diag)
{
    size_t cols = table->table->cols;
    uint64_t rows = 0;
    if (remembered(source, table->table, s, cols)) {
        return CM_OK;
    }
    cm_status st = sqlite_count(&source->base, table, &rows, diag);
    if (st == CM_OK) {
        st = cm_check_rows(table->table, rows, diag);
    }
    if (st == CM_OK) {
        remember(source, table->table, s, cols);
    }
    return st;
}

/* Keys of several columns, when the query reads all of them.  Number cols is that of the rows. */
CM_MUST static cm_status check_keys(sqlite_source *source, const cm_source_table *table,
                                    const shape *s, const bool *columns, cm_diag *diag)
{
    const cm_org_table *t = table->table;
    cm_status st = CM_OK;
    for (size_t k = t->cols; k < t->cols + t->keys && st == CM_OK; k++) {
        if (!cm_check_key_due(t, k, columns) || remembered(source, t, s, k + 1)) {
            continue;
        }
        st = cm_check_unique(source->db, s->from, t, k, diag);
        if (st == CM_OK) {
            remember(source, t, s, k + 1);
        }
    }
    return st;
}

static cm_status sqlite_check(cm_source *base, const cm_source_table *table, const bool *columns,
                              cm_diag *diag)
{
    sqlite_source *source = (sqlite_source *)base;
    const shape *s = NULL;
    cm_status st = shape_of(source, table, &s, diag);
    if (st == CM_OK) {
        st = check_rows(source, table, s, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    bool *due = calloc(table->table->cols + 1, sizeof *due);
    if (due == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    bool any = false;
    for (size_t i = 0; i < table->table->cols; i++) {
        due[i] = columns[i] && !remembered(source, table->table, s, i);
        any = any || due[i];
    }
    st = any ? check_columns(source, table, s, due, diag) : CM_OK;
    free(due);
    if (st == CM_OK) {
        st = check_keys(source, table, s, columns, diag);
    }
    return st;
}

/* ---- reading ---- */

static cm_status sqlite_query(cm_source *base, const char *sql, size_t cols, const bool *is_text,
                              cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    sqlite_source *source = (sqlite_source *)base;
    cm_status st = begin(source, diag);
    return st != CM_OK ? st : cm_sqlite_stream(source->db, sql, cols, is_text, fn, arg, diag);
}

static cm_status sqlite_run(cm_source *base, const cm_source_table *const *table,
                            const cm_fragment *fragment, size_t cols, const bool *is_text,
                            cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    sqlite_source *source = (sqlite_source *)base;
    const char *from[CM_OWN_JOIN_MAX];
    cm_status st = CM_OK;
    for (size_t i = 0; i < cm_fragment_tables(fragment) && st == CM_OK; i++) {
        const shape *s = NULL;
        st = shape_of(source, table[i], &s, diag);
        from[i] = st != CM_OK ? NULL : fragment->join == NULL ? s->from : s->apart;
    }
    return st != CM_OK ? st
                       : cm_sqlite_run(source->db, from, fragment, cols, is_text, fn, arg, diag);
}

static cm_status sqlite_import(cm_source *base, CM_UNUSED const char *remote_schema,
                               cm_arena *arena, const cm_imported_table **ret, size_t *ret_count,
                               cm_diag *diag)
{
    sqlite_source *source = (sqlite_source *)base;
    cm_status st = begin(source, diag);
    return st != CM_OK ? st : cm_import_sqlite(source->db, arena, ret, ret_count, diag);
}

static const cm_source_ops sqlite_ops = {
    .free = sqlite_free,
    .import = sqlite_import,
    .count = sqlite_count,
    .check = sqlite_check,
    .from = sqlite_from,
    .query = sqlite_query,
    .run = sqlite_run,
};

cm_status cm_sqlite_source_open(const cm_options *options, const char *cache_dir, int timeout_ms,
                                cm_source **ret, cm_diag *diag)
{
    sqlite_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    source->base = (cm_source){&sqlite_ops, CM_SOURCE_SQLITE, timeout_ms};
    source->filename = strdup(cm_options_get(options, "filename"));
    source->cache_dir = strdup(cache_dir);
    cm_status st = cm_arena_init(&source->arena, SHAPES_BYTES);
    if (st != CM_OK || source->filename == NULL || source->cache_dir == NULL) {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    if (st == CM_OK) {
        st = cm_sqlite_open(source->filename, CM_SQLITE_READ, timeout_ms, &source->db, diag);
    }
    if (st != CM_OK) {
        sqlite_free(&source->base);
        return st;
    }
    *ret = &source->base;
    return CM_OK;
}
