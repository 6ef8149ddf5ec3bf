#include "cli/cli.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

pid_t cm_cli_fork(void)
{
    const pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) { /* it ended before it was asked to send a signal */
            _exit(1);
        }
    }
    return pid;
}
