/* CREATE and DROP of servers, enums and foreign tables, IMPORT FOREIGN SCHEMA, SECURITY LABEL. */
#include "sql/parse_pg.h"

#include <string.h>

enum { OPTIONS_MAX = 256 };

cm_status cm_parse_options(cm_parser *p, PgQuery__Node *const *defs, size_t count, cm_options *ret)
{
    cm_option *options = CM_NEW_SMALL(p->arena, cm_option, count + 1);

    if (count > OPTIONS_MAX) {
        return cm_parser_refuse(p, -1, "a list of more than %d options", OPTIONS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const PgQuery__DefElem *def = defs[i]->def_elem;
        const char *value = cm_pg_string(def->arg);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(options[j].name, def->defname) == 0) {
                cm_parser_at(p, def->location);
                return cm_fail(p->diag, CM_EINVAL, CM_SQL_DUPLICATE_OBJECT,
                               "option \"" CM_QUOTE "\" provided more than once", def->defname);
            }
        }
        options[i].name = cm_arena_strdup(p->arena, def->defname);
        options[i].value = cm_arena_strdup(p->arena, value == NULL ? "" : value);
    }
    *ret = (cm_options){count, options};
    return CM_OK;
}

static const char *const *copy_strings(cm_parser *p, PgQuery__Node *const *nodes, size_t count)
{
    const char **texts = CM_NEW_SMALL(p->arena, const char *, count + 1);

    for (size_t i = 0; i < count; i++) {
        const char *text = cm_pg_string(nodes[i]);
        texts[i] = cm_arena_strdup(p->arena, text == NULL ? "" : text);
    }
    return texts;
}

/* [schema.]name into stmt. */
static cm_status set_name(cm_parser *p, PgQuery__Node *const *names, size_t count, cm_stmt *stmt)
{
    const char *schema, *name;

    if (!cm_pg_name(names, count, &schema, &name)) {
        return cm_parser_refuse(p, -1, "a name of this form");
    }
    stmt->name = cm_arena_strdup(p->arena, name);
    stmt->schema = cm_parser_text(p, schema);
    return CM_OK;
}

static cm_status parse_create_server(cm_parser *p, const PgQuery__CreateForeignServerStmt *s,
                                     cm_stmt *stmt)
{
    stmt->kind = CM_STMT_CREATE_SERVER;
    stmt->tag = "CREATE SERVER";
    stmt->name = cm_arena_strdup(p->arena, s->servername);
    stmt->foreign.wrapper = cm_arena_strdup(p->arena, s->fdwname);
    stmt->if_not_exists = s->if_not_exists;
    return cm_parse_options(p, s->options, s->n_options, &stmt->options);
}

static cm_status parse_create_enum(cm_parser *p, const PgQuery__CreateEnumStmt *s, cm_stmt *stmt)
{
    stmt->kind = CM_STMT_CREATE_ENUM;
    stmt->tag = "CREATE TYPE";
    stmt->labels = s->n_vals;
    stmt->label = copy_strings(p, s->vals, s->n_vals);
    if (s->n_vals == 0 || s->n_vals > CM_ENUM_MAX_LABELS) {
        return cm_parser_refuse(p, -1, "an ENUM of %zu labels", s->n_vals);
    }
    for (size_t i = 0; i < s->n_vals; i++) {
        if (strlen(stmt->label[i]) > CM_NAME_MAX_BYTES) {
            return cm_fail(p->diag, CM_EINVAL, "42602", "invalid enum label \"" CM_QUOTE "\"",
                           stmt->label[i]);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(stmt->label[i], stmt->label[j]) == 0) {
                return cm_fail(p->diag, CM_EINVAL, CM_SQL_DUPLICATE_OBJECT,
                               "enum label \"" CM_QUOTE "\" used more than once", stmt->label[i]);
            }
        }
    }
    return set_name(p, s->type_name, s->n_type_name, stmt);
}

/* Columns and table constraints ------------------------------------------------------------ */

static cm_status refuse_check(cm_parser *p, int32_t location)
{
    cm_status st = cm_parser_refuse(p, location, "this CHECK");

    cm_diag_hint(p->diag, "A CHECK declares the range of one column: CHECK (column BETWEEN low AND "
                          "high).");
    return st;
}

/* The column that a node refers to, or NULL. */
static const char *column_of(const PgQuery__Node *node)
{
    if (node == NULL || node->node_case != PG_QUERY__NODE__NODE_COLUMN_REF ||
        node->column_ref->n_fields != 1) {
        return NULL;
    }
    return cm_pg_string(node->column_ref->fields[0]);
}

typedef struct bounds {
    const char *column, *lo, *hi;
} bounds;

static bool take_bound(cm_parser *p, const PgQuery__Node *node, const char **bound)
{
    return *bound == NULL && cm_parse_literal(p, node, bound) && *bound != NULL;
}

static bool same_column(bounds *b, const char *column)
{
    if (column == NULL || (b->column != NULL && strcmp(b->column, column) != 0)) {
        return false;
    }
    b->column = column;
    return true;
}

/* column BETWEEN lo AND hi, column >= lo, lo <= column, and so on. */
static bool take_comparison(cm_parser *p, const PgQuery__AExpr *e, bounds *b)
{
    const char *op = e->n_name == 1 ? cm_pg_string(e->name[0]) : NULL;
    const PgQuery__Node *column = e->lexpr, *value = e->rexpr;

    if (e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN) {
        const PgQuery__List *list = value->list;
        return same_column(b, column_of(column)) && list->n_items == 2 &&
               take_bound(p, list->items[0], &b->lo) && take_bound(p, list->items[1], &b->hi);
    }
    if (e->kind != PG_QUERY__A__EXPR__KIND__AEXPR_OP || op == NULL) {
        return false;
    }
    bool least = strcmp(op, ">=") == 0, most = strcmp(op, "<=") == 0;
    if (column_of(column) == NULL) {
        column = e->rexpr;
        value = e->lexpr;
        least = strcmp(op, "<=") == 0;
        most = strcmp(op, ">=") == 0;
    }
    if ((!least && !most) || !same_column(b, column_of(column))) {
        return false;
    }
    return take_bound(p, value, least ? &b->lo : &b->hi);
}

static bool take_check(cm_parser *p, const PgQuery__Node *node, bounds *b)
{
    if (node->node_case == PG_QUERY__NODE__NODE_A_EXPR) {
        return take_comparison(p, node->a_expr, b);
    }
    if (node->node_case != PG_QUERY__NODE__NODE_BOOL_EXPR ||
        node->bool_expr->boolop != PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        return false;
    }
    for (size_t i = 0; i < node->bool_expr->n_args; i++) {
        const PgQuery__Node *arg = node->bool_expr->args[i];
        if (arg->node_case != PG_QUERY__NODE__NODE_A_EXPR || !take_comparison(p, arg->a_expr, b)) {
            return false;
        }
    }
    return true;
}

static cm_column_def *find_column(cm_column_def *defs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(defs[i].name, name) == 0) {
            return &defs[i];
        }
    }
    return NULL;
}

static cm_status no_such_column(cm_parser *p, int32_t location, const char *name)
{
    cm_parser_at(p, location);
    return cm_fail(p->diag, CM_EINVAL, CM_SQL_UNDEFINED_COLUMN,
                   "column \"" CM_QUOTE "\" named in a constraint does not exist", name);
}

static cm_status apply_check(cm_parser *p, const PgQuery__Constraint *c, cm_column_def *defs,
                             size_t count)
{
    bounds b = {0};

    if (c->raw_expr == NULL || !take_check(p, c->raw_expr, &b)) {
        return refuse_check(p, c->location);
    }
    cm_column_def *def = find_column(defs, count, b.column);
    if (def == NULL) {
        return no_such_column(p, c->location, b.column);
    }
    if (def->has_check) {
        return cm_parser_refuse(p, c->location, "a second CHECK of column \"%s\"", def->name);
    }
    def->has_check = true;
    def->check_lo = b.lo;
    def->check_hi = b.hi;
    return CM_OK;
}

/* def is the column that the constraint stands at, or NULL for the table's own. */
static cm_status apply_constraint(cm_parser *p, const PgQuery__Constraint *c, cm_column_def *def,
                                  cm_column_def *defs, size_t count)
{
    switch ((int)c->contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_NULL:
        return CM_OK;
    case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL:
        if (def == NULL) {
            return cm_parser_refuse(p, c->location, "NOT NULL apart from its column");
        }
        def->not_null = true;
        return CM_OK;
    case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK:
        return apply_check(p, c, defs, count);
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
    case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
        break;
    default:
        return cm_parser_refuse(p, c->location, "this kind of constraint");
    }
    if (c->n_keys == 1) {
        const char *name = cm_pg_string(c->keys[0]);
        def = find_column(defs, count, name);
        if (def == NULL) {
            return no_such_column(p, c->location, name);
        }
    }
    if (def == NULL) { /* USING INDEX */
        return cm_parser_refuse(p, c->location, "a key that names no column");
    }
    def->unique = true;
    def->not_null = def->not_null || c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY;
    return CM_OK;
}

/* PRIMARY KEY (a, b) and UNIQUE (a, b). */
static cm_status add_key(cm_parser *p, const PgQuery__Constraint *c, cm_stmt *stmt)
{
    cm_column_def *defs = (cm_column_def *)(uintptr_t)stmt->columndef; /* under construction */
    cm_table_key *keys = (cm_table_key *)(uintptr_t)stmt->key;
    unsigned *col = CM_NEW_SMALL(p->arena, unsigned, c->n_keys);
    bool primary = c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY;

    if (c->n_keys > CM_TABLE_MAX_KEYS || stmt->keys == CM_TABLE_MAX_KEYS) {
        return cm_parser_refuse(p, c->location, "more than 32 keys, or columns of one,");
    }
    for (size_t i = 0; i < c->n_keys; i++) {
        const char *name = cm_pg_string(c->keys[i]);
        cm_column_def *def = find_column(defs, stmt->columns, name);
        if (def == NULL) {
            return no_such_column(p, c->location, name);
        }
        col[i] = (unsigned)(def - defs);
        for (size_t j = 0; j < i; j++) {
            if (col[j] == col[i]) {
                cm_parser_at(p, c->location);
                return cm_fail(p->diag, CM_EINVAL, CM_SQL_DUPLICATE_COLUMN,
                               "column \"" CM_QUOTE "\" appears twice in %s constraint", name,
                               primary ? "primary key" : "unique");
            }
        }
        def->not_null = def->not_null || primary;
    }
    keys[stmt->keys++] = (cm_table_key){primary, c->n_keys, col};
    return CM_OK;
}

static bool is_composite_key(const PgQuery__Constraint *c)
{
    return c->n_keys > 1 && (c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY ||
                             c->contype == PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE);
}

static cm_status parse_column_def(cm_parser *p, const PgQuery__ColumnDef *c, cm_column_def *def)
{
    cm_ast_type type;

    def->name = cm_arena_strdup(p->arena, c->colname);
    def->position = cm_parser_position(p, c->location);
    if (c->coll_clause != NULL) {
        return cm_parser_refuse(p, c->location, "COLLATE of a column");
    }
    cm_status st = cm_parse_type(p, c->type_name, &type);
    if (st != CM_OK) {
        return st;
    }
    const char *dot = strrchr(type.name, '.');
    def->type_name = dot == NULL ? type.name : dot + 1;
    def->type_args = type.args;
    def->type_arg[0] = type.arg[0];
    def->type_arg[1] = type.arg[1];
    return cm_parse_options(p, c->fdwoptions, c->n_fdwoptions, &def->options);
}

static cm_status parse_columns(cm_parser *p, const PgQuery__CreateStmt *s, cm_stmt *stmt)
{
    cm_column_def *defs = CM_NEW_SMALL(p->arena, cm_column_def, s->n_table_elts + 1);
    size_t count = 0;

    if (s->n_table_elts > CM_TABLE_MAX_COLS) {
        return cm_fail(p->diag, CM_EINVAL, CM_SQL_TOO_MANY_COLUMNS,
                       "tables can have at most %d columns", CM_TABLE_MAX_COLS);
    }
    for (size_t i = 0; i < s->n_table_elts; i++) {
        const PgQuery__Node *elt = s->table_elts[i];
        if (elt->node_case != PG_QUERY__NODE__NODE_COLUMN_DEF) {
            continue;
        }
        if (find_column(defs, count, elt->column_def->colname) != NULL) {
            cm_parser_at(p, elt->column_def->location);
            return cm_fail(p->diag, CM_EINVAL, CM_SQL_DUPLICATE_COLUMN,
                           "column \"" CM_QUOTE "\" specified more than once",
                           elt->column_def->colname);
        }
        cm_status st = parse_column_def(p, elt->column_def, &defs[count++]);
        if (st != CM_OK) {
            return st;
        }
    }
    stmt->columns = count;
    stmt->columndef = defs;
    stmt->key = CM_NEW_SMALL(p->arena, cm_table_key, CM_TABLE_MAX_KEYS);
    count = 0;
    for (size_t i = 0; i < s->n_table_elts; i++) {
        const PgQuery__Node *elt = s->table_elts[i];
        cm_status st = CM_OK;
        if (elt->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF) {
            cm_column_def *def = &defs[count++];
            const PgQuery__ColumnDef *c = elt->column_def;
            for (size_t j = 0; j < c->n_constraints && st == CM_OK; j++) {
                st = apply_constraint(p, c->constraints[j]->constraint, def, defs, stmt->columns);
            }
        } else if (elt->node_case == PG_QUERY__NODE__NODE_CONSTRAINT) {
            st = is_composite_key(elt->constraint)
                     ? add_key(p, elt->constraint, stmt)
                     : apply_constraint(p, elt->constraint, NULL, defs, stmt->columns);
        } else {
            st = cm_parser_refuse(p, -1, "LIKE in CREATE FOREIGN TABLE");
        }
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

static cm_status parse_create_table(cm_parser *p, const PgQuery__CreateForeignTableStmt *s,
                                    cm_stmt *stmt)
{
    const PgQuery__CreateStmt *base = s->base_stmt;

    stmt->kind = CM_STMT_CREATE_TABLE;
    stmt->tag = "CREATE FOREIGN TABLE";
    stmt->name = cm_arena_strdup(p->arena, base->relation->relname);
    stmt->schema = cm_parser_text(p, base->relation->schemaname);
    stmt->if_not_exists = base->if_not_exists;
    stmt->foreign.server = cm_arena_strdup(p->arena, s->servername);
    if (base->n_inh_relations > 0 || base->partbound != NULL) {
        return cm_parser_refuse(p, base->relation->location, "a partition or inheritance");
    }
    cm_status st = cm_parse_options(p, s->options, s->n_options, &stmt->options);
    return st == CM_OK ? parse_columns(p, base, stmt) : st;
}

static cm_status parse_drop(cm_parser *p, const PgQuery__DropStmt *s, cm_stmt *stmt,
                            bool *ret_known)
{
    stmt->if_exists = s->missing_ok;
    switch ((int)s->remove_type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_SERVER:
        stmt->kind = CM_STMT_DROP_SERVER;
        stmt->tag = "DROP SERVER";
        break;
    case PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
        stmt->kind = CM_STMT_DROP_TYPE;
        stmt->tag = "DROP TYPE";
        break;
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
        stmt->kind = CM_STMT_DROP_TABLE;
        stmt->tag = "DROP FOREIGN TABLE";
        break;
    default:
        *ret_known = false;
        return CM_OK;
    }
    if (s->n_objects != 1) {
        return cm_parser_refuse(p, -1, "DROP of several objects at once");
    }
    if (s->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE) {
        return cm_parser_refuse(p, -1, "DROP ... CASCADE");
    }
    PgQuery__Node *object = s->objects[0];
    if (object->node_case == PG_QUERY__NODE__NODE_LIST) {
        return set_name(p, object->list->items, object->list->n_items, stmt);
    }
    if (object->node_case == PG_QUERY__NODE__NODE_TYPE_NAME) {
        return set_name(p, object->type_name->names, object->type_name->n_names, stmt);
    }
    return set_name(p, &object, 1, stmt);
}

static cm_status parse_import(cm_parser *p, const PgQuery__ImportForeignSchemaStmt *s,
                              cm_stmt *stmt)
{
    const char **names = CM_NEW_SMALL(p->arena, const char *, s->n_table_list + 1);

    stmt->kind = CM_STMT_IMPORT_SCHEMA;
    stmt->tag = "IMPORT FOREIGN SCHEMA";
    stmt->foreign.server = cm_arena_strdup(p->arena, s->server_name);
    stmt->foreign.remote_schema = cm_arena_strdup(p->arena, s->remote_schema);
    stmt->foreign.local_schema = cm_arena_strdup(p->arena, s->local_schema);
    stmt->foreign.limit_to =
        s->list_type == PG_QUERY__IMPORT_FOREIGN_SCHEMA_TYPE__FDW_IMPORT_SCHEMA_LIMIT_TO;
    stmt->foreign.except =
        s->list_type == PG_QUERY__IMPORT_FOREIGN_SCHEMA_TYPE__FDW_IMPORT_SCHEMA_EXCEPT;
    for (size_t i = 0; i < s->n_table_list; i++) {
        names[i] = cm_arena_strdup(p->arena, s->table_list[i]->range_var->relname);
    }
    stmt->foreign.names = s->n_table_list;
    stmt->foreign.name = names;
    return cm_parse_options(p, s->options, s->n_options, &stmt->options);
}

static cm_status parse_label(cm_parser *p, const PgQuery__SecLabelStmt *s, cm_stmt *stmt)
{
    bool column = s->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN;

    stmt->kind = CM_STMT_LABEL;
    stmt->tag = "SECURITY LABEL";
    stmt->value = cm_parser_text(p, s->label); /* NULL and '' are one in libpg_query's tree */
    if (s->provider[0] != '\0' && strcmp(s->provider, "comity") != 0) {
        return cm_fail(p->diag, CM_EINVAL, CM_SQL_BAD_PARAMETER,
                       "security label provider \"" CM_QUOTE "\" is not loaded", s->provider);
    }
    if ((!column && s->objtype != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE &&
         s->objtype != PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE) ||
        s->object->node_case != PG_QUERY__NODE__NODE_LIST) {
        return cm_parser_refuse(p, -1, "a SECURITY LABEL on this kind of object");
    }
    PgQuery__Node *const *names = s->object->list->items;
    size_t count = s->object->list->n_items;
    if (column) {
        if (count < 2) {
            return cm_fail(p->diag, CM_EINVAL, CM_SQL_SYNTAX, "column name must be qualified");
        }
        stmt->column = cm_arena_strdup(p->arena, cm_pg_string(names[--count]));
    }
    return set_name(p, names, count, stmt);
}

cm_status cm_parse_ddl(cm_parser *p, const PgQuery__Node *node, cm_stmt *stmt, bool *ret_known)
{
    *ret_known = true;
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_FOREIGN_SERVER_STMT:
        return parse_create_server(p, node->create_foreign_server_stmt, stmt);
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
        return parse_create_enum(p, node->create_enum_stmt, stmt);
    case PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT:
        return parse_create_table(p, node->create_foreign_table_stmt, stmt);
    case PG_QUERY__NODE__NODE_DROP_STMT:
        return parse_drop(p, node->drop_stmt, stmt, ret_known);
    case PG_QUERY__NODE__NODE_IMPORT_FOREIGN_SCHEMA_STMT:
        return parse_import(p, node->import_foreign_schema_stmt, stmt);
    case PG_QUERY__NODE__NODE_SEC_LABEL_STMT:
        return parse_label(p, node->sec_label_stmt, stmt);
    default:
        *ret_known = false;
        return CM_OK;
    }
}
