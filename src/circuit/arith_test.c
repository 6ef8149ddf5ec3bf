/* Every circuit against C: all values up to six bits, random ones and corners up to 128. */
#include "circuit/check_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { OUTPUTS = 3, ROWS_RANDOM = 150, ROWS_MAX = 1 << 12 };

/* Builds a circuit of x and y and declares its outputs. */
typedef void (*build_fn)(cm_circuit *c, cm_num x, cm_num y);
/* What they must be, not yet cut to their widths. */
typedef void (*expect_fn)(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret);

typedef struct subject {
    const char *name;
    unsigned outputs;
    build_fn build;
    expect_fn expect;
} subject;

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned max_bits(unsigned x, unsigned y)
{
    return x > y ? x : y;
}

/* The tests' own numbers have 128 bits. */
static unsigned at_most_128(unsigned bits)
{
    return bits < 128 ? bits : 128;
}

static void output(cm_circuit *c, cm_num x)
{
    cm_circuit_output(c, &x);
}

/* ---- subjects ----------------------------------------------------------------------------- */

static void build_compare(cm_circuit *c, cm_num x, cm_num y)
{
    cm_circuit_output_wire(c, cm_num_eq(c, x, y));
    cm_circuit_output_wire(c, cm_num_lt(c, x, y));
    cm_circuit_output_wire(c, cm_num_slt(c, x, y));
}

static cm_i128 signed_of(cm_u128 x, unsigned bits)
{
    if (bits == 0) {
        return 0;
    }
    cm_u128 sign = (cm_u128)1 << (bits - 1);
    return (cm_i128)((x ^ sign) - sign);
}

static void expect_compare(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    ret[0] = x == y;
    ret[1] = x < y;
    ret[2] = signed_of(x, x_bits) < signed_of(y, y_bits);
}

static void build_select(cm_circuit *c, cm_num x, cm_num y)
{
    cm_wire condition = x.bits ? x.wire[0] : CM_WIRE_1;

    output(c, cm_num_mux(c, condition, x, y));
    output(c, cm_num_mask(c, y, condition));
    cm_circuit_output_wire(c, cm_num_is_zero(c, x));
}

static void expect_select(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    (void)y_bits;
    bool condition = x_bits == 0 || (x & 1) != 0;
    ret[0] = condition ? x : y;
    ret[1] = condition ? y : 0;
    ret[2] = x == 0;
}

static void build_add(cm_circuit *c, cm_num x, cm_num y)
{
    unsigned bits = max_bits(x.bits, y.bits);

    output(c, cm_num_add(c, x, y, at_most_128(bits + 1)));
    output(c, cm_num_sub(c, x, y, at_most_128(bits + 1)));
    output(c, cm_num_add(c, x, y, bits / 2)); /* cut */
}

static void expect_add(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    (void)x_bits;
    (void)y_bits;
    ret[0] = x + y;
    ret[1] = x - y;
    ret[2] = x + y;
}

static void build_negate(cm_circuit *c, cm_num x, cm_num y)
{
    output(c, cm_num_neg(c, x, at_most_128(x.bits + 2)));
    output(c, cm_num_add_const(c, y, -77, y.bits));
    unsigned bits = at_most_128(x.bits + 3);
    output(c, cm_num_add(c, cm_num_sign_extend(x, bits), cm_num_not(c, y), bits));
}

static void expect_negate(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    ret[0] = -x;
    ret[1] = y - 77;
    ret[2] = (cm_u128)signed_of(x, x_bits) + cm_check_cut(~y, y_bits);
}

static void build_multiply(cm_circuit *c, cm_num x, cm_num y)
{
    unsigned bits = at_most_128(x.bits + y.bits);

    output(c, cm_num_mul(c, x, y, bits));
    output(c, cm_num_mul(c, y, y, max_bits(y.bits, 3))); /* equal partial products */
    output(c, cm_num_mul(c, x, cm_num_not(c, x), x.bits / 2));
}

static void expect_multiply(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    (void)x_bits;
    (void)y_bits;
    ret[0] = x * y;
    ret[1] = y * y;
    ret[2] = x * ~x;
}

/* Operands extended with their signs, and with zeros. */
static void build_multiply_extended(cm_circuit *c, cm_num x, cm_num y)
{
    unsigned bits = at_most_128(x.bits + y.bits);

    output(c, cm_num_mul(c, cm_num_sign_extend(x, bits), cm_num_sign_extend(y, bits), bits));
    output(c, cm_num_mul(c, cm_num_sign_extend(x, bits), cm_num_zero_extend(y, bits), bits));
    output(c, cm_num_mul(c, cm_num_shift_left(x, 2), cm_num_sign_extend(y, y.bits + 2), bits));
}

static void expect_multiply_extended(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits,
                                     cm_u128 *ret)
{
    cm_u128 signed_x = (cm_u128)signed_of(x, x_bits), signed_y = (cm_u128)signed_of(y, y_bits);
    ret[0] = signed_x * signed_y;
    ret[1] = signed_x * y;
    ret[2] = 4 * x * cm_check_cut(signed_y, y_bits + 2);
}

static void build_scale(cm_circuit *c, cm_num x, cm_num y)
{
    unsigned bits = at_most_128(x.bits + 9);

    output(c, cm_num_mul_const(c, x, 365, bits));
    output(c, cm_num_mul_const(c, x, -1000003, bits));
    output(c, cm_num_mul_const(c, y, (cm_i128)(~(cm_u128)0 >> 1), 128));
}

static void expect_scale(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    (void)x_bits;
    (void)y_bits;
    ret[0] = x * 365;
    ret[1] = x * (cm_u128)-1000003;
    ret[2] = y * (~(cm_u128)0 >> 1);
}

static void build_divide(cm_circuit *c, cm_num x, cm_num y)
{
    cm_num quotient;
    cm_num remainder;

    cm_num_divmod(c, x, y, &quotient, &remainder);
    assert_int_equal(quotient.bits, x.bits);
    assert_int_equal(remainder.bits, y.bits);
    output(c, quotient);
    output(c, remainder);
}

static void expect_divide(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    (void)x_bits;
    (void)y_bits;
    ret[0] = y == 0 ? ~(cm_u128)0 : x / y;
    ret[1] = y == 0 ? x : x % y;
}

static void build_count(cm_circuit *c, cm_num x, cm_num y)
{
    cm_num both = cm_num_concat(x, cm_num_zero_extend(y, y.bits < 64 ? y.bits : 64));

    output(c, cm_num_popcount(c, both.wire, both.bits));
    output(c, cm_num_xor(c, x, y));
    output(c, cm_num_zero_extend(cm_num_shift_left(x, 3), at_most_128(x.bits + 3)));
}

static void expect_count(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    (void)x_bits;
    (void)y_bits;
    ret[0] = (unsigned)__builtin_popcountll((uint64_t)x) +
             (unsigned)__builtin_popcountll((uint64_t)(x >> 64)) +
             (unsigned)__builtin_popcountll((uint64_t)y);
    ret[1] = x ^ y;
    ret[2] = x << 3;
}

static void build_extremes(cm_circuit *c, cm_num x, cm_num y)
{
    output(c, cm_num_min(c, x, y));
    output(c, cm_num_max(c, x, y));
    cm_circuit_output_wire(c, cm_num_eq(c, cm_num_max(c, x, y), x));
}

static void expect_extremes(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    (void)x_bits;
    (void)y_bits;
    ret[0] = x < y ? x : y;
    ret[1] = x < y ? y : x;
    ret[2] = x >= y;
}

/* None, two, and eleven numbers of different lengths; the last cut. */
static void build_sum(cm_circuit *c, cm_num x, cm_num y)
{
    cm_num terms[11];

    for (unsigned i = 0; i < CM_COUNT(terms); i++) {
        terms[i] = i % 3 == 0 ? x : i % 3 == 1 ? y : cm_num_shift_left(x, 1);
        terms[i] = cm_num_zero_extend(terms[i], at_most_128(terms[i].bits));
    }
    terms[4] = cm_num_const(77, 7);
    output(c, cm_num_sum(c, terms, CM_COUNT(terms), at_most_128(max_bits(x.bits, y.bits) + 5)));
    output(c, cm_num_sum(c, terms, 2, max_bits(x.bits, y.bits)));
    output(c, cm_num_sum(c, terms, 0, 3));
}

static void expect_sum(cm_u128 x, unsigned x_bits, cm_u128 y, unsigned y_bits, cm_u128 *ret)
{
    (void)x_bits;
    (void)y_bits;
    ret[0] = 4 * x + 3 * y + 3 * (x << 1) + 77;
    ret[1] = x + y;
    ret[2] = 0;
}

static const subject subjects[] = {
    {"compare", 3, build_compare, expect_compare},
    {"select", 3, build_select, expect_select},
    {"add", 3, build_add, expect_add},
    {"negate", 3, build_negate, expect_negate},
    {"multiply", 3, build_multiply, expect_multiply},
    {"multiply extended", 3, build_multiply_extended, expect_multiply_extended},
    {"scale", 3, build_scale, expect_scale},
    {"divide", 2, build_divide, expect_divide},
    {"count", 3, build_count, expect_count},
    {"extremes", 3, build_extremes, expect_extremes},
    {"sum", 3, build_sum, expect_sum},
};

/* ---- comparing ---------------------------------------------------------------------------- */

typedef struct data {
    cm_u128 *x, *y;
    cm_u128 *out[OUTPUTS];
    size_t rows;
} data;

static data data_new(void)
{
    data d = {.x = calloc(ROWS_MAX, sizeof(cm_u128)), .y = calloc(ROWS_MAX, sizeof(cm_u128))};

    for (size_t i = 0; i < OUTPUTS; i++) {
        d.out[i] = calloc(ROWS_MAX, sizeof(cm_u128));
    }
    return d;
}

static void data_free(data *d)
{
    free(d->x);
    free(d->y);
    for (size_t i = 0; i < OUTPUTS; i++) {
        free(d->out[i]);
    }
}

/* The two shapes, and programs for so many rows. */
static const size_t rows_of_shape[] = {0, 0, 1, 1 << 14, 1 << 17, 1 << 20};

static cm_circuit *new_circuit(unsigned shape)
{
    return shape < 2 ? cm_circuit_new((cm_shape)shape)
                     : cm_circuit_new_priced(rows_of_shape[shape], 1 << 16);
}

static void check_rows(const subject *s, unsigned shape, unsigned x_bits, unsigned y_bits, data *d)
{
    cm_circuit *c = new_circuit(shape);
    cm_num x = cm_circuit_input(c, x_bits);
    cm_num y = cm_circuit_input(c, y_bits);
    s->build(c, x, y);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);

    const cm_u128 *in[2] = {d->x, d->y};
    cm_check_eval(program, in, d->rows, d->out);
    for (size_t r = 0; r < d->rows; r++) {
        cm_u128 want[OUTPUTS];
        s->expect(d->x[r], x_bits, d->y[r], y_bits, want);
        for (unsigned i = 0; i < s->outputs; i++) {
            cm_u128 wrong = cm_check_cut(want[i] ^ d->out[i][r], cm_check_width(program, i));
            if (wrong != 0) {
                fail_msg("%s, shape %u, %u by %u bits, row %zu, output %u", s->name, shape, x_bits,
                         y_bits, r, i);
            }
        }
    }
    cm_program_free(program);
}

static void test_exhaustive(void **state)
{
    (void)state;
    data d = data_new();
    for (unsigned x_bits = 0; x_bits <= 6; x_bits++) {
        for (unsigned y_bits = 0; y_bits <= 6; y_bits++) {
            d.rows = (size_t)1 << (x_bits + y_bits);
            for (size_t r = 0; r < d.rows; r++) {
                d.x[r] = r & ((1U << x_bits) - 1);
                d.y[r] = r >> x_bits;
            }
            for (size_t i = 0; i < CM_COUNT(subjects); i++) {
                for (unsigned shape = 0; shape < CM_COUNT(rows_of_shape); shape++) {
                    check_rows(&subjects[i], shape, x_bits, y_bits, &d);
                }
            }
        }
    }
    data_free(&d);
}

/* Zero, one, all ones, the top bit, short and long numbers. */
static cm_u128 random_number(uint64_t *state, unsigned bits)
{
    cm_u128 x = (cm_u128)next_random(state) << 64 | next_random(state);
    cm_u128 top = bits ? (cm_u128)1 << (bits - 1) : 0;

    switch (next_random(state) % 8) {
    case 0:
        x = 0;
        break;
    case 1:
        x = ~(cm_u128)0;
        break;
    case 2:
        x = top;
        break;
    case 3:
        x = top - 1;
        break;
    case 4:
        x >>= next_random(state) % 128;
        break;
    default:
        break;
    }
    return cm_check_cut(x, bits);
}

static void fill_random(data *d, uint64_t *state, unsigned x_bits, unsigned y_bits)
{
    d->rows = ROWS_RANDOM;
    for (size_t r = 0; r < d->rows; r++) {
        d->x[r] = random_number(state, x_bits);
        d->y[r] = random_number(state, y_bits);
        if (r % 7 == 0) { /* equal, or nearly */
            d->y[r] = cm_check_cut(d->x[r] + r % 3, y_bits);
        }
    }
}

static void test_random(void **state)
{
    (void)state;
    static const unsigned widths[][2] = {{7, 7},    {8, 8},    {9, 5},    {13, 31},  {16, 16},
                                         {17, 1},   {31, 33},  {32, 32},  {33, 32},  {48, 20},
                                         {63, 64},  {64, 63},  {64, 64},  {65, 65},  {100, 28},
                                         {127, 40}, {128, 32}, {40, 128}, {128, 128}};
    uint64_t seed = 20250101;
    data d = data_new();
    for (size_t k = 0; k < CM_COUNT(widths); k++) {
        fill_random(&d, &seed, widths[k][0], widths[k][1]);
        for (size_t i = 0; i < CM_COUNT(subjects); i++) {
            for (unsigned shape = 0; shape < CM_COUNT(rows_of_shape); shape++) {
                check_rows(&subjects[i], shape, widths[k][0], widths[k][1], &d);
            }
        }
    }
    data_free(&d);
}

/* Every width that a column has, in both shapes. */
static void test_all_widths(void **state)
{
    (void)state;
    uint64_t seed = 64;
    data d = data_new();
    for (unsigned bits = 1; bits <= 64; bits++) {
        fill_random(&d, &seed, bits, bits);
        for (size_t i = 0; i < CM_COUNT(subjects); i++) {
            for (unsigned shape = 0; shape < 2; shape++) {
                check_rows(&subjects[i], shape, bits, bits, &d);
            }
        }
    }
    data_free(&d);
}

/* All 8-bit operands of comparisons with every public constant. */
static void test_constants(void **state)
{
    (void)state;
    data d = data_new();
    d.rows = 256;
    for (unsigned k = 0; k < 512; k++) {
        cm_shape shape = k < 256 ? CM_SHAPE_FEW_BITS : CM_SHAPE_FEW_ROUNDS;
        unsigned value = k % 256;
        cm_circuit *c = cm_circuit_new(shape);
        cm_num x = cm_circuit_input(c, 8);
        cm_num y = cm_num_const(value, 8);
        cm_num quotient;
        cm_num remainder;
        cm_num_divmod(c, x, y, &quotient, &remainder);
        cm_num compared = cm_num_of_wire(cm_num_lt(c, x, y));
        compared = cm_num_concat(compared, cm_num_of_wire(cm_num_lt(c, y, x)));
        compared = cm_num_concat(compared, cm_num_of_wire(cm_num_eq(c, x, y)));
        cm_circuit_output(c, &compared);
        cm_circuit_output(c, &quotient);
        cm_circuit_output(c, &remainder);
        cm_program *program = cm_circuit_finish(c);
        cm_circuit_free(c);
        for (size_t r = 0; r < d.rows; r++) {
            d.x[r] = r;
        }
        const cm_u128 *in[1] = {d.x};
        cm_check_eval(program, in, d.rows, d.out);
        for (size_t r = 0; r < d.rows; r++) {
            unsigned want = (r < value) | (unsigned)(value < r) << 1 | (unsigned)(r == value) << 2;
            assert_int_equal(d.out[0][r], want);
            assert_int_equal(d.out[1][r], value ? r / value : 255);
            assert_int_equal(d.out[2][r], value ? r % value : r);
        }
        cm_program_free(program);
    }
    data_free(&d);
}

/* The counts of ones of many wires, and of none. */
static void test_popcount(void **state)
{
    (void)state;
    data d = data_new();
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, 128);
    cm_wire wires[1000];
    for (size_t i = 0; i < CM_COUNT(wires); i++) { /* each wire about eight times */
        wires[i] = x.wire[i % 128];
    }
    cm_num count = cm_num_popcount(c, wires, CM_COUNT(wires));
    cm_num none = cm_num_popcount(c, wires, 0);
    assert_int_equal(count.bits, 10);
    assert_int_equal(none.bits, 0);
    cm_circuit_output(c, &count);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    uint64_t seed = 5;
    fill_random(&d, &seed, 128, 128);
    const cm_u128 *in[1] = {d.x};
    cm_check_eval(program, in, d.rows, d.out);
    for (size_t r = 0; r < d.rows; r++) {
        unsigned want = 0;
        for (size_t i = 0; i < CM_COUNT(wires); i++) {
            want += (unsigned)(d.x[r] >> i % 128 & 1);
        }
        assert_int_equal(d.out[0][r], want);
    }
    cm_program_free(program);
    data_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exhaustive), cmocka_unit_test(test_random),
        cmocka_unit_test(test_all_widths), cmocka_unit_test(test_constants),
        cmocka_unit_test(test_popcount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
