/* EXPLAIN as one JSON document, with PostgreSQL's shape: an array with one object, whose "Plan" is
 * the tree. */
#include "sql/explain_int.h"

#include <string.h>

static void indent(unsigned level, cm_buf *out)
{
    for (unsigned i = 0; i < 2 * level; i++) {
        cm_buf_put_u8(out, ' ');
    }
}

static void put_string(const char *text, cm_buf *out)
{
    cm_buf_put_u8(out, '"');
    for (; *text != 0; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            cm_buf_put_u8(out, '\\');
            cm_buf_put_u8(out, c);
        } else if (c < 0x20) {
            cm_buf_printf(out, "\\u%04x", c);
        } else {
            cm_buf_put_u8(out, c);
        }
    }
    cm_buf_put_u8(out, '"');
}

static void put_member(const char *name, unsigned level, cm_buf *out)
{
    cm_buf_printf(out, ",\n");
    indent(level, out);
    put_string(name, out);
    cm_buf_printf(out, ": ");
}

static void put_costs(const char *prefix, const cm_plan_cost *cost, unsigned level, cm_buf *out)
{
    const double value[] = {cost->ands, cost->bytes, cost->rounds, cost->seconds, cost->memory};
    static const char *const name[] = {"ANDs", "Bytes", "Rounds", "Seconds", "Memory"};

    for (size_t i = 0; i < CM_COUNT(value); i++) {
        cm_buf full = {0};
        cm_buf_printf(&full, "%s%s", prefix, name[i]);
        put_member(cm_buf_text(&full), level, out);
        cm_buf_printf(out, i == 3 ? "%.6f" : "%.0f", value[i]);
        cm_buf_free(&full);
    }
}

/* Rows are the public ones, padding included: how many count is nobody's to measure. */
static void put_measured(const cm_plan_node *node, const cm_measured *measured, unsigned level,
                         cm_buf *out)
{
    if (!cm_explain_rows_disclosed(node)) {
        put_member("Actual Rows", level, out);
        cm_buf_printf(out, "%llu", (unsigned long long)node->rows);
    }
    put_member("Actual Bytes", level, out);
    cm_buf_printf(out, "%.0f", measured->bytes);
    put_member("Actual Rounds", level, out);
    cm_buf_printf(out, "%.0f", measured->rounds);
    put_member("Actual Seconds", level, out);
    cm_buf_printf(out, "%.6f", measured->seconds);
}

static void put_input(const cm_plan_node *node, unsigned level, cm_buf *out)
{
    cm_buf sql = {0};

    cm_fragment_show(node->fragment, &sql);
    put_member("SQL", level, out);
    put_string(cm_buf_text(&sql), out);
    cm_buf_free(&sql);
}

static void put_node(const cm_plan_node *node, bool cost, const cm_measured *measured,
                     unsigned level, bool first, cm_buf *out)
{
    cm_buf detail = {0};

    cm_buf_printf(out, "{\n");
    indent(level + 1, out);
    cm_buf_printf(out, "\"Node Type\": ");
    put_string(cm_explain_title(node), out);
    put_member("Runs At", level + 1, out);
    put_string(node->op == CM_PLAN_INPUT ? node->fragment->table->org : "MPC", out);
    put_member("Plan Rows", level + 1, out);
    cm_buf_printf(out, "%llu", (unsigned long long)node->rows);
    if (cm_explain_rows_disclosed(node)) {
        put_member("Rows Disclosed At Run Time", level + 1, out);
        cm_buf_printf(out, "true");
    }
    put_member("Planes", level + 1, out);
    cm_buf_printf(out, "%u", cm_explain_planes(node));
    cm_explain_detail(node, &detail);
    if (detail.bytes > 0) {
        put_member("Detail", level + 1, out);
        put_string(cm_buf_text(&detail), out);
    }
    cm_buf_free(&detail);
    if (node->op == CM_PLAN_INPUT) {
        put_input(node, level + 1, out);
    }
    if (cost) {
        put_costs("", &node->cost, level + 1, out);
    }
    if (measured != NULL) {
        put_measured(node, &measured[node->number], level + 1, out);
    }
    if (!first) {
        put_member("Shared", level + 1, out); /* with a place above */
        cm_buf_printf(out, "true");
    }
    if (node->children > 0 && first) {
        put_member("Plans", level + 1, out);
        cm_buf_printf(out, "[");
        for (size_t i = 0; i < node->children; i++) {
            cm_buf_printf(out, "%s\n", i == 0 ? "" : ",");
            indent(level + 2, out);
            put_node(node->child[i], cost, measured, level + 2, node->child[i]->parent == node,
                     out);
        }
        cm_buf_printf(out, "\n");
        indent(level + 1, out);
        cm_buf_printf(out, "]");
    }
    cm_buf_printf(out, "\n");
    indent(level, out);
    cm_buf_printf(out, "}");
}

static void put_disclosure(const cm_plan *plan, cm_buf *out)
{
    put_member("Disclosure", 1, out);
    cm_buf_printf(out, "[");
    for (size_t i = 0; i < plan->disclosures; i++) {
        cm_buf_printf(out, "%s\n    {\"To\": ", i == 0 ? "" : ",");
        put_string(plan->disclosure[i].to, out);
        cm_buf_printf(out, ", \"What\": ");
        put_string(plan->disclosure[i].what, out);
        cm_buf_printf(out, "}");
    }
    cm_buf_printf(out, "\n  ]");
}

void cm_explain_json(const cm_plan *plan, bool cost, bool disclosure, const cm_measured *measured,
                     cm_buf *out)
{
    cm_buf_printf(out, "[{\n  \"Plan\": ");
    put_node(plan->root, cost, measured, 1, true, out);
    put_member("Protocol", 1, out);
    put_string(plan->protocol, out);
    put_member("Parties", 1, out);
    cm_buf_printf(out, "[");
    for (size_t i = 0; i < plan->parties; i++) {
        cm_buf_printf(out, "%s", i == 0 ? "" : ", ");
        put_string(plan->party[i], out);
    }
    cm_buf_printf(out, "]");
    put_member("Least Rows Of A Group", 1, out);
    cm_buf_printf(out, "%u", plan->min_rows);
    if (cost) {
        put_costs("Total ", &plan->total, 1, out);
    }
    if (disclosure) {
        put_disclosure(plan, out);
    }
    cm_buf_printf(out, "\n}]\n");
}
