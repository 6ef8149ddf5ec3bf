/*
 * Owners that deliver sorted rows, and operators that merge them: the answers of plans with and
 * without are the same, and messages are the same whatever the rows.
 */
#include "exec/query_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WORLDS = 2, BOUND = 30 };

/* Each with something to merge. */
static const char *const QUERIES[] = {
    "SELECT person, count(*), min(cost), sum(cost + year) FROM visits GROUP BY person",
    "SELECT cost, count(*), max(year) FROM visits GROUP BY cost", /* NULLs */
    "SELECT code, person, count(cost) FROM visits WHERE year > 2010 GROUP BY code, person",
    "SELECT person, count(DISTINCT cost), sum(year) FROM visits GROUP BY person",
    "SELECT DISTINCT person, year FROM visits WHERE cost IS NOT NULL",
    "SELECT person, sum(cost) FROM visits GROUP BY person HAVING count(*) > 1",
    "SELECT v.person, v.cost, p.stage FROM visits v JOIN people p ON v.person = p.person",
    "SELECT v.person, p.stage FROM visits v LEFT JOIN people p ON v.person = p.person",
    "SELECT v.person, p.stage, count(*) FROM visits v JOIN people p ON v.person = p.person "
    "WHERE v.cost > p.stage * 10 GROUP BY v.person, p.stage",
    "SELECT v.person, v.year FROM visits v WHERE NOT EXISTS (SELECT 1 FROM people p WHERE "
    "p.person = v.person AND p.stage > 1)",
    "SELECT v.person, v.year FROM visits v WHERE v.cost IN (SELECT score FROM clients)",
    "SELECT v.cost, c.zone FROM visits v JOIN clients c ON v.cost = c.client",
    "SELECT p.person, p.stage, g.n FROM people p JOIN (SELECT person, count(*) AS n FROM visits "
    "GROUP BY person) g ON g.person = p.person",
    "SELECT v.person, v.cost, g.n FROM visits v JOIN (SELECT person, count(*) AS n FROM visits "
    "GROUP BY person) g ON g.person = v.person",
    "SELECT v.person, v.cost, c.client FROM visits v JOIN clients c ON v.person = c.zone",
    "SELECT c.client, count(v.cost), sum(v.year) FROM clients c LEFT JOIN visits v ON "
    "v.person = c.zone AND v.cost >= c.score GROUP BY c.client",
    "SELECT region, year, rank() OVER (PARTITION BY region ORDER BY year DESC), "
    "sum(cost) OVER (PARTITION BY region ORDER BY year DESC), "
    "max(cost) OVER (PARTITION BY region) FROM visits WHERE cost > -500",
    "SELECT person, year FROM visits WHERE region = 1 UNION SELECT person, stage FROM people",
};

static cm_plan_settings settings_of(bool pushdown, cm_runs_use runs)
{
    cm_plan_settings settings = cm_plan_settings_default();

    settings.pushdown = pushdown;
    settings.join_rows = 1500;
    settings.domain_max = 1; /* or groups would be those of a domain */
    settings.runs = runs;
    return settings;
}

/* Runs that some node merges, and rows that come sorted. */
static void count_runs(const cm_plan *plan, size_t *ret_runs, size_t *ret_sorted)
{
    *ret_runs = *ret_sorted = 0;
    for (size_t i = 0; i < plan->nodes; i++) {
        *ret_runs += plan->node[i]->runs[0].count + plan->node[i]->runs[1].count;
        *ret_sorted += plan->node[i]->sorts > 0;
    }
}

static void run(world *w, const char *sql, cm_plan_settings settings, cm_trace **trace)
{
    size_t runs, sorted;
    run_state s;

    run_query_as(w, sql, settings, &s, trace);
    if (s.status[s.plan->coordinator] != CM_OK) {
        fail_msg("%s: %s", sql, s.diag[s.plan->coordinator].message);
    }
    expect_pooled(w, &s, sql, sql);
    count_runs(s.plan, &runs, &sorted);
    if (settings.runs == CM_RUNS_NEVER) {
        assert_int_equal(runs + sorted, 0);
    } else if (runs == 0 || sorted == 0) {
        fail_msg("%s: nothing is merged", sql);
    }
    cm_arena_fini(&s.result_arena);
}

static void check_traces(world *worlds, const char *sql, bool pushdown)
{
    cm_trace *trace[WORLDS][PARTICIPANTS];

    for (size_t i = 0; i < WORLDS; i++) {
        for (unsigned p = 0; p < PARTICIPANTS; p++) {
            trace[i][p] = cm_trace_new();
        }
        run(&worlds[i], sql, settings_of(pushdown, CM_RUNS_ALWAYS), trace[i]);
    }
    for (unsigned p = 0; p < PARTICIPANTS; p++) {
        if (!cm_trace_equal(trace[0][p], trace[1][p])) {
            fail_msg("%s: the messages of %s differ", sql, ORGS[p]);
        }
        cm_trace_free(trace[0][p]);
        cm_trace_free(trace[1][p]);
    }
}

/* Owners of many rows, of few, and of none. */
static void test_answers(void **state)
{
    world worlds[WORLDS];
    (void)state;

    world_init(&worlds[0], 21, BOUND);
    world_init_as(&worlds[1], 22, BOUND, WORLD_EMPTY);
    for (size_t i = 0; i < CM_COUNT(QUERIES); i++) {
        for (unsigned pushdown = 0; pushdown < 2; pushdown++) {
            check_traces(worlds, QUERIES[i], pushdown != 0);
        }
        run(&worlds[0], QUERIES[i], settings_of(i % 2 == 0, CM_RUNS_NEVER), NULL);
    }
    world_fini(&worlds[0]);
    world_fini(&worlds[1]);
}

static const cm_plan *plan_of(world *w, const char *sql, cm_runs_use runs)
{
    const cm_query *query = NULL;
    const cm_plan *plan = NULL;
    cm_diag diag = {0};
    cm_plan_settings settings = settings_of(true, runs);
    cm_status st = cm_sql_prepare(sql, w->schema, "research", NULL, 0, &settings, &w->arena, &query,
                                  &plan, &diag);
    if (st != CM_OK) {
        fail_msg("%s: %s", sql, diag.message);
    }
    return plan;
}

/* What is delivered is in the digest, and in EXPLAIN. */
static void test_plan(void **state)
{
    static const char *const sql =
        "SELECT person, code, max(cost) FROM (SELECT * FROM north.visits UNION ALL "
        "SELECT * FROM south.visits) v GROUP BY person, code";
    const cm_explain options = {.cost = true};
    world w;
    cm_buf text = {0};
    (void)state;

    world_init(&w, 23, 4000); /* fewer are sorted in fewer rounds than they are merged */
    const cm_plan *plain = plan_of(&w, sql, CM_RUNS_NEVER);
    const cm_plan *runs = plan_of(&w, sql, CM_RUNS_WHERE_CHEAPER);
    assert_memory_not_equal(plain->digest.bytes, runs->digest.bytes, sizeof runs->digest.bytes);
    assert_true(runs->total.bytes < plain->total.bytes);
    cm_explain_print(runs, &options, NULL, &text);
    assert_non_null(strstr(cm_buf_text(&text), "Delivers: sorted by person, code"));
    assert_non_null(strstr(cm_buf_text(&text), "merges 2 sorted runs"));
    cm_buf_free(&text);
    world_fini(&w);
}

/* The rows of visits are wanted in two orders: they have one, and are shared once. */
static void test_one_order(void **state)
{
    static const char *const sql =
        "SELECT a.n, b.n FROM (SELECT person, count(*) AS n FROM visits GROUP BY person) a, "
        "(SELECT cost, count(*) AS n FROM visits GROUP BY cost) b WHERE a.person = b.cost";
    size_t runs, sorted, inputs = 0;
    world w;
    (void)state;

    world_init(&w, 24, BOUND);
    const cm_plan *plan = plan_of(&w, sql, CM_RUNS_ALWAYS);
    count_runs(plan, &runs, &sorted);
    for (size_t i = 0; i < plan->nodes; i++) {
        inputs += plan->node[i]->op == CM_PLAN_INPUT;
    }
    assert_true(runs > 0);
    assert_true(sorted <= inputs);
    run(&w, sql, settings_of(false, CM_RUNS_ALWAYS), NULL);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_one_order),
    };
    return cmocka_run_group_tests_name("runs", tests, NULL, NULL);
}
