/*
 * tests/oblivious/poison.h - secrets as memory that valgrind's memcheck holds to be uninitialised.
 *
 * memcheck follows uninitialised bits through every instruction and complains when a branch or an
 * address depends on one.  So what is secret is marked so, and only a declassification makes it
 * initialised again.  Production code knows nothing of this: poison.c stands between the object
 * files by the linker's --wrap, and README.md lists what it declassifies and why.
 */
#ifndef CM_TESTS_OBLIVIOUS_POISON_H
#define CM_TESTS_OBLIVIOUS_POISON_H

#include "table/table.h"

/* Whether we run under valgrind at all, and how many complaints it has had so far. */
bool poison_available(void);
unsigned poison_complaints(void);

/* Without SIMD (the default), or with what valgrind can run of it: AES-NI and AVX2. */
void poison_use_simd(bool simd);

void poison_memory(void *data, size_t bytes);
/* Legs, all of them, whatever they hold. */
void poison_bits(cm_bcol x);
void poison_words(cm_acol x);

/* Whether secrets reached each leg: a test whose outputs are public proves nothing. */
bool poison_in_bits(cm_bcol x);
bool poison_in_words(cm_acol x);

#endif
