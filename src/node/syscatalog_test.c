/* What psql and drivers ask about the node itself. */
#include "node/session_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/syscatalog_int.h"

static int set_up(void **state)
{
    world *w = world_new(getenv("COMITY_JOB"));
    char sql[300];
    talk *t = talk_new(w, 0, "admin");
    FILE *file;
    write_rows(w, 0, "unused", "");
    snprintf(sql, sizeof sql, "%s/data/visits.csv", w->dir[0]);
    file = fopen(sql, "w");
    assert_non_null(file);
    fprintf(file, "person,region,year,cost\na,north,2001,1.50\nb,south,2002,\n");
    fclose(file);
    snprintf(sql, sizeof sql,
             "CREATE SERVER files FOREIGN DATA WRAPPER csv OPTIONS (directory '%s/data')",
             w->dir[0]);
    expect_said(say(t, sql), "CREATE SERVER\n");
    expect_said(
        say(t,
            "CREATE TYPE region AS ENUM ('north', 'south');"
            "CREATE FOREIGN TABLE visits (person varchar(16) PRIMARY KEY, region region NOT NULL,"
            " year int CHECK (year BETWEEN 2000 AND 2030), cost numeric(10,2), UNIQUE (year, "
            "region))"
            " SERVER files"
            " OPTIONS (table 'visits.csv');"
            "SECURITY LABEL FOR comity ON COLUMN visits.cost IS 'aggregate min 10';"
            "GRANT SELECT ON visits TO PUBLIC"),
        "CREATE TYPE\nCREATE FOREIGN TABLE\nSECURITY LABEL\nGRANT\n");
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    talk *t = *state;
    world *w = t->w;
    talk_free(t);
    world_free(w);
    return 0;
}

static void values_need_no_table(void **state)
{
    talk *t = *state;
    expect_said(say(t, "SELECT 1"), "?column?:23\n1\nSELECT 1\n");
    expect_said(
        say(t, "SELECT 1 AS a, 'x' b, true, NULL, 1.5, 2 + 3, 'a' || 'b', 1 < 2"),
        "a:23|b:25|?column?:16|?column?:25|?column?:1700|?column?:23|?column?:25|?column?:16\n"
        "1|x|t|NULL|1.5|5|ab|t\nSELECT 1\n");
    expect_said(say(t, "SELECT current_user, current_schema(), current_database(), session_user"),
                "current_user:19|current_schema:19|current_database:19|session_user:19\n"
                "admin|public|north|admin\nSELECT 1\n");
    expect_said(say(t, "SELECT version()"), "version:25\nPostgreSQL 15.0 (Comity ...\nSELECT 1\n");
    expect_said(
        say(t, "SELECT current_setting('server_version_num'), current_setting('x.y', true)"),
        "current_setting:25|current_setting:25\n150000|NULL\nSELECT 1\n");
    expect_said(say(t, "SELECT current_setting('x.y')"), "current_setting:25\nERROR ...\n");
    expect_said(say(t, "SELECT set_config('application_name', 'z', false)"),
                "set_config:25\nSETTING application_name=z\nz\nSELECT 1\n");
    expect_said(say(t, "SELECT CASE WHEN 1 = 1 THEN 'yes' ELSE 'no' END, '5'::int, 5::text, "
                       "CAST('6' AS bigint)"),
                "case:25|int4:23|text:25|int8:20\nyes|5|5|6\nSELECT 1\n");
    expect_said(say(t, "SELECT E'a\\nb', 'it''s', $$x$$, -7, (SELECT 3), ARRAY['a','b c'], "
                       "(current_schemas(true))[1]"),
                "...\n...\nb|it's|x|-7|3|{a,\"b c\"}|pg_catalog\nSELECT 1\n");
    expect_said(say(t, "SELECT 'abc' LIKE 'A%', 'abc' ILIKE 'A_C', 'a_c' LIKE 'a\\_c', 'abc' LIKE "
                       "'a\\_c', 'abc' ~ '^a.c$', 'ABC' ~* 'b', 'abc' !~ 'z'"),
                "...\nf|t|t|f|t|t|t\nSELECT 1\n");
    expect_said(say(t, "SELECT 2 = ANY ('{1,2}'), 3 <> ALL ('{1,2}'), 'a' IN ('a', 'b'), "
                       "array_to_string('{a,NULL,b}', ','), substring('abcdef' from 2 for 3), "
                       "left('abc', 2), right('abc', 2), trim(both 'x' from 'xax')"),
                "...\nt|t|t|a,b|bcd|ab|bc|a\nSELECT 1\n");
    expect_said(say(t, "SELECT n FROM generate_series(1, 3) n ORDER BY n DESC LIMIT 2"),
                "n:25\n3\n2\nSELECT 2\n");
    expect_said(say(t, "VALUES (1, 'a'), (2, 'b')"), "...\n1|a\n2|b\nSELECT 2\n");
    expect_said(say(t, "SELECT x, y FROM (VALUES (1, 'a'), (2, 'b')) AS v(x, y) WHERE x = 2"),
                "...\n2|b\nSELECT 1\n");
}

static void mistakes_have_their_class(void **state)
{
    talk *t = *state;
    expect_said(say(t, "SELECT nosuch(1)"), "ERROR 42883 ...\n");
    expect_said(say(t, "SELECT nosuch FROM pg_class"), "ERROR 42703 ...\n");
    expect_said(say(t, "SELECT 1 FROM pg_nosuch"), "ERROR 42P01 ...\n");
    expect_said(say(t, "SELECT \"nosuch\" FROM pg_class"), "ERROR 42703 ...\n");
    expect_said(say(t, "SELECT DISTINCT ON (oid) oid FROM pg_class"), "ERROR 0A000 ...\n");
    expect_said(say(t, "SELECT 'a' ~ '(a{9}){9}'"), "...\nERROR 22023 ...\n");
    expect_said(say(t, "SELECT 'a' ~ '('"), "...\nERROR 22023 ...\n");
    expect_said(say(t, "SELECT count(*) FROM generate_series(1, 1000000)"), "...\nERROR ...\n");
    /* Binary forms rely on the column's type. */
    expect_said(say(t, "SELECT 99999999999::int, version()"),
                "int4:23|version:...\nERROR 22003 ...\n");
    expect_said(say(t, "SELECT 9e300, version()"), "?column?:1700|version:...\nERROR 22003 ...\n");
    expect_said(say(t, "SELECT coalesce(true, 'x'), coalesce(NULL, true)"), "ERROR 22P02 ...\n");
    /* Nothing but reading: what would write is no function here. */
    expect_said(say(t, "SELECT load_extension('x')"), "ERROR ...\n");
    expect_said(say(t, "SELECT writefile('x', 'y')"), "ERROR 42883 ...\n");
    expect_said(say(t, "SELECT count(*) FROM pg_class a, pg_attribute b, pg_attribute c, "
                       "pg_settings d, pg_settings e, pg_settings f, pg_settings g"),
                "...\nERROR 57014 ...\n");
    expect_said(say(t, "SELECT 1"), "?column?:23\n1\nSELECT 1\n");
}

static void parameters_are_bound(void **state)
{
    talk *t = *state;
    const char *const params[] = {"25", "text"};
    expect_said(say_with(t, "SELECT typname FROM pg_type WHERE oid = $1 AND typname = $2", params),
                "(25,25) typname:19\ntypname:19\ntext\nSELECT 1\n");
}

static void tables_are_shown(void **state)
{
    talk *t = *state;
    expect_said(say(t, "SELECT table_schema, table_name FROM information_schema.tables WHERE "
                       "table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"),
                "table_schema:19|table_name:19\nnorth|visits\npublic|visits\nSELECT 2\n");
    expect_said(say(t,
                    "SELECT column_name, data_type, is_nullable, numeric_precision, numeric_scale"
                    " FROM information_schema.columns c WHERE table_schema = 'public' ORDER BY "
                    "ordinal_position"),
                "...\nperson|character varying|NO|NULL|NULL\nregion|USER-DEFINED|NO|NULL|NULL\n"
                "year|integer|YES|32|0\ncost|numeric|YES|10|2\nSELECT 4\n");
    expect_said(say(t, "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
                       "col_description(a.attrelid, a.attnum) FROM pg_attribute a WHERE a.attrelid "
                       "= 'visits'::regclass ORDER BY attnum"),
                "attname:19|format_type:25|attnotnull:16|col_description:25\n"
                "person|character varying(16)|t|label private\nregion|region|t|label private\n"
                "year|integer|f|label private, 2000 to 2030\n"
                "cost|numeric(10,2)|f|label aggregate min 10\nSELECT 4\n");
    expect_said(say(t, "SELECT c.oid::regclass, relacl FROM pg_class c WHERE relname = 'visits' "
                       "ORDER BY 1"),
                "oid:25|relacl:25\nnorth.visits|{=r/north}\nvisits|{=r/north}\nSELECT 2\n");
    expect_said(say(t,
                    "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid "
                    "= 'north.visits'::regclass ORDER BY 1"),
                "...\nvisits_pkey|PRIMARY KEY (person)\n"
                "visits_year_check|CHECK (year >= 2000 AND year <= 2030)\n"
                "visits_year_region_key|UNIQUE (year, region)\nSELECT 3\n");
    expect_said(say(t, "SELECT enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN "
                       "pg_namespace n ON n.oid = t.typnamespace WHERE typname = 'region' AND "
                       "nspname = 'north' ORDER BY enumsortorder"),
                "enumlabel:19\nnorth\nsouth\nSELECT 2\n");
    expect_said(say(t, "SELECT objname, label FROM pg_seclabels WHERE objname LIKE '%.cost' ORDER "
                       "BY 1"),
                "...\nnorth.visits.cost|aggregate min 10\npublic.visits.cost|aggregate min 10\n"
                "SELECT 2\n");
    expect_said(say(t, "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname = 'admin'"),
                "rolname:19|rolcanlogin:16\nadmin|t\nSELECT 1\n");
}

/* Statements of a file in tests/catalog, each ended by a line with a semicolon alone. */
static void run_file(talk *t, const char *path)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    char line[20000], oid[32], whole[300];
    size_t statements = 0;
    const char *found = say(t, "SELECT 'north.visits'::regclass::oid AS n");
    (void)snprintf(oid, sizeof oid, "%ld", strtol(strchr(found, '\n') + 1, NULL, 10));
    (void)snprintf(whole, sizeof whole, "%s/%s", CATALOG_DIR, path);
    FILE *file = fopen(whole, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strcmp(line, ";\n") == 0) {
            const char *const params[] = {"16"};
            const char *text = cm_buf_text(&sql);
            const char *said =
                strstr(text, "$1") != NULL ? say_with(t, text, params) : say(t, text);
            if (strstr(said, "ERROR ") != NULL || strstr(said, "SELECT ") == NULL) {
                fail_msg("%s\ngave\n%s", cm_buf_text(&sql), said);
            }
            cm_buf_clear(&sql);
            statements++;
            continue;
        }
        for (char *at = strstr(line, "@OID@"); at != NULL; at = strstr(line, "@OID@")) {
            size_t tail = strlen(at + 5) + 1;
            size_t bytes = strlen(oid);
            memmove(at + bytes, at + 5, tail);
            memcpy(at, oid, bytes);
        }
        cm_buf_put(&sql, line, strlen(line));
    }
    fclose(file);
    assert_true(statements > 10);
}

static void psql_is_answered(void **state)
{
    run_file(*state, "psql-15.sql");
}

static void jdbc_is_answered(void **state)
{
    run_file(*state, "jdbc-42.5.sql");
}

static void tools_are_answered(void **state)
{
    run_file(*state, "tools.sql");
}

/* Every prefix of a query, and a query with every token doubled, is answered or refused. */
static void rewriting_never_breaks(void **state)
{
    static const char query[] =
        "SELECT c.oid::pg_catalog.regclass, CASE c.relkind WHEN 'r' THEN E'a\\n' END AS x, "
        "ARRAY(SELECT b.a[1] FROM pg_type b(x)) FROM pg_class c LEFT JOIN LATERAL unnest(c.d) AS "
        "u(v) ON c.a OPERATOR(pg_catalog.~) '^(x)$' COLLATE pg_catalog.default WHERE a = ANY "
        "(SELECT 1) AND (information_schema._pg_expandarray(i.k)).n IS NOT DISTINCT FROM 1 AND "
        "substring(x from 1 for 2) <> ALL ('{a}'::text[]) ORDER BY 1 NULLS FIRST LIMIT ALL OFFSET "
        "1";
    cm_arena arena = {0};
    (void)state;
    assert_int_equal(cm_arena_init(&arena, 64 << 20), CM_OK);
    for (size_t bytes = 0; bytes <= strlen(query); bytes++) {
        cm_system_sql out;
        cm_diag diag = {0};
        cm_arena_reset(&arena);
        cm_status st =
            cm_system_rewrite(cm_arena_strndup(&arena, query, bytes), &arena, &out, &diag);
        assert_true(st == CM_OK || strcmp(diag.sqlstate, "0A000") == 0);
        cm_diag_reset(&diag);
        st = cm_system_rewrite(query + bytes, &arena, &out, &diag);
        assert_true(st == CM_OK || strcmp(diag.sqlstate, "0A000") == 0);
    }
    cm_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_need_no_table), cmocka_unit_test(mistakes_have_their_class),
        cmocka_unit_test(parameters_are_bound), cmocka_unit_test(tables_are_shown),
        cmocka_unit_test(psql_is_answered),     cmocka_unit_test(jdbc_is_answered),
        cmocka_unit_test(tools_are_answered),   cmocka_unit_test(rewriting_never_breaks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
