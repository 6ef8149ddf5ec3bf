/*
 * Each __wrap_ function replaces one of production code in calls that cross object files; __real_
 * is the replaced one.  Secret are all keys, all that generators make of them, and inputs;
 * declassified are openings and, at the pair that draws it, a permutation.
 */
#include "oblivious/poison.h"

#include "crypto/prg.h"
#include "proto/proto_int.h"
#include "share/kern.h"

#include <valgrind/memcheck.h>

static bool use_simd; /* set before the parties start */
static _Thread_local bool in_a_permutation;

bool poison_available(void)
{
    return RUNNING_ON_VALGRIND != 0;
}

unsigned poison_complaints(void)
{
    return (unsigned)VALGRIND_COUNT_ERRORS;
}

void poison_use_simd(bool simd)
{
    use_simd = simd;
}

void poison_memory(void *data, size_t bytes)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(data, bytes);
}

static void declassify(void *data, size_t bytes)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(data, bytes);
}

void poison_bits(cm_bcol x)
{
    for (unsigned k = 0; k < CM_LEGS_MAX && x.leg[k]; k++) {
        poison_memory(x.leg[k], x.planes * x.words * sizeof *x.leg[k]);
    }
}

void poison_words(cm_acol x)
{
    for (unsigned k = 0; k < CM_LEGS_MAX && x.leg[k]; k++) {
        poison_memory(x.leg[k], x.rows * sizeof *x.leg[k]);
    }
}

static bool has_poison(const uint64_t *data, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        uint64_t undefined = 0;
        (void)VALGRIND_GET_VBITS(&data[i], &undefined, sizeof undefined);
        if (undefined != 0) {
            return true;
        }
    }
    return false;
}

bool poison_in_bits(cm_bcol x)
{
    bool all = x.leg[0] != NULL;
    for (unsigned k = 0; k < CM_LEGS_MAX && x.leg[k]; k++) {
        all = all && has_poison(cm_b64_words(x.leg[k]), x.planes * x.words);
    }
    return all;
}

bool poison_in_words(cm_acol x)
{
    bool all = x.leg[0] != NULL;
    for (unsigned k = 0; k < CM_LEGS_MAX && x.leg[k]; k++) {
        all = all && has_poison(cm_a64_words(x.leg[k]), x.rows);
    }
    return all;
}

/* ---- what the linker puts in place of production functions ---------------------------------- */

cm_cpu __real_cm_cpu_detect(void);
cm_cpu __wrap_cm_cpu_detect(void);
cm_cpu __wrap_cm_cpu_detect(void)
{
    return use_simd ? __real_cm_cpu_detect() : (cm_cpu){0};
}

/* valgrind's own address space holds few of the ranges that the executor reserves. */
cm_status __real_cm_arena_init_secret(cm_arena *arena, size_t reserve_bytes);
cm_status __wrap_cm_arena_init_secret(cm_arena *arena, size_t reserve_bytes);
cm_status __wrap_cm_arena_init_secret(cm_arena *arena, size_t reserve_bytes)
{
    const size_t most = (size_t)1 << 30;
    return __real_cm_arena_init_secret(arena, reserve_bytes < most ? reserve_bytes : most);
}

void __real_cm_prg_init(cm_prg *prg, const cm_key *key, uint64_t stream, const cm_cpu *cpu);
void __wrap_cm_prg_init(cm_prg *prg, const cm_key *key, uint64_t stream, const cm_cpu *cpu);
void __wrap_cm_prg_init(cm_prg *prg, const cm_key *key, uint64_t stream, const cm_cpu *cpu)
{
    __real_cm_prg_init(prg, key, stream, cpu);
    poison_memory(prg->round_keys, sizeof prg->round_keys);
}

void __real_cm_prg_fill(cm_prg *prg, void *data, size_t bytes);
void __wrap_cm_prg_fill(cm_prg *prg, void *data, size_t bytes);
void __wrap_cm_prg_fill(cm_prg *prg, void *data, size_t bytes)
{
    __real_cm_prg_fill(prg, data, bytes);
    (in_a_permutation ? declassify : poison_memory)(data, bytes);
}

void __real_cm_permutation_draw(cm_prg *prg, uint32_t *ret_from, size_t rows);
void __wrap_cm_permutation_draw(cm_prg *prg, uint32_t *ret_from, size_t rows);
void __wrap_cm_permutation_draw(cm_prg *prg, uint32_t *ret_from, size_t rows)
{
    in_a_permutation = true;
    __real_cm_permutation_draw(prg, ret_from, rows);
    in_a_permutation = false;
}

/* A component that is 0 by convention is poisoned too: nothing may depend on which one it is. */
cm_status __real_cm_mpc_input_bits(cm_mpc *mpc, unsigned owner, const uint64_t *plane_words,
                                   unsigned planes, size_t rows, cm_bcol z, cm_arena scratch);
cm_status __wrap_cm_mpc_input_bits(cm_mpc *mpc, unsigned owner, const uint64_t *plane_words,
                                   unsigned planes, size_t rows, cm_bcol z, cm_arena scratch);
cm_status __wrap_cm_mpc_input_bits(cm_mpc *mpc, unsigned owner, const uint64_t *plane_words,
                                   unsigned planes, size_t rows, cm_bcol z, cm_arena scratch)
{
    cm_status st = __real_cm_mpc_input_bits(mpc, owner, plane_words, planes, rows, z, scratch);
    if (cm_mpc_computes(mpc)) {
        poison_bits(z);
    }
    return st;
}

cm_status __real_cm_mpc_input_words(cm_mpc *mpc, unsigned owner, const uint64_t *values,
                                    size_t rows, cm_acol z, cm_arena scratch);
cm_status __wrap_cm_mpc_input_words(cm_mpc *mpc, unsigned owner, const uint64_t *values,
                                    size_t rows, cm_acol z, cm_arena scratch);
cm_status __wrap_cm_mpc_input_words(cm_mpc *mpc, unsigned owner, const uint64_t *values,
                                    size_t rows, cm_acol z, cm_arena scratch)
{
    cm_status st = __real_cm_mpc_input_words(mpc, owner, values, rows, z, scratch);
    if (cm_mpc_computes(mpc)) {
        poison_words(z);
    }
    return st;
}

cm_status __real_cm_mpc_open_bits(cm_mpc *mpc, cm_bcol x, const cm_ticket *ticket,
                                  uint64_t *ret_plane_words, cm_arena scratch);
cm_status __wrap_cm_mpc_open_bits(cm_mpc *mpc, cm_bcol x, const cm_ticket *ticket,
                                  uint64_t *ret_plane_words, cm_arena scratch);
cm_status __wrap_cm_mpc_open_bits(cm_mpc *mpc, cm_bcol x, const cm_ticket *ticket,
                                  uint64_t *ret_plane_words, cm_arena scratch)
{
    cm_status st = __real_cm_mpc_open_bits(mpc, x, ticket, ret_plane_words, scratch);
    declassify(ret_plane_words, x.planes * x.words * sizeof *ret_plane_words);
    return st;
}

cm_status __real_cm_mpc_open_words(cm_mpc *mpc, cm_acol x, const cm_ticket *ticket,
                                   uint64_t *ret_values, cm_arena scratch);
cm_status __wrap_cm_mpc_open_words(cm_mpc *mpc, cm_acol x, const cm_ticket *ticket,
                                   uint64_t *ret_values, cm_arena scratch);
cm_status __wrap_cm_mpc_open_words(cm_mpc *mpc, cm_acol x, const cm_ticket *ticket,
                                   uint64_t *ret_values, cm_arena scratch)
{
    cm_status st = __real_cm_mpc_open_words(mpc, x, ticket, ret_values, scratch);
    declassify(ret_values, x.rows * sizeof *ret_values);
    return st;
}

cm_status __real_cm_mpc_open_bits_to(cm_mpc *mpc, unsigned receiver, cm_bcol x, unsigned planes,
                                     size_t rows, const cm_ticket *ticket,
                                     uint64_t *ret_plane_words, cm_arena scratch);
cm_status __wrap_cm_mpc_open_bits_to(cm_mpc *mpc, unsigned receiver, cm_bcol x, unsigned planes,
                                     size_t rows, const cm_ticket *ticket,
                                     uint64_t *ret_plane_words, cm_arena scratch);
cm_status __wrap_cm_mpc_open_bits_to(cm_mpc *mpc, unsigned receiver, cm_bcol x, unsigned planes,
                                     size_t rows, const cm_ticket *ticket,
                                     uint64_t *ret_plane_words, cm_arena scratch)
{
    cm_status st = __real_cm_mpc_open_bits_to(mpc, receiver, x, planes, rows, ticket,
                                              ret_plane_words, scratch);
    if (ret_plane_words) {
        declassify(ret_plane_words, planes * cm_words_of(rows) * sizeof *ret_plane_words);
    }
    return st;
}
