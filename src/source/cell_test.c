#include "source/testdata.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const region_labels[] = {"north", "south", "n"};
static const cm_enum region = {"region", 3, region_labels};
static const cm_type boolean = {.kind = CM_TYPE_BOOL};
static const cm_type int2 = {.kind = CM_TYPE_INT2};
static const cm_type int8 = {.kind = CM_TYPE_INT8};
static const cm_type money = {.kind = CM_TYPE_NUMERIC, .precision = 10, .scale = 2};
static const cm_type wide = {.kind = CM_TYPE_NUMERIC, .precision = 38, .scale = 9};
static const cm_type date = {.kind = CM_TYPE_DATE};
static const cm_type timestamp = {.kind = CM_TYPE_TIMESTAMP};
static const cm_type label = {.kind = CM_TYPE_ENUM, .labels = &region};
static const cm_type text8 = {.kind = CM_TYPE_TEXT, .max_bytes = 8, .text = CM_TEXT_VARCHAR};

static cm_arena arena;

static int set_up(void **state)
{
    (void)state;
    return cm_arena_init(&arena, 1 << 20) == CM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cm_arena_fini(&arena);
    return 0;
}

static cm_cell text_cell(const char *text)
{
    return (cm_cell){.kind = CM_CELL_TEXT, .text = text, .bytes = strlen(text)};
}

static void expect(const cm_type *type, cm_cell cell, int64_t number)
{
    cm_value value;
    cm_fault fault;
    if (!cm_cell_canonical(type, &cell, &arena, &value, &fault)) {
        fail_msg("%s: %s", cell.text == NULL ? "" : cell.text, fault.what);
    }
    assert_false(value.null);
    assert_true(value.number == number);
}

static void refuse(const cm_type *type, cm_cell cell, const char *sqlstate)
{
    cm_value value;
    cm_fault fault = {0};
    assert_false(cm_cell_canonical(type, &cell, &arena, &value, &fault));
    assert_string_equal(fault.sqlstate, sqlstate);
}

static void texts(void **state)
{
    (void)state;
    expect(&int8, text_cell("0"), 0);
    expect(&int8, text_cell("-17"), -17);
    expect(&int8, text_cell("007"), 7);
    expect(&int8, text_cell("999999999999999999"), 999999999999999999);
    expect(&int8, text_cell("9223372036854775807"), INT64_MAX);
    expect(&int8, text_cell("-9223372036854775808"), INT64_MIN);
    refuse(&int8, text_cell("9223372036854775808"), CM_SQL_RANGE);
    refuse(&int8, text_cell("-"), CM_SQL_BAD_TEXT);
    refuse(&int8, text_cell(""), CM_SQL_BAD_TEXT);
    refuse(&int8, text_cell("1.5"), CM_SQL_BAD_TEXT);
    refuse(&int8, text_cell("12x"), CM_SQL_BAD_TEXT);
    expect(&money, text_cell("12.34"), 1234);
    expect(&money, text_cell("-0.01"), -1);
    expect(&money, text_cell("7"), 700);
    expect(&money, text_cell("0.005"), 1);
    expect(&money, text_cell("-0.005"), -1);
    refuse(&money, text_cell("100000000.00"), CM_SQL_RANGE);
    refuse(&money, text_cell("NaN"), CM_SQL_BAD_TEXT);
    refuse(&wide, text_cell("9223372036.854775808"), CM_SQL_RANGE); /* 2^63 units */
    expect(&wide, text_cell("9223372036.854775807"), INT64_MAX);
    expect(&date, text_cell("2000-01-01"), 0);
    expect(&date, text_cell("1999-12-31"), -1);
    expect(&date, text_cell("2024-02-29"), 8825);
    refuse(&date, text_cell("2023-02-29"), "22008");
    refuse(&date, text_cell("now"), CM_SQL_BAD_TEXT);
    expect(&timestamp, text_cell("2000-01-01 00:00:01.5"), 1500000);
    expect(&boolean, text_cell("true"), 1);
    expect(&boolean, text_cell("f"), 0);
    expect(&label, text_cell("south"), 1);
    expect(&label, text_cell("n"), 2);
    refuse(&label, text_cell("nor"), CM_SQL_CHECK);
    refuse(&label, text_cell("northern"), CM_SQL_CHECK);
    refuse(&label, text_cell(""), CM_SQL_CHECK);
}

static void bad_bytes(void **state)
{
    (void)state;
    refuse(&text8, text_cell("\xff"), "22021");
    refuse(&text8, (cm_cell){.kind = CM_CELL_TEXT, .text = "a\0b", .bytes = 3}, "22021");
    refuse(&label, (cm_cell){.kind = CM_CELL_TEXT, .text = "n\0", .bytes = 2}, "22021");
    refuse(&text8, (cm_cell){.kind = CM_CELL_BLOB}, CM_SQL_DATATYPE_MISMATCH);
    char *endless = cm_arena_alloc(&arena, 70000, 1);
    memset(endless, '1', 69999);
    refuse(&text8, text_cell(endless), "22001");
    refuse(&int8, text_cell(endless), CM_SQL_BAD_TEXT);
}

static void integers(void **state)
{
    (void)state;
    cm_cell cell = {.kind = CM_CELL_INTEGER, .integer = 42};
    expect(&int8, cell, 42);
    expect(&money, cell, 4200);
    refuse(&date, cell, CM_SQL_DATATYPE_MISMATCH);
    refuse(&label, cell, CM_SQL_CHECK);
    cell.integer = INT64_MAX;
    refuse(&money, cell, CM_SQL_RANGE);
    cm_value value;
    cm_fault fault;
    cell.integer = -5;
    assert_true(cm_cell_canonical(&text8, &cell, &arena, &value, &fault));
    assert_string_equal(value.text, "-5");
}

/* Every decimal of two digits that a double can tell comes back exactly. */
static void reals(void **state)
{
    (void)state;
    cm_cell cell = {.kind = CM_CELL_REAL};
    for (int64_t cents = -1000003; cents < 1000003; cents += 7) {
        cell.real = (double)cents / 100;
        expect(&money, cell, cents);
    }
    for (int64_t cents = 1125899906842000; cents < 1125899906842600; cents++) {
        cell.real = (double)cents / 100;
        expect(&money, cell, cents);
    }
    cell.real = 0.285; /* 28.499999999999996 hundredths */
    expect(&money, cell, 29);
    cell.real = -0.005;
    expect(&money, cell, -1);
    cell.real = 1e15;
    refuse(&money, cell, CM_SQL_RANGE);
    cell.real = (double)INFINITY;
    refuse(&money, cell, CM_SQL_RANGE);
    cell.real = (double)NAN;
    refuse(&money, cell, CM_SQL_RANGE);
    cell.real = 1.0;
    refuse(&int8, cell, CM_SQL_DATATYPE_MISMATCH);
    refuse(&text8, cell, CM_SQL_DATATYPE_MISMATCH);
}

static void check_one(const cm_column *column, cm_value value, const char *sqlstate)
{
    cm_fault fault = {.sqlstate = ""};
    assert_int_equal(cm_cell_check(column, &value, &fault), sqlstate[0] == '\0');
    assert_string_equal(fault.sqlstate, sqlstate);
}

static void declarations(void **state)
{
    (void)state;
    cm_column year = {.name = "year", .type = int2, .not_null = true, .range = {2000, 2030}};
    check_one(&year, (cm_value){.number = 2000}, "");
    check_one(&year, (cm_value){.number = 2030}, "");
    check_one(&year, (cm_value){.number = 1999}, CM_SQL_CHECK);
    check_one(&year, (cm_value){.number = 2031}, CM_SQL_CHECK);
    check_one(&year, (cm_value){.number = 40000}, CM_SQL_RANGE);
    check_one(&year, (cm_value){.null = true}, "23502");
    year.not_null = false;
    check_one(&year, (cm_value){.null = true}, "");
    cm_column name = {.name = "name", .type = text8};
    check_one(&name, (cm_value){.text = ""}, "");
    check_one(&name, (cm_value){.text = "12345678"}, "");
    check_one(&name, (cm_value){.text = "123456789"}, "22001");
    check_one(&name, (cm_value){.text = "€€€"}, "22001"); /* bytes count */
}

/* The same value or the same SQLSTATE as from the parser that reads anything. */
static void compare_with_parser(const cm_type *type, const char *text)
{
    cm_cell cell = text_cell(text);
    cm_value got = {0}, want = {0};
    cm_fault fault = {0};
    cm_diag diag = {0};
    cm_arena scratch = arena;
    bool fits = cm_cell_canonical(type, &cell, &scratch, &got, &fault);
    cm_status st = cm_value_parse(type, text, &scratch, &want, &diag);
    if (fits != (st == CM_OK) || (fits && got.number != want.number)) {
        fail_msg("\"%s\" is read in two ways", text);
    }
}

/* Short ways around the parser, from all sides. */
static void short_ways(void **state)
{
    static const cm_type types[] = {
        {.kind = CM_TYPE_NUMERIC, .precision = 10, .scale = 2},
        {.kind = CM_TYPE_NUMERIC, .precision = 17, .scale = 0},
        {.kind = CM_TYPE_NUMERIC, .precision = 18, .scale = 18},
        {.kind = CM_TYPE_NUMERIC, .precision = 37, .scale = 1},
    };
    static const char *const texts[] = {"0",
                                        "-0",
                                        "-0.00",
                                        "1.",
                                        ".5",
                                        "-",
                                        "",
                                        ".",
                                        "1.234",
                                        "1.235",
                                        "12345678.90",
                                        "12345678.905",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1e3",
                                        "99999999.99",
                                        "99999999.995",
                                        "--1",
                                        "1-",
                                        "1..2",
                                        "1.2.3",
                                        "000000000001",
                                        "123456789",
                                        "0x1F",
                                        "1,",
                                        "0.00000001",
                                        "-99999999.9",
                                        "0.1",
                                        "12345678901234567",
                                        "NaN",
                                        "7",
                                        "0.123456789012345678"};
    char text[32];
    (void)state;
    for (size_t i = 0; i < CM_COUNT(types) * CM_COUNT(texts); i++) {
        compare_with_parser(&types[i % CM_COUNT(types)], texts[i / CM_COUNT(types)]);
    }
    for (int year = 1590; year <= 2410; year++) {
        for (int day = 0; day <= 32; day++) {
            snprintf(text, sizeof text, "%04d-%02d-%02d", year, (year + day) % 14, day);
            compare_with_parser(&date, text);
            snprintf(text, sizeof text, "%04d-02-%02d", year, day);
            compare_with_parser(&date, text);
        }
    }
    compare_with_parser(&date, "2000/01/02");
    compare_with_parser(&date, "2000-1-2");
    compare_with_parser(&date, "2000-01-0a");
    compare_with_parser(&date, "0001-01-01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts), cmocka_unit_test(bad_bytes),    cmocka_unit_test(integers),
        cmocka_unit_test(reals), cmocka_unit_test(declarations), cmocka_unit_test(short_ways),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
