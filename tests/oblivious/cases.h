/* tests/oblivious/cases.h - what is run on poisoned inputs, and how a case gets them. */
#ifndef CM_TESTS_OBLIVIOUS_CASES_H
#define CM_TESTS_OBLIVIOUS_CASES_H

#include "oblivious/poison.h"
#include "support/parties.h"

/* One party's view of a case: four runs of it meet in one process, the fourth owns data only. */
typedef struct oblivious_party {
    cm_mpc *mpc;
    cm_arena *arena;
    cm_arena scratch;
} oblivious_party;

typedef struct oblivious_case {
    const char *name;
    void (*run)(oblivious_party *p);
} oblivious_case;

enum { ROWS = 70, PARTIES = 3, OWNER_OUTSIDE = 3, PARTICIPANTS = 4 };

/* Inputs: shares of random values from party 0, all legs secret; at computing parties only. */
cm_bcol secret_bits(oblivious_party *p, unsigned planes, size_t rows);
cm_acol secret_words(oblivious_party *p, size_t rows);
cm_bcol empty_bits(oblivious_party *p, unsigned planes, size_t rows);
cm_acol empty_words(oblivious_party *p, size_t rows);
/* A table of secret columns; planes ends with 0.  Column 1, if there is one, may be NULL. */
cm_table secret_table(oblivious_party *p, size_t rows, const unsigned *planes);

void check(cm_status st);
/* The outputs must be secret still. */
void check_bits(cm_bcol x);
void check_words(cm_acol x);
void check_table(const cm_table *x);

extern const oblivious_case proto_cases[];
extern const size_t proto_cases_count;
extern const oblivious_case circuit_cases[];
extern const size_t circuit_cases_count;
extern const oblivious_case table_cases[];
extern const size_t table_cases_count;
/* Each of these must make memcheck complain. */
extern const oblivious_case leaking_cases[];
extern const size_t leaking_cases_count;

#endif
