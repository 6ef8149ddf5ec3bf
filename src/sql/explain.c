/* EXPLAIN as text: a tree as PostgreSQL prints it, then who learns what. */
#include "sql/explain_int.h"

#include "proto/proto.h"

#include <string.h>

static void put_bytes(double bytes, cm_buf *out)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;

    while (bytes >= 10000 && unit + 1 < CM_COUNT(units)) {
        bytes /= 1000;
        unit++;
    }
    cm_buf_printf(out, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static void put_seconds(double seconds, cm_buf *out)
{
    if (seconds < 1) {
        cm_buf_printf(out, "%.1f ms", seconds * 1000);
    } else if (seconds < 600) {
        cm_buf_printf(out, "%.1f s", seconds);
    } else {
        cm_buf_printf(out, "%.1f h", seconds / 3600);
    }
}

static void put_traffic(double bytes, double rounds, double seconds, cm_buf *out)
{
    put_bytes(bytes, out);
    cm_buf_printf(out, ", %.0f round%s, ", rounds, rounds >= 0.5 && rounds < 1.5 ? "" : "s");
    put_seconds(seconds, out);
}

static void put_cost(const cm_plan_cost *cost, cm_buf *out)
{
    if (cost->ands > 0) {
        cm_buf_printf(out, "%.3g ANDs, ", cost->ands);
    }
    put_traffic(cost->bytes, cost->rounds, cost->seconds, out);
}

typedef struct printer {
    const cm_plan *plan;
    bool cost;
    const cm_measured *measured;
    cm_buf *out;
} printer;

static void indent(printer *p, unsigned columns)
{
    for (unsigned i = 0; i < columns; i++) {
        cm_buf_put_u8(p->out, ' ');
    }
}

static void put_line(printer *p, const cm_plan_node *node)
{
    cm_buf_printf(p->out, "%s  (", cm_explain_title(node));
    if (node->op == CM_PLAN_INPUT) {
        cm_buf_printf(p->out, "%s, in the clear", node->fragment->table->org);
    } else {
        cm_buf_printf(p->out, "MPC");
    }
    bool disclosed = cm_explain_rows_disclosed(node);
    cm_buf_printf(p->out, ", %s%llu row%s of %u planes%s", disclosed ? "at most " : "",
                  (unsigned long long)node->rows, node->rows == 1 ? "" : "s",
                  cm_explain_planes(node), disclosed ? ", disclosed at run time" : "");
    if (p->cost) {
        cm_buf_printf(p->out, "; ");
        put_cost(&node->cost, p->out);
    }
    cm_buf_printf(p->out, ")");
    if (p->measured != NULL) {
        const cm_measured *m = &p->measured[node->number];
        cm_buf_printf(p->out, " (actual: ");
        if (!disclosed) {
            cm_buf_printf(p->out, "%llu row%s, ", (unsigned long long)node->rows,
                          node->rows == 1 ? "" : "s");
        }
        put_traffic(m->bytes, m->rounds, m->seconds, p->out);
        cm_buf_printf(p->out, ")");
    }
    cm_buf_printf(p->out, "\n");
}

static void put_node(printer *p, const cm_plan_node *node, unsigned column)
{
    cm_buf detail = {0};

    put_line(p, node);
    cm_explain_detail(node, &detail);
    if (detail.bytes > 0) {
        indent(p, column + 2);
        cm_buf_printf(p->out, "%s\n", cm_buf_text(&detail));
    }
    cm_buf_free(&detail);
    if (node->op == CM_PLAN_INPUT) {
        indent(p, column + 2);
        cm_buf_printf(p->out, "SQL: ");
        cm_fragment_show(node->fragment, p->out);
        cm_buf_printf(p->out, "\n");
    }
    for (size_t i = 0; i < node->children; i++) {
        indent(p, column + 2);
        cm_buf_printf(p->out, "->  ");
        if (node->child[i]->parent == node) {
            put_node(p, node->child[i], column + 6);
        } else {
            cm_buf_printf(p->out, "The same again: ");
            put_line(p, node->child[i]);
        }
    }
}

static void put_total(printer *p)
{
    const cm_plan *plan = p->plan;

    cm_buf_printf(p->out, "Parties: ");
    for (size_t i = 0; i < plan->parties; i++) {
        cm_buf_printf(p->out, "%s%s", i == 0 ? "" : ", ", plan->party[i]);
    }
    cm_buf_printf(p->out, " (%s)\n", plan->protocol);
    if (plan->min_rows > 0) {
        cm_buf_printf(p->out, "Least rows of a group: %u\n", plan->min_rows);
    }
    if (p->cost) {
        cm_buf_printf(p->out, "Total, each party: ");
        put_cost(&plan->total, p->out);
        cm_buf_printf(p->out, ", ");
        put_bytes(plan->total.memory, p->out);
        cm_buf_printf(p->out, " of memory\n");
    }
    if (p->measured != NULL) {
        cm_measured sum = {0};
        for (size_t i = 0; i < plan->nodes; i++) {
            sum.bytes += p->measured[i].bytes;
            sum.rounds += p->measured[i].rounds;
            sum.seconds += p->measured[i].seconds;
        }
        cm_buf_printf(p->out, "Actual, this party: ");
        put_traffic(sum.bytes, sum.rounds, sum.seconds, p->out);
        cm_buf_printf(p->out, "\n");
    }
}

static void put_disclosure(const cm_plan *plan, cm_buf *out)
{
    cm_buf_printf(out, "Disclosure:\n");
    for (size_t i = 0; i < plan->disclosures; i++) {
        cm_buf_printf(out, "  %s: %s\n", plan->disclosure[i].to, plan->disclosure[i].what);
    }
    cm_protocol protocol; /* what all of the above rests on */
    if (cm_protocol_by_name(plan->protocol, &protocol) == CM_OK) {
        cm_buf_printf(out, "  Trust: %s withstands %s.\n", plan->protocol,
                      cm_protocol_info_of(protocol)->tolerates);
    }
}

void cm_explain_print(const cm_plan *plan, const cm_explain *options, const cm_measured *measured,
                      cm_buf *out)
{
    bool cost = options->cost || !options->disclosure;
    bool disclosure = options->disclosure || !options->cost;
    printer p = {.plan = plan, .cost = cost, .measured = measured, .out = out};

    if (options->json) {
        cm_explain_json(plan, cost, disclosure, measured, out);
        return;
    }
    put_node(&p, plan->root, 0);
    put_total(&p);
    if (disclosure) {
        put_disclosure(plan, out);
    }
}
