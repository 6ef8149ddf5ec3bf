/*
 * A folder of CSV files.  Each published table has one SQLite file in the cache folder:
 *
 *     rows         the table, canonical (csv_load.c)
 *     comity_load  one row: definition's digest, CSV file's stamp, when it was read, rows
 *
 * A file is built beside its place under a lock, made durable, and renamed; after that nobody
 * writes to it.  Readers attach it without locks and keep what they attached, so a source sees one
 * state however long it lives.  Design: docs/design/source.md.
 */
#include "source/import.h"
#include "source/source_int.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_ATTACHED = 10, /* SQLite's own limit; a fragment reads fewer tables */
    LOCK_POLL_MS = 20,
};

typedef struct attached {
    bool used;
    cm_hash definition;
    uint64_t rows;
    uint64_t last_use;
} attached;

typedef struct csv_source {
    cm_source base;
    char *directory;
    char *cache_dir;
    char *null_text;
    cm_csv_format format;
    cm_sqlite *hub;
    uint64_t uses;
    attached tables[MAX_ATTACHED];
} csv_source;

static void csv_free(cm_source *base)
{
    csv_source *source = (csv_source *)base;
    cm_sqlite_free(source->hub);
    free(source->directory);
    free(source->cache_dir);
    free(source->null_text);
    free(source);
}

static bool option_true(const char *value)
{
    return value == NULL || strcasecmp(value, "true") == 0 || strcasecmp(value, "on") == 0 ||
           strcmp(value, "1") == 0;
}

/* "visits" and "visits.csv" are the same file; nothing outside of the directory can be named. */
CM_MUST static cm_status file_name(const char *remote, cm_buf *out, cm_diag *diag)
{
    if (remote[0] == '\0' || remote[0] == '.' || strchr(remote, '/') != NULL) {
        return cm_fail(diag, CM_EINVAL, "HV024",
                       "\"%s\" is not the name of a file in the server's directory", remote);
    }
    size_t bytes = strlen(remote);
    bool suffix = bytes > 4 && strcasecmp(remote + bytes - 4, ".csv") == 0;
    cm_buf_printf(out, "%s%s", remote, suffix ? "" : ".csv");
    return out->failed ? cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory") : CM_OK;
}

/* The open CSV file of a table and where its SQLite file belongs. */
typedef struct place {
    cm_buf name; /* of the CSV file, without its directory */
    int fd;
    cm_stamp stamp;
    int64_t opened_ns;
    cm_hash definition;
    cm_buf db, lock, temporary;
} place;

static void place_fini(place *p)
{
    cm_buf_free(&p->name);
    cm_buf_free(&p->db);
    cm_buf_free(&p->lock);
    cm_buf_free(&p->temporary);
    if (p->fd >= 0) {
        close(p->fd);
    }
}

static cm_hash definition_of(const csv_source *source, const cm_source_table *table)
{
    CM_CLEANUP(cm_buf_free) cm_buf extra = {0};
    cm_buf_put_text(&extra, source->directory);
    cm_buf_put_u8(&extra, source->format.header);
    cm_buf_put_u8(&extra, (uint8_t)source->format.delimiter);
    cm_buf_put_text(&extra, source->null_text);
    return cm_source_definition(table, &extra);
}

CM_MUST static cm_status stamp_file(place *p, cm_stamp *ret, cm_diag *diag)
{
    struct stat file;
    if (fstat(p->fd, &file) != 0) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot look at file \"%s\": %s",
                       cm_buf_text(&p->name), strerror(errno));
    }
    if (!S_ISREG(file.st_mode)) {
        return cm_fail(diag, CM_EINVAL, "42809", "\"%s\" is not a file", cm_buf_text(&p->name));
    }
    *ret = cm_stamp_of(&file);
    return CM_OK;
}

CM_MUST static cm_status place_open(csv_source *source, const cm_source_table *table, place *p,
                                    cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf path = {0};
    CM_CLEANUP(cm_buf_free) cm_buf key = {0};
    cm_status st = file_name(table->remote, &p->name, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_buf_printf(&path, "%s/%s", source->directory, cm_buf_text(&p->name));
    cm_buf_put_text(&key, cm_buf_text(&path));
    cm_buf_put_text(&key, table->table->org);
    cm_buf_put_text(&key, table->table->name);
    cm_hash hash = cm_sha256(key.data, key.bytes);
    char hex[65];
    cm_hash_hex(&hash, hex);
    cm_buf_printf(&p->db, "%s/csv-%.32s.db", source->cache_dir, hex);
    cm_buf_printf(&p->lock, "%s/csv-%.32s.lock", source->cache_dir, hex);
    cm_buf_printf(&p->temporary, "%s/csv-%.32s.new", source->cache_dir, hex);
    if (path.failed || key.failed || p->db.failed || p->lock.failed || p->temporary.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    p->fd = open(cm_buf_text(&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (p->fd < 0) {
        return cm_fail(diag, errno == ENOENT ? CM_ENOTFOUND : CM_EIO,
                       errno == ENOENT ? CM_SQL_UNDEFINED_TABLE : CM_SQL_IO,
                       "cannot open file \"%s\" of table \"%s\": %s", cm_buf_text(&p->name),
                       table->table->name, strerror(errno));
    }
    p->opened_ns = cm_stamp_now_ns();
    return stamp_file(p, &p->stamp, diag);
}

static void schema_name(size_t slot, char ret[static 4])
{
    ret[0] = 'c';
    ret[1] = (char)('0' + slot);
    ret[2] = '\0';
}

/* Whether the attached file is a load of this definition and of the CSV file as it is. */
static bool load_fresh(csv_source *source, const char *schema, const place *p, uint64_t *ret_rows)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    char hex[65];
    cm_sqlite_stmt *stmt = NULL;
    bool row = false;
    cm_diag ignored = {0};
    cm_hash_hex(&p->definition, hex);
    cm_buf_printf(&sql,
                  "SELECT rows, read_ns FROM %s.comity_load WHERE definition = '%s' AND "
                  "stamp = '%s'",
                  schema, hex, p->stamp.text);
    bool fresh = !sql.failed &&
                 cm_sqlite_prepare(source->hub, cm_buf_text(&sql), &stmt, &ignored) == CM_OK &&
                 cm_sqlite_step(source->hub, stmt, &row, &ignored) == CM_OK && row;
    if (fresh) {
        *ret_rows = (uint64_t)cm_sqlite_cell(stmt, 0).integer;
        fresh = cm_stamp_settled(&p->stamp, cm_sqlite_cell(stmt, 1).integer);
    }
    cm_sqlite_finalize(stmt);
    return fresh;
}

/* A free slot, or that of the table not used for the longest time. */
CM_MUST static cm_status take_slot(csv_source *source, size_t *ret, cm_diag *diag)
{
    size_t slot = 0;
    for (size_t i = 0; i < MAX_ATTACHED; i++) {
        if (!source->tables[i].used) {
            *ret = i;
            return CM_OK;
        }
        if (source->tables[i].last_use < source->tables[slot].last_use) {
            slot = i;
        }
    }
    char schema[4];
    schema_name(slot, schema);
    *ret = slot;
    source->tables[slot].used = false;
    return cm_sqlite_detach(source->hub, schema, diag);
}

/* Attaches the table's file if it is there and fresh; *ret_attached says. */
CM_MUST static cm_status attach_fresh(csv_source *source, const place *p, size_t slot,
                                      bool any_time, bool *ret_attached, cm_diag *diag)
{
    char schema[4];
    cm_diag ignored = {0};
    place look = *p;
    schema_name(slot, schema);
    *ret_attached = false;
    if (access((const char *)p->db.data, R_OK) != 0 ||
        cm_sqlite_attach(source->hub, (const char *)p->db.data, schema, &ignored) != CM_OK) {
        return CM_OK;
    }
    if (any_time) { /* loaded just now from the open file, which did not change meanwhile */
        look.stamp.changed_ns = INT64_MIN / 2;
    }
    uint64_t rows = 0;
    if (!load_fresh(source, schema, &look, &rows)) {
        return cm_sqlite_detach(source->hub, schema, diag);
    }
    source->tables[slot] = (attached){.used = true, .definition = p->definition, .rows = rows};
    *ret_attached = true;
    return CM_OK;
}

/* Exclusive among processes; released by closing. */
CM_MUST static cm_status take_lock(csv_source *source, place *p, int *ret_fd, cm_diag *diag)
{
    int fd = open(cm_buf_text(&p->lock), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot write to the cache folder: %s",
                       strerror(errno));
    }
    int64_t deadline_ms = cm_clock_ms() + source->base.timeout_ms;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || cm_clock_left_ms(deadline_ms) == 0) {
            close(fd);
            return cm_fail(diag, CM_EIO, "55P03", "another process is loading file \"%s\"",
                           cm_buf_text(&p->name));
        }
        usleep(LOCK_POLL_MS * 1000);
    }
    *ret_fd = fd;
    return CM_OK;
}

CM_MUST static cm_status write_load_record(const char *path, const place *p, uint64_t rows,
                                           cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    char hex[65];
    cm_sqlite *db = NULL;
    cm_hash_hex(&p->definition, hex);
    cm_buf_printf(&sql,
                  "CREATE TABLE comity_load(definition TEXT, stamp TEXT, read_ns INTEGER, "
                  "rows INTEGER); INSERT INTO comity_load VALUES('%s', '%s', %lld, %llu)",
                  hex, p->stamp.text, (long long)p->opened_ns, (unsigned long long)rows);
    cm_status st = cm_sqlite_open(path, CM_SQLITE_BUILD, 1000, &db, diag);
    if (st == CM_OK) {
        st = cm_sqlite_exec(db, cm_buf_text(&sql), diag);
    }
    cm_sqlite_free(db);
    return st;
}

/* Renaming a file whose pages are not on disk could leave an empty one after a power cut. */
CM_MUST static cm_status publish(int fd, const char *temporary, place *p, cm_diag *diag)
{
    if (fsync(fd) != 0 || rename(temporary, cm_buf_text(&p->db)) != 0) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot write to the cache folder: %s",
                       strerror(errno));
    }
    return CM_OK;
}

CM_MUST static cm_status build(csv_source *source, const cm_source_table *table, place *p,
                               cm_diag *diag)
{
    const char *temporary = cm_buf_text(&p->temporary);
    unlink(temporary); /* of a process that died here */
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot write to the cache folder: %s",
                       strerror(errno));
    }
    uint64_t rows = 0;
    cm_stamp after = {0};
    cm_status st =
        cm_csv_load(p->fd, cm_buf_text(&p->name), &source->format, table, temporary, &rows, diag);
    if (st == CM_OK) {
        st = stamp_file(p, &after, diag);
    }
    if (st == CM_OK && strcmp(after.text, p->stamp.text) != 0) {
        st = cm_fail(diag, CM_EIO, CM_SQL_NOT_READY, "file \"%s\" was changed while it was read",
                     cm_buf_text(&p->name));
    }
    if (st == CM_OK) {
        st = write_load_record(temporary, p, rows, diag);
    }
    if (st == CM_OK) {
        st = publish(fd, temporary, p, diag);
    }
    close(fd);
    if (st != CM_OK) {
        unlink(temporary);
    }
    return st;
}

CM_MUST static cm_status load_and_attach(csv_source *source, const cm_source_table *table, place *p,
                                         size_t slot, cm_diag *diag)
{
    int lock = -1;
    cm_status st = take_lock(source, p, &lock, diag);
    if (st != CM_OK) {
        return st;
    }
    /* Another process may have loaded it while this one waited. */
    bool done = false;
    st = attach_fresh(source, p, slot, false, &done, diag);
    if (st == CM_OK && !done) {
        st = build(source, table, p, diag);
        if (st == CM_OK) {
            st = attach_fresh(source, p, slot, true, &done, diag);
        }
        if (st == CM_OK && !done) {
            st = cm_fail(diag, CM_EIO, CM_SQL_IO, "the cache of file \"%s\" cannot be read",
                         cm_buf_text(&p->name));
        }
    }
    close(lock);
    return st;
}

/* The table's slot, loaded and attached. */
CM_MUST static cm_status ensure(csv_source *source, const cm_source_table *table, size_t *ret,
                                cm_diag *diag)
{
    place p = {.fd = -1, .definition = definition_of(source, table)};
    for (size_t i = 0; i < MAX_ATTACHED; i++) {
        if (source->tables[i].used &&
            memcmp(source->tables[i].definition.bytes, p.definition.bytes, CM_HASH_BYTES) == 0) {
            source->tables[i].last_use = ++source->uses;
            *ret = i;
            return CM_OK;
        }
    }
    size_t slot = 0;
    bool done = false;
    cm_status st = cm_check_names(table->table, diag);
    if (st == CM_OK) {
        st = place_open(source, table, &p, diag);
    }
    if (st == CM_OK) {
        st = take_slot(source, &slot, diag);
    }
    if (st == CM_OK) {
        st = attach_fresh(source, &p, slot, false, &done, diag);
    }
    if (st == CM_OK && !done) {
        st = load_and_attach(source, table, &p, slot, diag);
    }
    place_fini(&p);
    if (st == CM_OK) {
        source->tables[slot].last_use = ++source->uses;
        *ret = slot;
    }
    return st;
}

static cm_status csv_count(cm_source *base, const cm_source_table *table, uint64_t *ret,
                           cm_diag *diag)
{
    csv_source *source = (csv_source *)base;
    size_t slot;
    cm_status st = ensure(source, table, &slot, diag);
    if (st == CM_OK) {
        *ret = source->tables[slot].rows;
    }
    return st;
}

/* Values were checked by the load, all columns of them. */
static cm_status csv_check(cm_source *base, const cm_source_table *table,
                           CM_UNUSED const bool *columns, cm_diag *diag)
{
    uint64_t rows = 0;
    cm_status st = csv_count(base, table, &rows, diag);
    return st != CM_OK ? st : cm_check_rows(table->table, rows, diag);
}

static cm_status csv_from(cm_source *base, const cm_source_table *table, cm_buf *out, cm_diag *diag)
{
    size_t slot;
    cm_status st = ensure((csv_source *)base, table, &slot, diag);
    if (st == CM_OK) {
        cm_buf_printf(out, "c%zu.rows", slot);
    }
    return st;
}

static cm_status csv_query(cm_source *base, const char *sql, size_t cols, const bool *is_text,
                           cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    csv_source *source = (csv_source *)base;
    return cm_sqlite_stream(source->hub, sql, cols, is_text, fn, arg, diag);
}

static cm_status csv_run(cm_source *base, const cm_source_table *const *table,
                         const cm_fragment *fragment, size_t cols, const bool *is_text,
                         cm_source_row_fn fn, void *arg, cm_diag *diag)
{
    csv_source *source = (csv_source *)base;
    cm_buf name[CM_OWN_JOIN_MAX] = {0};
    const char *from[CM_OWN_JOIN_MAX];
    size_t tables = cm_fragment_tables(fragment);
    cm_status st = CM_OK;
    for (size_t i = 0; i < tables && st == CM_OK; i++) {
        st = csv_from(base, table[i], &name[i], diag);
        from[i] = cm_buf_text(&name[i]);
    }
    if (st == CM_OK) {
        st = cm_sqlite_run(source->hub, from, fragment, cols, is_text, fn, arg, diag);
    }
    for (size_t i = 0; i < tables; i++) {
        cm_buf_free(&name[i]);
    }
    return st;
}

static cm_status csv_import(cm_source *base, CM_UNUSED const char *remote_schema, cm_arena *arena,
                            const cm_imported_table **ret, size_t *ret_count, cm_diag *diag)
{
    csv_source *source = (csv_source *)base;
    return cm_import_csv(source->directory, &source->format, arena, ret, ret_count, diag);
}

static const cm_source_ops csv_ops = {
    .free = csv_free,
    .import = csv_import,
    .count = csv_count,
    .check = csv_check,
    .from = csv_from,
    .query = csv_query,
    .run = csv_run,
};

cm_status cm_csv_source_open(const cm_options *options, const char *cache_dir, int timeout_ms,
                             cm_source **ret, cm_diag *diag)
{
    const char *directory = cm_options_get(options, "directory");
    const char *delimiter = cm_options_get(options, "delimiter");
    const char *null_text = cm_options_get(options, "null");
    struct stat folder;
    if (stat(directory, &folder) != 0 || !S_ISDIR(folder.st_mode)) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "\"%s\" is not a folder that can be read",
                       directory);
    }
    csv_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    source->base = (cm_source){&csv_ops, CM_SOURCE_CSV, timeout_ms};
    source->directory = strdup(directory);
    source->cache_dir = strdup(cache_dir);
    source->null_text = strdup(null_text == NULL ? "" : null_text);
    source->format = (cm_csv_format){.header = option_true(cm_options_get(options, "header")),
                                     .delimiter = delimiter == NULL ? ',' : delimiter[0],
                                     .null_text = source->null_text};
    cm_status st = CM_OK;
    if (source->directory == NULL || source->cache_dir == NULL || source->null_text == NULL) {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    if (st == CM_OK) {
        st = cm_sqlite_open(NULL, CM_SQLITE_HUB, timeout_ms, &source->hub, diag);
    }
    if (st != CM_OK) {
        csv_free(&source->base);
        return st;
    }
    *ret = &source->base;
    return CM_OK;
}
