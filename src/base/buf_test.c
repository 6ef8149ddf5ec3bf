#include "base/buf.h"

#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static cm_i128 least_i128(void)
{
    return (cm_i128)((cm_u128)1 << 127);
}

static void round_trip(void **state)
{
    (void)state;
    cm_buf buf = {0};
    cm_buf_put_u8(&buf, 0xfe);
    cm_buf_put_u16(&buf, 0x0102);
    cm_buf_put_u32(&buf, 0x03040506);
    cm_buf_put_u64(&buf, 0x0708090a0b0c0d0e);
    cm_buf_put_i128(&buf, least_i128() + 5);
    cm_buf_put_text(&buf, "north");
    cm_buf_put_text(&buf, NULL);
    cm_buf_put_text(&buf, "");
    cm_buf_put_cstr(&buf, "south");
    cm_buf_put(&buf, "xyz", 3);
    assert_false(buf.failed);
    assert_memory_equal(buf.data, "\xfe\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x80", 16);

    cm_arena arena;
    assert_int_equal(cm_arena_init(&arena, 4096), CM_OK);
    cm_reader reader = cm_reader_of(buf.data, buf.bytes);
    assert_int_equal(cm_reader_u8(&reader), 0xfe);
    assert_int_equal(cm_reader_u16(&reader), 0x0102);
    assert_int_equal(cm_reader_u32(&reader), 0x03040506);
    assert_true(cm_reader_u64(&reader) == 0x0708090a0b0c0d0e);
    assert_true(cm_reader_i128(&reader) == least_i128() + 5);
    assert_string_equal(cm_reader_text(&reader, &arena, 5), "north");
    assert_null(cm_reader_text(&reader, &arena, 5));
    assert_string_equal(cm_reader_text(&reader, &arena, 0), "");
    assert_string_equal(cm_reader_cstr(&reader), "south");
    assert_false(cm_reader_done(&reader));
    assert_int_equal(cm_reader_left(&reader), 3);
    assert_memory_equal(cm_reader_bytes(&reader, 3), "xyz", 3);
    assert_non_null(cm_reader_bytes(&reader, 0));
    assert_true(cm_reader_done(&reader));
    cm_arena_fini(&arena);
    cm_buf_wipe_free(&buf);
}

static void quotes_are_doubled(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *literal;
    } cases[] = {
        {"", "\"\"", "''"},
        {"a", "\"a\"", "'a'"},
        {"it's", "\"it's\"", "'it''s'"},
        {"\"\"'", "\"\"\"\"\"'\"", "'\"\"'''"},
        {"\\n", "\"\\n\"", "'\\n'"},
    };

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        cm_buf buf = {0};
        cm_buf_put_quoted(&buf, cases[i].text, '"');
        assert_string_equal(cm_buf_text(&buf), cases[i].name);
        cm_buf_clear(&buf);
        cm_buf_put_quoted(&buf, cases[i].text, '\'');
        assert_string_equal(cm_buf_text(&buf), cases[i].literal);
        cm_buf_free(&buf);
    }
}

/* Every prefix of a message is refused, and nothing past its end is read (checked by ASan). */
static void every_truncation_fails(void **state)
{
    (void)state;
    cm_buf buf = {0};
    cm_buf_put_u32(&buf, 7);
    cm_buf_put_text(&buf, "text");
    cm_buf_put_i128(&buf, -1);
    cm_buf_put_cstr(&buf, "c");
    cm_arena arena;
    assert_int_equal(cm_arena_init(&arena, 1 << 16), CM_OK);

    for (size_t bytes = 0; bytes <= buf.bytes; bytes++) {
        cm_buf exact = {0};
        cm_buf_put(&exact, buf.data, bytes);
        cm_reader reader = cm_reader_of(exact.data, bytes);
        cm_reader_u32(&reader);
        (void)cm_reader_text(&reader, &arena, 100);
        cm_reader_i128(&reader);
        (void)cm_reader_cstr(&reader);
        assert_int_equal(cm_reader_done(&reader), bytes == buf.bytes);
        cm_buf_free(&exact);
    }
    cm_arena_fini(&arena);
    cm_buf_free(&buf);
}

static void failure_is_sticky(void **state)
{
    (void)state;
    cm_reader reader = cm_reader_of("\1\2\3", 3);
    assert_int_equal(cm_reader_u32(&reader), 0);
    assert_int_equal(cm_reader_u8(&reader), 0);
    assert_int_equal(cm_reader_left(&reader), 0);
    assert_null(cm_reader_bytes(&reader, 0));
    assert_false(cm_reader_done(&reader));

    cm_reader empty = cm_reader_of(NULL, 0);
    assert_true(cm_reader_done(&empty));
    assert_null(cm_reader_cstr(&empty));
    assert_false(cm_reader_done(&empty));
}

static void bad_texts_fail(void **state)
{
    (void)state;
    cm_arena arena;
    assert_int_equal(cm_arena_init(&arena, 4096), CM_OK);
    cm_reader nul = cm_reader_of("\0\0\0\3a\0b", 7);
    assert_null(cm_reader_text(&nul, &arena, 100));
    assert_true(nul.failed);
    cm_reader longer = cm_reader_of("\0\0\0\3abc", 7);
    assert_null(cm_reader_text(&longer, &arena, 2));
    assert_true(longer.failed);
    cm_reader huge = cm_reader_of("\xff\xff\xff\xfe"
                                  "abc",
                                  7);
    assert_null(cm_reader_text(&huge, &arena, SIZE_MAX));
    assert_true(huge.failed);
    cm_reader no_end = cm_reader_of("abc", 3);
    assert_null(cm_reader_cstr(&no_end));
    assert_true(no_end.failed);
    cm_arena_fini(&arena);
}

static void grows_and_consumes(void **state)
{
    (void)state;
    cm_buf buf = {0};
    for (unsigned i = 0; i < 3000; i++) {
        cm_buf_put_u8(&buf, (uint8_t)i);
    }
    cm_buf_consume(&buf, 0);
    cm_buf_consume(&buf, 1000);
    assert_int_equal(buf.bytes, 2000);
    for (unsigned i = 0; i < 2000; i++) {
        assert_int_equal(buf.data[i], (uint8_t)(i + 1000));
    }
    cm_buf_consume(&buf, 2000);
    assert_int_equal(buf.bytes, 0);
    cm_buf_printf(&buf, "%s %d", "rows", 12);
    cm_buf_printf(&buf, ".");
    assert_string_equal(cm_buf_text(&buf), "rows 12.");
    cm_buf_clear(&buf);
    assert_string_equal(cm_buf_text(&buf), "");
    cm_buf_free(&buf);
    assert_string_equal(cm_buf_text(&buf), "");
    cm_buf_free(&buf);
}

static void impossible_sizes_set_the_failure_bit(void **state)
{
    (void)state;
    cm_buf buf = {0};
    cm_buf_put(&buf, "a", 1);
    assert_null(cm_buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.failed);
    cm_buf_put(&buf, "b", 1);
    assert_int_equal(buf.bytes, 1);
    assert_string_equal(cm_buf_text(&buf), "");
    cm_buf_free(&buf);
}

static void prints_128_bit_integers(void **state)
{
    (void)state;
    char text[41];
    assert_string_equal(cm_i128_print(0, text), "0");
    assert_string_equal(cm_i128_print(-1, text), "-1");
    assert_string_equal(cm_i128_print(INT64_MAX, text), "9223372036854775807");
    assert_string_equal(cm_i128_print(least_i128(), text),
                        "-170141183460469231731687303715884105728");
    assert_string_equal(cm_i128_print(-(least_i128() + 1), text),
                        "170141183460469231731687303715884105727");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(quotes_are_doubled),
        cmocka_unit_test(every_truncation_fails),
        cmocka_unit_test(failure_is_sticky),
        cmocka_unit_test(bad_texts_fail),
        cmocka_unit_test(grows_and_consumes),
        cmocka_unit_test(impossible_sizes_set_the_failure_bit),
        cmocka_unit_test(prints_128_bit_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
