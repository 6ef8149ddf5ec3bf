/*
 * The cost model: what one computing party spends on a node, from public sizes alone.
 *
 * An AND gate costs a bit a row.  The counts follow docs/design/circuit.md and table.md.  Seconds
 * are those of the links, rounds times half a round trip and bytes over the rate, and those of the
 * processors: nearly everything that a party computes goes with the bytes that it sends, and what
 * it waits for with the rounds.  docs/performance.md compares with what TPC-H's queries took.
 */
#include "sql/plan_int.h"
#include "sql/stat.h"

#include "table/cost.h"
#include "table/table.h"

#include <string.h>

/* To wake up, take a message apart and start on the next, besides the link's own delay. */
static const double round_seconds = 25e-6;
/* What times below were measured beside, as cm_plan_settings.work_seconds. */
static const double usual_work = 3.2e-9;
/* A message's length. */
static const double header_bytes = 4;

typedef struct sizes {
    double ands, bytes, rounds;
    double work;        /* what is computed beyond what goes with the bytes, as bytes */
    size_t round_bytes; /* as for cm_mpc_round_bytes: what the operators choose by */
} sizes;

static double log2_up(double x)
{
    double bits = 0;

    while (x > 1) {
        x /= 2;
        bits++;
    }
    return bits;
}

/* A plane is whole words. */
static double plane_bytes(uint64_t rows)
{
    uint64_t words = (rows + 63) / 64;

    return 8.0 * (double)words;
}

static double planes_of(const cm_plan_node *node)
{
    double planes = 1; /* valid */

    for (size_t i = 0; i < node->cols; i++) {
        planes += node->col[i].enc.planes + node->col[i].enc.nullable;
    }
    return planes;
}

static double key_planes(const cm_plan_node *node, const unsigned *key, size_t keys)
{
    double planes = 1; /* valid first */

    for (size_t i = 0; i < keys; i++) {
        planes += node->col[key[i]].enc.planes + node->col[key[i]].enc.nullable;
    }
    return planes;
}

static void add(sizes *s, double ands, double rounds)
{
    s->ands += ands;
    s->rounds += rounds;
}

/* Four bits a plane and row over all three parties, in two rounds. */
static void add_shuffle(sizes *s, double rows, double planes)
{
    s->bytes += rows * planes * 4 / 3 / 8;
    s->rounds += 2;
}

/* The first rows in order, of rows of so many planes, keys among them; tags are shuffled first. */
static void add_order(sizes *s, double of, double rows, double keys, double planes)
{
    double tag = log2_up(of);
    cm_sort_cost cost =
        cm_table_order_cost((size_t)of, (size_t)rows, (unsigned)(keys + tag), s->round_bytes);

    add_shuffle(s, of, tag);
    add_shuffle(s, of, tag + planes);
    s->ands += cost.ands;
    s->bytes += (cost.bytes - cost.ands / 8);
    s->rounds += cost.rounds;
}

/* Six words and two bits a plane. */
static void add_partition(sizes *s, double rows, double planes)
{
    s->bytes += rows * (48 + planes / 4);
    s->rounds += 7;
}

/* ---- expressions ---- */

typedef struct gates {
    double ands, depth;
} gates;

static double width_of(const cm_expr *x)
{
    if (x->type.kind == CM_TYPE_TEXT || x->type.kind == CM_TYPE_UNKNOWN) {
        return 8.0 * x->type.max_bytes;
    }
    return cm_range_planes(x->range);
}

static double widest(const cm_expr *x)
{
    double width = width_of(x);

    for (size_t i = 0; i < x->args; i++) {
        double arg = width_of(x->arg[i]);
        width = arg > width ? arg : width;
    }
    return width;
}

/* Planes of a plain or two's-complement number: the multiplier does not know its least value. */
static double plain_width(const cm_expr *x)
{
    cm_range range = {x->range.lo < 0 ? x->range.lo : 0, x->range.hi > 0 ? x->range.hi : 0};

    return cm_range_planes(range);
}

static double product_ands(const cm_expr *x)
{
    const cm_expr *a = x->arg[0], *b = x->args == 2 ? x->arg[1] : a;

    if (a->op == CM_X_CONST || b->op == CM_X_CONST) { /* shifts and some additions */
        return a->op == b->op ? 0 : width_of(x) * width_of(a->op == CM_X_CONST ? a : b) / 3;
    }
    return 1.5 * plain_width(a) * plain_width(b);
}

static gates quotient_gates(double dividend, double divisor)
{
    return (gates){2.3 * dividend * (divisor + 12), dividend * (log2_up(divisor) + 2) / 4};
}

/* ANDs of the operation itself. */
static gates gates_of(const cm_expr *x)
{
    double w = widest(x), levels = log2_up(w), args = (double)x->args;

    switch (x->op) {
    case CM_X_CONST:
    case CM_X_PARAM:
    case CM_X_COLUMN:
    case CM_X_AGG:
    case CM_X_IS_NULL:
    case CM_X_NOT:
        return (gates){0, 0};
    case CM_X_ADD:
    case CM_X_SUB:
    case CM_X_NEG:
    case CM_X_ABS:
    case CM_X_CAST:
        return (gates){2 * w, levels + 1};
    case CM_X_MUL:
        return (gates){product_ands(x), 2 * levels};
    case CM_X_IDIV:
    case CM_X_MOD:
        return quotient_gates(w, width_of(x->arg[1]));
    case CM_X_QUOT:
        return quotient_gates(width_of(x->arg[0]) + 3.33 * x->shift, width_of(x->arg[1]));
    case CM_X_STAT: /* a division of the shifted product of two sums, and perhaps a root */
        w = 2 * width_of(x->arg[CM_STAT_N]) + width_of(x) * (cm_stat_is_root(x->index) ? 2 : 1);
        return (gates){2.5 * w * width_of(x->arg[CM_STAT_N]) * 2 + w * w, 2 * w + 3 * width_of(x)};
    case CM_X_RESCALE:
    case CM_X_TRUNC:
    case CM_X_FLOOR:
    case CM_X_CEIL:
        return x->type.scale >= x->arg[0]->type.scale ? (gates){2 * w, levels + 1}
                                                      : (gates){6 * w * 4, 4 * w};
    case CM_X_LT:
    case CM_X_LE:
    case CM_X_GT:
    case CM_X_GE:
        return (gates){2.75 * w, 1 + levels};
    case CM_X_EQ:
    case CM_X_NE:
    case CM_X_NOT_DISTINCT:
        return (gates){w, levels};
    case CM_X_AND:
    case CM_X_OR:
    case CM_X_IS_TRUE:
    case CM_X_IS_FALSE:
        return (gates){2 * args, log2_up(args) + 1};
    case CM_X_IN:
        return (gates){w * (args - 1), levels + log2_up(args)};
    case CM_X_CASE:
    case CM_X_COALESCE:
    case CM_X_NULLIF:
        return (gates){w * args / 2 + args, args};
    case CM_X_GREATEST:
    case CM_X_LEAST:
        return (gates){4 * w * args, args * (levels + 2)};
    case CM_X_EXTRACT: { /* a comparison for each year, or constant divisions */
        double years = (double)(x->arg[0]->range.hi - x->arg[0]->range.lo) / 365;
        double steps = x->index == CM_FIELD_YEAR ? years : 12 * years;
        return steps < 96 && x->arg[0]->type.kind == CM_TYPE_DATE
                   ? (gates){steps * width_of(x->arg[0]), 1 + levels}
                   : (gates){260 * w, 20 * w};
    }
    case CM_X_DATE_TRUNC:
    case CM_X_ADD_MONTHS:
        return (gates){80 * w, 20 * w};
    case CM_X_LIKE:
    case CM_X_LOWER:
    case CM_X_UPPER:
    case CM_X_LENGTH:
    case CM_X_SUBSTRING:
    case CM_X_CONCAT:
    case CM_X_TRIM:
    case CM_X_REPLACE:
    case CM_X_POSITION:
        break;
    }
    return (gates){0, 0};
}

static gates gates_below(const cm_expr *x)
{
    gates own = gates_of(x);
    double depth = 0;

    for (size_t i = 0; i < x->args; i++) {
        gates arg = gates_below(x->arg[i]);
        own.ands += arg.ands;
        depth = arg.depth > depth ? arg.depth : depth;
    }
    own.depth += depth;
    return own;
}

static void add_program(sizes *s, const cm_expr *const *exprs, size_t count, double rows)
{
    double ands = 0, depth = 0;

    for (size_t i = 0; i < count; i++) {
        gates g = gates_below(exprs[i]);
        ands += g.ands;
        depth = g.depth > depth ? g.depth : depth;
    }
    add(s, rows * ands, depth);
}

/* ---- operators ---- */

static void add_combine(sizes *s, const cm_plan_node *node)
{
    double planes = 0;

    for (size_t i = node->keys; i < node->cols; i++) {
        planes += node->col[i].enc.planes;
    }
    add(s, 2 * planes * (double)node->rows * (double)(node->children - 1),
        node->children > 1 ? log2_up(planes) + 1 : 0);
}

/* As many as there are, and of how many rows; rows holds them. */
enum { RUNS_MAX = 128 };
static cm_runs runs_of(const cm_plan_node *node, size_t *rows)
{
    cm_runs ret = {.rows = rows, .valid_first = node->runs_valid_first};

    for (size_t i = 0; i < CM_COUNT(node->runs); i++) {
        for (size_t k = 0; k < node->runs[i].count; k++) {
            CM_ASSERT(ret.count < RUNS_MAX);
            rows[ret.count++] = (size_t)node->runs[i].leaf[k]->rows;
        }
    }
    return ret;
}

static void add_cost(sizes *s, cm_sort_cost cost)
{
    s->ands += cost.ands;
    s->bytes += cost.bytes - cost.ands / 8; /* gates are counted at the end */
    s->rounds += cost.rounds;
    s->work += cost.work;
}

static void add_join(sizes *s, const cm_plan_node *node)
{
    const cm_plan_node *unique = node->child[0];
    double keys = key_planes(unique, node->join.unique_key, node->join.keys);
    double payload = key_planes(unique, node->join.payload, node->join.payloads);
    size_t rows[RUNS_MAX];

    if (node->join.keys == 0) { /* one row to all */
        add(s, (double)node->rows, 1);
        return;
    }
    const cm_join_size size = {.unique_rows = (size_t)unique->rows, /* planes without valid */
                               .other_rows = (size_t)node->child[1]->rows,
                               .key_planes = (unsigned)keys - 1,
                               .payload_planes = (unsigned)payload - 1,
                               .runs = runs_of(node, rows)};
    add_cost(s, cm_table_join_unique_cost(&size, s->round_bytes));
}

/* What matches what: JOIN_MANY and RANGES; lengths holds the runs. */
static cm_ranges_size ranges_size(const cm_plan_node *node, size_t *lengths)
{
    const cm_plan_node *points = node->child[0];
    cm_ranges_size size = {.points = (size_t)points->rows,
                           .intervals = (size_t)node->child[1]->rows,
                           .bounds = node->range.lower.given + node->range.upper.given,
                           .aggs = (unsigned)node->aggs + 1,
                           .runs = runs_of(node, lengths)};

    size.key_planes = (unsigned)key_planes(points, node->join.unique_key, node->join.keys) - 1;
    size.order_planes = size.bounds > 0 ? points->col[node->range.order].enc.planes : 0;
    for (size_t i = 0; i < node->aggs; i++) {
        size.sum_planes += node->agg[i].col < 0 ? 1 : points->col[node->agg[i].col].enc.planes + 1;
    }
    return size;
}

static void add_join_many(sizes *s, const cm_plan_node *node)
{
    size_t lengths[RUNS_MAX];
    cm_ranges_size size = ranges_size(node, lengths);

    add_cost(s, cm_table_join_many_cost(
                    &size, (size_t)node->rows, (unsigned)planes_of(node->child[1]),
                    (unsigned)key_planes(node->child[0], node->join.payload, node->join.payloads),
                    s->round_bytes));
}

static void add_ranges(sizes *s, const cm_plan_node *node)
{
    size_t lengths[RUNS_MAX];
    cm_ranges_size size = ranges_size(node, lengths);

    add_cost(s, cm_table_ranges_cost(&size, s->round_bytes));
}

/* Planes of what is added up, and whether a MIN or MAX is among it. */
static double aggregate_planes(const cm_plan_node *node, double *ret_extreme)
{
    double planes = 0;

    *ret_extreme = 0;
    for (size_t i = 0; i < node->aggs; i++) {
        const cm_plan_agg *agg = &node->agg[i];
        double own = agg->col < 0 ? 0 : node->child[0]->col[agg->col].enc.planes + 1.0;
        if (!agg->any &&
            (agg->aggregate == CM_AGGREGATE_MIN || agg->aggregate == CM_AGGREGATE_MAX ||
             cm_aggregate_is_ordered(agg->aggregate))) {
            *ret_extreme += own;
        } else {
            planes += own;
        }
    }
    return planes;
}

/*
 * Membership goes into the ring at a word a group, a value at two and a third of a byte a plane;
 * MIN and MAX are trees of selects.
 */
static void add_domain(sizes *s, const cm_plan_node *node)
{
    double rows = (double)node->child[0]->rows, groups = (double)node->rows, extreme;
    double planes = aggregate_planes(node, &extreme), sums = 0;

    for (size_t i = 0; i < node->aggs; i++) {
        sums += node->agg[i].aggregate == CM_AGGREGATE_SUM && node->agg[i].col >= 0;
    }
    add(s, rows * groups, 3);
    s->bytes += rows * (8 * groups + 16 * sums + planes / 3.5);
    s->bytes += groups * 8 * (double)(node->aggs + 1);
    s->rounds += 40;
    add(s, 4 * extreme * rows * groups, extreme > 0 ? log2_up(rows) * log2_up(extreme) : 0);
}

static void add_group_sort(sizes *s, const cm_plan_node *node)
{
    const cm_plan_node *child = node->child[0];
    double rows = (double)child->rows, keys = key_planes(child, node->key, node->keys), extreme;
    double planes = aggregate_planes(node, &extreme);

    for (size_t i = 0; i < node->aggs; i++) {
        keys += node->agg[i].distinct ? child->col[node->agg[i].col].enc.planes : 0;
    }
    size_t lengths[RUNS_MAX];
    cm_runs runs = runs_of(node, lengths);
    add_cost(s, cm_table_order_runs_cost((size_t)rows, (unsigned)keys, (unsigned)(planes + extreme),
                                         &runs, s->round_bytes));
    add(s, rows * keys, log2_up(keys) + 1);
    s->bytes += rows * 16 * (double)(node->aggs + 1);
    add_partition(s, rows, planes + extreme + keys);
    add(s, 8 * extreme * rows, extreme > 0 ? 2 * log2_up(rows) * (log2_up(extreme) + 1) : 0);
}

/* One sort with everything, conversions of sums, and scans of copies and of MIN and MAX. */
static void add_window(sizes *s, const cm_plan_node *node)
{
    const cm_plan_node *child = node->child[0];
    double rows = (double)node->rows, keys = key_planes(node, node->key, node->keys);
    double part = keys, copied = 0, extreme = 0, sums = 0;
    size_t lengths[RUNS_MAX];
    bool tells_ties = false;

    for (size_t i = 0; i < node->orders; i++) {
        keys += key_planes(node, &node->order[i].target, 1) - 1;
    }
    for (size_t i = 0; i < node->windows && !tells_ties; i++) {
        tells_ties = cm_plan_window_tells_ties(&node->window[i]);
    }
    if (tells_ties) {
        add_shuffle(s, rows, log2_up(rows)); /* tags; then what is no key */
    }
    cm_runs runs = runs_of(node, lengths);
    double payload = planes_of(child) > keys ? planes_of(child) - keys : 0;
    add_cost(s, cm_table_order_runs_cost((size_t)rows, (unsigned)keys, (unsigned)payload, &runs,
                                         s->round_bytes));
    add(s, rows * (keys + part), log2_up(keys) + 1);
    for (size_t i = 0; i < node->windows; i++) {
        const cm_plan_window *w = &node->window[i];
        double own = w->col < 0 ? log2_up(rows) : child->col[w->col].enc.planes + 1.0;
        if (w->function == CM_WIN_MIN || w->function == CM_WIN_MAX) {
            extreme += own;
        } else if (w->function == CM_WIN_SUM || w->function == CM_WIN_COUNT) {
            own += log2_up(rows);
            sums += own;
        }
        copied += w->function == CM_WIN_LAG || w->function == CM_WIN_LEAD ? 1 : 2 * own;
    }
    s->bytes += 16 * rows * (sums > 0 ? (double)node->windows : 0);
    add(s, rows * (3.3 * sums + 2 * copied + 8 * extreme + 2.5 * copied),
        4 * log2_up(rows) + (extreme > 0 ? 2 * log2_up(rows) * (log2_up(extreme) + 1) : 0) + 20);
}

static sizes sizes_of(const cm_plan_node *node, const cm_plan_settings *settings)
{
    sizes s = {.round_bytes = cm_round_bytes_of(settings->rtt_seconds, settings->bytes_per_second)};
    double rows = (double)node->rows, planes = planes_of(node);

    switch (node->op) {
    case CM_PLAN_INPUT:
        s.bytes = plane_bytes(node->rows) * planes;
        s.rounds = 1;
        break;
    case CM_PLAN_VALUES:
    case CM_PLAN_STORED:
    case CM_PLAN_STORE:
    case CM_PLAN_CONCAT:
    case CM_PLAN_NUMBER:
    case CM_PLAN_LIMIT:
        break;
    case CM_PLAN_JOIN_MANY:
        add_join_many(&s, node);
        break;
    case CM_PLAN_RANGES:
        add_ranges(&s, node);
        break;
    case CM_PLAN_PRODUCT:
        add(&s, rows, 1);
        break;
    case CM_PLAN_COMBINE:
        add_combine(&s, node);
        break;
    case CM_PLAN_FILTER:
        add_program(&s, &node->condition, 1, rows);
        add(&s, rows, 1);
        break;
    case CM_PLAN_PROJECT:
        add_program(&s, node->expr, node->cols, rows);
        break;
    case CM_PLAN_JOIN:
        add_join(&s, node);
        break;
    case CM_PLAN_AGGREGATE:
    case CM_PLAN_GROUP_DOMAIN:
        add_domain(&s, node);
        break;
    case CM_PLAN_GROUP_SORT:
        add_group_sort(&s, node);
        break;
    case CM_PLAN_WINDOW:
        add_window(&s, node);
        break;
    case CM_PLAN_SORT: {
        double keys = 1;
        for (size_t i = 0; i < node->orders; i++) {
            keys += key_planes(node, &node->order[i].target, 1);
        }
        add_order(&s, (double)node->child[0]->rows, rows, keys, planes);
        break;
    }
    }
    s.bytes += s.ands / 8 + header_bytes * s.rounds;
    return s;
}

static double seconds_of(sizes s, const cm_plan_settings *settings)
{
    return s.rounds * (settings->rtt_seconds / 2 + round_seconds) +
           s.bytes * (1 / settings->bytes_per_second + settings->work_seconds) +
           s.work * settings->work_seconds;
}

/* ---- lanes ---- */

/* A lane costs its links' handshakes, some 5 ms of a processor; so much work is worth that. */
static const double lane_work_seconds = 10e-3;

unsigned cm_plan_lanes(const cm_plan *plan, const cm_plan_settings *settings)
{
    double worth = plan->total.bytes * settings->work_seconds / lane_work_seconds;

    if (settings->lanes_fixed || worth >= settings->lanes) {
        return settings->lanes;
    }
    return worth < 1 ? 1 : (unsigned)worth;
}

/* ---- memory ---- */

/* Two components of everything. */
static double table_bytes(double rows, double planes)
{
    return rows * planes / 4;
}

/*
 * What the operator needs besides its children's tables and its own.  Rows that are sorted or
 * shuffled exist six times on the way, and a sort has batches of comparisons; sums over a domain
 * are two words a row and group or sum.
 */
static double working_bytes(const cm_plan_node *node)
{
    static const double batch_bytes = 350; /* a row */
    double rows = 0, planes = 0;

    if (node->op == CM_PLAN_AGGREGATE || node->op == CM_PLAN_GROUP_DOMAIN) {
        return (double)node->child[0]->rows * 16 * (double)(node->rows + node->aggs);
    }
    if (node->op != CM_PLAN_JOIN && node->op != CM_PLAN_JOIN_MANY && node->op != CM_PLAN_RANGES &&
        node->op != CM_PLAN_GROUP_SORT && node->op != CM_PLAN_SORT && node->op != CM_PLAN_WINDOW) {
        return 0;
    }
    /* Of a join's other rows, and of intervals, the keys alone are sorted. */
    bool first_alone = node->op == CM_PLAN_JOIN || node->op == CM_PLAN_RANGES;
    for (size_t i = 0; i < node->children; i++) {
        double own = planes_of(node->child[i]);
        rows += (double)node->child[i]->rows;
        planes = own > planes && (i == 0 || !first_alone) ? own : planes;
    }
    return 6 * table_bytes(rows, planes + log2_up(rows)) + batch_bytes * rows;
}

/* ---- an owner's own work ---- */

static bool count_node(const cm_expr *expr, void *arg)
{
    *(double *)arg += expr->op != CM_X_CONST;
    return true;
}

static double operations(const cm_expr *const *exprs, size_t count)
{
    double ret = 0;

    for (size_t i = 0; i < count; i++) {
        (void)cm_expr_walk(exprs[i], count_node, &ret);
    }
    return ret;
}

/* SQLite's speed, measured where a byte takes usual_work; a condition is taken to leave a third of
 * the rows. */
static double local_seconds(const cm_plan_node *node, const cm_plan_settings *settings)
{
    const cm_fragment *f = node->fragment;
    double rows = 0, left = f->filter == NULL ? 1 : 1.0 / 3;

    for (size_t i = 0; i < cm_fragment_tables(f); i++) {
        rows += (double)cm_fragment_table(f, i)->rows;
    }
    double row = 1e-7 + (f->filter == NULL ? 0 : 1e-8 * operations(&f->filter, 1));

    if (f->aggregated) {
        row += left * 5e-8 * (operations(f->output, f->outputs) + operations(f->key, f->keys));
    } else {
        row += left * 1.2e-7 * (double)f->outputs;
        row += node->sorts > 0 ? left * 1e-8 * log2_up(rows) : 0;
    }
    return (1e-3 + rows * row) * settings->work_seconds / usual_work;
}

void cm_plan_cost_node(cm_plan_node *node, const cm_plan_settings *settings)
{
    sizes s = sizes_of(node, settings);

    node->cost = (cm_plan_cost){.ands = s.ands, .bytes = s.bytes, .rounds = s.rounds};
    node->cost.seconds = seconds_of(s, settings);
    node->cost.memory = table_bytes((double)node->rows, planes_of(node)) + working_bytes(node);
    if (node->fragment != NULL) {
        node->cost.seconds += local_seconds(node, settings);
    }
}

double cm_plan_cost_group(const cm_plan_node *node, const cm_plan_settings *settings)
{
    return seconds_of(sizes_of(node, settings), settings);
}

/* ---- the whole ---- */

static void total_cost(cm_plan_cost *to, const cm_plan_cost *cost)
{
    to->ands += cost->ands;
    to->bytes += cost->bytes;
    to->rounds += cost->rounds;
    to->seconds += cost->seconds;
}

/* Owners read and share at the same time: the one with most to do counts. */
static void add_inputs(cm_plan *plan)
{
    cm_plan_cost most = {0};

    for (size_t p = 0; p < plan->participants; p++) {
        cm_plan_cost own = {0};
        for (size_t i = 0; i < plan->nodes; i++) {
            const cm_plan_node *node = plan->node[i];
            if (node->fragment != NULL &&
                strcmp(node->fragment->table->org, plan->participant[p]) == 0) {
                total_cost(&own, &node->cost);
            }
        }
        most.bytes = own.bytes > most.bytes ? own.bytes : most.bytes;
        most.seconds = own.seconds > most.seconds ? own.seconds : most.seconds;
        most.rounds = own.rounds > most.rounds ? own.rounds : most.rounds;
    }
    total_cost(&plan->total, &most);
}

/* Shuffled where that is needed, masked, and opened to the coordinator. */
static void add_answer(cm_plan *plan, const cm_plan_settings *settings)
{
    sizes s = {0};
    double rows = (double)plan->root->rows, planes = 1;

    for (size_t i = 0; i < plan->outputs; i++) {
        const cm_encoding *enc = &plan->root->col[plan->output[i]].enc;
        planes += enc->planes + enc->nullable;
    }
    if (plan->shuffle_output) {
        add_shuffle(&s, rows, planes);
    }
    add(&s, rows * planes, 2);
    s.bytes += plane_bytes(plan->root->rows) * planes + s.ands / 8;
    s.rounds += 2;
    s.bytes += header_bytes * s.rounds;
    const cm_plan_cost cost = {
        .ands = s.ands, .bytes = s.bytes, .rounds = s.rounds, .seconds = seconds_of(s, settings)};
    total_cost(&plan->total, &cost);
}

/* The most that is there at one time: tables that are still read, and what the node works with. */
static double peak_memory(const cm_plan *plan, double *alive)
{
    static const double process_bytes = 18e6;
    double now = process_bytes, peak = now;

    for (size_t i = 0; i < plan->nodes; i++) {
        const cm_plan_node *node = plan->node[i];
        alive[i] = table_bytes((double)node->rows, planes_of(node));
        now += alive[i];
        double here = now + working_bytes(node);
        peak = here > peak ? here : peak;
        for (size_t c = 0; c < node->children; c++) {
            bool again = false;
            for (size_t j = i + 1; j < plan->nodes && !again; j++) {
                for (size_t k = 0; k < plan->node[j]->children; k++) {
                    again = again || plan->node[j]->child[k] == node->child[c];
                }
            }
            if (!again) {
                now -= alive[node->child[c]->number];
                alive[node->child[c]->number] = 0;
            }
        }
    }
    return peak;
}

void cm_plan_cost_total(cm_plan *plan, const cm_plan_settings *settings, cm_arena *arena)
{
    plan->total = (cm_plan_cost){0};
    for (size_t i = 0; i < plan->nodes; i++) {
        cm_plan_node *node = (cm_plan_node *)(uintptr_t)plan->node[i];
        cm_plan_cost_node(node, settings);
        if (node->fragment == NULL) {
            total_cost(&plan->total, &node->cost);
        }
    }
    add_inputs(plan);
    add_answer(plan, settings);
    plan->total.memory = peak_memory(plan, CM_NEW_SMALL(arena, double, plan->nodes + 1));
}
