/* Texts in and out against what PostgreSQL 15 prints (checked with a server; the table is plain
 * enough to be checked again: SELECT 'input'::type). */
#include "sql/sql_int.h"
#include "sql/type.h"

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

typedef struct fixture {
    cm_arena arena;
    cm_buf out;
    cm_diag diag;
} fixture;

static int setup(void **state)
{
    static fixture f;

    f = (fixture){0};
    assert_int_equal(cm_arena_init(&f.arena, 1 << 20), CM_OK);
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

static const char *const region_labels[] = {"north", "south", "it's"};
static const cm_enum region = {"region", 3, region_labels};

static const cm_type boolean = {.kind = CM_TYPE_BOOL};
static const cm_type int2 = {.kind = CM_TYPE_INT2};
static const cm_type int4 = {.kind = CM_TYPE_INT4};
static const cm_type int8 = {.kind = CM_TYPE_INT8};
static const cm_type money = {.kind = CM_TYPE_NUMERIC, .precision = 10, .scale = 2};
static const cm_type large = {.kind = CM_TYPE_NUMERIC, .precision = 38, .scale = 0};
static const cm_type fine = {.kind = CM_TYPE_NUMERIC, .precision = 5, .scale = 5};
static const cm_type date = {.kind = CM_TYPE_DATE};
static const cm_type timestamp = {.kind = CM_TYPE_TIMESTAMP};
static const cm_type enumerated = {.kind = CM_TYPE_ENUM, .labels = &region};
static const cm_type varchar5 = {.kind = CM_TYPE_TEXT, .max_bytes = 5, .text = CM_TEXT_VARCHAR};
static const cm_type char5 = {.kind = CM_TYPE_TEXT, .max_bytes = 5, .text = CM_TEXT_CHAR};

/* output is the printed value, or the SQLSTATE when error is set. */
typedef struct text_case {
    const cm_type *type;
    const char *input;
    const char *output;
    bool error;
} text_case;

static const text_case cases[] = {
    {&boolean, "true", "t", false},
    {&boolean, " YES ", "t", false},
    {&boolean, "of", "f", false},
    {&boolean, "o", "22P02", true},
    {&boolean, "", "22P02", true},
    {&boolean, "truex", "22P02", true},
    {&int2, "32767", "32767", false},
    {&int2, "-32768", "-32768", false},
    {&int2, "32768", "22003", true},
    {&int4, " +7 ", "7", false},
    {&int4, "-2147483648", "-2147483648", false},
    {&int4, "2147483648", "22003", true},
    {&int4, "99999999999999999999999999999999999999999999999999", "22003", true},
    {&int4, "1.5", "22P02", true},
    {&int4, "", "22P02", true},
    {&int4, "-", "22P02", true},
    {&int4, "1 2", "22P02", true},
    {&int8, "9223372036854775807", "9223372036854775807", false},
    {&int8, "-9223372036854775808", "-9223372036854775808", false},
    {&int8, "9223372036854775808", "22003", true},
    {&money, "1.005", "1.01", false},
    {&money, "-1.005", "-1.01", false},
    {&money, "1.00499999", "1.00", false},
    {&money, ".5", "0.50", false},
    {&money, "5.", "5.00", false},
    {&money, "-0", "0.00", false},
    {&money, "-0.001", "0.00", false},
    {&money, "1e3", "1000.00", false},
    {&money, "12345e-4", "1.23", false},
    {&money, "0.0000000000000000000000000001e28", "1.00", false},
    {&money, "99999999.994", "99999999.99", false},
    {&money, "99999999.995", "22003", true},
    {&money, "1e999999", "22003", true},
    {&money, "abc", "22P02", true},
    {&money, ".", "22P02", true},
    {&money, "1e", "22P02", true},
    {&money, "1.2.3", "22P02", true},
    {&money, "- 1", "22P02", true},
    {&fine, "0.999994", "0.99999", false},
    {&fine, "0.999995", "22003", true},
    {&fine, "-0.00001", "-0.00001", false},
    {&large, "85070591730234615865843651857942052863", "85070591730234615865843651857942052863",
     false},
    {&large, "999999999999999999999999999999999999999", "22003", true},
    {&date, "2025-02-28", "2025-02-28", false},
    {&date, "2024-02-29", "2024-02-29", false},
    {&date, "2025-02-29", "22008", true},
    {&date, "1900-02-29", "22008", true},
    {&date, "2000-02-29", "2000-02-29", false},
    {&date, "20250304", "2025-03-04", false},
    {&date, "2025/3/4", "2025-03-04", false},
    {&date, "0099-01-02", "0099-01-02", false},
    {&date, "0044-03-15 BC", "0044-03-15 BC", false},
    {&date, "0001-01-01 bc", "0001-01-01 BC", false},
    {&date, "0000-01-01", "22008", true},
    {&date, "4714-11-24 BC", "4714-11-24 BC", false},
    {&date, "4714-11-23 BC", "22008", true},
    {&date, "5874897-12-31", "5874897-12-31", false},
    {&date, "5874898-01-01", "22008", true},
    {&date, "2025-13-01", "22008", true},
    {&date, "2025-00-01", "22008", true},
    {&date, "2025-01-01 10:11:12", "2025-01-01", false},
    {&date, "2025-01", "22007", true},
    {&date, "abc", "22007", true},
    {&date, "", "22007", true},
    {&date, "2025-01-01x", "22007", true},
    {&timestamp, "2025-01-02", "2025-01-02 00:00:00", false},
    {&timestamp, "2025-01-02 03:04:05.6", "2025-01-02 03:04:05.6", false},
    {&timestamp, "2025-01-02T03:04:05.000001", "2025-01-02 03:04:05.000001", false},
    {&timestamp, "2025-01-02 03:04", "2025-01-02 03:04:00", false},
    {&timestamp, "2025-01-02 03:04:05.9999999", "2025-01-02 03:04:06", false},
    {&timestamp, "2025-01-02 03:04:05+02", "2025-01-02 03:04:05", false},
    {&timestamp, "2025-01-02 03:04:05Z", "2025-01-02 03:04:05", false},
    {&timestamp, "2025-12-31 24:00:00", "2026-01-01 00:00:00", false},
    {&timestamp, "2025-12-31 23:59:60", "2026-01-01 00:00:00", false},
    {&timestamp, "2025-12-31 24:00:01", "22008", true},
    {&timestamp, "2025-12-31 23:60:00", "22008", true},
    {&timestamp, "1969-07-20 20:17:40.123", "1969-07-20 20:17:40.123", false},
    {&timestamp, "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC", false},
    {&timestamp, "294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999", false},
    {&timestamp, "294277-01-01", "22008", true},
    {&timestamp, "2025-01-02 nonsense", "22007", true},
    {&enumerated, "south", "south", false},
    {&enumerated, "it's", "it's", false},
    {&enumerated, "South", "22P02", true},
    {&enumerated, "", "22P02", true},
    {&varchar5, "abcde", "abcde", false},
    {&varchar5, "abcde   ", "abcde", false},
    {&varchar5, "ab ", "ab ", false},
    {&varchar5, "\xff", "22021", true},
    {&char5, "ab", "ab   ", false},
    {&char5, "ab      ", "ab   ", false},
};

static void test_texts(void **state)
{
    fixture *f = *state;

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        const text_case *c = &cases[i];
        cm_value value = {0};

        cm_diag_reset(&f->diag);
        cm_status st = cm_value_parse(c->type, c->input, &f->arena, &value, &f->diag);
        if (c->error) {
            if (st == CM_OK) {
                fail_msg("%s was read", c->input);
            }
            assert_string_equal(f->diag.sqlstate, c->output);
            continue;
        }
        if (st != CM_OK) {
            fail_msg("%s: %s", c->input, f->diag.message);
        }
        cm_buf_clear(&f->out);
        cm_value_print(c->type, &value, &f->out);
        assert_string_equal(cm_buf_text(&f->out), c->output);
    }
}

static void test_messages(void **state)
{
    fixture *f = *state;
    cm_value value;

    assert_int_equal(cm_value_parse(&int4, "x", &f->arena, &value, &f->diag), CM_EINVAL);
    assert_string_equal(f->diag.message, "invalid input syntax for type integer: \"x\"");
    cm_diag_reset(&f->diag);
    assert_int_equal(cm_value_parse(&money, "123456789", &f->arena, &value, &f->diag), CM_ERANGE);
    assert_string_equal(f->diag.message, "numeric field overflow");
    assert_string_equal(f->diag.detail, "A field with precision 10, scale 2 must round to an "
                                        "absolute value less than 10^8.");
    cm_diag_reset(&f->diag);
    assert_int_equal(cm_value_parse(&enumerated, "west", &f->arena, &value, &f->diag), CM_EINVAL);
    assert_string_equal(f->diag.message, "invalid input value for enum region: \"west\"");
    cm_diag_reset(&f->diag);
    assert_int_equal(cm_value_parse(&date, "2025-02-30", &f->arena, &value, &f->diag), CM_EINVAL);
    assert_string_equal(f->diag.message, "date/time field value out of range: \"2025-02-30\"");
}

/* Unlike a cast, input does not cut a text that is too long. */
static void test_too_long(void **state)
{
    fixture *f = *state;
    cm_value value;

    assert_int_equal(cm_value_parse(&varchar5, "abcdef", &f->arena, &value, &f->diag), CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "22001");
    assert_string_equal(f->diag.message, "value too long for type character varying(5)");
}

static void test_calendar(void **state)
{
    int year = -4712, month = 1, day = 1;

    (void)state;
    assert_true(cm_date_from_ymd(2000, 1, 1) == 0);
    assert_true(cm_date_from_ymd(1970, 1, 1) == -10957);
    assert_true(cm_date_from_ymd(-4713, 11, 24) == -2451545);
    for (cm_i128 days = cm_date_from_ymd(year, month, day); days < 400000; days++) {
        int y, m, d;
        cm_date_to_ymd(days, &y, &m, &d);
        assert_true(cm_date_from_ymd(y, m, d) == days);
        bool next_month = d == 1 && (m == month + 1 || (m == 1 && month == 12));
        assert_true((y == year && m == month && (d == day || d == day + 1)) || next_month);
        year = y;
        month = m;
        day = d;
    }
}

static void test_intervals(void **state)
{
    static const struct {
        const char *text;
        int months;
        int64_t micros;
    } good[] = {
        {"1 day", 0, INT64_C(86400000000)},
        {"1 year 2 mons -3 days", 14, INT64_C(-259200000000)},
        {"1 month", 1, 0},
        {"02:03:04", 0, INT64_C(7384000000)},
        {"1 day 02:03", 0, INT64_C(93780000000)},
        {"1.5 hours", 0, INT64_C(5400000000)},
        {"@ 1 minute ago", 0, -60000000},
        {"0.5 year", 6, 0},
        {"2 weeks", 0, INT64_C(1209600000000)},
        {"7", 0, 7000000},
        {"1d2h", 0, INT64_C(93600000000)},
        {"-00:00:01.5", 0, -1500000},
    };
    static const char *const bad[] = {"", " ", "day", "1 fortnight", "1 day day", "1:2:3:4", "--1"};
    fixture *f = *state;
    cm_i128 value;

    for (size_t i = 0; i < CM_COUNT(good); i++) {
        assert_int_equal(cm_interval_parse(good[i].text, CM_UNIT_SECOND, &value, &f->diag), CM_OK);
        assert_int_equal(cm_interval_months(value), good[i].months);
        assert_true(cm_interval_micros(value) == good[i].micros);
    }
    for (size_t i = 0; i < CM_COUNT(bad); i++) {
        cm_diag_reset(&f->diag);
        assert_int_not_equal(cm_interval_parse(bad[i], CM_UNIT_SECOND, &value, &f->diag), CM_OK);
        assert_string_equal(f->diag.sqlstate, "22007");
    }
    assert_true(cm_interval_months(cm_interval_make(-5, -7)) == -5);
    assert_true(cm_interval_micros(cm_interval_make(-5, -7)) == -7);
    assert_true(cm_interval_micros(cm_interval_make(INT32_MIN, INT64_MIN)) == INT64_MIN);
    assert_true(cm_interval_months(cm_interval_make(INT32_MAX, INT64_MAX)) == INT32_MAX);
}

static void test_rescale(void **state)
{
    cm_i128 value;

    (void)state;
    assert_int_equal(cm_value_rescale(15, 1, 0, &value), CM_OK);
    assert_true(value == 2);
    assert_int_equal(cm_value_rescale(-15, 1, 0, &value), CM_OK);
    assert_true(value == -2);
    assert_int_equal(cm_value_rescale(14, 1, 0, &value), CM_OK);
    assert_true(value == 1);
    assert_int_equal(cm_value_rescale(7, 0, 3, &value), CM_OK);
    assert_true(value == 7000);
    assert_int_equal(cm_value_rescale(9, 0, 38, &value), CM_ERANGE);
    assert_int_equal(cm_value_rescale(0, 0, 38, &value), CM_OK);
    assert_int_equal(cm_value_rescale(-1, 0, 100, &value), CM_ERANGE);
    assert_int_equal(cm_value_rescale(-1, 100, 0, &value), CM_OK);
    assert_true(value == 0);
}

/* numerator / denominator, truncated at `scale`, as printed; PostgreSQL 15's own results. */
/* PostgreSQL's texts of double precision. */
static void test_floats(void **state)
{
    static const struct {
        cm_i128 number;
        int scale;
        const char *text;
    } shown[] = {
        {2253080, 3, "2253.08"},
        {0, 5, "0"},
        {-5, 1, "-0.5"},
        {20, 1, "2"},
        {1, 5, "1e-05"},
        {1, 4, "0.0001"},
        {100000000000000, 0, "100000000000000"},
        {1000000000000000, 0, "1e+15"},
        {1234567890123456, 0, "1.234567890123456e+15"},
        {33333333333333333, 17, "0.3333333333333333"},
        {(cm_i128)1414213562373095048 * 10 + 8, 19, "1.4142135623730951"},
    };
    const cm_type kind = {.kind = CM_TYPE_NUMERIC, .floats = true};

    (void)state;
    for (size_t i = 0; i < CM_COUNT(shown); i++) {
        cm_type type = kind;
        cm_buf out = {0};
        type.scale = shown[i].scale;
        const cm_value value = {.number = shown[i].number};
        cm_value_print(&type, &value, &out);
        assert_string_equal(cm_buf_text(&out), shown[i].text);
        cm_buf_free(&out);
    }
    assert_int_equal(cm_type_oid(&kind), 701);
    assert_int_equal(cm_type_len(&kind), 8);
}

static void test_quotients(void **state)
{
    static const struct {
        int64_t numerator, denominator;
        const char *text;
    } good[] = {
        {1, 3, "0.33333333333333333333"},     {2, 3, "0.66666666666666666667"},
        {3, 2, "1.5000000000000000"},         {-3, 2, "-1.5000000000000000"},
        {5, 5, "1.00000000000000000000"},     {4, 2, "2.0000000000000000"},
        {0, 7, "0.00000000000000000000"},     {100000, 3, "33333.333333333333"},
        {20000, 3, "6666.6666666666666667"},  {1000000000, 7, "142857142.85714286"},
        {10000, 1, "10000.0000000000000000"}, {1, 5000, "0.00020000000000000000"},
        {-2, 3, "-0.66666666666666666667"},
    };
    const cm_type type = {.kind = CM_TYPE_NUMERIC, .scale = 21, .quotient = true};
    fixture *f = *state;

    for (size_t i = 0; i < CM_COUNT(good); i++) {
        cm_value value = {.number = good[i].numerator * cm_pow10(21) / good[i].denominator};
        cm_buf_clear(&f->out);
        cm_value_print(&type, &value, &f->out);
        assert_string_equal(cm_buf_text(&f->out), good[i].text);
    }
}

static void test_names(void **state)
{
    static const struct {
        const cm_type *type;
        const char *name;
        uint32_t oid;
        int32_t mod;
        unsigned planes;
    } good[] = {
        {&boolean, "boolean", 16, -1, 1},
        {&int2, "smallint", 21, -1, 16},
        {&int4, "integer", 23, -1, 32},
        {&int8, "bigint", 20, -1, 64},
        {&money, "numeric(10,2)", 1700, 655366, 35},
        {&large, "numeric(38,0)", 1700, 2490372, 127},
        {&date, "date", 1082, -1, 31},
        {&timestamp, "timestamp without time zone", 1114, -1, 64},
        {&enumerated, "region", 25, -1, 2},
        {&varchar5, "character varying(5)", 1043, 9, 0},
        {&char5, "character(5)", 1042, 9, 0},
    };
    fixture *f = *state;

    for (size_t i = 0; i < CM_COUNT(good); i++) {
        cm_buf_clear(&f->out);
        cm_type_name(good[i].type, &f->out);
        assert_string_equal(cm_buf_text(&f->out), good[i].name);
        assert_int_equal(cm_type_oid(good[i].type), good[i].oid);
        assert_int_equal(cm_type_mod(good[i].type), good[i].mod);
        assert_int_equal(cm_range_planes(cm_type_range(good[i].type)), good[i].planes);
    }
}

static void test_utf8(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xed\x9f\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc3",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "a\xe2\x82",
                                      "\xf0\x8f\xbf\xbf"};

    (void)state;
    for (size_t i = 0; i < CM_COUNT(good); i++) {
        assert_true(cm_utf8_valid(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < CM_COUNT(bad); i++) {
        assert_false(cm_utf8_valid(bad[i], strlen(bad[i])));
    }
    assert_int_equal(cm_utf8_chars("a\xc3\xa9\xe2\x82\xac", 6), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test_setup_teardown(test_intervals, setup, teardown),
        cmocka_unit_test(test_rescale),
        cmocka_unit_test_setup_teardown(test_quotients, setup, teardown),
        cmocka_unit_test(test_floats),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
