#include "node/audit.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Of the tests' own making. */
static int shell(const char *command)
{
    return system(command); /* NOLINT(cert-env33-c) */
}

typedef struct fixture {
    char dir[64], path[80];
    cm_identity *identity;
    cm_state *state;
    cm_audit *audit;
} fixture;

static void append(fixture *f, const char *sql)
{
    static const char *const disclosures[] = {"research: the answer, 4 rows"};
    cm_audit_entry entry = {.kind = CM_AUDIT_OUTCOME,
                            .coordinator = "research",
                            .role = "ann",
                            .sql = sql,
                            .disclosures = 1,
                            .disclosure = disclosures,
                            .allowed = true,
                            .sqlstate = "",
                            .message = "",
                            .bytes = 1000,
                            .opened = {1, 2, 3}};
    memset(entry.job, sql[0], sizeof entry.job);
    assert_int_equal(cm_audit_append(f->audit, &entry, NULL), CM_OK);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    char path[100];
    strcpy(f->dir, "/tmp/cm_audit_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/state.db", f->dir);
    snprintf(path, sizeof path, "%s/identity.pem", f->dir);
    assert_int_equal(cm_identity_generate("north", 10, &f->identity, NULL), CM_OK);
    assert_int_equal(cm_identity_save(f->identity, path, NULL), CM_OK);
    assert_int_equal(cm_state_open(f->path, true, &f->state, NULL), CM_OK);
    assert_int_equal(cm_audit_open(f->state, f->identity, f->dir, &f->audit, NULL), CM_OK);
    append(f, "a");
    append(f, "b");
    append(f, "c");
    append(f, "d");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    char command[100];
    cm_audit_close(f->audit);
    cm_state_close(f->state);
    cm_identity_free(f->identity);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(shell(command), 0);
    free(f);
    return 0;
}

/* What somebody with the file and sqlite3 does. */
static void tamper(fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void expect_bad(fixture *f, const char *what)
{
    uint64_t entries = 0;
    cm_hash head;
    cm_diag diag = {0};
    assert_int_equal(cm_audit_verify(f->dir, &entries, &head, &diag), CM_ECHEAT);
    if (strstr(diag.message, what) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", diag.message, what);
    }
}

static void a_whole_log_is_right(void **state)
{
    fixture *f = *state;
    uint64_t entries = 0, last;
    cm_hash head, hash;
    cm_diag diag = {0};
    cm_status st = cm_audit_verify(f->dir, &entries, &head, &diag);
    assert_string_equal(diag.message, "");
    assert_int_equal(st, CM_OK);
    assert_int_equal(entries, 4);
    assert_int_equal(cm_state_audit_last(f->state, &last, &hash, NULL), CM_OK);
    assert_memory_equal(&hash, &head, sizeof head);
}

static cm_status count_entry(void *arg, const cm_audit_entry *entry, cm_diag *diag)
{
    (void)diag;
    int *count = arg;
    char expected[2] = {(char)('a' + *count), 0};
    assert_string_equal(entry->sql, expected);
    assert_int_equal(entry->sequence, *count + 1);
    assert_string_equal(entry->disclosure[0], "research: the answer, 4 rows");
    assert_int_equal(entry->opened[2], 3);
    (*count)++;
    return CM_OK;
}

static void entries_are_read_back(void **state)
{
    fixture *f = *state;
    int count = 0;
    bool seen = false;
    uint8_t job[CM_JOB_ID_BYTES];
    assert_int_equal(cm_audit_walk(f->state, 1, count_entry, &count, NULL), CM_OK);
    assert_int_equal(count, 4);
    memset(job, 'c', sizeof job);
    assert_int_equal(cm_state_audit_has_job(f->state, job, &seen, NULL), CM_OK);
    assert_true(seen);
    memset(job, 'z', sizeof job);
    assert_int_equal(cm_state_audit_has_job(f->state, job, &seen, NULL), CM_OK);
    assert_false(seen);
}

static void a_changed_entry_is_found(void **state)
{
    fixture *f = *state;
    tamper(f, "UPDATE audit SET body = CAST(replace(CAST(body AS TEXT), 'ann', 'bob') AS BLOB)"
              " WHERE sequence = 2");
    expect_bad(f, "entry 2 was changed");
}

static void a_changed_job_is_found(void **state)
{
    tamper(*state, "UPDATE audit SET job = zeroblob(16) WHERE sequence = 3");
    expect_bad(*state, "entry 3 was changed");
}

static void a_dropped_entry_is_found(void **state)
{
    tamper(*state, "DELETE FROM audit WHERE sequence = 2");
    expect_bad(*state, "entry 2 is missing");
}

static void a_closed_gap_is_found(void **state)
{
    tamper(*state, "DELETE FROM audit WHERE sequence = 2;"
                   "UPDATE audit SET sequence = sequence - 1 WHERE sequence > 2");
    expect_bad(*state, "entry 2 was changed");
}

static void swapped_entries_are_found(void **state)
{
    tamper(*state, "UPDATE audit SET sequence = 99 WHERE sequence = 2;"
                   "UPDATE audit SET sequence = 2 WHERE sequence = 3;"
                   "UPDATE audit SET sequence = 3 WHERE sequence = 99");
    expect_bad(*state, "entry 2 was changed");
}

static void a_cut_end_is_found(void **state)
{
    tamper(*state, "DELETE FROM audit WHERE sequence = 4");
    expect_bad(*state, "cut off");
}

static void an_emptied_log_is_found(void **state)
{
    tamper(*state, "DELETE FROM audit");
    expect_bad(*state, "cut off");
}

static void a_foreign_signature_is_found(void **state)
{
    tamper(*state, "UPDATE audit SET signature = (SELECT signature FROM audit WHERE sequence = 1)"
                   " WHERE sequence = 4");
    expect_bad(*state, "entry 4 is not signed");
}

/* Everything recomputed by somebody without the node's key. */
static void a_log_by_another_key_is_found(void **state)
{
    fixture *f = *state;
    cm_identity *other = NULL;
    cm_audit *audit = NULL;
    assert_int_equal(cm_identity_generate("north", 10, &other, NULL), CM_OK);
    tamper(f, "DELETE FROM audit WHERE sequence = 4");
    assert_int_equal(cm_audit_open(f->state, other, f->dir, &audit, NULL), CM_OK);
    cm_audit *mine = f->audit;
    f->audit = audit;
    append(f, "e");
    f->audit = mine;
    cm_audit_close(audit);
    cm_identity_free(other);
    expect_bad(f, "not signed by this node");
}

static void a_missing_head_is_found(void **state)
{
    fixture *f = *state;
    char path[100];
    snprintf(path, sizeof path, "%s/audit.head", f->dir);
    assert_int_equal(unlink(path), 0);
    expect_bad(f, "audit.head is missing");
}

static void a_head_behind_is_allowed(void **state)
{
    fixture *f = *state;
    char command[300];
    uint64_t entries;
    cm_hash head;
    snprintf(command, sizeof command, "cp %s/audit.head %s/kept", f->dir, f->dir);
    assert_int_equal(shell(command), 0);
    append(f, "e");
    snprintf(command, sizeof command, "mv %s/kept %s/audit.head", f->dir, f->dir);
    assert_int_equal(shell(command), 0);
    assert_int_equal(cm_audit_verify(f->dir, &entries, &head, NULL), CM_OK);
    assert_int_equal(entries, 5);
}

static void an_undone_change_leaves_no_entry(void **state)
{
    fixture *f = *state;
    uint64_t entries;
    cm_hash head;
    assert_int_equal(cm_state_begin(f->state, NULL), CM_OK);
    append(f, "e");
    cm_state_rollback(f->state);
    assert_int_equal(cm_audit_verify(f->dir, &entries, &head, NULL), CM_OK);
    assert_int_equal(entries, 4);
    append(f, "f");
    assert_int_equal(cm_audit_verify(f->dir, &entries, &head, NULL), CM_OK);
    assert_int_equal(entries, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_log_is_right, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_are_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_changed_entry_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_changed_job_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dropped_entry_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_closed_gap_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(swapped_entries_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_end_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_emptied_log_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_foreign_signature_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_log_by_another_key_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_head_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_head_behind_is_allowed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_undone_change_leaves_no_entry, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
