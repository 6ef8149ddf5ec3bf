/* sql/sql_int.h - small helpers that the files of this module share. */
#ifndef CM_SQL_INT_H
#define CM_SQL_INT_H

#include "sql/type.h"

/* SQLSTATE codes of this module alone. */
#define CM_SQL_BAD_PARAMETER "22023"
#define CM_SQL_BAD_DATETIME "22007"
#define CM_SQL_DATETIME_RANGE "22008"
#define CM_SQL_TOO_LONG "22001"
#define CM_SQL_BAD_ENCODING "22021"
#define CM_SQL_TOO_COMPLEX "54001"
#define CM_SQL_TOO_MANY_COLUMNS "54011"
#define CM_SQL_DUPLICATE_COLUMN "42701"
#define CM_SQL_DUPLICATE_ALIAS "42712"
#define CM_SQL_BAD_DEFINITION "42P16"

/* Magnitudes of canonical integers stay below it: expr.h. */
#define CM_NUMBER_LIMIT ((cm_i128)1 << 126)
#define CM_MICROS_PER_DAY ((cm_i128)86400 * 1000000)

/* Whether the binder knows a function or type of the name: bind_func.c, bind_cast.c. */
bool cm_sql_has_function(const char *name);
bool cm_sql_has_type(const char *name);

/* 10^exponent, exponent 0..38. */
cm_i128 cm_pow10(int exponent);

/* Well-formed UTF-8: no overlong forms, surrogates or code points past U+10FFFF. */
bool cm_utf8_valid(const char *text, size_t bytes);
/* Number of characters in the first bytes of valid UTF-8. */
int cm_utf8_chars(const char *text, size_t bytes);

/* 22P02 and the like quote the offending text; this much of it. */
enum { CM_QUOTE_BYTES = 64 };
#define CM_QUOTE "%.64s"

CM_MUST cm_status cm_date_parse(const char *text, cm_i128 *ret_days, cm_diag *diag);
CM_MUST cm_status cm_timestamp_parse(const char *text, cm_i128 *ret_micros, cm_diag *diag);
void cm_date_print(cm_i128 days, cm_buf *out);
void cm_timestamp_print(cm_i128 micros, cm_buf *out);

/* Units of a bare number in an interval's text, from INTERVAL '3' MONTH. */
typedef enum cm_interval_unit {
    CM_UNIT_MICROSECOND,
    CM_UNIT_MILLISECOND,
    CM_UNIT_SECOND,
    CM_UNIT_MINUTE,
    CM_UNIT_HOUR,
    CM_UNIT_DAY,
    CM_UNIT_WEEK,
    CM_UNIT_MONTH,
    CM_UNIT_YEAR,
    CM_UNIT_DECADE,
    CM_UNIT_CENTURY,
    CM_UNIT_MILLENNIUM,
} cm_interval_unit;
CM_MUST cm_status cm_interval_parse(const char *text, cm_interval_unit bare, cm_i128 *ret,
                                    cm_diag *diag);

#endif
