/*
 * source/infer.h - guesses a column's type, domain and constraints from its values; private.
 *
 * Every value is shown to the column once; the guess at the end holds for all of them.  Ranges are
 * widened to round figures, so that the published definition does not tell the extreme values.
 */
#ifndef CM_SOURCE_INFER_H
#define CM_SOURCE_INFER_H

#include "source/cell.h"
#include "sql/stmt.h"

enum {
    CM_INFER_LABELS = 64,      /* most labels of a guessed enum */
    CM_INFER_LABEL_BYTES = 32, /* longest label */
    CM_INFER_SCALE = 9,        /* digits after the point that are told apart */
};

typedef struct cm_infer {
    uint64_t rows, nulls;
    bool integers, numbers, dates, timestamps, booleans; /* could still be */
    bool reals;                                          /* a floating-point cell was among them */
    cm_i128 lo, hi;    /* integers; numbers times 10^9; days; microseconds */
    int scale;         /* most digits after the point */
    size_t most_bytes; /* of text */
    size_t labels;     /* CM_INFER_LABELS + 1: too many */
    char *label[CM_INFER_LABELS];
    bool want_unique;
    uint64_t *hash; /* of every value, for uniqueness */
    size_t hashes, hash_capacity;
    const char *declared; /* type at the source, or NULL; borrowed */
} cm_infer;

/* want_unique: also find out whether values repeat (costs 8 bytes a row). */
void cm_infer_init(cm_infer *column, bool want_unique, const char *declared);
void cm_infer_fini(cm_infer *column);
void cm_infer_add(cm_infer *column, const cm_cell *cell, cm_arena scratch);

typedef struct cm_guess {
    const char *type_name; /* NULL for an enum */
    int type_args;
    int type_arg[2];
    bool not_null, unique, has_check;
    const char *check_lo, *check_hi;
    size_t labels; /* of an enum, sorted */
    const char *const *label;
} cm_guess;
cm_guess cm_infer_result(cm_infer *column, cm_arena *arena);

/* The nearest round figures outside: two digits that count (of less than 100 one), and 0 where it
 * is near. */
void cm_infer_widen(cm_i128 *lo, cm_i128 *hi);
/* A round number of bytes at least so large: 1 2 3 4 6 8 12 16 24 ... 1024. */
unsigned cm_infer_text_bytes(size_t most);

#endif
