/* PostgreSQL's errors, compared with a server when they were written down. */
#include "sql/bind_check.h"

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_errors(void **state)
{
    static const struct {
        const char *sql, *sqlstate, *message;
        int position;
    } cases[] = {
        {"SELECT nosuch FROM visits", "42703", "column \"nosuch\" does not exist", 8},
        {"SELECT v.nosuch FROM visits v", "42703", "column v.nosuch does not exist", 8},
        {"SELECT visits.year FROM visits v", "42P01",
         "invalid reference to FROM-clause entry for table \"visits\"", 8},
        {"SELECT x.year FROM visits v", "42P01", "missing FROM-clause entry for table \"x\"", 8},
        {"SELECT person FROM visits, tumours", "42702", "column reference \"person\" is ambiguous",
         8},
        {"SELECT org FROM visits, tumours", "42702", "column reference \"org\" is ambiguous", 8},
        {"SELECT 1 FROM nosuch", "42P01", "relation \"nosuch\" does not exist", 15},
        {"SELECT 1 FROM a.visits", "42P01", "relation \"a.visits\" does not exist", 15},
        {"SELECT 1 FROM visits, visits", "42712", "table name \"visits\" specified more than once",
         23},
        {"SELECT cost FROM visits GROUP BY region", "42803",
         "column \"visits.cost\" must appear in the GROUP BY clause or be used in an aggregate "
         "function",
         8},
        {"SELECT org, count(*) FROM visits", "42803",
         "column \"visits.org\" must appear in the GROUP BY clause or be used in an aggregate "
         "function",
         8},
        {"SELECT 1 FROM visits WHERE sum(cost) > 1", "42803",
         "aggregate functions are not allowed in WHERE", 28},
        {"SELECT sum(sum(cost)) FROM visits", "42803", "aggregate function calls cannot be nested",
         12},
        {"SELECT count(*) FROM visits GROUP BY 1", "42803",
         "aggregate functions are not allowed in GROUP BY", 8},
        {"SELECT 1 FROM visits GROUP BY 2", "42P10", "GROUP BY position 2 is not in select list",
         31},
        {"SELECT DISTINCT region FROM visits ORDER BY year", "42P10",
         "for SELECT DISTINCT, ORDER BY expressions must appear in select list", 45},
        {"SELECT 1 FROM visits WHERE cost", "42804",
         "argument of WHERE must be type boolean, not type numeric", 28},
        {"SELECT 1 FROM visits WHERE region = 'west'", "22P02",
         "invalid input value for enum region: \"west\"", 37},
        {"SELECT 1 FROM visits WHERE year = 'x'", "22P02",
         "invalid input syntax for type integer: \"x\"", 35},
        {"SELECT 1 FROM visits WHERE year = note", "42883",
         "operator does not exist: integer = text", 33},
        {"SELECT 1 FROM visits, tumours WHERE region = color", "42883",
         "operator does not exist: region = color", 44},
        {"SELECT foo(year, 'x') FROM visits", "42883",
         "function foo(integer, unknown) does not exist", 8},
        {"SELECT sum(flag) FROM visits", "42883", "function sum(boolean) does not exist", 8},
        {"SELECT coalesce(year, note) FROM visits", "42804",
         "COALESCE types integer and text cannot be matched", 23},
        {"SELECT 2147483647 + 1 FROM visits", "22003", "integer out of range", 19},
        {"SELECT 99999::smallint FROM visits", "22003", "smallint out of range", 13},
        {"SELECT day::int FROM visits", "42846", "cannot cast type date to integer", 11},
        {"SELECT 1 FROM visits LIMIT -1", "2201W", "LIMIT must not be negative", 28},
        {"SELECT big::numeric * big * big * big * big * big FROM visits", "22003",
         "result may need more than 126 bits", 21},
        {"SELECT min(big) OVER (ORDER BY big ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING) FROM visits",
         "0A000", "min over a frame without the current row is not supported", 8},
        {"SELECT sum(big) OVER (ORDER BY big ROWS -2 PRECEDING) FROM visits", "22013",
         "frame starting offset must not be negative", 41},
        {"SELECT nth_value(big, 0) OVER (ORDER BY big) FROM visits", "22016",
         "argument of nth_value must be greater than zero", 8},
        {"SELECT nth_value(big, 2) OVER (ORDER BY big ROWS 1 PRECEDING) FROM visits", "0A000",
         "nth_value over a frame that is not from the partition's start is not supported", 8},
        {"SELECT count(DISTINCT big) OVER () FROM visits", "0A000",
         "DISTINCT for window functions is not supported", 8},
        {"SELECT lag(big, num) OVER () FROM visits", "0A000",
         "an argument of lag that is no constant is not supported", 17},
        {"SELECT 1 FROM visits WHERE rank() OVER () > 1", "42P20",
         "window functions are not allowed in WHERE", 28},
        {"SELECT year FROM visits GROUP BY year HAVING count(*) OVER () > 1", "42P20",
         "window functions are not allowed here", 46},
        {"SELECT rank() OVER () AS r FROM visits GROUP BY r", "42P20",
         "window functions are not allowed in GROUP BY", 8},
        {"SELECT sum(rank() OVER ()) FROM visits", "42803",
         "aggregate function calls cannot contain window function calls", 12},
        {"SELECT rank() OVER (ORDER BY rank() OVER ()) FROM visits", "42P20",
         "window functions are not allowed here", 30},
        {"SELECT year, sum(num) OVER (ORDER BY year) FROM visits GROUP BY year", "42803",
         "column \"visits.num\" must appear in the GROUP BY clause or be used in an aggregate "
         "function",
         18},
        {"SELECT rank() OVER w FROM visits", "42704", "window \"w\" does not exist", 20},
        {"SELECT ntile(0) OVER () FROM visits", "22014",
         "argument of ntile must be greater than zero", 8},
        {"SELECT year FROM visits UNION SELECT year, note FROM visits", "42601",
         "each UNION query must have the same number of columns", 38},
        {"SELECT year FROM visits EXCEPT ALL SELECT note FROM visits", "42804",
         "EXCEPT types integer and text cannot be matched", 43},
        {"SELECT year FROM visits INTERSECT SELECT 'x'", "22P02",
         "invalid input syntax for type integer: \"x\"", 42},
        {"SELECT year AS y FROM visits UNION SELECT 1 ORDER BY year", "42703",
         "column \"year\" does not exist", 54},
        {"SELECT year FROM visits UNION SELECT 1 ORDER BY year + 1", "0A000",
         "invalid UNION/INTERSECT/EXCEPT ORDER BY clause", 54},
        {"SELECT 1 FROM visits, (VALUES (1, 2), (3)) x", "42601",
         "VALUES lists must all be the same length", 40},
        {"SELECT 1 FROM visits, (VALUES (1), ('a')) x", "22P02",
         "invalid input syntax for type integer: \"a\"", 37},
        {"SELECT sum((SELECT max(year) FROM visits)) FROM visits", "0A000",
         "a subquery as a value in this place is not supported", 12},
        {"SELECT (SELECT a, b FROM odd2) FROM visits", "42601",
         "subquery must return only one column", 8},
        {"SELECT 1 FROM visits v WHERE 1 < (SELECT count(v.year) FROM tumours t)", "0A000",
         "a column of the outer query anywhere but in WHERE of a subquery is not supported", 48},
        {"SELECT region, (SELECT count(*) FROM tumours t WHERE t.stage = v.year) FROM visits v "
         "GROUP BY region",
         "42803",
         "column \"v.year\" must appear in the GROUP BY clause or be used in an aggregate function",
         64},
        {"SELECT DISTINCT ON (year) 1 FROM visits", "0A000", "DISTINCT ON is not supported", 8},
        {"SELECT sqrt(cost) FROM visits", "0A000", "sqrt of what may be negative is not supported",
         8},
        {"SELECT power(cost, year) FROM visits", "0A000",
         "an exponent that is not a constant from 0 to 38 is not supported", 20},
        {"SELECT corr(DISTINCT cost, year) FROM visits", "0A000",
         "DISTINCT in corr is not supported", 8},
        {"SELECT corr(cost) FROM visits", "42883", "function corr(numeric) does not exist", 8},
        {"SELECT var_pop(person) FROM visits", "42883",
         "function var_pop(character varying) does not exist", 8},
        {"SELECT cost::float FROM visits", "0A000", "type float8 is not supported", 14},
        {"SELECT 1 FROM visits WHERE note LIKE person", "0A000",
         "LIKE with a pattern that is not a constant is not supported", 38},
        {"SELECT 1 FROM visits v WHERE EXISTS (SELECT 1 FROM tumours t WHERE EXISTS (SELECT 1 FROM "
         "odd2 WHERE a = v.year))",
         "0A000", "a subquery that refers to a table two levels out is not supported", 105},
        {"SELECT 1 FROM generate_series(1, 2) g, visits", "0A000",
         "a function in FROM is not supported", 0},
        {"SELECT * FROM visits FOR UPDATE", "0A000", "FOR UPDATE or FOR SHARE is not supported",
         22},
    };
    fixture *f = *state;
    const cm_query *query;

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        if (bind_sql(f, cases[i].sql, &query) == CM_OK) {
            fail_msg("%s was bound", cases[i].sql);
        }
        if (strcmp(f->diag.sqlstate, cases[i].sqlstate) != 0 ||
            strcmp(f->diag.message, cases[i].message) != 0 ||
            f->diag.position != cases[i].position) {
            fail_msg("%s: %s %s at %d", cases[i].sql, f->diag.sqlstate, f->diag.message,
                     f->diag.position);
        }
    }
    assert_int_equal(bind_sql(f, "SELECT yera FROM visits", &query), CM_EINVAL);
    assert_string_equal(f->diag.hint, "Perhaps you meant to reference the column \"visits.year\".");
    assert_int_equal(bind_sql(f, "SELECT visits.year FROM visits v", &query), CM_EINVAL);
    assert_string_equal(f->diag.hint, "Perhaps you meant to reference the table alias \"v\".");
}

/* WITH queries that double each other are bound once each; limits hold elsewhere. */
static void test_limits(void **state)
{
    fixture *f = *state;
    const cm_query *query;
    char *sql = malloc(1 << 16);
    size_t bytes = 0;

    assert_non_null(sql);
    bytes += (size_t)sprintf(sql, "WITH w0 AS (SELECT person AS p FROM visits)");
    for (int i = 1; i < 60; i++) {
        bytes +=
            (size_t)sprintf(sql + bytes, ", w%d AS (SELECT a.p FROM w%d a, w%d b WHERE a.p = b.p)",
                            i, i - 1, i - 1);
    }
    sprintf(sql + bytes, " SELECT count(*) FROM w59");
    (void)bound(f, sql);
    bytes = (size_t)sprintf(sql, "SELECT 1 FROM visits a0");
    for (int i = 1; i < 100; i++) {
        bytes += (size_t)sprintf(sql + bytes, ", visits a%d", i);
    }
    assert_int_equal(bind_sql(f, sql, &query), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "54001");
    bytes = (size_t)sprintf(sql, "SELECT *");
    for (int i = 1; i < 200; i++) {
        bytes += (size_t)sprintf(sql + bytes, ", *");
    }
    sprintf(sql + bytes, " FROM visits");
    assert_int_equal(bind_sql(f, sql, &query), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "54011");
    free(sql);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_errors),
        CASE(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
