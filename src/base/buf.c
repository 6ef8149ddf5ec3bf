#include "base/buf.h"

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256, SHORT_PIECE_BYTES = 64 };

static void check_sane(const cm_buf *buf)
{
    CM_ASSERT(buf->bytes <= buf->capacity);
    CM_ASSERT((buf->data == NULL) == (buf->capacity == 0));
}

void cm_buf_free(cm_buf *buf)
{
    free(buf->data);
    *buf = (cm_buf){0};
}

void cm_buf_wipe_free(cm_buf *buf)
{
    if (buf->data != NULL) {
        explicit_bzero(buf->data, buf->capacity);
    }
    cm_buf_free(buf);
}

void cm_buf_clear(cm_buf *buf)
{
    buf->bytes = 0;
    buf->failed = false;
}

void cm_buf_consume(cm_buf *buf, size_t bytes)
{
    check_sane(buf);
    CM_ASSERT(bytes <= buf->bytes);
    if (bytes > 0 && bytes < buf->bytes) {
        memmove(buf->data, buf->data + bytes, buf->bytes - bytes);
    }
    buf->bytes -= bytes;
}

/* Moves by hand, not by realloc, which would leave a copy of what may be a key behind. */
static bool grow(cm_buf *buf, size_t wanted)
{
    size_t capacity = buf->capacity > 0 ? buf->capacity : FIRST_CAPACITY;
    while (capacity < wanted) {
        if (capacity > SIZE_MAX / 4) {
            return false;
        }
        capacity *= 2;
    }
    uint8_t *data = malloc(capacity);
    if (data == NULL) {
        return false;
    }
    if (buf->data != NULL) {
        memcpy(data, buf->data, buf->bytes);
        explicit_bzero(buf->data, buf->bytes);
        free(buf->data);
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

void *cm_buf_reserve(cm_buf *buf, size_t bytes)
{
    check_sane(buf);
    if (buf->failed) {
        return NULL;
    }
    if (buf->data == NULL || bytes > buf->capacity - buf->bytes) {
        if (bytes > SIZE_MAX / 4 - buf->bytes || !grow(buf, buf->bytes + bytes)) {
            buf->failed = true;
            return NULL;
        }
    }
    return buf->data + buf->bytes;
}

void cm_buf_commit(cm_buf *buf, size_t bytes)
{
    CM_ASSERT(bytes <= buf->capacity - buf->bytes);
    buf->bytes += bytes;
}

void cm_buf_put(cm_buf *buf, const void *data, size_t bytes)
{
    if (bytes == 0) {
        return;
    }
    void *room = cm_buf_reserve(buf, bytes);
    if (room != NULL) {
        memcpy(room, data, bytes);
        buf->bytes += bytes;
    }
}

static void put_big_endian(cm_buf *buf, cm_u128 value, size_t bytes)
{
    uint8_t *room = cm_buf_reserve(buf, bytes);
    if (room != NULL) {
        for (size_t i = 0; i < bytes; i++) {
            room[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
        }
        buf->bytes += bytes;
    }
}

void cm_buf_put_u8(cm_buf *buf, uint8_t value)
{
    put_big_endian(buf, value, 1);
}

void cm_buf_put_u16(cm_buf *buf, uint16_t value)
{
    put_big_endian(buf, value, 2);
}

void cm_buf_put_u32(cm_buf *buf, uint32_t value)
{
    put_big_endian(buf, value, 4);
}

void cm_buf_put_u64(cm_buf *buf, uint64_t value)
{
    put_big_endian(buf, value, 8);
}

void cm_buf_put_i128(cm_buf *buf, cm_i128 value)
{
    put_big_endian(buf, (cm_u128)value, 16);
}

void cm_buf_put_text(cm_buf *buf, const char *text)
{
    if (text == NULL) {
        cm_buf_put_u32(buf, UINT32_MAX);
        return;
    }
    size_t bytes = strlen(text);
    if (bytes >= UINT32_MAX) {
        buf->failed = true;
        return;
    }
    cm_buf_put_u32(buf, (uint32_t)bytes);
    cm_buf_put(buf, text, bytes);
}

void cm_buf_put_cstr(cm_buf *buf, const char *text)
{
    cm_buf_put(buf, text, strlen(text) + 1);
}

void cm_buf_put_quoted(cm_buf *buf, const char *text, char quote)
{
    cm_buf_put_u8(buf, (uint8_t)quote);
    for (; *text != '\0'; text++) {
        if (*text == quote) {
            cm_buf_put_u8(buf, (uint8_t)quote);
        }
        cm_buf_put_u8(buf, (uint8_t)*text);
    }
    cm_buf_put_u8(buf, (uint8_t)quote);
}

void cm_buf_printf(cm_buf *buf, const char *format, ...)
{
    va_list args;

    if (strchr(format, '%') == NULL) { /* texts of plans are made of a million such pieces */
        cm_buf_put(buf, format, strlen(format));
        return;
    }
    va_start(args, format);
    cm_buf_vprintf(buf, format, args);
    va_end(args);
}

void cm_buf_vprintf(cm_buf *buf, const char *format, va_list args)
{
    va_list again;

    /* Most pieces are short: one pass for those. */
    char *room = cm_buf_reserve(buf, SHORT_PIECE_BYTES);
    if (room == NULL) {
        return;
    }
    va_copy(again, args);
    int bytes = vsnprintf(room, SHORT_PIECE_BYTES, format, args);
    if (bytes >= SHORT_PIECE_BYTES) {
        room = cm_buf_reserve(buf, (size_t)bytes + 1);
        if (room != NULL) {
            vsnprintf(room, (size_t)bytes + 1, format, again);
        }
    }
    va_end(again);
    if (bytes < 0) {
        buf->failed = true;
    } else if (room != NULL) {
        buf->bytes += (size_t)bytes;
    }
}

const char *cm_buf_text(cm_buf *buf)
{
    char *end = cm_buf_reserve(buf, 1);
    if (end == NULL) {
        return "";
    }
    *end = '\0';
    return (const char *)buf->data;
}

cm_reader cm_reader_of(const void *data, size_t bytes)
{
    const uint8_t *first = data;
    return (cm_reader){.next = first, .end = bytes == 0 ? first : first + bytes};
}

bool cm_reader_done(const cm_reader *reader)
{
    return !reader->failed && reader->next == reader->end;
}

size_t cm_reader_left(const cm_reader *reader)
{
    return reader->failed || reader->next == reader->end ? 0 : (size_t)(reader->end - reader->next);
}

const uint8_t *cm_reader_bytes(cm_reader *reader, size_t bytes)
{
    static const uint8_t nothing[1];

    if (reader->failed || bytes > cm_reader_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    if (bytes == 0) {
        return nothing; /* not NULL, which says failure */
    }
    const uint8_t *data = reader->next;
    reader->next += bytes;
    return data;
}

static cm_u128 read_big_endian(cm_reader *reader, size_t bytes)
{
    const uint8_t *data = cm_reader_bytes(reader, bytes);
    cm_u128 value = 0;

    for (size_t i = 0; data != NULL && i < bytes; i++) {
        value = value << 8 | data[i];
    }
    return value;
}

uint8_t cm_reader_u8(cm_reader *reader)
{
    return (uint8_t)read_big_endian(reader, 1);
}

uint16_t cm_reader_u16(cm_reader *reader)
{
    return (uint16_t)read_big_endian(reader, 2);
}

uint32_t cm_reader_u32(cm_reader *reader)
{
    return (uint32_t)read_big_endian(reader, 4);
}

uint64_t cm_reader_u64(cm_reader *reader)
{
    return (uint64_t)read_big_endian(reader, 8);
}

cm_i128 cm_reader_i128(cm_reader *reader)
{
    return (cm_i128)read_big_endian(reader, 16);
}

const char *cm_reader_text(cm_reader *reader, cm_arena *arena, size_t max_bytes)
{
    uint32_t bytes = cm_reader_u32(reader);
    if (reader->failed || bytes == UINT32_MAX) {
        return NULL;
    }
    if (bytes > max_bytes) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *data = cm_reader_bytes(reader, bytes);
    if (data == NULL || memchr(data, '\0', bytes) != NULL) {
        reader->failed = true;
        return NULL;
    }
    /* The length comes from outside: a full arena is a failed read, not a bug. */
    char *copy = cm_arena_try(arena, (size_t)bytes + 1, 1);
    if (copy == NULL) {
        reader->failed = true;
        return NULL;
    }
    memcpy(copy, data, bytes);
    return copy;
}

const char *cm_reader_cstr(cm_reader *reader)
{
    size_t left = cm_reader_left(reader);
    const uint8_t *nul = left > 0 ? memchr(reader->next, '\0', left) : NULL;
    if (nul == NULL) {
        reader->failed = true;
        return NULL;
    }
    const char *text = (const char *)reader->next;
    reader->next = nul + 1;
    return text;
}

char *cm_i128_print(cm_i128 value, char buffer[static 41])
{
    char digits[40];
    size_t count = 0, at = 0;
    /* Negating as unsigned is defined for the least value too. */
    cm_u128 left = value < 0 ? -(cm_u128)value : (cm_u128)value;

    for (; left > UINT64_MAX; left /= 10) {
        digits[count++] = (char)('0' + (int)(left % 10));
    }
    uint64_t low = (uint64_t)left; /* divides twenty times faster */
    do {
        digits[count++] = (char)('0' + (int)(low % 10));
        low /= 10;
    } while (low > 0);
    if (value < 0) {
        buffer[at++] = '-';
    }
    while (count > 0) {
        buffer[at++] = digits[--count];
    }
    buffer[at] = '\0';
    return buffer;
}
