/* Golden plans of ORDER BY, windows and set operations. */
#include "sql/plan_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_order(void **state)
{
    cm_plan_fixture f;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    /* Shown: the coordinator sorts.  Hidden: sorted under MPC, and positions are the answer. */
    const cm_plan *plan = plan_of(&f, "SELECT year, note FROM visits ORDER BY year DESC");
    assert_int_equal(plan->orders, 1);
    assert_int_equal(plan->order[0].target, 0);
    assert_true(plan->shuffle_output);
    assert_int_equal(plan->root->op, CM_PLAN_CONCAT);
    plan = plan_of(&f, "SELECT note FROM visits ORDER BY year DESC");
    assert_int_equal(plan->orders, 0);
    assert_false(plan->shuffle_output);
    assert_int_equal(plan->root->op, CM_PLAN_SORT);
    assert_int_equal(plan->outputs, 1);
    plan = plan_of(&f, "SELECT note FROM visits LIMIT 10 OFFSET 3070");
    assert_int_equal(plan->root->op, CM_PLAN_LIMIT);
    assert_int_equal(plan->root->rows, 2);
    assert_int_equal(plan->root->offset, 3070);
    plan = plan_of(&f, "SELECT note FROM visits LIMIT 0");
    assert_int_equal(plan->root->rows, 1);
    /* A group's place says which it is, unless that is shown. */
    assert_false(plan_of(&f, "SELECT region, count(*) FROM visits GROUP BY 1")->shuffle_output);
    assert_true(plan_of(&f, "SELECT count(*) FROM visits GROUP BY region")->shuffle_output);
    assert_true(plan_of(&f, "SELECT person, count(*) FROM visits GROUP BY 1")->shuffle_output);
    assert_false(plan_of(&f, "SELECT count(*) FROM visits")->shuffle_output);
    cm_plan_fixture_fini(&f);
}

static void test_windows(void **state)
{
    (void)state;
    check_tree(
        true,
        "SELECT k, count(*) FROM (SELECT row_number() OVER w AS k, lag(cost) OVER w AS c FROM "
        "north.visits WINDOW w AS (PARTITION BY region ORDER BY year DESC)) s WHERE c > 5 "
        "GROUP BY k",
        "Project  (MPC, 1024 rows of 22 planes)\n"
        "  Output: row_number, count(*)\n"
        "  ->  Group by sort  (MPC, 1024 rows of 22 planes)\n"
        "        Keys: row_number\n"
        "        ->  Project  (MPC, 1024 rows of 11 planes)\n"
        "              Output: row_number\n"
        "              ->  Filter  (MPC, 1024 rows of 40 planes)\n"
        "                    Condition: (lag > 5.00)\n"
        "                    ->  Project  (MPC, 1024 rows of 40 planes)\n"
        "                          Output: row_number, lag\n"
        "                          ->  Window  (MPC, 1024 rows of 77 planes)\n"
        "                                Functions: row_number(), lag(cost, 1); partition by: "
        "region; order by: year DESC\n"
        "                                ->  Input rows  (north, in the clear, 1024 rows of 38 "
        "planes)\n"
        "                                      SQL: SELECT \"region\" AS c0, \"year\" AS c1, "
        "\"cost\" AS c2 FROM \"visits\"\n");
}

/* Orders that begin alike share a sort, unless peers matter. */
static void test_window_sorts(void **state)
{
    static const struct {
        const char *sql;
        size_t windows;
    } cases[] = {
        {"SELECT row_number() OVER (PARTITION BY region ORDER BY year, cost), count(*) OVER "
         "(PARTITION BY region), lag(day) OVER (PARTITION BY region ORDER BY year) FROM visits",
         1},
        {"SELECT row_number() OVER (PARTITION BY region ORDER BY year, cost), rank() OVER "
         "(PARTITION BY region ORDER BY year) FROM visits",
         2},
        {"SELECT sum(cost) OVER (ORDER BY year, day), sum(cost) OVER (ORDER BY year), sum(cost) "
         "OVER (ORDER BY year ROWS UNBOUNDED PRECEDING) FROM visits",
         2},
        {"SELECT ntile(3) OVER (ORDER BY year), first_value(cost) OVER (ORDER BY year DESC) FROM "
         "visits",
         2},
        {"SELECT n FROM (SELECT region AS n, rank() OVER (ORDER BY year) FROM visits) s", 0},
    };

    (void)state;
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        cm_plan_fixture f;
        size_t windows = 0;
        cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
        const cm_plan *plan = plan_of(&f, cases[i].sql);
        for (size_t n = 0; n < plan->nodes; n++) {
            windows += plan->node[n]->op == CM_PLAN_WINDOW;
        }
        if (windows != cases[i].windows) {
            fail_msg("%s: %zu", cases[i].sql, windows);
        }
        cm_plan_fixture_fini(&f);
    }
}

static void test_set_operations(void **state)
{
    cm_plan_fixture f;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    /* Rows of tables are a union like that of owners: each computes its arm, and aggregates it. */
    const cm_plan *plan =
        plan_of(&f, "SELECT max(x), count(*) FROM (SELECT note AS n, year + 1 AS x FROM visits "
                    "WHERE day > '1970-01-05' UNION ALL SELECT name, age FROM doctors) s WHERE x > "
                    "50 AND n || 'b' LIKE 'a%'");
    assert_int_equal(count_nodes(plan, CM_PLAN_INPUT), 3);
    assert_int_equal(count_nodes(plan, CM_PLAN_COMBINE), 1);
    for (size_t i = 0; i < 3; i++) {
        assert_true(plan->node[i]->fragment->aggregated);
        assert_non_null(plan->node[i]->fragment->filter);
    }
    assert_string_equal(plan->node[2]->fragment->table->name, "doctors");
    assert_int_equal(plan->node[2]->fragment->table->cols, 3); /* as it is published */
    plan = plan_of(&f, "SELECT x FROM (SELECT note AS n, year AS x FROM visits UNION ALL SELECT "
                       "name, age FROM doctors UNION ALL SELECT 'x', 7 FROM tumours) s");
    assert_int_equal(count_nodes(plan, CM_PLAN_INPUT), 4);
    assert_int_equal(plan->node[0]->col[0].range.lo, 7);
    assert_int_equal(plan->node[0]->col[0].range.hi, 2030);

    /* Other arms are blocks; conditions go into them, encodings are the hull, without a program. */
    plan =
        plan_of(&f, "SELECT count(*), max(x) FROM (SELECT note AS n, year AS x FROM visits UNION "
                    "ALL SELECT d.name, d.age FROM doctors d JOIN visits v ON v.doctor = d.id) s "
                    "WHERE x > 50 AND n LIKE 'a%'");
    assert_int_equal(plan->node[0]->col[0].range.lo, 51);
    assert_int_equal(plan->node[0]->col[0].range.hi, 2030);
    assert_non_null(plan->node[0]->fragment->filter);
    assert_int_equal(plan->node[0]->cols, 1);

    /* Also below what finds equal rows, where they are of keys. */
    plan =
        plan_of(&f, "SELECT x FROM (SELECT year AS x FROM visits EXCEPT SELECT age FROM doctors) "
                    "s WHERE x > 50");
    assert_non_null(plan->node[0]->fragment->filter);
    /* A condition that sank still tells which rows are one. */
    plan =
        plan_of(&f, "SELECT count(*) FROM visits v JOIN (SELECT year, region, count(*) AS n FROM "
                    "visits GROUP BY year, region) g ON g.region = v.region WHERE g.year = 2025");
    assert_int_equal(count_nodes(plan, CM_PLAN_JOIN), 1);
    /* Constants are one node. */
    plan = plan_of(&f, "SELECT year FROM visits UNION ALL SELECT 1 UNION ALL VALUES (2), (NULL)");
    assert_int_equal(count_nodes(plan, CM_PLAN_VALUES), 1);
    assert_int_equal(plan->root->rows, 3072 + 3);
    cm_plan_fixture_fini(&f);

    /* K is asked of each arm's groups, and not of what merges them. */
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_GROUP, 10});
    plan = plan_of(&f, "SELECT year FROM visits UNION SELECT age FROM doctors");
    assert_int_equal(plan->min_rows, 10);
    assert_int_equal(count_nodes(plan, CM_PLAN_FILTER), 2);
    assert_int_not_equal(plan->root->op, CM_PLAN_FILTER);
    cm_plan_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_window_sorts),
        cmocka_unit_test(test_set_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
