/*
 * Every operation under every protocol against clear arithmetic, all parties in threads.  A wrong
 * value aborts in the thread that sees it (CM_ASSERT): cmocka's own asserts belong to the main one.
 */
#include "proto/proto.h"
#include "support/parties.h"

#include "share/kern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { PARTICIPANTS = 6, PARTIES = 3, PLANES = 5 };

static const size_t row_counts[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, 1000};
static const cm_ticket ticket = {CM_TICKET_RESULT, "test"};

typedef struct job {
    size_t rows;
    uint64_t seed; /* of the data */
} job;

static void ok(cm_status status)
{
    CM_ASSERT(status == CM_OK);
}

/* fn under every protocol, for every row count; participants beyond the parties take part. */
static void run_all(cm_party_fn fn)
{
    static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};

    for (size_t p = 0; p < CM_COUNT(protocols); p++) {
        for (size_t r = 0; r < CM_COUNT(row_counts); r++) {
            job j = {.rows = row_counts[r], .seed = r};
            cm_run_parties(protocols[p], PARTICIPANTS, PARTIES, 7, NULL, fn, &j);
        }
    }
}

/* Public planes with arbitrary bits past the last row, equal at everybody. */
static uint64_t *random_planes(cm_arena *arena, unsigned planes, size_t rows, uint64_t seed)
{
    size_t words = planes * cm_words_of(rows);
    uint64_t *ret = CM_NEW(arena, uint64_t, words);
    cm_rng rng = {seed};

    for (size_t w = 0; w < words; w++) {
        ret[w] = cm_rng_next(&rng);
    }
    return ret;
}

static uint64_t keep_of(size_t rows, size_t word)
{
    size_t left = rows - 64 * word;
    return left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1;
}

static cm_bcol input_bits(cm_mpc *mpc, cm_arena *arena, unsigned owner, const uint64_t *planes_of,
                          unsigned planes, size_t rows)
{
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), planes, rows);
    ok(cm_mpc_input_bits(mpc, owner, cm_mpc_me(mpc) == owner ? planes_of : NULL, planes, rows, z,
                         *arena));
    return z;
}

static cm_acol input_words(cm_mpc *mpc, cm_arena *arena, unsigned owner, const uint64_t *values,
                           size_t rows)
{
    cm_acol z = cm_acol_new(arena, cm_mpc_legs(mpc), rows);
    ok(cm_mpc_input_words(mpc, owner, cm_mpc_me(mpc) == owner ? values : NULL, rows, z, *arena));
    return z;
}

/* Opens x to all parties and compares with expect, but for bits past the last row: they are 0. */
static void expect_bits(cm_mpc *mpc, cm_bcol x, const uint64_t *expect, cm_arena scratch)
{
    uint64_t *got = CM_NEW(&scratch, uint64_t, x.planes * x.words);

    if (!cm_mpc_computes(mpc)) {
        return;
    }
    ok(cm_mpc_open_bits(mpc, x, &ticket, got, scratch));
    for (unsigned p = 0; p < x.planes; p++) {
        for (size_t w = 0; w < x.words; w++) {
            CM_ASSERT(got[p * x.words + w] == (expect[p * x.words + w] & keep_of(x.rows, w)));
        }
    }
}

static void expect_words(cm_mpc *mpc, cm_acol x, const uint64_t *expect, cm_arena scratch)
{
    uint64_t *got = CM_NEW(&scratch, uint64_t, x.rows);

    if (!cm_mpc_computes(mpc)) {
        return;
    }
    ok(cm_mpc_open_words(mpc, x, &ticket, got, scratch));
    CM_ASSERT(x.rows == 0 || memcmp(got, expect, x.rows * sizeof *got) == 0);
}

/* ---- input and openings ------------------------------------------------------------------ */

static void inputs(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    size_t rows = j->rows, words = cm_words_of(rows);

    for (unsigned owner = 0; owner < PARTICIPANTS; owner++) {
        uint64_t *bits = random_planes(arena, PLANES, rows, j->seed + owner);
        cm_bcol x = input_bits(mpc, arena, owner, bits, PLANES, rows);
        expect_bits(mpc, x, bits, *arena);

        uint64_t *values = random_planes(arena, 1, 64 * rows, j->seed + 100 + owner);
        cm_acol y = input_words(mpc, arena, owner, values, rows);
        expect_words(mpc, y, values, *arena);

        for (unsigned to = 0; to < PARTICIPANTS; to++) {
            bool mine = cm_mpc_me(mpc) == to;
            uint64_t *got = CM_NEW(arena, uint64_t, PLANES * words);
            ok(cm_mpc_open_bits_to(mpc, to, x, PLANES, rows, &ticket, mine ? got : NULL, *arena));
            for (size_t w = 0; mine && w < PLANES * words; w++) {
                CM_ASSERT(got[w] == (bits[w] & keep_of(rows, w % words)));
            }
        }
    }

    uint64_t openings = cm_mpc_opened(mpc, CM_TICKET_RESULT);
    size_t to_parties =
        cm_mpc_computes(mpc) ? 2 * PARTICIPANTS + PARTICIPANTS * PARTICIPANTS : PARTICIPANTS;
    CM_ASSERT(openings == to_parties * rows);
    CM_ASSERT(cm_mpc_opened(mpc, CM_TICKET_MASKED) == 0);
}

static void test_inputs_and_openings(void **state)
{
    (void)state;
    run_all(inputs);
}

/* ---- local ------------------------------------------------------------------------------- */

static void locals(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    size_t rows = j->rows, words = cm_words_of(rows);
    uint64_t *bits = random_planes(arena, PLANES, rows, j->seed);
    uint64_t *mask = random_planes(arena, 1, rows, j->seed + 1);
    cm_bcol x = input_bits(mpc, arena, 1, bits, PLANES, rows);
    uint64_t *values = random_planes(arena, 1, 64 * rows, j->seed + 2);
    cm_acol v = input_words(mpc, arena, 4, values, rows);

    if (!cm_mpc_computes(mpc)) {
        return;
    }
    cm_mpc_xor_public(mpc, x, 1, mask);
    cm_mpc_not(mpc, x, 2);
    cm_mpc_set_public(mpc, x, 3, true);
    cm_mpc_set_public(mpc, x, 4, false);
    cm_mpc_add_public(mpc, v, 0xfedcba9876543210);
    for (size_t w = 0; w < words; w++) {
        bits[words + w] ^= mask[w];
        bits[2 * words + w] = ~bits[2 * words + w];
        bits[3 * words + w] = UINT64_MAX;
        bits[4 * words + w] = 0;
    }
    for (size_t r = 0; r < rows; r++) {
        values[r] += 0xfedcba9876543210;
    }
    expect_bits(mpc, x, bits, *arena);
    expect_words(mpc, v, values, *arena);

    cm_bcol constant = cm_bcol_new(arena, cm_mpc_legs(mpc), PLANES, rows);
    cm_mpc_random_bits(mpc, constant);
    cm_mpc_public_bits(mpc, bits, constant);
    expect_bits(mpc, constant, bits, *arena);
}

static void test_local_operations(void **state)
{
    (void)state;
    run_all(locals);
}

/* All parties agree on random bits, which are not constant, and do not repeat. */
static void randoms(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    (void)arg;
    if (!cm_mpc_computes(mpc)) {
        return;
    }
    uint64_t got[2][16], all = 0;
    for (unsigned i = 0; i < 2; i++) {
        cm_bcol x = cm_bcol_new(arena, cm_mpc_legs(mpc), 1, 1024);
        cm_mpc_random_bits(mpc, x);
        ok(cm_mpc_open_bits(mpc, x, &ticket, got[i], *arena));
    }
    for (unsigned w = 0; w < 16; w++) {
        all |= got[0][w] ^ got[1][w];
    }
    CM_ASSERT(all != 0 && memcmp(got[0], got[1], sizeof got[0]) != 0);
}

static void test_random_bits(void **state)
{
    (void)state;
    cm_run_parties(CM_PROTOCOL_CLEAR, 2, 2, 1, NULL, randoms, NULL);
    cm_run_parties(CM_PROTOCOL_REP3, 3, 3, 1, NULL, randoms, NULL);
}

/* ---- products ---------------------------------------------------------------------------- */

static void ands(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    size_t rows = j->rows, words = cm_words_of(rows);
    uint64_t *a = random_planes(arena, PLANES, rows, j->seed);
    uint64_t *b = random_planes(arena, PLANES, rows, j->seed + 1);
    uint64_t *expect = CM_NEW(arena, uint64_t, PLANES * words);
    cm_bcol x = input_bits(mpc, arena, 0, a, PLANES, rows);
    cm_bcol y = input_bits(mpc, arena, 5, b, PLANES, rows);

    if (!cm_mpc_computes(mpc)) {
        return;
    }
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), PLANES, rows);
    ok(cm_mpc_and_col(mpc, x, y, z, *arena));
    for (size_t w = 0; w < PLANES * words; w++) {
        expect[w] = a[w] & b[w];
    }
    expect_bits(mpc, z, expect, *arena);

    ok(cm_mpc_and_col(mpc, x, cm_bcol_planes(y, 3, 1), z, *arena));
    for (size_t w = 0; w < PLANES * words; w++) {
        expect[w] = a[w] & b[3 * words + w % (words ? words : 1)];
    }
    expect_bits(mpc, z, expect, *arena);

    /* Over its own inputs, with planes of both columns in one message. */
    cm_plane in_x[2] = {cm_bcol_plane(x, 0), cm_bcol_plane(y, 2)};
    cm_plane in_y[2] = {cm_bcol_plane(y, 1), cm_bcol_plane(x, 4)};
    cm_plane out[2] = {in_x[0], in_y[1]};
    ok(cm_mpc_and(mpc, in_x, in_y, out, 2, words, *arena));
    for (size_t w = 0; w < words; w++) {
        a[w] &= b[words + w];
        a[4 * words + w] &= b[2 * words + w];
    }
    expect_bits(mpc, x, a, *arena);
}

static void test_and(void **state)
{
    (void)state;
    run_all(ands);
}

/* Short planes take the bits of their rows: 70 planes of 3 rows are 4 words, and of 63 rows 69. */
static void short_ands(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    enum { SHORT_PLANES = 70 };
    static const struct {
        size_t rows, words;
    } sizes[] = {{1, 2}, {3, 4}, {63, 69}, {65, 72}, {511, 559}, {512, 560}};

    (void)arg;
    for (size_t i = 0; i < CM_COUNT(sizes); i++) {
        size_t rows = sizes[i].rows, words = cm_words_of(rows);
        uint64_t *a = random_planes(arena, SHORT_PLANES, rows, i);
        uint64_t *b = random_planes(arena, SHORT_PLANES, rows, i + 1);
        cm_bcol x = input_bits(mpc, arena, 0, a, SHORT_PLANES, rows);
        cm_bcol y = input_bits(mpc, arena, 1, b, SHORT_PLANES, rows);
        uint64_t before = cm_mpc_statistics(mpc).bytes_sent;
        ok(cm_mpc_and_col(mpc, x, y, x, *arena));
        uint64_t sent = cm_mpc_statistics(mpc).bytes_sent - before;
        CM_ASSERT(sent == 8 * sizes[i].words + 4);
        for (size_t w = 0; w < SHORT_PLANES * words; w++) {
            a[w] &= b[w];
        }
        expect_bits(mpc, x, a, *arena);
    }
}

static void test_and_of_short_planes(void **state)
{
    (void)state;
    cm_run_parties(CM_PROTOCOL_REP3, PARTIES, PARTIES, 7, NULL, short_ands, NULL);
}

/* Longer than one message, and entries that straddle messages. */
static void test_and_of_many_messages(void **state)
{
    (void)state;
    job j = {.rows = 64 * 9000 + 1, .seed = 3};
    cm_run_parties(CM_PROTOCOL_REP3, PARTICIPANTS, PARTIES, 7, NULL, ands, &j);
}

static bool bit_at(const uint64_t *planes, size_t words, size_t plane, size_t row)
{
    return (planes[plane * words + row / 64] >> (row % 64) & 1) != 0;
}

static void flip_if(uint64_t *planes, size_t words, size_t plane, size_t row, bool flip)
{
    planes[plane * words + row / 64] ^= (uint64_t)flip << (row % 64);
}

/* Sums over `terms` planes, and over rows, of products of bits. */
static void bit_sums(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    enum { TERMS = 70, SUMS = 3 };
    const job *j = arg;
    size_t rows = j->rows, words = cm_words_of(rows), few = cm_words_of(TERMS);
    uint64_t *a = random_planes(arena, TERMS * SUMS, rows, j->seed);
    uint64_t *b = random_planes(arena, TERMS * SUMS, rows, j->seed + 1);
    uint64_t *t = random_planes(arena, SUMS, TERMS, j->seed + 2);
    uint64_t *sum = CM_NEW(arena, uint64_t, SUMS * words);
    uint64_t *product = CM_NEW(arena, uint64_t, SUMS * words);
    uint64_t *inner = CM_NEW(arena, uint64_t, SUMS * few);
    cm_bcol x = input_bits(mpc, arena, 3, a, TERMS * SUMS, rows);
    cm_bcol y = input_bits(mpc, arena, 1, b, TERMS * SUMS, rows);
    cm_bcol by = input_bits(mpc, arena, 0, t, SUMS, TERMS);

    if (!cm_mpc_computes(mpc)) {
        return;
    }
    for (size_t p = 0; p < SUMS; p++) {
        for (size_t k = 0; k < TERMS; k++) {
            for (size_t r = 0; r < rows; r++) {
                bool own = bit_at(a, words, p * TERMS + k, r) && bit_at(b, words, p * TERMS + k, r);
                bool both = bit_at(a, words, p, r) && bit_at(b, words, k, r);
                flip_if(sum, words, p, r, own);
                flip_if(product, words, p, r, bit_at(t, few, p, k) && bit_at(b, words, k, r));
                flip_if(inner, few, p, k, both);
            }
        }
    }
    cm_plane in_x[TERMS * SUMS], in_y[TERMS * SUMS], out[SUMS];
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), SUMS, rows);
    cm_bcol short_z = cm_bcol_new(arena, cm_mpc_legs(mpc), SUMS, TERMS);
    for (unsigned p = 0; p < TERMS * SUMS; p++) {
        in_x[p] = cm_bcol_plane(x, p);
        in_y[p] = cm_bcol_plane(y, p);
    }
    for (unsigned p = 0; p < SUMS; p++) {
        out[p] = cm_bcol_plane(z, p);
    }
    uint64_t before = cm_mpc_statistics(mpc).bytes_sent;
    ok(cm_mpc_and_sum(mpc, in_x, in_y, out, SUMS, TERMS, words, *arena));
    uint64_t sent = cm_mpc_statistics(mpc).bytes_sent - before;
    CM_ASSERT(cm_mpc_parties(mpc) == 1 || sent <= SUMS * words * 8 + 4 * (words / 128 + 1));
    expect_bits(mpc, z, sum, *arena);
    ok(cm_mpc_bits_product(mpc, by, cm_bcol_planes(y, 0, TERMS), z, *arena));
    expect_bits(mpc, z, product, *arena);
    ok(cm_mpc_bits_inner(mpc, cm_bcol_planes(x, 0, SUMS), cm_bcol_planes(y, 0, TERMS), short_z,
                         *arena));
    expect_bits(mpc, short_z, inner, *arena);
}

static void test_bit_sums(void **state)
{
    (void)state;
    run_all(bit_sums);
}

/* More words than are sent ahead, and more planes than a message of few words. */
static void test_bit_sums_in_blocks(void **state)
{
    (void)state;
    job j = {.rows = 64 * 1500 + 7, .seed = 9};
    cm_run_parties(CM_PROTOCOL_REP3, PARTICIPANTS, PARTIES, 7, NULL, bit_sums, &j);
}

static void products(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    size_t rows = j->rows;
    uint64_t *a = random_planes(arena, 1, 64 * rows, j->seed);
    uint64_t *b = random_planes(arena, 1, 64 * rows, j->seed + 1);
    uint64_t *expect = CM_NEW(arena, uint64_t, rows);
    cm_acol x = input_words(mpc, arena, 3, a, rows), y = input_words(mpc, arena, 2, b, rows);

    if (!cm_mpc_computes(mpc)) {
        return;
    }
    cm_acol z = cm_acol_new(arena, cm_mpc_legs(mpc), rows);
    uint64_t dots[3] = {0};
    ok(cm_mpc_mul(mpc, x, y, z, *arena));
    for (size_t r = 0; r < rows; r++) {
        expect[r] = a[r] * b[r];
        dots[0] += a[r] * b[r];
        dots[1] += a[r] * a[r];
    }
    expect_words(mpc, z, expect, *arena);

    cm_acol in_x[3] = {x, x, cm_acol_slice(x, 0, 0)};
    cm_acol in_y[3] = {y, x, cm_acol_slice(y, 0, 0)};
    cm_acol sums = cm_acol_new(arena, cm_mpc_legs(mpc), 3);
    ok(cm_mpc_dot(mpc, in_x, in_y, 3, sums, *arena));
    expect_words(mpc, sums, dots, *arena);
    ok(cm_mpc_dot(mpc, NULL, NULL, 0, cm_acol_slice(sums, 0, 0), *arena));
}

static void test_products(void **state)
{
    (void)state;
    run_all(products);
}

/* ---- protocols --------------------------------------------------------------------------- */

static void test_protocols_by_name(void **state)
{
    (void)state;
    cm_protocol p;

    assert_int_equal(cm_protocol_by_name("rep3", &p), CM_OK);
    assert_int_equal(p, CM_PROTOCOL_REP3);
    assert_int_equal(cm_protocol_info_of(p)->parties, 3);
    assert_int_equal(cm_protocol_info_of(p)->legs, 2);
    assert_int_equal(cm_protocol_by_name("clear", &p), CM_OK);
    assert_int_equal(p, CM_PROTOCOL_CLEAR);
    assert_int_equal(cm_protocol_by_name("rep33", &p), CM_ENOTFOUND);
}

static void test_wrong_number_of_parties(void **state)
{
    (void)state;
    cm_mesh *mesh[4];
    cm_mpc *mpc = NULL;

    assert_int_equal(cm_mesh_new_memory(4, 100, mesh), CM_OK);
    static const unsigned wrong[] = {0, 2, 4, 5};
    for (size_t i = 0; i < CM_COUNT(wrong); i++) {
        cm_diag diag = {0};
        assert_int_equal(cm_mpc_new(CM_PROTOCOL_REP3, mesh[3], wrong[i], NULL, &mpc, &diag),
                         CM_EINVAL);
        assert_non_null(strstr(diag.message, "rep3"));
        assert_null(mpc);
    }
    for (unsigned i = 0; i < 4; i++) {
        cm_mesh_free(mesh[i]);
    }
    cm_mpc_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs_and_openings),
        cmocka_unit_test(test_local_operations),
        cmocka_unit_test(test_random_bits),
        cmocka_unit_test(test_and),
        cmocka_unit_test(test_and_of_short_planes),
        cmocka_unit_test(test_and_of_many_messages),
        cmocka_unit_test(test_bit_sums),
        cmocka_unit_test(test_bit_sums_in_blocks),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_protocols_by_name),
        cmocka_unit_test(test_wrong_number_of_parties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
