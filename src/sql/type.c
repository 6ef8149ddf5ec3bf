#include "sql/type.h"

#include "sql/sql_int.h"

#include <string.h>

cm_i128 cm_pow10(int exponent)
{
    CM_ASSERT(exponent >= 0 && exponent <= 38);
    cm_i128 power = 1;
    for (int i = 0; i < exponent; i++) {
        power *= 10;
    }
    return power;
}

static cm_range symmetric(cm_i128 most)
{
    return (cm_range){-most, most};
}

static cm_range numeric_range(const cm_type *type)
{
    if (type->precision > 0 && type->precision <= 37) {
        return symmetric(cm_pow10(type->precision) - 1);
    }
    return symmetric(CM_NUMBER_LIMIT - 1);
}

cm_range cm_type_range(const cm_type *type)
{
    switch (type->kind) {
    case CM_TYPE_BOOL:
        return (cm_range){0, 1};
    case CM_TYPE_INT2:
        return (cm_range){INT16_MIN, INT16_MAX};
    case CM_TYPE_INT4:
        return (cm_range){INT32_MIN, INT32_MAX};
    case CM_TYPE_INT8:
        return (cm_range){INT64_MIN, INT64_MAX};
    case CM_TYPE_NUMERIC:
        return numeric_range(type);
    case CM_TYPE_DATE:
        /* 4714-11-24 BC to 5874897-12-31, as PostgreSQL's. */
        return (cm_range){-2451545, 2145031948};
    case CM_TYPE_TIMESTAMP:
        /* 4714-11-24 BC to the end of 294276. */
        return (cm_range){INT64_C(-211813488000000000), INT64_C(9223371331199999999)};
    case CM_TYPE_INTERVAL:
        return symmetric((cm_i128)1 << 112);
    case CM_TYPE_ENUM:
        return (cm_range){0, type->labels->count > 0 ? (cm_i128)type->labels->count - 1 : 0};
    case CM_TYPE_TEXT:
    case CM_TYPE_UNKNOWN:
        return (cm_range){0, 0};
    }
    CM_ASSERT(0 && "type kind");
}

unsigned cm_range_planes(cm_range range)
{
    CM_ASSERT(range.lo <= range.hi);
    cm_u128 span = (cm_u128)range.hi - (cm_u128)range.lo;
    unsigned planes = 0;
    while (span != 0) {
        planes++;
        span >>= 1;
    }
    CM_ASSERT(planes <= 127);
    return planes;
}

static bool labels_equal(const cm_enum *a, const cm_enum *b)
{
    if (a == b) {
        return true;
    }
    if (a == NULL || b == NULL || a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->labels[i], b->labels[i]) != 0) {
            return false;
        }
    }
    return true;
}

bool cm_type_equal(const cm_type *a, const cm_type *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case CM_TYPE_NUMERIC:
        return a->precision == b->precision && a->scale == b->scale && a->quotient == b->quotient;
    case CM_TYPE_ENUM:
        return labels_equal(a->labels, b->labels);
    case CM_TYPE_TEXT:
        return a->text == b->text && a->max_bytes == b->max_bytes;
    case CM_TYPE_UNKNOWN:
    case CM_TYPE_BOOL:
    case CM_TYPE_INT2:
    case CM_TYPE_INT4:
    case CM_TYPE_INT8:
    case CM_TYPE_DATE:
    case CM_TYPE_TIMESTAMP:
    case CM_TYPE_INTERVAL:
        return true;
    }
    CM_ASSERT(0 && "type kind");
}

static const unsigned char presumed_bits[CM_PRESUME_LEVELS] = {127, 62, 54, 46, 38, 34, 31, 28, 25};

unsigned cm_presumed_bits(unsigned level)
{
    CM_ASSERT(level > 0 && level < CM_PRESUME_LEVELS);
    return presumed_bits[level];
}

cm_range cm_presumed_range(unsigned level)
{
    const cm_i128 most = ((cm_i128)1 << cm_presumed_bits(level)) - 1;

    return (cm_range){-most, most};
}

bool cm_type_is_number(const cm_type *type)
{
    return type->kind == CM_TYPE_INT2 || type->kind == CM_TYPE_INT4 || type->kind == CM_TYPE_INT8 ||
           type->kind == CM_TYPE_NUMERIC;
}

/* What pg_type says of a kind; an enum travels as text, since its own OID differs from node to
 * node. */
typedef struct cm_type_facts {
    uint32_t oid;
    int16_t len;
    const char *name;
} cm_type_facts;

static cm_type_facts facts_of(const cm_type *type)
{
    switch (type->kind) {
    case CM_TYPE_UNKNOWN:
        return (cm_type_facts){705, -2, "unknown"};
    case CM_TYPE_BOOL:
        return (cm_type_facts){16, 1, "boolean"};
    case CM_TYPE_INT2:
        return (cm_type_facts){21, 2, "smallint"};
    case CM_TYPE_INT4:
        return (cm_type_facts){23, 4, "integer"};
    case CM_TYPE_INT8:
        return (cm_type_facts){20, 8, "bigint"};
    case CM_TYPE_NUMERIC:
        return type->floats ? (cm_type_facts){701, 8, "double precision"}
                            : (cm_type_facts){1700, -1, "numeric"};
    case CM_TYPE_DATE:
        return (cm_type_facts){1082, 4, "date"};
    case CM_TYPE_TIMESTAMP:
        return (cm_type_facts){1114, 8, "timestamp without time zone"};
    case CM_TYPE_INTERVAL:
        return (cm_type_facts){1186, 16, "interval"};
    case CM_TYPE_ENUM:
        return (cm_type_facts){25, -1, type->labels->name};
    case CM_TYPE_TEXT:
        switch (type->text) {
        case CM_TEXT_TEXT:
            return (cm_type_facts){25, -1, "text"};
        case CM_TEXT_VARCHAR:
            return (cm_type_facts){1043, -1, "character varying"};
        case CM_TEXT_CHAR:
            return (cm_type_facts){1042, -1, "character"};
        }
    }
    CM_ASSERT(0 && "type kind");
}

uint32_t cm_type_oid(const cm_type *type)
{
    return facts_of(type).oid;
}

int16_t cm_type_len(const cm_type *type)
{
    return facts_of(type).len;
}

int32_t cm_type_mod(const cm_type *type)
{
    if (type->kind == CM_TYPE_NUMERIC && type->precision > 0 && !type->quotient && !type->floats) {
        return (type->precision << 16 | type->scale) + 4;
    }
    if (type->kind == CM_TYPE_TEXT && type->text != CM_TEXT_TEXT) {
        return (int32_t)type->max_bytes + 4;
    }
    return -1;
}

void cm_type_name(const cm_type *type, cm_buf *out)
{
    cm_buf_printf(out, "%s", facts_of(type).name);
    if (type->kind == CM_TYPE_NUMERIC && type->precision > 0 && !type->quotient && !type->floats) {
        cm_buf_printf(out, "(%d,%d)", type->precision, type->scale);
    } else if (type->kind == CM_TYPE_TEXT && type->text != CM_TEXT_TEXT) {
        cm_buf_printf(out, "(%u)", type->max_bytes);
    }
}
