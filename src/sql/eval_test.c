/* Evaluation against truth tables and PostgreSQL's own results, and ranges against evaluation. */
#include "sql/expr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cm_arena arena;

static const cm_type bool_type = {.kind = CM_TYPE_BOOL};
static const cm_type int8_type = {.kind = CM_TYPE_INT8};
static const cm_type int4_type = {.kind = CM_TYPE_INT4};
static const cm_type date_type = {.kind = CM_TYPE_DATE};
static const cm_type stamp_type = {.kind = CM_TYPE_TIMESTAMP};
static const cm_type text_type = {.kind = CM_TYPE_TEXT, .max_bytes = 64};

static cm_type numeric(int scale)
{
    return (cm_type){.kind = CM_TYPE_NUMERIC, .scale = scale};
}

static const cm_expr *number(cm_type type, cm_i128 value)
{
    return cm_expr_const(&arena, type, (cm_value){.number = value}, 0);
}

static const cm_expr *text(const char *value)
{
    return cm_expr_const(&arena, text_type, (cm_value){.text = value}, 0);
}

static const cm_expr *null(cm_type type)
{
    return cm_expr_const(&arena, type, (cm_value){.null = true}, 0);
}

/* 0, 1 or -1 for NULL. */
static const cm_expr *truth(int value)
{
    return value < 0 ? null(bool_type) : number(bool_type, value);
}

static const cm_expr *op3(cm_expr_op op, cm_type type, const cm_expr *a, const cm_expr *b,
                          const cm_expr *c, unsigned index, int shift)
{
    const cm_expr *args[3] = {a, b, c}, *ret;
    size_t count = a == NULL ? 0 : b == NULL ? 1 : c == NULL ? 2 : 3;

    assert_int_equal(cm_expr_op_new(&arena, op, type, args, count, index, shift, 7, &ret, NULL),
                     CM_OK);
    return ret;
}

static const cm_expr *op2(cm_expr_op op, cm_type type, const cm_expr *a, const cm_expr *b)
{
    return op3(op, type, a, b, NULL, 0, 0);
}

static cm_value eval(const cm_expr *expr)
{
    cm_value value;

    assert_int_equal(cm_expr_eval(expr, NULL, &arena, &value, NULL), CM_OK);
    assert_true(!value.null || expr->nullable);
    if (!value.null && expr->type.kind != CM_TYPE_TEXT) {
        assert_true(value.number >= expr->range.lo && value.number <= expr->range.hi);
    }
    return value;
}

static long long whole(const cm_expr *expr)
{
    cm_value value = eval(expr);

    assert_false(value.null);
    return (long long)value.number;
}

static int truth_of(const cm_expr *expr)
{
    cm_value value = eval(expr);

    return value.null ? -1 : (int)value.number;
}

static void check_error(const cm_expr *expr, const char *sqlstate)
{
    cm_value value;
    cm_diag diag = {0};

    assert_int_not_equal(cm_expr_eval(expr, NULL, &arena, &value, &diag), CM_OK);
    assert_string_equal(diag.sqlstate, sqlstate);
    assert_int_equal(diag.position, 7);
}

static void test_three_valued_logic(void **state)
{
    /* Kleene's tables, indexes 0 false, 1 true, 2 NULL. */
    static const int value[3] = {0, 1, -1};
    static const int and_table[3][3] = {{0, 0, 0}, {0, 1, -1}, {0, -1, -1}};
    static const int or_table[3][3] = {{0, 1, -1}, {1, 1, 1}, {-1, 1, -1}};
    static const int equal[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};

    (void)state;
    for (int i = 0; i < 3; i++) {
        const cm_expr *a = truth(value[i]);
        for (int j = 0; j < 3; j++) {
            const cm_expr *b = truth(value[j]);
            assert_int_equal(truth_of(op2(CM_X_AND, bool_type, a, b)), and_table[i][j]);
            assert_int_equal(truth_of(op2(CM_X_OR, bool_type, a, b)), or_table[i][j]);
            assert_int_equal(truth_of(op2(CM_X_NOT_DISTINCT, bool_type, a, b)), equal[i][j]);
            int eq = i == 2 || j == 2 ? -1 : i == j;
            assert_int_equal(truth_of(op2(CM_X_EQ, bool_type, a, b)), eq);
        }
        assert_int_equal(truth_of(op2(CM_X_NOT, bool_type, a, NULL)), i == 2 ? -1 : 1 - i);
        assert_int_equal(truth_of(op2(CM_X_IS_NULL, bool_type, a, NULL)), i == 2);
        assert_int_equal(truth_of(op2(CM_X_IS_TRUE, bool_type, a, NULL)), i == 1);
        assert_int_equal(truth_of(op2(CM_X_IS_FALSE, bool_type, a, NULL)), i == 0);
    }
}

static void test_division(void **state)
{
    static const long long cases[][4] = {
        {7, 2, 3, 1}, {-7, 2, -3, -1}, {7, -2, -3, 1}, {-7, -2, 3, -1}, {1, 3, 0, 1}, {0, 5, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        const cm_expr *a = number(int8_type, cases[i][0]), *b = number(int8_type, cases[i][1]);
        assert_int_equal(whole(op2(CM_X_IDIV, int8_type, a, b)), cases[i][2]);
        assert_int_equal(whole(op2(CM_X_MOD, int8_type, a, b)), cases[i][3]);
    }
    const cm_expr *one = number(int8_type, 1), *zero = number(int8_type, 0);
    check_error(op2(CM_X_IDIV, int8_type, one, zero), "22012");
    check_error(op2(CM_X_MOD, int8_type, one, zero), "22012");
    check_error(op3(CM_X_QUOT, numeric(4), one, zero, NULL, 0, 4), "22012");
    assert_true(eval(op2(CM_X_IDIV, int8_type, null(int8_type), zero)).null);
    assert_int_equal(
        whole(op3(CM_X_QUOT, numeric(4), number(int8_type, -2), number(int8_type, 3), NULL, 0, 4)),
        -6666);
}

static void test_rounding(void **state)
{
    /* value with two digits; to none: round, trunc, floor, ceil */
    static const long long cases[][5] = {
        {250, 3, 2, 2, 3}, {-250, -3, -2, -3, -2}, {249, 2, 2, 2, 3}, {-249, -2, -2, -3, -2},
        {100, 1, 1, 1, 1}, {-100, -1, -1, -1, -1}, {50, 1, 0, 0, 1},  {-50, -1, 0, -1, 0},
        {49, 0, 0, 0, 1},  {-1, 0, 0, -1, 0},
    };
    static const cm_expr_op ops[] = {CM_X_RESCALE, CM_X_TRUNC, CM_X_FLOOR, CM_X_CEIL};

    (void)state;
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        for (size_t j = 0; j < 4; j++) {
            const cm_expr *a = number(numeric(2), cases[i][0]);
            assert_int_equal(whole(op2(ops[j], numeric(0), a, NULL)), cases[i][j + 1]);
        }
    }
    assert_int_equal(whole(op2(CM_X_RESCALE, numeric(5), number(numeric(2), -123), NULL)), -123000);
}

static void test_casts(void **state)
{
    (void)state;
    const cm_expr *column = cm_expr_column(&arena, 0, 0, int8_type, false, (cm_range){0, 40000}, 0);
    const cm_expr *cast = op2(CM_X_CAST, (cm_type){.kind = CM_TYPE_INT2}, column, NULL);
    cm_value value = {.number = 32767}, result;
    cm_diag diag = {0};
    assert_true(cast->range.hi == 32767);
    assert_int_equal(cm_expr_eval(cast, &value, &arena, &result, &diag), CM_OK);
    value.number++;
    assert_int_equal(cm_expr_eval(cast, &value, &arena, &result, &diag), CM_ERANGE);
    assert_string_equal(diag.message, "smallint out of range");

    const cm_expr *args[1] = {number(int8_type, 70000)}, *ret;
    assert_int_equal(cm_expr_op_new(&arena, CM_X_CAST, (cm_type){.kind = CM_TYPE_INT2}, args, 1, 0,
                                    0, 0, &ret, NULL),
                     CM_ERANGE);
}

static void test_choices(void **state)
{
    (void)state;
    const cm_expr *n = null(int8_type), *one = number(int8_type, 1), *two = number(int8_type, 2);
    assert_int_equal(whole(op2(CM_X_COALESCE, int8_type, n, two)), 2);
    assert_true(eval(op2(CM_X_COALESCE, int8_type, n, n)).null);
    assert_true(eval(op2(CM_X_NULLIF, int8_type, two, two)).null);
    assert_int_equal(whole(op2(CM_X_NULLIF, int8_type, two, n)), 2);
    assert_int_equal(whole(op3(CM_X_GREATEST, int8_type, n, two, one, 0, 0)), 2);
    assert_int_equal(whole(op3(CM_X_LEAST, int8_type, n, two, one, 0, 0)), 1);
    assert_true(eval(op2(CM_X_GREATEST, int8_type, n, n)).null);

    assert_int_equal(truth_of(op3(CM_X_IN, bool_type, one, two, n, 0, 0)), -1);
    assert_int_equal(truth_of(op3(CM_X_IN, bool_type, one, n, one, 0, 0)), 1);
    assert_int_equal(truth_of(op3(CM_X_IN, bool_type, n, one, two, 0, 0)), -1);
    assert_int_equal(truth_of(op2(CM_X_IN, bool_type, one, two)), 0);

    /* A branch that is not taken is not evaluated. */
    const cm_expr *bad = op2(CM_X_IDIV, int8_type, one, number(int8_type, 0));
    assert_int_equal(whole(op3(CM_X_CASE, int8_type, truth(0), bad, two, 0, 0)), 2);
    assert_int_equal(whole(op3(CM_X_CASE, int8_type, truth(-1), bad, two, 0, 0)), 2);
    assert_int_equal(whole(op3(CM_X_CASE, int8_type, truth(1), one, bad, 0, 0)), 1);
}

static long long field(cm_field f, const cm_expr *arg)
{
    return whole(op3(CM_X_EXTRACT, numeric(0), arg, NULL, NULL, f, 0));
}

static void test_dates(void **state)
{
    (void)state;
    const cm_expr *d = number(date_type, cm_date_from_ymd(2021, 1, 3)); /* Sunday of 2020-W53 */
    assert_int_equal(field(CM_FIELD_YEAR, d), 2021);
    assert_int_equal(field(CM_FIELD_QUARTER, d), 1);
    assert_int_equal(field(CM_FIELD_WEEK, d), 53);
    assert_int_equal(field(CM_FIELD_DOW, d), 0);
    assert_int_equal(field(CM_FIELD_DOY, d), 3);
    assert_int_equal(field(CM_FIELD_EPOCH, number(date_type, 0)), 946684800);
    assert_int_equal(field(CM_FIELD_WEEK, number(date_type, cm_date_from_ymd(1999, 1, 1))), 53);
    assert_int_equal(field(CM_FIELD_WEEK, number(date_type, cm_date_from_ymd(2024, 12, 30))), 1);

    cm_i128 before = -((cm_i128)3600 * 1000000) + 1500000; /* 1999-12-31 23:00:01.5 */
    const cm_expr *t = number(stamp_type, before);
    assert_int_equal(field(CM_FIELD_YEAR, t), 1999);
    assert_int_equal(field(CM_FIELD_HOUR, t), 23);
    assert_int_equal(whole(op3(CM_X_EXTRACT, numeric(6), t, NULL, NULL, CM_FIELD_SECOND, 0)),
                     1500000);
    assert_int_equal(whole(op3(CM_X_DATE_TRUNC, stamp_type, t, NULL, NULL, CM_FIELD_HOUR, 0)),
                     -3600LL * 1000000);
    const cm_expr *month = op3(CM_X_DATE_TRUNC, date_type, d, NULL, NULL, CM_FIELD_MONTH, 0);
    assert_true(eval(month).number == cm_date_from_ymd(2021, 1, 1));

    const cm_expr *last = number(date_type, cm_date_from_ymd(2024, 1, 31));
    const cm_expr *later = op2(CM_X_ADD_MONTHS, date_type, last, number(int4_type, 1));
    assert_true(eval(later).number == cm_date_from_ymd(2024, 2, 29));
    later = op2(CM_X_ADD_MONTHS, date_type, last, number(int4_type, -11));
    assert_true(eval(later).number == cm_date_from_ymd(2023, 2, 28));
}

static bool like(const char *value, const char *pattern, unsigned fold)
{
    return truth_of(op3(CM_X_LIKE, bool_type, text(value), text(pattern), NULL, fold, 0)) == 1;
}

static void test_text(void **state)
{
    (void)state;
    assert_true(like("abc", "a%", 0));
    assert_true(like("abc", "%c", 0));
    assert_true(like("abc", "_b_", 0));
    assert_false(like("abc", "_b", 0));
    assert_true(like("", "%", 0));
    assert_false(like("", "_", 0));
    assert_true(like("a%c", "a\\%c", 0));
    assert_false(like("abc", "a\\%c", 0));
    assert_true(like("mississippi", "m%iss%ip%i", 0));
    assert_true(like("\xc3\xa9t\xc3\xa9", "_t_", 0));
    assert_true(like("ABC", "abc", 1));
    assert_false(like("ABC", "abc", 0));
    check_error(op2(CM_X_LIKE, bool_type, text("a"), text("a\\")), "22025");

    assert_int_equal(whole(op2(CM_X_LENGTH, int4_type, text("\xc3\xa9t\xc3\xa9"), NULL)), 3);
    const cm_expr *s = text("abcdef");
    const cm_expr *part =
        op3(CM_X_SUBSTRING, text_type, s, number(int4_type, 2), number(int4_type, 3), 0, 0);
    assert_string_equal(eval(part).text, "bcd");
    part = op3(CM_X_SUBSTRING, text_type, s, number(int4_type, -1), number(int4_type, 3), 0, 0);
    assert_string_equal(eval(part).text, "a");
    check_error(
        op3(CM_X_SUBSTRING, text_type, s, number(int4_type, 1), number(int4_type, -1), 0, 0),
        "22011");
    assert_string_equal(eval(op2(CM_X_CONCAT, text_type, s, text("!"))).text, "abcdef!");
    assert_true(eval(op2(CM_X_CONCAT, text_type, s, null(text_type))).null);
    assert_string_equal(eval(op2(CM_X_UPPER, text_type, text("a\xc3\xa9z"), NULL)).text,
                        "A\xc3\xa9Z");
}

static void test_overflow(void **state)
{
    (void)state;
    cm_range wide = {-((cm_i128)1 << 100), (cm_i128)1 << 100};
    const cm_expr *x = cm_expr_column(&arena, 0, 0, numeric(0), false, wide, 3), *ret;
    const cm_expr *args[2] = {x, x};
    cm_diag diag = {0};

    assert_int_equal(cm_expr_op_new(&arena, CM_X_MUL, numeric(0), args, 2, 0, 0, 9, &ret, &diag),
                     CM_ERANGE);
    assert_string_equal(diag.sqlstate, "22003");
    assert_int_equal(diag.position, 9);
    assert_int_equal(cm_expr_agg_new(&arena, CM_AGGREGATE_SUM, numeric(0), x, false, NULL,
                                     (uint64_t)1 << 26, 0, &ret, NULL),
                     CM_ERANGE);
    assert_int_equal(cm_expr_agg_new(&arena, CM_AGGREGATE_SUM, numeric(0), x, false, NULL,
                                     ((uint64_t)1 << 26) - 1, 0, &ret, NULL),
                     CM_OK);
    assert_true(ret->range.lo == wide.lo * (((cm_i128)1 << 26) - 1));
}

/* Every value over small columns lies in the range that was computed beforehand. */
static void test_ranges_hold(void **state)
{
    static const cm_expr_op ops[] = {CM_X_ADD, CM_X_SUB,  CM_X_MUL,      CM_X_IDIV,
                                     CM_X_MOD, CM_X_QUOT, CM_X_GREATEST, CM_X_LEAST};

    (void)state;
    for (int alo = -3; alo <= 2; alo++) {
        for (int ahi = alo; ahi <= 3; ahi += 2) {
            for (int blo = -3; blo <= 2; blo++) {
                const cm_expr *a =
                    cm_expr_column(&arena, 0, 0, int8_type, false, (cm_range){alo, ahi}, 0);
                const cm_expr *b =
                    cm_expr_column(&arena, 0, 1, int8_type, false, (cm_range){blo, blo + 2}, 0);
                for (size_t i = 0; i < CM_COUNT(ops); i++) {
                    const cm_expr *x =
                        op3(ops[i], numeric(1), a, b, NULL, 0, ops[i] == CM_X_QUOT ? 1 : 0);
                    for (int v = 0; v < 9; v++) {
                        cm_value cols[2] = {{.number = alo + v / 3}, {.number = blo + v % 3}}, y;
                        if (cols[0].number <= ahi &&
                            cm_expr_eval(x, cols, &arena, &y, NULL) == CM_OK) {
                            assert_true(y.number >= x->range.lo && y.number <= x->range.hi);
                        }
                    }
                }
            }
        }
    }
}

static const cm_expr *swap_column(const cm_expr *expr, void *arg)
{
    return expr->op == CM_X_COLUMN ? arg : NULL;
}

static void test_rewrite(void **state)
{
    (void)state;
    const cm_expr *a = cm_expr_column(&arena, 0, 0, int8_type, true, (cm_range){0, 10}, 0);
    const cm_expr *x = op2(CM_X_ADD, int8_type, a, number(int8_type, 1)), *y;
    const cm_expr *narrow = cm_expr_column(&arena, 0, 5, int8_type, false, (cm_range){0, 3}, 0);

    assert_int_equal(cm_expr_rewrite(&arena, x, swap_column, (void *)(uintptr_t)narrow, &y, NULL),
                     CM_OK);
    assert_true(y->range.hi == 4);
    assert_false(y->nullable);
    assert_false(cm_expr_equal(x, y));
    assert_true(cm_expr_equal(x, op2(CM_X_ADD, int8_type, a, number(int8_type, 1))));
    assert_false(cm_expr_has_aggregate(x));
}

static int setup(void **state)
{
    (void)state;
    return cm_arena_init(&arena, (size_t)1 << 28) == CM_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    cm_arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_valued_logic),
        cmocka_unit_test(test_division),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_casts),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_ranges_hold),
        cmocka_unit_test(test_rewrite),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
