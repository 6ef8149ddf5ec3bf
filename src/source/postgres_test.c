/*
 * Against a server of its own: initdb in a temporary folder, a socket in it, no network.  Without
 * PostgreSQL's server programs, or when they cannot be run as another user, the tests are skipped
 * and say so.
 */
#include "source/testdata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static testdata data;
static char conninfo[128];
static char programs[64];
static const char *as_user = ""; /* prefix of commands: the server refuses to run as root */

#define sh(...) testdata_command(cm_arena_printf(&data.arena, __VA_ARGS__))

static bool find_programs(void)
{
    static const char *const folders[] = {"/usr/lib/postgresql/17/bin",
                                          "/usr/lib/postgresql/16/bin",
                                          "/usr/lib/postgresql/15/bin", "/usr/bin"};
    for (size_t i = 0; i < CM_COUNT(folders); i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/initdb", folders[i]);
        if (access(path, X_OK) == 0) {
            snprintf(programs, sizeof programs, "%s", folders[i]);
            return true;
        }
    }
    return false;
}

static bool start_server(void)
{
    if (!find_programs()) {
        return false;
    }
    if (geteuid() == 0) {
        as_user = "runuser -u postgres -- ";
        if (sh("chown postgres '%s' && chmod 711 '%s'", data.dir, data.dir) != 0) {
            return false;
        }
    }
    snprintf(conninfo, sizeof conninfo, "host=%s dbname=postgres user=postgres", data.dir);
    return sh("cd / && %s%s/initdb -D '%s/pg' -U postgres -A trust -E UTF8 --no-locale -N "
              ">/dev/null 2>&1",
              as_user, programs, data.dir) == 0 &&
           sh("cd / && %s%s/pg_ctl -D '%s/pg' -w -t 30 -l '%s/pg/log' -o \"-k '%s' -h '' "
              "-c fsync=off -c max_connections=10 -c shared_buffers=16MB\" start >/dev/null",
              as_user, programs, data.dir, data.dir, data.dir) == 0;
}

static int set_up(void **state)
{
    testdata_init(&data);
    *state = start_server() ? &data : NULL;
    if (*state == NULL) {
        print_message("SKIPPED: a PostgreSQL server cannot be started here\n");
    }
    return 0;
}

static int tear_down(void **state)
{
    if (*state != NULL) {
        sh("cd / && %s%s/pg_ctl -D '%s/pg' -m immediate stop >/dev/null", as_user, programs,
           data.dir);
    }
    testdata_fini(&data);
    return 0;
}

/* Runs SQL as the server's owner would, in psql. */
static void run(testdata *t, const char *sql)
{
    const char *file = testdata_write(
        t, "run.sql", cm_arena_printf(&t->arena, "SET client_min_messages = error; %s", sql));
    assert_int_equal(sh("cd / && %s/psql -q -X -v ON_ERROR_STOP=1 -d '%s' -f '%s' >/dev/null",
                        programs, conninfo, file),
                     0);
}

static testdata *need(void **state)
{
    if (*state == NULL) {
        skip();
    }
    return *state;
}

static cm_source *open_server(testdata *t)
{
    const char *const options[] = {"conninfo", conninfo, NULL};
    return testdata_open(t, CM_SOURCE_POSTGRES, options);
}

static void reads_canonical_values(void **state)
{
    testdata *t = need(state);
    run(t, "CREATE TYPE reg AS ENUM ('north', 'south');"
           "CREATE TABLE visits(person varchar(8) PRIMARY KEY, region reg, kind text, year int,"
           " cost numeric(10,2), rate float8, day date, at timestamp, atz timestamptz, ok bool,"
           " code char(4), big numeric);"
           "INSERT INTO visits VALUES"
           "('p1', 'south', 'a''b', 2025, 12.34, 0.1, '2000-01-02', '2000-01-01 00:00:01',"
           " '2000-01-01 02:00:00+02', true, 'ab', 123456789012345678901234567890.12345678),"
           "('P2', NULL, 'c', NULL, -0.01, NULL, '1999-12-31', '1999-12-31 23:59:59.999999', NULL,"
           " false, '', -1)");
    cm_source *source = open_server(t);
    const cm_source_table *table = testdata_table(
        t,
        "CREATE TYPE region AS ENUM ('south', 'north'); CREATE TYPE kind AS ENUM ('a''b', 'c');"
        "CREATE FOREIGN TABLE visits (person varchar(8) NOT NULL UNIQUE, region region,"
        " kind kind NOT NULL, year int CHECK (year BETWEEN 2000 AND 2030), cost numeric(10,2),"
        " rate numeric(6,3), day date, at timestamp, atz timestamp, ok boolean, code char(4),"
        " big numeric(38,8)) SERVER s OPTIONS (table 'public.visits')",
        10);
    cm_diag diag = {0};
    uint64_t rows = 0;
    assert_int_equal(cm_source_dialect(source), CM_DIALECT_POSTGRES);
    if (testdata_check(source, table, &diag) != CM_OK) {
        fail_msg("%s", diag.message);
    }
    assert_int_equal(cm_source_count(source, table, &rows, &diag), CM_OK);
    assert_int_equal(rows, 2);
    assert_string_equal(
        testdata_select(t, source, table,
                        "person, region, kind, year, cost, rate, day, at, atz, ok, code, big",
                        "tnnnnnnnnntn"),
        "p1|0|0|2025|1234|100|1|1000000|0|1|ab|12345678901234567890123456789012345678\n"
        "P2|NULL|1|NULL|-1|NULL|-1|-1|NULL|0||-100000000\n");
    assert_string_equal(testdata_select(t, source, table, "person % ORDER BY person", "t"),
                        "P2\np1\n"); /* bytewise */
    assert_string_equal(
        testdata_select(t, source, table, "sum(cost), year = 2025 % GROUP BY 2", "nn"),
        "-1|NULL\n1234|1\n");
    cm_source_free(source);
}

static void expect_refusal(testdata *t, const char *ddl, const char *sql, const char *sqlstate,
                           const char *message)
{
    run(t, cm_arena_printf(&t->arena, "DROP TABLE IF EXISTS t CASCADE; %s", sql));
    cm_source *source = open_server(t);
    cm_diag diag = {0};
    assert_int_not_equal(testdata_check(source, testdata_table(t, ddl, 5), &diag), CM_OK);
    assert_string_equal(diag.message, message);
    assert_string_equal(diag.sqlstate, sqlstate);
    cm_source_free(source);
}

static void bad_rows(void **state)
{
    testdata *t = need(state);
    const char *outside =
        "row 2 of table \"t\": column \"a\" has a value outside its declared domain";
    const char *range = "row 2 of table \"t\": column \"a\" has a value out of range of its type";
    expect_refusal(t, "CREATE FOREIGN TABLE t (a int CHECK (a BETWEEN 0 AND 9)) SERVER s",
                   "CREATE TABLE t(a int); INSERT INTO t VALUES (1), (10)", "23514", outside);
    expect_refusal(t, "CREATE FOREIGN TABLE t (a int2) SERVER s",
                   "CREATE TABLE t(a int); INSERT INTO t VALUES (1), (70000)", "22003", range);
    expect_refusal(t, "CREATE FOREIGN TABLE t (a int) SERVER s",
                   "CREATE TABLE t(a numeric); INSERT INTO t VALUES (1), (1.5)", "22003", range);
    expect_refusal(t, "CREATE FOREIGN TABLE t (a numeric(6,2)) SERVER s",
                   "CREATE TABLE t(a numeric); INSERT INTO t VALUES (1), ('NaN')", "22003", range);
    expect_refusal(t, "CREATE FOREIGN TABLE t (a numeric(6,2)) SERVER s",
                   "CREATE TABLE t(a float8); INSERT INTO t VALUES (1), (1e300)", "22003", range);
    expect_refusal(t, "CREATE FOREIGN TABLE t (a date) SERVER s",
                   "CREATE TABLE t(a date); INSERT INTO t VALUES (now()), ('infinity')", "22003",
                   range);
    expect_refusal(t, "CREATE FOREIGN TABLE t (a timestamp) SERVER s",
                   "CREATE TABLE t(a timestamptz); INSERT INTO t VALUES (now()), ('-infinity')",
                   "22003", range);
    expect_refusal(t, "CREATE TYPE e AS ENUM ('x', 'y'); CREATE FOREIGN TABLE t (a e) SERVER s",
                   "CREATE TABLE t(a text); INSERT INTO t VALUES ('x'), ('X')", "23514", outside);
    expect_refusal(t, "CREATE FOREIGN TABLE t (a varchar(3)) SERVER s",
                   "CREATE TABLE t(a varchar(3)); INSERT INTO t VALUES ('abc'), ('€€')", "22001",
                   "row 2 of table \"t\": column \"a\" has a text longer than was published");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a int NOT NULL) SERVER s",
                   "CREATE TABLE t(a int); INSERT INTO t VALUES (1), (NULL)", "23502",
                   "row 2 of table \"t\": column \"a\" is NULL, declared NOT NULL");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a int UNIQUE) SERVER s",
                   "CREATE TABLE t(a int); INSERT INTO t VALUES (NULL), (1), (NULL), (1)", "23505",
                   "row 4 of table \"t\": column \"a\" repeats a value, declared unique");
    expect_refusal(t, "CREATE FOREIGN TABLE t (n int, k0 text, UNIQUE (n, k0)) SERVER s",
                   "CREATE TABLE t(n int, k0 text); INSERT INTO t VALUES (NULL, 'x'), (1, 'x'),"
                   "(NULL, 'x'), (1, 'y'), (1, 'x')",
                   "23505", "row 5 of table \"t\": columns (n, k0) repeat a key, declared unique");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a int) SERVER s",
                   "CREATE TABLE t AS SELECT a FROM generate_series(1, 6) AS a", "23514",
                   "table \"t\" has more rows than were published");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a date) SERVER s", "CREATE TABLE t(a text)", "42804",
                   "column \"a\" of table public.t is of type text at the source and cannot be "
                   "published as date");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a int) SERVER s", "CREATE TABLE t(b int)", "42703",
                   "table public.t of the PostgreSQL source has no column \"a\"");
    expect_refusal(t, "CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (table 'nowhere.t')", "",
                   "42P01", "the PostgreSQL source has no table \"nowhere.t\"");
}

/* What the server promises is not looked for: an index or a CHECK of the right shape. */
static void promises(void **state)
{
    testdata *t = need(state);
    run(t, "CREATE SCHEMA \"Odd one\"; CREATE TABLE \"Odd one\".\"T.1\"("
           "\"A\" int PRIMARY KEY CHECK (\"A\" >= 0 AND \"A\" <= 9), b numeric(6,2) "
           "CHECK (b BETWEEN 0 AND 5));"
           "INSERT INTO \"Odd one\".\"T.1\" VALUES (1, 2.50), (9, NULL)");
    cm_source *source = open_server(t);
    const cm_source_table *table = testdata_table(
        t,
        "CREATE FOREIGN TABLE t (a int OPTIONS (column_name 'A') NOT NULL UNIQUE "
        "CHECK (a BETWEEN 0 AND 10), b numeric(6,2) CHECK (b BETWEEN -1 AND 6)) SERVER s "
        "OPTIONS (table '\"Odd one\".\"T.1\"')",
        10);
    cm_diag diag = {0};
    if (testdata_check(source, table, &diag) != CM_OK) {
        fail_msg("%s", diag.message);
    }
    assert_string_equal(testdata_select(t, source, table, "a, b", "nn"), "1|250\n9|NULL\n");
    cm_source_free(source);
}

static cm_status stop_at_second(void *arg, const cm_value *row)
{
    (void)row;
    int *rows = arg;
    return ++*rows == 2 ? CM_EINVAL : CM_OK;
}

static void expect_query_error(testdata *t, const char *sql, const char *sqlstate,
                               const char *message)
{
    cm_source *source = open_server(t);
    cm_diag diag = {0};
    const bool is_text[1] = {false};
    int rows = -1000;
    assert_int_not_equal(cm_source_query(source, sql, 1, is_text, stop_at_second, &rows, &diag),
                         CM_OK);
    assert_string_equal(diag.message, message);
    assert_string_equal(diag.sqlstate, sqlstate);
    assert_string_equal(diag.detail, "");
    assert_int_equal(cm_source_query(source, "SELECT 1", 1, is_text, stop_at_second, &rows, NULL),
                     CM_EDEAD);
    cm_source_free(source);
}

/* The server's words pass, the rows' do not. */
static void errors(void **state)
{
    testdata *t = need(state);
    run(t, "CREATE FUNCTION leak() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
           "'secret' USING DETAIL = 'secret'; END $$;"
           "CREATE TABLE w(a int)");
    expect_query_error(t, "SELECT 'secret'::int", "22P02",
                       "PostgreSQL source: a value of the data was refused");
    expect_query_error(t, "SELECT leak()", "P0001",
                       "PostgreSQL source: a value of the data was refused");
    expect_query_error(t, "SELECT 1 / (random() * 0)::int", "22012",
                       "PostgreSQL source: division by zero");
    expect_query_error(t, "SELECT a FROM nowhere", "42P01",
                       "PostgreSQL source: relation \"nowhere\" does not exist");
    expect_query_error(t, "DELETE FROM w RETURNING a", "25006",
                       "PostgreSQL source: cannot execute DELETE in a read-only transaction");
    expect_query_error(t, "SELECT 1.5", "22003",
                       "a number of the source is not an integer of at most 38 digits");
    expect_query_error(t, "SELECT 1e38::numeric", "22003",
                       "a number of the source is not an integer of at most 38 digits");
}

static void stopping(void **state)
{
    testdata *t = need(state);
    cm_source *source = open_server(t);
    const bool is_text[1] = {false};
    int rows = 0;
    cm_diag diag = {0};
    assert_int_equal(cm_source_query(source, "SELECT * FROM generate_series(1, 100000000)", 1,
                                     is_text, stop_at_second, &rows, &diag),
                     CM_EINVAL);
    assert_int_equal(rows, 2);
    cm_source_free(source);
}

static void deadlines(void **state)
{
    testdata *t = need(state);
    cm_option option = {"conninfo", conninfo};
    cm_options options = {1, &option};
    cm_source *source = NULL;
    cm_diag diag = {0};
    const bool is_text[1] = {false};
    int rows = 0;
    assert_int_equal(cm_source_open(CM_SOURCE_POSTGRES, &options, t->cache, 200, &source, &diag),
                     CM_OK);
    assert_int_equal(cm_source_query(source, "SELECT 1 FROM pg_sleep(30)", 1, is_text,
                                     stop_at_second, &rows, &diag),
                     CM_ECANCELLED);
    assert_string_equal(diag.sqlstate, CM_SQL_CANCELLED);
    cm_source_free(source);
    option.value = "host=/nonexistent dbname=x";
    cm_diag_reset(&diag);
    assert_int_equal(cm_source_open(CM_SOURCE_POSTGRES, &options, t->cache, 200, &source, &diag),
                     CM_EIO);
    assert_string_equal(diag.sqlstate, CM_SQL_CONNECTION_FAILURE);
}

/* One transaction from the first read to the end. */
static void one_state(void **state)
{
    testdata *t = need(state);
    run(t, "CREATE TABLE o(a int); INSERT INTO o VALUES (1)");
    cm_source *source = open_server(t);
    const cm_source_table *table = testdata_table(t, "CREATE FOREIGN TABLE o (a int) SERVER s", 5);
    assert_int_equal(testdata_check(source, table, NULL), CM_OK);
    run(t, "UPDATE o SET a = 2");
    assert_string_equal(testdata_select(t, source, table, "a", "n"), "1\n");
    cm_source_free(source);
}

static void no_such_schema(void **state)
{
    testdata *t = need(state);
    cm_source *source = open_server(t);
    const cm_imported_table *table = NULL;
    size_t count = 0;
    cm_diag diag = {0};
    assert_int_equal(cm_source_import(source, "none", &t->arena, &table, &count, &diag),
                     CM_ENOTFOUND);
    assert_string_equal(diag.sqlstate, "3F000");
    cm_source_free(source);
}

static void imports(void **state)
{
    testdata *t = need(state);
    run(t, "CREATE SCHEMA imp; CREATE TYPE imp.stage AS ENUM ('II', 'I', 'III');"
           "CREATE TABLE imp.tumours(person varchar(16) PRIMARY KEY, stage imp.stage NOT NULL,"
           " year int CHECK (year BETWEEN 2000 AND 2030), since date CHECK (since >= '2000-01-01'),"
           " cost numeric(10,2), seen timestamptz, ok bool, note text, ratio float8,"
           " raw bytea, doc json, free numeric, \"Org\" char(3));"
           "INSERT INTO imp.tumours(person, stage, note, ratio, free)"
           " VALUES ('p', 'I', 'seven 7', 0.25, 1234.5);"
           "CREATE VIEW imp.people AS SELECT person FROM imp.tumours");
    cm_source *source = open_server(t);
    const cm_imported_table *table = NULL;
    size_t count = 0;
    cm_diag diag = {0};
    cm_status st = cm_source_import(source, "imp", &t->arena, &table, &count, &diag);
    if (st != CM_OK) {
        fail_msg("%s", diag.message);
    }
    assert_int_equal(count, 2);
    assert_string_equal(testdata_describe(t, &table[0]), "people(person varchar(16))");
    assert_string_equal(
        testdata_describe(t, &table[1]),
        "tumours(person varchar(16) not null unique, stage tumours_stage not null, "
        "year int4 2000..2030, since date 2000-01-01.., cost numeric(10,2), seen timestamp, "
        "ok bool, note text, ratio numeric(4,2), free numeric(6,1), org_2 bpchar(3)) "
        "tumours_stage:II,I,III");
    assert_string_equal(table[1].remote, "imp.tumours");
    for (size_t i = 0; i < count; i++) {
        cm_diag_reset(&diag);
        if (testdata_check(source, testdata_published(t, &table[i], 100), &diag) != CM_OK) {
            fail_msg("%s", diag.message);
        }
    }
    cm_source_free(source);
}

/* Stored columns and canonical ones give the same, whatever the types at the server. */
static void runs_fragments(void **state)
{
    static const char *const columns[] = {
        "area text, year int, cost numeric(10,2), fine numeric(9,3), day date, at timestamp,"
        " ok boolean, name varchar(9), part smallint",
        "area varchar(9), year bigint, cost numeric, fine numeric(9,1), day date, at timestamptz,"
        " ok boolean, name text, part numeric",
    };
    testdata *t = need(state);
    for (size_t i = 0; i < CM_COUNT(columns); i++) {
        run(t, cm_arena_printf(&t->arena,
                               "SET timezone = 'UTC'; DROP TABLE IF EXISTS runs;"
                               "CREATE TABLE runs(%s); INSERT INTO runs VALUES %s",
                               columns[i], testruns_values(t)));
        cm_source *source = open_server(t);
        testruns_compare(t, source);
        cm_source_free(source);
    }
}

/* The number of sequential scans of a table: what is remembered is not scanned for. */
static int64_t scans_of(testdata *t, const char *name)
{
    const char *file = cm_arena_printf(&t->arena, "%s/scans", t->dir);
    sh("cd / && sleep 0.1 && %s/psql -q -X -A -t -d '%s' -c \"SELECT seq_scan FROM "
       "pg_stat_user_tables WHERE relname = '%s'\" > '%s'",
       programs, conninfo, name, file);
    FILE *in = fopen(file, "re");
    char line[32] = "";
    assert_non_null(in);
    assert_non_null(fgets(line, sizeof line, in));
    fclose(in);
    return strtoll(line, NULL, 10);
}

static cm_status check_once(testdata *t, const char *ddl, uint64_t rows, cm_diag *diag)
{
    cm_source *source = open_server(t);
    cm_status st = testdata_check(source, testdata_table(t, ddl, rows), diag);
    cm_source_free(source);
    return st;
}

/* A check is repeated when anything was written, or the declaration or the bound is another. */
static void remembers_checks(void **state)
{
    static const char ddl[] =
        "CREATE FOREIGN TABLE once (a int CHECK (a BETWEEN 0 AND 8)) SERVER s";
    testdata *t = need(state);
    cm_diag diag = {0};
    run(t, "CREATE TABLE once(a int) WITH (autovacuum_enabled = off);"
           "INSERT INTO once VALUES (1), (2)");
    assert_int_equal(check_once(t, ddl, 2, &diag), CM_OK);
    int64_t scans = scans_of(t, "once");
    assert_int_equal(check_once(t, ddl, 2, &diag), CM_OK);
    assert_int_equal(scans_of(t, "once"), scans);
    assert_int_equal(check_once(t, ddl, 1, &diag), CM_EINVAL);
    assert_int_equal(
        check_once(t, "CREATE FOREIGN TABLE once (a int CHECK (a BETWEEN 0 AND 1)) SERVER s", 2,
                   &diag),
        CM_EINVAL);
    run(t, "CREATE TABLE elsewhere(a int)");
    scans = scans_of(t, "once");
    assert_int_equal(check_once(t, ddl, 2, &diag), CM_OK);
    assert_true(scans_of(t, "once") > scans);
    run(t, "UPDATE once SET a = 9 WHERE a = 2");
    cm_diag_reset(&diag);
    assert_int_equal(check_once(t, ddl, 2, &diag), CM_EINVAL);
    assert_string_equal(diag.message,
                        "row 2 of table \"once\": column \"a\" has a value outside its declared "
                        "domain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_canonical_values),
        cmocka_unit_test(bad_rows),
        cmocka_unit_test(promises),
        cmocka_unit_test(errors),
        cmocka_unit_test(stopping),
        cmocka_unit_test(deadlines),
        cmocka_unit_test(one_state),
        cmocka_unit_test(runs_fragments),
        cmocka_unit_test(remembers_checks),
        cmocka_unit_test(imports),
        cmocka_unit_test(no_such_schema),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
