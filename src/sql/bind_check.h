/* sql/bind_check.h - what tests of the binder have in common; failures fail the test. */
#ifndef CM_SQL_BIND_CHECK_H
#define CM_SQL_BIND_CHECK_H

#include "sql/query.h"

typedef struct fixture {
    cm_arena arena;
    cm_diag diag;
    const cm_schema *schema;
    cm_type types[8];
    const cm_value *values;
    cm_buf out;
} fixture;

/* Of each test: the federation of bind_fixture.h. */
int setup(void **state);
int teardown(void **state);
/* Binds one statement as insurer. */
CM_MUST cm_status bind_sql(fixture *f, const char *sql, const cm_query **ret);
const cm_query *bound(fixture *f, const char *sql);
/* In prefix form: (>= v.year 2025).  Until the next call. */
const char *shown(fixture *f, const cm_query *query, const cm_expr *x);

#endif
