/* Every operation of proto/proto.h that works on secrets. */
#include "oblivious/cases.h"

#include "share/kern.h"

#include <stdio.h>

static const cm_ticket ticket = {CM_TICKET_RESULT, "oblivious: result"};

static void run_and(oblivious_party *p)
{
    cm_bcol x = secret_bits(p, 9, ROWS), y = secret_bits(p, 9, ROWS);
    cm_bcol one = secret_bits(p, 1, ROWS), z = empty_bits(p, 9, ROWS);

    check(cm_mpc_and_col(p->mpc, x, y, z, p->scratch));
    check_bits(z);
    check(cm_mpc_and_col(p->mpc, z, one, z, p->scratch));
    check_bits(z);
}

static void run_mul(oblivious_party *p)
{
    cm_acol z = empty_words(p, ROWS);
    check(cm_mpc_mul(p->mpc, secret_words(p, ROWS), secret_words(p, ROWS), z, p->scratch));
    check_words(z);
}

static void run_bit_sums(oblivious_party *p)
{
    cm_bcol x = secret_bits(p, 9, ROWS), y = secret_bits(p, 9, ROWS), z = empty_bits(p, 9, ROWS);
    cm_bcol by = secret_bits(p, 2, 9), sum = empty_bits(p, 2, ROWS), inner = empty_bits(p, 2, 9);
    cm_plane in_x[9], in_y[9], out = cm_bcol_plane(z, 0);

    for (unsigned i = 0; i < 9; i++) {
        in_x[i] = cm_bcol_plane(x, i);
        in_y[i] = cm_bcol_plane(y, i);
    }
    check(cm_mpc_and_sum(p->mpc, in_x, in_y, &out, 1, 9, z.words, p->scratch));
    check_bits(cm_bcol_planes(z, 0, 1));
    check(cm_mpc_bits_product(p->mpc, by, y, sum, p->scratch));
    check_bits(sum);
    check(cm_mpc_bits_inner(p->mpc, cm_bcol_planes(x, 0, 2), y, inner, p->scratch));
    check_bits(inner);
}

static void run_dot(oblivious_party *p)
{
    const cm_acol x[] = {secret_words(p, ROWS), secret_words(p, 3)};
    const cm_acol y[] = {secret_words(p, ROWS), secret_words(p, 3)};
    cm_acol z = empty_words(p, 2);
    check(cm_mpc_dot(p->mpc, x, y, 2, z, p->scratch));
    check_words(z);
}

static void run_local(oblivious_party *p)
{
    cm_bcol x = secret_bits(p, 3, ROWS), z = empty_bits(p, 3, ROWS);
    cm_acol a = secret_words(p, ROWS), sum = empty_words(p, ROWS);
    static const uint64_t ones[2] = {UINT64_MAX, UINT64_MAX};

    cm_mpc_not(p->mpc, x, 0);
    cm_mpc_xor_public(p->mpc, x, 1, ones);
    cm_mpc_set_public(p->mpc, x, 2, true);
    cm_mpc_add_public(p->mpc, a, 41);
    cm_bcol_prefix_xor(x, z);
    cm_bcol_difference(x, z);
    cm_bcol_shift_up(x, z);
    check_bits(z);
    cm_acol_prefix_sum(a, sum);
    cm_acol_scale(sum, 7, sum);
    check_words(sum);
    cm_mpc_random_bits(p->mpc, z);
    check_bits(z);
}

/* The owner holds no shares: values are secret there, and the seeds it sends. */
static void run_input_from_outside(oblivious_party *p)
{
    bool owner = cm_mpc_me(p->mpc) == OWNER_OUTSIDE;
    cm_bcol bits = empty_bits(p, 5, ROWS);
    cm_acol words = empty_words(p, ROWS);
    uint64_t *values = CM_NEW(p->arena, uint64_t, ROWS);
    uint64_t *planes = CM_NEW(p->arena, uint64_t, 5 * cm_words_of(ROWS));

    poison_memory(values, ROWS * sizeof *values);
    cm_planes_pack(values, 1, ROWS, 5, planes);
    check(
        cm_mpc_input_bits(p->mpc, OWNER_OUTSIDE, owner ? planes : NULL, 5, ROWS, bits, p->scratch));
    check(
        cm_mpc_input_words(p->mpc, OWNER_OUTSIDE, owner ? values : NULL, ROWS, words, p->scratch));
    if (!owner) {
        check_bits(bits);
        check_words(words);
    }
}

/* What the receiver outside adds up is the only thing it may look at. */
static void run_open_to(oblivious_party *p)
{
    enum { PLANES = 5 };
    uint64_t *planes = CM_NEW(p->arena, uint64_t, PLANES * cm_words_of(ROWS));
    bool receiver = cm_mpc_me(p->mpc) == OWNER_OUTSIDE;
    cm_bcol x = {0};

    if (!receiver) {
        x = secret_bits(p, PLANES, ROWS);
    }
    check(cm_mpc_open_bits_to(p->mpc, OWNER_OUTSIDE, x, PLANES, ROWS, &ticket,
                              receiver ? planes : NULL, p->scratch));
    if (receiver && planes[0] == 1) {
        puts("an opened value may be looked at");
    }
    if (!receiver) {
        check_bits(x);
    }
}

static void run_bits_to_ring(oblivious_party *p)
{
    static const unsigned widths[] = {1, 5, 6, 33, 64};
    for (size_t i = 0; i < CM_COUNT(widths); i++) {
        cm_acol z = empty_words(p, ROWS);
        check(cm_mpc_bits_to_ring(p->mpc, secret_bits(p, widths[i], ROWS), z, p->scratch));
        check_words(z);
    }
}

static void run_bit_to_ring(oblivious_party *p)
{
    const cm_acol z[] = {empty_words(p, ROWS), empty_words(p, ROWS)};
    check(cm_mpc_bit_to_ring(p->mpc, secret_bits(p, 2, ROWS), z, p->scratch));
    check_words(z[0]);
    check_words(z[1]);
}

static void run_ring_to_bits(oblivious_party *p)
{
    static const unsigned widths[] = {1, 17, 64};
    for (size_t i = 0; i < CM_COUNT(widths); i++) {
        cm_bcol z = empty_bits(p, widths[i], ROWS);
        check(cm_mpc_ring_to_bits(p->mpc, secret_words(p, ROWS), z, p->scratch));
        check_bits(z);
    }
}

/* Three shuffles, so that each party plays each role. */
static void run_shuffle(oblivious_party *p)
{
    cm_bcol bits[] = {secret_bits(p, 1, ROWS), secret_bits(p, 67, ROWS)};
    cm_acol words[] = {secret_words(p, ROWS)};

    for (unsigned turn = 0; turn < PARTIES; turn++) {
        check(cm_mpc_shuffle(p->mpc, words, 1, bits, 2, p->scratch));
    }
    check_bits(bits[1]);
    check_words(words[0]);
}

const oblivious_case proto_cases[] = {
    {"and", run_and},
    {"mul", run_mul},
    {"dot", run_dot},
    {"bit sums", run_bit_sums},
    {"local operations", run_local},
    {"input from outside", run_input_from_outside},
    {"open to one outside", run_open_to},
    {"bits to ring", run_bits_to_ring},
    {"bit to ring", run_bit_to_ring},
    {"ring to bits", run_ring_to_bits},
    {"shuffle", run_shuffle},
};
const size_t proto_cases_count = CM_COUNT(proto_cases);

/* ---- what must be found ---------------------------------------------------------------------- */

static void leak_by_branch(oblivious_party *p)
{
    cm_acol x = secret_words(p, 1);
    if ((*cm_a64_words(x.leg[0]) & 1) != 0) {
        fflush(stdout);
    }
}

static void leak_by_index(oblivious_party *p)
{
    static const volatile uint8_t table[256] = {1};
    cm_bcol x = secret_bits(p, 8, 8);
    volatile uint8_t sink = table[*cm_b64_words(x.leg[1]) & 255];
    (void)sink;
}

/* What a party receives is as secret as what it sends. */
static void leak_by_message(oblivious_party *p)
{
    cm_acol z = empty_words(p, 1);
    check(cm_mpc_mul(p->mpc, secret_words(p, 1), secret_words(p, 1), z, p->scratch));
    if (*cm_a64_words(z.leg[1]) > 1000) {
        fflush(stdout);
    }
}

/* A secret as the number of rows: loop bounds count as branches. */
static void leak_by_bound(oblivious_party *p)
{
    cm_bcol x = secret_bits(p, 1, 64);
    cm_mpc_random_bits(p->mpc, x);
    volatile uint64_t sum = 0;
    for (uint64_t i = 0; i < (*cm_b64_words(x.leg[0]) & 7); i++) {
        sum = sum + i;
    }
}

const oblivious_case leaking_cases[] = {
    {"branch", leak_by_branch},
    {"index", leak_by_index},
    {"message", leak_by_message},
    {"loop bound", leak_by_bound},
};
const size_t leaking_cases_count = CM_COUNT(leaking_cases);
