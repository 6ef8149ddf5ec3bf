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
 * Carries are built where the sum will stand: plane i of z holds the carry into bit i until the
 * end. So plane 2k+1 is c0 of bit 2k at first, and plane 2k+2 is c0 of the group that ends in pair
 * k.
 */
#include "proto/proto_int.h"

#include <string.h>

enum { PAIRS_MAX = 32, OPS_MAX = 2 * PAIRS_MAX };

typedef struct adder {
    cm_mpc *mpc;
    cm_bcol x, y, z;
    unsigned bits;
    unsigned pairs;          /* whose carry out is needed: into bits up to bits - 1 */
    cm_plane c1[PAIRS_MAX];  /* c0 of pair k is plane 2k + 2 of z */
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

static cm_plane carry_into(const adder *a, unsigned bit)
{
    return cm_bcol_plane(a->z, bit);
}

static cm_plane c0_of(const adder *a, unsigned pair)
{
    return carry_into(a, 2 * pair + 2);
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
        plane_zero(a, carry_into(a, bit + 1));
        if (has_y(a, bit)) {
            push(l, carry_into(a, bit + 1), cm_bcol_plane(a->x, bit), cm_bcol_plane(a->y, bit));
        }
    }
    cm_status st = finish(l);
    if (st != CM_OK) {
        return st;
    }

    begin(l, a, scratch);
    for (unsigned k = 0; k < a->pairs; k++) {
        cm_plane low = carry_into(a, 2 * k + 1);
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
        push_majority(l, carry_into(a, bit), bit - 1, carry_into(a, bit - 1));
    }
    return finish(l);
}

cm_status cm_adder(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z, cm_arena scratch)
{
    CM_ASSERT(x.planes == z.planes && y.planes <= x.planes && x.planes <= 2 * PAIRS_MAX);
    CM_ASSERT(x.rows == y.rows && x.rows == z.rows);

    adder a = {.mpc = mpc, .x = x, .y = y, .z = z, .bits = x.planes};
    a.pairs = a.bits == 0 ? 0 : (a.bits - 1) / 2;
    for (unsigned k = 1; k < a.pairs; k++) {
        a.c1[k] = cm_bcol_plane(cm_bcol_new(&scratch, cm_mpc_legs(mpc), 1, x.rows), 0);
    }
    if (a.bits == 0) {
        return CM_OK;
    }
    plane_zero(&a, carry_into(&a, 0));
    level *l = CM_NEW(&scratch, level, 1);
    cm_status st = CM_OK;
    if (a.bits > 1) {
        st = carries_of_pairs(&a, l, scratch);
    }
    if (st == CM_OK) {
        st = prefix(&a, l, scratch);
    }
    if (st == CM_OK) {
        st = carries_into_odd_bits(&a, l, scratch);
    }
    for (unsigned i = 0; st == CM_OK && i < a.bits; i++) {
        plane_xor(&a, cm_bcol_plane(z, i), cm_bcol_plane(z, i), cm_bcol_plane(x, i));
        if (has_y(&a, i)) {
            plane_xor(&a, cm_bcol_plane(z, i), cm_bcol_plane(z, i), cm_bcol_plane(y, i));
        }
    }
    return st;
}
