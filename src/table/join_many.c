/*
 * Join where both sides may repeat keys: docs/design/table.md, "Join of many to many".
 *
 * The ranks of an interval's points follow each other.  So each interval is repeated as often as it
 * has points, each copy looks for the rank first + number of the copy, and ranks are unique.
 */
#include "table/table_int.h"

typedef struct many {
    cm_mpc *mpc;
    unsigned legs;
    const cm_table *points, *intervals;
    const cm_join_many_spec *spec;
    cm_ranges ranges;
} many;

static bool keeps_all(const many *m)
{
    return m->spec->kind == CM_JOIN_LEFT;
}

/* SEMI and ANTI. */
static cm_status filter_intervals(many *m, cm_arena *arena, cm_table *ret, cm_arena scratch)
{
    cm_status st = cm_table_head(m->mpc, m->intervals, m->intervals->rows, arena, ret);
    cm_bcol keep = cm_bcol_new(&scratch, m->legs, 1, m->intervals->rows);

    if (st != CM_OK || m->intervals->rows == 0) {
        return st;
    }
    st = cm_wide_zero_rows(m->mpc, m->ranges.count, keep, scratch);
    if (m->spec->kind == CM_JOIN_SEMI) {
        cm_mpc_not(m->mpc, keep, 0);
    }
    return st == CM_OK ? cm_table_filter(m->mpc, ret, keep, scratch) : st;
}

/* Intervals, each next to its first rank, which is NULL where nothing matches. */
static cm_status repeat(many *m, cm_arena *keep, cm_table *ret, cm_arena *arena, cm_bcol *overflow)
{
    unsigned cols = m->intervals->cols;
    cm_table numbered = *m->intervals;
    cm_scol first = {m->ranges.first, cm_bcol_new(keep, m->legs, 1, numbered.rows)};
    cm_status st = CM_OK;

    numbered.col = CM_NEW(keep, cm_scol, cols + 1);
    for (unsigned i = 0; i < cols; i++) {
        numbered.col[i] = m->intervals->col[i];
    }
    numbered.cols = cols + 1;
    if (numbered.rows > 0 && keeps_all(m)) {
        st = cm_wide_zero_rows(m->mpc, m->ranges.count, first.null, *keep);
    }
    if (!keeps_all(m)) { /* what has copies has points */
        first.null = (cm_bcol){.rows = numbered.rows, .words = cm_words_of(numbered.rows)};
    }
    numbered.col[cols] = first;
    return st == CM_OK ? cm_table_expand(m->mpc, &numbered, m->ranges.count, keeps_all(m),
                                         m->spec->rows, arena, ret, overflow, *keep)
                       : st;
}

/* The last two columns, first rank and number of the copy, become the rank. */
static cm_status add_rank(many *m, cm_table *copies, cm_arena *keep)
{
    cm_scol *first = &copies->col[copies->cols - 2];
    cm_bcol in[] = {first->data, copies->col[copies->cols - 1].data};
    cm_bcol rank = cm_bcol_new(keep, m->legs, first->data.planes, copies->rows);
    cm_circuit *c = cm_circuit_new_for(m->mpc, copies->rows);
    cm_num x = cm_circuit_input(c, in[0].planes);
    cm_num y = cm_circuit_input(c, in[1].planes);
    cm_num sum = cm_num_add(c, x, y, rank.planes);

    cm_circuit_output(c, &sum);
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    cm_status st = cm_program_run(program, m->mpc, in, &rank, *keep);
    cm_program_free(program);
    first->data = rank;
    copies->cols--;
    return st;
}

/* Points as a table of unique ranks. */
static cm_table ranked_points(const many *m, cm_arena *keep)
{
    cm_table ret = *m->points;

    ret.cols++;
    ret.col = CM_NEW(keep, cm_scol, ret.cols);
    for (unsigned i = 0; i + 1 < ret.cols; i++) {
        ret.col[i] = m->points->col[i];
    }
    ret.col[ret.cols - 1] = (cm_scol){.data = m->ranges.rank};
    ret.valid = m->ranges.live;
    return ret;
}

static cm_status find_points(many *m, cm_table *copies, cm_arena *arena, cm_table *ret,
                             cm_arena scratch)
{
    cm_table points = ranked_points(m, &scratch);
    unsigned rank = points.cols - 1, drop = m->intervals->cols;
    cm_join_spec join = {.kind = m->spec->kind,
                         .keys = 1,
                         .unique_key = &rank,
                         .other_key = &drop,
                         .payload_cols = m->spec->payload_cols,
                         .payload = m->spec->payload};

    cm_status st = cm_table_join_unique(m->mpc, &points, copies, &join, arena, ret, scratch);
    if (st == CM_OK) {
        ret->cols--;
        for (unsigned i = drop; i < ret->cols; i++) {
            ret->col[i] = ret->col[i + 1];
        }
    }
    return st;
}

cm_status cm_table_join_many(cm_mpc *mpc, const cm_table *points, const cm_table *intervals,
                             const cm_join_many_spec *spec, cm_arena *arena, cm_table *ret,
                             cm_bcol *ret_overflow, cm_arena scratch)
{
    many m = {.mpc = mpc,
              .legs = cm_mpc_legs(mpc),
              .points = points,
              .intervals = intervals,
              .spec = spec};
    cm_table copies, result;
    cm_bcol overflow = cm_bcol_new(arena, m.legs, 1, 1);

    cm_table_check_arenas(arena, scratch);
    CM_ASSERT(spec->range.aggs == 0);
    cm_status st = cm_table_ranges(mpc, points, intervals, &spec->range, arena, &m.ranges, scratch);
    if (st != CM_OK) {
        return st;
    }
    if (spec->kind == CM_JOIN_SEMI || spec->kind == CM_JOIN_ANTI) {
        st = filter_intervals(&m, arena, &result, scratch);
    } else {
        st = repeat(&m, &scratch, &copies, arena, &overflow);
        if (st == CM_OK) {
            st = add_rank(&m, &copies, &scratch);
        }
        if (st == CM_OK) {
            st = find_points(&m, &copies, arena, &result, scratch);
        }
    }
    if (st == CM_OK) {
        *ret = result;
        *ret_overflow = overflow;
    }
    return st;
}
