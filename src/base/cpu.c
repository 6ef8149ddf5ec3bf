#include "base/cpu.h"

#include <sched.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum {
    XCR0_YMM = 0x06, /* XMM and YMM state */
    XCR0_ZMM = 0xe6, /* and opmask, both halves of ZMM */
};

/* Which register state the operating system saves.  Call only when cpuid says OSXSAVE. */
static uint64_t read_xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

cm_cpu cm_cpu_detect(void)
{
    cm_cpu cpu = {0};
    unsigned eax, ebx, ecx, edx;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) {
        return cpu;
    }
    cpu.aes = (ecx & bit_AES) != 0 && (ecx & bit_SSSE3) != 0 && (ecx & bit_SSE4_1) != 0;
    uint64_t xcr0 = (ecx & bit_OSXSAVE) != 0 ? read_xcr0() : 0;

    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        return cpu;
    }
    const unsigned avx512 = (unsigned)(bit_AVX512F | bit_AVX512DQ) | bit_AVX512BW | bit_AVX512VL;
    cpu.avx2 = (xcr0 & XCR0_YMM) == XCR0_YMM && (ebx & bit_AVX2) != 0;
    cpu.avx512 = cpu.avx2 && (xcr0 & XCR0_ZMM) == XCR0_ZMM && (ebx & avx512) == avx512;
    cpu.vaes = cpu.avx512 && cpu.aes && (ecx & bit_VAES) != 0;
    cpu.gfni = cpu.avx512 && (ecx & bit_GFNI) != 0 && (ecx & bit_AVX512VBMI) != 0;
    return cpu;
}
#elif defined(__aarch64__)
#include <sys/auxv.h> /* HWCAP_AES, too */

cm_cpu cm_cpu_detect(void)
{
    return (cm_cpu){.aes = (getauxval(AT_HWCAP) & HWCAP_AES) != 0};
}
#else
cm_cpu cm_cpu_detect(void)
{
    return (cm_cpu){0};
}
#endif

unsigned cm_cpu_cores(void)
{
    cpu_set_t usable;

    /* More processors than a set holds: then there are as many as it holds. */
    if (sched_getaffinity(0, sizeof usable, &usable) != 0) {
        return CPU_SETSIZE;
    }
    int cores = CPU_COUNT(&usable);
    return cores > 0 ? (unsigned)cores : 1;
}
