/* DDL and roles, on nodes without a federation. */
#include "node/session_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int set_up(void **state)
{
    world *w = world_new(getenv("COMITY_JOB"));
    char sql[300];
    write_rows(w, 0, "good", "1,10\n2,20\n3,\n");
    write_rows(w, 0, "bad", "1,10\n2,x\n");
    talk *t = talk_new(w, 0, "admin");
    snprintf(sql, sizeof sql,
             "CREATE SERVER files FOREIGN DATA WRAPPER csv OPTIONS (directory '%s/data')",
             w->dir[0]);
    expect_said(say(t, sql), "CREATE SERVER\n");
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    talk *t = *state;
    world *w = t->w;
    talk_free(t);
    world_free(w);
    return 0;
}

static void servers_must_answer(void **state)
{
    talk *t = *state;
    expect_said(say(t, "CREATE SERVER s FOREIGN DATA WRAPPER csv OPTIONS (directory '/nowhere')"),
                "ERROR ...\n");
    expect_said(say(t, "CREATE SERVER s FOREIGN DATA WRAPPER oracle"), "ERROR 42704 ...\n");
    expect_said(say(t, "CREATE SERVER s FOREIGN DATA WRAPPER sqlite"), "ERROR HV00J ...\n");
    expect_said(say(t, "CREATE SERVER files FOREIGN DATA WRAPPER sqlite"), "ERROR 42710 ...\n");
    expect_said(say(t, "CREATE SERVER IF NOT EXISTS files FOREIGN DATA WRAPPER sqlite"),
                "NOTICE server \"files\" already exists, skipping\nCREATE SERVER\n");
    expect_said(say(t, "DROP SERVER s"), "ERROR 42704 ...\n");
    expect_said(say(t, "DROP SERVER IF EXISTS s"),
                "NOTICE server \"s\" does not exist, skipping\nDROP SERVER\n");
}

static void tables_are_checked(void **state)
{
    talk *t = *state;
    expect_said(say(t, "CREATE FOREIGN TABLE t (id int, cost int) SERVER nix"),
                "ERROR 42704 ...\n");
    expect_said(say(t, "CREATE FOREIGN TABLE t (id int, cost money) SERVER files"),
                "ERROR 42704 ...\n");
    expect_said(say(t, "CREATE FOREIGN TABLE t (id int, cost numeric) SERVER files"),
                "ERROR 0A000 ...\n");
    expect_said(say(t, "CREATE FOREIGN TABLE south.t (id int) SERVER files"), "ERROR 3F000 ...\n");
    expect_said(say(t, "CREATE FOREIGN TABLE t () SERVER files"), "ERROR 42P16 ...\n");
    expect_said(say(t, "CREATE FOREIGN TABLE t (id int OPTIONS (colour 'x')) SERVER files"),
                "ERROR HV00D ...\n");
    expect_said(say(t, "CREATE FOREIGN TABLE t (id int) SERVER files OPTIONS (sheet 'x')"),
                "ERROR HV00D ...\n");
    const char *bad =
        say(t, "CREATE FOREIGN TABLE t (id int, cost int) SERVER files OPTIONS (table 'bad.csv')");
    assert_non_null(strstr(bad, "ERROR 22P02 row 2 of table "));
    assert_non_null(strstr(bad, "\"cost\""));
    bad = say(t, "CREATE FOREIGN TABLE t (id int CHECK (id BETWEEN 1 AND 2), cost int) SERVER files"
                 " OPTIONS (table 'good.csv')");
    assert_non_null(strstr(bad, "ERROR 23514 row 3 of table "));
    bad = say(t, "CREATE FOREIGN TABLE t (id int, cost int NOT NULL) SERVER files OPTIONS (table "
                 "'good.csv')");
    assert_non_null(strstr(bad, "ERROR 23502 row 3 of table "));
}

static const cm_org_table *published(talk *t, const char *name)
{
    return cm_schema_table(cm_node_schema(t->w->node[0]), "north", name);
}

static void tables_are_published(void **state)
{
    talk *t = *state;
    expect_said(say(t, "CREATE TYPE mood AS ENUM ('good', 'bad')"), "CREATE TYPE\n");
    expect_said(say(t, "CREATE TYPE mood AS ENUM ('good')"), "ERROR 42710 ...\n");
    expect_said(say(t, "CREATE TYPE int4 AS ENUM ('good')"), "ERROR 42710 ...\n");
    expect_said(say(t, "CREATE FOREIGN TABLE visits (id int PRIMARY KEY, money int OPTIONS "
                       "(column_name 'cost') "
                       "CHECK (money BETWEEN 0 AND 100)) SERVER files OPTIONS "
                       "(table 'good.csv')"),
                "CREATE FOREIGN TABLE\n");
    const cm_org_table *table = published(t, "visits");
    assert_non_null(table);
    assert_int_equal(table->rows, 3);
    assert_int_equal(table->grants, 0);
    assert_true(table->col[0].unique && table->col[0].not_null);
    assert_true(table->col[1].range.lo == 0 && table->col[1].range.hi == 100);
    assert_int_equal(table->col[1].label.kind, CM_LABEL_PRIVATE);
    expect_said(say(t, "CREATE FOREIGN TABLE visits (id int) SERVER files"), "ERROR 42P07 ...\n");
    expect_said(say(t, "CREATE FOREIGN TABLE IF NOT EXISTS visits (id int) SERVER files"),
                "NOTICE relation \"visits\" already exists, skipping\nCREATE FOREIGN TABLE\n");

    expect_said(say(t, "SECURITY LABEL FOR comity ON COLUMN visits.money IS 'aggregate min 5'"),
                "SECURITY LABEL\n");
    assert_int_equal(published(t, "visits")->col[1].label.kind, CM_LABEL_AGGREGATE);
    assert_int_equal(published(t, "visits")->col[1].label.min_rows, 5);
    expect_said(say(t, "SECURITY LABEL FOR comity ON TABLE north.visits IS 'join'"),
                "SECURITY LABEL\n");
    assert_int_equal(published(t, "visits")->col[1].label.kind, CM_LABEL_JOIN);
    expect_said(say(t, "SECURITY LABEL FOR comity ON COLUMN visits.money IS 'open'"),
                "ERROR 22023 ...\n");
    expect_said(say(t, "SECURITY LABEL FOR comity ON COLUMN visits.nix IS 'join'"),
                "ERROR 42703 ...\n");
    expect_said(say(t, "SECURITY LABEL FOR comity ON COLUMN nix.nix IS 'join'"),
                "ERROR 42P01 ...\n");

    expect_said(
        say(t, "GRANT SELECT ON visits TO stranger, PUBLIC, another"),
        "NOTICE \"stranger\" is no member ...\nNOTICE \"another\" is no member ...\nGRANT\n");
    table = published(t, "visits");
    assert_int_equal(table->grants, 3);
    assert_string_equal(table->granted_to[0], "another");
    expect_said(say(t, "REVOKE SELECT ON visits FROM PUBLIC, another"), "REVOKE\n");
    assert_int_equal(published(t, "visits")->grants, 1);
    expect_said(say(t, "REVOKE ALL ON ALL TABLES IN SCHEMA north FROM stranger"), "REVOKE\n");
    assert_int_equal(published(t, "visits")->grants, 0);
    expect_said(say(t, "GRANT SELECT ON nix TO stranger"), "ERROR 42P01 ...\n");

    expect_said(say(t, "DROP SERVER files"), "ERROR 2BP01 ...\n");
    write_rows(t->w, 0, "good", "1,10\n2,20\n3,\n4,40\n5,50\n");
    expect_said(say(t, "ANALYZE visits"), "ANALYZE\n");
    assert_int_equal(published(t, "visits")->rows, 5);
    write_rows(t->w, 0, "good", "1,10\n2,200\n");
    expect_said(say(t, "ANALYZE"), "ERROR 23514 ...\n");
    expect_said(say(t, "ANALYZE nix"), "ERROR 42P01 ...\n");
    expect_said(say(t, "DROP FOREIGN TABLE visits"), "DROP FOREIGN TABLE\n");
    assert_null(published(t, "visits"));
    expect_said(say(t, "DROP FOREIGN TABLE visits"), "ERROR 42P01 ...\n");
    expect_said(say(t, "DROP TYPE mood; DROP TYPE mood"), "DROP TYPE\nERROR 42704 ...\n");
}

static void types_in_use_stay(void **state)
{
    talk *t = *state;
    write_rows(t->w, 0, "moods", "1,good\n2,bad\n");
    expect_said(say(t, "CREATE TYPE mood AS ENUM ('good', 'bad')"), "CREATE TYPE\n");
    expect_said(say(t, "CREATE FOREIGN TABLE moods (id int, cost mood) SERVER files OPTIONS (table "
                       "'moods.csv')"),
                "CREATE FOREIGN TABLE\n");
    expect_said(say(t, "DROP TYPE mood"), "ERROR 2BP01 ...\n");
    expect_said(say(t, "DROP FOREIGN TABLE moods; DROP TYPE mood"),
                "DROP FOREIGN TABLE\nDROP TYPE\n");
}

static void schemas_are_imported(void **state)
{
    talk *t = *state;
    write_rows(t->w, 0, "one", "1,10\n2,20\n");
    write_rows(t->w, 0, "two", "1,a\n2,b\n3,a\n4,b\n");
    expect_said(say(t, "IMPORT FOREIGN SCHEMA public LIMIT TO (nix) FROM SERVER files INTO north"),
                "ERROR 42P01 ...\n");
    expect_said(say(t, "IMPORT FOREIGN SCHEMA public FROM SERVER files INTO south"),
                "ERROR 3F000 ...\n");
    expect_said(say(t, "IMPORT FOREIGN SCHEMA public LIMIT TO (one, two) FROM SERVER files INTO "
                       "north"),
                "NOTICE 2 tables imported...\nIMPORT FOREIGN SCHEMA\n");
    assert_non_null(published(t, "one"));
    assert_int_equal(published(t, "one")->col[0].label.kind, CM_LABEL_PRIVATE);
    expect_said(say(t, "IMPORT FOREIGN SCHEMA public LIMIT TO (one) FROM SERVER files INTO north"),
                "ERROR 42P07 ...\n");
    expect_said(say(t, "DROP FOREIGN TABLE one; DROP FOREIGN TABLE two"),
                "DROP FOREIGN TABLE\nDROP FOREIGN TABLE\n");
}

/* The statement runs on a thread of its own: cancelled, or abandoned, it changes nothing. */
static void a_look_at_a_source_is_cancelled(void **state)
{
    talk *t = *state;
    const char *sql = "CREATE FOREIGN TABLE late (id int, cost int) SERVER files OPTIONS (table "
                      "'one.csv')";
    write_rows(t->w, 0, "one", "1,10\n2,20\n");
    say_only(t, sql);
    cm_session_cancel(t->session);
    expect_said(heard(t), "ERROR 57014 ...\n");
    talk *gone = talk_new(t->w, 0, "admin");
    say_only(gone, sql);
    talk_free(gone);
    run_for(t->w, 200);
    assert_null(published(t, "late"));
}

static void roles_have_rights(void **state)
{
    talk *t = *state;
    cm_scram_verifier v;
    cm_node *node = t->w->node[0];
    expect_said(say(t, "CREATE ROLE ann LOGIN PASSWORD 'hunter2' IN ROLE analyst"),
                "CREATE ROLE\n");
    assert_string_equal(t->wipe_check, "");
    assert_true(cm_node_role_verifier(node, "ann", &v));
    assert_int_equal(v.iterations, 4096);
    expect_said(say(t, "CREATE ROLE ann"), "ERROR 42710 ...\n");
    expect_said(say(t, "CREATE ROLE \"An n\" PASSWORD 'x'"), "ERROR 42602 ...\n");
    expect_said(say(t, "CREATE ROLE analyst PASSWORD 'x'"), "ERROR 42602 ...\n");
    expect_said(say(t, "CREATE ROLE eve PASSWORD 'x' IN ROLE king"), "ERROR 42704 ...\n");
    expect_said(say(t, "CREATE ROLE bob"), "NOTICE ...\nCREATE ROLE\n");
    assert_false(cm_node_role_verifier(node, "bob", &v));
    expect_said(say(t, "ALTER ROLE bob PASSWORD 'hunter3'"), "ALTER ROLE\n");
    assert_true(cm_node_role_verifier(node, "bob", &v));

    talk *ann = talk_new(t->w, 0, "ann");
    expect_said(say(ann, "CREATE TYPE z AS ENUM ('a')"), "ERROR 42501 ...\n");
    expect_said(say(ann, "CREATE ROLE z"), "ERROR 42501 ...\n");
    expect_said(say(ann, "ALTER ROLE bob PASSWORD 'z'"), "ERROR 42501 ...\n");
    expect_said(say(ann, "SET comity.job_limit = 3"), "ERROR 42501 ...\n");
    expect_said(say(ann, "SELECT count(*) FROM nix"), "ERROR ...\n");
    expect_said(say(ann, "ALTER ROLE ann PASSWORD 'new'"), "ALTER ROLE\n");
    expect_said(say(t, "GRANT publisher TO ann"), "GRANT ROLE\n");
    expect_said(say(ann, "CREATE TYPE z AS ENUM ('a'); DROP TYPE z"), "CREATE TYPE\nDROP TYPE\n");
    expect_said(say(t, "REVOKE publisher, analyst FROM ann"), "REVOKE ROLE\n");
    expect_said(say(ann, "SELECT count(*) FROM nix"), "ERROR 42501 ...\n");
    expect_said(say(t, "DROP ROLE ann"), "DROP ROLE\n");
    expect_said(say(ann, "CREATE TYPE z AS ENUM ('a')"), "ERROR 28000 ...\n");
    talk_free(ann);

    expect_said(say(t, "GRANT king TO bob"), "ERROR 42704 ...\n");
    expect_said(say(t, "GRANT analyst TO nobody"), "ERROR 42704 ...\n");
    expect_said(say(t, "REVOKE administrator FROM admin"), "ERROR 2BP01 ...\n");
    expect_said(say(t, "DROP ROLE admin"), "ERROR 55006 ...\n");
    expect_said(say(t, "DROP ROLE bob; DROP ROLE IF EXISTS bob"),
                "DROP ROLE\nNOTICE ...\nDROP ROLE\n");
}

/* psql's \password sends what it computed. */
static void verifiers_are_taken(void **state)
{
    talk *t = *state;
    cm_scram_verifier v;
    expect_said(say(t, "CREATE ROLE pw PASSWORD 'SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$"
                       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:"
                       "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA='"),
                "CREATE ROLE\n");
    assert_true(cm_node_role_verifier(t->w->node[0], "pw", &v));
    for (unsigned i = 0; i < 32; i++) {
        assert_true(i >= 16 || v.salt[i] == i);
        assert_int_equal(v.stored_key[i], i);
        assert_int_equal(v.server_key[i], 255 - i);
    }
    static const char *const wrong[] = {
        "SCRAM-SHA-256$4096:AAEC$AA==:AA==", "SCRAM-SHA-256$1:AAECAwQFBgcICQoLDA0ODw==$x:y",
        "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:!$:", ""};
    for (size_t i = 0; i < CM_COUNT(wrong); i++) {
        char sql[200];
        snprintf(sql, sizeof sql, "ALTER ROLE pw PASSWORD '%s'", wrong[i]);
        assert_non_null(strstr(say(t, sql), "ERROR "));
    }
    expect_said(say(t, "DROP ROLE pw"), "DROP ROLE\n");
}

static cm_status look_for_password(void *arg, const cm_audit_entry *entry, cm_diag *diag)
{
    (void)diag;
    assert_null(strstr(entry->sql, "hunter"));
    *(int *)arg += strstr(entry->sql, "********") != NULL;
    return CM_OK;
}

static void passwords_are_not_logged(void **state)
{
    talk *t = *state;
    int redacted = 0;
    (void)say(t, "CREATE ROLE x PASSWORD 'hunter2'; ALTER ROLE x PASSWORD 'hunter3'; DROP ROLE x");
    assert_int_equal(
        cm_audit_walk(cm_node_state(t->w->node[0]), 1, look_for_password, &redacted, NULL), CM_OK);
    assert_true(redacted >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_must_answer),
        cmocka_unit_test(tables_are_checked),
        cmocka_unit_test(tables_are_published),
        cmocka_unit_test(types_in_use_stay),
        cmocka_unit_test(schemas_are_imported),
        cmocka_unit_test(a_look_at_a_source_is_cancelled),
        cmocka_unit_test(roles_have_rights),
        cmocka_unit_test(verifiers_are_taken),
        cmocka_unit_test(passwords_are_not_logged),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
