/* Labels against uses: every use is allowed from its label on, and refused below. */
#include "sql/plan_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct use {
    cm_label_kind needs;
    unsigned col; /* of visits */
    const char *sql;
} use;

enum { PERSON, REGION, YEAR, COST, NOTE, DAY, DOCTOR };

static const use uses[] = {
    /* equality */
    {CM_LABEL_JOIN, DOCTOR, "SELECT count(*) FROM visits v JOIN doctors d ON v.doctor = d.id"},
    {CM_LABEL_JOIN, DOCTOR, "SELECT count(*) FROM visits v, doctors d WHERE v.doctor = d.id"},
    {CM_LABEL_JOIN, DOCTOR, "SELECT count(*) FROM visits WHERE doctor IN (SELECT id FROM doctors)"},
    {CM_LABEL_JOIN, PERSON, "SELECT count(DISTINCT person) FROM visits"},
    {CM_LABEL_JOIN, PERSON,
     "SELECT count(*) FROM (SELECT person FROM visits GROUP BY person HAVING count(*) > 2) s"},
    {CM_LABEL_JOIN, DOCTOR,
     "SELECT count(*) FROM (SELECT doctor::bigint AS b FROM visits) s JOIN doctors d ON s.b = "
     "d.id"},
    /* equality of what is computed of a column, by whatever way it gets there */
    {CM_LABEL_FILTER, YEAR,
     "SELECT count(*) FROM (SELECT year > 2020 AS b FROM visits) s JOIN (SELECT age > 30 AS b "
     "FROM doctors) d ON s.b = d.b"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT d.age, count(*) FROM (SELECT year - 2000 AS b FROM visits) s JOIN doctors d ON s.b = "
     "d.age GROUP BY d.age"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT count(DISTINCT b) FROM (SELECT year > 2020 AS b FROM visits) s"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT count(*) FROM (SELECT b FROM (SELECT year > 2020 AS b FROM visits) s GROUP BY b) t"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT count(*) FROM (SELECT year > 2020 FROM visits UNION SELECT age > 30 FROM doctors) t"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT count(*) FROM (SELECT y + 1 AS z FROM (SELECT year AS y FROM visits GROUP BY year) s) "
     "a JOIN doctors d ON a.z = d.age"},
    {CM_LABEL_FILTER, PERSON,
     "SELECT sum(k) FROM (SELECT row_number() OVER (PARTITION BY b ORDER BY day) AS k FROM "
     "(SELECT person = 'x' AS b, day FROM visits) s) t"},
    {CM_LABEL_FILTER, PERSON,
     "SELECT count(*) FROM (SELECT person::varchar(1) AS b FROM visits) s JOIN doctors d ON s.b = "
     "d.name"},
    {CM_LABEL_FILTER, COST, "SELECT count(*) FROM visits v JOIN doctors d ON v.cost::int = d.age"},
    {CM_LABEL_FILTER, DOCTOR,
     "SELECT count(*) FROM visits v JOIN doctors d ON v.doctor::smallint = d.age"},
    /* conditions below an aggregate */
    {CM_LABEL_FILTER, YEAR, "SELECT count(*) FROM visits WHERE year = 2020"},
    {CM_LABEL_FILTER, YEAR, "SELECT count(*) FROM visits WHERE year IN (2020, 2021)"},
    {CM_LABEL_FILTER, YEAR, "SELECT sum(CASE WHEN year > 2020 THEN 1 ELSE 0 END) FROM visits"},
    {CM_LABEL_FILTER, YEAR, "SELECT count(*) FILTER (WHERE year > 2020) FROM visits"},
    {CM_LABEL_FILTER, NOTE, "SELECT count(*) FROM visits WHERE note LIKE 'a%'"},
    {CM_LABEL_FILTER, NOTE, "SELECT count(*) FROM visits WHERE note IS NULL"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT sum(c) FROM (SELECT cost AS c FROM visits ORDER BY year LIMIT 5) s"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT sum(c) FROM (SELECT cost AS c FROM visits ORDER BY year OFFSET 5) s"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT count(*) FROM (SELECT year + 1 AS y FROM visits) s WHERE s.y = 3"},
    {CM_LABEL_FILTER, DOCTOR,
     "SELECT count(*) FROM visits v JOIN doctors d ON v.doctor = d.id AND v.doctor > 7"},
    /* aggregates */
    {CM_LABEL_AGGREGATE, COST, "SELECT sum(cost) FROM visits"},
    {CM_LABEL_AGGREGATE, COST, "SELECT region, max(cost) FROM visits GROUP BY region"},
    {CM_LABEL_AGGREGATE, COST, "SELECT region FROM visits GROUP BY region HAVING avg(cost) > 10"},
    {CM_LABEL_AGGREGATE, COST, "SELECT avg(c) FROM (SELECT cost * 2 AS c FROM visits) s"},
    {CM_LABEL_AGGREGATE, COST,
     "SELECT max(t) FROM (SELECT person, sum(cost) AS t FROM visits GROUP BY person) s"},
    {CM_LABEL_AGGREGATE, COST, "SELECT sum(CASE WHEN year > 2020 THEN cost END) FROM visits"},
    {CM_LABEL_AGGREGATE, YEAR,
     "SELECT max(y) FROM (SELECT year AS y, count(*) FROM visits GROUP BY year) s"},
    /* groups */
    {CM_LABEL_GROUP, REGION, "SELECT region, count(*) FROM visits GROUP BY region"},
    {CM_LABEL_GROUP, REGION, "SELECT count(*) FROM visits GROUP BY region"},
    {CM_LABEL_GROUP, YEAR, "SELECT year > 2020, count(*) FROM visits GROUP BY year > 2020"},
    {CM_LABEL_GROUP, REGION,
     "SELECT * FROM (SELECT region, count(*) FROM visits GROUP BY region) s"},
    {CM_LABEL_GROUP, REGION,
     "SELECT r, count(*) FROM (SELECT person, region AS r FROM visits) s GROUP BY r"},
    {CM_LABEL_GROUP, DOCTOR,
     "SELECT doctor, n FROM (SELECT doctor, count(*) AS n FROM visits GROUP BY doctor) s "
     "WHERE n > 5"},
    /* set operations: what an arm shows is shown, unless it is grouped by it */
    {CM_LABEL_JOIN, YEAR,
     "SELECT count(*) FROM (SELECT year FROM visits EXCEPT SELECT age FROM doctors) x"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT count(*) FROM (SELECT year FROM visits UNION ALL SELECT age FROM doctors) x "
     "WHERE year > 5"},
    {CM_LABEL_AGGREGATE, COST,
     "SELECT max(x) FROM (SELECT size AS x FROM tumours UNION ALL SELECT cost FROM visits) s"},
    {CM_LABEL_AGGREGATE, COST,
     "SELECT region, sum(cost) FROM visits GROUP BY region UNION SELECT 'east', 1"},
    {CM_LABEL_GROUP, YEAR, "SELECT age FROM doctors UNION SELECT year FROM visits"},
    {CM_LABEL_GROUP, YEAR, "SELECT age FROM doctors EXCEPT SELECT year FROM visits"},
    {CM_LABEL_GROUP, YEAR,
     "SELECT x, count(*) FROM (SELECT year AS x FROM visits UNION ALL SELECT age FROM doctors) s "
     "GROUP BY x"},
    {CM_LABEL_REVEAL, YEAR, "SELECT age FROM doctors UNION ALL SELECT year FROM visits"},
    {CM_LABEL_REVEAL, YEAR, "SELECT age FROM doctors EXCEPT ALL SELECT year FROM visits"},
    {CM_LABEL_REVEAL, DAY, "SELECT year FROM visits WHERE day > '1999-01-01' UNION SELECT 1"},
    /* window functions */
    {CM_LABEL_JOIN, PERSON,
     "SELECT count(*) FROM (SELECT row_number() OVER (PARTITION BY person ORDER BY day) AS k "
     "FROM visits) s WHERE k = 1"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT count(*) FROM (SELECT row_number() OVER (PARTITION BY person ORDER BY year) AS k "
     "FROM visits) s WHERE k = 1"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT sum(k) FROM (SELECT rank() OVER (PARTITION BY year + 1) AS k FROM visits) s"},
    {CM_LABEL_FILTER, YEAR,
     "SELECT count(*) FROM (SELECT year, lag(year) OVER (ORDER BY day) AS y FROM visits) s "
     "WHERE year > y"},
    {CM_LABEL_AGGREGATE, COST,
     "SELECT sum(c) FROM (SELECT lead(cost) OVER (ORDER BY day) AS c FROM visits) s"},
    {CM_LABEL_AGGREGATE, COST,
     "SELECT count(*) FROM (SELECT sum(cost) OVER (ORDER BY day) AS c FROM visits) s WHERE c > 9"},
    {CM_LABEL_AGGREGATE, COST,
     "SELECT region, sum(sum(cost)) OVER (ORDER BY region) FROM visits GROUP BY region"},
    {CM_LABEL_GROUP, REGION, "SELECT rank() OVER (ORDER BY region) FROM visits GROUP BY region"},
    {CM_LABEL_GROUP, YEAR,
     "SELECT k, count(*) FROM (SELECT ntile(4) OVER (ORDER BY year) AS k FROM visits) s "
     "GROUP BY k"},
    {CM_LABEL_REVEAL, YEAR, "SELECT rank() OVER (ORDER BY year) FROM visits"},
    {CM_LABEL_REVEAL, PERSON, "SELECT count(*) OVER (PARTITION BY person) FROM visits"},
    {CM_LABEL_REVEAL, COST, "SELECT max(cost) OVER () FROM visits"},
    /* row by row */
    {CM_LABEL_REVEAL, NOTE, "SELECT note FROM visits"},
    {CM_LABEL_REVEAL, YEAR, "SELECT note FROM visits WHERE year = 2020"},
    {CM_LABEL_REVEAL, YEAR, "SELECT note FROM visits ORDER BY year"},
    {CM_LABEL_REVEAL, DOCTOR, "SELECT d.name FROM visits v JOIN doctors d ON v.doctor = d.id"},
    {CM_LABEL_REVEAL, YEAR, "SELECT CASE WHEN year > 2020 THEN 1 ELSE 0 END FROM visits"},
    {CM_LABEL_REVEAL, COST, "SELECT n FROM (SELECT cost + 1 AS n FROM visits) s"},
};

static void test_matrix(void **state)
{
    static const cm_label_kind kinds[] = {CM_LABEL_PRIVATE,   CM_LABEL_JOIN,  CM_LABEL_FILTER,
                                          CM_LABEL_AGGREGATE, CM_LABEL_GROUP, CM_LABEL_REVEAL};

    (void)state;
    for (size_t i = 0; i < CM_COUNT(uses); i++) {
        for (size_t k = 0; k < CM_COUNT(kinds); k++) {
            cm_plan_fixture f;
            const cm_query *query;
            const cm_plan *plan;
            cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
            f.visits[uses[i].col].label.kind = kinds[k];
            cm_plan_fixture_build(&f);
            cm_status st = cm_plan_fixture_plan(&f, uses[i].sql, &query, &plan);
            cm_status want = kinds[k] >= uses[i].needs ? CM_OK : CM_EDENIED;
            if (st != want) {
                fail_msg("%s with label %d: %s %s", uses[i].sql, (int)kinds[k], f.diag.sqlstate,
                         f.diag.message);
            }
            if (st != CM_OK) {
                assert_string_equal(f.diag.sqlstate, "42501");
                assert_string_equal(f.diag.party, "north");
                assert_non_null(strstr(f.diag.hint, "SECURITY LABEL FOR comity ON COLUMN visits."));
            }
            cm_plan_fixture_fini(&f);
        }
    }
}

static void test_messages(void **state)
{
    cm_plan_fixture f;
    const cm_query *query;
    const cm_plan *plan;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_AGGREGATE, 10});
    assert_int_equal(
        cm_plan_fixture_plan(&f, "SELECT count(*) FROM visits GROUP BY region", &query, &plan),
        CM_EDENIED);
    assert_string_equal(f.diag.message,
                        "column north.visits.region may not be shown, not even for groups");
    assert_string_equal(f.diag.detail, "Its label is 'aggregate min 10'; this use needs 'group "
                                       "min 10'. north decides.");
    assert_string_equal(f.diag.hint, "On north's node: SECURITY LABEL FOR comity ON COLUMN "
                                     "visits.region IS 'group min 10';");
    assert_int_equal(f.diag.position, 38);
    cm_plan_fixture_fini(&f);
}

static void test_grants(void **state)
{
    static const char *const nobody[] = {"somebody"};
    cm_plan_fixture f;
    const cm_query *query;
    const cm_plan *plan;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    f.table[1].granted_to = nobody;
    cm_plan_fixture_build(&f);
    assert_int_equal(cm_plan_fixture_plan(&f, "SELECT count(*) FROM visits", &query, &plan),
                     CM_EDENIED);
    assert_string_equal(f.diag.message, "permission denied for table south.visits");
    assert_string_equal(f.diag.hint, "On south's node: GRANT SELECT ON visits TO insurer;");
    assert_string_equal(f.diag.party, "south");
    assert_int_equal(cm_plan_fixture_plan(&f, "SELECT count(*) FROM north.visits", &query, &plan),
                     CM_OK);
    /* An owner may query its own; each owner decides about its own tables alone. */
    cm_diag_reset(&f.diag);
    assert_int_equal(cm_sql_prepare("SELECT count(*) FROM south.visits", f.schema, "south", NULL, 0,
                                    &f.settings, &f.arena, &query, &plan, &f.diag),
                     CM_OK);
    assert_int_equal(cm_policy_check(query, f.schema, "nobody", "north", NULL), CM_OK);
    assert_int_equal(cm_policy_check(query, f.schema, "nobody", "south", NULL), CM_EDENIED);
    cm_plan_fixture_fini(&f);
}

static uint32_t min_rows(cm_plan_fixture *f, const char *sql)
{
    const cm_query *query;
    const cm_plan *plan;

    if (cm_plan_fixture_plan(f, sql, &query, &plan) != CM_OK) {
        fail_msg("%s: %s", sql, f->diag.message);
    }
    assert_int_equal(plan->min_rows, cm_policy_min_rows(query, f->schema));
    return plan->min_rows;
}

static void test_min_rows(void **state)
{
    cm_plan_fixture f;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_GROUP, 0});
    f.visits[COST].label = (cm_label){CM_LABEL_AGGREGATE, 10};
    f.visits[YEAR].label = (cm_label){CM_LABEL_AGGREGATE, 7};
    f.tumours[1].label = (cm_label){CM_LABEL_GROUP, 25};
    cm_plan_fixture_build(&f);
    assert_int_equal(min_rows(&f, "SELECT count(*) FROM visits"), 0);
    assert_int_equal(min_rows(&f, "SELECT count(*) FROM visits WHERE year = 2001"), 7);
    assert_int_equal(min_rows(&f, "SELECT sum(cost) FROM visits WHERE year = 2001"), 10);
    assert_int_equal(min_rows(&f, "SELECT t.stage, count(*) FROM visits JOIN tumours t USING "
                                  "(person) GROUP BY t.stage"),
                     25);
    assert_int_equal(min_rows(&f, "SELECT max(s) FROM (SELECT sum(cost) AS s FROM visits GROUP BY "
                                  "doctor) x"),
                     10);
    cm_plan_fixture_fini(&f);
}

/* Groups of the answer have K rows, in whatever shape they come; what cannot be held to it is
 * refused. */
static void test_least_everywhere(void **state)
{
    static const struct shape {
        bool allowed;
        const char *sql, *filter;
    } shapes[] = {
        {true, "SELECT DISTINCT year FROM visits", "(count(*) >= 10)"},
        {true, "SELECT 2020 EXCEPT SELECT year FROM visits", "(count(*) >= 10)"},
        {true, "SELECT age FROM doctors INTERSECT SELECT year FROM visits", "(count(*) >= 10)"},
        {true, "SELECT d.id FROM doctors d WHERE d.age IN (SELECT year FROM visits GROUP BY year)",
         "(count(*) >= 10)"},
        {true, "SELECT (SELECT sum(cost) FROM visits WHERE person = 'x')", "(count(*) >= 10)"},
        {true, "SELECT d.id, (SELECT sum(cost) FROM visits v WHERE v.doctor = d.id) FROM doctors d",
         "(count(*) >= 10)"},
        {true,
         "SELECT d.id, sum(v.cost) FROM doctors d JOIN visits v ON v.doctor < d.age GROUP BY d.id",
         "(sum(count) >= 10)"},
        {true,
         "SELECT d.id, sum(v.cost) FROM doctors d JOIN visits v ON v.doctor = d.id GROUP BY d.id",
         "(count(*) >= 10)"},
        {true, "SELECT year, count(*) FROM visits GROUP BY year HAVING 1 / (count(*) - 1) >= 0",
         "((count(*) >= 10) AND "}, /* the condition on few rows cannot fail */
        {false,
         "SELECT d.id, (SELECT sum(cost) FROM visits v WHERE v.doctor < d.age) FROM doctors d",
         NULL},
        {false,
         "SELECT d.id, (SELECT max(cost) FROM visits v WHERE v.doctor <> d.age) FROM doctors d "
         "UNION "
         "SELECT 1, 2",
         NULL},
    };
    const cm_explain options = {.disclosure = true};

    (void)state;
    for (size_t i = 0; i < CM_COUNT(shapes); i++) {
        cm_plan_fixture f;
        const cm_query *query;
        const cm_plan *plan;
        cm_buf text = {0};
        cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
        f.visits[COST].label = (cm_label){CM_LABEL_AGGREGATE, 10};
        f.visits[YEAR].label = (cm_label){CM_LABEL_GROUP, 10};
        cm_plan_fixture_build(&f);
        cm_status st = cm_plan_fixture_plan(&f, shapes[i].sql, &query, &plan);
        if (st != (shapes[i].allowed ? CM_OK : CM_EDENIED)) {
            fail_msg("%s: %s", shapes[i].sql, f.diag.message);
        }
        if (st == CM_OK) {
            cm_explain_print(plan, &options, NULL, &text);
            if (strstr(cm_buf_text(&text), shapes[i].filter) == NULL) {
                fail_msg("%s", cm_buf_text(&text));
            }
        }
        cm_buf_free(&text);
        cm_plan_fixture_fini(&f);
    }
}

static void test_org(void **state)
{
    cm_plan_fixture f;
    const cm_query *query;
    const cm_plan *plan;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    assert_int_equal(
        cm_plan_fixture_plan(&f, "SELECT org, count(*) FROM visits GROUP BY org", &query, &plan),
        CM_OK);
    assert_int_equal(cm_plan_fixture_plan(&f, "SELECT org, note FROM visits", &query, &plan),
                     CM_EDENIED);
    cm_plan_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),           cmocka_unit_test(test_messages),
        cmocka_unit_test(test_grants),           cmocka_unit_test(test_min_rows),
        cmocka_unit_test(test_least_everywhere), cmocka_unit_test(test_org),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
