/* Every operator of table/table.h.  Column 1 of a secret table may be NULL. */
#include "oblivious/cases.h"

#include "table/table_int.h"

static const unsigned KEY_VALUE[] = {7, 12, 0};

/* Enough rows for more than one level of pivots. */
enum { SORT_ROWS = 700 };

static void run_sort(oblivious_party *p)
{
    static const cm_sort_key keys[] = {{.col = 1, .descending = true}, {.col = 0}};
    cm_table t = secret_table(p, SORT_ROWS, KEY_VALUE);

    check(cm_table_sort(p->mpc, &t, keys, 2, true, p->arena, p->scratch));
    check_table(&t);
}

/* With all columns in the network, and with those that are no key behind the tag. */
static void run_merge(oblivious_party *p)
{
    static const cm_sort_key keys[] = {{.col = 1, .descending = true}, {.col = 0}};
    static const size_t rows[] = {SORT_ROWS / 2, 1, SORT_ROWS - SORT_ROWS / 2 - 1};
    static const unsigned wide[] = {7, 12, 200, 0};

    for (unsigned flags = 0; flags < 4; flags++) {
        cm_table t = secret_table(p, SORT_ROWS, flags % 2 == 0 ? KEY_VALUE : wide);
        const cm_runs runs = {3, rows, flags < 2, CM_ORDER_MERGE};
        check(cm_table_sort_runs(p->mpc, &t, keys, 2, true, &runs, p->arena, p->scratch));
        check_table(&t);
    }
}

/* So many rows that the first are selected. */
static void run_order(oblivious_party *p)
{
    static const cm_sort_key key[] = {{.col = 1}};
    static const unsigned planes[] = {4, 9, 0};
    cm_table t = secret_table(p, 8 * SORT_ROWS, planes), first;

    for (size_t rows = 1; rows <= 8 * SORT_ROWS; rows *= 8 * SORT_ROWS) {
        check(cm_table_order(p->mpc, &t, key, 1, rows, p->arena, &first, p->scratch));
        check_table(&first);
        check_bits(first.valid);
    }
}

static void run_partition(oblivious_party *p)
{
    cm_table t = secret_table(p, ROWS, KEY_VALUE);

    check(cm_table_partition(p->mpc, &t, secret_bits(p, 1, ROWS), p->arena, p->scratch));
    check_table(&t);
}

static void run_rows(oblivious_party *p)
{
    cm_table parts[] = {secret_table(p, 3, KEY_VALUE), secret_table(p, ROWS, KEY_VALUE)};
    cm_table all = cm_table_concat(p->mpc, parts, 2, p->arena), head;

    check(cm_table_filter(p->mpc, &all, secret_bits(p, 1, all.rows), p->scratch));
    check(cm_table_shuffle(p->mpc, &all, p->scratch));
    check(cm_table_head(p->mpc, &all, 5, p->arena, &head));
    check_table(&head);
}

static void run_join(oblivious_party *p)
{
    static const unsigned key[] = {0}, payload[] = {1};
    static const size_t unique_rows[] = {5, 15}, other_rows[] = {ROWS};
    cm_table unique = secret_table(p, 20, KEY_VALUE), other = secret_table(p, ROWS, KEY_VALUE);

    for (cm_join_kind kind = CM_JOIN_INNER; kind <= CM_JOIN_ANTI; kind++) {
        bool carries = kind == CM_JOIN_INNER || kind == CM_JOIN_LEFT;
        cm_bcol duplicate;
        cm_join_spec spec = {.kind = kind,
                             .keys = 1,
                             .unique_key = key,
                             .other_key = key,
                             .payload_cols = carries ? 1 : 0,
                             .payload = payload,
                             .ret_duplicate = carries ? &duplicate : NULL,
                             .unique_runs = {.count = 2, .rows = unique_rows},
                             .other_runs = {.count = 1, .rows = other_rows}};
        cm_table joined;
        for (cm_join_way way = CM_JOIN_WAY_BEST; way <= CM_JOIN_WAY_LOOKUP; way++) {
            check(cm_join_unique_by(p->mpc, &unique, &other, &spec, way, p->arena, &joined,
                                    p->scratch));
            check_table(&joined);
            check_bits(joined.valid);
            if (carries) {
                check_bits(duplicate);
            }
        }
    }
}

/* Both bounds and none; one column serves as both bounds. */
static void run_ranges(oblivious_party *p)
{
    static const unsigned key[] = {0}, planes[] = {3, 9, 9, 0};
    static const cm_agg aggs[] = {{.kind = CM_AGG_SUM, .col = 1, .planes = 20},
                                  {.kind = CM_AGG_COUNT, .col = 1, .planes = 8}};
    cm_table points = secret_table(p, ROWS, planes), intervals = secret_table(p, 20, planes);

    for (unsigned given = 0; given < 4; given++) {
        cm_range_spec spec = {.keys = 1,
                              .point_key = key,
                              .interval_key = key,
                              .lower = {.given = given % 2 != 0, .col = 1},
                              .upper = {.given = given / 2 != 0, .open = true, .col = 2},
                              .order = 1,
                              .aggs = CM_COUNT(aggs),
                              .agg = aggs};
        cm_ranges ranges;
        check(cm_table_ranges(p->mpc, &points, &intervals, &spec, p->arena, &ranges, p->scratch));
        check_bits(ranges.first);
        check_bits(ranges.count);
        check_bits(ranges.rank);
        check_bits(ranges.live);
        check_bits(ranges.agg[0].data);
        check_bits(ranges.agg[1].data);
    }
}

/* Of these random counts, some overflow. */
static void run_expand(oblivious_party *p)
{
    cm_table t = secret_table(p, ROWS, KEY_VALUE), copies;

    for (size_t rows = 10; rows < 200; rows += 90) {
        cm_bcol overflow;
        check(cm_table_expand(p->mpc, &t, secret_bits(p, 2, ROWS), rows == 100, rows, p->arena,
                              &copies, &overflow, p->scratch));
        check_table(&copies);
        check_bits(copies.valid);
        check_bits(overflow);
    }
}

static void run_join_many(oblivious_party *p)
{
    static const unsigned key[] = {0}, payload[] = {1};
    cm_table points = secret_table(p, 20, KEY_VALUE), intervals = secret_table(p, 30, KEY_VALUE);

    for (cm_join_kind kind = CM_JOIN_INNER; kind <= CM_JOIN_ANTI; kind++) {
        cm_join_many_spec spec = {.kind = kind,
                                  .range = {.keys = 1, .point_key = key, .interval_key = key},
                                  .payload_cols = 1,
                                  .payload = payload,
                                  .rows = 40};
        cm_table joined;
        cm_bcol overflow;
        check(cm_table_join_many(p->mpc, &points, &intervals, &spec, p->arena, &joined, &overflow,
                                 p->scratch));
        check_table(&joined);
        check_bits(joined.valid);
    }
}

static const cm_agg AGGREGATES[] = {
    {.kind = CM_AGG_COUNT_ROWS, .col = 0, .planes = 8},
    {.kind = CM_AGG_COUNT, .col = 1, .planes = 8},
    {.kind = CM_AGG_SUM, .col = 1, .planes = 20},
    {.kind = CM_AGG_MIN, .col = 1, .planes = 12},
    {.kind = CM_AGG_MAX, .col = 0, .planes = 7},
};

static void run_aggregate(oblivious_party *p)
{
    cm_table t = secret_table(p, ROWS, KEY_VALUE), one;

    check(cm_table_aggregate(p->mpc, &t, AGGREGATES, CM_COUNT(AGGREGATES), p->arena, &one,
                             p->scratch));
    check_table(&one);
}

static void run_group_domain(oblivious_party *p)
{
    static const unsigned planes[] = {2, 12, 0}, key[] = {0};
    static const cm_u128 domain[] = {0, 1, 2};
    cm_table t = secret_table(p, ROWS, planes), groups;
    cm_agg aggs[CM_COUNT(AGGREGATES)];

    for (size_t i = 0; i < CM_COUNT(aggs); i++) {
        aggs[i] = AGGREGATES[i];
        aggs[i].planes = aggs[i].kind == CM_AGG_MAX ? planes[0] : aggs[i].planes;
    }
    check(cm_table_group_domain(p->mpc, &t, key, 1, domain, CM_COUNT(domain), aggs, CM_COUNT(aggs),
                                p->arena, &groups, p->scratch));
    check_table(&groups);
    check_bits(groups.valid);
}

static void run_group_sort(oblivious_party *p)
{
    static const unsigned key[] = {1}, both[] = {1, 0};
    static const size_t rows[] = {ROWS / 3, ROWS - ROWS / 3};
    const cm_runs runs = {2, rows, false, CM_ORDER_MERGE};
    cm_agg aggs[CM_COUNT(AGGREGATES) + 1];
    cm_table t = secret_table(p, ROWS, KEY_VALUE), groups;

    for (size_t i = 0; i < CM_COUNT(AGGREGATES); i++) {
        aggs[i] = AGGREGATES[i];
    }
    aggs[CM_COUNT(AGGREGATES)] = (cm_agg){.kind = CM_AGG_COUNT_DISTINCT, .col = 0, .planes = 8};
    check(cm_table_group_sort(p->mpc, &t, key, 1, 0, aggs, CM_COUNT(aggs), NULL, p->arena, &groups,
                              p->scratch));
    check_table(&groups);
    check(cm_table_group_sort(p->mpc, &t, both, 2, 10, aggs, 3, &runs, p->arena, &groups,
                              p->scratch));
    check_table(&groups);
}

static void run_percentiles(oblivious_party *p)
{
    static const unsigned key[] = {0};
    static const cm_agg aggs[] = {
        {CM_AGG_PERCENTILE_FLOOR, 1, 12, 9, 10, false},
        {CM_AGG_PERCENTILE_CEIL, 1, 12, 9, 10, true},
        {CM_AGG_PERCENTILE_REST, 1, 4, 9, 10, false},
        {CM_AGG_PERCENTILE_DISC, 1, 12, 1, 2, false},
        {CM_AGG_MODE, 1, 12, 0, 0, false},
    };
    cm_table t = secret_table(p, ROWS, KEY_VALUE), groups;

    check(cm_table_group_sort(p->mpc, &t, key, 1, 0, aggs, CM_COUNT(aggs), NULL, p->arena, &groups,
                              p->scratch));
    check_table(&groups);
    check_bits(groups.valid);
}

const oblivious_case table_cases[] = {
    {"table: sort", run_sort},
    {"table: merge of sorted runs", run_merge},
    {"table: first rows", run_order},
    {"table: partition", run_partition},
    {"table: filter, shuffle, head", run_rows},
    {"table: join", run_join},
    {"table: ranges", run_ranges},
    {"table: expand", run_expand},
    {"table: join of many to many", run_join_many},
    {"table: aggregate", run_aggregate},
    {"table: group by domain", run_group_domain},
    {"table: group by sort", run_group_sort},
    {"table: percentiles", run_percentiles},
};
const size_t table_cases_count = CM_COUNT(table_cases);
