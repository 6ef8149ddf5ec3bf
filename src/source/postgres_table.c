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

/*
 * A transaction that writes anything has a number.  When none is under way and none was given out
 * since, the rows of a heap are what they were.  Numbers could be given out twice only across a
 * restart or a crash: the first shows in the postmaster's start, the second in the statistics,
 * which a recovery throws away.  Not so where rows may be elsewhere: views, foreign tables, parents
 * and tables spread over other servers (whose own file is empty); and row security may depend on
 * more than the rows.
 */
static const char stamp_sql[] =
    "SELECT pg_catalog.concat_ws(' ', "
    "(EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::bigint, "
    "(EXTRACT(epoch FROM pg_catalog.pg_stat_get_bgwriter_stat_reset_time()) * 1000000)::bigint, "
    "d.oid, c.oid, pg_catalog.pg_relation_size(c.oid), pg_catalog.txid_snapshot_xmax(s)) "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid = c.relam, "
    "pg_catalog.pg_database d, pg_catalog.txid_current_snapshot() s "
    "WHERE c.oid = pg_catalog.to_regclass($1) AND d.datname = pg_catalog.current_database() "
    "AND c.relkind IN ('r', 'm') AND a.amname = 'heap' AND NOT c.relhassubclass "
    "AND NOT c.relrowsecurity AND pg_catalog.pg_relation_size(c.oid) > 0 "
    "AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus') "
    "AND NOT pg_catalog.pg_is_in_recovery() "
    "AND pg_catalog.txid_snapshot_xmin(s) = pg_catalog.txid_snapshot_xmax(s)";

typedef struct stamp {
    char *text;
    size_t capacity;
} stamp;

static cm_status read_stamp(void *arg, const char *const *text, CM_UNUSED cm_diag *diag)
{
    const stamp *s = arg;
    if (text[0] != NULL && strlen(text[0]) < s->capacity) {
        memcpy(s->text, text[0], strlen(text[0]) + 1);
    }
    return CM_OK;
}

cm_status cm_pg_table_stamp(cm_pg *pg, const char *remote, char *ret, size_t capacity,
                            cm_diag *diag)
{
    stamp s = {ret, capacity};
    const char *const params[] = {remote};
    ret[0] = '\0';
    return cm_pg_query(pg, stamp_sql, params, 1, 1, read_stamp, &s, diag);
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

static void set_native(cm_pg_sql *sql, cm_native_kind kind, const char *expr)
{
    sql->kind = kind;
    cm_buf_printf(&sql->native, "%s", expr);
}

static bool put_int(const cm_column *column, const cm_pg_column *remote, const char *x,
                    cm_pg_sql *sql)
{
    if (type_in(remote, int_types)) {
        cm_buf_printf(&sql->value, "%s", x);
        if (!promised(column, remote)) {
            cm_buf_printf(&sql->misfit, "%s", x);
            put_range(&sql->misfit, column->range);
        }
        set_native(sql, CM_NATIVE_NUMBER, x);
        return true;
    }
    if (strcmp(remote->type, "numeric") == 0) {
        cm_buf_printf(&sql->value, "(%s)::bigint", x);
        cm_buf_printf(&sql->misfit, "%s <> trunc(%s) OR %s", x, x, x);
        put_range(&sql->misfit, column->range);
        set_native(sql, CM_NATIVE_NUMBER, x);
        return true;
    }
    return false;
}

/* (10 * value + 5) / 10^(scale + 1), or - 5. */
static void put_half_beyond(cm_buf *out, cm_i128 value, int half, int scale)
{
    cm_type type = {.kind = CM_TYPE_NUMERIC, .scale = scale + 1};
    cm_value_print(&type, &(cm_value){.number = 10 * value + half}, out);
    cm_buf_printf(out, "::numeric");
}

/*
 * Stored numerics.  A value is rounded half away from zero on its way, so it leaves the range at
 * half a unit beyond; NaN is greater than all numbers.  What numeric(p,s) holds is in the range of
 * the type that it is published as, or NaN.
 */
static void put_numeric_misfit(const cm_column *column, const cm_pg_column *remote, const char *x,
                               cm_buf *out)
{
    int packed = remote->type_mod - 4;
    int precision = packed >> 16, scale = packed & 0x7ff;
    cm_type stored = {.kind = CM_TYPE_NUMERIC, .precision = precision, .scale = scale};
    cm_range range = {0};
    bool limited = remote->type_mod >= 4 && scale <= precision && scale == column->type.scale &&
                   precision <= 38;
    if (limited) {
        range = cm_type_range(&stored);
        limited = range.lo >= column->range.lo && range.hi <= column->range.hi;
    }
    if (limited) {
        cm_buf_printf(out, "%s = 'NaN'::numeric", x);
        return;
    }
    cm_buf_printf(out, "%s >= ", x);
    put_half_beyond(out, column->range.hi, 5, column->type.scale);
    cm_buf_printf(out, " OR %s <= ", x);
    put_half_beyond(out, column->range.lo, -5, column->type.scale);
}

static bool put_numeric(const cm_column *column, const cm_pg_column *remote, const char *x,
                        cm_pg_sql *sql)
{
    static const cm_range word = {INT64_MIN, INT64_MAX};
    char unit[41];
    cm_i128 power = 1;
    for (int i = 0; i < column->type.scale; i++) {
        power *= 10;
    }
    cm_i128_print(power, unit);
    bool is_numeric = strcmp(remote->type, "numeric") == 0;
    if (!is_numeric && !type_in(remote, int_types) && !type_in(remote, float_types)) {
        return false;
    }
    /* In numeric until the value is known to fit: a bigint product could overflow. */
    const char *cast = is_numeric ? "" : "::numeric";
    bool fits = column->range.lo >= word.lo && column->range.hi <= word.hi;
    cm_buf_printf(&sql->value, fits ? "(%s%s * %s)::bigint" : "round(%s%s * %s)", x, cast, unit);
    if (!promised(column, remote)) {
        if (is_numeric && fits && column->type.scale < 38) {
            put_numeric_misfit(column, remote, x, &sql->misfit);
        } else {
            cm_buf_printf(&sql->misfit, "round(%s%s * %s)", x, cast, unit);
            put_range(&sql->misfit, column->range);
        }
    }
    /* numeric(p,s) of at most the published digits: nothing is rounded. */
    if (is_numeric && fits && remote->type_mod >= 4 &&
        ((remote->type_mod - 4) & 0x7ff) <= column->type.scale) {
        set_native(sql, CM_NATIVE_NUMBER, x);
    }
    return true;
}

static bool put_date(const cm_column *column, const cm_pg_column *remote, const char *x,
                     cm_pg_sql *sql)
{
    if (strcmp(remote->type, "date") != 0) {
        return false;
    }
    cm_buf_printf(&sql->value, "(%s - DATE '2000-01-01')", x);
    if (!promised(column, remote)) {
        char lo[41], hi[41]; /* infinity is later than any date */
        cm_buf_printf(&sql->misfit,
                      "%s NOT BETWEEN (DATE '2000-01-01' + (%s)) AND (DATE '2000-01-01' + (%s))", x,
                      cm_i128_print(column->range.lo, lo), cm_i128_print(column->range.hi, hi));
    }
    set_native(sql, CM_NATIVE_DATE, x);
    return true;
}

static bool put_timestamp(const cm_column *column, const cm_pg_column *remote, const char *x,
                          cm_pg_sql *sql)
{
    CM_CLEANUP(cm_buf_free) cm_buf at = {0};
    bool zoned = strcmp(remote->type, "timestamptz") == 0;
    if (!zoned && strcmp(remote->type, "timestamp") != 0) {
        return false;
    }
    cm_buf_printf(&at, zoned ? "(%s AT TIME ZONE 'UTC')" : "%s", x);
    cm_buf_printf(&sql->value,
                  "(extract(epoch FROM (%s - TIMESTAMP '2000-01-01')) * 1000000)::bigint",
                  cm_buf_text(&at));
    cm_buf_printf(&sql->misfit, "CASE WHEN NOT isfinite(%s) THEN true ELSE %s", x,
                  cm_buf_text(&sql->value));
    put_range(&sql->misfit, column->range);
    cm_buf_printf(&sql->misfit, " END");
    set_native(sql, CM_NATIVE_TIMESTAMP, cm_buf_text(&at));
    return !at.failed;
}

static bool put_enum(const cm_column *column, const cm_pg_column *remote, const char *x,
                     cm_pg_sql *sql)
{
    const cm_enum *labels = column->type.labels;
    if (!remote->is_enum && !type_in(remote, text_types) && !type_in(remote, int_types)) {
        return false;
    }
    cm_buf_printf(&sql->native, "%s::text COLLATE \"C\"", x);
    sql->kind = CM_NATIVE_LABEL;
    cm_buf_printf(&sql->value, "CASE %s", cm_buf_text(&sql->native));
    for (size_t i = 0; i < labels->count; i++) {
        cm_buf_printf(&sql->value, " WHEN ");
        cm_sql_put_text(&sql->value, labels->labels[i]);
        cm_buf_printf(&sql->value, " THEN %zu", i);
    }
    cm_buf_printf(&sql->value, " END");
    cm_buf_printf(&sql->misfit, "%s NOT IN (", cm_buf_text(&sql->native));
    for (size_t i = 0; i < labels->count; i++) {
        cm_buf_printf(&sql->misfit, "%s", i > 0 ? ", " : "");
        cm_sql_put_text(&sql->misfit, labels->labels[i]);
    }
    cm_buf_printf(&sql->misfit, ")");
    return true;
}

static bool put_text(const cm_column *column, const cm_pg_column *remote, const char *x,
                     cm_pg_sql *sql)
{
    bool padded = column->type.text == CM_TEXT_CHAR;
    if (!remote->is_enum && !type_in(remote, text_types) && !type_in(remote, int_types)) {
        return false;
    }
    cm_buf_printf(&sql->value,
                  padded ? "rtrim(%s::text, ' ') COLLATE \"C\"" : "%s::text COLLATE \"C\"", x);
    /* varchar(n) has at most 4n bytes; its type_mod is n + 4. */
    bool short_enough = strcmp(remote->type, "varchar") == 0 && remote->type_mod > 4 &&
                        (unsigned)(remote->type_mod - 4) <= column->type.max_bytes / 4;
    if (!short_enough) {
        cm_buf_printf(&sql->misfit, "octet_length(convert_to(%s%s::text%s, 'UTF8')) > %u",
                      padded ? "rtrim(" : "", x, padded ? ", ' ')" : "", column->type.max_bytes);
    }
    return true;
}

void cm_pg_sql_free(cm_pg_sql *sql)
{
    cm_buf_free(&sql->value);
    cm_buf_free(&sql->misfit);
    cm_buf_free(&sql->native);
}

bool cm_pg_canonical(const cm_column *column, const cm_pg_column *remote, cm_pg_sql *ret)
{
    CM_CLEANUP(cm_buf_free) cm_buf name = {0};
    cm_sql_put_name(&name, remote->name);
    const char *x = cm_buf_text(&name);
    switch (column->type.kind) {
    case CM_TYPE_BOOL:
        cm_buf_printf(&ret->value, "%s::int", x);
        return strcmp(remote->type, "bool") == 0;
    case CM_TYPE_INT2:
    case CM_TYPE_INT4:
    case CM_TYPE_INT8:
        return put_int(column, remote, x, ret);
    case CM_TYPE_NUMERIC:
        return put_numeric(column, remote, x, ret);
    case CM_TYPE_DATE:
        return put_date(column, remote, x, ret);
    case CM_TYPE_TIMESTAMP:
        return put_timestamp(column, remote, x, ret);
    case CM_TYPE_ENUM:
        return put_enum(column, remote, x, ret);
    case CM_TYPE_TEXT:
        return put_text(column, remote, x, ret);
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
