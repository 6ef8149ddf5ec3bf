/* Between planes and ring words (6). */
#include "proto/rep3_int.h"

#include <string.h>

/*
 * ---- ring to bits (6.1) -------------------------------------------------------------------
 *
 * P0 knows a = x0 + x1 and gives it as input bits; b = x2 is a sharing already, (0, 0, x2).  What
 * is left is one addition.  The carries out of pairs of bits take no ANDs: with the products of a's
 * bits as inputs too, P1 (from component 1) and P2 (from component 0) compute two addends of each,
 * because carries are linear in a's bits and these products, and b is known to both.
 */

/* P0: a's planes, then for each pair the product of its two bits. */
static void inputs_of_sum(cm_mpc *mpc, cm_acol x, unsigned planes, cm_arena scratch, uint64_t *ret)
{
    size_t words = cm_words_of(x.rows);
    uint64_t *sum = CM_NEW(&scratch, uint64_t, x.rows);

    mpc->kernels->add(sum, cm_a64_words(x.leg[0]), cm_a64_words(x.leg[1]), x.rows);
    cm_planes_pack(sum, 1, x.rows, planes, ret);
    for (unsigned k = 0; k < cm_adder_pairs(planes); k++) {
        mpc->kernels->and
            (ret + (planes + k) * words, ret + 2 * k * words, ret + (2 * k + 1) * words, words);
    }
}

/* P1's or P2's addend of all carries, in the order of cm_adder_from_pairs.  a: its component. */
static void addends_of_carries(cm_mpc *mpc, const uint64_t *a, const uint64_t *b, unsigned planes,
                               size_t words, uint64_t *ret)
{
    unsigned pairs = cm_adder_pairs(planes);

    for (unsigned k = 0; k < pairs; k++) {
        size_t low = 2 * k * words, high = low + words;
        cm_bit_pair in = {a + low, a + high, a + (planes + k) * words, b + low, b + high};
        uint64_t ones = mpc->me == 1 ? UINT64_MAX : 0; /* one of the two */
        mpc->kernels->pair_carries(ret + low, ret + high, in, ones, words);
    }
    mpc->kernels->and (ret + 2 * pairs * words, a, b, words);
}

/*
 * z = u1 + u2, where P1 has u1 and P2 has u2: z0 = F(k0), z1 = u1 + F(k2), z2 = u2 + F(k2) + z0.
 * P1 sends z1 to P0, P2 sends z2 to P1.  Leg 0 holds the addend.
 */
static cm_status share_addends(cm_mpc *mpc, uint64_t *leg0, uint64_t *leg1, size_t words,
                               cm_arena scratch)
{
    if (mpc->me == 0) {
        cm_rep3_draw(mpc, 0, CM_REP3_CONVERT, leg0, words);
        return cm_wire_recv(mpc, 1, leg1, words);
    }
    uint64_t *mask = CM_NEW(&scratch, uint64_t, words);
    cm_rep3_draw(mpc, mpc->me == 1 ? 1 : 0, CM_REP3_CONVERT, mask, words);
    mpc->kernels->xor (leg0, leg0, mask, words);
    if (mpc->me == 1) {
        return cm_wire_exchange(mpc, 0, leg0, 2, leg1, words);
    }
    cm_rep3_draw(mpc, 1, CM_REP3_CONVERT, leg1, words);
    mpc->kernels->xor (leg0, leg0, leg1, words);
    return cm_wire_send(mpc, 1, leg0, words);
}

cm_status cm_rep3_ring_to_bits(cm_mpc *mpc, cm_acol x, cm_bcol z, cm_arena scratch)
{
    unsigned planes = z.planes, pairs = cm_adder_pairs(planes);
    cm_bcol a = cm_bcol_new(&scratch, 2, planes + pairs, x.rows);
    cm_bcol b = cm_bcol_new(&scratch, 2, planes, x.rows);
    cm_bcol carries = cm_bcol_new(&scratch, 2, 2 * pairs + 1, x.rows);
    unsigned known = mpc->me == 1 ? 1 : 0; /* x2 is P1's leg 1 and P2's leg 0 */
    uint64_t *bits = NULL;

    if (mpc->me == 0) {
        bits = CM_NEW(&scratch, uint64_t, (planes + pairs) * z.words);
        inputs_of_sum(mpc, x, planes, scratch, bits);
    } else {
        cm_planes_pack(cm_a64_words(x.leg[known]), 1, x.rows, planes, cm_b64_words(b.leg[known]));
    }
    cm_status st = cm_rep3_input(mpc, CM_GROUP_XOR, 0, bits, (planes + pairs) * z.words,
                                 cm_plane_of_bits(a), scratch);
    if (st == CM_OK && planes > 1 && mpc->me != 0) {
        addends_of_carries(mpc, cm_b64_words(a.leg[1 - known]), cm_b64_words(b.leg[known]), planes,
                           z.words, cm_b64_words(carries.leg[0]));
    }
    if (st == CM_OK && planes > 1) {
        st = share_addends(mpc, cm_b64_words(carries.leg[0]), cm_b64_words(carries.leg[1]),
                           carries.planes * z.words, scratch);
    }
    return st != CM_OK
               ? st
               : cm_adder_from_pairs(mpc, cm_bcol_planes(a, 0, planes), b, carries, z, scratch);
}

/*
 * ---- one bit to ring (6.2) ----------------------------------------------------------------
 *
 * b = c XOR b2 with c = b0 XOR b1 known to P0 and b2 known to P1 and P2.  P0 shares c = c0 + c1 in
 * the ring: c0 = F(k0), c1 goes to P1.  Over the integers b = c * e + b2 with e = 1 - 2 * b2, so
 *     P1 knows c1 * e,    P2 knows c0 * e + b2,
 * and these two numbers are made components that each party may see: P1's is masked by F(k2) and
 * goes to P0 as component 1; P2's loses F(k2) and component 0 = F(k0), and goes to P1 as
 * component 2. A number of several bits is the sum of its bits times powers of two, so its bits
 * share one pair of messages.
 */

/* sum[r] += (bit ? -c[r] : c[r]) << shift, without a branch; bit is 0 or 1. */
static void add_signed(uint64_t *sum, const uint64_t *c, const uint64_t *bit, unsigned shift,
                       size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        sum[r] += ((c[r] ^ (0 - bit[r])) + bit[r]) << shift;
    }
}

/* What this party knows of the planes: P0 c, the others b2; as words 0 and 1. */
static void known_bit(cm_mpc *mpc, cm_plane x, size_t rows, cm_arena scratch, uint64_t *ret)
{
    if (mpc->me != 0) {
        mpc->kernels->spread(ret, cm_leg(x, mpc->me == 1 ? 1 : 0), rows);
        return;
    }
    size_t words = cm_words_of(rows);
    uint64_t *both = CM_NEW(&scratch, uint64_t, words);
    mpc->kernels->xor (both, cm_leg(x, 0), cm_leg(x, 1), words);
    mpc->kernels->spread(ret, both, rows);
}

/* The first message of P0, and P1's and P2's sums; P0's sum is not touched. */
static cm_status inject_sum(cm_mpc *mpc, cm_bcol x, uint64_t *sum, cm_arena scratch)
{
    uint64_t *bit = CM_NEW(&scratch, uint64_t, x.rows);
    uint64_t *c = CM_NEW(&scratch, uint64_t, x.rows);
    cm_status st = CM_OK;

    for (unsigned p = 0; st == CM_OK && p < x.planes; p++) {
        known_bit(mpc, cm_bcol_plane(x, p), x.rows, scratch, bit);
        if (mpc->me == 0) {
            cm_rep3_draw(mpc, 0, CM_REP3_CONVERT, c, x.rows);
            mpc->kernels->sub(c, bit, c, x.rows);
            st = cm_wire_send(mpc, 1, c, x.rows);
        } else if (mpc->me == 1) {
            st = cm_wire_recv(mpc, 0, c, x.rows);
            add_signed(sum, c, bit, p, x.rows);
        } else {
            cm_rep3_draw(mpc, 1, CM_REP3_CONVERT, c, x.rows);
            add_signed(sum, c, bit, p, x.rows);
            mpc->kernels->scale(bit, bit, UINT64_C(1) << p, x.rows);
            mpc->kernels->add(sum, sum, bit, x.rows);
        }
    }
    return st;
}

/* Sums into components and what is sent of them. */
static cm_status inject_send(cm_mpc *mpc, uint64_t *sum, cm_acol z, cm_arena scratch)
{
    uint64_t *leg0 = cm_a64_words(z.leg[0]), *leg1 = cm_a64_words(z.leg[1]);

    if (mpc->me == 0) {
        cm_rep3_draw(mpc, 0, CM_REP3_CONVERT, leg0, z.rows);
        return CM_OK;
    }
    uint64_t *mask = CM_NEW(&scratch, uint64_t, z.rows);
    cm_rep3_draw(mpc, mpc->me == 1 ? 1 : 0, CM_REP3_CONVERT, mask, z.rows);
    if (mpc->me == 1) {
        mpc->kernels->add(leg0, sum, mask, z.rows);
        return cm_wire_send(mpc, 0, leg0, z.rows);
    }
    cm_rep3_draw(mpc, 1, CM_REP3_CONVERT, leg1, z.rows);
    mpc->kernels->sub(leg0, sum, mask, z.rows);
    mpc->kernels->sub(leg0, leg0, leg1, z.rows);
    return cm_wire_send(mpc, 1, leg0, z.rows);
}

/* P0 gets component 1 from P1, P1 gets component 2 from P2. */
static cm_status inject_recv(cm_mpc *mpc, cm_acol z)
{
    return mpc->me == 2 ? CM_OK : cm_wire_recv(mpc, mpc->me + 1, cm_a64_words(z.leg[1]), z.rows);
}

cm_status cm_rep3_bit_to_ring(cm_mpc *mpc, cm_bcol x, const cm_acol *z, cm_arena scratch)
{
    uint64_t *sum = CM_NEW(&scratch, uint64_t, x.rows);
    cm_status st = CM_OK;

    /* P0's first messages all leave before it waits for anything, so all planes take two rounds. */
    for (unsigned p = 0; st == CM_OK && p < x.planes; p++) {
        memset(sum, 0, x.rows * sizeof *sum);
        st = inject_sum(mpc, cm_bcol_planes(x, p, 1), sum, scratch);
        if (st == CM_OK) {
            st = inject_send(mpc, sum, z[p], scratch);
        }
    }
    for (unsigned p = 0; st == CM_OK && p < x.planes; p++) {
        st = inject_recv(mpc, z[p]);
    }
    return st;
}

/* For so few planes this is cheaper than masking all 64 bits. */
enum { INJECT_PLANES_MAX = 5 };

static cm_status inject(cm_mpc *mpc, cm_bcol x, cm_acol z, cm_arena scratch)
{
    uint64_t *sum = CM_NEW(&scratch, uint64_t, x.rows);

    cm_status st = inject_sum(mpc, x, sum, scratch);
    if (st == CM_OK) {
        st = inject_send(mpc, sum, z, scratch);
    }
    return st != CM_OK ? st : inject_recv(mpc, z);
}

/*
 * ---- many bits to ring (6.3) --------------------------------------------------------------
 *
 * The bits (F(k0), F(k1), 0) are a sharing of a mask s of 64 bits that P0 alone knows, and that
 * cost nothing.  y = x + s is computed on planes and opened to P1 and P2, for whom it is uniform:
 * it is component 2.  P0 shares -s as components 0 (from k0) and 1 (sent to P1, with the opening).
 */
static void draw_mask(cm_mpc *mpc, cm_bcol s)
{
    size_t words = s.planes * s.words;

    if (mpc->me != 1) {
        cm_rep3_draw(mpc, mpc->me == 0 ? 0 : 1, CM_REP3_CONVERT,
                     cm_b64_words(s.leg[mpc->me == 0 ? 0 : 1]), words);
    }
    if (mpc->me != 2) {
        cm_rep3_draw(mpc, mpc->me == 0 ? 1 : 0, CM_REP3_CONVERT,
                     cm_b64_words(s.leg[mpc->me == 0 ? 1 : 0]), words);
    }
}

/* P2 sends component 0 of y's bits to P1, P1 component 1 to P2; they get y.  P0, who sends more
 * than they do elsewhere, sends nothing here. */
static cm_status open_masked(cm_mpc *mpc, cm_bcol y, cm_acol z, cm_arena scratch)
{
    size_t words = y.planes * y.words;
    unsigned sent = mpc->me == 1 ? 0 : 1;

    cm_mpc_count_opened(mpc, CM_TICKET_MASKED, y.rows);
    if (mpc->me == 0) {
        return CM_OK;
    }
    cm_plane masked = cm_plane_masked(y, &scratch);
    uint64_t *opened = CM_NEW(&scratch, uint64_t, words);
    cm_status st =
        cm_wire_exchange(mpc, 3 - mpc->me, cm_leg(masked, sent), 3 - mpc->me, opened, words);
    mpc->kernels->xor (opened, opened, cm_leg(masked, 0), words);
    mpc->kernels->xor (opened, opened, cm_leg(masked, 1), words);
    cm_planes_unpack(opened, y.rows, 64, 1, cm_a64_words(z.leg[1 - sent]));
    return st;
}

/* Components 0 and 1: a sharing of -s. */
static cm_status share_minus_mask(cm_mpc *mpc, cm_bcol s, cm_acol z, cm_arena scratch)
{
    if (mpc->me == 1) {
        return cm_wire_recv(mpc, 0, cm_a64_words(z.leg[0]), z.rows);
    }
    uint64_t *component0 = cm_a64_words(z.leg[mpc->me == 0 ? 0 : 1]);
    cm_rep3_draw(mpc, mpc->me == 0 ? 0 : 1, CM_REP3_CONVERT, component0, z.rows);
    if (mpc->me == 2) {
        return CM_OK;
    }
    size_t words = s.planes * s.words;
    uint64_t *component1 = cm_a64_words(z.leg[1]);
    uint64_t *bits = CM_NEW(&scratch, uint64_t, words);
    mpc->kernels->xor (bits, cm_b64_words(s.leg[0]), cm_b64_words(s.leg[1]), words);
    cm_planes_unpack(bits, s.rows, 64, 1, component1);
    mpc->kernels->add(component1, component1, component0, z.rows);
    mpc->kernels->scale(component1, component1, UINT64_MAX, z.rows);
    return cm_wire_send(mpc, 1, component1, z.rows);
}

cm_status cm_rep3_bits_to_ring(cm_mpc *mpc, cm_bcol x, cm_acol z, cm_arena scratch)
{
    if (x.planes <= INJECT_PLANES_MAX) {
        return inject(mpc, x, z, scratch);
    }

    cm_bcol s = cm_bcol_new(&scratch, 2, 64, x.rows);
    cm_bcol y = cm_bcol_new(&scratch, 2, 64, x.rows);
    draw_mask(mpc, s);
    cm_status st = cm_adder(mpc, s, x, y, scratch);
    if (st == CM_OK) {
        st = open_masked(mpc, y, z, scratch);
    }
    return st != CM_OK ? st : share_minus_mask(mpc, s, z, scratch);
}
