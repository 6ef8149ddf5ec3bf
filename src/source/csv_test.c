#include "source/csv.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Bytes that come a few at a time. */
typedef struct feed {
    const char *bytes;
    size_t left, step;
} feed;

static cm_status pull(void *arg, uint8_t *buffer, size_t capacity, size_t *ret_bytes, cm_diag *diag)
{
    (void)diag;
    feed *f = arg;
    size_t bytes = f->step < f->left ? f->step : f->left;
    bytes = bytes < capacity ? bytes : capacity;
    memcpy(buffer, f->bytes, bytes);
    f->bytes += bytes;
    f->left -= bytes;
    *ret_bytes = bytes;
    return CM_OK;
}

/* Records as text: [a][b] per record, quoted fields as {a}; or the error. */
static void read_all(const char *bytes, size_t count, size_t step, cm_buf *out)
{
    feed f = {bytes, count, step};
    cm_csv *csv = NULL;
    cm_diag diag = {0};
    cm_buf_clear(out);
    assert_int_equal(cm_csv_new("f.csv", ',', pull, &f, &csv, &diag), CM_OK);
    for (;;) {
        cm_csv_record record;
        bool end = false;
        if (cm_csv_next(csv, &record, &end, &diag) != CM_OK) {
            cm_buf_printf(out, "%s %s", diag.sqlstate, diag.message);
            assert_int_equal(cm_csv_next(csv, &record, &end, NULL), CM_EDEAD);
            break;
        }
        if (end) {
            break;
        }
        cm_buf_printf(out, "%llu:", (unsigned long long)record.line);
        for (size_t i = 0; i < record.fields; i++) {
            const cm_csv_field *field = &record.field[i];
            assert_int_equal(strlen(field->text), field->bytes);
            cm_buf_printf(out, "%s%s%s", field->quoted ? "{" : "[", field->text,
                          field->quoted ? "}" : "]");
        }
        cm_buf_printf(out, ";");
    }
    cm_csv_free(csv);
}

static void expect_bytes(const char *bytes, size_t count, const char *expected)
{
    cm_buf out = {0};
    const size_t steps[] = {1, 2, 3, 7, 100000};
    for (size_t i = 0; i < CM_COUNT(steps); i++) {
        read_all(bytes, count, steps[i], &out);
        assert_string_equal(cm_buf_text(&out), expected);
    }
    cm_buf_free(&out);
}

static void expect(const char *text, const char *expected)
{
    expect_bytes(text, strlen(text), expected);
}

static void well_formed(void **state)
{
    (void)state;
    expect("", "");
    expect("a", "1:[a];");
    expect("a\n", "1:[a];");
    expect("a,b\nc,d", "1:[a][b];2:[c][d];");
    expect("a,b\r\nc,d\r\n", "1:[a][b];2:[c][d];");
    expect(",\n", "1:[][];");
    expect("\n", "1:[];");
    expect("\n\n", "1:[];2:[];");
    expect("\"\"", "1:{};");
    expect("\"\",\"a\"\n", "1:{}{a};");
    expect("\"a\"\"b\"", "1:{a\"b};");
    expect("\"\"\"\"", "1:{\"};");
    expect("\"a\nb\",c\nd", "1:{a\nb}[c];3:[d];");
    expect("\"a\r\nb\"\r\nc", "1:{a\r\nb};3:[c];");
    expect("\"a,b\",c", "1:{a,b}[c];");
    expect(" a , b ", "1:[ a ][ b ];");
    expect("a'b,c\\d", "1:[a'b][c\\d];");
}

static void byte_order_mark(void **state)
{
    (void)state;
    expect("\xef\xbb\xbf", "");
    expect("\xef\xbb\xbf"
           "a,b",
           "1:[a][b];");
    expect("\xef\xbb\xbf\"a\"", "1:{a};");
    expect("\xef\xbb\x80"
           "a",
           "1:[\xef\xbb\x80"
           "a];"); /* U+FEC0 is a letter */
    expect("\xff\xfe"
           "a",
           "22021 file \"f.csv\", line 1, record 1: not UTF-8 but UTF-16");
    expect("\xef\xbb", "22021 file \"f.csv\", line 1, record 1: not valid UTF-8");
}

static void malformed(void **state)
{
    (void)state;
    expect("a\nb,\"c",
           "1:[a];22P04 file \"f.csv\", line 2, record 2: a quoted field is not closed");
    expect("\"a\n\n\n", "22P04 file \"f.csv\", line 1, record 1: a quoted field is not closed");
    expect("\"a\"b", "22P04 file \"f.csv\", line 1, record 1: text after a closing quote");
    expect("a\"b", "22P04 file \"f.csv\", line 1, record 1: a quote inside a field that does not "
                   "begin with one");
    expect("a\rb", "22P04 file \"f.csv\", line 1, record 1: a carriage return without a line feed, "
                   "outside quotes");
    expect("a\r", "22P04 file \"f.csv\", line 1, record 1: a carriage return without a line feed, "
                  "outside quotes");
    expect_bytes("a\0b", 3,
                 "22021 file \"f.csv\", line 1, record 1: a NUL byte; is the file UTF-16?");
    expect_bytes("\"a\0\"", 4, "22021 file \"f.csv\", line 1, record 1: a NUL byte");
    expect("x\n\xff", "1:[x];22021 file \"f.csv\", line 2, record 2: not valid UTF-8");
}

static void utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a", "é", "€", "𝄞", "12345678é", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc3",
                                      "\xc0\x80",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "12345678\xc3",
                                      "\xe2\x82",
                                      "\xf0\x8f\xbf\xbf"};
    for (size_t i = 0; i < CM_COUNT(good); i++) {
        assert_true(cm_csv_utf8_valid(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < CM_COUNT(bad); i++) {
        assert_false(cm_csv_utf8_valid(bad[i], strlen(bad[i])));
    }
}

/* A record around the size of the window, and limits. */
static void sizes(void **state)
{
    (void)state;
    const size_t window = 256 * 1024;
    for (size_t bytes = window - 2; bytes <= window + 2; bytes++) {
        char *text = malloc(bytes + 2);
        assert_non_null(text);
        memset(text, 'x', bytes);
        text[bytes] = '\n';
        text[bytes + 1] = 'y';
        feed f = {text, bytes + 2, window};
        cm_csv *csv = NULL;
        cm_csv_record record;
        bool end = true;
        assert_int_equal(cm_csv_new("f", ',', pull, &f, &csv, NULL), CM_OK);
        assert_int_equal(cm_csv_next(csv, &record, &end, NULL), CM_OK);
        assert_false(end);
        assert_int_equal(record.field[0].bytes, bytes);
        assert_int_equal(cm_csv_next(csv, &record, &end, NULL), CM_OK);
        assert_string_equal(record.field[0].text, "y");
        cm_csv_free(csv);
        free(text);
    }
    cm_buf many = {0};
    cm_buf out = {0};
    for (int i = 0; i < CM_CSV_MAX_FIELDS; i++) {
        cm_buf_printf(&many, ",");
    }
    read_all(cm_buf_text(&many), many.bytes, 1000, &out);
    assert_string_equal(cm_buf_text(&out),
                        "54011 file \"f.csv\", line 1, record 1: more than 4096 fields");
    cm_buf_free(&many);
    size_t long_bytes = CM_CSV_MAX_RECORD_BYTES + 10;
    char *text = malloc(long_bytes);
    assert_non_null(text);
    memset(text, 'x', long_bytes);
    text[0] = '"';
    read_all(text, long_bytes, long_bytes, &out);
    assert_non_null(strstr(cm_buf_text(&out), "54000"));
    free(text);
    cm_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed), cmocka_unit_test(byte_order_mark),
        cmocka_unit_test(malformed),   cmocka_unit_test(utf8),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
