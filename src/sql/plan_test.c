/* Golden plans, digests, and what cannot be planned. */
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

/* The tree without costs. */
static void check_tree(bool pushdown, const char *sql, const char *want)
{
    const cm_explain options = {.disclosure = true};
    cm_plan_fixture f;
    cm_buf text = {0};

    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    f.settings.pushdown = pushdown;
    cm_explain_print(plan_of(&f, sql), &options, NULL, &text);
    char *end = strstr((char *)(uintptr_t)cm_buf_text(&text), "Parties: ");
    assert_non_null(end);
    *end = 0;
    assert_string_equal(cm_buf_text(&text), want);
    cm_buf_free(&text);
    cm_plan_fixture_fini(&f);
}

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

static void test_join(void **state)
{
    (void)state;
    check_tree(true,
               "SELECT t.stage, max(v.cost) FROM visits v JOIN tumours t USING (person) "
               "WHERE v.note LIKE 'a%' AND t.size > 10 GROUP BY t.stage",
               "Project  (MPC, 3 rows of 32 planes)\n"
               "  Output: stage, max(cost)\n"
               "  ->  Group by public domain  (MPC, 3 rows of 44 planes)\n"
               "        Keys: stage; aggregates: max(cost)\n"
               "        ->  Project  (MPC, 3072 rows of 32 planes)\n"
               "              Output: cost, stage\n"
               "              ->  Join  (MPC, 3072 rows of 160 planes)\n"
               "                    Keys: person = person (unique); merges 3 sorted runs\n"
               "                    ->  Input rows  (east, in the clear, 512 rows of 131 planes)\n"
               "                          Delivers: sorted by person\n"
               "                          SQL: SELECT \"person\" AS c0, \"stage\" AS c1 FROM "
               "\"tumours\" WHERE (\"size\" > 10)\n"
               "                    ->  Append  (MPC, 3072 rows of 158 planes)\n"
               "                          ->  Input rows  (north, in the clear, 1024 rows of 158 "
               "planes)\n"
               "                                Delivers: sorted by person\n"
               "                                SQL: SELECT \"person\" AS c0, \"cost\" AS c1 FROM "
               "\"visits\" WHERE (\"note\" LIKE 'a%' ESCAPE '\\')\n"
               "                          ->  Input rows  (south, in the clear, 2048 rows of 158 "
               "planes)\n"
               "                                Delivers: sorted by person\n"
               "                                SQL: SELECT \"person\" AS c0, \"cost\" AS c1 FROM "
               "\"visits\" WHERE (\"note\" LIKE 'a%' ESCAPE '\\')\n");
    check_tree(
        true,
        "SELECT d.name FROM doctors d LEFT JOIN east.tumours t ON d.name = t.person AND "
        "t.stage = 'II' WHERE t.size IS NULL OR t.size > d.age",
        "Input rows  (east, in the clear, 64 rows of 322 planes)\n"
        "  SQL: SELECT t0.\"name\" AS c0 FROM (\"doctors\" AS t0 LEFT JOIN \"tumours\" AS t1 ON "
        "((t0.\"name\" = t1.\"person\") AND (t1.\"stage\" = 1))) WHERE ((t1.\"size\" IS NULL) OR "
        "(t1.\"size\" > t0.\"age\"))\n");
    check_tree(
        true,
        "SELECT v.note FROM north.visits v LEFT JOIN east.tumours t ON v.person = t.person AND "
        "t.stage = 'II' WHERE t.size IS NULL OR t.size > v.year",
        "Project  (MPC, 1024 rows of 322 planes)\n"
        "  Output: note\n"
        "  ->  Filter  (MPC, 1024 rows of 337 planes)\n"
        "        Condition: ((size IS NULL) OR (size > year))\n"
        "        ->  Project  (MPC, 1024 rows of 337 planes)\n"
        "              Output: year, note, size\n"
        "              ->  Left join  (MPC, 1024 rows of 465 planes)\n"
        "                    Keys: person = person (unique); merges 2 sorted runs\n"
        "                    ->  Input rows  (east, in the clear, 512 rows of 138 planes)\n"
        "                          Delivers: sorted by person\n"
        "                          SQL: SELECT \"person\" AS c0, \"size\" AS c1 FROM "
        "\"tumours\" WHERE (\"stage\" = 1)\n"
        "                    ->  Input rows  (north, in the clear, 1024 rows of 456 planes)\n"
        "                          Delivers: sorted by person\n"
        "                          SQL: SELECT \"person\" AS c0, \"year\" AS c1, \"note\" AS c2 "
        "FROM \"visits\"\n");
}

static void test_without_pushdown(void **state)
{
    (void)state;
    check_tree(false, "SELECT sum(cost * 2) FROM north.visits WHERE year = 2025 AND note LIKE 'a%'",
               "Project  (MPC, 1 row of 41 planes)\n"
               "  Output: sum(...)\n"
               "  ->  Aggregate  (MPC, 1 row of 63 planes)\n"
               "        Aggregates: sum(expression), count(expression)\n"
               "        ->  Project  (MPC, 1024 rows of 31 planes)\n"
               "              Output: (cost * 2)\n"
               "              ->  Filter  (MPC, 1024 rows of 38 planes)\n"
               "                    Condition: ((year = 2025) AND expression)\n"
               "                    ->  Input rows  (north, in the clear, 1024 rows of 38 planes)\n"
               "                          SQL: SELECT \"year\" AS c0, \"cost\" AS c1, CASE WHEN "
               "(\"note\" LIKE 'a%' ESCAPE '\\') THEN 1 WHEN NOT (\"note\" LIKE 'a%' ESCAPE '\\') "
               "THEN 0 END AS c2 FROM \"visits\"\n");
}

static size_t count_nodes(const cm_plan *plan, cm_plan_op op)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->nodes; i++) {
        count += plan->node[i]->op == op;
    }
    return count;
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

/* Grouped, distinct and windowed rows of no table. */
static void test_no_tables(void **state)
{
    static const char *const queries[] = {
        "SELECT 'a' IN ('b', 'c') GROUP BY 1, 1",
        "SELECT DISTINCT 1",
        "SELECT max(x) FROM (SELECT 1 AS x GROUP BY 1) s",
        "SELECT sum(1) OVER (), row_number() OVER ()",
        "SELECT sum(1) OVER (), (SELECT count(*) FROM visits)",
        "SELECT year, (SELECT row_number() OVER ()) FROM visits",
        "SELECT year FROM visits WHERE year IN (SELECT sum(1) OVER ())",
        "VALUES (1) EXCEPT SELECT sum(1) OVER ()",
        "SELECT mode() WITHIN GROUP (ORDER BY 1) GROUP BY 2 - 1",
    };
    cm_plan_fixture f;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    for (size_t i = 0; i < CM_COUNT(queries); i++) {
        (void)plan_of(&f, queries[i]);
    }
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

static void test_participants(void **state)
{
    cm_plan_fixture f;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    const cm_plan *plan = plan_of(&f, "SELECT count(*) FROM north.visits");
    assert_int_equal(plan->parties, 3);
    assert_string_equal(plan->party[2], "east");
    assert_int_equal(plan->participants, 4);
    assert_string_equal(plan->participant[plan->coordinator], "insurer");
    cm_plan_fixture_fini(&f);
}

/* Every node's columns are consistent, children come first, sizes are public and positive. */
static void check_sane(const cm_plan *plan)
{
    for (size_t i = 0; i < plan->nodes; i++) {
        const cm_plan_node *node = plan->node[i];
        assert_int_equal(node->number, i);
        assert_true(node->rows > 0);
        for (size_t c = 0; c < node->children; c++) {
            assert_true(node->child[c]->number < i);
        }
        for (size_t c = 0; c < node->cols; c++) {
            const cm_plan_col *col = &node->col[c];
            assert_true(col->enc.planes > 0);
            if (col->enc.kind == CM_ENC_NUMBER) {
                assert_int_equal(cm_range_planes(col->range), col->enc.planes);
                assert_true(col->range.lo == col->enc.lo);
            }
        }
        for (size_t k = 0; node->op == CM_PLAN_JOIN && k < node->join.keys; k++) {
            const cm_encoding *x = &node->child[0]->col[node->join.unique_key[k]].enc;
            const cm_encoding *y = &node->child[1]->col[node->join.other_key[k]].enc;
            assert_true(x->kind == y->kind && x->lo == y->lo && x->planes == y->planes);
        }
        if (node->op == CM_PLAN_CONCAT) {
            for (size_t c = 0; c < node->children; c++) {
                assert_int_equal(node->child[c]->cols, node->cols);
            }
        }
    }
    assert_ptr_equal(plan->node[plan->nodes - 1], plan->root);
}

static const char *const queries[] = {
    "SELECT count(*) FROM visits",
    "SELECT DISTINCT region, year FROM visits",
    "SELECT note, cost FROM visits WHERE cost > 10 ORDER BY cost LIMIT 5",
    "SELECT region, count(DISTINCT person), avg(cost) FROM visits GROUP BY region",
    "SELECT count(DISTINCT doctor), sum(cost) FROM visits",
    "SELECT region, percentile_cont(0.5) WITHIN GROUP (ORDER BY cost), percentile_disc(0.1) WITHIN "
    "GROUP (ORDER BY year DESC), count(DISTINCT doctor), mode() WITHIN GROUP (ORDER BY person) "
    "FROM visits GROUP BY region",
    "SELECT extract(year FROM day), min(note), max(cost) FROM visits GROUP BY 1",
    "SELECT d.name, count(*) FROM visits v JOIN doctors d ON v.doctor = d.id GROUP BY d.name",
    "SELECT v.region, count(t.size) FROM visits v LEFT JOIN tumours t USING (person) GROUP BY 1",
    "SELECT count(*) FROM visits v, doctors d, tumours t WHERE v.doctor = d.id AND t.person = "
    "v.person AND t.size > d.age",
    "SELECT region, sum(n) FROM (SELECT region, doctor, count(*) AS n FROM visits GROUP BY 1, 2) s "
    "GROUP BY region",
    "SELECT count(*) FROM visits WHERE doctor IN (SELECT id FROM doctors WHERE age > 50)",
    "SELECT count(*) FROM tumours t WHERE NOT EXISTS (SELECT 1 FROM visits v WHERE v.person = "
    "t.person AND v.year = 2020)",
    "SELECT count(*) FROM visits v JOIN (SELECT person, max(cost) AS c FROM visits GROUP BY "
    "person) "
    "m ON m.person = v.person AND m.c = v.cost",
    "SELECT count(*) FROM visits, (SELECT avg(cost) AS a FROM visits) x WHERE cost > a",
    "WITH v AS (SELECT * FROM visits WHERE year > 2010) SELECT v.region, sum(v.cost) FROM v GROUP "
    "BY v.region HAVING sum(v.cost) > 5 ORDER BY 2",
    "SELECT CASE WHEN year > 2020 THEN 'new' ELSE 'old' END AS age, count(*) FROM visits GROUP BY "
    "1",
    "SELECT doctor / nullif(year - 2010, 0) FROM visits",
    "SELECT doctor / (year - 2010) FROM visits",
    "SELECT region, count(*) FILTER (WHERE note LIKE '%x') FROM visits GROUP BY region",
};

/* Planning again gives the same bytes, with and without push-down. */
static void test_deterministic(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * CM_COUNT(queries); i++) {
        cm_plan_fixture f, g;
        const char *sql = queries[i / 2];
        cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
        cm_plan_fixture_init(&g, (cm_label){CM_LABEL_REVEAL, 0});
        f.settings.pushdown = g.settings.pushdown = i % 2 == 0;
        const cm_plan *a = plan_of(&f, sql), *b = plan_of(&g, sql);
        check_sane(a);
        assert_string_equal(a->text, b->text);
        assert_memory_equal(&a->digest, &b->digest, sizeof a->digest);
        cm_plan_fixture_fini(&f);
        cm_plan_fixture_fini(&g);
    }
}

static void change(cm_plan_fixture *f, size_t what)
{
    static const char *const other_labels[] = {"east", "west", "south", "north"};
    static const cm_enum other = {"region", 4, other_labels};

    switch (what) {
    case 0:
        f->table[0].rows++;
        break;
    case 1:
        f->visits[3].range.hi++;
        break;
    case 2:
        f->visits[1].type.labels = &other;
        break;
    case 3:
        f->visits[3].not_null = true;
        break;
    case 4:
        f->settings.domain_max = 3;
        break;
    case 5:
        f->settings.rtt_seconds *= 2;
        break;
    case 6:
        f->visits[3].label = (cm_label){CM_LABEL_AGGREGATE, 10};
        break;
    case 7:
        f->settings.pushdown = false;
        break;
    case 8:
        f->visits[3].name = "price";
        break;
    default:
        f->visits[3].type.scale = 1;
        break;
    }
}

static void test_digest_changes(void **state)
{
    cm_hash seen[16];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < 13; i++) {
        cm_plan_fixture f;
        const char *sql =
            i == 10   ? "SELECT region, sum(cost) FROM visits WHERE year = 2021 GROUP BY 1"
            : i == 11 ? "SELECT region, sum(cost) AS s FROM visits WHERE year = 2020 GROUP BY 1"
            : i == 8  ? "SELECT region, sum(price) FROM visits WHERE year = 2020 GROUP BY 1"
                      : "SELECT region, sum(cost) FROM visits WHERE year = 2020 GROUP BY 1";
        cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
        if (i < 10) {
            change(&f, i);
        }
        cm_plan_fixture_build(&f);
        const cm_plan *plan = plan_of(&f, sql);
        for (size_t k = 0; k < count; k++) {
            assert_memory_not_equal(&plan->digest, &seen[k], sizeof seen[k]);
        }
        seen[count++] = plan->digest;
        cm_plan_fixture_fini(&f);
    }
}

static void test_unsupported(void **state)
{
    static const struct {
        const char *sqlstate, *sql;
    } cases[] = {
        {"0A000", "SELECT count(*) FROM visits a JOIN visits b ON a.doctor = b.doctor"},
        {"0A000", "SELECT count(*) FROM visits a, visits b WHERE a.year > b.year"},
        {"0A000", "SELECT count(*) FROM visits a FULL JOIN visits b ON a.doctor = b.doctor"},
        {"0A000", "SELECT count(*) FROM visits b LEFT JOIN visits a ON a.doctor = b.doctor"},
        {"0A000",
         "SELECT length(d.name || v.note) FROM visits v JOIN doctors d ON v.doctor = d.id"},
        {"0A000", "SELECT extract(week FROM max(day) - interval '3000 years') FROM visits"},
    };

    (void)state;
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        cm_plan_fixture f;
        const cm_query *query;
        const cm_plan *plan;
        cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
        cm_status st = cm_plan_fixture_plan(&f, cases[i].sql, &query, &plan);
        if (st == CM_OK || strcmp(f.diag.sqlstate, cases[i].sqlstate) != 0) {
            fail_msg("%s: %d %s", cases[i].sql, (int)st, f.diag.message);
        }
        cm_plan_fixture_fini(&f);
    }
}

/* Nodes that two others read: numbered once, explained once. */
static void test_shared(void **state)
{
    cm_explain options = {.json = true};
    cm_plan_fixture f;
    cm_buf text = {0};

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    const cm_plan *plan = plan_of(&f, "SELECT b.age, count(a.year) FROM doctors b LEFT JOIN visits "
                                      "a ON a.doctor = b.id GROUP BY b.age");
    for (size_t i = 0; i < plan->nodes; i++) {
        assert_int_equal(plan->node[i]->number, i);
        for (size_t c = 0; c < plan->node[i]->children; c++) {
            assert_true(plan->node[i]->child[c]->number < i);
        }
    }
    cm_explain_print(plan, &options, NULL, &text);
    assert_non_null(strstr(cm_buf_text(&text), "\"Shared\": true"));
    options.json = false;
    cm_buf_clear(&text);
    cm_explain_print(plan, &options, NULL, &text);
    assert_non_null(strstr(cm_buf_text(&text), "The same again: "));
    cm_buf_free(&text);
    cm_plan_fixture_fini(&f);
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

/* What is written twice is computed once, and what only looks alike is not. */
static void test_same_subplans(void **state)
{
    static const struct {
        const char *sql;
        size_t groupings, inputs;
    } cases[] = {
        {"WITH d AS (SELECT doctor, sum(cost) AS s FROM visits GROUP BY doctor) "
         "SELECT a.doctor FROM d a JOIN d b ON a.doctor = b.doctor WHERE a.s > b.s",
         1, 2},
        {"SELECT a.doctor FROM (SELECT doctor, sum(cost) AS s FROM visits GROUP BY doctor) a "
         "JOIN (SELECT doctor, sum(cost) AS s FROM visits GROUP BY doctor) b "
         "ON a.doctor = b.doctor WHERE a.s > b.s",
         1, 2},
        /* what reads the columns first does not matter, nor which relation of the query it is;
         * both groupings are parts of joins by their key (plan_fuse.c) */
        {"SELECT d.id, d.name, sum(v.cost) FROM visits v, doctors d WHERE v.doctor = d.id AND "
         "d.id IN (SELECT doctor FROM visits GROUP BY doctor HAVING sum(cost) > 100) "
         "GROUP BY d.id, d.name",
         0, 3},
        {"SELECT a.doctor FROM (SELECT doctor, sum(cost) AS s FROM visits GROUP BY doctor) a "
         "JOIN (SELECT doctor, sum(cost) AS s FROM visits WHERE year > 2001 GROUP BY doctor) b "
         "ON a.doctor = b.doctor WHERE a.s > b.s",
         2, 4},
    };
    cm_plan_fixture f;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        const cm_plan *plan = plan_of(&f, cases[i].sql);
        size_t groupings = 0, inputs = 0;
        for (size_t n = 0; n < plan->nodes; n++) {
            groupings += plan->node[n]->op == CM_PLAN_GROUP_SORT;
            inputs += plan->node[n]->op == CM_PLAN_INPUT;
            assert_int_equal(plan->node[n]->number, n);
            for (size_t c = 0; c < plan->node[n]->children; c++) {
                unsigned child = plan->node[n]->child[c]->number;
                assert_true(child < n);
                assert_ptr_equal(plan->node[child], plan->node[n]->child[c]);
            }
        }
        assert_int_equal(groupings, cases[i].groupings);
        assert_int_equal(inputs, cases[i].inputs);
    }
    cm_plan_fixture_fini(&f);
}

/* A key of several columns makes a side unique when the join is on all of them, and only then; over
 * several owners that is presumed, or known with org. */
static void test_composite_key(void **state)
{
    static const unsigned of_tumours[] = {2, 0}, of_visits[] = {6, 0};
    static const cm_table_key tumours = {true, 2, of_tumours}, visits = {false, 2, of_visits};
    static const struct {
        bool fine;
        const char *sql;
        size_t checks;
    } cases[] = {
        {true,
         "SELECT count(*) FROM visits v JOIN tumours t ON v.person = t.person AND "
         "v.doctor = t.size",
         0},
        {false, "SELECT count(*) FROM visits v JOIN tumours t ON v.person = t.person", 0},
        {false, "SELECT count(*) FROM visits v JOIN tumours t ON v.doctor = t.size", 0},
        {true, "SELECT count(*) FROM north.visits a JOIN south.visits b USING (person, doctor)", 0},
        {true, "SELECT count(*) FROM visits a JOIN visits b USING (person, doctor)", 1},
        {false, "SELECT count(*) FROM visits a JOIN visits b USING (person)", 0},
        {true,
         "SELECT count(*) FROM visits a JOIN visits b ON a.person = b.person AND "
         "a.doctor = b.doctor AND a.org = b.org",
         0},
    };

    (void)state;
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        cm_plan_fixture f;
        const cm_query *query;
        const cm_plan *plan;
        cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
        f.tumours[0].unique = false;
        f.table[0].keys = f.table[1].keys = f.table[2].keys = 1;
        f.table[0].key = f.table[1].key = &visits;
        f.table[2].key = &tumours;
        cm_plan_fixture_build(&f);
        cm_status st = cm_plan_fixture_plan(&f, cases[i].sql, &query, &plan);
        if ((st == CM_OK) != cases[i].fine || (st == CM_OK && plan->checks != cases[i].checks)) {
            fail_msg("%s: %d %s", cases[i].sql, (int)st, f.diag.message);
        }
        f.settings.cross_owner_keys = false;
        st = cm_plan_fixture_plan(&f, cases[i].sql, &query, &plan);
        assert_true(st != CM_OK || plan->checks == 0);
        cm_plan_fixture_fini(&f);
    }
}

/* Only comments with a plus sign that are comments. */
static void test_hints(void **state)
{
    static const struct {
        const char *sql, *alias;
        uint64_t rows;
        bool fine;
    } cases[] = {
        {"SELECT /*+ rows(b 17) */ 1", "b", 17, true},
        {"SELECT /*+ SeqScan(a) Rows( \"B b\"  9 ) */ 1", "B b", 9, true},
        {"/*+ROWS(Abc 1073741824)*/ SELECT 1", "abc", 1073741824, true},
        {"SELECT '/*+ rows(b 17) */', \"/*+ rows(b 17) */\", $1, $x$ /*+ rows(b 17) */ $x$", NULL,
         0, true},
        {"SELECT 1 -- /*+ rows(b 17) */\n", NULL, 0, true},
        {"SELECT /* rows(b 17) /*+ rows(c 1) */ */ 'it''s', E'\\'/*+ rows(b 1) */' ", NULL, 0,
         true},
        {"SELECT 1 /*+ rows(b 5", NULL, 0, false},
        {"SELECT /*+ rows(b) */ 1", NULL, 0, false},
        {"SELECT /*+ rows(b 0) */ 1", NULL, 0, false},
        {"SELECT /*+ rows(b 1073741825) */ 1", NULL, 0, false},
        {"SELECT /*+ rows b 5 */ 1", NULL, 0, false},
    };
    cm_plan_fixture f;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        const cm_hint *hint = NULL;
        size_t hints = 0;
        cm_diag diag = {0};
        cm_status st = cm_sql_hints(cases[i].sql, &f.arena, &hint, &hints, &diag);
        if ((st == CM_OK) != cases[i].fine || hints != (cases[i].alias != NULL ? 1U : 0U)) {
            fail_msg("%s: %d, %zu hints", cases[i].sql, (int)st, hints);
        }
        if (hints == 1) {
            assert_string_equal(hint[0].alias, cases[i].alias);
            assert_int_equal(hint[0].rows, cases[i].rows);
        }
    }
    cm_plan_fixture_fini(&f);
}

/* One JSON document: braces and brackets match outside strings. */
static void test_json(void **state)
{
    const cm_explain options = {.json = true};
    cm_plan_fixture f;
    cm_buf text = {0};
    int depth = 0, deepest = 0;
    bool inside = false;

    (void)state;
    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    const cm_plan *plan = plan_of(&f, "SELECT count(*) FROM visits WHERE note = 'it''s \"x\\'");
    cm_measured *measured = CM_NEW_SMALL(&f.arena, cm_measured, plan->nodes);
    cm_explain_print(plan, &options, measured, &text);
    for (const char *c = cm_buf_text(&text); *c != 0; c++) {
        if (inside && *c == '\\') {
            c++;
        } else if (*c == '"') {
            inside = !inside;
        } else if (!inside && (*c == '{' || *c == '[')) {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if (!inside && (*c == '}' || *c == ']')) {
            depth--;
        }
    }
    assert_int_equal(depth, 0);
    assert_true(deepest > 3);
    assert_non_null(strstr(cm_buf_text(&text), "\"Actual Rounds\": 0"));
    cm_buf_free(&text);
    cm_plan_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_without_pushdown),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_set_operations),
        cmocka_unit_test(test_materialized_views),
        cmocka_unit_test(test_min_rows),
        cmocka_unit_test(test_wide_sum),
        cmocka_unit_test(test_rows_max),
        cmocka_unit_test(test_no_tables),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_window_sorts),
        cmocka_unit_test(test_participants),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_digest_changes),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_composite_key),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_early),
        cmocka_unit_test(test_early_presumed),
        cmocka_unit_test(test_early_twice),
        cmocka_unit_test(test_same_subplans),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
