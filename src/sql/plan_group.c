/*
 * Grouping.  SQL's aggregates are taken apart into physical ones (AVG is SUM and COUNT, FILTER is a
 * CASE), which either every owner computes over its own rows, densely over the public domain of the
 * keys, or a GROUP node computes under MPC.  HAVING, K and the targets are expressions over that
 * node's columns.
 */
#include "sql/plan_group.h"

const char *cm_group_physical_name(const cm_grouping *g, const cm_physical *p)
{
    const char *of = "...";

    if (p == NULL) {
        return "count(*)";
    }
    if (p->arg->op == CM_X_COLUMN) {
        const cm_relation *relation = &g->q->relation[p->arg->rel];
        of = p->arg->index < relation->cols ? relation->col[p->arg->index].name : "org";
    }
    return cm_arena_printf(g->pl->arena, "%s(%s%s)", cm_aggregate_name(p->aggregate),
                           p->on != NULL ? "distinct " : "", of);
}

static bool same_physical(const cm_physical *a, const cm_physical *b)
{
    if (a->aggregate != b->aggregate || !cm_expr_equal(a->arg, b->arg) ||
        !cm_expr_equal(a->on, b->on)) {
        return false;
    }
    return a->of == NULL || (a->of->index == b->of->index && a->of->shift == b->of->shift &&
                             a->of->descending == b->of->descending);
}

static int add_one(cm_grouping *g, cm_physical physical)
{
    physical.low = -1;
    for (size_t i = 0; i < g->physicals; i++) {
        if (same_physical(&g->physical[i], &physical)) {
            return (int)i;
        }
    }
    g->physical[g->physicals] = physical;
    return (int)g->physicals++;
}

static int add_physical(cm_grouping *g, cm_aggregate aggregate, const cm_expr *arg, cm_type type,
                        const cm_expr *on)
{
    return add_one(g, (cm_physical){.aggregate = aggregate, .arg = arg, .on = on, .type = type});
}

/* CASE WHEN filter THEN value END */
cm_status cm_group_when(cm_grouping *g, const cm_expr *filter, const cm_expr *value,
                        const cm_expr **ret)
{
    const cm_expr *args[3] = {filter, value, cm_plan_null(g->pl, value->type)};

    if (filter == NULL) {
        *ret = value;
        return CM_OK;
    }
    return cm_expr_op_new(g->pl->arena, CM_X_CASE, value->type, args, 3, 0, 0, value->position, ret,
                          g->pl->diag);
}

/* Number of rows where arg is not NULL: count(*) when it never is. */
static cm_status count_of(cm_grouping *g, const cm_expr *arg, const cm_expr *filter, int *ret)
{
    const cm_expr *counted = arg == NULL ? cm_plan_int(g->pl, 1) : arg;
    cm_status st = CM_OK;

    *ret = -1;
    if (filter == NULL && !counted->nullable) {
        return CM_OK;
    }
    if (counted->type.kind == CM_TYPE_TEXT) { /* one bit will do */
        st = cm_plan_op_new(g->pl, CM_X_EQ, cm_plan_bool_type(), counted, counted, &counted);
    }
    if (st == CM_OK) {
        st = cm_group_when(g, filter, counted, &counted);
    }
    if (st == CM_OK) {
        *ret = add_physical(g, CM_AGGREGATE_COUNT, counted, cm_plan_int8_type(), NULL);
    }
    return st;
}

/* The number of values that a sum or average is over; DISTINCT ones are equal where `on` is. */
static cm_status count_values(cm_grouping *g, const cm_expr *agg, const cm_expr *on, int *ret)
{
    if (on == NULL) {
        return count_of(g, agg->args == 0 ? NULL : agg->arg[0], agg->filter, ret);
    }
    *ret = add_physical(g, CM_AGGREGATE_COUNT, on, cm_plan_int8_type(), on);
    return CM_OK;
}

static int add_ordered(cm_grouping *g, cm_aggregate aggregate, const cm_expr *arg,
                       const cm_expr *of)
{
    bool rest = aggregate == CM_AGGREGATE_PERCENTILE_REST;
    cm_type type = rest ? (cm_type){.kind = CM_TYPE_NUMERIC, .scale = of->shift} : arg->type;

    return add_one(g, (cm_physical){.aggregate = aggregate, .arg = arg, .type = type, .of = of});
}

/* Percentiles and modes; one that lies between two values is made of both. */
static void use_ordered(cm_grouping *g, cm_aggregate_use *use, const cm_expr *arg)
{
    const cm_expr *agg = use->agg;
    bool between = agg->aggregate == CM_AGGREGATE_PERCENTILE_CONT;

    use->value = add_ordered(g, between ? CM_AGGREGATE_PERCENTILE_FLOOR : agg->aggregate, arg, agg);
    if (between && agg->shift > 0) {
        use->ceil = add_ordered(g, CM_AGGREGATE_PERCENTILE_CEIL, arg, agg);
        use->rest = add_ordered(g, CM_AGGREGATE_PERCENTILE_REST, arg, agg);
    }
}

static cm_status add_use(cm_grouping *g, const cm_expr *agg)
{
    for (size_t i = 0; i < g->uses; i++) {
        if (cm_expr_equal(g->use[i].agg, agg)) {
            return CM_OK;
        }
    }
    cm_aggregate_use *use = &g->use[g->uses++];
    *use = (cm_aggregate_use){.agg = agg, .value = -1, .count = -1};
    const cm_expr *arg, *on = NULL;
    cm_status st = CM_OK;
    if (agg->distinct) { /* a second argument is what is distinct, else the first */
        st = cm_group_when(g, agg->filter, agg->arg[agg->args - 1], &on);
    }
    if (st == CM_OK && agg->aggregate == CM_AGGREGATE_COUNT) {
        return count_values(g, agg, on, &use->value);
    }
    if (st == CM_OK) {
        st = cm_group_when(g, agg->filter, agg->arg[0], &arg);
    }
    if (st != CM_OK) {
        return st;
    }
    if (cm_aggregate_is_ordered(agg->aggregate)) {
        use_ordered(g, use, arg);
        return CM_OK;
    }
    bool extreme = agg->aggregate == CM_AGGREGATE_MIN || agg->aggregate == CM_AGGREGATE_MAX;
    cm_type type = agg->type;
    if (agg->aggregate == CM_AGGREGATE_AVG) {
        type = (cm_type){.kind = CM_TYPE_NUMERIC};
    }
    type.scale = arg->type.scale; /* of the exact sum */
    use->value = add_physical(g, extreme ? agg->aggregate : CM_AGGREGATE_SUM, arg,
                              extreme ? arg->type : type, extreme ? NULL : on);
    return extreme ? CM_OK : count_values(g, agg, on, &use->count);
}

int cm_group_key_of(const cm_grouping *g, const cm_expr *expr)
{
    for (size_t i = 0; i < g->keys; i++) {
        if (cm_expr_equal(g->key[i].expr, expr)) {
            return (int)i;
        }
    }
    return -1;
}

/* Keys and aggregates in an expression of the grouped query. */
static cm_status collect(cm_grouping *g, const cm_expr *expr)
{
    int key = cm_group_key_of(g, expr);

    if (key >= 0) {
        g->key[key].value = true;
        return CM_OK;
    }
    if (expr->op == CM_X_AGG) {
        return add_use(g, expr);
    }
    for (size_t i = 0; i < expr->args; i++) {
        cm_status st = collect(g, expr->arg[i]);
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static bool count_aggregate(const cm_expr *expr, void *arg)
{
    *(size_t *)arg += expr->op == CM_X_AGG;
    return true;
}

static cm_status collect_all(cm_grouping *g)
{
    size_t most = 0;

    for (size_t i = 0; i < g->q->targets; i++) {
        (void)cm_expr_walk(g->q->target[i].expr, count_aggregate, &most);
    }
    if (g->q->having != NULL) {
        (void)cm_expr_walk(g->q->having, count_aggregate, &most);
    }
    g->use = CM_NEW_SMALL(g->pl->arena, cm_aggregate_use, most + 1);
    g->physical = CM_NEW_SMALL(g->pl->arena, cm_physical, 3 * most + 1);
    g->keys = g->q->groups;
    g->key = CM_NEW_SMALL(g->pl->arena, cm_group_key, g->keys + 1);
    for (size_t i = 0; i < g->keys; i++) {
        g->key[i].expr = g->q->group[i];
    }
    for (size_t i = 0; i < g->needs; i++) {
        const cm_expr *expr = g->q->target[g->need[i].target].expr;
        int key = cm_group_key_of(g, cm_expr_strip(expr));
        if (g->need[i].kind == CM_ENC_DIGEST && key >= 0) {
            g->key[key].digest = true;
            continue;
        }
        if (g->need[i].kind == CM_ENC_DIGEST) {
            return cm_plan_unsupported(g->pl, expr->position, "joining by a computed text", NULL);
        }
        cm_status st = collect(g, expr);
        if (st != CM_OK) {
            return st;
        }
    }
    return g->q->having == NULL ? CM_OK : collect(g, g->q->having);
}

/* K, groups without rows, and HAVING. */
static cm_status filter_groups(cm_grouping *g)
{
    uint64_t least = g->b->visible && !g->q->merges ? g->pl->min_rows : 0;
    cm_exprs conditions = {0};
    const cm_expr *expr;
    cm_status st = CM_OK;

    if (g->dense && g->keys > 0 && least == 0) {
        least = 1;
    }
    if (least > 1 || (least == 1 && (g->dense || g->keys == 0))) {
        st = cm_plan_op_new(g->pl, CM_X_GE, cm_plan_bool_type(),
                            cm_node_column(g->pl, g->node, g->count_col),
                            cm_plan_int(g->pl, (cm_i128)least), &expr);
        if (st != CM_OK) {
            return st;
        }
        cm_exprs_add(g->pl->arena, &conditions, expr);
    }
    if (g->q->having != NULL) {
        st = cm_group_over_node(g, g->q->having, &expr);
        if (st != CM_OK) {
            return st;
        }
        cm_expr_conjuncts(g->pl, expr, &conditions);
    }
    if (conditions.count > 0) {
        g->node = cm_node_filter(g->pl, g->node, cm_plan_and(g->pl, &conditions));
    }
    return CM_OK;
}

/* The targets that are the keys make a row of the result unique. */
static void find_uniques(cm_grouping *g, cm_planned *ret)
{
    unsigned *col = CM_NEW_SMALL(g->pl->arena, unsigned, g->keys + 1);
    unsigned *rel = CM_NEW_SMALL(g->pl->arena, unsigned, g->keys + 1);

    for (size_t k = 0; k < g->keys; k++) {
        size_t t = 0;
        while (t < g->q->targets &&
               (g->q->target[t].hidden || !cm_expr_equal(g->q->target[t].expr, g->key[k].expr))) {
            t++;
        }
        if (t == g->q->targets) {
            return;
        }
        col[k] = (unsigned)t;
    }
    ret->unique = CM_NEW_SMALL(g->pl->arena, cm_unique, 1);
    ret->unique[0] = (cm_unique){.cols = g->keys, .rel = rel, .col = col};
    ret->uniques = 1;
}

/* A row's place says which group it is of: nothing new when the keys are shown. */
static bool shows_keys(const cm_grouping *g)
{
    for (size_t k = 0; k < g->keys; k++) {
        bool shown = false;
        for (size_t i = 0; i < g->needs; i++) {
            const cm_target *target = &g->q->target[g->need[i].target];
            shown = shown || (!target->hidden && cm_expr_equal(target->expr, g->key[k].expr));
        }
        if (!shown) {
            return false;
        }
    }
    return true;
}

cm_status cm_block_group(cm_block *b, const cm_need *need, size_t needs, cm_planned *ret)
{
    cm_grouping g = {.b = b, .pl = b->pl, .q = b->query, .need = need, .needs = needs};
    const cm_expr **exprs = CM_NEW_SMALL(b->pl->arena, const cm_expr *, needs + 1);
    cm_plan_col *cols = CM_NEW_SMALL(b->pl->arena, cm_plan_col, needs + 1);

    cm_status st = collect_all(&g);
    if (st == CM_OK) {
        st = cm_group_is_dense(&g)    ? cm_group_build_dense(&g)
             : cm_group_is_sparse(&g) ? cm_group_build_sparse(&g)
                                      : cm_group_build_rows(&g);
    }
    if (st != CM_OK) {
        return st;
    }
    *ret = (cm_planned){0};
    ret->positions_public = g.node->rows == 1 || (g.node->op != CM_PLAN_GROUP_SORT &&
                                                  g.node->op != CM_PLAN_INPUT && shows_keys(&g));
    st = filter_groups(&g);
    for (size_t i = 0; st == CM_OK && i < needs; i++) {
        const cm_target *target = &b->query->target[need[i].target];
        if (need[i].kind == CM_ENC_DIGEST) {
            int key = cm_group_key_of(&g, cm_expr_strip(target->expr));
            exprs[i] = cm_node_column(b->pl, g.node, g.key[key].digest_col);
        } else {
            st = cm_group_over_node(&g, target->expr, &exprs[i]);
        }
        if (st == CM_OK) {
            st = cm_col_of_expr(b->pl, target->name, exprs[i], g.node, &cols[i]);
            cols[i].type = target->expr->type; /* as it was described */
        }
    }
    if (st != CM_OK) {
        return st;
    }
    ret->node = cm_node_project(b->pl, g.node, exprs, cols, needs);
    ret->col = CM_NEW_SMALL(b->pl->arena, unsigned, needs + 1);
    for (size_t i = 0; i < needs; i++) {
        ret->col[i] = (unsigned)i;
    }
    find_uniques(&g, ret);
    return CM_OK;
}
