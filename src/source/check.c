/*
 * Checks that the sources share, and what is remembered about them.
 *
 * A remembered check is a small file in the cache folder, named by the digest of what was checked
 * (file, definition, column), whose content is the stamp that the data file had.  It is replaced by
 * renaming, so that a reader sees an old or a new one.
 */
#include "source/source_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DEFINITION_VERSION = 2 };

static void put_type(cm_buf *out, const cm_type *type)
{
    cm_buf_put_u8(out, (uint8_t)type->kind);
    cm_buf_put_u32(out, (uint32_t)type->precision);
    cm_buf_put_u32(out, (uint32_t)type->scale);
    cm_buf_put_u32(out, type->max_bytes);
    cm_buf_put_u8(out, (uint8_t)type->text);
    size_t labels = type->kind == CM_TYPE_ENUM ? type->labels->count : 0;
    cm_buf_put_u64(out, labels);
    for (size_t i = 0; i < labels; i++) {
        cm_buf_put_text(out, type->labels->labels[i]);
    }
}

cm_hash cm_source_definition(const cm_source_table *table, const cm_buf *extra)
{
    CM_CLEANUP(cm_buf_free) cm_buf all = {0};
    const cm_org_table *t = table->table;
    cm_buf_put_u8(&all, DEFINITION_VERSION);
    cm_buf_put_text(&all, t->org);
    cm_buf_put_text(&all, t->name);
    cm_buf_put_text(&all, table->remote);
    cm_buf_put_u64(&all, t->cols);
    for (size_t i = 0; i < t->cols; i++) {
        const cm_column *col = &t->col[i];
        cm_buf_put_text(&all, col->name);
        cm_buf_put_text(&all, table->remote_col[i]);
        put_type(&all, &col->type);
        cm_buf_put_u8(&all, (uint8_t)(col->not_null | col->unique << 1));
        cm_buf_put_i128(&all, col->range.lo);
        cm_buf_put_i128(&all, col->range.hi);
    }
    cm_buf_put_u64(&all, t->keys);
    for (size_t i = 0; i < t->keys; i++) {
        cm_buf_put_u64(&all, t->key[i].cols);
        for (size_t c = 0; c < t->key[i].cols; c++) {
            cm_buf_put_u64(&all, t->key[i].col[c]);
        }
    }
    if (extra != NULL) {
        CM_ASSERT(!extra->failed);
        cm_buf_put(&all, extra->data, extra->bytes);
    }
    CM_ASSERT(!all.failed); /* a few kilobytes */
    return cm_sha256(all.data, all.bytes);
}

cm_status cm_check_names(const cm_org_table *table, cm_diag *diag)
{
    for (size_t i = 0; i < table->cols; i++) {
        for (size_t j = i + 1; j < table->cols; j++) {
            if (strcasecmp(table->col[i].name, table->col[j].name) == 0) {
                return cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                               "columns \"%s\" and \"%s\" of table \"%s\" differ in case alone, "
                               "which csv and sqlite servers cannot tell apart",
                               table->col[i].name, table->col[j].name, table->name);
            }
        }
    }
    return CM_OK;
}

cm_status cm_check_rows(const cm_org_table *table, uint64_t rows, cm_diag *diag)
{
    if (rows <= table->rows) {
        return CM_OK;
    }
    cm_status st = cm_fail(diag, CM_EINVAL, CM_SQL_CHECK,
                           "table \"%s\" has more rows than were published", table->name);
    cm_diag_hint(diag, "Its owner can publish a new bound: ANALYZE %s;", table->name);
    return st;
}

cm_table_key cm_check_key(const cm_org_table *table, size_t number, unsigned *one)
{
    if (number >= table->cols) {
        return table->key[number - table->cols];
    }
    *one = (unsigned)number;
    return (cm_table_key){.cols = 1, .col = one};
}

bool cm_check_key_due(const cm_org_table *table, size_t number, const bool *columns)
{
    if (number < table->cols) {
        return table->col[number].unique && columns[number];
    }
    const cm_table_key *key = &table->key[number - table->cols];
    bool due = true;
    for (size_t i = 0; i < key->cols; i++) {
        due = due && columns[key->col[i]];
    }
    return due;
}

cm_status cm_check_fail_unique(const cm_org_table *table, size_t number, uint64_t row,
                               cm_diag *diag)
{
    if (number < table->cols) {
        cm_fault fault = {.sqlstate = "23505", .what = "repeats a value, declared unique"};
        return cm_fault_fail(&fault, table, number, row, diag);
    }
    CM_CLEANUP(cm_buf_free) cm_buf names = {0};
    const cm_table_key *key = &table->key[number - table->cols];
    for (size_t i = 0; i < key->cols; i++) {
        cm_buf_printf(&names, "%s%s", i == 0 ? "" : ", ", table->col[key->col[i]].name);
    }
    return cm_fail(diag, CM_EINVAL, "23505",
                   "row %llu of table \"%s\": columns (%s) repeat a key, declared unique",
                   (unsigned long long)row, table->name, cm_buf_text(&names));
}

void cm_check_unique_sql(const cm_org_table *table, size_t number, const char *from,
                         cm_buf *repeats, cm_buf *row)
{
    CM_CLEANUP(cm_buf_free) cm_buf named = {0};    /* "a" AS k0, "b" AS k1 */
    CM_CLEANUP(cm_buf_free) cm_buf list = {0};     /* k0, k1 */
    CM_CLEANUP(cm_buf_free) cm_buf repeated = {0}; /* FROM ... HAVING ... */
    unsigned one;
    const cm_table_key key = cm_check_key(table, number, &one);

    cm_buf_printf(&repeated, "FROM (SELECT ");
    for (size_t i = 0; i < key.cols; i++) {
        cm_buf_printf(&named, "%s", i == 0 ? "" : ", ");
        cm_sql_put_name(&named, table->col[key.col[i]].name);
        cm_buf_printf(&named, " AS k%zu", i);
        cm_buf_printf(&list, "%sk%zu", i == 0 ? "" : ", ", i);
    }
    cm_buf_printf(&repeated, "%s FROM %s) AS r WHERE ", cm_buf_text(&named), from);
    for (size_t i = 0; i < key.cols; i++) {
        cm_buf_printf(&repeated, "%sk%zu IS NOT NULL", i == 0 ? "" : " AND ", i);
    }
    const char *keys = cm_buf_text(&list);
    cm_buf_printf(&repeated, " GROUP BY %s HAVING count(*) > 1 LIMIT 1", keys);
    cm_buf_printf(repeats, "SELECT count(*) FROM (SELECT 1 %s) AS d", cm_buf_text(&repeated));
    cm_buf_printf(row,
                  "SELECT n FROM (SELECT row_number() OVER () AS n, %s FROM %s) AS d "
                  "WHERE (%s) = (SELECT %s %s) ORDER BY n LIMIT 1 OFFSET 1",
                  cm_buf_text(&named), from, keys, keys, cm_buf_text(&repeated));
    repeats->failed = repeats->failed || named.failed || list.failed || repeated.failed;
    row->failed = row->failed || repeats->failed;
}

cm_status cm_check_unique(cm_sqlite *db, const char *from, const cm_org_table *table, size_t number,
                          cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf repeats = {0};
    CM_CLEANUP(cm_buf_free) cm_buf row = {0};
    int64_t found;

    cm_check_unique_sql(table, number, from, &repeats, &row);
    if (repeats.failed || row.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_status st = cm_sqlite_number(db, cm_buf_text(&repeats), &found, diag);
    if (st != CM_OK || found == 0) {
        return st;
    }
    st = cm_sqlite_number(db, cm_buf_text(&row), &found, diag);
    return st != CM_OK ? st : cm_check_fail_unique(table, number, (uint64_t)found, diag);
}

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

cm_stamp cm_stamp_of(const struct stat *file)
{
    cm_stamp stamp = {.changed_ns = nanoseconds(file->st_ctim)};
    int64_t modified_ns = nanoseconds(file->st_mtim);
    snprintf(stamp.text, sizeof stamp.text, "%llx:%llx:%lld:%lld:%lld",
             (unsigned long long)file->st_dev, (unsigned long long)file->st_ino,
             (long long)file->st_size, (long long)modified_ns, (long long)stamp.changed_ns);
    return stamp;
}

int64_t cm_stamp_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(now);
}

bool cm_stamp_settled(const cm_stamp *stamp, int64_t at_ns)
{
    return stamp->changed_ns < at_ns && at_ns - stamp->changed_ns > 2000000000;
}

static void memory_path(const char *cache_dir, const cm_hash *what, cm_buf *out)
{
    char hex[65];
    cm_hash_hex(what, hex);
    cm_buf_printf(out, "%s/check-%.32s", cache_dir, hex);
}

bool cm_check_remembered(const char *cache_dir, const cm_hash *what, const char *stamp)
{
    CM_CLEANUP(cm_buf_free) cm_buf path = {0};
    char content[512];
    memory_path(cache_dir, what, &path);
    int fd = path.failed ? -1 : open(cm_buf_text(&path), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t bytes = read(fd, content, sizeof content);
    close(fd);
    return bytes == (ssize_t)strlen(stamp) && memcmp(content, stamp, (size_t)bytes) == 0;
}

void cm_check_remember(const char *cache_dir, const cm_hash *what, const char *stamp)
{
    CM_CLEANUP(cm_buf_free) cm_buf path = {0};
    CM_CLEANUP(cm_buf_free) cm_buf temporary = {0};
    memory_path(cache_dir, what, &path);
    cm_buf_printf(&temporary, "%s.%ld", cm_buf_text(&path), (long)getpid());
    if (path.failed || temporary.failed) {
        return;
    }
    const char *from = cm_buf_text(&temporary);
    int fd = open(from, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    bool written = write(fd, stamp, strlen(stamp)) == (ssize_t)strlen(stamp);
    if (close(fd) != 0 || !written || rename(from, cm_buf_text(&path)) != 0) {
        unlink(from);
    }
}
