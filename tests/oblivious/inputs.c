#include "oblivious/cases.h"

static void fill_random(uint64_t *words, size_t count)
{
    cm_rng rng = {.state = count};
    for (size_t i = 0; i < count; i++) {
        words[i] = cm_rng_next(&rng);
    }
}

cm_bcol empty_bits(oblivious_party *p, unsigned planes, size_t rows)
{
    return cm_bcol_new(p->arena, cm_mpc_legs(p->mpc), planes, rows);
}

cm_acol empty_words(oblivious_party *p, size_t rows)
{
    return cm_acol_new(p->arena, cm_mpc_legs(p->mpc), rows);
}

/* Values are poisoned here, and all legs of the shares by the wrapped input (poison.c). */
cm_bcol secret_bits(oblivious_party *p, unsigned planes, size_t rows)
{
    cm_bcol ret = empty_bits(p, planes, rows);
    uint64_t *values = NULL;

    if (cm_mpc_me(p->mpc) == 0) {
        uint64_t *row = CM_NEW(&p->scratch, uint64_t, (planes + 63) / 64 * rows);
        values = CM_NEW(p->arena, uint64_t, planes * ret.words);
        fill_random(row, (planes + 63) / 64 * rows);
        poison_memory(row, (planes + 63) / 64 * rows * sizeof *row);
        cm_planes_pack(row, (planes + 63) / 64, rows, planes, values);
    }
    check(cm_mpc_input_bits(p->mpc, 0, values, planes, rows, ret, p->scratch));
    return ret;
}

cm_acol secret_words(oblivious_party *p, size_t rows)
{
    cm_acol ret = empty_words(p, rows);
    uint64_t *values = NULL;

    if (cm_mpc_me(p->mpc) == 0) {
        values = CM_NEW(p->arena, uint64_t, rows);
        fill_random(values, rows);
        poison_memory(values, rows * sizeof *values);
    }
    check(cm_mpc_input_words(p->mpc, 0, values, rows, ret, p->scratch));
    return ret;
}

cm_table secret_table(oblivious_party *p, size_t rows, const unsigned *planes)
{
    enum { COLS_MAX = 8 };
    bool nullable[COLS_MAX] = {false, true};
    unsigned cols = 0;

    while (planes[cols] != 0) {
        cols++;
    }
    CM_ASSERT(cols <= COLS_MAX);
    cm_table ret = cm_table_new(p->arena, cm_mpc_legs(p->mpc), rows, cols, planes, nullable);
    for (unsigned i = 0; i < cols; i++) {
        ret.col[i].data = secret_bits(p, planes[i], rows);
        if (nullable[i]) {
            ret.col[i].null = secret_bits(p, 1, rows);
        }
    }
    ret.valid = secret_bits(p, 1, rows);
    return ret;
}

void check(cm_status st)
{
    CM_ASSERT(st == CM_OK);
}

void check_bits(cm_bcol x)
{
    CM_ASSERT(poison_in_bits(x));
}

void check_words(cm_acol x)
{
    CM_ASSERT(poison_in_words(x));
}

void check_table(const cm_table *x)
{
    for (unsigned i = 0; i < x->cols; i++) {
        check_bits(x->col[i].data);
    }
}
