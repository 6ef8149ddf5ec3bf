/*
 * crypto/identity.h - who a node is: an Ed25519 key and a self-signed X.509 certificate that the
 * federation file pins by its bytes.  Used for TLS 1.3 and to sign proposals, consents, catalogs,
 * the federation file and the audit log.
 */
#ifndef CM_CRYPTO_IDENTITY_H
#define CM_CRYPTO_IDENTITY_H

#include "crypto/crypto.h"

typedef struct cm_identity cm_identity; /* private key and certificate */

enum { CM_SIGNATURE_BYTES = 64, CM_CERT_MAX_BYTES = 4096 };

typedef struct cm_cert { /* DER */
    size_t bytes;
    uint8_t der[CM_CERT_MAX_BYTES];
} cm_cert;

/* A new key and a certificate with CN = name, valid from one day ago for valid_days (negative:
 * already expired, for tests). */
CM_MUST cm_status cm_identity_generate(const char *name, int valid_days, cm_identity **ret,
                                       cm_diag *diag);
/* PKCS#8 PEM of the key followed by PEM of the certificate. */
CM_MUST cm_status cm_identity_from_pem(const char *pem, cm_identity **ret, cm_diag *diag);
/* Heap string, free with cm_identity_pem_free (wipes). */
CM_MUST cm_status cm_identity_to_pem(const cm_identity *id, char **ret_pem, cm_diag *diag);
void cm_identity_pem_free(char *pem);
/* The file must not be open to group or others: CM_EDENIED otherwise. */
CM_MUST cm_status cm_identity_load(const char *path, cm_identity **ret, cm_diag *diag);
/* Mode 0600, written to a temporary file, synced and renamed. */
CM_MUST cm_status cm_identity_save(const cm_identity *id, const char *path, cm_diag *diag);
void cm_identity_free(cm_identity *id);

const cm_cert *cm_identity_cert(const cm_identity *id);
/* SHA-256 of the DER bytes. */
cm_hash cm_cert_fingerprint(const cm_cert *cert);
/* Parses as X.509 with an Ed25519 key and is now within its validity: 28000 otherwise. */
CM_MUST cm_status cm_cert_check(const cm_cert *cert, cm_diag *diag);
CM_MUST cm_status cm_cert_to_pem(const cm_cert *cert, char *ret_pem, size_t max_bytes);
CM_MUST cm_status cm_cert_from_pem(const char *pem, cm_cert *ret, cm_diag *diag);

/* Ed25519 over context || 0 || data: a signature made for one purpose is no good for another. */
void cm_identity_sign(const cm_identity *id, const char *context, const void *data, size_t bytes,
                      uint8_t ret_signature[static CM_SIGNATURE_BYTES]);
CM_MUST bool cm_cert_verify(const cm_cert *cert, const char *context, const void *data,
                            size_t bytes, const uint8_t signature[static CM_SIGNATURE_BYTES]);

/* For net/tls.c: EVP_PKEY * and X509 *, borrowed, as void * so that OpenSSL's headers stay out. */
void *cm_identity_pkey(const cm_identity *id);
void *cm_identity_x509(const cm_identity *id);

#endif
