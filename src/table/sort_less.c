/*
 * Comparing keys: circuits of several shapes, and which one a batch takes.
 *
 * A tree compares w planes in about log2 w rounds and 2.4 w ANDs.  A ripple needs w ANDs and as
 * many rounds, which is cheaper for large batches.  In between, q parts ripple side by side, and
 * the outcome of each goes through the equality of the parts above it: (2 - 1/q) w ANDs in w/q + q
 * rounds.
 */
#include "table/table_int.h"

/* Ripples of so many parts; 0 is the tree. */
static const unsigned shapes[CM_SORT_SHAPES] = {0, 8, 4, 2, 1};

static unsigned part_planes(unsigned planes, unsigned parts)
{
    unsigned part = parts == 0 ? planes : planes / parts + (planes % parts != 0);

    return part > CM_NUM_MAX ? CM_NUM_MAX : part;
}

static unsigned min_planes(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned cm_sort_part(unsigned planes, size_t shape)
{
    return part_planes(planes, shapes[shape]);
}

cm_shape cm_sort_circuit_shape(size_t shape)
{
    return shapes[shape] == 0 ? CM_SHAPE_FEW_ROUNDS : CM_SHAPE_FEW_BITS;
}

size_t cm_sort_input_parts(cm_circuit *c, unsigned planes, unsigned part, cm_num *ret)
{
    size_t parts = 0;

    for (unsigned at = 0; at < planes; at += part) {
        ret[parts++] = cm_circuit_input(c, min_planes(part, planes - at));
    }
    return parts;
}

size_t cm_sort_split_parts(cm_bcol x, unsigned part, cm_bcol *ret)
{
    size_t parts = 0;

    for (unsigned at = 0; at < x.planes; at += part) {
        ret[parts++] = cm_bcol_planes(x, at, min_planes(part, x.planes - at));
    }
    return parts;
}

static cm_program *build(unsigned planes, unsigned part, cm_shape shape, cm_arena scratch)
{
    size_t parts = planes / part + (planes % part != 0);
    cm_num *x = CM_NEW(&scratch, cm_num, parts);
    cm_num *y = CM_NEW(&scratch, cm_num, parts);
    cm_circuit *c = cm_circuit_new(shape);

    cm_sort_input_parts(c, planes, part, x);
    cm_sort_input_parts(c, planes, part, y);
    cm_circuit_output_wire(c, cm_wide_lt(c, x, y, parts));
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

void cm_sort_less_init(cm_sort_less *less, unsigned planes, size_t round_bytes, cm_arena scratch)
{
    CM_ASSERT(planes > 0);
    for (size_t i = 0; i < CM_SORT_SHAPES; i++) {
        less->part[i] = cm_sort_part(planes, i);
        less->program[i] = build(planes, less->part[i], cm_sort_circuit_shape(i), scratch);
        cm_circuit_cost cost = cm_program_cost(less->program[i]);
        less->costs.ands[i] = cost.ands;
        less->costs.fixed[i] = 8 * round_bytes * (cost.levels + 1); /* and the opening */
    }
}

void cm_sort_less_fini(cm_sort_less *less)
{
    for (size_t i = 0; i < CM_SORT_SHAPES; i++) {
        cm_program_free(less->program[i]);
    }
}

static uint64_t price_as(const cm_sort_costs *costs, size_t shape, size_t pairs)
{
    return costs->ands[shape] * (uint64_t)pairs + costs->fixed[shape];
}

size_t cm_sort_best_shape(const cm_sort_costs *costs, size_t pairs)
{
    size_t best = 0;

    for (size_t i = 1; i < CM_SORT_SHAPES; i++) {
        if (price_as(costs, i, pairs) < price_as(costs, best, pairs)) {
            best = i;
        }
    }
    return best;
}

size_t cm_sort_shape(const cm_sort_less *less, size_t pairs)
{
    return cm_sort_best_shape(&less->costs, pairs);
}

uint64_t cm_sort_batch_price(const cm_sort_costs *costs, size_t pairs)
{
    size_t whole = pairs / CM_SORT_WINDOW, rest = pairs % CM_SORT_WINDOW;
    uint64_t price = rest == 0 ? 0 : price_as(costs, cm_sort_best_shape(costs, rest), rest);

    if (whole > 0) {
        price += whole * price_as(costs, cm_sort_best_shape(costs, CM_SORT_WINDOW), CM_SORT_WINDOW);
    }
    return price;
}

cm_status cm_sort_less_open(const cm_sort_less *less, cm_mpc *mpc, cm_bcol x, cm_bcol y,
                            uint64_t *ret_less, cm_arena scratch)
{
    static const cm_ticket ticket = {CM_TICKET_SHUFFLED,
                                     "sort: comparison of shuffled distinct keys"};
    size_t shape = cm_sort_shape(less, x.rows);
    cm_bcol *inputs = CM_NEW(&scratch, cm_bcol, 2 * (size_t)x.planes);
    cm_bcol result = cm_bcol_new(&scratch, cm_mpc_legs(mpc), 1, x.rows);

    size_t parts = cm_sort_split_parts(x, less->part[shape], inputs);
    cm_sort_split_parts(y, less->part[shape], inputs + parts);
    cm_status st = cm_program_run(less->program[shape], mpc, inputs, &result, scratch);
    return st == CM_OK ? cm_mpc_open_bits(mpc, result, &ticket, ret_less, scratch) : st;
}
