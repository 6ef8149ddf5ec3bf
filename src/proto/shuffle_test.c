/* Shuffles: every column is permuted by the same permutation, which is uniform and fresh. */
#include "proto/proto_int.h"
#include "support/parties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { RINGS = 2, COLS = 3, PARTIES = 3 };

static const size_t row_counts[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, 1000};
static const unsigned planes_of[COLS] = {20, 0, 70};
static const cm_ticket ticket = {CM_TICKET_RESULT, "test"};

static void ok(cm_status status)
{
    CM_ASSERT(status == CM_OK);
}

/* A column that holds at row r a function of r that is distinct for all rows. */
static cm_bcol rows_as_bits(cm_mpc *mpc, cm_arena *arena, unsigned planes, size_t rows)
{
    unsigned words_per_row = planes / 64 + 1;
    uint64_t *values = CM_NEW(arena, uint64_t, rows * words_per_row);
    uint64_t *plane_words = CM_NEW(arena, uint64_t, planes * cm_words_of(rows));
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), planes, rows);

    for (size_t r = 0; r < rows; r++) {
        for (unsigned w = 0; w < words_per_row; w++) {
            values[r * words_per_row + w] = r * (w + 1);
        }
    }
    cm_planes_pack(values, words_per_row, rows, planes, plane_words);
    ok(cm_mpc_input_bits(mpc, 0, cm_mpc_me(mpc) == 0 ? plane_words : NULL, planes, rows, z,
                         *arena));
    return z;
}

static cm_acol rows_as_words(cm_mpc *mpc, cm_arena *arena, uint64_t factor, size_t rows)
{
    uint64_t *values = CM_NEW(arena, uint64_t, rows);
    cm_acol z = cm_acol_new(arena, cm_mpc_legs(mpc), rows);

    for (size_t r = 0; r < rows; r++) {
        values[r] = r * factor;
    }
    ok(cm_mpc_input_words(mpc, 1, cm_mpc_me(mpc) == 1 ? values : NULL, rows, z, *arena));
    return z;
}

/* The opened first ring column is the permutation; everything else must follow it. */
static void check_aligned(cm_mpc *mpc, const cm_acol *ring, const cm_bcol *bits, size_t rows,
                          cm_arena *arena, uint64_t *ret_from)
{
    uint64_t *second = CM_NEW(arena, uint64_t, rows);
    bool *seen = CM_NEW(arena, bool, rows);

    ok(cm_mpc_open_words(mpc, ring[0], &ticket, ret_from, *arena));
    ok(cm_mpc_open_words(mpc, ring[1], &ticket, second, *arena));
    for (size_t r = 0; r < rows; r++) {
        CM_ASSERT(ret_from[r] < rows && !seen[ret_from[r]]);
        seen[ret_from[r]] = true;
        CM_ASSERT(second[r] == ret_from[r] * 3);
    }
    for (unsigned c = 0; c < COLS; c++) {
        unsigned words_per_row = planes_of[c] / 64 + 1;
        uint64_t *opened = CM_NEW(arena, uint64_t, planes_of[c] * bits[c].words);
        uint64_t *got = CM_NEW(arena, uint64_t, rows * words_per_row);
        ok(cm_mpc_open_bits(mpc, bits[c], &ticket, opened, *arena));
        cm_planes_unpack(opened, rows, planes_of[c], words_per_row, got);
        for (size_t r = 0; r < rows && planes_of[c] != 0; r++) {
            CM_ASSERT(got[r * words_per_row] == ret_from[r]);
            CM_ASSERT(words_per_row < 2 || got[r * words_per_row + 1] == ((ret_from[r] * 2) & 63));
        }
    }
}

typedef struct job {
    size_t rows;
    uint64_t first[4][1000]; /* permutations that the parties agree on, from party 0 */
} job;

/* Four shuffles in a row, so that each party has had every role. */
static void shuffles(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    job *j = arg;
    size_t rows = j->rows;

    for (unsigned round = 0; round < 4; round++) {
        cm_acol ring[RINGS] = {rows_as_words(mpc, arena, 1, rows),
                               rows_as_words(mpc, arena, 3, rows)};
        cm_bcol bits[COLS];
        for (unsigned c = 0; c < COLS; c++) {
            bits[c] = rows_as_bits(mpc, arena, planes_of[c], rows);
        }
        ok(cm_mpc_shuffle(mpc, ring, RINGS, bits, COLS, *arena));
        uint64_t *from = CM_NEW(arena, uint64_t, rows);
        check_aligned(mpc, ring, bits, rows, arena, from);
        if (cm_mpc_me(mpc) == 0 && rows != 0) {
            memcpy(j->first[round], from, rows * sizeof *from);
        }
    }
    /* One kind of column alone, and none. */
    cm_bcol alone = rows_as_bits(mpc, arena, 3, rows);
    ok(cm_mpc_shuffle(mpc, NULL, 0, &alone, 1, *arena));
    cm_acol word = rows_as_words(mpc, arena, 1, rows);
    ok(cm_mpc_shuffle(mpc, &word, 1, NULL, 0, *arena));
    ok(cm_mpc_shuffle(mpc, NULL, 0, NULL, 0, *arena));
}

static void test_shuffle_keeps_rows_together(void **state)
{
    (void)state;
    static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};
    static job j;

    for (size_t p = 0; p < CM_COUNT(protocols); p++) {
        for (size_t r = 0; r < CM_COUNT(row_counts); r++) {
            j.rows = row_counts[r];
            cm_run_parties(protocols[p], PARTIES, PARTIES, 5, NULL, shuffles, &j);
            for (unsigned k = 1; k < 4 && j.rows > 60; k++) {
                assert_memory_not_equal(j.first[0], j.first[k], j.rows * sizeof j.first[0][0]);
            }
        }
    }
}

/* All orders of three rows come up about equally often. */
static void few_rows(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    unsigned *count = arg;

    for (unsigned i = 0; i < 1200; i++) {
        cm_arena scratch = *arena;
        cm_acol word = rows_as_words(mpc, &scratch, 1, 3);
        uint64_t got[3];
        ok(cm_mpc_shuffle(mpc, &word, 1, NULL, 0, scratch));
        ok(cm_mpc_open_words(mpc, word, &ticket, got, scratch));
        if (cm_mpc_me(mpc) == 0) {
            count[2 * got[0] + (got[1] > got[2])]++;
        }
    }
}

static void test_shuffle_is_uniform(void **state)
{
    (void)state;
    unsigned count[6] = {0};

    cm_run_parties(CM_PROTOCOL_REP3, PARTIES, PARTIES, 8, NULL, few_rows, count);
    for (unsigned i = 0; i < 6; i++) {
        assert_in_range(count[i], 140, 260); /* 200 expected, deviation 13 */
    }
}

/* All 24 orders of four rows are as frequent, in one piece (most is 4) and in pieces (3). */
static void check_uniform(size_t most)
{
    cm_arena scratch;
    cm_cpu cpu = cm_cpu_detect();
    cm_key key = {{1}};
    cm_prg prg;
    uint32_t from[4];
    unsigned count[256] = {0}, orders = 0;

    ok(cm_arena_init(&scratch, 1 << 16));
    cm_prg_init(&prg, &key, 0, &cpu);
    for (unsigned i = 0; i < 24000; i++) {
        cm_permutation_draw_pieces(&prg, from, 4, most, scratch);
        unsigned all = 0, order = 0;
        for (unsigned r = 0; r < 4; r++) {
            assert_in_range(from[r], 0, 3);
            all |= 1u << from[r];
            order = 4 * order + from[r];
        }
        assert_int_equal(all, 15);
        count[order]++;
    }
    for (unsigned i = 0; i < 256; i++) {
        if (count[i] > 0) {
            orders++;
            assert_in_range(count[i], 850, 1150); /* 1000 expected, deviation 31 */
        }
    }
    assert_int_equal(orders, 24);
    cm_permutation_draw_pieces(&prg, from, 0, most, scratch);
    cm_permutation_draw_pieces(&prg, from, 1, most, scratch);
    assert_int_equal(from[0], 0);
    cm_prg_fini(&prg);
    cm_arena_fini(&scratch);
}

static void test_permutations_are_uniform(void **state)
{
    (void)state;
    check_uniform(4);
    check_uniform(3);
}

/* More rows than are permuted in one piece: each is there once, and few where they were. */
static void test_permutation_of_many(void **state)
{
    (void)state;
    enum { ROWS = (1 << 20) + 1 };
    cm_arena arena;
    cm_cpu cpu = cm_cpu_detect();
    cm_key key = {{1}};
    cm_prg prg;
    unsigned stayed = 0;

    ok(cm_arena_init(&arena, 6 * (size_t)ROWS + 4096));
    uint32_t *from = CM_NEW(&arena, uint32_t, ROWS);
    uint8_t *seen = CM_NEW(&arena, uint8_t, ROWS);
    cm_prg_init(&prg, &key, 0, &cpu);
    cm_permutation_draw(&prg, from, ROWS, arena);
    for (size_t r = 0; r < ROWS; r++) {
        assert_in_range(from[r], 0, ROWS - 1);
        seen[from[r]]++;
        stayed += from[r] == r;
    }
    for (size_t r = 0; r < ROWS; r++) {
        assert_int_equal(seen[r], 1);
    }
    assert_in_range(stayed, 0, 12); /* 1 expected */
    cm_prg_fini(&prg);
    cm_arena_fini(&arena);
}

/* The bytes of each party: four words a row in all, of which one party sends two. */
typedef struct cost {
    uint64_t bytes[PARTIES], rounds;
} cost;

static void count_shuffle(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    cost *c = arg;
    cm_acol word = rows_as_words(mpc, arena, 1, 8000);
    cm_bcol bits = rows_as_bits(mpc, arena, 64, 8000);
    cm_mesh_stats before = cm_mpc_statistics(mpc);

    ok(cm_mpc_shuffle(mpc, &word, 1, &bits, 1, *arena));
    cm_mesh_stats after = cm_mpc_statistics(mpc);
    c->bytes[cm_mpc_me(mpc)] = after.bytes_sent - before.bytes_sent;
    CM_ASSERT(after.rounds - before.rounds <= 2);
}

static void test_shuffle_cost(void **state)
{
    (void)state;
    cost c = {0};

    cm_run_parties(CM_PROTOCOL_REP3, PARTIES, PARTIES, 8, NULL, count_shuffle, &c);
    assert_in_range(c.bytes[0] + c.bytes[1] + c.bytes[2], 4 * 128000, 4 * 128080);
    assert_in_range(c.bytes[2], 2 * 128000, 2 * 128080);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shuffle_keeps_rows_together),
        cmocka_unit_test(test_shuffle_is_uniform),
        cmocka_unit_test(test_permutations_are_uniform),
        cmocka_unit_test(test_permutation_of_many),
        cmocka_unit_test(test_shuffle_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
