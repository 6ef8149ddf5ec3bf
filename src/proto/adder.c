/*
 * Addition on planes, on top of AND alone: it serves every protocol's conversions.  (Gate programs
 * of circuit/ are above this layer.)
 *
 * Bits are taken in pairs.  Pair k is bits 2k and 2k+1; c0 and c1 are the carries out of a group of
 * pairs if the carry into it is 0 or 1.  With d = c0 XOR c1 of the upper group B,
 *     c0(BA) = c0(B) XOR d AND c0(A),    c1(BA) = c0(B) XOR d AND c1(A),
 * and a group that starts at bit 0 needs c0 only, which then is the carry out of it.
 *
 *   1. c0, c1 of bit 2k: x AND y, and that XOR x XOR y;        1 AND, 1 round
 *   2. c0, c1 of pair k: majority(x, y, carry) with one AND each, 2 ANDs, 1 round
 *   3. pairs 2j and 2j+1 are joined (Brent-Kung, one level);      2 ANDs, 1 round
 *   4. Sklansky's prefix over the joined pairs                            log2(w/4) rounds
 *   5. carries out of the even pairs from their neighbour's;      1 AND, 1 round
 *   6. carries into odd bits: majority of bit 2k and its carry;   1 AND, 1 round
 *
 * A carry into a bit has a plane of its own, which collects what is known of it: that of bit 2k+1
 * is c0 of bit 2k at first, and that of bit 2k+2 is c0 of the group that ends in pair k.  As far as
 * nobody else made them (a protocol may know more of its operands than this file), these planes are
 * those of z, where the sum will stand.
 */
#include "proto/proto_int.h"

#include <string.h>

enum { PAIRS_MAX = 32, OPS_MAX = 2 * PAIRS_MAX };

typedef struct adder {
    cm_mpc *mpc;
    cm_bcol x, y, z;
    unsigned bits;
    unsigned pairs;                /* whose carry out is needed: into bits up to bits - 1 */
    cm_plane carry[2 * PAIRS_MAX]; /* into each bit; that into bit 2k + 2 is c0 of pair k */
    cm_plane c1[PAIRS_MAX];
    bool c0_zero[PAIRS_MAX]; /* publicly 0, because y ends below */
} adder;

/* The ANDs of one round, each to be added to an accumulator afterwards. */
typedef struct level {
    adder *a;
    cm_arena arena; /* temporaries of this level */
    size_t ops;
    cm_plane x[OPS_MAX], y[OPS_MAX], product[OPS_MAX], sum[OPS_MAX];
} level;

static cm_plane temporary(level *l)
{
    cm_plane ret = {{0}};
    for (unsigned k = 0; k < cm_mpc_legs(l->a->mpc); k++) {
        ret.leg[k] = CM_NEW(&l->arena, cm_b64, l->a->x.words);
    }
    return ret;
}

static void plane_copy(const adder *a, cm_plane to, cm_plane from)
{
    for (unsigned k = 0; k < cm_mpc_legs(a->mpc); k++) {
        memcpy(to.leg[k], from.leg[k], a->x.words * sizeof *to.leg[k]);
    }
}

static void plane_zero(const adder *a, cm_plane to)
{
    for (unsigned k = 0; k < cm_mpc_legs(a->mpc); k++) {
        CM_ASSERT(to.leg[k] != NULL);
        memset(to.leg[k], 0, a->x.words * sizeof *to.leg[k]);
    }
}

static void plane_xor(const adder *a, cm_plane z, cm_plane x, cm_plane y)
{
    for (unsigned k = 0; k < cm_mpc_legs(a->mpc); k++) {
        a->mpc->kernels->xor (cm_leg(z, k), cm_leg(x, k), cm_leg(y, k), a->x.words);
    }
}

/* Plans sum ^= x AND y. */
static void push(level *l, cm_plane sum, cm_plane x, cm_plane y)
{
    CM_ASSERT(l->ops < OPS_MAX);
    l->sum[l->ops] = sum;
    l->x[l->ops] = x;
    l->y[l->ops] = y;
    l->product[l->ops] = temporary(l);
    l->ops++;
}

static void begin(level *l, adder *a, cm_arena arena)
{
    l->a = a;
    l->arena = arena;
    l->ops = 0;
}

static cm_status finish(level *l)
{
    const adder *a = l->a;
    cm_status st = cm_mpc_and_rows(a->mpc, l->x, l->y, l->product, l->ops, a->x.rows, l->arena);

    for (size_t i = 0; st == CM_OK && i < l->ops; i++) {
        plane_xor(a, l->sum[i], l->sum[i], l->product[i]);
    }
    return st;
}

static cm_plane c0_of(const adder *a, unsigned pair)
{
    return a->carry[2 * pair + 2];
}

static bool has_y(const adder *a, unsigned bit)
{
    return bit < a->y.planes;
}

/* Plans to = majority(x, y, carry) of one bit; without y that is x AND carry. */
static void push_majority(level *l, cm_plane to, unsigned bit, cm_plane carry)
{
    const adder *a = l->a;
    cm_plane x = cm_bcol_plane(a->x, bit);

    if (!has_y(a, bit)) {
        plane_zero(a, to);
        push(l, to, x, carry);
        return;
    }
    cm_plane differ = temporary(l), other = temporary(l);
    plane_xor(a, differ, x, cm_bcol_plane(a->y, bit));
    plane_xor(a, other, x, carry);
    plane_copy(a, to, x);
    push(l, to, differ, other);
}

/* Steps 1 and 2. */
static cm_status carries_of_pairs(adder *a, level *l, cm_arena scratch)
{
    begin(l, a, scratch);
    for (unsigned bit = 0; bit < 2 * a->pairs || bit == 0; bit += 2) {
        plane_zero(a, a->carry[bit + 1]);
        if (has_y(a, bit)) {
            push(l, a->carry[bit + 1], cm_bcol_plane(a->x, bit), cm_bcol_plane(a->y, bit));
        }
    }
    cm_status st = finish(l);
    if (st != CM_OK) {
        return st;
    }

    begin(l, a, scratch);
    for (unsigned k = 0; k < a->pairs; k++) {
        cm_plane low = a->carry[2 * k + 1];
        a->c0_zero[k] = !has_y(a, 2 * k);
        if (a->c0_zero[k]) {
            plane_zero(a, c0_of(a, k));
        } else {
            push_majority(l, c0_of(a, k), 2 * k + 1, low);
        }
        if (k > 0) {
            cm_plane low1 = temporary(l);
            plane_xor(a, low1, low, cm_bcol_plane(a->x, 2 * k));
            if (has_y(a, 2 * k)) {
                plane_xor(a, low1, low1, cm_bcol_plane(a->y, 2 * k));
            }
            push_majority(l, a->c1[k], 2 * k + 1, low1);
        }
    }
    return finish(l);
}

/* Plans group upper := upper joined to lower; c1 is needed unless lower starts at bit 0. */
static void push_join(level *l, unsigned upper, unsigned lower, bool from_zero)
{
    adder *a = l->a;
    cm_plane differ = temporary(l);

    plane_xor(a, differ, c0_of(a, upper), a->c1[upper]);
    if (!from_zero) {
        plane_copy(a, a->c1[upper], c0_of(a, upper));
        push(l, a->c1[upper], differ, a->c1[lower]);
    }
    if (!a->c0_zero[lower]) {
        push(l, c0_of(a, upper), differ, c0_of(a, lower));
        a->c0_zero[upper] = false;
    }
}

/* Step 4 over the groups offset, offset + stride, .. */
static cm_status sklansky(adder *a, level *l, unsigned groups, unsigned stride, unsigned offset,
                          cm_arena scratch)
{
    for (unsigned d = 1; d < groups; d *= 2) {
        begin(l, a, scratch);
        for (unsigned i = 0; i < groups; i++) {
            if (i & d) {
                unsigned below = i / d * d - 1;
                push_join(l, stride * i + offset, stride * below + offset, i < 2 * d);
            }
        }
        cm_status st = finish(l);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

/* Steps 3 to 5: afterwards c0 of pair k is the carry out of pairs 0 .. k. */
static cm_status prefix(adder *a, level *l, cm_arena scratch)
{
    if (a->pairs <= 4) {
        return sklansky(a, l, a->pairs, 1, 0, scratch);
    }
    begin(l, a, scratch);
    for (unsigned k = 1; k < a->pairs; k += 2) {
        push_join(l, k, k - 1, k == 1);
    }
    cm_status st = finish(l);
    if (st == CM_OK) {
        st = sklansky(a, l, a->pairs / 2, 2, 1, scratch);
    }
    if (st != CM_OK) {
        return st;
    }
    begin(l, a, scratch);
    for (unsigned k = 2; k < a->pairs; k += 2) {
        push_join(l, k, k - 1, true);
    }
    return finish(l);
}

/* Step 6; bit 1 has its carry since step 1. */
static cm_status carries_into_odd_bits(adder *a, level *l, cm_arena scratch)
{
    begin(l, a, scratch);
    for (unsigned bit = 3; bit < a->bits; bit += 2) {
        push_majority(l, a->carry[bit], bit - 1, a->carry[bit - 1]);
    }
    return finish(l);
}

static void start(adder *a, cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z)
{
    CM_ASSERT(x.planes == z.planes && y.planes <= x.planes && x.planes <= 2 * PAIRS_MAX);
    CM_ASSERT(x.rows == y.rows && x.rows == z.rows);

    *a = (adder){.mpc = mpc, .x = x, .y = y, .z = z, .bits = x.planes};
    a->pairs = cm_adder_pairs(x.planes);
    for (unsigned i = 0; i < a->bits; i++) {
        a->carry[i] = cm_bcol_plane(z, i);
    }
    if (a->bits > 0) {
        plane_zero(a, a->carry[0]);
    }
}

/* Steps 3 to 6, and the sum. */
static cm_status end(adder *a, level *l, cm_arena scratch)
{
    cm_status st = prefix(a, l, scratch);

    if (st == CM_OK) {
        st = carries_into_odd_bits(a, l, scratch);
    }
    for (unsigned i = 0; st == CM_OK && i < a->bits; i++) {
        cm_plane sum = cm_bcol_plane(a->z, i);
        plane_xor(a, sum, a->carry[i], cm_bcol_plane(a->x, i));
        if (has_y(a, i)) {
            plane_xor(a, sum, sum, cm_bcol_plane(a->y, i));
        }
    }
    return st;
}

unsigned cm_adder_pairs(unsigned planes)
{
    return planes == 0 ? 0 : (planes - 1) / 2;
}

cm_status cm_adder(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z, cm_arena scratch)
{
    adder *a = CM_NEW(&scratch, adder, 1);
    level *l = CM_NEW(&scratch, level, 1);
    cm_status st = CM_OK;

    start(a, mpc, x, y, z);
    for (unsigned k = 1; k < a->pairs; k++) {
        a->c1[k] = cm_bcol_plane(cm_bcol_new(&scratch, cm_mpc_legs(mpc), 1, x.rows), 0);
    }
    if (a->bits > 1) {
        st = carries_of_pairs(a, l, scratch);
    }
    return st != CM_OK ? st : end(a, l, scratch);
}

cm_status cm_adder_from_pairs(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol carries, cm_bcol z,
                              cm_arena scratch)
{
    adder *a = CM_NEW(&scratch, adder, 1);
    level *l = CM_NEW(&scratch, level, 1);

    CM_ASSERT(y.planes == x.planes && carries.planes == 2 * cm_adder_pairs(x.planes) + 1);
    start(a, mpc, x, y, z);
    if (a->bits > 1) {
        a->carry[1] = cm_bcol_plane(carries, 2 * a->pairs);
    }
    for (unsigned k = 0; k < a->pairs; k++) {
        a->carry[2 * k + 2] = cm_bcol_plane(carries, 2 * k);
        a->c1[k] = cm_bcol_plane(carries, 2 * k + 1);
    }
    return end(a, l, scratch);
}
