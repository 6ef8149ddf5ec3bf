#include "sql/plan_fixture.h"

#include <string.h>

static const char *const region_labels[] = {"east", "north", "south", "west"};
static const cm_enum region = {"region", 4, region_labels};
static const char *const stage_labels[] = {"I", "II", "III"};
static const cm_enum stage = {"stage", 3, stage_labels};
static const char *const grants[] = {"insurer"};

static cm_column number(const char *name, cm_type_kind kind, cm_i128 lo, cm_i128 hi)
{
    return (cm_column){.name = name, .type = {.kind = kind}, .has_check = true, .range = {lo, hi}};
}

static cm_column text(const char *name, unsigned bytes)
{
    return (cm_column){.name = name,
                       .type = {.kind = CM_TYPE_TEXT, .max_bytes = bytes, .text = CM_TEXT_VARCHAR}};
}

static cm_column choice(const char *name, const cm_enum *labels)
{
    return (cm_column){.name = name,
                       .type = {.kind = CM_TYPE_ENUM, .labels = labels},
                       .not_null = true,
                       .has_check = true,
                       .range = {0, (cm_i128)labels->count - 1}};
}

static cm_org_table org_table(const char *org, const char *name, const cm_column *col, size_t cols,
                              uint64_t rows)
{
    return (cm_org_table){.org = org,
                          .name = name,
                          .cols = cols,
                          .col = col,
                          .rows = rows,
                          .grants = 1,
                          .granted_to = grants};
}

static void set_labels(cm_column *col, size_t cols, cm_label label)
{
    for (size_t i = 0; i < cols; i++) {
        col[i].label = label;
    }
}

void cm_plan_fixture_init(cm_plan_fixture *f, cm_label label)
{
    *f = (cm_plan_fixture){.settings = cm_plan_settings_default()};
    CM_ASSERT(cm_arena_init(&f->arena, (size_t)1 << 28) == CM_OK);
    f->visits[0] = text("person", 16);
    f->visits[0].not_null = true;
    f->visits[1] = choice("region", &region);
    f->visits[2] = number("year", CM_TYPE_INT4, 2000, 2030);
    f->visits[3] = number("cost", CM_TYPE_NUMERIC, -99999999, 99999999);
    f->visits[3].type.precision = 10;
    f->visits[3].type.scale = 2;
    f->visits[4] = text("note", 40);
    f->visits[5] = number("day", CM_TYPE_DATE, 0, 10000);
    f->visits[6] = number("doctor", CM_TYPE_INT4, 1, 100000);
    f->tumours[0] = text("person", 20);
    f->tumours[0].unique = f->tumours[0].not_null = true;
    f->tumours[1] = choice("stage", &stage);
    f->tumours[2] = number("size", CM_TYPE_INT4, 0, 200);
    f->doctors[0] = number("id", CM_TYPE_INT4, 0, 200000);
    f->doctors[0].unique = f->doctors[0].not_null = true;
    f->doctors[1] = text("name", 40);
    f->doctors[2] = number("age", CM_TYPE_INT4, 20, 90);
    set_labels(f->visits, 7, label);
    set_labels(f->tumours, 3, label);
    set_labels(f->doctors, 3, label);
    f->table[0] = org_table("north", "visits", f->visits, 7, 1024);
    f->table[1] = org_table("south", "visits", f->visits, 7, 2048);
    f->table[2] = org_table("east", "tumours", f->tumours, 3, 512);
    f->table[3] = org_table("east", "doctors", f->doctors, 3, 64);
    cm_plan_fixture_build(f);
}

void cm_plan_fixture_build(cm_plan_fixture *f)
{
    const cm_member members[] = {
        {"north", true}, {"south", true}, {"east", true}, {"insurer", false}};

    CM_ASSERT(cm_schema_build("health", "rep3", members, 4, f->table, 4, &f->arena, &f->schema,
                              &f->diag) == CM_OK);
}

void cm_plan_fixture_fini(cm_plan_fixture *f)
{
    cm_arena_fini(&f->arena);
}

cm_status cm_plan_fixture_plan(cm_plan_fixture *f, const char *sql, const cm_query **query,
                               const cm_plan **plan)
{
    cm_diag_reset(&f->diag);
    return cm_sql_prepare(sql, f->schema, "insurer", NULL, 0, &f->settings, &f->arena, query, plan,
                          &f->diag);
}
