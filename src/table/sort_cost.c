/* What a sort costs, from its own schedule: for planners. */
#include "table/table_int.h"

/* Comparisons in windows, each in the shape that it will take. */
static void add_batch(const cm_sort_less *less, size_t pairs, cm_sort_cost *cost)
{
    for (size_t done = 0; done < pairs; done += CM_SORT_WINDOW) {
        size_t window = pairs - done < CM_SORT_WINDOW ? pairs - done : CM_SORT_WINDOW;
        cm_circuit_cost program = cm_program_cost(less->program[cm_sort_shape(less, window)]);
        cost->ands += (double)program.ands * (double)window;
        cost->bytes += ((double)program.ands + 1) * (double)window / 8; /* and the opened bit */
        cost->rounds += (double)program.levels + 1;
    }
}

static void add_sort(const cm_sort_less *less, size_t rows, cm_sort_cost *cost)
{
    cm_sort_plan plan;

    cm_sort_plan_make(rows, &less->costs, &plan);
    for (size_t i = 0; i < plan.levels; i++) {
        const cm_sort_level *level = &plan.level[i];
        size_t fresh = level->rows - (((size_t)1 << level->bits) - 1);
        for (unsigned found = 0; found < level->bits; found += level->step_bits) {
            unsigned left = level->bits - found;
            unsigned step = left < level->step_bits ? left : level->step_bits;
            add_batch(less, (((size_t)1 << step) - 1) * fresh, cost);
        }
        add_batch(less, level->pairs, cost);
    }
}

/* Of the first `rows` rows of so many. */
static cm_sort_cost first_cost(size_t table_rows, size_t rows, unsigned key_planes,
                               size_t round_bytes, cm_arena scratch)
{
    cm_sort_cost ret = {0};
    cm_sort_less less;
    cm_top_plan plan = {.candidates = table_rows};

    cm_sort_less_init(&less, key_planes, round_bytes, scratch);
    if (rows < table_rows) {
        cm_top_plan_make(table_rows, rows, &less.costs, &plan);
    }
    if (plan.sample > 0) {
        add_sort(&less, plan.sample, &ret);
        add_batch(&less, table_rows - plan.sample, &ret);
    }
    add_sort(&less, plan.candidates, &ret);
    cm_sort_less_fini(&less);
    return ret;
}

cm_sort_cost cm_sort_comparisons_cost(size_t rows, unsigned key_planes, size_t round_bytes,
                                      cm_arena scratch)
{
    return first_cost(rows, rows, key_planes, round_bytes, scratch);
}

cm_sort_cost cm_table_order_cost(size_t table_rows, size_t rows, unsigned key_planes,
                                 size_t round_bytes)
{
    cm_arena scratch;
    cm_status st = cm_arena_init(&scratch, (size_t)1 << 30);

    CM_ASSERT(st == CM_OK); /* address space alone */
    cm_sort_cost ret = first_cost(table_rows, rows, key_planes, round_bytes, scratch);
    cm_arena_fini(&scratch);
    return ret;
}

cm_sort_cost cm_table_sort_cost(size_t rows, unsigned key_planes, size_t round_bytes)
{
    return cm_table_order_cost(rows, rows, key_planes, round_bytes);
}
