/* fuzz/schema.h - a small federation for the targets that need one. */
#ifndef CM_FUZZ_SCHEMA_H
#define CM_FUZZ_SCHEMA_H

#include "sql/schema.h"

/* Three members; visits at two of them, tumours and regions at one each; all labels occur. */
const cm_schema *cm_fuzz_schema(cm_arena *arena);

#endif
