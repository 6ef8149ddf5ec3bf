#include "sql/schema.h"

#include "sql/sql_int.h"

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

static const char *const region_labels[] = {"north", "south"};
static const cm_enum region = {"region", 2, region_labels};
static const char *const grants[] = {"insurer", "public"};

static const cm_column columns[] = {
    {.name = "person",
     .type = {.kind = CM_TYPE_TEXT, .max_bytes = 16, .text = CM_TEXT_VARCHAR},
     .not_null = true,
     .unique = true,
     .label = {CM_LABEL_JOIN, 0}},
    {.name = "region",
     .type = {.kind = CM_TYPE_ENUM, .labels = &region},
     .has_check = true,
     .range = {0, 1},
     .label = {CM_LABEL_GROUP, 5}},
    {.name = "year", .type = {.kind = CM_TYPE_INT4}, .has_check = true, .range = {2000, 2030}},
    {.name = "cost",
     .type = {.kind = CM_TYPE_NUMERIC, .precision = 10, .scale = 2},
     .range = {-9999999999, 9999999999},
     .label = {CM_LABEL_AGGREGATE, 10}},
};

static const unsigned key_cols[] = {3, 1};
static const cm_table_key keys[] = {{true, 2, key_cols}};
static const cm_org_table visits = {"north", "visits", 4,    columns, 1024, 2,
                                    grants,  1,        keys, NULL,    true};
static const cm_member members[] = {{"south", true}, {"north", true}, {"insurer", false}};

typedef struct fixture {
    cm_arena arena;
    cm_buf bytes, again;
    cm_diag diag;
} fixture;

static int setup(void **state)
{
    static fixture f;

    f = (fixture){0};
    assert_int_equal(cm_arena_init(&f.arena, 64 << 20), CM_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    cm_arena_fini(&f->arena);
    cm_buf_free(&f->bytes);
    cm_buf_free(&f->again);
    return 0;
}

static void test_codec(void **state)
{
    fixture *f = *state;
    cm_org_table table;

    cm_org_table_encode(&visits, &f->bytes);
    cm_reader reader = cm_reader_of(f->bytes.data, f->bytes.bytes);
    assert_int_equal(cm_org_table_decode(&reader, &f->arena, &table, &f->diag), CM_OK);
    assert_true(cm_reader_done(&reader));
    assert_string_equal(table.org, "north");
    assert_int_equal(table.rows, 1024);
    assert_int_equal(table.cols, 4);
    assert_true(table.col[0].unique && table.col[0].not_null && !table.col[1].unique);
    assert_string_equal(table.col[1].type.labels->labels[1], "south");
    assert_true(table.col[3].range.lo == -9999999999);
    assert_int_equal(table.col[3].label.min_rows, 10);
    assert_string_equal(table.granted_to[1], "public");
    assert_true(table.join_sizes);
    assert_int_equal(table.keys, 1);
    assert_true(table.key[0].primary);
    assert_int_equal(table.key[0].cols, 2);
    assert_int_equal(table.key[0].col[0], 3);
    cm_org_table_encode(&table, &f->again);
    assert_int_equal(f->again.bytes, f->bytes.bytes);
    assert_memory_equal(f->again.data, f->bytes.data, f->bytes.bytes);
}

/* Every truncation and every changed byte is refused or read as another table: the encoding is
 * canonical, so that one then encodes to what was read. */
static void test_bad_bytes(void **state)
{
    fixture *f = *state;
    cm_org_table table;

    cm_org_table_encode(&visits, &f->bytes);
    for (size_t bytes = 0; bytes < f->bytes.bytes; bytes++) {
        cm_reader reader = cm_reader_of(f->bytes.data, bytes);
        cm_diag_reset(&f->diag);
        assert_int_not_equal(cm_org_table_decode(&reader, &f->arena, &table, &f->diag), CM_OK);
        assert_int_not_equal(f->diag.status, CM_OK);
    }
    for (size_t at = 0; at < f->bytes.bytes; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            cm_arena_reset(&f->arena);
            f->bytes.data[at] ^= (uint8_t)(1u << bit);
            cm_reader reader = cm_reader_of(f->bytes.data, f->bytes.bytes);
            if (cm_org_table_decode(&reader, &f->arena, &table, NULL) == CM_OK &&
                cm_reader_done(&reader)) {
                cm_buf_clear(&f->again);
                cm_org_table_encode(&table, &f->again);
                assert_int_equal(f->again.bytes, f->bytes.bytes);
                assert_memory_equal(f->again.data, f->bytes.data, f->bytes.bytes);
            }
            f->bytes.data[at] ^= (uint8_t)(1u << bit);
        }
    }
}

static void test_build(void **state)
{
    fixture *f = *state;
    cm_org_table tables[3] = {visits, visits, visits};
    const cm_schema *schema;

    tables[0].name = "zeta";
    tables[2].org = "insurer";
    assert_int_equal(
        cm_schema_build("health", "rep3", members, 3, tables, 3, &f->arena, &schema, &f->diag),
        CM_OK);
    assert_string_equal(schema->table[0].org, "insurer");
    assert_string_equal(schema->table[1].name, "visits");
    assert_string_equal(schema->table[2].name, "zeta");
    for (size_t i = 1; i < schema->orgs->count; i++) {
        assert_true(strcmp(schema->orgs->labels[i - 1], schema->orgs->labels[i]) < 0);
    }
    assert_string_equal(schema->member[0].org, "south");
    assert_string_equal(schema->orgs->name, "name");
    assert_ptr_equal(cm_schema_table(schema, "north", "zeta"), &schema->table[2]);
    assert_null(cm_schema_table(schema, "south", "zeta"));
    assert_true(cm_schema_member(schema, "south")->computes);
    assert_null(cm_schema_member(schema, "west"));
}

static void refused(fixture *f, const cm_org_table *table, const char *sqlstate)
{
    const cm_org_table two[2] = {*table, visits};
    const cm_schema *schema;

    cm_diag_reset(&f->diag);
    assert_int_not_equal(
        cm_schema_build("health", "rep3", members, 3, two, 2, &f->arena, &schema, &f->diag), CM_OK);
    assert_string_equal(f->diag.sqlstate, sqlstate);
}

static void test_refused(void **state)
{
    fixture *f = *state;
    cm_column cols[2] = {columns[2], columns[3]};
    cm_org_table table = visits;

    refused(f, &table, "42710");
    table.org = "elsewhere";
    refused(f, &table, "42704");
    table.org = "south";
    table.col = cols;
    table.cols = 0;
    refused(f, &table, "42P16");
    table.cols = 2;
    cols[1].name = "year";
    refused(f, &table, "42701");
    cols[1].name = "org";
    refused(f, &table, "42P16");
    cols[1] = columns[3];
    cols[1].range.hi++;
    refused(f, &table, "42P16");
    cols[1] = columns[3];
    cols[1].type.precision = 39;
    refused(f, &table, "42P16");
    cols[1] = columns[3];
    cols[1].label = (cm_label){CM_LABEL_JOIN, 3};
    refused(f, &table, "42P16");
    cols[1] = columns[1];
    const char *twice[] = {"north", "north"};
    const cm_enum bad = {"region", 2, twice};
    cols[1].type.labels = &bad;
    refused(f, &table, "42P16");
}

static void test_labels(void **state)
{
    static const char *const good[] = {"private",          "join",  "filter",      "aggregate",
                                       "aggregate min 10", "group", "group min 1", "reveal"};
    static const char *const bad[] = {"",
                                      "open",
                                      "join min 3",
                                      "group min 0",
                                      "group min",
                                      "group min -1",
                                      "group min 99999999999",
                                      "reveal reveal",
                                      "group min 3 rows",
                                      "aggregatexxxxxxxxxxxx"};
    fixture *f = *state;
    cm_label label;

    for (size_t i = 0; i < CM_COUNT(good); i++) {
        assert_int_equal(cm_label_parse(good[i], &label, &f->diag), CM_OK);
        cm_buf_clear(&f->bytes);
        cm_label_print(label, &f->bytes);
        assert_string_equal(cm_buf_text(&f->bytes), good[i]);
    }
    assert_int_equal(cm_label_parse("  Group   MIN 7 ", &label, &f->diag), CM_OK);
    assert_int_equal(label.min_rows, 7);
    for (size_t i = 0; i < CM_COUNT(bad); i++) {
        cm_diag_reset(&f->diag);
        assert_int_equal(cm_label_parse(bad[i], &label, &f->diag), CM_EINVAL);
        assert_string_equal(f->diag.sqlstate, "22023");
        assert_non_null(strstr(f->diag.hint, "aggregate [min K]"));
    }
}

static void test_published_rows(void **state)
{
    (void)state;
    assert_int_equal(cm_published_rows(0), 1);
    assert_int_equal(cm_published_rows(15), 15);
    assert_int_equal(cm_published_rows(16), 16);
    assert_int_equal(cm_published_rows(17), 18);
    assert_int_equal(cm_published_rows(1000), 1024);
    assert_int_equal(cm_published_rows(1025), 1152);
    assert_true(cm_published_rows(UINT64_MAX) == UINT64_MAX);
    for (uint64_t rows = 1; rows < 5000; rows++) {
        uint64_t bound = cm_published_rows(rows);
        assert_true(bound >= rows && bound <= cm_published_rows(rows + 1) &&
                    bound <= rows * 9 / 8 + 1);
        assert_true(cm_published_rows(bound) == bound);
    }
}

static void test_stored(void **state)
{
    static const char *const parties[] = {"south", "north"};
    static const char *const readers[] = {"insurer"};
    static const bool digests[4] = {true, false, false, false};
    const cm_stored stored = {.id = {1, 2, 3},
                              .filled = true,
                              .parties = 2,
                              .party = parties,
                              .readers = 1,
                              .reader = readers,
                              .min_rows = 7,
                              .digest = digests};
    cm_column cols[4];
    cm_org_table view = visits, back;
    cm_arena arena;
    cm_buf bytes = {0};
    cm_diag diag = {0};

    (void)state;
    assert_int_equal(cm_arena_init(&arena, 1 << 24), CM_OK);
    memcpy(cols, columns, sizeof cols);
    cols[3].type.quotient = true; /* what was computed */
    cols[3].type.precision = 0;
    cols[3].type.scale = 21;
    view.col = cols;
    view.stored = &stored;
    cm_org_table_encode(&view, &bytes);
    cm_reader r = cm_reader_of(bytes.data, bytes.bytes);
    assert_int_equal(cm_org_table_decode(&r, &arena, &back, &diag), CM_OK);
    assert_true(cm_reader_done(&r));
    assert_true(back.col[3].type.quotient);
    assert_memory_equal(back.stored->id, stored.id, sizeof stored.id);
    assert_string_equal(back.stored->party[1], "north");
    assert_string_equal(back.stored->reader[0], "insurer");
    assert_int_equal(back.stored->min_rows, 7);
    assert_true(back.stored->filled && back.stored->digest[0] && !back.stored->digest[3]);
    for (size_t cut = 0; cut < bytes.bytes; cut++) {
        r = cm_reader_of(bytes.data, cut);
        assert_true(cm_org_table_decode(&r, &arena, &back, NULL) != CM_OK || !cm_reader_done(&r));
    }
    cm_buf_free(&bytes);
    cm_arena_fini(&arena);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored),
        CASE(test_codec),
        CASE(test_bad_bytes),
        CASE(test_build),
        CASE(test_refused),
        CASE(test_labels),
        cmocka_unit_test(test_published_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
