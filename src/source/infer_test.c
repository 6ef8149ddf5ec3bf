#include "source/infer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static cm_arena arena;

static int set_up(void **state)
{
    (void)state;
    return cm_arena_init(&arena, 16 << 20) == CM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cm_arena_fini(&arena);
    return 0;
}

/* Values between |, an empty one is NULL; each is shown `times` times. */
static void guess(const char *values, int times, const char *expected)
{
    cm_infer column;
    cm_infer_init(&column, true, NULL);
    for (int i = 0; i < times; i++) {
        const char *at = values;
        for (bool more = true; more;) {
            size_t bytes = strcspn(at, "|");
            char *text = cm_arena_strndup(&arena, at, bytes);
            cm_cell cell = {
                .kind = bytes == 0 ? CM_CELL_NULL : CM_CELL_TEXT, .text = text, .bytes = bytes};
            cm_infer_add(&column, &cell, arena);
            more = at[bytes] == '|';
            at += bytes + 1;
        }
    }
    cm_guess g = cm_infer_result(&column, &arena);
    char text[512];
    int used = snprintf(text, sizeof text, "%s", g.type_name == NULL ? "enum" : g.type_name);
    for (int i = 0; i < g.type_args; i++) {
        used += snprintf(text + used, sizeof text - (size_t)used, " %d", g.type_arg[i]);
    }
    for (size_t i = 0; i < g.labels; i++) {
        used += snprintf(text + used, sizeof text - (size_t)used, " %s", g.label[i]);
    }
    used += snprintf(text + used, sizeof text - (size_t)used, "%s%s", g.not_null ? " not null" : "",
                     g.unique ? " unique" : "");
    if (g.has_check) {
        snprintf(text + used, sizeof text - (size_t)used, " %s..%s", g.check_lo, g.check_hi);
    }
    assert_string_equal(text, expected);
    cm_infer_fini(&column);
}

static void numbers(void **state)
{
    (void)state;
    guess("1|2|3", 1, "int4 not null unique 1..3");
    guess("1|2|3", 2, "int4 not null 1..3");
    guess("2019|2024", 2, "int4 not null 2000..2100");
    guess("3|1097|", 1, "int4 0..1100");
    guess("-17|4", 1, "int4 not null unique -20..10");
    guess("-1234|4", 1, "int4 not null unique -1300..100");
    guess("5000000000|6123456789", 1, "int8 not null unique 5000000000..6200000000");
    guess("12.50|7|0.25", 1, "numeric 18 2 not null unique 0.00..13.00");
    guess("12.5|99.125", 1, "numeric 18 3 not null unique 0.000..100.000");
    guess("1|x", 1, "varchar 1 not null unique");
    guess("1e5|2e5", 1, "varchar 3 not null unique");
    guess("9999999999999999999", 2, "enum 9999999999999999999 not null");
}

static void times(void **state)
{
    (void)state;
    guess("2020-02-29|2021-03-01", 1, "date not null unique 2020-01-01..2021-12-31");
    guess("1999-12-31|", 1, "date 1999-01-01..1999-12-31");
    guess("2020-01-01 10:00:00|2020-01-01", 1,
          "timestamp not null unique 2020-01-01 00:00:00..2020-12-31 23:59:59.999999");
    guess("2020-13-01|2020-01-01", 1, "varchar 12 not null unique");
}

static void others(void **state)
{
    (void)state;
    guess("", 3, "varchar 64");
    guess("true|f", 1, "bool not null unique");
    guess("NL|DE|EE", 2, "enum DE EE NL not null");
    guess("NL|DE||EE", 2, "enum DE EE NL");
    guess("08|27|39", 2, "enum 08 27 39 not null");
    guess("I21|I50", 3, "enum I21 I50 not null");
    guess("NL|DE|EE", 1, "varchar 2 not null unique");
    guess("P000001|P000002", 1, "varchar 8 not null unique");
}

/* The one label too many makes a text of it. */
static void labels(void **state)
{
    (void)state;
    for (size_t count = CM_INFER_LABELS - 1; count <= CM_INFER_LABELS + 1; count++) {
        cm_infer column;
        cm_infer_init(&column, false, NULL);
        for (size_t i = 0; i < 3 * count; i++) {
            char *text = cm_arena_printf(&arena, "k%zu", i % count);
            cm_cell cell = {.kind = CM_CELL_TEXT, .text = text, .bytes = strlen(text)};
            cm_infer_add(&column, &cell, arena);
        }
        cm_guess g = cm_infer_result(&column, &arena);
        assert_int_equal(g.labels, count <= CM_INFER_LABELS ? count : 0);
        cm_infer_fini(&column);
    }
}

static void rounding(void **state)
{
    (void)state;
    static const int64_t cases[][4] = {
        {0, 0, 0, 0},          {1, 9, 0, 9},
        {5, 9, 5, 9},          {95, 99, 90, 100},
        {0, 100, 0, 100},      {0, 101, 0, 110},
        {0, 999, 0, 1000},     {1930, 2010, 1900, 2100},
        {-5, -3, -5, -3},      {-999, 999, -1000, 1000},
        {-1000, -1, -1000, 0},
    };
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        cm_i128 lo = cases[i][0];
        cm_i128 hi = cases[i][1];
        cm_infer_widen(&lo, &hi);
        assert_int_equal((int64_t)lo, cases[i][2]);
        assert_int_equal((int64_t)hi, cases[i][3]);
    }
    static const unsigned bytes[][2] = {{0, 1},   {1, 1},   {2, 2},     {3, 3},      {4, 4},
                                        {5, 6},   {7, 8},   {9, 12},    {13, 16},    {17, 24},
                                        {33, 48}, {65, 96}, {513, 768}, {1000, 1024}};
    for (size_t i = 0; i < CM_COUNT(bytes); i++) {
        assert_int_equal(cm_infer_text_bytes(bytes[i][0]), bytes[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers), cmocka_unit_test(times),    cmocka_unit_test(others),
        cmocka_unit_test(labels),  cmocka_unit_test(rounding),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
