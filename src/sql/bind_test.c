/* Binding of names, types and conversions, and of random words. */
#include "sql/bind_check.h"

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    assert_int_equal(bind_sql(f, "SELECT 1 FROM visits WHERE year = $1", &query), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "22P02");
    f->values = NULL;
    memset(f->types, 0, sizeof f->types);
    assert_int_equal(bind_sql(f, "SELECT $2 FROM visits", &query), CM_EINVAL);
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
        cm_status st = bind_sql(f, sql, &query);
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
        CASE(test_where),  CASE(test_targets),  CASE(test_quotient_scales),
        CASE(test_params), CASE(test_presumes), CASE(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
