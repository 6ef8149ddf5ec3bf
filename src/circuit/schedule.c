/*
 * From a circuit to a program: which gates, when, and where their values live.
 *
 * Stage s first runs XORs whose operands are there after s rounds of ANDs, then all ANDs of depth
 * s + 1 in one round.  So there are as many rounds as the deepest output has ANDs above it, and no
 * order of the gates takes fewer.
 *
 * An XOR of inputs alone waits until it is needed, because inputs take no slots; every other XOR
 * runs as soon as it can, because it mostly lets two values die for one.
 *
 * Places are given in the order of execution: a slot whose value was read for the last time is used
 * again.  An AND may overwrite its own operand, but nothing that another AND of its stage reads,
 * because they all run at once.
 */
#include "circuit/circuit_int.h"

#include <stdlib.h>
#include <string.h>

enum { NEVER = INT32_MAX };

typedef struct scheduler {
    const cm_circuit *c;
    cm_program *program;
    bool *live;        /* per node, and so below */
    int32_t *stage;    /* of gates */
    int32_t *last_use; /* number of the last step that reads the node; outputs: NEVER */
    int32_t *readers;  /* how many ANDs of the present stage read the node */
    uint32_t *place;   /* of nodes that have one */
    int32_t *order;    /* gates in order of execution */
    cm_list free_slot; /* places to use again, the last freed first */
} scheduler;

static bool is_gate(const cm_circuit *c, int32_t node)
{
    return c->node[node].kind != CM_NODE_INPUT;
}

static void need_by(scheduler *s, int32_t node, int32_t stage)
{
    const cm_node *gate = &s->c->node[node];

    s->live[node] = true;
    if (gate->kind == CM_NODE_AND) {
        s->stage[node] = (int32_t)gate->depth - 1;
    } else if (gate->depth > 0) {
        s->stage[node] = (int32_t)gate->depth;
    } else if (stage < s->stage[node]) {
        s->stage[node] = stage;
    }
}

/* Marks what outputs need, and sets stages: consumers stand behind their operands. */
static void choose_stages(scheduler *s)
{
    const cm_circuit *c = s->c;
    size_t levels = 0;

    for (size_t i = 0; i < c->nodes; i++) {
        s->stage[i] = NEVER;
    }
    for (size_t i = 0; i < c->result.count; i++) {
        need_by(s, cm_wire_node(c->result.item[i]), 0);
    }
    for (int32_t i = (int32_t)c->nodes - 1; i > 0; i--) {
        if (!s->live[i] || !is_gate(c, i)) {
            continue;
        }
        const cm_node *gate = &c->node[i];
        need_by(s, gate->a, s->stage[i]);
        need_by(s, gate->b, s->stage[i]);
        levels = gate->depth > levels ? gate->depth : levels;
        s->program->cost.ands += gate->kind == CM_NODE_AND;
    }
    s->program->cost.levels = levels;
    s->program->stages = levels + 1;
}

/* Fills s->order: by stage, XORs before ANDs, otherwise as built. */
static size_t order_gates(scheduler *s)
{
    const cm_circuit *c = s->c;
    cm_program *p = s->program;
    size_t gates = 0;
    size_t at = 0;

    p->stage = cm_circuit_calloc(p->stages, sizeof *p->stage);
    for (size_t i = 1; i < c->nodes; i++) {
        if (s->live[i] && is_gate(c, (int32_t)i)) {
            cm_stage *stage = &p->stage[s->stage[i]];
            *(c->node[i].kind == CM_NODE_AND ? &stage->ands : &stage->xors) += 1;
            gates++;
        }
    }
    /* Where the next XOR and the next AND of each stage go. */
    cm_stage *next = cm_circuit_calloc(p->stages, sizeof *next);
    for (size_t i = 0; i < p->stages; i++) {
        next[i].xors = at;
        next[i].ands = at + p->stage[i].xors;
        at = next[i].ands + p->stage[i].ands;
        p->widest = p->stage[i].ands > p->widest ? p->stage[i].ands : p->widest;
    }
    for (size_t i = 1; i < c->nodes; i++) {
        if (s->live[i] && is_gate(c, (int32_t)i)) {
            cm_stage *stage = &next[s->stage[i]];
            size_t *to = c->node[i].kind == CM_NODE_AND ? &stage->ands : &stage->xors;
            s->order[(*to)++] = (int32_t)i;
        }
    }
    free(next);
    return gates;
}

/* Gives inputs and the first use of a node as output their planes. */
static void place_columns(scheduler *s)
{
    const cm_circuit *c = s->c;
    cm_program *p = s->program;

    for (size_t i = 1; i < c->nodes; i++) {
        if (!is_gate(c, (int32_t)i)) {
            s->place[i] = (uint32_t)c->node[i].a;
            s->last_use[i] = NEVER;
        }
    }
    for (size_t i = 0; i < c->result.count; i++) {
        int32_t node = cm_wire_node(c->result.item[i]);
        cm_result *result = &p->result[i];
        result->flip = cm_wire_negated(c->result.item[i]);
        result->is_const = node == 0;
        if (node != 0 && s->last_use[node] != NEVER) {
            s->place[node] = (uint32_t)(p->inputs_total + i);
            s->last_use[node] = NEVER;
        }
        result->from = s->place[node];
    }
}

static void note_uses(scheduler *s, size_t gates)
{
    for (size_t i = 0; i < gates; i++) {
        const cm_node *gate = &s->c->node[s->order[i]];
        int32_t operand[2] = {gate->a, gate->b};
        for (size_t k = 0; k < 2; k++) {
            if (s->last_use[operand[k]] != NEVER) {
                s->last_use[operand[k]] = (int32_t)i;
            }
        }
    }
}

static uint32_t take_slot(scheduler *s)
{
    if (s->free_slot.count > 0) {
        return (uint32_t)s->free_slot.item[--s->free_slot.count];
    }
    cm_program *p = s->program;
    return (uint32_t)(p->inputs_total + p->outputs_total + p->slots++);
}

static cm_step step_of(const scheduler *s, int32_t node)
{
    const cm_node *gate = &s->c->node[node];

    return (cm_step){.z = s->place[node], .x = s->place[gate->a], .y = s->place[gate->b]};
}

/* Step number i is an XOR; its operands' slots may be its own result's at once. */
static cm_step place_xor(scheduler *s, size_t i)
{
    int32_t node = s->order[i];
    const cm_node *gate = &s->c->node[node];
    cm_step step = step_of(s, node);

    for (size_t k = 0; k < 2; k++) {
        int32_t operand = k == 0 ? gate->a : gate->b;
        if (s->last_use[operand] == (int32_t)i) {
            cm_list_push(&s->free_slot, (cm_wire)s->place[operand]);
        }
    }
    if (s->last_use[node] != NEVER) {
        s->place[node] = take_slot(s);
    }
    step.z = s->place[node];
    return step;
}

/*
 * Steps first .. first + count - 1 are the ANDs of a stage.  An operand that dies here gives its
 * slot to its AND when nobody else in the stage reads it, and otherwise when the stage is over.
 */
static void place_ands(scheduler *s, size_t first, size_t count, cm_step *steps)
{
    const cm_circuit *c = s->c;
    cm_list dying = {0};

    for (size_t i = first; i < first + count; i++) {
        s->readers[c->node[s->order[i]].a]++;
        s->readers[c->node[s->order[i]].b]++;
    }
    for (size_t i = first; i < first + count; i++) {
        int32_t node = s->order[i];
        int32_t operand[2] = {c->node[node].a, c->node[node].b};
        bool placed = s->last_use[node] == NEVER;
        steps[i - first] = step_of(s, node);
        for (size_t k = 0; k < 2; k++) {
            if (s->last_use[operand[k]] != (int32_t)i) {
                continue;
            }
            if (!placed && s->readers[operand[k]] == 1) {
                s->place[node] = s->place[operand[k]];
                placed = true;
            } else {
                cm_list_push(&dying, (cm_wire)s->place[operand[k]]);
            }
        }
        if (!placed) {
            s->place[node] = take_slot(s);
        }
        steps[i - first].z = s->place[node];
    }
    for (size_t i = first; i < first + count; i++) {
        s->readers[c->node[s->order[i]].a] = 0;
        s->readers[c->node[s->order[i]].b] = 0;
    }
    for (size_t i = 0; i < dying.count; i++) {
        cm_list_push(&s->free_slot, dying.item[i]);
    }
    cm_list_free(&dying);
}

static void place_gates(scheduler *s)
{
    cm_program *p = s->program;
    size_t at = 0;
    size_t xors = 0;
    size_t ands = 0;

    for (size_t i = 0; i < p->stages; i++) {
        for (size_t k = 0; k < p->stage[i].xors; k++) {
            p->xor_step[xors++] = place_xor(s, at++);
        }
        place_ands(s, at, p->stage[i].ands, p->and_step + ands);
        at += p->stage[i].ands;
        ands += p->stage[i].ands;
    }
    /* Slots count in units of uint32_t; so do the places of columns. */
    CM_ASSERT(p->inputs_total + p->outputs_total + p->slots < INT32_MAX);
}

static uint32_t *copy_planes(const cm_list *list, size_t *ret_total)
{
    uint32_t *planes = cm_circuit_calloc(list->count, sizeof *planes);

    *ret_total = 0;
    for (size_t i = 0; i < list->count; i++) {
        planes[i] = (uint32_t)list->item[i];
        *ret_total += planes[i];
    }
    return planes;
}

cm_program *cm_circuit_finish(cm_circuit *c)
{
    cm_program *p = cm_circuit_calloc(1, sizeof *p);
    scheduler s = {
        .c = c,
        .program = p,
        .live = cm_circuit_calloc(c->nodes, sizeof *s.live),
        .stage = cm_circuit_calloc(c->nodes, sizeof *s.stage),
        .last_use = cm_circuit_calloc(c->nodes, sizeof *s.last_use),
        .readers = cm_circuit_calloc(c->nodes, sizeof *s.readers),
        .place = cm_circuit_calloc(c->nodes, sizeof *s.place),
        .order = cm_circuit_calloc(c->nodes, sizeof *s.order),
    };

    p->cost.inputs = c->input.count;
    p->cost.outputs = c->output.count;
    p->input_planes = copy_planes(&c->input, &p->inputs_total);
    p->output_planes = copy_planes(&c->output, &p->outputs_total);
    p->result = cm_circuit_calloc(p->outputs_total, sizeof *p->result);
    choose_stages(&s);
    size_t gates = order_gates(&s);
    p->and_step = cm_circuit_calloc(p->cost.ands, sizeof *p->and_step);
    p->xor_step = cm_circuit_calloc(gates - p->cost.ands, sizeof *p->xor_step);
    place_columns(&s);
    note_uses(&s, gates);
    place_gates(&s);

    free(s.live);
    free(s.stage);
    free(s.last_use);
    free(s.readers);
    free(s.place);
    free(s.order);
    cm_list_free(&s.free_slot);
    return p;
}

void cm_program_free(cm_program *program)
{
    if (program == NULL) {
        return;
    }
    free(program->input_planes);
    free(program->output_planes);
    free(program->stage);
    free(program->xor_step);
    free(program->and_step);
    free(program->result);
    free(program);
}

cm_circuit_cost cm_program_cost(const cm_program *program)
{
    return program->cost;
}
