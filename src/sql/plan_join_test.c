/* Golden plans of joins, and what is computed once for several. */
#include "sql/plan_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),          cmocka_unit_test(test_shared),
        cmocka_unit_test(test_same_subplans), cmocka_unit_test(test_composite_key),
        cmocka_unit_test(test_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
