/* comity invite, join, status, stop: what is asked of a running node. */
#include "cli/cli.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/admin.h"

enum { CALL_MS = 30000, STOP_MS = 20000, ORGS_MAX = 64 };

static int run_invite(int argc, char **argv);
static int run_join(int argc, char **argv);
static int run_status(int argc, char **argv);
static int run_stop(int argc, char **argv);

const cm_command CM_COMMAND_INVITE = {
    .name = "invite",
    .summary = "founds a federation: prints one invitation per other member",
    .usage =
        "usage: comity invite DIR --federation NAME [--hours N] ORG ORG ...\n\n"
        "Lists all members of the federation, in order; the first three compute. Prints a line\n"
        "\"ORG TOKEN\" for every member but this node. A token is a secret: send it to that\n"
        "organisation's operator over a channel that you trust; it works once.\n\n"
        "  --federation NAME  how the members call it\n"
        "  --hours N          until the tokens expire (72)\n\n"
        "The federation is in force when every invited node has joined.\n",
    .run = run_invite,
};

const cm_command CM_COMMAND_JOIN = {
    .name = "join",
    .summary = "accepts an invitation",
    .usage =
        "usage: comity join DIR TOKEN\n\n"
        "Accepts the members and the protocol that the invitation names, and gives the founder\n"
        "this node's certificate. `comity status DIR` then shows when all have joined, and\n"
        "everybody's fingerprint: compare them by telephone.\n",
    .run = run_join,
};

const cm_command CM_COMMAND_STATUS = {
    .name = "status",
    .summary = "shows nodes, their federation, links and jobs",
    .usage = "usage: comity status DIR ...\n",
    .run = run_status,
};

const cm_command CM_COMMAND_STOP = {
    .name = "stop",
    .summary = "stops nodes",
    .usage = "usage: comity stop DIR ...\n",
    .run = run_stop,
};

static int call(const char *command, const char *dir, const char *const *request, size_t count,
                bool print)
{
    cm_buf answer = {0};
    cm_diag diag = {0};
    cm_status st = cm_admin_call(dir, request, count, CALL_MS, &answer, &diag);
    if (st == CM_OK && print) {
        const char *text = cm_buf_text(&answer);
        size_t bytes = strlen(text);
        (void)printf("%s%s", text, bytes > 0 && text[bytes - 1] != '\n' ? "\n" : "");
    }
    cm_buf_wipe_free(&answer);
    return st == CM_OK ? 0 : cm_cli_failed(command, &diag);
}

static int run_invite(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"federation", required_argument, NULL, 'f'},
                                            {"hours", required_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *name = NULL;
    const char *hours = "72";
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (c == 'f') {
            name = optarg;
        } else if (c == 'h') {
            hours = optarg;
        } else {
            return cm_cli_usage(&CM_COMMAND_INVITE);
        }
    }
    int orgs = argc - optind - 1;
    if (name == NULL || orgs < 1 || orgs > ORGS_MAX) {
        return cm_cli_usage(&CM_COMMAND_INVITE);
    }
    const char *request[3 + ORGS_MAX] = {"invite", name, hours};
    for (int i = 0; i < orgs; i++) {
        request[3 + i] = argv[optind + 1 + i];
    }
    return call("invite", argv[optind], request, 3 + (size_t)orgs, true);
}

static int run_join(int argc, char **argv)
{
    if (argc != 3) {
        return cm_cli_usage(&CM_COMMAND_JOIN);
    }
    const char *request[] = {"join", argv[2]};
    return call("join", argv[1], request, 2, true);
}

/* The daemon answers before it ends; it is gone when its lock is free. */
static bool await_end(const char *dir)
{
    cm_buf path = {0};
    cm_buf_printf(&path, "%s/lock", dir);
    int fd = open(cm_buf_text(&path), O_RDWR | O_CLOEXEC);
    cm_buf_free(&path);
    if (fd < 0) {
        return true;
    }
    int64_t deadline_ms = cm_clock_ms() + STOP_MS;
    bool ended = flock(fd, LOCK_EX | LOCK_NB) == 0;
    while (!ended && cm_clock_left_ms(deadline_ms) > 0) {
        (void)usleep(10000);
        ended = flock(fd, LOCK_EX | LOCK_NB) == 0;
    }
    (void)close(fd);
    return ended;
}

static int each(int argc, char **argv, const cm_command *command, bool print)
{
    int worst = 0;
    if (argc < 2) {
        return cm_cli_usage(command);
    }
    for (int i = 1; i < argc; i++) {
        const char *request[] = {command->name};
        int code = call(command->name, argv[i], request, 1, print);
        worst = code > worst ? code : worst;
    }
    return worst;
}

static int run_status(int argc, char **argv)
{
    return each(argc, argv, &CM_COMMAND_STATUS, true);
}

static int run_stop(int argc, char **argv)
{
    int worst = each(argc, argv, &CM_COMMAND_STOP, false);
    for (int i = 1; i < argc; i++) {
        if (worst == 0 && !await_end(argv[i])) {
            (void)fprintf(stderr, "comity stop: the node in %s is still ending\n", argv[i]);
            worst = 1;
        }
    }
    return worst;
}
