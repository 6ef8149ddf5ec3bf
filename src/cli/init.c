/* comity init: makes a node's state directory. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "node/node.h"

static int run(int argc, char **argv);

const cm_command CM_COMMAND_INIT = {
    .name = "init",
    .summary = "makes a node: its directory, its keys, its first administrator",
    .usage =
        "usage: comity init DIR --org NAME [--listen HOST:PORT] [--sql HOST:PORT]\n"
        "                   [--admin ROLE] [--password-file FILE]\n\n"
        "Makes the state directory of organisation NAME's node (a lower-case SQL identifier; it\n"
        "becomes the schema of its tables) with a new identity key and certificate.\n\n"
        "  --listen HOST:PORT    where other nodes connect, as they see it (127.0.0.1:7400)\n"
        "  --sql HOST:PORT       where PostgreSQL clients connect (127.0.0.1:5433)\n"
        "  --admin ROLE          the first role: administrator, publisher, analyst (admin)\n"
        "  --password-file FILE  its password, the file's first line; - is standard input.\n"
        "                        Without it a password is made up and printed once.\n\n"
        "Next: comity start DIR\n",
    .run = run,
};

typedef struct init_options {
    const char *dir, *org, *listen, *sql, *admin, *password_file;
} init_options;

static bool parse(int argc, char **argv, init_options *ret)
{
    static const struct option OPTIONS[] = {
        {"org", required_argument, NULL, 'o'},           {"listen", required_argument, NULL, 'l'},
        {"sql", required_argument, NULL, 's'},           {"admin", required_argument, NULL, 'a'},
        {"password-file", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
    *ret = (init_options){.listen = "127.0.0.1:7400", .sql = "127.0.0.1:5433", .admin = "admin"};
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        switch (c) {
        case 'o':
            ret->org = optarg;
            break;
        case 'l':
            ret->listen = optarg;
            break;
        case 's':
            ret->sql = optarg;
            break;
        case 'a':
            ret->admin = optarg;
            break;
        case 'p':
            ret->password_file = optarg;
            break;
        default:
            return false;
        }
    }
    ret->dir = optind + 1 == argc ? argv[optind] : NULL;
    return ret->dir != NULL && ret->org != NULL;
}

/* The first line of the file, without its end. */
static bool read_password(const char *path, char *ret, size_t max)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    bool good = file != NULL && fgets(ret, (int)max, file) != NULL;
    if (file != NULL && file != stdin) {
        (void)fclose(file);
    }
    if (good) {
        ret[strcspn(ret, "\r\n")] = '\0';
    }
    return good && ret[0] != '\0';
}

static int run(int argc, char **argv)
{
    init_options options;
    char password[256];
    cm_diag diag = {0};
    if (!parse(argc, argv, &options)) {
        return cm_cli_usage(&CM_COMMAND_INIT);
    }
    if (options.password_file == NULL) {
        cm_password_generate(password);
    } else if (!read_password(options.password_file, password, sizeof password)) {
        (void)fprintf(stderr, "comity init: no password in %s\n", options.password_file);
        return 1;
    }
    cm_status st = cm_node_init(options.dir, options.org, options.listen, options.sql,
                                options.admin, password, &diag);
    if (st == CM_OK) {
        (void)printf("made the node of %s in %s\n  nodes connect to %s, SQL clients to %s\n",
                     options.org, options.dir, options.listen, options.sql);
        if (options.password_file == NULL) {
            (void)printf("  role %s has the password %s (shown this once)\n", options.admin,
                         password);
        }
    }
    cm_wipe(password, sizeof password);
    return st == CM_OK ? 0 : cm_cli_failed("init", &diag);
}
