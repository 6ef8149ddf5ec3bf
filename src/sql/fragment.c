/*
 * Fragments as SQL over canonical integers, for SQLite and PostgreSQL.
 *
 * Both dialects compute here with 64-bit integers, truncate quotients towards zero, give a
 * remainder the sign of its dividend, and know three-valued logic.  cm_expr_pushable lets through
 * only what stays in 64 bits and cannot divide by zero (SQLite would make that NULL); dates before
 * year 1 or, in SQLite, after year 9999 make the statement fail rather than give a wrong field.
 * Booleans are the integers 0 and 1: a condition becomes one by CASE, an integer a condition by <>
 * 0.
 */
#include "sql/fragment_int.h"

#include <string.h>

static bool is_text(const cm_expr *x)
{
    return x->type.kind == CM_TYPE_TEXT || x->type.kind == CM_TYPE_UNKNOWN;
}

void cm_fragment_put(cm_fragment_writer *w, const char *text)
{
    cm_buf_put(w->out, text, strlen(text));
}

/* An integer literal.  PostgreSQL would take a small one for an int4 and overflow with it. */
void cm_fragment_put_number(cm_fragment_writer *w, cm_i128 value)
{
    char digits[41];

    cm_buf_printf(w->out,
                  w->postgres ? "(%s)::bigint"
                  : value < 0 ? "(%s)"
                              : "%s",
                  cm_i128_print(value, digits));
}

void cm_fragment_put_text(cm_fragment_writer *w, const char *text)
{
    cm_buf_put_quoted(w->out, text, '\'');
}

static void put_const(cm_fragment_writer *w, const cm_expr *x)
{
    if (x->value.null) {
        cm_fragment_put(w, !w->postgres ? "NULL" : is_text(x) ? "NULL::text" : "NULL::bigint");
    } else if (is_text(x)) {
        cm_buf_put_quoted(w->out, x->value.text, '\'');
        cm_fragment_put(w, w->postgres ? "::text" : "");
    } else {
        cm_fragment_put_number(w, x->value.number);
    }
}

static void put_column(cm_fragment_writer *w, const cm_expr *x)
{
    const cm_org_table *table = cm_fragment_table(w->fragment, x->rel);

    CM_ASSERT(x->index < table->cols);
    if (w->native != NULL) {
        cm_buf_printf(w->out, "(%s)", w->native[x->index].value);
    } else {
        if (w->fragment->join != NULL) {
            cm_buf_printf(w->out, "t%u.", x->rel);
        }
        cm_buf_put_quoted(w->out, table->col[x->index].name, '"');
    }
    cm_fragment_put(w, !w->postgres ? "" : is_text(x) ? "::text" : "::bigint");
}

/* Text is ordered by its bytes: SQLite's own order, PostgreSQL's collation "C". */
void cm_fragment_put_operand(cm_fragment_writer *w, const cm_expr *x)
{
    cm_fragment_put_value(w, x);
    if (w->postgres && is_text(x)) {
        cm_fragment_put(w, " COLLATE \"C\"");
    }
}

static void put_binary(cm_fragment_writer *w, const cm_expr *x, const char *op)
{
    cm_fragment_put(w, "(");
    cm_fragment_put_operand(w, x->arg[0]);
    cm_buf_printf(w->out, " %s ", op);
    cm_fragment_put_operand(w, x->arg[1]);
    cm_fragment_put(w, ")");
}

static void put_compare(cm_fragment_writer *w, const cm_expr *x, const char *op)
{
    if (!cm_fragment_put_native_compare(w, x, op)) {
        put_binary(w, x, op);
    }
}

/* RESCALE, TRUNC, FLOOR and CEIL. */
static void put_rescale(cm_fragment_writer *w, const cm_expr *x)
{
    const cm_expr *a = x->arg[0];
    int digits = a->type.scale - x->type.scale;

    cm_fragment_put(w, "(");
    if (digits <= 0) {
        cm_fragment_put_value(w, a);
        cm_fragment_put(w, " * ");
        cm_fragment_put_number(w, cm_pow10(-digits));
        cm_fragment_put(w, ")");
        return;
    }
    cm_i128 power = cm_pow10(digits);
    if (x->op == CM_X_RESCALE) {
        cm_fragment_put(w, "(");
        cm_fragment_put_value(w, a);
        cm_fragment_put(w, " + CASE WHEN ");
        cm_fragment_put_value(w, a);
        cm_fragment_put(w, " < 0 THEN ");
        cm_fragment_put_number(w, -(power / 2));
        cm_fragment_put(w, " ELSE ");
        cm_fragment_put_number(w, power / 2);
        cm_fragment_put(w, " END) / ");
        cm_fragment_put_number(w, power);
        cm_fragment_put(w, ")");
        return;
    }
    cm_fragment_put_value(w, a);
    cm_fragment_put(w, " / ");
    cm_fragment_put_number(w, power);
    if (x->op != CM_X_TRUNC) {
        cm_fragment_put(w, x->op == CM_X_FLOOR ? " - CASE WHEN " : " + CASE WHEN ");
        cm_fragment_put_value(w, a);
        cm_fragment_put(w, " % ");
        cm_fragment_put_number(w, power);
        cm_fragment_put(w,
                        x->op == CM_X_FLOOR ? " < 0 THEN 1 ELSE 0 END" : " > 0 THEN 1 ELSE 0 END");
    }
    cm_fragment_put(w, ")");
}

static void put_case(cm_fragment_writer *w, const cm_expr *x)
{
    cm_fragment_put(w, "CASE");
    for (size_t i = 0; i + 1 < x->args; i += 2) {
        cm_fragment_put(w, " WHEN ");
        cm_fragment_put_condition(w, x->arg[i]);
        cm_fragment_put(w, " THEN ");
        cm_fragment_put_value(w, x->arg[i + 1]);
    }
    cm_fragment_put(w, " ELSE ");
    cm_fragment_put_value(w, x->arg[x->args - 1]);
    cm_fragment_put(w, " END");
}

static void put_list(cm_fragment_writer *w, const cm_expr *const *args, size_t count, size_t first)
{
    for (size_t i = 0; i < count; i++) {
        cm_fragment_put(w, i == 0 ? "" : ", ");
        cm_fragment_put_operand(w, args[(first + i) % count]);
    }
}

static void put_function(cm_fragment_writer *w, const char *name, const cm_expr *const *args,
                         size_t count)
{
    if (count == 1 && strcmp(name, "coalesce") == 0) { /* SQLite wants two */
        cm_fragment_put_value(w, args[0]);
        return;
    }
    cm_buf_printf(w->out, "%s(", name);
    put_list(w, args, count, 0);
    cm_fragment_put(w, ")");
}

/*
 * SQLite's max(a, b) is NULL when one is: each argument falls back to the others, so that only all
 * of them NULL make a NULL.
 */
static void put_extreme(cm_fragment_writer *w, const cm_expr *x)
{
    bool greatest = x->op == CM_X_GREATEST;

    if (x->args == 1) {
        cm_fragment_put_value(w, x->arg[0]);
        return;
    }
    if (w->postgres) {
        put_function(w, greatest ? "greatest" : "least", x->arg, x->args);
        return;
    }
    cm_fragment_put(w, greatest ? "max(" : "min(");
    for (size_t i = 0; i < x->args; i++) {
        cm_fragment_put(w, i == 0 ? "coalesce(" : ", coalesce(");
        put_list(w, x->arg, x->args, i);
        cm_fragment_put(w, ")");
    }
    cm_fragment_put(w, ")");
}

/* ---- text ---- */

/* Letters are ASCII: PostgreSQL's lower follows the collation. */
static void put_fold(cm_fragment_writer *w, const char *function, const cm_expr *x)
{
    cm_buf_printf(w->out, "%s(", function);
    cm_fragment_put_operand(w, x);
    cm_fragment_put(w, ")");
}

static void put_like(cm_fragment_writer *w, const cm_expr *x)
{
    bool fold = x->index == 1;

    cm_fragment_put(w, "(");
    if (fold) {
        put_fold(w, "lower", x->arg[0]);
    } else {
        cm_fragment_put_operand(w, x->arg[0]);
    }
    cm_fragment_put(w, " LIKE ");
    if (fold) {
        put_fold(w, "lower", x->arg[1]);
    } else {
        cm_fragment_put_value(w, x->arg[1]);
    }
    cm_fragment_put(w, " ESCAPE '\\')");
}

static void put_substring(cm_fragment_writer *w, const cm_expr *x)
{
    cm_fragment_put(w, "substr(");
    for (size_t i = 0; i < x->args; i++) {
        cm_fragment_put(w, i == 0 ? "" : ", ");
        cm_fragment_put_value(w, x->arg[i]);
        cm_fragment_put(w, i > 0 && w->postgres ? "::int" : "");
    }
    cm_fragment_put(w, ")");
}

static void put_call(cm_fragment_writer *w, const cm_expr *x, const char *function)
{
    cm_buf_printf(w->out, "%s(", function);
    for (size_t i = 0; i < x->args; i++) {
        cm_fragment_put(w, i == 0 ? "" : ", ");
        cm_fragment_put_value(w, x->arg[i]);
    }
    cm_fragment_put(w, ")");
}

static void put_concat(cm_fragment_writer *w, const cm_expr *x)
{
    cm_fragment_put(w, "(");
    for (size_t i = 0; i < x->args; i++) {
        cm_fragment_put(w, i == 0 ? "" : " || ");
        cm_fragment_put_value(w, x->arg[i]);
    }
    cm_fragment_put(w, ")");
}

/* ---- conditions and values ---- */

static void put_junction(cm_fragment_writer *w, const cm_expr *x, const char *word)
{
    cm_fragment_put(w, "(");
    for (size_t i = 0; i < x->args; i++) {
        cm_fragment_put(w, i == 0 ? "" : word);
        cm_fragment_put_condition(w, x->arg[i]);
    }
    cm_fragment_put(w, ")");
}

static void put_test(cm_fragment_writer *w, const cm_expr *x, const char *test, bool as_condition)
{
    cm_fragment_put(w, "(");
    if (as_condition) {
        cm_fragment_put_condition(w, x->arg[0]);
    } else {
        cm_fragment_put_value(w, x->arg[0]);
    }
    cm_buf_printf(w->out, " %s)", test);
}

static void put_in(cm_fragment_writer *w, const cm_expr *x)
{
    if (cm_fragment_put_native_in(w, x)) {
        return;
    }
    cm_fragment_put(w, "(");
    cm_fragment_put_operand(w, x->arg[0]);
    cm_fragment_put(w, " IN (");
    for (size_t i = 1; i < x->args; i++) {
        cm_fragment_put(w, i == 1 ? "" : ", ");
        cm_fragment_put_value(w, x->arg[i]);
    }
    cm_fragment_put(w, "))");
}

/* A boolean of the dialect. */
static void put_logic(cm_fragment_writer *w, const cm_expr *x)
{
    switch ((int)x->op) {
    case CM_X_EQ:
        put_compare(w, x, "=");
        return;
    case CM_X_NE:
        put_compare(w, x, "<>");
        return;
    case CM_X_LT:
        put_compare(w, x, "<");
        return;
    case CM_X_LE:
        put_compare(w, x, "<=");
        return;
    case CM_X_GT:
        put_compare(w, x, ">");
        return;
    case CM_X_GE:
        put_compare(w, x, ">=");
        return;
    case CM_X_NOT_DISTINCT:
        put_compare(w, x, w->postgres ? "IS NOT DISTINCT FROM" : "IS");
        return;
    case CM_X_AND:
        put_junction(w, x, " AND ");
        return;
    case CM_X_OR:
        put_junction(w, x, " OR ");
        return;
    case CM_X_NOT:
        cm_fragment_put(w, "(NOT ");
        cm_fragment_put_condition(w, x->arg[0]);
        cm_fragment_put(w, ")");
        return;
    case CM_X_IS_NULL:
        if (!cm_fragment_put_native_is_null(w, x)) {
            put_test(w, x, "IS NULL", false);
        }
        return;
    case CM_X_IS_TRUE:
        put_test(w, x, "IS TRUE", true);
        return;
    case CM_X_IS_FALSE:
        put_test(w, x, "IS FALSE", true);
        return;
    case CM_X_IN:
        put_in(w, x);
        return;
    case CM_X_LIKE:
        put_like(w, x);
        return;
    default:
        CM_ASSERT(false && "is_logic");
    }
}

static bool is_logic(cm_expr_op op)
{
    return (op >= CM_X_EQ && op <= CM_X_IN) || op == CM_X_LIKE;
}

void cm_fragment_put_condition(cm_fragment_writer *w, const cm_expr *x)
{
    if (is_logic(x->op)) {
        put_logic(w, x);
    } else {
        cm_fragment_put(w, "(");
        cm_fragment_put_value(w, x);
        cm_fragment_put(w, " <> 0)");
    }
}

/* A boolean as an integer; without NULLs the second test can go. */
static void put_logic_value(cm_fragment_writer *w, const cm_expr *x)
{
    cm_fragment_put(w, "CASE WHEN ");
    put_logic(w, x);
    if (x->nullable) {
        cm_fragment_put(w, " THEN 1 WHEN NOT ");
        put_logic(w, x);
        cm_fragment_put(w, " THEN 0 END");
    } else {
        cm_fragment_put(w, " THEN 1 ELSE 0 END");
    }
}

static void put_quotient(cm_fragment_writer *w, const cm_expr *x)
{
    cm_fragment_put(w, "(");
    cm_fragment_put_value(w, x->arg[0]);
    cm_fragment_put(w, " * ");
    cm_fragment_put_number(w, cm_pow10(x->shift));
    cm_fragment_put(w, " / ");
    cm_fragment_put_value(w, x->arg[1]);
    cm_fragment_put(w, ")");
}

static void put_number_op(cm_fragment_writer *w, const cm_expr *x)
{
    switch ((int)x->op) {
    case CM_X_ADD:
        put_binary(w, x, "+");
        return;
    case CM_X_SUB:
        put_binary(w, x, "-");
        return;
    case CM_X_MUL:
        put_binary(w, x, "*");
        return;
    case CM_X_IDIV:
        put_binary(w, x, "/");
        return;
    case CM_X_QUOT:
        put_quotient(w, x);
        return;
    case CM_X_MOD:
        put_binary(w, x, "%");
        return;
    case CM_X_NEG:
        cm_fragment_put(w, "(0 - ");
        cm_fragment_put_value(w, x->arg[0]);
        cm_fragment_put(w, ")");
        return;
    case CM_X_ABS:
        put_function(w, "abs", x->arg, 1);
        return;
    case CM_X_EXTRACT:
        cm_fragment_put_extract(w, x);
        return;
    case CM_X_DATE_TRUNC:
        cm_fragment_put_date_trunc(w, x);
        return;
    case CM_X_ADD_MONTHS:
        cm_fragment_put_add_months(w, x);
        return;
    default:
        put_rescale(w, x);
        return;
    }
}

void cm_fragment_put_value(cm_fragment_writer *w, const cm_expr *x)
{
    switch ((int)x->op) {
    case CM_X_CONST:
        put_const(w, x);
        return;
    case CM_X_COLUMN:
        put_column(w, x);
        return;
    case CM_X_CAST:
        cm_fragment_put_value(w, x->arg[0]);
        return;
    case CM_X_CASE:
        put_case(w, x);
        return;
    case CM_X_COALESCE:
        put_function(w, "coalesce", x->arg, x->args);
        return;
    case CM_X_NULLIF:
        put_function(w, "nullif", x->arg, 2);
        return;
    case CM_X_GREATEST:
    case CM_X_LEAST:
        put_extreme(w, x);
        return;
    case CM_X_LOWER:
        put_fold(w, "lower", x->arg[0]);
        return;
    case CM_X_UPPER:
        put_fold(w, "upper", x->arg[0]);
        return;
    case CM_X_LENGTH:
        put_function(w, "length", x->arg, 1);
        return;
    case CM_X_SUBSTRING:
        put_substring(w, x);
        return;
    case CM_X_CONCAT:
        put_concat(w, x);
        return;
    case CM_X_TRIM:
        put_call(w, x,
                 x->index == 1   ? "ltrim"
                 : x->index == 2 ? "rtrim"
                 : w->postgres   ? "btrim"
                                 : "trim");
        return;
    case CM_X_REPLACE:
        put_call(w, x, "replace");
        return;
    case CM_X_POSITION:
        put_call(w, x, w->postgres ? "strpos" : "instr");
        return;
    case CM_X_PARAM:
    case CM_X_STAT:
    case CM_X_AGG:
        CM_ASSERT(false && "not pushable");
    default:
        break;
    }
    if (is_logic(x->op)) {
        put_logic_value(w, x);
    } else {
        put_number_op(w, x);
    }
}

/* A sum over no rows is 0 here: the plan's columns of sums are never NULL. */
static void put_aggregate(cm_fragment_writer *w, const cm_expr *x)
{
    static const char *const names[] = {"count", "coalesce(sum", "avg", "min", "max"};

    CM_ASSERT(x->op == CM_X_AGG && x->filter == NULL && x->aggregate != CM_AGGREGATE_AVG);
    if (x->args == 0) {
        cm_fragment_put(w, "count(*)");
        return;
    }
    if (cm_fragment_put_native_aggregate(w, x)) {
        return;
    }
    cm_buf_printf(w->out, "%s(%s", names[x->aggregate], x->distinct ? "DISTINCT " : "");
    cm_fragment_put_operand(w, x->arg[0]);
    cm_fragment_put(w, x->aggregate == CM_AGGREGATE_SUM ? "), 0)" : ")");
}

/* ---- the statement ---- */

static void put_statement(cm_fragment_writer *w)
{
    const cm_fragment *fragment = w->fragment;
    const cm_from *join = fragment->join == NULL ? NULL : fragment->join->from;

    CM_ASSERT(fragment->outputs > 0);
    cm_fragment_put(w, "SELECT ");
    for (size_t i = 0; i < fragment->keys; i++) {
        cm_fragment_put_value(w, fragment->key[i]);
        cm_buf_printf(w->out, " AS k%zu, ", i);
    }
    for (size_t i = 0; i < fragment->outputs; i++) {
        cm_fragment_put(w, i == 0 ? "" : ", ");
        if (fragment->aggregated) {
            put_aggregate(w, fragment->output[i]);
        } else {
            cm_fragment_put_value(w, fragment->output[i]);
        }
        cm_buf_printf(w->out, " AS c%zu", i);
    }
    cm_fragment_put(w, " FROM ");
    if (join == NULL) {
        cm_fragment_put(w, w->from[0]);
        cm_fragment_put(w, w->postgres && w->native == NULL ? " AS t" : "");
    } else {
        cm_fragment_put_from(w, join);
    }
    (void)cm_fragment_put_where(w, join, fragment->filter);
    for (size_t i = 0; i < fragment->keys; i++) {
        cm_fragment_put(w, i == 0 ? " GROUP BY " : ", ");
        if (!cm_fragment_put_native_key(w, fragment->key[i])) {
            cm_buf_printf(w->out, "%zu", i + 1);
        }
    }
}

void cm_fragment_sql(const cm_fragment *fragment, cm_dialect dialect, const char *const *from,
                     cm_buf *out)
{
    cm_fragment_writer w = {
        .out = out, .fragment = fragment, .from = from, .postgres = dialect == CM_DIALECT_POSTGRES};
    put_statement(&w);
}

void cm_fragment_show(const cm_fragment *fragment, cm_buf *out)
{
    cm_buf name[CM_OWN_JOIN_MAX] = {0};
    const char *from[CM_OWN_JOIN_MAX];
    size_t tables = cm_fragment_tables(fragment);

    for (size_t i = 0; i < tables; i++) {
        cm_buf_put_quoted(&name[i], cm_fragment_table(fragment, i)->name, '"');
        from[i] = cm_buf_text(&name[i]);
    }
    cm_fragment_sql(fragment, CM_DIALECT_SQLITE, from, out);
    for (size_t i = 0; i < tables; i++) {
        out->failed = out->failed || name[i].failed;
        cm_buf_free(&name[i]);
    }
}

void cm_fragment_native_sql(const cm_fragment *fragment, const cm_native *native, const char *from,
                            cm_buf *out)
{
    cm_fragment_writer w = {
        .out = out, .fragment = fragment, .from = &from, .postgres = true, .native = native};

    CM_ASSERT(fragment->join == NULL);
    put_statement(&w);
}
