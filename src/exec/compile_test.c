/*
 * Random expressions over random rows: the compiled gate program against evaluation in the clear,
 * values, NULLs and errors alike.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/compile.h"
#include "exec/encode.h"
#include "sql/stat.h"
#include "tests/support/parties.h"

enum { COLUMNS = 6, ROWS = 67, TREES = 600, DEPTH = 4 };

typedef struct world {
    cm_rng rng;
    cm_arena arena;
    cm_plan_col col[COLUMNS];
    cm_value value[ROWS][COLUMNS];
} world;

static cm_i128 pick(world *w, cm_range range)
{
    cm_u128 span = (cm_u128)(range.hi - range.lo) + 1;
    switch (cm_rng_below(&w->rng, 4)) {
    case 0:
        return range.lo;
    case 1:
        return range.hi;
    default:
        return range.lo + (cm_i128)(cm_rng_next(&w->rng) % (uint64_t)span);
    }
}

static void make_columns(world *w)
{
    for (unsigned i = 0; i < COLUMNS; i++) {
        cm_i128 lo = (cm_i128)cm_rng_below(&w->rng, 300) - 150;
        cm_i128 width = (cm_i128)cm_rng_below(&w->rng, i == 0 ? 2 : 200);
        cm_plan_col *col = &w->col[i];
        *col = (cm_plan_col){.name = "c", .range = {lo, lo + width}};
        col->type.kind = i == 5 ? CM_TYPE_DATE : CM_TYPE_NUMERIC;
        col->type.scale = i == 4 ? 2 : 0;
        if (i == 5) {
            /* of few years, or of more than steps are taken for */
            col->range = (cm_range){-800, cm_rng_below(&w->rng, 2) == 0 ? 1700 : 12000};
        }
        col->enc = (cm_encoding){.kind = CM_ENC_NUMBER,
                                 .lo = col->range.lo,
                                 .planes = cm_range_planes(col->range),
                                 .nullable = i % 2 == 1};
        for (unsigned r = 0; r < ROWS; r++) {
            w->value[r][i] = (cm_value){.number = pick(w, col->range)};
            w->value[r][i].null = col->enc.nullable && cm_rng_below(&w->rng, 4) == 0;
        }
    }
}

static const cm_expr *number(world *w, unsigned depth, int scale);

static const cm_expr *op(world *w, cm_expr_op what, cm_type type, unsigned index, int shift,
                         size_t count, const cm_expr *const *args)
{
    const cm_expr *ret = NULL;
    for (size_t i = 0; i < count; i++) {
        if (args[i] == NULL) {
            return NULL;
        }
    }
    cm_status st = cm_expr_op_new(&w->arena, what, type, args, count, index, shift, 1, &ret, NULL);
    return st == CM_OK ? ret : NULL; /* NULL: refused, the range would be too wide */
}

static cm_type numeric(int scale)
{
    cm_type type = {.kind = CM_TYPE_NUMERIC, .scale = scale};
    return type;
}

static const cm_expr *boolean(world *w, unsigned depth)
{
    static const cm_expr_op COMPARE[] = {CM_X_EQ, CM_X_NE, CM_X_LT,          CM_X_LE,
                                         CM_X_GT, CM_X_GE, CM_X_NOT_DISTINCT};
    static const cm_expr_op UNARY[] = {CM_X_NOT, CM_X_IS_TRUE, CM_X_IS_FALSE};
    const cm_type type = {.kind = CM_TYPE_BOOL};
    uint64_t choice = cm_rng_below(&w->rng, depth == 0 ? 1 : 5);
    if (choice <= 1) {
        int scale = cm_rng_below(&w->rng, 2) == 0 ? 0 : 2;
        const cm_expr *args[] = {number(w, depth == 0 ? 0 : depth - 1, scale), number(w, 0, scale)};
        return op(w, COMPARE[cm_rng_below(&w->rng, CM_COUNT(COMPARE))], type, 0, 0, 2, args);
    }
    if (choice == 2) {
        const cm_expr *args[] = {boolean(w, depth - 1)};
        return op(w, UNARY[cm_rng_below(&w->rng, CM_COUNT(UNARY))], type, 0, 0, 1, args);
    }
    if (choice == 3) {
        const cm_expr *args[] = {number(w, depth - 1, 0), number(w, 0, 0), number(w, 0, 0)};
        return op(w, CM_X_IN, type, 0, 0, 3, args);
    }
    const cm_expr *args[] = {boolean(w, depth - 1), boolean(w, depth - 1), boolean(w, depth - 1)};
    return op(w, cm_rng_below(&w->rng, 2) == 0 ? CM_X_AND : CM_X_OR, type, 0, 0, 3, args);
}

static const cm_expr *leaf(world *w, int scale)
{
    if (scale == 2 || cm_rng_below(&w->rng, 3) > 0) {
        unsigned index = scale == 2 ? 4 : (unsigned)cm_rng_below(&w->rng, 4);
        const cm_plan_col *col = &w->col[index];
        return cm_expr_column(&w->arena, 0, index, col->type, col->enc.nullable, col->range, 1);
    }
    cm_value value = {.number = (cm_i128)cm_rng_below(&w->rng, 40) - 20};
    value.null = cm_rng_below(&w->rng, 12) == 0;
    return cm_expr_const(&w->arena, numeric(scale), value, 1);
}

static const cm_expr *constant(world *w, cm_i128 value)
{
    return cm_expr_const(&w->arena, numeric(0), (cm_value){.number = value}, 1);
}

/* A date, a timestamp made of one, or one with a time of day. */
static const cm_expr *when(world *w)
{
    const cm_plan_col *col = &w->col[5];
    const cm_type stamp = {.kind = CM_TYPE_TIMESTAMP};
    const cm_expr *date =
        cm_expr_column(&w->arena, 0, 5, col->type, col->enc.nullable, col->range, 1);
    if (cm_rng_below(&w->rng, 2) == 0) {
        return date;
    }
    const cm_expr *args[] = {date, constant(w, (cm_i128)86400 * 1000000)};
    const cm_expr *midnight = op(w, CM_X_MUL, stamp, 0, 0, 2, args);
    if (cm_rng_below(&w->rng, 2) == 0) {
        return midnight;
    }
    const cm_expr *time[] = {leaf(w, 0), constant(w, 12345678901)};
    const cm_expr *both[] = {midnight, op(w, CM_X_MUL, stamp, 0, 0, 2, time)};
    return op(w, CM_X_ADD, stamp, 0, 0, 2, both);
}

/* Fields, first days of periods, and later months, as whole numbers. */
static const cm_expr *calendar(world *w)
{
    const cm_expr *of = when(w), *ret;
    if (of == NULL) {
        return NULL;
    }
    bool stamp = of->type.kind == CM_TYPE_TIMESTAMP;
    if (cm_rng_below(&w->rng, 4) > 0) {
        cm_field field = (cm_field)cm_rng_below(&w->rng, CM_FIELD_EPOCH + 1);
        bool fraction = stamp && (field == CM_FIELD_SECOND || field == CM_FIELD_EPOCH);
        ret = op(w, CM_X_EXTRACT, numeric(fraction ? 6 : 0), field, 0, 1, &of);
        return op(w, CM_X_TRUNC, numeric(0), 0, 0, 1, &ret);
    }
    if (cm_rng_below(&w->rng, 2) == 0) {
        static const cm_field FIELDS[] = {CM_FIELD_YEAR,   CM_FIELD_QUARTER, CM_FIELD_MONTH,
                                          CM_FIELD_WEEK,   CM_FIELD_DAY,     CM_FIELD_HOUR,
                                          CM_FIELD_MINUTE, CM_FIELD_SECOND};
        ret = op(w, CM_X_DATE_TRUNC, of->type, FIELDS[cm_rng_below(&w->rng, CM_COUNT(FIELDS))], 0,
                 1, &of);
    } else {
        const cm_expr *args[] = {of, constant(w, (cm_i128)cm_rng_below(&w->rng, 60) - 30)};
        ret = op(w, CM_X_ADD_MONTHS, of->type, 0, 0, 2, args);
    }
    return op(w, CM_X_CAST, numeric(0), 0, 0, 1, &ret);
}

static const cm_expr *divide(world *w, unsigned depth)
{
    const cm_expr *args[] = {number(w, depth - 1, 0), number(w, 0, 0)};
    switch (cm_rng_below(&w->rng, 3)) {
    case 0:
        return op(w, CM_X_IDIV, numeric(0), 0, 0, 2, args);
    case 1:
        return op(w, CM_X_MOD, numeric(0), 0, 0, 2, args);
    default: {
        cm_type type = numeric(2);
        type.quotient = true;
        const cm_expr *quotient = op(w, CM_X_QUOT, type, 0, 2, 2, args);
        return op(w, CM_X_RESCALE, numeric(0), 0, 0, 1, &quotient);
    }
    }
}

static const cm_expr *number(world *w, unsigned depth, int scale)
{
    static const cm_expr_op BINARY[] = {CM_X_ADD,      CM_X_SUB,      CM_X_NULLIF,
                                        CM_X_COALESCE, CM_X_GREATEST, CM_X_LEAST};
    static const cm_expr_op ROUND[] = {CM_X_RESCALE, CM_X_TRUNC, CM_X_FLOOR, CM_X_CEIL};
    const cm_type type = numeric(scale);
    if (depth == 0) {
        return leaf(w, scale);
    }
    const cm_expr *a = number(w, depth - 1, scale);
    const cm_expr *b = number(w, depth - 1, scale);
    switch (cm_rng_below(&w->rng, scale == 2 ? 4 : 8)) {
    case 0:
    case 1: {
        const cm_expr *args[] = {a, b};
        return op(w, BINARY[cm_rng_below(&w->rng, CM_COUNT(BINARY))], type, 0, 0, 2, args);
    }
    case 2: {
        const cm_expr *args[] = {boolean(w, depth - 1), a, boolean(w, 0), b, leaf(w, scale)};
        return op(w, CM_X_CASE, type, 0, 0, 5, args);
    }
    case 3:
        return op(w, cm_rng_below(&w->rng, 2) == 0 ? CM_X_NEG : CM_X_ABS, type, 0, 0, 1, &a);
    case 4: {
        const cm_expr *args[] = {a, leaf(w, 0)};
        return op(w, CM_X_MUL, type, 0, 0, 2, args);
    }
    case 5: {
        const cm_expr *fine = number(w, depth - 1, 2);
        return op(w, ROUND[cm_rng_below(&w->rng, CM_COUNT(ROUND))], type, 0, 0, 1, &fine);
    }
    case 6:
        return calendar(w);
    default:
        return divide(w, depth);
    }
}

/* The compiled program's result for all rows, as values, and whether the row raised each error. */
static void run_compiled(world *w, const cm_expr *expr, cm_value *ret, bool raised[][CM_ROW_ERRORS])
{
    cm_compiler compiler = {.circuit = cm_circuit_new(CM_SHAPE_FEW_ROUNDS)};
    cm_cval column[COLUMNS];
    uint64_t *inputs[2 * COLUMNS];
    size_t count = 0;
    size_t words = cm_words_of(ROWS);
    for (unsigned i = 0; i < COLUMNS; i++) {
        const cm_encoding *enc = &w->col[i].enc;
        uint64_t plain[ROWS];
        uint64_t null[ROWS];
        column[i] = cm_compile_input(&compiler, enc, w->col[i].range);
        for (unsigned r = 0; r < ROWS; r++) {
            null[r] = w->value[r][i].null;
            /* what stands under NULL is arbitrary */
            cm_value value = {.number = w->col[i].range.hi};
            assert_int_equal(cm_encode_value(enc, null[r] ? &value : &w->value[r][i], &plain[r]),
                             CM_OK);
        }
        inputs[count] = calloc(enc->planes * words + 1, 8);
        cm_planes_pack(plain, 1, ROWS, enc->planes, inputs[count++]);
        if (enc->nullable) {
            inputs[count] = calloc(words, 8);
            cm_planes_pack(null, 1, ROWS, 1, inputs[count++]);
        }
    }
    compiler.column = column;
    cm_cval result;
    cm_diag diag = {0};
    compiler.diag = &diag;
    assert_int_equal(cm_compile_expr(&compiler, expr, CM_WIRE_1, &result), CM_OK);
    cm_encoding enc = {.lo = expr->range.lo, .planes = cm_range_planes(expr->range)};
    enc.nullable = true;
    cm_compile_output(&compiler, &result, &enc, expr->range);
    for (unsigned e = 0; e < CM_ROW_ERRORS; e++) {
        cm_circuit_output_wire(compiler.circuit, compiler.error[e]);
    }
    cm_program *program = cm_circuit_finish(compiler.circuit);
    uint64_t *outputs[2 + CM_ROW_ERRORS];
    outputs[0] = calloc(enc.planes * words + 1, 8);
    for (unsigned i = 0; i <= CM_ROW_ERRORS; i++) {
        outputs[1 + i] = calloc(words, 8);
    }
    cm_program_run_public(program, (const uint64_t *const *)inputs, ROWS, outputs);
    uint64_t plain[2 * ROWS];
    cm_planes_unpack(outputs[0], ROWS, enc.planes, cm_encode_words(&enc), plain);
    for (unsigned r = 0; r < ROWS; r++) {
        assert_int_equal(
            cm_decode_value(&enc, plain + r * cm_encode_words(&enc), &w->arena, &ret[r]), CM_OK);
        ret[r].null = (outputs[1][r / 64] >> (r % 64) & 1) != 0;
        for (unsigned e = 0; e < CM_ROW_ERRORS; e++) {
            raised[r][e] = (outputs[2 + e][r / 64] >> (r % 64) & 1) != 0;
        }
    }
    for (size_t i = 0; i < count; i++) {
        free(inputs[i]);
    }
    for (unsigned i = 0; i < 2 + CM_ROW_ERRORS; i++) {
        free(outputs[i]);
    }
    cm_program_free(program);
    cm_circuit_free(compiler.circuit);
}

static void check(world *w, const cm_expr *expr)
{
    cm_value got[ROWS];
    bool raised[ROWS][CM_ROW_ERRORS];
    run_compiled(w, expr, got, raised);
    for (unsigned r = 0; r < ROWS; r++) {
        cm_value want = {0};
        cm_diag diag = {0};
        cm_status st = cm_expr_eval(expr, w->value[r], &w->arena, &want, &diag);
        bool zero = strcmp(diag.sqlstate, CM_SQL_DIVISION_BY_ZERO) == 0;
        bool range = strcmp(diag.sqlstate, CM_SQL_RANGE) == 0;
        if (st != CM_OK) {
            assert_true(zero || range);
            assert_true(raised[r][zero ? CM_ROW_DIVISION_ZERO : CM_ROW_RANGE]);
            continue;
        }
        assert_false(raised[r][CM_ROW_DIVISION_ZERO] || raised[r][CM_ROW_RANGE]);
        assert_int_equal(want.null, got[r].null);
        if (!want.null) {
            assert_true(want.number == got[r].number);
        }
    }
}

static void test_calendar(void **state)
{
    world w = {.rng = {31}};
    (void)state;
    for (unsigned i = 0; i < TREES; i++) {
        assert_int_equal(cm_arena_init(&w.arena, (size_t)1 << 24), CM_OK);
        make_columns(&w);
        const cm_expr *expr = calendar(&w);
        if (expr != NULL) {
            check(&w, expr);
        }
        cm_arena_fini(&w.arena);
    }
}

static void test_random_expressions(void **state)
{
    world w = {.rng = {20261122}};
    size_t checked = 0;
    (void)state;
    for (unsigned i = 0; i < TREES; i++) {
        assert_int_equal(cm_arena_init(&w.arena, (size_t)1 << 30), CM_OK);
        make_columns(&w);
        const cm_expr *expr =
            i % 3 == 0 ? boolean(&w, DEPTH) : number(&w, DEPTH, i % 3 == 1 ? 0 : 2);
        if (expr != NULL && cm_range_planes(expr->range) < 100) {
            check(&w, expr);
            checked++;
        }
        cm_arena_fini(&w.arena);
    }
    assert_true(checked > TREES / 3);
}

/* Sums over a few points a row, x and y in -reach .. reach; what has no points is NULL. */
static void make_sums(world *w, cm_i128 reach, double point[ROWS][2][8], unsigned count[ROWS])
{
    const cm_i128 most[COLUMNS] = {
        8, 8 * reach, 8 * reach, 8 * reach * reach, 8 * reach * reach, 8 * reach * reach};
    for (unsigned i = 0; i < COLUMNS; i++) {
        bool is_signed = i == 1 || i == 2 || i == 5;
        w->col[i] = (cm_plan_col){.name = "s", .range = {is_signed ? -most[i] : 0, most[i]}};
        w->col[i].type.kind = CM_TYPE_NUMERIC;
        w->col[i].enc = (cm_encoding){.kind = CM_ENC_NUMBER,
                                      .lo = w->col[i].range.lo,
                                      .planes = cm_range_planes(w->col[i].range),
                                      .nullable = i > 0};
    }
    for (unsigned r = 0; r < ROWS; r++) {
        cm_i128 sum[COLUMNS] = {(cm_i128)cm_rng_below(&w->rng, 9)};
        count[r] = (unsigned)sum[0];
        for (unsigned k = 0; k < count[r]; k++) {
            cm_i128 x = pick(w, (cm_range){-reach, reach}), y = pick(w, (cm_range){-reach, reach});
            switch (r % 5) {
            case 0: /* on a line, level or vertical ones, any */
                y = -x;
                break;
            case 1:
                y = reach;
                break;
            case 2:
                x = -reach;
                break;
            default:
                break;
            }
            point[r][0][k] = (double)x;
            point[r][1][k] = (double)y;
            const cm_i128 add[COLUMNS] = {0, x, y, x * x, y * y, x * y};
            for (unsigned i = 1; i < COLUMNS; i++) {
                sum[i] += add[i];
            }
        }
        for (unsigned i = 0; i < COLUMNS; i++) {
            w->value[r][i] = (cm_value){.number = sum[i], .null = i > 0 && count[r] == 0};
        }
    }
}

static const cm_expr *statistic(world *w, cm_stat stat, cm_i128 most, int scale, int shift,
                                cm_i128 middle_x, cm_i128 middle_y)
{
    static const unsigned from[CM_STAT_ARGS] = {0, 0, 1, 2, 3, 4, 5, 0, 0};
    const cm_expr *args[CM_STAT_ARGS];
    cm_type type = numeric(scale);

    for (unsigned i = 0; i < CM_STAT_ARGS; i++) {
        const cm_plan_col *col = &w->col[from[i]];
        args[i] =
            cm_expr_column(&w->arena, 0, from[i], col->type, col->enc.nullable, col->range, 1);
    }
    args[CM_STAT_MOST] = cm_expr_const(&w->arena, numeric(0), (cm_value){.number = most}, 1);
    args[CM_STAT_MIDDLE_X] =
        cm_expr_const(&w->arena, numeric(0), (cm_value){.number = middle_x}, 1);
    args[CM_STAT_MIDDLE_Y] =
        cm_expr_const(&w->arena, numeric(0), (cm_value){.number = middle_y}, 1);
    type.quotient = true;
    return op(w, CM_X_STAT, type, stat, shift, CM_STAT_ARGS, args);
}

/* The statistic of the points as a float; false when it has none. */
static bool float_of(cm_stat stat, const double *x, const double *y, unsigned count, double *ret)
{
    double n = count, mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0, squares = 0;

    for (unsigned k = 0; k < count; k++) {
        mean_x += x[k] / n;
        mean_y += y[k] / n;
        squares += x[k] * x[k];
    }
    for (unsigned k = 0; k < count; k++) {
        xx += (x[k] - mean_x) * (x[k] - mean_x);
        yy += (y[k] - mean_y) * (y[k] - mean_y);
        xy += (x[k] - mean_x) * (y[k] - mean_y);
    }
    bool level = yy < 1e-9, vertical = xx < 1e-9;
    const double values[CM_STATS] = {xx / n,
                                     xx / (n - 1),
                                     sqrt(xx / n),
                                     sqrt(xx / (n - 1)),
                                     xy / n,
                                     xy / (n - 1),
                                     xy / sqrt(xx * yy),
                                     xy / xx,
                                     mean_y - xy / xx * mean_x,
                                     level ? 1 : xy * xy / (xx * yy),
                                     xx,
                                     yy,
                                     xy,
                                     sqrt(squares)};
    *ret = values[stat];
    return count > (unsigned)cm_stat_is_sample(stat) &&
           !(vertical && stat >= CM_STAT_CORR && stat <= CM_STAT_R2) &&
           !(level && stat == CM_STAT_CORR);
}

static void test_statistics(void **state)
{
    static const cm_i128 reaches[] = {1, 5, 1000, 2000000};
    world w = {.rng = {8}};
    (void)state;
    for (size_t i = 0; i < CM_COUNT(reaches); i++) {
        for (cm_stat stat = CM_STAT_VAR_POP; stat < CM_STATS; stat++) {
            double point[ROWS][2][8];
            unsigned count[ROWS];
            const cm_i128 r = reaches[i];
            const cm_i128 most = stat == CM_STAT_CORR || stat == CM_STAT_R2 ? 1 : 64 * r * r;
            const int scale = 9;
            assert_int_equal(cm_arena_init(&w.arena, (size_t)1 << 24), CM_OK);
            make_sums(&w, r, point, count);
            const cm_expr *expr = statistic(&w, stat, most * 1000000000, scale,
                                            cm_stat_is_root(stat) ? 2 * scale : scale, 0, 0);
            check(&w, expr);
            for (unsigned row = 0; row < ROWS; row++) {
                cm_value got;
                double want;
                assert_int_equal(cm_expr_eval(expr, w.value[row], &w.arena, &got, NULL), CM_OK);
                bool some = float_of(stat, point[row][0], point[row][1], count[row], &want);
                assert_int_equal(!some, got.null);
                if (some) {
                    double difference = fabs((double)got.number / 1e9 - want);
                    assert_true(difference <= 2e-9 + 1e-9 * fabs(want));
                }
            }
            cm_arena_fini(&w.arena);
        }
    }
}

/* Moving both axes moves the line along. */
static void test_moved_intercept(void **state)
{
    world w = {.rng = {9}};
    double point[ROWS][2][8];
    unsigned count[ROWS];
    (void)state;
    assert_int_equal(cm_arena_init(&w.arena, (size_t)1 << 24), CM_OK);
    make_sums(&w, 40, point, count);
    const cm_expr *expr = statistic(&w, CM_STAT_INTERCEPT, (cm_i128)1 << 80, 9, 9, 2000, -77);
    check(&w, expr);
    for (unsigned row = 0; row < ROWS; row++) {
        cm_value got;
        double want;
        for (unsigned k = 0; k < count[row]; k++) {
            point[row][0][k] += 2000;
            point[row][1][k] -= 77;
        }
        assert_int_equal(cm_expr_eval(expr, w.value[row], &w.arena, &got, NULL), CM_OK);
        bool some = float_of(CM_STAT_INTERCEPT, point[row][0], point[row][1], count[row], &want);
        assert_int_equal(!some, got.null);
        assert_true(!some || fabs((double)got.number / 1e9 - want) < 1e-6 + 1e-6 * fabs(want));
    }
    cm_arena_fini(&w.arena);
}

static void test_text(void **state)
{
    const cm_encoding enc = {.kind = CM_ENC_TEXT, .planes = 40};
    uint64_t words[1];
    cm_value value = {.text = "abc"};
    cm_value back;
    cm_arena arena;
    (void)state;
    assert_int_equal(cm_arena_init(&arena, 1 << 20), CM_OK);
    assert_int_equal(cm_encode_value(&enc, &value, words), CM_OK);
    assert_true(words[0] == 0x6162630000);
    assert_int_equal(cm_decode_value(&enc, words, &arena, &back), CM_OK);
    assert_string_equal(back.text, "abc");
    value.text = "longer";
    assert_int_equal(cm_encode_value(&enc, &value, words), CM_ERANGE);
    words[0] = 0x6100630000; /* a byte after the padding began */
    assert_int_equal(cm_decode_value(&enc, words, &arena, &back), CM_EPROTO);
    cm_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_expressions),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_moved_intercept),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
