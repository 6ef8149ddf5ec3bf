/*
 * Numbers of nodes in the order of execution.  Two nodes whose canonical texts are equal, children
 * included, compute the same table: the second one's readers get the first, so that a WITH query
 * that is read twice, or the same rows below two subqueries, are computed once.
 */
#include "sql/plan_int.h"

#include <string.h>

typedef struct numbering {
    cm_planner *pl;
    cm_plan_node **list;
    cm_hash *hash; /* of each listed node's text */
    const char **text;
    size_t count, room;
    bool failed;
} numbering;

static void make_room(numbering *n)
{
    size_t room = n->room == 0 ? 64 : 2 * n->room;
    cm_plan_node **list = CM_NEW_SMALL(n->pl->arena, cm_plan_node *, room);
    cm_hash *hash = CM_NEW_SMALL(n->pl->arena, cm_hash, room);
    const char **text = CM_NEW_SMALL(n->pl->arena, const char *, room);

    for (size_t i = 0; i < n->count; i++) {
        list[i] = n->list[i];
        hash[i] = n->hash[i];
        text[i] = n->text[i];
    }
    n->list = list;
    n->hash = hash;
    n->text = text;
    n->room = room;
}

/* The listed node that computes the same, or this one, listed. */
static cm_plan_node *enlist(numbering *n, cm_plan_node *node)
{
    cm_buf text = {0};

    cm_plan_print_node(node, &text);
    n->failed = n->failed || text.failed; /* nothing is planned then */
    cm_hash hash = cm_sha256(text.data, text.bytes);
    for (size_t i = 0; i < n->count; i++) {
        if (memcmp(n->hash[i].bytes, hash.bytes, sizeof hash.bytes) == 0) {
            cm_buf_free(&text);
            return n->list[i];
        }
    }
    if (n->count == n->room) {
        make_room(n);
    }
    node->number = (unsigned)n->count;
    n->hash[n->count] = hash;
    n->text[n->count] = cm_arena_strdup(n->pl->arena, cm_buf_text(&text));
    n->list[n->count++] = node;
    cm_buf_free(&text);
    return node;
}

/* A node that is met again already has the number of what it became. */
static cm_plan_node *number(numbering *n, cm_plan_node *node)
{
    const cm_plan_node **child =
        CM_NEW_SMALL(n->pl->arena, const cm_plan_node *, node->children + 1);

    for (size_t i = 0; i < node->children; i++) {
        cm_plan_node *below = (cm_plan_node *)(uintptr_t)node->child[i];
        bool met = below->parent != NULL;
        below->parent = met ? below->parent : node;
        CM_ASSERT(!met || n->list != NULL);
        cm_plan_node *same = met ? n->list[below->number] : number(n, below);
        child[i] = same;
    }
    node->child = child;

    cm_plan_node *same = enlist(n, node);
    node->number = same->number;
    return same;
}

cm_status cm_node_number(cm_planner *pl, cm_plan_node *root, cm_plan *plan)
{
    numbering n = {.pl = pl};

    plan->root = number(&n, root);
    plan->nodes = n.count;
    plan->node = (const cm_plan_node *const *)n.list;
    pl->node_text = n.text;
    return n.failed ? cm_fail(pl->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory") : CM_OK;
}
