/*
 * Joins of one owner's tables in that owner's SQL: the answers are SQLite's on the pooled rows, the
 * same with push-down off, and the messages are the same over other rows.
 */
#include "exec/query_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { BOUND = 24, WORLDS = 3 };

typedef struct asked {
    const char *sql;
    unsigned inputs; /* what owners deliver */
    bool joins;      /* computing parties join, too */
} asked;

static const asked QUERIES[] = {
    {"SELECT v.person, v.cost, p.stage FROM south.visits v JOIN south.people p "
     "ON v.person = p.person WHERE v.code LIKE 'a%' OR p.stage > 1",
     1, false},
    {"SELECT v.person, v.cost + p.stage FROM south.visits v, south.people p "
     "WHERE v.person = p.person AND v.cost > 100 * p.stage",
     1, false},
    {"SELECT v.person, v.cost, p.stage, p.person FROM south.visits v LEFT JOIN south.people p "
     "ON p.person = v.person AND p.stage > 1 AND v.year > 2010",
     1, false},
    {"SELECT v.person FROM south.visits v LEFT JOIN south.people p ON p.person = v.person "
     "WHERE p.stage IS NULL OR p.stage = 2",
     1, false},
    {"SELECT v.person, v.cost FROM south.visits v "
     "WHERE EXISTS (SELECT 1 FROM south.clients c WHERE c.zone = v.region AND c.score > 0)",
     1, false},
    {"SELECT v.person, v.cost FROM south.visits v WHERE NOT EXISTS (SELECT 1 FROM south.clients c "
     "WHERE c.zone = v.region AND c.score = v.cost AND v.year > 2004)",
     1, false},
    {"SELECT c.client FROM south.clients c WHERE c.score NOT IN "
     "(SELECT d.score FROM south.clients d WHERE d.zone = 2 AND d.score IS NOT NULL)",
     0, true},
    {"SELECT c.client FROM south.clients c WHERE c.score NOT IN "
     "(SELECT d.score FROM south.clients d WHERE d.zone = 2)",
     0, true},
    {"SELECT p.stage, count(*), sum(v.cost), max(v.year) FROM south.visits v JOIN south.people p "
     "ON p.person = v.person WHERE v.code LIKE '%a' GROUP BY p.stage",
     1, false},
    {"SELECT p.person, c.zone, p.stage FROM south.people p JOIN south.clients c "
     "ON c.client = p.person",
     1, false},
    {"SELECT p.person, c.zone, v.cost FROM south.visits v JOIN south.people p "
     "ON v.person = p.person LEFT JOIN south.clients c ON c.client = p.person "
     "WHERE NOT EXISTS (SELECT 1 FROM south.visits w WHERE w.person = c.score)",
     1, false},
    {"SELECT count(*), sum(v.cost) FROM south.visits v JOIN south.people p ON v.person = p.person "
     "JOIN south.people q ON q.person = p.stage",
     1, false},
    {"SELECT v.region, count(p.person) FROM south.visits v LEFT JOIN (south.people p JOIN "
     "south.clients c ON c.client = p.person AND c.zone > 1) ON p.person = v.person "
     "GROUP BY v.region",
     1, false},
    /* one owner's groups */
    {"SELECT v.code, v.region, count(*), sum(v.cost), count(v.cost), min(p.stage), max(v.code) "
     "FROM south.visits v JOIN south.people p ON p.person = v.person GROUP BY v.code, v.region",
     1, false},
    {"SELECT p.person, p.stage, count(v.cost), sum(v.cost) FROM south.people p LEFT JOIN "
     "south.clients v2 ON v2.client = p.person JOIN south.visits v ON v.person = p.person "
     "GROUP BY p.person, p.stage HAVING count(*) > 1 AND p.stage < 3",
     1, false},
    {"SELECT v.code, count(DISTINCT v.cost), sum(DISTINCT v.year), count(DISTINCT v.code) "
     "FROM south.visits v GROUP BY v.code",
     1, false},
    {"SELECT v.region, count(DISTINCT v.person), count(*) FROM south.visits v GROUP BY v.region", 1,
     false},
    {"SELECT count(DISTINCT v.cost), sum(DISTINCT v.cost), count(DISTINCT v.code) "
     "FROM south.visits v WHERE v.cost > 0",
     1, false},
    {"SELECT DISTINCT v.code, v.cost FROM south.visits v", 1, false},
    {"SELECT c.client, x.n, x.code FROM clients c JOIN (SELECT v.person, v.code, count(*) AS n "
     "FROM south.visits v GROUP BY v.person, v.code) x ON x.person = c.client AND x.n > 1",
     0, true},
    {"SELECT a.code, a.n, v.cost FROM (SELECT code, count(*) AS n FROM south.visits GROUP BY code) "
     "a JOIN north.visits v ON v.code = a.code",
     2, true},
    {"SELECT count(*), max(n) FROM (SELECT count(*) AS n FROM south.visits GROUP BY person, year) "
     "x",
     1, false},
    {"SELECT 7, count(*) FROM south.visits GROUP BY cost HAVING sum(year) > 4000", 1, false},
    /* beside what others have */
    {"SELECT c.zone, count(*), sum(p.stage) FROM south.visits v JOIN south.people p "
     "ON v.person = p.person JOIN clients c ON c.client = v.person GROUP BY c.zone",
     4, true},
    {"SELECT v.person, v.cost, n.score FROM south.visits v LEFT JOIN north.clients n "
     "ON n.client = v.person WHERE EXISTS (SELECT 1 FROM south.people p "
     "WHERE p.person = v.person AND p.stage < 3)",
     2, true},
    {"SELECT c.client, x.stage, x.n FROM clients c LEFT JOIN (SELECT p.person, p.stage, count(*) "
     "AS n FROM south.visits v JOIN south.people p ON p.person = v.person GROUP BY p.person, "
     "p.stage) x ON x.person = c.client",
     0, true},
    {"SELECT v.person, p.stage, n.zone, w.zone FROM south.visits v JOIN north.clients n "
     "ON n.client = v.person JOIN south.people p ON p.person = v.person LEFT JOIN east.clients w "
     "ON w.client = v.region AND w.score > p.stage",
     3, true},
    {"SELECT x, count(*) FROM (SELECT p.stage AS x FROM south.visits v JOIN south.people p "
     "ON p.person = v.person UNION ALL SELECT zone FROM clients) u GROUP BY x",
     4, false},
    /* owner by owner */
    {"SELECT v.org, count(*), sum(c.score) FROM visits v JOIN clients c ON c.client = v.person "
     "AND c.org = v.org GROUP BY v.org",
     3, false},
    {"SELECT c.zone, count(*), sum(v.cost) FROM visits v LEFT JOIN clients c "
     "ON c.client = v.person AND c.org = v.org AND c.score > 3 GROUP BY c.zone",
     3, false},
    {"SELECT v.code, count(v.cost) FROM visits v WHERE NOT EXISTS (SELECT 1 FROM clients c "
     "WHERE c.client = v.person AND c.org = v.org) GROUP BY v.code",
     3, false},
    {"SELECT v.person, v.cost, p.stage FROM visits v JOIN people p ON v.person = p.person", 4,
     true},
    /* what conditions say of columns */
    {"SELECT v.person, v.cost, c.zone FROM visits v JOIN clients c ON c.client = v.person "
     "WHERE v.person BETWEEN 3 AND 9 AND v.cost > 0",
     6, true},
    {"SELECT p.person, p.stage, c.score FROM people p LEFT JOIN clients c ON c.client = p.person "
     "AND c.client IN (4, 6, 17)",
     4, true},
    {"SELECT c.client FROM clients c WHERE NOT EXISTS (SELECT 1 FROM people p "
     "WHERE p.person = c.client) AND (c.client < 7 OR c.client = 20)",
     4, true},
    {"SELECT year, count(*), sum(cost) FROM visits WHERE year > 2020 AND cost < 5 GROUP BY year", 3,
     false},
    {"SELECT c.zone, p.stage FROM people p FULL JOIN clients c ON c.client = p.person "
     "WHERE p.person < 12 OR c.client < 9",
     4, true},
    {"SELECT v.person, c.score FROM visits v JOIN clients c ON c.client = v.person "
     "WHERE v.person < 2 AND c.client > 4",
     6, true},
    {"SELECT count(*) FROM visits v JOIN people p ON p.person = v.person WHERE p.person = 5", 4,
     true},
    /* neither side is unique: what comes of the pairs is small */
    {"SELECT v.person, c.client FROM south.visits v JOIN south.clients c ON c.zone = v.region", 1,
     false},
    {"SELECT v.region, count(*), sum(v.cost + c.score) FROM south.visits v JOIN south.clients c "
     "ON c.zone = v.region GROUP BY v.region",
     1, false},
    {"SELECT v.code, count(DISTINCT c.client), max(w.cost), sum(w.year) FROM south.visits v "
     "JOIN south.clients c ON c.zone = v.region JOIN south.visits w ON w.person = v.person "
     "GROUP BY v.code",
     1, false},
    {"SELECT count(*) FROM south.visits v JOIN south.visits w ON w.region = v.region "
     "AND w.year > v.year JOIN south.people p ON p.person = w.person",
     1, false},
    {"SELECT x.code, x.n, n.cost FROM (SELECT v.code, count(*) AS n FROM south.visits v "
     "JOIN south.clients c ON c.zone = v.region GROUP BY v.code) x "
     "JOIN north.visits n ON n.code = x.code",
     2, true},
    /* what only the parties can decide */
    {"SELECT v.person FROM south.visits v JOIN south.people p ON v.person = p.person "
     "AND 100 / (v.region + 1) > p.stage",
     1, false},
    {"SELECT p.person FROM south.people p WHERE EXISTS (SELECT 1 FROM south.visits v "
     "WHERE v.person = p.person AND v.year > 2000 + p.stage)",
     2, true},
};

static unsigned count_nodes(const cm_plan *plan, bool inputs)
{
    unsigned count = 0;
    for (size_t i = 0; i < plan->nodes; i++) {
        cm_plan_op op = plan->node[i]->op;
        bool join = op == CM_PLAN_JOIN || op == CM_PLAN_JOIN_MANY || op == CM_PLAN_PRODUCT;
        count += inputs ? op == CM_PLAN_INPUT : join;
    }
    return count;
}

static void check(world *w, const asked *q, bool pushdown)
{
    run_state s;
    cm_plan_settings settings = cm_plan_settings_default();
    settings.pushdown = pushdown;
    run_query_as(w, q->sql, settings, &s, NULL);
    for (unsigned p = 0; p < s.plan->participants; p++) {
        if (s.status[p] != CM_OK) {
            fail_msg("%s: %s", q->sql, s.diag[p].message);
        }
    }
    if (pushdown) {
        if (q->inputs > 0 && count_nodes(s.plan, true) != q->inputs) {
            fail_msg("%s: %u inputs", q->sql, count_nodes(s.plan, true));
        }
        if ((count_nodes(s.plan, false) > 0) != q->joins) {
            fail_msg("%s: joins", q->sql);
        }
    }
    expect_pooled(w, &s, q->sql, q->sql);
    cm_arena_fini(&s.result_arena);
}

static void test_answers(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        world w;
        world_init_as(&w, seed, BOUND, seed == WORLDS ? WORLD_EMPTY : WORLD_ROWS);
        for (size_t i = 0; i < CM_COUNT(QUERIES); i++) {
            check(&w, &QUERIES[i], true);
            if (seed == 1) {
                check(&w, &QUERIES[i], false);
            }
        }
        world_fini(&w);
    }
}

/* Sizes come from the published bounds alone. */
static void test_same_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < CM_COUNT(QUERIES); i++) {
        cm_trace *trace[2][PARTICIPANTS];
        for (unsigned run = 0; run < 2; run++) {
            world w;
            run_state s;
            world_init_as(&w, 5 + run, 12, run == 0 ? WORLD_ROWS : WORLD_EMPTY);
            for (unsigned p = 0; p < PARTICIPANTS; p++) {
                trace[run][p] = cm_trace_new();
            }
            run_query(&w, QUERIES[i].sql, &s, trace[run]);
            assert_int_equal(s.status[0], CM_OK);
            cm_arena_fini(&s.result_arena);
            world_fini(&w);
        }
        for (unsigned p = 0; p < PARTICIPANTS; p++) {
            assert_true(cm_trace_equal(trace[0][p], trace[1][p]));
            cm_trace_free(trace[0][p]);
            cm_trace_free(trace[1][p]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_same_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
