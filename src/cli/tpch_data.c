/* The eight tables, dealt out to their owners: row i of a split table to owner i modulo three. */
#include "cli/tpch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const CM_TPCH_TABLE_NAMES[CM_TPCH_TABLES] = {
    "region", "nation", "supplier", "part", "partsupp", "customer", "orders", "lineitem"};

/* The official generator's ten suppliers of scale factor 0.001 meet some parts twice. */
enum { FEW_SUPPLIERS = 100 };

/* ---- reading plain and compressed files --------------------------------------------------- */

typedef struct text_file {
    FILE *file;
    pid_t gzip; /* 0: plain */
} text_file;

CM_MUST static cm_status open_compressed(const char *path, text_file *ret, cm_diag *diag)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot make a pipe");
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execlp("gzip", "gzip", "-dc", "--", path, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    FILE *file = pid > 0 ? fdopen(ends[0], "r") : NULL;
    if (file == NULL) {
        (void)close(ends[0]);
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot start gzip");
    }
    *ret = (text_file){file, pid};
    return CM_OK;
}

CM_MUST static cm_status open_text(const char *dir, const char *table, text_file *ret,
                                   cm_diag *diag)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s.csv", dir, table);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        *ret = (text_file){file, 0};
        return CM_OK;
    }
    (void)snprintf(path, sizeof path, "%s/%s.csv.gz", dir, table);
    if (access(path, R_OK) != 0) {
        return cm_fail(diag, CM_ENOTFOUND, CM_SQL_IO,
                       "neither %s.csv nor %s.csv.gz can be read in %s", table, table, dir);
    }
    return open_compressed(path, ret, diag);
}

CM_MUST static cm_status close_text(text_file *text, const char *table, cm_diag *diag)
{
    CM_ASSERT(text->file != NULL);
    int status = 0;
    bool good = ferror(text->file) == 0;
    (void)fclose(text->file);
    while (text->gzip > 0 && waitpid(text->gzip, &status, 0) < 0 && errno == EINTR) {
    }
    return good && status == 0
               ? CM_OK
               : cm_fail(diag, CM_EIO, CM_SQL_IO, "%s's file cannot be read", table);
}

/* A record with its end of line, which may be inside quotes; false at the end. */
static bool read_record(FILE *file, cm_buf *record)
{
    bool quoted = false;
    int c = EOF;
    cm_buf_clear(record);
    while ((c = getc_unlocked(file)) != EOF) {
        cm_buf_put_u8(record, (uint8_t)c);
        quoted = quoted != (c == '"');
        if (c == '\n' && !quoted) {
            return true;
        }
    }
    if (record->bytes > 0) { /* the last line may lack its end */
        cm_buf_put_u8(record, '\n');
    }
    return record->bytes > 0;
}

/* ---- dealing out -------------------------------------------------------------------------- */

static bool owns(const cm_tpch_data *data, unsigned table, unsigned owner)
{
    return data->split[table] || data->home[table] == owner;
}

static bool put_record(FILE *file, const cm_buf *record)
{
    return !record->failed && fwrite(record->data, 1, record->bytes, file) == record->bytes;
}

static bool deal_rows(cm_tpch_data *data, unsigned table, FILE *from, FILE *const *to)
{
    CM_CLEANUP(cm_buf_free) cm_buf record = {0};
    bool good = read_record(from, &record);
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        good = good && (to[i] == NULL || put_record(to[i], &record));
    }
    for (uint64_t row = 0; good && read_record(from, &record); row++) {
        unsigned owner =
            data->split[table] ? (unsigned)(row % CM_BENCH_PARTIES) : data->home[table];
        good = put_record(to[owner], &record);
        data->part_rows[table][owner]++;
        data->rows[table]++;
    }
    return good;
}

CM_MUST static cm_status deal_table(cm_tpch_data *data, unsigned table, const char *dir,
                                    cm_diag *diag)
{
    const char *name = CM_TPCH_TABLE_NAMES[table];
    text_file from = {0};
    FILE *to[CM_BENCH_PARTIES] = {NULL};
    bool good = true;
    cm_status st = open_text(dir, name, &from, diag);
    if (st != CM_OK) {
        return st;
    }
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%u/%s.csv", data->dir, i, name);
        to[i] = owns(data, table, i) ? fopen(path, "we") : NULL;
        good = good && (to[i] != NULL || !owns(data, table, i));
    }
    CM_ASSERT(from.file != NULL);
    good = good && deal_rows(data, table, from.file, to);
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        good = (to[i] == NULL || fclose(to[i]) == 0) && good;
    }
    st = close_text(&from, name, diag);
    return st == CM_OK && !good ? cm_fail(diag, CM_EIO, CM_SQL_IO,
                                          "%s's rows cannot be dealt out to their owners", name)
                                : st;
}

/* ---- the folder --------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *walk)
{
    (void)info;
    (void)flag;
    (void)walk;
    return remove(path);
}

void cm_tpch_data_remove(cm_tpch_data *data)
{
    if (data->made) {
        (void)nftw(data->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        data->made = false;
    }
}

CM_MUST static cm_status make_folders(cm_tpch_data *data, cm_diag *diag)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(data->dir, sizeof data->dir, "%.40s/comity-tpch-XXXXXX",
                   tmp != NULL ? tmp : "/tmp");
    data->made = mkdtemp(data->dir) != NULL;
    bool good = data->made;
    for (unsigned i = 0; good && i < CM_BENCH_PARTIES; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%u", data->dir, i);
        good = mkdir(path, 0700) == 0;
        (void)snprintf(path, sizeof path, "%s/%u/cache", data->dir, i);
        good = good && mkdir(path, 0700) == 0;
    }
    return good ? CM_OK
                : cm_fail(diag, CM_EIO, CM_SQL_IO, "%s cannot be made: %s", data->dir,
                          strerror(errno));
}

static void place_tables(const cm_tpch_options *options, cm_tpch_data *data)
{
    for (unsigned t = 0; t < CM_TPCH_TABLES; t++) {
        data->split[t] = !options->whole_tables || t == CM_TPCH_LINEITEM;
    }
    data->home[CM_TPCH_PART] = data->home[CM_TPCH_SUPPLIER] = 1;
    data->home[CM_TPCH_PARTSUPP] = data->home[CM_TPCH_ORDERS] = 2;
}

cm_status cm_tpch_data_new(const cm_tpch_options *options, cm_tpch_data *ret, cm_diag *diag)
{
    const char *from = options->data;
    *ret = (cm_tpch_data){.made = false};
    place_tables(options, ret);
    cm_status st = make_folders(ret, diag);
    if (st == CM_OK && from == NULL) {
        from = ret->dir;
        st = cm_tpch_make(from, options->scale, diag);
    }
    for (unsigned t = 0; st == CM_OK && t < CM_TPCH_TABLES; t++) {
        st = deal_table(ret, t, from, diag);
    }
    ret->offers_differ = options->data == NULL || ret->rows[CM_TPCH_SUPPLIER] >= FEW_SUPPLIERS;
    if (st != CM_OK) {
        cm_tpch_data_remove(ret);
    }
    return st;
}
