/* Programs on shares against the same programs on public values. */
#include "circuit/circuit_int.h"
#include "proto/proto_int.h"
#include "support/parties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INPUTS = 3, OUTPUTS = 5 };

/* Arithmetic, comparisons, complements, copies of inputs, a constant, and a level shared by all. */
static cm_program *mixed_program(cm_shape shape)
{
    cm_circuit *c = cm_circuit_new(shape);
    cm_num x = cm_circuit_input(c, 17);
    cm_num nothing = cm_circuit_input(c, 0);
    cm_num y = cm_circuit_input(c, 13);
    cm_num quotient;
    cm_num remainder;

    cm_num_divmod(c, x, y, &quotient, &remainder);
    cm_num product = cm_num_mul(c, x, y, 30);
    cm_num chosen = cm_num_mux(c, cm_num_lt(c, x, y), product, cm_num_not(c, x));
    cm_num mixed = cm_num_concat(cm_num_of_wire(cm_num_eq(c, x, y)), cm_num_not(c, y));
    mixed = cm_num_concat(mixed, cm_num_const(5, 3));
    mixed = cm_num_concat(mixed, cm_num_not(c, cm_num_mask(c, x, y.wire[0])));
    mixed = cm_num_concat(mixed, nothing);
    cm_circuit_output(c, &quotient);
    cm_circuit_output(c, &remainder);
    cm_circuit_output(c, &chosen);
    cm_circuit_output(c, &mixed);
    cm_circuit_output(c, &x);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

typedef struct job {
    const cm_program *program;
    size_t rows;
    size_t window_bytes;       /* 0: as cm_program_run chooses */
    bool slow_link;            /* cheaper to fill than to wait for: one window */
    uint64_t *input[INPUTS];   /* packed planes */
    uint64_t *opened[OUTPUTS]; /* what party 0 opened */
} job;

static job job_new(const cm_program *program, size_t rows, uint64_t seed)
{
    job j = {.program = program, .rows = rows};
    cm_rng rng = {seed};

    for (size_t i = 0; i < INPUTS; i++) {
        size_t words = program->input_planes[i] * cm_words_of(rows);
        j.input[i] = cm_circuit_calloc(words, sizeof(uint64_t));
        for (size_t w = 0; w < words; w++) {
            j.input[i][w] = cm_rng_next(&rng);
        }
    }
    for (size_t i = 0; i < OUTPUTS; i++) {
        size_t words = program->output_planes[i] * cm_words_of(rows);
        j.opened[i] = cm_circuit_calloc(words, sizeof(uint64_t));
    }
    return j;
}

static void job_free(job *j)
{
    for (size_t i = 0; i < INPUTS; i++) {
        free(j->input[i]);
    }
    for (size_t i = 0; i < OUTPUTS; i++) {
        free(j->opened[i]);
    }
}

/* One party: inputs come from party 0, everything is opened. */
static void run_job(cm_mpc *mpc, cm_arena *arena, void *arg)
{
    static const cm_ticket ticket = {CM_TICKET_RESULT, "circuit test"};
    job *j = arg;
    const cm_program *p = j->program;
    cm_bcol inputs[INPUTS];
    cm_bcol outputs[OUTPUTS];

    for (size_t i = 0; i < INPUTS; i++) {
        inputs[i] = cm_bcol_new(arena, cm_mpc_legs(mpc), p->input_planes[i], j->rows);
        cm_status st = cm_mpc_input_bits(mpc, 0, cm_mpc_me(mpc) == 0 ? j->input[i] : NULL,
                                         p->input_planes[i], j->rows, inputs[i], *arena);
        CM_ASSERT(st == CM_OK);
    }
    for (size_t i = 0; i < OUTPUTS; i++) {
        outputs[i] = cm_bcol_new(arena, cm_mpc_legs(mpc), p->output_planes[i], j->rows);
    }
    if (j->slow_link) {
        for (unsigned i = 0; i < cm_mpc_lanes(mpc); i++) {
            mpc->lane[i]->round_bytes = CM_ROUND_BYTES_MAX;
        }
    }
    uint64_t rounds = cm_mpc_statistics(mpc).rounds;
    cm_status st = j->window_bytes
                       ? cm_program_run_windows(p, mpc, inputs, outputs, j->window_bytes, *arena)
                       : cm_program_run(p, mpc, inputs, outputs, *arena);
    CM_ASSERT(st == CM_OK);
    rounds = cm_mpc_statistics(mpc).rounds - rounds;
    if (cm_mpc_protocol(mpc) == CM_PROTOCOL_REP3) { /* every window takes all of them */
        CM_ASSERT(j->rows ? rounds >= p->cost.levels : rounds == 0);
        CM_ASSERT(!j->slow_link || j->window_bytes || rounds == (j->rows ? p->cost.levels : 0));
    }
    for (size_t i = 0; i < OUTPUTS; i++) {
        size_t words = p->output_planes[i] * cm_words_of(j->rows);
        uint64_t *opened = CM_NEW(arena, uint64_t, words);
        st = cm_mpc_open_bits(mpc, outputs[i], &ticket, opened, *arena);
        CM_ASSERT(st == CM_OK);
        if (cm_mpc_me(mpc) == 0 && words > 0) {
            memcpy(j->opened[i], opened, words * sizeof *opened);
        }
    }
}

static void check_job(const job *j)
{
    const cm_program *p = j->program;
    size_t words = cm_words_of(j->rows);
    uint64_t keep = j->rows % 64 ? (UINT64_C(1) << j->rows % 64) - 1 : UINT64_MAX;
    uint64_t *want[OUTPUTS];

    for (size_t i = 0; i < OUTPUTS; i++) {
        want[i] = cm_circuit_calloc(p->output_planes[i] * words, sizeof(uint64_t));
    }
    cm_program_run_public(p, (const uint64_t *const *)j->input, j->rows, want);
    for (size_t i = 0; i < OUTPUTS; i++) {
        for (size_t w = 0; w < p->output_planes[i] * words; w++) {
            uint64_t mask = (w + 1) % words == 0 ? keep : UINT64_MAX;
            assert_true(((want[i][w] ^ j->opened[i][w]) & mask) == 0);
        }
        free(want[i]);
    }
}

static void run_and_check(cm_protocol protocol, const cm_program *program, size_t rows,
                          size_t window_bytes, bool slow_link)
{
    unsigned parties = protocol == CM_PROTOCOL_REP3 ? 3 : 2;
    job j = job_new(program, rows, rows + 1);

    j.window_bytes = window_bytes;
    j.slow_link = slow_link;
    cm_run_parties(protocol, parties, parties, 7, NULL, run_job, &j);
    check_job(&j);
    job_free(&j);
}

static void test_rows(void **state)
{
    (void)state;
    /* The last ones take more than one chunk. */
    static const size_t rows[] = {0, 1, 63, 64, 65, 511, 512, 1000, 13000, 20033};
    for (int shape = 0; shape < 2; shape++) {
        cm_program *program = mixed_program((cm_shape)shape);
        for (size_t i = 0; i < CM_COUNT(rows); i++) {
            run_and_check(CM_PROTOCOL_CLEAR, program, rows[i], 0, false);
            run_and_check(CM_PROTOCOL_REP3, program, rows[i], 0, false);
            run_and_check(CM_PROTOCOL_REP3, program, rows[i], 0, true);
        }
        cm_program_free(program);
    }
}

/* Windows of 64 rows, and of a few words with a shorter last one. */
static void test_windows(void **state)
{
    (void)state;
    cm_program *program = mixed_program(CM_SHAPE_FEW_ROUNDS);
    size_t word_bytes = 8 * (2 * program->slots + 4 * program->widest + 1);
    run_and_check(CM_PROTOCOL_REP3, program, 1000, 1, false);
    run_and_check(CM_PROTOCOL_REP3, program, 1000, 3 * word_bytes, false);
    run_and_check(CM_PROTOCOL_CLEAR, program, 1000, 5 * word_bytes, false);
    run_and_check(CM_PROTOCOL_CLEAR, program, 1000, 16 * word_bytes, false);
    cm_program_free(program);
}

/* What goes over the links depends on the number of rows, not on their content. */
static void test_traces(void **state)
{
    (void)state;
    enum { PARTIES = 3 };
    cm_program *program = mixed_program(CM_SHAPE_FEW_BITS);
    cm_trace *trace[2][PARTIES];
    for (uint64_t run = 0; run < 2; run++) {
        for (size_t i = 0; i < PARTIES; i++) {
            trace[run][i] = cm_trace_new();
        }
        job j = job_new(program, 13000, 100 + run);
        cm_run_parties(CM_PROTOCOL_REP3, PARTIES, PARTIES, 3, trace[run], run_job, &j);
        check_job(&j);
        job_free(&j);
    }
    for (size_t i = 0; i < PARTIES; i++) {
        assert_true(cm_trace_frames(trace[0][i]) > 0);
        assert_true(cm_trace_equal(trace[0][i], trace[1][i]));
        cm_trace_free(trace[0][i]);
        cm_trace_free(trace[1][i]);
    }
    cm_program_free(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
