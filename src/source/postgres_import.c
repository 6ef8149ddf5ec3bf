/*
 * Definitions come from the server's catalog: types, NOT NULL, unique indexes, CHECK ranges, enums.
 * Three types say too little and their columns are looked at: text without a length (its longest
 * value), numeric without a precision and floating point (digits used).  Columns of other types are
 * left out.
 */
#include "source/postgres_import.h"

#include "source/infer.h"
#include "source/postgres_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TABLES = 4096 };

/* A list of texts that a query gives. */
typedef struct names {
    cm_arena *arena;
    size_t count, capacity;
    const char **name;
} names;

static cm_status read_name(void *arg, const char *const *text, cm_diag *diag)
{
    names *n = arg;
    if (n->count == n->capacity) {
        return cm_fail(diag, CM_EUNSUPPORTED, "54000", "the source has too many tables or labels");
    }
    n->name[n->count++] = cm_arena_strdup(n->arena, text[0]);
    return CM_OK;
}

/* Two facts about a column's values. */
typedef struct facts {
    bool null;
    double a, b;
} facts;

static cm_status read_facts(void *arg, const char *const *text, CM_UNUSED cm_diag *diag)
{
    facts *f = arg;
    f->null = text[0] == NULL;
    f->a = text[0] == NULL ? 0 : strtod(text[0], NULL);
    f->b = text[1] == NULL ? 0 : strtod(text[1], NULL);
    return CM_OK;
}

CM_MUST static cm_status look(cm_pg *pg, const char *table, const char *format_a,
                              const char *format_b, const cm_pg_column *remote, facts *ret,
                              cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    cm_buf_printf(&sql, "SELECT max(%s(", format_a);
    cm_sql_put_name(&sql, remote->name);
    cm_buf_printf(&sql, "::text%s)), max(%s(", format_a[0] == 's' ? "::numeric" : "", format_b);
    cm_sql_put_name(&sql, remote->name);
    cm_buf_printf(&sql, "::text%s)) FROM %s", format_b[0] == 'a' ? "::numeric" : "", table);
    return cm_pg_query(pg, cm_buf_text(&sql), NULL, 0, 2, read_facts, ret, diag);
}

CM_MUST static cm_status guess_text(cm_pg *pg, const char *table, const cm_pg_column *remote,
                                    cm_arena *arena, cm_column_def *def, bool *ret_known,
                                    cm_diag *diag)
{
    facts f = {0};
    cm_status st = look(pg, table, "octet_length", "octet_length", remote, &f, diag);
    *ret_known = st == CM_OK && f.a <= CM_TEXT_MAX_BYTES;
    if (*ret_known) {
        cm_option *option = CM_NEW_SMALL(arena, cm_option, 1);
        unsigned bytes = f.null ? CM_TEXT_DEFAULT_BYTES : cm_infer_text_bytes((size_t)f.a);
        *option = (cm_option){"max_bytes", cm_arena_printf(arena, "%u", bytes)};
        *def = (cm_column_def){.name = remote->name,
                               .type_name = "text",
                               .not_null = remote->not_null,
                               .unique = remote->unique,
                               .options = {1, option}};
    }
    return st;
}

CM_MUST static cm_status guess_number(cm_pg *pg, const char *table, const cm_pg_column *remote,
                                      cm_column_def *def, bool *ret_known, cm_diag *diag)
{
    facts f = {0};
    cm_status st = look(pg, table, "scale", "abs", remote, &f, diag);
    int whole = 1;
    double left = f.b;
    while (left >= 10 && whole < 40) {
        left /= 10;
        whole++;
    }
    int scale = (int)f.a;
    *ret_known = st == CM_OK && f.b < 1e29 && scale <= CM_INFER_SCALE && whole + scale <= 38;
    if (*ret_known) { /* one digit more than seen, so that a little growth fits */
        *def = (cm_column_def){
            .name = remote->name,
            .type_name = "numeric",
            .type_args = 2,
            .type_arg = {whole + scale < 18 ? whole + scale + 1 : whole + scale, scale},
            .not_null = remote->not_null,
            .unique = remote->unique};
    }
    return st;
}

CM_MUST static cm_status read_labels(cm_pg *pg, const char *table, const cm_pg_column *remote,
                                     cm_arena *arena, cm_imported_enum *ret, cm_diag *diag)
{
    names n = {.arena = arena, .capacity = CM_ENUM_MAX_LABELS};
    const char *const params[] = {table, remote->name};
    n.name = CM_NEW_SMALL(arena, const char *, n.capacity);
    cm_status st = cm_pg_query(
        pg,
        "SELECT e.enumlabel FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_enum e ON "
        "e.enumtypid = a.atttypid WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = $2 "
        "ORDER BY e.enumsortorder",
        params, 2, 1, read_name, &n, diag);
    if (st == CM_OK) {
        ret->labels = n.count;
        ret->label = n.name;
    }
    return st;
}

typedef struct importing {
    cm_pg *pg;
    cm_arena *arena;
    const char *sql_name; /* quoted, at the source */
    const char *name;     /* published */
    cm_column_def *def;
    cm_imported_enum *enums;
    const char **taken;
    size_t cols, enum_count;
} importing;

CM_MUST static cm_status import_column(importing *in, const cm_pg_column *remote, cm_diag *diag)
{
    cm_column_def def = {0};
    cm_imported_enum labels = {0};
    bool known = cm_pg_column_def(remote, in->arena, &def);
    cm_status st = CM_OK;
    bool is_text = strcmp(remote->type, "text") == 0 || strcmp(remote->type, "varchar") == 0 ||
                   strcmp(remote->type, "citext") == 0 || strcmp(remote->type, "name") == 0;
    bool is_number = strcmp(remote->type, "numeric") == 0 || strncmp(remote->type, "float", 5) == 0;
    if (remote->is_enum) {
        st = read_labels(in->pg, in->sql_name, remote, in->arena, &labels, diag);
        known = st == CM_OK && labels.labels > 0;
        def = (cm_column_def){
            .name = remote->name, .not_null = remote->not_null, .unique = remote->unique};
    } else if (!known && is_text) {
        st = guess_text(in->pg, in->sql_name, remote, in->arena, &def, &known, diag);
    } else if (!known && is_number) {
        st = guess_number(in->pg, in->sql_name, remote, &def, &known, diag);
    }
    if (st != CM_OK || !known) {
        return st;
    }
    const char *name = cm_import_identifier(in->arena, remote->name, in->taken, in->cols);
    in->taken[in->cols] = def.name = name;
    if (strcmp(name, remote->name) != 0) {
        cm_option *option = CM_NEW_SMALL(in->arena, cm_option, def.options.count + 1);
        for (size_t i = 0; i < def.options.count; i++) {
            option[i] = def.options.option[i];
        }
        option[def.options.count] = (cm_option){"column_name", remote->name};
        def.options = (cm_options){def.options.count + 1, option};
    }
    if (remote->is_enum) {
        labels.name = def.type_name = cm_arena_printf(in->arena, "%.31s_%.31s", in->name, name);
        in->enums[in->enum_count++] = labels;
    }
    in->def[in->cols++] = def;
    return CM_OK;
}

CM_MUST static cm_status import_table(importing *in, const char *remote, cm_imported_table *ret,
                                      bool *ret_made, cm_diag *diag)
{
    cm_pg_table table = {0};
    cm_status st = cm_pg_table_read(in->pg, remote, in->arena, &table, diag);
    if (st != CM_OK) {
        return st;
    }
    in->sql_name = table.name;
    in->def = CM_NEW_SMALL(in->arena, cm_column_def, table.cols);
    in->enums = CM_NEW_SMALL(in->arena, cm_imported_enum, table.cols);
    in->taken = CM_NEW_SMALL(in->arena, const char *, table.cols);
    for (size_t i = 0; i < table.cols && in->cols < CM_TABLE_MAX_COLS && st == CM_OK; i++) {
        st = import_column(in, &table.col[i], diag);
    }
    if (st == CM_OK) {
        *ret_made = in->cols > 0;
        *ret = (cm_imported_table){.name = in->name,
                                   .remote = remote,
                                   .cols = in->cols,
                                   .col = in->def,
                                   .enums = in->enum_count,
                                   .enums_made = in->enums};
    }
    return st;
}

/* Names as SQL (quoted where needed) of the schema's tables. */
CM_MUST static cm_status list_tables(cm_pg *pg, const char *remote_schema, names *n, cm_diag *diag)
{
    const char *const params[] = {remote_schema};
    names schema = {.arena = n->arena, .capacity = 1};
    schema.name = CM_NEW_SMALL(n->arena, const char *, 1);
    cm_status st = cm_pg_query(pg, "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = $1",
                               params, 1, 1, read_name, &schema, diag);
    if (st == CM_OK && schema.count == 0) {
        return cm_fail(diag, CM_ENOTFOUND, "3F000", "the PostgreSQL source has no schema \"%s\"",
                       remote_schema);
    }
    if (st == CM_OK) {
        st = cm_pg_query(pg,
                         "SELECT pg_catalog.quote_ident(n.nspname) || '.' || "
                         "pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c JOIN "
                         "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 "
                         "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND "
                         "pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY c.relname",
                         params, 1, 1, read_name, n, diag);
    }
    return st;
}

cm_status cm_import_postgres(cm_pg *pg, const char *remote_schema, cm_arena *arena,
                             const cm_imported_table **ret, size_t *ret_count, cm_diag *diag)
{
    names n = {.arena = arena, .capacity = MAX_TABLES};
    n.name = CM_NEW_SMALL(arena, const char *, n.capacity);
    cm_status st = list_tables(pg, remote_schema, &n, diag);
    cm_imported_table *table = CM_NEW_SMALL(arena, cm_imported_table, n.count);
    const char **taken = CM_NEW_SMALL(arena, const char *, n.count);
    size_t count = 0;
    for (size_t i = 0; i < n.count && st == CM_OK; i++) {
        /* The part after the schema, whose quotes become underscores. */
        const char *bare = strrchr(n.name[i], '.') + 1;
        importing in = {.pg = pg, .arena = arena};
        bool made = false;
        in.name = taken[count] = cm_import_identifier(arena, bare, taken, count);
        st = import_table(&in, n.name[i], &table[count], &made, diag);
        count += made;
    }
    if (st == CM_OK) {
        *ret = table;
        *ret_count = count;
    }
    return st;
}
