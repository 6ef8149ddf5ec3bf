/* sql/plan_fixture.h - a small federation for tests of planner and policy. */
#ifndef CM_SQL_PLAN_FIXTURE_H
#define CM_SQL_PLAN_FIXTURE_H

#include "sql/plan.h"

/*
 * north, south and east compute; insurer asks.  Tables:
 *   north.visits, south.visits (person, region, year, cost, note, day, doctor), 1024 and 2048 rows
 *   east.tumours (person unique, stage, size), 512 rows; east.doctors (id unique, name, age), 64
 * rows Everything is labelled `label` and granted to insurer; the caller may change the arrays and
 * build again.
 */
typedef struct cm_plan_fixture {
    cm_arena arena;
    cm_column visits[7], tumours[3], doctors[3];
    cm_org_table table[4];
    const cm_schema *schema;
    cm_plan_settings settings;
    cm_diag diag;
} cm_plan_fixture;

void cm_plan_fixture_init(cm_plan_fixture *f, cm_label label);
void cm_plan_fixture_build(cm_plan_fixture *f);
void cm_plan_fixture_fini(cm_plan_fixture *f);
/* Prepares as insurer; f->diag says why not. */
CM_MUST cm_status cm_plan_fixture_plan(cm_plan_fixture *f, const char *sql, const cm_query **query,
                                       const cm_plan **plan);

#endif
