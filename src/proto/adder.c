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
 *
 * All of this is written down as steps (cm_mpc_run_steps) and then run: in windows, by turns.
 */
#include "proto/proto_int.h"

enum {
    PAIRS_MAX = 32,
    STAGES_MAX = 16,
    ANDS_MAX = 512,
    XORS_MAX = 4096,
    GIVEN_MAX = 6 * PAIRS_MAX + 2 * PAIRS_MAX + 1,
};

/* A plane by its number among the steps' planes. */
typedef uint32_t place;

/* Each round's ANDs go into temporaries, and are added to accumulators in the next. */
typedef struct adder {
    unsigned bits, y_bits;
    unsigned pairs;             /* whose carry out is needed: into bits up to bits - 1 */
    place x, y, z;              /* of bit 0 */
    place carry[2 * PAIRS_MAX]; /* into each bit; that into bit 2k + 2 is c0 of pair k */
    place c1[PAIRS_MAX];
    bool c0_zero[PAIRS_MAX]; /* publicly 0, because y ends below */

    cm_plane given[GIVEN_MAX];
    place givens, zero;      /* how many; a slot that holds 0 */
    place kept, next, slots; /* slots that stay; the next temporary; most so far: as numbers */
    cm_stage stage[STAGES_MAX];
    size_t stages, xors, ands; /* so far */
    cm_step xor_step[XORS_MAX], and_step[ANDS_MAX];
    place sum[ANDS_MAX]; /* where the product of an AND is added */
} adder;

static place temporary(adder *a)
{
    place ret = a->next++;

    a->slots = a->next > a->slots ? a->next : a->slots;
    return ret;
}

/* z = x XOR y. */
static void plane_xor(adder *a, place z, place x, place y)
{
    CM_ASSERT(a->xors < XORS_MAX);
    a->xor_step[a->xors++] = (cm_step){z, x, y};
    a->stage[a->stages].xors++;
}

static void plane_copy(adder *a, place to, place from)
{
    plane_xor(a, to, from, a->zero);
}

static void plane_zero(adder *a, place to)
{
    plane_xor(a, to, a->x, a->x);
}

/* Plans sum ^= x AND y; the product stays in `product` until it is added. */
static void push_at(adder *a, place sum, place x, place y, place product)
{
    CM_ASSERT(a->ands < ANDS_MAX);
    a->sum[a->ands] = sum;
    a->and_step[a->ands++] = (cm_step){product, x, y};
    a->stage[a->stages].ands++;
}

static void push(adder *a, place sum, place x, place y)
{
    push_at(a, sum, x, y, temporary(a));
}

/* Ends a stage; the next begins by adding up, and then has the temporaries for itself. */
static void finish(adder *a)
{
    size_t ands = a->stage[a->stages].ands;

    a->stages++;
    CM_ASSERT(a->stages < STAGES_MAX);
    for (size_t i = a->ands - ands; i < a->ands; i++) {
        plane_xor(a, a->sum[i], a->sum[i], a->and_step[i].z);
    }
    a->next = a->kept;
}

static place x_of(const adder *a, unsigned bit)
{
    return a->x + bit;
}

static bool has_y(const adder *a, unsigned bit)
{
    return bit < a->y_bits;
}

static place y_of(const adder *a, unsigned bit)
{
    return a->y + bit;
}

static place c0_of(const adder *a, unsigned pair)
{
    return a->carry[2 * pair + 2];
}

/* Plans to = majority(x, y, carry) of one bit; without y that is x AND carry. */
static void push_majority(adder *a, place to, unsigned bit, place carry)
{
    place x = x_of(a, bit);

    if (!has_y(a, bit)) {
        plane_zero(a, to);
        push(a, to, x, carry);
        return;
    }
    place differ = temporary(a), other = temporary(a);
    plane_xor(a, differ, x, y_of(a, bit));
    plane_xor(a, other, x, carry);
    plane_copy(a, to, x);
    push_at(a, to, differ, other, other);
}

/* Steps 1 and 2. */
static void carries_of_pairs(adder *a)
{
    for (unsigned bit = 0; bit < 2 * a->pairs || bit == 0; bit += 2) {
        plane_zero(a, a->carry[bit + 1]);
        if (has_y(a, bit)) {
            push(a, a->carry[bit + 1], x_of(a, bit), y_of(a, bit));
        }
    }
    finish(a);

    for (unsigned k = 0; k < a->pairs; k++) {
        place low = a->carry[2 * k + 1];
        a->c0_zero[k] = !has_y(a, 2 * k);
        if (a->c0_zero[k]) {
            plane_zero(a, c0_of(a, k));
        } else {
            push_majority(a, c0_of(a, k), 2 * k + 1, low);
        }
        if (k > 0) {
            place low1 = temporary(a);
            plane_xor(a, low1, low, x_of(a, 2 * k));
            if (has_y(a, 2 * k)) {
                plane_xor(a, low1, low1, y_of(a, 2 * k));
            }
            push_majority(a, a->c1[k], 2 * k + 1, low1);
        }
    }
    finish(a);
}

/* Plans group upper := upper joined to lower; c1 is needed unless lower starts at bit 0. */
static void push_join(adder *a, unsigned upper, unsigned lower, bool from_zero)
{
    place differ = temporary(a);

    plane_xor(a, differ, c0_of(a, upper), a->c1[upper]);
    if (!from_zero) {
        plane_copy(a, a->c1[upper], c0_of(a, upper));
        push(a, a->c1[upper], differ, a->c1[lower]);
    }
    if (!a->c0_zero[lower]) {
        push(a, c0_of(a, upper), differ, c0_of(a, lower));
        a->c0_zero[upper] = false;
    }
}

/* Step 4 over the groups offset, offset + stride, .. */
static void sklansky(adder *a, unsigned groups, unsigned stride, unsigned offset)
{
    for (unsigned d = 1; d < groups; d *= 2) {
        for (unsigned i = 0; i < groups; i++) {
            if (i & d) {
                unsigned below = i / d * d - 1;
                push_join(a, stride * i + offset, stride * below + offset, i < 2 * d);
            }
        }
        finish(a);
    }
}

/* Steps 3 to 5: afterwards c0 of pair k is the carry out of pairs 0 .. k. */
static void prefix(adder *a)
{
    if (a->pairs <= 4) {
        sklansky(a, a->pairs, 1, 0);
        return;
    }
    for (unsigned k = 1; k < a->pairs; k += 2) {
        push_join(a, k, k - 1, k == 1);
    }
    finish(a);
    sklansky(a, a->pairs / 2, 2, 1);
    for (unsigned k = 2; k < a->pairs; k += 2) {
        push_join(a, k, k - 1, true);
    }
    finish(a);
}

/* Step 6; bit 1 has its carry since step 1. */
static void carries_into_odd_bits(adder *a)
{
    for (unsigned bit = 3; bit < a->bits; bit += 2) {
        push_majority(a, a->carry[bit], bit - 1, a->carry[bit - 1]);
    }
    finish(a);
}

/* Planes of a column among those given; returns the first one's number. */
static place give(adder *a, cm_bcol x)
{
    place first = a->givens;

    CM_ASSERT(x.planes <= GIVEN_MAX - a->givens);
    for (unsigned i = 0; i < x.planes; i++) {
        a->given[a->givens++] = cm_bcol_plane(x, i);
    }
    return first;
}

/* A slot that stays. */
static place keep(adder *a)
{
    a->kept++;
    return temporary(a);
}

/* With what is given behind x, y and z. */
static place start(adder *a, cm_bcol x, cm_bcol y, cm_bcol z, cm_bcol carries)
{
    CM_ASSERT(x.planes == z.planes && y.planes <= x.planes && x.planes <= 2 * PAIRS_MAX);
    CM_ASSERT(x.rows == y.rows && x.rows == z.rows);

    a->bits = x.planes;
    a->y_bits = y.planes;
    a->pairs = cm_adder_pairs(x.planes);
    a->x = give(a, x);
    a->y = give(a, y);
    a->z = give(a, z);
    place ret = give(a, carries);
    a->kept = a->next = a->slots = a->givens;
    a->zero = keep(a);
    plane_zero(a, a->zero);
    for (unsigned i = 0; i < a->bits; i++) {
        a->carry[i] = a->z + i;
    }
    if (a->bits > 0) {
        plane_zero(a, a->carry[0]);
    }
    return ret;
}

/* Steps 3 to 6, the sum, and running it all. */
static cm_status end(adder *a, cm_mpc *mpc, size_t rows, cm_arena scratch)
{
    prefix(a);
    carries_into_odd_bits(a);
    for (unsigned i = 0; i < a->bits; i++) {
        plane_xor(a, a->z + i, a->carry[i], x_of(a, i));
        if (has_y(a, i)) {
            plane_xor(a, a->z + i, a->z + i, y_of(a, i));
        }
    }
    const cm_steps steps = {.planes = a->slots,
                            .slots = a->slots - a->givens,
                            .stages = a->stages + 1,
                            .stage = a->stage,
                            .xor_step = a->xor_step,
                            .and_step = a->and_step};
    return cm_mpc_run_steps(mpc, &steps, a->given, rows, scratch);
}

unsigned cm_adder_pairs(unsigned planes)
{
    return planes == 0 ? 0 : (planes - 1) / 2;
}

cm_status cm_adder(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol z, cm_arena scratch)
{
    if (x.planes == 0) {
        return CM_OK;
    }
    adder *a = CM_NEW(&scratch, adder, 1);

    (void)start(a, x, y, z, (cm_bcol){0});
    for (unsigned k = 1; k < a->pairs; k++) {
        a->c1[k] = keep(a);
    }
    if (a->bits > 1) {
        carries_of_pairs(a);
    }
    return end(a, mpc, x.rows, scratch);
}

cm_status cm_adder_from_pairs(cm_mpc *mpc, cm_bcol x, cm_bcol y, cm_bcol carries, cm_bcol z,
                              cm_arena scratch)
{
    if (x.planes == 0) {
        return CM_OK;
    }
    adder *a = CM_NEW(&scratch, adder, 1);

    CM_ASSERT(y.planes == x.planes && carries.planes == 2 * cm_adder_pairs(x.planes) + 1);
    place first = start(a, x, y, z, carries);
    if (a->bits > 1) {
        a->carry[1] = first + 2 * a->pairs;
    }
    for (unsigned k = 0; k < a->pairs; k++) {
        a->carry[2 * k + 2] = first + 2 * k;
        a->c1[k] = first + 2 * k + 1;
    }
    return end(a, mpc, x.rows, scratch);
}
