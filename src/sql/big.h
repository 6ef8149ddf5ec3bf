/*
 * sql/big.h - signed integers of up to 832 bits, for expressions whose intermediate results have
 * more than 126.  Values, not fast; too long a result is our bug.
 */
#ifndef CM_SQL_BIG_H
#define CM_SQL_BIG_H

#include "base/base.h"

enum { CM_BIG_LIMBS = 26 };
typedef struct cm_big {
    bool negative; /* of 0: either */
    uint32_t limb[CM_BIG_LIMBS];
} cm_big;

cm_big cm_big_of(cm_i128 value);
bool cm_big_is_zero(const cm_big *x);
/* The magnitude is less than 2^127. */
cm_i128 cm_big_get(const cm_big *x);
cm_big cm_big_add(const cm_big *x, const cm_big *y);
cm_big cm_big_sub(const cm_big *x, const cm_big *y);
cm_big cm_big_mul(const cm_big *x, const cm_big *y);
/* Towards 0; y is not 0. */
cm_big cm_big_div(const cm_big *x, const cm_big *y);
/* Rounded down; x is not negative. */
cm_big cm_big_sqrt(const cm_big *x);

#endif
