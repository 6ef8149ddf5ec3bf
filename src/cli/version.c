/* comity version. */
#include "cli/cli.h"

#include <stdio.h>

#include "base/cpu.h"

static int run(int argc, char **argv)
{
    cm_cpu cpu = cm_cpu_detect();
    (void)argc;
    (void)argv;
    (void)printf("comity %s\nprocessor:%s%s%s%s%s\n", CM_VERSION, cpu.aes ? " AES-NI" : "",
                 cpu.avx2 ? " AVX2" : "", cpu.avx512 ? " AVX-512" : "", cpu.vaes ? " VAES" : "",
                 cpu.aes || cpu.avx2 ? "" : " portable code only");
    return 0;
}

const cm_command CM_COMMAND_VERSION = {
    .name = "version",
    .summary = "prints the version and what the processor offers",
    .usage = "usage: comity version\n",
    .run = run,
};
