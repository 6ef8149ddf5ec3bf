/* What operators cost: sums over their steps, in the order of docs/design/table.md. */
#include "table/cost.h"

#include "table/table_int.h"

static void add_cost(cm_sort_cost *cost, cm_sort_cost more)
{
    cost->ands += more.ands;
    cost->bytes += more.bytes;
    cost->rounds += more.rounds;
    cost->work += more.work;
}

static void add_gates(cm_sort_cost *cost, double rows, double ands, double rounds)
{
    cost->ands += rows * ands;
    cost->bytes += rows * ands / 8;
    cost->rounds += rounds;
}

static void add_bytes(cm_sort_cost *cost, double bytes, double rounds)
{
    cost->bytes += bytes;
    cost->rounds += rounds;
}

void cm_cost_add_shuffle(cm_sort_cost *cost, double rows, double planes)
{
    add_bytes(cost, rows * planes / 6, 2);
}

void cm_cost_add_place(cm_sort_cost *cost, double rows, double planes, double place)
{
    cm_cost_add_shuffle(cost, rows, planes + place);
    add_bytes(cost, rows * place / 8, 1);
}

static void add_place(cm_sort_cost *cost, double rows, double planes)
{
    cm_cost_add_place(cost, rows, planes, cm_bits_for((size_t)rows));
}

void cm_cost_add_partition(cm_sort_cost *cost, double rows, double planes)
{
    cm_cost_add_shuffle(cost, rows, planes + 64);
    add_bytes(cost, rows * (8 + 8 + 8), 4);
}

/* proto.h: some rounds, and 24 to 34 bytes a row from 8 to 64 planes. */
static void add_bits_to_ring(cm_sort_cost *cost, double rows, unsigned planes)
{
    bool few = planes <= 5;

    add_bytes(cost, rows * (few ? (8.0 * planes + 16) / 3 : 22.5 + 0.18 * planes), few ? 2 : 10);
}

static void add_ring_to_bits(cm_sort_cost *cost, double rows, unsigned planes)
{
    add_bytes(cost, rows * 0.4 * planes, 9);
}

/* What a planner asks, which has no memory of its own. */
static cm_sort_cost order_cost(const cm_order *order, size_t round_bytes)
{
    cm_arena scratch;
    cm_status st = cm_arena_init(&scratch, (size_t)1 << 30);

    CM_ASSERT(st == CM_OK); /* address space alone */
    cm_sort_cost ret = cm_order_cost(order, round_bytes, scratch);
    cm_arena_fini(&scratch);
    return ret;
}

cm_sort_cost cm_table_order_runs_cost(size_t rows, unsigned key_planes, unsigned payload_planes,
                                      const cm_runs *runs, size_t round_bytes)
{
    const cm_order order = {.rows = rows,
                            .tag = cm_bits_for(rows),
                            .key = key_planes,
                            .payload = payload_planes,
                            .invalid_flag = true,
                            .runs = *runs};

    return order_cost(&order, round_bytes);
}

/* Marks, and a scan of about two selects a row. */
static void add_join_scan(cm_sort_cost *cost, const cm_join_size *size, unsigned key_planes)
{
    double rows = (double)(size->unique_rows + size->other_rows);

    add_gates(cost, rows, key_planes + 3, cm_bits_for(1 + key_planes) + 1);
    add_gates(cost, rows, 2 * (2 + size->payload_planes), 2 * cm_bits_for((size_t)rows));
}

cm_sort_cost cm_join_sort_cost(const cm_join_size *size, size_t round_bytes, cm_arena scratch)
{
    size_t count = size->unique_rows + size->other_rows;
    unsigned keys = size->key_planes, payload = size->payload_planes;
    double rows = (double)count, carried = 1 + keys + payload;
    const cm_order order = {.rows = count,
                            .tag = cm_bits_for(count),
                            .key = 1 + keys,
                            .payload = payload + 1,
                            .runs = {.way = CM_ORDER_SORT}};
    cm_sort_cost ret = cm_order_cost(&order, round_bytes, scratch);

    cm_sort_cost scan = {0}, partition = {0};
    add_join_scan(&scan, size, keys);
    cm_cost_add_partition(&partition, rows, carried + cm_bits_for(count));
    add_place(&partition, rows, carried);
    add_gates(&partition, rows, keys + 1, cm_bits_for(1 + keys));
    bool scans = partition.bytes + partition.rounds * (double)round_bytes >
                 scan.bytes + scan.rounds * (double)round_bytes;
    add_cost(&ret, scans ? scan : partition);
    add_place(&ret, rows, 1 + payload);
    return ret;
}

cm_sort_cost cm_join_merge_cost(const cm_join_size *size, size_t round_bytes, cm_arena scratch)
{
    size_t count = size->unique_rows + size->other_rows;
    unsigned key = size->key_planes + size->null_planes + size->runs.valid_first;
    cm_order order = {.rows = count,
                      .tag = cm_bits_for(count),
                      .key = 1 + key,
                      .payload = 1 + size->payload_planes,
                      .keep_tag = true,
                      .runs = size->runs};

    order.runs.way = CM_ORDER_MERGE;
    cm_sort_cost ret = cm_order_cost(&order, round_bytes, scratch);
    add_join_scan(&ret, size, key);
    add_place(&ret, (double)count, 1 + size->payload_planes);
    return ret;
}

static double price_of(cm_sort_cost cost, size_t round_bytes)
{
    return cost.bytes + cost.work + cost.rounds * (double)round_bytes;
}

static cm_sort_cost cheaper(cm_sort_cost a, cm_sort_cost b, size_t round_bytes)
{
    return price_of(b, round_bytes) < price_of(a, round_bytes) ? b : a;
}

cm_sort_cost cm_table_join_unique_cost(const cm_join_size *size, size_t round_bytes)
{
    unsigned keys = size->key_planes, payload = size->payload_planes;
    cm_arena scratch;
    cm_status st = cm_arena_init(&scratch, (size_t)1 << 30);

    CM_ASSERT(st == CM_OK); /* address space alone */
    cm_sort_cost ret = cm_join_sort_cost(size, round_bytes, scratch);
    if (size->runs.count > 0) {
        ret = cheaper(ret, cm_join_merge_cost(size, round_bytes, scratch), round_bytes);
    }
    if (keys <= CM_LOOKUP_KEY_MAX) {
        ret = cheaper(ret, cm_lookup_cost(size->unique_rows, size->other_rows, keys, 1 + payload),
                      round_bytes);
    }
    cm_arena_fini(&scratch);
    add_gates(&ret, (double)size->other_rows, 1, 1);
    return ret;
}

/* Absent bounds: marks, and a scan of about two selects a row. */
static void add_edges(cm_sort_cost *cost, const cm_ranges_size *size, size_t rows, double totals)
{
    add_gates(cost, (double)rows, size->key_planes, cm_bits_for(size->key_planes));
    add_gates(cost, (double)rows, 2 * (totals + 1), 2 * cm_bits_for(rows));
}

cm_sort_cost cm_table_ranges_cost(const cm_ranges_size *size, size_t round_bytes)
{
    size_t rows = size->points + (size->bounds > 1 ? 2 : 1) * size->intervals;
    unsigned rank = cm_bits_for(size->points + 1);
    double totals = rank + size->sum_planes + size->aggs * rank;
    cm_sort_cost ret = {0};

    if (size->points == 0 || rows < 2) {
        return ret;
    }
    add_gates(&ret, (double)size->points, 1 + size->sum_planes, 3);
    if (size->key_planes + size->order_planes > 0) {
        const cm_order order = {.rows = rows,
                                .tag = cm_bits_for(rows),
                                .key =
                                    size->key_planes + (size->bounds > 0 ? size->order_planes : 0),
                                .payload = 1 + size->sum_planes,
                                .stable = true,
                                .keep_tag = true,
                                .runs = size->runs};
        add_cost(&ret, order_cost(&order, round_bytes));
    }
    add_bytes(&ret, 8 * (double)rows, 2);
    add_ring_to_bits(&ret, (double)rows, rank);
    for (unsigned i = 0; i < size->aggs; i++) {
        unsigned planes = size->sum_planes / size->aggs;
        add_bits_to_ring(&ret, (double)rows, planes);
        add_ring_to_bits(&ret, (double)rows, planes + rank);
    }
    if (size->bounds < 2) {
        add_edges(&ret, size, rows, totals);
    }
    add_place(&ret, (double)rows, size->bounds < 2 ? 2 * totals : totals);
    add_gates(&ret, (double)size->intervals, 4 * totals, cm_bits_for((size_t)totals) + 2);
    return ret;
}

cm_sort_cost cm_table_expand_cost(size_t table_rows, size_t rows, unsigned planes,
                                  unsigned count_planes)
{
    double from = (double)table_rows, to = (double)rows, front = from < to ? from : to;
    unsigned place = cm_bits_for(rows);
    cm_sort_cost ret = {0};

    if (table_rows == 0) {
        return ret;
    }
    add_gates(&ret, from, 2 * count_planes, cm_bits_for(count_planes) + 1);
    add_bits_to_ring(&ret, from, count_planes);
    add_ring_to_bits(&ret, from, place);
    add_bytes(&ret, 0, 9 + 7); /* the sum of counts */
    cm_cost_add_partition(&ret, from, planes + place + 1);
    add_gates(&ret, front, 3 * place, cm_bits_for(place) + 2);
    add_gates(&ret, to, place * (place + 1) / 2.0, place);
    cm_cost_add_partition(&ret, to, place);
    add_gates(&ret, front, planes + place, 1);
    add_place(&ret, to, planes + place);
    add_gates(&ret, to, 5 * place, cm_bits_for(place) + 2);
    return ret;
}

cm_sort_cost cm_table_join_many_cost(const cm_ranges_size *size, size_t rows,
                                     unsigned interval_planes, unsigned payload_planes,
                                     size_t round_bytes)
{
    unsigned rank = cm_bits_for(size->points + 1);
    cm_sort_cost ret = cm_table_ranges_cost(size, round_bytes);

    add_cost(&ret, cm_table_expand_cost(size->intervals, rows, interval_planes + rank + 1, rank));
    add_gates(&ret, (double)rows, 2 * rank, cm_bits_for(rank) + 1);
    const cm_join_size join = {.unique_rows = size->points,
                               .other_rows = rows,
                               .key_planes = rank,
                               .payload_planes = payload_planes};
    add_cost(&ret, cm_table_join_unique_cost(&join, round_bytes));
    return ret;
}
