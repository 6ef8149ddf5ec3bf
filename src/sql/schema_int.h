/* sql/schema_int.h - what schema.c and schema_codec.c check alike. */
#ifndef CM_SQL_SCHEMA_INT_H
#define CM_SQL_SCHEMA_INT_H

#include "sql/schema.h"

/* Limits of what one table may bring along. */
enum {
    CM_TABLE_MAX_GRANTS = 4096,
    CM_LABEL_MAX_BYTES = 63, /* of an enum, as PostgreSQL's */
};

/* Every name, count, type, range and label of the table; CM_EINVAL says what is wrong. */
CM_MUST cm_status cm_org_table_check(const cm_org_table *table, cm_arena scratch, cm_diag *diag);

#endif
