/* Plans in words. */
#include "sql/explain_int.h"
#include "sql/stat.h"

#include <string.h>

static const char *infix(cm_expr_op op)
{
    switch ((int)op) {
    case CM_X_ADD:
        return " + ";
    case CM_X_SUB:
        return " - ";
    case CM_X_MUL:
        return " * ";
    case CM_X_IDIV:
    case CM_X_QUOT:
        return " / ";
    case CM_X_MOD:
        return " % ";
    case CM_X_EQ:
        return " = ";
    case CM_X_NE:
        return " <> ";
    case CM_X_LT:
        return " < ";
    case CM_X_LE:
        return " <= ";
    case CM_X_GT:
        return " > ";
    case CM_X_GE:
        return " >= ";
    case CM_X_NOT_DISTINCT:
        return " IS NOT DISTINCT FROM ";
    case CM_X_AND:
        return " AND ";
    case CM_X_OR:
        return " OR ";
    case CM_X_CONCAT:
        return " || ";
    case CM_X_LIKE:
        return " LIKE ";
    default:
        return NULL;
    }
}

static const char *function(cm_expr_op op)
{
    switch ((int)op) {
    case CM_X_ABS:
        return "abs";
    case CM_X_RESCALE:
        return "round";
    case CM_X_TRUNC:
        return "trunc";
    case CM_X_FLOOR:
        return "floor";
    case CM_X_CEIL:
        return "ceil";
    case CM_X_COALESCE:
        return "coalesce";
    case CM_X_NULLIF:
        return "nullif";
    case CM_X_GREATEST:
        return "greatest";
    case CM_X_LEAST:
        return "least";
    case CM_X_EXTRACT:
        return "extract";
    case CM_X_DATE_TRUNC:
        return "date_trunc";
    case CM_X_ADD_MONTHS:
        return "add_months";
    case CM_X_LOWER:
        return "lower";
    case CM_X_UPPER:
        return "upper";
    case CM_X_LENGTH:
        return "length";
    case CM_X_SUBSTRING:
        return "substring";
    case CM_X_TRIM:
        return "trim";
    case CM_X_REPLACE:
        return "replace";
    case CM_X_POSITION:
        return "strpos";
    default:
        return "";
    }
}

static void put_list(const cm_expr *expr, size_t first, const char *between,
                     const cm_plan_node *over, cm_buf *out)
{
    size_t count = expr->op == CM_X_QUOT ? 2 : expr->args;

    for (size_t i = first; i < count; i++) {
        cm_buf_printf(out, "%s", i == first ? "" : between);
        cm_explain_expr(expr->arg[i], over, out);
    }
}

static void put_const(const cm_expr *expr, cm_buf *out)
{
    bool number = cm_type_is_number(&expr->type);
    cm_buf text = {0};

    if (expr->value.null) {
        cm_buf_printf(out, "NULL");
        return;
    }
    if (expr->type.kind == CM_TYPE_INTERVAL || expr->type.kind == CM_TYPE_UNKNOWN) {
        cm_buf_printf(out, "%s", expr->value.text == NULL ? "..." : expr->value.text);
        return;
    }
    cm_value_print(&expr->type, &expr->value, &text);
    cm_buf_printf(out, number ? "%s" : "'%s'", cm_buf_text(&text));
    cm_buf_free(&text);
}

static void put_case(const cm_expr *expr, const cm_plan_node *over, cm_buf *out)
{
    cm_buf_printf(out, "CASE");
    for (size_t i = 0; i + 1 < expr->args; i += 2) {
        cm_buf_printf(out, " WHEN ");
        cm_explain_expr(expr->arg[i], over, out);
        cm_buf_printf(out, " THEN ");
        cm_explain_expr(expr->arg[i + 1], over, out);
    }
    cm_buf_printf(out, " ELSE ");
    cm_explain_expr(expr->arg[expr->args - 1], over, out);
    cm_buf_printf(out, " END");
}

void cm_explain_expr(const cm_expr *expr, const cm_plan_node *over, cm_buf *out)
{
    static const char *const tests[] = {"IS NULL", "IS TRUE", "IS FALSE"};

    if (expr->op == CM_X_CONST) {
        put_const(expr, out);
    } else if (expr->op == CM_X_COLUMN) {
        cm_buf_printf(out, "%s", over->col[expr->index].name);
    } else if (expr->op == CM_X_CASE) {
        put_case(expr, over, out);
    } else if (expr->op == CM_X_CAST) {
        cm_explain_expr(expr->arg[0], over, out);
    } else if (expr->op == CM_X_NEG || expr->op == CM_X_NOT) {
        cm_buf_printf(out, expr->op == CM_X_NEG ? "(- " : "(NOT ");
        put_list(expr, 0, "", over, out);
        cm_buf_printf(out, ")");
    } else if (expr->op >= CM_X_IS_NULL && expr->op <= CM_X_IS_FALSE) {
        cm_buf_printf(out, "(");
        put_list(expr, 0, "", over, out);
        cm_buf_printf(out, " %s)", tests[expr->op - CM_X_IS_NULL]);
    } else if (expr->op == CM_X_IN) {
        cm_buf_printf(out, "(");
        cm_explain_expr(expr->arg[0], over, out);
        cm_buf_printf(out, " IN (");
        put_list(expr, 1, ", ", over, out);
        cm_buf_printf(out, "))");
    } else if (expr->op == CM_X_STAT) {
        cm_buf_printf(out, "%s(", cm_stat_name((cm_stat)expr->index));
        if (expr->index == CM_STAT_SQRT) {
            cm_explain_expr(expr->arg[CM_STAT_XX], over, out);
        } else {
            put_list(expr, 1, ", ", over, out);
        }
        cm_buf_printf(out, ")");
    } else {
        const char *between = infix(expr->op);
        cm_buf_printf(out, "%s(", between == NULL ? function(expr->op) : "");
        put_list(expr, 0, between == NULL ? ", " : between, over, out);
        cm_buf_printf(out, ")");
    }
}

bool cm_explain_rows_disclosed(const cm_plan_node *node)
{
    switch (node->op) {
    case CM_PLAN_INPUT:
    case CM_PLAN_VALUES:
    case CM_PLAN_STORED:
    case CM_PLAN_COMBINE:
    case CM_PLAN_AGGREGATE:
    case CM_PLAN_GROUP_DOMAIN:
        return false;
    case CM_PLAN_JOIN_MANY: /* else in so many places as it says */
        return node->join.disclosed != NULL;
    case CM_PLAN_JOIN:
    case CM_PLAN_RANGES: /* child 1's rows */
        return cm_explain_rows_disclosed(node->child[1]);
    case CM_PLAN_CONCAT:
    case CM_PLAN_PRODUCT:
        for (size_t i = 0; i < node->children; i++) {
            if (cm_explain_rows_disclosed(node->child[i])) {
                return true;
            }
        }
        return false;
    case CM_PLAN_FILTER:
    case CM_PLAN_PROJECT:
    case CM_PLAN_NUMBER:
    case CM_PLAN_GROUP_SORT:
    case CM_PLAN_WINDOW:
    case CM_PLAN_SORT:
    case CM_PLAN_LIMIT:
    case CM_PLAN_STORE:
        break;
    }
    return cm_explain_rows_disclosed(node->child[0]);
}

const char *cm_explain_title(const cm_plan_node *node)
{
    switch (node->op) {
    case CM_PLAN_INPUT:
        return node->fragment->aggregated ? "Input aggregates" : "Input rows";
    case CM_PLAN_VALUES:
        return "Values";
    case CM_PLAN_STORED:
        return "Materialized view";
    case CM_PLAN_STORE:
        return "Store";
    case CM_PLAN_CONCAT:
        return "Append";
    case CM_PLAN_COMBINE:
        return "Combine aggregates";
    case CM_PLAN_FILTER:
        return "Filter";
    case CM_PLAN_PROJECT:
        return "Project";
    case CM_PLAN_JOIN:
        switch ((int)node->join.kind) {
        case CM_FROM_LEFT:
            return "Left join";
        case CM_FROM_SEMI:
            return "Semi join";
        case CM_FROM_ANTI:
            return "Anti join";
        default:
            return "Join";
        }
    case CM_PLAN_PRODUCT:
        return "All pairs";
    case CM_PLAN_JOIN_MANY:
        return "Join many to many";
    case CM_PLAN_RANGES:
        return "Aggregate matching rows";
    case CM_PLAN_NUMBER:
        return "Number rows";
    case CM_PLAN_AGGREGATE:
        return "Aggregate";
    case CM_PLAN_GROUP_DOMAIN:
        return "Group by public domain";
    case CM_PLAN_GROUP_SORT:
        return "Group by sort";
    case CM_PLAN_WINDOW:
        return "Window";
    case CM_PLAN_SORT:
        return "Sort";
    case CM_PLAN_LIMIT:
        break;
    }
    return "Limit";
}

static void put_join(const cm_plan_node *node, cm_buf *out)
{
    const cm_plan_col *unique = node->child[0]->col, *other = node->child[1]->col;

    if (node->join.keys == 0) {
        cm_buf_printf(out, "Every row with the one row of the first");
        return;
    }
    cm_buf_printf(out, "Keys: ");
    for (size_t i = 0; i < node->join.keys; i++) {
        cm_buf_printf(out, "%s%s = %s (%s)", i == 0 ? "" : ", ",
                      other[node->join.other_key[i]].name, unique[node->join.unique_key[i]].name,
                      node->check > 0 ? "unique, checked" : "unique");
    }
}

static void put_bound(const cm_plan_node *node, const cm_plan_bound *bound, const char *op,
                      cm_buf *out)
{
    if (bound->given) {
        bool first = node->join.keys == 0 && (op[0] == '>' || !node->range.lower.given);
        cm_buf_printf(out, "%s%s %s%s %s", first ? "" : ", ",
                      node->child[0]->col[node->range.order].name, op, bound->open ? "" : "=",
                      node->child[1]->col[bound->col].name);
    }
}

static void put_aggregates(const cm_plan_node *node, bool keyed, cm_buf *out);

/* Equalities, then the range. */
static void put_matches(const cm_plan_node *node, cm_buf *out)
{
    const cm_plan_col *points = node->child[0]->col, *intervals = node->child[1]->col;

    cm_buf_printf(out, "Where: ");
    for (size_t i = 0; i < node->join.keys; i++) {
        cm_buf_printf(out, "%s%s = %s", i == 0 ? "" : ", ", points[node->join.unique_key[i]].name,
                      intervals[node->join.other_key[i]].name);
    }
    put_bound(node, &node->range.lower, ">", out);
    put_bound(node, &node->range.upper, "<", out);
    put_aggregates(node, true, out);
    if (node->op == CM_PLAN_JOIN_MANY) {
        cm_buf_printf(out,
                      node->join.disclosed != NULL ? "; at most %llu rows, how many is disclosed"
                      : node->check > 0            ? "; at most %llu rows, checked"
                                                   : "; at most %llu rows",
                      (unsigned long long)node->rows);
    }
}

static void put_keys(const cm_plan_node *node, cm_buf *out)
{
    if (node->keys == 0) {
        return;
    }
    cm_buf_printf(out, "Keys: ");
    for (size_t i = 0; i < node->keys; i++) {
        cm_buf_printf(out, "%s%s", i == 0 ? "" : ", ", node->col[i].name);
    }
}

static void put_aggregates(const cm_plan_node *node, bool keyed, cm_buf *out)
{
    for (size_t i = 0; i < node->aggs; i++) {
        const cm_plan_agg *agg = &node->agg[i];
        cm_buf_printf(out, "%s%s(%s%s)",
                      i > 0    ? ", "
                      : !keyed ? "Aggregates: "
                               : "; aggregates: ",
                      agg->any ? "any" : cm_aggregate_name(agg->aggregate),
                      agg->distinct ? "distinct " : "",
                      agg->col < 0 ? "*" : node->child[0]->col[agg->col].name);
    }
}

/* What the owner sorts its rows by. */
static void put_sort(const cm_plan_node *node, cm_buf *out)
{
    for (size_t i = 0; i < node->sorts; i++) {
        cm_buf_printf(out, "%s%s%s", i == 0 ? "Delivers: sorted by " : ", ",
                      node->col[node->sort[i].target].name,
                      node->sort[i].descending ? " DESC" : "");
    }
}

static void put_runs(const cm_plan_node *node, cm_buf *out)
{
    size_t runs = node->runs[0].count + node->runs[1].count;

    if (runs > 0) {
        cm_buf_printf(out, "; merges %zu sorted run%s", runs, runs == 1 ? "" : "s");
    }
}

static void put_project(const cm_plan_node *node, cm_buf *out)
{
    for (size_t i = 0; i < node->cols; i++) {
        cm_buf_printf(out, i == 0 ? "Output: " : ", ");
        cm_explain_expr(node->expr[i], node->child[0], out);
    }
}

static void put_order(const cm_plan_node *node, cm_buf *out)
{
    cm_buf_printf(out, "Key: valid rows first");
    for (size_t i = 0; i < node->orders; i++) {
        cm_buf_printf(out, ", %s%s", node->col[node->order[i].target].name,
                      node->order[i].descending ? " DESC" : "");
    }
}

static void put_windows(const cm_plan_node *node, cm_buf *out)
{
    static const char *const names[] = {"row_number", "rank",        "dense_rank", "lag",
                                        "lead",       "first_value", "last_value", "count",
                                        "sum",        "min",         "max"};
    static const char *const frames[] = {" to the row", " to its peers", " of the partition",
                                         " around the row"};

    cm_buf_printf(out, "Functions: ");
    for (size_t i = 0; i < node->windows; i++) {
        const cm_plan_window *w = &node->window[i];
        cm_buf_printf(out, "%s%s(%s", i == 0 ? "" : ", ", names[w->function],
                      w->col >= 0                   ? node->child[0]->col[w->col].name
                      : w->function == CM_WIN_COUNT ? "*"
                                                    : "");
        if (w->offset > 0) {
            cm_buf_printf(out, ", %llu", (unsigned long long)w->offset);
        }
        cm_buf_printf(out, ")%s", w->function >= CM_WIN_LAST ? frames[w->frame] : "");
    }
    for (size_t i = 0; i < node->keys; i++) {
        cm_buf_printf(out, "%s%s", i == 0 ? "; partition by: " : ", ",
                      node->col[node->key[i]].name);
    }
    for (size_t i = 0; i < node->orders; i++) {
        cm_buf_printf(out, "%s%s%s", i == 0 ? "; order by: " : ", ",
                      node->col[node->order[i].target].name,
                      node->order[i].descending ? " DESC" : "");
    }
}

void cm_explain_detail(const cm_plan_node *node, cm_buf *out)
{
    switch (node->op) {
    case CM_PLAN_FILTER:
        cm_buf_printf(out, "Condition: ");
        cm_explain_expr(node->condition, node->child[0], out);
        return;
    case CM_PLAN_PROJECT:
        put_project(node, out);
        return;
    case CM_PLAN_JOIN:
        put_join(node, out);
        put_runs(node, out);
        return;
    case CM_PLAN_JOIN_MANY:
    case CM_PLAN_RANGES:
        put_matches(node, out);
        put_runs(node, out);
        return;
    case CM_PLAN_COMBINE:
    case CM_PLAN_AGGREGATE:
    case CM_PLAN_GROUP_DOMAIN:
    case CM_PLAN_GROUP_SORT:
        put_keys(node, out);
        put_aggregates(node, node->keys > 0, out);
        put_runs(node, out);
        return;
    case CM_PLAN_WINDOW:
        put_windows(node, out);
        put_runs(node, out);
        return;
    case CM_PLAN_SORT:
        put_order(node, out);
        return;
    case CM_PLAN_LIMIT:
        cm_buf_printf(out, "Rows: %llu after %llu", (unsigned long long)node->limit,
                      (unsigned long long)node->offset);
        return;
    case CM_PLAN_STORED:
        cm_buf_printf(out, "Kept: %s.%s", node->stored->org, node->stored->name);
        return;
    case CM_PLAN_INPUT:
        put_sort(node, out);
        return;
    case CM_PLAN_VALUES:
    case CM_PLAN_STORE:
    case CM_PLAN_CONCAT:
    case CM_PLAN_PRODUCT:
    case CM_PLAN_NUMBER:
        break;
    }
}

unsigned cm_explain_planes(const cm_plan_node *node)
{
    unsigned planes = 1; /* valid */

    for (size_t i = 0; i < node->cols; i++) {
        planes += node->col[i].enc.planes + (node->col[i].enc.nullable ? 1 : 0);
    }
    return planes;
}
