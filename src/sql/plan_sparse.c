/*
 * Groups of one owner's rows, whatever the keys: nobody else has rows of them, so the owner's own
 * GROUP BY is all of it, DISTINCT aggregates included.  It delivers a row for each group that there
 * is, padded to a public bound: not more groups than rows, than combinations of the keys' values,
 * or than rows of those tables that the keys come from.
 *
 * Over several owners this would not pay: a group that two have has to be found under MPC, among as
 * many padded rows as there were.
 */
#include "sql/plan_group.h"

static const cm_org_table *only_table(const cm_grouping *g)
{
    const cm_part *from = g->b->from;

    if (!g->pl->settings.pushdown || from == NULL || from->kind != CM_FROM_RELATION) {
        return NULL;
    }
    const cm_relation *relation = &g->q->relation[from->rel];
    return relation->derived == NULL && relation->applies == 0 && relation->tables == 1 &&
                   cm_block_filters_pushed(g->b, from->rel)
               ? relation->table[0]
               : NULL;
}

bool cm_group_is_sparse(const cm_grouping *g)
{
    const cm_org_table *table = only_table(g);
    bool fine = table != NULL && g->keys > 0;

    for (size_t i = 0; fine && i < g->keys; i++) {
        const cm_expr *key = g->key[i].expr;
        fine = cm_block_pushable(g->b, key) && key->type.kind != CM_TYPE_UNKNOWN;
    }
    for (size_t i = 0; fine && i < g->physicals; i++) {
        fine = cm_group_is_owners(g, &g->physical[i], table, true);
    }
    return fine;
}

/* Rows of the owner's tables that the keys are of; where an outer join found none is one more. */
static uint64_t rows_of_keys(const cm_grouping *g, const cm_fragment *f, uint64_t most)
{
    uint64_t rels = 0, rows = 1;

    for (size_t i = 0; i < g->keys; i++) {
        rels |= cm_expr_rels(f->key[i]);
    }
    for (size_t t = 0; t < cm_fragment_tables(f); t++) {
        if ((rels >> t & 1) != 0) {
            rows = cm_times_most(rows, cm_plan_table_rows(cm_fragment_table(f, t)) + 1, most);
        }
    }
    return rows;
}

static uint64_t groups_bound(const cm_grouping *g, const cm_fragment *f, uint64_t most)
{
    uint64_t values = 1, rows = rows_of_keys(g, f, most);

    for (size_t i = 0; i < g->keys; i++) {
        const cm_expr *key = g->key[i].expr;
        values = cm_times_most(
            values, cm_expr_is_text(key) ? most : cm_range_values(key->range, key->nullable), most);
    }
    return rows < values ? rows : values;
}

static cm_plan_col key_column(const cm_grouping *g, const cm_expr *key, bool digest)
{
    const char *name = "key";

    if (key->op == CM_X_COLUMN) {
        const cm_relation *relation = &g->q->relation[key->rel];
        name = key->index < relation->cols ? relation->col[key->index].name : "org";
    }
    return digest                 ? cm_col_digest(name, key->type, key->nullable)
           : cm_expr_is_text(key) ? cm_col_text(name, key->type, key->type.max_bytes, key->nullable)
                                  : cm_col_number(name, key->type, key->range, key->nullable);
}

/* Behind keys and aggregates: the digest of a key whose text is needed, too. */
static cm_status add_digest(cm_grouping *g, cm_fragment *f, const cm_expr *key,
                            const cm_expr **output)
{
    return cm_expr_agg_new(g->pl->arena, CM_AGGREGATE_MIN, key->type, key, false, NULL,
                           cm_plan_table_rows(f->table), 0, output, g->pl->diag);
}

static cm_status add_keys(cm_grouping *g, const cm_org_table *table, cm_fragment *f,
                          const cm_expr **key, const cm_expr **output, cm_plan_col *col)
{
    cm_status st = CM_OK;

    for (size_t i = 0; st == CM_OK && i < g->keys; i++) {
        cm_group_key *k = &g->key[i];
        if (!k->value) { /* of a text that nobody looks at the shorter */
            k->digest = k->digest || (cm_expr_is_text(k->expr) &&
                                      k->expr->type.max_bytes > CM_PLAN_DIGEST_PLANES / 8);
            k->value = !k->digest;
        }
        bool both = k->digest && k->value;
        st = cm_plan_fold_org(g->pl, k->expr, table, &key[i]);
        col[i] = key_column(g, k->expr, k->digest && !both);
        k->value_col = k->digest_col = (unsigned)i;
        if (st == CM_OK && both) {
            k->digest_col = (unsigned)(g->keys + f->outputs);
            col[k->digest_col] = key_column(g, k->expr, true);
            st = add_digest(g, f, key[i], &output[f->outputs++]);
        }
    }
    return st;
}

cm_status cm_group_build_sparse(cm_grouping *g)
{
    const cm_org_table *table = only_table(g);
    uint64_t most = cm_plan_table_rows(table);
    cm_fragment *f = CM_NEW_SMALL(g->pl->arena, cm_fragment, 1);
    cm_status st = cm_group_split_sums(g);
    size_t cols = 2 * g->keys + g->physicals + 1;
    const cm_expr **output = CM_NEW_SMALL(g->pl->arena, const cm_expr *, cols);
    const cm_expr **key = CM_NEW_SMALL(g->pl->arena, const cm_expr *, g->keys + 1);
    cm_plan_node *node = cm_node_new(g->pl, CM_PLAN_INPUT, 1, cols);
    cm_plan_col *col = cm_node_cols(node);

    *f = (cm_fragment){.outputs = g->physicals + 1,
                       .output = output,
                       .aggregated = true,
                       .keys = g->keys,
                       .key = key};
    cm_plan_read_table(g->pl, table, f);
    if (st == CM_OK) {
        st = cm_block_fragment_filter(g->b, g->b->from->rel, table, &f->filter);
    }
    for (size_t i = 0; st == CM_OK && i <= g->physicals; i++) {
        cm_physical *p = i < g->physicals ? &g->physical[i] : NULL;
        st = cm_group_owner_output(g, p, table, &output[i], &col[g->keys + i]);
        if (p != NULL) {
            p->col = (unsigned)(g->keys + i);
        }
    }
    if (st == CM_OK) {
        st = add_keys(g, table, f, key, output, col);
    }
    if (st != CM_OK) {
        return st;
    }
    node->rows = groups_bound(g, f, most);
    st = cm_plan_check_pairs(g->pl, table, node->rows);
    node->cols = g->keys + f->outputs;
    node->fragment = f;
    g->node = node;
    g->count_col = (unsigned)(g->keys + g->physicals);
    g->dense = true;
    return st;
}
