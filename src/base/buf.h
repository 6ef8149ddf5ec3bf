/*
 * base/buf.h - growing byte buffers to write messages and text, bounded readers to take them apart.
 *
 * Both carry a sticky failure bit: write or read everything, check once.  Integers are big-endian.
 */
#ifndef CM_BASE_BUF_H
#define CM_BASE_BUF_H

#include "base/base.h"

typedef struct cm_buf {
    uint8_t *data; /* heap, owned; NULL while empty */
    size_t bytes;
    size_t capacity;
    bool failed; /* an allocation failed: content is not to be used */
} cm_buf;

/* A zeroed cm_buf is empty and ready.  _free wipes nothing; _wipe_free wipes first. */
void cm_buf_free(cm_buf *buf);
void cm_buf_wipe_free(cm_buf *buf);
void cm_buf_clear(cm_buf *buf); /* keeps the memory */
/* Drops the first bytes of the content. */
void cm_buf_consume(cm_buf *buf, size_t bytes);
/* Room for so many bytes at the end, NULL on failure; commit with cm_buf_commit. */
void *cm_buf_reserve(cm_buf *buf, size_t bytes);
void cm_buf_commit(cm_buf *buf, size_t bytes);

void cm_buf_put(cm_buf *buf, const void *data, size_t bytes);
void cm_buf_put_u8(cm_buf *buf, uint8_t value);
void cm_buf_put_u16(cm_buf *buf, uint16_t value);
void cm_buf_put_u32(cm_buf *buf, uint32_t value);
void cm_buf_put_u64(cm_buf *buf, uint64_t value);
void cm_buf_put_i128(cm_buf *buf, cm_i128 value);
/* Length (u32) and bytes, without the NUL; NULL is written as length 0xffffffff. */
void cm_buf_put_text(cm_buf *buf, const char *text);
/* Bytes and the terminating NUL (PostgreSQL's strings). */
void cm_buf_put_cstr(cm_buf *buf, const char *text);
/* Between two quotes, and quotes inside written twice: SQL's names ("), and literals ('). */
void cm_buf_put_quoted(cm_buf *buf, const char *text, char quote);
CM_PRINTF(2, 3) void cm_buf_printf(cm_buf *buf, const char *format, ...);
CM_PRINTF(2, 0) void cm_buf_vprintf(cm_buf *buf, const char *format, __builtin_va_list args);
/* The content as a NUL-terminated string, "" on failure.  Borrowed until the next change. */
const char *cm_buf_text(cm_buf *buf);

typedef struct cm_arena cm_arena;

typedef struct cm_reader {
    const uint8_t *next;
    const uint8_t *end;
    bool failed; /* something was read past the end or was malformed; all later reads give 0 */
} cm_reader;

cm_reader cm_reader_of(const void *data, size_t bytes);
/* Nothing failed and everything was read. */
bool cm_reader_done(const cm_reader *reader);
size_t cm_reader_left(const cm_reader *reader);
uint8_t cm_reader_u8(cm_reader *reader);
uint16_t cm_reader_u16(cm_reader *reader);
uint32_t cm_reader_u32(cm_reader *reader);
uint64_t cm_reader_u64(cm_reader *reader);
cm_i128 cm_reader_i128(cm_reader *reader);
/* Borrows the next bytes, or NULL. */
const uint8_t *cm_reader_bytes(cm_reader *reader, size_t bytes);
/* A copy with NUL of what cm_buf_put_text wrote (NULL stays NULL).  A text with a NUL inside or
 * longer than max_bytes fails the reader and gives NULL. */
const char *cm_reader_text(cm_reader *reader, cm_arena *arena, size_t max_bytes);
/* A borrowed string up to its NUL, or NULL. */
const char *cm_reader_cstr(cm_reader *reader);

/* value in decimal; buffer of at least 41 bytes; returns buffer. */
char *cm_i128_print(cm_i128 value, char buffer[static 41]);

#endif
