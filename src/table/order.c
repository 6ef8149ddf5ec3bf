/*
 * Putting rows in order: by a sort, where they lie in sorted runs by a merge, or where the key is
 * short by a stable partition for each of its planes from the lowest; whichever costs least.
 * docs/design/table.md, "Merge" and "Radix passes".
 */
#include "table/table_int.h"

enum { RADIX_KEY_MAX = 16 }; /* no link makes more passes cheaper than a sort */

/* ---- what it costs -------------------------------------------------------------------------- */

static double price(cm_sort_cost cost, size_t round_bytes)
{
    return cost.bytes + cost.rounds * (double)round_bytes;
}

/* The part of the key that runs are in order of. */
static unsigned run_key(const cm_order *o)
{
    return o->key - (o->invalid_flag && !o->runs.valid_first ? 1 : 0);
}

/* How many planes a comparator compares, and the lowest of them. */
static unsigned compared(const cm_order *o)
{
    return run_key(o) + (o->stable ? o->tag : 0);
}

static unsigned compared_first(const cm_order *o)
{
    return o->stable ? 0 : o->tag;
}

/* The lowest plane that the network exchanges if the payload does not follow the tag. */
static unsigned exchanged_first(const cm_order *o)
{
    return o->stable || o->keep_tag ? 0 : o->tag;
}

/* Whether rows that do not count are among the others after the merge. */
static bool wants_partition(const cm_order *o)
{
    return run_key(o) < o->key;
}

static cm_sort_cost sort_cost(const cm_order *o, size_t round_bytes, cm_arena scratch)
{
    double planes = o->tag + o->key + o->payload;
    cm_sort_cost ret = cm_sort_comparisons_cost(o->rows, o->tag + o->key, round_bytes, scratch);

    cm_cost_add_shuffle(&ret, (double)o->rows, planes);
    return ret;
}

/* Planes that a partition moves. */
static unsigned partitioned(const cm_order *o)
{
    return o->key + o->payload + (o->keep_tag ? o->tag : 0);
}

/* The network with rows of so many planes. */
static cm_sort_cost net_cost(const cm_order *o, unsigned planes, size_t round_bytes,
                             cm_arena scratch)
{
    const cm_merge_net *net = cm_merge_net_new(&o->runs, &scratch);
    cm_sort_costs costs;
    cm_sort_cost ret = {0};
    cm_sort_less less;

    cm_sort_less_init(&less, compared(o), round_bytes, scratch);
    cm_merge_costs(&less, planes, &costs);
    cm_sort_less_fini(&less);
    for (unsigned level = 0; level < cm_merge_net_levels(net); level++) {
        size_t pairs = cm_merge_net_pairs(net, level);
        for (size_t done = 0; done < pairs; done += CM_SORT_WINDOW) {
            size_t some = pairs - done < CM_SORT_WINDOW ? pairs - done : CM_SORT_WINDOW;
            size_t shape = cm_sort_best_shape(&costs, some);
            ret.ands += (double)costs.ands[shape] * (double)some;
            ret.rounds += (double)costs.fixed[shape] / (8 * (double)round_bytes);
        }
    }
    ret.bytes = ret.ands / 8;
    return ret;
}

/* Which planes the network exchanges. */
typedef enum merge_way {
    WITH_PAYLOAD, /* the rows as they are */
    WITH_TAG      /* tag and key; the payload follows the tag */
} merge_way;

static cm_sort_cost merge_cost_by(const cm_order *o, merge_way way, size_t round_bytes,
                                  cm_arena scratch)
{
    unsigned planes =
        way == WITH_TAG ? o->tag + o->key : o->tag + o->key + o->payload - exchanged_first(o);
    cm_sort_cost ret = net_cost(o, planes, round_bytes, scratch);

    if (way == WITH_TAG) { /* positions alone are placed, then the payload */
        cm_cost_add_place(&ret, (double)o->rows, o->tag, o->tag);
        cm_cost_add_place(&ret, (double)o->rows, o->payload, o->tag);
    }
    if (wants_partition(o)) {
        cm_cost_add_partition(&ret, (double)o->rows, partitioned(o));
    }
    return ret;
}

static cm_sort_cost merge_cost(const cm_order *o, size_t round_bytes, merge_way *ret_way,
                               cm_arena scratch)
{
    cm_sort_cost payload = merge_cost_by(o, WITH_PAYLOAD, round_bytes, scratch);
    cm_sort_cost tag = merge_cost_by(o, WITH_TAG, round_bytes, scratch);

    *ret_way = price(tag, round_bytes) < price(payload, round_bytes) ? WITH_TAG : WITH_PAYLOAD;
    return *ret_way == WITH_TAG ? tag : payload;
}

static cm_sort_cost radix_cost(const cm_order *o)
{
    cm_sort_cost ret = {0};

    if (o->random) {
        cm_cost_add_shuffle(&ret, (double)o->rows, partitioned(o));
    }
    for (unsigned p = 0; p < o->key; p++) {
        cm_cost_add_partition(&ret, (double)o->rows, partitioned(o));
    }
    return ret;
}

/* Among what does not merge. */
static bool takes_radix(const cm_order *o, size_t round_bytes, cm_arena scratch)
{
    return o->runs.way == CM_ORDER_RADIX ||
           (o->runs.way == CM_ORDER_BEST && o->key > 0 && o->key <= RADIX_KEY_MAX &&
            price(radix_cost(o), round_bytes) <
                price(sort_cost(o, round_bytes, scratch), round_bytes));
}

static cm_sort_cost unmerged_cost(const cm_order *o, size_t round_bytes, cm_arena scratch)
{
    return takes_radix(o, round_bytes, scratch) ? radix_cost(o)
                                                : sort_cost(o, round_bytes, scratch);
}

bool cm_order_merges(const cm_order *o, size_t round_bytes, cm_arena scratch)
{
    merge_way way;

    if (o->runs.count == 0 || o->runs.way == CM_ORDER_SORT || o->runs.way == CM_ORDER_RADIX ||
        run_key(o) == 0) {
        return false;
    }
    return o->runs.way == CM_ORDER_MERGE ||
           price(merge_cost(o, round_bytes, &way, scratch), round_bytes) <
               price(unmerged_cost(o, round_bytes, scratch), round_bytes);
}

cm_sort_cost cm_order_cost(const cm_order *o, size_t round_bytes, cm_arena scratch)
{
    merge_way way;

    if (o->rows < 2 || o->tag + o->key == 0) {
        return (cm_sort_cost){0};
    }
    return cm_order_merges(o, round_bytes, scratch) ? merge_cost(o, round_bytes, &way, scratch)
                                                    : unmerged_cost(o, round_bytes, scratch);
}

/* ---- merge ---------------------------------------------------------------------------------- */

/*
 * Row r of payload becomes its row tag[r].  Positions go to where the payload is, which turns the
 * permutation round; then the payload goes by them.  Each time what is opened was shuffled: it is
 * uniformly random.
 */
static cm_status fetch(cm_mpc *mpc, cm_bcol tag, cm_bcol payload, cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    cm_bcol turned = cm_bcol_new_raw(&scratch, legs, 2 * tag.planes, tag.rows);
    cm_bcol moved = cm_bcol_new_raw(&scratch, legs, tag.planes + payload.planes, tag.rows);

    cm_bcol_copy(cm_bcol_planes(turned, 0, tag.planes), tag);
    cm_rows_index_bits(mpc, cm_bcol_planes(turned, tag.planes, tag.planes), scratch);
    cm_bcol_copy(cm_bcol_planes(moved, tag.planes, payload.planes), payload);
    cm_status st =
        cm_rows_place_bits(mpc, turned, tag.planes, cm_bcol_planes(moved, 0, tag.planes), scratch);
    return st == CM_OK ? cm_rows_place_bits(mpc, moved, tag.planes, payload, scratch) : st;
}

/* What a partition moves of the rows. */
static cm_bcol moved(cm_bcol wide, const cm_order *o)
{
    return cm_bcol_planes(wide, wide.planes - partitioned(o), partitioned(o));
}

/* Rows whose plane of the key is 0 first, in order; then the others, in order. */
static cm_status partition(cm_mpc *mpc, cm_bcol wide, const cm_order *o, unsigned plane,
                           cm_arena scratch)
{
    unsigned legs = cm_mpc_legs(mpc);
    cm_bcol rest = moved(wide, o);
    cm_bcol zero = cm_bcol_new_raw(&scratch, legs, 1, wide.rows);
    cm_acol dest = cm_acol_new(&scratch, legs, wide.rows);
    cm_rows from = {.bits = cm_bcol_new_raw(&scratch, legs, rest.planes, rest.rows)};
    cm_rows to = {.bits = rest};

    cm_rows_not(mpc, cm_bcol_planes(wide, o->tag + plane, 1), zero);
    cm_bcol_copy(from.bits, rest);
    cm_status st = cm_partition_destination(mpc, zero, dest, scratch);
    return st == CM_OK ? cm_rows_place(mpc, dest, &from, &to, scratch) : st;
}

static cm_status merge(cm_mpc *mpc, cm_bcol wide, const cm_order *o, cm_arena scratch)
{
    merge_way way;
    cm_status st;

    merge_cost(o, cm_mpc_round_bytes(mpc), &way, scratch);
    if (way == WITH_PAYLOAD) {
        unsigned first = exchanged_first(o);
        st = cm_merge_rows(mpc, cm_bcol_planes(wide, first, wide.planes - first),
                           compared_first(o) - first, compared(o), &o->runs, scratch);
    } else {
        st = cm_merge_rows(mpc, cm_bcol_planes(wide, 0, o->tag + o->key), compared_first(o),
                           compared(o), &o->runs, scratch);
        if (st == CM_OK && o->payload > 0) {
            st = fetch(mpc, cm_bcol_planes(wide, 0, o->tag),
                       cm_bcol_planes(wide, o->tag + o->key, o->payload), scratch);
        }
    }
    return st == CM_OK && wants_partition(o) ? partition(mpc, wide, o, o->key - 1, scratch) : st;
}

/* ---- radix passes --------------------------------------------------------------------------- */

static cm_status radix(cm_mpc *mpc, cm_bcol wide, const cm_order *o, cm_arena scratch)
{
    cm_bcol rest = moved(wide, o);
    cm_status st = o->random ? cm_mpc_shuffle(mpc, NULL, 0, &rest, 1, scratch) : CM_OK;

    for (unsigned p = 0; st == CM_OK && p < o->key; p++) {
        st = partition(mpc, wide, o, p, scratch);
    }
    return st;
}

cm_status cm_order_rows(cm_mpc *mpc, cm_bcol wide, const cm_order *o, cm_arena scratch)
{
    CM_ASSERT(wide.rows == o->rows && wide.planes == o->tag + o->key + o->payload);
    if (wide.rows < 2) {
        return CM_OK;
    }
    size_t round_bytes = cm_mpc_round_bytes(mpc);
    if (cm_order_merges(o, round_bytes, scratch)) {
        return merge(mpc, wide, o, scratch);
    }
    return takes_radix(o, round_bytes, scratch) ? radix(mpc, wide, o, scratch)
                                                : cm_sort_rows(mpc, wide, o->tag + o->key, scratch);
}
