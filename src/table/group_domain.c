/*
 * GROUP BY over a public domain: one program decodes the key columns into one membership plane per
 * domain value (equal sub-products are built once), the rest is aggregate.c.
 */
#include "table/table_int.h"

/* The keys side by side, first key lowest, NULL plane above its data; 0 under NULL. */
static cm_num input_keys(cm_circuit *c, const cm_table *table, const unsigned *keys,
                         size_t key_count)
{
    cm_num packed = {0};

    for (size_t i = 0; i < key_count; i++) {
        cm_scol col = table->col[keys[i]];
        cm_num data = {0};
        if (col.data.planes > 0) {
            data = cm_circuit_input(c, col.data.planes);
        }
        if (col.null.planes > 0) {
            cm_num null = cm_circuit_input(c, 1);
            data = cm_num_mask(c, data, cm_gate_not(c, null.wire[0]));
            data = cm_num_concat(data, null);
        }
        packed = cm_num_concat(packed, data);
    }
    return packed;
}

static cm_program *build_members(const cm_table *table, const unsigned *keys, size_t key_count,
                                 const cm_u128 *domain, size_t groups)
{
    cm_circuit *c = cm_circuit_new(CM_SHAPE_FEW_ROUNDS);
    /* The valid plane takes part as the lowest digit, so that it costs no AND of its own a group.
     */
    cm_num valid = cm_circuit_input(c, 1);
    cm_num key = input_keys(c, table, keys, key_count);
    cm_num row = cm_num_concat(valid, key);

    for (size_t g = 0; g < groups; g++) {
        cm_num value =
            cm_num_concat(cm_num_const(1, 1), cm_num_const((cm_i128)domain[g], key.bits));
        cm_circuit_output_wire(c, cm_num_eq(c, row, value));
    }
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

static cm_status find_members(cm_mpc *mpc, const cm_table *table, const unsigned *keys,
                              size_t key_count, const cm_u128 *domain, cm_bcol ret,
                              cm_arena scratch)
{
    unsigned groups = ret.planes;
    cm_bcol *inputs = CM_NEW(&scratch, cm_bcol, 2 * key_count + 1);
    cm_bcol *outputs = CM_NEW(&scratch, cm_bcol, groups);
    size_t input_count = 0;

    inputs[input_count++] = table->valid;
    for (size_t i = 0; i < key_count; i++) {
        if (table->col[keys[i]].data.planes > 0) {
            inputs[input_count++] = table->col[keys[i]].data;
        }
        if (table->col[keys[i]].null.planes > 0) {
            inputs[input_count++] = table->col[keys[i]].null;
        }
    }
    for (unsigned g = 0; g < groups; g++) {
        outputs[g] = cm_bcol_planes(ret, g, 1);
    }
    cm_program *program = build_members(table, keys, key_count, domain, groups);
    cm_status st = cm_program_run(program, mpc, inputs, outputs, scratch);
    cm_program_free(program);
    return st;
}

cm_status cm_table_group_domain(cm_mpc *mpc, const cm_table *table, const unsigned *keys,
                                size_t key_count, const cm_u128 *domain, size_t groups,
                                const cm_agg *aggs, size_t count, cm_arena *arena, cm_table *ret,
                                cm_arena scratch)
{
    unsigned planes = 0;

    cm_table_check_arenas(arena, scratch);
    for (size_t i = 0; i < key_count; i++) {
        CM_ASSERT(keys[i] < table->cols);
        planes += table->col[keys[i]].data.planes + table->col[keys[i]].null.planes;
    }
    if (planes > 128 || groups > UINT32_MAX / 2) {
        return CM_EUNSUPPORTED;
    }
    cm_status st = cm_aggregate_check(table, aggs, count, false);
    if (st != CM_OK) {
        return st;
    }
    cm_bcol member = cm_bcol_new(&scratch, cm_mpc_legs(mpc), (unsigned)groups, table->rows);
    if (groups > 0 && table->rows > 0) {
        st = find_members(mpc, table, keys, key_count, domain, member, scratch);
    }
    if (st == CM_OK) {
        st = cm_aggregate_members(mpc, table, member, aggs, count, arena, ret, scratch);
    }
    return st;
}
