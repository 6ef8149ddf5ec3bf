/*
 * Kernels for AVX-512 (F, BW, VL, DQ): eight words to the register and a 64-bit multiply.  Compiled
 * with these flags; transposition and prefix XOR are bound by their chains of steps and stay
 * AVX2's.
 */
#include "share/kern_int.h"

#if defined(__AVX512BW__)
#include "share/kern_loops.h"

const cm_kernels *cm_kernels_avx512(const cm_cpu *cpu)
{
    static const cm_kernels avx512 = {
        .name = "avx512",
        CM_LOOP_KERNELS,
        .prefix_xor = cm_kern_prefix_xor_avx2,
        .transpose = cm_kern_transpose_avx2,
    };
    return cpu->avx512 && cpu->avx2 ? &avx512 : NULL;
}
#else
const cm_kernels *cm_kernels_avx512(const cm_cpu *cpu)
{
    (void)cpu;
    return NULL;
}
#endif
