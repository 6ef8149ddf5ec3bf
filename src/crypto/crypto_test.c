#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_hash(cm_hash hash, const char *hex)
{
    char got[65];
    cm_hash_hex(&hash, got);
    assert_string_equal(got, hex);
}

static void sha256_vectors(void **state)
{
    (void)state;
    assert_hash(cm_sha256("", 0),
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash(cm_sha256("abc", 3),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cm_sha256_ctx *ctx = cm_sha256_new();
    cm_sha256_put(ctx, "a", 1);
    cm_sha256_put(ctx, "", 0);
    cm_sha256_put(ctx, "bc", 2);
    assert_hash(cm_sha256_finish(ctx),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231, test cases 2 and 6. */
static void hmac_vectors(void **state)
{
    (void)state;
    const char *data = "what do ya want for nothing?";
    assert_hash(cm_hmac_sha256("Jefe", 4, data, strlen(data)),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    uint8_t key[131];
    memset(key, 0xaa, sizeof key);
    data = "Test Using Larger Than Block-Size Key - Hash Key First";
    assert_hash(cm_hmac_sha256(key, sizeof key, data, strlen(data)),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_hash(cm_hmac_sha256(NULL, 0, "", 0),
                "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* The salted password of RFC 7677's example, and a published vector. */
static void pbkdf2_vectors(void **state)
{
    (void)state;
    assert_hash(cm_pbkdf2_sha256("password", (const uint8_t *)"salt", 4, 4096),
                "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a");
    assert_hash(cm_pbkdf2_sha256("password", (const uint8_t *)"salt", 4, 1),
                "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b");
}

/* In a child: what is given up does not come back. */
static void protected_processes_leave_no_dumps(void **state)
{
    (void)state;
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit core = {1, 1};
        cm_process_protect();
        bool safe = getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 &&
                    core.rlim_max == 0 && prctl(PR_GET_DUMPABLE) == 0;
        _exit(safe ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void hex_round_trip_and_refusals(void **state)
{
    (void)state;
    cm_hash hash = cm_sha256("x", 1), back;
    char hex[65];
    cm_hash_hex(&hash, hex);
    assert_int_equal(cm_hash_from_hex(hex, &back), CM_OK);
    assert_memory_equal(&hash, &back, sizeof hash);
    assert_int_equal(cm_hash_from_hex("", &back), CM_EINVAL);
    hex[63] = 'g';
    assert_int_equal(cm_hash_from_hex(hex, &back), CM_EINVAL);
    hex[63] = '\0';
    assert_int_equal(cm_hash_from_hex(hex, &back), CM_EINVAL);
    hex[63] = 'A';
    assert_int_equal(cm_hash_from_hex(hex, &back), CM_EINVAL);
}

static void comparison_sees_every_bit(void **state)
{
    (void)state;
    uint8_t a[67], b[67];
    cm_random_bytes(a, sizeof a);
    memcpy(b, a, sizeof a);
    assert_int_equal(cm_ct_equal(a, b, 0), 1);
    assert_int_equal(cm_ct_equal(a, b, sizeof a), 1);
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(cm_ct_equal(a, b, sizeof a), 0);
        assert_int_equal(cm_ct_equal(a, b, bit / 8), 1);
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void random_and_wipe(void **state)
{
    (void)state;
    uint8_t a[300] = {0}, b[300] = {0}, zero[300] = {0};
    cm_random_bytes(a, sizeof a);
    cm_random_bytes(b, sizeof b);
    cm_random_bytes(NULL, 0);
    assert_memory_not_equal(a, b, sizeof a);
    cm_wipe(a, sizeof a);
    cm_wipe(NULL, 0);
    assert_memory_equal(a, zero, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(pbkdf2_vectors),
        cmocka_unit_test(hex_round_trip_and_refusals),
        cmocka_unit_test(protected_processes_leave_no_dumps),
        cmocka_unit_test(comparison_sees_every_bit),
        cmocka_unit_test(random_and_wipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
