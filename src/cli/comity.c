/* comity - the command line of a node: see `comity help` and comity(1). */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const cm_command *const COMMANDS[] = {
    &CM_COMMAND_INIT,  &CM_COMMAND_START,  &CM_COMMAND_INVITE,
    &CM_COMMAND_JOIN,  &CM_COMMAND_STATUS, &CM_COMMAND_STOP,
    &CM_COMMAND_AUDIT, &CM_COMMAND_BENCH,  &CM_COMMAND_VERSION,
};

int cm_cli_failed(const char *command, const cm_diag *diag)
{
    (void)fprintf(stderr, "comity %s: %s\n", command,
                  diag->message[0] != '\0' ? diag->message : cm_status_text(diag->status));
    if (diag->detail[0] != '\0') {
        (void)fprintf(stderr, "  %s\n", diag->detail);
    }
    if (diag->hint[0] != '\0') {
        (void)fprintf(stderr, "  Hint: %s\n", diag->hint);
    }
    return 1;
}

int cm_cli_usage(const cm_command *command)
{
    (void)fprintf(stderr, "%s\nTry `comity %s --help`.\n", "wrong usage", command->name);
    return 2;
}

static int help(void)
{
    (void)printf("comity lets organisations compute on data that they may not show each other.\n\n"
                 "usage: comity COMMAND ...\n\n");
    for (size_t i = 0; i < CM_COUNT(COMMANDS); i++) {
        (void)printf("  %-8s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
    }
    (void)printf("\n`comity COMMAND --help` says more; queries and policies are SQL: connect with "
                 "psql.\n");
    return 0;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        return help();
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < CM_COUNT(COMMANDS); i++) {
        if (strcmp(COMMANDS[i]->name, name) == 0) {
            if (asks_for_help(argc - 1, argv + 1)) {
                (void)fputs(COMMANDS[i]->usage, stdout);
                return 0;
            }
            return COMMANDS[i]->run(argc - 1, argv + 1);
        }
    }
    (void)fprintf(stderr, "comity: there is no command \"%s\"; `comity help` lists them\n",
                  argv[1]);
    return 2;
}
