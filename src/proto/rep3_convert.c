/* Between planes and ring words (6). */
#include "proto/rep3_int.h"

#include <string.h>

/*
 * ---- ring to bits (6.1) -------------------------------------------------------------------
 *
 * P0 knows x0 + x1 and gives it as input bits; x2 is a sharing already, (0, 0, x2); one addition.
 */
cm_status cm_rep3_ring_to_bits(cm_mpc *mpc, cm_acol x, cm_bcol z, cm_arena scratch)
{
    cm_bcol low = cm_bcol_new(&scratch, 2, z.planes, x.rows);
    cm_bcol high = cm_bcol_new(&scratch, 2, z.planes, x.rows);
    uint64_t *bits = NULL;

    if (mpc->me == 0) {
        uint64_t *sum = CM_NEW(&scratch, uint64_t, x.rows);
        bits = CM_NEW(&scratch, uint64_t, z.planes * z.words);
        mpc->kernels->add(sum, cm_a64_words(x.leg[0]), cm_a64_words(x.leg[1]), x.rows);
        cm_planes_pack(sum, 1, x.rows, z.planes, bits);
    } else {
        /* x2 is P1's leg 1 and P2's leg 0. */
        unsigned leg = mpc->me == 1 ? 1 : 0;
        cm_planes_pack(cm_a64_words(x.leg[leg]), 1, x.rows, z.planes, cm_b64_words(high.leg[leg]));
    }
    cm_status st = cm_rep3_input(mpc, CM_GROUP_XOR, 0, bits, z.planes * z.words,
                                 cm_plane_of_bits(low), scratch);
    return st != CM_OK ? st : cm_adder(mpc, low, high, z, scratch);
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

/* P0 sends component 0 of y's bits to P1, P1 component 1 to P2; they get y. */
static cm_status open_masked(cm_mpc *mpc, cm_bcol y, cm_acol z, cm_arena scratch)
{
    size_t words = y.planes * y.words;
    cm_plane masked = cm_plane_masked(y, &scratch);
    cm_status st = CM_OK;

    cm_mpc_count_opened(mpc, CM_TICKET_MASKED, y.rows);
    if (mpc->me != 2) {
        st = cm_wire_send(mpc, mpc->me + 1, cm_leg(masked, 0), words);
    }
    if (st != CM_OK || mpc->me == 0) {
        return st;
    }
    uint64_t *opened = CM_NEW(&scratch, uint64_t, words);
    st = cm_wire_recv(mpc, mpc->me - 1, opened, words);
    mpc->kernels->xor (opened, opened, cm_leg(masked, 0), words);
    mpc->kernels->xor (opened, opened, cm_leg(masked, 1), words);
    cm_planes_unpack(opened, y.rows, 64, 1, cm_a64_words(z.leg[mpc->me == 1 ? 1 : 0]));
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
