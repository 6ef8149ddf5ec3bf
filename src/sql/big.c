/* Schoolbook arithmetic on limbs of 32 bits; quotients and roots one bit at a time. */
#include "sql/big.h"

enum { LIMB_BITS = 32, BITS = CM_BIG_LIMBS * LIMB_BITS };

cm_big cm_big_of(cm_i128 value)
{
    cm_big ret = {.negative = value < 0};
    cm_u128 rest = value < 0 ? -(cm_u128)value : (cm_u128)value;

    for (size_t i = 0; rest != 0; i++) {
        ret.limb[i] = (uint32_t)rest;
        rest >>= LIMB_BITS;
    }
    return ret;
}

bool cm_big_is_zero(const cm_big *x)
{
    for (size_t i = 0; i < CM_BIG_LIMBS; i++) {
        if (x->limb[i] != 0) {
            return false;
        }
    }
    return true;
}

cm_i128 cm_big_get(const cm_big *x)
{
    cm_u128 magnitude = 0;

    for (size_t i = CM_BIG_LIMBS; i-- > 0;) {
        CM_ASSERT(magnitude >> 95 == 0);
        magnitude = magnitude << LIMB_BITS | x->limb[i];
    }
    return x->negative ? -(cm_i128)magnitude : (cm_i128)magnitude;
}

/* Of magnitudes. */
static bool less(const cm_big *x, const cm_big *y)
{
    for (size_t i = CM_BIG_LIMBS; i-- > 0;) {
        if (x->limb[i] != y->limb[i]) {
            return x->limb[i] < y->limb[i];
        }
    }
    return false;
}

static cm_big add_magnitudes(const cm_big *x, const cm_big *y)
{
    cm_big ret = {0};
    uint64_t carry = 0;

    for (size_t i = 0; i < CM_BIG_LIMBS; i++) {
        carry += (uint64_t)x->limb[i] + y->limb[i];
        ret.limb[i] = (uint32_t)carry;
        carry >>= LIMB_BITS;
    }
    CM_ASSERT(carry == 0);
    return ret;
}

/* x is not less than y. */
static cm_big sub_magnitudes(const cm_big *x, const cm_big *y)
{
    cm_big ret = {0};
    uint64_t borrow = 0;

    for (size_t i = 0; i < CM_BIG_LIMBS; i++) {
        uint64_t difference = (uint64_t)x->limb[i] - y->limb[i] - borrow;
        ret.limb[i] = (uint32_t)difference;
        borrow = difference >> 63;
    }
    CM_ASSERT(borrow == 0);
    return ret;
}

cm_big cm_big_add(const cm_big *x, const cm_big *y)
{
    bool swap = x->negative != y->negative && less(x, y);
    const cm_big *large = swap ? y : x, *small = swap ? x : y;
    cm_big ret = x->negative == y->negative ? add_magnitudes(x, y) : sub_magnitudes(large, small);

    ret.negative = large->negative;
    return ret;
}

cm_big cm_big_sub(const cm_big *x, const cm_big *y)
{
    cm_big minus = *y;

    minus.negative = !y->negative;
    return cm_big_add(x, &minus);
}

cm_big cm_big_mul(const cm_big *x, const cm_big *y)
{
    cm_big ret = {.negative = x->negative != y->negative};

    for (size_t i = 0; i < CM_BIG_LIMBS; i++) {
        uint64_t carry = 0;
        for (size_t j = 0; x->limb[i] != 0 && j < CM_BIG_LIMBS; j++) {
            if (i + j >= CM_BIG_LIMBS) {
                CM_ASSERT(y->limb[j] == 0 && carry == 0);
                continue;
            }
            carry += (uint64_t)x->limb[i] * y->limb[j] + ret.limb[i + j];
            ret.limb[i + j] = (uint32_t)carry;
            carry >>= LIMB_BITS;
        }
        CM_ASSERT(carry == 0);
    }
    return ret;
}

static uint32_t bit_of(const cm_big *x, size_t at)
{
    return x->limb[at / LIMB_BITS] >> (at % LIMB_BITS) & 1;
}

/* x * 2^bits + low */
static cm_big shifted(const cm_big *x, unsigned bits, uint32_t low)
{
    cm_big ret = {0};

    for (size_t i = 0; i < CM_BIG_LIMBS; i++) {
        uint32_t below = i == 0 ? 0 : x->limb[i - 1] >> (LIMB_BITS - bits);
        ret.limb[i] = x->limb[i] << bits | below;
    }
    ret.limb[0] |= low;
    return ret;
}

cm_big cm_big_div(const cm_big *x, const cm_big *y)
{
    cm_big ret = {.negative = x->negative != y->negative}, rest = {0};

    CM_ASSERT(!cm_big_is_zero(y));
    for (size_t at = BITS; at-- > 0;) {
        rest = shifted(&rest, 1, bit_of(x, at));
        if (!less(&rest, y)) {
            rest = sub_magnitudes(&rest, y);
            ret.limb[at / LIMB_BITS] |= (uint32_t)1 << (at % LIMB_BITS);
        }
    }
    return ret;
}

cm_big cm_big_sqrt(const cm_big *x)
{
    cm_big root = {0}, rest = {0};

    for (size_t at = BITS / 2; at-- > 0;) {
        rest = shifted(&rest, 2, bit_of(x, 2 * at + 1) << 1 | bit_of(x, 2 * at));
        cm_big trial = shifted(&root, 2, 1);
        bool fits = !less(&rest, &trial);
        rest = fits ? sub_magnitudes(&rest, &trial) : rest;
        root = shifted(&root, 1, fits);
    }
    return root;
}
