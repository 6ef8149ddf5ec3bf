/* Putting a node together, and the order in which its parts come and go. */
#include "node/node.h"

#include "base/clock.h"
#include "node/admin.h"
#include "node/audit.h"
#include "node/catalog.h"
#include "node/federation.h"
#include "node/jobs.h"
#include "node/names.h"
#include "node/peers.h"
#include "node/stored.h"
#include "node/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CERT_VALID_DAYS = 3650, NODE_ARENA_BYTES = 16 << 20 };

static const char fact_federation[] = "federation";

struct cm_node {
    cm_arena arena; /* texts that live as long as the node */
    cm_loop *loop;
    const char *dir, *cache_dir, *job_program;
    const char *org, *listen, *sql;
    int lock_fd;
    cm_identity *identity;
    cm_state *state;
    cm_audit *audit;
    cm_catalog *catalog;
    cm_federation *federation;
    cm_founding *founding;
    cm_jobs *jobs;
    cm_peers *peers;
    cm_admin *admin;
    size_t sessions;
};

/* ---- init --------------------------------------------------------------------------------- */

void cm_password_generate(char ret[static 25])
{
    /* No letters that are read as others; 57 of them: a byte below 228 = 4 * 57 is uniform. */
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    for (size_t i = 0; i < 24;) {
        uint8_t byte;
        cm_random_bytes(&byte, 1);
        if (byte < 4 * (sizeof letters - 1)) {
            ret[i++] = letters[byte % (sizeof letters - 1)];
        }
    }
    ret[24] = 0;
}

static cm_status make_dir(const char *dir, cm_diag *diag)
{
    if (mkdir(dir, 0700) == 0) {
        return CM_OK;
    }
    if (errno != EEXIST) {
        return cm_fail(diag, CM_EIO, errno == ENOSPC ? CM_SQL_DISK_FULL : CM_SQL_IO,
                       "could not make \"%.200s\": %s", dir, strerror(errno));
    }
    return CM_OK;
}

/* A new directory, or an empty one: nobody's home becomes a node by a slip. */
static cm_status make_state_dir(const char *dir, cm_diag *diag)
{
    cm_status st = make_dir(dir, diag);
    DIR *listing = st == CM_OK ? opendir(dir) : NULL;
    if (st != CM_OK) {
        return st;
    }
    bool empty = true;
    for (struct dirent *e = listing ? readdir(listing) : NULL; e != NULL; e = readdir(listing)) {
        empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
    }
    if (listing == NULL || !empty || closedir(listing) != 0 || chmod(dir, 0700) != 0) {
        return cm_fail(diag, CM_EEXISTS, CM_SQL_DUPLICATE_OBJECT,
                       "\"%.200s\" is not a new or empty directory", dir);
    }
    return CM_OK;
}

static cm_status fill_state(cm_state *state, const char *org, const char *listen, const char *sql,
                            const char *admin, const char *password, cm_diag *diag)
{
    cm_state_role role = {.name = admin,
                          .login = true,
                          .verifier = cm_scram_verifier_of(password),
                          .administrator = true,
                          .publisher = true,
                          .analyst = true};
    cm_status st = cm_state_begin(state, diag);
    if (st != CM_OK) {
        return st;
    }
    st = cm_state_fact_put(state, "org", org, diag);
    if (st == CM_OK) {
        st = cm_state_fact_put(state, "listen", listen, diag);
    }
    if (st == CM_OK) {
        st = cm_state_fact_put(state, "sql", sql, diag);
    }
    if (st == CM_OK) {
        st = cm_state_role_add(state, &role, diag);
    }
    if (st != CM_OK) {
        cm_state_rollback(state);
        return st;
    }
    return cm_state_commit(state, diag);
}

static cm_status check_init(const char *org, const char *listen, const char *sql, const char *admin,
                            const char *password, cm_diag *diag)
{
    if (!cm_name_valid(org)) {
        cm_status st =
            cm_fail(diag, CM_EINVAL, "42602", "\"%.63s\" is no name for an organisation", org);
        cm_diag_hint(diag, "Use lower-case letters, digits and _, beginning with a letter.");
        return st;
    }
    if (!cm_name_valid(admin)) {
        return cm_fail(diag, CM_EINVAL, "42602", "\"%.63s\" is no name for a role", admin);
    }
    if (password[0] == 0) {
        return cm_fail(diag, CM_EINVAL, "28P01", "the password is empty");
    }
    if (strncmp(listen, "unix:", 5) == 0 || strchr(listen, ':') == NULL ||
        strchr(sql, ':') == NULL) {
        return cm_fail(diag, CM_EINVAL, "22023", "an address has the form host:port");
    }
    return CM_OK;
}

cm_status cm_node_init(const char *dir, const char *org, const char *listen, const char *sql,
                       const char *admin, const char *password, cm_diag *diag)
{
    char path[4096], identity_path[4096];
    cm_state *state = NULL;
    cm_identity *identity = NULL;
    cm_status st = check_init(org, listen, sql, admin, password, diag);
    if (st != CM_OK) {
        return st;
    }
    int a = snprintf(path, sizeof path, "%s/state.db", dir);
    int b = snprintf(identity_path, sizeof identity_path, "%s/identity.pem", dir);
    if (a >= (int)sizeof path || b >= (int)sizeof identity_path) {
        return cm_fail(diag, CM_EINVAL, "22023", "the path is too long");
    }
    if (access(path, F_OK) == 0 || access(identity_path, F_OK) == 0) {
        return cm_fail(diag, CM_EEXISTS, CM_SQL_DUPLICATE_OBJECT, "\"%.200s\" already holds a node",
                       dir);
    }
    st = make_state_dir(dir, diag);
    if (st != CM_OK) {
        return st;
    }
    mode_t mask = umask(077);
    st = cm_state_open(path, true, &state, diag);
    if (st == CM_OK) {
        st = cm_identity_generate(org, CERT_VALID_DAYS, &identity, diag);
    }
    if (st == CM_OK) {
        st = cm_identity_save(identity, identity_path, diag);
    }
    /* Last: a state with an organisation in it is a whole node. */
    if (st == CM_OK) {
        st = fill_state(state, org, listen, sql, admin, password, diag);
    }
    umask(mask);
    cm_state_close(state);
    cm_identity_free(identity);
    if (st != CM_OK) {
        /* Nothing was there before: what was begun goes. */
        unlink(path);
        unlink(identity_path);
    }
    return st;
}

/* ---- open --------------------------------------------------------------------------------- */

static cm_status take_lock(cm_node *node, cm_diag *diag)
{
    const char *path = cm_arena_printf(&node->arena, "%s/lock", node->dir);
    node->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (node->lock_fd < 0) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not open \"%.200s\": %s", path,
                       strerror(errno));
    }
    if (flock(node->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return cm_fail(diag, CM_EEXISTS, "55006", "a node is already running in \"%.200s\"",
                       node->dir);
    }
    return CM_OK;
}

static cm_status load_fact(cm_node *node, const char *key, const char **ret, cm_diag *diag)
{
    cm_status st = cm_state_fact_get(node->state, key, &node->arena, ret, diag);
    if (st == CM_OK && *ret == NULL) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_NOT_READY, "\"%.200s\" does not hold a node",
                     node->dir);
    }
    return st;
}

static cm_status find_job_program(cm_node *node, const char *given, cm_diag *diag)
{
    char path[4096];
    if (given != NULL) {
        node->job_program = cm_arena_strdup(&node->arena, given);
        return CM_OK;
    }
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
    if (bytes < 0) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not find comity-job: %s", strerror(errno));
    }
    path[bytes] = 0;
    char *slash = strrchr(path, '/');
    if (slash != NULL) {
        *slash = 0;
    }
    node->job_program = cm_arena_printf(&node->arena, "%s/comity-job", path);
    return CM_OK;
}

static cm_status load_federation(cm_node *node, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf file = {0};
    bool found = false;
    cm_status st = cm_state_blob_get(node->state, fact_federation, &file, &found, diag);
    if (st == CM_OK && found) {
        st = cm_federation_parse(cm_buf_text(&file), true, &node->federation, diag);
    }
    if (st == CM_OK && node->federation != NULL &&
        cm_federation_index(node->federation, node->org) < 0) {
        st = cm_fail(diag, CM_EINVAL, CM_SQL_NOT_READY,
                     "the stored federation does not name this node");
    }
    return st;
}

/* What is on disk. */
static cm_status open_state(cm_node *node, const char *job_program, cm_diag *diag)
{
    const char *state_path = cm_arena_printf(&node->arena, "%s/state.db", node->dir);
    const char *identity_path = cm_arena_printf(&node->arena, "%s/identity.pem", node->dir);
    node->cache_dir = cm_arena_printf(&node->arena, "%s/cache", node->dir);
    if (access(state_path, F_OK) != 0) {
        return cm_fail(diag, CM_ENOTFOUND, CM_SQL_NOT_READY, "\"%.200s\" does not hold a node",
                       node->dir);
    }
    cm_status st = take_lock(node, diag);
    if (st == CM_OK) {
        st = cm_state_open(state_path, false, &node->state, diag);
    }
    if (st == CM_OK) {
        st = cm_identity_load(identity_path, &node->identity, diag);
    }
    if (st == CM_OK) {
        st = cm_cert_check(cm_identity_cert(node->identity), diag);
    }
    if (st == CM_OK) {
        st = load_fact(node, "org", &node->org, diag);
    }
    if (st == CM_OK) {
        st = load_fact(node, "listen", &node->listen, diag);
    }
    if (st == CM_OK) {
        st = load_fact(node, "sql", &node->sql, diag);
    }
    if (st == CM_OK) {
        st = make_dir(node->cache_dir, diag);
    }
    if (st == CM_OK) {
        st = find_job_program(node, job_program, diag);
    }
    return st == CM_OK ? load_federation(node, diag) : st;
}

/* Publishes what the state holds, in case that a change was cut off before it was announced. */
static cm_status open_catalog(cm_node *node, cm_diag *diag)
{
    bool changed = false;
    cm_status st = cm_catalog_new(node, &node->catalog, diag);
    if (st == CM_OK) {
        st = cm_catalog_publish(node->catalog, &changed, diag);
    }
    return st == CM_OK ? cm_catalog_refresh(node->catalog, diag) : st;
}

static cm_status open_parts(cm_node *node, cm_diag *diag)
{
    cm_status st = cm_audit_open(node->state, node->identity, node->dir, &node->audit, diag);
    if (st == CM_OK) {
        cm_audit_sealed(node->audit); /* catches up with what a crash left behind */
        st = open_catalog(node, diag);
    }
    if (st == CM_OK) {
        cm_stored_clean_up(node);
    }
    if (st == CM_OK) {
        st = cm_jobs_new(node, &node->jobs, diag);
    }
    if (st == CM_OK) {
        st = cm_founding_new(node, &node->founding, diag);
    }
    if (st == CM_OK) {
        st = cm_peers_new(node, &node->peers, diag);
    }
    if (st == CM_OK) {
        st = cm_admin_new(node, &node->admin, diag);
    }
    return st;
}

cm_status cm_node_open(cm_loop *loop, const cm_node_options *options, cm_node **ret, cm_diag *diag)
{
    cm_node *node = calloc(1, sizeof *node);
    if (node == NULL || cm_arena_init(&node->arena, NODE_ARENA_BYTES) != CM_OK) {
        free(node);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    node->loop = loop;
    node->lock_fd = -1;
    node->dir = cm_arena_strdup(&node->arena, options->dir);
    cm_status st = open_state(node, options->job_program, diag);
    if (st == CM_OK) {
        st = open_parts(node, diag);
    }
    if (st != CM_OK) {
        cm_node_free(node);
        return st;
    }
    *ret = node;
    return CM_OK;
}

void cm_node_free(cm_node *node)
{
    if (node == NULL) {
        return;
    }
    cm_admin_free(node->admin);
    cm_jobs_free(node->jobs);
    cm_founding_free(node->founding);
    cm_peers_free(node->peers);
    cm_catalog_free(node->catalog);
    cm_federation_free(node->federation);
    cm_audit_close(node->audit);
    cm_state_close(node->state);
    cm_identity_free(node->identity);
    if (node->lock_fd >= 0) {
        close(node->lock_fd);
    }
    cm_arena_fini(&node->arena);
    free(node);
}

/* ---- changes ------------------------------------------------------------------------------ */

cm_status cm_node_set_federation(cm_node *node, cm_federation *federation, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf file = {0};
    char what[200], hex[65];
    cm_hash_hex(&federation->digest, hex);
    snprintf(what, sizeof what, "FEDERATION %s VERSION %u DIGEST %s", federation->charter.name,
             federation->charter.version, hex);
    cm_federation_print(federation, &file);
    cm_status st = cm_state_begin(node->state, diag);
    if (st != CM_OK) {
        return st;
    }
    st = cm_state_blob_put(node->state, fact_federation, cm_buf_text(&file), file.bytes, diag);
    if (st == CM_OK) {
        st = cm_state_catalog_clear(node->state, diag);
    }
    if (st != CM_OK) {
        cm_state_rollback(node->state);
        return st;
    }
    st = cm_node_change_commit(node, "", what, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_diag why;
    cm_diag_set(&why, CM_ECANCELLED, CM_SQL_SHUTDOWN, "the federation was replaced");
    cm_jobs_abort_all(node->jobs, &why);
    cm_federation *before = node->federation;
    node->federation = federation;
    st = cm_catalog_refresh(node->catalog, diag);
    cm_peers_reset(node->peers);
    if (st == CM_OK) {
        cm_federation_free(before);
    } else {
        /* The catalog still points into what was before. */
        cm_node_log(node, "could not load catalogs: restart this node");
    }
    cm_node_log(node, "federation %s version %u is in force", federation->charter.name,
                federation->charter.version);
    return CM_OK;
}

cm_status cm_node_change_begin(cm_node *node, cm_diag *diag)
{
    return cm_state_begin(node->state, diag);
}

cm_status cm_node_change_commit(cm_node *node, const char *role, const char *sql, cm_diag *diag)
{
    bool changed = false;
    cm_audit_entry entry = {.kind = CM_AUDIT_GOVERN,
                            .coordinator = node->org,
                            .role = role,
                            .sql = sql,
                            .allowed = true,
                            .sqlstate = "",
                            .message = ""};
    cm_status st = cm_catalog_publish(node->catalog, &changed, diag);
    if (st == CM_OK) {
        st = cm_audit_append(node->audit, &entry, diag);
    }
    if (st != CM_OK) {
        cm_state_rollback(node->state);
        return st;
    }
    st = cm_state_commit(node->state, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_audit_sealed(node->audit);
    if (changed) {
        st = cm_catalog_refresh(node->catalog, diag);
        cm_stored_sweep(node);
        cm_peers_publish(node->peers);
    }
    return st;
}

void cm_node_change_rollback(cm_node *node)
{
    cm_state_rollback(node->state);
}

/* ---- parts -------------------------------------------------------------------------------- */

cm_loop *cm_node_loop(cm_node *node)
{
    return node->loop;
}

cm_state *cm_node_state(cm_node *node)
{
    return node->state;
}

cm_catalog *cm_node_catalog(cm_node *node)
{
    return node->catalog;
}

cm_peers *cm_node_peers(cm_node *node)
{
    return node->peers;
}

cm_audit *cm_node_audit(cm_node *node)
{
    return node->audit;
}

cm_jobs *cm_node_jobs(cm_node *node)
{
    return node->jobs;
}

cm_founding *cm_node_founding(cm_node *node)
{
    return node->founding;
}

size_t *cm_node_sessions(cm_node *node)
{
    return &node->sessions;
}

const cm_identity *cm_node_identity(const cm_node *node)
{
    return node->identity;
}

const char *cm_node_dir(const cm_node *node)
{
    return node->dir;
}

const char *cm_node_cache_dir(const cm_node *node)
{
    return node->cache_dir;
}

const char *cm_node_job_program(const cm_node *node)
{
    return node->job_program;
}

const char *cm_node_org(const cm_node *node)
{
    return node->org;
}

const char *cm_node_listen_address(const cm_node *node)
{
    return node->listen;
}

const char *cm_node_sql_address(const cm_node *node)
{
    return node->sql;
}

const cm_federation *cm_node_federation(const cm_node *node)
{
    return node->federation;
}

void cm_node_log(const cm_node *node, const char *format, ...)
{
    CM_CLEANUP(cm_buf_free) cm_buf line = {0};
    char when[32];
    time_t now = (time_t)cm_clock_unix();
    struct tm utc;
    va_list args;
    va_start(args, format);
    cm_buf_vprintf(&line, format, args);
    va_end(args);
    /* One line, whatever another node put into its message. */
    for (size_t i = 0; i < line.bytes; i++) {
        line.data[i] = line.data[i] < ' ' ? ' ' : line.data[i];
    }
    gmtime_r(&now, &utc);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &utc);
    fprintf(stderr, "%s UTC %s: %s\n", when, node->org != NULL ? node->org : "-",
            cm_buf_text(&line));
}
