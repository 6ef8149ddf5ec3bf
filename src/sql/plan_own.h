/* sql/plan_own.h - relations that one owner joins: what the two files of it share. */
#ifndef CM_SQL_PLAN_OWN_H
#define CM_SQL_PLAN_OWN_H

#include "sql/plan_int.h"

/* Most pairs of rows of a join without a unique side, which its owner adds up. */
#define CM_OWN_PAIRS_MAX ((uint64_t)1 << 40)

/* Columns of one relation that no two rows of an owner have in common. */
typedef struct cm_own_key {
    unsigned rel;
    size_t cols;
    const unsigned *col;
} cm_own_key;

/* What every one of these owners joins alone. */
typedef struct cm_own {
    const cm_from *tree; /* of the query's relations */
    size_t rels;         /* at most CM_OWN_JOIN_MAX */
    unsigned rel[CM_OWN_JOIN_MAX];
    uint64_t shown;    /* not inside of EXISTS */
    uint64_t nullable; /* on the right of a LEFT JOIN */
    bool many;         /* a join in it has no unique side */
    size_t orgs;
    const char **org;
    uint64_t *rows; /* per owner: public bound */
    size_t keys;
    cm_own_key *key;
} cm_own;

/* FROM, with inner joins gathered into groups; an own one is a leaf. */
typedef struct cm_own_part cm_own_part;
struct cm_own_part {
    const cm_from *from; /* RELATION, or what joins part[0] and part[1]; NULL: a group */
    cm_own *own;
    size_t parts;
    cm_own_part **part;
    cm_exprs conjuncts; /* of a group */
};

/* Makes a relation of every own part of several tables, and the query that reads it. */
CM_MUST cm_status cm_own_build(cm_planner *pl, cm_query *query, const cm_own_part *root,
                               const cm_exprs *where);

#endif
