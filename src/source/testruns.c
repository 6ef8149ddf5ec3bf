/*
 * cm_source_run against cm_fragment_sql over cm_source_from: the same groups and rows, however a
 * source comes by them; and joins against loops over the rows.  Fragments are random, from a fixed
 * seed, with constants that occur in the data or are next to one.
 */
#include "source/testdata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    ROWS = 150,
    COLS = 9,
    FRAGMENTS = 150,
    JOINS = 24,
    PAIRS = ROWS * ROWS + 1,
    LINE_BYTES = 256
};

const char testruns_ddl[] =
    "CREATE TYPE area AS ENUM ('it''s', 'hills', 'Plain', 'city');"
    "CREATE FOREIGN TABLE runs (area area, year int NOT NULL CHECK (year BETWEEN 2020 AND 2026),"
    " cost numeric(10,2), fine numeric(9,3), day date, at timestamp, ok boolean, name varchar(9),"
    " part int CHECK (part BETWEEN -2 AND 2)) SERVER s";

/* A row as text, NULLs as given. */
static void put_row(int i, const char *quote, const char *null, cm_buf *out)
{
    static const char *const areas[] = {"it''s", "hills", "Plain", "city", NULL};
    static const char *const names[] = {"", "a", "B", "b", NULL, "\xc3\xbc"};
    const char *area = i % 41 == 7 ? NULL : areas[i * 7 % 4];
    const char *name = names[i * 5 % 6];
    if (area != NULL && quote[0] == '\0' && i * 7 % 4 == 0) {
        area = "it's";
    }
    cm_buf_printf(out, "%s%s%s,%d,", area == NULL ? "" : quote, area == NULL ? null : area,
                  area == NULL ? "" : quote, 2020 + i % 7);
    if (i % 13 == 0) {
        cm_buf_printf(out, "%s,", null);
    } else {
        cm_buf_printf(out, "%s%s%d.%02d%s,", quote, i % 3 == 0 ? "-" : "", i * i * 31, i % 100,
                      quote);
    }
    cm_buf_printf(out, "%s%d.%d%s,", quote, i % 19, i % 10, quote);
    cm_buf_printf(out, "%s20%02d-0%d-%02d%s,", quote, i % 28, 1 + i % 9, 1 + i % 28, quote);
    if (i % 17 == 0) {
        cm_buf_printf(out, "%s,", null);
    } else {
        cm_buf_printf(out, "%s1999-12-%02d 0%d:00:00.00%d%s,", quote, 1 + i % 31, i % 10, i % 7,
                      quote);
    }
    cm_buf_printf(out, "%s,", i % 11 == 0 ? null : i % 2 == 0 ? "true" : "false");
    if (name == NULL) {
        cm_buf_printf(out, "%s", null);
    } else {
        cm_buf_printf(out, "%s%s%s", quote[0] == '\0' ? "\"" : quote, name,
                      quote[0] == '\0' ? "\"" : quote);
    }
    cm_buf_printf(out, ",%d", i % 5 - 2);
}

const char *testruns_csv(testdata *t)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    cm_buf_printf(&out, "area,year,cost,fine,day,at,ok,name,part\n");
    for (int i = 0; i < ROWS; i++) {
        put_row(i, "", "", &out);
        cm_buf_printf(&out, "\n");
    }
    return cm_arena_strdup(&t->arena, cm_buf_text(&out));
}

const char *testruns_values(testdata *t)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    for (int i = 0; i < ROWS; i++) {
        cm_buf_printf(&out, "%s(", i > 0 ? "," : "");
        put_row(i, "'", "NULL", &out);
        cm_buf_printf(&out, ")");
    }
    return cm_arena_strdup(&t->arena, cm_buf_text(&out));
}

/* ---- random fragments ---- */

typedef struct runs {
    testdata *t;
    cm_source *source;
    const cm_source_table *table;
    cm_value data[ROWS][COLS];
    size_t rows;
    uint64_t random;
} runs;

static unsigned draw(runs *r, unsigned below)
{
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(r->random >> 33) % below;
}

static cm_status keep_row(void *arg, const cm_value *row)
{
    runs *r = arg;
    assert_true(r->rows < ROWS);
    for (size_t i = 0; i < COLS; i++) {
        r->data[r->rows][i] = row[i];
        if (row[i].text != NULL) {
            r->data[r->rows][i].text = cm_arena_strdup(&r->t->arena, row[i].text);
        }
    }
    r->rows++;
    return CM_OK;
}

static bool is_text(const cm_expr *x)
{
    return x->type.kind == CM_TYPE_TEXT;
}

static const cm_expr *column(runs *r, unsigned i)
{
    const cm_column *col = &r->table->table->col[i];
    return cm_expr_column(&r->t->arena, 0, i, col->type, !col->not_null, col->range, 0);
}

/* A value of the column, or beside one. */
static const cm_expr *constant(runs *r, unsigned i)
{
    const cm_column *col = &r->table->table->col[i];
    cm_value value = r->data[draw(r, ROWS)][i];
    if (!value.null && col->type.kind != CM_TYPE_TEXT && draw(r, 3) == 0) {
        value.number += draw(r, 2) == 0 ? 1 : -1;
    }
    return cm_expr_const(&r->t->arena, col->type, value, 0);
}

static const cm_expr *make(runs *r, cm_expr_op op, const cm_expr *const *args, size_t count)
{
    const cm_expr *ret = NULL;
    cm_diag diag = {0};
    cm_type boolean = {.kind = CM_TYPE_BOOL};
    if (cm_expr_op_new(&r->t->arena, op, boolean, args, count, 0, 0, 0, &ret, &diag) != CM_OK) {
        fail_msg("%s", diag.message);
    }
    return ret;
}

static const cm_expr *condition(runs *r, int depth)
{
    static const cm_expr_op ops[] = {CM_X_EQ, CM_X_NE, CM_X_LT,          CM_X_LE,
                                     CM_X_GT, CM_X_GE, CM_X_NOT_DISTINCT};
    unsigned col = draw(r, COLS);
    const cm_expr *args[4] = {column(r, col), constant(r, col), constant(r, col), constant(r, col)};
    if (depth > 0 && draw(r, 2) == 0) {
        args[0] = condition(r, depth - 1);
        args[1] = condition(r, depth - 1);
        return make(r, draw(r, 2) == 0 ? CM_X_AND : CM_X_OR, args, 2);
    }
    switch (draw(r, 5)) {
    case 0:
        return make(r, CM_X_IN, args, 2 + draw(r, 3));
    case 1:
        return make(r, CM_X_IS_NULL, args, 1);
    case 2:
        args[1] = args[0];
        args[0] = constant(r, col);
        break;
    default:
        break;
    }
    return make(r, ops[draw(r, CM_COUNT(ops))], args, 2);
}

static const cm_expr *aggregate(runs *r)
{
    static const cm_aggregate kinds[] = {CM_AGGREGATE_COUNT, CM_AGGREGATE_SUM, CM_AGGREGATE_MIN,
                                         CM_AGGREGATE_MAX};
    cm_aggregate kind = kinds[draw(r, CM_COUNT(kinds))];
    unsigned col = draw(r, COLS);
    const cm_expr *arg = column(r, col), *ret = NULL;
    cm_type type = {.kind = kind == CM_AGGREGATE_COUNT ? CM_TYPE_INT8 : CM_TYPE_NUMERIC};
    cm_diag diag = {0};
    if (kind == CM_AGGREGATE_COUNT && draw(r, 3) == 0) {
        arg = NULL;
    } else if (kind == CM_AGGREGATE_SUM && !cm_type_is_number(&arg->type)) {
        arg = column(r, 2);
    } else if (kind == CM_AGGREGATE_MIN || kind == CM_AGGREGATE_MAX) {
        type = arg->type;
    }
    if (arg != NULL && is_text(arg) && draw(r, 4) > 0) { /* text keeps groups from being gathered */
        arg = column(r, 3);
        type = kind == CM_AGGREGATE_COUNT ? type : arg->type;
    }
    if (cm_expr_agg_new(&r->t->arena, kind, type, arg, false, NULL, ROWS, 0, &ret, &diag) !=
        CM_OK) {
        fail_msg("%s", diag.message);
    }
    return ret;
}

static const cm_fragment *fragment(runs *r)
{
    static const unsigned keys[] = {0, 1, 6, 8};
    cm_fragment *f = CM_NEW_SMALL(&r->t->arena, cm_fragment, 1);
    const cm_expr **output = CM_NEW_SMALL(&r->t->arena, const cm_expr *, 4);
    const cm_expr **key = CM_NEW_SMALL(&r->t->arena, const cm_expr *, 2);
    cm_domain *domain = CM_NEW_SMALL(&r->t->arena, cm_domain, 2);
    *f = (cm_fragment){.table = r->table->table,
                       .outputs = 1 + draw(r, 4),
                       .output = output,
                       .aggregated = draw(r, 4) > 0,
                       .key = key,
                       .domain = domain};
    f->filter = draw(r, 4) > 0 ? condition(r, 2) : NULL;
    f->keys = f->aggregated ? draw(r, 3) : 0;
    for (size_t i = 0; i < f->keys; i++) {
        key[i] = column(r, keys[draw(r, CM_COUNT(keys))]);
        domain[i] = (cm_domain){.range = key[i]->range, .nullable = key[i]->nullable};
    }
    for (size_t i = 0; i < f->outputs; i++) {
        output[i] = f->aggregated     ? aggregate(r)
                    : draw(r, 3) == 0 ? condition(r, 0)
                                      : column(r, draw(r, COLS));
    }
    return f;
}

/* ---- both ways ---- */

typedef struct lines {
    const bool *text;
    size_t cols, count;
    char (*line)[LINE_BYTES];
} lines;

static cm_status keep_line(void *arg, const cm_value *row)
{
    lines *l = arg;
    CM_CLEANUP(cm_buf_free) cm_buf line = {0};
    char digits[41];
    assert_true(l->count < PAIRS);
    for (size_t i = 0; i < l->cols; i++) {
        cm_buf_printf(&line, "%s|",
                      row[i].null  ? "NULL"
                      : l->text[i] ? row[i].text
                                   : cm_i128_print(row[i].number, digits));
    }
    assert_true(line.bytes < LINE_BYTES);
    memcpy(l->line[l->count++], cm_buf_text(&line), line.bytes + 1);
    return CM_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void compare(runs *r, const cm_fragment *f)
{
    CM_CLEANUP(cm_buf_free) cm_buf from = {0};
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    bool text[8] = {0};
    cm_diag diag = {0};
    size_t keys = f->aggregated ? f->keys : 0, cols = keys + f->outputs;
    lines got = {.text = text, .cols = cols, .line = calloc(PAIRS, LINE_BYTES)};
    lines want = {.text = text, .cols = cols, .line = calloc(PAIRS, LINE_BYTES)};
    for (size_t i = 0; i < f->outputs; i++) {
        text[keys + i] = is_text(f->output[i]);
    }
    assert_int_equal(cm_source_from(r->source, r->table, &from, &diag), CM_OK);
    const char *const stands = cm_buf_text(&from);
    cm_fragment_sql(f, cm_source_dialect(r->source), &stands, &sql);
    if (cm_source_query(r->source, cm_buf_text(&sql), cols, text, keep_line, &want, &diag) !=
            CM_OK ||
        cm_source_run(&r->source, &r->table, f, cols, text, keep_line, &got, &diag) != CM_OK) {
        fail_msg("%s: %s", cm_buf_text(&sql), diag.message);
    }
    qsort(want.line, want.count, LINE_BYTES, by_text);
    qsort(got.line, got.count, LINE_BYTES, by_text);
    for (size_t i = 0; i < want.count || i < got.count; i++) {
        if (strcmp(want.line[i], got.line[i]) != 0) {
            fail_msg("%s: %s is not %s", cm_buf_text(&sql), got.line[i], want.line[i]);
        }
    }
    free(want.line);
    free(got.line);
}

/* ---- joins of the table with itself ---- */

static const cm_expr *into_second(const cm_expr *expr, void *arg)
{
    runs *r = arg;
    return expr->op != CM_X_COLUMN ? NULL
                                   : cm_expr_column(&r->t->arena, 1, expr->index, expr->type,
                                                    expr->nullable, expr->range, 0);
}

static const cm_expr *second(runs *r, const cm_expr *expr)
{
    const cm_expr *ret = NULL;
    assert_int_equal(
        cm_expr_rewrite(&r->t->arena, expr, into_second, r, &ret, &(cm_diag){.status = CM_OK}),
        CM_OK);
    return ret;
}

typedef struct own_join {
    cm_own_join join;
    cm_from from, table[2];
    const cm_org_table *tables[2];
    const cm_expr *left, *right; /* conditions on one side; or NULL */
    unsigned key;                /* which is equal */
    unsigned out[2];             /* columns of t0 and t1; of t0 alone for SEMI and ANTI */
} own_join;

static void draw_join(runs *r, own_join *j)
{
    static const cm_from_kind kinds[] = {CM_FROM_INNER, CM_FROM_LEFT, CM_FROM_SEMI, CM_FROM_ANTI};
    static const unsigned keys[] = {0, 3, 4, 5, 7}; /* with many values */
    const cm_expr *and[3];
    size_t count = 1;
    *j = (own_join){.from = {.kind = kinds[draw(r, 4)]}, .key = keys[draw(r, CM_COUNT(keys))]};
    j->left = draw(r, 2) == 0 ? condition(r, 1) : NULL;
    j->right = draw(r, 2) == 0 ? condition(r, 1) : NULL;
    j->out[0] = draw(r, COLS);
    j->out[1] = draw(r, COLS);
    const cm_expr *x = column(r, j->key), *sides[2] = {x, second(r, x)};
    and[0] = make(r, CM_X_EQ, sides, 2);
    if (j->left != NULL) {
        and[count++] = j->left;
    }
    if (j->right != NULL) {
        and[count++] = second(r, j->right);
    }
    j->table[0] = (cm_from){.kind = CM_FROM_RELATION, .rel = 0};
    j->table[1] = (cm_from){.kind = CM_FROM_RELATION, .rel = 1};
    j->from.left = &j->table[0];
    j->from.right = &j->table[1];
    j->from.on = count == 1 ? and[0] : make(r, CM_X_AND, and, count);
    j->tables[0] = j->tables[1] = r->table->table;
    j->join = (cm_own_join){2, j->tables, &j->from};
}

static bool holds(runs *r, const cm_expr *condition, size_t row)
{
    cm_value value = {.number = 1};
    cm_diag diag = {0};
    assert_true(condition == NULL ||
                cm_expr_eval(condition, r->data[row], &r->t->arena, &value, &diag) == CM_OK);
    return !value.null && value.number != 0;
}

static bool meet(runs *r, const own_join *j, size_t a, size_t b)
{
    const cm_value *x = &r->data[a][j->key], *y = &r->data[b][j->key];
    if (x->null || y->null || !holds(r, j->left, a) || !holds(r, j->right, b)) {
        return false;
    }
    return x->text != NULL ? strcmp(x->text, y->text) == 0 : x->number == y->number;
}

/* What the join is, row by row. */
static void expect_join(runs *r, const own_join *j, lines *want)
{
    const bool lookup = j->from.kind == CM_FROM_SEMI || j->from.kind == CM_FROM_ANTI;
    for (size_t a = 0; a < ROWS; a++) {
        cm_value out[2] = {r->data[a][j->out[0]], {.null = true}};
        size_t partners = 0;
        for (size_t b = 0; b < ROWS; b++) {
            if (meet(r, j, a, b)) {
                partners++;
                out[1] = r->data[b][j->out[1]];
                assert_true(lookup || keep_line(want, out) == CM_OK);
            }
        }
        out[1] = (cm_value){.null = true};
        if ((j->from.kind == CM_FROM_LEFT && partners == 0) ||
            (lookup && (partners > 0) == (j->from.kind == CM_FROM_SEMI))) {
            assert_int_equal(keep_line(want, out), CM_OK);
        }
    }
}

static void compare_join(runs *r, bool across)
{
    own_join j;
    draw_join(r, &j);
    const bool lookup = j.from.kind == CM_FROM_SEMI || j.from.kind == CM_FROM_ANTI;
    const cm_expr *output[] = {column(r, j.out[0]), second(r, column(r, j.out[1]))};
    const cm_fragment f = {
        .table = r->table->table, .join = &j.join, .outputs = lookup ? 1 : 2, .output = output};
    bool text[2] = {is_text(output[0]), is_text(output[1])};
    cm_source *const source[] = {r->source, r->source};
    const cm_source_table *const table[] = {r->table, r->table};
    lines got = {.text = text, .cols = f.outputs, .line = calloc(PAIRS, LINE_BYTES)};
    lines want = got;
    cm_diag diag = {0};
    want.line = calloc(PAIRS, LINE_BYTES);
    expect_join(r, &j, &want);
    if ((across ? cm_source_run_across : cm_source_run)(source, table, &f, f.outputs, text,
                                                        keep_line, &got, &diag) != CM_OK) {
        fail_msg("%s", diag.message);
    }
    qsort(want.line, want.count, LINE_BYTES, by_text);
    qsort(got.line, got.count, LINE_BYTES, by_text);
    assert_int_equal(want.count, got.count);
    for (size_t i = 0; i < want.count; i++) {
        assert_string_equal(want.line[i], got.line[i]);
    }
    free(want.line);
    free(got.line);
}

/* The column's own least and greatest value pass, one unit less at either end does not. */
static void check_within(const runs *r, unsigned col)
{
    bool columns[COLS] = {false};
    cm_range own = {0, 0};
    cm_diag diag = {0};

    for (size_t i = 0; i < r->rows; i++) {
        const cm_value *value = &r->data[i][col];
        if (!value->null) {
            own.lo = value->number < own.lo ? value->number : own.lo;
            own.hi = value->number > own.hi ? value->number : own.hi;
        }
    }
    assert_int_equal(cm_source_check_within(r->source, r->table, columns, own, &diag), CM_OK);
    columns[col] = true;
    assert_int_equal(cm_source_check_within(r->source, r->table, columns, own, &diag), CM_OK);
    for (int end = 0; end < 2; end++) {
        const cm_range less = {own.lo + (end == 0), own.hi - (end == 1)};
        cm_diag_reset(&diag);
        assert_int_equal(cm_source_check_within(r->source, r->table, columns, less, &diag),
                         CM_ERANGE);
        assert_string_equal(diag.sqlstate, CM_SQL_RANGE);
    }
}

void testruns_compare(testdata *t, cm_source *source)
{
    static const bool text[COLS] = {[7] = true};
    runs *r = calloc(1, sizeof *r);
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    cm_diag diag = {0};
    assert_non_null(r);
    r->t = t;
    r->source = source;
    r->table = testdata_table(t, testruns_ddl, ROWS);
    r->random = 20250101;
    if (testdata_check(source, r->table, &diag) != CM_OK) {
        fail_msg("%s", diag.message);
    }
    cm_buf_printf(&sql, "SELECT * FROM ");
    assert_int_equal(cm_source_from(source, r->table, &sql, &diag), CM_OK);
    cm_buf_printf(&sql, " AS t");
    assert_int_equal(cm_source_query(source, cm_buf_text(&sql), COLS, text, keep_row, r, &diag),
                     CM_OK);
    assert_int_equal(r->rows, ROWS);
    check_within(r, 2); /* cost */
    check_within(r, 8); /* part */
    for (int i = 0; i < FRAGMENTS; i++) {
        compare(r, fragment(r));
    }
    for (int i = 0; i < JOINS; i++) {
        compare_join(r, i % 4 == 0);
    }
    free(r);
}
