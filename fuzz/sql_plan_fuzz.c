/*
 * From SQL text to plan, EXPLAIN and the owners' SQL, over a fixed federation.  Planning the same
 * text twice must give the same plan, byte for byte: nodes compare digests.  The first byte chooses
 * settings.
 */
#include "fuzz.h"
#include "schema.h"

#include "sql/plan.h"

#include <stdlib.h>
#include <string.h>

static const char *const params[] = {"2024", "north", NULL, "1.5", "2024-02-29"};

static cm_status prepare(const char *sql, const cm_schema *schema, const cm_plan_settings *settings,
                         cm_arena *arena, const cm_plan **ret, cm_diag *diag)
{
    const cm_query *query = NULL;
    cm_stmts stmts;
    cm_diag parse_diag = {0};

    /* As many parameters as the statement says that it has, as every caller makes sure. */
    cm_status st = cm_sql_parse(sql, arena, &stmts, &parse_diag);
    size_t count = st == CM_OK && stmts.count == 1 ? (size_t)stmts.stmt->params : 0;
    if (count > CM_COUNT(params)) {
        return cm_fail(diag, CM_EINVAL, "42P02", "too many parameters");
    }
    return cm_sql_prepare(sql, schema, "registry", params, count, settings, arena, &query, ret,
                          diag);
}

static void check_plan(const cm_plan *plan)
{
    CM_ASSERT(plan->nodes > 0 && plan->root == plan->node[plan->nodes - 1]);
    for (size_t i = 0; i < plan->nodes; i++) {
        const cm_plan_node *node = plan->node[i];
        CM_ASSERT(node->number == i);
        for (size_t c = 0; c < node->children; c++) {
            CM_ASSERT(node->child[c]->number < i);
        }
        for (size_t c = 0; c < node->cols; c++) {
            const cm_plan_col *col = &node->col[c];
            CM_ASSERT(col->enc.kind != CM_ENC_NUMBER || col->range.lo <= col->range.hi);
        }
    }
    for (size_t i = 0; i < plan->outputs; i++) {
        CM_ASSERT(plan->output[i] < plan->root->cols);
    }
}

static void print_all(const cm_plan *plan)
{
    cm_buf out = {0};
    const cm_explain text = {.disclosure = true, .cost = true};
    const cm_explain json = {.disclosure = true, .cost = true, .json = true};

    cm_explain_print(plan, &text, NULL, &out);
    cm_explain_print(plan, &json, NULL, &out);
    for (size_t i = 0; i < plan->nodes; i++) {
        if (plan->node[i]->op == CM_PLAN_INPUT) {
            const char *from[CM_OWN_JOIN_MAX] = {"t", "t", "t", "t", "t", "t", "t", "t"};
            cm_fragment_sql(plan->node[i]->fragment, CM_DIALECT_SQLITE, from, &out);
            cm_fragment_sql(plan->node[i]->fragment, CM_DIALECT_POSTGRES, from, &out);
        }
    }
    CM_ASSERT(!out.failed);
    cm_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cm_fuzz_input input = {data, bytes};
    cm_plan_settings settings = cm_plan_settings_default();
    uint8_t choice = cm_fuzz_take(&input);
    char *sql = cm_fuzz_text(input.data, input.bytes);
    const cm_plan *plan = NULL, *again = NULL;
    cm_arena arena;
    cm_diag diag = {0};

    settings.pushdown = (choice & 1) == 0;
    settings.domain_max = (choice & 2) == 0 ? settings.domain_max : 2;
    CM_ASSERT(cm_arena_init(&arena, (size_t)1 << 30) == CM_OK);
    const cm_schema *schema = cm_fuzz_schema(&arena);
    cm_status st = prepare(sql, schema, &settings, &arena, &plan, &diag);
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    if (st == CM_OK) {
        check_plan(plan);
        print_all(plan);
        st = prepare(sql, schema, &settings, &arena, &again, &diag);
        CM_ASSERT(st == CM_OK && strcmp(plan->text, again->text) == 0);
        CM_ASSERT(memcmp(plan->digest.bytes, again->digest.bytes, CM_HASH_BYTES) == 0);
    }
    cm_arena_fini(&arena);
    free(sql);
    return 0;
}

/* Short texts whose subqueries multiply: columns used twice, and rows joined with themselves.  Once
 * an abort and a hang. */
static void put_multiplying(bool joins, cm_buf *out)
{
    enum { LEVELS = 20 };

    cm_buf_printf(out, "WITH c0 AS (SELECT region, people AS p FROM regions)");
    for (unsigned i = 1; i <= LEVELS; i++) {
        if (joins) {
            cm_buf_printf(out,
                          ", c%u AS (SELECT x.region, x.p FROM c%u x JOIN c%u y USING (region))", i,
                          i - 1, i - 1);
        } else {
            cm_buf_printf(out, ", c%u AS (SELECT p + p - p AS p FROM c%u)", i, i - 1);
        }
    }
    cm_buf_printf(out, " SELECT sum(p) FROM c%d", LEVELS);
}

bool cm_fuzz_seed(unsigned number, cm_buf *out)
{
    static const char *const texts[] = {
        "SELECT region, count(*), avg(cost) FROM visits WHERE year = 2025 GROUP BY region",
        "SELECT r.stage, avg(v.cost) FROM visits v JOIN registry.tumours r USING (person)"
        " GROUP BY r.stage ORDER BY 1 DESC LIMIT 3",
        "SELECT year, sum(cost) FILTER (WHERE ok), min(cost), count(DISTINCT person) FROM visits"
        " WHERE seen BETWEEN date '2020-01-01' AND $1 GROUP BY year HAVING count(*) > 20",
        "WITH x AS (SELECT region, sum(cost) AS c FROM north.visits GROUP BY region)"
        " SELECT name, c / 2 FROM x LEFT JOIN regions USING (region) WHERE people > 1000",
        "SELECT org, CASE WHEN ok THEN 'yes' ELSE 'no' END AS a, count(*) FROM visits"
        " WHERE note LIKE 'a%' AND region IN ('north', 'south') GROUP BY 1, 2",
        "SELECT region, name FROM regions WHERE people IS NOT NULL ORDER BY people DESC",
        "SELECT count(*) FROM visits WHERE person IN (SELECT person FROM tumours WHERE stage > 2)",
        "SELECT DISTINCT region FROM visits WHERE extract(year FROM seen) = 2024 AND cost * 2 < 7",
    };

    if (number >= CM_COUNT(texts) + 2) {
        return false;
    }
    cm_buf_put_u8(out, (uint8_t)number);
    if (number >= CM_COUNT(texts)) {
        put_multiplying(number > CM_COUNT(texts), out);
        return true;
    }
    cm_buf_put(out, texts[number], strlen(texts[number]));
    return true;
}
