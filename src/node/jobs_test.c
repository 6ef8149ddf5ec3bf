/* Whole queries: four nodes on one loop, with real job processes over TLS on loopback. */
#include "node/jobs_int.h"
#include "node/nodes_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    const char *program = getenv("COMITY_JOB");
    assert_non_null(program);
    world *w = world_new(program);
    write_rows(w, 0, "visits", "1,10\n2,20\n3,\n");
    write_rows(w, 1, "visits", "3,30\n4,40\n");
    publish(w, 0, "visits");
    publish(w, 1, "visits");
    found(w);
    run_until(w, all_see_two_tables, NULL);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world_free(*state);
    return 0;
}

static outcome ask(world *w, int i, const char *sql)
{
    outcome o = {0};
    cm_job *job = NULL;
    if (start(w, i, sql, &o, &job) == CM_OK) {
        run_until(w, is_set, &o.over);
    }
    return o;
}

static void expect(outcome o, const char *text)
{
    assert_string_equal(o.why.message, "");
    assert_true(o.ok);
    assert_int_equal(o.rows, 1);
    assert_string_equal(o.text[0], text);
}

static void queries_are_answered(void **state)
{
    world *w = *state;
    outcome o = ask(w, 3, "SELECT sum(cost) FROM visits");
    expect(o, "100");
    assert_true(o.stats.bytes > 0 && o.stats.rounds > 0);
    expect(ask(w, 3, "SELECT count(*) FROM visits WHERE cost > 15"), "3");
    expect(ask(w, 0, "SELECT max(cost) FROM south.visits"), "40"); /* by an owner */
    expect(ask(w, 2, "SELECT count(cost) FROM visits"), "4");      /* by a party without data */
    run_for(w, 200);
    for (int i = 0; i < NODES; i++) {
        uint64_t entries;
        cm_hash head;
        assert_int_equal(cm_jobs_running(cm_node_jobs(w->node[i])), 0);
        assert_int_equal(cm_audit_verify(w->dir[i], &entries, &head, NULL), CM_OK);
        /* Consent and outcome; research takes no part in what others ask. */
        assert_int_equal(job_entries(w, i), i == 3 ? 4 : 8);
    }
}

static void an_owners_bad_row_is_the_cause(void **state)
{
    world *w = *state;
    write_rows(w, 1, "visits", "3,30\n4,forty\n");
    outcome o = ask(w, 3, "SELECT sum(cost) FROM visits");
    assert_false(o.ok);
    assert_string_equal(o.why.sqlstate, "22P02");
    assert_string_equal(o.why.party, "south");
    assert_null(strstr(o.why.message, "forty"));
    write_rows(w, 1, "visits", "3,30\n4,44\n");
    expect(ask(w, 3, "SELECT sum(cost) FROM visits"), "104");
}

static void jobs_run_beside_each_other(void **state)
{
    world *w = *state;
    outcome o[5] = {{0}};
    cm_job *job[5];
    for (int i = 0; i < 5; i++) {
        assert_int_equal(start(w, i % NODES, "SELECT sum(cost) FROM visits", &o[i], &job[i]),
                         CM_OK);
    }
    for (int i = 0; i < 5; i++) {
        run_until(w, is_set, &o[i].over);
        expect(o[i], "100");
    }
}

static void too_many_jobs_are_refused(void **state)
{
    world *w = *state;
    assert_int_equal(cm_node_change_begin(w->node[2], NULL), CM_OK);
    assert_int_equal(cm_node_setting_put(w->node[2], "job_limit", "1", NULL), CM_OK);
    assert_int_equal(cm_node_change_commit(w->node[2], "admin", "SET", NULL), CM_OK);
    outcome o[3] = {{0}};
    cm_job *job;
    int good = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(start(w, 3, "SELECT sum(cost) FROM visits", &o[i], &job), CM_OK);
    }
    for (int i = 0; i < 3; i++) {
        run_until(w, is_set, &o[i].over);
        good += o[i].ok;
        if (!o[i].ok) {
            assert_string_equal(o[i].why.sqlstate, "53300");
            assert_string_equal(o[i].why.party, "east");
        }
    }
    assert_int_equal(good, 1);
    run_for(w, 300);
    expect(ask(w, 3, "SELECT sum(cost) FROM visits"), "100");
}

static void cancelling_ends_running_processes(void **state)
{
    world *w = *state;
    outcome o = {.over = true};
    cm_job *job = NULL;
    for (int i = 0; i < 50 && o.over;
         i++) { /* one may be over by the time that it is seen to run */
        o = (outcome){0};
        assert_int_equal(start(w, 3, "SELECT sum(cost) FROM visits", &o, &job), CM_OK);
        run_until(w, is_set, &o.started);
    }
    assert_false(o.over);
    cm_job_cancel(job);
    assert_string_equal(o.why.sqlstate, "57014");
    run_for(w, 300);
    for (int i = 0; i < NODES; i++) {
        assert_int_equal(cm_jobs_running(cm_node_jobs(w->node[i])), 0);
    }
    expect(ask(w, 3, "SELECT sum(cost) FROM visits"), "100");
}

/* Nothing that a parameter holds looks like SQL of the statement. */
static void audited_parameters_stay_in_their_comment(void **state)
{
    const char *const param[] = {"it's", NULL, "a\\b/c", "*/ DROP TABLE x; /* \\'", "1\r\n2"};
    cm_arena arena;
    const char *text = NULL;
    (void)state;
    assert_int_equal(cm_arena_init(&arena, 1 << 20), CM_OK);
    assert_int_equal(cm_audit_statement("SELECT 1", NULL, 0, &arena, &text, NULL), CM_OK);
    assert_string_equal(text, "SELECT 1");
    assert_int_equal(cm_audit_statement("SELECT 1 --", param, 5, &arena, &text, NULL), CM_OK);
    assert_string_equal(text, "SELECT 1 -- /* $1 = 'it''s', $2 = NULL, $3 = 'a\\b/c', "
                              "$4 = E'*\\x2F DROP TABLE x; \\x2F* \\\\''', "
                              "$5 = E'1\\x0D\\x0A2' */");
    cm_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(audited_parameters_stay_in_their_comment),
        cmocka_unit_test_setup_teardown(queries_are_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_owners_bad_row_is_the_cause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(jobs_run_beside_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_jobs_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelling_ends_running_processes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
