#include "source/testdata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

int testdata_command(const char *command)
{
    return system(command); /* NOLINT(cert-env33-c): of the tests' own making */
}

void testdata_init(testdata *t)
{
    assert_int_equal(cm_arena_init(&t->arena, (size_t)1 << 30), CM_OK);
    snprintf(t->dir, sizeof t->dir, "/tmp/comity-source-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->cache, sizeof t->cache, "%s/cache", t->dir);
    assert_int_equal(mkdir(t->cache, 0700), 0);
}

void testdata_fini(testdata *t)
{
    assert_int_equal(testdata_command(cm_arena_printf(&t->arena, "rm -rf '%s'", t->dir)), 0);
    cm_arena_fini(&t->arena);
}

const char *testdata_write(testdata *t, const char *name, const char *content)
{
    const char *path = cm_arena_printf(&t->arena, "%s/%s", t->dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fputs(content, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
    return path;
}

void testdata_age(const char *path)
{
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    cm_stamp stamp = cm_stamp_of(&file);
    while (!cm_stamp_settled(&stamp, cm_stamp_now_ns())) {
        usleep(50000);
    }
}

static const cm_source_table *publish(testdata *t, const char *name, const char *remote,
                                      const cm_column_def *def, size_t cols,
                                      const cm_enum *const *enums, size_t enum_count, uint64_t rows)
{
    cm_column *col = CM_NEW_SMALL(&t->arena, cm_column, cols);
    const char **remote_col = CM_NEW_SMALL(&t->arena, const char *, cols);
    for (size_t i = 0; i < cols; i++) {
        cm_diag diag = {0};
        if (cm_column_resolve(&def[i], enums, enum_count, &t->arena, &col[i], &diag) != CM_OK) {
            fail_msg("%s: %s", name, diag.message);
        }
        const char *heading = cm_options_get(&def[i].options, "column_name");
        remote_col[i] = heading != NULL ? heading : def[i].name;
    }
    cm_org_table *table = CM_NEW_SMALL(&t->arena, cm_org_table, 1);
    *table = (cm_org_table){.org = "north", .name = name, .cols = cols, .col = col, .rows = rows};
    cm_source_table *made = CM_NEW_SMALL(&t->arena, cm_source_table, 1);
    *made = (cm_source_table){table, remote, remote_col};
    return made;
}

const cm_source_table *testdata_table(testdata *t, const char *ddl, uint64_t rows)
{
    cm_stmts stmts;
    cm_diag diag = {0};
    cm_status st = cm_sql_parse(ddl, &t->arena, &stmts, &diag);
    if (st != CM_OK) {
        fail_msg("%s: %s", ddl, diag.message);
    }
    const cm_enum **enums = CM_NEW_SMALL(&t->arena, const cm_enum *, stmts.count);
    size_t enum_count = stmts.count - 1;
    for (size_t i = 0; i < enum_count; i++) {
        cm_enum *labels = CM_NEW_SMALL(&t->arena, cm_enum, 1);
        *labels = (cm_enum){stmts.stmt[i].name, stmts.stmt[i].labels, stmts.stmt[i].label};
        enums[i] = labels;
    }
    const cm_stmt *create = &stmts.stmt[enum_count];
    assert_int_equal(create->kind, CM_STMT_CREATE_TABLE);
    const char *remote = cm_options_get(&create->options, "table");
    const cm_source_table *made =
        publish(t, create->name, remote != NULL ? remote : create->name, create->columndef,
                create->columns, enums, enum_count, rows);
    cm_org_table *table = (cm_org_table *)(uintptr_t)made->table; /* allocated by publish */
    table->keys = create->keys;
    table->key = create->key;
    return made;
}

const cm_source_table *testdata_published(testdata *t, const cm_imported_table *table,
                                          uint64_t rows)
{
    const cm_enum **enums = CM_NEW_SMALL(&t->arena, const cm_enum *, table->enums);
    for (size_t i = 0; i < table->enums; i++) {
        const cm_imported_enum *made = &table->enums_made[i];
        cm_enum *labels = CM_NEW_SMALL(&t->arena, cm_enum, 1);
        *labels = (cm_enum){made->name, made->labels, made->label};
        enums[i] = labels;
    }
    return publish(t, table->name, table->remote, table->col, table->cols, enums, table->enums,
                   rows);
}

cm_source *testdata_open(testdata *t, cm_source_kind kind, const char *const *options)
{
    cm_option option[8];
    cm_options all = {.option = option};
    cm_source *source = NULL;
    cm_diag diag = {0};
    for (size_t i = 0; options[i] != NULL; i += 2) {
        option[all.count++] = (cm_option){options[i], options[i + 1]};
    }
    cm_status st = cm_source_open(kind, &all, t->cache, 20000, &source, &diag);
    if (st != CM_OK) {
        fail_msg("%s", diag.message);
    }
    return source;
}

cm_status testdata_check(cm_source *source, const cm_source_table *table, cm_diag *diag)
{
    bool *columns = calloc(table->table->cols, sizeof *columns);
    assert_non_null(columns);
    for (size_t i = 0; i < table->table->cols; i++) {
        columns[i] = true;
    }
    cm_status st = cm_source_check(source, table, columns, diag);
    free(columns);
    return st;
}

typedef struct collecting {
    const char *kinds;
    size_t cols;
    cm_buf text;
} collecting;

static cm_status collect(void *arg, const cm_value *row)
{
    collecting *c = arg;
    char digits[41];
    for (size_t i = 0; i < c->cols; i++) {
        const char *value = row[i].null          ? "NULL"
                            : c->kinds[i] == 't' ? row[i].text
                                                 : cm_i128_print(row[i].number, digits);
        cm_buf_printf(&c->text, "%s%s", i > 0 ? "|" : "", value);
    }
    cm_buf_printf(&c->text, "\n");
    return CM_OK;
}

const char *testdata_select(testdata *t, cm_source *source, const cm_source_table *table,
                            const char *select, const char *kinds)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    collecting c = {.kinds = kinds, .cols = strlen(kinds)};
    bool is_text[32] = {0};
    cm_diag diag = {0};
    const char *rest = strchr(select, '%');
    size_t list = rest == NULL ? strlen(select) : (size_t)(rest - select);
    for (size_t i = 0; i < c.cols; i++) {
        is_text[i] = kinds[i] == 't';
    }
    cm_buf_printf(&sql, "SELECT %.*s FROM ", (int)list, select);
    cm_status st = cm_source_from(source, table, &sql, &diag);
    cm_buf_printf(&sql, " AS t %s", rest == NULL ? "" : rest + 1);
    if (st == CM_OK) {
        st = cm_source_query(source, cm_buf_text(&sql), c.cols, is_text, collect, &c, &diag);
    }
    if (st != CM_OK) {
        fail_msg("%s: %s", cm_buf_text(&sql), diag.message);
    }
    const char *text = cm_arena_strdup(&t->arena, cm_buf_text(&c.text));
    cm_buf_free(&c.text);
    return text;
}

const char *testdata_describe(testdata *t, const cm_imported_table *table)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    cm_buf_printf(&out, "%s(", table->name);
    for (size_t i = 0; i < table->cols; i++) {
        const cm_column_def *def = &table->col[i];
        cm_buf_printf(&out, "%s%s %s", i > 0 ? ", " : "", def->name, def->type_name);
        for (int a = 0; a < def->type_args; a++) {
            cm_buf_printf(&out, "%s%d%s", a == 0 ? "(" : ",", def->type_arg[a],
                          a + 1 == def->type_args ? ")" : "");
        }
        cm_buf_printf(&out, "%s%s", def->not_null ? " not null" : "", def->unique ? " unique" : "");
        if (def->has_check) {
            cm_buf_printf(&out, " %s..%s", def->check_lo == NULL ? "" : def->check_lo,
                          def->check_hi == NULL ? "" : def->check_hi);
        }
    }
    cm_buf_printf(&out, ")");
    for (size_t e = 0; e < table->enums; e++) {
        cm_buf_printf(&out, " %s:", table->enums_made[e].name);
        for (size_t l = 0; l < table->enums_made[e].labels; l++) {
            cm_buf_printf(&out, "%s%s", l > 0 ? "," : "", table->enums_made[e].label[l]);
        }
    }
    return cm_arena_strdup(&t->arena, cm_buf_text(&out));
}
