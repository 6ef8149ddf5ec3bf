/* Division by a scaled divisor, beyond what arith_test.c covers: every small operand, quotients at
 * their limits, and the bounds that the proof in div_scaled.c rests on. */
#include "circuit/check_int.h"
#include "circuit/circuit_int.h"

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

static cm_program *scaled_division(unsigned x_bits, unsigned y_bits)
{
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, x_bits);
    cm_num y = cm_circuit_input(c, y_bits);
    cm_num quotient, remainder;

    assert_true(cm_div_can_scale(x_bits, y_bits));
    cm_div_scaled(c, &x, &y, &quotient, &remainder);
    assert_int_equal(quotient.bits, x_bits);
    assert_int_equal(remainder.bits, y_bits);
    cm_circuit_output(c, &quotient);
    cm_circuit_output(c, &remainder);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

typedef struct rows {
    cm_u128 x[ROWS_MAX], y[ROWS_MAX], quotient[ROWS_MAX], remainder[ROWS_MAX];
} rows;

static void check(const cm_program *program, unsigned x_bits, unsigned y_bits, rows *d,
                  size_t count)
{
    const cm_u128 *in[] = {d->x, d->y};
    cm_u128 *out[] = {d->quotient, d->remainder};

    cm_check_eval(program, in, count, out);
    for (size_t r = 0; r < count; r++) {
        bool zero = d->y[r] == 0;
        cm_u128 quotient = zero ? cm_check_cut(~(cm_u128)0, x_bits) : d->x[r] / d->y[r];
        cm_u128 remainder = zero ? cm_check_cut(d->x[r], y_bits) : d->x[r] % d->y[r];
        if (d->quotient[r] != quotient || d->remainder[r] != remainder) {
            fail_msg("%u by %u bits: %llx / %llx", x_bits, y_bits, (unsigned long long)d->x[r],
                     (unsigned long long)d->y[r]);
        }
    }
}

/* All dividends of 12 and 13 bits by all divisors of up to 6 bits. */
static void test_small(void **state)
{
    (void)state;
    rows *d = calloc(1, sizeof *d);
    for (unsigned x_bits = 12; x_bits <= 13; x_bits++) {
        for (unsigned y_bits = 2; y_bits <= 6; y_bits++) {
            cm_program *program = scaled_division(x_bits, y_bits);
            for (unsigned y = 0; y < 1U << y_bits; y++) {
                for (size_t r = 0; r < (size_t)1 << x_bits; r++) {
                    d->x[r] = r;
                    d->y[r] = y;
                }
                check(program, x_bits, y_bits, d, (size_t)1 << x_bits);
            }
            cm_program_free(program);
        }
    }
    free(d);
}

/* A number of up to so many bits, often at the ends of the table's steps. */
static cm_u128 number(uint64_t *seed, unsigned bits)
{
    cm_u128 x = (cm_u128)next_random(seed) << 64 | next_random(seed);
    unsigned length = 1 + (unsigned)(next_random(seed) % bits);
    unsigned tail = (unsigned)(next_random(seed) % length);

    x = cm_check_cut(x, length) | (cm_u128)1 << (length - 1);
    switch (next_random(seed) % 4) {
    case 0:
        return x >> tail << tail;
    case 1:
        return x | (((cm_u128)1 << tail) - 1);
    default:
        return x;
    }
}

/* Multiples of the divisor, and their neighbours: where the quotient changes. */
static void test_edges(void **state)
{
    (void)state;
    static const unsigned widths[][2] = {{22, 22}, {23, 11},  {33, 33},  {34, 14}, {44, 13},
                                         {45, 60}, {64, 64},  {64, 32},  {64, 2},  {66, 65},
                                         {99, 40}, {100, 99}, {128, 128}};
    uint64_t seed = 77;
    rows *d = calloc(1, sizeof *d);
    for (size_t k = 0; k < CM_COUNT(widths); k++) {
        unsigned x_bits = widths[k][0], y_bits = widths[k][1];
        cm_program *program = scaled_division(x_bits, y_bits);
        for (size_t r = 0; r < ROWS_MAX; r++) {
            cm_u128 y = number(&seed, y_bits), x = number(&seed, x_bits);
            cm_u128 multiple = x / y * y;
            d->y[r] = y;
            d->x[r] = r % 4 == 0   ? multiple
                      : r % 4 == 1 ? multiple - (multiple > 0)
                      : r % 4 == 2 ? cm_check_cut(multiple + y - 1, x_bits)
                                   : x;
        }
        check(program, x_bits, y_bits, d, ROWS_MAX);
        cm_program_free(program);
    }
    free(d);
}

/* Y N = 2^f + E with |E| < 3/8 2^-11 2^f for every Y: E is monotonic between the table's steps. */
static void test_factor(void **state)
{
    (void)state;
    for (unsigned bits = 2; bits <= 40; bits++) {
        unsigned index_bits = bits - 1 < 12 ? bits - 1 : 12;
        unsigned rest = bits - 1 - index_bits;
        for (uint32_t i = 0; i < 1U << index_bits; i++) {
            uint64_t factor = cm_div_factor(index_bits, i, rest == 0);
            assert_true(factor % 2 == 1 && factor >> 13 == 1);
            uint64_t first = ((UINT64_C(1) << index_bits) + i) << rest;
            uint64_t last = first + ((UINT64_C(1) << rest) - 1);
            int64_t one = INT64_C(1) << (bits + 13), most = 3 * (one >> 14);
            assert_true((int64_t)(first * factor) - one > -most);
            assert_true((int64_t)(last * factor) - one < most);
        }
    }
}

/* Tables of all lengths of index; the costs of the largest. */
static void test_lookup(void **state)
{
    (void)state;
    uint64_t seed = 5;
    rows *d = calloc(1, sizeof *d);
    uint32_t *table = calloc(ROWS_MAX, sizeof *table);
    for (unsigned bits = 0; bits <= 13; bits++) {
        size_t entries = (size_t)1 << bits;
        for (size_t i = 0; i < entries; i++) {
            table[i] = (uint32_t)next_random(&seed);
            d->x[i] = i;
        }
        cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
        cm_num index = cm_circuit_input(c, bits);
        cm_num value = cm_num_lookup(c, &index, table, 12);
        cm_circuit_output(c, &value);
        cm_program *program = cm_circuit_finish(c);
        const cm_u128 *in[] = {d->x};
        cm_u128 *out[] = {d->quotient};
        cm_check_eval(program, in, entries, out);
        for (size_t i = 0; i < entries; i++) {
            assert_int_equal(d->quotient[i], table[i] & 0xfff);
        }
        cm_circuit_cost cost = cm_program_cost(program);
        assert_true(cost.levels <= cm_ceil_log2(bits));
        assert_true(bits != 12 || cost.ands <= 440);
        cm_program_free(program);
        cm_circuit_free(c);
    }
    free(table);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_factor),
        cmocka_unit_test(test_lookup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
