/*
 * cli/cli.h - the command line `comity`: one function per command, all with the same shape.
 *
 * Exit codes: 0 done, 1 failed (said on stderr), 2 wrong usage.
 */
#ifndef CM_CLI_CLI_H
#define CM_CLI_CLI_H

#include "base/buf.h"

#include <sys/types.h>

typedef struct cm_command {
    const char *name;
    const char *summary;               /* one line, for `comity help` */
    const char *usage;                 /* for `comity NAME --help` */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
} cm_command;

extern const cm_command CM_COMMAND_INIT;
extern const cm_command CM_COMMAND_INVITE;
extern const cm_command CM_COMMAND_JOIN;
extern const cm_command CM_COMMAND_START;
extern const cm_command CM_COMMAND_STOP;
extern const cm_command CM_COMMAND_STATUS;
extern const cm_command CM_COMMAND_AUDIT;
extern const cm_command CM_COMMAND_BENCH;
extern const cm_command CM_COMMAND_VERSION;

/* Prints what went wrong, with hint, and returns 1. */
int cm_cli_failed(const char *command, const cm_diag *diag);
/* Prints the usage line and returns 2. */
int cm_cli_usage(const cm_command *command);
/* fork() of a child that is killed when this process ends, however it ends. */
pid_t cm_cli_fork(void);

#endif
