/*
 * A PostgreSQL database as a source.  Published tables become subqueries of canonical values
 * (postgres_table.h); checks are one aggregate query over the asked columns that the server's own
 * constraints do not already promise, remembered while nothing was written to the server.
 */
#include "source/postgres_import.h"
#include "source/postgres_table.h"

#include <stdlib.h>
#include <string.h>

enum { SHAPES_BYTES = 256 * 1024 * 1024 };

/* A published table as this source knows it. */
typedef struct shape {
    struct shape *next;
    cm_hash definition;
    cm_pg_table remote;
    const cm_pg_column **col; /* per published column */
    cm_native *native;        /* canonical SQL, and what is stored */
    const char **misfit;      /* condition of a bad value, "" when there can be none */
    bool *checked;            /* in this transaction, or remembered */
    uint64_t counted;         /* a bound that the rows were found to keep; UINT64_MAX: none */
    const char *from;
    char stamp[160]; /* of the rows; "": they may change unseen */
} shape;

typedef struct pg_source {
    cm_source base;
    char *conninfo;
    char *cache_dir;
    cm_pg *pg; /* NULL until first needed */
    cm_arena arena;
    shape *first;
} pg_source;

static void pg_free(cm_source *base)
{
    pg_source *source = (pg_source *)base;
    cm_pg_free(source->pg);
    cm_arena_fini(&source->arena);
    if (source->conninfo != NULL) {
        cm_wipe(source->conninfo, strlen(source->conninfo)); /* may hold a password */
    }
    free(source->conninfo);
    free(source->cache_dir);
    free(source);
}

CM_MUST static cm_status out_of_memory(cm_diag *diag)
{
    return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
}

/* ---- shapes ---- */

static const cm_pg_column *find_column(const cm_pg_table *table, const char *name)
{
    for (size_t i = 0; i < table->cols; i++) {
        if (strcmp(table->col[i].name, name) == 0) {
            return &table->col[i];
        }
    }
    return NULL;
}

CM_MUST static cm_status shape_column(pg_source *source, const cm_source_table *table, shape *s,
                                      size_t i, cm_diag *diag)
{
    CM_CLEANUP(cm_pg_sql_free) cm_pg_sql sql = {0};
    CM_CLEANUP(cm_buf_free) cm_buf type = {0};
    const cm_column *column = &table->table->col[i];
    s->col[i] = find_column(&s->remote, table->remote_col[i]);
    if (s->col[i] == NULL) {
        return cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_COLUMN,
                       "table %s of the PostgreSQL source has no column \"%s\"", s->remote.name,
                       table->remote_col[i]);
    }
    if (!cm_pg_canonical(column, s->col[i], &sql)) {
        cm_type_name(&column->type, &type);
        return cm_fail(diag, CM_EINVAL, CM_SQL_DATATYPE_MISMATCH,
                       "column \"%s\" of table %s is of type %s at the source and cannot be "
                       "published as %s",
                       s->col[i]->name, s->remote.name, s->col[i]->type, cm_buf_text(&type));
    }
    if (sql.value.failed || sql.misfit.failed || sql.native.failed) {
        return out_of_memory(diag);
    }
    s->native[i] = (cm_native){.value = cm_arena_strdup(&source->arena, cm_buf_text(&sql.value)),
                               .kind = sql.kind,
                               .expr = cm_arena_strdup(&source->arena, cm_buf_text(&sql.native))};
    s->misfit[i] = cm_arena_strdup(&source->arena, cm_buf_text(&sql.misfit));
    return CM_OK;
}

CM_MUST static cm_status shape_from(pg_source *source, const cm_source_table *table, shape *s,
                                    cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    cm_buf_printf(&sql, "(SELECT ");
    for (size_t i = 0; i < table->table->cols; i++) {
        cm_buf_printf(&sql, "%s%s AS ", i > 0 ? ", " : "", s->native[i].value);
        cm_sql_put_name(&sql, table->table->col[i].name);
    }
    cm_buf_printf(&sql, " FROM %s)", s->remote.name);
    if (sql.failed) {
        return out_of_memory(diag);
    }
    s->from = cm_arena_strdup(&source->arena, cm_buf_text(&sql));
    return CM_OK;
}

CM_MUST static cm_status connect(pg_source *source, cm_diag *diag)
{
    return source->pg != NULL
               ? CM_OK
               : cm_pg_connect(source->conninfo, source->base.timeout_ms, &source->pg, diag);
}

CM_MUST static cm_status shape_of(pg_source *source, const cm_source_table *table, shape **ret,
                                  cm_diag *diag)
{
    cm_hash definition = cm_source_definition(table, NULL);
    for (shape *s = source->first; s != NULL; s = s->next) {
        if (memcmp(s->definition.bytes, definition.bytes, CM_HASH_BYTES) == 0) {
            *ret = s;
            return CM_OK;
        }
    }
    size_t cols = table->table->cols;
    shape *s = CM_NEW_SMALL(&source->arena, shape, 1);
    *s = (shape){.next = source->first,
                 .definition = definition,
                 .col = CM_NEW_SMALL(&source->arena, const cm_pg_column *, cols),
                 .native = CM_NEW_SMALL(&source->arena, cm_native, cols),
                 .misfit = CM_NEW_SMALL(&source->arena, const char *, cols),
                 .checked = CM_NEW_SMALL(&source->arena, bool, cols + table->table->keys),
                 .counted = UINT64_MAX};
    cm_status st = connect(source, diag);
    if (st == CM_OK) {
        st = cm_pg_table_read(source->pg, table->remote, &source->arena, &s->remote, diag);
    }
    for (size_t i = 0; i < cols && st == CM_OK; i++) {
        st = shape_column(source, table, s, i, diag);
    }
    if (st == CM_OK) {
        st = shape_from(source, table, s, diag);
    }
    if (st == CM_OK) {
        st = cm_pg_table_stamp(source->pg, table->remote, s->stamp, sizeof s->stamp, diag);
    }
    if (st == CM_OK) {
        source->first = s;
        *ret = s;
    }
    return st;
}

static cm_status pg_from(cm_source *base, const cm_source_table *table, cm_buf *out, cm_diag *diag)
{
    shape *s = NULL;
    cm_status st = shape_of((pg_source *)base, table, &s, diag);
    if (st == CM_OK) {
        cm_buf_printf(out, "%s", s->from);
    }
    return st;
}

/* ---- counts and checks ---- */

/* A row of counts: NULL and absence are 0. */
typedef struct counts {
    size_t cols;
    uint64_t *count;
} counts;

static cm_status read_counts(void *arg, const char *const *text, CM_UNUSED cm_diag *diag)
{
    const counts *c = arg;
    for (size_t i = 0; i < c->cols; i++) {
        c->count[i] = text[i] == NULL ? 0 : strtoull(text[i], NULL, 10);
    }
    return CM_OK;
}

CM_MUST static cm_status query_counts(pg_source *source, cm_buf *sql, size_t cols,
                                      uint64_t *ret_count, cm_diag *diag)
{
    counts c = {.cols = cols, .count = ret_count};
    if (sql->failed) {
        return out_of_memory(diag);
    }
    memset(ret_count, 0, cols * sizeof *ret_count);
    return cm_pg_query(source->pg, cm_buf_text(sql), NULL, 0, cols, read_counts, &c, diag);
}

static cm_status pg_count(cm_source *base, const cm_source_table *table, uint64_t *ret,
                          cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    pg_source *source = (pg_source *)base;
    shape *s = NULL;
    uint64_t rows = 0;
    cm_status st = shape_of(source, table, &s, diag);
    if (st == CM_OK) {
        cm_buf_printf(&sql, "SELECT count(*) FROM %s", s->remote.name);
        st = query_counts(source, &sql, 1, &rows, diag);
    }
    if (st == CM_OK) {
        *ret = rows;
    }
    return st;
}

/* The condition of rows that break NOT NULL or the domain of a column. */
static void put_null(cm_buf *out, const cm_pg_column *remote)
{
    cm_sql_put_name(out, remote->name);
    cm_buf_printf(out, " IS NULL");
}

/* Where the first bad row is.  Rows are numbered in the order of an unhurried scan. */
CM_MUST static cm_status fail_row(pg_source *source, const cm_source_table *table, const shape *s,
                                  size_t i, bool null, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf condition = {0};
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    uint64_t row = 0;
    if (null) {
        put_null(&condition, s->col[i]);
    } else {
        cm_buf_printf(&condition, "%s", s->misfit[i]);
    }
    cm_buf_printf(&sql,
                  "SELECT n FROM (SELECT row_number() OVER () AS n, (%s) AS bad FROM %s) AS t "
                  "WHERE bad ORDER BY n LIMIT 1",
                  cm_buf_text(&condition), s->remote.name);
    cm_status st = cm_pg_query(source->pg, "SET LOCAL max_parallel_workers_per_gather = 0", NULL, 0,
                               0, NULL, NULL, diag);
    if (st == CM_OK) {
        st = query_counts(source, &sql, 1, &row, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    const cm_column *column = &table->table->col[i];
    cm_fault fault = {"23502", "is NULL, declared NOT NULL"};
    if (!null) {
        bool text = column->type.kind == CM_TYPE_TEXT;
        fault = text ? (cm_fault){"22001", "has a text longer than was published"}
                : column->has_check
                    ? (cm_fault){CM_SQL_CHECK, "has a value outside its declared domain"}
                    : (cm_fault){CM_SQL_RANGE, "has a value out of range of its type"};
    }
    return cm_fault_fail(&fault, table->table, i, row, diag);
}

static bool may_be_null(const cm_source_table *table, const shape *s, size_t i)
{
    return table->table->col[i].not_null && !s->col[i]->not_null;
}

/* The condition of a row that breaks anything declared of a due column; false when none can. */
static bool put_broken(const cm_source_table *table, const shape *s, const bool *due, cm_buf *out)
{
    const char * or = "";
    for (size_t i = 0; i < table->table->cols; i++) {
        if (due[i] && s->misfit[i][0] != '\0') {
            cm_buf_printf(out, "%s(%s)", or, s->misfit[i]);
            or = " OR ";
        }
        if (due[i] && may_be_null(table, s, i)) {
            cm_buf_printf(out, "%s", or);
            put_null(out, s->col[i]);
            or = " OR ";
        }
    }
    return or [0] != '\0';
}

/* Which column it is, the first of them in the table's order, and in which row. */
CM_MUST static cm_status fail_values(pg_source *source, const cm_source_table *table,
                                     const shape *s, const bool *due, cm_diag *diag)
{
    for (size_t i = 0; i < table->table->cols; i++) {
        for (int null = 1; null >= 0 && due[i]; null--) {
            CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
            uint64_t count = 0;
            if (null == 1 ? !may_be_null(table, s, i) : s->misfit[i][0] == '\0') {
                continue;
            }
            cm_buf_printf(&sql, "SELECT count(*) FROM %s WHERE ", s->remote.name);
            if (null == 1) {
                put_null(&sql, s->col[i]);
            } else {
                cm_buf_printf(&sql, "%s", s->misfit[i]);
            }
            cm_status st = query_counts(source, &sql, 1, &count, diag);
            if (st != CM_OK) {
                return st;
            }
            if (count > 0) {
                return fail_row(source, table, s, i, null == 1, diag);
            }
        }
    }
    /* One transaction sees one state, so the row is still there. */
    return cm_fail(diag, CM_EINVAL, CM_SQL_CHECK, "a row of table \"%s\" is not as declared",
                   table->table->name);
}

/* One pass over the table: its rows, and how many break something. */
CM_MUST static cm_status check_values(pg_source *source, const cm_source_table *table,
                                      const shape *s, const bool *due, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf broken = {0};
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    uint64_t count[2] = {0, 0};
    bool any = put_broken(table, s, due, &broken);
    cm_buf_printf(&sql, "SELECT count(*), count(*) FILTER (WHERE %s) FROM %s",
                  any ? cm_buf_text(&broken) : "false", s->remote.name);
    sql.failed = sql.failed || broken.failed;
    cm_status st = query_counts(source, &sql, 2, count, diag);
    if (st == CM_OK) {
        st = cm_check_rows(table->table, count[0], diag);
    }
    return st == CM_OK && count[1] > 0 ? fail_values(source, table, s, due, diag) : st;
}

/* Distinct values at the source stay distinct when nothing is rounded. */
static bool unique_promised(const cm_column *column, const cm_pg_column *remote)
{
    bool rounded = column->type.kind == CM_TYPE_NUMERIC || column->type.text == CM_TEXT_CHAR;
    return remote->unique && !rounded;
}

CM_MUST static cm_status check_unique(pg_source *source, const cm_source_table *table,
                                      const shape *s, size_t number, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf from = {0};
    CM_CLEANUP(cm_buf_free) cm_buf repeats = {0};
    CM_CLEANUP(cm_buf_free) cm_buf row = {0};
    uint64_t found = 0;

    cm_buf_printf(&from, "%s AS t", s->from);
    cm_check_unique_sql(table->table, number, cm_buf_text(&from), &repeats, &row);
    cm_status st = query_counts(source, &repeats, 1, &found, diag);
    if (st == CM_OK && found > 0) {
        st = query_counts(source, &row, 1, &found, diag);
        st = st != CM_OK ? st : cm_check_fail_unique(table->table, number, found, diag);
    }
    return st;
}

/* Of one column, with col = cols of the number of rows, after that of a key of several columns. */
static cm_hash memory_key(const cm_source_table *table, const shape *s, size_t col)
{
    CM_CLEANUP(cm_buf_free) cm_buf key = {0};
    cm_buf_put(&key, s->definition.bytes, CM_HASH_BYTES);
    cm_buf_put_u64(&key, col);
    cm_buf_put_u64(&key, col == table->table->cols ? table->table->rows : 0);
    CM_ASSERT(!key.failed);
    return cm_sha256(key.data, key.bytes);
}

static bool remembered(const pg_source *source, const cm_source_table *table, const shape *s,
                       size_t col)
{
    cm_hash key = memory_key(table, s, col);
    return s->stamp[0] != '\0' && cm_check_remembered(source->cache_dir, &key, s->stamp);
}

static void remember(const pg_source *source, const cm_source_table *table, const shape *s,
                     size_t col)
{
    cm_hash key = memory_key(table, s, col);
    if (s->stamp[0] != '\0') {
        cm_check_remember(source->cache_dir, &key, s->stamp);
    }
}

CM_MUST static cm_status check_due(pg_source *source, const cm_source_table *table, const shape *s,
                                   const bool *due, cm_diag *diag)
{
    size_t cols = table->table->cols;
    cm_status st = check_values(source, table, s, due, diag);
    for (size_t i = 0; i < cols && st == CM_OK; i++) {
        const cm_column *column = &table->table->col[i];
        if (due[i] && column->unique && !unique_promised(column, s->col[i])) {
            st = check_unique(source, table, s, i, diag);
        }
    }
    for (size_t i = 0; i <= cols && st == CM_OK; i++) {
        if (i == cols || due[i]) {
            remember(source, table, s, i);
        }
    }
    return st;
}

/* Keys of several columns, when the query reads all of them. */
CM_MUST static cm_status check_keys(pg_source *source, const cm_source_table *table, shape *s,
                                    const bool *columns, cm_diag *diag)
{
    const cm_org_table *t = table->table;
    cm_status st = CM_OK;
    for (size_t k = t->cols; k < t->cols + t->keys && st == CM_OK; k++) {
        if (s->checked[k] || !cm_check_key_due(t, k, columns) ||
            remembered(source, table, s, k + 1)) {
            continue;
        }
        st = check_unique(source, table, s, k, diag);
        s->checked[k] = st == CM_OK;
        if (st == CM_OK) {
            remember(source, table, s, k + 1);
        }
    }
    return st;
}

static cm_status pg_check(cm_source *base, const cm_source_table *table, const bool *columns,
                          cm_diag *diag)
{
    pg_source *source = (pg_source *)base;
    size_t cols = table->table->cols;
    shape *s = NULL;
    cm_status st = shape_of(source, table, &s, diag);
    if (st != CM_OK) {
        return st;
    }
    bool *due = calloc(cols + 1, sizeof *due);
    if (due == NULL) {
        return out_of_memory(diag);
    }
    if (s->counted > table->table->rows && remembered(source, table, s, cols)) {
        s->counted = table->table->rows;
    }
    bool any = s->counted > table->table->rows;
    for (size_t i = 0; i < cols; i++) {
        s->checked[i] = s->checked[i] || (columns[i] && remembered(source, table, s, i));
        due[i] = columns[i] && !s->checked[i];
        any = any || due[i];
    }
    st = any ? check_due(source, table, s, due, diag) : CM_OK;
    for (size_t i = 0; i < cols && st == CM_OK; i++) {
        s->checked[i] = s->checked[i] || due[i];
    }
    if (st == CM_OK && s->counted > table->table->rows) {
        s->counted = table->table->rows;
    }
    free(due);
    return st != CM_OK ? st : check_keys(source, table, s, columns, diag);
}

/* ---- reading ---- */

typedef struct delivery {
    size_t cols;
    const bool *is_text;
    cm_value *value;
    cm_source_row_fn fn;
    void *arg;
} delivery;

/* [-]digits, at most 38, perhaps with a fraction of zeros; t and f. */
static bool parse_number(const char *text, cm_i128 *ret)
{
    if ((text[0] == 't' || text[0] == 'f') && text[1] == '\0') {
        *ret = text[0] == 't';
        return true;
    }
    const char *c = text + (text[0] == '-');
    const char *first = c;
    cm_i128 number = 0;
    for (; *c >= '0' && *c <= '9'; c++) {
        if (c - first >= 38) {
            return false;
        }
        number = number * 10 + (*c - '0');
    }
    if (c == first) {
        return false;
    }
    if (*c == '.') {
        c++;
        c += strspn(c, "0");
    }
    *ret = text[0] == '-' ? -number : number;
    return *c == '\0';
}

static cm_status deliver(void *arg, const char *const *text, cm_diag *diag)
{
    delivery *d = arg;
    for (size_t i = 0; i < d->cols; i++) {
        cm_value *value = &d->value[i];
        *value = (cm_value){.null = text[i] == NULL};
        if (text[i] == NULL) {
            continue;
        }
        if (d->is_text[i]) {
            value->text = text[i];
            if (!cm_csv_utf8_valid(text[i], strlen(text[i]))) {
                return cm_fail(diag, CM_EINVAL, "22021", "a text of the source is not valid UTF-8");
            }
        } else if (!parse_number(text[i], &value->number)) {
            return cm_fail(diag, CM_ERANGE, CM_SQL_RANGE,
                           "a number of the source is not an integer of at most 38 digits");
        }
    }
    return d->fn(d->arg, d->value);
}

static cm_status pg_query(cm_source *base, const char *sql, size_t cols, const bool *is_text,
                          cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    pg_source *source = (pg_source *)base;
    delivery d = {.cols = cols, .is_text = is_text, .fn = fn, .arg = arg};
    cm_status st = connect(source, diag);
    if (st != CM_OK) {
        return st;
    }
    d.value = calloc(cols + 1, sizeof *d.value);
    if (d.value == NULL) {
        return out_of_memory(diag);
    }
    st = cm_pg_query(source->pg, sql, NULL, 0, cols, deliver, &d, diag);
    free(d.value);
    return st;
}

static cm_status pg_run(cm_source *base, const cm_source_table *const *table,
                        const cm_fragment *fragment, size_t cols, const bool *is_text,
                        cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    const char *from[CM_OWN_JOIN_MAX];
    shape *s = NULL;
    for (size_t i = 0; i < cm_fragment_tables(fragment); i++) {
        cm_status st = shape_of((pg_source *)base, table[i], &s, diag);
        if (st != CM_OK) {
            return st;
        }
        from[i] = s->from;
    }
    CM_ASSERT(s != NULL); /* a fragment reads something */
    if (fragment->join != NULL) {
        cm_fragment_sql(fragment, CM_DIALECT_POSTGRES, from, &sql);
    } else {
        cm_fragment_native_sql(fragment, s->native, s->remote.name, &sql);
    }
    return sql.failed ? out_of_memory(diag)
                      : pg_query(base, cm_buf_text(&sql), cols, is_text, fn, arg, diag);
}

static cm_status pg_import(cm_source *base, const char *remote_schema, cm_arena *arena,
                           const cm_imported_table **ret, size_t *ret_count, cm_diag *diag)
{
    pg_source *source = (pg_source *)base;
    cm_status st = connect(source, diag);
    return st != CM_OK ? st
                       : cm_import_postgres(source->pg, remote_schema, arena, ret, ret_count, diag);
}

static const cm_source_ops pg_ops = {
    .free = pg_free,
    .import = pg_import,
    .count = pg_count,
    .check = pg_check,
    .from = pg_from,
    .query = pg_query,
    .run = pg_run,
};

cm_status cm_postgres_source_open(const cm_options *options, const char *cache_dir, int timeout_ms,
                                  cm_source **ret, cm_diag *diag)
{
    pg_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return out_of_memory(diag);
    }
    source->base = (cm_source){&pg_ops, CM_SOURCE_POSTGRES, timeout_ms};
    source->conninfo = strdup(cm_options_get(options, "conninfo"));
    source->cache_dir = strdup(cache_dir);
    cm_status st = cm_arena_init(&source->arena, SHAPES_BYTES);
    if (st != CM_OK || source->conninfo == NULL || source->cache_dir == NULL) {
        st = out_of_memory(diag);
    }
    if (st == CM_OK) {
        st = connect(source, diag);
    }
    if (st != CM_OK) {
        pg_free(&source->base);
        return st;
    }
    *ret = &source->base;
    return CM_OK;
}
