/* Golden plans of groupings, and which of them come early. */
#include "sql/plan_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_dense(void **state)
{
    (void)state;
    check_tree(
        true, "SELECT region, count(*), sum(cost) FROM visits WHERE year = 2025 GROUP BY region",
        "Project  (MPC, 4 rows of 56 planes)\n"
        "  Output: region, count(*), CASE WHEN (count(cost) > 0) THEN sum(cost) ELSE NULL END\n"
        "  ->  Filter  (MPC, 4 rows of 67 planes)\n"
        "        Condition: (count(*) >= 1)\n"
        "        ->  Combine aggregates  (MPC, 4 rows of 67 planes)\n"
        "              Keys: region\n"
        "              ->  Input aggregates  (north, in the clear, 4 rows of 61 planes)\n"
        "                    SQL: SELECT \"region\" AS k0, coalesce(sum(\"cost\"), 0) AS c0, "
        "count(\"cost\") AS c1, count(*) AS c2 FROM \"visits\" WHERE (\"year\" = 2025) GROUP "
        "BY 1\n"
        "              ->  Input aggregates  (south, in the clear, 4 rows of 64 planes)\n"
        "                    SQL: SELECT \"region\" AS k0, coalesce(sum(\"cost\"), 0) AS c0, "
        "count(\"cost\") AS c1, count(*) AS c2 FROM \"visits\" WHERE (\"year\" = 2025) GROUP "
        "BY 1\n");
    check_tree(
        true,
        "SELECT org, count(*) FROM (SELECT org, year FROM visits WHERE year > 2020) v GROUP BY 1",
        "Project  (MPC, 4 rows of 15 planes)\n"
        "  Output: org, count(*)\n"
        "  ->  Filter  (MPC, 4 rows of 15 planes)\n"
        "        Condition: (count(*) >= 1)\n"
        "        ->  Combine aggregates  (MPC, 4 rows of 15 planes)\n"
        "              Keys: org\n"
        "              ->  Input aggregates  (north, in the clear, 4 rows of 12 planes)\n"
        "                    SQL: SELECT 2 AS k0, count(*) AS c0 FROM \"visits\" WHERE "
        "(\"year\" > 2020) GROUP BY 1\n"
        "              ->  Input aggregates  (south, in the clear, 4 rows of 13 planes)\n"
        "                    SQL: SELECT 3 AS k0, count(*) AS c0 FROM \"visits\" WHERE "
        "(\"year\" > 2020) GROUP BY 1\n");
}

/* A sum that could leave 64 bits travels as two, and a billion rows cost their owner one GROUP BY.
 */
static void test_wide_sum(void **state)
{
    cm_plan_fixture f;
    cm_buf text = {0};
    const cm_explain options = {.disclosure = true};

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    f.table[0].rows = 1000000000;
    f.visits[3].range = (cm_range){-9999999999, 9999999999};
    cm_plan_fixture_build(&f);
    const cm_plan *plan = plan_of(&f, "SELECT region, avg(cost) FROM visits GROUP BY region");
    assert_int_equal(plan->node[0]->rows, 4);
    cm_explain_print(plan, &options, NULL, &text);
    assert_non_null(strstr(cm_buf_text(&text), "coalesce(sum((\"cost\" / 4294967296)), 0) AS c0"));
    assert_non_null(strstr(cm_buf_text(&text), "coalesce(sum((\"cost\" % 4294967296)), 0) AS c2"));
    cm_buf_free(&text);
    cm_plan_fixture_fini(&f);
}

/* What operators cannot number is refused here, and not by an assertion in a job. */
static void test_rows_max(void **state)
{
    static const char pairs[] = "SELECT a.note FROM visits a JOIN visits b ON a.year = b.year";
    cm_plan_fixture f;
    const cm_query *query;
    const cm_plan *plan;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    f.table[0].rows = 400000000;
    cm_plan_fixture_build(&f);
    assert_int_equal(plan_of(&f, "SELECT count(*) FROM visits")->root->rows, 1);
    (void)plan_of(&f, "SELECT note FROM visits");
    f.settings.join_rows = 1 << 20;
    (void)plan_of(&f, pairs);
    f.settings.join_rows = UINT64_MAX;
    assert_int_not_equal(cm_plan_fixture_plan(&f, pairs, &query, &plan), CM_OK);
    assert_string_equal(f.diag.sqlstate, "54000");
    f.table[1].rows = 700000000;
    cm_plan_fixture_build(&f);
    assert_int_not_equal(cm_plan_fixture_plan(&f, "SELECT note FROM visits", &query, &plan), CM_OK);
    assert_string_equal(f.diag.sqlstate, "54000");
    cm_plan_fixture_fini(&f);
}

/* K holds for the groups that are shown, whatever block makes them, and for no others. */
static void test_min_rows(void **state)
{
    static const struct {
        const char *sql;
        bool enforced;
    } cases[] = {
        {"SELECT sum(cost) FROM visits", true},
        {"SELECT region, max(cost) FROM visits GROUP BY region", true},
        {"SELECT person, max(cost) FROM visits GROUP BY person", true},
        {"SELECT c FROM (SELECT year, sum(cost) AS c FROM visits GROUP BY year) s WHERE c > 5",
         true},
        {"SELECT d.name FROM doctors d WHERE d.id IN (SELECT doctor FROM visits GROUP BY doctor "
         "HAVING sum(cost) > 5)",
         true},
        {"SELECT count(*) FROM visits", false},
        {"SELECT t.stage, count(*) FROM visits v JOIN tumours t USING (person) GROUP BY 1", false},
    };

    (void)state;
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        const cm_explain options = {.disclosure = true};
        cm_plan_fixture f;
        cm_buf text = {0};
        cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
        f.visits[3].label = (cm_label){CM_LABEL_AGGREGATE, 10};
        cm_plan_fixture_build(&f);
        cm_explain_print(plan_of(&f, cases[i].sql), &options, NULL, &text);
        bool enforced = strstr(cm_buf_text(&text), "count(*) >= 10") != NULL;
        if (enforced != cases[i].enforced) {
            fail_msg("%s\n%s", cases[i].sql, cm_buf_text(&text));
        }
        cm_buf_free(&text);
        cm_plan_fixture_fini(&f);
    }
}

/* Whether a join comes before the first grouping, by sort or at an owner. */
static void check_early(cm_plan_fixture *f, const char *sql, bool joins_below)
{
    const cm_plan *plan = plan_of(f, sql);
    bool grouped = false, joined = false;

    for (size_t n = 0; n < plan->nodes && !grouped; n++) {
        const cm_plan_op op = plan->node[n]->op;
        const cm_fragment *fragment = plan->node[n]->fragment;
        grouped = op == CM_PLAN_GROUP_SORT || op == CM_PLAN_RANGES ||
                  (fragment != NULL && fragment->aggregated);
        joined = joined || plan->node[n]->op == CM_PLAN_JOIN;
    }
    if (!grouped || joined != joins_below) {
        fail_msg("%s: %s", sql, grouped ? "joined on the wrong side" : "not grouped");
    }
}

/* Grouping before joins, where each group stays what it is. */
static void test_early(void **state)
{
    static const char *const before[] = {
        "SELECT d.id, d.name, d.age, sum(v.cost) FROM visits v JOIN doctors d ON v.doctor = d.id "
        "GROUP BY d.id, d.name, d.age",
        "SELECT d.name, v.doctor, count(*) FROM visits v, doctors d WHERE v.doctor = d.id "
        "AND d.age > 50 GROUP BY v.doctor, d.age, d.name HAVING count(*) > d.age",
        "SELECT v.year, d.name, sum(v.cost) FROM visits v JOIN doctors d ON v.doctor = d.id "
        "WHERE v.person IN (SELECT person FROM tumours) GROUP BY d.id, v.year, d.name",
        "SELECT d.id, t.person, t.stage, max(v.cost) FROM visits v, doctors d, tumours t "
        "WHERE v.doctor = d.id AND v.person = t.person GROUP BY d.id, t.person, t.stage",
    };
    static const char *const after[] = {
        /* names may repeat */
        "SELECT d.name, sum(v.cost) FROM visits v JOIN doctors d ON v.doctor = d.id "
        "GROUP BY d.name",
        /* values of both sides */
        "SELECT d.id, sum(v.cost + d.age) FROM visits v JOIN doctors d ON v.doctor = d.id "
        "GROUP BY d.id",
        "SELECT d.id, count(*) FROM visits v JOIN doctors d ON v.doctor = d.id AND v.year > d.age "
        "GROUP BY d.id",
        /* rows that no doctor has must not divide by zero */
        "SELECT d.id, sum(v.cost / (v.year - 2000)) FROM visits v JOIN doctors d "
        "ON v.doctor = d.id GROUP BY d.id",
        /* rows without a partner */
        "SELECT d.id, count(v.cost) FROM visits v LEFT JOIN doctors d ON v.doctor = d.id "
        "GROUP BY d.id",
    };
    cm_plan_fixture f;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    for (size_t i = 0; i < CM_COUNT(before); i++) {
        check_early(&f, before[i], i == 2); /* IN is a join, too */
    }
    for (size_t i = 0; i < CM_COUNT(after); i++) {
        check_early(&f, after[i], true);
    }
    cm_plan_fixture_fini(&f);
}

/* Grouping before and after a join: owners add up their own rows by what they are joined on. */
static void test_early_twice(void **state)
{
    static const struct {
        const char *sql;
        cm_label label;
        bool pushed;
    } cases[] = {
        {"SELECT d.name, count(*), sum(v.cost), min(v.day) FROM visits v JOIN doctors d "
         "ON v.year = d.id GROUP BY d.name HAVING max(v.cost) > 0",
         {CM_LABEL_REVEAL, 0},
         true},
        /* K counts rows */
        {"SELECT d.age, count(*) FROM visits v JOIN doctors d ON v.year = d.id GROUP BY d.age",
         {CM_LABEL_GROUP, 10},
         false},
        /* an average is none of averages */
        {"SELECT d.name, avg(v.cost) FROM visits v JOIN doctors d ON v.year = d.id GROUP BY d.name",
         {CM_LABEL_REVEAL, 0},
         false},
        /* nearly as many groups as rows */
        {"SELECT d.name, count(*) FROM visits v JOIN doctors d ON v.doctor = d.id GROUP BY d.name",
         {CM_LABEL_REVEAL, 0},
         false},
    };

    (void)state;
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        cm_plan_fixture f;
        bool pushed = false;
        cm_plan_fixture_init(&f, cases[i].label);
        const cm_plan *plan = plan_of(&f, cases[i].sql);
        for (size_t n = 0; n < plan->nodes; n++) {
            pushed = pushed || plan->node[n]->op == CM_PLAN_COMBINE;
        }
        if (pushed != cases[i].pushed) {
            fail_msg("%s: %d", cases[i].sql, pushed);
        }
        cm_plan_fixture_fini(&f);
    }
}

/* A key that is presumed has to be the unique side's when groups rely on it: that is checked. */
static void test_early_presumed(void **state)
{
    static const char *const sql = "SELECT a.doctor, a.year, sum(b.cost) FROM north.visits b, "
                                   "visits a WHERE b.doctor = a.doctor GROUP BY a.doctor, a.year";
    cm_plan_fixture f;

    (void)state;
    for (unsigned presumed = 0; presumed < 2; presumed++) {
        cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
        f.visits[6].unique = f.visits[6].not_null = true;
        f.settings.cross_owner_keys = presumed;
        cm_plan_fixture_build(&f);
        const cm_plan *plan = plan_of(&f, sql);
        if (presumed) {
            check_early(&f, sql, false);
        }
        for (size_t n = 0; n < plan->nodes; n++) {
            const cm_plan_node *node = plan->node[n];
            if (presumed && node->op == CM_PLAN_JOIN) {
                assert_int_equal(node->child[0]->rows, 1024 + 2048);
                assert_int_not_equal(node->check, 0);
            }
        }
        cm_plan_fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),          cmocka_unit_test(test_wide_sum),
        cmocka_unit_test(test_rows_max),       cmocka_unit_test(test_min_rows),
        cmocka_unit_test(test_early),          cmocka_unit_test(test_early_twice),
        cmocka_unit_test(test_early_presumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
