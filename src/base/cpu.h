/* base/cpu.h - what the processor and the operating system let us use (cpuid and XGETBV;
 * HWCAP on arm64, where NEON is always there). */
#ifndef CM_BASE_CPU_H
#define CM_BASE_CPU_H

#include "base/base.h"

typedef struct cm_cpu {
    bool aes;    /* AES-NI, or ARMv8's AES instructions */
    bool avx2;   /* and the YMM state is saved */
    bool avx512; /* F, BW, VL, DQ and the ZMM state is saved */
    bool vaes;   /* VAES on 512-bit registers */
    bool gfni;   /* GFNI and VBMI on 512-bit registers */
} cm_cpu;

cm_cpu cm_cpu_detect(void);
/* Processors that this process may run on, at least 1. */
unsigned cm_cpu_cores(void);

#endif
