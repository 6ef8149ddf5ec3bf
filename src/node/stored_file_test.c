#include "node/stored_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct fixture {
    char dir[64];
    cm_arena arena;
    cm_stored_key key;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    strcpy(f->dir, "/tmp/cm_stored_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(cm_arena_init(&f->arena, 64 << 20), CM_OK);
    memset(f->key.id, 0xab, sizeof f->key.id);
    memset(f->key.key, 0x17, sizeof f->key.key);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    cm_stored_wipe(cm_stored_path(f->dir, f->key.id, true, &f->arena));
    cm_stored_wipe(cm_stored_path(f->dir, f->key.id, false, &f->arena));
    assert_int_equal(rmdir(f->dir), 0);
    cm_arena_fini(&f->arena);
    free(f);
    return 0;
}

static cm_bcol column(fixture *f, unsigned legs, unsigned planes, size_t rows, uint8_t seed)
{
    cm_bcol ret = cm_bcol_new(&f->arena, legs, planes, rows);

    for (unsigned leg = 0; leg < legs; leg++) {
        uint8_t *bytes = (uint8_t *)ret.leg[leg];
        for (size_t i = 0; i < planes * ret.words * sizeof(uint64_t); i++) {
            bytes[i] = (uint8_t)(seed + 31 * leg + i * 7 + i / 251);
        }
    }
    return ret;
}

static const char *keep(fixture *f, cm_bcol rows)
{
    const char *path = cm_stored_path(f->dir, f->key.id, false, &f->arena);

    assert_int_equal(cm_stored_write(f->dir, &f->key, rows, f->arena, NULL), CM_OK);
    assert_int_equal(rename(cm_stored_path(f->dir, f->key.id, true, &f->arena), path), 0);
    return path;
}

static void test_comes_back(void **state)
{
    static const struct {
        unsigned legs, planes;
        size_t rows;
    } sizes[] = {{1, 1, 1}, {2, 1, 64}, {2, 33, 65}, {2, 90, 20000}, {3, 7, 1200000}};
    fixture *f = *state;

    for (size_t i = 0; i < CM_COUNT(sizes); i++) {
        cm_bcol rows = column(f, sizes[i].legs, sizes[i].planes, sizes[i].rows, 3);
        cm_bcol back = cm_bcol_new(&f->arena, sizes[i].legs, sizes[i].planes, sizes[i].rows);
        const char *path = keep(f, rows);
        assert_int_equal(cm_stored_read(f->dir, &f->key, back, f->arena, NULL), CM_OK);
        for (unsigned leg = 0; leg < sizes[i].legs; leg++) {
            assert_memory_equal(back.leg[leg], rows.leg[leg],
                                sizes[i].planes * rows.words * sizeof(uint64_t));
        }
        cm_stored_wipe(path);
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

static void expect_refusal(fixture *f, cm_bcol like, const char *sqlstate)
{
    cm_diag diag = {0};

    assert_int_not_equal(cm_stored_read(f->dir, &f->key, like, f->arena, &diag), CM_OK);
    assert_string_equal(diag.sqlstate, sqlstate);
}

static void flip(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ 4, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void test_any_change_is_found(void **state)
{
    fixture *f = *state;
    cm_bcol rows = column(f, 2, 20, 130, 9);
    cm_bcol back = cm_bcol_new(&f->arena, 2, 20, 130);
    struct stat info;

    expect_refusal(f, back, CM_SQL_NOT_READY);
    const char *path = keep(f, rows);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    for (long at = 0; at < (long)info.st_size; at += 37) {
        flip(path, at);
        expect_refusal(f, back, "XX001");
        flip(path, at);
    }
    assert_int_equal(truncate(path, info.st_size - 1), 0);
    expect_refusal(f, back, "XX001");
    cm_stored_wipe(path);

    path = keep(f, rows); /* of other sizes, of another view, or longer */
    expect_refusal(f, cm_bcol_new(&f->arena, 2, 20, 131), "XX001");
    expect_refusal(f, cm_bcol_new(&f->arena, 2, 19, 130), "XX001");
    assert_int_equal(truncate(path, info.st_size + 1), 0);
    expect_refusal(f, back, "XX001");
    assert_int_equal(truncate(path, info.st_size), 0);
    f->key.key[0] ^= 1;
    expect_refusal(f, back, "XX001");
    f->key.key[0] ^= 1;
    assert_int_equal(cm_stored_read(f->dir, &f->key, back, f->arena, NULL), CM_OK);
}

/* What is there already is never overwritten. */
static void test_exists(void **state)
{
    fixture *f = *state;
    cm_bcol rows = column(f, 2, 3, 10, 1);
    cm_diag diag = {0};

    assert_int_equal(cm_stored_write(f->dir, &f->key, rows, f->arena, NULL), CM_OK);
    assert_int_not_equal(cm_stored_write(f->dir, &f->key, rows, f->arena, &diag), CM_OK);
    assert_int_equal(access(cm_stored_path(f->dir, f->key.id, true, &f->arena), F_OK), 0);
    assert_int_not_equal(cm_stored_write("/nowhere", &f->key, rows, f->arena, &diag), CM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_change_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exists, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("stored_file", tests, NULL, NULL);
}
