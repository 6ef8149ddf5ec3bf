/*
 * A record is gathered into one buffer: the bytes of each field, unescaped, each with a NUL behind.
 * Fields are remembered as offsets while the buffer may still move, and become pointers when the
 * record is complete.  Bytes come through a window of fixed size, so a file of any size takes
 * memory for its longest record only.
 */
#include "source/csv.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW_BYTES = 256 * 1024 };

struct cm_csv {
    const char *name; /* borrowed */
    cm_csv_read_fn read;
    void *arg;
    char delimiter;
    bool dead;
    bool ended;
    uint64_t records;
    uint64_t line;        /* of the next byte */
    uint64_t record_line; /* on which the current record began */
    cm_buf text;          /* fields of the current record */
    size_t fields;
    size_t *offset; /* CM_CSV_MAX_FIELDS */
    cm_csv_field *field;
    size_t next, filled; /* unread part of the window */
    uint8_t *window;
};

cm_status cm_csv_new(const char *name, char delimiter, cm_csv_read_fn read, void *arg, cm_csv **ret,
                     cm_diag *diag)
{
    CM_ASSERT(delimiter != '"' && delimiter != '\n' && delimiter != '\r' && delimiter != '\0');
    cm_csv *csv = calloc(1, sizeof *csv);
    if (csv != NULL) {
        csv->window = malloc(WINDOW_BYTES);
        csv->offset = calloc(CM_CSV_MAX_FIELDS, sizeof *csv->offset);
        csv->field = calloc(CM_CSV_MAX_FIELDS, sizeof *csv->field);
    }
    if (csv == NULL || csv->window == NULL || csv->offset == NULL || csv->field == NULL) {
        cm_csv_free(csv);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory reading \"%s\"", name);
    }
    csv->name = name;
    csv->read = read;
    csv->arg = arg;
    csv->delimiter = delimiter;
    csv->line = 1;
    *ret = csv;
    return CM_OK;
}

void cm_csv_free(cm_csv *csv)
{
    if (csv == NULL) {
        return;
    }
    cm_buf_wipe_free(&csv->text);
    free(csv->window);
    free(csv->offset);
    free(csv->field);
    free(csv);
}

/* Every error of the content says where, and kills the reader. */
CM_MUST static cm_status refuse(cm_csv *csv, const char *sqlstate, const char *what, uint64_t line,
                                cm_diag *diag)
{
    csv->dead = true;
    return cm_fail(diag, CM_EINVAL, sqlstate, "file \"%s\", line %llu, record %llu: %s", csv->name,
                   (unsigned long long)line, (unsigned long long)csv->records + 1, what);
}

#define BAD_FILE "22P04" /* bad_copy_file_format */
#define BAD_ENCODING "22021"

/* Refills the empty window; at the end of the data sets csv->ended. */
CM_MUST static cm_status refill(cm_csv *csv, cm_diag *diag)
{
    CM_ASSERT(csv->next == csv->filled);
    if (csv->ended) {
        return CM_OK;
    }
    size_t bytes = 0;
    cm_status st = csv->read(csv->arg, csv->window, WINDOW_BYTES, &bytes, diag);
    if (st != CM_OK) {
        csv->dead = true;
        return st;
    }
    CM_ASSERT(bytes <= WINDOW_BYTES);
    csv->next = 0;
    csv->filled = bytes;
    csv->ended = bytes == 0;
    return CM_OK;
}

/* The next byte without taking it, or -1 at the end. */
CM_MUST static cm_status peek(cm_csv *csv, int *ret, cm_diag *diag)
{
    if (csv->next == csv->filled) {
        cm_status st = refill(csv, diag);
        if (st != CM_OK) {
            return st;
        }
    }
    *ret = csv->next < csv->filled ? csv->window[csv->next] : -1;
    return CM_OK;
}

CM_MUST static cm_status append(cm_csv *csv, const uint8_t *bytes, size_t count, cm_diag *diag)
{
    if (count > CM_CSV_MAX_RECORD_BYTES - csv->text.bytes) {
        return refuse(csv, "54000", "the record is longer than 16 MB; is a quote missing?",
                      csv->record_line, diag);
    }
    cm_buf_put(&csv->text, bytes, count);
    if (csv->text.failed) {
        csv->dead = true;
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory reading \"%s\"",
                       csv->name);
    }
    return CM_OK;
}

/* Appends the run of bytes in the window that need no decision: up to a, b, c or d. */
CM_MUST static cm_status append_run(cm_csv *csv, char a, char b, char c, char d, cm_diag *diag)
{
    const uint8_t *start = csv->window + csv->next;
    const uint8_t *end = csv->window + csv->filled;
    const uint8_t *at = start;
    while (at < end && *at != (uint8_t)a && *at != (uint8_t)b && *at != (uint8_t)c &&
           *at != (uint8_t)d) {
        at++;
    }
    csv->next += (size_t)(at - start);
    return append(csv, start, (size_t)(at - start), diag);
}

/* After an opening quote, up to and including the closing one. */
CM_MUST static cm_status read_quoted(cm_csv *csv, cm_diag *diag)
{
    uint64_t opened_line = csv->line;
    for (;;) {
        cm_status st = append_run(csv, '"', '\n', '\0', '"', diag);
        int byte = -1;
        if (st == CM_OK) {
            st = peek(csv, &byte, diag);
        }
        if (st != CM_OK) {
            return st;
        }
        if (byte < 0) {
            return refuse(csv, BAD_FILE, "a quoted field is not closed", opened_line, diag);
        }
        if (byte == '\0') {
            return refuse(csv, BAD_ENCODING, "a NUL byte", csv->line, diag);
        }
        if (byte == '\n') {
            csv->line++;
        }
        if (byte != '"' && byte != '\n') {
            continue; /* only the window had ended */
        }
        csv->next++;
        if (byte == '"') {
            st = peek(csv, &byte, diag);
            if (st != CM_OK || byte != '"') {
                return st;
            }
            csv->next++;
        }
        st = append(csv, (const uint8_t *)(byte == '"' ? "\"" : "\n"), 1, diag);
        if (st != CM_OK) {
            return st;
        }
    }
}

/* Up to the byte that ends the field, which stays unread. */
CM_MUST static cm_status read_unquoted(cm_csv *csv, cm_diag *diag)
{
    for (;;) {
        cm_status st = append_run(csv, csv->delimiter, '\n', '\r', '"', diag);
        int byte = -1;
        if (st == CM_OK) {
            st = peek(csv, &byte, diag);
        }
        if (st != CM_OK) {
            return st;
        }
        if (byte == '"') {
            return refuse(csv, BAD_FILE, "a quote inside a field that does not begin with one",
                          csv->line, diag);
        }
        if (byte < 0 || byte == csv->delimiter || byte == '\n' || byte == '\r') {
            return CM_OK;
        }
    }
}

CM_MUST static cm_status read_field(cm_csv *csv, cm_diag *diag)
{
    if (csv->fields == CM_CSV_MAX_FIELDS) {
        return refuse(csv, "54011", "more than 4096 fields", csv->line, diag);
    }
    /* The first field may begin with what was no byte order mark after all. */
    size_t start = csv->fields == 0 ? 0 : csv->text.bytes;
    int byte;
    cm_status st = peek(csv, &byte, diag);
    if (st != CM_OK) {
        return st;
    }
    bool quoted = byte == '"';
    if (quoted) {
        csv->next++;
        st = read_quoted(csv, diag);
    } else {
        st = read_unquoted(csv, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    size_t bytes = csv->text.bytes - start;
    const char *text = bytes == 0 ? "" : (const char *)csv->text.data + start;
    if (!quoted && memchr(text, '\0', bytes) != NULL) {
        return refuse(csv, BAD_ENCODING, "a NUL byte; is the file UTF-16?", csv->line, diag);
    }
    if (!cm_csv_utf8_valid(text, bytes)) {
        return refuse(csv, BAD_ENCODING, "not valid UTF-8", csv->line, diag);
    }
    csv->offset[csv->fields] = start;
    csv->field[csv->fields] = (cm_csv_field){.bytes = bytes, .quoted = quoted};
    csv->fields++;
    return append(csv, (const uint8_t *)"", 1, diag);
}

/* What follows a field: a delimiter (*ret_more), or the end of the record. */
CM_MUST static cm_status read_separator(cm_csv *csv, bool *ret_more, cm_diag *diag)
{
    int byte;
    cm_status st = peek(csv, &byte, diag);
    if (st != CM_OK) {
        return st;
    }
    *ret_more = byte == csv->delimiter;
    if (byte < 0) {
        return CM_OK;
    }
    if (*ret_more) {
        csv->next++;
        return CM_OK;
    }
    if (byte == '\r') {
        csv->next++;
        st = peek(csv, &byte, diag);
        if (st != CM_OK) {
            return st;
        }
        if (byte != '\n') {
            return refuse(csv, BAD_FILE, "a carriage return without a line feed, outside quotes",
                          csv->line, diag);
        }
    }
    if (byte != '\n') {
        return refuse(csv, BAD_FILE, "text after a closing quote", csv->line, diag);
    }
    csv->next++;
    csv->line++;
    return CM_OK;
}

/* A UTF-8 mark at the very beginning is skipped; UTF-16's is refused, with its name. */
CM_MUST static cm_status skip_mark(cm_csv *csv, cm_diag *diag)
{
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
    for (size_t i = 0; i < sizeof mark; i++) {
        int byte;
        cm_status st = peek(csv, &byte, diag);
        if (st != CM_OK) {
            return st;
        }
        if (i == 0 && (byte == 0xff || byte == 0xfe)) {
            return refuse(csv, BAD_ENCODING, "not UTF-8 but UTF-16", 1, diag);
        }
        if (byte != mark[i]) {
            /* The bytes so far are the beginning of U+Fxxx, or were none. */
            return append(csv, mark, i, diag);
        }
        csv->next++;
    }
    return CM_OK;
}

cm_status cm_csv_next(cm_csv *csv, cm_csv_record *ret, bool *ret_end, cm_diag *diag)
{
    if (csv->dead) {
        return cm_fail(diag, CM_EDEAD, CM_SQL_INTERNAL, "file \"%s\" was refused before",
                       csv->name);
    }
    cm_buf_clear(&csv->text);
    csv->fields = 0;
    csv->record_line = csv->line;
    cm_status st = csv->records == 0 ? skip_mark(csv, diag) : CM_OK;
    int byte = 0;
    if (st == CM_OK) {
        st = peek(csv, &byte, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    if (byte < 0 && csv->text.bytes == 0) {
        *ret_end = true;
        return CM_OK;
    }
    for (bool more = true; more;) {
        st = read_field(csv, diag);
        if (st == CM_OK) {
            st = read_separator(csv, &more, diag);
        }
        if (st != CM_OK) {
            return st;
        }
    }
    for (size_t i = 0; i < csv->fields; i++) {
        csv->field[i].text = (const char *)csv->text.data + csv->offset[i];
    }
    csv->records++;
    *ret = (cm_csv_record){.number = csv->records,
                           .line = csv->record_line,
                           .fields = csv->fields,
                           .field = csv->field};
    *ret_end = false;
    return CM_OK;
}

/* Bytes of a well-formed sequence at text, 0 when there is none.  Unicode 15, table 3-7. */
static size_t utf8_sequence(const uint8_t *text, size_t left)
{
    uint8_t first = text[0];
    size_t bytes = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (bytes == 0 || first > 0xf4 || bytes > left) {
        return 0;
    }
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90);
    bool outside = (first == 0xed && text[1] > 0x9f) || (first == 0xf4 && text[1] > 0x8f);
    return overlong || outside ? 0 : bytes;
}

bool cm_csv_utf8_valid(const char *text, size_t bytes)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t i = 0;
    while (i < bytes) {
        uint64_t eight;
        if (bytes - i >= sizeof eight) {
            memcpy(&eight, at + i, sizeof eight);
            if ((eight & 0x8080808080808080U) == 0) {
                i += sizeof eight;
                continue;
            }
        }
        size_t step = utf8_sequence(at + i, bytes - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}
