/* Binary forms, there and back; numeric's by hand for the layouts that are easy to get wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "pgwire/binary.h"

typedef struct sample {
    uint32_t oid;
    const char *text;
} sample;

static const sample SAMPLES[] = {
    {16, "t"},
    {26, "4294967295"},
    {16, "f"},
    {20, "-9223372036854775808"},
    {20, "42"},
    {21, "-32768"},
    {23, "2147483647"},
    {1082, "2025-02-28"},
    {1082, "1999-12-31"},
    {1114, "2025-02-28 12:34:56.789"},
    {25, "naïve"},
    {701, "2253.08"},
    {701, "-1e-05"},
    {701, "0.3333333333333333"},
    {701, "1e+15"},
    {1700, "0"},
    {1700, "0.00"},
    {1700, "0.05"},
    {1700, "-0.0005"},
    {1700, "1.5"},
    {1700, "10000"},
    {1700, "10000.00"},
    {1700, "123456789.123456"},
    {1700, "-99999999.99"},
    {1700, "100000000000000000000"},
    {1700, "12.3400"},
    {1700, "0.00010000"},
};

static void test_round_trip(void **state)
{
    cm_arena arena;
    (void)state;
    assert_int_equal(cm_arena_init(&arena, 1 << 20), CM_OK);
    for (size_t i = 0; i < CM_COUNT(SAMPLES); i++) {
        cm_buf out = {0};
        const char *back = NULL;
        assert_int_equal(cm_binary_put(&out, SAMPLES[i].oid, SAMPLES[i].text, &arena, NULL), CM_OK);
        assert_int_equal(cm_binary_text(SAMPLES[i].oid, out.data, out.bytes, &arena, &back, NULL),
                         CM_OK);
        assert_string_equal(back, SAMPLES[i].text);
        cm_buf_free(&out);
    }
    cm_arena_fini(&arena);
}

static void test_numeric_layout(void **state)
{
    /* -12345.678: digits 1 | 2345 . 6780, weight 1, three digits shown */
    static const uint8_t WANT[] = {0, 3, 0, 1, 0x40, 0, 0, 3, 0, 1, 9, 41, 26, 124};
    cm_buf out = {0};
    cm_arena arena;
    (void)state;
    assert_int_equal(cm_arena_init(&arena, 1 << 20), CM_OK);
    assert_int_equal(cm_binary_put(&out, 1700, "-12345.678", &arena, NULL), CM_OK);
    assert_int_equal(out.bytes, sizeof WANT);
    assert_memory_equal(out.data, WANT, sizeof WANT);
    cm_buf_free(&out);
    cm_arena_fini(&arena);
}

static void test_malformed(void **state)
{
    static const uint8_t SHORT[] = {0, 0, 1};
    static const uint8_t NAN_BYTES[] = {0, 0, 0, 0, 0xc0, 0, 0, 0};
    static const uint8_t BAD_DIGIT[] = {0, 1, 0, 0, 0, 0, 0, 0, 0x7f, 0xff};
    static const uint8_t NUL[] = {'a', 0, 'b'};
    const char *text = NULL;
    cm_arena arena;
    (void)state;
    assert_int_equal(cm_arena_init(&arena, 1 << 20), CM_OK);
    assert_int_equal(cm_binary_text(23, SHORT, sizeof SHORT, &arena, &text, NULL), CM_EINVAL);
    assert_int_equal(cm_binary_text(1700, SHORT, sizeof SHORT, &arena, &text, NULL), CM_EINVAL);
    assert_int_equal(cm_binary_text(1700, NAN_BYTES, sizeof NAN_BYTES, &arena, &text, NULL),
                     CM_EINVAL);
    assert_int_equal(cm_binary_text(1700, BAD_DIGIT, sizeof BAD_DIGIT, &arena, &text, NULL),
                     CM_EINVAL);
    assert_int_equal(cm_binary_text(25, NUL, sizeof NUL, &arena, &text, NULL), CM_EINVAL);
    cm_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_numeric_layout),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
