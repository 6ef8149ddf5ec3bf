/* Statements of one session: settings, transactions, prepared statements, queries of a federation.
 */
#include "node/session_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct scene {
    world *w;
    talk *asks; /* at the organisation without data */
    talk *owns;
} scene;

static int set_up(void **state)
{
    scene *s = calloc(1, sizeof *s);
    s->w = world_new(getenv("COMITY_JOB"));
    write_rows(s->w, 0, "visits", "1,10\n2,20\n3,\n");
    write_rows(s->w, 1, "visits", "3,30\n4,40\n");
    publish(s->w, 0, "visits");
    publish(s->w, 1, "visits");
    found(s->w);
    run_until(s->w, all_see_two_tables, NULL);
    s->asks = talk_new(s->w, 3, "admin");
    s->owns = talk_new(s->w, 0, "admin");
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    scene *s = *state;
    talk_free(s->asks);
    talk_free(s->owns);
    world_free(s->w);
    free(s);
    return 0;
}

static void settings_are_checked(void **state)
{
    talk *t = ((scene *)*state)->asks;
    expect_said(say(t, "SET application_name = 'psql'"), "SETTING application_name=psql\nSET\n");
    expect_said(say(t, "SHOW application_name"), "application_name:25\npsql\nSHOW\n");
    expect_said(say(t, "RESET application_name"), "SETTING application_name=\nRESET\n");
    expect_said(say(t, "SET extra_float_digits = 3"), "SET\n");
    expect_said(say(t, "SET client_encoding TO 'UTF8'"), "SETTING client_encoding=UTF8\nSET\n");
    expect_said(say(t, "SET client_encoding TO 'LATIN1'"), "ERROR 0A000 ...\n");
    expect_said(say(t, "SET datestyle TO ISO"), "SETTING DateStyle=ISO, MDY\nSET\n");
    expect_said(say(t, "SET TimeZone TO 'Europe/Berlin'"), "SETTING TimeZone=Europe/Berlin\nSET\n");
    expect_said(say(t, "SET server_version = '9'"), "ERROR 55P02 ...\n");
    expect_said(say(t, "SET search_path = north"), "ERROR 0A000 ...\n");
    expect_said(say(t, "SET statement_timeout = '5s'; SET statement_timeout = 0"), "SET\nSET\n");
    expect_said(say(t, "SET statement_timeout = 'soon'"), "ERROR 22023 ...\n");
    expect_said(say(t, "SET comity.pushdown = maybe"), "ERROR 22023 ...\n");
    expect_said(say(t, "SET comity.domain_max = 64; RESET comity.domain_max"), "SET\nRESET\n");
    expect_said(say(t, "SET comity.domain_max = -1"), "ERROR 22023 ...\n");
    expect_said(say(t, "SET nothing.such = 1"), "ERROR 42704 ...\n");
    expect_said(say(t, "SHOW nothing"), "ERROR 42704 ...\n");
    expect_said(say(t, "SHOW TRANSACTION ISOLATION LEVEL"),
                "transaction_isolation:25\nread committed\nSHOW\n");
    expect_said(say(t, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"), "SET\n");
    expect_said(
        say(t, "RESET ALL"),
        "SETTING client_encoding=UTF8\nSETTING DateStyle=ISO, MDY\nSETTING TimeZone=UTC\nRESET\n");
}

static void the_nodes_settings_are_durable(void **state)
{
    talk *t = ((scene *)*state)->asks;
    expect_said(say(t, "SHOW comity.job_limit"), "comity.job_limit:25\n8\nSHOW\n");
    expect_said(say(t, "SET comity.job_limit = 9; SHOW comity.job_limit"),
                "SET\ncomity.job_limit:25\n9\nSHOW\n");
    expect_said(say(t, "SET comity.job_limit = 0"), "ERROR 22023 ...\n");
    expect_said(say(t, "BEGIN; SET comity.job_limit = 7; ROLLBACK"),
                "BEGIN\nERROR 25001 ...\nROLLBACK\n");
    expect_said(say(t, "RESET comity.job_limit; SHOW comity.job_limit"),
                "RESET\ncomity.job_limit:25\n8\nSHOW\n");
}

static void transactions_are_accepted(void **state)
{
    talk *t = ((scene *)*state)->asks;
    expect_said(say(t, "BEGIN READ ONLY; SELECT 1; COMMIT"),
                "BEGIN\n?column?:23\n1\nSELECT 1\nCOMMIT\n");
    expect_said(say(t, "BEGIN; BEGIN"),
                "BEGIN\nNOTICE there is already a transaction in progress\nBEGIN\n");
    assert_int_equal(cm_session_transaction_state(t->session), 'T');
    expect_said(say(t, "SELECT nosuch(1)"), "ERROR 42883 ...\n");
    assert_int_equal(cm_session_transaction_state(t->session), 'E');
    expect_said(say(t, "SELECT 1"), "ERROR 25P02 ...\n");
    expect_said(say(t, "COMMIT"), "ROLLBACK\n");
    assert_int_equal(cm_session_transaction_state(t->session), 'I');
    expect_said(say(t, "ROLLBACK"), "NOTICE there is no transaction in progress\nROLLBACK\n");
    expect_said(say(t, "BEGIN; SET application_name = 'x'; ROLLBACK"),
                "BEGIN\nSETTING application_name=x\nSET\nSETTING application_name=\nROLLBACK\n");
    expect_said(say(t, "BEGIN; SET LOCAL application_name = 'x'; COMMIT"),
                "BEGIN\nSETTING application_name=x\nSET\nSETTING application_name=\nCOMMIT\n");
    expect_said(
        say(t, "BEGIN; SET work_mem = '1MB'; SET LOCAL work_mem = '2MB'; COMMIT; SHOW work_mem"),
        "BEGIN\nSET\nSET\nCOMMIT\nwork_mem:25\n1MB\nSHOW\n");
    expect_said(say(t,
                    "BEGIN; SET LOCAL work_mem = '2MB'; SET LOCAL work_mem = '3MB'; COMMIT; SHOW "
                    "work_mem"),
                "BEGIN\nSET\nSET\nCOMMIT\nwork_mem:25\n1MB\nSHOW\n");
    expect_said(
        say(t, "BEGIN; SET LOCAL work_mem = '2MB'; SET work_mem = '5MB'; COMMIT; SHOW work_mem"),
        "BEGIN\nSET\nSET\nCOMMIT\nwork_mem:25\n5MB\nSHOW\n");
    expect_said(say(t, "RESET work_mem; SET LOCAL work_mem = '3MB'; SHOW work_mem"),
                "RESET\nNOTICE SET LOCAL can only be used in transaction blocks\nSET\n"
                "work_mem:25\n4MB\nSHOW\n");
    expect_said(say(t,
                    "SET work_mem = '1MB'; BEGIN; SET LOCAL work_mem = '2MB'; RESET ALL; COMMIT; "
                    "SHOW work_mem"),
                "SET\nBEGIN\nSET\nRESET\nCOMMIT\nwork_mem:25\n4MB\nSHOW\n");
    expect_said(say(t, "SET work_mem = '1MB'; BEGIN; SET LOCAL work_mem = '2MB'; RESET ALL; "
                       "ROLLBACK; SHOW work_mem; RESET work_mem"),
                "SET\nBEGIN\nSET\nRESET\nROLLBACK\nwork_mem:25\n1MB\nSHOW\nRESET\n");
    expect_said(say(t, "BEGIN; CREATE TYPE mood AS ENUM ('a'); ROLLBACK"),
                "BEGIN\nERROR 25001 ...\nROLLBACK\n");
}

static void savepoints_are_kept(void **state)
{
    talk *t = ((scene *)*state)->asks;
    expect_said(say(t, "SAVEPOINT a"), "ERROR 25P01 ...\n");
    expect_said(say(t, "BEGIN; SAVEPOINT a; SET application_name = 'x'; SAVEPOINT b; SELECT 1 / 0"),
                "BEGIN\nSAVEPOINT\nSETTING application_name=x\nSET\nSAVEPOINT\nERROR 22012 ...\n");
    expect_said(say(t, "SELECT 1"), "ERROR 25P02 ...\n");
    expect_said(say(t, "ROLLBACK TO b; SELECT 1; ROLLBACK TO a"),
                "ROLLBACK\n?column?:23\n1\nSELECT 1\nSETTING application_name=\nROLLBACK\n");
    expect_said(say(t, "RELEASE a; RELEASE a"), "RELEASE\nERROR 3B001 ...\n");
    expect_said(say(t, "COMMIT"), "ROLLBACK\n");
}

/* SET LOCAL's share of the settings comes and goes with savepoints like the rest. */
static void savepoints_keep_local_settings(void **state)
{
    talk *t = ((scene *)*state)->asks;
    expect_said(say(t, "BEGIN; SAVEPOINT a; SET work_mem = '1MB'; SET LOCAL work_mem = '2MB'; "
                       "ROLLBACK TO a; COMMIT; SHOW work_mem"),
                "BEGIN\nSAVEPOINT\nSET\nSET\nROLLBACK\nCOMMIT\nwork_mem:25\n4MB\nSHOW\n");
    expect_said(say(t, "BEGIN; SET LOCAL work_mem = '2MB'; SAVEPOINT a; SET work_mem = '5MB'; "
                       "ROLLBACK TO a; SHOW work_mem; COMMIT; SHOW work_mem"),
                "BEGIN\nSET\nSAVEPOINT\nSET\nROLLBACK\nwork_mem:25\n2MB\nSHOW\nCOMMIT\n"
                "work_mem:25\n4MB\nSHOW\n");
    expect_said(say(t, "BEGIN; SAVEPOINT a; SET LOCAL work_mem = '2MB'; RELEASE a; SHOW work_mem; "
                       "COMMIT; SHOW work_mem"),
                "BEGIN\nSAVEPOINT\nSET\nRELEASE\nwork_mem:25\n2MB\nSHOW\nCOMMIT\n"
                "work_mem:25\n4MB\nSHOW\n");
    expect_said(say(t, "BEGIN; SET LOCAL application_name = 'x'; SAVEPOINT a; ROLLBACK; SHOW "
                       "application_name"),
                "BEGIN\nSETTING application_name=x\nSET\nSAVEPOINT\n"
                "SETTING application_name=\nROLLBACK\napplication_name:25\n\nSHOW\n");
}

static void cursors_walk_answers(void **state)
{
    scene *s = *state;
    talk *t = s->asks;
    expect_said(say(t, "DECLARE c CURSOR FOR SELECT 1"), "ERROR 25P01 ...\n");
    expect_said(say(t, "BEGIN; DECLARE c CURSOR FOR VALUES (1), (2), (3); FETCH 2 FROM c"),
                "BEGIN\nDECLARE CURSOR\ncolumn1:23\n1\n2\nFETCH 2\n");
    expect_said(say(t, "FETCH ALL FROM c; FETCH c; FETCH PRIOR FROM c; MOVE BACKWARD ALL IN c"),
                "column1:23\n3\nFETCH 1\ncolumn1:23\nFETCH 0\ncolumn1:23\n3\nFETCH 1\nMOVE 2\n");
    expect_said(
        say(t, "FETCH ABSOLUTE -1 FROM c; FETCH RELATIVE -1 FROM c; FETCH FORWARD 0 FROM c"),
        "column1:23\n3\nFETCH 1\ncolumn1:23\n2\nFETCH 1\ncolumn1:23\n2\nFETCH 1\n");
    expect_said(say(t, "FETCH ABSOLUTE 9 FROM c; FETCH ABSOLUTE 0 FROM c; CLOSE c; FETCH c"),
                "column1:23\nFETCH 0\ncolumn1:23\nFETCH 0\nCLOSE CURSOR\nERROR 34000 ...\n");
    expect_said(say(t, "ROLLBACK"), "ROLLBACK\n");
    expect_said(say(t, "BEGIN; DECLARE n NO SCROLL CURSOR FOR SELECT 1; FETCH n; FETCH PRIOR n"),
                "BEGIN\nDECLARE CURSOR\n?column?:23\n1\nFETCH 1\nERROR 55000 ...\n");
    expect_said(say(t,
                    "ROLLBACK; BEGIN; SAVEPOINT a; DECLARE c CURSOR FOR SELECT 1; ROLLBACK TO a; "
                    "FETCH c"),
                "ROLLBACK\nBEGIN\nSAVEPOINT\nDECLARE CURSOR\nROLLBACK\nERROR 34000 ...\n");
    expect_said(say(t, "ROLLBACK; BEGIN; SAVEPOINT a; DECLARE c CURSOR FOR SELECT 1; RELEASE a; "
                       "SAVEPOINT b; ROLLBACK TO b; FETCH c"),
                "ROLLBACK\nBEGIN\nSAVEPOINT\nDECLARE CURSOR\nRELEASE\nSAVEPOINT\nROLLBACK\n"
                "?column?:23\n1\nFETCH 1\n");
    expect_said(say(t, "ROLLBACK; BEGIN; SAVEPOINT a; SAVEPOINT b; DECLARE c CURSOR FOR SELECT 1; "
                       "RELEASE b; ROLLBACK TO a; FETCH c"),
                "ROLLBACK\nBEGIN\nSAVEPOINT\nSAVEPOINT\nDECLARE CURSOR\nRELEASE\nROLLBACK\n"
                "ERROR 34000 ...\n");
    expect_said(say(t,
                    "ROLLBACK; BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT count(*) FROM visits; "
                    "DECLARE c CURSOR FOR SELECT 1; COMMIT; FETCH h; FETCH c"),
                "ROLLBACK\nBEGIN\nDECLARE CURSOR\nDECLARE CURSOR\nCOMMIT\ncount:20\n5\nFETCH 1\n"
                "ERROR 34000 ...\n");
    expect_said(say(t, "DECLARE x CURSOR WITH HOLD FOR SELECT cost FROM visits"),
                "ERROR 42501 ...\n");
    expect_said(say(t, "FETCH x"), "ERROR 34000 ...\n");
    expect_said(say(t, "DISCARD ALL; FETCH h"), "DISCARD ALL\nERROR 34000 ...\n");
}

static void time_stands_in_a_block(void **state)
{
    talk *t = ((scene *)*state)->asks;
    expect_said(say(t, "SELECT current_date - now()::date, now() = localtimestamp, "
                       "current_date > date '2025-01-01' FROM (VALUES (1)) v"),
                "?column?:23|?column?:16|?column?:16\n0|t|t\nSELECT 1\n");
    expect_said(say(t, "SELECT count(*) FROM visits WHERE current_date >= date '2025-01-01'"),
                "count:20\n5\nSELECT 1\n");
    expect_said(say(t, "SELECT current_date, now() WHERE false"),
                "current_date:1082|now:1114\nSELECT 0\n");
}

static void answers_are_copied(void **state)
{
    talk *t = ((scene *)*state)->asks;
    expect_said(say(t, "COPY (SELECT count(*), sum(cost) FROM visits) TO STDOUT"),
                "COPY of 2\n5\t100\nCOPY 1\n");
    expect_said(say(t, "COPY (VALUES (1, E'a\\tb\\\\'), (NULL, '')) TO STDOUT"),
                "COPY of 2\n1\ta\\tb\\\\\n\\N\t\nCOPY 2\n");
    expect_said(say(t, "COPY (SELECT 1 AS a, 'x,\"y\"' AS \"b c\", NULL, '') TO STDOUT "
                       "(FORMAT csv, HEADER)"),
                "COPY of 4\na,b c,?column?,?column?\n1,\"x,\"\"y\"\"\",,\"\"\nCOPY 1\n");
    expect_said(say(t, "COPY (SELECT 1, 'a') TO STDOUT CSV DELIMITER ';' FORCE QUOTE *"),
                "COPY of 2\n\"1\";\"a\"\nCOPY 1\n");
    expect_said(say(t, "COPY (SELECT 1 WHERE false) TO STDOUT"), "COPY of 1\nCOPY 0\n");
    expect_said(say(t, "COPY visits (cost) TO STDOUT"), "ERROR 42501 ...\n");
    expect_said(say(t, "COPY (SELECT 1 / 0) TO STDOUT"), "ERROR 22012 ...\n");
    expect_said(say(t, "COPY visits FROM STDIN"), "ERROR 0A000 ...\n");
    expect_said(say(t, "COPY visits TO '/tmp/x'"), "ERROR 0A000 ...\n");
}

static void queries_are_jobs(void **state)
{
    scene *s = *state;
    talk *t = s->asks;
    expect_said(say(t, "SELECT count(*), sum(cost) AS cost FROM visits"),
                "count:20|cost:20\n5|100\nSELECT 1\n");
    expect_said(say(t, "SET comity.timing = on; SELECT count(*) FROM visits; RESET ALL"),
                "SET\ncount:20\n5\nNOTICE ...\nSELECT 1\nRESET\n");
    expect_said(say(s->owns, "SELECT count(*) FROM north.visits"), "count:20\n3\nSELECT 1\n");
    expect_said(say(t, "SELECT count(*) FROM nowhere"), "ERROR 42P01 ...\n");
    expect_said(say(t, "SELECT cost FROM visits"), "ERROR 42501 ...\n");
    expect_said(say(t, "BEGIN; SELECT cost FROM visits; ROLLBACK"),
                "BEGIN\nERROR 42501 ...\nROLLBACK\n");
    /* A query of no rows has columns. */
    expect_said(say(t, "SELECT count(*) AS n FROM visits HAVING count(*) > 100"),
                "n:20\nSELECT 0\n");
}

/* What reads no table has the types, digits and errors of what does. */
static void constants_are_computed(void **state)
{
    talk *t = ((scene *)*state)->asks;
    const char *const params[] = {"7", "2"};
    expect_said(say(t, "SELECT div(7, 2), round(2.5), 7 / 2.0, 2.5::int"),
                "div:1700|round:1700|?column?:1700|int4:23\n3|3|3.5000000000000000|3\nSELECT 1\n");
    expect_said(say(t, "SELECT date '2024-02-29' + interval '1 year', 1 WHERE true"),
                "?column?:1114|?column?:23\n2025-02-28 00:00:00|1\nSELECT 1\n");
    expect_said(say(t, "VALUES (1) UNION VALUES (2) ORDER BY 1 DESC"),
                "column1:23\n2\n1\nSELECT 2\n");
    expect_said(say(t, "SELECT 1 WHERE false"), "?column?:23\nSELECT 0\n");
    expect_said(say(t, "SELECT upper(x), sum(length(x)) OVER () FROM (VALUES ('a'), ('bc')) v (x) "
                       "ORDER BY 1"),
                "upper:25|sum:20\nA|3\nBC|3\nSELECT 2\n");
    expect_said(
        say(t, "SELECT (SELECT 5), EXISTS (SELECT 1), 3 IN (SELECT 3) WHERE 1 IN (SELECT 1)"),
        "?column?:23|exists:16|?column?:16\n5|t|t\nSELECT 1\n");
    expect_said(say(t, "SELECT (SELECT 1 UNION ALL SELECT 2)"), "ERROR 21000 ...\n");
    expect_said(say(t, "SELECT 1 / 0"), "ERROR 22012 ...\n");
    expect_said(say(t, "SELECT 2147483647 + 1"), "ERROR 22003 ...\n");
    expect_said(say(t, "SELECT 'x'::int"), "ERROR 22P02 ...\n");
    expect_said(say(t, "SELECT to_char(1, '9')"), "ERROR 0A000 ...\n");
    expect_said(say(t, "SELECT 1 + nosuch(2)"), "ERROR 42883 ...\n");
    expect_said(say_with(t, "SELECT $1::int / $2", params),
                "(23,23) ?column?:23\n?column?:23\n3\nSELECT 1\n");
    assert_non_null(strstr(say(t, "EXPLAIN ANALYZE SELECT 1"), "1 rows"));
    expect_said(say(t, "PREPARE c AS SELECT $1 + 1; EXECUTE c(2); DEALLOCATE c"),
                "PREPARE\n?column?:23\n3\nSELECT 1\nDEALLOCATE\n");
}

static void parameters_are_described(void **state)
{
    talk *t = ((scene *)*state)->asks;
    const char *const number[] = {"15"};
    const char *const null[] = {NULL};
    const char *const text[] = {"x"};
    expect_said(say_with(t, "SELECT count(*) FROM visits WHERE cost > $1", number),
                "(23) count:20\ncount:20\n3\nSELECT 1\n");
    expect_said(say_with(t, "SELECT count(*) FROM visits WHERE cost > $1", null),
                "(23) count:20\ncount:20\n0\nSELECT 1\n");
    expect_said(say_with(t, "SELECT count(*) FROM visits WHERE cost > $1", text),
                "(23) count:20\nERROR 22P02 ...\n");
    expect_said(say_with(t, "SELECT $1", text), "(25) ?column?:25\n?column?:25\nx\nSELECT 1\n");
    const char *all = say_with(t, "SHOW all", NULL);
    assert_non_null(strstr(all, "() name:25|setting:25|description:25\n"));
    assert_non_null(strstr(all, "\ncomity.job_limit|8|"));
}

static void statements_are_prepared_by_name(void **state)
{
    talk *t = ((scene *)*state)->asks;
    expect_said(say(t, "PREPARE p AS SELECT count(*) FROM visits WHERE cost > $1"), "PREPARE\n");
    expect_said(say(t, "PREPARE p AS SELECT 1"), "ERROR 42P05 ...\n");
    expect_said(say(t, "EXECUTE p(15)"), "count:20\n3\nSELECT 1\n");
    expect_said(say(t, "EXECUTE p"), "ERROR 42601 ...\n");
    expect_said(say(t, "DEALLOCATE p; EXECUTE p(1)"), "DEALLOCATE\nERROR 26000 ...\n");
    expect_said(say(t, "DEALLOCATE p"), "ERROR 26000 ...\n");
    expect_said(say(t, "PREPARE q AS SELECT 1 AS one; EXECUTE q; DISCARD ALL; EXECUTE q"),
                "PREPARE\none:23\n1\nSELECT 1\nDISCARD ALL\nERROR 26000 ...\n");
}

static void plans_are_explained(void **state)
{
    talk *t = ((scene *)*state)->asks;
    const char *plan = say(t, "EXPLAIN SELECT sum(cost) FROM visits");
    assert_non_null(strstr(plan, "QUERY PLAN:25\n"));
    assert_non_null(strstr(plan, "Disclosure"));
    assert_non_null(strstr(plan, "\nEXPLAIN\n"));
    plan = say(t, "EXPLAIN (FORMAT JSON) SELECT sum(cost) FROM visits");
    assert_non_null(strstr(plan, "QUERY PLAN:114\n[{\n  \"Plan\": {\n"));
    assert_non_null(strstr(plan, "\n}]\nEXPLAIN\n"));
    plan = say(t, "PREPARE p AS SELECT count(*) FROM visits WHERE cost > $1; EXPLAIN EXECUTE p(5)");
    assert_non_null(strstr(plan, "Disclosure"));
    expect_said(say(t, "EXPLAIN EXECUTE p(5, 6)"), "ERROR 42601 ...\n");
    plan = say(t, "EXPLAIN CREATE MATERIALIZED VIEW kept AS SELECT count(*) FROM visits");
    assert_non_null(strstr(plan, "Store"));
    expect_said(say(t, "REFRESH MATERIALIZED VIEW kept"), "ERROR 42P01 ...\n");
    plan = say(t, "EXPLAIN ANALYZE SELECT sum(cost) FROM visits");
    assert_non_null(strstr(plan, "Measured: "));
    expect_said(say(t, "EXPLAIN SELECT cost FROM visits"), "ERROR 42501 ...\n");
}

static void a_query_is_cancelled(void **state)
{
    scene *s = *state;
    cm_session_cancel(s->asks->session); /* nothing runs */
    say_only(s->asks, "SELECT count(*) FROM visits");
    cm_session_cancel(s->asks->session);
    expect_said(heard(s->asks), "ERROR 57014 ...\n");
    expect_said(say(s->asks, "SELECT count(*) FROM visits"), "count:20\n5\nSELECT 1\n");
    /* A session that goes while its query runs. */
    talk *gone = talk_new(s->w, 3, "admin");
    say_only(gone, "SELECT count(*) FROM visits");
    talk_free(gone);
    run_for(s->w, 100);
}

static void sessions_are_counted(void **state)
{
    scene *s = *state;
    cm_session *third = NULL;
    cm_diag diag = {0};
    expect_said(say(s->asks, "SET comity.session_limit = 1"), "SET\n");
    assert_int_equal(cm_session_new(s->w->node[3], "admin", &third, &diag), CM_EDENIED);
    assert_string_equal(diag.sqlstate, "53300");
    expect_said(say(s->asks, "RESET comity.session_limit"), "RESET\n");
    assert_int_equal(cm_session_new(s->w->node[3], "admin", &third, &diag), CM_OK);
    cm_session_free(third);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(the_nodes_settings_are_durable),
        cmocka_unit_test(transactions_are_accepted),
        cmocka_unit_test(savepoints_are_kept),
        cmocka_unit_test(savepoints_keep_local_settings),
        cmocka_unit_test(cursors_walk_answers),
        cmocka_unit_test(answers_are_copied),
        cmocka_unit_test(time_stands_in_a_block),
        cmocka_unit_test(queries_are_jobs),
        cmocka_unit_test(constants_are_computed),
        cmocka_unit_test(parameters_are_described),
        cmocka_unit_test(statements_are_prepared_by_name),
        cmocka_unit_test(plans_are_explained),
        cmocka_unit_test(a_query_is_cancelled),
        cmocka_unit_test(sessions_are_counted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
