/*
 * Random expressions over random rows: the compiled gate program against evaluation in the clear,
 * values, NULLs and errors alike.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exec/compile.h"
#include "exec/encode.h"
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
            col->range = (cm_range){-800, 12000};
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

static const cm_expr *extract(world *w)
{
    static const cm_field FIELDS[] = {CM_FIELD_YEAR, CM_FIELD_QUARTER, CM_FIELD_MONTH, CM_FIELD_DAY,
                                      CM_FIELD_DOW};
    const cm_plan_col *col = &w->col[5];
    const cm_expr *date =
        cm_expr_column(&w->arena, 0, 5, col->type, col->enc.nullable, col->range, 1);
    return op(w, CM_X_EXTRACT, numeric(0), FIELDS[cm_rng_below(&w->rng, CM_COUNT(FIELDS))], 0, 1,
              &date);
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
        return extract(w);
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
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
