/*
 * Whole queries.  Answers against the same SQL on the pooled rows; messages against
 * those of a run over other data of the same public sizes.  With the argument "few": few queries
 * over few rows, which still use every operator; for valgrind (tests/oblivious).
 */
#include "exec/query_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BOUND = 60, FEW = 6 };

static const char *const QUERIES[] = {
    "SELECT count(*), sum(cost), min(cost), max(cost), count(cost) FROM visits",
    "SELECT count(*), sum(cost) FROM visits WHERE year = 1999 + 26 AND cost < 0",
    "SELECT region, count(*), sum(cost), max(year) FROM visits GROUP BY region",
    "SELECT org, region, count(*) FROM visits WHERE code LIKE 'a%' GROUP BY org, region",
    "SELECT person, count(*), min(cost), sum(cost + year) FROM visits GROUP BY person",
    "SELECT code, count(*), max(cost) FROM visits GROUP BY code HAVING count(*) > 10",
    "SELECT p.stage, count(*), sum(v.cost) FROM visits v JOIN people p ON v.person = p.person "
    "GROUP BY p.stage",
    "SELECT p.stage, count(*) FROM visits v LEFT JOIN people p ON v.person = p.person "
    "GROUP BY p.stage",
    "SELECT v.person, v.cost, p.stage FROM visits v JOIN people p ON v.person = p.person "
    "WHERE v.cost > p.stage * 100",
    "SELECT p.person, p.stage, count(*), sum(v.cost), min(v.code) FROM visits v JOIN people p "
    "ON v.person = p.person WHERE p.stage <> 2 AND v.year > 2005 GROUP BY p.person, p.stage "
    "HAVING count(*) > p.stage",
    "SELECT p.person, count(*) FROM visits v JOIN people p ON v.person = p.person WHERE p.person "
    "IN (SELECT person FROM visits WHERE year > 2020) GROUP BY p.person, p.stage",
    "SELECT v.person, q.stage, p.stage, sum(v.cost) FROM visits v, people p, people q WHERE "
    "v.person = p.person AND q.person = p.person GROUP BY v.person, p.stage, q.stage",
    "SELECT p.stage, p.person, sum(v.year) FROM visits v JOIN people p ON v.person = p.person "
    "WHERE NOT EXISTS (SELECT 1 FROM visits w WHERE w.person = p.person AND w.cost > 900) "
    "GROUP BY p.stage, p.person",
    "SELECT p.person, sum(v.year) AS s FROM visits v JOIN people p ON v.person = p.person "
    "GROUP BY p.person ORDER BY s DESC, p.person LIMIT 3",
    "SELECT p.person, q.stage, count(*), count(v.cost) FROM visits v, people p, people q WHERE "
    "v.person = p.person AND q.person = p.stage GROUP BY p.person, q.stage",
    /* grouped by region, joined, and grouped again */
    "SELECT q.stage, count(*), sum(v.cost), min(v.year), max(v.cost), count(v.cost) FROM visits v "
    "JOIN people q ON q.person = v.region GROUP BY q.stage",
    "SELECT q.stage + p.stage, sum(v.year), count(DISTINCT v.year) FROM visits v, people q, "
    "people p WHERE q.person = v.region AND p.person = v.person GROUP BY q.stage + p.stage",
    "SELECT q.stage, sum(CASE WHEN v.cost > 0 THEN 1 ELSE 0 END) FROM visits v, people q WHERE "
    "q.person = v.region AND v.code LIKE 'a%' GROUP BY q.stage HAVING count(*) > 3",
    "SELECT v.person, p.stage * 10 + v.region, max(v.cost) - p.stage FROM visits v, people p "
    "WHERE v.person = p.person AND v.person IN (SELECT person FROM visits WHERE cost < 0) "
    "GROUP BY v.region, v.person, p.stage",
    "SELECT DISTINCT region, year FROM visits WHERE cost IS NOT NULL",
    "SELECT person, cost, year, region, code FROM visits WHERE cost IS NOT NULL "
    "ORDER BY cost DESC, person, year, region, code LIMIT 7 OFFSET 2",
    "SELECT count(*), sum(CASE WHEN v.cost > 0 THEN p.stage ELSE -1 END) FROM visits v "
    "JOIN people p ON v.person = p.person WHERE v.code <> 'ab' AND v.cost / (p.stage + 1) > 10",
    "SELECT region, year, cost, rank() OVER (PARTITION BY region ORDER BY year DESC), "
    "dense_rank() OVER (PARTITION BY region ORDER BY year DESC) FROM visits",
    "SELECT person, sum(cost) OVER (PARTITION BY person ORDER BY year), "
    "count(cost) OVER (PARTITION BY person), count(*) OVER (ORDER BY year), "
    "min(cost) OVER (PARTITION BY code), max(year) OVER (PARTITION BY person ORDER BY cost NULLS "
    "LAST) "
    "FROM visits WHERE region <> 1",
    "SELECT k, count(*), sum(before), sum(after), sum(far) FROM (SELECT region, "
    "row_number() OVER (PARTITION BY person ORDER BY year, cost NULLS LAST, code, region, org) AS "
    "k, "
    "lag(cost) OVER (PARTITION BY person ORDER BY year, cost NULLS LAST, code, region, org) AS "
    "before, "
    "lead(year, 2) OVER (PARTITION BY person ORDER BY year, cost NULLS LAST, code, region, org) AS "
    "after, "
    "lag(cost, 1, 7) OVER (PARTITION BY region ORDER BY cost NULLS LAST, year, person, code, org) "
    "AS far "
    "FROM visits) x GROUP BY k",
    "SELECT year, sum(sum(cost)) OVER (ORDER BY year ROWS UNBOUNDED PRECEDING), "
    "lag(count(*)) OVER (ORDER BY year), rank() OVER (ORDER BY count(*)) FROM visits "
    "GROUP BY year HAVING count(*) > 1",
    "SELECT tile, count(*), sum(cost), max(first), min(last) FROM (SELECT cost, "
    "ntile(7) OVER (ORDER BY cost NULLS LAST, year, person, code, region, org) AS tile, "
    "first_value(year) OVER (PARTITION BY code ORDER BY cost NULLS LAST, year) AS first, "
    "last_value(code) OVER (PARTITION BY region ORDER BY code) AS last FROM visits "
    "WHERE cost IS NOT NULL) x GROUP BY tile",
    "SELECT p.stage, count(*), sum(v.cost) FROM (SELECT person, cost, row_number() OVER w AS k "
    "FROM visits WINDOW w AS (PARTITION BY person ORDER BY year, cost NULLS LAST, code, region)) v "
    "JOIN people p ON p.person = v.person WHERE v.k = 1 GROUP BY p.stage",
    "SELECT region, year, sum(cost) OVER w, count(*) OVER w, count(cost) OVER w, min(cost) OVER w, "
    "max(code) OVER w, first_value(cost) OVER w, last_value(year) OVER w FROM visits WINDOW w AS "
    "(PARTITION BY region ORDER BY year, cost NULLS LAST, person, code ROWS BETWEEN 2 PRECEDING "
    "AND 3 "
    "FOLLOWING)",
    "SELECT region, sum(cost) OVER w, count(*) OVER w, first_value(cost) OVER w, last_value(year) "
    "OVER w FROM visits WINDOW w AS (PARTITION BY code ORDER BY year, cost NULLS LAST, person, "
    "region "
    "ROWS BETWEEN 4 PRECEDING AND 2 PRECEDING)",
    "SELECT region, sum(year) OVER w, min(cost) OVER w, nth_value(cost, 3) OVER (PARTITION BY code "
    "ORDER BY year, cost NULLS LAST, person, region) FROM visits WINDOW w AS (PARTITION BY code "
    "ORDER BY year, cost NULLS LAST, person, region ROWS BETWEEN CURRENT ROW AND UNBOUNDED "
    "FOLLOWING)",
    "SELECT DISTINCT region, count(*) OVER (PARTITION BY region) AS n FROM visits",
    "SELECT region, person, row_number() OVER (PARTITION BY region ORDER BY person) AS k "
    "FROM visits GROUP BY region, person ORDER BY region, k, person LIMIT 9",
    "SELECT v.person, count(*), count(v.cost) FROM visits v WHERE EXISTS (SELECT 1 FROM people p "
    "WHERE p.person = v.person AND p.stage <> 1) GROUP BY v.person",
    "SELECT v.person, v.year FROM visits v WHERE v.person NOT IN (SELECT person FROM people)",
    "SELECT p.stage, p.person, v.cost, v.year, v.code FROM visits v FULL JOIN people p "
    "ON v.person = p.person",
    "SELECT p.person, count(v.cost), min(v.year) FROM people p LEFT JOIN visits v "
    "ON v.person = p.person AND v.cost > 0 GROUP BY p.person",
    "SELECT v.person, v.cost FROM visits v WHERE v.cost * 2 > (SELECT max(cost) FROM visits) OR "
    "v.year = (SELECT min(i.year) FROM visits i WHERE i.person = v.person)",
    "SELECT v.year, count(*) FROM visits v WHERE EXISTS (SELECT 1 FROM visits i "
    "WHERE i.person = v.person AND i.year < v.year) GROUP BY v.year",
    "SELECT region, count(DISTINCT person), sum(DISTINCT cost), count(DISTINCT code), "
    "sum(DISTINCT year) FILTER (WHERE cost > 0) FROM visits GROUP BY region",
    "SELECT count(DISTINCT person), sum(DISTINCT cost), count(DISTINCT code) FROM visits "
    "WHERE year > 2012",
    "SELECT region, count(DISTINCT person), sum(cost) FILTER (WHERE year > "
    "2010), max(code) FROM visits GROUP BY region",
    "SELECT person FROM visits WHERE region = 0 UNION ALL SELECT stage FROM people",
    "SELECT region, cost FROM visits WHERE year < 2015 UNION SELECT stage, NULL FROM people UNION "
    "SELECT region, cost FROM visits WHERE year >= 2015",
    "SELECT code, region FROM visits WHERE year < 2012 INTERSECT SELECT code, region FROM visits "
    "WHERE year >= 2018",
    "SELECT region, cost FROM visits EXCEPT SELECT region, cost FROM visits WHERE year < 2020",
    "SELECT sum(x), count(*), min(t) FROM (SELECT cost AS x, code AS t FROM visits WHERE region = "
    "1 "
    "UNION ALL SELECT person, 'zz' FROM people UNION ALL SELECT 5000, 'a' UNION ALL "
    "SELECT region, code FROM visits GROUP BY region, code) u WHERE x > 0",
    "SELECT u.x, p.stage FROM (SELECT 7 AS x UNION SELECT 9 UNION SELECT person + 1 FROM people) u "
    "JOIN people p ON p.person = u.x",
    "SELECT person, stage FROM people WHERE person IN (SELECT person FROM visits WHERE cost < 0 "
    "UNION SELECT person FROM visits WHERE region = 2) ORDER BY 1 LIMIT 5",
    "SELECT v.region, t.column2, count(*) FROM visits v JOIN (VALUES (0, 'no'), (1, NULL), (2, "
    "'two')) t ON v.region = t.column1 GROUP BY v.region, t.column2",
    "SELECT count(*) FROM visits WHERE EXISTS (SELECT person FROM people WHERE stage > 2 UNION "
    "SELECT region FROM visits) AND NOT EXISTS (SELECT region FROM visits GROUP BY region HAVING "
    "count(*) > 1000) AND (cost < 0 OR EXISTS (SELECT stage FROM people EXCEPT SELECT region FROM "
    "visits))",
    "SELECT count(*), sum(n) FROM (SELECT 1 AS one, 2 AS n) x JOIN visits v ON v.region = x.one",
    "SELECT c.zone, count(*), sum(v.cost) FROM visits v JOIN clients c ON c.client = v.person "
    "GROUP BY c.zone",
    "SELECT c.client, c.score, count(v.cost) FROM clients c LEFT JOIN visits v "
    "ON v.person = c.client AND v.cost > c.score GROUP BY c.client, c.score",
    "SELECT p.person, c.client, c.score FROM people p CROSS JOIN clients c WHERE c.score < p.stage",
    "SELECT p.person, c.zone FROM people p LEFT JOIN clients c ON c.zone = p.stage AND c.score > 5",
    "SELECT p.person, c.client FROM people p FULL JOIN clients c "
    "ON c.zone = p.stage AND c.client > p.person",
    "SELECT p.person, p.stage, c.client FROM clients c FULL JOIN people p ON c.zone > p.stage + 1",
    "SELECT client FROM clients c WHERE EXISTS (SELECT 1 FROM visits v WHERE v.person = c.client "
    "AND v.cost > c.score AND v.year <> 2000 + c.zone)",
    "SELECT client FROM clients c WHERE NOT EXISTS (SELECT 1 FROM people p WHERE "
    "p.stage = c.zone AND (p.person > c.client OR c.score IS NULL))",
    "SELECT client FROM clients c WHERE NOT EXISTS (SELECT 1 FROM people p WHERE "
    "p.stage >= c.score)",
    "SELECT client FROM clients c WHERE NOT EXISTS (SELECT 1 FROM people p WHERE c.zone = 2) "
    "AND EXISTS (SELECT 1 FROM people WHERE stage = 1)",
    "SELECT a.client, b.client FROM clients a JOIN clients b ON a.zone = b.zone "
    "AND a.client < b.client",
    "SELECT /*+ rows(b 9000) */ a.person, b.cost, b.code FROM visits a JOIN visits b "
    "ON a.region = b.region AND b.year BETWEEN a.year AND a.year + 1 AND a.cost > b.cost",
    "SELECT /*+ rows(b 9000) */ a.person, a.cost, count(*), sum(b.cost), min(b.year) FROM visits a "
    "LEFT JOIN visits b ON b.person = a.person AND b.year > a.year AND b.cost > 0 "
    "GROUP BY a.person, a.cost",
    "SELECT /*+ rows(b 9000) */ a.person, a.year FROM visits a WHERE NOT EXISTS (SELECT 1 FROM "
    "visits b WHERE b.region = a.region AND b.year < a.year AND b.cost <> a.cost)",
    "SELECT /*+ rows(b 9000) */ count(*) FROM visits a JOIN visits b ON a.person = b.person",
    "SELECT a.person, a.cost, count(*), sum(b.cost), count(b.cost), sum(a.year), "
    "max(a.code), count(a.cost) FROM visits a LEFT JOIN visits b ON b.person = a.person "
    "AND b.year BETWEEN a.year - 3 AND a.year + 2 GROUP BY a.person, a.cost",
    "SELECT c.zone, count(*), sum(v.cost), sum(v.cost * 2), sum(c.score), count(DISTINCT c.client) "
    "FROM clients c JOIN visits v ON v.region + 1 = c.zone AND v.cost > c.score "
    "GROUP BY c.zone HAVING sum(v.cost) > 100",
    "SELECT client, (SELECT coalesce(sum(v.cost), 0) FROM visits v WHERE v.person >= c.client AND "
    "v.region = c.zone) FROM clients c",
    "SELECT hit, count(*), sum(score) FROM (SELECT c.score, CASE WHEN EXISTS (SELECT 1 FROM visits "
    "v "
    "WHERE v.person = c.client AND v.year BETWEEN 2000 + c.zone AND 2015 + c.zone) THEN 1 ELSE 0 "
    "END "
    "AS hit FROM clients c) x GROUP BY hit",
    "SELECT client, (SELECT max(v.cost) FROM visits v WHERE v.person > c.client AND v.cost < "
    "c.score "
    "* 10) FROM clients c WHERE c.client < 12",
    "SELECT client, CASE WHEN (score NOT IN (SELECT cost FROM visits WHERE person < 9)) IS NULL "
    "THEN 1 WHEN (score IN (SELECT p.person FROM people p WHERE p.stage = c.zone)) IS NULL THEN 2 "
    "WHEN score IN (SELECT p.person FROM people p WHERE p.stage = c.zone) THEN 3 ELSE 4 END "
    "FROM clients c",
    "SELECT client FROM clients WHERE score NOT IN (SELECT cost FROM visits WHERE region = 1)",
    "SELECT client FROM clients WHERE score NOT IN (SELECT person FROM people)",
    "SELECT client FROM clients WHERE score NOT IN (SELECT cost FROM visits WHERE cost IS NOT "
    "NULL)",
    "SELECT client FROM clients c WHERE zone = 3 OR EXISTS (SELECT 1 FROM people p WHERE "
    "p.person = c.client)",
    "SELECT zone, count(*) FROM clients c WHERE (SELECT count(*) FROM clients d WHERE d.score > "
    "c.score) < 5 GROUP BY zone",
    "SELECT a.zone, count(*), sum(b.score) FROM clients a LEFT JOIN clients b ON a.zone > b.zone "
    "GROUP BY a.zone",
    "SELECT tile, count(*) FROM (SELECT ntile(40) OVER (PARTITION BY region ORDER BY year, cost "
    "NULLS LAST, "
    "person, code, org) AS tile FROM visits) x GROUP BY tile",
};

/* Under valgrind every row counts: these use everything that QUERIES use (test_few_covers). */
static const char *const FEW_QUERIES[] = {
    "SELECT a.person, a.cost, count(*), sum(b.cost), count(b.cost), sum(a.year) FROM visits a "
    "LEFT JOIN visits b ON b.person = a.person AND b.year BETWEEN a.year - 3 AND a.year + 2 "
    "GROUP BY a.person, a.cost",
    "SELECT /*+ rows(b 100) */ a.person, b.cost, b.code FROM visits a JOIN visits b "
    "ON a.region = b.region AND b.year BETWEEN a.year AND a.year + 1 AND a.cost > b.cost",
    "SELECT client FROM clients c WHERE NOT EXISTS (SELECT 1 FROM people p WHERE c.zone = 2) "
    "AND EXISTS (SELECT 1 FROM people WHERE stage = 1)",
    "SELECT p.person, c.client FROM people p FULL JOIN clients c "
    "ON c.zone = p.stage AND c.client > p.person",
    "SELECT c.zone, count(*) FROM visits v JOIN clients c ON c.client = v.person GROUP BY c.zone",
    "SELECT count(*), sum(cost), min(cost), max(cost) FROM visits",
    "SELECT org, region, count(*), sum(cost), max(year) FROM visits WHERE code LIKE 'a%' "
    "GROUP BY org, region",
    "SELECT code, count(DISTINCT person), min(cost), sum(cost) FROM visits GROUP BY code "
    "HAVING count(*) > 1",
    "SELECT p.stage, count(*), sum(CASE WHEN v.cost > 0 THEN p.stage ELSE -1 END), max(v.cost) "
    "FROM visits v JOIN people p ON v.person = p.person WHERE v.cost / (p.stage + 1) > 10 "
    "GROUP BY p.stage",
    "SELECT v.person, v.cost, p.stage FROM visits v LEFT JOIN people p ON v.person = p.person "
    "ORDER BY v.cost DESC NULLS LAST, v.person, v.year, v.region, v.code LIMIT 3 OFFSET 1",
    "SELECT count(*), min(v.cost) FROM visits v WHERE v.cost > (SELECT min(cost) FROM visits) "
    "AND NOT EXISTS (SELECT 1 FROM people p WHERE p.person = v.person)",
    "SELECT v.code, v.year FROM visits v WHERE v.person IN (SELECT person FROM people)",
    "SELECT person, 'visits' FROM visits UNION SELECT stage, 'people' FROM people UNION SELECT 4, "
    "NULL",
    "SELECT p.stage, v.cost, v.year FROM visits v FULL JOIN people p ON v.person = p.person",
    "SELECT region, count(cost) OVER w, sum(cost) OVER w, min(cost) OVER w, max(cost) OVER w, "
    "count(*) OVER (PARTITION BY region), rank() OVER w, dense_rank() OVER w, lag(year) OVER w, "
    "lead(year) OVER w, first_value(year) OVER w, last_value(year) OVER w, "
    "row_number() OVER w, sum(cost) OVER v, max(cost) OVER v FROM visits "
    "WINDOW w AS (PARTITION BY region ORDER BY year, cost NULLS LAST, person, code), v AS "
    "(PARTITION "
    "BY region ORDER BY year, cost NULLS LAST, person, code ROWS BETWEEN 1 PRECEDING AND 2 "
    "FOLLOWING)",
};

/* What SQLite has no words for, and the same in others. */
static const char *const EQUIVALENTS[][2] = {
    {"SELECT client FROM clients WHERE score > ANY (SELECT cost FROM visits WHERE region = 1)",
     "SELECT client FROM clients WHERE score > (SELECT min(cost) FROM visits WHERE region = 1)"},
    {"SELECT client FROM clients c WHERE zone <= ALL (SELECT v.region FROM visits v WHERE v.person "
     "= "
     "c.client)",
     "SELECT client FROM clients c WHERE NOT EXISTS (SELECT 1 FROM visits v WHERE v.person = "
     "c.client AND v.region < c.zone)"},
    {"SELECT client FROM clients WHERE score >= ALL (SELECT cost FROM visits)",
     "SELECT client FROM clients WHERE NOT EXISTS (SELECT 1 FROM visits WHERE cost IS NULL OR "
     "score IS NULL OR score < cost)"},
    {"SELECT client FROM clients WHERE score <> ALL (SELECT max(person) FROM people GROUP BY "
     "stage)",
     "SELECT client FROM clients WHERE score NOT IN (SELECT max(person) FROM people GROUP BY "
     "stage)"},
    {"SELECT sum(x), count(*) FROM (SELECT cost + 1 AS x FROM visits ORDER BY cost, year OFFSET 9) "
     "t",
     "SELECT sum(x), count(*) FROM (SELECT cost + 1 AS x FROM visits ORDER BY cost IS NULL, cost, "
     "year LIMIT -1 OFFSET 9) t"},
    {"SELECT region, code FROM visits WHERE year < 2018 INTERSECT ALL SELECT region, code FROM "
     "visits WHERE year >= 2012",
     "SELECT region, code FROM (SELECT region, code, row_number() OVER (PARTITION BY region, code) "
     "FROM visits WHERE year < 2018 INTERSECT SELECT region, code, row_number() OVER (PARTITION BY "
     "region, code) FROM visits WHERE year >= 2012)"},
    {"SELECT cost FROM visits EXCEPT ALL SELECT cost FROM visits WHERE year < 2020 ORDER BY cost",
     "SELECT cost FROM (SELECT cost, row_number() OVER (PARTITION BY cost) FROM visits EXCEPT "
     "SELECT cost, row_number() OVER (PARTITION BY cost) FROM visits WHERE year < 2020)"},
    {"SELECT region, 2 * percentile_cont(0.5) WITHIN GROUP (ORDER BY cost)::numeric, "
     "percentile_disc(0.25) "
     "WITHIN GROUP (ORDER BY cost DESC), percentile_disc(0.5) WITHIN GROUP (ORDER BY year), "
     "mode() WITHIN GROUP (ORDER BY person DESC), count(DISTINCT cost) FROM visits GROUP BY region",
     "SELECT region, (max(CASE WHEN up = (n + 1) / 2 THEN cost END) + max(CASE WHEN up = n / 2 + 1 "
     "THEN cost END)) || '.0', max(CASE WHEN down = (n + 3) / 4 THEN cost END), max(CASE WHEN y = "
     "(m "
     "+ 1) / 2 THEN year END), max(CASE WHEN best = 1 THEN person END), count(DISTINCT cost) FROM "
     "(SELECT *, row_number() OVER (PARTITION BY region ORDER BY f DESC, person DESC) AS best FROM "
     "(SELECT *, row_number() OVER (PARTITION BY region ORDER BY cost NULLS LAST) AS up, "
     "row_number() OVER (PARTITION BY region ORDER BY cost DESC NULLS LAST) AS down, count(cost) "
     "OVER (PARTITION BY region) AS n, row_number() OVER (PARTITION BY region ORDER BY year) AS y, "
     "count(*) OVER (PARTITION BY region) AS m, count(*) OVER (PARTITION BY region, person) AS f "
     "FROM visits) a) b GROUP BY region"},
    {"SELECT region, trunc(var_pop(cost)), trunc(var_samp(year)), regr_count(cost, person), "
     "trunc(regr_sxx(year, cost)), trunc(covar_pop(cost, person)) FROM visits GROUP BY region",
     "SELECT region, (count(cost) * sum(cost * cost) - sum(cost) * sum(cost)) / (count(cost) * "
     "count(cost)), (count(*) * sum(year * year) - sum(year) * sum(year)) / nullif(count(*) * "
     "(count(*) - 1), 0), count(cost), (count(cost) * sum(cost * cost) - sum(cost) * sum(cost)) / "
     "count(cost), (count(cost) * sum(cost * person) - sum(cost) * sum(CASE WHEN cost IS NOT NULL "
     "THEN person END)) / (count(cost) * count(cost)) FROM visits GROUP BY region"},
    {"SELECT code, trunc(stddev_pop(year)), trunc(100 * corr(year, cost)), trunc(regr_slope(cost, "
     "year)), trunc(regr_intercept(cost, year)), trunc(100 * regr_r2(cost, year)) FROM visits "
     "GROUP BY code",
     "SELECT code, CAST(sqrt((n * yy - y * y) / (n * n * 1.0)) AS int), CAST(100.0 * (m * xy - x * "
     "u) / sqrt((m * xx - x * x) * 1.0 * (m * uu - u * u)) AS int), (m * xy - x * u) / nullif(m * "
     "uu - u * u, 0), (x * uu - u * xy) / nullif(m * uu - u * u, 0), CASE WHEN m * uu - u * u = 0 "
     "THEN NULL WHEN m * xx - x * x = 0 THEN 100 ELSE 100 * (m * xy - x * u) * (m * xy - x * u) / "
     "((m * xx - x * x) * (m * uu - u * u)) END FROM (SELECT code, count(*) AS n, count(cost) AS "
     "m, sum(year) AS y, sum(year * year) AS yy, sum(CASE WHEN cost IS NOT NULL THEN year END) AS "
     "u, sum(CASE WHEN cost IS NOT NULL THEN year * year END) AS uu, sum(cost) AS x, sum(cost * "
     "cost) AS xx, sum(cost * year) AS xy FROM visits GROUP BY code) s"},
};

static void check_answer(world *w, const char *sql, const char *pooled_sql)
{
    run_state s;
    run_query(w, sql, &s, NULL);
    for (size_t p = 0; p < s.plan->participants; p++) {
        if (s.status[p] != CM_OK) {
            fail_msg("%s: %s: %s", sql, s.plan->participant[p], s.diag[p].message);
        }
    }
    expect_pooled(w, &s, pooled_sql, sql);
    cm_arena_fini(&s.result_arena);
}

static void test_answers(void **state)
{
    world w;
    (void)state;
    world_init(&w, 1, BOUND);
    for (size_t i = 0; i < CM_COUNT(QUERIES); i++) {
        check_answer(&w, QUERIES[i], QUERIES[i]);
    }
    for (size_t i = 0; i < CM_COUNT(EQUIVALENTS); i++) {
        check_answer(&w, EQUIVALENTS[i][0], EQUIVALENTS[i][1]);
    }
    world_fini(&w);
}

static void test_few_answers(void **state)
{
    world w;
    (void)state;
    world_init(&w, 1, FEW);
    for (size_t i = 0; i < CM_COUNT(FEW_QUERIES); i++) {
        check_answer(&w, FEW_QUERIES[i], FEW_QUERIES[i]);
    }
    world_fini(&w);
}

/* ---- what a list of queries uses ---------------------------------------------------------- */

enum { FEATURE_KINDS = 8, FEATURE_VALUES = 32 };
static const char *const FEATURE[FEATURE_KINDS] = {
    "operator",        "join of kind", "join without keys", "aggregate", "distinct or any",
    "window function", "frame",        "combination"};
typedef struct features {
    bool used[FEATURE_KINDS][FEATURE_VALUES];
} features;

static void use(features *f, unsigned kind, unsigned value)
{
    assert_true(kind < FEATURE_KINDS && value < FEATURE_VALUES);
    f->used[kind][value] = true;
}

static void node_features(const cm_plan_node *node, features *f)
{
    use(f, 0, node->op);
    if (node->op == CM_PLAN_JOIN) {
        use(f, node->join.keys == 0 ? 2 : 1, node->join.kind);
    }
    for (size_t i = 0; i < node->aggs; i++) {
        use(f, 3, node->agg[i].aggregate);
        use(f, 4, (node->agg[i].distinct ? 1U : 0U) + (node->agg[i].any ? 2U : 0U));
    }
    for (size_t i = 0; i < node->windows; i++) {
        use(f, 5, node->window[i].function);
        use(f, 6, node->window[i].frame);
    }
    for (size_t c = 0; node->op == CM_PLAN_COMBINE && c < node->cols; c++) {
        use(f, 7, node->combine[c]);
    }
}

static void query_features(world *w, const char *sql, features *f)
{
    const cm_query *query = NULL;
    const cm_plan *plan = NULL;
    cm_diag diag = {0};
    cm_plan_settings settings = cm_plan_settings_default();
    if (cm_sql_prepare(sql, w->schema, "research", NULL, 0, &settings, &w->arena, &query, &plan,
                       &diag) != CM_OK) {
        fail_msg("%s: %s %s", sql, diag.message, diag.detail);
    }
    for (size_t n = 0; n < plan->nodes; n++) {
        node_features(plan->node[n], f);
    }
}

/* A query that is added to QUERIES for something new needs one among FEW_QUERIES too. */
static void test_few_covers(void **state)
{
    world w;
    features few = {0};
    (void)state;
    world_init(&w, 1, FEW);
    for (size_t i = 0; i < CM_COUNT(FEW_QUERIES); i++) {
        query_features(&w, FEW_QUERIES[i], &few);
    }
    for (size_t i = 0; i < CM_COUNT(QUERIES); i++) {
        features one = {0};
        query_features(&w, QUERIES[i], &one);
        for (unsigned k = 0; k < FEATURE_KINDS * FEATURE_VALUES; k++) {
            unsigned kind = k / FEATURE_VALUES;
            unsigned value = k % FEATURE_VALUES;
            if (one.used[kind][value] && !few.used[kind][value]) {
                fail_msg("no short query has %s %u: %s", FEATURE[kind], value, QUERIES[i]);
            }
        }
    }
    world_fini(&w);
}

/* Other rows, another number of rows, the same public bounds: the same messages. */
static void test_traces(void **state)
{
    world a;
    world b;
    (void)state;
    world_init(&a, 2, BOUND);
    world_init(&b, 3, BOUND);
    for (size_t i = 0; i < CM_COUNT(QUERIES); i++) {
        cm_trace *trace[2][PARTICIPANTS];
        run_state s;
        for (unsigned way = 0; way < 2; way++) {
            for (unsigned p = 0; p < PARTICIPANTS; p++) {
                trace[way][p] = cm_trace_new();
            }
            run_query(way == 0 ? &a : &b, QUERIES[i], &s, trace[way]);
            cm_arena_fini(&s.result_arena);
        }
        for (unsigned p = 0; p < PARTICIPANTS; p++) {
            if (!cm_trace_equal(trace[0][p], trace[1][p])) {
                fail_msg("%s: the messages of %s differ", QUERIES[i], ORGS[p]);
            }
            assert_true(cm_trace_frames(trace[0][p]) > 0);
            cm_trace_free(trace[0][p]);
            cm_trace_free(trace[1][p]);
        }
    }
    world_fini(&a);
    world_fini(&b);
}

/* Raised under MPC: the analyst sees the error, and no rows. */
static void test_errors(void **state)
{
    static const char *const cases[][2] = {
        {"SELECT sum(v.cost / (p.stage - 1)) FROM visits v JOIN people p ON v.person = p.person",
         CM_SQL_DIVISION_BY_ZERO},
        {"SELECT count(*), (SELECT region FROM visits UNION SELECT 77) FROM people",
         CM_SQL_CARDINALITY},
        {"SELECT count(*) FROM people WHERE stage < (SELECT person FROM visits)",
         CM_SQL_CARDINALITY},
        {"SELECT person, (SELECT cost FROM visits v WHERE v.person = p.person) FROM people p",
         CM_SQL_CARDINALITY},
    };
    world w;
    (void)state;
    world_init(&w, 4, FEW);
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        run_state s;
        run_query(&w, cases[i][0], &s, NULL);
        assert_int_equal(s.result.rows, 0);
        assert_string_equal(s.diag[s.plan->coordinator].sqlstate, cases[i][1]);
        cm_arena_fini(&s.result_arena);
    }
    world_fini(&w);
}

/* What is presumed of a key of several owners is checked; without presuming, it is not needed. */
static void test_presumed_keys(void **state)
{
    static const char *const SQL = "SELECT count(*), sum(v.cost) FROM visits v "
                                   "JOIN clients c ON c.client = v.person";
    world w;
    run_state s;
    (void)state;
    world_init_as(&w, 6, BOUND, WORLD_REPEATED);
    run_query(&w, SQL, &s, NULL);
    assert_int_equal(s.result.rows, 0);
    const cm_diag *diag = &s.diag[s.plan->coordinator];
    assert_string_equal(diag->sqlstate, CM_SQL_CARDINALITY);
    assert_string_equal(diag->message,
                        "key (client) of \"clients\" is not unique across its owners");
    assert_non_null(strstr(diag->hint, "comity.cross_owner_keys"));
    cm_arena_fini(&s.result_arena);
    cm_plan_settings settings = cm_plan_settings_default();
    settings.cross_owner_keys = false;
    run_query_as(&w, SQL, settings, &s, NULL);
    assert_int_equal(s.plan->checks, 0);
    size_t rows = 0;
    size_t expected = 0;
    const char **got = own_rows(&w, &s, &rows);
    const char **want = pooled_rows(&w, SQL, &expected);
    assert_int_equal(rows, 1);
    assert_string_equal(got[0], want[0]);
    cm_arena_fini(&s.result_arena);
    world_fini(&w);
}

static unsigned fused_nodes(const cm_plan *plan, bool checked)
{
    unsigned ret = 0;

    for (size_t i = 0; i < plan->nodes; i++) {
        ret += plan->node[i]->op == CM_PLAN_RANGES && (plan->node[i]->check > 0) == checked;
    }
    return ret;
}

/* Keys of many planes, for which a join is a sort. */
static void widen_keys(world *w)
{
    for (size_t i = 0; i < w->schema->tables; i++) {
        cm_column *person = (cm_column *)(uintptr_t)&w->schema->table[i].col[0];
        person->range.hi = (cm_i128)1 << 30;
    }
}

/* Groups and what they are joined to, in one sort; a key that is presumed is checked there. */
static void test_groups_joined_by_their_key(void **state)
{
    static const struct {
        const char *sql;
        bool checked;
    } cases[] = {
        {"SELECT c.client, c.zone, c.score, count(*), sum(v.cost), count(v.cost) FROM visits v "
         "JOIN clients c ON c.client = v.person WHERE v.year > 2005 "
         "GROUP BY c.client, c.zone, c.score ORDER BY 1",
         true},
        {"SELECT count(*), sum(c.zone) FROM clients c WHERE c.client IN "
         "(SELECT v.person FROM visits v GROUP BY v.person HAVING sum(v.cost) > 10)",
         false},
        {"SELECT count(*), sum(c.zone) FROM clients c WHERE NOT EXISTS "
         "(SELECT 1 FROM visits v WHERE v.person = c.client AND v.year > 2010)",
         false},
        {"SELECT a.person, a.cost, g.n * 2 + 1 FROM visits a JOIN (SELECT person, count(cost) n, "
         "sum(year) y FROM visits GROUP BY person) g ON g.person = a.person AND g.y > 4000 "
         "ORDER BY 1, 2 NULLS LAST, 3",
         false},
    };
    world w;
    run_state s;
    cm_plan_settings settings = cm_plan_settings_default();
    (void)state;
    settings.pushdown = false;
    settings.rtt_seconds = 0;
    world_init(&w, 6, BOUND);
    widen_keys(&w);
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        run_query_as(&w, cases[i].sql, settings, &s, NULL);
        assert_int_equal(fused_nodes(s.plan, cases[i].checked), 1);
        size_t rows = 0;
        size_t expected = 0;
        const char **got = own_rows(&w, &s, &rows);
        const char **want = pooled_rows(&w, cases[i].sql, &expected);
        assert_int_equal(rows, expected);
        for (size_t r = 0; r < rows; r++) {
            assert_string_equal(got[r], want[r]);
        }
        cm_arena_fini(&s.result_arena);
    }
    world_fini(&w);
    world_init_as(&w, 6, BOUND, WORLD_REPEATED);
    widen_keys(&w);
    run_query_as(&w, cases[0].sql, settings, &s, NULL);
    assert_int_equal(fused_nodes(s.plan, true), 1);
    assert_string_equal(s.diag[s.plan->coordinator].sqlstate, CM_SQL_CARDINALITY);
    cm_arena_fini(&s.result_arena);
    world_fini(&w);
}

/* Groups before a join with a key that repeats across owners: each of its rows adds what they have.
 */
static void test_repeated_keys_after_grouping(void **state)
{
    static const char *const SQL =
        "SELECT c.zone, count(*), sum(v.cost), min(v.cost) FROM visits v "
        "JOIN clients c ON c.client = v.region + 14 GROUP BY c.zone ORDER BY 1";
    world w;
    run_state s;
    cm_plan_settings settings = cm_plan_settings_default();
    unsigned groupings = 0;
    (void)state;
    settings.cross_owner_keys = false;
    world_init_as(&w, 6, BOUND, WORLD_REPEATED);
    run_query_as(&w, SQL, settings, &s, NULL);
    for (size_t i = 0; i < s.plan->nodes; i++) {
        cm_plan_op op = s.plan->node[i]->op;
        groupings +=
            op == CM_PLAN_GROUP_SORT || op == CM_PLAN_GROUP_DOMAIN || op == CM_PLAN_COMBINE;
    }
    assert_int_equal(groupings, 2);
    size_t rows = 0;
    size_t expected = 0;
    const char **got = own_rows(&w, &s, &rows);
    const char **want = pooled_rows(&w, SQL, &expected);
    assert_int_equal(rows, expected);
    assert_true(rows > 1);
    for (size_t i = 0; i < rows; i++) {
        assert_string_equal(got[i], want[i]);
    }
    cm_arena_fini(&s.result_arena);
    world_fini(&w);
}

/* Where the owners allow it, the size of a join is opened instead of bounded. */
static void test_disclosed_sizes(void **state)
{
    static const char *const SQL[] = {
        "SELECT a.person, b.cost, b.code FROM visits a JOIN visits b ON a.region = b.region "
        "AND b.year BETWEEN a.year AND a.year + 1 AND a.cost > b.cost",
        "SELECT a.region, count(*), sum(b.cost), max(a.code) FROM visits a JOIN visits b "
        "ON a.person = b.person AND a.code <> b.code GROUP BY a.region",
        "SELECT a.person, a.year, b.cost FROM visits a LEFT JOIN visits b ON a.person = b.person "
        "AND a.cost < b.cost AND a.code <> b.code",
        "SELECT a.person, b.cost, b.code, a.code, a.year, a.cost, b.year FROM visits a JOIN visits "
        "b "
        "ON a.person = b.person ORDER BY 1, 2 NULLS LAST, 3, 4, 5, 6 NULLS LAST, 7 LIMIT 5 OFFSET "
        "1",
        "SELECT count(*), sum(b.cost) FROM visits a JOIN visits b ON a.person = b.person + 900",
    };
    world w;
    (void)state;
    world_init(&w, 9, BOUND);
    for (size_t i = 0; i < w.schema->tables; i++) {
        ((cm_org_table *)(uintptr_t)&w.schema->table[i])->join_sizes = true;
    }
    for (size_t i = 0; i < CM_COUNT(SQL); i++) {
        const cm_query *query = NULL;
        const cm_plan *plan = NULL;
        cm_diag diag = {0};
        cm_plan_settings settings = cm_plan_settings_default();
        assert_int_equal(cm_sql_prepare(SQL[i], w.schema, "research", NULL, 0, &settings, &w.arena,
                                        &query, &plan, &diag),
                         CM_OK);
        bool listed = false;
        for (size_t d = 0; d < plan->disclosures; d++) {
            listed = listed || strstr(plan->disclosure[d].what, "two significant bits") != NULL;
        }
        assert_true(listed);
        cm_buf text = {0};
        cm_explain_print(plan, &(cm_explain){.json = false}, NULL, &text);
        assert_non_null(strstr(cm_buf_text(&text), "at most "));
        assert_non_null(strstr(cm_buf_text(&text), "planes, disclosed at run time"));
        cm_buf_clear(&text);
        cm_explain_print(plan, &(cm_explain){.json = true}, NULL, &text);
        assert_non_null(strstr(cm_buf_text(&text), "\"Rows Disclosed At Run Time\": true"));
        cm_buf_free(&text);
        check_answer(&w, SQL[i], SQL[i]);
    }
    world_fini(&w);
}

/* More rows than the bound are an error. */
static void test_join_bound(void **state)
{
    world w;
    run_state s;
    (void)state;
    world_init(&w, 8, BOUND);
    run_query(&w,
              "SELECT /*+ rows(b 100) */ count(*) FROM visits a JOIN visits b ON a.year <= b.year",
              &s, NULL);
    assert_int_equal(s.result.rows, 0);
    const cm_diag *diag = &s.diag[s.plan->coordinator];
    assert_string_equal(diag->sqlstate, CM_SQL_TOO_MANY_ROWS);
    assert_string_equal(diag->message, "join of \"a\" and \"b\" has more than 100 rows");
    cm_arena_fini(&s.result_arena);
    world_fini(&w);
}

/* A row outside its domain ends the query at its owner, by table, column and row. */
static void test_bad_row(void **state)
{
    world w;
    sqlite3 *db = NULL;
    (void)state;
    world_init(&w, 5, BOUND);
    assert_int_equal(sqlite3_open(cm_arena_printf(&w.arena, "%s/north.db", w.dir), &db), SQLITE_OK);
    sql_run(db, "UPDATE visits SET year = 1815 WHERE rowid = 17");
    (void)sqlite3_close(db);
    cm_diag diag = {0};
    cm_source *source = NULL;
    const cm_option option = {"filename", cm_arena_printf(&w.arena, "%s/north.db", w.dir)};
    const cm_options server = {1, &option};
    own_source own = {0};
    const cm_source_table *table = NULL;
    const bool used[5] = {false, false, true, false, false};
    assert_int_equal(cm_source_open(CM_SOURCE_SQLITE, &server, w.dir, 5000, &own.source, &diag),
                     CM_OK);
    assert_int_equal(
        find_source(&own, cm_schema_table(w.schema, "north", "visits"), &source, &table, &diag),
        CM_OK);
    assert_int_not_equal(cm_source_check(source, table, used, &diag), CM_OK);
    assert_string_equal(diag.sqlstate, CM_SQL_CHECK);
    assert_non_null(strstr(diag.message, "17"));
    assert_null(strstr(diag.message, "1815"));
    cm_source_free(own.source);
    world_fini(&w);
}

/* A column without CHECK is presumed as narrow as a product needs; its owner holds it to that. */
static void test_presumed_range(void **state)
{
    const char *sql =
        "SELECT sum(CAST(cost AS numeric) * cost * cost * cost), count(*) FROM visits";
    cm_plan_settings settings = cm_plan_settings_default();
    (void)state;

    for (unsigned i = 0; i < 4; i++) {
        const bool beyond = i % 2 == 1;
        world w;
        run_state s;
        world_init(&w, 11, BOUND);
        for (size_t t = 0; t < w.schema->tables; t++) {
            if (strcmp(w.schema->table[t].name, "visits") == 0) {
                cm_column *cost = (cm_column *)(uintptr_t)&w.schema->table[t].col[3];
                cost->has_check = false;
                cost->range = cm_type_range(&cost->type);
            }
        }
        if (beyond) {
            sqlite3 *db = NULL;
            w.patience_ms = 200;
            char *path = cm_arena_printf(&w.arena, "%s/north.db", w.dir);
            assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
            sql_run(db, "UPDATE visits SET cost = -268435456 WHERE rowid = 17"); /* -2^28 */
            (void)sqlite3_close(db);
        }
        settings.pushdown = i < 2;
        run_query_as(&w, sql, settings, &s, NULL);
        assert_int_equal(cm_presumed_bits(s.plan->presumes), 28);
        if (beyond) {
            assert_int_equal(s.result.rows, 0);
            assert_string_equal(s.diag[0].sqlstate, CM_SQL_RANGE);
            assert_non_null(strstr(s.diag[0].message, "column \"cost\" has a value beyond"));
            assert_null(strstr(s.diag[0].message, "268"));
        } else {
            size_t rows, wanted;
            const char **got = own_rows(&w, &s, &rows), **want = pooled_rows(&w, sql, &wanted);
            assert_int_equal(rows, 1);
            assert_int_equal(wanted, 1);
            assert_string_equal(got[0], want[0]);
        }
        cm_arena_fini(&s.result_arena);
        world_fini(&w);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_few_answers),
        cmocka_unit_test(test_few_covers),
        cmocka_unit_test(test_traces),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_presumed_keys),
        cmocka_unit_test(test_join_bound),
        cmocka_unit_test(test_disclosed_sizes),
        cmocka_unit_test(test_groups_joined_by_their_key),
        cmocka_unit_test(test_repeated_keys_after_grouping),
        cmocka_unit_test(test_bad_row),
        cmocka_unit_test(test_presumed_range),
    };
    const struct CMUnitTest few[] = {
        cmocka_unit_test(test_few_answers),
        cmocka_unit_test(test_errors),
    };
    if (argc > 1 && strcmp(argv[1], "few") == 0) {
        return cmocka_run_group_tests_name("few", few, NULL, NULL);
    }
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
