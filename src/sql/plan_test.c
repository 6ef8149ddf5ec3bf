/* Plans as a whole: who takes part, digests, documents, and what cannot be planned. */
#include "sql/plan_check.h"
#include "sql/plan_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

/* Bounds stop at the most that there can be, and never wrap. */
static void test_times_most(void **state)
{
    const uint64_t many = UINT64_C(1) << 32;
    (void)state;

    assert_int_equal(cm_times_most(3, 5, 100), 15);
    assert_int_equal(cm_times_most(0, many, 100), 0);
    assert_int_equal(cm_times_most(10, 10, 100), 100);
    assert_int_equal(cm_times_most(10, 11, 100), 100);
    assert_int_equal(cm_times_most(many, many, UINT64_C(1) << 40), UINT64_C(1) << 40);
    assert_int_equal(cm_times_most(many, many, UINT64_MAX), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_most),    cmocka_unit_test(test_without_pushdown),
        cmocka_unit_test(test_no_tables),     cmocka_unit_test(test_participants),
        cmocka_unit_test(test_deterministic), cmocka_unit_test(test_digest_changes),
        cmocka_unit_test(test_unsupported),   cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
