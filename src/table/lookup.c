/*
 * Partners by a key of few planes, without a sort: docs/design/table.md, "Lookup".
 *
 *   1. A key of b planes is cut into b - h low and h high ones.  Each half becomes one-hot bits.
 *   2. The unique rows' values, each with its flag, are added up by key: a public table of secret
 *      entries, one for every key that there can be.
 *   3. A row chooses by its low half one entry for each high half, and by that one of those.
 *
 * Both sums send what they result in and nothing for what they are of, so that h balances one-hot
 * bits against entries: about 2 sqrt(2^b * planes) bits a row.
 */
#include "table/table_int.h"

typedef struct lookup {
    cm_mpc *mpc;
    unsigned legs;
    unsigned low, high; /* planes of the key */
    unsigned planes;    /* of a value, flag first */
} lookup;

static size_t low_keys(const lookup *l)
{
    return (size_t)1 << l->low;
}

static size_t high_keys(const lookup *l)
{
    return (size_t)1 << l->high;
}

/* Planes of a table entry for each high half: plane high * l->planes + p. */
static unsigned entry_planes(const lookup *l)
{
    return (unsigned)high_keys(l) * l->planes;
}

static unsigned best_high(unsigned key_planes, unsigned value_planes)
{
    size_t least = SIZE_MAX;
    unsigned ret = 0;

    for (unsigned h = 0; h <= key_planes; h++) {
        size_t bits = ((size_t)1 << (key_planes - h)) + ((size_t)(value_planes + 1) << h);
        if (bits < least) {
            least = bits;
            ret = h;
        }
    }
    return ret;
}

cm_sort_cost cm_lookup_cost(size_t unique_rows, size_t other_rows, unsigned key_planes,
                            unsigned value_planes)
{
    static const double terms_a_byte = 1000; /* products of bits in the time that a byte takes */
    unsigned high = best_high(key_planes, value_planes), low = key_planes - high;
    double m = (double)unique_rows, n = (double)other_rows, w = value_planes;
    double keys = (double)((size_t)1 << low) * (double)((size_t)1 << high);
    double hots = (double)((size_t)1 << low) + (double)((size_t)1 << high) - 2 - key_planes;
    double entries = w * (double)((size_t)1 << high);

    return (cm_sort_cost){.ands = m * (hots + entries) + n * hots,
                          .bytes = ((m + n) * (hots + entries) + n * w + keys * w) / 8,
                          .rounds = 2.0 * cm_bits_for(low) + 6,
                          .work = (m + n) * keys * w / terms_a_byte};
}

/* ---- one-hot bits --------------------------------------------------------------------------- */

/*
 * ret[k] = 1 where the number in wires first .. is k.  One of each half's bits is 1, so the last of
 * each row and column of products is what the others leave: 2^bits - bits - 1 ANDs.
 */
static void one_hot(cm_circuit *c, const cm_wire *wire, unsigned bits, cm_wire *ret,
                    cm_arena scratch)
{
    unsigned low = bits / 2;
    size_t lows = (size_t)1 << low, highs = (size_t)1 << (bits - low);
    cm_wire *x = CM_NEW(&scratch, cm_wire, lows), *y = CM_NEW(&scratch, cm_wire, highs);

    if (bits < 2) {
        ret[0] = bits == 0 ? CM_WIRE_1 : cm_gate_not(c, wire[0]);
        if (bits == 1) {
            ret[1] = wire[0];
        }
        return;
    }
    one_hot(c, wire, low, x, scratch);
    one_hot(c, wire + low, bits - low, y, scratch);
    for (size_t j = 0; j < highs; j++) {
        cm_wire rest = y[j];
        for (size_t i = 0; i < lows; i++) {
            bool last_row = j + 1 == highs, last = i + 1 == lows;
            if (!last && !last_row) {
                ret[j * lows + i] = cm_gate_and(c, x[i], y[j]);
            } else if (!last) {
                ret[j * lows + i] = x[i];
                for (size_t k = 0; k < j; k++) {
                    ret[j * lows + i] = cm_gate_xor(c, ret[j * lows + i], ret[k * lows + i]);
                }
            } else {
                ret[j * lows + i] = rest;
            }
            rest = cm_gate_xor(c, rest, ret[j * lows + i]);
        }
    }
}

static void output_all(cm_circuit *c, const cm_wire *wire, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cm_circuit_output_wire(c, wire[i]);
    }
}

/*
 * Input: the key, and with values the value.  Outputs: one-hot bits of the low half, then of the
 * high half; or with values, for each high half the value where its flag is up and the half is this
 * one.
 */
static cm_program *build_halves(const lookup *l, bool values, size_t rows, cm_arena scratch)
{
    cm_circuit *c = cm_circuit_new_for(l->mpc, rows);
    cm_wire *low = CM_NEW(&scratch, cm_wire, low_keys(l));
    cm_wire *high = CM_NEW(&scratch, cm_wire, high_keys(l));
    cm_num key = cm_circuit_input(c, l->low + l->high);

    one_hot(c, key.wire, l->low, low, scratch);
    one_hot(c, key.wire + l->low, l->high, high, scratch);
    output_all(c, low, low_keys(l));
    if (!values) {
        output_all(c, high, high_keys(l));
    } else {
        cm_wire *value = CM_NEW(&scratch, cm_wire, l->planes);
        for (unsigned p = 0; p < l->planes; p++) {
            value[p] = cm_circuit_input(c, 1).wire[0];
        }
        for (size_t i = 0; i < high_keys(l); i++) {
            cm_wire here = cm_gate_and(c, high[i], value[0]);
            cm_circuit_output_wire(c, here);
            for (unsigned p = 1; p < l->planes; p++) {
                cm_circuit_output_wire(c, cm_gate_and(c, here, value[p]));
            }
        }
    }
    cm_program *program = cm_circuit_finish(c);
    cm_circuit_free(c);
    return program;
}

/* ret_low, and ret_high: one-hot bits, or values for each high half. */
static cm_status run_halves(const lookup *l, cm_bcol key, cm_bcol value, cm_bcol ret_low,
                            cm_bcol ret_high, cm_arena scratch)
{
    bool values = value.planes > 0;
    cm_bcol *in = CM_NEW(&scratch, cm_bcol, 1 + value.planes);
    cm_bcol *out = CM_NEW(&scratch, cm_bcol, ret_low.planes + ret_high.planes);

    in[0] = key;
    for (unsigned p = 0; p < value.planes; p++) {
        in[1 + p] = cm_bcol_planes(value, p, 1);
    }
    for (unsigned p = 0; p < ret_low.planes; p++) {
        out[p] = cm_bcol_planes(ret_low, p, 1);
    }
    for (unsigned p = 0; p < ret_high.planes; p++) {
        out[ret_low.planes + p] = cm_bcol_planes(ret_high, p, 1);
    }
    cm_program *program = build_halves(l, values, key.rows, scratch);
    cm_status st = cm_program_run(program, l->mpc, in, out, scratch);
    cm_program_free(program);
    return st;
}

/* ---- the table of all keys ------------------------------------------------------------------ */

/* Rows: low halves.  Two rows of one key leave their XOR. */
static cm_status make_entries(const lookup *l, cm_bcol key, cm_bcol value, cm_bcol ret,
                              cm_arena scratch)
{
    cm_bcol low = cm_bcol_new_raw(&scratch, l->legs, (unsigned)low_keys(l), key.rows);
    cm_bcol high = cm_bcol_new_raw(&scratch, l->legs, entry_planes(l), key.rows);

    cm_status st = run_halves(l, key, value, low, high, scratch);
    return st == CM_OK ? cm_mpc_bits_inner(l->mpc, high, low, ret, scratch) : st;
}

/* Adds up a column, which is used up, to the one row of sum. */
static void add_rows(cm_acol x, cm_acol sum)
{
    cm_acol_prefix_sum(x, x);
    cm_acol_add(sum, cm_acol_slice(x, x.rows - 1, 1), sum);
}

/*
 * An entry's flag is the parity of the number of flags of its key.  So there are fewer entries with
 * a flag than rows if, and only if, two rows share a key.
 */
static cm_status find_duplicates(const lookup *l, cm_bcol flag, cm_bcol entries, cm_bcol ret,
                                 cm_arena scratch)
{
    size_t highs = high_keys(l);
    cm_acol of_rows = cm_acol_new(&scratch, l->legs, flag.rows);
    cm_acol *of_entries = CM_NEW(&scratch, cm_acol, highs);
    cm_acol rows = cm_acol_new(&scratch, l->legs, 1), left = cm_acol_new(&scratch, l->legs, 1);
    cm_bcol flags = cm_bcol_new(&scratch, l->legs, (unsigned)highs, entries.rows);
    cm_bcol more = cm_bcol_new(&scratch, l->legs, cm_bits_for(flag.rows + 1), 1);

    for (unsigned i = 0; i < highs; i++) {
        of_entries[i] = cm_acol_new(&scratch, l->legs, entries.rows);
        cm_bcol_copy(cm_bcol_planes(flags, i, 1), cm_bcol_planes(entries, i * l->planes, 1));
    }
    cm_status st = cm_mpc_bit_to_ring(l->mpc, flag, &of_rows, scratch);
    if (st == CM_OK) {
        st = cm_mpc_bit_to_ring(l->mpc, flags, of_entries, scratch);
    }
    if (st != CM_OK) {
        return st;
    }
    add_rows(of_rows, rows);
    for (unsigned i = 0; i < highs; i++) {
        add_rows(of_entries[i], left);
    }
    cm_acol_sub(rows, left, rows);
    st = cm_mpc_ring_to_bits(l->mpc, rows, more, scratch);
    if (st == CM_OK) {
        st = cm_wide_zero_rows(l->mpc, more, ret, scratch);
    }
    if (st == CM_OK) {
        cm_mpc_not(l->mpc, ret, 0);
    }
    return st;
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* ret plane p = of plane p of all high halves' entries the row's own. */
static cm_status choose_high(const lookup *l, cm_bcol high, cm_bcol entries, cm_bcol ret,
                             cm_arena scratch)
{
    size_t highs = high_keys(l);
    cm_plane *x = CM_NEW(&scratch, cm_plane, l->planes * highs);
    cm_plane *y = CM_NEW(&scratch, cm_plane, l->planes * highs);
    cm_plane *z = CM_NEW(&scratch, cm_plane, l->planes);

    for (unsigned p = 0; p < l->planes; p++) {
        for (unsigned i = 0; i < highs; i++) {
            x[p * highs + i] = cm_bcol_plane(high, i);
            y[p * highs + i] = cm_bcol_plane(entries, i * l->planes + p);
        }
        z[p] = cm_bcol_plane(ret, p);
    }
    return cm_mpc_and_sum(l->mpc, x, y, z, l->planes, highs, ret.words, scratch);
}

static cm_status look_up(const lookup *l, cm_bcol key, cm_bcol entries, cm_bcol ret,
                         cm_arena scratch)
{
    cm_bcol low = cm_bcol_new_raw(&scratch, l->legs, (unsigned)low_keys(l), key.rows);
    cm_bcol high = cm_bcol_new_raw(&scratch, l->legs, (unsigned)high_keys(l), key.rows);
    cm_bcol chosen = cm_bcol_new_raw(&scratch, l->legs, entry_planes(l), key.rows);

    cm_status st = run_halves(l, key, (cm_bcol){0}, low, high, scratch);
    if (st == CM_OK) {
        st = cm_mpc_bits_product(l->mpc, entries, low, chosen, scratch);
    }
    return st == CM_OK ? choose_high(l, high, chosen, ret, scratch) : st;
}

/* As many rows at a time as memory is meant for. */
static cm_status look_up_all(const lookup *l, cm_bcol key, cm_bcol entries, cm_bcol ret,
                             cm_arena scratch)
{
    static const size_t window_bits = (size_t)1 << 28;
    size_t planes = low_keys(l) + high_keys(l) + entry_planes(l);
    size_t window = (window_bits / planes / 64 + 1) * 64;
    cm_status st = CM_OK;

    if (key.rows <= window) {
        return look_up(l, key, entries, ret, scratch);
    }
    for (size_t first = 0; st == CM_OK && first < key.rows; first += window) {
        size_t rows = key.rows - first < window ? key.rows - first : window;
        cm_arena own = scratch;
        cm_bcol some = cm_bcol_new_raw(&own, l->legs, key.planes, rows);
        cm_bcol found = cm_bcol_new_raw(&own, l->legs, ret.planes, rows);
        cm_bcol_get_rows(key, first, some);
        st = look_up(l, some, entries, found, own);
        if (st == CM_OK) {
            cm_bcol_put_rows(ret, first, found);
        }
    }
    return st;
}

cm_status cm_lookup(cm_mpc *mpc, cm_bcol unique_key, cm_bcol value, cm_bcol key, cm_bcol ret,
                    cm_bcol duplicate, cm_arena scratch)
{
    lookup l = {.mpc = mpc, .legs = cm_mpc_legs(mpc), .planes = value.planes};

    CM_ASSERT(unique_key.planes == key.planes && key.planes <= CM_LOOKUP_KEY_MAX);
    CM_ASSERT(unique_key.rows == value.rows && value.rows > 0 && value.planes > 0);
    CM_ASSERT(ret.rows == key.rows && ret.planes == value.planes);
    l.high = best_high(key.planes, value.planes);
    l.low = key.planes - l.high;
    cm_bcol entries = cm_bcol_new(&scratch, l.legs, entry_planes(&l), low_keys(&l));
    cm_status st = make_entries(&l, unique_key, value, entries, scratch);
    if (st == CM_OK && duplicate.planes > 0) {
        st = find_duplicates(&l, cm_bcol_planes(value, 0, 1), entries, duplicate, scratch);
    }
    return st == CM_OK ? look_up_all(&l, key, entries, ret, scratch) : st;
}
