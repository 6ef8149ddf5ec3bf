/* Columns against row-by-row definitions, for row counts around multiples of a word. */
#include "share/column.h"

#include "share/kern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LEGS = 2 };

static const size_t row_counts[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1000};
static const unsigned plane_counts[] = {0, 1, 2, 3, 31, 32, 33, 63, 64, 65, 130};

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static cm_bcol random_bits(cm_arena *arena, unsigned planes, size_t rows, uint64_t seed)
{
    cm_bcol x = cm_bcol_new(arena, LEGS, planes, rows);
    for (unsigned k = 0; k < LEGS; k++) {
        for (size_t w = 0; w < planes * x.words; w++) {
            x.leg[k][w].v = next_random(&seed);
        }
    }
    return x;
}

static cm_acol random_words(cm_arena *arena, size_t rows, uint64_t seed)
{
    cm_acol x = cm_acol_new(arena, LEGS, rows);
    for (unsigned k = 0; k < LEGS; k++) {
        for (size_t r = 0; r < rows; r++) {
            x.leg[k][r].v = next_random(&seed);
        }
    }
    return x;
}

static unsigned bit_of(cm_bcol x, unsigned leg, unsigned plane, size_t row)
{
    return (x.leg[leg][plane * x.words + row / 64].v >> (row % 64)) & 1;
}

/* Runs check for every combination of planes and rows, with a fresh arena. */
static void each_shape(void (*check)(cm_arena *arena, unsigned planes, size_t rows))
{
    cm_arena arena;
    assert_int_equal(cm_arena_init_secret(&arena, 64 << 20), CM_OK);
    for (size_t p = 0; p < CM_COUNT(plane_counts); p++) {
        for (size_t r = 0; r < CM_COUNT(row_counts); r++) {
            check(&arena, plane_counts[p], row_counts[r]);
            cm_arena_reset(&arena);
        }
    }
    cm_arena_fini(&arena);
}

static void check_pack(cm_arena *arena, unsigned planes, size_t rows)
{
    size_t words = cm_words_of(rows);
    /* One word more than is needed: it must come back as 0. */
    size_t words_per_row = planes / 64 + 1;
    uint64_t *values = CM_NEW(arena, uint64_t, rows * words_per_row);
    uint64_t *back = CM_NEW(arena, uint64_t, rows * words_per_row);
    uint64_t *plane = CM_NEW(arena, uint64_t, planes * words + 1);
    uint64_t seed = planes + rows;

    for (size_t i = 0; i < rows * words_per_row; i++) {
        values[i] = next_random(&seed);
    }
    plane[planes * words] = 42; /* must stay */
    cm_planes_pack(values, words_per_row, rows, planes, plane);
    assert_int_equal(plane[planes * words], 42);
    for (size_t r = 0; r < rows; r++) {
        for (unsigned p = 0; p < planes; p++) {
            assert_int_equal((plane[p * words + r / 64] >> (r % 64)) & 1,
                             (values[r * words_per_row + p / 64] >> (p % 64)) & 1);
        }
    }
    memset(back, 0xff, rows * words_per_row * sizeof *back);
    cm_planes_unpack(plane, rows, planes, words_per_row, back);
    for (size_t r = 0; r < rows; r++) {
        for (size_t w = 0; w < words_per_row; w++) {
            unsigned here = planes > 64 * w ? (unsigned)(planes - 64 * w) : 0;
            uint64_t keep = here >= 64 ? UINT64_MAX : (UINT64_C(1) << here) - 1;
            assert_int_equal(back[r * words_per_row + w], values[r * words_per_row + w] & keep);
        }
    }
}

static void test_pack_unpack(void **state)
{
    (void)state;
    each_shape(check_pack);
}

static void check_gather(cm_arena *arena, unsigned planes, size_t rows)
{
    size_t source_rows = rows / 2 + 70; /* repeats, and another word count */
    cm_bcol x = random_bits(arena, planes, source_rows, rows);
    cm_bcol z = random_bits(arena, planes, rows, 1);
    uint32_t *from = CM_NEW(arena, uint32_t, rows);
    uint64_t seed = 7;

    for (size_t r = 0; r < rows; r++) {
        from[r] = (uint32_t)(next_random(&seed) % source_rows);
    }
    cm_bcol_gather(x, from, z);
    for (unsigned k = 0; k < LEGS; k++) {
        for (unsigned p = 0; p < planes; p++) {
            for (size_t r = 0; r < rows; r++) {
                assert_int_equal(bit_of(z, k, p, r), bit_of(x, k, p, from[r]));
            }
        }
    }
}

static void test_bcol_gather(void **state)
{
    (void)state;
    each_shape(check_gather);
}

static void random_permutation(uint32_t *from, size_t rows, uint64_t seed)
{
    for (size_t r = 0; r < rows; r++) {
        from[r] = (uint32_t)r;
    }
    for (size_t r = rows; r > 1; r--) {
        size_t other = next_random(&seed) % r;
        uint32_t swap = from[r - 1];
        from[r - 1] = from[other];
        from[other] = swap;
    }
}

/* All rows, and the first of more: the others stay. */
static void check_permute(cm_arena *arena, unsigned planes, size_t rows)
{
    for (size_t more = 0; more <= 70; more += 35) {
        cm_bcol x = random_bits(arena, planes, rows + more, rows);
        cm_bcol before = random_bits(arena, planes, rows + more, rows); /* the same */
        uint32_t *from = CM_NEW(arena, uint32_t, rows);

        random_permutation(from, rows, rows + planes);
        cm_bcol_permute(x, rows, from, *arena);
        for (unsigned k = 0; k < LEGS; k++) {
            for (unsigned p = 0; p < planes; p++) {
                for (size_t r = 0; r < rows + more; r++) {
                    assert_int_equal(bit_of(x, k, p, r),
                                     bit_of(before, k, p, r < rows ? from[r] : r));
                }
            }
        }
    }
}

static void test_bcol_permute(void **state)
{
    (void)state;
    each_shape(check_permute);
}

/* Loaded from some row on, put elsewhere, and gathered into planes. */
static void check_brows(cm_arena *arena, unsigned planes, size_t rows)
{
    for (size_t first = 0; first <= 128; first += 64) {
        cm_bcol x = random_bits(arena, planes, first + rows, rows);
        cm_bcol z = random_bits(arena, planes, rows, 1);
        cm_brows side = cm_brows_new(arena, LEGS, planes, rows);
        cm_brows moved = cm_brows_new(arena, LEGS, planes, rows);
        uint32_t *from = CM_NEW(arena, uint32_t, rows), *back = CM_NEW(arena, uint32_t, rows);
        uint32_t *inverse = CM_NEW(arena, uint32_t, rows);

        random_permutation(from, rows, rows + planes);
        random_permutation(back, rows, first);
        for (size_t r = 0; r < rows; r++) {
            inverse[back[r]] = (uint32_t)r;
        }
        cm_brows_load(x, first, side);
        cm_brows_put(side, from, moved);
        size_t piece = first < rows / 64 * 64 ? first : rows / 64 * 64;
        cm_brows_gather(moved, inverse, piece, z, 0); /* z row back[r] = moved row r */
        cm_brows_gather(moved, inverse + piece, rows - piece, z, piece);
        for (unsigned k = 0; k < LEGS; k++) {
            for (unsigned p = 0; p < planes; p++) {
                for (size_t r = 0; r < rows; r++) {
                    assert_int_equal(bit_of(z, k, p, back[from[r]]), bit_of(x, k, p, first + r));
                }
            }
        }
    }
}

static void test_brows(void **state)
{
    (void)state;
    each_shape(check_brows);
}

static void check_rows(cm_arena *arena, unsigned planes, size_t rows)
{
    static const size_t firsts[] = {0, 1, 63, 64, 65, 200};

    if (planes > 3) {
        return;
    }
    for (size_t f = 0; f < CM_COUNT(firsts); f++) {
        size_t first = firsts[f], total = first + rows + 3;
        cm_bcol x = random_bits(arena, planes, rows, 1);
        cm_bcol before = random_bits(arena, planes, total, 2);
        cm_bcol z = cm_bcol_new(arena, LEGS, planes, total);
        cm_bcol back = cm_bcol_new(arena, LEGS, planes, rows);

        cm_bcol_copy(z, before);
        cm_bcol_put_rows(z, first, x);
        cm_bcol_get_rows(z, first, back);
        for (unsigned k = 0; k < LEGS; k++) {
            for (unsigned p = 0; p < planes; p++) {
                for (size_t r = 0; r < total; r++) {
                    bool inside = r >= first && r - first < rows;
                    assert_int_equal(bit_of(z, k, p, r),
                                     inside ? bit_of(x, k, p, r - first) : bit_of(before, k, p, r));
                }
                for (size_t r = 0; r < rows; r++) {
                    assert_int_equal(bit_of(back, k, p, r), bit_of(x, k, p, r));
                }
            }
        }
    }
}

static void test_put_and_get_rows(void **state)
{
    (void)state;
    each_shape(check_rows);
}

static void check_scans(cm_arena *arena, unsigned planes, size_t rows)
{
    cm_bcol x = random_bits(arena, planes, rows, rows);
    cm_bcol prefix = cm_bcol_new(arena, LEGS, planes, rows);
    cm_bcol difference = cm_bcol_new(arena, LEGS, planes, rows);
    cm_bcol down = cm_bcol_new(arena, LEGS, planes, rows);
    cm_bcol up = cm_bcol_new(arena, LEGS, planes, rows);

    cm_bcol_prefix_xor(x, prefix);
    cm_bcol_difference(x, difference);
    cm_bcol_shift_down(x, down);
    cm_bcol_shift_up(x, up);
    for (unsigned k = 0; k < LEGS; k++) {
        for (unsigned p = 0; p < planes; p++) {
            unsigned parity = 0;
            for (size_t r = 0; r < rows; r++) {
                unsigned bit = bit_of(x, k, p, r);
                unsigned above = r == 0 ? 0 : bit_of(x, k, p, r - 1);
                parity ^= bit;
                assert_int_equal(bit_of(prefix, k, p, r), parity);
                assert_int_equal(bit_of(difference, k, p, r), bit ^ above);
                assert_int_equal(bit_of(down, k, p, r), above);
                assert_int_equal(bit_of(up, k, p, r), r + 1 == rows ? 0 : bit_of(x, k, p, r + 1));
            }
        }
    }
    /* In place, and the two are inverse to each other. */
    cm_bcol_prefix_xor(difference, difference);
    for (unsigned k = 0; k < LEGS; k++) {
        for (unsigned p = 0; p < planes; p++) {
            for (size_t r = 0; r < rows; r++) {
                assert_int_equal(bit_of(difference, k, p, r), bit_of(x, k, p, r));
            }
        }
    }
}

static void test_scans(void **state)
{
    (void)state;
    each_shape(check_scans);
}

static void check_ring(cm_arena *arena, unsigned planes, size_t rows)
{
    if (planes != 1) {
        return;
    }
    cm_acol x = random_words(arena, rows, 1), y = random_words(arena, rows, 2);
    cm_acol sum = cm_acol_new(arena, LEGS, rows), difference = cm_acol_new(arena, LEGS, rows);
    cm_acol scaled = cm_acol_new(arena, LEGS, rows), prefix = cm_acol_new(arena, LEGS, rows);
    cm_acol gathered = cm_acol_new(arena, LEGS, rows), copy = cm_acol_new(arena, LEGS, rows);
    uint32_t *from = CM_NEW(arena, uint32_t, rows);

    for (size_t r = 0; r < rows; r++) {
        from[r] = (uint32_t)((r * 7 + 3) % rows);
    }
    cm_acol_add(x, y, sum);
    cm_acol_sub(x, y, difference);
    cm_acol_scale(x, 12345, scaled);
    cm_acol_prefix_sum(x, prefix);
    cm_acol_gather(x, from, gathered);
    cm_acol_copy(copy, x);
    cm_acol_prefix_sum(copy, copy);
    for (unsigned k = 0; k < LEGS; k++) {
        uint64_t total = 0;
        for (size_t r = 0; r < rows; r++) {
            uint64_t a = x.leg[k][r].v, b = y.leg[k][r].v;
            total += a;
            assert_int_equal(sum.leg[k][r].v, a + b);
            assert_int_equal(difference.leg[k][r].v, a - b);
            assert_int_equal(scaled.leg[k][r].v, a * 12345);
            assert_int_equal(prefix.leg[k][r].v, total);
            assert_int_equal(copy.leg[k][r].v, total);
            assert_int_equal(gathered.leg[k][r].v, x.leg[k][from[r]].v);
        }
    }
    cm_acol_wipe(x);
    if (rows > 2) {
        cm_acol tail = cm_acol_slice(y, 1, rows - 2);
        assert_int_equal(tail.rows, rows - 2);
        assert_ptr_equal(tail.leg[1], y.leg[1] + 1);
        assert_int_equal(x.leg[0][rows - 1].v, 0);
    }
}

static void test_ring(void **state)
{
    (void)state;
    each_shape(check_ring);
}

static void test_borrow_planes(void **state)
{
    (void)state;
    cm_arena arena;
    assert_int_equal(cm_arena_init_secret(&arena, 1 << 20), CM_OK);
    cm_bcol x = random_bits(&arena, 5, 100, 3);
    cm_bcol some = cm_bcol_planes(x, 2, 3);

    assert_int_equal(some.planes, 3);
    assert_int_equal(bit_of(some, 1, 2, 99), bit_of(x, 1, 4, 99));
    assert_null(some.leg[2]);
    cm_bcol rows = cm_bcol_rows(some, 64, 36);
    assert_int_equal(rows.rows, 36);
    assert_int_equal(bit_of(rows, 1, 2, 35), bit_of(x, 1, 4, 99));
    assert_null(rows.leg[2]);
    cm_bcol_wipe(some);
    assert_int_equal(x.leg[0][5 * x.words - 1].v, 0);
    assert_int_equal(cm_bcol_planes(x, 5, 0).planes, 0);
    cm_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_unpack),
        cmocka_unit_test(test_bcol_gather),
        cmocka_unit_test(test_bcol_permute),
        cmocka_unit_test(test_brows),
        cmocka_unit_test(test_put_and_get_rows),
        cmocka_unit_test(test_scans),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_borrow_planes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
