/* Plans in which owners join, and in which conditions bound columns. */
#include "sql/plan_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const cm_plan *plan_of(cm_plan_fixture *f, const char *sql)
{
    const cm_query *query;
    const cm_plan *plan;

    if (cm_plan_fixture_plan(f, sql, &query, &plan) != CM_OK) {
        fail_msg("%s: %s %s", sql, f->diag.sqlstate, f->diag.message);
    }
    return plan;
}

/* The statements of all inputs, in order, each on a line. */
static void check_sql(const char *sql, const char *want)
{
    cm_plan_fixture f;
    cm_buf text = {0};

    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    const cm_plan *plan = plan_of(&f, sql);
    for (size_t i = 0; i < plan->nodes; i++) {
        if (plan->node[i]->fragment != NULL) {
            cm_buf_printf(&text, "%s %llu: ", plan->node[i]->fragment->table->org,
                          (unsigned long long)plan->node[i]->rows);
            cm_fragment_show(plan->node[i]->fragment, &text);
            cm_buf_printf(&text, "\n");
        }
    }
    assert_string_equal(cm_buf_text(&text), want);
    cm_buf_free(&text);
    cm_plan_fixture_fini(&f);
}

static void test_own_joins(void **state)
{
    (void)state;
    /* The side that is not unique has the rows; both unique: the smaller. */
    check_sql("SELECT t.size, d.age FROM tumours t LEFT JOIN doctors d ON t.size = d.id",
              "east 512: SELECT t0.\"size\" AS c0, t1.\"age\" AS c1 FROM (\"tumours\" AS t0 LEFT "
              "JOIN \"doctors\" AS t1 ON (t0.\"size\" = t1.\"id\"))\n");
    check_sql("SELECT t.size, d.age FROM tumours t, doctors d WHERE t.size = d.id AND t.person || "
              "d.name LIKE 'a%'",
              "east 512: SELECT t0.\"size\" AS c0, t1.\"age\" AS c1 FROM (\"tumours\" AS t0 JOIN "
              "\"doctors\" AS t1 ON (t0.\"size\" = t1.\"id\")) WHERE ((t0.\"person\" || "
              "t1.\"name\") LIKE 'a%' ESCAPE '\\')\n");
    check_sql("SELECT t.stage, count(*), sum(d.age) FROM tumours t JOIN doctors d ON t.person = "
              "d.name GROUP BY t.stage",
              "east 3: SELECT t1.\"stage\" AS k0, coalesce(sum(t0.\"age\"), 0) AS c0, "
              "count(t0.\"age\") AS c1, count(*) AS c2 FROM (\"doctors\" AS t0 JOIN \"tumours\" AS "
              "t1 ON (t1.\"person\" = t0.\"name\")) GROUP BY 1\n");
    check_sql(
        "SELECT d.age FROM doctors d WHERE NOT EXISTS (SELECT 1 FROM tumours t WHERE t.size = "
        "d.age AND t.stage = 'I')",
        "east 64: SELECT t0.\"age\" AS c0 FROM \"doctors\" AS t0 WHERE ((t0.\"age\") IN (SELECT "
        "t1.\"size\" FROM \"tumours\" AS t1 WHERE (t1.\"stage\" = 0))) IS NOT TRUE\n");
    /* Below a join with what others have. */
    /* Linked by their owner alone. */
    check_sql(
        "SELECT count(*) FROM visits v WHERE EXISTS (SELECT 1 FROM visits w WHERE w.org = "
        "v.org)",
        "north 1: SELECT count(*) AS c0 FROM \"visits\" AS t0 WHERE EXISTS (SELECT 1 FROM "
        "\"visits\" AS t1)\nsouth 1: SELECT count(*) AS c0 FROM \"visits\" AS t0 WHERE EXISTS "
        "(SELECT 1 FROM \"visits\" AS t1)\n");
    check_sql("SELECT count(*) FROM visits v WHERE NOT EXISTS (SELECT 1 FROM visits w WHERE w.org "
              "= v.org AND w.doctor > 5)",
              "north 1: SELECT count(*) AS c0 FROM \"visits\" AS t0 WHERE NOT EXISTS (SELECT 1 "
              "FROM \"visits\" AS t1 WHERE (t1.\"doctor\" > 5))\nsouth 1: SELECT count(*) AS c0 "
              "FROM \"visits\" AS t0 WHERE NOT EXISTS (SELECT 1 FROM \"visits\" AS t1 WHERE "
              "(t1.\"doctor\" > 5))\n");
    check_sql("SELECT count(*) FROM visits v JOIN doctors d ON v.doctor = d.id JOIN tumours t ON "
              "t.person = d.name",
              "east 64: SELECT t0.\"id\" AS c0 FROM (\"doctors\" AS t0 JOIN \"tumours\" AS t1 ON "
              "(t1.\"person\" = t0.\"name\")) WHERE ((t0.\"id\" >= 1) AND (t0.\"id\" <= 100000))\n"
              "north 1024: SELECT \"doctor\" AS c0 FROM \"visits\"\n"
              "south 2048: SELECT \"doctor\" AS c0 FROM \"visits\"\n");
    /* Neither side is unique, and no pairs are delivered. */
    check_sql("SELECT count(*) FROM tumours t JOIN doctors d ON t.size = d.age",
              "east 1: SELECT count(*) AS c0 FROM (\"tumours\" AS t0 JOIN \"doctors\" AS t1 ON "
              "(t0.\"size\" = t1.\"age\"))\n");
}

static void test_bounds(void **state)
{
    (void)state;
    /* From a condition to the encoding, from one side to the other, and from a declared domain. */
    check_sql(
        "SELECT v.note FROM north.visits v JOIN doctors d ON v.doctor = d.id WHERE v.doctor < "
        "50",
        "east 64: SELECT \"id\" AS c0 FROM \"doctors\" WHERE ((\"id\" >= 1) AND (\"id\" <= 49))\n"
        "north 1024: SELECT \"note\" AS c0, \"doctor\" AS c1 FROM \"visits\" WHERE (\"doctor\" < "
        "50)\n");
    check_sql("SELECT v.note, d.age FROM north.visits v LEFT JOIN doctors d ON v.doctor = d.id AND "
              "d.id < 500",
              "east 64: SELECT \"id\" AS c0, \"age\" AS c1 FROM \"doctors\" WHERE (\"id\" < 500)\n"
              "north 1024: SELECT \"note\" AS c0, \"doctor\" AS c1 FROM \"visits\"\n");
    check_sql("SELECT v.note FROM north.visits v JOIN doctors d ON v.doctor = d.id WHERE d.id IN "
              "(7, 300)",
              "east 64: SELECT \"id\" AS c0 FROM \"doctors\" WHERE (\"id\" IN (7, 300))\n"
              "north 1024: SELECT \"note\" AS c0, \"doctor\" AS c1 FROM \"visits\" WHERE "
              "(\"doctor\" IN (7, 300))\n");
    check_sql("SELECT v.note FROM north.visits v JOIN tumours t ON v.person = t.person WHERE "
              "t.person = 'x'",
              "east 512: SELECT \"person\" AS c0 FROM \"tumours\" WHERE (\"person\" = 'x')\n"
              "north 1024: SELECT \"person\" AS c0, \"note\" AS c1 FROM \"visits\" WHERE "
              "(\"person\" = 'x')\n");
    check_sql("SELECT v.note FROM north.visits v WHERE NOT EXISTS (SELECT 1 FROM doctors d WHERE "
              "d.id = v.doctor) AND v.doctor > 90000",
              "east 64: SELECT \"id\" AS c0 FROM \"doctors\" WHERE ((\"id\" >= 90001) AND (\"id\" "
              "<= 100000))\n"
              "north 1024: SELECT \"note\" AS c0, \"doctor\" AS c1 FROM \"visits\" WHERE "
              "(\"doctor\" > 90000)\n");
    check_sql("SELECT year, count(*) FROM north.visits WHERE year IN (2024, 2025) OR year = 2027 "
              "GROUP BY year",
              "north 4: SELECT \"year\" AS k0, count(*) AS c0 FROM \"visits\" WHERE ((\"year\" IN "
              "(2024, 2025)) OR (\"year\" = 2027)) GROUP BY 1\n");
}

/* Whoever groups, small groups are left out under MPC, and labels are asked of the query. */
static void test_policy(void **state)
{
    const char *const sql = "SELECT t.stage, count(*) FROM tumours t JOIN doctors d ON t.person = "
                            "d.name WHERE d.age > 30 GROUP BY t.stage, t.size";
    const cm_query *query;
    const cm_plan *plan;
    cm_plan_fixture f;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_GROUP, 10});
    f.tumours[2].range.hi = 1000000; /* too many for a list of all groups */
    cm_plan_fixture_build(&f);
    plan = plan_of(&f, sql);
    assert_int_equal(plan->min_rows, 10);
    assert_int_equal(plan->node[0]->op, CM_PLAN_INPUT);
    assert_null(plan->node[0]->fragment->domain);
    assert_int_equal(plan->node[0]->rows, 64); /* of doctors, whose names are found once */
    assert_int_equal(plan->node[1]->op, CM_PLAN_FILTER);
    assert_int_equal(plan->node[1]->condition->op, CM_X_GE);
    assert_int_equal(plan->node[1]->condition->arg[1]->value.number, 10);
    assert_true(plan->shuffle_output);
    cm_plan_fixture_fini(&f);
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_JOIN, 0});
    assert_int_not_equal(cm_plan_fixture_plan(&f, sql, &query, &plan), CM_OK);
    assert_string_equal(f.diag.sqlstate, CM_SQL_DENIED);
    cm_plan_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own_joins),
                                       cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_policy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
