/*
 * Values of all types as text: parameters and cells of owners' files.  What is printed of a value
 * must be read as the same value.
 */
#include "fuzz.h"

#include "sql/type.h"

#include <stdlib.h>
#include <string.h>

static const char *const labels[] = {"north", "south", ""};
static const cm_enum region = {"region", CM_COUNT(labels), labels};

static const cm_type types[] = {
    {.kind = CM_TYPE_BOOL},
    {.kind = CM_TYPE_INT2},
    {.kind = CM_TYPE_INT4},
    {.kind = CM_TYPE_INT8},
    {.kind = CM_TYPE_NUMERIC, .precision = 10, .scale = 2},
    {.kind = CM_TYPE_NUMERIC, .precision = 38},
    {.kind = CM_TYPE_NUMERIC, .precision = 38, .scale = 38},
    {.kind = CM_TYPE_DATE},
    {.kind = CM_TYPE_TIMESTAMP},
    {.kind = CM_TYPE_ENUM, .labels = &region},
    {.kind = CM_TYPE_TEXT, .max_bytes = 16},
    {.kind = CM_TYPE_INTERVAL},
};

static void check_round_trip(const cm_type *type, const cm_value *value, cm_arena *arena)
{
    cm_buf text = {0};
    cm_value again;

    cm_value_print(type, value, &text);
    cm_status st = cm_value_parse(type, cm_buf_text(&text), arena, &again, NULL);
    CM_ASSERT(st == CM_OK);
    CM_ASSERT(cm_value_compare(type, value, &again) == 0);
    cm_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cm_fuzz_input input = {data, bytes};
    const cm_type *type = &types[cm_fuzz_take(&input) % CM_COUNT(types)];
    char *text = cm_fuzz_text(input.data, input.bytes);
    cm_arena arena;
    cm_value value;
    cm_diag diag = {0};

    CM_ASSERT(cm_arena_init(&arena, 16 << 20) == CM_OK);
    cm_status st = cm_value_parse(type, text, &arena, &value, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    if (st == CM_OK && !value.null) {
        if (type->kind != CM_TYPE_TEXT) {
            cm_range range = cm_type_range(type);
            CM_ASSERT(type->kind == CM_TYPE_INTERVAL ||
                      (value.number >= range.lo && value.number <= range.hi));
        }
        if (type->kind != CM_TYPE_INTERVAL) {
            check_round_trip(type, &value, &arena);
        }
    }
    cm_arena_fini(&arena);
    free(text);
    return 0;
}

bool cm_fuzz_seed(unsigned number, cm_buf *out)
{
    static const char *const texts[CM_COUNT(types)] = {" true",
                                                       "-32768",
                                                       "+2147483647",
                                                       "9223372036854775807",
                                                       "-1234567.895",
                                                       "1e37",
                                                       ".5E-38",
                                                       "1999-02-28",
                                                       "2024-02-29 23:59:59.999999",
                                                       "north",
                                                       "sixteen bytes it",
                                                       "1 year -2 mons 3 days 04:05:06.7"};

    if (number >= CM_COUNT(texts)) {
        return false;
    }
    cm_buf_put_u8(out, (uint8_t)number);
    cm_buf_put(out, texts[number], strlen(texts[number]));
    return true;
}
