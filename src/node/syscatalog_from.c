/* Items of FROM: tables, subqueries, and the functions that stand for tables. */
#include "node/syscatalog_sql_int.h"

#include <string.h>

/* alias (column, ...) behind an item; all optional. */
typedef struct alias {
    const char *name;
    size_t cols; /* tokens from first_col, with commas */
    size_t first_col;
} alias;

static alias read_alias(const cm_sql_token *tokens, size_t at, size_t *ret_at)
{
    alias a = {0};
    bool as = cm_token_is(&tokens[at], "as");
    if (cm_token_is_name(&tokens[at + as]) || (as && tokens[at + 1].kind == CM_TOKEN_NAME)) {
        at += as;
        a.name = tokens[at++].text;
        if (cm_token_is(&tokens[at], "(")) {
            size_t close = cm_rw_match(tokens, at);
            a.first_col = at + 1;
            a.cols = close - at - 1;
            at = close + 1;
        }
    }
    *ret_at = at;
    return a;
}

static void emit_alias(cm_rewriter *r, const char *name)
{
    if (name != NULL) {
        cm_rw_emit(r, "AS");
        cm_rw_emit_name(r, name);
    }
}

/* Functions that give rows; what stands before and behind their arguments. */
typedef struct row_function {
    const char *name, *before, *behind;
    bool one_column; /* named by the alias */
} row_function;

static const row_function row_functions[] = {
    {"generate_series", "FROM json_each(cm_series(", "))", true},
    {"unnest", "FROM json_each(cm_array_json(", "))", true},
    {"pg_options_to_table",
     "(SELECT cm_option_name(value) AS option_name, cm_option_value(value) AS option_value FROM "
     "json_each(cm_array_json(",
     ")))", false},
    {"pg_get_keywords", "(SELECT 'analyze' AS word, 'U' AS catcode, 'unreserved' AS catdesc", ")",
     false},
    {"aclexplode",
     "(SELECT 0 AS grantor, 0 AS grantee, 'SELECT' AS privilege_type, 0 AS is_grantable WHERE 0 "
     "AND "
     "(",
     ") IS NULL)", false},
};

static void function_item(cm_rewriter *r, const char *name)
{
    const row_function *f = NULL;
    for (size_t i = 0; i < CM_COUNT(row_functions); i++) {
        f = strcmp(row_functions[i].name, name) == 0 ? &row_functions[i] : f;
    }
    size_t behind = cm_rw_match(r->token, r->at) + 1;
    alias a = read_alias(r->token, behind, &behind);
    if (f == NULL || a.cols > 1) {
        cm_rw_fail(r, name);
        return;
    }
    cm_level args = {.operand = CM_NO_OPERAND, .call = name};
    const char *shown = a.name != NULL ? a.name : name;
    if (f->one_column) {
        cm_rw_emit(r, "(SELECT value AS");
        cm_rw_emit_name(r, a.cols == 1 ? r->token[a.first_col].text : shown);
    }
    cm_rw_emit(r, f->before);
    r->at++;
    cm_rw_run(r, &args, CM_STOP_PAREN);
    cm_rw_emit(r, f->behind);
    cm_rw_emit(r, f->one_column ? ")" : "");
    emit_alias(r, shown);
    r->at = behind;
}

static void group_item(cm_rewriter *r)
{
    long start = (long)r->out.bytes;
    const cm_sql_token *first = cm_rw_peek(r, 1);
    bool query = cm_token_is(first, "select") || cm_token_is(first, "with") ||
                 cm_token_is(first, "values") || cm_token_is(first, "(");
    cm_level inner = {.operand = CM_NO_OPERAND, .in_from = !query, .expect_item = !query};
    cm_rw_emit(r, "(");
    r->at++;
    cm_rw_run(r, &inner, CM_STOP_PAREN);
    cm_rw_emit(r, ")");
    alias a = read_alias(r->token, r->at, &r->at);
    if (a.cols > 0) {
        cm_rw_insert(r, start, ") AS");
        for (size_t i = a.cols; i-- > 0;) {
            const char *part = r->token[a.first_col + i].text;
            cm_rw_insert(r, start, i % 2 == 1 ? "," : cm_arena_printf(r->arena, " \"%s\"", part));
        }
        cm_rw_insert(r, start, " (WITH cm_rows(");
        cm_rw_emit(r, "SELECT * FROM cm_rows)");
    }
    emit_alias(r, a.name);
}

static void table_item(cm_rewriter *r)
{
    const char *schema = NULL;
    const char *name = r->token[r->at++].text;
    while (cm_token_is(cm_rw_peek(r, 0), ".")) {
        schema = name;
        name = cm_rw_peek(r, 1)->text;
        r->at += 2;
    }
    if (cm_token_is(cm_rw_peek(r, 0), "(")) {
        function_item(r, name);
        return;
    }
    r->reads_tables = true;
    bool of_information = schema != NULL && strcmp(schema, "information_schema") == 0;
    cm_rw_emit_name(r, of_information ? cm_arena_printf(r->arena, "information_schema_%s", name)
                                      : name);
    alias a = read_alias(r->token, r->at, &r->at);
    if (a.cols > 0) {
        cm_rw_fail(r, "a list of column names of a table");
    }
    emit_alias(r, a.name != NULL ? a.name : of_information ? name : NULL);
}

void cm_rw_from_item(cm_rewriter *r, cm_level *level)
{
    level->expect_item = false;
    level->operand = CM_NO_OPERAND;
    if (cm_token_is(cm_rw_peek(r, 0), "lateral") || cm_token_is(cm_rw_peek(r, 0), "only")) {
        r->at++;
    }
    if (cm_token_is(cm_rw_peek(r, 0), "(")) {
        group_item(r);
    } else if (cm_token_is_name(cm_rw_peek(r, 0))) {
        table_item(r);
    } else {
        cm_rw_fail(r, "this form of FROM");
    }
}
