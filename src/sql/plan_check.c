#include "sql/plan_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const cm_plan *plan_of(cm_plan_fixture *f, const char *sql)
{
    const cm_query *query;
    const cm_plan *plan;

    if (cm_plan_fixture_plan(f, sql, &query, &plan) != CM_OK) {
        fail_msg("%s: %s %s", sql, f->diag.sqlstate, f->diag.message);
    }
    return plan;
}

/* The tree without costs. */
void check_tree(bool pushdown, const char *sql, const char *want)
{
    const cm_explain options = {.disclosure = true};
    cm_plan_fixture f;
    cm_buf text = {0};

    cm_plan_fixture_init(&f, (cm_label){CM_LABEL_REVEAL, 0});
    f.settings.pushdown = pushdown;
    cm_explain_print(plan_of(&f, sql), &options, NULL, &text);
    char *end = strstr((char *)(uintptr_t)cm_buf_text(&text), "Parties: ");
    assert_non_null(end);
    *end = 0;
    assert_string_equal(cm_buf_text(&text), want);
    cm_buf_free(&text);
    cm_plan_fixture_fini(&f);
}

size_t count_nodes(const cm_plan *plan, cm_plan_op op)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->nodes; i++) {
        count += plan->node[i]->op == op;
    }
    return count;
}
