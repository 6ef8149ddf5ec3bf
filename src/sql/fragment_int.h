/* sql/fragment_int.h - writing owners' SQL: what the parts share. */
#ifndef CM_SQL_FRAGMENT_INT_H
#define CM_SQL_FRAGMENT_INT_H

#include "sql/plan_int.h"
#include "sql/sql_int.h"

typedef struct cm_fragment_writer {
    cm_buf *out;
    const cm_fragment *fragment;
    const char *const *from; /* per table */
    bool postgres;
    const cm_native *native; /* per column; NULL: columns are canonical, by their names */
} cm_fragment_writer;

void cm_fragment_put(cm_fragment_writer *w, const char *text);
void cm_fragment_put_number(cm_fragment_writer *w, cm_i128 value);
void cm_fragment_put_text(cm_fragment_writer *w, const char *text); /* 'quoted' */
/* An expression as an integer or text of the dialect. */
void cm_fragment_put_value(cm_fragment_writer *w, const cm_expr *x);
/* The same, to be compared: text in bytewise order. */
void cm_fragment_put_operand(cm_fragment_writer *w, const cm_expr *x);
/* A boolean of the dialect. */
void cm_fragment_put_condition(cm_fragment_writer *w, const cm_expr *x);
/* fragment_from.c */
void cm_fragment_put_from(cm_fragment_writer *w, const cm_from *from);
/* WHERE with the join's own conditions (from is NULL without one) and another; whether any. */
bool cm_fragment_put_where(cm_fragment_writer *w, const cm_from *from, const cm_expr *condition);
/* fragment_date.c */
void cm_fragment_put_extract(cm_fragment_writer *w, const cm_expr *x);
void cm_fragment_put_date_trunc(cm_fragment_writer *w, const cm_expr *x);
void cm_fragment_put_add_months(cm_fragment_writer *w, const cm_expr *x);
/* fragment_native.c; each writes nothing and returns false when it does not apply. */
CM_MUST bool cm_fragment_put_native_compare(cm_fragment_writer *w, const cm_expr *x,
                                            const char *op);
CM_MUST bool cm_fragment_put_native_in(cm_fragment_writer *w, const cm_expr *x);
CM_MUST bool cm_fragment_put_native_is_null(cm_fragment_writer *w, const cm_expr *x);
CM_MUST bool cm_fragment_put_native_aggregate(cm_fragment_writer *w, const cm_expr *x);
CM_MUST bool cm_fragment_put_native_key(cm_fragment_writer *w, const cm_expr *x);

#endif
