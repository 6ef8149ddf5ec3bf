#include "source/testdata.h"

#include "base/clock.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

/* Runs SQL on the file, which is made when it is not there. */
static const char *run(testdata *t, const char *sql)
{
    const char *path = cm_arena_printf(&t->arena, "%s/data.db", t->dir);
    FILE *file = fopen(path, "ae");
    assert_non_null(file);
    fclose(file);
    cm_sqlite *db = NULL;
    cm_diag diag = {0};
    assert_int_equal(cm_sqlite_open(path, CM_SQLITE_BUILD, 1000, &db, &diag), CM_OK);
    if (cm_sqlite_exec(db, sql, &diag) != CM_OK) {
        fail_msg("%s", diag.message);
    }
    cm_sqlite_free(db);
    return path;
}

static cm_source *open_file(testdata *t)
{
    const char *const options[] = {"filename", cm_arena_printf(&t->arena, "%s/data.db", t->dir),
                                   NULL};
    return testdata_open(t, CM_SOURCE_SQLITE, options);
}

static const char visits_ddl[] =
    "CREATE TYPE region AS ENUM ('south', 'north');"
    "CREATE FOREIGN TABLE visits (person varchar(8) NOT NULL UNIQUE, region region,"
    " year int CHECK (year BETWEEN 2000 AND 2030), cost numeric(10,2), day date, at timestamp,"
    " ok boolean, code char(4)) SERVER s OPTIONS (table 'main.Visits')";

static void reads_canonical_values(void **state)
{
    testdata *t = *state;
    run(t, "CREATE TABLE visits(person TEXT, region TEXT, year INTEGER, cost, day TEXT, at TEXT,"
           " ok INTEGER, code TEXT);"
           "INSERT INTO visits VALUES"
           "('p1', 'north', 2025, 12.34, '2000-01-02', '2000-01-01 00:00:01', 1, 'ab  '),"
           "('p2', 'south', NULL, '99999999.99', NULL, '2000-01-01T00:00:00.000001', 0, 'ab'),"
           "('p3', NULL, 2000, -7, '1999-12-31', NULL, NULL, NULL),"
           "('p4', 'north', 2030, 0.285, '2000-01-01', NULL, NULL, '')");
    cm_source *source = open_file(t);
    const cm_source_table *table = testdata_table(t, visits_ddl, 100);
    cm_diag diag = {0};
    uint64_t rows = 0;
    if (testdata_check(source, table, &diag) != CM_OK) {
        fail_msg("%s", diag.message);
    }
    assert_int_equal(cm_source_count(source, table, &rows, &diag), CM_OK);
    assert_int_equal(rows, 4);
    assert_string_equal(testdata_select(t, source, table,
                                        "person, region, year, cost, day, at, ok, code",
                                        "tnnnnnnt"),
                        "p1|1|2025|1234|1|1000000|1|ab\n"
                        "p2|0|NULL|9999999999|NULL|1|0|ab\n"
                        "p3|NULL|2000|-700|-1|NULL|NULL|NULL\n"
                        "p4|1|2030|29|0|NULL|NULL|\n");
    assert_string_equal(
        testdata_select(t, source, table, "region, sum(cost) % GROUP BY 1 ORDER BY 1", "nn"),
        "NULL|-700\n0|9999999999\n1|1263\n");
    cm_source_free(source);
}

static void expect_refusal(testdata *t, const char *ddl, const char *sql, const char *sqlstate,
                           const char *message)
{
    run(t, cm_arena_printf(&t->arena, "DROP TABLE IF EXISTS t; DROP VIEW IF EXISTS v; %s", sql));
    cm_source *source = open_file(t);
    cm_diag diag = {0};
    assert_int_not_equal(testdata_check(source, testdata_table(t, ddl, 5), &diag), CM_OK);
    assert_string_equal(diag.message, message);
    assert_string_equal(diag.sqlstate, sqlstate);
    cm_source_free(source);
}

static void bad_rows(void **state)
{
    testdata *t = *state;
    const char *one = "CREATE FOREIGN TABLE t (a int CHECK (a BETWEEN 0 AND 9)) SERVER s";
    expect_refusal(t, one, "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(1), (10)", "23514",
                   "row 2 of table \"t\": column \"a\" has a value outside its declared domain");
    expect_refusal(t, one, "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(1), (1.5)", "22P02",
                   "row 2 of table \"t\": column \"a\" has a value that is not an integer");
    expect_refusal(t, one, "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(x'00')", "22P02",
                   "row 1 of table \"t\": column \"a\" has a value that is not an integer");
    expect_refusal(t, one, "CREATE TABLE t(a); INSERT INTO t VALUES('7'), ('x')", "22P02",
                   "row 2 of table \"t\": column \"a\" has a value that is not an integer");
    expect_refusal(t, one, "CREATE TABLE t(b INTEGER)", "42703",
                   "table \"t\" of the SQLite file has no column \"a\"");
    expect_refusal(t, one, "CREATE TABLE other(a)", "42P01", "the SQLite file has no table \"t\"");
    expect_refusal(t, one, "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(1),(1),(1),(1),(1),(1)",
                   "23514", "table \"t\" has more rows than were published");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a text OPTIONS (max_bytes '3')) SERVER s",
                   "CREATE TABLE t(a TEXT); INSERT INTO t VALUES('abc'), ('abcd')", "22001",
                   "row 2 of table \"t\": column \"a\" has a text longer than was published");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a text) SERVER s",
                   "CREATE TABLE t(a TEXT); INSERT INTO t VALUES(CAST(x'61ff' AS TEXT))", "22021",
                   "row 1 of table \"t\": column \"a\" has a value that is not valid UTF-8");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a text) SERVER s",
                   "CREATE TABLE t(a TEXT); INSERT INTO t VALUES(CAST(x'610061' AS TEXT))", "22021",
                   "row 1 of table \"t\": column \"a\" has a value that is not valid UTF-8");
    /* The table's order is the rows' order, whatever indexes there are. */
    expect_refusal(t, one,
                   "CREATE TABLE t(a INTEGER, b); CREATE INDEX i ON t(a);"
                   "INSERT INTO t VALUES(3, 0), (-1, 0), (2, 0)",
                   "23514",
                   "row 2 of table \"t\": column \"a\" has a value outside its declared domain");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a numeric(6,2) UNIQUE NOT NULL) SERVER s",
                   "CREATE TABLE t(a); INSERT INTO t VALUES(1.25), ('2'), (2.001)", "23505",
                   "row 3 of table \"t\": column \"a\" repeats a value, declared unique");
    expect_refusal(t, "CREATE FOREIGN TABLE t (n int, k0 text, PRIMARY KEY (n, k0)) SERVER s",
                   "CREATE TABLE t(n, k0); INSERT INTO t VALUES(1, 'x'), (1, 'y'), (2, 'x'),"
                   "(1, 'y')",
                   "23505", "row 4 of table \"t\": columns (n, k0) repeat a key, declared unique");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a int NOT NULL) SERVER s OPTIONS (table 'v')",
                   "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(1), (NULL);"
                   "CREATE VIEW v AS SELECT a FROM t",
                   "23502", "row 2 of table \"t\": column \"a\" is NULL, declared NOT NULL");
}

static cm_status accept_row(void *arg, const cm_value *row)
{
    (void)arg;
    (void)row;
    return CM_OK;
}

/* A value that no check saw fails the query that meets it, and never passes as another. */
static void unchecked_values(void **state)
{
    testdata *t = *state;
    run(t, "CREATE TABLE t(a INTEGER, b, big INTEGER);"
           "INSERT INTO t VALUES(1, 'x', 9223372036854775807), (1.5, 2, 9223372036854775807)");
    cm_source *source = open_file(t);
    const cm_source_table *table =
        testdata_table(t, "CREATE FOREIGN TABLE t (a int, b int, big int8) SERVER s", 5);
    const char *const selects[] = {"a", "b", "big * 2", "sum(big)"};
    const char *const states[] = {"22003", "22P02", "22003", "22003"};
    for (size_t i = 0; i < CM_COUNT(selects); i++) {
        CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
        cm_diag diag = {0};
        const bool is_text[1] = {false};
        cm_buf_printf(&sql, "SELECT %s FROM ", selects[i]);
        assert_int_equal(cm_source_from(source, table, &sql, &diag), CM_OK);
        assert_int_not_equal(
            cm_source_query(source, cm_buf_text(&sql), 1, is_text, accept_row, NULL, &diag), CM_OK);
        assert_string_equal(diag.sqlstate, states[i]);
    }
    cm_source_free(source);
}

static size_t remembered(testdata *t)
{
    DIR *folder = opendir(t->cache);
    size_t count = 0;
    assert_non_null(folder);
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        count += strncmp(e->d_name, "check-", 6) == 0;
    }
    closedir(folder);
    return count;
}

/* A check is remembered for a settled file, and forgotten with its stamp. */
static void remembering(void **state)
{
    testdata *t = *state;
    const char *path = run(t, "CREATE TABLE t(a INTEGER, b INTEGER); INSERT INTO t VALUES(1, 1)");
    const cm_source_table *table = testdata_table(
        t, "CREATE FOREIGN TABLE t (a int CHECK (a BETWEEN 0 AND 9), b int) SERVER s", 5);
    cm_source *source = open_file(t);
    assert_int_equal(testdata_check(source, table, NULL), CM_OK);
    assert_int_equal(remembered(t), 0); /* just written */
    cm_source_free(source);
    testdata_age(path);
    for (int i = 0; i < 2; i++) {
        source = open_file(t);
        assert_int_equal(testdata_check(source, table, NULL), CM_OK);
        assert_int_equal(remembered(t), 3); /* both columns and the number of rows */
        cm_source_free(source);
    }
    run(t, "INSERT INTO t VALUES(2, 2)");
    testdata_age(path);
    source = open_file(t);
    assert_int_equal(testdata_check(source, table, NULL), CM_OK);
    cm_org_table less = *table->table;
    cm_source_table bound = {.table = &less, table->remote, table->remote_col};
    less.rows = 1;
    assert_int_equal(testdata_check(source, &bound, NULL), CM_EINVAL);
    cm_source_free(source);
    run(t, "UPDATE t SET a = 10");
    source = open_file(t);
    assert_int_equal(testdata_check(source, table, NULL), CM_EINVAL);
    const bool only_b[2] = {false, true};
    assert_int_equal(cm_source_check(source, table, only_b, NULL), CM_OK);
    cm_source_free(source);
}

/* What was checked is what is queried, whoever writes meanwhile. */
static void one_state(void **state)
{
    testdata *t = *state;
    run(t, "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(1)");
    const char *path = cm_arena_printf(&t->arena, "%s/data.db", t->dir);
    cm_sqlite *db = NULL;
    assert_int_equal(cm_sqlite_open(path, CM_SQLITE_BUILD, 1000, &db, NULL), CM_OK);
    assert_int_equal(
        cm_sqlite_exec(db, "PRAGMA locking_mode=NORMAL; PRAGMA journal_mode=WAL", NULL), CM_OK);
    cm_sqlite_free(db);
    const cm_source_table *table = testdata_table(t, "CREATE FOREIGN TABLE t (a int) SERVER s", 5);
    cm_source *source = open_file(t);
    assert_int_equal(testdata_check(source, table, NULL), CM_OK);
    cm_sqlite *writer = NULL;
    assert_int_equal(cm_sqlite_open(path, CM_SQLITE_BUILD, 1000, &writer, NULL), CM_OK);
    assert_int_equal(cm_sqlite_exec(writer, "PRAGMA locking_mode=NORMAL", NULL), CM_OK);
    assert_int_equal(cm_sqlite_exec(writer, "UPDATE t SET a = 2", NULL), CM_OK);
    assert_string_equal(testdata_select(t, source, table, "a", "n"), "1\n");
    cm_source_free(source);
    source = open_file(t);
    assert_string_equal(testdata_select(t, source, table, "a", "n"), "2\n");
    cm_source_free(source);
    cm_sqlite_free(writer);
}

static cm_status stop_at_second(void *arg, const cm_value *row)
{
    (void)row;
    int *rows = arg;
    return ++*rows == 2 ? CM_ECANCELLED : CM_OK;
}

static void stopping(void **state)
{
    testdata *t = *state;
    run(t, "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(1),(2),(3)");
    cm_source *source = open_file(t);
    const cm_source_table *table = testdata_table(t, "CREATE FOREIGN TABLE t (a int) SERVER s", 5);
    const bool is_text[1] = {false};
    int rows = 0;
    assert_int_equal(
        cm_source_query(source, "SELECT a FROM t", 1, is_text, stop_at_second, &rows, NULL),
        CM_ECANCELLED);
    assert_int_equal(rows, 2);
    assert_string_equal(testdata_select(t, source, table, "count(*)", "n"), "3\n");
    cm_source_free(source);
}

/* A statement that does not end by itself is ended. */
static void deadline(void **state)
{
    testdata *t = *state;
    const char *path = run(t, "CREATE TABLE t(a INTEGER)");
    cm_option option = {"filename", path};
    cm_options options = {1, &option};
    cm_source *source = NULL;
    cm_diag diag = {0};
    const bool is_text[1] = {false};
    int rows = -1000000;
    assert_int_equal(cm_source_open(CM_SOURCE_SQLITE, &options, t->cache, 100, &source, &diag),
                     CM_OK);
    assert_int_equal(cm_source_query(source,
                                     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
                                     "n) SELECT count(*) FROM n",
                                     1, is_text, stop_at_second, &rows, &diag),
                     CM_ECANCELLED);
    assert_string_equal(diag.sqlstate, CM_SQL_CANCELLED);
    cm_source_free(source);
}

static void read_only(void **state)
{
    testdata *t = *state;
    run(t, "CREATE TABLE t(a INTEGER); INSERT INTO t VALUES(1)");
    cm_source *source = open_file(t);
    const cm_source_table *table = testdata_table(t, "CREATE FOREIGN TABLE t (a int) SERVER s", 5);
    const bool none[1] = {false};
    cm_diag diag = {0};
    assert_int_not_equal(
        cm_source_query(source, "DELETE FROM t RETURNING a", 1, none, stop_at_second, NULL, &diag),
        CM_OK);
    assert_string_equal(testdata_select(t, source, table, "a", "n"), "1\n");
    cm_source_free(source);
    cm_option option = {"filename", cm_arena_printf(&t->arena, "%s/none.db", t->dir)};
    cm_options options = {1, &option};
    cm_diag_reset(&diag);
    assert_int_equal(cm_source_open(CM_SOURCE_SQLITE, &options, t->cache, 100, &source, &diag),
                     CM_EIO);
}

static void imports(void **state)
{
    testdata *t = *state;
    run(t, "CREATE TABLE b(id INTEGER PRIMARY KEY, amount DECIMAL(10,2), rate REAL, flag BOOLEAN,"
           " day DATE, code TEXT, blob BLOB, long TEXT, org TEXT);"
           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
           " INSERT INTO b SELECT i, i, i * 0.125, i % 2, '2024-01-0' || (1 + i % 9),"
           " CASE i % 2 WHEN 0 THEN 'NL' ELSE 'DE' END, x'00', hex(zeroblob(600)), NULL FROM n;"
           "CREATE VIEW a AS SELECT id AS Id FROM b");
    cm_source *source = open_file(t);
    const cm_imported_table *table = NULL;
    size_t count = 0;
    cm_diag diag = {0};
    assert_int_equal(cm_source_import(source, "main", &t->arena, &table, &count, &diag), CM_OK);
    assert_int_equal(count, 2);
    assert_string_equal(testdata_describe(t, &table[0]), "a(id int4 not null unique 0..40)");
    assert_string_equal(
        testdata_describe(t, &table[1]),
        "b(id int4 not null unique 0..40, amount numeric(10,2) not null "
        "0.00..40.00, rate numeric(18,3) not null 0.000..5.000, flag bool not null, "
        "day date not null 2024-01-01..2024-12-31, code b_code not null, "
        "org_2 varchar(64)) b_code:DE,NL");
    for (size_t i = 0; i < count; i++) {
        cm_diag_reset(&diag);
        if (testdata_check(source, testdata_published(t, &table[i], 100), &diag) != CM_OK) {
            fail_msg("%s", diag.message);
        }
    }
    cm_source_free(source);
}

/* Decimals as text, as numbers and as integers; what is grouped here is what SQLite groups. */
static void runs_fragments(void **state)
{
    testdata *t = *state;
    run(t, cm_arena_printf(&t->arena,
                           "CREATE TABLE runs(area TEXT, year INTEGER, cost TEXT, fine REAL,"
                           " day TEXT, at TEXT, ok INTEGER, name TEXT, part INTEGER);"
                           "INSERT INTO runs VALUES %s",
                           testruns_values(t)));
    cm_source *source = open_file(t);
    testruns_compare(t, source);
    cm_source_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_canonical_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unchecked_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(remembering, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopping, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(read_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(runs_fragments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(imports, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
