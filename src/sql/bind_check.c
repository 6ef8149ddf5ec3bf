#include "sql/bind_check.h"

#include "sql/bind_fixture.h"

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int setup(void **state)
{
    static fixture f;

    f = (fixture){0};
    assert_int_equal(cm_arena_init(&f.arena, (size_t)512 << 20), CM_OK);
    f.schema = fixture_schema(&f.arena, &f.diag);
    assert_non_null(f.schema);
    *state = &f;
    return 0;
}

int teardown(void **state)
{
    fixture *f = *state;

    cm_arena_fini(&f->arena);
    cm_buf_free(&f->out);
    return 0;
}

cm_status bind_sql(fixture *f, const char *sql, const cm_query **ret)
{
    cm_stmts stmts;

    cm_diag_reset(&f->diag);
    cm_status st = cm_sql_parse(sql, &f->arena, &stmts, &f->diag);
    if (st != CM_OK) {
        return st;
    }
    assert_int_equal(stmts.count, 1);
    assert_true(stmts.stmt->params <= 8);
    return cm_sql_bind(stmts.stmt->select, f->schema, "insurer", f->types, f->values,
                       stmts.stmt->params, 0, &f->arena, ret, &f->diag);
}

const cm_query *bound(fixture *f, const char *sql)
{
    const cm_query *query = NULL;

    if (bind_sql(f, sql, &query) != CM_OK) {
        fail_msg("%s: %s %s", sql, f->diag.sqlstate, f->diag.message);
    }
    assert_int_equal(f->diag.position, 0);
    return query;
}

/* Prefix form: (>= v.year 2025). */
static void show(const cm_query *query, const cm_expr *x, cm_buf *out)
{
    static const char *const ops[] = {
        [CM_X_ADD] = "+",
        [CM_X_SUB] = "-",
        [CM_X_MUL] = "*",
        [CM_X_IDIV] = "idiv",
        [CM_X_QUOT] = "quot",
        [CM_X_MOD] = "%",
        [CM_X_NEG] = "neg",
        [CM_X_ABS] = "abs",
        [CM_X_RESCALE] = "scale",
        [CM_X_TRUNC] = "trunc",
        [CM_X_FLOOR] = "floor",
        [CM_X_CEIL] = "ceil",
        [CM_X_CAST] = "cast",
        [CM_X_EQ] = "=",
        [CM_X_NE] = "<>",
        [CM_X_LT] = "<",
        [CM_X_LE] = "<=",
        [CM_X_GT] = ">",
        [CM_X_GE] = ">=",
        [CM_X_NOT_DISTINCT] = "same",
        [CM_X_AND] = "and",
        [CM_X_OR] = "or",
        [CM_X_NOT] = "not",
        [CM_X_IS_NULL] = "null?",
        [CM_X_IS_TRUE] = "true?",
        [CM_X_IS_FALSE] = "false?",
        [CM_X_IN] = "in",
        [CM_X_CASE] = "case",
        [CM_X_COALESCE] = "coalesce",
        [CM_X_NULLIF] = "nullif",
        [CM_X_GREATEST] = "greatest",
        [CM_X_LEAST] = "least",
        [CM_X_EXTRACT] = "extract",
        [CM_X_DATE_TRUNC] = "date_trunc",
        [CM_X_ADD_MONTHS] = "months",
        [CM_X_LIKE] = "like",
        [CM_X_LOWER] = "lower",
        [CM_X_UPPER] = "upper",
        [CM_X_LENGTH] = "length",
        [CM_X_SUBSTRING] = "substring",
        [CM_X_CONCAT] = "||",
        [CM_X_TRIM] = "trim",
        [CM_X_REPLACE] = "replace",
        [CM_X_POSITION] = "position",
        [CM_X_STAT] = "statistic",
    };

    if (x->op == CM_X_CONST) {
        if (x->value.null) {
            cm_buf_printf(out, "null");
        } else {
            cm_value_print(&x->type, &x->value, out);
        }
        return;
    }
    if (x->op == CM_X_PARAM) {
        cm_buf_printf(out, "$%u", x->index);
        return;
    }
    if (x->op == CM_X_COLUMN) {
        const cm_relation *r = &query->relation[x->rel];
        cm_buf_printf(out, "%s.%s", r->alias, x->index < r->cols ? r->col[x->index].name : "org");
        return;
    }
    cm_buf_printf(out, "(%s", x->op == CM_X_AGG ? cm_aggregate_name(x->aggregate) : ops[x->op]);
    if (x->distinct) {
        cm_buf_printf(out, " distinct");
    }
    for (size_t i = 0; i < x->args; i++) {
        cm_buf_printf(out, " ");
        show(query, x->arg[i], out);
    }
    if (x->filter != NULL) {
        cm_buf_printf(out, " filter ");
        show(query, x->filter, out);
    }
    cm_buf_printf(out, ")");
}

const char *shown(fixture *f, const cm_query *query, const cm_expr *x)
{
    cm_buf_clear(&f->out);
    show(query, x, &f->out);
    return cm_buf_text(&f->out);
}
