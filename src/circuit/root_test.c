/* Square roots: every number of up to 13 bits, and around squares at more widths, in both shapes.
 */
#include "circuit/check_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS_MAX = 1 << 13 };

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void check(unsigned bits, cm_shape shape, const cm_u128 *x, cm_u128 *root, size_t rows)
{
    cm_circuit *c = cm_circuit_new(shape);
    cm_num result = cm_num_sqrt(c, cm_circuit_input(c, bits));
    const cm_u128 *in[] = {x};
    cm_u128 *out[] = {root};

    assert_int_equal(result.bits, (bits + 1) / 2);
    cm_circuit_output(c, &result);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    cm_check_eval(program, in, rows, out);
    for (size_t r = 0; r < rows; r++) {
        cm_u128 above = root[r] + 1;
        assert_true(root[r] * root[r] <= x[r]);
        assert_true(above >> 64 != 0 || above * above > x[r]);
    }
    cm_program_free(program);
}

static void test_small(void **state)
{
    (void)state;
    cm_u128 *x = calloc(ROWS_MAX, sizeof *x), *root = calloc(ROWS_MAX, sizeof *root);

    for (unsigned bits = 1; bits <= 13; bits++) {
        for (size_t r = 0; r < (size_t)1 << bits; r++) {
            x[r] = r;
        }
        check(bits, CM_SHAPE_FEW_ROUNDS, x, root, (size_t)1 << bits);
        check(bits, CM_SHAPE_FEW_BITS, x, root, (size_t)1 << bits);
    }
    free(x);
    free(root);
}

/* Squares, their neighbours, and the ends. */
static void test_edges(void **state)
{
    (void)state;
    static const unsigned widths[] = {20, 31, 32, 63, 64, 65, 101, 127, 128};
    cm_u128 *x = calloc(ROWS_MAX, sizeof *x), *root = calloc(ROWS_MAX, sizeof *root);
    uint64_t seed = 3;

    for (size_t k = 0; k < CM_COUNT(widths); k++) {
        for (size_t r = 0; r < ROWS_MAX; r++) {
            unsigned length = 1 + (unsigned)(next_random(&seed) % ((widths[k] + 1) / 2));
            cm_u128 of = cm_check_cut(next_random(&seed), length);
            cm_u128 value = of * of + (r % 3 == 0 ? 0 : r % 3 == 1 ? 2 * of : ~(cm_u128)0);
            x[r] = cm_check_cut(r == 0 ? 0 : r == 1 ? ~(cm_u128)0 : value, widths[k]);
        }
        check(widths[k], CM_SHAPE_FEW_ROUNDS, x, root, ROWS_MAX);
        check(widths[k], CM_SHAPE_FEW_BITS, x, root, ROWS_MAX);
    }
    free(x);
    free(root);
}

/* 64 bits: an adder of j + 3 bits for each of 32 bits of the root. */
static void test_cost(void **state)
{
    (void)state;
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_BITS);
    cm_num root = cm_num_sqrt(c, cm_circuit_input(c, 64));

    cm_circuit_output(c, &root);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    assert_true(cm_program_cost(program).ands < 600);
    cm_program_free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
