#include "pgwire/binary.h"

#include <stdlib.h>
#include <string.h>

enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700,
    OID_DATE = 1082,
    OID_TIMESTAMP = 1114,
    NUMERIC_DIGITS_MAX = 1000,
    NUMERIC_NEGATIVE = 0x4000,
};

static void put_int(cm_buf *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0;) {
        cm_buf_put_u8(out, (uint8_t)(value >> (8 * i)));
    }
}

static uint64_t get_int(const uint8_t *data, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | data[i];
    }
    return value;
}

static size_t int_bytes(uint32_t oid)
{
    return oid == OID_INT2                                        ? 2
           : oid == OID_INT4 || oid == OID_OID || oid == OID_DATE ? 4
           : oid == OID_BOOL                                      ? 1
                                                                  : 8;
}

static cm_type type_of(uint32_t oid)
{
    cm_type type = {.kind = CM_TYPE_INT8};
    type.kind = oid == OID_DATE        ? CM_TYPE_DATE
                : oid == OID_TIMESTAMP ? CM_TYPE_TIMESTAMP
                : oid == OID_BOOL      ? CM_TYPE_BOOL
                                       : CM_TYPE_INT8;
    return type;
}

/* Digits of base 10,000 around the point, weight of the first, sign, digits shown after the point.
 */
static void put_numeric(cm_buf *out, const char *text)
{
    bool negative = *text == '-';
    const char *digits = text + negative;
    const char *point = strchr(digits, '.');
    size_t before = point != NULL ? (size_t)(point - digits) : strlen(digits);
    size_t after = point != NULL ? strlen(point + 1) : 0;
    size_t groups_before = (before + 3) / 4;
    size_t groups = groups_before + (after + 3) / 4;
    size_t skip = 0;
    cm_buf group = {0};
    for (size_t g = 0; g < groups; g++) {
        unsigned value = 0;
        for (size_t d = 0; d < 4; d++) {
            /* place of the digit, counted from the start of the padded integer part */
            size_t place = g * 4 + d;
            size_t lead = groups_before * 4 - before;
            unsigned digit = 0;
            if (place >= lead && place < lead + before) {
                digit = (unsigned)(digits[place - lead] - '0');
            } else if (place >= lead + before && place - lead - before < after) {
                digit = (unsigned)(point[1 + place - lead - before] - '0');
            }
            value = value * 10 + digit;
        }
        if (value == 0 && skip == g) {
            skip++; /* leading zeros are not sent */
            continue;
        }
        cm_buf_put_u16(&group, (uint16_t)value);
    }
    while (group.bytes >= 2 && group.data[group.bytes - 1] == 0 &&
           group.data[group.bytes - 2] == 0) {
        group.bytes -= 2; /* nor trailing ones */
    }
    size_t weight = groups_before - 1 - skip;
    cm_buf_put_u16(out, (uint16_t)(group.bytes / 2));
    cm_buf_put_u16(out, group.bytes == 0 ? 0 : (uint16_t)weight);
    cm_buf_put_u16(out, negative ? NUMERIC_NEGATIVE : 0);
    cm_buf_put_u16(out, (uint16_t)after);
    cm_buf_put(out, group.data, group.bytes);
    cm_buf_free(&group);
}

cm_status cm_binary_put(cm_buf *out, uint32_t oid, const char *text, cm_arena *arena, cm_diag *diag)
{
    cm_type type = type_of(oid);
    cm_value value;
    switch (oid) {
    case OID_BOOL:
    case OID_INT8:
    case OID_INT2:
    case OID_INT4:
    case OID_OID:
    case OID_DATE:
    case OID_TIMESTAMP: { /* the canonical integers are PostgreSQL's binary ones */
        cm_status st = cm_value_parse(&type, text, arena, &value, diag);
        if (st == CM_OK) {
            put_int(out, (uint64_t)value.number, (unsigned)int_bytes(oid));
        }
        return st;
    }
    case OID_FLOAT8: {
        const double number = strtod(text, NULL);
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        put_int(out, bits, sizeof bits);
        return CM_OK;
    }
    case OID_NUMERIC:
        put_numeric(out, text);
        return CM_OK;
    default:
        cm_buf_put(out, text, strlen(text));
        return CM_OK;
    }
}

static cm_status malformed(cm_diag *diag)
{
    return cm_fail(diag, CM_EINVAL, "22P03", "incorrect binary data format in a parameter");
}

static cm_status numeric_text(const uint8_t *data, size_t bytes, cm_arena *arena, const char **ret,
                              cm_diag *diag)
{
    cm_reader in = cm_reader_of(data, bytes);
    size_t groups = cm_reader_u16(&in);
    int weight = (int16_t)cm_reader_u16(&in);
    unsigned sign = cm_reader_u16(&in);
    size_t scale = cm_reader_u16(&in);
    bool bounded = weight >= -NUMERIC_DIGITS_MAX && weight <= NUMERIC_DIGITS_MAX;
    if (in.failed || groups * 2 != cm_reader_left(&in) || !bounded || scale > NUMERIC_DIGITS_MAX ||
        (sign != 0 && sign != NUMERIC_NEGATIVE)) {
        return malformed(diag);
    }
    cm_buf text = {0};
    cm_buf_printf(&text, "%s", sign != 0 ? "-" : "");
    int last = -(int)((scale + 3) / 4);
    size_t end = 0; /* of the digits that the scale keeps */
    for (int place = weight > 0 ? weight : 0; place >= last; place--) {
        unsigned group = 0;
        if (place <= weight && (size_t)(weight - place) < groups) {
            group = cm_reader_u16(&in);
        }
        if (group > 9999) {
            cm_buf_free(&text);
            return malformed(diag);
        }
        cm_buf_printf(&text, place >= 0 && place == (weight > 0 ? weight : 0) ? "%u" : "%04u",
                      group);
        if (place == 0) {
            end = text.bytes + (scale > 0 ? 1 + scale : 0);
            cm_buf_printf(&text, "%s", scale > 0 ? "." : "");
        }
    }
    const char *whole = cm_buf_text(&text);
    size_t chars = end < text.bytes ? end : text.bytes;
    *ret = cm_arena_strndup(arena, whole, chars);
    cm_buf_free(&text);
    return CM_OK;
}

cm_status cm_binary_text(uint32_t oid, const uint8_t *data, size_t bytes, cm_arena *arena,
                         const char **ret, cm_diag *diag)
{
    switch (oid) {
    case OID_BOOL:
    case OID_INT8:
    case OID_INT2:
    case OID_INT4:
    case OID_OID:
    case OID_DATE:
    case OID_TIMESTAMP: {
        if (bytes != int_bytes(oid)) {
            return malformed(diag);
        }
        uint64_t raw = get_int(data, bytes);
        int64_t number = bytes == 2                     ? (int16_t)raw
                         : bytes == 4 && oid != OID_OID ? (int32_t)raw
                                                        : (int64_t)raw;
        cm_type type = type_of(oid);
        cm_value value = {.number = number};
        cm_buf text = {0};
        if (oid == OID_BOOL && raw > 1) {
            return malformed(diag);
        }
        cm_value_print(&type, &value, &text);
        *ret = cm_arena_strdup(arena, cm_buf_text(&text));
        cm_buf_free(&text);
        return CM_OK;
    }
    case OID_FLOAT8: {
        const uint64_t bits = get_int(data, bytes < sizeof bits ? bytes : sizeof bits);
        double number;
        cm_buf text = {0};
        memcpy(&number, &bits, sizeof number);
        if (bytes != sizeof bits || number - number != 0) { /* infinities and NaN differ from 0 */
            return malformed(diag);
        }
        cm_double_print(number, &text);
        *ret = cm_arena_strdup(arena, cm_buf_text(&text));
        cm_buf_free(&text);
        return CM_OK;
    }
    case OID_NUMERIC:
        return numeric_text(data, bytes, arena, ret, diag);
    default:
        if (memchr(data, 0, bytes) != NULL) {
            return malformed(diag);
        }
        *ret = cm_arena_strndup(arena, (const char *)data, bytes);
        return CM_OK;
    }
}
