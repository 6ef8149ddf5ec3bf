/* comityd: one organisation's node.  Logs to standard error. */
#include "crypto/crypto.h"
#include "node/node.h"
#include "pgwire/server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void on_stop_signal(void *arg)
{
    cm_loop_stop(arg);
}

static int failed(const cm_diag *diag)
{
    fprintf(stderr, "comityd: %s\n", diag->message);
    if (diag->hint[0] != 0) {
        fprintf(stderr, "hint: %s\n", diag->hint);
    }
    return 1;
}

static cm_status serve(cm_loop *loop, const char *dir, cm_diag *diag)
{
    cm_node *node = NULL;
    cm_pg_server *server = NULL;
    cm_node_options options = {.dir = dir};
    cm_status st = cm_node_open(loop, &options, &node, diag);
    if (st == CM_OK) {
        st = cm_pg_server_new(loop, node, cm_node_sql_address(node), &server, diag);
    }
    if (st == CM_OK) {
        cm_node_log(node, "node port %s, SQL port %s", cm_node_listen_address(node),
                    cm_node_sql_address(node));
        cm_loop_run(loop);
        cm_node_log(node, "stopping");
    }
    cm_pg_server_free(server);
    cm_node_free(node);
    return st;
}

int main(int argc, char **argv)
{
    cm_diag diag = {0};
    cm_loop *loop = NULL;
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: comityd DIR\n");
        return 2;
    }
    umask(077);
    cm_process_protect(); /* the node's key, those of kept shares, passwords, answers */
    if (cm_loop_new(&loop, &diag) != CM_OK) {
        return failed(&diag);
    }
    cm_loop_on_signal(loop, SIGTERM, on_stop_signal, loop);
    cm_loop_on_signal(loop, SIGINT, on_stop_signal, loop);
    cm_status st = serve(loop, argv[1], &diag);
    cm_loop_free(loop);
    return st == CM_OK ? 0 : failed(&diag);
}
