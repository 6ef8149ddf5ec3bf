/* Plans that keep their result, and plans that read one. */
#include "sql/plan_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Makes a view and publishes it as insurer's. */
static const cm_plan *keep(cm_plan_fixture *f, const char *sql, cm_org_table *ret)
{
    const cm_query *query;
    const cm_plan *plan = NULL;

    if (cm_plan_fixture_plan(f, sql, &query, &plan) != CM_OK) {
        fail_msg("%s: %s", sql, f->diag.message);
    }
    assert_int_equal(plan->root->op, CM_PLAN_STORE);
    assert_int_equal(plan->outputs, 0);
    *ret = *plan->stores;
    return plan;
}

static void test_materialized_views(void **state)
{
    cm_plan_fixture f;
    cm_org_table view, tables[5];
    const cm_query *query;
    const cm_plan *plan;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_GROUP, 10});
    /* Groups that whoever asks may see: K is asked now, and never again. */
    plan = keep(&f,
                "CREATE MATERIALIZED VIEW m (y, s) AS SELECT year, sum(cost) FROM visits "
                "GROUP BY year",
                &view);
    assert_int_equal(plan->min_rows, 10);
    assert_string_equal(view.col[0].name, "y");
    assert_true(view.col[0].unique);
    assert_int_equal(view.col[0].label.kind, CM_LABEL_REVEAL);
    assert_int_equal(view.stored->min_rows, 0);
    assert_int_equal(view.stored->readers, 1);
    assert_string_equal(view.stored->reader[0], "insurer");
    memcpy(tables, f.table, sizeof f.table);
    tables[4] = view;
    const cm_member members[] = {
        {"north", true}, {"south", true}, {"east", true}, {"insurer", false}};
    assert_int_equal(
        cm_schema_build("test", "rep3", members, 4, tables, 5, &f.arena, &f.schema, &f.diag),
        CM_OK);
    plan = plan_of(&f, "SELECT s FROM m WHERE y = 2025");
    assert_int_equal(count_nodes(plan, CM_PLAN_STORED), 1);
    assert_int_equal(count_nodes(plan, CM_PLAN_INPUT), 0);
    assert_int_equal(plan->min_rows, 0);
    plan = plan_of(&f, "SELECT v.region, sum(m.s) FROM visits v JOIN insurer.m ON m.y = v.year "
                       "GROUP BY v.region"); /* unique */
    assert_int_equal(count_nodes(plan, CM_PLAN_PRODUCT), 0);

    /* Rows that may not be shown keep their labels and K, and conditions count. */
    (void)keep(&f,
               "CREATE MATERIALIZED VIEW m AS SELECT cost, person FROM visits WHERE year > 2024",
               &view);
    assert_int_equal(view.col[0].label.kind, CM_LABEL_GROUP);
    assert_int_equal(view.stored->min_rows, 10);
    assert_true(view.stored->digest[1]);
    tables[4] = view;
    assert_int_equal(
        cm_schema_build("test", "rep3", members, 4, tables, 5, &f.arena, &f.schema, &f.diag),
        CM_OK);
    assert_int_equal(plan_of(&f, "SELECT count(*) FROM m")->min_rows, 10);
    assert_int_equal(cm_plan_fixture_plan(&f, "SELECT cost FROM m", &query, &plan), CM_EDENIED);
    cm_diag_reset(&f.diag);
    plan = plan_of(&f, "SELECT count(*) FROM m JOIN tumours t ON t.person = m.person");

    /* Who was not granted what it was made from is refused by every participant. */
    assert_int_equal(cm_sql_prepare("SELECT count(*) FROM insurer.m", f.schema, "north", NULL, 0,
                                    &f.settings, &f.arena, &query, &plan, &f.diag),
                     CM_EDENIED);
    cm_plan_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_materialized_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
