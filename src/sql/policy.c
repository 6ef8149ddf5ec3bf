/*
 * Every use of every column is classed by the label that it needs, and compared with the label that
 * the owner gave.
 *
 * A block (one SELECT) is visible when its rows are rows of the answer: the outermost one, and
 * those below visible blocks without grouping.  In a visible block without grouping each row is
 * shown, so whatever decided about a row shows with it: conditions and join columns need 'reveal'
 * like the targets.  Below a grouping, conditions need 'filter', equalities of two columns 'join',
 * and what is aggregated 'aggregate'.  Keys of a visible grouping need 'group'.  A column of a
 * subquery stands for the expression behind it, with the use that is made of it outside.  Whether
 * an expression is equal to something is more than whether the column is: whatever is computed
 * needs 'filter'.  What merges equal rows of several queries shows their rows: they are as visible
 * as it is.
 */
#include "sql/policy.h"

#include <string.h>

typedef struct checker {
    const char *requester;
    const char *owner; /* NULL: all */
    uint32_t min_rows; /* strictest so far */
    cm_label least;    /* the same of labels */
    cm_status status;
    cm_diag *diag;
} checker;

static void use_target(checker *c, const cm_query *query, unsigned target, cm_label_kind need);

/* ---- refusing ---- */

static bool is_plain_name(const char *name)
{
    bool plain = (*name >= 'a' && *name <= 'z') || *name == '_';

    for (; *name != 0; name++) {
        plain = plain &&
                ((*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9') || *name == '_');
    }
    return plain;
}

static void put_name(cm_buf *out, const char *name)
{
    if (is_plain_name(name)) {
        cm_buf_printf(out, "%s", name);
        return;
    }
    cm_buf_put_quoted(out, name, '"');
}

static const char *use_text(cm_label_kind need)
{
    switch (need) {
    case CM_LABEL_PRIVATE:
    case CM_LABEL_JOIN:
        return "may not be used";
    case CM_LABEL_FILTER:
        return "may not be used in a condition";
    case CM_LABEL_AGGREGATE:
        return "may not be used in an aggregate";
    case CM_LABEL_GROUP:
        return "may not be shown, not even for groups";
    case CM_LABEL_REVEAL:
        break;
    }
    return "may not be shown row by row";
}

static void start_refusal(checker *c, int position, const char *owner)
{
    if (c->diag != NULL && c->diag->status == CM_OK) {
        c->diag->position = position;
    }
    c->status = CM_EDENIED;
    cm_diag_party(c->diag, owner);
}

static void refuse_column(checker *c, const cm_org_table *table, const cm_column *col,
                          cm_label_kind need, int position)
{
    cm_buf has = {0}, wants = {0}, hint = {0};

    start_refusal(c, position, table->org);
    cm_label_print(col->label, &has);
    cm_label_print((cm_label){need, need == CM_LABEL_AGGREGATE || need == CM_LABEL_GROUP
                                        ? col->label.min_rows
                                        : 0},
                   &wants);
    cm_status st = cm_fail(c->diag, CM_EDENIED, CM_SQL_DENIED, "column %s.%s.%s %s", table->org,
                           table->name, col->name, use_text(need));
    c->status = st;
    cm_diag_detail(c->diag, "Its label is '%s'; this use needs '%s'. %s decides.",
                   cm_buf_text(&has), cm_buf_text(&wants), table->org);
    cm_buf_printf(&hint, "On %s's node: SECURITY LABEL FOR comity ON COLUMN ", table->org);
    put_name(&hint, table->name);
    cm_buf_printf(&hint, ".");
    put_name(&hint, col->name);
    cm_buf_printf(&hint, " IS '%s';", cm_buf_text(&wants));
    if (table->stored != NULL) {
        cm_diag_hint(c->diag, "It follows from the labels of what the view was made from.");
    } else {
        cm_diag_hint(c->diag, "%s", cm_buf_text(&hint));
    }
    cm_buf_free(&has);
    cm_buf_free(&wants);
    cm_buf_free(&hint);
}

static void refuse_org(checker *c, const cm_org_table *table, int position)
{
    start_refusal(c, position, table->org);
    c->status = cm_fail(c->diag, CM_EDENIED, CM_SQL_DENIED,
                        "org may not be shown row by row: it would name the owner of each row");
    cm_diag_detail(c->diag, "The pseudo-column org counts as labelled 'group'.");
    cm_diag_hint(c->diag, "Group by org, or ask one organisation's table.");
}

static void refuse_table(checker *c, const cm_org_table *table)
{
    cm_buf hint = {0};

    start_refusal(c, 0, table->org);
    c->status = cm_fail(c->diag, CM_EDENIED, CM_SQL_DENIED, "permission denied for table %s.%s",
                        table->org, table->name);
    cm_diag_detail(c->diag, "%s has not granted SELECT on it to %s.", table->org, c->requester);
    cm_buf_printf(&hint, "On %s's node: GRANT SELECT ON ", table->org);
    put_name(&hint, table->name);
    cm_buf_printf(&hint, " TO ");
    put_name(&hint, c->requester);
    cm_buf_printf(&hint, ";");
    cm_diag_hint(c->diag, "%s", cm_buf_text(&hint));
    cm_buf_free(&hint);
}

/* ---- columns ---- */

/* Parties decide about what they keep, too: its owner may have no part in the query. */
static bool decides(const checker *c, const cm_org_table *table)
{
    return c->owner == NULL || (table->stored != NULL && c->owner[0] != '\0') ||
           strcmp(c->owner, table->org) == 0;
}

static void require_of(checker *c, const cm_org_table *table, const cm_expr *column,
                       cm_label_kind need)
{
    const cm_column *col = &table->col[column->index];

    if (col->label.min_rows > c->min_rows) {
        c->min_rows = col->label.min_rows;
    }
    if (table->stored != NULL && table->stored->min_rows > c->min_rows) {
        c->min_rows = table->stored->min_rows;
    }
    if (col->label.kind < c->least.kind) {
        c->least.kind = col->label.kind;
    }
    if (col->label.kind < need && decides(c, table)) {
        refuse_column(c, table, col, need, column->position);
    }
}

static void require(checker *c, const cm_relation *relation, const cm_expr *column,
                    cm_label_kind need)
{
    for (size_t t = 0; t < relation->tables && c->status == CM_OK; t++) {
        const cm_org_table *table = relation->table[t];
        if (column->index >= table->cols) {
            if (c->least.kind > CM_LABEL_GROUP) {
                c->least.kind = CM_LABEL_GROUP;
            }
            if (need > CM_LABEL_GROUP && decides(c, table)) {
                refuse_org(c, table, column->position);
            }
            continue;
        }
        require_of(c, table, column, need);
    }
}

static unsigned target_of(const cm_query *query, unsigned column)
{
    for (unsigned t = 0; t < query->targets; t++) {
        if (!query->target[t].hidden && column-- == 0) {
            return t;
        }
    }
    CM_ASSERT(false && "column of a subquery");
}

static void use_source(checker *c, const cm_relation *relation, unsigned column, cm_label_kind need)
{
    use_target(c, relation->derived, target_of(relation->derived, column), need);
}

/*
 * A window function's value is its argument's, or made of it.  Its keys decide about it: where it
 * is shown they are shown with it; else partitions are equalities, and an order is a comparison.
 */
static void use_window(checker *c, const cm_relation *relation, const cm_window *w,
                       cm_label_kind need)
{
    bool shown = need >= CM_LABEL_GROUP;
    bool aggregates = w->function >= CM_WIN_COUNT;

    if (w->arg >= 0) {
        use_source(c, relation, (unsigned)w->arg,
                   aggregates && need < CM_LABEL_AGGREGATE ? CM_LABEL_AGGREGATE : need);
    }
    for (size_t i = 0; i < w->parts; i++) {
        use_source(c, relation, w->part[i], shown ? need : CM_LABEL_JOIN);
    }
    for (size_t i = 0; i < w->orders; i++) {
        use_source(c, relation, w->order[i].target, shown ? need : CM_LABEL_FILTER);
    }
}

static void use_applied(checker *c, const cm_query *query, const cm_expr *agg);

static void use_column(checker *c, const cm_query *query, const cm_expr *column, cm_label_kind need)
{
    const cm_relation *relation = &query->relation[column->rel];
    if (relation->applies > 0) {
        use_applied(c, query, relation->apply[column->index]);
        return;
    }

    size_t below = relation->cols - relation->windows;
    if (relation->derived != NULL && column->index >= below) {
        use_window(c, relation, &relation->window[column->index - below], need);
    } else if (relation->derived != NULL) {
        use_target(c, relation->derived, target_of(relation->derived, column->index), need);
    } else {
        require(c, relation, column, need);
    }
}

/* ---- expressions over rows ---- */

static bool is_condition(cm_expr_op op)
{
    return (op >= CM_X_EQ && op <= CM_X_IN) || op == CM_X_LIKE;
}

/* The column that a value is, as it is or as a cast that loses nothing and cannot fail writes it.
 */
static const cm_expr *bare(const cm_expr *expr)
{
    while (expr->args == 1) {
        const cm_expr *from = expr->arg[0];
        bool same = expr->type.kind == CM_TYPE_TEXT ||
                    (expr->range.lo == from->range.lo && expr->range.hi == from->range.hi);
        bool finer = expr->type.scale >= from->type.scale;
        if (!(expr->op == CM_X_CAST && same) && !(expr->op == CM_X_RESCALE && finer)) {
            return NULL;
        }
        expr = from;
    }
    return expr->op == CM_X_COLUMN ? expr : NULL;
}

/* Of operands: equality alone for a bare column; a value that is computed has to be looked at. */
static cm_label_kind need_below(const cm_expr *expr, cm_label_kind need)
{
    return need < CM_LABEL_FILTER && bare(expr) == NULL ? CM_LABEL_FILTER : need;
}

static void use_row(checker *c, const cm_query *query, const cm_expr *expr, cm_label_kind need)
{
    if (expr->op == CM_X_COLUMN) {
        use_column(c, query, expr, need);
        return;
    }
    if (need == CM_LABEL_AGGREGATE && is_condition(expr->op)) {
        need = CM_LABEL_FILTER; /* decides about a value below an aggregate, is none itself */
    }
    need = need_below(expr, need);
    for (size_t i = 0; i < expr->args; i++) {
        use_row(c, query, expr->arg[i], need);
    }
}

static void use_condition(checker *c, const cm_query *query, const cm_expr *expr, bool shown)
{
    if (expr == NULL) {
        return;
    }
    if (shown) {
        use_row(c, query, expr, CM_LABEL_REVEAL);
        return;
    }
    if (expr->op == CM_X_AND) {
        for (size_t i = 0; i < expr->args; i++) {
            use_condition(c, query, expr->arg[i], shown);
        }
        return;
    }
    const cm_expr *left = expr->op == CM_X_EQ ? bare(expr->arg[0]) : NULL;
    const cm_expr *right = expr->op == CM_X_EQ ? bare(expr->arg[1]) : NULL;
    if (left != NULL && right != NULL && left->rel != right->rel) {
        use_row(c, query, left, CM_LABEL_JOIN);
        use_row(c, query, right, CM_LABEL_JOIN);
    } else {
        use_row(c, query, expr, CM_LABEL_FILTER);
    }
}

/* ---- expressions over groups ---- */

static bool is_key(const cm_query *query, const cm_expr *expr)
{
    for (size_t i = 0; i < query->groups; i++) {
        if (cm_expr_equal(query->group[i], expr)) {
            return true;
        }
    }
    return false;
}

/* What an aggregate needs of the rows that go into it. */
static void use_applied(checker *c, const cm_query *query, const cm_expr *agg)
{
    for (size_t i = 0; i < agg->args; i++) {
        bool counts = agg->distinct && agg->aggregate == CM_AGGREGATE_COUNT;
        use_row(c, query, agg->arg[i], counts ? CM_LABEL_JOIN : CM_LABEL_AGGREGATE);
    }
    use_condition(c, query, agg->filter, false);
}

static void use_group(checker *c, const cm_query *query, const cm_expr *expr, cm_label_kind need)
{
    if (is_key(query, expr)) {
        use_row(c, query, expr, need > CM_LABEL_GROUP ? CM_LABEL_GROUP : need);
        return;
    }
    if (expr->op == CM_X_AGG) {
        use_applied(c, query, expr);
        return;
    }
    need = need_below(expr, need);
    for (size_t i = 0; i < expr->args; i++) {
        use_group(c, query, expr->arg[i], need);
    }
}

static void use_target(checker *c, const cm_query *query, unsigned target, cm_label_kind need)
{
    const cm_expr *expr = query->target[target].expr;

    for (size_t i = 0; i < query->arms; i++) {
        use_target(c, query->arm[i], target_of(query->arm[i], target), need);
    }
    if (query->arms > 0) {
        return;
    }
    if (query->stored != NULL) {
        require_of(c, query->stored, expr, need);
        return;
    }
    if (query->grouped) {
        use_group(c, query, expr, need);
    } else {
        use_row(c, query, expr, need);
    }
}

/* ---- blocks ---- */

static bool holds(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_granted(const cm_org_table *table, const char *org)
{
    bool granted = strcmp(table->org, org) == 0 || holds(table->granted_to, table->grants, org) ||
                   holds(table->granted_to, table->grants, "public");

    return granted &&
           (table->stored == NULL || holds(table->stored->reader, table->stored->readers, org));
}

/* The owner of a materialized view cannot give what it was not given. */
static void refuse_reader(checker *c, const cm_org_table *table)
{
    start_refusal(c, 0, table->org);
    c->status = cm_fail(c->diag, CM_EDENIED, CM_SQL_DENIED,
                        "permission denied for materialized view %s.%s", table->org, table->name);
    cm_diag_detail(c->diag, "Not all owners of what it was made from had granted that to %s.",
                   c->requester);
    cm_diag_hint(c->diag, "When they have: REFRESH MATERIALIZED VIEW on %s's node.", table->org);
}

static void check_grant(checker *c, const cm_org_table *table)
{
    bool reads =
        table->stored == NULL || holds(table->stored->reader, table->stored->readers, c->requester);

    if (is_granted(table, c->requester) || !decides(c, table) || c->status != CM_OK) {
        return;
    }
    if (reads) {
        refuse_table(c, table);
    } else {
        refuse_reader(c, table);
    }
}

static void check_grants(checker *c, const cm_relation *relation)
{
    for (size_t t = 0; t < relation->tables && c->status == CM_OK; t++) {
        check_grant(c, relation->table[t]);
    }
}

static void check_from(checker *c, const cm_query *query, const cm_from *from, bool shown)
{
    if (from == NULL || from->kind == CM_FROM_RELATION) {
        return;
    }
    check_from(c, query, from->left, shown);
    check_from(c, query, from->right, shown);
    use_condition(c, query, from->on, shown);
}

/* What a block does with columns whoever reads its targets. */
static void check_block(checker *c, const cm_query *query, bool visible)
{
    bool shown = visible && (!query->grouped || query->merges);

    for (size_t i = 0; i < query->arms; i++) {
        check_block(c, query->arm[i], visible);
    }
    if (query->stored != NULL) {
        check_grant(c, query->stored);
        c->min_rows = query->stored->stored->min_rows > c->min_rows
                          ? query->stored->stored->min_rows
                          : c->min_rows;
    }
    for (size_t i = 0; i < query->relations; i++) {
        if (query->relation[i].derived != NULL) {
            check_block(c, query->relation[i].derived, shown);
        } else {
            check_grants(c, &query->relation[i]);
        }
    }
    check_from(c, query, query->from, shown);
    use_condition(c, query, query->where, shown);
    for (size_t i = 0; i < query->groups; i++) {
        use_row(c, query, query->group[i],
                shown     ? CM_LABEL_REVEAL
                : visible ? CM_LABEL_GROUP
                          : CM_LABEL_JOIN);
    }
    if (query->having != NULL) {
        use_group(c, query, query->having, CM_LABEL_FILTER);
    }
    for (size_t i = 0; i < query->orders; i++) { /* which rows come first shows */
        if (query->has_limit || query->offset > 0 || query->target[query->order[i].target].hidden) {
            use_target(c, query, query->order[i].target, shown ? CM_LABEL_REVEAL : CM_LABEL_FILTER);
        }
    }
    if (query->distinct) {
        for (unsigned t = 0; t < query->targets; t++) {
            use_target(c, query, t, visible ? CM_LABEL_REVEAL : CM_LABEL_JOIN);
        }
    }
}

static void check_query(checker *c, const cm_query *query)
{
    bool shown = query->kept != CM_KEPT_HIDDEN;

    check_block(c, query, shown);
    for (unsigned t = 0; t < query->targets; t++) {
        use_target(c, query, t, shown ? CM_LABEL_REVEAL : CM_LABEL_JOIN);
    }
}

static bool all_granted(const cm_query *query, const char *org)
{
    bool granted = query->stored == NULL || is_granted(query->stored, org);

    for (size_t i = 0; granted && i < query->arms; i++) {
        granted = all_granted(query->arm[i], org);
    }
    for (size_t i = 0; granted && i < query->relations; i++) {
        const cm_relation *r = &query->relation[i];
        granted = r->derived == NULL || all_granted(r->derived, org);
        for (size_t t = 0; granted && t < r->tables; t++) {
            granted = is_granted(r->table[t], org);
        }
    }
    return granted;
}

bool cm_policy_is_granted(const cm_query *query, const char *org)
{
    return all_granted(query, org);
}

/*
 * A value has the strictest label of what it is made of.  What decided about its row shows where
 * the row does, so unless all of that may be shown, too, rows may only be grouped.
 */
void cm_policy_labels(const cm_query *query, cm_label *ret)
{
    checker conditions = {.requester = "", .owner = "", .least = {CM_LABEL_REVEAL, 0}};
    size_t shown = 0;

    check_block(&conditions, query, false);
    for (unsigned t = 0; t < query->targets; t++) {
        checker value = {.requester = "", .owner = "", .least = {CM_LABEL_REVEAL, 0}};
        if (query->target[t].hidden) {
            continue;
        }
        use_target(&value, query, t, CM_LABEL_JOIN);
        if (conditions.least.kind < CM_LABEL_REVEAL && value.least.kind > CM_LABEL_GROUP) {
            value.least.kind = CM_LABEL_GROUP;
        }
        ret[shown++] =
            query->kept == CM_KEPT_SHOWABLE ? (cm_label){CM_LABEL_REVEAL, 0} : value.least;
    }
}

cm_status cm_policy_check(const cm_query *query, const cm_schema *schema, const char *requester,
                          const char *owner, cm_diag *diag)
{
    checker c = {.requester = requester, .owner = owner, .diag = diag};

    (void)schema; /* the query's relations hold the tables */
    check_query(&c, query);
    return c.status;
}

uint32_t cm_policy_min_rows(const cm_query *query, const cm_schema *schema)
{
    checker c = {.requester = "", .owner = ""}; /* nobody decides: only K is looked for */

    (void)schema;
    check_query(&c, query);
    return c.min_rows;
}
