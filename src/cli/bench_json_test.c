/* Stored results: what is written is read again, and nothing else is. */
#include "cli/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const cm_bench_op SORT = {.name = "sort"};

static cm_bench_result a_result(size_t rows)
{
    return (cm_bench_result){.c = {.op = &SORT, .rows = rows, .bits = 64},
                             .runs = 5,
                             .seconds = 0.25,
                             .bytes_sent = 123456789012,
                             .bounds = {.share = 0.5, .name = "bytes"}};
}

static void put_results(cm_buf *out, const cm_bench_options *options, size_t count)
{
    cm_buf_printf(out, "[\n");
    for (size_t i = 0; i < count; i++) {
        cm_bench_result r = a_result(i + 1);
        cm_bench_fields fields;
        cm_bench_fields_of(options, &r, NULL, &fields);
        cm_bench_json_put(out, &fields);
        cm_buf_printf(out, "%s", i + 1 < count ? ",\n" : "\n");
    }
    cm_buf_printf(out, "]\n");
}

static bool reads(const char *text, size_t bytes, cm_bench_olds *ret)
{
    cm_diag diag = {0};
    return cm_bench_json_parse(text, bytes, ret, &diag) == CM_OK;
}

static void test_round_trip(void **state)
{
    (void)state;
    cm_bench_olds olds;
    for (size_t count = 0; count <= CM_BENCH_CASES_MAX + 1; count += 1 + count * 4) {
        cm_bench_options options = {.lanes = 2, .rtt_ms = 40, .rate_mbit = 99.5};
        cm_buf text = {0};
        put_results(&text, &options, count);
        assert_true(reads((const char *)text.data, text.bytes, &olds));
        assert_int_equal(count, olds.count);
        for (size_t i = 0; i < count; i++) {
            cm_bench_result r = a_result(i + 1);
            const cm_bench_old *old = cm_bench_olds_find(&olds, &options, &r);
            assert_ptr_equal(&olds.old[i], old);
            assert_true(old->seconds == 0.25 && old->bytes_sent == 123456789012.0);
            r.c.bits = 63;
            assert_null(cm_bench_olds_find(&olds, &options, &r));
        }
        cm_buf_free(&text);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    static cm_bench_olds olds;
    cm_bench_options options = {.lanes = 1};
    cm_buf text = {0};
    put_results(&text, &options, CM_BENCH_CASES_MAX + 1);
    assert_false(reads((const char *)text.data, text.bytes, &olds));
    assert_int_equal(0, olds.count);
    cm_buf_free(&text);
}

/* Every shorter text is refused, and every changed byte is survived. */
static void test_broken(void **state)
{
    (void)state;
    static cm_bench_olds olds;
    cm_bench_options options = {.lanes = 1};
    cm_buf text = {0};
    put_results(&text, &options, 2);
    size_t whole = text.bytes - 1; /* without the last line's end */
    for (size_t bytes = 0; bytes < whole; bytes++) {
        assert_false(reads((const char *)text.data, bytes, &olds));
        for (unsigned byte = 0; byte < 256; byte++) {
            uint8_t old = text.data[bytes];
            text.data[bytes] = (uint8_t)byte;
            if (!reads((const char *)text.data, text.bytes, &olds)) {
                assert_int_equal(0, olds.count);
            }
            text.data[bytes] = old;
        }
    }
    cm_buf_free(&text);
}

#define OBJECT(more) "{\"op\": \"a\", \"rows\": 1, \"bits\": 1, \"seconds\": " more "}"

static void test_strict(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "[",
        "{}",
        "[{}]",
        "[" OBJECT("1") ",]",
        "[" OBJECT("1") "] x",
        "[" OBJECT("01") "]",
        "[" OBJECT("0x1") "]",
        "[" OBJECT("inf") "]",
        "[" OBJECT("nan") "]",
        "[" OBJECT("-1") "]",
        "[" OBJECT("0") "]",
        "[" OBJECT("1.") "]",
        "[" OBJECT("1e") "]",
        "[" OBJECT("+1") "]",
        "[" OBJECT("\"1\"") "]",
        "[" OBJECT("1, \"x\": [1]") "]",
        "[" OBJECT("1, \"x\": \"\\n\"") "]",
        "[" OBJECT("1, \"rows\": 0") "]",
        "[" OBJECT("1, \"lanes\": null") "]",
        "[" OBJECT("1, \"a name that is much too long for us\": 1") "]",
    };
    static const char *const GOOD[] = {
        "[]",
        " [ ]\r\n",
        "[" OBJECT("1") "]",
        "[" OBJECT("1.5e-3") "]",
        "[" OBJECT("1, \"x\": \"y z\", \"t\": true, \"n\": null, \"f\": false, \"e\": \"\"") "]",
        "[" OBJECT("1") "," OBJECT("2E+1") "]",
    };
    cm_bench_olds olds;
    for (size_t i = 0; i < CM_COUNT(BAD); i++) {
        assert_false(reads(BAD[i], strlen(BAD[i]), &olds));
    }
    for (size_t i = 0; i < CM_COUNT(GOOD); i++) {
        assert_true(reads(GOOD[i], strlen(GOOD[i]), &olds));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
