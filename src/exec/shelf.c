/*
 * How long the table of a plan node is kept.  Each node's result has an arena of its own, which is
 * wiped and given back once nobody reads it any more: memory is what is alive at one time, not the
 * sum over the plan.  Who reads whom is in the plan, so this is known before the first node runs.
 */
#include "exec/exec_int.h"

/* Of address space: what one node's table may take at most. */
static const size_t NODE_BYTES = (size_t)1 << 36;

/* Whether the result's columns are all its own.  Others may pass on their children's. */
static bool copies(cm_plan_op op)
{
    return op == CM_PLAN_CONCAT || op == CM_PLAN_COMBINE || op == CM_PLAN_AGGREGATE ||
           op == CM_PLAN_GROUP_DOMAIN || op == CM_PLAN_GROUP_SORT || op == CM_PLAN_SORT ||
           op == CM_PLAN_LIMIT || op == CM_PLAN_PRODUCT || op == CM_PLAN_JOIN_MANY;
}

/* Readers have higher numbers: seen from the last node, theirs are known. */
static void find_last_reads(const cm_plan *plan, unsigned *last)
{
    for (size_t i = 0; i < plan->nodes; i++) {
        last[i] = (unsigned)i;
    }
    last[plan->root->number] = (unsigned)plan->nodes; /* the answer */
    for (size_t i = plan->nodes; i-- > 0;) {
        const cm_plan_node *node = plan->node[i];
        unsigned until = copies(node->op) ? (unsigned)i : last[i];
        for (size_t c = 0; c < node->children; c++) {
            unsigned child = node->child[c]->number;
            CM_ASSERT(child < i);
            last[child] = last[child] > until ? last[child] : until;
        }
    }
}

void cm_exec_shelf_init(cm_exec *x, cm_arena *arena)
{
    x->shelf = CM_NEW(arena, cm_arena, x->plan->nodes + 1);
    x->last_read = CM_NEW_SMALL(arena, unsigned, x->plan->nodes + 1);
    find_last_reads(x->plan, x->last_read);
}

cm_status cm_exec_shelf_begin(cm_exec *x, const cm_plan_node *node)
{
    cm_arena *own = &x->shelf[node->number];
    if (cm_arena_init_secret(own, NODE_BYTES) != CM_OK) {
        return cm_fail(x->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    x->arena = own;
    return CM_OK;
}

void cm_exec_shelf_end(cm_exec *x, const cm_plan_node *node)
{
    for (unsigned i = 0; i <= node->number; i++) {
        if (x->last_read[i] == node->number) {
            cm_arena_fini(&x->shelf[i]);
            x->table[i] = (cm_table){.rows = x->table[i].rows};
        }
    }
}

void cm_exec_shelf_fini(cm_exec *x)
{
    for (size_t i = 0; x->shelf != NULL && i < x->plan->nodes; i++) {
        cm_arena_fini(&x->shelf[i]);
    }
}
