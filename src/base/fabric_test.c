#include "base/fabric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 100003, REPEATS = 300 };

typedef struct sums {
    unsigned lanes;
    const uint64_t *item;
    uint64_t total[CM_LANES_MAX], before[CM_LANES_MAX];
    uint64_t prefix[ITEMS];
} sums;

static void add_up(unsigned lane, void *arg)
{
    sums *s = arg;
    size_t first, end;

    cm_lane_part(ITEMS, 64, lane, s->lanes, &first, &end);
    for (size_t i = first; i < end; i++) {
        s->total[lane] += s->item[i];
        s->prefix[i] = s->total[lane];
    }
}

static void add_before(unsigned lane, void *arg)
{
    sums *s = arg;
    size_t first, end;

    cm_lane_part(ITEMS, 64, lane, s->lanes, &first, &end);
    for (size_t i = first; i < end; i++) {
        s->prefix[i] += s->before[lane];
    }
}

/* What one piece of work wrote, the caller and the next piece of work see. */
static void prefix_sums(void **state)
{
    (void)state;
    static uint64_t item[ITEMS], expected[ITEMS];
    static sums s;

    for (size_t i = 0; i < ITEMS; i++) {
        item[i] = i * 0x9e3779b97f4a7c15;
        expected[i] = item[i] + (i > 0 ? expected[i - 1] : 0);
    }
    for (unsigned lanes = 1; lanes <= CM_LANES_MAX; lanes++) {
        cm_fabric *f;
        assert_int_equal(cm_fabric_new(lanes, &f), CM_OK);
        assert_int_equal(cm_fabric_lanes(f), lanes);
        s = (sums){.lanes = lanes, .item = item};
        cm_fabric_run(f, add_up, &s);
        for (unsigned i = 1; i < lanes; i++) {
            s.before[i] = s.before[i - 1] + s.total[i - 1];
        }
        cm_fabric_run(f, add_before, &s);
        assert_memory_equal(s.prefix, expected, sizeof expected);
        cm_fabric_free(f);
    }
}

static void count(unsigned lane, void *arg)
{
    ((unsigned *)arg)[lane]++;
}

static void every_lane_once_a_time(void **state)
{
    (void)state;
    unsigned counts[CM_LANES_MAX] = {0};
    cm_fabric *f;

    assert_int_equal(cm_fabric_new(5, &f), CM_OK);
    for (unsigned i = 1; i <= REPEATS; i++) {
        cm_fabric_run(f, count, counts);
        for (unsigned lane = 0; lane < CM_LANES_MAX; lane++) {
            assert_int_equal(counts[lane], lane < 5 ? i : 0);
        }
    }
    cm_fabric_free(f);
    cm_fabric_free(NULL);
}

static void parts_cover_all(void **state)
{
    (void)state;
    for (size_t items = 0; items < 300; items++) {
        for (size_t grain = 1; grain < 20; grain += 6) {
            for (unsigned lanes = 1; lanes < 6; lanes++) {
                size_t next = 0;
                for (unsigned lane = 0; lane < lanes; lane++) {
                    size_t first, end;
                    cm_lane_part(items, grain, lane, lanes, &first, &end);
                    assert_int_equal(first, next);
                    assert_true(end >= first && end - first <= (items / grain / lanes + 2) * grain);
                    assert_true(first % grain == 0 || first == items);
                    next = end;
                }
                assert_int_equal(next, items);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_sums),
        cmocka_unit_test(every_lane_once_a_time),
        cmocka_unit_test(parts_cover_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
