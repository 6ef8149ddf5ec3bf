/* Gates: folding, sharing, dropping, levels; and the costs that DESIGN.md promises. */
#include "circuit/check_int.h"
#include "circuit/circuit_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Finishes a circuit with these outputs and returns its cost. */
static cm_circuit_cost cost_of(cm_circuit *c, cm_num x)
{
    cm_circuit_output(c, &x);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_cost cost = cm_program_cost(program);
    cm_program_free(program);
    cm_circuit_free(c);
    return cost;
}

static void test_folding(void **state)
{
    (void)state;
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num in = cm_circuit_input(c, 3);
    cm_wire x = in.wire[0];
    cm_wire y = in.wire[1];
    cm_wire z = in.wire[2];
    cm_wire not_x = cm_gate_not(c, x);

    assert_int_equal(cm_gate_and(c, x, CM_WIRE_0), CM_WIRE_0);
    assert_int_equal(cm_gate_and(c, CM_WIRE_1, x), x);
    assert_int_equal(cm_gate_and(c, x, x), x);
    assert_int_equal(cm_gate_and(c, x, not_x), CM_WIRE_0);
    assert_int_equal(cm_gate_or(c, x, CM_WIRE_1), CM_WIRE_1);
    assert_int_equal(cm_gate_or(c, x, CM_WIRE_0), x);
    assert_int_equal(cm_gate_or(c, x, not_x), CM_WIRE_1);
    assert_int_equal(cm_gate_xor(c, x, x), CM_WIRE_0);
    assert_int_equal(cm_gate_xor(c, x, not_x), CM_WIRE_1);
    assert_int_equal(cm_gate_xor(c, x, CM_WIRE_0), x);
    assert_int_equal(cm_gate_xor(c, x, CM_WIRE_1), not_x);
    assert_int_equal(cm_gate_not(c, not_x), x);
    assert_int_equal(cm_gate_not(c, CM_WIRE_0), CM_WIRE_1);
    /* x ^ (x ^ y), (x ^ y) ^ (z ^ y), x & (x & y) */
    assert_int_equal(cm_gate_xor(c, x, cm_gate_xor(c, y, x)), y);
    cm_wire both = cm_gate_xor(c, cm_gate_xor(c, x, y), cm_gate_xor(c, z, y));
    assert_int_equal(both, cm_gate_xor(c, x, z));
    cm_wire product = cm_gate_and(c, x, y);
    assert_int_equal(cm_gate_and(c, x, product), product);
    assert_int_equal(cm_gate_mux(c, x, y, y), y);
    assert_int_equal(cm_gate_mux(c, CM_WIRE_1, y, z), y);
    assert_int_equal(cm_gate_mux(c, CM_WIRE_0, y, z), z);
    assert_int_equal(cm_gate_mux(c, x, CM_WIRE_1, CM_WIRE_0), x);
    cm_circuit_free(c);
}

/* All products of x, y and their complements share one AND; so a decoder of k bits is cheap. */
static void test_sharing(void **state)
{
    (void)state;
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, 2);
    cm_num selected = {.bits = 4};
    for (unsigned value = 0; value < 4; value++) {
        selected.wire[value] = cm_num_eq(c, x, cm_num_const(value, 2));
    }
    cm_circuit_cost cost = cost_of(c, selected);
    assert_int_equal(cost.ands, 1);
    assert_int_equal(cost.levels, 1);
    assert_int_equal(cost.inputs, 1);
    assert_int_equal(cost.outputs, 1);
}

static void test_dead_gates(void **state)
{
    (void)state;
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, 32);
    cm_num y = cm_circuit_input(c, 32);
    cm_num product = cm_num_mul(c, x, y, 64);
    cm_circuit_cost cost = cost_of(c, cm_num_of_wire(product.wire[0]));
    assert_int_equal(cost.ands, 1);
    assert_int_equal(cost.levels, 1);
    assert_int_equal(cost.inputs, 2);
}

/* Circuits that do not depend on each other share levels. */
static void test_shared_levels(void **state)
{
    (void)state;
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num all = cm_num_const(0, 0);
    for (unsigned i = 0; i < 10; i++) {
        cm_num x = cm_circuit_input(c, 16);
        cm_num y = cm_circuit_input(c, 16);
        all = cm_num_concat(all, cm_num_of_wire(cm_num_eq(c, x, y)));
    }
    cm_circuit_cost cost = cost_of(c, all);
    assert_int_equal(cost.ands, 150);
    assert_int_equal(cost.levels, 4);
    assert_int_equal(cost.inputs, 20);
}

typedef struct pair {
    cm_circuit *c;
    cm_num x, y;
} pair;

static pair pair_in(cm_circuit *c, unsigned bits)
{
    pair p = {.c = c};

    p.x = cm_circuit_input(p.c, bits);
    p.y = cm_circuit_input(p.c, bits);
    return p;
}

static pair pair_new(cm_shape shape, unsigned bits)
{
    return pair_in(cm_circuit_new(shape), bits);
}

static pair pair_for(size_t rows, unsigned bits)
{
    return pair_in(cm_circuit_new_priced(rows, 1 << 16), bits);
}

/* The table in DESIGN.md, 5. */
static void test_costs_of_comparisons(void **state)
{
    (void)state;
    for (unsigned w = 1; w <= 128; w++) {
        unsigned log = cm_ceil_log2(w);
        unsigned floor_log = cm_ceil_log2(w + 1) - 1;

        pair p = pair_new(CM_SHAPE_FEW_ROUNDS, w);
        cm_circuit_cost cost = cost_of(p.c, cm_num_of_wire(cm_num_eq(p.c, p.x, p.y)));
        assert_int_equal(cost.ands, w - 1);
        assert_int_equal(cost.levels, log);

        p = pair_new(CM_SHAPE_FEW_ROUNDS, w);
        cost = cost_of(p.c, cm_num_of_wire(cm_num_lt(p.c, p.x, p.y)));
        assert_true(cost.ands <= 3 * w - floor_log - 2);
        assert_int_equal(cost.levels, 1 + log);

        p = pair_new(CM_SHAPE_FEW_ROUNDS, w);
        size_t unsigned_ands = cost.ands;
        cost = cost_of(p.c, cm_num_of_wire(cm_num_slt(p.c, p.x, p.y)));
        assert_int_equal(cost.ands, unsigned_ands);

        p = pair_new(CM_SHAPE_FEW_BITS, w);
        cost = cost_of(p.c, cm_num_of_wire(cm_num_lt(p.c, p.x, p.y)));
        assert_int_equal(cost.ands, w);
        assert_int_equal(cost.levels, w);

        p = pair_new(CM_SHAPE_FEW_ROUNDS, w);
        cm_wire condition = cm_circuit_input(p.c, 1).wire[0];
        cost = cost_of(p.c, cm_num_mux(p.c, condition, p.x, p.y));
        assert_int_equal(cost.ands, w);
        assert_int_equal(cost.levels, 1);

        /* Against a public number the leaves are free: one level and w ANDs less at least. */
        p = pair_new(CM_SHAPE_FEW_ROUNDS, w);
        cm_num number = cm_num_const((cm_i128)UINT64_C(0xb7e151628aed2a6b), w);
        cost = cost_of(p.c, cm_num_of_wire(cm_num_lt(p.c, p.x, number)));
        assert_true(cost.ands <= 2 * w && cost.levels <= 1 + log);
        p = pair_new(CM_SHAPE_FEW_BITS, w);
        cost = cost_of(p.c, cm_num_of_wire(cm_num_lt(p.c, p.x, number)));
        assert_true(cost.ands < w || w == 1);
    }
}

static void test_costs_of_sums(void **state)
{
    (void)state;
    for (unsigned w = 2; w <= 128; w++) {
        unsigned log = cm_ceil_log2(w);

        pair p = pair_new(CM_SHAPE_FEW_BITS, w);
        cm_circuit_cost cost = cost_of(p.c, cm_num_add(p.c, p.x, p.y, w));
        assert_int_equal(cost.ands, w - 1);
        assert_int_equal(cost.levels, w - 1);

        p = pair_new(CM_SHAPE_FEW_BITS, w);
        cost = cost_of(p.c, cm_num_sub(p.c, p.x, p.y, w));
        assert_int_equal(cost.ands, w - 1);

        p = pair_new(CM_SHAPE_FEW_ROUNDS, w);
        cost = cost_of(p.c, cm_num_add(p.c, p.x, p.y, w));
        assert_true(cost.levels <= log + 1);
        assert_true(cost.ands <= w * log * 3 / 4 + w);

        /* Counting: one AND for each carry, and nothing else. */
        p = pair_new(CM_SHAPE_FEW_ROUNDS, w);
        cost = cost_of(p.c, cm_num_popcount(p.c, p.x.wire, w));
        assert_true(cost.ands < w);
        assert_int_equal(cost.levels, cm_ceil_log2(w + 1) - 1);
    }
}

static void test_costs_of_products(void **state)
{
    (void)state;
    /* Low half of w by w: a carry for each of w (w + 1) / 2 bits of rows, and w - 1 more. */
    pair p = pair_new(CM_SHAPE_FEW_BITS, 64);
    cm_circuit_cost cost = cost_of(p.c, cm_num_mul(p.c, p.x, p.y, 64));
    assert_int_equal(cost.ands, 64 * 65 / 2 + 63);

    p = pair_new(CM_SHAPE_FEW_ROUNDS, 64);
    cost = cost_of(p.c, cm_num_mul(p.c, p.x, p.y, 64));
    assert_true(cost.ands <= 2400);
    assert_true(cost.levels <= 12);

    /* A power of two is a shift. */
    p = pair_new(CM_SHAPE_FEW_ROUNDS, 64);
    cost = cost_of(p.c, cm_num_mul_const(p.c, p.x, 1024, 74));
    assert_int_equal(cost.ands, 0);

    p = pair_new(CM_SHAPE_FEW_ROUNDS, 64);
    cm_num quotient;
    cm_num remainder;
    cm_num_divmod(p.c, p.x, cm_num_zero_extend(p.y, 32), &quotient, &remainder);
    cost = cost_of(p.c, quotient);
    assert_true(cost.levels <= 79);
    assert_true(cost.ands <= 6000);

    p = pair_new(CM_SHAPE_FEW_ROUNDS, 64);
    cm_num_divmod(p.c, p.x, p.y, &quotient, &remainder);
    cost = cost_of(p.c, quotient);
    assert_true(cost.levels <= 81);
    assert_true(cost.ands <= 9400);

    /* Few bits for very many rows, few rounds for few. */
    p = pair_for(1 << 20, 64);
    cost = cost_of(p.c, cm_num_of_wire(cm_num_lt(p.c, p.x, p.y)));
    assert_int_equal(cost.ands, 64);
    p = pair_for(1 << 10, 64);
    cost = cost_of(p.c, cm_num_of_wire(cm_num_lt(p.c, p.x, p.y)));
    assert_int_equal(cost.levels, 7);

    p = pair_new(CM_SHAPE_FEW_BITS, 64);
    cm_num_divmod(p.c, p.x, cm_num_zero_extend(p.y, 32), &quotient, &remainder);
    cost = cost_of(p.c, quotient);
    assert_true(cost.ands <= 2000);
}

static cm_program *division(cm_shape shape)
{
    cm_circuit *c = cm_circuit_new(shape);
    cm_num x = cm_circuit_input(c, 40);
    cm_num y = cm_circuit_input(c, 17);
    cm_num quotient;
    cm_num remainder;

    cm_num_divmod(c, x, y, &quotient, &remainder);
    cm_circuit_output(c, &quotient);
    cm_circuit_output(c, &remainder);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

/* The same calls make the same program, step for step: parties must agree on it. */
static void test_deterministic(void **state)
{
    (void)state;
    for (int shape = 0; shape < 2; shape++) {
        cm_program *a = division((cm_shape)shape);
        cm_program *b = division((cm_shape)shape);
        assert_int_equal(a->slots, b->slots);
        assert_int_equal(a->stages, b->stages);
        assert_int_equal(a->cost.ands, b->cost.ands);
        size_t xors = 0;
        for (size_t i = 0; i < a->stages; i++) {
            xors += a->stage[i].xors;
        }
        assert_memory_equal(a->stage, b->stage, a->stages * sizeof *a->stage);
        assert_memory_equal(a->xor_step, b->xor_step, xors * sizeof *a->xor_step);
        assert_memory_equal(a->and_step, b->and_step, a->cost.ands * sizeof *a->and_step);
        cm_program_free(a);
        cm_program_free(b);
    }
}

/* No AND of a stage writes where another one of it reads, or where another one writes. */
static void test_places(void **state)
{
    (void)state;
    for (int shape = 0; shape < 2; shape++) {
        cm_program *p = division((cm_shape)shape);
        size_t places = p->inputs_total + p->outputs_total + p->slots;
        size_t *reader = cm_circuit_calloc(places, sizeof *reader); /* step + 1; 0: none */
        const cm_step *step = p->and_step;
        for (size_t i = 0; i < p->stages; i++) {
            size_t ands = p->stage[i].ands;
            memset(reader, 0, places * sizeof *reader);
            for (size_t k = 0; k < ands; k++) {
                size_t seen_x = reader[step[k].x];
                size_t seen_y = reader[step[k].y];
                reader[step[k].x] = seen_x ? SIZE_MAX : k + 1;
                reader[step[k].y] = seen_y ? SIZE_MAX : k + 1;
            }
            for (size_t k = 0; k < ands; k++) {
                assert_true(step[k].z >= p->inputs_total);
                assert_true(reader[step[k].z] == 0 || reader[step[k].z] == k + 1);
                reader[step[k].z] = SIZE_MAX;
            }
            step += ands;
        }
        free(reader);
        cm_program_free(p);
    }
}

/* One value as several outputs, as its complement, an input as output, constants; 65 rows. */
static void test_outputs(void **state)
{
    (void)state;
    enum { ROWS = 65 };
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    cm_num x = cm_circuit_input(c, 2);
    cm_wire both = cm_gate_and(c, x.wire[0], x.wire[1]);
    cm_num out = {.bits = 7};
    out.wire[0] = cm_gate_not(c, both);
    out.wire[1] = both;
    out.wire[2] = cm_gate_not(c, both);
    out.wire[3] = x.wire[0];
    out.wire[4] = cm_gate_not(c, x.wire[0]);
    out.wire[5] = CM_WIRE_0;
    out.wire[6] = CM_WIRE_1;
    cm_circuit_output(c, &out);
    cm_num empty = cm_num_const(0, 0);
    cm_circuit_output(c, &empty);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    cm_circuit_free(NULL);

    cm_u128 in[ROWS];
    cm_u128 got[ROWS];
    cm_u128 nothing[ROWS];
    for (size_t r = 0; r < ROWS; r++) {
        in[r] = r % 4;
    }
    const cm_u128 *inputs[1] = {in};
    cm_u128 *outputs[2] = {got, nothing};
    for (size_t rows = 0; rows <= ROWS; rows++) {
        cm_check_eval(program, inputs, rows, outputs);
        for (size_t r = 0; r < rows; r++) {
            unsigned x0 = in[r] & 1;
            unsigned one = in[r] == 3;
            unsigned zero = 1 - one;
            unsigned want = zero | one << 1 | zero << 2 | x0 << 3 | (1 - x0) << 4 | 1U << 6;
            assert_int_equal(got[r], want);
            assert_int_equal(nothing[r], 0);
        }
    }
    cm_program_free(program);
    cm_program_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_dead_gates),
        cmocka_unit_test(test_shared_levels),
        cmocka_unit_test(test_costs_of_comparisons),
        cmocka_unit_test(test_costs_of_sums),
        cmocka_unit_test(test_costs_of_products),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
