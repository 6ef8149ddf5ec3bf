/*
 * Equi-join with one unique side: docs/design/table.md, "Join".  By short keys as a lookup; else:
 *
 *   1. Sort the keys of both sides together: unique rows before other rows of the same key, and
 * among unique rows those that do not count before the one that does.
 *   2. Partition the unique rows to the front: their sorted sequence.  Difference it, bring the
 *      differences back to the sorted positions.
 *   3. The prefix XOR puts at every row the last unique row above it, whose key then either equals
 * the row's own, or no unique row matches.
 *      Or, with fewer bytes and more rounds, 2. and 3. by a segmented scan (scan_down).  Where both
 *      sides lie in sorted runs and a merge costs less than the sort, it is the scan.
 *   4. Bring payload and match back to the original positions, next to the other side's columns,
 *      which never moved.
 */
#include "table/cost.h"
#include "table/table_int.h"

typedef struct join {
    cm_mpc *mpc;
    const cm_table *unique, *other;
    const cm_join_spec *spec;
    cm_join_way way;
    size_t rows; /* of both sides */
    unsigned tag_planes, key_planes, payload_planes;
    cm_runs runs;         /* of both sides, or none */
    unsigned null_planes; /* runs: of the keys, on either side; and whether rows count */

    /* Over both sides, sorted: */
    cm_bcol tag; /* original position */
    cm_bcol live, key, payload, is_unique;
    cm_bcol carried;   /* the first three, one below the other in this order; not of runs */
    cm_bcol duplicate; /* planes 0: not asked for */
} join;

/* Planes of `carried` and of what is made from it. */
static unsigned carried_planes(const join *j)
{
    return 1 + j->key_planes + j->payload_planes;
}

static bool carries_payload(const cm_join_spec *spec)
{
    return spec->kind == CM_JOIN_INNER || spec->kind == CM_JOIN_LEFT;
}

/* Whether a key has NULLs on some side. */
static bool is_nullable(const join *j, size_t i)
{
    return j->unique->col[j->spec->unique_key[i]].null.planes > 0 ||
           j->other->col[j->spec->other_key[i]].null.planes > 0;
}

static void measure(join *j)
{
    j->rows = j->unique->rows + j->other->rows;
    j->tag_planes = cm_bits_for(j->rows);
    for (size_t i = 0; i < j->spec->keys; i++) {
        CM_ASSERT(j->spec->unique_key[i] < j->unique->cols);
        CM_ASSERT(j->spec->other_key[i] < j->other->cols);
        cm_bcol a = j->unique->col[j->spec->unique_key[i]].data;
        cm_bcol b = j->other->col[j->spec->other_key[i]].data;
        CM_ASSERT(a.planes == b.planes);
        j->key_planes += a.planes;
        j->null_planes += is_nullable(j, i) ? 1 : 0;
    }
    for (size_t i = 0; carries_payload(j->spec) && i < j->spec->payload_cols; i++) {
        CM_ASSERT(j->spec->payload[i] < j->unique->cols);
        cm_scol col = j->unique->col[j->spec->payload[i]];
        j->payload_planes += col.data.planes + col.null.planes;
    }
}

/* flag = flag AND no key is NULL. */
static cm_status drop_null_keys(cm_mpc *mpc, const cm_table *table, const unsigned *key,
                                size_t keys, cm_bcol flag, cm_arena scratch)
{
    cm_bcol present = cm_bcol_new(&scratch, cm_mpc_legs(mpc), 1, table->rows);
    cm_plane x = cm_bcol_plane(flag, 0), y = cm_bcol_plane(present, 0);

    for (size_t i = 0; i < keys; i++) {
        if (table->col[key[i]].null.planes == 0 || table->rows == 0) {
            continue;
        }
        cm_rows_not(mpc, table->col[key[i]].null, present);
        cm_status st = cm_mpc_and(mpc, &x, &y, &x, 1, flag.words, scratch);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static void put(cm_bcol wide, unsigned *at, size_t first, cm_bcol x)
{
    if (x.planes > 0 && x.rows > 0) {
        cm_bcol_put_rows(cm_bcol_planes(wide, *at, x.planes), first, x);
    }
    *at += x.planes;
}

/* The unique rows' payload, from plane *at of the first rows. */
static void put_payload(const join *j, cm_bcol wide, unsigned *at)
{
    for (size_t i = 0; carries_payload(j->spec) && i < j->spec->payload_cols; i++) {
        put(wide, at, 0, j->unique->col[j->spec->payload[i]].data);
        put(wide, at, 0, j->unique->col[j->spec->payload[i]].null);
    }
}

/* ---- 1. sort ------------------------------------------------------------------------------- */

/* Where rows have what before the sort or the merge; planes from the lowest. */
typedef struct layout {
    unsigned live, key, invalid, payload, side, planes;
} layout;

/*
 * Sorted by the first three of tag, live, key | payload, is_unique.  `live` is 1 for other rows and
 * for unique rows that count; the tag tells unique rows (the first positions) from other rows of
 * the same key, after live.
 *
 * Runs know nothing of live.  Merged by the second and the third, and the invalid flag where rows
 * that do not count come last, of tag, is_other, key, invalid | live, payload.  NULLs are part of
 * the key: they come last in it, in any order among themselves, and match nothing.
 */
static layout lay_out_planes(const join *j, bool merges)
{
    unsigned tag = j->tag_planes, keys = j->key_planes, payload = j->payload_planes;
    unsigned invalid = tag + 1 + keys + j->null_planes, live = invalid + j->runs.valid_first;

    if (merges) {
        return (layout){live, tag + 1, invalid, live + 1, tag, live + 1 + payload};
    }
    return (layout){
        tag, tag + 1, 0, tag + 1 + keys, tag + 1 + keys + payload, tag + 1 + keys + payload + 1};
}

/* The first key most significant, as runs are sorted. */
static void put_keys(join *j, cm_bcol wide, unsigned at, bool merges)
{
    size_t first_other = j->unique->rows;

    for (size_t i = j->spec->keys; i-- > 0;) {
        cm_scol unique = j->unique->col[j->spec->unique_key[i]];
        cm_scol other = j->other->col[j->spec->other_key[i]];
        unsigned here = at, null;
        put(wide, &here, first_other, other.data);
        put(wide, &at, 0, unique.data);
        if (merges && is_nullable(j, i)) {
            null = at;
            put(wide, &null, first_other, other.null);
            null = at++;
            put(wide, &null, 0, unique.null);
        }
    }
}

static cm_status lay_out(join *j, const layout *l, bool merges, cm_bcol wide, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(j->mpc), at = l->live, side = l->side, payload = l->payload;
    size_t first_other = j->unique->rows;
    cm_bcol live = cm_bcol_new(&scratch, legs, 1, j->unique->rows);

    cm_rows_index_bits(j->mpc, cm_bcol_planes(wide, 0, j->tag_planes), scratch);
    cm_bcol_copy(live, j->unique->valid);
    cm_status st =
        drop_null_keys(j->mpc, j->unique, j->spec->unique_key, j->spec->keys, live, scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_mpc_set_public(j->mpc, wide, l->live, true);
    put(wide, &at, 0, live);
    put_keys(j, wide, l->key, merges);
    put_payload(j, wide, &payload);
    cm_bcol zero = cm_bcol_new(&scratch, legs, 1, merges ? first_other : j->other->rows);
    cm_mpc_set_public(j->mpc, wide, l->side, true);
    put(wide, &side, merges ? 0 : first_other, zero);
    if (merges && j->runs.valid_first) {
        unsigned invalid = l->invalid;
        put(wide, &invalid, 0, j->unique->valid);
        invalid = l->invalid;
        put(wide, &invalid, first_other, j->other->valid);
        cm_mpc_not(j->mpc, wide, l->invalid);
    }
    return CM_OK;
}

static cm_order merge_order(const join *j)
{
    return (cm_order){.rows = j->rows,
                      .tag = j->tag_planes,
                      .key = 1 + j->key_planes + j->null_planes + j->runs.valid_first,
                      .payload = 1 + j->payload_planes,
                      .keep_tag = true,
                      .runs = j->runs};
}

static cm_status order_both(join *j, bool merges, cm_arena *keep)
{
    layout l = lay_out_planes(j, merges);
    cm_bcol sorted = cm_bcol_new(keep, cm_mpc_legs(j->mpc), l.planes, j->rows);
    cm_order order = merge_order(j);

    order.runs.way = CM_ORDER_MERGE; /* decided */
    cm_status st = lay_out(j, &l, merges, sorted, *keep);
    if (st == CM_OK) {
        st = merges ? cm_order_rows(j->mpc, sorted, &order, *keep)
                    : cm_sort_rows(j->mpc, sorted, l.key + j->key_planes, *keep);
    }
    if (merges) {
        cm_mpc_not(j->mpc, sorted, l.side);
    }
    j->tag = cm_bcol_planes(sorted, 0, j->tag_planes);
    j->live = cm_bcol_planes(sorted, l.live, 1);
    j->key = cm_bcol_planes(sorted, l.key, merges ? l.live - l.key : j->key_planes);
    j->payload = cm_bcol_planes(sorted, l.payload, j->payload_planes);
    j->is_unique = cm_bcol_planes(sorted, l.side, 1);
    if (!merges) {
        j->carried = cm_bcol_planes(sorted, l.live, carried_planes(j));
    }
    return st;
}

/* ---- 2. and 3. copy-down ------------------------------------------------------------------- */

/*
 * Replaces the sequence of all rows, unique ones first, by differences of the unique rows and
 * zeros. How many rows are unique-side rows is public.
 */
static void difference_unique(const join *j, cm_bcol sequence, cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(j->mpc);
    cm_bcol head = cm_bcol_new(&scratch, legs, sequence.planes, j->unique->rows);
    cm_bcol difference = cm_bcol_new(&scratch, legs, sequence.planes, j->unique->rows);

    cm_bcol_get_rows(sequence, 0, head);
    cm_bcol_difference(head, difference);
    cm_bcol_put_rows(ret, 0, difference);
}

/*
 * Live rows of one key follow each other in the sequence.  A row repeats the one above if it is
 * live and neither the flag nor the key differs; the first row differs from nothing above it in
 * being live.
 */
static cm_status find_duplicates(const join *j, cm_bcol sequence, cm_bcol difference,
                                 cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(j->mpc), planes = 1 + j->key_planes;
    size_t rows = j->unique->rows;
    cm_bcol d = cm_bcol_new(&scratch, legs, planes + 1, rows);
    cm_bcol repeats = cm_bcol_new(&scratch, legs, 1, rows);

    cm_bcol_get_rows(cm_bcol_planes(difference, 0, planes), 0, cm_bcol_planes(d, 0, planes));
    cm_bcol_get_rows(cm_bcol_planes(sequence, 0, 1), 0, cm_bcol_planes(d, planes, 1));
    cm_mpc_not(j->mpc, d, planes);
    cm_status st = cm_wide_zero_rows(j->mpc, d, repeats, scratch);
    return st == CM_OK ? cm_rows_any(j->mpc, repeats, j->duplicate, scratch) : st;
}

/* ret row r = live flag, key and payload of the last unique row at or above sorted row r. */
static cm_status copy_down(join *j, cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(j->mpc), place = j->tag_planes, carried = carried_planes(j);
    cm_acol dest = cm_acol_new(&scratch, legs, j->rows);
    cm_rows rows = {.bits = cm_bcol_new(&scratch, legs, place + carried, j->rows)};
    cm_rows apart = {.bits = cm_bcol_new(&scratch, legs, place + carried, j->rows)};
    cm_bcol back = cm_bcol_new(&scratch, legs, place + carried, j->rows);

    cm_rows_index_bits(j->mpc, cm_bcol_planes(rows.bits, 0, place), scratch);
    cm_bcol_copy(cm_bcol_planes(rows.bits, place, carried), j->carried);
    cm_status st = cm_partition_destination(j->mpc, j->is_unique, dest, scratch);
    if (st == CM_OK) {
        st = cm_rows_place(j->mpc, dest, &rows, &apart, scratch);
    }
    if (st != CM_OK) {
        return st;
    }
    if (place > 0) {
        cm_bcol_copy(cm_bcol_planes(back, 0, place), cm_bcol_planes(apart.bits, 0, place));
    }
    cm_bcol sequence = cm_bcol_planes(apart.bits, place, carried);
    cm_bcol difference = cm_bcol_planes(back, place, carried);
    difference_unique(j, sequence, difference, scratch);
    if (j->duplicate.planes > 0) {
        st = find_duplicates(j, sequence, difference, scratch);
    }
    if (st == CM_OK) {
        st = cm_rows_place_bits(j->mpc, back, place, ret, scratch);
    }
    if (st == CM_OK) {
        cm_bcol_prefix_xor(ret, ret);
    }
    return st;
}

/* match = the carried row is live and its key equals the row's own. */
static cm_status compare_keys(join *j, cm_bcol above, cm_bcol match, cm_arena scratch)
{
    unsigned planes = 1 + j->key_planes;
    cm_bcol d = cm_bcol_new(&scratch, cm_mpc_legs(j->mpc), planes, j->rows);

    cm_bcol_xor(cm_bcol_planes(above, 0, planes), cm_bcol_planes(j->carried, 0, planes), d);
    cm_bcol_copy(cm_bcol_planes(d, 0, 1), cm_bcol_planes(above, 0, 1));
    cm_mpc_not(j->mpc, d, 0); /* not live counts as a difference */
    return cm_wide_zero_rows(j->mpc, d, match, scratch);
}

/* ---- 2. and 3. as a scan ------------------------------------------------------------------- */

/*
 * Inputs: difference of the key to the row above; live, is unique.  Outputs: mark, whether the row
 * is a partner, and whether it is a partner whose key the row above has, too.  Marks are partners
 * and the first rows of keys: what is copied down never comes from another key.
 */
static cm_program *build_marks(const join *j, cm_arena scratch)
{
    size_t chunks = cm_wide_chunks(j->key.planes);
    cm_num *d = CM_NEW(&scratch, cm_num, chunks + 1);
    cm_circuit *c = cm_circuit_new_for(j->mpc, j->rows);

    cm_wide_input(c, j->key.planes, d);
    cm_wire live = cm_circuit_input(c, 1).wire[0];
    cm_wire partner = cm_gate_and(c, live, cm_circuit_input(c, 1).wire[0]);
    cm_wire same = cm_wide_is_zero(c, d, chunks);
    cm_circuit_output_wire(c, cm_gate_or(c, partner, cm_gate_not(c, same)));
    cm_circuit_output_wire(c, partner);
    cm_circuit_output_wire(c, cm_gate_and(c, same, partner));
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

static cm_status find_marks(join *j, cm_bcol mark, cm_bcol partner, cm_bcol another,
                            cm_arena scratch)
{
    size_t chunks = cm_wide_chunks(j->key.planes);
    cm_bcol d = cm_bcol_new_raw(&scratch, cm_mpc_legs(j->mpc), j->key.planes, j->rows);
    cm_bcol *in = CM_NEW(&scratch, cm_bcol, chunks + 2), out[] = {mark, partner, another};

    cm_bcol_difference(j->key, d);
    cm_wide_split(d, in);
    in[chunks] = j->live;
    in[chunks + 1] = j->is_unique;
    cm_program *program = build_marks(j, scratch);
    cm_status st = cm_program_run(program, j->mpc, in, out, scratch);
    cm_program_free(program);
    return st;
}

/* A partner repeats one if the row above, of its key, found one. */
static cm_status find_repeats(join *j, cm_bcol another, cm_bcol match, cm_arena scratch)
{
    cm_bcol above = cm_bcol_new(&scratch, cm_mpc_legs(j->mpc), 1, j->rows);
    cm_bcol repeats = cm_bcol_new(&scratch, cm_mpc_legs(j->mpc), 1, j->rows);

    cm_bcol_shift_down(match, above);
    cm_status st = cm_mpc_and_col(j->mpc, another, above, repeats, scratch);
    return st == CM_OK ? cm_rows_any(j->mpc, repeats, j->duplicate, scratch) : st;
}

/* ret: match and payload, of the last mark at or above each row. */
static cm_status scan_down(join *j, cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(j->mpc);
    cm_bcol mark = cm_bcol_new_raw(&scratch, legs, 1, j->rows);
    cm_bcol another = cm_bcol_new_raw(&scratch, legs, 1, j->rows);
    cm_bcol x = cm_bcol_new_raw(&scratch, legs, ret.planes, j->rows);

    cm_status st = find_marks(j, mark, cm_bcol_planes(x, 0, 1), another, scratch);
    if (j->payload_planes > 0) {
        cm_bcol_copy(cm_bcol_planes(x, 1, j->payload_planes), j->payload);
    }
    if (st == CM_OK) {
        st = cm_scan_copy(j->mpc, mark, false, x, ret, scratch);
    }
    return st == CM_OK && j->duplicate.planes > 0
               ? find_repeats(j, another, cm_bcol_planes(ret, 0, 1), scratch)
               : st;
}

/* The same by partition and prefix XOR. */
static cm_status partition_down(join *j, cm_bcol ret, cm_arena scratch)
{
    cm_bcol above = cm_bcol_new(&scratch, cm_mpc_legs(j->mpc), carried_planes(j), j->rows);

    cm_status st = copy_down(j, above, scratch);
    if (st == CM_OK) {
        st = compare_keys(j, above, cm_bcol_planes(ret, 0, 1), scratch);
    }
    if (st == CM_OK && j->payload_planes > 0) {
        cm_bcol_copy(cm_bcol_planes(ret, 1, j->payload_planes),
                     cm_bcol_planes(above, 1 + j->key_planes, j->payload_planes));
    }
    return st;
}

/*
 * The scan sends two bits a row and plane, and takes two rounds for each doubling of the rows; the
 * other way sends some 44 bytes a row and a third of a byte a plane, keys too, in a few rounds.
 */
static bool scan_pays(const join *j)
{
    enum { WORDS_BYTES = 44, OTHER_ROUNDS = 9, SCAN_PLANES_MAX = CM_NUM_MAX - 1 };
    size_t scans = 1 + j->payload_planes / SCAN_PLANES_MAX;
    size_t rounds = scans * 2 * cm_bits_for(j->rows);
    size_t saved = WORDS_BYTES + (j->key_planes + j->payload_planes) / 3 - j->payload_planes / 4;

    return j->rows * saved >
           (rounds > OTHER_ROUNDS ? rounds - OTHER_ROUNDS : 0) * cm_mpc_round_bytes(j->mpc);
}

static bool takes_scan(const join *j)
{
    return j->way == CM_JOIN_WAY_PARTITION ? false : j->way == CM_JOIN_WAY_SCAN || scan_pays(j);
}

/* Without keys the unique side is one row, which goes to every row: locally, by prefix XOR over
 * it and zeros. */
static void spread_row(join *j, cm_bcol ret)
{
    unsigned at = 0;

    CM_ASSERT(j->unique->rows == 1);
    put(ret, &at, 0, j->unique->valid);
    put_payload(j, ret, &at);
    cm_bcol_prefix_xor(ret, ret);
}

/* ---- as a lookup --------------------------------------------------------------------------- */

static cm_bcol key_of(const join *j, const cm_table *table, const unsigned *key, cm_arena *keep)
{
    cm_bcol ret = cm_bcol_new_raw(keep, cm_mpc_legs(j->mpc), j->key_planes, table->rows);
    unsigned at = 0;

    for (size_t i = 0; i < j->spec->keys; i++) {
        put(ret, &at, 0, table->col[key[i]].data);
    }
    return ret;
}

/* Live flag and payload of unique rows. */
static cm_status lay_out_values(join *j, cm_bcol ret, cm_arena scratch)
{
    unsigned at = 0;

    put(ret, &at, 0, j->unique->valid);
    put_payload(j, ret, &at);
    return drop_null_keys(j->mpc, j->unique, j->spec->unique_key, j->spec->keys,
                          cm_bcol_planes(ret, 0, 1), scratch);
}

static cm_status look_up(join *j, cm_bcol ret, cm_arena scratch)
{
    cm_bcol unique_key = key_of(j, j->unique, j->spec->unique_key, &scratch);
    cm_bcol key = key_of(j, j->other, j->spec->other_key, &scratch);
    cm_bcol value = cm_bcol_new_raw(&scratch, cm_mpc_legs(j->mpc), ret.planes, j->unique->rows);

    cm_status st = lay_out_values(j, value, scratch);
    return st == CM_OK ? cm_lookup(j->mpc, unique_key, value, key, ret, j->duplicate, scratch) : st;
}

/* ---- the way ------------------------------------------------------------------------------- */

static double price_of(const join *j, cm_sort_cost cost)
{
    return cost.bytes + cost.work + cost.rounds * (double)cm_mpc_round_bytes(j->mpc);
}

/* By sort, by merge, or by lookup. */
static cm_join_way choose_way(const join *j, cm_arena scratch)
{
    const cm_join_size size = {j->unique->rows,   j->other->rows, j->key_planes,
                               j->payload_planes, j->null_planes, j->runs};
    size_t round_bytes = cm_mpc_round_bytes(j->mpc);
    cm_join_way best = CM_JOIN_WAY_SORT;

    if (j->way != CM_JOIN_WAY_BEST) {
        return j->way;
    }
    if (j->runs.count > 0 && j->runs.way == CM_ORDER_MERGE) {
        return CM_JOIN_WAY_MERGE;
    }
    double least = price_of(j, cm_join_sort_cost(&size, round_bytes, scratch));
    if (j->runs.count > 0 && j->runs.way == CM_ORDER_BEST) {
        double merge = price_of(j, cm_join_merge_cost(&size, round_bytes, scratch));
        best = merge < least ? CM_JOIN_WAY_MERGE : best;
        least = merge < least ? merge : least;
    }
    if (j->key_planes <= CM_LOOKUP_KEY_MAX) {
        double lookup = price_of(j, cm_lookup_cost(size.unique_rows, size.other_rows, j->key_planes,
                                                   1 + j->payload_planes));
        best = lookup < least ? CM_JOIN_WAY_LOOKUP : best;
    }
    return best;
}

/* The runs of the unique side, then the other's. */
static cm_runs runs_of(const cm_join_spec *spec, cm_arena *arena)
{
    const cm_runs *unique = &spec->unique_runs, *other = &spec->other_runs;
    cm_runs ret = {0};

    if (unique->count > 0 && other->count > 0) {
        CM_ASSERT(unique->valid_first == other->valid_first);
        ret = cm_runs_concat(unique, other, arena);
    }
    ret.valid_first = unique->valid_first;
    ret.way = unique->way;
    return ret;
}

/* ret: match and payload, in the order of `other`. */
static cm_status find_partners(join *j, cm_bcol ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(j->mpc), tag = j->tag_planes;

    if (j->unique->rows == 0) {
        cm_bcol_xor(ret, ret, ret);
        return CM_OK;
    }
    if (j->spec->keys == 0) {
        spread_row(j, ret);
        return CM_OK;
    }
    j->runs = runs_of(j->spec, &scratch);
    cm_join_way way = choose_way(j, scratch);
    if (way == CM_JOIN_WAY_LOOKUP) {
        return look_up(j, ret, scratch);
    }
    bool merges = way == CM_JOIN_WAY_MERGE;
    cm_status st = order_both(j, merges, &scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_bcol found = cm_bcol_new_raw(&scratch, legs, tag + ret.planes, j->rows);
    cm_bcol placed = cm_bcol_new_raw(&scratch, legs, ret.planes, j->rows);
    cm_bcol down = cm_bcol_planes(found, tag, ret.planes);
    st = merges || takes_scan(j) ? scan_down(j, down, scratch) : partition_down(j, down, scratch);
    if (st != CM_OK) {
        return st;
    }
    cm_bcol_copy(cm_bcol_planes(found, 0, tag), j->tag);
    st = cm_rows_place_bits(j->mpc, found, tag, placed, scratch);
    if (st == CM_OK) {
        cm_bcol_get_rows(placed, j->unique->rows, ret);
    }
    return st;
}

/* ---- 4. result ------------------------------------------------------------------------------ */

static cm_bcol copy_column(cm_bcol x, unsigned legs, cm_arena *arena)
{
    cm_bcol z = cm_bcol_new(arena, legs, x.planes, x.rows);

    if (x.planes > 0 && x.rows > 0) {
        cm_bcol_copy(z, x);
    }
    return z;
}

/* LEFT: null where there is no partner or the partner's value is NULL. */
static cm_status null_of_left(cm_mpc *mpc, cm_bcol match, cm_bcol null, cm_bcol ret,
                              cm_arena scratch)
{
    if (null.planes == 0) {
        cm_rows_not(mpc, match, ret);
        return CM_OK;
    }
    cm_bcol present = cm_bcol_new(&scratch, cm_mpc_legs(mpc), 1, match.rows);
    cm_rows_not(mpc, null, present);
    cm_status st = cm_mpc_and_col(mpc, match, present, ret, scratch);
    if (st == CM_OK) {
        cm_mpc_not(mpc, ret, 0);
    }
    return st;
}

static cm_status take_payload(join *j, cm_bcol found, cm_bcol match, cm_scol *ret, cm_arena *arena,
                              cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(j->mpc), at = 1;
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < j->spec->payload_cols; i++) {
        cm_scol like = j->unique->col[j->spec->payload[i]];
        cm_bcol data = cm_bcol_planes(found, at, like.data.planes);
        at += like.data.planes;
        cm_bcol null = cm_bcol_planes(found, at, like.null.planes);
        at += like.null.planes;
        ret[i].data = copy_column(data, legs, arena);
        if (j->spec->kind == CM_JOIN_LEFT) {
            ret[i].null = cm_bcol_new(arena, legs, 1, match.rows);
            st = null_of_left(j->mpc, match, null, ret[i].null, scratch);
        } else {
            ret[i].null = copy_column(null, legs, arena);
        }
    }
    return st;
}

static cm_status decide_valid(join *j, cm_bcol match, cm_bcol ret, cm_arena scratch)
{
    cm_bcol wanted = match;

    if (j->spec->kind == CM_JOIN_LEFT) {
        cm_bcol_copy(ret, j->other->valid);
        return CM_OK;
    }
    if (j->spec->kind == CM_JOIN_ANTI) {
        wanted = cm_bcol_new(&scratch, cm_mpc_legs(j->mpc), 1, match.rows);
        cm_rows_not(j->mpc, match, wanted);
    }
    return cm_mpc_and_col(j->mpc, j->other->valid, wanted, ret, scratch);
}

cm_status cm_join_unique_by(cm_mpc *mpc, const cm_table *unique, const cm_table *other,
                            const cm_join_spec *spec, cm_join_way way, cm_arena *arena,
                            cm_table *ret, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    size_t payload_cols = carries_payload(spec) ? spec->payload_cols : 0;
    join j = {.mpc = mpc, .unique = unique, .other = other, .spec = spec, .way = way};
    cm_table result = {.rows = other->rows, .cols = other->cols + (unsigned)payload_cols};

    cm_table_check_arenas(arena, scratch);
    measure(&j);
    result.col = CM_NEW(arena, cm_scol, result.cols);
    result.valid = cm_bcol_new(arena, legs, 1, other->rows);
    for (unsigned i = 0; i < other->cols; i++) {
        result.col[i].data = copy_column(other->col[i].data, legs, arena);
        result.col[i].null = copy_column(other->col[i].null, legs, arena);
    }
    if (spec->ret_duplicate) {
        j.duplicate = cm_bcol_new(arena, legs, 1, 1); /* 0 */
    }
    cm_bcol found = cm_bcol_new(&scratch, legs, 1 + j.payload_planes, other->rows); /* 0 */
    cm_bcol match = cm_bcol_planes(found, 0, 1);
    cm_status st = CM_OK;
    if (other->rows > 0) {
        st = find_partners(&j, found, scratch);
        if (st == CM_OK) {
            st = drop_null_keys(mpc, other, spec->other_key, spec->keys, match, scratch);
        }
        if (st == CM_OK) {
            st = decide_valid(&j, match, result.valid, scratch);
        }
    }
    if (st == CM_OK && payload_cols > 0) {
        st = take_payload(&j, found, match, result.col + other->cols, arena, scratch);
    }
    if (st == CM_OK) {
        *ret = result;
        if (spec->ret_duplicate) {
            *spec->ret_duplicate = j.duplicate;
        }
    }
    return st;
}

cm_status cm_table_join_unique(cm_mpc *mpc, const cm_table *unique, const cm_table *other,
                               const cm_join_spec *spec, cm_arena *arena, cm_table *ret,
                               cm_arena scratch)
{
    return cm_join_unique_by(mpc, unique, other, spec, CM_JOIN_WAY_BEST, arena, ret, scratch);
}
