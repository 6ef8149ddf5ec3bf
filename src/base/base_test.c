#include "base/base.h"
#include "base/clock.h"
#include "base/cpu.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void the_first_failure_wins(void **state)
{
    (void)state;
    cm_diag diag = {0};
    assert_int_equal(cm_fail(&diag, CM_EPEER, CM_SQL_CONNECTION_FAILURE, "lost %d", 3), CM_EPEER);
    assert_int_equal(cm_fail(&diag, CM_EIO, CM_SQL_IO, "other"), CM_EIO);
    assert_int_equal(diag.status, CM_EPEER);
    assert_string_equal(diag.sqlstate, "08006");
    assert_string_equal(diag.message, "lost 3");
    cm_diag_party(&diag, "registry");
    cm_diag_party(&diag, "insurer");
    assert_string_equal(diag.party, "registry");
    cm_diag_detail(&diag, "d%d", 1);
    cm_diag_hint(&diag, "h%d", 2);
    assert_string_equal(diag.detail, "d1");
    assert_string_equal(diag.hint, "h2");
    cm_diag_reset(&diag);
    assert_int_equal(diag.status, CM_OK);
    assert_string_equal(diag.message, "");
}

static void no_diag_is_allowed(void **state)
{
    (void)state;
    assert_int_equal(cm_fail(NULL, CM_EINVAL, CM_SQL_SYNTAX, "x"), CM_EINVAL);
    cm_diag_detail(NULL, "x");
    cm_diag_hint(NULL, "x");
    cm_diag_party(NULL, "x");
}

static void truncation_keeps_characters_whole(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8c\x8d"};

    for (size_t c = 0; c < CM_COUNT(characters); c++) {
        size_t width = strlen(characters[c]);
        for (size_t shift = 0; shift < width; shift++) {
            char text[1200] = {0};
            memset(text, 'a', shift);
            for (size_t at = shift; at + width < sizeof text; at += width) {
                memcpy(text + at, characters[c], width);
            }
            cm_diag diag = {0};
            cm_status st = cm_fail(&diag, CM_EINVAL, CM_SQL_SYNTAX, "%s", text);
            assert_int_equal(st, CM_EINVAL);
            size_t kept = strlen(diag.message);
            assert_true(kept > sizeof diag.message - 1 - width);
            assert_int_equal((kept - shift) % width, 0);
        }
    }
}

static void every_status_has_a_text(void **state)
{
    (void)state;
    for (int status = CM_OK; status <= CM_EEXISTS; status++) {
        assert_string_not_equal(cm_status_text((cm_status)status), "unknown status");
    }
    assert_string_equal(cm_status_text((cm_status)999), "unknown status");
}

static void clock_moves_forward(void **state)
{
    (void)state;
    int64_t a = cm_clock_ns(), b = cm_clock_ns(), now = cm_clock_ms();
    assert_true(b >= a);
    assert_true(cm_clock_unix() > 1700000000);
    assert_int_equal(cm_clock_left_ms(now - 1), 0);
    assert_int_equal(cm_clock_left_ms(INT64_MIN), 0);
    assert_int_equal(cm_clock_left_ms(INT64_MAX), INT_MAX);
    int left = cm_clock_left_ms(now + 10000);
    assert_true(left > 5000 && left <= 10000);
}

static void cpu_features_imply_each_other(void **state)
{
    (void)state;
    cm_cpu cpu = cm_cpu_detect();
    assert_true(!cpu.avx512 || cpu.avx2);
    assert_true(!cpu.vaes || (cpu.avx512 && cpu.aes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failure_wins),
        cmocka_unit_test(no_diag_is_allowed),
        cmocka_unit_test(truncation_keeps_characters_whole),
        cmocka_unit_test(every_status_has_a_text),
        cmocka_unit_test(clock_moves_forward),
        cmocka_unit_test(cpu_features_imply_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
