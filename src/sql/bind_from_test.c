/* Binding of joins, subqueries, groups and set operations. */
#include "sql/bind_check.h"

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_joins(void **state)
{
    fixture *f = *state;
    const cm_query *query =
        bound(f, "SELECT * FROM visits v LEFT JOIN registry.tumours t USING (person)");

    assert_int_equal(query->targets, 15);
    assert_string_equal(query->target[0].name, "person");
    assert_int_equal(query->from->kind, CM_FROM_LEFT);
    assert_int_equal(query->from->left->rel, 0);
    assert_string_equal(shown(f, query, query->from->on), "(= v.person t.person)");
    assert_false(query->target[0].expr->nullable);
    assert_string_equal(query->target[11].name, "stage");
    assert_true(query->target[11].expr->nullable); /* NOT NULL at its owner, but no partner here */
    assert_false(query->from->on->nullable);

    query = bound(f, "SELECT person, t.stage FROM visits v RIGHT JOIN registry.tumours t USING "
                     "(person) WHERE v.person IS NULL");
    assert_int_equal(query->from->kind, CM_FROM_LEFT);
    assert_int_equal(query->from->left->rel, 1);
    assert_string_equal(shown(f, query, query->target[0].expr), "t.person");
    assert_false(query->target[1].expr->nullable);

    query = bound(f, "SELECT person FROM visits v FULL JOIN tumours t USING (person)");
    assert_int_equal(query->from->kind, CM_FROM_FULL);
    assert_string_equal(shown(f, query, query->target[0].expr), "(coalesce v.person t.person)");

    query = bound(f, "SELECT 1 FROM visits v NATURAL JOIN tumours t");
    assert_string_equal(shown(f, query, query->from->on),
                        "(and (= v.person t.person) (= v.big t.big))");
    query = bound(f, "SELECT 1 FROM visits v, tumours t WHERE v.person = t.person");
    assert_int_equal(query->from->kind, CM_FROM_CROSS);
    query = bound(f, "SELECT 1 FROM visits v CROSS JOIN tumours t JOIN odd2 o ON true");
    assert_int_equal(query->from->kind, CM_FROM_INNER);
    assert_int_equal(query->from->left->kind, CM_FROM_CROSS);
}

static void test_subqueries(void **state)
{
    fixture *f = *state;
    const cm_query *query =
        bound(f, "SELECT c, r FROM (SELECT region, count(*), max(year) FROM visits GROUP BY region "
                 "ORDER BY avg(cost)) t (r, c) WHERE c > 5");
    const cm_relation *r = &query->relation[0], *origin;
    unsigned col;

    assert_int_equal(r->tables, 0);
    assert_int_equal(r->cols, 3);
    assert_string_equal(r->col[2].name, "max");
    assert_true(r->col[0].unique && !r->col[1].unique);
    assert_int_equal(r->col[0].label.kind, CM_LABEL_GROUP);
    assert_int_equal(r->derived->targets, 4);
    assert_true(r->derived->target[3].hidden);
    assert_true(cm_query_origin(query, query->target[1].expr, &origin, &col));
    assert_string_equal(origin->table[0]->name, "visits");
    assert_int_equal(col, 1);
    assert_false(cm_query_origin(query, query->target[0].expr, &origin, &col));

    query = bound(f, "WITH a AS (SELECT person, cost FROM visits), b (p) AS (SELECT person FROM a) "
                     "SELECT x.p, y.p FROM b x JOIN b y ON x.p = y.p");
    assert_ptr_equal(query->relation[0].derived, query->relation[1].derived);
    assert_true(cm_query_origin(query, query->target[0].expr, &origin, &col));

    query = bound(f, "SELECT person FROM visits v WHERE year = 1 AND EXISTS (SELECT * FROM tumours "
                     "t WHERE t.person = v.person AND stage > 2) AND cost > 1");
    assert_int_equal(query->from->kind, CM_FROM_SEMI);
    assert_string_equal(shown(f, query, query->from->on),
                        "(and (= t.person v.person) (> t.stage 2))");
    assert_string_equal(shown(f, query, query->where), "(and (= v.year 1) (> v.cost 1.00))");
    query = bound(f, "SELECT person FROM visits v WHERE NOT EXISTS (SELECT 1 FROM tumours t WHERE "
                     "t.person = v.person)");
    assert_int_equal(query->from->kind, CM_FROM_ANTI);
    assert_null(query->where);
    query = bound(f, "SELECT person FROM visits WHERE person IN (SELECT person FROM tumours WHERE "
                     "stage > 2)");
    assert_string_equal(shown(f, query, query->from->on),
                        "(and (= visits.person tumours.person) (> tumours.stage 2))");
    query = bound(f, "SELECT person FROM visits WHERE person NOT IN (SELECT person FROM tumours)");
    assert_int_equal(query->from->kind, CM_FROM_ANTI);
    query = bound(f, "SELECT person FROM visits WHERE person IN (SELECT person FROM tumours GROUP "
                     "BY person HAVING count(*) > 1)");
    assert_int_equal(query->from->kind, CM_FROM_SEMI);
    assert_non_null(query->relation[1].derived);
}

static void test_grouping(void **state)
{
    fixture *f = *state;
    const cm_query *query =
        bound(f, "SELECT region AS r, year + 1 AS y, count(*) AS c, avg(cost) FILTER (WHERE flag) "
                 "FROM visits WHERE year > 2000 GROUP BY 1, y, region HAVING sum(cost) > 5 "
                 "ORDER BY c DESC, y, max(day) NULLS FIRST LIMIT 10 OFFSET 2");

    assert_true(query->grouped);
    assert_int_equal(query->groups, 2);
    assert_string_equal(shown(f, query, query->group[1]), "(+ visits.year 1)");
    assert_string_equal(shown(f, query, query->having), "(> (sum visits.cost) 5.00)");
    assert_string_equal(shown(f, query, query->target[3].expr),
                        "(avg visits.cost filter visits.flag)");
    assert_int_equal(query->targets, 5);
    assert_true(query->target[4].hidden);
    assert_int_equal(query->orders, 3);
    assert_int_equal(query->order[0].target, 2);
    assert_true(query->order[0].descending && query->order[0].nulls_first);
    assert_false(query->order[1].descending || query->order[1].nulls_first);
    assert_true(query->order[2].target == 4 && query->order[2].nulls_first);
    assert_true(query->has_limit && query->limit == 10 && query->offset == 2);

    query = bound(f, "SELECT DISTINCT region, year FROM visits ORDER BY year");
    assert_true(query->grouped && !query->distinct);
    assert_int_equal(query->groups, 2);
    query = bound(f, "SELECT DISTINCT region, count(*) FROM visits GROUP BY region");
    assert_false(query->distinct);
    query = bound(f, "SELECT DISTINCT count(*) FROM visits GROUP BY region");
    assert_true(query->distinct);
    query = bound(f, "SELECT count(DISTINCT person), max(DISTINCT year) FROM visits LIMIT ALL");
    assert_true(query->target[0].expr->distinct);
    assert_false(query->target[1].expr->distinct || query->has_limit);
    /* FROM's columns come first in GROUP BY, output names in ORDER BY. */
    query = bound(f, "SELECT max(cost) AS year FROM visits GROUP BY year ORDER BY year");
    assert_string_equal(shown(f, query, query->group[0]), "visits.year");
    assert_int_equal(query->order[0].target, 0);
}

/* A set operation is a query over the UNION ALL of its arms. */
static void test_set_operations(void **state)
{
    fixture *f = *state;
    const cm_query *query = bound(f, "SELECT year, NULL AS x FROM north.visits UNION ALL "
                                     "SELECT 7, '2020-01-01'::date UNION SELECT 2.5, NULL "
                                     "ORDER BY x LIMIT 3");

    assert_true(query->grouped && query->merges);
    assert_int_equal(query->groups, 2);
    assert_int_equal(query->limit, 3);
    assert_string_equal(query->target[0].name, "year");
    assert_int_equal(query->target[0].expr->type.kind, CM_TYPE_NUMERIC);
    assert_int_equal(query->target[0].expr->type.scale, 1);
    assert_int_equal(query->target[1].expr->type.kind, CM_TYPE_DATE);
    const cm_query *all = query->relation[0].derived;
    assert_int_equal(all->arms, 3); /* one relation for both operations */
    assert_int_equal(all->arm[0]->relations, 1);
    assert_null(all->arm[1]->from);

    query = bound(f, "SELECT year FROM visits UNION SELECT 1 UNION ALL SELECT 1");
    assert_false(query->grouped);
    assert_int_equal(query->relation[0].derived->arms, 2); /* the UNION stands by itself */
    assert_true(query->relation[0].derived->arm[0]->merges);

    query = bound(f, "SELECT note FROM visits EXCEPT (SELECT person FROM visits LIMIT 2)");
    assert_non_null(query->having);
    assert_int_equal(query->relation[0].cols, 2); /* and the side */
    query = bound(f, "SELECT year FROM visits INTERSECT ALL SELECT stage FROM tumours");
    assert_int_equal(query->relation[0].windows, 2);
    assert_non_null(query->where);
}

static void test_unions(void **state)
{
    fixture *f = *state;
    const cm_query *query = bound(f, "SELECT person FROM visits");
    const cm_relation *r = &query->relation[0];

    assert_int_equal(r->tables, 2);
    assert_string_equal(r->table[0]->org, "north"); /* in the members' order */
    assert_string_equal(r->table[1]->org, "south");
    assert_string_equal(r->alias, "visits");
    assert_int_equal(r->cols, 11);
    assert_false(r->col[0].unique);
    assert_int_equal(r->col[0].label.kind, CM_LABEL_JOIN);
    assert_false(r->col[1].not_null);
    assert_int_equal(r->col[1].label.min_rows, 20);
    assert_true(r->col[2].range.lo == 1990 && r->col[2].range.hi == 2030);
    assert_int_equal(r->col[2].label.kind, CM_LABEL_FILTER);
    assert_int_equal(r->col[3].label.min_rows, 10);

    query = bound(f, "SELECT person FROM south.visits");
    assert_int_equal(query->relation[0].tables, 1);
    assert_true(query->relation[0].col[0].unique);

    assert_int_equal(bind_sql(f, "SELECT a FROM odd", &query), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "42804");
    assert_string_equal(f->diag.message,
                        "table \"odd\" has different columns at \"north\" and \"registry\"");
    assert_string_equal(f->diag.detail,
                        "Owners \"north\" and \"registry\" publish it differently: column \"b\".");
    assert_int_equal(f->diag.position, 15);
    assert_int_equal(bind_sql(f, "SELECT 1 FROM visit", &query), CM_EINVAL);
    assert_string_equal(f->diag.hint, "Similar tables are published: north.visits, south.visits.");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_joins),          CASE(test_subqueries), CASE(test_grouping),
        CASE(test_set_operations), CASE(test_unions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
