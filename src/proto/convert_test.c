/* Conversions and the adder, against arithmetic on words; and what they cost. */
#include "proto/proto_int.h"
#include "support/parties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const size_t row_counts[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, 1000};
static const cm_protocol protocols[] = {CM_PROTOCOL_CLEAR, CM_PROTOCOL_REP3};
static const cm_ticket ticket = {CM_TICKET_RESULT, "test"};

typedef struct job {
    size_t rows;
    unsigned planes, other_planes;
} job;

static void ok(cm_status status)
{
    CM_ASSERT(status == CM_OK);
}

static uint64_t low_bits(unsigned bits)
{
    return bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

/* Values of so many bits, with the extremes among them: carries through the whole word. */
static uint64_t *random_values(cm_arena *arena, unsigned bits, size_t rows, uint64_t seed)
{
    uint64_t *ret = CM_NEW(arena, uint64_t, rows);
    cm_rng rng = {seed};

    for (size_t r = 0; r < rows; r++) {
        uint64_t special[] = {
            0, 1, UINT64_MAX, UINT64_C(1) << 63, cm_rng_next(&rng), cm_rng_next(&rng)};
        ret[r] = special[cm_rng_below(&rng, CM_COUNT(special))] & low_bits(bits);
    }
    return ret;
}

static cm_bcol input_values(cm_mpc *mpc, cm_arena *arena, const uint64_t *values, unsigned planes,
                            size_t rows)
{
    uint64_t *plane_words = CM_NEW(arena, uint64_t, planes * cm_words_of(rows));
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), planes, rows);

    cm_planes_pack(values, 1, rows, planes, plane_words);
    ok(cm_mpc_input_bits(mpc, 2, cm_mpc_me(mpc) == 2 ? plane_words : NULL, planes, rows, z,
                         *arena));
    return z;
}

static cm_acol input_ring(cm_mpc *mpc, cm_arena *arena, const uint64_t *values, size_t rows)
{
    cm_acol z = cm_acol_new(arena, cm_mpc_legs(mpc), rows);
    ok(cm_mpc_input_words(mpc, 1, cm_mpc_me(mpc) == 1 ? values : NULL, rows, z, *arena));
    return z;
}

static void expect_values(cm_mpc *mpc, cm_bcol x, const uint64_t *expect, cm_arena scratch)
{
    uint64_t *opened = CM_NEW(&scratch, uint64_t, x.planes * x.words);
    uint64_t *got = CM_NEW(&scratch, uint64_t, x.rows);

    ok(cm_mpc_open_bits(mpc, x, &ticket, opened, scratch));
    cm_planes_unpack(opened, x.rows, x.planes, 1, got);
    for (size_t r = 0; r < x.rows; r++) {
        CM_ASSERT(got[r] == (expect[r] & low_bits(x.planes)));
    }
}

static void expect_ring(cm_mpc *mpc, cm_acol x, const uint64_t *expect, cm_arena scratch)
{
    uint64_t *got = CM_NEW(&scratch, uint64_t, x.rows);

    ok(cm_mpc_open_words(mpc, x, &ticket, got, scratch));
    for (size_t r = 0; r < x.rows; r++) {
        CM_ASSERT(got[r] == expect[r]);
    }
}

static void run(cm_party_fn fn, job j)
{
    for (size_t p = 0; p < CM_COUNT(protocols); p++) {
        cm_run_parties(protocols[p], 3, 3, 11, NULL, fn, &j);
    }
}

/* ---- adder ------------------------------------------------------------------------------- */

static void additions(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    uint64_t *a = random_values(arena, j->planes, j->rows, 1);
    uint64_t *b = random_values(arena, j->other_planes, j->rows, 2);
    cm_bcol x = input_values(mpc, arena, a, j->planes, j->rows);
    cm_bcol y = input_values(mpc, arena, b, j->other_planes, j->rows);
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), j->planes, j->rows);

    ok(cm_adder(mpc, x, y, z, *arena));
    for (size_t r = 0; r < j->rows; r++) {
        a[r] += b[r];
    }
    expect_values(mpc, z, a, *arena);
}

static void test_adder_of_every_width(void **state)
{
    (void)state;
    for (unsigned planes = 0; planes <= 64; planes++) {
        unsigned others[] = {planes, 1, planes / 2, planes / 3 + 1, planes ? planes - 1 : 0, 0};
        for (size_t i = 0; i < CM_COUNT(others); i++) {
            if (others[i] <= planes) {
                run(additions, (job){.rows = 300, .planes = planes, .other_planes = others[i]});
            }
        }
    }
}

static uint64_t cost_of_adder;

static void count_adder(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    cm_bcol x = cm_bcol_new(arena, cm_mpc_legs(mpc), j->planes, j->rows);
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), j->planes, j->rows);
    cm_mesh_stats before = cm_mpc_statistics(mpc);

    mpc->round_bytes = CM_ROUND_BYTES_MAX;
    ok(cm_adder(mpc, x, x, z, *arena));
    cm_mesh_stats after = cm_mpc_statistics(mpc);
    CM_ASSERT(after.rounds - before.rounds == 9); /* one for all windows, where rounds are dear */
    if (cm_mpc_me(mpc) == 0) {
        cost_of_adder = after.bytes_sent - before.bytes_sent;
    }
}

static void test_adder_cost(void **state)
{
    (void)state;
    job j = {.rows = 64000, .planes = 64};
    cm_run_parties(CM_PROTOCOL_REP3, 3, 3, 1, NULL, count_adder, &j);
    /* 209 ANDs a row, and at most a hundredth for frame headers. */
    assert_in_range(cost_of_adder, 209 * 8000, 209 * 8080);
}

/* ---- conversions ------------------------------------------------------------------------- */

static void to_ring(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    uint64_t *values = random_values(arena, j->planes, j->rows, j->rows + j->planes);
    cm_bcol x = input_values(mpc, arena, values, j->planes, j->rows);
    cm_acol z = cm_acol_new(arena, cm_mpc_legs(mpc), j->rows);

    ok(cm_mpc_bits_to_ring(mpc, x, z, *arena));
    expect_ring(mpc, z, values, *arena);
    /* Again: streams have moved on, and the result is an independent sharing that multiplies. */
    cm_acol again = cm_acol_new(arena, cm_mpc_legs(mpc), j->rows);
    cm_acol product = cm_acol_new(arena, cm_mpc_legs(mpc), j->rows);
    ok(cm_mpc_bits_to_ring(mpc, x, again, *arena));
    ok(cm_mpc_mul(mpc, z, again, product, *arena));
    for (size_t r = 0; r < j->rows; r++) {
        values[r] *= values[r];
    }
    expect_ring(mpc, product, values, *arena);
}

static void test_bits_to_ring(void **state)
{
    (void)state;
    for (unsigned planes = 0; planes <= 64; planes++) {
        run(to_ring, (job){.rows = 200, .planes = planes});
    }
    for (size_t r = 0; r < CM_COUNT(row_counts); r++) {
        run(to_ring, (job){.rows = row_counts[r], .planes = 4});
        run(to_ring, (job){.rows = row_counts[r], .planes = 40});
    }
}

static void each_bit_to_ring(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    uint64_t *values = random_values(arena, j->planes, j->rows, j->rows);
    cm_bcol x = input_values(mpc, arena, values, j->planes, j->rows);
    cm_acol *z = CM_NEW(arena, cm_acol, j->planes);

    for (unsigned p = 0; p < j->planes; p++) {
        z[p] = cm_acol_new(arena, cm_mpc_legs(mpc), j->rows);
    }
    ok(cm_mpc_bit_to_ring(mpc, x, z, *arena));
    for (unsigned p = 0; p < j->planes; p++) {
        uint64_t *expect = CM_NEW(arena, uint64_t, j->rows);
        for (size_t r = 0; r < j->rows; r++) {
            expect[r] = (values[r] >> p) & 1;
        }
        expect_ring(mpc, z[p], expect, *arena);
    }
}

static void test_bit_to_ring(void **state)
{
    (void)state;
    for (size_t r = 0; r < CM_COUNT(row_counts); r++) {
        run(each_bit_to_ring, (job){.rows = row_counts[r], .planes = 0});
        run(each_bit_to_ring, (job){.rows = row_counts[r], .planes = 1});
        run(each_bit_to_ring, (job){.rows = row_counts[r], .planes = 7});
    }
}

static void to_bits(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    uint64_t *values = random_values(arena, 64, j->rows, j->rows + j->planes);
    cm_acol x = input_ring(mpc, arena, values, j->rows);
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), j->planes, j->rows);

    ok(cm_mpc_ring_to_bits(mpc, x, z, *arena));
    expect_values(mpc, z, values, *arena);
}

static void test_ring_to_bits(void **state)
{
    (void)state;
    for (unsigned planes = 0; planes <= 64; planes++) {
        run(to_bits, (job){.rows = 200, .planes = planes});
    }
    for (size_t r = 0; r < CM_COUNT(row_counts); r++) {
        run(to_bits, (job){.rows = row_counts[r], .planes = 64});
    }
}

/* There and back, over many rows with bits past the last one. */
static void there_and_back(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    const job *j = arg;
    uint64_t *values = random_values(arena, 64, j->rows, 5);
    cm_bcol x = input_values(mpc, arena, values, 64, j->rows);
    cm_acol ring = cm_acol_new(arena, cm_mpc_legs(mpc), j->rows);
    cm_bcol z = cm_bcol_new(arena, cm_mpc_legs(mpc), 64, j->rows);

    ok(cm_mpc_bits_to_ring(mpc, x, ring, *arena));
    ok(cm_mpc_ring_to_bits(mpc, ring, z, *arena));
    expect_values(mpc, z, values, *arena);
    bool masks = cm_mpc_protocol(mpc) == CM_PROTOCOL_REP3;
    CM_ASSERT(cm_mpc_opened(mpc, CM_TICKET_MASKED) == (masks ? j->rows : 0));
}

static void test_there_and_back(void **state)
{
    (void)state;
    run(there_and_back, (job){.rows = 20001});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adder_of_every_width), cmocka_unit_test(test_adder_cost),
        cmocka_unit_test(test_bits_to_ring),         cmocka_unit_test(test_bit_to_ring),
        cmocka_unit_test(test_ring_to_bits),         cmocka_unit_test(test_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
