#include "sql/schema.h"

#include "sql/schema_int.h"
#include "sql/sql_int.h"

#include <stdlib.h>
#include <string.h>

const cm_org_table *cm_schema_table(const cm_schema *schema, const char *org, const char *name)
{
    for (size_t i = 0; i < schema->tables; i++) {
        const cm_org_table *table = &schema->table[i];
        if (strcmp(table->org, org) == 0 && strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

const cm_member *cm_schema_member(const cm_schema *schema, const char *org)
{
    for (size_t i = 0; i < schema->members; i++) {
        if (strcmp(schema->member[i].org, org) == 0) {
            return &schema->member[i];
        }
    }
    return NULL;
}

uint64_t cm_published_rows(uint64_t actual_rows)
{
    const uint64_t most = (uint64_t)15 << 60;
    unsigned shift = 0;

    if (actual_rows == 0) {
        return 1;
    }
    if (actual_rows > most) {
        return UINT64_MAX;
    }
    while (actual_rows >> shift >= 16) {
        shift++;
    }
    uint64_t unit = (uint64_t)1 << shift;
    return (actual_rows + unit - 1) / unit * unit;
}

static bool name_is_fine(const char *name)
{
    size_t bytes = name == NULL ? 0 : strlen(name);

    return bytes > 0 && bytes <= CM_NAME_MAX_BYTES && cm_utf8_valid(name, bytes);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first text that occurs twice, or NULL. */
static const char *find_repeated(const char *const *texts, size_t count, cm_arena scratch)
{
    const char **sorted = CM_NEW_SMALL(&scratch, const char *, count + 1);

    for (size_t i = 0; i < count; i++) {
        sorted[i] = texts[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_texts);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0) {
            return sorted[i];
        }
    }
    return NULL;
}

static bool enum_is_fine(const cm_enum *labels, cm_arena scratch)
{
    if (labels == NULL || !name_is_fine(labels->name) || labels->count == 0 ||
        labels->count > CM_ENUM_MAX_LABELS) {
        return false;
    }
    for (size_t i = 0; i < labels->count; i++) {
        size_t bytes = strlen(labels->labels[i]);
        if (bytes > CM_LABEL_MAX_BYTES || !cm_utf8_valid(labels->labels[i], bytes)) {
            return false;
        }
    }
    return find_repeated(labels->labels, labels->count, scratch) == NULL;
}

static bool type_is_fine(const cm_type *type, cm_arena scratch)
{
    switch (type->kind) {
    case CM_TYPE_BOOL:
    case CM_TYPE_INT2:
    case CM_TYPE_INT4:
    case CM_TYPE_INT8:
    case CM_TYPE_DATE:
    case CM_TYPE_TIMESTAMP:
        return true;
    case CM_TYPE_NUMERIC:
        return type->precision >= 1 && type->precision <= 38 && type->scale >= 0 &&
               type->scale <= type->precision && !type->quotient;
    case CM_TYPE_ENUM:
        return enum_is_fine(type->labels, scratch);
    case CM_TYPE_TEXT:
        return type->max_bytes >= 1 && type->max_bytes <= CM_TEXT_MAX_BYTES &&
               (type->text == CM_TEXT_TEXT || type->text == CM_TEXT_VARCHAR ||
                type->text == CM_TEXT_CHAR);
    case CM_TYPE_UNKNOWN:
    case CM_TYPE_INTERVAL:
        return false;
    }
    return false;
}

static cm_status fail_table(const cm_org_table *table, const char *column, const char *what,
                            cm_diag *diag)
{
    cm_diag_party(diag, table->org);
    return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_DEFINITION, "table \"%s.%s\"%s%s%s: %s", table->org,
                   table->name, column == NULL ? "" : ", column \"", column == NULL ? "" : column,
                   column == NULL ? "" : "\"", what);
}

/* A computed column: a sum has no precision, a quotient no scale of its own, and the range is
 * whatever was computed. */
static bool computed_is_fine(const cm_column *col, cm_arena scratch)
{
    const cm_i128 most = CM_NUMBER_LIMIT;
    const cm_type *type = &col->type;
    bool numeric = type->kind == CM_TYPE_NUMERIC && type->precision >= 0 && type->precision <= 38 &&
                   type->scale >= 0 && type->scale <= 38;

    return (numeric || type_is_fine(type, scratch)) && col->range.lo <= col->range.hi &&
           col->range.lo > -most && col->range.hi < most;
}

static cm_status check_column(const cm_org_table *table, const cm_column *col, cm_arena scratch,
                              cm_diag *diag)
{
    if (!name_is_fine(col->name)) {
        return fail_table(table, NULL, "a column's name is empty, too long or not UTF-8", diag);
    }
    if (strcmp(col->name, "org") == 0) {
        return fail_table(table, col->name, "the name stands for the owner of a row", diag);
    }
    if (table->stored != NULL) {
        return computed_is_fine(col, scratch) && (unsigned)col->label.kind <= CM_LABEL_REVEAL
                   ? CM_OK
                   : fail_table(table, col->name, "the type is not supported", diag);
    }
    if (!type_is_fine(&col->type, scratch)) {
        return fail_table(table, col->name, "the type is not supported", diag);
    }
    const cm_range own = cm_type_range(&col->type);
    if (col->range.lo > col->range.hi || col->range.lo < own.lo || col->range.hi > own.hi) {
        return fail_table(table, col->name, "the declared range is outside of the type's", diag);
    }
    if (!col->has_check && (col->range.lo != own.lo || col->range.hi != own.hi)) {
        return fail_table(table, col->name, "a range without CHECK", diag);
    }
    if ((unsigned)col->label.kind > CM_LABEL_REVEAL ||
        (col->label.min_rows > 0 && col->label.kind != CM_LABEL_AGGREGATE &&
         col->label.kind != CM_LABEL_GROUP)) {
        return fail_table(table, col->name, "the security label is not known", diag);
    }
    return CM_OK;
}

static cm_status check_grants(const cm_org_table *table, cm_diag *diag)
{
    if (table->grants > CM_TABLE_MAX_GRANTS) {
        return fail_table(table, NULL, "too many grants", diag);
    }
    for (size_t i = 0; i < table->grants; i++) {
        if (!name_is_fine(table->granted_to[i])) {
            return fail_table(table, NULL, "a grantee's name is not valid", diag);
        }
        if (i > 0 && strcmp(table->granted_to[i - 1], table->granted_to[i]) >= 0) {
            return fail_table(table, NULL, "grants are not in order", diag);
        }
    }
    return CM_OK;
}

static cm_status check_keys(const cm_org_table *table, cm_diag *diag)
{
    if (table->keys > CM_TABLE_MAX_KEYS) {
        return fail_table(table, NULL, "too many keys", diag);
    }
    for (size_t i = 0; i < table->keys; i++) {
        const cm_table_key *key = &table->key[i];
        bool fine = key->cols >= 2 && key->cols <= CM_TABLE_MAX_KEYS;
        for (size_t c = 0; fine && c < key->cols; c++) {
            fine = key->col[c] < table->cols;
            for (size_t d = 0; d < c; d++) {
                fine = fine && key->col[d] != key->col[c];
            }
        }
        if (!fine) {
            return fail_table(table, NULL, "a key is not of several columns of the table", diag);
        }
    }
    return CM_OK;
}

/* Names of the columns and labels of one enum, sorted. */
#define CHECK_SCRATCH_BYTES ((CM_TABLE_MAX_COLS + CM_ENUM_MAX_LABELS + 64) * sizeof(const char *))

cm_status cm_org_table_check(const cm_org_table *table, cm_arena scratch, cm_diag *diag)
{
    if ((size_t)(scratch.end - scratch.mark) < CHECK_SCRATCH_BYTES) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    if (!name_is_fine(table->org) || !name_is_fine(table->name)) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_DEFINITION,
                       "a table's name is empty, too long or not UTF-8");
    }
    if (table->cols == 0 || table->cols > CM_TABLE_MAX_COLS) {
        return fail_table(table, NULL, "a table has between 1 and 1600 columns", diag);
    }
    const char **names = CM_NEW_SMALL(&scratch, const char *, table->cols);
    for (size_t i = 0; i < table->cols; i++) {
        cm_status st = check_column(table, &table->col[i], scratch, diag);
        if (st != CM_OK) {
            return st;
        }
        names[i] = table->col[i].name;
    }
    const char *repeated = find_repeated(names, table->cols, scratch);
    if (repeated != NULL) {
        cm_diag_party(diag, table->org);
        return cm_fail(diag, CM_EINVAL, CM_SQL_DUPLICATE_COLUMN,
                       "column \"" CM_QUOTE "\" specified more than once", repeated);
    }
    cm_status st = check_keys(table, diag);
    return st == CM_OK ? check_grants(table, diag) : st;
}

static const cm_enum *copy_enum(const cm_enum *from, cm_arena *arena)
{
    cm_enum *copy = CM_NEW_SMALL(arena, cm_enum, 1);
    const char **labels = CM_NEW_SMALL(arena, const char *, from->count);

    for (size_t i = 0; i < from->count; i++) {
        labels[i] = cm_arena_strdup(arena, from->labels[i]);
    }
    *copy = (cm_enum){cm_arena_strdup(arena, from->name), from->count, labels};
    return copy;
}

static const char *const *copy_names(const char *const *from, size_t count, cm_arena *arena)
{
    const char **copy = CM_NEW_SMALL(arena, const char *, count + 1);

    for (size_t i = 0; i < count; i++) {
        copy[i] = cm_arena_strdup(arena, from[i]);
    }
    return copy;
}

static const cm_stored *copy_stored(const cm_org_table *from, cm_arena *arena)
{
    cm_stored *copy = CM_NEW_SMALL(arena, cm_stored, 1);
    bool *digest = CM_NEW_SMALL(arena, bool, from->cols + 1);

    *copy = *from->stored;
    copy->party = copy_names(copy->party, copy->parties, arena);
    copy->reader = copy_names(copy->reader, copy->readers, arena);
    for (size_t i = 0; i < from->cols; i++) {
        digest[i] = copy->digest[i];
    }
    copy->digest = digest;
    return copy;
}

static cm_org_table copy_table(const cm_org_table *from, cm_arena *arena)
{
    cm_column *cols = CM_NEW_SMALL(arena, cm_column, from->cols);
    const char **grants = CM_NEW_SMALL(arena, const char *, from->grants + 1);
    cm_table_key *keys = CM_NEW_SMALL(arena, cm_table_key, from->keys + 1);
    cm_org_table copy = *from;

    for (size_t i = 0; i < from->cols; i++) {
        cols[i] = from->col[i];
        cols[i].name = cm_arena_strdup(arena, from->col[i].name);
        if (cols[i].type.kind == CM_TYPE_ENUM) {
            cols[i].type.labels = copy_enum(from->col[i].type.labels, arena);
        }
    }
    for (size_t i = 0; i < from->grants; i++) {
        grants[i] = cm_arena_strdup(arena, from->granted_to[i]);
    }
    for (size_t i = 0; i < from->keys; i++) {
        unsigned *key = CM_NEW_SMALL(arena, unsigned, from->key[i].cols + 1);
        for (size_t c = 0; c < from->key[i].cols; c++) {
            key[c] = from->key[i].col[c];
        }
        keys[i] = (cm_table_key){from->key[i].primary, from->key[i].cols, key};
    }
    if (from->stored != NULL) {
        copy.stored = copy_stored(from, arena);
    }
    copy.key = keys;
    copy.org = cm_arena_strdup(arena, from->org);
    copy.name = cm_arena_strdup(arena, from->name);
    copy.col = cols;
    copy.granted_to = grants;
    return copy;
}

static int compare_tables(const void *a, const void *b)
{
    const cm_org_table *x = a, *y = b;
    int order = strcmp(x->org, y->org);

    return order != 0 ? order : strcmp(x->name, y->name);
}

static cm_status build_members(cm_schema *schema, const cm_member *members, size_t count,
                               cm_arena *arena, cm_diag *diag)
{
    cm_member *copies = CM_NEW_SMALL(arena, cm_member, count + 1);
    const char **names = CM_NEW_SMALL(arena, const char *, count + 1);
    cm_enum *orgs = CM_NEW_SMALL(arena, cm_enum, 1);

    for (size_t i = 0; i < count; i++) {
        if (!name_is_fine(members[i].org)) {
            return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_DEFINITION,
                           "a member's name is empty, too long or not UTF-8");
        }
        names[i] = cm_arena_strdup(arena, members[i].org);
        copies[i] = (cm_member){names[i], members[i].computes};
    }
    const char *repeated = find_repeated(names, count, *arena);
    if (repeated != NULL) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_DUPLICATE_OBJECT, "member \"%s\" occurs twice",
                       repeated);
    }
    qsort(names, count, sizeof *names, compare_texts);
    *orgs = (cm_enum){"name", count, names};
    schema->members = count;
    schema->member = copies;
    schema->orgs = orgs;
    return CM_OK;
}

static cm_status build_tables(cm_schema *schema, const cm_org_table *tables, size_t count,
                              cm_arena *arena, cm_diag *diag)
{
    cm_org_table *copies = CM_NEW_SMALL(arena, cm_org_table, count + 1);

    for (size_t i = 0; i < count; i++) {
        cm_status st = cm_org_table_check(&tables[i], *arena, diag);
        if (st != CM_OK) {
            return st;
        }
        if (cm_schema_member(schema, tables[i].org) == NULL) {
            return cm_fail(diag, CM_EINVAL, CM_SQL_UNDEFINED_OBJECT,
                           "owner \"%s\" of table \"%s\" is not a member", tables[i].org,
                           tables[i].name);
        }
        copies[i] = copy_table(&tables[i], arena);
    }
    qsort(copies, count, sizeof *copies, compare_tables);
    for (size_t i = 1; i < count; i++) {
        if (compare_tables(&copies[i - 1], &copies[i]) == 0) {
            return cm_fail(diag, CM_EINVAL, CM_SQL_DUPLICATE_OBJECT,
                           "table \"%s.%s\" is published twice", copies[i].org, copies[i].name);
        }
    }
    schema->tables = count;
    schema->table = copies;
    return CM_OK;
}

cm_status cm_schema_build(const char *federation, const char *protocol, const cm_member *members,
                          size_t member_count, const cm_org_table *tables, size_t table_count,
                          cm_arena *arena, const cm_schema **ret, cm_diag *diag)
{
    cm_schema *schema = CM_NEW_SMALL(arena, cm_schema, 1);

    schema->federation = cm_arena_strdup(arena, federation);
    schema->protocol = cm_arena_strdup(arena, protocol);
    cm_status st = build_members(schema, members, member_count, arena, diag);
    if (st == CM_OK) {
        st = build_tables(schema, tables, table_count, arena, diag);
    }
    if (st == CM_OK) {
        *ret = schema;
    }
    return st;
}
