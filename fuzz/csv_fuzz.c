/*
 * CSV files of an owner.  The first byte chooses the delimiter, the second how many bytes a read
 * gives.  Records must be what csv.h says, and the same however the bytes come in.
 */
#include "fuzz.h"

#include "crypto/crypto.h"
#include "source/csv.h"

#include <string.h>

typedef struct feed {
    cm_fuzz_input left;
    size_t step;
} feed;

static cm_status pull(void *arg, uint8_t *buffer, size_t capacity, size_t *ret_bytes, cm_diag *diag)
{
    feed *f = arg;
    size_t bytes = f->step < f->left.bytes ? f->step : f->left.bytes;

    (void)diag;
    bytes = bytes < capacity ? bytes : capacity;
    if (bytes > 0) {
        memcpy(buffer, f->left.data, bytes);
    }
    f->left.data += bytes;
    f->left.bytes -= bytes;
    *ret_bytes = bytes;
    return CM_OK;
}

static void put_record(const cm_csv_record *record, cm_sha256_ctx *digest)
{
    CM_ASSERT(record->fields >= 1 && record->fields <= CM_CSV_MAX_FIELDS);
    cm_sha256_put(digest, &record->number, sizeof record->number);
    cm_sha256_put(digest, &record->line, sizeof record->line);
    for (size_t i = 0; i < record->fields; i++) {
        const cm_csv_field *field = &record->field[i];
        CM_ASSERT(strlen(field->text) == field->bytes);
        CM_ASSERT(cm_csv_utf8_valid(field->text, field->bytes));
        cm_sha256_put(digest, field->text, field->bytes + 1);
        cm_sha256_put(digest, &field->quoted, sizeof field->quoted);
    }
}

/* Everything that a reader of the bytes sees: records, and the error that ends them. */
static cm_hash read_all(cm_fuzz_input bytes, char delimiter, size_t step)
{
    feed f = {bytes, step};
    cm_csv *csv = NULL;
    cm_csv_record record;
    cm_diag diag = {0};
    cm_sha256_ctx *digest = cm_sha256_new();
    bool end = false;

    cm_status st = cm_csv_new("fuzz.csv", delimiter, pull, &f, &csv, &diag);
    for (uint64_t number = 1; st == CM_OK; number++) {
        st = cm_csv_next(csv, &record, &end, &diag);
        if (st != CM_OK || end) {
            break;
        }
        CM_ASSERT(record.number == number && record.line >= number);
        put_record(&record, digest);
    }
    CM_ASSERT((st == CM_OK) == (diag.status == CM_OK));
    if (st != CM_OK && csv != NULL) {
        CM_ASSERT(cm_csv_next(csv, &record, &end, NULL) == CM_EDEAD);
    }
    cm_sha256_put(digest, diag.message, strlen(diag.message));
    cm_csv_free(csv);
    return cm_sha256_finish(digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const char delimiters[] = {',', ';', '\t', '|'};
    cm_fuzz_input input = {data, bytes};
    char delimiter = delimiters[cm_fuzz_take(&input) % sizeof delimiters];
    size_t step = (size_t)cm_fuzz_take(&input) + 1;

    cm_hash whole = read_all(input, delimiter, SIZE_MAX);
    cm_hash pieces = read_all(input, delimiter, step);
    CM_ASSERT(memcmp(whole.bytes, pieces.bytes, sizeof whole.bytes) == 0);
    return 0;
}

bool cm_fuzz_seed(unsigned number, cm_buf *out)
{
    (void)number;
    (void)out;
    return false;
}
