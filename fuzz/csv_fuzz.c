/*
 * The CSV reader against any bytes: no crash, no error without a message, fields without NUL and of
 * valid UTF-8, and the same records however the bytes arrive in pieces.
 */
#include "source/csv.h"

#include "crypto/crypto.h"

#include <string.h>

typedef struct feed {
    const uint8_t *bytes;
    size_t left, step;
} feed;

static cm_status pull(void *arg, uint8_t *buffer, size_t capacity, size_t *ret_bytes,
                      CM_UNUSED cm_diag *diag)
{
    feed *f = arg;
    size_t bytes = f->step < f->left ? f->step : f->left;
    bytes = bytes < capacity ? bytes : capacity;
    memcpy(buffer, f->bytes, bytes);
    f->bytes += bytes;
    f->left -= bytes;
    *ret_bytes = bytes;
    return CM_OK;
}

/* Digest of all records and of how it ended. */
static cm_hash read_all(const uint8_t *data, size_t bytes, size_t step)
{
    feed f = {data, bytes, step};
    cm_sha256_ctx *digest = cm_sha256_new();
    cm_diag diag = {0};
    cm_csv *csv = NULL;
    cm_status st = cm_csv_new("fuzz", ',', pull, &f, &csv, &diag);
    bool end = false;
    uint64_t number = 0;
    while (st == CM_OK && !end) {
        cm_csv_record record = {0};
        st = cm_csv_next(csv, &record, &end, &diag);
        if (st == CM_OK && !end) {
            CM_ASSERT(record.number == ++number && record.fields > 0);
            cm_sha256_put(digest, &record.fields, sizeof record.fields);
        }
        for (size_t i = 0; st == CM_OK && !end && i < record.fields; i++) {
            const cm_csv_field *field = &record.field[i];
            CM_ASSERT(strlen(field->text) == field->bytes);
            CM_ASSERT(cm_csv_utf8_valid(field->text, field->bytes));
            cm_sha256_put(digest, field->text, field->bytes + 1);
            cm_sha256_put(digest, &field->quoted, 1);
        }
    }
    CM_ASSERT(st == CM_OK || diag.message[0] != '\0');
    cm_sha256_put(digest, diag.message, strlen(diag.message));
    cm_csv_free(csv);
    return cm_sha256_finish(digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    cm_hash whole = read_all(data, bytes, bytes + 1);
    cm_hash pieces = read_all(data, bytes, 1 + bytes % 5);
    CM_ASSERT(memcmp(whole.bytes, pieces.bytes, CM_HASH_BYTES) == 0);
    return 0;
}
