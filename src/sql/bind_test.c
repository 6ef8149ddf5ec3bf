/* Binding: names, types, conversions, joins, grouping, and PostgreSQL's errors (compared with a
 * server when they were written down). */
#include "sql/bind_fixture.h"
#include "sql/query.h"

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    cm_arena arena;
    cm_diag diag;
    const cm_schema *schema;
    cm_type types[8];
    const cm_value *values;
    cm_buf out;
} fixture;

static int setup(void **state)
{
    static fixture f;

    f = (fixture){0};
    assert_int_equal(cm_arena_init(&f.arena, (size_t)512 << 20), CM_OK);
    f.schema = fixture_schema(&f.arena, &f.diag);
    assert_non_null(f.schema);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    cm_arena_fini(&f->arena);
    cm_buf_free(&f->out);
    return 0;
}

static cm_status bind(fixture *f, const char *sql, const cm_query **ret)
{
    cm_stmts stmts;

    cm_diag_reset(&f->diag);
    cm_status st = cm_sql_parse(sql, &f->arena, &stmts, &f->diag);
    if (st != CM_OK) {
        return st;
    }
    assert_int_equal(stmts.count, 1);
    assert_true(stmts.stmt->params <= 8);
    return cm_sql_bind(stmts.stmt->select, f->schema, "insurer", f->types, f->values,
                       stmts.stmt->params, 0, &f->arena, ret, &f->diag);
}

static const cm_query *bound(fixture *f, const char *sql)
{
    const cm_query *query = NULL;

    if (bind(f, sql, &query) != CM_OK) {
        fail_msg("%s: %s %s", sql, f->diag.sqlstate, f->diag.message);
    }
    assert_int_equal(f->diag.position, 0);
    return query;
}

/* Prefix form: (>= v.year 2025). */
static void show(const cm_query *query, const cm_expr *x, cm_buf *out)
{
    static const char *const ops[] = {
        [CM_X_ADD] = "+",
        [CM_X_SUB] = "-",
        [CM_X_MUL] = "*",
        [CM_X_IDIV] = "idiv",
        [CM_X_QUOT] = "quot",
        [CM_X_MOD] = "%",
        [CM_X_NEG] = "neg",
        [CM_X_ABS] = "abs",
        [CM_X_RESCALE] = "scale",
        [CM_X_TRUNC] = "trunc",
        [CM_X_FLOOR] = "floor",
        [CM_X_CEIL] = "ceil",
        [CM_X_CAST] = "cast",
        [CM_X_EQ] = "=",
        [CM_X_NE] = "<>",
        [CM_X_LT] = "<",
        [CM_X_LE] = "<=",
        [CM_X_GT] = ">",
        [CM_X_GE] = ">=",
        [CM_X_NOT_DISTINCT] = "same",
        [CM_X_AND] = "and",
        [CM_X_OR] = "or",
        [CM_X_NOT] = "not",
        [CM_X_IS_NULL] = "null?",
        [CM_X_IS_TRUE] = "true?",
        [CM_X_IS_FALSE] = "false?",
        [CM_X_IN] = "in",
        [CM_X_CASE] = "case",
        [CM_X_COALESCE] = "coalesce",
        [CM_X_NULLIF] = "nullif",
        [CM_X_GREATEST] = "greatest",
        [CM_X_LEAST] = "least",
        [CM_X_EXTRACT] = "extract",
        [CM_X_DATE_TRUNC] = "date_trunc",
        [CM_X_ADD_MONTHS] = "months",
        [CM_X_LIKE] = "like",
        [CM_X_LOWER] = "lower",
        [CM_X_UPPER] = "upper",
        [CM_X_LENGTH] = "length",
        [CM_X_SUBSTRING] = "substring",
        [CM_X_CONCAT] = "||",
        [CM_X_TRIM] = "trim",
        [CM_X_REPLACE] = "replace",
        [CM_X_POSITION] = "position",
        [CM_X_STAT] = "statistic",
    };

    if (x->op == CM_X_CONST) {
        if (x->value.null) {
            cm_buf_printf(out, "null");
        } else {
            cm_value_print(&x->type, &x->value, out);
        }
        return;
    }
    if (x->op == CM_X_PARAM) {
        cm_buf_printf(out, "$%u", x->index);
        return;
    }
    if (x->op == CM_X_COLUMN) {
        const cm_relation *r = &query->relation[x->rel];
        cm_buf_printf(out, "%s.%s", r->alias, x->index < r->cols ? r->col[x->index].name : "org");
        return;
    }
    cm_buf_printf(out, "(%s", x->op == CM_X_AGG ? cm_aggregate_name(x->aggregate) : ops[x->op]);
    if (x->distinct) {
        cm_buf_printf(out, " distinct");
    }
    for (size_t i = 0; i < x->args; i++) {
        cm_buf_printf(out, " ");
        show(query, x->arg[i], out);
    }
    if (x->filter != NULL) {
        cm_buf_printf(out, " filter ");
        show(query, x->filter, out);
    }
    cm_buf_printf(out, ")");
}

static const char *shown(fixture *f, const cm_query *query, const cm_expr *x)
{
    cm_buf_clear(&f->out);
    show(query, x, &f->out);
    return cm_buf_text(&f->out);
}

static void test_where(void **state)
{
    static const struct {
        const char *condition, *bound;
    } cases[] = {
        {"year = 2025", "(= v.year 2025)"},
        {"year > 2024.0", "(> v.year 2024)"},
        {"year > 2024.5", "(> (scale v.year) 2024.5)"},
        {"cost > 100", "(> v.cost 100.00)"},
        {"cost > 100.500", "(> v.cost 100.50)"},
        {"cost > 1.234", "(> (scale v.cost) 1.234)"},
        {"small = 5", "(= v.small 5)"},
        {"small = 70000", "(= (cast v.small) 70000)"},
        {"small < num", "(< (cast v.small) v.num)"},
        {"big = cost", "(= (scale v.big) v.cost)"},
        {"year = '2001'", "(= v.year 2001)"},
        {"cost = '1.5'", "(= v.cost 1.50)"},
        {"cost = '1.555'", "(= (scale v.cost) 1.555)"},
        {"region = 'south'", "(= v.region south)"},
        {"day >= '2025-01-01'", "(>= v.day 2025-01-01)"},
        {"day = at", "(= (* v.day 86400000000) v.at)"},
        {"at < date '2025-01-02'", "(< v.at 2025-01-02 00:00:00)"},
        {"note = 'x'", "(= v.note x)"},
        {"org = 'south'", "(= v.org south)"},
        {"v.org <> 'north'", "(<> v.org north)"},
        {"flag", "v.flag"},
        {"not flag", "(not v.flag)"},
        {"flag is not true", "(not (true? v.flag))"},
        {"year is not null", "(not (null? v.year))"},
        {"year between 1 and 2", "(and (>= v.year 1) (<= v.year 2))"},
        {"year not between 1 and 2", "(not (and (>= v.year 1) (<= v.year 2)))"},
        {"year in (1, 2.0)", "(in v.year 1 2)"},
        {"cost not in (1, 2.5, null)", "(not (in v.cost 1.00 2.50 null))"},
        {"region in ('north', 'east')", "(in v.region north east)"},
        {"person like 'a%'", "(like v.person a%)"},
        {"person not ilike 'a' || '%'", "(not (like v.person a%))"},
        {"year is distinct from 5", "(not (same v.year 5))"},
        {"year = 1 and cost = 2 or flag", "(or (and (= v.year 1) (= v.cost 2.00)) v.flag)"},
        {"year + 1 > num", "(> (+ v.year 1) v.num)"},
        {"num + 1 > year", "(> (cast (+ v.num 1)) v.year)"},
        {"small + small > 1", "(> (cast (+ v.small v.small)) 1)"},
        {"cost * 2 > 1", "(> (* v.cost 2) 1.00)"},
        {"cost + 1.555 > 1", "(> (+ (scale v.cost) 1.555) 1.000)"},
        {"year / 2 = 1", "(= (idiv v.year 2) 1)"},
        {"day + 1 = day", "(= (+ v.day 1) v.day)"},
        {"day - day > 30", "(> (- v.day v.day) 30)"},
        {"day + interval '1 month' > at", "(> (months (* v.day 86400000000) 1) v.at)"},
        {"at - interval '2 days' > at", "(> (+ v.at -172800000000) v.at)"},
        {"extract(year from day) = 2020", "(= (extract v.day) 2020)"},
        {"case when flag then 1 else 2 end = 1", "(= (case v.flag 1 2) 1)"},
        {"case year when 1 then 'a' end = 'a'", "(= (case (= v.year 1) a null) a)"},
        {"region::text = 'x'",
         "(= (case (= v.region north) north (= v.region south) south east) x)"},
        {"flag::varchar(2) = 'tr'", "(= (case (= v.flag f) fa (= v.flag t) tr null) tr)"},
        {"upper(region::text || '!') = 'X'",
         "(= (case (= v.region north) NORTH! (= v.region south) SOUTH! EAST!) X)"},
        {"coalesce(flag::text, 'none') like 'n%'", "(case (= v.flag f) f (= v.flag t) f t)"},
        {"coalesce(cost, 0) > 1", "(> (coalesce v.cost 0.00) 1.00)"},
        {"nullif(year, 0) = 1", "(= (nullif v.year 0) 1)"},
        {"greatest(year, 5) = 5", "(= (greatest v.year 5) 5)"},
        {"2 * 3 = year", "(= 6 v.year)"},
        {"year = 1 + 1", "(= v.year 2)"},
    };
    fixture *f = *state;
    char sql[256];

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        int bytes =
            snprintf(sql, sizeof sql, "SELECT 1 FROM north.visits v WHERE %s", cases[i].condition);
        assert_in_range(bytes, 1, sizeof sql - 1);
        const cm_query *query = bound(f, sql);
        if (strcmp(shown(f, query, query->where), cases[i].bound) != 0) {
            fail_msg("%s: %s", cases[i].condition, cm_buf_text(&f->out));
        }
    }
}

static void test_targets(void **state)
{
    static const struct {
        const char *sql, *name;
        cm_type_kind kind;
        int scale;
        bool quotient;
    } cases[] = {
        {"year", "year", CM_TYPE_INT4, 0, false},
        {"small + small", "?column?", CM_TYPE_INT2, 0, false},
        {"small + num", "?column?", CM_TYPE_INT4, 0, false},
        {"num * big", "?column?", CM_TYPE_INT8, 0, false},
        {"cost * cost", "?column?", CM_TYPE_NUMERIC, 4, false},
        {"cost + 1.5", "?column?", CM_TYPE_NUMERIC, 2, false},
        {"cost / 3", "?column?", CM_TYPE_NUMERIC, 21, true},
        {"year / 2", "?column?", CM_TYPE_INT4, 0, false},
        {"round(cost / 3, 2)", "round", CM_TYPE_NUMERIC, 2, false},
        {"1.25", "?column?", CM_TYPE_NUMERIC, 2, false},
        {"9999999999", "?column?", CM_TYPE_INT8, 0, false},
        {"'x'", "?column?", CM_TYPE_TEXT, 0, false},
        {"null", "?column?", CM_TYPE_TEXT, 0, false},
        {"cost::int AS c", "c", CM_TYPE_INT4, 0, false},
        {"cost::int", "cost", CM_TYPE_INT4, 0, false},
        {"day + interval '1 day'", "?column?", CM_TYPE_TIMESTAMP, 0, false},
        {"day - day", "?column?", CM_TYPE_INT4, 0, false},
        {"extract(month from at)", "extract", CM_TYPE_NUMERIC, 0, false},
        {"coalesce(year, big)", "coalesce", CM_TYPE_INT8, 0, false},
        {"case when flag then 1 else 2.5 end", "case", CM_TYPE_NUMERIC, 1, false},
        {"org", "org", CM_TYPE_ENUM, 0, false},
        {"count(*)", "count", CM_TYPE_INT8, 0, false},
        {"sum(small)", "sum", CM_TYPE_INT8, 0, false},
        {"sum(big)", "sum", CM_TYPE_NUMERIC, 0, false},
        {"sum(cost)", "sum", CM_TYPE_NUMERIC, 2, false},
        {"avg(year)", "avg", CM_TYPE_NUMERIC, 21, true},
        {"avg(cost)", "avg", CM_TYPE_NUMERIC, 21, true},
        {"sum(cost) / count(*)", "?column?", CM_TYPE_NUMERIC, 21, true},
        {"sum(year) / count(*)", "?column?", CM_TYPE_INT8, 0, false},
        {"min(day)", "min", CM_TYPE_DATE, 0, false},
        {"max(region)", "max", CM_TYPE_ENUM, 0, false},
        {"bool_or(flag)", "bool_or", CM_TYPE_BOOL, 0, false},
    };
    fixture *f = *state;
    char sql[256];

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        int bytes = snprintf(sql, sizeof sql, "SELECT %s FROM north.visits v", cases[i].sql);
        assert_in_range(bytes, 1, sizeof sql - 1);
        const cm_query *query = bound(f, sql);
        const cm_type *type = &query->target[0].expr->type;
        assert_int_equal(query->targets, 1);
        if (strcmp(query->target[0].name, cases[i].name) != 0 || type->kind != cases[i].kind ||
            type->scale != cases[i].scale || type->quotient != cases[i].quotient) {
            fail_msg("%s: %s, kind %d, scale %d", cases[i].sql, query->target[0].name, type->kind,
                     type->scale);
        }
    }
}

/* Every sum that a quotient is made of fits 126 bits, and so does what it is scaled to. */
static void test_quotient_scales(void **state)
{
    fixture *f = *state;
    const cm_query *query = bound(f, "SELECT avg(big), sum(big) / count(*), sum(big) * 1.5 / 7, "
                                     "avg(big) * 100, avg(cost) * avg(cost) FROM visits");

    assert_int_equal(query->target[0].expr->type.scale, 15);
    assert_true(query->target[1].expr->type.scale >= 4);
    for (size_t i = 0; i < query->targets; i++) {
        assert_true(query->target[i].expr->type.quotient);
        assert_true(query->target[i].expr->range.hi < (cm_i128)1 << 126);
    }
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

    assert_int_equal(bind(f, "SELECT a FROM odd", &query), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "42804");
    assert_string_equal(f->diag.message,
                        "table \"odd\" has different columns at \"north\" and \"registry\"");
    assert_string_equal(f->diag.detail,
                        "Owners \"north\" and \"registry\" publish it differently: column \"b\".");
    assert_int_equal(f->diag.position, 15);
    assert_int_equal(bind(f, "SELECT 1 FROM visit", &query), CM_EINVAL);
    assert_string_equal(f->diag.hint, "Similar tables are published: north.visits, south.visits.");
}

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

static void test_params(void **state)
{
    static const cm_value values[] = {
        {.text = "2005"}, {.text = "10.555"}, {.null = true}, {.text = "3"}};
    fixture *f = *state;
    const char *sql = "SELECT 1 FROM visits WHERE year > $1 AND cost < $2 AND region = $3 LIMIT $4";
    const cm_query *query = bound(f, sql);

    assert_int_equal(f->types[0].kind, CM_TYPE_INT4);
    assert_int_equal(f->types[1].kind, CM_TYPE_NUMERIC);
    assert_int_equal(f->types[2].kind, CM_TYPE_ENUM);
    assert_int_equal(f->types[3].kind, CM_TYPE_INT8);
    assert_string_equal(shown(f, query, query->where->arg[0]), "(> visits.year $1)");

    memset(f->types, 0, sizeof f->types);
    f->values = values;
    query = bound(f, sql);
    assert_string_equal(shown(f, query, query->where),
                        "(and (> visits.year 2005) (< (scale visits.cost) 10.555) (= visits.region "
                        "null))");
    assert_int_equal(query->limit, 3);
    assert_int_equal(f->types[0].kind, CM_TYPE_INT4);

    static const cm_value bad[] = {{.text = "abc"}};
    memset(f->types, 0, sizeof f->types);
    f->values = bad;
    assert_int_equal(bind(f, "SELECT 1 FROM visits WHERE year = $1", &query), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "22P02");
    f->values = NULL;
    memset(f->types, 0, sizeof f->types);
    assert_int_equal(bind(f, "SELECT $2 FROM visits", &query), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "42P18");
}

/* What has no CHECK is presumed as large as still fits. */
static void test_presumes(void **state)
{
    static const struct {
        const char *sql;
        unsigned bits; /* 0: nothing is presumed */
    } cases[] = {
        {"SELECT big, num FROM visits", 0},
        {"SELECT sum(num * num) FROM visits", 0},
        {"SELECT cost * cost FROM visits", 0},      /* has a CHECK */
        {"SELECT big * num * big FROM visits", 62}, /* a bigint, or an error */
        {"SELECT num::numeric * num * num * num * num FROM visits", 25},
        {"SELECT a FROM (SELECT big::numeric * big * big AS a FROM visits) t WHERE a > $1", 38},
        {"SELECT variance(big) FROM visits", 54},
    };
    fixture *f = *state;

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        const cm_query *query = bound(f, cases[i].sql);
        unsigned bits = query->presumes > 0 ? cm_presumed_bits(query->presumes) : 0;
        if (bits != cases[i].bits) {
            fail_msg("%s presumes %u bits", cases[i].sql, bits);
        }
        assert_int_equal(f->diag.status, CM_OK);
        assert_int_equal(f->diag.position, 0);
    }
}

static void test_errors(void **state)
{
    static const struct {
        const char *sql, *sqlstate, *message;
        int position;
    } cases[] = {
        {"SELECT nosuch FROM visits", "42703", "column \"nosuch\" does not exist", 8},
        {"SELECT v.nosuch FROM visits v", "42703", "column v.nosuch does not exist", 8},
        {"SELECT visits.year FROM visits v", "42P01",
         "invalid reference to FROM-clause entry for table \"visits\"", 8},
        {"SELECT x.year FROM visits v", "42P01", "missing FROM-clause entry for table \"x\"", 8},
        {"SELECT person FROM visits, tumours", "42702", "column reference \"person\" is ambiguous",
         8},
        {"SELECT org FROM visits, tumours", "42702", "column reference \"org\" is ambiguous", 8},
        {"SELECT 1 FROM nosuch", "42P01", "relation \"nosuch\" does not exist", 15},
        {"SELECT 1 FROM a.visits", "42P01", "relation \"a.visits\" does not exist", 15},
        {"SELECT 1 FROM visits, visits", "42712", "table name \"visits\" specified more than once",
         23},
        {"SELECT cost FROM visits GROUP BY region", "42803",
         "column \"visits.cost\" must appear in the GROUP BY clause or be used in an aggregate "
         "function",
         8},
        {"SELECT org, count(*) FROM visits", "42803",
         "column \"visits.org\" must appear in the GROUP BY clause or be used in an aggregate "
         "function",
         8},
        {"SELECT 1 FROM visits WHERE sum(cost) > 1", "42803",
         "aggregate functions are not allowed in WHERE", 28},
        {"SELECT sum(sum(cost)) FROM visits", "42803", "aggregate function calls cannot be nested",
         12},
        {"SELECT count(*) FROM visits GROUP BY 1", "42803",
         "aggregate functions are not allowed in GROUP BY", 8},
        {"SELECT 1 FROM visits GROUP BY 2", "42P10", "GROUP BY position 2 is not in select list",
         31},
        {"SELECT DISTINCT region FROM visits ORDER BY year", "42P10",
         "for SELECT DISTINCT, ORDER BY expressions must appear in select list", 45},
        {"SELECT 1 FROM visits WHERE cost", "42804",
         "argument of WHERE must be type boolean, not type numeric", 28},
        {"SELECT 1 FROM visits WHERE region = 'west'", "22P02",
         "invalid input value for enum region: \"west\"", 37},
        {"SELECT 1 FROM visits WHERE year = 'x'", "22P02",
         "invalid input syntax for type integer: \"x\"", 35},
        {"SELECT 1 FROM visits WHERE year = note", "42883",
         "operator does not exist: integer = text", 33},
        {"SELECT 1 FROM visits, tumours WHERE region = color", "42883",
         "operator does not exist: region = color", 44},
        {"SELECT foo(year, 'x') FROM visits", "42883",
         "function foo(integer, unknown) does not exist", 8},
        {"SELECT sum(flag) FROM visits", "42883", "function sum(boolean) does not exist", 8},
        {"SELECT coalesce(year, note) FROM visits", "42804",
         "COALESCE types integer and text cannot be matched", 23},
        {"SELECT 2147483647 + 1 FROM visits", "22003", "integer out of range", 19},
        {"SELECT 99999::smallint FROM visits", "22003", "smallint out of range", 13},
        {"SELECT day::int FROM visits", "42846", "cannot cast type date to integer", 11},
        {"SELECT 1 FROM visits LIMIT -1", "2201W", "LIMIT must not be negative", 28},
        {"SELECT big::numeric * big * big * big * big * big FROM visits", "22003",
         "result may need more than 126 bits", 21},
        {"SELECT min(big) OVER (ORDER BY big ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING) FROM visits",
         "0A000", "min over a frame without the current row is not supported", 8},
        {"SELECT sum(big) OVER (ORDER BY big ROWS -2 PRECEDING) FROM visits", "22013",
         "frame starting offset must not be negative", 41},
        {"SELECT nth_value(big, 0) OVER (ORDER BY big) FROM visits", "22016",
         "argument of nth_value must be greater than zero", 8},
        {"SELECT nth_value(big, 2) OVER (ORDER BY big ROWS 1 PRECEDING) FROM visits", "0A000",
         "nth_value over a frame that is not from the partition's start is not supported", 8},
        {"SELECT count(DISTINCT big) OVER () FROM visits", "0A000",
         "DISTINCT for window functions is not supported", 8},
        {"SELECT lag(big, num) OVER () FROM visits", "0A000",
         "an argument of lag that is no constant is not supported", 17},
        {"SELECT 1 FROM visits WHERE rank() OVER () > 1", "42P20",
         "window functions are not allowed in WHERE", 28},
        {"SELECT year FROM visits GROUP BY year HAVING count(*) OVER () > 1", "42P20",
         "window functions are not allowed here", 46},
        {"SELECT rank() OVER () AS r FROM visits GROUP BY r", "42P20",
         "window functions are not allowed in GROUP BY", 8},
        {"SELECT sum(rank() OVER ()) FROM visits", "42803",
         "aggregate function calls cannot contain window function calls", 12},
        {"SELECT rank() OVER (ORDER BY rank() OVER ()) FROM visits", "42P20",
         "window functions are not allowed here", 30},
        {"SELECT year, sum(num) OVER (ORDER BY year) FROM visits GROUP BY year", "42803",
         "column \"visits.num\" must appear in the GROUP BY clause or be used in an aggregate "
         "function",
         18},
        {"SELECT rank() OVER w FROM visits", "42704", "window \"w\" does not exist", 20},
        {"SELECT ntile(0) OVER () FROM visits", "22014",
         "argument of ntile must be greater than zero", 8},
        {"SELECT year FROM visits UNION SELECT year, note FROM visits", "42601",
         "each UNION query must have the same number of columns", 38},
        {"SELECT year FROM visits EXCEPT ALL SELECT note FROM visits", "42804",
         "EXCEPT types integer and text cannot be matched", 43},
        {"SELECT year FROM visits INTERSECT SELECT 'x'", "22P02",
         "invalid input syntax for type integer: \"x\"", 42},
        {"SELECT year AS y FROM visits UNION SELECT 1 ORDER BY year", "42703",
         "column \"year\" does not exist", 54},
        {"SELECT year FROM visits UNION SELECT 1 ORDER BY year + 1", "0A000",
         "invalid UNION/INTERSECT/EXCEPT ORDER BY clause", 54},
        {"SELECT 1 FROM visits, (VALUES (1, 2), (3)) x", "42601",
         "VALUES lists must all be the same length", 40},
        {"SELECT 1 FROM visits, (VALUES (1), ('a')) x", "22P02",
         "invalid input syntax for type integer: \"a\"", 37},
        {"SELECT sum((SELECT max(year) FROM visits)) FROM visits", "0A000",
         "a subquery as a value in this place is not supported", 12},
        {"SELECT (SELECT a, b FROM odd2) FROM visits", "42601",
         "subquery must return only one column", 8},
        {"SELECT 1 FROM visits v WHERE 1 < (SELECT count(v.year) FROM tumours t)", "0A000",
         "a column of the outer query anywhere but in WHERE of a subquery is not supported", 48},
        {"SELECT region, (SELECT count(*) FROM tumours t WHERE t.stage = v.year) FROM visits v "
         "GROUP BY region",
         "42803",
         "column \"v.year\" must appear in the GROUP BY clause or be used in an aggregate function",
         64},
        {"SELECT DISTINCT ON (year) 1 FROM visits", "0A000", "DISTINCT ON is not supported", 8},
        {"SELECT sqrt(cost) FROM visits", "0A000", "sqrt of what may be negative is not supported",
         8},
        {"SELECT power(cost, year) FROM visits", "0A000",
         "an exponent that is not a constant from 0 to 38 is not supported", 20},
        {"SELECT corr(DISTINCT cost, year) FROM visits", "0A000",
         "DISTINCT in corr is not supported", 8},
        {"SELECT corr(cost) FROM visits", "42883", "function corr(numeric) does not exist", 8},
        {"SELECT var_pop(person) FROM visits", "42883",
         "function var_pop(character varying) does not exist", 8},
        {"SELECT cost::float FROM visits", "0A000", "type float8 is not supported", 14},
        {"SELECT 1 FROM visits WHERE note LIKE person", "0A000",
         "LIKE with a pattern that is not a constant is not supported", 38},
        {"SELECT 1 FROM visits v WHERE EXISTS (SELECT 1 FROM tumours t WHERE EXISTS (SELECT 1 FROM "
         "odd2 WHERE a = v.year))",
         "0A000", "a subquery that refers to a table two levels out is not supported", 105},
        {"SELECT 1 FROM generate_series(1, 2) g, visits", "0A000",
         "a function in FROM is not supported", 0},
        {"SELECT * FROM visits FOR UPDATE", "0A000", "FOR UPDATE or FOR SHARE is not supported",
         22},
    };
    fixture *f = *state;
    const cm_query *query;

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        if (bind(f, cases[i].sql, &query) == CM_OK) {
            fail_msg("%s was bound", cases[i].sql);
        }
        if (strcmp(f->diag.sqlstate, cases[i].sqlstate) != 0 ||
            strcmp(f->diag.message, cases[i].message) != 0 ||
            f->diag.position != cases[i].position) {
            fail_msg("%s: %s %s at %d", cases[i].sql, f->diag.sqlstate, f->diag.message,
                     f->diag.position);
        }
    }
    assert_int_equal(bind(f, "SELECT yera FROM visits", &query), CM_EINVAL);
    assert_string_equal(f->diag.hint, "Perhaps you meant to reference the column \"visits.year\".");
    assert_int_equal(bind(f, "SELECT visits.year FROM visits v", &query), CM_EINVAL);
    assert_string_equal(f->diag.hint, "Perhaps you meant to reference the table alias \"v\".");
}

/* WITH queries that double each other are bound once each; limits hold elsewhere. */
static void test_limits(void **state)
{
    fixture *f = *state;
    const cm_query *query;
    char *sql = malloc(1 << 16);
    size_t bytes = 0;

    assert_non_null(sql);
    bytes += (size_t)sprintf(sql, "WITH w0 AS (SELECT person AS p FROM visits)");
    for (int i = 1; i < 60; i++) {
        bytes +=
            (size_t)sprintf(sql + bytes, ", w%d AS (SELECT a.p FROM w%d a, w%d b WHERE a.p = b.p)",
                            i, i - 1, i - 1);
    }
    sprintf(sql + bytes, " SELECT count(*) FROM w59");
    (void)bound(f, sql);
    bytes = (size_t)sprintf(sql, "SELECT 1 FROM visits a0");
    for (int i = 1; i < 100; i++) {
        bytes += (size_t)sprintf(sql + bytes, ", visits a%d", i);
    }
    assert_int_equal(bind(f, sql, &query), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "54001");
    bytes = (size_t)sprintf(sql, "SELECT *");
    for (int i = 1; i < 200; i++) {
        bytes += (size_t)sprintf(sql + bytes, ", *");
    }
    sprintf(sql + bytes, " FROM visits");
    assert_int_equal(bind(f, sql, &query), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "54011");
    free(sql);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Statements of random words: bound or refused, always with a SQLSTATE. */
static void test_random(void **state)
{
    static const char *const values[] = {
        "year",
        "cost",
        "v.region",
        "person",
        "day",
        "at",
        "small",
        "big",
        "flag",
        "note",
        "org",
        "1",
        "2.5",
        "'x'",
        "'2020-01-01'",
        "'north'",
        "null",
        "true",
        "date '2020-01-01'",
        "interval '1 month'",
        "count(*)",
        "$1",
        "1e20",
        "0",
    };
    static const char *const operators[] = {
        "+",
        "-",
        "*",
        "/",
        "%",
        "=",
        "<",
        "<>",
        "and",
        "or",
        "||",
        "like",
        "is distinct from",
        ", ",
        "between 1 and",
        "in (1, 'x')  =",
    };
    static const char *const functions[] = {
        "sum(",
        "avg(",
        "min(",
        "abs(",
        "round(",
        "coalesce(null, ",
        "lower(",
        "nullif(1, ",
        "not (",
        "- (",
        "extract(year from ",
        "greatest(1, ",
        "(",
        "substring(",
        "date_trunc('day', ",
    };
    fixture *f = *state;
    uint32_t seed = 11;
    size_t fine = 0;

    for (int round = 0; round < 4000; round++) {
        char sql[1024];
        size_t bytes = (size_t)sprintf(sql, "select ");
        int open = 0;
        for (uint32_t terms = 1 + next_random(&seed) % 4; terms > 0; terms--) {
            if (next_random(&seed) % 3 == 0) {
                bytes += (size_t)sprintf(sql + bytes, "%s",
                                         functions[next_random(&seed) % CM_COUNT(functions)]);
                open++;
            }
            bytes +=
                (size_t)sprintf(sql + bytes, "%s ", values[next_random(&seed) % CM_COUNT(values)]);
            if (open > 0 && next_random(&seed) % 2 == 0) {
                bytes += (size_t)sprintf(sql + bytes, ") ");
                open--;
            }
            if (terms > 1) {
                bytes += (size_t)sprintf(sql + bytes, "%s ",
                                         operators[next_random(&seed) % CM_COUNT(operators)]);
            }
        }
        while (open-- > 0) {
            sql[bytes++] = ')';
        }
        sprintf(sql + bytes, " from north.visits v%s",
                next_random(&seed) % 4 == 0 ? " group by region order by 1" : "");
        const cm_query *query;
        memset(f->types, 0, sizeof f->types);
        cm_status st = bind(f, sql, &query);
        assert_int_equal(st, f->diag.status);
        if (st == CM_OK) {
            fine++;
        } else if (strlen(f->diag.sqlstate) != 5 || strcmp(f->diag.sqlstate, "XX000") == 0) {
            fail_msg("%s: %s", sql, f->diag.message);
        }
    }
    assert_in_range(fine, 500, 4000);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_where),      CASE(test_targets),        CASE(test_quotient_scales),
        CASE(test_unions),     CASE(test_set_operations), CASE(test_joins),
        CASE(test_subqueries), CASE(test_grouping),       CASE(test_params),
        CASE(test_presumes),   CASE(test_errors),         CASE(test_limits),
        CASE(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
