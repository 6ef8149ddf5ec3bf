#include "base/arena.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool all_zero(const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 16, 17, 63, 64, 65, 4095, 4096, 4097};
    cm_arena arena;
    assert_int_equal(cm_arena_init(&arena, 1 << 20), CM_OK);

    uint8_t *last_end = NULL;
    for (size_t i = 0; i < CM_COUNT(sizes); i++) {
        uint8_t *data = CM_NEW(&arena, uint8_t, sizes[i]);
        assert_int_equal((uintptr_t)data % 64, 0);
        assert_true(all_zero(data, sizes[i]));
        assert_true(last_end == NULL || data >= last_end);
        memset(data, 0xaa, sizes[i]);
        last_end = data + sizes[i];
        assert_int_equal((uintptr_t)cm_arena_small(&arena, 3, 1) % 16, 0);
    }
    cm_arena_fini(&arena);
    cm_arena_fini(&arena);
}

static uint8_t *dirty_scratch(cm_arena scratch, size_t bytes)
{
    uint8_t *data = CM_NEW(&scratch, uint8_t, bytes);
    memset(data, 0x55, bytes);
    return data;
}

static void scratch_comes_back_and_is_cleared(void **state)
{
    (void)state;
    cm_arena arena;
    assert_int_equal(cm_arena_init_secret(&arena, 1 << 20), CM_OK);

    uint8_t *first = dirty_scratch(arena, 1000);
    assert_ptr_equal(arena.mark, first);
    assert_int_equal(cm_arena_peak_bytes(&arena), 1000);
    /* Starts in stale memory and ends in fresh memory. */
    uint8_t *again = CM_NEW(&arena, uint8_t, 3000);
    assert_ptr_equal(again, first);
    assert_true(all_zero(again, 3000));
    cm_arena_fini(&arena);
}

/* Raw memory is what was there; the mark moves on, so later zeroed memory behind it is zero. */
static void raw_memory_is_not_cleared(void **state)
{
    (void)state;
    cm_arena arena;
    assert_int_equal(cm_arena_init_secret(&arena, 1 << 20), CM_OK);
    uint8_t *first = dirty_scratch(arena, 1000);
    cm_arena copy = arena;
    uint8_t *raw = CM_NEW_RAW(&copy, uint8_t, 2000);
    assert_ptr_equal(raw, first);
    assert_int_equal(raw[999], 0x55);
    memset(raw, 0x66, 2000);
    assert_true(all_zero(CM_NEW(&arena, uint8_t, 3000), 3000));
    cm_arena_fini(&arena);
}

static void reset_gives_everything_back(void **state)
{
    (void)state;
    for (int secret = 0; secret < 2; secret++) {
        cm_arena arena;
        cm_status st =
            secret ? cm_arena_init_secret(&arena, 1 << 20) : cm_arena_init(&arena, 1 << 20);
        assert_int_equal(st, CM_OK);
        cm_arena_reset(&arena);
        uint8_t *first = CM_NEW(&arena, uint8_t, 10000);
        memset(first, 1, 10000);
        dirty_scratch(arena, 50000);
        cm_arena_reset(&arena);
        assert_int_equal(cm_arena_peak_bytes(&arena), 0);
        assert_true(all_zero(first, 60000));
        assert_ptr_equal(CM_NEW(&arena, uint8_t, 1), first);
        cm_arena_fini(&arena);
    }
}

/* Large enough for huge pages: what reset gives back is zero again. */
static void a_large_arena_is_reused(void **state)
{
    (void)state;
    enum { BYTES = 20 << 20 };
    cm_arena arena;
    assert_int_equal(cm_arena_init_secret(&arena, 64 << 20), CM_OK);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *data = CM_NEW(&arena, uint8_t, BYTES + i);
        assert_true(all_zero(data, BYTES + i));
        memset(data, 0xff, BYTES + i);
        cm_arena_reset(&arena);
    }
    cm_arena_fini(&arena);
}

static void outside_sizes_can_fail(void **state)
{
    (void)state;
    cm_arena arena;
    assert_int_equal(cm_arena_init(&arena, 4096), CM_OK);
    assert_null(cm_arena_try(&arena, SIZE_MAX, 2));
    assert_null(cm_arena_try(&arena, SIZE_MAX / 2, 2));
    assert_null(cm_arena_try(&arena, 4097, 1));
    assert_non_null(cm_arena_try(&arena, 4096, 1));
    assert_non_null(cm_arena_try(&arena, 0, 8));
    assert_null(cm_arena_try(&arena, 1, 1));
    cm_arena_fini(&arena);

    assert_int_equal(cm_arena_init(&arena, 0), CM_ENOMEM);
    assert_int_equal(cm_arena_init(&arena, SIZE_MAX), CM_ENOMEM);
    assert_int_equal(cm_arena_init(&arena, SIZE_MAX / 2), CM_ENOMEM);
}

static void running_out_of_a_planned_size_aborts(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cm_arena arena;
        fclose(stderr);
        if (cm_arena_init(&arena, 4096) == CM_OK) {
            void *data = cm_arena_alloc(&arena, 4097, 1);
            (void)data;
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void strings(void **state)
{
    (void)state;
    cm_arena arena;
    assert_int_equal(cm_arena_init(&arena, 1 << 16), CM_OK);
    assert_string_equal(cm_arena_strdup(&arena, ""), "");
    assert_string_equal(cm_arena_strdup(&arena, "year"), "year");
    assert_string_equal(cm_arena_strndup(&arena, "region", 3), "reg");
    assert_string_equal(cm_arena_printf(&arena, "%s=%d", "k", -7), "k=-7");
    cm_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(scratch_comes_back_and_is_cleared),
        cmocka_unit_test(raw_memory_is_not_cleared),
        cmocka_unit_test(reset_gives_everything_back),
        cmocka_unit_test(a_large_arena_is_reused),
        cmocka_unit_test(outside_sizes_can_fail),
        cmocka_unit_test(running_out_of_a_planned_size_aborts),
        cmocka_unit_test(strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
