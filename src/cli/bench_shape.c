/*
 * Links with delay and rate: a network namespace per party.
 *
 * With netem, each party has an interface on a bridge, and its own uplink is shaped:
 *
 *     party 0 -- eth0 [delay, rate] -- bridge in a fourth namespace -- [delay, rate] eth0 -- ...
 *
 * A kernel without netem (small virtual machines) gets TUN interfaces instead, and a process that
 * moves their packets (net/shaper.h).  Either way a packet waits for the uplink's rate, then half
 * of the round trip.
 *
 * No namespace has a name.  They live as long as processes, sockets and descriptors in them, so
 * nothing is left behind, however this program ends.
 */
#include "cli/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "net/shaper.h"

enum { WORDS_MAX = 32, NETEM_PACKETS = 100000, RELAY_NICE = -15 };

/* Runs ip or tc; the command is split at blanks.  False: it failed, or is not there (errno). */
CM_MUST CM_PRINTF(2, 3) static bool tool(bool quiet, const char *format, ...)
{
    extern char **environ;
    char line[256];
    char *words[WORDS_MAX] = {NULL};
    char *rest = NULL;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    char *word = strtok_r(line, " ", &rest);
    for (size_t i = 0; word != NULL && i + 1 < WORDS_MAX; i++) {
        words[i] = word;
        word = strtok_r(NULL, " ", &rest);
    }

    CM_ASSERT(words[0] != NULL);

    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int status = 1;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (quiet) {
        (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    errno = posix_spawnp(&pid, words[0], &actions, NULL, words, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    if (errno != 0) {
        return false;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status == 0;
}

/* Root's PATH may lack the directories of ip and tc when it came by su. */
static cm_status check_tools(cm_diag *diag)
{
    char path[4096];
    const char *old = getenv("PATH");
    if (geteuid() != 0) {
        cm_status st = cm_fail(diag, CM_EDENIED, CM_SQL_DENIED,
                               "--rtt and --rate make network namespaces, which needs root");
        cm_diag_hint(diag, "Run it with sudo, or shape real links with tc and bench nodes there.");
        return st;
    }
    (void)snprintf(path, sizeof path, "%s:/usr/sbin:/sbin", old != NULL ? old : "/usr/bin:/bin");
    (void)setenv("PATH", path, 1);
    if (!tool(true, "ip -V") || !tool(true, "tc -V")) {
        cm_status st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_NOT_READY,
                               "--rtt and --rate need the commands ip and tc");
        cm_diag_hint(diag, "On Debian they are in the package iproute2.");
        return st;
    }
    return CM_OK;
}

static cm_status failed(cm_diag *diag, const char *what)
{
    return cm_fail(diag, CM_EIO, CM_SQL_IO, "cannot %s: %s", what,
                   errno != 0 ? strerror(errno) : "see above");
}

/* The caller is in a new namespace afterwards. */
static cm_status enter_new_namespace(int *ret_fd, cm_diag *diag)
{
    if (unshare(CLONE_NEWNET) != 0) {
        return failed(diag, "make a network namespace");
    }
    *ret_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return *ret_fd >= 0 ? CM_OK : failed(diag, "open a network namespace");
}

static bool kernel_has_netem(void)
{
    return tool(true, "ip link set lo up") &&
           tool(true, "tc qdisc add dev lo root netem delay 1ms");
}

/* ---- netem -------------------------------------------------------------------------------- */

static cm_status plug_into_bridge(const cm_bench_options *options, const cm_bench_net *net,
                                  unsigned i, int bridge, cm_diag *diag)
{
    char delay[48] = "";
    char rate[48] = "";
    if (options->rtt_ms > 0) {
        (void)snprintf(delay, sizeof delay, " delay %.0fus", options->rtt_ms * 500);
    }
    if (options->rate_mbit > 0) {
        (void)snprintf(rate, sizeof rate, " rate %.0fkbit", options->rate_mbit * 1000);
    }
    if (!tool(false, "ip link add party%u type veth peer name eth0 netns /proc/%d/fd/%d", i,
              (int)getpid(), net->place[i].namespace_fd) ||
        !tool(false, "ip link set party%u master hub", i) ||
        !tool(false, "ip link set party%u up", i) ||
        setns(net->place[i].namespace_fd, CLONE_NEWNET) != 0 ||
        !tool(false, "ip addr add %s/24 dev eth0", net->place[i].address) ||
        !tool(false, "ip link set eth0 up") ||
        !tool(false, "tc qdisc add dev eth0 root netem limit %d%s%s", NETEM_PACKETS, delay, rate) ||
        setns(bridge, CLONE_NEWNET) != 0) {
        return failed(diag, "shape a link with netem");
    }
    return CM_OK;
}

static cm_status shape_with_netem(const cm_bench_options *options, cm_bench_net *net, cm_diag *diag)
{
    int bridge = -1; /* open as long as this program runs */
    cm_status st = enter_new_namespace(&bridge, diag);
    if (st == CM_OK &&
        (!tool(false, "ip link add hub type bridge") || !tool(false, "ip link set hub up"))) {
        st = failed(diag, "make a bridge");
    }
    for (unsigned i = 0; st == CM_OK && i < CM_BENCH_PARTIES; i++) {
        st = plug_into_bridge(options, net, i, bridge, diag);
    }
    return st;
}

/* ---- without netem ------------------------------------------------------------------------ */

CM_NORETURN static void be_relay(const cm_bench_options *options, const cm_bench_net *net)
{
    const cm_shaper_options shaper = {.ends = CM_BENCH_PARTIES,
                                      .fds = net->tun,
                                      .delay_ns = (int64_t)(options->rtt_ms * 5e5),
                                      .bytes_per_second = options->rate_mbit * 1e6 / 8};
    cm_diag diag = {0};
    (void)setpriority(PRIO_PROCESS, 0, RELAY_NICE); /* a wire does not wait for a processor */
    if (cm_shaper_run(&shaper, &diag) != CM_OK) {
        (void)fprintf(stderr, "comity bench: %s\n", diag.message);
        (void)kill(getppid(), SIGTERM); /* parties would wait for a wire that is cut */
    }
    _exit(1);
}

static cm_status shape_with_relay(const cm_bench_options *options, cm_bench_net *net, cm_diag *diag)
{
    cm_status st = CM_OK;
    for (unsigned i = 0; st == CM_OK && i < CM_BENCH_PARTIES; i++) {
        if (setns(net->place[i].namespace_fd, CLONE_NEWNET) != 0) {
            st = failed(diag, "enter a network namespace");
        }
        if (st == CM_OK) {
            st = cm_shaper_tun("tun0", &net->tun[i], diag);
        }
        if (st == CM_OK && (!tool(false, "ip addr add %s/24 dev tun0", net->place[i].address) ||
                            !tool(false, "ip link set tun0 up txqueuelen 10000"))) {
            st = failed(diag, "set up a TUN interface");
        }
    }
    if (st != CM_OK) {
        return st;
    }
    pid_t pid = cm_cli_fork();
    if (pid == 0) {
        be_relay(options, net);
    }
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        (void)close(net->tun[i]);
    }
    return pid > 0 ? CM_OK : failed(diag, "start a process");
}

cm_status cm_bench_shape(const cm_bench_options *options, cm_bench_net *ret, cm_diag *diag)
{
    *ret = (cm_bench_net){.shaped = options->rtt_ms > 0 || options->rate_mbit > 0, .how = ""};
    if (!ret->shaped) {
        return CM_OK;
    }
    cm_status st = check_tools(diag);
    int home = st == CM_OK ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
    for (unsigned i = 0; st == CM_OK && i < CM_BENCH_PARTIES; i++) {
        st = enter_new_namespace(&ret->place[i].namespace_fd, diag);
        (void)snprintf(ret->place[i].address, sizeof ret->place[i].address, "10.73.0.%u", i + 1);
    }
    if (st == CM_OK) {
        bool netem = kernel_has_netem();
        ret->how = netem ? "netem" : "user-space relay";
        st = netem ? shape_with_netem(options, ret, diag) : shape_with_relay(options, ret, diag);
    }
    if (home >= 0) {
        if (setns(home, CLONE_NEWNET) != 0 && st == CM_OK) {
            st = failed(diag, "return to the network namespace");
        }
        (void)close(home);
    }
    return st;
}
