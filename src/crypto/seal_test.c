#include "crypto/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* NIST's GCM test vectors (gcmEncryptExtIV256), a key and nonce of zeros: McGrew and Viega, case
 * 14. */
static void test_vector(void **state)
{
    static const uint8_t want[32] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e,
                                     0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18,
                                     0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0,
                                     0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
    uint8_t key[CM_SEAL_KEY_BYTES] = {0}, plain[16] = {0}, sealed[32];

    (void)state;
    assert_int_equal(cm_seal(key, 0, "", 0, plain, sizeof plain, sealed), CM_OK);
    assert_memory_equal(sealed, want, sizeof want);
}

static void test_any_change_is_found(void **state)
{
    uint8_t key[CM_SEAL_KEY_BYTES], plain[100], sealed[116], back[100];

    (void)state;
    memset(key, 7, sizeof key);
    for (size_t bytes = 0; bytes <= sizeof plain; bytes += 25) {
        memset(plain, (int)bytes, sizeof plain);
        assert_int_equal(cm_seal(key, 5, "file", 4, plain, bytes, sealed), CM_OK);
        assert_int_equal(cm_unseal(key, 5, "file", 4, sealed, bytes, back), CM_OK);
        assert_memory_equal(back, plain, bytes);
        assert_int_equal(cm_unseal(key, 6, "file", 4, sealed, bytes, back), CM_EPROTO);
        assert_int_equal(cm_unseal(key, 5, "filf", 4, sealed, bytes, back), CM_EPROTO);
        for (size_t i = 0; i < bytes + CM_SEAL_TAG_BYTES; i++) {
            sealed[i] ^= 1;
            assert_int_equal(cm_unseal(key, 5, "file", 4, sealed, bytes, back), CM_EPROTO);
            sealed[i] ^= 1;
        }
        key[31] ^= 1;
        assert_int_equal(cm_unseal(key, 5, "file", 4, sealed, bytes, back), CM_EPROTO);
        key[31] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_any_change_is_found),
    };
    return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
