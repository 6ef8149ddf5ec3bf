#include "crypto/identity.h"

#include "base/buf.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum {
    SECONDS_A_DAY = 86400,
    NAME_MAX_BYTES = 63, /* X.520's limit of a common name, less one */
    FILE_MAX_BYTES = 64 * 1024,
};

struct cm_identity {
    EVP_PKEY *pkey;
    X509 *x509;
    cm_cert cert; /* x509 as DER */
};

/* What OpenSSL says about its last failure becomes the detail. */
CM_MUST static cm_status fail(cm_diag *diag, cm_status status, const char *sqlstate,
                              const char *what)
{
    char reason[256];
    unsigned long code = ERR_peek_last_error();

    ERR_error_string_n(code, reason, sizeof reason);
    ERR_clear_error();
    cm_status st = cm_fail(diag, status, sqlstate, "%s", what);
    if (code != 0) {
        cm_diag_detail(diag, "%s", reason);
    }
    return st;
}

static bool to_der(X509 *x509, cm_cert *ret)
{
    int bytes = i2d_X509(x509, NULL);
    if (bytes <= 0 || bytes > CM_CERT_MAX_BYTES) {
        return false;
    }
    uint8_t *next = ret->der;
    ret->bytes = (size_t)i2d_X509(x509, &next);
    return true;
}

/* NULL unless der is one certificate and nothing else. */
static X509 *parse_der(const cm_cert *cert)
{
    if (cert->bytes > CM_CERT_MAX_BYTES) {
        return NULL;
    }
    const uint8_t *next = cert->der;
    X509 *x509 = d2i_X509(NULL, &next, (long)cert->bytes);
    if (x509 != NULL && next != cert->der + cert->bytes) {
        X509_free(x509);
        x509 = NULL;
    }
    ERR_clear_error();
    return x509;
}

/* Takes both, also when it fails. */
static cm_status assemble(EVP_PKEY *pkey, X509 *x509, cm_identity **ret, cm_diag *diag)
{
    cm_identity *id = calloc(1, sizeof *id);
    if (id == NULL) {
        EVP_PKEY_free(pkey);
        X509_free(x509);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "no memory for an identity");
    }
    id->pkey = pkey;
    id->x509 = x509;
    if (!EVP_PKEY_is_a(pkey, "ED25519")) {
        cm_identity_free(id);
        return fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT, "the private key is not an Ed25519 key");
    }
    if (X509_check_private_key(x509, pkey) != 1) {
        cm_identity_free(id);
        return fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT,
                    "the certificate does not belong to the private key");
    }
    if (!to_der(x509, &id->cert)) {
        cm_identity_free(id);
        return fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT, "the certificate is too long");
    }
    *ret = id;
    return CM_OK;
}

static bool fill_certificate(X509 *x509, EVP_PKEY *pkey, const char *name, int valid_days)
{
    uint64_t serial;
    cm_random_bytes(&serial, sizeof serial);
    serial = (serial >> 1) | 1; /* positive, as RFC 5280 wants it */
    int first_day = valid_days < 0 ? valid_days - 1 : -1;
    X509_NAME *subject = X509_get_subject_name(x509);

    return X509_set_version(x509, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(x509), (long)first_day * SECONDS_A_DAY) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(x509), (long)valid_days * SECONDS_A_DAY) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(x509, subject) == 1 && X509_set_pubkey(x509, pkey) == 1 &&
           X509_sign(x509, pkey, NULL) > 0;
}

cm_status cm_identity_generate(const char *name, int valid_days, cm_identity **ret, cm_diag *diag)
{
    if (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT, "a node's name has 1 to %d bytes",
                       NAME_MAX_BYTES);
    }
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *x509 = X509_new();
    if (pkey == NULL || x509 == NULL || !fill_certificate(x509, pkey, name, valid_days)) {
        EVP_PKEY_free(pkey);
        X509_free(x509);
        return fail(diag, CM_EINVAL, CM_SQL_INTERNAL, "no certificate could be made");
    }
    return assemble(pkey, x509, ret, diag);
}

/* An encrypted key is refused rather than asked a password for. */
static int no_password(char *buffer, int bytes, int writing, void *arg)
{
    (void)buffer;
    (void)bytes;
    (void)writing;
    (void)arg;
    return -1;
}

cm_status cm_identity_from_pem(const char *pem, cm_identity **ret, cm_diag *diag)
{
    size_t bytes = strlen(pem);
    if (bytes > FILE_MAX_BYTES) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT, "an identity is at most %d bytes long",
                       FILE_MAX_BYTES);
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)bytes);
    EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    X509 *x509 = pkey != NULL ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    if (x509 == NULL) {
        const char *what = pkey == NULL ? "no private key in PEM could be read"
                                        : "no certificate in PEM follows the private key";
        EVP_PKEY_free(pkey);
        return fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT, what);
    }
    return assemble(pkey, x509, ret, diag);
}

cm_status cm_identity_to_pem(const cm_identity *id, char **ret_pem, cm_diag *diag)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data, *pem = NULL;

    if (bio != NULL &&
        PEM_write_bio_PKCS8PrivateKey(bio, id->pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
        PEM_write_bio_X509(bio, id->x509) == 1) {
        long bytes = BIO_get_mem_data(bio, &data);
        pem = bytes > 0 ? strndup(data, (size_t)bytes) : NULL;
    }
    BIO_free(bio);
    if (pem == NULL) {
        return fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "the identity could not be written");
    }
    *ret_pem = pem;
    return CM_OK;
}

void cm_identity_pem_free(char *pem)
{
    if (pem != NULL) {
        cm_wipe(pem, strlen(pem));
        free(pem);
    }
}

static cm_status fail_file(cm_diag *diag, const char *verb, const char *path)
{
    int error = errno;
    cm_status status = error == ENOENT ? CM_ENOTFOUND : CM_EIO;
    cm_status st =
        cm_fail(diag, status, CM_SQL_IO, "cannot %s the identity file \"%s\"", verb, path);
    cm_diag_detail(diag, "%s", strerror(error));
    return st;
}

/* Reads fd to its end into text. */
static bool read_all(int fd, cm_buf *text)
{
    for (;;) {
        char *room = cm_buf_reserve(text, 4096);
        if (room == NULL || text->bytes > FILE_MAX_BYTES) {
            errno = EFBIG;
            return false;
        }
        ssize_t got = read(fd, room, 4096);
        if (got > 0) {
            cm_buf_commit(text, (size_t)got);
        } else if (got == 0) {
            return true;
        } else if (errno != EINTR) {
            return false;
        }
    }
}

cm_status cm_identity_load(const char *path, cm_identity **ret, cm_diag *diag)
{
    cm_buf text = {0};
    struct stat info;
    cm_status st;

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_file(diag, "open", path);
    }
    if (fstat(fd, &info) != 0 || !read_all(fd, &text)) {
        st = fail_file(diag, "read", path);
    } else if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        st = cm_fail(diag, CM_EDENIED, CM_SQL_IO,
                     "the identity file \"%s\" is open to group or others", path);
        cm_diag_hint(diag, "Its mode must be 0600.");
    } else {
        st = cm_identity_from_pem(cm_buf_text(&text), ret, diag);
    }
    close(fd);
    cm_buf_wipe_free(&text);
    return st;
}

/* The name is on disk only when its folder is. */
static bool sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int bytes = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);

    snprintf(folder, sizeof folder, "%.*s", bytes, slash == NULL ? "." : path);
    return cm_folder_sync(folder);
}

cm_status cm_identity_save(const cm_identity *id, const char *path, cm_diag *diag)
{
    char temporary[PATH_MAX];
    char *pem = NULL;

    if ((size_t)snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= sizeof temporary) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_IO, "the path of the identity file is too long");
    }
    cm_status st = cm_identity_to_pem(id, &pem, diag);
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(pem != NULL);
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    bool written = fd >= 0 && cm_file_write(fd, pem, strlen(pem)) && fsync(fd) == 0;
    if (!written || rename(temporary, path) != 0 || !sync_folder_of(path)) {
        st = fail_file(diag, "write", path);
        if (fd >= 0) {
            unlink(temporary);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    cm_identity_pem_free(pem);
    return st;
}

void cm_identity_free(cm_identity *id)
{
    if (id != NULL) {
        EVP_PKEY_free(id->pkey); /* wipes the key */
        X509_free(id->x509);
        free(id);
    }
}

const cm_cert *cm_identity_cert(const cm_identity *id)
{
    return &id->cert;
}

cm_hash cm_cert_fingerprint(const cm_cert *cert)
{
    return cm_sha256(cert->der, cert->bytes);
}

cm_status cm_cert_check(const cm_cert *cert, cm_diag *diag)
{
    X509 *x509 = parse_der(cert);
    EVP_PKEY *pkey = x509 != NULL ? X509_get0_pubkey(x509) : NULL;
    const char *wrong = NULL;

    if (x509 == NULL) {
        wrong = "the certificate cannot be read";
    } else if (pkey == NULL || !EVP_PKEY_is_a(pkey, "ED25519")) {
        wrong = "the certificate has no Ed25519 key";
    } else if (X509_cmp_current_time(X509_get0_notBefore(x509)) >= 0) {
        wrong = "the certificate is not valid yet";
    } else if (X509_cmp_current_time(X509_get0_notAfter(x509)) <= 0) {
        wrong = "the certificate has expired";
    }
    X509_free(x509);
    return wrong == NULL ? CM_OK : fail(diag, CM_EDENIED, "28000", wrong);
}

cm_status cm_cert_to_pem(const cm_cert *cert, char *ret_pem, size_t max_bytes)
{
    X509 *x509 = parse_der(cert);
    BIO *bio = BIO_new(BIO_s_mem());
    cm_status st = CM_EINVAL;

    if (x509 != NULL && bio != NULL && PEM_write_bio_X509(bio, x509) == 1) {
        char *data;
        long bytes = BIO_get_mem_data(bio, &data);
        st = CM_ERANGE;
        if (bytes > 0 && (size_t)bytes < max_bytes) {
            memcpy(ret_pem, data, (size_t)bytes);
            ret_pem[bytes] = '\0';
            st = CM_OK;
        }
    }
    BIO_free(bio);
    X509_free(x509);
    return st;
}

cm_status cm_cert_from_pem(const char *pem, cm_cert *ret, cm_diag *diag)
{
    size_t bytes = strlen(pem);
    if (bytes > FILE_MAX_BYTES) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT, "a certificate is at most %d bytes long",
                       FILE_MAX_BYTES);
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)bytes);
    X509 *x509 = bio != NULL ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    bool read = x509 != NULL && to_der(x509, ret);
    X509_free(x509);
    return read ? CM_OK : fail(diag, CM_EINVAL, CM_SQL_BAD_TEXT, "no certificate could be read");
}

/* context || 0 || data: Ed25519 as OpenSSL offers it signs one buffer. */
static cm_buf signed_bytes(const char *context, const void *data, size_t bytes)
{
    cm_buf buf = {0};

    cm_buf_put_cstr(&buf, context);
    cm_buf_put(&buf, data, bytes);
    CM_ASSERT(!buf.failed);
    return buf;
}

void cm_identity_sign(const cm_identity *id, const char *context, const void *data, size_t bytes,
                      uint8_t ret_signature[static CM_SIGNATURE_BYTES])
{
    cm_buf message = signed_bytes(context, data, bytes);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t signature_bytes = CM_SIGNATURE_BYTES;

    CM_ASSERT(md != NULL);
    CM_ASSERT(EVP_DigestSignInit(md, NULL, NULL, NULL, id->pkey) == 1);
    CM_ASSERT(EVP_DigestSign(md, ret_signature, &signature_bytes, message.data, message.bytes) ==
              1);
    CM_ASSERT(signature_bytes == CM_SIGNATURE_BYTES);
    EVP_MD_CTX_free(md);
    cm_buf_free(&message);
}

bool cm_cert_verify(const cm_cert *cert, const char *context, const void *data, size_t bytes,
                    const uint8_t signature[static CM_SIGNATURE_BYTES])
{
    X509 *x509 = parse_der(cert);
    EVP_PKEY *pkey = x509 != NULL ? X509_get0_pubkey(x509) : NULL;
    bool good = false;

    if (pkey != NULL && EVP_PKEY_is_a(pkey, "ED25519")) {
        cm_buf message = signed_bytes(context, data, bytes);
        EVP_MD_CTX *md = EVP_MD_CTX_new();
        CM_ASSERT(md != NULL);
        good =
            EVP_DigestVerifyInit(md, NULL, NULL, NULL, pkey) == 1 &&
            EVP_DigestVerify(md, signature, CM_SIGNATURE_BYTES, message.data, message.bytes) == 1;
        EVP_MD_CTX_free(md);
        cm_buf_free(&message);
    }
    X509_free(x509);
    ERR_clear_error();
    return good;
}

void *cm_identity_pkey(const cm_identity *id)
{
    return id->pkey;
}

void *cm_identity_x509(const cm_identity *id)
{
    return id->x509;
}
