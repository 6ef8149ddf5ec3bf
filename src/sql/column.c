/* Column definitions of DDL to published columns. */
#include "sql/sql_int.h"
#include "sql/stmt.h"

#include <stdlib.h>
#include <string.h>

const char *cm_options_get(const cm_options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++) {
        if (strcmp(options->option[i].name, name) == 0) {
            return options->option[i].value;
        }
    }
    return NULL;
}

static cm_status fail_at(const cm_column_def *def, const char *sqlstate, const char *message,
                         const char *hint, cm_diag *diag)
{
    if (diag != NULL && diag->status == CM_OK) {
        diag->position = def->position;
    }
    cm_diag_hint(diag, "%s", hint);
    return cm_fail(diag, CM_EINVAL, sqlstate, "column \"%s\": %s", def->name, message);
}

static cm_status resolve_numeric(const cm_column_def *def, cm_type *type, cm_diag *diag)
{
    if (def->type_args == 0) {
        return fail_at(def, CM_SQL_UNSUPPORTED, "numeric without a precision is not supported",
                       "Write numeric(precision, scale).", diag);
    }
    type->kind = CM_TYPE_NUMERIC;
    type->precision = def->type_arg[0];
    type->scale = def->type_args > 1 ? def->type_arg[1] : 0;
    if (type->precision < 1 || type->precision > 38 || type->scale < 0 ||
        type->scale > type->precision) {
        return fail_at(def, CM_SQL_BAD_PARAMETER,
                       "numeric precision must be between 1 and 38, scale between 0 and precision",
                       "", diag);
    }
    return CM_OK;
}

static cm_status resolve_text(const cm_column_def *def, cm_text_kind kind, cm_type *type,
                              cm_diag *diag)
{
    const char *max_bytes = cm_options_get(&def->options, "max_bytes");
    long bytes = CM_TEXT_DEFAULT_BYTES;

    type->kind = CM_TYPE_TEXT;
    type->text = kind;
    if (def->type_args > 0) {
        bytes = def->type_arg[0];
    } else if (kind == CM_TEXT_CHAR) {
        bytes = 1;
    } else {
        type->text = CM_TEXT_TEXT; /* varchar without n is text */
    }
    if (max_bytes != NULL) {
        char *end;
        bytes = strtol(max_bytes, &end, 10);
        if (end == max_bytes || *end != '\0') {
            bytes = 0;
        }
    }
    if (bytes < 1 || bytes > CM_TEXT_MAX_BYTES) {
        return fail_at(def, CM_SQL_BAD_PARAMETER, "text is bounded by 1 to 1024 bytes",
                       "Write varchar(n), or text with OPTIONS (max_bytes 'n').", diag);
    }
    type->max_bytes = (unsigned)bytes;
    return CM_OK;
}

static const struct {
    const char *name;
    cm_type_kind kind;
} plain_types[] = {
    {"bool", CM_TYPE_BOOL}, {"int2", CM_TYPE_INT2}, {"int4", CM_TYPE_INT4},
    {"int8", CM_TYPE_INT8}, {"date", CM_TYPE_DATE}, {"timestamp", CM_TYPE_TIMESTAMP},
};

static cm_status resolve_type(const cm_column_def *def, const cm_enum *const *enums, size_t count,
                              cm_type *type, cm_diag *diag)
{
    const char *name = def->type_name;

    for (size_t i = 0; i < CM_COUNT(plain_types); i++) {
        if (strcmp(name, plain_types[i].name) == 0) {
            type->kind = plain_types[i].kind;
            return CM_OK;
        }
    }
    if (strcmp(name, "numeric") == 0) {
        return resolve_numeric(def, type, diag);
    }
    if (strcmp(name, "text") == 0 || strcmp(name, "varchar") == 0) {
        return resolve_text(def, CM_TEXT_VARCHAR, type, diag);
    }
    if (strcmp(name, "bpchar") == 0) {
        return resolve_text(def, CM_TEXT_CHAR, type, diag);
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, enums[i]->name) == 0) {
            type->kind = CM_TYPE_ENUM;
            type->labels = enums[i];
            return CM_OK;
        }
    }
    if (diag != NULL && diag->status == CM_OK) {
        diag->position = def->position;
    }
    cm_diag_hint(diag, "Types are: boolean, smallint, integer, bigint, numeric(p,s), date, "
                       "timestamp, text, varchar(n), char(n), and ENUMs of this node.");
    return cm_fail(diag, CM_EINVAL, CM_SQL_UNDEFINED_OBJECT,
                   "type \"%s\" of column \"%s\" does not exist or is not supported", name,
                   def->name);
}

static cm_status resolve_check(const cm_column_def *def, cm_arena *arena, cm_column *col,
                               cm_diag *diag)
{
    cm_value lo = {.number = col->range.lo}, hi = {.number = col->range.hi};
    cm_status st = CM_OK;

    if (!cm_type_is_number(&col->type) && col->type.kind != CM_TYPE_DATE &&
        col->type.kind != CM_TYPE_TIMESTAMP) {
        return fail_at(def, CM_SQL_UNSUPPORTED, "CHECK declares ranges of numbers and dates only",
                       "An ENUM declares a list of values.", diag);
    }
    if (def->check_lo != NULL) {
        st = cm_value_parse(&col->type, def->check_lo, arena, &lo, diag);
    }
    if (st == CM_OK && def->check_hi != NULL) {
        st = cm_value_parse(&col->type, def->check_hi, arena, &hi, diag);
    }
    if (st != CM_OK) {
        if (diag != NULL && diag->position == 0) {
            diag->position = def->position;
        }
        return st;
    }
    if (lo.number > hi.number) {
        return fail_at(def, CM_SQL_BAD_PARAMETER, "CHECK leaves no value", "", diag);
    }
    col->range = (cm_range){lo.number, hi.number};
    return CM_OK;
}

cm_status cm_column_resolve(const cm_column_def *def, const cm_enum *const *enums, size_t count,
                            cm_arena *arena, cm_column *ret, cm_diag *diag)
{
    cm_column col = {.name = def->name, .not_null = def->not_null, .unique = def->unique};
    cm_status st;

    if (strcmp(def->name, "org") == 0) {
        return fail_at(def, CM_SQL_DUPLICATE_COLUMN, "the name stands for the owner of a row",
                       "Give the column another name, and OPTIONS (column_name 'org').", diag);
    }
    st = resolve_type(def, enums, count, &col.type, diag);
    if (st != CM_OK) {
        return st;
    }
    col.range = cm_type_range(&col.type);
    col.has_check =
        def->has_check || col.type.kind == CM_TYPE_BOOL || col.type.kind == CM_TYPE_ENUM;
    if (def->has_check) {
        st = resolve_check(def, arena, &col, diag);
    }
    if (st == CM_OK) {
        *ret = col;
    }
    return st;
}
