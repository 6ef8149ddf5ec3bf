/* Owners' SQL in a real SQLite against evaluation in the clear, on random expressions and rows. */
#include "sql/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { ROWS = 60, EXPRESSIONS = 1500, DEPTH = 4 };

static cm_arena arena;
static uint64_t seed = 88172645463325252u;

static unsigned draw(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % below;
}

enum { COL_A, COL_B, COL_MONEY, COL_DAY, COL_STAMP, COL_FLAG, COL_NAME, COLS };

static const cm_column columns[COLS] = {
    [COL_A] = {.name = "a", .type = {.kind = CM_TYPE_INT4}, .range = {-50, 50}},
    [COL_B] = {.name = "b \"x", .type = {.kind = CM_TYPE_INT8}, .range = {-9, 9}},
    [COL_MONEY] = {.name = "money",
                   .type = {.kind = CM_TYPE_NUMERIC, .precision = 8, .scale = 2},
                   .range = {-99999, 99999}},
    [COL_DAY] = {.name = "day", .type = {.kind = CM_TYPE_DATE}, .range = {-400000, 400000}},
    [COL_STAMP] = {.name = "stamp",
                   .type = {.kind = CM_TYPE_TIMESTAMP},
                   .range = {-4000000000000000, 4000000000000000}},
    [COL_FLAG] = {.name = "flag", .type = {.kind = CM_TYPE_BOOL}, .range = {0, 1}},
    [COL_NAME] = {.name = "name", .type = {.kind = CM_TYPE_TEXT, .max_bytes = 8}},
};
static const cm_org_table table = {
    .org = "north", .name = "t", .cols = COLS, .col = columns, .rows = ROWS};

static cm_value rows[ROWS][COLS];

static void draw_rows(void)
{
    static const char *const names[] = {"", "a", "A", "ab", "%", "b_", "\xc3\xa9t", "Zz'z"};

    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < COLS; c++) {
            cm_range range = columns[c].range;
            cm_i128 span = range.hi - range.lo + 1;
            cm_i128 offset = ((cm_i128)draw(1u << 31) << 31 | draw(1u << 31)) % span;
            rows[r][c] = (cm_value){.null = draw(4) == 0, .number = range.lo + offset};
            if (c == COL_NAME) {
                rows[r][c].text = names[draw(CM_COUNT(names))];
            }
        }
    }
}

static const cm_expr *column(unsigned c)
{
    return cm_expr_column(&arena, 0, c, columns[c].type, true, columns[c].range, 0);
}

static const cm_expr *make(cm_expr_op op, cm_type type, const cm_expr *a, const cm_expr *b,
                           const cm_expr *c, unsigned index, int shift)
{
    const cm_expr *args[3] = {a, b, c}, *ret;
    size_t count = b == NULL ? 1 : c == NULL ? 2 : 3;

    if (cm_expr_op_new(&arena, op, type, args, count, index, shift, 0, &ret, NULL) != CM_OK) {
        return a;
    }
    return ret;
}

static const cm_type int8_type = {.kind = CM_TYPE_INT8};
static const cm_type bool_type = {.kind = CM_TYPE_BOOL};
static const cm_type text_type = {.kind = CM_TYPE_TEXT, .max_bytes = 24};

static const cm_expr *integer(cm_i128 value)
{
    return cm_expr_const(&arena, int8_type, (cm_value){.number = value, .null = draw(12) == 0}, 0);
}

static const cm_expr *draw_bool(int depth);

static const cm_expr *draw_day(int depth)
{
    const cm_expr *x = column(draw(2) == 0 ? COL_DAY : COL_STAMP);

    if (depth > 0 && draw(3) == 0) {
        return make(CM_X_DATE_TRUNC, x->type, x, NULL, NULL, draw(CM_FIELD_SECOND + 1), 0);
    }
    if (depth > 0 && draw(3) == 0) {
        return make(CM_X_ADD_MONTHS, x->type, x, integer((cm_i128)draw(60) - 30), NULL, 0, 0);
    }
    return x;
}

static const cm_expr *draw_text(int depth)
{
    static const char *const constants[] = {"a", "", "it's", "\xc3\xa9"};
    const cm_expr *constant = cm_expr_const(
        &arena, text_type, (cm_value){.text = constants[draw(CM_COUNT(constants))]}, 0);

    switch (depth > 0 ? draw(8) : 0) {
    case 1:
        return make(CM_X_LOWER, text_type, draw_text(depth - 1), NULL, NULL, 0, 0);
    case 2:
        return make(CM_X_UPPER, text_type, draw_text(depth - 1), NULL, NULL, 0, 0);
    case 3:
        return make(CM_X_CONCAT, text_type, draw_text(depth - 1), constant, NULL, 0, 0);
    case 4:
        return make(CM_X_SUBSTRING, text_type, draw_text(depth - 1), integer(1 + draw(3)),
                    integer(draw(3)), 0, 0);
    case 5:
        return make(CM_X_COALESCE, text_type, draw_text(depth - 1), constant, NULL, 0, 0);
    case 6:
        return make(CM_X_TRIM, text_type, draw_text(depth - 1), constant, NULL, draw(3), 0);
    case 7:
        return make(CM_X_REPLACE, text_type, draw_text(depth - 1), constant, draw_text(0), 0, 0);
    default:
        return column(COL_NAME);
    }
}

/* Integers of scale 0. */
static const cm_expr *draw_int(int depth)
{
    static const cm_expr_op arithmetic[] = {CM_X_ADD,    CM_X_SUB,      CM_X_MUL,
                                            CM_X_IDIV,   CM_X_MOD,      CM_X_COALESCE,
                                            CM_X_NULLIF, CM_X_GREATEST, CM_X_LEAST};
    static const cm_expr_op rounding[] = {CM_X_RESCALE, CM_X_TRUNC, CM_X_FLOOR, CM_X_CEIL};
    const cm_type numeric = {.kind = CM_TYPE_NUMERIC};

    switch (depth > 0 ? draw(8) : draw(2)) {
    case 0:
        return column(draw(2) == 0 ? COL_A : COL_B);
    case 1:
        return integer((cm_i128)draw(21) - 10);
    case 2:
        return make(rounding[draw(4)], numeric, column(COL_MONEY), NULL, NULL, 0, 0);
    case 3:
        return make(CM_X_EXTRACT, numeric, draw_day(depth - 1), NULL, NULL,
                    draw(CM_FIELD_EPOCH + 1), 0);
    case 4:
        return draw(2) == 0
                   ? make(CM_X_LENGTH, int8_type, draw_text(depth - 1), NULL, NULL, 0, 0)
                   : make(CM_X_POSITION, int8_type, draw_text(depth - 1), draw_text(0), NULL, 0, 0);
    case 5:
        return make(CM_X_CASE, int8_type, draw_bool(depth - 1), draw_int(depth - 1),
                    draw_int(depth - 1), 0, 0);
    case 6:
        return make(draw(2) == 0 ? CM_X_NEG : CM_X_ABS, int8_type, draw_int(depth - 1), NULL, NULL,
                    0, 0);
    default:
        return make(arithmetic[draw(CM_COUNT(arithmetic))], int8_type, draw_int(depth - 1),
                    draw_int(depth - 1), NULL, 0, 0);
    }
}

static const cm_expr *draw_bool(int depth)
{
    static const char *const patterns[] = {"a%", "_", "%\\%%", "%b\\_", "A", "%'%"};
    static const cm_expr_op compare[] = {CM_X_EQ, CM_X_NE, CM_X_LT,          CM_X_LE,
                                         CM_X_GT, CM_X_GE, CM_X_NOT_DISTINCT};
    static const cm_expr_op tests[] = {CM_X_NOT, CM_X_IS_NULL, CM_X_IS_TRUE, CM_X_IS_FALSE};
    cm_expr_op op = compare[draw(CM_COUNT(compare))];

    switch (depth > 0 ? draw(7) : 0) {
    case 0:
        return column(COL_FLAG);
    case 1:
        return make(op, bool_type, draw_int(depth - 1), draw_int(depth - 1), NULL, 0, 0);
    case 2:
        return make(op, bool_type, draw_text(depth - 1), draw_text(depth - 1), NULL, 0, 0);
    case 3:
        return make(CM_X_LIKE, bool_type, draw_text(depth - 1),
                    cm_expr_const(&arena, text_type,
                                  (cm_value){.text = patterns[draw(CM_COUNT(patterns))]}, 0),
                    NULL, draw(2), 0);
    case 4:
        return make(CM_X_IN, bool_type, draw_int(depth - 1), integer(draw(5)), integer(draw(5)), 0,
                    0);
    case 5:
        return make(tests[draw(4)], bool_type, draw_bool(depth - 1), NULL, NULL, 0, 0);
    default:
        return make(draw(2) == 0 ? CM_X_AND : CM_X_OR, bool_type, draw_bool(depth - 1),
                    draw_bool(depth - 1), draw(2) == 0 ? draw_bool(depth - 1) : NULL, 0, 0);
    }
}

static sqlite3 *open_database(void)
{
    sqlite3 *db;
    sqlite3_stmt *insert;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA case_sensitive_like = 1;"
                                  "CREATE TABLE t (a, \"b \"\"x\", money, day, stamp, flag, name)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)", -1, &insert, NULL),
        SQLITE_OK);
    for (size_t r = 0; r < ROWS; r++) {
        for (int c = 0; c < COLS; c++) {
            if (rows[r][c].null) {
                sqlite3_bind_null(insert, c + 1);
            } else if (c == COL_NAME) {
                sqlite3_bind_text(insert, c + 1, rows[r][c].text, -1, SQLITE_STATIC);
            } else {
                sqlite3_bind_int64(insert, c + 1, (sqlite3_int64)rows[r][c].number);
            }
        }
        assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    return db;
}

static void check_value(sqlite3_stmt *stmt, int col, const cm_expr *expr, const cm_value *want,
                        const char *sql)
{
    bool null = sqlite3_column_type(stmt, col) == SQLITE_NULL;
    bool same = null == want->null;

    if (same && !null) {
        same = expr->type.kind == CM_TYPE_TEXT
                   ? strcmp((const char *)sqlite3_column_text(stmt, col), want->text) == 0
                   : sqlite3_column_int64(stmt, col) == (sqlite3_int64)want->number;
    }
    if (!same) {
        fail_msg("%s: got %s, wanted %lld", sql,
                 null ? "NULL" : (const char *)sqlite3_column_text(stmt, col),
                 want->null ? -999999 : (long long)want->number);
    }
}

static void check_rows(sqlite3 *db, const cm_expr *expr, const cm_expr *filter, cm_arena scratch)
{
    const cm_expr *outputs[1] = {expr};
    cm_fragment fragment = {.table = &table, .filter = filter, .outputs = 1, .output = outputs};
    cm_buf sql = {0};
    sqlite3_stmt *stmt;

    cm_fragment_sql(&fragment, CM_DIALECT_SQLITE, &(const char *){"t"}, &sql);
    if (sqlite3_prepare_v2(db, cm_buf_text(&sql), -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", cm_buf_text(&sql), sqlite3_errmsg(db));
    }
    for (size_t r = 0; r < ROWS; r++) {
        cm_value keep, want;
        assert_int_equal(cm_expr_eval(filter, rows[r], &scratch, &keep, NULL), CM_OK);
        if (keep.null || keep.number == 0) {
            continue;
        }
        assert_int_equal(cm_expr_eval(expr, rows[r], &scratch, &want, NULL), CM_OK);
        if (sqlite3_step(stmt) != SQLITE_ROW) {
            fail_msg("%s: %s", cm_buf_text(&sql), sqlite3_errmsg(db));
        }
        check_value(stmt, 0, expr, &want, cm_buf_text(&sql));
    }
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    sqlite3_finalize(stmt);
    cm_buf_free(&sql);
}

static void test_random_expressions(void **state)
{
    unsigned pushed = 0;

    (void)state;
    draw_rows();
    sqlite3 *db = open_database();
    for (unsigned i = 0; i < EXPRESSIONS; i++) {
        cm_arena saved = arena;
        const cm_expr *expr = i % 3 == 0   ? draw_bool(DEPTH)
                              : i % 3 == 1 ? draw_int(DEPTH)
                                           : draw_text(DEPTH);
        const cm_expr *filter = draw_bool(2);
        if (cm_expr_pushable(expr) && cm_expr_pushable(filter)) {
            check_rows(db, expr, filter, arena);
            pushed++;
        }
        arena = saved;
    }
    assert_true(pushed > EXPRESSIONS / 3);
    sqlite3_close(db);
}

static const cm_expr *aggregate(cm_aggregate kind, const cm_expr *arg)
{
    const cm_expr *ret;

    assert_int_equal(
        cm_expr_agg_new(&arena, kind, int8_type, arg, false, NULL, ROWS, 0, &ret, NULL), CM_OK);
    return ret;
}

/* GROUP BY flag: count, sum, minimum and maximum of a. */
static void test_aggregates(void **state)
{
    const cm_expr *outputs[] = {
        aggregate(CM_AGGREGATE_COUNT, NULL), aggregate(CM_AGGREGATE_COUNT, column(COL_A)),
        aggregate(CM_AGGREGATE_SUM, column(COL_A)), aggregate(CM_AGGREGATE_MIN, column(COL_A)),
        aggregate(CM_AGGREGATE_MAX, column(COL_NAME))};
    const cm_expr *keys[] = {column(COL_FLAG)};
    const cm_domain domain[] = {{{0, 1}, true}};
    cm_fragment fragment = {.table = &table,
                            .outputs = 5,
                            .output = outputs,
                            .aggregated = true,
                            .keys = 1,
                            .key = keys,
                            .domain = domain};
    cm_buf sql = {0};
    sqlite3_stmt *stmt;

    (void)state;
    draw_rows();
    sqlite3 *db = open_database();
    cm_fragment_sql(&fragment, CM_DIALECT_SQLITE, &(const char *){"t"}, &sql);
    assert_string_equal(cm_buf_text(&sql),
                        "SELECT \"flag\" AS k0, count(*) AS c0, count(\"a\") AS c1, "
                        "coalesce(sum(\"a\"), 0) AS c2, min(\"a\") AS c3, max(\"name\") AS c4 "
                        "FROM t GROUP BY 1");
    assert_int_equal(sqlite3_prepare_v2(db, cm_buf_text(&sql), -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        bool null = sqlite3_column_type(stmt, 0) == SQLITE_NULL;
        sqlite3_int64 count = 0, values = 0, sum = 0;
        for (size_t r = 0; r < ROWS; r++) {
            const cm_value *row = rows[r];
            if (row[COL_FLAG].null == null &&
                (null || row[COL_FLAG].number == sqlite3_column_int64(stmt, 0))) {
                count++;
                values += !row[COL_A].null;
                sum += row[COL_A].null ? 0 : (sqlite3_int64)row[COL_A].number;
            }
        }
        assert_int_equal(sqlite3_column_int64(stmt, 1), count);
        assert_int_equal(sqlite3_column_int64(stmt, 2), values);
        assert_int_equal(sqlite3_column_int64(stmt, 3), sum);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    cm_buf_free(&sql);
}

static void check_not_pushable(const cm_expr *expr)
{
    assert_false(cm_expr_pushable(expr));
}

/* What SQLite would compute differently stays with the computing parties. */
static void test_not_pushable(void **state)
{
    (void)state;
    const cm_expr *a = column(COL_A),
                  *one = cm_expr_const(&arena, int8_type, (cm_value){.number = 1}, 0);
    check_not_pushable(make(CM_X_IDIV, int8_type, one, a, NULL, 0, 0));
    check_not_pushable(make(CM_X_MOD, int8_type, one, a, NULL, 0, 0));
    const cm_expr *zero = cm_expr_const(&arena, int8_type, (cm_value){.number = 0}, 0);
    const cm_expr *safe = make(CM_X_NULLIF, int8_type, a, zero, NULL, 0, 0);
    assert_true(cm_expr_pushable(make(CM_X_IDIV, int8_type, one, safe, NULL, 0, 0)));

    const cm_expr *big =
        cm_expr_column(&arena, 0, COL_B, int8_type, false, (cm_range){INT64_MIN, INT64_MAX}, 0);
    check_not_pushable(make(CM_X_ADD, int8_type, big, one, NULL, 0, 0));
    check_not_pushable(big);
    check_not_pushable(
        make(CM_X_CAST, (cm_type){.kind = CM_TYPE_INT2}, column(COL_MONEY), NULL, NULL, 0, 0));
}

/* Far dates end the statement instead of giving a wrong year. */
static void test_far_dates(void **state)
{
    static const char *const sql_of_days[] = {"SELECT 4000000 AS day", "SELECT -800000 AS day"};
    const cm_expr *day = cm_expr_column(&arena, 0, COL_DAY, columns[COL_DAY].type, true,
                                        cm_type_range(&columns[COL_DAY].type), 0);
    const cm_expr *outputs[1] = {
        make(CM_X_EXTRACT, (cm_type){.kind = CM_TYPE_NUMERIC}, day, NULL, NULL, CM_FIELD_YEAR, 0)};
    cm_fragment fragment = {.table = &table, .outputs = 1, .output = outputs};
    sqlite3 *db;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (size_t i = 0; i < 2; i++) {
        char text[64];
        const char *from = text;
        cm_buf sql = {0};
        sqlite3_stmt *stmt;
        snprintf(text, sizeof text, "(%s)", sql_of_days[i]);
        cm_fragment_sql(&fragment, CM_DIALECT_SQLITE, &from, &sql);
        assert_int_equal(sqlite3_prepare_v2(db, cm_buf_text(&sql), -1, &stmt, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ERROR);
        sqlite3_finalize(stmt);
        cm_buf_free(&sql);
    }
    sqlite3_close(db);
}

static void test_postgres_text(void **state)
{
    (void)state;
    cm_type numeric = {.kind = CM_TYPE_NUMERIC};
    const cm_expr *name = column(COL_NAME);
    const cm_expr *outputs[] = {
        make(CM_X_EXTRACT, numeric, column(COL_DAY), NULL, NULL, CM_FIELD_MONTH, 0),
        make(CM_X_GT, bool_type, name,
             cm_expr_const(&arena, text_type, (cm_value){.text = "it's"}, 0), NULL, 0, 0)};
    cm_fragment fragment = {.table = &table, .outputs = 2, .output = outputs};
    cm_buf sql = {0};

    cm_fragment_sql(&fragment, CM_DIALECT_POSTGRES, &(const char *){"visits"}, &sql);
    assert_string_equal(
        cm_buf_text(&sql),
        "SELECT extract(month FROM date '2000-01-01' + (\"day\"::bigint)::int)::bigint AS c0, "
        "CASE WHEN (\"name\"::text COLLATE \"C\" > 'it''s'::text COLLATE \"C\") THEN 1 WHEN NOT "
        "(\"name\"::text COLLATE \"C\" > 'it''s'::text COLLATE \"C\") THEN 0 END AS c1 FROM "
        "visits AS t");
    cm_buf_free(&sql);
}

static const cm_expr *number(cm_type type, cm_i128 value)
{
    return cm_expr_const(&arena, type, (cm_value){.number = value}, 0);
}

static void expect_native(const cm_fragment *fragment, const char *want)
{
    static const cm_native native[COLS] = {
        [COL_A] = {"A", CM_NATIVE_NUMBER, "A"},
        [COL_B] = {"(\"B\")::bigint", CM_NATIVE_NONE, ""},
        [COL_MONEY] = {"(m * 100)::bigint", CM_NATIVE_NUMBER, "m"},
        [COL_DAY] = {"(d - DATE '2000-01-01')", CM_NATIVE_DATE, "d"},
        [COL_STAMP] = {"micros(s)", CM_NATIVE_TIMESTAMP, "s"},
        [COL_FLAG] = {"f::int", CM_NATIVE_NONE, ""},
        [COL_NAME] = {"n::text COLLATE \"C\"", CM_NATIVE_NONE, ""},
    };
    cm_buf sql = {0};

    cm_fragment_native_sql(fragment, native, "here", &sql);
    assert_string_equal(cm_buf_text(&sql), want);
    cm_buf_free(&sql);
}

static const cm_expr *aggregate_of(cm_aggregate aggregate, const cm_expr *arg)
{
    const cm_expr *ret = NULL;
    assert_int_equal(cm_expr_agg_new(&arena, aggregate, (cm_type){.kind = CM_TYPE_NUMERIC}, arg,
                                     false, NULL, ROWS, 0, &ret, NULL),
                     CM_OK);
    return ret;
}

/* Bare columns are compared, summed and grouped as stored; everything else is canonical. */
static void test_native(void **state)
{
    (void)state;
    const cm_expr *day =
        make(CM_X_GE, bool_type, column(COL_DAY), number(columns[COL_DAY].type, -1), NULL, 0, 0);
    const cm_expr *money = make(CM_X_LT, bool_type, number(columns[COL_MONEY].type, -5),
                                column(COL_MONEY), NULL, 0, 0);
    const cm_expr *far = make(CM_X_LT, bool_type, column(COL_DAY),
                              number(columns[COL_DAY].type, 9999999), NULL, 0, 0);
    const cm_expr *both = make(CM_X_AND, bool_type, day, money, far, 0, 0);
    const cm_expr *key[] = {column(COL_DAY), column(COL_B)};
    cm_domain domain[] = {{.range = {0, 1}}, {.range = {0, 1}}};
    const cm_expr *outputs[] = {aggregate_of(CM_AGGREGATE_SUM, column(COL_MONEY)),
                                aggregate_of(CM_AGGREGATE_COUNT, column(COL_STAMP)),
                                aggregate_of(CM_AGGREGATE_MAX, column(COL_A)),
                                aggregate_of(CM_AGGREGATE_MIN, column(COL_DAY))};
    cm_fragment fragment = {.table = &table,
                            .filter = both,
                            .outputs = 4,
                            .output = outputs,
                            .aggregated = true,
                            .keys = 2,
                            .key = key,
                            .domain = domain};
    expect_native(
        &fragment,
        "SELECT ((d - DATE '2000-01-01'))::bigint AS k0, ((\"B\")::bigint)::bigint AS k1, "
        "(coalesce(sum(m), 0) * (100)::bigint) AS c0, count(s) AS c1, (max(A)) AS c2, "
        "min(((d - DATE '2000-01-01'))::bigint) AS c3 FROM here WHERE "
        "((d >= '1999-12-31'::date) AND ('-0.05'::numeric < m) AND "
        "(((d - DATE '2000-01-01'))::bigint < (9999999)::bigint)) GROUP BY d, 2");
}

/* Positions and keys are inverse to each other, NULL last. */
static void test_dense(void **state)
{
    (void)state;
    cm_domain domain[] = {{.range = {-1, 1}, .nullable = true}, {.range = {5, 6}}};
    cm_fragment f = {.table = &table, .keys = 2, .domain = domain};
    cm_value keys[2];
    size_t at = 0;

    assert_int_equal(cm_fragment_groups(&f), 8);
    for (size_t i = 0; i < 8; i++) {
        cm_fragment_keys_at(&f, i, keys);
        assert_true(cm_fragment_position(&f, keys, &at));
        assert_int_equal(at, i);
    }
    assert_true(keys[0].null && keys[1].number == 6);
    keys[1].number = 7;
    assert_false(cm_fragment_position(&f, keys, &at));
    keys[1].null = true;
    assert_false(cm_fragment_position(&f, keys, &at));
}

static int setup(void **state)
{
    (void)state;
    return cm_arena_init(&arena, (size_t)1 << 30) == CM_OK ? 0 : -1;
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
        cmocka_unit_test(test_random_expressions),
        cmocka_unit_test(test_aggregates),
        cmocka_unit_test(test_not_pushable),
        cmocka_unit_test(test_far_dates),
        cmocka_unit_test(test_postgres_text),
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_dense),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
