/* Four nodes on one loop: founding, joining, catalogs, restarts, strangers, jobs that fail. */
#include "node/nodes_fixture.h"

#include "base/cpu.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = world_new("/bin/false"); /* as job process: it ends at once */
    return 0;
}

static int tear_down(void **state)
{
    world_free(*state);
    return 0;
}

static bool all_have_version_2(world *w, void *arg)
{
    (void)arg;
    for (int i = 0; i < NODES; i++) {
        if (cm_node_federation(w->node[i])->charter.version != 2) {
            return false;
        }
    }
    return true;
}

static void four_nodes_found_a_federation(void **state)
{
    world *w = *state;
    found(w);
    const cm_federation *f = cm_node_federation(w->node[0]);
    for (int i = 1; i < NODES; i++) {
        assert_memory_equal(&cm_node_federation(w->node[i])->digest, &f->digest, sizeof f->digest);
    }
    assert_int_equal(f->charter.version, 1);
    /* And again, with version 2, while the first is in force. */
    const char *invitations = invite(w);
    for (int i = 1; i < NODES; i++) {
        cm_diag why = join(w, i, token_of(w, invitations, orgs[i]));
        assert_string_equal(why.message, "");
    }
    run_until(w, all_have_version_2, NULL);
    run_until(w, all_connected, NULL);
    assert_int_equal(cm_node_federation(w->node[0])->charter.version, 2);
}

static bool all_measured(world *w, void *arg)
{
    (void)arg;
    for (int i = 0; i < NODES; i++) {
        const cm_peers *peers = cm_node_peers(w->node[i]);
        for (unsigned j = 0; j < NODES; j++) {
            if (cm_federation_index(cm_node_federation(w->node[i]), cm_node_org(w->node[i])) !=
                    (int)j &&
                (cm_peers_rtt_ms(peers, j) <= 0 || cm_peers_bytes_per_second(peers, j) <= 0)) {
                return false;
            }
        }
    }
    return true;
}

/* What plans are made with: round trips, rates, processors. */
static void links_are_measured(void **state)
{
    world *w = *state;
    found(w);
    run_until(w, all_connected, NULL);
    run_until(w, all_measured, NULL);
    for (unsigned j = 0; j < NODES; j++) {
        assert_int_equal(cm_peers_cores(cm_node_peers(w->node[0]), j), cm_cpu_cores());
        /* Through memory: no slower than a disk. */
        assert_true(j == 0 || cm_peers_bytes_per_second(cm_node_peers(w->node[0]), j) > 1e6);
    }
}

static void invitations_work_once_and_for_one(void **state)
{
    world *w = *state;
    const char *invitations = invite(w);
    char *token = token_of(w, invitations, "south");
    /* Another organisation's. */
    cm_diag why = join(w, 2, token);
    assert_string_equal(why.sqlstate, "28000");
    /* One that was replaced. */
    char *newer = token_of(w, invite(w), "south");
    why = join(w, 1, token);
    assert_non_null(strstr(why.message, "replaced"));
    why = join(w, 1, newer);
    assert_string_equal(why.message, "");
    /* Used by somebody who calls himself south. */
    cm_node_free(w->node[1]);
    w->node[1] = NULL;
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s", w->dir[1]);
    assert_int_equal(shell(command), 0);
    assert_int_equal(
        cm_node_init(w->dir[1], "south", w->address[1], w->sql[1], "admin", "secret", NULL), CM_OK);
    open_node(w, 1);
    why = join(w, 1, newer);
    assert_non_null(strstr(why.message, "used before"));
}

static void an_impostor_of_the_founder_learns_nothing(void **state)
{
    world *w = *state;
    char *token = token_of(w, invite(w), "south");
    /* Another node at the founder's address. */
    cm_node_free(w->node[0]);
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s", w->dir[0]);
    assert_int_equal(shell(command), 0);
    assert_int_equal(
        cm_node_init(w->dir[0], "north", w->address[0], w->sql[0], "admin", "secret", NULL), CM_OK);
    open_node(w, 0);
    cm_diag why = join(w, 1, token);
    assert_non_null(strstr(why.message, "does not have the certificate"));
}

static void founding_survives_restarts(void **state)
{
    world *w = *state;
    const char *invitations = invite(w);
    for (int i = 1; i < NODES; i++) {
        cm_diag why = join(w, i, token_of(w, invitations, orgs[i]));
        assert_string_equal(why.message, "");
        cm_node_free(w->node[0]);
        open_node(w, 0);
        cm_node_free(w->node[i]);
        open_node(w, i);
    }
    run_until(w, all_connected, NULL);
}

/* ---- catalogs ----------------------------------------------------------------------------- */

static void catalogs_reach_everybody(void **state)
{
    world *w = *state;
    publish(w, 0, "visits"); /* before there is a federation */
    found(w);
    publish(w, 1, "visits"); /* after */
    run_until(w, all_see_two_tables, NULL);
    /* What is undone is not published. */
    assert_int_equal(cm_node_change_begin(w->node[1], NULL), CM_OK);
    assert_int_equal(cm_state_table_drop(cm_node_state(w->node[1]), "visits", NULL), CM_OK);
    cm_node_change_rollback(w->node[1]);
    assert_int_equal(cm_node_schema(w->node[1])->tables, 2);
    assert_true(all_see_two_tables(w, NULL));
}

static void a_restarted_node_is_back(void **state)
{
    world *w = *state;
    found(w);
    publish(w, 0, "visits");
    cm_node_free(w->node[1]);
    w->node[1] = NULL;
    publish(w, 2, "visits"); /* while it is away */
    run_until(w, all_see_two_tables, NULL);
    open_node(w, 1);
    run_until(w, all_connected, NULL);
    run_until(w, all_see_two_tables, NULL);
}

/* ---- strangers ---------------------------------------------------------------------------- */

static int raw_connect(world *w, int i)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons((uint16_t)strtol(strchr(w->address[i], ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void strangers_do_no_harm(void **state)
{
    world *w = *state;
    found(w);
    int fds[100];
    for (int i = 0; i < 100; i++) {
        uint8_t junk[300];
        cm_preamble p = {.kind = (cm_link_kind)(i % 3 + 1), .sender = (uint8_t)(i % 5)};
        const cm_federation *f = cm_node_federation(w->node[0]);
        memcpy(p.federation, f->digest.bytes, sizeof p.federation);
        cm_random_bytes(junk, sizeof junk);
        if (i % 2 == 0) {
            cm_preamble_encode(&p, junk);
        }
        fds[i] = raw_connect(w, 1);
        size_t bytes = (size_t)(i * 7) % sizeof junk;
        assert_int_equal(send(fds[i], junk, bytes, MSG_NOSIGNAL), bytes);
        if (i % 3 == 0) {
            close(fds[i]);
            fds[i] = -1;
        }
        run_for(w, 5);
    }
    run_for(w, 200);
    assert_true(all_connected(w, NULL));
    /* A member gets in although strangers hold every place. */
    cm_node_free(w->node[0]);
    open_node(w, 0);
    int silent[80];
    for (int i = 0; i < 80; i++) {
        silent[i] = raw_connect(w, 1);
    }
    run_until(w, all_connected, NULL);
    for (int i = 0; i < 80; i++) {
        close(silent[i]);
    }
    for (int i = 0; i < 100; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    run_for(w, 100);
    assert_true(all_connected(w, NULL));
}

/* ---- jobs --------------------------------------------------------------------------------- */

static void publish_and_found(world *w)
{
    publish(w, 0, "visits");
    publish(w, 1, "visits");
    found(w);
    run_until(w, all_see_two_tables, NULL);
}

/* Job processes are /bin/false here: everybody consents, starts, and every process ends. */
static void a_dead_process_is_named(void **state)
{
    world *w = *state;
    outcome o = {0};
    cm_job *job = NULL;
    publish_and_found(w);
    assert_int_equal(start(w, 3, "SELECT sum(cost) FROM visits", &o, &job), CM_OK);
    assert_non_null(cm_job_plan(job));
    run_until(w, is_set, &o.over);
    assert_string_equal(o.why.sqlstate, "08006");
    assert_string_not_equal(o.why.party, "");
    run_for(w, 300);
    for (int i = 0; i < NODES; i++) {
        uint64_t entries;
        cm_hash head;
        assert_int_equal(cm_jobs_running(cm_node_jobs(w->node[i])), 0);
        assert_int_equal(job_entries(w, i), 2);
        assert_int_equal(cm_audit_verify(w->dir[i], &entries, &head, NULL), CM_OK);
    }
}

static void what_is_wrong_at_once_is_said_at_once(void **state)
{
    world *w = *state;
    outcome o = {0};
    cm_job *job = NULL;
    assert_int_not_equal(start(w, 3, "SELECT 1 FROM visits", &o, &job), CM_OK);
    assert_string_equal(o.why.sqlstate, "55000");
    publish_and_found(w);
    static const struct {
        const char *sql, *sqlstate;
    } cases[] = {{"SELECT sum(cost) FROM nothing", "42P01"},
                 {"SELECT sum(cosst) FROM visits", "42703"},
                 {"SELECT cost FROM visits", "42501"},
                 {"SELECT sum(", "42601"}};
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        o = (outcome){0};
        assert_int_not_equal(start(w, 3, cases[i].sql, &o, &job), CM_OK);
        assert_string_equal(o.why.sqlstate, cases[i].sqlstate);
    }
    /* A member is away. */
    cm_node_free(w->node[1]);
    w->node[1] = NULL;
    run_for(w, 200);
    o = (outcome){0};
    assert_int_not_equal(start(w, 3, "SELECT sum(cost) FROM visits", &o, &job), CM_OK);
    assert_string_equal(o.why.sqlstate, "08006");
    assert_string_equal(o.why.party, "south");
}

static void cancelling_ends_a_job_everywhere(void **state)
{
    world *w = *state;
    outcome o = {0};
    cm_job *job = NULL;
    publish_and_found(w);
    assert_int_equal(start(w, 3, "SELECT sum(cost) FROM visits", &o, &job), CM_OK);
    cm_job_cancel(job);
    assert_true(o.over);
    assert_string_equal(o.why.sqlstate, "57014");
    o = (outcome){0};
    assert_int_equal(start(w, 3, "SELECT sum(cost) FROM visits", &o, &job), CM_OK);
    cm_job_abandon(job);
    assert_false(o.over);
    run_for(w, 500);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(cm_jobs_running(cm_node_jobs(w->node[i])), 0);
    }
}

static void a_node_that_vanishes_is_named(void **state)
{
    world *w = *state;
    outcome o = {0};
    cm_job *job = NULL;
    publish_and_found(w);
    assert_int_equal(start(w, 3, "SELECT sum(cost) FROM visits", &o, &job), CM_OK);
    cm_node_free(w->node[1]);
    w->node[1] = NULL;
    run_until(w, is_set, &o.over);
    assert_string_equal(o.why.sqlstate, "08006");
    assert_string_equal(o.why.party, "south");
}

static void stale_catalogs_are_tried_again(void **state)
{
    world *w = *state;
    outcome o = {0};
    cm_job *job = NULL;
    publish_and_found(w);
    publish(w, 2, "visits");
    /* At once, before the change has reached anybody. */
    assert_int_equal(start(w, 3, "SELECT sum(cost) FROM visits", &o, &job), CM_OK);
    run_until(w, is_set, &o.over);
    /* It got as far as the processes, which end at once here. */
    assert_string_equal(o.why.sqlstate, "08006");
    assert_non_null(strstr(o.why.message, "process"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(four_nodes_found_a_federation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_are_measured, set_up, tear_down),
        cmocka_unit_test_setup_teardown(invitations_work_once_and_for_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_impostor_of_the_founder_learns_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(founding_survives_restarts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(catalogs_reach_everybody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restarted_node_is_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strangers_do_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_process_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_at_once_is_said_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelling_ends_a_job_everywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_vanishes_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stale_catalogs_are_tried_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
