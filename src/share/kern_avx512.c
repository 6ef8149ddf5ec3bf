/*
 * Kernels for AVX-512 (F, BW, VL, DQ): eight words to the register and a 64-bit multiply.  Compiled
 * with these flags; the transposition is bound by shuffles and stays AVX2's.
 */
#include "share/kern_int.h"

#include "share/kern_loops.h"

const cm_kernels *cm_kernels_avx512(const cm_cpu *cpu)
{
    static const cm_kernels avx512 = {
        .name = "avx512",
        CM_LOOP_KERNELS,
        .prefix_xor = loop_prefix_xor,
        .transpose = cm_kern_transpose_avx2,
    };
    return cpu->avx512 && cpu->avx2 ? &avx512 : NULL;
}
