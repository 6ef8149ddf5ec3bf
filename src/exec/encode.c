#include "exec/encode.h"

#include <string.h>

cm_u128 cm_encode_digest(const char *text)
{
    cm_hash hash = cm_sha256(text, strlen(text));
    cm_u128 ret = 0;
    for (size_t i = 0; i < 16; i++) {
        ret = ret << 8 | hash.bytes[i];
    }
    return ret;
}

size_t cm_encode_words(const cm_encoding *enc)
{
    size_t words = (enc->planes + 63) / 64;
    return words == 0 ? 1 : words;
}

static void put_u128(cm_u128 value, size_t words, uint64_t *ret_words)
{
    for (size_t i = 0; i < words; i++) {
        ret_words[i] = i == 0 ? (uint64_t)value : i == 1 ? (uint64_t)(value >> 64) : 0;
    }
}

static cm_status encode_number(const cm_encoding *enc, cm_i128 number, uint64_t *ret_words)
{
    if (number < enc->lo) {
        return CM_ERANGE;
    }
    cm_u128 above = (cm_u128)number - (cm_u128)enc->lo;
    if (enc->planes < 128 && above >> enc->planes != 0) {
        return CM_ERANGE;
    }
    put_u128(above, cm_encode_words(enc), ret_words);
    return CM_OK;
}

static cm_status encode_text(const cm_encoding *enc, const char *text, uint64_t *ret_words)
{
    size_t room = enc->planes / 8;
    size_t bytes = strlen(text);
    memset(ret_words, 0, cm_encode_words(enc) * sizeof *ret_words);
    if (bytes > room) {
        return CM_ERANGE;
    }
    for (size_t i = 0; i < bytes; i++) { /* byte 0 at the top */
        size_t at = room - 1 - i;
        ret_words[at / 8] |= (uint64_t)(uint8_t)text[i] << (at % 8 * 8);
    }
    return CM_OK;
}

cm_status cm_encode_value(const cm_encoding *enc, const cm_value *value, uint64_t *ret_words)
{
    switch (enc->kind) {
    case CM_ENC_NUMBER:
        return encode_number(enc, value->number, ret_words);
    case CM_ENC_TEXT:
        return encode_text(enc, value->text, ret_words);
    case CM_ENC_DIGEST:
        put_u128(cm_encode_digest(value->text), cm_encode_words(enc), ret_words);
        return CM_OK;
    }
    CM_ASSERT(false);
    return CM_EINVAL;
}

static cm_status decode_text(const cm_encoding *enc, const uint64_t *words, cm_arena *arena,
                             cm_value *ret)
{
    size_t room = enc->planes / 8;
    char *text = CM_NEW_SMALL(arena, char, room + 1);
    size_t bytes = 0;
    bool ended = false;
    for (size_t i = 0; i < room; i++) {
        size_t at = room - 1 - i;
        char byte = (char)(words[at / 8] >> (at % 8 * 8) & 0xff);
        if (byte == '\0') {
            ended = true;
        } else if (ended) {
            return CM_EPROTO;
        } else {
            text[bytes++] = byte;
        }
    }
    ret->text = text;
    return CM_OK;
}

cm_status cm_decode_value(const cm_encoding *enc, const uint64_t *words, cm_arena *arena,
                          cm_value *ret)
{
    *ret = (cm_value){0};
    if (enc->kind != CM_ENC_NUMBER) {
        return enc->kind == CM_ENC_TEXT ? decode_text(enc, words, arena, ret) : CM_EPROTO;
    }
    cm_u128 above = words[0];
    if (enc->planes > 64) {
        above |= (cm_u128)words[1] << 64;
    }
    ret->number = (cm_i128)((cm_u128)enc->lo + above);
    return CM_OK;
}
