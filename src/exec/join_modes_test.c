/*
 * Every kind of join, on every kind of condition, in every way of bounding and disclosing its
 * size: the answer is SQLite's, and the messages are the same over rows and over none.
 */
#include "exec/query_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WORLDS = 2 };

/* ---- what is asked ------------------------------------------------------------------------ */

/* Two tables, columns of both, and what joins them: $C is the condition, $X and $Y the tables, $x
 * and $y their columns. */
static const char *const KINDS[] = {
    "SELECT $x, $y FROM $X x JOIN $Y y ON $C",
    "SELECT $x, $y FROM $X x LEFT JOIN $Y y ON $C",
    "SELECT $x, $y FROM $X x RIGHT JOIN $Y y ON $C",
    "SELECT $x, $y FROM $X x FULL JOIN $Y y ON $C",
    "SELECT $x FROM $X x WHERE EXISTS (SELECT 1 FROM $Y y WHERE $C)",
    "SELECT $x FROM $X x WHERE NOT EXISTS (SELECT 1 FROM $Y y WHERE $C)",
    "SELECT $y FROM $Y y WHERE EXISTS (SELECT 1 FROM $X x WHERE $C)",
    "SELECT $y FROM $Y y WHERE NOT EXISTS (SELECT 1 FROM $X x WHERE $C)",
    "SELECT count(*), count(x.$k), count(y.$l) FROM $X x LEFT JOIN $Y y ON $C GROUP BY x.$k",
};

typedef struct mode {
    const char *name;
    bool pushdown, cross_owner_keys;
    uint64_t join_rows;
    bool tight;     /* the bound may be passed: 54000 */
    bool disclosed; /* owners let sizes be known, which messages may then depend on */
} mode;

typedef struct subject {
    unsigned bound; /* of an owner's visits */
    const char *X, *Y, *x, *y, *k, *l;
    const char *condition[9];
    mode mode[5];
} subject;

static const subject SUBJECTS[] = {
    {.bound = 9,
     .X = "clients",
     .Y = "people",
     .x = "x.client, x.score",
     .y = "y.person, y.stage",
     .k = "zone",
     .l = "stage",
     .condition = {"x.client = y.person",                           /* both unique */
                   "x.client = y.person AND y.stage > 1",           /* beside it, of one */
                   "x.client = y.person AND x.score > y.stage * 3", /* of both */
                   "x.zone = y.person",                             /* one unique */
                   "x.client = y.stage",                            /* the union is */
                   "x.zone = y.stage",                              /* neither */
                   "x.zone = y.stage AND x.score BETWEEN y.person AND y.person + 9",
                   "x.client >= y.person AND x.client <= y.person + 2", /* a range alone */
                   "x.zone = y.stage OR x.score = y.person"},
     .mode = {{"default", true, true, 0, false, false},
              {"no push-down", false, true, 0, false, false},
              {"no presumed keys", true, false, 0, false, false}}},
    /* of many rows: there a bound is cheaper than all pairs */
    {.bound = 24,
     .X = "visits",
     .Y = "visits",
     .x = "x.person, x.cost, x.code",
     .y = "y.person, y.year",
     .k = "person",
     .l = "cost",
     .condition = {"x.person = y.person", "x.person = y.person AND x.code = y.code",
                   "x.person = y.person AND x.year BETWEEN y.year AND y.year + 5",
                   "x.person = y.person AND x.cost > y.cost",
                   "x.year >= y.year + 20 AND x.year <= y.year + 25"},
     .mode = {{"wide bound", true, true, 1500, false, false},
              {"tight bound", false, true, 60, true, false}}},
    /* and a size that is known cheaper than either */
    {.bound = 60,
     .X = "visits",
     .Y = "visits",
     .x = "x.person, x.cost, x.code",
     .y = "y.person, y.year",
     .k = "person",
     .l = "cost",
     .condition = {"x.person = y.person",
                   "x.person = y.person AND x.year BETWEEN y.year AND y.year + 5",
                   "x.person = y.person + 900"},
     .mode = {{"disclosed sizes", true, true, 0, false, true}}},
};

/* What was met on the way: each way of joining has to be among it. */
typedef struct tally {
    size_t refused;    /* 0A000 */
    size_t overflowed; /* 54000 */
    size_t disclosed;  /* joins whose size was opened */
    bool op[64];
} tally;

/* The kind's text with the subject's words. */
static const char *text_of(cm_arena *arena, const char *kind, const subject *s,
                           const char *condition)
{
    cm_buf text = {0};
    for (const char *at = kind; *at != '\0'; at++) {
        if (*at != '$') {
            cm_buf_printf(&text, "%c", *at);
            continue;
        }
        at++;
        cm_buf_printf(&text, "%s",
                      *at == 'X'   ? s->X
                      : *at == 'Y' ? s->Y
                      : *at == 'x' ? s->x
                      : *at == 'y' ? s->y
                      : *at == 'k' ? s->k
                      : *at == 'l' ? s->l
                                   : condition);
    }
    const char *ret = cm_arena_strdup(arena, cm_buf_text(&text));
    cm_buf_free(&text);
    return ret;
}

static cm_plan_settings settings_of(const mode *m)
{
    cm_plan_settings settings = cm_plan_settings_default();
    settings.pushdown = m->pushdown;
    settings.cross_owner_keys = m->cross_owner_keys;
    settings.join_rows = m->join_rows;
    return settings;
}

/* ---- checks ------------------------------------------------------------------------------- */

static void check_answer(world *w, const char *sql, const mode *m, const run_state *s, tally *t)
{
    char named[400];
    const cm_diag *diag = &s->diag[s->plan->coordinator];
    if (s->status[s->plan->coordinator] != CM_OK) {
        /* never for a bound that is wide enough */
        if (!m->tight || strcmp(diag->sqlstate, CM_SQL_TOO_MANY_ROWS) != 0) {
            fail_msg("%s: %s: %s %s", m->name, sql, diag->sqlstate, diag->message);
        }
        assert_int_equal(s->result.rows, 0);
        t->overflowed++;
        return;
    }
    (void)snprintf(named, sizeof named, "%s: %s", m->name, sql);
    expect_pooled(w, s, sql, named);
}

/* False, and counted, when the planner says 0A000. */
static bool planned(world *w, const char *sql, const mode *m, tally *t)
{
    const cm_query *query = NULL;
    const cm_plan *plan = NULL;
    cm_diag diag = {0};
    cm_plan_settings settings = settings_of(m);
    if (cm_sql_prepare(sql, w->schema, "research", NULL, 0, &settings, &w->arena, &query, &plan,
                       &diag) == CM_OK) {
        for (size_t n = 0; n < plan->nodes; n++) {
            t->op[plan->node[n]->op] = true;
            t->disclosed += plan->node[n]->join.disclosed != NULL;
        }
        return true;
    }
    if (strcmp(diag.sqlstate, CM_SQL_UNSUPPORTED) != 0) {
        fail_msg("%s: %s: %s", m->name, sql, diag.message);
    }
    t->refused++;
    print_message("%s: %s: %s\n", m->name, sql, diag.message);
    return false;
}

static void check_one(world worlds[WORLDS], const char *sql, const mode *m, tally *t)
{
    cm_trace *trace[WORLDS][PARTICIPANTS];
    if (!planned(&worlds[0], sql, m, t)) {
        return;
    }
    for (size_t i = 0; i < WORLDS; i++) {
        run_state s;
        for (unsigned p = 0; p < PARTICIPANTS; p++) {
            trace[i][p] = cm_trace_new();
        }
        run_query_as(&worlds[i], sql, settings_of(m), &s, trace[i]);
        check_answer(&worlds[i], sql, m, &s, t);
        cm_arena_fini(&s.result_arena);
    }
    for (unsigned p = 0; p < PARTICIPANTS; p++) {
        for (size_t i = 1; i < WORLDS; i++) {
            if (!m->disclosed && !cm_trace_equal(trace[0][p], trace[i][p])) {
                fail_msg("%s: %s: the messages of %s differ", m->name, sql, ORGS[p]);
            }
        }
        for (size_t i = 0; i < WORLDS; i++) {
            cm_trace_free(trace[i][p]);
        }
    }
}

/* The world is this test's own: its schema may be written. */
static void disclose(world *w, bool sizes)
{
    for (size_t i = 0; i < w->schema->tables; i++) {
        ((cm_org_table *)(uintptr_t)&w->schema->table[i])->join_sizes = sizes;
    }
}

static void check_subject(const subject *s, tally *t)
{
    world worlds[WORLDS];
    world_init(&worlds[0], 11, s->bound);
    world_init_as(&worlds[1], 13, s->bound, WORLD_EMPTY);
    for (size_t m = 0; m < CM_COUNT(s->mode) && s->mode[m].name != NULL; m++) {
        for (size_t i = 0; i < WORLDS; i++) {
            disclose(&worlds[i], s->mode[m].disclosed);
        }
        for (size_t c = 0; c < CM_COUNT(s->condition) && s->condition[c] != NULL; c++) {
            for (size_t k = 0; k < CM_COUNT(KINDS); k++) {
                const char *sql = text_of(&worlds[0].arena, KINDS[k], s, s->condition[c]);
                check_one(worlds, sql, &s->mode[m], t);
            }
        }
    }
    for (size_t i = 0; i < WORLDS; i++) {
        world_fini(&worlds[i]);
    }
}

static void test_modes(void **state)
{
    tally t = {0};
    (void)state;
    for (size_t i = 0; i < CM_COUNT(SUBJECTS); i++) {
        check_subject(&SUBJECTS[i], &t);
    }
    assert_int_equal(t.refused, 0);
    assert_true(t.overflowed > 0);
    assert_true(t.disclosed > 0);
    assert_true(t.op[CM_PLAN_JOIN] && t.op[CM_PLAN_JOIN_MANY] && t.op[CM_PLAN_PRODUCT]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_modes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
