/* The kernels that every other table is tested against, and the choice of a table. */
#include "share/kern.h"

#include "share/kern_loops.h"

#include <stdatomic.h>

/*
 * Warren, Hacker's Delight, 7-3: swap the off-diagonal quarters of every 2j x 2j square, for
 * j = 32, 16, .. 1.
 */
static void transpose_portable(uint64_t block[static 64])
{
    uint64_t low = 0x00000000ffffffff;

    for (unsigned j = 32; j != 0; j >>= 1, low ^= low << j) {
        for (unsigned k = 0; k < 64; k = (k + j + 1) & ~j) {
            uint64_t swap = ((block[k] >> j) ^ block[k + j]) & low;
            block[k + j] ^= swap;
            block[k] ^= swap << j;
        }
    }
}

const cm_kernels *cm_kernels_portable(void)
{
    static const cm_kernels portable = {
        .name = "portable",
        CM_LOOP_KERNELS,
        .prefix_xor = loop_prefix_xor,
        .transpose = transpose_portable,
    };
    return &portable;
}

static const cm_kernels *choose(void)
{
    cm_cpu cpu = cm_cpu_detect();

    const cm_kernels *found = cm_kernels_gfni(&cpu);
    if (!found) {
        found = cm_kernels_avx512(&cpu);
    }
    if (!found) {
        found = cm_kernels_avx2(&cpu);
    }
    if (!found) {
        found = cm_kernels_neon();
    }
    return found ? found : cm_kernels_portable();
}

const cm_kernels *cm_kernels_best(void)
{
    /* A constant of the machine, kept because cpuid traps in virtual machines.  Two threads that
     * race here find and store the same pointer. */
    static _Atomic(const cm_kernels *) best;

    const cm_kernels *known = atomic_load_explicit(&best, memory_order_relaxed);
    if (!known) {
        known = choose();
        atomic_store_explicit(&best, known, memory_order_relaxed);
    }
    return known;
}
