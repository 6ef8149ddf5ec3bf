/* comity start: runs one node or several, in the background or in the foreground. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/admin.h"

enum { START_MS = 15000, POLL_MS = 20, NODES_MAX = 64 };

static int run(int argc, char **argv);

const cm_command CM_COMMAND_START = {
    .name = "start",
    .summary = "starts nodes",
    .usage =
        "usage: comity start [--foreground] DIR ...\n\n"
        "Starts the node of each state directory in the background, and waits until it\n"
        "answers; its log is DIR/log. With --foreground one node runs until it is stopped and\n"
        "logs to standard error, as a service manager wants it.\n",
    .run = run,
};

/* The daemon beside this program. */
static bool daemon_path(char *ret, size_t max)
{
    char self[4096];
    ssize_t chars = readlink("/proc/self/exe", self, sizeof self - 1);
    if (chars <= 0) {
        return false;
    }
    self[chars] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    int wrote = snprintf(ret, max, "%s/comityd", self);
    return wrote > 0 && (size_t)wrote < max;
}

/* In the child: a session of its own, nothing of the terminal, the log as output. */
static void become_daemon(const char *program, const char *dir)
{
    char log[4096];
    (void)setsid();
    (void)snprintf(log, sizeof log, "%s/log", dir);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out >= 0 && in >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2) {
        (void)execl(program, program, dir, (char *)NULL);
    }
    _exit(127);
}

static bool answers(const char *dir)
{
    const char *request[] = {"status"};
    cm_buf answer = {0};
    cm_status st = cm_admin_call(dir, request, 1, 1000, &answer, NULL);
    cm_buf_free(&answer);
    return st == CM_OK;
}

static int await(const char *dir, pid_t pid)
{
    int64_t deadline_ms = cm_clock_ms() + START_MS;
    for (;;) {
        int status = 0;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            (void)fprintf(stderr, "comity start: the node in %s ended at once; see %s/log\n", dir,
                          dir);
            return 1;
        }
        if (answers(dir)) {
            (void)printf("started %s (process %d)\n", dir, (int)pid);
            return 0;
        }
        if (cm_clock_left_ms(deadline_ms) == 0) {
            (void)fprintf(stderr, "comity start: the node in %s does not answer; see %s/log\n", dir,
                          dir);
            (void)kill(pid, SIGTERM);
            return 1;
        }
        (void)usleep(POLL_MS * 1000);
    }
}

static int run(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"foreground", no_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    bool foreground = false;
    char program[4096];
    pid_t pid[NODES_MAX];
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (c != 'f') {
            return cm_cli_usage(&CM_COMMAND_START);
        }
        foreground = true;
    }
    int nodes = argc - optind;
    if (nodes < 1 || nodes > NODES_MAX || (foreground && nodes != 1)) {
        return cm_cli_usage(&CM_COMMAND_START);
    }
    if (!daemon_path(program, sizeof program)) {
        (void)fprintf(stderr, "comity start: cannot find comityd beside this program\n");
        return 1;
    }
    if (foreground) {
        (void)execl(program, program, argv[optind], (char *)NULL);
        (void)fprintf(stderr, "comity start: %s: %s\n", program, strerror(errno));
        return 1;
    }
    for (int i = 0; i < nodes; i++) {
        const char *dir = argv[optind + i];
        pid[i] = 0;
        if (answers(dir)) {
            continue;
        }
        pid[i] = fork();
        if (pid[i] < 0) {
            (void)fprintf(stderr, "comity start: %s\n", strerror(errno));
            return 1;
        }
        if (pid[i] == 0) {
            become_daemon(program, dir);
        }
    }
    int worst = 0;
    for (int i = 0; i < nodes; i++) {
        if (pid[i] == 0) {
            (void)printf("%s is running already\n", argv[optind + i]);
            continue;
        }
        int code = await(argv[optind + i], pid[i]);
        worst = code > worst ? code : worst;
    }
    return worst;
}
