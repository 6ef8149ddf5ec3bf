/* node/names.h - names of organisations, federations and roles. */
#ifndef CM_NODE_NAMES_H
#define CM_NODE_NAMES_H

#include "base/base.h"

/* A lower-case SQL identifier of at most 63 bytes that needs no quotes: a-z, 0-9 and _, not first a
 * digit; and not one of the names that mean something else ("public", "pg_...", "comity"). */
static inline bool cm_name_valid(const char *name)
{
    size_t bytes = 0;
    for (; name[bytes] != 0; bytes++) {
        char c = name[bytes];
        bool ok = (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9' && bytes > 0);
        if (!ok) {
            return false;
        }
    }
    static const char *const taken[] = {"public", "comity", "information_schema"};
    for (size_t i = 0; i < CM_COUNT(taken); i++) {
        if (__builtin_strcmp(name, taken[i]) == 0) {
            return false;
        }
    }
    return bytes > 0 && bytes <= 63 && __builtin_strncmp(name, "pg_", 3) != 0;
}

#endif
