/*
 * Operations in lanes give what they give in one, at sizes around the lanes' cuts; messages of
 * every lane depend on sizes and the number of lanes alone; a lane that fails is the session's
 * failure.
 */
#include "support/parties.h"

#include "proto/proto_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PLANES = 13, RESULTS = 3 };

static const cm_ticket TICKET = {CM_TICKET_RESULT, "test: results of lanes"};

/* All operations on random values of a seed, into the order of the results; sums[i] is what party i
 * found, to be compared. */
typedef struct job {
    size_t rows;
    uint64_t seed;
    unsigned outside; /* a participant that only gives input and receives; 0: none */
    bool wrong[4];
    uint64_t opened[4], bytes[4];
} job;

static uint64_t *random_words(cm_arena *arena, cm_rng *rng, size_t words)
{
    uint64_t *ret = CM_NEW(arena, uint64_t, words);

    for (size_t i = 0; i < words; i++) {
        ret[i] = cm_rng_next(rng);
    }
    return ret;
}

static const uint64_t *mine(const cm_mpc *mpc, unsigned owner, const uint64_t *values)
{
    return cm_mpc_me(mpc) == owner ? values : NULL;
}

static bool equal_bits(cm_mpc *mpc, cm_bcol x, const uint64_t *expected, cm_arena arena)
{
    uint64_t *opened = CM_NEW(&arena, uint64_t, x.planes * x.words);
    bool equal = true;

    assert_int_equal(cm_mpc_open_bits(mpc, x, &TICKET, opened, arena), CM_OK);
    for (unsigned p = 0; p < x.planes; p++) {
        for (size_t r = 0; r < x.rows; r++) {
            size_t w = p * x.words + r / 64;
            equal &= ((opened[w] ^ expected[w]) >> (r % 64) & 1) == 0;
        }
    }
    return equal;
}

static bool equal_words(cm_mpc *mpc, cm_acol x, const uint64_t *expected, cm_arena arena)
{
    uint64_t *opened = CM_NEW(&arena, uint64_t, x.rows);

    assert_int_equal(cm_mpc_open_words(mpc, x, &TICKET, opened, arena), CM_OK);
    return memcmp(opened, expected, x.rows * sizeof *opened) == 0;
}

static bool bits_are_right(cm_mpc *mpc, const job *j, cm_rng *rng, cm_arena arena)
{
    unsigned legs = cm_mpc_legs(mpc);
    size_t words = PLANES * cm_words_of(j->rows);
    uint64_t *x = random_words(&arena, rng, words), *y = random_words(&arena, rng, words);
    uint64_t *expected = CM_NEW(&arena, uint64_t, words);
    uint64_t *values = CM_NEW(&arena, uint64_t, j->rows);
    cm_bcol a = cm_bcol_new(&arena, legs, PLANES, j->rows);
    cm_bcol b = cm_bcol_new(&arena, legs, PLANES, j->rows);
    cm_bcol z = cm_bcol_new(&arena, legs, PLANES, j->rows);
    cm_acol ring = cm_acol_new(&arena, legs, j->rows);
    cm_acol each[PLANES];

    assert_int_equal(cm_mpc_input_bits(mpc, 1, mine(mpc, 1, x), PLANES, j->rows, a, arena), CM_OK);
    assert_int_equal(cm_mpc_input_bits(mpc, 2, mine(mpc, 2, y), PLANES, j->rows, b, arena), CM_OK);
    assert_int_equal(cm_mpc_and_col(mpc, a, b, z, arena), CM_OK);
    for (size_t i = 0; i < words; i++) {
        expected[i] = x[i] & y[i];
    }
    bool right = equal_bits(mpc, z, expected, arena);
    assert_int_equal(cm_mpc_bits_to_ring(mpc, a, ring, arena), CM_OK);
    cm_planes_unpack(x, j->rows, PLANES, 1, values);
    right &= equal_words(mpc, ring, values, arena);
    assert_int_equal(cm_mpc_ring_to_bits(mpc, ring, z, arena), CM_OK);
    right &= equal_bits(mpc, z, x, arena);
    for (unsigned p = 0; p < PLANES; p++) {
        each[p] = cm_acol_new(&arena, legs, j->rows);
    }
    assert_int_equal(cm_mpc_bit_to_ring(mpc, b, each, arena), CM_OK);
    for (unsigned p = 0; p < PLANES; p++) {
        for (size_t r = 0; r < j->rows; r++) {
            values[r] = y[p * a.words + r / 64] >> (r % 64) & 1;
        }
        right &= equal_words(mpc, each[p], values, arena);
    }
    return right;
}

static bool words_are_right(cm_mpc *mpc, const job *j, cm_rng *rng, cm_arena arena)
{
    unsigned legs = cm_mpc_legs(mpc);
    uint64_t *x = random_words(&arena, rng, j->rows), *y = random_words(&arena, rng, j->rows);
    uint64_t *expected = CM_NEW(&arena, uint64_t, j->rows);
    uint64_t dots[RESULTS] = {0};
    cm_acol a = cm_acol_new(&arena, legs, j->rows), b = cm_acol_new(&arena, legs, j->rows);
    cm_acol z = cm_acol_new(&arena, legs, j->rows);
    cm_acol sums = cm_acol_new(&arena, legs, RESULTS);
    size_t half = j->rows / 2;

    assert_int_equal(cm_mpc_input_words(mpc, 0, mine(mpc, 0, x), j->rows, a, arena), CM_OK);
    assert_int_equal(cm_mpc_input_words(mpc, 2, mine(mpc, 2, y), j->rows, b, arena), CM_OK);
    assert_int_equal(cm_mpc_mul(mpc, a, b, z, arena), CM_OK);
    for (size_t r = 0; r < j->rows; r++) {
        expected[r] = x[r] * y[r];
        dots[0] += x[r] * y[r];
        dots[1] += x[r] * x[r];
        dots[2] += r < half ? y[r] * y[r] : 0;
    }
    bool right = equal_words(mpc, z, expected, arena);
    const cm_acol left[RESULTS] = {a, a, cm_acol_slice(b, 0, half)};
    const cm_acol other[RESULTS] = {b, a, cm_acol_slice(b, 0, half)};
    assert_int_equal(cm_mpc_dot(mpc, left, other, RESULTS, sums, arena), CM_OK);
    return right & equal_words(mpc, sums, dots, arena);
}

static int compare_words(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Two ring columns and planes stay together; nothing is lost; and rows do move. */
static bool shuffle_is_right(cm_mpc *mpc, const job *j, cm_rng *rng, cm_arena arena)
{
    unsigned legs = cm_mpc_legs(mpc);
    uint64_t *x = random_words(&arena, rng, j->rows);
    uint64_t *low = CM_NEW(&arena, uint64_t, PLANES * cm_words_of(j->rows));
    uint64_t *words = CM_NEW(&arena, uint64_t, j->rows), *bits = CM_NEW(&arena, uint64_t, j->rows);
    uint64_t *opened = CM_NEW(&arena, uint64_t, PLANES * cm_words_of(j->rows));
    cm_acol ring[2] = {cm_acol_new(&arena, legs, j->rows), cm_acol_new(&arena, legs, j->rows)};
    cm_bcol planes = cm_bcol_new(&arena, legs, PLANES, j->rows);
    bool right = true;

    cm_planes_pack(x, 1, j->rows, PLANES, low);
    assert_int_equal(cm_mpc_input_words(mpc, 0, mine(mpc, 0, x), j->rows, ring[0], arena), CM_OK);
    assert_int_equal(cm_mpc_input_bits(mpc, 1, mine(mpc, 1, low), PLANES, j->rows, planes, arena),
                     CM_OK);
    cm_acol_scale(ring[0], 3, ring[1]);
    for (unsigned times = 0; times < 3; times++) {
        assert_int_equal(cm_mpc_shuffle(mpc, ring, 2, &planes, 1, arena), CM_OK);
    }
    assert_int_equal(cm_mpc_open_words(mpc, ring[0], &TICKET, words, arena), CM_OK);
    for (size_t r = 0; r < j->rows; r++) {
        bits[r] = 3 * words[r];
    }
    right &= equal_words(mpc, ring[1], bits, arena);
    assert_int_equal(cm_mpc_open_bits(mpc, planes, &TICKET, opened, arena), CM_OK);
    cm_planes_unpack(opened, j->rows, PLANES, 1, bits);
    size_t moved = 0;
    for (size_t r = 0; r < j->rows; r++) {
        right &= bits[r] == (words[r] & ((UINT64_C(1) << PLANES) - 1));
        moved += words[r] != x[r];
    }
    right &= moved > j->rows / 2 || j->rows < 8;
    qsort(x, j->rows, sizeof *x, compare_words);
    qsort(words, j->rows, sizeof *words, compare_words);
    return right & (memcmp(x, words, j->rows * sizeof *x) == 0);
}

/* An owner and receiver outside has one lane, the others do not mind. */
static bool outside_is_right(cm_mpc *mpc, const job *j, cm_rng *rng, cm_arena arena)
{
    size_t words = cm_words_of(j->rows);
    uint64_t *x = random_words(&arena, rng, words), *opened = CM_NEW(&arena, uint64_t, words);
    cm_bcol a = cm_bcol_new(&arena, cm_mpc_legs(mpc), 1, j->rows);
    bool receives = cm_mpc_me(mpc) == j->outside;

    assert_int_equal(
        cm_mpc_input_bits(mpc, j->outside, mine(mpc, j->outside, x), 1, j->rows, a, arena), CM_OK);
    assert_int_equal(cm_mpc_open_bits_to(mpc, j->outside, a, 1, j->rows, &TICKET,
                                         receives ? opened : NULL, arena),
                     CM_OK);
    for (size_t r = 0; receives && r < j->rows; r++) {
        if (((x[r / 64] ^ opened[r / 64]) >> (r % 64) & 1) != 0) {
            return false;
        }
    }
    return true;
}

static void do_everything(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    job *j = arg;
    cm_rng rng = {j->seed};
    unsigned me = cm_mpc_me(mpc);

    if (cm_mpc_computes(mpc)) {
        j->wrong[me] |= !bits_are_right(mpc, j, &rng, *arena);
        j->wrong[me] |= !words_are_right(mpc, j, &rng, *arena);
        j->wrong[me] |= !shuffle_is_right(mpc, j, &rng, *arena);
    }
    rng.state = ~j->seed;
    if (j->outside != 0) {
        j->wrong[me] |= !outside_is_right(mpc, j, &rng, *arena);
    }
    j->opened[me] = cm_mpc_opened(mpc, CM_TICKET_RESULT);
    j->bytes[me] = cm_mpc_statistics(mpc).bytes_sent;
}

static const size_t SIZES[] = {1, 63, 64, 127, 128, 129, 191, 192, 500, 1023, 1024, 1025, 4711};

static void all_operations(void **state)
{
    (void)state;
    for (cm_protocol protocol = CM_PROTOCOL_CLEAR; protocol <= CM_PROTOCOL_REP3; protocol++) {
        for (size_t i = 0; i < CM_COUNT(SIZES); i++) {
            uint64_t opened = 0;
            for (unsigned lanes = 1; lanes <= 5; lanes += lanes == 3 ? 2 : 1) {
                job j = {.rows = SIZES[i], .seed = SIZES[i] + lanes, .outside = 3};
                cm_run_parties_in_lanes(protocol, 4, 3, lanes, j.seed, NULL, do_everything, &j);
                for (unsigned p = 0; p < 4; p++) {
                    assert_false(j.wrong[p]);
                }
                /* However many lanes: an opened row is counted once. */
                assert_true(lanes == 1 || j.opened[0] == opened);
                opened = j.opened[0];
            }
        }
    }
}

enum { LANES = 3, PARTIES = 3 };

static void trace(uint64_t data_seed, size_t rows, cm_trace **ret, job *j)
{
    *j = (job){.rows = rows, .seed = data_seed};
    for (unsigned i = 0; i < LANES * PARTIES; i++) {
        ret[i] = cm_trace_new();
    }
    cm_run_parties_in_lanes(CM_PROTOCOL_REP3, PARTIES, PARTIES, LANES, 7, ret, do_everything, j);
}

static void traces_tell_sizes_alone(void **state)
{
    (void)state;
    cm_trace *a[LANES * PARTIES], *b[LANES * PARTIES];
    job one, other;

    trace(1, 1000, a, &one);
    trace(2, 1000, b, &other);
    for (unsigned i = 0; i < LANES * PARTIES; i++) {
        assert_true(cm_trace_equal(a[i], b[i]));
        assert_true(cm_trace_frames(a[i]) > 20); /* every lane works */
        cm_trace_free(a[i]);
        cm_trace_free(b[i]);
    }
    assert_int_equal(one.bytes[0], other.bytes[0]);
}

typedef struct broken_lane {
    unsigned lane, party;
    cm_status status[PARTIES];
    bool wiped[PARTIES];
} broken_lane;

/* One lane of one party sends a message that is too short: everybody's operation fails. */
static void send_garbage(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    broken_lane *b = arg;
    unsigned me = cm_mpc_me(mpc);
    cm_acol x = cm_acol_new(arena, cm_mpc_legs(mpc), 1000);
    cm_acol z = cm_acol_new(arena, cm_mpc_legs(mpc), 1000);

    for (unsigned k = 0; k < cm_mpc_legs(mpc); k++) {
        memset(z.leg[k], 0xff, 1000 * sizeof *z.leg[k]);
    }
    if (me == b->party) {
        cm_mesh *mesh = cm_mpc_mesh(mpc->lane[b->lane]);
        assert_int_equal(cm_mesh_send(mesh, (me + 2) % 3, "x", 1), CM_OK);
    }
    b->status[me] = cm_mpc_mul(mpc, x, x, z, *arena);
    if (b->status[me] != CM_OK) {
        b->wiped[me] = true;
        for (size_t r = 0; r < 1000; r++) {
            b->wiped[me] &= z.leg[0][r].v == 0 && z.leg[1][r].v == 0;
        }
        assert_int_equal(cm_mpc_mul(mpc, x, x, z, *arena), CM_EDEAD);
        assert_true(cm_mpc_diag(mpc)->message[0] != '\0');
    }
}

static void a_failing_lane_fails_the_session(void **state)
{
    (void)state;
    for (unsigned lane = 0; lane < LANES; lane++) {
        broken_lane b = {.lane = lane, .party = 1};
        cm_run_parties_in_lanes(CM_PROTOCOL_REP3, PARTIES, PARTIES, LANES, 9, NULL, send_garbage,
                                &b);
        assert_int_equal(b.status[0], CM_EPROTO); /* who got it */
        assert_true(b.wiped[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_operations),
        cmocka_unit_test(traces_tell_sizes_alone),
        cmocka_unit_test(a_failing_lane_fails_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
