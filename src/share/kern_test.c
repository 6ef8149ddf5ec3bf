/* Every table of kernels against the portable one, and the portable one against plain loops. */
#include "share/kern.h"

#include "base/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 130, OUTPUTS = 19 };

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

typedef struct data {
    uint64_t x0[WORDS_MAX], x1[WORDS_MAX], y0[WORDS_MAX], y1[WORDS_MAX], z[WORDS_MAX];
} data;

static void fill(data *d, uint64_t seed)
{
    for (size_t i = 0; i < WORDS_MAX; i++) {
        d->x0[i] = next_random(&seed);
        d->x1[i] = next_random(&seed);
        d->y0[i] = next_random(&seed);
        d->y1[i] = next_random(&seed);
        d->z[i] = next_random(&seed);
    }
}

static void run_all(const cm_kernels *k, size_t words, uint64_t out[OUTPUTS][64 * WORDS_MAX])
{
    data d;
    fill(&d, words);
    cm_cross cross = {d.x0, d.x1, d.y0, d.y1};

    memset(out, 0, OUTPUTS * sizeof out[0]);
    k->xor (out[0], d.x0, d.y0, words);
    k->and (out[1], d.x0, d.y0, words);
    k->add(out[2], d.x0, d.y0, words);
    k->sub(out[3], d.x0, d.y0, words);
    k->mul(out[4], d.x0, d.y0, words);
    k->scale(out[5], d.x0, d.y1[0], words);
    memcpy(out[6], d.z, sizeof d.z);
    k->and_cross(out[6], cross, words);
    memcpy(out[7], d.z, sizeof d.z);
    k->mul_cross(out[7], cross, words);
    out[8][0] = k->dot(d.x0, d.y0, words);
    out[8][1] = k->dot_cross(cross, words);
    k->prefix_xor(out[9], d.x0, words);
    k->spread(out[10], d.x0, 64 * words);
    k->spread(out[11], d.x0, words); /* rows that end inside a word */
    memcpy(out[12], d.x0, 64 * sizeof(uint64_t));
    k->transpose(out[12]);
    /* In place. */
    memcpy(out[13], d.x0, sizeof d.x0);
    k->xor (out[13], out[13], d.y0, words);
    k->prefix_xor(out[13], out[13], words);
    memcpy(out[14], d.x0, sizeof d.x0);
    k->sub(out[14], d.y0, out[14], words);
    k->mul(out[14], out[14], out[14], words);
    k->pair_carries(out[15], out[16], (cm_bit_pair){d.x0, d.x1, d.z, d.y0, d.y1}, d.y1[0], words);
    /* As many terms as fit. */
    cm_masked masked = {d.x0, d.x1, d.y0, d.y1, words == 0 ? 0 : WORDS_MAX / words};
    memcpy(out[17], d.z, sizeof d.z);
    k->mask_cross(out[17], masked, words);
    out[18][0] = k->fold_cross(cross, words);
}

static void compare(const cm_kernels *table)
{
    static uint64_t expect[OUTPUTS][64 * WORDS_MAX], got[OUTPUTS][64 * WORDS_MAX];

    if (!table) {
        skip();
        return;
    }
    for (size_t words = 0; words <= WORDS_MAX; words++) {
        run_all(cm_kernels_portable(), words, expect);
        run_all(table, words, got);
        assert_memory_equal(got, expect, sizeof got);
    }
}

static void test_avx2(void **state)
{
    (void)state;
    cm_cpu cpu = cm_cpu_detect();
    compare(cm_kernels_avx2(&cpu));
}

static void test_avx512(void **state)
{
    (void)state;
    cm_cpu cpu = cm_cpu_detect();
    compare(cm_kernels_avx512(&cpu));
}

static void test_gfni(void **state)
{
    (void)state;
    cm_cpu cpu = cm_cpu_detect();
    compare(cm_kernels_gfni(&cpu));
}

static void test_neon(void **state)
{
    (void)state;
    compare(cm_kernels_neon());
}

static void test_portable(void **state)
{
    (void)state;
    static uint64_t out[OUTPUTS][64 * WORDS_MAX];
    data d;
    size_t words = WORDS_MAX;

    fill(&d, words);
    run_all(cm_kernels_portable(), words, out);
    uint64_t parity = 0, dot = 0, cross = 0, fold = 0;
    for (size_t i = 0; i < words; i++) {
        assert_int_equal(out[0][i], d.x0[i] ^ d.y0[i]);
        assert_int_equal(out[1][i], d.x0[i] & d.y0[i]);
        assert_int_equal(out[2][i], d.x0[i] + d.y0[i]);
        assert_int_equal(out[3][i], d.x0[i] - d.y0[i]);
        assert_int_equal(out[4][i], d.x0[i] * d.y0[i]);
        assert_int_equal(out[5][i], d.x0[i] * d.y1[0]);
        assert_int_equal(out[6][i],
                         d.z[i] ^ (d.x0[i] & d.y0[i]) ^ (d.x0[i] & d.y1[i]) ^ (d.x1[i] & d.y0[i]));
        uint64_t product = d.x0[i] * d.y0[i] + d.x0[i] * d.y1[i] + d.x1[i] * d.y0[i];
        assert_int_equal(out[7][i], d.z[i] + product);
        uint64_t ones = d.y1[0] & d.y0[i] & d.y1[i];
        uint64_t carry = (d.x1[i] & d.y1[i]) ^ (d.z[i] & d.y0[i]) ^ (d.x0[i] & d.y0[i] & d.y1[i]);
        assert_int_equal(out[15][i], carry);
        assert_int_equal(out[16][i],
                         carry ^ d.z[i] ^ (d.x1[i] & d.y0[i]) ^ (d.x0[i] & d.y1[i]) ^ ones);
        cross += product;
        fold ^= out[6][i] ^ d.z[i];
        assert_int_equal(out[17][i], d.z[i] ^ (d.x0[0] & d.y1[i]) ^ (d.x1[0] & d.y0[i]));
        dot += d.x0[i] * d.y0[i];
        for (unsigned b = 0; b < 64; b++) {
            uint64_t bit = (d.x0[i] >> b) & 1;
            parity ^= bit;
            assert_int_equal((out[9][i] >> b) & 1, parity);
            assert_int_equal(out[10][64 * i + b], bit);
        }
    }
    assert_int_equal(out[8][0], dot);
    assert_int_equal(out[8][1], cross);
    assert_int_equal(out[18][0], fold);
    for (unsigned r = 0; r < 64; r++) {
        for (unsigned c = 0; c < 64; c++) {
            assert_int_equal((out[12][r] >> c) & 1, (d.x0[c] >> r) & 1);
        }
    }
}

static void test_best_is_one_of_them(void **state)
{
    (void)state;
    cm_cpu cpu = cm_cpu_detect();
    const cm_kernels *best = cm_kernels_best();

    assert_true(best == cm_kernels_portable() || best == cm_kernels_avx2(&cpu) ||
                best == cm_kernels_avx512(&cpu) || best == cm_kernels_gfni(&cpu) ||
                best == cm_kernels_neon());
    assert_ptr_equal(best, cm_kernels_best());
    cpu = (cm_cpu){0};
    assert_null(cm_kernels_avx2(&cpu));
    assert_null(cm_kernels_avx512(&cpu));
    assert_null(cm_kernels_gfni(&cpu));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_portable), cmocka_unit_test(test_avx2),
        cmocka_unit_test(test_avx512),   cmocka_unit_test(test_gfni),
        cmocka_unit_test(test_neon),     cmocka_unit_test(test_best_is_one_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
