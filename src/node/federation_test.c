#include "node/federation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"north", "south", "east", "research"};

typedef struct fixture {
    cm_identity *identity[4];
    cm_arena arena;
    cm_charter charter;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(cm_identity_generate(names[i], 10, &f->identity[i], NULL), CM_OK);
    }
    assert_int_equal(cm_arena_init(&f->arena, 64 << 20), CM_OK);
    f->charter = (cm_charter){.name = "health",
                              .version = 1,
                              .protocol = "rep3",
                              .founder = "north",
                              .members = 4,
                              .member = names,
                              .parties = 3};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        cm_identity_free(f->identity[i]);
    }
    cm_arena_fini(&f->arena);
    free(f);
    return 0;
}

static cm_federation *make(fixture *f, int signatures)
{
    cm_federation_member members[4] = {{0}};
    cm_federation *fed = NULL;
    for (int i = 0; i < 4; i++) {
        members[i].endpoint = "127.0.0.1:7001";
        members[i].cert = *cm_identity_cert(f->identity[i]);
    }
    assert_int_equal(cm_federation_new(&f->charter, members, &fed, NULL), CM_OK);
    for (int i = 0; i < signatures; i++) {
        cm_federation_sign(fed, f->identity[i], fed->member[i].signature);
        fed->member[i].is_signed = true;
    }
    return fed;
}

static void charters_have_one_form(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_charter got;
    cm_charter_print(&f->charter, &text);
    assert_int_equal(cm_charter_parse(cm_buf_text(&text), &f->arena, &got, NULL), CM_OK);
    assert_int_equal(got.members, 4);
    assert_string_equal(got.member[3], "research");
    char *copy = strdup(cm_buf_text(&text));
    for (size_t i = 0; copy[i] != 0; i++) {
        /* Whatever byte is changed, it is another charter or none. */
        char before = copy[i];
        copy[i] = '#';
        assert_int_not_equal(cm_charter_parse(copy, &f->arena, &got, NULL), CM_OK);
        copy[i] = 0;
        assert_true(cm_charter_parse(copy, &f->arena, &got, NULL) != CM_OK || got.members < 4);
        copy[i] = before;
    }
    free(copy);
}

static void charters_keep_the_rules(void **state)
{
    fixture *f = *state;
    static const char *const twice[] = {"north", "south", "south"};
    static const char *const bad[] = {"north", "South", "east"};
    static const char *const odd[] = {"north", "south", "public"};
    const struct {
        const char *const *member;
        size_t members;
        const char *founder;
    } cases[] = {{names, 2, "north"},
                 {twice, 3, "north"},
                 {bad, 3, "north"},
                 {odd, 3, "north"},
                 {names, 4, "west"}};
    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        CM_CLEANUP(cm_buf_free) cm_buf text = {0};
        cm_charter got, c = f->charter;
        c.member = cases[i].member;
        c.members = cases[i].members;
        c.founder = cases[i].founder;
        cm_charter_print(&c, &text);
        assert_int_not_equal(cm_charter_parse(cm_buf_text(&text), &f->arena, &got, NULL), CM_OK);
    }
}

static void tokens_travel(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_token got, token = {.charter = f->charter,
                           .invitee = "south",
                           .founder_endpoint = "127.0.0.1:7001",
                           .expires_unix = 1234567};
    memset(token.secret, 0xa5, sizeof token.secret);
    memset(token.founder_fingerprint.bytes, 0x5a, CM_HASH_BYTES);
    cm_token_print(&token, &text);
    assert_int_equal(cm_token_parse(cm_buf_text(&text), &f->arena, &got, NULL), CM_OK);
    assert_string_equal(got.invitee, "south");
    assert_int_equal(got.expires_unix, 1234567);
    assert_memory_equal(got.secret, token.secret, sizeof got.secret);
    char *copy = strdup(cm_buf_text(&text));
    size_t bytes = strlen(copy);
    for (size_t i = 0; i < bytes; i += 3) {
        char before = copy[i];
        copy[i] = before == 'B' ? 'C' : 'B';
        assert_int_not_equal(cm_token_parse(copy, &f->arena, &got, NULL), CM_OK);
        copy[i] = 0;
        assert_int_not_equal(cm_token_parse(copy, &f->arena, &got, NULL), CM_OK);
        copy[i] = before;
    }
    free(copy);
}

static void files_travel_and_are_checked(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_federation *fed = make(f, 4), *got = NULL;
    cm_federation_print(fed, &text);
    assert_int_equal(cm_federation_parse(cm_buf_text(&text), true, &got, NULL), CM_OK);
    assert_memory_equal(&got->digest, &fed->digest, sizeof fed->digest);
    assert_true(got->member[2].computes);
    assert_false(got->member[3].computes);
    assert_int_equal(cm_federation_index(got, "east"), 2);
    assert_int_equal(cm_federation_index(got, "west"), -1);
    cm_federation_free(got);
    cm_federation_free(fed);
}

static void every_signature_counts(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_federation *fed = make(f, 3), *got = NULL;
    cm_diag diag = {0};
    cm_federation_print(fed, &text);
    assert_int_equal(cm_federation_parse(cm_buf_text(&text), true, &got, &diag), CM_EDENIED);
    assert_non_null(strstr(diag.message, "research"));
    assert_int_equal(cm_federation_parse(cm_buf_text(&text), false, &got, NULL), CM_OK);
    cm_federation_free(got);
    /* Signed by another member's key. */
    cm_federation_sign(fed, f->identity[0], fed->member[3].signature);
    fed->member[3].is_signed = true;
    cm_buf_clear(&text);
    cm_federation_print(fed, &text);
    assert_int_equal(cm_federation_parse(cm_buf_text(&text), true, &got, NULL), CM_EDENIED);
    cm_federation_free(fed);
}

static void no_byte_of_a_file_may_change(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    cm_federation *fed = make(f, 4), *got = NULL;
    cm_federation_print(fed, &text);
    char *copy = strdup(cm_buf_text(&text));
    size_t bytes = strlen(copy);
    for (size_t i = 0; i < bytes; i += 7) {
        char before = copy[i];
        copy[i] = before == '1' ? '2' : '1';
        assert_int_not_equal(cm_federation_parse(copy, true, &got, NULL), CM_OK);
        copy[i] = 0;
        assert_int_not_equal(cm_federation_parse(copy, true, &got, NULL), CM_OK);
        copy[i] = before;
    }
    free(copy);
    cm_federation_free(fed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(charters_have_one_form, set_up, tear_down),
        cmocka_unit_test_setup_teardown(charters_keep_the_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tokens_travel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_travel_and_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_signature_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_byte_of_a_file_may_change, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
