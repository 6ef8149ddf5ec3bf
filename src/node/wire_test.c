#include "node/wire.h"

#include "node/channel.h"
#include "node/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fixture {
    cm_identity *identity, *other;
    cm_arena arena;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_int_equal(cm_identity_generate("north", 10, &f->identity, NULL), CM_OK);
    assert_int_equal(cm_identity_generate("south", 10, &f->other, NULL), CM_OK);
    assert_int_equal(cm_arena_init(&f->arena, (size_t)1 << 30), CM_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    cm_identity_free(f->identity);
    cm_identity_free(f->other);
    cm_arena_fini(&f->arena);
    free(f);
    return 0;
}

static const char *const params[] = {"1", NULL, ""};
static const cm_named_catalog catalogs[] = {{"north", {3, {{1}}}}, {"south", {0, {{0}}}}};

static cm_proposal example_proposal(void)
{
    cm_proposal p = {.coordinator = "north",
                     .role = "ann",
                     .sql = "SELECT 1",
                     .params = 3,
                     .param = params,
                     .settings = cm_plan_settings_default(),
                     .catalogs = 2,
                     .catalog = catalogs,
                     .created_unix = 100,
                     .expires_unix = 200,
                     .deadline_ms = 5};
    memset(p.job, 0x11, sizeof p.job);
    return p;
}

static void preambles_have_one_form(void **state)
{
    (void)state;
    uint8_t bytes[CM_PREAMBLE_BYTES];
    cm_preamble got, p = {.kind = CM_LINK_JOB, .sender = 2, .lane = 513};
    memset(p.job, 7, sizeof p.job);
    cm_preamble_encode(&p, bytes);
    assert_int_equal(cm_preamble_decode(bytes, &got), CM_OK);
    assert_int_equal(got.lane, 513);
    assert_int_equal(got.sender, 2);
    assert_memory_equal(got.job, p.job, sizeof p.job);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bool meaning = (i >= 9 && i < 12) || (i >= 16 && i < 48);
        uint8_t before = bytes[i];
        bytes[i] ^= 0x40;
        assert_int_equal(cm_preamble_decode(bytes, &got), meaning ? CM_OK : CM_EPROTO);
        bytes[i] = before;
    }
}

/* A member's figures decide about sizes at everybody: what makes no sense is not taken. */
static void settings_have_bounds(void **state)
{
    fixture *f = *state;
    const cm_plan_settings usual = cm_plan_settings_default();
    cm_plan_settings bad[10];
    for (size_t i = 0; i < CM_COUNT(bad); i++) {
        bad[i] = usual;
    }
    bad[0].lanes = 0;
    bad[1].lanes = 17;
    bad[2].domain_max = UINT32_MAX;
    bad[3].rtt_seconds = -1;
    bad[4].rtt_seconds = 1e300;
    bad[5].rtt_seconds = 0.0 / (usual.rtt_seconds - usual.rtt_seconds);
    bad[6].bytes_per_second = 0;
    bad[7].bytes_per_second = 1e300;
    bad[8].now = -1;
    bad[9].now = INT64_MAX;
    for (size_t i = 0; i <= CM_COUNT(bad); i++) {
        CM_CLEANUP(cm_buf_free) cm_buf out = {0};
        cm_proposal got, p = example_proposal();
        p.settings = i < CM_COUNT(bad) ? bad[i] : usual;
        cm_proposal_encode(&p, f->identity, &out);
        cm_status st = cm_proposal_decode(out.data, out.bytes, cm_identity_cert(f->identity),
                                          &f->arena, &got, NULL);
        assert_int_equal(st == CM_OK, i == CM_COUNT(bad));
    }
}

static void proposals_travel(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    cm_proposal got, p = example_proposal();
    cm_proposal_encode(&p, f->identity, &out);
    assert_int_equal(cm_proposal_decode(out.data, out.bytes, cm_identity_cert(f->identity),
                                        &f->arena, &got, NULL),
                     CM_OK);
    assert_string_equal(got.sql, "SELECT 1");
    assert_null(got.param[1]);
    assert_string_equal(got.param[2], "");
    assert_int_equal(got.catalog[0].id.version, 3);
    assert_int_equal(got.deadline_ms, 5);
    /* By another key, cut, or with any byte changed: nothing. */
    assert_int_not_equal(
        cm_proposal_decode(out.data, out.bytes, cm_identity_cert(f->other), &f->arena, &got, NULL),
        CM_OK);
    for (size_t i = 0; i < out.bytes; i++) {
        uint8_t *exact = malloc(i + 1);
        memcpy(exact, out.data, i);
        assert_int_not_equal(
            cm_proposal_decode(exact, i, cm_identity_cert(f->identity), &f->arena, &got, NULL),
            CM_OK);
        free(exact);
        out.data[i] ^= 1;
        assert_int_not_equal(cm_proposal_decode(out.data, out.bytes, cm_identity_cert(f->identity),
                                                &f->arena, &got, NULL),
                             CM_OK);
        out.data[i] ^= 1;
    }
}

static void consents_travel(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    cm_consent got, c = {.allowed = false, .stale = true};
    cm_diag_set(&c.why, CM_EDENIED, CM_SQL_DENIED, "no\x1b[31m \xff %s", "so");
    cm_diag_hint(&c.why, "GRANT it");
    cm_consent_encode(&c, f->identity, &out);
    assert_int_equal(cm_consent_decode(out.data, out.bytes, cm_identity_cert(f->identity), &got),
                     CM_OK);
    assert_true(got.stale && !got.allowed);
    /* What another node writes cannot play with the terminal. */
    assert_string_equal(got.why.message, "no?[31m ? so");
    assert_string_equal(got.why.hint, "GRANT it");
    assert_int_equal(cm_consent_decode(out.data, out.bytes, cm_identity_cert(f->other), &got),
                     CM_EPROTO);
}

static void reports_travel(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    cm_measured measured[2] = {{1, 2, 0.5}, {3, 4, 0}};
    cm_job_report got, r = {.ok = true, .bytes = 77, .opened = {1, 2, 3}, .nodes = 2};
    r.measured = measured;
    cm_job_report_encode(&r, &out);
    cm_reader reader = cm_reader_of(out.data, out.bytes);
    assert_true(cm_job_report_decode(&reader, &f->arena, &got));
    assert_int_equal(got.bytes, 77);
    assert_true(got.measured[0].seconds == 0.5);
    for (size_t i = 0; i < out.bytes; i++) {
        reader = cm_reader_of(out.data, i);
        assert_false(cm_job_report_decode(&reader, &f->arena, &got));
    }
    /* A count that the message is too short for, NaN. */
    memset(out.data + out.bytes - 8, 0xff, 8);
    reader = cm_reader_of(out.data, out.bytes);
    assert_false(cm_job_report_decode(&reader, &f->arena, &got));
}

static void random_bytes_are_refused(void **state)
{
    fixture *f = *state;
    uint8_t bytes[256];
    for (int i = 0; i < 2000; i++) {
        cm_job_report report;
        cm_job_order order;
        cm_diag diag;
        cm_arena scratch = f->arena;
        size_t length = (size_t)i % sizeof bytes;
        cm_random_bytes(bytes, sizeof bytes);
        if (i % 2 == 0) {
            memset(bytes, 0, length / 2);
        }
        cm_reader r = cm_reader_of(bytes, length);
        (void)(cm_job_report_decode(&r, &scratch, &report) == false);
        assert_int_not_equal(cm_job_order_decode(bytes, length, &scratch, &order, NULL), CM_OK);
        r = cm_reader_of(bytes, length);
        cm_diag_decode(&r, &diag);
        assert_int_not_equal(
            cm_catalog_decode(bytes, length, NULL, &scratch, &(cm_catalog_content){0}, NULL),
            CM_OK);
    }
}

static void orders_travel(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    static const cm_option options[] = {{"conninfo", "dbname=x"}};
    static const cm_state_server servers[] = {{"s", "postgres", {1, options}}};
    static const char *const remote[] = {"ID"};
    cm_column col = {.name = "id", .type = {.kind = CM_TYPE_INT4}, .label = {CM_LABEL_JOIN, 0}};
    col.range = cm_type_range(&col.type);
    cm_state_table table = {.table = {.org = "north", .name = "t", .cols = 1, .col = &col},
                            .server = "s",
                            .remote = "public.t",
                            .remote_col = remote};
    cm_state_catalog catalog = {"north", 3, (const uint8_t *)"abc"};
    const cm_stored_key key = {.id = {1, 2}, .key = {[31] = 9}};
    cm_job_order got, o = {.org = "north",
                           .federation = "f",
                           .catalogs = 1,
                           .catalog = &catalog,
                           .coordinator = "south",
                           .sql = "SELECT 1",
                           .params = 3,
                           .param = params,
                           .settings = cm_plan_settings_default(),
                           .identity_pem = "pem",
                           .servers = 1,
                           .server = servers,
                           .tables = 1,
                           .table = &table,
                           .cache_dir = "/c",
                           .stored_dir = "/s",
                           .stored = 1,
                           .stored_key = &key,
                           .idle_timeout_ms = 5};
    cm_job_order_encode(&o, &out);
    assert_int_equal(cm_job_order_decode(out.data, out.bytes, &f->arena, &got, NULL), CM_OK);
    assert_string_equal(got.table[0].remote_col[0], "ID");
    assert_string_equal(got.server[0].options.option[0].value, "dbname=x");
    assert_memory_equal(got.catalog[0].data, "abc", 3);
    assert_string_equal(got.stored_dir, "/s");
    assert_int_equal(got.stored, 1);
    assert_memory_equal(&got.stored_key[0], &key, sizeof key);
    assert_int_equal(got.idle_timeout_ms, 5);
    for (size_t i = 0; i < out.bytes; i++) {
        assert_int_not_equal(cm_job_order_decode(out.data, i, &f->arena, &got, NULL), CM_OK);
    }
}

static void catalogs_travel(void **state)
{
    fixture *f = *state;
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    CM_CLEANUP(cm_buf_free) cm_buf foreign = {0};
    cm_catalog_content got;
    cm_column col = {.name = "id", .type = {.kind = CM_TYPE_INT4}, .label = {CM_LABEL_JOIN, 0}};
    col.range = cm_type_range(&col.type);
    cm_org_table tables[2] = {{.org = "north", .name = "a", .cols = 1, .col = &col, .rows = 16},
                              {.org = "north", .name = "b", .cols = 1, .col = &col, .rows = 16}};
    const cm_cert *cert = cm_identity_cert(f->identity);
    assert_int_equal(cm_catalog_encode("north", 7, tables, 2, f->identity, &out, NULL), CM_OK);
    assert_int_equal(cm_catalog_decode(out.data, out.bytes, cert, &f->arena, &got, NULL), CM_OK);
    assert_int_equal(got.version, 7);
    assert_string_equal(got.table[1].name, "b");
    assert_int_equal(
        cm_catalog_decode(out.data, out.bytes, cm_identity_cert(f->other), &f->arena, &got, NULL),
        CM_EDENIED);
    for (size_t i = 0; i < out.bytes; i += 5) {
        out.data[i] ^= 0x10;
        assert_int_not_equal(cm_catalog_decode(out.data, out.bytes, cert, &f->arena, &got, NULL),
                             CM_OK);
        out.data[i] ^= 0x10;
    }
    /* Nobody publishes in another's name, even under its own valid signature. */
    tables[1].org = "south";
    assert_int_equal(cm_catalog_encode("north", 8, tables, 2, f->identity, &foreign, NULL), CM_OK);
    assert_int_equal(cm_catalog_decode(foreign.data, foreign.bytes, cert, &f->arena, &got, NULL),
                     CM_EPROTO);
}

static void frames_are_cut(void **state)
{
    (void)state;
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    CM_CLEANUP(cm_framer_fini) cm_framer framer = {.max_bytes = 10};
    uint8_t type;
    const uint8_t *body;
    size_t bytes;
    cm_frame_put(&out, 1, "", 0);
    cm_frame_put(&out, 2, "123456789", 9);
    unsigned frames = 0;
    for (size_t i = 0; i < out.bytes; i++) {
        assert_int_equal(cm_framer_put(&framer, out.data + i, 1), CM_OK);
        while (cm_framer_next(&framer, &type, &body, &bytes)) {
            frames++;
            assert_int_equal(type, frames);
            assert_int_equal(bytes, frames == 1 ? 0 : 9);
            cm_framer_drop(&framer);
        }
    }
    assert_int_equal(frames, 2);
    uint8_t zero[4] = {0}, huge[4] = {0xff, 0xff, 0xff, 0xff}, long_[4] = {0, 0, 0, 11};
    CM_CLEANUP(cm_framer_fini) cm_framer a = {.max_bytes = 10};
    CM_CLEANUP(cm_framer_fini) cm_framer b = {.max_bytes = 10};
    CM_CLEANUP(cm_framer_fini) cm_framer c = {.max_bytes = 10};
    assert_int_equal(cm_framer_put(&a, zero, 4), CM_EPROTO);
    assert_int_equal(cm_framer_put(&b, huge, 4), CM_EPROTO);
    assert_int_equal(cm_framer_put(&c, long_, 4), CM_EPROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preambles_have_one_form),
        cmocka_unit_test(frames_are_cut),
        cmocka_unit_test_setup_teardown(settings_have_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proposals_travel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(consents_travel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reports_travel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(orders_travel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(catalogs_travel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_bytes_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
