/*
 * exec/query_fixture.h - whole queries inside one process, for this module's tests: three owners
 * with SQLite files and a coordinator without data, each participant a thread; and the same rows
 * pooled in one SQLite database.
 *
 * visits (three owners, no key), people (one owner, unique person), clients (three owners, unique
 * client).
 */
#ifndef CM_EXEC_QUERY_FIXTURE_H
#define CM_EXEC_QUERY_FIXTURE_H

#include <sqlite3.h>

#include "exec/exec.h"
#include "tests/support/parties.h"

enum { OWNERS = 3, PARTICIPANTS = 4, CLIENTS = 12 };

extern const char *const ORGS[PARTICIPANTS]; /* the last one asks */

typedef enum world_rows {
    WORLD_ROWS,     /* random, from an owner that has none to one that fills its bound */
    WORLD_REPEATED, /* and one client at two owners */
    WORLD_EMPTY,    /* no rows at all */
} world_rows;

typedef struct world {
    cm_arena arena;
    char dir[64];
    unsigned bound;  /* of an owner's visits */
    int patience_ms; /* with a participant that has given up; 0: as long as a link may be silent */
    const cm_schema *schema;
    sqlite3 *pooled;
} world;

/* Two worlds of equal bound have equal public facts, whatever their seed and rows. */
void world_init_as(world *w, uint64_t seed, unsigned bound, world_rows kind);
void world_init(world *w, uint64_t seed, unsigned bound);
void world_fini(world *w);
unsigned people_of(const world *w);

/* One run of a query; status and diag by participant. */
typedef struct run_state {
    world *w;
    const cm_plan *plan;
    cm_exec_result result; /* the coordinator's */
    cm_arena result_arena; /* the caller ends it */
    cm_diag diag[PARTICIPANTS];
    cm_status status[PARTICIPANTS];
} run_state;

/* traces: NULL, or one for each participant. */
void run_query_as(world *w, const char *sql, cm_plan_settings settings, run_state *s,
                  cm_trace **traces);
void run_query(world *w, const char *sql, run_state *s, cm_trace **traces);

/* Rows as texts: the answer's, and those of SQL on the pooled rows. */
const char **own_rows(world *w, const run_state *s, size_t *ret_rows);
const char **pooled_rows(world *w, const char *sql, size_t *ret_rows);
/* Both have the same rows, in any order; `named` says whose they are when they have not. */
void expect_pooled(world *w, const run_state *s, const char *pooled_sql, const char *named);

/* A participant's own data. */
typedef struct own_source {
    cm_source *source;
    size_t tables;
    cm_source_table table[16];
} own_source;
cm_status find_source(void *arg, const cm_org_table *table, cm_source **ret_source,
                      const cm_source_table **ret_table, cm_diag *diag);
void sql_run(sqlite3 *db, const char *sql);

#endif
