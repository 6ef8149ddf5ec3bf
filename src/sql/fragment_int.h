/* sql/fragment_int.h - writing owners' SQL: what the parts share. */
#ifndef CM_SQL_FRAGMENT_INT_H
#define CM_SQL_FRAGMENT_INT_H

#include "sql/plan.h"
#include "sql/sql_int.h"

typedef struct cm_fragment_writer {
    cm_buf *out;
    const cm_org_table *table;
    bool postgres;
} cm_fragment_writer;

void cm_fragment_put(cm_fragment_writer *w, const char *text);
void cm_fragment_put_number(cm_fragment_writer *w, cm_i128 value);
/* An expression as an integer or text of the dialect. */
void cm_fragment_put_value(cm_fragment_writer *w, const cm_expr *x);
/* fragment_date.c */
void cm_fragment_put_extract(cm_fragment_writer *w, const cm_expr *x);
void cm_fragment_put_date_trunc(cm_fragment_writer *w, const cm_expr *x);
void cm_fragment_put_add_months(cm_fragment_writer *w, const cm_expr *x);

#endif
