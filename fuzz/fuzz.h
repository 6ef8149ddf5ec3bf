/*
 * fuzz/fuzz.h - what every fuzz target offers: libFuzzer's entry, and seeds.
 *
 * A target takes any bytes, holds no state from one input to the next, and aborts (CM_ASSERT, a
 * sanitizer) when something is wrong.  Seeds that are text lie in fuzz/seeds/TARGET; those that
 * are not are made by the target with the encoders of the code under test, so they follow its
 * formats.
 */
#ifndef CM_FUZZ_FUZZ_H
#define CM_FUZZ_FUZZ_H

#include "base/arena.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Appends the target's seed of that number, from 0; false when there are no more. */
bool cm_fuzz_seed(unsigned number, cm_buf *out);

/* A heap copy of exactly the bytes and a NUL, so that reading past it is noticed.  The bytes after
 * a NUL inside are there too, but out of a string's sight. */
char *cm_fuzz_text(const uint8_t *data, size_t bytes);

/* Takes single bytes off the front of an input, for choices; 0 when it is used up. */
typedef struct cm_fuzz_input {
    const uint8_t *data;
    size_t bytes;
} cm_fuzz_input;
uint8_t cm_fuzz_take(cm_fuzz_input *input);

#endif
