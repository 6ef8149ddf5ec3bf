/* Gate programs, in both shapes. */
#include "oblivious/cases.h"

#include "circuit/circuit.h"

typedef cm_num (*build_fn)(cm_circuit *c, cm_num x, cm_num y);

static void run_program(oblivious_party *p, unsigned bits, build_fn build)
{
    const cm_bcol in[] = {secret_bits(p, bits, ROWS), secret_bits(p, bits, ROWS)};

    for (cm_shape shape = CM_SHAPE_FEW_ROUNDS; shape <= CM_SHAPE_FEW_BITS; shape++) {
        cm_circuit *c = cm_circuit_new(shape);
        cm_num x = cm_circuit_input(c, bits), y = cm_circuit_input(c, bits);
        cm_num result = build(c, x, y);
        cm_circuit_output(c, &result);
        cm_program *program = cm_circuit_finish(c);
        cm_bcol out = empty_bits(p, result.bits, ROWS);
        check(cm_program_run(program, p->mpc, in, &out, p->scratch));
        check_bits(out);
        cm_program_free(program);
        cm_circuit_free(c);
    }
}

static cm_num build_compare(cm_circuit *c, cm_num x, cm_num y)
{
    cm_num eq = cm_num_of_wire(cm_num_eq(c, x, y));
    cm_num lt = cm_num_of_wire(cm_num_lt(c, x, y));
    cm_num slt = cm_num_of_wire(cm_num_slt(c, x, y));
    cm_num zero = cm_num_of_wire(cm_num_is_zero(c, x));
    return cm_num_concat(cm_num_concat(eq, lt), cm_num_concat(slt, zero));
}

static cm_num build_add(cm_circuit *c, cm_num x, cm_num y)
{
    cm_num sum = cm_num_add(c, x, y, x.bits + 1), difference = cm_num_sub(c, x, y, x.bits);
    return cm_num_concat(sum, difference);
}

static cm_num build_mul(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_mul(c, x, y, 2 * x.bits);
}

static cm_num build_divmod(cm_circuit *c, cm_num x, cm_num y)
{
    cm_num quotient, remainder;
    cm_num_divmod(c, x, y, &quotient, &remainder);
    return cm_num_concat(quotient, remainder);
}

static cm_num build_mux(cm_circuit *c, cm_num x, cm_num y)
{
    return cm_num_mux(c, x.wire[0], x, y);
}

static void run_compare(oblivious_party *p)
{
    run_program(p, 33, build_compare);
}

static void run_add(oblivious_party *p)
{
    run_program(p, 33, build_add);
}

static void run_multiply(oblivious_party *p)
{
    run_program(p, 16, build_mul);
}

static void run_divide(oblivious_party *p)
{
    run_program(p, 11, build_divmod);
}

static void run_divide_long(oblivious_party *p)
{
    run_program(p, 33, build_divmod);
}

static void run_mux(oblivious_party *p)
{
    run_program(p, 64, build_mux);
}

const oblivious_case circuit_cases[] = {
    {"program: compare", run_compare},          {"program: add, subtract", run_add},
    {"program: multiply", run_multiply},        {"program: divide", run_divide},
    {"program: divide, long", run_divide_long}, {"program: select", run_mux},
};
const size_t circuit_cases_count = CM_COUNT(circuit_cases);
