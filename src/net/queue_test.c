#include "net/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A window of changing width slides over a known sequence, across growth and moves. */
static void bytes_come_out_in_order(void **state)
{
    (void)state;
    cm_queue queue = {0};
    uint8_t chunk[5000];
    uint32_t in = 0, out = 0;
    for (unsigned step = 0; step < 3000; step++) {
        size_t put = (step * 7919) % sizeof chunk;
        for (size_t i = 0; i < put; i++) {
            chunk[i] = (uint8_t)((in + i) * 167 >> 3);
        }
        assert_true(cm_queue_put(&queue, chunk, put));
        in += (uint32_t)put;
        size_t take = (step * 104729) % (cm_queue_bytes(&queue) + 1);
        for (size_t i = 0; i < take; i++) {
            assert_int_equal(cm_queue_front(&queue)[i], (uint8_t)((out + i) * 167 >> 3));
        }
        cm_queue_consume(&queue, take);
        out += (uint32_t)take;
        assert_int_equal(cm_queue_bytes(&queue), in - out);
    }
    cm_queue_free(&queue);
    cm_queue_free(&queue);
}

static void impossible_sizes_leave_it_as_it_was(void **state)
{
    (void)state;
    cm_queue queue = {0};
    assert_null(cm_queue_reserve(&queue, SIZE_MAX));
    assert_true(cm_queue_put(&queue, "abc", 3));
    assert_null(cm_queue_reserve(&queue, SIZE_MAX / 2));
    assert_int_equal(cm_queue_bytes(&queue), 3);
    assert_memory_equal(cm_queue_front(&queue), "abc", 3);
    cm_queue_consume(&queue, 3);
    assert_int_equal(cm_queue_bytes(&queue), 0);
    cm_queue_free(&queue);
}

static void a_large_queue_gives_memory_back(void **state)
{
    (void)state;
    cm_queue queue = {0};
    uint8_t *room = cm_queue_reserve(&queue, 40 << 20);
    assert_non_null(room);
    room[0] = 1;
    cm_queue_commit(&queue, 1);
    cm_queue_consume(&queue, 1);
    assert_int_equal(queue.capacity, 0);
    assert_true(cm_queue_put(&queue, "x", 1));
    cm_queue_free(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_in_order),
        cmocka_unit_test(impossible_sizes_leave_it_as_it_was),
        cmocka_unit_test(a_large_queue_gives_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
