/*
 * Materialized views.  A plan whose root is STORE leaves the rows as shares at the computing
 * parties: each column as it is, long texts as digests besides where they have one, so that later
 * queries can compare them.  STORED is a leaf of later plans.
 */
#include "sql/plan_int.h"

#include "sql/schema_int.h"
#include "sql/sql_int.h"

#include <string.h>

/* ---- keeping ---- */

static bool is_text_target(const cm_query *query, unsigned target)
{
    return query->target[target].expr->type.kind == CM_TYPE_TEXT;
}

/* A bare column of a text: its owner can deliver a digest. */
static bool may_have_digest(const cm_query *query, unsigned target)
{
    return is_text_target(query, target) &&
           cm_expr_strip(query->target[target].expr)->op == CM_X_COLUMN;
}

static size_t list_needs(const cm_query *query, bool digests, cm_need *need)
{
    size_t count = 0;

    for (unsigned t = 0; t < query->targets; t++) {
        if (query->target[t].hidden) {
            continue;
        }
        need[count++] = (cm_need){t, is_text_target(query, t) ? CM_ENC_TEXT : CM_ENC_NUMBER};
        if (digests && may_have_digest(query, t)) {
            need[count++] = (cm_need){t, CM_ENC_DIGEST};
        }
    }
    return count;
}

static const char *needed_name(const cm_query *query, const cm_need *need)
{
    return query->target[need->target].name;
}

cm_status cm_plan_store(cm_planner *pl, const cm_query *query, cm_plan_node **ret,
                        cm_planned *ret_planned)
{
    cm_need *need = CM_NEW_SMALL(pl->arena, cm_need, 2 * query->targets + 1);
    bool visible = query->kept == CM_KEPT_SHOWABLE;
    cm_planner trial = *pl;
    cm_diag why = {0};
    size_t needs = list_needs(query, true, need);

    /* Some texts have a digest nowhere: then the view has none. */
    trial.diag = &why;
    cm_status st = cm_plan_block(&trial, query, visible, false, need, needs, ret_planned);
    if (st == CM_EUNSUPPORTED) {
        *ret_planned = (cm_planned){0};
        needs = list_needs(query, false, need);
        st = cm_plan_block(pl, query, visible, false, need, needs, ret_planned);
    } else if (st == CM_OK) {
        trial.diag = pl->diag;
        *pl = trial;
    } else {
        *pl->diag = why;
    }
    if (st != CM_OK) {
        return st;
    }
    const cm_expr **exprs = CM_NEW_SMALL(pl->arena, const cm_expr *, needs + 1);
    cm_plan_col *cols = CM_NEW_SMALL(pl->arena, cm_plan_col, needs + 1);
    for (size_t i = 0; i < needs; i++) {
        exprs[i] = cm_node_column(pl, ret_planned->node, ret_planned->col[i]);
        cols[i] = ret_planned->node->col[ret_planned->col[i]];
        cols[i].name = needed_name(query, &need[i]);
    }
    cm_plan_node *child = cm_node_project(pl, ret_planned->node, exprs, cols, needs);
    cm_plan_node *store = cm_node_new(pl, CM_PLAN_STORE, child->rows, needs);
    store->col = child->col;
    cm_node_children(pl, store, &child, 1);
    *ret = store;
    return CM_OK;
}

/* ---- what is published about it ---- */

static cm_column column_of(const cm_plan_col *from, const char *name, cm_label label)
{
    cm_column col = {.name = name,
                     .type = from->type,
                     .not_null = !from->enc.nullable,
                     .has_check = true,
                     .range = from->range,
                     .label = label};

    if (from->enc.kind == CM_ENC_TEXT) {
        col.type = (cm_type){
            .kind = CM_TYPE_TEXT, .text = from->type.text, .max_bytes = from->enc.planes / 8};
        col.range = cm_type_range(&col.type);
    }
    return col;
}

static void set_readers(const cm_query *query, const cm_schema *schema, cm_arena *arena,
                        cm_stored *stored)
{
    const char **reader = CM_NEW_SMALL(arena, const char *, schema->members + 1);

    for (size_t i = 0; i < schema->members; i++) {
        if (cm_policy_is_granted(query, schema->member[i].org)) {
            reader[stored->readers++] = schema->member[i].org;
        }
    }
    stored->reader = reader;
}

/* Uniqueness by target becomes that of columns. */
static void set_keys(const cm_plan *plan, cm_arena *arena, cm_org_table *table, cm_column *col)
{
    cm_table_key *keys = CM_NEW_SMALL(arena, cm_table_key, CM_TABLE_MAX_KEYS);

    for (size_t k = 0; k < plan->kept_keys; k++) {
        const cm_table_key *key = &plan->kept_key[k];
        if (key->cols == 1) {
            col[key->col[0]].unique = true;
        } else if (key->cols > 1 && key->cols <= CM_TABLE_MAX_KEYS &&
                   table->keys < CM_TABLE_MAX_KEYS) {
            keys[table->keys++] = *key;
        }
    }
    table->key = keys;
}

cm_status cm_stored_describe(const cm_stmt *stmt, const cm_query *query, const cm_schema *schema,
                             const char *org, cm_arena *arena, cm_plan *plan, cm_diag *diag)
{
    const cm_plan_node *root = plan->root;
    cm_org_table *table = CM_NEW_SMALL(arena, cm_org_table, 1);
    cm_stored *stored = CM_NEW_SMALL(arena, cm_stored, 1);
    cm_column *col = CM_NEW_SMALL(arena, cm_column, root->cols + 1);
    bool *digest = CM_NEW_SMALL(arena, bool, root->cols + 1);
    cm_label *label = CM_NEW_SMALL(arena, cm_label, root->cols + 1);
    size_t cols = 0;

    cm_policy_labels(query, label);
    for (size_t i = 0; i < root->cols; i++) {
        if (root->col[i].enc.kind == CM_ENC_DIGEST) {
            CM_ASSERT(cols > 0);
            digest[cols - 1] = true;
            continue;
        }
        const char *name = cols < stmt->view.cols ? stmt->view.col[cols] : root->col[i].name;
        col[cols] = column_of(&root->col[i], name, label[cols]);
        cols++;
    }
    if (stmt->view.cols > cols) {
        return cm_fail(diag, CM_EINVAL, CM_SQL_SYNTAX, "too many column names were specified");
    }
    *stored = (cm_stored){.filled = true,
                          .parties = plan->parties,
                          .party = plan->party,
                          .min_rows = query->kept == CM_KEPT_SHOWABLE ? 0 : plan->min_rows,
                          .digest = digest};
    set_readers(query, schema, arena, stored);
    *table = (cm_org_table){.org = org,
                            .name = stmt->name,
                            .cols = cols,
                            .col = col,
                            .rows = root->rows,
                            .stored = stored};
    set_keys(plan, arena, table, col);
    plan->stores = table;
    return cm_org_table_check(table, *arena, diag);
}

cm_hash cm_stored_digest(const cm_org_table *table)
{
    cm_org_table facts = *table;
    cm_buf bytes = {0};

    facts.grants = 0; /* the owner's to change */
    cm_org_table_encode(&facts, &bytes);
    cm_hash digest = cm_sha256(bytes.data, bytes.bytes);
    cm_buf_free(&bytes);
    return digest;
}

/* ---- reading ---- */

static cm_plan_col stored_column(const cm_column *col, bool digest)
{
    if (digest) {
        return cm_col_digest(col->name, col->type, !col->not_null);
    }
    return col->type.kind == CM_TYPE_TEXT
               ? cm_col_text(col->name, col->type, col->type.max_bytes, !col->not_null)
               : cm_col_number(col->name, col->type, col->range, !col->not_null);
}

static cm_status check_parties(cm_planner *pl, const cm_org_table *table)
{
    size_t parties = 0;
    bool same = true;

    for (size_t i = 0; i < pl->schema->members; i++) {
        if (pl->schema->member[i].computes) {
            same = same && parties < table->stored->parties &&
                   strcmp(table->stored->party[parties], pl->schema->member[i].org) == 0;
            parties++;
        }
    }
    if (same && parties == table->stored->parties) {
        return CM_OK;
    }
    cm_diag_hint(pl->diag, "On %s's node: REFRESH MATERIALIZED VIEW %s;", table->org, table->name);
    return cm_fail(pl->diag, CM_EINVAL, CM_SQL_NOT_READY,
                   "materialized view %s.%s is kept by other computing parties", table->org,
                   table->name);
}

static void stored_uniques(cm_planner *pl, const cm_org_table *table, cm_planned *ret)
{
    ret->unique = CM_NEW_SMALL(pl->arena, cm_unique, table->cols + table->keys + 1);
    for (unsigned i = 0; i < table->cols; i++) {
        if (table->col[i].unique) {
            unsigned *col = CM_NEW_SMALL(pl->arena, unsigned, 1);
            col[0] = i;
            ret->unique[ret->uniques++] = (cm_unique){.cols = 1, .rel = col, .col = col};
        }
    }
    for (size_t k = 0; k < table->keys; k++) {
        const cm_table_key *key = &table->key[k];
        ret->unique[ret->uniques++] =
            (cm_unique){.cols = key->cols, .rel = key->col, .col = key->col};
    }
    if (table->rows == 1) {
        ret->unique[ret->uniques++] = (cm_unique){.cols = 0};
    }
}

cm_status cm_plan_stored(cm_planner *pl, const cm_query *query, const cm_need *need, size_t needs,
                         cm_planned *ret)
{
    const cm_org_table *table = query->stored;
    cm_plan_node *node = cm_node_new(pl, CM_PLAN_STORED, table->rows, needs);
    unsigned *key = CM_NEW_SMALL(pl->arena, unsigned, needs + 1);

    cm_status st = check_parties(pl, table);
    for (size_t i = 0; st == CM_OK && i < needs; i++) {
        unsigned t = need[i].target;
        bool digest = need[i].kind == CM_ENC_DIGEST;
        if (digest && !table->stored->digest[t]) {
            st = cm_plan_unsupported(pl, 0, "joining or grouping by this text of a view",
                                     "A view keeps what equality of long texts needs for bare "
                                     "columns alone.");
        }
        key[i] = t;
        cm_node_cols(node)[i] = stored_column(&table->col[t], digest);
    }
    if (st != CM_OK) {
        return st;
    }
    node->stored_col = key;
    node->stored = table;
    *ret = (cm_planned){.node = node, .positions_public = table->rows == 1};
    ret->col = CM_NEW_SMALL(pl->arena, unsigned, needs + 1);
    for (unsigned i = 0; i < needs; i++) {
        ret->col[i] = i;
    }
    stored_uniques(pl, table, ret);
    return CM_OK;
}
