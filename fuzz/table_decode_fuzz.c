/*
 * A published table as bytes.  What is accepted is encoded again to the same bytes, so that equal
 * tables have equal digests; and a schema can be built of it.
 */
#include "fuzz.h"
#include "schema.h"

#include <string.h>

static void use(const cm_org_table *table, cm_arena *arena)
{
    const cm_member member = {table->org, true};
    const cm_schema *schema = NULL;

    cm_status st = cm_schema_build("f", "rep3", &member, 1, table, 1, arena, &schema, NULL);
    CM_ASSERT(st == CM_OK);
    CM_ASSERT(cm_schema_table(schema, table->org, table->name) != NULL);
    for (size_t i = 0; i < table->cols; i++) {
        CM_ASSERT(cm_range_planes(table->col[i].range) <= 127);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cm_arena arena;
    cm_org_table table;
    cm_diag diag = {0};
    cm_reader reader = cm_reader_of(data, bytes);

    CM_ASSERT(cm_arena_init(&arena, 64 << 20) == CM_OK);
    cm_status st = cm_org_table_decode(&reader, &arena, &table, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    if (st == CM_OK) {
        cm_buf again = {0};
        cm_org_table_encode(&table, &again);
        CM_ASSERT(again.bytes == bytes - cm_reader_left(&reader));
        CM_ASSERT(memcmp(again.data, data, again.bytes) == 0);
        cm_buf_free(&again);
        use(&table, &arena);
    }
    cm_arena_fini(&arena);
    return 0;
}

bool cm_fuzz_seed(unsigned number, cm_buf *out)
{
    cm_arena arena;

    CM_ASSERT(cm_arena_init(&arena, 64 << 20) == CM_OK);
    const cm_schema *schema = cm_fuzz_schema(&arena);
    bool is_one = number < schema->tables;
    if (is_one) {
        cm_org_table_encode(&schema->table[number], out);
    }
    cm_arena_fini(&arena);
    return is_one;
}
