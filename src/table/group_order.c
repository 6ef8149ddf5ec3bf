/*
 * Aggregates of a sorted group: percentiles and modes.  docs/design/table.md, "Percentiles".
 *
 * A row that is the j-th of n values of its group, from 0, is where a percentile p = num / den lies
 * if 0 <= num (n - 1) + c - den j < den, with c by kind.  So nothing is divided: each row compares,
 * one row of a group says yes, and the prefix XOR of values masked with that brings it to the
 * group's end.  A mode is the greatest of (length of a run, complement of its value) over runs.
 */
#include "table/table_int.h"

typedef struct ordering {
    cm_mpc *mpc;
    unsigned legs;
    const cm_group_order *group;
    cm_bcol present;     /* valid and not NULL */
    cm_bcol place;       /* of the row: public */
    cm_bcol start;       /* first row of its group, but for the first row of all */
    cm_bcol first, last; /* place of the group's first row, of its last one that is present */
} ordering;

static bool is_percentile(cm_agg_kind kind)
{
    return cm_agg_is_ordered(kind) && kind != CM_AGG_MODE;
}

unsigned cm_group_order_planes(const cm_agg *agg, unsigned value_planes)
{
    return 1 + (agg->kind == CM_AGG_PERCENTILE_REST ? cm_bits_for(agg->den) : value_planes);
}

bool cm_group_order_is_running(cm_agg_kind kind)
{
    return is_percentile(kind);
}

/* ---- places -------------------------------------------------------------------------------- */

static cm_status find_present(ordering *o, cm_arena *keep)
{
    const cm_group_order *g = o->group;

    o->present = cm_bcol_new(keep, o->legs, 1, g->valid.rows);
    if (g->null.planes == 0) {
        cm_bcol_copy(o->present, g->valid);
        return CM_OK;
    }
    cm_arena scratch = *keep;
    cm_bcol some = cm_bcol_new(&scratch, o->legs, 1, g->valid.rows);
    cm_rows_not(o->mpc, g->null, some);
    return cm_mpc_and_col(o->mpc, g->valid, some, o->present, scratch);
}

/* ret: present, and either the group or what is present in it ends: NULLs come last. */
static cm_status mark_last(ordering *o, cm_bcol ret, cm_arena scratch)
{
    cm_bcol next = cm_bcol_new(&scratch, o->legs, 1, ret.rows);
    cm_circuit *c = cm_circuit_new_for(o->mpc, ret.rows);
    cm_wire present = cm_circuit_input(c, 1).wire[0];
    cm_wire more = cm_circuit_input(c, 1).wire[0];
    cm_wire end = cm_circuit_input(c, 1).wire[0];

    cm_circuit_output_wire(c, cm_gate_and(c, present, cm_gate_or(c, end, cm_gate_not(c, more))));
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    cm_bcol_shift_up(o->present, next);
    cm_bcol in[] = {o->present, next, o->group->end};
    cm_status st = cm_program_run(program, o->mpc, in, &ret, scratch);
    cm_program_free(program);
    return st;
}

static cm_status find_places(ordering *o, cm_arena *keep)
{
    size_t rows = o->group->valid.rows;
    unsigned planes = cm_bits_for(rows);

    o->place = cm_bcol_new(keep, o->legs, planes, rows);
    o->first = cm_bcol_new(keep, o->legs, planes, rows);
    o->last = cm_bcol_new(keep, o->legs, planes, rows);
    cm_arena scratch = *keep;
    cm_bcol last = cm_bcol_new(&scratch, o->legs, 1, rows);
    cm_rows_index_bits(o->mpc, o->place, scratch);
    cm_status st = mark_last(o, last, scratch);
    if (st == CM_OK) {
        st = cm_scan_copy(o->mpc, o->start, false, o->place, o->first, scratch);
    }
    return st == CM_OK ? cm_scan_copy(o->mpc, last, true, o->place, o->last, scratch) : st;
}

/* ---- percentiles --------------------------------------------------------------------------- */

/* num (n - 1) + this lies in the den numbers from den j on. */
static uint64_t offset_of(const cm_agg *agg)
{
    switch ((int)agg->kind) {
    case CM_AGG_PERCENTILE_CEIL:
        return agg->den - 1;
    case CM_AGG_PERCENTILE_DISC: /* den j < num n <= den (j + 1) */
        return agg->num - 1;
    default:
        return 0;
    }
}

typedef struct place_inputs {
    cm_num place, first, last, value;
    cm_wire present;
} place_inputs;

/* The value of the row where the percentile is, or what is left of the way; and whether it is here.
 */
static cm_num percentile(cm_circuit *c, const cm_agg *agg, const place_inputs *p)
{
    unsigned planes = p->place.bits, bits = planes + cm_bits_for(agg->den) + 2;
    unsigned value_planes = cm_group_order_planes(agg, p->value.bits) - 1;
    cm_num above = cm_num_sub(c, p->place, p->first, planes); /* rows above in the group: j */
    cm_num count = cm_num_sub(c, p->last, p->first, planes);  /* n - 1 */
    cm_wire here;
    cm_num left = cm_num_const(0, bits);

    if (agg->descending) {
        above = cm_num_sub(c, p->last, p->place, planes);
    }
    if (agg->kind == CM_AGG_PERCENTILE_DISC && agg->num == 0) {
        here = cm_num_is_zero(c, above);
    } else {
        left = cm_num_sub(c, cm_num_mul_const(c, count, (cm_i128)agg->num, bits),
                          cm_num_mul_const(c, above, (cm_i128)agg->den, bits), bits);
        left = cm_num_add_const(c, left, (cm_i128)offset_of(agg), bits);
        here = cm_num_lt(c, left, cm_num_const((cm_i128)agg->den, bits)); /* and not below 0 */
    }
    here = cm_gate_and(c, here, p->present);
    cm_num value = agg->kind == CM_AGG_PERCENTILE_REST ? left : p->value;
    value = cm_num_mask(c, cm_num_zero_extend(value, value_planes), here);
    return cm_num_concat(value, cm_num_of_wire(here));
}

static cm_program *build_percentiles(const ordering *o, const cm_agg *aggs, size_t count)
{
    cm_circuit *c = cm_circuit_new_for(o->mpc, o->place.rows);
    place_inputs p;

    p.place = cm_circuit_input(c, o->place.planes);
    p.first = cm_circuit_input(c, o->place.planes);
    p.last = cm_circuit_input(c, o->place.planes);
    p.value = cm_circuit_input(c, o->group->value.planes);
    p.present = cm_circuit_input(c, 1).wire[0];
    for (size_t i = 0; i < count; i++) {
        if (is_percentile(aggs[i].kind)) {
            cm_num x = percentile(c, &aggs[i], &p);
            cm_circuit_output(c, &x);
        }
    }
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

static cm_status run_percentiles(ordering *o, const cm_agg *aggs, size_t count, const cm_bcol *ret,
                                 cm_arena scratch)
{
    cm_bcol *out = CM_NEW(&scratch, cm_bcol, count);
    size_t outputs = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_percentile(aggs[i].kind)) {
            out[outputs++] = ret[i];
        }
    }
    if (outputs == 0) {
        return CM_OK;
    }
    cm_status st = find_places(o, &scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_bcol in[] = {o->place, o->first, o->last, o->group->value, o->present};
    cm_program *program = build_percentiles(o, aggs, count);
    st = cm_program_run(program, o->mpc, in, out, scratch);
    cm_program_free(program);
    for (size_t i = 0; st == CM_OK && i < outputs; i++) {
        cm_bcol_prefix_xor(out[i], out[i]);
    }
    return st;
}

/* ---- modes --------------------------------------------------------------------------------- */

/* ret: the place of the first row of each run of one value. */
static cm_status find_runs(ordering *o, cm_bcol ret, cm_arena scratch)
{
    size_t rows = ret.rows;
    cm_bcol place = cm_bcol_new(&scratch, o->legs, ret.planes, rows);
    cm_bcol mark = cm_bcol_new(&scratch, o->legs, 1, rows);
    cm_circuit *c = cm_circuit_new_for(o->mpc, rows);
    cm_wire group = cm_circuit_input(c, 1).wire[0];
    cm_circuit_output_wire(c, cm_gate_or(c, group, cm_circuit_input(c, 1).wire[0]));
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);

    cm_bcol in[] = {o->start, cm_bcol_new(&scratch, o->legs, 1, rows)};
    cm_bcol_shift_down(o->group->run_end, in[1]);
    cm_status st = cm_program_run(program, o->mpc, in, &mark, scratch);
    cm_program_free(program);
    cm_rows_index_bits(o->mpc, place, scratch);
    return st == CM_OK ? cm_scan_copy(o->mpc, mark, false, place, ret, scratch) : st;
}

/* Candidates, from the lowest plane: the value's complement, the run's length, whether it ends. */
static cm_status run_mode(ordering *o, cm_bcol ret, cm_arena scratch)
{
    size_t rows = ret.rows;
    unsigned value = o->group->value.planes, places = cm_bits_for(rows);
    cm_bcol first = cm_bcol_new(&scratch, o->legs, places, rows);
    cm_bcol place = cm_bcol_new(&scratch, o->legs, places, rows);
    cm_bcol x = cm_bcol_new(&scratch, o->legs, value + places + 1, rows);
    cm_bcol best = cm_bcol_new(&scratch, o->legs, x.planes, rows);
    cm_status st = find_runs(o, first, scratch);

    if (st == CM_OK && places > 0) {
        cm_circuit *c = cm_circuit_new_for(o->mpc, rows);
        cm_num at = cm_circuit_input(c, places);
        cm_num length = cm_num_sub(c, at, cm_circuit_input(c, places), places);
        cm_circuit_output(c, &length);
        cm_program *program = cm_circuit_finish(c);
        cm_circuit_free(c);
        cm_rows_index_bits(o->mpc, place, scratch);
        st = cm_program_run(program, o->mpc, (cm_bcol[]){place, first},
                            (cm_bcol[]){cm_bcol_planes(x, value, places)}, scratch);
        cm_program_free(program);
    }
    for (unsigned p = 0; p < value; p++) {
        cm_rows_not(o->mpc, cm_bcol_planes(o->group->value, p, 1), cm_bcol_planes(x, p, 1));
    }
    cm_bcol_copy(cm_bcol_planes(x, value + places, 1), o->group->run_end);
    if (st == CM_OK) {
        st = cm_extreme_scan(o->mpc, o->start, x, best, scratch);
    }
    for (unsigned p = 0; p < value; p++) {
        cm_rows_not(o->mpc, cm_bcol_planes(best, p, 1), cm_bcol_planes(ret, p, 1));
    }
    cm_bcol_copy(cm_bcol_planes(ret, value, 1), cm_bcol_planes(best, value + places, 1));
    return st;
}

cm_status cm_group_order_run(cm_mpc *mpc, const cm_group_order *group, const cm_agg *aggs,
                             size_t count, const cm_bcol *ret, cm_arena scratch)
{
    ordering o = {.mpc = mpc, .legs = cm_mpc_legs(mpc), .group = group};

    o.start = cm_bcol_new(&scratch, o.legs, 1, group->end.rows);
    cm_bcol_shift_down(group->end, o.start);
    cm_status st = find_present(&o, &scratch);
    if (st == CM_OK) {
        st = run_percentiles(&o, aggs, count, ret, scratch);
    }
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        if (aggs[i].kind == CM_AGG_MODE) {
            st = run_mode(&o, ret[i], scratch);
        }
    }
    return st;
}
