/* sql/bind_fixture.h - a small federation for tests of the binder. */
#ifndef CM_SQL_BIND_FIXTURE_H
#define CM_SQL_BIND_FIXTURE_H

#include "sql/query.h"

static const char *const fixture_regions[] = {"north", "south", "east"};
static const cm_enum fixture_region = {"region", 3, fixture_regions};
static const char *const fixture_colors[] = {"red", "green"};
static const cm_enum fixture_color = {"color", 2, fixture_colors};

/* Columns of a whole integer type, and text of at most so many bytes. */
#define FIXTURE_INT(column, bytes, lo, hi)                                                         \
    {                                                                                              \
        .name = (column), .type = {.kind = CM_TYPE_INT##bytes}, .range = {(lo), (hi) }             \
    }
#define FIXTURE_INT2(column) FIXTURE_INT(column, 2, INT16_MIN, INT16_MAX)
#define FIXTURE_INT4(column) FIXTURE_INT(column, 4, INT32_MIN, INT32_MAX)
#define FIXTURE_INT8(column) FIXTURE_INT(column, 8, INT64_MIN, INT64_MAX)
#define FIXTURE_TEXT(shown, bytes)                                                                 \
    {                                                                                              \
        .kind = CM_TYPE_TEXT, .max_bytes = (bytes), .text = (shown)                                \
    }

static const cm_column fixture_visits[] = {
    {.name = "person",
     .type = FIXTURE_TEXT(CM_TEXT_VARCHAR, 16),
     .not_null = true,
     .label = {CM_LABEL_JOIN, 0}},
    {.name = "region",
     .type = {.kind = CM_TYPE_ENUM, .labels = &fixture_region},
     .not_null = true,
     .has_check = true,
     .range = {0, 2},
     .label = {CM_LABEL_GROUP, 5}},
    {.name = "year",
     .type = {.kind = CM_TYPE_INT4},
     .has_check = true,
     .range = {2000, 2030},
     .label = {CM_LABEL_FILTER, 0}},
    {.name = "cost",
     .type = {.kind = CM_TYPE_NUMERIC, .precision = 10, .scale = 2},
     .range = {-9999999999, 9999999999},
     .label = {CM_LABEL_AGGREGATE, 10}},
    {.name = "day",
     .type = {.kind = CM_TYPE_DATE},
     .has_check = true,
     .range = {7305, 11322},
     .label = {CM_LABEL_REVEAL, 0}},
    {.name = "at",
     .type = {.kind = CM_TYPE_TIMESTAMP},
     .has_check = true,
     .range = {0, 900000000000000000}},
    FIXTURE_INT2("small"),
    FIXTURE_INT4("num"),
    FIXTURE_INT8("big"),
    {.name = "flag", .type = {.kind = CM_TYPE_BOOL}, .has_check = true, .range = {0, 1}},
    {.name = "note", .type = FIXTURE_TEXT(CM_TEXT_TEXT, 64)},
};

static const cm_column fixture_visits_south[] = {
    {.name = "person",
     .type = FIXTURE_TEXT(CM_TEXT_VARCHAR, 16),
     .not_null = true,
     .unique = true,
     .label = {CM_LABEL_REVEAL, 0}},
    {.name = "region",
     .type = {.kind = CM_TYPE_ENUM, .labels = &fixture_region},
     .has_check = true,
     .range = {0, 2},
     .label = {CM_LABEL_GROUP, 20}},
    {.name = "year",
     .type = {.kind = CM_TYPE_INT4},
     .has_check = true,
     .range = {1990, 2020},
     .label = {CM_LABEL_GROUP, 0}},
    {.name = "cost",
     .type = {.kind = CM_TYPE_NUMERIC, .precision = 10, .scale = 2},
     .range = {-9999999999, 9999999999},
     .label = {CM_LABEL_AGGREGATE, 3}},
    {.name = "day",
     .type = {.kind = CM_TYPE_DATE},
     .has_check = true,
     .range = {7305, 11322},
     .label = {CM_LABEL_REVEAL, 0}},
    {.name = "at",
     .type = {.kind = CM_TYPE_TIMESTAMP},
     .has_check = true,
     .range = {0, 900000000000000000}},
    FIXTURE_INT2("small"),
    FIXTURE_INT4("num"),
    FIXTURE_INT8("big"),
    {.name = "flag", .type = {.kind = CM_TYPE_BOOL}, .has_check = true, .range = {0, 1}},
    {.name = "note", .type = FIXTURE_TEXT(CM_TEXT_TEXT, 64)},
};

static const cm_column fixture_tumours[] = {
    {.name = "person",
     .type = FIXTURE_TEXT(CM_TEXT_VARCHAR, 16),
     .not_null = true,
     .unique = true,
     .label = {CM_LABEL_JOIN, 0}},
    {.name = "stage",
     .type = {.kind = CM_TYPE_INT4},
     .not_null = true,
     .has_check = true,
     .range = {0, 4},
     .label = {CM_LABEL_GROUP, 0}},
    {.name = "code", .type = FIXTURE_TEXT(CM_TEXT_CHAR, 3)},
    {.name = "color",
     .type = {.kind = CM_TYPE_ENUM, .labels = &fixture_color},
     .has_check = true,
     .range = {0, 1}},
    FIXTURE_INT8("big"),
};

static const cm_column fixture_odd[] = {FIXTURE_INT4("a"), FIXTURE_INT4("b")};
static const cm_column fixture_odd_too[] = {FIXTURE_INT4("a"), FIXTURE_INT8("b")};

static const char *const fixture_grants[] = {"public"};

static const cm_org_table fixture_tables[] = {
    {"south", "visits", 11, fixture_visits_south, 2048, 1, fixture_grants, 0, NULL, NULL, false},
    {"north", "visits", 11, fixture_visits, 1024, 1, fixture_grants, 0, NULL, NULL, false},
    {"registry", "tumours", 5, fixture_tumours, 512, 1, fixture_grants, 0, NULL, NULL, false},
    {"north", "odd", 2, fixture_odd, 16, 1, fixture_grants, 0, NULL, NULL, false},
    {"registry", "odd", 2, fixture_odd_too, 16, 1, fixture_grants, 0, NULL, NULL, false},
    {"north", "odd2", 2, fixture_odd, 16, 1, fixture_grants, 0, NULL, NULL, false},
};

static const cm_member fixture_members[] = {
    {"north", true}, {"south", true}, {"registry", true}, {"insurer", false}};

static inline const cm_schema *fixture_schema(cm_arena *arena, cm_diag *diag)
{
    const cm_schema *schema = NULL;

    if (cm_schema_build("health", "rep3", fixture_members, 4, fixture_tables, 6, arena, &schema,
                        diag) != CM_OK) {
        return NULL;
    }
    return schema;
}

#endif
