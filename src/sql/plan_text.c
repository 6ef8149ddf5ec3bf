/*
 * The canonical text: everything that decides how a query is executed, and nothing else.  Two nodes
 * that print the same text execute the same plan; the digest of the text is what is agreed on.
 */
#include "sql/plan_int.h"

#include <string.h>

static void put_number(cm_i128 value, cm_buf *out)
{
    char digits[41];

    cm_buf_printf(out, "%s", cm_i128_print(value, digits));
}

static void put_range(cm_range range, cm_buf *out)
{
    cm_buf_printf(out, "[");
    put_number(range.lo, out);
    cm_buf_printf(out, "..");
    put_number(range.hi, out);
    cm_buf_printf(out, "]");
}

static void put_quoted(const char *text, cm_buf *out)
{
    cm_buf_printf(out, "'");
    for (; *text != 0; text++) {
        if (*text == '\'' || *text == '\\') {
            cm_buf_put_u8(out, '\\');
        }
        cm_buf_put_u8(out, (uint8_t)*text);
    }
    cm_buf_printf(out, "'");
}

/* An enum by its labels, because values are their ordinals. */
static void put_type(const cm_type *type, cm_buf *out)
{
    static const char *const names[] = {"unknown",  "bool",    "int2", "int4",
                                        "int8",     "numeric", "date", "timestamp",
                                        "interval", "enum",    "text"};

    cm_buf_printf(out, "%s", names[type->kind]);
    if (type->kind == CM_TYPE_NUMERIC) {
        cm_buf_printf(out, "(%d,%d%s)", type->precision, type->scale,
                      type->quotient ? ",quotient" : "");
    } else if (type->kind == CM_TYPE_TEXT) {
        cm_buf_printf(out, "(%u,%d)", type->max_bytes, (int)type->text);
    } else if (type->kind == CM_TYPE_ENUM) {
        for (size_t i = 0; i < type->labels->count; i++) {
            cm_buf_printf(out, "%s", i == 0 ? "(" : ",");
            put_quoted(type->labels->labels[i], out);
        }
        cm_buf_printf(out, ")");
    }
}

static const char *op_name(cm_expr_op op)
{
    static const char *const names[] = {
        [CM_X_CONST] = "const",
        [CM_X_PARAM] = "param",
        [CM_X_COLUMN] = "col",
        [CM_X_ADD] = "add",
        [CM_X_SUB] = "sub",
        [CM_X_MUL] = "mul",
        [CM_X_IDIV] = "idiv",
        [CM_X_QUOT] = "quot",
        [CM_X_MOD] = "mod",
        [CM_X_NEG] = "neg",
        [CM_X_ABS] = "abs",
        [CM_X_RESCALE] = "rescale",
        [CM_X_TRUNC] = "trunc",
        [CM_X_FLOOR] = "floor",
        [CM_X_CEIL] = "ceil",
        [CM_X_CAST] = "cast",
        [CM_X_EQ] = "eq",
        [CM_X_NE] = "ne",
        [CM_X_LT] = "lt",
        [CM_X_LE] = "le",
        [CM_X_GT] = "gt",
        [CM_X_GE] = "ge",
        [CM_X_NOT_DISTINCT] = "not_distinct",
        [CM_X_AND] = "and",
        [CM_X_OR] = "or",
        [CM_X_NOT] = "not",
        [CM_X_IS_NULL] = "is_null",
        [CM_X_IS_TRUE] = "is_true",
        [CM_X_IS_FALSE] = "is_false",
        [CM_X_IN] = "in",
        [CM_X_CASE] = "case",
        [CM_X_COALESCE] = "coalesce",
        [CM_X_NULLIF] = "nullif",
        [CM_X_GREATEST] = "greatest",
        [CM_X_LEAST] = "least",
        [CM_X_EXTRACT] = "extract",
        [CM_X_DATE_TRUNC] = "date_trunc",
        [CM_X_ADD_MONTHS] = "add_months",
        [CM_X_LIKE] = "like",
        [CM_X_LOWER] = "lower",
        [CM_X_UPPER] = "upper",
        [CM_X_LENGTH] = "length",
        [CM_X_SUBSTRING] = "substring",
        [CM_X_CONCAT] = "concat",
        [CM_X_TRIM] = "trim",
        [CM_X_REPLACE] = "replace",
        [CM_X_POSITION] = "position",
        [CM_X_STAT] = "statistic",
        [CM_X_AGG] = "aggregate",
    };

    return names[op];
}

static void put_const(const cm_expr *expr, cm_buf *out)
{
    if (expr->value.null) {
        cm_buf_printf(out, "null");
    } else if (expr->value.text != NULL) {
        put_quoted(expr->value.text, out);
    } else {
        put_number(expr->value.number, out);
    }
}

void cm_expr_print(const cm_expr *expr, cm_buf *out)
{
    if (expr->op == CM_X_COLUMN) {
        cm_buf_printf(out, "%u.%u", expr->rel, expr->index);
        return;
    }
    if (expr->op == CM_X_CONST) {
        put_const(expr, out);
        cm_buf_printf(out, ":");
        put_type(&expr->type, out);
        return;
    }
    cm_buf_printf(out, "(%s", op_name(expr->op));
    if (expr->op == CM_X_AGG) {
        cm_buf_printf(out, " %s%s%s", cm_aggregate_name(expr->aggregate),
                      expr->distinct ? " distinct" : "", expr->descending ? " desc" : "");
    }
    if (expr->index != 0 || expr->shift != 0) {
        cm_buf_printf(out, " #%u,%d", expr->index, expr->shift);
    }
    for (size_t i = 0; i < expr->args; i++) {
        cm_buf_printf(out, " ");
        cm_expr_print(expr->arg[i], out);
    }
    if (expr->filter != NULL) {
        cm_buf_printf(out, " filter ");
        cm_expr_print(expr->filter, out);
    }
    cm_buf_printf(out, "):");
    put_type(&expr->type, out);
}

static void put_list(const char *name, const unsigned *list, size_t count, cm_buf *out)
{
    if (count == 0) {
        return;
    }
    cm_buf_printf(out, " %s", name);
    for (size_t i = 0; i < count; i++) {
        cm_buf_printf(out, "%s%u", i == 0 ? "(" : ",", list[i]);
    }
    cm_buf_printf(out, ")");
}

static void put_domains(const cm_domain *domain, size_t count, cm_buf *out)
{
    for (size_t i = 0; domain != NULL && i < count; i++) {
        cm_buf_printf(out, " domain");
        put_range(domain[i].range, out);
        cm_buf_printf(out, "%s", domain[i].nullable ? "null" : "");
    }
}

/* The shape of what is read: a published table may change under its name. */
static void put_table(const cm_org_table *table, cm_buf *out)
{
    cm_buf_printf(out, "  table ");
    put_quoted(table->org, out);
    put_quoted(table->name, out);
    cm_buf_printf(out, " rows %llu", (unsigned long long)table->rows);
    for (size_t i = 0; i < table->cols; i++) {
        const cm_column *col = &table->col[i];
        cm_buf_printf(out, "\n    ");
        put_quoted(col->name, out);
        cm_buf_printf(out, " ");
        put_type(&col->type, out);
        put_range(col->range, out);
        cm_buf_printf(out, "%s%s", col->not_null ? " not_null" : "", col->unique ? " unique" : "");
    }
}

static void put_fragment(const cm_fragment *f, cm_buf *out)
{
    const char *from[CM_OWN_JOIN_MAX];

    for (size_t i = 0; i < cm_fragment_tables(f); i++) {
        cm_buf_printf(out, i == 0 ? "" : "\n");
        put_table(cm_fragment_table(f, i), out);
        from[i] = "t";
    }
    for (size_t i = 0; i < f->keys; i++) {
        cm_buf_printf(out, "\n  key ");
        cm_expr_print(f->key[i], out);
    }
    put_domains(f->domain, f->keys, out);
    for (size_t i = 0; i < f->outputs; i++) {
        cm_buf_printf(out, "\n  output ");
        cm_expr_print(f->output[i], out);
    }
    if (f->filter != NULL) {
        cm_buf_printf(out, "\n  where ");
        cm_expr_print(f->filter, out);
    }
    cm_buf_printf(out, "\n  sql ");
    cm_fragment_sql(f, CM_DIALECT_POSTGRES, from, out);
    cm_buf_printf(out, "\n");
}

static void put_order(const cm_order *order, size_t count, cm_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        cm_buf_printf(out, " order %u%s%s", order[i].target, order[i].descending ? " desc" : "",
                      order[i].nulls_first ? " nulls_first" : "");
    }
}

static void put_values(const cm_plan_node *node, cm_buf *out)
{
    for (size_t i = 0; node->value != NULL && i < node->rows * node->cols; i++) {
        const cm_value *value = &node->value[i];
        cm_buf_printf(out, "%s", i % node->cols == 0 ? "  row" : "");
        if (value->null) {
            cm_buf_printf(out, " null");
        } else if (node->col[i % node->cols].type.kind == CM_TYPE_TEXT) {
            cm_buf_printf(out, " ");
            put_quoted(value->text, out);
        } else {
            cm_buf_printf(out, " ");
            put_number(value->number, out);
        }
        cm_buf_printf(out, "%s", i % node->cols + 1 == node->cols ? "\n" : "");
    }
}

/* Everything that the owner publishes about it, by its digest. */
static void put_stored(const cm_plan_node *node, cm_buf *out)
{
    char hex[65];

    if (node->stored == NULL) {
        return;
    }
    cm_hash digest = cm_stored_digest(node->stored);
    cm_hash_hex(&digest, hex);
    cm_buf_printf(out, "  view ");
    put_quoted(node->stored->org, out);
    put_quoted(node->stored->name, out);
    cm_buf_printf(out, " %s", hex);
    put_list("columns", node->stored_col, node->cols, out);
    cm_buf_printf(out, "\n");
}

static void put_columns(const cm_plan_node *node, cm_buf *out)
{
    static const char *const kinds[] = {"number", "text", "digest"};

    for (size_t i = 0; i < node->cols; i++) {
        const cm_plan_col *col = &node->col[i];
        cm_buf_printf(out, "  col ");
        put_quoted(col->name, out);
        cm_buf_printf(out, " ");
        put_type(&col->type, out);
        cm_buf_printf(out, " %s", kinds[col->enc.kind]);
        if (col->enc.kind == CM_ENC_NUMBER) {
            put_range(col->range, out);
        }
        cm_buf_printf(out, " planes %u%s", col->enc.planes, col->enc.nullable ? " null" : "");
        if (node->combine != NULL) {
            cm_buf_printf(out, " combine %d", (int)node->combine[i]);
        }
        if (node->expr != NULL) {
            cm_buf_printf(out, " = ");
            cm_expr_print(node->expr[i], out);
        }
        cm_buf_printf(out, "\n");
    }
}

static void put_bound(const char *name, const cm_plan_bound *bound, unsigned order, cm_buf *out)
{
    if (bound->given) {
        cm_buf_printf(out, " %s%s(%u,%u)", bound->open ? "open_" : "", name, order, bound->col);
    }
}

static void put_runs(const cm_plan_node *node, cm_buf *out)
{
    for (size_t i = 0; i < CM_COUNT(node->runs); i++) {
        const cm_plan_runs *runs = &node->runs[i];
        for (size_t k = 0; k < runs->count; k++) {
            cm_buf_printf(out, k == 0 ? " runs(%u" : ",%u", runs->leaf[k]->number);
        }
        cm_buf_printf(out, runs->count > 0 ? ")" : "");
    }
    if (node->runs[0].count > 0) {
        cm_buf_printf(out, node->runs_valid_first ? " valid_first" : "");
    }
}

void cm_plan_print_node(const cm_plan_node *node, cm_buf *out)
{
    static const char *const ops[] = {
        "input",      "values",  "stored",    "concat", "combine", "filter",    "project",
        "join",       "product", "join_many", "ranges", "number",  "aggregate", "group_domain",
        "group_sort", "window",  "sort",      "limit",  "store"};
    static const char *const windows[] = {"row_number", "rank",  "dense_rank", "lag",
                                          "lead",       "first", "last",       "count",
                                          "sum",        "min",   "max"};
    static const char *const frames[] = {"rows", "peers", "partition", "sliding"};

    cm_buf_printf(out, "%s rows %llu", ops[node->op], (unsigned long long)node->rows);
    for (size_t i = 0; i < node->children; i++) {
        cm_buf_printf(out, " child %u", node->child[i]->number);
    }
    if (node->join.disclosed != NULL) {
        cm_buf_printf(out, " disclosed");
    }
    if (node->check > 0) {
        cm_buf_printf(out, " check %u", node->check);
    }
    if (node->op == CM_PLAN_JOIN || node->op == CM_PLAN_JOIN_MANY || node->op == CM_PLAN_RANGES) {
        cm_buf_printf(out, " kind %d", (int)node->join.kind);
        put_list("unique", node->join.unique_key, node->join.keys, out);
        put_list("other", node->join.other_key, node->join.keys, out);
        put_list("payload", node->join.payload, node->join.payloads, out);
        put_bound("lower", &node->range.lower, node->range.order, out);
        put_bound("upper", &node->range.upper, node->range.order, out);
    }
    if (node->key != NULL) {
        put_list("key", node->key, node->keys, out);
    }
    put_domains(node->domain, node->keys, out);
    for (size_t i = 0; i < node->aggs; i++) {
        const cm_plan_agg *agg = &node->agg[i];
        cm_buf_printf(out, " %s(%d%s)", agg->any ? "any" : cm_aggregate_name(agg->aggregate),
                      agg->col, agg->distinct ? " distinct" : "");
        if (agg->den > 0) {
            cm_buf_printf(out, "#%llu/%llu%s", (unsigned long long)agg->num,
                          (unsigned long long)agg->den, agg->descending ? " desc" : "");
        }
    }
    for (size_t i = 0; i < node->windows; i++) {
        const cm_plan_window *w = &node->window[i];
        cm_buf_printf(out, " %s(%d) offset %llu %s", windows[w->function], w->col,
                      (unsigned long long)w->offset, frames[w->frame]);
        if (w->frame == CM_WIN_SLIDING) {
            cm_buf_printf(out, "(%lld,%lld)", (long long)w->from, (long long)w->to);
        }
    }
    put_order(node->order, node->orders, out);
    put_order(node->sort, node->sorts, out);
    put_runs(node, out);
    if (node->op == CM_PLAN_LIMIT) {
        cm_buf_printf(out, " offset %llu limit %llu", (unsigned long long)node->offset,
                      (unsigned long long)node->limit);
    }
    cm_buf_printf(out, "\n");
    if (node->condition != NULL) {
        cm_buf_printf(out, "  condition ");
        cm_expr_print(node->condition, out);
        cm_buf_printf(out, "\n");
    }
    if (node->fragment != NULL) {
        put_fragment(node->fragment, out);
    }
    put_values(node, out);
    put_stored(node, out);
    put_columns(node, out);
}

void cm_plan_print(const cm_plan *plan, const char *const *node_text, const cm_schema *schema,
                   const cm_plan_settings *settings, cm_buf *out)
{
    cm_buf_printf(out, "comity plan 1\nfederation ");
    put_quoted(schema->federation, out);
    cm_buf_printf(out, " protocol ");
    put_quoted(schema->protocol, out);
    cm_buf_printf(out,
                  "\nsettings pushdown %d domain_max %u cross_owner_keys %d join_rows %llu "
                  "sorted_runs %d lanes %u%s rtt_us %.0f bytes_per_second %.0f\n",
                  settings->pushdown, settings->domain_max, settings->cross_owner_keys,
                  (unsigned long long)settings->join_rows, (int)settings->runs, settings->lanes,
                  settings->lanes_fixed ? " fixed" : "", settings->rtt_seconds * 1e6,
                  settings->bytes_per_second);
    for (size_t i = 0; i < plan->participants; i++) {
        cm_buf_printf(out, "%s ", i < plan->parties ? "party" : "participant");
        put_quoted(plan->participant[i], out);
        cm_buf_printf(out, "%s\n", i == plan->coordinator ? " coordinator" : "");
    }
    for (size_t i = 0; i < plan->nodes; i++) {
        cm_buf_printf(out, "node %zu ", i);
        cm_buf_put(out, node_text[i], strlen(node_text[i]));
    }
    for (size_t i = 0; i < plan->checks; i++) {
        cm_buf_printf(out, "check %zu %s ", i + 1, plan->check[i].sqlstate);
        put_quoted(plan->check[i].message, out);
        cm_buf_printf(out, "\n");
    }
    cm_buf_printf(out, "answer node %u%s min_rows %u", plan->root->number,
                  plan->shuffle_output ? " shuffled" : "", plan->min_rows);
    for (size_t i = 0; i < plan->outputs; i++) {
        cm_buf_printf(out, " %u ", plan->output[i]);
        put_quoted(plan->output_name[i], out);
    }
    put_order(plan->order, plan->orders, out);
    for (size_t i = 0; i < plan->disclosures; i++) {
        cm_buf_printf(out, "\ndiscloses to ");
        put_quoted(plan->disclosure[i].to, out);
        cm_buf_printf(out, " ");
        put_quoted(plan->disclosure[i].what, out);
    }
    cm_buf_printf(out, "\n");
}
