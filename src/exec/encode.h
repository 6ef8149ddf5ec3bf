/*
 * exec/encode.h - values in the clear to packed planes and back, as a plan's encodings say.
 */
#ifndef CM_EXEC_ENCODE_H
#define CM_EXEC_ENCODE_H

#include "sql/plan.h"

/* First 128 bits of SHA-256 of the text, as a number. */
cm_u128 cm_encode_digest(const char *text);

/* 64-bit words that one row of the encoding takes before packing. */
size_t cm_encode_words(const cm_encoding *enc);
/*
 * A non-NULL value as `cm_encode_words` little-endian words.  CM_ERANGE when it does not fit: the
 * value is outside the public range or longer than the public bound.
 */
CM_MUST cm_status cm_encode_value(const cm_encoding *enc, const cm_value *value,
                                  uint64_t *ret_words);
/* The way back.  CM_EPROTO when the words are no value of the encoding (text that is not UTF-8). */
CM_MUST cm_status cm_decode_value(const cm_encoding *enc, const uint64_t *words, cm_arena *arena,
                                  cm_value *ret);

#endif
