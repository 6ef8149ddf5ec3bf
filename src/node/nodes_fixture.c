#include "node/nodes_fixture.h"

#include "base/clock.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 20000 };

const char *const orgs[NODES] = {"north", "south", "east", "research"};

/* Of the tests' own making. */
int shell(const char *command)
{
    return system(command); /* NOLINT(cert-env33-c) */
}

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t bytes = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &bytes), 0);
    close(fd);
    return ntohs(at.sin_port);
}

void open_node(world *w, int i)
{
    cm_diag diag = {0};
    cm_node_options options = {.dir = w->dir[i], .job_program = w->job_program};
    cm_status st = cm_node_open(w->loop, &options, &w->node[i], &diag);
    assert_string_equal(diag.message, "");
    assert_int_equal(st, CM_OK);
}

world *world_new(const char *job_program)
{
    world *w = calloc(1, sizeof *w);
    w->job_program = job_program;
    strcpy(w->root, "/tmp/cm_nodes_XXXXXX");
    assert_non_null(mkdtemp(w->root));
    assert_int_equal(cm_arena_init(&w->arena, 64 << 20), CM_OK);
    assert_int_equal(cm_loop_new(&w->loop, NULL), CM_OK);
    for (int i = 0; i < NODES; i++) {
        cm_diag diag = {0};
        snprintf(w->dir[i], sizeof w->dir[i], "%s/%s", w->root, orgs[i]);
        snprintf(w->address[i], sizeof w->address[i], "127.0.0.1:%d", free_port());
        snprintf(w->sql[i], sizeof w->sql[i], "127.0.0.1:%d", free_port());
        assert_int_equal(
            cm_node_init(w->dir[i], orgs[i], w->address[i], w->sql[i], "admin", "secret", &diag),
            CM_OK);
        open_node(w, i);
    }
    return w;
}

void world_free(world *w)
{
    char command[100];
    for (int i = 0; i < NODES; i++) {
        cm_node_free(w->node[i]);
    }
    cm_loop_free(w->loop);
    cm_arena_fini(&w->arena);
    snprintf(command, sizeof command, "rm -rf %s", w->root);
    assert_int_equal(shell(command), 0);
    free(w);
}

/* ---- waiting ------------------------------------------------------------------------------ */

typedef struct waiting {
    world *w;
    bool (*is_so)(world *w, void *arg);
    void *arg;
    bool seen;
    int64_t deadline_ms;
} waiting;

static void on_look(void *arg)
{
    waiting *x = arg;
    x->seen = x->is_so(x->w, x->arg);
    if (x->seen || cm_clock_left_ms(x->deadline_ms) == 0) {
        cm_loop_stop(x->w->loop);
    }
}

void run_until(world *w, bool (*is_so)(world *w, void *arg), void *arg)
{
    waiting x = {w, is_so, arg, false, cm_clock_ms() + WAIT_MS};
    cm_timer *timer = cm_timer_start(w->loop, 0, 10, on_look, &x);
    cm_loop_run(w->loop);
    cm_timer_close(timer);
    assert_true(x.seen);
}

static bool later(world *w, void *arg)
{
    (void)w;
    return cm_clock_left_ms(*(int64_t *)arg) == 0;
}

void run_for(world *w, int ms)
{
    int64_t deadline_ms = cm_clock_ms() + ms;
    run_until(w, later, &deadline_ms);
}

bool is_set(world *w, void *arg)
{
    (void)w;
    return *(bool *)arg;
}

bool all_connected(world *w, void *arg)
{
    (void)arg;
    for (int i = 0; i < NODES; i++) {
        if (w->node[i] == NULL || cm_node_federation(w->node[i]) == NULL) {
            return false;
        }
        for (unsigned j = 0; j < NODES; j++) {
            if (!cm_peers_connected(cm_node_peers(w->node[i]), j)) {
                return false;
            }
        }
    }
    return true;
}

bool all_see_two_tables(world *w, void *arg)
{
    (void)arg;
    for (int i = 0; i < NODES; i++) {
        if (w->node[i] != NULL && cm_node_schema(w->node[i])->tables != 2) {
            return false;
        }
    }
    return true;
}

/* ---- founding ----------------------------------------------------------------------------- */

typedef struct joining {
    bool done;
    cm_diag why;
} joining;

static void on_joined(void *arg, const cm_diag *why)
{
    joining *j = arg;
    j->done = true;
    if (why != NULL) {
        j->why = *why;
    }
}

char *token_of(world *w, const char *invitations, const char *org)
{
    char start_of_line[80];
    snprintf(start_of_line, sizeof start_of_line, "%s ", org);
    const char *at = strstr(invitations, start_of_line);
    assert_non_null(at);
    at += strlen(start_of_line);
    return cm_arena_strndup(&w->arena, at, strcspn(at, "\n"));
}

const char *invite(world *w)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    assert_int_equal(
        cm_founding_invite(cm_node_founding(w->node[0]), "health", orgs, NODES, 1, &out, NULL),
        CM_OK);
    return cm_arena_strdup(&w->arena, cm_buf_text(&out));
}

cm_diag join(world *w, int i, const char *token)
{
    joining j = {0};
    cm_status st = cm_founding_join(cm_node_founding(w->node[i]), token, on_joined, &j, &j.why);
    if (st == CM_OK) {
        run_until(w, is_set, &j.done);
    }
    return j.why;
}

void found(world *w)
{
    const char *invitations = invite(w);
    for (int i = 1; i < NODES; i++) {
        cm_diag why = join(w, i, token_of(w, invitations, orgs[i]));
        assert_string_equal(why.message, "");
    }
    run_until(w, all_connected, NULL);
}

/* ---- tables ------------------------------------------------------------------------------- */

static void data_dir(const world *w, int i, char ret[static 120])
{
    snprintf(ret, 120, "%s/data", w->dir[i]);
}

void write_rows(world *w, int i, const char *name, const char *lines)
{
    char dir[120], path[200];
    data_dir(w, i, dir);
    (void)mkdir(dir, 0700);
    snprintf(path, sizeof path, "%s/%s.csv", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "id,cost\n%s", lines);
    fclose(file);
}

void publish(world *w, int i, const char *name)
{
    static const char *const remote_col[] = {"id", "cost"};
    static const char *const granted[] = {"public"};
    cm_column col[2] = {
        {.name = "id", .type = {.kind = CM_TYPE_INT4}, .label = {CM_LABEL_JOIN, 0}},
        {.name = "cost", .type = {.kind = CM_TYPE_INT4}, .label = {CM_LABEL_AGGREGATE, 0}}};
    char dir[120], file[80];
    data_dir(w, i, dir);
    snprintf(file, sizeof file, "%s.csv", name);
    col[0].range = cm_type_range(&col[0].type);
    col[1].range = cm_type_range(&col[1].type);
    cm_option option = {"directory", dir};
    cm_state_server server = {"files", "csv", {1, &option}}, got;
    cm_state_table table = {.table = {.org = orgs[i],
                                      .name = name,
                                      .cols = 2,
                                      .col = col,
                                      .rows = 16,
                                      .grants = 1,
                                      .granted_to = granted},
                            .server = "files",
                            .remote = file,
                            .remote_col = remote_col};
    cm_state *s = cm_node_state(w->node[i]);
    assert_int_equal(cm_node_change_begin(w->node[i], NULL), CM_OK);
    if (cm_state_server_get(s, "files", &w->arena, &got, NULL) != CM_OK) {
        assert_int_equal(cm_state_server_add(s, &server, NULL), CM_OK);
    }
    assert_int_equal(cm_state_table_add(s, &table, NULL), CM_OK);
    assert_int_equal(cm_node_change_commit(w->node[i], "admin", "CREATE FOREIGN TABLE", NULL),
                     CM_OK);
}

/* ---- jobs --------------------------------------------------------------------------------- */

static void on_started(void *arg)
{
    ((outcome *)arg)->started = true;
}

static void on_row(void *arg, const char *const *text)
{
    outcome *o = arg;
    if (o->rows < CM_COUNT(o->text)) {
        snprintf(o->text[o->rows], sizeof o->text[0], "%s", text[0] != NULL ? text[0] : "NULL");
    }
    o->rows++;
}

static void on_done(void *arg, const cm_job_stats *stats)
{
    outcome *o = arg;
    o->over = true;
    o->ok = true;
    o->stats = *stats;
    o->stats.measured = NULL;
}

static void on_failed(void *arg, const cm_diag *diag)
{
    outcome *o = arg;
    o->over = true;
    o->why = *diag;
}

cm_status start(world *w, int i, const char *sql, outcome *o, cm_job **ret)
{
    cm_job_request request = {.role = "admin", .sql = sql, .settings = cm_plan_settings_default()};
    cm_job_events events = {
        .arg = o, .started = on_started, .row = on_row, .done = on_done, .failed = on_failed};
    return cm_job_start(w->node[i], &request, &events, ret, &o->why);
}

static cm_status count_entry(void *arg, const cm_audit_entry *entry, cm_diag *diag)
{
    (void)diag;
    *(int *)arg += entry->kind != CM_AUDIT_GOVERN;
    return CM_OK;
}

int job_entries(world *w, int i)
{
    int count = 0;
    assert_int_equal(cm_audit_walk(cm_node_state(w->node[i]), 1, count_entry, &count, NULL), CM_OK);
    return count;
}
