#include "exec/query_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { POOLED_ROWS_MAX = 4000 };

const char *const ORGS[PARTICIPANTS] = {"north", "south", "east", "research"};

void sql_run(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%s: %s", sql, error);
    }
}

unsigned people_of(const world *w)
{
    return w->bound < 40 ? w->bound : 40;
}

static void insert_rows(world *w, sqlite3 *db, cm_rng *rng, unsigned owner, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        char values[256];
        char cost[32] = "NULL";
        if (cm_rng_below(rng, 5) != 0) {
            (void)snprintf(cost, sizeof cost, "%d", (int)cm_rng_below(rng, 2001) - 1000);
        }
        (void)snprintf(values, sizeof values, "%u, %u, %u, %s, '%c%c'",
                       (unsigned)cm_rng_below(rng, people_of(w)), (unsigned)cm_rng_below(rng, 3),
                       2000 + (unsigned)cm_rng_below(rng, 31), cost,
                       (char)('a' + cm_rng_below(rng, 3)), (char)('a' + cm_rng_below(rng, 2)));
        char *sql = cm_arena_printf(&w->arena, "INSERT INTO visits VALUES (%s)", values);
        sql_run(db, sql);
        sql_run(w->pooled, cm_arena_printf(&w->arena,
                                           "INSERT INTO main.visits VALUES ('%s', %s);"
                                           "INSERT INTO %s.visits VALUES (%s)",
                                           ORGS[owner], values, ORGS[owner], values));
    }
}

static void insert_people(world *w, sqlite3 *db, cm_rng *rng)
{
    for (unsigned person = 0; person < people_of(w); person += 1 + (unsigned)cm_rng_below(rng, 3)) {
        unsigned stage = (unsigned)cm_rng_below(rng, 4);
        for (int i = 0; i < 3; i++) {
            const char *table = i == 0 ? "people" : i == 1 ? "main.people" : "south.people";
            sql_run(
                i == 0 ? db : w->pooled,
                cm_arena_printf(&w->arena, "INSERT INTO %s VALUES (%u, %u)", table, person, stage));
        }
    }
}

/* Each owner has some; nobody is a client of two, unless one is repeated. */
static void insert_clients(world *w, sqlite3 *db, uint64_t seed, unsigned owner, bool repeated)
{
    cm_rng rng = {100 * seed + owner};
    for (unsigned i = 0; i < CLIENTS - 1; i++) {
        unsigned client = 3 * i + (repeated && i == 5 ? 0 : owner);
        char score[16] = "NULL";
        if (cm_rng_below(&rng, 4) != 0) {
            (void)snprintf(score, sizeof score, "%d", (int)cm_rng_below(&rng, 40) - 10);
        }
        char *values = cm_arena_printf(&w->arena, "%u, %u, %s", client,
                                       (unsigned)cm_rng_below(&rng, 5), score);
        sql_run(db, cm_arena_printf(&w->arena, "INSERT INTO clients VALUES (%s)", values));
        sql_run(w->pooled, cm_arena_printf(&w->arena,
                                           "INSERT INTO main.clients VALUES (%s, '%s');"
                                           "INSERT INTO %s.clients VALUES (%s)",
                                           values, ORGS[owner], ORGS[owner], values));
    }
}

static cm_column column(const char *name, cm_type_kind kind, cm_i128 lo, cm_i128 hi, bool null)
{
    cm_column ret = {.name = name, .type = {.kind = kind}, .not_null = !null, .has_check = true};
    ret.range = (cm_range){lo, hi};
    ret.label = (cm_label){.kind = CM_LABEL_REVEAL};
    if (kind == CM_TYPE_TEXT) {
        ret.type.max_bytes = 40; /* grouped by digest, some row gives the text */
        ret.type.text = CM_TEXT_VARCHAR;
        ret.has_check = false;
    }
    return ret;
}

static void make_schema(world *w)
{
    static const char *const ALL[] = {"public"};
    cm_column *visits = CM_NEW_SMALL(&w->arena, cm_column, 5);
    cm_column *people = CM_NEW_SMALL(&w->arena, cm_column, 2);
    cm_member members[PARTICIPANTS];
    cm_column *clients = CM_NEW_SMALL(&w->arena, cm_column, 3);
    cm_org_table tables[2 * OWNERS + 1];
    cm_diag diag = {0};
    visits[0] = column("person", CM_TYPE_INT4, 0, 1000, false);
    visits[1] = column("region", CM_TYPE_INT4, 0, 2, false);
    visits[2] = column("year", CM_TYPE_INT4, 2000, 2030, false);
    visits[3] = column("cost", CM_TYPE_INT4, -1000, 1000, true);
    visits[4] = column("code", CM_TYPE_TEXT, 0, 0, false);
    people[0] = column("person", CM_TYPE_INT4, 0, 1000, false);
    people[0].unique = true;
    people[1] = column("stage", CM_TYPE_INT4, 0, 3, false);
    clients[0] = column("client", CM_TYPE_INT4, 0, 1000, false);
    clients[0].unique = true;
    clients[1] = column("zone", CM_TYPE_INT4, 0, 4, false);
    clients[2] = column("score", CM_TYPE_INT4, -10, 40, true);
    for (unsigned i = 0; i < PARTICIPANTS; i++) {
        members[i] = (cm_member){.org = ORGS[i], .computes = i < OWNERS};
    }
    for (unsigned i = 0; i < OWNERS; i++) {
        tables[i] = (cm_org_table){.org = ORGS[i], .name = "visits", .cols = 5, .col = visits};
        tables[i].rows = w->bound;
        tables[i].grants = 1;
        tables[i].granted_to = ALL;
    }
    tables[OWNERS] = (cm_org_table){.org = "south", .name = "people", .cols = 2, .col = people};
    tables[OWNERS].rows = people_of(w) + 4;
    tables[OWNERS].grants = 1;
    tables[OWNERS].granted_to = ALL;
    for (unsigned i = 0; i < OWNERS; i++) {
        tables[OWNERS + 1 + i] = (cm_org_table){.org = ORGS[i], .name = "clients", .cols = 3};
        tables[OWNERS + 1 + i].col = clients;
        tables[OWNERS + 1 + i].rows = CLIENTS;
        tables[OWNERS + 1 + i].grants = 1;
        tables[OWNERS + 1 + i].granted_to = ALL;
    }
    assert_int_equal(cm_schema_build("test", "rep3", members, PARTICIPANTS, tables, 2 * OWNERS + 1,
                                     &w->arena, &w->schema, &diag),
                     CM_OK);
}

void world_init_as(world *w, uint64_t seed, unsigned bound, world_rows kind)
{
    cm_rng rng = {seed};
    memset(w, 0, sizeof *w);
    w->bound = bound;
    assert_int_equal(cm_arena_init(&w->arena, (size_t)1 << 32), CM_OK);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/comity-query-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    make_schema(w);
    assert_int_equal(sqlite3_open(":memory:", &w->pooled), SQLITE_OK);
    sql_run(w->pooled,
            "CREATE TABLE visits (org, person INT, region INT, year INT, cost INT, code);"
            "CREATE TABLE people (person INT, stage INT);"
            "CREATE TABLE clients (client INT, zone INT, score INT, org)");
    for (unsigned i = 0; i < OWNERS; i++) { /* by their organisations' names, too */
        sql_run(w->pooled,
                cm_arena_printf(&w->arena,
                                "ATTACH ':memory:' AS %s;"
                                "CREATE TABLE %s.visits (person, region, year, cost, code);"
                                "CREATE TABLE %s.people (person, stage);"
                                "CREATE TABLE %s.clients (client, zone, score)",
                                ORGS[i], ORGS[i], ORGS[i], ORGS[i]));
    }
    for (unsigned i = 0; i < OWNERS; i++) {
        sqlite3 *db = NULL;
        const char *path = cm_arena_printf(&w->arena, "%s/%s.db", w->dir, ORGS[i]);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        sql_run(db, "CREATE TABLE visits (person INT, region INT, year INT, cost INT, code TEXT);"
                    "CREATE TABLE people (person INT, stage INT);"
                    "CREATE TABLE clients (client INT, zone INT, score INT); BEGIN");
        /* from an empty part to one that fills its bound */
        if (kind != WORLD_EMPTY) {
            insert_rows(w, db, &rng, i, i == 0 ? bound : cm_rng_below(&rng, bound));
            if (i == 1) {
                insert_people(w, db, &rng);
            }
            insert_clients(w, db, seed, i, kind == WORLD_REPEATED && i == 2);
        }
        sql_run(db, "COMMIT");
        (void)sqlite3_close(db);
    }
}

void world_init(world *w, uint64_t seed, unsigned bound)
{
    world_init_as(w, seed, bound, WORLD_ROWS);
}

void world_fini(world *w)
{
    for (unsigned i = 0; i < OWNERS; i++) {
        (void)unlink(cm_arena_printf(&w->arena, "%s/%s.db", w->dir, ORGS[i]));
    }
    (void)rmdir(w->dir);
    (void)sqlite3_close(w->pooled);
    cm_arena_fini(&w->arena);
}

/* ---- one participant ---------------------------------------------------------------------- */

static const char *const VISITS_COLS[] = {"person", "region", "year", "cost", "code"};
static const char *const PEOPLE_COLS[] = {"person", "stage"};
static const char *const CLIENTS_COLS[] = {"client", "zone", "score"};

cm_status find_source(void *arg, const cm_org_table *table, cm_source **ret_source,
                      const cm_source_table **ret_table, cm_diag *diag)
{
    own_source *own = arg;
    (void)diag;
    cm_source_table *found = &own->table[own->tables++ % CM_COUNT(own->table)];
    *found = (cm_source_table){.table = table, .remote = table->name};
    found->remote_col = table->cols == 5   ? VISITS_COLS
                        : table->cols == 2 ? PEOPLE_COLS
                                           : CLIENTS_COLS;
    *ret_source = own->source;
    *ret_table = found;
    return CM_OK;
}

static void participate(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    run_state *s = arg;
    unsigned me = cm_mpc_me(mpc);
    const char *org = s->plan->participant[me];
    own_source own = {0};
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s.db", s->w->dir, org);
    const cm_option option = {"filename", path};
    const cm_options server = {1, &option};
    if (strcmp(org, "research") != 0 && cm_source_open(CM_SOURCE_SQLITE, &server, s->w->dir, 5000,
                                                       &own.source, &s->diag[me]) != CM_OK) {
        s->status[me] = s->diag[me].status;
        return;
    }
    const cm_exec_options options = {
        .plan = s->plan, .mpc = mpc, .me = me, .sources = {&own, find_source}};
    if (s->w->patience_ms > 0) {
        cm_mesh_set_idle_timeout(cm_mpc_mesh(mpc), s->w->patience_ms);
    }
    bool asks = me == s->plan->coordinator;
    cm_arena other = {0};
    cm_exec_result unused = {0};
    assert_int_equal(cm_arena_init(&other, (size_t)1 << 30), CM_OK);
    s->status[me] = cm_exec_run(&options, arena, asks ? &s->result_arena : &other,
                                asks ? &s->result : &unused, &s->diag[me]);
    cm_arena_fini(&other);
    cm_source_free(own.source);
}

void run_query_as(world *w, const char *sql, cm_plan_settings settings, run_state *s,
                  cm_trace **traces)
{
    const cm_query *query = NULL;
    cm_diag diag = {0};
    memset(s, 0, sizeof *s);
    s->w = w;
    assert_int_equal(cm_arena_init(&s->result_arena, (size_t)1 << 30), CM_OK);
    if (cm_sql_prepare(sql, w->schema, "research", NULL, 0, &settings, &w->arena, &query, &s->plan,
                       &diag) != CM_OK) {
        fail_msg("%s: %s %s", sql, diag.message, diag.detail);
    }
    cm_run_parties(CM_PROTOCOL_REP3, (unsigned)s->plan->participants, OWNERS, 7, traces,
                   participate, s);
}

void run_query(world *w, const char *sql, run_state *s, cm_trace **traces)
{
    run_query_as(w, sql, cm_plan_settings_default(), s, traces);
}

/* ---- answers ------------------------------------------------------------------------------ */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **own_rows(world *w, const run_state *s, size_t *ret_rows)
{
    const char **rows = CM_NEW_SMALL(&w->arena, const char *, s->result.rows + 1);
    for (size_t r = 0; r < s->result.rows; r++) {
        cm_buf text = {0};
        for (size_t c = 0; c < s->result.cols; c++) {
            const cm_value *value = &s->result.value[r * s->result.cols + c];
            if (value->null) {
                cm_buf_printf(&text, "NULL|");
            } else {
                cm_value_print(&s->plan->root->col[s->plan->output[c]].type, value, &text);
                cm_buf_printf(&text, "|");
            }
        }
        rows[r] = cm_arena_strdup(&w->arena, cm_buf_text(&text));
        cm_buf_free(&text);
    }
    *ret_rows = s->result.rows;
    return rows;
}

const char **pooled_rows(world *w, const char *sql, size_t *ret_rows)
{
    sqlite3_stmt *stmt = NULL;
    const char **rows = CM_NEW_SMALL(&w->arena, const char *, POOLED_ROWS_MAX);
    size_t count = 0;
    if (sqlite3_prepare_v2(w->pooled, sql, -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(w->pooled));
    }
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        cm_buf text = {0};
        for (int c = 0; c < sqlite3_column_count(stmt); c++) {
            const unsigned char *cell = sqlite3_column_text(stmt, c);
            cm_buf_printf(&text, "%s|", cell != NULL ? (const char *)cell : "NULL");
        }
        assert_true(count < POOLED_ROWS_MAX);
        rows[count++] = cm_arena_strdup(&w->arena, cm_buf_text(&text));
        cm_buf_free(&text);
    }
    (void)sqlite3_finalize(stmt);
    *ret_rows = count;
    return rows;
}

void expect_pooled(world *w, const run_state *s, const char *pooled_sql, const char *named)
{
    size_t rows = 0;
    size_t expected = 0;
    const char **got = own_rows(w, s, &rows);
    const char **want = pooled_rows(w, pooled_sql, &expected);

    qsort(got, rows, sizeof *got, compare_texts);
    qsort(want, expected, sizeof *want, compare_texts);
    for (size_t r = 0; r < rows && r < expected; r++) {
        if (strcmp(got[r], want[r]) != 0) {
            fail_msg("%s: got %s, want %s", named, got[r], want[r]);
        }
    }
    if (rows != expected) {
        fail_msg("%s: %zu rows, want %zu", named, rows, expected);
    }
}
