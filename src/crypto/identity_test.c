#include "crypto/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static cm_identity *generate(const char *name, int valid_days)
{
    cm_identity *id = NULL;
    cm_diag diag = {0};
    assert_int_equal(cm_identity_generate(name, valid_days, &id, &diag), CM_OK);
    return id;
}

static void validity_is_checked(void **state)
{
    (void)state;
    cm_diag diag = {0};
    cm_identity *good = generate("registry", 30), *expired = generate("registry", -1);
    assert_int_equal(cm_cert_check(cm_identity_cert(good), &diag), CM_OK);
    assert_int_equal(cm_cert_check(cm_identity_cert(expired), &diag), CM_EDENIED);
    assert_string_equal(diag.sqlstate, "28000");
    assert_string_equal(diag.message, "the certificate has expired");
    cm_identity_free(good);
    cm_identity_free(expired);
    cm_identity_free(NULL);
}

static void names_are_bounded(void **state)
{
    (void)state;
    char name[65];
    cm_identity *id = NULL;
    cm_diag diag = {0};
    memset(name, 'n', 64);
    name[64] = '\0';
    assert_int_equal(cm_identity_generate(name, 1, &id, &diag), CM_EINVAL);
    assert_int_equal(cm_identity_generate("", 1, &id, NULL), CM_EINVAL);
    assert_null(id);
    name[63] = '\0';
    cm_identity_free(generate(name, 1));
    cm_identity_free(generate("h\xc3\xb4pital", 1));
}

static void pem_round_trip(void **state)
{
    (void)state;
    cm_identity *id = generate("north_hospital", 30), *back = NULL;
    char *pem = NULL, cert_pem[8192];
    cm_cert cert;
    cm_diag diag = {0};
    assert_int_equal(cm_identity_to_pem(id, &pem, &diag), CM_OK);
    assert_int_equal(cm_identity_from_pem(pem, &back, &diag), CM_OK);
    const cm_cert *a = cm_identity_cert(id), *b = cm_identity_cert(back);
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->der, b->der, a->bytes);
    cm_hash x = cm_cert_fingerprint(a), y = cm_cert_fingerprint(b);
    assert_memory_equal(&x, &y, sizeof x);

    assert_int_equal(cm_cert_to_pem(a, cert_pem, sizeof cert_pem), CM_OK);
    assert_int_equal(cm_cert_from_pem(cert_pem, &cert, &diag), CM_OK);
    assert_int_equal(cert.bytes, a->bytes);
    assert_memory_equal(cert.der, a->der, a->bytes);
    assert_int_equal(cm_cert_to_pem(a, cert_pem, 10), CM_ERANGE);
    /* Also the certificate behind a key is found. */
    assert_int_equal(cm_cert_from_pem(pem, &cert, &diag), CM_OK);
    cm_identity_pem_free(pem);
    cm_identity_pem_free(NULL);
    cm_identity_free(id);
    cm_identity_free(back);
}

static void bad_pem_is_refused(void **state)
{
    (void)state;
    cm_identity *id = generate("a", 30), *other = generate("b", 30), *ret = NULL;
    char *pem, *other_pem, mixed[16384];
    cm_cert cert;
    cm_diag diag = {0};
    assert_int_equal(cm_identity_from_pem("", &ret, NULL), CM_EINVAL);
    assert_int_equal(cm_identity_from_pem("-----BEGIN PRIVATE KEY-----\n", &ret, NULL), CM_EINVAL);
    assert_int_equal(cm_cert_from_pem("x", &cert, NULL), CM_EINVAL);
    assert_int_equal(cm_identity_to_pem(id, &pem, NULL), CM_OK);
    assert_int_equal(cm_identity_to_pem(other, &other_pem, NULL), CM_OK);

    /* One's key with the other's certificate. */
    const char *key_end = strstr(pem, "-----BEGIN CERTIFICATE");
    snprintf(mixed, sizeof mixed, "%.*s%s", (int)(key_end - pem), pem,
             strstr(other_pem, "-----BEGIN CERTIFICATE"));
    assert_int_equal(cm_identity_from_pem(mixed, &ret, &diag), CM_EINVAL);
    assert_string_equal(diag.message, "the certificate does not belong to the private key");
    snprintf(mixed, sizeof mixed, "%.*s", (int)(key_end - pem), pem);
    assert_int_equal(cm_identity_from_pem(mixed, &ret, NULL), CM_EINVAL);

    /* No truncation is accepted, and none crashes. */
    for (size_t bytes = 0; bytes + 2 < strlen(pem); bytes += 7) {
        snprintf(mixed, sizeof mixed, "%.*s", (int)bytes, pem);
        assert_int_equal(cm_identity_from_pem(mixed, &ret, NULL), CM_EINVAL);
    }
    assert_null(ret);
    cm_identity_pem_free(pem);
    cm_identity_pem_free(other_pem);
    cm_identity_free(id);
    cm_identity_free(other);
}

static void broken_certificates_are_refused(void **state)
{
    (void)state;
    cm_identity *id = generate("a", 30);
    cm_cert cert = *cm_identity_cert(id);
    cm_diag diag = {0};
    uint8_t signature[CM_SIGNATURE_BYTES];
    cm_identity_sign(id, "test", "data", 4, signature);

    cert.der[cert.bytes++] = 0; /* something follows */
    assert_int_equal(cm_cert_check(&cert, &diag), CM_EDENIED);
    assert_string_equal(diag.message, "the certificate cannot be read");
    for (size_t bytes = 0; bytes + 1 < cert.bytes; bytes++) {
        cm_cert cut = cert;
        cut.bytes = bytes;
        assert_int_equal(cm_cert_check(&cut, NULL), CM_EDENIED);
        assert_false(cm_cert_verify(&cut, "test", "data", 4, signature));
    }
    cert.bytes = SIZE_MAX;
    assert_int_equal(cm_cert_check(&cert, NULL), CM_EDENIED);
    cm_identity_free(id);
}

static void files(void **state)
{
    (void)state;
    char folder[] = "/tmp/comity-identity-XXXXXX", path[64];
    cm_identity *id = generate("a", 30), *back = NULL;
    cm_diag diag = {0};
    struct stat info;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/node.pem", folder);

    assert_int_equal(cm_identity_load(path, &back, &diag), CM_ENOTFOUND);
    cm_diag_reset(&diag);
    assert_int_equal(cm_identity_save(id, path, &diag), CM_OK);
    assert_int_equal(cm_identity_save(id, path, &diag), CM_OK); /* replaces */
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(cm_identity_load(path, &back, &diag), CM_OK);
    assert_memory_equal(cm_identity_cert(id), cm_identity_cert(back), sizeof(cm_cert));
    cm_identity_free(back);
    back = NULL;

    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(cm_identity_load(path, &back, &diag), CM_EDENIED);
    assert_null(back);
    cm_diag_reset(&diag);
    assert_int_equal(cm_identity_save(id, "/nonexistent/node.pem", &diag), CM_ENOTFOUND);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* no temporary file is left */
    cm_identity_free(id);
}

static void signatures_bind_context_and_data(void **state)
{
    (void)state;
    cm_identity *id = generate("a", 30), *other = generate("a", 30);
    const cm_cert *cert = cm_identity_cert(id);
    uint8_t signature[CM_SIGNATURE_BYTES], data[40];
    cm_random_bytes(data, sizeof data);
    cm_identity_sign(id, "consent", data, sizeof data, signature);

    assert_true(cm_cert_verify(cert, "consent", data, sizeof data, signature));
    assert_false(cm_cert_verify(cert, "proposal", data, sizeof data, signature));
    assert_false(cm_cert_verify(cert, "consent", data, sizeof data - 1, signature));
    assert_false(cm_cert_verify(cm_identity_cert(other), "consent", data, sizeof data, signature));
    data[39] ^= 1;
    assert_false(cm_cert_verify(cert, "consent", data, sizeof data, signature));
    data[39] ^= 1;
    for (size_t i = 0; i < sizeof signature; i++) {
        signature[i] ^= 0x10;
        assert_false(cm_cert_verify(cert, "consent", data, sizeof data, signature));
        signature[i] ^= 0x10;
    }
    cm_identity_sign(id, "", NULL, 0, signature);
    assert_true(cm_cert_verify(cert, "", NULL, 0, signature));
    cm_identity_free(id);
    cm_identity_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validity_is_checked),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(pem_round_trip),
        cmocka_unit_test(bad_pem_is_refused),
        cmocka_unit_test(broken_certificates_are_refused),
        cmocka_unit_test(files),
        cmocka_unit_test(signatures_bind_context_and_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
