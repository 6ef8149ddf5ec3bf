/*
 * sql/type.h - SQL types, their public ranges, and values in the clear.
 *
 * Every non-text value is one canonical integer, so that owners' SQL, circuits and printing agree:
 *   bool 0/1 · int2/4/8 itself · numeric(p,s) value * 10^s · date days since 2000-01-01 ·
 *   timestamp microseconds since 2000-01-01 00:00 · enum the label's ordinal from 0.
 * Year 0 of the calendar functions is 1 BC.
 * Text is UTF-8 bytes without NUL, compared bytewise (collation "C").
 */
#ifndef CM_SQL_TYPE_H
#define CM_SQL_TYPE_H

#include "base/arena.h"
#include "base/buf.h"

typedef enum cm_type_kind {
    CM_TYPE_UNKNOWN, /* NULL or a quoted literal before its context gives it a type */
    CM_TYPE_BOOL,
    CM_TYPE_INT2,
    CM_TYPE_INT4,
    CM_TYPE_INT8,
    CM_TYPE_NUMERIC,
    CM_TYPE_DATE,
    CM_TYPE_TIMESTAMP,
    CM_TYPE_INTERVAL, /* months and microseconds (a day is 24 hours); constants only */
    CM_TYPE_ENUM,
    CM_TYPE_TEXT, /* text, varchar(n), char(n) */
} cm_type_kind;

typedef struct cm_enum {
    const char *name; /* "region"; "name" for the pseudo-column org */
    size_t count;
    const char *const *labels;
} cm_enum;

typedef enum cm_text_kind { CM_TEXT_TEXT, CM_TEXT_VARCHAR, CM_TEXT_CHAR } cm_text_kind;

typedef struct cm_type {
    cm_type_kind kind;
    int precision;      /* NUMERIC: 1..38, 0 when it came from an expression; of a quotient: the
                           least number of digits shown after the point */
    int scale;          /* NUMERIC: digits after the point of the canonical integer */
    bool quotient;      /* NUMERIC from a division: truncated at `scale`, shown with the number of
                           digits that PostgreSQL's select_div_scale would choose */
    bool floats;        /* NUMERIC, computed exactly, that PostgreSQL has as double precision: named
                           and shown as the nearest one */
    unsigned max_bytes; /* TEXT: public bound of a value's bytes */
    cm_text_kind text;  /* TEXT: what DDL said, for display */
    const cm_enum *labels; /* ENUM */
} cm_type;

/* A public interval of canonical integers that holds every value. */
typedef struct cm_range {
    cm_i128 lo, hi;
} cm_range;

typedef struct cm_value {
    bool null;
    cm_i128 number;   /* canonical integer; unused for TEXT */
    const char *text; /* TEXT only */
} cm_value;

/* The range of a type without CHECK (numeric: by its precision, and never beyond 126 bits). */
cm_range cm_type_range(const cm_type *type);
/*
 * What a query presumes of numbers whose column has no CHECK, so that everything computed from them
 * fits 126 bits: nothing at level 0, less and less magnitude above.  Their owners verify it.
 */
enum { CM_PRESUME_LEVELS = 9 };
unsigned cm_presumed_bits(unsigned level); /* from 1 up: magnitudes are below 2^bits */
cm_range cm_presumed_range(unsigned level);
/* Bits of hi - lo: planes of a column of that range.  At most 127. */
unsigned cm_range_planes(cm_range range);
bool cm_type_equal(const cm_type *a, const cm_type *b);
bool cm_type_is_number(const cm_type *type); /* int2, int4, int8, numeric */

/* Text as PostgreSQL reads and writes it; 22P02, 22003, 22007, 22008, 22001 with the offending text
 * cut short. */
CM_MUST cm_status cm_value_parse(const cm_type *type, const char *text, cm_arena *arena,
                                 cm_value *ret, cm_diag *diag);
/* Appends PostgreSQL's output text of a non-NULL value (dates ISO, numeric with its scale,
 * quotients as described above). */
void cm_value_print(const cm_type *type, const cm_value *value, cm_buf *out);
/* A finite double as PostgreSQL shows it: the fewest digits that tell it from all others. */
void cm_double_print(double value, cm_buf *out);
/* Canonical integer to another numeric scale, half away from zero as PostgreSQL rounds. */
CM_MUST cm_status cm_value_rescale(cm_i128 number, int from_scale, int to_scale, cm_i128 *ret);
/* Order of two non-NULL values of one type: <0, 0, >0. */
int cm_value_compare(const cm_type *type, const cm_value *a, const cm_value *b);

/* An interval's number holds both of its parts: months * 2^80 + microseconds. */
#define CM_INTERVAL_MONTH ((cm_i128)1 << 80)
cm_i128 cm_interval_make(int months, cm_i128 micros);
int cm_interval_months(cm_i128 interval);
cm_i128 cm_interval_micros(cm_i128 interval);

/* days since 2000-01-01 <-> year, month, day (proleptic Gregorian). */
cm_i128 cm_date_from_ymd(int year, int month, int day);
void cm_date_to_ymd(cm_i128 days, int *ret_year, int *ret_month, int *ret_day);

/* pg_type OID, typlen and typmod for row descriptions; format_type's text ("numeric(10,2)"). */
uint32_t cm_type_oid(const cm_type *type);
int16_t cm_type_len(const cm_type *type);
int32_t cm_type_mod(const cm_type *type);
void cm_type_name(const cm_type *type, cm_buf *out);

#endif
