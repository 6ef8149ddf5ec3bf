/* The mesh's contract over memory links, and traces. */
#include "base/clock.h"
#include "net/mesh.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void send_ok(cm_mesh *mesh, unsigned to, const void *data, size_t bytes)
{
    assert_int_equal(cm_mesh_send(mesh, to, data, bytes), CM_OK);
}

static void frames_arrive_in_order_per_link(void **state)
{
    (void)state;
    cm_mesh *m[3];
    uint8_t out[300], in[300];
    assert_int_equal(cm_mesh_new_memory(3, 1000, m), CM_OK);
    for (size_t i = 0; i < sizeof out; i++) {
        out[i] = (uint8_t)i;
    }
    for (size_t bytes = 0; bytes < sizeof out; bytes++) {
        send_ok(m[0], 1, out, bytes);
        send_ok(m[2], 1, out + 1, bytes > 0 ? bytes - 1 : 0);
    }
    for (size_t bytes = 0; bytes < sizeof out; bytes++) {
        assert_int_equal(cm_mesh_recv(m[1], 0, in, bytes), CM_OK);
        assert_memory_equal(in, out, bytes);
    }
    for (size_t bytes = 1; bytes < sizeof out; bytes++) {
        if (bytes == 1) {
            assert_int_equal(cm_mesh_recv(m[1], 2, NULL, 0), CM_OK);
        }
        assert_int_equal(cm_mesh_recv(m[1], 2, in, bytes - 1), CM_OK);
        assert_memory_equal(in, out + 1, bytes - 1);
    }
    assert_int_equal(cm_mesh_flush(m[0]), CM_OK);
    assert_int_equal(cm_mesh_me(m[2]), 2);
    assert_int_equal(cm_mesh_participants(m[2]), 3);
    assert_string_equal(cm_mesh_name(m[2], 1), "participant 1");
    for (unsigned i = 0; i < 3; i++) {
        cm_mesh_free(m[i]);
    }
    cm_mesh_free(NULL);
}

static void counts_bytes_frames_and_rounds(void **state)
{
    (void)state;
    cm_mesh *m[2];
    uint8_t data[8] = {0};
    assert_int_equal(cm_mesh_new_memory(2, 1000, m), CM_OK);
    for (unsigned round = 0; round < 3; round++) {
        send_ok(m[0], 1, data, 8);
        send_ok(m[0], 1, data, 3);
        send_ok(m[1], 0, data, 0);
        assert_int_equal(cm_mesh_recv(m[1], 0, data, 8), CM_OK);
        assert_int_equal(cm_mesh_recv(m[1], 0, data, 3), CM_OK);
        assert_int_equal(cm_mesh_recv(m[0], 1, data, 0), CM_OK);
    }
    cm_mesh_stats a = cm_mesh_statistics(m[0]), b = cm_mesh_statistics(m[1]);
    assert_int_equal(a.bytes_sent, 3 * (4 + 8 + 4 + 3));
    assert_int_equal(a.bytes_received, 3 * 4);
    assert_int_equal(a.frames_sent, 6);
    assert_int_equal(a.rounds, 3);
    assert_int_equal(b.bytes_sent, a.bytes_received);
    assert_int_equal(b.bytes_received, a.bytes_sent);
    assert_int_equal(b.rounds, 3);
    cm_mesh_free(m[0]);
    cm_mesh_free(m[1]);
}

/* Two messages of one round, received around a send of the next. */
static void counts_overlapped_receives_once(void **state)
{
    (void)state;
    cm_mesh *m[2];
    uint8_t data[1] = {0};
    assert_int_equal(cm_mesh_new_memory(2, 1000, m), CM_OK);
    send_ok(m[0], 1, data, 1);
    send_ok(m[0], 1, data, 1);
    send_ok(m[1], 0, data, 1);
    assert_int_equal(cm_mesh_recv(m[1], 0, data, 1), CM_OK);
    send_ok(m[1], 0, data, 1);
    cm_mesh_count_rounds(m[1], false);
    assert_int_equal(cm_mesh_recv(m[1], 0, data, 1), CM_OK);
    cm_mesh_count_rounds(m[1], true);
    assert_int_equal(cm_mesh_statistics(m[1]).rounds, 1);
    cm_mesh_free(m[0]);
    cm_mesh_free(m[1]);
}

static void a_wrong_length_kills_the_mesh(void **state)
{
    (void)state;
    cm_mesh *m[2];
    uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8}, zero[8] = {0};
    assert_int_equal(cm_mesh_new_memory(2, 1000, m), CM_OK);
    send_ok(m[0], 1, data, 7);
    send_ok(m[0], 1, data, 8);
    assert_int_equal(cm_mesh_recv(m[1], 0, data, 8), CM_EPROTO);
    assert_memory_equal(data, zero, 8);
    const cm_diag *diag = cm_mesh_diag(m[1]);
    assert_string_equal(diag->party, "participant 0");
    assert_string_equal(diag->sqlstate, CM_SQL_PROTOCOL);
    assert_int_equal(cm_mesh_recv(m[1], 0, data, 8), CM_EDEAD);
    assert_int_equal(cm_mesh_send(m[1], 0, data, 8), CM_EDEAD);
    assert_int_equal(cm_mesh_flush(m[1]), CM_EDEAD);
    assert_int_equal(diag->status, CM_EPROTO);
    cm_mesh_free(m[0]);
    cm_mesh_free(m[1]);
}

static void silence_ends_at_the_deadline(void **state)
{
    (void)state;
    cm_mesh *m[2];
    uint8_t data[8];
    assert_int_equal(cm_mesh_new_memory(2, 50, m), CM_OK);
    int64_t start = cm_clock_ms();
    assert_int_equal(cm_mesh_recv(m[1], 0, data, 8), CM_EPEER);
    assert_true(cm_clock_ms() - start >= 49);
    assert_string_equal(cm_mesh_diag(m[1])->party, "participant 0");
    cm_mesh_free(m[0]);
    cm_mesh_free(m[1]);
}

static void a_closed_peer_is_named_at_once(void **state)
{
    (void)state;
    cm_mesh *m[2];
    uint8_t data[8] = {0};
    assert_int_equal(cm_mesh_new_memory(2, 60000, m), CM_OK);
    send_ok(m[0], 1, data, 8);
    cm_mesh_free(m[0]);
    assert_int_equal(cm_mesh_recv(m[1], 0, data, 8), CM_OK);
    assert_int_equal(cm_mesh_recv(m[1], 0, data, 8), CM_EPEER);
    assert_string_equal(cm_mesh_diag(m[1])->party, "participant 0");
    cm_mesh_free(m[1]);

    assert_int_equal(cm_mesh_new_memory(2, 60000, m), CM_OK);
    cm_mesh_free(m[0]);
    assert_int_equal(cm_mesh_send(m[1], 0, data, 8), CM_EPEER);
    cm_mesh_free(m[1]);
}

/* 0 is silent, 1 gives up on it, and 2, which waits for 1, learns that 0 is to blame. */
static void the_blame_travels(void **state)
{
    (void)state;
    cm_mesh *m[3];
    uint8_t data[8];
    assert_int_equal(cm_mesh_new_memory(3, 50, m), CM_OK);
    assert_int_equal(cm_mesh_recv(m[1], 0, data, 8), CM_EPEER);
    cm_mesh_free(m[1]);
    assert_int_equal(cm_mesh_recv(m[2], 1, data, 8), CM_EPEER);
    assert_string_equal(cm_mesh_diag(m[2])->party, "participant 0");
    cm_mesh_free(m[0]);
    cm_mesh_free(m[2]);
}

enum { BIG = 8 << 20, SWAPS = 3 };

static void *swap_big_frames(void *arg)
{
    cm_mesh *mesh = arg;
    unsigned peer = 1 - cm_mesh_me(mesh);
    uint8_t *out = malloc(BIG), *in = malloc(BIG);
    size_t wrong = 0;
    for (unsigned i = 0; i < SWAPS; i++) {
        memset(out, (int)(10 * cm_mesh_me(mesh) + i), BIG);
        wrong += cm_mesh_send(mesh, peer, out, BIG) != CM_OK;
        wrong += cm_mesh_recv(mesh, peer, in, BIG) != CM_OK;
        wrong += in[0] != 10 * peer + i || in[BIG - 1] != 10 * peer + i;
    }
    free(out);
    free(in);
    return (void *)wrong;
}

static void big_frames_cross(void **state)
{
    (void)state;
    cm_mesh *m[2];
    pthread_t thread;
    void *wrong;
    assert_int_equal(cm_mesh_new_memory(2, 10000, m), CM_OK);
    assert_int_equal(pthread_create(&thread, NULL, swap_big_frames, m[1]), 0);
    assert_null(swap_big_frames(m[0]));
    assert_int_equal(pthread_join(thread, &wrong), 0);
    assert_null(wrong);
    cm_mesh_free(m[0]);
    cm_mesh_free(m[1]);
}

/* A little protocol whose message sizes are the argument, its data being the seed. */
static cm_trace *run_traced(size_t bytes, uint8_t seed)
{
    cm_mesh *m[2];
    uint8_t data[64];
    cm_trace *trace = cm_trace_new();
    assert_int_equal(cm_mesh_new_memory(2, 1000, m), CM_OK);
    cm_mesh_set_trace(m[0], trace);
    memset(data, seed, sizeof data);
    for (unsigned i = 0; i < 100; i++) {
        send_ok(m[0], 1, data, bytes);
        send_ok(m[1], 0, data, 2);
        assert_int_equal(cm_mesh_recv(m[0], 1, data, 2), CM_OK);
    }
    cm_mesh_set_trace(m[0], NULL);
    send_ok(m[0], 1, data, 1);
    cm_mesh_free(m[0]);
    cm_mesh_free(m[1]);
    return trace;
}

static void traces_show_sizes_and_not_data(void **state)
{
    (void)state;
    cm_trace *a = run_traced(7, 1), *b = run_traced(7, 2), *c = run_traced(8, 1);
    cm_trace *empty = cm_trace_new();
    cm_hash digest_a = cm_trace_digest(a), digest_b = cm_trace_digest(b);
    cm_hash digest_c = cm_trace_digest(c);
    assert_int_equal(cm_trace_frames(a), 200);
    assert_true(cm_trace_equal(a, b));
    assert_memory_equal(&digest_a, &digest_b, sizeof digest_a);
    assert_false(cm_trace_equal(a, c));
    assert_memory_not_equal(&digest_a, &digest_c, sizeof digest_a);
    assert_false(cm_trace_equal(a, empty));
    assert_true(cm_trace_equal(empty, empty));
    cm_trace_free(a);
    cm_trace_free(b);
    cm_trace_free(c);
    cm_trace_free(empty);
    cm_trace_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_in_order_per_link),
        cmocka_unit_test(counts_bytes_frames_and_rounds),
        cmocka_unit_test(counts_overlapped_receives_once),
        cmocka_unit_test(a_wrong_length_kills_the_mesh),
        cmocka_unit_test(silence_ends_at_the_deadline),
        cmocka_unit_test(a_closed_peer_is_named_at_once),
        cmocka_unit_test(the_blame_travels),
        cmocka_unit_test(big_frames_cross),
        cmocka_unit_test(traces_show_sizes_and_not_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
