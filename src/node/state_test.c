#include "node/state.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <sqlite3.h>

/* Of the tests' own making. */
static int shell(const char *command)
{
    return system(command); /* NOLINT(cert-env33-c) */
}

typedef struct fixture {
    char dir[64], path[80];
    cm_state *state;
    cm_arena arena;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/cm_state_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/state.db", f->dir);
    assert_int_equal(cm_state_open(f->path, true, &f->state, NULL), CM_OK);
    assert_int_equal(cm_arena_init(&f->arena, 64 << 20), CM_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    char command[100];
    cm_state_close(f->state);
    cm_arena_fini(&f->arena);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(shell(command), 0);
    free(f);
    return 0;
}

static void reopen(fixture *f)
{
    cm_state_close(f->state);
    assert_int_equal(cm_state_open(f->path, false, &f->state, NULL), CM_OK);
}

static cm_state_table example_table(const char *name)
{
    static const char *const labels[] = {"north", "south"};
    static const cm_enum region = {"region", 2, labels};
    static const char *const remote[] = {"id", "the region"};
    static const char *const granted[] = {"insurer"};
    static cm_column cols[2];
    cols[0] = (cm_column){.name = "id",
                          .type = {.kind = CM_TYPE_INT4},
                          .not_null = true,
                          .unique = true,
                          .label = {CM_LABEL_JOIN, 0}};
    cols[0].range = cm_type_range(&cols[0].type);
    cols[1] = (cm_column){.name = "region",
                          .type = {.kind = CM_TYPE_ENUM, .labels = &region},
                          .has_check = true,
                          .label = {CM_LABEL_GROUP, 10}};
    cols[1].range = cm_type_range(&cols[1].type);
    return (cm_state_table){.table = {.org = "north",
                                      .name = name,
                                      .cols = 2,
                                      .col = cols,
                                      .rows = 96,
                                      .grants = 1,
                                      .granted_to = granted},
                            .server = "files",
                            .remote = "public.visits",
                            .remote_col = remote};
}

static void keeps_facts_and_settings(void **state)
{
    fixture *f = *state;
    const char *value = "x";
    assert_int_equal(cm_state_fact_get(f->state, "org", &f->arena, &value, NULL), CM_OK);
    assert_null(value);
    assert_int_equal(cm_state_fact_put(f->state, "org", "north", NULL), CM_OK);
    assert_int_equal(cm_state_fact_put(f->state, "org", "south", NULL), CM_OK);
    assert_int_equal(cm_state_setting_put(f->state, "job_limit", "3", NULL), CM_OK);
    reopen(f);
    assert_int_equal(cm_state_fact_get(f->state, "org", &f->arena, &value, NULL), CM_OK);
    assert_string_equal(value, "south");
    assert_int_equal(cm_state_setting_get(f->state, "job_limit", &f->arena, &value, NULL), CM_OK);
    assert_string_equal(value, "3");
    assert_int_equal(cm_state_fact_put(f->state, "org", NULL, NULL), CM_OK);
    assert_int_equal(cm_state_fact_get(f->state, "org", &f->arena, &value, NULL), CM_OK);
    assert_null(value);
}

static void keeps_servers(void **state)
{
    fixture *f = *state;
    static const cm_option options[] = {{"directory", "/data"}, {"null", ""}};
    cm_state_server server = {"files", "csv", {2, options}}, got;
    const cm_state_server *list;
    size_t count;
    cm_diag diag = {0};
    assert_int_equal(cm_state_server_add(f->state, &server, NULL), CM_OK);
    assert_int_equal(cm_state_server_add(f->state, &server, &diag), CM_EEXISTS);
    assert_string_equal(diag.sqlstate, "42710");
    assert_int_equal(cm_state_server_get(f->state, "files", &f->arena, &got, NULL), CM_OK);
    assert_string_equal(got.wrapper, "csv");
    assert_int_equal(got.options.count, 2);
    assert_string_equal(cm_options_get(&got.options, "null"), "");
    assert_int_equal(cm_state_server_list(f->state, &f->arena, &list, &count, NULL), CM_OK);
    assert_int_equal(count, 1);
    cm_diag_reset(&diag);
    assert_int_equal(cm_state_server_get(f->state, "other", &f->arena, &got, &diag), CM_ENOTFOUND);
    assert_string_equal(diag.sqlstate, "42704");
    assert_int_equal(cm_state_server_drop(f->state, "other", NULL), CM_ENOTFOUND);
}

static void keeps_tables(void **state)
{
    fixture *f = *state;
    cm_state_server server = {"files", "csv", {0, NULL}};
    cm_state_table table = example_table("visits"), got;
    const cm_state_table *list;
    size_t count;
    cm_diag diag = {0};
    assert_int_equal(cm_state_table_add(f->state, &table, &diag), CM_ENOTFOUND);
    assert_int_equal(cm_state_server_add(f->state, &server, NULL), CM_OK);
    assert_int_equal(cm_state_table_add(f->state, &table, NULL), CM_OK);
    assert_int_equal(cm_state_table_add(f->state, &table, NULL), CM_EEXISTS);
    cm_diag_reset(&diag);
    assert_int_equal(cm_state_server_drop(f->state, "files", &diag), CM_EINVAL);
    assert_string_equal(diag.sqlstate, "2BP01");
    table.table.rows = 128;
    assert_int_equal(cm_state_table_replace(f->state, &table, NULL), CM_OK);
    table = example_table("absent");
    assert_int_equal(cm_state_table_replace(f->state, &table, NULL), CM_ENOTFOUND);
    reopen(f);
    assert_int_equal(cm_state_table_get(f->state, "visits", &f->arena, &got, NULL), CM_OK);
    assert_int_equal(got.table.rows, 128);
    assert_int_equal(got.table.cols, 2);
    assert_string_equal(got.table.col[1].type.labels->labels[1], "south");
    assert_int_equal(got.table.col[1].label.min_rows, 10);
    assert_string_equal(got.remote_col[1], "the region");
    assert_string_equal(got.remote, "public.visits");
    assert_int_equal(cm_state_table_list(f->state, &f->arena, &list, &count, NULL), CM_OK);
    assert_int_equal(count, 1);
    assert_int_equal(cm_state_table_drop(f->state, "visits", NULL), CM_OK);
    assert_int_equal(cm_state_table_drop(f->state, "visits", NULL), CM_ENOTFOUND);
}

static void lists_many_in_order(void **state)
{
    fixture *f = *state;
    cm_state_server server = {"files", "csv", {0, NULL}};
    const cm_state_table *list;
    size_t count;
    char name[32];
    assert_int_equal(cm_state_server_add(f->state, &server, NULL), CM_OK);
    assert_int_equal(cm_state_begin(f->state, NULL), CM_OK);
    for (int i = 0; i < 67; i++) {
        snprintf(name, sizeof name, "t%03d", (i * 31) % 67);
        cm_state_table table = example_table(name);
        assert_int_equal(cm_state_table_add(f->state, &table, NULL), CM_OK);
    }
    assert_int_equal(cm_state_commit(f->state, NULL), CM_OK);
    assert_int_equal(cm_state_table_list(f->state, &f->arena, &list, &count, NULL), CM_OK);
    assert_int_equal(count, 67);
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "t%03zu", i);
        assert_string_equal(list[i].table.name, name);
    }
}

static void keeps_roles_and_enums(void **state)
{
    fixture *f = *state;
    static const char *const labels[] = {"a", ""};
    cm_enum type = {"kind", 2, labels};
    const cm_enum *got_type;
    const cm_state_role *list;
    size_t count;
    cm_state_role role = {.name = "ann", .login = true, .analyst = true}, got;
    role.verifier.iterations = 4096;
    memset(role.verifier.salt, 7, sizeof role.verifier.salt);
    memset(role.verifier.server_key, 9, sizeof role.verifier.server_key);
    assert_int_equal(cm_state_role_add(f->state, &role, NULL), CM_OK);
    assert_int_equal(cm_state_role_add(f->state, &role, NULL), CM_EEXISTS);
    assert_int_equal(cm_state_role_get(f->state, "ann", &f->arena, &got, NULL), CM_OK);
    assert_memory_equal(&got.verifier, &role.verifier, sizeof role.verifier);
    assert_true(got.login && got.analyst && !got.administrator && !got.publisher);
    role.login = false;
    assert_int_equal(cm_state_role_replace(f->state, &role, NULL), CM_OK);
    assert_int_equal(cm_state_role_list(f->state, &f->arena, &list, &count, NULL), CM_OK);
    assert_int_equal(count, 1);
    assert_false(list[0].login);
    assert_int_equal(cm_state_role_drop(f->state, "ann", NULL), CM_OK);
    assert_int_equal(cm_state_role_get(f->state, "ann", &f->arena, &got, NULL), CM_ENOTFOUND);
    assert_int_equal(cm_state_enum_add(f->state, &type, NULL), CM_OK);
    assert_int_equal(cm_state_enum_get(f->state, "kind", &f->arena, &got_type, NULL), CM_OK);
    assert_int_equal(got_type->count, 2);
    assert_string_equal(got_type->labels[1], "");
    assert_int_equal(cm_state_enum_drop(f->state, "kind", NULL), CM_OK);
}

static void undoes_a_change(void **state)
{
    fixture *f = *state;
    const char *value;
    assert_int_equal(cm_state_begin(f->state, NULL), CM_OK);
    assert_true(cm_state_in_change(f->state));
    assert_int_equal(cm_state_fact_put(f->state, "a", "1", NULL), CM_OK);
    cm_state_rollback(f->state);
    assert_false(cm_state_in_change(f->state));
    assert_int_equal(cm_state_fact_get(f->state, "a", &f->arena, &value, NULL), CM_OK);
    assert_null(value);
    /* What was not committed is not there after a crash: as if the process had been killed. */
    assert_int_equal(cm_state_begin(f->state, NULL), CM_OK);
    assert_int_equal(cm_state_fact_put(f->state, "a", "1", NULL), CM_OK);
    reopen(f);
    assert_int_equal(cm_state_fact_get(f->state, "a", &f->arena, &value, NULL), CM_OK);
    assert_null(value);
}

static void a_full_disk_changes_nothing(void **state)
{
    fixture *f = *state;
    const char *value = NULL;
    cm_diag diag = {0};
    char *big = malloc(1 << 20);
    struct rlimit before, small = {0, 0};
    memset(big, 'x', 1 << 20);
    big[(1 << 20) - 1] = 0;
    assert_int_equal(cm_state_fact_put(f->state, "a", "1", NULL), CM_OK);
    /* The disk refuses to write beyond 64 KB of a file. */
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_cur = 64 << 10;
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    cm_status st = cm_state_fact_put(f->state, "a", big, &diag);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(st, CM_EIO);
    assert_true(strcmp(diag.sqlstate, "53100") == 0 || strcmp(diag.sqlstate, "58030") == 0);
    assert_int_equal(cm_state_fact_get(f->state, "a", &f->arena, &value, NULL), CM_OK);
    assert_string_equal(value, "1");
    assert_int_equal(cm_state_fact_put(f->state, "a", big, NULL), CM_OK);
    free(big);
}

static void refuses_files_that_are_not_its_own(void **state)
{
    fixture *f = *state;
    char path[100];
    cm_state *other = NULL;
    cm_diag diag = {0};
    snprintf(path, sizeof path, "%s/other.db", f->dir);
    FILE *file = fopen(path, "w");
    fputs("this is no database, and long enough to be looked at by SQLite as a header....", file);
    fclose(file);
    assert_int_equal(cm_state_open(path, false, &other, &diag), CM_EIO);
    assert_null(other);
    snprintf(path, sizeof path, "%s/absent.db", f->dir);
    assert_int_equal(cm_state_open(path, false, &other, &diag), CM_EIO);
}

static void keeps_invites(void **state)
{
    fixture *f = *state;
    const cm_state_invite *list;
    size_t count;
    cm_state_invite invite = {.org = "south", .expires_unix = 5};
    memset(invite.secret, 3, sizeof invite.secret);
    assert_int_equal(cm_state_invite_put(f->state, &invite, NULL), CM_OK);
    invite.joined = true;
    invite.endpoint = "127.0.0.1:1";
    invite.cert.bytes = 100;
    memset(invite.cert.der, 4, 100);
    assert_int_equal(cm_state_invite_put(f->state, &invite, NULL), CM_OK);
    assert_int_equal(cm_state_invite_list(f->state, &f->arena, &list, &count, NULL), CM_OK);
    assert_int_equal(count, 1);
    assert_true(list[0].joined && !list[0].is_signed);
    assert_int_equal(list[0].cert.bytes, 100);
    assert_memory_equal(list[0].secret, invite.secret, sizeof invite.secret);
    assert_int_equal(cm_state_invite_clear(f->state, NULL), CM_OK);
    assert_int_equal(cm_state_invite_list(f->state, &f->arena, &list, &count, NULL), CM_OK);
    assert_int_equal(count, 0);
}

static void keeps_views(void **state)
{
    fixture *f = *state;
    static const char *const cols[] = {"a", "the b"};
    cm_state_view view = {"v", 2, cols, "SELECT 1, 2"}, found;
    const cm_state_view *list;
    size_t count;
    bool exists;
    cm_diag diag = {0};
    assert_int_equal(cm_state_view_put(f->state, &view, NULL), CM_OK);
    view = (cm_state_view){"u", 0, NULL, "SELECT 3"};
    assert_int_equal(cm_state_view_put(f->state, &view, NULL), CM_OK);
    view.definition = "SELECT 4";
    assert_int_equal(cm_state_view_put(f->state, &view, NULL), CM_OK);
    reopen(f);
    assert_int_equal(cm_state_view_find(f->state, "v", &f->arena, &found, &exists, NULL), CM_OK);
    assert_true(exists);
    assert_int_equal(found.cols, 2);
    assert_string_equal(found.col[1], "the b");
    assert_int_equal(cm_state_view_list(f->state, &f->arena, &list, &count, NULL), CM_OK);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].definition, "SELECT 4");
    cm_state_table table = example_table("v"); /* names are shared with tables */
    assert_int_equal(cm_state_table_add(f->state, &table, &diag), CM_EEXISTS);
    assert_int_equal(cm_state_view_drop(f->state, "v", NULL), CM_OK);
    cm_diag_reset(&diag);
    assert_int_equal(cm_state_view_drop(f->state, "v", &diag), CM_ENOTFOUND);
    assert_string_equal(diag.sqlstate, CM_SQL_UNDEFINED_TABLE);
}

/* A file of version 1, which had no views. */
static void upgrades(void **state)
{
    fixture *f = *state;
    sqlite3 *db;
    const cm_state_view view = {"v", 0, NULL, "SELECT 1"};
    assert_int_equal(cm_state_fact_put(f->state, "org", "north", NULL), CM_OK);
    cm_state_close(f->state);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(
            db, "DROP TABLE view; DROP TABLE matview; DROP TABLE stored; PRAGMA user_version=1",
            NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(cm_state_open(f->path, false, &f->state, NULL), CM_OK);
    assert_int_equal(cm_state_view_put(f->state, &view, NULL), CM_OK);
    reopen(f);
    const char *org;
    assert_int_equal(cm_state_fact_get(f->state, "org", &f->arena, &org, NULL), CM_OK);
    assert_string_equal(org, "north");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_facts_and_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_servers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_many_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_roles_and_enums, set_up, tear_down),
        cmocka_unit_test_setup_teardown(undoes_a_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_files_that_are_not_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_invites, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_views, set_up, tear_down),
        cmocka_unit_test_setup_teardown(upgrades, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
