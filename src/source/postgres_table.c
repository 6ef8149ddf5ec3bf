/* Design: docs/design/source.md, "PostgreSQL". */
#include "source/postgres_table.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_REMOTE_COLS = 1700 };

/*
 * Promises hold for plain and partitioned tables; a unique index of a parent says nothing of the
 * rows of tables that inherit from it.
 */
static const char columns_sql[] =
    "SELECT a.attname, b.typname, b.typtype = 'e', CASE WHEN t.typtype = 'd' THEN t.typtypmod "
    "ELSE a.atttypmod END, a.attnotnull AND c.relkind IN ('r', 'p'), "
    "c.relkind IN ('r', 'p') AND (c.relkind = 'p' OR NOT c.relhassubclass) AND EXISTS ("
    "SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND "
    "i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND "
    "i.indnkeyatts = 1 AND i.indkey[0] = a.attnum), "
    "(SELECT pg_catalog.pg_get_constraintdef(k.oid) FROM pg_catalog.pg_constraint k WHERE "
    "k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated AND NOT k.connoinherit AND "
    "k.conkey = ARRAY[a.attnum] ORDER BY k.conname LIMIT 1), "
    "pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid "
    "JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
    "JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid "
    "END "
    "WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
    "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

typedef struct reading {
    cm_pg_table *table;
    cm_arena *arena;
} reading;

static bool is_true(const char *text)
{
    return text != NULL && text[0] == 't';
}

static cm_status read_column(void *arg, const char *const *text, cm_diag *diag)
{
    reading *r = arg;
    if (r->table->cols == MAX_REMOTE_COLS) {
        return cm_fail(diag, CM_EUNSUPPORTED, "54011",
                       "a table of the source has too many columns");
    }
    r->table->col[r->table->cols++] = (cm_pg_column){
        .name = cm_arena_strdup(r->arena, text[0]),
        .type = cm_arena_strdup(r->arena, text[1]),
        .is_enum = is_true(text[2]),
        .type_mod = (int)strtol(text[3], NULL, 10),
        .not_null = is_true(text[4]),
        .unique = is_true(text[5]),
        .check = text[6] == NULL ? NULL : cm_arena_strdup(r->arena, text[6]),
    };
    if (r->table->name == NULL) {
        r->table->name = cm_arena_strdup(r->arena, text[7]);
    }
    return CM_OK;
}

cm_status cm_pg_table_read(cm_pg *pg, const char *remote, cm_arena *arena, cm_pg_table *ret,
                           cm_diag *diag)
{
    cm_pg_table table = {.col = CM_NEW_SMALL(arena, cm_pg_column, MAX_REMOTE_COLS)};
    reading r = {.table = &table, .arena = arena};
    const char *const params[] = {remote};
    cm_status st = cm_pg_query(pg, columns_sql, params, 1, 8, read_column, &r, diag);
    if (st == CM_OK && table.cols == 0) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_TABLE,
                     "the PostgreSQL source has no table \"%s\"", remote);
    }
    if (st == CM_OK) {
        *ret = table;
    }
    return st;
}

/* ---- canonical values ---- */

static bool type_in(const cm_pg_column *remote, const char *const *types)
{
    for (size_t i = 0; types[i] != NULL; i++) {
        if (strcmp(remote->type, types[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *const int_types[] = {"int2", "int4", "int8", NULL};
static const char *const float_types[] = {"float4", "float8", NULL};
static const char *const text_types[] = {"text",   "varchar", "bpchar", "name",
                                         "citext", "uuid",    NULL};

static void put_range(cm_buf *out, cm_range range)
{
    char lo[41], hi[41];
    cm_buf_printf(out, " NOT BETWEEN %s AND %s", cm_i128_print(range.lo, lo),
                  cm_i128_print(range.hi, hi));
}

/* Whether the server's own types and checks leave nothing to look for. */
static bool promised(const cm_column *column, const cm_pg_column *remote)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    cm_column_def def;
    cm_column promise;
    cm_diag ignored = {0};
    if (cm_arena_init(&arena, 1 << 20) != CM_OK || !cm_pg_column_def(remote, &arena, &def) ||
        cm_column_resolve(&def, NULL, 0, &arena, &promise, &ignored) != CM_OK) {
        return false;
    }
    /* A numeric can be NaN and a date infinite, unless both ends are checked. */
    bool bounded = type_in(remote, int_types) || (def.check_lo != NULL && def.check_hi != NULL);
    bool alike = promise.type.kind == column->type.kind ||
                 (type_in(remote, int_types) && cm_type_is_number(&column->type));
    return bounded && alike && promise.type.scale == column->type.scale &&
           promise.range.lo >= column->range.lo && promise.range.hi <= column->range.hi;
}

static bool put_int(const cm_column *column, const cm_pg_column *remote, const char *x,
                    cm_buf *value, cm_buf *misfit)
{
    if (type_in(remote, int_types)) {
        cm_buf_printf(value, "%s", x);
        if (!promised(column, remote)) {
            cm_buf_printf(misfit, "%s", x);
            put_range(misfit, column->range);
        }
        return true;
    }
    if (strcmp(remote->type, "numeric") == 0) {
        cm_buf_printf(value, "(%s)::bigint", x);
        cm_buf_printf(misfit, "%s <> trunc(%s) OR %s", x, x, x);
        put_range(misfit, column->range);
        return true;
    }
    return false;
}

static bool put_numeric(const cm_column *column, const cm_pg_column *remote, const char *x,
                        cm_buf *value, cm_buf *misfit)
{
    static const cm_range word = {INT64_MIN, INT64_MAX};
    char unit[41];
    cm_i128 power = 1;
    for (int i = 0; i < column->type.scale; i++) {
        power *= 10;
    }
    cm_i128_print(power, unit);
    bool is_int = type_in(remote, int_types);
    if (!is_int && strcmp(remote->type, "numeric") != 0 && !type_in(remote, float_types)) {
        return false;
    }
    /* In numeric until the value is known to fit: a bigint product could overflow. */
    const char *cast = strcmp(remote->type, "numeric") == 0 ? "" : "::numeric";
    bool fits = column->range.lo >= word.lo && column->range.hi <= word.hi;
    cm_buf_printf(value, fits ? "(%s%s * %s)::bigint" : "round(%s%s * %s)", x, cast, unit);
    if (!promised(column, remote)) {
        cm_buf_printf(misfit, "round(%s%s * %s)", x, cast, unit);
        put_range(misfit, column->range);
    }
    return true;
}

static bool put_date(const cm_column *column, const cm_pg_column *remote, const char *x,
                     cm_buf *value, cm_buf *misfit)
{
    if (strcmp(remote->type, "date") != 0) {
        return false;
    }
    cm_buf_printf(value, "(%s - DATE '2000-01-01')", x);
    if (!promised(column, remote)) {
        cm_buf_printf(misfit, "CASE WHEN NOT isfinite(%s) THEN true ELSE (%s - DATE '2000-01-01')",
                      x, x);
        put_range(misfit, column->range);
        cm_buf_printf(misfit, " END");
    }
    return true;
}

static bool put_timestamp(const cm_column *column, const cm_pg_column *remote, const char *x,
                          cm_buf *value, cm_buf *misfit)
{
    CM_CLEANUP(cm_buf_free) cm_buf micro = {0};
    bool zoned = strcmp(remote->type, "timestamptz") == 0;
    if (!zoned && strcmp(remote->type, "timestamp") != 0) {
        return false;
    }
    cm_buf_printf(&micro, "(extract(epoch FROM (%s%s - TIMESTAMP '2000-01-01')) * 1000000)::bigint",
                  x, zoned ? " AT TIME ZONE 'UTC'" : "");
    cm_buf_printf(value, "%s", cm_buf_text(&micro));
    cm_buf_printf(misfit, "CASE WHEN NOT isfinite(%s) THEN true ELSE %s", x, cm_buf_text(&micro));
    put_range(misfit, column->range);
    cm_buf_printf(misfit, " END");
    return !micro.failed;
}

static bool put_enum(const cm_column *column, const cm_pg_column *remote, const char *x,
                     cm_buf *value, cm_buf *misfit)
{
    const cm_enum *labels = column->type.labels;
    if (!remote->is_enum && !type_in(remote, text_types) && !type_in(remote, int_types)) {
        return false;
    }
    cm_buf_printf(value, "CASE %s::text COLLATE \"C\"", x);
    for (size_t i = 0; i < labels->count; i++) {
        cm_buf_printf(value, " WHEN ");
        cm_sql_put_text(value, labels->labels[i]);
        cm_buf_printf(value, " THEN %zu", i);
    }
    cm_buf_printf(value, " END");
    cm_buf_printf(misfit, "%s IS NOT NULL AND %s::text COLLATE \"C\" NOT IN (", x, x);
    for (size_t i = 0; i < labels->count; i++) {
        cm_buf_printf(misfit, "%s", i > 0 ? ", " : "");
        cm_sql_put_text(misfit, labels->labels[i]);
    }
    cm_buf_printf(misfit, ")");
    return true;
}

static bool put_text(const cm_column *column, const cm_pg_column *remote, const char *x,
                     cm_buf *value, cm_buf *misfit)
{
    bool padded = column->type.text == CM_TEXT_CHAR;
    if (!remote->is_enum && !type_in(remote, text_types) && !type_in(remote, int_types)) {
        return false;
    }
    cm_buf_printf(value, padded ? "rtrim(%s::text, ' ') COLLATE \"C\"" : "%s::text COLLATE \"C\"",
                  x);
    /* varchar(n) has at most 4n bytes; its type_mod is n + 4. */
    bool short_enough = strcmp(remote->type, "varchar") == 0 && remote->type_mod > 4 &&
                        (unsigned)(remote->type_mod - 4) <= column->type.max_bytes / 4;
    if (!short_enough) {
        cm_buf_printf(misfit, "octet_length(convert_to(%s%s::text%s, 'UTF8')) > %u",
                      padded ? "rtrim(" : "", x, padded ? ", ' ')" : "", column->type.max_bytes);
    }
    return true;
}

bool cm_pg_canonical(const cm_column *column, const cm_pg_column *remote, cm_buf *value,
                     cm_buf *misfit)
{
    CM_CLEANUP(cm_buf_free) cm_buf name = {0};
    cm_sql_put_name(&name, remote->name);
    const char *x = cm_buf_text(&name);
    switch (column->type.kind) {
    case CM_TYPE_BOOL:
        cm_buf_printf(value, "%s::int", x);
        return strcmp(remote->type, "bool") == 0;
    case CM_TYPE_INT2:
    case CM_TYPE_INT4:
    case CM_TYPE_INT8:
        return put_int(column, remote, x, value, misfit);
    case CM_TYPE_NUMERIC:
        return put_numeric(column, remote, x, value, misfit);
    case CM_TYPE_DATE:
        return put_date(column, remote, x, value, misfit);
    case CM_TYPE_TIMESTAMP:
        return put_timestamp(column, remote, x, value, misfit);
    case CM_TYPE_ENUM:
        return put_enum(column, remote, x, value, misfit);
    case CM_TYPE_TEXT:
        return put_text(column, remote, x, value, misfit);
    case CM_TYPE_UNKNOWN:
    case CM_TYPE_INTERVAL:
        break;
    }
    return false;
}

/* ---- definitions ---- */

/* The server's CHECK text read by the grammar that reads ours: no second parser of conditions. */
static void take_check(const cm_pg_column *remote, const char *type, cm_arena *arena,
                       cm_column_def *def)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    cm_stmts stmts;
    cm_diag ignored = {0};
    if (remote->check == NULL) {
        return;
    }
    cm_buf_printf(&sql, "CREATE FOREIGN TABLE t (");
    cm_sql_put_name(&sql, remote->name);
    cm_buf_printf(&sql, " %s %s) SERVER s", type, remote->check);
    if (sql.failed || cm_sql_parse(cm_buf_text(&sql), arena, &stmts, &ignored) != CM_OK ||
        stmts.count != 1 || stmts.stmt[0].columns != 1) {
        return;
    }
    const cm_column_def *read = &stmts.stmt[0].columndef[0];
    def->has_check = read->has_check && (read->check_lo != NULL || read->check_hi != NULL);
    def->check_lo = read->check_lo;
    def->check_hi = read->check_hi;
}

/* atttypmod of numeric(p,s): ((p << 16) | s) + 4. */
static bool take_numeric(const cm_pg_column *remote, cm_column_def *def)
{
    int packed = remote->type_mod - 4;
    int precision = packed >> 16;
    int scale = packed & 0x7ff;
    if (remote->type_mod < 4 || precision < 1 || precision > 38 || scale > precision) {
        return false;
    }
    def->type_name = "numeric";
    def->type_args = 2;
    def->type_arg[0] = precision;
    def->type_arg[1] = scale;
    return true;
}

bool cm_pg_column_def(const cm_pg_column *remote, cm_arena *arena, cm_column_def *ret)
{
    static const char *const same[] = {"bool", "int2", "int4", "int8", "date", "timestamp", NULL};
    cm_column_def def = {
        .name = remote->name, .not_null = remote->not_null, .unique = remote->unique};
    bool known = true;
    if (type_in(remote, same)) {
        def.type_name = cm_arena_strdup(arena, remote->type);
    } else if (strcmp(remote->type, "timestamptz") == 0) {
        def.type_name = "timestamp";
    } else if (strcmp(remote->type, "numeric") == 0) {
        known = take_numeric(remote, &def);
    } else if (strcmp(remote->type, "varchar") == 0 || strcmp(remote->type, "bpchar") == 0) {
        known = remote->type_mod > 4 && remote->type_mod - 4 <= CM_TEXT_MAX_BYTES;
        def.type_name = remote->type[0] == 'v' ? "varchar" : "bpchar";
        def.type_args = 1;
        def.type_arg[0] = remote->type_mod - 4;
    } else if (strcmp(remote->type, "uuid") == 0) {
        def.type_name = "varchar";
        def.type_args = 1;
        def.type_arg[0] = 36;
    } else {
        known = false;
    }
    if (known) {
        take_check(remote, def.type_args == 2 ? "numeric" : def.type_name, arena, &def);
        *ret = def;
    }
    return known;
}
