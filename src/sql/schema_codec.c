/*
 * Bytes of a published table, version 2.  Integers are big-endian, texts as cm_buf_put_text writes
 * them.
 *
 *   u8 version · org · name · u64 rows · u32 columns, each:
 *     name · type: u8 kind, u8 precision, u8 scale, u8 text kind, u32 max_bytes
 *       [ENUM: name, u32 labels, each a text]
 *     u8 flags (1 not null, 2 unique, 4 check) · i128 lo, hi · u8 label, u32 min_rows
 *   u8 keys of several columns, each: u8 primary, u8 columns, each u16
 *   u32 grants, each a text
 *   a materialized view, version 3: 16 bytes id · u8 filled · u32 min_rows · u32 parties, each a
 *     text · u32 readers, each a text · u8 a column: kept as a digest
 *
 * What a type has no use for is 0, so one table has one encoding; decoding refuses all others.
 */
#include "sql/schema.h"

#include "sql/schema_int.h"
#include "sql/sql_int.h"

#include <string.h>

enum {
    VERSION = 2,
    VERSION_STORED = 3,
    VERSION_JOIN_SIZES = 0x80, /* added where the owner allows them */
    FLAG_QUOTIENT = 0x80,
    FLAG_NOT_NULL = 1,
    FLAG_UNIQUE = 2,
    FLAG_CHECK = 4,
    FLAGS_ALL = 7
};

static void put_type(const cm_type *type, cm_buf *out)
{
    bool numeric = type->kind == CM_TYPE_NUMERIC, text = type->kind == CM_TYPE_TEXT;

    cm_buf_put_u8(out, (uint8_t)(type->kind | (type->quotient ? FLAG_QUOTIENT : 0)));
    cm_buf_put_u8(out, numeric ? (uint8_t)type->precision : 0);
    cm_buf_put_u8(out, numeric ? (uint8_t)type->scale : 0);
    cm_buf_put_u8(out, text ? (uint8_t)type->text : 0);
    cm_buf_put_u32(out, text ? type->max_bytes : 0);
    if (type->kind == CM_TYPE_ENUM) {
        cm_buf_put_text(out, type->labels->name);
        cm_buf_put_u32(out, (uint32_t)type->labels->count);
        for (size_t i = 0; i < type->labels->count; i++) {
            cm_buf_put_text(out, type->labels->labels[i]);
        }
    }
}

static void put_column(const cm_column *col, cm_buf *out)
{
    int flags = (col->not_null ? FLAG_NOT_NULL : 0) | (col->unique ? FLAG_UNIQUE : 0) |
                (col->has_check ? FLAG_CHECK : 0);

    cm_buf_put_text(out, col->name);
    put_type(&col->type, out);
    cm_buf_put_u8(out, (uint8_t)flags);
    cm_buf_put_i128(out, col->range.lo);
    cm_buf_put_i128(out, col->range.hi);
    cm_buf_put_u8(out, (uint8_t)col->label.kind);
    cm_buf_put_u32(out, col->label.min_rows);
}

static void put_texts(const char *const *texts, size_t count, cm_buf *out)
{
    cm_buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        cm_buf_put_text(out, texts[i]);
    }
}

static void put_stored(const cm_org_table *table, cm_buf *out)
{
    const cm_stored *s = table->stored;

    cm_buf_put(out, s->id, sizeof s->id);
    cm_buf_put_u8(out, s->filled);
    cm_buf_put_u32(out, s->min_rows);
    put_texts(s->party, s->parties, out);
    put_texts(s->reader, s->readers, out);
    for (size_t i = 0; i < table->cols; i++) {
        cm_buf_put_u8(out, s->digest[i]);
    }
}

void cm_org_table_encode(const cm_org_table *table, cm_buf *out)
{
    unsigned version = table->stored != NULL ? VERSION_STORED : VERSION;

    cm_buf_put_u8(out, (uint8_t)(version + (table->join_sizes ? VERSION_JOIN_SIZES : 0)));
    cm_buf_put_text(out, table->org);
    cm_buf_put_text(out, table->name);
    cm_buf_put_u64(out, table->rows);
    cm_buf_put_u32(out, (uint32_t)table->cols);
    for (size_t i = 0; i < table->cols; i++) {
        put_column(&table->col[i], out);
    }
    cm_buf_put_u8(out, (uint8_t)table->keys);
    for (size_t i = 0; i < table->keys; i++) {
        const cm_table_key *key = &table->key[i];
        cm_buf_put_u8(out, key->primary);
        cm_buf_put_u8(out, (uint8_t)key->cols);
        for (size_t c = 0; c < key->cols; c++) {
            cm_buf_put_u16(out, (uint16_t)key->col[c]);
        }
    }
    cm_buf_put_u32(out, (uint32_t)table->grants);
    for (size_t i = 0; i < table->grants; i++) {
        cm_buf_put_text(out, table->granted_to[i]);
    }
    if (table->stored != NULL) {
        put_stored(table, out);
    }
}

/* A text that may not be NULL. */
static const char *get_text(cm_reader *reader, cm_arena *arena, size_t max_bytes)
{
    const char *text = cm_reader_text(reader, arena, max_bytes);

    if (text == NULL) {
        reader->failed = true;
        return "";
    }
    return text;
}

/* A count of items of at least item_bytes each: what is left bounds it, so that it bounds memory.
 */
static size_t get_count(cm_reader *reader, size_t max, size_t item_bytes)
{
    size_t count = cm_reader_u32(reader);

    if (count > max || count > cm_reader_left(reader) / item_bytes) {
        reader->failed = true;
        return 0;
    }
    return count;
}

/* NULL (and a failed reader) when the arena is full. */
static void *get_items(cm_reader *reader, cm_arena *arena, size_t count, size_t item_bytes)
{
    void *items = cm_arena_try(arena, count + 1, item_bytes);

    if (items == NULL) {
        reader->failed = true;
    }
    return items;
}

static const char *const *get_texts(cm_reader *reader, cm_arena *arena, size_t count,
                                    size_t max_bytes)
{
    const char **texts = get_items(reader, arena, count, sizeof *texts);

    for (size_t i = 0; i < count && !reader->failed; i++) {
        texts[i] = get_text(reader, arena, max_bytes);
    }
    return texts;
}

static void get_enum(cm_reader *reader, cm_arena *arena, cm_type *type)
{
    cm_enum *labels = get_items(reader, arena, 1, sizeof *labels);

    if (labels == NULL) {
        return;
    }
    labels->name = get_text(reader, arena, CM_NAME_MAX_BYTES);
    labels->count = get_count(reader, CM_ENUM_MAX_LABELS, 4);
    labels->labels = get_texts(reader, arena, labels->count, CM_LABEL_MAX_BYTES);
    type->labels = labels;
}

static void get_type(cm_reader *reader, cm_arena *arena, cm_type *type)
{
    unsigned kind = cm_reader_u8(reader);
    type->quotient = (kind & FLAG_QUOTIENT) != 0;
    type->kind = (cm_type_kind)(kind & ~(unsigned)FLAG_QUOTIENT);
    type->precision = cm_reader_u8(reader);
    type->scale = cm_reader_u8(reader);
    type->text = (cm_text_kind)cm_reader_u8(reader);
    type->max_bytes = cm_reader_u32(reader);
    if ((type->kind != CM_TYPE_NUMERIC && type->quotient) ||
        (type->kind != CM_TYPE_NUMERIC && (type->precision != 0 || type->scale != 0)) ||
        (type->kind != CM_TYPE_TEXT && ((unsigned)type->text != 0 || type->max_bytes != 0))) {
        reader->failed = true;
    }
    if (type->kind == CM_TYPE_ENUM) {
        get_enum(reader, arena, type);
    }
}

static void get_column(cm_reader *reader, cm_arena *arena, cm_column *col)
{
    col->name = get_text(reader, arena, CM_NAME_MAX_BYTES);
    get_type(reader, arena, &col->type);
    unsigned flags = cm_reader_u8(reader);
    col->not_null = (flags & FLAG_NOT_NULL) != 0;
    col->unique = (flags & FLAG_UNIQUE) != 0;
    col->has_check = (flags & FLAG_CHECK) != 0;
    col->range.lo = cm_reader_i128(reader);
    col->range.hi = cm_reader_i128(reader);
    col->label.kind = (cm_label_kind)cm_reader_u8(reader);
    col->label.min_rows = cm_reader_u32(reader);
    if (flags > FLAGS_ALL || col->label.min_rows > INT32_MAX) {
        reader->failed = true;
    }
}

static void get_key(cm_reader *reader, cm_arena *arena, cm_table_key *key)
{
    unsigned primary = cm_reader_u8(reader);
    size_t cols = cm_reader_u8(reader);

    if (primary > 1 || cols > CM_TABLE_MAX_KEYS) {
        reader->failed = true;
        cols = 0;
    }
    unsigned *col = get_items(reader, arena, cols, sizeof *col);
    for (size_t c = 0; c < cols && !reader->failed; c++) {
        col[c] = cm_reader_u16(reader);
    }
    *key = (cm_table_key){primary == 1, cols, col};
}

static void get_keys(cm_reader *reader, cm_arena *arena, cm_org_table *table)
{
    size_t count = cm_reader_u8(reader);

    if (count > CM_TABLE_MAX_KEYS) {
        reader->failed = true;
        count = 0;
    }
    cm_table_key *key = get_items(reader, arena, count, sizeof *key);
    for (size_t i = 0; i < count && !reader->failed; i++) {
        get_key(reader, arena, &key[i]);
    }
    table->keys = count;
    table->key = key;
}

static void get_stored(cm_reader *reader, cm_arena *arena, cm_org_table *table)
{
    cm_stored *s = get_items(reader, arena, 1, sizeof *s);
    bool *digest = get_items(reader, arena, table->cols, sizeof *digest);
    const uint8_t *id = cm_reader_bytes(reader, sizeof s->id);

    if (s == NULL || digest == NULL || id == NULL) {
        reader->failed = true;
        return;
    }
    memcpy(s->id, id, sizeof s->id);
    unsigned filled = cm_reader_u8(reader);
    s->filled = filled == 1;
    s->min_rows = cm_reader_u32(reader);
    s->parties = get_count(reader, CM_STORED_MAX_NAMES, 4);
    s->party = get_texts(reader, arena, s->parties, CM_NAME_MAX_BYTES);
    s->readers = get_count(reader, CM_STORED_MAX_NAMES, 4);
    s->reader = get_texts(reader, arena, s->readers, CM_NAME_MAX_BYTES);
    for (size_t i = 0; i < table->cols; i++) {
        unsigned flag = cm_reader_u8(reader);
        reader->failed = reader->failed || flag > 1;
        digest[i] = flag == 1;
    }
    reader->failed = reader->failed || filled > 1;
    s->digest = digest;
    table->stored = s;
}

static void get_table(cm_reader *reader, cm_arena *arena, cm_org_table *table)
{
    enum { COLUMN_LEAST_BYTES = 4 + 8 + 1 + 32 + 5 };

    unsigned first = cm_reader_u8(reader);
    unsigned version = first & ~(unsigned)VERSION_JOIN_SIZES;
    table->join_sizes = (first & VERSION_JOIN_SIZES) != 0;
    if (version != VERSION && version != VERSION_STORED) {
        reader->failed = true;
    }
    table->org = get_text(reader, arena, CM_NAME_MAX_BYTES);
    table->name = get_text(reader, arena, CM_NAME_MAX_BYTES);
    table->rows = cm_reader_u64(reader);
    table->cols = get_count(reader, CM_TABLE_MAX_COLS, COLUMN_LEAST_BYTES);
    cm_column *cols = get_items(reader, arena, table->cols, sizeof *cols);
    for (size_t i = 0; i < table->cols && !reader->failed; i++) {
        get_column(reader, arena, &cols[i]);
    }
    table->col = cols;
    get_keys(reader, arena, table);
    table->grants = get_count(reader, CM_TABLE_MAX_GRANTS, 4);
    table->granted_to = get_texts(reader, arena, table->grants, CM_NAME_MAX_BYTES);
    if (version == VERSION_STORED && !reader->failed) {
        get_stored(reader, arena, table);
    }
}

cm_status cm_org_table_decode(cm_reader *reader, cm_arena *arena, cm_org_table *ret, cm_diag *diag)
{
    cm_org_table table = {0};

    get_table(reader, arena, &table);
    if (reader->failed) {
        return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "malformed description of a table");
    }
    cm_status st = cm_org_table_check(&table, *arena, diag);
    if (st == CM_OK) {
        *ret = table;
    }
    return st;
}
