/* Gates: nodes, folding and hash-consing.  Wires and nodes: circuit_int.h; docs/design/circuit.md.
 */
#include "circuit/circuit_int.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_NODES = 256, NODES_MAX = 1 << 29 };

void *cm_circuit_calloc(size_t count, size_t item_bytes)
{
    void *memory = calloc(count ? count : 1, item_bytes);

    CM_ASSERT(memory != NULL);
    return memory;
}

/* Doubles *array, which has room for *capacity items, and zeroes nothing. */
static void *grow(void *array, size_t *capacity, size_t item_bytes)
{
    size_t wanted = *capacity ? 2 * *capacity : FIRST_NODES;

    void *memory = reallocarray(array, wanted, item_bytes);
    CM_ASSERT(memory != NULL);
    *capacity = wanted;
    return memory;
}

void cm_list_push(cm_list *list, cm_wire item)
{
    if (list->count == list->capacity) {
        list->item = grow(list->item, &list->capacity, sizeof *list->item);
    }
    list->item[list->count++] = item;
}

void cm_list_free(cm_list *list)
{
    free(list->item);
    *list = (cm_list){0};
}

unsigned cm_ceil_log2(size_t value)
{
    unsigned log = 0;

    while (((size_t)1 << log) < value) {
        log++;
    }
    return log;
}

static int32_t push_node(cm_circuit *c, cm_node node)
{
    if (c->nodes == c->nodes_capacity) {
        c->node = grow(c->node, &c->nodes_capacity, sizeof *c->node);
    }
    CM_ASSERT(c->nodes < NODES_MAX);
    c->node[c->nodes] = node;
    return (int32_t)c->nodes++;
}

static cm_circuit *new_circuit(uint64_t and_price, uint64_t level_price)
{
    cm_circuit *c = cm_circuit_calloc(1, sizeof *c);

    c->and_price = and_price;
    c->level_price = level_price;
    c->buckets = 2 * (size_t)FIRST_NODES;
    c->bucket = cm_circuit_calloc(c->buckets, sizeof *c->bucket);
    /* Node 0 is the constant 0: never an operand, because folding removes it. */
    (void)push_node(c, (cm_node){.kind = CM_NODE_INPUT, .a = -1});
    return c;
}

/* The other price is not nothing, so that of two equals the cheaper one wins. */
cm_circuit *cm_circuit_new(cm_shape shape)
{
    return shape == CM_SHAPE_FEW_ROUNDS ? new_circuit(1, UINT32_MAX) : new_circuit(UINT32_MAX, 1);
}

cm_circuit *cm_circuit_new_priced(size_t rows, size_t round_bytes)
{
    CM_ASSERT(rows <= UINT32_MAX && round_bytes <= UINT32_MAX / 8);
    return new_circuit(rows == 0 ? 1 : rows, 8 * round_bytes);
}

cm_circuit *cm_circuit_new_for(const cm_mpc *mpc, size_t rows)
{
    return cm_circuit_new_priced(rows, cm_mpc_round_bytes(mpc));
}

bool cm_circuit_prefers(const cm_circuit *c, cm_guess first, cm_guess second)
{
    return first.ands * c->and_price + first.levels * c->level_price <=
           second.ands * c->and_price + second.levels * c->level_price;
}

bool cm_circuit_ripples(const cm_circuit *c, unsigned bits, cm_guess prefix)
{
    return cm_circuit_prefers(c, (cm_guess){.ands = bits, .levels = bits}, prefix);
}

void cm_circuit_free(cm_circuit *c)
{
    if (c == NULL) {
        return;
    }
    free(c->node);
    free(c->bucket);
    cm_list_free(&c->input);
    cm_list_free(&c->output);
    cm_list_free(&c->result);
    free(c);
}

cm_num cm_circuit_input(cm_circuit *c, unsigned planes)
{
    CM_ASSERT(planes <= CM_NUM_MAX);

    cm_num x = {.bits = planes};
    for (unsigned i = 0; i < planes; i++) {
        cm_node node = {.kind = CM_NODE_INPUT, .a = (int32_t)c->input_planes++};
        x.wire[i] = 2 * push_node(c, node);
    }
    cm_list_push(&c->input, (cm_wire)planes);
    return x;
}

static const cm_node *node_of(const cm_circuit *c, int32_t node)
{
    CM_ASSERT(node >= 0 && (size_t)node < c->nodes);
    return &c->node[node];
}

void cm_circuit_output(cm_circuit *c, const cm_num *x)
{
    CM_ASSERT(x->bits <= CM_NUM_MAX);
    for (unsigned i = 0; i < x->bits; i++) {
        (void)node_of(c, cm_wire_node(x->wire[i]));
        cm_list_push(&c->result, x->wire[i]);
    }
    cm_list_push(&c->output, (cm_wire)x->bits);
}

void cm_circuit_output_wire(cm_circuit *c, cm_wire x)
{
    cm_num number = cm_num_of_wire(x);

    cm_circuit_output(c, &number);
}

unsigned cm_wire_depth(const cm_circuit *c, cm_wire x)
{
    return node_of(c, cm_wire_node(x))->depth;
}

/* ---- hash-consing ------------------------------------------------------------------------- */

static size_t hash_gate(cm_node_kind kind, int32_t a, int32_t b)
{
    uint64_t key = ((uint64_t)(uint32_t)a << 32 | (uint32_t)b) ^ (uint64_t)kind << 31;

    key *= UINT64_C(0x9e3779b97f4a7c15);
    key ^= key >> 32;
    key *= UINT64_C(0xd6e8feb86659fd93);
    return (size_t)(key ^ key >> 32);
}

static void rehash(cm_circuit *c)
{
    size_t old = c->buckets;
    int32_t *bucket = c->bucket;

    c->buckets = 2 * old;
    c->bucket = cm_circuit_calloc(c->buckets, sizeof *c->bucket);
    for (size_t i = 0; i < old; i++) {
        if (bucket[i] == 0) {
            continue;
        }
        const cm_node *node = node_of(c, bucket[i]);
        size_t at = hash_gate(node->kind, node->a, node->b) & (c->buckets - 1);
        while (c->bucket[at] != 0) {
            at = (at + 1) & (c->buckets - 1);
        }
        c->bucket[at] = bucket[i];
    }
    free(bucket);
}

/* The gate of this kind over nodes a and b, an old one where there is one. */
static int32_t gate(cm_circuit *c, cm_node_kind kind, int32_t a, int32_t b)
{
    if (a > b) {
        int32_t swap = a;
        a = b;
        b = swap;
    }
    CM_ASSERT(a > 0 && a < b);

    size_t at = hash_gate(kind, a, b) & (c->buckets - 1);
    for (; c->bucket[at] != 0; at = (at + 1) & (c->buckets - 1)) {
        const cm_node *old = &c->node[c->bucket[at]];
        if (old->a == a && old->b == b && old->kind == kind) {
            return c->bucket[at];
        }
    }
    uint32_t depth_a = node_of(c, a)->depth;
    uint32_t depth_b = node_of(c, b)->depth;
    uint32_t depth = (depth_a > depth_b ? depth_a : depth_b) + (kind == CM_NODE_AND);
    int32_t node = push_node(c, (cm_node){.a = a, .b = b, .depth = depth, .kind = kind});
    c->bucket[at] = node;
    if (2 * c->nodes > c->buckets) {
        rehash(c);
    }
    return node;
}

/* ---- folding ------------------------------------------------------------------------------ */

/* If z is x XOR something, sets that something. */
static bool strip_xor(const cm_circuit *c, int32_t z, int32_t x, int32_t *ret)
{
    const cm_node *node = node_of(c, z);

    if (node->kind != CM_NODE_XOR || (node->a != x && node->b != x)) {
        return false;
    }
    *ret = node->a == x ? node->b : node->a;
    return true;
}

static int32_t xor_nodes(cm_circuit *c, int32_t x, int32_t y)
{
    int32_t rest = 0;

    if (x == y) {
        return 0;
    }
    if (x == 0 || y == 0) {
        return x ^ y;
    }
    if (strip_xor(c, x, y, &rest) || strip_xor(c, y, x, &rest)) {
        return rest;
    }
    const cm_node *node = node_of(c, x);
    if (node->kind == CM_NODE_XOR) { /* (a ^ b) ^ (a ^ rest) */
        int32_t a = node->a;
        int32_t b = node->b;
        if (strip_xor(c, y, a, &rest)) {
            return xor_nodes(c, b, rest);
        }
        if (strip_xor(c, y, b, &rest)) {
            return xor_nodes(c, a, rest);
        }
    }
    return gate(c, CM_NODE_XOR, x, y);
}

static bool has_factor(const cm_circuit *c, int32_t z, int32_t x)
{
    const cm_node *node = node_of(c, z);

    return node->kind == CM_NODE_AND && (node->a == x || node->b == x);
}

static int32_t and_nodes(cm_circuit *c, int32_t x, int32_t y)
{
    if (x == 0 || y == 0) {
        return 0;
    }
    if (x == y || has_factor(c, x, y)) {
        return x;
    }
    if (has_factor(c, y, x)) {
        return y;
    }
    return gate(c, CM_NODE_AND, x, y);
}

cm_wire cm_gate_xor(cm_circuit *c, cm_wire x, cm_wire y)
{
    return 2 * xor_nodes(c, cm_wire_node(x), cm_wire_node(y)) + ((x ^ y) & 1);
}

cm_wire cm_gate_not(cm_circuit *c, cm_wire x)
{
    return cm_gate_xor(c, x, CM_WIRE_1);
}

cm_wire cm_gate_and(cm_circuit *c, cm_wire x, cm_wire y)
{
    int32_t a = cm_wire_node(x);
    int32_t b = cm_wire_node(y);

    if (a == b) {
        return x == y ? x : CM_WIRE_0;
    }
    if (a == 0) {
        return x == CM_WIRE_1 ? y : CM_WIRE_0;
    }
    if (b == 0) {
        return y == CM_WIRE_1 ? x : CM_WIRE_0;
    }
    /* (a + s)(b + t) = ab + ta + sb + st, where s and t say which operand is a complement. */
    bool s = cm_wire_negated(x);
    bool t = cm_wire_negated(y);
    int32_t linear = s && t ? xor_nodes(c, a, b) : s ? b : t ? a : 0;
    int32_t product = and_nodes(c, a, b);
    return 2 * xor_nodes(c, product, linear) + (s && t);
}

cm_wire cm_gate_or(cm_circuit *c, cm_wire x, cm_wire y)
{
    return cm_gate_not(c, cm_gate_and(c, cm_gate_not(c, x), cm_gate_not(c, y)));
}

cm_wire cm_gate_mux(cm_circuit *c, cm_wire condition, cm_wire if_one, cm_wire if_zero)
{
    cm_wire differ = cm_gate_xor(c, if_one, if_zero);

    return cm_gate_xor(c, if_zero, cm_gate_and(c, condition, differ));
}

static bool is_const(cm_wire x)
{
    return cm_wire_node(x) == 0;
}

cm_wire cm_gate_majority(cm_circuit *c, cm_wire x, cm_wire y, cm_wire z)
{
    /* A constant among them leaves AND or OR, which shares better than the general form. */
    if (is_const(x) || is_const(y)) {
        cm_wire swap = is_const(x) ? x : y;
        x = is_const(x) ? y : x;
        y = z;
        z = swap;
    }
    if (is_const(z)) {
        return z == CM_WIRE_0 ? cm_gate_and(c, x, y) : cm_gate_or(c, x, y);
    }
    cm_wire both = cm_gate_and(c, cm_gate_xor(c, x, z), cm_gate_xor(c, y, z));
    return cm_gate_xor(c, both, z);
}

cm_wire cm_gate_or_all(cm_circuit *c, const cm_wire *wires, size_t count)
{
    cm_list left = {0};
    cm_wire all = CM_WIRE_0;

    /*
     * Joining the two shallowest again and again gives the least depth.  `left` is kept sorted by
     * falling depth, so that the shallowest are at its end.
     */
    for (size_t i = 0; i < count; i++) {
        cm_wire next = wires[i];
        for (;;) {
            cm_list_push(&left, next);
            size_t at = left.count - 1;
            for (; at > 0 && cm_wire_depth(c, left.item[at - 1]) < cm_wire_depth(c, next); at--) {
                left.item[at] = left.item[at - 1];
            }
            left.item[at] = next;
            if (i + 1 < count || left.count < 2) {
                break;
            }
            next = cm_gate_or(c, left.item[left.count - 1], left.item[left.count - 2]);
            left.count -= 2;
        }
    }
    if (left.count > 0) {
        all = left.item[0];
    }
    cm_list_free(&left);
    return all;
}
