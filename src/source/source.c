#include "source/source_int.h"

#include <string.h>
#include <strings.h>

static const char *const kind_names[] = {
    [CM_SOURCE_CSV] = "csv",
    [CM_SOURCE_SQLITE] = "sqlite",
    [CM_SOURCE_POSTGRES] = "postgres",
};

cm_status cm_source_kind_by_name(const char *name, cm_source_kind *ret, cm_diag *diag)
{
    for (size_t i = 0; i < CM_COUNT(kind_names); i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            *ret = (cm_source_kind)i;
            return CM_OK;
        }
    }
    cm_status st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT,
                           "foreign-data wrapper \"%s\" does not exist", name);
    cm_diag_hint(diag, "The wrappers are csv, sqlite and postgres.");
    return st;
}

const char *cm_source_kind_name(cm_source_kind kind)
{
    CM_ASSERT((size_t)kind < CM_COUNT(kind_names));
    return kind_names[kind];
}

typedef struct option_rule {
    cm_source_kind kind;
    const char *name;
    bool required;
} option_rule;

static const option_rule option_rules[] = {
    {CM_SOURCE_CSV, "directory", true},   {CM_SOURCE_CSV, "header", false},
    {CM_SOURCE_CSV, "delimiter", false},  {CM_SOURCE_CSV, "null", false},
    {CM_SOURCE_SQLITE, "filename", true}, {CM_SOURCE_POSTGRES, "conninfo", true},
};

static bool option_known(cm_source_kind kind, const char *name)
{
    for (size_t i = 0; i < CM_COUNT(option_rules); i++) {
        if (option_rules[i].kind == kind && strcmp(option_rules[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void hint_options(cm_source_kind kind, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf list = {0};
    for (size_t i = 0; i < CM_COUNT(option_rules); i++) {
        if (option_rules[i].kind == kind) {
            cm_buf_printf(&list, "%s%s", list.bytes > 0 ? ", " : "", option_rules[i].name);
        }
    }
    cm_diag_hint(diag, "Options of %s: %s.", cm_source_kind_name(kind), cm_buf_text(&list));
}

CM_MUST static cm_status bad_value(const char *option, const char *expected, cm_diag *diag)
{
    cm_status st = cm_fail(diag, CM_EINVAL, "HV024", "invalid value for option \"%s\"", option);
    cm_diag_hint(diag, "%s", expected);
    return st;
}

CM_MUST static cm_status check_csv_values(const cm_options *options, cm_diag *diag)
{
    static const char *const booleans[] = {"true", "false", "on", "off", "1", "0"};
    const char *header = cm_options_get(options, "header");
    const char *delimiter = cm_options_get(options, "delimiter");
    const char *null_text = cm_options_get(options, "null");
    bool known = header == NULL;
    for (size_t i = 0; i < CM_COUNT(booleans) && !known; i++) {
        known = strcasecmp(header, booleans[i]) == 0;
    }
    if (!known) {
        return bad_value("header", "true or false", diag);
    }
    if (delimiter != NULL && (strlen(delimiter) != 1 || strchr("\"\r\n", delimiter[0]) != NULL ||
                              ((unsigned char)delimiter[0] & 0x80) != 0)) {
        return bad_value("delimiter", "one ASCII character, not a quote or a line end", diag);
    }
    if (null_text != NULL && strpbrk(null_text, "\"\r\n") != NULL) {
        return bad_value("null", "a text without quotes and line ends", diag);
    }
    return CM_OK;
}

cm_status cm_source_check_options(cm_source_kind kind, const cm_options *options, cm_diag *diag)
{
    for (size_t i = 0; i < options->count; i++) {
        if (!option_known(kind, options->option[i].name)) {
            cm_status st =
                cm_fail(diag, CM_EINVAL, "HV00D", "invalid option \"%s\"", options->option[i].name);
            hint_options(kind, diag);
            return st;
        }
    }
    for (size_t i = 0; i < CM_COUNT(option_rules); i++) {
        const option_rule *rule = &option_rules[i];
        const char *value = rule->kind == kind ? cm_options_get(options, rule->name) : NULL;
        if (rule->kind == kind && rule->required && (value == NULL || value[0] == '\0')) {
            cm_status st = cm_fail(diag, CM_EINVAL, "HV00J", "a %s server needs the option \"%s\"",
                                   cm_source_kind_name(kind), rule->name);
            hint_options(kind, diag);
            return st;
        }
    }
    switch (kind) {
    case CM_SOURCE_CSV:
        return check_csv_values(options, diag);
    case CM_SOURCE_POSTGRES:
        return cm_postgres_check_conninfo(cm_options_get(options, "conninfo"), diag);
    case CM_SOURCE_SQLITE:
        break;
    }
    return CM_OK;
}

cm_status cm_source_open(cm_source_kind kind, const cm_options *options, const char *cache_dir,
                         int timeout_ms, cm_source **ret, cm_diag *diag)
{
    CM_ASSERT(timeout_ms > 0);
    cm_status st = cm_source_check_options(kind, options, diag);
    if (st != CM_OK) {
        return st;
    }
    switch (kind) {
    case CM_SOURCE_CSV:
        return cm_csv_source_open(options, cache_dir, timeout_ms, ret, diag);
    case CM_SOURCE_SQLITE:
        return cm_sqlite_source_open(options, cache_dir, timeout_ms, ret, diag);
    case CM_SOURCE_POSTGRES:
        break;
    }
    return cm_postgres_source_open(options, cache_dir, timeout_ms, ret, diag);
}

void cm_source_free(cm_source *source)
{
    if (source != NULL) {
        source->ops->free(source);
    }
}

cm_dialect cm_source_dialect(const cm_source *source)
{
    return source->kind == CM_SOURCE_POSTGRES ? CM_DIALECT_POSTGRES : CM_DIALECT_SQLITE;
}

cm_status cm_source_import(cm_source *source, const char *remote_schema, cm_arena *arena,
                           const cm_imported_table **ret, size_t *ret_count, cm_diag *diag)
{
    return source->ops->import(source, remote_schema, arena, ret, ret_count, diag);
}

cm_status cm_source_count(cm_source *source, const cm_source_table *table, uint64_t *ret,
                          cm_diag *diag)
{
    return source->ops->count(source, table, ret, diag);
}

cm_status cm_source_check(cm_source *source, const cm_source_table *table, const bool *columns,
                          cm_diag *diag)
{
    return source->ops->check(source, table, columns, diag);
}

cm_status cm_source_from(cm_source *source, const cm_source_table *table, cm_buf *out,
                         cm_diag *diag)
{
    return source->ops->from(source, table, out, diag);
}

cm_status cm_source_query(cm_source *source, const char *sql, size_t cols, const bool *is_text,
                          cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    return source->ops->query(source, sql, cols, is_text, fn, arg, diag);
}

cm_status cm_source_run(cm_source *const *source, const cm_source_table *const *table,
                        const cm_fragment *fragment, size_t cols, const bool *is_text,
                        cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    CM_ASSERT(cols == fragment->outputs + (fragment->aggregated ? fragment->keys : 0));
    for (size_t i = 1; i < cm_fragment_tables(fragment); i++) {
        if (source[i] != source[0]) {
            return cm_source_run_across(source, table, fragment, cols, is_text, fn, arg, diag);
        }
    }
    return source[0]->ops->run(source[0], table, fragment, cols, is_text, fn, arg, diag);
}
