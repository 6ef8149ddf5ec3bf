/* share/kern_int.h - private to share: kernels that more than one table uses. */
#ifndef CM_SHARE_KERN_INT_H
#define CM_SHARE_KERN_INT_H

#include "share/kern.h"

/* These need AVX2. */
void cm_kern_prefix_xor_avx2(uint64_t *z, const uint64_t *x, size_t words);
void cm_kern_transpose_avx2(uint64_t block[static 64]);

#endif
