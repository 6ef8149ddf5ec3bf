#include "source/testdata.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char visits_ddl[] =
    "CREATE TYPE region AS ENUM ('north', 'south');"
    "CREATE FOREIGN TABLE visits (person varchar(8) NOT NULL, region region NOT NULL,"
    " year int CHECK (year BETWEEN 2000 AND 2030), cost numeric(10,2), day date, ok boolean,"
    " note text OPTIONS (column_name 'Free Note')) SERVER s";

static const char visits_csv[] = "cost,person,region,year,day,ok,Free Note,unused\r\n"
                                 "12.34,p1,north,2025,2000-01-02,true,\"a, \"\"b\"\"\",x\r\n"
                                 ",p2,south,,,,,\r\n"
                                 "-0.01,p3,south,2000,1999-12-31,f,\"\",\r\n";

static int set_up(void **state)
{
    static testdata t;
    testdata_init(&t);
    *state = &t;
    return 0;
}

static int tear_down(void **state)
{
    testdata_fini(*state);
    return 0;
}

static cm_source *open_dir(testdata *t)
{
    const char *const options[] = {"directory", t->dir, NULL};
    return testdata_open(t, CM_SOURCE_CSV, options);
}

static void reads_canonical_values(void **state)
{
    testdata *t = *state;
    testdata_write(t, "visits.csv", visits_csv);
    const cm_source_table *table = testdata_table(t, visits_ddl, 100);
    cm_source *source = open_dir(t);
    cm_diag diag = {0};
    uint64_t rows = 0;
    assert_int_equal(cm_source_dialect(source), CM_DIALECT_SQLITE);
    assert_int_equal(testdata_check(source, table, &diag), CM_OK);
    assert_int_equal(cm_source_count(source, table, &rows, &diag), CM_OK);
    assert_int_equal(rows, 3);
    assert_string_equal(
        testdata_select(t, source, table, "person, region, year, cost, day, ok, note", "tnnnnnt"),
        "p1|0|2025|1234|1|1|a, \"b\"\n"
        "p2|1|NULL|NULL|NULL|NULL|NULL\n"
        "p3|1|2000|-1|-1|0|\n");
    assert_string_equal(testdata_select(t, source, table,
                                        "region, sum(cost), count(*) % GROUP BY region ORDER BY 1",
                                        "nnn"),
                        "0|1234|1\n1|-1|2\n");
    /* LIKE is PostgreSQL's: it tells case. */
    assert_string_equal(testdata_select(t, source, table, "count(*) % WHERE person LIKE 'P%'", "n"),
                        "0\n");
    cm_source_free(source);
}

static void formats(void **state)
{
    testdata *t = *state;
    testdata_write(t, "plain.CSV", "1;NULL\n2;\n\n3;\"NULL\"");
    const char *const options[] = {"directory", t->dir, "header", "off", "delimiter",
                                   ";",         "null", "NULL",   NULL};
    cm_source *source = testdata_open(t, CM_SOURCE_CSV, options);
    const cm_source_table *table =
        testdata_table(t,
                       "CREATE FOREIGN TABLE plain (a int, b text) SERVER s "
                       "OPTIONS (table 'plain.CSV')",
                       10);
    assert_string_equal(testdata_select(t, source, table, "a, b", "nt"), "1|NULL\n2|\n3|NULL\n");
    cm_source_free(source);
}

/* What is wrong is named by table, column and row; the value is not. */
static void expect_refusal(testdata *t, const char *ddl, uint64_t rows, const char *csv,
                           const char *sqlstate, const char *message)
{
    testdata_write(t, "t.csv", csv);
    const cm_source_table *table = testdata_table(t, ddl, rows);
    cm_source *source = open_dir(t);
    cm_diag diag = {0};
    assert_int_not_equal(testdata_check(source, table, &diag), CM_OK);
    assert_string_equal(diag.message, message);
    assert_string_equal(diag.sqlstate, sqlstate);
    assert_null(strstr(diag.detail, "secret"));
    assert_null(strstr(diag.hint, "secret"));
    cm_source_free(source);
}

static void bad_rows(void **state)
{
    testdata *t = *state;
    const char *ddl = "CREATE TYPE e AS ENUM ('x');"
                      "CREATE FOREIGN TABLE t (a int NOT NULL CHECK (a BETWEEN 0 AND 9), b date,"
                      " c varchar(4), d numeric(4,1), e e) SERVER s";
    const char *head = "a,b,c,d,e\n1,,,,\n";
    const struct {
        const char *row, *sqlstate, *message;
    } cases[] = {
        {"secret,,,,", "22P02", "column \"a\" has a value that is not an integer"},
        {"10,,,,", "23514", "column \"a\" has a value outside its declared domain"},
        {"-1,,,,", "23514", "column \"a\" has a value outside its declared domain"},
        {"3000000000,,,,", "22003", "column \"a\" has a value out of range of its type"},
        {",,,,", "23502", "column \"a\" is NULL, declared NOT NULL"},
        {"\"\",,,,", "22P02", "column \"a\" has a value that is not an integer"},
        {"1,secret,,,", "22P02", "column \"b\" has a value that is not a date"},
        {"1,2021-02-30,,,", "22008", "column \"b\" has a value that is not a date"},
        {"1,,secret,,", "22001", "column \"c\" has a text longer than was published"},
        {"1,,,1000,", "22003", "column \"d\" has a value out of range of its type"},
        {"1,,,secret,", "22P02", "column \"d\" has a value that is not a number"},
        {"1,,,,secret", "23514", "column \"e\" has a value that is not a label of its enum"},
    };
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        const char *csv = cm_arena_printf(&t->arena, "%s%s\n", head, cases[i].row);
        const char *message =
            cm_arena_printf(&t->arena, "row 2 of table \"t\": %s", cases[i].message);
        expect_refusal(t, ddl, 10, csv, cases[i].sqlstate, message);
    }
    expect_refusal(t, ddl, 10, "a,b,c,d,e\n1,,,\n", "22P04",
                   "row 1 of table \"t\" has 4 fields, not 5");
    expect_refusal(t, ddl, 10, "a,b,secret,d,e\n", "42703", "file \"t.csv\" has no column \"c\"");
    expect_refusal(t, ddl, 10, "", "22P04", "file \"t.csv\" is empty, without even a header");
    expect_refusal(t, ddl, 1, "a,b,c,d,e\n1,,,,\n1,,,,\n", "23514",
                   "table \"t\" has more rows than were published");
    expect_refusal(t, ddl, 1, "a,b,c,d,e\n1,\"secret,,,\n", "22P04",
                   "file \"t.csv\", line 2, record 2: a quoted field is not closed");
}

static void uniqueness(void **state)
{
    testdata *t = *state;
    const char *ddl = "CREATE FOREIGN TABLE t (a text UNIQUE, b int) SERVER s";
    expect_refusal(t, ddl, 10, "a,b\nsecret,1\n,2\n,3\nother,4\nsecret,5\nsecret,6\n", "23505",
                   "row 5 of table \"t\": column \"a\" repeats a value, declared unique");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a text, b int, UNIQUE (b, a)) SERVER s", 10,
                   "a,b\nx,1\n,2\n,2\nx,2\ny,1\nx,1\n", "23505",
                   "row 6 of table \"t\": columns (b, a) repeat a key, declared unique");
    testdata_write(t, "t.csv", "a,b\nx,1\n,2\n,3\nX,4\n");
    cm_source *source = open_dir(t);
    assert_int_equal(testdata_check(source, testdata_table(t, ddl, 10), NULL), CM_OK);
    cm_source_free(source);
}

static void odd_names(void **state)
{
    testdata *t = *state;
    testdata_write(t, "odd.csv", "Order,a\"b\n1,2\n");
    const char *ddl = "CREATE FOREIGN TABLE odd (\"order\" int, \"a\"\"b\" int) SERVER s";
    cm_source *source = open_dir(t);
    const cm_source_table *table = testdata_table(t, ddl, 10);
    cm_diag diag = {0};
    /* a"b must be quoted in the file, so this one is refused ... */
    assert_int_equal(testdata_check(source, table, &diag), CM_EINVAL);
    testdata_write(t, "odd.csv", "Order,\"a\"\"b\"\n1,2\n");
    assert_string_equal(testdata_select(t, source, table, "\"order\", \"a\"\"b\"", "nn"), "1|2\n");
    /* ... and names that differ in case alone cannot be told apart. */
    cm_diag_reset(&diag);
    table = testdata_table(t, "CREATE FOREIGN TABLE odd (a int, \"A\" int) SERVER s", 10);
    assert_int_equal(testdata_check(source, table, &diag), CM_EUNSUPPORTED);
    const char *const outside[] = {"../odd", "/etc/passwd", ".odd", ""};
    for (size_t i = 0; i < CM_COUNT(outside); i++) {
        cm_source_table other = *table;
        cm_org_table one = *table->table;
        one.cols = 1;
        other.table = &one;
        other.remote = outside[i];
        cm_diag_reset(&diag);
        assert_int_equal(testdata_check(source, &other, &diag), CM_EINVAL);
        assert_string_equal(diag.sqlstate, "HV024");
    }
    cm_source_table missing = *table;
    cm_org_table one = *table->table;
    one.cols = 1;
    missing.table = &one;
    missing.remote = "missing";
    cm_diag_reset(&diag);
    assert_int_equal(testdata_check(source, &missing, &diag), CM_ENOTFOUND);
    assert_string_equal(diag.sqlstate, CM_SQL_UNDEFINED_TABLE);
    cm_source_free(source);
}

static ino_t cache_inode(testdata *t)
{
    DIR *folder = opendir(t->cache);
    ino_t found = 0;
    assert_non_null(folder);
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        size_t bytes = strlen(e->d_name);
        if (bytes > 3 && strcmp(e->d_name + bytes - 3, ".db") == 0) {
            struct stat file;
            const char *path = cm_arena_printf(&t->arena, "%s/%s", t->cache, e->d_name);
            assert_int_equal(stat(path, &file), 0);
            assert_int_equal(file.st_mode & 0777, 0600);
            found = file.st_ino;
        }
        assert_null(strstr(e->d_name, ".new"));
    }
    closedir(folder);
    return found;
}

static const char *read_a(testdata *t, const cm_source_table *table)
{
    cm_source *source = open_dir(t);
    const char *text = testdata_select(t, source, table, "a", "n");
    cm_source_free(source);
    return text;
}

/* Loaded again when the file, or the definition, is another one; and only then. */
static void reloading(void **state)
{
    testdata *t = *state;
    const cm_source_table *table = testdata_table(t, "CREATE FOREIGN TABLE t (a int) SERVER s", 9);
    const char *path = testdata_write(t, "t.csv", "a\n1\n");
    testdata_age(path);
    assert_string_equal(read_a(t, table), "1\n");
    ino_t first = cache_inode(t);
    assert_string_equal(read_a(t, table), "1\n");
    assert_int_equal(cache_inode(t), first);

    /* Equal size: what differs is the time. */
    testdata_write(t, "t.csv", "a\n2\n");
    assert_string_equal(read_a(t, table), "2\n");
    /* Just written, so it might be written again in the same tick of the clock: not trusted. */
    testdata_write(t, "t.csv", "a\n3\n");
    assert_string_equal(read_a(t, table), "3\n");

    table = testdata_table(t, "CREATE FOREIGN TABLE t (a numeric(5,2)) SERVER s", 9);
    assert_string_equal(read_a(t, table), "300\n");

    /* An open source keeps what it has. */
    cm_source *source = open_dir(t);
    assert_string_equal(testdata_select(t, source, table, "a", "n"), "300\n");
    testdata_write(t, "t.csv", "a\n4\n");
    assert_string_equal(read_a(t, table), "400\n");
    assert_string_equal(testdata_select(t, source, table, "a", "n"), "300\n");
    cm_source_free(source);
}

/* Rubbish in the cache is loaded over. */
static void damaged_cache(void **state)
{
    testdata *t = *state;
    const cm_source_table *table = testdata_table(t, "CREATE FOREIGN TABLE t (a int) SERVER s", 9);
    testdata_write(t, "t.csv", "a\n1\n");
    read_a(t, table);
    const char *command = cm_arena_printf(
        &t->arena, "for f in %s/*.db; do echo rubbish > $f; : > ${f%%.db}.new; done", t->cache);
    assert_int_equal(testdata_command(command), 0);
    assert_string_equal(read_a(t, table), "1\n");
}

/* More tables than SQLite attaches at once. */
static void many_tables(void **state)
{
    testdata *t = *state;
    cm_source *source = open_dir(t);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 12; i++) {
            const char *name = cm_arena_printf(&t->arena, "t%d", i);
            if (round == 0) {
                testdata_write(t, cm_arena_printf(&t->arena, "%s.csv", name),
                               cm_arena_printf(&t->arena, "a\n%d\n", i));
            }
            const cm_source_table *table = testdata_table(
                t, cm_arena_printf(&t->arena, "CREATE FOREIGN TABLE %s (a int) SERVER s", name), 9);
            assert_string_equal(testdata_select(t, source, table, "a", "n"),
                                cm_arena_printf(&t->arena, "%d\n", i));
        }
    }
    cm_source_free(source);
}

static void imports(void **state)
{
    testdata *t = *state;
    cm_buf csv = {0};
    cm_buf_printf(&csv, "adm,pid,Admit Day,icd,cur,paid,note,1st\n");
    for (int i = 1; i <= 40; i++) {
        cm_buf_printf(&csv, "%d,%d,%d,%s,%s,%d.%02d,%s,2020-01-%02d\n", i, 1000 + i % 7, 3 * i,
                      i % 2 != 0 ? "I21" : "J44", i % 3 != 0 ? "EUR" : "USD", i, i,
                      i == 5   ? ""
                      : i == 6 ? "\"\""
                               : "free",
                      1 + i % 28);
    }
    testdata_write(t, "Admissions 2024.csv", cm_buf_text(&csv));
    cm_buf_free(&csv);
    testdata_write(t, "empty.csv", "a,A,org\n");
    testdata_write(t, "nothing.csv", "");
    testdata_write(t, "other.txt", "x");
    cm_source *source = open_dir(t);
    const cm_imported_table *table = NULL;
    size_t count = 0;
    cm_diag diag = {0};
    assert_int_equal(cm_source_import(source, "public", &t->arena, &table, &count, &diag), CM_OK);
    assert_int_equal(count, 2);
    assert_string_equal(
        testdata_describe(t, &table[0]),
        "admissions_2024(adm int4 not null unique 0..40, pid int4 not null 1000..1100, "
        "admit_day int4 not null 0..120, icd admissions_2024_icd not null, "
        "cur admissions_2024_cur not null, paid numeric(18,2) not null 0.00..41.00, "
        "note varchar(4), _1st date not null 2020-01-01..2020-12-31) "
        "admissions_2024_icd:I21,J44 admissions_2024_cur:EUR,USD");
    assert_string_equal(table[0].remote, "Admissions 2024.csv");
    assert_string_equal(cm_options_get(&table[0].col[2].options, "column_name"), "Admit Day");
    assert_string_equal(testdata_describe(t, &table[1]),
                        "empty(a varchar(64), a_2 varchar(64), org_2 varchar(64))");
    for (size_t i = 0; i < count; i++) {
        cm_diag_reset(&diag);
        if (testdata_check(source, testdata_published(t, &table[i], 100), &diag) != CM_OK) {
            fail_msg("%s", diag.message);
        }
    }
    cm_source_free(source);
}

static void options(void **state)
{
    (void)state;
    const struct {
        cm_source_kind kind;
        const char *name, *value, *sqlstate;
    } cases[] = {
        {CM_SOURCE_CSV, "directory", "/tmp", ""},
        {CM_SOURCE_CSV, "directory", "", "HV00J"},
        {CM_SOURCE_CSV, "filename", "x", "HV00D"},
        {CM_SOURCE_SQLITE, "filename", "x", ""},
        {CM_SOURCE_SQLITE, "directory", "x", "HV00D"},
        {CM_SOURCE_POSTGRES, "conninfo", "host=x dbname=y", ""},
        {CM_SOURCE_POSTGRES, "conninfo", "password=secret nonsense", "HV024"},
    };
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        cm_option option = {cases[i].name, cases[i].value};
        cm_options all = {1, &option};
        cm_diag diag = {0};
        cm_status st = cm_source_check_options(cases[i].kind, &all, &diag);
        assert_string_equal(diag.sqlstate, cases[i].sqlstate);
        assert_int_equal(st == CM_OK, cases[i].sqlstate[0] == '\0');
        assert_null(strstr(diag.message, "secret"));
    }
    const char *const bad[][2] = {{"header", "maybe"}, {"delimiter", ""},   {"delimiter", "ab"},
                                  {"delimiter", "\""}, {"delimiter", "\n"}, {"null", "a\"b"}};
    for (size_t i = 0; i < CM_COUNT(bad); i++) {
        cm_option pair[2] = {{"directory", "/tmp"}, {bad[i][0], bad[i][1]}};
        cm_options all = {2, pair};
        cm_diag diag = {0};
        assert_int_equal(cm_source_check_options(CM_SOURCE_CSV, &all, &diag), CM_EINVAL);
    }
    cm_source_kind kind;
    cm_diag diag = {0};
    assert_int_equal(cm_source_kind_by_name("sqlite", &kind, NULL), CM_OK);
    assert_string_equal(cm_source_kind_name(kind), "sqlite");
    assert_int_equal(cm_source_kind_by_name("oracle", &kind, &diag), CM_ENOTFOUND);
    assert_string_equal(diag.sqlstate, "42704");
}

static void runs_fragments(void **state)
{
    testdata *t = *state;
    testdata_write(t, "runs.csv", testruns_csv(t));
    cm_source *source = open_dir(t);
    testruns_compare(t, source);
    cm_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_canonical_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(formats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uniqueness, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reloading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_fragments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(imports, set_up, tear_down),
        cmocka_unit_test(options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
